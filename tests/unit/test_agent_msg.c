#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "device-agent/core/msg.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

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

static struct agent_span span(const char *s)
{
    return (struct agent_span){ (const uint8_t *)s, strlen(s) };
}

/* Buffers that were used before. */
struct fixture {
    char id[65], pem[AGENT_MAX_CERT], token[AGENT_MAX_TOKEN], key[AGENT_MAX_KEY];
    char thing[AGENT_MAX_THING_NAME], config[64];
    struct agent_created created;
    struct agent_registered registered;
};

static struct agent_text used(char *p, size_t cap)
{
    memset(p, 'x', cap);
    return (struct agent_text){ .p = p, .n = 5, .cap = cap };
}

static void fresh(struct fixture *f)
{
    f->created.certificate_id = used(f->id, sizeof f->id);
    f->created.certificate_pem = used(f->pem, sizeof f->pem);
    f->created.token = used(f->token, sizeof f->token);
    f->created.private_key = used(f->key, sizeof f->key);
    f->registered.thing_name = used(f->thing, sizeof f->thing);
    f->registered.config = used(f->config, sizeof f->config);
}

static void assert_wiped(const struct agent_text *text)
{
    assert_int_equal(text->n, 0);
    for (size_t i = 0; i < text->cap; i++)
        assert_int_equal(text->p[i], 0);
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

/* ---- topics ---------------------------------------------------------------------------------- */

static const struct {
    enum agent_op op;
    enum agent_topic which;
    const char *template_name, *topic;
} topics[] = {
    { AGENT_CREATE_KEYS, AGENT_REQUEST, NULL, "$aws/certificates/create/json" },
    { AGENT_CREATE_KEYS, AGENT_ACCEPTED, NULL, "$aws/certificates/create/json/accepted" },
    { AGENT_CREATE_KEYS, AGENT_REJECTED_TOPIC, NULL, "$aws/certificates/create/json/rejected" },
    { AGENT_CREATE_FROM_CSR, AGENT_REQUEST, NULL, "$aws/certificates/create-from-csr/json" },
    { AGENT_CREATE_FROM_CSR, AGENT_ACCEPTED, NULL,
      "$aws/certificates/create-from-csr/json/accepted" },
    { AGENT_CREATE_FROM_CSR, AGENT_REJECTED_TOPIC, NULL,
      "$aws/certificates/create-from-csr/json/rejected" },
    { AGENT_REGISTER_THING, AGENT_REQUEST, "aZ_-09",
      "$aws/provisioning-templates/aZ_-09/provision/json" },
    { AGENT_REGISTER_THING, AGENT_ACCEPTED, "a",
      "$aws/provisioning-templates/a/provision/json/accepted" },
    { AGENT_REGISTER_THING, AGENT_REJECTED_TOPIC, "123456789012345678901234567890123456",
      "$aws/provisioning-templates/123456789012345678901234567890123456/provision/json/rejected" },
};

static void topics_are_written_and_known_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(topics); i++) {
        const char *name = topics[i].template_name;
        char out[AGENT_MAX_TOPIC];
        struct agent_span topic = span(topics[i].topic);
        enum agent_topic which = AGENT_TOPICS;

        assert_true(agent_msg_topic(topics[i].op, topics[i].which, name, out));
        assert_string_equal(out, topics[i].topic);
        assert_true(agent_msg_topic_is(topics[i].op, name, topic, &which));
        assert_int_equal(which, topics[i].which);
        for (unsigned op = 0; op < AGENT_OPS; op++) {
            if (op != topics[i].op)
                assert_false(agent_msg_topic_is((enum agent_op)op, name, topic, &which));
        }
        topic.n--;
        assert_false(agent_msg_topic_is(topics[i].op, name, topic, &which));
        topic.n += 2; /* its NUL */
        assert_false(agent_msg_topic_is(topics[i].op, name, topic, &which));
    }
}

