#include "issue_priv.h"

#include <stdlib.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "der.h"
#include "limits.h"
#include "ossl.h"

#define PARTS_MAX PROV_MAX_CERT_DER

/* ---- algorithms ------------------------------------------------------------------------------ */

/* Reference 5.6; SHA-256 unless the key is stronger. */
static const struct algorithm {
    int type; /* of the key */
    int bits; /* 0: any */
    const char *digest;
    struct prov_span der; /* AlgorithmIdentifier; empty: as OpenSSL says */
} algorithms[] = {
    { EVP_PKEY_EC,
      256,
      "SHA256",
      { (const uint8_t *)"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02", 12 } },
    { EVP_PKEY_EC,
      384,
      "SHA384",
      { (const uint8_t *)"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03", 12 } },
    { EVP_PKEY_EC,
      521,
      "SHA512",
      { (const uint8_t *)"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x04", 12 } },
    { EVP_PKEY_RSA,
      0,
      "SHA256",
      { (const uint8_t *)"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00", 15 } },
    { EVP_PKEY_RSA_PSS, 0, "SHA256", { NULL, 0 } },
};

static const struct algorithm *algorithm_of(const EVP_PKEY *key)
{
    for (size_t i = 0; i < PROV_COUNT(algorithms); i++) {
        if (algorithms[i].type == EVP_PKEY_get_base_id(key) &&
            (algorithms[i].bits == 0 || algorithms[i].bits == EVP_PKEY_get_bits(key)))
            return &algorithms[i];
    }
    return NULL;
}

/* A key for RSASSA-PSS may be limited to one digest, and says what its parameters come to. */
static bool set_up_pss(struct prov_issuer *issuer, EVP_PKEY_CTX *ctx)
{
    uint8_t der[256];
    OSSL_PARAM params[] = {
        OSSL_PARAM_octet_string(OSSL_SIGNATURE_PARAM_ALGORITHM_ID, der, sizeof der), OSSL_PARAM_END
    };

    if (EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) != 1 ||
        EVP_PKEY_CTX_get_params(ctx, params) != 1 || !OSSL_PARAM_modified(params))
        return false;
    prov_buf_add(&issuer->algorithm, prov_span(der, params[0].return_size));
    return true;
}

static bool set_up_signing(struct prov_issuer *issuer)
{
    const struct algorithm *algorithm = algorithm_of(X509_get0_pubkey(issuer->cert));
    char digest[32] = "";
    EVP_PKEY_CTX *ctx = NULL;

    if (algorithm == NULL)
        return false;
    if (algorithm->der.n != 0 ||
        EVP_PKEY_get_default_digest_name(issuer->key, digest, sizeof digest) != 2)
        (void)prov_span_copy(prov_span_str(algorithm->digest), digest, sizeof digest);
    prov_buf_add(&issuer->algorithm, algorithm->der);
    return EVP_DigestSignInit_ex(issuer->sign, &ctx, digest, NULL, NULL, issuer->key, NULL) == 1 &&
           EVP_PKEY_get_size(issuer->key) <= ISSUE_SIGNATURE_MAX &&
           (algorithm->der.n != 0 || set_up_pss(issuer, ctx));
}

/* ---- parts that never change ----------------------------------------------------------------- */

/* What the issuer calls its key, or else what RFC 5280 section 4.2.1.2 would call it. */
static bool authority_key_id(const struct prov_issuer *issuer, struct prov_buf *out)
{
    const ASN1_OCTET_STRING *id = X509_get0_subject_key_id(issuer->cert);
    uint8_t hash[EVP_MAX_MD_SIZE];
    unsigned n;

    if (id != NULL) {
        prov_buf_add(out, prov_span(ASN1_STRING_get0_data(id), (size_t)ASN1_STRING_length(id)));
        return true;
    }
    if (X509_pubkey_digest(issuer->cert, issuer->sha1, hash, &n) != 1)
        return false;
    prov_buf_add(out, prov_span(hash, n));
    return true;
}

