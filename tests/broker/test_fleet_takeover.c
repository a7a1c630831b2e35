/* Answers and client ids: an answer is for the session that asked, not for the next one of its
 * name (design D4). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sched.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/deadline.h"
#include "support/fleet_rig.h"

static const struct broker_opt ec_keys[] = { { "key_type", "ec-p256" },
                                             { "certificate_burst", "1000" },
                                             { NULL, NULL } };

/* A connection that may take up what the last one of this name left. */
static struct mqtt *connect_keeping(const struct fleet_rig *f, const struct pki_cert *cert,
                                    const char *client_id, bool hold_acks)
{
    struct rig_link link = rig_link(&f->rig, cert, client_id);

    link.options.tls = &link.tls;
    link.options.keep_session = true;
    link.options.hold_acks = hold_acks;
    return expect_connected(&link.options);
}

static void prepare_hook(struct fleet_rig *f)
{
    char spec[600];
    struct prov_span hook;
    struct prov_tx tx;

    rig_prepare(&f->rig, &(struct rig_spec){ 0 });
    fleet_fill(f);
    fleet_use_hooks(f, "60000");
    hook = prov_span_str(
        fleet_hook(f, "hook", FLEET_WAIT "echo '{\"allowProvisioning\":true}'", spec));
    tx = rig_begin(&f->rig, PROV_TXN_WRITE);
    rig_ok(&tx, prov_template_update(&tx, PROV_LIT(FLEET_TEMPLATE),
                                     &(struct prov_template_change){ .hook = &hook }));
    rig_end(&tx);
    rig_start(&f->rig);
}

/*
 * The pre-provisioning hook stands at a gate while somebody else takes the client id over: another
 * device of the same golden image, or one of another.
 */
static void client_that_takes_over_before_the_answer_is_ready_gets_nothing(void **state)
{
    static const char *const names[] = { "0", "1", "2", "3", "4", "5", "6", "7" };
    struct fleet_rig f = { 0 };
    struct pki_cert other_claim;

    (void)state;
    prepare_hook(&f);
    other_claim = fleet_make_claim(&f, "another image", "claim");
    for (unsigned i = 0; i < PROV_COUNT(names); i++) {
        const struct pki_cert *second = i & 1 ? &other_claim : &f.claim;
        const char *const name = names[i];
        struct mqtt *c = i & 2 ? connect_keeping(&f, &f.claim, name, false) : fleet_claim(&f, name);
        struct fleet_device d = fleet_create(c, PROV_JSON, "pump");
        char *body = fleet_register_body(d.token, name);
        const struct fleet_ask ask = { PROV_REGISTER_THING, PROV_JSON, .body = body,
                                       .qos = i & 4 ? 1 : 0 };
        struct fleet_answer answer;
        struct mqtt *next;
        size_t mark;
        int gate;

        fleet_send(c, &ask);
        gate = fleet_gate(&f);
        next = i & 2 ? connect_keeping(&f, second, name, false) : fleet_connect(&f, second, name);
        expect_closed(c);
        mark = broker_log_mark(f.rig.broker);
        (void)close(gate);
        broker_expect_log(f.rig.broker, mark, "provisioned attempt="); /* now it is answered */
        for (unsigned j = 0; j < 3; j++)
            expect_silence(next, NULL);
        assert_null(mqtt_take_message(c, NULL));

        answer = fleet_call(next, &ask); /* and who has the claim may try again */
        assert_int_equal(answer.accepted, second == &f.claim);
        fleet_release(&answer);
        mqtt_free(next);
        mqtt_free(c);
        free(body);
        fleet_device_free(&d);
    }
    pki_free(&other_claim);
    fleet_down(&f);
}

