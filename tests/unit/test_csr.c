#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include "core/csr.h"
#include "support/alloc.h"
#include "support/csr.h"
#include "support/pki.h"

#define CODE "InvalidCertificateSigningRequest"

static const char *const good_label = "CERTIFICATE REQUEST";

/* Whatever comes of it, with a reader and without: the same, and nothing left behind. */
static enum prov_rc parse(struct prov_span pem, struct prov_csr **out, struct prov_err *err)
{
    struct prov_csr_reader *reader;
    struct prov_csr *again;
    enum prov_rc rc;

    assert_int_equal(prov_csr_reader_new(&reader), PROV_OK);
    rc = prov_csr_parse(pem, out, err);
    assert_int_equal(prov_csr_read(reader, pem, &again, NULL), rc);
    assert_int_equal(again == NULL, *out == NULL);
    assert_int_equal(*out == NULL, rc != PROV_OK);
    assert_int_equal(ERR_peek_error(), 0);
    prov_csr_free(again);
    prov_csr_reader_free(reader);
    return rc;
}

static enum prov_rc parse_der(struct prov_span der, struct prov_csr **out, struct prov_err *err)
{
    char *pem = csr_pem(der, NULL);
    const enum prov_rc rc = parse(prov_span_str(pem), out, err);

    free(pem);
    return rc;
}

static enum prov_rc parse_spec(const struct csr_spec *spec, struct prov_csr **out,
                               struct prov_err *err)
{
    struct prov_buf der = csr_der(spec);
    const enum prov_rc rc = parse_der(prov_buf_span(&der), out, err);

    prov_buf_release(&der);
    return rc;
}

static void assert_refused(const struct csr_spec *spec, const char *word)
{
    struct prov_err err = { .rc = PROV_OK };
    struct prov_csr *csr;

    assert_int_equal(parse_spec(spec, &csr, &err), PROV_EINVAL);
    assert_string_equal(err.code, CODE);
    if (strstr(err.text, word) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.text, word);
}

static void assert_accepted(const struct csr_spec *spec)
{
    struct prov_err err = { .text = "" };
    struct prov_csr *csr;

    if (parse_spec(spec, &csr, &err) != PROV_OK)
        fail_msg("%s", err.text);
    prov_csr_free(csr);
}

/* ---- keys and signatures --------------------------------------------------------------------- */

static void request_says_subject_and_key(void **state)
{
    static const struct {
        enum pki_key key;
        enum prov_key_kind kind;
        unsigned bits;
    } rows[] = {
        { PKI_P256, PROV_KEY_EC, 256 },
        { PKI_P384, PROV_KEY_EC, 384 },
        { PKI_P521, PROV_KEY_EC, 521 },
        { PKI_RSA_2048, PROV_KEY_RSA, 2048 },
    };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        const struct csr_spec spec = { .key = pki_key_shared(rows[i].key),
                                       .subject = "/O=Maker/CN=dev-7/CN=other" };
        struct prov_buf name = csr_name(spec.subject), der = csr_der(&spec);
        unsigned char *spki = NULL;
        const int n = i2d_PUBKEY(spec.key, &spki);
        struct prov_csr *csr;
        struct prov_id id;

        assert_int_equal(parse_der(prov_buf_span(&der), &csr, NULL), PROV_OK);
        assert_true(prov_span_eq(csr->der, prov_buf_span(&der)));
        assert_true(prov_span_eq(csr->subject, prov_buf_span(&name)));
        assert_true(prov_span_eq(csr->spki, prov_span(spki, (size_t)n)));
        assert_true(prov_span_eq_str(csr->common_name, "dev-7"));
        assert_int_equal(csr->key_kind, rows[i].kind);
        assert_int_equal(csr->key_bits, rows[i].bits);
        SHA256(spki, (size_t)n, id.b);
        assert_true(prov_id_eq(&csr->key_id, &id));
        prov_csr_free(csr);
        OPENSSL_free(spki);
        prov_buf_release(&der);
        prov_buf_release(&name);
    }
}

