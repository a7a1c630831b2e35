/*
 * spki.h - public keys as certificates carry them (SubjectPublicKeyInfo, RFC 5280 section 4.1),
 * read and used without OpenSSL's decoders, which take longer than verifying a signature does. For
 * core's own use. Thread: any.
 */
#ifndef PROV_SPKI_H
#define PROV_SPKI_H

#include <openssl/types.h>

#include "ident.h"

enum { SPKI_P256, SPKI_P384, SPKI_P521, SPKI_CURVES };

/* Spans point into what was read. */
struct spki {
    enum prov_key_kind kind;         /* PROV_KEY_RSA or PROV_KEY_EC */
    unsigned bits;                   /* of the modulus, or of the curve */
    unsigned curve;                  /* EC */
    struct prov_span point;          /* EC: not known to be on the curve */
    struct prov_span modulus;        /* RSA: both big-endian, no zeros in front */
    struct prov_span exponent;       /* RSA */
    struct prov_span subject_public; /* the content of the BIT STRING: what key ids are made of */
};

/*
 * RSA of 2048 to 8192 bits, and EC on P-256, P-384 or P-521 by name, in DER to the letter (RFC 3279
 * section 2.3.1, RFC 5480). NULL, or why it is refused: "the key …".
 */
const char *spki_read(struct prov_span der, struct spki *out);

/* The same key, whatever the bytes that say so. */
bool spki_eq(const struct spki *a, const struct spki *b);

/* What the keys of a curve have in common, which takes longest to make. PROV_ENOMEM. */
PROV_MUST_USE enum prov_rc spki_curve(unsigned curve, EVP_PKEY **out);

/*
 * For OpenSSL to verify with. curve is what spki_curve made of an EC key's, and is not changed.
 * PROV_EINVAL: no point of the curve; PROV_ENOMEM.
 */
PROV_MUST_USE enum prov_rc spki_key(const struct spki *spki, EVP_PKEY *curve, EVP_PKEY **out);

/* Appends a SubjectPublicKeyInfo. */
void spki_add_ec(struct prov_buf *out, unsigned curve, struct prov_span point);
void spki_add_rsa(struct prov_buf *out, struct prov_span modulus, struct prov_span exponent);

/* Of ECParameters: the curve's OBJECT IDENTIFIER, DER. */
struct prov_span spki_curve_oid(unsigned curve);

#endif
