/*
 * Certificates that we sign, certificates that others signed for us, and a CA of one's own.
 *
 * ctest labels: tsan
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

#include "core/issue.h"
#include "core/limits.h"
#include "support/alloc.h"
#include "support/csr.h"
#include "support/pki.h"

#define T0 1700000000 /* 2023-11-14T22:13:20Z */
#define DAY_S INT64_C(86400)

static struct pki_cert ca_of(enum pki_key kind, int64_t not_before_s, int64_t not_after_s)
{
    return pki_make(&(struct pki_spec){ .subject = "/O=Maker/CN=Issuing CA",
                                        .ca = true,
                                        .use_key = pki_key_shared(kind),
                                        .now_s = T0,
                                        .not_before_s = not_before_s,
                                        .not_after_s = not_after_s });
}

static struct prov_issuer *issuer_of(const struct pki_cert *ca)
{
    struct prov_err err = { .text = "" };
    struct prov_issuer *issuer;

    if (prov_issuer_new(ca->x509, ca->key, T0, &issuer, &err) != PROV_OK)
        fail_msg("%s", err.text);
    assert_int_equal(ERR_peek_error(), 0);
    return issuer;
}

static struct prov_issuer *new_issuer(enum pki_key kind)
{
    struct pki_cert ca = ca_of(kind, -10 * DAY_S, 40000 * DAY_S);
    struct prov_issuer *issuer = issuer_of(&ca);

    pki_free(&ca); /* it has references of its own */
    return issuer;
}

/* A public key of this kind, the same each time. */
static struct prov_buf spki_of(enum pki_key kind)
{
    struct prov_buf out = { .max = 4096 };
    unsigned char *der = NULL;
    const int n = i2d_PUBKEY(pki_key_shared(kind), &der);

    prov_buf_add(&out, prov_span(der, (size_t)n));
    OPENSSL_free(der);
    return out;
}

/* Decodes strictly, and is signed by the issuer. */
static X509 *issued(const struct prov_issuer *issuer, const struct prov_issue *what)
{
    struct prov_buf der = { .max = PROV_MAX_CERT_DER };
    struct prov_err err = { .text = "" };
    X509 *cert;

    if (prov_issue(issuer, what, &der, &err) != PROV_OK)
        fail_msg("%s", err.text);
    assert_int_equal(prov_ident_decode(prov_buf_span(&der), &cert, NULL), PROV_OK);
    assert_true(prov_cert_signed_by(cert, (X509 *)(uintptr_t)prov_issuer_cert(issuer)));
    assert_int_equal(ERR_peek_error(), 0);
    prov_buf_release(&der);
    return cert;
}

static enum prov_rc try_issue(const struct prov_issuer *issuer, const struct prov_issue *what,
                              struct prov_err *err)
{
    struct prov_buf der = { .max = PROV_MAX_CERT_DER };
    const enum prov_rc rc = prov_issue(issuer, what, &der, err);

    assert_int_equal(der.n != 0, rc == PROV_OK);
    assert_int_equal(ERR_peek_error(), 0);
    prov_buf_release(&der);
    return rc;
}

/* ---- what is issued -------------------------------------------------------------------------- */

static void assert_verifies(X509 *cert, const struct prov_issuer *issuer, int64_t at_s)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();

    X509_STORE_add_cert(store, (X509 *)(uintptr_t)prov_issuer_cert(issuer));
    X509_STORE_CTX_init(ctx, store, cert, NULL);
    X509_STORE_CTX_set_time(ctx, 0, (time_t)at_s);
    X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_X509_STRICT | X509_V_FLAG_CHECK_SS_SIGNATURE);
    X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_SSL_CLIENT);
    if (X509_verify_cert(ctx) != 1)
        fail_msg("%s", X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
}

/* Reference 5.2, and nothing else. */
static void assert_extensions(X509 *cert, const struct prov_issuer *issuer)
{
    static const struct {
        int nid, critical;
    } rows[] = {
        { NID_authority_key_identifier, 0 },
        { NID_subject_key_identifier, 0 },
        { NID_basic_constraints, 1 },
        { NID_key_usage, 1 },
    };
    const ASN1_BIT_STRING *bits = X509_get0_pubkey_bitstr(cert);
    uint8_t hash[SHA_DIGEST_LENGTH];
    const ASN1_OCTET_STRING *id;

    assert_int_equal(X509_get_ext_count(cert), PROV_COUNT(rows));
    for (int i = 0; i < (int)PROV_COUNT(rows); i++) {
        X509_EXTENSION *ext = X509_get_ext(cert, i);

        assert_int_equal(OBJ_obj2nid(X509_EXTENSION_get_object(ext)), rows[i].nid);
        assert_int_equal(X509_EXTENSION_get_critical(ext), rows[i].critical);
    }
    assert_int_equal(X509_check_ca(cert), 0);
    assert_int_equal(X509_get_key_usage(cert), KU_DIGITAL_SIGNATURE);
    assert_int_equal(X509_get_pathlen(cert), -1);
    SHA1(ASN1_STRING_get0_data(bits), (size_t)ASN1_STRING_length(bits), hash);
    id = X509_get0_subject_key_id(cert);
    assert_true(prov_span_eq(prov_span(ASN1_STRING_get0_data(id), (size_t)ASN1_STRING_length(id)),
                             prov_span(hash, sizeof hash)));
    assert_int_equal(ASN1_OCTET_STRING_cmp(
                         X509_get0_authority_key_id(cert),
                         X509_get0_subject_key_id((X509 *)(uintptr_t)prov_issuer_cert(issuer))),
                     0);
}

