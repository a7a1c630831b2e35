/* test_agent_state.h - states for the tests of the agent's state record. */
#ifndef TESTS_TEST_AGENT_STATE_H
#define TESTS_TEST_AGENT_STATE_H

#include <string.h>

#include "../../device-agent/core/state.h"

static const uint8_t device[AGENT_DEVICE_LEN] = "thirty-two bytes of some device";

static inline struct agent_state fresh(void)
{
    struct agent_state s;

    agent_state_init(&s, device);
    return s;
}

/* One in the middle of a renewal, with everything that there can be. */
static inline struct agent_state in_phase(enum agent_phase phase)
{
    struct agent_state s = fresh();

    s.current = 3;
    s.next = phase == AGENT_PHASE_NONE ? 0 : 0x01020304;
    s.phase = phase;
    s.reset = AGENT_RESET_IDENTITY;
    s.claim_done = true;
    s.renew_s = INT64_C(0x0102030405060708);
    s.last_error = AGENT_CONFIG;
    s.announce = AGENT_ANNOUNCE_RENEWED;
    memcpy(s.last_message, "caf\xc3\xa9\xff", 6);
    memcpy(s.thing_name, "thing-1", 7);
    for (unsigned i = AGENT_OK + 1; i < AGENT_CLASSES; i++) {
        s.getting.attempts[i] = (uint16_t)(0x1000 + i);
        s.serving.attempts[i] = (uint16_t)(0x2000 + i);
    }
    if (phase == AGENT_PHASE_ISSUED) {
        memcpy(s.token, "token", 5);
        s.token_s = INT64_MAX;
    }
    if (phase >= AGENT_PHASE_REGISTERED)
        memcpy(s.next_thing, "thing-2", 7);
    return s;
}

#endif
