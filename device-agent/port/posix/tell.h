/*
 * tell.h - what the agent tells while it works: one line of key=value per event on standard error
 * for the journal, or sentences when a person watches; and the state to the service manager.
 *
 * No key, PEM, token or PIN is ever an argument. Texts that come from the other side are printable
 * already (msg.h) and are quoted here.
 */
#ifndef POSIX_TELL_H
#define POSIX_TELL_H

#include "device-agent/port/port.h"
#include "notify.h"

enum tell_level { TELL_ERROR, TELL_WARNING, TELL_INFO, TELL_LEVELS };

struct tell {
    bool watched; /* sentences for a person */
    bool journal; /* lines begin with the level that journald takes ("<4>") */
    const struct notify *notify;
    /* what was told last */
    bool any;
    enum agent_step step;
    enum agent_class class;
    char text[AGENT_MAX_MESSAGE];
    uint32_t generation;
};

/* journal: from the environment. */
void tell_init(struct tell *tell, bool watched, const struct notify *notify);

/* What is new since the last time. */
void tell_view(struct tell *tell, const struct agent_view *view, const struct agent_state *record,
               uint64_t mono_ms);

/* A line of its own: event is one word, text a sentence; text may be "". */
__attribute__((format(printf, 4, 5))) void tell_event(const struct tell *tell,
                                                      enum tell_level level, const char *event,
                                                      const char *format, ...);

/* "connecting"; for steps that nobody waits for "". */
const char *tell_step(enum agent_step step);

/* "in 12 s", "in 3 min", "in 5 h"; out has room for 32. */
const char *tell_wait(uint64_t ms, char out[static 32]);

#endif
