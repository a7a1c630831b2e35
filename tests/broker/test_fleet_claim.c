/* What a claim may provision, as data: limits, and suspension. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "core/claim.h"
#include "support/child.h"
#include "support/fleet_rig.h"

static void limit(struct fleet_rig *f, const struct prov_claim_change *change)
{
    struct prov_tx tx = rig_begin(&f->rig, PROV_TXN_WRITE);

    rig_ok(&tx, prov_claim_update(&tx, &f->claim_id, change));
    rig_end(&tx);
}

static void lift_limits(struct fleet_rig *f)
{
    struct prov_tx tx = rig_begin(&f->rig, PROV_TXN_WRITE);

    rig_ok(&tx, prov_claim_clear(&tx, &f->claim_id));
    rig_end(&tx);
}

static uint32_t uses(struct fleet_rig *f)
{
    struct prov_tx tx = rig_begin(&f->rig, PROV_TXN_READ);
    struct prov_claim claim;
    const enum prov_rc rc = prov_claim_get(&tx, &f->claim_id, &claim);

    prov_txn_abort(tx.txn);
    assert_int_equal(rc, PROV_OK);
    return claim.uses;
}

/* Both operations in both formats, where the claim stands in the way. */
static void expect_create_denied(struct mqtt *c, const char *text)
{
    EVP_PKEY *key = pki_key_shared(PKI_P256);
    char *body = fleet_csr_body(key, "pump");

    for (unsigned i = 0; i < PROV_FORMATS; i++) {
        const struct fleet_ask asks[] = {
            { PROV_CREATE_FROM_CSR, (enum prov_format)i, .body = body, .qos = 1 },
            { PROV_CREATE_KEYS, (enum prov_format)i, .qos = 1 },
        };

        for (size_t j = 0; j < PROV_COUNT(asks); j++)
            fleet_expect_rejected(c, &asks[j], 403, "AccessDenied", text);
    }
    free(body);
}

static void expect_register_denied(struct mqtt *c, const struct fleet_device *d,
                                   const char *template_name, const char *serial, const char *text)
{
    char *body = fleet_register_body(d->token, serial);

    for (unsigned i = 0; i < PROV_FORMATS; i++)
        fleet_expect_rejected(c,
                              (&(struct fleet_ask){ PROV_REGISTER_THING, (enum prov_format)i,
                                                    template_name, .body = body, .qos = 1 }),
                              403, "AccessDenied", text);
    free(body);
}

static void expect_accepted(struct mqtt *c, const struct fleet_ask *ask)
{
    struct fleet_answer answer = fleet_call(c, ask);

    if (!answer.accepted)
        fail_msg("rejected: %s", cJSON_PrintUnformatted(answer.doc));
    fleet_release(&answer);
}

/* ---- limits ---------------------------------------------------------------------------------- */

/* A limit that forbids now, and one that does not; both operations heed it. */
struct limit_row {
    struct prov_claim_change forbids, allows;
    enum prov_reason reason;
    const char *text;
};

#define TEXT(text)                                                                                 \
    {                                                                                              \
        (const uint8_t *)(text), sizeof(text) - 1                                                  \
    }