/* Extension ::= SEQUENCE { 2.5.29.`arc`, critical, OCTET STRING } */
static void add_extension(struct prov_buf *out, uint8_t arc, bool critical, struct prov_span value)
{
    const struct prov_span truth = PROV_LIT("\x01\x01\xff");
    const uint8_t oid[] = { 0x55, 0x1d, arc };

    der_add_head(out, DER_SEQUENCE,
                 der_size(sizeof oid) + (critical ? truth.n : 0) + der_size(value.n));
    der_add(out, DER_OID, prov_span(oid, sizeof oid));
    if (critical)
        prov_buf_add(out, truth);
    der_add(out, DER_OCTET_STRING, value);
}

/* The extensions of reference 5.2, with room for the subject's key identifier. */
static bool make_extensions(struct prov_issuer *issuer)
{
    static const uint8_t no_key_id[2 + ISSUE_KEY_ID_BYTES] = { DER_OCTET_STRING,
                                                               ISSUE_KEY_ID_BYTES };
    struct prov_buf key_id = { .max = PARTS_MAX }, value = { .max = PARTS_MAX };
    struct prov_buf list = { .max = PARTS_MAX };
    size_t key_id_end;
    bool ok;

    ok = authority_key_id(issuer, &key_id);
    der_add_head(&value, DER_SEQUENCE, der_size(key_id.n));
    der_add(&value, 0x80, prov_buf_span(&key_id)); /* [0] IMPLICIT KeyIdentifier */
    add_extension(&list, 0x23, false, prov_buf_span(&value));
    add_extension(&list, 0x0e, false, prov_span(no_key_id, sizeof no_key_id));
    key_id_end = list.n;
    add_extension(&list, 0x13, true, PROV_LIT("\x30\x00"));         /* CA:FALSE */
    add_extension(&list, 0x0f, true, PROV_LIT("\x03\x02\x07\x80")); /* digitalSignature */

    der_add_head(&issuer->extensions, DER_CONTEXT + 3, der_size(list.n));
    der_add(&issuer->extensions, DER_SEQUENCE, prov_buf_span(&list));
    issuer->key_id_at = issuer->extensions.n - list.n + key_id_end - ISSUE_KEY_ID_BYTES;
    ok = ok && key_id.rc == PROV_OK && value.rc == PROV_OK && list.rc == PROV_OK;
    prov_buf_release(&list);
    prov_buf_release(&value);
    prov_buf_release(&key_id);
    return ok;
}

static bool make_parts(struct prov_issuer *issuer)
{
    const unsigned char *name;
    size_t n;

    if (X509_NAME_get0_der(X509_get_subject_name(issuer->cert), &name, &n) != 1)
        return false;
    prov_buf_add(&issuer->name, prov_span(name, n));
    return make_extensions(issuer) && issuer->name.rc == PROV_OK &&
           issuer->extensions.rc == PROV_OK && issuer->algorithm.rc == PROV_OK;
}

/* ---- issuer ---------------------------------------------------------------------------------- */

static enum prov_rc hold(struct prov_issuer *issuer, X509 *cert, EVP_PKEY *key)
{
    prov_buf_init(&issuer->algorithm, PARTS_MAX);
    prov_buf_init(&issuer->name, PARTS_MAX);
    prov_buf_init(&issuer->extensions, PARTS_MAX);
    if (X509_up_ref(cert) == 1)
        issuer->cert = cert;
    if (EVP_PKEY_up_ref(key) == 1)
        issuer->key = key;
    issuer->sign = EVP_MD_CTX_new();
    issuer->sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
    if (issuer->cert == NULL || issuer->key == NULL || issuer->sign == NULL || issuer->sha1 == NULL)
        return PROV_ENOMEM;
    return prov_ident_id(cert, &issuer->id);
}

static enum prov_rc not_its_key(struct prov_err *err)
{
    return prov_fail(err, PROV_EINVAL, ISSUE_BAD_CERT, "the issuer's key is not its certificate's");
}

