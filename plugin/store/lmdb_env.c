#include "store_lmdb.h"

#include "lmdb_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_READERS 512
#define FILE_MODE 0640
#define DIR_MODE 0750

/* Who wrote the file, in a table of its own beside the schema's. */
#define FORMAT_TABLE "store.format"
#define FORMAT_NAME "mosquitto-provisioning"

#define UNAVAILABLE "ServiceUnavailableException"

/* ---- the directory --------------------------------------------------------------------------- */

/*
 * What root makes in someone else's directory (`sudo provctl init`) must be usable by that someone:
 * the broker. By name rather than by descriptor: closing one of lock.mdb would give up LMDB's locks
 * on it.
 */
static void give_to_owner_of(const struct stat *owner, int dir_fd, const char *name)
{
    struct stat st;

    if (geteuid() != 0 || owner->st_uid == 0)
        return;
    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || st.st_uid != 0)
        return;
    if (!S_ISDIR(st.st_mode) && !(S_ISREG(st.st_mode) && st.st_nlink == 1))
        return;
    if (fchownat(dir_fd, name, owner->st_uid, owner->st_gid, AT_SYMLINK_NOFOLLOW) != 0)
        errno = 0; /* the file stays root's, and whoever cannot open it is told so */
}

/* Opens the directory that dir is in; *base is the last part of its name. */
static int open_parent(const char *dir, const char **base)
{
    const char *slash = strrchr(dir, '/');
    char *parent;
    int fd;

    *base = slash == NULL ? dir : slash + 1;
    if (slash == NULL)
        return open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    parent = strndup(dir, slash == dir ? 1 : (size_t)(slash - dir));
    if (parent == NULL)
        return -1;
    fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(parent);
    return fd;
}

static enum prov_rc make_dir(const char *dir)
{
    const char *base;
    struct stat st;
    int fd;

    if (mkdir(dir, DIR_MODE) != 0)
        return errno == EEXIST
                   ? PROV_OK
                   : prov_lmdb_because(PROV_ESTORE, "cannot make %s: %s", dir, strerror(errno));
    fd = open_parent(dir, &base);
    if (fd < 0)
        return PROV_OK; /* it may be closed to us; then its owner answers for its being durable */
    if (fstat(fd, &st) == 0)
        give_to_owner_of(&st, fd, base);
    if (fsync(fd) != 0) {
        (void)close(fd);
        return prov_lmdb_because(PROV_ESTORE, "cannot sync the directory of %s: %s", dir,
                                 strerror(errno));
    }
    (void)close(fd);
    return PROV_OK;
}

/* One open per process and directory: closing a second would give up the locks of the first. */
static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER;
static struct lmdb_store *open_stores;

static bool enlist(struct lmdb_store *st)
{
    const struct lmdb_store *other;

    pthread_mutex_lock(&open_lock);
    for (other = open_stores; other != NULL; other = other->next_open) {
        if (other->dev == st->dev && other->ino == st->ino && other->pid == st->pid)
            break;
    }
    if (other == NULL) {
        st->next_open = open_stores;
        open_stores = st;
    }
    pthread_mutex_unlock(&open_lock);
    return other == NULL;
}

static void strike_off(const struct lmdb_store *st)
{
    struct lmdb_store **at = &open_stores;

    pthread_mutex_lock(&open_lock);
    while (*at != NULL && *at != st)
        at = &(*at)->next_open;
    if (*at != NULL)
        *at = st->next_open;
    pthread_mutex_unlock(&open_lock);
}

static enum prov_rc none_there(const struct lmdb_store *st)
{
    return prov_lmdb_because(PROV_ENOTFOUND, "there is no store in %s: `provctl init` makes one",
                             st->dir);
}

/* Finds or makes the directory, and sees that this process has it once only. */
static enum prov_rc enter_dir(struct lmdb_store *st, const struct prov_store_lmdb_opts *opts)
{
    struct stat dir;
    enum prov_rc rc;