static void certificate_is_what_aws_iot_makes(void **state)
{
    static const struct {
        enum pki_key issuer, device;
        int signature;
    } rows[] = {
        { PKI_P256, PKI_P256, NID_ecdsa_with_SHA256 },
        { PKI_P256, PKI_P384, NID_ecdsa_with_SHA256 },
        { PKI_P256, PKI_P521, NID_ecdsa_with_SHA256 },
        { PKI_P256, PKI_RSA_2048, NID_ecdsa_with_SHA256 },
        { PKI_P384, PKI_P256, NID_ecdsa_with_SHA384 },
        { PKI_P521, PKI_P256, NID_ecdsa_with_SHA512 },
        { PKI_RSA_2048, PKI_P256, NID_sha256WithRSAEncryption },
        { PKI_RSA_2048, PKI_RSA_2048, NID_sha256WithRSAEncryption },
        { PKI_RSA_PSS_2048, PKI_P256, NID_rsassaPss },
    };
    struct prov_buf subject = csr_name("/O=Maker/CN=dev-1");

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct prov_issuer *issuer = new_issuer(rows[i].issuer);
        struct prov_buf spki = spki_of(rows[i].device);
        struct prov_issue what = { prov_buf_span(&subject), prov_buf_span(&spki), T0, T0 + DAY_S };
        X509 *cert = issued(issuer, &what);
        const unsigned char *name;
        int64_t from_s, until_s;
        size_t n;

        assert_int_equal(X509_get_version(cert), X509_VERSION_3);
        assert_int_equal(X509_get_signature_nid(cert), rows[i].signature);
        assert_int_equal(X509_NAME_get0_der(X509_get_subject_name(cert), &name, &n), 1);
        assert_true(prov_span_eq(prov_span(name, n), prov_buf_span(&subject)));
        assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(cert), pki_key_shared(rows[i].device)), 1);
        assert_true(prov_cert_validity(cert, &from_s, &until_s));
        assert_int_equal(from_s, T0);
        assert_int_equal(until_s, T0 + DAY_S);
        assert_int_equal(prov_cert_check_leaf(cert, T0), PROV_CERT_GOOD);
        assert_extensions(cert, issuer);
        assert_verifies(cert, issuer, T0);
        X509_free(cert);
        prov_buf_release(&spki);
        prov_issuer_free(issuer);
    }
    prov_buf_release(&subject);
}

static void subject_that_is_left_out_is_aws_iots(void **state)
{
    struct prov_issuer *issuer = new_issuer(PKI_P256);
    struct prov_buf spki = spki_of(PKI_P256);
    struct prov_issue what = { .spki = prov_buf_span(&spki),
                               .not_before_s = T0,
                               .not_after_s = T0 + 1 };
    struct prov_ident *ident;
    X509 *cert;

    (void)state;
    cert = issued(issuer, &what);
    assert_int_equal(prov_ident_new(cert, &ident, NULL), PROV_OK);
    assert_true(prov_span_eq_str(ident->subject_text, "CN=AWS IoT Certificate"));
    prov_ident_free(ident);
    X509_free(cert);
    what.subject = PROV_LIT("\x30\x00"); /* the empty name is a name */
    cert = issued(issuer, &what);
    assert_int_equal(X509_NAME_entry_count(X509_get_subject_name(cert)), 0);
    X509_free(cert);
    prov_buf_release(&spki);
    prov_issuer_free(issuer);
}

static void serial_is_random_positive_and_twenty_bytes_long(void **state)
{
    struct prov_issuer *issuer = new_issuer(PKI_P256);
    struct prov_buf spki = spki_of(PKI_P256);
    const struct prov_issue what = { .spki = prov_buf_span(&spki),
                                     .not_before_s = T0,
                                     .not_after_s = T0 + 1 };
    uint8_t seen[200][20];

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(seen); i++) {
        X509 *cert = issued(issuer, &what);
        const ASN1_INTEGER *serial = X509_get0_serialNumber(cert);

        assert_int_equal(ASN1_STRING_type(serial), V_ASN1_INTEGER);
        assert_int_equal(ASN1_STRING_length(serial), 20);
        memcpy(seen[i], ASN1_STRING_get0_data(serial), 20);
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(seen[k], seen[i], 20);
        X509_free(cert);
    }
    prov_buf_release(&spki);
    prov_issuer_free(issuer);
}

/* ---- validity -------------------------------------------------------------------------------- */

