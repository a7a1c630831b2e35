/* Certificate rotation: the old one goes once the new one has shown that it works. */
#include "support/reg_fixture.h"

#include "core/reg.h"
#include "support/alloc.h"

#define INVALID "InvalidRequestException"
#define NOT_FOUND "ResourceNotFoundException"

#define OVERLAP_MS INT64_C(60000)

static struct prov_cert get(struct reg *r, const struct prov_id *id)
{
    struct prov_cert cert;

    reg_ok(r, prov_cert_get(&r->tx, id, &cert));
    return cert;
}

/* A device's certificate, in use: attached to its thing, with its policy. */
static struct prov_id in_use(struct reg *r)
{
    const struct prov_id id = reg_cert(r);

    if (reg_exists(&r->tx, REG_THING, S("thg")) == PROV_ENOTFOUND) {
        reg_thing(r, "thg");
        reg_policy(r, "pol");
    }
    reg_ok(r, prov_policy_attach_cert(&r->tx, S("pol"), &id));
    reg_ok(r, prov_thing_attach(&r->tx, S("thg"), &id, PROV_ATTACH_SHARED));
    return id;
}

static struct prov_id replacing(struct reg *r, const struct prov_id *previous)
{
    const struct prov_id id = in_use(r);

    reg_ok(r, prov_cert_replace(&r->tx, &id, previous));
    return id;
}

static void connect(struct reg *r, const struct prov_id *id)
{
    reg_ok(r, prov_cert_connected(&r->tx, id, OVERLAP_MS));
}

static size_t retire_due(struct reg *r)
{
    struct prov_due_result done;

    reg_ok(r, prov_due_run(&r->tx, 100, &done));
    assert_int_equal(done.tokens + done.certs_deleted + done.claims_ended, 0);
    return done.certs_retired;
}

static bool is_in_use(struct reg *r, const struct prov_id *id)
{
    const struct prov_cert cert = get(r, id);

    return cert.status == PROV_CERT_ACTIVE && cert.n_things == 1 && cert.n_policies == 1;
}

static bool is_retired(struct reg *r, const struct prov_id *id)
{
    const struct prov_cert cert = get(r, id);

    return cert.status == PROV_CERT_INACTIVE && cert.n_things == 0 && cert.n_policies == 0 &&
           cert.retire_ms == 0 && prov_id_is_zero(&cert.replaces);
}

static void assert_sound(struct reg *r)
{
    assert_string_equal(reg_problems(r), "");
}

/* ---- the usual way --------------------------------------------------------------------------- */

static void previous_certificate_is_retired_an_overlap_after_the_next_has_connected(void **state)
{
    struct reg *r = *state;
    const int64_t now_ms = r->tx.now_ms;
    const struct prov_id old = in_use(r), new = replacing(r, &old);
    struct prov_cert cert = get(r, &new);

    assert_id(&cert.replaces, &old);
    assert_sound(r);
    r->tx.now_ms = now_ms + 100 * OVERLAP_MS; /* however long it takes */
    assert_int_equal(retire_due(r), 0);
    assert_true(is_in_use(r, &old));
    (void)reg_feed(r);
    connect(r, &new);
    assert_string_equal(reg_feed(r), "cert cert");
    cert = get(r, &new);
    assert_true(prov_id_is_zero(&cert.replaces));
    cert = get(r, &old);
    assert_id(&cert.replaced_by, &new);
    assert_true(cert.retire_ms == now_ms + 101 * OVERLAP_MS);
    assert_sound(r);
    r->tx.now_ms = now_ms + 101 * OVERLAP_MS - 1;
    assert_int_equal(retire_due(r), 0);
    assert_true(is_in_use(r, &old));
    r->tx.now_ms++;
    assert_int_equal(retire_due(r), 1);
    assert_true(is_retired(r, &old));
    cert = get(r, &old);
    assert_id(&cert.replaced_by, &new); /* so that people can see why */
    assert_true(is_in_use(r, &new));
    assert_sound(r);
    assert_int_equal(retire_due(r), 0);
}

static void connecting_again_writes_nothing(void **state)
{
    struct reg *r = *state;
    const struct prov_id old = in_use(r), new = replacing(r, &old), alone = in_use(r);
    uint64_t version;

    reg_commit(r);
    version = prov_store_version(r->store);
    reg_ok(r, prov_cert_replace(&r->tx, &new, &old));
    connect(r, &alone);
    reg_commit(r);
    assert_int_equal(prov_store_version(r->store), version);
    connect(r, &new);
    reg_commit(r);
    version = prov_store_version(r->store);
    reg_at(r, 5);
    connect(r, &new);
    reg_commit(r);
    assert_int_equal(prov_store_version(r->store), version);
}

