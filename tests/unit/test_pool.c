/*
 * The queue, the workers, the finished list and the end of a pool. What the writer does with
 * transactions is in test_writer.c.
 *
 * ctest labels: tsan
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <cmocka.h>

#include "run/log.h"
#include "support/pool_rig.h"

/* ---- failing what a pool needs at its start (-Wl,--wrap) ------------------------------------- */

static atomic_uint fail_thread; /* the n-th pthread_create from now */
static atomic_uint threads_made;
static atomic_bool fail_calloc;

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *),
                          void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *),
                          void *arg);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *),
                          void *arg)
{
    if (fail_thread != 0 && --fail_thread == 0)
        return 11; /* EAGAIN */
    threads_made++;
    return __real_pthread_create(thread, attr, start, arg);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fail_calloc ? NULL : __real_calloc(n, size);
}

/* ---- the way of a job ------------------------------------------------------------------------ */

static void job_visits_only_the_steps_it_has(void **state)
{
    static const struct {
        enum rig_parts parts;
        enum prov_rc prepare_rc, apply_rc, rc;
        unsigned prepared, applied, durable;
    } rows[] = {
        { RIG_NEITHER, PROV_OK, PROV_OK, PROV_OK, 0, 0, 0 },
        { RIG_PREPARE, PROV_OK, PROV_OK, PROV_OK, 1, 0, 0 },
        { RIG_PREPARE, PROV_ESIGNER, PROV_OK, PROV_ESIGNER, 1, 0, 0 },
        { RIG_APPLY, PROV_OK, PROV_OK, PROV_OK, 0, 1, 1 },
        { RIG_APPLY, PROV_OK, PROV_ECONFLICT, PROV_ECONFLICT, 0, 1, 0 },
        { RIG_BOTH, PROV_OK, PROV_OK, PROV_OK, 1, 1, 1 },
        { RIG_BOTH, PROV_OK, PROV_EDENIED, PROV_EDENIED, 1, 1, 0 },
        { RIG_BOTH, PROV_EHOOK, PROV_OK, PROV_EHOOK, 1, 0, 0 },
    };
    (void)state;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct rig *rig = rig_new(true, 0, 0, 0);
        struct rig_job j;

        rig_job(&j, rig, 1, rows[i].parts);
        j.prepare_rc = rows[i].prepare_rc;
        j.apply_rc = rows[i].apply_rc;
        j.job.rc = PROV_EBUG; /* submit starts it afresh */
        assert_int_equal(prov_pool_submit(rig->pool, &j.job), PROV_OK);
        rig_drain(rig, 1);
        assert_int_equal(j.job.rc, rows[i].rc);
        assert_int_equal(j.prepared, rows[i].prepared);
        assert_int_equal(j.applied, rows[i].applied);
        assert_int_equal(j.done, 1);
        assert_int_equal(rig_durable(rig, 1), rows[i].durable);
        rig_free(rig);
    }
}

struct seen_thread {
    char name[16];
    sigset_t mask;
};

static struct seen_thread in_worker, in_writer;

static void look(struct seen_thread *seen)
{
    (void)pthread_getname_np(pthread_self(), seen->name, sizeof seen->name);
    (void)pthread_sigmask(SIG_SETMASK, NULL, &seen->mask);
}

static void look_in_prepare(struct rig_job *j)
{
    (void)j;
    look(&in_worker);
}

static void look_in_apply(struct rig_job *j)
{
    (void)j;
    look(&in_writer);
}

static void each_step_runs_on_its_own_thread(void **state)
{
    struct rig *rig = rig_new(true, 1, 0, 0);
    struct rig_job j;
    (void)state;

    rig_job(&j, rig, 1, RIG_BOTH);
    j.in_prepare = look_in_prepare;
    j.in_apply = look_in_apply;
    assert_int_equal(prov_pool_submit(rig->pool, &j.job), PROV_OK);
    rig_drain(rig, 1);
    assert_string_equal(in_worker.name, "prov-worker");
    assert_string_equal(in_writer.name, "prov-writer");
    assert_false(pthread_equal(j.prepare_thread, rig->broker));
    assert_false(pthread_equal(j.apply_thread, rig->broker));
    assert_false(pthread_equal(j.apply_thread, j.prepare_thread));
    rig_free(rig);
}

