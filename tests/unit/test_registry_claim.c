/* Claims' limits and allow lists, as they are kept. */
#include "support/reg_fixture.h"

#include "core/claim.h"
#include "core/reg.h"
#include "support/alloc.h"

#define INVALID "InvalidRequestException"
#define NOT_FOUND "ResourceNotFoundException"
#define STATE "CertificateStateException"
#define LIMIT "LimitExceededException"
#define IN_USE "DeleteConflictException"
#define INTERNAL "InternalFailureException"

static struct prov_claim get(struct reg *r, const struct prov_id *id)
{
    struct prov_claim claim;

    reg_ok(r, prov_claim_get(&r->tx, id, &claim));
    assert_id(&claim.cert, id);
    return claim;
}

static bool has_limits(struct reg *r, const struct prov_id *id)
{
    struct prov_claim claim;
    const enum prov_rc rc = prov_claim_get(&r->tx, id, &claim);

    assert_true(rc == PROV_OK || rc == PROV_ENOTFOUND);
    assert_id(&claim.cert, id);
    return rc == PROV_OK;
}

static void limit_to(struct reg *r, const struct prov_id *id, const char *template_name)
{
    const struct prov_span name = S(template_name);
    const struct prov_claim_change change = { .templates = &name, .n_templates = 1 };

    reg_ok(r, prov_claim_update(&r->tx, id, &change));
}

static void allow(struct reg *r, const struct prov_id *id, const char *parameter, const char *value)
{
    reg_ok(r, prov_claim_allow(&r->tx, id, S(parameter), S(value)));
}

/* ---- limits ---------------------------------------------------------------------------------- */

static void certificate_has_no_limits_until_it_is_given_some(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r), unknown = { { 1 } };
    struct prov_claim claim;

    memset(&claim, 0xa5, sizeof claim);
    assert_int_equal(prov_claim_get(&r->tx, &id, &claim), PROV_ENOTFOUND);
    assert_int_equal(r->err.rc, PROV_OK); /* no message */
    assert_id(&claim.cert, &id);
    assert_int_equal(claim.n_templates + claim.max_uses + claim.n_networks + claim.n_listed, 0);
    assert_false(has_limits(r, &unknown));
    assert_string_equal(reg_list(r, PROV_LIST_CLAIMS, NONE, NONE), "");
}

static void limits_are_kept_as_given_and_added_to(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);
    const struct prov_span templates[] = { S("b"), S("a"), S("b") },
                           networks[] = { S("192.0.2.0/24"), S("2001:db8::1") };
    const uint32_t uses = 3, max_uses = 7, rate = 5, rate_s = 60, suspend_after = 9, zero = 0;
    const int64_t from = 10, until = 11, none = 0;
    char hex[PROV_ID_HEX + 1];
    struct prov_claim claim;

    reg_fleet_template(r, "a");
    reg_fleet_template(r, "b");
    (void)reg_feed(r);
    reg_ok(r, prov_claim_update(&r->tx, &id,
                                &(struct prov_claim_change){ .templates = templates,
                                                             .n_templates = 3,
                                                             .networks = networks,
                                                             .n_networks = 2,
                                                             .max_uses = &max_uses,
                                                             .uses = &uses,
                                                             .rate = &rate,
                                                             .rate_s = &rate_s,
                                                             .suspend_after = &suspend_after,
                                                             .not_before_ms = &from,
                                                             .not_after_ms = &until }));
    assert_string_equal(reg_feed(r), "cert");
    reg_commit(r);
    claim = get(r, &id);
    assert_int_equal(claim.n_templates, 2);
    assert_span(claim.templates[0], "b");
    assert_span(claim.templates[1], "a");
    assert_int_equal(claim.n_networks, 2);
    assert_span(claim.networks[0], "192.0.2.0/24");
    assert_span(claim.networks[1], "2001:db8::1");
    assert_int_equal(claim.max_uses, 7);
    assert_int_equal(claim.uses, 3);
    assert_int_equal(claim.rate, 5);
    assert_int_equal(claim.rate_s, 60);
    assert_int_equal(claim.suspend_after, 9);
    assert_int_equal(claim.not_before_ms, 10);
    assert_int_equal(claim.not_after_ms, 11);
    assert_int_equal(claim.modified_ms, r->tx.now_ms);
    prov_id_hex(&id, hex);
    assert_string_equal(reg_list(r, PROV_LIST_CLAIMS, NONE, NONE), hex);
    assert_string_equal(reg_problems(r), "");
    reg_at(r, 7);
    reg_ok(r, prov_claim_update(&r->tx, &id,
                                &(struct prov_claim_change){ .not_after_ms = &none,
                                                             .rate = &zero,
                                                             .rate_s = &zero,
                                                             .networks = networks }));
    claim = get(r, &id);
    assert_int_equal(claim.n_networks, 0); /* an empty list is a list */
    assert_int_equal(claim.n_templates, 2);
    assert_int_equal(claim.max_uses, 7);
    assert_int_equal(claim.rate + claim.rate_s, 0);
    assert_int_equal(claim.not_before_ms, 10);
    assert_int_equal(claim.not_after_ms, 0);
    assert_int_equal(claim.modified_ms, r->tx.now_ms);
    assert_string_equal(reg_problems(r), "");
}