static void overlap_may_be_none_negative_or_for_ever(void **state)
{
    static const struct {
        int64_t overlap_ms, after_ms;
    } rows[] = {
        { 0, 0 }, { -5, 0 }, { INT64_MIN, 0 }, { 1, 1 }, { INT64_MAX, INT64_MAX },
    };
    struct reg *r = *state;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        const struct prov_id old = in_use(r), new = replacing(r, &old);
        const int64_t at_ms =
            rows[i].after_ms == INT64_MAX ? INT64_MAX : r->tx.now_ms + rows[i].after_ms;
        int64_t next_ms;

        reg_ok(r, prov_cert_connected(&r->tx, &new, rows[i].overlap_ms));
        assert_true(get(r, &old).retire_ms == at_ms);
        reg_ok(r, prov_due_next(&r->tx, &next_ms));
        assert_true(next_ms == at_ms);
        assert_sound(r);
        if (at_ms != INT64_MAX) {
            r->tx.now_ms = at_ms;
            assert_int_equal(retire_due(r), 1);
        }
    }
}

/* ---- more than two --------------------------------------------------------------------------- */

static void others_that_were_to_take_the_place_go_at_once(void **state)
{
    struct reg *r = *state;
    const struct prov_id old = in_use(r), lost = replacing(r, &old), pending = replacing(r, &old),
                         revoked = replacing(r, &old), new = replacing(r, &old);
    struct prov_cert cert;

    reg_raw_status(r, &pending, PROV_CERT_PENDING_ACTIVATION);
    reg_ok(r, prov_cert_set_status(&r->tx, &revoked, PROV_CERT_REVOKED));
    connect(r, &new);
    assert_true(is_retired(r, &lost));
    assert_true(is_retired(r, &pending));
    cert = get(r, &revoked);
    assert_int_equal(cert.status, PROV_CERT_REVOKED);
    assert_int_equal(cert.n_things + cert.n_policies, 0);
    assert_true(is_in_use(r, &old) && is_in_use(r, &new));
    assert_sound(r);
}

/* The device went back to its old certificate before the overlap was over, and asked again. */
static void one_that_took_the_place_before_goes_when_another_does(void **state)
{
    struct reg *r = *state;
    const struct prov_id old = in_use(r), first = replacing(r, &old);
    struct prov_id second;
    struct prov_cert cert;

    connect(r, &first);
    second = replacing(r, &old);
    reg_at(r, 30);
    connect(r, &second);
    assert_true(is_retired(r, &first));
    cert = get(r, &old);
    assert_id(&cert.replaced_by, &second);
    assert_true(cert.retire_ms == r->tx.now_ms + OVERLAP_MS);
    assert_sound(r);
    reg_at(r, 60);
    assert_int_equal(retire_due(r), 0);
    reg_at(r, 90);
    assert_int_equal(retire_due(r), 1);
    assert_true(is_retired(r, &old) && is_in_use(r, &second));
    assert_sound(r);
}

/* The second rotation has a shorter overlap than the first. */
static void old_certificate_goes_when_its_successors_successor_is_in_use(void **state)
{
    struct reg *r = *state;
    const struct prov_id old = in_use(r), middle = replacing(r, &old);
    struct prov_id new;

    connect(r, &middle);
    new = replacing(r, &middle);
    reg_ok(r, prov_cert_connected(&r->tx, &new, 0));
    assert_int_equal(retire_due(r), 1);
    assert_true(is_retired(r, &middle));
    reg_at(r, 60);
    assert_int_equal(retire_due(r), 1);
    assert_true(is_retired(r, &old) && is_in_use(r, &new));
    assert_sound(r);
}

static void rival_that_was_itself_replaced_waits_no_more(void **state)
{
    struct reg *r = *state;
    const struct prov_id old = in_use(r), rival = replacing(r, &old), next = replacing(r, &rival),
                         new = replacing(r, &old);
    int64_t at_ms;

    connect(r, &next);
    connect(r, &new);
    assert_true(is_retired(r, &rival));
    assert_true(is_in_use(r, &next));
    assert_sound(r);
    reg_ok(r, prov_due_next(&r->tx, &at_ms));
    assert_true(at_ms == get(r, &old).retire_ms);
}

