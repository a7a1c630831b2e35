/* The device's power and its disk. */
#include "sim/sim.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- power ----------------------------------------------------------------------------------- */

void sim_power_off(struct sim *sim, uint32_t fin_ms)
{
    sim->off = true;
    if (sim->linked)
        sim_post(sim, sim_event_new(sim, SIM_FIN), fin_ms);
    sim_unlink(sim);
}

enum sim_way sim_effect(struct sim *sim, bool on_disk)
{
    const struct sim_cut *cut = &sim->cuts[sim->next_cut];

    if (sim->off)
        return SIM_GOES;
    if (++sim->of_boot < SIM_MAX_EFFECTS)
        sim->on_disk[sim->of_boot] = on_disk;
    if (sim->next_cut >= sim->n_cuts || sim->of_boot != cut->at)
        return SIM_GOES;
    sim->next_cut++;
    return cut->how == AGENT_DISK_BEFORE    ? SIM_CUT_BEFORE
           : cut->how == AGENT_DISK_HALFWAY ? SIM_CUT_HALFWAY
                                            : SIM_CUT_AFTER;
}

void sim_leave_if_off(struct sim *sim)
{
    if (!sim->off)
        return;
    sim->end = SIM_CUT;
    longjmp(sim->out, 1);
}

/* ---- files: counted and cut ------------------------------------------------------------------ */

static bool cut_disk(struct sim *sim)
{
    static const enum agent_disk_how hows[] = { [SIM_CUT_BEFORE] = AGENT_DISK_BEFORE,
                                                [SIM_CUT_HALFWAY] = AGENT_DISK_HALFWAY,
                                                [SIM_CUT_AFTER] = AGENT_DISK_AFTER };
    const enum sim_way way = sim_effect(sim, true);

    if (way != SIM_GOES)
        agent_disk_cut(sim->disk, 1, hows[way]);
    return way != SIM_GOES;
}

/* An operation that changes the disk: `call` is that of the disk's own table. */
#define CHANGE(f, call)                                                                            \
    do {                                                                                           \
        const bool cut = cut_disk((f)->sim);                                                       \
        const int rc = (f)->real.call;                                                             \
                                                                                                   \
        if (cut)                                                                                   \
            sim_power_off((f)->sim, SIM_CLOSE_MS);                                                 \
        return rc;                                                                                 \
    } while (0)

static int file_write(void *self, const char *path, mode_t mode, const void *bytes, size_t n)
{
    struct sim_files *f = self;

    CHANGE(f, write(f->real.self, path, mode, bytes, n));
}

static int file_sync(void *self, const char *path)
{
    struct sim_files *f = self;

    CHANGE(f, sync(f->real.self, path));
}

static int file_sync_dir(void *self, const char *path)
{
    struct sim_files *f = self;

    CHANGE(f, sync_dir(f->real.self, path));
}

static int file_rename(void *self, const char *from, const char *to)
{
    struct sim_files *f = self;

    CHANGE(f, rename(f->real.self, from, to));
}

static int file_unlink(void *self, const char *path)
{
    struct sim_files *f = self;

    CHANGE(f, unlink(f->real.self, path));
}

static int file_wipe(void *self, const char *path)
{
    struct sim_files *f = self;

    CHANGE(f, wipe(f->real.self, path));
}

static int file_mkdir(void *self, const char *path, mode_t mode)
{
    struct sim_files *f = self;

    CHANGE(f, mkdir(f->real.self, path, mode));
}

static int file_rmdir(void *self, const char *path)
{
    struct sim_files *f = self;

    CHANGE(f, rmdir(f->real.self, path));
}

static int file_symlink(void *self, const char *target, const char *path)
{
    struct sim_files *f = self;

    CHANGE(f, symlink(f->real.self, target, path));
}

static int file_readlink(void *self, const char *path, char *out, size_t cap)
{
    struct sim_files *f = self;

    return f->real.readlink(f->real.self, path, out, cap);
}

