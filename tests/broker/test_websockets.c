/*
 * Devices over websockets with TLS and a certificate are devices like any other; clients of a
 * websockets listener that asks for no certificates are others' business. 2.0 serves websockets by
 * libwebsockets, which makes its own TLS contexts, 2.1 by itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <poll.h>

#include <cmocka.h>

#include "support/deadline.h"
#include "support/operator.h"
#include "support/ws_rig.h"

#define DAY 86400

static const int tls_versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

/* ---- devices --------------------------------------------------------------------------------- */

static void device_joins_and_has_its_policy_s_rights_and_no_others(void **state)
{
    struct mqtt *op;
    struct rig rig;

    (void)state;
    operator_up(&rig, &ws_for_devices);
    op = operator_connect(&rig, "operator");
    for (size_t i = 0; i < PROV_COUNT(tls_versions); i++) {
        for (unsigned version = MQTT_V311; version <= MQTT_V5; version++) {
            char name[16], topic[32];
            struct pki_cert device;
            struct rig_link link;
            struct mqtt *c;

            (void)snprintf(name, sizeof name, "dev-%zu-%u", i, version);
            device = rig_device(&rig, name);
            ws_first_contact(&rig, &device, name);
            link = rig_ws_link(&rig, BROKER_WSS_CERT, &device, name);
            link.tls.version = tls_versions[i];
            link.options.version = (enum mqtt_version)version;
            link.options.username = "somebody"; /* changes nothing */
            c = ws_in(&link);
            assert_int_equal(mqtt_report(c)->tls_version, tls_versions[i]);
            (void)snprintf(topic, sizeof topic, "cmd/%s/x", name);
            assert_int_equal(mqtt_subscribe(c, topic, 1), 1);
            assert_true(mqtt_subscribe(c, "cmd/+/x", 1) >= 0x80);
            assert_true(mqtt_subscribe(c, "#", 1) >= 0x80);
            expect_silence(c, NULL);
            rig_set_status(&rig, &device, PROV_CERT_REVOKED);
            ws_end(c);
            mqtt_free(c);
            pki_free(&device);
        }
    }
    mqtt_free(op);
    rig_down(&rig);
}

/* Through one broker, from an ordinary connection to a websocket and back. */
static void device_over_a_websocket_talks_with_one_without(void **state)
{
    struct pki_cert device, other;
    struct rig_link link;
    struct mqtt *c, *d;
    struct rig rig;

    (void)state;
    rig_up(&rig, &ws_for_devices);
    device = rig_device(&rig, "dev-1");
    other = rig_device(&rig, "dev-2");
    ws_first_contact(&rig, &device, "dev-1");
    ws_first_contact(&rig, &other, "dev-2");
    ws_allow_all(&rig, &device);
    ws_allow_all(&rig, &other);
    link = rig_ws_link(&rig, BROKER_WSS_CERT, &device, "dev-1");
    c = ws_in(&link);
    link = rig_link(&rig, &other, "dev-2");
    d = ws_in(&link);
    assert_int_equal(mqtt_subscribe(c, "to/dev-1", 1), 1);
    assert_int_equal(mqtt_subscribe(d, "to/dev-2", 1), 1);
    ws_published(c, "to/dev-2", "over");
    expect_message(d, "to/dev-2", "over");
    ws_published(d, "to/dev-1", "back");
    expect_message(c, "to/dev-1", "back");
    mqtt_free(c);
    mqtt_free(d);
    pki_free(&device);
    pki_free(&other);
    rig_down(&rig);
}

static void bad_certificates_are_refused_in_the_handshake(void **state)
{
    enum { OF_CA, OF_IMPOSTOR, OF_STRANGER };
    static const struct {
        struct pki_spec spec;
        unsigned issuer;
        int alert;
        enum prov_reason reason;
    } rows[] = {
        { { 0 }, OF_STRANGER, SSL_AD_UNKNOWN_CA, PROV_REASON_UNKNOWN_ISSUER },
        { { 0 }, OF_IMPOSTOR, SSL_AD_UNKNOWN_CA, PROV_REASON_ISSUER_KEY },
        { { .not_before_s = -2 * DAY, .not_after_s = -DAY },
          OF_CA,
          SSL_AD_CERTIFICATE_EXPIRED,
          PROV_REASON_EXPIRED },
        { { .ca = true }, OF_CA, SSL_AD_UNSUPPORTED_CERTIFICATE, PROV_REASON_LEAF_IS_CA },
        { { .key = PKI_RSA_1024 }, OF_CA, SSL_AD_BAD_CERTIFICATE, PROV_REASON_KEY_WEAK },
    };
    struct pki_cert issuers[3];
    struct rig rig;

    (void)state;
    rig_up(&rig, &ws_for_devices);
    issuers[OF_CA] = rig.ca;
    issuers[OF_IMPOSTOR] = pki_impostor(&rig.ca);
    issuers[OF_STRANGER] = pki_make(&(struct pki_spec){ .subject = "/CN=Stranger", .ca = true });
    for (size_t i = 0; i < PROV_COUNT(rows) * PROV_COUNT(tls_versions); i++) {
        const size_t row = i / PROV_COUNT(tls_versions);
        struct pki_spec spec = rows[row].spec;
        struct pki_cert device;
        struct rig_link link;

        spec.subject = "/CN=dev-1";
        spec.issuer = &issuers[rows[row].issuer];
        device = pki_make(&spec);
        link = rig_ws_link(&rig, BROKER_WSS_CERT, &device, "dev-1");
        link.tls.version = tls_versions[i % PROV_COUNT(tls_versions)];
        ws_alerted(&link, rows[row].alert);
        rig_expect_attempt(&rig, &device, rows[row].reason);
        pki_free(&device);
    }
    pki_free(&issuers[OF_IMPOSTOR]);
    pki_free(&issuers[OF_STRANGER]);
    rig_down(&rig);
}

