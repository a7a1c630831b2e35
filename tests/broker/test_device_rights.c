/* What a device may do once it is in, and how changes to the registry reach it while it is
 * connected. */
#include <stdarg.h>
#include <setjmp.h>

#include <cmocka.h>

#include "core/ident.h"
#include "support/rig.h"
#include "support/deadline.h"

#define POLICY(statements) "{\"Version\":\"2012-10-17\",\"Statement\":[" statements "]}"
#define ALLOW(action, resource)                                                                    \
    "{\"Effect\":\"Allow\",\"Action\":\"iot:" action "\",\"Resource\":\"arn:aws:iot:local:"        \
    "000000000000:" resource "\"}"
#define DENY(action, resource)                                                                     \
    "{\"Effect\":\"Deny\",\"Action\":\"iot:" action "\",\"Resource\":\"arn:aws:iot:local:"         \
    "000000000000:" resource "\"}"
#define CONNECT ALLOW("Connect", "client/${iot:Connection.Thing.ThingName}")

/* A rig whose devices get this policy instead of the example's, and one device that is in. */
struct world {
    struct rig rig;
    struct pki_cert device;
    struct mqtt *c;
};

static void world_up(struct world *w, const struct rig_spec *spec, const char *policy)
{
    uint32_t version;
    struct prov_tx tx;

    rig_prepare(&w->rig, spec);
    tx = rig_begin(&w->rig, PROV_TXN_WRITE);
    rig_ok(&tx, prov_policy_version_create(&tx, PROV_LIT("telemetry-device"), prov_span_str(policy),
                                           true, &version));
    rig_end(&tx);
    rig_start(&w->rig);
    w->device = rig_device(&w->rig, "dev-1");
    w->c = rig_join(&w->rig, &w->device, "dev-1");
}

static void world_down(struct world *w)
{
    mqtt_free(w->c);
    pki_free(&w->device);
    rig_down(&w->rig);
}

static struct prov_span text(const char *s)
{
    return prov_span_str(s);
}

static int publish(struct mqtt *c, const char *topic, bool retain)
{
    return mqtt_publish(c, &(struct mqtt_publish){
                               .topic = topic, .payload = text("x"), .qos = 1, .retain = retain });
}

/* Connects once more as the same device, or as another, with MQTT 5, whose answers carry reasons.
 */
static struct mqtt *in_v5(struct rig *rig, const struct pki_cert *device, const char *id)
{
    struct rig_link link = rig_link(rig, device, id);

    link.options.tls = &link.tls;
    link.options.version = MQTT_V5;
    return expect_connected(&link.options);
}

static void publish_and_subscribe_follow_the_policy(void **state)
{
    struct world w;
    struct mqtt *c;

    (void)state;
    world_up(&w, &(struct rig_spec){ 0 },
             POLICY(CONNECT "," ALLOW("Publish", "topic/up/${iot:ClientId}/*") "," ALLOW(
                 "Subscribe", "topicfilter/down/${iot:ClientId}/#") "," ALLOW("Receive",
                                                                              "topic/down/*")));
    mqtt_free(w.c);
    w.c = NULL;
    c = in_v5(&w.rig, &w.device, "dev-1");
    assert_int_equal(publish(c, "up/dev-1/t", false) & 0x80, 0);
    assert_int_equal(publish(c, "up/dev-2/t", false), 0x87);
    assert_int_equal(publish(c, "up/dev-1/t", true), 0x87); /* retain is a right of its own */
    assert_int_equal(mqtt_subscribe(c, "down/dev-1/#", 1), 1);
    assert_int_equal(mqtt_subscribe(c, "down/#", 1), 0x87);
    assert_int_equal(mqtt_unsubscribe(c, "down/dev-1/#"), 0);
    rig_expect_attempt(&w.rig, &w.device, PROV_REASON_SUBSCRIBE_DENIED);
    rig_expect_explained(&w.rig, &w.device, "topicfilter/");
    mqtt_free(c);
    world_down(&w);
}

static void receive_is_checked_at_each_delivery(void **state)
{
    struct world w;

    (void)state;
    world_up(
        &w, &(struct rig_spec){ 0 },
        POLICY(CONNECT
               "," ALLOW("Publish", "topic/*") "," ALLOW("Subscribe", "topicfilter/*") "," ALLOW(
                   "Receive", "topic/a/*") "," DENY("Receive", "topic/a/secret")));
    assert_int_equal(mqtt_subscribe(w.c, "a/#", 1), 1);
    assert_int_equal(publish(w.c, "a/secret", false), 0);
    assert_int_equal(publish(w.c, "a/open", false), 0);
    expect_message(w.c, "a/open", "x");
    expect_silence(w.c, "a/secret");
    world_down(&w);
}

