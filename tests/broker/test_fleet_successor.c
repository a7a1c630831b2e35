/* A device that has an identity asks for the next one, and gives the old one up when the new one
 * has proved good. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/fleet_rig.h"

#define TEMPLATE "rotate"

/* What telemetry-device allows, and to provision again. */
static const char policy[] =
    "{\"Version\":\"2012-10-17\",\"Statement\":["
    "{\"Effect\":\"Allow\",\"Action\":\"iot:Connect\",\"Resource\":"
    "\"arn:aws:iot:*:*:client/${iot:Connection.Thing.ThingName}\"},"
    "{\"Effect\":\"Allow\",\"Action\":[\"iot:Publish\",\"iot:Receive\"],\"Resource\":["
    "\"arn:aws:iot:*:*:topic/$aws/certificates/*\","
    "\"arn:aws:iot:*:*:topic/$aws/provisioning-templates/" TEMPLATE "/provision/*\","
    "\"arn:aws:iot:*:*:topic/dt/${iot:Connection.Thing.ThingName}/*\"]}]}";

static const char body[] =
    "{\"Parameters\":{\"Serial\":{\"Type\":\"String\"},"
    "\"AWS::IoT::Certificate::Id\":{\"Type\":\"String\"}},"
    "\"Resources\":{\"t\":{\"Type\":\"AWS::IoT::Thing\",\"Properties\":{\"ThingName\":"
    "{\"Fn::Join\":[\"-\",[\"pump\",{\"Ref\":\"Serial\"}]]}}},"
    "\"c\":{\"Type\":\"AWS::IoT::Certificate\",\"Properties\":{\"CertificateId\":"
    "{\"Ref\":\"AWS::IoT::Certificate::Id\"}}},"
    "\"p\":{\"Type\":\"AWS::IoT::Policy\",\"Properties\":{\"PolicyName\":\"rotating\"}}}}";

static void prepare(struct fleet_rig *f, const char *overlap_s, bool retire)
{
    struct prov_tx tx;

    rig_prepare(&f->rig, &(struct rig_spec){ 0 });
    fleet_fill(f);
    rig_create_policy(&f->rig, "rotating", policy);
    fleet_create_template(f, TEMPLATE, body, NULL);
    tx = rig_begin(&f->rig, PROV_TXN_WRITE);
    rig_ok(&tx, prov_template_update(&tx, PROV_LIT(TEMPLATE),
                                     &(struct prov_template_change){ .retire_previous = &retire }));
    rig_end(&tx);
    fleet_attach(f, &f->claim_id, FLEET_SPARE_POLICY);
    rig_add_opt(&f->rig, "rotation_overlap_s", overlap_s);
    rig_start(&f->rig);
}

static void register_as(struct mqtt *c, const struct fleet_device *d, const char *serial)
{
    char *request = fleet_register_body(d->token, serial);
    struct fleet_answer answer =
        fleet_call(c, &(struct fleet_ask){ PROV_REGISTER_THING, PROV_JSON, TEMPLATE,
                                           .body = request, .qos = 1 });

    if (!answer.accepted)
        fail_msg("rejected: %s", cJSON_PrintUnformatted(answer.doc));
    fleet_release(&answer);
    free(request);
}

/* By whoever c is. */
static struct fleet_device obtain(struct mqtt *c, const char *serial)
{
    const struct fleet_device d = fleet_create(c, PROV_JSON, "pump");

    register_as(c, &d, serial);
    return d;
}

static struct fleet_device first_of(const struct fleet_rig *f, const char *serial)
{
    struct mqtt *c = fleet_claim(f, "blank");
    const struct fleet_device d = obtain(c, serial);

    mqtt_free(c);
    return d;
}

static void check_retired(struct fleet_rig *f, const struct fleet_device *d)
{
    struct prov_tx tx;
    struct prov_cert cert;
    struct rig_link link = rig_link(&f->rig, &d->cert, "pump-1");

    fleet_wait_status(f, &d->id, PROV_CERT_INACTIVE);
    tx = rig_begin(&f->rig, PROV_TXN_READ);
    rig_ok(&tx, prov_cert_get(&tx, &d->id, &cert));
    assert_int_equal(cert.n_things, 0);
    assert_int_equal(cert.n_policies, 0);
    prov_txn_abort(tx.txn);
    link.options.tls = &link.tls;
    expect_alert(&link.options, SSL_AD_BAD_CERTIFICATE);
}

