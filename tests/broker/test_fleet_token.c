/* Ownership tokens: for one certificate, one claim, one hour and one registration (reference 1.7).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "support/fleet_rig.h"

static void expect_bad_token(struct mqtt *c, const char *token, const char *serial)
{
    for (unsigned i = 0; i < PROV_FORMATS; i++) {
        char *body = fleet_register_body(token, serial);
        const struct fleet_ask ask = { PROV_REGISTER_THING, (enum prov_format)i, .body = body,
                                       .qos = 1 };

        fleet_expect_rejected(c, &ask, 400, "InvalidCertificateOwnershipToken", NULL);
        free(body);
    }
}

/* A certificate as if it had been issued so many milliseconds ago, with a token for as long. */
static struct fleet_device issue_before(struct fleet_rig *f, int64_t ago_ms, int64_t ttl_ms)
{
    struct prov_tx tx = rig_begin(&f->rig, PROV_TXN_WRITE);
    struct fleet_device d = { .cert = pki_make(&(struct pki_spec){ .subject = "/CN=late",
                                                                   .issuer = &f->issuer }) };
    struct prov_made_cert made = { .common_name = PROV_LIT("late"),
                                   .not_before_s = time(NULL) - 86400,
                                   .not_after_s = time(NULL) + 86400,
                                   .ca_id = fleet_id(f->issuer.x509) };
    size_t n;
    uint8_t *der = pki_der(d.cert.x509, &n);

    made.der = prov_span(der, n);
    tx.now_ms -= ago_ms;
    rig_ok(&tx,
           prov_cert_record_issued(&tx, &made, &f->claim_id, tx.now_ms + ttl_ms, &d.id, d.token));
    rig_end(&tx);
    free(der);
    return d;
}

static void token_of_another_kind_claim_time_or_certificate_is_refused(void **state)
{
    char altered[PROV_TOKEN_LEN + 1], text[1024];
    struct fleet_rig f = { 0 };
    struct fleet_device d, other, late;
    struct pki_cert other_claim;
    struct mqtt *c, *o;
    char *before, *after;

    (void)state;
    fleet_up(&f, NULL);
    other_claim = fleet_make_claim(&f, "another image", "claim");
    c = fleet_claim(&f, "blank");
    o = fleet_connect(&f, &other_claim, "other");
    late = issue_before(&f, 7200000, 3600000);
    d = fleet_create(c, PROV_JSON, "1");
    other = fleet_create(o, PROV_JSON, "2");
    fleet_wait_deleted(&f, &late.id); /* swept: nothing changes by itself from here on */
    before = fleet_dump(&f);

    expect_bad_token(c, "", "1");
    expect_bad_token(c, "nonsense", "1");
    memset(text, 'A', sizeof text);
    text[PROV_TOKEN_LEN] = '\0';
    expect_bad_token(c, text, "1");
    text[PROV_TOKEN_LEN] = 'A';
    text[sizeof text - 1] = '\0';
    expect_bad_token(c, text, "1");
    for (unsigned i = 0; i < PROV_TOKEN_LEN; i += 19) {
        memcpy(altered, d.token, sizeof altered);
        altered[i] = altered[i] == 'A' ? 'B' : 'A';
        expect_bad_token(c, altered, "1");
    }
    memcpy(altered, d.token, sizeof altered);
    altered[PROV_TOKEN_LEN - 1] = '\0';
    expect_bad_token(c, altered, "1");
    expect_bad_token(c, other.token, "2");
    expect_bad_token(o, d.token, "1");
    expect_bad_token(c, late.token, "1");
    rig_expect_attempt(&f.rig, NULL, PROV_REASON_BAD_TOKEN);
    after = fleet_dump(&f);
    assert_string_equal(before, after);

    fleet_register(o, PROV_CBOR, &other, "2");
    fleet_register(c, PROV_JSON, &d, "1");
    free(before);
    free(after);
    mqtt_free(c);
    mqtt_free(o);
    fleet_device_free(&d);
    fleet_device_free(&other);
    fleet_device_free(&late);
    pki_free(&other_claim);
    fleet_down(&f);
}

static void token_of_a_revoked_or_deleted_certificate_is_refused(void **state)
{
    struct fleet_rig f = { 0 };
    struct fleet_device revoked, deleted;
    struct prov_tx tx;
    struct mqtt *c;

    (void)state;
    fleet_up(&f, NULL);
    c = fleet_claim(&f, "blank");
    revoked = fleet_create(c, PROV_JSON, "1");
    deleted = fleet_create(c, PROV_JSON, "2");
    rig_set_status(&f.rig, &revoked.cert, PROV_CERT_REVOKED);
    tx = rig_begin(&f.rig, PROV_TXN_WRITE);
    rig_ok(&tx, prov_cert_delete(&tx, &deleted.id, true));
    rig_end(&tx);
    expect_bad_token(c, revoked.token, "1");
    expect_bad_token(c, deleted.token, "2");
    assert_false(rig_has_thing(&f.rig, "pump-1"));
    assert_false(rig_has_thing(&f.rig, "pump-2"));
    fleet_check(&f);
    mqtt_free(c);
    fleet_device_free(&revoked);
    fleet_device_free(&deleted);
    fleet_down(&f);
}

