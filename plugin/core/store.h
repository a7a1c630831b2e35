/*
 * store.h - the one interface between the registry and where its bytes live.
 *
 * Tables of byte keys in memcmp order; transactions that are all or nothing; any number of readers
 * beside one writer. Nothing above this header knows what is behind it.
 *
 * Thread: a store may be used from any thread; a transaction belongs to the thread that began it
 * and ends there. Write transactions exclude each other, across processes too: begin waits for its
 * turn. A reader sees the last commit before it began and never waits.
 *
 * Errors: PROV_ENOTFOUND (no such key, end of a scan), PROV_ECONFLICT (key exists), PROV_EINVAL
 * (a key that is too long or empty), PROV_ESTORE (full, unreadable, foreign; the reason is in
 * prov_store_why), PROV_ENOMEM, PROV_EBUG (misuse). After any error but the first three a write
 * transaction can only be aborted: it refuses all else, and commit says PROV_ESTORE.
 */
#ifndef PROV_STORE_H
#define PROV_STORE_H

#include "base.h"

/* What the registry needs from a store: its format and its tables. `tables` is static text. */
struct prov_schema {
    uint32_t version; /* a store written by a higher version does not open */
    const char *const *tables;
    unsigned n_tables;
};

struct prov_store;
struct prov_txn;
struct prov_cursor;

enum prov_txn_kind { PROV_TXN_READ, PROV_TXN_WRITE };

struct prov_store_ops {
    /*
     * parent: NULL, or a write transaction of this thread; a child that is aborted undoes only
     * itself, and a child that is committed lasts if its parent is. While a child is open its
     * parent can only be aborted, which ends the child too.
     */
    enum prov_rc (*begin)(struct prov_store *st, enum prov_txn_kind kind, struct prov_txn *parent,
                          struct prov_txn **out);
    /* Durable when it returns PROV_OK. The transaction is gone whatever it returns. */
    enum prov_rc (*commit)(struct prov_txn *txn);
    void (*abort)(struct prov_txn *txn);
    enum prov_rc (*get)(struct prov_txn *txn, unsigned table, struct prov_span key,
                        struct prov_span *value);
    enum prov_rc (*put)(struct prov_txn *txn, unsigned table, struct prov_span key,
                        struct prov_span value, bool only_new);
    enum prov_rc (*del)(struct prov_txn *txn, unsigned table, struct prov_span key);
    enum prov_rc (*scan)(struct prov_txn *txn, unsigned table, struct prov_cursor **out);
    enum prov_rc (*seek)(struct prov_cursor *cur, struct prov_span key, struct prov_span *found,
                         struct prov_span *value);
    enum prov_rc (*next)(struct prov_cursor *cur, struct prov_span *key, struct prov_span *value);
    enum prov_rc (*prev)(struct prov_cursor *cur, struct prov_span *key, struct prov_span *value);
    void (*scan_end)(struct prov_cursor *cur);
    uint64_t (*version)(struct prov_store *st);
    uint64_t (*txn_version)(struct prov_txn *txn);
    enum prov_rc (*count)(struct prov_txn *txn, unsigned table, uint64_t *out);
    enum prov_rc (*backup)(struct prov_store *st, const char *dir);
    enum prov_rc (*usage)(struct prov_store *st, uint64_t *used_bytes, uint64_t *max_bytes);
    const char *(*why)(struct prov_store *st);
    void (*free)(struct prov_store *st);
};

/* Each implementation embeds these as its first member. */
struct prov_store {
    const struct prov_store_ops *ops;
};

struct prov_txn {
    struct prov_store *store;
};

struct prov_cursor {
    struct prov_txn *txn;
};

PROV_MUST_USE static inline enum prov_rc prov_txn_begin(struct prov_store *st,
                                                        enum prov_txn_kind kind,
                                                        struct prov_txn *parent,
                                                        struct prov_txn **out)
{
    return st->ops->begin(st, kind, parent, out);
}

PROV_MUST_USE static inline enum prov_rc prov_txn_commit(struct prov_txn *txn)
{
    return txn->store->ops->commit(txn);
}

/* NULL is accepted, so that one `out:` serves. */
static inline void prov_txn_abort(struct prov_txn *txn)
{
    if (txn != NULL)
        txn->store->ops->abort(txn);
}

