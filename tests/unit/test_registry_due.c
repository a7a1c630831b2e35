/* What is due, and temporary certificates, which are due from the beginning. */
#include "support/reg_fixture.h"

#include <openssl/x509.h>

#include "core/crl.h"
#include "core/reg.h"
#include "support/alloc.h"

#define INVALID "InvalidRequestException"
#define NOT_FOUND "ResourceNotFoundException"
#define STATE "CertificateStateException"

static const struct prov_id claim = { { 'c', 'l', 'a', 'i', 'm' } };

static struct prov_id issue(struct reg *r, int64_t expires_ms)
{
    const struct prov_made_cert made = reg_made(r, NULL);
    char token[PROV_TOKEN_LEN + 1];
    struct prov_id id;

    reg_ok(r, prov_cert_record_issued(&r->tx, &made, &claim, expires_ms, &id, token));
    return id;
}

static bool there(struct reg *r, const struct prov_id *id)
{
    const enum prov_rc rc = reg_exists(&r->tx, REG_CERT, prov_id_span(id));

    assert_true(rc == PROV_OK || rc == PROV_ENOTFOUND);
    return rc == PROV_OK;
}

static int64_t next_due(struct reg *r)
{
    int64_t at_ms;

    reg_ok(r, prov_due_next(&r->tx, &at_ms));
    return at_ms;
}

/* "tokens deleted claims retired", and "more" if there is more. */
static const char *run(struct reg *r, size_t limit)
{
    static char text[64];
    struct prov_due_result done;

    reg_ok(r, prov_due_run(&r->tx, limit, &done));
    (void)snprintf(text, sizeof text, "%zu %zu %zu %zu%s", done.tokens, done.certs_deleted,
                   done.claims_ended, done.certs_retired, done.more ? " more" : "");
    return text;
}

/* ---- tokens ---------------------------------------------------------------------------------- */

static void nothing_waits_in_a_new_store(void **state)
{
    struct reg *r = *state;

    assert_true(next_due(r) == INT64_MAX);
    assert_string_equal(run(r, 10), "0 0 0 0");
    (void)reg_cert(r);
    assert_true(next_due(r) == INT64_MAX);
}

static void certificate_goes_with_its_unused_token_at_its_millisecond(void **state)
{
    struct reg *r = *state;
    const int64_t now_ms = r->tx.now_ms;
    char *before, *after;
    struct prov_id id;

    (void)reg_cert(r); /* the counts have come to be */
    (void)reg_feed(r);
    before = reg_dump(r);
    id = issue(r, now_ms + 1000);
    assert_true(next_due(r) == now_ms + 1000);
    r->tx.now_ms = now_ms + 999;
    assert_string_equal(run(r, 10), "0 0 0 0");
    assert_true(there(r, &id));
    (void)reg_feed(r);
    r->tx.now_ms = now_ms + 1000;
    assert_string_equal(run(r, 10), "1 1 0 0");
    assert_false(there(r, &id));
    assert_string_equal(reg_feed(r), "cert");
    assert_true(next_due(r) == INT64_MAX);
    assert_string_equal(reg_problems(r), "");
    for (uint64_t seq = 2; seq < 4; seq++) {
        uint8_t key[8];

        reg_be64(seq, key);
        reg_ok(r, reg_del(&r->tx, REG_FEED, prov_span(key, 8)));
    }
    after = reg_dump(r);
    assert_string_equal(before, after);
    free(before);
    free(after);
}

static void certificate_that_is_in_use_stays_without_its_token(void **state)
{
    struct reg *r = *state;
    const int64_t at_ms = r->tx.now_ms + 1;
    const struct prov_id active = issue(r, at_ms), inactive = issue(r, at_ms),
                         revoked = issue(r, at_ms), thing = issue(r, at_ms),
                         policy = issue(r, at_ms), unused = issue(r, at_ms);

    reg_thing(r, "t");
    reg_policy(r, "p");
    reg_ok(r, prov_cert_set_status(&r->tx, &active, PROV_CERT_ACTIVE));
    reg_ok(r, prov_cert_set_status(&r->tx, &inactive, PROV_CERT_INACTIVE));
    reg_ok(r, prov_cert_set_status(&r->tx, &revoked, PROV_CERT_REVOKED));
    reg_ok(r, prov_thing_attach(&r->tx, S("t"), &thing, PROV_ATTACH_SHARED));
    reg_ok(r, prov_policy_attach_cert(&r->tx, S("p"), &policy));
    reg_at(r, 1);
    (void)reg_feed(r);
    assert_string_equal(run(r, 10), "6 1 0 0");
    assert_string_equal(reg_feed(r), "cert");
    assert_true(there(r, &active) && there(r, &inactive) && there(r, &revoked) &&
                there(r, &thing) && there(r, &policy));
    assert_false(there(r, &unused));
    assert_string_equal(run(r, 10), "0 0 0 0");
    assert_string_equal(reg_problems(r), "");
}