    if (opts->create && !opts->read_only) {
        rc = make_dir(st->dir);
        if (rc != PROV_OK)
            return rc;
    }
    st->dir_fd = open(st->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (st->dir_fd < 0 && errno == ENOENT)
        return none_there(st);
    if (st->dir_fd < 0 || fstat(st->dir_fd, &dir) != 0)
        return prov_lmdb_fail(st, errno);
    st->dev = dir.st_dev;
    st->ino = dir.st_ino;
    if (!enlist(st))
        return prov_lmdb_because(PROV_ECONFLICT, "this process has the store in %s open already",
                                 st->dir);
    st->enlisted = true;
    /* Without this, LMDB would make the file. */
    if ((!opts->create || opts->read_only) && faccessat(st->dir_fd, "data.mdb", F_OK, 0) != 0 &&
        errno == ENOENT)
        return none_there(st);
    return PROV_OK;
}

/* ---- the environment ------------------------------------------------------------------------- */

static size_t map_size(uint64_t max_bytes)
{
    const uint64_t by_default = sizeof(void *) >= 8 ? UINT64_C(32) << 30 : UINT64_C(1) << 30;
    const uint64_t wanted = max_bytes == 0 ? by_default : max_bytes;

    return wanted > SIZE_MAX ? SIZE_MAX : (size_t)wanted;
}

static enum prov_rc open_env(struct lmdb_store *st, const struct prov_store_lmdb_opts *opts)
{
    /* A transaction is not tied to its thread's place in the reader table, so that one that is done
     * can be renewed by another thread. */
    const unsigned flags = MDB_NOTLS | (opts->read_only ? MDB_RDONLY : 0);
    const size_t size = map_size(opts->max_bytes);
    int dead, e;

    e = mdb_env_create(&st->env);
    if (e == 0)
        e = mdb_env_set_mapsize(st->env, size);
    if (e == 0)
        e = mdb_env_set_maxreaders(st->env, MAX_READERS);
    if (e == 0)
        e = mdb_env_set_maxdbs(st->env, st->n_tables + 1);
    if (e == 0)
        e = mdb_env_open(st->env, st->dir, flags, FILE_MODE);
    if (e == ENOMEM)
        return prov_lmdb_because(PROV_ENOMEM,
                                 "%s/data.mdb: %zu MB of address space are not to be had: lower "
                                 "db_max_mb or raise the process's limit",
                                 st->dir, size >> 20);
    if (e == 0)
        e = mdb_reader_check(st->env, &dead); /* of processes that were killed */
    return e == 0 ? PROV_OK : prov_lmdb_fail(st, e);
}

/* ---- the format ------------------------------------------------------------------------------ */

static MDB_val text_val(const char *text)
{
    return (MDB_val){ .mv_size = strlen(text), .mv_data = (void *)(uintptr_t)text };
}

static enum prov_rc foreign(const struct lmdb_store *st)
{
    return prov_lmdb_because(
        PROV_ESTORE, "%s/data.mdb is no store of this software: choose another db_path", st->dir);
}

static enum prov_rc check_version(const struct lmdb_store *st, uint32_t found, uint32_t known)
{
    if (found == known)
        return PROV_OK;
    if (found > known)
        return prov_lmdb_because(PROV_ESTORE,
                                 "%s was written by a newer version (format %u, this one knows "
                                 "%u): upgrade this program, or restore a backup made before",
                                 st->dir, found, known);
    return prov_lmdb_because(PROV_ESTORE,
                             "%s was written by an older version (format %u, this one knows %u): "
                             "use the version that wrote it, or choose another db_path for a "
                             "new store",
                             st->dir, found, known);
}

/* PROV_ENOTFOUND: nothing has been written yet, as after a crash between making and filling. */
static enum prov_rc read_format(const struct lmdb_store *st, MDB_txn *txn, uint32_t known)
{
    MDB_val name_key = text_val("format"), version_key = text_val("version"), name, version;
    MDB_stat stat;
    const uint8_t *v;
    MDB_dbi dbi;
    int e;

