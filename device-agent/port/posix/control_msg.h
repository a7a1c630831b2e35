/*
 * control_msg.h - what a command says to a running agent, as one JSON object on one line:
 *
 *     {"command":"status"}  {"command":"renew"}  {"command":"stop"}
 *     {"command":"reset","level":"identity"}
 *     {"command":"inject-claim","certificate":"-----BEGIN …","privateKey":"-----BEGIN …"}
 *
 * Whoever may write to the socket is trusted to command, but not to be free of mistakes: a field
 * that is missing, twice, unknown, of another type or too long is refused. No allocation.
 */
#ifndef POSIX_CONTROL_MSG_H
#define POSIX_CONTROL_MSG_H

#include "device-agent/port/port.h"

enum control_command {
    CONTROL_STATUS,
    CONTROL_RENEW,
    CONTROL_RESET,
    CONTROL_INJECT,
    CONTROL_STOP,
    CONTROL_COMMANDS
};

/* Bytes of a request: two PEM texts, of which each line end is two, and what is around them. */
enum { CONTROL_MAX_REQUEST = 2 * (AGENT_MAX_CERT + AGENT_MAX_KEY) + 256 };

struct control_request {
    enum control_command command;
    enum agent_reset level;                        /* of CONTROL_RESET */
    char cert[AGENT_MAX_CERT], key[AGENT_MAX_KEY]; /* of CONTROL_INJECT */
};

/* AGENT_OK, or AGENT_ANSWER and what is wrong; *out is wiped then. */
enum agent_class control_request_read(struct agent_span line, struct control_request *out,
                                      struct port_result *result);
/* Without a line end. False: it does not fit, or is no UTF-8; out is wiped then. */
bool control_request_write(const struct control_request *request, struct agent_text *out);

/* "identity", "full"; false: neither. */
bool control_level(const char *word, enum agent_reset *out);
const char *control_level_name(enum agent_reset level); /* "none" … */

#endif