static void limit_bounds_what_is_done_and_more_tells_of_the_rest(void **state)
{
    struct reg *r = *state;
    const int64_t now_ms = r->tx.now_ms;
    const struct prov_id last = issue(r, now_ms + 3), first = issue(r, now_ms + 1),
                         second = issue(r, now_ms + 2), later = issue(r, now_ms + 9);

    r->tx.now_ms = now_ms + 3;
    assert_string_equal(run(r, 0), "0 0 0 0 more");
    assert_true(next_due(r) == now_ms + 1);
    assert_string_equal(run(r, 1), "1 1 0 0 more");
    assert_false(there(r, &first));
    assert_true(there(r, &second));
    assert_string_equal(run(r, 2), "2 2 0 0");
    assert_false(there(r, &last));
    assert_true(there(r, &later));
    assert_true(next_due(r) == now_ms + 9);
    assert_string_equal(reg_problems(r), "");
}

static void deleted_certificate_waits_for_nothing(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = issue(r, r->tx.now_ms + 1), other = issue(r, r->tx.now_ms + 1);

    reg_ok(r, prov_cert_delete(&r->tx, &id, false));
    assert_string_equal(reg_problems(r), "");
    reg_at(r, 1);
    assert_string_equal(run(r, 10), "1 1 0 0");
    assert_false(there(r, &other));
}

/* Its CA lets in whoever comes with a certificate of it: but not one that nobody registered. */
static void unused_certificate_of_a_registered_ca_cannot_come_back(void **state)
{
    struct reg *r = *state;
    struct pki_cert root = reg_pki_ca(r, "/CN=Root");
    const struct prov_id ca_id = reg_ca(r, &root, NULL);
    const struct prov_made_cert made = reg_made(r, &root);
    char token[PROV_TOKEN_LEN + 1];
    struct prov_id id, again;
    struct prov_ca ca;
    X509 *leaf;
    bool listed;

    reg_ok(r, prov_cert_record_issued(&r->tx, &made, &claim, r->tx.now_ms + 1, &id, token));
    reg_ok(r, prov_ident_decode(made.der, &leaf, NULL));
    reg_ok(r, prov_crl_lists(&r->tx, &ca_id, leaf, &listed));
    assert_false(listed);
    r->tx.now_ms++;
    assert_string_equal(run(r, 10), "1 1 0 0");
    assert_false(there(r, &id));
    reg_ok(r, prov_crl_lists(&r->tx, &ca_id, leaf, &listed));
    assert_true(listed);
    reg_ok(r, prov_ca_get(&r->tx, &ca_id, &ca));
    reg_refused(r, prov_cert_record_first_contact(&r->tx, leaf, &ca, &again), PROV_EDENIED, STATE);
    assert_string_equal(reg_problems(r), "");
    X509_free(leaf);
    pki_free(&root);
}

/* ---- temporary certificates ------------------------------------------------------------------ */