    e = mdb_dbi_open(txn, FORMAT_TABLE, 0, &dbi);
    if (e == MDB_NOTFOUND) {
        e = mdb_dbi_open(txn, NULL, 0, &dbi);
        if (e == 0)
            e = mdb_stat(txn, dbi, &stat);
        if (e != 0)
            return prov_lmdb_fail(st, e);
        return stat.ms_entries == 0 ? PROV_ENOTFOUND : foreign(st);
    }
    if (e == MDB_INCOMPATIBLE)
        return foreign(st);
    if (e == 0)
        e = mdb_get(txn, dbi, &name_key, &name);
    if (e == 0)
        e = mdb_get(txn, dbi, &version_key, &version);
    if (e != 0 && e != MDB_NOTFOUND)
        return prov_lmdb_fail(st, e);
    if (e == MDB_NOTFOUND || version.mv_size != 4 ||
        !prov_span_eq_str(prov_span(name.mv_data, name.mv_size), FORMAT_NAME))
        return foreign(st);
    v = version.mv_data;
    return check_version(
        st, (uint32_t)v[0] << 24 | (uint32_t)v[1] << 16 | (uint32_t)v[2] << 8 | v[3], known);
}

static enum prov_rc write_format(const struct lmdb_store *st, MDB_txn *txn, uint32_t version)
{
    uint8_t bytes[4] = { (uint8_t)(version >> 24), (uint8_t)(version >> 16),
                         (uint8_t)(version >> 8), (uint8_t)version };
    MDB_val name_key = text_val("format"), version_key = text_val("version");
    MDB_val name = text_val(FORMAT_NAME), value = { sizeof bytes, bytes };
    MDB_dbi dbi;
    int e;

    e = mdb_dbi_open(txn, FORMAT_TABLE, MDB_CREATE, &dbi);
    if (e == 0)
        e = mdb_put(txn, dbi, &name_key, &name, 0);
    if (e == 0)
        e = mdb_put(txn, dbi, &version_key, &value, 0);
    return e == 0 ? PROV_OK : prov_lmdb_fail(st, e);
}

static enum prov_rc open_tables(struct lmdb_store *st, MDB_txn *txn,
                                const struct prov_schema *schema, unsigned flags)
{
    int e;

    for (unsigned i = 0; i < schema->n_tables; i++) {
        e = mdb_dbi_open(txn, schema->tables[i], flags, &st->tables[i]);
        if (e == MDB_NOTFOUND)
            return prov_lmdb_because(PROV_ESTORE,
                                     "%s/data.mdb has no table \"%s\": restore a backup", st->dir,
                                     schema->tables[i]);
        if (e != 0)
            return prov_lmdb_fail(st, e);
    }
    return PROV_OK;
}

/* Handles of tables last beyond the transaction that opened them only when it is committed. */
static enum prov_rc open_format(struct lmdb_store *st, const struct prov_schema *schema,
                                bool may_fill)
{
    MDB_txn *txn;
    enum prov_rc rc;
    int e;

    e = mdb_txn_begin(st->env, NULL, may_fill ? 0 : MDB_RDONLY, &txn);
    if (e != 0)
        return prov_lmdb_fail(st, e);
    rc = read_format(st, txn, schema->version);
    if (rc == PROV_OK) {
        rc = open_tables(st, txn, schema, 0);
    } else if (rc == PROV_ENOTFOUND && may_fill) {
        rc = write_format(st, txn, schema->version);
        if (rc == PROV_OK)
            rc = open_tables(st, txn, schema, MDB_CREATE);
    }
    if (rc != PROV_OK) {
        mdb_txn_abort(txn);
        return rc;
    }
    e = mdb_txn_commit(txn);
    return e == 0 ? PROV_OK : prov_lmdb_fail(st, e);
}

static enum prov_rc settle(struct lmdb_store *st, const struct prov_store_lmdb_opts *opts,
                           const struct prov_schema *schema)
{
    struct stat dir;
    enum prov_rc rc;

    rc = open_format(st, schema, false);
    if (rc != PROV_ENOTFOUND)
        return rc;
    if (!opts->create || opts->read_only)
        return prov_lmdb_because(PROV_ENOTFOUND,
                                 "the store in %s is empty: `provctl init` fills it", st->dir);
    rc = open_format(st, schema, true); /* asks again: another process may have been faster */
    if (rc != PROV_OK)
        return rc;
    if (fstat(st->dir_fd, &dir) == 0) {
        give_to_owner_of(&dir, st->dir_fd, "data.mdb");
        give_to_owner_of(&dir, st->dir_fd, "lock.mdb");
    }
    return fsync(st->dir_fd) == 0 ? PROV_OK : prov_lmdb_fail(st, errno);
}

/* ---- open and free --------------------------------------------------------------------------- */

void prov_lmdb_free(struct prov_store *base)
{
    struct lmdb_store *st = (struct lmdb_store *)base;

    prov_lmdb_drop_idle(st);
    if (st->env != NULL)
        mdb_env_close(st->env);
    if (st->enlisted)
        strike_off(st);
    if (st->claim_fd >= 0)
        (void)close(st->claim_fd);
    if (st->dir_fd >= 0)
        (void)close(st->dir_fd);
    pthread_rwlock_destroy(&st->map);
    free(st->tables);
    free(st->dir);
    free(st);
}

static struct lmdb_store *store_new(const char *dir, bool read_only, unsigned n_tables)
{
    struct lmdb_store *st = calloc(1, sizeof *st);
    size_t n = strlen(dir);

