/* Private keys in PEM, requests for them, and the certificates that fit to them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "device-agent/port/posix/keys.h"
#include "support/alloc.h"
#include "support/pki.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define T0 INT64_C(1700000000)

static const struct keys_conf files = { .type = KEYS_EC_P256 };

static struct agent_span span(const char *s)
{
    return (struct agent_span){ (const uint8_t *)s, strlen(s) };
}

/* A buffer that was used before. */
struct used {
    char bytes[AGENT_MAX_KEY + AGENT_MAX_CSR];
    struct agent_text text;
};

static struct agent_text *use(struct used *used)
{
    memset(used->bytes, 'x', sizeof used->bytes);
    used->text = (struct agent_text){ .p = used->bytes, .n = 5, .cap = sizeof used->bytes };
    return &used->text;
}

static void assert_wiped(const struct agent_text *text)
{
    assert_int_equal(text->n, 0);
    for (size_t i = 0; i < text->cap; i++)
        assert_int_equal(text->p[i], '\0');
}

static char *written(BIO *bio)
{
    char *p, *copy;
    const long n = BIO_get_mem_data(bio, &p);

    copy = calloc(1, (size_t)n + 1);
    memcpy(copy, p, (size_t)n);
    BIO_free(bio);
    return copy;
}

static char *traditional(EVP_PKEY *key, const EVP_CIPHER *cipher)
{
    BIO *bio = BIO_new(BIO_s_mem());

    assert_int_equal(
        PEM_write_bio_PrivateKey_traditional(bio, key, cipher, NULL, 0, NULL, (void *)"secret"), 1);
    return written(bio);
}

static char *encrypted(const EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());

    assert_int_equal(
        PEM_write_bio_PKCS8PrivateKey(bio, key, EVP_aes_128_cbc(), NULL, 0, NULL, (void *)"secret"),
        1);
    return written(bio);
}

static char *public_pem(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());

    assert_int_equal(PEM_write_bio_PUBKEY(bio, key), 1);
    return written(bio);
}

static char *join(const char *a, const char *b)
{
    char *both;

    assert_true(asprintf(&both, "%s%s", a, b) >= 0);
    return both;
}

/* The first n bytes, and nothing behind them that could be read. */
static uint8_t *start_of(const char *s, size_t n)
{
    uint8_t *exact = malloc(n == 0 ? 1 : n);

    memcpy(exact, s, n);
    return exact;
}

/* ---- making ---------------------------------------------------------------------------------- */

