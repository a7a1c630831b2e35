/*
 * fleet_case.h - requests of fleet provisioning written down again, and CBOR judged by another
 * reader than the plugin's.
 */
#ifndef SUPPORT_FLEET_CASE_H
#define SUPPORT_FLEET_CASE_H

#include "core/fleet_msg.h"

/* In a form that the request's parser accepts: JSON with every byte that may be escaped escaped,
 * CBOR of indefinite length with texts in chunks of one character. */
void fleet_case_write(enum prov_fleet_op op, enum prov_format format,
                      const struct prov_fleet_request *request, struct prov_buf *out);

bool fleet_case_same(const struct prov_fleet_request *a, const struct prov_fleet_request *b);

/*
 * The properties of any payload, for a fuzzer; ends the program when one does not hold. What is
 * accepted says the same in the other format; what is refused says why.
 */
void fleet_case_check(enum prov_fleet_op op, enum prov_format format, struct prov_span payload);

/* One well-formed item and nothing behind it, as the pseudo code in RFC 8949 appendix C has it. */
bool fleet_case_well_formed(struct prov_span cbor);

#endif
