/* Patterns against a plain matcher, and against names that were made to be slow to match. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/limits.h"
#include "support/policy_rig.h"

/* ---- by the book ----------------------------------------------------------------------------- */

#define SHORT 32

/* Row by row: does the pattern's first p bytes match the text's first t? */
static bool plain_match(const char *pattern, const char *text)
{
    const size_t n = strlen(text);
    bool now[SHORT + 1] = { true }, before[SHORT + 1];

    assert_true(n <= SHORT);
    for (const char *p = pattern; *p != '\0'; p++) {
        memcpy(before, now, sizeof now);
        now[0] = *p == '*' && before[0];
        for (size_t t = 1; t <= n; t++) {
            if (*p == '*')
                now[t] = before[t] || now[t - 1];
            else
                now[t] = before[t - 1] && (*p == '?' || *p == text[t - 1]);
        }
    }
    return now[n];
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525U + 1013904223U;
    return *seed >> 8;
}

static void random_text(uint32_t *seed, const char *letters, size_t max, char *out)
{
    size_t n = next_random(seed) % (max + 1);

    for (size_t i = 0; i < n; i++)
        out[i] = letters[next_random(seed) % strlen(letters)];
    out[n] = '\0';
}

static void a_plain_matcher_agrees(void **state)
{
    static const struct {
        const char *pattern, *text;
        bool matches;
    } known[] = {
        { "", "", true },       { "", "a", false },      { "*", "", true },
        { "?", "a", true },     { "?", "", false },      { "a*b", "ab", true },
        { "a*b", "aab", true }, { "a*b", "aba", false }, { "*a*", "bab", true },
    };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(known); i++)
        assert_int_equal(plain_match(known[i].pattern, known[i].text), known[i].matches);
}

static void resources_match_as_by_the_plain_matcher(void **state)
{
    char patterns[4][16], topic[16], policy[1024];
    struct policy_device d;
    uint32_t seed = 1;
    unsigned allowed = 0, denied = 0, silent = 0;

    (void)state;
    policy_device_init(&d);
    for (int i = 0; i < 3000; i++) {
        struct prov_policy *pol;
        const char *const doc = policy;

        for (int k = 0; k < 4; k++)
            random_text(&seed, "ab/*?", 7, patterns[k]);
        snprintf(policy, sizeof policy,
                 DOC("{'Effect':'Allow','Action':'iot:Publish','Resource':['" ARN "topic/%s','" ARN
                     "topic/%s','" ARN "*%s']},{'Effect':'Deny','Action':'iot:Publish',"
                     "'Resource':'" ARN "topic/%s'}"),
                 patterns[0], patterns[1], patterns[2], patterns[3]);
        pol = policy_session(&doc, 1, &d);
        for (int k = 0; k < 10; k++) {
            struct prov_policy_request req = { .action = PROV_ACT_PUBLISH };
            enum prov_verdict wanted = PROV_IMPLICIT_DENY;
            char floating[32], full[32];

            random_text(&seed, "ab/", 8, topic);
            snprintf(floating, sizeof floating, "*%s", patterns[2]);
            snprintf(full, sizeof full, "topic/%s", topic);
            if (plain_match(patterns[3], topic))
                wanted = PROV_EXPLICIT_DENY;
            else if (plain_match(patterns[0], topic) || plain_match(patterns[1], topic) ||
                     plain_match(floating, full))
                wanted = PROV_ALLOWED;
            req.name = prov_span_str(topic);
            if (policy_verdict(pol, &req) != wanted)
                fail_msg("%s is not %s by %s", topic, prov_verdict_name(wanted), policy);
            allowed += wanted == PROV_ALLOWED;
            denied += wanted == PROV_EXPLICIT_DENY;
            silent += wanted == PROV_IMPLICIT_DENY;
        }
        prov_policy_free(pol);
    }
    assert_true(allowed > 1000 && denied > 1000 && silent > 1000);
}

static void condition_values_match_as_by_the_plain_matcher(void **state)
{
    char pattern[16], id[SHORT + 1], policy[512];
    struct policy_device d;
    uint32_t seed = 7;
    unsigned matched = 0;

    (void)state;
    policy_device_init(&d);
    for (int i = 0; i < 5000; i++) {
        const struct prov_policy_request req = { .action = PROV_ACT_PUBLISH };
        bool matches;

        random_text(&seed, "ab*?", 8, pattern);
        do
            random_text(&seed, "ab", 10, id);
        while (id[0] == '\0');
        d.facts.client_id = prov_span_str(id);
        snprintf(policy, sizeof policy,
                 DOC("{'Effect':'Allow','Action':'iot:*','Resource':'*',"
                     "'Condition':{'StringLike':{'iot:ClientId':'%s'}}}"),
                 pattern);
        matches = plain_match(pattern, id);
        matched += matches;
        if ((policy_ask(policy, &d, &req) == PROV_ALLOWED) != matches)
            fail_msg("%s and %s", pattern, id);
    }
    assert_true(matched > 500 && matched < 4500);
}

