/* store.c - the state directory as a whole: what is found in it, the record, what is in force. */
#include "store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "device-agent/core/text.h"
#include "store_priv.h"

struct store *store_new(const struct store_conf *conf, const struct files *files,
                        const struct files *root)
{
    struct store *store = calloc(1, sizeof *store);

    if (store == NULL)
        return NULL;
    store->conf = *conf;
    store->files = *files;
    store->root = *root;
    store->key = (struct agent_text){ store->key_bytes, 0, sizeof store->key_bytes };
    store->cert = (struct agent_text){ store->cert_bytes, 0, sizeof store->cert_bytes };
    store->csr = (struct agent_text){ store->csr_bytes, 0, sizeof store->csr_bytes };
    return store;
}

void store_free(struct store *store)
{
    if (store == NULL)
        return;
    agent_text_clear(&store->key);
    free(store);
}

/* ---- found ----------------------------------------------------------------------------------- */

uint32_t store_in_force(struct store *store)
{
    const struct files *const f = &store->files;
    char target[64];
    struct file_info info;
    uint32_t number;

    if (f->readlink(f->self, "current", target, sizeof target) != 0 ||
        strncmp(target, "gen/", 4) != 0)
        return 0;
    number = store_generation(target + 4);
    if (number == 0 || f->stat(f->self, target, &info) != 0 || info.kind != FILE_DIRECTORY)
        return 0;
    return number;
}

/* Not fatal: what cannot be removed is in nobody's way until it is written again. */
static void clear_away(struct store *store, const struct agent_found *found)
{
    (void)store_remove(store, "state.tmp");
    (void)store_remove(store, "current.tmp");
    (void)store_remove_all(store, "claim", ".tmp");
    for (size_t i = 0; i < found->n_generations; i++) {
        const struct store_path dir = store_slot_dir(found->generations[i].number);

        (void)store_remove_all(store, dir.p, ".tmp");
    }
}

static void insert(struct agent_found *found, uint32_t number)
{
    size_t at = found->n_generations++;

    for (; at > 0 && found->generations[at - 1].number > number; at--)
        found->generations[at] = found->generations[at - 1];
    found->generations[at] = (struct agent_generation){ .number = number };
}

/* Where there is no room, the lowest goes that is not in force. */
static bool add_generation(void *arg, const char *name)
{
    struct agent_found *const found = arg;
    const uint32_t number = store_generation(name);
    struct agent_generation *const all = found->generations;

    if (number == 0)
        return true;
    if (found->n_generations == AGENT_MAX_GENERATIONS) {
        const size_t lowest = all[0].number == found->in_force;

        if (number != found->in_force && number < all[lowest].number)
            return true;
        found->n_generations--;
        memmove(all + lowest, all + lowest + 1, (found->n_generations - lowest) * sizeof *all);
    }
    insert(found, number);
    return true;
}

/* An identity that may be fine is never said to be gone: only what is AGENT_ANSWER for good is. */
static enum agent_class find_slot(struct store *store, struct agent_generation *generation,
                                  struct port_result *result)
{
    struct port_result why = { 0 };
    const enum agent_class class =
        store_read_pair(store, generation->number, &generation->slot, &why);

    if (class != AGENT_OK && class != AGENT_ANSWER)
        *result = why;
    if (class != AGENT_ANSWER)
        return class;
    if (store_read_key(store, generation->number, &store->key, &why) == AGENT_OK)
        generation->slot.key = store_key_loads(store, &store->key, &why);
    return AGENT_OK;
}

static enum agent_class find_generations(struct store *store, struct agent_found *found,
                                         struct port_result *result)
{
    const struct files *const f = &store->files;
    int err;

    found->in_force = store_in_force(store);
    err = f->list(f->self, "gen", add_generation, found);
    if (err != 0 && err != ENOENT)
        return store_io_fail(store, (struct store_place){ f, "gen" }, "read", err, result);
    if (!store->conf.look_only)
        clear_away(store, found);
    for (size_t i = 0; i < found->n_generations; i++) {
        const enum agent_class class = find_slot(store, &found->generations[i], result);

        if (class != AGENT_OK)
            return class;
    }
    return AGENT_OK;
}

/* What a process that was killed had renamed and not synced is as good as stored from here on, or a
 * power cut would take back what is built upon it. */
static void make_lasting(struct store *store, const struct agent_found *found)
{
    const struct files *const f = &store->files;

    for (size_t i = 0; i < found->n_generations; i++)
        (void)f->sync_dir(f->self, store_slot_dir(found->generations[i].number).p);
    (void)f->sync_dir(f->self, "gen");
    (void)f->sync_dir(f->self, "claim");
    (void)f->sync_dir(f->self, ".");
}

static enum agent_class find_record(struct store *store, uint8_t record[static AGENT_STATE_MAX],
                                    size_t *n, struct port_result *result)
{
    const struct files *const f = &store->files;
    const int err = f->read(f->self, "state", record, AGENT_STATE_MAX, n);
    const struct store_place place = { f, "state" };
    char shown[PATH_MAX];

    if (err == 0 || err == ENOENT)
        return AGENT_OK;
    if (err == EFBIG)
        return port_fail(result, AGENT_RECORD,
                         "%.150s is longer than a record of this version: use the agent's later "
                         "version, or remove it",
                         store_shown(store, place, shown));
    return store_io_fail(store, place, "read", err, result);
}

