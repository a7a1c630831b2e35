/*
 * issue.h - signs device certificates (reference 5.2; design D10).
 *
 * What does not change is encoded once, when the issuer is made; what is left per certificate is
 * serial, validity, subject and key, one signature and one hash. Thread: an issuer never changes
 * once made and may be used by any number of threads at once.
 */
#ifndef PROV_ISSUE_H
#define PROV_ISSUE_H

#include <openssl/types.h>

#include "csr.h"
#include "keys.h"

struct prov_issuer;

/*
 * The key may be anywhere that OpenSSL can sign with it. Takes references of its own. PROV_EINVAL
 * with what is wrong: the certificate is no CA that prov_cert_check_ca finds good (one that is not
 * yet valid or has expired included), or the key is not its key, which a trial signature tells.
 * PROV_ESIGNER: nothing can be signed with it; PROV_ENOMEM.
 */
PROV_MUST_USE enum prov_rc prov_issuer_new(X509 *cert, EVP_PKEY *key, int64_t now_s,
                                           struct prov_issuer **out, struct prov_err *err);
void prov_issuer_free(struct prov_issuer *issuer); /* NULL is accepted */

const X509 *prov_issuer_cert(const struct prov_issuer *issuer);
const struct prov_id *prov_issuer_id(const struct prov_issuer *issuer);

struct prov_issue {
    struct prov_span subject;          /* Name, DER; empty: "CN=AWS IoT Certificate", as AWS IoT */
    struct prov_span spki;             /* DER */
    int64_t not_before_s, not_after_s; /* seconds since 1970 */
};

/*
 * X.509 v3, a random serial of 20 bytes (positive), subjectKeyIdentifier, authorityKeyIdentifier,
 * basicConstraints (critical, CA:FALSE), keyUsage (critical, digitalSignature), SHA-256 or as
 * strong as the issuer's key asks. notBefore and notAfter are cut to the issuer's own. Appends the
 * DER to out. PROV_ESIGNER: the key could not be used (a token that was pulled out), or the issuer
 * has expired by not_before_s; PROV_EINVAL: subject or key that is no DER of its kind; PROV_ENOMEM.
 */
PROV_MUST_USE enum prov_rc prov_issue(const struct prov_issuer *issuer,
                                      const struct prov_issue *what, struct prov_buf *out,
                                      struct prov_err *err);
/* What becomes of a validity under this issuer, so that nobody need decode what was issued. */
void prov_issue_cut(const struct prov_issuer *issuer, int64_t *not_before_s, int64_t *not_after_s);

/*
 * Is this certificate an answer to that request? For what somebody else issued: key and subject are
 * the CSR's (the same types and texts in the same order, in whatever string types), and
 * prov_cert_check_leaf finds nothing wrong with it. PROV_EINVAL says what is; PROV_ENOMEM.
 */
PROV_MUST_USE enum prov_rc prov_issue_answers(X509 *cert, const struct prov_csr *csr, int64_t now_s,
                                              struct prov_err *err);

/* A CA for those who have none: a key, and a certificate over it that it signed itself (v3,
 * CA:TRUE, pathlen 0, keyCertSign and cRLSign). common_name: 1 to 64 bytes of UTF-8. The caller
 * frees both. PROV_EINVAL, PROV_ENOMEM, PROV_ESIGNER. */
PROV_MUST_USE enum prov_rc prov_issuer_make(enum prov_key_type type, struct prov_span common_name,
                                            int64_t not_before_s, int64_t not_after_s,
                                            EVP_PKEY **key, X509 **cert, struct prov_err *err);

/* ---- for those who do not care where it is --------------------------------------------------- */

/* Who issues, and how. Thread: any. */
struct prov_issuing {
    /*
     * *out lives as long as this object does. PROV_ENOTFOUND: there is no issuer, and how to make
     * one (code "ServiceUnavailableException"); others as prov_issuer_new, or PROV_ESIGNER. May
     * read files and take a while, so never on the broker's thread.
     */
    enum prov_rc (*issuer)(const struct prov_issuing *self, const struct prov_issuer **out,
                           struct prov_err *err);
    int64_t validity_days;       /* of what it issues, unless something else is said */
    enum prov_key_type key_type; /* of keys that are made for others */
};

/* From now (some minutes earlier, for devices whose clock is slow) for so many days. */
void prov_issue_validity(int64_t now_s, int64_t days, int64_t *not_before_s, int64_t *not_after_s);

#endif
