/* Pre-provisioning hooks: the operator's program that decides about one RegisterThing (reference
 * section 3). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/fleet_rig.h"
#include "support/tmp.h"

/* Hooks in a directory, the template with this one. */
static void up(struct fleet_rig *f, const char *timeout_ms, const char *script)
{
    char spec[600];
    struct prov_span hook;
    struct prov_tx tx;

    rig_prepare(&f->rig, &(struct rig_spec){ 0 });
    fleet_fill(f);
    fleet_use_hooks(f, timeout_ms);
    hook = prov_span_str(fleet_hook(f, "hook", script, spec));
    tx = rig_begin(&f->rig, PROV_TXN_WRITE);
    rig_ok(&tx, prov_template_update(&tx, PROV_LIT(FLEET_TEMPLATE),
                                     &(struct prov_template_change){ .hook = &hook }));
    rig_end(&tx);
    rig_start(&f->rig);
}

static void rewrite(const struct fleet_rig *f, const char *script)
{
    char spec[600];

    (void)fleet_hook(f, "hook", script, spec);
}

static void expect_denied(struct mqtt *c, enum prov_format format, const struct fleet_device *d,
                          const char *serial, const char *text)
{
    char *body = fleet_register_body(d->token, serial);

    fleet_expect_rejected(
        c, (&(struct fleet_ask){ PROV_REGISTER_THING, format, .body = body, .qos = 1 }), 403,
        "AccessDenied", text);
    free(body);
}

/* The example of the templates' directory in short: a list of serials. */
static void allow_list_hook_lets_in_what_is_on_the_list_and_nothing_else(void **state)
{
    struct fleet_rig f = { 0 };
    struct fleet_device d;
    char *before, *after;
    struct mqtt *c;

    (void)state;
    up(&f, "10000",
       "if grep -q '\"Serial\":\"[123]\"'; then echo '{\"allowProvisioning\":true}'; "
       "else echo '{\"allowProvisioning\":false,\"message\":\"not on the list\"}'; fi");
    c = fleet_claim(&f, "blank");
    for (unsigned i = 0; i < 3; i++) {
        const char serial[2] = { (char)('1' + i), '\0' };

        d = fleet_create(c, i & 1 ? PROV_CBOR : PROV_JSON, serial);
        fleet_register(c, i & 1 ? PROV_CBOR : PROV_JSON, &d, serial);
        fleet_device_free(&d);
    }
    d = fleet_create(c, PROV_JSON, "4");
    before = fleet_dump(&f);
    expect_denied(c, PROV_JSON, &d, "4", "hook");
    expect_denied(c, PROV_CBOR, &d, "4", "hook");
    rig_expect_attempt(&f.rig, NULL, PROV_REASON_PRE_HOOK_REJECTED);
    rig_expect_explained(&f.rig, &d.cert, "not on the list");
    after = fleet_dump(&f);
    assert_string_equal(before, after);
    assert_false(rig_has_thing(&f.rig, "pump-4"));
    fleet_check(&f);
    free(before);
    free(after);
    fleet_device_free(&d);
    mqtt_free(c);
    fleet_down(&f);
}

static void hook_overrides_parameters_but_not_whose_certificate_it_is(void **state)
{
    struct fleet_rig f = { 0 };
    struct fleet_device d;
    struct fleet_answer answer;
    struct mqtt *c;
    char *body;

    (void)state;
    up(&f, "10000",
       "cat >/dev/null; echo '{\"allowProvisioning\":true,\"parameterOverrides\":{\"Serial\":\"9\","
       "\"AWS::IoT::Certificate::Id\":"
       "\"0000000000000000000000000000000000000000000000000000000000000000\"}}'");
    c = fleet_claim(&f, "blank");
    d = fleet_create(c, PROV_JSON, "pump");
    body = fleet_register_body(d.token, "1");
    answer = fleet_call(
        c, &(struct fleet_ask){ PROV_REGISTER_THING, PROV_JSON, .body = body, .qos = 1 });
    assert_true(answer.accepted);
    assert_string_equal(fleet_text(&answer, "thingName"), "pump-9");
    assert_false(rig_has_thing(&f.rig, "pump-1"));
    fleet_release(&answer);
    mqtt_free(c);
    c = fleet_join(&f, &d, "9");
    mqtt_free(c);
    free(body);
    fleet_device_free(&d);
    fleet_down(&f);
}

