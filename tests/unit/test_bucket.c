#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/bucket.h"
#include "support/alloc.h"

#define T0 INT64_C(1000000)
#define KEY(text) PROV_LIT(text)

static const uint8_t secret[16] = { 's', 'i', 'x', 't', 'e', 'e', 'n' };

static struct prov_buckets *make(uint32_t per_s, uint32_t burst, uint32_t keys)
{
    const struct prov_buckets_conf conf = { per_s, burst, keys };
    struct prov_buckets *table;

    assert_int_equal(prov_buckets_new(&conf, secret, &table), PROV_OK);
    return table;
}

/* Takes until there is none. */
static unsigned drain(struct prov_buckets *table, struct prov_span key, int64_t now_ms)
{
    unsigned n = 0;

    while (prov_buckets_take(table, key, now_ms))
        assert_true(++n < 1000000);
    return n;
}

static void a_new_key_has_its_burst_and_no_more(void **state)
{
    static const uint32_t bursts[] = { 1, 2, 100, 1000 };
    (void)state;

    for (size_t i = 0; i < PROV_COUNT(bursts); i++) {
        struct prov_buckets *table = make(10, bursts[i], 8);

        assert_int_equal(drain(table, KEY("a"), T0), bursts[i]);
        assert_false(prov_buckets_take(table, KEY("a"), T0));
        prov_buckets_free(table);
    }
    prov_buckets_free(NULL);
}

static void tokens_come_back_at_the_rate_and_stop_at_the_burst(void **state)
{
    static const struct {
        uint32_t per_s, burst;
        int64_t after_ms;
        unsigned tokens;
    } rows[] = {
        { 10, 5, 0, 0 },
        { 10, 5, 99, 0 },
        { 10, 5, 100, 1 },
        { 10, 5, 199, 1 },
        { 10, 5, 200, 2 },
        { 10, 5, 499, 4 },
        { 10, 5, 500, 5 },
        { 10, 5, 100000000, 5 },
        { 1, 1, 999, 0 },
        { 1, 1, 1000, 1 },
        { 1000000, 5000, 1, 1000 },
        { 1000000, 5000, 4, 4000 },
        { 1000000, 5000, 6, 5000 },
        { 3, 3, 333, 0 },
        { 3, 3, 334, 1 },
        { UINT32_MAX, 10, 1, 10 },
        { 1, 10, INT64_MAX - T0, 10 },
    };
    (void)state;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct prov_buckets *table = make(rows[i].per_s, rows[i].burst, 8);

        assert_int_equal(drain(table, KEY("a"), T0), rows[i].burst);
        assert_int_equal(drain(table, KEY("a"), T0 + rows[i].after_ms), rows[i].tokens);
        prov_buckets_free(table);
    }
}

/* Asking in vain must not push the next token away, and fractions of tokens add up. */
static void who_asks_all_the_time_gets_the_rate(void **state)
{
    struct prov_buckets *table = make(3, 1, 8);
    unsigned granted = 0;
    (void)state;

    for (int64_t t = 0; t < 10000; t++)
        granted += prov_buckets_take(table, KEY("a"), T0 + t);
    assert_int_equal(granted, 30); /* at 0 ms, then every 333⅓ */
    prov_buckets_free(table);
}

static void largest_numbers_do_not_overflow(void **state)
{
    struct prov_buckets *table = make(UINT32_MAX, UINT32_MAX, 8);
    (void)state;

    assert_true(prov_buckets_take(table, KEY("a"), INT64_MIN));
    assert_true(prov_buckets_take(table, KEY("a"), INT64_MAX));
    assert_true(prov_buckets_take(table, KEY("a"), INT64_MIN));
    prov_buckets_free(table);
    table = make(1, UINT32_MAX, 8);
    assert_true(prov_buckets_take(table, KEY("a"), INT64_MIN));
    assert_true(prov_buckets_take(table, KEY("a"), INT64_MAX));
    prov_buckets_free(table);
}

static void keys_do_not_share_tokens(void **state)
{
    struct prov_buckets *table = make(1, 3, 64);
    (void)state;

    assert_int_equal(drain(table, KEY("a"), T0), 3);
    assert_false(prov_buckets_peek(table, KEY("a"), T0));
    assert_true(prov_buckets_peek(table, KEY("b"), T0));
    assert_int_equal(drain(table, KEY("b"), T0), 3);
    assert_int_equal(drain(table, KEY(""), T0), 3);
    assert_int_equal(drain(table, KEY("a\0"), T0), 3);
    prov_buckets_free(table);
}

