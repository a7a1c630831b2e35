/* Policy resources: by name, by document, as text and as object. */
#include "test_template.h"

#include "support/alloc.h"

#define DECLARING(r)                                                                               \
    "{'Parameters':{'A':{'Type':'String'},'B':{'Type':'String','Default':''}},\n"                  \
    "'Mappings':{'M':{'k':{'s':'v','l':['v','w']}}},\n'Resources':{" r "}}"
#define ALLOW                                                                                      \
    "{'Version':'2012-10-17','Statement':[{'Effect':'Allow','Action':'iot:Connect',"               \
    "'Resource':'*'}]}"
#define ALLOW_ESCAPED                                                                              \
    "{\\'Version\\':\\'2012-10-17\\',\\'Statement\\':[{\\'Effect\\':\\'Allow\\',"                  \
    "\\'Action\\':\\'iot:Connect\\',\\'Resource\\':\\'*\\'}]}"
#define ALLOW_STATEMENT "{'Effect':'Allow','Action':'iot:Connect','Resource':'*'}"
#define POLICY(p) DECLARING(CERT ",\n'p':{'Type':'AWS::IoT::Policy','Properties':{" p "}}")

#define DECLARED                                                                                   \
    "'Parameters':{'A':{'Type':'String'},'K':{'Type':'String'},'N':{'Type':'String'},"             \
    "'S':{'Type':'String'},'Blank':{'Type':'String','Default':'never'},"                           \
    "'D':{'Type':'String','Default':'fallback'}},"                                                 \
    "'Mappings':{'M':{'k1':{'url':'one','list':['a','b']},'k2':{'url':'two','list':['c']}},"       \
    "'x':{'y':{'z':'deep'}},'R':{'k1':{'arns':['arn:aws:iot:*:*:client/a','*']}}},"
#define CONFIG(v) "{" DECLARED "'DeviceConfiguration':{'v':" v "},'Resources':{" CERT "}}"
#define DOCUMENT(v)                                                                                \
    "{" DECLARED "'Resources':{" CERT                                                              \
    ",'p':{'Type':'AWS::IoT::Policy','Properties':{'PolicyDocument':" v "}}}}"
#define STATEMENT(resource)                                                                        \
    "{'Version':'2012-10-17','Statement':[{'Effect':'Allow','Action':'iot:Connect',"               \
    "'Resource':" resource "}]}"
#define CONDITION(condition)                                                                       \
    "{'Version':'2012-10-17','Statement':[{'Effect':'Allow','Action':'iot:Connect',"               \
    "'Resource':'*','Condition':" condition "}]}"

/* ---- what is checked when the template is stored --------------------------------------------- */

