/* Which policy documents are accepted, and where the others are said to be wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/limits.h"
#include "support/alloc.h"
#include "support/policy_rig.h"

#define CONDITION(c) DOC("{'Effect':'Allow','Action':'iot:*','Resource':'*','Condition':" c "}")
#define RESOURCE(r) DOC("{'Effect':'Allow','Action':'iot:*'," r "}")
#define ACTION(a) DOC("{'Effect':'Allow'," a ",'Resource':'*'}")

static enum prov_rc parse(const char *quoted, struct policy_text *t, struct prov_policy_doc **out,
                          struct prov_err *err)
{
    policy_text_write(t, quoted);
    memset(err, 0, sizeof *err);
    return prov_policy_parse(prov_span_str(t->json), out, err);
}

static void documents_are_accepted(void **state)
{
    static const char *const docs[] = {
        DOC(ALLOW("iot:Connect", "*")),
        DOC(DENY("iot:Connect", "*")),
        "{'Statement':{'Effect':'Allow','Action':'*','Resource':'*'}}",
        "{'Version':'2008-10-17','Statement':[{'Effect':'Allow','Action':'*','Resource':'*'}]}",
        "{'Statement':[{'Resource':'*','Effect':'Allow','Action':'*'}],'Version':'2012-10-17',"
        "'Id':'any'}",
        " \n\t{ 'Version' : '2012-10-17' , 'Statement' : [ " ALLOW("iot:*", "*") " ] } \n",
        DOC("{'Sid':'','Effect':'Allow','Action':'*','Resource':'*','Condition':{}}"),
        ACTION("'Action':['iot:Publish','iot:publish','iot:*','iot:Anything','*']"),
        ACTION("'Action':['iotjobsdata:DescribeJobExecution','iot:GetThingShadow']"),
        ACTION("'Action':'greengrass:Discover'"),
        ACTION("'NotAction':'iot:Connect'"),
        RESOURCE("'Resource':['*','" ARN "client/a','arn:aws:iot:*','arn:*']"),
        RESOURCE("'NotResource':'" ARN "client/a'"),
        RESOURCE("'Resource':'arn:aws:iot:us-east-1:123456789012:rolealias/r'"),
        RESOURCE("'Resource':'arn:aws:s3:::bucket/a'"),
        RESOURCE("'Resource':'" ARN "topic/$aws/things/$/$(x)/a$'"),
        RESOURCE("'Resource':'" ARN "topic/${iot:ClientId}${*}$(?)'"),
        RESOURCE("'Resource':'" ARN "topic/${iot:Thing.Attributes[a.b,c@d/e:f#g-h_i]}'"),
        CONDITION("{'StringEquals':{'iot:ConnectAttributes':[]}}"),
        CONDITION("{'ForAllValues:StringLikeIfExists':{'iot:ClientId':['a','b']},'Null':{}}"),
        CONDITION("{'NumericEquals':{'iot:ClientId':[1,-2.5,'3',1e3]}}"),
        CONDITION("{'DateEquals':{'iot:ClientId':[0,'0','2024-02-29','1999-12-31T23:59:60Z',"
                  "'2024-01-01T00:00:00.123456789+00:00']}}"),
        CONDITION("{'Bool':{'iot:ClientId':[true,false,'true','FALSE']}}"),
        CONDITION("{'IpAddress':{'aws:SourceIp':['0.0.0.0/0','::/0','::ffff:1.2.3.4/96']}}"),
        CONDITION("{'ArnLike':{'iot:LastWillTopic':['*','arn:*:*:*:*:*','" ARN "a:b:c']}}"),
    };
    struct policy_text *const t = malloc(sizeof *t);
    struct prov_policy_doc *doc;
    struct prov_err err;

    (void)state;
    assert_non_null(t);
    for (size_t i = 0; i < PROV_COUNT(docs); i++) {
        if (parse(docs[i], t, &doc, &err) != PROV_OK)
            fail_msg("%s\n%u:%u %s: %s", t->json, err.line, err.col, err.path, err.text);
        assert_non_null(doc);
        prov_policy_doc_unref(doc);
    }
    free(t);
}

/* ^ stands where the mistake must be reported. */
static void mistakes_are_reported_where_they_are(void **state)
{
    static const struct {
        const char *doc, *path, *text; /* text: part of the message */
    } rows[] = {
        /* not JSON, not a policy */
        { "{'Version':'2012-10-17',^}", "", "" },
        { "^[]", "", "a policy is a JSON object" },
        { "^'text'", "", "a policy is a JSON object" },
        { "^{}", "", "no Statement" },
        { "^{'Version':'2012-10-17'}", "", "no Statement" },
        { "{^'Version':'2012-10-18','Statement':[]}", "Version", "2012-10-17" },
        { "{^'Version':2012,'Statement':[]}", "Version", "2012-10-17" },
        { "{^'Id':1,'Statement':" ALLOW("*", "*") "}", "Id", "string" },
        { "{'Statement':[],\n ^'statement':[]}", "statement", "no element" },
        { "{'Version':'2012-10-17',^'Statement':[]}", "Statement", "no statement" },
        { "{'Version':'2012-10-17',\n  ^'Statement':'x'}", "Statement", "a statement is" },
        { "{'Statement':[" ALLOW("*", "*") ",\n ^7]}", "Statement[1]", "a statement is" },
        /* elements */
        { DOC("^{'Action':'*','Resource':'*'}"), "Statement[0].Effect", "Allow" },
        { DOC("{^'Effect':'allow','Action':'*','Resource':'*'}"), "Statement[0].Effect", "Allow" },
        { DOC("{^'Effect':true,'Action':'*','Resource':'*'}"), "Statement[0].Effect", "Allow" },
        { DOC("{'Effect':'Allow',^'Principal':'*','Action':'*','Resource':'*'}"),
          "Statement[0].Principal", "no element \"Principal\"" },
        { DOC("{'Effect':'Allow','Action':'*','Resource':'*',^'Sid':5}"), "Statement[0].Sid",
          "string" },
        { DOC("^{'Effect':'Allow','Resource':'*'}"), "Statement[0]", "neither Action" },
        { DOC("{'Effect':'Allow','Action':'*',^'NotAction':'*','Resource':'*'}"),
          "Statement[0].NotAction", "not both" },
        { DOC("^{'Effect':'Allow','Action':'*'}"), "Statement[0]", "neither Resource" },
        { DOC("{'Effect':'Allow','Action':'*','Resource':'*',^'NotResource':'*'}"),
          "Statement[0].NotResource", "not both" },
        /* actions */
        { ACTION("^'Action':'iot'"), "Statement[0].Action", "\"iot\"" },
        { ACTION("^'Action':'iot:'"), "Statement[0].Action", "\"iot:\"" },
        { ACTION("^'Action':''"), "Statement[0].Action", "\"\"" },
        { ACTION("^'Action':'s3:GetObject'"), "Statement[0].Action", "s3:GetObject" },
        { ACTION("^'Action':'io*:Publish'"), "Statement[0].Action", "io*" },
        { ACTION("^'Action':'**'"), "Statement[0].Action", "**" },
        { ACTION("^'Action':'iot:Pub lish'"), "Statement[0].Action", "Pub lish" },
        { ACTION("^'Action':'iot:${*}'"), "Statement[0].Action", "not an action" },
        { ACTION("^'Action':'iot:a:b'"), "Statement[0].Action", "not an action" },
        { ACTION("^'Action':[]"), "Statement[0].Action", "empty" },
        { ACTION("'Action':['iot:Connect',\n^'x']"), "Statement[0].Action[1]", "\"x\"" },
        { ACTION("'Action':[^['iot:Connect']]"), "Statement[0].Action[0]", "not an action" },
        { ACTION("^'Action':{}"), "Statement[0].Action", "not an action" },
        { ACTION("^'NotAction':3"), "Statement[0].NotAction", "not an action" },
        /* resources */
        { RESOURCE("^'Resource':''"), "Statement[0].Resource", "neither an ARN" },
        { RESOURCE("^'Resource':'topic/a'"), "Statement[0].Resource", "neither an ARN" },
        { RESOURCE("^'Resource':'**'"), "Statement[0].Resource", "neither an ARN" },
        { RESOURCE("^'Resource':'ar*'"), "Statement[0].Resource", "neither an ARN" },
        { RESOURCE("^'Resource':5"), "Statement[0].Resource", "neither an ARN" },
        { RESOURCE("^'Resource':[]"), "Statement[0].Resource", "empty" },
        { RESOURCE("^'Resource':'arn:aws:iot:us-east-1:topic/a'"), "Statement[0].Resource",
          "lacks a part" },
        { RESOURCE("'NotResource':['*',^'x']"), "Statement[0].NotResource[1]", "neither an ARN" },
        { RESOURCE("'Resource':['*','*',\n   ^'" ARN "topic/${iot:ClientID2}']"),
          "Statement[0].Resource[2]", "no policy variable \"iot:ClientID2\"" },
        { RESOURCE("^'Resource':'" ARN "topic/${iot:ClientId'"), "Statement[0].Resource",
          "no closing brace" },
        { RESOURCE("^'Resource':'" ARN "topic/${'"), "Statement[0].Resource", "no closing brace" },
        { RESOURCE("^'Resource':'" ARN "topic/${}'"), "Statement[0].Resource",
          "no policy variable" },
        { RESOURCE("^'Resource':'" ARN "topic/${ iot:ClientId}'"), "Statement[0].Resource",
          "no policy variable" },
        { RESOURCE("^'Resource':'" ARN "topic/${aws:username}'"), "Statement[0].Resource",
          "no policy variable" },
        { RESOURCE("^'Resource':'" ARN "topic/${iot:Thing.Attributes[]}'"), "Statement[0].Resource",
          "no policy variable" },
        { RESOURCE("^'Resource':'" ARN "topic/${iot:Thing.Attributes[a}'"), "Statement[0].Resource",
          "no policy variable" },
        { RESOURCE("^'Resource':'" ARN "topic/${iot:Certificate.Subject.Nickname}'"),
          "Statement[0].Resource", "no policy variable" },
        { RESOURCE("^'Resource':'" ARN "topic/${iot:Certificate.Subject.CommonNames}'"),
          "Statement[0].Resource", "no policy variable" },
        { RESOURCE("^'Resource':'" ARN "topic/${iot:Certificate.Subject.CommonName.}'"),
          "Statement[0].Resource", "no policy variable" },
        { RESOURCE("^'Resource':'" ARN "topic/${iot:Certificate.Subject.CommonName.1x}'"),
          "Statement[0].Resource", "no policy variable" },
        { RESOURCE("^'Resource':'" ARN "topic/${iot:Certificate.Subject.CommonName.1000}'"),
          "Statement[0].Resource", "no policy variable" },
        { RESOURCE("^'Resource':'" ARN "topic/${iot:Certificate.Subject.CommonName.List}'"),
          "Statement[0].Resource", "only be the key of a condition" },
        { RESOURCE("^'Resource':'" ARN "topic/${iot:Certificate.AvailableKeys}'"),
          "Statement[0].Resource", "only be the key of a condition" },
        { RESOURCE("^'Resource':'" ARN "topic/${iot:LastWillTopic}'"), "Statement[0].Resource",
          "only be the key of a condition" },
        { "{'Statement':{'Effect':'Allow','Action':'*',^'Resource':'" ARN
          "topic/${iot:ClientId}'}}",
          "Statement.Resource", "2012-10-17" },
        { "{'Version':'2008-10-17','Statement':{'Effect':'Allow','Action':'*',^'Resource':'" ARN
          "topic/${*}'}}",
          "Statement.Resource", "2012-10-17" },
        { "{'Statement':{'Effect':'Allow','Action':'*','Resource':'*','Condition':"
          "{'StringEquals':{^'iot:ClientId':'$(?)'}}}}",
          "Statement.Condition.StringEquals.iot:ClientId", "2012-10-17" },
        /* conditions */
        { DOC("{'Effect':'Allow','Action':'*','Resource':'*',^'Condition':[]}"),
          "Statement[0].Condition", "object of operators" },
        { CONDITION("{^'StringIs':{}}"), "Statement[0].Condition.StringIs",
          "no condition operator \"StringIs\"" },
        { CONDITION("{^'stringEquals':{}}"), "Statement[0].Condition.stringEquals",
          "no condition operator" },
        { CONDITION("{^'ForSomeValues:StringEquals':{}}"),
          "Statement[0].Condition.ForSomeValues:StringEquals", "no condition operator" },
        { CONDITION("{^'ForAllValues:ForAnyValue:Bool':{}}"),
          "Statement[0].Condition.ForAllValues:ForAnyValue:Bool", "no condition operator" },
        { CONDITION("{^'BinaryEquals':{}}"), "Statement[0].Condition.BinaryEquals",
          "no condition operator" },
        { CONDITION("{^'IfExists':{}}"), "Statement[0].Condition.IfExists",
          "no condition operator" },
        { CONDITION("{^'NullIfExists':{}}"), "Statement[0].Condition.NullIfExists",
          "\"Null\" takes" },
        { CONDITION("{^'ForAnyValue:Null':{}}"), "Statement[0].Condition.ForAnyValue:Null",
          "\"Null\" takes" },
        { CONDITION("{^'StringEquals':'x'}"), "Statement[0].Condition.StringEquals",
          "keys and values" },
        { CONDITION("{'StringEquals':{^'iot:Client':'x'}}"),
          "Statement[0].Condition.StringEquals.iot:Client", "no condition key \"iot:Client\"" },
        { CONDITION("{'StringEquals':{^'aws:CurrentTime':'x'}}"),
          "Statement[0].Condition.StringEquals.aws:CurrentTime", "no condition key" },
        { CONDITION("{'StringEquals':{^'':'x'}}"), "Statement[0].Condition.StringEquals.",
          "no condition key" },
        { CONDITION("{'StringEquals':{^'iot:ClientId':5}}"),
          "Statement[0].Condition.StringEquals.iot:ClientId", "needs a string" },
        { CONDITION("{'StringEquals':{^'iot:ClientId':{}}}"),
          "Statement[0].Condition.StringEquals.iot:ClientId", "needs a string" },
        { CONDITION("{'StringLike':{'iot:ClientId':['a',^null]}}"),
          "Statement[0].Condition.StringLike.iot:ClientId[1]", "needs a string" },
        { CONDITION("{'StringLike':{'iot:ClientId':['a',^'${x}']}}"),
          "Statement[0].Condition.StringLike.iot:ClientId[1]", "no policy variable" },
        { CONDITION("{'NumericEquals':{^'iot:ClientId':'x'}}"),
          "Statement[0].Condition.NumericEquals.iot:ClientId", "needs a number" },
        { CONDITION("{'NumericEquals':{^'iot:ClientId':'${iot:ClientId}'}}"),
          "Statement[0].Condition.NumericEquals.iot:ClientId", "needs a number" },
        { CONDITION("{'NumericLessThan':{^'iot:ClientId':true}}"),
          "Statement[0].Condition.NumericLessThan.iot:ClientId", "needs a number" },
        { CONDITION("{'DateEquals':{^'iot:ClientId':'2023-02-29'}}"),
          "Statement[0].Condition.DateEquals.iot:ClientId", "needs a date" },
        { CONDITION("{'DateEquals':{'iot:ClientId':[^'2024-13-01']}}"),
          "Statement[0].Condition.DateEquals.iot:ClientId[0]", "needs a date" },
        { CONDITION("{'DateEquals':{'iot:ClientId':[^'2024-01-01T00:00:00']}}"),
          "Statement[0].Condition.DateEquals.iot:ClientId[0]", "needs a date" },
        { CONDITION("{'DateEquals':{'iot:ClientId':[^'2024-01-01T24:00:00Z']}}"),
          "Statement[0].Condition.DateEquals.iot:ClientId[0]", "needs a date" },
        { CONDITION("{'DateEquals':{'iot:ClientId':[^'2024-01-01T00:00:00+24:00']}}"),
          "Statement[0].Condition.DateEquals.iot:ClientId[0]", "needs a date" },
        { CONDITION("{'DateEquals':{'iot:ClientId':[^'2024-01-01T00:00:00Zx']}}"),
          "Statement[0].Condition.DateEquals.iot:ClientId[0]", "needs a date" },
        { CONDITION("{'DateEquals':{'iot:ClientId':[^-1]}}"),
          "Statement[0].Condition.DateEquals.iot:ClientId[0]", "needs a date" },
        { CONDITION("{'DateEquals':{'iot:ClientId':[^1e12]}}"),
          "Statement[0].Condition.DateEquals.iot:ClientId[0]", "needs a date" },
        { CONDITION("{'Bool':{^'iot:ClientId':'yes'}}"), "Statement[0].Condition.Bool.iot:ClientId",
          "\"true\" or \"false\"" },
        { CONDITION("{'Bool':{^'iot:ClientId':1}}"), "Statement[0].Condition.Bool.iot:ClientId",
          "\"true\" or \"false\"" },
        { CONDITION("{'Null':{^'iot:ClientId':''}}"), "Statement[0].Condition.Null.iot:ClientId",
          "\"true\" or \"false\"" },
        { CONDITION("{'IpAddress':{^'aws:SourceIp':'10.0.0.0/33'}}"),
          "Statement[0].Condition.IpAddress.aws:SourceIp", "an address" },
        { CONDITION("{'IpAddress':{^'aws:SourceIp':'10.0.0'}}"),
          "Statement[0].Condition.IpAddress.aws:SourceIp", "an address" },
        { CONDITION("{'IpAddress':{^'aws:SourceIp':'10.0.0.0/'}}"),
          "Statement[0].Condition.IpAddress.aws:SourceIp", "an address" },
        { CONDITION("{'IpAddress':{^'aws:SourceIp':'10.0.0.0/8x'}}"),
          "Statement[0].Condition.IpAddress.aws:SourceIp", "an address" },
        { CONDITION("{'IpAddress':{^'aws:SourceIp':'::/129'}}"),
          "Statement[0].Condition.IpAddress.aws:SourceIp", "an address" },
        { CONDITION("{'IpAddress':{^'aws:SourceIp':'::ffff:10.0.0.0/95'}}"),
          "Statement[0].Condition.IpAddress.aws:SourceIp", "an address" },
        { CONDITION("{'IpAddress':{^'aws:SourceIp':''}}"),
          "Statement[0].Condition.IpAddress.aws:SourceIp", "an address" },
        { CONDITION("{'ArnEquals':{^'iot:LastWillTopic':'topic/x'}}"),
          "Statement[0].Condition.ArnEquals.iot:LastWillTopic", "neither an ARN" },
        { CONDITION("{'ArnLike':{^'iot:LastWillTopic':'arn:aws:iot:*:topic/x'}}"),
          "Statement[0].Condition.ArnLike.iot:LastWillTopic", "six parts" },
        { CONDITION("{'ArnLike':{^'iot:LastWillTopic':'arn:a:b:c:${iot:ClientId}'}}"),
          "Statement[0].Condition.ArnLike.iot:LastWillTopic", "six parts" },
        { CONDITION("{'ArnLike':{^'iot:LastWillTopic':'arn:a:b:c:${iot:ClientId'}}"),
          "Statement[0].Condition.ArnLike.iot:LastWillTopic", "six parts" },
    };
    struct policy_text *const t = malloc(sizeof *t);
    struct prov_policy_doc *doc;
    struct prov_err err;

    (void)state;
    assert_non_null(t);
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        assert_int_equal(parse(rows[i].doc, t, &doc, &err), PROV_EINVAL);
        assert_null(doc);
        if (err.line != t->line || err.col != t->col || strcmp(err.path, rows[i].path) != 0 ||
            strstr(err.text, rows[i].text) == NULL)
            fail_msg("%s\n%u:%u, not %u:%u, at \"%s\": %s", t->json, err.line, err.col, t->line,
                     t->col, err.path, err.text);
        assert_string_equal(err.code, "MalformedPolicyException");
        assert_int_equal(err.rc, PROV_EINVAL);
        assert_int_equal(prov_policy_parse(prov_span_str(t->json), &doc, NULL), PROV_EINVAL);
    }
    free(t);
}