static void validity_is_cut_to_the_issuers(void **state)
{
    struct pki_cert ca = ca_of(PKI_P256, -100, 1000);
    struct prov_issuer *issuer = issuer_of(&ca);
    struct prov_buf spki = spki_of(PKI_P256);
    static const struct {
        int64_t from, until; /* asked for, from T0 */
        enum prov_rc rc;
        int64_t got_from, got_until;
    } rows[] = {
        { 0, 10, PROV_OK, 0, 10 },           { -100, 1000, PROV_OK, -100, 1000 },
        { -101, 1001, PROV_OK, -100, 1000 }, { INT64_MIN / 2, INT64_MAX / 2, PROV_OK, -100, 1000 },
        { 1000, 2000, PROV_OK, 1000, 1000 }, { 1001, 2000, PROV_ESIGNER, 0, 0 },
        { 10, 9, PROV_EINVAL, 0, 0 },        { -300, -200, PROV_EINVAL, 0, 0 },
    };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        const struct prov_issue what = { .spki = prov_buf_span(&spki),
                                         .not_before_s = T0 + rows[i].from,
                                         .not_after_s = T0 + rows[i].until };
        int64_t from_s, until_s;
        X509 *cert;

        if (rows[i].rc != PROV_OK) {
            assert_int_equal(try_issue(issuer, &what, NULL), rows[i].rc);
            continue;
        }
        cert = issued(issuer, &what);
        assert_true(prov_cert_validity(cert, &from_s, &until_s));
        assert_int_equal(from_s, T0 + rows[i].got_from);
        assert_int_equal(until_s, T0 + rows[i].got_until);
        X509_free(cert);
    }
    prov_buf_release(&spki);
    prov_issuer_free(issuer);
    pki_free(&ca);
}

/* RFC 5280 section 4.1.2.5: two digits through 2049, four from then on. */
static void years_have_two_digits_through_2049(void **state)
{
    static const struct {
        int64_t s;
        int type;
        const char *text;
    } rows[] = {
        { 0, V_ASN1_UTCTIME, "700101000000Z" },
        { -631152000, V_ASN1_UTCTIME, "500101000000Z" },
        { -631152001, V_ASN1_GENERALIZEDTIME, "19491231235959Z" },
        { 951782399, V_ASN1_UTCTIME, "000228235959Z" },
        { 951782400, V_ASN1_UTCTIME, "000229000000Z" },
        { 2524607999, V_ASN1_UTCTIME, "491231235959Z" }, /* AWS IoT's notAfter */
        { 2524608000, V_ASN1_GENERALIZEDTIME, "20500101000000Z" },
        { 253402300799, V_ASN1_GENERALIZEDTIME, "99991231235959Z" },
    };
    struct pki_cert ca = ca_of(PKI_P256, -631152001 - (int64_t)T0, 253402300799 - (int64_t)T0);
    struct prov_issuer *issuer = issuer_of(&ca);
    struct prov_buf spki = spki_of(PKI_P256);

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        const struct prov_issue what = { .spki = prov_buf_span(&spki),
                                         .not_before_s = rows[i].s,
                                         .not_after_s = rows[i].s };
        X509 *cert = issued(issuer, &what);
        const ASN1_TIME *both[] = { X509_get0_notBefore(cert), X509_get0_notAfter(cert) };

        for (size_t k = 0; k < 2; k++) {
            assert_int_equal(ASN1_STRING_type(both[k]), rows[i].type);
            assert_true(prov_span_eq_str(
                prov_span(ASN1_STRING_get0_data(both[k]), (size_t)ASN1_STRING_length(both[k])),
                rows[i].text));
        }
        X509_free(cert);
    }
    prov_buf_release(&spki);
    prov_issuer_free(issuer);
    pki_free(&ca);
}

static void validity_starts_early_and_ends_in_9999_at_the_latest(void **state)
{
    static const struct {
        int64_t days, until_s;
    } rows[] = {
        { 1, T0 + DAY_S },
        { 3650, T0 + 3650 * DAY_S },
        { 3000000, 253402300799 },
        { INT64_MAX, 253402300799 },
    };
    int64_t from_s, until_s;

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        prov_issue_validity(T0, rows[i].days, &from_s, &until_s);
        assert_int_equal(from_s, T0 - 300);
        assert_int_equal(until_s, rows[i].until_s);
    }
}

/* ---- refusals -------------------------------------------------------------------------------- */

static void what_is_no_name_or_key_is_not_signed(void **state)
{
    static const enum pki_key bad_keys[] = { PKI_RSA_1024, PKI_P256K1, PKI_P256_EXPLICIT,
                                             PKI_RSA_PSS_2048, PKI_ED25519 };
    struct prov_issuer *issuer = new_issuer(PKI_P256);
    struct prov_buf spki = spki_of(PKI_P256);
    struct prov_issue what = { .not_before_s = T0, .not_after_s = T0 + 1 };
    struct prov_err err;

    (void)state;
    assert_int_equal(try_issue(issuer, &what, &err), PROV_EINVAL);
    what.spki = PROV_LIT("\x30\x00");
    assert_int_equal(try_issue(issuer, &what, &err), PROV_EINVAL);
    /* P-256, with a point of one byte */
    what.spki = PROV_LIT("\x30\x19\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01"
                         "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x02\x00\x04");
    assert_int_equal(try_issue(issuer, &what, &err), PROV_EINVAL);
    for (size_t i = 0; i < PROV_COUNT(bad_keys); i++) {
        struct prov_buf bad = spki_of(bad_keys[i]);

        what.spki = prov_buf_span(&bad);
        assert_int_equal(try_issue(issuer, &what, &err), PROV_EINVAL);
        assert_non_null(strstr(err.text, "key"));
        prov_buf_release(&bad);
    }
    for (size_t n = 0; n < spki.n; n++) {
        what.spki = prov_span(spki.p, n);
        assert_int_equal(try_issue(issuer, &what, &err), PROV_EINVAL);
    }
    what.spki = prov_buf_span(&spki);
    what.subject = PROV_LIT("\x30\x01");
    assert_int_equal(try_issue(issuer, &what, &err), PROV_EINVAL);
    what.subject = PROV_LIT("/CN=x");
    assert_int_equal(try_issue(issuer, &what, &err), PROV_EINVAL);
    assert_non_null(strstr(err.text, "subject"));
    prov_buf_release(&spki);
    prov_issuer_free(issuer);
}

