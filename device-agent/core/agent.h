/*
 * agent.h - from blank device to working identity: events in, actions out.
 *
 * The core decides, a port carries out. The port calls agent_start once, then takes actions with
 * agent_next until there is none, and tells with agent_event what happened; then takes actions
 * again. At any time at most one slow action is under way (those marked * below): agent_next gives
 * nothing until its end was told. Nothing here allocates, blocks, or knows what time it is but by
 * what it is told.
 *
 * What outlives a power cut is the state record (state.h) and the slots for credentials:
 *
 *     AGENT_SLOT_CLAIM   the certificate and key that a device comes with or is given by an
 * installer 1, 2, 3 …          generations: a key, a request and a certificate each
 *
 * A record is stored before the action that it speaks of is taken, and each action on a slot may be
 * taken again after a power cut in its middle. From both the core works out where it was. There is
 * one place that decides what is next (resume in agent.c), and it looks at nothing else: the steps
 * below say what is under way, not what is known.
 */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include "base.h"
#include "msg.h"
#include "state.h"

#define AGENT_SLOT_CLAIM UINT32_C(0)

enum agent_method {
    AGENT_METHOD_JIT,          /* the claim's certificate is the identity: JITP, JITR */
    AGENT_METHOD_CLAIM,        /* fleet provisioning by claim */
    AGENT_METHOD_TRUSTED_USER, /* likewise, with a claim that an installer injects */
    AGENT_METHOD_KEY,          /* the device's own key is on an allow list; it stays the key */
    AGENT_METHODS
};

/* Lives, with its texts, as long as the agent. */
struct agent_conf {
    enum agent_method method;
    bool create_keys; /* keys of the other side's making, in place of a request for an own one */
    const char *client_id;     /* with the claim */
    const char *own_client_id; /* with the own identity; NULL: the thing's name, or client_id if the
                                  template makes no thing */
    const char *template_name; /* NULL: JIT without renewal */
    const struct agent_param *params;
    size_t n_params;
    bool keep_claim; /* also after the own identity has connected */
    bool stay;       /* connected, once provisioned; otherwise only for renewals */
    bool once;       /* ends when there is an identity, or with the first lasting error */
    bool start_now;  /* no spreading of the first try: somebody waits for it */
    uint32_t connect_ms, answer_ms; /* the longest that a connection, an answer may take */
    uint16_t renew_percent;         /* of a certificate's lifetime, up to 99; 0: on command alone */
    const char *heartbeat_topic;    /* NULL: none; {thing_name} and {client_id} are replaced */
    uint32_t heartbeat_s;           /* from 1 */
};

/* ---- what the port finds at its start -------------------------------------------------------- */

/* key without cert, in the claim's: there is something of it to be dropped. */
struct agent_slot {
    bool key, cert;                    /* there, and of use */
    int64_t not_before_s, not_after_s; /* of cert */
};

struct agent_generation {
    uint32_t number;
    struct agent_slot slot;
};

struct agent_found {
    struct agent_slot claim;
    enum agent_class claim_class; /* AGENT_OK, or why what there is of a claim is of no use … */
    const char *claim_text;       /* … in words */
    uint32_t in_force;            /* the generation that others are led to; 0: none */
    struct agent_generation generations[AGENT_MAX_GENERATIONS]; /* the highest, if there are more */
    size_t n_generations;
};

/* ---- events ---------------------------------------------------------------------------------- */

struct agent_now {
    uint64_t mono_ms; /* never goes back while the agent runs */
    int64_t wall_s;   /* since 1970; 0: the clock is not set */
    uint32_t random;  /* uniform */
};

enum agent_event_kind {
    AGENT_EV_DONE,   /* the slow action under way went well */
    AGENT_EV_FAILED, /* it did not: class, text */
    AGENT_EV_CLOSED, /* the connection went, for all that is under way on it as well: class, text */
    AGENT_EV_MESSAGE, /* topic, payload */
    AGENT_EV_TIMER,   /* of AGENT_ACT_TIMER */
    AGENT_EV_CLOCK,   /* the clock was set */
    AGENT_EV_CLAIM,   /* a claim was put into its slot, no DROP of it being under way: slot */
    AGENT_EV_RENEW,   /* somebody wants a new generation */
    AGENT_EV_RESET,   /* somebody wants this level of reset */
    AGENT_EV_STOP,    /* somebody wants the agent to end */
    AGENT_EVENTS
};

