/*
 * A device's life as bytes say it: configuration, failures, power cuts, strangers' messages,
 * wishes. What the core asks for keeps to its contract all the time, and when all is well again it
 * comes to rest with an identity.
 */
#include <stddef.h>
#include <stdint.h>

#include "device-agent/core/agent.h"
#include "support/agent_play_chaos.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    play_chaos(data, size);
    return 0;
}
