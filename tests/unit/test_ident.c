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
#include "support/alloc.h"
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

static struct prov_ident *ident_of(const struct pki_spec *spec)
{
    X509 *cert = decoded(spec);
    struct prov_ident *ident;

    assert_int_equal(prov_ident_new(cert, &ident, NULL), PROV_OK);
    X509_free(cert);
    assert_no_openssl_error();
    return ident;
}

static void assert_text(struct prov_span got, const char *expected)
{
    char *text = prov_span_dup(got);

    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
}

/* values: texts ended by NULL */
static void assert_values(struct prov_values got, const char *const *values)
{
    size_t n = 0;

    for (; values[n] != NULL; n++) {
        assert_true(n < got.n);
        assert_text(got.v[n], values[n]);
    }
    assert_int_equal(got.n, n);
}

/* ---- fields ---------------------------------------------------------------------------------- */

static void each_name_field_is_found_on_its_side(void **state)
{
    static const struct {
        enum prov_dn_field field;
        const char *type, *aws;
    } fields[] = {
        { PROV_DN_QUALIFIER, "dnQualifier", "DistinguishedNameQualifier" },
        { PROV_DN_COUNTRY, "C", "Country" },
        { PROV_DN_ORGANIZATION, "O", "Organization" },
        { PROV_DN_ORGANIZATIONAL_UNIT, "OU", "OrganizationalUnit" },
        { PROV_DN_STATE, "ST", "State" },
        { PROV_DN_COMMON_NAME, "CN", "CommonName" },
        { PROV_DN_SERIAL_NUMBER, "serialNumber", "SerialNumber" },
        { PROV_DN_TITLE, "title", "Title" },
        { PROV_DN_SURNAME, "SN", "Surname" },
        { PROV_DN_GIVEN_NAME, "GN", "GivenName" },
        { PROV_DN_INITIALS, "initials", "Initials" },
        { PROV_DN_PSEUDONYM, "pseudonym", "Pseudonym" },
        { PROV_DN_GENERATION_QUALIFIER, "generationQualifier", "GenerationQualifier" },
    };
    struct pki_cert ca =
        pki_make(&(struct pki_spec){ .subject = "/CN=Maker", .use_key = pki_key_shared(PKI_P256) });
    struct prov_ident *ident;
    char subject[64];

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(fields); i++) {
        (void)snprintf(subject, sizeof subject, "/L=left out/%s=NO", fields[i].type);
        ident = ident_of(&(struct pki_spec){ .subject = subject, .issuer = &ca });
        for (unsigned k = 0; k < PROV_DN_FIELDS; k++) {
            const char *const one[] = { k == fields[i].field ? "NO" : NULL, NULL };
            const char *const maker[] = { k == PROV_DN_COMMON_NAME ? "Maker" : NULL, NULL };

            assert_values(ident->dn[PROV_SUBJECT][k], one);
            assert_values(ident->dn[PROV_ISSUER][k], maker);
        }
        assert_string_equal(prov_dn_field_name(fields[i].field), fields[i].aws);
        prov_ident_free(ident);
    }
    assert_int_equal(PROV_COUNT(fields), PROV_DN_FIELDS);
    assert_string_equal(prov_dn_field_name(PROV_DN_FIELDS), "unknown");
    pki_free(&ca);
}

static void several_units_keep_their_order(void **state)
{
    struct prov_ident *ident =
        ident_of(&(struct pki_spec){ .subject = "/OU=first/CN=d/OU=second/OU=third" });

    (void)state;
    assert_values(ident->dn[PROV_SUBJECT][PROV_DN_ORGANIZATIONAL_UNIT],
                  (const char *const[]){ "first", "second", "third", NULL });
    assert_values(ident->dn[PROV_SUBJECT][PROV_DN_COMMON_NAME], (const char *const[]){ "d", NULL });
    assert_text(ident->subject_text, "OU=third,OU=second,CN=d,OU=first");
    prov_ident_free(ident);
}

static void empty_name_has_no_fields(void **state)
{
    struct prov_ident *ident = ident_of(&(struct pki_spec){ .subject = "", .san = "DNS:d" });

    (void)state;
    assert_int_equal(ident->subject_text.n, 0);
    assert_int_equal(ident->dn[PROV_SUBJECT][PROV_DN_COMMON_NAME].n, 0);
    assert_values(ident->alt[PROV_SUBJECT][PROV_ALT_DNS], (const char *const[]){ "d", NULL });
    prov_ident_free(ident);
}