/* Those marked * are slow. */
enum agent_action_kind {
    /* * the record, agent_record */
    AGENT_ACT_SAVE,
    /* * in a generation's slot, which may not be there yet; a key that is there stays. own_key: the
     * claim's key is to be the slot's */
    AGENT_ACT_MAKE_KEY,
    /* * for that key; one that is there stays. DONE: text is the PEM */
    AGENT_ACT_MAKE_CSR,
    /* * payload: the certificate's PEM; key: the PEM, if it was given with it. What was there is
     * replaced; the slot may not be there yet. Failed with AGENT_ANSWER if they do not fit
     * together, or to the slot's key: nothing is stored then. DONE: slot */
    AGENT_ACT_STORE_CERT,
    /* * payload: deviceConfiguration's JSON, beside the certificate */
    AGENT_ACT_STORE_CONFIG,
    /* * the claim's key and certificate are the generation's. DONE: slot */
    AGENT_ACT_ADOPT,
    /* * the generation is in force: others are led to it from now on */
    AGENT_ACT_PROMOTE,
    /* * the slot: others are not led to it any more, its key is wiped, then nothing of it is there;
     * done also if nothing was */
    AGENT_ACT_DROP,
    /* * with the slot's credentials, a clean session */
    AGENT_ACT_CONNECT,
    /* * to topics, QoS 1 */
    AGENT_ACT_SUBSCRIBE,
    /* * payload to topics[0], QoS 1. DONE with the acknowledgement; it is over with the answer,
     * too, if that comes before */
    AGENT_ACT_PUBLISH,
    /* * the connection, and what is under way on it, which has no end of its own then. Cannot fail
     */
    AGENT_ACT_DISCONNECT,
    /* * tells others on the device of the identity: announce */
    AGENT_ACT_ANNOUNCE,
    /* in ms from now; replaces the one that there was; AGENT_NO_TIMER: none */
    AGENT_ACT_TIMER,
    /* agent_look has something new to show */
    AGENT_ACT_TELL,
    /* class; nothing comes after it */
    AGENT_ACT_END,
    AGENT_ACTIONS
};
#define AGENT_NO_TIMER UINT32_MAX

/* What it borrows is valid until the next call to agent_event. */
struct agent_action {
    enum agent_action_kind kind;
    uint32_t slot;
    bool own_key;
    const char *client_id;
    const char *topics[2];
    size_t n_topics;
    struct agent_span payload, key;
    enum agent_announce announce;
    uint32_t ms;
    enum agent_class class;
};

/* What it borrows is looked at during the call alone. */
struct agent_event {
    enum agent_event_kind kind;
    struct agent_now now;
    enum agent_action_kind act; /* DONE, FAILED: whose; ignored if that is not under way */
    enum agent_class class;
    const char *text; /* NULL: none; printable, for a person */
    struct agent_span topic, payload;
    struct agent_slot slot;
    enum agent_reset reset;
};

/* ---- steps ----------------------------------------------------------------------------------- */

enum agent_step {
    AGENT_BOOT,
    AGENT_WAITING,  /* for the next try */
    AGENT_NO_CLAIM, /* for somebody to inject one */
    AGENT_SAVING,   /* the record, and nothing else */
    AGENT_MAKING_KEY,
    AGENT_MAKING_CSR,
    AGENT_ADOPTING,
    AGENT_CONNECTING, /* with the claim or the identity in force */
    AGENT_SUBSCRIBING,
    AGENT_CREATING, /* a certificate was asked for */
    AGENT_STORING,
    AGENT_REGISTERING,
    AGENT_CONFIGURING, /* deviceConfiguration is being stored */
    AGENT_PROVING,     /* first use of the new credentials */
    AGENT_PROMOTING,
    AGENT_CLEANING, /* what is not needed any more goes */
    AGENT_ANNOUNCING,
    AGENT_CLOSING,
    AGENT_READY,   /* connected with the identity in force */
    AGENT_RESTING, /* not connected, for that is not asked for */
    AGENT_ENDED,
    AGENT_STEPS
};

/* "waiting", "making-key" …; never NULL. */
const char *agent_step_name(enum agent_step step);

struct agent;
#include "agent_fields.h"

/* ---- the calls ------------------------------------------------------------------------------- */

/* read, state: of agent_state_read; state is copied. conf is borrowed for good, found for the call.
 * A record that is not good is made anew from what was found, unless it is AGENT_STATE_NEWER or
 * AGENT_STATE_FOREIGN: then the agent ends with AGENT_RECORD and changes nothing. */
void agent_start(struct agent *agent, const struct agent_conf *conf,
                 const struct agent_found *found, enum agent_state_read read,
                 const struct agent_state *state, const struct agent_now *now);

void agent_event(struct agent *agent, const struct agent_event *event);

/* The next action; false: none until the next event. */
bool agent_next(struct agent *agent, struct agent_action *out);

/* What AGENT_ACT_SAVE is to store, for agent_state_write. */
const struct agent_state *agent_record(const struct agent *agent);

/* For people and for status files. Texts are the agent's. */
struct agent_view {
    enum agent_step step;
    bool connected;
    uint32_t slot;          /* of the connection, or of the one being made */
    enum agent_class class; /* of the last failure; AGENT_OK: none since things went well */
    const char *text;       /* of it; "" */
    uint64_t next_ms;       /* when the next try is, on the monotonic clock; 0: none is planned */
    struct agent_slot identity; /* in force */
};
void agent_look(const struct agent *agent, struct agent_view *out);

/* Secrets that are in it go. */
void agent_release(struct agent *agent);

/* Whether trying again without a person's doing is of little use: what ends a run with once. */
bool agent_class_lasting(enum agent_class class);

/* pattern with {thing_name} and {client_id} replaced. False: it does not fit, or names another. */
bool agent_expand(const char *pattern, const char *thing_name, const char *client_id,
                  struct agent_text *out);

#endif
