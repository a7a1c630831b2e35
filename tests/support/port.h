/*
 * port.h - loopback TCP ports that belong to one test for as long as it wants.
 *
 * A port found by binding port 0 may be taken by another test, or by an outgoing connection, before
 * the broker listens on it, and again between a stop and a restart. So ports are taken from below
 * the range of outgoing connections, and each is guarded by an abstract socket named after it,
 * which the kernel removes with the process.
 */
#ifndef SUPPORT_PORT_H
#define SUPPORT_PORT_H

#include <stdint.h>

struct port {
    uint16_t number; /* 0: none */
    int guard;
};

/* number is 0 when there is none to be had. */
struct port port_take(void);
void port_give_back(struct port *p);

#endif