static const struct string_case {
    int type;
    struct prov_span bytes;
    const char *text; /* NULL: left out */
} strings[] = {
    { V_ASN1_UTF8STRING, { (const uint8_t *)"\xc3\xa9t\xc3\xa9", 5 }, "\xc3\xa9t\xc3\xa9" },
    { V_ASN1_PRINTABLESTRING, { (const uint8_t *)"plain", 5 }, "plain" },
    { V_ASN1_IA5STRING, { (const uint8_t *)"a@b", 3 }, "a@b" },
    { V_ASN1_NUMERICSTRING, { (const uint8_t *)"12 3", 4 }, "12 3" },
    { V_ASN1_T61STRING, { (const uint8_t *)"\xe9t\xe9", 3 }, "\xc3\xa9t\xc3\xa9" },
    { V_ASN1_BMPSTRING, { (const uint8_t *)"\0\xe9\x20\xac", 4 }, "\xc3\xa9\xe2\x82\xac" },
    { V_ASN1_UNIVERSALSTRING, { (const uint8_t *)"\0\x01\xf6\x00", 4 }, "\xf0\x9f\x98\x80" },
    /* seven bits, says X.680 */
    { V_ASN1_PRINTABLESTRING, { (const uint8_t *)"\xe9t\xe9", 3 }, NULL },
    { V_ASN1_IA5STRING, { (const uint8_t *)"\xc3\xa9", 2 }, NULL },
    /* a C string would end early: admin\0.example */
    { V_ASN1_UTF8STRING, { (const uint8_t *)"admin\0x", 7 }, NULL },
    { V_ASN1_IA5STRING, { (const uint8_t *)"admin\0x", 7 }, NULL },
    { V_ASN1_BMPSTRING, { (const uint8_t *)"\0a\0\0", 4 }, NULL },
    { V_ASN1_UTF8STRING, { (const uint8_t *)"", 0 }, NULL },
    /* no text at all */
    { V_ASN1_BIT_STRING, { (const uint8_t *)"bits", 4 }, NULL },
};

static size_t string_row;

static void add_organization(X509 *cert)
{
    const struct string_case *c = &strings[string_row];
    X509_NAME *name = X509_NAME_dup(X509_get_subject_name(cert));

    assert_non_null(name);
    assert_int_equal(X509_NAME_add_entry_by_NID(name, NID_organizationName, c->type, c->bytes.p,
                                                (int)c->bytes.n, -1, 0),
                     1);
    assert_int_equal(X509_set_subject_name(cert, name), 1);
    X509_NAME_free(name);
}

static void strings_become_utf8_or_are_left_out(void **state)
{
    struct prov_ident *ident;

    (void)state;
    for (string_row = 0; string_row < PROV_COUNT(strings); string_row++) {
        ident = ident_of(&(struct pki_spec){ .subject = "/O=before", .edit = add_organization });
        assert_values(ident->dn[PROV_SUBJECT][PROV_DN_ORGANIZATION],
                      (const char *const[]){ "before", strings[string_row].text, NULL });
        assert_true(prov_utf8_valid(ident->subject_text));
        assert_true(ident->subject_text.n > strlen("O=before"));
        prov_ident_free(ident);
    }
}

static void alternative_names_are_found_by_kind_and_side(void **state)
{
    struct prov_ident *ident = ident_of(&(struct pki_spec){
        .san = "DNS:one.example,IP:10.0.0.1,email:a@b.example,DNS:two.example,"
               "URI:urn:dev:1,dirName:/O=Example/CN=x\xc3\xa9,IP:2001:db8:0:0:1:0:0:1",
        .ian = "URI:urn:maker" });

    (void)state;
    assert_values(ident->alt[PROV_SUBJECT][PROV_ALT_DNS],
                  (const char *const[]){ "one.example", "two.example", NULL });
    assert_values(ident->alt[PROV_SUBJECT][PROV_ALT_RFC822],
                  (const char *const[]){ "a@b.example", NULL });
    assert_values(ident->alt[PROV_SUBJECT][PROV_ALT_URI],
                  (const char *const[]){ "urn:dev:1", NULL });
    assert_values(ident->alt[PROV_SUBJECT][PROV_ALT_DIRECTORY],
                  (const char *const[]){ "CN=x\xc3\xa9,O=Example", NULL });
    assert_values(ident->alt[PROV_SUBJECT][PROV_ALT_IP],
                  (const char *const[]){ "10.0.0.1", "2001:db8::1:0:0:1", NULL });
    assert_values(ident->alt[PROV_ISSUER][PROV_ALT_URI],
                  (const char *const[]){ "urn:maker", NULL });
    assert_int_equal(ident->alt[PROV_ISSUER][PROV_ALT_DNS].n, 0);
    prov_ident_free(ident);
}