static struct prov_buf subject_of(size_t units)
{
    struct prov_buf text = { .max = 1 << 20 }, out;

    for (size_t i = 0; i < units; i++)
        prov_buf_add_str(&text, "/OU=a unit with a name that is as long as any should be");
    out = csr_name(prov_buf_cstr(&text));
    prov_buf_release(&text);
    return out;
}

static void subject_may_be_long_but_not_longer_than_a_certificate(void **state)
{
    struct prov_issuer *issuer = new_issuer(PKI_RSA_2048);
    struct prov_buf spki = spki_of(PKI_RSA_2048);
    static const struct {
        size_t units;
        enum prov_rc rc;
    } rows[] = { { 1, PROV_OK }, { 60, PROV_OK }, { 150, PROV_OK }, { 300, PROV_EINVAL } };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct prov_buf subject = subject_of(rows[i].units);
        const struct prov_issue what = { prov_buf_span(&subject), prov_buf_span(&spki), T0,
                                         T0 + 1 };

        if (rows[i].rc == PROV_OK)
            X509_free(issued(issuer, &what));
        else
            assert_int_equal(try_issue(issuer, &what, NULL), rows[i].rc);
        prov_buf_release(&subject);
    }
    prov_buf_release(&spki);
    prov_issuer_free(issuer);
}

static void certificate_is_appended_or_nothing_is(void **state)
{
    struct prov_issuer *issuer = new_issuer(PKI_P256);
    struct prov_buf spki = spki_of(PKI_P256), out = { .max = 100 };
    const struct prov_issue what = { .spki = prov_buf_span(&spki),
                                     .not_before_s = T0,
                                     .not_after_s = T0 + 1 };

    (void)state;
    prov_buf_add_str(&out, "before");
    assert_int_equal(prov_issue(issuer, &what, &out, NULL), PROV_ETOOBIG);
    assert_true(prov_span_eq_str(prov_buf_span(&out), "before"));
    out.rc = PROV_OK;
    out.max = 4096;
    assert_int_equal(prov_issue(issuer, &what, &out, NULL), PROV_OK);
    assert_true(prov_span_starts(prov_buf_span(&out), PROV_LIT("before\x30")));
    prov_buf_release(&out);
    prov_buf_release(&spki);
    prov_issuer_free(issuer);
}

/* ---- issuers --------------------------------------------------------------------------------- */

static void issuer_is_a_good_ca_with_its_key(void **state)
{
    static const struct {
        struct pki_spec spec;
        const char *word; /* NULL: it is */
    } rows[] = {
        { { .ca = true }, NULL },
        { { .ca = true, .no_key_ids = true }, NULL },
        { { .ca = true, .pathlen = 1 }, NULL },
        { { .ca = false }, "no CA" },
        { { .ca = true, .key = PKI_RSA_1024 }, "weak" },
        { { .ca = true, .key = PKI_P256K1 }, "weak" },
        { { .ca = true, .key_usage = "cRLSign" }, "no CA" },
        { { .ca = true, .v1 = true }, "version 3" },
        { { .ca = true, .digest = "SHA1" }, "SHA-1" },
        { { .ca = true, .not_before_s = 10, .not_after_s = 20 }, "not valid yet" },
        { { .ca = true, .not_before_s = -20, .not_after_s = -10 }, "expired" },
    };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct pki_spec spec = rows[i].spec;
        struct prov_err err = { .text = "" };
        struct prov_issuer *issuer;
        struct pki_cert ca;
        enum prov_rc rc;

        spec.now_s = T0;
        spec.use_key = pki_key_shared(spec.key);
        ca = pki_make(&spec);
        rc = prov_issuer_new(ca.x509, ca.key, T0, &issuer, &err);
        if (rc != (rows[i].word == NULL ? PROV_OK : PROV_EINVAL))
            fail_msg("row %zu: %s %s", i, prov_rc_name(rc), err.text);
        if (rows[i].word != NULL && strstr(err.text, rows[i].word) == NULL)
            fail_msg("row %zu: %s", i, err.text);
        assert_int_equal(issuer == NULL, rc != PROV_OK);
        assert_int_equal(ERR_peek_error(), 0);
        prov_issuer_free(issuer);
        pki_free(&ca);
    }
}

