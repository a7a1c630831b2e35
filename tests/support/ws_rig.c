#include "support/ws_rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "core/ident.h"

const struct rig_spec ws_for_devices = { .ws = { BROKER_WSS_CERT } };
const struct rig_spec ws_for_all = { .ws = { BROKER_WSS_CERT, BROKER_WS, BROKER_WSS } };

struct mqtt *ws_connect(struct rig_link *link)
{
    struct mqtt *c;

    if (link->encrypted)
        link->options.tls = &link->tls;
    c = mqtt_start(&link->options);
    assert_non_null(c);
    return c;
}

struct mqtt *ws_in(struct rig_link *link)
{
    struct mqtt *c = ws_connect(link);

    if (mqtt_wait_connack(c) != 0)
        fail_msg("not let in: %s", mqtt_story(c));
    return c;
}

/* 2.1.2 sends its close frame past TLS, which then ends over it. */
void ws_end(struct mqtt *c)
{
    const struct mqtt_report *r = mqtt_report(c);

    if (!mqtt_wait_end(c) || r->alert != -1 ||
        (r->end != MQTT_END_EOF && r->end != MQTT_END_RESET && r->end != MQTT_END_TLS))
        fail_msg("not closed by the broker: %s", mqtt_story(c));
}

void ws_refused(struct rig_link *link, int connack)
{
    struct mqtt *c = ws_connect(link);

    ws_end(c);
    if (mqtt_report(c)->connack != connack)
        fail_msg("CONNACK %d was to come: %s", connack, mqtt_story(c));
    mqtt_free(c);
}

void ws_alerted(struct rig_link *link, int alert)
{
    link->options.tls = &link->tls;
    expect_alert(&link->options, alert);
}

void ws_first_contact(struct rig *rig, const struct pki_cert *device, const char *client_id)
{
    struct rig_link link = rig_ws_link(rig, BROKER_WSS_CERT, device, client_id);

    ws_refused(&link, -1);
    rig_expect_attempt(rig, device, PROV_REASON_PROVISIONED);
}

struct mqtt *ws_join(struct rig *rig, const struct pki_cert *device, const char *client_id)
{
    struct rig_link link = rig_ws_link(rig, BROKER_WSS_CERT, device, client_id);

    ws_first_contact(rig, device, client_id);
    return ws_in(&link);
}

void ws_allow_all(struct rig *rig, const struct pki_cert *device)
{
    static const char everything[] =
        "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"iot:*\","
        "\"Resource\":\"*\"}]}";
    struct prov_tx tx = rig_begin(rig, PROV_TXN_WRITE);
    struct prov_policy_info info;
    struct prov_id id;

    assert_int_equal(prov_ident_id(device->x509, &id), PROV_OK);
    if (prov_policy_get(&tx, PROV_LIT("all"), &info) != PROV_OK)
        rig_ok(&tx, prov_policy_create(&tx, PROV_LIT("all"), prov_span_str(everything)));
    rig_ok(&tx, prov_policy_attach_cert(&tx, PROV_LIT("all"), &id));
    rig_end(&tx);
}

struct mqtt *ws_user(const struct rig *rig, enum broker_ws kind, const char *user,
                     const char *client_id)
{
    struct rig_link link = rig_ws_link(rig, kind, NULL, client_id);

    link.options.username = link.options.password = user;
    return ws_in(&link);
}

void ws_published(struct mqtt *c, const char *topic, const char *text)
{
    assert_int_equal(
        mqtt_publish(
            c, &(struct mqtt_publish){ .topic = topic, .payload = prov_span_str(text), .qos = 1 }),
        0);
}
