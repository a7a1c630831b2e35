#include "support/https_server.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include <netinet/in.h>
#include <sys/socket.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "support/port.h"

#define TRICKLE_US 20000 /* between two bytes: the pace of a slow service, nothing waits for it */

struct connection {
    struct https_server *server;
    int fd;
    pthread_t thread;
    struct connection *next;
};

struct https_server {
    SSL_CTX *tls;
    struct port port;
    int listener;
    pthread_t thread;
    pthread_mutex_t lock; /* from here on */
    bool stopping;
    enum https_way way;
    int status;
    char *body, *last_head, *last_body;
    unsigned n_connections, n_requests;
    struct connection *connections;
};

static void need(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "https_server: cannot %s\n", what);
    exit(2);
}

static void lock(struct https_server *s)
{
    (void)pthread_mutex_lock(&s->lock);
}

static void unlock(struct https_server *s)
{
    (void)pthread_mutex_unlock(&s->lock);
}

static void set_text(char **to, const char *text)
{
    free(*to);
    *to = strdup(text);
    need(*to != NULL, "remember a text");
}

/* ---- requests -------------------------------------------------------------------------------- */

static size_t content_length(const char *head)
{
    static const char name[] = "Content-Length:";

    for (const char *line = head; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncasecmp(line, name, sizeof name - 1) == 0)
            return strtoul(line + sizeof name - 1, NULL, 10);
    }
    return 0;
}

/* Head and body, cut apart, in text; false when the client is gone. */
static bool read_request(SSL *ssl, char *text, char **body)
{
    size_t n = 0, want = 0;

    *body = NULL;
    while (*body == NULL || n < want) {
        const int got = SSL_read(ssl, text + n, (int)(HTTPS_REQUEST_MAX - 1 - n));

        if (got <= 0)
            return false;
        n += (size_t)got;
        text[n] = '\0';
        if (*body != NULL)
            continue;
        *body = strstr(text, "\r\n\r\n");
        if (*body == NULL)
            continue;
        **body = '\0';
        *body += 4;
        want = (size_t)(*body - text) + content_length(text);
        need(want < HTTPS_REQUEST_MAX, "take so long a request");
    }
    return true;
}

/* ---- answers --------------------------------------------------------------------------------- */

static bool say(SSL *ssl, const char *text)
{
    const int n = (int)strlen(text);

    return n == 0 || SSL_write(ssl, text, n) == n;
}

PROV_PRINTF(2, 3) static bool sayf(SSL *ssl, const char *fmt, ...)
{
    char text[1024];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return say(ssl, text);
}

static bool say_head(SSL *ssl, int status, uint64_t length, const char *more)
{
    return sayf(ssl, "HTTP/1.1 %d Whatever\r\nContent-Length: %" PRIu64 "\r\n%s\r\n", status,
                length, more);
}

static bool stopping(struct https_server *s)
{
    bool is;

    lock(s);
    is = s->stopping;
    unlock(s);
    return is;
}

/* Until the client has enough, which must be soon. */
static void repeat(struct https_server *s, SSL *ssl, const char *text, unsigned pause_us)
{
    while (!stopping(s) && say(ssl, text)) {
        if (pause_us != 0)
            (void)usleep(pause_us);
    }
}

static void hang(SSL *ssl)
{
    char byte;

    (void)SSL_read(ssl, &byte, 1); /* which a client that waits does not send */
}

static const char flood_line[] =
    "X-Flood: 0123456789012345678901234567890123456789012345678901\r\n";

/* True when the connection may serve another request. */
static bool answer(struct https_server *s, SSL *ssl, enum https_way way, int status,
                   const char *body)
{
    char location[512];

    switch (way) {
    case HTTPS_ANSWER:
        return say_head(ssl, status, strlen(body), "") && say(ssl, body);
    case HTTPS_ANSWER_SHUT:
        (void)(say_head(ssl, status, strlen(body), "") && say(ssl, body));
        return false;
    case HTTPS_SHUT_WITHIN:
        (void)(say_head(ssl, status, strlen(body) + 1, "") && say(ssl, body));
        return false;
    case HTTPS_REDIRECT:
        (void)snprintf(location, sizeof location, "Location: %s\r\n", body);
        return say_head(ssl, 302, 0, location);
    case HTTPS_FLOOD:
        if (say_head(ssl, status, UINT64_C(1) << 40, ""))
            repeat(s, ssl, flood_line, 0);
        return false;
    case HTTPS_FLOOD_HEADERS:
        if (sayf(ssl, "HTTP/1.1 %d Whatever\r\n", status))
            repeat(s, ssl, flood_line, 0);
        return false;
    case HTTPS_TRICKLE:
        if (say_head(ssl, status, UINT64_C(1) << 40, ""))
            repeat(s, ssl, "x", TRICKLE_US);
        return false;
    case HTTPS_HANG:
    case HTTPS_HANG_TLS:
        hang(ssl);
        return false;
    default:
        return false;
    }
}

static bool serve_one(struct https_server *s, SSL *ssl, char *text)
{
    enum https_way way;
    char *body, *reply = NULL;
    bool go_on;
    int status;

    if (!read_request(ssl, text, &body))
        return false;
    lock(s);
    s->n_requests++;
    set_text(&s->last_head, text);
    set_text(&s->last_body, body);
    way = s->way;
    status = s->status;
    set_text(&reply, s->body);
    unlock(s);
    go_on = answer(s, ssl, way, status, reply);
    free(reply);
    return go_on;
}

