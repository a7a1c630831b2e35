/* Just-in-time registration, end to end: recorded, announced, activated by somebody else or by a
 * hook. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/ident.h"
#include "core/json.h"
#include "support/deadline.h"
#include "support/operator.h"
#include "support/tmp.h"

static const struct rig_spec jitr = { .no_template = true };

static void hex_of(const struct pki_cert *device, char out[static PROV_ID_HEX + 1])
{
    struct prov_id id;

    assert_int_equal(prov_ident_id(device->x509, &id), PROV_OK);
    prov_id_hex(&id, out);
}

static char *events_topic(const struct rig *rig)
{
    static char topic[160];
    char ca[PROV_ID_HEX + 1];

    prov_id_hex(&rig->ca_id, ca);
    (void)snprintf(topic, sizeof topic, "$aws/events/certificates/registered/%s", ca);
    return topic;
}

static cJSON *next_event(struct mqtt *c, const char *topic)
{
    struct mqtt_message *m = mqtt_wait_message(c, topic);
    struct prov_err err = { 0 };
    cJSON *event = NULL;

    assert_non_null(m);
    assert_int_equal(m->qos, 1);
    assert_false(m->retain);
    assert_int_equal(prov_json_parse(prov_span(m->payload, m->n), 4096, &event, &err), PROV_OK);
    mqtt_message_free(m);
    return event;
}

static void allow_all(struct rig *rig)
{
    rig_create_policy(rig, "all",
                      "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\","
                      "\"Action\":\"iot:*\",\"Resource\":\"*\"}]}");
}

static void subscriber_activates_what_the_event_announces(void **state)
{
    struct rig rig;
    struct pki_cert device;
    struct rig_link link;
    struct mqtt *backend, *c;
    char hex[PROV_ID_HEX + 1], ca[PROV_ID_HEX + 1];
    cJSON *event;

    (void)state;
    operator_up(&rig, &jitr);
    allow_all(&rig);
    device = rig_device(&rig, "dev-1");
    hex_of(&device, hex);
    prov_id_hex(&rig.ca_id, ca);
    backend = operator_connect(&rig, "operator");
    assert_int_equal(mqtt_subscribe(backend, "$aws/events/#", 1), 1);

    rig_first_contact(&rig, &device, "dev-1");
    rig_expect_status(&rig, &device, PROV_CERT_PENDING_ACTIVATION);
    event = next_event(backend, events_topic(&rig));
    assert_string_equal(operator_text(event, "certificateId"), hex);
    assert_string_equal(operator_text(event, "caCertificateId"), ca);
    assert_string_equal(operator_text(event, "certificateStatus"), "PENDING_ACTIVATION");
    assert_string_equal(operator_text(event, "awsAccountId"), "000000000000");
    assert_true(
        cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(event, "certificateRegistrationTimestamp")));
    cJSON_Delete(event);

    operator_do(backend, "{\"command\":\"attachPolicy\",\"policyName\":\"all\",\"target\":\"%s\"}",
                hex);
    operator_do(backend,
                "{\"command\":\"updateCertificate\",\"certificateId\":\"%s\","
                "\"newStatus\":\"ACTIVE\"}",
                hex);
    link = rig_link(&rig, &device, "dev-1");
    link.options.tls = &link.tls;
    c = expect_connected(&link.options);
    mqtt_free(c);
    mqtt_free(backend);
    pki_free(&device);
    rig_down(&rig);
}

static void event_repeats_while_the_certificate_stays_pending_and_ends_with_it(void **state)
{
    struct rig rig;
    struct pki_cert device;
    struct rig_link link;
    struct mqtt *watcher;
    cJSON *event;

    (void)state;
    operator_up(&rig, &jitr);
    device = rig_device(&rig, "dev-1");
    watcher = operator_connect(&rig, "watcher");
    assert_int_equal(mqtt_subscribe(watcher, "$aws/events/certificates/#", 1), 1);
    for (unsigned i = 0; i < 3; i++) {
        rig_first_contact(&rig, &device, "dev-1");
        event = next_event(watcher, events_topic(&rig));
        if (i > 0)
            assert_true(strtoll(operator_text(event, "certificateRegistrationTimestamp"), NULL,
                                10) > 1700000000000);
        cJSON_Delete(event);
    }
    rig_expect_attempt(&rig, &device, PROV_REASON_CERT_PENDING);
    rig_set_status(&rig, &device, PROV_CERT_INACTIVE);
    link = rig_link(&rig, &device, "dev-1");
    link.options.tls = &link.tls;
    expect_alert(&link.options, SSL_AD_BAD_CERTIFICATE);
    expect_silence(watcher, events_topic(&rig));
    mqtt_free(watcher);
    pki_free(&device);
    rig_down(&rig);
}

static void event_reaches_no_client_without_the_right_and_is_not_kept(void **state)
{
    struct rig rig;
    struct pki_cert device, reader;
    struct mqtt *guest, *late, *c;

    (void)state;
    operator_up(&rig, &(struct rig_spec){ 0 });
    reader = rig_device(&rig, "reader");
    c = rig_join(&rig, &reader, "reader"); /* whose policy does not name $aws/events */
    (void)mqtt_subscribe(c, "$aws/events/#", 1);
    guest = operator_connect(&rig, "guest");
    (void)mqtt_subscribe(guest, "$aws/events/#", 1);
    rig_update_ca(&rig, &rig.ca_id, NULL, NULL, "");
    device = rig_device(&rig, "dev-1");
    rig_first_contact(&rig, &device, "dev-1");
    late = operator_connect(&rig, "watcher");
    assert_int_equal(mqtt_subscribe(late, "$aws/events/certificates/#", 1), 1);
    expect_silence(guest, NULL);
    expect_silence(c, NULL);
    expect_silence(late, NULL);
    mqtt_free(c);
    mqtt_free(guest);
    mqtt_free(late);
    pki_free(&device);
    pki_free(&reader);
    rig_down(&rig);
}

