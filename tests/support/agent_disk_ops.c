/* agent_disk_ops.c - struct files over a disk in memory. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent_disk_priv.h"

/* An operation under way: what it works on, and whether the power goes in it. */
struct op {
    struct agent_disk *disk;
    int root; /* of the view */
    bool cut, half;
};

/* Counts the operation; another value than 0: that is how it ends, before it does anything. */
static int begin(void *self, bool change, bool needs_room, struct op *op)
{
    const struct agent_disk_view *view = self;
    struct agent_disk *disk = view->disk;
    int err;

    *op = (struct op){ .disk = disk };
    if (disk->off)
        return EIO;
    disk->operations++;
    disk->changes += change;
    if (change && disk->changes == disk->cut_at) {
        disk->off = disk->how == AGENT_DISK_BEFORE;
        op->cut = true;
        op->half = disk->how == AGENT_DISK_HALFWAY;
        if (disk->off)
            return EIO;
    }
    if (disk->operations == disk->fail_at)
        return disk->fail_err;
    if (disk->fail_all_err != 0 && change && (needs_room || disk->fail_all_err != ENOSPC))
        return disk->fail_all_err;
    op->root = disk_find(disk, DISK_ROOT, view->root, &err);
    return op->root == DISK_NONE ? err : 0;
}

/* How a change ends: the one that was cut tells nobody. */
static int end(const struct op *op, int err)
{
    if (op->cut)
        op->disk->off = true;
    return op->cut ? EIO : err;
}

static struct disk_node *node_at(const struct op *op, const char *path, int *err)
{
    const int node = disk_find(op->disk, op->root, path, err);

    return node == DISK_NONE ? NULL : op->disk->nodes[node];
}

static int not_a_file(const struct disk_node *node)
{
    static const int errors[] = {
        [FILE_OTHER] = EINVAL, [FILE_REGULAR] = 0, [FILE_DIRECTORY] = EISDIR, [FILE_LINK] = ELOOP
    };

    return errors[node->kind];
}

/* The regular file at path, or NULL and *err. */
static struct disk_node *file_at(const struct op *op, const char *path, int *err)
{
    struct disk_node *node = node_at(op, path, err);

    if (node == NULL)
        return NULL;
    *err = not_a_file(node);
    return *err == 0 ? node : NULL;
}

/* Changes a directory's names; in a cut half, the disk has this before all that was changed
 * earlier. */
static void change_names(const struct op *op, struct disk_node *dir, const char *gone,
                         const char *name, int node)
{
    disk_change_names(dir, gone, name, node);
    if (op->half)
        disk_names_apply(&dir->stored_names, &dir->changes[dir->n_changes - 1]);
}

/* Something new at path, which nothing must be at yet. */
static int add(const struct op *op, const char *path, enum file_kind kind, mode_t mode,
               const void *bytes, size_t n)
{
    char name[DISK_MAX_NAME];
    int dir, node;
    const int err = disk_walk_to(op->disk, op->root, path, &dir, name);

    if (err != 0)
        return err;
    if (name[0] == '\0' || disk_name_find(&op->disk->nodes[dir]->names, name) != DISK_NONE)
        return EEXIST;
    node = disk_node_new(op->disk, kind, mode);
    disk_bytes_set(&op->disk->nodes[node]->now, bytes, n);
    op->disk->nodes[node]->unsynced = kind == FILE_REGULAR;
    change_names(op, op->disk->nodes[dir], "", name, node);
    return 0;
}

/* ---- changes --------------------------------------------------------------------------------- */

static int disk_write(void *self, const char *path, mode_t mode, const void *bytes, size_t n)
{
    struct op op;
    const int err = begin(self, true, true, &op);

    if (err != 0)
        return end(&op, err);
    return end(&op, add(&op, path, FILE_REGULAR, mode, bytes, op.half ? n / 2 : n));
}

static int disk_mkdir(void *self, const char *path, mode_t mode)
{
    struct op op;
    const int err = begin(self, true, true, &op);

    if (err != 0)
        return end(&op, err);
    return end(&op, add(&op, path, FILE_DIRECTORY, mode, NULL, 0));
}

static int disk_symlink(void *self, const char *target, const char *path)
{
    struct op op;
    const int err = begin(self, true, true, &op);

    if (err != 0)
        return end(&op, err);
    return end(&op, add(&op, path, FILE_LINK, 0777, target, strlen(target) + 1));
}

static int disk_sync(void *self, const char *path)
{
    struct op op;
    struct disk_node *file;
    int err = begin(self, true, false, &op);

    if (err != 0)
        return end(&op, err);
    file = file_at(&op, path, &err);
    if (file == NULL)
        return end(&op, err);
    if (file->unsynced) {
        disk_bytes_set(&file->stored, file->now.p, file->now.n);
        file->unsynced = op.half;
    }
    if (file->unsynced)
        memset(file->stored.p + file->now.n / 2, 0, file->now.n - file->now.n / 2);
    return end(&op, 0);
}

static int disk_sync_dir(void *self, const char *path)
{
    struct op op;
    struct disk_node *dir;
    int err = begin(self, true, false, &op);

    if (err != 0)
        return end(&op, err);
    dir = node_at(&op, path, &err);
    if (dir == NULL)
        return end(&op, err);
    if (dir->kind != FILE_DIRECTORY)
        return end(&op, ENOTDIR);
    disk_store_changes(dir, op.half ? dir->n_changes / 2 : dir->n_changes);
    return end(&op, 0);
}

