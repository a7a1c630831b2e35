/* dn.h - distinguished names in DER (RFC 5280 section 4.1.2.4). For core's own use. Thread: any. */
#ifndef PROV_DN_H
#define PROV_DN_H

#include "base.h"

struct dn {
    struct prov_buf plain;        /* see dn_read */
    struct prov_span common_name; /* UTF-8, in plain; the first one's; may be empty */
};

/*
 * Replaces what out holds by what the name says, whatever the string types it says it in: two names
 * that say the same have the same `plain`. The empty name is a name. PROV_EINVAL: no Name in DER,
 * or with a value that is no text or has a NUL; PROV_ENOMEM.
 */
PROV_MUST_USE enum prov_rc dn_read(struct prov_span name, struct dn *out);
void dn_release(struct dn *dn);

#endif
