#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "core/ident.h"
#include "support/pki.h"

#define T0 1700000000 /* 2023-11-14T22:13:20Z */

/* Nothing may be left for whoever asks OpenSSL next: in a TLS callback that is the broker. */
static void assert_no_openssl_error(void)
{
    assert_int_equal(ERR_peek_error(), 0);
}

/* As a device would send it: encoded and decoded again. */
static X509 *decoded(const struct pki_spec *spec)
{
    struct pki_spec copy = *spec;
    struct pki_cert made;
    uint8_t *der;
    X509 *cert;
    size_t n;

    if (copy.use_key == NULL)
        copy.use_key = pki_key_shared(copy.key);
    if (copy.now_s == 0)
        copy.now_s = T0;
    made = pki_make(&copy);
    der = pki_der(made.x509, &n);
    assert_int_equal(prov_ident_decode(prov_span(der, n), &cert, NULL), PROV_OK);
    free(der);
    pki_free(&made);
    return cert;
}

/* ---- checks ---------------------------------------------------------------------------------- */

static void add_raw_extension(X509 *cert, int nid, struct prov_span value, int critical)
{
    ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
    X509_EXTENSION *ext;

    assert_int_equal(ASN1_OCTET_STRING_set(octets, value.p, (int)value.n), 1);
    ext = X509_EXTENSION_create_by_NID(NULL, nid, critical, octets);
    assert_int_equal(X509_add_ext(cert, ext, -1), 1);
    X509_EXTENSION_free(ext);
    ASN1_OCTET_STRING_free(octets);
}

static void add_broken_san(X509 *cert)
{
    add_raw_extension(cert, NID_subject_alt_name, PROV_LIT("junk"), 0);
}

static void add_second_san(X509 *cert)
{
    add_raw_extension(cert, NID_subject_alt_name,
                      PROV_LIT("\x30\x03\x82\x01"
                               "b"),
                      0);
}

static void add_policy_constraints(X509 *cert)
{
    X509_EXTENSION *ext =
        X509V3_EXT_conf_nid(NULL, NULL, NID_policy_constraints, "critical,requireExplicitPolicy:0");

    assert_non_null(ext);
    assert_int_equal(X509_add_ext(cert, ext, -1), 1);
    X509_EXTENSION_free(ext);
}

static void add_broken_constraints(X509 *cert)
{
    add_raw_extension(cert, NID_name_constraints, PROV_LIT("junk"), 1);
}