static void limits_that_cannot_be_are_refused(void **state)
{
    static const uint32_t one = 1, zero = 0;
    static const int64_t ten = 10, nine = 9, minus = -1;
    const struct prov_span network = S("192.0.2.1/24"), jitp = S("jitp"), gone = S("gone");
    struct prov_span many[PROV_MAX_CLAIM_TEMPLATES + 1];
    char names[PROV_MAX_CLAIM_TEMPLATES + 1][4];
    const struct {
        struct prov_claim_change change;
        enum prov_rc rc;
    } rows[] = {
        { { .rate = &one }, PROV_EINVAL },
        { { .rate_s = &one }, PROV_EINVAL },
        { { .rate = &zero, .rate_s = &one }, PROV_EINVAL },
        { { .not_before_ms = &ten, .not_after_ms = &ten }, PROV_EINVAL },
        { { .not_before_ms = &ten, .not_after_ms = &nine }, PROV_EINVAL },
        { { .not_before_ms = &minus }, PROV_EINVAL },
        { { .not_after_ms = &minus }, PROV_EINVAL },
        { { .networks = &network, .n_networks = 1 }, PROV_EINVAL },
        { { .networks = many, .n_networks = PROV_MAX_CLAIM_NETWORKS + 1 }, PROV_EINVAL },
        { { .templates = &jitp, .n_templates = 1 }, PROV_EINVAL },
        { { .templates = many, .n_templates = PROV_MAX_CLAIM_TEMPLATES + 1 }, PROV_EINVAL },
        { { .templates = &gone, .n_templates = 1 }, PROV_ENOTFOUND },
    };
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r), unknown = { { 1 } };
    struct prov_id temporary;

    reg_template(r, "jitp",
                 "{'Resources':{'c':{'Type':'AWS::IoT::Certificate','Properties':"
                 "{'CertificateId':{'Ref':'AWS::IoT::Certificate::Id'}}}}}");
    for (size_t i = 0; i < PROV_COUNT(many); i++) {
        (void)snprintf(names[i], sizeof names[i], "t%zu", i);
        reg_fleet_template(r, names[i]);
        many[i] = S(names[i]);
    }
    for (size_t i = 0; i < PROV_COUNT(rows); i++)
        reg_refused(r, prov_claim_update(&r->tx, &id, &rows[i].change), rows[i].rc,
                    rows[i].rc == PROV_EINVAL ? INVALID : NOT_FOUND);
    assert_false(has_limits(r, &id));
    reg_ok(r, prov_claim_update(&r->tx, &id,
                                &(struct prov_claim_change){
                                    .templates = many, .n_templates = PROV_MAX_CLAIM_TEMPLATES }));
    for (size_t i = 0; i < PROV_COUNT(many); i++)
        many[i] = S("::/0");
    reg_ok(r, prov_claim_update(&r->tx, &id,
                                &(struct prov_claim_change){
                                    .networks = many, .n_networks = PROV_MAX_CLAIM_NETWORKS }));
    reg_refused(r, prov_claim_update(&r->tx, &unknown, &(struct prov_claim_change){ 0 }),
                PROV_ENOTFOUND, NOT_FOUND);
    reg_refused(r, prov_claim_allow(&r->tx, &unknown, S("p"), S("v")), PROV_ENOTFOUND, NOT_FOUND);
    reg_refused(r, prov_claim_disallow(&r->tx, &unknown, S("p"), S("v")), PROV_ENOTFOUND,
                NOT_FOUND);
    reg_refused(r, prov_claim_unlist(&r->tx, &unknown, S("p")), PROV_ENOTFOUND, NOT_FOUND);
    temporary = reg_temporary(r, "t1");
    reg_refused(r, prov_claim_update(&r->tx, &temporary, &(struct prov_claim_change){ 0 }),
                PROV_EDENIED, STATE);
    reg_refused(r, prov_claim_allow(&r->tx, &temporary, S("p"), S("v")), PROV_EDENIED, STATE);
}

