/*
 * agent_disk.h - a disk in memory for the agent's storage (device-agent/port/posix/files.h), whose
 * power can be cut at any operation.
 *
 *     struct agent_disk *disk = agent_disk_new();
 *     struct agent_disk_view view;
 *     struct files files;
 *
 *     agent_disk_files(disk, "var/agent", &view, &files);
 *     agent_disk_cut(disk, 7, AGENT_DISK_HALFWAY);
 *     … until an operation gives EIO: agent_disk_is_off(disk)
 *     agent_disk_restart(disk, AGENT_DISK_TORN_EVEN);
 *
 * It is as forgetful as POSIX allows: a file's content is kept by sync alone, a name in a directory
 * by that directory's sync_dir alone, and changes that were not synced survive in any selection.
 * Each name operation is atomic, as a journal makes it.
 *
 * Everything here ends the program when memory runs out or a path is not what it must be.
 */
#ifndef SUPPORT_AGENT_DISK_H
#define SUPPORT_AGENT_DISK_H

#include "../../device-agent/port/posix/files.h"

struct agent_disk;

struct agent_disk *agent_disk_new(void);
void agent_disk_free(struct agent_disk *disk); /* NULL is fine */
/* As it is now, with what is not synced, the counts and the cut that is set. */
struct agent_disk *agent_disk_copy(const struct agent_disk *disk);

/* ---- as struct files ------------------------------------------------------------------------- */

/* A directory of the disk, as somebody has it open. */
struct agent_disk_view {
    struct agent_disk *disk;
    char root[128];
};

/* The files below root, which is made (0700, durable) if it is not there; "": the whole disk. Owner
 * of what is made is the process's. view is the caller's and lives as long as *out is used. */
void agent_disk_files(struct agent_disk *disk, const char *root, struct agent_disk_view *view,
                      struct files *out);

/* ---- cutting the power ----------------------------------------------------------------------- */

enum agent_disk_how {
    AGENT_DISK_BEFORE,  /* the operation does nothing */
    AGENT_DISK_HALFWAY, /* write, wipe, sync: half of the content; sync_dir: half of the changes;
                           others: done, and on the disk before what was done earlier */
    AGENT_DISK_AFTER,   /* it is done, and nobody is told */
    AGENT_DISK_HOWS
};

/* What is left of what was not synced. */
enum agent_disk_variant {
    AGENT_DISK_NOTHING,
    AGENT_DISK_EVERYTHING,
    AGENT_DISK_TORN_EVEN, /* of each directory's changes every second; of each file's content the
                             first half, and zeros up to its length */
    AGENT_DISK_TORN_ODD,  /* the others; half of the content, and the file ends there */
    AGENT_DISK_VARIANTS
};

/*
 * The n-th change from now on, from 1, is cut (0: none is). It and all operations after it give
 * EIO. Changes are: write sync sync_dir rename unlink wipe mkdir rmdir symlink.
 */
void agent_disk_cut(struct agent_disk *disk, unsigned n, enum agent_disk_how how);
bool agent_disk_is_off(const struct agent_disk *disk);
/* Power comes back; also without a cut before. No cut and no failure is set then. */
void agent_disk_restart(struct agent_disk *disk, enum agent_disk_variant variant);

/* Changes that were begun since the disk was made; a refused one (ENOENT) counts too. */
unsigned agent_disk_changes(const struct agent_disk *disk);

/* ---- errors with the power on ---------------------------------------------------------------- */

/* The n-th operation from now on, from 1, gives err and does nothing; 0: none does. Reading counts
 * here too. */
void agent_disk_fail(struct agent_disk *disk, unsigned n, int err);
/* From now on all changes that need room (ENOSPC: write mkdir symlink), or all changes (any other),
 * give err; 0: no more. */
void agent_disk_fail_all(struct agent_disk *disk, int err);
unsigned agent_disk_operations(const struct agent_disk *disk); /* that were begun */

/* ---- looking and tampering: no operations, durable at once ----------------------------------- */

struct agent_disk_look {
    enum file_kind kind;
    mode_t mode;
    uid_t uid;
    gid_t gid;
    const uint8_t *bytes; /* of a file: the disk's, until its next change */
    size_t n;
    const char *target; /* of a link */
};

/* As a program sees it now. Paths are from the disk's root here. False: nothing of that name. */
bool agent_disk_look(const struct agent_disk *disk, const char *path, struct agent_disk_look *out);
/* Makes, or replaces what is there; directories above it too, 0700. target: of a link. */
void agent_disk_put(struct agent_disk *disk, const char *path, mode_t mode, const void *bytes,
                    size_t n);
void agent_disk_put_dir(struct agent_disk *disk, const char *path, mode_t mode);
void agent_disk_put_link(struct agent_disk *disk, const char *path, const char *target);
void agent_disk_remove(struct agent_disk *disk, const char *path); /* with what is below it */
/* What is there. */
void agent_disk_chmod(struct agent_disk *disk, const char *path, mode_t mode);
void agent_disk_chown(struct agent_disk *disk, const char *path, uid_t uid, gid_t gid);
/* Calls each with every path, directories before what is in them, in the order of their making. */
void agent_disk_walk(const struct agent_disk *disk,
                     void (*each)(void *arg, const char *path, const struct agent_disk_look *look),
                     void *arg);
/* Are these bytes in any file, also one that has no name any more, or in what is stored of it? */
bool agent_disk_holds(const struct agent_disk *disk, const void *bytes, size_t n);

#endif