/* ---- what goes wrong ------------------------------------------------------------------------- */

static void fail_status(struct reg *r, const struct prov_id *id)
{
    reg_ok(r, prov_cert_set_status(&r->tx, id, PROV_CERT_REVOKED));
}

static void fail_inactive(struct reg *r, const struct prov_id *id)
{
    reg_ok(r, prov_cert_set_status(&r->tx, id, PROV_CERT_INACTIVE));
}

static void fail_deleted(struct reg *r, const struct prov_id *id)
{
    fail_inactive(r, id);
    reg_ok(r, prov_thing_detach(&r->tx, S("thg"), id));
    reg_ok(r, prov_cert_delete(&r->tx, id, true));
}

static void fail_damaged(struct reg *r, const struct prov_id *id)
{
    reg_ok(r, reg_put_bytes(&r->tx, REG_CERT, prov_id_span(id), S("\x01\x7f")));
}

static void old_certificate_stays_when_the_new_one_is_not_in_use_any_more(void **state)
{
    static void (*const fail[])(struct reg * r,
                                const struct prov_id *id) = { fail_status, fail_inactive,
                                                              fail_deleted, fail_damaged };
    struct reg *r = *state;

    reg_thing(r, "thg");
    reg_policy(r, "pol");
    reg_commit(r);
    for (size_t i = 0; i < PROV_COUNT(fail); i++) {
        const struct prov_id old = in_use(r), new = replacing(r, &old);
        struct prov_cert cert;

        connect(r, &new);
        fail[i](r, &new);
        reg_at(r, 60);
        assert_int_equal(retire_due(r), 0);
        assert_true(is_in_use(r, &old));
        cert = get(r, &old);
        assert_int_equal(cert.retire_ms, 0);
        assert_true(prov_id_is_zero(&cert.replaced_by));
        if (fail[i] != fail_damaged)
            assert_sound(r);
        reg_abort(r);
        reg_at(r, 0);
    }
}

static void chain_that_goes_round_ends(void **state)
{
    struct reg *r = *state;
    const struct prov_id a = in_use(r), b = in_use(r);
    struct prov_cert cert;

    reg_ok(r, prov_cert_replace(&r->tx, &b, &a));
    reg_ok(r, prov_cert_replace(&r->tx, &a, &b));
    connect(r, &b);
    connect(r, &a);
    assert_sound(r);
    fail_status(r, &a);
    fail_status(r, &b);
    reg_at(r, 60);
    assert_int_equal(retire_due(r), 0);
    cert = get(r, &a);
    assert_int_equal(cert.status, PROV_CERT_REVOKED);
    assert_sound(r);
}

static void revoked_certificate_is_retired_but_stays_revoked(void **state)
{
    struct reg *r = *state;
    const struct prov_id old = in_use(r), new = replacing(r, &old);
    struct prov_cert cert;

    connect(r, &new);
    fail_status(r, &old);
    reg_at(r, 60);
    assert_int_equal(retire_due(r), 1);
    cert = get(r, &old);
    assert_int_equal(cert.status, PROV_CERT_REVOKED);
    assert_int_equal(cert.n_things + cert.n_policies, 0);
    assert_sound(r);
}

static void deleting_one_of_them_frees_the_others(void **state)
{
    struct reg *r = *state;
    struct prov_id old = in_use(r), a = replacing(r, &old), b = replacing(r, &old);
    struct prov_cert cert;

    fail_deleted(r, &a);
    assert_sound(r);
    fail_deleted(r, &old);
    cert = get(r, &b);
    assert_true(prov_id_is_zero(&cert.replaces));
    assert_sound(r);
    connect(r, &b);
    assert_true(is_in_use(r, &b));
    old = in_use(r);
    a = replacing(r, &old);
    connect(r, &a);
    fail_deleted(r, &old); /* while it waits */
    assert_sound(r);
    reg_at(r, 60);
    assert_int_equal(retire_due(r), 0);
    assert_true(is_in_use(r, &a));
}

static void previous_one_that_is_gone_or_damaged_keeps_nobody_from_connecting(void **state)
{
    struct reg *r = *state;
    const struct prov_id old = in_use(r), rival = replacing(r, &old), new = replacing(r, &old);
    struct prov_cert cert;

    fail_damaged(r, &old);
    fail_damaged(r, &rival);
    reg_ok(r, reg_link_add(&r->tx, REG_REPLACEMENT_OF_CERT, prov_id_span(&old), S("x")));
    connect(r, &new);
    cert = get(r, &new);
    assert_true(prov_id_is_zero(&cert.replaces));
    assert_int_equal(retire_due(r), 0);
    assert_null(strstr(reg_problems(r), "index entry n"));
}

