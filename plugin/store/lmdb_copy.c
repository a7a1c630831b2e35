#include "lmdb_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* ---- backup ---------------------------------------------------------------------------------- */

static enum prov_rc copy_to(struct lmdb_store *st, int dir_fd, const char *dir)
{
    int e = 0, fd;

    fd = openat(dir_fd, "data.mdb", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0 && errno == EEXIST)
        return prov_lmdb_because(PROV_ESTORE,
                                 "%s/data.mdb is there already: name an empty directory", dir);
    if (fd < 0)
        return prov_lmdb_because(PROV_ESTORE, "cannot make %s/data.mdb: %s", dir, strerror(errno));
    pthread_rwlock_rdlock(&st->map);
    e = mdb_env_copyfd2(st->env, fd, MDB_CP_COMPACT);
    pthread_rwlock_unlock(&st->map);
    if (e == 0 && fsync(fd) != 0)
        e = errno;
    if (close(fd) != 0 && e == 0)
        e = errno;
    if (e == 0 && fsync(dir_fd) != 0)
        e = errno;
    if (e == 0)
        return PROV_OK;
    (void)unlinkat(dir_fd, "data.mdb", 0);
    return prov_lmdb_because(PROV_ESTORE, "copying to %s/data.mdb failed: %s", dir,
                             mdb_strerror(e));
}

enum prov_rc prov_lmdb_backup(struct prov_store *base, const char *dir)
{
    enum prov_rc rc;
    int fd;

    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return prov_lmdb_because(PROV_ESTORE, "cannot open %s: %s", dir, strerror(errno));
    rc = copy_to((struct lmdb_store *)base, fd, dir);
    (void)close(fd);
    return rc;
}

/* ---- usage ----------------------------------------------------------------------------------- */

/* LMDB keeps the pages free for use as lists in table 0; each begins with its length. */
static int count_free_pages(MDB_txn *txn, uint64_t *out)
{
    MDB_cursor *cur;
    MDB_val key, list;
    size_t n;
    int e;

    *out = 0;
    e = mdb_cursor_open(txn, 0, &cur);
    if (e != 0)
        return e;
    while ((e = mdb_cursor_get(cur, &key, &list, MDB_NEXT)) == 0) {
        memcpy(&n, list.mv_data, sizeof n);
        *out += n;
    }
    mdb_cursor_close(cur);
    return e == MDB_NOTFOUND ? 0 : e;
}

enum prov_rc prov_lmdb_usage(struct prov_store *base, uint64_t *used_bytes, uint64_t *max_bytes)
{
    struct lmdb_store *st = (struct lmdb_store *)base;
    struct prov_txn *txn;
    uint64_t free_pages;
    MDB_envinfo info;
    enum prov_rc rc;
    MDB_stat stat;
    int e;

    rc = prov_lmdb_begin(base, PROV_TXN_READ, NULL, &txn);
    if (rc != PROV_OK)
        return rc;
    e = count_free_pages(prov_lmdb_raw(txn), &free_pages);
    if (e == 0)
        e = mdb_env_info(st->env, &info);
    if (e == 0)
        e = mdb_env_stat(st->env, &stat);
    if (e == 0) {
        *used_bytes = (info.me_last_pgno + 1 - free_pages) * stat.ms_psize;
        *max_bytes = info.me_mapsize;
    }
    prov_lmdb_abort(txn);
    return e == 0 ? PROV_OK : prov_lmdb_fail(st, e);
}
