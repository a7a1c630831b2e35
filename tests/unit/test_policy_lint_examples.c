/*
 * Policies that people have: ours in templates/policies, and those of the AWS IoT manual
 * (DG:connect-policy, pub-sub-policy, certificate-policy-examples, thing-policy-examples,
 * basic-policy-examples, provision-wo-cert), in their own spelling but for the account. Warnings
 * beside them are right; where there is none, none must come.
 */
#include "unit/test_policy_lint.h"

#include <glob.h>

#define AWS "arn:aws:iot:us-east-1:123456789012:"
#define CONNECT_IF(condition) DOC(IF("Allow", "iot:Connect", AWS "client/client1", condition))
#define BOTH(action, a, b)                                                                         \
    "{'Effect':'Allow','Action':" action ",'Resource':['" AWS a "','" AWS b "']}"

static const struct {
    const char *doc, *codes; /* with spaces between, in order */
} examples[] = {
    /* connect */
    { CONNECT_IF("{'Bool':{'iot:Connection.Thing.IsAttached':['true']}}"), "" },
    { DOC(IF("Allow", "iot:Connect", "*",
             "{'Bool':{'iot:Connection.Thing.IsAttached':['true']},'ForAnyValue:StringEquals':"
             "{'iot:ConnectAttributes':['PersistentConnect']}}")),
      "" },
    { CONNECT_IF("{'ForAllValues:StringEquals':{'iot:ConnectAttributes':['PersistentConnect']}}"),
      "" },
    { CONNECT_IF("{'ForAllValues:StringEquals':{'iot:ConnectAttributes':['LastWill']}}"), "" },
    { CONNECT_IF("{'ForAllValues:StringEquals':{'iot:ConnectAttributes':['PersistentConnect',"
                 "'LastWill']}}"),
      "" },
    { CONNECT_IF("{'ForAllValues:StringEquals':{'iot:ConnectAttributes':[]}}"), "" },
    { CONNECT_IF("{'ForAllValues:StringNotEquals':{'iot:ConnectAttributes':["
                 "'PersistentConnect']}}"),
      "" },
    { CONNECT_IF("{'ForAnyValue:StringEquals':{'iot:ConnectAttributes':['PersistentConnect']}}"),
      "" },
    { CONNECT_IF("{'ArnEquals':{'iot:LastWillTopic':'" AWS "topic/mytopic'}}"), "" },
    { CONNECT_IF("{'ArnNotEquals':{'iot:LastWillTopic':'" AWS "topic/mytopic'}}"), "" },
    { DOC(ALLOW("iot:Connect", AWS "client/client1") "," IF(
          "Deny", "iot:Connect", AWS "client/client1",
          "{'ForAnyValue:StringEquals':{'iot:ConnectAttributes':['PersistentConnect']}}")),
      "" },
    { DOC(ALLOW("iot:Connect", AWS "client/client1") "," IF(
          "Deny", "iot:Connect", AWS "client/client1",
          "{'ForAllValues:StringEquals':{'iot:ConnectAttributes':['LastWill']}}")),
      "" },
    { DOC(ALLOW("iot:Connect", AWS "client/clientid1")), "" },
    { DOC("{'Effect':'Allow','Action':'iot:Connect','Resource':['" AWS "client/clientid1','" AWS
          "client/clientid2','" AWS "client/clientid3']}"),
      "" },
    { DOC(ALLOW("iot:Connect", AWS "client/clientid?")), "" },
    { DOC(IF("Allow", "iot:Connect", AWS "client/*",
             "{'IpAddress':{'aws:SourceIp':'1.2.3.0/24'}}")),
      "" },
    { DOC(IF("Deny", "iot:Connect", "*",
             "{'NotIpAddress':{'aws:SourceIp':["
             "'192.0.2.0/24','2001:db8::/32']}}")),
      "" },
    /* things */
    { DOC(ALLOW("iot:Connect", AWS "client/${iot:Connection.Thing.ThingName}") "," ALLOW(
          "iot:Publish", AWS "topic/my/things/${iot:Connection.Thing.ThingName}/pub")),
      "" },
    { DOC(BOTH("['iot:Publish','iot:Receive']", "topic/${iot:Connection.Thing.ThingName}/a",
               "topic/${iot:Connection.Thing.ThingTypeName}/b")),
      "" },
    { DOC(IF("Allow", "iot:Publish", AWS "topic/a",
             "{'StringLike':{'iot:Connection.Thing.ThingTypeName':'light-*'},'StringEquals':"
             "{'iot:Connection.Thing.Attributes[env]':'prod'}}")),
      "" },
    { DOC(ALLOW("iot:Connect", AWS "client/${iot:ClientId}") "," ALLOW(
          "iot:Publish", AWS "topic/$aws/rules/r/${iot:ClientId}")),
      "" },
    /* publish, subscribe, receive */
    { DOC(BOTH("['iot:Publish','iot:Subscribe','iot:Receive']", "topic/some_topic",
               "topicfilter/some_topic")),
      "" },
    { DOC(ALLOW("iot:Subscribe", AWS "topicfilter/foo/+/bar") "," ALLOW("iot:Receive",
                                                                        AWS "topic/foo/*/bar")),
      "" },
    { DOC(ALLOW("iot:Subscribe", AWS "topicfilter/foo/*") "," ALLOW(
          "iot:Receive", AWS "topic/foo/*") "," DENY("iot:Receive", AWS "topic/foo/secret/*")),
      "" },
    { DOC(ALLOW("iot:Subscribe", AWS "topicfilter/foo/*") "," DENY(
          "iot:Subscribe", AWS "topicfilter/foo/secret/*") "," ALLOW("iot:Receive",
                                                                     AWS "topic/foo/*")),
      "" },
    { DOC(ALLOW("iot:Publish", AWS "topic/foo/bar") "," DENY("iot:Publish", AWS "topic/foo/*")),
      "dead-allow" },
    { DOC(BOTH("['iot:Publish','iot:RetainPublish']", "topic/a", "topic/b/*")), "" },
    { DOC(ALLOW("iot:Subscribe", AWS "topicfilter/$share/group/a/+") "," ALLOW("iot:Receive",
                                                                               AWS "topic/a/*")),
      "" },
    { DOC(BOTH("['iot:Publish','iot:Subscribe']", "topic/${iot:ClientId}",
               "topicfilter/${iot:ClientId}")),
      "receive-missing" },
    { DOC("{'Effect':'Deny','Action':['iot:Publish','iot:Receive'],'NotResource':'" AWS
          "topic/public/*'}"),
      "" },
    /* certificates */
    { DOC(ALLOW("iot:Publish", AWS "topic/${iot:Certificate.Subject.CommonName}") "," ALLOW(
          "iot:Publish", AWS "topic/${iot:Certificate.Issuer.AlternativeName.DNSName.1}")),
      "" },
    { DOC(IF("Allow", "iot:Connect", AWS "client/*",
             "{'StringEquals':{'iot:Certificate.Subject.CommonName.2':'administrator'}}")),
      "" },
    { DOC(IF("Allow", "iot:Publish", AWS "topic/a",
             "{'ForAllValues:StringEquals':{'iot:Certificate.Subject.Organization.List':["
             "'Example Corp','AnyCompany']}}")),
      "" },
    { DOC(IF("Deny", "iot:Publish", "*",
             "{'ForAnyValue:StringNotEquals':{'iot:Certificate.Subject.Organization.List':["
             "'Example Corp','AnyCompany']}}")),
      "deny-missing" },
    { DOC(IF("Deny", "iot:Publish", "*",
             "{'ForAllValues:StringNotEquals':{'iot:Certificate.AvailableKeys':["
             "'iot:Certificate.Subject.Organization']}}")),
      "" },
    { DOC(IF("Allow", "iot:Publish", AWS "topic/a",
             "{'StringLike':{'iot:Certificate.Subject.AlternativeName.RFC822Name.List':"
             "'*@example.com'}}")),
      "" },
    { DOC(ALLOW("iot:Publish", AWS "topic/*") "," DENY(
          "iot:Publish", AWS "topic/${iot:Certificate.Subject.Organization}/x")),
      "deny-missing" },
    /* shadows and jobs */
    { DOC(ALLOW("iot:Publish", AWS "topic/$aws/things/${iot:Thing.ThingName}/shadow/*") "," ALLOW(
          "iot:Subscribe", AWS
          "topicfilter/$aws/things/${iot:Thing.ThingName}/shadow/*") "," ALLOW("iot:Receive", AWS
                                                                               "topic/$aws/things/"
                                                                               "${iot:Thing."
                                                                               "ThingName}/shadow/"
                                                                               "*")),
      "" },
    { DOC("{'Effect':'Allow','Action':['iot:GetThingShadow','iot:UpdateThingShadow',"
          "'iot:DeleteThingShadow'],'Resource':'" AWS "thing/thing'}"),
      "other-action" },
    { DOC("{'Effect':'Allow','Action':['iotjobsdata:DescribeJobExecution',"
          "'iotjobsdata:UpdateJobExecution'],'Resource':'" AWS "thing/thing'}"),
      "other-action" },
    { DOC("{'Effect':'Allow','Action':'iot:AssumeRoleWithCertificate','Resource':'" AWS
          "rolealias/a','Condition':{'StringEquals':{'iot:Connection.Thing.ThingName':'a'}}}"),
      "other-action" },
    /* claims */
    { DOC(ALLOW("iot:Connect", "*") "," BOTH(
          "['iot:Publish','iot:Receive']", "topic/$aws/certificates/create/*",
          "topic/$aws/provisioning-templates/T/provision/*") "," BOTH("'iot:Subscribe'",
                                                                      "topicfilter/$aws/"
                                                                      "certificates/create/*",
                                                                      "topicfilter/$aws/"
                                                                      "provisioning-templates/T/"
                                                                      "provision/*")),
      "create-from-csr create-from-csr" },
    { DOC(ALLOW("iot:Connect", "*") "," BOTH(
          "['iot:Publish','iot:Receive']", "topic/$aws/certificates/create-from-csr/*",
          "topic/$aws/provisioning-templates/T/provision/*") "," BOTH("'iot:Subscribe'",
                                                                      "topicfilter/$aws/"
                                                                      "certificates/"
                                                                      "create-from-csr/*",
                                                                      "topicfilter/$aws/"
                                                                      "provisioning-templates/T/"
                                                                      "provision/*")),
      "" },
    /* what the console's quick start makes */
    { DOC("{'Effect':'Allow','Action':['iot:Publish','iot:Receive','iot:PublishRetain'],"
          "'Resource':['" AWS "topic/sdk/test/java','" AWS "topic/topic_1']},{'Effect':'Allow',"
          "'Action':['iot:Subscribe'],'Resource':['" AWS "topicfilter/sdk/test/java','" AWS
          "topicfilter/topic_1']},{'Effect':'Allow','Action':['iot:Connect'],'Resource':['" AWS
          "client/sdk-java','" AWS "client/basicPubSub']}"),
      "unknown-action" },
    { DOC(ALLOW("iot:*", "*")), "allow-all" },
    { DOC("{'Effect':'Allow','Action':['iot:Publish','iot:Subscribe','iot:Connect','iot:Receive',"
          "'greengrass:*'],'Resource':['*']}"),
      "allow-all" },
    { DOC("{'Effect':'Allow','Action':'greengrass:Discover','Resource':'" AWS "thing/a'}"),
      "other-action" },
};

