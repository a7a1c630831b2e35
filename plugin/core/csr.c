#include "csr.h"

#include <stdlib.h>

#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "der.h"
#include "dn.h"
#include "ossl.h"
#include "pem.h"
#include "spki.h"

#define BAD_CSR "InvalidCertificateSigningRequest"

#define DER_MAX (PROV_MAX_CSR / 4 * 3)
#define SALT_MAX 512 /* bytes; no key here has room for more */

struct prov_csr_reader {
    EVP_PKEY *curves[SPKI_CURVES];
};

static enum prov_rc refuse(struct prov_err *err, const char *why)
{
    return prov_fail(err, PROV_EINVAL, BAD_CSR, "the certificate signing request is refused: %s",
                     why);
}

/* ---- signature algorithms -------------------------------------------------------------------- */

struct algorithm {
    const EVP_MD *digest;
    enum prov_key_kind kind; /* of the key; PROV_KEY_RSA_PSS: RSA's, but with PSS's padding */
    int salt_n;
};

/*
 * Reference 5.6, as prov_cert_check_leaf has it, by the content of the OBJECT IDENTIFIER. Compared
 * as they stand because looking one up costs a tenth of what verifying does.
 */
static const struct {
    struct prov_span oid;
    enum prov_key_kind kind;
    const EVP_MD *(*digest)(void);
} algorithms[] = {
    { { (const uint8_t *)"\x2a\x86\x48\xce\x3d\x04\x03\x02", 8 }, PROV_KEY_EC, EVP_sha256 },
    { { (const uint8_t *)"\x2a\x86\x48\xce\x3d\x04\x03\x03", 8 }, PROV_KEY_EC, EVP_sha384 },
    { { (const uint8_t *)"\x2a\x86\x48\xce\x3d\x04\x03\x04", 8 }, PROV_KEY_EC, EVP_sha512 },
    { { (const uint8_t *)"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b", 9 }, PROV_KEY_RSA, EVP_sha256 },
    { { (const uint8_t *)"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c", 9 }, PROV_KEY_RSA, EVP_sha384 },
    { { (const uint8_t *)"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d", 9 }, PROV_KEY_RSA, EVP_sha512 },
    { { (const uint8_t *)"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a", 9 }, PROV_KEY_RSA_PSS, NULL },
};

static const struct {
    struct prov_span oid;
    const EVP_MD *(*digest)(void);
} digests[] = {
    { { (const uint8_t *)"\x60\x86\x48\x01\x65\x03\x04\x02\x01", 9 }, EVP_sha256 },
    { { (const uint8_t *)"\x60\x86\x48\x01\x65\x03\x04\x02\x02", 9 }, EVP_sha384 },
    { { (const uint8_t *)"\x60\x86\x48\x01\x65\x03\x04\x02\x03", 9 }, EVP_sha512 },
};

static const struct prov_span mgf1_oid = { (const uint8_t *)"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08",
                                           9 };

/* RFC 5758 and 4055 have one or the other; Mbed TLS before 3.4 has NULL behind ECDSA's, too. */
static bool absent_or_null(struct prov_span parameters)
{
    return parameters.n == 0 || prov_span_eq(parameters, DER_NULL);
}

static bool read_digest(struct prov_span *rest, const EVP_MD **out)
{
    struct prov_span oid, parameters;

    if (!der_algorithm(rest, &oid, &parameters) || !absent_or_null(parameters))
        return false;
    for (size_t i = 0; i < PROV_COUNT(digests); i++) {
        if (!prov_span_eq(oid, digests[i].oid))
            continue;
        *out = digests[i].digest();
        return true;
    }
    return false;
}

/*
 * RSASSA-PSS-params (RFC 4055 section 3.1). What may be left out stands for SHA-1, which is not
 * good enough, but for the trailer, of which there is one.
 */
static bool read_pss(struct prov_span parameters, struct algorithm *out)
{
    struct prov_span params, hash, mask, mask_oid, mask_hash, salt, number;
    const EVP_MD *mask_digest;

    if (!der_only(parameters, DER_SEQUENCE, &params) ||
        !der_expect(&params, DER_CONTEXT + 0, &hash) || !read_digest(&hash, &out->digest) ||
        hash.n != 0)
        return false;
    if (!der_expect(&params, DER_CONTEXT + 1, &mask) ||
        !der_algorithm(&mask, &mask_oid, &mask_hash) || mask.n != 0 ||
        !prov_span_eq(mask_oid, mgf1_oid) || !read_digest(&mask_hash, &mask_digest) ||
        mask_hash.n != 0 || mask_digest != out->digest)
        return false;
    out->salt_n = 20;
    if (params.n == 0)
        return true;
    if (!der_expect(&params, DER_CONTEXT + 2, &salt) || !der_unsigned(&salt, &number) ||
        salt.n != 0 || params.n != 0 || number.n > 2)
        return false;
    out->salt_n = 0;
    for (size_t i = 0; i < number.n; i++)
        out->salt_n = out->salt_n << 8 | number.p[i];
    return out->salt_n <= SALT_MAX && out->salt_n != 20; /* the default is left out */
}

