/* ctest labels: tsan */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>
#include <wchar.h>

#include <cmocka.h>

#include "run/log.h"

#define ELLIPSIS "\xe2\x80\xa6"
#define EURO "\xe2\x82\xac"

static bool fail_calloc; /* -Wl,--wrap */

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);

void *__wrap_calloc(size_t n, size_t size)
{
    return fail_calloc ? NULL : __real_calloc(n, size);
}

/* ---- what reached the sink ------------------------------------------------------------------- */

static struct {
    pthread_t broker;
    unsigned n;
    enum prov_level levels[4096];
    char lines[4096][PROV_LOG_LINE_MAX + 1];
    const char *answer; /* the sink logs this for each line, once that many are left */
    unsigned answers;
    bool within;
} sunk;

static void sink(void *ctx, enum prov_level level, const char *text)
{
    assert_ptr_equal(ctx, &sunk);
    assert_true(pthread_equal(pthread_self(), sunk.broker));
    assert_false(sunk.within);
    assert_true(strlen(text) <= PROV_LOG_LINE_MAX);
    sunk.levels[sunk.n % 4096] = level;
    (void)prov_span_copy(prov_span_str(text), sunk.lines[sunk.n % 4096], sizeof sunk.lines[0]);
    sunk.n++;
    if (sunk.answer == NULL || sunk.answers == 0)
        return;
    sunk.answers--;
    sunk.within = true;
    prov_log_drain(); /* as the broker's callbacks do */
    prov_log(PROV_LOG_NOTICE, "%s", sunk.answer);
    sunk.within = false;
}

static void start(unsigned ring_lines)
{
    memset(&sunk, 0, sizeof sunk);
    sunk.broker = pthread_self();
    assert_int_equal(prov_log_start(sink, &sunk, ring_lines), PROV_OK);
}

static int teardown(void **state)
{
    (void)state;
    prov_log_stop();
    prov_log_least(PROV_LOG_DEBUG);
    return 0;
}

static void assert_line(unsigned i, enum prov_level level, const char *text)
{
    assert_true(i < sunk.n);
    assert_int_equal(sunk.levels[i], level);
    assert_string_equal(sunk.lines[i], text);
}

/* Runs to its end on another thread. */
static void off_broker(void *(*work)(void *), void *arg)
{
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, work, arg), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void *log_some(void *arg)
{
    const unsigned *n = arg;

    for (unsigned i = 0; i < *n; i++)
        prov_log(PROV_LOG_INFO, "event=test i=%u", i);
    return NULL;
}

static void *audit_some(void *arg)
{
    const unsigned *n = arg;

    for (unsigned i = 0; i < *n; i++)
        prov_audit("worker", "test", "x", "ok", "");
    return NULL;
}

/* What write(work) put on stderr. */
static const char *stderr_of(void (*work)(void))
{
    static char text[4096];
    FILE *file = tmpfile();
    const int before = dup(STDERR_FILENO);
    size_t n;

    assert_non_null(file);
    (void)fflush(stderr);
    assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
    work();
    (void)fflush(stderr);
    assert_true(dup2(before, STDERR_FILENO) >= 0);
    (void)close(before);
    rewind(file);
    n = fread(text, 1, sizeof text - 1, file);
    text[n] = '\0';
    (void)fclose(file);
    return text;
}

/* ---- values ---------------------------------------------------------------------------------- */

#define S(literal) literal, sizeof(literal) - 1

