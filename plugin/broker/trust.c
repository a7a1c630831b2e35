#include "trust.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include "core/ident.h"
#include "report.h"
#include "run/log.h"

#define JUST_NOW_MS 1000 /* a DISCONNECT is handled sooner than that */

struct prov_trust {
    struct prov_plugin *pl;
    int ctx_index;  /* of SSL_CTX: its new-function is the hook */
    int leaf_index; /* of X509: the decision */
};

/* ---- alerts ---------------------------------------------------------------------------------- */

/* What OpenSSL makes the TLS alert from (ssl/statem/statem_lib.c, ssl_x509err2alert). */
static int verify_error(enum prov_reason reason)
{
    switch (reason) {
    case PROV_REASON_CERT_REVOKED:
    case PROV_REASON_CERT_LISTED:
        return X509_V_ERR_CERT_REVOKED; /* certificate_revoked */
    case PROV_REASON_EXPIRED:
        return X509_V_ERR_CERT_HAS_EXPIRED; /* certificate_expired */
    case PROV_REASON_NOT_YET_VALID:
        return X509_V_ERR_CERT_NOT_YET_VALID; /* bad_certificate */
    case PROV_REASON_UNKNOWN_ISSUER:
    case PROV_REASON_CA_INACTIVE:
    case PROV_REASON_CA_EXPIRED:
    case PROV_REASON_NO_AUTO_REGISTRATION:
        return X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY; /* unknown_ca */
    case PROV_REASON_ISSUER_KEY:
        return X509_V_ERR_CERT_SIGNATURE_FAILURE; /* decrypt_error */
    case PROV_REASON_STORE:
    case PROV_REASON_INTERNAL:
    case PROV_REASON_THROTTLED:
        return X509_V_ERR_OUT_OF_MEM; /* internal_error: not for good */
    case PROV_REASON_LEAF_IS_CA:
    case PROV_REASON_USAGE:
        return X509_V_ERR_INVALID_PURPOSE; /* unsupported_certificate */
    default:
        return X509_V_ERR_CERT_REJECTED; /* bad_certificate */
    }
}

/* ---- the callback ---------------------------------------------------------------------------- */

static void peer_address(SSL *ssl, char *out, size_t cap)
{
    struct sockaddr_storage peer = { 0 };
    socklen_t n = sizeof peer;
    const void *from = NULL;

    *out = '\0';
    if (getpeername(SSL_get_fd(ssl), (struct sockaddr *)&peer, &n) != 0)
        return;
    if (peer.ss_family == AF_INET)
        from = &((const struct sockaddr_in *)&peer)->sin_addr;
    else if (peer.ss_family == AF_INET6)
        from = &((const struct sockaddr_in6 *)&peer)->sin6_addr;
    if (from != NULL)
        (void)inet_ntop(peer.ss_family, from, out, (socklen_t)cap);
}

static void report_refusal(struct prov_plugin *pl, const char *address, X509 *leaf,
                           const struct prov_decision *decision, const char *detail)
{
    const struct prov_refusal refusal = {
        .reason = decision->reason,
        .cert = decision->cert,
        .ca = decision->ca,
        .address = address,
        .leaf = leaf,
        .detail = prov_span_str(detail),
    };

    prov_report(pl, &refusal);
}

/* 3.4 has a function that reaches beyond 2038, and calls the old one deprecated. */
static void set_time(SSL_SESSION *session, time_t t)
{
#if OPENSSL_VERSION_NUMBER >= 0x30400000L
    (void)SSL_SESSION_set_time_ex(session, t);
#else
    (void)SSL_SESSION_set_time(session, (long)t);
#endif
}

/*
 * Resumption would skip this callback, and a ticket costs the broker more than it saves here. With
 * TLS 1.2 and session_resumption on, the ticket is promised already: it is one that has run out.
 */
static void no_resumption(SSL *ssl)
{
    SSL_SESSION *session = SSL_get_session(ssl);

    (void)SSL_set_num_tickets(ssl, 0);
    (void)SSL_set_options(ssl, SSL_OP_NO_TICKET);
    if (session != NULL)
        set_time(session, 1);
}

static void throttle(struct prov_decision *decision, struct prov_err *err, const char *limit)
{
    decision->outcome = PROV_REFUSED;
    decision->reason = PROV_REASON_THROTTLED;
    (void)snprintf(err->text, sizeof err->text, "%s", limit);
}

/*
 * Who comes too often is refused before it costs a public-key operation. Nothing of a registered
 * certificate's is used up here, where its key is not proven yet.
 */
static enum prov_rc admit(struct prov_plugin *pl, struct prov_tx *tx, SSL *ssl, X509 *leaf,
                          struct prov_decision *decision)
{
    const int64_t now_ms = prov_steady_ms();
    const struct prov_id id = decision->cert;
    char address[64];
    enum prov_rc rc;