static void window_and_network_hold_for_each_operation(void **state)
{
    static const struct prov_span elsewhere[] = { TEXT("192.0.2.0/24"), TEXT("2001:db8::/32") };
    static const struct prov_span nearby[] = { TEXT("127.0.0.2") };
    static const struct prov_span here[] = { TEXT("192.0.2.0/24"), TEXT("127.0.0.0/8") };
    static const struct prov_span open[] = { TEXT("0.0.0.0/0") };
    const int64_t now_ms = (int64_t)time(NULL) * 1000, never = 0;
    const int64_t before = now_ms - 3600000, after = now_ms + 3600000;
    const struct limit_row rows[] = {
        { { .not_before_ms = &after },
          { .not_before_ms = &before },
          PROV_REASON_CLAIM_WINDOW,
          "time" },
        { { .not_before_ms = &never, .not_after_ms = &before },
          { .not_before_ms = &before, .not_after_ms = &after },
          PROV_REASON_CLAIM_WINDOW,
          "time" },
        { { .networks = elsewhere, .n_networks = 2 },
          { .networks = here, .n_networks = 2 },
          PROV_REASON_CLAIM_NETWORK,
          "address" },
        { { .networks = nearby, .n_networks = 1 },
          { .networks = open, .n_networks = 1 },
          PROV_REASON_CLAIM_NETWORK,
          "address" },
    };
    struct fleet_rig f = { 0 };
    struct fleet_device d;
    char *before_it, *after_it;
    struct mqtt *c;

    (void)state;
    fleet_up(&f, NULL);
    c = fleet_claim(&f, "blank");
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        char serial[2] = { (char)('0' + i), '\0' };

        d = fleet_create(c, PROV_JSON, serial);
        limit(&f, &rows[i].forbids);
        before_it = fleet_dump(&f);
        expect_create_denied(c, rows[i].text);
        expect_register_denied(c, &d, NULL, serial, rows[i].text);
        rig_expect_attempt(&f.rig, NULL, rows[i].reason);
        after_it = fleet_dump(&f);
        assert_string_equal(before_it, after_it);
        limit(&f, &rows[i].allows);
        fleet_register(c, PROV_JSON, &d, serial);
        lift_limits(&f);
        fleet_device_free(&d);
        free(before_it);
        free(after_it);
    }
    fleet_check(&f);
    mqtt_free(c);
    fleet_down(&f);
}

static void claim_limited_to_a_template_registers_with_no_other(void **state)
{
    static const struct prov_span one[] = { TEXT("other") };
    static const struct prov_span both[] = { TEXT("other"), TEXT(FLEET_TEMPLATE) };
    struct fleet_rig f = { 0 };
    struct fleet_device d;
    struct mqtt *c;
    char *body;

    (void)state;
    fleet_up(&f, NULL);
    fleet_create_template(&f, "other", fleet_template, NULL);
    fleet_attach(&f, &f.claim_id, FLEET_SPARE_POLICY); /* the limit alone stands in the way */
    c = fleet_claim(&f, "blank");
    limit(&f, &(struct prov_claim_change){ .templates = one, .n_templates = 1 });
    d = fleet_create(c, PROV_JSON, "1");
    expect_register_denied(c, &d, FLEET_TEMPLATE, "1", "template");
    rig_expect_attempt(&f.rig, NULL, PROV_REASON_CLAIM_TEMPLATE);
    body = fleet_register_body(d.token, "1");
    expect_accepted(
        c, &(struct fleet_ask){ PROV_REGISTER_THING, PROV_JSON, "other", .body = body, .qos = 1 });
    free(body);
    fleet_device_free(&d);
    d = fleet_create(c, PROV_JSON, "2");
    limit(&f, &(struct prov_claim_change){ .templates = both, .n_templates = 2 });
    fleet_register(c, PROV_CBOR, &d, "2");
    fleet_device_free(&d);
    mqtt_free(c);
    fleet_down(&f);
}

