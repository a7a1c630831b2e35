/* What a claim's limits say to a request. */
#include "support/reg_fixture.h"

#include "core/claim.h"
#include "core/reg.h"
#include "support/alloc.h"

#define DENIED "AccessDenied"

/* A claim of two templates with everything that can be limited, and a request that it allows. */
struct scene {
    struct prov_cert cert;
    struct prov_claim claim;
    struct prov_param params[2];
    struct prov_claim_ask ask;
};

static void set_scene(struct reg *r, struct scene *s)
{
    const struct prov_id id = reg_cert(r);

    reg_ok(r, prov_claim_allow(&r->tx, &id, S("Serial"), S("SN-1")));
    reg_ok(r, prov_claim_allow(&r->tx, &id, S("Serial"), S("SN-2")));
    reg_ok(r, prov_claim_allow(&r->tx, &id, S("Batch"), S("B-7")));
    *s = (struct scene){
        .cert = { .id = id },
        .claim = { .cert = id,
                   .templates = { S("fleet"), S("other") },
                   .n_templates = 2,
                   .max_uses = 3,
                   .uses = 2,
                   .not_before_ms = r->tx.now_ms,
                   .not_after_ms = r->tx.now_ms + 1,
                   .networks = { S("192.0.2.0/24"), S("2001:db8::/32") },
                   .n_networks = 2,
                   .listed = { S("Serial"), S("Batch") },
                   .n_listed = 2 },
        .params = { { S("Batch"), S("B-7") }, { S("Serial"), S("SN-2") } },
        .ask = { .address = S("192.0.2.7"), .template_name = S("fleet") },
    };
    s->ask.parameters = (struct prov_params){ s->params, 2 };
}

static enum prov_reason check(struct reg *r, const struct scene *s)
{
    enum prov_reason reason = PROV_REASONS;
    const enum prov_rc rc = prov_claim_check(&r->tx, &s->cert, &s->claim, &s->ask, &reason);

    assert_true(rc == PROV_OK || rc == PROV_EDENIED);
    assert_int_equal(rc == PROV_OK, reason == PROV_REASON_NONE);
    if (rc == PROV_EDENIED)
        assert_string_equal(r->err.code, DENIED);
    return reason;
}

/* ---- limits ---------------------------------------------------------------------------------- */

static void claim_without_limits_allows_anything(void **state)
{
    struct reg *r = *state;
    const struct scene s = { .ask = { .address = S("unix"), .template_name = S("any") } };

    assert_int_equal(check(r, &s), PROV_REASON_NONE);
}

static void suspend(struct reg *r, struct scene *s)
{
    (void)r;
    s->claim.suspended_ms = 1;
}

static void come_too_early(struct reg *r, struct scene *s)
{
    s->claim.not_before_ms = r->tx.now_ms + 1;
    s->claim.not_after_ms = 0;
}

static void come_too_late(struct reg *r, struct scene *s)
{
    s->claim.not_after_ms = r->tx.now_ms;
}

static void come_from_elsewhere(struct reg *r, struct scene *s)
{
    (void)r;
    s->ask.address = S("192.0.3.7");
}

static void spend(struct reg *r, struct scene *s)
{
    (void)r;
    s->claim.uses = 3;
}

static void name_another_template(struct reg *r, struct scene *s)
{
    (void)r;
    s->ask.template_name = S("flee");
}

static void give_another_value(struct reg *r, struct scene *s)
{
    (void)r;
    s->params[1].value = S("SN-3");
}

static void give_another_parameters_value(struct reg *r, struct scene *s)
{
    (void)r;
    s->params[1].value = S("B-7");
}

static void give_an_empty_value(struct reg *r, struct scene *s)
{
    (void)r;
    s->params[1].value = NONE;
}

static void leave_one_out(struct reg *r, struct scene *s)
{
    (void)r;
    s->ask.parameters.n = 1;
}

static void be_over(struct reg *r, struct scene *s)
{
    s->cert.claim_template = S("fleet");
    s->cert.not_after_s = r->tx.now_ms / 1000 - 1;
}

static void be_for_another_template(struct reg *r, struct scene *s)
{
    s->cert.claim_template = S("other");
    s->cert.not_after_s = r->tx.now_ms / 1000;
}