static void every_byte_of_a_literal_and_of_a_value_counts(void **state)
{
    char text[40], name[48], resource[64], policy[256];
    struct policy_device d;

    (void)state;
    policy_device_init(&d);
    for (size_t n = 1; n < sizeof text; n++) {
        memset(text, 'a', n);
        text[n] = '\0';
        d.facts.client_id = prov_span_str(text);
        for (unsigned shape = 0; shape < 4; shape++) {
            const bool floats = (shape & 1) != 0, literal = (shape & 2) != 0;
            struct prov_policy_request req = { .action = PROV_ACT_PUBLISH };

            snprintf(name, sizeof name, "%s%s", floats ? "x/" : "", text);
            snprintf(resource, sizeof resource, "%s%s", floats ? "*/" : "",
                     literal ? text : "${iot:ClientId}");
            snprintf(policy, sizeof policy, DOC(ALLOW("iot:Publish", ARN "topic/%s")), resource);
            req.name = prov_span_str(name);
            assert_int_equal(policy_ask(policy, &d, &req), PROV_ALLOWED);
            for (size_t k = floats ? 2 : 0; name[k] != '\0'; k++) {
                name[k] = 'b';
                assert_int_equal(policy_ask(policy, &d, &req), PROV_IMPLICIT_DENY);
                name[k] = 'a';
            }
        }
    }
}

/* ---- made to be slow ------------------------------------------------------------------------- */

/* What would take longer than anyone lives if stars multiplied. */
static void many_stars_do_not_multiply(void **state)
{
    static const struct {
        const char *head, *unit, *tail;
    } shapes[] = {
        { "topic/", "*a", "b" },   { "topic/", "a*", "b" },       { "topic/*", "?a*", "b" },
        { "topic/", "*aa", "*b" }, { "topic/*", "aaaaaaa", "b" }, { "", "*a", "b" },
        { "topic/", "*", "b" },
    };
    static char topic[PROV_MAX_TOPIC + 1], policy[PROV_MAX_POLICY_DOC];
    struct prov_policy_request req = { .action = PROV_ACT_PUBLISH };
    struct policy_device d;

    (void)state;
    policy_device_init(&d);
    memset(topic, 'a', PROV_MAX_TOPIC);
    req.name = prov_span_str(topic);
    for (size_t i = 0; i < PROV_COUNT(shapes); i++) {
        size_t n = (size_t)snprintf(policy, sizeof policy,
                                    "{'Version':'2012-10-17','Statement':[{'Effect':'Allow',"
                                    "'Action':'iot:Publish','Resource':'" ARN "%s",
                                    shapes[i].head);

        while (n + 64 < sizeof policy)
            n += (size_t)snprintf(policy + n, sizeof policy - n, "%s", shapes[i].unit);
        snprintf(policy + n, sizeof policy - n, "%s'}]}", shapes[i].tail);
        topic[PROV_MAX_TOPIC - 1] = 'a';
        assert_int_equal(policy_ask(policy, &d, &req), PROV_IMPLICIT_DENY);
        topic[PROV_MAX_TOPIC - 1] = 'b';
        assert_int_equal(policy_ask(policy, &d, &req), PROV_ALLOWED);
    }
}

static void the_longest_topic_is_compared_to_its_end(void **state)
{
    static const struct {
        const char *resource;
        enum prov_verdict with_z, with_a; /* what the last byte makes of it */
    } rows[] = {
        { "topic/*", PROV_ALLOWED, PROV_ALLOWED },
        { "topic/a*z", PROV_ALLOWED, PROV_IMPLICIT_DENY },
        { "topic/*aaaaaaaaaaz", PROV_ALLOWED, PROV_IMPLICIT_DENY },
        { "topic/*?z", PROV_ALLOWED, PROV_IMPLICIT_DENY },
        { "topic/a", PROV_IMPLICIT_DENY, PROV_IMPLICIT_DENY },
    };
    static char topic[PROV_MAX_TOPIC + 1];
    struct prov_policy_request req = { .action = PROV_ACT_PUBLISH };
    struct policy_device d;
    char policy[256];

    (void)state;
    policy_device_init(&d);
    memset(topic, 'a', PROV_MAX_TOPIC);
    req.name = prov_span_str(topic);
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        snprintf(policy, sizeof policy, DOC(ALLOW("iot:Publish", ARN "%s")), rows[i].resource);
        topic[PROV_MAX_TOPIC - 1] = 'z';
        assert_int_equal(policy_ask(policy, &d, &req), rows[i].with_z);
        topic[PROV_MAX_TOPIC - 1] = 'a';
        assert_int_equal(policy_ask(policy, &d, &req), rows[i].with_a);
    }
}

