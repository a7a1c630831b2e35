#include "store_mem.h"

#include "mem_image.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct mem_store {
    struct prov_store base;
    pthread_mutex_t writing; /* held from begin to end of a write transaction */
    pthread_mutex_t swap;    /* guards last */
    struct image *last;
    atomic_uint fail_in;
};

/* A copy that a write transaction handed out. */
struct lent {
    struct lent *next;
    uint8_t bytes[];
};

struct mem_txn {
    struct prov_txn base;
    struct image *image;
    struct mem_txn *parent, *child;
    struct lent *lent;
    bool write, changed;
    enum prov_rc rc; /* not PROV_OK: it can only be aborted */
};

enum place { FRESH, AT, BEFORE_FIRST, BEHIND_LAST };

struct mem_cursor {
    struct prov_cursor base;
    unsigned table;
    enum place place;
    size_t at;
};

static _Thread_local char why_text[160];

static enum prov_rc because(enum prov_rc rc, const char *text)
{
    (void)snprintf(why_text, sizeof why_text, "%s", text);
    return rc;
}

static struct mem_store *store_of(const struct mem_txn *t)
{
    return (struct mem_store *)t->base.store;
}

/* ---- transactions ---------------------------------------------------------------------------- */

static struct image *last_image(struct mem_store *st)
{
    struct image *im;

    pthread_mutex_lock(&st->swap);
    im = prov_image_ref(st->last);
    pthread_mutex_unlock(&st->swap);
    return im;
}

/* What was lent by this transaction or those it is nested in dies with the next change. */
static void recall(struct mem_txn *t)
{
    struct lent *l;

    for (; t != NULL; t = t->parent) {
        while ((l = t->lent) != NULL) {
            t->lent = l->next;
            free(l);
        }
    }
}

/* Ends it and, first, the child that is open in it. */
static void finish(struct mem_txn *t)
{
    struct mem_store *st = store_of(t);
    struct mem_txn *parent = t->parent;

    if (t->child != NULL)
        finish(t->child);
    recall(t);
    prov_image_unref(t->image);
    if (parent != NULL)
        parent->child = NULL;
    else if (t->write)
        pthread_mutex_unlock(&st->writing);
    free(t);
}

static enum prov_rc begin_write(struct mem_store *st, struct mem_txn *t)
{
    const struct image *from;

    if (t->parent == NULL && pthread_mutex_lock(&st->writing) != 0)
        return because(PROV_EBUG, "this thread has a write transaction already");
    from = t->parent == NULL ? st->last : t->parent->image;
    t->image = prov_image_fork(from);
    if (t->image != NULL)
        return PROV_OK;
    if (t->parent == NULL)
        pthread_mutex_unlock(&st->writing);
    return PROV_ENOMEM;
}

static enum prov_rc mem_begin(struct prov_store *base, enum prov_txn_kind kind,
                              struct prov_txn *parent, struct prov_txn **out)
{
    struct mem_store *st = (struct mem_store *)base;
    struct mem_txn *up = (struct mem_txn *)parent;
    struct mem_txn *t;
    enum prov_rc rc = PROV_OK;

    if (up != NULL && (kind != PROV_TXN_WRITE || !up->write || up->child != NULL))
        return because(PROV_EBUG, "only a write transaction nests, one child at a time");
    if (up != NULL && up->rc != PROV_OK)
        return because(PROV_ESTORE, "the transaction failed earlier");
    t = calloc(1, sizeof *t);
    if (t == NULL)
        return PROV_ENOMEM;
    t->base.store = base;
    t->parent = up;
    t->write = kind == PROV_TXN_WRITE;
    if (t->write)
        rc = begin_write(st, t);
    else
        t->image = last_image(st);
    if (rc != PROV_OK) {
        free(t);
        return rc;
    }
    if (up != NULL)
        up->child = t;
    *out = &t->base;
    return PROV_OK;
}

static bool strikes(struct mem_store *st)
{
    if (atomic_load(&st->fail_in) == 0)
        return false;
    return atomic_fetch_sub(&st->fail_in, 1) == 1;
}

static enum prov_rc fail(struct mem_txn *t, enum prov_rc rc)
{
    t->rc = rc;
    return rc;
}

static enum prov_rc mem_commit(struct prov_txn *txn)
{
    struct mem_txn *t = (struct mem_txn *)txn;
    struct mem_store *st = store_of(t);
    struct image *old;
    enum prov_rc rc = PROV_OK;

    if (!t->write)
        goto out;
    if (t->child != NULL) {
        rc = because(PROV_EBUG, "a child transaction is open");
        goto out;
    }
    if (t->rc != PROV_OK) {
        rc = because(PROV_ESTORE, "the transaction failed earlier");
        goto out;
    }
    if (strikes(st)) {
        rc = because(PROV_ESTORE, "injected failure of a commit");
        if (t->parent != NULL)
            t->parent->rc = PROV_ESTORE;
        goto out;
    }
    if (t->parent != NULL) {
        old = t->parent->image;
        t->parent->image = t->image;
        t->parent->changed |= t->changed;
    } else {
        t->image->version += t->changed;
        pthread_mutex_lock(&st->swap);
        old = st->last;
        st->last = t->image;
        pthread_mutex_unlock(&st->swap);
    }
    t->image = old;
out:
    finish(t);
    return rc;
}

