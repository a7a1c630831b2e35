#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "device-agent/core/msg.h"
#include "test_agent_msg.h"

#define ID "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF"
#define BEGIN "-----BEGIN CERTIFICATE-----"
#define END "-----END CERTIFICATE-----"
#define BEGIN_KEY "-----BEGIN PRIVATE KEY-----"
#define END_KEY "-----END PRIVATE KEY-----"
#define F_ID "\"certificateId\":\"" ID "\""
#define F_PEM "\"certificatePem\":\"" BEGIN "\\nMIIB\\n" END "\\n\""
#define F_TOKEN "\"certificateOwnershipToken\":\"t\\u006f\\/k\""
#define F_KEY "\"privateKey\":\"" BEGIN_KEY "\\nMC4C\\n" END_KEY "\\n\""
#define PEM BEGIN "\nMIIB\n" END "\n"
#define KEY BEGIN_KEY "\nMC4C\n" END_KEY "\n"

/* Buffers that were used before. */
struct fixture {
    char id[65], pem[AGENT_MAX_CERT], token[AGENT_MAX_TOKEN], key[AGENT_MAX_KEY];
    char thing[AGENT_MAX_THING_NAME], config[64];
    struct agent_created created;
    struct agent_registered registered;
};

static void fresh(struct fixture *f)
{
    f->created.certificate_id = used(f->id, sizeof f->id);
    f->created.certificate_pem = used(f->pem, sizeof f->pem);
    f->created.token = used(f->token, sizeof f->token);
    f->created.private_key = used(f->key, sizeof f->key);
    f->registered.thing_name = used(f->thing, sizeof f->thing);
    f->registered.config = used(f->config, sizeof f->config);
}

static enum agent_class create(struct fixture *f, enum agent_op op, struct agent_span payload)
{
    const enum agent_class class = agent_msg_created(op, payload, &f->created);

    if (class != AGENT_OK) {
        assert_int_equal(class, AGENT_ANSWER);
        assert_wiped(&f->created.certificate_id);
        assert_wiped(&f->created.certificate_pem);
        assert_wiped(&f->created.token);
        if (op == AGENT_CREATE_KEYS)
            assert_wiped(&f->created.private_key);
    }
    return class;
}

static enum agent_class registered(struct fixture *f, const char *payload)
{
    const enum agent_class class = agent_msg_registered(span(payload), &f->registered);

    if (class != AGENT_OK) {
        assert_int_equal(class, AGENT_ANSWER);
        assert_wiped(&f->registered.thing_name);
        assert_wiped(&f->registered.config);
    }
    return class;
}

/* ---- certificates ---------------------------------------------------------------------------- */

static void created_certificate_is_read(void **state)
{
    struct fixture f;
    (void)state;

    fresh(&f);
    assert_int_equal(create(&f, AGENT_CREATE_KEYS,
                            span("{" F_ID "," F_PEM "," F_KEY "," F_TOKEN ",\"more\":[{}]}")),
                     AGENT_OK);
    assert_string_equal(f.id, ID);
    assert_string_equal(f.pem, PEM);
    assert_string_equal(f.token, "to/k");
    assert_string_equal(f.key, KEY);
    assert_int_equal(f.created.certificate_pem.n, strlen(PEM));
    fresh(&f);
    f.created.private_key = (struct agent_text){ .p = NULL };
    assert_int_equal(create(&f, AGENT_CREATE_FROM_CSR,
                            span(" { " F_TOKEN " , " F_PEM " , "
                                 "\"certificat\\u0065Id\" : \"" ID "\" } ")),
                     AGENT_OK);
    assert_string_equal(f.id, ID);
    assert_string_equal(f.token, "to/k");
}

