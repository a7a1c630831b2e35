#include "pool_priv.h"

#include <limits.h>
#include <stdlib.h>
#include <time.h>

#include "thread.h"

#define DEFAULT_BATCH 512

/* ---- lists ----------------------------------------------------------------------------------- */

void prov_jobs_push(struct job_list *list, struct prov_job *job)
{
    job->next = NULL;
    if (list->tail == NULL)
        list->head = job;
    else
        list->tail->next = job;
    list->tail = job;
    list->n++;
}

struct prov_job *prov_jobs_pop(struct job_list *list)
{
    struct prov_job *job = list->head;

    if (job == NULL)
        return NULL;
    list->head = job->next;
    if (list->head == NULL)
        list->tail = NULL;
    list->n--;
    job->next = NULL;
    return job;
}

void prov_jobs_move(struct job_list *to, struct job_list *from)
{
    if (from->head == NULL)
        return;
    if (to->tail == NULL)
        to->head = from->head;
    else
        to->tail->next = from->head;
    to->tail = from->tail;
    to->n += from->n;
    *from = (struct job_list){ NULL, NULL, 0 };
}

static void lock(struct prov_pool *pool)
{
    (void)pthread_mutex_lock(&pool->lock);
}

static void unlock(struct prov_pool *pool)
{
    (void)pthread_mutex_unlock(&pool->lock);
}

/* ---- workers --------------------------------------------------------------------------------- */

void prov_pool_finish(struct prov_pool *pool, struct job_list *jobs)
{
    lock(pool);
    for (struct prov_job *job = jobs->head; job != NULL; job = job->next)
        job->finished = true;
    prov_jobs_move(&pool->finished, jobs);
    atomic_store_explicit(&pool->ready, true, memory_order_release);
    (void)pthread_cond_broadcast(&pool->finished_more);
    unlock(pool);
    if (pool->conf.wake != NULL)
        pool->conf.wake(pool->conf.wake_ctx);
}

static struct prov_job *next_to_prepare(struct prov_pool *pool)
{
    struct prov_job *job;

    lock(pool);
    while (!pool->stopping && pool->to_prepare.n == 0)
        (void)pthread_cond_wait(&pool->prepare_more, &pool->lock);
    job = pool->stopping ? NULL : prov_jobs_pop(&pool->to_prepare);
    unlock(pool);
    return job;
}

/* Behind prepare: on to the writer, or finished. */
static void pass_on(struct prov_pool *pool, struct prov_job *job)
{
    struct job_list one = { NULL, NULL, 0 };

    if (job->apply == NULL || job->rc != PROV_OK) {
        prov_jobs_push(&one, job);
        prov_pool_finish(pool, &one);
        return;
    }
    lock(pool);
    prov_jobs_push(&pool->to_write, job);
    (void)pthread_cond_signal(&pool->write_more);
    unlock(pool);
}

static void *worker_main(void *arg)
{
    struct prov_pool *pool = arg;
    struct prov_job *job;

    (void)pthread_setname_np(pthread_self(), "prov-worker");
    while ((job = next_to_prepare(pool)) != NULL) {
        if (job->prepare == NULL || job->prepare(job))
            pass_on(pool, job);
    }
    return NULL;
}

/* ---- start and stop -------------------------------------------------------------------------- */

/* What could be made stays; the rest is tried again with the next job. */
static enum prov_rc threads_start(struct prov_pool *pool)
{
    if (pool->conf.store != NULL && !pool->has_writer) {
        pool->has_writer = prov_thread_start(&pool->writer, prov_writer_main, pool);
        if (!pool->has_writer)
            return PROV_ENOMEM;
    }
    while (pool->n_workers < pool->conf.workers) {
        if (!prov_thread_start(&pool->workers[pool->n_workers], worker_main, pool))
            return PROV_ENOMEM;
        pool->n_workers++;
    }
    return PROV_OK;
}

static void threads_stop(struct prov_pool *pool)
{
    lock(pool);
    pool->stopping = true;
    (void)pthread_cond_broadcast(&pool->prepare_more);
    (void)pthread_cond_broadcast(&pool->write_more);
    unlock(pool);
    for (unsigned i = 0; i < pool->n_workers; i++)
        (void)pthread_join(pool->workers[i], NULL);
    if (pool->has_writer)
        (void)pthread_join(pool->writer, NULL);
}

enum prov_rc prov_pool_new(const struct prov_pool_conf *conf, struct prov_pool **out)
{
    pthread_condattr_t monotonic;
    struct prov_pool *pool;