static void new_keys_are_of_the_kind_asked_for(void **state)
{
    static const struct {
        enum keys_type type;
        const char *name, *kind;
        int bits;
    } rows[] = {
        { KEYS_EC_P256, "ec-p256", "EC", 256 },
        { KEYS_RSA_2048, "rsa-2048", "RSA", 2048 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct keys_conf conf = { .type = rows[i].type };
        struct port_result result = { .class = AGENT_OK };
        struct used one, other;
        EVP_PKEY *key;

        assert_string_equal(keys_type_name(rows[i].type), rows[i].name);
        assert_int_equal(keys_make(&conf, 1, use(&one), &result), AGENT_OK);
        assert_int_equal(keys_make(&conf, 1, use(&other), &result), AGENT_OK);
        assert_string_not_equal(one.bytes, other.bytes);
        assert_memory_equal(one.bytes, "-----BEGIN PRIVATE KEY-----\n", 28);
        assert_int_equal(strlen(one.bytes), one.text.n);
        key = keys_load(&conf, span(one.bytes), &result);
        assert_non_null(key);
        assert_true(EVP_PKEY_is_a(key, rows[i].kind));
        assert_int_equal(EVP_PKEY_get_bits(key), rows[i].bits);
        EVP_PKEY_free(key);
    }
}

static void key_that_does_not_fit_the_buffer_leaves_nothing_in_it(void **state)
{
    struct port_result result = { .class = AGENT_OK };
    struct used out;

    (void)state;
    use(&out)->cap = 200;
    assert_int_equal(keys_make(&files, 1, &out.text, &result), AGENT_LOCAL);
    assert_wiped(&out.text);
    assert_string_not_equal(result.text, "");
}

static void pem_is_stored_as_it_is_and_has_no_token(void **state)
{
    char *pem = pki_key_pem(pki_key_shared(PKI_P256));
    struct port_result result = { .class = AGENT_OK };
    struct used out;

    (void)state;
    assert_false(keys_in_token(span(pem)));
    assert_false(keys_in_token(span("pkcs11")));
    assert_true(keys_in_token(span("pkcs11:token=a")));
    assert_int_equal(keys_storable(span(pem), use(&out), &result), AGENT_OK);
    assert_string_equal(out.bytes, pem);
    assert_int_equal(keys_destroy(&files, span(pem), &result), AGENT_OK);
    use(&out)->cap = 100;
    assert_int_equal(keys_storable(span(pem), &out.text, &result), AGENT_LOCAL);
    assert_wiped(&out.text);
    free(pem);
}

/* ---- loading --------------------------------------------------------------------------------- */

static void keys_of_others_are_taken_in_their_forms(void **state)
{
    static const enum pki_key kinds[] = { PKI_P256, PKI_P384, PKI_P521, PKI_RSA_2048 };

    (void)state;
    for (size_t i = 0; i < COUNT(kinds); i++) {
        EVP_PKEY *key = pki_key_shared(kinds[i]);
        char *const forms[] = { pki_key_pem(key), traditional(key, NULL) };

        for (size_t k = 0; k < COUNT(forms); k++) {
            struct port_result result = { .class = AGENT_OK };
            EVP_PKEY *loaded = keys_load(&files, span(forms[k]), &result);

            assert_non_null(loaded);
            assert_int_equal(EVP_PKEY_eq(loaded, key), 1);
            EVP_PKEY_free(loaded);
            free(forms[k]);
        }
    }
}

static void pem_needs_no_nul_behind_it(void **state)
{
    char *pem = pki_key_pem(pki_key_shared(PKI_P256));
    const size_t n = strlen(pem);
    uint8_t *exact = start_of(pem, n);
    struct port_result result = { .class = AGENT_OK };
    EVP_PKEY *key;

    (void)state;
    key = keys_load(&files, (struct agent_span){ exact, n }, &result);
    assert_non_null(key);
    EVP_PKEY_free(key);
    free(exact);
    free(pem);
}

/* Nobody is asked for a passphrase: this would wait for one. */
static void what_is_no_key_for_us_is_refused_in_words(void **state)
{
    EVP_PKEY *ec = pki_key_shared(PKI_P256);
    char *whole = pki_key_pem(ec);
    const struct {
        char *pem;
        const char *text;
    } rows[] = {
        { encrypted(ec), "encrypted" },
        { traditional(ec, EVP_aes_128_cbc()), "encrypted" },
        { public_pem(ec), "no PEM of a private key" },
        { strdup(""), "no PEM of a private key" },
        { strdup("-----BEGIN PRIVATE KEY-----\nMC4C\n-----END PRIVATE KEY-----\n"),
          "no PEM of a private key" },
        { strndup(whole, strlen(whole) / 2), "no PEM of a private key" },
        { pki_key_pem(pki_key_shared(PKI_P256K1)), "not used" },
        { pki_key_pem(pki_key_shared(PKI_RSA_1024)), "not used" },
        { pki_key_pem(pki_key_shared(PKI_RSA_PSS_2048)), "not used" },
        { pki_key_pem(pki_key_shared(PKI_ED25519)), "not used" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct port_result result = { .class = AGENT_OK };

        assert_null(keys_load(&files, span(rows[i].pem), &result));
        assert_int_equal(result.class, AGENT_LOCAL);
        assert_non_null(strstr(result.text, rows[i].text));
        assert_int_equal(ERR_peek_error(), 0);
        free(rows[i].pem);
    }
    free(whole);
}

/* ---- requests -------------------------------------------------------------------------------- */

static X509_REQ *read_request(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509_REQ *req = PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);

    assert_non_null(req);
    BIO_free(bio);
    return req;
}

static void assert_request(const char *pem, EVP_PKEY *key, const char *name)
{
    X509_REQ *req = read_request(pem);
    X509_NAME *subject = X509_REQ_get_subject_name(req);
    const ASN1_STRING *value;
    int digest;

    assert_int_equal(X509_REQ_verify(req, key), 1);
    assert_int_equal(X509_REQ_get_version(req), 0);
    assert_int_equal(OBJ_find_sigid_algs(X509_REQ_get_signature_nid(req), &digest, NULL), 1);
    assert_int_equal(digest, NID_sha256);
    assert_int_equal(X509_NAME_entry_count(subject), 1);
    value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, 0));
    assert_int_equal(ASN1_STRING_type(value), V_ASN1_UTF8STRING);
    assert_int_equal(ASN1_STRING_length(value), strlen(name));
    assert_memory_equal(ASN1_STRING_get0_data(value), name, strlen(name));
    X509_REQ_free(req);
}

