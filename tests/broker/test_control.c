/* The control API over MQTT: who may call it, and whom its answers reach. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/ident.h"
#include "support/operator.h"

#define LIST "{\"commands\":[{\"command\":\"listThings\"}]}"

static void operator_works_with_the_registry(void **state)
{
    struct rig rig;
    struct mqtt *op;
    cJSON *one;

    (void)state;
    operator_up(&rig, &(struct rig_spec){ 0 });
    op = operator_connect(&rig, "operator");
    one = operator_call(op, "{\"command\":\"createThing\",\"thingName\":\"pump\","
                            "\"correlationData\":\"a-1\"}");
    assert_string_equal(operator_text(one, "command"), "createThing");
    assert_string_equal(operator_text(one, "correlationData"), "a-1");
    assert_string_equal(operator_text(cJSON_GetObjectItemCaseSensitive(one, "data"), "thingName"),
                        "pump");
    cJSON_Delete(one);
    assert_true(rig_has_thing(&rig, "pump")); /* durable before it is answered */
    one = operator_call(op, "{\"command\":\"describeThing\",\"thingName\":\"valve\"}");
    assert_string_equal(operator_text(one, "errorCode"), "ResourceNotFoundException");
    assert_null(cJSON_GetObjectItemCaseSensitive(one, "data"));
    cJSON_Delete(one);
    mqtt_free(op);
    rig_down(&rig);
}

static void batch_runs_in_order_and_a_failing_command_undoes_itself_alone(void **state)
{
    struct rig rig;
    struct mqtt *op;
    cJSON *answer;
    const cJSON *responses;

    (void)state;
    operator_up(&rig, &(struct rig_spec){ 0 });
    op = operator_connect(&rig, "operator");
    operator_send(op, "{\"commands\":[{\"command\":\"createThing\",\"thingName\":\"a\"},"
                      "{\"command\":\"createThing\",\"thingName\":\"b c\"},"
                      "{\"command\":\"createThing\",\"thingName\":\"d\"},"
                      "{\"command\":\"deleteThing\",\"thingName\":\"a\"}]}");
    answer = operator_answer(op);
    responses = cJSON_GetObjectItemCaseSensitive(answer, "responses");
    assert_int_equal(cJSON_GetArraySize(responses), 4);
    for (int i = 0; i < 4; i++)
        assert_int_equal(
            cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(responses, i), "error") != NULL,
            i == 1);
    cJSON_Delete(answer);
    assert_false(rig_has_thing(&rig, "a"));
    assert_true(rig_has_thing(&rig, "d"));
    mqtt_free(op);
    rig_down(&rig);
}

static void answers_reach_nobody_who_did_not_ask(void **state)
{
    struct rig rig;
    struct mqtt *op, *watcher, *other;

    (void)state;
    operator_up(&rig, &(struct rig_spec){ 0 });
    watcher = operator_connect(&rig, "watcher");
    assert_int_equal(mqtt_subscribe(watcher, "$CONTROL/#", 1), 1);
    assert_int_equal(mqtt_subscribe(watcher, OPERATOR_RESPONSE, 1), 1);
    other = operator_connect_as(&rig, "operator", "operator-2");
    op = operator_connect(&rig, "operator");
    for (unsigned i = 0; i < 10; i++)
        cJSON_Delete(operator_call(op, "{\"command\":\"listThings\"}"));
    expect_silence(watcher, NULL);
    expect_silence(other, NULL);
    mqtt_free(op);
    mqtt_free(other);
    mqtt_free(watcher);
    rig_down(&rig);
}