static void mem_abort(struct prov_txn *txn)
{
    finish((struct mem_txn *)txn);
}

static enum prov_rc may(const struct mem_txn *t, unsigned table, bool write)
{
    if (table >= t->image->n_tables || t->child != NULL || (write && !t->write))
        return because(PROV_EBUG, "no such table, a child is open, or read-only");
    return t->rc == PROV_OK ? PROV_OK : because(PROV_ESTORE, "the transaction failed earlier");
}

/* ---- reading --------------------------------------------------------------------------------- */

/* A reader's bytes stay while it lives; a writer's may change at the next step. */
static enum prov_rc lend(struct mem_txn *t, struct prov_span s, struct prov_span *out)
{
    struct lent *l;

    *out = s;
    if (!t->write)
        return PROV_OK;
    l = malloc(sizeof *l + s.n);
    if (l == NULL)
        return fail(t, PROV_ENOMEM);
    if (s.n != 0)
        memcpy(l->bytes, s.p, s.n);
    l->next = t->lent;
    t->lent = l;
    *out = prov_span(l->bytes, s.n);
    return PROV_OK;
}

static enum prov_rc mem_get(struct prov_txn *txn, unsigned table, struct prov_span key,
                            struct prov_span *value)
{
    struct mem_txn *t = (struct mem_txn *)txn;
    enum prov_rc rc;
    size_t at;

    rc = may(t, table, false);
    if (rc != PROV_OK)
        return rc;
    if (!prov_image_find(t->image->tables[table], key, &at))
        return PROV_ENOTFOUND;
    return lend(t, t->image->tables[table]->items[at]->value, value);
}

static enum prov_rc mem_count(struct prov_txn *txn, unsigned table, uint64_t *out)
{
    struct mem_txn *t = (struct mem_txn *)txn;
    enum prov_rc rc;

    rc = may(t, table, false);
    if (rc != PROV_OK)
        return rc;
    *out = t->image->tables[table]->n;
    return PROV_OK;
}

/* ---- writing --------------------------------------------------------------------------------- */

static enum prov_rc changed(struct mem_txn *t, bool ok)
{
    if (!ok)
        return fail(t, PROV_ENOMEM);
    t->changed = true;
    return PROV_OK;
}

static enum prov_rc start_change(struct mem_txn *t)
{
    if (strikes(store_of(t)))
        return fail(t, because(PROV_ESTORE, "injected failure of a write"));
    recall(t);
    return PROV_OK;
}

static enum prov_rc mem_put(struct prov_txn *txn, unsigned table, struct prov_span key,
                            struct prov_span value, bool only_new)
{
    struct mem_txn *t = (struct mem_txn *)txn;
    enum prov_rc rc;
    size_t at;

    rc = may(t, table, true);
    if (rc != PROV_OK)
        return rc;
    if (key.n == 0 || key.n > PROV_STORE_KEY_MAX)
        return because(PROV_EINVAL, "the key is empty or too long");
    if (only_new && prov_image_find(t->image->tables[table], key, &at))
        return PROV_ECONFLICT;
    rc = start_change(t);
    if (rc != PROV_OK)
        return rc;
    return changed(t, prov_image_put(t->image, table, key, value));
}

static enum prov_rc mem_del(struct prov_txn *txn, unsigned table, struct prov_span key)
{
    struct mem_txn *t = (struct mem_txn *)txn;
    enum prov_rc rc;
    size_t at;

    rc = may(t, table, true);
    if (rc != PROV_OK)
        return rc;
    if (!prov_image_find(t->image->tables[table], key, &at))
        return PROV_ENOTFOUND;
    rc = start_change(t);
    if (rc != PROV_OK)
        return rc;
    return changed(t, prov_image_remove(t->image, table, at));
}

/* ---- scans ----------------------------------------------------------------------------------- */

static enum prov_rc mem_scan(struct prov_txn *txn, unsigned table, struct prov_cursor **out)
{
    struct mem_txn *t = (struct mem_txn *)txn;
    struct mem_cursor *cur;
    enum prov_rc rc;

    rc = may(t, table, false);
    if (rc != PROV_OK)
        return rc;
    cur = calloc(1, sizeof *cur);
    if (cur == NULL)
        return fail(t, PROV_ENOMEM);
    cur->base.txn = txn;
    cur->table = table;
    *out = &cur->base;
    return PROV_OK;
}

/* at == n stands for "behind the last". */
static enum prov_rc settle(struct mem_cursor *cur, size_t at, struct prov_span *key,
                           struct prov_span *value)
{
    struct mem_txn *t = (struct mem_txn *)cur->base.txn;
    const struct table *tab;
    enum prov_rc rc;

