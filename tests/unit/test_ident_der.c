#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include "core/ident.h"
#include "core/limits.h"
#include "support/alloc.h"
#include "support/pki.h"

/* Nothing may be left for whoever asks OpenSSL next: in a TLS callback that is the broker. */
static void assert_no_openssl_error(void)
{
    assert_int_equal(ERR_peek_error(), 0);
}

/* ---- decoding -------------------------------------------------------------------------------- */

static void decoded_certificate_encodes_to_the_same_bytes(void **state)
{
    struct pki_cert made = pki_make(&(struct pki_spec){ .use_key = pki_key_shared(PKI_P256) });
    struct prov_buf again = { .max = PROV_MAX_CERT_DER };
    X509 *cert;
    size_t n;
    uint8_t *der = pki_der(made.x509, &n);

    (void)state;
    assert_int_equal(prov_ident_decode(prov_span(der, n), &cert, NULL), PROV_OK);
    assert_int_equal(prov_ident_encode(cert, &again), PROV_OK);
    assert_true(prov_span_eq(prov_buf_span(&again), prov_span(der, n)));
    prov_buf_release(&again);
    X509_free(cert);
    free(der);
    pki_free(&made);
}

static void certificate_id_is_sha256_of_the_der(void **state)
{
    struct pki_cert made = pki_make(&(struct pki_spec){ .use_key = pki_key_shared(PKI_P256) });
    struct prov_id id, expected;
    size_t n;
    uint8_t *der = pki_der(made.x509, &n);

    (void)state;
    SHA256(der, n, expected.b);
    assert_int_equal(prov_ident_id(made.x509, &id), PROV_OK);
    assert_true(prov_id_eq(&id, &expected));
    free(der);
    pki_free(&made);
}

static void assert_refused(struct prov_span der, enum prov_rc expected, const char *text)
{
    struct prov_err err = { 0 };
    X509 *cert = (X509 *)(void *)&err;

    assert_int_equal(prov_ident_decode(der, &cert, &err), expected);
    assert_null(cert);
    assert_int_equal(err.rc, expected);
    assert_non_null(strstr(err.text, text));
    assert_string_equal(err.code, "CertificateValidationException");
    assert_no_openssl_error();
}

static void every_truncation_is_refused(void **state)
{
    struct pki_cert made = pki_make(&(struct pki_spec){ .use_key = pki_key_shared(PKI_P256) });
    size_t n;
    uint8_t *der = pki_der(made.x509, &n);

    (void)state;
    for (size_t i = 0; i < n; i++)
        assert_refused(prov_span(der, i), PROV_EINVAL, "certificate");
    free(der);
    pki_free(&made);
}

static void byte_behind_a_certificate_is_refused(void **state)
{
    struct pki_cert made = pki_make(&(struct pki_spec){ .use_key = pki_key_shared(PKI_P256) });
    size_t n;
    uint8_t *der = pki_der(made.x509, &n);
    uint8_t *longer = calloc(1, n + 1);

    (void)state;
    assert_non_null(longer);
    memcpy(longer, der, n);
    assert_refused(prov_span(longer, n + 1), PROV_EINVAL, "1 bytes follow");
    free(longer);
    free(der);
    pki_free(&made);
}

/* OpenSSL reads it, and would give it the same id as the certificate in DER. */
static void length_in_a_longer_form_than_needed_is_refused(void **state)
{
    struct pki_cert made = pki_make(&(struct pki_spec){ .use_key = pki_key_shared(PKI_P256) });
    size_t n;
    uint8_t *der = pki_der(made.x509, &n);
    uint8_t *ber = malloc(n + 1);
    const unsigned char *p = ber;
    X509 *cert;

    (void)state;
    assert_non_null(ber);
    assert_int_equal(der[1], 0x82);
    ber[0] = der[0];
    ber[1] = 0x83;
    ber[2] = 0;
    memcpy(ber + 3, der + 2, n - 2);
    cert = d2i_X509(NULL, &p, (long)n + 1);
    assert_non_null(cert);
    assert_refused(prov_span(ber, n + 1), PROV_EINVAL, "not in DER form");
    X509_free(cert);
    free(ber);
    free(der);
    pki_free(&made);
}