/* One rule for what devices sign with, whether it is a request or a certificate. */
static void algorithms_are_those_of_certificates(void **state)
{
    static const struct {
        enum pki_key key;
        const char *digest;
        bool pss, good;
    } rows[] = {
        { PKI_P256, "SHA256", false, true },      { PKI_P256, "SHA384", false, true },
        { PKI_P256, "SHA512", false, true },      { PKI_P384, "SHA256", false, true },
        { PKI_P256, "SHA1", false, false },       { PKI_P256, "SHA224", false, false },
        { PKI_P256, "SHA3-256", false, false },   { PKI_RSA_2048, "SHA256", false, true },
        { PKI_RSA_2048, "SHA384", false, true },  { PKI_RSA_2048, "SHA512", false, true },
        { PKI_RSA_2048, "SHA1", false, false },   { PKI_RSA_2048, "MD5", false, false },
        { PKI_RSA_2048, "SHA224", false, false }, { PKI_RSA_2048, "SHA256", true, true },
        { PKI_RSA_2048, "SHA384", true, true },   { PKI_RSA_2048, "SHA512", true, true },
        { PKI_RSA_2048, "SHA1", true, false },    { PKI_RSA_2048, "SHA224", true, false },
    };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        EVP_PKEY *key = pki_key_shared(rows[i].key);
        struct pki_cert cert = pki_make(
            &(struct pki_spec){ .use_key = key, .digest = rows[i].digest, .pss = rows[i].pss });
        const struct csr_spec spec = { .key = key, .digest = rows[i].digest, .pss = rows[i].pss };

        assert_int_equal(prov_cert_check_leaf(cert.x509, (int64_t)time(NULL)) == PROV_CERT_GOOD,
                         rows[i].good);
        if (rows[i].good)
            assert_accepted(&spec);
        else
            assert_refused(&spec, "algorithm");
        pki_free(&cert);
    }
}

static void salt_of_any_length_will_do(void **state)
{
    static const int salts[] = { 1, 20, 48, 127, 128, 222 };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(salts); i++)
        assert_accepted(&(struct csr_spec){
            .key = pki_key_shared(PKI_RSA_2048), .pss = true, .salt = salts[i] });
}

static void parameters_of_an_algorithm_may_be_null_or_missing(void **state)
{
    (void)state;
    /* ECDSA with NULL: Mbed TLS wrote it so for years */
    assert_accepted(&(struct csr_spec){
        .key = pki_key_shared(PKI_P256),
        .algorithm_der = PROV_LIT("\x30\x0c\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02\x05\x00") });
    assert_accepted(&(struct csr_spec){
        .key = pki_key_shared(PKI_RSA_2048),
        .algorithm_der = PROV_LIT("\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b") });
    assert_refused(
        &(struct csr_spec){ .key = pki_key_shared(PKI_P256),
                            .algorithm_der = PROV_LIT("\x30\x0d\x06\x08\x2a\x86\x48\xce\x3d"
                                                      "\x04\x03\x02\x02\x01\x00") },
        "algorithm");
}

static void bad_pss_parameters_are_refused(void **state)
{
#define PSS "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a"
#define HASH "\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01"
#define MASK "\x30\x18\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08" HASH
    static const struct {
        const char *what;
        struct prov_span der;
        bool good;
    } rows[] = {
        { "salt 32",
          { (const uint8_t *)"\x30\x3d" PSS "\x30\x30\xa0\x0d" HASH "\xa1\x1a" MASK
                             "\xa2\x03\x02\x01\x20",
            63 },
          true },
        { "nothing", { (const uint8_t *)"\x30\x0b" PSS, 13 }, false },
        { "NULL", { (const uint8_t *)"\x30\x0d" PSS "\x05\x00", 15 }, false },
        { "SHA-1 by default", { (const uint8_t *)"\x30\x0d" PSS "\x30\x00", 15 }, false },
        { "no mask", { (const uint8_t *)"\x30\x1c" PSS "\x30\x0f\xa0\x0d" HASH, 30 }, false },
        { "a trailer",
          { (const uint8_t *)"\x30\x42" PSS "\x30\x35\xa0\x0d" HASH "\xa1\x1a" MASK
                             "\xa2\x03\x02\x01\x20\xa3\x03\x02\x01\x01",
            68 },
          false },
        { "a negative salt",
          { (const uint8_t *)"\x30\x3d" PSS "\x30\x30\xa0\x0d" HASH "\xa1\x1a" MASK
                             "\xa2\x03\x02\x01\xe0",
            63 },
          false },
        { "a default spelled out",
          { (const uint8_t *)"\x30\x3d" PSS "\x30\x30\xa0\x0d" HASH "\xa1\x1a" MASK
                             "\xa2\x03\x02\x01\x14",
            63 },
          false },
        { "a mask of another digest",
          { (const uint8_t *)"\x30\x3d" PSS "\x30\x30\xa0\x0d" HASH
                             "\xa1\x1a\x30\x18\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08"
                             "\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03"
                             "\xa2\x03\x02\x01\x20",
            63 },
          false },
        { "a huge salt",
          { (const uint8_t *)"\x30\x3f" PSS "\x30\x32\xa0\x0d" HASH "\xa1\x1a" MASK
                             "\xa2\x05\x02\x03\x01\x00\x20",
            65 },
          false },
    };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        const struct csr_spec spec = { .key = pki_key_shared(PKI_RSA_2048),
                                       .pss = true,
                                       .algorithm_der = rows[i].der };
        struct prov_err err = { .text = "" };
        struct prov_csr *csr;

        if ((parse_spec(&spec, &csr, &err) == PROV_OK) != rows[i].good ||
            (!rows[i].good && strstr(err.text, "algorithm") == NULL))
            fail_msg("%s: %s", rows[i].what, err.text);
        prov_csr_free(csr);
    }
}