static void temporary_certificate_is_found_but_in_no_list_and_no_count(void **state)
{
    struct reg *r = *state;
    struct pki_cert ca = reg_pki_ca(r, "/CN=Root");
    const struct prov_id ca_id = reg_ca(r, &ca, NULL), lasting = reg_cert(r);
    const struct prov_made_cert made = reg_made(r, &ca);
    char hex[PROV_ID_HEX + 1], all[PROV_ID_HEX + 1];
    uint64_t counts[PROV_CERT_STATUSES], n;
    struct prov_id id, found;
    struct prov_cert cert;
    struct prov_span der;

    reg_fleet_template(r, "fleet");
    (void)reg_feed(r);
    reg_ok(r, prov_cert_record_claim(&r->tx, &made, S("fleet"), &id));
    assert_string_equal(reg_feed(r), "cert");
    reg_ok(r, prov_cert_get(&r->tx, &id, &cert));
    assert_span(cert.claim_template, "fleet");
    assert_int_equal(cert.status, PROV_CERT_ACTIVE);
    assert_id(&cert.ca_id, &ca_id);
    reg_ok(r, prov_cert_der(&r->tx, &id, &der));
    assert_true(prov_span_eq(der, made.der));
    prov_id_hex(&id, hex);
    reg_ok(r, prov_cert_resolve(&r->tx, prov_span(hex, 20), &found));
    assert_id(&found, &id);
    prov_id_hex(&lasting, all);
    assert_string_equal(reg_list(r, PROV_LIST_CERTS, NONE, NONE), all);
    assert_string_equal(reg_list(r, PROV_LIST_CERTS_OF_CA, prov_id_span(&ca_id), NONE), "");
    reg_ok(r, prov_list_count(&r->tx, PROV_LIST_CERTS, &n));
    assert_int_equal(n, 1);
    reg_ok(r, prov_cert_counts(&r->tx, counts));
    assert_int_equal(counts[PROV_CERT_ACTIVE], 1);
    for (unsigned status = PROV_CERT_INACTIVE; status <= PROV_CERT_REVOKED; status += 2) {
        reg_ok(r, prov_cert_set_status(&r->tx, &id, status));
        reg_ok(r, prov_cert_counts(&r->tx, counts));
        assert_int_equal(counts[status], 0);
        assert_int_equal(counts[PROV_CERT_ACTIVE], 1);
    }
    assert_string_equal(reg_problems(r), "");
    reg_ok(r, prov_cert_delete(&r->tx, &id, false));
    reg_ok(r, prov_list_count(&r->tx, PROV_LIST_CERTS, &n));
    assert_int_equal(n, 1);
    assert_true(next_due(r) == INT64_MAX);
    assert_string_equal(reg_problems(r), "");
    pki_free(&ca);
}

static void temporary_certificate_gets_no_thing_policy_account_or_rotation(void **state)
{
    struct reg *r = *state;
    struct prov_id id, lasting = reg_cert(r);

    reg_fleet_template(r, "fleet");
    id = reg_temporary(r, "fleet");
    reg_thing(r, "t");
    reg_policy(r, "p");
    reg_refused(r, prov_thing_attach(&r->tx, S("t"), &id, PROV_ATTACH_UNSAID), PROV_EDENIED, STATE);
    reg_refused(r, prov_policy_attach_cert(&r->tx, S("p"), &id), PROV_EDENIED, STATE);
    reg_refused(r, prov_cert_replace(&r->tx, &id, &lasting), PROV_EDENIED, STATE);
    reg_refused(r, prov_cert_replace(&r->tx, &lasting, &id), PROV_EDENIED, STATE);
    reg_ok(r, prov_cert_set_status(&r->tx, &id, PROV_CERT_INACTIVE));
    reg_refused(r, prov_cert_transfer(&r->tx, &id, S("123456789012"), NONE), PROV_EDENIED, STATE);
}

static void claim_needs_an_enabled_template_that_devices_name(void **state)
{
    static const char *const bad[] = { "jitp", "off" };
    struct reg *r = *state;
    const struct prov_made_cert made = reg_made(r, NULL);
    const bool disabled = false;
    struct prov_id id;

    reg_template(r, "jitp",
                 "{'Resources':{'c':{'Type':'AWS::IoT::Certificate','Properties':"
                 "{'CertificateId':{'Ref':'AWS::IoT::Certificate::Id'}}}}}");
    reg_fleet_template(r, "off");
    reg_fleet_template(r, "on");
    reg_ok(r, prov_template_update(&r->tx, S("off"),
                                   &(struct prov_template_change){ .enabled = &disabled }));
    for (size_t i = 0; i < PROV_COUNT(bad); i++)
        reg_refused(r, prov_cert_record_claim(&r->tx, &made, S(bad[i]), &id), PROV_EINVAL, INVALID);
    reg_refused(r, prov_cert_record_claim(&r->tx, &made, S("gone"), &id), PROV_ENOTFOUND,
                NOT_FOUND);
    reg_refused(r, prov_cert_record_claim(&r->tx, &made, NONE, &id), PROV_ENOTFOUND, NOT_FOUND);
    reg_ok(r, prov_cert_record_claim(&r->tx, &made, S("on"), &id));
}

