#include "support/mqtt_link.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <openssl/err.h>

#define CHUNK 16384
/* One step takes no more than this many chunks, so that one busy link does not starve the others.
 */
#define CHUNKS_PER_STEP 16
#define BUFFER_MAX (512u * 1024 * 1024)

/* ---- TLS set-up ------------------------------------------------------------------------------ */

static bool use_identity(SSL_CTX *ctx, const struct mqtt_tls *tls)
{
    if (tls->cert == NULL)
        return true;
    if (SSL_CTX_use_certificate(ctx, tls->cert) != 1 || SSL_CTX_use_PrivateKey(ctx, tls->key) != 1)
        return false;
    for (size_t i = 0; i < tls->chain_n; i++) {
        if (SSL_CTX_add1_chain_cert(ctx, tls->chain[i]) != 1)
            return false;
    }
    return true;
}

static bool use_trust(SSL_CTX *ctx, X509 *trust)
{
    if (trust == NULL)
        return true;
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    (void)X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx), X509_V_FLAG_PARTIAL_CHAIN);
    return X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), trust) == 1;
}

static bool use_alpn(SSL_CTX *ctx, const char *alpn)
{
    uint8_t list[256];
    const size_t n = alpn == NULL ? 0 : strlen(alpn);

    if (n == 0)
        return true;
    if (n > sizeof list - 1)
        return false;
    list[0] = (uint8_t)n;
    memcpy(list + 1, alpn, n);
    return SSL_CTX_set_alpn_protos(ctx, list, (unsigned)n + 1) == 0;
}

SSL_CTX *mqtt_tls_context(const struct mqtt_tls *tls)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    if (ctx == NULL)
        return NULL;
    /* weak keys and digests are for the broker to refuse */
    SSL_CTX_set_security_level(ctx, 0);
    /* otherwise OpenSSL adds issuers that it finds in the trust store */
    (void)SSL_CTX_set_mode(ctx, SSL_MODE_NO_AUTO_CHAIN);
    if (!use_identity(ctx, tls) || !use_trust(ctx, tls->trust) || !use_alpn(ctx, tls->alpn) ||
        SSL_CTX_set_min_proto_version(ctx, tls->version) != 1 ||
        SSL_CTX_set_max_proto_version(ctx, tls->version) != 1) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    return ctx;
}

static void on_tls_event(const SSL *ssl, int where, int value)
{
    struct mqtt_link *l = SSL_get_app_data(ssl);

    if (where == SSL_CB_READ_ALERT && value >> 8 == SSL3_AL_FATAL)
        l->report->alert = value & 0xff;
}

/* A shared context knows nothing of this client's certificate. */
static bool use_own_identity(SSL *ssl, const struct mqtt_tls *tls)
{
    return tls->shared == NULL || tls->cert == NULL ||
           (SSL_use_certificate(ssl, tls->cert) == 1 && SSL_use_PrivateKey(ssl, tls->key) == 1);
}

static bool start_tls(struct mqtt_link *l, const struct mqtt_tls *tls)
{
    SSL_CTX *own = tls->shared == NULL ? mqtt_tls_context(tls) : NULL;
    SSL_CTX *ctx = tls->shared == NULL ? own : tls->shared;

    if (ctx == NULL)
        return false;
    l->ssl = SSL_new(ctx);
    SSL_CTX_free(own);
    if (l->ssl == NULL)
        return false;
    l->from_peer = BIO_new(BIO_s_mem());
    l->to_peer = BIO_new(BIO_s_mem());
    if (l->from_peer == NULL || l->to_peer == NULL) {
        BIO_free(l->from_peer);
        BIO_free(l->to_peer);
        return false;
    }
    SSL_set_bio(l->ssl, l->from_peer, l->to_peer);
    SSL_set_app_data(l->ssl, l);
    SSL_set_info_callback(l->ssl, on_tls_event);
    SSL_set_connect_state(l->ssl);
    if (!use_own_identity(l->ssl, tls))
        return false;
    if (tls->sni != NULL && SSL_set_tlsext_host_name(l->ssl, tls->sni) != 1)
        return false;
    return tls->resume == NULL || SSL_set_session(l->ssl, tls->resume) == 1;
}

/* ---- TCP set-up ------------------------------------------------------------------------------ */

static bool to_address(const char *text, uint16_t port, struct sockaddr_in *out)
{
    memset(out, 0, sizeof *out);
    out->sin_family = AF_INET;
    out->sin_port = htons(port);
    return inet_pton(AF_INET, text, &out->sin_addr) == 1;
}

static void end(struct mqtt_link *l, enum mqtt_end why, int err)
{
    if (l->fd == -1)
        return;
    l->report->end = why;
    l->report->sys_errno = err;
    (void)close(l->fd);
    l->fd = -1;
    l->open = false;
}