    rc = may(t, cur->table, false);
    if (rc != PROV_OK)
        return rc;
    tab = t->image->tables[cur->table];
    cur->at = at;
    cur->place = at < tab->n ? AT : BEHIND_LAST;
    if (cur->place == BEHIND_LAST)
        return PROV_ENOTFOUND;
    rc = lend(t, tab->items[at]->key, key);
    return rc == PROV_OK ? lend(t, tab->items[at]->value, value) : rc;
}

static const struct table *scanned(const struct mem_cursor *cur)
{
    return ((const struct mem_txn *)cur->base.txn)->image->tables[cur->table];
}

static enum prov_rc mem_seek(struct prov_cursor *base, struct prov_span key,
                             struct prov_span *found, struct prov_span *value)
{
    struct mem_cursor *cur = (struct mem_cursor *)base;
    size_t at;

    (void)prov_image_find(scanned(cur), key, &at);
    return settle(cur, at, found, value);
}

static enum prov_rc mem_next(struct prov_cursor *base, struct prov_span *key,
                             struct prov_span *value)
{
    struct mem_cursor *cur = (struct mem_cursor *)base;

    if (cur->place == BEHIND_LAST)
        return PROV_ENOTFOUND;
    return settle(cur, cur->place == AT ? cur->at + 1 : 0, key, value);
}

static enum prov_rc mem_prev(struct prov_cursor *base, struct prov_span *key,
                             struct prov_span *value)
{
    struct mem_cursor *cur = (struct mem_cursor *)base;
    const size_t at = cur->place == AT ? cur->at : scanned(cur)->n;

    if (cur->place == BEFORE_FIRST)
        return PROV_ENOTFOUND;
    if (at == 0) {
        cur->place = BEFORE_FIRST;
        return PROV_ENOTFOUND;
    }
    return settle(cur, at - 1, key, value);
}

static void mem_scan_end(struct prov_cursor *cur)
{
    free(cur);
}

/* ---- the store ------------------------------------------------------------------------------- */

static uint64_t mem_version(struct prov_store *base)
{
    struct image *im = last_image((struct mem_store *)base);
    const uint64_t version = im->version;

    prov_image_unref(im);
    return version;
}

static uint64_t mem_txn_version(struct prov_txn *base)
{
    return ((struct mem_txn *)base)->image->version;
}

static enum prov_rc mem_backup(struct prov_store *st, const char *dir)
{
    (void)st;
    (void)dir;
    return because(PROV_EINVAL, "a store in memory has no backup");
}

static enum prov_rc mem_usage(struct prov_store *base, uint64_t *used_bytes, uint64_t *max_bytes)
{
    struct image *im = last_image((struct mem_store *)base);

    *used_bytes = 0;
    *max_bytes = 0;
    for (unsigned t = 0; t < im->n_tables; t++) {
        for (size_t i = 0; i < im->tables[t]->n; i++)
            *used_bytes += im->tables[t]->items[i]->key.n + im->tables[t]->items[i]->value.n;
    }
    prov_image_unref(im);
    return PROV_OK;
}

static const char *mem_why(struct prov_store *st)
{
    (void)st;
    return why_text;
}

static void mem_free(struct prov_store *base)
{
    struct mem_store *st = (struct mem_store *)base;

    prov_image_unref(st->last);
    pthread_mutex_destroy(&st->swap);
    pthread_mutex_destroy(&st->writing);
    free(st);
}

static const struct prov_store_ops mem_ops = {
    .begin = mem_begin,
    .commit = mem_commit,
    .abort = mem_abort,
    .get = mem_get,
    .put = mem_put,
    .del = mem_del,
    .scan = mem_scan,
    .seek = mem_seek,
    .next = mem_next,
    .prev = mem_prev,
    .scan_end = mem_scan_end,
    .version = mem_version,
    .txn_version = mem_txn_version,
    .count = mem_count,
    .backup = mem_backup,
    .usage = mem_usage,
    .why = mem_why,
    .free = mem_free,
};

static bool init_locks(struct mem_store *st)
{
    pthread_mutexattr_t attr;
    bool ok;

    if (pthread_mutexattr_init(&attr) != 0)
        return false;
    ok = pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK) == 0 &&
         pthread_mutex_init(&st->writing, &attr) == 0 && pthread_mutex_init(&st->swap, NULL) == 0;
    pthread_mutexattr_destroy(&attr);
    return ok;
}

enum prov_rc prov_store_mem_new(const struct prov_schema *schema, struct prov_store **out)
{
    struct mem_store *st = calloc(1, sizeof *st);

    if (st == NULL)
        return PROV_ENOMEM;
    st->base.ops = &mem_ops;
    st->last = prov_image_new(schema->n_tables);
    if (st->last == NULL || !init_locks(st)) {
        prov_image_unref(st->last);
        free(st);
        return PROV_ENOMEM;
    }
    *out = &st->base;
    return PROV_OK;
}

void prov_store_mem_fail_after(struct prov_store *st, unsigned n)
{
    atomic_store(&((struct mem_store *)st)->fail_in, n);
}