static void certificate_is_retired_when_its_successor_has_connected(void **state)
{
    struct fleet_rig f = { 0 };
    struct fleet_device old, next;
    struct mqtt *c;

    (void)state;
    prepare(&f, "1", true);
    old = first_of(&f, "1");
    c = fleet_join(&f, &old, "1");
    next = obtain(c, "1");
    assert_true(mqtt_ping(c));
    fleet_expect_status(&f, &old.id, PROV_CERT_ACTIVE); /* until the new one has proved good */
    mqtt_free(c);
    c = fleet_join(&f, &old, "1");
    mqtt_free(c);

    c = fleet_join(&f, &next, "1");
    check_retired(&f, &old);
    fleet_expect_status(&f, &next.id, PROV_CERT_ACTIVE);
    assert_true(mqtt_ping(c));
    mqtt_free(c);
    c = fleet_join(&f, &next, "1");
    mqtt_free(c);
    fleet_check(&f);
    fleet_device_free(&old);
    fleet_device_free(&next);
    fleet_down(&f);
}

/* The old session under another client id; a device has one name, but a policy may allow more. */
static void session_of_the_retired_certificate_is_closed(void **state)
{
    struct fleet_rig f = { 0 };
    struct fleet_device old, next;
    struct mqtt *c, *late;

    (void)state;
    prepare(&f, "1", true);
    rig_create_policy(&f.rig, "any-id",
                      "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\","
                      "\"Action\":\"iot:Connect\",\"Resource\":\"*\"}]}");
    old = first_of(&f, "1");
    fleet_attach(&f, &old.id, "any-id");
    c = fleet_connect(&f, &old.cert, "late");
    next = obtain(c, "1");
    late = c;
    c = fleet_join(&f, &next, "1");
    expect_closed(late);
    check_retired(&f, &old);
    assert_true(mqtt_ping(c));
    mqtt_free(late);
    mqtt_free(c);
    fleet_device_free(&old);
    fleet_device_free(&next);
    fleet_down(&f);
}

static void overlap_leaves_both_certificates_good(void **state)
{
    struct fleet_rig f = { 0 };
    struct fleet_device old, next;
    struct mqtt *c;
    size_t mark;

    (void)state;
    prepare(&f, "3600", true);
    old = first_of(&f, "1");
    c = fleet_join(&f, &old, "1");
    next = obtain(c, "1");
    mqtt_free(c);
    mark = broker_log_mark(f.rig.broker);
    c = fleet_join(&f, &next, "1");
    broker_expect_log(f.rig.broker, mark, "successor-connected");
    mqtt_free(c);
    for (unsigned i = 0; i < 4; i++) {
        c = fleet_join(&f, i & 1 ? &old : &next, "1");
        mqtt_free(c);
    }
    fleet_expect_status(&f, &old.id, PROV_CERT_ACTIVE);
    fleet_expect_status(&f, &next.id, PROV_CERT_ACTIVE);
    fleet_check(&f);
    fleet_device_free(&old);
    fleet_device_free(&next);
    fleet_down(&f);
}

/* A device that lost what it was given, and asked again: what never connected goes as well. */
static void
second_successor_that_was_never_used_is_retired_with_the_first_s_connection(void **state)
{
    struct fleet_rig f = { 0 };
    struct fleet_device old, lost, next;
    struct mqtt *c;

    (void)state;
    prepare(&f, "3600", true);
    old = first_of(&f, "1");
    c = fleet_join(&f, &old, "1");
    lost = obtain(c, "1");
    next = obtain(c, "1");
    mqtt_free(c);
    fleet_expect_status(&f, &lost.id, PROV_CERT_ACTIVE);
    c = fleet_join(&f, &next, "1");
    check_retired(&f, &lost);
    fleet_expect_status(&f, &old.id, PROV_CERT_ACTIVE); /* its overlap has an hour to go */
    assert_true(mqtt_ping(c));
    mqtt_free(c);
    fleet_check(&f);
    fleet_device_free(&old);
    fleet_device_free(&lost);
    fleet_device_free(&next);
    fleet_down(&f);
}

