#include "control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "control_address.h"
#include "exits.h"

struct peer {
    int fd; /* -1: free */
    uint64_t until_ms;
    size_t n;
    char in[CONTROL_MAX_REQUEST];
    char *out; /* the answer, once there is one */
    size_t out_n, sent;
};

struct control {
    int fd;
    char *path;
    control_handler *handle;
    void *arg;
    struct peer peers[CONTROL_PEERS];
};

/* ---- listening ------------------------------------------------------------------------------- */

/* Bound with no rights for others from the first moment on. */
static bool bind_private(int fd, const struct sockaddr_un *to)
{
    const mode_t before = umask(0177);
    const bool ok = bind(fd, (const struct sockaddr *)to, sizeof *to) == 0;

    (void)umask(before);
    return ok;
}

static int listen_at(const char *path)
{
    struct sockaddr_un to;
    int dir_fd, fd, why;

    if (!control_address(path, &to, &dir_fd))
        return -1;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd != -1) {
        (void)unlink(path);
        if (!bind_private(fd, &to) || listen(fd, CONTROL_PEERS) != 0) {
            why = errno;
            (void)close(fd);
            fd = -1;
            errno = why;
        }
    }
    if (dir_fd != -1)
        (void)close(dir_fd);
    return fd;
}

enum agent_class control_listen(const char *path, control_handler *handle, void *arg,
                                struct control **out, struct port_result *result)
{
    struct control *control = calloc(1, sizeof *control);

    *out = NULL;
    if (control == NULL)
        return port_fail(result, AGENT_LOCAL, "no memory for the control socket");
    control->handle = handle;
    control->arg = arg;
    for (size_t i = 0; i < CONTROL_PEERS; i++)
        control->peers[i].fd = -1;
    control->path = strdup(path);
    control->fd = control->path != NULL ? listen_at(path) : -1;
    if (control->fd == -1) {
        (void)port_fail(result, AGENT_LOCAL, "control socket %s: %s", path, strerror(errno));
        free(control->path);
        free(control);
        return AGENT_LOCAL;
    }
    *out = control;
    return AGENT_OK;
}

static void drop(struct peer *peer)
{
    (void)close(peer->fd);
    OPENSSL_cleanse(peer->in, sizeof peer->in); /* it may have been a key */
    cJSON_free(peer->out);
    *peer = (struct peer){ .fd = -1 };
}

void control_free(struct control *control)
{
    if (control == NULL)
        return;
    for (size_t i = 0; i < CONTROL_PEERS; i++) {
        if (control->peers[i].fd != -1)
            drop(&control->peers[i]);
    }
    (void)close(control->fd);
    (void)unlink(control->path);
    free(control->path);
    free(control);
}

/* ---- answers --------------------------------------------------------------------------------- */

cJSON *control_ok(const char *name, cJSON *details)
{
    cJSON *answer = cJSON_CreateObject();

    if (cJSON_AddStringToObject(answer, "result", "ok") != NULL &&
        (details == NULL || cJSON_AddItemToObject(answer, name, details)))
        return answer;
    cJSON_Delete(details);
    cJSON_Delete(answer);
    return NULL;
}

cJSON *control_failed(const struct port_result *result)
{
    cJSON *answer = cJSON_CreateObject();

    if (cJSON_AddStringToObject(answer, "result", "failed") != NULL &&
        cJSON_AddStringToObject(answer, "class", agent_class_name(result->class)) != NULL &&
        cJSON_AddNumberToObject(answer, "exitCode", exit_of_class(result->class)) != NULL &&
        cJSON_AddStringToObject(answer, "text", result->text) != NULL)
        return answer;
    cJSON_Delete(answer);
    return NULL;
}