static void messages_show_only_printable_text(void **state)
{
    struct policy_text *const t = malloc(sizeof *t);
    struct prov_policy_doc *doc;
    struct prov_err err;

    (void)state;
    assert_non_null(t);
    assert_int_equal(parse(ACTION("'Action':'iot:\\u001b[31m\\n\xc3\xa9'"), t, &doc, &err),
                     PROV_EINVAL);
    assert_string_equal(err.text, "\"iot:?[31m???\" is not an action of AWS IoT");
    free(t);
}

static void size_is_counted_without_white_space(void **state)
{
    static const char head[] = "{'Statement':{'Effect':'Allow','Action':'*','Resource':'*','Sid':'";
    struct policy_text *const t = malloc(sizeof *t);
    char *const quoted = malloc(PROV_MAX_POLICY_TEXT + 2);
    struct prov_policy_doc *doc;
    struct prov_err err;

    (void)state;
    assert_non_null(t);
    assert_non_null(quoted);
    for (int beyond = 0; beyond <= 1; beyond++) { /* PROV_MAX_POLICY_DOC, then one more */
        memset(quoted, 's', PROV_MAX_POLICY_DOC);
        memcpy(quoted, head, sizeof head - 1);
        memcpy(quoted + PROV_MAX_POLICY_DOC - 3 + beyond, "'}}", 4);
        assert_int_equal(parse(quoted, t, &doc, &err), beyond ? PROV_ETOOBIG : PROV_OK);
        prov_policy_doc_unref(doc);
        if (beyond)
            assert_string_equal(err.code, "MalformedPolicyException");
    }
    for (int beyond = 0; beyond <= 1; beyond++) { /* the same for all the text */
        memset(quoted, ' ', PROV_MAX_POLICY_TEXT);
        memcpy(quoted, head, sizeof head - 1);
        memcpy(quoted + PROV_MAX_POLICY_TEXT - 3 + beyond, "'}}", 4);
        assert_int_equal(parse(quoted, t, &doc, &err), beyond ? PROV_ETOOBIG : PROV_OK);
        prov_policy_doc_unref(doc);
        if (beyond)
            assert_string_equal(err.code, "MalformedPolicyException");
    }
    free(quoted);
    free(t);
}

