/*
 * Programs as hooks: how they answer, how they fail, and that nothing of them is left.
 *
 * ctest labels: tsan
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "support/hook_rig.h"

/* ---- failing what the runner needs (-Wl,--wrap) ---------------------------------------------- */

static atomic_uint fail_spawn, fail_epoll; /* the n-th from now on */
static atomic_bool no_pidfd;

static bool strikes(atomic_uint *countdown)
{
    unsigned n = *countdown;

    while (n != 0 && !atomic_compare_exchange_weak(countdown, &n, n - 1))
        continue;
    return n == 1;
}

int __real_posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                       const posix_spawnattr_t *attr, char *const argv[], char *const env[]);
int __wrap_posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                       const posix_spawnattr_t *attr, char *const argv[], char *const env[]);
int __real_epoll_ctl(int epfd, int op, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epfd, int op, int fd, struct epoll_event *event);
int __real_pidfd_open(pid_t pid, unsigned flags);
int __wrap_pidfd_open(pid_t pid, unsigned flags);

int __wrap_posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                       const posix_spawnattr_t *attr, char *const argv[], char *const env[])
{
    if (!strikes(&fail_spawn))
        return __real_posix_spawn(pid, path, actions, attr, argv, env);
    *pid = 1; /* which is then nobody's */
    return EAGAIN;
}

int __wrap_epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
    if (op != EPOLL_CTL_ADD || !strikes(&fail_epoll))
        return __real_epoll_ctl(epfd, op, fd, event);
    errno = ENOSPC;
    return -1;
}

int __wrap_pidfd_open(pid_t pid, unsigned flags)
{
    if (!no_pidfd)
        return __real_pidfd_open(pid, flags);
    errno = ENOSYS;
    return -1;
}

#define HANG "exec sleep 100000"

/* ---- answers --------------------------------------------------------------------------------- */

static void program_reads_the_request_and_writes_the_answer(void **state)
{
    static char large[120001];
    struct hook_rig *rig = hook_rig_new(0, 0, NULL);
    const char *const requests[] = { "{\"certificateId\":\"1\"}", "", large };
    char spec[HOOK_SPEC_MAX];
    struct hook_ask a;
    (void)state;

    memset(large, 'x', sizeof large - 1); /* more than a pipe holds, both ways */
    hook_script(rig, "echo", "exec cat");
    for (size_t i = 0; i < PROV_COUNT(requests); i++) {
        hook_ask(&a, rig, hook_spec(rig, "echo", spec), requests[i]);
        assert_int_equal(a.call.end, PROV_HOOK_ANSWERED);
        assert_string_equal(hook_answer(&a), requests[i]);
        assert_string_equal(a.call.detail, "");
        assert_int_equal(a.done, 1);
        hook_ask_release(&a);
    }
    hook_rig_free(rig);
    hook_no_child_is_left();
}

static void program_need_not_read_its_request(void **state)
{
    static char large[400001];
    struct hook_rig *rig = hook_rig_new(0, 0, NULL);
    char spec[HOOK_SPEC_MAX];
    struct hook_ask a;
    (void)state;

    memset(large, 'x', sizeof large - 1);
    hook_script(rig, "deaf", "exec <&-; echo '{}'");
    hook_ask(&a, rig, hook_spec(rig, "deaf", spec), large);
    assert_int_equal(a.call.end, PROV_HOOK_ANSWERED);
    assert_string_equal(hook_answer(&a), "{}\n");
    hook_ask_release(&a);
    hook_rig_free(rig);
}

static void answer_of_the_greatest_size_is_taken_and_no_byte_more(void **state)
{
    struct hook_rig *rig = hook_rig_new(0, 0, NULL);
    char spec[HOOK_SPEC_MAX], text[64];
    struct hook_ask a;
    (void)state;

    (void)snprintf(text, sizeof text, "exec head -c %d /dev/zero", PROV_MAX_HOOK_ANSWER);
    hook_script(rig, "full", text);
    (void)snprintf(text, sizeof text, "exec head -c %d /dev/zero", PROV_MAX_HOOK_ANSWER + 1);
    hook_script(rig, "more", text);
    hook_ask(&a, rig, hook_spec(rig, "full", spec), "");
    assert_int_equal(a.call.end, PROV_HOOK_ANSWERED);
    assert_int_equal(a.call.answer.n, PROV_MAX_HOOK_ANSWER);
    hook_ask_release(&a);
    hook_ask(&a, rig, hook_spec(rig, "more", spec), "");
    assert_int_equal(a.call.end, PROV_HOOK_TOO_LARGE);
    assert_int_equal(a.call.answer.n, 0);
    hook_ask_release(&a);
    hook_rig_free(rig);
}