/* Names are bytes: a NUL or a broken character must not end or derail the comparison. */
static void names_may_hold_any_byte(void **state)
{
    static const struct {
        const char *resource;
        struct prov_span name;
        enum prov_verdict verdict;
    } rows[] = {
        { "topic/a", PROV_LIT("a\0b"), PROV_IMPLICIT_DENY },
        { "topic/a*", PROV_LIT("a\0b"), PROV_ALLOWED },
        { "topic/a?b", PROV_LIT("a\0b"), PROV_ALLOWED },
        { "topic/?", PROV_LIT("\xff"), PROV_ALLOWED },
        { "topic/?", PROV_LIT("\x80"), PROV_ALLOWED },
        { "topic/?", PROV_LIT("\xc3"), PROV_ALLOWED },
        { "topic/*?", PROV_LIT("\x80\x80\x80"), PROV_ALLOWED },
        { "arn:*?", PROV_LIT("\x80"), PROV_ALLOWED },
        { "*/?", PROV_LIT("\x80\x80"), PROV_ALLOWED },
    };
    struct policy_device d;
    char policy[256];

    (void)state;
    policy_device_init(&d);
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        const struct prov_policy_request req = { .action = PROV_ACT_PUBLISH, .name = rows[i].name };
        const bool whole = strncmp(rows[i].resource, "arn:", 4) == 0;

        snprintf(policy, sizeof policy, DOC(ALLOW("iot:Publish", "%s%s")), whole ? "" : ARN,
                 rows[i].resource);
        assert_int_equal(policy_ask(policy, &d, &req), rows[i].verdict);
    }
}

/* ---- many statements ------------------------------------------------------------------------- */

/* Puts the number where the text has a #. */
static const char *numbered(const char *text, int number, char out[static 64])
{
    const int n = (int)(strchr(text, '#') - text);

    snprintf(out, 64, "%.*s%d%s", n, text, number, text + n + 1);
    return out;
}

/* 200 statements in ten documents, every fiftieth a deny. */
static struct prov_policy *many_statements(const char *resource, const struct policy_device *d)
{
    static char docs[10][4096];
    const char *list[10];
    char text[64];

    for (int i = 0; i < 200; i++) {
        char *const doc = docs[i / 20];
        const size_t n = i % 20 == 0 ? 0 : strlen(doc);

        snprintf(
            doc + n, sizeof docs[0] - n, "%s{'Effect':'%s','Action':'*','Resource':'arn:*:%s'}%s",
            i % 20 == 0 ? "{'Version':'2012-10-17','Statement':[" : ",",
            i % 50 == 49 ? "Deny" : "Allow", numbered(resource, i, text), i % 20 == 19 ? "]}" : "");
        list[i / 20] = doc;
    }
    return policy_session(list, 10, d);
}

static void each_of_two_hundred_statements_is_found(void **state)
{
    static const struct {
        const char *resource, *topic;
    } shapes[] = {
        { "topic/dt/k#/${iot:ClientId}/*", "dt/k#/dev1/x" },
        { "topic/dt/${iot:ClientId}/k#/x", "dt/dev1/k#/x" },
        { "topic/*/k#/dev1/x", "a/b/k#/dev1/x" },
        { "topic/#/dev1/x", "#/dev1/x" },
        { "topic/?/#", "a/#" },
        { "topic/*/k#/*", "a/k#/b" },
        { "topic/*/k#/*", "k/k/k/k#/" },
        { "topic/dt/*=#=*${iot:ClientId}", "dt/a=#=b/dev1" },
        { "topic/dt/*.#.*", "dt/.#." },
        { "topic/*:k#:*", "a:k#:b" },
    };
    struct policy_device d;
    char text[64];

    (void)state;
    policy_device_init(&d);
    for (size_t shape = 0; shape < PROV_COUNT(shapes); shape++) {
        struct prov_policy *const pol = many_statements(shapes[shape].resource, &d);

        for (int i = 0; i < 210; i++) {
            const struct prov_policy_request req = {
                .action = PROV_ACT_PUBLISH,
                .name = prov_span_str(numbered(shapes[shape].topic, i, text)),
            };
            const enum prov_verdict wanted = i >= 200       ? PROV_IMPLICIT_DENY
                                             : i % 50 == 49 ? PROV_EXPLICIT_DENY
                                                            : PROV_ALLOWED;

            if (policy_verdict(pol, &req) != wanted)
                fail_msg("%s is not %s", text, prov_verdict_name(wanted));
        }
        prov_policy_free(pol);
    }
}