static void a_document_tells_its_statements_and_sids(void **state)
{
    struct policy_text *const t = malloc(sizeof *t);
    struct prov_policy_doc *doc;
    struct prov_err err;

    (void)state;
    assert_non_null(t);
    assert_int_equal(parse(DOC("{'Sid':'One','Effect':'Allow','Action':'*','Resource':'*'}," DENY(
                               "*", "*") ",{'Effect':'Allow','Action':'*','Resource':'*','Sid':"
                                         "'Drei \\u20ac'}"),
                           t, &doc, &err),
                     PROV_OK);
    free(t); /* a document keeps nothing of its text */
    assert_int_equal(prov_policy_doc_statements(doc), 3);
    assert_true(prov_span_eq_str(prov_policy_doc_sid(doc, 0), "One"));
    assert_int_equal(prov_policy_doc_sid(doc, 1).n, 0);
    assert_true(prov_span_eq_str(prov_policy_doc_sid(doc, 2), "Drei \xe2\x82\xac"));
    assert_int_equal(prov_policy_doc_sid(doc, 3).n, 0);
    assert_ptr_equal(prov_policy_doc_ref(doc), doc);
    prov_policy_doc_unref(doc);
    assert_int_equal(prov_policy_doc_statements(doc), 3);
    prov_policy_doc_unref(doc);
    prov_policy_doc_unref(NULL);
}

