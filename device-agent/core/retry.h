/*
 * retry.h - when to try again: exponential back-off with full jitter, a schedule for each class of
 * error, another for a device that has an identity than for one that is to get its first.
 *
 * Full jitter: the wait is anywhere between a floor and the bound of the attempt, so that a region
 * whose power comes back does not come all at once. Randomness is the caller's. The counts are kept
 * over reboots (state.h): who power-cycles does not start again at the shortest wait.
 */
#ifndef AGENT_RETRY_H
#define AGENT_RETRY_H

#include "base.h"

struct agent_retry {
    uint16_t attempts[AGENT_CLASSES]; /* failed in a row, up to 65535 */
};

/*
 * Another try failed for this: how long to wait until the next, in milliseconds. random: 32 bits,
 * uniform. Between the class's floor and its base doubled for each failure in a row, up to its cap;
 * the count is raised. A class that is none, AGENT_OK too, counts as AGENT_LOCAL.
 */
uint32_t agent_retry_failed(struct agent_retry *retry, enum agent_class class, bool established,
                            uint32_t random);
/* It went well: all counts are 0. True when any was not, so that it is worth storing. */
bool agent_retry_succeeded(struct agent_retry *retry);
/*
 * The first try after a start: spread, but short unless tries had failed before. Then as long as
 * after the worst of these failures, up to the cap of AGENT_OK's schedule: somebody who switches
 * off and on wants to see a try, and a device that resets in a loop must not come at each.
 */
uint32_t agent_retry_start(const struct agent_retry *retry, bool established, uint32_t random);

/* The bounds of a schedule, for the documentation and for those who explain a wait. AGENT_OK: that
 * of a start. floor <= base <= cap. */
struct agent_schedule {
    uint16_t floor_s, base_s, cap_s;
};
const struct agent_schedule *agent_retry_schedule(enum agent_class class, bool established);

#endif
