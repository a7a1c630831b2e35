/*
 * The runner itself: its thread, how many calls run at once and who waits, what hanging hooks cost
 * others, and its end.
 *
 * ctest labels: tsan
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sys/stat.h>

#include <cmocka.h>

#include "support/hook_rig.h"

#define HANG HOOK_HOLD "exec sleep 100000"

/* ---- failing what the runner needs (-Wl,--wrap) ---------------------------------------------- */

static atomic_uint fail_thread; /* the n-th from now on */
static atomic_uint threads_made, spawned;

static bool strikes(atomic_uint *countdown)
{
    unsigned n = *countdown;

    while (n != 0 && !atomic_compare_exchange_weak(countdown, &n, n - 1))
        continue;
    return n == 1;
}

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *),
                          void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *),
                          void *arg);

int __real_posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                       const posix_spawnattr_t *attr, char *const argv[], char *const env[]);
int __wrap_posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                       const posix_spawnattr_t *attr, char *const argv[], char *const env[]);

int __wrap_posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                       const posix_spawnattr_t *attr, char *const argv[], char *const env[])
{
    spawned++;
    return __real_posix_spawn(pid, path, actions, attr, argv, env);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *),
                          void *arg)
{
    if (strikes(&fail_thread))
        return EAGAIN;
    threads_made++;
    return __real_pthread_create(thread, attr, start, arg);
}

/* ---- programs that wait for the test --------------------------------------------------------- */

/* A script that answers with its request once the test lets one go. */
static int gate_new(const struct hook_rig *rig, const char *name)
{
    char path[TMP_PATH_MAX], text[TMP_PATH_MAX + 32];
    int fd;

    (void)snprintf(text, sizeof text, "read -r line <%s/%s.gate; exec cat", rig->dir, name);
    hook_script(rig, name, text);
    (void)snprintf(text, sizeof text, "%s.gate", name);
    assert_int_equal(mkfifo(tmp_path(rig->dir, text, path), 0600), 0);
    fd = open(path, O_RDWR | O_CLOEXEC); /* so that nobody's open waits, or sees an end */
    assert_int_not_equal(fd, -1);
    return fd;
}

static void let_go(int gate, unsigned n)
{
    while (n-- != 0)
        assert_int_equal(write(gate, "\n", 1), 1);
}

/* ---- the thread ------------------------------------------------------------------------------ */

static char thread_name[16];
static sigset_t thread_mask;

static void look_in_done(struct hook_ask *a)
{
    (void)a;
    (void)pthread_getname_np(pthread_self(), thread_name, sizeof thread_name);
    (void)pthread_sigmask(SIG_SETMASK, NULL, &thread_mask);
}

static void thread_starts_with_the_first_call_and_leaves_signals_to_the_broker(void **state)
{
    static const int broker_signals[] = { SIGHUP,  SIGINT,  SIGTERM, SIGUSR1,
                                          SIGUSR2, SIGCHLD, SIGPIPE };
    static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
    struct hook_rig *rig = hook_rig_new(0, 0, NULL);
    struct hook_ask a = { .in_done = look_in_done };
    char spec[HOOK_SPEC_MAX];
    sigset_t before, after;
    (void)state;

    (void)pthread_sigmask(SIG_SETMASK, NULL, &before);
    hook_script(rig, "any", "echo '{}'");
    threads_made = 0;
    prov_hooks_stop(rig->hooks); /* nothing to stop */
    prov_hooks_free(rig->hooks);
    assert_int_equal(
        prov_hooks_new(&(struct prov_hooks_conf){ rig->dir, NULL, 60000, 1 }, &rig->hooks),
        PROV_OK);
    assert_int_equal(threads_made, 0);
    for (unsigned i = 0; i < 3; i++) {
        hook_submit(&a, rig, hook_spec(rig, "any", spec), "{}");
        hook_wait(&a);
        assert_int_equal(threads_made, 1);
        hook_ask_release(&a);
    }
    assert_string_equal(thread_name, "prov-hook");
    (void)pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (int signo = SIGRTMIN; signo <= SIGRTMAX; signo++)
        assert_int_equal(sigismember(&thread_mask, signo), 1);
    for (size_t i = 0; i < PROV_COUNT(broker_signals); i++) {
        assert_int_equal(sigismember(&thread_mask, broker_signals[i]), 1);
        assert_int_equal(sigismember(&after, broker_signals[i]),
                         sigismember(&before, broker_signals[i]));
    }
    for (size_t i = 0; i < PROV_COUNT(faults); i++)
        assert_int_equal(sigismember(&thread_mask, faults[i]), 0);
    hook_rig_free(rig);
}