static void without_the_template_s_word_both_certificates_stay(void **state)
{
    struct fleet_rig f = { 0 };
    struct fleet_device old, next;
    struct mqtt *c;
    size_t mark;

    (void)state;
    prepare(&f, "0", false);
    old = first_of(&f, "1");
    mark = broker_log_mark(f.rig.broker);
    c = fleet_join(&f, &old, "1");
    next = obtain(c, "1");
    mqtt_free(c);
    for (unsigned i = 0; i < 4; i++) {
        c = fleet_join(&f, i & 1 ? &old : &next, "1");
        assert_true(mqtt_ping(c));
        mqtt_free(c);
    }
    assert_false(broker_log_has(f.rig.broker, mark, "successor-connected"));
    fleet_expect_status(&f, &old.id, PROV_CERT_ACTIVE);
    fleet_expect_status(&f, &next.id, PROV_CERT_ACTIVE);
    fleet_device_free(&old);
    fleet_device_free(&next);
    fleet_down(&f);
}

/*
 * A claim is no predecessor: it stands for no thing, or for another one. When a device that came
 * later has retired its own, whatever was due before that has been done.
 */
static void claim_is_not_retired_and_no_device_takes_another_s_place(void **state)
{
    struct fleet_rig f = { 0 };
    struct fleet_device device, made;
    struct fleet_answer answer;
    struct mqtt *c;
    char *request;

    (void)state;
    prepare(&f, "0", true);
    device = first_of(&f, "1");
    c = fleet_join(&f, &device, "1");
    made = fleet_create(c, PROV_JSON, "pump");
    request = fleet_register_body(made.token, "2");
    answer = fleet_call(c, &(struct fleet_ask){ PROV_REGISTER_THING, PROV_JSON, TEMPLATE,
                                                .body = request, .qos = 1 });
    assert_false(answer.accepted);
    fleet_release(&answer);
    register_as(c, &made, "1");
    mqtt_free(c);
    fleet_expect_status(&f, &f.claim_id, PROV_CERT_ACTIVE);
    c = fleet_claim(&f, "blank");
    mqtt_free(c);
    fleet_check(&f);
    free(request);
    fleet_device_free(&device);
    fleet_device_free(&made);
    fleet_down(&f);
}

/* The broker may be away when the overlap passes, and at the moment of the first connection. */
static void retirement_survives_a_power_cut(void **state)
{
    struct fleet_rig f = { 0 };
    struct fleet_device old, next;
    struct mqtt *c;
    size_t mark;

    (void)state;
    prepare(&f, "2", true);
    old = first_of(&f, "1");
    c = fleet_join(&f, &old, "1");
    next = obtain(c, "1");
    broker_kill(f.rig.broker);
    mqtt_free(c);
    broker_restart(f.rig.broker, NULL);
    mark = broker_log_mark(f.rig.broker);
    c = fleet_join(&f, &next, "1");
    broker_expect_log(f.rig.broker, mark, "successor-connected");
    broker_kill(f.rig.broker);
    mqtt_free(c);
    broker_restart(f.rig.broker, NULL);
    check_retired(&f, &old);
    c = fleet_join(&f, &next, "1");
    mqtt_free(c);
    fleet_check(&f);
    fleet_device_free(&old);
    fleet_device_free(&next);
    fleet_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(certificate_is_retired_when_its_successor_has_connected),
        cmocka_unit_test(session_of_the_retired_certificate_is_closed),
        cmocka_unit_test(overlap_leaves_both_certificates_good),
        cmocka_unit_test(
            second_successor_that_was_never_used_is_retired_with_the_first_s_connection),
        cmocka_unit_test(without_the_template_s_word_both_certificates_stay),
        cmocka_unit_test(claim_is_not_retired_and_no_device_takes_another_s_place),
        cmocka_unit_test(retirement_survives_a_power_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
