/* The control API's operations on policies, what they are attached to, and what they say. */
#include "support/api_case.h"

#define ARN "arn:aws:iot:local:000000000000:"
/* In a JSON text; ' stands for ". */
#define STATEMENT(effect, action, resource)                                                        \
    "{\\'Effect\\':\\'" effect "\\',\\'Action\\':\\'" action "\\',\\'Resource\\':\\'" resource     \
    "\\'}"
#define POLICY(statements) "{\\'Version\\':\\'2012-10-17\\',\\'Statement\\':[" statements "]}"
#define CONNECT POLICY(STATEMENT("Allow", "iot:Connect", "*"))
#define NOTHING POLICY(STATEMENT("Deny", "*", "*"))

/* ---- policies and versions ------------------------------------------------------------------- */

static void policy_is_created_got_and_deleted(void **state)
{
    struct reg *r = *state;

    ask_ok(r, "createPolicy", "{'policyName':'p','policyDocument':'%s'}", CONNECT);
    ask_keys("", "policyName policyArn policyDocument defaultVersionId creationDate "
                 "lastModifiedDate policyVersionId");
    ask_text("policyArn", ARN "policy/p");
    ask_text("policyVersionId", "1");
    ask_refused(r, "createPolicy", PROV_ECONFLICT, "ResourceAlreadyExistsException",
                "{'policyName':'p','policyDocument':'%s'}", NOTHING);
    ask_ok(r, "getPolicy", "{'policyName':'p'}");
    ask_text("defaultVersionId", "1");
    ask_ok(r, "listPolicies", "{}");
    assert_string_equal(ask_each("policies", "policyName"), "p");
    ask_ok(r, "deletePolicy", "{'policyName':'p'}");
    ask_refused(r, "getPolicy", PROV_ENOTFOUND, "ResourceNotFoundException", "{'policyName':'p'}");
    ask_refused(r, "deletePolicy", PROV_ENOTFOUND, "ResourceNotFoundException",
                "{'policyName':'p'}");
}

static void mistake_in_a_policy_has_its_place(void **state)
{
    struct reg *r = *state;

    ask_refused(r, "createPolicy", PROV_EINVAL, "MalformedPolicyException",
                "{'policyName':'p','policyDocument':'%s'}",
                POLICY(STATEMENT("Alow", "iot:Connect", "*")));
    ask_place("Statement[0].Effect", 1);
    ask_refused(r, "createPolicy", PROV_EINVAL, "MalformedPolicyException",
                "{'policyName':'p','policyDocument':''}");
    ask_ok(r, "createPolicy", "{'policyName':'p','policyDocument':'%s'}", CONNECT);
    ask_refused(r, "createPolicyVersion", PROV_EINVAL, "MalformedPolicyException",
                "{'policyName':'p','policyDocument':'{\\n}'}");
    ask_place("", 1);
}

static void versions_come_into_force_when_told(void **state)
{
    struct reg *r = *state;

    ask_ok(r, "createPolicy", "{'policyName':'p','policyDocument':'%s'}", CONNECT);
    ask_ok(r, "createPolicyVersion", "{'policyName':'p','policyDocument':'%s'}", NOTHING);
    ask_text("policyVersionId", "2");
    ask_bool("isDefaultVersion", false);
    ask_ok(r, "createPolicyVersion", "{'policyName':'p','policyDocument':'%s','setAsDefault':true}",
           NOTHING);
    ask_text("policyVersionId", "3");
    ask_bool("isDefaultVersion", true);
    ask_ok(r, "setDefaultPolicyVersion", "{'policyName':'p','policyVersionId':'2'}");
    ask_ok(r, "getPolicyVersion", "{'policyName':'p','policyVersionId':'2'}");
    ask_bool("isDefaultVersion", true);
    ask_ok(r, "listPolicyVersions", "{'policyName':'p'}");
    assert_string_equal(ask_each("policyVersions", "versionId"), "1 2 3");
    ask_refused(r, "deletePolicyVersion", PROV_EDENIED, "DeleteConflictException",
                "{'policyName':'p','policyVersionId':'2'}");
    ask_ok(r, "deletePolicyVersion", "{'policyName':'p','policyVersionId':'1'}");
    ask_refused(r, "deletePolicy", PROV_EDENIED, "DeleteConflictException", "{'policyName':'p'}");
    ask_ok(r, "createPolicyVersion", "{'policyName':'p','policyDocument':'%s'}", NOTHING);
    ask_ok(r, "createPolicyVersion", "{'policyName':'p','policyDocument':'%s'}", NOTHING);
    ask_ok(r, "createPolicyVersion", "{'policyName':'p','policyDocument':'%s'}", NOTHING);
    ask_refused(r, "createPolicyVersion", PROV_ETOOBIG, "VersionsLimitExceededException",
                "{'policyName':'p','policyDocument':'%s'}", NOTHING);
}

