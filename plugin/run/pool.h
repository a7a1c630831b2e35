/*
 * pool.h - work that the broker's thread must not do: prepared by workers, written by one writer,
 * finished on the broker's thread.
 *
 *     submit (broker) -> prepare (worker) -> apply (writer, in a transaction) -> done (broker)
 *
 * A job that has to wait for somebody else, such as a hook, is parked meanwhile and takes no
 * thread. done may submit the job again instead of freeing it, for work in several stages.
 *
 * Ownership moves with the job. A job holds copies and never a client pointer: the client may be
 * gone, or its id taken by another, before the answer is ready (design D4).
 */
#ifndef PROV_POOL_H
#define PROV_POOL_H

#include "core/base.h"
#include "core/store.h"

struct prov_job {
    /*
     * worker: slow work on copies; sets rc. NULL: nothing to prepare. It may set apply to NULL when
     * there turns out to be nothing to write. False: the job was handed to somebody else, is theirs
     * from then on (it may be running again, or be gone, before this returns), and comes back
     * through prov_pool_resume, after which prepare is called once more.
     */
    bool (*prepare)(struct prov_job *job);
    /*
     * writer: puts the result into the store, inside a transaction of its own that is undone when
     * it returns anything but PROV_OK; what it returns becomes rc. Skipped when prepare left rc at
     * anything but PROV_OK. It may run again from the start when a commit fails, so it keeps
     * nothing from the first run. NULL: nothing to write.
     */
    enum prov_rc (*apply)(struct prov_job *job, struct prov_txn *txn);
    /* broker: called exactly once, for cancelled jobs too, after the commit is durable; frees the
     * job. */
    void (*done)(struct prov_job *job);
    enum prov_rc rc;  /* submit sets PROV_OK; PROV_EBUSY: cancelled at shutdown */
    uint64_t session; /* the connection that asked; an answer goes nowhere else; 0: nobody waits */
    struct prov_job *next; /* the pool's */
    bool finished;         /* the pool's */
};

struct prov_pool;

struct prov_pool_conf {
    struct prov_store *store; /* may be NULL when no job has apply */
    unsigned workers;         /* 1 to PROV_POOL_MAX_WORKERS */
    unsigned queue_limit;    /* jobs submitted and not yet done; submit says PROV_EBUSY beyond it */
    unsigned batch_limit;    /* jobs in one commit; 0: 512 */
    void (*wake)(void *ctx); /* worker, writer: finished jobs wait to be drained; may be NULL */
    void *wake_ctx;
};

#define PROV_POOL_MAX_WORKERS 64

/* Counters since start, and how much waits now. At any moment submitted is done plus queued. */
struct prov_pool_stats {
    uint64_t submitted, refused, done;
    uint64_t failed; /* done with an rc other than PROV_OK */
    uint64_t commits, commit_failures;
    uint64_t commit_ns_total, commit_ns_max; /* of commits that succeeded */
    unsigned queued;                         /* submitted and not yet done */
};

/*
 * The threads start with the first job: glibc's allocator and its system calls lock once a process
 * has had a second thread, which costs a broker several percent of what a message takes. The
 * threads take no signal that the broker's process handles; a child process that a job starts must
 * be given a signal mask of its own. PROV_EINVAL for numbers out of range.
 */
PROV_MUST_USE enum prov_rc prov_pool_new(const struct prov_pool_conf *conf, struct prov_pool **out);

/*
 * broker: on PROV_OK the pool owns the job; otherwise the caller still does: PROV_EBUSY (full, or
 * being freed), PROV_EBUG (a job with apply and a pool without store), PROV_ENOMEM (no thread to be
 * had; tried again with the next job). Never waits. Jobs without prepare are written in the order
 * in which they were submitted.
 */
PROV_MUST_USE enum prov_rc prov_pool_submit(struct prov_pool *pool, struct prov_job *job);

/* any thread: on with a job that its prepare parked. Each parked job must be resumed before
 * prov_pool_free; those resumed while it stops are cancelled. */
void prov_pool_resume(struct prov_pool *pool, struct prov_job *job);

/* broker: calls done for all that have finished; returns how many. Takes the list under the lock
 * and works outside it, so done may submit. */
unsigned prov_pool_drain(struct prov_pool *pool);
/* The same with the first `limit` of them; prov_pool_ready tells whether there are more. */
unsigned prov_pool_drain_some(struct prov_pool *pool, unsigned limit);

/* broker: is there anything to drain? One atomic load. */
bool prov_pool_ready(const struct prov_pool *pool);

/*
 * broker: waits until this job, which is submitted and not yet done, has finished (it is then
 * drained as usual) or limit_ms have gone by; true when it has. The one deliberate wait, for
 * `first_connect accept` on brokers without delayed authentication (design D3).
 */
bool prov_pool_wait(struct prov_pool *pool, const struct prov_job *job, unsigned limit_ms);

void prov_pool_stats(struct prov_pool *pool, struct prov_pool_stats *out); /* any thread */

/*
 * broker: lets what is being prepared or written finish, cancels the rest (rc PROV_EBUSY), joins
 * the threads, calls every done. NULL is accepted.
 */
void prov_pool_free(struct prov_pool *pool);

#endif
