#include "wake.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id /* glibc before 2.38 names it only so */
#define sigev_notify_thread_id _sigev_un._tid
#endif

#define AGAIN_NS 1000000

struct prov_wake {
    pthread_mutex_t lock; /* so that the timer runs exactly while calling is set */
    atomic_bool calling;
    timer_t timer;
    int signo;
    struct sigaction before;
};

static void on_wake(int signo)
{
    (void)signo; /* it has done its work by interrupting */
}

static bool is_free(int signo, struct sigaction *before)
{
    return sigaction(signo, NULL, before) == 0 && (before->sa_flags & SA_SIGINFO) == 0 &&
           before->sa_handler == SIG_DFL;
}

/*
 * SA_RESTART spares the broker's other calls: epoll_wait, poll and select are interrupted with it
 * too (signal(7), "never restarted").
 */
static enum prov_rc take_signal(struct prov_wake *wake)
{
    struct sigaction ours = { .sa_handler = on_wake, .sa_flags = SA_RESTART };

    (void)sigemptyset(&ours.sa_mask);
    for (int signo = SIGRTMIN + 7; signo <= SIGRTMAX; signo++) {
        if (!is_free(signo, &wake->before))
            continue;
        if (sigaction(signo, &ours, NULL) != 0)
            continue;
        wake->signo = signo;
        return PROV_OK;
    }
    return PROV_ECONFLICT;
}

/*
 * A signal that is still on its way would end the process once its default action is back.
 * Ignoring it first throws such a one away (POSIX, sigaction).
 */
static void give_back_signal(const struct prov_wake *wake)
{
    struct sigaction now, ignore = { .sa_handler = SIG_IGN };

    if (sigaction(wake->signo, NULL, &now) != 0 || now.sa_handler != on_wake)
        return; /* somebody else's by now */
    (void)sigaction(wake->signo, &ignore, NULL);
    (void)sigaction(wake->signo, &wake->before, NULL);
}

enum prov_rc prov_wake_new(struct prov_wake **out)
{
    struct sigevent to_broker = { .sigev_notify = SIGEV_THREAD_ID };
    struct prov_wake *wake;
    enum prov_rc rc;

    *out = NULL;
    wake = calloc(1, sizeof *wake);
    if (wake == NULL)
        return PROV_ENOMEM;
    rc = take_signal(wake);
    if (rc != PROV_OK) {
        free(wake);
        return rc;
    }
    to_broker.sigev_signo = wake->signo;
    to_broker.sigev_notify_thread_id = gettid();
    if (timer_create(CLOCK_MONOTONIC, &to_broker, &wake->timer) != 0) {
        give_back_signal(wake);
        free(wake);
        return PROV_ENOMEM;
    }
    (void)pthread_mutex_init(&wake->lock, NULL);
    *out = wake;
    return PROV_OK;
}

/* first_ns 0: off. */
static void set_timer(struct prov_wake *wake, long first_ns)
{
    const struct itimerspec when = { .it_value.tv_nsec = first_ns,
                                     .it_interval.tv_nsec = AGAIN_NS };

    (void)timer_settime(wake->timer, 0, &when, NULL);
}

void prov_wake_send(void *ctx)
{
    struct prov_wake *wake = ctx;

    (void)pthread_mutex_lock(&wake->lock);
    if (!atomic_load_explicit(&wake->calling, memory_order_relaxed)) {
        atomic_store_explicit(&wake->calling, true, memory_order_release);
        set_timer(wake, 1);
    }
    (void)pthread_mutex_unlock(&wake->lock);
}

void prov_wake_heard(struct prov_wake *wake)
{
    if (wake == NULL || !atomic_load_explicit(&wake->calling, memory_order_acquire))
        return;
    (void)pthread_mutex_lock(&wake->lock);
    atomic_store_explicit(&wake->calling, false, memory_order_relaxed);
    set_timer(wake, 0);
    (void)pthread_mutex_unlock(&wake->lock);
}

void prov_wake_free(struct prov_wake *wake)
{
    if (wake == NULL)
        return;
    (void)timer_delete(wake->timer);
    give_back_signal(wake);
    (void)pthread_mutex_destroy(&wake->lock);
    free(wake);
}
