/* Client ids with a session: which certificate they belong to. */
#include "support/reg_fixture.h"

#include "core/reg.h"
#include "support/alloc.h"

#define INVALID "InvalidRequestException"
#define NOT_FOUND "ResourceNotFoundException"

static void client_id_belongs_to_the_certificate_it_was_bound_to_last(void **state)
{
    struct reg *r = *state;
    const struct prov_id a = reg_cert(r), b = reg_cert(r);
    struct prov_id bound;

    (void)reg_feed(r);
    assert_int_equal(prov_client_get(&r->tx, S("x"), &bound), PROV_ENOTFOUND);
    reg_ok(r, prov_client_bind(&r->tx, S("x"), &a));
    reg_ok(r, prov_client_bind(&r->tx, S("x"), &a));
    reg_commit(r);
    reg_ok(r, prov_client_get(&r->tx, S("x"), &bound));
    assert_id(&bound, &a);
    reg_ok(r, prov_client_bind(&r->tx, S("x"), &b));
    reg_ok(r, prov_client_get(&r->tx, S("x"), &bound));
    assert_id(&bound, &b);
    assert_string_equal(reg_problems(r), "");
    reg_ok(r, prov_client_unbind(&r->tx, S("x")));
    reg_ok(r, prov_client_unbind(&r->tx, S("x")));
    assert_int_equal(prov_client_get(&r->tx, S("x"), &bound), PROV_ENOTFOUND);
    assert_string_equal(reg_feed(r), ""); /* the broker's own notes */
    assert_string_equal(reg_problems(r), "");
}

static void binding_a_client_again_writes_nothing(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);
    uint64_t version;

    reg_ok(r, prov_client_bind(&r->tx, S("x"), &id));
    reg_commit(r);
    version = prov_store_version(r->store);
    reg_ok(r, prov_client_bind(&r->tx, S("x"), &id));
    reg_commit(r);
    assert_int_equal(prov_store_version(r->store), version);
}

static void client_ids_have_a_length_and_a_certificate(void **state)
{
    char longest[PROV_MAX_CLIENT_ID + 2];
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r), unknown = { { 1 } };
    struct prov_id bound;

    memset(longest, 'x', sizeof longest);
    reg_refused(r, prov_client_bind(&r->tx, NONE, &id), PROV_EINVAL, INVALID);
    reg_refused(r, prov_client_bind(&r->tx, prov_span(longest, sizeof longest - 1), &id),
                PROV_EINVAL, INVALID);
    reg_ok(r, prov_client_bind(&r->tx, prov_span(longest, sizeof longest - 2), &id));
    assert_int_equal(prov_client_get(&r->tx, NONE, &bound), PROV_ENOTFOUND);
    assert_int_equal(prov_client_get(&r->tx, prov_span(longest, sizeof longest - 1), &bound),
                     PROV_ENOTFOUND);
    reg_ok(r, prov_client_unbind(&r->tx, NONE));
    reg_refused(r, prov_client_bind(&r->tx, S("y"), &unknown), PROV_ENOTFOUND, NOT_FOUND);
    reg_ok(r, prov_client_bind(&r->tx, PROV_LIT("\0\xff/#"), &id)); /* whatever a client sends */
    reg_ok(r, prov_client_get(&r->tx, PROV_LIT("\0\xff/#"), &bound));
    assert_id(&bound, &id);
    assert_string_equal(reg_problems(r), "");
}

static void certificate_has_so_many_client_ids_and_no_more(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r), other = reg_cert(r);
    char name[16];

    for (int i = 0; i < PROV_MAX_CERT_CLIENTS; i++) {
        (void)snprintf(name, sizeof name, "c%d", i);
        reg_ok(r, prov_client_bind(&r->tx, S(name), &id));
    }
    reg_refused(r, prov_client_bind(&r->tx, S("more"), &id), PROV_ETOOBIG,
                "LimitExceededException");
    reg_ok(r, prov_client_bind(&r->tx, S("c0"), &id)); /* it has this one */
    reg_ok(r, prov_client_bind(&r->tx, S("more"), &other));
    reg_ok(r, prov_client_bind(&r->tx, S("c0"), &other)); /* makes room */
    reg_ok(r, prov_client_bind(&r->tx, S("more"), &id));
    assert_string_equal(reg_problems(r), "");
}

static void dangling_client_does_not_keep_a_certificate_from_going(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r), other = reg_cert(r);
    struct prov_id bound;

    reg_ok(r, prov_client_bind(&r->tx, S("other"), &other));
    reg_ok(r, reg_link_add(&r->tx, REG_CLIENT_OF_CERT, prov_id_span(&id), S("gone")));
    reg_ok(r, reg_link_add(&r->tx, REG_CLIENT_OF_CERT, prov_id_span(&id), S("other")));
    reg_ok(r, prov_cert_set_status(&r->tx, &id, PROV_CERT_INACTIVE));
    reg_ok(r, prov_cert_delete(&r->tx, &id, false));
    reg_ok(r, prov_client_get(&r->tx, S("other"), &bound));
    assert_id(&bound, &other);
    assert_string_equal(reg_problems(r), "");
}

