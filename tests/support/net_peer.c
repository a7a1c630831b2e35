#include "support/net_peer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <netinet/in.h>
#include <sys/socket.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "support/deadline.h"

enum { REQUEST_MAX = 1024 };

struct net_peer {
    struct net_peer_spec spec;
    SSL_CTX *tls;
    int listener, stop[2];
    uint16_t port;
    pthread_t thread;
    pthread_mutex_t lock; /* from here on */
    pthread_cond_t changed;
    unsigned accepted;
    char sni[256], alpn[256], request[REQUEST_MAX];
    char given[REQUEST_MAX]; /* to a test; its thread's alone */
};

static void need(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "net_peer: cannot %s\n", what);
    exit(2);
}

/* Until there is something to read; false: the test has had enough. */
static bool readable(const struct net_peer *peer, int fd)
{
    struct pollfd fds[] = { { .fd = peer->stop[0], .events = POLLIN },
                            { .fd = fd, .events = POLLIN } };

    while (poll(fds, 2, -1) == -1 && errno == EINTR) {
    }
    return fds[0].revents == 0;
}

static void remember(struct net_peer *peer, char *to, const char *text, size_t n)
{
    (void)pthread_mutex_lock(&peer->lock);
    memcpy(to, text, n);
    to[n] = '\0';
    (void)pthread_mutex_unlock(&peer->lock);
}

/* ---- TLS ------------------------------------------------------------------------------------- */

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *n,
                       const unsigned char *in, unsigned in_n, void *arg)
{
    struct net_peer *peer = arg;
    const char *want = peer->spec.alpn;

    (void)ssl;
    if (in_n == 0 || in_n != in[0] + 1u)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    remember(peer, peer->alpn, (const char *)in + 1, in[0]);
    *out = in + 1;
    *n = in[0];
    if (want == NULL || (strlen(want) == in[0] && memcmp(want, in + 1, in[0]) == 0))
        return SSL_TLSEXT_ERR_OK;
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int any_client(int ok, X509_STORE_CTX *store)
{
    (void)ok;
    (void)store;
    return 1;
}

static void make_tls(struct net_peer *peer)
{
    const struct net_peer_spec *spec = &peer->spec;
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

    need(ctx != NULL, "find memory");
    if (spec->weak || spec->old_version != 0)
        SSL_CTX_set_security_level(ctx, 0);
    need(SSL_CTX_use_certificate(ctx, spec->cert->x509) == 1 &&
             SSL_CTX_use_PrivateKey(ctx, spec->cert->key) == 1 &&
             SSL_CTX_set_max_proto_version(ctx, spec->version) == 1,
         "set up TLS");
    need(spec->old_version == 0 || SSL_CTX_set_min_proto_version(ctx, spec->old_version) == 1,
         "speak old TLS");
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, any_client);
    SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, peer);
    peer->tls = ctx;
}

static void talk(struct net_peer *peer, SSL *ssl, int fd)
{
    const struct net_peer_spec *spec = &peer->spec;
    const char *sni = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    char bytes[REQUEST_MAX];

    if (sni != NULL)
        remember(peer, peer->sni, sni, strlen(sni));
    if (spec->answer == NULL || !readable(peer, fd) || SSL_read(ssl, bytes, sizeof bytes) <= 0)
        return;
    if (spec->answer_n > 0)
        (void)SSL_write(ssl, spec->answer, (int)spec->answer_n);
    while (readable(peer, fd) && SSL_read(ssl, bytes, sizeof bytes) > 0) {
        if (spec->next_n > 0)
            (void)SSL_write(ssl, spec->next, (int)spec->next_n);
    }
}

static void serve_tls(struct net_peer *peer, int fd)
{
    SSL *ssl = SSL_new(peer->tls);

    need(ssl != NULL && SSL_set_fd(ssl, fd) == 1, "start TLS");
    if (readable(peer, fd) && SSL_accept(ssl) == 1)
        talk(peer, ssl, fd);
    ERR_clear_error();
    SSL_free(ssl);
}

/* ---- a proxy --------------------------------------------------------------------------------- */

static bool send_all(int fd, const char *bytes, size_t n)
{
    return send(fd, bytes, n, MSG_NOSIGNAL) == (ssize_t)n;
}

static bool read_head(struct net_peer *peer, int fd, char head[static REQUEST_MAX])
{
    size_t n = 0;

    head[0] = '\0';
    while (strstr(head, "\r\n\r\n") == NULL) {
        const ssize_t got =
            readable(peer, fd) ? recv(fd, head + n, REQUEST_MAX - 1 - n, 0) : (ssize_t)0;

        if (got <= 0)
            return false;
        n += (size_t)got;
        head[n] = '\0';
    }
    remember(peer, peer->request, head, n);
    return true;
}

static int dial(uint16_t port)
{
    const struct sockaddr_in at = { .sin_family = AF_INET,
                                    .sin_port = htons(port),
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd != -1 && connect(fd, (const struct sockaddr *)&at, sizeof at) == 0)
        return fd;
    if (fd != -1)
        (void)close(fd);
    return -1;
}