static void certificate_over_the_size_limit_is_refused(void **state)
{
    uint8_t *big = calloc(1, PROV_MAX_CERT_DER + 1);

    (void)state;
    assert_non_null(big);
    assert_refused(prov_span(big, PROV_MAX_CERT_DER + 1), PROV_ETOOBIG, "16384 are allowed");
    assert_refused(prov_span(big, PROV_MAX_CERT_DER), PROV_EINVAL, "not an X.509 certificate");
    free(big);
}

/* ---- PEM ------------------------------------------------------------------------------------- */

struct pem_fixture {
    struct pki_cert a, b;
    char *a_pem, *b_pem, *key_pem;
};

static int make_pem(void **state)
{
    struct pem_fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    f->a = pki_make(&(struct pki_spec){ .subject = "/CN=a", .use_key = pki_key_shared(PKI_P256) });
    f->b = pki_make(&(struct pki_spec){ .subject = "/CN=b", .use_key = pki_key_shared(PKI_P256) });
    f->a_pem = pki_pem(f->a.x509);
    f->b_pem = pki_pem(f->b.x509);
    f->key_pem = pki_key_pem(f->a.key);
    *state = f;
    return 0;
}

static int free_pem(void **state)
{
    struct pem_fixture *f = *state;

    free(f->a_pem);
    free(f->b_pem);
    free(f->key_pem);
    pki_free(&f->a);
    pki_free(&f->b);
    free(f);
    return 0;
}

static enum prov_rc read_pem(const char *one, const char *two, const char *three, X509 **out)
{
    struct prov_buf text = { .max = 2 * PROV_MAX_CERT_PEM };
    struct prov_err err = { 0 };
    enum prov_rc rc;

    prov_buf_add_str(&text, one);
    prov_buf_add_str(&text, two);
    prov_buf_add_str(&text, three);
    rc = prov_ident_decode_pem(prov_buf_span(&text), out, &err);
    assert_int_equal(err.rc, rc);
    assert_no_openssl_error();
    prov_buf_release(&text);
    return rc;
}

static void first_certificate_of_a_pem_text_is_read(void **state)
{
    struct pem_fixture *f = *state;
    const struct {
        const char *one, *two, *three;
    } texts[] = {
        { f->a_pem, "", "" },
        { "subject=CN = a\n\n", f->a_pem, "trailing words\n" },
        { f->key_pem, f->a_pem, f->b_pem },
        { f->a_pem, f->b_pem, "-----BEGIN CERTIFICATE-----\nbroken" },
    };
    X509 *cert;

    for (size_t i = 0; i < PROV_COUNT(texts); i++) {
        assert_int_equal(read_pem(texts[i].one, texts[i].two, texts[i].three, &cert), PROV_OK);
        assert_int_equal(X509_cmp(cert, f->a.x509), 0);
        X509_free(cert);
    }
}

static void pem_text_without_a_readable_certificate_is_refused(void **state)
{
    struct pem_fixture *f = *state;
    char *headless = f->a_pem + strlen("-----BEGIN CERTIFICATE-----\n");
    const struct {
        const char *one, *two, *three;
    } texts[] = {
        { "", "", "" },
        { "words\n", "", "" },
        { f->key_pem, "", "" },
        { headless, "", "" },
        { "-----BEGIN CERTIFICATE-----\n", "", "" },
        { "-----BEGIN CERTIFICATE-----\n", "AAAA\n", "-----END CERTIFICATE-----\n" },
        { "-----BEGIN CERTIFICATE-----\n", "!!!!\n", "-----END CERTIFICATE-----\n" },
        { "-----BEGIN TRUSTED CERTIFICATE-----\n", headless, "" },
        /* must not ask anyone for a password */
        { "-----BEGIN CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\n"
          "DEK-Info: AES-128-CBC,000102030405060708090A0B0C0D0E0F\n\n",
          headless, "" },
    };
    X509 *cert;

    for (size_t i = 0; i < PROV_COUNT(texts); i++) {
        assert_int_equal(read_pem(texts[i].one, texts[i].two, texts[i].three, &cert), PROV_EINVAL);
        assert_null(cert);
    }
}