static void policy_is_named_or_written_out(void **state)
{
    static const struct accepted good[] = {
        { FLEET, POLICY("'PolicyName':'telemetry'") },
        { FLEET, POLICY("'PolicyName':{'Ref':'A'}") },
        { FLEET, POLICY("'PolicyDocument':'" ALLOW_ESCAPED "'") },
        { FLEET, POLICY("'PolicyDocument':" ALLOW) },
        { JITP, RESOURCES(CERT ",'p':{'Type':'AWS::IoT::Policy','Properties':{'PolicyDocument':"
                               "'" ALLOW_ESCAPED "'}}") },
        { JITP,
          RESOURCES(CERT ",'p':{'Type':'AWS::IoT::Policy','Properties':{'PolicyDocument':" ALLOW
                         "}}") },
        /* what a parameter may yet put right is for the evaluation to judge */
        { FLEET, POLICY("'PolicyDocument':{'Statement':{'Effect':{'Ref':'A'},'Resource':["
                        "{'Fn::Sub':'x${A}'},'y'],'Action':{'Fn::Split':[',','a,b']}}}") },
        { FLEET, POLICY("'PolicyDocument':{'Fn::Sub':'{\\'Statement\\':\\'${A}\\'}'}") },
        { FLEET, POLICY("'PolicyDocument':{'Ref':'A'}") },
    };
    static const struct refused bad[] = {
        { FLEET, DECLARING(CERT ",'p':{'Type':'AWS::IoT::Policy',^'Properties':{}}"),
          "Resources.p.Properties", "Neither policyName nor policyDocument is present" },
        { FLEET,
          DECLARING(CERT ",'p':{'Type':'AWS::IoT::Policy',^'Properties':{'PolicyName':'x',"
                         "'PolicyDocument':" ALLOW "}}"),
          "Resources.p.Properties", "exclude each other" },
        { FLEET, POLICY("^'PolicyDoc':'x'"), "Resources.p.Properties.PolicyDoc",
          "\"PolicyDocument\"" },
        { FLEET, POLICY("^'PolicyName':1"), "Resources.p.Properties.PolicyName", "a number" },
        { FLEET, POLICY("^'PolicyDocument':[]"), "Resources.p.Properties.PolicyDocument",
          "a list where" },
        { FLEET, POLICY("'PolicyName':{^'Fn::Join':['',['a','b']]}"),
          "Resources.p.Properties.PolicyName.Fn::Join", "not supported in a policy resource" },
        { FLEET, POLICY("'PolicyName':{'Fn::Select':['0',[{^'Fn::Join':['',['a']]}]]}"),
          "Resources.p.Properties.PolicyName.Fn::Select[1][0].Fn::Join", "not supported" },
        { FLEET, POLICY("'PolicyDocument':{'Statement':[{'Resource':{^'Fn::Join':['',['a']]}}]}"),
          "Resources.p.Properties.PolicyDocument.Statement[0].Resource.Fn::Join", "not supported" },
        { FLEET, POLICY("'PolicyDocument':{'Statement':[{'Resource':{^'Ref':'X'}}]}"),
          "Resources.p.Properties.PolicyDocument.Statement[0].Resource.Ref", "not declared" },
        { FLEET, POLICY("'PolicyDocument':{'Statement':[{^'Resource':{'x':1,'Ref':'A'}}]}"),
          "Resources.p.Properties.PolicyDocument.Statement[0].Resource", "the only member" },
        { JITP,
          RESOURCES(CERT ",'p':{'Type':'AWS::IoT::Policy','Properties':{'PolicyDocument':{"
                         "'Statement':[{'Resource':{^'Fn::Sub':'a'}}]}}}"),
          "Resources.p.Properties.PolicyDocument.Statement[0].Resource.Fn::Sub",
          "FLEET_PROVISIONING" },
    };

    (void)state;
    ACCEPTED(good);
    REFUSED(bad);
}

#define DOC "Resources.p.Properties.PolicyDocument"
#define ESCAPED(statements)                                                                        \
    "'{\\n \\'Version\\':\\'2012-10-17\\',\\n \\'Statement\\':[" statements "]}'"
#define ESCAPED_ALLOW                                                                              \
    "{\\'Effect\\':\\'Allow\\',\\'Action\\':\\'iot:Connect\\',\\'Resource\\':\\'*\\'}"

