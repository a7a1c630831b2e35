/*
 * operator.h - clients that are no devices, on a plain listener with passwords and an ACL file:
 * "operator" may use the control API and read events, "watcher" may read events, "guest" may
 * neither. Each user's password is its name.
 *
 * Every call fails the test when what it promises does not happen.
 */
#ifndef SUPPORT_OPERATOR_H
#define SUPPORT_OPERATOR_H

#include <cjson/cJSON.h>

#include "support/rig.h"

#define OPERATOR_RESPONSE "$CONTROL/provisioning/v1/response"

/* rig_prepare with that listener; spec's own plain, users and lines must be zero. */
void operator_prepare(struct rig *rig, const struct rig_spec *spec);
/* The same, started. */
void operator_up(struct rig *rig, const struct rig_spec *spec);

/* As that user, with its name as client id. */
struct mqtt *operator_connect(const struct rig *rig, const char *user);
/* With a client id of its own. */
struct mqtt *operator_connect_as(const struct rig *rig, const char *user, const char *client_id);

/* Publishes the message, at QoS 1. */
void operator_send(struct mqtt *c, const char *message);
/* The next answer, whole; to be freed with cJSON_Delete. */
cJSON *operator_answer(struct mqtt *c);
/*
 * One command, as the JSON object that goes into "commands": sends it, waits for its answer and
 * returns the one response. The format is printf's.
 */
PROV_PRINTF(2, 3) cJSON *operator_call(struct mqtt *c, const char *command, ...);
/* The same for what must go well, and of what the answer does not matter. */
PROV_PRINTF(2, 3) void operator_do(struct mqtt *c, const char *command, ...);

/* A text of an answer's or event's member; fails when it is none. */
const char *operator_text(const cJSON *from, const char *key);
/* The claim of CreateProvisioningClaim's answer; pki_free. */
struct pki_cert operator_claim(const cJSON *from);

#endif