static void threads_leave_signals_to_the_broker_but_keep_their_own_faults(void **state)
{
    static const int broker_signals[] = { SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGCHLD };
    static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
    struct rig *rig;
    struct rig_job j;
    sigset_t before, after;
    (void)state;

    (void)pthread_sigmask(SIG_SETMASK, NULL, &before);
    rig = rig_new(true, 1, 0, 0);
    (void)pthread_sigmask(SIG_SETMASK, NULL, &after);
    rig_job(&j, rig, 1, RIG_BOTH);
    j.in_prepare = look_in_prepare;
    j.in_apply = look_in_apply;
    assert_int_equal(prov_pool_submit(rig->pool, &j.job), PROV_OK);
    rig_drain(rig, 1);
    for (int signo = SIGRTMIN; signo <= SIGRTMAX; signo++) {
        assert_int_equal(sigismember(&in_worker.mask, signo), 1);
        assert_int_equal(sigismember(&in_writer.mask, signo), 1);
        assert_int_equal(sigismember(&after, signo), sigismember(&before, signo));
    }
    for (size_t i = 0; i < PROV_COUNT(broker_signals); i++) {
        assert_int_equal(sigismember(&in_worker.mask, broker_signals[i]), 1);
        assert_int_equal(sigismember(&in_writer.mask, broker_signals[i]), 1);
        assert_int_equal(sigismember(&after, broker_signals[i]), 0);
    }
    for (size_t i = 0; i < PROV_COUNT(faults); i++) {
        assert_int_equal(sigismember(&in_worker.mask, faults[i]), 0);
        assert_int_equal(sigismember(&in_writer.mask, faults[i]), 0);
    }
    rig_free(rig);
}

static void finished_job_waits_until_it_is_drained(void **state)
{
    struct rig *rig = rig_new(false, 1, 0, 0);
    struct rig_job j;
    (void)state;

    assert_false(prov_pool_ready(rig->pool));
    assert_int_equal(prov_pool_drain(rig->pool), 0);
    rig_submit(&j, rig, 1, RIG_PREPARE);
    (void)sem_wait(&rig->woken);
    assert_true(prov_pool_ready(rig->pool));
    assert_int_equal(j.done, 0);
    assert_int_equal(prov_pool_drain(rig->pool), 1);
    assert_int_equal(j.done, 1);
    assert_false(prov_pool_ready(rig->pool));
    assert_int_equal(prov_pool_drain(rig->pool), 0);
    assert_int_equal(j.done, 1);
    rig_free(rig);
}

/* One worker finishes in the order of the calls. */
static void drained_in_parts_the_rest_stays_ready_and_in_order(void **state)
{
    struct rig *rig = rig_new(false, 1, 0, 0);
    struct rig_job jobs[5];
    (void)state;

    for (unsigned i = 0; i < PROV_COUNT(jobs); i++)
        rig_submit(&jobs[i], rig, i + 1, RIG_PREPARE);
    for (unsigned i = 0; i < PROV_COUNT(jobs); i++)
        (void)sem_wait(&rig->woken);
    assert_int_equal(prov_pool_drain_some(rig->pool, 2), 2);
    assert_int_equal(rig->n_done, 2);
    assert_true(prov_pool_ready(rig->pool));
    assert_int_equal(prov_pool_drain_some(rig->pool, 2), 2);
    assert_true(prov_pool_ready(rig->pool));
    assert_int_equal(prov_pool_drain_some(rig->pool, 2), 1);
    assert_false(prov_pool_ready(rig->pool));
    assert_int_equal(prov_pool_drain_some(rig->pool, 2), 0);
    for (unsigned i = 0; i < PROV_COUNT(jobs); i++)
        assert_int_equal(rig->done_ids[i], i + 1);
    rig_free(rig);
}

static void slow_job_holds_up_nobody_behind_it(void **state)
{
    struct rig *rig = rig_new(false, 2, 0, 0);
    struct rig_job slow, quick;
    (void)state;

    rig_job(&slow, rig, 1, RIG_PREPARE);
    slow.in_prepare = rig_wait_for_go;
    assert_int_equal(prov_pool_submit(rig->pool, &slow.job), PROV_OK);
    rig_submit(&quick, rig, 2, RIG_PREPARE);
    rig_drain(rig, 1);
    assert_int_equal(quick.done, 1);
    assert_int_equal(slow.done, 0);
    rig_release(rig);
    rig_drain(rig, 2);
    assert_int_equal(slow.done, 1);
    rig_free(rig);
}

