#include "ident.h"

#include "limits.h"
#include "ossl.h"
#include "utc.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#define BAD_CERT "CertificateValidationException"

/* ---- encodings ------------------------------------------------------------------------------- */

enum prov_rc prov_ident_id(const X509 *cert, struct prov_id *out)
{
    int ok;

    ERR_set_mark();
    ok = X509_digest(cert, EVP_sha256(), out->b, NULL);
    ERR_pop_to_mark();
    return ok == 1 ? PROV_OK : PROV_ENOMEM;
}

enum prov_rc prov_ident_id_of_der(struct prov_span der, struct prov_id *out)
{
    int ok;

    ERR_set_mark();
    ok = EVP_Digest(der.p, der.n, out->b, NULL, EVP_sha256(), NULL);
    ERR_pop_to_mark();
    return ok == 1 ? PROV_OK : PROV_ENOMEM;
}

/* The signed part is the first element of the certificate (RFC 5280 section 4.1). */
static bool signed_part(const unsigned char *der, long n, struct prov_span *out)
{
    const unsigned char *p = der, *start;
    long len;
    int tag, class;

    if ((ASN1_get_object(&p, &len, &tag, &class, n) & 0x80) != 0)
        return false;
    start = p;
    if ((ASN1_get_object(&p, &len, &tag, &class, n - (p - der)) & 0x80) != 0)
        return false;
    *out = prov_span(start, (size_t)(p + len - start));
    return true;
}

enum prov_rc prov_ident_signed_id(const X509 *cert, struct prov_id *out)
{
    enum prov_rc rc = PROV_ENOMEM;
    unsigned char *der = NULL;
    struct prov_span part;
    int n;

    ERR_set_mark();
    n = i2d_X509(cert, &der);
    if (n > 0 && signed_part(der, n, &part) &&
        EVP_Digest(part.p, part.n, out->b, NULL, EVP_sha256(), NULL) == 1)
        rc = PROV_OK;
    OPENSSL_free(der);
    ERR_pop_to_mark();
    return rc;
}

/* Is der what cert encodes to? What BER allows and DER does not would give one certificate two ids.
 */
static enum prov_rc check_reencoding(const X509 *cert, struct prov_span der, struct prov_err *err)
{
    unsigned char *again = NULL;
    const int n = i2d_X509(cert, &again);
    enum prov_rc rc = PROV_OK;

    if (n < 0)
        return prov_nomem(err);
    if (!prov_span_eq(prov_span(again, (size_t)n), der))
        rc = prov_fail(err, PROV_EINVAL, BAD_CERT, "the certificate is not in DER form");
    OPENSSL_free(again);
    return rc;
}

static enum prov_rc decode(struct prov_span der, X509 **out, struct prov_err *err)
{
    const unsigned char *p = der.p;
    enum prov_rc rc;
    X509 *cert;

    *out = NULL;
    if (der.n == 0)
        return prov_fail(err, PROV_EINVAL, BAD_CERT, "the certificate is empty");
    if (der.n > PROV_MAX_CERT_DER)
        return prov_fail(err, PROV_ETOOBIG, BAD_CERT,
                         "the certificate has %zu bytes; %d are allowed", der.n, PROV_MAX_CERT_DER);
    cert = d2i_X509(NULL, &p, (long)der.n);
    if (cert == NULL && prov_ossl_nomem())
        return prov_nomem(err);
    if (cert == NULL)
        return prov_fail(err, PROV_EINVAL, BAD_CERT, "this is not an X.509 certificate");
    if (p != der.p + der.n)
        rc = prov_fail(err, PROV_EINVAL, BAD_CERT, "%zu bytes follow the certificate",
                       (size_t)(der.p + der.n - p));
    else
        rc = check_reencoding(cert, der, err);
    if (rc == PROV_OK)
        *out = cert;
    else
        X509_free(cert);
    return rc;
}

enum prov_rc prov_ident_decode(struct prov_span der, X509 **out, struct prov_err *err)
{
    enum prov_rc rc;

    ERR_set_mark();
    rc = decode(der, out, err);
    ERR_pop_to_mark();
    return rc;
}

/*
 * One block of the text; *done when it was a certificate. Not PEM_read_bio_X509: that asks the
 * terminal for a password when a block says that it is encrypted.
 */