/* What there is at one end goes to the other; false: one has ended. */
static bool pass(int from, int to)
{
    char bytes[4096];
    const ssize_t n = recv(from, bytes, sizeof bytes, 0);

    return n > 0 && send_all(to, bytes, (size_t)n);
}

static void splice_both(struct net_peer *peer, int a, int b)
{
    struct pollfd fds[] = { { .fd = peer->stop[0], .events = POLLIN },
                            { .fd = a, .events = POLLIN },
                            { .fd = b, .events = POLLIN } };

    for (;;) {
        if (poll(fds, 3, -1) == -1 && errno != EINTR)
            return;
        if (fds[0].revents != 0 || (fds[1].revents != 0 && !pass(a, b)) ||
            (fds[2].revents != 0 && !pass(b, a)))
            return;
    }
}

static void serve_proxy(struct net_peer *peer, int fd)
{
    static const char fine[] = "HTTP/1.1 200 Connection established\r\n\r\n";
    const char *refusal = peer->spec.refusal, *colon;
    char head[REQUEST_MAX];
    int to;

    if (!read_head(peer, fd, head))
        return;
    if (refusal != NULL) {
        (void)send_all(fd, refusal, strlen(refusal));
        return;
    }
    colon = strchr(head, ':');
    to = colon != NULL ? dial((uint16_t)strtoul(colon + 1, NULL, 10)) : -1;
    if (to == -1)
        return;
    if (send_all(fd, fine, sizeof fine - 1))
        splice_both(peer, fd, to);
    (void)close(to);
}

/* ---- all of them ----------------------------------------------------------------------------- */

static void serve(struct net_peer *peer, int fd)
{
    static const char plain[] = "220 mail.example.com ESMTP\r\n";

    switch (peer->spec.way) {
    case NET_PEER_SILENT:
        (void)readable(peer, -1); /* waits for the test's end alone */
        break;
    case NET_PEER_CLOSES:
        break;
    case NET_PEER_PLAIN:
        (void)send_all(fd, plain, sizeof plain - 1);
        (void)readable(peer, fd);
        break;
    case NET_PEER_TLS:
        serve_tls(peer, fd);
        break;
    case NET_PEER_PROXY:
        serve_proxy(peer, fd);
        break;
    }
}

static void *run(void *arg)
{
    struct net_peer *peer = arg;

    while (readable(peer, peer->listener)) {
        const int fd = accept4(peer->listener, NULL, NULL, SOCK_CLOEXEC);

        if (fd == -1)
            continue;
        (void)pthread_mutex_lock(&peer->lock);
        peer->accepted++;
        (void)pthread_cond_broadcast(&peer->changed);
        (void)pthread_mutex_unlock(&peer->lock);
        serve(peer, fd);
        (void)close(fd);
    }
    return NULL;
}

struct net_peer *net_peer_start(const struct net_peer_spec *spec)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct net_peer *peer = calloc(1, sizeof *peer);
    socklen_t n = sizeof at;

    need(peer != NULL, "find memory");
    peer->spec = *spec;
    if (spec->way == NET_PEER_TLS)
        make_tls(peer);
    peer->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    need(peer->listener != -1 &&
             bind(peer->listener, (const struct sockaddr *)&at, sizeof at) == 0 &&
             listen(peer->listener, 8) == 0 &&
             getsockname(peer->listener, (struct sockaddr *)&at, &n) == 0 &&
             pipe2(peer->stop, O_CLOEXEC) == 0,
         "listen");
    peer->port = ntohs(at.sin_port);
    (void)pthread_mutex_init(&peer->lock, NULL);
    (void)pthread_cond_init(&peer->changed, NULL);
    need(pthread_create(&peer->thread, NULL, run, peer) == 0, "start a thread");
    return peer;
}

void net_peer_stop(struct net_peer *peer)
{
    if (peer == NULL)
        return;
    (void)close(peer->stop[1]);
    (void)pthread_join(peer->thread, NULL);
    (void)close(peer->stop[0]);
    (void)close(peer->listener);
    SSL_CTX_free(peer->tls);
    (void)pthread_cond_destroy(&peer->changed);
    (void)pthread_mutex_destroy(&peer->lock);
    free(peer);
}

uint16_t net_peer_port(const struct net_peer *peer)
{
    return peer->port;
}

static const char *give(struct net_peer *peer, const char *text)
{
    (void)pthread_mutex_lock(&peer->lock);
    (void)snprintf(peer->given, sizeof peer->given, "%s", text);
    (void)pthread_mutex_unlock(&peer->lock);
    return peer->given;
}

const char *net_peer_sni(struct net_peer *peer)
{
    return give(peer, peer->sni);
}

const char *net_peer_alpn(struct net_peer *peer)
{
    return give(peer, peer->alpn);
}

const char *net_peer_request(struct net_peer *peer)
{
    return give(peer, peer->request);
}

void net_peer_await(struct net_peer *peer, unsigned n)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += DEADLINE_DEFAULT_MS / 1000;
    (void)pthread_mutex_lock(&peer->lock);
    while (peer->accepted < n)
        need(pthread_cond_timedwait(&peer->changed, &peer->lock, &until) == 0,
             "see a connection in time");
    (void)pthread_mutex_unlock(&peer->lock);
}
