#include <time.h>

#include "log.h"
#include "pool_priv.h"

/*
 * Group commit (design D6): one fsync for all that waits. Every job of a batch runs in a child
 * transaction, so that one failing job undoes only itself.
 */

/* One batch on its way, and the first of what the store refused: a full disk fails every job, and
 * one line about it is enough. */
struct round {
    struct prov_pool *pool;
    struct job_list batch;
    unsigned failures;
    const char *step;
    enum prov_rc rc;
    char why[256];
};

/* Waits for work; false when the pool stops. */
static bool take_batch(struct prov_pool *pool, struct job_list *batch)
{
    bool stopping;

    (void)pthread_mutex_lock(&pool->lock);
    while (!pool->stopping && pool->to_write.n == 0)
        (void)pthread_cond_wait(&pool->write_more, &pool->lock);
    stopping = pool->stopping;
    while (!stopping && pool->to_write.n != 0 && batch->n < pool->conf.batch_limit)
        prov_jobs_push(batch, prov_jobs_pop(&pool->to_write));
    (void)pthread_mutex_unlock(&pool->lock);
    return !stopping;
}

/* Notes a failure of the store itself: its reason is gone with the next call. */
static enum prov_rc noted(struct round *r, const char *step, enum prov_rc rc)
{
    if (rc == PROV_OK || r->failures++ != 0)
        return rc;
    r->step = step;
    r->rc = rc;
    (void)prov_log_quote(prov_span_str(prov_store_why(r->pool->conf.store)), r->why, sizeof r->why);
    return rc;
}

static uint64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static enum prov_rc commit(struct round *r, struct prov_txn *txn)
{
    struct prov_pool_stats *stats = &r->pool->stats;
    const uint64_t begun = now_ns();
    const enum prov_rc rc = prov_txn_commit(txn);
    const uint64_t took = now_ns() - begun;

    (void)pthread_mutex_lock(&r->pool->lock);
    if (rc != PROV_OK) {
        stats->commit_failures++;
    } else {
        stats->commits++;
        stats->commit_ns_total += took;
        if (took > stats->commit_ns_max)
            stats->commit_ns_max = took;
    }
    (void)pthread_mutex_unlock(&r->pool->lock);
    return noted(r, "commit", rc);
}

/* A job alone, without the cost of a child transaction. */
static enum prov_rc write_one(struct round *r, struct prov_job *job)
{
    struct prov_txn *txn = NULL;
    enum prov_rc rc;

    rc = noted(r, "begin", prov_txn_begin(r->pool->conf.store, PROV_TXN_WRITE, NULL, &txn));
    if (rc != PROV_OK)
        return rc;
    job->rc = PROV_OK; /* an earlier run in a group may have left another */
    rc = job->apply(job, txn);
    if (rc == PROV_OK)
        return commit(r, txn);
    prov_txn_abort(txn);
    return rc;
}

/* Sets job->rc. Anything but PROV_OK: the child transaction itself failed, and the parent is not to
 * be trusted. */
static enum prov_rc write_child(struct round *r, struct prov_txn *parent, struct prov_job *job)
{
    struct prov_txn *child = NULL;
    enum prov_rc rc;

    rc = noted(r, "begin-child",
               prov_txn_begin(r->pool->conf.store, PROV_TXN_WRITE, parent, &child));
    if (rc != PROV_OK)
        return rc;
    job->rc = job->apply(job, child);
    if (job->rc == PROV_OK)
        return noted(r, "commit-child", prov_txn_commit(child));
    prov_txn_abort(child);
    return PROV_OK;
}

/* All of the batch in one commit. Anything but PROV_OK: nothing was written, and no job's rc means
 * anything: a job may have failed over what another, now undone, had written. */
static enum prov_rc write_group(struct round *r)
{
    struct prov_txn *txn = NULL;
    unsigned good = 0;
    enum prov_rc rc;

    rc = noted(r, "begin", prov_txn_begin(r->pool->conf.store, PROV_TXN_WRITE, NULL, &txn));
    if (rc != PROV_OK)
        return rc;
    for (struct prov_job *job = r->batch.head; job != NULL; job = job->next) {
        rc = write_child(r, txn, job);
        if (rc != PROV_OK)
            goto undo;
        good += job->rc == PROV_OK;
    }
    if (good != 0)
        return commit(r, txn);
undo:
    prov_txn_abort(txn);
    return rc;
}

/* One job too large for the store must not fail the others: what failed together is tried one by
 * one. */
static void write_round(struct round *r)
{
    const unsigned jobs = r->batch.n;

    if (jobs == 1 || write_group(r) != PROV_OK) {
        for (struct prov_job *job = r->batch.head; job != NULL; job = job->next)
            job->rc = write_one(r, job);
    }
    if (r->failures != 0)
        prov_log(PROV_LOG_ERROR, "event=store-failed step=%s jobs=%u failures=%u rc=%s why=%s",
                 r->step, jobs, r->failures, prov_rc_name(r->rc), r->why);
}

void *prov_writer_main(void *arg)
{
    struct round r = { .pool = arg };

    (void)pthread_setname_np(pthread_self(), "prov-writer");
    while (take_batch(r.pool, &r.batch)) {
        r.failures = 0;
        write_round(&r);
        prov_pool_finish(r.pool, &r.batch);
    }
    return NULL;
}