static void reserved_topics_take_nothing_from_devices(void **state)
{
    static const char *const topics[] = { "$aws/events/x", "$aws/certificates/create/json",
                                          "$CONTROL/dynamic-security/v1", "$other" };
    struct world w;
    struct mqtt *c;

    (void)state;
    world_up(&w, &(struct rig_spec){ 0 },
             "{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"iot:*\","
             "\"Resource\":\"*\"}}");
    mqtt_free(w.c);
    w.c = NULL;
    c = in_v5(&w.rig, &w.device, "dev-1");
    for (size_t i = 0; i < PROV_COUNT(topics); i++)
        assert_int_equal(publish(c, topics[i], i % 2 != 0) & 0x80, 0x80);
    rig_expect_attempt(&w.rig, &w.device, PROV_REASON_RESERVED_TOPIC);
    mqtt_free(c);
    world_down(&w);
}

static void will_is_sent_only_where_the_policy_allows(void **state)
{
    static const struct mqtt_will allowed = { .topic = "will/dev-2", .payload = { NULL, 0 } },
                                  denied = { .topic = "will/dev-1", .payload = { NULL, 0 } };
    struct world w;
    struct pki_cert other;
    struct rig_link link;
    struct mqtt *c;

    (void)state;
    world_up(&w, &(struct rig_spec){ 0 },
             POLICY(CONNECT "," ALLOW("Publish", "topic/will/dev-2") "," ALLOW(
                 "Subscribe", "topicfilter/*") "," ALLOW("Receive", "topic/*")));
    other = rig_device(&w.rig, "dev-2");
    rig_first_contact(&w.rig, &other, "dev-2");
    assert_int_equal(mqtt_subscribe(w.c, "will/#", 1), 1);
    link = rig_link(&w.rig, &other, "dev-2");
    link.options.tls = &link.tls;
    link.options.will = &denied;
    mqtt_free(expect_connected(&link.options)); /* as a power cut would */
    link.options.will = &allowed;
    mqtt_free(expect_connected(&link.options));
    c = NULL;
    expect_message(w.c, "will/dev-2", "");
    expect_silence(w.c, "will/dev-1");
    mqtt_free(c);
    pki_free(&other);
    world_down(&w);
}

static void on_denied_disconnect_ends_the_connection(void **state)
{
    static const struct broker_opt opts[] = { { "on_denied", "disconnect" }, { NULL, NULL } };
    struct world w;

    (void)state;
    world_up(&w, &(struct rig_spec){ .opts = opts }, POLICY(CONNECT));
    (void)mqtt_submit_subscribe(w.c, "anything", 0);
    expect_closed(w.c);
    world_down(&w);
}

static void changed_policy_acts_on_live_sessions(void **state)
{
    struct world w;
    uint32_t version;
    struct prov_tx tx;
    int64_t deadline;
    struct mqtt *c;

    (void)state;
    world_up(&w, &(struct rig_spec){ 0 }, POLICY(CONNECT "," ALLOW("Publish", "topic/old")));
    mqtt_free(w.c);
    w.c = NULL;
    c = in_v5(&w.rig, &w.device, "dev-1");
    assert_int_equal(publish(c, "old", false) & 0x80, 0);
    assert_int_equal(publish(c, "new", false), 0x87);
    tx = rig_begin(&w.rig, PROV_TXN_WRITE);
    rig_ok(&tx, prov_policy_version_create(
                    &tx, PROV_LIT("telemetry-device"),
                    PROV_LIT(POLICY(CONNECT "," ALLOW("Publish", "topic/new"))), true, &version));
    rig_end(&tx);
    deadline = deadline_in(0);
    while ((publish(c, "new", false) & 0x80) != 0)
        assert_true(deadline_left(deadline) > 0);
    assert_int_equal(publish(c, "old", false), 0x87);
    mqtt_free(c);
    world_down(&w);
}

