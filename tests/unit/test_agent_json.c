/* The agent's JSON: what RFC 8259 takes is taken, one byte beside it is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device-agent/core/json.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define LIT(s)                                                                                     \
    {                                                                                              \
        (const uint8_t *)(s), sizeof(s) - 1                                                        \
    }

/* A copy of the exact size, so that a sanitizer sees any reading behind it. */
static bool is_object(struct agent_span text)
{
    uint8_t *exact = malloc(text.n == 0 ? 1 : text.n);
    struct agent_json json;
    struct agent_json_member member;
    bool whole;

    assert_non_null(exact);
    memcpy(exact, text.p, text.n);
    agent_json_init(&json, (struct agent_span){ exact, text.n });
    while (agent_json_next(&json, &member))
        assert_true(member.value.p + member.value.n <= exact + text.n);
    whole = agent_json_whole(&json);
    assert_false(agent_json_next(&json, &member));
    assert_int_equal(agent_json_whole(&json), whole);
    free(exact);
    return whole;
}

static void what_is_no_object_to_the_letter_is_refused(void **state)
{
    static const struct {
        struct agent_span good, bad;
    } rows[] = {
        { LIT("{}"), LIT("") },
        { LIT(" \t\r\n{ \t\r\n} \t\r\n"), LIT("\v{}") },
        { LIT("{\"\":1}"), LIT("{:1}") },
        { LIT("{}"), LIT("[]") },
        { LIT("{}"), LIT("\"a\"") },
        { LIT("{}"), LIT("{}}") },
        { LIT("{}"), LIT("{}{}") },
        { LIT("{}"), LIT("{}\0") },
        { LIT("{}"), LIT("\xef\xbb\xbf{}") },
        { LIT("{}"), LIT("{") },
        { LIT("{}"), LIT("}") },
        { LIT("{}"), LIT("{]") },
        { LIT("{}"), LIT("{,}") },
        { LIT("{}"), LIT("{//\n}") },
        { LIT("{\"a\":1,\"b\":2}"), LIT("{\"a\":1 \"b\":2}") },
        { LIT("{\"a\":1,\"b\":2}"), LIT("{\"a\":1,\"b\":2,}") },
        { LIT("{\"a\":1,\"b\":2}"), LIT("{,\"a\":1,\"b\":2}") },
        { LIT("{ \"a\" : 1 , \"b\" : 2 }"), LIT("{\"a\":1,,\"b\":2}") },
        { LIT("{\"a\":1}"), LIT("{\"a\" 1}") },
        { LIT("{\"a\":1}"), LIT("{\"a\"}") },
        { LIT("{\"a\":1}"), LIT("{\"a\":}") },
        { LIT("{\"a\":1}"), LIT("{a:1}") },
        { LIT("{\"a\":1}"), LIT("{'a':1}") },
        { LIT("{\"a\":1}"), LIT("{1:1}") },
        /* words */
        { LIT("{\"a\":true}"), LIT("{\"a\":tru}") },
        { LIT("{\"a\":false}"), LIT("{\"a\":False}") },
        { LIT("{\"a\":null}"), LIT("{\"a\":nulll}") },
        { LIT("{\"a\":null}"), LIT("{\"a\":nul") },
        { LIT("{\"a\":null}"), LIT("{\"a\":NaN}") },
        /* numbers */
        { LIT("{\"a\":0}"), LIT("{\"a\":00}") },
        { LIT("{\"a\":-0}"), LIT("{\"a\":-}") },
        { LIT("{\"a\":10}"), LIT("{\"a\":01}") },
        { LIT("{\"a\":-1}"), LIT("{\"a\":+1}") },
        { LIT("{\"a\":0.5}"), LIT("{\"a\":.5}") },
        { LIT("{\"a\":1.05}"), LIT("{\"a\":1.}") },
        { LIT("{\"a\":1e5}"), LIT("{\"a\":1e}") },
        { LIT("{\"a\":1E+05}"), LIT("{\"a\":1e+}") },
        { LIT("{\"a\":1.0e-5}"), LIT("{\"a\":1e+-5}") },
        { LIT("{\"a\":16}"), LIT("{\"a\":0x10}") },
        { LIT("{\"a\":1}"), LIT("{\"a\":1 2}") },
        { LIT("{\"a\":1}"), LIT("{\"a\":Infinity}") },
        /* strings */
        { LIT("{\"a\":\"\"}"), LIT("{\"a\":\"}") },
        { LIT("{\"a\":\"\x7f\"}"), LIT("{\"a\":\"\x1f\"}") },
        { LIT("{\"a\":\"\\n\"}"), LIT("{\"a\":\"\n\"}") },
        { LIT("{\"a\":\"\\t\"}"), LIT("{\"a\":\"\t\"}") },
        { LIT("{\"a\":\"\\u0001\"}"), LIT("{\"a\":\"\\u0000\"}") },
        { LIT("{\"a\":\"b\"}"), LIT("{\"a\":\"\0\"}") },
        { LIT("{\"\\u0061\":1}"), LIT("{\"\\u0000\":1}") },
        { LIT("{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}"), LIT("{\"a\":\"\\v\"}") },
        { LIT("{\"a\":\"\\\\\"}"), LIT("{\"a\":\"\\\"}") },
        { LIT("{\"a\":\"\\u00e4\"}"), LIT("{\"a\":\"\\U00e4\"}") },
        { LIT("{\"a\":\"\\uABcd\"}"), LIT("{\"a\":\"\\u12g4\"}") },
        { LIT("{\"a\":\"\\u1234\"}"), LIT("{\"a\":\"\\u123\"}") },
        { LIT("{\"a\":\"\\ud83d\\ude00\"}"), LIT("{\"a\":\"\\ud83d\"}") },
        { LIT("{\"a\":\"\\ud800\\udc00\"}"), LIT("{\"a\":\"\\ud800\\ud800\"}") },
        { LIT("{\"a\":\"\\udbff\\udfff\"}"), LIT("{\"a\":\"\\udbff\\ue000\"}") },
        { LIT("{\"a\":\"\\ud7ff\\ue000\"}"), LIT("{\"a\":\"\\udc00\\ud800\"}") },
        { LIT("{\"a\":\"\\ud83d\\ude00\"}"), LIT("{\"a\":\"\\ud83d\\nude00\"}") },
        { LIT("{\"a\":\"\\ud83d\\ude00\"}"), LIT("{\"a\":\"\\ud83dxude00\"}") },
        { LIT("{\"a\":\"\\ud83d\\ude00\"}"), LIT("{\"a\":\"\\ud83d\\ude0x\"}") },
        { LIT("{\"a\":\"\\udbff\\udfff\"}"), LIT("{\"a\":\"\\udc00\\udc00\"}") },
        { LIT("{\"a\":\"\\udbff\\udfff\"}"), LIT("{\"a\":\"\\udbff\\xdfff\"}") },
        { LIT("{\"a\":\"\\udbff\\udfff\"}"), LIT("{\"a\":\"\\udbff") },
        { LIT("{\"a\":\"\\udbff\\udfff\"}"), LIT("{\"a\":\"\\udbff\\") },
        { LIT("{\"a\":\"\\uabcd\"}"), LIT("{\"a\":\"\\uabc") },
        { LIT("{\"a\":\"\\n\"}"), LIT("{\"a\":\"\\") },
        /* UTF-8 */
        { LIT("{\"a\":\"\xc3\xa4\"}"), LIT("{\"a\":\"\xc3\"}") },
        { LIT("{\"a\":\"\xc2\x80\"}"), LIT("{\"a\":\"\xc1\x80\"}") },
        { LIT("{\"a\":\"\xe0\xa0\x80\"}"), LIT("{\"a\":\"\xe0\x9f\xbf\"}") },
        { LIT("{\"a\":\"\xed\x9f\xbf\"}"), LIT("{\"a\":\"\xed\xa0\x80\"}") },
        { LIT("{\"a\":\"\xee\x80\x80\"}"), LIT("{\"a\":\"\xed\xbf\xbf\"}") },
        { LIT("{\"a\":\"\xf0\x90\x80\x80\"}"), LIT("{\"a\":\"\xf0\x8f\xbf\xbf\"}") },
        { LIT("{\"a\":\"\xf4\x8f\xbf\xbf\"}"), LIT("{\"a\":\"\xf4\x90\x80\x80\"}") },
        { LIT("{\"a\":\"\xc3\xa4\"}"), LIT("{\"a\":\"\x80\"}") },
        { LIT("{\"a\":\"\xc3\xa4\"}"), LIT("{\"a\":\"\xff\"}") },
        { LIT("{\"\xc3\xa4\":1}"), LIT("{\"\xc3\":1}") },
        { LIT("{\"a\":\"\xc3\xa4\"}"), LIT("{\"a\":\"\xc3") },
        /* within each other */
        { LIT("{\"a\":[]}"), LIT("{\"a\":[}") },
        { LIT("{\"a\":[1,2]}"), LIT("{\"a\":[1,]}") },
        { LIT("{\"a\":[ 1 , [ ] , { } ]}"), LIT("{\"a\":[1 2]}") },
        { LIT("{\"a\":[{}]}"), LIT("{\"a\":[{]}}") },
        { LIT("{\"a\":{\"b\":[1]}}"), LIT("{\"a\":[\"b\":1]}") },
        { LIT("{\"a\":{\"b\":1}}"), LIT("{\"a\":{\"b\"}}") },
        { LIT("{\"a\":{\"b\":1,\"c\":[]},\"d\":1}"), LIT("{\"a\":{\"b\":1,},\"d\":1}") },
        { LIT("{\"a\":{\"b\":1,\"c\":[]},\"d\":1}"), LIT("{\"a\":{\"b\":1,2},\"d\":1}") },
        { LIT("{\"a\":{\"b\":\"\\n\"}}"), LIT("{\"a\":{\"b\":\"\n\"}}") },
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        if (!is_object(rows[i].good))
            fail_msg("row %zu: good refused", i);
        if (is_object(rows[i].bad))
            fail_msg("row %zu: bad accepted", i);
    }
}