static void issuer_with_another_key_is_refused(void **state)
{
    static const enum pki_key others[] = { PKI_P256, PKI_P384, PKI_RSA_2048, PKI_ED25519 };
    struct pki_cert ca = ca_of(PKI_P256, -1, 1000);
    struct prov_issuer *issuer;
    struct prov_err err;

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(others); i++) {
        EVP_PKEY *key = pki_key_new(others[i]);

        assert_int_equal(prov_issuer_new(ca.x509, key, T0, &issuer, &err), PROV_EINVAL);
        assert_non_null(strstr(err.text, "key"));
        assert_null(issuer);
        EVP_PKEY_free(key);
    }
    prov_issuer_free(NULL);
    pki_free(&ca);
}

static void issuer_says_which_it_is(void **state)
{
    struct pki_cert ca = ca_of(PKI_P256, -1, 1000);
    struct prov_issuer *issuer = issuer_of(&ca);
    struct prov_id id;

    (void)state;
    assert_int_equal(prov_ident_id(ca.x509, &id), PROV_OK);
    assert_true(prov_id_eq(prov_issuer_id(issuer), &id));
    assert_int_equal(X509_cmp(prov_issuer_cert(issuer), ca.x509), 0);
    prov_issuer_free(issuer);
    pki_free(&ca);
}

static void add_short_key_id(X509 *cert)
{
    X509_EXTENSION *ext =
        X509V3_EXT_conf_nid(NULL, NULL, NID_subject_key_identifier, "01:02:03:04");

    assert_non_null(ext);
    assert_int_equal(X509_add_ext(cert, ext, -1), 1);
    X509_EXTENSION_free(ext);
}

static void authority_is_named_as_it_names_itself(void **state)
{
    struct pki_cert ca = pki_make(&(struct pki_spec){ .ca = true,
                                                      .no_key_ids = true,
                                                      .edit = add_short_key_id,
                                                      .use_key = pki_key_shared(PKI_P256),
                                                      .now_s = T0 });
    struct prov_issuer *issuer = issuer_of(&ca);
    struct prov_buf spki = spki_of(PKI_P384);
    const struct prov_issue what = { .spki = prov_buf_span(&spki),
                                     .not_before_s = T0,
                                     .not_after_s = T0 + 1 };
    X509 *cert = issued(issuer, &what);

    (void)state;
    assert_extensions(cert, issuer);
    assert_int_equal(ASN1_STRING_length(X509_get0_authority_key_id(cert)), 4);
    X509_free(cert);
    prov_buf_release(&spki);
    prov_issuer_free(issuer);
    pki_free(&ca);
}

/* A CA without key identifier gets the one that RFC 5280 would give it. */
static void authority_without_identifier_is_named_by_its_keys_hash(void **state)
{
    struct pki_cert ca = pki_make(&(struct pki_spec){
        .ca = true, .no_key_ids = true, .use_key = pki_key_shared(PKI_P256), .now_s = T0 });
    struct prov_issuer *issuer = issuer_of(&ca);
    struct prov_buf spki = spki_of(PKI_P256);
    const struct prov_issue what = { .spki = prov_buf_span(&spki),
                                     .not_before_s = T0,
                                     .not_after_s = T0 + 1 };
    X509 *cert = issued(issuer, &what); /* for the same key */

    (void)state;
    assert_int_equal(
        ASN1_OCTET_STRING_cmp(X509_get0_authority_key_id(cert), X509_get0_subject_key_id(cert)), 0);
    X509_free(cert);
    prov_buf_release(&spki);
    prov_issuer_free(issuer);
    pki_free(&ca);
}

/* ---- threads --------------------------------------------------------------------------------- */

#define THREADS 4
#define PER_THREAD 50

struct work {
    pthread_t thread;
    const struct prov_issuer *issuer;
    const struct prov_csr_reader *reader;
    struct prov_span pem;
    struct prov_buf der[PER_THREAD];
    enum prov_rc rc;
};

/* One request after the other is read and answered. */
static void *issue_many(void *arg)
{
    struct work *w = arg;

    for (size_t i = 0; i < PER_THREAD && w->rc == PROV_OK; i++) {
        struct prov_issue what = { .not_before_s = T0, .not_after_s = T0 + 1 };
        struct prov_csr *csr;

        prov_buf_init(&w->der[i], PROV_MAX_CERT_DER);
        w->rc = prov_csr_read(w->reader, w->pem, &csr, NULL);
        if (w->rc != PROV_OK)
            break;
        what.subject = csr->subject;
        what.spki = csr->spki;
        w->rc = prov_issue(w->issuer, &what, &w->der[i], NULL);
        prov_csr_free(csr);
    }
    return NULL;
}