/* In the order in which they are asked. */
static const struct {
    void (*make)(struct reg *r, struct scene *s);
    enum prov_reason reason;
    bool of_create; /* where template and parameters are not known yet */
} limits[] = {
    { suspend, PROV_REASON_CLAIM_SUSPENDED, true },
    { come_too_early, PROV_REASON_CLAIM_WINDOW, true },
    { come_too_late, PROV_REASON_CLAIM_WINDOW, true },
    { be_over, PROV_REASON_CLAIM_WINDOW, true },
    { come_from_elsewhere, PROV_REASON_CLAIM_NETWORK, true },
    { spend, PROV_REASON_CLAIM_SPENT, true },
    { name_another_template, PROV_REASON_CLAIM_TEMPLATE, false },
    { be_for_another_template, PROV_REASON_CLAIM_TEMPLATE, false },
    { give_another_value, PROV_REASON_CLAIM_PARAMETER, false },
    { give_another_parameters_value, PROV_REASON_CLAIM_PARAMETER, false },
    { give_an_empty_value, PROV_REASON_CLAIM_PARAMETER, false },
    { leave_one_out, PROV_REASON_CLAIM_PARAMETER, false },
};

static void each_limit_refuses_by_its_own_reason(void **state)
{
    struct reg *r = *state;
    struct scene base, s;

    set_scene(r, &base);
    assert_int_equal(check(r, &base), PROV_REASON_NONE);
    for (size_t i = 0; i < PROV_COUNT(limits); i++) {
        s = base;
        s.ask.parameters.v = s.params;
        limits[i].make(r, &s);
        if (check(r, &s) != limits[i].reason)
            fail_msg("row %zu: %s", i, prov_reason_info(check(r, &s))->name);
        s.ask.template_name = NONE;
        s.ask.parameters.n = 0;
        if (check(r, &s) != (limits[i].of_create ? limits[i].reason : PROV_REASON_NONE))
            fail_msg("row %zu, a create: %s", i, prov_reason_info(check(r, &s))->name);
    }
}

static void first_limit_in_the_order_is_the_one_that_is_told(void **state)
{
    struct reg *r = *state;
    struct scene base, s;

    set_scene(r, &base);
    for (size_t i = 0; i < PROV_COUNT(limits); i++) {
        for (size_t k = i + 1; k < PROV_COUNT(limits); k++) {
            s = base;
            s.ask.parameters.v = s.params;
            limits[k].make(r, &s);
            limits[i].make(r, &s);
            if (limits[i].reason != limits[k].reason)
                assert_int_equal(check(r, &s), limits[i].reason);
        }
    }
}

static void sentences_for_devices_list_nothing(void **state)
{
    static const char *const secrets[] = { "192.0.2", "2001:db8", "other", "SN-1", "SN-2",
                                           "B-7",     "SN-3",     "/24",   "1700" };
    struct reg *r = *state;
    struct scene base, s;

    set_scene(r, &base);
    for (size_t i = 0; i < PROV_COUNT(limits); i++) {
        s = base;
        s.ask.parameters.v = s.params;
        limits[i].make(r, &s);
        assert_int_not_equal(check(r, &s), PROV_REASON_NONE);
        for (size_t k = 0; k < PROV_COUNT(secrets); k++) {
            if (strstr(r->err.text, secrets[k]) != NULL)
                fail_msg("row %zu tells \"%s\"", i, r->err.text);
        }
    }
}

static void window_and_uses_hold_to_their_edges(void **state)
{
    struct reg *r = *state;
    struct scene s;

    set_scene(r, &s);
    s.claim.not_after_ms = r->tx.now_ms + 5;
    r->tx.now_ms += 4;
    assert_int_equal(check(r, &s), PROV_REASON_NONE);
    r->tx.now_ms++;
    assert_int_equal(check(r, &s), PROV_REASON_CLAIM_WINDOW);
    s.claim.not_after_ms = 0;
    assert_int_equal(check(r, &s), PROV_REASON_NONE);
    s.claim.uses = UINT32_MAX;
    s.claim.max_uses = 0;
    assert_int_equal(check(r, &s), PROV_REASON_NONE);
    s.cert.claim_template = S("fleet");
    s.cert.not_after_s = r->tx.now_ms / 1000; /* its last second */
    assert_int_equal(check(r, &s), PROV_REASON_NONE);
}