/* The outermost, all, or every second one. */
static bool is_object_at(unsigned kind, size_t level)
{
    return level == 0 || kind == 0 || (kind == 2 && level % 2 == 0);
}

static void one_level_more_than_the_limit_is_refused(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 3; kind++) {
        for (size_t depth = 1; depth <= 40; depth++) {
            char text[512];
            size_t n = 0;

            for (size_t i = 0; i < depth; i++) {
                const char *open = "[";

                if (is_object_at(kind, i))
                    open = i == depth - 1 ? "{" : "{\"a\":";
                for (; *open != '\0'; open++)
                    text[n++] = *open;
            }
            for (size_t i = depth; i > 0; i--)
                text[n++] = is_object_at(kind, i - 1) ? '}' : ']';
            assert_int_equal(is_object((struct agent_span){ (const uint8_t *)text, n }),
                             depth <= AGENT_MAX_JSON_DEPTH);
        }
    }
}

static void texts_are_decoded_and_what_does_not_fit_is_refused(void **state)
{
    static const struct {
        struct agent_span written;
        const char *text;
    } rows[] = {
        { LIT(""), "" },
        { LIT("abc"), "abc" },
        { LIT("\\\"\\\\\\/\\b\\f\\n\\r\\t"), "\"\\/\b\f\n\r\t" },
        { LIT("\\u0001\\u007f\\u0080\\u07ff"), "\x01\x7f\xc2\x80\xdf\xbf" },
        { LIT("\\u0800\\uFfFf"), "\xe0\xa0\x80\xef\xbf\xbf" },
        { LIT("\\ud800\\udc00\\uDBFF\\uDFFF"), "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf" },
        { LIT("\\ud840\\udc00\xf0\xaf\xbf\xbf"), "\xf0\xa0\x80\x80\xf0\xaf\xbf\xbf" },
        { LIT("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"), "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80" },
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        char buffer[64];
        const size_t n = strlen(rows[i].text);
        struct agent_text out = { .p = buffer, .cap = n + 1 };

        memset(buffer, 'x', sizeof buffer);
        assert_true(agent_json_text(rows[i].written, &out));
        assert_int_equal(out.n, n);
        assert_string_equal(buffer, rows[i].text);
        out = (struct agent_text){ .p = buffer, .cap = n };
        assert_false(agent_json_text(rows[i].written, &out));
        assert_int_equal(buffer[n + 1], 'x');
    }
}