static void thread_that_cannot_be_had_is_tried_again(void **state)
{
    struct hook_rig *rig = hook_rig_new(0, 0, NULL);
    struct hook_ask a = { .in_done = NULL };
    struct prov_hooks_stats stats;
    char spec[HOOK_SPEC_MAX];
    (void)state;

    hook_script(rig, "any", "echo '{}'");
    fail_thread = 1;
    assert_int_equal(hook_try(&a, rig, hook_spec(rig, "any", spec), "{}"), PROV_ENOMEM);
    assert_int_equal(a.call.end, PROV_HOOK_NOT_STARTED);
    assert_string_equal(a.call.detail, "no thread to be had");
    assert_int_equal(a.done, 0);
    hook_ask_release(&a);
    hook_ask(&a, rig, spec, "{}");
    assert_int_equal(a.call.end, PROV_HOOK_ANSWERED);
    hook_ask_release(&a);
    prov_hooks_stats(rig->hooks, &stats);
    assert_int_equal(stats.calls, 2);
    assert_int_equal(stats.ends[PROV_HOOK_NOT_STARTED], 1);
    assert_int_equal(stats.ends[PROV_HOOK_ANSWERED], 1);
    hook_rig_free(rig);

    rig = hook_rig_new(0, 0, NULL);
    fail_thread = 1;
    assert_int_equal(hook_try(&a, rig, spec, "{}"), PROV_ENOMEM);
    hook_ask_release(&a);
    hook_rig_free(rig); /* without a thread */
}

static void settings_out_of_range_are_refused(void **state)
{
    static const struct {
        struct prov_hooks_conf conf;
        enum prov_rc rc;
    } rows[] = {
        { { "/hooks", NULL, 1, 1 }, PROV_OK },
        { { "/hooks", "/ca.pem", PROV_MAX_HOOK_TIMEOUT_MS, PROV_MAX_HOOK_CALLS }, PROV_OK },
        { { "/hooks", NULL, 0, 1 }, PROV_EINVAL },
        { { "/hooks", NULL, PROV_MAX_HOOK_TIMEOUT_MS + 1, 1 }, PROV_EINVAL },
        { { "/hooks", NULL, 1, 0 }, PROV_EINVAL },
        { { "/hooks", NULL, 1, PROV_MAX_HOOK_CALLS + 1 }, PROV_EINVAL },
        { { "hooks", NULL, 1, 1 }, PROV_EINVAL },
        { { "", NULL, 1, 1 }, PROV_EINVAL },
        { { NULL, NULL, 1, 1 }, PROV_EINVAL },
    };
    (void)state;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct prov_hooks *hooks = (struct prov_hooks *)(uintptr_t)&rows[i];

        assert_int_equal(prov_hooks_new(&rows[i].conf, &hooks), rows[i].rc);
        assert_int_equal(hooks != NULL, rows[i].rc == PROV_OK);
        prov_hooks_free(hooks);
    }
    prov_hooks_stop(NULL);
}

static void each_end_has_a_name(void **state)
{
    (void)state;
    for (int i = 0; i < PROV_HOOK_ENDS; i++) {
        assert_non_null(prov_hook_end_name((enum prov_hook_end)i));
        assert_string_not_equal(prov_hook_end_name((enum prov_hook_end)i), "unknown");
    }
    assert_string_equal(prov_hook_end_name(PROV_HOOK_ENDS), "unknown");
}

/* ---- how many at once ------------------------------------------------------------------------ */

static void limit_runs_as_many_wait_and_the_next_is_busy(void **state)
{
    struct hook_rig *rig = hook_rig_new(0, 2, NULL);
    const int gate = gate_new(rig, "slow");
    struct hook_ask a[4], more = { .in_done = NULL }, other;
    char slow[HOOK_SPEC_MAX], quick[HOOK_SPEC_MAX];
    struct prov_hooks_stats stats;
    (void)state;

    memset(a, 0, sizeof a);
    hook_script(rig, "quick", "exec cat");
    (void)hook_spec(rig, "slow", slow);
    for (size_t i = 0; i < 4; i++)
        hook_submit(&a[i], rig, slow, "{}");
    assert_int_equal(hook_try(&more, rig, slow, "{}"), PROV_EBUSY);
    assert_int_equal(more.call.end, PROV_HOOK_BUSY);
    assert_string_equal(more.call.detail, "4 calls of this hook run or wait already");
    assert_int_equal(more.done, 0);
    hook_ask_release(&more);

    /* another hook is not concerned */
    hook_ask(&other, rig, hook_spec(rig, "quick", quick), "{\"a\":1}");
    assert_int_equal(other.call.end, PROV_HOOK_ANSWERED);
    hook_ask_release(&other);
    prov_hooks_stats(rig->hooks, &stats);
    assert_int_equal(stats.running, 2);
    assert_int_equal(stats.waiting, 2);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(a[i].done, 0);

    let_go(gate, 4);
    for (size_t i = 0; i < 4; i++) {
        hook_wait(&a[i]);
        assert_int_equal(a[i].call.end, PROV_HOOK_ANSWERED);
        hook_ask_release(&a[i]);
    }
    prov_hooks_stats(rig->hooks, &stats);
    assert_int_equal(stats.calls, 6);
    assert_int_equal(stats.ends[PROV_HOOK_ANSWERED], 5);
    assert_int_equal(stats.ends[PROV_HOOK_BUSY], 1);
    assert_int_equal(stats.running + stats.waiting, 0);
    assert_true(stats.took_us_max > 0 && stats.took_us_total >= stats.took_us_max);
    (void)close(gate);
    hook_rig_free(rig);
}