static void certificate_is_good_as_a_leaf_or_as_a_ca_or_the_fault_is_named(void **state)
{
    static const struct {
        struct pki_spec spec;
        enum prov_cert_fault leaf, ca;
    } rows[] = {
        /* keys */
        { { .key = PKI_P256 }, PROV_CERT_GOOD, PROV_CERT_NOT_CA },
        { { .key = PKI_P384 }, PROV_CERT_GOOD, PROV_CERT_NOT_CA },
        { { .key = PKI_P521 }, PROV_CERT_GOOD, PROV_CERT_NOT_CA },
        { { .key = PKI_RSA_2048 }, PROV_CERT_GOOD, PROV_CERT_NOT_CA },
        { { .key = PKI_RSA_PSS_2048 }, PROV_CERT_GOOD, PROV_CERT_NOT_CA },
        { { .key = PKI_P256, .ca = true }, PROV_CERT_IS_CA, PROV_CERT_GOOD },
        { { .key = PKI_RSA_2048, .ca = true }, PROV_CERT_IS_CA, PROV_CERT_GOOD },
        { { .key = PKI_RSA_1024 }, PROV_CERT_KEY_WEAK, PROV_CERT_KEY_WEAK },
        { { .key = PKI_RSA_1024, .ca = true }, PROV_CERT_KEY_WEAK, PROV_CERT_KEY_WEAK },
        { { .key = PKI_P256K1 }, PROV_CERT_KEY_WEAK, PROV_CERT_KEY_WEAK },
        { { .key = PKI_P256_EXPLICIT }, PROV_CERT_KEY_WEAK, PROV_CERT_KEY_WEAK },
        { { .key = PKI_ED25519 }, PROV_CERT_KEY_KIND, PROV_CERT_KEY_KIND },
        /* signatures */
        { { .digest = "SHA384" }, PROV_CERT_GOOD, PROV_CERT_NOT_CA },
        { { .digest = "SHA512" }, PROV_CERT_GOOD, PROV_CERT_NOT_CA },
        { { .digest = "SHA1" }, PROV_CERT_SIGNATURE_ALG, PROV_CERT_SIGNATURE_ALG },
        { { .digest = "SHA1", .ca = true }, PROV_CERT_SIGNATURE_ALG, PROV_CERT_SIGNATURE_ALG },
        { { .digest = "SHA224" }, PROV_CERT_SIGNATURE_ALG, PROV_CERT_SIGNATURE_ALG },
        { { .key = PKI_RSA_2048, .digest = "MD5" },
          PROV_CERT_SIGNATURE_ALG,
          PROV_CERT_SIGNATURE_ALG },
        { { .key = PKI_RSA_2048, .pss = true }, PROV_CERT_GOOD, PROV_CERT_NOT_CA },
        { { .key = PKI_RSA_2048, .pss = true, .digest = "SHA512" },
          PROV_CERT_GOOD,
          PROV_CERT_NOT_CA },
        { { .key = PKI_RSA_2048, .pss = true, .digest = "SHA1" },
          PROV_CERT_SIGNATURE_ALG,
          PROV_CERT_SIGNATURE_ALG },
        { { .key = PKI_RSA_2048, .pss = true, .digest = "SHA224" },
          PROV_CERT_SIGNATURE_ALG,
          PROV_CERT_SIGNATURE_ALG },
        /* version and extensions */
        { { .v1 = true }, PROV_CERT_GOOD, PROV_CERT_VERSION },
        { { .edit = add_broken_san }, PROV_CERT_MALFORMED, PROV_CERT_MALFORMED },
        { { .edit = add_second_san, .san = "DNS:a" }, PROV_CERT_MALFORMED, PROV_CERT_MALFORMED },
        { { .edit = add_broken_constraints, .ca = true },
          PROV_CERT_MALFORMED,
          PROV_CERT_MALFORMED },
        { { .ca = true, .pathlen = 1 }, PROV_CERT_IS_CA, PROV_CERT_GOOD },
        { { .ca = true, .key_usage = "" }, PROV_CERT_IS_CA, PROV_CERT_GOOD },
        { { .ca = true, .key_usage = "cRLSign" }, PROV_CERT_IS_CA, PROV_CERT_NOT_CA },
        { { .ca = true, .eku = "clientAuth" }, PROV_CERT_IS_CA, PROV_CERT_GOOD },
        { { .ca = true, .eku = "serverAuth" }, PROV_CERT_IS_CA, PROV_CERT_USAGE },
        { { .ca = true, .permitted = "permitted;DNS:.example.com" },
          PROV_CERT_IS_CA,
          PROV_CERT_GOOD },
        { { .ca = true, .edit = add_policy_constraints }, PROV_CERT_IS_CA, PROV_CERT_CRITICAL },
        { { .ca = true, .unknown_critical = true }, PROV_CERT_IS_CA, PROV_CERT_CRITICAL },
        { { .eku = "clientAuth" }, PROV_CERT_GOOD, PROV_CERT_NOT_CA },
        { { .eku = "serverAuth,clientAuth" }, PROV_CERT_GOOD, PROV_CERT_NOT_CA },
        { { .eku = "anyExtendedKeyUsage" }, PROV_CERT_GOOD, PROV_CERT_NOT_CA },
        { { .eku = "serverAuth" }, PROV_CERT_USAGE, PROV_CERT_NOT_CA },
        { { .eku = "1.3.6.1.4.1.55555.2" }, PROV_CERT_USAGE, PROV_CERT_NOT_CA },
        { { .key_usage = "" }, PROV_CERT_GOOD, PROV_CERT_NOT_CA },
        { { .key_usage = "keyAgreement" }, PROV_CERT_GOOD, PROV_CERT_NOT_CA },
        { { .key_usage = "keyEncipherment" }, PROV_CERT_USAGE, PROV_CERT_NOT_CA },
        { { .unknown_critical = true }, PROV_CERT_CRITICAL, PROV_CERT_NOT_CA },
        /* the key is asked first, validity last */
        { { .key = PKI_RSA_1024, .digest = "MD5" }, PROV_CERT_KEY_WEAK, PROV_CERT_KEY_WEAK },
        { { .unknown_critical = true, .not_after_s = -1 }, PROV_CERT_CRITICAL, PROV_CERT_NOT_CA },
    };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        X509 *cert = decoded(&rows[i].spec);

        if (prov_cert_check_leaf(cert, T0) != rows[i].leaf ||
            prov_cert_check_ca(cert, T0) != rows[i].ca)
            fail_msg("row %zu: as a leaf %d, as a CA %d", i, prov_cert_check_leaf(cert, T0),
                     prov_cert_check_ca(cert, T0));
        assert_no_openssl_error();
        X509_free(cert);
    }
}