/* The table counts 4,096 different texts; what is beyond it is asked one by one. */
static void more_star_rules_than_are_kept_track_of_are_found(void **state)
{
    enum { RULES = 4500, A_DOC = 60 };
    static char docs[RULES / A_DOC][PROV_MAX_POLICY_TEXT];
    const char *list[RULES / A_DOC];
    struct policy_device d;
    struct prov_policy *pol;
    char name[32];

    (void)state;
    policy_device_init(&d);
    for (int i = 0; i < RULES; i++) {
        char *const doc = docs[i / A_DOC];
        const size_t n = i % A_DOC == 0 ? 0 : strlen(doc);

        /* three letters of 17 each: every text is another one */
        snprintf(doc + n, sizeof docs[0] - n, "%s'arn:*:topic/a*%c%c%c*'%s",
                 i % A_DOC == 0 ? "{'Version':'2012-10-17','Statement':{'Effect':'Allow',"
                                  "'Action':'*','Resource':["
                                : ",",
                 'A' + i % 17, 'A' + i / 17 % 17, 'A' + i / 289,
                 i % A_DOC == A_DOC - 1 ? "]}}" : "");
        list[i / A_DOC] = doc;
    }
    pol = policy_session(list, RULES / A_DOC, &d);
    for (int i = 0; i < RULES + 200; i++) {
        struct prov_policy_request req = { .action = PROV_ACT_PUBLISH };

        snprintf(name, sizeof name, "a/%c%c%c", 'A' + i % 17, 'A' + i / 17 % 17, 'A' + i / 289);
        req.name = prov_span_str(name);
        if ((prov_policy_decide(pol, &req) == PROV_ALLOWED) != (i < RULES))
            fail_msg("%s is wrong", name);
    }
    prov_policy_free(pol);
}

/* As IAM has it: "arn:aws:iot:*:*:topic/a" is also the ARN of a topic "x:topic/a". */
static void a_star_in_the_arns_head_may_stand_for_a_part_of_the_name(void **state)
{
    static const struct {
        const char *name;
        enum prov_verdict verdict;
    } rows[] = {
        { "a/dev1/x", PROV_ALLOWED },         { "b/dev1/x", PROV_IMPLICIT_DENY },
        { "b:topic/a/dev1/x", PROV_ALLOWED }, { "b:topic/c/x", PROV_EXPLICIT_DENY },
        { "btopic/c/x", PROV_IMPLICIT_DENY }, { ":topic/c/", PROV_EXPLICIT_DENY },
        { ":", PROV_IMPLICIT_DENY },
    };
    static const char policy[] =
        DOC("{'Effect':'Allow','Action':'iot:Publish',"
            "'Resource':'arn:aws:iot:*:*:topic/a/${iot:ClientId}/*'},"
            "{'Effect':'Deny','Action':'iot:Publish','Resource':'arn:aws:iot:*:*:topic/c/*'}");
    struct policy_device d;

    (void)state;
    policy_device_init(&d);
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        const struct prov_policy_request req = { .action = PROV_ACT_PUBLISH,
                                                 .name = prov_span_str(rows[i].name) };

        assert_int_equal(policy_ask(policy, &d, &req), rows[i].verdict);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_matcher_agrees),
        cmocka_unit_test(resources_match_as_by_the_plain_matcher),
        cmocka_unit_test(condition_values_match_as_by_the_plain_matcher),
        cmocka_unit_test(every_byte_of_a_literal_and_of_a_value_counts),
        cmocka_unit_test(many_stars_do_not_multiply),
        cmocka_unit_test(the_longest_topic_is_compared_to_its_end),
        cmocka_unit_test(names_may_hold_any_byte),
        cmocka_unit_test(each_of_two_hundred_statements_is_found),
        cmocka_unit_test(more_star_rules_than_are_kept_track_of_are_found),
        cmocka_unit_test(a_star_in_the_arns_head_may_stand_for_a_part_of_the_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