static void weak_and_foreign_keys_are_refused(void **state)
{
    static const struct {
        enum pki_key key;
        const char *word;
    } rows[] = {
        { PKI_RSA_1024, "too weak" },     { PKI_P256K1, "too weak" },
        { PKI_P256_EXPLICIT, "by name" }, { PKI_RSA_PSS_2048, "neither RSA nor EC" },
        { PKI_ED25519, "algorithm" },
    };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++)
        assert_refused(&(struct csr_spec){ .key = pki_key_shared(rows[i].key) }, rows[i].word);
}

/* The key's DER with the byte at `at`, counted from the end, made this one. */
static void assert_key_refused(enum pki_key kind, size_t from_end, uint8_t byte, const char *word)
{
    const struct csr_spec spec = { .key = pki_key_shared(kind) };
    unsigned char *der = NULL;
    const int n = i2d_PUBKEY(spec.key, &der);
    struct csr_spec changed = spec;

    der[(size_t)n - from_end] = byte;
    changed.spki_der = prov_span(der, (size_t)n);
    assert_refused(&changed, word);
    OPENSSL_free(der);
}

static void keys_that_are_none_are_refused(void **state)
{
    (void)state;
    assert_key_refused(PKI_P256, 65, 6, "DER");         /* a hybrid point */
    assert_key_refused(PKI_P256, 65, 2, "DER");         /* as long as both coordinates */
    assert_key_refused(PKI_P256, 66, 1, "DER");         /* unused bits */
    assert_key_refused(PKI_P256, 64, 0xff, "no point"); /* off the curve */
    assert_key_refused(PKI_RSA_2048, 1, 0, "exponent"); /* even */
    assert_key_refused(PKI_RSA_2048, 3, 0, "DER");      /* a zero in front */
    assert_key_refused(PKI_RSA_2048, 3, 0x81, "DER");   /* negative */
    assert_key_refused(PKI_RSA_2048, 1 + 3 + 2 + 256, 0x80, "DER");
    assert_refused(
        &(struct csr_spec){ .key = pki_key_shared(PKI_P256), .spki_der = PROV_LIT("\x30\x00") },
        "DER");
}

static void compressed_points_are_points(void **state)
{
    EVP_PKEY *key = pki_key_new(PKI_P256);
    struct prov_csr *csr;

    (void)state;
    assert_int_equal(EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
                                                    "compressed"),
                     1);
    assert_int_equal(parse_spec(&(struct csr_spec){ .key = key }, &csr, NULL), PROV_OK);
    assert_int_equal(csr->spki.n, 59);
    prov_csr_free(csr);
    EVP_PKEY_free(key);
}

static void key_that_anybody_can_sign_with_is_refused(void **state)
{
    EVP_PKEY *rsa = pki_key_shared(PKI_RSA_2048);
    unsigned char *der = NULL;
    const int n = i2d_PUBKEY(rsa, &der);
    struct csr_spec spec = { .key = rsa };

    (void)state;
    /* the exponent 65537 ends it as 02 03 01 00 01; an exponent of one byte is two shorter */
    der[n - 4] = 1;
    der[n - 3] = 1;
    der[3] = (unsigned char)(der[3] - 2);   /* SubjectPublicKeyInfo */
    der[22] = (unsigned char)(der[22] - 2); /* BIT STRING */
    der[27] = (unsigned char)(der[27] - 2); /* RSAPublicKey */
    spec.spki_der = prov_span(der, (size_t)n - 2);
    assert_refused(&spec, "exponent");
    OPENSSL_free(der);
}

