/* agent_disk_look.c - a test looks at a disk, and tampers with it. */
#include <stdio.h>
#include <string.h>

#include "agent_disk_priv.h"

static void look_at(const struct disk_node *node, struct agent_disk_look *out)
{
    *out = (struct agent_disk_look){
        .kind = node->kind, .mode = node->mode, .uid = node->uid, .gid = node->gid
    };
    if (node->kind == FILE_REGULAR) {
        out->bytes = node->now.p;
        out->n = node->now.n;
    }
    if (node->kind == FILE_LINK)
        out->target = (const char *)node->now.p;
}

bool agent_disk_look(const struct agent_disk *disk, const char *path, struct agent_disk_look *out)
{
    int err;
    const int node = disk_find(disk, DISK_ROOT, path, &err);

    if (node == DISK_NONE)
        return false;
    look_at(disk->nodes[node], out);
    return true;
}

/* Its names as they are now are also the stored ones. */
static void store_names(struct disk_node *dir)
{
    disk_store_changes(dir, dir->n_changes);
}

/* The directory above path, made if it is not there, and the last component. */
static struct disk_node *above(struct agent_disk *disk, const char *path,
                               char name[static DISK_MAX_NAME])
{
    const char *slash = strrchr(path, '/');
    char dir[256] = "";
    const size_t n = slash == NULL ? 0 : (size_t)(slash - path);
    struct agent_disk_look look;
    int err, node;

    if (n < sizeof dir)
        memcpy(dir, path, n);
    if (n >= sizeof dir - 1)
        disk_die("too long", path);
    if (n != 0 && !agent_disk_look(disk, dir, &look))
        agent_disk_put_dir(disk, dir, 0700);
    if (disk_walk_to(disk, DISK_ROOT, path, &node, name) != 0 || name[0] == '\0')
        disk_die("not a path", path);
    node = disk_find(disk, DISK_ROOT, dir, &err);
    store_names(disk->nodes[node]);
    return disk->nodes[node];
}

static struct disk_node *put(struct agent_disk *disk, const char *path, enum file_kind kind,
                             mode_t mode, const void *bytes, size_t n)
{
    char name[DISK_MAX_NAME];
    struct disk_node *dir = above(disk, path, name);
    const int node = disk_node_new(disk, kind, mode);

    disk_bytes_set(&disk->nodes[node]->now, bytes, n);
    disk_bytes_set(&disk->nodes[node]->stored, bytes, n);
    disk_change_names(dir, "", name, node);
    store_names(dir);
    return disk->nodes[node];
}

void agent_disk_put(struct agent_disk *disk, const char *path, mode_t mode, const void *bytes,
                    size_t n)
{
    (void)put(disk, path, FILE_REGULAR, mode, bytes, n);
}

void agent_disk_put_dir(struct agent_disk *disk, const char *path, mode_t mode)
{
    (void)put(disk, path, FILE_DIRECTORY, mode, NULL, 0);
}

void agent_disk_put_link(struct agent_disk *disk, const char *path, const char *target)
{
    (void)put(disk, path, FILE_LINK, 0777, target, strlen(target) + 1);
}

void agent_disk_remove(struct agent_disk *disk, const char *path)
{
    char name[DISK_MAX_NAME];
    struct disk_node *dir = above(disk, path, name);

    disk_change_names(dir, name, "", DISK_NONE);
    store_names(dir);
}

static struct disk_node *must_find(struct agent_disk *disk, const char *path)
{
    int err;
    const int node = disk_find(disk, DISK_ROOT, path, &err);

    if (node == DISK_NONE)
        disk_die("not there", path);
    return disk->nodes[node];
}

void agent_disk_chmod(struct agent_disk *disk, const char *path, mode_t mode)
{
    must_find(disk, path)->mode = mode;
}

void agent_disk_chown(struct agent_disk *disk, const char *path, uid_t uid, gid_t gid)
{
    struct disk_node *node = must_find(disk, path);

    node->uid = uid;
    node->gid = gid;
}

/* ---- all of it ------------------------------------------------------------------------------- */

struct walk {
    const struct agent_disk *disk;
    void (*each)(void *arg, const char *path, const struct agent_disk_look *look);
    void *arg;
    char path[512];
};

static void walk_dir(struct walk *walk, const struct disk_node *dir, size_t n)
{
    for (size_t i = 0; i < dir->names.n; i++) {
        const struct disk_name *name = &dir->names.list[i];
        const struct disk_node *node = walk->disk->nodes[name->node];
        const int more =
            snprintf(walk->path + n, sizeof walk->path - n, "%s%s", n == 0 ? "" : "/", name->name);
        struct agent_disk_look look;

        if (more < 0 || (size_t)more >= sizeof walk->path - n)
            disk_die("too long", name->name);
        look_at(node, &look);
        walk->each(walk->arg, walk->path, &look);
        if (node->kind == FILE_DIRECTORY)
            walk_dir(walk, node, n + (size_t)more);
    }
}

void agent_disk_walk(const struct agent_disk *disk,
                     void (*each)(void *arg, const char *path, const struct agent_disk_look *look),
                     void *arg)
{
    struct walk walk = { .disk = disk, .each = each, .arg = arg };

    walk_dir(&walk, disk->nodes[DISK_ROOT], 0);
}

static bool holds(const struct disk_bytes *bytes, const void *what, size_t n)
{
    return bytes->n >= n && memmem(bytes->p, bytes->n, what, n) != NULL;
}

bool agent_disk_holds(const struct agent_disk *disk, const void *bytes, size_t n)
{
    for (int i = 0; i < disk->n_nodes; i++) {
        const struct disk_node *node = disk->nodes[i];

        if (node->kind == FILE_REGULAR &&
            (holds(&node->now, bytes, n) || holds(&node->stored, bytes, n)))
            return true;
    }
    return false;
}