static void template_that_a_claim_is_limited_to_is_not_deleted(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r), other = reg_cert(r);
    size_t n;

    reg_fleet_template(r, "a");
    reg_fleet_template(r, "b");
    limit_to(r, &id, "a");
    reg_refused(r, prov_template_delete(&r->tx, S("a")), PROV_EDENIED, IN_USE);
    limit_to(r, &id, "b");
    limit_to(r, &other, "b");
    reg_ok(r, reg_link_count(&r->tx, REG_CLAIM_OF_TEMPLATE, S("a"), 9, &n));
    assert_int_equal(n, 0);
    reg_ok(r, reg_link_count(&r->tx, REG_CLAIM_OF_TEMPLATE, S("b"), 9, &n));
    assert_int_equal(n, 2);
    reg_ok(r, prov_template_delete(&r->tx, S("a")));
    reg_ok(r, prov_claim_clear(&r->tx, &id));
    reg_refused(r, prov_template_delete(&r->tx, S("b")), PROV_EDENIED, IN_USE);
    reg_ok(r, prov_cert_set_status(&r->tx, &other, PROV_CERT_INACTIVE));
    reg_ok(r, prov_cert_delete(&r->tx, &other, false));
    reg_ok(r, prov_template_delete(&r->tx, S("b")));
    assert_string_equal(reg_problems(r), "");
}

static void damaged_claim_keeps_its_template_until_it_is_cleared(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);

    reg_fleet_template(r, "a");
    limit_to(r, &id, "a");
    reg_ok(r, reg_put_bytes(&r->tx, REG_CLAIM, prov_id_span(&id), S("\x01\x7f")));
    reg_refused(r, prov_template_delete(&r->tx, S("a")), PROV_EDENIED, IN_USE);
    reg_refused(r, prov_claim_suspend(&r->tx, &id, NONE), PROV_ESTORE, INTERNAL);
    reg_ok(r, prov_claim_clear(&r->tx, &id));
    reg_ok(r, prov_template_delete(&r->tx, S("a")));
    assert_string_equal(reg_problems(r), "");
}

/* ---- suspension ------------------------------------------------------------------------------ */

