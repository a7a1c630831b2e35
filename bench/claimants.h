/*
 * claimants.h - devices that have nothing of their own but a claim certificate, all of them the
 * same one, and have themselves provisioned: create, then RegisterThing, each when the one before
 * is answered.
 */
#ifndef BENCH_CLAIMANTS_H
#define BENCH_CLAIMANTS_H

#include "fleet.h"
#include "net.h"
#include "request.h"

enum claimants_way {
    CLAIMANTS_STAY, /* connected beforehand; one connection provisions one device after the other */
    CLAIMANTS_COME, /* each device connects with the claim, and leaves when it is provisioned */
    CLAIMANTS_JOIN, /* … and connects with its new certificate, as the thing that it is now */
};

struct claimants_options {
    uint64_t port, devices, sessions, first, claim, rate, timeout_s, qos;
    const char *pki, *template_name;
    int tls_version;
    enum request_format format;
    enum claimants_way way;
    bool keys, create_only;
};

struct claimant;

struct claimants {
    const struct claimants_options *o;
    struct fleet fleet; /* the claim */
    struct requests requests;
    struct net net;
    struct claimant *all;
    struct claimant **idle; /* a stack: those that may take on a device */
    size_t idle_n;
    char create_topic[64], register_topic[128];
    struct prov_buf payload;

    /* ---- figures ---- */
    uint64_t started, done; /* devices */
    uint64_t begin_ns, end_ns, heard_ns;
    struct bench_times creates, registers, exchanges; /* the last: from when the device was due */
};

/* Makes keys and signing requests, and connects who is to be connected. Every trouble, here and
 * below, ends the program, a rejected request too. o is borrowed; c must not move afterwards. */
void claimants_init(struct claimants *c, const struct claimants_options *o);
/* Until all devices are provisioned, and those that leave have left. */
void claimants_run(struct claimants *c);
void claimants_release(struct claimants *c);

#endif