    rc = prov_flow_admit_known(tx, &id, decision);
    if (rc == PROV_OK && decision->outcome == PROV_KNOWN &&
        !prov_throttle_connect_peek(pl->throttle, &id, now_ms))
        throttle(decision, tx->err, "certificate_per_s");
    if (rc != PROV_ENOTFOUND)
        return rc;
    peer_address(ssl, address, sizeof address);
    if (prov_throttle_stranger_peek(pl->throttle, address, now_ms))
        return prov_flow_admit_unknown(pl->issuers, tx, leaf, decision);
    throttle(decision, tx->err, "address_per_s");
    return PROV_OK;
}

static void decide(struct prov_plugin *pl, SSL *ssl, X509 *leaf, struct prov_decision *decision,
                   struct prov_err *err)
{
    struct prov_tx tx;
    enum prov_rc rc;

    memset(decision, 0, sizeof *decision);
    decision->outcome = PROV_REFUSED;
    rc = prov_ident_id(leaf, &decision->cert);
    if (rc == PROV_OK)
        rc = prov_read(pl, &tx, err);
    if (rc == PROV_OK) {
        rc = admit(pl, &tx, ssl, leaf, decision);
        prov_txn_abort(tx.txn);
    }
    if (rc == PROV_OK) {
        if (decision->reason != PROV_REASON_THROTTLED)
            err->text[0] = '\0'; /* that it is not registered is no news */
        return;
    }
    decision->outcome = PROV_REFUSED;
    decision->reason = rc == PROV_ESTORE ? PROV_REASON_STORE : PROV_REASON_INTERNAL;
}

/* Refused in the handshake: told, and one of the address's tokens is gone. */
static void refuse(struct prov_plugin *pl, SSL *ssl, X509 *leaf,
                   const struct prov_decision *decision, const struct prov_err *err)
{
    char address[64];

    peer_address(ssl, address, sizeof address);
    (void)prov_throttle_stranger(pl->throttle, address, prov_steady_ms());
    report_refusal(pl, address, leaf, decision, err->text);
}

/* What is noted on a certificate, the very object of its connection. */
struct note {
    struct prov_decision decision;
    SSL *ssl; /* the connection; alive for as long as the broker gives the certificate out */
};

/* BASIC_AUTH gets the same object and finds the decision on it; without memory it decides anew. */
static void remember(const struct prov_trust *trust, X509 *leaf, SSL *ssl,
                     const struct prov_decision *decision)
{
    struct note *note = X509_get_ex_data(leaf, trust->leaf_index);

    if (note == NULL) {
        note = malloc(sizeof *note);
        if (note == NULL || X509_set_ex_data(leaf, trust->leaf_index, note) != 1) {
            free(note);
            return;
        }
    }
    *note = (struct note){ *decision, ssl };
}

/* The broker's own cafile or capath has the say about a certificate that is not ours. */
static bool others_trust(X509_STORE_CTX *ctx)
{
    if (X509_verify_cert(ctx) > 0)
        return true;
    /* OpenSSL makes the alert from the error, which stays as the verification left it */
    if (X509_STORE_CTX_get_error(ctx) == X509_V_OK)
        X509_STORE_CTX_set_error(ctx, X509_V_ERR_UNSPECIFIED);
    return false;
}

static int verify(X509_STORE_CTX *ctx, void *arg)
{
    struct prov_trust *trust = arg;
    SSL *ssl = X509_STORE_CTX_get_ex_data(ctx, SSL_get_ex_data_X509_STORE_CTX_idx());
    X509 *leaf = X509_STORE_CTX_get0_cert(ctx);
    struct prov_decision decision;
    struct prov_err err = { 0 };

    if (ssl == NULL || leaf == NULL) {
        X509_STORE_CTX_set_error(ctx, X509_V_ERR_UNSPECIFIED);
        return 0;
    }
    decide(trust->pl, ssl, leaf, &decision, &err);
    if (decision.outcome != PROV_KNOWN || trust->pl->conf.session_resumption == PROV_RESUMPTION_OFF)
        no_resumption(ssl);
    remember(trust, leaf, ssl, &decision);
    if (decision.outcome == PROV_KNOWN || decision.outcome == PROV_NEW) {
        X509_STORE_CTX_set_error(ctx, X509_V_OK);
        return 1;
    }
    if (decision.outcome == PROV_FOREIGN && others_trust(ctx))
        return 1;
    if (decision.outcome == PROV_REFUSED)
        X509_STORE_CTX_set_error(ctx, verify_error(decision.reason));
    refuse(trust->pl, ssl, leaf, &decision, &err);
    return 0;
}

/* ---- hooking in ------------------------------------------------------------------------------ */

