/* CreateKeysAndCertificate and CreateCertificateFromCsr: who is answered, where, and how. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <openssl/x509v3.h>

#include <cmocka.h>

#include "support/fleet_rig.h"
#include "support/tmp.h"

static const struct broker_opt ec_keys[] = { { "key_type", "ec-p256" }, { NULL, NULL } };

static char *subject_of(const X509 *cert)
{
    char *line = X509_NAME_oneline(X509_get_subject_name(cert), NULL, 0);

    assert_non_null(line);
    return line;
}

/* Of one that was issued: signed by the issuer, over the CSR's subject, a leaf, not used yet. */
static void check_issued(struct fleet_rig *f, const struct fleet_device *d, const char *subject)
{
    char *said = subject_of(d->cert.x509);

    assert_string_equal(said, subject);
    assert_int_equal(X509_verify(d->cert.x509, f->issuer.key), 1);
    assert_int_equal(X509_check_ca(d->cert.x509), 0);
    fleet_expect_status(f, &d->id, PROV_CERT_PENDING_ACTIVATION);
    OPENSSL_free(said);
}

static void subscribe_to_answers(struct mqtt *c, enum prov_format format)
{
    static const char *const outcomes[] = { "accepted", "rejected" };
    char topic[PROV_MAX_FLEET_TOPIC], filter[PROV_MAX_FLEET_TOPIC + 16];

    for (unsigned i = 0; i < 2 * PROV_FLEET_OPS; i++) {
        fleet_topic(&(struct fleet_ask){ .op = (enum prov_fleet_op)(i / 2), .format = format },
                    topic);
        (void)snprintf(filter, sizeof filter, "%s/%s", topic, outcomes[i % 2]);
        assert_int_equal(mqtt_subscribe(c, filter, 1), 1);
    }
}

/* A key in flight would be in the broker's files, and for whoever takes its session up. */
static void check_qos(const struct fleet_answer *answer, const struct fleet_ask *ask)
{
    const bool secret = answer->accepted && ask->op == PROV_CREATE_KEYS;

    assert_int_equal(answer->message->qos, secret ? 0 : ask->qos);
}

static struct fleet_device create(struct fleet_rig *f, struct mqtt *c, const struct fleet_ask *how)
{
    EVP_PKEY *key = how->op == PROV_CREATE_KEYS ? NULL : pki_key_new(PKI_P256);
    char *body = key != NULL ? fleet_csr_body(key, "pump 7") : NULL;
    struct fleet_ask ask = *how;
    struct fleet_answer answer;
    struct fleet_device d;

    ask.body = body;
    answer = fleet_call(c, &ask);
    check_qos(&answer, &ask);
    d = fleet_take_device(&answer, key);
    check_issued(f, &d, key != NULL ? "/CN=pump 7" : "/CN=AWS IoT Certificate");
    fleet_release(&answer);
    free(body);
    EVP_PKEY_free(key);
    return d;
}

static void register_thing(struct mqtt *c, const struct fleet_ask *how, const char *token,
                           const char *serial)
{
    char *body = fleet_register_body(token, serial);
    struct fleet_ask ask = *how;
    struct fleet_answer answer;

    ask.op = PROV_REGISTER_THING;
    ask.body = body;
    answer = fleet_call(c, &ask);
    assert_true(answer.accepted);
    check_qos(&answer, &ask);
    fleet_release(&answer);
    free(body);
}

static void expect_refused(struct mqtt *c, const struct fleet_ask *how)
{
    for (unsigned i = 0; i < PROV_FLEET_OPS; i++) {
        struct fleet_ask ask = *how;
        struct fleet_answer answer;

        ask.op = (enum prov_fleet_op)i;
        ask.raw = PROV_LIT("nonsense");
        answer = fleet_call(c, &ask);
        check_qos(&answer, &ask);
        fleet_check_rejected(&answer, 400, "InvalidRequest", NULL, __FILE__, __LINE__);
        fleet_release(&answer);
    }
}

/* Each way of asking is answered once, and so is a mistake. */
static void operations_are_answered_in_their_format_and_qos_subscribed_or_not(void **state)
{
    struct fleet_rig f = { 0 };

    (void)state;
    fleet_up(&f, ec_keys);
    for (unsigned i = 0; i < 32; i++) {
        const struct fleet_ask how = { i & 16 ? PROV_CREATE_KEYS : PROV_CREATE_FROM_CSR,
                                       i & 1 ? PROV_CBOR : PROV_JSON, .qos = i & 2 ? 1 : 0 };
        struct mqtt *c = i & 4 ? fleet_connect5(&f, &f.claim, "blank") : fleet_claim(&f, "blank");
        struct fleet_device d;
        char serial[16];

        (void)snprintf(serial, sizeof serial, "%u", i);
        if (i & 8)
            subscribe_to_answers(c, how.format);
        d = create(&f, c, &how);
        register_thing(c, &how, d.token, serial);
        expect_refused(c, &how);
        expect_silence(c, NULL);
        mqtt_free(c);
        c = fleet_join(&f, &d, serial);
        mqtt_free(c);
        fleet_device_free(&d);
    }
    fleet_check(&f);
    fleet_down(&f);
}

