/* store_slot.c - reads what is in a slot, and trusts none of it. */
#include "store_priv.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device-agent/core/text.h"

struct agent_span store_span(const struct agent_text *text)
{
    return (struct agent_span){ (const uint8_t *)text->p, text->n };
}

bool store_has_outside_claim(const struct store *store)
{
    return store->conf.claim_cert != NULL || store->conf.claim_key != NULL;
}

/* ---- files ----------------------------------------------------------------------------------- */

enum agent_class store_read_text(const struct store *store, struct store_place place,
                                 struct agent_text *out, struct port_result *result)
{
    int err;

    agent_text_clear(out);
    err = place.files->read(place.files->self, place.path, out->p, out->cap - 1, &out->n);
    if (err != 0) {
        agent_text_clear(out);
        return store_read_fail(store, place, err, result);
    }
    out->p[out->n] = '\0';
    return AGENT_OK;
}

static enum agent_class check_key_file(const struct store *store, struct store_place place,
                                       const struct file_info *info, struct port_result *result)
{
    const gid_t *group = store->conf.group;
    const mode_t others = group != NULL ? 027 : 077;
    const bool other_group = group != NULL && (info->mode & 070) != 0 && info->gid != *group;
    char shown[PATH_MAX];

    (void)store_shown(store, place, shown);
    if (info->uid != geteuid() && info->uid != 0)
        return port_fail(result, AGENT_LOCAL, "the key is another user's: chown %u %.150s",
                         (unsigned)geteuid(), shown);
    if ((info->mode & others) != 0 || other_group)
        return port_fail(result, AGENT_LOCAL, "the key may be read by others: chmod 0600 %.150s",
                         shown);
    return AGENT_OK;
}

enum agent_class store_read_key_file(const struct store *store, struct store_place place,
                                     struct agent_text *out, struct port_result *result)
{
    struct file_info info;
    const int err = place.files->stat(place.files->self, place.path, &info);
    enum agent_class class;
    char shown[PATH_MAX];

    agent_text_clear(out);
    if (err != 0)
        return store_read_fail(store, place, err, result);
    class = info.kind == FILE_REGULAR ? check_key_file(store, place, &info, result) : AGENT_OK;
    if (class == AGENT_OK)
        class = store_read_text(store, place, out, result);
    /* a file of this name that holds a URI is nobody's of ours: it would choose what to load */
    if (class == AGENT_OK && keys_in_token(store_span(out))) {
        agent_text_clear(out);
        class = port_fail(result, AGENT_ANSWER, "%.150s is no key in PEM",
                          store_shown(store, place, shown));
    }
    return class;
}

static enum agent_class read_uri_file(const struct store *store, struct store_place place,
                                      struct agent_text *out, struct port_result *result)
{
    enum agent_class class = store_read_text(store, place, out, result);
    char shown[PATH_MAX];

    if (class == AGENT_OK && !keys_in_token(store_span(out))) {
        agent_text_clear(out);
        class = port_fail(result, AGENT_ANSWER, "%.150s holds no pkcs11: URI",
                          store_shown(store, place, shown));
    }
    return class;
}

/* ---- in a generation, or in claim/ ----------------------------------------------------------- */

/*
 * A slot's file: itself, or what its link stands for if that is target, a file of place target_at.
 * AGENT_ANSWER: nothing, or a link elsewhere. path is where *out points to.
 */
static enum agent_class follow(const struct store *store, const struct store_path *path,
                               const char *target, struct store_place target_at,
                               struct store_place *out, struct port_result *result)
{
    const struct store_place here = { &store->files, path->p };
    char leads_to[PATH_MAX], shown[PATH_MAX];
    struct file_info info;
    int err = here.files->stat(here.files->self, here.path, &info);