static void list_that_became_empty_allows_nothing(void **state)
{
    struct reg *r = *state;
    struct scene s;

    set_scene(r, &s);
    reg_ok(r, prov_claim_disallow(&r->tx, &s.cert.id, S("Batch"), S("B-7")));
    assert_int_equal(check(r, &s), PROV_REASON_CLAIM_PARAMETER);
    s.claim.n_listed = 1;
    assert_int_equal(check(r, &s), PROV_REASON_NONE);
}

/* Values are compared, not only hashes. */
static void value_under_another_values_key_is_not_allowed(void **state)
{
    struct reg *r = *state;
    uint8_t space[PROV_STORE_KEY_MAX];
    struct prov_span key;
    struct scene s;

    set_scene(r, &s);
    s.params[1].value = S("SN-3");
    reg_ok(r, reg_value_key(&r->tx, &s.cert.id, S("Serial"), S("SN-3"), space, &key));
    reg_ok(r, reg_put_bytes(&r->tx, REG_CLAIM_VALUE, key, S("SN-4")));
    assert_int_equal(check(r, &s), PROV_REASON_CLAIM_PARAMETER);
    reg_ok(r, reg_put_bytes(&r->tx, REG_CLAIM_VALUE, key, S("SN-3")));
    assert_int_equal(check(r, &s), PROV_REASON_NONE);
}

static void list_of_a_damaged_record_is_an_error(void **state)
{
    struct reg *r = *state;
    enum prov_reason reason;
    char name[PROV_STORE_KEY_MAX];
    struct scene s;

    set_scene(r, &s);
    memset(name, 'x', sizeof name);
    s.claim.listed[1] = s.params[0].name = prov_span(name, sizeof name);
    reg_refused(r, prov_claim_check(&r->tx, &s.cert, &s.claim, &s.ask, &reason), PROV_ESTORE,
                "InternalFailureException");
    assert_int_equal(reason, PROV_REASON_NONE);
}

/* ---- networks -------------------------------------------------------------------------------- */

static void networks_contain_what_their_prefix_says(void **state)
{
    static const struct {
        const char *network, *in[4], *out[5];
    } rows[] = {
        { "192.0.2.0/24",
          { "192.0.2.0", "192.0.2.255", "::ffff:192.0.2.9", "::ffff:c000:0209" },
          { "192.0.3.0", "192.0.1.255", "2001:db8::1", "::192.0.2.9" } },
        { "192.0.2.7", { "192.0.2.7", "::ffff:192.0.2.7" }, { "192.0.2.6", "192.0.2.71" } },
        { "192.0.2.7/32", { "192.0.2.7" }, { "192.0.2.6" } },
        { "192.0.2.6/31", { "192.0.2.6", "192.0.2.7" }, { "192.0.2.5", "192.0.2.8" } },
        { "128.0.0.0/1", { "128.0.0.1", "255.255.255.255" }, { "127.0.0.1" } },
        { "0.0.0.0/0", { "1.2.3.4", "::ffff:1.2.3.4" }, { "::1", "fe80::1%eth0" } },
        { "2001:db8::/32",
          { "2001:db8::", "2001:db8:ffff::1", "2001:DB8::1" },
          { "2001:db9::", "2001:db7:ffff::", "192.0.2.1" } },
        { "2001:db8::/33", { "2001:db8:7fff::" }, { "2001:db8:8000::" } },
        { "fe80::/10", { "fe80::1%eth0", "fe80::1" }, { "fec0::1" } },
        { "::1", { "::1", "0:0:0:0:0:0:0:1" }, { "::2", "0.0.0.1" } },
        { "::/0", { "::", "ffff::" }, { "1.2.3.4", "::ffff:1.2.3.4" } },
        { "::ffff:192.0.2.0/120", { "192.0.2.9", "::ffff:192.0.2.9" }, { "192.0.3.9", "::1" } },
        { "::ffff:0:0/96", { "192.0.2.9" }, { "::1" } },
        { "10.0.0.0/8",
          { "10.1.2.3" },
          { "", "10.1.2", "10.1.2.3 ", "unix", "10.1.2.3.4.5.6.7.8.9.10.11.12.13.14.15.16.17" } },
    };
    struct reg *r = *state;
    struct scene s = { .claim = { .n_networks = 1 } };

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        s.claim.networks[0] = S(rows[i].network);
        assert_true(prov_claim_network(S(rows[i].network)));
        for (size_t k = 0; k < PROV_COUNT(rows[i].in) && rows[i].in[k] != NULL; k++) {
            s.ask.address = S(rows[i].in[k]);
            if (check(r, &s) != PROV_REASON_NONE)
                fail_msg("%s is not in %s", rows[i].in[k], rows[i].network);
        }
        for (size_t k = 0; k < PROV_COUNT(rows[i].out) && rows[i].out[k] != NULL; k++) {
            s.ask.address = S(rows[i].out[k]);
            if (check(r, &s) != PROV_REASON_CLAIM_NETWORK)
                fail_msg("\"%s\" is in %s", rows[i].out[k], rows[i].network);
        }
    }
}

