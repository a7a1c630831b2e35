/*
 * maker.h - a registry as a device maker leaves it before the first device comes: a CA that admits
 * new devices, a JITP template that makes of each a thing with a policy; and then the devices.
 */
#ifndef BENCH_MAKER_H
#define BENCH_MAKER_H

#include "bench.h"
#include "core/flow.h"
#include "fleet.h"
#include "synth.h"

struct maker_conf {
    const char *db;    /* the store, made if need be */
    const char *pki;   /* from bench_pki: the CA and the first certificates; NULL: its own */
    uint64_t first;    /* number of the first device */
    uint64_t attrs;    /* of a thing, 0 to MAKER_MAX_ATTRS */
    uint64_t policies; /* the devices have one of so many in turn; 0 is 1 */
};

#define MAKER_MAX_ATTRS 3 /* of a thing without a type */

struct maker {
    struct prov_store *store;
    struct prov_id ca;
    uint64_t policies;
    char policy[32];
    /* the next device */
    uint64_t number;
    struct fleet_file file; /* the certificates that bench_pki made, from the next device on */
    struct synth *synth;
    prov_attempt_id attempt;
};

/* Opens the store and puts in what is not there yet. What fails ends the program, here and below.
 */
void maker_open(struct maker *m, const struct maker_conf *conf);
void maker_close(struct maker *m);

/* The next device's certificate, as a handshake has parsed it. The caller frees. */
X509 *maker_device(struct maker *m);
/*
 * That device's first contact as it comes out of BASIC_AUTH: neither prepared nor applied.
 * prov_contact_free frees it.
 */
struct prov_contact *maker_contact(struct maker *m, X509 *leaf);
/* Gives a prepared contact policy i, counted round, in place of the first; good until the next
 * call, so for one contact at a time. */
void maker_choose_policy(struct maker *m, struct prov_contact *contact, uint64_t i);
/* The contact must have ended with a provisioned device. */
void maker_check(const struct prov_contact *contact);

/* All of the store's file, and what of it is in use. */
struct maker_size {
    uint64_t file_bytes, used_bytes;
};
struct maker_size maker_size(const struct maker *m, const char *db);

int64_t maker_now_ms(void);

#endif
