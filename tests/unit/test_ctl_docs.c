/* provctl's policies and templates: versions, mistakes in files, `test` and `eval`. */
#include "core/policy_lint.h"
#include "ctl/ctl.h"
#include "unit/test_ctl.h"

/* A policy "device" and a thing "dev-1" for the registered device. */
static void furnish(struct rig *r)
{
    char path[TMP_PATH_MAX];

    rig_register(r);
    write_file(r, "policy.json", POLICY_TEXT, path);
    ctl_ok(r, "policy", "create", "device", path);
    ctl_ok(r, "policy", "attach", "device", "--cert", r->leaf_hex);
    ctl_ok(r, "thing", "create", "dev-1");
    ctl_ok(r, "thing", "attach", "dev-1", "--cert", r->leaf_hex);
}

/* ---- mistakes in files ----------------------------------------------------------------------- */

static void mistake_in_a_policy_is_told_with_its_place(void **state)
{
    struct rig *r = *state;
    char path[TMP_PATH_MAX], place[TMP_PATH_MAX + 64];

    write_file(r, "bad.json",
               "{ \"Version\": \"2012-10-17\",\n"
               "  \"Statement\": [ { \"Effect\": \"Permit\", \"Action\": \"iot:Connect\",\n"
               "    \"Resource\": \"*\" } ] }\n",
               path);
    (void)snprintf(place, sizeof place, "provctl: %s:2:", path);
    ctl_fails(r, 4, "policy", "lint", path);
    says(r->err, place);
    says(r->err, "Effect");
    ctl_fails(r, 4, "policy", "create", "p", path);
    says(r->err, place);
    ctl_fails(r, 2, "policy", "show", "p");
    ctl_json_code(r, 4, "policy", "lint", path);
    assert_string_equal(text_at(r, "error.file"), path);
    assert_int_equal(at(r, "error.line")->valueint, 2);
    assert_true(at(r, "error.column")->valueint > 1);
    says(text_at(r, "error.path"), "Effect");
}

static void text_that_is_no_json_is_told_with_its_place(void **state)
{
    struct rig *r = *state;

    r->input = "{\n  nonsense\n";
    ctl_fails(r, 4, "policy", "lint", "-");
    says(r->err, "provctl: (stdin):2:3: ");
    ctl_fails(r, 4, "template", "lint", "-");
    says(r->err, "provctl: (stdin):2:3: ");
}

/* A request could not carry it as it is. */
static void text_that_is_no_utf8_is_told_with_its_place(void **state)
{
    struct rig *r = *state;

    r->input = "{ \"Version\": \"2012-10-17\",\n  \"Id\": \"\xff\", \"Statement\": [] }\n";
    ctl_fails(r, 4, "policy", "create", "p", "-");
    says(r->err, "provctl: (stdin):2:");
    ctl_json_code(r, 4, "policy", "create", "p", "-");
    assert_string_equal(text_at(r, "error.code"), "MalformedPolicyException");
    ctl_fails(r, 4, "template", "create", "t", "-");
    says(r->err, "provctl: (stdin):2:");
    ctl_fails(r, 4, "template", "eval", "--file", "-");
    says(r->err, "provctl: (stdin):2:");
    ctl_ok(r, "policy", "list");
    assert_string_equal(r->out, "");
}

static void stdin_is_read_once_only(void **state)
{
    struct rig *r = *state;
    char *pem = pki_pem(r->ca.x509);

    r->input = pem;
    ctl_fails(r, 1, "cert", "register", "-", "--ca", "-");
    says(r->err, "once");
    r->input = NULL;
    free(pem);
}

static void good_documents_pass_lint_without_a_store(void **state)
{
    struct rig *r = *state;

    r->input = POLICY_TEXT;
    ctl_ok(r, "--db", "/nowhere", "policy", "lint", "-");
    says(r->out, "statements: 3");
    r->input = TEMPLATE_TEXT;
    ctl_ok(r, "--db", "/nowhere", "template", "lint", "-", "--type", "jitp");
    says(r->out, "JITP");
}

