#include "store_lmdb.h"

#include "lmdb_impl.h"

#include <stdlib.h>

struct lmdb_txn {
    struct prov_txn base;
    MDB_txn *txn;
    struct lmdb_txn *parent, *child;
    bool write;
    enum prov_rc rc; /* not PROV_OK: it can only be aborted */
};

enum place { FRESH, AT, BEFORE_FIRST, BEHIND_LAST };

struct lmdb_cursor {
    struct prov_cursor base;
    MDB_cursor *cur;
    enum place place;
};

/* Top transactions this thread has open, in any store. */
static _Thread_local unsigned held;

static struct lmdb_store *store_of(const struct lmdb_txn *t)
{
    return (struct lmdb_store *)t->base.store;
}

MDB_txn *prov_lmdb_raw(struct prov_txn *txn)
{
    return ((struct lmdb_txn *)txn)->txn;
}

/* ---- begin and end --------------------------------------------------------------------------- */

static int enter(struct lmdb_store *st, struct lmdb_txn *t)
{
    int e = pthread_rwlock_rdlock(&st->map);

    if (e != 0)
        return e;
    if (t->txn != NULL)
        e = mdb_txn_renew(t->txn);
    else
        e = mdb_txn_begin(st->env, NULL, t->write ? 0 : MDB_RDONLY, &t->txn);
    if (e == 0)
        held++;
    else
        pthread_rwlock_unlock(&st->map);
    return e;
}

static void leave(struct lmdb_store *st)
{
    held--;
    pthread_rwlock_unlock(&st->map);
}

/*
 * Another process, with a larger map, wrote beyond ours. Waits for the transactions of other
 * threads; waiting for one of our own would never end.
 */
static enum prov_rc enlarge_map(struct lmdb_store *st)
{
    int e;

    if (held != 0)
        return prov_lmdb_because(PROV_ESTORE,
                                 "%s/data.mdb was made larger by another process: "
                                 "end the transaction that is open and try again",
                                 st->dir);
    e = pthread_rwlock_wrlock(&st->map);
    if (e != 0)
        return prov_lmdb_fail(st, e);
    e = mdb_env_set_mapsize(st->env, 0);
    pthread_rwlock_unlock(&st->map);
    return e == 0 ? PROV_OK : prov_lmdb_fail(st, e);
}

/* A provctl that was killed while reading keeps what it read from being used again, until its place
 * in the reader table is taken away. */
#define WRITES_BETWEEN_CHECKS 64

static void forget_dead_readers(struct lmdb_store *st)
{
    int dead;

    if (++st->writes % WRITES_BETWEEN_CHECKS == 0)
        (void)mdb_reader_check(st->env, &dead);
}

static enum prov_rc begin_top(struct lmdb_store *st, struct lmdb_txn *t)
{
    enum prov_rc rc;
    int e;

    e = enter(st, t);
    if (e == MDB_MAP_RESIZED) {
        rc = enlarge_map(st);
        if (rc != PROV_OK)
            return rc;
        e = enter(st, t);
    }
    if (e != 0)
        return prov_lmdb_fail(st, e);
    if (t->write)
        forget_dead_readers(st);
    return PROV_OK;
}

static enum prov_rc begin_child(struct lmdb_store *st, struct lmdb_txn *t)
{
    int e;

    if (!t->write || !t->parent->write || t->parent->child != NULL)
        return prov_lmdb_because(PROV_EBUG, "only a write transaction nests, one child at a time");
    if (t->parent->rc != PROV_OK)
        return prov_lmdb_because(PROV_ESTORE, "the transaction failed earlier");
    e = mdb_txn_begin(st->env, t->parent->txn, 0, &t->txn);
    if (e != 0)
        return prov_lmdb_fail(st, e);
    t->parent->child = t;
    return PROV_OK;
}

enum prov_rc prov_lmdb_begin(struct prov_store *base, enum prov_txn_kind kind,
                             struct prov_txn *parent, struct prov_txn **out)
{
    struct lmdb_store *st = (struct lmdb_store *)base;
    struct lmdb_txn *t = NULL;
    enum prov_rc rc;

    if (kind == PROV_TXN_WRITE && st->read_only)
        return prov_lmdb_because(PROV_EBUG, "%s was opened for reading only", st->dir);
    if (kind == PROV_TXN_READ && parent == NULL)
        t = atomic_exchange(&st->idle, NULL);
    if (t == NULL) {
        t = calloc(1, sizeof *t);
        if (t == NULL)
            return PROV_ENOMEM;
        t->base.store = base;
        t->parent = (struct lmdb_txn *)parent;
        t->write = kind == PROV_TXN_WRITE;
    }
    rc = parent == NULL ? begin_top(st, t) : begin_child(st, t);
    if (rc != PROV_OK) {
        mdb_txn_abort(t->txn); /* one that was idle; NULL is accepted */
        free(t);
        return rc;
    }
    *out = &t->base;
    return PROV_OK;
}

