/*
 * fleet_msg_priv.h - a fleet provisioning request while it is read, whichever format it has.
 */
#ifndef PROV_FLEET_MSG_PRIV_H
#define PROV_FLEET_MSG_PRIV_H

#include "fleet_msg.h"

struct prov_fleet_reader {
    enum prov_fleet_op op;
    struct prov_span payload;
    struct prov_fleet_whole *whole;
    struct prov_err *err;
};

/* What is handed out, and what its texts point into. */
struct prov_fleet_whole {
    struct prov_fleet_request request; /* first: prov_fleet_request_free is given this */
    struct prov_param params[PROV_MAX_FLEET_PARAMS];
    size_t used;
    uint8_t text[]; /* as much as the payload has: whatever its format, no text is longer in here */
};

/* PROV_EINVAL with code "InvalidRequest". */
PROV_PRINTF(2, 3)
enum prov_rc prov_fleet_bad(const struct prov_fleet_reader *r, const char *fmt, ...);

#define PROV_FLEET_SHOWN 64
/* Device text for a message: cut, and what does not print is '?'. Returns out. */
const char *prov_fleet_show(struct prov_span s, char out[static PROV_FLEET_SHOWN]);

/* Where the text of that field goes, or NULL: the operation has no such field of text. */
struct prov_span *prov_fleet_field(const struct prov_fleet_reader *r, struct prov_span key);
/* Is it the map of parameters, of an operation that has one? */
bool prov_fleet_is_parameters(const struct prov_fleet_reader *r, struct prov_span key);

/* Copies a piece of text behind those that were copied before. */
struct prov_span prov_fleet_keep(const struct prov_fleet_reader *r, struct prov_span text);

/* Before its value is looked at: is the name acceptable, and is there room? */
PROV_MUST_USE enum prov_rc prov_fleet_param_name(const struct prov_fleet_reader *r,
                                                 struct prov_span name);
/* Both are kept already. */
PROV_MUST_USE enum prov_rc prov_fleet_param_add(const struct prov_fleet_reader *r,
                                                struct prov_span name, struct prov_span value);

/* They fill in r->whole. The payload is not empty and not too big. */
PROV_MUST_USE enum prov_rc prov_fleet_read_json(const struct prov_fleet_reader *r);
PROV_MUST_USE enum prov_rc prov_fleet_read_cbor(const struct prov_fleet_reader *r);

#endif