static void pem_text_over_the_size_limit_is_refused(void **state)
{
    struct pem_fixture *f = *state;
    char *padding = malloc(PROV_MAX_CERT_PEM + 1);
    X509 *cert;

    assert_non_null(padding);
    memset(padding, '\n', PROV_MAX_CERT_PEM);
    padding[PROV_MAX_CERT_PEM] = '\0';
    assert_int_equal(read_pem(f->a_pem, padding, "", &cert), PROV_ETOOBIG);
    assert_null(cert);
    assert_int_equal(read_pem(padding + strlen(f->a_pem), f->a_pem, "", &cert), PROV_OK);
    X509_free(cert);
    free(padding);
}

static void pem_of_a_certificate_reads_back(void **state)
{
    struct pem_fixture *f = *state;
    struct prov_buf pem = { .max = PROV_MAX_CERT_PEM };

    assert_int_equal(prov_ident_encode_pem(f->a.x509, &pem), PROV_OK);
    assert_string_equal(prov_buf_cstr(&pem), f->a_pem);
    prov_buf_release(&pem);
}

static void encoding_into_a_buffer_that_is_too_small_says_so(void **state)
{
    struct pem_fixture *f = *state;
    struct prov_buf small = { .max = 10 };

    assert_int_equal(prov_ident_encode(f->a.x509, &small), PROV_ETOOBIG);
    prov_buf_clear(&small);
    assert_int_equal(prov_ident_encode_pem(f->a.x509, &small), PROV_ETOOBIG);
    prov_buf_release(&small);
}

static void error_queued_by_someone_else_survives(void **state)
{
    X509 *cert;

    (void)state;
    ERR_raise(ERR_LIB_USER, 42);
    assert_int_equal(prov_ident_decode(PROV_LIT("junk"), &cert, NULL), PROV_EINVAL);
    assert_int_equal(prov_ident_decode_pem(PROV_LIT("junk"), &cert, NULL), PROV_EINVAL);
    assert_int_equal(ERR_GET_REASON(ERR_get_error()), 42);
    assert_no_openssl_error();
}

static void decoding_fails_cleanly_when_memory_is_short(void **state)
{
    struct pki_cert made = pki_make(&(struct pki_spec){ .use_key = pki_key_shared(PKI_P256) });
    char *pem = pki_pem(made.x509);
    bool failed = true;
    enum prov_rc rc;
    X509 *cert;

    (void)state;
    for (unsigned n = 1; failed; n++) {
        alloc_count_openssl(true);
        alloc_fail_at(n);
        rc = prov_ident_decode_pem(prov_span_str(pem), &cert, NULL);
        failed = alloc_failed();
        alloc_count_openssl(false);
        if (rc == PROV_OK)
            assert_int_equal(X509_cmp(cert, made.x509), 0);
        else
            assert_null(cert);
        X509_free(cert);
    }
    assert_int_equal(rc, PROV_OK);
    free(pem);
    pki_free(&made);
}

int main(void)
{
#define PEM_TEST(f) cmocka_unit_test_setup_teardown(f, make_pem, free_pem)
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(decoded_certificate_encodes_to_the_same_bytes),
        cmocka_unit_test(certificate_id_is_sha256_of_the_der),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(byte_behind_a_certificate_is_refused),
        cmocka_unit_test(length_in_a_longer_form_than_needed_is_refused),
        cmocka_unit_test(certificate_over_the_size_limit_is_refused),
        PEM_TEST(first_certificate_of_a_pem_text_is_read),
        PEM_TEST(pem_text_without_a_readable_certificate_is_refused),
        PEM_TEST(pem_text_over_the_size_limit_is_refused),
        PEM_TEST(pem_of_a_certificate_reads_back),
        PEM_TEST(encoding_into_a_buffer_that_is_too_small_says_so),
        cmocka_unit_test(error_queued_by_someone_else_survives),
        cmocka_unit_test(decoding_fails_cleanly_when_memory_is_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