    if (st == NULL)
        return NULL;
    while (n > 1 && dir[n - 1] == '/')
        n--;
    st->base.ops = &prov_lmdb_ops;
    st->n_tables = n_tables;
    st->read_only = read_only;
    st->claim_fd = -1;
    st->dir_fd = -1;
    st->pid = getpid();
    atomic_init(&st->idle, NULL);
    st->dir = prov_span_dup(prov_span(dir, n));
    st->tables = calloc(n_tables, sizeof *st->tables);
    if (st->dir == NULL || st->tables == NULL || pthread_rwlock_init(&st->map, NULL) != 0) {
        free(st->tables);
        free(st->dir);
        free(st);
        return NULL;
    }
    return st;
}

enum prov_rc prov_store_lmdb_open(const struct prov_store_lmdb_opts *opts,
                                  const struct prov_schema *schema, struct prov_store **out,
                                  struct prov_err *err)
{
    struct lmdb_store *st = store_new(opts->dir, opts->read_only, schema->n_tables);
    enum prov_rc rc;

    if (st == NULL)
        return prov_nomem(err);
    rc = enter_dir(st, opts);
    if (rc == PROV_OK)
        rc = open_env(st, opts);
    if (rc == PROV_OK)
        rc = settle(st, opts, schema);
    if (rc != PROV_OK) {
        prov_lmdb_free(&st->base);
        return prov_fail(err, rc, UNAVAILABLE, "%s", prov_lmdb_why(NULL));
    }
    *out = &st->base;
    return PROV_OK;
}

/* ---- claim ----------------------------------------------------------------------------------- */

static enum prov_rc held_by_another(const struct lmdb_store *st, int fd, struct prov_err *err)
{
    char pid[24];
    const ssize_t n = pread(fd, pid, sizeof pid - 1, 0);

    pid[n > 0 ? n : 0] = '\0';
    pid[strspn(pid, "0123456789")] = '\0';
    return prov_fail(err, PROV_ECONFLICT, UNAVAILABLE,
                     "another broker (process %s) runs on %s: stop it, or give each broker a "
                     "db_path of its own",
                     pid[0] == '\0' ? "unknown" : pid, st->dir);
}

/* An open-file-description lock: it ends with the process, and nothing else in it can drop it. */
static enum prov_rc lock_and_sign(const struct lmdb_store *st, int fd, struct prov_err *err)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    char pid[24];
    const int n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());

    if (fcntl(fd, F_OFD_SETLK, &lock) != 0) {
        if (errno == EAGAIN || errno == EACCES)
            return held_by_another(st, fd, err);
        return prov_fail(err, PROV_ESTORE, UNAVAILABLE, "cannot lock %s/broker.lock: %s", st->dir,
                         strerror(errno));
    }
    if (ftruncate(fd, 0) != 0 || pwrite(fd, pid, (size_t)n, 0) != n)
        return prov_fail(err, PROV_ESTORE, UNAVAILABLE, "cannot write %s/broker.lock: %s", st->dir,
                         strerror(errno));
    return PROV_OK;
}

enum prov_rc prov_store_lmdb_claim(struct prov_store *base, struct prov_err *err)
{
    struct lmdb_store *st = (struct lmdb_store *)base;
    enum prov_rc rc;
    int fd;

    if (st->claim_fd >= 0)
        return PROV_OK;
    fd = openat(st->dir_fd, "broker.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
    if (fd < 0)
        return prov_fail(err, PROV_ESTORE, UNAVAILABLE, "cannot open %s/broker.lock: %s", st->dir,
                         strerror(errno));
    rc = lock_and_sign(st, fd, err);
    if (rc == PROV_OK)
        st->claim_fd = fd;
    else
        (void)close(fd);
    return rc;
}