/* ---- failures -------------------------------------------------------------------------------- */

static void each_failure_has_its_end_and_detail(void **state)
{
    static const struct {
        const char *script;
        enum prov_hook_end end;
        const char *detail;
    } rows[] = {
        { "echo '{}'; exit 3", PROV_HOOK_FAILED, "exit status 3" },
        { "echo '{}'; echo first >&2; printf 'no such serial\\n\\n' >&2; exit 1", PROV_HOOK_FAILED,
          "exit status 1: no such serial" },
        { "printf 'bad \\033[1m \\303\\244' >&2; exit 255", PROV_HOOK_FAILED,
          "exit status 255: bad ?[1m ??" },
        { "printf 'a\\rb\\rc' >&2; exit 1", PROV_HOOK_FAILED, "exit status 1: c" },
        { "printf '%s' '100%sure %n' >&2; exit 1", PROV_HOOK_FAILED, "exit status 1: 100%sure %n" },
        { "printf '%0200d' 0 >&2; exit 1", PROV_HOOK_FAILED,
          "exit status 1: 0000000000000000000000000000000000000000000000000000000000000000000000000"
          "00000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
          "0" },
        { "kill -SEGV $$; " HANG, PROV_HOOK_FAILED, "killed by signal 11" },
        { "echo oops >&2; kill -KILL $$; " HANG, PROV_HOOK_FAILED, "killed by signal 9: oops" },
        { "exec yes", PROV_HOOK_TOO_LARGE, "answered more than 131072 bytes" },
        { "exec yes >&2", PROV_HOOK_TOO_LARGE, "wrote more than 1048576 bytes to stderr" },
        { "exec /nowhere/at/all 2>/dev/null", PROV_HOOK_FAILED, "exit status 127" },
        { "echo nonsense", PROV_HOOK_ANSWERED, "" }, /* for prov_hook_answer_parse to refuse */
        { "exit 0", PROV_HOOK_ANSWERED, "" },
        { "echo '{}'; echo chatter >&2", PROV_HOOK_ANSWERED, "" },
    };
    struct hook_rig *rig = hook_rig_new(0, 0, NULL);
    char spec[HOOK_SPEC_MAX];
    struct hook_ask a;
    (void)state;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        hook_script(rig, "fails", rows[i].script);
        hook_ask(&a, rig, hook_spec(rig, "fails", spec), "{}");
        assert_string_equal(a.call.detail, rows[i].detail);
        assert_string_equal(prov_hook_end_name(a.call.end), prov_hook_end_name(rows[i].end));
        if (a.call.end != PROV_HOOK_ANSWERED)
            assert_int_equal(a.call.answer.n, 0);
        hook_ask_release(&a);
    }
    hook_rig_free(rig);
    hook_no_child_is_left();
}

static void program_that_does_not_end_is_killed_at_the_deadline(void **state)
{
    static const char *const scripts[] = {
        HOOK_HOLD HANG,
        HOOK_HOLD "trap '' TERM INT HUP QUIT; while :; do read x <&7; done",
        HOOK_HOLD "exec >&- 2>&-; " HANG,
        HOOK_HOLD "echo '{}'; exec >&-; " HANG,
        HOOK_HOLD "sleep 100000 & " HANG,
        HOOK_HOLD "kill -STOP $$",
    };
    char spec[HOOK_SPEC_MAX];
    struct hook_ask a;
    (void)state;

    for (size_t i = 0; i < PROV_COUNT(scripts); i++) {
        struct hook_rig *rig = hook_rig_new(300, 0, NULL);
        const int alive = hook_watch(rig);

        hook_script(rig, "hangs", scripts[i]);
        hook_ask(&a, rig, hook_spec(rig, "hangs", spec), "{}");
        assert_int_equal(a.call.end, PROV_HOOK_TIMEOUT);
        assert_string_equal(a.call.detail, "no answer in 300 ms");
        assert_true(a.call.took_us >= 300000);
        assert_int_equal(a.call.answer.n, 0);
        hook_ask_release(&a);
        hook_wait_until_gone(alive);
        hook_rig_free(rig);
        hook_no_child_is_left();
    }
}

static void last_words_of_a_program_that_hangs_are_told(void **state)
{
    struct hook_rig *rig = hook_rig_new(1500, 0, NULL);
    char spec[HOOK_SPEC_MAX];
    struct hook_ask a;
    (void)state;

    hook_script(rig, "hangs", "echo 'asking the database' >&2; " HANG);
    hook_ask(&a, rig, hook_spec(rig, "hangs", spec), "{}");
    assert_int_equal(a.call.end, PROV_HOOK_TIMEOUT);
    assert_string_equal(a.call.detail, "no answer in 1500 ms: asking the database");
    hook_ask_release(&a);
    hook_rig_free(rig);
}

