/* How provctl writes: escaping, widths, tables, times, JSON, terminals, and what it does without
 * memory. */
#include "ctl/ctl.h"
#include "unit/test_ctl.h"
#include "unit/test_ctl_terminal.h"

#include <locale.h>
#include <semaphore.h>
#include <unistd.h>

#include "ctl/progress.h"
#include "ctl/table.h"
#include "support/alloc.h"

static int utf8(void **state)
{
    (void)state;
    assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
    return 0;
}

/* ---- text ------------------------------------------------------------------------------------ */

static void what_a_terminal_would_obey_is_escaped(void **state)
{
    static const struct {
        const char *in, *out;
        size_t n;
    } cases[] = {
        { "plain text", "plain text", 10 },
        { "gr\xc3\xbc\xc3\x9f\x65", "gr\xc3\xbc\xc3\x9f\x65", 7 },
        { "\xe6\xbc\xa2\xe5\xad\x97", "\xe6\xbc\xa2\xe5\xad\x97", 6 },
        { "a\x1b[2Jb", "a\\x1b[2Jb", 6 },
        { "a\nb\tc\rd", "a\\x0ab\\x09c\\x0dd", 7 },
        { "nul\0l", "nul\\x00l", 5 },
        { "\x7f", "\\x7f", 1 },
        { "\xc2\x9b", "\\xc2\\x9b", 2 },          /* CSI as one character */
        { "\xe2\x80\xae", "\\xe2\\x80\\xae", 3 }, /* right-to-left override */
        { "\xe2\x81\xa6", "\\xe2\\x81\\xa6", 3 }, /* isolate */
        { "\xff\xfe", "\\xff\\xfe", 2 },          /* no UTF-8 */
        { "\xe2\x82", "\\xe2\\x82", 2 },          /* cut off */
        { "\xed\xa0\x80", "\\xed\\xa0\\x80", 3 }, /* a surrogate */
        { "\xf0\x9f\x94\x91", "\xf0\x9f\x94\x91", 4 },
    };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(cases); i++) {
        struct prov_buf out;

        prov_buf_init(&out, 256);
        ctl_put_text(&out, prov_span(cases[i].in, cases[i].n));
        assert_string_equal(prov_buf_cstr(&out), cases[i].out);
        prov_buf_release(&out);
    }
}

static void wide_characters_are_two_columns(void **state)
{
    static const struct {
        const char *text;
        size_t width;
    } cases[] = {
        { "", 0 },
        { "abc", 3 },
        { "gr\xc3\xbc\xc3\x9f\x65", 5 },
        { "\xe6\xbc\xa2\xe5\xad\x97", 4 },
        { "e\xcc\x81", 1 }, /* with a combining accent */
    };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(cases); i++)
        assert_int_equal(ctl_width(S(cases[i].text)), cases[i].width);
}

static void text_is_cut_between_characters(void **state)
{
    const struct prov_span text = S("a\xe6\xbc\xa2\xe5\xad\x97z"); /* widths 1 2 2 1 */
    const size_t bytes[] = { 0, 1, 1, 4, 4, 7, 8, 8 };

    (void)state;
    for (size_t width = 0; width < PROV_COUNT(bytes); width++)
        assert_int_equal(ctl_cut(text, width).n, bytes[width]);
}