static void threads_share_an_issuer_and_a_reader(void **state)
{
    static const enum pki_key kinds[] = { PKI_P256, PKI_RSA_2048 };
    struct prov_buf der = csr_der(&(struct csr_spec){ .key = pki_key_shared(PKI_P256) });
    char *pem = csr_pem(prov_buf_span(&der), NULL);
    struct prov_csr_reader *reader;
    struct work work[THREADS];

    (void)state;
    assert_int_equal(prov_csr_reader_new(&reader), PROV_OK);
    for (size_t k = 0; k < PROV_COUNT(kinds); k++) {
        struct prov_issuer *issuer = new_issuer(kinds[k]);

        memset(work, 0, sizeof work);
        for (size_t i = 0; i < THREADS; i++) {
            work[i].issuer = issuer;
            work[i].reader = reader;
            work[i].pem = prov_span_str(pem);
            assert_int_equal(pthread_create(&work[i].thread, NULL, issue_many, &work[i]), 0);
        }
        for (size_t i = 0; i < THREADS; i++)
            assert_int_equal(pthread_join(work[i].thread, NULL), 0);
        for (size_t i = 0; i < THREADS; i++) {
            assert_int_equal(work[i].rc, PROV_OK);
            for (size_t n = 0; n < PER_THREAD; n++) {
                X509 *cert;

                assert_int_equal(prov_ident_decode(prov_buf_span(&work[i].der[n]), &cert, NULL),
                                 PROV_OK);
                assert_true(prov_cert_signed_by(cert, (X509 *)(uintptr_t)prov_issuer_cert(issuer)));
                X509_free(cert);
                prov_buf_release(&work[i].der[n]);
            }
        }
        prov_issuer_free(issuer);
    }
    prov_csr_reader_free(reader);
    prov_buf_release(&der);
    free(pem);
}

/* ---- what others issued ---------------------------------------------------------------------- */

static struct prov_csr *csr_of(const struct csr_spec *spec)
{
    struct prov_buf der = csr_der(spec);
    char *pem = csr_pem(prov_buf_span(&der), NULL);
    struct prov_csr *csr;

    assert_int_equal(prov_csr_parse(prov_span_str(pem), &csr, NULL), PROV_OK);
    free(pem);
    prov_buf_release(&der);
    return csr;
}

static void answer_has_the_requests_subject_and_key(void **state)
{
    static const struct {
        struct pki_spec spec;
        const char *word; /* NULL: it is one */
    } rows[] = {
        { { .subject = "/O=Maker/CN=dev-1" }, NULL },
        { { .subject = "/O=Maker/CN=dev-1", .eku = "clientAuth", .san = "DNS:dev-1" }, NULL },
        { { .subject = "/O=Maker/CN=dev-2" }, "subject" },
        { { .subject = "/O=Maker/CN=Dev-1" }, "subject" },
        { { .subject = "/CN=dev-1/O=Maker" }, "subject" },
        { { .subject = "/CN=dev-1" }, "subject" },
        { { .subject = "/O=Maker/CN=dev-1/CN=dev-1" }, "subject" },
        { { .subject = "" }, "subject" },
        { { .subject = "/O=Maker/CN=dev-1", .key = PKI_P384 }, "key" },
        { { .subject = "/O=Maker/CN=dev-1", .key = PKI_RSA_2048 }, "key" },
        { { .subject = "/O=Maker/CN=dev-1", .key = PKI_ED25519 }, "key" },
        { { .subject = "/O=Maker/CN=dev-1", .ca = true }, "CA" },
        { { .subject = "/O=Maker/CN=dev-1", .digest = "SHA1" }, "SHA-1" },
        { { .subject = "/O=Maker/CN=dev-1", .eku = "serverAuth" }, "client" },
        { { .subject = "/O=Maker/CN=dev-1", .not_before_s = -2, .not_after_s = -1 }, "expired" },
        { { .subject = "/O=Maker/CN=dev-1", .not_before_s = 1, .not_after_s = 2 }, "yet" },
    };
    struct prov_csr *csr = csr_of(
        &(struct csr_spec){ .key = pki_key_shared(PKI_P256), .subject = "/O=Maker/CN=dev-1" });

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct pki_spec spec = rows[i].spec;
        struct prov_err err = { .text = "" };
        struct pki_cert cert;
        enum prov_rc rc;

        spec.now_s = T0;
        spec.use_key = pki_key_shared(spec.key);
        cert = pki_make(&spec);
        rc = prov_issue_answers(cert.x509, csr, T0, &err);
        if (rc != (rows[i].word == NULL ? PROV_OK : PROV_EINVAL) ||
            (rows[i].word != NULL && strstr(err.text, rows[i].word) == NULL))
            fail_msg("row %zu: %s", i, err.text);
        assert_int_equal(ERR_peek_error(), 0);
        pki_free(&cert);
    }
    prov_csr_free(csr);
}

static void answer_to_a_stranger_with_the_same_name_is_refused(void **state)
{
    struct prov_csr *csr = csr_of(&(struct csr_spec){ .key = pki_key_shared(PKI_P256) });
    struct pki_cert cert = pki_make(&(struct pki_spec){ .now_s = T0 }); /* a key of its own */
    struct prov_err err;

    (void)state;
    assert_int_equal(prov_issue_answers(cert.x509, csr, T0, &err), PROV_EINVAL);
    assert_non_null(strstr(err.text, "key"));
    pki_free(&cert);
    prov_csr_free(csr);
}