static void peek_tells_and_takes_nothing(void **state)
{
    struct prov_buckets *table = make(10, 2, 8);
    (void)state;

    for (int i = 0; i < 5; i++)
        assert_true(prov_buckets_peek(table, KEY("a"), T0));
    assert_true(prov_buckets_take(table, KEY("a"), T0));
    for (int i = 0; i < 5; i++)
        assert_true(prov_buckets_peek(table, KEY("a"), T0));
    assert_true(prov_buckets_take(table, KEY("a"), T0));
    assert_false(prov_buckets_peek(table, KEY("a"), T0));
    assert_false(prov_buckets_peek(table, KEY("a"), T0 + 99));
    assert_true(prov_buckets_peek(table, KEY("a"), T0 + 100));
    prov_buckets_free(table);
}

static void no_limit_grants_everything_and_keeps_nothing(void **state)
{
    const struct prov_buckets_conf conf = { 0, 1, PROV_MAX_BUCKETS };
    struct prov_buckets *table;
    (void)state;

    alloc_count_reset();
    assert_int_equal(prov_buckets_new(&conf, secret, &table), PROV_OK);
    assert_int_equal(alloc_count(), 1); /* no table of buckets */
    for (int i = 0; i < 1000; i++) {
        assert_true(prov_buckets_peek(table, KEY("a"), T0));
        assert_true(prov_buckets_take(table, KEY("a"), T0));
    }
    prov_buckets_free(table);
}

static void clock_that_goes_back_costs_nobody_tokens_and_holds_nobody_up(void **state)
{
    struct prov_buckets *table = make(10, 10, 8);
    (void)state;

    for (int i = 0; i < 6; i++)
        assert_true(prov_buckets_take(table, KEY("a"), T0));
    /* 4 are left, also a little earlier; from there they come back at the rate */
    assert_true(prov_buckets_take(table, KEY("a"), T0 - 500));
    assert_int_equal(drain(table, KEY("a"), T0 - 500), 3);
    assert_false(prov_buckets_take(table, KEY("a"), T0 - 401));
    assert_true(prov_buckets_take(table, KEY("a"), T0 - 400));
    assert_false(prov_buckets_take(table, KEY("a"), T0 - 400));
    /* a peek alone moves nothing: within the second that filling takes it is empty, then full */
    assert_false(prov_buckets_peek(table, KEY("a"), T0 - 400 - 999));
    assert_true(prov_buckets_peek(table, KEY("a"), T0 - 400 - 1000));
    assert_int_equal(drain(table, KEY("a"), 0), 10);
    prov_buckets_free(table);
}

static struct prov_span numbered(unsigned i, uint8_t out[static 4])
{
    for (unsigned byte = 0; byte < 4; byte++)
        out[byte] = (uint8_t)(i >> (8 * byte));
    return prov_span(out, 4);
}

/* One set of eight places: the bucket with the fewest tokens outlives any number of others. */
static void full_table_forgets_the_fullest_buckets_first(void **state)
{
    struct prov_buckets *table = make(1, 100, 8);
    uint8_t key[4];
    (void)state;

    assert_int_equal(drain(table, KEY("worst"), T0), 100);
    for (unsigned i = 0; i < 1000; i++) {
        for (unsigned taken = 0; taken <= i % 50; taken++)
            assert_true(prov_buckets_take(table, numbered(i, key), T0));
    }
    assert_false(prov_buckets_take(table, KEY("worst"), T0));
    assert_int_equal(drain(table, KEY("worst"), T0 + 5000), 5);
    prov_buckets_free(table);
}

static void eight_drained_keys_are_remembered_and_a_ninth_is_let_in(void **state)
{
    struct prov_buckets *table = make(1, 5, 8);
    unsigned still_empty = 0;
    uint8_t key[4];
    (void)state;

    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(drain(table, numbered(i, key), T0), 5);
    for (unsigned i = 0; i < 8; i++)
        assert_false(prov_buckets_take(table, numbered(i, key), T0));
    assert_true(prov_buckets_take(table, numbered(8, key), T0));
    for (unsigned i = 0; i < 8; i++)
        still_empty += !prov_buckets_peek(table, numbered(i, key), T0);
    assert_int_equal(still_empty, 7);
    prov_buckets_free(table);
}