#define DOUBTFUL                                                                                   \
    "{ \"Version\": \"2012-10-17\", \"Statement\": [\n"                                            \
    "  { \"Effect\": \"Allow\", \"Action\": \"iot:Subscribe\",\n"                                  \
    "    \"Resource\": \"arn:aws:iot:us-east-1:*:topic/a\" },\n"                                   \
    "  { \"Effect\": \"Allow\", \"Action\": \"iot:Publsh\", \"Resource\": \"*\" } ] }\n"

static void doubtful_policy_is_warned_of_with_the_cure(void **state)
{
    struct rig *r = *state;

    r->input = DOUBTFUL;
    ctl_ok(r, "--db", "/nowhere", "policy", "lint", "-");
    assert_string_equal(
        r->out,
        "(stdin):3:5: warning: Statement[0].Resource: iot:Subscribe is about topicfilter/…, not "
        "topic/…, so it matches nothing [subscribe-topic]\n"
        "    cure: \"arn:aws:iot:us-east-1:*:topicfilter/a\"\n"
        "(stdin):4:24: warning: Statement[1].Action: no operation asks for the action "
        "\"iot:Publsh\" [unknown-action]\n"
        "    cure: \"iot:Publish\"\n"
        "-: a correct policy, statements: 2, warnings: 2\n");
    assert_string_equal(r->err, "");
    ctl_denies(r, 4, "policy", "lint", "-", "--strict");
    says(r->out, "warnings: 2");
    r->input = POLICY_TEXT;
    ctl_ok(r, "policy", "lint", "-", "--strict");
    says(r->out, "a good policy");
}

static void warnings_are_one_json_document(void **state)
{
    struct rig *r = *state;

    r->input = DOUBTFUL;
    ctl_json(r, "policy", "lint", "-");
    assert_true(cJSON_IsTrue(at(r, "valid")));
    assert_int_equal(count_at(r, "warnings"), 2);
    assert_string_equal(text_at(r, "warnings[0].code"), "subscribe-topic");
    assert_int_equal(at(r, "warnings[0].line")->valueint, 3);
    assert_int_equal(at(r, "warnings[0].column")->valueint, 5);
    assert_string_equal(text_at(r, "warnings[0].path"), "Statement[0].Resource");
    says(text_at(r, "warnings[0].message"), "topicfilter/…");
    assert_string_equal(text_at(r, "warnings[1].cure"), "\"iot:Publish\"");
    ctl_json_code(r, 4, "policy", "lint", "-", "--strict");
    assert_int_equal(count_at(r, "warnings"), 2);
    r->input = POLICY_TEXT;
    ctl_json(r, "policy", "lint", "-", "--strict");
    assert_true(cJSON_IsTrue(at(r, "valid")));
    assert_int_equal(count_at(r, "warnings"), 0);
    r->input = "{";
    ctl_json_code(r, 4, "policy", "lint", "-");
    assert_string_equal(text_at(r, "error.code"), "MalformedPolicyException");
}

static void lint_heeds_region_and_account_when_they_are_given(void **state)
{
    struct rig *r = *state;

    r->input = DOUBTFUL;
    ctl_ok(r, "policy", "lint", "-", "--region", "us-east-1", "--account-id", "123456789012");
    says(r->out, "warnings: 2");
    ctl_ok(r, "policy", "lint", "-", "--region", "eu-central-1");
    says(r->out, "[arn-scope]");
    says(r->out, "warnings: 3");
    ctl_fails(r, 1, "policy", "lint", "-", "--region", "EU");
    says(r->err, "--region");
    ctl_fails(r, 1, "policy", "lint", "-", "--region", "");
    ctl_fails(r, 1, "policy", "lint", "-", "--account-id", "12345678901");
    says(r->err, "12 digits");
    ctl_fails(r, 1, "policy", "lint", "-", "--account-id", "12345678901x");
}

