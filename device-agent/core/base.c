#include "base.h"

const char *agent_class_name(enum agent_class class)
{
    static const char *const names[] = {
        [AGENT_OK] = "ok",
        [AGENT_NETWORK] = "network",
        [AGENT_PENDING] = "pending",
        [AGENT_REFUSED] = "refused",
        [AGENT_REJECTED] = "rejected",
        [AGENT_TOKEN] = "token",
        [AGENT_THROTTLED] = "throttled",
        [AGENT_BUSY] = "busy",
        [AGENT_CLOCK] = "clock",
        [AGENT_TRUST] = "trust",
        [AGENT_ANSWER] = "answer",
        [AGENT_LOCAL] = "local",
        [AGENT_CONFIG] = "config",
        [AGENT_RECORD] = "record",
    };
    _Static_assert(sizeof names / sizeof names[0] == AGENT_CLASSES, "a class has no name");

    return (unsigned)class < AGENT_CLASSES ? names[class] : "unknown";
}
