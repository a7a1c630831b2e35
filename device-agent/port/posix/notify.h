/*
 * notify.h - sd_notify(3) without libsystemd: datagrams to the service manager, when it gave us a
 * socket for them. Nothing here can fail in a way that matters to the agent.
 */
#ifndef POSIX_NOTIFY_H
#define POSIX_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

struct notify {
    int fd;               /* -1: nobody listens */
    uint64_t watchdog_ms; /* how often the manager wants to hear of us; 0: not at all */
};

/* From NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, which are taken out of the environment: they
 * are not for programs that we start. */
void notify_open(struct notify *notify);
void notify_close(struct notify *notify);

/* "READY=1", "STATUS=…": one or several assignments, a line each. */
void notify_send(const struct notify *notify, const char *assignments);
/* "STATUS=" and the text, line breaks taken out. */
void notify_status(const struct notify *notify, const char *text);

#endif
