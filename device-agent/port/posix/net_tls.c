#include "net_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "posix.h"

/* 112 bits: what OpenSSL, but for Paho, and Debian ask for. */
#define AUTH_LEVEL 2

/* ---- our own no, and the other side's -------------------------------------------------------- */

static bool clock_is_behind(void)
{
    return (int64_t)time(NULL) < POSIX_CLOCK_SET_S;
}

/* What the server's certificate is refused for; the rest is AGENT_TRUST with OpenSSL's words. */
static void explain_verify(struct net_tls *tls, int error)
{
    const char *host = tls->host, *file = tls->conf->ca_file;

    switch (error) {
    case X509_V_ERR_CERT_NOT_YET_VALID:
        (void)port_fail(&tls->failed, AGENT_CLOCK,
                        "the certificate of %s is not valid yet: is the clock right?", host);
        break;
    case X509_V_ERR_CERT_HAS_EXPIRED:
        (void)port_fail(&tls->failed, clock_is_behind() ? AGENT_CLOCK : AGENT_TRUST,
                        "the certificate of %s has expired; renew it, or set the clock", host);
        break;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        (void)port_fail(&tls->failed, AGENT_TRUST,
                        "the server's certificate is not for %s: is it the right host?", host);
        break;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        (void)port_fail(&tls->failed, AGENT_TRUST,
                        "the certificate of %s was not issued by a CA in %s", host, file);
        break;
    default:
        (void)port_fail(&tls->failed, AGENT_TRUST, "the certificate of %s is not good: %s", host,
                        X509_verify_cert_error_string(error));
    }
}

/* Alerts that speak of more than bad luck. */
static const struct {
    int alert;
    enum agent_class class;
} alerts[] = {
    { SSL_AD_BAD_CERTIFICATE, AGENT_REFUSED },
    { SSL_AD_UNSUPPORTED_CERTIFICATE, AGENT_REFUSED },
    { SSL_AD_CERTIFICATE_REVOKED, AGENT_REFUSED },
    { SSL_AD_CERTIFICATE_EXPIRED, AGENT_REFUSED },
    { SSL_AD_CERTIFICATE_UNKNOWN, AGENT_REFUSED },
    { SSL_AD_UNKNOWN_CA, AGENT_REFUSED },
    { SSL_AD_ACCESS_DENIED, AGENT_REFUSED },
    { SSL_AD_DECRYPT_ERROR, AGENT_REFUSED },
    { SSL_AD_CERTIFICATE_REQUIRED, AGENT_REFUSED },
    { SSL_AD_INTERNAL_ERROR, AGENT_BUSY },
    { SSL_AD_NO_APPLICATION_PROTOCOL, AGENT_CONFIG },
};

static enum agent_class alert_class(const struct net_tls *tls)
{
    for (size_t i = 0; i < sizeof alerts / sizeof alerts[0]; i++) {
        if (alerts[i].alert == tls->alert)
            return alerts[i].class;
    }
    /* says all or nothing; without a certificate, that there is no cipher in common */
    return tls->alert == SSL_AD_HANDSHAKE_FAILURE && tls->given ? AGENT_REFUSED : AGENT_NETWORK;
}

/* OpenSSL 3.0 has no words for TLS 1.3's alerts, so each has its number too. */
static void explain_alert(const struct net_tls *tls, struct port_result *result)
{
    const enum agent_class class = alert_class(tls);
    const char *said = SSL_alert_desc_string_long(tls->alert);

    if (class == AGENT_REFUSED)
        (void)port_fail(result, class, "the broker refused the certificate (TLS alert %d: %s)",
                        tls->alert, said);
    else if (class == AGENT_CONFIG)
        (void)port_fail(result, class, "the broker does not speak \"%s\" (TLS alert %d): see alpn",
                        tls->conf->alpn != NULL ? tls->conf->alpn : "", tls->alert);
    else
        (void)port_fail(result, class, "%s ended the TLS handshake (alert %d: %s)", tls->host,
                        tls->alert, said);
}

/* A refusal of a certificate that is in the future by our clock is as likely the clock's fault. */
static void suspect_clock(const struct net_tls *tls, struct port_result *result)
{
    if (result->class == AGENT_REFUSED && X509_cmp_current_time(X509_get0_notBefore(tls->cert)) > 0)
        (void)port_fail(result, AGENT_CLOCK,
                        "the certificate was refused, and is not valid yet: is the clock right?");
}

bool net_tls_verdict(const struct net_tls *tls, bool closed, struct port_result *result)
{
    if (tls->failed.class != AGENT_OK)
        *result = tls->failed;
    else if (tls->alert >= 0)
        explain_alert(tls, result);
    else if (closed && (tls->up || tls->given))
        /* AWS IoT's first contact, and with TLS 1.3 an alert that the end of TCP overtook */
        (void)port_fail(result, AGENT_REFUSED,
                        "the broker closed the connection without an answer: it does not know the "
                        "certificate, or its policy lacks iot:Connect");
    else if (closed && tls->reason[0] != '\0')
        (void)port_fail(result, AGENT_NETWORK, "TLS with %s failed: %s", tls->host, tls->reason);
    else
        return false;
    suspect_clock(tls, result);
    return true;
}

