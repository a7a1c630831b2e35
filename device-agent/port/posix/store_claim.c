/*
 * store_claim.c - the claim: injected into claim/, or configured and outside DIR.
 *
 * An injection is two files that must change together. They are written as cert.pem.new and
 * key.pem.new; once both are durable they are renamed, the key first. A restart that finds them
 * whole goes on with that, and one that does not removes them.
 */
#include "store_priv.h"

#include <errno.h>
#include <string.h>

#include "device-agent/core/text.h"

/* ---- injected -------------------------------------------------------------------------------- */

static struct store_place in_claim(const struct store *store, const char *path)
{
    return (struct store_place){ &store->files, path };
}

/* Do these two files of claim/ fit? */
static enum agent_class fit(struct store *store, const char *cert, const char *key)
{
    struct port_result why = { 0 };
    struct agent_slot slot;
    enum agent_class class = store_read_text(store, in_claim(store, cert), &store->cert, &why);

    if (class == AGENT_OK)
        class = store_read_key_file(store, in_claim(store, key), &store->key, &why);
    if (class == AGENT_OK)
        class = keys_fit(&store->conf.keys, store_span(&store->cert), store_span(&store->key),
                         &slot, &why);
    return class;
}

/* If the new certificate fits to this key: what is new takes its place. What cannot be read now is
 * left for later. */
static int take_if_fit(struct store *store, const char *key, const char *new, const char *place)
{
    const struct files *const f = &store->files;
    const enum agent_class class = fit(store, "claim/cert.pem.new", key);
    int err = 0;

    if (class == AGENT_OK)
        err = f->rename(f->self, new, place);
    else if (class != AGENT_ANSWER)
        err = EIO;
    return err == 0 && class == AGENT_OK ? f->sync_dir(f->self, "claim") : err;
}

/* Ends an injection whose files are both there, from wherever it was. */
static int end_injection(struct store *store)
{
    const int err = take_if_fit(store, "claim/key.pem.new", "claim/key.pem.new", "claim/key.pem");

    return err != 0 ? err
                    : take_if_fit(store, "claim/key.pem", "claim/cert.pem.new", "claim/cert.pem");
}

void store_recover_claim(struct store *store)
{
    if (end_injection(store) == 0) {
        (void)store_remove_all(store, "claim", ".new");
        (void)store->files.rmdir(store->files.self, "claim"); /* if nothing is in it */
    }
    agent_text_clear(&store->key);
}

enum agent_class store_inject(struct store *store, struct agent_span cert, struct agent_span key,
                              struct agent_slot *out, struct port_result *result)
{
    const struct store_place claim = { &store->files, "claim" };
    enum agent_class class = AGENT_OK;
    int err;

    *out = (struct agent_slot){ 0 };
    if (store_has_outside_claim(store))
        return port_fail(result, AGENT_CONFIG,
                         "a claim is configured: take it out to have one injected");
    if (keys_in_token(key) || key.n >= AGENT_MAX_KEY || cert.n >= AGENT_MAX_CERT)
        return port_fail(result, AGENT_ANSWER, "the claim's %s",
                         keys_in_token(key)       ? "key is no PEM"
                         : key.n >= AGENT_MAX_KEY ? "key is too long"
                                                  : "certificate is too long");
    class = keys_fit(&store->conf.keys, cert, key, out, result);
    if (class == AGENT_OK)
        class = store_make_dirs(store, AGENT_SLOT_CLAIM, result);
    if (class == AGENT_OK) {
        err = store_remove_all(store, "claim", ".new"); /* of one that failed */
        class = err == 0 ? AGENT_OK : store_io_fail(store, claim, "cleared", err, result);
    }
    if (class == AGENT_OK)
        class = store_put(store, "claim", "key.pem.new", store_mode(store, AGENT_SLOT_CLAIM), key,
                          result);
    if (class == AGENT_OK)
        class = store_put(store, "claim", "cert.pem.new", store_mode(store, AGENT_SLOT_CLAIM), cert,
                          result);
    if (class == AGENT_OK) {
        err = end_injection(store);
        class = err == 0 ? AGENT_OK : store_io_fail(store, claim, "changed", err, result);
    }
    agent_text_clear(&store->key);
    if (class != AGENT_OK)
        *out = (struct agent_slot){ 0 };
    return class;
}

/* ---- configured ------------------------------------------------------------------------------ */

/* What "/" is followed by in an absolute path. */
static struct store_place outside(const struct store *store, const char *path)
{
    return (struct store_place){ &store->root, path != NULL && path[0] == '/' ? path + 1 : "" };
}

struct store_place store_claim_cert(const struct store *store)
{
    return outside(store, store->conf.claim_cert);
}

struct store_place store_claim_key(const struct store *store)
{
    return outside(store, store->conf.claim_key);
}

/* A generation that has a link to the claim; 0: none. */
struct user {
    const struct store *store;
    uint32_t generation;
    int err;
};