/* Wherever the answer is by then: with the workers, in the writer, or with the broker. */
static void client_that_takes_over_at_any_moment_gets_nothing(void **state)
{
    struct fleet_rig f = { 0 };
    struct pki_cert other_claim;
    struct fleet_device d;
    struct mqtt *c;

    (void)state;
    fleet_up(&f, ec_keys);
    other_claim = fleet_make_claim(&f, "another image", "claim");
    for (unsigned i = 0; i < 60; i++) {
        const struct fleet_ask ask = { PROV_CREATE_KEYS, i & 1 ? PROV_CBOR : PROV_JSON, .qos = 1 };
        struct rig_link link = rig_link(&f.rig, i & 2 ? &other_claim : &f.claim, "blank");
        struct mqtt *next;

        link.options.tls = &link.tls;
        link.options.keep_session = (i & 4) != 0;
        link.options.hold_connect = true; /* so that nothing is left to do but to send it */
        next = mqtt_start(&link.options);
        assert_true(mqtt_wait_secured(next));
        c = fleet_claim(&f, "blank");
        (void)fleet_submit(c, &ask);
        mqtt_send(c);
        for (unsigned j = 0; j < i / 4; j++) /* later and later */
            assert_true(mqtt_ping(c));
        mqtt_submit_connect(next);
        if (mqtt_wait_connack(next) == 0)
            for (unsigned j = 0; j < 3; j++)
                expect_silence(next, NULL);
        mqtt_free(next);
        mqtt_free(c);
    }
    c = fleet_claim(&f, "blank");
    d = fleet_create(c, PROV_JSON, "1");
    fleet_register(c, PROV_JSON, &d, "1");
    fleet_check(&f);
    mqtt_free(c);
    fleet_device_free(&d);
    pki_free(&other_claim);
    fleet_down(&f);
}

/*
 * Of answers that the broker was handed all at once: while it still writes down the others, the
 * CONNECT comes in that finds the first one queued.
 */
static void client_that_takes_over_while_answers_are_queued_gets_nothing(void **state)
{
    enum { CLIENTS = 32 };
    EVP_PKEY *key = pki_key_new(PKI_P256);
    char *body = fleet_csr_body(key, "pump");
    const struct fleet_ask ask = { PROV_CREATE_FROM_CSR, PROV_JSON, .body = body, .qos = 1 };
    struct fleet_rig f = { 0 };

    (void)state;
    fleet_up(&f, ec_keys);
    for (unsigned i = 0; i < 10; i++) {
        struct rig_link link = rig_link(&f.rig, &f.claim, "0");
        const int64_t deadline = deadline_in(0);
        struct mqtt *c[CLIENTS], *next;
        struct prov_tx tx;
        size_t mark;

        link.options.tls = &link.tls;
        link.options.hold_connect = true;
        next = mqtt_start(&link.options);
        assert_true(mqtt_wait_secured(next));
        for (unsigned j = 0; j < CLIENTS; j++) {
            char name[16];

            (void)snprintf(name, sizeof name, "%u", j);
            c[j] = fleet_claim(&f, name);
        }
        mark = broker_log_mark(f.rig.broker);
        tx = rig_begin(&f.rig, PROV_TXN_WRITE); /* the broker's writer waits */
        for (unsigned j = 0; j < CLIENTS; j++)
            fleet_send(c[j], &ask);
        rig_end(&tx);
        while (!broker_log_has(f.rig.broker, mark, "issued attempt=") && deadline_left(deadline))
            (void)sched_yield();
        mqtt_submit_connect(next);
        mqtt_send(next);
        if (mqtt_wait_connack(next) == 0)
            for (unsigned j = 0; j < 3; j++)
                expect_silence(next, NULL);
        mqtt_free(next);
        for (unsigned j = 0; j < CLIENTS; j++)
            mqtt_free(c[j]);
    }
    free(body);
    EVP_PKEY_free(key);
    fleet_down(&f);
}

/*
 * While somebody else writes to the store, answers wait, and their askers go; the broker gives the
 * memory of those who have gone to those who come.
 */