    *out = NULL;
    if (conf->workers == 0 || conf->workers > PROV_POOL_MAX_WORKERS || conf->queue_limit == 0)
        return PROV_EINVAL;
    pool = calloc(1, sizeof *pool);
    if (pool == NULL)
        return PROV_ENOMEM;
    pool->conf = *conf;
    if (pool->conf.batch_limit == 0)
        pool->conf.batch_limit = DEFAULT_BATCH;
    (void)pthread_mutex_init(&pool->lock, NULL);
    (void)pthread_cond_init(&pool->prepare_more, NULL);
    (void)pthread_cond_init(&pool->write_more, NULL);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&pool->finished_more, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    *out = pool;
    return PROV_OK;
}

static void cancel(struct prov_pool *pool, struct job_list *jobs)
{
    for (struct prov_job *job = jobs->head; job != NULL; job = job->next)
        job->rc = PROV_EBUSY;
    prov_jobs_move(&pool->finished, jobs);
}

void prov_pool_free(struct prov_pool *pool)
{
    if (pool == NULL)
        return;
    threads_stop(pool);
    cancel(pool, &pool->to_write);
    cancel(pool, &pool->to_prepare);
    (void)prov_pool_drain(pool);
    (void)pthread_cond_destroy(&pool->finished_more);
    (void)pthread_cond_destroy(&pool->write_more);
    (void)pthread_cond_destroy(&pool->prepare_more);
    (void)pthread_mutex_destroy(&pool->lock);
    free(pool);
}

/* ---- the broker's side ----------------------------------------------------------------------- */

enum prov_rc prov_pool_submit(struct prov_pool *pool, struct prov_job *job)
{
    const bool to_worker = job->prepare != NULL || job->apply == NULL;
    enum prov_rc rc;

    if (job->apply != NULL && pool->conf.store == NULL)
        return PROV_EBUG;
    if (!pool->stopping && pool->n_workers < pool->conf.workers) {
        rc = threads_start(pool);
        if (rc != PROV_OK)
            return rc;
    }
    lock(pool);
    if (pool->stopping || pool->stats.queued >= pool->conf.queue_limit) {
        pool->stats.refused++;
        unlock(pool);
        return PROV_EBUSY;
    }
    job->rc = PROV_OK;
    job->finished = false;
    prov_jobs_push(to_worker ? &pool->to_prepare : &pool->to_write, job);
    pool->stats.submitted++;
    pool->stats.queued++;
    (void)pthread_cond_signal(to_worker ? &pool->prepare_more : &pool->write_more);
    unlock(pool);
    return PROV_OK;
}

/* Before the job's done, which may submit into the place that this one leaves. */
static void count_done(struct prov_pool *pool, const struct prov_job *job)
{
    lock(pool);
    pool->stats.done++;
    pool->stats.failed += job->rc != PROV_OK;
    pool->stats.queued--;
    unlock(pool);
}

unsigned prov_pool_drain_some(struct prov_pool *pool, unsigned limit)
{
    struct job_list jobs = { NULL, NULL, 0 };
    struct prov_job *job;
    unsigned n;

    lock(pool);
    if (pool->finished.n <= limit)
        prov_jobs_move(&jobs, &pool->finished);
    while (jobs.n < limit && pool->finished.n != 0)
        prov_jobs_push(&jobs, prov_jobs_pop(&pool->finished));
    atomic_store_explicit(&pool->ready, pool->finished.n != 0, memory_order_relaxed);
    unlock(pool);
    n = jobs.n;
    while ((job = prov_jobs_pop(&jobs)) != NULL) {
        count_done(pool, job);
        job->done(job);
    }
    return n;
}

unsigned prov_pool_drain(struct prov_pool *pool)
{
    return prov_pool_drain_some(pool, UINT_MAX);
}

void prov_pool_resume(struct prov_pool *pool, struct prov_job *job)
{
    lock(pool);
    prov_jobs_push(&pool->to_prepare, job);
    (void)pthread_cond_signal(&pool->prepare_more);
    unlock(pool);
}

bool prov_pool_ready(const struct prov_pool *pool)
{
    return atomic_load_explicit(&pool->ready, memory_order_acquire);
}

static struct timespec deadline(unsigned limit_ms)
{
    struct timespec at;

    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += (time_t)(limit_ms / 1000);
    at.tv_nsec += (long)(limit_ms % 1000) * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

bool prov_pool_wait(struct prov_pool *pool, const struct prov_job *job, unsigned limit_ms)
{
    const struct timespec until = deadline(limit_ms);
    bool finished;

    lock(pool);
    while (!job->finished && pthread_cond_timedwait(&pool->finished_more, &pool->lock, &until) == 0)
        ;
    finished = job->finished;
    unlock(pool);
    return finished;
}

void prov_pool_stats(struct prov_pool *pool, struct prov_pool_stats *out)
{
    lock(pool);
    *out = pool->stats;
    unlock(pool);
}