static void claim_ends_after_its_last_second_whatever_its_status(void **state)
{
    static const unsigned statuses[] = { PROV_CERT_ACTIVE, PROV_CERT_INACTIVE, PROV_CERT_REVOKED };
    struct reg *r = *state;
    const int64_t end_ms = r->tx.now_ms + 301 * 1000;
    struct prov_id ids[PROV_COUNT(statuses)], bound;

    reg_fleet_template(r, "fleet");
    for (size_t i = 0; i < PROV_COUNT(ids); i++) {
        ids[i] = reg_temporary(r, "fleet");
        reg_ok(r, prov_cert_set_status(&r->tx, &ids[i], statuses[i]));
    }
    reg_ok(r, prov_client_bind(&r->tx, S("phone"), &ids[0]));
    assert_true(next_due(r) == end_ms);
    r->tx.now_ms = end_ms - 1;
    assert_string_equal(run(r, 10), "0 0 0 0");
    r->tx.now_ms = end_ms;
    (void)reg_feed(r);
    assert_string_equal(run(r, 10), "0 0 3 0");
    assert_string_equal(reg_feed(r), "cert cert cert");
    for (size_t i = 0; i < PROV_COUNT(ids); i++)
        assert_false(there(r, &ids[i]));
    assert_int_equal(prov_client_get(&r->tx, S("phone"), &bound), PROV_ENOTFOUND);
    reg_ok(r, prov_template_delete(&r->tx, S("fleet")));
    assert_string_equal(reg_problems(r), "");
}

static void claims_end_with_their_template(void **state)
{
    struct reg *r = *state;
    struct prov_id a, b, other;
    uint32_t version;

    reg_fleet_template(r, "fleet");
    reg_fleet_template(r, "fleet2");
    a = reg_temporary(r, "fleet");
    b = reg_temporary(r, "fleet");
    other = reg_temporary(r, "fleet2");
    reg_ok(r, prov_template_version_create(&r->tx, S("fleet"),
                                           reg_json(r, "{'Resources':{'c':{'Type':"
                                                       "'AWS::IoT::Certificate','Properties':"
                                                       "{'CertificateId':{'Ref':"
                                                       "'AWS::IoT::Certificate::Id'}}}}}"),
                                           false, &version));
    reg_refused(r, prov_template_delete(&r->tx, S("fleet")), PROV_EDENIED,
                "DeleteConflictException");
    reg_ok(r, prov_template_version_delete(&r->tx, S("fleet"), version));
    (void)reg_feed(r);
    reg_ok(r, prov_template_delete(&r->tx, S("fleet")));
    assert_string_equal(reg_feed(r), "cert cert template:fleet");
    assert_false(there(r, &a) || there(r, &b));
    assert_true(there(r, &other));
    assert_string_equal(reg_problems(r), "");
}

static void claim_of_any_time_ends_without_overflow(void **state)
{
    static const struct {
        int64_t not_after_s, at_ms;
    } rows[] = { { -5, 1 },
                 { 0, 1000 },
                 { REG_T0, (REG_T0 + 1) * 1000 },
                 { INT64_MAX / 1000 - 1, (INT64_MAX / 1000) * 1000 },
                 { INT64_MAX / 1000, INT64_MAX },
                 { INT64_MAX, INT64_MAX } };
    struct reg *r = *state;

    reg_fleet_template(r, "fleet");
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct prov_made_cert made = reg_made(r, NULL);
        struct prov_id id;

        made.not_after_s = rows[i].not_after_s;
        reg_ok(r, prov_cert_record_claim(&r->tx, &made, S("fleet"), &id));
        assert_true(next_due(r) == rows[i].at_ms);
        assert_string_equal(reg_problems(r), "");
        reg_ok(r, prov_cert_set_status(&r->tx, &id, PROV_CERT_INACTIVE));
        reg_ok(r, prov_cert_delete(&r->tx, &id, false));
        assert_true(next_due(r) == INT64_MAX);
    }
}

/* ---- damage ---------------------------------------------------------------------------------- */

static void plant(struct reg *r, struct prov_span key, struct prov_span value)
{
    reg_ok(r, reg_put_bytes(&r->tx, REG_DUE, key, value));
}

