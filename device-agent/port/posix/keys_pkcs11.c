#include "keys_priv.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "device-agent/core/text.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

enum { ID_BYTES = 16, MAX_LABEL = 256, MAX_ID = 256 };

/* ---- one at a time --------------------------------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/*
 * p11-kit and the engine start the same module and do not know of each other. p11-kit ends only
 * what it started, so a key in use is safe from it; what p11-kit has started is safe from the
 * engine as long as that is held.
 */
static struct engine_st *enter(void)
{
    (void)pthread_mutex_lock(&lock);
    return keys_engine_hold();
}

static void leave(struct engine_st *engine)
{
    keys_engine_let_go(engine);
    (void)pthread_mutex_unlock(&lock);
}

/* ---- objects --------------------------------------------------------------------------------- */

/* What names an object; NULL: not by that. */
struct name {
    const CK_ATTRIBUTE *label, *id;
};

static struct name name_of(P11KitUri *uri)
{
    return (struct name){ .label = p11_kit_uri_get_attribute(uri, CKA_LABEL),
                          .id = p11_kit_uri_get_attribute(uri, CKA_ID) };
}

static enum agent_class trouble(struct port_result *result, const char *what, CK_RV rv)
{
    return port_fail(result, AGENT_LOCAL, "the token does not %s a key: %s", what,
                     p11_kit_strerror(rv));
}

static enum agent_class several(struct port_result *result)
{
    return port_fail(result, AGENT_CONFIG,
                     "the token has several private keys such as the PKCS#11 URI names: add id= or "
                     "object=");
}

/* Up to max of that class and name; *n: how many. */
static CK_RV find(const struct keys_token *token, CK_OBJECT_CLASS class, struct name name,
                  CK_OBJECT_HANDLE *out, CK_ULONG max, CK_ULONG *n)
{
    CK_ATTRIBUTE wanted[3] = { { CKA_CLASS, &class, sizeof class } };
    CK_ULONG count = 1;
    CK_RV rv;

    *n = 0;
    if (name.label != NULL)
        wanted[count++] = *name.label;
    if (name.id != NULL)
        wanted[count++] = *name.id;
    rv = token->module->C_FindObjectsInit(token->session, wanted, count);
    if (rv != CKR_OK)
        return rv;
    rv = token->module->C_FindObjects(token->session, out, max, n);
    (void)token->module->C_FindObjectsFinal(token->session);
    return rv;
}

static CK_RV destroy_all(const struct keys_token *token, CK_OBJECT_CLASS class, struct name name)
{
    CK_OBJECT_HANDLE object;
    CK_ULONG n;
    CK_RV rv;

    for (;;) {
        rv = find(token, class, name, &object, 1, &n);
        if (rv != CKR_OK || n == 0)
            return rv;
        rv = token->module->C_DestroyObject(token->session, object);
        if (rv != CKR_OK)
            return rv;
    }
}

/* ---- making a key ---------------------------------------------------------------------------- */

static CK_RV generate(const struct keys_token *token, enum keys_type type, CK_ATTRIBUTE label,
                      CK_ATTRIBUTE id, CK_OBJECT_HANDLE *key)
{
    static unsigned char p256[] = { 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 };
    static unsigned char exponent[] = { 0x01, 0x00, 0x01 };
    CK_ULONG bits = 2048;
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    const bool rsa = type == KEYS_RSA_2048;
    CK_MECHANISM mechanism = { rsa ? CKM_RSA_PKCS_KEY_PAIR_GEN : CKM_EC_KEY_PAIR_GEN, NULL, 0 };
    CK_ATTRIBUTE public_key[] = {
        { CKA_TOKEN, &yes, sizeof yes },
        { CKA_PRIVATE, &no, sizeof no },
        { CKA_VERIFY, &yes, sizeof yes },
        label,
        id,
        rsa ? (CK_ATTRIBUTE){ CKA_MODULUS_BITS, &bits, sizeof bits }
            : (CK_ATTRIBUTE){ CKA_EC_PARAMS, p256, sizeof p256 },
        { CKA_PUBLIC_EXPONENT, exponent, sizeof exponent }, /* the last: RSA's alone */
    };
    CK_ATTRIBUTE private_key[] = {
        { CKA_TOKEN, &yes, sizeof yes },
        { CKA_PRIVATE, &yes, sizeof yes },
        { CKA_SENSITIVE, &yes, sizeof yes },
        { CKA_EXTRACTABLE, &no, sizeof no },
        { CKA_SIGN, &yes, sizeof yes },
        label,
        id,
    };
    CK_OBJECT_HANDLE other;

    return token->module->C_GenerateKeyPair(token->session, &mechanism, public_key,
                                            COUNT(public_key) - (rsa ? 0 : 1), private_key,
                                            COUNT(private_key), &other, key);
}

