/*
 * net_peer.h - what a device can meet in place of a broker, on a loopback port and in a thread of
 * its own: one that says nothing, one that closes, a TLS server that answers a CONNECT with given
 * bytes, an HTTP proxy. One connection at a time. What cannot be made ends the program.
 */
#ifndef SUPPORT_NET_PEER_H
#define SUPPORT_NET_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "support/pki.h"

enum net_peer_way {
    NET_PEER_SILENT, /* accepts, and says nothing */
    NET_PEER_CLOSES, /* accepts, and closes */
    NET_PEER_PLAIN,  /* answers in something that is not TLS */
    NET_PEER_TLS,    /* see below */
    NET_PEER_PROXY   /* HTTP CONNECT, to wherever on this machine */
};

struct net_peer_spec {
    enum net_peer_way way;

    /* of NET_PEER_TLS */
    const struct pki_cert *cert;
    const char *alpn;   /* the one protocol that it speaks; NULL: it does not mind */
    int version;        /* TLS1_2_VERSION …: no newer; 0: the newest */
    int old_version;    /* no older; 0: TLS 1.2 */
    bool weak;          /* its certificate may be weaker than OpenSSL likes */
    const void *answer; /* to the first bytes inside TLS; NULL: closes after the handshake */
    size_t answer_n;    /* 0: never answers */
    const void *next;   /* to any further bytes */
    size_t next_n;

    const char *refusal; /* of NET_PEER_PROXY: the status line in place of 200; NULL: none */
};

struct net_peer;

struct net_peer *net_peer_start(const struct net_peer_spec *spec);
void net_peer_stop(struct net_peer *peer); /* NULL is accepted */

uint16_t net_peer_port(const struct net_peer *peer);

/* Of the last handshake or request; "" before. Valid until the next call. */
const char *net_peer_sni(struct net_peer *peer);
const char *net_peer_alpn(struct net_peer *peer);
const char *net_peer_request(struct net_peer *peer); /* of a proxy: the head */
/* Waits until so many connections were accepted. */
void net_peer_await(struct net_peer *peer, unsigned n);

#endif