static void provisioned_devices_are_not_announced(void **state)
{
    struct rig rig;
    struct pki_cert device;
    struct mqtt *watcher;

    (void)state;
    operator_up(&rig, &(struct rig_spec){ 0 });
    watcher = operator_connect(&rig, "watcher");
    assert_int_equal(mqtt_subscribe(watcher, "$aws/events/certificates/#", 1), 1);
    device = rig_device(&rig, "dev-1");
    rig_first_contact(&rig, &device, "dev-1");
    rig_expect_status(&rig, &device, PROV_CERT_ACTIVE);
    expect_silence(watcher, NULL);
    mqtt_free(watcher);
    pki_free(&device);
    rig_down(&rig);
}

/* ---- hooks ----------------------------------------------------------------------------------- */

/* Options and paths outlive the broker. */
static char hook_dir[TMP_PATH_MAX], hook_spec[TMP_PATH_MAX + 8];

static void set_hook(struct rig *rig, const char *spec)
{
    const struct prov_span hook = prov_span_str(spec);
    struct prov_tx tx = rig_begin(rig, PROV_TXN_WRITE);

    rig_ok(&tx, prov_ca_update(&tx, &rig->ca_id, &(struct prov_ca_change){ .hook = &hook }));
    rig_end(&tx);
}

/* A hook that is this shell script. */
static void write_hook(struct rig *rig, const char *script)
{
    char path[TMP_PATH_MAX];
    FILE *file;

    assert_true(snprintf(path, sizeof path, "%s/hook", hook_dir) > 0);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fprintf(file, "#!/bin/sh\n%s\n", script) > 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0755), 0);
    (void)snprintf(hook_spec, sizeof hook_spec, "exec:%s", path);
    set_hook(rig, hook_spec);
}

static void up_with_hooks_that_take(struct rig *rig, const struct rig_spec *spec,
                                    const char *timeout_ms)
{
    operator_prepare(rig, spec);
    (void)tmp_path(rig->dir, "hooks", hook_dir);
    assert_int_equal(mkdir(hook_dir, 0755), 0);
    rig_add_opt(rig, "hook_dir", hook_dir);
    rig_add_opt(rig, "hook_timeout_ms", timeout_ms);
    rig_start(rig);
    allow_all(rig);
}

static void up_with_hooks(struct rig *rig, const struct rig_spec *spec)
{
    up_with_hooks_that_take(rig, spec, "2000");
}

static void hook_activates_with_the_thing_and_policies_it_names(void **state)
{
    struct rig rig;
    struct pki_cert device;
    struct mqtt *c;

    (void)state;
    up_with_hooks(&rig, &jitr);
    write_hook(&rig, "cat > /dev/null; echo '{\"decision\":\"activate\",\"thingName\":\"dev-1\","
                     "\"policyNames\":[\"all\"]}'");
    device = rig_device(&rig, "dev-1");
    c = rig_join(&rig, &device, "dev-1");
    rig_expect_status(&rig, &device, PROV_CERT_ACTIVE);
    assert_true(rig_has_thing(&rig, "dev-1"));
    rig_expect_attempt(&rig, &device, PROV_REASON_PROVISIONED);
    mqtt_free(c);
    pki_free(&device);
    rig_down(&rig);
}