/* What a thief of the golden image finds, when it has provisioned what it was made for. */
static void stolen_claim_with_a_spent_quota_is_refused(void **state)
{
    const uint32_t two = 2, three = 3;
    struct fleet_rig f = { 0 };
    struct fleet_device d[3];
    struct pki_cert other_claim;
    char *before, *after;
    struct mqtt *c, *thief;

    (void)state;
    fleet_up(&f, NULL);
    limit(&f, &(struct prov_claim_change){ .max_uses = &two });
    c = fleet_claim(&f, "blank");
    for (unsigned i = 0; i < 3; i++)
        d[i] = fleet_create(c, PROV_JSON, "pump");
    fleet_register(c, PROV_JSON, &d[0], "1");
    fleet_register(c, PROV_CBOR, &d[1], "2");
    assert_int_equal(uses(&f), 2);

    thief = fleet_claim(&f, "thief");
    before = fleet_dump(&f);
    expect_create_denied(thief, "spent");
    expect_register_denied(c, &d[2], NULL, "3", "spent");
    rig_expect_attempt(&f.rig, NULL, PROV_REASON_CLAIM_SPENT);
    fleet_register(c, PROV_JSON, &d[0], "1"); /* who lost the answer still gets it */
    after = fleet_dump(&f);
    assert_string_equal(before, after);
    assert_int_equal(uses(&f), 2);

    other_claim = fleet_make_claim(&f, "another image", "claim"); /* has limits of its own: none */
    mqtt_free(thief);
    thief = fleet_connect(&f, &other_claim, "other");
    fleet_device_free(&d[0]);
    d[0] = fleet_create(thief, PROV_JSON, "4");
    fleet_register(thief, PROV_JSON, &d[0], "4");
    limit(&f, &(struct prov_claim_change){ .max_uses = &three });
    fleet_register(c, PROV_JSON, &d[2], "3");
    free(before);
    free(after);
    for (unsigned i = 0; i < 3; i++)
        fleet_device_free(&d[i]);
    pki_free(&other_claim);
    mqtt_free(thief);
    mqtt_free(c);
    fleet_down(&f);
}

static void rate_holds_for_certificates_of_one_claim_alone(void **state)
{
    const uint32_t rate = 2, seconds = 86400, none = 0;
    struct fleet_rig f = { 0 };
    struct pki_cert other_claim;
    struct fleet_device d[2], more;
    struct mqtt *c, *other;
    char *body;

    (void)state;
    fleet_up(&f, NULL);
    other_claim = fleet_make_claim(&f, "another image", "claim");
    limit(&f, &(struct prov_claim_change){ .rate = &rate, .rate_s = &seconds });
    c = fleet_claim(&f, "blank");
    for (unsigned i = 0; i < 2; i++)
        d[i] = fleet_create(c, PROV_JSON, "pump");
    body = fleet_csr_body(d[0].cert.key, "pump");
    for (unsigned i = 0; i < 3; i++)
        fleet_expect_rejected(
            c, (&(struct fleet_ask){ PROV_CREATE_FROM_CSR, PROV_JSON, .body = body, .qos = 1 }),
            429, "Throttling", NULL);
    rig_expect_attempt(&f.rig, NULL, PROV_REASON_CLAIM_RATE);
    fleet_register(c, PROV_JSON, &d[0], "1"); /* these are no certificates */
    fleet_register(c, PROV_CBOR, &d[1], "2");
    other = fleet_connect(&f, &other_claim, "other");
    more = fleet_create(other, PROV_JSON, "pump");
    fleet_device_free(&more);
    limit(&f, &(struct prov_claim_change){ .rate = &none, .rate_s = &none });
    more = fleet_create(c, PROV_JSON, "pump");
    fleet_device_free(&more);
    for (unsigned i = 0; i < 2; i++)
        fleet_device_free(&d[i]);
    free(body);
    pki_free(&other_claim);
    mqtt_free(other);
    mqtt_free(c);
    fleet_down(&f);
}

/* The settings for all claims, which hold for each by itself. */
static void claim_that_asks_too_fast_is_throttled_and_no_other(void **state)
{
    static const struct broker_opt opts[] = { { "claim_per_s", "1" },
                                              { "claim_burst", "3" },
                                              { NULL, NULL } };
    enum { REQUESTS = 30 };
    const struct fleet_ask ask = { PROV_CREATE_FROM_CSR, PROV_JSON, .body = "{}", .qos = 1 };
    struct fleet_rig f = { 0 };
    struct pki_cert other_claim;
    struct fleet_device d;
    unsigned throttled = 0;
    struct mqtt *c, *other;
    size_t mark;

    (void)state;
    fleet_up(&f, opts);
    other_claim = fleet_make_claim(&f, "another image", "claim");
    c = fleet_claim(&f, "blank");
    mark = broker_log_mark(f.rig.broker);
    for (unsigned i = 0; i < REQUESTS; i++)
        (void)fleet_submit(c, &ask);
    mqtt_send(c);
    for (unsigned i = 0; i < REQUESTS; i++) {
        struct fleet_answer answer = fleet_take(c, &ask);
        const char *code = fleet_text(&answer, "errorCode");

        if (strcmp(code, "Throttling") == 0) {
            fleet_check_rejected(&answer, 429, "Throttling", NULL, __FILE__, __LINE__);
            throttled++;
        } else {
            assert_string_equal(code, "InvalidRequest");
        }
        fleet_release(&answer);
    }
    assert_true(throttled > 0 && throttled <= REQUESTS - 3);
    broker_expect_log(f.rig.broker, mark, "reason=throttled");
    other = fleet_connect(&f, &other_claim, "other");
    d = fleet_create(other, PROV_JSON, "pump");
    fleet_device_free(&d);
    pki_free(&other_claim);
    mqtt_free(other);
    mqtt_free(c);
    fleet_down(&f);
}

