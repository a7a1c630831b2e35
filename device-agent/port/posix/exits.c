#include "exits.h"

#define OF(class) (EXIT_CLASSES + (class))

const struct exit_row exit_rows[] = {
    { EXIT_DONE, "ok", "done; needs-renewal: yes" },
    { EXIT_USAGE, "usage", "the command line is wrong" },
    { EXIT_LOCKED, "locked", "another agent works with the same state directory" },
    { EXIT_TIMEOUT, "timeout", "not done within --timeout" },
    { EXIT_INTERRUPTED, "interrupted", "a signal came before it was done" },
    { EXIT_NOT_DUE, "not-due", "needs-renewal: no" },
    { EXIT_NO_IDENTITY, "no-identity", "there is no identity to do it with yet" },
    { OF(AGENT_NETWORK), "network", "no name, no route, no connection, or no answer" },
    { OF(AGENT_PENDING), "pending", "refused as first contacts are; not registered yet" },
    { OF(AGENT_REFUSED), "refused", "the broker knows the certificate and says no" },
    { OF(AGENT_REJECTED), "rejected", "a provisioning request was answered with no" },
    { OF(AGENT_TOKEN), "token", "the ownership token was not good any more" },
    { OF(AGENT_THROTTLED), "throttled", "too fast for the broker" },
    { OF(AGENT_BUSY), "busy", "the broker could not at the moment" },
    { OF(AGENT_CLOCK), "clock", "the clock is not set, or a certificate not yet valid by it" },
    { OF(AGENT_TRUST), "trust", "the broker's certificate does not verify" },
    { OF(AGENT_ANSWER), "answer", "an answer, or a claim, that cannot be used" },
    { OF(AGENT_LOCAL), "local", "disk, key store or permissions" },
    { OF(AGENT_CONFIG), "config", "the configuration cannot work" },
    { OF(AGENT_RECORD), "record", "the state is another device's, or of a later version" },
};
const size_t exit_n_rows = sizeof exit_rows / sizeof exit_rows[0];

_Static_assert(sizeof exit_rows / sizeof exit_rows[0] == 7 + AGENT_CLASSES - 1,
               "a class has no exit code that is told");

int exit_of_class(enum agent_class class)
{
    if (class == AGENT_OK)
        return EXIT_DONE;
    return (unsigned)class < AGENT_CLASSES ? OF((int)class) : OF(AGENT_LOCAL);
}
