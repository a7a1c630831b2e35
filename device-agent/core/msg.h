/*
 * msg.h - fleet provisioning's topics and JSON payloads (AWS IoT's; reference section 1), written
 * into and read from the caller's buffers.
 *
 * Answers come from the network: every byte is untrusted. Nothing here allocates or recurses; time
 * is linear. Texts are UTF-8; a NUL, raw or escaped, is refused. What does not fit is refused,
 * never cut, but for errorMessage.
 */
#ifndef AGENT_MSG_H
#define AGENT_MSG_H

#include "base.h"

enum agent_op { AGENT_CREATE_KEYS, AGENT_CREATE_FROM_CSR, AGENT_REGISTER_THING, AGENT_OPS };

enum agent_topic { AGENT_REQUEST, AGENT_ACCEPTED, AGENT_REJECTED_TOPIC, AGENT_TOPICS };

/* template_name is for AGENT_REGISTER_THING and not looked at otherwise. False: it is no template's
 * name, 1 to 36 of A-Z a-z 0-9 _ -; out is empty then. */
bool agent_msg_topic(enum agent_op op, enum agent_topic which, const char *template_name,
                     char out[static AGENT_MAX_TOPIC]);
/* Which of an operation's three topics is this? False: none. */
bool agent_msg_topic_is(enum agent_op op, const char *template_name, struct agent_span topic,
                        enum agent_topic *which);

struct agent_param {
    const char *name, *value; /* UTF-8 */
};

/*
 * Request payloads. False: out is too small or a text is no UTF-8; out is empty and wiped then. A
 * name that is twice in params is written twice.
 */
bool agent_msg_create_keys(struct agent_text *out);
bool agent_msg_create_from_csr(const char *csr_pem, struct agent_text *out);
bool agent_msg_register(const char *token, const struct agent_param *params, size_t n_params,
                        struct agent_text *out);

/* s as JSON text, with its quotes. False: as above, but what was in out is left. */
bool agent_msg_string(const char *s, struct agent_text *out);

/* Buffers are the caller's; those with p NULL are for what the operation does not answer. */
struct agent_created {
    struct agent_text certificate_id, certificate_pem, token;
    struct agent_text private_key; /* AGENT_CREATE_KEYS */
};
struct agent_registered {
    struct agent_text thing_name; /* may stay empty: the template has no thing */
    struct agent_text config; /* deviceConfiguration, as the JSON object that it came as; "{}" */
};
struct agent_rejection {
    bool readable; /* a JSON object without a field twice; otherwise status is 0 and code empty */
    int status;    /* 0: not said */
    char code[64];
    char message[AGENT_MAX_MESSAGE]; /* printable ASCII, cut; a '?' for each other character */
};

/*
 * AGENT_OK, or AGENT_ANSWER: no JSON object, a field missing, twice, of another type, too long, or
 * of the wrong form (a certificateId is 64 hex digits; PEM texts begin and end as such; a token is
 * not empty; a thingName is of A-Z a-z 0-9 _ : -). Unknown fields are passed over, if they are
 * JSON. Nothing of a refused answer is left in the buffers, nor of what was in them before.
 */
enum agent_class agent_msg_created(enum agent_op op, struct agent_span payload,
                                   struct agent_created *out);
enum agent_class agent_msg_registered(struct agent_span payload, struct agent_registered *out);
/* Always gives something to show, also of a payload that cannot be read (status 0). */
void agent_msg_rejection(struct agent_span payload, struct agent_rejection *out);
/* What to do about it: AGENT_TOKEN, AGENT_THROTTLED, AGENT_BUSY, AGENT_REJECTED; AGENT_ANSWER when
 * it cannot be read. */
enum agent_class agent_msg_rejection_class(const struct agent_rejection *rejection);

#endif
