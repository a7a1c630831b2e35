#include "pool_rig.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "run/pool_priv.h"

struct rig_txn {
    struct prov_txn base;
    struct rig_txn *parent;
    unsigned n;
    unsigned ids[1024];
};

/* ---- the store ------------------------------------------------------------------------------- */

static void trace(struct rig_store *st, char step)
{
    const size_t n = strlen(st->trace);

    if (n + 1 < sizeof st->trace)
        st->trace[n] = step;
}

/* Counts down; true when it reaches zero. */
static bool nth(unsigned *n)
{
    return *n != 0 && --*n == 0;
}

static bool next_so_many(unsigned *n)
{
    if (*n == 0)
        return false;
    --*n;
    return true;
}

static enum prov_rc store_begin(struct prov_store *base, enum prov_txn_kind kind,
                                struct prov_txn *parent, struct prov_txn **out)
{
    struct rig_store *st = (struct rig_store *)base;
    struct rig_txn *txn;

    if (kind != PROV_TXN_WRITE)
        return PROV_EBUG;
    if (parent == NULL ? next_so_many(&st->fail_begin) : nth(&st->fail_child_begin))
        return PROV_ESTORE;
    txn = calloc(1, sizeof *txn);
    if (txn == NULL)
        return PROV_ENOMEM;
    txn->base.store = base;
    txn->parent = (struct rig_txn *)parent;
    trace(st, parent == NULL ? '(' : '[');
    *out = &txn->base;
    return PROV_OK;
}

static enum prov_rc commit_root(struct rig_store *st, const struct rig_txn *txn)
{
    if (st->hold_commit) {
        struct rig *rig = (struct rig *)st;

        st->hold_commit = false;
        (void)sem_post(&rig->entered);
        (void)sem_wait(&rig->go);
    }
    if (next_so_many(&st->fail_commit) || (st->max_writes != 0 && txn->n > st->max_writes)) {
        trace(st, '!');
        return PROV_ESTORE;
    }
    for (unsigned i = 0; i < txn->n && st->n_durable < RIG_IDS_MAX; i++)
        st->durable[st->n_durable++] = txn->ids[i];
    trace(st, ')');
    return PROV_OK;
}

static void write_id(struct rig_txn *txn, unsigned id)
{
    if (txn->n < PROV_COUNT(txn->ids))
        txn->ids[txn->n++] = id;
}

static enum prov_rc commit_child(struct rig_store *st, const struct rig_txn *txn)
{
    if (nth(&st->fail_child_commit)) {
        trace(st, '#');
        return PROV_ENOMEM;
    }
    for (unsigned i = 0; i < txn->n; i++)
        write_id(txn->parent, txn->ids[i]);
    trace(st, ']');
    return PROV_OK;
}

static enum prov_rc store_commit(struct prov_txn *base)
{
    struct rig_txn *txn = (struct rig_txn *)base;
    struct rig_store *st = (struct rig_store *)base->store;
    const enum prov_rc rc = txn->parent == NULL ? commit_root(st, txn) : commit_child(st, txn);

    free(txn);
    return rc;
}

static void store_abort(struct prov_txn *base)
{
    struct rig_txn *txn = (struct rig_txn *)base;

    trace((struct rig_store *)base->store, txn->parent == NULL ? 'x' : '/');
    free(txn);
}

static const char *store_why(struct prov_store *st)
{
    (void)st;
    return "as scripted";
}

static const struct prov_store_ops store_ops = {
    .begin = store_begin,
    .commit = store_commit,
    .abort = store_abort,
    .why = store_why,
};

static bool holds(const unsigned *ids, unsigned n, unsigned id)
{
    for (unsigned i = 0; i < n; i++) {
        if (ids[i] == id)
            return true;
    }
    return false;
}

static bool is_written(const struct rig_txn *txn, unsigned id)
{
    const struct rig_store *st = (const struct rig_store *)txn->base.store;

    for (; txn != NULL; txn = txn->parent) {
        if (holds(txn->ids, txn->n, id))
            return true;
    }
    return holds(st->durable, st->n_durable, id);
}

unsigned rig_durable(const struct rig *rig, unsigned id)
{
    unsigned n = 0;

    for (unsigned i = 0; i < rig->store.n_durable; i++)
        n += rig->store.durable[i] == id;
    return n;
}

/* ---- jobs ------------------------------------------------------------------------------------ */

static bool job_prepare(struct prov_job *job)
{
    struct rig_job *j = (struct rig_job *)job;

    j->prepared++;
    j->prepare_thread = pthread_self();
    if (j->in_prepare != NULL)
        j->in_prepare(j);
    job->rc = j->prepare_rc;
    return j->park == NULL || !j->park(j);
}

