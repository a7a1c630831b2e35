#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "doctor.h"
#include "status.h"

enum { STEP_S = 10, EXPIRES_SOON_S = 14 * 86400, MAX_HOST = 256 };

/* Where TCP leads: to the broker or to its proxy. */
struct target {
    char host[MAX_HOST], port[8];
};

/* "[::1]:8080", "proxy:8080"; without a port it is 80, as Paho has it. */
static bool split(const char *address, struct target *out)
{
    const bool brackets = address[0] == '[';
    const char *end = brackets ? strchr(address, ']') : address + strcspn(address, ":/");
    const char *port = end == NULL ? NULL : brackets ? end + 1 : end;
    size_t n;

    if (end == NULL)
        return false;
    address += brackets ? 1 : 0;
    n = (size_t)(end - address);
    if (n >= sizeof out->host)
        return false;
    memcpy(out->host, address, n);
    out->host[n] = '\0';
    n = port[0] == ':' ? strcspn(port + 1, "/") : 0;
    if (n >= sizeof out->port)
        return false;
    (void)snprintf(out->port, sizeof out->port, "%.*s", n != 0 ? (int)n : 2,
                   n != 0 ? port + 1 : "80");
    return true;
}

static bool find_target(const struct net_conf *conf, struct target *out)
{
    const char *proxy = conf->proxy, *at;
    char number[8];

    if (proxy == NULL) {
        (void)snprintf(number, sizeof number, "%u", conf->port);
        if (!split(conf->host, out) && strlen(conf->host) >= sizeof out->host)
            return false;
        if (conf->host[0] != '[')
            (void)snprintf(out->host, sizeof out->host, "%s", conf->host);
        (void)snprintf(out->port, sizeof out->port, "%s", number);
        return true;
    }
    proxy += strncmp(proxy, "http://", 7) == 0 ? 7 : 0;
    at = strrchr(proxy, '@');
    return split(at != NULL ? at + 1 : proxy, out);
}

/* ---- name and TCP ---------------------------------------------------------------------------- */

static struct addrinfo *look_up(struct doctor *d, const struct target *target)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
    struct addrinfo *found = NULL;
    unsigned n = 0;
    const int rc = getaddrinfo(target->host, target->port, &hints, &found);

    if (rc != 0) {
        doctor_bad(d, "dns", AGENT_NETWORK,
                   "is the name right, and is there a route and a resolver?", "%s: %s",
                   target->host, gai_strerror(rc));
        return NULL;
    }
    for (const struct addrinfo *a = found; a != NULL; a = a->ai_next)
        n++;
    doctor_ok(d, "dns", "%s has %u address%s", target->host, n, n == 1 ? "" : "es");
    return found;
}

/* Every call on it ends within STEP_S. */
static int open_socket(const struct addrinfo *to)
{
    const struct timeval limit = { .tv_sec = STEP_S };
    const int fd = socket(to->ai_family, to->ai_socktype | SOCK_CLOEXEC, to->ai_protocol);
    int why;

    if (fd == -1)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0 &&
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0 &&
        connect(fd, to->ai_addr, to->ai_addrlen) == 0)
        return fd;
    why = errno == EINPROGRESS ? ETIMEDOUT : errno;
    (void)close(fd);
    errno = why;
    return -1;
}

static int reach(struct doctor *d, const struct target *target, const struct addrinfo *found)
{
    int fd = -1;

    for (const struct addrinfo *a = found; a != NULL && fd == -1; a = a->ai_next)
        fd = open_socket(a);
    if (fd == -1)
        doctor_bad(d, "tcp", AGENT_NETWORK, "is it up, is the port right, does a firewall drop it?",
                   "%s port %s: %s", target->host, target->port, strerror(errno));
    else
        doctor_ok(d, "tcp", "%s port %s answers", target->host, target->port);
    return fd;
}

/* ---- proxy ----------------------------------------------------------------------------------- */

/* user:password of a proxy with its %XX read, in base64; "": it has none. False: too long. */
static bool authorization(const char *proxy, char out[static 512])
{
    const char *from = proxy + (strncmp(proxy, "http://", 7) == 0 ? 7 : 0);
    const char *at = strrchr(from, '@');
    unsigned char plain[256];
    char digits[3] = "";
    int n = 0;

    out[0] = '\0';
    if (at == NULL)
        return true;
    for (; from < at && n < (int)sizeof plain; from++) {
        if (*from == '%' && at - from > 2) {
            memcpy(digits, from + 1, 2);
            plain[n++] = (unsigned char)strtoul(digits, NULL, 16);
            from += 2;
        } else {
            plain[n++] = (unsigned char)*from;
        }
    }
    if (from < at)
        return false;
    (void)EVP_EncodeBlock((unsigned char *)out, plain, n);
    OPENSSL_cleanse(plain, sizeof plain);
    return true;
}

