/*
 * Keys that stay in their token. With OpenSSL 3 the way there is a provider, where one is set up,
 * and before that and still often an engine, whose interface is deprecated and without another.
 */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "signer_priv.h"

#include <pthread.h>

#include <openssl/engine.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <openssl/store.h>
#include <openssl/ui.h>

#define SCHEME "pkcs11:"
#define NAME "pkcs11" /* of the provider and of the engine */
#define ATTRIBUTE_MAX 4096

/* ---- URIs (RFC 7512) ------------------------------------------------------------------------- */

struct uri {
    struct prov_buf object; /* the URI without PIN and query: what is not secret of it */
    struct prov_buf pin, pin_source, module;
};

bool signer_is_pkcs11(const char *key)
{
    return prov_span_starts(prov_span_str(key), PROV_LIT(SCHEME));
}

static void add_decoded(struct prov_buf *out, struct prov_span s)
{
    uint8_t byte;

    for (size_t i = 0; i < s.n; i++) {
        byte = s.p[i];
        if (byte == '%' && s.n - i > 2 && prov_unhex(prov_span(s.p + i + 1, 2), &byte, 1))
            i += 2;
        prov_buf_add_u8(out, byte);
    }
}

/* One of ours into its buffer; true also when it is no attribute of the object. */
static bool take_attribute(struct uri *uri, struct prov_span attribute)
{
    const struct {
        struct prov_span name;
        struct prov_buf *value;
    } rows[] = {
        { PROV_LIT("pin-value="), &uri->pin },
        { PROV_LIT("pin-source="), &uri->pin_source },
        { PROV_LIT("module-path="), &uri->module },
    };

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        const size_t n = rows[i].name.n;

        if (!prov_span_starts(attribute, rows[i].name))
            continue;
        prov_buf_wipe(rows[i].value);
        add_decoded(rows[i].value, prov_span(attribute.p + n, attribute.n - n));
        return true;
    }
    return false;
}

/* A PIN is one wherever it stands: it was in front of the '?' before RFC 7512. */
static void read_uri(const char *text, struct uri *uri)
{
    const char *p = text + strlen(SCHEME);
    bool query = false;
    size_t n;

    prov_buf_init(&uri->object, ATTRIBUTE_MAX);
    prov_buf_init(&uri->pin, ATTRIBUTE_MAX);
    prov_buf_init(&uri->pin_source, ATTRIBUTE_MAX);
    prov_buf_init(&uri->module, ATTRIBUTE_MAX);
    prov_buf_add_str(&uri->object, SCHEME);
    for (;;) {
        n = strcspn(p, ";?&");
        if (!take_attribute(uri, prov_span(p, n)) && !query && n != 0) {
            if (uri->object.n > strlen(SCHEME))
                prov_buf_add_str(&uri->object, ";");
            prov_buf_add(&uri->object, prov_span(p, n));
        }
        if (p[n] == '\0')
            return;
        query = query || p[n] == '?';
        p += n + 1;
    }
}

static void uri_release(struct uri *uri)
{
    prov_buf_wipe(&uri->pin);
    prov_buf_wipe(&uri->pin_source);
    prov_buf_release(&uri->module);
    prov_buf_release(&uri->object);
}

void signer_pkcs11_show(const char *uri, char *out, size_t cap)
{
    struct uri parts;

    if (!signer_is_pkcs11(uri)) {
        (void)prov_span_copy(prov_span_str(uri), out, cap);
        return;
    }
    read_uri(uri, &parts);
    (void)prov_span_copy(prov_buf_span(&parts.object), out, cap);
    uri_release(&parts);
}

/* "file:" may stand before the path, with the empty authority or without. */
static enum prov_rc read_pin_source(struct uri *uri, struct prov_err *err)
{
    const char *path = prov_buf_cstr(&uri->pin_source);
    enum prov_rc rc;

    if (strncmp(path, "file://", 7) == 0)
        path += 7;
    else if (strncmp(path, "file:", 5) == 0)
        path += 5;
    rc = signer_read_file(path, "the PIN", true, &uri->pin, err);
    while (rc == PROV_OK && uri->pin.n != 0 &&
           (uri->pin.p[uri->pin.n - 1] == '\n' || uri->pin.p[uri->pin.n - 1] == '\r'))
        uri->pin.n--;
    return rc;
}

/* ---- the one who is asked for a PIN: has none to tell ---------------------------------------- */

static int tell_none(UI *ui, UI_STRING *string)
{
    (void)ui;
    (void)string;
    return 0;
}

/* Without it OpenSSL asks the terminal. */
static UI_METHOD *no_user(void)
{
    UI_METHOD *ui = UI_create_method("no one");

    if (ui != NULL && UI_method_set_reader(ui, tell_none) == 0)
        return ui;
    UI_destroy_method(ui);
    return NULL;
}

static enum prov_rc not_there(const struct uri *uri, struct prov_err *err)
{
    return prov_fail(err, PROV_ESIGNER, SIGNER_UNAVAILABLE,
                     "the PKCS#11 key %.*s cannot be had: no such token or key, or a wrong PIN",
                     PROV_SPAN_ARG(prov_buf_span(&uri->object)));
}

