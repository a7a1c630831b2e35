#include "spki.h"

#include "der.h"
#include "ossl.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 8192 /* verifying takes the square of it */
/* What OpenSSL takes with a modulus over 3072 bits: longer ones cost time and gain nothing. */
#define RSA_EXPONENT_MAX 8

#define WEAK "the key is too weak: RSA needs 2048 bits, EC one of P-256, P-384, P-521 by name"
#define OTHER "the key is neither RSA nor EC"
#define MALFORMED "the key is not in the DER form of a public key"

static const struct {
    const char *group;
    struct prov_span oid; /* DER */
    unsigned bits;
} curves[] = {
    [SPKI_P256] = { "P-256",
                    { (const uint8_t *)"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07", 10 },
                    256 },
    [SPKI_P384] = { "P-384", { (const uint8_t *)"\x06\x05\x2b\x81\x04\x00\x22", 7 }, 384 },
    [SPKI_P521] = { "P-521", { (const uint8_t *)"\x06\x05\x2b\x81\x04\x00\x23", 7 }, 521 },
};
_Static_assert(PROV_COUNT(curves) == SPKI_CURVES, "a curve was added without a row");

/* contents of OBJECT IDENTIFIERs */
static const struct prov_span ec_oid = { (const uint8_t *)"\x2a\x86\x48\xce\x3d\x02\x01", 7 };
static const struct prov_span rsa_oid = { (const uint8_t *)"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01",
                                          9 };

/* ---- reading --------------------------------------------------------------------------------- */

static unsigned bits_of(struct prov_span number)
{
    unsigned bits = (unsigned)number.n * 8;

    for (unsigned top = 0x80; number.n != 0 && top > number.p[0]; top >>= 1)
        bits--;
    return bits;
}

/* SEC 1 section 2.3.3; the hybrid form is forbidden (RFC 5480 section 2.2). */
static bool is_point(struct prov_span point, unsigned bits)
{
    const size_t coordinate = (bits + 7) / 8;

    if (point.n == 0)
        return false;
    if (point.p[0] == 4)
        return point.n == 1 + 2 * coordinate;
    return (point.p[0] == 2 || point.p[0] == 3) && point.n == 1 + coordinate;
}

static const char *read_ec(struct prov_span parameters, struct spki *out)
{
    unsigned curve = 0;

    while (curve < SPKI_CURVES && !prov_span_eq(parameters, curves[curve].oid))
        curve++;
    if (curve == SPKI_CURVES)
        return WEAK;
    out->kind = PROV_KEY_EC;
    out->curve = curve;
    out->bits = curves[curve].bits;
    out->point = out->subject_public;
    return is_point(out->point, out->bits) ? NULL : MALFORMED;
}

static const char *read_rsa(struct prov_span parameters, struct spki *out)
{
    struct prov_span key;

    if (!prov_span_eq(parameters, DER_NULL) || !der_only(out->subject_public, DER_SEQUENCE, &key) ||
        !der_unsigned(&key, &out->modulus) || !der_unsigned(&key, &out->exponent) || key.n != 0)
        return MALFORMED;
    out->kind = PROV_KEY_RSA;
    out->bits = bits_of(out->modulus);
    if (out->bits < RSA_BITS_MIN)
        return WEAK;
    if (out->bits > RSA_BITS_MAX)
        return "the key is too long: RSA may have 8192 bits";
    /* with an exponent of 1 anybody can sign */
    if (bits_of(out->exponent) < 2 || out->exponent.n > RSA_EXPONENT_MAX ||
        (out->exponent.p[out->exponent.n - 1] & 1) == 0)
        return "the key's exponent is none that RSA keys have";
    return NULL;
}

const char *spki_read(struct prov_span der, struct spki *out)
{
    struct prov_span rest, oid, parameters;

    memset(out, 0, sizeof *out);
    if (!der_only(der, DER_SEQUENCE, &rest) || !der_algorithm(&rest, &oid, &parameters) ||
        !der_bytes(&rest, &out->subject_public) || rest.n != 0)
        return MALFORMED;
    if (prov_span_eq(oid, ec_oid))
        return read_ec(parameters, out);
    return prov_span_eq(oid, rsa_oid) ? read_rsa(parameters, out) : OTHER;
}

bool spki_eq(const struct spki *a, const struct spki *b)
{
    return a->kind == b->kind && a->curve == b->curve && prov_span_eq(a->point, b->point) &&
           prov_span_eq(a->modulus, b->modulus) && prov_span_eq(a->exponent, b->exponent);
}