static void value_is_quoted_and_escaped_where_it_is_not_plain(void **state)
{
    static const struct {
        const char *in;
        size_t n, cap;
        const char *out;
    } rows[] = {
        { S("thing-1"), 64, "thing-1" },
        { S("a/b:c,d@e{}[]"), 64, "a/b:c,d@e{}[]" },
        { S(""), 64, "\"\"" },
        { S("two words"), 64, "\"two words\"" },
        { S("k=v"), 64, "\"k=v\"" },
        { S("say \"hi\""), 64, "\"say \\\"hi\\\"\"" },
        { S("back\\slash"), 64, "\"back\\\\slash\"" },
        { S("a\nevent=forged"), 64, "\"a\\x0aevent=forged\"" },
        { S("\r\t\0\x1b\x7f"), 64, "\"\\x0d\\x09\\x00\\x1b\\x7f\"" },
        { S("caf\xc3\xa9"), 64, "\"caf\xc3\xa9\"" },
        { S("\xf0\x9f\x98\x80"), 64, "\"\xf0\x9f\x98\x80\"" },
        { S("\xff\xfe"), 64, "\"\\xff\\xfe\"" },
        { S("\xc3"), 64, "\"\\xc3\"" },                   /* cut short */
        { S("\xc0\xaf"), 64, "\"\\xc0\\xaf\"" },          /* overlong */
        { S("\xed\xa0\x80"), 64, "\"\\xed\\xa0\\x80\"" }, /* surrogate */
        { S("\xc2\x85"), 64, "\"\\xc2\\x85\"" },          /* C1: next line */
        { S("\xc2\xa0"), 64, "\"\xc2\xa0\"" },            /* behind C1 */
        { S("\xe2\x80\xa8"), 64, "\"\\xe2\\x80\\xa8\"" }, /* line separator */
        { S("\xe2\x80\xae"), 64, "\"\\xe2\\x80\\xae\"" }, /* right to left */
        { S("\xe2\x81\xa6"), 64, "\"\\xe2\\x81\\xa6\"" }, /* isolate */
        { S("\xe2\x80\xa7\xe2\x80\xaf"), 64,
          "\"\xe2\x80\xa7\xe2\x80\xaf\"" }, /* their neighbours */
        { S("1234567"), 8, "1234567" },
        { S("12345678"), 8, "\"12" ELLIPSIS "\"" },
        { S("1 345"), 8, "\"1 345\"" },
        { S("1 3456"), 8, "\"1 " ELLIPSIS "\"" },
        { S("12\n"), 8, "\"12" ELLIPSIS "\"" },
        { S("abc" EURO "xyz"), 9, "\"abc" ELLIPSIS "\"" },
        { S("abc" EURO EURO), 12, "\"abc" EURO EURO "\"" },
        { S("abc" EURO EURO "z"), 12, "\"abc" EURO ELLIPSIS "\"" },
        { S("long"), 7, "" }, /* less room than promised */
        { S("long"), 0, "" },
    };
    char out[64];
    (void)state;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        const char *got = prov_log_quote(prov_span(rows[i].in, rows[i].n), out, rows[i].cap);

        assert_string_equal(got, rows[i].out);
    }
    assert_string_equal(prov_log_quote(prov_span(NULL, 0), out, sizeof out), "\"\"");
}

static void cut_value_is_whole_characters_and_stays_in_its_room(void **state)
{
    static const char in[] = "a\x01" EURO "\"\\\xff\xf0\x9f\x98\x80 \xe2\x80\xa8 b";
    char out[80];
    (void)state;

    for (size_t cap = PROV_LOG_QUOTE_MIN; cap < sizeof out; cap++) {
        size_t n;

        memset(out, '#', sizeof out);
        (void)prov_log_quote(PROV_LIT(in), out, cap);
        n = strlen(out);
        assert_true(n < cap);
        assert_int_equal(out[0], '"');
        assert_int_equal(out[n - 1], '"');
        assert_true(prov_utf8_valid(prov_span(out, n)));
        for (size_t i = cap; i < sizeof out; i++)
            assert_int_equal(out[i], '#');
    }
}

/* ---- lines ----------------------------------------------------------------------------------- */

static void long_line_is_cut_between_characters(void **state)
{
    static const char *const units[] = { "x", "\xc3\xa9", EURO, "\xf0\x9f\x98\x80" };
    static char text[2 * PROV_LOG_LINE_MAX];
    unsigned line = 0;
    (void)state;

    start(4);
    for (size_t u = 0; u < PROV_COUNT(units); u++) {
        for (size_t pad = 0; pad < 4; pad++) {
            const size_t unit = strlen(units[u]);
            size_t n = pad, kept;

            memset(text, 'p', pad);
            for (; n + unit < sizeof text; n += unit)
                memcpy(text + n, units[u], unit);
            text[n] = '\0';
            prov_log(PROV_LOG_INFO, "%s", text);
            kept = strlen(sunk.lines[line]) - strlen(ELLIPSIS);
            assert_in_range(kept, PROV_LOG_LINE_MAX - 3 - (unit - 1), PROV_LOG_LINE_MAX - 3);
            assert_memory_equal(sunk.lines[line], text, kept);
            assert_string_equal(sunk.lines[line] + kept, ELLIPSIS);
            assert_true(prov_utf8_valid(prov_span_str(sunk.lines[line])));
            line++;
        }
    }
}

