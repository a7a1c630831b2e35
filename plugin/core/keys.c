#include "keys.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "der.h"
#include "ossl.h"
#include "pem.h"
#include "spki.h"

#define PEM_MAX 4096 /* RSA-2048 takes 1,700 */
#define DER_MAX 2048
#define NUMBER_MAX 256 /* bytes: RSA-2048's modulus */
#define EC_BITS 256
#define POINT_MAX (1 + 2 * EC_BITS / 8)

static const struct {
    const char *name, *label;
} types[] = {
    [PROV_KEY_RSA2048] = { "rsa2048", "RSA PRIVATE KEY" },
    [PROV_KEY_EC_P256] = { "ec-p256", "EC PRIVATE KEY" },
};
_Static_assert(PROV_COUNT(types) == PROV_KEY_TYPES, "a type was added without a row");

const char *prov_key_type_name(enum prov_key_type type)
{
    return (size_t)type < PROV_COUNT(types) ? types[type].name : "unknown";
}

/* ---- making ---------------------------------------------------------------------------------- */

enum prov_rc prov_key_new(enum prov_key_type type, EVP_PKEY **out)
{
    enum prov_rc rc = PROV_OK;

    ERR_set_mark();
    *out = type == PROV_KEY_EC_P256 ? EVP_EC_gen("P-256") : EVP_RSA_gen(2048);
    if (*out == NULL)
        rc = prov_ossl_nomem() ? PROV_ENOMEM : PROV_ESIGNER;
    ERR_pop_to_mark();
    return rc;
}

/* ---- encodings: written here, since OpenSSL's encoders leave a private key's DER in freed memory
 * ----------------------------------------------------------------------------------------------
 */

/* A number of the key, filled up to `width` bytes where that is not 0. */
static bool add_number(struct prov_buf *out, const EVP_PKEY *key, const char *name, size_t width)
{
    uint8_t bytes[NUMBER_MAX];
    BIGNUM *n = NULL;
    bool ok;

    ok = EVP_PKEY_get_bn_param(key, name, &n) == 1 && BN_num_bytes(n) <= NUMBER_MAX;
    if (ok && width != 0) {
        ok = BN_bn2binpad(n, bytes, (int)width) == (int)width;
        if (ok)
            der_add(out, DER_OCTET_STRING, prov_span(bytes, width));
    } else if (ok) {
        der_add_unsigned(out, prov_span(bytes, (size_t)BN_bn2bin(n, bytes)));
    }
    BN_clear_free(n);
    OPENSSL_cleanse(bytes, sizeof bytes);
    return ok;
}

/* RSAPrivateKey (RFC 8017 appendix A.1.2), without its head. */
static bool add_rsa(struct prov_buf *out, const EVP_PKEY *key)
{
    static const char *const numbers[] = {
        OSSL_PKEY_PARAM_RSA_N,         OSSL_PKEY_PARAM_RSA_E,
        OSSL_PKEY_PARAM_RSA_D,         OSSL_PKEY_PARAM_RSA_FACTOR1,
        OSSL_PKEY_PARAM_RSA_FACTOR2,   OSSL_PKEY_PARAM_RSA_EXPONENT1,
        OSSL_PKEY_PARAM_RSA_EXPONENT2, OSSL_PKEY_PARAM_RSA_COEFFICIENT1,
    };
    bool ok = true;

    der_add_unsigned(out, prov_span(NULL, 0)); /* version: two primes */
    for (size_t i = 0; i < PROV_COUNT(numbers) && ok; i++)
        ok = add_number(out, key, numbers[i], 0);
    return ok;
}

static bool point_of(const EVP_PKEY *key, uint8_t out[static POINT_MAX])
{
    size_t n;

    return EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, out, POINT_MAX, &n) == 1 &&
           n == POINT_MAX;
}