static void what_is_damaged_is_dropped_and_stops_nobody(void **state)
{
    struct reg *r = *state;
    const int64_t now_ms = r->tx.now_ms;
    const struct prov_id damaged = issue(r, now_ms + 1), good = issue(r, now_ms + 2),
                         lasting = reg_cert(r), nobody = { { 7 } };
    uint8_t key[REG_DUE_KEY];
    struct prov_span at;

    plant(r, S("short"), NONE);
    plant(r, PROV_LIT("\0"), NONE);
    at = reg_due_key(now_ms, (enum reg_due)'?', &lasting, key);
    plant(r, at, NONE);
    plant(r, reg_due_key(now_ms, REG_DUE_TOKEN, &nobody, key), NONE);
    plant(r, reg_due_key(now_ms, REG_DUE_CLAIM, &lasting, key), NONE);
    plant(r, reg_due_key(now_ms, REG_DUE_RETIRE, &lasting, key), NONE);
    plant(r, reg_due_key(now_ms, REG_DUE_TOKEN, &good, key), NONE); /* not its time */
    reg_ok(r, reg_put_bytes(&r->tx, REG_CERT, prov_id_span(&damaged), S("\x01\x7f")));
    assert_int_equal(next_due(r), 0);
    r->tx.now_ms = now_ms + 2;
    assert_string_equal(run(r, 100), "1 1 0 0");
    assert_true(there(r, &lasting) && there(r, &damaged));
    assert_false(there(r, &good));
    assert_true(next_due(r) == INT64_MAX);
}

static void damaged_client_of_a_claim_does_not_keep_it(void **state)
{
    struct reg *r = *state;
    struct prov_id id;

    reg_fleet_template(r, "fleet");
    id = reg_temporary(r, "fleet");
    reg_ok(r, prov_client_bind(&r->tx, S("phone"), &id));
    reg_ok(r, reg_put_bytes(&r->tx, REG_CLIENT, S("phone"), S("x")));
    reg_at(r, 301);
    assert_string_equal(run(r, 10), "0 0 1 0");
    assert_false(there(r, &id));
}

/* ---- failures -------------------------------------------------------------------------------- */

static enum prov_rc run_all(struct reg *r, void *ctx)
{
    struct prov_due_result done;

    (void)ctx;
    return prov_due_run(&r->tx, 10, &done);
}

static enum prov_rc make_claim(struct reg *r, void *ctx)
{
    struct prov_id id;

    return prov_cert_record_claim(&r->tx, ctx, S("fleet"), &id);
}

static void failure_at_any_step_leaves_nothing_behind(void **state)
{
    struct reg *r = *state;
    struct prov_made_cert made = reg_made(r, NULL);

    reg_fleet_template(r, "fleet");
    assert_true(reg_each_allocation(r, make_claim, &made) > 0);
    if (!r->lmdb) /* DER, record, count, feed, twin; due, template */
        assert_int_equal(reg_each_write(r, make_claim, &made), 7);
    (void)issue(r, r->tx.now_ms + 1);
    (void)reg_temporary(r, "fleet");
    reg_at(r, 301);
    assert_true(reg_each_allocation(r, run_all, NULL) > 0);
    if (!r->lmdb) {
        assert_true(reg_each_openssl_allocation(r, run_all, NULL) > 0);
        assert_true(reg_each_write(r, run_all, NULL) > 10);
    }
}

static const struct CMUnitTest registry_due[] = {
    REG_TEST(nothing_waits_in_a_new_store),
    REG_TEST(certificate_goes_with_its_unused_token_at_its_millisecond),
    REG_TEST(unused_certificate_of_a_registered_ca_cannot_come_back),
    REG_TEST(certificate_that_is_in_use_stays_without_its_token),
    REG_TEST(limit_bounds_what_is_done_and_more_tells_of_the_rest),
    REG_TEST(deleted_certificate_waits_for_nothing),
    REG_TEST(temporary_certificate_is_found_but_in_no_list_and_no_count),
    REG_TEST(temporary_certificate_gets_no_thing_policy_account_or_rotation),
    REG_TEST(claim_needs_an_enabled_template_that_devices_name),
    REG_TEST(claim_ends_after_its_last_second_whatever_its_status),
    REG_TEST(claims_end_with_their_template),
    REG_TEST(claim_of_any_time_ends_without_overflow),
    REG_TEST(what_is_damaged_is_dropped_and_stops_nobody),
    REG_TEST(damaged_client_of_a_claim_does_not_keep_it),
    REG_TEST(failure_at_any_step_leaves_nothing_behind),
};
REG_MAIN(registry_due)