static const char busy_policy[] =
    DOC("{'Sid':'s','Effect':'Allow','Action':['iot:*'],'Resource':['" ARN
        "topic/a/${iot:ClientId}/*','" ARN "topic/a/${iot:Thing.ThingName}/?','" ARN
        "topic/b','" ARN "topic/bc','arn:aws:iot:*${iot:CertificateId}','" ARN
        "topic/${iot:Certificate.Subject.CommonName}'],"
        "'Condition':{'StringLike':{'iot:ClientId':['d*','${iot:ClientId}']},"
        "'ForAnyValue:StringEquals':{'iot:Certificate.AvailableKeys':"
        "'iot:Certificate.SerialNumber'},'ArnNotLike':{'iot:LastWillTopic':'arn:*:*:*:*:*x'}}},"
        "{'Effect':'Deny','Action':'iot:Publish','NotResource':'" ARN "topic/*'}");

/* Everything from the text to the session, with each allocation failing in turn. */
static enum prov_rc make(const struct policy_text *t, const struct policy_device *d,
                         struct prov_policy **out)
{
    const struct prov_policy_scope scope = { PROV_LIT("eu-central-1"), PROV_LIT("123456789012") };
    struct prov_policy_doc *docs[2] = { NULL };
    struct prov_policy_set *set = NULL;
    struct prov_err err;
    enum prov_rc rc;