static void same_registration_again_has_the_same_answer_and_another_one_is_refused(void **state)
{
    struct fleet_rig f = { 0 };
    struct fleet_device d;
    struct mqtt *c;
    char *before, *after;

    (void)state;
    fleet_up(&f, NULL);
    c = fleet_claim(&f, "blank");
    d = fleet_create(c, PROV_JSON, "1");
    fleet_register(c, PROV_JSON, &d, "1");
    before = fleet_dump(&f);
    fleet_register(c, PROV_JSON, &d, "1");
    fleet_register(c, PROV_CBOR, &d, "1");
    mqtt_free(c);
    c = fleet_connect5(&f, &f.claim, "blank again");
    fleet_register(c, PROV_CBOR, &d, "1");
    expect_bad_token(c, d.token, "2");
    expect_bad_token(c, d.token, NULL);
    mqtt_free(c);

    broker_kill(f.rig.broker);
    broker_restart(f.rig.broker, NULL);
    c = fleet_claim(&f, "blank");
    fleet_register(c, PROV_JSON, &d, "1");
    expect_bad_token(c, d.token, "2");
    after = fleet_dump(&f);
    assert_string_equal(before, after);
    assert_false(rig_has_thing(&f.rig, "pump-2"));
    free(before);
    free(after);
    mqtt_free(c);
    fleet_device_free(&d);
    fleet_down(&f);
}

static void token_survives_a_restart_of_the_broker(void **state)
{
    struct fleet_rig f = { 0 };
    struct fleet_device d[2];
    struct mqtt *c;

    (void)state;
    fleet_up(&f, NULL);
    c = fleet_claim(&f, "blank");
    d[0] = fleet_create(c, PROV_JSON, "1");
    d[1] = fleet_create(c, PROV_CBOR, "2");
    mqtt_free(c);
    broker_stop(f.rig.broker);
    broker_restart(f.rig.broker, NULL);
    c = fleet_claim(&f, "blank");
    fleet_register(c, PROV_CBOR, &d[0], "1");
    broker_kill(f.rig.broker);
    mqtt_free(c);
    broker_restart(f.rig.broker, NULL);
    c = fleet_claim(&f, "blank");
    fleet_register(c, PROV_JSON, &d[1], "2");
    mqtt_free(c);
    for (unsigned i = 0; i < 2; i++)
        fleet_device_free(&d[i]);
    fleet_down(&f);
}

static void certificate_whose_token_ran_out_is_deleted_unless_it_was_used(void **state)
{
    struct fleet_rig f = { 0 };
    struct fleet_device unused, soon, used, attached, fresh;
    struct mqtt *c;
    size_t mark;

    (void)state;
    fleet_up(&f, NULL);
    mark = broker_log_mark(f.rig.broker);
    used = issue_before(&f, 0, 3600000);
    attached = issue_before(&f, 0, 2000);
    fleet_attach(&f, &attached.id, FLEET_POLICY);
    c = fleet_claim(&f, "blank");
    fleet_register(c, PROV_JSON, &used, "1");
    fresh = fleet_create(c, PROV_JSON, "2");
    unused = issue_before(&f, 7200000, 3600000);
    soon = issue_before(&f, 0, 2500);

    fleet_wait_deleted(&f, &unused.id);
    fleet_wait_deleted(&f, &soon.id); /* and with it the one before it was looked at */
    broker_expect_log(f.rig.broker, mark, "due unused-certificates-deleted=1");
    fleet_expect_status(&f, &used.id, PROV_CERT_ACTIVE);
    fleet_expect_status(&f, &attached.id, PROV_CERT_PENDING_ACTIVATION);
    fleet_expect_status(&f, &fresh.id, PROV_CERT_PENDING_ACTIVATION);
    fleet_register(c, PROV_JSON, &fresh, "2");
    expect_bad_token(c, soon.token, "3");
    fleet_check(&f);
    mqtt_free(c);
    fleet_device_free(&unused);
    fleet_device_free(&soon);
    fleet_device_free(&used);
    fleet_device_free(&attached);
    fleet_device_free(&fresh);
    fleet_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(token_of_another_kind_claim_time_or_certificate_is_refused),
        cmocka_unit_test(token_of_a_revoked_or_deleted_certificate_is_refused),
        cmocka_unit_test(same_registration_again_has_the_same_answer_and_another_one_is_refused),
        cmocka_unit_test(token_survives_a_restart_of_the_broker),
        cmocka_unit_test(certificate_whose_token_ran_out_is_deleted_unless_it_was_used),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
