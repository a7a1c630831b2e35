/*
 * Websockets: provisioning by claim and by a trusted user's browser, listeners that ask for no
 * certificate, what is told of devices, and the transport itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sched.h>

#include <openssl/pem.h>

#include <cmocka.h>

#include "support/deadline.h"
#include "support/fleet_rig.h"
#include "support/operator.h"
#include "support/ws_rig.h"

/* ---- provisioning over websockets ------------------------------------------------------------ */

static void claim_provisions_over_a_websocket(void **state)
{
    struct fleet_rig f = { 0 };
    struct fleet_device d;
    struct rig_link link;
    struct mqtt *c;

    (void)state;
    rig_prepare(&f.rig, &ws_for_devices);
    fleet_fill(&f);
    rig_start(&f.rig);
    link = rig_ws_link(&f.rig, BROKER_WSS_CERT, &f.claim, "blank pump");
    c = ws_in(&link);
    d = fleet_create(c, PROV_JSON, "pump");
    fleet_register(c, PROV_JSON, &d, "77");
    mqtt_free(c);
    link = rig_ws_link(&f.rig, BROKER_WSS_CERT, &d.cert, "pump-77");
    c = ws_in(&link);
    assert_true(mqtt_ping(c));
    mqtt_free(c);
    fleet_device_free(&d);
    fleet_down(&f);
}

/* An installer's browser asks for a claim with a password; what it is given then provisions. */
static void trusted_user_gets_a_claim_in_the_browser(void **state)
{
    static const enum broker_ws kinds[] = { BROKER_WS, BROKER_WSS };
    struct fleet_rig f = { 0 };

    (void)state;
    operator_prepare(&f.rig, &ws_for_all);
    fleet_fill(&f);
    rig_start(&f.rig);
    for (size_t i = 0; i < PROV_COUNT(kinds); i++) {
        struct mqtt *guest = ws_user(&f.rig, kinds[i], "guest", "guest"), *op, *c;
        struct pki_cert claim = { 0 };
        struct fleet_device d;
        struct rig_link link;
        const cJSON *data;
        char serial[16];
        cJSON *one;

        ws_published(guest, "$CONTROL/provisioning/v1",
                     "{\"commands\":[{\"command\":\"createProvisioningClaim\","
                     "\"templateName\":\"fleet\"}]}");
        expect_silence(guest, NULL); /* has no right to ask */
        mqtt_free(guest);
        op = ws_user(&f.rig, kinds[i], "operator", "operator");
        one = operator_call(op, "{\"command\":\"createProvisioningClaim\",\"templateName\":"
                                "\"fleet\",\"keyType\":\"ec-p256\"}");
        data = cJSON_GetObjectItemCaseSensitive(one, "data");
        claim = operator_claim(data);
        cJSON_Delete(one);
        link = rig_ws_link(&f.rig, BROKER_WSS_CERT, &claim, "installer's phone");
        c = ws_in(&link);
        d = fleet_create(c, PROV_JSON, "pump");
        (void)snprintf(serial, sizeof serial, "8%zu", i);
        fleet_register(c, PROV_JSON, &d, serial);
        mqtt_free(c);
        mqtt_free(op);
        fleet_device_free(&d);
        pki_free(&claim);
    }
    fleet_down(&f);
}

/* ---- listeners that ask for no certificate --------------------------------------------------- */

static void others_have_what_the_broker_s_own_rules_give_and_no_more(void **state)
{
    static const enum broker_ws kinds[] = { BROKER_WS, BROKER_WSS };
    struct mqtt *op;
    struct rig rig;

    (void)state;
    operator_up(&rig, &ws_for_all);
    op = operator_connect(&rig, "operator");
    assert_int_equal(mqtt_subscribe(op, "plain/#", 1), 1);
    for (size_t i = 0; i < PROV_COUNT(kinds); i++) {
        struct mqtt *guest = ws_user(&rig, kinds[i], "guest", "guest");
        struct rig_link link;

        ws_published(guest, "plain/in", "hello");
        expect_message(op, "plain/in", "hello");
        assert_int_equal(mqtt_subscribe(guest, "plain/back", 1), 1);
        ws_published(op, "plain/back", "hello");
        expect_message(guest, "plain/back", "hello");
        mqtt_message_free(mqtt_take_message(op, "plain/back"));
        (void)mqtt_subscribe(guest, "$aws/events/#", 1);
        (void)mqtt_subscribe(guest, "cmd/dev-1/x", 1);
        ws_published(guest, "dt/dev-1/x", "forged"); /* taken, and goes nowhere */
        expect_silence(guest, NULL);
        mqtt_free(guest);
        link = rig_ws_link(&rig, kinds[i], NULL, "nobody");
        ws_refused(&link, 5); /* without a password */
        link.options.username = "guest";
        link.options.password = "wrong";
        ws_refused(&link, 5);
    }
    mqtt_free(op);
    rig_down(&rig);
}

