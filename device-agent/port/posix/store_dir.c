/* store_dir.c - the real state directory: made, checked, opened, locked. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store_priv.h"

static enum agent_class fail(const char *path, const char *doing, struct port_result *result)
{
    char other[STORE_ERROR_LEN];

    return port_fail(result, AGENT_LOCAL, "the state directory %.120s cannot be %s: %s", path,
                     doing, store_error(errno, other));
}

/* ---- the directory --------------------------------------------------------------------------- */

/* *fresh: it was not there. */
static enum agent_class make(const char *path, bool *fresh, struct port_result *result)
{
    *fresh = mkdir(path, S_IRWXU) == 0;
    if (!*fresh && errno != EEXIST)
        return fail(path, "made", result);
    if (*fresh && chmod(path, S_IRWXU) != 0) /* whatever the umask is */
        return fail(path, "made", result);
    return AGENT_OK;
}

static enum agent_class check(const char *path, const struct stat *st, const gid_t *group,
                              struct port_result *result)
{
    const mode_t others = group != NULL ? 027 : 077;

    if (st->st_uid != geteuid() && st->st_uid != 0)
        return port_fail(result, AGENT_LOCAL,
                         "the state directory is another user's: chown %u %.150s",
                         (unsigned)geteuid(), path);
    if ((st->st_mode & others) != 0)
        return port_fail(result, AGENT_LOCAL,
                         "the state directory is open to others: chmod %s %.150s",
                         group != NULL ? "0750" : "0700", path);
    return AGENT_OK;
}

/* A directory of our own is opened to the group. */
static bool give(int fd, const struct stat *st, const gid_t *group)
{
    const mode_t mode = S_IRWXU | S_IRGRP | S_IXGRP;

    if (group == NULL || st->st_uid != geteuid() ||
        ((st->st_mode & 0777) == mode && st->st_gid == *group))
        return true;
    return fchown(fd, (uid_t)-1, *group) == 0 && fchmod(fd, mode) == 0;
}

/* The name of a new directory is in the one above. */
static bool sync_above(int fd)
{
    const int above = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool synced = above >= 0 && fsync(above) == 0;

    if (above >= 0)
        (void)close(above);
    return synced;
}

/* ---- the lock -------------------------------------------------------------------------------- */

static enum agent_class busy(int lock_fd, struct port_result *result)
{
    char pid[16] = "";
    const ssize_t n = pread(lock_fd, pid, sizeof pid - 1, 0);
    const size_t digits = n > 0 ? strspn(pid, "0123456789") : 0;

    if (digits == 0) /* it is just being written */
        return port_fail(result, AGENT_BUSY, "another agent is running: stop it first");
    return port_fail(result, AGENT_BUSY, "another agent is running (pid %.*s): stop it first",
                     (int)digits, pid);
}

static bool write_pid(int lock_fd)
{
    char pid[16];
    const int n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());

    return n > 0 && ftruncate(lock_fd, 0) == 0 && pwrite(lock_fd, pid, (size_t)n, 0) == n;
}

/* A lock of the open file description: it ends with the process, and no other close() of the file
 * in this process gives it up. */
static enum agent_class take_lock(const char *path, struct store_dir *dir,
                                  struct port_result *result)
{
    const struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    struct stat st;

    dir->lock_fd =
        openat(dir->fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
    if (dir->lock_fd < 0 || fstat(dir->lock_fd, &st) != 0)
        return fail(path, "locked", result);
    if (!S_ISREG(st.st_mode)) {
        errno = EINVAL;
        return fail(path, "locked", result);
    }
    if (fcntl(dir->lock_fd, F_OFD_SETLK, &whole) != 0) {
        if (errno == EAGAIN || errno == EACCES)
            return busy(dir->lock_fd, result);
        return fail(path, "locked", result);
    }
    if (fchmod(dir->lock_fd, S_IRUSR | S_IWUSR) != 0 || !write_pid(dir->lock_fd))
        return fail(path, "locked", result);
    return AGENT_OK;
}

/* ---- both ------------------------------------------------------------------------------------ */

static enum agent_class open_dir(const char *path, const gid_t *group, bool lock,
                                 struct store_dir *out, struct port_result *result)
{
    bool fresh = false;
    struct stat st;
    enum agent_class class = lock ? make(path, &fresh, result) : AGENT_OK;

    if (class != AGENT_OK)
        return class;
    out->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (out->fd < 0 || fstat(out->fd, &st) != 0)
        return fail(path, "opened", result);
    class = check(path, &st, group, result);
    if (class != AGENT_OK || !lock)
        return class;
    class = take_lock(path, out, result);
    if (class == AGENT_OK && !give(out->fd, &st, group))
        class = fail(path, "given to the group", result);
    if (class == AGENT_OK && fresh && !sync_above(out->fd))
        class = fail(path, "made", result);
    return class;
}

enum agent_class store_open_dir(const char *path, const gid_t *group, bool lock,
                                struct store_dir *out, struct port_result *result)
{
    enum agent_class class;

    *out = (struct store_dir){ -1, -1 };
    class = open_dir(path, group, lock, out, result);
    if (class != AGENT_OK)
        store_close_dir(out);
    return class;
}

void store_close_dir(struct store_dir *dir)
{
    if (dir->lock_fd >= 0)
        (void)close(dir->lock_fd);
    if (dir->fd >= 0)
        (void)close(dir->fd);
    *dir = (struct store_dir){ -1, -1 };
}