static void version_that_is_none_is_refused(void **state)
{
    static const char *const wrong[] = { "",   "0",  "01",  "-1",         "+1",
                                         "1 ", " 1", "one", "4294967296", "99999999999" };
    struct reg *r = *state;

    reg_policy(r, "p");
    for (size_t i = 0; i < PROV_COUNT(wrong); i++) {
        ask_refused(r, "getPolicyVersion", PROV_EINVAL, "InvalidRequestException",
                    "{'policyName':'p','policyVersionId':'%s'}", wrong[i]);
        ask_place("policyVersionId", 0);
    }
    ask_refused(r, "getPolicyVersion", PROV_ENOTFOUND, "ResourceNotFoundException",
                "{'policyName':'p','policyVersionId':'2'}");
    ask_refused(r, "getPolicyVersion", PROV_ENOTFOUND, "ResourceNotFoundException",
                "{'policyName':'q','policyVersionId':'1'}");
    ask_refused(r, "setDefaultPolicyVersion", PROV_ENOTFOUND, "ResourceNotFoundException",
                "{'policyName':'p','policyVersionId':'4294967295'}");
    ask_refused(r, "listPolicyVersions", PROV_ENOTFOUND, "ResourceNotFoundException",
                "{'policyName':'q'}");
}

/* ---- attachments ----------------------------------------------------------------------------- */

static void policy_is_attached_to_certificates_and_groups(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);
    char arn[160];

    (void)snprintf(arn, sizeof arn, ARN "cert/%s", ask_hex(&id));
    reg_policy(r, "p");
    reg_group(r, "g", NULL);
    ask_ok(r, "attachPolicy", "{'policyName':'p','target':'%s'}", arn);
    ask_keys("", "policyName target");
    ask_text("target", arn);
    ask_ok(r, "attachPolicy", "{'policyName':'p','target':'" ARN "thinggroup/g'}");
    ask_text("target", ARN "thinggroup/g");
    ask_ok(r, "attachPolicy", "{'policyName':'p','target':'thinggroup/g'}");
    ask_ok(r, "listTargetsForPolicy", "{'policyName':'p'}");
    ask_count("targets", 2);
    ask_text("targets[0]", arn);
    ask_text("targets[1]", ARN "thinggroup/g");
    ask_ok(r, "detachPolicy", "{'policyName':'p','target':'%.8s'}", ask_hex(&id));
    ask_text("target", arn);
    ask_ok(r, "detachPolicy", "{'policyName':'p','target':'thinggroup/g'}");
    ask_ok(r, "listTargetsForPolicy", "{'policyName':'p'}");
    ask_count("targets", 0);
    assert_string_equal(reg_problems(r), "");
}

