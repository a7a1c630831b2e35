/*
 * pool_rig.h - a pool over a scripted store, and jobs that leave a trace, so that what the writer
 * does with transactions can be told exactly.
 *
 * The trace has a letter for each step: ( begin, ) commit, ! failed commit, x abort of a
 * transaction of its own; [ ] # / the same of a child; a digit for the apply of the job with this
 * id. "([1][2/[3])" is a commit of three jobs, the second of which failed.
 */
#ifndef POOL_RIG_H
#define POOL_RIG_H

#include <pthread.h>
#include <semaphore.h>

#include "run/pool.h"

#define RIG_TRACE_MAX 512
#define RIG_IDS_MAX 16384

enum rig_parts { RIG_NEITHER = 0, RIG_PREPARE = 1, RIG_APPLY = 2, RIG_BOTH = 3 };

struct rig_store {
    struct prov_store base;
    /* the script; changed only while the writer waits */
    unsigned fail_begin, fail_commit;             /* so many from now on fail */
    unsigned fail_child_begin, fail_child_commit; /* the n-th from now fails */
    unsigned max_writes;                          /* a commit with more fails; 0: any number */
    bool hold_commit;                             /* the next waits in rig.go */
    /* what came of it */
    char trace[RIG_TRACE_MAX];
    unsigned durable[RIG_IDS_MAX];
    unsigned n_durable;
};

struct rig {
    struct rig_store store;
    struct prov_pool *pool;
    pthread_t broker;
    sem_t woken;       /* posted by the pool's wake */
    sem_t entered, go; /* a held step has begun; it may go on */
    unsigned wakes;
    unsigned done_ids[RIG_IDS_MAX];
    unsigned n_done;
};

struct rig_job {
    struct prov_job job;
    struct rig *rig;
    unsigned id;
    unsigned writes; /* in apply */
    enum prov_rc prepare_rc, apply_rc;
    unsigned conflicts_with; /* apply says PROV_ECONFLICT when this id is written; 0: nothing */
    bool (*park)(
        struct rig_job *j); /* in prepare, at its end: true when the job is another's now */
    void (*in_prepare)(struct rig_job *j);
    void (*in_apply)(struct rig_job *j);
    void (*in_done)(struct rig_job *j);
    unsigned prepared, applied, done; /* how often */
    enum prov_rc rc_in_apply;         /* as the last apply found it */
    pthread_t prepare_thread, apply_thread;
};

/* store: with or without one. Zeroes mean: 2 workers, a queue of 1000, the pool's own batch limit.
 */
struct rig *rig_new(bool store, unsigned workers, unsigned queue_limit, unsigned batch_limit);
void rig_free(struct rig *rig); /* the pool too, where it is still there */

void rig_job(struct rig_job *j, struct rig *rig, unsigned id, enum rig_parts parts);
/* Initialises and submits; fails the test unless the pool took it. */
void rig_submit(struct rig_job *j, struct rig *rig, unsigned id, enum rig_parts parts);

/* Keeps the writer inside the apply of job 0, which then fails, so that what is submitted meanwhile
 * is one batch and its commit the next one. */
void rig_hold_writer(struct rig *rig, struct rig_job *gate);
void rig_release(struct rig *rig);

/* for in_prepare and in_apply: posts entered and waits for go; or waits for the pool to stop */
void rig_wait_for_go(struct rig_job *j);
void rig_wait_for_stop(struct rig_job *j);

/* Drains, sleeping until woken, until n jobs in all are done. */
void rig_drain(struct rig *rig, unsigned n);

/* Frees the pool; returns how often it woke the broker in all. */
unsigned rig_stop(struct rig *rig);

/* How many writes of this job are in the store; only while the writer waits. */
unsigned rig_durable(const struct rig *rig, unsigned id);

#endif
