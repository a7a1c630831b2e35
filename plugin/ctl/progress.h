/*
 * progress.h - how far a long piece of work is, on stderr when that is a terminal, shown by a
 * thread of its own so that work that cannot be interrupted has it too.
 */
#ifndef CTL_PROGRESS_H
#define CTL_PROGRESS_H

#include <pthread.h>
#include <stdatomic.h>

#include "ctl.h"

struct ctl_progress {
    FILE *err;
    const char *what;
    uint64_t total;                 /* 0: not known */
    _Atomic uint64_t done;          /* written by who works */
    uint64_t (*measure)(void *ctx); /* any thread: asked instead of done; may be NULL */
    void *ctx;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t stop;
    bool stopping, running;
};

/* Fills the whole struct; measure and ctx may be NULL. */
void ctl_progress_start(struct ctl_progress *p, const struct ctl *ctl, const char *what,
                        uint64_t total, uint64_t (*measure)(void *ctx), void *ctx);
/* Takes the line away again. Call it before anything else is written to stderr. */
void ctl_progress_stop(struct ctl_progress *p);

#endif
