/* Many at once: sessions with one claim, and requests of one session. ctest timeout: 300 */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/deadline.h"
#include "support/fleet_rig.h"

/* ---- sessions -------------------------------------------------------------------------------- */

enum { SESSIONS = 200, ASKS_FOR_KEYS = 77 };

/* One device of the golden image. */
struct one {
    struct rig_link link;
    char name[16];
    struct mqtt *c;
    EVP_PKEY *key; /* NULL: it asks for one */
    struct fleet_ask ask;
    char *body;
    struct fleet_device d;
};

static void connect_all(struct fleet_rig *f, struct one *all)
{
    for (unsigned i = 0; i < SESSIONS; i++) {
        struct one *o = &all[i];

        (void)snprintf(o->name, sizeof o->name, "%u", i);
        o->link = rig_link(&f->rig, &f->claim, o->name);
        o->link.options.tls = &o->link.tls;
        o->c = mqtt_start(&o->link.options);
        assert_non_null(o->c);
    }
    for (unsigned i = 0; i < SESSIONS; i++) {
        if (mqtt_wait_connack(all[i].c) != 0)
            fail_msg("session %u: %s", i, mqtt_story(all[i].c));
    }
}

/* All of them ask before the first one is answered. */
static void create_all(struct one *all)
{
    for (unsigned i = 0; i < SESSIONS; i++) {
        struct one *o = &all[i];

        o->key = i == ASKS_FOR_KEYS ? NULL : pki_key_new(PKI_P256);
        o->body = o->key != NULL ? fleet_csr_body(o->key, o->name) : NULL;
        o->ask = (struct fleet_ask){ o->key != NULL ? PROV_CREATE_FROM_CSR : PROV_CREATE_KEYS,
                                     i & 1 ? PROV_CBOR : PROV_JSON, .body = o->body,
                                     .qos = i & 2 ? 1 : 0 };
        (void)fleet_submit(o->c, &o->ask);
    }
    for (unsigned i = 0; i < SESSIONS; i++)
        mqtt_send(all[i].c);
}

/* fleet_take_device compares the keys. */
static void take_all(struct one *all)
{
    for (unsigned i = 0; i < SESSIONS; i++) {
        struct fleet_answer answer = fleet_take(all[i].c, &all[i].ask);

        all[i].d = fleet_take_device(&answer, all[i].key);
        fleet_release(&answer);
    }
    for (unsigned i = 0; i < SESSIONS; i++)
        expect_silence(all[i].c, NULL);
}

static void register_all(struct one *all)
{
    for (unsigned i = 0; i < SESSIONS; i++) {
        free(all[i].body);
        all[i].body = fleet_register_body(all[i].d.token, all[i].name);
        all[i].ask.op = PROV_REGISTER_THING;
        all[i].ask.body = all[i].body;
        (void)fleet_submit(all[i].c, &all[i].ask);
    }
    for (unsigned i = 0; i < SESSIONS; i++)
        mqtt_send(all[i].c);
    for (unsigned i = 0; i < SESSIONS; i++) {
        struct fleet_answer answer = fleet_take(all[i].c, &all[i].ask);
        char thing[32];

        (void)snprintf(thing, sizeof thing, "pump-%u", i);
        assert_true(answer.accepted);
        assert_string_equal(fleet_text(&answer, "thingName"), thing);
        fleet_release(&answer);
    }
}

static void many_sessions_with_one_claim_each_receive_their_own_certificate(void **state)
{
    static const struct broker_opt opts[] = { { "key_type", "ec-p256" },
                                              { "certificate_burst", "1000" },
                                              { NULL, NULL } };
    struct one *all = calloc(SESSIONS, sizeof *all);
    struct fleet_rig f = { 0 };

    (void)state;
    assert_non_null(all);
    fleet_up(&f, opts);
    connect_all(&f, all);
    create_all(all);
    take_all(all);
    register_all(all);
    fleet_check(&f);
    for (unsigned i = 0; i < SESSIONS; i++) {
        expect_silence(all[i].c, NULL);
        mqtt_free(all[i].c);
        if (i % 16 == 0 || i == ASKS_FOR_KEYS)
            mqtt_free(fleet_join(&f, &all[i].d, all[i].name));
        fleet_device_free(&all[i].d);
        EVP_PKEY_free(all[i].key);
        free(all[i].body);
    }
    free(all);
    fleet_down(&f);
}

