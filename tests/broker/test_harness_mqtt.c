/*
 * The test client's MQTT, against a stock broker without our plugin: what it reports must be true
 * before anything is concluded from it.
 *
 * ctest labels: valgrind
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <sys/stat.h>

#include <cmocka.h>

#include "support/broker.h"
#include "support/expect.h"
#include "support/tmp.h"

struct fixture {
    char *dir;
    struct broker *broker; /* without TLS; two users, and rights by acl_file */
};

static const char *const users[] = { "alice", "secret-a", "bob", "secret-b", NULL };
static const enum mqtt_version mqtt_versions[] = { MQTT_V311, MQTT_V5 };

static const char *write_acl(const struct fixture *f)
{
    static char lines[TMP_PATH_MAX + 16];
    char path[TMP_PATH_MAX];
    FILE *acl = fopen(tmp_path(f->dir, "acl", path), "we");

    assert_non_null(acl);
    (void)fputs("user alice\ntopic readwrite open/#\ntopic read shut/#\n"
                "user bob\ntopic readwrite #\n",
                acl);
    assert_int_equal(fclose(acl), 0);
    assert_int_equal(chmod(path, 0600), 0);
    (void)snprintf(lines, sizeof lines, "acl_file %s", path);
    return lines;
}

static int set_up(void **state)
{
    static struct fixture f;

    f.dir = tmp_new();
    f.broker = broker_start(&(struct broker_options){
        .dir = f.dir, .plain = true, .users = users, .lines = write_acl(&f) });
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    broker_free(f->broker);
    tmp_free(f->dir);
    return 0;
}

static struct mqtt_options as_alice(const struct fixture *f, const char *client_id,
                                    enum mqtt_version version)
{
    return (struct mqtt_options){ .port = broker_plain_port(f->broker),
                                  .client_id = client_id,
                                  .username = "alice",
                                  .password = "secret-a",
                                  .version = version };
}

static struct mqtt *alice(const struct fixture *f, const char *client_id, enum mqtt_version version)
{
    const struct mqtt_options o = as_alice(f, client_id, version);

    return expect_connected(&o);
}

static void connection_comes_from_the_address_it_was_told_to(void **state)
{
    struct fixture *f = *state;
    struct mqtt_options o = as_alice(f, "elsewhere", MQTT_V311);
    const size_t mark = broker_log_mark(f->broker);

    o.source = "127.0.0.5";
    mqtt_free(expect_connected(&o));
    broker_expect_log(f->broker, mark, "New client connected from 127.0.0.5:");
}

/* ---- refusals in MQTT ------------------------------------------------------------------------ */

static void wrong_password_is_refused_in_the_connack(void **state)
{
    struct fixture *f = *state;
    struct mqtt_options v3 = as_alice(f, "wrong", MQTT_V311), v5 = as_alice(f, "wrong", MQTT_V5);

    v3.password = v5.password = "guess";
    expect_connack(&v3, 5);
    expect_connack(&v5, 135);
    v3.username = v3.password = v5.username = v5.password = NULL;
    expect_connack(&v3, 5);
    expect_connack(&v5, 135);
}

static void publish_before_connect_is_dropped_without_a_word(void **state)
{
    struct fixture *f = *state;
    struct mqtt_options o = as_alice(f, "rude", MQTT_V311);
    struct mqtt *c;

    o.hold_connect = true;
    c = mqtt_start(&o);
    assert_true(mqtt_wait_secured(c));
    (void)mqtt_submit_publish(c, &(struct mqtt_publish){ .topic = "open/a" });
    expect_closed(c);
    assert_int_equal(mqtt_report(c)->connack, -1);
    mqtt_free(c);
}

static void connect_goes_out_when_it_is_let_go(void **state)
{
    struct fixture *f = *state;
    struct mqtt_options o = as_alice(f, "patient", MQTT_V311);
    struct mqtt *c;

    o.hold_connect = true;
    c = mqtt_start(&o);
    assert_true(mqtt_wait_secured(c));
    assert_int_equal(mqtt_report(c)->connack, -1);
    mqtt_submit_connect(c);
    assert_int_equal(mqtt_wait_connack(c), 0);
    mqtt_free(c);
}