    rc = prov_policy_parse(prov_span_str(t->json), &docs[0], &err);
    if (rc != PROV_OK) {
        assert_string_equal(err.code, "InternalFailureException");
        return rc;
    }
    docs[1] = docs[0];
    rc = prov_policy_set_new(docs, 2, &scope, &set);
    prov_policy_doc_unref(docs[0]);
    if (rc == PROV_OK)
        rc = prov_policy_new(set, &d->facts, out);
    prov_policy_set_unref(set);
    return rc;
}

static void any_allocation_may_fail(void **state)
{
    const struct prov_policy_request req = { .action = PROV_ACT_PUBLISH,
                                             .name = PROV_LIT("a/dev1/x") };
    struct policy_text *const t = malloc(sizeof *t);
    struct prov_policy *pol = NULL;
    struct policy_device d;
    enum prov_rc rc;
    unsigned n;

    (void)state;
    assert_non_null(t);
    policy_text_write(t, busy_policy);
    policy_device_init(&d);
    for (n = 1;; n++) {
        alloc_fail_at(n);
        rc = make(t, &d, &pol);
        if (!alloc_failed())
            break;
        assert_int_equal(rc, PROV_ENOMEM);
        assert_null(pol);
    }
    assert_int_equal(rc, PROV_OK);
    assert_true(n > 20);
    assert_int_equal(policy_verdict(pol, &req), PROV_ALLOWED);
    prov_policy_free(pol);
    free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_are_accepted),
        cmocka_unit_test(mistakes_are_reported_where_they_are),
        cmocka_unit_test(messages_show_only_printable_text),
        cmocka_unit_test(size_is_counted_without_white_space),
        cmocka_unit_test(a_document_tells_its_statements_and_sids),
        cmocka_unit_test(any_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
