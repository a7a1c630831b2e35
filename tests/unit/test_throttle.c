#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "run/throttle.h"
#include "support/alloc.h"

#define T0 INT64_C(5000000)

static const struct prov_id cert_a = { { 0xa } }, cert_b = { { 0xb } };
static const struct prov_id ca_x = { { 1 } }, ca_y = { { 2 } };

static const struct prov_conf limits = {
    .address_per_s = 10,
    .address_burst = 3,
    .certificate_per_s = 10,
    .certificate_burst = 4,
    .ca_per_s = 10,
    .ca_burst = 5,
    .claim_per_s = 10,
    .claim_burst = 2,
};

static struct prov_throttle *make(const struct prov_conf *conf)
{
    struct prov_throttle *t;

    assert_int_equal(prov_throttle_new(conf, &t), PROV_OK);
    return t;
}

static int set_up(void **state)
{
    *state = make(&limits);
    return 0;
}

static int tear_down(void **state)
{
    prov_throttle_free(*state);
    return 0;
}

static unsigned connect_all(struct prov_throttle *t, const struct prov_id *cert, int64_t now_ms)
{
    unsigned n = 0;

    while (prov_throttle_connect(t, cert, now_ms))
        assert_true(++n < 1000);
    return n;
}

static unsigned stranger_all(struct prov_throttle *t, const char *address, int64_t now_ms)
{
    unsigned n = 0;

    while (prov_throttle_stranger(t, address, now_ms))
        assert_true(++n < 1000);
    return n;
}

static void clone_uses_up_its_own_certificate_alone_and_in_time_it_comes_back(void **state)
{
    struct prov_throttle *t = *state;

    assert_int_equal(connect_all(t, &cert_a, T0), 4);
    assert_int_equal(connect_all(t, &cert_b, T0), 4);
    assert_false(prov_throttle_connect(t, &cert_a, T0 + 99));
    assert_true(prov_throttle_connect(t, &cert_a, T0 + 100));
    /* whatever its certificate did, the address is not to blame */
    assert_true(prov_throttle_stranger_peek(t, "192.0.2.1", T0));
}

static void handshakes_take_nothing_from_a_certificate(void **state)
{
    struct prov_throttle *t = *state;

    for (int i = 0; i < 100; i++)
        assert_true(prov_throttle_connect_peek(t, &cert_a, T0));
    assert_int_equal(connect_all(t, &cert_a, T0), 4);
    assert_false(prov_throttle_connect_peek(t, &cert_a, T0));
    assert_true(prov_throttle_connect_peek(t, &cert_b, T0));
}

static void newcomer_takes_of_its_address_and_of_its_ca(void **state)
{
    struct prov_throttle *t = *state;

    for (int i = 0; i < 3; i++)
        assert_int_equal(prov_throttle_newcomer(t, "192.0.2.1", &ca_x, T0), PROV_THROTTLED_NOT);
    assert_int_equal(prov_throttle_newcomer(t, "192.0.2.1", &ca_x, T0), PROV_THROTTLED_ADDRESS);
    assert_int_equal(prov_throttle_newcomer(t, "192.0.2.1", &ca_y, T0), PROV_THROTTLED_ADDRESS);
    /* the CA has two left: neither refusal took any */
    assert_int_equal(prov_throttle_newcomer(t, "192.0.2.2", &ca_x, T0), PROV_THROTTLED_NOT);
    assert_int_equal(prov_throttle_newcomer(t, "192.0.2.3", &ca_x, T0), PROV_THROTTLED_NOT);
    assert_int_equal(prov_throttle_newcomer(t, "192.0.2.9", &ca_x, T0), PROV_THROTTLED_CA);
    assert_int_equal(prov_throttle_newcomer(t, "192.0.2.9", &ca_y, T0), PROV_THROTTLED_NOT);
}

static void newcomer_whose_ca_is_short_keeps_its_address_s_tokens(void **state)
{
    struct prov_throttle *t = *state;

    assert_int_equal(prov_throttle_newcomer(t, "192.0.2.1", &ca_x, T0), PROV_THROTTLED_NOT);
    assert_int_equal(prov_throttle_newcomer(t, "192.0.2.1", &ca_x, T0), PROV_THROTTLED_NOT);
    for (int i = 0; i < 3; i++)
        assert_int_equal(prov_throttle_newcomer(t, "192.0.2.2", &ca_x, T0), PROV_THROTTLED_NOT);
    for (int i = 0; i < 10; i++)
        assert_int_equal(prov_throttle_newcomer(t, "192.0.2.3", &ca_x, T0), PROV_THROTTLED_CA);
    assert_int_equal(stranger_all(t, "192.0.2.3", T0), 3);
    assert_int_equal(stranger_all(t, "192.0.2.1", T0), 1);
    assert_int_equal(stranger_all(t, "192.0.2.2", T0), 0);
}