static void claim_is_suspended_once_and_resumed(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r), unknown = { { 1 } };
    struct prov_id temporary;
    struct prov_claim claim;
    char why[258];

    memset(why, 'x', sizeof why);
    reg_refused(r, prov_claim_suspend(&r->tx, &id, prov_span(why, 257)), PROV_EINVAL, INVALID);
    reg_refused(r, prov_claim_suspend(&r->tx, &id, S("\xff")), PROV_EINVAL, INVALID);
    reg_refused(r, prov_claim_suspend(&r->tx, &unknown, NONE), PROV_ENOTFOUND, NOT_FOUND);
    reg_refused(r, prov_claim_resume(&r->tx, &unknown), PROV_ENOTFOUND, NOT_FOUND);
    (void)reg_feed(r);
    reg_ok(r, prov_claim_resume(&r->tx, &id));
    assert_string_equal(reg_feed(r), "");
    reg_ok(r, prov_claim_suspend(&r->tx, &id, S("too many")));
    assert_string_equal(reg_feed(r), "cert");
    reg_at(r, 5);
    reg_ok(r, prov_claim_suspend(&r->tx, &id, S("again")));
    assert_string_equal(reg_feed(r), "");
    claim = get(r, &id);
    assert_span(claim.suspended_why, "too many");
    assert_int_equal(claim.suspended_ms, r->tx.now_ms - 5000);
    reg_ok(r, prov_claim_resume(&r->tx, &id));
    assert_string_equal(reg_feed(r), "cert");
    claim = get(r, &id);
    assert_int_equal(claim.suspended_ms + (int64_t)claim.suspended_why.n, 0);
    reg_ok(r, prov_claim_suspend(&r->tx, &id, prov_span(why, 256)));
    reg_fleet_template(r, "a");
    temporary = reg_temporary(r, "a");
    reg_ok(r, prov_claim_suspend(&r->tx, &temporary, NONE));
    assert_true(get(r, &temporary).suspended_ms != 0);
    reg_at(r, 400);
    reg_ok(r, prov_due_run(&r->tx, 1, &(struct prov_due_result){ 0 }));
    assert_false(has_limits(r, &temporary));
    assert_string_equal(reg_problems(r), "");
}

/* ---- allow lists ----------------------------------------------------------------------------- */

struct listed {
    struct reg *r;
    const struct prov_id *id;
    char text[256];
};

static bool say(void *ctx, struct prov_span key)
{
    struct listed *l = ctx;
    struct prov_span parameter, value;
    const size_t n = strlen(l->text);

    assert_int_equal(prov_claim_value(&l->r->tx, l->id, key, &parameter, &value), PROV_OK);
    (void)snprintf(l->text + n, sizeof l->text - n, "%.*s=%.*s ", PROV_SPAN_ARG(parameter),
                   PROV_SPAN_ARG(value));
    return true;
}

/* The values, in the order of their hashes. */
static void assert_values(struct reg *r, const struct prov_id *id, const char *expected)
{
    struct listed l = { .r = r, .id = id };

    reg_ok(r, prov_list(&r->tx, PROV_LIST_VALUES_OF_CLAIM, prov_id_span(id), NONE, say, &l));
    assert_string_equal(l.text, expected);
}

static void values_are_put_on_lists_and_taken_off(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r), other = reg_cert(r);
    struct prov_claim claim;

    (void)reg_feed(r);
    allow(r, &id, "S", "a");
    assert_string_equal(reg_feed(r), "cert"); /* the list came to be */
    allow(r, &id, "S", "b");
    allow(r, &id, "S", "a");
    assert_string_equal(reg_feed(r), "");
    allow(r, &id, "Sx", "a");
    allow(r, &other, "S", "z");
    claim = get(r, &id);
    assert_int_equal(claim.values, 3);
    assert_int_equal(claim.n_listed, 2);
    assert_values(r, &id, "S=b S=a Sx=a ");
    assert_values(r, &other, "S=z ");
    assert_string_equal(reg_problems(r), "");
    reg_refused(r, prov_claim_disallow(&r->tx, &id, S("S"), S("c")), PROV_ENOTFOUND, NOT_FOUND);
    reg_ok(r, prov_claim_disallow(&r->tx, &id, S("S"), S("a")));
    reg_ok(r, prov_claim_disallow(&r->tx, &id, S("S"), S("b")));
    claim = get(r, &id);
    assert_int_equal(claim.values, 1);
    assert_int_equal(claim.n_listed, 2); /* the empty list stays */
    allow(r, &id, "S", "a");
    allow(r, &id, "S", "b");
    (void)reg_feed(r);
    reg_ok(r, prov_claim_unlist(&r->tx, &id, S("S")));
    reg_ok(r, prov_claim_unlist(&r->tx, &id, S("S")));
    assert_string_equal(reg_feed(r), "cert");
    claim = get(r, &id);
    assert_int_equal(claim.values, 1);
    assert_int_equal(claim.n_listed, 1);
    assert_span(claim.listed[0], "Sx");
    assert_values(r, &id, "Sx=a ");
    assert_values(r, &other, "S=z ");
    assert_string_equal(reg_problems(r), "");
}