static enum prov_rc job_apply(struct prov_job *job, struct prov_txn *base)
{
    struct rig_job *j = (struct rig_job *)job;
    struct rig_txn *txn = (struct rig_txn *)base;

    j->applied++;
    j->apply_thread = pthread_self();
    j->rc_in_apply = job->rc;
    trace(&j->rig->store, (char)('0' + j->id % 10));
    if (j->in_apply != NULL)
        j->in_apply(j);
    for (unsigned i = 0; i < j->writes; i++) /* also when it fails, so that there is what to undo */
        write_id(txn, j->id);
    if (j->conflicts_with != 0 && is_written(txn, j->conflicts_with))
        return PROV_ECONFLICT;
    return j->apply_rc;
}

static void job_done(struct prov_job *job)
{
    struct rig_job *j = (struct rig_job *)job;
    struct rig *rig = j->rig;

    assert_true(pthread_equal(pthread_self(), rig->broker));
    j->done++;
    if (rig->n_done < RIG_IDS_MAX)
        rig->done_ids[rig->n_done] = j->id;
    rig->n_done++;
    if (j->in_done != NULL)
        j->in_done(j);
}

void rig_job(struct rig_job *j, struct rig *rig, unsigned id, enum rig_parts parts)
{
    memset(j, 0, sizeof *j);
    j->rig = rig;
    j->id = id;
    j->writes = 1;
    j->job.prepare = parts & RIG_PREPARE ? job_prepare : NULL;
    j->job.apply = parts & RIG_APPLY ? job_apply : NULL;
    j->job.done = job_done;
}

void rig_submit(struct rig_job *j, struct rig *rig, unsigned id, enum rig_parts parts)
{
    rig_job(j, rig, id, parts);
    assert_int_equal(prov_pool_submit(rig->pool, &j->job), PROV_OK);
}

/* ---- the pool -------------------------------------------------------------------------------- */

static void on_wake(void *ctx)
{
    struct rig *rig = ctx;

    (void)sem_post(&rig->woken);
}

struct rig *rig_new(bool store, unsigned workers, unsigned queue_limit, unsigned batch_limit)
{
    struct rig *rig = calloc(1, sizeof *rig);
    struct prov_pool_conf conf = {
        .workers = workers == 0 ? 2 : workers,
        .queue_limit = queue_limit == 0 ? 1000 : queue_limit,
        .batch_limit = batch_limit,
        .wake = on_wake,
        .wake_ctx = rig,
    };

    assert_non_null(rig);
    rig->store.base.ops = &store_ops;
    rig->broker = pthread_self();
    (void)sem_init(&rig->woken, 0, 0);
    (void)sem_init(&rig->entered, 0, 0);
    (void)sem_init(&rig->go, 0, 0);
    conf.store = store ? &rig->store.base : NULL;
    assert_int_equal(prov_pool_new(&conf, &rig->pool), PROV_OK);
    return rig;
}

void rig_free(struct rig *rig)
{
    prov_pool_free(rig->pool);
    (void)sem_destroy(&rig->woken);
    (void)sem_destroy(&rig->entered);
    (void)sem_destroy(&rig->go);
    free(rig);
}

void rig_wait_for_go(struct rig_job *j)
{
    (void)sem_post(&j->rig->entered);
    (void)sem_wait(&j->rig->go);
}

void rig_wait_for_stop(struct rig_job *j)
{
    struct prov_pool *pool = j->rig->pool;
    bool stopping = false;

    (void)sem_post(&j->rig->entered);
    while (!stopping) {
        (void)pthread_mutex_lock(&pool->lock);
        stopping = pool->stopping;
        (void)pthread_mutex_unlock(&pool->lock);
        (void)sched_yield();
    }
}

void rig_hold_writer(struct rig *rig, struct rig_job *gate)
{
    rig_job(gate, rig, 0, RIG_APPLY);
    gate->in_apply = rig_wait_for_go;
    gate->apply_rc = PROV_EDENIED;
    assert_int_equal(prov_pool_submit(rig->pool, &gate->job), PROV_OK);
    (void)sem_wait(&rig->entered);
}

void rig_release(struct rig *rig)
{
    (void)sem_post(&rig->go);
}

void rig_drain(struct rig *rig, unsigned n)
{
    while (rig->n_done < n) {
        (void)sem_wait(&rig->woken);
        rig->wakes++;
        (void)prov_pool_drain(rig->pool);
    }
}

unsigned rig_stop(struct rig *rig)
{
    int left = 0;

    prov_pool_free(rig->pool);
    rig->pool = NULL;
    (void)sem_getvalue(&rig->woken, &left);
    return rig->wakes + (unsigned)left;
}