static void validity_counts_to_its_last_second(void **state)
{
    const struct pki_spec leaf = { .not_before_s = -10, .not_after_s = 10 };
    const struct pki_spec ca = { .not_before_s = -10, .not_after_s = 10, .ca = true };
    static const struct {
        int64_t now_s;
        enum prov_cert_fault fault;
    } rows[] = {
        { T0 - 11, PROV_CERT_NOT_YET_VALID },
        { T0 - 10, PROV_CERT_GOOD },
        { T0, PROV_CERT_GOOD },
        { T0 + 10, PROV_CERT_GOOD },
        { T0 + 11, PROV_CERT_EXPIRED },
    };
    X509 *leaf_cert = decoded(&leaf), *ca_cert = decoded(&ca);

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        assert_int_equal(prov_cert_check_leaf(leaf_cert, rows[i].now_s), rows[i].fault);
        assert_int_equal(prov_cert_check_ca(ca_cert, rows[i].now_s), rows[i].fault);
    }
    X509_free(leaf_cert);
    X509_free(ca_cert);
}

/* What X509_ALGOR holds is public; only the accessors are const. */
static void set_algorithms(X509 *cert, int outer, int inner)
{
    const X509_ALGOR *alg;

    X509_get0_signature(NULL, &alg, cert);
    assert_int_equal(
        X509_ALGOR_set0((X509_ALGOR *)(uintptr_t)alg, OBJ_nid2obj(outer), V_ASN1_UNDEF, NULL), 1);
    alg = X509_get0_tbs_sigalg(cert);
    assert_int_equal(
        X509_ALGOR_set0((X509_ALGOR *)(uintptr_t)alg, OBJ_nid2obj(inner), V_ASN1_UNDEF, NULL), 1);
}