static void group_policies_apply_to_members_and_stop_with_membership(void **state)
{
    struct world w;
    struct prov_tx tx;
    int64_t deadline;
    struct mqtt *c;

    (void)state;
    world_up(&w, &(struct rig_spec){ 0 }, POLICY(CONNECT));
    mqtt_free(w.c);
    w.c = NULL;
    c = in_v5(&w.rig, &w.device, "dev-1");
    tx = rig_begin(&w.rig, PROV_TXN_WRITE);
    rig_ok(&tx, prov_policy_create(&tx, PROV_LIT("line"),
                                   PROV_LIT(POLICY(ALLOW("Publish", "topic/line")))));
    rig_ok(&tx, prov_group_create(&tx, PROV_LIT("plant"), prov_span(NULL, 0), prov_span(NULL, 0)));
    rig_ok(&tx, prov_group_create(&tx, PROV_LIT("hall"), PROV_LIT("plant"), prov_span(NULL, 0)));
    rig_ok(&tx, prov_policy_attach_group(&tx, PROV_LIT("line"), PROV_LIT("plant")));
    rig_ok(&tx, prov_group_add(&tx, PROV_LIT("hall"), PROV_LIT("dev-1")));
    rig_end(&tx);
    deadline = deadline_in(0);
    while ((publish(c, "line", false) & 0x80) != 0)
        assert_true(deadline_left(deadline) > 0);
    tx = rig_begin(&w.rig, PROV_TXN_WRITE);
    rig_ok(&tx, prov_group_remove(&tx, PROV_LIT("hall"), PROV_LIT("dev-1")));
    rig_end(&tx);
    deadline = deadline_in(0);
    while ((publish(c, "line", false) & 0x80) == 0)
        assert_true(deadline_left(deadline) > 0);
    mqtt_free(c);
    world_down(&w);
}

static void revoked_device_is_disconnected_and_its_will_sent(void **state)
{
    static const struct mqtt_will will = { .topic = "will/dev-2" };
    struct world w;
    struct pki_cert other;
    struct rig_link link;
    struct mqtt *c;

    (void)state;
    world_up(&w, &(struct rig_spec){ 0 },
             POLICY(CONNECT "," ALLOW("Publish", "topic/will/*") "," ALLOW(
                 "Subscribe", "topicfilter/*") "," ALLOW("Receive", "topic/*")));
    other = rig_device(&w.rig, "dev-2");
    rig_first_contact(&w.rig, &other, "dev-2");
    assert_int_equal(mqtt_subscribe(w.c, "will/#", 1), 1);
    link = rig_link(&w.rig, &other, "dev-2");
    link.options.tls = &link.tls;
    link.options.will = &will;
    c = expect_connected(&link.options);
    rig_set_status(&w.rig, &other, PROV_CERT_REVOKED);
    expect_closed(c);
    expect_message(w.c, "will/dev-2", "");
    assert_true(mqtt_ping(w.c)); /* nobody else was touched */
    mqtt_free(c);
    pki_free(&other);
    world_down(&w);
}

/* A device with a session that is kept, and a publisher for it. */
static void keep_a_session(struct world *w, struct pki_cert *away)
{
    struct rig_link link;
    struct mqtt *c;

    world_up(w, &(struct rig_spec){ .persistence = true },
             POLICY(CONNECT "," ALLOW("Publish", "topic/*") "," ALLOW(
                 "Subscribe", "topicfilter/*") "," ALLOW("Receive", "topic/q/*")));
    *away = rig_device(&w->rig, "dev-2");
    rig_first_contact(&w->rig, away, "dev-2");
    link = rig_link(&w->rig, away, "dev-2");
    link.options.tls = &link.tls;
    link.options.keep_session = true;
    c = expect_connected(&link.options);
    assert_int_equal(mqtt_subscribe(c, "q/#", 1), 1);
    assert_int_equal(mqtt_subscribe(c, "other/#", 1), 1);
    assert_true(mqtt_goodbye(c));
    mqtt_free(c);
}

static struct mqtt *come_back(struct world *w, const struct pki_cert *away)
{
    struct rig_link link = rig_link(&w->rig, away, "dev-2");

    link.options.tls = &link.tls;
    link.options.keep_session = true;
    return expect_connected(&link.options);
}

static void wait_for_binding(struct rig *rig, const char *client_id)
{
    const int64_t deadline = deadline_in(0);
    struct prov_id id;
    enum prov_rc rc;

    do {
        struct prov_tx tx = rig_begin(rig, PROV_TXN_READ);

        rc = prov_client_get(&tx, prov_span_str(client_id), &id);
        prov_txn_abort(tx.txn);
        assert_true(deadline_left(deadline) > 0);
    } while (rc != PROV_OK);
}

