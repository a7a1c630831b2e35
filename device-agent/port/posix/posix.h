/*
 * posix.h - the agent on Linux, whole: storage from store.h, the network from net.h, and here
 * clocks, randomness, signals, the commands that announce an identity, the control socket, and what
 * is told of it all. One call runs an agent from its start to its end.
 *
 * Thread: one agent at a time in a process, from the thread that calls posix_run; it blocks the
 * signals that it reads from a descriptor.
 */
#ifndef POSIX_POSIX_H
#define POSIX_POSIX_H

#include <limits.h>

#include "conf.h"
#include "control_msg.h"

/*
 * The wall clock counts as set from the year of the release on: earlier it was never set, or stands
 * where a battery ran out. In the source, so that the same source makes the same program.
 */
#define POSIX_CLOCK_SET_S INT64_C(1767225600) /* 2026-01-01 */

enum posix_goal {
    POSIX_SERVE,     /* until it is stopped; answers on the control socket */
    POSIX_PROVISION, /* until there is an identity */
    POSIX_RENEW,     /* until there is a further generation */
    POSIX_RESET      /* until it is reset; talks to nobody */
};

struct posix_spec {
    const struct conf *conf;
    enum posix_goal goal;
    enum agent_reset level; /* of POSIX_RESET */
    uint32_t timeout_ms;    /* 0: none; not for POSIX_SERVE */
    bool watched;           /* a person reads standard error */
};

struct posix_outcome {
    enum agent_class class;
    bool locked, timed_out, interrupted, no_identity;
    uint32_t generation; /* in force, at the end */
    char text[AGENT_MAX_MESSAGE];
};

/* The exit code (exits.h). */
int posix_run(const struct posix_spec *spec, struct posix_outcome *out);

/* Stores a claim (CONTROL_INJECT) where no agent runs, for the next one. The exit code. */
int posix_inject(const struct conf *conf, const struct control_request *request,
                 struct posix_outcome *out);

/* conf's, or DIR/agent.sock. False: it is too long for out. */
bool posix_control_path(const struct conf *conf, char out[static 4096]);

/* The state directory as others find it: absolute, if it is there. */
const char *posix_state_dir(const struct conf *conf, char out[static PATH_MAX]);

uint64_t posix_mono_ms(void); /* goes on while the machine sleeps */
int64_t posix_wall_s(void);   /* 0: not set */
uint32_t posix_random(void);

#endif