/* ECPrivateKey (RFC 5915 section 3), without its head. */
static bool add_ec(struct prov_buf *out, const EVP_PKEY *key)
{
    const uint8_t version = 1;
    uint8_t point[POINT_MAX];

    der_add_unsigned(out, prov_span(&version, 1));
    if (!add_number(out, key, OSSL_PKEY_PARAM_PRIV_KEY, EC_BITS / 8) || !point_of(key, point))
        return false;
    der_add(out, DER_CONTEXT + 0, spki_curve_oid(SPKI_P256));
    der_add_head(out, DER_CONTEXT + 1, der_size(1 + sizeof point));
    der_add_bytes(out, prov_span(point, sizeof point));
    return true;
}

enum prov_rc prov_key_private_pem(enum prov_key_type type, const EVP_PKEY *key,
                                  struct prov_buf *out)
{
    struct prov_buf content = { .max = DER_MAX }, der = { .max = DER_MAX };
    bool ok;

    ERR_set_mark();
    ok = type == PROV_KEY_EC_P256 ? add_ec(&content, key) : add_rsa(&content, key);
    ERR_pop_to_mark();
    der_add(&der, DER_SEQUENCE, prov_buf_span(&content));
    if (!ok || content.rc != PROV_OK || der.rc != PROV_OK)
        out->rc = PROV_ENOMEM;
    else
        pem_add(out, types[type].label, prov_buf_span(&der));
    prov_buf_wipe(&der);
    prov_buf_wipe(&content);
    return out->rc;
}

static bool add_modulus(struct prov_buf *out, const EVP_PKEY *key)
{
    uint8_t n[NUMBER_MAX], e[NUMBER_MAX];
    BIGNUM *bn_n = NULL, *bn_e = NULL;
    bool ok;

    ok = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &bn_n) == 1 &&
         EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &bn_e) == 1 &&
         BN_num_bytes(bn_n) <= NUMBER_MAX && BN_num_bytes(bn_e) <= NUMBER_MAX;
    if (ok)
        spki_add_rsa(out, prov_span(n, (size_t)BN_bn2bin(bn_n, n)),
                     prov_span(e, (size_t)BN_bn2bin(bn_e, e)));
    BN_free(bn_n);
    BN_free(bn_e);
    return ok;
}

enum prov_rc prov_key_spki(enum prov_key_type type, const EVP_PKEY *key, struct prov_buf *out)
{
    uint8_t point[POINT_MAX];
    bool ok;

    ERR_set_mark();
    if (type == PROV_KEY_EC_P256) {
        ok = point_of(key, point);
        if (ok)
            spki_add_ec(out, SPKI_P256, prov_span(point, sizeof point));
    } else {
        ok = add_modulus(out, key);
    }
    ERR_pop_to_mark();
    if (!ok)
        out->rc = PROV_ENOMEM;
    return out->rc;
}

/* ---- all at once ----------------------------------------------------------------------------- */

enum prov_rc prov_key_make(enum prov_key_type type, struct prov_key *out)
{
    EVP_PKEY *key = NULL;
    enum prov_rc rc;

    prov_buf_init(&out->pem, PEM_MAX);
    prov_buf_init(&out->public_pem, PEM_MAX);
    prov_buf_init(&out->spki, DER_MAX);
    rc = prov_key_new(type, &key);
    if (rc == PROV_OK)
        rc = prov_key_private_pem(type, key, &out->pem);
    if (rc == PROV_OK)
        rc = prov_key_spki(type, key, &out->spki);
    EVP_PKEY_free(key);
    if (rc == PROV_OK) {
        pem_add(&out->public_pem, "PUBLIC KEY", prov_buf_span(&out->spki));
        rc = out->public_pem.rc;
    }
    if (rc != PROV_OK)
        prov_key_release(out);
    return rc;
}

void prov_key_release(struct prov_key *key)
{
    if (key == NULL)
        return;
    prov_buf_wipe(&key->pem);
    prov_buf_wipe(&key->public_pem);
    prov_buf_wipe(&key->spki);
}
