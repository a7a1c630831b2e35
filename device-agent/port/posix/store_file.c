/* store_file.c - the store's files and directories: put, linked, removed, and what to say when that
 * fails. */
#include "store_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- places ---------------------------------------------------------------------------------- */

struct store_path store_slot_dir(uint32_t slot)
{
    struct store_path dir;

    (void)snprintf(dir.p, sizeof dir.p, slot == AGENT_SLOT_CLAIM ? "claim" : "gen/%u",
                   (unsigned)slot);
    return dir;
}

struct store_path store_in(const char *dir, const char *name)
{
    struct store_path path;
    const bool here = strcmp(dir, ".") == 0;
    const int n = snprintf(path.p, sizeof path.p, "%s%s%s", here ? "" : dir, here ? "" : "/", name);

    if (n < 0 || (size_t)n >= sizeof path.p)
        path.p[0] = '\0';
    return path;
}

uint32_t store_generation(const char *name)
{
    uint64_t number = 0;

    if (name[0] == '0')
        return 0;
    for (; *name >= '0' && *name <= '9' && number <= UINT32_MAX; name++)
        number = 10 * number + (uint64_t)(*name - '0');
    return *name == '\0' && number <= UINT32_MAX ? (uint32_t)number : 0;
}

/* ---- what went wrong ------------------------------------------------------------------------- */

bool store_is_root(const struct store *store, struct store_place place)
{
    return place.files == &store->root;
}

const char *store_shown(const struct store *store, struct store_place place,
                        char out[static PATH_MAX])
{
    const char *dir = store->conf.dir != NULL ? store->conf.dir : "DIR";

    if (store_is_root(store, place))
        dir = "";
    (void)snprintf(out, PATH_MAX, "%s/%s", dir, strcmp(place.path, ".") == 0 ? "" : place.path);
    return out;
}

const char *store_error(int err, char other[static STORE_ERROR_LEN])
{
    static const char alien[] = "something is there that is not the agent's: move it away";
    static const char forbidden[] =
        "not permitted: give it, and its directory, to the agent's user";
    static const struct {
        int err;
        const char *text;
    } rows[] = {
        { ENOSPC, "the disk is full: make room" },
        { EDQUOT, "the quota is used up: make room" },
        { EROFS, "the file system is read-only: mount it writable" },
        { EACCES, forbidden },
        { EPERM, forbidden },
        { EIO, "the disk has failed: see the kernel's log" },
        { ENOENT, "it is not there" },
        { EISDIR, alien },
        { ENOTDIR, alien },
        { ELOOP, alien },
        { EEXIST, alien },
        { ENOTEMPTY, alien },
        { EINVAL, alien },
        { EFBIG, "it is too large" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].err == err)
            return rows[i].text;
    }
    return strerror_r(err, other, STORE_ERROR_LEN);
}

enum agent_class store_io_fail(const struct store *store, struct store_place place,
                               const char *doing, int err, struct port_result *result)
{
    char shown[PATH_MAX], other[STORE_ERROR_LEN];

    return port_fail(result, AGENT_LOCAL, "%.120s cannot be %s: %s",
                     store_shown(store, place, shown), doing, store_error(err, other));
}

enum agent_class store_read_fail(const struct store *store, struct store_place place, int err,
                                 struct port_result *result)
{
    const bool for_good =
        err == ENOENT || err == ENOTDIR || err == ELOOP || err == EINVAL || err == EFBIG;

    (void)store_io_fail(store, place, "read", err, result);
    result->class = for_good ? AGENT_ANSWER : AGENT_LOCAL;
    return result->class;
}

/* ---- removing -------------------------------------------------------------------------------- */

int store_remove(const struct store *store, const char *path)
{
    const struct files *const f = &store->files;
    const char *const slash = strrchr(path, '/');
    const bool secret = strncmp(slash != NULL ? slash + 1 : path, "key", 3) == 0;
    struct file_info info;
    int err = f->stat(f->self, path, &info);

    if (err != 0)
        return err == ENOENT ? 0 : err;
    if (info.kind == FILE_DIRECTORY)
        return f->rmdir(f->self, path);
    if (info.kind == FILE_REGULAR && secret)
        err = f->wipe(f->self, path);
    return err != 0 ? err : f->unlink(f->self, path);
}

/* The first name that has the ending. */
struct pick {
    const char *ending;
    char name[NAME_MAX + 1];
};

static bool pick_name(void *arg, const char *name)
{
    struct pick *const pick = arg;
    const size_t n = strlen(name), tail = strlen(pick->ending);

    if (n >= sizeof pick->name || n < tail || strcmp(name + n - tail, pick->ending) != 0)
        return true;
    memcpy(pick->name, name, n + 1);
    return false;
}

int store_remove_all(const struct store *store, const char *dir, const char *ending)
{
    const struct files *const f = &store->files;
    struct pick pick = { .ending = ending };
    int err = f->list(f->self, dir, pick_name, &pick);

    while (err == 0 && pick.name[0] != '\0') {
        const struct store_path path = store_in(dir, pick.name);

        err = store_remove(store, path.p);
        pick.name[0] = '\0';
        if (err == 0)
            err = f->list(f->self, dir, pick_name, &pick);
    }
    return err;
}