static void line_that_just_fits_is_whole(void **state)
{
    static char text[PROV_LOG_LINE_MAX + 2];
    (void)state;

    start(4);
    memset(text, 'x', PROV_LOG_LINE_MAX);
    prov_log(PROV_LOG_INFO, "%s", text);
    assert_line(0, PROV_LOG_INFO, text);
    text[PROV_LOG_LINE_MAX] = 'x';
    prov_log(PROV_LOG_INFO, "%s", text);
    assert_int_equal(strlen(sunk.lines[1]), PROV_LOG_LINE_MAX);
    assert_string_equal(sunk.lines[1] + PROV_LOG_LINE_MAX - 3, ELLIPSIS);
}

static void line_that_is_no_utf8_is_cut_all_the_same(void **state)
{
    static char text[2 * PROV_LOG_LINE_MAX];
    (void)state;

    start(4);
    memset(text, 0x80, sizeof text - 1);
    prov_log(PROV_LOG_INFO, "%s", text);
    assert_in_range(strlen(sunk.lines[0]), PROV_LOG_LINE_MAX - 3, PROV_LOG_LINE_MAX);
}

static void line_never_holds_a_control_character(void **state)
{
    (void)state;

    start(4);
    prov_log(PROV_LOG_INFO, "event=%s", "a\nb\r\x1b\x7f\tc");
    assert_line(0, PROV_LOG_INFO, "event=a?b????c");
}

static void line_that_cannot_be_formatted_is_not_lost_silently(void **state)
{
    (void)state;

    start(4);
    prov_log(PROV_LOG_INFO, "event=%lc", (wint_t)0xd800);
    assert_line(0, PROV_LOG_INFO, "event=log-line-unprintable");
}

static void level_leaves_out_what_is_below_it_but_never_an_audit_line(void **state)
{
    (void)state;

    start(4);
    prov_log(PROV_LOG_DEBUG, "event=a");
    prov_log_least(PROV_LOG_WARNING);
    prov_log(PROV_LOG_NOTICE, "event=b");
    prov_log(PROV_LOG_WARNING, "event=c");
    prov_log(PROV_LOG_ERROR, "event=d");
    prov_audit("me", "delete", "thing-1", "ok", "");
    prov_log_least((enum prov_level)99);
    prov_log(PROV_LOG_ERROR, "event=e");
    prov_audit("me", "delete", "thing-2", "ok", "");
    assert_int_equal(sunk.n, 5);
    assert_line(0, PROV_LOG_DEBUG, "event=a");
    assert_line(1, PROV_LOG_WARNING, "event=c");
    assert_line(2, PROV_LOG_ERROR, "event=d");
    assert_line(3, PROV_LOG_AUDIT, "event=audit actor=me action=delete object=thing-1 outcome=ok");
    assert_line(4, PROV_LOG_AUDIT, "event=audit actor=me action=delete object=thing-2 outcome=ok");
}

static void audit_line_quotes_its_parts_and_keeps_its_outcome(void **state)
{
    char object[2000];
    (void)state;

    start(4);
    memset(object, 'x', sizeof object - 1);
    object[sizeof object - 1] = '\0';
    prov_audit("uid 0", "cert\nupdate", "", "refused", "rc=denied id=7");
    assert_line(0, PROV_LOG_AUDIT,
                "event=audit actor=\"uid 0\" action=\"cert\\x0aupdate\" object=\"\" "
                "outcome=refused rc=denied id=7");
    prov_audit(object, object, object, "ok", object);
    assert_non_null(strstr(sunk.lines[1], ELLIPSIS "\" outcome=ok xxx"));
}

/* ---- threads --------------------------------------------------------------------------------- */

static void line_of_another_thread_waits_for_the_drain(void **state)
{
    unsigned n = 2;
    (void)state;

    start(8);
    prov_log_drain();
    assert_int_equal(sunk.n, 0);
    off_broker(log_some, &n);
    assert_int_equal(sunk.n, 0);
    prov_log_drain();
    assert_int_equal(sunk.n, 2);
    assert_line(0, PROV_LOG_INFO, "event=test i=0");
    assert_line(1, PROV_LOG_INFO, "event=test i=1");
    prov_log_drain();
    assert_int_equal(sunk.n, 2);
}

static void cause_on_another_thread_stands_before_its_consequence(void **state)
{
    unsigned n = 1;
    (void)state;

    start(8);
    off_broker(log_some, &n);
    prov_log(PROV_LOG_INFO, "event=consequence");
    assert_int_equal(sunk.n, 2);
    assert_line(0, PROV_LOG_INFO, "event=test i=0");
    assert_line(1, PROV_LOG_INFO, "event=consequence");
}