static void times_and_sizes_are_for_people(void **state)
{
    static const struct {
        int64_t at_ms;
        const char *time, *ago;
    } times[] = {
        { 1700000000000, "2023-11-14 22:13:20Z", "just now" },
        { 1699999999000, "2023-11-14 22:13:19Z", "1 second ago" },
        { 1699999880000, "2023-11-14 22:11:20Z", "2 minutes ago" },
        { 1699992800000, "2023-11-14 20:13:20Z", "2 hours ago" },
        { 1699900000000, "2023-11-13 18:26:40Z", "1 day ago" },
        { 1700260000000, "2023-11-17 22:26:40Z", "in 3 days" },
        { 0, "-", "19675 days ago" },
    };
    static const struct {
        uint64_t bytes;
        const char *text;
    } sizes[] = {
        { 0, "0 bytes" },
        { 999, "999 bytes" },
        { 1000, "1.0 kB" },
        { 123456, "123 kB" },
        { 1500000, "1.5 MB" },
        { 34359738368, "34.4 GB" },
        { UINT64_MAX, "18446744 TB" },
    };
    struct prov_buf out;

    (void)state;
    prov_buf_init(&out, 256);
    for (size_t i = 0; i < PROV_COUNT(times); i++) {
        prov_buf_clear(&out);
        ctl_put_time(&out, times[i].at_ms);
        assert_string_equal(prov_buf_cstr(&out), times[i].time);
        prov_buf_clear(&out);
        ctl_put_ago(&out, times[i].at_ms, 1700000000000);
        assert_string_equal(prov_buf_cstr(&out), times[i].ago);
    }
    for (size_t i = 0; i < PROV_COUNT(sizes); i++) {
        prov_buf_clear(&out);
        ctl_put_size(&out, sizes[i].bytes);
        assert_string_equal(prov_buf_cstr(&out), sizes[i].text);
    }
    prov_buf_release(&out);
}

static void shell_words_come_back_as_they_were(void **state)
{
    static const struct {
        const char *in, *out; /* out NULL: cannot be typed */
    } cases[] = {
        { "plain-1.pem", "plain-1.pem" },
        { "/a/b:c@d", "/a/b:c@d" },
        { "two words", "'two words'" },
        { "it's", "'it'\\''s'" },
        { "$(rm -rf /)", "'$(rm -rf /)'" },
        { "`id`", "'`id`'" },
        { "-option", "'-option'" },
        { "", "''" },
        { "a\nb", NULL },
        { "\x1b", NULL },
        { "\xff", NULL },
    };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(cases); i++) {
        struct prov_buf out;

        prov_buf_init(&out, 256);
        assert_int_equal(ctl_put_shell(&out, S(cases[i].in)), cases[i].out != NULL);
        assert_string_equal(prov_buf_cstr(&out), cases[i].out != NULL ? cases[i].out : "");
        prov_buf_release(&out);
    }
}

static void json_is_read_back_as_it_was(void **state)
{
    static const char text[] =
        "{\n  \"a\": [\n    1,\n    -2.5,\n    1700000000.123,\n    true,\n    false,\n    null\n  "
        "],\n"
        "  \"empty\": {},\n  \"none\": [],\n"
        "  \"s\": \"q\\\"b\\\\ \\n\\t \\u001b\\u007f\\u009b\\u202e gr\xc3\xbc\xc3\x9f\x65\"\n}";
    struct prov_err err;
    struct prov_buf out;
    cJSON *doc = NULL, *again = NULL;

    (void)state;
    assert_int_equal(prov_json_parse(S(text), sizeof text, &doc, &err), PROV_OK);
    prov_buf_init(&out, 1024);
    ctl_put_json(&out, doc, 0);
    assert_string_equal(prov_buf_cstr(&out), text);
    assert_int_equal(prov_json_parse(prov_buf_span(&out), sizeof text, &again, &err), PROV_OK);
    assert_true(cJSON_Compare(doc, again, true));
    cJSON_Delete(doc);
    cJSON_Delete(again);
    prov_buf_release(&out);
}

/* ---- tables ---------------------------------------------------------------------------------- */

static const struct ctl_column columns[] = {
    { "ID", false, false },
    { "N", true, false },
    { "NAME", false, true },
};

static void columns_align_by_what_is_seen(void **state)
{
    const struct ctl_look look = { 0 };
    struct ctl_table t;
    struct prov_buf out;

    (void)state;
    prov_buf_init(&out, 1024);
    ctl_table_start(&t, columns, 3, &look, &out);
    ctl_cell(&t, S("\xe6\xbc\xa2\xe5\xad\x97"));
    ctl_cellf(&t, "%d", 7);
    ctl_cell(&t, S("one\n"));
    ctl_cell(&t, S("abc"));
    ctl_cellf(&t, "%d", 1234);
    ctl_cell(&t, NONE);
    ctl_table_flush(&t);
    assert_string_equal(prov_buf_cstr(&out), "ID       N  NAME\n"
                                             "\xe6\xbc\xa2\xe5\xad\x97     7  one\\x0a\n"
                                             "abc   1234  -\n");
    ctl_table_release(&t);
    prov_buf_release(&out);
}