static void stranger_takes_of_its_address_and_a_peek_does_not(void **state)
{
    struct prov_throttle *t = *state;

    for (int i = 0; i < 10; i++)
        assert_true(prov_throttle_stranger_peek(t, "192.0.2.1", T0));
    assert_int_equal(stranger_all(t, "192.0.2.1", T0), 3);
    assert_false(prov_throttle_stranger_peek(t, "192.0.2.1", T0));
    assert_int_equal(prov_throttle_newcomer(t, "192.0.2.1", &ca_x, T0), PROV_THROTTLED_ADDRESS);
    assert_true(prov_throttle_stranger_peek(t, "192.0.2.2", T0));
    assert_true(prov_throttle_stranger_peek(t, "192.0.2.1", T0 + 100));
    /* devices that are known do not suffer for it */
    assert_true(prov_throttle_connect(t, &cert_a, T0));
}

static void addresses_of_one_source_are_one_and_others_are_not(void **state)
{
    static const struct {
        const char *a, *b;
        bool same;
    } rows[] = {
        { "192.0.2.1", "192.0.2.1", true },
        { "192.0.2.1", "192.0.2.2", false },
        { "192.0.2.1", "::ffff:192.0.2.1", true },
        { "192.0.2.1", "::ffff:c000:201", true },
        { "::ffff:192.0.2.1", "::ffff:192.0.2.2", false },
        { "192.0.2.1", "::192.0.2.1", false },
        { "2001:db8::1", "2001:db8::ffff:1:2:3", true },
        { "2001:db8::1", "2001:0DB8:0:0::5", true },
        { "2001:db8::1", "2001:db8:0:1::1", false },
        { "::1", "::2", true },
        { "fe80::1%eth0", "fe80::2%eth1", true },
        { "fe80::1", "fe80::1%eth1", true },
        { "", NULL, true },
        { "", "192.0.2.1", false },
        { "/run/mosquitto.sock", "/run/mosquitto.sock", true },
        { "/run/mosquitto.sock", "/run/other.sock", false },
        { "localhost", "127.0.0.1", false },
        { "97.98.99.100", "abcd", false },              /* the same four bytes */
        { "6162:6364:6566:6768::", "abcdefgh", false }, /* and eight */
        { "6162:6364::", "97.98.99.100", false },
        { "192.0.2.1x", "192.0.2.1", false },
        { "2001:db8::1 or something that is longer than any address", "2001:db8::1", false },
    };
    (void)state;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct prov_throttle *t = make(&limits);

        assert_int_equal(stranger_all(t, rows[i].a, T0), 3);
        assert_int_equal(stranger_all(t, rows[i].b, T0), rows[i].same ? 0 : 3);
        prov_throttle_free(t);
    }
}

static void thousand_addresses_replaying_one_certificate_spend_no_one_else_s(void **state)
{
    struct prov_throttle *t = *state;
    unsigned let_in = 0;
    struct prov_id other;

    for (int i = 0; i < 1000; i++)
        let_in += prov_throttle_connect(t, &cert_a, T0);
    assert_int_equal(let_in, 4);
    memset(&other, 0, sizeof other);
    for (unsigned i = 0; i < 1000; i++) {
        other.b[30] = (uint8_t)(i >> 8);
        other.b[31] = (uint8_t)i;
        assert_true(prov_throttle_connect(t, &other, T0));
    }
}

static void claim_uses_up_its_own_requests_alone_and_in_time_may_ask_again(void **state)
{
    struct prov_throttle *t = *state;

    assert_true(prov_throttle_claim(t, &cert_a, T0));
    assert_true(prov_throttle_claim(t, &cert_a, T0));
    assert_false(prov_throttle_claim(t, &cert_a, T0));
    assert_true(prov_throttle_claim(t, &cert_b, T0));
    assert_true(prov_throttle_connect(t, &cert_a, T0)); /* connections are another matter */
    assert_true(prov_throttle_claim(t, &cert_a, T0 + 100));
    assert_false(prov_throttle_claim(t, &cert_a, T0 + 100));
}

