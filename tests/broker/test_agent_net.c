/*
 * The agent's connection against a stock Mosquitto, and our plugin on one: what goes well, and
 * which failure is told as what.
 *
 * ctest timeout: 240
 */
#include <dirent.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device-agent/port/posix/net.h"
#include "support/agent_net.h"
#include "support/broker.h"
#include "support/deadline.h"
#include "support/mqtt.h"
#include "support/rig.h"

/* Somebody else, without TLS. */
static struct mqtt *other(const struct agent_net *f)
{
    return expect_connected(
        &(struct mqtt_options){ .port = broker_plain_port(f->broker), .client_id = "other" });
}

static void subscribe(struct agent_net *agent, const char *const *topics, size_t n)
{
    struct port_result result = { .class = AGENT_OK };

    net_subscribe(agent->net, topics, n, &result);
    assert_int_equal(result.class, AGENT_OK);
}

static void publish(struct agent_net *agent, const char *topic, const char *text)
{
    struct port_result result = { .class = AGENT_OK };

    net_publish(agent->net, topic, (struct agent_span){ (const uint8_t *)text, strlen(text) },
                &result);
    assert_int_equal(result.class, AGENT_OK);
}

/* ---- what goes well -------------------------------------------------------------------------- */

static void message_published_comes_back_with_its_acknowledgement(void **state)
{
    struct agent_net *f = *state;
    bool done = false, come = false;

    agent_net_broker(f, NULL, NULL);
    agent_net_joined(f, agent_net_port(f), "agent-1");
    subscribe(f, (const char *const[]){ "a/accepted", "a/rejected" }, 2);
    agent_net_done(f, AGENT_ACT_SUBSCRIBE);
    publish(f, "a/accepted", "{\"x\":1}");
    for (int i = 0; i < 2; i++) { /* in either order */
        const struct agent_event event = agent_net_event(f);

        done = done || (event.kind == AGENT_EV_DONE && event.act == AGENT_ACT_PUBLISH);
        if (event.kind != AGENT_EV_MESSAGE)
            continue;
        come = true;
        assert_int_equal(event.topic.n, 10);
        assert_memory_equal(event.topic.p, "a/accepted", 10);
        assert_int_equal(event.payload.n, 7);
        assert_memory_equal(event.payload.p, "{\"x\":1}", 7);
    }
    assert_true(done && come);
    net_disconnect(f->net);
    agent_net_done(f, AGENT_ACT_DISCONNECT);
}

static void every_tls_version_from_1_2_on_works(void **state)
{
    static const char *const lines[] = { "tls_version tlsv1.2", "tls_version tlsv1.3" };
    struct agent_net *f = *state;

    for (size_t i = 0; i < PROV_COUNT(lines); i++) {
        agent_net_broker(f, NULL, lines[i]);
        agent_net_joined(f, agent_net_port(f), "agent-1");
        agent_net_close(f);
        agent_net_broker_stop(f);
    }
}

static void address_is_as_good_as_a_name(void **state)
{
    struct agent_net *f = *state;

    agent_net_broker(f, NULL, NULL);
    f->conf.host = "127.0.0.1";
    agent_net_joined(f, agent_net_port(f), "agent-1");
}

static void several_connections_follow_each_other(void **state)
{
    struct agent_net *f = *state;

    agent_net_broker(f, NULL, NULL);
    agent_net_open(f, agent_net_port(f));
    for (int i = 0; i < 4; i++) {
        agent_net_connect(f, NULL, "agent-1");
        agent_net_done(f, AGENT_ACT_CONNECT);
        publish(f, "a", "b");
        agent_net_done(f, AGENT_ACT_PUBLISH);
        net_disconnect(f->net);
        agent_net_done(f, AGENT_ACT_DISCONNECT);
    }
}

static void will_is_published_when_the_device_vanishes_and_not_when_it_leaves(void **state)
{
    struct agent_net *f = *state;
    struct mqtt *watcher;

    agent_net_broker(f, NULL, NULL);
    watcher = other(f);
    assert_int_equal(mqtt_subscribe(watcher, "will", 1), 1);
    f->conf.will_topic = "will";
    f->conf.will_payload = "gone";

    agent_net_joined(f, agent_net_port(f), "agent-1");
    agent_net_close(f); /* says goodbye */
    expect_silence(watcher, "will");

    agent_net_joined(f, agent_net_port(f), "agent-1");
    { /* another with its client id takes its place: the broker ends it */
        struct mqtt_tls tls = { .cert = f->device.x509, .key = f->device.key };
        struct mqtt *thief = expect_connected(&(struct mqtt_options){
            .port = agent_net_port(f), .tls = &tls, .client_id = "agent-1" });

        expect_message(watcher, "will", "gone");
        agent_net_ends(f, AGENT_EV_CLOSED, AGENT_NETWORK, "was lost");
        mqtt_free(thief);
    }
    mqtt_free(watcher);
}

/* JITP: dropped at first, in the next time. */
static void first_contact_with_our_plugin_is_refused_and_the_second_works(void **state)
{
    struct agent_net *f = *state;
    struct rig rig;
    struct pki_cert device;

    rig_up(&rig, &(struct rig_spec){ 0 });
    device = rig_device(&rig, "dev-1");
    agent_net_trust(f, &rig.server, NULL);
    agent_net_open(f, broker_tls_port(rig.broker));
    agent_net_connect(f, &device, "dev-1");
    agent_net_ends(f, AGENT_EV_FAILED, AGENT_REFUSED, "");
    rig_expect_attempt(&rig, &device, PROV_REASON_PROVISIONED);
    agent_net_connect(f, &device, "dev-1");
    agent_net_done(f, AGENT_ACT_CONNECT);
    agent_net_close(f);
    pki_free(&device);
    rig_down(&rig);
}

