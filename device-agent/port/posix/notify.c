#include "notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Half of what the manager allows, as sd_watchdog_enabled(3) recommends. */
static uint64_t watchdog_ms(void)
{
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    char *end;
    uint64_t value;

    if (usec == NULL || (pid != NULL && strtol(pid, NULL, 10) != (long)getpid()))
        return 0;
    errno = 0;
    value = strtoull(usec, &end, 10);
    if (errno != 0 || end == usec || *end != '\0' || value == 0 || value == UINT64_MAX)
        return 0;
    value /= 2000;
    return value != 0 ? value : 1;
}

/* A path, or "@" and a name in the abstract name space. */
static int connected_to(const char *socket_name)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    const size_t n = strlen(socket_name);
    int fd;

    if ((socket_name[0] != '/' && socket_name[0] != '@') || n < 2 || n >= sizeof to.sun_path)
        return -1;
    memcpy(to.sun_path, socket_name, n);
    if (to.sun_path[0] == '@')
        to.sun_path[0] = '\0';
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd == -1)
        return -1;
    if (connect(fd, (const struct sockaddr *)&to,
                (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) == 0)
        return fd;
    (void)close(fd);
    return -1;
}

void notify_open(struct notify *notify)
{
    const char *socket_name = getenv("NOTIFY_SOCKET");

    *notify = (struct notify){ .fd = socket_name != NULL ? connected_to(socket_name) : -1 };
    if (notify->fd != -1)
        notify->watchdog_ms = watchdog_ms();
    (void)unsetenv("NOTIFY_SOCKET");
    (void)unsetenv("WATCHDOG_USEC");
    (void)unsetenv("WATCHDOG_PID");
}

void notify_close(struct notify *notify)
{
    if (notify->fd != -1)
        (void)close(notify->fd);
    notify->fd = -1;
}

void notify_send(const struct notify *notify, const char *assignments)
{
    if (notify->fd != -1)
        (void)send(notify->fd, assignments, strlen(assignments), MSG_NOSIGNAL);
}

void notify_status(const struct notify *notify, const char *text)
{
    char line[512];

    (void)snprintf(line, sizeof line, "STATUS=%s", text);
    for (char *c = line; *c != '\0'; c++) {
        if (*c == '\n' || *c == '\r')
            *c = ' ';
    }
    notify_send(notify, line);
}
