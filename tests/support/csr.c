#include "csr.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "core/der.h"
#include "core/pem.h"
#include "pki.h"

#define DER_MAX 65536

static void need(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "csr: cannot %s\n", what);
    exit(2);
}

struct prov_buf csr_name(const char *subject)
{
    struct pki_cert cert =
        pki_make(&(struct pki_spec){ .subject = subject, .use_key = pki_key_shared(PKI_P256) });
    struct prov_buf out = { .max = DER_MAX };
    const unsigned char *p;
    size_t n;

    need(X509_NAME_get0_der(X509_get_subject_name(cert.x509), &p, &n) == 1, "encode a name");
    prov_buf_add(&out, prov_span(p, n));
    pki_free(&cert);
    return out;
}

static void add_spki(struct prov_buf *out, const EVP_PKEY *key)
{
    unsigned char *der = NULL;
    const int n = i2d_PUBKEY(key, &der);

    need(n > 0, "encode a key");
    prov_buf_add(out, prov_span(der, (size_t)n));
    OPENSSL_free(der);
}

static const char *digest_of(const struct csr_spec *spec, EVP_PKEY *key)
{
    if (EVP_PKEY_is_a(key, "ED25519"))
        return NULL;
    return spec->digest == NULL ? "SHA256" : spec->digest;
}

/* The signature, and in algorithm what it is made with. */
static struct prov_buf sign(const struct csr_spec *spec, struct prov_span info,
                            struct prov_buf *algorithm)
{
    EVP_PKEY *key = spec->signed_by == NULL ? spec->key : spec->signed_by;
    struct prov_buf out = { .max = DER_MAX };
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    uint8_t alg[256], signature[2048];
    OSSL_PARAM params[] = {
        OSSL_PARAM_octet_string(OSSL_SIGNATURE_PARAM_ALGORITHM_ID, alg, sizeof alg), OSSL_PARAM_END
    };
    size_t n = sizeof signature;
    EVP_PKEY_CTX *pctx = NULL;

    need(EVP_DigestSignInit_ex(ctx, &pctx, digest_of(spec, key), NULL, NULL, key, NULL) == 1,
         "start a signature");
    if (spec->pss)
        need(EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) == 1 &&
                 EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, spec->salt == 0 ? RSA_PSS_SALTLEN_DIGEST
                                                                        : spec->salt) == 1,
             "choose PSS");
    need(EVP_PKEY_CTX_get_params(pctx, params) == 1, "name an algorithm");
    prov_buf_add(algorithm, prov_span(alg, params[0].return_size));
    need(EVP_DigestSign(ctx, signature, &n, info.p, info.n) == 1, "sign");
    prov_buf_add(&out, prov_span(signature, n));
    EVP_MD_CTX_free(ctx);
    return out;
}

struct prov_buf csr_sign(const struct csr_spec *spec, struct prov_span info)
{
    struct prov_buf algorithm = { .max = DER_MAX }, out = { .max = DER_MAX }, signature;
    struct prov_span said;

    signature = sign(spec, info, &algorithm);
    said = spec->algorithm_der.n != 0 ? spec->algorithm_der : prov_buf_span(&algorithm);
    der_add_head(&out, DER_SEQUENCE, info.n + said.n + der_size(1 + signature.n));
    prov_buf_add(&out, info);
    prov_buf_add(&out, said);
    der_add_bytes(&out, prov_buf_span(&signature));
    need(out.rc == PROV_OK, "encode a request");
    prov_buf_release(&signature);
    prov_buf_release(&algorithm);
    return out;
}

struct prov_buf csr_der(const struct csr_spec *spec)
{
    struct prov_buf content = { .max = DER_MAX }, info = { .max = DER_MAX }, name, out;

    name = csr_name(spec->subject == NULL ? "/CN=test" : spec->subject);
    der_add_unsigned(&content, prov_span(&spec->version, 1));
    prov_buf_add(&content, spec->subject_der.n != 0 ? spec->subject_der : prov_buf_span(&name));
    if (spec->spki_der.n != 0)
        prov_buf_add(&content, spec->spki_der);
    else
        add_spki(&content, spec->key);
    if (spec->attributes_der.n != 0)
        prov_buf_add(&content, spec->attributes_der);
    else if (!spec->no_attributes)
        prov_buf_add(&content, PROV_LIT("\xa0\x00"));
    der_add(&info, DER_SEQUENCE, prov_buf_span(&content));
    out = csr_sign(spec, prov_buf_span(&info));
    prov_buf_release(&name);
    prov_buf_release(&info);
    prov_buf_release(&content);
    return out;
}

char *csr_pem(struct prov_span der, const char *label)
{
    struct prov_buf pem = { .max = 2 * DER_MAX };
    char *out;

    pem_add(&pem, label == NULL ? "CERTIFICATE REQUEST" : label, der);
    out = prov_span_dup(prov_buf_span(&pem));
    need(out != NULL, "write PEM");
    prov_buf_release(&pem);
    return out;
}