static void signature_must_be_by_the_key_itself(void **state)
{
    (void)state;
    assert_refused(&(struct csr_spec){ .key = pki_key_shared(PKI_P256),
                                       .signed_by = pki_key_shared(PKI_P384) },
                   "not by the key");
    assert_refused(&(struct csr_spec){ .key = pki_key_shared(PKI_P256),
                                       .signed_by = pki_key_shared(PKI_RSA_2048) },
                   "not one of its key");
    assert_refused(&(struct csr_spec){ .key = pki_key_shared(PKI_RSA_2048),
                                       .signed_by = pki_key_shared(PKI_P256) },
                   "not one of its key");
}

static void no_byte_of_a_request_can_be_another(void **state)
{
    static const enum pki_key kinds[] = { PKI_P256, PKI_RSA_2048 };

    (void)state;
    for (size_t k = 0; k < PROV_COUNT(kinds); k++) {
        struct prov_buf der = csr_der(&(struct csr_spec){ .key = pki_key_shared(kinds[k]) });
        struct prov_csr *csr;

        for (size_t i = 0; i < der.n; i++) {
            der.p[i] ^= 1;
            if (parse_der(prov_buf_span(&der), &csr, NULL) == PROV_OK)
                fail_msg("key %zu: byte %zu", k, i);
            der.p[i] ^= 1;
        }
        assert_int_equal(parse_der(prov_buf_span(&der), &csr, NULL), PROV_OK);
        prov_csr_free(csr);
        prov_buf_release(&der);
    }
}

/* ---- DER ------------------------------------------------------------------------------------- */

static void request_that_ends_early_or_late_is_refused(void **state)
{
    struct prov_buf der = csr_der(&(struct csr_spec){ .key = pki_key_shared(PKI_P256) });
    struct prov_csr *csr;

    (void)state;
    for (size_t n = 0; n < der.n; n++) {
        uint8_t *exact = malloc(n + 1); /* so that a sanitizer sees reading behind it */

        memcpy(exact, der.p, n);
        assert_int_equal(parse_der(prov_span(exact, n), &csr, NULL), PROV_EINVAL);
        free(exact);
    }
    prov_buf_add_u8(&der, 0); /* behind it */
    assert_int_equal(parse_der(prov_buf_span(&der), &csr, NULL), PROV_EINVAL);
    der.p[2]++; /* and within it: 30 81 nn */
    assert_int_equal(parse_der(prov_buf_span(&der), &csr, NULL), PROV_EINVAL);
    prov_buf_add_u8(&der, 0); /* a value, even */
    der.p[2]++;
    assert_int_equal(parse_der(prov_buf_span(&der), &csr, NULL), PROV_EINVAL);
    prov_buf_release(&der);
}

/* What BER allows would give one request many forms. Signed, so that only the form is wrong. */
static void other_forms_of_the_same_are_refused(void **state)
{
    const struct csr_spec spec = { .key = pki_key_shared(PKI_P256) };
    struct prov_buf der = csr_der(&spec), again, info = { .max = 4096 };
    struct prov_csr *csr;
    size_t info_n;

    (void)state;
    /* 30 82 nn nn 30 81 nn: Info has 128 to 255 bytes here */
    assert_int_equal(der.p[0], 0x30);
    assert_int_equal(der.p[1], 0x81);
    assert_int_equal(der.p[3], 0x30);
    assert_true(der.p[4] < 0x80 || der.p[4] == 0x81);
    info_n = der.p[4] < 0x80 ? 2u + der.p[4] : 3u + der.p[5];

    again = csr_sign(&spec, prov_span(der.p + 3, info_n));
    assert_int_equal(parse_der(prov_buf_span(&again), &csr, NULL), PROV_OK);
    prov_csr_free(csr);
    prov_buf_release(&again);

    prov_buf_add(&info, PROV_LIT("\x30\x82\x00")); /* a longer length than it takes */
    prov_buf_add_u8(&info, (uint8_t)(info_n - (der.p[4] < 0x80 ? 2 : 3)));
    prov_buf_add(&info, prov_span(der.p + 3 + (der.p[4] < 0x80 ? 2 : 3),
                                  info_n - (der.p[4] < 0x80 ? 2 : 3)));
    again = csr_sign(&spec, prov_buf_span(&info));
    assert_int_equal(parse_der(prov_buf_span(&again), &csr, NULL), PROV_EINVAL);
    prov_buf_release(&again);

    prov_buf_clear(&info); /* an indefinite one */
    prov_buf_add(&info, PROV_LIT("\x30\x80"));
    prov_buf_add(&info, prov_span(der.p + 3 + (der.p[4] < 0x80 ? 2 : 3),
                                  info_n - (der.p[4] < 0x80 ? 2 : 3)));
    prov_buf_add(&info, PROV_LIT("\x00\x00"));
    again = csr_sign(&spec, prov_buf_span(&info));
    assert_int_equal(parse_der(prov_buf_span(&again), &csr, NULL), PROV_EINVAL);
    prov_buf_release(&again);
    prov_buf_release(&info);
    prov_buf_release(&der);
}