/* Up to the end of the answer's head, byte by byte: what follows is TLS. 0: there was none. */
static unsigned read_answer(int fd)
{
    char head[2048];
    size_t n = 0;
    unsigned long status;

    while (n < sizeof head - 1 && recv(fd, head + n, 1, 0) == 1) {
        n++;
        if (n >= 4 && memcmp(head + n - 4, "\r\n\r\n", 4) == 0)
            break;
    }
    head[n] = '\0';
    if (strncmp(head, "HTTP/1.", 7) != 0 || n < 12)
        return 0;
    status = strtoul(head + 9, NULL, 10);
    return status < 1000 ? (unsigned)status : 0;
}

static bool pass_proxy(struct doctor *d, int fd)
{
    const struct net_conf *conf = &d->conf->net;
    char request[1536], credentials[512];
    unsigned status = 0;
    int n;

    if (conf->proxy == NULL)
        return true;
    if (authorization(conf->proxy, credentials)) {
        n = snprintf(request, sizeof request, "CONNECT %s:%u HTTP/1.1\r\nHost: %s:%u\r\n%s%s%s\r\n",
                     conf->host, conf->port, conf->host, conf->port,
                     credentials[0] != '\0' ? "Proxy-Authorization: Basic " : "", credentials,
                     credentials[0] != '\0' ? "\r\n" : "");
        if (n > 0 && (size_t)n < sizeof request && send(fd, request, (size_t)n, MSG_NOSIGNAL) == n)
            status = read_answer(fd);
        OPENSSL_cleanse(request, sizeof request);
        OPENSSL_cleanse(credentials, sizeof credentials);
    }
    if (status == 200)
        doctor_ok(d, "proxy", "it leads to %s:%u", conf->host, conf->port);
    else if (status == 0)
        doctor_bad(d, "proxy", AGENT_NETWORK, "is it an HTTP proxy?",
                   "it does not answer to CONNECT");
    else
        doctor_bad(d, "proxy", AGENT_NETWORK,
                   status == 407 ? "user and password go into proxy = http://user:password@…"
                                 : "it must allow CONNECT to that host and port",
                   "it answers %u to CONNECT %s:%u", status, conf->host, conf->port);
    return status == 200;
}

/* ---- TLS ------------------------------------------------------------------------------------- */

static SSL_CTX *new_ctx(struct doctor *d)
{
    const struct net_conf *conf = &d->conf->net;
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    unsigned char protocols[256];
    size_t n;

    if (ctx == NULL || SSL_CTX_load_verify_file(ctx, conf->ca_file) != 1) {
        doctor_bad(d, "tls", AGENT_CONFIG, "ca_file is a file with CA certificates in PEM",
                   "%s has no certificates", conf->ca_file);
        SSL_CTX_free(ctx);
        return NULL;
    }
    /* the verdict is looked at afterwards, so that all else is seen as well */
    SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
    (void)SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    if (conf->alpn != NULL && strlen(conf->alpn) <= UINT8_MAX) {
        n = strlen(conf->alpn);
        protocols[0] = (unsigned char)n;
        memcpy(protocols + 1, conf->alpn, n);
        (void)SSL_CTX_set_alpn_protos(ctx, protocols, (unsigned)n + 1);
    }
    return ctx;
}

static bool set_host(SSL *ssl, const char *configured)
{
    char host[MAX_HOST];
    struct target plain;
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);

    (void)snprintf(host, sizeof host, "%s", configured);
    if (configured[0] == '[' && split(configured, &plain))
        (void)snprintf(host, sizeof host, "%s", plain.host);
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    (void)X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
    if (X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1)
        return true;
    return X509_VERIFY_PARAM_set1_host(param, host, 0) == 1 &&
           SSL_set_tlsext_host_name(ssl, host) == 1;
}