static void full_ring_drops_the_newest_and_says_how_many(void **state)
{
    unsigned n = 8;
    (void)state;

    start(8); /* six lines, and two places for audit lines */
    off_broker(log_some, &n);
    prov_log_drain();
    assert_int_equal(sunk.n, 7);
    assert_line(0, PROV_LOG_INFO, "event=test i=0");
    assert_line(5, PROV_LOG_INFO, "event=test i=5");
    assert_line(6, PROV_LOG_WARNING, "event=log-lines-lost lines=2 audit=0");
    n = 1; /* there is room again, and the count starts anew */
    off_broker(log_some, &n);
    prov_log_drain();
    assert_int_equal(sunk.n, 8);
    assert_line(7, PROV_LOG_INFO, "event=test i=0");
}

static void chatter_leaves_room_for_audit_lines(void **state)
{
    unsigned chatter = 100, audits = 3;
    (void)state;

    start(8);
    off_broker(log_some, &chatter);
    off_broker(audit_some, &audits);
    prov_log_drain();
    assert_int_equal(sunk.n, 9);
    assert_int_equal(sunk.levels[6], PROV_LOG_AUDIT);
    assert_int_equal(sunk.levels[7], PROV_LOG_AUDIT);
    assert_line(8, PROV_LOG_WARNING, "event=log-lines-lost lines=95 audit=1");
}

static void ring_may_be_filled_and_drained_any_number_of_times(void **state)
{
    unsigned n = 5;
    (void)state;

    start(8);
    for (unsigned round = 0; round < 20; round++) {
        off_broker(log_some, &n);
        prov_log_drain();
    }
    assert_int_equal(sunk.n, 100);
    for (unsigned i = 0; i < sunk.n; i++) {
        char expected[32];

        (void)snprintf(expected, sizeof expected, "event=test i=%u", i % 5);
        assert_line(i, PROV_LOG_INFO, expected);
    }
}

static void ring_of_one_line_holds_one(void **state)
{
    unsigned n = 2;
    (void)state;

    start(1);
    off_broker(log_some, &n);
    prov_log_drain();
    assert_int_equal(sunk.n, 2);
    assert_line(0, PROV_LOG_INFO, "event=test i=0");
    assert_line(1, PROV_LOG_WARNING, "event=log-lines-lost lines=1 audit=0");
}

enum { THREADS = 8, LINES = 200 };

static atomic_uint running;

static void *log_numbered(void *arg)
{
    const unsigned *thread = arg;

    for (unsigned i = 0; i < LINES; i++)
        prov_log(PROV_LOG_INFO, "thread=%u i=%u fill=%0*u", *thread, i, (int)(i % 50 + 1), 0u);
    atomic_fetch_sub(&running, 1);
    return NULL;
}

static void lines_of_eight_threads_all_arrive_whole_and_in_order(void **state)
{
    (void)state;

    for (unsigned while_draining = 0; while_draining < 2; while_draining++) {
        pthread_t threads[THREADS];
        unsigned ids[THREADS], next[THREADS] = { 0 };
        char expected[128];

        start(2 * THREADS * LINES + while_draining);
        running = THREADS;
        for (unsigned i = 0; i < THREADS; i++) {
            ids[i] = i;
            assert_int_equal(pthread_create(&threads[i], NULL, log_numbered, &ids[i]), 0);
        }
        while (while_draining && running != 0) {
            prov_log_drain();
            (void)sched_yield();
        }
        for (unsigned i = 0; i < THREADS; i++)
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        prov_log_drain();
        assert_int_equal(sunk.n, THREADS * LINES);
        for (unsigned i = 0; i < sunk.n; i++) {
            unsigned thread = THREADS, at;

            assert_int_equal(sscanf(sunk.lines[i], "thread=%u i=%u", &thread, &at), 2);
            assert_true(thread < THREADS);
            assert_int_equal(at, next[thread]++);
            (void)snprintf(expected, sizeof expected, "thread=%u i=%u fill=%0*u", thread, at,
                           (int)(at % 50 + 1), 0u);
            assert_string_equal(sunk.lines[i], expected);
        }
        prov_log_stop();
    }
}

