/*
 * sim_case.h - whole stories of a device, played to their end under a bad link or with power cuts,
 * and what must hold in each of them at all times and in the end.
 *
 * At all times, and at each start: once there was an identity in force there is one that the broker
 * would let in, unless a reset is under way; the claim is there until an identity has connected;
 * what is asked for again is asked for with the same request. In the end, when all that waits at
 * the broker has had its time: an identity in force, ACTIVE, which has connected and is announced;
 * one thing; no certificate besides it but those that renewal and reset have retired; the claim's
 * key gone if it is to be, and keys that are gone are nowhere on the disk; nothing else left over
 * there.
 */
#ifndef SIM_CASE_H
#define SIM_CASE_H

#include "sim/sim.h"

enum sim_goal { SIM_PROVISION, SIM_RENEW, SIM_RESET_IDENTITY, SIM_RESET_FULL };

struct sim_scenario {
    const char *name;
    enum agent_method method;
    enum sim_goal goal; /* what comes before it goes well */
    bool create_keys, keep_claim, stay;
    bool late;              /* the operator, who puts things right after twenty minutes */
    bool once;              /* the agent ends by itself, and is started again until it ends well */
    uint16_t renew_percent; /* of the lifetime; 0: the person asks for the renewal */
    bool configured;   /* the claim is in files elsewhere on the disk; otherwise it is injected */
    uint32_t clock_ms; /* after each boot the clock is set so late */
};

/* Every method with every goal, and claims in configured files. */
extern const struct sim_scenario sim_scenarios[];
extern const size_t sim_n_scenarios;

struct sim_run {
    uint64_t seed;
    struct sim_faults faults;
    const struct sim_cut *cuts;
    size_t n_cuts;
    uint64_t limit_ms; /* from the last cut on; 0: a day, or the certificate's life */
    bool thorough;     /* the whole registry is checked in the end */
    /* So often, at any time, the person wants a renewal, a reset, or the agent to end and start
     * again, of a story of provisioning. What a reset met half-way the broker may keep for good. */
    unsigned wishes;
    /* how it went */
    bool good;
    char failure[512];
    unsigned effects;              /* of the device's first boot on the way to the goal, … */
    bool on_disk[SIM_MAX_EFFECTS]; /* … which of them were the disk's, from [1], and … */
    unsigned restarts;
    uint64_t took_ms; /* … all of it */
};
/* What comes before the goal is played once for runs of the same scenario and seed in a row. */
void sim_play(const struct sim_scenario *scenario, struct sim_run *run);
/* What is kept for the next run. */
void sim_case_forget(void);

#endif