static void doubtful_policy_is_created_and_warned_of(void **state)
{
    struct rig *r = *state;

    r->input = DOUBTFUL;
    ctl_ok(r, "policy", "create", "p", "-");
    says(r->out, "policy p created");
    says(r->err, "(stdin):3:5: warning: Statement[0].Resource: ");
    says(r->err, "[arn-scope]"); /* this registry's region is not us-east-1 */
    says(r->err, "    cure: \"iot:Publish\"\n");
    ctl_ok(r, "policy", "version", "create", "p", "-");
    says(r->err, "[unknown-action]");
    ctl_json(r, "policy", "version", "create", "p", "-");
    assert_string_equal(r->err, "");
    ctl_fails(r, 3, "policy", "create", "p", "-");
    says_not(r->err, "warning");
    r->input = POLICY_TEXT;
    ctl_ok(r, "policy", "create", "q", "-");
    assert_string_equal(r->err, "");
}

static void man_page_explains_every_warning(void **state)
{
    const char *const here = __FILE__, *const cut = strstr(here, "tests/unit/");
    char path[512], *page = NULL;
    size_t cap = 0;
    FILE *f;

    (void)state;
    assert_non_null(cut);
    (void)snprintf(path, sizeof path, "%.*sdocs/provctl.1", (int)(cut - here), here);
    f = fopen(path, "r");
    assert_non_null(f);
    assert_true(getdelim(&page, &cap, '\0', f) > 0);
    assert_int_equal(fclose(f), 0);
    for (size_t i = 0; prov_policy_warning_code(i) != NULL; i++) {
        char code[64];
        size_t n = 0;

        for (const char *c = prov_policy_warning_code(i); *c != '\0'; c++) {
            if (*c == '-')
                code[n++] = '\\';
            code[n++] = *c;
        }
        code[n] = '\0';
        if (strstr(page, code) == NULL)
            fail_msg("the man page lacks %s", code);
    }
    free(page);
}

static void template_is_checked_for_what_its_type_forbids(void **state)
{
    struct rig *r = *state;

    r->input = "{ \"Parameters\": { \"Serial\": { \"Type\": \"String\" } },\n"
               "  \"Resources\": { \"t\": { \"Type\": \"AWS::IoT::Thing\",\n"
               "    \"Properties\": { \"ThingName\": { \"Ref\": \"Serial\" } } } } }\n";
    ctl_ok(r, "template", "lint", "-");
    ctl_fails(r, 4, "template", "lint", "-", "--type", "JITP");
    says(r->err, "(stdin):1:");
    ctl_fails(r, 1, "template", "lint", "-", "--type", "JIT");
    says(r->err, "did you mean JITP?");
}

/* ---- policies -------------------------------------------------------------------------------- */

static void policy_has_versions_of_which_one_is_in_force(void **state)
{
    struct rig *r = *state;

    r->input = POLICY_TEXT;
    ctl_json(r, "policy", "create", "p", "-");
    assert_string_equal(text_at(r, "defaultVersionId"), "1");
    ctl_fails(r, 3, "policy", "create", "p", "-");
    says(r->err, "provctl policy version create p");
    ctl_ok(r, "policy", "version", "create", "p", "-");
    says(r->out, "set-default p 2");
    ctl_json(r, "policy", "version", "list", "p");
    assert_int_equal(count_at(r, "policyVersions"), 2);
    assert_true(cJSON_IsTrue(at(r, "policyVersions[0].isDefaultVersion")));
    ctl_fails(r, 4, "policy", "version", "delete", "p", "1");
    ctl_ok(r, "policy", "version", "set-default", "p", "2");
    ctl_fails(r, 4, "policy", "delete", "p");
    says(r->err, "provctl policy version list p");
    ctl_ok(r, "policy", "version", "delete", "p", "1");
    ctl_json(r, "policy", "version", "show", "p", "2");
    assert_string_equal(text_at(r, "policyDocument"), POLICY_TEXT);
    ctl_fails(r, 2, "policy", "version", "show", "p", "1");
    ctl_fails(r, 1, "policy", "version", "show", "p", "one");
    ctl_fails(r, 1, "policy", "version", "show", "p", "0");
    ctl_ok(r, "policy", "version", "create", "p", "-", "--set-default");
    ctl_ok(r, "policy", "version", "list", "p");
    says(r->out, "3  default");
    ctl_ok(r, "policy", "version", "delete", "p", "2");
    ctl_ok(r, "policy", "delete", "p");
    ctl_fails(r, 2, "policy", "delete", "p");
    says_not(r->err, "tells what it is attached to");
    says(r->err, "provctl policy list");
}

