#include "progress.h"

#include <stdio.h>

#define TICK_NS 250000000L

static void show(struct ctl_progress *p, unsigned ticks)
{
    const uint64_t done = p->measure != NULL ? p->measure(p->ctx) : atomic_load(&p->done);

    (void)fprintf(p->err, "\r\x1b[K%s", p->what);
    if (p->total != 0)
        (void)fprintf(p->err, " %u%%",
                      (unsigned)(done >= p->total ? 100 : (double)done * 100 / (double)p->total));
    (void)fprintf(p->err, ", %u s", ticks / 4);
    (void)fflush(p->err);
}

static void add_tick(struct timespec *at)
{
    at->tv_nsec += TICK_NS;
    if (at->tv_nsec >= 1000000000L) {
        at->tv_nsec -= 1000000000L;
        at->tv_sec++;
    }
}

static void *run(void *arg)
{
    struct ctl_progress *p = arg;
    struct timespec next;

    (void)clock_gettime(CLOCK_REALTIME, &next);
    (void)pthread_mutex_lock(&p->lock);
    for (unsigned ticks = 1; !p->stopping; ticks++) {
        add_tick(&next);
        while (!p->stopping && pthread_cond_timedwait(&p->stop, &p->lock, &next) == 0)
            continue;
        if (!p->stopping)
            show(p, ticks);
    }
    (void)pthread_mutex_unlock(&p->lock);
    return NULL;
}

void ctl_progress_start(struct ctl_progress *p, const struct ctl *ctl, const char *what,
                        uint64_t total, uint64_t (*measure)(void *ctx), void *ctx)
{
    memset(p, 0, sizeof *p);
    p->err = ctl->io.err;
    p->what = what;
    p->total = total;
    p->measure = measure;
    p->ctx = ctx;
    atomic_init(&p->done, 0);
    if (!ctl->progress || pthread_mutex_init(&p->lock, NULL) != 0)
        return;
    if (pthread_cond_init(&p->stop, NULL) == 0) {
        p->running = pthread_create(&p->thread, NULL, run, p) == 0;
        if (p->running)
            return;
        (void)pthread_cond_destroy(&p->stop);
    }
    (void)pthread_mutex_destroy(&p->lock);
}

void ctl_progress_stop(struct ctl_progress *p)
{
    if (!p->running)
        return;
    (void)pthread_mutex_lock(&p->lock);
    p->stopping = true;
    (void)pthread_cond_signal(&p->stop);
    (void)pthread_mutex_unlock(&p->lock);
    (void)pthread_join(p->thread, NULL);
    (void)pthread_cond_destroy(&p->stop);
    (void)pthread_mutex_destroy(&p->lock);
    p->running = false;
    (void)fprintf(p->err, "\r\x1b[K");
    (void)fflush(p->err);
}