/* The key of that name, or a new one. */
static enum agent_class find_or_generate(const struct keys_token *token, enum keys_type type,
                                         CK_ATTRIBUTE label, CK_OBJECT_HANDLE *key,
                                         struct port_result *result)
{
    const struct name name = { .label = &label };
    CK_OBJECT_HANDLE found[2];
    unsigned char bytes[ID_BYTES];
    CK_ULONG n;
    CK_RV rv;

    rv = find(token, CKO_PRIVATE_KEY, name, found, COUNT(found), &n);
    if (rv != CKR_OK)
        return trouble(result, "look for", rv);
    if (n > 1)
        return port_fail(result, AGENT_CONFIG,
                         "the token has several keys with the name of the one to be made: choose "
                         "another object= in the PKCS#11 URI");
    if (n == 1) {
        *key = found[0];
        return AGENT_OK;
    }
    /* half a pair, which a power cut left */
    rv = destroy_all(token, CKO_PUBLIC_KEY, name);
    if (rv != CKR_OK)
        return trouble(result, "clear away what was left of", rv);
    if (RAND_bytes(bytes, sizeof bytes) != 1)
        return port_fail(result, AGENT_LOCAL, "there is no randomness for a key's id");
    rv = generate(token, type, label, (CK_ATTRIBUTE){ CKA_ID, bytes, sizeof bytes }, key);
    return rv == CKR_OK ? AGENT_OK : trouble(result, "make", rv);
}

static CK_RV get_id(const struct keys_token *token, CK_OBJECT_HANDLE key,
                    unsigned char bytes[static MAX_ID], CK_ATTRIBUTE *id)
{
    *id = (CK_ATTRIBUTE){ CKA_ID, bytes, MAX_ID };
    return token->module->C_GetAttributeValue(token->session, key, id, 1);
}

/* The token by all of its names, the key by both of its, and nothing that may change: neither slot
 * nor module nor PIN. */
static enum agent_class refer(const struct keys_token *token, CK_ATTRIBUTE label,
                              CK_OBJECT_HANDLE key, struct agent_text *out,
                              struct port_result *result)
{
    P11KitUri *uri = p11_kit_uri_new();
    CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
    CK_ATTRIBUTE kind = { CKA_CLASS, &class, sizeof class }, id;
    unsigned char bytes[MAX_ID];
    const CK_RV rv = get_id(token, key, bytes, &id);
    bool ok;

    if (rv != CKR_OK) {
        p11_kit_uri_free(uri);
        return trouble(result, "tell the id of", rv);
    }
    ok = uri != NULL && p11_kit_uri_set_attribute(uri, &label) == P11_KIT_URI_OK &&
         p11_kit_uri_set_attribute(uri, &kind) == P11_KIT_URI_OK &&
         (id.ulValueLen == 0 || p11_kit_uri_set_attribute(uri, &id) == P11_KIT_URI_OK);
    if (ok) {
        *p11_kit_uri_get_token_info(uri) = token->info;
        ok = keys_uri_add(uri, out);
    }
    p11_kit_uri_free(uri);
    return ok ? AGENT_OK : port_fail(result, AGENT_LOCAL, "the key's PKCS#11 URI is too long");
}

static enum agent_class make(const struct keys_token *token, enum keys_type type,
                             uint32_t generation, struct agent_text *out,
                             struct port_result *result)
{
    const CK_ATTRIBUTE *object = p11_kit_uri_get_attribute(token->uri, CKA_LABEL);
    char name[MAX_LABEL];
    CK_ATTRIBUTE label = { CKA_LABEL, name, 0 };
    CK_OBJECT_HANDLE key = 0;
    int n;

    if (!keys_uri_names_token(token->uri) || object == NULL || object->ulValueLen == 0 ||
        object->ulValueLen > MAX_LABEL - sizeof "-4294967295")
        return port_fail(result, AGENT_CONFIG,
                         "the PKCS#11 URI for new keys has to have token= and object=");
    n = snprintf(name, sizeof name, "%.*s-%lu", (int)object->ulValueLen,
                 (const char *)object->pValue, (unsigned long)generation);
    label.ulValueLen = (CK_ULONG)n;
    if (find_or_generate(token, type, label, &key, result) != AGENT_OK)
        return result->class;
    return refer(token, label, key, out, result);
}

enum agent_class keys_token_make(const struct keys_conf *conf, uint32_t generation,
                                 struct agent_text *out, struct port_result *result)
{
    const struct agent_span uri = { (const uint8_t *)conf->pkcs11, strlen(conf->pkcs11) };
    struct engine_st *const engine = enter();
    enum agent_class class;
    struct keys_token token;

    class = keys_token_open(conf, uri, true, &token, result);
    if (class == AGENT_OK) {
        class = make(&token, conf->type, generation, out, result);
        keys_token_close(&token);
    }
    leave(engine);
    return class;
}