static void alternative_name_kinds_are_spelled_as_aws_does(void **state)
{
    static const char *const names[] = { "RFC822Name", "DNSName", "DirectoryName",
                                         "UniformResourceIdentifier", "IPAddress" };

    (void)state;
    for (unsigned i = 0; i < PROV_ALT_KINDS; i++)
        assert_string_equal(prov_alt_kind_name(i), names[i]);
    assert_string_equal(prov_alt_kind_name(PROV_ALT_KINDS), "unknown");
}

/* Three bytes are no address. */
static void add_odd_names(X509 *cert)
{
    static const struct {
        int type;
        struct prov_span bytes;
    } odd[] = { { GEN_IPADD, { (const uint8_t *)"\x0a\0\0", 3 } },
                { GEN_DNS, { (const uint8_t *)"evil\0.example", 13 } },
                { GEN_DNS, { (const uint8_t *)"", 0 } },
                { GEN_DNS, { (const uint8_t *)"good", 4 } } };
    GENERAL_NAMES *names = GENERAL_NAMES_new();

    for (size_t i = 0; i < PROV_COUNT(odd); i++) {
        GENERAL_NAME *name = GENERAL_NAME_new();
        ASN1_STRING *value =
            ASN1_STRING_type_new(odd[i].type == GEN_DNS ? V_ASN1_IA5STRING : V_ASN1_OCTET_STRING);

        assert_int_equal(ASN1_STRING_set(value, odd[i].bytes.p, (int)odd[i].bytes.n), 1);
        GENERAL_NAME_set0_value(name, odd[i].type, value);
        assert_true(sk_GENERAL_NAME_push(names, name) > 0);
    }
    assert_int_equal(X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, X509V3_ADD_APPEND), 1);
    GENERAL_NAMES_free(names);
}

static void alternative_names_that_are_not_text_are_left_out(void **state)
{
    struct prov_ident *ident = ident_of(&(struct pki_spec){ .edit = add_odd_names });

    (void)state;
    assert_int_equal(ident->alt[PROV_SUBJECT][PROV_ALT_IP].n, 0);
    assert_values(ident->alt[PROV_SUBJECT][PROV_ALT_DNS], (const char *const[]){ "good", NULL });
    prov_ident_free(ident);
}

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

static void add_broken_ian(X509 *cert)
{
    add_raw_extension(cert, NID_issuer_alt_name, PROV_LIT("junk"), 0);
}

static void add_second_san(X509 *cert)
{
    add_raw_extension(cert, NID_subject_alt_name,
                      PROV_LIT("\x30\x03\x82\x01"
                               "b"),
                      0);
}

static void certificate_whose_alternative_names_do_not_decode_has_no_identity(void **state)
{
    static const struct pki_spec specs[] = {
        { .edit = add_broken_san },
        { .edit = add_broken_ian },
        { .edit = add_second_san, .san = "DNS:a" },
    };
    struct prov_ident *ident;
    struct prov_err err;
    X509 *cert;

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(specs); i++) {
        cert = decoded(&specs[i]);
        assert_int_equal(prov_ident_new(cert, &ident, &err), PROV_EINVAL);
        assert_null(ident);
        assert_no_openssl_error();
        X509_free(cert);
    }
}

static void serial_is_lower_case_hex_without_leading_zeros(void **state)
{
    static const struct {
        const char *serial, *text;
    } serials[] = {
        { "0", "0" },
        { "01", "1" },
        { "0A1B", "a1b" },
        { "80", "80" },
        { "1000", "1000" },
        { "-1F", "-1f" },
        { "00FF00", "ff00" },
        { "FFEEDDCCBBAA99887766554433221100AABBCCDD", "ffeeddccbbaa99887766554433221100aabbccdd" },
    };
    struct prov_ident *ident;

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(serials); i++) {
        ident = ident_of(&(struct pki_spec){ .serial = serials[i].serial });
        assert_text(ident->serial_hex, serials[i].text);
        prov_ident_free(ident);
    }
}