static void address_with_a_nul_is_nowhere(void **state)
{
    struct reg *r = *state;
    struct scene s = { .claim = { .n_networks = 1, .networks = { S("0.0.0.0/0") } } };

    s.ask.address = PROV_LIT("1.2.3.4\0");
    assert_int_equal(check(r, &s), PROV_REASON_CLAIM_NETWORK);
    s.ask.address = S("1.2.3.4");
    assert_int_equal(check(r, &s), PROV_REASON_NONE);
    s.claim.networks[0] = S("damaged");
    assert_int_equal(check(r, &s), PROV_REASON_CLAIM_NETWORK);
}

static void text_that_is_no_network_is_told_from_one(void **state)
{
    static const struct prov_span bad[] = {
        PROV_LIT(""),
        PROV_LIT("/"),
        PROV_LIT("/8"),
        PROV_LIT("10.0.0.0/"),
        PROV_LIT("10.0.0.0/33"),
        PROV_LIT("10.0.0.0/08"),
        PROV_LIT("10.0.0.0/+8"),
        PROV_LIT("10.0.0.0/8 "),
        PROV_LIT("10.0.0.0/8/8"),
        PROV_LIT("10.0.0.0/1000"),
        PROV_LIT("10.0.0.0/255.0.0.0"),
        PROV_LIT("10.0.0.1/8"),
        PROV_LIT("10.0.0/8"),
        PROV_LIT("010.0.0.0/8"),
        PROV_LIT("10.0.0.0\0/8"),
        PROV_LIT("2001:db8::/129"),
        PROV_LIT("2001:db8::1/64"),
        PROV_LIT("fe80::%eth0/10"),
        PROV_LIT("::ffff:192.0.2.0/95"),
        PROV_LIT("::ffff:192.0.2.1/120"),
        PROV_LIT("example.com"),
        PROV_LIT("*"),
    };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(bad); i++) {
        if (prov_claim_network(bad[i]))
            fail_msg("\"%.*s\" is a network", PROV_SPAN_ARG(bad[i]));
    }
    assert_true(prov_claim_network(S("10.0.0.0/8")));
    assert_true(prov_claim_network(S("::/128")));
}

/* ---- uses ------------------------------------------------------------------------------------ */

