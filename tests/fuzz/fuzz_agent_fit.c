/*
 * Any bytes as a certificate, or as a private key, in PEM or (so that base64 is not in the way) in
 * DER that is put into PEM; the first byte says which. The other half is a good one. They fit only
 * if the public keys are the same; where they do not, nothing is told of the certificate.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>

#include "device-agent/port/posix/keys.h"
#include "support/pki.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum form { CERT_PEM, CERT_DER, KEY_PEM, KEY_DER, FORMS };

static void must(bool ok)
{
    if (!ok)
        abort();
}

/* The key of RFC 6979, A.2.5: seeds are certificates for it, and a key in the repository is
 * nobody's secret. */
static EVP_PKEY *known_key(void)
{
    static const char private_hex[] =
        "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721";
    static const char public_hex[] =
        "0460FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6"
        "7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299";
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    EVP_PKEY *key = NULL;
    BIGNUM *d = NULL;
    unsigned char point[65];
    OSSL_PARAM *params;
    size_t n;

    must(BN_hex2bn(&d, private_hex) != 0);
    must(OPENSSL_hexstr2buf_ex(point, sizeof point, &n, public_hex, '\0') == 1);
    must(OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) == 1);
    must(OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, n) == 1);
    must(OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_PRIV_KEY, d) == 1);
    params = OSSL_PARAM_BLD_to_param(build);
    must(EVP_PKEY_fromdata_init(ctx) == 1);
    must(EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params) == 1);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    EVP_PKEY_CTX_free(ctx);
    BN_free(d);
    return key;
}

/* Made once: the good halves. */
static struct {
    char *cert, *key;
} good;

static void make_good(void)
{
    EVP_PKEY *key = known_key();
    struct pki_cert cert = pki_make(&(struct pki_spec){ .use_key = key });

    good.cert = pki_pem(cert.x509);
    good.key = pki_key_pem(key);
    pki_free(&cert);
    EVP_PKEY_free(key);
}

static struct agent_span span(const char *s)
{
    return (struct agent_span){ (const uint8_t *)s, strlen(s) };
}

/* The input as PEM; *bio is to be freed then. */
static struct agent_span as_pem(enum form form, const uint8_t *data, size_t size, BIO **bio)
{
    char *p;
    long n;

    *bio = NULL;
    if (form == CERT_PEM || form == KEY_PEM)
        return (struct agent_span){ data, size };
    *bio = BIO_new(BIO_s_mem());
    must(PEM_write_bio(*bio, form == CERT_DER ? PEM_STRING_X509 : PEM_STRING_PKCS8INF, "", data,
                       (long)size) > 0);
    n = BIO_get_mem_data(*bio, &p);
    return (struct agent_span){ (const uint8_t *)p, (size_t)n };
}

static int no_password(char *buf, int size, int rwflag, void *arg)
{
    (void)buf;
    (void)size;
    (void)rwflag;
    (void)arg;
    return -1;
}

static void check_same_key(struct agent_span cert_pem, struct agent_span key_pem)
{
    BIO *cert_bio = BIO_new_mem_buf(cert_pem.p, (int)cert_pem.n);
    BIO *key_bio = BIO_new_mem_buf(key_pem.p, (int)key_pem.n);
    X509 *cert = PEM_read_bio_X509(cert_bio, NULL, no_password, NULL);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(key_bio, NULL, no_password, NULL);

    must(cert != NULL && key != NULL);
    must(EVP_PKEY_eq(X509_get0_pubkey(cert), key) == 1);
    EVP_PKEY_free(key);
    X509_free(cert);
    BIO_free(key_bio);
    BIO_free(cert_bio);
    ERR_clear_error();
}

static void check_text(const struct port_result *result)
{
    must(result->text[0] != '\0' && memchr(result->text, '\0', sizeof result->text) != NULL);
    for (const char *p = result->text; *p != '\0'; p++)
        must(*p >= ' ' && *p <= '~');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct keys_conf files = { .type = KEYS_EC_P256 };
    struct agent_slot slot = { true, true, 1, 1 };
    struct port_result result = { .class = AGENT_OK };
    struct agent_span input, cert, key;
    enum agent_class class;
    enum form form;
    BIO *bio;

    if (size < 2)
        return 0;
    if (good.cert == NULL)
        make_good();
    form = (enum form)(data[0] % FORMS);
    input = as_pem(form, data + 1, size - 1, &bio);
    cert = form == CERT_PEM || form == CERT_DER ? input : span(good.cert);
    key = form == KEY_PEM || form == KEY_DER ? input : span(good.key);
    if (!keys_in_token(key)) { /* which would load a library; no key from outside is that */
        class = keys_fit(&files, cert, key, &slot, &result);
        must(class == result.class && (class == AGENT_OK || class == AGENT_ANSWER));
        must(ERR_peek_error() == 0);
        must(slot.key == (class == AGENT_OK) && slot.cert == slot.key);
        if (class == AGENT_OK) {
            must(slot.not_before_s <= slot.not_after_s);
            check_same_key(cert, key);
        } else {
            must(slot.not_before_s == 0 && slot.not_after_s == 0);
            check_text(&result);
        }
    }
    BIO_free(bio);
    return 0;
}
