/* agent_disk_priv.h - the disk's nodes, which agent_disk_ops.c changes and agent_disk.c restarts.
 */
#ifndef SUPPORT_AGENT_DISK_PRIV_H
#define SUPPORT_AGENT_DISK_PRIV_H

#include "agent_disk.h"

enum { DISK_MAX_NAME = 64, DISK_ROOT = 0, DISK_NONE = -1 };

/* Nodes are numbers, so that a disk is copied by copying its arrays. A number is never used
 * again: what was unlinked is still to be found. */
struct disk_name {
    char name[DISK_MAX_NAME];
    int node;
};

struct disk_names {
    struct disk_name *list;
    size_t n;
};

/* A change to a directory's names, not synced: gone goes, and then name is node's. Either may be
 * "". */
struct disk_change {
    char gone[DISK_MAX_NAME];
    struct disk_name come;
};

struct disk_bytes {
    uint8_t *p;
    size_t n;
};

struct disk_node {
    enum file_kind kind;
    mode_t mode;
    uid_t uid;
    gid_t gid;
    struct disk_bytes now, stored;         /* of a file; of a link its target, in now */
    bool unsynced;                         /* now and stored may differ */
    struct disk_names names, stored_names; /* of a directory */
    struct disk_change *changes;
    size_t n_changes;
};

struct agent_disk {
    struct disk_node **nodes;
    int n_nodes;
    unsigned changes, operations;
    unsigned cut_at, fail_at; /* as the counts will be then; 0: never */
    enum agent_disk_how how;
    int fail_err, fail_all_err;
    bool off;
};

/* For what a test has got wrong, and for memory: says what, and ends the program. */
_Noreturn void disk_die(const char *what, const char *about);

int disk_node_new(struct agent_disk *disk, enum file_kind kind, mode_t mode);
void disk_bytes_set(struct disk_bytes *bytes, const void *p, size_t n);

int disk_name_find(const struct disk_names *names, const char *name); /* a node, or DISK_NONE */
void disk_names_apply(struct disk_names *names, const struct disk_change *change);
void disk_names_copy(struct disk_names *to, const struct disk_names *from);
/* To what programs see, and to what is to be synced. */
void disk_change_names(struct disk_node *dir, const char *gone, const char *name, int node);
/* The first n of a directory's changes are stored. */
void disk_store_changes(struct disk_node *dir, size_t n);

/*
 * Walks path from a node. 0 and *dir, name: where its last component is or would be; "." gives the
 * node itself as *dir and "" as name. Or ENOENT, ENOTDIR, ENAMETOOLONG, EINVAL (absolute, "..").
 */
int disk_walk_to(const struct agent_disk *disk, int from, const char *path, int *dir,
                 char name[static DISK_MAX_NAME]);
/* What path leads to, links not followed; or DISK_NONE and *err. */
int disk_find(const struct agent_disk *disk, int from, const char *path, int *err);

#endif
