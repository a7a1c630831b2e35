/*
 * ident.h - what a certificate says about whoever holds its key.
 *
 * Everything here is untrusted until the signature over it has been checked; only
 * prov_cert_signed_by checks who signed. Thread: any; a prov_ident never changes once made. What
 * OpenSSL queued as errors on the way is taken off its queue again. Sources: RFC 5280
 * (certificates), reference sections 0 (certificateId), 5.6 (algorithms), 8.6 (fields).
 */
#ifndef PROV_IDENT_H
#define PROV_IDENT_H

#include <openssl/types.h>

#include "base.h"

/* The distinguished-name attributes that policy variables and template parameters can name. */
enum prov_dn_field {
    PROV_DN_QUALIFIER,
    PROV_DN_COUNTRY,
    PROV_DN_ORGANIZATION,
    PROV_DN_ORGANIZATIONAL_UNIT,
    PROV_DN_STATE,
    PROV_DN_COMMON_NAME,
    PROV_DN_SERIAL_NUMBER, /* attribute 2.5.4.5, not the certificate's serial */
    PROV_DN_TITLE,
    PROV_DN_SURNAME,
    PROV_DN_GIVEN_NAME,
    PROV_DN_INITIALS,
    PROV_DN_PSEUDONYM,
    PROV_DN_GENERATION_QUALIFIER,
    PROV_DN_FIELDS
};

enum prov_alt_kind {
    PROV_ALT_RFC822,
    PROV_ALT_DNS,
    PROV_ALT_DIRECTORY, /* RFC 2253 text of the name */
    PROV_ALT_URI,
    PROV_ALT_IP, /* dotted quad or RFC 5952 text */
    PROV_ALT_KINDS
};

enum prov_side { PROV_SUBJECT, PROV_ISSUER, PROV_SIDES };

enum prov_key_kind { PROV_KEY_OTHER, PROV_KEY_RSA, PROV_KEY_RSA_PSS, PROV_KEY_EC };

/* UTF-8, in the order the certificate has them; values that are empty, not text or hold a NUL are
 * left out. */
struct prov_values {
    struct prov_span *v;
    size_t n;
};

/* One block: every span below points into it. */
struct prov_ident {
    struct prov_id id;
    struct prov_values dn[PROV_SIDES][PROV_DN_FIELDS];
    struct prov_values alt[PROV_SIDES][PROV_ALT_KINDS];
    struct prov_span serial_hex; /* lower case, as `openssl x509 -serial` without leading zeros */
    struct prov_span subject_text, issuer_text; /* RFC 2253, for people */
    int64_t not_before_s, not_after_s;          /* seconds since 1970, UTC */
    enum prov_key_kind key_kind;
    unsigned key_bits;
    bool is_ca;       /* basicConstraints CA:TRUE */
    bool self_issued; /* subject equals issuer */
};

/* SHA-256 of the DER of a certificate that OpenSSL has parsed: no second decoding. */
PROV_MUST_USE enum prov_rc prov_ident_id(const X509 *cert, struct prov_id *out);
/* The same of bytes that need not be a certificate: whose DER would this be? */
PROV_MUST_USE enum prov_rc prov_ident_id_of_der(struct prov_span der, struct prov_id *out);

/*
 * SHA-256 of the part that the issuer signed. Two certificates that have it in common are one
 * certificate whose signature was written in two ways: of (r, s) and (r, n - s) an ECDSA signature
 * is either.
 */
PROV_MUST_USE enum prov_rc prov_ident_signed_id(const X509 *cert, struct prov_id *out);

/*
 * Exactly one certificate and nothing behind it, at most PROV_MAX_CERT_DER bytes, in DER to the
 * letter: encoding it again gives the same bytes. The caller frees with X509_free.
 */
PROV_MUST_USE enum prov_rc prov_ident_decode(struct prov_span der, X509 **out,
                                             struct prov_err *err);

/* The first CERTIFICATE block of a PEM text, at most PROV_MAX_CERT_PEM bytes. Other text is
 * skipped. */
PROV_MUST_USE enum prov_rc prov_ident_decode_pem(struct prov_span pem, X509 **out,
                                                 struct prov_err *err);

/* DER and PEM of a parsed certificate, appended to out. */
PROV_MUST_USE enum prov_rc prov_ident_encode(const X509 *cert, struct prov_buf *out);
PROV_MUST_USE enum prov_rc prov_ident_encode_pem(const X509 *cert, struct prov_buf *out);

/*
 * Copies out of the certificate; free with prov_ident_free. Fields that are absent are empty lists.
 * PROV_EINVAL when an alternative name extension or the validity does not decode.
 */
PROV_MUST_USE enum prov_rc prov_ident_new(X509 *cert, struct prov_ident **out,
                                          struct prov_err *err);
void prov_ident_free(struct prov_ident *ident);

/* Names as the AWS documentation spells them ("OrganizationalUnit", "RFC822Name"); never NULL. */
const char *prov_dn_field_name(enum prov_dn_field field);
const char *prov_alt_kind_name(enum prov_alt_kind kind);

/* Why a certificate is not good enough to be registered; the order is the order of the checks. */
enum prov_cert_fault {
    PROV_CERT_GOOD,
    PROV_CERT_KEY_WEAK,      /* RSA under 2048 bits; EC but not on P-256, P-384 or P-521 by name */
    PROV_CERT_KEY_KIND,      /* neither RSA nor EC, or it does not decode */
    PROV_CERT_SIGNATURE_ALG, /* not one of reference 5.6: MD5, SHA-1, … */
    PROV_CERT_VERSION,       /* not X.509 v3 (asked of CAs only) */
    PROV_CERT_MALFORMED,     /* an extension or the validity does not decode */
    PROV_CERT_IS_CA,         /* a leaf that says CA:TRUE */
    PROV_CERT_NOT_CA,        /* a CA that does not, or whose keyUsage lacks keyCertSign */
    PROV_CERT_USAGE,         /* extendedKeyUsage is there and has neither clientAuth nor any; a
                              * leaf's keyUsage is there and has neither digitalSignature nor
                              * keyAgreement */
    PROV_CERT_CRITICAL,      /* a critical extension that nobody here understands */
    PROV_CERT_NOT_YET_VALID,
    PROV_CERT_EXPIRED,
    PROV_CERT_FAULTS
};

/* "it has expired"; never NULL. */
const char *prov_cert_fault_text(enum prov_cert_fault fault);

/* Reads only what OpenSSL parsed already. now_s is seconds since 1970. */
enum prov_cert_fault prov_cert_check_leaf(X509 *leaf, int64_t now_s);
enum prov_cert_fault prov_cert_check_ca(X509 *ca, int64_t now_s);

/* notBefore and notAfter in seconds since 1970; false when either does not decode. */
bool prov_cert_validity(const X509 *cert, int64_t *not_before_s, int64_t *not_after_s);

/*
 * Is leaf signed by ca's key, do issuer and subject name and (where both say) key identifiers
 * agree, and is leaf within ca's name constraints? Neither certificate's validity is looked at. One
 * public-key operation.
 */
bool prov_cert_signed_by(X509 *leaf, X509 *ca);

#endif