static void what_is_no_templates_name_has_no_topic(void **state)
{
    static const char *const names[] = {
        NULL,  "",         "1234567890123456789012345678901234567", "a/b", "+", "#", "a b",
        "a.b", "\xc3\xa4",
    };
    char out[AGENT_MAX_TOPIC];
    enum agent_topic which;
    (void)state;

    for (size_t i = 0; i < COUNT(names); i++) {
        memset(out, 'x', sizeof out);
        assert_false(agent_msg_topic(AGENT_REGISTER_THING, AGENT_REQUEST, names[i], out));
        assert_string_equal(out, "");
        assert_false(agent_msg_topic_is(AGENT_REGISTER_THING, names[i],
                                        span("$aws/provisioning-templates//provision/json"),
                                        &which));
    }
    assert_false(
        agent_msg_topic_is(AGENT_REGISTER_THING, "a", (struct agent_span){ NULL, 0 }, &which));
    assert_false(agent_msg_topic_is(AGENT_REGISTER_THING, "a",
                                    span("$aws/provisioning-templates/b/provision/json"), &which));
    assert_false(agent_msg_topic(AGENT_OPS, AGENT_REQUEST, "a", out));
    assert_false(agent_msg_topic(AGENT_CREATE_KEYS, AGENT_TOPICS, "a", out));
}

/* ---- requests -------------------------------------------------------------------------------- */

static bool write_request(unsigned which, struct agent_text *out)
{
    static const struct agent_param params[] = {
        { "SerialNumber", "4711" },
        { "quote\"", "back\\slash / \xc3\xa4 \xf0\x9f\x98\x80" },
        { "", "\x01\t\r\n\x1f\x7f" },
    };

    switch (which) {
    case 0:
        return agent_msg_create_keys(out);
    case 1:
        return agent_msg_create_from_csr("-----BEGIN\nMII=\n", out);
    case 2:
        return agent_msg_register("to\"ken", NULL, 0, out);
    default:
        return agent_msg_register("token", params, COUNT(params), out);
    }
}

static void requests_are_written_escaped_and_only_whole(void **state)
{
    static const char *const expected[] = {
        "{}",
        "{\"certificateSigningRequest\":\"-----BEGIN\\nMII=\\n\"}",
        "{\"certificateOwnershipToken\":\"to\\\"ken\",\"parameters\":{}}",
        "{\"certificateOwnershipToken\":\"token\",\"parameters\":{\"SerialNumber\":\"4711\","
        "\"quote\\\"\":\"back\\\\slash / \xc3\xa4 \xf0\x9f\x98\x80\","
        "\"\":\"\\u0001\\u0009\\u000d\\n\\u001f\x7f\"}}",
    };
    char buffer[512];
    (void)state;

    for (unsigned i = 0; i < COUNT(expected); i++) {
        const size_t n = strlen(expected[i]);
        struct agent_text out;

        for (size_t cap = 0; cap <= n; cap++) {
            memset(buffer, 'x', sizeof buffer);
            out = used(buffer, cap);
            assert_false(write_request(i, &out));
            assert_wiped(&out);
            assert_int_equal(buffer[cap], 'x');
        }
        out = used(buffer, n + 1);
        assert_true(write_request(i, &out));
        assert_int_equal(out.n, n);
        assert_string_equal(buffer, expected[i]);
        out = (struct agent_text){ .p = NULL };
        assert_false(write_request(i, &out));
    }
}

static void texts_that_are_no_utf8_are_not_sent(void **state)
{
    static const char *const bad[] = { "\xff", "\xc3", "a\x80", "\xc0\xaf", "\xed\xa0\x80" };
    char buffer[256];
    struct agent_text out;
    (void)state;

    for (size_t i = 0; i < COUNT(bad); i++) {
        const struct agent_param name = { bad[i], "v" }, value = { "n", bad[i] };

        out = used(buffer, sizeof buffer);
        assert_false(agent_msg_create_from_csr(bad[i], &out));
        assert_wiped(&out);
        assert_false(agent_msg_register(bad[i], NULL, 0, &out));
        assert_false(agent_msg_register("t", &name, 1, &out));
        assert_false(agent_msg_register("t", &value, 1, &out));
        assert_wiped(&out);
    }
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
        { "{\"errorCode\":\"x\",\"errorCode\":\"y\"}", 0, "", UNREADABLE, AGENT_REJECTED },
        { "{\"statusCode\":500,\"errorCode\":\"x\",\"errorMessage\":\"y\"", 0, "", UNREADABLE,
          AGENT_REJECTED },
        { "", 0, "", UNREADABLE, AGENT_REJECTED },
        { "\xff", 0, "", UNREADABLE, AGENT_REJECTED },
    };
    struct agent_rejection rejection;
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        memset(&rejection, 'x', sizeof rejection);
        agent_msg_rejection(span(rows[i].payload), &rejection);
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
        cmocka_unit_test(topics_are_written_and_known_again),
        cmocka_unit_test(what_is_no_templates_name_has_no_topic),
        cmocka_unit_test(requests_are_written_escaped_and_only_whole),
        cmocka_unit_test(texts_that_are_no_utf8_are_not_sent),
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