static void request_has_the_name_and_the_keys_signature(void **state)
{
    static const enum pki_key kinds[] = { PKI_P256, PKI_RSA_2048 };
    char longest[AGENT_MAX_CLIENT_ID];
    const char *const names[] = { "dev-1", "M\xc3\xa5ler 7", longest };

    (void)state;
    memset(longest, 'n', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    for (size_t i = 0; i < COUNT(kinds); i++) {
        EVP_PKEY *key = pki_key_shared(kinds[i]);
        char *pem = pki_key_pem(key);

        for (size_t k = 0; k < COUNT(names); k++) {
            struct port_result result = { .class = AGENT_OK };
            struct used out;

            assert_int_equal(keys_csr(&files, span(pem), names[k], use(&out), &result), AGENT_OK);
            assert_int_equal(strlen(out.bytes), out.text.n);
            assert_request(out.bytes, key, names[k]);
        }
        free(pem);
    }
}

static void request_that_cannot_be_made_leaves_nothing(void **state)
{
    static const struct {
        const char *name;
        bool no_key;
        size_t cap;
        enum agent_class class;
    } rows[] = {
        { "", false, AGENT_MAX_CSR, AGENT_CONFIG },
        { "\xff", false, AGENT_MAX_CSR, AGENT_CONFIG },
        { "dev\xc3", false, AGENT_MAX_CSR, AGENT_CONFIG },
        { "dev-1", true, AGENT_MAX_CSR, AGENT_LOCAL },
        { "dev-1", false, 300, AGENT_LOCAL },
    };
    char *pem = pki_key_pem(pki_key_shared(PKI_P256));

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct port_result result = { .class = AGENT_OK };
        struct used out;

        use(&out)->cap = rows[i].cap;
        assert_int_equal(
            keys_csr(&files, span(rows[i].no_key ? "none" : pem), rows[i].name, &out.text, &result),
            rows[i].class);
        assert_int_equal(result.class, rows[i].class);
        assert_wiped(&out.text);
    }
    free(pem);
}

/* ---- certificates ---------------------------------------------------------------------------- */

struct fixture {
    struct pki_cert ca, dev;
    char *key, *cert, *chain; /* chain: cert and the CA's */
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    char *ca;

    f->ca = pki_make(&(struct pki_spec){ .subject = "/CN=CA", .ca = true, .now_s = T0 });
    f->dev = pki_make(&(struct pki_spec){ .subject = "/CN=dev-1",
                                          .issuer = &f->ca,
                                          .now_s = T0,
                                          .not_before_s = -60,
                                          .not_after_s = 86400 });
    f->key = pki_key_pem(f->dev.key);
    f->cert = pki_pem(f->dev.x509);
    ca = pki_pem(f->ca.x509);
    f->chain = join(f->cert, ca);
    free(ca);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    pki_free(&f->dev);
    pki_free(&f->ca);
    free(f->key);
    free(f->cert);
    free(f->chain);
    free(f);
    return 0;
}

static char reason[AGENT_MAX_MESSAGE]; /* of the last fit */

/* What the last call wrote is cleared where nothing fits. */
static enum agent_class fit(struct agent_span cert, const char *key, struct agent_slot *slot)
{
    struct port_result result = { .class = AGENT_OK };
    enum agent_class class;

    *slot = (struct agent_slot){ true, true, 1, 1 };
    class = keys_fit(&files, cert, span(key), slot, &result);
    assert_int_equal(result.class, class);
    assert_int_equal(result.text[0] == '\0', class == AGENT_OK);
    memcpy(reason, result.text, sizeof reason);
    assert_int_equal(ERR_peek_error(), 0);
    if (class != AGENT_OK)
        assert_true(!slot->key && !slot->cert && slot->not_before_s == 0 && slot->not_after_s == 0);
    return class;
}

static void assert_no_fit(const char *cert, const char *key)
{
    struct agent_slot slot;

    assert_int_equal(fit(span(cert), key, &slot), AGENT_ANSWER);
}

static char *with_line_ends(const char *s, const char *end)
{
    char *out = calloc(2, strlen(s) + 1), *p = out;

    for (; *s != '\0'; s++) {
        if (*s != '\n')
            *p++ = *s;
        else
            p = stpcpy(p, end);
    }
    return out;
}