/* ---- requests -------------------------------------------------------------------------------- */

/* How the answers to requests of one session came out. */
struct tally {
    unsigned accepted, busy, throttled;
};

/* Without waiting for one before the next; reading all the while, so that nobody stands still. */
static void flood(struct mqtt *c, const struct fleet_ask *ask, unsigned n, struct tally *tally)
{
    const int64_t deadline = deadline_in(120000);
    unsigned sent = 0;

    while (tally->accepted + tally->busy + tally->throttled < n) {
        struct pollfd p = { .fd = mqtt_fd(c), .events = mqtt_wants(c) };
        struct mqtt_message *m;

        if (sent < n) {
            (void)fleet_submit(c, ask);
            sent++;
        } else if (poll(&p, 1, deadline_left(deadline)) == 0) {
            fail_msg("%u accepted, %u busy, %u throttled of %u", tally->accepted, tally->busy,
                     tally->throttled, n);
        }
        mqtt_step(c);
        assert_int_not_equal(mqtt_fd(c), -1);
        while ((m = mqtt_take_message(c, NULL)) != NULL) {
            tally->accepted += strstr((const char *)m->payload, "certificateId") != NULL;
            tally->busy += strstr((const char *)m->payload, "503") != NULL &&
                           strstr((const char *)m->payload, "ServiceUnavailable") != NULL;
            tally->throttled += strstr((const char *)m->payload, "\"Throttling\"") != NULL;
            mqtt_message_free(m);
        }
    }
}

static void thousand_requests_of_one_session_are_all_answered(void **state)
{
    static const struct broker_opt small[] = { { "queue_limit", "64" }, { NULL, NULL } };
    static const struct broker_opt slow[] = { { "claim_per_s", "1" },
                                              { "claim_burst", "100" },
                                              { NULL, NULL } };
    static const struct {
        const struct broker_opt *opts;
        bool all, some_busy, some_throttled;
    } rows[] = {
        { NULL, true, false, false },
        { small, false, true, false },
        { slow, false, false, true },
    };
    enum { REQUESTS = 1000 };
    EVP_PKEY *key = pki_key_new(PKI_P256);
    char *body = fleet_csr_body(key, "pump");
    const struct fleet_ask ask = { PROV_CREATE_FROM_CSR, PROV_JSON, .body = body };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct tally tally = { 0 };
        struct fleet_rig f = { 0 };
        struct pki_cert other_claim;
        struct fleet_device d;
        struct mqtt *c, *other;

        rig_prepare(&f.rig, &(struct rig_spec){ .opts = rows[i].opts });
        fleet_fill(&f);
        rig_start(&f.rig);
        other_claim = fleet_make_claim(&f, "another image", "claim");
        other = fleet_connect(&f, &other_claim, "other");
        c = fleet_claim(&f, "blank");
        flood(c, &ask, REQUESTS, &tally);
        assert_int_equal(tally.accepted + tally.busy + tally.throttled, REQUESTS);
        assert_int_equal(tally.accepted == REQUESTS, rows[i].all);
        assert_int_equal(tally.busy != 0, rows[i].some_busy);
        assert_int_equal(tally.throttled != 0, rows[i].some_throttled);
        assert_true(tally.accepted > 0);
        expect_silence(c, NULL);
        d = fleet_create(other, PROV_JSON, "pump");
        fleet_register(other, PROV_JSON, &d, "1");
        fleet_check(&f);
        fleet_device_free(&d);
        pki_free(&other_claim);
        mqtt_free(other);
        mqtt_free(c);
        fleet_down(&f);
    }
    free(body);
    EVP_PKEY_free(key);
}