/* It is not asked for there, so it is worth nothing. */
static void device_s_certificate_opens_no_listener_that_asks_for_none(void **state)
{
    static const enum broker_ws kinds[] = { BROKER_WS, BROKER_WSS };
    struct pki_cert device;
    struct rig rig;

    (void)state;
    operator_up(&rig, &ws_for_all);
    device = rig_device(&rig, "dev-1");
    ws_first_contact(&rig, &device, "dev-1");
    for (size_t i = 0; i < PROV_COUNT(kinds); i++) {
        struct rig_link link = rig_ws_link(&rig, kinds[i], &device, "dev-1");

        ws_refused(&link, 5);
    }
    pki_free(&device);
    rig_down(&rig);
}

/* The house's own clients, whom a cafile vouches for, beside the devices. */
static void certificates_that_the_cafile_trusts_are_others(void **state)
{
    const struct pki_cert house =
        pki_make(&(struct pki_spec){ .subject = "/CN=House CA", .ca = true });
    const X509 *const cafile[] = { house.x509, NULL };
    struct rig_spec spec = ws_for_devices;
    struct pki_cert backend, device;
    struct rig_link link;
    struct mqtt *c;
    struct rig rig;

    (void)state;
    spec.cafile = cafile;
    spec.lines = "allow_anonymous true\n";
    spec.opts = (const struct broker_opt[]){ { "other_clients", "allow" }, { NULL, NULL } };
    rig_up(&rig, &spec);
    backend = pki_make(&(struct pki_spec){ .subject = "/CN=backend", .issuer = &house });
    link = rig_ws_link(&rig, BROKER_WSS_CERT, &backend, "backend");
    c = ws_in(&link);
    assert_int_equal(mqtt_subscribe(c, "#", 1), 1);
    mqtt_free(c);
    device = rig_device(&rig, "dev-1");
    c = ws_join(&rig, &device, "dev-1");
    assert_true(mqtt_subscribe(c, "#", 1) >= 0x80);
    mqtt_free(c);
    pki_free(&device);
    pki_free(&backend);
    pki_free((struct pki_cert *)(uintptr_t)&house);
    rig_down(&rig);
}

/* ---- what is told of them -------------------------------------------------------------------- */

static void expect_presence(struct mqtt *watcher, const char *what, const char *reason)
{
    struct mqtt_message *m;
    char topic[64];

    (void)snprintf(topic, sizeof topic, "$aws/events/presence/%s/dev-1", what);
    m = mqtt_wait_message(watcher, topic);
    if (m == NULL)
        fail_msg("no event on %s", topic);
    if (reason != NULL && strstr((const char *)m->payload, reason) == NULL)
        fail_msg("not %s: %s", reason, (const char *)m->payload);
    mqtt_message_free(m);
}

static void presence_is_told_from_begin_to_end(void **state)
{
    struct pki_cert device;
    struct mqtt *watcher, *c;
    struct rig_link link;
    struct rig rig;

    (void)state;
    operator_up(&rig, &ws_for_all);
    device = rig_device(&rig, "dev-1");
    ws_first_contact(&rig, &device, "dev-1");
    watcher = ws_user(&rig, BROKER_WSS, "watcher", "watcher");
    assert_int_equal(mqtt_subscribe(watcher, "$aws/events/presence/#", 1), 1);
    link = rig_ws_link(&rig, BROKER_WSS_CERT, &device, "dev-1");
    c = ws_in(&link);
    expect_presence(watcher, "connected", "127.0.0.1");
    assert_true(mqtt_goodbye(c));
    mqtt_free(c);
    /* 2.0 has closed the socket by the time it tells that the client is gone */
    expect_presence(watcher, "disconnected",
                    broker_version() < BROKER_VERSION(2, 1, 0) ? "CONNECTION_LOST"
                                                               : "CLIENT_INITIATED_DISCONNECT");
    c = ws_in(&link);
    expect_presence(watcher, "connected", NULL);
    mqtt_free(c);
    expect_presence(watcher, "disconnected", "CONNECTION_LOST");
    c = ws_in(&link);
    expect_presence(watcher, "connected", NULL);
    rig_set_status(&rig, &device, PROV_CERT_INACTIVE);
    ws_end(c);
    expect_presence(watcher, "disconnected", "AUTH_ERROR");
    mqtt_free(c);
    mqtt_free(watcher);
    pki_free(&device);
    rig_down(&rig);
}

/* ---- the transport itself -------------------------------------------------------------------- */

