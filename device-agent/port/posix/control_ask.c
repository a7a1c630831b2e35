#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "control.h"
#include "control_address.h"

static uint64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* False, and ETIMEDOUT, once the time is over. */
static bool wait_for(int fd, short events, uint64_t until_ms)
{
    struct pollfd polled = { .fd = fd, .events = events };
    uint64_t now;
    int n;

    do {
        now = now_ms();
        n = now < until_ms ? poll(&polled, 1, (int)(until_ms - now)) : 0;
    } while (n == -1 && errno == EINTR);
    if (n == 0)
        errno = ETIMEDOUT;
    return n == 1;
}

static int connect_to(const char *path)
{
    struct sockaddr_un to;
    int dir_fd, fd, why = 0;

    if (!control_address(path, &to, &dir_fd))
        return -1;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd != -1 && connect(fd, (const struct sockaddr *)&to, sizeof to) != 0) {
        why = errno;
        (void)close(fd);
        fd = -1;
    }
    if (dir_fd != -1)
        (void)close(dir_fd);
    if (why != 0)
        errno = why;
    return fd;
}

static bool send_all(int fd, const char *p, size_t n, uint64_t until_ms)
{
    while (n > 0) {
        ssize_t sent;

        if (!wait_for(fd, POLLOUT, until_ms))
            return false;
        sent = send(fd, p, n, MSG_NOSIGNAL);
        if (sent == -1 && errno != EAGAIN && errno != EINTR)
            return false;
        if (sent > 0) {
            p += sent;
            n -= (size_t)sent;
        }
    }
    return shutdown(fd, SHUT_WR) == 0;
}

/* Until the agent closes. */
static bool receive_all(int fd, char *out, size_t cap, size_t *n, uint64_t until_ms)
{
    *n = 0;
    for (;;) {
        ssize_t got;

        if (!wait_for(fd, POLLIN, until_ms))
            return false;
        got = recv(fd, out + *n, cap - *n, 0);
        if (got == -1 && errno != EAGAIN && errno != EINTR)
            return false;
        if (got == 0)
            return *n != 0;
        if (got > 0)
            *n += (size_t)got;
        if (*n == cap) {
            errno = EMSGSIZE;
            return false;
        }
    }
}

static bool exchange(int fd, const struct control_request *request, uint32_t timeout_ms,
                     cJSON **answer)
{
    const uint64_t until_ms = now_ms() + timeout_ms;
    char *room = calloc(1, CONTROL_MAX_ANSWER);
    struct agent_text text = { .p = room, .cap = CONTROL_MAX_ANSWER };
    bool ok;
    size_t n = 0;

    errno = EPROTO;
    ok = room != NULL && control_request_write(request, &text) &&
         send_all(fd, text.p, text.n, until_ms);
    if (room != NULL)
        OPENSSL_cleanse(room, CONTROL_MAX_ANSWER);
    ok = ok && receive_all(fd, room, CONTROL_MAX_ANSWER, &n, until_ms);
    if (ok) {
        errno = EPROTO;
        *answer = cJSON_ParseWithLength(room, n);
        ok = cJSON_IsObject(*answer);
    }
    free(room);
    return ok;
}

enum control_call control_ask(const char *path, const struct control_request *request,
                              uint32_t timeout_ms, cJSON **answer, struct port_result *result)
{
    const int fd = connect_to(path);
    bool ok;

    *answer = NULL;
    if (fd == -1 && (errno == ENOENT || errno == ECONNREFUSED || errno == ENOTDIR))
        return CONTROL_NO_AGENT;
    if (fd == -1) {
        (void)port_fail(result, AGENT_LOCAL, "control socket %s: %s%s", path, strerror(errno),
                        errno == EACCES ? "; be the agent's user, or root" : "");
        return CONTROL_FAILED;
    }
    ok = exchange(fd, request, timeout_ms, answer);
    if (!ok) {
        (void)port_fail(result, AGENT_LOCAL, "the agent at %s did not answer: %s", path,
                        strerror(errno));
        cJSON_Delete(*answer);
        *answer = NULL;
    }
    (void)close(fd);
    return ok ? CONTROL_ANSWERED : CONTROL_FAILED;
}

static enum agent_class class_of(const char *name)
{
    for (unsigned i = 1; name != NULL && i < AGENT_CLASSES; i++) {
        if (strcmp(name, agent_class_name((enum agent_class)i)) == 0)
            return (enum agent_class)i;
    }
    return AGENT_LOCAL;
}

enum agent_class control_result(const cJSON *answer, struct port_result *result)
{
    const char *how = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(answer, "result"));
    const char *class = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(answer, "class"));
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(answer, "text"));

    if (how != NULL && strcmp(how, "ok") == 0)
        return AGENT_OK;
    return port_fail(result, class_of(class), "%s", text != NULL ? text : "the agent refused");
}
