/*
 * control.h - the socket by which commands reach a running agent: one request, a line of JSON
 * (control_msg.h), and one answer, a JSON document, per connection.
 *
 *     {"result":"ok", …}   {"result":"failed","class":"local","exitCode":21,"text":"…"}
 *
 * Only the agent's own user and root are heard (SO_PEERCRED), and the socket is 0600. The agent
 * never waits for a peer: a connection that is slow, silent or too long is closed. Thread: one.
 */
#ifndef POSIX_CONTROL_H
#define POSIX_CONTROL_H

#include <poll.h>

#include <cjson/cJSON.h>

#include "control_msg.h"

enum {
    CONTROL_PEERS = 4,      /* at a time; others wait in the kernel's queue */
    CONTROL_PEER_MS = 5000, /* for all of a connection */
    CONTROL_POLLS = CONTROL_PEERS + 1,
    CONTROL_MAX_ANSWER = 65536
};

/* ---- the agent's side ------------------------------------------------------------------------ */

struct control; /* opaque */

/* Carries out a request; the answer, or NULL: there is no memory. It is freed by the caller. */
typedef cJSON *control_handler(void *arg, const struct control_request *request);

/* Listens. A socket that an agent left behind is replaced: the caller holds the state's lock. */
enum agent_class control_listen(const char *path, control_handler *handle, void *arg,
                                struct control **out, struct port_result *result);
/* Closes what there is and removes the socket; NULL is fine. */
void control_free(struct control *control);

/* What to poll for, CONTROL_POLLS of them (fd -1: nothing), and how long at most: UINT32_MAX: as
 * long as you like. */
uint32_t control_prepare(const struct control *control, uint64_t now_ms,
                         struct pollfd out[static CONTROL_POLLS]);
/* After the poll; calls the handler for each request that has come in whole. */
void control_work(struct control *control, uint64_t now_ms,
                  const struct pollfd polled[static CONTROL_POLLS]);

/* What handlers answer. Takes details, which may be NULL. */
cJSON *control_ok(const char *name, cJSON *details);
cJSON *control_failed(const struct port_result *result);

/* ---- a command's side ------------------------------------------------------------------------ */

enum control_call {
    CONTROL_ANSWERED, /* *answer is a JSON object, the caller's to delete */
    CONTROL_NO_AGENT, /* nobody listens there */
    CONTROL_FAILED    /* somebody does, but it did not work: *result */
};

enum control_call control_ask(const char *path, const struct control_request *request,
                              uint32_t timeout_ms, cJSON **answer, struct port_result *result);
/* What an answer says: AGENT_OK, or why not. */
enum agent_class control_result(const cJSON *answer, struct port_result *result);

#endif