static void target_that_is_none_is_refused(void **state)
{
    static const struct {
        const char *target;
        enum prov_rc rc;
        const char *code;
    } cases[] = {
        { "", PROV_EINVAL, "InvalidRequestException" },
        { "g", PROV_EINVAL, "InvalidRequestException" },
        { "thinggroup/", PROV_EINVAL, "InvalidRequestException" },
        { "thinggroup/none", PROV_ENOTFOUND, "ResourceNotFoundException" },
        { "cert/0123456789abcdef", PROV_ENOTFOUND, "ResourceNotFoundException" },
        { "arn:aws:iot:other:000000000000:thinggroup/g", PROV_EINVAL, "InvalidRequestException" },
        { ARN "thing/g", PROV_EINVAL, "InvalidRequestException" },
    };
    struct reg *r = *state;

    reg_policy(r, "p");
    reg_group(r, "g", NULL);
    for (size_t i = 0; i < PROV_COUNT(cases); i++) {
        ask_refused(r, "attachPolicy", cases[i].rc, cases[i].code,
                    "{'policyName':'p','target':'%s'}", cases[i].target);
        ask_refused(r, "listAttachedPolicies", cases[i].rc, cases[i].code, "{'target':'%s'}",
                    cases[i].target);
    }
    ask_refused(r, "attachPolicy", PROV_ENOTFOUND, "ResourceNotFoundException",
                "{'policyName':'none','target':'thinggroup/g'}");
    ask_refused(r, "listTargetsForPolicy", PROV_ENOTFOUND, "ResourceNotFoundException",
                "{'policyName':'none'}");
}

static void policies_of_the_groups_above_are_told_when_asked(void **state)
{
    struct reg *r = *state;

    reg_policy(r, "p");
    reg_policy(r, "q");
    reg_group(r, "up", NULL);
    reg_group(r, "down", "up");
    ask_ok(r, "attachPolicy", "{'policyName':'p','target':'thinggroup/up'}");
    ask_ok(r, "attachPolicy", "{'policyName':'q','target':'thinggroup/down'}");
    ask_ok(r, "listAttachedPolicies", "{'target':'thinggroup/down'}");
    assert_string_equal(ask_each("policies", "policyName"), "q");
    ask_ok(r, "listAttachedPolicies", "{'target':'thinggroup/down','recursive':true}");
    assert_string_equal(ask_each("policies", "policyName"), "q p");
}

/* ---- what they say --------------------------------------------------------------------------- */

#define DEVICE                                                                                     \
    POLICY(STATEMENT("Allow", "iot:Connect", ARN "client/dev") "," STATEMENT(                      \
        "Allow", "iot:Publish",                                                                    \
        ARN "topic/a/*") "," STATEMENT("Deny", "iot:Publish",                                      \
                                       ARN                                                         \
                                       "topic/a/secret") "," STATEMENT("Allow", "iot:Subscribe",   \
                                                                       ARN "topicfilter/"          \
                                                                           "${iot:Connection."     \
                                                                           "Thing.ThingName}/#"))

static struct prov_id device(struct reg *r)
{
    const struct prov_id id = reg_cert(r);

    ask_ok(r, "createPolicy", "{'policyName':'p','policyDocument':'%s'}", DEVICE);
    ask_ok(r, "attachPolicy", "{'policyName':'p','target':'%s'}", ask_hex(&id));
    return id;
}

