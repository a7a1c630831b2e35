/* agent_fields.h - struct agent: here so that a port can make one without allocation. Only
 * core/agent*.c look into it. */
#ifndef AGENT_AGENT_FIELDS_H
#define AGENT_AGENT_FIELDS_H

#include "agent.h"

struct agent {
    const struct agent_conf *conf;
    struct agent_now now; /* of the last event */
    enum agent_step step;

    struct agent_state state; /* the record … */
    bool dirty;               /* … is not stored as it is here */

    /* credentials, as they are stored */
    struct agent_slot claim, current, next;
    uint32_t newest;                           /* generation that was ever seen */
    uint32_t stale[AGENT_MAX_GENERATIONS + 2]; /* generations that nobody needs: to be dropped */
    size_t n_stale;
    uint32_t cleaning; /* the slot that is being dropped */

    /* the connection */
    bool up;
    uint32_t link;      /* its slot */
    uint8_t subscribed; /* bit for each enum agent_op */

    /* wishes, and what is not to be tried again yet */
    enum agent_class claim_class; /* why the claim is of no use, if the port knows */
    bool want_new, want_stop;
    bool doubted;   /* perhaps it had been registered, and the answer was lost: is tried first */
    bool token_bad; /* it was refused */
    bool announce_later;                 /* it failed: not again before the next start */
    uint64_t get_ms, serve_ms, local_ms; /* when the next try may be */
    uint64_t settle_ms;                  /* when the connection has lasted; 0: it has */
    uint64_t beat_ms;                    /* the next heartbeat */

    /* what is under way */
    bool busy;
    bool again;  /* it is to be decided what is next */
    bool silent; /* … for too long: it is being given up */
    enum agent_action_kind under_way;
    uint64_t limit_ms;     /* when the step has lasted too long; 0: never */
    uint64_t next_ms;      /* what agent_look shows */
    enum agent_class ends; /* with what, when it is stopped */

    /* what agent_next gives, in this order */
    bool to_time, to_tell, to_act;
    uint32_t timer_ms;
    struct agent_action action;

    char topics[2][AGENT_MAX_TOPIC];
    /* a request, or what an answer held: certificate and key, or configuration */
    char work[AGENT_MAX_CERT + AGENT_MAX_KEY];
};
_Static_assert(AGENT_MAX_REQUEST <= AGENT_MAX_CERT + AGENT_MAX_KEY, "a request must fit");
_Static_assert(AGENT_MAX_CONFIG <= AGENT_MAX_CERT + AGENT_MAX_KEY, "a configuration must fit");

#endif