static void other_versions_are_refused(void **state)
{
    (void)state;
    assert_refused(&(struct csr_spec){ .key = pki_key_shared(PKI_P256), .version = 1 }, "version");
    assert_refused(&(struct csr_spec){ .key = pki_key_shared(PKI_P256), .version = 2 }, "version");
}

static void attributes_are_ignored_as_long_as_they_are_some(void **state)
{
    static const struct {
        struct prov_span der;
        bool good;
    } rows[] = {
        /* challengePassword "x"; extensionRequest that asks for CA:TRUE; both */
        { { (const uint8_t *)"\xa0\x12\x30\x10\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x07\x31\x03"
                             "\x0c\x01x",
            20 },
          true },
        { { (const uint8_t *)"\xa0\x20\x30\x1e\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x0e\x31\x11"
                             "\x30\x0f\x30\x0d\x06\x03\x55\x1d\x13\x04\x06\x30\x04\x01\x01\xff"
                             "\x05",
            34 },
          true },
        { { (const uint8_t *)"\xa0\x01\x00", 3 }, false },
        { { (const uint8_t *)"\xa0\x02\x30\x00", 4 }, false },
        { { (const uint8_t *)"\xa0\x00\xa0\x00", 4 }, false },
        { { (const uint8_t *)"\xa1\x00", 2 }, false },
        { { (const uint8_t *)"\x05\x00", 2 }, false },
        { { (const uint8_t *)"\xa0\x05\x30\x03\x06\x01\x2a", 7 }, false },
        { { (const uint8_t *)"\xa0\x08\x30\x06\x06\x01\x2a\x31\x01\x0c", 10 }, false },
    };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        const struct csr_spec spec = { .key = pki_key_shared(PKI_P256),
                                       .attributes_der = rows[i].der };

        if (rows[i].good)
            assert_accepted(&spec);
        else
            assert_refused(&spec, "DER");
    }
    assert_accepted(&(struct csr_spec){ .key = pki_key_shared(PKI_P256), .no_attributes = true });
}

/* ---- names ----------------------------------------------------------------------------------- */

