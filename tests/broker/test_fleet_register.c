/* RegisterThing: devices that come back as what their template made of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/fleet_rig.h"

static const struct broker_opt ec_keys[] = { { "key_type", "ec-p256" }, { NULL, NULL } };

enum { NOT_AUTHORIZED = 0x87 };

/* ---- rights ---------------------------------------------------------------------------------- */

static struct fleet_device create_keys(struct mqtt *c, enum prov_format format)
{
    const struct fleet_ask ask = { PROV_CREATE_KEYS, format, .qos = 1 };
    struct fleet_answer answer = fleet_call(c, &ask);
    const struct fleet_device d = fleet_take_device(&answer, NULL);

    fleet_release(&answer);
    return d;
}

static int publish(struct mqtt *c, const char *topic)
{
    return mqtt_publish(
        c, &(struct mqtt_publish){ .topic = topic, .payload = PROV_LIT("x"), .qos = 1 });
}

/* By MQTT 5, where the broker says what it denies. */
static void check_rights(const struct fleet_rig *f, const struct fleet_device *d,
                         const char *serial)
{
    char thing[32], topic[64];
    struct rig_link link = rig_link(&f->rig, &d->cert, "pump-other");
    struct mqtt *c;

    (void)snprintf(thing, sizeof thing, "pump-%s", serial);
    c = fleet_connect5(f, &d->cert, thing);
    (void)snprintf(topic, sizeof topic, "dt/%s/flow", thing);
    assert_true(publish(c, topic) < 0x80);
    (void)snprintf(topic, sizeof topic, "cmd/%s/#", thing);
    assert_int_equal(mqtt_subscribe(c, topic, 1), 1);
    assert_int_equal(publish(c, "dt/pump-other/flow"), NOT_AUTHORIZED);
    assert_int_equal(publish(c, "$aws/certificates/create/json"), NOT_AUTHORIZED);
    assert_true(mqtt_subscribe(c, "cmd/pump-other/#", 1) >= 0x80);
    assert_true(mqtt_subscribe(c, "#", 1) >= 0x80);
    expect_silence(c, NULL);
    mqtt_free(c);
    link.options.tls = &link.tls;
    c = mqtt_start(&link.options);
    assert_true(mqtt_wait_connack(c) != 0);
    mqtt_free(c);
}

/* What the template says, and nothing besides. */
static void check_registered(struct fleet_rig *f, const struct fleet_device *d, const char *serial)
{
    struct prov_tx tx = rig_begin(&f->rig, PROV_TXN_READ);
    struct prov_thing thing;
    struct prov_cert cert;
    char name[32];

    (void)snprintf(name, sizeof name, "pump-%s", serial);
    rig_ok(&tx, prov_cert_get(&tx, &d->id, &cert));
    assert_int_equal(cert.status, PROV_CERT_ACTIVE);
    assert_int_equal(cert.n_policies, 1);
    assert_true(prov_span_eq_str(cert.policies[0], FLEET_POLICY));
    assert_int_equal(cert.n_things, 1);
    assert_true(prov_span_eq_str(cert.things[0], name));
    rig_ok(&tx, prov_thing_get(&tx, prov_span_str(name), &thing));
    assert_int_equal(thing.n_principals, 1);
    assert_int_equal(thing.n_attrs, 1);
    assert_true(prov_span_eq_str(thing.attrs[0].value, serial));
    prov_txn_abort(tx.txn);
}

static void golden_image_provisions_devices_with_exactly_the_template_s_rights(void **state)
{
    static const struct {
        const char *serial;
        enum prov_format format;
        bool keys, mqtt5;
    } rows[] = {
        { "1", PROV_JSON, false, false }, { "2", PROV_CBOR, false, false },
        { "3", PROV_JSON, false, true },  { "4", PROV_CBOR, true, true },
        { "5", PROV_JSON, true, false },
    };
    struct fleet_rig f = { 0 };

    (void)state;
    fleet_up(&f, ec_keys);
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct mqtt *c = rows[i].mqtt5 ? fleet_connect5(&f, &f.claim, rows[i].serial)
                                       : fleet_claim(&f, rows[i].serial);
        struct fleet_device d = rows[i].keys ? create_keys(c, rows[i].format)
                                             : fleet_create(c, rows[i].format, rows[i].serial);

        fleet_register(c, rows[i].format, &d, rows[i].serial);
        rig_expect_attempt(&f.rig, &d.cert, PROV_REASON_PROVISIONED);
        assert_true(mqtt_ping(c)); /* the claim's connection stays */
        mqtt_free(c);
        check_registered(&f, &d, rows[i].serial);
        check_rights(&f, &d, rows[i].serial);
        fleet_device_free(&d);
    }
    fleet_check(&f);
    fleet_down(&f);
}