/* ---- provider -------------------------------------------------------------------------------- */

static enum prov_rc key_from_provider(const char *text, const struct uri *uri, UI_METHOD *ui,
                                      EVP_PKEY **out, struct prov_err *err)
{
    OSSL_STORE_CTX *store = OSSL_STORE_open(text, ui, NULL, NULL, NULL);
    OSSL_STORE_INFO *info;

    if (store != NULL && OSSL_STORE_expect(store, OSSL_STORE_INFO_PKEY) == 1) {
        while (*out == NULL && OSSL_STORE_eof(store) == 0 && OSSL_STORE_error(store) == 0) {
            info = OSSL_STORE_load(store);
            if (info != NULL && OSSL_STORE_INFO_get_type(info) == OSSL_STORE_INFO_PKEY)
                *out = OSSL_STORE_INFO_get1_PKEY(info);
            OSSL_STORE_INFO_free(info);
        }
    }
    (void)OSSL_STORE_close(store);
    return *out != NULL ? PROV_OK : not_there(uri, err);
}

/* ---- engine ---------------------------------------------------------------------------------- */

#ifndef OPENSSL_NO_ENGINE

/* PIN and module are the engine's, not a key's: one at a time. */
static pthread_mutex_t engine_lock = PTHREAD_MUTEX_INITIALIZER;

static bool configure(ENGINE *engine, struct uri *uri)
{
    const char *module = getenv("PKCS11_MODULE_PATH");

    if (uri->module.n != 0)
        module = prov_buf_cstr(&uri->module);
    /* its messages have the URI in them; older ones have no such command */
    (void)ENGINE_ctrl_cmd_string(engine, "QUIET", NULL, 1);
    if (module != NULL && ENGINE_ctrl_cmd_string(engine, "MODULE_PATH", module, 0) != 1)
        return false;
    return uri->pin.n == 0 ||
           ENGINE_ctrl_cmd_string(engine, "PIN", prov_buf_cstr(&uri->pin), 0) == 1;
}

/*
 * The key holds the engine, and the engine the token: it is let go of with the last key. (The keys
 * of libp11 0.4.12 live on without their engine; nothing promises that.)
 */
static EVP_PKEY *load(ENGINE *engine, struct uri *uri, UI_METHOD *ui)
{
    EVP_PKEY *key;

    if (!configure(engine, uri) || ENGINE_init(engine) != 1)
        return NULL;
    key = ENGINE_load_private_key(engine, prov_buf_cstr(&uri->object), ui, NULL);
    if (key != NULL && EVP_PKEY_set1_engine(key, engine) != 1) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    (void)ENGINE_finish(engine);
    return key;
}

static enum prov_rc key_from_engine(struct uri *uri, UI_METHOD *ui, EVP_PKEY **out,
                                    struct prov_err *err)
{
    ENGINE *engine;

    (void)pthread_mutex_lock(&engine_lock);
    ENGINE_load_dynamic();
    engine = ENGINE_by_id(NAME);
    if (engine != NULL)
        *out = load(engine, uri, ui);
    (void)ENGINE_free(engine);
    (void)pthread_mutex_unlock(&engine_lock);
    if (engine == NULL)
        return prov_fail(err, PROV_ESIGNER, SIGNER_UNAVAILABLE,
                         "OpenSSL has neither a provider nor an engine for PKCS#11: install "
                         "libengine-pkcs11-openssl, or set up pkcs11-provider");
    return *out != NULL ? PROV_OK : not_there(uri, err);
}

#else

static enum prov_rc key_from_engine(struct uri *uri, UI_METHOD *ui, EVP_PKEY **out,
                                    struct prov_err *err)
{
    (void)uri;
    (void)ui;
    (void)out;
    return prov_fail(err, PROV_ESIGNER, SIGNER_UNAVAILABLE,
                     "OpenSSL has no provider for PKCS#11: set up pkcs11-provider");
}

#endif

enum prov_rc signer_pkcs11_key(const char *text, EVP_PKEY **out, struct prov_err *err)
{
    UI_METHOD *const ui = no_user();
    enum prov_rc rc = PROV_OK;
    struct uri uri;

    *out = NULL;
    read_uri(text, &uri);
    if (ui == NULL || uri.object.rc == PROV_ENOMEM || uri.pin.rc == PROV_ENOMEM ||
        uri.pin_source.rc == PROV_ENOMEM || uri.module.rc == PROV_ENOMEM)
        rc = prov_nomem(err);
    else if (uri.object.rc != PROV_OK || uri.pin.rc != PROV_OK || uri.pin_source.rc != PROV_OK ||
             uri.module.rc != PROV_OK)
        rc = prov_fail(err, PROV_EINVAL, SIGNER_BAD, "the PKCS#11 URI is too long");
    else if (uri.pin_source.n != 0)
        rc = read_pin_source(&uri, err);
    if (rc == PROV_OK && OSSL_PROVIDER_available(NULL, NAME) == 1)
        rc = key_from_provider(text, &uri, ui, out, err);
    else if (rc == PROV_OK)
        rc = key_from_engine(&uri, ui, out, err);
    UI_destroy_method(ui);
    uri_release(&uri);
    return rc;
}