static void uses_are_counted_up_to_the_limit_and_nobody_is_told(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r), free_one = reg_cert(r);
    const uint32_t two = 2, none = 0, last = UINT32_MAX - 1;
    struct prov_claim claim;
    uint64_t version;

    reg_commit(r);
    version = prov_store_version(r->store);
    reg_ok(r, prov_claim_use(&r->tx, &free_one));
    reg_commit(r);
    assert_int_equal(prov_store_version(r->store), version);
    reg_ok(r, prov_claim_update(&r->tx, &id, &(struct prov_claim_change){ .max_uses = &two }));
    (void)reg_feed(r);
    reg_at(r, 5);
    reg_ok(r, prov_claim_use(&r->tx, &id));
    reg_ok(r, prov_claim_use(&r->tx, &id));
    reg_refused(r, prov_claim_use(&r->tx, &id), PROV_EDENIED, DENIED);
    assert_string_equal(reg_feed(r), "");
    reg_ok(r, prov_claim_get(&r->tx, &id, &claim));
    assert_int_equal(claim.uses, 2);
    assert_int_equal(claim.modified_ms, r->tx.now_ms - 5000);
    reg_ok(r, prov_claim_update(&r->tx, &id,
                                &(struct prov_claim_change){ .max_uses = &none, .uses = &last }));
    for (int i = 0; i < 3; i++)
        reg_ok(r, prov_claim_use(&r->tx, &id));
    reg_ok(r, prov_claim_get(&r->tx, &id, &claim));
    assert_true(claim.uses == UINT32_MAX);
}

/* ---- validity -------------------------------------------------------------------------------- */

static void fleet(struct reg *r, const char *name, uint32_t validity_days)
{
    reg_fleet_template(r, name);
    reg_ok(r,
           prov_template_update(&r->tx, S(name),
                                &(struct prov_template_change){ .validity_days = &validity_days }));
}

static uint32_t days(struct reg *r, const struct scene *s)
{
    uint32_t n = 99;

    reg_ok(r, prov_claim_validity_days(&r->tx, &s->cert, &s->claim, &n));
    return n;
}

static void validity_is_the_least_that_the_claims_templates_say(void **state)
{
    struct reg *r = *state;
    struct scene s = { .claim = { .n_templates = 0 } };
    uint32_t n;

    fleet(r, "none", 0);
    fleet(r, "month", 30);
    fleet(r, "week", 7);
    assert_int_equal(days(r, &s), 0);
    s.claim.templates[0] = S("none");
    s.claim.n_templates = 1;
    assert_int_equal(days(r, &s), 0);
    s.claim.templates[1] = S("month");
    s.claim.templates[2] = S("week");
    s.claim.templates[3] = S("none");
    s.claim.n_templates = 2;
    assert_int_equal(days(r, &s), 30);
    s.claim.n_templates = 4;
    assert_int_equal(days(r, &s), 7);
    s.cert.claim_template = S("month");
    assert_int_equal(days(r, &s), 30);
    s.cert.claim_template = S("gone");
    reg_refused(r, prov_claim_validity_days(&r->tx, &s.cert, &s.claim, &n), PROV_ENOTFOUND,
                "ResourceNotFoundException");
}

/* ---- failures -------------------------------------------------------------------------------- */

static enum prov_rc ask(struct reg *r, void *ctx)
{
    const struct scene *s = ctx;
    enum prov_reason reason;

    return prov_claim_check(&r->tx, &s->cert, &s->claim, &s->ask, &reason);
}

static void check_without_memory_is_no_permission_and_no_refusal(void **state)
{
    struct reg *r = *state;
    struct scene s;

    set_scene(r, &s);
    (void)reg_each_allocation(r, ask, &s);
    assert_true(reg_each_openssl_allocation(r, ask, &s) > 0);
}

static const struct CMUnitTest claim_limits[] = {
    REG_TEST(claim_without_limits_allows_anything),
    REG_TEST(each_limit_refuses_by_its_own_reason),
    REG_TEST(first_limit_in_the_order_is_the_one_that_is_told),
    REG_TEST(sentences_for_devices_list_nothing),
    REG_TEST(window_and_uses_hold_to_their_edges),
    REG_TEST(list_that_became_empty_allows_nothing),
    REG_TEST(value_under_another_values_key_is_not_allowed),
    REG_TEST(list_of_a_damaged_record_is_an_error),
    REG_TEST(networks_contain_what_their_prefix_says),
    REG_TEST(address_with_a_nul_is_nowhere),
    REG_TEST(text_that_is_no_network_is_told_from_one),
    REG_TEST(uses_are_counted_up_to_the_limit_and_nobody_is_told),
    REG_TEST(validity_is_the_least_that_the_claims_templates_say),
    REG_TEST(check_without_memory_is_no_permission_and_no_refusal),
};
REG_MAIN(claim_limits)
