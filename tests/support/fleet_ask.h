/*
 * fleet_ask.h - asking to be provisioned, and what is answered: the three operations in JSON or
 * CBOR, written and read by another hand than the plugin's.
 *
 * Every call fails the test when what it promises does not happen.
 */
#ifndef SUPPORT_FLEET_ASK_H
#define SUPPORT_FLEET_ASK_H

#include <cjson/cJSON.h>
#include <openssl/types.h>

#include "core/fleet_msg.h"
#include "support/mqtt.h"

#define FLEET_TEMPLATE "fleet"

struct fleet_ask {
    enum prov_fleet_op op;
    enum prov_format format;
    const char *template_name; /* of RegisterThing; NULL: FLEET_TEMPLATE */
    const char *body;          /* JSON, whatever the format; NULL: nothing at all */
    struct prov_span raw;      /* instead of a body, as it is */
    uint8_t qos;
    struct prov_span props; /* MQTT 5 */
};

struct fleet_answer {
    bool accepted;
    cJSON *doc;
    struct mqtt_message *message;
};

void fleet_topic(const struct fleet_ask *ask, char out[static PROV_MAX_FLEET_TOPIC]);
/* On its way with the next step or mqtt_send; the packet's id. */
uint16_t fleet_submit(struct mqtt *c, const struct fleet_ask *ask);
/* Until it is acknowledged, where there is something to acknowledge. */
void fleet_send(struct mqtt *c, const struct fleet_ask *ask);
/* The next message, which must be this one's answer. */
struct fleet_answer fleet_take(struct mqtt *c, const struct fleet_ask *ask);
/* Both. */
struct fleet_answer fleet_call(struct mqtt *c, const struct fleet_ask *ask);
void fleet_release(struct fleet_answer *answer);

/* A text of an answer; fails when it is none. */
const char *fleet_text(const struct fleet_answer *answer, const char *key);

/* Asks, and is rejected: all three fields, this status and code; text (may be NULL) is in the
 * message. */
#define fleet_expect_rejected(c, ask, status, code, text)                                          \
    fleet_expect_rejected_at((c), (ask), (status), (code), (text), __FILE__, __LINE__)
void fleet_expect_rejected_at(struct mqtt *c, const struct fleet_ask *ask, int status,
                              const char *code, const char *text, const char *file, int line);
/* Of an answer that came. */
void fleet_check_rejected(const struct fleet_answer *answer, int status, const char *code,
                          const char *text, const char *file, int line);

/* Bodies, to be freed. */
char *fleet_csr_body(EVP_PKEY *key, const char *cn);
char *fleet_register_body(const char *token, const char *serial); /* serial NULL: no parameters */

/* A CSR's file, in PEM. */
void fleet_write_csr(const char *path, EVP_PKEY *key, const char *cn);

#endif