/* ---- callbacks of a connection's SSL --------------------------------------------------------- */

static int tls_index = -1;

/* SSL_CB_HANDSHAKE_DONE comes with TLS 1.3 before the server has looked at our certificate; its
 * alert comes later, with the first read. */
static void note_state(const SSL *ssl, int where, int ret)
{
    struct net_tls *tls = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), tls_index);

    if ((where & SSL_CB_HANDSHAKE_DONE) != 0)
        tls->up = true;
    if ((where & SSL_CB_ALERT) != 0 && (where & SSL_CB_READ) != 0 &&
        (ret & 0xff) != SSL_AD_CLOSE_NOTIFY)
        tls->alert = ret & 0xff;
}

/*
 * A server that refuses our certificate sends its alert and closes; with TLS 1.3 that can be before
 * we write, and Paho, whose write then fails, closes without reading what came. So a write to a
 * connection that is gone passes for done: the next read tells, and the alert comes first.
 */
static long on_socket(BIO *bio, int what, const char *bytes, size_t n, int argi, long argl, int ret,
                      size_t *processed)
{
    (void)bytes;
    (void)argi;
    (void)argl;
    if (what != (BIO_CB_WRITE | BIO_CB_RETURN) || ret > 0 || BIO_should_retry(bio) ||
        (errno != ECONNRESET && errno != EPIPE))
        return ret;
    *processed = n;
    return 1;
}

/* The name is set here and not on the SSL_CTX, whose parameters an SSL need not have taken yet. */
static bool set_name(X509_STORE_CTX *store, const char *host)
{
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(store);

    X509_VERIFY_PARAM_set_auth_level(param, AUTH_LEVEL);
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    /* what is in the trust file is trusted, also where it is not self-signed */
    return X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN) == 1 &&
           (X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1 ||
            X509_VERIFY_PARAM_set1_host(param, host, 0) == 1);
}

static int verify_server(X509_STORE_CTX *store, void *arg)
{
    struct net_tls *tls = arg;
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());

    if (tls->failed.class != AGENT_OK) /* prepare did not come to its end */
        return 0;
    /* an SSL's own comes before its SSL_CTX's, which is Paho's by now */
    SSL_set_info_callback(ssl, note_state);
    BIO_set_callback_ex(SSL_get_rbio(ssl), on_socket); /* the same one as for writing */
    if (SSL_version(ssl) < TLS1_2_VERSION) { /* a system's openssl.cnf may have allowed it */
        (void)port_fail(&tls->failed, AGENT_TRUST, "%s speaks no newer TLS than %s", tls->host,
                        SSL_get_version(ssl));
        return 0;
    }
    if (!set_name(store, tls->host)) {
        X509_STORE_CTX_set_error(store, X509_V_ERR_OUT_OF_MEM);
        (void)port_fail(&tls->failed, AGENT_LOCAL, "no memory to verify a certificate");
        return 0;
    }
    if (X509_verify_cert(store) == 1)
        return 1;
    explain_verify(tls, X509_STORE_CTX_get_error(store));
    return 0;
}

static int give_certificate(SSL *ssl, void *arg)
{
    struct net_tls *tls = arg;

    if (SSL_use_cert_and_key(ssl, tls->cert, tls->key, tls->chain, 1) != 1) {
        (void)port_fail(&tls->failed, AGENT_LOCAL,
                        "OpenSSL takes neither certificate nor key: too weak, or not of a pair");
        return 0;
    }
    tls->given = true;
    return 1;
}

/* "…:error:0A000410:SSL routines::sslv3 alert handshake failure:…" */
int net_tls_error(const char *line, size_t n, void *arg)
{
    struct net_tls *tls = arg;
    const char *at = strstr(line, ":error:");
    unsigned long code;
    const char *reason;

    (void)n;
    if (at == NULL || tls->reason[0] != '\0') /* the first is the cause */
        return 1;
    code = strtoul(at + sizeof ":error:" - 1, NULL, 16);
    reason = ERR_reason_error_string(code);
    if (reason != NULL)
        (void)snprintf(tls->reason, sizeof tls->reason, "%s", reason);
    /* of before the server's certificate, when note_state does not listen yet */
    if (ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) > SSL_AD_REASON_OFFSET &&
        ERR_GET_REASON(code) <= SSL_AD_REASON_OFFSET + UINT8_MAX)
        tls->alert = ERR_GET_REASON(code) - SSL_AD_REASON_OFFSET;
    return 1;
}

/* ---- Paho's SSL_CTX -------------------------------------------------------------------------- */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t expect_lock = PTHREAD_MUTEX_INITIALIZER;
static struct net_tls *expected;