/* What it is asked is what AWS IoT asks a Lambda function. */
static void hook_is_asked_with_the_fields_of_aws_iot(void **state)
{
    static const char *const fields[] = {
        "\"claimCertificateId\":\"",
        "\"certificateId\":\"",
        "\"certificatePem\":\"-----BEGIN CERTIFICATE-----",
        "\"templateArn\":\"arn:aws:iot:local:000000000000:provisioningtemplate/fleet\"",
        "\"clientId\":\"blank\"",
        "\"parameters\":{\"Serial\":\"1\"}",
    };
    char path[TMP_PATH_MAX], hex[PROV_ID_HEX + 1], text[16384] = "";
    struct fleet_rig f = { 0 };
    struct fleet_device d;
    struct mqtt *c;
    FILE *file;

    (void)state;
    up(&f, "10000", "cat >\"$(dirname \"$0\")/asked\"; echo '{\"allowProvisioning\":true}'");
    c = fleet_claim(&f, "blank");
    d = fleet_create(c, PROV_JSON, "pump");
    fleet_register(c, PROV_JSON, &d, "1");
    file = fopen(tmp_path(f.rig.dir, "hooks/asked", path), "re");
    assert_non_null(file);
    assert_true(fread(text, 1, sizeof text - 1, file) > 0);
    assert_int_equal(fclose(file), 0);
    for (size_t i = 0; i < PROV_COUNT(fields); i++) {
        if (strstr(text, fields[i]) == NULL)
            fail_msg("%s is not in %s", fields[i], text);
    }
    prov_id_hex(&d.id, hex);
    assert_non_null(strstr(text, hex));
    prov_id_hex(&f.claim_id, hex);
    assert_non_null(strstr(text, hex));
    assert_null(strstr(text, d.token)); /* that is not the hook's to know */
    mqtt_free(c);
    fleet_device_free(&d);
    fleet_down(&f);
}

static void hook_that_fails_is_slow_or_talks_nonsense_refuses_and_leaves_nothing(void **state)
{
    static const struct {
        const char *script, *explained;
    } rows[] = {
        { "echo 'no database' >&2; exit 3", "no database" },
        { "kill -SEGV $$", "signal" },
        { "cat >/dev/null; exec sleep 60", "timeout" },
        { "exec yes", "too-large" },
        { "cat >/dev/null; echo nonsense", "" },
        { "cat >/dev/null", "" },
        { "cat >/dev/null; echo '{\"allowProvisioning\":\"true\"}'", "allowProvisioning" },
        { "cat >/dev/null; echo '{\"decision\":\"activate\"}'", "allowProvisioning" },
        { "cat >/dev/null; echo '{\"allowProvisioning\":true,\"parameterOverrides\":[]}'",
          "parameterOverrides" },
        { "cat >/dev/null; echo '{\"allowProvisioning\":true}'; exit 1", "1" },
    };
    struct fleet_rig f = { 0 };
    struct mqtt *c, *bystander;
    struct fleet_device d;
    char *before, *after;

    (void)state;
    up(&f, "1500", "exit 1");
    c = fleet_claim(&f, "blank");
    bystander = fleet_claim(&f, "bystander");
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        rewrite(&f, rows[i].script);
        d = fleet_create(c, PROV_JSON, "pump");
        before = fleet_dump(&f);
        expect_denied(c, i & 1 ? PROV_CBOR : PROV_JSON, &d, "1", "hook");
        rig_expect_attempt(&f.rig, &d.cert, PROV_REASON_PRE_HOOK_FAILED);
        rig_expect_explained(&f.rig, &d.cert, rows[i].explained);
        after = fleet_dump(&f);
        assert_string_equal(before, after);
        assert_true(mqtt_ping(bystander));
        free(before);
        free(after);
        if (i + 1 == PROV_COUNT(rows)) { /* and the token is as good as before */
            rewrite(&f, "cat >/dev/null; echo '{\"allowProvisioning\":true}'");
            fleet_register(c, PROV_JSON, &d, "1");
        }
        fleet_device_free(&d);
    }
    fleet_check(&f);
    mqtt_free(bystander);
    mqtt_free(c);
    fleet_down(&f);
}