/* The policy's parser knows the text that comes of it; people have the template before them. */
static void mistake_in_a_document_is_told_with_its_place_in_the_template(void **state)
{
    static const struct refused bad[] = {
        /* a string */
        { FLEET, POLICY("'PolicyDocument':'^{}'"), DOC, "the policy has no Statement" },
        { JITP,
          RESOURCES(CERT ",'p':{'Type':'AWS::IoT::Policy','Properties':{'PolicyDocument':'^x'}}"),
          DOC, "'x' where a value was expected" },
        { FLEET, POLICY("'PolicyDocument':'^'"), DOC, "the text ends where a value" },
        { FLEET, POLICY("'PolicyDocument':'{\\'Statement\\':[^'"), DOC,
          "the text ends where a value was expected" },
        { FLEET,
          POLICY(
              "'PolicyDocument':" ESCAPED("{\\u0022Effect\\':\\'Allow\\', ^\\'Akti\\u00f6n\\':1}")),
          DOC ".Statement[0].Akti??n", "a statement has no element" },
        { FLEET,
          POLICY("'PolicyDocument':" ESCAPED(
              ESCAPED_ALLOW
              ",{\\'Sid\\':\\'\\u0800\\u07ff\\u0080\\u007f\\u20ac\\ud83d\\ude00\\\\n\\u0041\\', "
              "^\\'Effect\\':\\'Alow\\'}")),
          DOC ".Statement[1].Effect", "Effect must be" },
        { FLEET,
          POLICY("'PolicyDocument':" ESCAPED(ESCAPED_ALLOW
                                             ",\\t{\\'Effect\\':\\'Deny\\',"
                                             "\\'Action\\':[\\'iot:*\\',^\\'s3:*\\']}")),
          DOC ".Statement[1].Action[1]", "\"s3:*\" is not an action" },
        /* an object */
        { FLEET, POLICY("^'PolicyDocument':{}"), DOC, "the policy has no Statement" },
        { FLEET, POLICY("'PolicyDocument':{ ^'Statment':[] }"), DOC ".Statment",
          "no element \"Statment\"" },
        { FLEET,
          POLICY("'PolicyDocument':{'Version':'2012-10-17',\n\n  'Statement':[{ ^'Effect':"
                 "'Perhaps','Action':'iot:Connect','Resource':'*'}]}"),
          DOC ".Statement[0].Effect", "Effect must be \"Allow\" or \"Deny\"" },
        { FLEET,
          POLICY("'PolicyDocument':{'Statement':\n[ " ALLOW_STATEMENT
                 ",\n  ^{'Effect':'Deny','Action':'*'}]}"),
          DOC ".Statement[1]", "neither Resource nor NotResource" },
        { FLEET,
          POLICY("'PolicyDocument':{'Statement':[{'Effect':'Allow', 'Action': [ 'iot:Connect',\n "
                 "^'x' ],"
                 "'Resource':'*'}]}"),
          DOC ".Statement[0].Action[1]", "\"x\" is not an action" },
        { FLEET,
          POLICY("'PolicyDocument':{'Statement':[{'Effect':'Allow','Action':'iot:Connect',"
                 "^'Resource':{'Fn::Split':['|','*|x']}}]}"),
          DOC ".Statement[0].Resource[1]", "\"x\" is neither an ARN nor" },
        { FLEET,
          POLICY("'PolicyDocument':{'Statement':[{'Effect':'Allow','Action':'iot:Connect',"
                 "'Resource':['*',^{'Fn::Sub':'x'}]}]}"),
          DOC ".Statement[0].Resource[1]", "\"x\" is neither an ARN nor" },
        /* a function's name, misspelt */
        { FLEET, POLICY("'PolicyDocument':{'Statement':[{'Resource':{^'Fn:Sub':'x'}}]}"),
          DOC ".Statement[0].Resource.Fn:Sub", "did you mean \"Fn::Sub\"?" },
        /* the rest of one that depends on parameters */
        { FLEET,
          POLICY("'PolicyDocument':{'Statement':[{ ^'Effect':'Alow','Action':'iot:Connect',"
                 "'Resource':{'Fn::Sub':'arn:${A}'}}]}"),
          DOC ".Statement[0].Effect", "Effect must be" },
        { FLEET,
          POLICY("'PolicyDocument':{'Statement':[{'Effect':'Allow','Action':'iot:Connect',"
                 "'Resource':[{'Ref':'A'},^'x']}]}"),
          DOC ".Statement[0].Resource[1]", "\"x\" is neither" },
        /* of what a function gives nobody sees the text */
        { FLEET, POLICY("^'PolicyDocument':{'Fn::Sub':'{}'}"), DOC,
          "the policy document that this gives is refused at line 1, column 1 of it: " },
        { FLEET, POLICY("^'PolicyDocument':{'Fn::Sub':'{\\n\\'Statement\\':[{}]}'}"), DOC,
          "refused at line 2, column 14 of it, Statement[0].Effect: Effect must be" },
    };
    static const struct accepted good[] = {
        /* what is wrong with a placeholder is not wrong */
        { FLEET,
          POLICY("'PolicyDocument':{'Statement':[{'Effect':{'Ref':'A'},'Action':'iot:Connect',"
                 "'Resource':'*'}]}") },
        { FLEET, POLICY("'PolicyDocument':{'Version':{'Ref':'A'},'Statement':{'Ref':'A'}}") },
        { FLEET, POLICY("'PolicyDocument':{'Statement':[{'Effect':'Allow','Action':{'Ref':'A'},"
                        "'Resource':{'Fn::Split':[',',{'Ref':'A'}]},'Condition':{"
                        "'NumericEquals':{'iot:ClientId':[1,{'Ref':'A'}]},'Bool':{"
                        "'iot:ClientId':{'Ref':'B'}}}}]}") },
    };

    (void)state;
    REFUSED(bad);
    ACCEPTED(good);
}

/* ---- what comes of it ------------------------------------------------------------------------ */

#define ARN "arn:aws:iot:local:000000000000:client/"