/* ---- for OpenSSL ----------------------------------------------------------------------------- */

/* PROV_ENOMEM also where OpenSSL cannot for reasons of its own: asking again may work. */
static enum prov_rc from_data(const char *type, int selection, OSSL_PARAM *params, EVP_PKEY **out)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    bool ok;

    *out = NULL;
    ok = ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1 &&
         EVP_PKEY_fromdata(ctx, out, selection, params) == 1;
    EVP_PKEY_CTX_free(ctx);
    return ok ? PROV_OK : PROV_ENOMEM;
}

enum prov_rc spki_curve(unsigned curve, EVP_PKEY **out)
{
    char group[8];
    OSSL_PARAM params[] = { OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
                            OSSL_PARAM_END };

    (void)prov_span_copy(prov_span_str(curves[curve].group), group, sizeof group);
    params[0].data_size = strlen(group);
    return from_data("EC", EVP_PKEY_KEY_PARAMETERS, params, out);
}

static enum prov_rc ec_key(const struct spki *spki, EVP_PKEY *curve, EVP_PKEY **out)
{
    EVP_PKEY *key = EVP_PKEY_dup(curve);
    enum prov_rc rc = PROV_ENOMEM;

    if (key != NULL && EVP_PKEY_set1_encoded_public_key(key, spki->point.p, spki->point.n) == 1) {
        *out = key;
        return PROV_OK;
    }
    if (key != NULL && !prov_ossl_nomem())
        rc = PROV_EINVAL;
    EVP_PKEY_free(key);
    return rc;
}

/* In the machine's order, as OSSL_PARAM has numbers. */
static bool native(struct prov_span number, uint8_t *out)
{
    BIGNUM *n = BN_bin2bn(number.p, (int)number.n, NULL);
    const bool ok = n != NULL && BN_bn2nativepad(n, out, (int)number.n) == (int)number.n;

    BN_free(n);
    return ok;
}

static enum prov_rc rsa_key(const struct spki *spki, EVP_PKEY **out)
{
    uint8_t n[RSA_BITS_MAX / 8], e[RSA_EXPONENT_MAX];
    OSSL_PARAM params[] = { OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, n, spki->modulus.n),
                            OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, e, spki->exponent.n),
                            OSSL_PARAM_END };

    if (!native(spki->modulus, n) || !native(spki->exponent, e))
        return PROV_ENOMEM;
    return from_data("RSA", EVP_PKEY_PUBLIC_KEY, params, out);
}

enum prov_rc spki_key(const struct spki *spki, EVP_PKEY *curve, EVP_PKEY **out)
{
    *out = NULL;
    return spki->kind == PROV_KEY_EC ? ec_key(spki, curve, out) : rsa_key(spki, out);
}

/* ---- writing --------------------------------------------------------------------------------- */

static void add(struct prov_buf *out, struct prov_span oid, struct prov_span parameters,
                struct prov_span subject_public)
{
    const size_t algorithm_n = der_size(oid.n) + parameters.n;

    der_add_head(out, DER_SEQUENCE, der_size(algorithm_n) + der_size(1 + subject_public.n));
    der_add_head(out, DER_SEQUENCE, algorithm_n);
    der_add(out, DER_OID, oid);
    prov_buf_add(out, parameters);
    der_add_bytes(out, subject_public);
}

void spki_add_ec(struct prov_buf *out, unsigned curve, struct prov_span point)
{
    add(out, ec_oid, curves[curve].oid, point);
}

void spki_add_rsa(struct prov_buf *out, struct prov_span modulus, struct prov_span exponent)
{
    struct prov_buf numbers = { .max = 2 * RSA_BITS_MAX / 8 };
    struct prov_buf key = { .max = 2 * RSA_BITS_MAX / 8 + 16 };

    der_add_unsigned(&numbers, modulus);
    der_add_unsigned(&numbers, exponent);
    der_add(&key, DER_SEQUENCE, prov_buf_span(&numbers));
    if (numbers.rc != PROV_OK || key.rc != PROV_OK)
        out->rc = numbers.rc != PROV_OK ? numbers.rc : key.rc;
    else
        add(out, rsa_oid, DER_NULL, prov_buf_span(&key));
    prov_buf_release(&key);
    prov_buf_release(&numbers);
}

struct prov_span spki_curve_oid(unsigned curve)
{
    return curves[curve].oid;
}