static void end_read(struct lmdb_txn *t)
{
    struct lmdb_store *st = store_of(t);
    struct lmdb_txn *none = NULL;

    mdb_txn_reset(t->txn);
    leave(st);
    t->rc = PROV_OK;
    if (atomic_compare_exchange_strong(&st->idle, &none, t))
        return;
    mdb_txn_abort(t->txn);
    free(t);
}

static void end_write(struct lmdb_txn *t)
{
    if (t->parent != NULL)
        t->parent->child = NULL;
    else
        leave(store_of(t));
    free(t);
}

void prov_lmdb_abort(struct prov_txn *txn)
{
    struct lmdb_txn *t = (struct lmdb_txn *)txn;

    if (!t->write) {
        end_read(t);
        return;
    }
    if (t->child != NULL)
        prov_lmdb_abort(&t->child->base);
    mdb_txn_abort(t->txn);
    end_write(t);
}

static enum prov_rc lmdb_commit(struct prov_txn *txn)
{
    struct lmdb_txn *t = (struct lmdb_txn *)txn;
    enum prov_rc rc = PROV_OK;
    int e;

    if (t->write && t->child != NULL)
        rc = prov_lmdb_because(PROV_EBUG, "a child transaction is open");
    else if (t->write && t->rc != PROV_OK)
        rc = prov_lmdb_because(PROV_ESTORE, "the transaction failed earlier");
    if (!t->write || rc != PROV_OK) {
        prov_lmdb_abort(txn);
        return rc;
    }
    e = mdb_txn_commit(t->txn);
    if (e != 0) {
        rc = prov_lmdb_fail(store_of(t), e);
        if (t->parent != NULL)
            t->parent->rc = rc; /* it may have taken over a part */
    }
    end_write(t);
    return rc;
}

void prov_lmdb_drop_idle(struct lmdb_store *st)
{
    struct lmdb_txn *t = atomic_exchange(&st->idle, NULL);

    if (t != NULL)
        mdb_txn_abort(t->txn);
    free(t);
}

/* ---- one key --------------------------------------------------------------------------------- */

/* LMDB only reads what it is given. */
static MDB_val val(struct prov_span s)
{
    return (MDB_val){ .mv_size = s.n, .mv_data = (void *)(uintptr_t)s.p };
}

static struct prov_span span(MDB_val v)
{
    return prov_span(v.mv_data, v.mv_size);
}

static bool is_key(struct prov_span key)
{
    return key.n != 0 && key.n <= PROV_STORE_KEY_MAX;
}

static enum prov_rc may(const struct lmdb_txn *t, unsigned table, bool write)
{
    if (table >= store_of(t)->n_tables || t->child != NULL || (write && !t->write))
        return prov_lmdb_because(PROV_EBUG, "no such table, a child is open, or read-only");
    if (t->rc != PROV_OK)
        return prov_lmdb_because(PROV_ESTORE, "the transaction failed earlier");
    return PROV_OK;
}

/* Ordinary answers leave the transaction as it was; anything else ends what it is good for. */
static enum prov_rc answer(struct lmdb_txn *t, int e)
{
    if (e == 0)
        return PROV_OK;
    if (e == MDB_NOTFOUND)
        return PROV_ENOTFOUND;
    if (e == MDB_KEYEXIST)
        return PROV_ECONFLICT;
    t->rc = prov_lmdb_fail(store_of(t), e);
    return t->rc;
}

static enum prov_rc lmdb_get(struct prov_txn *txn, unsigned table, struct prov_span key,
                             struct prov_span *value)
{
    struct lmdb_txn *t = (struct lmdb_txn *)txn;
    MDB_val k = val(key), v;
    enum prov_rc rc;

    rc = may(t, table, false);
    if (rc != PROV_OK)
        return rc;
    if (!is_key(key))
        return PROV_ENOTFOUND;
    rc = answer(t, mdb_get(t->txn, store_of(t)->tables[table], &k, &v));
    if (rc == PROV_OK)
        *value = span(v);
    return rc;
}

static enum prov_rc lmdb_put(struct prov_txn *txn, unsigned table, struct prov_span key,
                             struct prov_span value, bool only_new)
{
    struct lmdb_txn *t = (struct lmdb_txn *)txn;
    MDB_val k = val(key), v = val(value);
    enum prov_rc rc;

    rc = may(t, table, true);
    if (rc != PROV_OK)
        return rc;
    if (!is_key(key))
        return prov_lmdb_because(PROV_EINVAL, "the key is empty or too long");
    return answer(
        t, mdb_put(t->txn, store_of(t)->tables[table], &k, &v, only_new ? MDB_NOOVERWRITE : 0));
}

static enum prov_rc lmdb_del(struct prov_txn *txn, unsigned table, struct prov_span key)
{
    struct lmdb_txn *t = (struct lmdb_txn *)txn;
    MDB_val k = val(key);
    enum prov_rc rc;

    rc = may(t, table, true);
    if (rc != PROV_OK)
        return rc;
    if (!is_key(key))
        return PROV_ENOTFOUND;
    return answer(t, mdb_del(t->txn, store_of(t)->tables[table], &k, NULL));
}

