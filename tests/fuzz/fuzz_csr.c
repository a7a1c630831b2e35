/*
 * Signing requests as a device may send them. The first byte says what the rest is: PEM; DER; or a
 * CertificationRequestInfo, which is signed here with the key that the seeds have, for a request
 * that was changed is hardly ever signed.
 *
 * What is read as a request OpenSSL finds signed by its key as well. What is issued for it is DER
 * to the letter, verifies, and is an answer to it.
 */
#include <stdint.h>
#include <stdlib.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>

#include "core/issue.h"
#include "core/limits.h"
#include "support/csr.h"
#include "support/pki.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define T0 1700000000

enum { AS_PEM = 'P', AS_DER = 'D', AS_INFO = 'I' };

static struct {
    struct prov_issuer *issuer;
    struct prov_csr_reader *reader;
    EVP_PKEY *ec;
} env;

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* The private key 1: the seeds have the curve's generator for their key. */
static EVP_PKEY *ec_key(void)
{
    static const unsigned char generator[] =
        "\x04\x6b\x17\xd1\xf2\xe1\x2c\x42\x47\xf8\xbc\xe6\xe5\x63\xa4\x40\xf2\x77\x03\x7d\x81\x2d"
        "\xeb\x33\xa0\xf4\xa1\x39\x45\xd8\x98\xc2\x96\x4f\xe3\x42\xe2\xfe\x1a\x7f\x9b\x8e\xe7\xeb"
        "\x4a\x7c\x0f\x9e\x16\x2b\xce\x33\x57\x6b\x31\x5e\xce\xcb\xb6\x40\x68\x37\xbf\x51\xf5";
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    BIGNUM *one = BN_new();
    EVP_PKEY *key = NULL;
    OSSL_PARAM *params;

    require(BN_one(one) == 1 &&
            OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) == 1 &&
            OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, generator,
                                             sizeof generator - 1) == 1 &&
            OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_PRIV_KEY, one) == 1);
    params = OSSL_PARAM_BLD_to_param(build);
    require(EVP_PKEY_fromdata_init(ctx) == 1 &&
            EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params) == 1);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    EVP_PKEY_CTX_free(ctx);
    BN_free(one);
    return key;
}

static void tear_down(void)
{
    prov_csr_reader_free(env.reader);
    prov_issuer_free(env.issuer);
    EVP_PKEY_free(env.ec);
}

static void set_up(void)
{
    struct pki_cert ca;

    if (env.issuer != NULL)
        return;
    ca = pki_make(&(struct pki_spec){ .ca = true, .now_s = T0 });
    env.ec = ec_key();
    require(prov_issuer_new(ca.x509, ca.key, T0, &env.issuer, NULL) == PROV_OK);
    require(prov_csr_reader_new(&env.reader) == PROV_OK);
    pki_free(&ca);
    require(atexit(tear_down) == 0);
}

/* OpenSSL knows types of attributes that we do not look at: it may refuse those of a request. */
static void check_with_openssl(const struct prov_csr *csr)
{
    const unsigned char *p = csr->der.p;
    X509_REQ *req = d2i_X509_REQ(NULL, &p, (long)csr->der.n);
    EVP_PKEY *key;

    p = csr->spki.p;
    key = d2i_PUBKEY(NULL, &p, (long)csr->spki.n);
    require(key != NULL && p == csr->spki.p + csr->spki.n);
    require((unsigned)EVP_PKEY_get_bits(key) == csr->key_bits);
    if (req != NULL) {
        require(X509_REQ_verify(req, key) == 1);
        require(EVP_PKEY_eq(X509_REQ_get0_pubkey(req), key) == 1);
        require(X509_REQ_get_version(req) == X509_REQ_VERSION_1);
    }
    X509_REQ_free(req);
    EVP_PKEY_free(key);
    ERR_clear_error();
}

static void check_issuing(const struct prov_csr *csr)
{
    const struct prov_issue what = { csr->subject, csr->spki, T0, T0 + 1000 };
    struct prov_buf der = { .max = PROV_MAX_CERT_DER };
    struct prov_ident *ident;
    X509 *cert;

    require(prov_issue(env.issuer, &what, &der, NULL) == PROV_OK);
    require(prov_ident_decode(prov_buf_span(&der), &cert, NULL) == PROV_OK);
    require(prov_cert_signed_by(cert, (X509 *)(uintptr_t)prov_issuer_cert(env.issuer)));
    require(prov_issue_answers(cert, csr, T0, NULL) == PROV_OK);
    require(prov_ident_new(cert, &ident, NULL) == PROV_OK);
    require(csr->common_name.n == 0 || ident->dn[PROV_SUBJECT][PROV_DN_COMMON_NAME].n > 0);
    require(ident->key_bits == csr->key_bits && ident->key_kind == csr->key_kind);
    prov_ident_free(ident);
    X509_free(cert);
    prov_buf_release(&der);
}

static void check_pem(struct prov_span pem)
{
    struct prov_err err = { .text = "" };
    struct prov_csr *csr, *again;
    enum prov_rc rc;

    rc = prov_csr_read(env.reader, pem, &csr, &err);
    require(prov_csr_parse(pem, &again, NULL) == rc);
    require((csr != NULL) == (rc == PROV_OK) && (again != NULL) == (rc == PROV_OK));
    require(rc == PROV_OK || rc == PROV_EINVAL || rc == PROV_ETOOBIG);
    require(rc == PROV_OK || err.text[0] != '\0');
    require(ERR_peek_error() == 0);
    if (csr != NULL) {
        require(prov_span_eq(csr->der, again->der));
        require(prov_utf8_valid(csr->common_name));
        check_with_openssl(csr);
        check_issuing(csr);
    }
    prov_csr_free(again);
    prov_csr_free(csr);
}

static void check_der(struct prov_span der)
{
    char *pem = csr_pem(der, NULL);

    check_pem(prov_span_str(pem));
    free(pem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct prov_span rest = prov_span(data + (size != 0), size - (size != 0));
    struct csr_spec spec = { .key = NULL };
    struct prov_buf der;

    if (size == 0 || rest.n > 8192)
        return 0;
    set_up();
    spec.key = env.ec;
    switch (data[0]) {
    case AS_PEM:
        check_pem(rest);
        break;
    case AS_DER:
        check_der(rest);
        break;
    case AS_INFO:
        der = csr_sign(&spec, rest);
        check_der(prov_buf_span(&der));
        prov_buf_release(&der);
        break;
    default:
        break;
    }
    return 0;
}