static const char *const policy_params[] = { BUILTIN "Id", CERT_ID, "A", ARN "a", "K",
                                             "k1",         "N",     "1", "S",     ARN "x|" ARN "y",
                                             NULL };

static void document_is_kept_as_written_or_written_out_compactly(void **state)
{
    static const struct {
        const char *document, *text;
    } cases[] = {
        { "'{\\n \\'Version\\': \\'2012-10-17\\', \\'Statement\\': [{\\'Effect\\': \\'Allow\\', "
          "\\'Action\\': \\'iot:Connect\\', \\'Resource\\': \\'*\\'}]}'",
          "{\n 'Version': '2012-10-17', 'Statement': [{'Effect': 'Allow', 'Action': "
          "'iot:Connect', 'Resource': '*'}]}" },
        { " { 'Version' : '2012-10-17' ,\n'Statement' : [ { 'Effect':'Allow', "
          "'Action':'iot:Connect', 'Resource':'*' } ] }",
          STATEMENT("'*'") },
        { STATEMENT("['arn:aws:iot:*:*:client/${iot:ClientId}']"),
          STATEMENT("['arn:aws:iot:*:*:client/${iot:ClientId}']") },
        { STATEMENT("{'Ref':'A'}"), STATEMENT("'" ARN "a'") },
        { STATEMENT("['*',{'Fn::Sub':'${A}/${!iot:ClientId}/*'}]"),
          STATEMENT("['*','" ARN "a/${iot:ClientId}/*']") },
        { STATEMENT("{'Fn::Split':['|',{'Ref':'S'}]}"), STATEMENT("['" ARN "x','" ARN "y']") },
        { STATEMENT("{'Fn::FindInMap':['R',{'Ref':'K'},'arns']}"),
          STATEMENT("['arn:aws:iot:*:*:client/a','*']") },
        { STATEMENT("'" ARN "a\\\\\\\\\\'\\u0001\\u00e9/'"),
          STATEMENT("'" ARN "a\\\\\\\\\\'\\u0001\xc3\xa9/'") },
        { "{'Fn::Sub':'{\\'Version\\':\\'2012-10-17\\',\\'Statement\\':[{\\'Effect\\':"
          "\\'Allow\\',\\'Action\\':\\'iot:Connect\\',\\'Resource\\':\\'${A}-${!iot:ClientId}\\'"
          "}]}'}",
          STATEMENT("'" ARN "a-${iot:ClientId}'") },
        { CONDITION("{'NumericEquals':{'iot:ClientId':[12.50,-3,1e3]},"
                    "'Null':{'iot:ClientId':true},'Bool':{'iot:ClientId':false}}"),
          CONDITION("{'NumericEquals':{'iot:ClientId':[12.5,-3,1000]},"
                    "'Null':{'iot:ClientId':true},'Bool':{'iot:ClientId':false}}") },
    };
    struct prov_plan *plan;
    char text[2048], want[512];

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(cases); i++) {
        (void)snprintf(text, sizeof text, DOCUMENT("%s"), cases[i].document);
        (void)snprintf(want, sizeof want, "%s", cases[i].text);
        for (char *c = want; *c != '\0'; c++)
            *c = *c == '\'' ? '"' : *c;
        plan = eval_ok(FLEET, text, policy_params);
        assert_int_equal(plan->n_policies, 1);
        assert_null(plan->policies[0].name);
        assert_string_equal(plan->policies[0].document, want);
        prov_plan_free(plan);
    }
}

static void device_cannot_write_its_own_rights(void **state)
{
    static const char *const templates[] = {
        DOCUMENT(STATEMENT("{'Ref':'A'}")),
        DOCUMENT(STATEMENT("['*',{'Fn::Sub':'${A}'}]")),
        DOCUMENT(STATEMENT("{'Fn::Split':['|',{'Ref':'A'}]}")),
        DOCUMENT("{'Fn::Sub':['{\\'Version\\':\\'2012-10-17\\',\\'Statement\\':[{\\'Effect\\':"
                 "\\'Allow\\',\\'Action\\':\\'iot:Connect\\',\\'Resource\\':\\'${v}\\'}]}',"
                 "{'v':{'Ref':'A'}}]}"),
    };
    static const char *const evil[] = { "*",    "a*",   "?",    "${iot:ClientId}",
                                        "a\"b", "a\\b", "a\nb", "\",\"arn:x",
                                        "a\x01" };
    const char *pairs[] = { BUILTIN "Id", CERT_ID, "K", "k1", "N", "1", "S", "x", "A", NULL, NULL };
    struct prov_plan *plan;
    struct prov_err err;

    (void)state;
    for (size_t t = 0; t < PROV_COUNT(templates); t++) {
        pairs[9] = ARN "a+b/#:c@d";
        prov_plan_free(eval_ok(FLEET, templates[t], pairs));
        for (size_t i = 0; i < PROV_COUNT(evil); i++) {
            pairs[9] = evil[i];
            assert_int_equal(eval(FLEET, templates[t], pairs, &plan, &err), PROV_EINVAL);
            assert_non_null(strstr(err.text, "may not enter a policy document"));
            assert_non_null(strstr(err.path, "Resources.p.Properties.PolicyDocument."));
        }
    }
    /* elsewhere the same values are data */
    pairs[9] = evil[0];
    prov_plan_free(eval_ok(FLEET, CONFIG("{'Ref':'A'}"), pairs));
}

