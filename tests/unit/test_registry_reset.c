/* A certificate goes from one thing to another; a thing from one owner to the next. */
#include "support/reg_fixture.h"

#include "support/alloc.h"

#define NOT_FOUND "ResourceNotFoundException"
#define INVALID "InvalidRequestException"

static struct prov_cert get(struct reg *r, const struct prov_id *id)
{
    struct prov_cert cert;

    reg_ok(r, prov_cert_get(&r->tx, id, &cert));
    return cert;
}

static struct prov_thing thing_of(struct reg *r, const char *name)
{
    struct prov_thing thing;

    reg_ok(r, prov_thing_get(&r->tx, S(name), &thing));
    return thing;
}

/* ---- handing over ---------------------------------------------------------------------------- */

static void certificate_goes_from_one_thing_to_another_in_one_step(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);

    reg_thing(r, "a");
    reg_thing(r, "b");
    reg_ok(r, prov_thing_attach(&r->tx, S("a"), &id, PROV_ATTACH_SHARED));
    (void)reg_feed(r);
    reg_ok(r, prov_thing_hand_over(&r->tx, S("a"), S("b"), &id, PROV_ATTACH_EXCLUSIVE));
    assert_string_equal(reg_feed(r), "cert thing:a cert thing:b");
    assert_int_equal(thing_of(r, "a").n_principals, 0);
    assert_int_equal(thing_of(r, "b").n_principals, 1);
    assert_int_equal(get(r, &id).n_things, 1);
    assert_span(get(r, &id).things[0], "b");
    assert_true(get(r, &id).exclusive);
    assert_int_equal(get(r, &id).status, PROV_CERT_ACTIVE);
    assert_string_equal(reg_problems(r), "");
}

static void attachment_handed_over_is_of_the_kind_that_is_said(void **state)
{
    static const struct {
        enum prov_attach before, said;
        bool exclusive;
    } rows[] = {
        { PROV_ATTACH_SHARED, PROV_ATTACH_UNSAID, false },
        { PROV_ATTACH_EXCLUSIVE, PROV_ATTACH_UNSAID, true },
        { PROV_ATTACH_EXCLUSIVE, PROV_ATTACH_SHARED, false },
        { PROV_ATTACH_SHARED, PROV_ATTACH_EXCLUSIVE, true },
    };
    struct reg *r = *state;

    reg_thing(r, "a");
    reg_thing(r, "b");
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        const struct prov_id id = reg_cert(r);

        reg_ok(r, prov_thing_attach(&r->tx, S("a"), &id, rows[i].before));
        reg_ok(r, prov_thing_hand_over(&r->tx, S("a"), S("b"), &id, rows[i].said));
        assert_int_equal(get(r, &id).exclusive, rows[i].exclusive);
        reg_ok(r, prov_thing_hand_over(&r->tx, S("b"), S("b"), &id, PROV_ATTACH_UNSAID));
        assert_int_equal(get(r, &id).exclusive, rows[i].exclusive);
    }
}

static void handing_over_needs_both_things_and_the_attachment(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r), unknown = { { 1 } };

    reg_thing(r, "a");
    reg_thing(r, "b");
    reg_thing(r, "c");
    reg_refused(r, prov_thing_hand_over(&r->tx, S("a"), S("b"), &id, PROV_ATTACH_SHARED),
                PROV_ENOTFOUND, NOT_FOUND);
    reg_ok(r, prov_thing_attach(&r->tx, S("a"), &id, PROV_ATTACH_SHARED));
    reg_refused(r, prov_thing_hand_over(&r->tx, S("a"), S("no"), &id, PROV_ATTACH_SHARED),
                PROV_ENOTFOUND, NOT_FOUND);
    reg_refused(r, prov_thing_hand_over(&r->tx, S("no"), S("b"), &id, PROV_ATTACH_SHARED),
                PROV_ENOTFOUND, NOT_FOUND);
    reg_refused(r, prov_thing_hand_over(&r->tx, S("a"), S("b"), &unknown, PROV_ATTACH_SHARED),
                PROV_ENOTFOUND, NOT_FOUND);
    reg_ok(r, prov_thing_attach(&r->tx, S("c"), &id, PROV_ATTACH_SHARED));
    reg_refused(r, prov_thing_hand_over(&r->tx, S("a"), S("b"), &id, PROV_ATTACH_EXCLUSIVE),
                PROV_ECONFLICT, INVALID);
    reg_ok(r, prov_thing_hand_over(&r->tx, S("a"), S("b"), &id, PROV_ATTACH_SHARED));
    assert_string_equal(reg_problems(r), "");
}

