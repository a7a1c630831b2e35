#include "lmdb_impl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

static _Thread_local char why_text[512];

const char *prov_lmdb_why(struct prov_store *st)
{
    (void)st;
    return why_text;
}

enum prov_rc prov_lmdb_because(enum prov_rc rc, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(why_text, sizeof why_text, fmt, args);
    va_end(args);
    return rc;
}

static const struct {
    int e;
    enum prov_rc rc;
    const char *cure;
} troubles[] = {
    { ENOMEM, PROV_ENOMEM, "out of memory" },
    { ENOSPC, PROV_ESTORE, "no space left on its file system: free some" },
    { EDQUOT, PROV_ESTORE, "the disk quota of its owner is used up: free some or raise it" },
    { EFBIG, PROV_ESTORE, "the process may not write a file of that size: raise its limit" },
    { EIO, PROV_ESTORE, "input/output error: check the disk, then run `provctl check`" },
    { EACCES, PROV_ESTORE,
      "permission denied: run as the user that owns it, or give it to the broker's user (chown)" },
    { EPERM, PROV_ESTORE,
      "permission denied: run as the user that owns it, or give it to the broker's user (chown)" },
    { EROFS, PROV_ESTORE, "read-only file system: mount it writable or choose another db_path" },
    { MDB_INVALID, PROV_ESTORE, "this is no store of this software: choose another db_path" },
    { MDB_VERSION_MISMATCH, PROV_ESTORE,
      "written by an LMDB of another version: choose another db_path or upgrade" },
    { MDB_CORRUPTED, PROV_ESTORE, "the file is damaged: restore a backup" },
    { MDB_PAGE_NOTFOUND, PROV_ESTORE, "the file is damaged: restore a backup" },
    { MDB_PANIC, PROV_ESTORE, "an earlier write failed half-way: restart the program" },
    { MDB_READERS_FULL, PROV_ESTORE, "too many readers at once: end some provctl commands" },
    { MDB_TXN_FULL, PROV_ESTORE, "too many changes at once: do them in smaller steps" },
    { MDB_BAD_TXN, PROV_EBUG, "misuse of a transaction" },
    { MDB_BAD_DBI, PROV_EBUG, "misuse of a table" },
    { MDB_BAD_VALSIZE, PROV_EBUG, "misuse of a key" },
    { EINVAL, PROV_EBUG, "misuse of the store" },
};

enum prov_rc prov_lmdb_fail(const struct lmdb_store *st, int e)
{
    MDB_envinfo info = { .me_mapsize = 0 };

    if (e == MDB_MAP_FULL) {
        (void)mdb_env_info(st->env, &info);
        return prov_lmdb_because(PROV_ESTORE,
                                 "the store is full (%zu MB in %s/data.mdb): raise db_max_mb or "
                                 "free space",
                                 info.me_mapsize >> 20, st->dir);
    }
    for (size_t i = 0; i < PROV_COUNT(troubles); i++) {
        if (troubles[i].e == e)
            return prov_lmdb_because(troubles[i].rc, "%s/data.mdb: %s", st->dir, troubles[i].cure);
    }
    return prov_lmdb_because(PROV_ESTORE, "%s/data.mdb: %s", st->dir, mdb_strerror(e));
}