/* One claim takes half of what may be under way at the most, also where its writer stands still. */
static void claim_that_fills_its_half_of_the_queue_leaves_the_other_half(void **state)
{
    enum { LIMIT = 32, REQUESTS = 40 };
    static const struct broker_opt opts[] = { { "queue_limit", "32" }, { NULL, NULL } };
    EVP_PKEY *key = pki_key_new(PKI_P256);
    char *body = fleet_csr_body(key, "pump");
    const struct fleet_ask ask = { PROV_CREATE_FROM_CSR, PROV_JSON, .body = body, .qos = 1 };
    struct fleet_rig f = { 0 };
    struct pki_cert other_claim;
    struct fleet_answer answer;
    struct mqtt *c, *other;
    struct prov_tx tx;

    (void)state;
    fleet_up(&f, opts);
    other_claim = fleet_make_claim(&f, "another image", "claim");
    c = fleet_claim(&f, "blank");
    other = fleet_connect(&f, &other_claim, "other");
    tx = rig_begin(&f.rig, PROV_TXN_WRITE); /* the broker's writer waits */
    for (unsigned i = 0; i < REQUESTS; i++)
        fleet_send(c, &ask);
    for (unsigned i = 0; i < REQUESTS - LIMIT / 2; i++) {
        answer = fleet_take(c, &ask);
        fleet_check_rejected(&answer, 503, "ServiceUnavailable", NULL, __FILE__, __LINE__);
        fleet_release(&answer);
    }
    fleet_send(other, &ask);
    expect_silence(other, NULL); /* taken on, and not refused */
    rig_end(&tx);
    answer = fleet_take(other, &ask);
    assert_true(answer.accepted);
    fleet_release(&answer);
    for (unsigned i = 0; i < LIMIT / 2; i++) {
        answer = fleet_take(c, &ask);
        assert_true(answer.accepted);
        fleet_release(&answer);
    }
    for (unsigned i = 0; i < LIMIT; i++) { /* and there is room again */
        answer = fleet_call(c, &ask);
        assert_true(answer.accepted);
        fleet_release(&answer);
    }
    expect_silence(c, NULL);
    pki_free(&other_claim);
    free(body);
    EVP_PKEY_free(key);
    mqtt_free(other);
    mqtt_free(c);
    fleet_down(&f);
}

/* ---- room ---------------------------------------------------------------------------------- */

static void store_that_is_full_refuses_and_goes_on_refusing(void **state)
{
    static const struct broker_opt opts[] = { { "db_max_mb", "1" }, { NULL, NULL } };
    EVP_PKEY *key = pki_key_new(PKI_P256);
    char *body = fleet_csr_body(key, "pump");
    const struct fleet_ask ask = { PROV_CREATE_FROM_CSR, PROV_JSON, .body = body, .qos = 1 };
    struct fleet_rig f = { 0 };
    struct fleet_answer answer;
    unsigned refused = 0;
    struct mqtt *c;

    (void)state;
    fleet_up(&f, opts);
    c = fleet_claim(&f, "blank");
    for (unsigned i = 0; i < 3000 && refused < 5; i++) {
        answer = fleet_call(c, &ask);
        if (!answer.accepted) {
            fleet_check_rejected(&answer, 500, "InternalFailure", NULL, __FILE__, __LINE__);
            refused++;
        }
        fleet_release(&answer);
    }
    assert_int_equal(refused, 5);
    assert_true(mqtt_ping(c));
    fleet_check(&f);
    free(body);
    EVP_PKEY_free(key);
    mqtt_free(c);
    fleet_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_sessions_with_one_claim_each_receive_their_own_certificate),
        cmocka_unit_test(thousand_requests_of_one_session_are_all_answered),
        cmocka_unit_test(claim_that_fills_its_half_of_the_queue_leaves_the_other_half),
        cmocka_unit_test(store_that_is_full_refuses_and_goes_on_refusing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
