/* agent_play_chaos.h - a device's life at the whim of some bytes. */
#ifndef TESTS_AGENT_PLAY_CHAOS_H
#define TESTS_AGENT_PLAY_CHAOS_H

#include "support/agent_play.h"

/*
 * The first byte says how the device is configured, the others what happens to it: moves go well or
 * fail, power goes, wishes and strangers' messages come, records are torn. Then all is well again,
 * and it must come to rest with an identity, unless there is no claim to get one with.
 */
void play_chaos(const uint8_t *bytes, size_t n);

#endif