static void reason_for_being_disconnected_is_told_in_mqtt_5(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < 2; i++) {
        struct mqtt *c = alice(f, "", mqtt_versions[i]);

        mqtt_submit_raw(c, PROV_LIT("\x02\x00")); /* a packet type that is reserved */
        expect_closed(c);
        assert_int_equal(mqtt_report(c)->disconnect_reason, mqtt_versions[i] == MQTT_V5 ? 130 : -1);
        mqtt_free(c);
    }
}

static void takeover_closes_the_older_connection(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < 2; i++) {
        struct mqtt *first = alice(f, "twin", mqtt_versions[i]);
        struct mqtt *second = alice(f, "twin", mqtt_versions[i]);

        expect_closed(first);
        assert_true(mqtt_ping(second));
        mqtt_free(first);
        mqtt_free(second);
    }
}

/* ---- messages -------------------------------------------------------------------------------- */

static void message_reaches_its_subscriber_whole(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < 4; i++) {
        struct mqtt *c = alice(f, "", mqtt_versions[i % 2]);
        const uint8_t qos = (uint8_t)(i / 2);
        struct mqtt_message *m;

        assert_int_equal(mqtt_subscribe(c, "open/+", qos), qos);
        assert_int_equal(mqtt_publish(c, &(struct mqtt_publish){ .topic = "open/a",
                                                                 .payload = PROV_LIT("a\0b"),
                                                                 .qos = qos }),
                         0);
        m = mqtt_wait_message(c, "open/a");
        assert_non_null(m);
        assert_int_equal(m->n, 3);
        assert_memory_equal(m->payload, "a\0b", 3);
        assert_int_equal(m->qos, qos);
        assert_false(m->retain);
        assert_false(m->dup);
        mqtt_message_free(m);
        assert_int_equal(mqtt_unsubscribe(c, "open/+"), 0);
        assert_int_equal(mqtt_publish(c, &(struct mqtt_publish){ .topic = "open/a", .qos = qos }),
                         mqtt_versions[i % 2] == MQTT_V5 && qos == 1 ? 16 : 0);
        expect_silence(c, NULL);
        mqtt_free(c);
    }
}

struct seen {
    unsigned n;
    uint8_t qos;
    char topic[16], payload[16];
};

static void see(void *ctx, const struct mqtt_view *message)
{
    struct seen *seen = ctx;

    seen->n++;
    seen->qos = message->qos;
    assert_true(prov_span_copy(message->topic, seen->topic, sizeof seen->topic));
    assert_true(prov_span_copy(message->payload, seen->payload, sizeof seen->payload));
}

static void message_goes_to_the_function_that_was_given_and_is_acknowledged(void **state)
{
    struct fixture *f = *state;
    struct mqtt_options o = as_alice(f, "watcher", MQTT_V311);
    struct mqtt *c, *sender = alice(f, "sender", MQTT_V311);
    struct seen seen = { .n = 0 };

    o.on_message = see;
    o.ctx = &seen;
    o.keep_session = true;
    c = expect_connected(&o);
    assert_int_equal(mqtt_subscribe(c, "open/a", 1), 1);
    assert_int_equal(mqtt_publish(sender, &(struct mqtt_publish){ .topic = "open/a",
                                                                  .payload = PROV_LIT("seen"),
                                                                  .qos = 1 }),
                     0);
    assert_true(mqtt_ping(c));
    assert_int_equal(seen.n, 1);
    assert_int_equal(seen.qos, 1);
    assert_string_equal(seen.topic, "open/a");
    assert_string_equal(seen.payload, "seen");
    assert_null(mqtt_take_message(c, NULL));
    assert_true(mqtt_ping(c)); /* the acknowledgement has gone before it */
    mqtt_free(c);
    mqtt_free(sender);

    c = expect_connected(&o); /* what is not acknowledged would come again */
    assert_true(mqtt_ping(c));
    assert_int_equal(seen.n, 1);
    mqtt_free(c);
    o.keep_session = false;
    mqtt_free(expect_connected(&o));
}

static void message_can_be_sent_without_looking_for_what_came(void **state)
{
    struct fixture *f = *state;
    struct mqtt *c = alice(f, "reader", MQTT_V311), *sender = alice(f, "sender", MQTT_V311);
    const struct mqtt_publish publish = { .topic = "open/a", .payload = PROV_LIT("x"), .qos = 1 };
    struct mqtt_answer answer;
    uint16_t id;

    assert_int_equal(mqtt_subscribe(c, "open/a", 0), 0);
    id = mqtt_submit_publish(sender, &publish);
    mqtt_send(sender);
    expect_message(c, "open/a", "x");
    mqtt_send(sender);
    assert_false(mqtt_take_answer(sender, id, &answer));
    assert_true(mqtt_ping(sender));
    assert_true(mqtt_take_answer(sender, id, &answer));
    mqtt_free(sender);
    mqtt_free(c);
}