/* CAs choose the string type, and devices with small libraries do as well. */
static void answer_may_have_other_string_types(void **state)
{
    static const struct prov_span printable = {
        (const uint8_t *)"\x30\x0f\x31\x0d\x30\x0b\x06\x03\x55\x04\x03\x13\x04test", 17
    };
    struct prov_csr *csr =
        csr_of(&(struct csr_spec){ .key = pki_key_shared(PKI_P256), .subject_der = printable });
    struct pki_cert cert = pki_make(&(struct pki_spec){
        .subject = "/CN=test", .use_key = pki_key_shared(PKI_P256), .now_s = T0 });
    const unsigned char *name;
    size_t n;

    (void)state;
    assert_int_equal(X509_NAME_get0_der(X509_get_subject_name(cert.x509), &name, &n), 1);
    assert_false(prov_span_eq(prov_span(name, n), printable));
    assert_int_equal(prov_issue_answers(cert.x509, csr, T0, NULL), PROV_OK);
    pki_free(&cert);
    prov_csr_free(csr);
}

static void what_we_issue_answers_the_request(void **state)
{
    static const enum pki_key kinds[] = { PKI_P256, PKI_P384, PKI_P521, PKI_RSA_2048 };
    struct prov_issuer *issuer = new_issuer(PKI_P256);

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(kinds); i++) {
        struct prov_csr *csr = csr_of(&(struct csr_spec){ .key = pki_key_shared(kinds[i]) });
        const struct prov_issue what = { csr->subject, csr->spki, T0, T0 + 1 };
        X509 *cert = issued(issuer, &what);

        assert_int_equal(prov_issue_answers(cert, csr, T0, NULL), PROV_OK);
        X509_free(cert);
        prov_csr_free(csr);
    }
    prov_issuer_free(issuer);
}

/* ---- a CA of one's own ----------------------------------------------------------------------- */

static void ca_of_ones_own_issues(void **state)
{
    static const enum prov_key_type types[] = { PROV_KEY_EC_P256, PROV_KEY_RSA2048 };
    struct prov_buf spki = spki_of(PKI_P256);

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(types); i++) {
        const struct prov_issue what = { .spki = prov_buf_span(&spki),
                                         .not_before_s = T0,
                                         .not_after_s = T0 + DAY_S };
        struct prov_issuer *issuer;
        struct prov_ident *ident;
        EVP_PKEY *key;
        X509 *ca, *cert;

        assert_int_equal(prov_issuer_make(types[i], PROV_LIT("Fabrik \xc3\xa6"), T0,
                                          T0 + 3650 * DAY_S, &key, &ca, NULL),
                         PROV_OK);
        assert_int_equal(prov_cert_check_ca(ca, T0), PROV_CERT_GOOD);
        assert_int_equal(X509_get_pathlen(ca), 0);
        assert_int_equal(X509_get_key_usage(ca), KU_KEY_CERT_SIGN | KU_CRL_SIGN);
        assert_true(prov_cert_signed_by(ca, ca));
        assert_int_equal(prov_ident_new(ca, &ident, NULL), PROV_OK);
        assert_true(prov_span_eq_str(ident->subject_text, "CN=Fabrik \xc3\xa6"));
        assert_true(ident->self_issued);
        assert_int_equal(ident->not_before_s, T0);
        assert_int_equal(ident->not_after_s, T0 + 3650 * DAY_S);
        assert_int_equal(ident->serial_hex.n, 40);
        prov_ident_free(ident);

        assert_int_equal(prov_issuer_new(ca, key, T0, &issuer, NULL), PROV_OK);
        cert = issued(issuer, &what);
        assert_extensions(cert, issuer);
        assert_verifies(cert, issuer, T0);
        X509_free(cert);
        prov_issuer_free(issuer);
        X509_free(ca);
        EVP_PKEY_free(key);
    }
    prov_buf_release(&spki);
}

static void ca_without_name_or_validity_is_not_made(void **state)
{
    static const struct {
        struct prov_span name;
        int64_t from_s, until_s;
        bool good;
    } rows[] = {
        { { (const uint8_t *)"x", 1 }, T0, T0 + 1, true },
        { { (const uint8_t *)"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            64 },
          T0,
          T0 + 1,
          true },
        { { (const uint8_t *)"x", 1 }, 0, 253402300799, true },
        { { (const uint8_t *)"", 0 }, T0, T0 + 1, false },
        { { (const uint8_t *)"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdefx",
            65 },
          T0,
          T0 + 1,
          false },
        { { (const uint8_t *)"a\0b", 3 }, T0, T0 + 1, false },
        { { (const uint8_t *)"\xff", 1 }, T0, T0 + 1, false },
        { { (const uint8_t *)"x", 1 }, T0, T0 - 1, false },
        { { (const uint8_t *)"x", 1 }, -1, T0, false },
        { { (const uint8_t *)"x", 1 }, T0, 253402300800, false },
    };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        EVP_PKEY *key;
        X509 *cert;

        assert_int_equal(prov_issuer_make(PROV_KEY_EC_P256, rows[i].name, rows[i].from_s,
                                          rows[i].until_s, &key, &cert, NULL),
                         rows[i].good ? PROV_OK : PROV_EINVAL);
        assert_int_equal(cert != NULL, rows[i].good);
        assert_int_equal(key != NULL, rows[i].good);
        X509_free(cert);
        EVP_PKEY_free(key);
    }
}