static void validity_is_in_seconds_since_1970(void **state)
{
    static const struct {
        int64_t from_s, until_s;
    } times[] = {
        { T0, T0 + 1 },
        { 1, 2524607999 },            /* 2049: the last of UTCTime */
        { 2524608000, 253402300799 }, /* 2050 and the end of 9999: GeneralizedTime */
        { -86400, 1 },
    };
    int64_t from_s, until_s;
    struct prov_ident *ident;
    X509 *cert;

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(times); i++) {
        const struct pki_spec spec = { .now_s = T0,
                                       .not_before_s = times[i].from_s - T0,
                                       .not_after_s = times[i].until_s - T0 };

        ident = ident_of(&spec);
        assert_true(ident->not_before_s == times[i].from_s);
        assert_true(ident->not_after_s == times[i].until_s);
        prov_ident_free(ident);
        cert = decoded(&spec);
        assert_true(prov_cert_validity(cert, &from_s, &until_s));
        assert_true(from_s == times[i].from_s && until_s == times[i].until_s);
        X509_free(cert);
    }
}

static void break_the_end_date(X509 *cert)
{
    assert_int_equal(ASN1_STRING_set(X509_getm_notAfter(cert), "991399000000Z", 13), 1);
}

static void validity_that_is_no_date_is_refused(void **state)
{
    X509 *cert = decoded(&(struct pki_spec){ .edit = break_the_end_date });
    struct prov_ident *ident;
    int64_t from_s, until_s;

    (void)state;
    assert_false(prov_cert_validity(cert, &from_s, &until_s));
    assert_int_equal(prov_ident_new(cert, &ident, NULL), PROV_EINVAL);
    assert_null(ident);
    assert_int_equal(prov_cert_check_leaf(cert, T0), PROV_CERT_MALFORMED);
    assert_no_openssl_error();
    X509_free(cert);
}

static void key_kind_and_size_are_told(void **state)
{
    static const struct {
        enum pki_key key;
        enum prov_key_kind kind;
        unsigned bits;
    } rows[] = {
        { PKI_P256, PROV_KEY_EC, 256 },       { PKI_P384, PROV_KEY_EC, 384 },
        { PKI_P521, PROV_KEY_EC, 521 },       { PKI_RSA_2048, PROV_KEY_RSA, 2048 },
        { PKI_RSA_1024, PROV_KEY_RSA, 1024 }, { PKI_RSA_PSS_2048, PROV_KEY_RSA_PSS, 2048 },
        { PKI_ED25519, PROV_KEY_OTHER, 256 },
    };
    struct prov_ident *ident;

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        ident = ident_of(&(struct pki_spec){ .key = rows[i].key });
        assert_int_equal(ident->key_kind, rows[i].kind);
        assert_int_equal(ident->key_bits, rows[i].bits);
        prov_ident_free(ident);
    }
}

static void ca_and_self_issued_are_told(void **state)
{
    struct pki_cert ca = pki_make(
        &(struct pki_spec){ .subject = "/CN=CA", .ca = true, .use_key = pki_key_shared(PKI_P256) });
    const struct {
        struct pki_spec spec;
        bool is_ca, self_issued;
    } rows[] = {
        { { .subject = "/CN=d" }, false, true },
        { { .subject = "/CN=d", .ca = true }, true, true },
        { { .subject = "/CN=d", .issuer = &ca }, false, false },
        { { .subject = "/CN=d", .issuer = &ca, .ca = true }, true, false },
    };
    struct prov_ident *ident;

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        ident = ident_of(&rows[i].spec);
        assert_int_equal(ident->is_ca, rows[i].is_ca);
        assert_int_equal(ident->self_issued, rows[i].self_issued);
        prov_ident_free(ident);
    }
    pki_free(&ca);
}

static void many_values_fit(void **state)
{
    struct prov_buf san = { .max = 32768 };
    struct prov_ident *ident;

    (void)state;
    prov_buf_add_str(&san, "DNS:a");
    for (int i = 0; i < 3000; i++)
        prov_buf_add_str(&san, ",DNS:b");
    ident = ident_of(&(struct pki_spec){ .san = prov_buf_cstr(&san) });
    assert_int_equal(ident->alt[PROV_SUBJECT][PROV_ALT_DNS].n, 3001);
    assert_text(ident->alt[PROV_SUBJECT][PROV_ALT_DNS].v[3000], "b");
    prov_ident_free(ident);
    prov_buf_release(&san);
}