enum agent_class store_find(struct store *store, struct agent_found *found,
                            uint8_t record[static AGENT_STATE_MAX], size_t *n,
                            struct port_result *claim_trouble, struct port_result *result)
{
    enum agent_class class;

    *found = (struct agent_found){ 0 };
    *n = 0;
    class = find_record(store, record, n, result);
    if (class == AGENT_OK)
        class = find_generations(store, found, result);
    if (class == AGENT_OK && !store->conf.look_only) {
        store_recover_claim(store);
        make_lasting(store, found);
    }
    if (class == AGENT_OK)
        store_find_claim(store, &found->claim, claim_trouble);
    agent_text_clear(&store->key);
    return class;
}

enum agent_class store_load(struct store *store, uint32_t slot, struct agent_text *cert,
                            struct agent_text *key, struct port_result *result)
{
    enum agent_class class = store_read_cert(store, slot, cert, result);

    agent_text_clear(key);
    if (class == AGENT_OK)
        class = store_read_key(store, slot, key, result);
    if (class == AGENT_OK)
        return AGENT_OK;
    agent_text_clear(cert);
    result->class = class == AGENT_ANSWER ? AGENT_LOCAL : class;
    return result->class;
}

/* ---- the port -------------------------------------------------------------------------------- */

/* Outside the store nobody knows what is there and what is not: what cannot be used is the device's
 * trouble. And no key stays in memory. */
static void ended(struct store *store, struct port_result *result, enum agent_class class)
{
    if (class == AGENT_ANSWER)
        class = AGENT_LOCAL;
    result->class = class;
    if (class == AGENT_OK)
        result->text[0] = '\0';
    agent_text_clear(&store->key);
}

/* Generations alone: the claim is not this device's to make. */
static bool is_generation(uint32_t slot, struct port_result *result)
{
    if (slot == AGENT_SLOT_CLAIM)
        (void)port_fail(result, AGENT_LOCAL, "the claim is not the agent's to change");
    return slot != AGENT_SLOT_CLAIM;
}

static void port_save(void *self, struct agent_span record, struct port_result *result)
{
    struct store *const store = self;

    ended(store, result, store_put(store, ".", "state", S_IRUSR | S_IWUSR, record, result));
}

static void port_make_key(void *self, uint32_t slot, bool own_key, struct port_result *result)
{
    if (is_generation(slot, result))
        ended(self, result, store_make_key(self, slot, own_key, result));
}

static void port_make_csr(void *self, uint32_t slot, const char **csr, struct port_result *result)
{
    struct store *const store = self;

    *csr = NULL;
    if (!is_generation(slot, result))
        return;
    ended(store, result, store_make_csr(store, slot, result));
    if (result->class == AGENT_OK)
        *csr = store->csr.p;
}

static void port_store_cert(void *self, uint32_t slot, struct agent_span cert,
                            struct agent_span key, struct agent_slot *out,
                            struct port_result *result)
{
    struct store *const store = self;

    *out = (struct agent_slot){ 0 };
    if (!is_generation(slot, result))
        return;
    /* here AGENT_ANSWER is what it says */
    result->class = store_put_cert(store, slot, cert, key, out, result);
    agent_text_clear(&store->key);
}

static void port_store_config(void *self, uint32_t slot, struct agent_span json,
                              struct port_result *result)
{
    struct store *const store = self;
    const struct store_path dir = store_slot_dir(slot);

    if (is_generation(slot, result))
        ended(store, result,
              store_put(store, dir.p, "config.json", store_mode(store, slot), json, result));
}

static void port_adopt(void *self, uint32_t slot, struct agent_slot *out,
                       struct port_result *result)
{
    *out = (struct agent_slot){ 0 };
    if (is_generation(slot, result))
        ended(self, result, store_adopt(self, slot, out, result));
}

static enum agent_class promote(struct store *store, uint32_t slot, struct port_result *result)
{
    const struct store_path dir = store_slot_dir(slot);
    struct agent_slot found;
    enum agent_class class = store_read_pair(store, slot, &found, result);

    return class != AGENT_OK ? class : store_put_link(store, ".", "current", dir.p, result);
}

static void port_promote(void *self, uint32_t slot, struct port_result *result)
{
    if (is_generation(slot, result))
        ended(self, result, promote(self, slot, result));
}

static void port_drop(void *self, uint32_t slot, struct port_result *result)
{
    ended(self, result,
          slot == AGENT_SLOT_CLAIM ? store_drop_claim(self, result)
                                   : store_drop_generation(self, slot, result));
}

const struct port store_port = {
    .save = port_save,
    .make_key = port_make_key,
    .make_csr = port_make_csr,
    .store_cert = port_store_cert,
    .store_config = port_store_config,
    .adopt = port_adopt,
    .promote = port_promote,
    .drop = port_drop,
};