static void sixth_version_is_refused_with_the_cure(void **state)
{
    struct rig *r = *state;

    r->input = POLICY_TEXT;
    ctl_ok(r, "policy", "create", "p", "-");
    for (int i = 0; i < 4; i++)
        ctl_ok(r, "policy", "version", "create", "p", "-");
    ctl_fails(r, 4, "policy", "version", "create", "p", "-");
    says(r->err, "provctl policy version list p");
}

static void policy_is_shown_as_it_was_written(void **state)
{
    struct rig *r = *state;

    furnish(r);
    ctl_ok(r, "group", "create", "g");
    ctl_ok(r, "policy", "attach", "device", "--group", "g");
    ctl_ok(r, "policy", "show", "device");
    says(r->out, POLICY_TEXT);
    says(r->out, "group g");
    says(r->out, "cert ");
    ctl_fails(r, 4, "policy", "delete", "device");
    ctl_ok(r, "policy", "detach", "device", "--group", "g");
    ctl_ok(r, "policy", "detach", "device", "--cert", r->leaf_hex);
    ctl_ok(r, "policy", "show", "device");
    says(r->out, "attached to       none");
    ctl_ok(r, "policy", "delete", "device");
}

static void policy_is_attached_to_one_target(void **state)
{
    struct rig *r = *state;

    furnish(r);
    ctl_fails(r, 1, "policy", "attach", "device");
    says(r->err, "one of --cert ID and --group GROUP");
    ctl_fails(r, 1, "policy", "attach", "device", "--cert", r->leaf_hex, "--group", "g");
    ctl_fails(r, 2, "policy", "attach", "nosuch", "--cert", r->leaf_hex);
    ctl_fails(r, 2, "policy", "attach", "device", "--group", "nosuch");
    ctl_fails(r, 2, "policy", "attach", "device", "--cert", "00000000");
}

/* ---- policy test ----------------------------------------------------------------------------- */

#define TEST "policy", "test", "--cert", r->leaf_hex

static void test_tells_the_verdict_by_exit_code(void **state)
{
    struct rig *r = *state;
    static const struct {
        const char *client_id, *action, *resource, *verdict;
        int code;
    } cases[] = {
        { "dev-1", "iot:Connect", NULL, "ALLOWED", 0 },
        { "dev-1", "connect", "dev-1", "ALLOWED", 0 },
        { "dev-1", "IOT:PUBLISH", "a/b", "ALLOWED", 0 },
        { "dev-1", "Publish", "arn:aws:iot:local:000000000000:topic/a/b", "ALLOWED", 0 },
        { "dev-1", "Publish", "a/secret", "EXPLICIT_DENY", 4 },
        { "dev-1", "Publish", "b", "IMPLICIT_DENY", 4 },
        { "dev-1", "Subscribe", "a/b", "IMPLICIT_DENY", 4 },
        { "other", "Connect", NULL, "IMPLICIT_DENY", 4 },
    };

    furnish(r);
    for (size_t i = 0; i < PROV_COUNT(cases); i++) {
        ctl_denies(r, cases[i].code, TEST, "--client-id", cases[i].client_id, "--action",
                   cases[i].action, cases[i].resource != NULL ? "--resource" : NULL,
                   cases[i].resource);
        if (strncmp(r->out, cases[i].verdict, strlen(cases[i].verdict)) != 0)
            fail_msg("case %zu:\n%s%s", i, r->out, r->err);
    }
}

