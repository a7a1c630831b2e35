/* The control API's operations on templates, and what a template would do. */
#include "support/alloc.h"
#include "support/api_case.h"

#define ARN "arn:aws:iot:local:000000000000:"
#define CERTIFICATE                                                                                \
    "\\'c\\':{\\'Type\\':\\'AWS::IoT::Certificate\\',\\'Properties\\':{\\'CertificateId\\':"       \
    "{\\'Ref\\':\\'AWS::IoT::Certificate::Id\\'}}}"
#define BODY "{\\'Resources\\':{" CERTIFICATE "}}"
#define THING_BODY                                                                                 \
    "{\\'Parameters\\':{\\'AWS::IoT::Certificate::Id\\':{\\'Type\\':\\'String\\'},"                \
    "\\'Serial\\':{\\'Type\\':\\'String\\'}},\\'Resources\\':{" CERTIFICATE                        \
    ",\\'t\\':{\\'Type\\':\\'AWS::IoT::Thing\\',\\'Properties\\':{\\'ThingName\\':"                \
    "{\\'Ref\\':\\'Serial\\'},\\'ThingGroups\\':[\\'g\\'],\\'AttributePayload\\':"                 \
    "{\\'a\\':\\'b\\'}}}}}"
#define JITP_BODY                                                                                  \
    "{\\'Parameters\\':{\\'AWS::IoT::Certificate::CommonName\\':{\\'Type\\':\\'String\\'}},"       \
    "\\'Resources\\':{" CERTIFICATE ",\\'t\\':{\\'Type\\':\\'AWS::IoT::Thing\\',\\'Properties\\':" \
    "{\\'ThingName\\':{\\'Ref\\':\\'AWS::IoT::Certificate::CommonName\\'}}}}}"

/* ---- templates and versions ------------------------------------------------------------------ */

static void template_is_created_as_asked(void **state)
{
    struct reg *r = *state;

    ask_ok(r, "createProvisioningTemplate",
           "{'templateName':'t','templateBody':'%s','description':'all',"
           "'provisioningRoleArn':'arn:aws:iam::000000000000:role/x'}",
           BODY);
    ask_text("templateArn", ARN "provisioningtemplate/t");
    ask_text("type", "FLEET_PROVISIONING");
    ask_bool("enabled", true);
    ask_number("defaultVersionId", 1);
    ask_text("description", "all");
    ask_ok(r, "createProvisioningTemplate",
           "{'templateName':'j','templateBody':'%s','type':'JITP','enabled':false}", BODY);
    ask_text("type", "JITP");
    ask_bool("enabled", false);
    ask_ok(r, "listProvisioningTemplates", "{}");
    assert_string_equal(ask_each("templates", "templateName"), "j t");
    ask_ok(r, "describeProvisioningTemplate", "{'templateName':'t'}");
    assert_non_null(strstr(cJSON_GetStringValue(ask_at("templateBody")), "AWS::IoT::Certificate"));
}

static void template_that_cannot_be_is_refused(void **state)
{
    struct reg *r = *state;

    ask_refused(r, "createProvisioningTemplate", PROV_EINVAL, "InvalidRequestException",
                "{'templateName':'t','templateBody':'{\\n\\'Resourses\\':{}}'}");
    ask_place("Resourses", 2);
    ask_refused(r, "createProvisioningTemplate", PROV_EINVAL, "InvalidRequestException",
                "{'templateName':'t','templateBody':'%s','type':'jit'}", BODY);
    ask_place("type", 0);
    ask_refused(r, "createProvisioningTemplate", PROV_EINVAL, "InvalidRequestException",
                "{'templateName':'t t','templateBody':'%s'}", BODY);
    ask_ok(r, "createProvisioningTemplate", "{'templateName':'t','templateBody':'%s'}", BODY);
    ask_refused(r, "createProvisioningTemplate", PROV_ECONFLICT, "ResourceAlreadyExistsException",
                "{'templateName':'t','templateBody':'%s'}", BODY);
}