static bool start_tcp(struct mqtt_link *l, const struct mqtt_options *o)
{
    struct sockaddr_in to, from;
    const int on = 1;

    if (!to_address(o->host == NULL ? "127.0.0.1" : o->host, o->port, &to))
        return false;
    if (o->source != NULL && !to_address(o->source, 0, &from))
        return false;
    l->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->fd == -1)
        return false;
    (void)setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    /* the port is chosen at connect, so that one address serves as many connections as a tuple can
     */
    (void)setsockopt(l->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (o->source != NULL && bind(l->fd, (const struct sockaddr *)&from, sizeof from) != 0) {
        end(l, MQTT_END_TCP, errno);
        return true;
    }
    if (connect(l->fd, (const struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS)
        end(l, MQTT_END_TCP, errno);
    return true;
}

bool mqtt_link_start(struct mqtt_link *l, const struct mqtt_options *o, struct mqtt_report *report)
{
    memset(l, 0, sizeof *l);
    l->fd = -1;
    l->report = report;
    prov_buf_init(&l->out, BUFFER_MAX);
    prov_buf_init(&l->in, BUFFER_MAX);
    prov_buf_init(&l->wire, BUFFER_MAX);
    prov_buf_init(&l->ws_out, BUFFER_MAX);
    l->on_ws = o->ws != NULL;
    if (l->on_ws && !ws_start(&l->ws, o->ws, &l->ws_out))
        return false;
    if (o->tls != NULL && !start_tls(l, o->tls))
        return false;
    return start_tcp(l, o);
}

void mqtt_link_release(struct mqtt_link *l)
{
    if (l->fd != -1)
        (void)close(l->fd);
    l->fd = -1;
    SSL_free(l->ssl);
    l->ssl = NULL;
    prov_buf_release(&l->out);
    prov_buf_release(&l->in);
    prov_buf_release(&l->wire);
    prov_buf_release(&l->ws_out);
    ws_release(&l->ws);
}

void mqtt_link_close(struct mqtt_link *l, enum mqtt_end why)
{
    end(l, why, 0);
}

void mqtt_link_consume(struct prov_buf *b, size_t n)
{
    if (n == 0)
        return;
    memmove(b->p, b->p + n, b->n - n);
    b->n -= n;
}

/* ---- the pump -------------------------------------------------------------------------------- */

static void finish_connect(struct mqtt_link *l)
{
    struct pollfd p = { .fd = l->fd, .events = POLLOUT };
    int err = 0;
    socklen_t n = sizeof err;

    if (poll(&p, 1, 0) != 1)
        return;
    if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &err, &n) != 0)
        err = errno;
    if (err != 0) {
        end(l, MQTT_END_TCP, err);
        return;
    }
    l->connected = true;
    l->open = l->ssl == NULL;
}

/* Where bytes from the peer go, once they are decrypted. */
static struct prov_buf *arrivals(struct mqtt_link *l)
{
    return l->on_ws ? &l->ws.raw : &l->in;
}

/* Where bytes to the peer come from, before they are encrypted. */
static struct prov_buf *departures(struct mqtt_link *l)
{
    return l->on_ws ? &l->ws_out : &l->out;
}

