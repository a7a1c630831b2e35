/*
 * announce.h - the program that tells others on the device of a new identity (on_provisioned,
 * on_renewed): run once at a time, with a deadline, its end an event.
 *
 * It gets the agent's environment and
 *
 *     AGENT_EVENT         provisioned, renewed
 *     AGENT_THING_NAME    may be empty: the template makes no thing
 *     AGENT_CLIENT_ID     what the identity connects as
 *     AGENT_CERTIFICATE   DIR/current/cert.pem
 *     AGENT_PRIVATE_KEY   DIR/current/key.pem, or the pkcs11: URI of a key in a token
 *     AGENT_GENERATION    1, 2, 3 …
 *     AGENT_CONFIG        DIR/current/config.json, if there is a deviceConfiguration
 *
 * Its standard input is /dev/null, what it prints goes to the agent's standard error, and it has a
 * process group of its own, all of which is killed when its time is over.
 */
#ifndef POSIX_ANNOUNCE_H
#define POSIX_ANNOUNCE_H

#include <sys/types.h>

#include "device-agent/port/port.h"

enum { ANNOUNCE_MS = 60000, ANNOUNCE_MAX_WORDS = 32, ANNOUNCE_MAX_COMMAND = 4096 };

struct announce {
    pid_t pid; /* 0: none runs */
    uint64_t until_ms;
    bool killed;
    char command[64]; /* the program, cut: for messages */
};

/* "NAME=value", ended by NULL; they replace what the environment has of these names. */
void announce_start(struct announce *announce, const char *command, const char *const *env,
                    uint64_t now_ms, struct port_result *result);

/* After SIGCHLD, and when until_ms has come. True: it has ended; AGENT_OK: with 0. */
bool announce_ended(struct announce *announce, uint64_t now_ms, struct port_result *result);

/* Kills what runs. */
void announce_stop(struct announce *announce);

/* Splits at blanks; "…" holds words with blanks together. Words point into room. The number of
 * words; 0: none, too many, or a quotation mark is alone. */
size_t announce_split(const char *command, char room[static ANNOUNCE_MAX_COMMAND],
                      const char *words[static ANNOUNCE_MAX_WORDS + 1]);

#endif
