/* base.h - what the agent's core stands on: bytes, results. No allocation, no I/O, no clock. */
#ifndef AGENT_BASE_H
#define AGENT_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config_defaults.h"

/*
 * Why something failed; what is to be done about it follows from the class. Numbers are stored:
 * append, never reorder.
 */
enum agent_class {
    AGENT_OK,
    AGENT_NETWORK,   /* name, route, TCP, a connection lost, an answer that did not come */
    AGENT_PENDING,   /* refused as first contacts are: registration may be under way */
    AGENT_REFUSED,   /* the other side knows us and says no */
    AGENT_REJECTED,  /* a request was answered with no, and would be again unchanged */
    AGENT_TOKEN,     /* the ownership token is not good any more: a new certificate is needed */
    AGENT_THROTTLED, /* later */
    AGENT_BUSY,      /* the other side could not (5xx) */
    AGENT_CLOCK,     /* the clock is not set, or a certificate is not yet valid by it */
    AGENT_TRUST,     /* the server's certificate does not verify */
    AGENT_ANSWER,    /* an answer that cannot be used: malformed, too large, not ours */
    AGENT_LOCAL,     /* disk full, read-only, key store gone */
    AGENT_CONFIG,    /* the configuration cannot work */
    AGENT_RECORD,    /* the state record is another device's, or of a later version */
    AGENT_CLASSES
};

/* "network", "pending" …; never NULL. */
const char *agent_class_name(enum agent_class class);

/* Borrowed bytes. p may be NULL when n is 0. */
struct agent_span {
    const uint8_t *p;
    size_t n;
};

/* A buffer that somebody lends: text with a NUL behind it, cap bytes with it. */
struct agent_text {
    char *p;
    size_t n, cap;
};

#endif
