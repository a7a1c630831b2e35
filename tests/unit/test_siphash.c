#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>

#include "core/siphash.h"

/* 00 01 02 … 0f, the paper's key; and 00 01 02 … as the message of every vector. */
static uint8_t secret[16], message[64];

static int set_up(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof secret; i++)
        secret[i] = (uint8_t)i;
    for (unsigned i = 0; i < sizeof message; i++)
        message[i] = (uint8_t)i;
    return 0;
}

/* OpenSSL's, with the rounds of ours. */
static uint64_t openssl_siphash(const uint8_t key[static 16], const uint8_t *p, size_t n)
{
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
    unsigned c_rounds = 1, d_rounds = 3;
    size_t size = 8, got = 0;
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size),
        OSSL_PARAM_construct_uint(OSSL_MAC_PARAM_C_ROUNDS, &c_rounds),
        OSSL_PARAM_construct_uint(OSSL_MAC_PARAM_D_ROUNDS, &d_rounds),
        OSSL_PARAM_construct_end(),
    };
    uint8_t out[8];
    uint64_t hash = 0;

    assert_int_equal(EVP_MAC_CTX_set_params(ctx, params), 1);
    assert_int_equal(EVP_MAC_init(ctx, key, 16, NULL), 1);
    assert_int_equal(EVP_MAC_update(ctx, p, n), 1);
    assert_int_equal(EVP_MAC_final(ctx, out, &got, sizeof out), 1);
    assert_int_equal(got, 8);
    for (unsigned i = 0; i < 8; i++)
        hash |= (uint64_t)out[i] << (8 * i);
    EVP_MAC_CTX_free(ctx);
    EVP_MAC_free(mac);
    return hash;
}

static void known_answers_are_given(void **state)
{
    static const struct {
        size_t n;
        uint64_t hash;
    } rows[] = {
        { 0, UINT64_C(0xabac0158050fc4dc) },  { 1, UINT64_C(0xc9f49bf37d57ca93) },
        { 7, UINT64_C(0xd3927d989bb11140) },  { 8, UINT64_C(0x369095118d299a8e) },
        { 9, UINT64_C(0x25a48eb36c063de4) },  { 15, UINT64_C(0xd320d86d2a519956) },
        { 16, UINT64_C(0xcc4fdd1a7d908b66) }, { 32, UINT64_C(0x81157b6c16a7b60d) },
        { 63, UINT64_C(0x9d199062b7bbb3a8) },
    };
    (void)state;

    for (size_t i = 0; i < PROV_COUNT(rows); i++)
        assert_int_equal(prov_siphash(secret, prov_span(message, rows[i].n)), rows[i].hash);
    assert_int_equal(prov_siphash(secret, prov_span(NULL, 0)), rows[0].hash);
}

static void every_length_gives_what_openssl_gives(void **state)
{
    (void)state;
    for (size_t n = 0; n <= sizeof message; n++)
        assert_int_equal(prov_siphash(secret, prov_span(message, n)),
                         openssl_siphash(secret, message, n));
}

static void every_bit_of_the_secret_counts(void **state)
{
    const uint64_t before = prov_siphash(secret, prov_span(message, 32));
    uint8_t other[16];
    (void)state;

    for (unsigned bit = 0; bit < 128; bit++) {
        memcpy(other, secret, sizeof other);
        other[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_true(prov_siphash(other, prov_span(message, 32)) != before);
        assert_int_equal(prov_siphash(other, prov_span(message, 32)),
                         openssl_siphash(other, message, 32));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers_are_given),
        cmocka_unit_test(every_length_gives_what_openssl_gives),
        cmocka_unit_test(every_bit_of_the_secret_counts),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