static void what_a_program_leaves_running_is_not_waited_for(void **state)
{
    static const char *const scripts[] = {
        "(" HOOK_HOLD HANG ") & " HOOK_HOLD "echo '{}'",
        "(" HOOK_HOLD "exec yes) & " HOOK_HOLD "echo '{}'; exit 0",
        "(" HOOK_HOLD "trap '' TERM HUP; sleep 100000; :) & " HOOK_HOLD "echo '{}'",
    };
    char spec[HOOK_SPEC_MAX];
    struct hook_ask a;
    (void)state;

    for (size_t i = 0; i < PROV_COUNT(scripts); i++) {
        struct hook_rig *rig = hook_rig_new(0, 0, NULL);
        const int alive = hook_watch(rig);

        hook_script(rig, "leaves", scripts[i]);
        hook_ask(&a, rig, hook_spec(rig, "leaves", spec), "{}");
        /* the second may get to write too much before it is killed */
        assert_true(a.call.end == PROV_HOOK_ANSWERED ||
                    (i == 1 && a.call.end == PROV_HOOK_TOO_LARGE));
        if (i != 1)
            assert_string_equal(hook_answer(&a), "{}\n");
        hook_ask_release(&a);
        hook_wait_until_gone(alive);
        hook_rig_free(rig);
    }
}

/* ---- what is left ---------------------------------------------------------------------------- */

static void no_descriptor_or_process_is_left(void **state)
{
    static const char *const scripts[] = { "echo '{}'",    "exit 1",     "exec yes",
                                           "exec yes >&2", "kill -9 $$", "sleep 100000 & exit 0" };
    struct hook_rig *rig = hook_rig_new(0, 0, NULL);
    char spec[HOOK_SPEC_MAX];
    struct hook_ask a;
    unsigned files;
    (void)state;

    hook_script(rig, "any", "exit 0");
    hook_ask(&a, rig, hook_spec(rig, "any", spec), "{}");
    hook_ask_release(&a);
    files = hook_open_files();
    for (size_t i = 0; i < 3 * PROV_COUNT(scripts); i++) {
        hook_script(rig, "any", scripts[i % PROV_COUNT(scripts)]);
        hook_ask(&a, rig, spec, "{}");
        hook_ask_release(&a);
        hook_ask(&a, rig, "exec:/nowhere", "{}");
        hook_ask_release(&a);
    }
    prov_hooks_stop(rig->hooks);
    hook_no_child_is_left();
    assert_in_range(hook_open_files(), files - 2, files); /* the thread's own are closed */
    hook_rig_free(rig);
}

static void children_of_others_are_left_alone(void **state)
{
    struct hook_rig *rig = hook_rig_new(0, 0, NULL);
    const pid_t other = fork();
    char spec[HOOK_SPEC_MAX];
    struct hook_ask a;
    siginfo_t info;
    int status;
    (void)state;

    if (other == 0)
        _exit(42);
    assert_int_equal(waitid(P_PID, (id_t)other, &info, WEXITED | WNOWAIT), 0);
    hook_script(rig, "any", "echo '{}'");
    for (unsigned i = 0; i < 5; i++) {
        hook_ask(&a, rig, hook_spec(rig, "any", spec), "{}");
        assert_int_equal(a.call.end, PROV_HOOK_ANSWERED);
        hook_ask_release(&a);
    }
    hook_rig_free(rig);
    assert_int_equal(waitpid(other, &status, 0), other);
    assert_int_equal(WEXITSTATUS(status), 42);
}

static void exit_status_that_cannot_be_had_is_a_failure(void **state)
{
    struct hook_rig *rig = hook_rig_new(0, 0, NULL);
    void (*const before)(int) = signal(SIGCHLD, SIG_IGN); /* the kernel reaps */
    char spec[HOOK_SPEC_MAX];
    struct hook_ask a;
    (void)state;

    hook_script(rig, "any", "echo '{}'; echo words >&2");
    hook_ask(&a, rig, hook_spec(rig, "any", spec), "{}");
    (void)signal(SIGCHLD, before);
    assert_int_equal(a.call.end, PROV_HOOK_FAILED);
    assert_string_equal(a.call.detail, "its exit status was taken by somebody else: words");
    hook_ask_release(&a);
    hook_rig_free(rig);
}

