#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "device-agent/core/msg.h"
#include "test_agent_msg.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(topics_are_written_and_known_again),
        cmocka_unit_test(what_is_no_templates_name_has_no_topic),
        cmocka_unit_test(requests_are_written_escaped_and_only_whole),
        cmocka_unit_test(texts_that_are_no_utf8_are_not_sent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