/* ---- destroying one -------------------------------------------------------------------------- */

/* The private half first: while any of it is there, the reference still leads to the rest. */
static enum agent_class destroy(const struct keys_token *token, struct port_result *result)
{
    const struct name name = name_of(token->uri);
    CK_OBJECT_HANDLE found[2];
    CK_ULONG n;
    CK_RV rv;

    if (name.label == NULL && name.id == NULL)
        return port_fail(result, AGENT_CONFIG,
                         "a PKCS#11 URI without object= and id= names no key to destroy");
    rv = find(token, CKO_PRIVATE_KEY, name, found, COUNT(found), &n);
    if (rv == CKR_OK && n > 1)
        return several(result);
    if (rv == CKR_OK)
        rv = destroy_all(token, CKO_PRIVATE_KEY, name);
    if (rv == CKR_OK)
        rv = destroy_all(token, CKO_PUBLIC_KEY, name);
    return rv == CKR_OK ? AGENT_OK : trouble(result, "destroy", rv);
}

enum agent_class keys_token_destroy(const struct keys_conf *conf, struct agent_span reference,
                                    struct port_result *result)
{
    struct engine_st *const engine = enter();
    enum agent_class class;
    struct keys_token token;

    class = keys_token_open(conf, reference, true, &token, result);
    if (class == AGENT_OK) {
        class = destroy(&token, result);
        keys_token_close(&token);
    }
    leave(engine);
    return class;
}

/* ---- using one ------------------------------------------------------------------------------- */

static bool copy(const char *from, char *to, size_t cap)
{
    struct agent_text text = { .p = to, .cap = cap };

    return agent_text_add_str(&text, from);
}

static bool describe(const struct keys_token *token, struct keys_place *place)
{
    char *const module = p11_kit_module_get_filename(token->module);
    struct agent_text plain = { .p = place->uri, .cap = sizeof place->uri };
    struct agent_text with_pin = { .p = place->uri_with_pin, .cap = sizeof place->uri_with_pin };
    P11KitUri *const uri = token->uri;
    bool ok;

    *p11_kit_uri_get_token_info(uri) = token->info;
    p11_kit_uri_set_slot_id(uri, (CK_SLOT_ID)-1);
    p11_kit_uri_set_pin_source(uri, NULL);
    p11_kit_uri_set_module_path(uri, NULL);
    ok = module != NULL && copy(module, place->module, sizeof place->module) &&
         copy(token->pin, place->pin, sizeof place->pin);
    if (ok) {
        keys_uri_forget_pin(uri);
        ok = keys_uri_add(uri, &plain);
    }
    if (ok && token->pin[0] != '\0')
        p11_kit_uri_set_pin_value(uri, token->pin);
    ok = ok && keys_uri_add(uri, &with_pin);
    free(module);
    return ok;
}

/* There is one such key: OpenSSL takes the first that comes, and cannot tell why there is none. */
static enum agent_class find_place(const struct keys_token *token, struct keys_place *place,
                                   struct port_result *result)
{
    CK_OBJECT_HANDLE found[2];
    CK_ULONG n;
    const CK_RV rv = find(token, CKO_PRIVATE_KEY, name_of(token->uri), found, COUNT(found), &n);

    if (rv != CKR_OK)
        return trouble(result, "look for", rv);
    if (n == 0)
        return port_fail(result, AGENT_LOCAL,
                         "the token has no private key such as the PKCS#11 URI names");
    if (n > 1)
        return several(result);
    return describe(token, place)
               ? AGENT_OK
               : port_fail(result, AGENT_LOCAL, "the key's PKCS#11 URI or module is too long");
}

/* p11-kit is done with the module before the engine starts it, or it would end it under the key. */
EVP_PKEY *keys_token_load(const struct keys_conf *conf, struct agent_span reference,
                          struct port_result *result)
{
    struct engine_st *const engine = enter();
    struct keys_place place = { .uri = "" };
    enum agent_class class;
    struct keys_token token;
    EVP_PKEY *key = NULL;

    class = keys_token_open(conf, reference, false, &token, result);
    if (class == AGENT_OK) {
        class = find_place(&token, &place, result);
        keys_token_close(&token);
    }
    if (class == AGENT_OK)
        key = keys_engine_load(&place, result);
    OPENSSL_cleanse(&place, sizeof place);
    leave(engine);
    return key;
}

enum agent_class keys_token_storable(struct agent_span reference, struct agent_text *out,
                                     struct port_result *result)
{
    P11KitUri *uri = keys_uri_parse(reference, result);
    enum agent_class class = AGENT_OK;

    if (uri == NULL)
        return result->class;
    keys_uri_forget_pin(uri);
    if (!keys_uri_add(uri, out))
        class = port_fail(result, AGENT_LOCAL, "the key's PKCS#11 URI is too long");
    keys_uri_free(uri);
    return class;
}