static void members_come_in_order_and_as_they_were_written(void **state)
{
    static const char text[] = "{\"s\" : \"a\\n\" , \"o\":{ \"x\": [1] } ,\"l\":[ ],"
                               "\"n\":-1.5e3 ,\"w\":null,\"\\u0061\":\"\"}";
    static const struct {
        const char *name, *value;
        enum agent_json_kind kind;
    } rows[] = {
        { "s", "a\\n", AGENT_JSON_STRING }, { "o", "{ \"x\": [1] }", AGENT_JSON_OBJECT },
        { "l", "[ ]", AGENT_JSON_ARRAY },   { "n", "-1.5e3", AGENT_JSON_NUMBER },
        { "w", "null", AGENT_JSON_WORD },   { "\\u0061", "", AGENT_JSON_STRING },
    };
    struct agent_json json;
    struct agent_json_member member;
    (void)state;

    agent_json_init(&json, (struct agent_span)LIT(text));
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_true(agent_json_next(&json, &member));
        assert_int_equal(member.kind, rows[i].kind);
        assert_int_equal(member.name.n, strlen(rows[i].name));
        assert_memory_equal(member.name.p, rows[i].name, member.name.n);
        assert_int_equal(member.value.n, strlen(rows[i].value));
        assert_memory_equal(member.value.p, rows[i].value, member.value.n);
        assert_false(agent_json_whole(&json));
    }
    assert_false(agent_json_next(&json, &member));
    assert_true(agent_json_whole(&json));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_object_to_the_letter_is_refused),
        cmocka_unit_test(one_level_more_than_the_limit_is_refused),
        cmocka_unit_test(texts_are_decoded_and_what_does_not_fit_is_refused),
        cmocka_unit_test(members_come_in_order_and_as_they_were_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
