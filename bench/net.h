/*
 * net.h - many MQTT clients on one thread, and the limits that stand in their way.
 *
 * A program embeds a net_client at the start of what it keeps for each connection. Every client on
 * which something happened comes out of net_wait once, and net_step is then to be called for it.
 */
#ifndef BENCH_NET_H
#define BENCH_NET_H

#include "bench.h"
#include "support/mqtt.h"

struct net {
    int epoll_fd;
    size_t open; /* clients whose connection stands or is being made */
};

struct net_client {
    struct mqtt *c; /* NULL: none at the moment */
    uint32_t waits_for;
};

/* Raises the limit of open files to fit so many connections, or ends the program saying how. */
void net_allow_files(size_t connections);

void net_init(struct net *net);
void net_release(struct net *net);
/* Begins to connect and goes as far as that is possible at once. What went wrong, if anything, is
 * in mqtt_report.
 */
void net_open(struct net *net, struct net_client *client, const struct mqtt_options *options);
/* Takes over a client that is connected, made elsewhere. */
void net_adopt(struct net *net, struct net_client *client, struct mqtt *c);
/* Receives, and sends what was submitted. True while the connection is not ended. */
bool net_step(struct net *net, struct net_client *client);
/* Only sends. */
void net_send(struct net *net, struct net_client *client);
/* Ends the connection, if it has not ended, and frees it. */
void net_close(struct net *net, struct net_client *client);

/* Waits no longer than limit_ns for events; how many clients came out, at most max. */
size_t net_wait(struct net *net, uint64_t limit_ns, struct net_client **ready, size_t max);

/* "127.0.1.1", "127.0.1.2" …: source address number i. */
#define NET_SOURCES_MAX 60000
void net_source(size_t i, char out[static 16]);

#endif
