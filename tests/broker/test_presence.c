/* How sessions begin and end, and what subscribers of presence events are told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "core/ident.h"
#include "core/json.h"
#include "support/operator.h"

#define CONNECTED "$aws/events/presence/connected/dev-1"
#define DISCONNECTED "$aws/events/presence/disconnected/dev-1"

struct scene {
    struct rig rig;
    struct pki_cert device;
    struct mqtt *watcher;
};

static void set_up(struct scene *s, const struct rig_spec *spec)
{
    operator_up(&s->rig, spec);
    s->device = rig_device(&s->rig, "dev-1");
    rig_first_contact(&s->rig, &s->device, "dev-1");
    rig_expect_status(&s->rig, &s->device, PROV_CERT_ACTIVE);
    s->watcher = operator_connect(&s->rig, "watcher");
    assert_int_equal(mqtt_subscribe(s->watcher, "$aws/events/presence/#", 1), 1);
}

static void tear_down(struct scene *s)
{
    mqtt_free(s->watcher);
    pki_free(&s->device);
    rig_down(&s->rig);
}

static struct mqtt *join(struct scene *s, void (*adjust)(struct mqtt_options *o))
{
    struct rig_link link = rig_link(&s->rig, &s->device, "dev-1");

    link.options.tls = &link.tls;
    if (adjust != NULL)
        adjust(&link.options);
    return expect_connected(&link.options);
}

static cJSON *event(struct scene *s, const char *topic)
{
    struct mqtt_message *m = mqtt_wait_message(s->watcher, topic);
    struct prov_err err = { 0 };
    cJSON *doc = NULL;

    if (m == NULL)
        print_error("no event on %s: %s", topic, mqtt_story(s->watcher));
    assert_non_null(m);
    assert_false(m->retain);
    assert_int_equal(prov_json_parse(prov_span(m->payload, m->n), 4096, &doc, &err), PROV_OK);
    mqtt_message_free(m);
    return doc;
}

static double number(const cJSON *doc, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(doc, key);

    assert_true(cJSON_IsNumber(item));
    return item->valuedouble;
}

static void expect_gone(struct scene *s, const char *reason)
{
    cJSON *doc = event(s, DISCONNECTED);

    assert_string_equal(operator_text(doc, "disconnectReason"), reason);
    assert_int_equal(
        cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(doc, "clientInitiatedDisconnect")),
        strcmp(reason, "CLIENT_INITIATED_DISCONNECT") == 0);
    cJSON_Delete(doc);
}

static void connection_is_told_of_with_one_number_from_begin_to_end(void **state)
{
    char hex[PROV_ID_HEX + 1], session[64];
    struct prov_id id;
    double first, version;
    struct scene s;
    struct mqtt *c;
    cJSON *doc;

    (void)state;
    set_up(&s, &(struct rig_spec){ 0 });
    assert_int_equal(prov_ident_id(s.device.x509, &id), PROV_OK);
    prov_id_hex(&id, hex);
    c = join(&s, NULL);
    doc = event(&s, CONNECTED);
    assert_string_equal(operator_text(doc, "clientId"), "dev-1");
    assert_string_equal(operator_text(doc, "principalIdentifier"), hex);
    assert_string_equal(operator_text(doc, "ipAddress"), "127.0.0.1");
    (void)snprintf(session, sizeof session, "%s", operator_text(doc, "sessionIdentifier"));
    first = number(doc, "versionNumber");
    cJSON_Delete(doc);
    assert_true(mqtt_goodbye(c));
    mqtt_free(c);
    doc = event(&s, DISCONNECTED);
    assert_string_equal(operator_text(doc, "sessionIdentifier"), session);
    assert_true(number(doc, "versionNumber") == first);
    assert_string_equal(operator_text(doc, "disconnectReason"), "CLIENT_INITIATED_DISCONNECT");
    cJSON_Delete(doc);
    c = join(&s, NULL);
    doc = event(&s, CONNECTED);
    version = number(doc, "versionNumber");
    assert_true(version > first);
    assert_string_not_equal(operator_text(doc, "sessionIdentifier"), session);
    cJSON_Delete(doc);
    mqtt_free(c);
    tear_down(&s);
}

static void keep_alive(struct mqtt_options *o)
{
    o->keepalive_s = 1;
}

static void tls_1_2(struct mqtt_options *o)
{
    static struct mqtt_tls tls;

    tls = *o->tls;
    tls.version = TLS1_2_VERSION;
    o->tls = &tls;
}

static void reason_tells_who_ended_the_connection(void **state)
{
    struct scene s;
    struct mqtt *c, *next;

    (void)state;
    set_up(&s, &(struct rig_spec){ 0 });
    c = join(&s, tls_1_2);
    assert_true(mqtt_goodbye(c));
    mqtt_free(c);
    expect_gone(&s, "CLIENT_INITIATED_DISCONNECT");

    c = join(&s, NULL);
    mqtt_free(c); /* closes without DISCONNECT */
    expect_gone(&s, "CONNECTION_LOST");

    c = join(&s, keep_alive);
    expect_gone(&s, "MQTT_KEEP_ALIVE_TIMEOUT");
    mqtt_free(c);

    c = join(&s, NULL);
    next = join(&s, NULL);
    expect_gone(&s, "DUPLICATE_CLIENTID");
    mqtt_free(c);
    rig_set_status(&s.rig, &s.device, PROV_CERT_INACTIVE);
    expect_closed(next);
    expect_gone(&s, "AUTH_ERROR");
    mqtt_free(next);
    tear_down(&s);
}

