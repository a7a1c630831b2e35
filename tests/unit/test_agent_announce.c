/* The program that tells others on the device of an identity. */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "device-agent/port/posix/announce.h"
#include "support/deadline.h"
#include "support/tmp.h"

static void commands_are_split_at_blanks(void **state)
{
    static const struct {
        const char *command;
        size_t n;
        const char *words[4];
    } rows[] = {
        { "/bin/true", 1, { "/bin/true" } },
        { "  /bin/a  b\tc ", 3, { "/bin/a", "b", "c" } },
        { "/bin/a \"b c\" d", 3, { "/bin/a", "b c", "d" } },
        { "/bin/a b\" \"c", 2, { "/bin/a", "b c" } },
        { "/bin/a \"\"", 2, { "/bin/a", "" } },
        { "/bin/a $HOME;ls", 2, { "/bin/a", "$HOME;ls" } }, /* no shell */
        { "", 0, { NULL } },
        { " \t", 0, { NULL } },
        { "/bin/a \"b", 0, { NULL } },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char room[ANNOUNCE_MAX_COMMAND];
        const char *words[ANNOUNCE_MAX_WORDS + 1];

        assert_int_equal(announce_split(rows[i].command, room, words), rows[i].n);
        for (size_t j = 0; j < rows[i].n; j++)
            assert_string_equal(words[j], rows[i].words[j]);
        if (rows[i].n != 0)
            assert_null(words[rows[i].n]);
    }
}

static void too_many_words_are_refused(void **state)
{
    char command[2 * (ANNOUNCE_MAX_WORDS + 1) + 1], room[ANNOUNCE_MAX_COMMAND];
    const char *words[ANNOUNCE_MAX_WORDS + 1];

    (void)state;
    for (size_t i = 0; i <= ANNOUNCE_MAX_WORDS; i++)
        memcpy(command + 2 * i, "a ", 2);
    command[2 * ANNOUNCE_MAX_WORDS] = '\0';
    assert_int_equal(announce_split(command, room, words), ANNOUNCE_MAX_WORDS);
    command[2 * ANNOUNCE_MAX_WORDS] = 'a';
    command[2 * ANNOUNCE_MAX_WORDS + 1] = '\0';
    assert_int_equal(announce_split(command, room, words), 0);
}

/* ---- running --------------------------------------------------------------------------------- */

static const char *const env[] = { "AGENT_EVENT=provisioned", "AGENT_GENERATION=7", NULL };

/* Until it has ended, which is not reaped here. */
static void wait_for(const struct announce *announce)
{
    siginfo_t info;

    assert_int_equal(waitid(P_PID, (id_t)announce->pid, &info, WEXITED | WNOWAIT), 0);
}

static enum agent_class run(const char *command, char text[AGENT_MAX_MESSAGE])
{
    struct announce announce = { 0 };
    struct port_result result = { 0 };

    announce_start(&announce, command, env, 0, &result);
    if (result.class == AGENT_OK) {
        assert_true(announce.pid > 0);
        wait_for(&announce);
        assert_true(announce_ended(&announce, 0, &result));
        assert_false(announce_ended(&announce, 0, &result));
    }
    assert_int_equal(announce.pid, 0);
    memcpy(text, result.text, AGENT_MAX_MESSAGE);
    return result.class;
}

static char *script(const char *dir, const char *body)
{
    static char path[TMP_PATH_MAX];
    FILE *f = fopen(tmp_path(dir, "announce.sh", path), "w");

    assert_non_null(f);
    assert_true(fprintf(f, "#!/bin/sh\n%s\n", body) > 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, 0700), 0);
    return path;
}

static void it_gets_our_environment_and_what_is_new_in_it(void **state)
{
    char *dir = tmp_new(), body[1024], command[TMP_PATH_MAX + 64], text[AGENT_MAX_MESSAGE];
    char path[TMP_PATH_MAX], line[256] = "";
    FILE *f;

    (void)state;
    assert_int_equal(setenv("AGENT_EVENT", "from outside", 1), 0);
    assert_int_equal(setenv("AGENT_TEST_OWN", "kept", 1), 0);
    (void)snprintf(body, sizeof body,
                   "echo \"$AGENT_EVENT $AGENT_GENERATION $AGENT_TEST_OWN $1 $(cat)\" >\"%s\"",
                   tmp_path(dir, "out", path));
    (void)snprintf(command, sizeof command, "%s \"one word\"", script(dir, body));
    assert_int_equal(run(command, text), AGENT_OK);
    f = fopen(path, "r");
    assert_non_null(f);
    assert_non_null(fgets(line, sizeof line, f));
    (void)fclose(f);
    assert_string_equal(line, "provisioned 7 kept one word \n");
    tmp_free(dir);
}