/* ---- reset ----------------------------------------------------------------------------------- */

/* Thing "t" of a type, with an attribute, in two groups and a billing group. */
static void furnish(struct reg *r)
{
    const struct prov_attr attr = { S("serial"), S("42") };

    reg_type(r, "typ");
    reg_group(r, "g1", NULL);
    reg_group(r, "g2", NULL);
    reg_policy(r, "p1");
    reg_policy(r, "p2");
    reg_ok(r, prov_billing_create(&r->tx, S("bil"), NONE));
    reg_ok(r, prov_thing_create(&r->tx, S("t"), S("typ"), &attr, 1));
    reg_ok(r, prov_group_add(&r->tx, S("g1"), S("t")));
    reg_ok(r, prov_group_add(&r->tx, S("g2"), S("t")));
    reg_ok(r, prov_billing_add(&r->tx, S("bil"), S("t")));
}

/* One of the thing's, with both policies. */
static struct prov_id owned(struct reg *r, enum prov_cert_status status)
{
    const struct prov_id id = reg_cert(r);

    reg_raw_status(r, &id, status);
    reg_ok(r, prov_policy_attach_cert(&r->tx, S("p1"), &id));
    reg_ok(r, prov_policy_attach_cert(&r->tx, S("p2"), &id));
    reg_ok(r, prov_thing_attach(&r->tx, S("t"), &id, PROV_ATTACH_SHARED));
    return id;
}

static void reset_retires_each_certificate_by_its_status(void **state)
{
    enum { GONE = PROV_CERT_STATUSES };
    static const unsigned becomes[][PROV_CERT_STATUSES] = {
        [PROV_RETIRE_REVOKE] = { PROV_CERT_REVOKED, PROV_CERT_REVOKED, PROV_CERT_REVOKED,
                                 PROV_CERT_REVOKED, PROV_CERT_REVOKED },
        [PROV_RETIRE_DEACTIVATE] = { PROV_CERT_INACTIVE, PROV_CERT_INACTIVE, PROV_CERT_REVOKED,
                                     PROV_CERT_INACTIVE, PROV_CERT_INACTIVE },
        [PROV_RETIRE_DELETE] = { GONE, GONE, PROV_CERT_REVOKED, GONE, GONE },
    };
    struct reg *r = *state;
    struct prov_thing_reset_result result;
    struct prov_cert cert;

    furnish(r);
    for (size_t i = 0; i < PROV_COUNT(becomes) * PROV_CERT_STATUSES; i++) {
        const struct prov_thing_reset how = { .certs =
                                                  (enum prov_retirement)(i / PROV_CERT_STATUSES),
                                              .keep_groups = true };
        const unsigned from = (unsigned)(i % PROV_CERT_STATUSES), to = becomes[how.certs][from];
        const struct prov_id id = owned(r, (enum prov_cert_status)from);

        print_message("retirement %d of %s\n", how.certs, prov_cert_status_name(from));
        reg_ok(r, prov_thing_reset(&r->tx, S("t"), &how, &result));
        assert_int_equal(result.certs, 1);
        assert_int_equal(result.policies, 2);
        assert_int_equal(result.groups, 0);
        if (to == GONE) {
            reg_refused(r, prov_cert_get(&r->tx, &id, &cert), PROV_ENOTFOUND, NOT_FOUND);
            continue;
        }
        cert = get(r, &id);
        assert_int_equal(cert.status, to);
        assert_int_equal(cert.n_policies, 0);
        assert_int_equal(cert.n_things, 0);
    }
    assert_string_equal(reg_problems(r), "");
}

