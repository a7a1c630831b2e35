/* What the agent tells: lines for the journal, sentences for people. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/mman.h>

#include <cmocka.h>

#include "device-agent/port/posix/tell.h"

static const struct notify nobody = { .fd = -1 };

/* Standard error goes here until heard. */
struct ear {
    int fd, before;
};

static struct ear listen_in(void)
{
    struct ear ear = { memfd_create("stderr", MFD_CLOEXEC), dup(STDERR_FILENO) };

    assert_int_not_equal(ear.fd, -1);
    assert_int_not_equal(dup2(ear.fd, STDERR_FILENO), -1);
    return ear;
}

static void heard(struct ear ear, const char *want)
{
    char text[8192];
    ssize_t n;

    (void)fflush(stderr);
    assert_int_not_equal(dup2(ear.before, STDERR_FILENO), -1);
    n = pread(ear.fd, text, sizeof text - 1, 0);
    assert_true(n >= 0);
    text[n] = '\0';
    (void)close(ear.before);
    (void)close(ear.fd);
    assert_string_equal(text, want);
}

static void tell_steps(bool watched)
{
    struct agent_state record = { .current = 0 };
    struct agent_view view = { .step = AGENT_BOOT, .text = "" };
    struct tell tell;

    tell_init(&tell, watched, &nobody);
    tell_view(&tell, &view, &record, 1000);
    view.step = AGENT_CONNECTING;
    tell_view(&tell, &view, &record, 1000);
    tell_view(&tell, &view, &record, 1000); /* nothing new */
    view = (struct agent_view){
        .step = AGENT_WAITING, .class = AGENT_NETWORK, .text = "no \"route\"", .next_ms = 4500
    };
    tell_view(&tell, &view, &record, 1000);
    view.step = AGENT_CONNECTING; /* the error stays until things go well */
    tell_view(&tell, &view, &record, 5000);
    view.step = AGENT_WAITING;
    view.next_ms = 200000;
    tell_view(&tell, &view, &record, 6000);
    record.current = 1;
    (void)snprintf(record.thing_name, sizeof record.thing_name, "pump-7");
    view = (struct agent_view){ .step = AGENT_READY, .slot = 1, .connected = true, .text = "" };
    tell_view(&tell, &view, &record, 7000);
}

static void the_journal_gets_a_line_for_what_is_new(void **state)
{
    const struct ear ear = listen_in();

    (void)state;
    (void)unsetenv("JOURNAL_STREAM");
    tell_steps(false);
    heard(ear, "level=info event=step step=connecting slot=0\n"
               "level=warning event=failed class=network text=\"no \\\"route\\\"\" next_s=4\n"
               "level=info event=step step=waiting slot=0\n"
               "level=info event=step step=connecting slot=0\n"
               "level=warning event=failed class=network text=\"no \\\"route\\\"\" next_s=194\n"
               "level=info event=step step=waiting slot=0\n"
               "level=info event=identity generation=1 thing=\"pump-7\"\n"
               "level=info event=step step=ready slot=1\n");
}

static void people_get_sentences(void **state)
{
    const struct ear ear = listen_in();

    (void)state;
    tell_steps(true);
    heard(ear, "  connecting\n"
               "! network: no \"route\" (next try in 4 s)\n"
               "  connecting\n"
               "! network: no \"route\" (next try in 3 min)\n"
               "  generation 1 is in force: pump-7\n"
               "  connected\n");
}

static void a_text_stays_one_line_and_one_value(void **state)
{
    struct tell tell;
    struct ear ear;
    char text[600];

    (void)state;
    assert_int_equal(setenv("JOURNAL_STREAM", "8:1", 1), 0);
    tell_init(&tell, false, &nobody);
    ear = listen_in();
    tell_event(&tell, TELL_WARNING, "claim", "%s", "a\nb=\"c\"\\\x1b\xc3");
    tell_event(&tell, TELL_INFO, "bare", "%s", "");
    heard(ear, "<4>level=warning event=claim text=\"a?b=\\\"c\\\"\\\\??\"\n"
               "<6>level=info event=bare\n");

    memset(text, '"', sizeof text - 1); /* each is two: more than a line holds */
    text[sizeof text - 1] = '\0';
    ear = listen_in();
    tell_event(&tell, TELL_ERROR, "long", "%s", text);
    (void)fflush(stderr);
    assert_int_not_equal(dup2(ear.before, STDERR_FILENO), -1);
    assert_true(lseek(ear.fd, 0, SEEK_END) <= 1024);
    (void)close(ear.before);
    (void)close(ear.fd);
    assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
}

static void waits_are_told_in_units_that_people_use(void **state)
{
    static const struct {
        uint64_t ms;
        const char *text;
    } rows[] = {
        { 0, "at once" },          { 999, "at once" },
        { 1000, "in 1 s" },        { 1500, "in 2 s" },
        { 119000, "in 119 s" },    { 120000, "in 2 min" },
        { 7199000, "in 120 min" }, { 7200000, "in 2 h" },
        { 172800000, "in 2 d" },   { UINT64_C(31536000000), "in 365 d" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char out[32];

        assert_string_equal(tell_wait(rows[i].ms, out), rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_journal_gets_a_line_for_what_is_new),
        cmocka_unit_test(people_get_sentences),
        cmocka_unit_test(a_text_stays_one_line_and_one_value),
        cmocka_unit_test(waits_are_told_in_units_that_people_use),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