static bool read_algorithm(struct prov_span *rest, struct algorithm *out)
{
    struct prov_span oid, parameters;

    if (!der_algorithm(rest, &oid, &parameters))
        return false;
    for (size_t i = 0; i < PROV_COUNT(algorithms); i++) {
        if (!prov_span_eq(oid, algorithms[i].oid))
            continue;
        out->kind = algorithms[i].kind;
        if (out->kind == PROV_KEY_RSA_PSS)
            return read_pss(parameters, out);
        out->digest = algorithms[i].digest();
        return absent_or_null(parameters);
    }
    return false;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* What a request says; spans point into its DER. */
struct request {
    struct prov_span der, signed_part, subject, spki, signature;
    struct spki key;
    struct algorithm algorithm;
    struct dn name;
};

/* Attributes ::= SET OF SEQUENCE { type, SET OF value }; none of them counts here. */
static bool are_attributes(struct prov_span rest)
{
    struct prov_span content, attribute, values;
    struct der_value value;

    if (rest.n == 0) /* some leave them out, though RFC 2986 does not have them optional */
        return true;
    if (!der_only(rest, DER_CONTEXT + 0, &content))
        return false;
    while (content.n != 0) {
        if (!der_expect(&content, DER_SEQUENCE, &attribute) ||
            !der_expect(&attribute, DER_OID, &values) || !der_is_oid(values) ||
            !der_only(attribute, DER_SET, &values))
            return false;
        while (values.n != 0) {
            if (!der_take(&values, &value))
                return false;
        }
    }
    return true;
}

/* CertificationRequestInfo (RFC 2986 section 4.1). */
static enum prov_rc read_info(struct prov_span info, struct request *r, struct prov_err *err)
{
    struct prov_span version;
    struct der_value subject, spki;
    const char *why;
    enum prov_rc rc;

    if (!der_unsigned(&info, &version) || !der_take(&info, &subject) || !der_take(&info, &spki) ||
        !are_attributes(info))
        return refuse(err, "it is no PKCS#10 request in DER form");
    if (version.n != 0)
        return refuse(err, "it is of another version than 1");
    r->subject = subject.whole;
    r->spki = spki.whole;
    rc = dn_read(r->subject, &r->name);
    if (rc == PROV_ENOMEM)
        return prov_nomem(err);
    if (rc != PROV_OK)
        return refuse(err, "its subject is no name, or not in DER form");
    why = spki_read(r->spki, &r->key);
    return why == NULL ? PROV_OK : refuse(err, why);
}

static enum prov_rc read_request(struct prov_span der, struct request *r, struct prov_err *err)
{
    struct prov_span rest;
    struct der_value info;

    r->der = der;
    if (!der_only(der, DER_SEQUENCE, &rest) || !der_take(&rest, &info) || info.tag != DER_SEQUENCE)
        return refuse(err, "it is no PKCS#10 request in DER form");
    r->signed_part = info.whole;
    if (!read_algorithm(&rest, &r->algorithm))
        return refuse(err, "it is signed with an algorithm that is not accepted (SHA-1, MD5 …)");
    if (!der_bytes(&rest, &r->signature) || rest.n != 0)
        return refuse(err, "it is no PKCS#10 request in DER form");
    return read_info(info.content, r, err);
}

/* ---- possession ------------------------------------------------------------------------------ */

static bool set_up(EVP_PKEY_CTX *ctx, const struct algorithm *algorithm)
{
    if (EVP_PKEY_verify_init(ctx) != 1)
        return false;
    if (algorithm->kind == PROV_KEY_RSA_PSS &&
        (EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) != 1 ||
         EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, algorithm->salt_n) != 1))
        return false;
    return EVP_PKEY_CTX_set_signature_md(ctx, algorithm->digest) == 1;
}

static enum prov_rc verify(const struct request *r, EVP_PKEY *key, struct prov_err *err)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    unsigned char digest[EVP_MAX_MD_SIZE];
    enum prov_rc rc = PROV_OK;
    unsigned n;

    if (ctx == NULL || !set_up(ctx, &r->algorithm) ||
        EVP_Digest(r->signed_part.p, r->signed_part.n, digest, &n, r->algorithm.digest, NULL) != 1)
        rc = prov_nomem(err);
    else if (EVP_PKEY_verify(ctx, r->signature.p, r->signature.n, digest, n) != 1)
        rc = prov_ossl_nomem() ? prov_nomem(err)
                               : refuse(err, "its signature is not by the key that it has");
    EVP_PKEY_CTX_free(ctx);
    return rc;
}