static void parameter_with_a_list_has_a_value_of_it_or_nothing_is_registered(void **state)
{
    static const char *const allowed[] = { "1", "2" };
    struct fleet_rig f = { 0 };
    struct fleet_device d;
    char *before, *after;
    struct prov_tx tx;
    struct mqtt *c;

    (void)state;
    fleet_up(&f, NULL);
    tx = rig_begin(&f.rig, PROV_TXN_WRITE);
    for (size_t i = 0; i < PROV_COUNT(allowed); i++)
        rig_ok(&tx,
               prov_claim_allow(&tx, &f.claim_id, PROV_LIT("Serial"), prov_span_str(allowed[i])));
    rig_end(&tx);
    c = fleet_claim(&f, "blank");
    d = fleet_create(c, PROV_JSON, "pump"); /* where no parameter is known yet */
    before = fleet_dump(&f);
    expect_register_denied(c, &d, NULL, "3", "Serial");
    expect_register_denied(c, &d, NULL, "11", "Serial");
    expect_register_denied(c, &d, NULL, "", "Serial");
    expect_register_denied(c, &d, NULL, NULL, "Serial");
    rig_expect_attempt(&f.rig, NULL, PROV_REASON_CLAIM_PARAMETER);
    after = fleet_dump(&f);
    assert_string_equal(before, after);
    fleet_register(c, PROV_JSON, &d, "2");
    fleet_device_free(&d);
    d = fleet_create(c, PROV_JSON, "pump");
    tx = rig_begin(&f.rig, PROV_TXN_WRITE);
    rig_ok(&tx, prov_claim_disallow(&tx, &f.claim_id, PROV_LIT("Serial"), PROV_LIT("1")));
    rig_end(&tx);
    expect_register_denied(c, &d, NULL, "1", "Serial");
    tx = rig_begin(&f.rig, PROV_TXN_WRITE);
    rig_ok(&tx, prov_claim_unlist(&tx, &f.claim_id, PROV_LIT("Serial")));
    rig_end(&tx);
    fleet_register(c, PROV_JSON, &d, "3");
    fleet_device_free(&d);
    free(before);
    free(after);
    mqtt_free(c);
    fleet_down(&f);
}

/* ---- status ---------------------------------------------------------------------------------- */

static void claim_that_is_made_inactive_is_kicked_and_its_devices_are_not(void **state)
{
    struct fleet_rig f = { 0 };
    struct fleet_device d;
    struct rig_link link;
    struct mqtt *c, *device;

    (void)state;
    fleet_up(&f, NULL);
    d = fleet_provision(&f, "1");
    device = fleet_join(&f, &d, "1");
    c = fleet_claim(&f, "blank");
    rig_set_status(&f.rig, &f.claim, PROV_CERT_INACTIVE);
    expect_closed(c);
    mqtt_free(c);
    link = rig_link(&f.rig, &f.claim, "blank");
    link.options.tls = &link.tls;
    expect_alert(&link.options, SSL_AD_BAD_CERTIFICATE);
    assert_true(mqtt_ping(device));
    mqtt_free(device);
    fleet_device_free(&d);
    fleet_down(&f);
}

/* ---- suspension ------------------------------------------------------------------------------ */

