/* CreateKeysAndCertificate and CreateCertificateFromCsr of a claim that loses its standing, and a
 * writer that has to begin again. */
#include "support/fleet_scene.h"

static struct prov_fleet *ask_keys(struct scene *s)
{
    return scene_new(s, &(struct scene_ask){ .op = PROV_CREATE_KEYS });
}

static struct prov_fleet *ask_csr(struct scene *s)
{
    return scene_new(s, &(struct scene_ask){
                            .op = PROV_CREATE_FROM_CSR,
                            .csr = scene_csr(s, pki_key_shared(PKI_P256), "/CN=dev-1"),
                        });
}

/* ---- between worker and writer --------------------------------------------------------------- */

static void deactivate(struct scene *s)
{
    scene_cert_status(s, &s->claim, PROV_CERT_INACTIVE);
}

static void revoke(struct scene *s)
{
    scene_cert_status(s, &s->claim, PROV_CERT_REVOKED);
}

static void forget(struct scene *s)
{
    scene_delete_cert(s, &s->claim);
}

static void close_window(struct scene *s)
{
    const int64_t end_ms = s->r->tx.now_ms;

    scene_limit(s, &(struct prov_claim_change){ .not_after_ms = &end_ms });
}

static void limit_network(struct scene *s)
{
    const struct prov_span network = PROV_LIT("198.51.100.0/24");

    scene_limit(s, &(struct prov_claim_change){ .networks = &network, .n_networks = 1 });
}

static void outlive(struct scene *s)
{
    reg_at(s->r, scene_cert(s, &s->claim).not_after_s - REG_T0 + 1);
}

static void last_second(struct scene *s)
{
    reg_at(s->r, scene_cert(s, &s->claim).not_after_s - REG_T0);
}

static void give_a_network(struct scene *s)
{
    const struct prov_span network = PROV_LIT("192.0.2.0/24");

    scene_limit(s, &(struct prov_claim_change){ .networks = &network, .n_networks = 1 });
}

static const struct {
    void (*change)(struct scene *s);
    enum prov_reason reason;
    const char *message;
} changes[] = {
    { deactivate, PROV_REASON_CERT_INACTIVE, "claim: The certificate is registered and INACTIVE." },
    { revoke, PROV_REASON_CERT_REVOKED, "claim: The certificate is REVOKED." },
    { forget, PROV_REASON_CERT_DELETED, NULL },
    { scene_suspend, PROV_REASON_CLAIM_SUSPENDED, "claim: The claim is suspended" },
    { scene_spend, PROV_REASON_CLAIM_SPENT,
      "claim: The claim is spent: nothing more can be registered with it" },
    { close_window, PROV_REASON_CLAIM_WINDOW, "claim: The claim may not be used at this time" },
    { limit_network, PROV_REASON_CLAIM_NETWORK,
      "claim: The claim may not be used from this address" },
    { outlive, PROV_REASON_EXPIRED, NULL },
    { give_a_network, PROV_REASON_ISSUED, NULL },
};

static void change_of_the_claim_is_seen_before_and_after_prepare(void **state)
{
    struct scene *s;

    for (size_t i = 0; i < 2 * PROV_COUNT(changes); i++) {
        const enum prov_reason reason = changes[i / 2].reason;
        struct prov_fleet *fleet;
        char *before, *after;

        assert_int_equal(scene_teardown(state) + scene_setup(state), 0);
        s = *state;
        fleet = i / 2 % 2 == 0 ? ask_csr(s) : ask_keys(s);
        if (i % 2 == 1 && scene_prepare(s, fleet) == PROV_FLEET_KEY) {
            scene_give_key(fleet);
            assert_int_equal(scene_prepare(s, fleet), PROV_FLEET_APPLY);
        }
        changes[i / 2].change(s);
        before = reg_dump(s->r);
        if (i % 2 == 1)
            scene_apply(s, fleet);
        else
            scene_finish(s, fleet, NULL);
        scene_expect(fleet, reason);
        after = reg_dump(s->r);
        assert_int_equal(strcmp(before, after) == 0, reason != PROV_REASON_ISSUED);
        if (reason != PROV_REASON_ISSUED) {
            scene_expect_rejected(fleet, 403, "AccessDenied", changes[i / 2].message);
            assert_true(prov_id_is_zero(&fleet->cert));
        }
        free(before);
        free(after);
    }
}

static void claim_is_good_through_its_last_second(void **state)
{
    struct scene *s = *state;
    struct prov_fleet *fleet = ask_keys(s);

    last_second(s);
    assert_int_equal(scene_prepare(s, fleet), PROV_FLEET_KEY);
    outlive(s);
    assert_int_equal(scene_prepare(s, fleet), PROV_FLEET_DONE);
    scene_expect(fleet, PROV_REASON_EXPIRED);
}

