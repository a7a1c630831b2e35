/*
 * state.h - what the agent remembers over a power cut, and its form in storage: one small record
 * with a checksum, written whole and replaced whole by the port.
 *
 * A state is worked out anew from what is stored whenever the agent starts; nothing but this record
 * and the credentials' slots is trusted. Sizes are fixed; nothing allocates.
 */
#ifndef AGENT_STATE_H
#define AGENT_STATE_H

#include "base.h"
#include "retry.h"

#define AGENT_STATE_VERSION 1
#define AGENT_DEVICE_LEN 32

/* How far the next generation of credentials has come; each is stored before the step after it is
 * taken. */
enum agent_phase {
    AGENT_PHASE_NONE,       /* there is no next generation */
    AGENT_PHASE_KEY,        /* its slot is being given a key */
    AGENT_PHASE_REQUEST,    /* key and request are there: the same request is sent until answered */
    AGENT_PHASE_ISSUED,     /* its certificate is stored, and its token here */
    AGENT_PHASE_REGISTERED, /* RegisterThing was accepted: to be proven by connecting */
    AGENT_PHASE_PROVEN,     /* it has connected: it becomes the one in force */
    AGENT_PHASES
};

/* A reset under way; resumed at start. */
enum agent_reset { AGENT_RESET_NONE, AGENT_RESET_IDENTITY, AGENT_RESET_FULL, AGENT_RESETS };

/* What others on the device have not been told yet. */
enum agent_announce {
    AGENT_ANNOUNCE_NONE,
    AGENT_ANNOUNCE_PROVISIONED, /* the first identity, or the first after a reset */
    AGENT_ANNOUNCE_RENEWED,
    AGENT_ANNOUNCES
};

struct agent_state {
    uint8_t device[AGENT_DEVICE_LEN]; /* whose state this is: a hash that the port gives */
    uint32_t current, next;           /* generations, from 1; 0: none */
    enum agent_phase phase;           /* of next */
    enum agent_reset reset;
    bool claim_done; /* the new identity has connected: the claim's key may go */
    int64_t token_s; /* when the token was given, seconds since 1970; 0: the clock was not set */
    int64_t renew_s; /* when the one in force is to be renewed; 0: not known */
    enum agent_announce announce;
    struct agent_retry getting;  /* failures on the way to the next generation */
    struct agent_retry serving;  /* … of the identity in force */
    enum agent_class last_error; /* and its message, for whoever asks for the status */
    char last_message[AGENT_MAX_MESSAGE];
    char token[AGENT_MAX_TOKEN];           /* of AGENT_PHASE_ISSUED; empty otherwise */
    char thing_name[AGENT_MAX_THING_NAME]; /* of the one in force; empty: none, or not known */
    char next_thing[AGENT_MAX_THING_NAME]; /* from AGENT_PHASE_REGISTERED on */
};

/* The longest that a record can be. */
#define AGENT_STATE_MAX                                                                            \
    (128 + 4 * AGENT_CLASSES + AGENT_MAX_MESSAGE + AGENT_MAX_TOKEN + 2 * AGENT_MAX_THING_NAME)

/* A fresh device's. device may be state->device. */
void agent_state_init(struct agent_state *state, const uint8_t device[static AGENT_DEVICE_LEN]);

/*
 * Bytes written to out. The same state gives the same bytes. 0, and nothing to store: the state
 * says what cannot be, so that it would not be read again; that is a mistake of the caller's.
 */
size_t agent_state_write(const struct agent_state *state, uint8_t out[static AGENT_STATE_MAX]);

enum agent_state_read {
    AGENT_STATE_GOOD,
    AGENT_STATE_TORN,    /* no record, cut short, changed, or with bytes behind it */
    AGENT_STATE_NEWER,   /* whole, of a later version of the agent: not to be touched */
    AGENT_STATE_FOREIGN, /* another device's */
    AGENT_STATE_INVALID, /* whole, but it says what cannot be */
    AGENT_STATE_READS
};
const char *agent_state_read_name(enum agent_state_read read); /* never NULL */

/*
 * Reads a record; device: whose it must be, may be out->device. *out is as of agent_state_init
 * unless it is good. The checksum is against accidents: who can write the file can make one. Phase,
 * generations, token and texts agree with each other in a good one (state.c says how).
 */
enum agent_state_read agent_state_read(struct agent_span bytes,
                                       const uint8_t device[static AGENT_DEVICE_LEN],
                                       struct agent_state *out);

#endif