/*
 * The value lives until the next put or del in this transaction or a child of it, or until it ends.
 * What cannot be a key is not found.
 */
PROV_MUST_USE static inline enum prov_rc prov_txn_get(struct prov_txn *txn, unsigned table,
                                                      struct prov_span key, struct prov_span *value)
{
    return txn->store->ops->get(txn, table, key, value);
}

/*
 * Keys are 1 to PROV_STORE_KEY_MAX bytes; others are PROV_EINVAL and nothing is written. Neither
 * key nor value may point into this store.
 */
#define PROV_STORE_KEY_MAX 400
PROV_MUST_USE static inline enum prov_rc prov_txn_put(struct prov_txn *txn, unsigned table,
                                                      struct prov_span key, struct prov_span value)
{
    return txn->store->ops->put(txn, table, key, value, false);
}

/* PROV_ECONFLICT, and nothing written, when the key exists. */
PROV_MUST_USE static inline enum prov_rc prov_txn_add(struct prov_txn *txn, unsigned table,
                                                      struct prov_span key, struct prov_span value)
{
    return txn->store->ops->put(txn, table, key, value, true);
}

PROV_MUST_USE static inline enum prov_rc prov_txn_del(struct prov_txn *txn, unsigned table,
                                                      struct prov_span key)
{
    return txn->store->ops->del(txn, table, key);
}

/*
 * Scans in key order. `seek` finds the first key >= the given one (an empty key: the first of all);
 * `next` and `prev` step from there. On a fresh cursor `next` gives the first key and `prev` the
 * last. All say PROV_ENOTFOUND past the ends and stay there: behind the last key, where a seek that
 * finds nothing ends too, `prev` gives the last; before the first, `next` gives the first. Keys and
 * values live as those of get. A put or del in the table makes open cursors on it useless: seek
 * again. Cursors are freed before their transaction ends.
 */
PROV_MUST_USE static inline enum prov_rc prov_txn_scan(struct prov_txn *txn, unsigned table,
                                                       struct prov_cursor **out)
{
    return txn->store->ops->scan(txn, table, out);
}

PROV_MUST_USE static inline enum prov_rc prov_cursor_seek(struct prov_cursor *cur,
                                                          struct prov_span key,
                                                          struct prov_span *found,
                                                          struct prov_span *value)
{
    return cur->txn->store->ops->seek(cur, key, found, value);
}

PROV_MUST_USE static inline enum prov_rc
prov_cursor_next(struct prov_cursor *cur, struct prov_span *key, struct prov_span *value)
{
    return cur->txn->store->ops->next(cur, key, value);
}

PROV_MUST_USE static inline enum prov_rc
prov_cursor_prev(struct prov_cursor *cur, struct prov_span *key, struct prov_span *value)
{
    return cur->txn->store->ops->prev(cur, key, value);
}

static inline void prov_cursor_free(struct prov_cursor *cur)
{
    if (cur != NULL)
        cur->txn->store->ops->scan_end(cur);
}

/* A number that moves with every commit, by whichever process. Cheap enough for every tick. */
static inline uint64_t prov_store_version(struct prov_store *st)
{
    return st->ops->version(st);
}

/*
 * The version that a read transaction sees. It may be one behind prov_store_version for a moment:
 * whoever follows changes must remember this one, or miss the last.
 */
static inline uint64_t prov_txn_version(struct prov_txn *txn)
{
    return txn->store->ops->txn_version(txn);
}

PROV_MUST_USE static inline enum prov_rc prov_txn_count(struct prov_txn *txn, unsigned table,
                                                        uint64_t *out)
{
    return txn->store->ops->count(txn, table, out);
}

/* A consistent copy into an existing empty directory, while others read and write. */
PROV_MUST_USE static inline enum prov_rc prov_store_backup(struct prov_store *st, const char *dir)
{
    return st->ops->backup(st, dir);
}

PROV_MUST_USE static inline enum prov_rc prov_store_usage(struct prov_store *st,
                                                          uint64_t *used_bytes, uint64_t *max_bytes)
{
    return st->ops->usage(st, used_bytes, max_bytes);
}

/* What the last failure on this thread was about, in words; static or thread-local text. */
static inline const char *prov_store_why(struct prov_store *st)
{
    return st->ops->why(st);
}

static inline void prov_store_free(struct prov_store *st)
{
    if (st != NULL)
        st->ops->free(st);
}

#endif