static void end_is_noticed_without_pidfd(void **state)
{
    struct hook_rig *rig = hook_rig_new(500, 0, NULL);
    const int alive = hook_watch(rig);
    char spec[HOOK_SPEC_MAX];
    struct hook_ask a;
    (void)state;

    no_pidfd = true;
    hook_script(rig, "hangs", HOOK_HOLD HANG);
    hook_ask(&a, rig, hook_spec(rig, "hangs", spec), "{}");
    assert_int_equal(a.call.end, PROV_HOOK_TIMEOUT);
    hook_ask_release(&a);
    hook_wait_until_gone(alive);
    hook_rig_free(rig);

    rig = hook_rig_new(0, 0, NULL);
    hook_script(rig, "leaves", "sleep 100000 & echo '{}'; exit 0");
    hook_ask(&a, rig, hook_spec(rig, "leaves", spec), "{}");
    no_pidfd = false;
    assert_int_equal(a.call.end, PROV_HOOK_ANSWERED);
    assert_string_equal(hook_answer(&a), "{}\n");
    hook_ask_release(&a);
    hook_rig_free(rig);
    hook_no_child_is_left();
}

static void program_that_cannot_be_started_or_watched_costs_one_call(void **state)
{
    static const struct {
        atomic_uint *fails;
        unsigned last; /* of the ways in which it can */
        const char *detail;
    } rows[] = {
        { &fail_spawn, 1, "cannot start the program: Resource temporarily unavailable" },
        { &fail_epoll, 4, "cannot start the program: No space left on device" },
    };
    struct hook_rig *rig = hook_rig_new(0, 0, NULL);
    char spec[HOOK_SPEC_MAX];
    struct hook_ask a;
    (void)state;

    hook_script(rig, "any", "echo '{}'");
    (void)hook_spec(rig, "any", spec);
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        for (unsigned n = 1; n <= rows[i].last; n++) {
            *rows[i].fails = n;
            hook_ask(&a, rig, spec, "{}");
            assert_int_equal(a.call.end, PROV_HOOK_NOT_STARTED);
            assert_string_equal(a.call.detail, rows[i].detail);
            hook_ask_release(&a);
            hook_ask(&a, rig, spec, "{}");
            assert_int_equal(a.call.end, PROV_HOOK_ANSWERED);
            hook_ask_release(&a);
        }
    }
    hook_rig_free(rig);
    hook_no_child_is_left();
}

/* Lets this process have so many more descriptors. */
static void spare_descriptors(unsigned n, const struct rlimit *before)
{
    struct rlimit limit = *before;
    int fds[8];

    assert_true(n < PROV_COUNT(fds));
    for (size_t i = 0; i < PROV_COUNT(fds); i++)
        fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    for (size_t i = 0; i < PROV_COUNT(fds); i++)
        assert_int_equal(close(fds[i]), 0);
    limit.rlim_cur = (rlim_t)fds[n]; /* they are given out from the lowest number up */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void no_descriptor_to_be_had_costs_one_call(void **state)
{
    struct hook_rig *rig = hook_rig_new(0, 0, NULL);
    char spec[HOOK_SPEC_MAX];
    struct rlimit before;
    struct hook_ask a;
    unsigned files;
    (void)state;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    hook_script(rig, "any", "echo '{}'");
    hook_ask(&a, rig, hook_spec(rig, "any", spec), "{}");
    hook_ask_release(&a);
    files = hook_open_files();
    for (unsigned n = 0; n < 6; n++) { /* three pipes' */
        spare_descriptors(n, &before);
        hook_ask(&a, rig, spec, "{}");
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        assert_int_equal(a.call.end, PROV_HOOK_NOT_STARTED);
        assert_string_equal(a.call.detail, "cannot start the program: Too many open files");
        hook_ask_release(&a);
        assert_int_equal(hook_open_files(), files);
    }
    spare_descriptors(6, &before);
    hook_ask(&a, rig, spec, "{}");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(a.call.end, PROV_HOOK_ANSWERED);
    hook_ask_release(&a);
    hook_rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(program_reads_the_request_and_writes_the_answer),
        cmocka_unit_test(program_need_not_read_its_request),
        cmocka_unit_test(answer_of_the_greatest_size_is_taken_and_no_byte_more),
        cmocka_unit_test(each_failure_has_its_end_and_detail),
        cmocka_unit_test(program_that_does_not_end_is_killed_at_the_deadline),
        cmocka_unit_test(last_words_of_a_program_that_hangs_are_told),
        cmocka_unit_test(what_a_program_leaves_running_is_not_waited_for),
        cmocka_unit_test(no_descriptor_or_process_is_left),
        cmocka_unit_test(children_of_others_are_left_alone),
        cmocka_unit_test(exit_status_that_cannot_be_had_is_a_failure),
        cmocka_unit_test(end_is_noticed_without_pidfd),
        cmocka_unit_test(program_that_cannot_be_started_or_watched_costs_one_call),
        cmocka_unit_test(no_descriptor_to_be_had_costs_one_call),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