static void certificate_answers_that_cannot_be_used_are_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "null",
        "[]",
        "{}",
        /* missing, twice, of another type */
        "{" F_PEM "," F_KEY "," F_TOKEN "}",
        "{" F_ID "," F_KEY "," F_TOKEN "}",
        "{" F_ID "," F_PEM "," F_TOKEN "}",
        "{" F_ID "," F_PEM "," F_KEY "}",
        "{" F_ID "," F_PEM "," F_KEY "," F_TOKEN "," F_TOKEN "}",
        "{" F_ID "," F_PEM "," F_KEY "," F_TOKEN ",\"certificate\\u0049d\":\"" ID "\"}",
        "{" F_ID "," F_PEM "," F_KEY ",\"certificateOwnershipToken\":1}",
        "{" F_ID "," F_PEM "," F_KEY ",\"certificateOwnershipToken\":null}",
        "{" F_ID "," F_PEM "," F_KEY ",\"certificateOwnershipToken\":[\"a\"]}",
        "{" F_ID "," F_PEM "," F_KEY ",\"CertificateOwnershipToken\":\"a\"}",
        "{" F_ID "," F_PEM ",\"privateKey\":{}," F_TOKEN "}",
        /* of the wrong form */
        "{" F_ID "," F_PEM "," F_KEY ",\"certificateOwnershipToken\":\"\"}",
        "{\"certificateId\":\"" ID "0\"," F_PEM "," F_KEY "," F_TOKEN "}",
        "{\"certificateId\":\"0123\"," F_PEM "," F_KEY "," F_TOKEN "}",
        "{\"certificateId\":"
        "\"g0112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF\"," F_PEM "," F_KEY
        "," F_TOKEN "}",
        "{" F_ID ",\"certificatePem\":\"\"," F_KEY "," F_TOKEN "}",
        "{" F_ID ",\"certificatePem\":\"\\n\"," F_KEY "," F_TOKEN "}",
        "{" F_ID ",\"certificatePem\":\"" BEGIN "\"," F_KEY "," F_TOKEN "}",
        "{" F_ID ",\"certificatePem\":\"" END "\"," F_KEY "," F_TOKEN "}",
        "{" F_ID ",\"certificatePem\":\"x" BEGIN END "\"," F_KEY "," F_TOKEN "}",
        "{" F_ID ",\"certificatePem\":\"" BEGIN END "x\"," F_KEY "," F_TOKEN "}",
        "{" F_ID ",\"certificatePem\":\"-----BEGIN CERTIFICATE-----END CERTIFICATE-----\"," F_KEY
        "," F_TOKEN "}",
        "{" F_ID ",\"certificatePem\":\"" BEGIN_KEY END_KEY "\"," F_KEY "," F_TOKEN "}",
        "{" F_ID "," F_PEM ",\"privateKey\":\"" BEGIN END "\"," F_TOKEN "}",
        "{" F_ID "," F_PEM ",\"privateKey\":\"" BEGIN_KEY "-----END RSA PRIVATE KEY-----\"," F_TOKEN
        "}",
        /* what is passed over is checked, and so is what is behind it */
        "{" F_ID "," F_PEM "," F_KEY "," F_TOKEN ",\"more\":[01]}",
        "{" F_ID "," F_PEM "," F_KEY "," F_TOKEN ",\"more\":\"\\u0000\"}",
        "{" F_ID "," F_PEM "," F_KEY "," F_TOKEN ",\"more\":\"\xff\"}",
        "{" F_ID "," F_PEM "," F_KEY "," F_TOKEN "}x",
    };
    struct fixture f;
    (void)state;

    for (size_t i = 0; i < COUNT(bad); i++) {
        fresh(&f);
        if (create(&f, AGENT_CREATE_KEYS, span(bad[i])) != AGENT_ANSWER)
            fail_msg("row %zu was accepted", i);
    }
    fresh(&f);
    assert_int_equal(create(&f, AGENT_CREATE_KEYS, (struct agent_span){ NULL, 0 }), AGENT_ANSWER);
}

static void private_keys_of_openssls_labels_are_accepted(void **state)
{
    static const char *const keys[] = {
        "-----BEGIN RSA PRIVATE KEY-----x-----END RSA PRIVATE KEY-----\\r\\n",
        "-----BEGIN EC PRIVATE KEY-----x-----END EC PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----x-----END PRIVATE KEY-----\\n\\n",
    };
    struct fixture f;
    (void)state;

    for (size_t i = 0; i < COUNT(keys); i++) {
        char payload[1024] = "{" F_ID "," F_PEM "," F_TOKEN ",\"privateKey\":\"";

        memcpy(payload + strlen(payload), keys[i], strlen(keys[i]) + 1);
        memcpy(payload + strlen(payload), "\"}", 3);
        fresh(&f);
        assert_int_equal(create(&f, AGENT_CREATE_KEYS, span(payload)), AGENT_OK);
    }
}

static void answer_that_was_cut_anywhere_is_refused(void **state)
{
    static const char whole[] = "{" F_ID "," F_PEM "," F_KEY "," F_TOKEN ",\"more\":[1,{}]}";
    struct fixture f;
    (void)state;

    for (size_t n = 0; n < sizeof whole - 1; n++) {
        fresh(&f);
        assert_int_equal(
            create(&f, AGENT_CREATE_KEYS, (struct agent_span){ (const uint8_t *)whole, n }),
            AGENT_ANSWER);
    }
    assert_int_equal(create(&f, AGENT_CREATE_KEYS, span(whole)), AGENT_OK);
}