/* grep ends with 1 where there is no such line: what was there before is not there twice. */
static void what_the_environment_had_of_these_names_is_gone(void **state)
{
    char text[AGENT_MAX_MESSAGE];

    (void)state;
    assert_int_equal(setenv("AGENT_EVENT", "from outside", 1), 0);
    assert_int_equal(run("/bin/grep -zqx AGENT_EVENT=provisioned /proc/self/environ", text),
                     AGENT_OK);
    assert_int_equal(run("/bin/grep -zqx \"AGENT_EVENT=from outside\" /proc/self/environ", text),
                     AGENT_LOCAL);
    assert_non_null(strstr(text, "ended with 1"));
}

static void what_the_agent_has_open_is_not_open_in_it(void **state)
{
    char *dir = tmp_new(), body[64], text[AGENT_MAX_MESSAGE];
    const int fd = open(dir, O_RDONLY | O_DIRECTORY);

    (void)state;
    assert_true(fd > 2);
    (void)snprintf(body, sizeof body, "test ! -e /proc/self/fd/%d", fd);
    assert_int_equal(run(script(dir, body), text), AGENT_OK);
    (void)close(fd);
    tmp_free(dir);
}

static void a_failure_is_told_with_its_reason(void **state)
{
    char *dir = tmp_new(), text[AGENT_MAX_MESSAGE];

    (void)state;
    assert_int_equal(run(script(dir, "exit 3"), text), AGENT_LOCAL);
    assert_non_null(strstr(text, "ended with 3"));
    assert_int_equal(run(script(dir, "kill -9 $$"), text), AGENT_LOCAL);
    assert_non_null(strstr(text, "signal 9"));
    assert_int_equal(run("/nobody/there", text), AGENT_LOCAL);
    assert_non_null(strstr(text, "/nobody/there cannot be started"));
    assert_int_equal(run("\"", text), AGENT_CONFIG);
    tmp_free(dir);
}

/* The sleep is the script's child, and holds the pipe's other end as long as it lives. */
static void what_takes_too_long_is_killed_with_all_that_it_started(void **state)
{
    char *dir = tmp_new(), body[TMP_PATH_MAX + 64], fifo[TMP_PATH_MAX];
    struct announce announce = { 0 };
    struct port_result result = { 0 };
    struct pollfd end;
    char byte;

    (void)state;
    assert_int_equal(mkfifo(tmp_path(dir, "fifo", fifo), 0600), 0);
    end = (struct pollfd){ .fd = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC), .events = POLLIN };
    assert_int_not_equal(end.fd, -1);
    (void)snprintf(body, sizeof body, "exec 3>\"%s\"; echo >&3; sleep 3600; exit 0", fifo);
    announce_start(&announce, script(dir, body), env, 0, &result);
    assert_int_equal(result.class, AGENT_OK);
    assert_int_equal(poll(&end, 1, DEADLINE_DEFAULT_MS), 1);
    assert_int_equal(read(end.fd, &byte, 1), 1);

    assert_false(announce_ended(&announce, ANNOUNCE_MS - 1, &result));
    assert_int_equal(poll(&end, 1, 0), 0);
    assert_false(announce_ended(&announce, ANNOUNCE_MS, &result));
    wait_for(&announce);
    assert_true(announce_ended(&announce, ANNOUNCE_MS, &result));
    assert_non_null(strstr(result.text, "killed after 60 s"));
    assert_int_equal(poll(&end, 1, DEADLINE_DEFAULT_MS), 1); /* nobody has it open any more */
    assert_true((end.revents & POLLHUP) != 0);
    (void)close(end.fd);
    tmp_free(dir);
}

static void it_ends_with_the_agent(void **state)
{
    char *dir = tmp_new();
    struct announce announce = { 0 };
    struct port_result result = { 0 };

    (void)state;
    announce_start(&announce, script(dir, "sleep 3600"), env, 0, &result);
    assert_int_equal(result.class, AGENT_OK);
    announce_stop(&announce);
    assert_int_equal(announce.pid, 0);
    announce_stop(&announce);
    tmp_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_are_split_at_blanks),
        cmocka_unit_test(too_many_words_are_refused),
        cmocka_unit_test(it_gets_our_environment_and_what_is_new_in_it),
        cmocka_unit_test(what_the_environment_had_of_these_names_is_gone),
        cmocka_unit_test(what_the_agent_has_open_is_not_open_in_it),
        cmocka_unit_test(a_failure_is_told_with_its_reason),
        cmocka_unit_test(what_takes_too_long_is_killed_with_all_that_it_started),
        cmocka_unit_test(it_ends_with_the_agent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