/* Whatever changed while the hook thought about it counts, and not what it was asked. */
static void what_changes_while_the_hook_runs_is_heeded(void **state)
{
    struct fleet_rig f = { 0 };
    struct fleet_device d;
    char *body;

    (void)state;
    up(&f, "60000", FLEET_WAIT "echo '{\"allowProvisioning\":true}'");
    for (unsigned i = 0; i < 3; i++) {
        static const struct {
            int status;
            const char *code;
        } rows[] = { { 404, "ResourceNotFound" },
                     { 400, "InvalidCertificateOwnershipToken" },
                     { 503, "ServiceUnavailable" } };
        struct mqtt *c = fleet_claim(&f, "blank");
        struct fleet_ask ask = { PROV_REGISTER_THING, PROV_JSON, .qos = 1 };
        struct fleet_answer answer;
        struct prov_tx tx;
        const struct prov_span none = { NULL, 0 };
        int gate;

        d = fleet_create(c, PROV_JSON, "pump");
        body = fleet_register_body(d.token, "1");
        ask.body = body;
        fleet_send(c, &ask);
        gate = fleet_gate(&f);
        tx = rig_begin(&f.rig, PROV_TXN_WRITE);
        if (i == 0)
            rig_ok(&tx, prov_template_update(
                            &tx, PROV_LIT(FLEET_TEMPLATE),
                            &(struct prov_template_change){ .enabled = &(bool){ false } }));
        else if (i == 1)
            rig_ok(&tx, prov_cert_set_status(&tx, &d.id, PROV_CERT_REVOKED));
        else
            rig_ok(&tx, prov_template_update(&tx, PROV_LIT(FLEET_TEMPLATE),
                                             &(struct prov_template_change){ .hook = &none }));
        rig_end(&tx);
        (void)close(gate);
        answer = fleet_take(c, &ask);
        fleet_check_rejected(&answer, rows[i].status, rows[i].code, NULL, __FILE__, __LINE__);
        assert_false(rig_has_thing(&f.rig, "pump-1"));
        tx = rig_begin(&f.rig, PROV_TXN_WRITE);
        rig_ok(&tx,
               prov_template_update(&tx, PROV_LIT(FLEET_TEMPLATE),
                                    &(struct prov_template_change){ .enabled = &(bool){ true } }));
        rig_end(&tx);
        fleet_release(&answer);
        free(body);
        fleet_device_free(&d);
        mqtt_free(c);
    }
    fleet_check(&f);
    fleet_down(&f);
}

/* Whoever asked is gone by then, and so is what it asked for. */
static void claim_made_inactive_while_the_hook_runs_registers_nothing(void **state)
{
    struct fleet_rig f = { 0 };
    struct fleet_device d;
    struct mqtt *c;
    char *body, hex[PROV_ID_HEX + 1], line[160];
    size_t mark;
    int gate;

    (void)state;
    up(&f, "60000", FLEET_WAIT "echo '{\"allowProvisioning\":true}'");
    c = fleet_claim(&f, "blank");
    d = fleet_create(c, PROV_JSON, "pump");
    body = fleet_register_body(d.token, "1");
    fleet_send(c, &(struct fleet_ask){ PROV_REGISTER_THING, PROV_JSON, .body = body, .qos = 1 });
    gate = fleet_gate(&f);
    mark = broker_log_mark(f.rig.broker);
    rig_set_status(&f.rig, &f.claim, PROV_CERT_INACTIVE);
    expect_closed(c);
    (void)close(gate);
    prov_id_hex(&f.claim_id, hex);
    (void)snprintf(line, sizeof line, "detail=\"RegisterThing, template fleet, claim %s", hex);
    broker_expect_log(f.rig.broker, mark, line);
    rig_expect_attempt(&f.rig, &d.cert, PROV_REASON_CERT_INACTIVE);
    assert_false(rig_has_thing(&f.rig, "pump-1"));
    fleet_expect_status(&f, &d.id, PROV_CERT_PENDING_ACTIVATION);
    mqtt_free(c);
    free(body);
    fleet_device_free(&d);
    fleet_down(&f);
}

static void broker_that_stops_while_a_hook_runs_leaves_nothing_half_made(void **state)
{
    struct fleet_rig f = { 0 };
    struct fleet_device d;
    struct mqtt *c;
    char *body;

    (void)state;
    up(&f, "60000", FLEET_WAIT "echo '{\"allowProvisioning\":true}'");
    c = fleet_claim(&f, "blank");
    d = fleet_create(c, PROV_JSON, "pump");
    body = fleet_register_body(d.token, "1");
    fleet_send(c, &(struct fleet_ask){ PROV_REGISTER_THING, PROV_JSON, .body = body, .qos = 1 });
    (void)close(fleet_gate(&f)); /* it is there; whether it ends first does not matter */
    broker_stop(f.rig.broker);
    mqtt_free(c);
    rewrite(&f, "cat >/dev/null; echo '{\"allowProvisioning\":true}'");
    broker_restart(f.rig.broker, NULL);
    c = fleet_claim(&f, "blank");
    fleet_register(c, PROV_JSON, &d, "1");
    fleet_check(&f);
    mqtt_free(c);
    free(body);
    fleet_device_free(&d);
    fleet_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allow_list_hook_lets_in_what_is_on_the_list_and_nothing_else),
        cmocka_unit_test(hook_overrides_parameters_but_not_whose_certificate_it_is),
        cmocka_unit_test(hook_is_asked_with_the_fields_of_aws_iot),
        cmocka_unit_test(hook_that_fails_is_slow_or_talks_nonsense_refuses_and_leaves_nothing),
        cmocka_unit_test(what_changes_while_the_hook_runs_is_heeded),
        cmocka_unit_test(claim_made_inactive_while_the_hook_runs_registers_nothing),
        cmocka_unit_test(broker_that_stops_while_a_hook_runs_leaves_nothing_half_made),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