static enum prov_rc lmdb_count(struct prov_txn *txn, unsigned table, uint64_t *out)
{
    struct lmdb_txn *t = (struct lmdb_txn *)txn;
    MDB_stat stat;
    enum prov_rc rc;

    rc = may(t, table, false);
    if (rc != PROV_OK)
        return rc;
    rc = answer(t, mdb_stat(t->txn, store_of(t)->tables[table], &stat));
    if (rc == PROV_OK)
        *out = stat.ms_entries;
    return rc;
}

/* ---- scans ----------------------------------------------------------------------------------- */

static enum prov_rc lmdb_scan(struct prov_txn *txn, unsigned table, struct prov_cursor **out)
{
    struct lmdb_txn *t = (struct lmdb_txn *)txn;
    struct lmdb_cursor *cur;
    enum prov_rc rc;

    rc = may(t, table, false);
    if (rc != PROV_OK)
        return rc;
    cur = calloc(1, sizeof *cur);
    if (cur == NULL) {
        t->rc = PROV_ENOMEM;
        return PROV_ENOMEM;
    }
    cur->base.txn = txn;
    rc = answer(t, mdb_cursor_open(t->txn, store_of(t)->tables[table], &cur->cur));
    if (rc != PROV_OK) {
        free(cur);
        return rc;
    }
    *out = &cur->base;
    return PROV_OK;
}

/* `otherwise` is where the cursor is when there is nothing. */
static enum prov_rc move(struct lmdb_cursor *cur, MDB_cursor_op op, enum place otherwise, MDB_val k,
                         struct prov_span *key, struct prov_span *value)
{
    struct lmdb_txn *t = (struct lmdb_txn *)cur->base.txn;
    enum prov_rc rc;
    MDB_val v;

    if (t->rc != PROV_OK)
        return prov_lmdb_because(PROV_ESTORE, "the transaction failed earlier");
    rc = answer(t, mdb_cursor_get(cur->cur, &k, &v, op));
    cur->place = rc == PROV_OK ? AT : otherwise;
    if (rc != PROV_OK)
        return rc;
    *key = span(k);
    *value = span(v);
    return PROV_OK;
}

/* A key too long for LMDB sorts as its beginning does, when that is longer than any key there is.
 */
static enum prov_rc lmdb_seek(struct prov_cursor *base, struct prov_span key,
                              struct prov_span *found, struct prov_span *value)
{
    if (key.n > PROV_STORE_KEY_MAX)
        key.n = PROV_STORE_KEY_MAX + 1;
    return move((struct lmdb_cursor *)base, key.n == 0 ? MDB_FIRST : MDB_SET_RANGE, BEHIND_LAST,
                val(key), found, value);
}

static enum prov_rc lmdb_next(struct prov_cursor *base, struct prov_span *key,
                              struct prov_span *value)
{
    struct lmdb_cursor *cur = (struct lmdb_cursor *)base;

    if (cur->place == BEHIND_LAST)
        return PROV_ENOTFOUND;
    return move(cur, cur->place == AT ? MDB_NEXT : MDB_FIRST, BEHIND_LAST, (MDB_val){ 0 }, key,
                value);
}

static enum prov_rc lmdb_prev(struct prov_cursor *base, struct prov_span *key,
                              struct prov_span *value)
{
    struct lmdb_cursor *cur = (struct lmdb_cursor *)base;

    if (cur->place == BEFORE_FIRST)
        return PROV_ENOTFOUND;
    return move(cur, cur->place == AT ? MDB_PREV : MDB_LAST, BEFORE_FIRST, (MDB_val){ 0 }, key,
                value);
}

static void lmdb_scan_end(struct prov_cursor *base)
{
    struct lmdb_cursor *cur = (struct lmdb_cursor *)base;

    mdb_cursor_close(cur->cur);
    free(cur);
}

/* ---- version --------------------------------------------------------------------------------- */

/* Reads two words of the map; the lock is for the map's sake. */
static uint64_t lmdb_version(struct prov_store *base)
{
    struct lmdb_store *st = (struct lmdb_store *)base;
    MDB_envinfo info = { .me_last_txnid = 0 };

    pthread_rwlock_rdlock(&st->map);
    (void)mdb_env_info(st->env, &info);
    pthread_rwlock_unlock(&st->map);
    return info.me_last_txnid;
}

static uint64_t lmdb_txn_version(struct prov_txn *base)
{
    return mdb_txn_id(((struct lmdb_txn *)base)->txn);
}

const struct prov_store_ops prov_lmdb_ops = {
    .begin = prov_lmdb_begin,
    .commit = lmdb_commit,
    .abort = prov_lmdb_abort,
    .get = lmdb_get,
    .put = lmdb_put,
    .del = lmdb_del,
    .scan = lmdb_scan,
    .seek = lmdb_seek,
    .next = lmdb_next,
    .prev = lmdb_prev,
    .scan_end = lmdb_scan_end,
    .version = lmdb_version,
    .txn_version = lmdb_txn_version,
    .count = lmdb_count,
    .backup = prov_lmdb_backup,
    .usage = prov_lmdb_usage,
    .why = prov_lmdb_why,
    .free = prov_lmdb_free,
};
