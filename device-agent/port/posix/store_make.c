/* store_make.c - what becomes of a generation: key, request, certificate; the claim's; the end. */
#include "store_priv.h"

#include <errno.h>
#include <string.h>

#include "device-agent/core/text.h"

static const char request_begin[] = "-----BEGIN CERTIFICATE REQUEST-----\n";
static const char request_end[] = "-----END CERTIFICATE REQUEST-----\n";

/* ---- the claim's key and certificate as a generation's --------------------------------------- */

static enum agent_class link_uri(struct store *store, const char *dir, uint32_t slot,
                                 struct port_result *result)
{
    char bytes[AGENT_MAX_KEY];
    struct agent_text uri = { bytes, 0, sizeof bytes };
    enum agent_class class = keys_storable(store_span(&store->key), &uri, result);

    if (class == AGENT_OK)
        class =
            store_put(store, dir, "claim.uri", store_mode(store, slot), store_span(&uri), result);
    agent_text_clear(&uri);
    return class != AGENT_OK ? class : store_put_link(store, dir, "key.uri", "claim.uri", result);
}

/* store->key is the claim's. */
static enum agent_class take_claim_key(struct store *store, uint32_t slot,
                                       struct port_result *result)
{
    const struct store_path dir = store_slot_dir(slot);

    if (keys_in_token(store_span(&store->key)))
        return link_uri(store, dir.p, slot, result);
    if (store_has_outside_claim(store))
        return store_put_link(store, dir.p, "key.pem", store->conf.claim_key, result);
    return store_put(store, dir.p, "key.pem", store_mode(store, slot), store_span(&store->key),
                     result);
}

static enum agent_class take_claim_cert(struct store *store, uint32_t slot,
                                        struct port_result *result)
{
    const struct store_path dir = store_slot_dir(slot);

    if (store_has_outside_claim(store))
        return store_put_link(store, dir.p, "cert.pem", store->conf.claim_cert, result);
    return store_put(store, dir.p, "cert.pem", store_mode(store, slot), store_span(&store->cert),
                     result);
}

/* Has the generation this key already? One in a token is another by its name alone. */
static enum agent_class has_key(struct store *store, uint32_t slot, bool *has,
                                struct port_result *result)
{
    char bytes[AGENT_MAX_KEY], storable_bytes[AGENT_MAX_KEY];
    struct agent_text there = { bytes, 0, sizeof bytes },
                      wanted = { storable_bytes, 0, sizeof storable_bytes };
    enum agent_class class = keys_storable(store_span(&store->key), &wanted, result);

    if (class == AGENT_OK)
        class = store_read_key(store, slot, &there, result);
    *has = class == AGENT_OK && there.n == wanted.n && memcmp(there.p, wanted.p, there.n) == 0;
    agent_text_clear(&there);
    agent_text_clear(&wanted);
    if (class == AGENT_ANSWER) {
        *result = (struct port_result){ 0 };
        return AGENT_OK;
    }
    return class;
}

enum agent_class store_adopt(struct store *store, uint32_t slot, struct agent_slot *out,
                             struct port_result *result)
{
    bool has = false;
    enum agent_class class = store_read_pair(store, AGENT_SLOT_CLAIM, out, result);

    if (class == AGENT_OK)
        class = has_key(store, slot, &has, result);
    if (class == AGENT_OK && !has) /* what is there, if anything, is of other plans */
        class = store_drop_generation(store, slot, result);
    if (class == AGENT_OK)
        class = store_make_dirs(store, slot, result);
    if (class == AGENT_OK)
        class = take_claim_key(store, slot, result);
    if (class == AGENT_OK)
        class = take_claim_cert(store, slot, result);
    if (class != AGENT_OK)
        *out = (struct agent_slot){ 0 };
    return class;
}

/* ---- key and request ------------------------------------------------------------------------- */

/* A key that is there stays, and is made durable again: the call that made it may have failed after
 * that. *stays false: there is none, or what is there is none. */
