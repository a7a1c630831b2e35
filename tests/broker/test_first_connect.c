/*
 * `first_connect accept`: a new device's very first connection succeeds. On Mosquitto 2.1 its
 * CONNECT waits for template, hook or activation, and nobody else does; 2.0 cannot answer later, so
 * there only a template is waited for, and everything else is dropped the first time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <poll.h>

#include <cmocka.h>

#include "support/deadline.h"
#include "support/first_rig.h"

/* ---- let in ---------------------------------------------------------------------------------- */

/* Every broker can: 2.1 waits for it, MQTT 5 and 2.0 in place. */
static void template_lets_the_first_connection_in(void **state)
{
    static const enum mqtt_version versions[] = { MQTT_V311, MQTT_V5 };
    struct first s;

    (void)state;
    first_up(&s, &(struct rig_spec){ 0 });
    for (size_t i = 0; i < PROV_COUNT(versions); i++) {
        char name[16];
        struct pki_cert device;
        struct rig_link link;
        struct mqtt *c;

        (void)snprintf(name, sizeof name, "dev-%zu", i);
        device = rig_device(&s.rig, name);
        link = rig_link(&s.rig, &device, name);
        link.options.version = versions[i];
        link.options.keepalive_s = 60;
        link.options.username = "ignored";
        c = first_start(&link);
        first_in(c);
        rig_expect_status(&s.rig, &device, PROV_CERT_ACTIVE);
        rig_expect_attempt(&s.rig, &device, PROV_REASON_PROVISIONED);
        assert_true(mqtt_subscribe(c, "others/#", 1) >= 0x80); /* and its policy holds */
        rig_set_status(&s.rig, &device, PROV_CERT_REVOKED);
        expect_closed(c);
        mqtt_free(c);
        pki_free(&device);
    }
    first_down(&s);
}

static void hook_lets_the_first_connection_in_and_nobody_waits_for_it(void **state)
{
    struct first s;
    struct pki_cert device;
    struct mqtt *c;

    (void)state;
    FIRST_NEEDS_DELAY;
    first_up(&s, &(struct rig_spec){ 0 });
    first_hook(&s, &s.rig.ca_id, "hook", ALLOW, true);
    device = rig_device(&s.rig, "dev-1");
    c = first_start_and_wait(&s, &device, "dev-1", "hook");
    for (unsigned i = 0; i < 20; i++)
        first_others_served(&s);
    mqtt_step(c);
    assert_int_equal(mqtt_report(c)->end, MQTT_END_NONE);
    assert_int_equal(mqtt_report(c)->connack, -1);
    first_gate_open(&s, "hook");
    first_in(c);
    rig_expect_status(&s.rig, &device, PROV_CERT_ACTIVE);
    assert_true(mqtt_ping(c));
    assert_int_equal(mqtt_subscribe(c, "others/#", 1), 0x80);
    mqtt_free(c);
    pki_free(&device);
    first_down(&s);
}

static void activate_by_control_api(struct first *s, const char *hex)
{
    operator_do(s->op, "{\"command\":\"attachPolicy\",\"policyName\":\"all\",\"target\":\"%s\"}",
                hex);
    operator_do(s->op,
                "{\"command\":\"updateCertificate\",\"certificateId\":\"%s\","
                "\"newStatus\":\"ACTIVE\"}",
                hex);
}

static void activation_while_the_connect_waits_lets_it_in(void **state)
{
    static void (*const activate[])(struct first * s, const char *hex) = { activate_by_control_api,
                                                                           first_activate };

    static const struct broker_opt opts[] = { { "first_connect_activation_s", "300" },
                                              { NULL, NULL } };

    (void)state;
    FIRST_NEEDS_DELAY;
    for (size_t i = 0; i < PROV_COUNT(activate); i++) {
        char hex[PROV_ID_HEX + 1];
        struct first s;
        struct pki_cert device;
        struct mqtt *c;

        first_up(&s, &(struct rig_spec){ .no_template = true, .opts = opts });
        device = rig_device(&s.rig, "dev-1");
        first_hex(&device, hex);
        c = first_start_device(&s, &device, "dev-1");
        first_pending(&s, &device, c);
        first_others_served(&s);
        mqtt_step(c);
        assert_int_equal(mqtt_report(c)->end, MQTT_END_NONE);
        activate[i](&s, hex);
        first_in(c);
        assert_int_equal(mqtt_subscribe(c, "anything", 1), 1);
        mqtt_free(c);
        pki_free(&device);
        first_down(&s);
    }
}

/* What a persistent session that waited is let in with: its state, and what was queued for it. */
static void persistent_session_that_waited_is_the_device_s_own(void **state)
{
    struct first s;
    struct pki_cert device;
    struct rig_link link;
    struct mqtt *c;

    (void)state;
    FIRST_NEEDS_DELAY;
    first_up(&s, &(struct rig_spec){ .no_template = true });
    first_hook(&s, &s.rig.ca_id, "hook", ACTIVATE, true);
    device = rig_device(&s.rig, "dev-1");
    link = rig_link(&s.rig, &device, "dev-1");
    link.options.keep_session = true;
    c = first_start(&link);
    first_gate_wait(&s, "hook", c);
    first_gate_open(&s, "hook");
    first_in(c);
    assert_int_equal(mqtt_subscribe(c, "plain/dev-1", 1), 1);
    assert_true(mqtt_goodbye(c));
    mqtt_free(c);
    assert_int_equal(mqtt_publish(s.op, &(struct mqtt_publish){ .topic = "plain/dev-1",
                                                                .payload = PROV_LIT("kept"),
                                                                .qos = 1 }),
                     0);
    c = first_start(&link);
    first_in(c);
    assert_true(mqtt_report(c)->session_present);
    expect_message(c, "plain/dev-1", "kept");
    mqtt_free(c);
    pki_free(&device);
    first_down(&s);
}

