/*
 * store_lmdb.h - the default store: one LMDB environment in a directory of its own.
 *
 * Written for LMDB 0.9.24 and later. Commits are synced (fsync) before they return. The directory
 * holds data.mdb, lock.mdb and, while a broker runs on it, broker.lock.
 */
#ifndef PROV_STORE_LMDB_H
#define PROV_STORE_LMDB_H

#include "core/store.h"

struct prov_store_lmdb_opts {
    const char *dir;
    uint64_t max_bytes; /* 0: large enough for ten million devices, 1 GiB where there are 32 bits;
                         * the file grows only with data */
    bool create; /* make the directory (mode 0750) and the store when they are not there; what root
                  * makes gets the owner of the directory it is made in */
    bool read_only; /* then nothing is made, and beginning a write transaction is PROV_EBUG */
};

/*
 * PROV_ENOTFOUND: there is no store and none was to be made. PROV_ECONFLICT: this process has it
 * open already (closing one of two would give up the locks of the other). Refuses besides, with the
 * cure in err->text, a directory that is unreadable or unwritable, a file that is no store of ours,
 * and a store of another format version.
 */
PROV_MUST_USE enum prov_rc prov_store_lmdb_open(const struct prov_store_lmdb_opts *opts,
                                                const struct prov_schema *schema,
                                                struct prov_store **out, struct prov_err *err);

/*
 * Takes the directory for one broker until the store is freed or the process ends, however it ends.
 * PROV_ECONFLICT, naming the process id that has it, when another broker does.
 */
PROV_MUST_USE enum prov_rc prov_store_lmdb_claim(struct prov_store *st, struct prov_err *err);

#endif