static void receive(struct mqtt_link *l)
{
    uint8_t chunk[CHUNK];

    for (unsigned i = 0; i < CHUNKS_PER_STEP && !l->eof; i++) {
        const ssize_t n = recv(l->fd, chunk, sizeof chunk, 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (n < 0)
            l->write_errno = errno;
        if (n <= 0)
            l->eof = true;
        else if (l->ssl == NULL)
            prov_buf_add(arrivals(l), prov_span(chunk, (size_t)n));
        else if (BIO_write(l->from_peer, chunk, (int)n) != n)
            l->broken = true;
    }
}

/* A result of an SSL call that was not success. */
static void tls_trouble(struct mqtt_link *l, int result)
{
    const int kind = SSL_get_error(l->ssl, result);
    const char *reason;

    if (kind == SSL_ERROR_WANT_READ)
        return;
    if (kind == SSL_ERROR_ZERO_RETURN) {
        l->eof = true; /* close_notify: nothing more will come */
        return;
    }
    l->broken = true;
    reason = ERR_reason_error_string(ERR_peek_error());
    (void)prov_span_copy(prov_span_str(reason == NULL ? "TLS failed" : reason), l->report->text,
                         sizeof l->report->text);
}

static void tls_handshake(struct mqtt_link *l)
{
    int result;

    ERR_clear_error();
    result = SSL_do_handshake(l->ssl);
    if (result != 1) {
        tls_trouble(l, result);
        return;
    }
    l->open = true;
    l->report->secured = true;
    l->report->resumed = SSL_session_reused(l->ssl) == 1;
    l->report->tls_version = SSL_version(l->ssl);
}

static void tls_decrypt(struct mqtt_link *l)
{
    uint8_t chunk[CHUNK];
    int n;

    do {
        ERR_clear_error();
        n = SSL_read(l->ssl, chunk, sizeof chunk);
        if (n > 0)
            prov_buf_add(arrivals(l), prov_span(chunk, (size_t)n));
    } while (n > 0);
    tls_trouble(l, n);
}

static void tls_encrypt(struct mqtt_link *l)
{
    struct prov_buf *out = departures(l);
    int n;

    if (out->n == 0)
        return;
    ERR_clear_error();
    n = SSL_write(l->ssl, out->p, (int)out->n);
    if (n > 0)
        mqtt_link_consume(out, (size_t)n);
    else
        tls_trouble(l, n);
}

/* What waits in out becomes a message of the WebSocket, which has to stand. */
static void wrap(struct mqtt_link *l)
{
    if (!l->on_ws || !l->ws.open || l->out.n == 0)
        return;
    ws_put(&l->ws, prov_buf_span(&l->out), &l->ws_out);
    mqtt_link_consume(&l->out, l->out.n);
}

void mqtt_link_frame(struct mqtt_link *l, enum ws_opcode opcode, struct prov_span payload)
{
    wrap(l);
    ws_put_frame(true, opcode, payload, &l->ws_out);
}

static void unwrap(struct mqtt_link *l)
{
    struct mqtt_report *r = l->report;

    ws_take(&l->ws, &l->in, &l->ws_out);
    r->ws_status = l->ws.status;
    r->ws_close = l->ws.close_code;
    r->ws_pongs = l->ws.pongs;
    if (l->ws.bad)
        (void)prov_span_copy(prov_span_str(l->ws.why), r->text, sizeof r->text);
}

/* Moves what is to be sent into wire. */
static void stage(struct mqtt_link *l)
{
    struct prov_buf *out = departures(l);
    char *p;
    long n;

    wrap(l);
    if (l->ssl == NULL) {
        prov_buf_add(&l->wire, prov_buf_span(out));
        mqtt_link_consume(out, out->n);
        return;
    }
    if (l->open && !l->broken)
        tls_encrypt(l);
    n = BIO_get_mem_data(l->to_peer, &p);
    if (n > 0) {
        prov_buf_add(&l->wire, prov_span(p, (size_t)n));
        (void)BIO_reset(l->to_peer);
    }
}

/* A failed write ends nothing: what the broker said before it closed is still to be read. */
static void flush(struct mqtt_link *l)
{
    size_t sent = 0;

    while (sent < l->wire.n && l->write_errno == 0) {
        const ssize_t n = send(l->fd, l->wire.p + sent, l->wire.n - sent, MSG_NOSIGNAL);

        if (n >= 0)
            sent += (size_t)n;
        else if (errno == EAGAIN || errno == EWOULDBLOCK)
            break;
        else if (errno != EINTR)
            l->write_errno = errno;
    }
    mqtt_link_consume(&l->wire, sent);
    if (l->write_errno != 0)
        mqtt_link_consume(&l->wire, l->wire.n);
}

static void conclude(struct mqtt_link *l)
{
    if (l->in.rc != PROV_OK || l->out.rc != PROV_OK || l->wire.rc != PROV_OK ||
        l->ws_out.rc != PROV_OK || l->ws.raw.rc != PROV_OK)
        end(l, MQTT_END_OURS, ENOMEM);
    else if (l->report->alert != -1)
        end(l, MQTT_END_ALERT, 0);
    else if (l->broken)
        end(l, MQTT_END_TLS, 0);
    else if (l->ws.bad)
        end(l, MQTT_END_MALFORMED, 0);
    else if (l->eof)
        end(l, l->write_errno != 0 ? MQTT_END_RESET : MQTT_END_EOF, l->write_errno);
}

void mqtt_link_step(struct mqtt_link *l)
{
    if (l->fd != -1 && !l->connected)
        finish_connect(l);
    if (l->fd == -1 || !l->connected)
        return;
    receive(l);
    if (l->ssl != NULL && !l->open && !l->broken)
        tls_handshake(l);
    if (l->ssl != NULL && l->open && !l->broken)
        tls_decrypt(l);
    if (l->on_ws)
        unwrap(l);
    stage(l);
    flush(l);
    conclude(l);
}

void mqtt_link_send(struct mqtt_link *l)
{
    if (l->fd == -1 || !l->open)
        return;
    stage(l);
    flush(l);
}

bool mqtt_link_wants_write(const struct mqtt_link *l)
{
    if (!l->connected)
        return true;
    return (l->wire.n != 0 && l->write_errno == 0) ||
           (l->open && (l->ws_out.n != 0 || (l->out.n != 0 && (!l->on_ws || l->ws.open))));
}