static void certificate_fits_its_key_and_tells_its_validity(void **state)
{
    struct fixture *f = *state;
    char *const forms[] = { strdup(f->cert), strdup(f->chain), with_line_ends(f->chain, "\r\n"),
                            join("subject=CN = dev-1\n\n", f->chain), join(f->chain, "\n") };
    struct agent_slot slot;

    for (size_t i = 0; i < COUNT(forms); i++) {
        assert_int_equal(fit(span(forms[i]), f->key, &slot), AGENT_OK);
        assert_true(slot.key && slot.cert);
        assert_int_equal(slot.not_before_s, T0 - 60);
        assert_int_equal(slot.not_after_s, T0 + 86400);
        free(forms[i]);
    }
}

static void certificate_of_another_key_does_not_fit(void **state)
{
    struct fixture *f = *state;
    char *other = pki_key_pem(pki_key_shared(PKI_P256));
    char *rsa = pki_key_pem(pki_key_shared(PKI_RSA_2048));
    char *ca_key = pki_key_pem(f->ca.key);

    assert_no_fit(f->chain, other);
    assert_no_fit(f->chain, rsa);
    assert_no_fit(f->chain, ca_key); /* the second's */
    assert_string_equal(reason, "the certificate is for another key");
    assert_no_fit(f->chain, "no key");
    free(ca_key);
    free(rsa);
    free(other);
}

/* Wherever it was cut, but between its blocks, where nothing shows that something is missing. */
static void certificate_that_was_cut_off_is_refused(void **state)
{
    struct fixture *f = *state;
    const size_t n = strlen(f->chain), first = strlen(f->cert);
    struct agent_slot slot;

    for (size_t i = 0; i < n; i++) {
        uint8_t *exact = start_of(f->chain, i);
        const bool whole = i == first || i == first - 1 || i == n - 1;

        assert_int_equal(fit((struct agent_span){ exact, i }, f->key, &slot),
                         whole ? AGENT_OK : AGENT_ANSWER);
        free(exact);
    }
}

static char *block(const char *name, const char *header, const uint8_t *der, size_t n)
{
    BIO *bio = BIO_new(BIO_s_mem());

    assert_true(PEM_write_bio(bio, name, header, der, (long)n) > 0);
    return written(bio);
}

static void other_things_than_certificates_are_refused(void **state)
{
    struct fixture *f = *state;
    size_t n;
    uint8_t *der = pki_der(f->dev.x509, &n), *longer = calloc(1, n + 1);
    char *forms[] = {
        join(f->key, f->cert),
        join(f->cert, f->key),
        join(f->cert, "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"),
        block("TRUSTED CERTIFICATE", "", der, n),
        block("CERTIFICATE", "Proc-Type: 4,ENCRYPTED\n", der, n),
        NULL,
        strdup(""),
        strdup("certificate"),
    };

    memcpy(longer, der, n);
    forms[5] = block("CERTIFICATE", "", longer, n + 1);
    for (size_t i = 0; i < COUNT(forms); i++) {
        assert_no_fit(forms[i], f->key);
        free(forms[i]);
    }
    free(longer);
    free(der);
}

static void validity_may_be_any_time_but_none(void **state)
{
    static const struct {
        int64_t not_before_s, not_after_s;
        enum agent_class class;
    } rows[] = {
        { -1, INT64_C(253402300799), AGENT_OK }, /* 9999-12-31T23:59:59Z: no end (RFC 5280) */
        { INT64_C(-631152000), -1, AGENT_OK },   /* 1950, up to the second before 1970 */
        { T0, T0, AGENT_OK },
        { T0 + 1, T0, AGENT_ANSWER },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct pki_cert cert =
            pki_make(&(struct pki_spec){ .now_s = 1,
                                         .not_before_s = rows[i].not_before_s - 1,
                                         .not_after_s = rows[i].not_after_s - 1 });
        char *pem = pki_pem(cert.x509), *key = pki_key_pem(cert.key);
        struct agent_slot slot;

        assert_int_equal(fit(span(pem), key, &slot), rows[i].class);
        if (rows[i].class == AGENT_OK) {
            assert_int_equal(slot.not_before_s, rows[i].not_before_s);
            assert_int_equal(slot.not_after_s, rows[i].not_after_s);
        }
        free(key);
        free(pem);
        pki_free(&cert);
    }
}

