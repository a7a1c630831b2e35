#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "core/keys.h"
#include "support/alloc.h"

static EVP_PKEY *read_private(struct prov_span pem)
{
    BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);

    BIO_free(bio);
    return key;
}

static EVP_PKEY *read_public(struct prov_span pem)
{
    BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    EVP_PKEY *key = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);

    BIO_free(bio);
    return key;
}

/* What OpenSSL writes for the same key. */
static char *as_openssl_writes(const EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text, *copy;
    long n;

    assert_int_equal(PEM_write_bio_PrivateKey_traditional(bio, key, NULL, NULL, 0, NULL, NULL), 1);
    n = BIO_get_mem_data(bio, &text);
    copy = prov_span_dup(prov_span(text, (size_t)n));
    BIO_free(bio);
    assert_non_null(copy);
    return copy;
}

static void key_reads_as_what_it_is(void **state)
{
    static const struct {
        enum prov_key_type type;
        const char *first_line, *name;
        int bits;
    } rows[] = {
        { PROV_KEY_RSA2048, "-----BEGIN RSA PRIVATE KEY-----\n", "RSA", 2048 },
        { PROV_KEY_EC_P256, "-----BEGIN EC PRIVATE KEY-----\n", "EC", 256 },
    };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        EVP_PKEY *private_key, *public_key;
        unsigned char *spki = NULL;
        struct prov_key key;
        EVP_PKEY_CTX *ctx;
        char *expected;
        int n;

        assert_int_equal(prov_key_make(rows[i].type, &key), PROV_OK);
        assert_true(prov_span_starts(prov_buf_span(&key.pem), prov_span_str(rows[i].first_line)));
        private_key = read_private(prov_buf_span(&key.pem));
        public_key = read_public(prov_buf_span(&key.public_pem));
        assert_non_null(private_key);
        assert_true(EVP_PKEY_is_a(private_key, rows[i].name));
        assert_int_equal(EVP_PKEY_get_bits(private_key), rows[i].bits);
        assert_int_equal(EVP_PKEY_eq(private_key, public_key), 1);
        ctx = EVP_PKEY_CTX_new(private_key, NULL);
        assert_int_equal(EVP_PKEY_check(ctx), 1);
        n = i2d_PUBKEY(private_key, &spki);
        assert_true(prov_span_eq(prov_buf_span(&key.spki), prov_span(spki, (size_t)n)));
        expected = as_openssl_writes(private_key);
        assert_true(prov_span_eq_str(prov_buf_span(&key.pem), expected));
        assert_int_equal(ERR_peek_error(), 0);
        OPENSSL_clear_free(expected, strlen(expected));
        OPENSSL_free(spki);
        EVP_PKEY_CTX_free(ctx);
        EVP_PKEY_free(public_key);
        EVP_PKEY_free(private_key);
        prov_key_release(&key);
    }
}

static void no_two_keys_are_the_same(void **state)
{
    struct prov_key a, b;

    (void)state;
    assert_int_equal(prov_key_make(PROV_KEY_EC_P256, &a), PROV_OK);
    assert_int_equal(prov_key_make(PROV_KEY_EC_P256, &b), PROV_OK);
    assert_false(prov_span_eq(prov_buf_span(&a.pem), prov_buf_span(&b.pem)));
    assert_false(prov_span_eq(prov_buf_span(&a.spki), prov_buf_span(&b.spki)));
    prov_key_release(&b);
    prov_key_release(&a);
}

/* A private scalar that starts with a zero byte is as long as the others (RFC 5915 section 3). */
static void short_scalars_are_filled_up(void **state)
{
    struct prov_key first;
    size_t n;

    (void)state;
    assert_int_equal(prov_key_make(PROV_KEY_EC_P256, &first), PROV_OK);
    n = first.pem.n;
    prov_key_release(&first);
    for (unsigned i = 0; i < 2000; i++) { /* 1 in 256 is short */
        struct prov_key key;

        assert_int_equal(prov_key_make(PROV_KEY_EC_P256, &key), PROV_OK);
        assert_int_equal(key.pem.n, n);
        prov_key_release(&key);
    }
}

static void types_have_names(void **state)
{
    (void)state;
    assert_string_equal(prov_key_type_name(PROV_KEY_RSA2048), "rsa2048");
    assert_string_equal(prov_key_type_name(PROV_KEY_EC_P256), "ec-p256");
    assert_string_equal(prov_key_type_name(PROV_KEY_TYPES), "unknown");
}

static void assert_empty(const struct prov_key *key)
{
    assert_null(key->pem.p);
    assert_null(key->public_pem.p);
    assert_null(key->spki.p);
}

/* RSA's own allocations alone: a run through OpenSSL's would make a thousand keys. */
static void key_that_cannot_be_made_leaves_nothing(void **state)
{
    static const struct {
        enum prov_key_type type;
        bool openssl;
    } rows[] = { { PROV_KEY_EC_P256, true }, { PROV_KEY_RSA2048, false } };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct prov_key key;
        enum prov_rc rc;

        for (unsigned n = 1;; n++) {
            alloc_fail_at(n);
            alloc_count_openssl(rows[i].openssl);
            rc = prov_key_make(rows[i].type, &key);
            alloc_count_openssl(false);
            if (!alloc_failed())
                break;
            /* OpenSSL does without some, and does not always say that it is memory that it lacks */
            assert_true(rc == PROV_OK || rc == PROV_ENOMEM || rc == PROV_ESIGNER);
            if (!rows[i].openssl)
                assert_int_equal(rc, PROV_ENOMEM);
            if (rc != PROV_OK)
                assert_empty(&key);
            assert_int_equal(ERR_peek_error(), 0);
            prov_key_release(&key);
        }
        assert_int_equal(rc, PROV_OK);
        prov_key_release(&key);
        assert_empty(&key);
        prov_key_release(&key);
        prov_key_release(NULL);
    }
}

/* A buffer that the caller chose too small says so. */
static void parts_that_do_not_fit_are_refused(void **state)
{
    struct prov_buf small = { .max = 16 };
    EVP_PKEY *key;

    (void)state;
    assert_int_equal(prov_key_new(PROV_KEY_EC_P256, &key), PROV_OK);
    assert_int_equal(prov_key_private_pem(PROV_KEY_EC_P256, key, &small), PROV_ETOOBIG);
    prov_buf_wipe(&small);
    assert_int_equal(prov_key_spki(PROV_KEY_EC_P256, key, &small), PROV_ETOOBIG);
    prov_buf_release(&small);
    EVP_PKEY_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key_reads_as_what_it_is),
        cmocka_unit_test(no_two_keys_are_the_same),
        cmocka_unit_test(short_scalars_are_filled_up),
        cmocka_unit_test(types_have_names),
        cmocka_unit_test(key_that_cannot_be_made_leaves_nothing),
        cmocka_unit_test(parts_that_do_not_fit_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