static void later_rows_widen_and_do_not_repeat_the_header(void **state)
{
    const struct ctl_look look = { 0 };
    struct ctl_table t;
    struct prov_buf out;

    (void)state;
    prov_buf_init(&out, 1024);
    ctl_table_start(&t, columns, 3, &look, &out);
    for (int i = 0; i < 2; i++) {
        ctl_cell(&t, i == 0 ? S("a") : S("longer"));
        ctl_cell(&t, S("1"));
        ctl_cell(&t, S("x"));
        ctl_table_flush(&t);
    }
    assert_string_equal(prov_buf_cstr(&out), "ID  N  NAME\n"
                                             "a   1  x\n"
                                             "longer  1  x\n");
    ctl_table_release(&t);
    prov_buf_release(&out);
}

static void table_without_rows_has_no_header(void **state)
{
    const struct ctl_look look = { 0 };
    struct ctl_table t;
    struct prov_buf out;

    (void)state;
    prov_buf_init(&out, 1024);
    ctl_table_start(&t, columns, 3, &look, &out);
    ctl_table_flush(&t);
    assert_string_equal(prov_buf_cstr(&out), "");
    ctl_table_release(&t);
    prov_buf_release(&out);
}

static void terminal_cuts_names_and_never_ids(void **state)
{
    const struct ctl_look look = { .width = 24 };
    struct ctl_table t;
    struct prov_buf out;

    (void)state;
    prov_buf_init(&out, 1024);
    ctl_table_start(&t, columns, 3, &look, &out);
    ctl_cell(&t, S("0123456789ab"));
    ctl_cell(&t, S("1"));
    ctl_cell(&t, S("a-very-long-name-indeed"));
    ctl_table_flush(&t);
    assert_string_equal(prov_buf_cstr(&out), "ID            N  NAME\n"
                                             "0123456789ab  1  a-very-…\n");
    ctl_table_release(&t);
    prov_buf_release(&out);
}

static void colours_do_not_count_as_width(void **state)
{
    const struct ctl_look look = { .colour = true };
    struct ctl_table t;
    struct prov_buf out;

    (void)state;
    prov_buf_init(&out, 1024);
    ctl_table_start(&t, columns, 2, &look, &out);
    ctl_cell_styled(&t, ctl_style_of("ACTIVE"), "ACTIVE");
    ctl_cell(&t, S("1"));
    ctl_table_flush(&t);
    assert_string_equal(prov_buf_cstr(&out), "\x1b[1mID\x1b[0m      \x1b[1mN\x1b[0m\n"
                                             "\x1b[32mACTIVE\x1b[0m  1\n");
    ctl_table_release(&t);
    prov_buf_release(&out);
}

static void nearest_word_is_one_that_is_near(void **state)
{
    static const char *const words[] = { "list", "show", "status", "update", "on", "cert" };
    static const struct {
        const char *word, *nearest;
    } cases[] = {
        { "lsit", "list" },
        { "lst", "list" },
        { "lists", "list" },
        { "stat", "status" },
        { "updaet", "update" },
        { "certificate", "cert" },
        { "onn", "on" },
        { "xyz", NULL },
        { "delete", NULL },
        { "", NULL },
        { "an-extremely-long-word-that-nobody-would-ever-type", NULL },
    };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(cases); i++) {
        struct ctl_nearest nearest = { .word = cases[i].word };

        for (size_t j = 0; j < PROV_COUNT(words); j++)
            ctl_nearest_try(&nearest, words[j]);
        if (cases[i].nearest == NULL)
            assert_null(nearest.best);
        else
            assert_string_equal(nearest.best, cases[i].nearest);
    }
}

/* ---- terminals ------------------------------------------------------------------------------- */

/* `provctl cert list` on a terminal of this width. */
static void list_on_terminal(struct rig *r, unsigned short width, char out[static 8192])
{
    char *argv[] = { (char *)"provctl", (char *)"cert", (char *)"list", NULL };
    struct terminal t = terminal_new(width);
    struct ctl_io io = { .in = stdin, .out = t.slave, .err = stderr };

    (void)r;
    assert_int_equal(ctl_main(&io, 3, argv), 0);
    terminal_end(&t, out, 8192);
}