static void who_shows_no_certificate_gets_nowhere_where_one_is_required(void **state)
{
    static const int alerts[] = { SSL_AD_HANDSHAKE_FAILURE, SSL_AD_CERTIFICATE_REQUIRED };
    struct rig rig;

    (void)state;
    rig_up(&rig, &ws_for_devices);
    for (size_t i = 0; i < PROV_COUNT(tls_versions); i++) {
        struct rig_link link = rig_ws_link(&rig, BROKER_WSS_CERT, NULL, "dev-1");

        link.tls.version = tls_versions[i];
        ws_alerted(&link, alerts[i]);
    }
    rig_down(&rig);
}

static void revocation_ends_the_connection_and_refuses_the_next(void **state)
{
    struct pki_cert device;
    struct rig_link link;
    struct mqtt *c;
    struct rig rig;

    (void)state;
    rig_up(&rig, &ws_for_devices);
    device = rig_device(&rig, "dev-1");
    c = ws_join(&rig, &device, "dev-1");
    rig_set_status(&rig, &device, PROV_CERT_INACTIVE);
    ws_end(c);
    mqtt_free(c);
    link = rig_ws_link(&rig, BROKER_WSS_CERT, &device, "dev-1");
    ws_alerted(&link, SSL_AD_BAD_CERTIFICATE);
    rig_set_status(&rig, &device, PROV_CERT_ACTIVE);
    c = ws_in(&link);
    rig_set_status(&rig, &device, PROV_CERT_REVOKED);
    ws_end(c);
    mqtt_free(c);
    ws_alerted(&link, SSL_AD_CERTIFICATE_REVOKED);
    pki_free(&device);
    rig_down(&rig);
}

/* On 2.0 the connection that gives way is closed later than an ordinary one. */
static void client_id_is_taken_over_in_both_directions(void **state)
{
    struct rig_link plain, ws;
    struct pki_cert device;
    struct mqtt *c, *d;
    struct rig rig;

    (void)state;
    rig_up(&rig, &ws_for_devices);
    device = rig_device(&rig, "dev-1");
    c = ws_join(&rig, &device, "dev-1");
    plain = rig_link(&rig, &device, "dev-1");
    ws = rig_ws_link(&rig, BROKER_WSS_CERT, &device, "dev-1");
    for (unsigned i = 0; i < 4; i++) {
        d = ws_in(i % 2 == 0 ? &plain : &ws);
        ws_end(c);
        mqtt_free(c);
        assert_true(mqtt_ping(d));
        assert_int_equal(mqtt_subscribe(d, "cmd/dev-1/x", 1), 1);
        c = d;
    }
    mqtt_free(c);
    pki_free(&device);
    rig_down(&rig);
}

static void persistent_session_is_kept_for_its_device(void **state)
{
    struct pki_cert device, thief;
    struct rig_link link, theft;
    struct mqtt *c, *op;
    struct rig rig;

    (void)state;
    operator_up(&rig, &ws_for_devices);
    op = operator_connect(&rig, "operator");
    device = rig_device(&rig, "dev-1");
    ws_first_contact(&rig, &device, "dev-1");
    ws_allow_all(&rig, &device);
    link = rig_ws_link(&rig, BROKER_WSS_CERT, &device, "dev-1");
    link.options.keep_session = true;
    c = ws_in(&link);
    assert_int_equal(mqtt_subscribe(c, "plain/dev-1", 1), 1);
    assert_true(mqtt_goodbye(c));
    mqtt_free(c);
    ws_published(op, "plain/dev-1", "kept");

    thief = rig_device(&rig, "thief");
    ws_first_contact(&rig, &thief, "thief");
    theft = rig_ws_link(&rig, BROKER_WSS_CERT, &thief, "dev-1");
    theft.options.keep_session = true;
    ws_refused(&theft, 5);
    c = ws_in(&link);

    expect_message(c, "plain/dev-1", "kept");
    mqtt_free(c);
    mqtt_free(op);
    pki_free(&device);
    pki_free(&thief);
    rig_down(&rig);
}

static SSL_SESSION *session_of(struct rig_link *link)
{
    SSL_SESSION *session;
    struct mqtt *c = ws_in(link);

    assert_true(mqtt_ping(c)); /* with TLS 1.3 the ticket comes after the handshake */
    session = mqtt_session(c);
    mqtt_free(c);
    return session;
}

