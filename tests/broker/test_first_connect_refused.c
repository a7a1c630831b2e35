/*
 * `first_connect accept`: CONNECTs that wait and are not let in, and what may happen to them
 * meanwhile. All of it needs a broker that can answer later.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "support/first_rig.h"

/* ---- refused --------------------------------------------------------------------------------- */

static void connect_that_waited_is_refused_and_told_why(void **state)
{
    static const struct {
        const char *hook;
        const char *client_id;
        enum prov_reason reason;
    } rows[] = {
        { REJECT, "dev-0", PROV_REASON_HOOK_REJECTED },
        { "exit 3", "dev-1", PROV_REASON_HOOK_FAILED },
        { "exec sleep 60", "dev-2", PROV_REASON_HOOK_FAILED },
        { "echo nonsense", "dev-3", PROV_REASON_HOOK_FAILED },
        { "echo '{\"decision\":\"activate\",\"policyNames\":[\"none\"]}'", "dev-4",
          PROV_REASON_TEMPLATE_FAILED },
        { ALLOW, "another", PROV_REASON_CONNECT_DENIED }, /* by its policy */
        { LEAVE, "dev-6", PROV_REASON_CERT_PENDING },
    };
    static const struct broker_opt opts[] = { { "hook_timeout_ms", "300" },
                                              { "first_connect_activation_s", "0" },
                                              { NULL, NULL } };
    struct first s;

    (void)state;
    FIRST_NEEDS_DELAY;
    first_up(&s, &(struct rig_spec){ .opts = opts });
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        char name[16];
        struct pki_cert device;

        (void)snprintf(name, sizeof name, "dev-%zu", i);
        first_hook(&s, &s.rig.ca_id, name, rows[i].hook, false);
        device = rig_device(&s.rig, name);
        first_refused(first_start_device(&s, &device, rows[i].client_id), NOT_AUTHORISED);
        rig_expect_attempt(&s.rig, &device, rows[i].reason);
        first_others_served(&s);
        pki_free(&device);
    }
    first_down(&s);
}

static void template_that_fails_refuses_the_connect(void **state)
{
    struct first s;
    struct pki_cert device;

    (void)state;
    FIRST_NEEDS_DELAY;
    first_up(&s, &(struct rig_spec){ 0 });
    rig_create_template(
        &s.rig, "names-a-policy-that-is-not-there",
        "{\"Parameters\":{\"AWS::IoT::Certificate::Id\":{\"Type\":\"String\"}},\"Resources\":{"
        "\"certificate\":{\"Type\":\"AWS::IoT::Certificate\",\"Properties\":{"
        "\"CertificateId\":{\"Ref\":\"AWS::IoT::Certificate::Id\"},\"Status\":\"ACTIVE\"}},"
        "\"policy\":{\"Type\":\"AWS::IoT::Policy\",\"Properties\":{\"PolicyName\":\"none\"}}}}");
    rig_update_ca(&s.rig, &s.rig.ca_id, NULL, NULL, "names-a-policy-that-is-not-there");
    device = rig_device(&s.rig, "dev-1");
    first_refused(first_start_device(&s, &device, "dev-1"), NOT_AUTHORISED);
    rig_expect_attempt(&s.rig, &device, PROV_REASON_TEMPLATE_FAILED);
    pki_free(&device);
    first_down(&s);
}

static void certificate_that_nobody_activates_in_time_is_refused_and_gets_in_later(void **state)
{
    static const struct broker_opt opts[] = { { "first_connect_activation_s", "1" },
                                              { NULL, NULL } };
    char hex[PROV_ID_HEX + 1];
    struct first s;
    struct pki_cert device;
    struct mqtt *c;

    (void)state;
    FIRST_NEEDS_DELAY;
    first_up(&s, &(struct rig_spec){ .no_template = true, .opts = opts });
    device = rig_device(&s.rig, "dev-1");
    first_hex(&device, hex);
    first_refused(first_start_device(&s, &device, "dev-1"), NOT_AUTHORISED);
    rig_expect_attempt(&s.rig, &device, PROV_REASON_CERT_PENDING);
    rig_expect_status(&s.rig, &device, PROV_CERT_PENDING_ACTIVATION);
    first_activate(&s, hex);
    c = first_start_device(&s, &device, "dev-1");
    first_in(c);
    mqtt_free(c);
    pki_free(&device);
    first_down(&s);
}