static void hook_overrides_parameters_of_the_ca_s_template(void **state)
{
    struct rig rig;
    struct pki_cert device;
    struct mqtt *c;

    (void)state;
    up_with_hooks(&rig, &(struct rig_spec){ 0 });
    write_hook(&rig, "cat > /dev/null; echo '{\"allowProvisioning\":true,\"parameterOverrides\":"
                     "{\"AWS::IoT::Certificate::CommonName\":\"other\"}}'");
    device = rig_device(&rig, "dev-1");
    c = rig_join(&rig, &device, "other");
    assert_true(rig_has_thing(&rig, "other"));
    assert_false(rig_has_thing(&rig, "dev-1"));
    mqtt_free(c);
    pki_free(&device);
    rig_down(&rig);
}

static void hook_s_decisions_and_failures_cost_their_own_device_alone(void **state)
{
    static const struct {
        const char *script;
        enum prov_reason reason;
        enum prov_cert_status status;
        const char *explained;
    } rows[] = {
        { "cat >/dev/null; echo '{\"decision\":\"leave\",\"message\":\"not on the list\"}'",
          PROV_REASON_CERT_PENDING, PROV_CERT_PENDING_ACTIVATION, "not on the list" },
        { "cat >/dev/null; echo '{\"decision\":\"reject\",\"message\":\"stolen\"}'",
          PROV_REASON_HOOK_REJECTED, PROV_CERT_INACTIVE, "stolen" },
        { "echo 'no database' >&2; exit 3", PROV_REASON_HOOK_FAILED, PROV_CERT_PENDING_ACTIVATION,
          "no database" },
        { "kill -SEGV $$", PROV_REASON_HOOK_FAILED, PROV_CERT_PENDING_ACTIVATION, "signal" },
        { "exec sleep 60", PROV_REASON_HOOK_FAILED, PROV_CERT_PENDING_ACTIVATION, "timeout" },
        { "exec yes", PROV_REASON_HOOK_FAILED, PROV_CERT_PENDING_ACTIVATION, "too-large" },
        { "echo nonsense", PROV_REASON_HOOK_FAILED, PROV_CERT_PENDING_ACTIVATION, "" },
        { "cat >/dev/null; echo '{\"decision\":\"activate\",\"templateName\":\"none\"}'",
          PROV_REASON_TEMPLATE_MISSING, PROV_CERT_PENDING_ACTIVATION, "none" },
        { "cat >/dev/null; echo '{\"decision\":\"activate\",\"policyNames\":[\"none\"]}'",
          PROV_REASON_TEMPLATE_FAILED, PROV_CERT_PENDING_ACTIVATION, "none" },
    };
    struct rig rig;
    struct mqtt *bystander;

    (void)state;
    up_with_hooks(&rig, &jitr);
    bystander = operator_connect(&rig, "guest");
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        char name[16];
        struct pki_cert device;

        (void)snprintf(name, sizeof name, "dev-%zu", i);
        write_hook(&rig, rows[i].script);
        device = rig_device(&rig, name);
        rig_first_contact(&rig, &device, name);
        rig_expect_status(&rig, &device, rows[i].status);
        rig_expect_attempt(&rig, &device, rows[i].reason);
        rig_expect_explained(&rig, &device, rows[i].explained);
        assert_true(mqtt_ping(bystander));
        pki_free(&device);
    }
    mqtt_free(bystander);
    rig_down(&rig);
}

static void hook_that_leaves_has_its_device_announced(void **state)
{
    struct rig rig;
    struct pki_cert device;
    struct mqtt *watcher;

    (void)state;
    up_with_hooks(&rig, &jitr);
    write_hook(&rig, "cat >/dev/null; echo '{\"decision\":\"leave\"}'");
    watcher = operator_connect(&rig, "watcher");
    assert_int_equal(mqtt_subscribe(watcher, "$aws/events/certificates/#", 1), 1);
    device = rig_device(&rig, "dev-1");
    rig_first_contact(&rig, &device, "dev-1");
    cJSON_Delete(next_event(watcher, events_topic(&rig)));
    mqtt_free(watcher);
    pki_free(&device);
    rig_down(&rig);
}

static void program_outside_hook_dir_is_not_run(void **state)
{
    struct rig rig;
    struct pki_cert device;

    (void)state;
    up_with_hooks(&rig, &jitr);
    set_hook(&rig, "exec:/bin/true");
    device = rig_device(&rig, "dev-1");
    rig_first_contact(&rig, &device, "dev-1");
    rig_expect_attempt(&rig, &device, PROV_REASON_HOOK_FAILED);
    rig_expect_explained(&rig, &device, "not-started");
    pki_free(&device);
    rig_down(&rig);
}

