/*
 * lmdb_impl.h - what the parts of the LMDB store share: store_lmdb.c has the transactions,
 * lmdb_env.c opens and claims, lmdb_copy.c copies and measures, lmdb_why.c has the words for what
 * went wrong.
 */
#ifndef PROV_LMDB_IMPL_H
#define PROV_LMDB_IMPL_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include <lmdb.h>

#include "core/store.h"

struct lmdb_txn;

struct lmdb_store {
    struct prov_store base;
    MDB_env *env;
    MDB_dbi *tables;
    unsigned n_tables;
    char *dir;
    bool read_only;
    /* Held for reading by every top transaction of this process, for writing while the map is made
     * larger: LMDB wants no transaction open then. */
    pthread_rwlock_t map;
    /* A finished read transaction that keeps its place in the reader table: renewing it costs a
     * tenth of beginning one. */
    struct lmdb_txn *_Atomic idle;
    unsigned writes; /* write transactions begun; changed by whoever has one */
    int dir_fd;
    int claim_fd; /* broker.lock, or -1 */
    /* The list of what this process has open, by directory; a child of fork starts afresh. */
    bool enlisted;
    pid_t pid;
    dev_t dev;
    ino_t ino;
    struct lmdb_store *next_open;
};

extern const struct prov_store_ops prov_lmdb_ops;

/* The class of an LMDB or system error, with its text and cure left for prov_store_why. */
enum prov_rc prov_lmdb_fail(const struct lmdb_store *st, int e);
/* Leaves a text of the caller's. */
PROV_PRINTF(2, 3) enum prov_rc prov_lmdb_because(enum prov_rc rc, const char *fmt, ...);
const char *prov_lmdb_why(struct prov_store *st);

/* store_lmdb.c */
enum prov_rc prov_lmdb_begin(struct prov_store *base, enum prov_txn_kind kind,
                             struct prov_txn *parent, struct prov_txn **out);
void prov_lmdb_abort(struct prov_txn *txn);
MDB_txn *prov_lmdb_raw(struct prov_txn *txn);
void prov_lmdb_drop_idle(struct lmdb_store *st);

/* lmdb_env.c and lmdb_copy.c */
enum prov_rc prov_lmdb_backup(struct prov_store *base, const char *dir);
enum prov_rc prov_lmdb_usage(struct prov_store *base, uint64_t *used_bytes, uint64_t *max_bytes);
void prov_lmdb_free(struct prov_store *base);

#endif