static void signature_algorithms_outside_the_list_are_refused(void **state)
{
    static const struct {
        int outer, inner;
        enum prov_cert_fault fault;
    } rows[] = {
        { NID_sha256WithRSAEncryption, NID_sha256WithRSAEncryption, PROV_CERT_GOOD },
        { NID_sha384WithRSAEncryption, NID_sha384WithRSAEncryption, PROV_CERT_GOOD },
        { NID_sha512WithRSAEncryption, NID_sha512WithRSAEncryption, PROV_CERT_GOOD },
        { NID_ecdsa_with_SHA256, NID_ecdsa_with_SHA256, PROV_CERT_GOOD },
        { NID_ecdsa_with_SHA384, NID_ecdsa_with_SHA384, PROV_CERT_GOOD },
        { NID_ecdsa_with_SHA512, NID_ecdsa_with_SHA512, PROV_CERT_GOOD },
        { NID_dsa_with_SHA256, NID_dsa_with_SHA256, PROV_CERT_GOOD },
        { NID_md5WithRSAEncryption, NID_md5WithRSAEncryption, PROV_CERT_SIGNATURE_ALG },
        { NID_sha1WithRSAEncryption, NID_sha1WithRSAEncryption, PROV_CERT_SIGNATURE_ALG },
        { NID_sha224WithRSAEncryption, NID_sha224WithRSAEncryption, PROV_CERT_SIGNATURE_ALG },
        { NID_sha512_256WithRSAEncryption, NID_sha512_256WithRSAEncryption,
          PROV_CERT_SIGNATURE_ALG },
        { NID_ecdsa_with_SHA1, NID_ecdsa_with_SHA1, PROV_CERT_SIGNATURE_ALG },
        { NID_ecdsa_with_SHA3_256, NID_ecdsa_with_SHA3_256, PROV_CERT_SIGNATURE_ALG },
        { NID_dsaWithSHA1, NID_dsaWithSHA1, PROV_CERT_SIGNATURE_ALG },
        { NID_ED25519, NID_ED25519, PROV_CERT_SIGNATURE_ALG },
        { NID_sha256, NID_sha256, PROV_CERT_SIGNATURE_ALG },
        /* PSS without parameters means SHA-1 (RFC 4055) */
        { NID_rsassaPss, NID_rsassaPss, PROV_CERT_SIGNATURE_ALG },
        /* what is signed and what is said must agree */
        { NID_ecdsa_with_SHA256, NID_ecdsa_with_SHA384, PROV_CERT_SIGNATURE_ALG },
        { NID_ecdsa_with_SHA256, NID_ecdsa_with_SHA1, PROV_CERT_SIGNATURE_ALG },
    };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        X509 *cert = decoded(&(struct pki_spec){ 0 });

        set_algorithms(cert, rows[i].outer, rows[i].inner);
        if (prov_cert_check_leaf(cert, T0) != rows[i].fault)
            fail_msg("row %zu: %d", i, prov_cert_check_leaf(cert, T0));
        X509_free(cert);
    }
}

/* The certificate's DER with the last byte of this part of it changed. */
static X509 *damaged(const X509 *cert, const ASN1_BIT_STRING *part)
{
    size_t n;
    uint8_t *der = pki_der(cert, &n);
    uint8_t *at = memmem(der, n, ASN1_STRING_get0_data(part), (size_t)ASN1_STRING_length(part));
    X509 *out;

    assert_non_null(at);
    at[ASN1_STRING_length(part) - 1] ^= 1;
    assert_int_equal(prov_ident_decode(prov_span(der, n), &out, NULL), PROV_OK);
    free(der);
    return out;
}

static void key_that_is_no_point_of_its_curve_is_refused(void **state)
{
    X509 *cert = decoded(&(struct pki_spec){ 0 });
    X509 *bad = damaged(cert, X509_get0_pubkey_bitstr(cert));
    struct prov_ident *ident;

    (void)state;
    ERR_clear_error();
    assert_int_equal(prov_cert_check_leaf(bad, T0), PROV_CERT_KEY_KIND);
    assert_false(prov_cert_signed_by(cert, bad));
    assert_int_equal(prov_ident_new(bad, &ident, NULL), PROV_OK);
    assert_int_equal(ident->key_kind, PROV_KEY_OTHER);
    assert_no_openssl_error();
    prov_ident_free(ident);
    X509_free(bad);
    X509_free(cert);
}

/* ---- who signed ------------------------------------------------------------------------------ */

static struct pki_cert ca_of(const char *subject, enum pki_key key, bool no_key_ids)
{
    return pki_make(
        &(struct pki_spec){ .subject = subject, .ca = true, .key = key, .no_key_ids = no_key_ids });
}

