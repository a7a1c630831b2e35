/* Linting as a whole: order, places, limits, memory. */
#include "support/alloc.h"
#include "unit/test_policy_lint.h"

#define HUNDRED                                                                                    \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
    "aaaaaaaa"

static void never_called(void *ctx, const struct prov_policy_warning *w)
{
    (void)ctx;
    fail_msg("%s", w->text);
}

static void a_document_that_is_refused_has_no_warnings(void **state)
{
    static const char text[] = "{\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"iot:Subscibe\","
                               "\"Resource\":\"*\"},\n {\"Effect\":\"Permit\"}]}";
    struct prov_err err = { .rc = PROV_OK };

    (void)state;
    assert_int_equal(prov_policy_lint(prov_span_str(text), NULL, never_called, NULL, &err),
                     PROV_EINVAL);
    assert_int_equal(err.line, 2);
    assert_string_equal(err.path, "Statement[1].Effect");
    assert_int_equal(prov_policy_lint(prov_span(NULL, 0), NULL, never_called, NULL, NULL),
                     PROV_EINVAL);
}

static void warnings_come_in_the_order_of_the_document(void **state)
{
    struct linted *const found = malloc(sizeof *found);
    const char *const codes[] = { "receive-missing", "other-action", "unknown-action",
                                  "topic-wildcard", "foreign-pattern" };

    (void)state;
    assert_non_null(found);
    lint(found, "{'Version':'2012-10-17','Statement':[\n"
                "{'Effect':'Allow','Resource':'" ANY "topicfilter/a','Action':'iot:Subscribe'},\n"
                "{'Effect':'Allow','Resource':'" ANY "thing/a','Action':'iot:GetThingShadow'},\n"
                "{'Effect':'Allow','Action':['iot:Publish','iot:X'],\n"
                "'Resource':['" ANY "topic/+','" ANY "topic/%c']}]}");
    assert_int_equal(found->n, PROV_COUNT(codes));
    for (size_t i = 0; i < PROV_COUNT(codes); i++)
        assert_string_equal(found->w[i].code, codes[i]);
    free(found);
}

static void a_single_statement_has_no_index(void **state)
{
    const struct row rows[] = {
        { "{'Version':'2012-10-17','Statement':{'Effect':'Allow',\n  ^'Action':'iot:Publsh',"
          "'Resource':'*'}}",
          "unknown-action", "Statement.Action", "", "\"iot:Publish\"" },
    };

    (void)state;
    check_rows(rows, PROV_COUNT(rows));
}

/* A cure of text that does not fit is told in general words, never cut. */
static void cures_are_never_cut_short(void **state)
{
    struct linted *const found = malloc(sizeof *found);

    (void)state;
    assert_non_null(found);
    lint(found,
         DOC(DENY("iot:Subscribe", ANY
                  "topic/" HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED
                  "${iot:Connection.Thing.ThingName}${iot:Connection.Thing.ThingName}${iot:"
                  "Connection.Thing.ThingName}")));
    assert_string_equal(found->w[0].cure, "\"arn:aws:iot:*:*:topicfilter/…\"");
    lint(found, DOC(DENY("iot:Publish", ANY "topic/+" HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED
                                            HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED)));
    assert_string_equal(found->w[0].cure, "* stands for any text");
    lint(found,
         DOC(DENY("iot:Publish", ANY "topic/${iot:Thing.ThingName}/" HUNDRED HUNDRED HUNDRED HUNDRED
                                     HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED)));
    assert_string_equal(found->w[0].cure, "another Deny with \"Condition\": {\"Null\": "
                                          "{\"iot:Thing.ThingName\": \"true\"}}");
    free(found);
}

/* Patterns beyond what is judged are taken to be right. */
static void very_long_patterns_are_not_judged(void **state)
{
    char spaces[1101], *const text = malloc(4096); /* spaces do not count in a policy's size */
    struct linted *const found = malloc(sizeof *found);

    (void)state;
    assert_true(text != NULL && found != NULL);
    memset(spaces, ' ', sizeof spaces - 1);
    spaces[sizeof spaces - 1] = '\0';
    (void)snprintf(
        text, 4096,
        DOC(ALLOW("iot:Publish", ANY "topic/%sx") "," DENY("iot:Publish", ANY "topic/%sy")), spaces,
        spaces);
    lint(found, text);
    assert_int_equal(found->n, 0);
    (void)snprintf(text, 4096, DOC(ALLOW("iot:Subscribe", "arn:aws:iot:x:y:%s")), spaces);
    lint(found, text);
    assert_int_equal(found->n, 0);
    (void)snprintf(text, 4096, DOC(ALLOW("iot:Subscribe", "arn:aws:iot:x:y:%s")), spaces + 200);
    lint(found, text);
    assert_int_equal(found->n, 1);
    free(text);
    free(found);
}

static void texts_hold_no_control_characters(void **state)
{
    struct linted *const found = malloc(sizeof *found);

    (void)state;
    assert_non_null(found);
    lint(found, DOC(DENY("iot:Subscribe", ANY "topic/\\u0001é\\u0085\\u007f\\\\x\\n")));
    assert_int_equal(found->n, 1);
    assert_string_equal(found->w[0].cure, "\"" ANY "topicfilter/\\u0001é\?\?\\u007f\\\\x\\u000a\"");
    free(found);
}

static void codes_are_listed(void **state)
{
    size_t n = 0;

    (void)state;
    while (prov_policy_warning_code(n) != NULL)
        n++;
    assert_int_equal(n, 20);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(prov_policy_warning_code(i), prov_policy_warning_code(k));
    }
}

#define MANY                                                                                       \
    DOC(DENY("iot:Publsh", ANY "topic/a") "," DENY("iot:Subscribe", ANY "topic/a") "," DENY(       \
        "iot:Publish",                                                                             \
        ANY "topic/${iot:Thing.ThingName}/+") ",{'Effect':'Deny','Action':"                        \
                                              "'iot:Receive','NotResource':['" ANY                 \
                                              "topic/${iot:Certificate.Subject.CommonName}'],"     \
                                              "'Condition':{'StringEquals':{'aws:SourceIp':'1.2."  \
                                              "3.4/8','iot:ClientId':"                             \
                                              "'${iot:Certificate.Subject.Title}'}}}," ALLOW(      \
                                                  "iot:Subscribe", ANY "topicfilter/%c"))

static void an_allocation_that_fails_is_told_and_leaks_nothing(void **state)
{
    struct linted *const found = malloc(sizeof *found);
    struct prov_err err;
    enum prov_rc rc;
    unsigned n = 1;

    (void)state;
    assert_non_null(found);
    policy_text_write(&found->text, MANY);
    for (;; n++) {
        found->n = 0;
        alloc_fail_at(n);
        rc = prov_policy_lint(prov_span_str(found->text.json), NULL, keep_warning, found, &err);
        if (!alloc_failed())
            break;
        assert_int_equal(rc, PROV_ENOMEM);
        assert_int_equal(found->n, 0);
    }
    assert_int_equal(rc, PROV_OK);
    assert_true(n > 50);
    assert_true(found->n > 8);
    free(found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_that_is_refused_has_no_warnings),
        cmocka_unit_test(warnings_come_in_the_order_of_the_document),
        cmocka_unit_test(a_single_statement_has_no_index),
        cmocka_unit_test(cures_are_never_cut_short),
        cmocka_unit_test(very_long_patterns_are_not_judged),
        cmocka_unit_test(texts_hold_no_control_characters),
        cmocka_unit_test(codes_are_listed),
        cmocka_unit_test(an_allocation_that_fails_is_told_and_leaks_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