static void thing_that_is_lost_or_damaged_does_not_keep_a_certificate_in_use(void **state)
{
    struct reg *r = *state;
    struct prov_id old, new;

    for (int i = 0; i < 2; i++) {
        old = in_use(r);
        new = replacing(r, &old);
        connect(r, &new);
        if (i == 0)
            reg_ok(r, reg_del(&r->tx, REG_THING, S("thg")));
        else
            reg_ok(r, reg_put_bytes(&r->tx, REG_THING, S("thg"), S("\x01\x7f")));
        reg_at(r, 60);
        assert_int_equal(retire_due(r), 1);
        assert_true(is_retired(r, &old));
        reg_abort(r);
        reg_at(r, 0);
    }
}

static void replacement_can_be_given_to_another_and_is_never_of_itself(void **state)
{
    struct reg *r = *state;
    const struct prov_id a = in_use(r), b = in_use(r), new = replacing(r, &a), gone = { { 1 } };

    reg_ok(r, prov_cert_replace(&r->tx, &new, &b));
    assert_sound(r);
    reg_refused(r, prov_cert_replace(&r->tx, &a, &a), PROV_EINVAL, INVALID);
    reg_refused(r, prov_cert_replace(&r->tx, &gone, &a), PROV_ENOTFOUND, NOT_FOUND);
    reg_refused(r, prov_cert_replace(&r->tx, &a, &gone), PROV_ENOTFOUND, NOT_FOUND);
    reg_refused(r, prov_cert_connected(&r->tx, &gone, 0), PROV_ENOTFOUND, NOT_FOUND);
    connect(r, &new);
    reg_at(r, 60);
    assert_int_equal(retire_due(r), 1);
    assert_true(is_in_use(r, &a) && is_retired(r, &b));
}

/* ---- failures -------------------------------------------------------------------------------- */

static enum prov_rc replace_and_connect(struct reg *r, void *ctx)
{
    const struct prov_id *ids = ctx;
    struct prov_due_result done;
    enum prov_rc rc;

    rc = prov_cert_replace(&r->tx, &ids[1], &ids[0]);
    if (rc == PROV_OK)
        rc = prov_cert_replace(&r->tx, &ids[2], &ids[0]);
    if (rc == PROV_OK)
        rc = prov_cert_connected(&r->tx, &ids[1], 0);
    return rc != PROV_OK ? rc : prov_due_run(&r->tx, 1, &done);
}

static void failure_at_any_step_leaves_nothing_behind(void **state)
{
    struct reg *r = *state;
    struct prov_id ids[3];

    for (size_t i = 0; i < PROV_COUNT(ids); i++)
        ids[i] = in_use(r);
    assert_true(reg_each_allocation(r, replace_and_connect, ids) > 10);
    if (!r->lmdb)
        assert_true(reg_each_write(r, replace_and_connect, ids) > 20);
}

static const struct CMUnitTest registry_replace[] = {
    REG_TEST(previous_certificate_is_retired_an_overlap_after_the_next_has_connected),
    REG_TEST(connecting_again_writes_nothing),
    REG_TEST(overlap_may_be_none_negative_or_for_ever),
    REG_TEST(others_that_were_to_take_the_place_go_at_once),
    REG_TEST(one_that_took_the_place_before_goes_when_another_does),
    REG_TEST(old_certificate_goes_when_its_successors_successor_is_in_use),
    REG_TEST(rival_that_was_itself_replaced_waits_no_more),
    REG_TEST(old_certificate_stays_when_the_new_one_is_not_in_use_any_more),
    REG_TEST(chain_that_goes_round_ends),
    REG_TEST(revoked_certificate_is_retired_but_stays_revoked),
    REG_TEST(deleting_one_of_them_frees_the_others),
    REG_TEST(previous_one_that_is_gone_or_damaged_keeps_nobody_from_connecting),
    REG_TEST(thing_that_is_lost_or_damaged_does_not_keep_a_certificate_in_use),
    REG_TEST(replacement_can_be_given_to_another_and_is_never_of_itself),
    REG_TEST(failure_at_any_step_leaves_nothing_behind),
};
REG_MAIN(registry_replace)