/* Whoever takes the client id over must not get the answer to what its last owner asked. */
static void answer_is_lost_with_the_session_that_asked(void **state)
{
    struct rig rig;

    (void)state;
    operator_up(&rig, &(struct rig_spec){ 0 });
    for (unsigned i = 0; i < 40; i++) {
        struct mqtt *op = operator_connect(&rig, "operator"), *next;
        const uint16_t id = mqtt_submit_publish(
            op, &(struct mqtt_publish){
                    .topic = "$CONTROL/provisioning/v1", .payload = PROV_LIT(LIST), .qos = 1 });

        assert_true(id != 0);
        mqtt_send(op);
        next = mqtt_start(&(struct mqtt_options){ .port = broker_plain_port(rig.broker),
                                                  .client_id = "operator",
                                                  .username = "guest",
                                                  .password = "guest" });
        if (mqtt_wait_connack(next) == 0)
            expect_silence(next, OPERATOR_RESPONSE);
        mqtt_free(next);
        mqtt_free(op);
    }
    rig_down(&rig);
}

static const cJSON *first_of(const cJSON *answer)
{
    return cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(answer, "responses"), 0);
}

/*
 * While somebody else writes to the store, answers wait; and the broker gives the memory of those
 * who have gone to those who come. There are many of both, for glibc keeps the first few pieces to
 * itself.
 */
static void late_answer_reaches_nobody_in_the_place_of_who_asked(void **state)
{
    enum { GUESTS = 24 };
    struct mqtt *guests[GUESTS], *op;
    struct prov_tx tx;
    struct rig rig;

    (void)state;
    operator_up(&rig, &(struct rig_spec){ 0 });
    tx = rig_begin(&rig, PROV_TXN_WRITE);
    for (unsigned i = 0; i < GUESTS; i++) {
        op = operator_connect(&rig, "operator");
        operator_send(op, "{\"commands\":[{\"command\":\"createThing\",\"thingName\":\"a\"}]}");
        assert_true(mqtt_goodbye(op));
        mqtt_free(op);
    }
    for (unsigned i = 0; i < GUESTS; i++) {
        char name[16];

        (void)snprintf(name, sizeof name, "guest-%u", i);
        guests[i] = operator_connect_as(&rig, "guest", name);
    }
    rig_end(&tx);
    op = operator_connect(&rig, "operator");
    while (!rig_has_thing(&rig, "a"))
        assert_true(mqtt_ping(op));
    for (unsigned i = 0; i < 3; i++) /* behind it in every queue there is */
        operator_do(op, "{\"command\":\"createThing\",\"thingName\":\"b\"}");
    for (unsigned i = 0; i < GUESTS; i++) {
        expect_silence(guests[i], NULL);
        mqtt_free(guests[i]);
    }
    mqtt_free(op);
    rig_down(&rig);
}

/* At QoS 1 the broker would keep it, and write it to its persistence file. */
static void answer_that_may_hold_a_private_key_comes_at_qos_0(void **state)
{
    static const struct {
        const char *message;
        uint8_t qos;
    } rows[] = {
        { LIST, 1 },
        { "{\"commands\":[{\"command\":\"createKeysAndCertificate\"}]}", 0 },
        { "{\"commands\":[{\"command\":\"listThings\"},{\"command\":\"createProvisioningClaim\","
          "\"templateName\":\"x\"}]}",
          0 },
    };
    struct mqtt_message *m;
    struct rig rig;
    struct mqtt *op;

    (void)state;
    operator_up(&rig, &(struct rig_spec){ 0 });
    op = operator_connect(&rig, "operator");
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        operator_send(op, rows[i].message);
        m = mqtt_wait_message(op, OPERATOR_RESPONSE);
        assert_non_null(m);
        assert_int_equal(m->qos, rows[i].qos);
        mqtt_message_free(m);
    }
    mqtt_free(op);
    rig_down(&rig);
}

/* In a persistent session, which acknowledges nothing. */
static struct mqtt *operator_keep(const struct rig *rig, const char *user, const char *client_id)
{
    return expect_connected(&(struct mqtt_options){ .port = broker_plain_port(rig->broker),
                                                    .client_id = client_id,
                                                    .username = user,
                                                    .password = user,
                                                    .keep_session = true,
                                                    .hold_acks = true });
}