/* ---- stale sessions -------------------------------------------------------------------------- */

static uint8_t stale_mark(struct reg *r, const char *client_id)
{
    uint8_t mark;

    reg_ok(r, prov_client_stale(&r->tx, S(client_id), &mark));
    return mark;
}

static bool stale(struct reg *r, const char *client_id)
{
    return stale_mark(r, client_id) != 0;
}

static void every_way_out_of_active_makes_sessions_stale(void **state)
{
    static const struct {
        enum prov_cert_status from, to;
        bool stale;
    } rows[] = {
        { PROV_CERT_ACTIVE, PROV_CERT_INACTIVE, true },
        { PROV_CERT_ACTIVE, PROV_CERT_REVOKED, true },
        { PROV_CERT_ACTIVE, PROV_CERT_ACTIVE, false },
        { PROV_CERT_INACTIVE, PROV_CERT_REVOKED, false },
        { PROV_CERT_INACTIVE, PROV_CERT_ACTIVE, false },
        { PROV_CERT_PENDING_ACTIVATION, PROV_CERT_ACTIVE, false },
    };
    struct reg *r = *state;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        const struct prov_id id = reg_cert(r), other = reg_cert(r);

        reg_raw_status(r, &id, rows[i].from);
        reg_ok(r, prov_client_bind(&r->tx, S("x"), &id));
        reg_ok(r, prov_client_bind(&r->tx, S("y"), &id));
        reg_ok(r, prov_client_bind(&r->tx, S("z"), &other));
        assert_false(stale(r, "x"));
        reg_ok(r, prov_cert_set_status(&r->tx, &id, rows[i].to));
        reg_commit(r);
        print_message("row %zu\n", i);
        assert_int_equal(stale(r, "x"), rows[i].stale);
        assert_int_equal(stale(r, "y"), rows[i].stale);
        assert_false(stale(r, "z"));
        assert_string_equal(reg_problems(r), "");
    }
}

static void session_stays_stale_until_its_queue_was_emptied(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r), other = reg_cert(r);
    struct prov_id bound;
    uint64_t version;
    uint8_t mark;

    assert_false(stale(r, "nobody"));
    reg_ok(r, prov_client_emptied(&r->tx, S("nobody"), 1));
    reg_ok(r, prov_client_bind(&r->tx, S("x"), &id));
    reg_ok(r, prov_cert_set_status(&r->tx, &id, PROV_CERT_INACTIVE));
    reg_ok(r, prov_cert_set_status(&r->tx, &id, PROV_CERT_ACTIVE)); /* brings nothing back */
    reg_ok(r, prov_client_bind(&r->tx, S("x"), &id));
    assert_true(stale(r, "x"));
    reg_ok(r, prov_client_get(&r->tx, S("x"), &bound));
    assert_id(&bound, &id);
    (void)reg_feed(r);
    mark = stale_mark(r, "x");
    reg_ok(r, prov_client_emptied(&r->tx, S("x"), mark));
    assert_string_equal(reg_feed(r), "");
    assert_false(stale(r, "x"));
    reg_ok(r, prov_client_get(&r->tx, S("x"), &bound));
    assert_id(&bound, &id);
    reg_commit(r);
    version = prov_store_version(r->store);
    reg_ok(r, prov_client_emptied(&r->tx, S("x"), mark)); /* again: nothing to write */
    reg_commit(r);
    assert_int_equal(prov_store_version(r->store), version);
    reg_ok(r, prov_cert_set_status(&r->tx, &id, PROV_CERT_REVOKED));
    assert_true(stale(r, "x"));
    reg_ok(r, prov_client_bind(&r->tx, S("x"), &other)); /* somebody else's session now */
    assert_false(stale(r, "x"));
}

/* Its CONNECT dropped the queue; before that is written the certificate goes and comes again. Also
 * when the numbers have gone round. */
static void queue_that_was_emptied_before_it_went_stale_again_is_stale(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);
    uint8_t mark, last = 0;

    reg_ok(r, prov_client_bind(&r->tx, S("x"), &id));
    for (int i = 0; i < 300; i++) {
        reg_ok(r, prov_cert_set_status(&r->tx, &id, PROV_CERT_INACTIVE));
        reg_ok(r, prov_cert_set_status(&r->tx, &id, PROV_CERT_ACTIVE));
        mark = stale_mark(r, "x");
        assert_int_not_equal(mark, 0);
        assert_int_not_equal(mark, last);
        reg_ok(r, prov_client_emptied(&r->tx, S("x"), last));
        assert_int_equal(stale_mark(r, "x"), mark);
        if (i % 2 != 0) {
            reg_ok(r, prov_client_emptied(&r->tx, S("x"), mark));
            assert_false(stale(r, "x"));
        }
        last = mark;
    }
}