static void answer(struct control *control, struct peer *peer, size_t line_n)
{
    const struct agent_span line = { (const uint8_t *)peer->in, line_n };
    struct control_request request;
    struct port_result result = { 0 };
    cJSON *doc;

    if (control_request_read(line, &request, &result) == AGENT_OK)
        doc = control->handle(control->arg, &request);
    else
        doc = control_failed(&result);
    OPENSSL_cleanse(&request, sizeof request);
    peer->out = doc != NULL ? cJSON_PrintUnformatted(doc) : NULL;
    peer->out_n = peer->out != NULL ? strlen(peer->out) : 0;
    cJSON_Delete(doc);
}

/* ---- peers ----------------------------------------------------------------------------------- */

static bool may_command(int fd)
{
    struct ucred who;
    socklen_t n = sizeof who;

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) == 0 &&
           (who.uid == 0 || who.uid == geteuid());
}

static void greet(struct control *control, struct peer *peer, uint64_t now_ms)
{
    const int fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd == -1)
        return;
    if (!may_command(fd)) {
        (void)close(fd);
        return;
    }
    peer->fd = fd;
    peer->until_ms = now_ms + CONTROL_PEER_MS;
}

static bool again(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* A request ends with its line, or where the peer has no more to say. */
static void hear(struct control *control, struct peer *peer)
{
    const size_t room = sizeof peer->in - peer->n;
    const ssize_t n = recv(peer->fd, peer->in + peer->n, room, 0);
    const char *end;

    if (n == -1 && again())
        return;
    if (n == -1 || (n == 0 && peer->n == 0) || (size_t)n == room) {
        drop(peer);
        return;
    }
    end = memchr(peer->in + peer->n, '\n', (size_t)n);
    peer->n += (size_t)n;
    if (end != NULL)
        answer(control, peer, (size_t)(end - peer->in));
    else if (n == 0)
        answer(control, peer, peer->n);
    else
        return;
    if (peer->out == NULL)
        drop(peer);
}

static void speak(struct peer *peer)
{
    const ssize_t n =
        send(peer->fd, peer->out + peer->sent, peer->out_n - peer->sent, MSG_NOSIGNAL);

    if (n == -1 && again())
        return;
    if (n > 0)
        peer->sent += (size_t)n;
    if (n == -1 || peer->sent == peer->out_n)
        drop(peer);
}

uint32_t control_prepare(const struct control *control, uint64_t now_ms,
                         struct pollfd out[static CONTROL_POLLS])
{
    uint32_t ms = UINT32_MAX;
    bool room = false;

    for (size_t i = 0; i < CONTROL_PEERS; i++) {
        const struct peer *peer = &control->peers[i];
        const uint64_t left = peer->until_ms > now_ms ? peer->until_ms - now_ms : 0;

        out[i] = (struct pollfd){ .fd = peer->fd, .events = peer->out != NULL ? POLLOUT : POLLIN };
        room = room || peer->fd == -1;
        if (peer->fd != -1 && left < ms)
            ms = (uint32_t)left;
    }
    out[CONTROL_PEERS] = (struct pollfd){ .fd = room ? control->fd : -1, .events = POLLIN };
    return ms;
}

static struct peer *free_peer(struct control *control)
{
    for (size_t i = 0; i < CONTROL_PEERS; i++) {
        if (control->peers[i].fd == -1)
            return &control->peers[i];
    }
    return NULL;
}

void control_work(struct control *control, uint64_t now_ms,
                  const struct pollfd polled[static CONTROL_POLLS])
{
    struct peer *peer;

    for (size_t i = 0; i < CONTROL_PEERS; i++) {
        peer = &control->peers[i];
        if (peer->fd == -1 || polled[i].fd != peer->fd)
            continue;
        if (polled[i].revents != 0 && peer->out == NULL)
            hear(control, peer);
        if (peer->fd != -1 && peer->out != NULL)
            speak(peer);
        if (peer->fd != -1 && now_ms >= peer->until_ms)
            drop(peer);
    }
    peer = free_peer(control);
    if (peer != NULL && (polled[CONTROL_PEERS].revents & POLLIN) != 0)
        greet(control, peer, now_ms);
}