static void limit_of_none_a_second_is_off(void **state)
{
    static const struct {
        struct prov_conf conf;
        bool address, certificate, ca;
    } rows[] = {
        { { 0, .address_burst = 1, .certificate_per_s = 1, .certificate_burst = 1, .ca_per_s = 1,
            .ca_burst = 1, .claim_burst = 1 },
          false,
          true,
          true },
        { { 0, .address_per_s = 1, .address_burst = 1, .certificate_burst = 1, .ca_per_s = 1,
            .ca_burst = 1, .claim_burst = 1 },
          true,
          false,
          true },
        { { 0, .address_per_s = 1, .address_burst = 1, .certificate_per_s = 1,
            .certificate_burst = 1, .ca_burst = 1, .claim_burst = 1 },
          true,
          true,
          false },
    };
    (void)state;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct prov_throttle *t = make(&rows[i].conf);

        assert_int_equal(prov_throttle_newcomer(t, "192.0.2.1", &ca_x, T0), PROV_THROTTLED_NOT);
        assert_int_equal(prov_throttle_newcomer(t, "192.0.2.1", &ca_y, T0),
                         rows[i].address ? PROV_THROTTLED_ADDRESS : PROV_THROTTLED_NOT);
        assert_int_equal(prov_throttle_newcomer(t, "192.0.2.2", &ca_x, T0),
                         rows[i].ca ? PROV_THROTTLED_CA : PROV_THROTTLED_NOT);
        assert_int_equal(prov_throttle_stranger(t, "192.0.2.1", T0), !rows[i].address);
        assert_true(prov_throttle_connect(t, &cert_a, T0));
        assert_int_equal(prov_throttle_connect(t, &cert_a, T0), !rows[i].certificate);
        prov_throttle_free(t);
    }
}

static void largest_settings_are_taken(void **state)
{
    const struct prov_conf conf = {
        .address_per_s = 1000000,
        .address_burst = 1000000,
        .certificate_per_s = 1000000,
        .certificate_burst = 1000000,
        .ca_per_s = 1000000,
        .ca_burst = 1000000,
        .claim_per_s = 1000000,
        .claim_burst = 1000000,
    };
    struct prov_throttle *t = make(&conf);
    (void)state;

    assert_int_equal(prov_throttle_newcomer(t, "192.0.2.1", &ca_x, T0), PROV_THROTTLED_NOT);
    prov_throttle_free(t);
}

static void names_are_those_of_the_limits(void **state)
{
    (void)state;
    assert_string_equal(prov_throttled_name(PROV_THROTTLED_NOT), "none");
    assert_string_equal(prov_throttled_name(PROV_THROTTLED_ADDRESS), "address");
    assert_string_equal(prov_throttled_name(PROV_THROTTLED_CERTIFICATE), "certificate");
    assert_string_equal(prov_throttled_name(PROV_THROTTLED_CA), "ca");
    assert_string_equal(prov_throttled_name(PROV_THROTTLED_COUNT), "unknown");
}

static void missing_memory_is_reported_and_leaves_nothing(void **state)
{
    struct prov_throttle *t;
    enum prov_rc rc;
    unsigned n;
    (void)state;

    for (n = 1;; n++) {
        alloc_fail_at(n);
        rc = prov_throttle_new(&limits, &t);
        if (!alloc_failed())
            break;
        assert_int_equal(rc, PROV_ENOMEM);
        assert_null(t);
    }
    assert_int_equal(rc, PROV_OK);
    assert_int_equal(n, 10); /* itself, and two for each table */
    alloc_count_reset();
    (void)prov_throttle_connect(t, &cert_a, T0);
    (void)prov_throttle_newcomer(t, "2001:db8::1", &ca_x, T0);
    (void)prov_throttle_stranger(t, "somewhere", T0);
    assert_int_equal(alloc_count(), 0);
    prov_throttle_free(t);
    prov_throttle_free(NULL);
}

#define T_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T_TEST(clone_uses_up_its_own_certificate_alone_and_in_time_it_comes_back),
        T_TEST(handshakes_take_nothing_from_a_certificate),
        T_TEST(newcomer_takes_of_its_address_and_of_its_ca),
        T_TEST(newcomer_whose_ca_is_short_keeps_its_address_s_tokens),
        T_TEST(stranger_takes_of_its_address_and_a_peek_does_not),
        cmocka_unit_test(addresses_of_one_source_are_one_and_others_are_not),
        T_TEST(thousand_addresses_replaying_one_certificate_spend_no_one_else_s),
        T_TEST(claim_uses_up_its_own_requests_alone_and_in_time_may_ask_again),
        cmocka_unit_test(limit_of_none_a_second_is_off),
        cmocka_unit_test(largest_settings_are_taken),
        cmocka_unit_test(names_are_those_of_the_limits),
        cmocka_unit_test(missing_memory_is_reported_and_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
