#include "support/port.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

/* Outgoing connections use 32768 and up (net.ipv4.ip_local_port_range, unchanged since 2003). */
#define FIRST 16384
#define COUNT 16000

/* -1 when another test holds the port. */
static int guard_port(uint16_t port)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int n;

    if (fd == -1)
        return -1;
    n = snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "provisioning-test-port-%u",
                 (unsigned)port);
    if (bind(fd, (const struct sockaddr *)&name,
             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n)) == 0)
        return fd;
    (void)close(fd);
    return -1;
}

/* Nobody else on this machine listens there. */
static bool is_free(uint16_t port)
{
    const struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    bool bound;

    if (fd == -1)
        return false;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    bound = bind(fd, (const struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 1) == 0;
    (void)close(fd);
    return bound;
}

struct port port_take(void)
{
    /* tests that start together begin far apart */
    const unsigned start = (unsigned)getpid() * 61u;

    for (unsigned i = 0; i < COUNT; i++) {
        const uint16_t number = (uint16_t)(FIRST + (start + i) % COUNT);
        const int guard = guard_port(number);

        if (guard == -1)
            continue;
        if (is_free(number))
            return (struct port){ .number = number, .guard = guard };
        (void)close(guard);
    }
    return (struct port){ .number = 0, .guard = -1 };
}

void port_give_back(struct port *p)
{
    if (p->number == 0)
        return;
    (void)close(p->guard);
    p->number = 0;
    p->guard = -1;
}