static void test_tells_why_of_each_statement(void **state)
{
    struct rig *r = *state;

    furnish(r);
    ctl_denies(r, 4, TEST, "--client-id", "dev-1", "--action", "Publish", "--resource", "a/secret");
    says(r->out, "Connect  Allow   another action");
    says(r->out, "Allow   matches");
    says(r->out, "Deny    matches");
    ctl_denies(r, 4, TEST, "--client-id", "other", "--action", "Connect");
    says(r->out, "no value for iot:Connection.Thing.ThingName");
    says(r->out, "The client id is not the name of a thing of this certificate");
    ctl_json_code(r, 4, TEST, "--client-id", "other", "--action", "Connect");
    assert_string_equal(text_at(r, "authResults[0].authDecision"), "IMPLICIT_DENY");
    assert_string_equal(text_at(r, "authResults[0].authInfo.actionType"), "CONNECT");
    assert_string_equal(text_at(r, "authResults[0].authInfo.resources[0]"),
                        "arn:aws:iot:local:000000000000:client/other");
    assert_string_equal(text_at(r, "authResults[0].missingContextValues[0]"),
                        "iot:Connection.Thing.ThingName");
    assert_int_equal(count_at(r, "authResults[0].statements"), 3);
    ctl_json_code(r, 4, TEST, "--client-id", "dev-1", "--action", "Publish", "--resource",
                  "a/secret");
    assert_string_equal(text_at(r, "authResults[0].allowed.policies[0].policyName"), "device");
    assert_string_equal(text_at(r, "authResults[0].denied.explicitDeny.policies[0].policyName"),
                        "device");
    assert_string_equal(text_at(r, "authResults[0].statements[0].sid"), "Connect");
}

static void test_counts_the_policies_of_groups(void **state)
{
    struct rig *r = *state;

    furnish(r);
    r->input = "{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Deny\","
               "\"Action\":\"iot:*\",\"Resource\":\"*\"}}";
    ctl_ok(r, "policy", "create", "shut", "-");
    ctl_ok(r, "group", "create", "earth");
    ctl_ok(r, "group", "create", "berlin", "--parent", "earth");
    ctl_ok(r, "policy", "attach", "shut", "--group", "earth");
    ctl_denies(r, 0, TEST, "--client-id", "dev-1", "--action", "Connect");
    ctl_ok(r, "group", "add", "berlin", "dev-1");
    ctl_denies(r, 4, TEST, "--client-id", "dev-1", "--action", "Connect");
    says(r->out, "EXPLICIT_DENY");
    says(r->out, "earth");
}

static void test_knows_addresses_sessions_and_wills(void **state)
{
    struct rig *r = *state;

    rig_register(r);
    r->input = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\","
               "\"Action\":\"iot:Connect\",\"Resource\":\"*\",\"Condition\":{"
               "\"IpAddress\":{\"aws:SourceIp\":\"192.0.2.0/24\"},"
               "\"ForAllValues:StringEquals\":{\"iot:ConnectAttributes\":[\"PersistentConnect\"]}"
               "}}]}";
    ctl_ok(r, "policy", "create", "p", "-");
    ctl_ok(r, "policy", "attach", "p", "--cert", r->leaf_hex);
    ctl_denies(r, 0, TEST, "--client-id", "c", "--action", "Connect", "--source-ip", "192.0.2.7");
    ctl_denies(r, 0, TEST, "--client-id", "c", "--action", "Connect", "--source-ip", "192.0.2.7",
               "--persistent");
    ctl_denies(r, 4, TEST, "--client-id", "c", "--action", "Connect", "--source-ip",
               "198.51.100.1");
    ctl_denies(r, 4, TEST, "--client-id", "c", "--action", "Connect");
    ctl_denies(r, 4, TEST, "--client-id", "c", "--action", "Connect", "--source-ip", "192.0.2.7",
               "--will-topic", "gone");
}

