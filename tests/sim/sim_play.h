/* sim_play.h - one run of a scenario: what its two halves share, those who act (sim_case.c) and
 * those who watch (sim_check.c). */
#ifndef SIM_PLAY_H
#define SIM_PLAY_H

#include "sim/sim_case.h"

/* configured, on the device's disk */
#define CLAIM_CERT "etc/device/claim.pem"
#define CLAIM_KEY "etc/device/claim.key"

struct play {
    const struct sim_scenario *scenario;
    struct sim *sim;
    struct agent_conf conf;
    enum sim_goal goal; /* now */
    /* what was seen */
    bool resetting;
    unsigned resets;
    bool has_identity;    /* one was in force, and no reset has begun since */
    bool came_in;         /* it has connected */
    struct prov_id first; /* that was in force when the goal was set; zero: none */
    char first_key[AGENT_MAX_KEY];
    bool claim_there; /* it was put there, durably, and may not go by itself */
    uint64_t claim_ends_ms;
    uint32_t highest; /* generation */
    unsigned content; /* ticks in a row with the goal reached */
    /* the last request for a certificate, and whose it was; 0: nobody's */
    struct prov_id request;
    uint32_t request_of;
    unsigned wishes; /* left */
    bool wished, starts_again;
    bool late;       /* the operator still is */
    bool names_stay; /* on the disk, over all cuts */
};

bool play_is_jit(const struct play *p);
/* Of the certificate in a slot; false: there is none that can be used. */
bool play_id_of(struct sim *sim, struct store *store, uint32_t slot, struct prov_id *id);

/* From now on the run is watched. */
void play_watch(struct play *p);
/* What must hold whenever the device starts; in the end on the device, at the broker. */
void play_check_start(struct play *p);
void play_check_device(struct play *p);
void play_check_registry(struct play *p, bool thorough);

#endif
