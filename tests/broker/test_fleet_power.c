/* The power fails in the middle of it: nothing is half made, and a device that tries again gets
 * through. ctest timeout: 300 */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/fleet_rig.h"

/* How far the exchange gets before the broker is killed. */
enum step { CREATE_SENT, CREATE_ANSWERED, REGISTER_SENT, REGISTER_ANSWERED, STEPS };

/* Lets the broker go on for as long as it takes to look at a socket n times. */
static void linger(struct mqtt *c, unsigned n)
{
    struct pollfd p = { .fd = mqtt_fd(c), .events = POLLIN };

    for (unsigned i = 0; i < n; i++)
        (void)poll(&p, 1, 0);
}

/* What the device holds when it is over: a token, if it got as far as that. */
static bool go_as_far_as(struct fleet_rig *f, enum step step, enum prov_format format,
                         unsigned delay, const char *serial, struct fleet_device *d)
{
    struct mqtt *c = fleet_claim(f, "blank");
    EVP_PKEY *key = pki_key_new(PKI_P256);
    char *body = fleet_csr_body(key, "pump");
    const bool has_token = step != CREATE_SENT;
    struct fleet_ask ask = { PROV_CREATE_FROM_CSR, format, .body = body, .qos = 1 };

    if (has_token)
        *d = fleet_create(c, format, "pump");
    if (step == REGISTER_ANSWERED)
        fleet_register(c, format, d, serial);
    if (step == REGISTER_SENT) {
        free(body);
        body = fleet_register_body(d->token, serial);
        ask.op = PROV_REGISTER_THING;
        ask.body = body;
    }
    if (step == CREATE_SENT || step == REGISTER_SENT) {
        (void)fleet_submit(c, &ask);
        mqtt_send(c);
        linger(c, delay);
    }
    broker_kill(f->rig.broker);
    mqtt_free(c);
    free(body);
    EVP_PKEY_free(key);
    return has_token;
}

/* Things, policies and a status, or none of it. */
static void expect_whole(struct fleet_rig *f, const struct fleet_device *d, const char *thing)
{
    struct prov_tx tx = rig_begin(&f->rig, PROV_TXN_READ);
    struct prov_cert cert;
    bool registered;

    rig_ok(&tx, prov_cert_get(&tx, &d->id, &cert));
    registered = cert.status == PROV_CERT_ACTIVE;
    assert_int_equal(cert.n_things, registered);
    assert_int_equal(cert.n_policies, registered);
    prov_txn_abort(tx.txn);
    assert_int_equal(rig_has_thing(&f->rig, thing), registered);
}

static void power_cut_at_any_step_leaves_nothing_half_made_and_a_retry_works(void **state)
{
    struct fleet_rig f = { 0 };
    unsigned seed = 1;

    (void)state;
    fleet_up(&f, NULL);
    for (unsigned i = 0; i < 6 * STEPS; i++) {
        const enum step step = (enum step)(i % STEPS);
        const enum prov_format format = i & 4 ? PROV_CBOR : PROV_JSON;
        struct fleet_device d;
        char serial[16], thing[32];
        struct mqtt *c;
        bool has_token;

        seed = seed * 1103515245 + 12345; /* the same cuts each time, as far as timing goes */
        (void)snprintf(serial, sizeof serial, "%u", i);
        (void)snprintf(thing, sizeof thing, "pump-%u", i);
        has_token = go_as_far_as(&f, step, format, (seed >> 16) % 20000, serial, &d);
        fleet_check(&f);
        if (has_token)
            expect_whole(&f, &d, thing);
        broker_restart(f.rig.broker, NULL);
        c = fleet_claim(&f, "blank");
        if (!has_token)
            d = fleet_create(c, format, "pump");
        fleet_register(c, format, &d, serial);
        mqtt_free(c);
        c = fleet_join(&f, &d, serial);
        mqtt_free(c);
        fleet_device_free(&d);
    }
    fleet_check(&f);
    fleet_down(&f);
}

/* What was answered is durable: an answer that was seen is never taken back. */
static void answer_that_was_seen_holds_after_a_power_cut(void **state)
{
    struct fleet_rig f = { 0 };
    struct mqtt *c;

    (void)state;
    fleet_up(&f, NULL);
    for (unsigned i = 0; i < 6; i++) {
        struct fleet_device d[2];
        char serial[16];

        (void)snprintf(serial, sizeof serial, "%u", i);
        c = fleet_claim(&f, "blank");
        d[0] = fleet_create(c, PROV_JSON, "pump");
        fleet_register(c, PROV_JSON, &d[0], serial);
        d[1] = fleet_create(c, PROV_CBOR, "pump");
        broker_kill(f.rig.broker);
        fleet_expect_status(&f, &d[0].id, PROV_CERT_ACTIVE);
        fleet_expect_status(&f, &d[1].id, PROV_CERT_PENDING_ACTIVATION);
        mqtt_free(c);
        broker_restart(f.rig.broker, NULL);
        c = fleet_join(&f, &d[0], serial);
        mqtt_free(c);
        for (unsigned j = 0; j < 2; j++)
            fleet_device_free(&d[j]);
    }
    fleet_check(&f);
    fleet_down(&f);
}

/* With the writer held up, the broker is killed while several wait: none of them is there then. */
static void requests_that_wait_when_the_power_fails_leave_nothing(void **state)
{
    enum { CLIENTS = 8 };
    struct fleet_rig f = { 0 };
    struct fleet_device d[CLIENTS];
    struct mqtt *c[CLIENTS];
    char *before, *after, name[16];
    struct prov_tx tx;

    (void)state;
    fleet_up(&f, NULL);
    for (unsigned i = 0; i < CLIENTS; i++) {
        (void)snprintf(name, sizeof name, "%u", i);
        c[i] = fleet_claim(&f, name);
        d[i] = fleet_create(c[i], PROV_JSON, "pump");
    }
    before = fleet_dump(&f);
    tx = rig_begin(&f.rig, PROV_TXN_WRITE);
    for (unsigned i = 0; i < CLIENTS; i++) {
        char *body;

        (void)snprintf(name, sizeof name, "%u", i);
        body = fleet_register_body(d[i].token, name);
        fleet_send(c[i],
                   &(struct fleet_ask){ PROV_REGISTER_THING, PROV_JSON, .body = body, .qos = 1 });
        expect_silence(c[i], NULL);
        free(body);
    }
    broker_kill(f.rig.broker);
    prov_txn_abort(tx.txn);
    after = fleet_dump(&f);
    assert_string_equal(before, after);
    fleet_check(&f);
    broker_restart(f.rig.broker, NULL);
    for (unsigned i = 0; i < CLIENTS; i++) {
        mqtt_free(c[i]);
        (void)snprintf(name, sizeof name, "%u", i);
        c[i] = fleet_claim(&f, name);
        fleet_register(c[i], PROV_JSON, &d[i], name);
        mqtt_free(c[i]);
        fleet_device_free(&d[i]);
    }
    free(before);
    free(after);
    fleet_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(power_cut_at_any_step_leaves_nothing_half_made_and_a_retry_works),
        cmocka_unit_test(answer_that_was_seen_holds_after_a_power_cut),
        cmocka_unit_test(requests_that_wait_when_the_power_fails_leave_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