/* As browsers and proxies may cut it. */
static void messages_in_pieces_arrive_whole(void **state)
{
    static const size_t fragments[] = { 0, 1, 7, 1000 };
    static char big[100001];
    struct pki_cert device;
    struct mqtt *op;
    struct rig rig;

    (void)state;
    memset(big, 'x', sizeof big - 1);
    operator_up(&rig, &ws_for_all);
    op = operator_connect(&rig, "operator");
    assert_int_equal(mqtt_subscribe(op, "plain/big", 1), 1);
    device = rig_device(&rig, "dev-1");
    ws_first_contact(&rig, &device, "dev-1");
    for (size_t i = 0; i < PROV_COUNT(fragments); i++) {
        const struct ws_options ws = { .fragment = fragments[i] };
        struct rig_link link = rig_ws_link(&rig, BROKER_WSS_CERT, &device, "dev-1");
        const size_t n = fragments[i] == 0 || fragments[i] == 1000 ? sizeof big - 1 : 300;
        struct mqtt *c, *guest;

        link.options.ws = &ws;
        c = ws_in(&link);
        assert_true(mqtt_ping(c));
        mqtt_free(c);
        link = rig_ws_link(&rig, BROKER_WS, NULL, "guest");
        link.options.ws = &ws;
        link.options.username = link.options.password = "guest";
        guest = ws_in(&link);
        assert_int_equal(mqtt_subscribe(guest, "plain/big", 1), 1);
        big[n] = '\0';
        ws_published(guest, "plain/big", big);
        expect_message(op, "plain/big", big);
        expect_message(guest, "plain/big", big);
        big[n] = n == sizeof big - 1 ? '\0' : 'x';
        mqtt_free(guest);
    }
    mqtt_free(op);
    pki_free(&device);
    rig_down(&rig);
}

static void pings_of_the_websocket_are_answered(void **state)
{
    struct pki_cert device;
    struct mqtt *c;
    struct rig rig;

    (void)state;
    rig_up(&rig, &ws_for_devices);
    device = rig_device(&rig, "dev-1");
    c = ws_join(&rig, &device, "dev-1");
    mqtt_submit_frame(c, WS_PING, PROV_LIT("there?"));
    for (int64_t deadline = deadline_in(0); mqtt_report(c)->ws_pongs == 0;) {
        assert_true(deadline_left(deadline) > 0 && mqtt_report(c)->end == MQTT_END_NONE);
        mqtt_step(c);
        (void)sched_yield();
    }
    assert_true(mqtt_ping(c));
    mqtt_free(c);
    pki_free(&device);
    rig_down(&rig);
}

/* What is no websocket gets nothing, and disturbs nobody. */
static void what_is_no_mqtt_websocket_is_turned_away(void **state)
{
    struct pki_cert device;
    struct rig_link link;
    struct mqtt *c, *d;
    struct rig rig;

    (void)state;
    rig_up(&rig, &ws_for_devices);
    device = rig_device(&rig, "dev-1");
    c = ws_join(&rig, &device, "dev-1");
    /* MQTT without HTTP */
    link = rig_ws_link(&rig, BROKER_WSS_CERT, &device, "dev-2");
    link.options.ws = NULL;
    d = ws_connect(&link);
    assert_true(mqtt_wait_end(d));
    assert_int_equal(mqtt_report(d)->connack, -1);
    mqtt_free(d);
    /* a websocket of another subprotocol, and of none */
    for (unsigned i = 0; i < 2; i++) {
        const struct ws_options odd = { .subprotocol = i == 0 ? "chat" : "" };

        link = rig_ws_link(&rig, BROKER_WSS_CERT, &device, "dev-2");
        link.options.ws = &odd;
        d = ws_connect(&link);
        assert_int_not_equal(mqtt_wait_connack(d), 0);
        mqtt_free(d);
    }
    /* a websocket whose first packet is no CONNECT */
    link = rig_ws_link(&rig, BROKER_WSS_CERT, &device, "dev-2");
    link.options.hold_connect = true;
    d = ws_connect(&link);
    mqtt_submit_ping(d);
    assert_true(mqtt_wait_end(d));
    mqtt_free(d);
    assert_true(mqtt_ping(c));
    mqtt_free(c);
    pki_free(&device);
    rig_down(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(claim_provisions_over_a_websocket),
        cmocka_unit_test(trusted_user_gets_a_claim_in_the_browser),
        cmocka_unit_test(others_have_what_the_broker_s_own_rules_give_and_no_more),
        cmocka_unit_test(device_s_certificate_opens_no_listener_that_asks_for_none),
        cmocka_unit_test(certificates_that_the_cafile_trusts_are_others),
        cmocka_unit_test(presence_is_told_from_begin_to_end),
        cmocka_unit_test(messages_in_pieces_arrive_whole),
        cmocka_unit_test(pings_of_the_websocket_are_answered),
        cmocka_unit_test(what_is_no_mqtt_websocket_is_turned_away),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