/* Whoever comes back to a session under this client id may be another user. */
static void answer_in_flight_is_not_sent_to_the_next_connection_of_that_client_id(void **state)
{
    struct rig rig;
    struct mqtt *op;

    (void)state;
    operator_prepare(&rig, &(struct rig_spec){ 0 });
    rig_add_opt(&rig, "other_clients", "allow"); /* no ACL file's word against it */
    rig_start(&rig);
    op = operator_keep(&rig, "operator", "desk");
    cJSON_Delete(operator_call(op, "{\"command\":\"listThings\"}")); /* not acknowledged */
    mqtt_free(op);
    op = operator_keep(&rig, "guest", "desk");
    expect_silence(op, NULL);
    mqtt_free(op);
    rig_down(&rig);
}

static void too_many_requests_are_refused_at_once_and_the_others_answered(void **state)
{
    enum { REQUESTS = 70, TAKEN = 64 };
    struct prov_tx tx;
    struct mqtt *op;
    struct rig rig;
    cJSON *answer;

    (void)state;
    operator_up(&rig, &(struct rig_spec){ 0 });
    op = operator_connect(&rig, "operator");
    tx = rig_begin(&rig, PROV_TXN_WRITE); /* the broker's writer waits */
    for (unsigned i = 0; i < REQUESTS; i++)
        operator_send(op, "{\"commands\":[{\"command\":\"createThing\",\"thingName\":\"a\"}]}");
    for (unsigned i = 0; i < REQUESTS; i++) {
        if (i == REQUESTS - TAKEN)
            rig_end(&tx);
        answer = operator_answer(op);
        if (i < REQUESTS - TAKEN)
            assert_string_equal(operator_text(first_of(answer), "errorCode"),
                                "ThrottlingException");
        else
            assert_null(cJSON_GetObjectItemCaseSensitive(first_of(answer), "error"));
        cJSON_Delete(answer);
    }
    mqtt_free(op);
    rig_down(&rig);
}

static void call_without_the_acl_changes_and_answers_nothing(void **state)
{
    static const char message[] =
        "{\"commands\":[{\"command\":\"createThing\",\"thingName\":\"mine\"}]}";
    static const struct broker_opt allow[] = { { "other_clients", "allow" }, { NULL, NULL } };
    const struct rig_spec specs[] = { { 0 }, { .opts = allow } };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(specs); i++) {
        struct rig rig;
        struct mqtt *guest;

        operator_up(&rig, &specs[i]);
        guest = operator_connect(&rig, "guest");
        operator_send(guest, message);
        expect_silence(guest, NULL);
        assert_false(rig_has_thing(&rig, "mine"));
        mqtt_free(guest);
        rig_down(&rig);
    }
}

static void device_cannot_call_it_whatever_its_policy_says(void **state)
{
    struct rig rig;
    struct pki_cert device;
    struct prov_id id;
    struct prov_tx tx;
    struct mqtt *c;

    (void)state;
    operator_up(&rig, &(struct rig_spec){ 0 });
    device = rig_device(&rig, "dev-1");
    c = rig_join(&rig, &device, "dev-1");
    rig_create_policy(&rig, "all",
                      "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\","
                      "\"Action\":\"iot:*\",\"Resource\":\"*\"}]}");
    assert_int_equal(prov_ident_id(device.x509, &id), PROV_OK);
    tx = rig_begin(&rig, PROV_TXN_WRITE);
    rig_ok(&tx, prov_policy_attach_cert(&tx, PROV_LIT("all"), &id));
    rig_end(&tx);
    (void)mqtt_publish(c, &(struct mqtt_publish){
                              .topic = "$CONTROL/provisioning/v1",
                              .payload = PROV_LIT("{\"commands\":[{\"command\":\"createThing\","
                                                  "\"thingName\":\"mine\"}]}"),
                              .qos = 1 });
    expect_silence(c, NULL);
    rig_expect_attempt(&rig, &device, PROV_REASON_RESERVED_TOPIC);
    assert_false(rig_has_thing(&rig, "mine"));
    mqtt_free(c);
    pki_free(&device);
    rig_down(&rig);
}