static void terminal_has_colour_and_its_width_and_no_color_none(void **state)
{
    struct rig *r = *state;
    struct pki_cert wordy = pki_make(
        &(struct pki_spec){ .subject = "/CN=a-device-with-a-name-of-more-than-forty-characters" });
    char path[TMP_PATH_MAX], out[8192];

    rig_register(r);
    pki_write(r->dir, "wordy", &wordy, NULL);
    ctl_ok(r, "cert", "register", tmp_path(r->dir, "wordy.crt", path), "--no-ca");
    assert_int_equal(setenv("TERM", "xterm", 1) | unsetenv("NO_COLOR"), 0);
    list_on_terminal(r, 90, out);
    says(out, "\x1b[32mACTIVE\x1b[0m");
    says(out, "…");
    list_on_terminal(r, 200, out);
    says_not(out, "…");
    assert_int_equal(setenv("NO_COLOR", "1", 1), 0);
    list_on_terminal(r, 90, out);
    says_not(out, "\x1b[");
    for (const char *line = out; *line != '\0'; line += strspn(line, "\r\n")) {
        const size_t n = strcspn(line, "\r\n");

        assert_true(ctl_width(prov_span(line, n)) <= 90);
        line += n;
    }
    assert_int_equal(unsetenv("NO_COLOR") | setenv("TERM", "dumb", 1), 0);
    list_on_terminal(r, 90, out);
    says_not(out, "\x1b[");
    ctl_ok(r, "cert", "list"); /* no terminal at all */
    says_not(r->out, "\x1b[");
    says_not(r->out, "…");
    pki_free(&wordy);
}

static uint64_t half(void *ctx)
{
    assert_int_equal(sem_post(ctx), 0);
    return 50;
}

static void progress_is_shown_on_a_terminal_and_taken_away(void **state)
{
    struct terminal t = terminal_new(80);
    struct ctl ctl = { .io = { .err = t.slave }, .progress = true };
    sem_t asked;
    struct ctl_progress p;
    char out[8192];

    (void)state;
    assert_int_equal(sem_init(&asked, 0, 0), 0);
    ctl_progress_start(&p, &ctl, "copying", 100, half, &asked);
    for (int shown = 0; shown < 2; shown++)
        assert_int_equal(sem_wait(&asked), 0);
    ctl_progress_stop(&p);
    ctl_progress_stop(&p);
    terminal_end(&t, out, sizeof out);
    (void)sem_destroy(&asked);
    says(out, "\r\x1b[Kcopying 50%, 0 s");
    assert_string_equal(out + strlen(out) - 4, "\r\x1b[K");
}

static void progress_elsewhere_is_silent(void **state)
{
    struct ctl ctl = { .io = { .err = NULL }, .progress = false };
    struct ctl_progress p;

    (void)state;
    ctl_progress_start(&p, &ctl, "copying", 100, NULL, NULL);
    ctl_progress_stop(&p);
}

/* ---- no memory ------------------------------------------------------------------------------- */

/* The command once, at a time that stands still. */
static void run_then(struct rig *r, const char *const *words)
{
    struct ctl_io io = { .in = stdin, .now_ms = INT64_C(2000000000000) };
    char *argv[12] = { (char *)"provctl" };
    size_t out_n, err_n;
    int argc = 1;

    free(r->out);
    free(r->err);
    io.out = open_memstream(&r->out, &out_n);
    io.err = open_memstream(&r->err, &err_n);
    for (; words[argc - 1] != NULL; argc++)
        argv[argc] = (char *)words[argc - 1];
    r->code = ctl_main(&io, argc, argv);
    (void)fclose(io.out);
    (void)fclose(io.err);
}

/* Each allocation of our own fails once: the command says so and did nothing, or it did not matter
 * and the answer is the same. */