/* Makes a leaf under issuer, asks whether ca signed it. */
static bool signs(const struct pki_cert *issuer, const struct pki_cert *ca, const char *san)
{
    struct pki_cert leaf = pki_make(&(struct pki_spec){
        .subject = "/CN=leaf", .issuer = issuer, .use_key = pki_key_shared(PKI_P256), .san = san });
    const bool yes = prov_cert_signed_by(leaf.x509, ca->x509);

    assert_no_openssl_error();
    pki_free(&leaf);
    return yes;
}

static void leaf_is_signed_by_its_ca_and_by_no_other(void **state)
{
    struct pki_cert ca = ca_of("/CN=CA", PKI_P256, false);
    struct pki_cert rsa = pki_make(&(struct pki_spec){
        .subject = "/CN=CA", .ca = true, .use_key = pki_key_shared(PKI_RSA_2048) });
    struct pki_cert impostor = pki_impostor(&ca);
    struct pki_cert namesake = ca_of("/CN=CA", PKI_P256, false);

    (void)state;
    assert_true(signs(&ca, &ca, NULL));
    assert_true(signs(&rsa, &rsa, NULL));
    assert_false(signs(&impostor, &ca, NULL));
    assert_false(signs(&ca, &namesake, NULL));
    assert_false(signs(&ca, &rsa, NULL));
    assert_false(signs(&rsa, &ca, NULL));
    pki_free(&namesake);
    pki_free(&impostor);
    pki_free(&rsa);
    pki_free(&ca);
}

static void names_agree_as_rfc_5280_compares_them(void **state)
{
    struct pki_cert ca = ca_of("/O=Example/CN=The CA", PKI_P256, true);
    struct pki_cert other_case = pki_make(&(struct pki_spec){
        .subject = "/O=EXAMPLE/CN=the  ca", .ca = true, .no_key_ids = true, .use_key = ca.key });
    struct pki_cert other_name = pki_make(&(struct pki_spec){
        .subject = "/O=Example/CN=The CB", .ca = true, .no_key_ids = true, .use_key = ca.key });

    (void)state;
    assert_true(signs(&other_case, &ca, NULL));
    assert_false(signs(&other_name, &ca, NULL));
    pki_free(&other_name);
    pki_free(&other_case);
    pki_free(&ca);
}

/* Same name, same key; but the leaf says that another key signed it. */
static void key_identifiers_must_agree_where_both_are_given(void **state)
{
    struct pki_cert ca = ca_of("/CN=CA", PKI_P256, false);
    struct pki_cert other = ca_of("/CN=CA", PKI_P256, false);
    struct pki_cert without = pki_make(&(struct pki_spec){
        .subject = "/CN=CA", .ca = true, .no_key_ids = true, .use_key = ca.key });
    const struct pki_cert other_id = { other.x509, ca.key };
    const struct pki_cert no_id = { without.x509, ca.key };

    (void)state;
    assert_false(signs(&other_id, &ca, NULL));
    assert_true(signs(&no_id, &ca, NULL));
    assert_true(signs(&ca, &without, NULL));
    pki_free(&without);
    pki_free(&other);
    pki_free(&ca);
}

static void damaged_signature_or_content_is_refused(void **state)
{
    struct pki_cert ca = ca_of("/CN=CA", PKI_RSA_2048, false);
    struct pki_cert leaf = pki_make(&(struct pki_spec){
        .subject = "/CN=leaf", .issuer = &ca, .use_key = pki_key_shared(PKI_RSA_2048) });
    const ASN1_BIT_STRING *signature;
    X509 *bad;

    (void)state;
    assert_true(prov_cert_signed_by(leaf.x509, ca.x509));
    X509_get0_signature(&signature, NULL, leaf.x509);
    bad = damaged(leaf.x509, signature);
    assert_false(prov_cert_signed_by(bad, ca.x509));
    X509_free(bad);
    bad = damaged(leaf.x509, X509_get0_pubkey_bitstr(leaf.x509));
    assert_false(prov_cert_signed_by(bad, ca.x509));
    X509_free(bad);
    assert_no_openssl_error();
    pki_free(&leaf);
    pki_free(&ca);
}

