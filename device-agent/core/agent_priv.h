/*
 * agent_priv.h - what the files of the agent's state machine share.
 *
 * Whatever happens ends in agent_resume, upon which agent_decide looks at the record, the slots
 * and the wishes and begins the one thing that is next. So a power cut needs no code of its own: a
 * start is a resume too.
 */
#ifndef AGENT_AGENT_PRIV_H
#define AGENT_AGENT_PRIV_H

#include "agent.h"

/* ---- agent.c: steps, actions, events --------------------------------------------------------- */

typedef void agent_handler(struct agent *a, const struct agent_event *event);

/* What is next is to be decided, once the event has been dealt with. */
void agent_resume(struct agent *a);
/* The one place that writes the step. ms: AGENT_EV_TIMER comes then; AGENT_NO_TIMER: never. */
void agent_enter(struct agent *a, enum agent_step step, uint32_t ms);
/* Enters the step and begins its slow action, which takes as long as it takes with AGENT_NO_TIMER;
 * its details are the caller's to fill in. */
struct agent_action *agent_begin(struct agent *a, enum agent_step step, uint32_t ms,
                                 enum agent_action_kind kind);
/* The first n bytes of a->work, to a->topics[0]. */
void agent_publish(struct agent *a, enum agent_step step, size_t n);
/* Ends the connection and what is under way on it; then resumes. */
void agent_close(struct agent *a);
void agent_end(struct agent *a, enum agent_class class);
/* Remembers what went wrong, for people. AGENT_OK: nothing is wrong any more. */
void agent_note(struct agent *a, enum agent_class class, const char *text);
/* ms from now. */
uint64_t agent_after(const struct agent *a, uint32_t ms);

/* ---- agent_next.c: what is next -------------------------------------------------------------- */

/* Nothing slow is under way: begins what is next, or idles, or asks to be called again. */
void agent_decide(struct agent *a);
/* After a failure that is noted: the connection goes if something is under way on it, or it is not
 * the identity's; then resumes. lasting: a single run ends with it. */
void agent_failed(struct agent *a, enum agent_class class);
/* True when the slot's credentials are connected; otherwise what leads there has begun, or failed.
 */
bool agent_linked(struct agent *a, uint32_t slot);
void agent_idle(struct agent *a); /* nothing can be done now */
void agent_wipe_work(struct agent *a);
agent_handler agent_carry_on, agent_on_dropped, agent_on_promoted, agent_on_announced,
    agent_on_connected, agent_local_failed, agent_announce_failed, agent_connect_failed;

/* ---- agent_creds.c: what there is, and what it is good for ----------------------------------- */

bool agent_usable(const struct agent_slot *slot);                      /* key and certificate */
bool agent_over(const struct agent *a, const struct agent_slot *slot); /* by a clock that is set */
/* Is the exchange for the next generation made with the claim, or with the identity in force? */
bool agent_uses_claim(const struct agent *a);
/* Is the next generation the claim's own key and certificate? */
bool agent_adopts(const struct agent *a);
/* Is there a next generation to be had, or one to be made? */
bool agent_wants_next(const struct agent *a);
/* There is nothing to make the exchange with. */
bool agent_speechless(const struct agent *a);
/* The next generation is not to be had for want of a claim. */
bool agent_lacks_claim(const struct agent *a);
/* A claim that an identity has taken the place of, or an installer's that is over. */
bool agent_claim_may_go(const struct agent *a);
void agent_forget(struct agent *a, uint32_t generation);   /* is to be dropped; 0 is fine */
void agent_unforget(struct agent *a, uint32_t generation); /* was dropped */
/* Works out the credentials from what was found; makes the record anew if lost. */
void agent_recover(struct agent *a, const struct agent_found *found, bool lost);

/* ---- agent_get.c: to the next generation ----------------------------------------------------- */

void agent_get(struct agent *a);
/* The one place that writes the phase; what does not belong to it goes. */
void agent_set_phase(struct agent *a, enum agent_phase phase);
void agent_get_failed(struct agent *a, enum agent_class class, const char *text);
void agent_prove_failed(struct agent *a, enum agent_class class, const char *text);
void agent_answered(struct agent *a, struct agent_span topic, struct agent_span payload);
void agent_in_force(struct agent *a); /* the next generation is */
agent_handler agent_on_key, agent_on_csr, agent_on_adopted, agent_on_subscribed, agent_on_stored,
    agent_on_config, agent_on_proven, agent_step_failed, agent_store_failed;

/* ---- agent_serve.c: with the identity in force ----------------------------------------------- */

void agent_serve(struct agent *a);
void agent_serve_failed(struct agent *a, enum agent_class class, const char *text);
void agent_served(struct agent *a); /* it has connected */
void agent_settle(struct agent *a); /* … and has been for a while? */
void agent_beat(struct agent *a);
agent_handler agent_beat_failed;
/* When a certificate is to be renewed; 0: never. */
int64_t agent_renewal(const struct agent *a, const struct agent_slot *slot);
/* Of a slot. */
const char *agent_client_id(const struct agent *a, uint32_t slot);

#endif
