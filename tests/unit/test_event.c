#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/event.h"
#include "support/alloc.h"

#define ID_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_B "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b"
#define UUID "00010203-0405-0607-0809-0a0b0c0d0e0f"

static void expect(struct prov_event *event, const char *topic, const char *payload)
{
    assert_string_equal(prov_buf_cstr(&event->topic), topic);
    assert_string_equal(prov_buf_cstr(&event->payload), payload);
    prov_event_release(event);
}

static struct prov_registered registered(int64_t registered_ms)
{
    struct prov_registered r = { .account_id = "123456789012", .at_ms = 1795250444123 };

    memset(&r.cert, 0xaa, sizeof r.cert);
    memset(&r.ca, 0x0b, sizeof r.ca);
    r.registered_ms = registered_ms;
    return r;
}

static void registered_event_is_the_reference_s_byte_for_byte(void **state)
{
    struct prov_registered r = registered(0);
    struct prov_event event;
    (void)state;

    assert_int_equal(prov_event_registered(&r, &event), PROV_OK);
    expect(&event, "$aws/events/certificates/registered/" ID_B,
           "{\"certificateId\":\"" ID_A "\",\"caCertificateId\":\"" ID_B "\","
           "\"timestamp\":1795250444123,\"certificateStatus\":\"PENDING_ACTIVATION\","
           "\"awsAccountId\":\"123456789012\",\"certificateRegistrationTimestamp\":null}");
    r = registered(1795250000001);
    assert_int_equal(prov_event_registered(&r, &event), PROV_OK);
    expect(&event, "$aws/events/certificates/registered/" ID_B,
           "{\"certificateId\":\"" ID_A "\",\"caCertificateId\":\"" ID_B "\","
           "\"timestamp\":1795250444123,\"certificateStatus\":\"PENDING_ACTIVATION\","
           "\"awsAccountId\":\"123456789012\","
           "\"certificateRegistrationTimestamp\":\"1795250000001\"}");
}

static struct prov_presence presence(enum prov_presence_kind kind, const char *client_id)
{
    struct prov_presence p = {
        .kind = kind,
        .client_id = client_id,
        .at_ms = 1795250444123,
        .address = "192.0.2.7",
        .version = 1795250440000,
    };

    for (uint8_t i = 0; i < sizeof p.session; i++)
        p.session[i] = i;
    memset(&p.principal, 0xaa, sizeof p.principal);
    return p;
}

static void presence_events_are_the_reference_s_byte_for_byte(void **state)
{
    struct prov_presence p = presence(PROV_CONNECTED, "sensor-1");
    struct prov_event event;
    (void)state;

    assert_int_equal(prov_event_presence(&p, &event), PROV_OK);
    expect(&event, "$aws/events/presence/connected/sensor-1",
           "{\"clientId\":\"sensor-1\",\"timestamp\":1795250444123,\"eventType\":\"connected\","
           "\"sessionIdentifier\":\"" UUID "\",\"principalIdentifier\":\"" ID_A "\","
           "\"ipAddress\":\"192.0.2.7\",\"versionNumber\":1795250440000}");
    p = presence(PROV_DISCONNECTED, "sensor-1");
    p.thing_name = PROV_LIT("thing-1");
    assert_int_equal(prov_event_presence(&p, &event), PROV_OK);
    expect(&event, "$aws/events/presence/disconnected/sensor-1",
           "{\"clientId\":\"sensor-1\",\"thingName\":\"thing-1\",\"timestamp\":1795250444123,"
           "\"eventType\":\"disconnected\",\"sessionIdentifier\":\"" UUID "\","
           "\"principalIdentifier\":\"" ID_A "\",\"clientInitiatedDisconnect\":true,"
           "\"disconnectReason\":\"CLIENT_INITIATED_DISCONNECT\","
           "\"versionNumber\":1795250440000}");
    p = presence(PROV_CONNECT_FAILED, "sensor-1");
    assert_int_equal(prov_event_presence(&p, &event), PROV_OK);
    expect(&event, "$aws/events/presence/connect_failed/sensor-1",
           "{\"clientId\":\"sensor-1\",\"timestamp\":1795250444123,"
           "\"eventType\":\"connect_failed\",\"sessionIdentifier\":\"" UUID "\","
           "\"principalIdentifier\":\"" ID_A "\",\"ipAddress\":\"192.0.2.7\","
           "\"connectFailureReason\":\"AUTHORIZATION_FAILED\"}");
}