static void refuse_for_good(struct first *s, const char *hex)
{
    first_provctl(s, (const char *const[]){ "cert", "update", hex, "--status", "REVOKED", NULL });
}

static void deactivate(struct first *s, const char *hex)
{
    first_provctl(s, (const char *const[]){ "cert", "update", hex, "--status", "INACTIVE", NULL });
}

static void erase(struct first *s, const char *hex)
{
    deactivate(s, hex);
    first_provctl(s, (const char *const[]){ "cert", "delete", hex, NULL });
}

/* Activated, but with a policy for others. */
static void activate_for_nothing(struct first *s, const char *hex)
{
    first_provctl(s, (const char *const[]){ "cert", "update", hex, "--status", "ACTIVE", NULL });
}

static void decision_against_a_certificate_refuses_its_connect_at_once(void **state)
{
    static const struct {
        void (*decide)(struct first *s, const char *hex);
        enum prov_reason reason;
    } rows[] = {
        { refuse_for_good, PROV_REASON_CERT_REVOKED },
        { deactivate, PROV_REASON_CERT_INACTIVE },
        { activate_for_nothing, PROV_REASON_CONNECT_DENIED },
        { erase, PROV_REASON_NONE }, /* whether it is seen between the two steps is open */
    };

    (void)state;
    FIRST_NEEDS_DELAY;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        char hex[PROV_ID_HEX + 1];
        struct first s;
        struct pki_cert device;
        struct mqtt *c;

        first_up(&s, &(struct rig_spec){ .no_template = true });
        device = rig_device(&s.rig, "dev-1");
        first_hex(&device, hex);
        c = first_start_device(&s, &device, "dev-1");
        first_pending(&s, &device, c);
        rows[i].decide(&s, hex);
        first_refused(c, NOT_AUTHORISED);
        if (rows[i].reason != PROV_REASON_NONE)
            rig_expect_attempt(&s.rig, &device, rows[i].reason);
        pki_free(&device);
        first_down(&s);
    }
}

/* Half of the queue is the most that one CA may have there; the others are told to come again. */
static void beyond_the_queue_a_connect_is_dropped_and_does_not_wait(void **state)
{
    static const struct broker_opt opts[] = { { "queue_limit", "16" },
                                              { "hook_timeout_ms", "60000" },
                                              { NULL, NULL } };
    struct pki_cert devices[12];
    char names[12][16];
    struct mqtt *c[12];
    struct first s;

    (void)state;
    FIRST_NEEDS_DELAY;
    first_up(&s, &(struct rig_spec){ .no_template = true, .opts = opts });
    first_hook(&s, &s.rig.ca_id, "hook", ACTIVATE, true);
    for (size_t i = 0; i < PROV_COUNT(c); i++) {
        const size_t mark = broker_log_mark(s.rig.broker);

        (void)snprintf(names[i], sizeof names[i], "dev-%zu", i);
        devices[i] = rig_device(&s.rig, names[i]);
        c[i] = first_start_device(&s, &devices[i], names[i]);
        if (i < 8) {
            while (!broker_log_has(s.rig.broker, mark, "first-contact attempt="))
                mqtt_step(c[i]);
            continue;
        }
        first_refused(c[i], -1);
        rig_expect_attempt(&s.rig, &devices[i], PROV_REASON_BUSY);
    }
    first_gate_open(&s, "hook");
    for (size_t i = 0; i < PROV_COUNT(c); i++) {
        if (i >= 8)
            c[i] = first_start_device(&s, &devices[i], names[i]);
        first_in(c[i]);
        mqtt_free(c[i]);
        pki_free(&devices[i]);
    }
    first_down(&s);
}

/* ---- what happens while it waits ------------------------------------------------------------- */

static void leave_by_closing(struct mqtt *c)
{
    mqtt_free(c);
}