static void claim_of_every_other_status_is_refused(void **state)
{
    static const struct {
        unsigned status;
        enum prov_reason reason;
    } rows[] = {
        { PROV_CERT_INACTIVE, PROV_REASON_CERT_INACTIVE },
        { PROV_CERT_REVOKED, PROV_REASON_CERT_REVOKED },
        { PROV_CERT_PENDING_TRANSFER, PROV_REASON_CERT_PENDING_TRANSFER },
        { PROV_CERT_PENDING_ACTIVATION, PROV_REASON_CERT_PENDING },
        { 77, PROV_REASON_CERT_INACTIVE },
    };
    struct scene *s = *state;
    struct prov_fleet *fleet;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        reg_raw_status(s->r, &s->claim, rows[i].status);
        reg_commit(s->r);
        fleet = ask_csr(s);
        scene_finish(s, fleet, NULL);
        scene_expect(fleet, rows[i].reason);
        scene_expect_rejected(fleet, 403, "AccessDenied", NULL);
    }
}

/* ---- the writer's second try ----------------------------------------------------------------- */

static void apply_may_run_again_after_a_commit_that_failed(void **state)
{
    struct scene *s = *state;
    struct prov_fleet *fleet = ask_keys(s);
    char lost[PROV_TOKEN_LEN + 1];
    struct prov_ownership owner;
    struct prov_id id;

    assert_int_equal(scene_prepare(s, fleet), PROV_FLEET_KEY);
    scene_give_key(fleet);
    assert_int_equal(scene_prepare(s, fleet), PROV_FLEET_APPLY);
    reg_ok(s->r, prov_fleet_apply(fleet, &s->r->tx));
    scene_expect(fleet, PROV_REASON_ISSUED);
    memcpy(lost, fleet->token, sizeof lost);
    id = fleet->cert;
    reg_abort(s->r);
    scene_apply(s, fleet);
    scene_expect(fleet, PROV_REASON_ISSUED);
    assert_id(&fleet->cert, &id);
    assert_int_equal(scene_attempts(s), 1);
    reg_ok(s->r, prov_token_check(&s->r->tx, S(fleet->token), &s->claim, &owner));
    assert_id(&owner.cert, &id);
    reg_refused(s->r, prov_token_check(&s->r->tx, S(lost), &s->claim, &owner), PROV_EDENIED,
                "InvalidCertificateOwnershipToken");
}

static void issuer_is_not_needed_once_it_has_signed(void **state)
{
    struct scene *s = *state;
    struct prov_fleet *fleet = ask_csr(s);

    assert_int_equal(scene_prepare(s, fleet), PROV_FLEET_APPLY);
    s->issuing.rc = PROV_ENOTFOUND;
    scene_apply(s, fleet);
    scene_expect(fleet, PROV_REASON_ISSUED);
}

static void refusal_of_the_second_try_takes_back_the_first(void **state)
{
    struct scene *s = *state;
    struct prov_fleet *fleet = ask_csr(s);

    assert_int_equal(scene_prepare(s, fleet), PROV_FLEET_APPLY);
    reg_ok(s->r, prov_fleet_apply(fleet, &s->r->tx));
    assert_int_equal(strlen(fleet->token), PROV_TOKEN_LEN);
    reg_abort(s->r);
    deactivate(s);
    scene_apply(s, fleet);
    scene_expect(fleet, PROV_REASON_CERT_INACTIVE);
    assert_true(prov_id_is_zero(&fleet->cert));
    assert_string_equal(fleet->token, "");
    assert_int_equal(scene_attempts(s), 0);
}

static void certificate_that_is_recorded_already_is_refused(void **state)
{
    struct scene *s = *state;
    struct prov_fleet *fleet = ask_csr(s);
    struct prov_id id;

    assert_int_equal(scene_prepare(s, fleet), PROV_FLEET_APPLY);
    reg_ok(s->r, prov_cert_record_made(&s->r->tx, &fleet->made, PROV_CERT_INACTIVE, &id));
    reg_commit(s->r);
    scene_apply(s, fleet);
    scene_expect(fleet, PROV_REASON_ISSUER_FAILED);
    assert_int_equal(scene_cert(s, &id).status, PROV_CERT_INACTIVE);
    assert_string_equal(fleet->token, "");
}

static const struct CMUnitTest tests[] = {
    SCENE_TEST(change_of_the_claim_is_seen_before_and_after_prepare),
    SCENE_TEST(claim_is_good_through_its_last_second),
    SCENE_TEST(claim_of_every_other_status_is_refused),
    SCENE_TEST(apply_may_run_again_after_a_commit_that_failed),
    SCENE_TEST(issuer_is_not_needed_once_it_has_signed),
    SCENE_TEST(refusal_of_the_second_try_takes_back_the_first),
    SCENE_TEST(certificate_that_is_recorded_already_is_refused),
};

SCENE_MAIN(tests)
