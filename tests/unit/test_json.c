#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/json.h"
#include "core/limits.h"
#include "support/alloc.h"

#define MAX 4096

/* ---- texts accepted and refused -------------------------------------------------------------- */

/* Parses a copy of the exact size, so that a sanitizer sees any reading behind the text. */
static enum prov_rc parse(struct prov_span text, cJSON **out, struct prov_err *err)
{
    uint8_t *copy = malloc(text.n == 0 ? 1 : text.n);
    enum prov_rc rc;

    assert_non_null(copy);
    memset(err, 0, sizeof *err);
    if (text.n != 0)
        memcpy(copy, text.p, text.n);
    rc = prov_json_parse(prov_span(copy, text.n), MAX, out, err);
    free(copy);
    return rc;
}

static void texts_of_the_json_grammar_are_accepted(void **state)
{
    static const char *const texts[] = {
        "{}",
        "[]",
        "null",
        "true",
        "false",
        "\"\"",
        "0",
        "-0",
        "-0.5e-3",
        "1E+2",
        "10",
        " \t\r\n[ 1 , 2 ] \t\r\n",
        "{\"a\":1,\"A\":2,\"\":3}",
        "{\"a\":{\"a\":1},\"b\":{\"a\":1}}",
        "[{\"a\":1},{\"a\":1}]",
        "\"\\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u00e9\"",
        "\"\\ud83d\\uDE00\"",
        "\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \x7f\"",
        "123456789012345678901234567890123456789012345678901234567890123",
    };
    struct prov_err err;
    cJSON *tree;

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(texts); i++) {
        if (parse(prov_span_str(texts[i]), &tree, &err) != PROV_OK)
            fail_msg("%s: %s at %u:%u", texts[i], err.text, err.line, err.col);
        assert_non_null(tree);
        cJSON_Delete(tree);
    }
}