static void hook_of_a_template_is_set_changed_and_taken_away(void **state)
{
    struct reg *r = *state;

    ask_ok(r, "createProvisioningTemplate",
           "{'templateName':'t','templateBody':'%s','preProvisioningHook':"
           "{'payloadVersion':'2020-04-01','targetArn':'exec:/usr/local/bin/allow'}}",
           BODY);
    ask_text("preProvisioningHook.targetArn", "exec:/usr/local/bin/allow");
    ask_text("preProvisioningHook.payloadVersion", "2020-04-01");
    ask_ok(r, "updateProvisioningTemplate",
           "{'templateName':'t','preProvisioningHook':{'targetArn':'https://hooks.example/x'}}");
    ask_ok(r, "updateProvisioningTemplate", "{'templateName':'t','enabled':false}");
    ask_ok(r, "describeProvisioningTemplate", "{'templateName':'t'}");
    ask_text("preProvisioningHook.targetArn", "https://hooks.example/x");
    ask_refused(r, "updateProvisioningTemplate", PROV_EINVAL, "InvalidRequestException",
                "{'templateName':'t','preProvisioningHook':{'targetArn':''}}");
    ask_refused(r, "updateProvisioningTemplate", PROV_EINVAL, "InvalidRequestException",
                "{'templateName':'t','preProvisioningHook':{'targetArn':'exec:/a'},"
                "'removePreProvisioningHook':true}");
    ask_refused(r, "updateProvisioningTemplate", PROV_EINVAL, "InvalidRequestException",
                "{'templateName':'t','preProvisioningHook':{'targetArn':'ftp://x'}}");
    ask_ok(r, "updateProvisioningTemplate",
           "{'templateName':'t','removePreProvisioningHook':true}");
    ask_ok(r, "describeProvisioningTemplate", "{'templateName':'t'}");
    ask_missing("preProvisioningHook");
    ask_refused(r, "createProvisioningTemplate", PROV_EINVAL, "InvalidRequestException",
                "{'templateName':'j','templateBody':'%s','type':'JITP','preProvisioningHook':"
                "{'targetArn':'exec:/usr/local/bin/allow'}}",
                BODY);
}

static void template_is_changed_in_what_is_given(void **state)
{
    struct reg *r = *state;

    ask_ok(r, "createProvisioningTemplate",
           "{'templateName':'t','templateBody':'%s','description':'one'}", BODY);
    ask_ok(r, "createProvisioningTemplateVersion", "{'templateName':'t','templateBody':'%s'}",
           BODY);
    ask_keys("", "templateName templateArn versionId isDefaultVersion");
    ask_number("versionId", 2);
    ask_bool("isDefaultVersion", false);
    ask_ok(r, "updateProvisioningTemplate",
           "{'templateName':'t','enabled':false,'defaultVersionId':2}");
    ask_bool("enabled", false);
    ask_number("defaultVersionId", 2);
    ask_text("description", "one");
    ask_ok(r, "updateProvisioningTemplate", "{'templateName':'t','description':''}");
    ask_missing("description");
    ask_refused(r, "updateProvisioningTemplate", PROV_ENOTFOUND, "ResourceNotFoundException",
                "{'templateName':'t','defaultVersionId':9}");
    ask_refused(r, "updateProvisioningTemplate", PROV_ENOTFOUND, "ResourceNotFoundException",
                "{'templateName':'none','enabled':true}");
}

static void versions_of_a_template_come_and_go(void **state)
{
    struct reg *r = *state;

    ask_ok(r, "createProvisioningTemplate", "{'templateName':'t','templateBody':'%s'}", BODY);
    ask_ok(r, "createProvisioningTemplateVersion",
           "{'templateName':'t','templateBody':'%s','setAsDefault':true}", BODY);
    ask_bool("isDefaultVersion", true);
    ask_ok(r, "describeProvisioningTemplateVersion", "{'templateName':'t','versionId':1}");
    ask_bool("isDefaultVersion", false);
    ask_ok(r, "listProvisioningTemplateVersions", "{'templateName':'t','maxResults':1}");
    ask_count("versions", 1);
    ask_text("nextToken", "1");
    ask_ok(r, "listProvisioningTemplateVersions", "{'templateName':'t','nextToken':'1'}");
    ask_number("versions[0].versionId", 2);
    ask_refused(r, "deleteProvisioningTemplateVersion", PROV_EDENIED, "DeleteConflictException",
                "{'templateName':'t','versionId':2}");
    ask_refused(r, "deleteProvisioningTemplate", PROV_EDENIED, "DeleteConflictException",
                "{'templateName':'t'}");
    ask_ok(r, "deleteProvisioningTemplateVersion", "{'templateName':'t','versionId':1}");
    ask_refused(r, "describeProvisioningTemplateVersion", PROV_ENOTFOUND,
                "ResourceNotFoundException", "{'templateName':'t','versionId':1}");
    ask_refused(r, "describeProvisioningTemplateVersion", PROV_EINVAL, "InvalidRequestException",
                "{'templateName':'t','versionId':0}");
    ask_refused(r, "deleteProvisioningTemplateVersion", PROV_EINVAL, "InvalidRequestException",
                "{'templateName':'t','versionId':0}");
    ask_ok(r, "deleteProvisioningTemplate", "{'templateName':'t'}");
    ask_refused(r, "describeProvisioningTemplate", PROV_ENOTFOUND, "ResourceNotFoundException",
                "{'templateName':'t'}");
    ask_refused(r, "listProvisioningTemplateVersions", PROV_ENOTFOUND, "ResourceNotFoundException",
                "{'templateName':'t'}");
}