/* A directory with what is in it; what is there in its place goes as well. */
static int remove_dir(const struct store *store, const char *dir)
{
    static const char *const keys[] = { "key.pem", "key.pem.tmp", "key.pem.new" };
    const struct files *const f = &store->files;
    struct file_info info;
    int err = f->stat(f->self, dir, &info);

    if (err != 0)
        return err == ENOENT ? 0 : err;
    if (info.kind != FILE_DIRECTORY)
        return f->unlink(f->self, dir);
    for (size_t i = 0; err == 0 && i < sizeof keys / sizeof keys[0]; i++) {
        const struct store_path key = store_in(dir, keys[i]);

        err = store_remove(store, key.p);
    }
    if (err == 0)
        err = store_remove_all(store, dir, "");
    return err != 0 ? err : f->rmdir(f->self, dir);
}

enum agent_class store_remove_slot(const struct store *store, uint32_t slot,
                                   struct port_result *result)
{
    const struct files *const f = &store->files;
    const struct store_path dir = store_slot_dir(slot);
    int err = remove_dir(store, dir.p);

    /* also if nothing was there: an earlier call may have failed to say so */
    if (err == 0)
        err = f->sync_dir(f->self, slot == AGENT_SLOT_CLAIM ? "." : "gen");
    if (err == 0 || err == ENOENT) /* ENOENT: there are no generations at all */
        return AGENT_OK;
    return store_io_fail(store, (struct store_place){ f, dir.p }, "removed", err, result);
}

/* ---- writing --------------------------------------------------------------------------------- */

mode_t store_mode(const struct store *store, uint32_t slot)
{
    const bool shared = store->conf.group != NULL && slot != AGENT_SLOT_CLAIM;

    return shared ? S_IRUSR | S_IWUSR | S_IRGRP : S_IRUSR | S_IWUSR;
}

static int make_dir(const struct store *store, const char *dir, const char *above, mode_t mode)
{
    const struct files *const f = &store->files;
    struct file_info info;
    int err = f->mkdir(f->self, dir, mode);

    if (err == EEXIST) {
        err = f->stat(f->self, dir, &info);
        if (err == 0 && info.kind != FILE_DIRECTORY)
            err = ENOTDIR;
    }
    return err != 0 ? err : f->sync_dir(f->self, above);
}

enum agent_class store_make_dirs(const struct store *store, uint32_t slot,
                                 struct port_result *result)
{
    const bool shared = store->conf.group != NULL && slot != AGENT_SLOT_CLAIM;
    const mode_t mode = shared ? S_IRWXU | S_IRGRP | S_IXGRP : S_IRWXU;
    const struct store_path dir = store_slot_dir(slot);
    int err = 0;

    if (slot != AGENT_SLOT_CLAIM)
        err = make_dir(store, "gen", ".", mode);
    if (err == 0)
        err = make_dir(store, dir.p, slot == AGENT_SLOT_CLAIM ? "." : "gen", mode);
    if (err == 0)
        return AGENT_OK;
    return store_io_fail(store, (struct store_place){ &store->files, dir.p }, "made", err, result);
}

/* The second half of putting: what is at temp, made without error, takes its place. */
static int take_place(const struct store *store, const char *dir, const char *temp,
                      const char *path)
{
    const struct files *const f = &store->files;
    const int err = f->rename(f->self, temp, path);

    if (err != 0) {
        (void)store_remove(store, temp);
        return err;
    }
    return f->sync_dir(f->self, dir);
}

static struct store_path temp_of(const char *dir, const char *name)
{
    struct store_path path = store_in(dir, name);
    const size_t n = strlen(path.p);

    (void)snprintf(path.p + n, sizeof path.p - n, ".tmp");
    return path;
}

enum agent_class store_put(const struct store *store, const char *dir, const char *name,
                           mode_t mode, struct agent_span bytes, struct port_result *result)
{
    const struct files *const f = &store->files;
    const struct store_path path = store_in(dir, name), temp = temp_of(dir, name);
    int err = f->write(f->self, temp.p, mode, bytes.p, bytes.n);

    if (err == EEXIST) {
        err = store_remove(store, temp.p);
        if (err == 0)
            err = f->write(f->self, temp.p, mode, bytes.p, bytes.n);
    }
    if (err == 0) {
        err = f->sync(f->self, temp.p);
        if (err != 0)
            (void)store_remove(store, temp.p);
    }
    if (err == 0)
        err = take_place(store, dir, temp.p, path.p);
    if (err == 0)
        return AGENT_OK;
    return store_io_fail(store, (struct store_place){ f, path.p }, "written", err, result);
}

enum agent_class store_put_link(const struct store *store, const char *dir, const char *name,
                                const char *target, struct port_result *result)
{
    const struct files *const f = &store->files;
    const struct store_path path = store_in(dir, name), temp = temp_of(dir, name);
    int err = f->symlink(f->self, target, temp.p);

    if (err == EEXIST) {
        err = store_remove(store, temp.p);
        if (err == 0)
            err = f->symlink(f->self, target, temp.p);
    }
    if (err == 0)
        err = take_place(store, dir, temp.p, path.p);
    if (err == 0)
        return AGENT_OK;
    return store_io_fail(store, (struct store_place){ f, path.p }, "made", err, result);
}

enum agent_class store_sync_dir(const struct store *store, const char *dir,
                                struct port_result *result)
{
    const struct files *const f = &store->files;
    const int err = f->sync_dir(f->self, dir);

    if (err == 0)
        return AGENT_OK;
    return store_io_fail(store, (struct store_place){ f, dir }, "written", err, result);
}