    *out = here;
    if (err == 0 && info.kind == FILE_LINK)
        err = here.files->readlink(here.files->self, here.path, leads_to, sizeof leads_to);
    if (err != 0)
        return store_read_fail(store, here, err, result);
    if (info.kind != FILE_LINK)
        return AGENT_OK;
    if (target == NULL || strcmp(leads_to, target) != 0)
        return port_fail(result, AGENT_ANSWER, "%.100s leads to %.100s, which is not the claim",
                         store_shown(store, here, shown), leads_to);
    *out = target_at;
    return AGENT_OK;
}

static enum agent_class read_slot_key(const struct store *store, uint32_t slot,
                                      struct agent_text *out, struct port_result *result)
{
    const struct store_path dir = store_slot_dir(slot), pem = store_in(dir.p, "key.pem"),
                            uri = store_in(dir.p, "key.uri"), own = store_in(dir.p, "claim.uri");
    const char *outside = store->conf.claim_key;
    struct port_result of_pem = { 0 };
    struct store_place place;
    enum agent_class class = follow(store, &pem, outside, store_claim_key(store), &place, &of_pem);

    if (class == AGENT_OK)
        return store_read_key_file(store, place, out, result);
    *result = of_pem;
    if (class != AGENT_ANSWER || slot == AGENT_SLOT_CLAIM)
        return class;
    class = follow(store, &uri, "claim.uri", (struct store_place){ &store->files, own.p }, &place,
                   result);
    if (class == AGENT_OK)
        class = read_uri_file(store, place, out, result);
    if (class == AGENT_ANSWER) /* key.pem is what people look for */
        *result = of_pem;
    else if (class == AGENT_OK)
        *result = (struct port_result){ 0 };
    return class;
}

static enum agent_class read_outside_key(const struct store *store, struct agent_text *out,
                                         struct port_result *result)
{
    const char *key = store->conf.claim_key;

    if (key == NULL)
        return port_fail(result, AGENT_ANSWER,
                         "a claim's certificate is configured without its key");
    if (keys_in_token((struct agent_span){ (const uint8_t *)key, strlen(key) })) {
        if (!agent_text_add_str(out, key))
            return port_fail(result, AGENT_ANSWER, "the claim's pkcs11: URI is too long");
        return AGENT_OK;
    }
    return store_read_key_file(store, store_claim_key(store), out, result);
}

enum agent_class store_read_key(const struct store *store, uint32_t slot, struct agent_text *out,
                                struct port_result *result)
{
    agent_text_clear(out);
    if (slot == AGENT_SLOT_CLAIM && store_has_outside_claim(store))
        return read_outside_key(store, out, result);
    return read_slot_key(store, slot, out, result);
}

enum agent_class store_read_cert(const struct store *store, uint32_t slot, struct agent_text *out,
                                 struct port_result *result)
{
    const struct store_path dir = store_slot_dir(slot), path = store_in(dir.p, "cert.pem");
    const char *outside = store->conf.claim_cert;
    struct store_place place = store_claim_cert(store);
    enum agent_class class = AGENT_OK;

    agent_text_clear(out);
    if (slot != AGENT_SLOT_CLAIM || !store_has_outside_claim(store))
        class = follow(store, &path, outside, place, &place, result);
    else if (outside == NULL)
        class =
            port_fail(result, AGENT_ANSWER, "a claim's key is configured without its certificate");
    return class != AGENT_OK ? class : store_read_text(store, place, out, result);
}

/* ---- both ------------------------------------------------------------------------------------ */

bool store_key_loads(const struct store *store, const struct agent_text *reference,
                     struct port_result *result)
{
    EVP_PKEY *key = keys_load(&store->conf.keys, store_span(reference), result);

    EVP_PKEY_free(key);
    return key != NULL;
}

enum agent_class store_read_pair(struct store *store, uint32_t slot, struct agent_slot *out,
                                 struct port_result *result)
{
    enum agent_class class;

    *out = (struct agent_slot){ 0 };
    class = store_read_cert(store, slot, &store->cert, result);
    if (class == AGENT_OK)
        class = store_read_key(store, slot, &store->key, result);
    if (class == AGENT_OK)
        class = keys_fit(&store->conf.keys, store_span(&store->cert), store_span(&store->key), out,
                         result);
    return class;
}