/* Is there a link of this name to target? target NULL: nothing is configured. */
static bool links_to(struct user *user, const struct store_path *dir, const char *name,
                     const char *target)
{
    const struct files *const f = &user->store->files;
    const struct store_path path = store_in(dir->p, name);
    char leads_to[PATH_MAX];
    const int err = f->readlink(f->self, path.p, leads_to, sizeof leads_to);

    if (err != 0 && err != ENOENT && err != ENOTDIR && err != EINVAL)
        user->err = err;
    return err == 0 && target != NULL && strcmp(leads_to, target) == 0;
}

static bool look_for_user(void *arg, const char *name)
{
    struct user *const user = arg;
    const struct store_conf *const conf = &user->store->conf;
    const uint32_t number = store_generation(name);
    const struct store_path dir = store_slot_dir(number);

    if (number != 0 && (links_to(user, &dir, "key.pem", conf->claim_key) ||
                        links_to(user, &dir, "key.uri", "claim.uri") ||
                        links_to(user, &dir, "cert.pem", conf->claim_cert)))
        user->generation = number;
    return user->generation == 0 && user->err == 0;
}

static enum agent_class check_unused(const struct store *store, struct port_result *result)
{
    struct user user = { .store = store };
    const struct files *const f = &store->files;
    const int err = f->list(f->self, "gen", look_for_user, &user);

    if (err != 0 && err != ENOENT)
        user.err = err;
    if (user.err != 0)
        return store_io_fail(store, (struct store_place){ f, "gen" }, "read", user.err, result);
    if (user.generation == 0)
        return AGENT_OK;
    return port_fail(result, AGENT_LOCAL, "generation %u uses the claim's files: they stay",
                     (unsigned)user.generation);
}

static enum agent_class remove_outside(const struct store *store, struct store_place place,
                                       bool secret, struct port_result *result)
{
    const struct files *const f = place.files;
    const char *const slash = strrchr(place.path, '/');
    const size_t n = slash != NULL ? (size_t)(slash - place.path) : 1;
    char above[PATH_MAX];
    struct file_info info;
    int err;

    if (place.path[0] == '\0' || strlen(place.path) >= sizeof above)
        return port_fail(result, AGENT_CONFIG, "the claim's path is not absolute, or too long");
    memcpy(above, slash != NULL ? place.path : ".", n);
    above[n] = '\0';
    err = f->stat(f->self, place.path, &info);
    if (err == 0 && secret && info.kind == FILE_REGULAR)
        err = f->wipe(f->self, place.path);
    if (err == 0)
        err = f->unlink(f->self, place.path);
    if (err == 0 || err == ENOENT)
        err = f->sync_dir(f->self, above);
    if (err == 0 || err == ENOENT)
        return AGENT_OK;
    return store_io_fail(store, place, "removed", err, result);
}

static enum agent_class drop_outside(const struct store *store, struct port_result *result)
{
    const char *key = store->conf.claim_key;
    const struct agent_span uri = { (const uint8_t *)key, key != NULL ? strlen(key) : 0 };
    enum agent_class class = check_unused(store, result);

    if (class == AGENT_OK && key != NULL && keys_in_token(uri))
        class = keys_destroy(&store->conf.keys, uri, result);
    else if (class == AGENT_OK && key != NULL)
        class = remove_outside(store, store_claim_key(store), true, result);
    if (class == AGENT_OK && store->conf.claim_cert != NULL)
        class = remove_outside(store, store_claim_cert(store), false, result);
    return class;
}

enum agent_class store_drop_claim(struct store *store, struct port_result *result)
{
    enum agent_class class = store_remove_slot(store, AGENT_SLOT_CLAIM, result);

    if (class == AGENT_OK && store_has_outside_claim(store))
        class = drop_outside(store, result);
    return class;
}

/* ---- found ----------------------------------------------------------------------------------- */

/* Is there anything that AGENT_ACT_DROP would take away? */
static bool anything(const struct store *store)
{
    const char *key = store->conf.claim_key;
    const bool file =
        key != NULL && !keys_in_token((struct agent_span){ (const uint8_t *)key, strlen(key) });
    const struct store_place places[] = { store_has_outside_claim(store) ? store_claim_cert(store)
                                                                         : in_claim(store, "claim"),
                                          store_claim_key(store) };
    struct file_info info;

    for (size_t i = 0; i < (file ? 2 : 1); i++) {
        if (places[i].path[0] != '\0' &&
            places[i].files->stat(places[i].files->self, places[i].path, &info) == 0)
            return true;
    }
    return false;
}

void store_find_claim(struct store *store, struct agent_slot *out, struct port_result *trouble)
{
    *trouble = (struct port_result){ 0 };
    if (store_read_pair(store, AGENT_SLOT_CLAIM, out, trouble) != AGENT_OK) {
        *out = (struct agent_slot){ .key = anything(store) };
        if (!out->key && !store_has_outside_claim(store))
            *trouble = (struct port_result){ 0 }; /* none was injected yet */
    }
    agent_text_clear(&store->key);
}
