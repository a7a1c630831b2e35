/*
 * der.h - DER (ITU-T X.690) read to the letter and written, without objects: for what is read and
 * made on the way to a certificate. For core's own use. Thread: any.
 */
#ifndef PROV_DER_H
#define PROV_DER_H

#include "base.h"

enum {
    DER_INTEGER = 0x02,
    DER_BIT_STRING = 0x03,
    DER_OCTET_STRING = 0x04,
    DER_OID = 0x06,
    DER_UTF8_STRING = 0x0c,
    DER_UTC_TIME = 0x17,
    DER_GENERALIZED_TIME = 0x18,
    DER_SEQUENCE = 0x30,
    DER_SET = 0x31,
    DER_CONTEXT = 0xa0, /* [0] EXPLICIT, or IMPLICIT of what is constructed; + n: [n] */
};

#define DER_NULL PROV_LIT("\x05\x00")

/* ---- reading: `rest` shrinks by what was taken ----------------------------------------------- */

struct der_value {
    uint8_t tag;
    struct prov_span content;
    struct prov_span whole; /* tag and length too */
};

/*
 * The value that rest starts with. False, and nothing taken, when there is none, it is cut short,
 * its length is not in the one form that DER has for it, or its tag is above 30.
 */
bool der_take(struct prov_span *rest, struct der_value *out);
/* The same if it has this tag. */
bool der_expect(struct prov_span *rest, uint8_t tag, struct prov_span *content);
/* One value of this tag that is all there is. */
bool der_only(struct prov_span der, uint8_t tag, struct prov_span *content);
/* An INTEGER that is not negative, in its shortest form; *out has no leading zero byte, and none at
 * all for zero. */
bool der_unsigned(struct prov_span *rest, struct prov_span *out);
/* A BIT STRING of whole bytes. */
bool der_bytes(struct prov_span *rest, struct prov_span *out);
/* Is this the content of an OBJECT IDENTIFIER? */
bool der_is_oid(struct prov_span content);

/* AlgorithmIdentifier (RFC 5280 section 4.1.1.2): parameters are what follows the identifier. */
bool der_algorithm(struct prov_span *rest, struct prov_span *oid, struct prov_span *parameters);

/* ---- writing --------------------------------------------------------------------------------- */

void der_add_head(struct prov_buf *out, uint8_t tag, size_t content_n);
void der_add(struct prov_buf *out, uint8_t tag, struct prov_span content);
/* Of an unsigned number, big-endian; zeros in front do not matter. */
void der_add_unsigned(struct prov_buf *out, struct prov_span number);
/* A BIT STRING of whole bytes. */
void der_add_bytes(struct prov_buf *out, struct prov_span bytes);
/* Bytes of a value with so much content. */
size_t der_size(size_t content_n);

#endif