static void sessions_are_resumed_only_if_asked_for_and_only_by_who_may_come_in(void **state)
{
    static const struct broker_opt on[] = { { "session_resumption", "on" }, { NULL, NULL } };

    (void)state;
    for (size_t i = 0; i < 2 * PROV_COUNT(tls_versions); i++) {
        const bool resumption = i >= PROV_COUNT(tls_versions);
        struct rig_spec spec = ws_for_devices;
        struct pki_cert device;
        struct rig_link link;
        struct mqtt *c;
        struct rig rig;

        spec.opts = resumption ? on : NULL;
        rig_up(&rig, &spec);
        device = rig_device(&rig, "dev-1");
        ws_first_contact(&rig, &device, "dev-1");
        link = rig_ws_link(&rig, BROKER_WSS_CERT, &device, "dev-1");
        link.tls.version = tls_versions[i % PROV_COUNT(tls_versions)];
        link.tls.resume = session_of(&link);
        assert_int_equal(link.tls.resume != NULL, resumption);
        c = ws_in(&link);
        assert_int_equal(mqtt_report(c)->resumed, resumption);
        assert_true(mqtt_subscribe(c, "#", 1) >= 0x80);
        rig_set_status(&rig, &device, PROV_CERT_REVOKED);
        ws_end(c);
        mqtt_free(c);
        c = ws_connect(&link);
        assert_int_not_equal(mqtt_wait_connack(c), 0);
        mqtt_free(c);
        SSL_SESSION_free((SSL_SESSION *)link.tls.resume);
        pki_free(&device);
        rig_down(&rig);
    }
}

static void reload_and_restart_leave_devices_where_they_were(void **state)
{
    struct pki_cert device;
    struct rig_link link;
    struct mqtt *c;
    struct rig rig;

    (void)state;
    rig_up(&rig, &ws_for_devices);
    device = rig_device(&rig, "dev-1");
    c = ws_join(&rig, &device, "dev-1");
    broker_reload(rig.broker, NULL);
    assert_true(mqtt_ping(c));
    assert_int_equal(mqtt_subscribe(c, "cmd/dev-1/x", 1), 1);
    broker_stop(rig.broker);
    assert_true(mqtt_wait_end(c));
    mqtt_free(c);
    broker_restart(rig.broker, NULL);
    link = rig_ws_link(&rig, BROKER_WSS_CERT, &device, "dev-1");
    c = ws_in(&link);
    mqtt_free(c);
    pki_free(&device);
    rig_down(&rig);
}

#define MANY 60

static void many_devices_at_once_are_all_taken_in(void **state)
{
    static struct pki_cert devices[MANY];
    static struct mqtt *c[MANY];
    struct pollfd p[MANY];
    int64_t deadline;
    size_t left = MANY;
    struct rig rig;

    (void)state;
    rig_up(&rig, &ws_for_devices);
    for (size_t round = 0; round < 2; round++) { /* dropped, and in */
        for (size_t i = 0; i < MANY; i++) {
            char name[16];
            struct rig_link link;

            (void)snprintf(name, sizeof name, "dev-%zu", i);
            if (round == 0)
                devices[i] = rig_device(&rig, name);
            else
                rig_expect_attempt(&rig, &devices[i], PROV_REASON_PROVISIONED);
            link = rig_ws_link(&rig, BROKER_WSS_CERT, &devices[i], name);
            c[i] = ws_connect(&link);
        }
        deadline = deadline_in(60000);
        for (left = MANY; left != 0 && deadline_left(deadline) != 0;) {
            left = 0;
            for (size_t i = 0; i < MANY; i++) {
                mqtt_step(c[i]);
                p[i] = (struct pollfd){ .fd = mqtt_fd(c[i]), .events = mqtt_wants(c[i]) };
                left += mqtt_report(c[i])->end == MQTT_END_NONE && mqtt_report(c[i])->connack != 0;
            }
            if (left != 0)
                (void)poll(p, MANY, deadline_left(deadline));
        }
        for (size_t i = 0; i < MANY; i++) {
            if (mqtt_report(c[i])->connack != (round == 0 ? -1 : 0))
                fail_msg("%zu: %s", i, mqtt_story(c[i]));
            mqtt_free(c[i]);
        }
    }
    for (size_t i = 0; i < MANY; i++)
        pki_free(&devices[i]);
    rig_down(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(device_joins_and_has_its_policy_s_rights_and_no_others),
        cmocka_unit_test(device_over_a_websocket_talks_with_one_without),
        cmocka_unit_test(bad_certificates_are_refused_in_the_handshake),
        cmocka_unit_test(who_shows_no_certificate_gets_nowhere_where_one_is_required),
        cmocka_unit_test(revocation_ends_the_connection_and_refuses_the_next),
        cmocka_unit_test(client_id_is_taken_over_in_both_directions),
        cmocka_unit_test(persistent_session_is_kept_for_its_device),
        cmocka_unit_test(sessions_are_resumed_only_if_asked_for_and_only_by_who_may_come_in),
        cmocka_unit_test(reload_and_restart_leave_devices_where_they_were),
        cmocka_unit_test(many_devices_at_once_are_all_taken_in),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
