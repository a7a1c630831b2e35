/*
 * The way of OpenSSL 3 to a token is a provider, where one is set up; before that, and still
 * often, an engine, whose interface is deprecated and without another.
 */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "keys_priv.h"

#include <dlfcn.h>
#include <pthread.h>

#include <openssl/engine.h>
#include <openssl/err.h>
#include <openssl/provider.h>
#include <openssl/store.h>
#include <openssl/ui.h>

#define NAME "pkcs11" /* of the provider and of the engine */

/* ---- the one who is asked for a PIN: has none to tell ---------------------------------------- */

static UI_METHOD *nobody;
static pthread_once_t nobody_once = PTHREAD_ONCE_INIT;

static int tell_none(UI *ui, UI_STRING *string)
{
    (void)ui;
    (void)string;
    return 0;
}

/* Lives as long as the program, for the engine may keep it with a key. */
static void make_nobody(void)
{
    nobody = UI_create_method("nobody");
    if (nobody != NULL)
        (void)UI_method_set_reader(nobody, tell_none);
}

/* ---- provider -------------------------------------------------------------------------------- */

static EVP_PKEY *from_provider(const struct keys_place *place)
{
    OSSL_STORE_CTX *store = OSSL_STORE_open(place->uri_with_pin, nobody, NULL, NULL, NULL);
    EVP_PKEY *key = NULL;
    OSSL_STORE_INFO *info;

    if (store != NULL && OSSL_STORE_expect(store, OSSL_STORE_INFO_PKEY) == 1) {
        while (key == NULL && OSSL_STORE_eof(store) == 0 && OSSL_STORE_error(store) == 0) {
            info = OSSL_STORE_load(store);
            if (info != NULL && OSSL_STORE_INFO_get_type(info) == OSSL_STORE_INFO_PKEY)
                key = OSSL_STORE_INFO_get1_PKEY(info);
            OSSL_STORE_INFO_free(info);
        }
    }
    (void)OSSL_STORE_close(store);
    return key;
}

/* ---- engine ---------------------------------------------------------------------------------- */

#ifndef OPENSSL_NO_ENGINE

/* The engine's library stays where it is until the process has ended: OpenSSL unloads it in its own
 * cleaning up, when the engine has just made what it keeps for good. */
static void pin(ENGINE *engine)
{
    union {
        ENGINE_CTRL_FUNC_PTR function;
        void *address;
    } of = { .function = ENGINE_get_ctrl_function(engine) };
    Dl_info info;

    if (of.address != NULL && dladdr(of.address, &info) != 0)
        (void)dlopen(info.dli_fname, RTLD_NOW | RTLD_NODELETE | RTLD_NOLOAD);
}

struct engine_st *keys_engine_hold(void)
{
    ENGINE *engine;

    ENGINE_load_dynamic();
    engine = ENGINE_by_id(NAME);
    if (engine != NULL)
        pin(engine);
    if (engine != NULL && ENGINE_init(engine) != 1) {
        (void)ENGINE_free(engine);
        engine = NULL;
    }
    ERR_clear_error();
    return engine;
}

void keys_engine_let_go(struct engine_st *engine)
{
    if (engine == NULL)
        return;
    (void)ENGINE_finish(engine);
    (void)ENGINE_free(engine);
}

/* Its messages, which have the URI in them, are switched off. The key holds the engine, and the
 * engine the token. */
static EVP_PKEY *from_engine(const struct keys_place *place)
{
    ENGINE *engine = keys_engine_hold();
    EVP_PKEY *key = NULL;

    if (engine != NULL) {
        (void)ENGINE_ctrl_cmd_string(engine, "QUIET", NULL, 1);
        if (ENGINE_ctrl_cmd_string(engine, "MODULE_PATH", place->module, 0) == 1 &&
            (place->pin[0] == '\0' || ENGINE_ctrl_cmd_string(engine, "PIN", place->pin, 0) == 1))
            key = ENGINE_load_private_key(engine, place->uri, nobody, NULL);
        if (key != NULL && EVP_PKEY_set1_engine(key, engine) != 1) {
            EVP_PKEY_free(key);
            key = NULL;
        }
    }
    keys_engine_let_go(engine);
    return key;
}

#else

struct engine_st *keys_engine_hold(void)
{
    return NULL;
}

void keys_engine_let_go(struct engine_st *engine)
{
    (void)engine;
}

static EVP_PKEY *from_engine(const struct keys_place *place)
{
    (void)place;
    return NULL;
}

#endif

EVP_PKEY *keys_engine_load(const struct keys_place *place, struct port_result *result)
{
    EVP_PKEY *key = NULL;

    (void)pthread_once(&nobody_once, make_nobody);
    if (nobody != NULL)
        key = OSSL_PROVIDER_available(NULL, NAME) == 1 ? from_provider(place) : from_engine(place);
    ERR_clear_error();
    if (key == NULL)
        (void)port_fail(result, AGENT_LOCAL,
                        "OpenSSL cannot use the token's key: install libengine-pkcs11-openssl or "
                        "set up pkcs11-provider, and have all keys with one PKCS#11 module");
    return key;
}