static void subject_is_a_name_of_text(void **state)
{
#define CN "\x06\x03\x55\x04\x03"
#define O "\x06\x03\x55\x04\x0a"
    static const struct {
        struct prov_span der;
        const char *cn; /* NULL: refused */
    } rows[] = {
        { { (const uint8_t *)"\x30\x00", 2 }, "" },
        { { (const uint8_t *)"\x30\x0c\x31\x0a\x30\x08" CN "\x0c\x01x", 14 }, "x" },
        { { (const uint8_t *)"\x30\x0c\x31\x0a\x30\x08" CN "\x13\x01x", 14 }, "x" },
        { { (const uint8_t *)"\x30\x0c\x31\x0a\x30\x08" CN "\x16\x01x", 14 }, "x" },
        { { (const uint8_t *)"\x30\x0c\x31\x0a\x30\x08" CN "\x12\x01"
                             "7",
            14 },
          "7" },
        { { (const uint8_t *)"\x30\x0c\x31\x0a\x30\x08" CN "\x14\x01\xe6", 14 }, "\xc3\xa6" },
        { { (const uint8_t *)"\x30\x0d\x31\x0b\x30\x09" CN "\x1e\x02\x26\x03", 15 },
          "\xe2\x98\x83" },
        { { (const uint8_t *)"\x30\x0f\x31\x0d\x30\x0b" CN "\x1c\x04\x00\x01\xf6\x00", 17 },
          "\xf0\x9f\x98\x80" },
        { { (const uint8_t *)"\x30\x0b\x31\x09\x30\x07" CN "\x0c\x00", 13 }, "" },
        { { (const uint8_t *)"\x30\x0c\x31\x0a\x30\x08" O "\x0c\x01x", 14 }, "" },
        { { (const uint8_t *)"\x30\x16\x31\x14\x30\x08" CN "\x0c\x01x\x30\x08" O "\x0c\x01x", 24 },
          "x" },
        /* a set out of order; one that is empty */
        { { (const uint8_t *)"\x30\x16\x31\x14\x30\x08" O "\x0c\x01x\x30\x08" CN "\x0c\x01x", 24 },
          NULL },
        { { (const uint8_t *)"\x30\x02\x31\x00", 4 }, NULL },
        /* text that is none: NUL, half a character, a surrogate, beyond ASCII, not UTF-8 */
        { { (const uint8_t *)"\x30\x0e\x31\x0c\x30\x0a" CN "\x0c\x03x\0y", 16 }, NULL },
        { { (const uint8_t *)"\x30\x0e\x31\x0c\x30\x0a" CN "\x1e\x03\x26\x03\x26", 16 }, NULL },
        { { (const uint8_t *)"\x30\x0d\x31\x0b\x30\x09" CN "\x1e\x02\xd8\x00", 15 }, NULL },
        { { (const uint8_t *)"\x30\x0c\x31\x0a\x30\x08" CN "\x13\x01\xe6", 14 }, NULL },
        { { (const uint8_t *)"\x30\x0c\x31\x0a\x30\x08" CN "\x0c\x01\xe6", 14 }, NULL },
        /* no string at all; constructed; no value; two values; no OID; a broken one */
        { { (const uint8_t *)"\x30\x0c\x31\x0a\x30\x08" CN "\x04\x01x", 14 }, NULL },
        { { (const uint8_t *)"\x30\x0e\x31\x0c\x30\x0a" CN "\x2c\x03\x0c\x01x", 16 }, NULL },
        { { (const uint8_t *)"\x30\x09\x31\x07\x30\x05" CN, 11 }, NULL },
        { { (const uint8_t *)"\x30\x0f\x31\x0d\x30\x0b" CN "\x0c\x01x\x0c\x01y", 17 }, NULL },
        { { (const uint8_t *)"\x30\x07\x31\x05\x30\x03\x0c\x01x", 9 }, NULL },
        { { (const uint8_t *)"\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x83\x0c\x01x", 14 }, NULL },
        { { (const uint8_t *)"\x30\x0c\x31\x0a\x30\x08\x06\x03\x80\x04\x03\x0c\x01x", 14 }, NULL },
        /* no SEQUENCE of SET of SEQUENCE */
        { { (const uint8_t *)"\x31\x00", 2 }, NULL },
        { { (const uint8_t *)"\x05\x00", 2 }, NULL },
        { { (const uint8_t *)"\x30\x02\x30\x00", 4 }, NULL },
        { { (const uint8_t *)"\x30\x04\x31\x02\x31\x00", 6 }, NULL },
    };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        const struct csr_spec spec = { .key = pki_key_shared(PKI_P256),
                                       .subject_der = rows[i].der };
        struct prov_err err = { .text = "" };
        struct prov_csr *csr;

        if ((parse_spec(&spec, &csr, &err) == PROV_OK) != (rows[i].cn != NULL))
            fail_msg("row %zu: %s", i, err.text);
        if (csr != NULL) {
            assert_true(prov_span_eq(csr->subject, rows[i].der));
            if (!prov_span_eq_str(csr->common_name, rows[i].cn))
                fail_msg("row %zu: %.*s", i, PROV_SPAN_ARG(csr->common_name));
        } else {
            assert_non_null(strstr(err.text, "subject"));
        }
        prov_csr_free(csr);
    }
}

/* ---- PEM ------------------------------------------------------------------------------------- */

enum {
    AS_IT_IS,
    CRLF,
    ONE_LINE,
    SPACES,
    OLD_LABEL,
    OTHER_LABEL,
    UNEQUAL_LABELS,
    TWICE,
    TEXT_BEFORE,
    TEXT_BEHIND,
    NUL_WITHIN,
    NUL_BEHIND,
    HEADER,
    BAD_CHARACTER,
    PAD_MORE,
    PAD_WITHIN,
    NO_END,
    NO_BEGIN,
    NOTHING,
    ONLY_SPACES,
    ONLY_LINES,
    DER_ITSELF
};

static void add_body(struct prov_buf *out, const char *pem, int how)
{
    const char *body = strchr(pem, '\n') + 1;
    const char *end = strstr(body, "-----END");

    for (const char *p = body; p < end; p++) {
        if (*p != '\n' || how == AS_IT_IS)
            prov_buf_add(out, prov_span(p, 1));
        else if (how == CRLF)
            prov_buf_add_str(out, "\r\n");
        else if (how == SPACES)
            prov_buf_add_str(out, " \t\n\n ");
    }
}

