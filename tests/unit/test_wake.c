/* ctest labels: tsan */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cmocka.h>

#include "run/pool.h"
#include "run/wake.h"

/* ---- failing what a wake needs (-Wl,--wrap) -------------------------------------------------- */

static bool fail_calloc, fail_timer;

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
int __real_timer_create(clockid_t clock, struct sigevent *event, timer_t *out);
int __wrap_timer_create(clockid_t clock, struct sigevent *event, timer_t *out);

void *__wrap_calloc(size_t n, size_t size)
{
    return fail_calloc ? NULL : __real_calloc(n, size);
}

int __wrap_timer_create(clockid_t clock, struct sigevent *event, timer_t *out)
{
    return fail_timer ? -1 : __real_timer_create(clock, event, out);
}

/* ---- helpers --------------------------------------------------------------------------------- */

static struct prov_wake *new_wake(void)
{
    struct prov_wake *wake = NULL;

    assert_int_equal(prov_wake_new(&wake), PROV_OK);
    return wake;
}

static void other_handler(int signo)
{
    (void)signo;
}

static void set_action(int signo, void (*handler)(int))
{
    const struct sigaction action = { .sa_handler = handler };

    assert_int_equal(sigaction(signo, &action, NULL), 0);
}

static void (*action_of(int signo))(int)
{
    struct sigaction action;

    assert_int_equal(sigaction(signo, NULL, &action), 0);
    return action.sa_handler;
}

static void *send_from_thread(void *wake)
{
    prov_wake_send(wake);
    return NULL;
}

static void block(int how, int signo)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, signo);
    assert_int_equal(pthread_sigmask(how, &set, NULL), 0);
}

/* Takes one blocked signal off the queue; limit_ms 0 only looks. */
static bool take_pending(int signo, unsigned limit_ms)
{
    const struct timespec limit = { .tv_nsec = (long)limit_ms * 1000000 };
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, signo);
    return sigtimedwait(&set, NULL, &limit) == signo;
}

/* ---- waking ---------------------------------------------------------------------------------- */

/* Also when the signal comes before the sleep: the loop below would hang. */
static void sleeping_broker_is_woken_from_another_thread(void **state)
{
    const int epfd = epoll_create1(EPOLL_CLOEXEC);
    (void)state;

    assert_true(epfd >= 0);
    for (unsigned i = 0; i < 20; i++) {
        struct prov_wake *wake = new_wake();
        struct epoll_event event;
        pthread_t thread;

        assert_int_equal(pthread_create(&thread, NULL, send_from_thread, wake), 0);
        if (i % 2 == 0)
            assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(epoll_wait(epfd, &event, 1, -1), -1);
        assert_int_equal(errno, EINTR);
        if (i % 2 != 0)
            assert_int_equal(pthread_join(thread, NULL), 0);
        prov_wake_heard(wake);
        prov_wake_free(wake);
    }
    (void)close(epfd);
}

static void broker_can_ask_itself_for_another_round(void **state)
{
    struct prov_wake *wake = new_wake();
    (void)state;

    prov_wake_send(wake);
    assert_int_equal(poll(NULL, 0, -1), -1);
    assert_int_equal(errno, EINTR);
    prov_wake_heard(wake);
    prov_wake_free(wake);
}

static void waking_goes_on_until_heard_and_then_ends(void **state)
{
    const int signo = SIGRTMIN + 7;
    struct prov_wake *wake;
    (void)state;

    block(SIG_BLOCK, signo);
    wake = new_wake();
    prov_wake_heard(wake); /* nobody called: nothing happens */
    assert_false(take_pending(signo, 0));
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 100; i++)
            prov_wake_send(wake);
        for (unsigned i = 0; i < 3; i++)
            assert_true(take_pending(signo, 900));
        prov_wake_heard(wake);
        (void)take_pending(signo, 0); /* at most one was on its way */
        assert_false(take_pending(signo, 5));
    }
    prov_wake_free(wake);
    block(SIG_UNBLOCK, signo);
}

static void done_job(struct prov_job *job)
{
    job->session++;
}

static bool prepare_job(struct prov_job *job)
{
    (void)job;
    return true;
}

