#include "new_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_LEN sizeof((struct ctl_new_file *)NULL)->path

static enum prov_rc failed(struct ctl *ctl, const char *path)
{
    if (errno == EEXIST)
        return prov_fail(&ctl->err, PROV_ECONFLICT, "ResourceAlreadyExistsException",
                         "%s is there already, and stays as it is", path);
    return prov_fail(&ctl->err, PROV_ESTORE, "InternalFailureException", "%s cannot be written: %s",
                     path, strerror(errno));
}

enum prov_rc ctl_new_file_at(struct ctl *ctl, struct ctl_new_file *file, const char *dir,
                             const char *name)
{
    const int n = snprintf(file->path, sizeof file->path, "%s/%s", dir, name);

    if (n < 0 || (size_t)n >= sizeof file->path)
        return ctl_usage(ctl, "%s: the name is too long", dir);
    return PROV_OK;
}

enum prov_rc ctl_new_file_dir(struct ctl *ctl, const char *dir)
{
    struct stat st;

    if (stat(dir, &st) != 0)
        return ctl_usage(ctl, "%s: %s", dir, strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return ctl_usage(ctl, "%s is no directory", dir);
    if (access(dir, W_OK | X_OK) != 0)
        return ctl_usage(ctl, "%s: %s", dir, strerror(errno));
    return PROV_OK;
}

/* ---- one file -------------------------------------------------------------------------------- */

/* The directory part: "." of a name alone. */
static void dir_of(const char *path, char dir[static PATH_LEN])
{
    const char *slash = strrchr(path, '/');
    const size_t n = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);

    (void)prov_span_copy(n != 0 ? prov_span(path, n) : PROV_LIT("."), dir, PATH_LEN);
}

static bool put(int fd, struct prov_span bytes)
{
    while (bytes.n != 0) {
        const ssize_t n = write(fd, bytes.p, bytes.n);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        bytes = prov_span(bytes.p + n, bytes.n - (size_t)n);
    }
    return true;
}

static bool give(int fd, const struct ctl_owner *owner, const char *dir)
{
    struct stat st;

    if (geteuid() != 0)
        return true;
    if (owner != NULL)
        return fchown(fd, owner->uid, owner->gid) == 0;
    return stat(dir, &st) == 0 && fchown(fd, st.st_uid, st.st_gid) == 0;
}

static bool fill(int fd, const struct ctl_new_file *file, const char *dir)
{
    return give(fd, file->owner, dir) && fchmod(fd, file->mode) == 0 && put(fd, file->bytes) &&
           fsync(fd) == 0;
}

/* Not over what is there: file systems that cannot say that of a rename can of a link. */
static bool take_place(const char *from, const char *to)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return true;
    return (errno == EINVAL || errno == ENOSYS) && link(from, to) == 0 && unlink(from) == 0;
}

static enum prov_rc make(struct ctl *ctl, const struct ctl_new_file *file, const char *dir)
{
    char temporary[PATH_LEN + 8];
    enum prov_rc rc = PROV_OK;
    bool good;
    int fd;

    (void)snprintf(temporary, sizeof temporary, "%s.XXXXXX", file->path);
    fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return failed(ctl, file->path);
    good = fill(fd, file, dir);
    if (!good)
        rc = failed(ctl, file->path);
    if (close(fd) != 0 && rc == PROV_OK)
        rc = failed(ctl, file->path);
    if (rc == PROV_OK && !take_place(temporary, file->path))
        rc = failed(ctl, file->path);
    if (rc != PROV_OK)
        (void)unlink(temporary);
    return rc;
}

/* So that the name is there after a power cut. */
static enum prov_rc sync_dir(struct ctl *ctl, const char *path, const char *dir)
{
    const int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum prov_rc rc = PROV_OK;

    if (fd < 0 || fsync(fd) != 0)
        rc = failed(ctl, path);
    if (fd >= 0)
        (void)close(fd);
    return rc;
}

enum prov_rc ctl_new_file_rename(struct ctl *ctl, const char *from, const char *to)
{
    char dir[PATH_LEN];

    if (!take_place(from, to))
        return failed(ctl, to);
    dir_of(to, dir);
    return sync_dir(ctl, to, dir);
}

/* ---- all of them ----------------------------------------------------------------------------- */

enum prov_rc ctl_new_files(struct ctl *ctl, const struct ctl_new_file *files, size_t n)
{
    char dir[PATH_LEN];
    enum prov_rc rc = PROV_OK;
    size_t made = 0;

    while (rc == PROV_OK && made < n) {
        dir_of(files[made].path, dir);
        rc = make(ctl, &files[made], dir);
        if (rc == PROV_OK)
            rc = sync_dir(ctl, files[made++].path, dir);
    }
    if (rc != PROV_OK)
        ctl_new_files_undo(files, made);
    return rc;
}

void ctl_new_files_undo(const struct ctl_new_file *files, size_t n)
{
    for (size_t i = 0; i < n; i++)
        (void)unlink(files[i].path);
}