/* In a key's PKCS#8 its public half stands at the end: 65 bytes for P-256. */
static char *with_public_half_of(const EVP_PKEY *key, const EVP_PKEY *other)
{
    uint8_t *der = NULL, *others = NULL;
    PKCS8_PRIV_KEY_INFO *a = EVP_PKEY2PKCS8(key), *b = EVP_PKEY2PKCS8(other);
    const int n = i2d_PKCS8_PRIV_KEY_INFO(a, &der), m = i2d_PKCS8_PRIV_KEY_INFO(b, &others);
    char *pem;

    assert_true(n == m && n > 65);
    memcpy(der + n - 65, others + m - 65, 65);
    pem = block("PRIVATE KEY", "", der, (size_t)n);
    PKCS8_PRIV_KEY_INFO_free(a);
    PKCS8_PRIV_KEY_INFO_free(b);
    OPENSSL_free(der);
    OPENSSL_free(others);
    return pem;
}

static void key_that_only_shows_the_right_public_half_does_not_fit(void **state)
{
    struct fixture *f = *state;
    char *false_key = with_public_half_of(pki_key_shared(PKI_P256), f->dev.key);
    char *same = with_public_half_of(f->dev.key, f->dev.key);
    struct agent_slot slot;

    assert_no_fit(f->cert, false_key);
    assert_int_equal(fit(span(f->cert), same, &slot), AGENT_OK);
    free(same);
    free(false_key);
}

/* ---- no memory ------------------------------------------------------------------------------- */

static enum agent_class make_key(const struct fixture *f, struct port_result *result)
{
    struct used key;
    enum agent_class class;

    (void)f;
    class = keys_make(&files, 1, use(&key), result);
    if (class != AGENT_OK)
        assert_wiped(&key.text);
    return class;
}

static enum agent_class make_request(const struct fixture *f, struct port_result *result)
{
    struct used csr;

    return keys_csr(&files, span(f->key), "dev-1", use(&csr), result);
}

static enum agent_class make_fit(const struct fixture *f, struct port_result *result)
{
    struct agent_slot slot;

    return keys_fit(&files, span(f->cert), span(f->key), &slot, result);
}

/* OpenSSL does not always say that it was memory, and some allocations it can do without. Of its
 * thousands for a PEM not each is tried. */
static void without_memory_nothing_is_lost(void **state)
{
    static enum agent_class (*const operations[])(
        const struct fixture *, struct port_result *) = { make_key, make_request, make_fit };
    const struct fixture *f = *state;

    for (size_t i = 0; i < COUNT(operations); i++) {
        struct port_result result = { .class = AGENT_OK };
        bool failed = true;

        if (operations[i] == make_fit && !alloc_openssl_tells())
            continue; /* it verifies a signature, in which OpenSSL may crash */
        assert_int_equal(operations[i](f, &result), AGENT_OK); /* what is allocated once */
        alloc_count_openssl(true);
        for (unsigned n = 1; failed; n += n < 500 ? 1 : 17) {
            enum agent_class class;

            result.class = AGENT_OK;
            alloc_fail_at(n);
            class = operations[i](f, &result);
            failed = alloc_failed();
            assert_int_equal(result.class, class);
            assert_true(class == AGENT_OK ||
                        (failed && (class == AGENT_LOCAL || class == AGENT_ANSWER)));
            assert_int_equal(ERR_peek_error(), 0);
        }
        alloc_count_openssl(false);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_keys_are_of_the_kind_asked_for),
        cmocka_unit_test(key_that_does_not_fit_the_buffer_leaves_nothing_in_it),
        cmocka_unit_test(pem_is_stored_as_it_is_and_has_no_token),
        cmocka_unit_test(keys_of_others_are_taken_in_their_forms),
        cmocka_unit_test(pem_needs_no_nul_behind_it),
        cmocka_unit_test(what_is_no_key_for_us_is_refused_in_words),
        cmocka_unit_test(request_has_the_name_and_the_keys_signature),
        cmocka_unit_test(request_that_cannot_be_made_leaves_nothing),
        cmocka_unit_test(certificate_fits_its_key_and_tells_its_validity),
        cmocka_unit_test(certificate_of_another_key_does_not_fit),
        cmocka_unit_test(certificate_that_was_cut_off_is_refused),
        cmocka_unit_test(other_things_than_certificates_are_refused),
        cmocka_unit_test(validity_may_be_any_time_but_none),
        cmocka_unit_test(key_that_only_shows_the_right_public_half_does_not_fit),
        cmocka_unit_test(without_memory_nothing_is_lost),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