static void answer_that_does_not_fit_is_refused_and_not_cut(void **state)
{
    static const char whole[] = "{" F_ID "," F_PEM "," F_KEY "," F_TOKEN "}";
    struct fixture f;
    struct agent_text *const texts[] = { &f.created.certificate_id, &f.created.certificate_pem,
                                         &f.created.token, &f.created.private_key };
    const size_t sizes[] = { 65, sizeof PEM, sizeof "to/k", sizeof KEY };
    (void)state;

    for (size_t i = 0; i < COUNT(texts); i++) {
        fresh(&f);
        texts[i]->cap = sizes[i] - 1;
        assert_int_equal(create(&f, AGENT_CREATE_KEYS, span(whole)), AGENT_ANSWER);
        fresh(&f);
        texts[i]->cap = sizes[i];
        assert_int_equal(create(&f, AGENT_CREATE_KEYS, span(whole)), AGENT_OK);
        fresh(&f);
        *texts[i] = (struct agent_text){ .p = NULL };
        assert_int_equal(create(&f, AGENT_CREATE_KEYS, span(whole)), AGENT_ANSWER);
    }
}

/* ---- registration ---------------------------------------------------------------------------- */

static void registration_is_read(void **state)
{
    static const struct {
        const char *payload, *thing, *config;
    } rows[] = {
        { "{\"thingName\":\"a-Z_:9\",\"deviceConfiguration\":{}}", "a-Z_:9", "{}" },
        { "{\"deviceConfiguration\":{ \"a\":\"\\n\" },\"thingName\":\"\"}", "",
          "{ \"a\":\"\\n\" }" },
        { "{\"thingName\":\"t\"}", "t", "{}" },
        { "{\"else\":\"x\"}", "", "{}" },
        { "{}", "", "{}" },
    };
    struct fixture f;
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        fresh(&f);
        assert_int_equal(registered(&f, rows[i].payload), AGENT_OK);
        assert_string_equal(f.thing, rows[i].thing);
        assert_string_equal(f.config, rows[i].config);
        assert_int_equal(f.registered.thing_name.n, strlen(rows[i].thing));
        assert_int_equal(f.registered.config.n, strlen(rows[i].config));
    }
}

static void registration_that_cannot_be_used_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "[]",
        "{\"thingName\":\"t\"",
        "{\"thingName\":1}",
        "{\"thingName\":null}",
        "{\"thingName\":\"t\",\"thingName\":\"t\"}",
        "{\"thingName\":\"../t\"}",
        "{\"thingName\":\"t\\n\"}",
        "{\"thingName\":\"t\",\"deviceConfiguration\":[]}",
        "{\"thingName\":\"t\",\"deviceConfiguration\":\"{}\"}",
        "{\"thingName\":\"t\",\"deviceConfiguration\":null}",
        "{\"thingName\":\"t\",\"deviceConfiguration\":{\"a\"}}",
        "{\"thingName\":\"t\",\"deviceConfiguration\":{\"a\":\"\\ud800\"}}",
        "{\"deviceConfiguration\":{},\"deviceConfiguration\":{}}",
        /* 64 characters, one too many for the buffer */
        ("{\"thingName\":\"t\",\"deviceConfiguration\":"
         "{\"a\":\"01234567890123456789012345678901234567890123456789012345\"}}"),
    };
    struct fixture f;
    (void)state;

    for (size_t i = 0; i < COUNT(bad); i++) {
        fresh(&f);
        if (registered(&f, bad[i]) != AGENT_ANSWER)
            fail_msg("row %zu was accepted", i);
    }
    fresh(&f);
    f.registered.config.cap = 2; /* for "{}", which was not said */
    assert_int_equal(registered(&f, "{\"thingName\":\"t\"}"), AGENT_ANSWER);
    f.registered.config.cap = 3;
    assert_int_equal(registered(&f, "{\"thingName\":\"t\"}"), AGENT_OK);
}

/* ---- rejections ------------------------------------------------------------------------------ */

#define UNREADABLE "rejected, with an answer that cannot be read"
#define SILENT "rejected, without a reason"