/* ---- connections ----------------------------------------------------------------------------- */

static void serve_tls(struct connection *c)
{
    SSL *ssl = SSL_new(c->server->tls);
    char *text = malloc(HTTPS_REQUEST_MAX);

    need(ssl != NULL && text != NULL && SSL_set_fd(ssl, c->fd) == 1, "make a connection");
    if (SSL_accept(ssl) == 1) {
        while (serve_one(c->server, ssl, text))
            continue;
        (void)SSL_shutdown(ssl);
    }
    ERR_clear_error();
    SSL_free(ssl);
    free(text);
}

static enum https_way way_of(struct https_server *s)
{
    enum https_way way;

    lock(s);
    way = s->way;
    unlock(s);
    return way;
}

static void *connection_main(void *arg)
{
    static const char plain[] = "HTTP/1.1 200 OK\r\nContent-Length: 26\r\n\r\n"
                                "{\"allowProvisioning\":true}";
    struct connection *c = arg;
    char byte;

    switch (way_of(c->server)) {
    case HTTPS_HANG_TLS:
        while (recv(c->fd, &byte, 1, 0) > 0)
            continue;
        break;
    case HTTPS_PLAIN:
        (void)send(c->fd, plain, sizeof plain - 1, 0);
        while (recv(c->fd, &byte, 1, 0) > 0)
            continue;
        break;
    default:
        serve_tls(c);
    }
    (void)shutdown(c->fd, SHUT_RDWR); /* closed by https_stop, which knows it until then */
    return NULL;
}

static void *listener_main(void *arg)
{
    struct https_server *s = arg;
    struct connection *c;
    int fd;

    while ((fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC)) != -1) {
        c = calloc(1, sizeof *c);
        need(c != NULL, "remember a connection");
        c->server = s;
        c->fd = fd;
        lock(s);
        s->n_connections++;
        c->next = s->connections;
        s->connections = c;
        need(pthread_create(&c->thread, NULL, connection_main, c) == 0, "start a thread");
        unlock(s);
    }
    return NULL;
}

/* ---- start and stop -------------------------------------------------------------------------- */

static int listen_on(uint16_t port)
{
    const struct sockaddr_in at = { .sin_family = AF_INET,
                                    .sin_port = htons(port),
                                    .sin_addr = { htonl(INADDR_LOOPBACK) } };
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;

    need(fd != -1 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
             bind(fd, (const struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 64) == 0,
         "listen");
    return fd;
}

struct https_server *https_start(const struct pki_cert *identity)
{
    struct https_server *s = calloc(1, sizeof *s);
    sigset_t pipes, before;

    need(s != NULL, "remember a server");
    s->tls = SSL_CTX_new(TLS_server_method());
    need(s->tls != NULL && SSL_CTX_use_certificate(s->tls, identity->x509) == 1 &&
             SSL_CTX_use_PrivateKey(s->tls, identity->key) == 1,
         "use this identity");
    s->port = port_take();
    need(s->port.number != 0, "find a port");
    s->listener = listen_on(s->port.number);
    (void)pthread_mutex_init(&s->lock, NULL);
    https_behave(s, HTTPS_ANSWER, 200, "{}");
    set_text(&s->last_head, "");
    set_text(&s->last_body, "");
    /* a client that goes away must not end the test: its threads inherit the mask */
    (void)sigemptyset(&pipes);
    (void)sigaddset(&pipes, SIGPIPE);
    (void)pthread_sigmask(SIG_BLOCK, &pipes, &before);
    need(pthread_create(&s->thread, NULL, listener_main, s) == 0, "start a thread");
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return s;
}

void https_stop(struct https_server *s)
{
    struct connection *c;

    if (s == NULL)
        return;
    lock(s);
    s->stopping = true;
    unlock(s);
    (void)shutdown(s->listener, SHUT_RDWR);
    (void)pthread_join(s->thread, NULL);
    while ((c = s->connections) != NULL) {
        s->connections = c->next;
        (void)shutdown(c->fd, SHUT_RDWR);
        (void)pthread_join(c->thread, NULL);
        (void)close(c->fd);
        free(c);
    }
    (void)close(s->listener);
    port_give_back(&s->port);
    SSL_CTX_free(s->tls);
    (void)pthread_mutex_destroy(&s->lock);
    free(s->body);
    free(s->last_head);
    free(s->last_body);
    free(s);
}

/* ---- what tests ask -------------------------------------------------------------------------- */

uint16_t https_port(const struct https_server *s)
{
    return s->port.number;
}

void https_behave(struct https_server *s, enum https_way way, int status, const char *body)
{
    lock(s);
    s->way = way;
    s->status = status;
    set_text(&s->body, body);
    unlock(s);
}

static unsigned read_count(struct https_server *s, const unsigned *count)
{
    unsigned n;

    lock(s);
    n = *count;
    unlock(s);
    return n;
}

unsigned https_connections(struct https_server *s)
{
    return read_count(s, &s->n_connections);
}

unsigned https_requests(struct https_server *s)
{
    return read_count(s, &s->n_requests);
}

static char *read_text(struct https_server *s, char *const *text)
{
    char *copy = NULL;

    lock(s);
    set_text(&copy, *text);
    unlock(s);
    return copy;
}

char *https_last_head(struct https_server *s)
{
    return read_text(s, &s->last_head);
}

char *https_last_body(struct https_server *s)
{
    return read_text(s, &s->last_body);
}