static enum prov_rc next_pem_block(BIO *bio, bool *done, X509 **out, struct prov_err *err)
{
    char *name = NULL, *header = NULL;
    unsigned char *data = NULL;
    enum prov_rc rc = PROV_OK;
    long n = 0;

    if (PEM_read_bio(bio, &name, &header, &data, &n) != 1) {
        if (prov_ossl_nomem())
            return prov_nomem(err);
        return prov_fail(err, PROV_EINVAL, BAD_CERT, "no readable PEM certificate was found");
    }
    if (strcmp(name, PEM_STRING_X509) == 0) {
        *done = true;
        if (header[0] != '\0')
            rc = prov_fail(err, PROV_EINVAL, BAD_CERT, "the PEM certificate has a header");
        else
            rc = decode(prov_span(data, (size_t)n), out, err);
    }
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_clear_free(data, (size_t)n); /* other blocks may be keys */
    return rc;
}

enum prov_rc prov_ident_decode_pem(struct prov_span pem, X509 **out, struct prov_err *err)
{
    enum prov_rc rc = PROV_OK;
    bool done = false;
    BIO *bio;

    *out = NULL;
    if (pem.n == 0)
        return prov_fail(err, PROV_EINVAL, BAD_CERT, "the certificate is empty");
    if (pem.n > PROV_MAX_CERT_PEM)
        return prov_fail(err, PROV_ETOOBIG, BAD_CERT, "the PEM text has %zu bytes; %d are allowed",
                         pem.n, PROV_MAX_CERT_PEM);
    ERR_set_mark();
    bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    if (bio == NULL)
        rc = prov_nomem(err);
    while (rc == PROV_OK && !done)
        rc = next_pem_block(bio, &done, out, err);
    BIO_free(bio);
    ERR_pop_to_mark();
    return rc;
}

enum prov_rc prov_ident_encode(const X509 *cert, struct prov_buf *out)
{
    unsigned char *der = NULL;
    int n;

    ERR_set_mark();
    n = i2d_X509(cert, &der);
    ERR_pop_to_mark();
    if (n < 0)
        return PROV_ENOMEM;
    prov_buf_add(out, prov_span(der, (size_t)n));
    OPENSSL_free(der);
    return out->rc;
}

enum prov_rc prov_ident_encode_pem(const X509 *cert, struct prov_buf *out)
{
    enum prov_rc rc = PROV_ENOMEM;
    char *pem = NULL;
    BIO *bio;
    long n;

    ERR_set_mark();
    bio = BIO_new(BIO_s_mem());
    if (bio != NULL && PEM_write_bio_X509(bio, cert) == 1) {
        n = BIO_get_mem_data(bio, &pem);
        prov_buf_add(out, prov_span(pem, (size_t)n));
        rc = out->rc;
    }
    BIO_free(bio);
    ERR_pop_to_mark();
    return rc;
}

/* ---- checks ---------------------------------------------------------------------------------- */

static const char *const fault_texts[] = {
    [PROV_CERT_GOOD] = "good",
    [PROV_CERT_KEY_WEAK] =
        "its key is too weak: RSA needs 2048 bits, EC one of P-256, P-384, P-521",
    [PROV_CERT_KEY_KIND] = "its key is neither RSA nor EC",
    [PROV_CERT_SIGNATURE_ALG] =
        "it is signed with an algorithm that is not accepted (SHA-1, MD5 …)",
    [PROV_CERT_MALFORMED] = "an extension of it, or its validity, cannot be read",
    [PROV_CERT_VERSION] = "it is not an X.509 version 3 certificate",
    [PROV_CERT_IS_CA] = "it is a CA certificate",
    [PROV_CERT_NOT_CA] = ("it is no CA certificate: basicConstraints CA:TRUE and, where keyUsage "
                          "is given, keyCertSign are needed"),
    [PROV_CERT_USAGE] = "its keyUsage or extendedKeyUsage does not allow client authentication",
    [PROV_CERT_CRITICAL] = "it has a critical extension that is not understood here",
    [PROV_CERT_NOT_YET_VALID] = "it is not valid yet",
    [PROV_CERT_EXPIRED] = "it has expired",
};

_Static_assert(PROV_COUNT(fault_texts) == PROV_CERT_FAULTS, "a fault was added without a text");