static void test_asks_for_what_it_needs(void **state)
{
    struct rig *r = *state;

    furnish(r);
    ctl_fails(r, 1, TEST, "--client-id", "c", "--action", "Publish");
    says(r->err, "--resource is missing");
    ctl_fails(r, 1, TEST, "--client-id", "c", "--action", "Publsh", "--resource", "a");
    says(r->err, "did you mean Publish?");
    ctl_fails(r, 1, TEST, "--client-id", "c", "--action", "fly", "--resource", "a");
    says(r->err, "iot:RetainPublish");
    ctl_fails(r, 4, TEST, "--client-id", "c", "--action", "Publish", "--resource",
              "arn:aws:iot:local:123456789012:topic/a");
    says(r->err, "--resource: ARNs of this registry begin with arn:aws:iot:local:000000000000:");
    ctl_fails(r, 1, TEST, "--client-id", "c", "--action", "Publish", "--resource",
              "arn:aws:iot:local:000000000000:topicfilter/a");
    says(r->err, "an ARN for iot:Publish is arn:aws:iot:REGION:ACCOUNT:topic/…");
    ctl_fails(r, 1, TEST, "--client-id", "c", "--action", "Publish", "--resource", "arn:aws");
    ctl_fails(r, 1, "policy", "test", "--cert", r->leaf_hex, "--action", "Connect");
    says(r->err, "--client-id ID is missing");
    ctl_fails(r, 2, "policy", "test", "--cert", "00000000", "--client-id", "c", "--action",
              "Connect");
}

static void test_of_a_device_without_policies_tells_the_cure(void **state)
{
    struct rig *r = *state;

    rig_register(r);
    ctl_ok(r, "cert", "update", r->leaf_hex, "--status", "INACTIVE");
    ctl_denies(r, 4, TEST, "--client-id", "c", "--action", "Connect");
    says(r->out, "provctl policy attach NAME --cert");
    says(r->out, "The certificate is INACTIVE");
}

/* ---- templates ------------------------------------------------------------------------------- */

static void make_template(struct rig *r)
{
    r->input = TEMPLATE_TEXT;
    ctl_ok(r, "template", "create", "t", "-", "--type", "JITP", "--description", "by name");
}

static void template_has_versions_of_which_one_is_in_force(void **state)
{
    struct rig *r = *state;

    make_template(r);
    says(r->out, "provctl ca update CA --template t");
    ctl_fails(r, 3, "template", "create", "t", "-", "--type", "JITP");
    ctl_ok(r, "template", "version", "create", "t", "-");
    says(r->out, "--default-version 2");
    ctl_fails(r, 4, "template", "version", "delete", "t", "1");
    ctl_ok(r, "template", "update", "t", "--default-version", "2", "--enabled", "off");
    says(r->out, "disabled, version 2 in force");
    ctl_json(r, "template", "show", "t");
    assert_string_equal(text_at(r, "templateBody"), TEMPLATE_TEXT);
    assert_string_equal(text_at(r, "description"), "by name");
    assert_int_equal(at(r, "defaultVersionId")->valueint, 2);
    assert_true(cJSON_IsFalse(at(r, "enabled")));
    ctl_ok(r, "template", "list");
    says(r->out, "by name");
    ctl_ok(r, "template", "update", "t", "--enabled");
    says(r->out, "enabled, version 2");
    ctl_fails(r, 2, "template", "update", "t", "--default-version", "7");
    ctl_fails(r, 1, "template", "update", "t");
    ctl_ok(r, "template", "version", "delete", "t", "1");
    ctl_json(r, "template", "version", "list", "t");
    assert_int_equal(count_at(r, "versions"), 1);
    ctl_json(r, "template", "version", "show", "t", "2");
    assert_int_equal(at(r, "versionId")->valueint, 2);
    ctl_ok(r, "template", "delete", "t");
}

