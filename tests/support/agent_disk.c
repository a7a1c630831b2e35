#include "agent_disk_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Noreturn void disk_die(const char *what, const char *about)
{
    (void)fprintf(stderr, "agent_disk: %s: %s\n", what, about);
    abort();
}

static void *grown(void *p, size_t n, size_t each)
{
    void *more = realloc(p, (n == 0 ? 1 : n) * each);

    if (more == NULL)
        disk_die("no memory", "realloc");
    return more;
}

/* ---- names ----------------------------------------------------------------------------------- */

int disk_name_find(const struct disk_names *names, const char *name)
{
    for (size_t i = 0; i < names->n; i++) {
        if (strcmp(names->list[i].name, name) == 0)
            return names->list[i].node;
    }
    return DISK_NONE;
}

static void names_remove(struct disk_names *names, const char *name)
{
    for (size_t i = 0; i < names->n; i++) {
        if (strcmp(names->list[i].name, name) != 0)
            continue;
        names->n--;
        memmove(&names->list[i], &names->list[i + 1], (names->n - i) * sizeof *names->list);
        return;
    }
}

void disk_names_apply(struct disk_names *names, const struct disk_change *change)
{
    if (change->gone[0] != '\0')
        names_remove(names, change->gone);
    if (change->come.name[0] == '\0')
        return;
    names_remove(names, change->come.name);
    names->list = grown(names->list, names->n + 1, sizeof *names->list);
    names->list[names->n++] = change->come;
}

void disk_names_copy(struct disk_names *to, const struct disk_names *from)
{
    to->list = grown(to->list, from->n, sizeof *to->list);
    to->n = from->n;
    if (from->n != 0)
        memcpy(to->list, from->list, from->n * sizeof *to->list);
}

void disk_change_names(struct disk_node *dir, const char *gone, const char *name, int node)
{
    struct disk_change change = { .come.node = node };

    memcpy(change.gone, gone, strlen(gone) + 1);
    memcpy(change.come.name, name, strlen(name) + 1);
    disk_names_apply(&dir->names, &change);
    dir->changes = grown(dir->changes, dir->n_changes + 1, sizeof *dir->changes);
    dir->changes[dir->n_changes++] = change;
}

void disk_store_changes(struct disk_node *dir, size_t n)
{
    for (size_t i = 0; i < n; i++)
        disk_names_apply(&dir->stored_names, &dir->changes[i]);
    dir->n_changes -= n;
    if (dir->n_changes != 0)
        memmove(dir->changes, dir->changes + n, dir->n_changes * sizeof *dir->changes);
}

/* ---- nodes ----------------------------------------------------------------------------------- */

void disk_bytes_set(struct disk_bytes *bytes, const void *p, size_t n)
{
    bytes->p = grown(bytes->p, n, 1);
    bytes->n = n;
    if (n != 0)
        memcpy(bytes->p, p, n);
}

int disk_node_new(struct agent_disk *disk, enum file_kind kind, mode_t mode)
{
    struct disk_node *node = grown(NULL, 1, sizeof *node);

    memset(node, 0, sizeof *node);
    node->kind = kind;
    node->mode = mode;
    node->uid = geteuid();
    node->gid = getegid();
    disk->nodes = grown(disk->nodes, (size_t)disk->n_nodes + 1, sizeof(struct disk_node *));
    disk->nodes[disk->n_nodes] = node;
    return disk->n_nodes++;
}

static void node_free(struct disk_node *node)
{
    free(node->now.p);
    free(node->stored.p);
    free(node->names.list);
    free(node->stored_names.list);
    free(node->changes);
    free(node);
}

static struct disk_node *node_copy(const struct disk_node *from)
{
    struct disk_node *to = grown(NULL, 1, sizeof *to);

    *to = *from;
    to->now = to->stored = (struct disk_bytes){ NULL, 0 };
    to->names = to->stored_names = (struct disk_names){ NULL, 0 };
    disk_bytes_set(&to->now, from->now.p, from->now.n);
    disk_bytes_set(&to->stored, from->stored.p, from->stored.n);
    disk_names_copy(&to->names, &from->names);
    disk_names_copy(&to->stored_names, &from->stored_names);
    to->changes = grown(NULL, from->n_changes, sizeof *to->changes);
    if (from->n_changes != 0)
        memcpy(to->changes, from->changes, from->n_changes * sizeof *to->changes);
    return to;
}