/* ---- the limit ------------------------------------------------------------------------------- */

static void full_queue_refuses_and_leaves_the_job_with_its_owner(void **state)
{
    struct rig *rig = rig_new(true, 1, 3, 0);
    struct prov_pool_stats stats;
    struct rig_job gate, a, b, extra;
    (void)state;

    rig_hold_writer(rig, &gate);
    rig_submit(&a, rig, 1, RIG_APPLY);
    rig_submit(&b, rig, 2, RIG_PREPARE);
    rig_job(&extra, rig, 3, RIG_APPLY);
    extra.job.rc = PROV_EDENIED;
    assert_int_equal(prov_pool_submit(rig->pool, &extra.job), PROV_EBUSY);
    assert_int_equal(extra.job.rc, PROV_EDENIED);
    prov_pool_stats(rig->pool, &stats);
    assert_int_equal(stats.refused, 1);
    assert_int_equal(stats.queued, 3);
    (void)prov_pool_wait(rig->pool, &b.job, 60000);
    /* finished and not yet done still counts: the memory is still held */
    assert_int_equal(prov_pool_submit(rig->pool, &extra.job), PROV_EBUSY);
    rig_release(rig);
    rig_drain(rig, 3);
    assert_int_equal(extra.done, 0);
    assert_int_equal(prov_pool_submit(rig->pool, &extra.job), PROV_OK);
    rig_drain(rig, 4);
    assert_int_equal(extra.done, 1);
    rig_free(rig);
}

static struct rig_job follow_up;
static enum prov_rc follow_up_taken;

static void submit_follow_up(struct rig_job *j)
{
    rig_job(&follow_up, j->rig, j->id + 1, RIG_BOTH);
    follow_up.apply_rc = PROV_EINVAL; /* to be told from a cancelled one */
    follow_up_taken = prov_pool_submit(j->rig->pool, &follow_up.job);
}

static void done_may_submit_into_the_place_it_leaves(void **state)
{
    struct rig *rig = rig_new(true, 1, 1, 0);
    struct rig_job j;
    (void)state;

    rig_job(&j, rig, 1, RIG_APPLY);
    j.in_done = submit_follow_up;
    assert_int_equal(prov_pool_submit(rig->pool, &j.job), PROV_OK);
    rig_drain(rig, 2);
    assert_int_equal(follow_up_taken, PROV_OK);
    assert_int_equal(follow_up.done, 1);
    assert_int_equal(follow_up.job.rc, PROV_EINVAL);
    assert_int_equal(rig->done_ids[1], 2);
    rig_free(rig);
}

static void job_that_writes_is_refused_where_there_is_no_store(void **state)
{
    struct rig *rig = rig_new(false, 1, 0, 0);
    struct rig_job j;
    (void)state;

    rig_job(&j, rig, 1, RIG_BOTH);
    assert_int_equal(prov_pool_submit(rig->pool, &j.job), PROV_EBUG);
    rig_submit(&j, rig, 1, RIG_PREPARE);
    rig_drain(rig, 1);
    rig_free(rig);
}

/* ---- waiting --------------------------------------------------------------------------------- */

static void wait_tells_whether_the_job_has_finished(void **state)
{
    static const enum rig_parts parts[] = { RIG_PREPARE, RIG_APPLY };
    (void)state;

    for (size_t i = 0; i < PROV_COUNT(parts); i++) {
        struct rig *rig = rig_new(true, 1, 0, 0);
        struct rig_job j;

        rig_job(&j, rig, 1, parts[i]);
        j.in_prepare = j.in_apply = rig_wait_for_go;
        j.job.finished = true; /* used before: submit starts it afresh */
        assert_int_equal(prov_pool_submit(rig->pool, &j.job), PROV_OK);
        (void)sem_wait(&rig->entered);
        assert_false(prov_pool_wait(rig->pool, &j.job, 0));
        assert_false(prov_pool_wait(rig->pool, &j.job, 1));
        rig_release(rig);
        assert_true(prov_pool_wait(rig->pool, &j.job, 4294967295u));
        assert_int_equal(j.done, 0); /* it is drained as usual */
        assert_true(prov_pool_wait(rig->pool, &j.job, 0));
        assert_int_equal(prov_pool_drain(rig->pool), 1);
        assert_int_equal(j.done, 1);
        rig_free(rig);
    }
}