static void texts_beyond_the_json_grammar_are_refused_with_their_place(void **state)
{
    static const struct {
        struct prov_span text;
        unsigned line, col;
        const char *says;
    } cases[] = {
        { PROV_LIT(""), 1, 1, "ends where a value" },
        { PROV_LIT(" \n  "), 2, 3, "ends where a value" },
        { PROV_LIT("\xef\xbb\xbf{}"), 1, 1, "byte 0xef" },
        { PROV_LIT("{} x"), 1, 4, "'x' where the end" },
        { PROV_LIT("{}\n{}"), 2, 1, "'{' where the end" },
        { PROV_LIT("{}\0"), 1, 3, "byte 0x00" },
        { PROV_LIT("{\"a\":1,}"), 1, 8, "a key" },
        { PROV_LIT("{a:1}"), 1, 2, "a key" },
        { PROV_LIT("{\"a\" 1}"), 1, 6, "':'" },
        { PROV_LIT("{\"a\":}"), 1, 6, "a value" },
        { PROV_LIT("{\"a\":1 \"b\":2}"), 1, 8, "',' or '}'" },
        { PROV_LIT("{\"a\":1"), 1, 7, "ends where ','" },
        { PROV_LIT("{\"a"), 1, 2, "does not end" },
        { PROV_LIT("{\"a\""), 1, 5, "ends where ':'" },
        { PROV_LIT("[1,]"), 1, 4, "a value" },
        { PROV_LIT("[1 2]"), 1, 4, "',' or ']'" },
        { PROV_LIT("[1}"), 1, 3, "',' or ']'" },
        { PROV_LIT("["), 1, 2, "ends where a value" },
        { PROV_LIT("[1,\n 2,\n x]"), 3, 2, "'x' where a value" },
        { PROV_LIT("// no\n1"), 1, 1, "'/'" },
        { PROV_LIT("'a'"), 1, 1, "a value" },
        { PROV_LIT("nul"), 1, 1, "a value" },
        { PROV_LIT("nulls"), 1, 5, "the end" },
        { PROV_LIT("True"), 1, 1, "a value" },
        { PROV_LIT("01"), 1, 2, "the end" },
        { PROV_LIT("+1"), 1, 1, "a value" },
        { PROV_LIT("-"), 1, 2, "ends where a digit" },
        { PROV_LIT("-x"), 1, 2, "a digit" },
        { PROV_LIT("1."), 1, 3, "a digit" },
        { PROV_LIT(".5"), 1, 1, "a value" },
        { PROV_LIT("1e"), 1, 3, "a digit" },
        { PROV_LIT("1e+-1"), 1, 4, "a digit" },
        { PROV_LIT("1e999"), 1, 1, "out of range" },
        { PROV_LIT("1234567890123456789012345678901234567890123456789012345678901234"), 1, 1,
          "64 characters" },
        { PROV_LIT("[\v1]"), 1, 2, "byte 0x0b" },
        { PROV_LIT("\""), 1, 1, "does not end" },
        { PROV_LIT("\"a\nb\""), 1, 3, "control character 0x0a" },
        { PROV_LIT("\"a\0b\""), 1, 3, "control character 0x00" },
        { PROV_LIT("\"\\"), 1, 2, "backslash" },
        { PROV_LIT("\"\\x41\""), 1, 2, "backslash" },
        { PROV_LIT("\"\\\0\""), 1, 2, "backslash" },
        { PROV_LIT("\"ab\\u0000\""), 1, 4, "\\u0000" },
        { PROV_LIT("\"\\u12g4\""), 1, 2, "four hexadecimal" },
        { PROV_LIT("\"\\u12"), 1, 2, "four hexadecimal" },
        { PROV_LIT("\"\\udc00\""), 1, 2, "low surrogate" },
        { PROV_LIT("\"\\ud800\""), 1, 2, "high surrogate" },
        { PROV_LIT("\"\\ud800\\u0041\""), 1, 2, "high surrogate" },
        { PROV_LIT("\"\\ud800\\ud800\""), 1, 2, "high surrogate" },
        { PROV_LIT("\"a\xff\""), 1, 3, "not UTF-8: byte 0xff" },
        { PROV_LIT("\"\x80\""), 1, 2, "not UTF-8" },
        { PROV_LIT("\"\xc0\x80\""), 1, 2, "not UTF-8" },
        { PROV_LIT("\"\xed\xa0\x80\""), 1, 2, "not UTF-8" },
        { PROV_LIT("\"\xe2\x82\""), 1, 2, "not UTF-8" },
        { PROV_LIT("\"\xf0\x9f"), 1, 2, "not UTF-8" },
    };
    struct prov_err err;
    cJSON *tree;

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(cases); i++) {
        tree = (cJSON *)&err;
        if (parse(cases[i].text, &tree, &err) != PROV_EINVAL)
            fail_msg("accepted: case %zu, %.*s", i, PROV_SPAN_ARG(cases[i].text));
        assert_null(tree);
        if (err.line != cases[i].line || err.col != cases[i].col ||
            strstr(err.text, cases[i].says) == NULL)
            fail_msg("case %zu: %u:%u %s", i, err.line, err.col, err.text);
        assert_int_equal(err.rc, PROV_EINVAL);
        assert_string_equal(err.code, "InvalidRequestException");
        assert_string_equal(err.path, "");
        assert_int_equal(prov_json_parse(cases[i].text, MAX, &tree, NULL), PROV_EINVAL);
    }
}

static void key_twice_in_one_object_is_refused_where_it_comes_again(void **state)
{
    static const struct {
        const char *text;
        unsigned line, col;
        const char *path;
    } cases[] = {
        { "{\"a\":1,\"a\":1}", 1, 8, "a" },
        { "{\"a\":1,\n \"\\u0061\":2}", 2, 2, "a" },
        { "{\"\":1,\"\":2}", 1, 7, "" },
        { "{\"x\":[0,{\"k\":1,\"b\":2,\"k\":3}]}", 1, 22, "x[1].k" },
        { "{\"\xc3\xa9\":1,\"\\u00e9\":2}", 1, 9, "??" },
        { "{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":2}", 1, 19, "????" },
        { "{\"\\u20ac\\n\":1,\"\xe2\x82\xac\\u000a\":2}", 1, 15, "????" },
        { "{\"b\":0,\"a\":0,\"a/\":0,\"a\\/\":0}", 1, 21, "a/" },
    };
    struct prov_err err;
    cJSON *tree;

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(cases); i++) {
        assert_int_equal(parse(prov_span_str(cases[i].text), &tree, &err), PROV_EINVAL);
        assert_null(tree);
        if (err.line != cases[i].line || err.col != cases[i].col)
            fail_msg("case %zu: %u:%u %s", i, err.line, err.col, err.text);
        assert_string_equal(err.path, cases[i].path);
        assert_non_null(strstr(err.text, "twice"));
    }
}