static void deliveries_to_a_device_that_is_away_obey_its_policy(void **state)
{
    struct world w;
    struct pki_cert away;
    struct mqtt *c;

    (void)state;
    keep_a_session(&w, &away);
    wait_for_binding(&w.rig, "dev-2");
    assert_int_equal(publish(w.c, "q/1", false), 0);
    assert_int_equal(publish(w.c, "other/1", false), 0);
    c = come_back(&w, &away);
    assert_true(mqtt_report(c)->session_present);
    expect_message(c, "q/1", "x");
    expect_silence(c, NULL);
    mqtt_free(c);
    pki_free(&away);
    world_down(&w);
}

static void deliveries_after_a_broker_restart_obey_it_too(void **state)
{
    struct world w;
    struct pki_cert away;
    struct mqtt *c;

    (void)state;
    keep_a_session(&w, &away);
    wait_for_binding(&w.rig, "dev-2");
    mqtt_free(w.c);
    broker_stop(w.rig.broker);
    broker_restart(w.rig.broker, NULL);
    w.c = in_v5(&w.rig, &w.device, "dev-1");
    assert_int_equal(publish(w.c, "q/1", false) & 0x80, 0);
    assert_int_equal(publish(w.c, "other/1", false) & 0x80, 0);
    c = come_back(&w, &away);
    assert_true(mqtt_report(c)->session_present);
    expect_message(c, "q/1", "x");
    expect_silence(c, NULL);
    mqtt_free(c);
    pki_free(&away);
    world_down(&w);
}

static void deliveries_after_a_reload_reach_a_device_that_was_away(void **state)
{
    struct world w;
    struct pki_cert away;
    struct mqtt *c;

    (void)state;
    keep_a_session(&w, &away);
    wait_for_binding(&w.rig, "dev-2");
    broker_reload(w.rig.broker, NULL);
    assert_int_equal(publish(w.c, "q/1", false), 0);
    assert_int_equal(publish(w.c, "other/1", false), 0);
    c = come_back(&w, &away);
    assert_true(mqtt_report(c)->session_present);
    expect_message(c, "q/1", "x");
    expect_silence(c, NULL);
    mqtt_free(c);
    pki_free(&away);
    world_down(&w);
}

static void queue_of_a_device_ends_with_its_certificate(void **state)
{
    struct world w;
    struct pki_cert away;
    struct mqtt *c;
    struct prov_tx tx;
    struct prov_id id;

    (void)state;
    keep_a_session(&w, &away);
    wait_for_binding(&w.rig, "dev-2");
    assert_int_equal(publish(w.c, "q/0", false), 0); /* from here on the broker knows its rights */
    rig_set_status(&w.rig, &away, PROV_CERT_INACTIVE);
    {
        struct rig_link link = rig_link(&w.rig, &away, "dev-2");

        link.options.tls = &link.tls;
        expect_alert(&link.options, SSL_AD_BAD_CERTIFICATE);
    }
    assert_int_equal(publish(w.c, "q/1", false), 0);
    rig_set_status(&w.rig, &away, PROV_CERT_ACTIVE);
    c = come_back(&w, &away);
    expect_silence(c, NULL); /* neither what came before nor after */
    assert_int_equal(publish(w.c, "q/2", false), 0);
    expect_message(c, "q/2", "x");
    assert_true(mqtt_goodbye(c));
    mqtt_free(c);
    assert_int_equal(publish(w.c, "q/3", false), 0); /* once emptied, it is a queue as any other */
    c = come_back(&w, &away);
    expect_message(c, "q/3", "x");
    tx = rig_begin(&w.rig, PROV_TXN_READ);
    rig_ok(&tx, prov_client_get(&tx, PROV_LIT("dev-2"), &id));
    prov_txn_abort(tx.txn);
    mqtt_free(c);
    pki_free(&away);
    world_down(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(publish_and_subscribe_follow_the_policy),
        cmocka_unit_test(receive_is_checked_at_each_delivery),
        cmocka_unit_test(reserved_topics_take_nothing_from_devices),
        cmocka_unit_test(will_is_sent_only_where_the_policy_allows),
        cmocka_unit_test(on_denied_disconnect_ends_the_connection),
        cmocka_unit_test(changed_policy_acts_on_live_sessions),
        cmocka_unit_test(group_policies_apply_to_members_and_stop_with_membership),
        cmocka_unit_test(revoked_device_is_disconnected_and_its_will_sent),
        cmocka_unit_test(deliveries_to_a_device_that_is_away_obey_its_policy),
        cmocka_unit_test(deliveries_after_a_broker_restart_obey_it_too),
        cmocka_unit_test(deliveries_after_a_reload_reach_a_device_that_was_away),
        cmocka_unit_test(queue_of_a_device_ends_with_its_certificate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