static void wait_for_one_job_is_not_ended_by_another(void **state)
{
    struct rig *rig = rig_new(true, 1, 0, 0);
    struct rig_job gate, other;
    (void)state;

    rig_hold_writer(rig, &gate);
    rig_submit(&other, rig, 1, RIG_PREPARE);
    assert_true(prov_pool_wait(rig->pool, &other.job, 60000));
    assert_false(prov_pool_wait(rig->pool, &gate.job, 1));
    rig_release(rig);
    rig_drain(rig, 2);
    rig_free(rig);
}

static void wait_lasts_until_the_job_has_finished(void **state)
{
    struct rig *rig = rig_new(true, 1, 0, 0);
    struct rig_job j;
    (void)state;

    for (unsigned i = 0; i < 100; i++) {
        rig_submit(&j, rig, i, i % 2 == 0 ? RIG_BOTH : RIG_PREPARE);
        /* 999: the deadline carries into the next second */
        assert_true(prov_pool_wait(rig->pool, &j.job, 600999));
        assert_int_equal(prov_pool_drain(rig->pool), 1);
    }
    rig_free(rig);
}

/* ---- many jobs ------------------------------------------------------------------------------- */

static void free_job(struct rig_job *j)
{
    free(j);
}

static enum rig_parts nth_parts(unsigned i)
{
    static const enum rig_parts order[] = { RIG_BOTH, RIG_PREPARE, RIG_APPLY, RIG_NEITHER };

    return order[i % PROV_COUNT(order)];
}

static void submit_draining_when_full(struct rig *rig, unsigned id)
{
    struct rig_job *j = calloc(1, sizeof *j);

    assert_non_null(j);
    rig_job(j, rig, id, nth_parts(id));
    j->apply_rc = id % 5 == 0 ? PROV_ECONFLICT : PROV_OK;
    j->in_done = free_job;
    while (prov_pool_submit(rig->pool, &j->job) == PROV_EBUSY) {
        (void)sem_wait(&rig->woken);
        (void)prov_pool_drain(rig->pool);
    }
}

/* Of the ids 1 to n: done exactly once each. */
static void assert_done_once(const struct rig *rig, unsigned n)
{
    bool *seen = calloc(n + 1, sizeof *seen);

    assert_non_null(seen);
    assert_int_equal(rig->n_done, n);
    for (unsigned i = 0; i < n; i++) {
        assert_in_range(rig->done_ids[i], 1, n);
        assert_false(seen[rig->done_ids[i]]);
        seen[rig->done_ids[i]] = true;
    }
    free(seen);
}

static void ten_thousand_jobs_are_each_done_once_and_the_counters_add_up(void **state)
{
    enum { JOBS = 10000 };
    static const unsigned queue_limits[] = { JOBS, 64 };
    (void)state;

    for (size_t k = 0; k < PROV_COUNT(queue_limits); k++) {
        struct rig *rig = rig_new(true, 4, queue_limits[k], 0);
        struct prov_pool_stats stats;
        unsigned last = 0;

        for (unsigned id = 1; id <= JOBS; id++)
            submit_draining_when_full(rig, id);
        rig_drain(rig, JOBS);
        assert_done_once(rig, JOBS);
        prov_pool_stats(rig->pool, &stats);
        assert_int_equal(stats.submitted, JOBS);
        assert_int_equal(stats.done, JOBS);
        assert_int_equal(stats.queued, 0);
        assert_int_equal(stats.failed, JOBS / 10); /* every fifth of those with an apply */
        assert_int_equal(rig->store.n_durable, JOBS / 2 - JOBS / 10);
        assert_in_range(stats.commits, 1, JOBS / 2);
        assert_int_equal(stats.commit_failures, 0);
        assert_true(stats.commit_ns_max <= stats.commit_ns_total);
        assert_true(stats.commit_ns_total <= stats.commit_ns_max * stats.commits);
        for (unsigned i = 0; i < JOBS; i++) { /* the writer's queue is first in, first out */
            if (nth_parts(rig->done_ids[i]) != RIG_APPLY)
                continue;
            assert_true(rig->done_ids[i] > last);
            last = rig->done_ids[i];
        }
        rig_free(rig);
    }
}

/* ---- the end --------------------------------------------------------------------------------- */