static void names_and_values_are_text_of_bounded_length(void **state)
{
    static const char *const bad[] = { "", "\xff" };
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);
    uint8_t *long_text = calloc(1, PROV_MAX_PARAM_VALUE + 1);
    const struct prov_span nul = PROV_LIT("a\0b");

    memset(long_text, 'x', PROV_MAX_PARAM_VALUE + 1);
    for (size_t i = 0; i < PROV_COUNT(bad); i++) {
        reg_refused(r, prov_claim_allow(&r->tx, &id, S(bad[i]), S("v")), PROV_EINVAL, INVALID);
        reg_refused(r, prov_claim_allow(&r->tx, &id, S("p"), S(bad[i])), PROV_EINVAL, INVALID);
        reg_refused(r, prov_claim_unlist(&r->tx, &id, S(bad[i])), PROV_EINVAL, INVALID);
    }
    reg_refused(r, prov_claim_allow(&r->tx, &id, nul, S("v")), PROV_EINVAL, INVALID);
    reg_refused(r, prov_claim_allow(&r->tx, &id, S("p"), nul), PROV_EINVAL, INVALID);
    reg_refused(r, prov_claim_allow(&r->tx, &id, prov_span(long_text, PROV_MAX_NAME + 1), S("v")),
                PROV_EINVAL, INVALID);
    reg_refused(
        r, prov_claim_allow(&r->tx, &id, S("p"), prov_span(long_text, PROV_MAX_PARAM_VALUE + 1)),
        PROV_EINVAL, INVALID);
    reg_ok(r, prov_claim_allow(&r->tx, &id, prov_span(long_text, PROV_MAX_NAME),
                               prov_span(long_text, PROV_MAX_PARAM_VALUE)));
    assert_string_equal(reg_problems(r), "");
    free(long_text);
}

static void lists_and_their_values_are_bounded(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);
    struct prov_claim claim;
    char name[4];

    for (int i = 0; i < PROV_MAX_CLAIM_PARAMETERS; i++) {
        (void)snprintf(name, sizeof name, "p%d", i);
        allow(r, &id, name, "v");
    }
    reg_refused(r, prov_claim_allow(&r->tx, &id, S("one more"), S("v")), PROV_ETOOBIG, LIMIT);
    claim = get(r, &id);
    claim.values = PROV_MAX_CLAIM_VALUES - 1;
    reg_ok(r, reg_claim_put(&r->tx, &claim, false));
    allow(r, &id, "p0", "w");
    reg_refused(r, prov_claim_allow(&r->tx, &id, S("p0"), S("x")), PROV_ETOOBIG, LIMIT);
    allow(r, &id, "p0", "w");
}

static void key_of_no_value_is_not_found(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);
    char text[PROV_STORE_KEY_MAX + 1];
    struct prov_span parameter, value;

    memset(text, 'x', sizeof text);
    for (size_t n = 0; n <= sizeof text; n++)
        reg_refused(r, prov_claim_value(&r->tx, &id, prov_span(text, n), &parameter, &value),
                    PROV_ENOTFOUND, NOT_FOUND);
    reg_refused(r, prov_list(&r->tx, PROV_LIST_VALUES_OF_CLAIM, S("short"), NONE, say, NULL),
                PROV_EINVAL, INVALID);
}

/* ---- ends ------------------------------------------------------------------------------------ */

static void cleared_claim_leaves_nothing(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r), unknown = { { 1 } };
    char *before, *after;

    reg_fleet_template(r, "a");
    (void)reg_feed(r);
    reg_ok(r, prov_claim_clear(&r->tx, &id));
    assert_string_equal(reg_feed(r), "");
    reg_refused(r, prov_claim_clear(&r->tx, &unknown), PROV_ENOTFOUND, NOT_FOUND);
    before = reg_dump(r);
    limit_to(r, &id, "a");
    allow(r, &id, "S", "a");
    allow(r, &id, "T", "a");
    (void)reg_feed(r);
    reg_ok(r, prov_claim_clear(&r->tx, &id));
    assert_string_equal(reg_feed(r), "cert");
    assert_false(has_limits(r, &id));
    for (uint64_t seq = r->feed_mark; seq > r->feed_mark - 4; seq--) {
        uint8_t key[8];

        reg_be64(seq, key);
        reg_ok(r, reg_del(&r->tx, REG_FEED, prov_span(key, 8)));
    }
    after = reg_dump(r);
    assert_string_equal(before, after);
    free(before);
    free(after);
}