static void number_out_of_range_is_refused_with_its_path(void **state)
{
    struct prov_err err;
    cJSON *tree;

    (void)state;
    assert_int_equal(parse(PROV_LIT("{\"a\":[1e308,-1e309]}"), &tree, &err), PROV_EINVAL);
    assert_string_equal(err.path, "a[1]");
    assert_int_equal(err.col, 13);
}

static void nest(char *text, size_t depth)
{
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    text[2 * depth] = '\0';
}

static void nesting_is_accepted_up_to_its_limit_only(void **state)
{
    char text[2 * MAX + 1];
    struct prov_err err;
    cJSON *tree;

    (void)state;
    nest(text, PROV_MAX_JSON_DEPTH);
    assert_int_equal(parse(prov_span_str(text), &tree, &err), PROV_OK);
    cJSON_Delete(tree);
    nest(text, PROV_MAX_JSON_DEPTH + 1);
    assert_int_equal(parse(prov_span_str(text), &tree, &err), PROV_EINVAL);
    assert_int_equal(err.col, PROV_MAX_JSON_DEPTH + 1);
    nest(text, MAX / 2);
    assert_int_equal(parse(prov_span_str(text), &tree, &err), PROV_EINVAL);
    assert_int_equal(err.col, PROV_MAX_JSON_DEPTH + 1);
}

static void text_longer_than_the_limit_is_too_big(void **state)
{
    struct prov_err err;
    cJSON *tree;

    (void)state;
    assert_int_equal(prov_json_parse(PROV_LIT("[12]"), 4, &tree, &err), PROV_OK);
    cJSON_Delete(tree);
    assert_int_equal(prov_json_parse(PROV_LIT("[12]"), 3, &tree, &err), PROV_ETOOBIG);
    assert_null(tree);
    assert_non_null(strstr(err.text, "4 bytes of JSON; 3 are allowed"));
}

static void values_come_out_as_written(void **state)
{
    struct prov_err err;
    cJSON *tree;

    (void)state;
    assert_int_equal(parse(PROV_LIT("{\"K\":\"a\\u00e9\\n\",\"k\":[-12.5,true]}"), &tree, &err),
                     PROV_OK);
    assert_string_equal(cJSON_GetObjectItemCaseSensitive(tree, "K")->valuestring, "a\xc3\xa9\n");
    assert_true(cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(tree, "k"), 0)->valuedouble <
                -12.4);
    cJSON_Delete(tree);
}

static void out_of_memory_is_reported_and_leaks_nothing(void **state)
{
    const struct prov_span text = PROV_LIT("{\"a\":[\"x\",1,{\"b\":null,\"c\":2}],\"d\":\"y\"}");
    struct prov_err err;
    enum prov_rc rc;
    cJSON *tree;
    unsigned n;

    (void)state;
    for (n = 1;; n++) {
        alloc_fail_at(n);
        rc = prov_json_parse(text, MAX, &tree, &err);
        if (!alloc_failed())
            break;
        assert_int_equal(rc, PROV_ENOMEM);
        assert_int_equal(err.rc, PROV_ENOMEM);
        assert_null(tree);
    }
    assert_int_equal(rc, PROV_OK);
    assert_true(n > 10);
    cJSON_Delete(tree);
}

/* ---- finding a place again ------------------------------------------------------------------- */

static const char place_text[] = "\n"
                                 "{\n"
                                 "  \"a\": [10, {\"b\": 1, \"c\" :\n"
                                 "    \"v\"}, []],\n"
                                 "  \"k\\u0065y\": {\"x\": {}, \"\xc3\xa9\": 2},\n"
                                 "  \"A\": \"]}\\\"\"\n"
                                 "}";

/* A step is a key, or an index when it begins with #: "a[1].c" is "a", "#1", "c". */
struct step_case {
    const char *steps[4];
    unsigned line, col;
    const char *path;
};

static enum prov_rc fail_at(const struct step_case *c, struct prov_err *err)
{
    struct prov_json_path chain[PROV_COUNT(c->steps)];
    const struct prov_json_path *up = NULL;

    for (size_t i = 0; i < PROV_COUNT(c->steps) && c->steps[i] != NULL; i++) {
        chain[i] = (struct prov_json_path){ .up = up, .key = c->steps[i] };
        if (c->steps[i][0] == '#') {
            chain[i].key = NULL;
            chain[i].index = (size_t)(c->steps[i][1] - '0');
        }
        up = &chain[i];
    }
    return prov_json_fail(err, PROV_EDENIED, "SomeException", prov_span_str(place_text), up,
                          "%s %d", "text", 7);
}