/* Waits until the hook has made this file. */
static void expect_file(const char *path)
{
    const int64_t deadline = deadline_in(0);

    while (access(path, F_OK) != 0) {
        assert_true(deadline_left(deadline) > 0);
        (void)sched_yield();
    }
}

static void make_file(const char *path)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
}

static void certificate_activated_while_its_hook_runs_stays_active(void **state)
{
    struct rig rig;
    struct pki_cert device;
    char asked[TMP_PATH_MAX], go[TMP_PATH_MAX], script[2 * TMP_PATH_MAX + 200];
    struct rig_link link;

    (void)state;
    up_with_hooks(&rig, &jitr);
    (void)tmp_path(rig.dir, "asked", asked);
    (void)tmp_path(rig.dir, "go", go);
    (void)snprintf(script, sizeof script,
                   "cat >/dev/null; : >%s; until [ -e %s ]; do sleep 0.01; done; "
                   "echo '{\"decision\":\"reject\"}'",
                   asked, go);
    write_hook(&rig, script);
    device = rig_device(&rig, "dev-1");
    link = rig_link(&rig, &device, "dev-1");
    link.options.tls = &link.tls;
    expect_dropped(&link.options);
    expect_file(asked);
    rig_expect_status(&rig, &device, PROV_CERT_PENDING_ACTIVATION);
    rig_set_status(&rig, &device, PROV_CERT_ACTIVE);
    make_file(go);
    rig_expect_attempt(&rig, &device, PROV_REASON_PROVISIONED);
    rig_expect_status(&rig, &device, PROV_CERT_ACTIVE);
    pki_free(&device);
    rig_down(&rig);
}

/* Each first contact that waits for its hook is under way, and half of the queue is the most that
 * one CA may have there. */
static void ca_whose_hook_hangs_leaves_half_of_the_queue_to_others(void **state)
{
    static const struct broker_opt opts[] = { { "queue_limit", "16" }, { NULL, NULL } };
    struct pki_cert other_ca, device, other;
    char go[TMP_PATH_MAX], script[TMP_PATH_MAX + 200];
    unsigned started = 0, busy = 0;
    struct rig rig;
    struct mqtt *c;

    (void)state;
    up_with_hooks_that_take(&rig, &(struct rig_spec){ .opts = opts }, "60000");
    (void)tmp_path(rig.dir, "go", go);
    (void)snprintf(script, sizeof script,
                   "until [ -e %s ]; do sleep 0.05; done; echo '{\"decision\":\"leave\"}'", go);
    write_hook(&rig, script);
    other_ca = pki_make(&(struct pki_spec){ .subject = "/CN=Other CA", .ca = true });
    (void)rig_register_ca(&rig, &other_ca, true, "by-cn");
    for (unsigned i = 0; i < 12; i++) {
        const size_t mark = broker_log_mark(rig.broker);
        struct rig_link link;
        char name[16];

        (void)snprintf(name, sizeof name, "dev-%u", i);
        device = rig_device(&rig, name);
        link = rig_link(&rig, &device, name);
        link.options.tls = &link.tls;
        expect_dropped(&link.options);
        started += broker_log_has(rig.broker, mark, "first-contact attempt=");
        busy += broker_log_has(rig.broker, mark, "reason=busy");
        pki_free(&device);
    }
    assert_int_equal(started, 8);
    assert_int_equal(busy, 4);
    other = pki_make(&(struct pki_spec){ .subject = "/CN=other", .issuer = &other_ca });
    c = rig_join(&rig, &other, "other");
    make_file(go);
    mqtt_free(c);
    pki_free(&other);
    pki_free(&other_ca);
    rig_down(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(subscriber_activates_what_the_event_announces),
        cmocka_unit_test(event_repeats_while_the_certificate_stays_pending_and_ends_with_it),
        cmocka_unit_test(event_reaches_no_client_without_the_right_and_is_not_kept),
        cmocka_unit_test(provisioned_devices_are_not_announced),
        cmocka_unit_test(hook_activates_with_the_thing_and_policies_it_names),
        cmocka_unit_test(hook_overrides_parameters_of_the_ca_s_template),
        cmocka_unit_test(hook_s_decisions_and_failures_cost_their_own_device_alone),
        cmocka_unit_test(hook_that_leaves_has_its_device_announced),
        cmocka_unit_test(program_outside_hook_dir_is_not_run),
        cmocka_unit_test(certificate_activated_while_its_hook_runs_stays_active),
        cmocka_unit_test(ca_whose_hook_hangs_leaves_half_of_the_queue_to_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