static void refuse_some(struct mqtt *c, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        fleet_expect_rejected(
            c, (&(struct fleet_ask){ PROV_REGISTER_THING, PROV_JSON, .body = "{}", .qos = 1 }), 400,
            "InvalidRequest", NULL);
}

/* By the setting, or by the claim's own limit, which counts for more. */
static void claim_that_misbehaves_is_suspended_and_the_operator_told(void **state)
{
    static const struct broker_opt five[] = { { "claim_suspend_after", "5" }, { NULL, NULL } };
    static const struct broker_opt many[] = { { "claim_suspend_after", "1000" }, { NULL, NULL } };
    static const struct {
        const struct broker_opt *opts;
        uint32_t own;
    } rows[] = { { five, 0 }, { many, 5 }, { NULL, 5 } };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct fleet_rig f = { 0 };
        char hex[PROV_ID_HEX + 1], line[128];
        struct fleet_device d, more;
        struct mqtt *c, *other;
        struct pki_cert other_claim;
        struct run_result r;
        size_t mark;

        fleet_up(&f, rows[i].opts);
        other_claim = fleet_make_claim(&f, "another image", "claim");
        if (rows[i].own != 0)
            limit(&f, &(struct prov_claim_change){ .suspend_after = &rows[i].own });
        c = fleet_claim(&f, "blank");
        other = fleet_connect(&f, &other_claim, "other");
        prov_id_hex(&f.claim_id, hex);
        mark = broker_log_mark(f.rig.broker);
        refuse_some(other, 2);
        refuse_some(c, 4);
        d = fleet_create(c, PROV_JSON, "pump"); /* four are not too many yet */
        refuse_some(c, 1);
        (void)snprintf(line, sizeof line, "claim-suspended certificate=%s", hex);
        broker_expect_log(f.rig.broker, mark, line);
        expect_create_denied(c, "suspended");
        expect_register_denied(c, &d, NULL, "1", "suspended");
        rig_expect_attempt(&f.rig, NULL, PROV_REASON_CLAIM_SUSPENDED);
        more = fleet_create(other, PROV_JSON, "pump");
        fleet_device_free(&more);

        run_provctl(&r, "--db", f.rig.db, "claim", "resume", hex);
        assert_int_equal(r.status, 0);
        run_release(&r);
        fleet_register(c, PROV_JSON, &d, "1");
        refuse_some(c, 4); /* it begins anew */
        fleet_register(c, PROV_JSON, &d, "1");
        fleet_device_free(&d);
        pki_free(&other_claim);
        mqtt_free(other);
        mqtt_free(c);
        fleet_down(&f);
    }
}

static void claim_that_was_never_to_be_suspended_is_not(void **state)
{
    struct fleet_rig f = { 0 };
    struct fleet_device d;
    struct mqtt *c;
    size_t mark;

    (void)state;
    fleet_up(&f, NULL);
    mark = broker_log_mark(f.rig.broker);
    c = fleet_claim(&f, "blank");
    refuse_some(c, 60);
    d = fleet_create(c, PROV_JSON, "pump");
    fleet_register(c, PROV_JSON, &d, "1");
    assert_false(broker_log_has(f.rig.broker, mark, "claim-suspended"));
    fleet_device_free(&d);
    mqtt_free(c);
    fleet_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(window_and_network_hold_for_each_operation),
        cmocka_unit_test(claim_limited_to_a_template_registers_with_no_other),
        cmocka_unit_test(stolen_claim_with_a_spent_quota_is_refused),
        cmocka_unit_test(rate_holds_for_certificates_of_one_claim_alone),
        cmocka_unit_test(claim_that_asks_too_fast_is_throttled_and_no_other),
        cmocka_unit_test(parameter_with_a_list_has_a_value_of_it_or_nothing_is_registered),
        cmocka_unit_test(claim_that_is_made_inactive_is_kicked_and_its_devices_are_not),
        cmocka_unit_test(claim_that_misbehaves_is_suspended_and_the_operator_told),
        cmocka_unit_test(claim_that_was_never_to_be_suspended_is_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