/* ---- evaluation ------------------------------------------------------------------------------ */

static void template_tells_what_it_would_do(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);

    reg_group(r, "g", NULL);
    ask_ok(r, "createProvisioningTemplate",
           "{'templateName':'t','templateBody':'%s','enabled':false}", THING_BODY);
    ask_ok(r, "evaluateProvisioningTemplate",
           "{'templateName':'t','certificateId':'%.8s','parameters':{'Serial':'dev-1','More':'x'}}",
           ask_hex(&id));
    ask_text("templateName", "t");
    ask_number("versionId", 1);
    ask_bool("enabled", false);
    ask_text("type", "FLEET_PROVISIONING");
    assert_string_equal(ask_each("ignoredParameters", NULL), "More");
    ask_text("thingName", "dev-1");
    ask_text("attributes.a", "b");
    assert_string_equal(ask_each("thingGroups", NULL), "g");
    ask_text("certificateId", ask_hex(&id));
    ask_text("certificateStatus", "ACTIVE");
    assert_string_equal(ask_each("steps", "part"),
                        "THING ATTRIBUTE THING_GROUP ATTACHMENT CERTIFICATE_STATUS");
    assert_string_equal(ask_each("steps", "effect"), "CREATE SET SET SET NONE");
    ask_count("problems", 0);
    assert_string_equal(reg_list(r, PROV_LIST_THINGS, NONE, NONE), "");
}

static void what_would_fail_is_a_problem(void **state)
{
    struct reg *r = *state;

    ask_ok(r, "evaluateProvisioningTemplate",
           "{'templateBody':'%s','parameters':{'Serial':'dev-1'}}", THING_BODY);
    ask_missing("templateName");
    ask_missing("versionId");
    ask_count("problems", 1);
    ask_text("problems[0]", "there is no thing group \"g\"");
    ask_text("steps[2].effect", "REFUSED");
    ask_text("steps[2].reason", "there is no thing group \"g\"");
}

static void certificate_gives_its_parameters(void **state)
{
    struct reg *r = *state;
    struct pki_cert leaf = reg_pki_leaf(r, NULL, "/CN=from-cert");

    ask_ok(r, "evaluateProvisioningTemplate",
           "{'templateBody':'%s','type':'JITP','certificatePem':'%s'}", JITP_BODY,
           ask_pem(r, &leaf));
    ask_text("thingName", "from-cert");
    ask_text("type", "JITP");
    ask_ok(r, "evaluateProvisioningTemplate",
           "{'templateBody':'%s','type':'JITP','certificatePem':'%s','parameters':"
           "{'AWS::IoT::Certificate::CommonName':'given'}}",
           JITP_BODY, ask_pem(r, &leaf));
    ask_text("thingName", "given");
    ask_refused(r, "evaluateProvisioningTemplate", PROV_EINVAL, "InvalidRequestException",
                "{'templateBody':'%s','type':'JITP'}", JITP_BODY);
    ask_place("Parameters.AWS::IoT::Certificate::CommonName", 1);
    pki_free(&leaf);
}

