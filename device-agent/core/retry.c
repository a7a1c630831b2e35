#include "retry.h"

#include <string.h>

#define SECONDS(n) (n)
#define MINUTES(n) ((n)*60)
#define HOURS(n) ((n)*3600)
#define MS UINT32_C(1000)

enum { FIRST, ESTABLISHED, SITUATIONS };

/*
 * Floor, base, cap. What waits for a person may wait long; what passes by itself may not. A device
 * in service is missed while it waits, one that never was is not yet.
 */
static const struct agent_schedule rows[][SITUATIONS] = {
    /* No failure: the start. Somebody watches a first one; after a power cut a whole region's
     * devices have their identity, and start together. The cap: agent_retry_start. */
    [AGENT_OK] = { { 0, SECONDS(2), MINUTES(5) }, { 0, SECONDS(10), MINUTES(5) } },
    /* A broker that restarts drops all of a fleet at once: wider from the start there. */
    [AGENT_NETWORK] = { { SECONDS(1), SECONDS(2), MINUTES(5) },
                        { SECONDS(1), SECONDS(5), MINUTES(2) } },
    /* JITP drops the first connection on purpose and the next one works, so quick; but a template
     * that fails looks the same for ever, so not quick for ever. Established: a renewal's. */
    [AGENT_PENDING] = { { SECONDS(1), SECONDS(2), MINUTES(5) },
                        { SECONDS(1), SECONDS(5), MINUTES(10) } },
    /* Until somebody registers or activates it. */
    [AGENT_REFUSED] = { { SECONDS(30), MINUTES(1), HOURS(6) },
                        { SECONDS(30), MINUTES(1), HOURS(1) } },
    /* Until somebody changes the template or the allow-list. A renewal has its time. */
    [AGENT_REJECTED] = { { SECONDS(30), MINUTES(1), HOURS(6) },
                         { MINUTES(1), MINUTES(5), HOURS(6) } },
    /* A new certificate cures it at once, but if it does not, each try costs another. */
    [AGENT_TOKEN] = { { SECONDS(1), SECONDS(5), MINUTES(10) },
                      { SECONDS(5), SECONDS(30), HOURS(1) } },
    /* Rates are counted in seconds; too many devices at once need minutes to get through. */
    [AGENT_THROTTLED] = { { SECONDS(5), SECONDS(15), MINUTES(15) },
                          { SECONDS(5), SECONDS(15), MINUTES(15) } },
    /* Restarts and full queues pass in seconds, outages do not. */
    [AGENT_BUSY] = { { SECONDS(2), SECONDS(5), MINUTES(10) },
                     { SECONDS(2), SECONDS(5), MINUTES(10) } },
    /* Nobody is asked while the clock is not set, and it may be at any moment. */
    [AGENT_CLOCK] = { { SECONDS(1), SECONDS(2), MINUTES(1) },
                      { SECONDS(1), SECONDS(2), MINUTES(1) } },
    /* A captive portal goes away by itself, a wrong trust file does not. */
    [AGENT_TRUST] = { { SECONDS(10), SECONDS(30), HOURS(1) },
                      { SECONDS(10), SECONDS(30), MINUTES(15) } },
    /* Most come again unchanged. A certificate may have been made for each. */
    [AGENT_ANSWER] = { { SECONDS(10), SECONDS(30), HOURS(1) },
                       { SECONDS(10), SECONDS(30), HOURS(1) } },
    /* Space is freed within minutes; trying wears out flash. */
    [AGENT_LOCAL] = { { SECONDS(5), SECONDS(10), MINUTES(10) },
                      { SECONDS(5), SECONDS(10), MINUTES(10) } },
    /* Whoever corrects it starts the agent anew. */
    [AGENT_CONFIG] = { { MINUTES(1), MINUTES(5), HOURS(6) }, { MINUTES(1), MINUTES(5), HOURS(1) } },
    /* Until somebody resets it, or gives it back its own. */
    [AGENT_RECORD] = { { MINUTES(1), MINUTES(5), HOURS(6) }, { MINUTES(1), MINUTES(5), HOURS(1) } },
};
_Static_assert(sizeof rows / sizeof rows[0] == AGENT_CLASSES, "a class has no schedule");

static enum agent_class checked(enum agent_class class)
{
    return (unsigned)class < AGENT_CLASSES ? class : AGENT_LOCAL;
}

const struct agent_schedule *agent_retry_schedule(enum agent_class class, bool established)
{
    return &rows[checked(class)][established ? ESTABLISHED : FIRST];
}

/* What base has grown to at an attempt, from 1: doubled each time, up to cap. */
static uint32_t bound_ms(const struct agent_schedule *row, uint16_t attempt)
{
    const unsigned doublings = attempt - 1U;

    if (doublings >= 16 || row->base_s > row->cap_s >> doublings)
        return row->cap_s * MS;
    return ((uint32_t)row->base_s << doublings) * MS;
}

/* Both ends are possible. A product in place of a remainder: no wait is likelier than another by
 * more than one in 2^32. */
static uint32_t between(uint32_t low, uint32_t high, uint32_t random)
{
    const uint64_t choices = (uint64_t)high - low + 1;

    return low + (uint32_t)(choices * random >> 32);
}

uint32_t agent_retry_failed(struct agent_retry *retry, enum agent_class class, bool established,
                            uint32_t random)
{
    const enum agent_class failed = class == AGENT_OK ? AGENT_LOCAL : checked(class);
    const struct agent_schedule *row = agent_retry_schedule(failed, established);
    uint16_t *attempts = &retry->attempts[failed];

    if (*attempts < UINT16_MAX)
        ++*attempts;
    return between(row->floor_s * MS, bound_ms(row, *attempts), random);
}

bool agent_retry_succeeded(struct agent_retry *retry)
{
    bool any = false;

    for (size_t i = 0; i < AGENT_CLASSES; i++)
        any = any || retry->attempts[i] != 0;
    memset(retry, 0, sizeof *retry);
    return any;
}

uint32_t agent_retry_start(const struct agent_retry *retry, bool established, uint32_t random)
{
    const struct agent_schedule *start = agent_retry_schedule(AGENT_OK, established);
    uint32_t low = start->floor_s * MS, high = start->base_s * MS;

    for (unsigned i = AGENT_OK + 1; i < AGENT_CLASSES; i++) {
        const struct agent_schedule *row = agent_retry_schedule((enum agent_class)i, established);
        const uint16_t attempts = retry->attempts[i];

        if (attempts == 0)
            continue;
        if (row->floor_s * MS > low)
            low = row->floor_s * MS;
        if (bound_ms(row, attempts) > high)
            high = bound_ms(row, attempts);
    }
    return between(low, high < start->cap_s * MS ? high : start->cap_s * MS, random);
}