static void thing_that_was_reset_keeps_what_describes_the_device(void **state)
{
    struct reg *r = *state;
    const struct prov_thing_reset how = { .certs = PROV_RETIRE_REVOKE };
    struct prov_thing_reset_result result;
    struct prov_thing thing;
    struct prov_id thing_id;

    furnish(r);
    thing_id = thing_of(r, "t").thing_id;
    (void)owned(r, PROV_CERT_ACTIVE);
    (void)owned(r, PROV_CERT_INACTIVE);
    reg_ok(r, prov_thing_reset(&r->tx, S("t"), &how, &result));
    assert_int_equal(result.certs, 2);
    assert_int_equal(result.policies, 4);
    assert_int_equal(result.groups, 3);
    reg_commit(r);
    thing = thing_of(r, "t");
    assert_span(thing.type, "typ");
    assert_int_equal(thing.n_attrs, 1);
    assert_span(thing.attrs[0].value, "42");
    assert_id(&thing.thing_id, &thing_id);
    assert_int_equal(thing.n_groups, 0);
    assert_int_equal(thing.billing_group.n, 0);
    assert_int_equal(thing.n_principals, 0);
    assert_string_equal(reg_list(r, PROV_LIST_THINGS_OF_GROUP, S("g1"), NONE), "");
    assert_string_equal(reg_list(r, PROV_LIST_TARGETS_OF_POLICY, S("p1"), NONE), "");
    assert_string_equal(reg_problems(r), "");
    reg_ok(r, prov_thing_reset(&r->tx, S("t"), &how, &result)); /* again: nothing to do */
    assert_int_equal(result.certs + result.policies + result.groups, 0);
}

static void certificate_that_stands_for_another_thing_too_is_reset_only_when_it_may(void **state)
{
    struct reg *r = *state;
    struct prov_thing_reset how = { .certs = PROV_RETIRE_DEACTIVATE, .keep_groups = true };
    struct prov_thing_reset_result result;
    struct prov_id id;

    furnish(r);
    id = owned(r, PROV_CERT_ACTIVE);
    reg_thing(r, "other");
    reg_ok(r, prov_thing_attach(&r->tx, S("other"), &id, PROV_ATTACH_SHARED));
    reg_refused(r, prov_thing_reset(&r->tx, S("t"), &how, &result), PROV_EDENIED,
                "DeleteConflictException");
    assert_int_equal(get(r, &id).status, PROV_CERT_ACTIVE);
    how.shared = true;
    reg_ok(r, prov_thing_reset(&r->tx, S("t"), &how, &result));
    assert_int_equal(get(r, &id).n_things, 0);
    assert_int_equal(thing_of(r, "other").n_principals, 0);
    assert_int_equal(thing_of(r, "t").n_groups, 2);
    reg_refused(r, prov_thing_reset(&r->tx, S("no"), &how, &result), PROV_ENOTFOUND, NOT_FOUND);
    assert_string_equal(reg_problems(r), "");
}

static enum prov_rc reset_all(struct reg *r, void *ctx)
{
    struct prov_thing_reset_result result;

    (void)ctx;
    return prov_thing_reset(&r->tx, S("t"),
                            &(struct prov_thing_reset){ .certs = PROV_RETIRE_DELETE }, &result);
}

static enum prov_rc hand_over(struct reg *r, void *ctx)
{
    return prov_thing_hand_over(&r->tx, S("t"), S("u"), ctx, PROV_ATTACH_EXCLUSIVE);
}

static void failed_reset_leaves_nothing_behind(void **state)
{
    struct reg *r = *state;
    struct prov_id id;

    furnish(r);
    reg_thing(r, "u");
    id = owned(r, PROV_CERT_ACTIVE);
    reg_ok(r, prov_client_bind(&r->tx, S("c"), &id));
    assert_true(reg_each_allocation(r, hand_over, &id) > 0);
    assert_true(reg_each_allocation(r, reset_all, NULL) > 0);
    if (r->lmdb)
        return;
    assert_int_equal(reg_each_write(r, hand_over, &id), 8);
    assert_true(reg_each_write(r, reset_all, NULL) > 20);
}

static const struct CMUnitTest registry_reset[] = {
    REG_TEST(certificate_goes_from_one_thing_to_another_in_one_step),
    REG_TEST(attachment_handed_over_is_of_the_kind_that_is_said),
    REG_TEST(handing_over_needs_both_things_and_the_attachment),
    REG_TEST(reset_retires_each_certificate_by_its_status),
    REG_TEST(thing_that_was_reset_keeps_what_describes_the_device),
    REG_TEST(certificate_that_stands_for_another_thing_too_is_reset_only_when_it_may),
    REG_TEST(failed_reset_leaves_nothing_behind),
};
REG_MAIN(registry_reset)