static void free_finishes_what_runs_and_cancels_what_waits(void **state)
{
    struct rig *rig = rig_new(true, 2, 0, 0);
    struct rig_job held[3], waiting[4];
    (void)state;

    /* a worker that will only finish, one whose job had still to be written, and the writer */
    for (unsigned i = 0; i < 3; i++) {
        static const enum rig_parts parts[] = { RIG_PREPARE, RIG_BOTH, RIG_APPLY };

        rig_job(&held[i], rig, 1 + i, parts[i]);
        if (parts[i] == RIG_APPLY)
            held[i].in_apply = rig_wait_for_stop;
        else
            held[i].in_prepare = rig_wait_for_stop;
        assert_int_equal(prov_pool_submit(rig->pool, &held[i].job), PROV_OK);
        (void)sem_wait(&rig->entered);
    }
    for (unsigned i = 0; i < 4; i++)
        rig_submit(&waiting[i], rig, 4 + i, nth_parts(i));
    (void)rig_stop(rig);
    assert_done_once(rig, 7);
    assert_int_equal(held[0].job.rc, PROV_OK);
    assert_int_equal(held[1].job.rc, PROV_EBUSY);
    assert_int_equal(held[1].applied, 0);
    assert_int_equal(held[2].job.rc, PROV_OK);
    assert_int_equal(rig_durable(rig, 3), 1);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(waiting[i].job.rc, PROV_EBUSY);
        assert_int_equal(waiting[i].prepared + waiting[i].applied, 0);
    }
    assert_int_equal(rig->store.n_durable, 1);
    rig_free(rig);
}

static void refusal_outlives_the_pool(void **state)
{
    struct rig *rig = rig_new(true, 1, 0, 0);
    struct rig_job j;
    (void)state;

    rig_job(&j, rig, 1, RIG_BOTH);
    j.in_prepare = rig_wait_for_stop;
    j.prepare_rc = PROV_ESIGNER;
    assert_int_equal(prov_pool_submit(rig->pool, &j.job), PROV_OK);
    (void)sem_wait(&rig->entered);
    (void)rig_stop(rig);
    assert_int_equal(j.done, 1);
    assert_int_equal(j.job.rc, PROV_ESIGNER); /* not hidden by the cancelling */
    rig_free(rig);
}

static void full_pool_can_be_freed(void **state)
{
    enum { JOBS = 200 };
    struct rig *rig = rig_new(true, 2, JOBS + 1, 0);
    struct rig_job *jobs = calloc(JOBS, sizeof *jobs), gate, extra;
    (void)state;

    assert_non_null(jobs);
    rig_job(&gate, rig, JOBS + 1, RIG_APPLY);
    gate.in_apply = rig_wait_for_stop;
    assert_int_equal(prov_pool_submit(rig->pool, &gate.job), PROV_OK);
    (void)sem_wait(&rig->entered);
    for (unsigned i = 0; i < JOBS; i++)
        rig_submit(&jobs[i], rig, i + 1, nth_parts(i));
    rig_job(&extra, rig, 0, RIG_APPLY);
    assert_int_equal(prov_pool_submit(rig->pool, &extra.job), PROV_EBUSY);
    (void)rig_stop(rig);
    assert_done_once(rig, JOBS + 1);
    for (unsigned i = 0; i < JOBS; i++) {
        if (jobs[i].job.apply != NULL)
            assert_int_equal(jobs[i].job.rc, PROV_EBUSY);
    }
    assert_int_equal(extra.done, 0);
    free(jobs);
    rig_free(rig);
}

static void done_cannot_submit_to_a_pool_that_ends(void **state)
{
    struct rig *rig = rig_new(true, 1, 0, 0);
    struct rig_job j;
    (void)state;

    rig_job(&j, rig, 1, RIG_APPLY);
    j.in_apply = rig_wait_for_stop;
    j.in_done = submit_follow_up;
    assert_int_equal(prov_pool_submit(rig->pool, &j.job), PROV_OK);
    (void)sem_wait(&rig->entered);
    (void)rig_stop(rig);
    assert_int_equal(j.done, 1);
    assert_int_equal(follow_up_taken, PROV_EBUSY);
    assert_int_equal(follow_up.done, 0);
    rig_free(rig);
}

/* ---- the start ------------------------------------------------------------------------------- */