/* What is wrong is in a person's words where it is one of the usual mistakes. */
static void tell_distrust(struct doctor *d, long why, const X509 *cert)
{
    char issuer[200] = "";
    const char *cure = "ca_file needs the CA that issued it; is this the right broker?";

    (void)X509_NAME_oneline(X509_get_issuer_name(cert), issuer, sizeof issuer);
    if (why == X509_V_ERR_HOSTNAME_MISMATCH || why == X509_V_ERR_IP_ADDRESS_MISMATCH)
        cure = "set host to a name that is in the certificate";
    else if (why == X509_V_ERR_CERT_HAS_EXPIRED)
        cure = "renew the broker's certificate; or is this device's clock ahead?";
    else if (why == X509_V_ERR_CERT_NOT_YET_VALID)
        cure = "is this device's clock right?";
    doctor_bad(d, "trust", why == X509_V_ERR_CERT_NOT_YET_VALID ? AGENT_CLOCK : AGENT_TRUST, cure,
               "%s; issued by %s", X509_verify_cert_error_string(why), issuer);
}

static void tell_trust(struct doctor *d, const SSL *ssl, const X509 *cert)
{
    const long why = SSL_get_verify_result(ssl);
    const time_t soon = time(NULL) + EXPIRES_SOON_S;

    if (why != X509_V_OK)
        tell_distrust(d, why, cert);
    else if (X509_cmp_time(X509_get0_notAfter(cert), (time_t[]){ soon }) < 0)
        doctor_bad(d, "trust", AGENT_OK, "renew the broker's certificate",
                   "it verifies, but ends within two weeks");
    else
        doctor_ok(d, "trust", "it verifies, its name too, by %s", d->conf->net.ca_file);
}

static void tell_alpn(struct doctor *d, const SSL *ssl)
{
    const unsigned char *chosen;
    unsigned n;

    if (d->conf->net.alpn == NULL)
        return;
    SSL_get0_alpn_selected(ssl, &chosen, &n);
    if (n != 0)
        doctor_ok(d, "alpn", "the broker takes %s", d->conf->net.alpn);
    else
        doctor_bad(d, "alpn", AGENT_OK, "leave alpn out, unless it is AWS IoT on port 443",
                   "the broker does not say that it takes %s", d->conf->net.alpn);
}

static void tell_handshake(struct doctor *d, const SSL *ssl)
{
    X509 *cert = SSL_get1_peer_certificate(ssl);
    const int reason = ERR_GET_REASON(ERR_peek_error());

    if (cert != NULL) {
        doctor_ok(d, "tls", "%s", SSL_get_version(ssl));
        tell_trust(d, ssl, cert);
        tell_alpn(d, ssl);
    } else if (reason == SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL) {
        doctor_bad(d, "alpn", AGENT_CONFIG, "leave alpn out, or see what the broker takes",
                   "the broker does not take %s",
                   d->conf->net.alpn != NULL ? d->conf->net.alpn : "MQTT there");
    } else {
        doctor_bad(d, "tls", AGENT_NETWORK, "is it the port for MQTT over TLS?",
                   "no TLS handshake: %s",
                   reason != 0 ? ERR_reason_error_string(ERR_peek_error())
                               : "the other side ended it, or said nothing");
    }
    X509_free(cert);
}

static void handshake(struct doctor *d, int fd)
{
    SSL_CTX *ctx = new_ctx(d);
    SSL *ssl = ctx != NULL ? SSL_new(ctx) : NULL;

    ERR_clear_error();
    if (ssl != NULL && SSL_set_fd(ssl, fd) == 1 && set_host(ssl, d->conf->net.host)) {
        (void)SSL_connect(ssl); /* without a certificate of ours it may well fail at its end */
        tell_handshake(d, ssl);
    }
    ERR_clear_error();
    SSL_free(ssl);
    SSL_CTX_free(ctx);
}

void doctor_net(struct doctor *d)
{
    struct target target;
    struct addrinfo *found;
    const size_t failures = d->failures;
    int fd = -1;

    if (!find_target(&d->conf->net, &target)) {
        doctor_bad(d, "dns", AGENT_CONFIG, "see host and proxy in device-agent.conf(5)",
                   "host or proxy cannot be an address");
        return;
    }
    found = look_up(d, &target);
    if (found != NULL)
        fd = reach(d, &target, found);
    if (fd != -1 && pass_proxy(d, fd))
        handshake(d, fd);
    d->reached = d->failures == failures;
    if (fd != -1)
        (void)close(fd);
    if (found != NULL)
        freeaddrinfo(found);
}
