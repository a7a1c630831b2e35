/*
 * keys_priv.h - what the files of keys.h have from each other: keys in tokens (keys_pkcs11.c), the
 * token's door (keys_token.c, over p11-kit), and how OpenSSL gets at them (keys_engine.c).
 */
#ifndef POSIX_KEYS_PRIV_H
#define POSIX_KEYS_PRIV_H

#include <p11-kit/p11-kit.h>
#include <p11-kit/uri.h>

#include "keys.h"

enum { KEYS_MAX_PIN = 128, KEYS_MAX_PATH = 1024 };

/* ---- keys in tokens -------------------------------------------------------------------------- */

/* As keys.h has them, for references that are URIs; conf->pkcs11 is not NULL in make. */
enum agent_class keys_token_make(const struct keys_conf *conf, uint32_t generation,
                                 struct agent_text *out, struct port_result *result);
enum agent_class keys_token_destroy(const struct keys_conf *conf, struct agent_span reference,
                                    struct port_result *result);
EVP_PKEY *keys_token_load(const struct keys_conf *conf, struct agent_span reference,
                          struct port_result *result);
enum agent_class keys_token_storable(struct agent_span reference, struct agent_text *out,
                                     struct port_result *result);

/* ---- the door -------------------------------------------------------------------------------- */

/* Zero, or opened and to be closed. */
struct keys_token {
    P11KitUri *uri;             /* what was asked for */
    CK_FUNCTION_LIST **modules; /* those that p11-kit knows, or … */
    CK_FUNCTION_LIST *own;      /* … the one that a URI names */
    CK_FUNCTION_LIST *module;   /* of the token that was found: */
    CK_SLOT_ID slot;
    CK_TOKEN_INFO info;
    char pin[KEYS_MAX_PIN]; /* "": it has none, or needs none */
    CK_SESSION_HANDLE session;
    bool has_session;
};

/* One thread at a time, from open to close. On failure it is closed. */
enum agent_class keys_token_open(const struct keys_conf *conf, struct agent_span uri, bool write,
                                 struct keys_token *token, struct port_result *result);
void keys_token_close(struct keys_token *token);

/* NULL and a reason, or to be freed by the other, which wipes its PIN. */
P11KitUri *keys_uri_parse(struct agent_span text, struct port_result *result);
void keys_uri_free(P11KitUri *uri);
void keys_uri_forget_pin(P11KitUri *uri);
/* Or would any token do? */
bool keys_uri_names_token(P11KitUri *uri);
/* False: it does not fit. */
bool keys_uri_add(P11KitUri *uri, struct agent_text *out);

/* ---- OpenSSL --------------------------------------------------------------------------------- */

/* A key that is there, with the PIN that opens its token. */
struct keys_place {
    char uri[AGENT_MAX_KEY], uri_with_pin[AGENT_MAX_KEY];
    char module[KEYS_MAX_PATH];
    char pin[KEYS_MAX_PIN]; /* "": none is needed */
};

/*
 * An engine may end its module, for the whole process, with the last key, in whatever thread that
 * is freed. (That of libp11 0.4.12 does not; earlier ones do.) Held, it does not. One thread at a
 * time in hold, let_go and load.
 */
struct engine_st *keys_engine_hold(void);          /* NULL: there is none */
void keys_engine_let_go(struct engine_st *engine); /* NULL is fine */
EVP_PKEY *keys_engine_load(const struct keys_place *place, struct port_result *result);

#endif