static void expect_refused(struct fleet_rig *f, const struct fleet_device *d, const char *id)
{
    struct rig_link link = rig_link(&f->rig, &d->cert, id);
    struct mqtt *c;

    link.options.tls = &link.tls;
    c = mqtt_start(&link.options);
    assert_true(mqtt_wait_connack(c) != 0);
    mqtt_free(c);
    rig_expect_attempt(&f->rig, &d->cert, PROV_REASON_CERT_PENDING);
}

static void certificate_that_was_only_created_does_not_connect(void **state)
{
    struct fleet_rig f = { 0 };
    struct fleet_device d;
    struct mqtt *c;

    (void)state;
    fleet_up(&f, NULL);
    c = fleet_claim(&f, "blank");
    d = fleet_create(c, PROV_JSON, "1");
    expect_refused(&f, &d, "pump-1");
    fleet_expect_status(&f, &d.id, PROV_CERT_PENDING_ACTIVATION);
    fleet_register(c, PROV_JSON, &d, "1");
    mqtt_free(c);
    c = fleet_join(&f, &d, "1");
    mqtt_free(c);
    fleet_device_free(&d);
    fleet_down(&f);
}

/* Or else a claim that may register nothing any more would go on with names of its own choosing. */
static void certificate_that_was_only_created_is_not_let_in_by_its_issuer_s_template(void **state)
{
    struct fleet_rig f = { 0 };
    struct fleet_device d;
    struct mqtt *c;

    (void)state;
    rig_prepare(&f.rig, &(struct rig_spec){ 0 });
    fleet_fill(&f);
    (void)rig_register_ca(&f.rig, &f.issuer, true, "by-cn");
    rig_start(&f.rig);
    c = fleet_claim(&f, "blank");
    d = fleet_create(c, PROV_JSON, "pump-1");
    for (unsigned i = 0; i < 2; i++)
        expect_refused(&f, &d, "pump-1");
    assert_false(rig_has_thing(&f.rig, "pump-1"));
    fleet_expect_status(&f, &d.id, PROV_CERT_PENDING_ACTIVATION);
    fleet_register(c, PROV_JSON, &d, "1");
    mqtt_free(c);
    c = fleet_join(&f, &d, "1");
    mqtt_free(c);
    fleet_check(&f);
    fleet_device_free(&d);
    fleet_down(&f);
}

/* ---- templates that cannot be carried out ---------------------------------------------------- */

#define THING(name) "\"t\":{\"Type\":\"AWS::IoT::Thing\",\"Properties\":{\"ThingName\":" name
#define CERT                                                                                       \
    "\"c\":{\"Type\":\"AWS::IoT::Certificate\",\"Properties\":{\"CertificateId\":"                 \
    "{\"Ref\":\"AWS::IoT::Certificate::Id\"}}}"
#define POLICY(name)                                                                               \
    "\"p\":{\"Type\":\"AWS::IoT::Policy\",\"Properties\":{\"PolicyName\":\"" name "\"}}"
#define PARAMS                                                                                     \
    "{\"Parameters\":{\"Serial\":{\"Type\":\"String\"},"                                           \
    "\"Site\":{\"Type\":\"String\",\"Default\":\"\"}},"
#define SERIAL "{\"Ref\":\"Serial\"}"

/* The last thing that fails is the last one done: what came before it must go with it. */
static const struct {
    const char *name, *serial, *body;
    int status;
    const char *code;
} templates[] = {
    { "no-policy", "new", PARAMS "\"Resources\":{" THING(SERIAL) "}}," CERT "," POLICY("none") "}}",
      400, "InvalidParameters" },
    { "no-type", "new",
      PARAMS "\"Resources\":{" THING(SERIAL) ",\"ThingTypeName\":\"none\"}}," CERT
                                             "," POLICY(FLEET_POLICY) "}}",
      400, "InvalidParameters" },
    { "no-group", "new",
      PARAMS "\"Resources\":{" THING(SERIAL) ",\"ThingGroups\":[\"none\"]}}," CERT
                                             "," POLICY(FLEET_POLICY) "}}",
      400, "InvalidParameters" },
    { "not-there", "new",
      PARAMS "\"Resources\":{" THING("{\"Ref\":\"Site\"}") "}}," CERT "," POLICY(FLEET_POLICY) "}}",
      400, "InvalidParameters" },
    { "fails", "pump-1",
      PARAMS
      "\"Resources\":{" THING(SERIAL) ",\"AttributePayload\":{\"a\":\"b\"}},"
                                      "\"OverrideSettings\":{\"AttributePayload\":\"FAIL\"}}," CERT
                                      "," POLICY(FLEET_POLICY) "}}",
      409, "ResourceConflict" },
};

