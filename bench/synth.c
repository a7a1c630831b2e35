#include "synth.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/x509.h>

#define POINT_BYTES 65 /* uncompressed, on P-256 */
#define RANDOM 64      /* bytes of a SHA-512 */
#define HALF (RANDOM / 2)

enum part { PART_CN, PART_SERIAL, PART_POINT, PART_SIGNATURE, PARTS };

struct synth {
    uint8_t *der;
    size_t n, at[PARTS], part_n[PARTS];
    EC_GROUP *group;
    EC_POINT *point; /* a device's key: the generator times its number plus one */
    uint64_t number; /* that device */
};

static void need(bool ok, const char *what)
{
    if (!ok)
        bench_fail("cannot %s", what);
}

/* ---- finding the parts ----------------------------------------------------------------------- */

/* The last occurrence: the subject's name and key stand behind the issuer's. */
static void locate(struct synth *s, enum part part, struct prov_span bytes)
{
    size_t at = s->n;

    for (size_t i = 0; i + bytes.n <= s->n; i++) {
        if (memcmp(s->der + i, bytes.p, bytes.n) == 0)
            at = i;
    }
    need(at != s->n && bytes.n != 0, "find a certificate's parts");
    s->at[part] = at;
    s->part_n[part] = bytes.n;
}

static void locate_all(struct synth *s, X509 *cert, const char *cn)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(cert);
    const ASN1_BIT_STRING *key = X509_get0_pubkey_bitstr(cert), *signature;

    X509_get0_signature(&signature, NULL, cert);
    need(key != NULL && key->length == POINT_BYTES, "read the certificate's key");
    locate(s, PART_CN, prov_span_str(cn));
    locate(s, PART_SERIAL, prov_span(serial->data, (size_t)serial->length));
    locate(s, PART_POINT, prov_span(key->data, (size_t)key->length));
    locate(s, PART_SIGNATURE, prov_span(signature->data, (size_t)signature->length));
}

/* ---- the one that is made -------------------------------------------------------------------- */

/* The point of the number is the one before it plus the generator, or takes longer. */
static void move_point(struct synth *s, uint64_t number)
{
    BIGNUM *n;
    bool ok;

    if (number == s->number + 1) {
        s->number = number;
        ok = EC_POINT_add(s->group, s->point, s->point, EC_GROUP_get0_generator(s->group), NULL);
        need(ok, "make a key");
        return;
    }
    n = BN_new();
    ok = n != NULL && BN_set_word(n, number + 1) == 1 &&
         EC_POINT_mul(s->group, s->point, n, NULL, NULL, NULL) == 1;
    need(ok, "make a key");
    s->number = number;
    BN_free(n);
}

struct synth *synth_new(const struct pki_cert *ca)
{
    static const char cn[] = "dev-0000000";
    struct synth *s = bench_alloc(1, sizeof *s);
    struct pki_cert cert;

    cert = pki_make(&(struct pki_spec){ .subject = "/O=Bench/CN=dev-0000000", .issuer = ca });
    s->der = pki_der(cert.x509, &s->n);
    locate_all(s, cert.x509, cn);
    pki_free(&cert);
    s->group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    s->point = s->group == NULL ? NULL : EC_POINT_new(s->group);
    need(s->point != NULL, "make a key");
    s->number = UINT64_MAX - 1; /* none that a device can have */
    return s;
}

void synth_free(struct synth *s)
{
    if (s == NULL)
        return;
    EC_POINT_free(s->point);
    EC_GROUP_free(s->group);
    free(s->der);
    free(s);
}

/* ---- the others ------------------------------------------------------------------------------ */

static void patch_cn(struct synth *s, uint64_t number)
{
    char cn[32];
    const int n = snprintf(cn, sizeof cn, "dev-%07" PRIu64, number);

    need(n > 0 && (size_t)n == s->part_n[PART_CN], "number more devices");
    memcpy(s->der + s->at[PART_CN], cn, (size_t)n);
}

static void patch_point(struct synth *s, uint64_t number)
{
    move_point(s, number);
    need(EC_POINT_point2oct(s->group, s->point, POINT_CONVERSION_UNCOMPRESSED,
                            s->der + s->at[PART_POINT], POINT_BYTES, NULL) == POINT_BYTES,
         "make a key");
}

/* All but the first byte, so that the number neither becomes negative nor gets shorter. */
static uint8_t *patch_integer(uint8_t *p, size_t n, const uint8_t random[static HALF])
{
    for (size_t i = 1; i < n; i++)
        p[i] = random[i % HALF];
    if (n > 1 && p[0] == 0)
        p[1] |= 0x80; /* the zero is there because of this bit */
    return p + n;
}

/* SEQUENCE { INTEGER r, INTEGER s }, with lengths of one byte each. */
static void patch_signature(struct synth *s, const uint8_t random[static RANDOM])
{
    uint8_t *p = s->der + s->at[PART_SIGNATURE] + 2;

    p = patch_integer(p + 2, p[1], random);
    (void)patch_integer(p + 2, p[1], random + HALF);
}

struct prov_span synth_make(struct synth *s, uint64_t number)
{
    uint8_t random[RANDOM];

    patch_cn(s, number);
    need(EVP_Digest(s->der + s->at[PART_CN], s->part_n[PART_CN], random, NULL, EVP_sha512(),
                    NULL) == 1,
         "hash");
    (void)patch_integer(s->der + s->at[PART_SERIAL], s->part_n[PART_SERIAL], random);
    patch_point(s, number);
    patch_signature(s, random);
    return prov_span(s->der, s->n);
}