static void retained_message_waits_for_a_subscriber(void **state)
{
    struct fixture *f = *state;
    struct mqtt *c = alice(f, "", MQTT_V311);
    struct mqtt_message *m;

    assert_int_equal(mqtt_publish(c, &(struct mqtt_publish){ .topic = "open/kept",
                                                             .payload = PROV_LIT("k"),
                                                             .qos = 1,
                                                             .retain = true }),
                     0);
    assert_int_equal(mqtt_subscribe(c, "open/kept", 0), 0);
    m = mqtt_wait_message(c, "open/kept");
    assert_non_null(m);
    assert_true(m->retain);
    mqtt_message_free(m);
    mqtt_free(c);
}

static void denied_publish_and_subscribe_are_told_apart_from_allowed_ones(void **state)
{
    struct fixture *f = *state;
    struct mqtt *v3 = alice(f, "", MQTT_V311), *v5 = alice(f, "", MQTT_V5);
    const struct mqtt_publish shut = { .topic = "shut/a", .qos = 1 };

    assert_int_equal(mqtt_publish(v3, &shut), 0); /* 3.1.1 has no word for it */
    assert_int_equal(mqtt_publish(v5, &shut), 135);
    assert_int_equal(mqtt_subscribe(v3, "neither/a", 0), 0);
    mqtt_free(v3);
    mqtt_free(v5);
}

static void properties_of_a_message_are_found(void **state)
{
    struct fixture *f = *state;
    struct mqtt *c = alice(f, "", MQTT_V5);
    struct mqtt_message *m;
    struct prov_span value;

    assert_int_equal(mqtt_subscribe(c, "open/p", 0), 0);
    (void)mqtt_submit_publish(c, &(struct mqtt_publish){ .topic = "open/p",
                                                         .props = PROV_LIT("\x08\0\2r1"
                                                                           "\x26\0\1k\0\1v"
                                                                           "\x09\0\3xyz") });
    m = mqtt_wait_message(c, "open/p");
    assert_non_null(m);
    assert_true(mqtt_prop(m->props, 0x08, &value));
    assert_true(prov_span_eq_str(value, "r1"));
    assert_true(mqtt_prop(m->props, 0x26, &value));
    assert_true(prov_span_eq(value, PROV_LIT("\0\1k\0\1v")));
    assert_true(mqtt_prop(m->props, 0x09, &value));
    assert_true(prov_span_eq_str(value, "xyz"));
    assert_false(mqtt_prop(m->props, 0x03, &value));
    mqtt_message_free(m);
    mqtt_free(c);
}

static void unacknowledged_message_comes_again(void **state)
{
    struct fixture *f = *state;
    struct mqtt_options o = as_alice(f, "forgetful", MQTT_V311);
    struct mqtt_message *m;
    struct mqtt *c;

    o.keep_session = true;
    o.hold_acks = true;
    c = expect_connected(&o);
    assert_false(mqtt_report(c)->session_present);
    assert_int_equal(mqtt_subscribe(c, "open/q", 1), 1);
    assert_int_equal(mqtt_publish(c, &(struct mqtt_publish){ .topic = "open/q", .qos = 1 }), 0);
    m = mqtt_wait_message(c, "open/q");
    assert_non_null(m);
    assert_false(m->dup);
    mqtt_message_free(m);
    mqtt_free(c);

    c = expect_connected(&o);
    assert_true(mqtt_report(c)->session_present);
    m = mqtt_wait_message(c, "open/q");
    assert_non_null(m);
    assert_true(m->dup);
    mqtt_submit_puback(c, m->id);
    mqtt_message_free(m);
    assert_true(mqtt_goodbye(c));
    mqtt_free(c);

    c = expect_connected(&o);
    expect_silence(c, NULL);
    mqtt_free(c);
}