/* ---- while connected ------------------------------------------------------------------------- */

static void broker_that_dies_closes_the_connection(void **state)
{
    struct agent_net *f = *state;
    struct port_result result = { .class = AGENT_OK };

    agent_net_broker(f, NULL, NULL);
    agent_net_joined(f, agent_net_port(f), "agent-1");
    broker_kill(f->broker);
    agent_net_ends(f, AGENT_EV_CLOSED, AGENT_NETWORK, "was lost");
    net_publish(f->net, "a", (struct agent_span){ NULL, 0 }, &result);
    assert_int_equal(result.class, AGENT_NETWORK);

    broker_restart(f->broker, NULL);
    agent_net_connect(f, NULL, "agent-1");
    agent_net_done(f, AGENT_ACT_CONNECT);
}

static void message_that_is_too_large_is_seen_to_be(void **state)
{
    static const size_t sizes[] = { AGENT_MAX_PAYLOAD, AGENT_MAX_PAYLOAD + 1, 100000 };
    struct agent_net *f = *state;
    uint8_t *bytes = calloc(1, 100000);
    struct mqtt *sender;

    agent_net_broker(f, NULL, NULL);
    agent_net_joined(f, agent_net_port(f), "agent-1");
    subscribe(f, (const char *const[]){ "a" }, 1);
    agent_net_done(f, AGENT_ACT_SUBSCRIBE);
    sender = other(f);
    for (size_t i = 0; i < PROV_COUNT(sizes); i++) {
        struct agent_event event;

        assert_int_equal(mqtt_publish(sender,
                                      &(struct mqtt_publish){
                                          .topic = "a", .payload = { bytes, sizes[i] }, .qos = 1 }),
                         0);
        event = agent_net_event(f);
        assert_int_equal(event.kind, AGENT_EV_MESSAGE);
        assert_int_equal(event.payload.n,
                         sizes[i] > AGENT_MAX_PAYLOAD ? AGENT_MAX_PAYLOAD + 1 : sizes[i]);
    }
    mqtt_free(sender);
    free(bytes);
}

static void flood_of_messages_ends_the_connection(void **state)
{
    struct agent_net *f = *state;
    size_t messages = 0, mark;
    struct agent_event event;
    struct mqtt *sender;

    agent_net_broker(f, NULL, NULL);
    mark = broker_log_mark(f->broker);
    agent_net_joined(f, agent_net_port(f), "agent-1");
    subscribe(f, (const char *const[]){ "a" }, 1);
    agent_net_done(f, AGENT_ACT_SUBSCRIBE);
    sender = other(f);
    for (int i = 0; i < 64; i++)
        assert_int_equal(mqtt_publish(sender, &(struct mqtt_publish){ .topic = "a", .qos = 1 }), 0);
    /* nobody has read one; the 33rd is one too many */
    broker_expect_log(f->broker, mark, "Received PUBACK from agent-1 (Mid: 34");
    for (;;) {
        event = agent_net_event(f);
        if (event.kind != AGENT_EV_MESSAGE)
            break;
        messages++;
    }
    assert_int_equal(messages, 32);
    assert_int_equal(event.kind, AGENT_EV_CLOSED);
    assert_int_equal(event.class, AGENT_ANSWER);
    broker_expect_log(f->broker, mark, "disconnected"); /* the sender is still there */
    assert_false(net_event(f->net, &event));
    mqtt_free(sender);
}

/* ---- what is left ---------------------------------------------------------------------------- */

static size_t threads(void)
{
    DIR *dir = opendir("/proc/self/task");
    size_t n = 0;

    assert_non_null(dir);
    while (readdir(dir) != NULL)
        n++;
    assert_int_equal(closedir(dir), 0);
    return n;
}

/* Paho's are detached, and may still be at their last instruction. */
static void no_thread_is_left(void **state)
{
    const size_t before = threads();
    struct agent_net *f = *state;
    int64_t until;

    agent_net_broker(f, NULL, NULL);
    agent_net_joined(f, agent_net_port(f), "agent-1");
    assert_true(threads() > before);
    agent_net_close(f);
    until = deadline_in(0);
    while (threads() != before && deadline_left(until) > 0)
        (void)poll(NULL, 0, 1);
    assert_int_equal(threads(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(message_published_comes_back_with_its_acknowledgement,
                                        agent_net_set_up, agent_net_tear_down),
        cmocka_unit_test_setup_teardown(every_tls_version_from_1_2_on_works, agent_net_set_up,
                                        agent_net_tear_down),
        cmocka_unit_test_setup_teardown(address_is_as_good_as_a_name, agent_net_set_up,
                                        agent_net_tear_down),
        cmocka_unit_test_setup_teardown(several_connections_follow_each_other, agent_net_set_up,
                                        agent_net_tear_down),
        cmocka_unit_test_setup_teardown(
            will_is_published_when_the_device_vanishes_and_not_when_it_leaves, agent_net_set_up,
            agent_net_tear_down),
        cmocka_unit_test_setup_teardown(
            first_contact_with_our_plugin_is_refused_and_the_second_works, agent_net_set_up,
            agent_net_tear_down),
        cmocka_unit_test_setup_teardown(broker_that_dies_closes_the_connection, agent_net_set_up,
                                        agent_net_tear_down),
        cmocka_unit_test_setup_teardown(message_that_is_too_large_is_seen_to_be, agent_net_set_up,
                                        agent_net_tear_down),
        cmocka_unit_test_setup_teardown(flood_of_messages_ends_the_connection, agent_net_set_up,
                                        agent_net_tear_down),
        cmocka_unit_test_setup_teardown(no_thread_is_left, agent_net_set_up, agent_net_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
