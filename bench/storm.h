/*
 * storm.h - many devices connecting at once: who comes when, who is in, and how long it took.
 */
#ifndef BENCH_STORM_H
#define BENCH_STORM_H

#include <sys/queue.h>

#include "fleet.h"
#include "net.h"

/* Longer than any wait before a retry. */
#define STORM_WHEEL_MS 1024

struct storm_options {
    uint64_t port, connects, concurrency, first, devices, sources, rate, timeout_s;
    uint64_t subscribe;
    const char *pki, *filter;
    int tls_version;
    bool jit, keep, clone;
};

struct storm_visit;
TAILQ_HEAD(storm_visits, storm_visit);

struct storm {
    const struct storm_options *o;
    struct fleet fleet;
    struct net net;
    bool *busy; /* by device: no second connect with the same client id meanwhile, but clones' */
    size_t next_device, next_source;
    uint64_t active, leaving; /* neither in nor away; away but for the broker's closing */
    struct storm_visits under_way, held, wheel[STORM_WHEEL_MS];
    uint64_t wheel_ms, waiting; /* the wheel's time since begin_ns; how many are in it */
    unsigned seed;

    /* ---- figures ---- */
    uint64_t started, entered; /* connects; with clone: those turned away too */
    uint64_t begin_ns, entered_ns, contact_ns,
        heard_ns;             /* the start; the last: in, contact, answer */
    struct bench_times times; /* from the start of a connect, or when it was due, to its CONNACK */
    uint64_t contacts, dropped, no_answer, at_once, turned_away;
    unsigned attempts_max;
};

/* Every trouble, here and below, ends the program. o is borrowed; s must not move afterwards. */
void storm_init(struct storm *s, const struct storm_options *o);
void storm_release(struct storm *s);
/* Until all are in, and those that leave have left. */
void storm_rage(struct storm *s);
/* Sends home whom it kept. */
void storm_calm(struct storm *s);

#endif