static int file_read(void *self, const char *path, void *out, size_t cap, size_t *n)
{
    struct sim_files *f = self;

    return f->real.read(f->real.self, path, out, cap, n);
}

static int file_stat(void *self, const char *path, struct file_info *out)
{
    struct sim_files *f = self;

    return f->real.stat(f->real.self, path, out);
}

static int file_list(void *self, const char *path, bool (*each)(void *arg, const char *name),
                     void *arg)
{
    struct sim_files *f = self;

    return f->real.list(f->real.self, path, each, arg);
}

/* ---- the sim --------------------------------------------------------------------------------- */

static void open_files(struct sim *sim, const char *root, struct sim_files *out)
{
    out->sim = sim;
    agent_disk_files(sim->disk, root, &out->view, &out->real);
    out->counted = (struct files){ .self = out,
                                   .write = file_write,
                                   .sync = file_sync,
                                   .sync_dir = file_sync_dir,
                                   .rename = file_rename,
                                   .unlink = file_unlink,
                                   .wipe = file_wipe,
                                   .mkdir = file_mkdir,
                                   .rmdir = file_rmdir,
                                   .symlink = file_symlink,
                                   .readlink = file_readlink,
                                   .read = file_read,
                                   .stat = file_stat,
                                   .list = file_list };
}

void sim_rest_take(const struct sim *sim, struct sim_rest *out)
{
    *out = (struct sim_rest){ .store = sim_copy_store(sim->world->store),
                              .disk = agent_disk_copy(sim->disk),
                              .rng = sim->rng,
                              .now_ms = sim->now_ms,
                              .boot = sim->boot,
                              .link = sim->link,
                              .keys = sim_keys_made() };
}

void sim_rest_release(struct sim_rest *rest)
{
    prov_store_free(rest->store);
    agent_disk_free(rest->disk);
    *rest = (struct sim_rest){ .store = NULL };
}

static void go_on_from(struct sim *sim, const struct sim_rest *from)
{
    sim->disk = agent_disk_copy(from->disk);
    sim->rng = from->rng;
    sim->now_ms = from->now_ms;
    sim->boot = from->boot;
    sim->link = from->link;
    sim_keys_from(from->keys);
}

struct sim *sim_new(uint64_t seed, const struct store_conf *store_conf, const struct sim_rest *from)
{
    struct sim *sim = calloc(1, sizeof *sim);

    assert_non_null(sim);
    sim->agent = calloc(1, sizeof *sim->agent);
    assert_non_null(sim->agent);
    sim_keys_from(0);
    sim->seed = seed;
    sim->rng.state = seed;
    sim->limit_ms = UINT64_MAX;
    sim->store_conf = store_conf;
    sim->world = sim_world_new(from != NULL ? from->store : NULL);
    sim->broker = sim_broker_new(sim->world, &sim->rng);
    if (from != NULL)
        go_on_from(sim, from);
    else
        sim->disk = agent_disk_new();
    open_files(sim, SIM_DIR, &sim->dir);
    open_files(sim, "", &sim->root);
    return sim;
}

void sim_free(struct sim *sim)
{
    struct sim_event *event;

    if (sim == NULL)
        return;
    while ((event = sim->events) != NULL) {
        sim->events = event->next;
        sim_event_free(event);
    }
    sim_event_free(sim->given);
    store_free(sim->store);
    store_free(sim->looked_in);
    agent_disk_free(sim->disk);
    sim_broker_free(sim->broker);
    sim_world_free(sim->world);
    free(sim->sessions);
    free(sim->agent);
    free(sim);
}

struct store *sim_look_in(struct sim *sim)
{
    if (sim->looked_in == NULL)
        sim->looked_in = store_new(sim->store_conf, &sim->dir.real, &sim->root.real);
    assert_non_null(sim->looked_in);
    return sim->looked_in;
}