static void keys_are_made_for_an_empty_request_of_either_format(void **state)
{
    static const struct {
        enum prov_format format;
        const char *payload;
        size_t n;
        bool accepted;
    } rows[] = {
        { PROV_JSON, "", 0, true },
        { PROV_JSON, "{}", 2, true },
        { PROV_JSON, " {\"a\":1} ", 9, true },
        { PROV_JSON, "[]", 2, false },
        { PROV_JSON, "null", 4, false },
        { PROV_JSON, "\xa0", 1, false },
        { PROV_CBOR, "", 0, true },
        { PROV_CBOR, "\xa0", 1, true },
        { PROV_CBOR, "\xbf\xff", 2, true },
        { PROV_CBOR, "\x80", 1, false },
        { PROV_CBOR, "{}", 2, false },
        { PROV_CBOR, "\xa0\xa0", 2, false },
    };
    struct fleet_rig f = { 0 };
    struct mqtt *c;

    (void)state;
    fleet_up(&f, ec_keys);
    c = fleet_claim(&f, "blank");
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        const struct fleet_ask ask = { PROV_CREATE_KEYS, rows[i].format,
                                       .raw = prov_span(rows[i].payload, rows[i].n), .qos = 1 };
        struct fleet_answer answer = fleet_call(c, &ask);

        if (rows[i].accepted) {
            struct fleet_device d = fleet_take_device(&answer, NULL);

            check_issued(&f, &d, "/CN=AWS IoT Certificate");
            fleet_device_free(&d);
        } else {
            fleet_check_rejected(&answer, 400, "InvalidRequest", NULL, __FILE__, __LINE__);
        }
        fleet_release(&answer);
    }
    mqtt_free(c);
    fleet_down(&f);
}

static void keys_are_rsa_2048_unless_the_setting_says_otherwise(void **state)
{
    static const struct broker_opt few[] = { { "key_pool", "1" }, { NULL, NULL } };
    static const struct {
        const struct broker_opt *opts;
        const char *begins;
        int bits;
    } rows[] = {
        { few, "-----BEGIN RSA PRIVATE KEY-----\n", 2048 },
        { ec_keys, "-----BEGIN EC PRIVATE KEY-----\n", 256 },
    };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        const struct fleet_ask ask = { PROV_CREATE_KEYS, PROV_JSON, .qos = 1 };
        struct fleet_rig f = { 0 };
        struct fleet_answer answer;
        struct fleet_device d;
        struct mqtt *c;

        fleet_up(&f, rows[i].opts);
        c = fleet_claim(&f, "blank");
        answer = fleet_call(c, &ask);
        d = fleet_take_device(&answer, NULL);
        assert_int_equal(EVP_PKEY_bits(d.cert.key), rows[i].bits);
        assert_memory_equal(fleet_text(&answer, "privateKey"), rows[i].begins,
                            strlen(rows[i].begins));
        fleet_release(&answer);
        fleet_register(c, PROV_JSON, &d, "1");
        mqtt_free(c);
        c = fleet_join(&f, &d, "1");
        assert_true(mqtt_ping(c));
        mqtt_free(c);
        fleet_device_free(&d);
        fleet_down(&f);
    }
}

/* ---- MQTT 5 ---------------------------------------------------------------------------------- */

static void put_prop(struct prov_buf *props, uint8_t id, struct prov_span value)
{
    prov_buf_add_u8(props, id);
    prov_buf_add_u8(props, (uint8_t)(value.n >> 8));
    prov_buf_add_u8(props, (uint8_t)value.n);
    prov_buf_add(props, value);
}

enum { RESPONSE_TOPIC = 0x08, CORRELATION_DATA = 0x09 };