static void what_cannot_be_read_is_answered_with_an_error(void **state)
{
    static const struct {
        const char *message, *code;
    } rows[] = {
        { "", "InvalidRequestException" },
        { "nonsense", "InvalidRequestException" },
        { "{}", "InvalidRequestException" },
        { "{\"commands\":7}", "InvalidRequestException" },
        { "{\"commands\":[7]}", "InvalidRequestException" },
        { "{\"commands\":[{\"command\":\"createThin\"}]}", "InvalidRequestException" },
        { "{\"commands\":[{\"command\":\"createThing\"}]}", "InvalidRequestException" },
    };
    struct rig rig;
    struct mqtt *op;

    (void)state;
    operator_up(&rig, &(struct rig_spec){ 0 });
    op = operator_connect(&rig, "operator");
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        cJSON *answer;

        operator_send(op, rows[i].message);
        answer = operator_answer(op);
        assert_string_equal(operator_text(first_of(answer), "errorCode"), rows[i].code);
        cJSON_Delete(answer);
    }
    mqtt_free(op);
    rig_down(&rig);
}

static void oversized_request_is_refused_and_the_next_one_works(void **state)
{
    const size_t n = 5u << 20;
    struct rig rig;
    struct mqtt *op;
    cJSON *answer;
    char *big = malloc(n);

    (void)state;
    assert_non_null(big);
    memset(big, ' ', n);
    operator_up(&rig, &(struct rig_spec){ 0 });
    op = operator_connect(&rig, "operator");
    assert_int_equal(mqtt_publish(op, &(struct mqtt_publish){ .topic = "$CONTROL/provisioning/v1",
                                                              .payload = prov_span(big, n),
                                                              .qos = 1 }),
                     0);
    answer = operator_answer(op);
    assert_string_equal(operator_text(first_of(answer), "errorCode"), "InvalidRequestException");
    cJSON_Delete(answer);
    cJSON_Delete(operator_call(op, "{\"command\":\"listThings\"}"));
    mqtt_free(op);
    free(big);
    rig_down(&rig);
}

static void every_change_leaves_an_audit_line(void **state)
{
    struct rig rig;
    struct mqtt *op;
    size_t mark;

    (void)state;
    operator_up(&rig, &(struct rig_spec){ 0 });
    op = operator_connect(&rig, "operator");
    mark = broker_log_mark(rig.broker);
    operator_do(op, "{\"command\":\"createThing\",\"thingName\":\"pump\"}");
    broker_expect_log(rig.broker, mark,
                      "control outcome=done command=createThing subject=pump user=operator "
                      "client=operator address=127.0.0.1");
    cJSON_Delete(operator_call(op, "{\"command\":\"describeThing\",\"thingName\":\"no\"}"));
    broker_expect_log(rig.broker, mark, "control outcome=ResourceNotFoundException");
    mqtt_free(op);
    rig_down(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operator_works_with_the_registry),
        cmocka_unit_test(batch_runs_in_order_and_a_failing_command_undoes_itself_alone),
        cmocka_unit_test(answers_reach_nobody_who_did_not_ask),
        cmocka_unit_test(answer_is_lost_with_the_session_that_asked),
        cmocka_unit_test(late_answer_reaches_nobody_in_the_place_of_who_asked),
        cmocka_unit_test(answer_that_may_hold_a_private_key_comes_at_qos_0),
        cmocka_unit_test(answer_in_flight_is_not_sent_to_the_next_connection_of_that_client_id),
        cmocka_unit_test(too_many_requests_are_refused_at_once_and_the_others_answered),
        cmocka_unit_test(call_without_the_acl_changes_and_answers_nothing),
        cmocka_unit_test(device_cannot_call_it_whatever_its_policy_says),
        cmocka_unit_test(what_cannot_be_read_is_answered_with_an_error),
        cmocka_unit_test(oversized_request_is_refused_and_the_next_one_works),
        cmocka_unit_test(every_change_leaves_an_audit_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