static void failure_points_at_where_the_member_begins(void **state)
{
    static const struct step_case cases[] = {
        { { NULL }, 2, 1, "" },
        { { "a" }, 3, 3, "a" },
        { { "a", "#0" }, 3, 9, "a[0]" },
        { { "a", "#1" }, 3, 13, "a[1]" },
        { { "a", "#1", "b" }, 3, 14, "a[1].b" },
        { { "a", "#1", "c" }, 3, 22, "a[1].c" },
        { { "a", "#2" }, 4, 11, "a[2]" },
        { { "key" }, 5, 3, "key" },
        { { "key", "\xc3\xa9" }, 5, 25, "key.??" },
        { { "A" }, 6, 3, "A" },
        /* what is not there: the place of what should hold it */
        { { "missing" }, 2, 1, "missing" },
        { { "ke" }, 2, 1, "ke" },
        { { "keyy" }, 2, 1, "keyy" },
        { { "key", "y", "z" }, 5, 3, "key.y.z" },
        { { "key", "x", "y" }, 5, 16, "key.x.y" },
        { { "key", "#0" }, 5, 3, "key[0]" },
        { { "a", "x" }, 3, 3, "a.x" },
        { { "a", "#3" }, 3, 3, "a[3]" },
        { { "a", "#2", "#0" }, 4, 11, "a[2][0]" },
        { { "A", "x" }, 6, 3, "A.x" },
        { { "a", "#0", "x" }, 3, 9, "a[0].x" },
    };
    struct prov_err err;

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(cases); i++) {
        assert_int_equal(fail_at(&cases[i], &err), PROV_EDENIED);
        if (err.line != cases[i].line || err.col != cases[i].col)
            fail_msg("%s: %u:%u, not %u:%u", cases[i].path, err.line, err.col, cases[i].line,
                     cases[i].col);
        assert_string_equal(err.path, cases[i].path);
        assert_string_equal(err.text, "text 7");
        assert_string_equal(err.code, "SomeException");
        assert_int_equal(err.rc, PROV_EDENIED);
        assert_int_equal(fail_at(&cases[i], NULL), PROV_EDENIED);
    }
}

static void every_depth_and_length_of_path_is_reported_within_its_room(void **state)
{
    struct prov_json_path chain[PROV_MAX_JSON_DEPTH + 8];
    char text[2 * PROV_MAX_JSON_DEPTH + 1], key[400];
    struct prov_json_path one = { .key = key };
    struct prov_err err;

    (void)state;
    nest(text, PROV_MAX_JSON_DEPTH);
    for (size_t i = 0; i < PROV_COUNT(chain); i++)
        chain[i] = (struct prov_json_path){ .up = i == 0 ? NULL : &chain[i - 1] };
    assert_int_equal(prov_json_fail(&err, PROV_EINVAL, "X", prov_span_str(text),
                                    &chain[PROV_COUNT(chain) - 1], "deep"),
                     PROV_EINVAL);
    assert_int_equal(err.col, PROV_MAX_JSON_DEPTH);
    assert_int_equal(strlen(err.path), 3 * PROV_MAX_JSON_DEPTH);

    memset(key, 'k', sizeof key - 1);
    key[sizeof key - 1] = '\0';
    key[3] = '\t';
    assert_int_equal(prov_json_fail(&err, PROV_EINVAL, "X", PROV_LIT("{}"), &one, "long"),
                     PROV_EINVAL);
    assert_int_equal(strlen(err.path), sizeof err.path - 1);
    assert_int_equal(strncmp(err.path, "kkk?kkk", 7), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_of_the_json_grammar_are_accepted),
        cmocka_unit_test(texts_beyond_the_json_grammar_are_refused_with_their_place),
        cmocka_unit_test(key_twice_in_one_object_is_refused_where_it_comes_again),
        cmocka_unit_test(number_out_of_range_is_refused_with_its_path),
        cmocka_unit_test(nesting_is_accepted_up_to_its_limit_only),
        cmocka_unit_test(text_longer_than_the_limit_is_too_big),
        cmocka_unit_test(values_come_out_as_written),
        cmocka_unit_test(out_of_memory_is_reported_and_leaks_nothing),
        cmocka_unit_test(failure_points_at_where_the_member_begins),
        cmocka_unit_test(every_depth_and_length_of_path_is_reported_within_its_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
