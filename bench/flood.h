/*
 * flood.h - publishes through a broker, each of them accounted for: from many clients to one, from
 * one to many, or from one to nobody.
 *
 * Every message says who sent it, its number among the sender's, and when. A receiver takes exactly
 * the next number of each sender: a message that is lost, doubled or out of order ends the program.
 */
#ifndef BENCH_FLOOD_H
#define BENCH_FLOOD_H

#include "fleet.h"
#include "net.h"

enum flood_mode {
    FLOOD_FAN_IN,  /* every client publishes to dt/<its id>/data, the peer has dt/# */
    FLOOD_FAN_OUT, /* the peer publishes to one topic that every client has */
    FLOOD_CHECK,   /* one client publishes to dt/<its id>/data; nobody listens */
};

#define FLOOD_SIZE_MIN 16
#define FLOOD_PEER_ID "bench-peer"

struct flood_options {
    enum flood_mode mode;
    uint64_t port, clients, messages, size, qos, window, rate, timeout_s;
    const char *pki; /* NULL: plain TCP */
    int tls_version;
    uint64_t first; /* the clients' certificates, from this one on */
    bool peer_has_cert;
    uint64_t peer_cert, peer_port; /* without a certificate it comes over plain TCP to this port */
    const char *topic;             /* of fan-out */
};

struct flood_end;

struct flood {
    const struct flood_options *o;
    struct fleet fleet, peer_fleet;
    struct net net;
    struct flood_end *ends; /* the clients, then the peer */
    size_t senders_n, receivers_n;
    struct flood_end *senders, *receivers;
    uint32_t *expected; /* receiver * senders_n + sender: the number that is to come */
    uint32_t *arrived;  /* by publication, modulo the window: how many receivers have it */
    uint64_t acked;     /* of QoS 1, all senders' */
    uint8_t *payload;
    size_t next_sender;

    /* ---- figures ---- */
    uint64_t sent, delivered, complete; /* publications; deliveries; publications everyone has */
    uint64_t begin_ns, end_ns, heard_ns;
    struct bench_times
        times; /* from publish, or when it was due, to delivery: one of each publication */
};

/* Connects and subscribes everyone. Every trouble, here and below, ends the program. o is borrowed;
 * f must not move afterwards.
 */
void flood_init(struct flood *f, const struct flood_options *o);
void flood_run(struct flood *f);
void flood_release(struct flood *f);

#endif