static void rejection_always_gives_something_to_show(void **state)
{
    static const struct {
        const char *payload;
        int status;
        const char *code, *message;
        enum agent_class class;
    } rows[] = {
        { "{\"statusCode\":400,\"errorCode\":\"InvalidRequest\",\"errorMessage\":\"no \\\"x\\\"\"}",
          400, "InvalidRequest", "no \"x\"", AGENT_REJECTED },
        { "{\"statusCode\":400,\"errorCode\":\"InvalidCertificateOwnershipToken\","
          "\"errorMessage\":\"m\"}",
          400, "InvalidCertificateOwnershipToken", "m", AGENT_TOKEN },
        { "{\"statusCode\":429,\"errorCode\":\"x\"}", 429, "x", SILENT, AGENT_THROTTLED },
        { "{\"statusCode\":400,\"errorCode\":\"ThrottlingException\"}", 400, "ThrottlingException",
          SILENT, AGENT_THROTTLED },
        { "{\"statusCode\":500}", 500, "", SILENT, AGENT_BUSY },
        { "{\"statusCode\":599}", 599, "", SILENT, AGENT_BUSY },
        { "{\"statusCode\":600}", 600, "", SILENT, AGENT_REJECTED },
        { "{\"statusCode\":499}", 499, "", SILENT, AGENT_REJECTED },
        { "{\"errorMessage\":\"\\u001b[2J\\r\\n\\u00e4\\u202e\\ud83d\\ude00~\\u007f\"}", 0, "",
          "?[2J?????~?", AGENT_REJECTED },
        { "{\"statusCode\":\"400\",\"errorCode\":1,\"errorMessage\":{}}", 0, "", SILENT,
          AGENT_REJECTED },
        { "{\"statusCode\":4e2}", 0, "", SILENT, AGENT_REJECTED },
        { "{\"statusCode\":40}", 0, "", SILENT, AGENT_REJECTED },
        { "{\"statusCode\":-40}", 0, "", SILENT, AGENT_REJECTED },
        { "{\"statusCode\":99999999999999999999}", 0, "", SILENT, AGENT_REJECTED },
        { "{}", 0, "", SILENT, AGENT_REJECTED },
        { "{\"status\":500,\"errorCode\":\"x\"}", 0, "x", SILENT, AGENT_REJECTED },
        { "{\"errorCode\":\"x\",\"errorCode\":\"y\"}", 0, "", UNREADABLE, AGENT_ANSWER },
        { "{\"statusCode\":500,\"errorCode\":\"x\",\"errorMessage\":\"y\"", 0, "", UNREADABLE,
          AGENT_ANSWER },
        { "", 0, "", UNREADABLE, AGENT_ANSWER },
        { "\xff", 0, "", UNREADABLE, AGENT_ANSWER },
    };
    struct agent_rejection rejection;
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        memset(&rejection, 'x', sizeof rejection);
        agent_msg_rejection(span(rows[i].payload), &rejection);
        assert_int_equal(rejection.readable, rows[i].class != AGENT_ANSWER);
        assert_int_equal(rejection.status, rows[i].status);
        assert_string_equal(rejection.code, rows[i].code);
        assert_string_equal(rejection.message, rows[i].message);
        assert_int_equal(agent_msg_rejection_class(&rejection), rows[i].class);
    }
}

static void long_rejection_is_cut(void **state)
{
    char payload[2048] = "{\"errorMessage\":\"";
    struct agent_rejection rejection;
    (void)state;

    memset(payload + strlen(payload), 'm', 300);
    memcpy(payload + strlen(payload), "\",\"errorCode\":\"", 16);
    memset(payload + strlen(payload), 'c', 70);
    memcpy(payload + strlen(payload), "\"}", 3);
    agent_msg_rejection(span(payload), &rejection);
    assert_int_equal(strlen(rejection.message), AGENT_MAX_MESSAGE - 1);
    assert_int_equal(strlen(rejection.code), sizeof rejection.code - 1);
    assert_int_equal(rejection.message[AGENT_MAX_MESSAGE - 2], 'm');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(created_certificate_is_read),
        cmocka_unit_test(certificate_answers_that_cannot_be_used_are_refused),
        cmocka_unit_test(private_keys_of_openssls_labels_are_accepted),
        cmocka_unit_test(answer_that_was_cut_anywhere_is_refused),
        cmocka_unit_test(answer_that_does_not_fit_is_refused_and_not_cut),
        cmocka_unit_test(registration_is_read),
        cmocka_unit_test(registration_that_cannot_be_used_is_refused),
        cmocka_unit_test(rejection_always_gives_something_to_show),
        cmocka_unit_test(long_rejection_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