/* Without any of this Paho's SSL_CTX trusts nobody: it was given no trust store. */
static bool prepare(SSL_CTX *ctx, struct net_tls *tls)
{
    unsigned char protocols[256];
    size_t n;

    SSL_CTX_set_cert_verify_callback(ctx, verify_server, tls);
    SSL_CTX_set1_cert_store(ctx, tls->trust);
    SSL_CTX_set_cert_cb(ctx, give_certificate, tls);
    if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1)
        return false;
    if (tls->conf->alpn == NULL)
        return true;
    n = strlen(tls->conf->alpn);
    protocols[0] = (unsigned char)n; /* at most 255: net_tls_init */
    memcpy(protocols + 1, tls->conf->alpn, n);
    return SSL_CTX_set_alpn_protos(ctx, protocols, (unsigned)n + 1) == 0; /* 0 is success */
}

/* OpenSSL's signature; ptr, argl and argp say nothing here. */
static void on_new_ctx(void *parent, void *ptr, CRYPTO_EX_DATA *data, int index, long argl,
                       void *argp)
{
    SSL_CTX *ctx = parent;
    struct net_tls *tls = NULL;

    (void)ptr;
    (void)argl;
    (void)argp;
    if (SSL_CTX_get_ssl_method(ctx) != TLS_client_method())
        return;
    (void)pthread_mutex_lock(&expect_lock);
    if (expected != NULL && !pthread_equal(expected->thread, pthread_self())) {
        tls = expected;
        expected = NULL;
    }
    (void)pthread_mutex_unlock(&expect_lock);
    if (tls == NULL)
        return;
    if (CRYPTO_set_ex_data(data, index, tls) != 1 || !prepare(ctx, tls))
        (void)port_fail(&tls->failed, AGENT_LOCAL, "OpenSSL cannot be set up for TLS");
}

static void make_index(void)
{
    tls_index = SSL_CTX_get_ex_new_index(0, NULL, on_new_ctx, NULL, NULL);
}

void net_tls_expect(struct net_tls *tls)
{
    (void)pthread_mutex_lock(&expect_lock);
    expected = tls;
    (void)pthread_mutex_unlock(&expect_lock);
}

/* ---- what a connection comes with ------------------------------------------------------------ */

static bool read_trust(struct net_tls *tls, struct port_result *result)
{
    const char *file = tls->conf->ca_file;

    tls->trust = X509_STORE_new();
    if (tls->trust != NULL && X509_STORE_load_file(tls->trust, file) == 1)
        return true;
    ERR_clear_error();
    (void)port_fail(result, AGENT_CONFIG,
                    "no CA certificates in %s: it must be a file with certificates in PEM", file);
    return false;
}

/* The device's own first, its chain may follow. */
static bool read_certs(struct net_tls *tls, struct agent_span pem)
{
    BIO *bio = pem.n <= INT32_MAX ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
    X509 *next = NULL;
    bool read;

    tls->chain = sk_X509_new_null();
    tls->cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    read = tls->chain != NULL && tls->cert != NULL;
    while (read && (next = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        read = sk_X509_push(tls->chain, next) > 0;
        if (!read)
            X509_free(next);
    }
    ERR_clear_error(); /* the end of the text is one */
    BIO_free(bio);
    return read;
}

/* "[::1]" and "::1" are the same to us; only the latter to OpenSSL. */
static bool copy_host(struct net_tls *tls)
{
    const char *host = tls->conf->host;
    const size_t skip = host[0] == '[', n = strcspn(host + skip, "]");

    if (n >= sizeof tls->host)
        return false;
    memcpy(tls->host, host + skip, n);
    tls->host[n] = '\0';
    return true;
}

bool net_tls_init(struct net_tls *tls, const struct net_conf *conf, const struct keys_conf *keys,
                  struct agent_span cert, struct agent_span key, struct port_result *result)
{
    (void)pthread_once(&once, make_index);
    tls->conf = conf;
    tls->thread = pthread_self();
    tls->alert = -1;
    if (tls_index < 0)
        return port_fail(result, AGENT_LOCAL, "no memory") == AGENT_OK;
    if (!copy_host(tls) || (conf->alpn != NULL && (strlen(conf->alpn) - 1) >= UINT8_MAX))
        return port_fail(result, AGENT_CONFIG, "host or alpn is too long") == AGENT_OK;
    if (!read_trust(tls, result))
        return false;
    if (!read_certs(tls, cert))
        return port_fail(result, AGENT_LOCAL, "the certificate cannot be read: not PEM") ==
               AGENT_OK;
    tls->key = keys_load(keys, key, result);
    return tls->key != NULL;
}

void net_tls_release(struct net_tls *tls)
{
    (void)pthread_mutex_lock(&expect_lock);
    if (expected == tls)
        expected = NULL;
    (void)pthread_mutex_unlock(&expect_lock);
    X509_STORE_free(tls->trust);
    X509_free(tls->cert);
    sk_X509_pop_free(tls->chain, X509_free);
    EVP_PKEY_free(tls->key);
    memset(tls, 0, sizeof *tls);
}