static void many_calls_get_each_its_own_answer(void **state)
{
    enum { MANY = 60 };
    struct hook_rig *rig = hook_rig_new(0, MANY / 2, NULL);
    static struct hook_ask a[MANY];
    static char requests[MANY][32];
    char spec[HOOK_SPEC_MAX];
    (void)state;

    memset(a, 0, sizeof a);
    hook_script(rig, "echo", "exec cat");
    for (unsigned i = 0; i < MANY; i++) {
        (void)snprintf(requests[i], sizeof requests[i], "{\"number\":%u}", i);
        hook_submit(&a[i], rig, hook_spec(rig, "echo", spec), requests[i]);
    }
    for (unsigned i = 0; i < MANY; i++) {
        hook_wait(&a[i]);
        assert_int_equal(a[i].call.end, PROV_HOOK_ANSWERED);
        assert_string_equal(hook_answer(&a[i]), requests[i]);
        assert_int_equal(a[i].done, 1);
        hook_ask_release(&a[i]);
    }
    hook_rig_free(rig);
    hook_no_child_is_left();
}

static struct hook_rig *chain_rig;
static struct hook_ask chain[3];

static void submit_next(struct hook_ask *a)
{
    struct hook_ask *next = a + 1;

    if (next < chain + PROV_COUNT(chain)) {
        next->in_done = submit_next;
        hook_submit(next, chain_rig, a->spec, "{}");
    }
}

static void done_may_submit_into_the_place_it_leaves(void **state)
{
    char spec[HOOK_SPEC_MAX];
    (void)state;

    memset(chain, 0, sizeof chain);
    chain_rig = hook_rig_new(0, 1, NULL);
    hook_script(chain_rig, "echo", "exec cat");
    chain[0].in_done = submit_next;
    hook_submit(&chain[0], chain_rig, hook_spec(chain_rig, "echo", spec), "{}");
    for (size_t i = 0; i < PROV_COUNT(chain); i++) {
        hook_wait(&chain[i]);
        assert_int_equal(chain[i].call.end, PROV_HOOK_ANSWERED);
        hook_ask_release(&chain[i]);
    }
    hook_rig_free(chain_rig);
}

/* ---- deadlines ------------------------------------------------------------------------------- */

static struct hook_ask late;

static void submit_late(struct hook_ask *a)
{
    char spec[HOOK_SPEC_MAX];

    (void)a;
    hook_submit(&late, chain_rig, hook_spec(chain_rig, "hangs-too", spec), "{}");
}

/* A call that is submitted when the first one times out has the full time before it; one that
 * waited behind the first has had all of its own. */
static void wait_counts_towards_the_deadline(void **state)
{
    struct hook_ask first = { .in_done = submit_late }, second = { .in_done = NULL };
    char spec[HOOK_SPEC_MAX];
    (void)state;

    memset(&late, 0, sizeof late);
    chain_rig = hook_rig_new(500, 1, NULL);
    hook_script(chain_rig, "hangs", "exec sleep 100000");
    hook_script(chain_rig, "hangs-too", "exec sleep 100000");
    hook_submit(&first, chain_rig, hook_spec(chain_rig, "hangs", spec), "{}");
    hook_submit(&second, chain_rig, spec, "{}");
    hook_wait(&first);
    hook_wait(&second);
    hook_wait(&late);
    assert_int_equal(first.call.end, PROV_HOOK_TIMEOUT);
    assert_int_equal(second.call.end, PROV_HOOK_TIMEOUT);
    assert_int_equal(late.call.end, PROV_HOOK_TIMEOUT);
    assert_true(first.order < late.order && second.order < late.order);
    hook_ask_release(&first);
    hook_ask_release(&second);
    hook_ask_release(&late);
    hook_rig_free(chain_rig);
}