int disk_walk_to(const struct agent_disk *disk, int from, const char *path, int *dir,
                 char name[static DISK_MAX_NAME])
{
    int at = from;

    name[0] = '\0';
    if (path[0] == '/')
        return EINVAL;
    while (*path != '\0') {
        const size_t n = strcspn(path, "/");

        if (name[0] != '\0')
            at = disk_name_find(&disk->nodes[at]->names, name);
        if (at == DISK_NONE)
            return ENOENT;
        if (disk->nodes[at]->kind != FILE_DIRECTORY)
            return ENOTDIR;
        if (n >= DISK_MAX_NAME)
            return ENAMETOOLONG;
        if (n == 0 || (n == 2 && memcmp(path, "..", 2) == 0))
            return EINVAL;
        if (n != 1 || path[0] != '.') {
            memcpy(name, path, n);
            name[n] = '\0';
        }
        path += n + (path[n] == '/' ? 1 : 0);
    }
    *dir = at;
    return 0;
}

int disk_find(const struct agent_disk *disk, int from, const char *path, int *err)
{
    char name[DISK_MAX_NAME];
    int dir, node;

    *err = disk_walk_to(disk, from, path, &dir, name);
    if (*err != 0)
        return DISK_NONE;
    node = name[0] == '\0' ? dir : disk_name_find(&disk->nodes[dir]->names, name);
    if (node == DISK_NONE)
        *err = ENOENT;
    return node;
}

/* ---- the disk -------------------------------------------------------------------------------- */

struct agent_disk *agent_disk_new(void)
{
    struct agent_disk *disk = grown(NULL, 1, sizeof *disk);

    memset(disk, 0, sizeof *disk);
    (void)disk_node_new(disk, FILE_DIRECTORY, 0700);
    return disk;
}

void agent_disk_free(struct agent_disk *disk)
{
    if (disk == NULL)
        return;
    for (int i = 0; i < disk->n_nodes; i++)
        node_free(disk->nodes[i]);
    free(disk->nodes);
    free(disk);
}

struct agent_disk *agent_disk_copy(const struct agent_disk *disk)
{
    struct agent_disk *copy = grown(NULL, 1, sizeof *copy);

    *copy = *disk;
    copy->nodes = grown(NULL, (size_t)disk->n_nodes, sizeof(struct disk_node *));
    for (int i = 0; i < disk->n_nodes; i++)
        copy->nodes[i] = node_copy(disk->nodes[i]);
    return copy;
}

void agent_disk_cut(struct agent_disk *disk, unsigned n, enum agent_disk_how how)
{
    disk->cut_at = n == 0 ? 0 : disk->changes + n;
    disk->how = how;
}

bool agent_disk_is_off(const struct agent_disk *disk)
{
    return disk->off;
}

unsigned agent_disk_changes(const struct agent_disk *disk)
{
    return disk->changes;
}

unsigned agent_disk_operations(const struct agent_disk *disk)
{
    return disk->operations;
}

void agent_disk_fail(struct agent_disk *disk, unsigned n, int err)
{
    disk->fail_at = n == 0 ? 0 : disk->operations + n;
    disk->fail_err = err;
}

void agent_disk_fail_all(struct agent_disk *disk, int err)
{
    disk->fail_all_err = err;
}

/* ---- power comes back ------------------------------------------------------------------------ */

static void restart_dir(struct disk_node *dir, enum agent_disk_variant variant)
{
    const bool of_place[][2] = { /* is a change at an even, at an odd place kept? */
                                 [AGENT_DISK_NOTHING] = { false, false },
                                 [AGENT_DISK_EVERYTHING] = { true, true },
                                 [AGENT_DISK_TORN_EVEN] = { true, false },
                                 [AGENT_DISK_TORN_ODD] = { false, true }
    };

    for (size_t i = 0; i < dir->n_changes; i++) {
        if (of_place[variant][i % 2])
            disk_names_apply(&dir->stored_names, &dir->changes[i]);
    }
    dir->n_changes = 0;
    disk_names_copy(&dir->names, &dir->stored_names);
}

static void restart_file(struct disk_node *file, enum agent_disk_variant variant)
{
    const size_t half = file->now.n / 2;

    if (!file->unsynced)
        return;
    if (variant == AGENT_DISK_NOTHING)
        disk_bytes_set(&file->now, file->stored.p, file->stored.n);
    else if (variant == AGENT_DISK_TORN_EVEN && file->now.n != 0)
        memset(file->now.p + half, 0, file->now.n - half);
    else if (variant == AGENT_DISK_TORN_ODD)
        file->now.n = half;
    disk_bytes_set(&file->stored, file->now.p, file->now.n);
    file->unsynced = false;
}

void agent_disk_restart(struct agent_disk *disk, enum agent_disk_variant variant)
{
    for (int i = 0; i < disk->n_nodes; i++) {
        if (disk->nodes[i]->kind == FILE_DIRECTORY)
            restart_dir(disk->nodes[i], variant);
        else if (disk->nodes[i]->kind == FILE_REGULAR)
            restart_file(disk->nodes[i], variant);
    }
    disk->off = false;
    disk->cut_at = disk->fail_at = 0;
    disk->fail_all_err = 0;
}