static void numbers_out_of_range_are_refused(void **state)
{
    static const struct {
        unsigned workers, queue_limit;
        enum prov_rc rc;
    } rows[] = {
        { 0, 10, PROV_EINVAL }, { 65, 10, PROV_EINVAL }, { 1, 0, PROV_EINVAL },
        { 1, 1, PROV_OK },      { 64, 1, PROV_OK },
    };
    (void)state;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        const struct prov_pool_conf conf = { .workers = rows[i].workers,
                                             .queue_limit = rows[i].queue_limit };
        struct prov_pool *pool = NULL;

        assert_int_equal(prov_pool_new(&conf, &pool), rows[i].rc);
        assert_int_equal(pool != NULL, rows[i].rc == PROV_OK);
        prov_pool_free(pool);
    }
}

static void missing_memory_is_reported_and_leaves_nothing(void **state)
{
    const struct prov_pool_conf conf = { .workers = 1, .queue_limit = 1 };
    struct rig *rig = rig_new(false, 1, 0, 0);
    struct prov_pool *pool = rig->pool;
    (void)state;

    fail_calloc = true;
    assert_int_equal(prov_pool_new(&conf, &pool), PROV_ENOMEM);
    fail_calloc = false;
    assert_null(pool);
    rig_free(rig);
}

/* A second thread makes the broker's own work slower: none before there is a job. */
static void threads_start_with_the_first_job(void **state)
{
    struct rig *rig = rig_new(true, 3, 0, 0);
    struct rig_job j;
    (void)state;

    threads_made = 0;
    rig_job(&j, rig, 1, RIG_BOTH);
    assert_int_equal(threads_made, 0);
    for (unsigned n = 1; n <= 2; n++) {
        assert_int_equal(prov_pool_submit(rig->pool, &j.job), PROV_OK);
        rig_drain(rig, n);
        assert_int_equal(threads_made, 4); /* the writer and the workers */
    }
    rig_free(rig);
}

static void job_for_which_there_is_no_thread_stays_with_its_owner(void **state)
{
    struct rig *rig = rig_new(true, 3, 0, 0);
    struct rig_job j;
    (void)state;

    threads_made = 0;
    rig_job(&j, rig, 1, RIG_BOTH);
    for (unsigned n = 0; n < 4; n++) { /* those that could be had are kept */
        fail_thread = 2;
        assert_int_equal(prov_pool_submit(rig->pool, &j.job), n < 3 ? PROV_ENOMEM : PROV_OK);
        assert_int_equal(threads_made, n + 1);
    }
    fail_thread = 0;
    rig_drain(rig, 1);
    assert_int_equal(j.done, 1);
    rig_free(rig);
}

/* ---- parking --------------------------------------------------------------------------------- */

static bool park_once(struct rig_job *j)
{
    if (j->prepared > 1)
        return false;
    (void)sem_post(&j->rig->entered);
    return true;
}

static bool park_and_resume_at_once(struct rig_job *j)
{
    if (j->prepared > 1)
        return false;
    prov_pool_resume(j->rig->pool, &j->job);
    return true;
}

static void parked_job_takes_no_worker_and_goes_on_when_resumed(void **state)
{
    struct rig *rig = rig_new(true, 1, 0, 0);
    struct rig_job parked, other;
    struct prov_pool_stats stats;
    (void)state;

    rig_job(&parked, rig, 1, RIG_BOTH);
    parked.park = park_once;
    assert_int_equal(prov_pool_submit(rig->pool, &parked.job), PROV_OK);
    (void)sem_wait(&rig->entered);
    rig_submit(&other, rig, 2, RIG_BOTH);
    rig_drain(rig, 1);
    assert_int_equal(rig->done_ids[0], 2);
    assert_int_equal(parked.done + parked.applied, 0);
    prov_pool_stats(rig->pool, &stats);
    assert_int_equal(stats.queued, 1); /* parked jobs count towards the limit */
    prov_pool_resume(rig->pool, &parked.job);
    rig_drain(rig, 2);
    assert_int_equal(parked.prepared, 2);
    assert_int_equal(parked.applied, 1);
    assert_int_equal(rig_durable(rig, 1), 1);
    rig_free(rig);
}

