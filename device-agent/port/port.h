/*
 * port.h - what the agent needs from a platform, as a table, and the loop that carries out the
 * core's actions through it.
 *
 * Thread: all calls come from the one that calls port_drive. A port that has threads of its own
 * hands over their news in wait.
 */
#ifndef PORT_PORT_H
#define PORT_PORT_H

#include "device-agent/core/agent.h"

/* How an action went. text: printable, one line, says what to do; empty with AGENT_OK. */
struct port_result {
    enum agent_class class;
    char text[AGENT_MAX_MESSAGE];
};

struct port {
    void *self; /* first argument of all */

    uint64_t (*mono_ms)(void *self);
    int64_t (*wall_s)(void *self); /* 0: not set */
    uint32_t (*random)(void *self);

    /*
     * Storage. Each returns when what it did is durable; a power cut in the middle leaves it not
     * done, done, or such that the same call again completes it. *result is AGENT_OK before the
     * call. What they do is said at AGENT_ACT_… in agent.h.
     */
    void (*save)(void *self, struct agent_span record, struct port_result *result);
    void (*make_key)(void *self, uint32_t slot, bool own_key, struct port_result *result);
    /* *csr: PEM, the port's until its next call */
    void (*make_csr)(void *self, uint32_t slot, const char **csr, struct port_result *result);
    void (*store_cert)(void *self, uint32_t slot, struct agent_span cert, struct agent_span key,
                       struct agent_slot *out, struct port_result *result);
    void (*store_config)(void *self, uint32_t slot, struct agent_span json,
                         struct port_result *result);
    void (*adopt)(void *self, uint32_t slot, struct agent_slot *out, struct port_result *result);
    void (*promote)(void *self, uint32_t slot, struct port_result *result);
    void (*drop)(void *self, uint32_t slot, struct port_result *result);

    /*
     * Begun here; how it ended is an event of wait, unless *result says that it could not begin.
     * What they are given is copied or used up before they return. After disconnect no event of
     * what was before on that connection comes any more but its own AGENT_EV_DONE.
     */
    void (*connect)(void *self, uint32_t slot, const char *client_id, struct port_result *result);
    void (*subscribe)(void *self, const char *const *topics, size_t n, struct port_result *result);
    void (*publish)(void *self, const char *topic, struct agent_span payload,
                    struct port_result *result);
    void (*disconnect)(void *self);
    void (*announce)(void *self, enum agent_announce what, const struct agent *agent,
                     struct port_result *result);

    void (*tell)(void *self, const struct agent *agent);

    /* Waits up to so many ms (AGENT_NO_TIMER: for ever) for an event; false: the time is over. now
     * of *event is not looked at. What *event borrows is the port's until its next call. */
    bool (*wait)(void *self, uint32_t ms, struct agent_event *event);
};

/* Runs until the agent ends, and says with what. agent has been started. */
enum agent_class port_drive(const struct port *port, struct agent *agent);

/* "%s" of what went wrong, cut to fit; what is not printable ASCII becomes '?'. Gives class. */
__attribute__((format(printf, 3, 4))) enum agent_class
port_fail(struct port_result *result, enum agent_class class, const char *format, ...);

#endif