static void finished_job_wakes_the_broker(void **state)
{
    struct prov_wake *wake = new_wake();
    const struct prov_pool_conf conf = {
        .workers = 1, .queue_limit = 1, .wake = prov_wake_send, .wake_ctx = wake
    };
    struct prov_job job = { .prepare = prepare_job, .done = done_job };
    struct prov_pool *pool = NULL;
    (void)state;

    assert_int_equal(prov_pool_new(&conf, &pool), PROV_OK);
    for (unsigned i = 0; i < 50; i++) {
        assert_int_equal(prov_pool_submit(pool, &job), PROV_OK);
        do
            assert_int_equal(poll(NULL, 0, -1), -1);
        while (!prov_pool_ready(pool));
        prov_wake_heard(wake);
        assert_int_equal(prov_pool_drain(pool), 1);
        assert_int_equal(job.session, i + 1);
    }
    prov_pool_free(pool);
    prov_wake_free(wake);
}

/* ---- the signal ------------------------------------------------------------------------------ */

static void signal_in_use_is_left_alone(void **state)
{
    const int first = SIGRTMIN + 7;
    struct prov_wake *wake;
    (void)state;

    set_action(first, other_handler);
    set_action(first + 1, SIG_IGN);
    wake = new_wake();
    assert_ptr_equal(action_of(first), other_handler);
    assert_ptr_equal(action_of(first + 1), SIG_IGN);
    assert_ptr_not_equal(action_of(first + 2), SIG_DFL);
    prov_wake_send(wake);
    assert_int_equal(poll(NULL, 0, -1), -1);
    prov_wake_free(wake);
    assert_ptr_equal(action_of(first), other_handler);
    assert_ptr_equal(action_of(first + 1), SIG_IGN);
    assert_ptr_equal(action_of(first + 2), SIG_DFL);
    set_action(first, SIG_DFL);
    set_action(first + 1, SIG_DFL);
}

static void no_free_signal_is_a_conflict(void **state)
{
    struct prov_wake *wake = (void *)state; /* anything but NULL */

    for (int signo = SIGRTMIN + 7; signo <= SIGRTMAX; signo++)
        set_action(signo, other_handler);
    assert_int_equal(prov_wake_new(&wake), PROV_ECONFLICT);
    assert_null(wake);
    for (int signo = SIGRTMIN + 7; signo <= SIGRTMAX; signo++) {
        assert_ptr_equal(action_of(signo), other_handler);
        set_action(signo, SIG_DFL);
    }
}

/* The default action of the signal would end this process. */
static void signal_on_its_way_does_no_harm_after_the_end(void **state)
{
    const int signo = SIGRTMIN + 7;
    struct prov_wake *wake;
    (void)state;

    block(SIG_BLOCK, signo);
    wake = new_wake();
    assert_int_equal(pthread_kill(pthread_self(), signo), 0);
    prov_wake_free(wake);
    assert_ptr_equal(action_of(signo), SIG_DFL);
    block(SIG_UNBLOCK, signo);
}

static void handler_that_came_later_stays(void **state)
{
    const int signo = SIGRTMIN + 7;
    struct prov_wake *wake = new_wake();
    (void)state;

    set_action(signo, other_handler);
    prov_wake_free(wake);
    assert_ptr_equal(action_of(signo), other_handler);
    set_action(signo, SIG_DFL);
}

static void missing_memory_or_timer_is_reported_and_leaves_nothing(void **state)
{
    struct prov_wake *wake = (void *)state; /* anything but NULL */

    fail_calloc = true;
    assert_int_equal(prov_wake_new(&wake), PROV_ENOMEM);
    fail_calloc = false;
    assert_null(wake);
    fail_timer = true;
    assert_int_equal(prov_wake_new(&wake), PROV_ENOMEM);
    fail_timer = false;
    assert_null(wake);
    assert_ptr_equal(action_of(SIGRTMIN + 7), SIG_DFL);
    prov_wake_heard(NULL);
    prov_wake_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sleeping_broker_is_woken_from_another_thread),
        cmocka_unit_test(broker_can_ask_itself_for_another_round),
        cmocka_unit_test(waking_goes_on_until_heard_and_then_ends),
        cmocka_unit_test(finished_job_wakes_the_broker),
        cmocka_unit_test(signal_in_use_is_left_alone),
        cmocka_unit_test(no_free_signal_is_a_conflict),
        cmocka_unit_test(signal_on_its_way_does_no_harm_after_the_end),
        cmocka_unit_test(handler_that_came_later_stays),
        cmocka_unit_test(missing_memory_or_timer_is_reported_and_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