/* The request whose PEM this is, in another guise. */
static void disguise(struct prov_buf *out, struct prov_span der, int how)
{
    const char *label = how == OLD_LABEL     ? "NEW CERTIFICATE REQUEST"
                        : how == OTHER_LABEL ? "CERTIFICATE"
                                             : good_label;
    char *pem = csr_pem(der, label);

    prov_buf_clear(out);
    if (how == TEXT_BEFORE)
        prov_buf_add_str(out, "Certificate Request:\n");
    if (how == SPACES)
        prov_buf_add_str(out, " \r\n\t");
    if (how == NOTHING || how == ONLY_SPACES || how == ONLY_LINES || how == DER_ITSELF) {
        if (how == DER_ITSELF)
            prov_buf_add(out, der);
        else
            prov_buf_add_str(out, how == NOTHING       ? ""
                                  : how == ONLY_SPACES ? " \n"
                                                       : "-----BEGIN CERTIFICATE REQUEST-----\n"
                                                         "-----END CERTIFICATE REQUEST-----\n");
        free(pem);
        return;
    }
    if (how != NO_BEGIN)
        prov_buf_addf(out, "-----BEGIN %s-----\n", label);
    if (how == HEADER)
        prov_buf_add_str(out, "Proc-Type: 4,ENCRYPTED\n\n");
    if (how == BAD_CHARACTER)
        prov_buf_add_str(out, "MI_I");
    if (how == NUL_WITHIN)
        prov_buf_add_u8(out, 0);
    if (how == PAD_WITHIN)
        prov_buf_add_str(out, "====");
    add_body(out, pem, how == CRLF || how == SPACES || how == ONE_LINE ? how : AS_IT_IS);
    if (how == PAD_MORE)
        prov_buf_add_str(out, "====");
    if (how != NO_END)
        prov_buf_addf(out, "-----END %s-----\n", how == UNEQUAL_LABELS ? "CERTIFICATE" : label);
    if (how == TWICE)
        prov_buf_add_str(out, pem);
    if (how == TEXT_BEHIND)
        prov_buf_add_str(out, "x");
    if (how == NUL_BEHIND)
        prov_buf_add_u8(out, 0);
    if (how == SPACES)
        prov_buf_add_str(out, "\n \n");
    free(pem);
}

static void text_is_one_block_and_nothing_else(void **state)
{
    static const struct {
        int how;
        bool good;
    } rows[] = {
        { AS_IT_IS, true },        { CRLF, true },           { ONE_LINE, true },
        { SPACES, true },          { OLD_LABEL, true },      { OTHER_LABEL, false },
        { UNEQUAL_LABELS, false }, { TWICE, false },         { TEXT_BEFORE, false },
        { TEXT_BEHIND, false },    { NUL_WITHIN, false },    { NUL_BEHIND, false },
        { HEADER, false },         { BAD_CHARACTER, false }, { PAD_MORE, false },
        { PAD_WITHIN, false },     { NO_END, false },        { NO_BEGIN, false },
        { NOTHING, false },        { ONLY_SPACES, false },   { ONLY_LINES, false },
        { DER_ITSELF, false },
    };
    /* no, one and two characters of padding */
    static const char *const subjects[] = { "/CN=x", "/CN=xx", "/CN=xxx" };
    struct prov_buf text = { .max = 65536 };

    (void)state;
    for (size_t n = 0; n < PROV_COUNT(subjects); n++) {
        struct prov_buf der = csr_der(
            &(struct csr_spec){ .key = pki_key_shared(PKI_RSA_2048), .subject = subjects[n] });

        for (size_t i = 0; i < PROV_COUNT(rows); i++) {
            struct prov_err err = { .text = "" };
            struct prov_csr *csr;

            disguise(&text, prov_buf_span(&der), rows[i].how);
            if ((parse(prov_buf_span(&text), &csr, &err) == PROV_OK) != rows[i].good)
                fail_msg("%d: %s", rows[i].how, err.text);
            if (!rows[i].good)
                assert_string_equal(err.code, CODE);
            prov_csr_free(csr);
        }
        prov_buf_release(&der);
    }
    prov_buf_release(&text);
}