static void evaluation_that_makes_no_sense_is_refused(void **state)
{
    static const struct {
        const char *request, *path;
    } cases[] = {
        { "{}", "templateName" },
        { "{'templateName':'t','templateBody':'{}'}", "templateName" },
        { "{'templateName':'t','type':'JITP'}", "type" },
        { "{'templateBody':'{}','versionId':1}", "versionId" },
        { "{'templateBody':'{}','type':'OTHER'}", "type" },
        { "{'templateName':'t','certificateId':'0123456789','certificatePem':'x'}",
          "certificatePem" },
        { "{'templateName':'t','certificateId':'01'}", "" },
    };
    struct reg *r = *state;
    struct prov_buf params;

    ask_ok(r, "createProvisioningTemplate", "{'templateName':'t','templateBody':'%s'}", BODY);
    for (size_t i = 0; i < PROV_COUNT(cases); i++) {
        ask_refused(r, "evaluateProvisioningTemplate", PROV_EINVAL, "InvalidRequestException", "%s",
                    cases[i].request);
        ask_place(cases[i].path, 0);
    }
    ask_refused(r, "evaluateProvisioningTemplate", PROV_ENOTFOUND, "ResourceNotFoundException",
                "{'templateName':'none'}");
    ask_refused(r, "evaluateProvisioningTemplate", PROV_ENOTFOUND, "ResourceNotFoundException",
                "{'templateName':'t','versionId':7}");
    ask_refused(r, "evaluateProvisioningTemplate", PROV_EINVAL, "CertificateValidationException",
                "{'templateName':'t','certificatePem':'x'}");
    prov_buf_init(&params, 4096);
    for (int i = 0; i < 65; i++)
        prov_buf_addf(&params, "%s'p%d':'v'", i == 0 ? "" : ",", i);
    ask_refused(r, "evaluateProvisioningTemplate", PROV_EINVAL, "InvalidRequestException",
                "{'templateName':'t','parameters':{%s}}", prov_buf_cstr(&params));
    ask_place("parameters", 0);
    prov_buf_release(&params);
}

/* ---- what goes wrong on purpose -------------------------------------------------------------- */

static enum prov_rc questions(struct reg *r, void *ctx)
{
    static const char *const ops[] = { "evaluateProvisioningTemplate",
                                       "testAuthorization",
                                       "getRegistryStatus",
                                       "testConnection",
                                       "listAttempts",
                                       "describeProvisioningTemplate" };
    cJSON *const *const params = ctx;
    enum prov_rc rc = PROV_OK;
    cJSON *data;

    for (size_t i = 0; i < PROV_COUNT(ops) && rc == PROV_OK; i++) {
        rc = prov_api_run(prov_api_find(ops[i]), NULL, &r->tx, params[i], &data);
        cJSON_Delete(data);
    }
    return rc;
}

static cJSON *parsed(struct reg *r, const char *quoted)
{
    cJSON *tree = cJSON_Parse((const char *)reg_json(r, quoted).p);

    assert_non_null(tree);
    return tree;
}

static void questions_without_memory_are_not_answered_and_lose_nothing(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);
    char text[512];
    cJSON *params[6];

    reg_group(r, "g", NULL);
    reg_policy(r, "p");
    ask_ok(r, "attachPolicy", "{'policyName':'p','target':'%s'}", ask_hex(&id));
    ask_ok(r, "createProvisioningTemplate", "{'templateName':'t','templateBody':'%s'}", THING_BODY);
    (void)snprintf(text, sizeof text,
                   "{'templateName':'t','certificateId':'%s','parameters':{'Serial':'d','x':'y'}}",
                   ask_hex(&id));
    params[0] = parsed(r, text);
    (void)snprintf(text, sizeof text,
                   "{'principal':'%s','clientId':'d','authInfos':[{'actionType':'CONNECT',"
                   "'resources':['d']}]}",
                   ask_hex(&id));
    params[1] = parsed(r, text);
    params[2] = parsed(r, "{}");
    (void)snprintf(text, sizeof text, "{'certificateId':'%s','clientId':'d'}", ask_hex(&id));
    params[3] = parsed(r, text);
    params[4] = parsed(r, "{'about':'d'}");
    params[5] = parsed(r, "{'templateName':'t'}");
    ask_keep(NULL);
    assert_true(reg_each_allocation(r, questions, params) > 100);
    for (size_t i = 0; i < PROV_COUNT(params); i++)
        cJSON_Delete(params[i]);
}

static const struct CMUnitTest api_template[] = {
    ASK_TEST(template_is_created_as_asked),
    ASK_TEST(template_that_cannot_be_is_refused),
    ASK_TEST(hook_of_a_template_is_set_changed_and_taken_away),
    ASK_TEST(template_is_changed_in_what_is_given),
    ASK_TEST(versions_of_a_template_come_and_go),
    ASK_TEST(template_tells_what_it_would_do),
    ASK_TEST(what_would_fail_is_a_problem),
    ASK_TEST(certificate_gives_its_parameters),
    ASK_TEST(evaluation_that_makes_no_sense_is_refused),
    ASK_TEST(questions_without_memory_are_not_answered_and_lose_nothing),
};

REG_MAIN(api_template)