static void leave_by_disconnect(struct mqtt *c)
{
    mqtt_submit_disconnect(c, 0);
    assert_true(mqtt_wait_end(c));
    mqtt_free(c);
}

/* Before it is let in nothing may be asked for. */
static void leave_by_asking(struct mqtt *c)
{
    (void)mqtt_submit_subscribe(c, "plain/#", 1);
    assert_true(mqtt_wait_end(c));
    mqtt_free(c);
}

static void device_that_goes_while_it_waits_leaves_nothing_behind(void **state)
{
    static void (*const leave[])(struct mqtt * c) = { leave_by_closing, leave_by_disconnect,
                                                      leave_by_asking };
    static const struct mqtt_will will = { .topic = "plain/will", .payload = PROV_LIT("boo") };
    struct mqtt *watcher;
    struct first s;

    (void)state;
    FIRST_NEEDS_DELAY;
    first_up(&s, &(struct rig_spec){ .no_template = true });
    watcher = operator_connect(&s.rig, "watcher");
    assert_int_equal(mqtt_subscribe(watcher, "$aws/events/presence/#", 1), 1);
    assert_int_equal(mqtt_subscribe(watcher, "plain/will", 1), 1);
    for (size_t i = 0; i < PROV_COUNT(leave); i++) {
        const size_t mark = broker_log_mark(s.rig.broker);
        char name[16];
        struct pki_cert device;
        struct rig_link link;
        struct mqtt *c;

        (void)snprintf(name, sizeof name, "dev-%zu", i);
        first_hook(&s, &s.rig.ca_id, name, ACTIVATE, true);
        device = rig_device(&s.rig, name);
        link = rig_link(&s.rig, &device, name);
        link.options.will = &will;
        link.options.keepalive_s = 60;
        c = first_start(&link);
        first_gate_wait(&s, name, c);
        leave[i](c);
        broker_expect_log(s.rig.broker, mark, "disconnected");
        first_gate_open(&s, name);
        rig_expect_attempt(&s.rig, &device, PROV_REASON_PROVISIONED);
        expect_silence(watcher, NULL); /* never in: no presence, and no Will */
        link.options.will = NULL;
        c = first_start(&link);
        first_in(c); /* what was begun for it was not lost */
        mqtt_message_free(mqtt_wait_message(watcher, NULL));
        assert_true(mqtt_goodbye(c));
        mqtt_message_free(mqtt_wait_message(watcher, NULL));
        mqtt_free(c);
        pki_free(&device);
    }
    mqtt_free(watcher);
    first_down(&s);
}

static void second_connect_of_the_client_id_is_refused_while_one_waits(void **state)
{
    struct pki_cert device, other;
    struct mqtt *c;
    struct first s;

    (void)state;
    FIRST_NEEDS_DELAY;
    first_up(&s, &(struct rig_spec){ .no_template = true });
    first_hook(&s, &s.rig.ca_id, "hook", ACTIVATE, true);
    device = rig_device(&s.rig, "dev-1");
    other = rig_device(&s.rig, "dev-2");
    c = first_start_and_wait(&s, &device, "dev-1", "hook");
    first_refused(first_start_device(&s, &device, "dev-1"), -1);
    first_refused(first_start_device(&s, &other, "dev-1"), -1);
    first_gate_open(&s, "hook");
    first_in(c);
    mqtt_free(c);
    pki_free(&device);
    pki_free(&other);
    first_down(&s);
}

/*
 * The broker is answered by client id: what is decided about a device that has gone must not let in
 * another one that waits under the same client id.
 */