/* Not exactly so many: sets fill unevenly. */
static void about_as_many_keys_are_told_apart_as_were_asked_for(void **state)
{
    enum { KEYS = 16384 };
    struct prov_buckets *table = make(1, 1, KEYS);
    unsigned remembered = 0;
    uint8_t key[4];
    (void)state;

    for (unsigned i = 0; i < KEYS / 2; i++)
        assert_true(prov_buckets_take(table, numbered(i, key), T0));
    for (unsigned i = 0; i < KEYS / 2; i++)
        remembered += !prov_buckets_peek(table, numbered(i, key), T0);
    assert_in_range(remembered, KEYS / 2 * 95 / 100, KEYS / 2);
    prov_buckets_free(table);
}

/* Which keys crowd each other out depends on the secret. */
static void secret_decides_which_keys_share_a_place(void **state)
{
    static const uint8_t secrets[2][16] = { { 'o', 'n', 'e' },
                                            { 'a', 'n', 'o', 't', 'h', 'e', 'r' } };
    const struct prov_buckets_conf conf = { 1, 1, 64 };
    bool seen[2][200];
    (void)state;

    for (unsigned s = 0; s < 2; s++) {
        struct prov_buckets *table;
        uint8_t key[4];

        assert_int_equal(prov_buckets_new(&conf, secrets[s], &table), PROV_OK);
        for (unsigned i = 0; i < 200; i++)
            assert_true(prov_buckets_take(table, numbered(i, key), T0));
        for (unsigned i = 0; i < 200; i++)
            seen[s][i] = prov_buckets_peek(table, numbered(i, key), T0);
        prov_buckets_free(table);
    }
    assert_memory_not_equal(seen[0], seen[1], sizeof seen[0]);
}

static void senseless_settings_are_refused(void **state)
{
    static const struct prov_buckets_conf rows[] = {
        { 1, 0, 8 }, { 0, 0, 8 }, { 1, 1, 0 }, { 0, 1, 0 }, { 1, 1, PROV_MAX_BUCKETS + 1 },
    };
    struct prov_buckets *table = (void *)&table;
    (void)state;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        assert_int_equal(prov_buckets_new(&rows[i], secret, &table), PROV_EINVAL);
        assert_null(table);
    }
}

static void missing_memory_is_reported_and_leaves_nothing(void **state)
{
    const struct prov_buckets_conf conf = { 1, 1, 1024 };
    struct prov_buckets *table;
    enum prov_rc rc;
    unsigned n;
    (void)state;

    for (n = 1;; n++) {
        alloc_fail_at(n);
        rc = prov_buckets_new(&conf, secret, &table);
        if (!alloc_failed())
            break;
        assert_int_equal(rc, PROV_ENOMEM);
        assert_null(table);
    }
    assert_int_equal(rc, PROV_OK);
    assert_int_equal(n, 3);
    prov_buckets_free(table);
}

static void taking_allocates_nothing(void **state)
{
    struct prov_buckets *table = make(1, 10, 64);
    uint8_t key[4];
    (void)state;

    alloc_count_reset();
    for (unsigned i = 0; i < 1000; i++) {
        (void)prov_buckets_peek(table, numbered(i, key), T0 + i);
        (void)prov_buckets_take(table, numbered(i, key), T0 + i);
    }
    assert_int_equal(alloc_count(), 0);
    prov_buckets_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_key_has_its_burst_and_no_more),
        cmocka_unit_test(tokens_come_back_at_the_rate_and_stop_at_the_burst),
        cmocka_unit_test(who_asks_all_the_time_gets_the_rate),
        cmocka_unit_test(largest_numbers_do_not_overflow),
        cmocka_unit_test(keys_do_not_share_tokens),
        cmocka_unit_test(peek_tells_and_takes_nothing),
        cmocka_unit_test(no_limit_grants_everything_and_keeps_nothing),
        cmocka_unit_test(clock_that_goes_back_costs_nobody_tokens_and_holds_nobody_up),
        cmocka_unit_test(full_table_forgets_the_fullest_buckets_first),
        cmocka_unit_test(eight_drained_keys_are_remembered_and_a_ninth_is_let_in),
        cmocka_unit_test(about_as_many_keys_are_told_apart_as_were_asked_for),
        cmocka_unit_test(secret_decides_which_keys_share_a_place),
        cmocka_unit_test(senseless_settings_are_refused),
        cmocka_unit_test(missing_memory_is_reported_and_leaves_nothing),
        cmocka_unit_test(taking_allocates_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