static void sink_that_logs_is_not_called_within_itself(void **state)
{
    unsigned n = 3;
    (void)state;

    start(16);
    sunk.answer = "event=answer";
    sunk.answers = 100;
    prov_log(PROV_LOG_INFO, "event=first");
    assert_int_equal(sunk.n, 1);
    prov_log_drain(); /* passes on the answer, and leaves the answer to that */
    assert_int_equal(sunk.n, 2);
    assert_line(1, PROV_LOG_NOTICE, "event=answer");
    off_broker(log_some, &n);
    prov_log_drain();
    assert_int_equal(sunk.n, 6);
    sunk.answers = 0;
    prov_log_drain();
    assert_int_equal(sunk.n, 10);
}

/* ---- start and stop -------------------------------------------------------------------------- */

static void log_to_stderr(void)
{
    prov_log(PROV_LOG_WARNING, "event=plain n=%d", 7);
    prov_log_drain();
    prov_audit("me", "create", "x", "ok", "");
}

static void lines_go_to_stderr_before_the_start_and_after_the_stop(void **state)
{
    static const char expected[] =
        "warning: event=plain n=7\n"
        "audit: event=audit actor=me action=create object=x outcome=ok\n";
    (void)state;

    assert_string_equal(stderr_of(log_to_stderr), expected);
    start(4);
    assert_string_equal(stderr_of(log_to_stderr), "");
    assert_int_equal(sunk.n, 2);
    prov_log_stop();
    assert_string_equal(stderr_of(log_to_stderr), expected);
    assert_int_equal(sunk.n, 2);
    prov_log_stop(); /* once more does nothing */
}

static void stop_passes_on_what_waits(void **state)
{
    unsigned n = 2;
    (void)state;

    start(4);
    off_broker(log_some, &n);
    prov_log_stop();
    assert_int_equal(sunk.n, 2);
    assert_line(1, PROV_LOG_INFO, "event=test i=1");
}

static void stop_while_the_sink_answers(void)
{
    sunk.answer = "event=answer";
    sunk.answers = 100;
    prov_log(PROV_LOG_INFO, "event=first");
    prov_log_stop();
}

static void answer_of_the_sink_at_the_stop_goes_to_stderr(void **state)
{
    (void)state;

    start(4);
    assert_string_equal(stderr_of(stop_while_the_sink_answers), "notice: event=answer\n");
    assert_int_equal(sunk.n, 2);
}

static void start_refuses_what_cannot_work(void **state)
{
    (void)state;

    assert_int_equal(prov_log_start(NULL, NULL, 4), PROV_EINVAL);
    assert_int_equal(prov_log_start(sink, &sunk, 0), PROV_EINVAL);
    fail_calloc = true;
    assert_int_equal(prov_log_start(sink, &sunk, 4), PROV_ENOMEM);
    fail_calloc = false;
    assert_string_equal(stderr_of(prov_log_stop), "");
    start(4);
    assert_int_equal(prov_log_start(sink, NULL, 4), PROV_EBUG);
    prov_log(PROV_LOG_INFO, "event=still-the-first");
    assert_int_equal(sunk.n, 1);
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(value_is_quoted_and_escaped_where_it_is_not_plain),
        TEST(cut_value_is_whole_characters_and_stays_in_its_room),
        TEST(long_line_is_cut_between_characters),
        TEST(line_that_just_fits_is_whole),
        TEST(line_that_is_no_utf8_is_cut_all_the_same),
        TEST(line_never_holds_a_control_character),
        TEST(line_that_cannot_be_formatted_is_not_lost_silently),
        TEST(level_leaves_out_what_is_below_it_but_never_an_audit_line),
        TEST(audit_line_quotes_its_parts_and_keeps_its_outcome),
        TEST(line_of_another_thread_waits_for_the_drain),
        TEST(cause_on_another_thread_stands_before_its_consequence),
        TEST(full_ring_drops_the_newest_and_says_how_many),
        TEST(chatter_leaves_room_for_audit_lines),
        TEST(ring_may_be_filled_and_drained_any_number_of_times),
        TEST(ring_of_one_line_holds_one),
        TEST(lines_of_eight_threads_all_arrive_whole_and_in_order),
        TEST(sink_that_logs_is_not_called_within_itself),
        TEST(lines_go_to_stderr_before_the_start_and_after_the_stop),
        TEST(stop_passes_on_what_waits),
        TEST(answer_of_the_sink_at_the_stop_goes_to_stderr),
        TEST(start_refuses_what_cannot_work),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