/* Signing cannot even begin. */
static enum prov_rc cannot_sign(const struct prov_issuer *issuer, struct prov_err *err)
{
    if (prov_ossl_nomem())
        return prov_nomem(err);
    if (EVP_PKEY_get_base_id(issuer->key) != EVP_PKEY_get_base_id(X509_get0_pubkey(issuer->cert)))
        return not_its_key(err);
    return prov_fail(err, PROV_ESIGNER, ISSUE_UNAVAILABLE,
                     "nothing can be signed with the issuer's key");
}

/* The key is the certificate's if what it signs verifies: a token may not tell its public half. */
static enum prov_rc try_key(const struct prov_issuer *issuer, struct prov_err *err)
{
    struct prov_key sample = { .spki.n = 0 };
    struct prov_issue what = { .not_before_s = issuer->not_before_s,
                               .not_after_s = issuer->not_after_s };
    struct prov_buf der = { .max = PROV_MAX_CERT_DER };
    const unsigned char *p;
    X509 *cert = NULL;
    enum prov_rc rc;

    rc = prov_key_make(PROV_KEY_EC_P256, &sample);
    if (rc != PROV_OK)
        return rc == PROV_ENOMEM ? prov_nomem(err)
                                 : prov_fail(err, rc, ISSUE_UNAVAILABLE, "no key can be made");
    what.spki = prov_buf_span(&sample.spki);
    rc = prov_issue(issuer, &what, &der, err);
    if (rc == PROV_OK) {
        p = der.p;
        cert = d2i_X509(NULL, &p, (long)der.n);
        if (cert == NULL || X509_verify(cert, X509_get0_pubkey(issuer->cert)) != 1)
            rc = prov_ossl_nomem() ? prov_nomem(err) : not_its_key(err);
    }
    X509_free(cert);
    prov_buf_release(&der);
    prov_key_release(&sample);
    return rc;
}

static enum prov_rc set_up(struct prov_issuer *issuer, X509 *cert, EVP_PKEY *key, int64_t now_s,
                           struct prov_err *err)
{
    enum prov_cert_fault fault;

    if (hold(issuer, cert, key) != PROV_OK)
        return prov_nomem(err);
    fault = prov_cert_check_ca(cert, now_s);
    if (fault != PROV_CERT_GOOD)
        return prov_fail(err, PROV_EINVAL, ISSUE_BAD_CERT,
                         "the issuer's certificate is refused: %s", prov_cert_fault_text(fault));
    if (!prov_cert_validity(cert, &issuer->not_before_s, &issuer->not_after_s))
        return prov_nomem(err); /* it decoded in the check */
    if (!set_up_signing(issuer))
        return cannot_sign(issuer, err);
    if (!make_parts(issuer))
        return prov_nomem(err);
    return try_key(issuer, err);
}

enum prov_rc prov_issuer_new(X509 *cert, EVP_PKEY *key, int64_t now_s, struct prov_issuer **out,
                             struct prov_err *err)
{
    struct prov_issuer *issuer = calloc(1, sizeof *issuer);
    enum prov_rc rc;

    *out = NULL;
    if (issuer == NULL)
        return prov_nomem(err);
    ERR_set_mark();
    rc = set_up(issuer, cert, key, now_s, err);
    if (rc == PROV_OK)
        *out = issuer;
    else
        prov_issuer_free(issuer);
    ERR_pop_to_mark();
    return rc;
}

void prov_issuer_free(struct prov_issuer *issuer)
{
    if (issuer == NULL)
        return;
    prov_buf_release(&issuer->extensions);
    prov_buf_release(&issuer->name);
    prov_buf_release(&issuer->algorithm);
    EVP_MD_free(issuer->sha1);
    EVP_MD_CTX_free(issuer->sign);
    EVP_PKEY_free(issuer->key);
    X509_free(issuer->cert);
    free(issuer);
}

const X509 *prov_issuer_cert(const struct prov_issuer *issuer)
{
    return issuer->cert;
}

const struct prov_id *prov_issuer_id(const struct prov_issuer *issuer)
{
    return &issuer->id;
}
