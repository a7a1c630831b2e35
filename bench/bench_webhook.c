/* An https hook that answers at once: what is measured with it is the plugin's part. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <openssl/ssl.h>

#include "fleet.h"

#define REQUEST_MAX (256 * 1024)

static const char *pki;
static uint64_t port;

static const struct bench_option options[] = {
    { .name = "pki",
      .value = "DIR",
      .help = "what bench_pki made: server.pem is the service's, too",
      .text = &pki,
      .required = true },
    { .name = "port",
      .value = "P",
      .help = "where to listen on 127.0.0.1",
      .number = &port,
      .lo = 1,
      .hi = 65535,
      .required = true },
    { .name = NULL },
};

static const struct bench_program program = {
    .name = "bench_webhook",
    .about = "Serves an activation hook that lets everybody in, until it is killed: a thread for\n"
             "each connection, which stays for the next request. Prints nothing.\n",
    .example = "bench_webhook --pki /tmp/pki --port 8443",
    .options = options,
};

static const char answer[] = "HTTP/1.1 200 OK\r\n"
                             "Content-Type: application/json\r\n"
                             "Content-Length: 23\r\n"
                             "\r\n"
                             "{\"decision\":\"activate\"}\n";

/* Of a whole head, without one 0. */
static size_t content_length(const char *head)
{
    const char *line = strcasestr(head, "\r\nContent-Length:");

    return line == NULL ? 0 : strtoul(line + 17, NULL, 10);
}

/* Reads one request and forgets it; false when the client is gone or wants too much. */
static bool read_request(SSL *ssl, char *text)
{
    const char *body = NULL;
    size_t n = 0;

    while (body == NULL || n < (size_t)(body - text) + content_length(text)) {
        const int got = SSL_read(ssl, text + n, (int)(REQUEST_MAX - 1 - n));

        if (got <= 0)
            return false;
        n += (size_t)got;
        text[n] = '\0';
        if (body == NULL && (body = strstr(text, "\r\n\r\n")) != NULL)
            body += 4;
    }
    return true;
}

static void *serve(void *arg)
{
    SSL *ssl = arg;
    char *text = bench_alloc(REQUEST_MAX, 1);

    if (SSL_accept(ssl) == 1) {
        while (read_request(ssl, text) && SSL_write(ssl, answer, sizeof answer - 1) > 0)
            continue;
    }
    (void)close(SSL_get_fd(ssl));
    SSL_free(ssl);
    free(text);
    return NULL;
}

static int listen_on(void)
{
    const struct sockaddr_in at = { .sin_family = AF_INET,
                                    .sin_port = htons((uint16_t)port),
                                    .sin_addr = { htonl(INADDR_LOOPBACK) } };
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;

    if (fd == -1 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, (const struct sockaddr *)&at, sizeof at) != 0 || listen(fd, 64) != 0)
        bench_fail("cannot listen on port %u: %s", (unsigned)port, strerror(errno));
    return fd;
}

static SSL_CTX *make_context(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    char cert[FLEET_PATH_MAX], key[FLEET_PATH_MAX];

    fleet_path(pki, "server.pem", cert);
    fleet_path(pki, "server.key", key);
    if (ctx == NULL || SSL_CTX_use_certificate_file(ctx, cert, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
        bench_fail("cannot use %s and its key", cert);
    return ctx;
}

static void take_connection(SSL_CTX *ctx, int fd)
{
    const int on = 1;
    pthread_t thread;
    SSL *ssl = SSL_new(ctx);

    if (ssl == NULL || SSL_set_fd(ssl, fd) != 1 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        pthread_create(&thread, NULL, serve, ssl) != 0 || pthread_detach(thread) != 0)
        bench_fail("cannot serve a connection");
}

int main(int argc, char **argv)
{
    SSL_CTX *ctx;
    int listener, fd;

    bench_options(&program, argc, argv);
    ctx = make_context();
    listener = listen_on();
    while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) != -1)
        take_connection(ctx, fd);
    bench_fail("accept: %s", strerror(errno));
}