static enum agent_class keep_key(struct store *store, uint32_t slot, bool *stays,
                                 struct port_result *result)
{
    const struct store_path dir = store_slot_dir(slot);
    enum agent_class class = store_read_key(store, slot, &store->key, result);

    *stays = class == AGENT_OK && store_key_loads(store, &store->key, result);
    if (*stays)
        return store_sync_dir(store, dir.p, result);
    if (class != AGENT_OK && class != AGENT_ANSWER)
        return class;
    *result = (struct port_result){ 0 };
    return AGENT_OK;
}

/* The request of a key that was none is not that of the next one. */
static enum agent_class forget_request(struct store *store, uint32_t slot,
                                       struct port_result *result)
{
    const struct store_path dir = store_slot_dir(slot), csr = store_in(dir.p, "csr.pem");
    const int err = store_remove(store, csr.p);

    if (err == 0)
        return store_sync_dir(store, dir.p, result);
    return store_io_fail(store, (struct store_place){ &store->files, csr.p }, "removed", err,
                         result);
}

static enum agent_class new_key(struct store *store, uint32_t slot, struct port_result *result)
{
    const struct store_path dir = store_slot_dir(slot);
    enum agent_class class = keys_make(&store->conf.keys, slot, &store->key, result);
    const bool token = class == AGENT_OK && keys_in_token(store_span(&store->key));

    if (class != AGENT_OK)
        return class;
    return store_put(store, dir.p, token ? "key.uri" : "key.pem", store_mode(store, slot),
                     store_span(&store->key), result);
}

enum agent_class store_make_key(struct store *store, uint32_t slot, bool own_key,
                                struct port_result *result)
{
    bool stays = false;
    enum agent_class class = store_make_dirs(store, slot, result);

    if (class == AGENT_OK)
        class = keep_key(store, slot, &stays, result);
    if (class != AGENT_OK || stays)
        return class;
    /* a token that is out of reach has the same key when it is back */
    if (!keys_in_token(store_span(&store->key)))
        class = forget_request(store, slot, result);
    if (class == AGENT_OK && !own_key)
        return new_key(store, slot, result);
    if (class == AGENT_OK)
        class = store_read_key(store, AGENT_SLOT_CLAIM, &store->key, result);
    if (class == AGENT_OK && !store_key_loads(store, &store->key, result))
        class = result->class;
    return class != AGENT_OK ? class : take_claim_key(store, slot, result);
}

/* Whole, as far as it can be seen without OpenSSL: whoever put it there wrote all of it. */
static bool is_request(const struct agent_text *text)
{
    const size_t begin = sizeof request_begin - 1, end = sizeof request_end - 1;

    return text->n > begin + end && strlen(text->p) == text->n &&
           memcmp(text->p, request_begin, begin) == 0 &&
           memcmp(text->p + text->n - end, request_end, end) == 0;
}

enum agent_class store_make_csr(struct store *store, uint32_t slot, struct port_result *result)
{
    const struct store_path dir = store_slot_dir(slot), path = store_in(dir.p, "csr.pem");
    struct port_result of_csr = { 0 };
    enum agent_class class =
        store_read_text(store, (struct store_place){ &store->files, path.p }, &store->csr, &of_csr);

    if (class == AGENT_OK && is_request(&store->csr))
        return store_sync_dir(store, dir.p, result);
    if (class == AGENT_LOCAL) {
        *result = of_csr;
        return class;
    }
    class = store_read_key(store, slot, &store->key, result);
    if (class == AGENT_OK)
        class = keys_csr(&store->conf.keys, store_span(&store->key), store->conf.common_name,
                         &store->csr, result);
    if (class == AGENT_OK)
        class = store_put(store, dir.p, "csr.pem", store_mode(store, slot), store_span(&store->csr),
                          result);
    if (class != AGENT_OK)
        agent_text_clear(&store->csr);
    return class;
}

/* ---- certificate ----------------------------------------------------------------------------- */