static void session_of_the_client_id_is_taken_over_only_when_the_one_that_waited_is_in(void **state)
{
    struct pki_cert device, old;
    struct mqtt *c, *before;
    struct first s;

    (void)state;
    FIRST_NEEDS_DELAY;
    first_up(&s, &(struct rig_spec){ 0 });
    old = rig_device(&s.rig, "dev-1");
    before = first_start_device(&s, &old, "dev-1");
    first_in(before);
    first_hook(&s, &s.rig.ca_id, "hook", ACTIVATE, true);
    device = rig_device(&s.rig, "dev-1");
    c = first_start_and_wait(&s, &device, "dev-1", "hook");
    assert_true(mqtt_ping(before));
    first_gate_open(&s, "hook");
    first_in(c);
    expect_closed(before);
    assert_true(mqtt_ping(c));
    mqtt_free(before);
    mqtt_free(c);
    pki_free(&old);
    pki_free(&device);
    first_down(&s);
}

#define MANY 200

/* Pumps all of them until each has its CONNACK. */
static void pump_until_in(struct mqtt *const *c, size_t n)
{
    const int64_t deadline = deadline_in(60000);
    struct pollfd p[MANY];
    size_t left = n;

    while (left != 0 && deadline_left(deadline) != 0) {
        left = 0;
        for (size_t i = 0; i < n; i++) {
            mqtt_step(c[i]);
            p[i] = (struct pollfd){ .fd = mqtt_fd(c[i]), .events = mqtt_wants(c[i]) };
            if (mqtt_report(c[i])->connack != 0 && mqtt_report(c[i])->end == MQTT_END_NONE)
                left++;
        }
        if (left != 0)
            (void)poll(p, n, deadline_left(deadline));
    }
}

static void two_hundred_wait_at_once_and_all_get_in(void **state)
{
    static const struct broker_opt opts[] = { { "hook_limit", "100" },
                                              { "hook_timeout_ms", "60000" },
                                              { NULL, NULL } };
    static struct pki_cert devices[MANY];
    static struct mqtt *c[MANY];
    struct first s;

    (void)state;
    FIRST_NEEDS_DELAY;
    first_up(&s, &(struct rig_spec){ .no_template = true, .opts = opts });
    first_hook(&s, &s.rig.ca_id, "hook", ACTIVATE, true);
    for (size_t i = 0; i < MANY; i++) {
        char name[16];

        (void)snprintf(name, sizeof name, "dev-%zu", i);
        devices[i] = rig_device(&s.rig, name);
        c[i] = first_start_device(&s, &devices[i], name);
        mqtt_step(c[i]);
    }
    first_gate_wait(&s, "hook", c[0]);
    for (unsigned i = 0; i < 20; i++)
        first_others_served(&s);
    first_gate_open(&s, "hook");
    pump_until_in(c, MANY);
    first_others_served(&s);
    for (size_t i = 0; i < MANY; i++) {
        first_in(c[i]);
        assert_true(mqtt_ping(c[i]));
        mqtt_free(c[i]);
        pki_free(&devices[i]);
    }
    first_down(&s);
}

/* ---- where a CONNECT cannot wait ------------------------------------------------------------- */

/* Mosquitto 2.0, and MQTT 5 on 2.1 (see can_wait in plugin/broker/adapter.c). */
static enum mqtt_version version_that_cannot_wait(void)
{
    return first_delays() ? MQTT_V5 : MQTT_V311;
}

static void hook_and_jitr_are_dropped_the_first_time_and_in_the_second(void **state)
{
    struct first s;

    (void)state;
    first_up(&s, &(struct rig_spec){ .no_template = true });
    for (unsigned i = 0; i < 2; i++) {
        char name[16], hex[PROV_ID_HEX + 1];
        struct pki_cert device;
        struct rig_link link;
        struct mqtt *c;

        (void)snprintf(name, sizeof name, "dev-%u", i);
        device = rig_device(&s.rig, name);
        first_hex(&device, hex);
        link = rig_link(&s.rig, &device, name);
        link.options.version = version_that_cannot_wait();
        if (i == 1)
            first_hook(&s, &s.rig.ca_id, "hook", ACTIVATE, false);
        first_refused(first_start(&link), -1);
        rig_expect_attempt(&s.rig, &device,
                           i == 1 ? PROV_REASON_PROVISIONED : PROV_REASON_CERT_PENDING);
        if (i == 0)
            first_activate(&s, hex);
        c = first_start(&link);
        first_in(c);
        mqtt_free(c);
        pki_free(&device);
    }
    first_down(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(template_lets_the_first_connection_in),
        cmocka_unit_test(hook_lets_the_first_connection_in_and_nobody_waits_for_it),
        cmocka_unit_test(activation_while_the_connect_waits_lets_it_in),
        cmocka_unit_test(persistent_session_that_waited_is_the_device_s_own),
        cmocka_unit_test(
            session_of_the_client_id_is_taken_over_only_when_the_one_that_waited_is_in),
        cmocka_unit_test(two_hundred_wait_at_once_and_all_get_in),
        cmocka_unit_test(hook_and_jitr_are_dropped_the_first_time_and_in_the_second),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