static void job_may_come_back_before_its_prepare_has_returned(void **state)
{
    enum { JOBS = 300 };
    static struct rig_job jobs[JOBS];
    struct rig *rig = rig_new(true, 4, 0, 0);
    (void)state;

    for (unsigned i = 0; i < JOBS; i++) {
        rig_job(&jobs[i], rig, 1 + i, RIG_BOTH);
        jobs[i].park = park_and_resume_at_once;
        assert_int_equal(prov_pool_submit(rig->pool, &jobs[i].job), PROV_OK);
    }
    rig_drain(rig, JOBS);
    for (unsigned i = 0; i < JOBS; i++) {
        assert_int_equal(jobs[i].prepared, 2);
        assert_int_equal(jobs[i].done, 1);
        assert_int_equal(rig_durable(rig, 1 + i), 1);
    }
    rig_free(rig);
}

static void job_resumed_while_the_pool_ends_is_cancelled(void **state)
{
    struct rig *rig = rig_new(true, 1, 0, 0);
    struct rig_job parked, held;
    (void)state;

    rig_job(&parked, rig, 1, RIG_BOTH);
    parked.park = park_once;
    assert_int_equal(prov_pool_submit(rig->pool, &parked.job), PROV_OK);
    (void)sem_wait(&rig->entered);
    rig_job(&held, rig, 2, RIG_PREPARE);
    held.in_prepare = rig_wait_for_stop;
    assert_int_equal(prov_pool_submit(rig->pool, &held.job), PROV_OK);
    (void)sem_wait(&rig->entered);
    prov_pool_resume(rig->pool, &parked.job);
    (void)rig_stop(rig);
    assert_int_equal(parked.done, 1);
    assert_int_equal(parked.prepared, 1);
    assert_int_equal(parked.job.rc, PROV_EBUSY);
    assert_int_equal(rig_durable(rig, 1), 0);
    rig_free(rig);
}

static bool nothing_to_write(struct rig_job *j)
{
    j->job.apply = NULL;
    return false;
}

static void job_that_finds_nothing_to_write_skips_the_writer(void **state)
{
    struct rig *rig = rig_new(true, 1, 0, 0);
    struct rig_job j;
    (void)state;

    rig_job(&j, rig, 1, RIG_BOTH);
    j.park = nothing_to_write;
    assert_int_equal(prov_pool_submit(rig->pool, &j.job), PROV_OK);
    rig_drain(rig, 1);
    assert_int_equal(j.applied, 0);
    assert_int_equal(j.job.rc, PROV_OK);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(job_visits_only_the_steps_it_has),
        cmocka_unit_test(each_step_runs_on_its_own_thread),
        cmocka_unit_test(threads_leave_signals_to_the_broker_but_keep_their_own_faults),
        cmocka_unit_test(finished_job_waits_until_it_is_drained),
        cmocka_unit_test(drained_in_parts_the_rest_stays_ready_and_in_order),
        cmocka_unit_test(slow_job_holds_up_nobody_behind_it),
        cmocka_unit_test(full_queue_refuses_and_leaves_the_job_with_its_owner),
        cmocka_unit_test(done_may_submit_into_the_place_it_leaves),
        cmocka_unit_test(job_that_writes_is_refused_where_there_is_no_store),
        cmocka_unit_test(wait_tells_whether_the_job_has_finished),
        cmocka_unit_test(wait_lasts_until_the_job_has_finished),
        cmocka_unit_test(wait_for_one_job_is_not_ended_by_another),
        cmocka_unit_test(ten_thousand_jobs_are_each_done_once_and_the_counters_add_up),
        cmocka_unit_test(free_finishes_what_runs_and_cancels_what_waits),
        cmocka_unit_test(refusal_outlives_the_pool),
        cmocka_unit_test(full_pool_can_be_freed),
        cmocka_unit_test(done_cannot_submit_to_a_pool_that_ends),
        cmocka_unit_test(numbers_out_of_range_are_refused),
        cmocka_unit_test(missing_memory_is_reported_and_leaves_nothing),
        cmocka_unit_test(parked_job_takes_no_worker_and_goes_on_when_resumed),
        cmocka_unit_test(job_may_come_back_before_its_prepare_has_returned),
        cmocka_unit_test(job_resumed_while_the_pool_ends_is_cancelled),
        cmocka_unit_test(job_that_finds_nothing_to_write_skips_the_writer),
        cmocka_unit_test(threads_start_with_the_first_job),
        cmocka_unit_test(job_for_which_there_is_no_thread_stays_with_its_owner),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
