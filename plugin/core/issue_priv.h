/* issue_priv.h - what an issuer is made of: issuer.c makes it, issue.c uses it. */
#ifndef PROV_ISSUE_PRIV_H
#define PROV_ISSUE_PRIV_H

#include "issue.h"

#define ISSUE_BAD_CERT "CertificateValidationException"
#define ISSUE_UNAVAILABLE "ServiceUnavailableException"

#define ISSUE_SERIAL_BYTES 20    /* RFC 5280 section 4.1.2.2 allows no more */
#define ISSUE_KEY_ID_BYTES 20    /* SHA-1 (RFC 5280 section 4.2.1.2) */
#define ISSUE_SIGNATURE_MAX 2048 /* bytes: RSA with 16384 bits, which is all that OpenSSL takes */
#define ISSUE_MAX_TIME_S 253402300799 /* 9999-12-31T23:59:59Z (RFC 5280 section 4.1.2.5) */

struct prov_issuer {
    X509 *cert;
    EVP_PKEY *key;
    struct prov_id id;
    int64_t not_before_s, not_after_s;
    EVP_MD_CTX *sign; /* initialised with the key; each certificate signs with a copy */
    EVP_MD *sha1;
    /* parts of certificates, DER */
    struct prov_buf algorithm;
    struct prov_buf name;
    struct prov_buf extensions;
    size_t key_id_at; /* the subject's, in extensions */
};

/* Random, positive, and never shorter. False without randomness. */
bool issue_serial(uint8_t out[static ISSUE_SERIAL_BYTES]);

#endif