static void deleted_certificate_takes_its_claim_along(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r), other = reg_cert(r);

    reg_fleet_template(r, "a");
    limit_to(r, &id, "a");
    for (int i = 0; i < 20; i++) {
        char value[4];

        (void)snprintf(value, sizeof value, "%d", i);
        allow(r, &id, "S", value);
    }
    allow(r, &other, "S", "kept");
    reg_ok(r, prov_cert_set_status(&r->tx, &id, PROV_CERT_REVOKED));
    reg_ok(r, prov_cert_delete(&r->tx, &id, false));
    assert_false(has_limits(r, &id));
    assert_values(r, &id, "");
    assert_values(r, &other, "S=kept ");
    reg_ok(r, prov_template_delete(&r->tx, S("a")));
    assert_string_equal(reg_problems(r), "");
}

/* ---- failures -------------------------------------------------------------------------------- */

static enum prov_rc everything(struct reg *r, void *ctx)
{
    static const uint32_t ten = 10;
    const struct prov_id *id = ctx;
    const struct prov_span name = S("a"), network = S("10.0.0.0/8");
    const struct prov_claim_change change = { .templates = &name,
                                              .n_templates = 1,
                                              .networks = &network,
                                              .n_networks = 1,
                                              .max_uses = &ten };
    enum prov_rc rc;

    rc = prov_claim_update(&r->tx, id, &change);
    if (rc == PROV_OK)
        rc = prov_claim_allow(&r->tx, id, S("S"), S("a"));
    if (rc == PROV_OK)
        rc = prov_claim_allow(&r->tx, id, S("S"), S("b"));
    if (rc == PROV_OK)
        rc = prov_claim_disallow(&r->tx, id, S("S"), S("a"));
    if (rc == PROV_OK)
        rc = prov_claim_suspend(&r->tx, id, S("x"));
    if (rc == PROV_OK)
        rc = prov_claim_resume(&r->tx, id);
    if (rc == PROV_OK)
        rc = prov_claim_use(&r->tx, id);
    if (rc == PROV_OK)
        rc = prov_claim_unlist(&r->tx, id, S("S"));
    if (rc == PROV_OK)
        rc = prov_claim_allow(&r->tx, id, S("T"), S("a"));
    return rc != PROV_OK ? rc : prov_claim_clear(&r->tx, id);
}

static void failure_at_any_step_leaves_nothing_behind(void **state)
{
    struct reg *r = *state;
    struct prov_id id = reg_cert(r);

    reg_fleet_template(r, "a");
    assert_true(reg_each_allocation(r, everything, &id) > 10);
    if (!r->lmdb) {
        assert_true(reg_each_openssl_allocation(r, everything, &id) > 0);
        assert_true(reg_each_write(r, everything, &id) > 20);
    }
}

static const struct CMUnitTest registry_claim[] = {
    REG_TEST(certificate_has_no_limits_until_it_is_given_some),
    REG_TEST(limits_are_kept_as_given_and_added_to),
    REG_TEST(limits_that_cannot_be_are_refused),
    REG_TEST(template_that_a_claim_is_limited_to_is_not_deleted),
    REG_TEST(damaged_claim_keeps_its_template_until_it_is_cleared),
    REG_TEST(claim_is_suspended_once_and_resumed),
    REG_TEST(values_are_put_on_lists_and_taken_off),
    REG_TEST(names_and_values_are_text_of_bounded_length),
    REG_TEST(lists_and_their_values_are_bounded),
    REG_TEST(key_of_no_value_is_not_found),
    REG_TEST(cleared_claim_leaves_nothing),
    REG_TEST(deleted_certificate_takes_its_claim_along),
    REG_TEST(failure_at_any_step_leaves_nothing_behind),
};
REG_MAIN(registry_claim)