static void write_codes(const struct linted *found, char *out, size_t cap)
{
    size_t n = 0;

    out[0] = '\0';
    for (size_t i = 0; i < found->n && n < cap; i++)
        n += (size_t)snprintf(out + n, cap - n, "%s%s", i == 0 ? "" : " ", found->w[i].code);
}

static void the_manuals_policies_get_no_wrong_warning(void **state)
{
    struct linted *const found = malloc(sizeof *found);
    char codes[256];

    (void)state;
    assert_non_null(found);
    for (size_t i = 0; i < PROV_COUNT(examples); i++) {
        lint(found, examples[i].doc);
        write_codes(found, codes, sizeof codes);
        if (strcmp(codes, examples[i].codes) == 0)
            continue;
        show_warnings(found);
        fail_msg("wanted: %s", examples[i].codes);
    }
    free(found);
}

/* "…/" of this source tree. */
static void source_dir(char *out, size_t cap)
{
    const char *const here = __FILE__, *const cut = strstr(here, "tests/unit/");

    assert_non_null(cut);
    (void)snprintf(out, cap, "%.*s", (int)(cut - here), here);
}

static void our_own_policies_are_free_of_warnings(void **state)
{
    struct linted *const found = malloc(sizeof *found);
    char dir[512], pattern[1024];
    glob_t files;
    char *text;

    (void)state;
    assert_non_null(found);
    source_dir(dir, sizeof dir);
    (void)snprintf(pattern, sizeof pattern, "%stemplates/policies/*.json", dir);
    assert_int_equal(glob(pattern, 0, NULL, &files), 0);
    assert_true(files.gl_pathc >= 3);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        text = policy_file(strrchr(files.gl_pathv[i], '/') + 1);
        (void)snprintf(found->text.json, sizeof found->text.json, "%s", text);
        free(text);
        lint_text(found, NULL);
        if (found->n != 0)
            show_warnings(found);
        assert_int_equal(found->n, 0);
    }
    globfree(&files);
    free(found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_manuals_policies_get_no_wrong_warning),
        cmocka_unit_test(our_own_policies_are_free_of_warnings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