static void template_that_a_ca_uses_is_not_deleted(void **state)
{
    struct rig *r = *state;

    make_template(r);
    ctl_ok(r, "ca", "register", r->ca_file, "--sni-only", "--template", "t");
    ctl_fails(r, 4, "template", "delete", "t");
    says(r->err, "provctl ca list --template t");
    ctl_ok(r, "ca", "update", r->ca_hex, "--no-template");
    ctl_ok(r, "template", "delete", "t");
}

static void eval_shows_the_plan_and_does_nothing(void **state)
{
    struct rig *r = *state;

    make_template(r);
    ctl_ok(r, "type", "create", "sensor");
    r->input = POLICY_TEXT;
    ctl_ok(r, "policy", "create", "device", "-");
    ctl_ok(r, "template", "eval", "t", "--cert", r->leaf_file);
    says(r->out, "thing        dev-1         -                    created\n");
    says(r->out, "attribute    site          berlin               added\n");
    says(r->out, "ACTIVE               changed from PENDING_ACTIVATION\n");
    ctl_json(r, "template", "eval", "t", "--cert", r->leaf_file);
    assert_string_equal(text_at(r, "thingName"), "dev-1");
    assert_string_equal(text_at(r, "thingTypeName"), "sensor");
    assert_string_equal(text_at(r, "attributes.site"), "berlin");
    assert_string_equal(text_at(r, "certificateId"), r->leaf_hex);
    assert_string_equal(text_at(r, "policies[0].policyName"), "device");
    ctl_fails(r, 2, "thing", "show", "dev-1");
    ctl_fails(r, 2, "cert", "show", r->leaf_hex);
}

static void eval_tells_what_is_not_there(void **state)
{
    struct rig *r = *state;

    make_template(r);
    ctl_denies(r, 4, "template", "eval", "t", "--cert", r->leaf_file);
    says(r->out, "  there is no thing type \"sensor\"\n  there is no policy \"device\"\n");
    ctl_json_code(r, 4, "template", "eval", "t", "--cert", r->leaf_file);
    assert_string_equal(text_at(r, "problems[0]"), "there is no thing type \"sensor\"");
}

static void eval_takes_parameters_before_what_the_certificate_says(void **state)
{
    struct rig *r = *state;

    make_template(r);
    ctl_fails(r, 4, "template", "eval", "t");
    says(r->err, "provctl: t (version 1):2:");
    ctl_json_code(r, 4, "template", "eval", "t", "--param",
                  "AWS::IoT::Certificate::CommonName=given");
    assert_string_equal(text_at(r, "thingName"), "given");
    ctl_json_code(r, 4, "template", "eval", "t", "--cert", r->leaf_file, "--param",
                  "AWS::IoT::Certificate::CommonName=given");
    assert_string_equal(text_at(r, "thingName"), "given");
    ctl_fails(r, 1, "template", "eval", "t", "--param", "x");
    ctl_fails(r, 1, "template", "eval", "t", "--cert", "/nowhere");
}