const char *prov_cert_fault_text(enum prov_cert_fault fault)
{
    const char *text = (size_t)fault < PROV_COUNT(fault_texts) ? fault_texts[fault] : NULL;

    return text != NULL ? text : "it is not good enough";
}

bool prov_cert_validity(const X509 *cert, int64_t *not_before_s, int64_t *not_after_s)
{
    bool ok;

    ERR_set_mark();
    ok = prov_utc_of_asn1(X509_get0_notBefore(cert), not_before_s) &&
         prov_utc_of_asn1(X509_get0_notAfter(cert), not_after_s);
    ERR_pop_to_mark();
    return ok;
}

static bool is_one_of(int nid, const int *nids, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (nids[i] == nid)
            return true;
    }
    return false;
}

/* By name: parameters spelled out could describe a curve made to be weak (CVE-2020-0601). */
static bool names_good_curve(const X509 *cert)
{
    static const int curves[] = { NID_X9_62_prime256v1, NID_secp384r1, NID_secp521r1 };
    const ASN1_OBJECT *curve;
    const void *value;
    X509_ALGOR *alg;
    int type;

    if (X509_PUBKEY_get0_param(NULL, NULL, NULL, &alg, X509_get_X509_PUBKEY(cert)) != 1)
        return false;
    X509_ALGOR_get0(NULL, &type, &value, alg);
    if (type != V_ASN1_OBJECT)
        return false;
    curve = value;
    return is_one_of(OBJ_obj2nid(curve), curves, PROV_COUNT(curves));
}

static enum prov_cert_fault check_key(const X509 *cert)
{
    const EVP_PKEY *key = X509_get0_pubkey(cert);

    switch (key == NULL ? EVP_PKEY_NONE : EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
    case EVP_PKEY_RSA_PSS:
        return EVP_PKEY_get_bits(key) >= 2048 ? PROV_CERT_GOOD : PROV_CERT_KEY_WEAK;
    case EVP_PKEY_EC:
        return names_good_curve(cert) ? PROV_CERT_GOOD : PROV_CERT_KEY_WEAK;
    default:
        return PROV_CERT_KEY_KIND;
    }
}

static enum prov_cert_fault check_signature_alg(X509 *cert)
{
    static const int good[] = {
        NID_sha256WithRSAEncryption, NID_sha384WithRSAEncryption, NID_sha512WithRSAEncryption,
        NID_ecdsa_with_SHA256,       NID_ecdsa_with_SHA384,       NID_ecdsa_with_SHA512,
        NID_dsa_with_SHA256,
    };
    static const int pss_digests[] = { NID_sha256, NID_sha384, NID_sha512 };
    const X509_ALGOR *alg;
    int digest;

    /* The outer one is not under the signature (RFC 5280 section 4.1.1.2: they must agree). */
    X509_get0_signature(NULL, &alg, cert);
    if (X509_ALGOR_cmp(alg, X509_get0_tbs_sigalg(cert)) != 0)
        return PROV_CERT_SIGNATURE_ALG;
    if (is_one_of(X509_get_signature_nid(cert), good, PROV_COUNT(good)))
        return PROV_CERT_GOOD;
    if (X509_get_signature_nid(cert) == NID_rsassaPss &&
        X509_get_signature_info(cert, &digest, NULL, NULL, NULL) == 1 &&
        is_one_of(digest, pss_digests, PROV_COUNT(pss_digests)))
        return PROV_CERT_GOOD;
    return PROV_CERT_SIGNATURE_ALG;
}

static bool usage_lacks(X509 *cert, uint32_t any_of)
{
    return (X509_get_extension_flags(cert) & EXFLAG_KUSAGE) != 0 &&
           (X509_get_key_usage(cert) & any_of) == 0;
}

static bool extended_usage_lacks_client(X509 *cert)
{
    return (X509_get_extension_flags(cert) & EXFLAG_XKUSAGE) != 0 &&
           (X509_get_extended_key_usage(cert) & (XKU_SSL_CLIENT | XKU_ANYEKU)) == 0;
}

/*
 * Fewer than OpenSSL says it supports: chain building, which would apply policy constraints, proxy
 * certificates and address blocks, is not done here. Name constraints are applied by
 * prov_cert_signed_by; the initial policy set is any-policy, so certificatePolicies asks nothing.
 */