static void every_client_of_a_certificate_goes_stale(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);
    char name[16];

    for (int i = 0; i < PROV_MAX_CERT_CLIENTS; i++) {
        (void)snprintf(name, sizeof name, "c%d", i);
        reg_ok(r, prov_client_bind(&r->tx, S(name), &id));
    }
    reg_ok(r, prov_cert_set_status(&r->tx, &id, PROV_CERT_REVOKED));
    for (int i = 0; i < PROV_MAX_CERT_CLIENTS; i++) {
        (void)snprintf(name, sizeof name, "c%d", i);
        assert_true(stale(r, name));
    }
}

static void binding_without_a_flag_is_not_stale(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r), other = reg_cert(r);

    reg_ok(r, reg_put_bytes(&r->tx, REG_CLIENT, S("x"), prov_id_span(&id)));
    reg_ok(r, reg_link_add(&r->tx, REG_CLIENT_OF_CERT, prov_id_span(&id), S("x")));
    assert_string_equal(reg_problems(r), "");
    assert_false(stale(r, "x"));
    /* links that lead nowhere, or to another's client, are passed over */
    reg_ok(r, prov_client_bind(&r->tx, S("y"), &other));
    reg_ok(r, reg_link_add(&r->tx, REG_CLIENT_OF_CERT, prov_id_span(&id), S("gone")));
    reg_ok(r, reg_link_add(&r->tx, REG_CLIENT_OF_CERT, prov_id_span(&id), S("y")));
    reg_ok(r, prov_cert_set_status(&r->tx, &id, PROV_CERT_INACTIVE));
    assert_true(stale(r, "x"));
    assert_false(stale(r, "y"));
}

static enum prov_rc revoke(struct reg *r, void *ctx)
{
    const enum prov_rc rc = prov_cert_set_status(&r->tx, ctx, PROV_CERT_REVOKED);

    return rc != PROV_OK ? rc : prov_client_emptied(&r->tx, S("y"), 1);
}

static void failed_revocation_leaves_no_session_stale(void **state)
{
    struct reg *r = *state;
    struct prov_id id = reg_cert(r);

    reg_ok(r, prov_client_bind(&r->tx, S("x"), &id));
    reg_ok(r, prov_client_bind(&r->tx, S("y"), &id));
    assert_true(reg_each_allocation(r, revoke, &id) > 0);
    if (!r->lmdb) /* record, counts, two clients, feed, one client */
        assert_int_equal(reg_each_write(r, revoke, &id), 6);
}

static void damaged_binding_is_an_error_that_says_so(void **state)
{
    struct reg *r = *state;
    struct prov_id bound;
    uint8_t mark;

    reg_ok(r, reg_put_bytes(&r->tx, REG_CLIENT, S("x"), S("short")));
    reg_refused(r, prov_client_stale(&r->tx, S("x"), &mark), PROV_ESTORE,
                "InternalFailureException");
    reg_refused(r, prov_client_emptied(&r->tx, S("x"), 1), PROV_ESTORE, "InternalFailureException");
    reg_refused(r, prov_client_get(&r->tx, S("x"), &bound), PROV_ESTORE,
                "InternalFailureException");
    reg_refused(r, prov_client_unbind(&r->tx, S("x")), PROV_ESTORE, "InternalFailureException");
}

static enum prov_rc rebind(struct reg *r, void *ctx)
{
    const struct prov_id *ids = ctx;
    enum prov_rc rc;

    rc = prov_client_bind(&r->tx, S("c"), &ids[0]);
    if (rc == PROV_OK)
        rc = prov_client_bind(&r->tx, S("c"), &ids[1]);
    return rc != PROV_OK ? rc : prov_client_unbind(&r->tx, S("c"));
}

static void failed_binding_leaves_nothing_behind(void **state)
{
    struct reg *r = *state;
    struct prov_id ids[] = { reg_cert(r), reg_cert(r) };

    assert_true(reg_each_allocation(r, rebind, ids) > 0);
    if (!r->lmdb)
        assert_int_equal(reg_each_write(r, rebind, ids), 8);
}

static const struct CMUnitTest registry_client[] = {
    REG_TEST(client_id_belongs_to_the_certificate_it_was_bound_to_last),
    REG_TEST(binding_a_client_again_writes_nothing),
    REG_TEST(client_ids_have_a_length_and_a_certificate),
    REG_TEST(certificate_has_so_many_client_ids_and_no_more),
    REG_TEST(dangling_client_does_not_keep_a_certificate_from_going),
    REG_TEST(failed_binding_leaves_nothing_behind),
    REG_TEST(every_way_out_of_active_makes_sessions_stale),
    REG_TEST(session_stays_stale_until_its_queue_was_emptied),
    REG_TEST(queue_that_was_emptied_before_it_went_stale_again_is_stale),
    REG_TEST(every_client_of_a_certificate_goes_stale),
    REG_TEST(binding_without_a_flag_is_not_stale),
    REG_TEST(failed_revocation_leaves_no_session_stale),
    REG_TEST(damaged_binding_is_an_error_that_says_so),
};
REG_MAIN(registry_client)
