/*
 * throttle.h - who comes too often: per source address, per certificate, per claim, per CA (the
 * options address_per_s … claim_burst). One clone, one address or one leaked CA uses up its own
 * tokens and crowds nobody out.
 *
 * 65,536 certificates, 16,384 addresses, 4,096 claims and 1,024 CAs are told apart, in 24 bytes
 * each: 2 MB, or nothing for a limit that is off. An IPv6 address stands for its /64, of which one
 * host can take any; one that maps an IPv4 address is that address. What is no address (a local
 * socket's name, nothing) is taken as it is written.
 *
 * now_ms: a clock that does not go back. No allocation and constant time after new. Thread: broker.
 */
#ifndef PROV_THROTTLE_H
#define PROV_THROTTLE_H

#include "conf.h"
#include "core/base.h"

struct prov_throttle;

/* Which limit it was, for the log. */
enum prov_throttled {
    PROV_THROTTLED_NOT,
    PROV_THROTTLED_ADDRESS,
    PROV_THROTTLED_CERTIFICATE,
    PROV_THROTTLED_CA,
    PROV_THROTTLED_COUNT
};

/* "address", "certificate", "ca"; never NULL. */
const char *prov_throttled_name(enum prov_throttled which);

/* PROV_ENOMEM; PROV_EBUG when OpenSSL has no randomness. conf is not kept. */
PROV_MUST_USE enum prov_rc prov_throttle_new(const struct prov_conf *conf,
                                             struct prov_throttle **out);
void prov_throttle_free(struct prov_throttle *throttle); /* NULL is accepted */

/*
 * A connection with a registered certificate. connect takes one of its tokens, and is for CONNECT,
 * where the key is proven. peek is for the handshake's verify callback, where it is not yet:
 * certificates are public, and whoever merely has a copy must not use up a device's tokens.
 */
bool prov_throttle_connect(struct prov_throttle *throttle, const struct prov_id *cert,
                           int64_t now_ms);
bool prov_throttle_connect_peek(const struct prov_throttle *throttle, const struct prov_id *cert,
                                int64_t now_ms);

/* A new device of a CA: a token of the address and one of the CA, or neither and which was short.
 */
enum prov_throttled prov_throttle_newcomer(struct prov_throttle *throttle, const char *address,
                                           const struct prov_id *ca, int64_t now_ms);

/* A provisioning request of a claim's connection: takes one of the claim's tokens. */
bool prov_throttle_claim(struct prov_throttle *throttle, const struct prov_id *claim,
                         int64_t now_ms);

/*
 * A refused or unknown certificate: takes one of its address's tokens. peek, before any work is
 * done for a certificate that is not known: has the address some left?
 */
bool prov_throttle_stranger(struct prov_throttle *throttle, const char *address, int64_t now_ms);
bool prov_throttle_stranger_peek(const struct prov_throttle *throttle, const char *address,
                                 int64_t now_ms);

#endif