static int disk_wipe(void *self, const char *path)
{
    struct op op;
    struct disk_node *file;
    int err = begin(self, true, false, &op);

    if (err != 0)
        return end(&op, err);
    file = file_at(&op, path, &err);
    if (file == NULL)
        return end(&op, err);
    memset(file->now.p, 0, op.half ? file->now.n / 2 : file->now.n);
    disk_bytes_set(&file->stored, file->now.p, file->now.n);
    file->unsynced = false;
    return end(&op, 0);
}

/* Removes a name; dirs: of an empty directory, otherwise of anything else. */
static int take_away(const struct op *op, const char *path, bool dirs)
{
    char name[DISK_MAX_NAME];
    int dir, node;
    const int err = disk_walk_to(op->disk, op->root, path, &dir, name);

    if (err != 0)
        return err;
    if (name[0] == '\0')
        return EBUSY;
    node = disk_name_find(&op->disk->nodes[dir]->names, name);
    if (node == DISK_NONE)
        return ENOENT;
    if (dirs != (op->disk->nodes[node]->kind == FILE_DIRECTORY))
        return dirs ? ENOTDIR : EISDIR;
    if (dirs && op->disk->nodes[node]->names.n != 0)
        return ENOTEMPTY;
    change_names(op, op->disk->nodes[dir], name, "", DISK_NONE);
    return 0;
}

static int disk_unlink(void *self, const char *path)
{
    struct op op;
    const int err = begin(self, true, false, &op);

    return end(&op, err != 0 ? err : take_away(&op, path, false));
}

static int disk_rmdir(void *self, const char *path)
{
    struct op op;
    const int err = begin(self, true, false, &op);

    return end(&op, err != 0 ? err : take_away(&op, path, true));
}

static int move(const struct op *op, const char *from, const char *to)
{
    char old[DISK_MAX_NAME], new[DISK_MAX_NAME];
    int dir, other_dir, node, there;
    int err = disk_walk_to(op->disk, op->root, from, &dir, old);

    if (err == 0)
        err = disk_walk_to(op->disk, op->root, to, &other_dir, new);
    if (err != 0)
        return err;
    if (dir != other_dir)
        disk_die("rename into another directory", to);
    node = disk_name_find(&op->disk->nodes[dir]->names, old);
    if (node == DISK_NONE)
        return ENOENT;
    if (op->disk->nodes[node]->kind == FILE_DIRECTORY)
        disk_die("rename of a directory", from);
    there = disk_name_find(&op->disk->nodes[dir]->names, new);
    if (there != DISK_NONE && op->disk->nodes[there]->kind == FILE_DIRECTORY)
        return EISDIR;
    change_names(op, op->disk->nodes[dir], old, new, node);
    return 0;
}

static int disk_rename(void *self, const char *from, const char *to)
{
    struct op op;
    const int err = begin(self, true, false, &op);

    return end(&op, err != 0 ? err : move(&op, from, to));
}

/* ---- reading --------------------------------------------------------------------------------- */

static int disk_readlink(void *self, const char *path, char *out, size_t cap)
{
    struct op op;
    const struct disk_node *node;
    int err = begin(self, false, false, &op);

    if (err != 0)
        return err;
    node = node_at(&op, path, &err);
    if (node == NULL)
        return err;
    if (node->kind != FILE_LINK)
        return EINVAL;
    if (node->now.n > cap)
        return ENAMETOOLONG;
    memcpy(out, node->now.p, node->now.n);
    return 0;
}

static int disk_read(void *self, const char *path, void *out, size_t cap, size_t *n)
{
    struct op op;
    const struct disk_node *file;
    int err = begin(self, false, false, &op);

    *n = 0;
    if (err != 0)
        return err;
    file = file_at(&op, path, &err);
    if (file == NULL)
        return err == EISDIR ? EINVAL : err;
    if (file->now.n > cap)
        return EFBIG;
    if (file->now.n != 0)
        memcpy(out, file->now.p, file->now.n);
    *n = file->now.n;
    return 0;
}

static int disk_stat(void *self, const char *path, struct file_info *out)
{
    struct op op;
    const struct disk_node *node;
    int err = begin(self, false, false, &op);

    if (err != 0)
        return err;
    node = node_at(&op, path, &err);
    if (node == NULL)
        return err;
    *out = (struct file_info){ node->kind, node->mode, node->uid, node->gid, node->now.n };
    return 0;
}

static int disk_list(void *self, const char *path, bool (*each)(void *arg, const char *name),
                     void *arg)
{
    struct op op;
    const struct disk_node *dir;
    int err = begin(self, false, false, &op);

    if (err != 0)
        return err;
    dir = node_at(&op, path, &err);
    if (dir == NULL)
        return err;
    if (dir->kind != FILE_DIRECTORY)
        return ENOTDIR;
    for (size_t i = 0; i < dir->names.n; i++) {
        if (!each(arg, dir->names.list[i].name))
            break;
    }
    return 0;
}

void agent_disk_files(struct agent_disk *disk, const char *root, struct agent_disk_view *view,
                      struct files *out)
{
    struct agent_disk_look look;

    view->disk = disk;
    if (strlen(root) >= sizeof view->root)
        disk_die("too long", root);
    memcpy(view->root, root, strlen(root) + 1);
    if (root[0] != '\0' && !agent_disk_look(disk, root, &look))
        agent_disk_put_dir(disk, root, 0700);
    *out = (struct files){ .self = view,
                           .write = disk_write,
                           .sync = disk_sync,
                           .sync_dir = disk_sync_dir,
                           .rename = disk_rename,
                           .unlink = disk_unlink,
                           .wipe = disk_wipe,
                           .mkdir = disk_mkdir,
                           .rmdir = disk_rmdir,
                           .symlink = disk_symlink,
                           .readlink = disk_readlink,
                           .read = disk_read,
                           .stat = disk_stat,
                           .list = disk_list };
}