/* ---- failing allocator ----------------------------------------------------------------------- */

static void assert_same_values(struct prov_values a, struct prov_values b)
{
    assert_int_equal(a.n, b.n);
    for (size_t i = 0; i < a.n; i++)
        assert_true(prov_span_eq(a.v[i], b.v[i]));
}

static void assert_same_ident(const struct prov_ident *a, const struct prov_ident *b)
{
    assert_true(prov_id_eq(&a->id, &b->id));
    assert_true(prov_span_eq(a->serial_hex, b->serial_hex));
    assert_true(prov_span_eq(a->subject_text, b->subject_text));
    assert_true(prov_span_eq(a->issuer_text, b->issuer_text));
    for (unsigned side = 0; side < PROV_SIDES; side++) {
        for (unsigned k = 0; k < PROV_DN_FIELDS; k++)
            assert_same_values(a->dn[side][k], b->dn[side][k]);
        for (unsigned k = 0; k < PROV_ALT_KINDS; k++)
            assert_same_values(a->alt[side][k], b->alt[side][k]);
    }
}

/*
 * A value must not go missing for want of memory: a Deny that names it would miss. OpenSSL itself
 * can do without some allocations; then the result is whole.
 */
static void ident_is_whole_or_not_there_when_memory_is_short(void **state)
{
    X509 *original = decoded(&(struct pki_spec){ .subject = "/O=Example/OU=a/OU=b/CN=dev",
                                                 .san = "DNS:a,IP:10.0.0.1,dirName:/CN=x",
                                                 .ian = "URI:urn:x" });
    struct prov_ident *whole, *ident;
    enum prov_rc rc;
    size_t n_der;
    uint8_t *der = pki_der(original, &n_der);
    bool failed;

    (void)state;
    assert_int_equal(prov_ident_new(original, &whole, NULL), PROV_OK);
    for (int with_openssl = 0; with_openssl < 2; with_openssl++) {
        failed = true;
        for (unsigned n = 1; failed; n++) {
            struct prov_err err = { 0 };
            X509 *cert; /* a new one each time: OpenSSL keeps what it worked out */

            assert_int_equal(prov_ident_decode(prov_span(der, n_der), &cert, NULL), PROV_OK);
            alloc_count_openssl(with_openssl == 1);
            alloc_fail_at(n);
            rc = prov_ident_new(cert, &ident, &err);
            failed = alloc_failed();
            alloc_count_openssl(false);
            assert_int_equal(err.rc, rc);
            if (rc == PROV_OK) {
                assert_true(with_openssl == 1 || !failed);
                assert_same_ident(ident, whole);
            } else {
                if (rc != PROV_EINVAL || with_openssl == 0 || alloc_openssl_tells())
                    assert_int_equal(rc, PROV_ENOMEM);
                assert_null(ident);
            }
            prov_ident_free(ident);
            X509_free(cert);
        }
        assert_int_equal(rc, PROV_OK);
    }
    prov_ident_free(whole);
    X509_free(original);
    free(der);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_name_field_is_found_on_its_side),
        cmocka_unit_test(several_units_keep_their_order),
        cmocka_unit_test(empty_name_has_no_fields),
        cmocka_unit_test(strings_become_utf8_or_are_left_out),
        cmocka_unit_test(alternative_names_are_found_by_kind_and_side),
        cmocka_unit_test(alternative_name_kinds_are_spelled_as_aws_does),
        cmocka_unit_test(alternative_names_that_are_not_text_are_left_out),
        cmocka_unit_test(certificate_whose_alternative_names_do_not_decode_has_no_identity),
        cmocka_unit_test(serial_is_lower_case_hex_without_leading_zeros),
        cmocka_unit_test(validity_is_in_seconds_since_1970),
        cmocka_unit_test(validity_that_is_no_date_is_refused),
        cmocka_unit_test(key_kind_and_size_are_told),
        cmocka_unit_test(ca_and_self_issued_are_told),
        cmocka_unit_test(many_values_fit),
        cmocka_unit_test(ident_is_whole_or_not_there_when_memory_is_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