/* The key that a certificate is for, into store->key: the one that came with it, or the slot's. */
static enum agent_class key_of(struct store *store, uint32_t slot, struct agent_span given,
                               struct port_result *result)
{
    agent_text_clear(&store->key);
    if (given.n == 0)
        return store_read_key(store, slot, &store->key, result);
    if (keys_in_token(given))
        return port_fail(result, AGENT_ANSWER, "the key that came with the certificate is no PEM");
    if (!agent_text_add(&store->key, given.p, given.n))
        return port_fail(result, AGENT_ANSWER,
                         "the key that came with the certificate is too long");
    return AGENT_OK;
}

enum agent_class store_put_cert(struct store *store, uint32_t slot, struct agent_span cert,
                                struct agent_span key, struct agent_slot *out,
                                struct port_result *result)
{
    const struct store_path dir = store_slot_dir(slot);
    enum agent_class class = key_of(store, slot, key, result);

    *out = (struct agent_slot){ 0 };
    if (class == AGENT_OK && cert.n >= AGENT_MAX_CERT)
        class = port_fail(result, AGENT_ANSWER, "the certificate is too long");
    if (class == AGENT_OK)
        class = keys_fit(&store->conf.keys, cert, store_span(&store->key), out, result);
    if (class == AGENT_OK)
        class = store_make_dirs(store, slot, result);
    /* the key first: until the certificate is there too, they do not fit, and are not used */
    if (class == AGENT_OK && key.n != 0)
        class = store_put(store, dir.p, "key.pem", store_mode(store, slot), store_span(&store->key),
                          result);
    if (class == AGENT_OK)
        class = store_put(store, dir.p, "cert.pem", store_mode(store, slot), cert, result);
    if (class != AGENT_OK)
        *out = (struct agent_slot){ 0 };
    return class;
}

/* ---- the end --------------------------------------------------------------------------------- */

/* Others are not led to what is about to go. */
static enum agent_class lead_away(struct store *store, uint32_t slot, struct port_result *result)
{
    const struct files *const f = &store->files;
    const struct store_path dir = store_slot_dir(slot);
    char target[PATH_MAX];
    int err = f->readlink(f->self, "current", target, sizeof target);

    if (err == EINVAL || (err == 0 && strcmp(target, dir.p) != 0))
        return AGENT_OK; /* EINVAL: not a link; it leads nobody to a slot */
    if (err == 0)
        err = f->unlink(f->self, "current");
    if (err == 0 || err == ENOENT) /* also if an earlier call took it away, and failed then */
        err = f->sync_dir(f->self, ".");
    if (err == 0)
        return AGENT_OK;
    return store_io_fail(store, (struct store_place){ f, "current" }, "removed", err, result);
}

/* Of a generation's own key in a token: key.uri is a file. Its certificate goes before, so that the
 * reference to a key that is gone is never taken for an identity out of reach. */
static enum agent_class destroy_key(struct store *store, uint32_t slot, struct port_result *result)
{
    const struct files *const f = &store->files;
    const struct store_path dir = store_slot_dir(slot), uri = store_in(dir.p, "key.uri"),
                            cert = store_in(dir.p, "cert.pem");
    const struct store_place place = { f, uri.p };
    struct port_result of_uri = { 0 };
    struct file_info info;
    int err = f->stat(f->self, uri.p, &info);
    enum agent_class class;

    if (err != 0 || info.kind != FILE_REGULAR)
        return AGENT_OK;
    class = store_read_text(store, place, &store->key, &of_uri);
    if (class == AGENT_LOCAL)
        *result = of_uri;
    if (class != AGENT_OK || !keys_in_token(store_span(&store->key)))
        return result->class;
    err = store_remove(store, cert.p);
    if (err == 0)
        err = f->sync_dir(f->self, dir.p);
    if (err != 0)
        return store_io_fail(store, (struct store_place){ f, cert.p }, "removed", err, result);
    return keys_destroy(&store->conf.keys, store_span(&store->key), result);
}

enum agent_class store_drop_generation(struct store *store, uint32_t slot,
                                       struct port_result *result)
{
    enum agent_class class = lead_away(store, slot, result);

    if (class == AGENT_OK)
        class = destroy_key(store, slot, result);
    return class != AGENT_OK ? class : store_remove_slot(store, slot, result);
}