static void question_is_answered_with_its_reasons(void **state)
{
    static const struct {
        const char *action, *resource, *decision;
    } cases[] = {
        { "CONNECT", ARN "client/dev", "ALLOWED" },
        { "CONNECT", "dev", "ALLOWED" },
        { "CONNECT", "other", "IMPLICIT_DENY" },
        { "PUBLISH", ARN "topic/a/b", "ALLOWED" },
        { "PUBLISH", "a/b", "ALLOWED" },
        { "PUBLISH", "topic/a/b", "IMPLICIT_DENY" },
        { "PUBLISH", "a/secret", "EXPLICIT_DENY" },
        { "SUBSCRIBE", ARN "topicfilter/x", "IMPLICIT_DENY" },
        { "RECEIVE", "a/b", "IMPLICIT_DENY" },
        { "RETAIN_PUBLISH", "a/b", "IMPLICIT_DENY" },
    };
    struct reg *r = *state;
    const struct prov_id id = device(r);

    for (size_t i = 0; i < PROV_COUNT(cases); i++) {
        ask_ok(r, "testAuthorization",
               "{'principal':'%s','clientId':'dev','authInfos':[{'actionType':'%s',"
               "'resources':['%s']}]}",
               ask_hex(&id), cases[i].action, cases[i].resource);
        ask_count("authResults", 1);
        ask_text("authResults[0].authInfo.actionType", cases[i].action);
        ask_text("authResults[0].authDecision", cases[i].decision);
        ask_count("authResults[0].statements", 4);
        ask_count("authResults[0].allowed.policies",
                  strcmp(cases[i].decision, "IMPLICIT_DENY") != 0 ? 1 : 0);
        ask_count("authResults[0].denied.explicitDeny.policies",
                  strcmp(cases[i].decision, "EXPLICIT_DENY") == 0 ? 1 : 0);
        ask_count("authResults[0].denied.implicitDeny.policies", 0);
    }
}

static void answer_tells_each_statement_and_who_was_asked_about(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = device(r);

    reg_thing(r, "t");
    ask_ok(r, "attachThingPrincipal", "{'thingName':'t','principal':'%s'}", ask_hex(&id));
    ask_ok(r, "testAuthorization",
           "{'principal':'%.8s','authInfos':[{'actionType':'SUBSCRIBE','resources':['t/#','u/#']},"
           "{'actionType':'PUBLISH','resources':['a/secret']}]}",
           ask_hex(&id));
    ask_keys("", "certificateArn certificateId certificateStatus things authResults");
    ask_text("certificateId", ask_hex(&id));
    ask_text("certificateStatus", "ACTIVE");
    assert_string_equal(ask_each("things", NULL), "t");
    ask_count("authResults", 3);
    ask_text("authResults[0].authInfo.resources[0]", ARN "topicfilter/t/#");
    ask_text("authResults[0].missingContextValues[0]", "iot:Connection.Thing.ThingName");
    ask_keys("authResults[0].statements[3]", "policyName statement effect matches why detail");
    ask_text("authResults[0].statements[3].why", "no value for");
    ask_number("authResults[0].statements[3].statement", 4);
    ask_text("authResults[2].denied.explicitDeny.policies[0].policyArn", ARN "policy/p");
    ask_bool("authResults[2].statements[2].matches", true);
    ask_text("authResults[2].statements[2].effect", "Deny");
    ask_text("authResults[2].statements[0].why", "another action");
    ask_ok(r, "testAuthorization",
           "{'principal':'%s','clientId':'t','authInfos':[{'actionType':'SUBSCRIBE',"
           "'resources':['t/#','u/#']}]}",
           ask_hex(&id));
    ask_text("thingName", "t");
    assert_string_equal(ask_each("authResults", "authDecision"), "ALLOWED IMPLICIT_DENY");
}

static void policies_of_groups_are_named_with_their_group(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);

    ask_ok(r, "createPolicy", "{'policyName':'p','policyDocument':'%s'}", CONNECT);
    reg_group(r, "g", NULL);
    reg_thing(r, "t");
    ask_ok(r, "attachPolicy", "{'policyName':'p','target':'thinggroup/g'}");
    ask_ok(r, "addThingToThingGroup", "{'thingGroupName':'g','thingName':'t'}");
    ask_ok(r, "attachThingPrincipal", "{'thingName':'t','principal':'%s'}", ask_hex(&id));
    ask_ok(r, "testAuthorization",
           "{'principal':'%s','clientId':'t','authInfos':[{'actionType':'CONNECT',"
           "'resources':['t']}]}",
           ask_hex(&id));
    ask_text("authResults[0].statements[0].thingGroupName", "g");
    ask_text("authResults[0].authDecision", "ALLOWED");
}

