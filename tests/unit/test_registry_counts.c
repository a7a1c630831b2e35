/* How many certificates of each status there are: right after whatever happened to them. */
#include "support/reg_fixture.h"

#include "core/reg.h"

/* "INACTIVE ACTIVE REVOKED PENDING_TRANSFER PENDING_ACTIVATION", as numbers. */
static void assert_counts(struct reg *r, const char *expected)
{
    uint64_t n[PROV_CERT_STATUSES];
    char text[128];

    reg_ok(r, prov_cert_counts(&r->tx, n));
    (void)snprintf(text, sizeof text, "%d %d %d %d %d", (int)n[0], (int)n[1], (int)n[2], (int)n[3],
                   (int)n[4]);
    assert_string_equal(text, expected);
    assert_string_equal(reg_problems(r), "");
}

static void counts_follow_registration_status_and_deletion(void **state)
{
    struct reg *r = *state;
    struct prov_id a, b;

    assert_counts(r, "0 0 0 0 0");
    a = reg_cert(r);
    b = reg_cert(r);
    assert_counts(r, "0 2 0 0 0");
    reg_ok(r, prov_cert_set_status(&r->tx, &a, PROV_CERT_INACTIVE));
    reg_ok(r, prov_cert_set_status(&r->tx, &a, PROV_CERT_INACTIVE));
    assert_counts(r, "1 1 0 0 0");
    reg_policy(r, "p"); /* what is no status does not count */
    reg_ok(r, prov_policy_attach_cert(&r->tx, S("p"), &b));
    assert_counts(r, "1 1 0 0 0");
    reg_ok(r, prov_cert_transfer(&r->tx, &a, S("123456789012"), NONE));
    assert_counts(r, "0 1 0 1 0");
    reg_ok(r, prov_cert_transfer_reject(&r->tx, &a, NONE));
    reg_ok(r, prov_cert_set_status(&r->tx, &b, PROV_CERT_REVOKED));
    assert_counts(r, "1 0 1 0 0");
    reg_commit(r);
    assert_counts(r, "1 0 1 0 0");
    reg_ok(r, prov_cert_delete(&r->tx, &a, false));
    reg_ok(r, prov_cert_delete(&r->tx, &b, true));
    assert_counts(r, "0 0 0 0 0");
}

static void first_contact_counts_as_pending_and_then_as_what_it_becomes(void **state)
{
    struct reg *r = *state;
    struct pki_cert ca = reg_pki_ca(r, "/CN=Root"), leaf = reg_pki_leaf(r, &ca, "/CN=dev-1");
    const struct prov_id ca_id = reg_ca(r, &ca, NULL);
    struct prov_ca found;
    struct prov_id id;

    reg_ok(r, prov_ca_get(&r->tx, &ca_id, &found));
    reg_ok(r, prov_cert_record_first_contact(&r->tx, leaf.x509, &found, &id));
    assert_counts(r, "0 0 0 0 1");
    reg_ok(r, prov_cert_set_status(&r->tx, &id, PROV_CERT_ACTIVE));
    assert_counts(r, "0 1 0 0 0");
    pki_free(&leaf);
    pki_free(&ca);
}

static void what_was_undone_is_not_counted(void **state)
{
    struct reg *r = *state;
    struct prov_txn *outer = r->tx.txn;
    const struct prov_id id = reg_cert(r);

    reg_nest(r);
    reg_ok(r, prov_cert_set_status(&r->tx, &id, PROV_CERT_REVOKED));
    (void)reg_cert(r);
    assert_counts(r, "0 1 1 0 0");
    prov_txn_abort(r->tx.txn);
    r->tx.txn = outer;
    r->outer = NULL;
    assert_counts(r, "0 1 0 0 0");
    reg_nest(r);
    reg_ok(r, prov_cert_set_status(&r->tx, &id, PROV_CERT_INACTIVE));
    assert_int_equal(prov_txn_commit(r->tx.txn), PROV_OK);
    r->tx.txn = outer;
    r->outer = NULL;
    assert_counts(r, "1 0 0 0 0");
    reg_abort(r);
    assert_counts(r, "0 0 0 0 0");
}

/* A number that is no status has no count; the certificate can still be mended and deleted. */
static void unknown_status_counts_nowhere(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);
    uint64_t n[PROV_CERT_STATUSES];

    reg_raw_status(r, &id, 77);
    reg_ok(r, prov_cert_counts(&r->tx, n));
    assert_int_equal(n[PROV_CERT_ACTIVE], 0);
    reg_raw_status(r, &id, PROV_CERT_INACTIVE);
    assert_counts(r, "1 0 0 0 0");
    reg_raw_status(r, &id, 77);
    reg_ok(r, prov_cert_delete(&r->tx, &id, false));
    assert_counts(r, "0 0 0 0 0");
}

static void counts_that_are_wrong_are_found_and_never_negative(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);
    uint64_t n[PROV_CERT_STATUSES];

    reg_ok(r, reg_count_status(&r->tx, PROV_CERT_ACTIVE, PROV_CERT_REVOKED));
    assert_string_equal(reg_problems(r),
                        "record counts says that 0 certificates are ACTIVE; 1 are\n"
                        "record counts says that 1 certificates are REVOKED; 0 "
                        "are\n");
    reg_ok(r, prov_cert_set_status(&r->tx, &id, PROV_CERT_INACTIVE));
    reg_ok(r, prov_cert_counts(&r->tx, n));
    assert_int_equal(n[PROV_CERT_ACTIVE], 0);
    assert_int_equal(n[PROV_CERT_INACTIVE], 1);
    reg_ok(r, reg_put_bytes(&r->tx, REG_META, S("counts"), S("\x01\x7f")));
    reg_refused(r, prov_cert_counts(&r->tx, n), PROV_ESTORE, "InternalFailureException");
    assert_string_equal(reg_problems(r), "record counts does not decode\n");
}

static const struct CMUnitTest registry_counts[] = {
    REG_TEST(counts_follow_registration_status_and_deletion),
    REG_TEST(first_contact_counts_as_pending_and_then_as_what_it_becomes),
    REG_TEST(what_was_undone_is_not_counted),
    REG_TEST(unknown_status_counts_nowhere),
    REG_TEST(counts_that_are_wrong_are_found_and_never_negative),
};
REG_MAIN(registry_counts)