static void command_without_memory_fails_or_answers_all_the_same(void **state)
{
    struct rig *r = *state;
    static const struct {
        const char *words[10];
        const char *undo[8]; /* makes it possible again */
    } cases[] = {
        { { "thing", "create", "b", "--attr", "k=v" }, { "thing", "delete", "b" } },
        { { "policy", "show", "device" }, { NULL } },
        { { "policy", "test", "--cert", "CERT", "--client-id=c", "--action=Connect" }, { NULL } },
        { { "template", "eval", "jitp", "--cert", "CERT" }, { NULL } },
        { { "cert", "list", "--json" }, { NULL } },
        { { "cert", "list" }, { NULL } },
        { { "thing", "show", "dev-1" }, { NULL } },
        { { "status", "--full" }, { NULL } },
        { { "status", "--json" }, { NULL } },
        { { "explain", "dev-1" }, { NULL } },
        { { "explain", "dev-1", "--json" }, { NULL } },
        { { "ca", "show", "CA" }, { NULL } },
        { { "help", "ca", "register" }, { NULL } },
    };

    rig_register(r);
    ctl_ok(r, "thing", "create", "dev-1");
    ctl_ok(r, "thing", "attach", "dev-1", "--cert", r->leaf_hex);
    r->input = POLICY_TEXT;
    ctl_ok(r, "policy", "create", "device", "-");
    ctl_ok(r, "policy", "attach", "device", "--cert", r->leaf_hex);
    r->input = TEMPLATE_TEXT;
    ctl_ok(r, "template", "create", "jitp", "-", "--type", "JITP");
    for (size_t i = 0; i < PROV_COUNT(cases); i++) {
        const char *words[10];
        char *expected;
        int code;

        for (size_t w = 0; w < PROV_COUNT(words); w++) {
            const char *word = cases[i].words[w];

            words[w] = word == NULL                ? NULL
                       : strcmp(word, "CERT") == 0 ? r->leaf_hex
                       : strcmp(word, "CA") == 0   ? r->ca_hex
                                                   : word;
        }
        if (cases[i].undo[0] == NULL) {
            run_then(r, words);
            expected = r->out;
            r->out = NULL;
            code = r->code;
        } else {
            expected = NULL;
            code = 0;
        }
        for (unsigned n = 1;; n++) {
            bool struck;

            alloc_fail_at(n);
            run_then(r, words);
            struck = alloc_failed();
            if (!struck)
                break;
            assert_true(n < 5000);
            if (r->code == 5) { /* lists may have written whole pages */
                assert_memory_equal(r->out, expected != NULL ? expected : "", strlen(r->out));
                continue;
            }
            assert_int_equal(r->code, code);
            if (expected != NULL)
                assert_string_equal(r->out, expected);
            else
                ctl_expect(r, 0, cases[i].undo, __FILE__, __LINE__);
        }
        assert_int_equal(r->code, code);
        free(expected);
    }
}

#define TEXT_TEST(f) cmocka_unit_test_setup(f, utf8)

static const struct CMUnitTest ctl_text[] = {
    TEXT_TEST(what_a_terminal_would_obey_is_escaped),
    TEXT_TEST(wide_characters_are_two_columns),
    TEXT_TEST(text_is_cut_between_characters),
    TEXT_TEST(times_and_sizes_are_for_people),
    TEXT_TEST(shell_words_come_back_as_they_were),
    TEXT_TEST(json_is_read_back_as_it_was),
    TEXT_TEST(columns_align_by_what_is_seen),
    TEXT_TEST(later_rows_widen_and_do_not_repeat_the_header),
    TEXT_TEST(table_without_rows_has_no_header),
    TEXT_TEST(terminal_cuts_names_and_never_ids),
    TEXT_TEST(colours_do_not_count_as_width),
    TEXT_TEST(nearest_word_is_one_that_is_near),
    RIG_TEST(terminal_has_colour_and_its_width_and_no_color_none),
    TEXT_TEST(progress_is_shown_on_a_terminal_and_taken_away),
    TEXT_TEST(progress_elsewhere_is_silent),
    RIG_TEST(command_without_memory_fails_or_answers_all_the_same),
};

int main(void)
{
    return cmocka_run_group_tests(ctl_text, NULL, NULL);
}