static void conditions_are_asked_with_what_is_given(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);

    ask_ok(r, "createPolicy", "{'policyName':'p','policyDocument':'%s'}",
           "{\\'Version\\':\\'2012-10-17\\',\\'Statement\\':[{\\'Effect\\':\\'Allow\\',"
           "\\'Action\\':\\'iot:Connect\\',\\'Resource\\':\\'*\\',\\'Condition\\':{"
           "\\'IpAddress\\':{\\'aws:SourceIp\\':\\'192.0.2.0/24\\'}}}]}");
    ask_ok(r, "attachPolicy", "{'policyName':'p','target':'%s'}", ask_hex(&id));
    ask_ok(r, "testAuthorization",
           "{'principal':'%s','sourceIp':'192.0.2.7','authInfos':[{'actionType':'CONNECT',"
           "'resources':['x']}],'persistent':true,'willTopic':'w'}",
           ask_hex(&id));
    ask_text("authResults[0].authDecision", "ALLOWED");
    ask_ok(r, "testAuthorization",
           "{'principal':'%s','sourceIp':'198.51.100.7','authInfos':[{'actionType':'CONNECT',"
           "'resources':['x']}]}",
           ask_hex(&id));
    ask_text("authResults[0].authDecision", "IMPLICIT_DENY");
    ask_text("authResults[0].statements[0].why", "condition not met:");
}

static void question_that_makes_no_sense_is_refused(void **state)
{
    static const char *const wrong[] = {
        "{'actionType':'Publish','resources':['a']}",
        "{'actionType':'','resources':['a']}",
        "{'actionType':'PUBLISH','resources':['arn:aws:iot:other:000000000000:topic/a']}",
        "{'actionType':'PUBLISH','resources':['" ARN "topicfilter/a']}",
        "{'actionType':'CONNECT','resources':['" ARN "topic/a']}",
    };
    struct reg *r = *state;
    const struct prov_id id = device(r);

    for (size_t i = 0; i < PROV_COUNT(wrong); i++)
        ask_refused(r, "testAuthorization", PROV_EINVAL, "InvalidRequestException",
                    "{'principal':'%s','authInfos':[%s]}", ask_hex(&id), wrong[i]);
    ask_refused(r, "testAuthorization", PROV_EINVAL, "InvalidRequestException",
                "{'principal':'%s','authInfos':[{'actionType':'CONNECT','resources':"
                "['1','2','3','4','5','6','7','8','9','0','1','2','3','4','5','6','7']}]}",
                ask_hex(&id));
    ask_said("more than 16");
    ask_refused(r, "testAuthorization", PROV_ENOTFOUND, "ResourceNotFoundException",
                "{'principal':'0123456789','authInfos':[]}");
    ask_ok(r, "testAuthorization", "{'principal':'%s','authInfos':[]}", ask_hex(&id));
    ask_count("authResults", 0);
}

static const struct CMUnitTest api_policy[] = {
    ASK_TEST(policy_is_created_got_and_deleted),
    ASK_TEST(mistake_in_a_policy_has_its_place),
    ASK_TEST(versions_come_into_force_when_told),
    ASK_TEST(version_that_is_none_is_refused),
    ASK_TEST(policy_is_attached_to_certificates_and_groups),
    ASK_TEST(target_that_is_none_is_refused),
    ASK_TEST(policies_of_the_groups_above_are_told_when_asked),
    ASK_TEST(question_is_answered_with_its_reasons),
    ASK_TEST(answer_tells_each_statement_and_who_was_asked_about),
    ASK_TEST(policies_of_groups_are_named_with_their_group),
    ASK_TEST(conditions_are_asked_with_what_is_given),
    ASK_TEST(question_that_makes_no_sense_is_refused),
};

REG_MAIN(api_policy)