static enum prov_rc key_of(const struct prov_csr_reader *reader, const struct spki *spki,
                           EVP_PKEY **out)
{
    EVP_PKEY *curve = NULL;
    enum prov_rc rc = PROV_OK;

    if (reader != NULL || spki->kind != PROV_KEY_EC)
        return spki_key(spki, reader == NULL ? NULL : reader->curves[spki->curve], out);
    rc = spki_curve(spki->curve, &curve);
    if (rc == PROV_OK)
        rc = spki_key(spki, curve, out);
    EVP_PKEY_free(curve);
    return rc;
}

static enum prov_rc check_possession(const struct prov_csr_reader *reader, const struct request *r,
                                     struct prov_err *err)
{
    const enum prov_key_kind kind =
        r->algorithm.kind == PROV_KEY_RSA_PSS ? PROV_KEY_RSA : r->algorithm.kind;
    EVP_PKEY *key = NULL;
    enum prov_rc rc;

    if (kind != r->key.kind)
        return refuse(err, "its signature algorithm is not one of its key");
    rc = key_of(reader, &r->key, &key);
    if (rc == PROV_EINVAL)
        rc = refuse(err, "its key is no point of the curve that it names");
    else if (rc != PROV_OK)
        rc = prov_nomem(err);
    else
        rc = verify(r, key, err);
    EVP_PKEY_free(key);
    return rc;
}

/* ---- csr ------------------------------------------------------------------------------------- */

static enum prov_rc lay_out(const struct request *r, struct prov_csr **out)
{
    struct prov_csr *csr = malloc(sizeof *csr + r->der.n + r->name.common_name.n);
    uint8_t *der, *text;

    if (csr == NULL)
        return PROV_ENOMEM;
    der = (uint8_t *)(csr + 1);
    text = der + r->der.n;
    memcpy(der, r->der.p, r->der.n);
    if (r->name.common_name.n != 0)
        memcpy(text, r->name.common_name.p, r->name.common_name.n);
    *csr = (struct prov_csr){
        .der = prov_span(der, r->der.n),
        .subject = prov_span(der + (r->subject.p - r->der.p), r->subject.n),
        .spki = prov_span(der + (r->spki.p - r->der.p), r->spki.n),
        .common_name = prov_span(text, r->name.common_name.n),
        .key_kind = r->key.kind,
        .key_bits = r->key.bits,
    };
    if (prov_ident_id_of_der(csr->spki, &csr->key_id) != PROV_OK) {
        free(csr);
        return PROV_ENOMEM;
    }
    *out = csr;
    return PROV_OK;
}

enum prov_rc prov_csr_read(const struct prov_csr_reader *reader, struct prov_span pem,
                           struct prov_csr **out, struct prov_err *err)
{
    static const char *const labels[] = { "CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST" };
    struct request r = { .der.n = 0 };
    uint8_t der[DER_MAX];
    enum prov_rc rc;
    size_t n;

    *out = NULL;
    if (pem.n > PROV_MAX_CSR)
        return prov_fail(err, PROV_ETOOBIG, BAD_CSR,
                         "the certificate signing request has %zu bytes; %d are allowed", pem.n,
                         PROV_MAX_CSR);
    if (!pem_read(pem, labels, PROV_COUNT(labels), der, sizeof der, &n))
        return refuse(err, "it is not one PEM block with the label CERTIFICATE REQUEST");
    ERR_set_mark();
    rc = read_request(prov_span(der, n), &r, err);
    if (rc == PROV_OK)
        rc = check_possession(reader, &r, err);
    if (rc == PROV_OK && lay_out(&r, out) != PROV_OK)
        rc = prov_nomem(err);
    dn_release(&r.name);
    ERR_pop_to_mark();
    return rc;
}

enum prov_rc prov_csr_parse(struct prov_span pem, struct prov_csr **out, struct prov_err *err)
{
    return prov_csr_read(NULL, pem, out, err);
}

void prov_csr_free(struct prov_csr *csr)
{
    free(csr);
}

/* ---- reader ---------------------------------------------------------------------------------- */

enum prov_rc prov_csr_reader_new(struct prov_csr_reader **out)
{
    struct prov_csr_reader *reader = calloc(1, sizeof *reader);
    enum prov_rc rc = reader == NULL ? PROV_ENOMEM : PROV_OK;

    *out = NULL;
    ERR_set_mark();
    for (unsigned i = 0; i < SPKI_CURVES && rc == PROV_OK; i++)
        rc = spki_curve(i, &reader->curves[i]);
    ERR_pop_to_mark();
    if (rc == PROV_OK)
        *out = reader;
    else
        prov_csr_reader_free(reader);
    return rc;
}

void prov_csr_reader_free(struct prov_csr_reader *reader)
{
    if (reader == NULL)
        return;
    for (unsigned i = 0; i < SPKI_CURVES; i++)
        EVP_PKEY_free(reader->curves[i]);
    free(reader);
}