static void issuer_that_may_not_sign_certificates_is_refused(void **state)
{
    struct pki_cert may = pki_make(
        &(struct pki_spec){ .subject = "/CN=CA", .ca = true, .use_key = pki_key_shared(PKI_P256) });
    struct pki_cert may_not = pki_make(&(struct pki_spec){ .subject = "/CN=CA",
                                                           .ca = true,
                                                           .key_usage = "cRLSign",
                                                           .use_key = pki_key_shared(PKI_P256) });

    (void)state;
    assert_true(signs(&may, &may, NULL));
    assert_false(signs(&may_not, &may_not, NULL));
    pki_free(&may_not);
    pki_free(&may);
}

static void name_constraints_of_the_ca_are_applied(void **state)
{
    struct pki_cert ca = pki_make(&(struct pki_spec){
        .subject = "/CN=CA", .ca = true, .permitted = "permitted;DNS:.example.com" });
    struct pki_cert broken = pki_make(
        &(struct pki_spec){ .subject = "/CN=CA", .ca = true, .edit = add_broken_constraints });

    (void)state;
    assert_true(signs(&ca, &ca, "DNS:a.example.com"));
    assert_true(signs(&ca, &ca, NULL));
    assert_false(signs(&ca, &ca, "DNS:a.example.org"));
    assert_false(signs(&broken, &broken, "DNS:a.example.com"));
    pki_free(&broken);
    pki_free(&ca);
}

static void validity_does_not_matter_to_who_signed(void **state)
{
    struct pki_cert ca = pki_make(&(struct pki_spec){
        .subject = "/CN=CA", .ca = true, .not_before_s = -20, .not_after_s = -10 });

    (void)state;
    assert_true(signs(&ca, &ca, NULL));
    pki_free(&ca);
}

static void verification_certificate_carries_the_code(void **state)
{
    struct pki_cert ca = ca_of("/CN=CA", PKI_P256, false);
    struct pki_cert proof = pki_verification(&ca, "0123abcd");
    struct prov_ident *ident;

    (void)state;
    assert_true(prov_cert_signed_by(proof.x509, ca.x509));
    assert_int_equal(prov_ident_new(proof.x509, &ident, NULL), PROV_OK);
    assert_int_equal(ident->dn[PROV_SUBJECT][PROV_DN_COMMON_NAME].n, 1);
    assert_true(prov_span_eq_str(ident->dn[PROV_SUBJECT][PROV_DN_COMMON_NAME].v[0], "0123abcd"));
    prov_ident_free(ident);
    pki_free(&proof);
    pki_free(&ca);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(certificate_is_good_as_a_leaf_or_as_a_ca_or_the_fault_is_named),
        cmocka_unit_test(validity_counts_to_its_last_second),
        cmocka_unit_test(signature_algorithms_outside_the_list_are_refused),
        cmocka_unit_test(key_that_is_no_point_of_its_curve_is_refused),
        cmocka_unit_test(leaf_is_signed_by_its_ca_and_by_no_other),
        cmocka_unit_test(names_agree_as_rfc_5280_compares_them),
        cmocka_unit_test(key_identifiers_must_agree_where_both_are_given),
        cmocka_unit_test(damaged_signature_or_content_is_refused),
        cmocka_unit_test(issuer_that_may_not_sign_certificates_is_refused),
        cmocka_unit_test(name_constraints_of_the_ca_are_applied),
        cmocka_unit_test(validity_does_not_matter_to_who_signed),
        cmocka_unit_test(verification_certificate_carries_the_code),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