static void every_disconnect_has_its_reason_and_one_is_the_client_s(void **state)
{
    static const struct {
        enum prov_disconnect disconnect;
        const char *says;
    } rows[] = {
        { PROV_BY_CLIENT, "true,\"disconnectReason\":\"CLIENT_INITIATED_DISCONNECT\"" },
        { PROV_CLIENT_ERROR, "false,\"disconnectReason\":\"CLIENT_ERROR\"" },
        { PROV_CONNECTION_LOST, "false,\"disconnectReason\":\"CONNECTION_LOST\"" },
        { PROV_DUPLICATE_CLIENT_ID, "false,\"disconnectReason\":\"DUPLICATE_CLIENTID\"" },
        { PROV_KEEP_ALIVE_TIMEOUT, "false,\"disconnectReason\":\"MQTT_KEEP_ALIVE_TIMEOUT\"" },
        { PROV_SERVER_ERROR, "false,\"disconnectReason\":\"SERVER_ERROR\"" },
        { PROV_BY_SERVER, "false,\"disconnectReason\":\"SERVER_INITIATED_DISCONNECT\"" },
        { PROV_AUTH_ERROR, "false,\"disconnectReason\":\"AUTH_ERROR\"" },
    };
    struct prov_event event;
    (void)state;

    assert_int_equal(PROV_COUNT(rows), PROV_DISCONNECTS);
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct prov_presence p = presence(PROV_DISCONNECTED, "c");

        p.disconnect = rows[i].disconnect;
        assert_int_equal(prov_event_presence(&p, &event), PROV_OK);
        assert_non_null(strstr(prov_buf_cstr(&event.payload), rows[i].says));
        prov_event_release(&event);
    }
}

static void client_ids_that_are_no_topic_level_have_no_presence(void **state)
{
    static const char *const none[] = { "", "a+b", "#", "+", "a/#" };
    static const char *const some[] = { "a b", "a/b", "\xc3\xa4", "a\"b" };
    struct prov_event event;
    (void)state;

    for (size_t i = 0; i < PROV_COUNT(none); i++) {
        const struct prov_presence p = presence(PROV_CONNECTED, none[i]);

        assert_int_equal(prov_event_presence(&p, &event), PROV_ENOTFOUND);
        prov_event_release(&event);
    }
    for (size_t i = 0; i < PROV_COUNT(some); i++) {
        const struct prov_presence p = presence(PROV_CONNECTED, some[i]);

        assert_int_equal(prov_event_presence(&p, &event), PROV_OK);
        prov_event_release(&event);
    }
}

static void missing_memory_is_reported_and_leaks_nothing(void **state)
{
    const struct prov_presence p = presence(PROV_DISCONNECTED, "sensor-1");
    const struct prov_registered r = registered(1795250000001);
    struct prov_event event;
    enum prov_rc rc;
    (void)state;

    for (unsigned n = 1;; n++) {
        alloc_fail_at(n);
        rc = prov_event_presence(&p, &event);
        prov_event_release(&event);
        if (rc == PROV_OK) {
            rc = prov_event_registered(&r, &event);
            prov_event_release(&event);
        }
        if (!alloc_failed())
            break;
        assert_int_equal(rc, PROV_ENOMEM);
    }
    assert_int_equal(rc, PROV_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registered_event_is_the_reference_s_byte_for_byte),
        cmocka_unit_test(presence_events_are_the_reference_s_byte_for_byte),
        cmocka_unit_test(every_disconnect_has_its_reason_and_one_is_the_client_s),
        cmocka_unit_test(client_ids_that_are_no_topic_level_have_no_presence),
        cmocka_unit_test(missing_memory_is_reported_and_leaks_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
