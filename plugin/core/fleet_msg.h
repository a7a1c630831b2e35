/*
 * fleet_msg.h - the messages of fleet provisioning: three operations on AWS IoT's reserved topics,
 * each in JSON and in CBOR (reference section 1).
 *
 * Payloads come from devices: every byte is untrusted. Thread: any.
 */
#ifndef PROV_FLEET_MSG_H
#define PROV_FLEET_MSG_H

#include "base.h"
#include "limits.h"
#include "template.h"

enum prov_fleet_op {
    PROV_CREATE_KEYS,     /* CreateKeysAndCertificate */
    PROV_CREATE_FROM_CSR, /* CreateCertificateFromCsr */
    PROV_REGISTER_THING,  /* RegisterThing */
    PROV_FLEET_OPS
};

/* "CreateKeysAndCertificate" …; never NULL. */
const char *prov_fleet_op_name(enum prov_fleet_op op);

enum prov_format { PROV_JSON, PROV_CBOR, PROV_FORMATS };

/* ---- topics ---------------------------------------------------------------------------------- */

#define PROV_MAX_FLEET_TOPIC 128 /* bytes of any topic here, with its NUL */

struct prov_fleet_topic {
    enum prov_fleet_op op;
    enum prov_format format;
    struct prov_span template_name; /* of RegisterThing; points into the topic */
};

/*
 * Is this the topic of a request? To the letter: no prefix, no level more or less, a template's
 * name of the form that names have (reference 1.1). False: no request, *out is not filled in.
 */
bool prov_fleet_topic_parse(struct prov_span topic, struct prov_fleet_topic *out);

/* The topic of its answer. */
void prov_fleet_answer_topic(const struct prov_fleet_topic *request, bool accepted,
                             char out[static PROV_MAX_FLEET_TOPIC]);

/* ---- requests -------------------------------------------------------------------------------- */

#define PROV_MAX_FLEET_PAYLOAD 131072 /* bytes (reference section 11) */
#define PROV_MAX_FLEET_PARAMS 128     /* of one RegisterThing */
#define PROV_MAX_FLEET_DEPTH 8        /* of CBOR; JSON's is PROV_MAX_JSON_DEPTH */

/* Texts live as long as the request, without NUL, valid UTF-8. */
struct prov_fleet_request {
    struct prov_span csr; /* certificateSigningRequest; of CreateCertificateFromCsr */
    struct prov_span
        token; /* certificateOwnershipToken; of RegisterThing, which may be empty text */
    struct prov_params parameters; /* likewise */
};

/*
 * Field by field what reference 1.2 has. CreateKeysAndCertificate: nothing at all, an empty object
 * or map, or one of any fields, which are ignored as everywhere. Refused in words that name the
 * field: a field that is missing, of another type (null is one, tagged text another), too long (a
 * parameter beyond PROV_MAX_PARAM_NAME or PROV_MAX_PARAM_VALUE; a CSR or token of any length is for
 * others to judge), twice, not UTF-8, with a NUL; too many parameters, one without a name; JSON as
 * prov_json_parse refuses it; CBOR (RFC 8949) that is malformed, truncated, has bytes behind it, is
 * no map, is too deep, has a text not in UTF-8 or a key twice, or a key that is no text. Within
 * CBOR that is ignored a NUL is no mistake, keys may be of any type, and only those that are text
 * are compared. Definite and indefinite lengths are accepted, and any length of a length (13 of
 * reference section 13). err's text is complete: line, column and path are in it and not set. code
 * "InvalidRequest"; PROV_EINVAL; PROV_ETOOBIG beyond PROV_MAX_FLEET_PAYLOAD; PROV_ENOMEM. Memory is
 * linear in the payload's size, and so is time, but for the sorting of keys.
 */
PROV_MUST_USE enum prov_rc prov_fleet_request_parse(const struct prov_fleet_topic *topic,
                                                    struct prov_span payload,
                                                    struct prov_fleet_request **out,
                                                    struct prov_err *err);
/* Wipes. NULL is accepted. */
void prov_fleet_request_free(struct prov_fleet_request *request);

/* ---- answers --------------------------------------------------------------------------------- */

/* All that any of the accepted answers has (reference 1.3); which of it is told depends on op. */
struct prov_fleet_accepted {
    struct prov_span certificate_id; /* 64 hex digits */
    struct prov_span certificate_pem;
    struct prov_span private_key; /* CreateKeysAndCertificate */
    struct prov_span token;       /* the two creates */
    struct prov_span thing_name;  /* RegisterThing; empty: left out, as the template has no thing */
    struct prov_params config;    /* deviceConfiguration: always there, in order */
};

/* Appends to out, whose maximum the caller chose and which the caller wipes, also when not all of
 * it fitted. No other copy is made. CBOR has definite lengths. PROV_ENOMEM, PROV_ETOOBIG. */
PROV_MUST_USE enum prov_rc prov_fleet_accepted(enum prov_fleet_op op, enum prov_format format,
                                               const struct prov_fleet_accepted *answer,
                                               struct prov_buf *out);

/* Reference 1.4: statusCode, errorCode, errorMessage. Here and above, text that is not UTF-8, or
 * holds a NUL, has U+FFFD in those places. */
PROV_MUST_USE enum prov_rc prov_fleet_rejected(enum prov_format format, int status,
                                               const char *code, const char *message,
                                               struct prov_buf *out);

#endif