static void eval_takes_a_registered_certificate_and_a_version(void **state)
{
    struct rig *r = *state;

    rig_register(r);
    make_template(r);
    r->input = "{ \"Resources\": { \"t\": { \"Type\": \"AWS::IoT::Thing\",\n"
               "  \"Properties\": { \"ThingName\": \"fixed\" } } } }\n";
    ctl_ok(r, "template", "version", "create", "t", "-");
    ctl_json(r, "template", "eval", "t", "2", "--cert", r->leaf_hex);
    assert_string_equal(text_at(r, "thingName"), "fixed");
    assert_int_equal(at(r, "versionId")->valueint, 2);
    ctl_json_code(r, 4, "template", "eval", "t", "--cert", r->leaf_hex);
    assert_string_equal(text_at(r, "thingName"), "dev-1");
    ctl_fails(r, 2, "template", "eval", "t", "3", "--cert", r->leaf_hex);
    ctl_fails(r, 2, "template", "eval", "t", "--cert", "00000000");
    ctl_ok(r, "template", "update", "t", "--enabled", "off");
    ctl_ok(r, "template", "eval", "t", "2", "--cert", r->leaf_hex);
    says(r->out, "it is disabled");
}

static void fleet_template_tells_what_the_device_is_told(void **state)
{
    struct rig *r = *state;

    r->input =
        "{ \"Parameters\": { \"Serial\": { \"Type\": \"String\" } }, \"Resources\": {"
        "  \"t\": { \"Type\": \"AWS::IoT::Thing\", \"Properties\": {"
        "    \"ThingName\": { \"Fn::Join\": [ \"-\", [ \"dev\", { \"Ref\": \"Serial\" } ] ] }"
        "  } } }, \"DeviceConfiguration\": { \"url\": \"mqtts://x\" } }";
    ctl_ok(r, "template", "create", "f", "-");
    ctl_json(r, "template", "eval", "f", "--param", "Serial=7");
    assert_string_equal(text_at(r, "thingName"), "dev-7");
    assert_string_equal(text_at(r, "deviceConfiguration.url"), "mqtts://x");
    ctl_ok(r, "template", "eval", "f", "--param", "Serial=7", "--cert", r->leaf_file);
    says(r->out, "device is told  url    mqtts://x            -\n");
    ctl_fails(r, 4, "template", "eval", "f", "--cert", r->leaf_file);
}

static const struct CMUnitTest ctl_docs[] = {
    RIG_TEST(mistake_in_a_policy_is_told_with_its_place),
    RIG_TEST(text_that_is_no_json_is_told_with_its_place),
    RIG_TEST(text_that_is_no_utf8_is_told_with_its_place),
    RIG_TEST(stdin_is_read_once_only),
    RIG_TEST(good_documents_pass_lint_without_a_store),
    RIG_TEST(doubtful_policy_is_warned_of_with_the_cure),
    RIG_TEST(warnings_are_one_json_document),
    RIG_TEST(lint_heeds_region_and_account_when_they_are_given),
    RIG_TEST(doubtful_policy_is_created_and_warned_of),
    RIG_TEST(man_page_explains_every_warning),
    RIG_TEST(template_is_checked_for_what_its_type_forbids),
    RIG_TEST(policy_has_versions_of_which_one_is_in_force),
    RIG_TEST(sixth_version_is_refused_with_the_cure),
    RIG_TEST(policy_is_shown_as_it_was_written),
    RIG_TEST(policy_is_attached_to_one_target),
    RIG_TEST(test_tells_the_verdict_by_exit_code),
    RIG_TEST(test_tells_why_of_each_statement),
    RIG_TEST(test_counts_the_policies_of_groups),
    RIG_TEST(test_knows_addresses_sessions_and_wills),
    RIG_TEST(test_asks_for_what_it_needs),
    RIG_TEST(test_of_a_device_without_policies_tells_the_cure),
    RIG_TEST(template_has_versions_of_which_one_is_in_force),
    RIG_TEST(template_that_a_ca_uses_is_not_deleted),
    RIG_TEST(eval_shows_the_plan_and_does_nothing),
    RIG_TEST(eval_tells_what_is_not_there),
    RIG_TEST(eval_takes_parameters_before_what_the_certificate_says),
    RIG_TEST(eval_takes_a_registered_certificate_and_a_version),
    RIG_TEST(fleet_template_tells_what_the_device_is_told),
};

int main(void)
{
    return cmocka_run_group_tests(ctl_docs, NULL, NULL);
}