static void default_may_write_any_rights(void **state)
{
    static const char *const pairs[] = { BUILTIN "Id", CERT_ID, NULL };
    struct prov_plan *plan;

    (void)state;
    plan = eval_ok(FLEET,
                   "{'Parameters':{'A':{'Type':'String','Default':'*'}},'Resources':{" CERT
                   ",'p':{'Type':'AWS::IoT::Policy','Properties':{'PolicyDocument':" STATEMENT(
                       "{'Ref':'A'}") "}}}}",
                   pairs);
    assert_non_null(strstr(plan->policies[0].document, "\"Resource\":\"*\""));
    prov_plan_free(plan);
}

static void document_longer_than_a_policy_is_refused(void **state)
{
    static char value[PROV_MAX_PARAM_VALUE + 1];
    const char *pairs[] = {
        BUILTIN "Id", CERT_ID, "K", "k1", "N", "1", "S", "x", "A", value, NULL
    };
    struct prov_plan *plan;
    struct prov_err err;

    (void)state;
    memset(value, 'x', sizeof value - 1);
    assert_int_equal(
        eval(FLEET,
             DOCUMENT(STATEMENT("[{'Ref':'A'},{'Ref':'A'},{'Ref':'A'},{'Ref':'A'},{'Ref':'A'}]")),
             pairs, &plan, &err),
        PROV_ETOOBIG);
    assert_null(plan);
    assert_string_equal(err.path, "Resources.p.Properties.PolicyDocument");
    assert_non_null(strstr(err.text, "longer than 20480 bytes"));
}

static void policy_name_is_the_sha1_of_its_document(void **state)
{
    char name[PROV_PLAN_POLICY_NAME + 1];

    (void)state;
    assert_int_equal(prov_plan_policy_name(PROV_LIT("abc"), name), PROV_OK);
    assert_string_equal(name, "A9993E364706816ABA3E25717850C26C9CD0D89D");
    assert_int_equal(prov_plan_policy_name(prov_span(NULL, 0), name), PROV_OK);
    assert_string_equal(name, "DA39A3EE5E6B4B0D3255BFEF95601890AFD80709");
}

static void policy_name_needs_memory(void **state)
{
    char name[PROV_PLAN_POLICY_NAME + 1];
    enum prov_rc rc;

    (void)state;
    alloc_count_openssl(true);
    for (unsigned n = 1;; n++) {
        alloc_fail_at(n);
        rc = prov_plan_policy_name(PROV_LIT("abc"), name);
        if (!alloc_failed())
            break;
        /* OpenSSL does without some of its allocations, but then it does it right */
        if (rc == PROV_OK)
            assert_string_equal(name, "A9993E364706816ABA3E25717850C26C9CD0D89D");
        else
            assert_int_equal(rc, PROV_ENOMEM);
    }
    alloc_count_openssl(false);
    assert_int_equal(rc, PROV_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(policy_is_named_or_written_out),
        cmocka_unit_test(mistake_in_a_document_is_told_with_its_place_in_the_template),
        cmocka_unit_test(document_is_kept_as_written_or_written_out_compactly),
        cmocka_unit_test(device_cannot_write_its_own_rights),
        cmocka_unit_test(default_may_write_any_rights),
        cmocka_unit_test(document_longer_than_a_policy_is_refused),
        cmocka_unit_test(policy_name_is_the_sha1_of_its_document),
        cmocka_unit_test(policy_name_needs_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