static void decision_about_one_that_went_is_not_its_successor_s(void **state)
{
    struct pki_cert second_ca, first, second;
    struct prov_id second_id;
    struct mqtt *c;
    size_t mark;
    struct first s;

    (void)state;
    FIRST_NEEDS_DELAY;
    first_up(&s, &(struct rig_spec){ .no_template = true });
    second_ca = pki_make(&(struct pki_spec){ .subject = "/CN=Second CA", .ca = true });
    second_id = rig_register_ca(&s.rig, &second_ca, true, NULL);
    first_hook(&s, &s.rig.ca_id, "first", ACTIVATE, true);
    first_hook(&s, &second_id, "second", REJECT, true);
    first = rig_device(&s.rig, "dev-1");
    second = pki_make(&(struct pki_spec){ .subject = "/CN=dev-1", .issuer = &second_ca });
    mark = broker_log_mark(s.rig.broker);
    leave_by_closing(first_start_and_wait(&s, &first, "dev-1", "first"));
    broker_expect_log(s.rig.broker, mark, "disconnected");
    c = first_start_and_wait(&s, &second, "dev-1", "second");
    first_gate_open(&s, "first");
    rig_expect_attempt(&s.rig, &first, PROV_REASON_PROVISIONED);
    first_others_served(&s);
    mqtt_step(c);
    assert_int_equal(mqtt_report(c)->connack, -1);
    first_gate_open(&s, "second");
    first_refused(c, NOT_AUTHORISED);
    c = first_start_device(&s, &first, "dev-1");
    first_in(c);
    mqtt_free(c);
    pki_free(&first);
    pki_free(&second);
    pki_free(&second_ca);
    first_down(&s);
}

static void broker_stops_while_a_connect_waits(void **state)
{
    static const struct mqtt_will will = { .topic = "plain/will", .payload = PROV_LIT("boo") };
    struct pki_cert device, pending;
    struct rig_link link;
    struct mqtt *c, *d;
    struct first s;

    (void)state;
    FIRST_NEEDS_DELAY;
    first_up(&s, &(struct rig_spec){ .no_template = true });
    pending = rig_device(&s.rig, "dev-2");
    d = first_start_device(&s, &pending, "dev-2"); /* for its activation */
    first_pending(&s, &pending, d);
    first_hook(&s, &s.rig.ca_id, "hook", ACTIVATE, true);
    device = rig_device(&s.rig, "dev-1");
    link = rig_link(&s.rig, &device, "dev-1");
    link.options.will = &will;
    c = first_start(&link); /* for its hook */
    first_gate_wait(&s, "hook", c);
    broker_stop(s.rig.broker);
    first_refused(c, -1);
    first_refused(d, -1);
    first_gate_open(&s, "hook");
    broker_restart(s.rig.broker, NULL);
    c = first_start(&link);
    first_in(c);
    mqtt_free(c);
    mqtt_free(s.op);
    s.op = NULL;
    pki_free(&device);
    pki_free(&pending);
    first_down(&s);
}

static void reload_does_not_disturb_a_connect_that_waits(void **state)
{
    struct pki_cert device;
    struct mqtt *c;
    struct first s;

    (void)state;
    FIRST_NEEDS_DELAY;
    first_up(&s, &(struct rig_spec){ .no_template = true });
    first_hook(&s, &s.rig.ca_id, "hook", ACTIVATE, true);
    device = rig_device(&s.rig, "dev-1");
    c = first_start_and_wait(&s, &device, "dev-1", "hook");
    broker_reload(s.rig.broker, NULL);
    first_others_served(&s);
    first_gate_open(&s, "hook");
    first_in(c);
    assert_true(mqtt_ping(c));
    mqtt_free(c);
    pki_free(&device);
    first_down(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connect_that_waited_is_refused_and_told_why),
        cmocka_unit_test(template_that_fails_refuses_the_connect),
        cmocka_unit_test(certificate_that_nobody_activates_in_time_is_refused_and_gets_in_later),
        cmocka_unit_test(decision_against_a_certificate_refuses_its_connect_at_once),
        cmocka_unit_test(beyond_the_queue_a_connect_is_dropped_and_does_not_wait),
        cmocka_unit_test(device_that_goes_while_it_waits_leaves_nothing_behind),
        cmocka_unit_test(second_connect_of_the_client_id_is_refused_while_one_waits),
        cmocka_unit_test(decision_about_one_that_went_is_not_its_successor_s),
        cmocka_unit_test(broker_stops_while_a_connect_waits),
        cmocka_unit_test(reload_does_not_disturb_a_connect_that_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