static void prepare_templates(struct fleet_rig *f)
{
    const struct prov_attr attr = { PROV_LIT("a"), PROV_LIT("old") };
    struct prov_tx tx;

    for (size_t i = 0; i < PROV_COUNT(templates); i++)
        fleet_create_template(f, templates[i].name, templates[i].body, NULL);
    fleet_create_template(f, "disabled", fleet_template, NULL);
    tx = rig_begin(&f->rig, PROV_TXN_WRITE);
    rig_ok(&tx,
           prov_template_update(&tx, PROV_LIT("disabled"),
                                &(struct prov_template_change){ .enabled = &(bool){ false } }));
    rig_ok(&tx, prov_thing_create(&tx, PROV_LIT("pump-1"), prov_span(NULL, 0), &attr, 1));
    rig_end(&tx);
}

static void refuse(struct mqtt *c, const struct fleet_device *d, const char *template_name,
                   const char *serial, int status, const char *code, const char *text)
{
    for (unsigned i = 0; i < PROV_FORMATS; i++) {
        char *body = fleet_register_body(d->token, serial);
        const struct fleet_ask ask = { PROV_REGISTER_THING, (enum prov_format)i, template_name,
                                       .body = body, .qos = 1 };

        fleet_expect_rejected(c, &ask, status, code, text);
        free(body);
    }
}

static void template_that_cannot_be_carried_out_leaves_nothing_behind(void **state)
{
    struct fleet_rig f = { 0 };
    struct fleet_device d;
    struct mqtt *c;
    char *before, *after;

    (void)state;
    rig_prepare(&f.rig, &(struct rig_spec){ 0 });
    fleet_fill(&f);
    prepare_templates(&f);
    fleet_attach(&f, &f.claim_id, FLEET_SPARE_POLICY);
    rig_start(&f.rig);
    c = fleet_claim(&f, "blank");
    d = fleet_create(c, PROV_JSON, "1");
    before = fleet_dump(&f);
    for (size_t i = 0; i < PROV_COUNT(templates); i++)
        refuse(c, &d, templates[i].name, templates[i].serial, templates[i].status,
               templates[i].code, "template: ");
    refuse(c, &d, "none", "1", 404, "ResourceNotFound", "template: ");
    refuse(c, &d, "disabled", "1", 404, "ResourceNotFound", "template: ");
    refuse(c, &d, "by-cn", "1", 400, "InvalidRequest", "template: ");
    refuse(c, &d, FLEET_TEMPLATE, NULL, 400, "InvalidParameters", "Serial");
    refuse(c, &d, FLEET_TEMPLATE, "no thing's name", 400, "InvalidParameters", "template: ");
    after = fleet_dump(&f);
    assert_string_equal(before, after);
    fleet_check(&f);
    fleet_register(c, PROV_JSON, &d, "2"); /* none of it cost the token */
    free(before);
    free(after);
    mqtt_free(c);
    fleet_device_free(&d);
    fleet_down(&f);
}

static void parameters_that_the_template_does_not_know_are_ignored(void **state)
{
    struct fleet_rig f = { 0 };
    struct fleet_device d;
    struct fleet_answer answer;
    char body[512];
    struct mqtt *c;

    (void)state;
    fleet_up(&f, NULL);
    c = fleet_claim(&f, "blank");
    d = fleet_create(c, PROV_JSON, "1");
    (void)snprintf(body, sizeof body,
                   "{\"certificateOwnershipToken\":\"%s\",\"parameters\":{\"Serial\":\"1\","
                   "\"Colour\":\"red\",\"AWS::IoT::Certificate::Id\":\"%064d\"},\"more\":\"x\"}",
                   d.token, 0);
    answer = fleet_call(
        c, &(struct fleet_ask){ PROV_REGISTER_THING, PROV_JSON, .body = body, .qos = 1 });
    assert_true(answer.accepted);
    assert_string_equal(fleet_text(&answer, "thingName"), "pump-1");
    check_registered(&f, &d, "1");
    fleet_release(&answer);
    mqtt_free(c);
    fleet_device_free(&d);
    fleet_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_image_provisions_devices_with_exactly_the_template_s_rights),
        cmocka_unit_test(certificate_that_was_only_created_does_not_connect),
        cmocka_unit_test(certificate_that_was_only_created_is_not_let_in_by_its_issuer_s_template),
        cmocka_unit_test(template_that_cannot_be_carried_out_leaves_nothing_behind),
        cmocka_unit_test(parameters_that_the_template_does_not_know_are_ignored),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