/* ---- memory ---------------------------------------------------------------------------------- */

struct memory {
    struct pki_cert ca;
    struct prov_issuer *issuer;
    struct prov_issue what;
    struct prov_csr *csr;
    X509 *cert;
};

static enum prov_rc make_an_issuer(struct memory *m)
{
    struct prov_issuer *issuer;
    const enum prov_rc rc = prov_issuer_new(m->ca.x509, m->ca.key, T0, &issuer, NULL);

    assert_int_equal(issuer == NULL, rc != PROV_OK);
    prov_issuer_free(issuer);
    return rc;
}

static enum prov_rc issue_one(struct memory *m)
{
    struct prov_buf out = { .max = PROV_MAX_CERT_DER };
    const enum prov_rc rc = prov_issue(m->issuer, &m->what, &out, NULL);

    assert_int_equal(out.n != 0, rc == PROV_OK);
    prov_buf_release(&out);
    return rc;
}

static enum prov_rc check_an_answer(struct memory *m)
{
    return prov_issue_answers(m->cert, m->csr, T0, NULL);
}

static enum prov_rc make_a_ca(struct memory *m)
{
    EVP_PKEY *key;
    X509 *cert;
    enum prov_rc rc;

    (void)m;
    rc = prov_issuer_make(PROV_KEY_EC_P256, PROV_LIT("x"), T0, T0 + 1, &key, &cert, NULL);
    assert_int_equal(cert == NULL, rc != PROV_OK);
    assert_int_equal(key == NULL, rc != PROV_OK);
    X509_free(cert);
    EVP_PKEY_free(key);
    return rc;
}

static void running_out_of_memory_is_no_verdict(void **state)
{
    static const struct {
        const char *name;
        enum prov_rc (*run)(struct memory *m);
        /* OpenSSL does not always say that it is memory that it lacks: to sign, to verify */
        enum prov_rc or_else[2];
    } rows[] = {
        { "issue", issue_one, { PROV_ESIGNER } },
        { "answers", check_an_answer, { PROV_OK } },
        { "issuer", make_an_issuer, { PROV_ESIGNER, PROV_EINVAL } },
        { "make", make_a_ca, { PROV_ESIGNER } },
    };
    struct memory m = { .ca = ca_of(PKI_P256, -1, 1000) };

    (void)state;
    m.issuer = issuer_of(&m.ca);
    m.csr = csr_of(&(struct csr_spec){ .key = pki_key_shared(PKI_P256) });
    m.what = (struct prov_issue){ m.csr->subject, m.csr->spki, T0, T0 + 1 };
    m.cert = issued(m.issuer, &m.what);
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        enum prov_rc rc;

        assert_int_equal(rows[i].run(&m), PROV_OK); /* warms OpenSSL up */
        for (unsigned n = 1;; n++) {
            alloc_fail_at(n);
            alloc_count_openssl(true);
            rc = rows[i].run(&m);
            alloc_count_openssl(false);
            if (!alloc_failed())
                break;
            if (rc != PROV_OK && rc != PROV_ENOMEM && rc != rows[i].or_else[0] &&
                rc != rows[i].or_else[1])
                fail_msg("%s: allocation %u: %s", rows[i].name, n, prov_rc_name(rc));
            assert_int_equal(ERR_peek_error(), 0);
        }
        assert_int_equal(rc, PROV_OK);
    }
    X509_free(m.cert);
    prov_csr_free(m.csr);
    prov_issuer_free(m.issuer);
    pki_free(&m.ca);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(certificate_is_what_aws_iot_makes),
        cmocka_unit_test(subject_that_is_left_out_is_aws_iots),
        cmocka_unit_test(serial_is_random_positive_and_twenty_bytes_long),
        cmocka_unit_test(validity_is_cut_to_the_issuers),
        cmocka_unit_test(years_have_two_digits_through_2049),
        cmocka_unit_test(validity_starts_early_and_ends_in_9999_at_the_latest),
        cmocka_unit_test(what_is_no_name_or_key_is_not_signed),
        cmocka_unit_test(subject_may_be_long_but_not_longer_than_a_certificate),
        cmocka_unit_test(certificate_is_appended_or_nothing_is),
        cmocka_unit_test(issuer_is_a_good_ca_with_its_key),
        cmocka_unit_test(issuer_with_another_key_is_refused),
        cmocka_unit_test(issuer_says_which_it_is),
        cmocka_unit_test(authority_is_named_as_it_names_itself),
        cmocka_unit_test(authority_without_identifier_is_named_by_its_keys_hash),
        cmocka_unit_test(threads_share_an_issuer_and_a_reader),
        cmocka_unit_test(answer_has_the_requests_subject_and_key),
        cmocka_unit_test(answer_to_a_stranger_with_the_same_name_is_refused),
        cmocka_unit_test(answer_may_have_other_string_types),
        cmocka_unit_test(what_we_issue_answers_the_request),
        cmocka_unit_test(ca_of_ones_own_issues),
        cmocka_unit_test(ca_without_name_or_validity_is_not_made),
        cmocka_unit_test(running_out_of_memory_is_no_verdict),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
