/*
 * files.h - the handful of file operations that durability is made of, as a table, so that a test
 * can cut the power at each.
 *
 * All give 0 or an errno value. Paths are relative to a directory (the state directory, or "/" for
 * the claim's files outside), without "..". No operation follows a symbolic link, neither at the
 * end of a path nor in its middle: ELOOP or ENOTDIR. Nothing is durable before sync (a file's
 * content) and sync_dir (names in a directory: files made, renamed and removed); but wipe is.
 */
#ifndef POSIX_FILES_H
#define POSIX_FILES_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum file_kind { FILE_OTHER, FILE_REGULAR, FILE_DIRECTORY, FILE_LINK };

struct file_info {
    enum file_kind kind;
    mode_t mode; /* permission bits */
    uid_t uid;
    gid_t gid;
    uint64_t bytes;
};

struct files {
    void *self;
    /* A new file with exactly this mode, whatever the umask, before it has any content; EEXIST if
     * there is anything of that name. After another error nothing is there. */
    int (*write)(void *self, const char *path, mode_t mode, const void *bytes, size_t n);
    int (*sync)(void *self, const char *path);
    int (*sync_dir)(void *self, const char *path); /* "." is the directory itself */
    /* Of a file or a link, within one directory; replaces a file or a link. */
    int (*rename)(void *self, const char *from, const char *to);
    int (*unlink)(void *self, const char *path); /* a file or a link */
    int (*wipe)(void *self, const char *path);   /* zeros over its content, synced */
    int (*mkdir)(void *self, const char *path, mode_t mode);
    int (*rmdir)(void *self, const char *path);
    int (*symlink)(void *self, const char *target, const char *path);
    /* with a NUL; ENAMETOOLONG; EINVAL: it is no link */
    int (*readlink)(void *self, const char *path, char *out, size_t cap);
    /* the whole file, or EFBIG if it has more than cap bytes; EINVAL: not a regular file */
    int (*read)(void *self, const char *path, void *out, size_t cap, size_t *n);
    int (*stat)(void *self, const char *path, struct file_info *out);
    /* calls each for every name but "." and ".."; until it gives false. each changes nothing. */
    int (*list)(void *self, const char *path, bool (*each)(void *arg, const char *name), void *arg);
};

/* The real ones, below a directory that is open as dir_fd, which is borrowed. */
struct files_dir {
    int dir_fd;
    /* whom files and directories are given to that their group may read; NULL: as the system does
     * it. Borrowed. */
    const gid_t *group;
};
/* dir lives as long as *out is used; its fields are set before. */
void files_of_dir(struct files_dir *dir, struct files *out);

/*
 * A configured path as the files over "/" take it: absolute, and with every symbolic link of it
 * followed now, the last as well. What is not there (the file, and directories of its path) is
 * taken as it is written. 0 or an errno value.
 */
int files_resolve(const char *path, char out[static PATH_MAX]);

#endif
