/* The exit codes, and what is written about commands: table, help and manual page agree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device-agent/port/posix/cmd.h"
#include "device-agent/port/posix/exits.h"

#define MAX_PAGE (256 * 1024)

static char *read_page(const char *name)
{
    char path[1024];
    char *text = calloc(1, MAX_PAGE);
    FILE *f;

    (void)snprintf(path, sizeof path, "%s/%s", PROV_SOURCE_DIR, name);
    f = fopen(path, "r");
    assert_non_null(f);
    assert_non_null(text);
    assert_true(fread(text, 1, MAX_PAGE - 1, f) > 0);
    (void)fclose(f);
    return text;
}

/* Scripts depend on these numbers: a change here is a change of a promise. */
static void codes_are_what_they_always_were(void **state)
{
    static const struct {
        const char *name;
        int code;
    } rows[] = {
        { "ok", 0 },          { "usage", 1 },    { "locked", 2 },      { "timeout", 3 },
        { "interrupted", 4 }, { "not-due", 5 },  { "no-identity", 6 }, { "network", 11 },
        { "pending", 12 },    { "refused", 13 }, { "rejected", 14 },   { "token", 15 },
        { "throttled", 16 },  { "busy", 17 },    { "clock", 18 },      { "trust", 19 },
        { "answer", 20 },     { "local", 21 },   { "config", 22 },     { "record", 23 },
    };

    (void)state;
    assert_int_equal(exit_n_rows, sizeof rows / sizeof rows[0]);
    for (size_t i = 0; i < exit_n_rows; i++) {
        assert_string_equal(exit_rows[i].name, rows[i].name);
        assert_int_equal(exit_rows[i].code, rows[i].code);
    }
}

static void each_class_has_a_code_and_its_own_name(void **state)
{
    (void)state;
    assert_int_equal(exit_of_class(AGENT_OK), 0);
    for (unsigned class = 1; class < AGENT_CLASSES; class ++) {
        size_t n = 0;

        for (size_t i = 0; i < exit_n_rows; i++) {
            if (exit_rows[i].code != exit_of_class((enum agent_class) class))
                continue;
            assert_string_equal(exit_rows[i].name, agent_class_name((enum agent_class) class));
            n++;
        }
        assert_int_equal(n, 1);
    }
    assert_int_equal(exit_of_class(AGENT_CLASSES), exit_of_class(AGENT_LOCAL));
}

static void the_manual_page_has_every_code_command_and_option(void **state)
{
    char *page = read_page("docs/device-agent.1"), wanted[96], escaped[64];

    (void)state;
    for (size_t i = 0; i < exit_n_rows; i++) {
        (void)snprintf(wanted, sizeof wanted, "\n%d %s\n", exit_rows[i].code, exit_rows[i].name);
        if (strstr(page, wanted) == NULL)
            fail_msg("docs/device-agent.1 lacks %s", wanted);
    }
    for (size_t i = 0; i < cmd_n_rows + CMD_OPTS; i++) {
        const char *name = i < cmd_n_rows ? cmd_rows[i].name : cmd_options[i - cmd_n_rows].name;
        char *to = escaped;

        for (; *name != '\0'; name++) {
            if (*name == '-')
                *to++ = '\\';
            *to++ = *name;
        }
        *to = '\0';
        (void)snprintf(wanted, sizeof wanted, "%s%s", i < cmd_n_rows ? "" : "\\-\\-", escaped);
        if (strstr(page, wanted) == NULL)
            fail_msg("docs/device-agent.1 lacks %s", wanted);
    }
    free(page);
}

static void completion_knows_every_command_and_option(void **state)
{
    char *page = read_page("device-agent/device-agent.bash"), wanted[64];

    (void)state;
    for (size_t i = 0; i < cmd_n_rows; i++) {
        if (strstr(page, cmd_rows[i].name) == NULL)
            fail_msg("device-agent.bash lacks %s", cmd_rows[i].name);
    }
    for (size_t i = 0; i < CMD_OPTS; i++) {
        (void)snprintf(wanted, sizeof wanted, "--%s", cmd_options[i].name);
        if (strstr(page, wanted) == NULL)
            fail_msg("device-agent.bash lacks %s", wanted);
    }
    free(page);
}

/* Help is read on terminals of 100 columns at most. */
static void help_teaches_within_a_terminals_width(void **state)
{
    char *text = calloc(1, MAX_PAGE), wanted[64];
    FILE *f;

    (void)state;
    for (size_t i = 0; i <= cmd_n_rows; i++) {
        const struct cmd_row *row = i < cmd_n_rows ? &cmd_rows[i] : NULL;

        memset(text, 0, MAX_PAGE);
        f = fmemopen(text, MAX_PAGE - 1, "w");
        assert_non_null(f);
        cmd_help(row, f);
        (void)fclose(f);
        for (const char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1)
            assert_true(strcspn(line, "\n") <= 102); /* bytes: "…" is three */
        for (size_t j = 0; row == NULL && j < exit_n_rows; j++) {
            (void)snprintf(wanted, sizeof wanted, "\n  %2d %s", exit_rows[j].code,
                           exit_rows[j].name);
            assert_non_null(strstr(text, wanted));
        }
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_are_what_they_always_were),
        cmocka_unit_test(each_class_has_a_code_and_its_own_name),
        cmocka_unit_test(the_manual_page_has_every_code_command_and_option),
        cmocka_unit_test(completion_knows_every_command_and_option),
        cmocka_unit_test(help_teaches_within_a_terminals_width),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