static bool has_unknown_critical(const X509 *cert)
{
    static const int understood[] = {
        NID_basic_constraints, NID_key_usage,        NID_ext_key_usage,        NID_subject_alt_name,
        NID_issuer_alt_name,   NID_name_constraints, NID_certificate_policies,
    };
    const int n = X509_get_ext_count(cert);

    for (int i = 0; i < n; i++) {
        X509_EXTENSION *ext = X509_get_ext(cert, i);

        if (X509_EXTENSION_get_critical(ext) != 0 &&
            !is_one_of(OBJ_obj2nid(X509_EXTENSION_get_object(ext)), understood,
                       PROV_COUNT(understood)))
            return true;
    }
    return false;
}

static enum prov_cert_fault check_times(int64_t not_before_s, int64_t not_after_s, int64_t now_s)
{
    if (now_s < not_before_s)
        return PROV_CERT_NOT_YET_VALID;
    return now_s > not_after_s ? PROV_CERT_EXPIRED : PROV_CERT_GOOD;
}

static enum prov_cert_fault check_ca_extensions(X509 *cert)
{
    if ((X509_get_extension_flags(cert) & EXFLAG_CA) == 0 || usage_lacks(cert, KU_KEY_CERT_SIGN))
        return PROV_CERT_NOT_CA;
    return extended_usage_lacks_client(cert) ? PROV_CERT_USAGE : PROV_CERT_GOOD;
}

static enum prov_cert_fault check_leaf_extensions(X509 *cert)
{
    if ((X509_get_extension_flags(cert) & EXFLAG_CA) != 0)
        return PROV_CERT_IS_CA;
    if (usage_lacks(cert, KU_DIGITAL_SIGNATURE | KU_KEY_AGREEMENT) ||
        extended_usage_lacks_client(cert))
        return PROV_CERT_USAGE;
    return PROV_CERT_GOOD;
}

static enum prov_cert_fault check(X509 *cert, bool as_ca, int64_t now_s)
{
    int64_t not_before_s, not_after_s;
    enum prov_cert_fault fault;

    fault = check_key(cert);
    if (fault == PROV_CERT_GOOD)
        fault = check_signature_alg(cert);
    if (fault != PROV_CERT_GOOD)
        return fault;
    if (as_ca && X509_get_version(cert) != X509_VERSION_3)
        return PROV_CERT_VERSION;
    if ((X509_get_extension_flags(cert) & EXFLAG_INVALID) != 0 ||
        !prov_cert_validity(cert, &not_before_s, &not_after_s))
        return PROV_CERT_MALFORMED;
    fault = as_ca ? check_ca_extensions(cert) : check_leaf_extensions(cert);
    if (fault != PROV_CERT_GOOD)
        return fault;
    if (has_unknown_critical(cert))
        return PROV_CERT_CRITICAL;
    return check_times(not_before_s, not_after_s, now_s);
}

enum prov_cert_fault prov_cert_check_leaf(X509 *leaf, int64_t now_s)
{
    enum prov_cert_fault fault;

    ERR_set_mark();
    fault = check(leaf, false, now_s);
    ERR_pop_to_mark();
    return fault;
}

enum prov_cert_fault prov_cert_check_ca(X509 *ca, int64_t now_s)
{
    enum prov_cert_fault fault;

    ERR_set_mark();
    fault = check(ca, true, now_s);
    ERR_pop_to_mark();
    return fault;
}

static bool within_name_constraints(X509 *leaf, const X509 *ca)
{
    NAME_CONSTRAINTS *limits;
    bool ok;
    int found;

    limits = X509_get_ext_d2i(ca, NID_name_constraints, &found, NULL);
    if (limits == NULL)
        return found == -1;
    ok = NAME_CONSTRAINTS_check(leaf, limits) == X509_V_OK;
    NAME_CONSTRAINTS_free(limits);
    return ok;
}

bool prov_cert_signed_by(X509 *leaf, X509 *ca)
{
    EVP_PKEY *key;
    bool ok;

    ERR_set_mark();
    key = X509_get0_pubkey(ca);
    /* X509_check_issued: names, key identifiers, keyCertSign, key fits algorithm. */
    ok = key != NULL && X509_check_issued(ca, leaf) == X509_V_OK &&
         within_name_constraints(leaf, ca) && X509_verify(leaf, key) == 1;
    ERR_pop_to_mark();
    return ok;
}