static void on_new_ctx(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int index, long argl,
                       void *argp)
{
    const struct prov_trust *trust = argp;
    SSL_CTX *ctx = parent;

    (void)ptr;
    (void)ad;
    (void)index;
    (void)argl;
    if (SSL_CTX_get_ssl_method(ctx) != TLS_server_method())
        return; /* a bridge's or a plugin's client side */
    SSL_CTX_set_cert_verify_callback(ctx, verify, argp);
    /* the server's chain is what its certfile holds; OpenSSL would look for a longer one at each
     * handshake */
    (void)SSL_CTX_set_mode(ctx, SSL_MODE_NO_AUTO_CHAIN);
    /* sessions are resumed by ticket or not at all: no memory for them here */
    (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    if (trust->pl->conf.session_resumption == PROV_RESUMPTION_OFF)
        (void)SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET); /* TLS 1.2; for 1.3 see no_resumption */
}

static void free_note(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int index, long argl, void *argp)
{
    (void)parent;
    (void)ad;
    (void)index;
    (void)argl;
    (void)argp;
    free(ptr);
}

/* A copy of the certificate is another connection's at best: it starts without a decision. */
static int dup_note(CRYPTO_EX_DATA *to, const CRYPTO_EX_DATA *from, void **from_d, int index,
                    long argl, void *argp)
{
    (void)to;
    (void)from;
    (void)index;
    (void)argl;
    (void)argp;
    *from_d = NULL;
    return 1;
}

enum prov_rc prov_trust_start(struct prov_plugin *pl, struct prov_trust **out, struct prov_err *err)
{
    struct prov_trust *trust = calloc(1, sizeof *trust);

    if (trust == NULL)
        return prov_nomem(err);
    trust->pl = pl;
    trust->leaf_index =
        CRYPTO_get_ex_new_index(CRYPTO_EX_INDEX_X509, 0, NULL, NULL, dup_note, free_note);
    trust->ctx_index =
        CRYPTO_get_ex_new_index(CRYPTO_EX_INDEX_SSL_CTX, 0, trust, on_new_ctx, NULL, NULL);
    if (trust->leaf_index < 0 || trust->ctx_index < 0) {
        prov_trust_stop(trust);
        return prov_fail(err, PROV_EBUG, "InternalFailureException",
                         "OpenSSL has no room for this plugin's data");
    }
    *out = trust;
    return PROV_OK;
}

void prov_trust_stop(struct prov_trust *trust)
{
    if (trust == NULL)
        return;
    /* from here on OpenSSL calls none of the functions above for these indices */
    if (trust->ctx_index >= 0)
        (void)CRYPTO_free_ex_index(CRYPTO_EX_INDEX_SSL_CTX, trust->ctx_index);
    if (trust->leaf_index >= 0)
        (void)CRYPTO_free_ex_index(CRYPTO_EX_INDEX_X509, trust->leaf_index);
    free(trust);
}

const struct prov_decision *prov_trust_decision(const struct prov_trust *trust, X509 *leaf)
{
    const struct note *note = X509_get_ex_data(leaf, trust->leaf_index);

    return note != NULL ? &note->decision : NULL;
}

/* Milliseconds since the client last sent anything; 0 when the kernel does not tell. */
static unsigned silence_ms(const SSL *ssl)
{
    struct tcp_info info = { 0 };
    socklen_t n = sizeof info;

    if (getsockopt(SSL_get_fd(ssl), IPPROTO_TCP, TCP_INFO, &info, &n) != 0)
        return 0;
    return info.tcpi_last_data_recv;
}

/*
 * Mosquitto 2.0 does not say why a client goes, but its connection does: its last read found it
 * closed or broken; or delivered something just now, which then was a DISCONNECT; or the client has
 * been silent, and the broker closes.
 */
static enum prov_disconnect last_read(const SSL *ssl, int keepalive_s)
{
    const unsigned silent_ms = silence_ms(ssl);

    if ((SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN) != 0 || !SSL_is_init_finished(ssl) ||
        SSL_want_write(ssl))
        return PROV_CONNECTION_LOST;
    if (keepalive_s > 0 && silent_ms >= (unsigned)keepalive_s * 1000)
        return PROV_KEEP_ALIVE_TIMEOUT;
    if (!SSL_want_nothing(ssl))
        return PROV_CONNECTION_LOST;
    return silent_ms < JUST_NOW_MS ? PROV_BY_CLIENT : PROV_BY_SERVER;
}

enum prov_disconnect prov_trust_farewell(const struct prov_trust *trust,
                                         const struct mosquitto *client)
{
    X509 *leaf = mosquitto_client_certificate(client);
    const struct note *note = leaf != NULL ? X509_get_ex_data(leaf, trust->leaf_index) : NULL;
    const enum prov_disconnect why = note != NULL
                                         ? last_read(note->ssl, mosquitto_client_keepalive(client))
                                         : PROV_CONNECTION_LOST;

    X509_free(leaf);
    return why;
}