static void hanging_hook_delays_no_other(void **state)
{
    enum { OTHERS = 10 };
    struct hook_rig *rig = hook_rig_new(0, 3, NULL);
    const int watch = hook_watch(rig);
    struct hook_ask hanging[6], other;
    char hangs[HOOK_SPEC_MAX], quick[HOOK_SPEC_MAX];
    (void)state;

    memset(hanging, 0, sizeof hanging);
    hook_script(rig, "hangs", HANG);
    hook_script(rig, "quick", "exec cat");
    for (size_t i = 0; i < PROV_COUNT(hanging); i++)
        hook_submit(&hanging[i], rig, hook_spec(rig, "hangs", hangs), "{}");
    hook_wait_for_holders(watch, 3);
    for (unsigned i = 0; i < OTHERS; i++) {
        hook_ask(&other, rig, hook_spec(rig, "quick", quick), "{}");
        assert_int_equal(other.call.end, PROV_HOOK_ANSWERED);
        hook_ask_release(&other);
    }
    for (size_t i = 0; i < PROV_COUNT(hanging); i++)
        assert_int_equal(hanging[i].done, 0);
    prov_hooks_stop(rig->hooks);
    for (size_t i = 0; i < PROV_COUNT(hanging); i++)
        hook_ask_release(&hanging[i]);
    hook_wait_until_gone(watch);
    hook_rig_free(rig);
}

/* ---- the end --------------------------------------------------------------------------------- */

static void stop_cancels_what_runs_and_what_waits(void **state)
{
    struct hook_rig *rig = hook_rig_new(0, 2, NULL);
    const int watch = hook_watch(rig);
    struct hook_ask a[4], after = { .in_done = NULL };
    struct prov_hooks_stats stats;
    char spec[HOOK_SPEC_MAX];
    (void)state;

    memset(a, 0, sizeof a);
    hook_script(rig, "hangs", HANG);
    for (size_t i = 0; i < PROV_COUNT(a); i++)
        hook_submit(&a[i], rig, hook_spec(rig, "hangs", spec), "{}");
    hook_wait_for_holders(watch, 2);
    spawned = 0;
    prov_hooks_stop(rig->hooks);
    assert_int_equal(spawned, 0); /* those that waited did not begin now */
    for (size_t i = 0; i < PROV_COUNT(a); i++) {
        assert_int_equal(a[i].done, 1);
        assert_int_equal(a[i].call.end, PROV_HOOK_CANCELLED);
        assert_string_equal(a[i].call.detail, "the broker stops");
        hook_ask_release(&a[i]);
    }
    hook_no_child_is_left();
    hook_wait_until_gone(watch);

    assert_int_equal(hook_try(&after, rig, spec, "{}"), PROV_EBUSY);
    assert_int_equal(after.call.end, PROV_HOOK_CANCELLED);
    assert_int_equal(after.done, 0);
    hook_ask_release(&after);
    prov_hooks_stats(rig->hooks, &stats);
    assert_int_equal(stats.calls, 5);
    assert_int_equal(stats.ends[PROV_HOOK_CANCELLED], 5);
    assert_int_equal(stats.running + stats.waiting, 0);
    prov_hooks_stop(rig->hooks); /* again */
    hook_rig_free(rig);
}

static void submit_again(struct hook_ask *a)
{
    (void)a;
    assert_int_equal(hook_try(&late, chain_rig, "exec:/nowhere", "{}"), PROV_EBUSY);
}

static void done_of_a_cancelled_call_may_try_in_vain(void **state)
{
    struct hook_ask a = { .in_done = submit_again };
    char spec[HOOK_SPEC_MAX];
    int watch;
    (void)state;

    memset(&late, 0, sizeof late);
    chain_rig = hook_rig_new(0, 1, NULL);
    watch = hook_watch(chain_rig);
    hook_script(chain_rig, "hangs", HANG);
    hook_submit(&a, chain_rig, hook_spec(chain_rig, "hangs", spec), "{}");
    hook_wait_for_holders(watch, 1);
    prov_hooks_free(chain_rig->hooks);
    chain_rig->hooks = NULL;
    assert_int_equal(a.done, 1);
    assert_int_equal(late.call.end, PROV_HOOK_CANCELLED);
    hook_ask_release(&late);
    hook_ask_release(&a);
    hook_wait_until_gone(watch);
    hook_rig_free(chain_rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thread_starts_with_the_first_call_and_leaves_signals_to_the_broker),
        cmocka_unit_test(thread_that_cannot_be_had_is_tried_again),
        cmocka_unit_test(settings_out_of_range_are_refused),
        cmocka_unit_test(each_end_has_a_name),
        cmocka_unit_test(limit_runs_as_many_wait_and_the_next_is_busy),
        cmocka_unit_test(many_calls_get_each_its_own_answer),
        cmocka_unit_test(done_may_submit_into_the_place_it_leaves),
        cmocka_unit_test(wait_counts_towards_the_deadline),
        cmocka_unit_test(hanging_hook_delays_no_other),
        cmocka_unit_test(stop_cancels_what_runs_and_what_waits),
        cmocka_unit_test(done_of_a_cancelled_call_may_try_in_vain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