static void correlation_data_and_response_topic_are_honoured_and_nothing_is_made_up(void **state)
{
    static const struct {
        bool correlated;
        struct prov_span data;
        const char *topic;
    } rows[] = {
        { false, { NULL, 0 }, NULL },
        { true, { (const uint8_t *)"\0\xff-7", 4 }, NULL },
        { true, { (const uint8_t *)"", 0 }, NULL },
        { false, { NULL, 0 }, "blank/answers" },
        { true, { (const uint8_t *)"8", 1 }, "blank/answers" },
    };
    struct fleet_rig f = { 0 };
    struct mqtt *c;

    (void)state;
    fleet_up(&f, ec_keys);
    c = fleet_connect5(&f, &f.claim, "blank");
    for (size_t i = 0; i < 2 * PROV_COUNT(rows); i++) {
        const bool good = i % 2 == 0;
        struct fleet_ask ask = { PROV_CREATE_KEYS, PROV_JSON, .body = good ? "{}" : "[]",
                                 .qos = 1 };
        const char *topic = rows[i / 2].topic;
        struct mqtt_message *m;
        struct prov_buf props;
        struct prov_span data;

        prov_buf_init(&props, 256);
        if (topic != NULL)
            put_prop(&props, RESPONSE_TOPIC, prov_span_str(topic));
        if (rows[i / 2].correlated)
            put_prop(&props, CORRELATION_DATA, rows[i / 2].data);
        ask.props = prov_buf_span(&props);
        fleet_send(c, &ask);
        m = mqtt_wait_message(c, NULL);
        assert_non_null(m);
        if (topic == NULL)
            topic = good ? "$aws/certificates/create/json/accepted"
                         : "$aws/certificates/create/json/rejected";
        assert_string_equal(m->topic, topic);
        /* a refusal may be kept, but for what is said on a topic of the device's own */
        assert_int_equal(m->qos, !good && rows[i / 2].topic == NULL);
        assert_non_null(strstr((const char *)m->payload, good ? "privateKey" : "InvalidRequest"));
        assert_int_equal(mqtt_prop(m->props, CORRELATION_DATA, &data), rows[i / 2].correlated);
        if (rows[i / 2].correlated)
            assert_true(prov_span_eq(data, rows[i / 2].data));
        assert_false(mqtt_prop(m->props, RESPONSE_TOPIC, &data));
        mqtt_message_free(m);
        prov_buf_release(&props);
    }
    mqtt_free(c);
    fleet_down(&f);
}

/* ---- PUBACK ---------------------------------------------------------------------------------- */

/* The provider stands at a gate, so the answer cannot have come when the PUBACK does. */
static void request_is_acknowledged_before_it_is_answered(void **state)
{
    struct fleet_rig f = { 0 };
    EVP_PKEY *key = pki_key_new(PKI_P256);
    char *body = fleet_csr_body(key, "pump"), spec[600];
    const struct fleet_ask ask = { PROV_CREATE_FROM_CSR, PROV_JSON, .body = body, .qos = 1 };
    struct fleet_answer answer;
    struct mqtt *c;
    int gate;

    (void)state;
    rig_prepare(&f.rig, &(struct rig_spec){ 0 });
    fleet_fill(&f);
    fleet_use_hooks(&f, "60000");
    rig_add_opt(&f.rig, "certificate_provider",
                fleet_hook(&f, "provider", FLEET_WAIT "echo nothing", spec));
    rig_start(&f.rig);
    c = fleet_claim(&f, "blank");
    fleet_send(c, &ask);
    gate = fleet_gate(&f);
    expect_silence(c, NULL);
    (void)close(gate);
    answer = fleet_take(c, &ask);
    fleet_check_rejected(&answer, 500, "InternalFailure", NULL, __FILE__, __LINE__);
    fleet_release(&answer);
    mqtt_free(c);
    free(body);
    EVP_PKEY_free(key);
    fleet_down(&f);
}

/* Who may not publish there is told nothing, and nothing is made for it. */
static void request_that_the_policy_does_not_allow_is_not_answered(void **state)
{
    struct fleet_rig f = { 0 };
    char *before, *after;
    struct fleet_device d;
    struct mqtt *c;

    (void)state;
    fleet_up(&f, ec_keys);
    d = fleet_provision(&f, "1");
    c = fleet_join(&f, &d, "1");
    before = fleet_dump(&f);
    for (unsigned i = 0; i < PROV_FORMATS; i++)
        fleet_send(c, &(struct fleet_ask){ PROV_CREATE_KEYS, (enum prov_format)i, .qos = 1 });
    fleet_send(c, &(struct fleet_ask){ PROV_REGISTER_THING, PROV_JSON, .body = "{}", .qos = 1 });
    expect_silence(c, NULL);
    rig_expect_attempt(&f.rig, &d.cert, PROV_REASON_PUBLISH_DENIED);
    after = fleet_dump(&f);
    assert_string_equal(before, after);
    free(before);
    free(after);
    mqtt_free(c);
    fleet_device_free(&d);
    fleet_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operations_are_answered_in_their_format_and_qos_subscribed_or_not),
        cmocka_unit_test(keys_are_made_for_an_empty_request_of_either_format),
        cmocka_unit_test(keys_are_rsa_2048_unless_the_setting_says_otherwise),
        cmocka_unit_test(correlation_data_and_response_topic_are_honoured_and_nothing_is_made_up),
        cmocka_unit_test(request_is_acknowledged_before_it_is_answered),
        cmocka_unit_test(request_that_the_policy_does_not_allow_is_not_answered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
