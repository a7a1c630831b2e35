/*
 * csr.h - a certificate signing request (PKCS#10, RFC 2986): what a device asks to have certified.
 *
 * Its own signature proves that whoever made it holds the key. Thread: any; never changes once
 * made.
 */
#ifndef PROV_CSR_H
#define PROV_CSR_H

#include <openssl/types.h>

#include "ident.h"

#define PROV_MAX_CSR 4096 /* characters of PEM, as AWS IoT has (reference 1.2) */

/* One block: the spans point into it. */
struct prov_csr {
    struct prov_span der;
    struct prov_span subject;     /* Name, DER; the empty name is a name */
    struct prov_span spki;        /* SubjectPublicKeyInfo, DER */
    struct prov_span common_name; /* of the subject, the first; UTF-8; may be empty */
    struct prov_id key_id;        /* SHA-256 of spki */
    enum prov_key_kind key_kind;
    unsigned key_bits;
};

/*
 * One CERTIFICATE REQUEST block (or NEW CERTIFICATE REQUEST), white space around it aside nothing
 * else, in DER to the letter. Refused in words, code "InvalidCertificateSigningRequest": text that
 * is none, more than PROV_MAX_CSR (PROV_ETOOBIG), another version than 1, a key that is too weak or
 * of another kind than reference 5.6's RSA (2048 to 8192 bits) and EC P-256, P-384, P-521 by name,
 * a signature algorithm that prov_cert_check_leaf would refuse, a signature that is not by that
 * key, a subject that is not a Name or whose values are no text (a NUL is none). Attributes
 * (extension requests) are for the issuer to ignore, and are. One public-key operation.
 * PROV_EINVAL, PROV_ENOMEM.
 */
PROV_MUST_USE enum prov_rc prov_csr_parse(struct prov_span pem, struct prov_csr **out,
                                          struct prov_err *err);
void prov_csr_free(struct prov_csr *csr); /* NULL is accepted */

/*
 * For those who read many: what is the same for all of them, made once, saves a quarter of the
 * cost with EC keys. A reader never changes once made and may be used by any number of threads at
 * once.
 */
struct prov_csr_reader;

PROV_MUST_USE enum prov_rc prov_csr_reader_new(struct prov_csr_reader **out); /* PROV_ENOMEM */
void prov_csr_reader_free(struct prov_csr_reader *reader);                    /* NULL is accepted */
/* As prov_csr_parse, which is this one with reader NULL. */
PROV_MUST_USE enum prov_rc prov_csr_read(const struct prov_csr_reader *reader, struct prov_span pem,
                                         struct prov_csr **out, struct prov_err *err);

#endif