static void late_answer_reaches_nobody_in_the_place_of_who_asked(void **state)
{
    enum { CLIENTS = 24 };
    const struct fleet_ask ask = { PROV_CREATE_KEYS, PROV_JSON, .qos = 1 };
    struct mqtt *next[CLIENTS], *c;
    struct fleet_answer answer;
    struct fleet_rig f = { 0 };
    struct fleet_device d;
    struct prov_tx tx;
    char name[16];

    (void)state;
    fleet_up(&f, ec_keys);
    c = fleet_claim(&f, "first"); /* keys are being made from now on */
    answer = fleet_call(c, &ask);
    fleet_release(&answer);
    mqtt_free(c);
    tx = rig_begin(&f.rig, PROV_TXN_WRITE);
    for (unsigned i = 0; i < CLIENTS; i++) {
        (void)snprintf(name, sizeof name, "blank-%u", i);
        c = fleet_claim(&f, name);
        fleet_send(c, &ask);
        assert_true(mqtt_goodbye(c));
        mqtt_free(c);
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        (void)snprintf(name, sizeof name, i & 1 ? "blank-%u" : "other-%u", i);
        next[i] = fleet_claim(&f, name);
    }
    rig_end(&tx);
    c = fleet_claim(&f, "last"); /* behind them in every queue there is */
    d = fleet_create(c, PROV_JSON, "1");
    for (unsigned i = 0; i < CLIENTS; i++) {
        expect_silence(next[i], NULL);
        mqtt_free(next[i]);
    }
    mqtt_free(c);
    fleet_device_free(&d);
    fleet_down(&f);
}

/* Asked and told, and not acknowledged. */
static void leave_in_flight(struct mqtt *c, enum prov_fleet_op op)
{
    EVP_PKEY *key = pki_key_new(PKI_P256);
    char *body = op == PROV_CREATE_KEYS ? NULL : fleet_csr_body(key, "pump");
    struct fleet_ask ask = { PROV_CREATE_FROM_CSR, PROV_JSON, .body = body, .qos = 1 };
    struct fleet_answer answer;

    if (op == PROV_CREATE_KEYS)
        ask.op = op;
    answer = fleet_call(c, &ask);
    assert_true(answer.accepted);
    if (op == PROV_REGISTER_THING) {
        struct fleet_device d = fleet_take_device(&answer, key);

        fleet_register(c, PROV_JSON, &d, "1");
        fleet_device_free(&d);
    }
    fleet_release(&answer);
    free(body);
    EVP_PKEY_free(key);
}

/* Not even to the same device: who it is, the broker cannot know. */
static void answer_in_flight_is_not_sent_to_the_next_connection_of_that_client_id(void **state)
{
    struct fleet_rig f = { 0 };
    struct pki_cert other_claim;

    (void)state;
    fleet_up(&f, ec_keys);
    other_claim = fleet_make_claim(&f, "another image", "claim");
    for (unsigned i = 0; i < 4 * PROV_FLEET_OPS; i++) {
        const struct pki_cert *second = i & 1 ? &other_claim : &f.claim;
        struct mqtt *c = connect_keeping(&f, &f.claim, "blank", true), *next;

        leave_in_flight(c, (enum prov_fleet_op)(i / 4));
        if (i & 2)
            mqtt_free(c);
        next = connect_keeping(&f, second, "blank", false);
        for (unsigned j = 0; j < 3; j++)
            expect_silence(next, NULL);
        if (!(i & 2))
            mqtt_free(c);
        mqtt_free(next);
    }
    pki_free(&other_claim);
    fleet_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(client_that_takes_over_before_the_answer_is_ready_gets_nothing),
        cmocka_unit_test(client_that_takes_over_at_any_moment_gets_nothing),
        cmocka_unit_test(client_that_takes_over_while_answers_are_queued_gets_nothing),
        cmocka_unit_test(late_answer_reaches_nobody_in_the_place_of_who_asked),
        cmocka_unit_test(answer_in_flight_is_not_sent_to_the_next_connection_of_that_client_id),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