static void refused_client_id_is_a_failed_connection(void **state)
{
    struct rig_link link;
    struct scene s;
    cJSON *doc;

    (void)state;
    set_up(&s, &(struct rig_spec){ 0 });
    link = rig_link(&s.rig, &s.device, "somebody-else");
    link.options.tls = &link.tls;
    expect_connack(&link.options, 5);
    doc = event(&s, "$aws/events/presence/connect_failed/somebody-else");
    assert_string_equal(operator_text(doc, "connectFailureReason"), "AUTHORIZATION_FAILED");
    cJSON_Delete(doc);
    tear_down(&s);
}

static void thing_is_told_when_the_attachment_is_exclusive(void **state)
{
    struct prov_id id;
    struct prov_tx tx;
    struct scene s;
    struct mqtt *c;
    cJSON *doc;

    (void)state;
    set_up(&s, &(struct rig_spec){ 0 });
    c = join(&s, NULL);
    doc = event(&s, CONNECTED);
    assert_null(cJSON_GetObjectItemCaseSensitive(doc, "thingName"));
    cJSON_Delete(doc);
    mqtt_free(c);
    assert_int_equal(prov_ident_id(s.device.x509, &id), PROV_OK);
    tx = rig_begin(&s.rig, PROV_TXN_WRITE);
    rig_ok(&tx, prov_thing_attach(&tx, PROV_LIT("dev-1"), &id, PROV_ATTACH_EXCLUSIVE));
    rig_end(&tx);
    c = join(&s, NULL);
    doc = event(&s, CONNECTED);
    assert_string_equal(operator_text(doc, "thingName"), "dev-1");
    cJSON_Delete(doc);
    mqtt_free(c);
    tear_down(&s);
}

static void presence_can_be_switched_off(void **state)
{
    static const struct broker_opt off[] = { { "presence_events", "off" }, { NULL, NULL } };
    struct scene s;
    struct mqtt *c;

    (void)state;
    set_up(&s, &(struct rig_spec){ .opts = off });
    c = join(&s, NULL);
    assert_true(mqtt_goodbye(c));
    mqtt_free(c);
    expect_silence(s.watcher, NULL);
    tear_down(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connection_is_told_of_with_one_number_from_begin_to_end),
        cmocka_unit_test(reason_tells_who_ended_the_connection),
        cmocka_unit_test(refused_client_id_is_a_failed_connection),
        cmocka_unit_test(thing_is_told_when_the_attachment_is_exclusive),
        cmocka_unit_test(presence_can_be_switched_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