static void session_is_present_only_where_one_was_kept(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < 2; i++) {
        struct mqtt_options o = as_alice(f, "keeper", mqtt_versions[i]);
        struct mqtt *c = expect_connected(&o); /* a clean one ends what there was */

        assert_true(mqtt_goodbye(c));
        mqtt_free(c);
        o.keep_session = true;
        o.session_expiry_s = 60;
        c = expect_connected(&o);
        assert_false(mqtt_report(c)->session_present);
        assert_true(mqtt_goodbye(c));
        mqtt_free(c);
        c = expect_connected(&o);
        assert_true(mqtt_report(c)->session_present);
        mqtt_free(c);
    }
}

static void broker_chooses_a_client_id_where_none_is_given(void **state)
{
    struct fixture *f = *state;
    struct mqtt *c = alice(f, NULL, MQTT_V5);

    assert_string_not_equal(mqtt_report(c)->assigned_id, "");
    mqtt_free(c);
    c = alice(f, "named", MQTT_V5);
    assert_string_equal(mqtt_report(c)->assigned_id, "");
    mqtt_free(c);
}

/* ---- wills ----------------------------------------------------------------------------------- */

static void will_is_sent_for_a_lost_client_and_not_for_a_polite_one(void **state)
{
    struct fixture *f = *state;
    struct mqtt *watcher = alice(f, "", MQTT_V311);
    const struct mqtt_will will = {
        .topic = "open/will", .payload = PROV_LIT("gone"), .qos = 1, .retain = true
    };

    assert_int_equal(mqtt_subscribe(watcher, "open/will", 1), 1);
    for (size_t i = 0; i < 2; i++) {
        struct mqtt_options o = as_alice(f, "mortal", mqtt_versions[i]);
        struct mqtt *c;

        o.will = &will;
        c = expect_connected(&o);
        assert_true(mqtt_goodbye(c));
        mqtt_free(c);
        expect_silence(watcher, NULL);
        mqtt_free(expect_connected(&o));
        expect_message(watcher, "open/will", "gone");
    }
    mqtt_free(watcher);

    watcher = alice(f, "", MQTT_V311);
    assert_int_equal(mqtt_subscribe(watcher, "open/will", 0), 0);
    expect_message(watcher, "open/will", "gone"); /* it was to be retained */
    mqtt_free(watcher);
}

static void delayed_will_is_withdrawn_by_coming_back(void **state)
{
    struct fixture *f = *state;
    const struct mqtt_will will = { .topic = "open/late", .delay_s = 3600 };
    struct mqtt *watcher = alice(f, "", MQTT_V311), *c;
    struct mqtt_options o = as_alice(f, "returning", MQTT_V5);
    const size_t mark = broker_log_mark(f->broker);

    assert_int_equal(mqtt_subscribe(watcher, "open/late", 0), 0);
    o.will = &will;
    o.session_expiry_s = 7200;
    mqtt_free(expect_connected(&o));
    broker_expect_log(f->broker, mark, "Client returning");
    expect_silence(watcher, NULL);
    c = expect_connected(&o);
    mqtt_submit_disconnect(c, 0);
    expect_closed(c);
    mqtt_free(c);
    expect_silence(watcher, NULL);
    mqtt_free(watcher);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connection_comes_from_the_address_it_was_told_to),
        cmocka_unit_test(wrong_password_is_refused_in_the_connack),
        cmocka_unit_test(publish_before_connect_is_dropped_without_a_word),
        cmocka_unit_test(connect_goes_out_when_it_is_let_go),
        cmocka_unit_test(reason_for_being_disconnected_is_told_in_mqtt_5),
        cmocka_unit_test(takeover_closes_the_older_connection),
        cmocka_unit_test(message_reaches_its_subscriber_whole),
        cmocka_unit_test(message_goes_to_the_function_that_was_given_and_is_acknowledged),
        cmocka_unit_test(message_can_be_sent_without_looking_for_what_came),
        cmocka_unit_test(retained_message_waits_for_a_subscriber),
        cmocka_unit_test(denied_publish_and_subscribe_are_told_apart_from_allowed_ones),
        cmocka_unit_test(properties_of_a_message_are_found),
        cmocka_unit_test(unacknowledged_message_comes_again),
        cmocka_unit_test(session_is_present_only_where_one_was_kept),
        cmocka_unit_test(broker_chooses_a_client_id_where_none_is_given),
        cmocka_unit_test(will_is_sent_for_a_lost_client_and_not_for_a_polite_one),
        cmocka_unit_test(delayed_will_is_withdrawn_by_coming_back),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