static void long_text_is_not_looked_at(void **state)
{
    static const size_t sizes[] = { PROV_MAX_CSR + 1, 65536 };
    struct prov_buf der = csr_der(&(struct csr_spec){ .key = pki_key_shared(PKI_P256) });
    char *pem = csr_pem(prov_buf_span(&der), NULL);
    struct prov_buf text = { .max = 65536 };
    struct prov_err err;
    struct prov_csr *csr;

    (void)state;
    prov_buf_add_str(&text, pem);
    while (text.n < PROV_MAX_CSR)
        prov_buf_add_u8(&text, '\n');
    assert_int_equal(parse(prov_buf_span(&text), &csr, NULL), PROV_OK);
    prov_csr_free(csr);
    for (size_t i = 0; i < PROV_COUNT(sizes); i++) {
        while (text.n < sizes[i])
            prov_buf_add_u8(&text, '\n');
        assert_int_equal(parse(prov_buf_span(&text), &csr, &err), PROV_ETOOBIG);
        assert_string_equal(err.code, CODE);
    }
    prov_buf_release(&text);
    prov_buf_release(&der);
    free(pem);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void running_out_of_memory_is_no_verdict(void **state)
{
    static const enum pki_key kinds[] = { PKI_P256, PKI_RSA_2048 };

    (void)state;
    for (size_t k = 0; k < PROV_COUNT(kinds); k++) {
        const struct csr_spec spec = { .key = pki_key_shared(kinds[k]) };
        struct prov_buf der = csr_der(&spec);
        char *pem = csr_pem(prov_buf_span(&der), NULL);
        struct prov_csr *csr;
        enum prov_rc rc;

        assert_int_equal(parse(prov_span_str(pem), &csr, NULL), PROV_OK); /* warms OpenSSL up */
        prov_csr_free(csr);
        for (unsigned n = 1;; n++) {
            alloc_fail_at(n);
            alloc_count_openssl(true);
            rc = prov_csr_parse(prov_span_str(pem), &csr, NULL);
            alloc_count_openssl(false);
            if (!alloc_failed())
                break;
            /* OpenSSL does without some of what it asks for */
            if (rc != PROV_OK && rc != PROV_ENOMEM && (alloc_openssl_tells() || rc != PROV_EINVAL))
                fail_msg("allocation %u of key %zu: %s", n, k, prov_rc_name(rc));
            assert_int_equal(csr == NULL, rc != PROV_OK);
            prov_csr_free(csr);
            assert_int_equal(ERR_peek_error(), 0);
        }
        assert_int_equal(rc, PROV_OK);
        prov_csr_free(csr);
        prov_buf_release(&der);
        free(pem);
    }
}

static void reader_that_cannot_be_made_leaves_nothing(void **state)
{
    struct prov_csr_reader *reader;
    enum prov_rc rc;

    (void)state;
    for (unsigned n = 1;; n++) {
        alloc_fail_at(n);
        alloc_count_openssl(true);
        rc = prov_csr_reader_new(&reader);
        alloc_count_openssl(false);
        if (!alloc_failed())
            break;
        assert_true(rc == PROV_OK || rc == PROV_ENOMEM);
        assert_int_equal(reader == NULL, rc != PROV_OK);
        prov_csr_reader_free(reader);
    }
    assert_int_equal(rc, PROV_OK);
    prov_csr_reader_free(reader);
    prov_csr_reader_free(NULL);
    prov_csr_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_says_subject_and_key),
        cmocka_unit_test(algorithms_are_those_of_certificates),
        cmocka_unit_test(salt_of_any_length_will_do),
        cmocka_unit_test(parameters_of_an_algorithm_may_be_null_or_missing),
        cmocka_unit_test(bad_pss_parameters_are_refused),
        cmocka_unit_test(weak_and_foreign_keys_are_refused),
        cmocka_unit_test(keys_that_are_none_are_refused),
        cmocka_unit_test(compressed_points_are_points),
        cmocka_unit_test(key_that_anybody_can_sign_with_is_refused),
        cmocka_unit_test(signature_must_be_by_the_key_itself),
        cmocka_unit_test(no_byte_of_a_request_can_be_another),
        cmocka_unit_test(request_that_ends_early_or_late_is_refused),
        cmocka_unit_test(other_forms_of_the_same_are_refused),
        cmocka_unit_test(other_versions_are_refused),
        cmocka_unit_test(attributes_are_ignored_as_long_as_they_are_some),
        cmocka_unit_test(subject_is_a_name_of_text),
        cmocka_unit_test(text_is_one_block_and_nothing_else),
        cmocka_unit_test(long_text_is_not_looked_at),
        cmocka_unit_test(running_out_of_memory_is_no_verdict),
        cmocka_unit_test(reader_that_cannot_be_made_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
