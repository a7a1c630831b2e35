#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- paths ----------------------------------------------------------------------------------- */

/* A directory's directory, whose name is the first n bytes of name; or -1 and errno. */
static int open_below(int fd, const char *name, size_t n)
{
    char below[NAME_MAX + 1];

    if (n == 0 || n > NAME_MAX || (n == 2 && memcmp(name, "..", 2) == 0)) {
        errno = EINVAL;
        return -1;
    }
    memcpy(below, name, n);
    below[n] = '\0';
    return openat(fd, below, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* 0, or errno as it was left by what failed; closes fd, which may be -1. */
static int ended(bool failed, int fd)
{
    const int err = failed ? errno : 0;

    if (fd >= 0)
        (void)close(fd);
    return err;
}

/* The directory that path's last component is in, open (or -1 and errno), and that component.
 * Components are opened one by one, since O_NOFOLLOW is about the last alone; with O_PATH, since
 * above the claim's files there may be directories that one may search but not read. */
static int open_above(const struct files_dir *dir, const char *path, const char **last)
{
    int fd = openat(dir->dir_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    const char *slash = strchr(path, '/');

    for (; fd >= 0 && slash != NULL; slash = strchr(path, '/')) {
        const int next = open_below(fd, path, (size_t)(slash - path));

        errno = ended(next < 0, fd);
        fd = next;
        path = slash + 1;
    }
    if (fd >= 0 && (path[0] == '\0' || strcmp(path, "..") == 0)) {
        (void)close(fd);
        errno = EINVAL;
        fd = -1;
    }
    *last = path;
    return fd;
}

/* path itself, open; -1 and errno. */
static int open_at(const struct files_dir *dir, const char *path, int flags)
{
    const char *last;
    const int above = open_above(dir, path, &last);
    int fd = -1;

    if (above < 0)
        return -1;
    fd = openat(above, last, flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    errno = ended(fd < 0, above);
    return fd;
}

/* A regular file, open, and what it is; -1 and errno. A pipe must not be waited for. */
static int open_file(const struct files_dir *dir, const char *path, int flags, struct stat *st)
{
    const int fd = open_at(dir, path, flags);

    if (fd < 0)
        return -1;
    if (fstat(fd, st) == 0) {
        if (S_ISREG(st->st_mode))
            return fd;
        errno = EINVAL;
    }
    errno = ended(true, fd);
    return -1;
}

/* ---- writing --------------------------------------------------------------------------------- */

static bool write_all(int fd, const uint8_t *p, size_t n)
{
    while (n != 0) {
        const ssize_t done = write(fd, p, n);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0) {
            errno = done == 0 ? ENOSPC : errno;
            return false;
        }
        p += done;
        n -= (size_t)done;
    }
    return true;
}

static bool write_zeros(int fd, uint64_t n)
{
    static const uint8_t zeros[4096];

    while (n != 0) {
        const size_t some = n < sizeof zeros ? (size_t)n : sizeof zeros;

        if (!write_all(fd, zeros, some))
            return false;
        n -= some;
    }
    return true;
}

/* Owner's group and mode of what was just made, before anything is in it. */
static bool give(const struct files_dir *dir, int fd, mode_t mode)
{
    if (dir->group != NULL && (mode & S_IRWXG) != 0 && fchown(fd, (uid_t)-1, *dir->group) != 0)
        return false;
    return fchmod(fd, mode) == 0;
}

static int dir_write(void *self, const char *path, mode_t mode, const void *bytes, size_t n)
{
    const struct files_dir *dir = self;
    const char *last;
    const int above = open_above(dir, path, &last);
    int fd = -1, err;

    if (above < 0)
        return errno;
    fd = openat(above, last, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                S_IRUSR | S_IWUSR);
    if (fd < 0)
        return ended(true, above);
    err = ended(!give(dir, fd, mode) || !write_all(fd, bytes, n), -1);
    if (err != 0) { /* what is there of it may be half a key */
        if (lseek(fd, 0, SEEK_SET) == 0)
            (void)write_zeros(fd, n);
        (void)unlinkat(above, last, 0);
    }
    if (close(fd) != 0 && err == 0) {
        err = errno;
        (void)unlinkat(above, last, 0);
    }
    (void)close(above);
    return err;
}

/* fsync is not tried again when it fails: the kernel may have dropped what it could not write. */
static int dir_sync(void *self, const char *path)
{
    struct stat st;
    const int fd = open_file(self, path, O_RDONLY, &st);

    return ended(fd < 0 || fsync(fd) != 0, fd);
}

static int dir_sync_dir(void *self, const char *path)
{
    const int fd = open_at(self, path, O_RDONLY | O_DIRECTORY);

    return ended(fd < 0 || fsync(fd) != 0, fd);
}

/* Makes a file writable that is the owner's, who need not be able to write it. */
static void make_writable(const struct files_dir *dir, const char *path)
{
    struct stat st;
    const int fd = open_file(dir, path, O_RDONLY, &st);

    if (fd < 0)
        return;
    (void)fchmod(fd, S_IRUSR | S_IWUSR);
    (void)close(fd);
}

static int dir_wipe(void *self, const char *path)
{
    struct stat st;
    int fd = open_file(self, path, O_WRONLY, &st);

    if (fd < 0 && errno == EACCES) {
        make_writable(self, path);
        fd = open_file(self, path, O_WRONLY, &st);
    }
    return ended(fd < 0 || !write_zeros(fd, (uint64_t)st.st_size) || fsync(fd) != 0, fd);
}

static int dir_rename(void *self, const char *from, const char *to)
{
    const char *old, *new;
    const int above = open_above(self, from, &old);
    int other;
    bool failed;

    if (above < 0)
        return errno;
    other = open_above(self, to, &new);
    if (other < 0)
        return ended(true, above);
    failed = renameat(above, old, other, new) != 0;
    errno = ended(failed, other);
    return ended(failed, above);
}

static int remove_name(const struct files_dir *dir, const char *path, int flags)
{
    const char *last;
    const int above = open_above(dir, path, &last);

    return ended(above < 0 || unlinkat(above, last, flags) != 0, above);
}

static int dir_unlink(void *self, const char *path)
{
    return remove_name(self, path, 0);
}

static int dir_rmdir(void *self, const char *path)
{
    return remove_name(self, path, AT_REMOVEDIR);
}

static int dir_mkdir(void *self, const char *path, mode_t mode)
{
    const struct files_dir *dir = self;
    const char *last;
    const int above = open_above(dir, path, &last);
    int fd, err;

    if (above < 0)
        return errno;
    if (mkdirat(above, last, S_IRWXU) != 0)
        return ended(true, above);
    /* a umask of 0777 would keep even the owner from opening it; chmod by name follows no link of
     * somebody else's here, since the directory above is the owner's alone */
    fd = fchmodat(above, last, S_IRWXU, 0) != 0
             ? -1
             : openat(above, last, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    err = ended(fd < 0 || !give(dir, fd, mode), fd);
    if (err != 0)
        (void)unlinkat(above, last, AT_REMOVEDIR);
    (void)close(above);
    return err;
}

static int dir_symlink(void *self, const char *target, const char *path)
{
    const char *last;
    const int above = open_above(self, path, &last);

    return ended(above < 0 || symlinkat(target, above, last) != 0, above);
}

/* ---- reading --------------------------------------------------------------------------------- */

static int dir_readlink(void *self, const char *path, char *out, size_t cap)
{
    const char *last;
    const int above = open_above(self, path, &last);
    ssize_t n;

    if (above < 0)
        return errno;
    n = readlinkat(above, last, out, cap);
    if (n >= 0 && (size_t)n == cap) {
        n = -1;
        errno = ENAMETOOLONG;
    }
    if (n >= 0)
        out[n] = '\0';
    return ended(n < 0, above);
}

static int dir_read(void *self, const char *path, void *out, size_t cap, size_t *n)
{
    struct stat st;
    const int fd = open_file(self, path, O_RDONLY, &st);
    uint8_t more;
    ssize_t got = 1;

    *n = 0;
    if (fd < 0)
        return errno;
    while (got > 0) { /* one byte over cap tells that there is more; a file may grow meanwhile */
        const bool full = *n == cap;

        got = full ? read(fd, &more, 1) : read(fd, (uint8_t *)out + *n, cap - *n);
        if (got < 0 && errno == EINTR)
            got = 1;
        else if (got > 0 && full) {
            errno = EFBIG;
            got = -1;
        } else if (got > 0)
            *n += (size_t)got;
    }
    if (got < 0)
        *n = 0;
    return ended(got < 0, fd);
}

static enum file_kind kind_of(mode_t mode)
{
    if (S_ISREG(mode))
        return FILE_REGULAR;
    if (S_ISDIR(mode))
        return FILE_DIRECTORY;
    return S_ISLNK(mode) ? FILE_LINK : FILE_OTHER;
}

static int dir_stat(void *self, const char *path, struct file_info *out)
{
    const char *last;
    const int above = open_above(self, path, &last);
    struct stat st;
    const bool failed = above < 0 || fstatat(above, last, &st, AT_SYMLINK_NOFOLLOW) != 0;

    if (!failed)
        *out = (struct file_info){ kind_of(st.st_mode), st.st_mode & 07777, st.st_uid, st.st_gid,
                                   (uint64_t)st.st_size };
    return ended(failed, above);
}

static int dir_list(void *self, const char *path, bool (*each)(void *arg, const char *name),
                    void *arg)
{
    const int fd = open_at(self, path, O_RDONLY | O_DIRECTORY);
    DIR *names = fd < 0 ? NULL : fdopendir(fd); /* owns fd from here */
    const struct dirent *entry;
    int err;

    if (names == NULL)
        return ended(true, fd);
    do {
        errno = 0;
        entry = readdir(names); /* the stream is ours alone */
        err = errno;
    } while (entry != NULL && (strcmp(entry->d_name, ".") == 0 ||
                               strcmp(entry->d_name, "..") == 0 || each(arg, entry->d_name)));
    (void)closedir(names);
    return entry != NULL ? 0 : err;
}

void files_of_dir(struct files_dir *dir, struct files *out)
{
    *out = (struct files){ .self = dir,
                           .write = dir_write,
                           .sync = dir_sync,
                           .sync_dir = dir_sync_dir,
                           .rename = dir_rename,
                           .unlink = dir_unlink,
                           .wipe = dir_wipe,
                           .mkdir = dir_mkdir,
                           .rmdir = dir_rmdir,
                           .symlink = dir_symlink,
                           .readlink = dir_readlink,
                           .read = dir_read,
                           .stat = dir_stat,
                           .list = dir_list };
}

/* ---- configured paths ------------------------------------------------------------------------ */

int files_resolve(const char *path, char out[static PATH_MAX])
{
    char above[PATH_MAX], real[PATH_MAX];
    const char *rest = path + strlen(path);
    int n;

    if (strlen(path) >= sizeof above)
        return ENAMETOOLONG;
    memcpy(above, path, strlen(path) + 1);
    while (realpath(above[0] == '\0' ? "." : above, real) == NULL) {
        const char *slash = strrchr(above, '/');

        if (errno != ENOENT || above[0] == '\0')
            return errno;
        /* "/name" leaves "/", "name" leaves "" */
        n = slash == NULL ? 0 : (int)(slash - above);
        rest = path + n + (slash != NULL);
        above[n == 0 && slash != NULL ? 1 : n] = '\0';
    }
    n = snprintf(out, PATH_MAX, "%s%s%s", real, *rest == '\0' || real[1] == '\0' ? "" : "/", rest);
    return n < 0 || n >= PATH_MAX ? ENAMETOOLONG : 0;
}
