/* provctl's `template lint` and `template eval`: what they say of good and bad files. */
#include "ctl/ctl.h"
#include "unit/test_ctl.h"

#define CERT                                                                                       \
    "\"c\":{\"Type\":\"AWS::IoT::Certificate\",\"Properties\":{\"CertificateId\":{\"Ref\":"        \
    "\"AWS::IoT::Certificate::Id\"}}}"

static void says_line(const char *text, const char *path, const char *line)
{
    char whole[TMP_PATH_MAX + 512];

    (void)snprintf(whole, sizeof whole, "%s:%s\n", path, line);
    says(text, whole);
}

/* ---- lint ------------------------------------------------------------------------------------ */

static void lint_tells_every_mistake_with_its_place(void **state)
{
    struct rig *r = *state;
    char path[TMP_PATH_MAX];

    write_file(r, "bad.json",
               "{ \"Parameters\": { \"Serial\": { \"Type\": \"String\" } },\n"
               "  \"Resources\": {\n"
               "    \"thing\": { \"Type\": \"AWS::IoT::Thing\", \"Properties\": {\n"
               "      \"ThingName\": { \"Ref\": \"Serail\" },\n"
               "      \"ThingGroups\": \"lamps\" } },\n"
               "    \"policy\": { \"Type\": \"AWS::IoT::Policy\", \"Properties\": {} } } }\n",
               path);
    ctl_fails(r, 4, "--db", "/nowhere", "template", "lint", path);
    assert_int_equal(strncmp(r->err, "provctl: ", 9), 0);
    says_line(r->err, path,
              "2:3: Resources: a policy needs a certificate resource to be attached to");
    says_line(r->err, path,
              "4:22: Resources.thing.Properties.ThingName.Ref: parameter \"Serail\" is not "
              "declared; did you mean \"Serial\"?");
    says_line(r->err, path,
              "5:7: Resources.thing.Properties.ThingGroups: a string where a list of strings or a "
              "function is needed");
    says_line(r->err, path,
              "6:45: Resources.policy.Properties: Neither policyName nor policyDocument is "
              "present");
    says(r->err, "\n  4 mistakes\n");
    ctl_json_code(r, 4, "template", "lint", path);
    assert_true(cJSON_IsFalse(at(r, "valid")));
    assert_int_equal(count_at(r, "mistakes"), 4);
    assert_int_equal(count_at(r, "warnings"), 0);
    assert_int_equal(at(r, "mistakes[2].line")->valueint, 5);
    assert_int_equal(at(r, "mistakes[2].column")->valueint, 7);
    assert_string_equal(text_at(r, "mistakes[2].path"), "Resources.thing.Properties.ThingGroups");
    assert_string_equal(text_at(r, "mistakes[2].code"), "InvalidRequestException");
    says(text_at(r, "mistakes[2].message"), "a list of strings");
}

static void lint_of_one_mistake_says_just_that(void **state)
{
    struct rig *r = *state;

    r->input = "{ \"Resources\": {} }";
    ctl_fails(r, 4, "template", "lint", "-");
    assert_string_equal(r->err, "provctl: (stdin):1:3: Resources: no resource is declared\n");
    r->input = "{ \"Resources\": { },\n}";
    ctl_fails(r, 4, "template", "lint", "-", "--type", "JITP");
    assert_string_equal(r->err, "provctl: (stdin):1:19: a comma with nothing behind it but '}': "
                                "JSON allows none there\n");
    ctl_json_code(r, 4, "template", "lint", "-");
    assert_int_equal(count_at(r, "mistakes"), 1);
}

static void lint_of_a_jitp_template_as_another_type_names_the_option(void **state)
{
    static const char body[] =
        "{\"Parameters\":{\"AWS::IoT::Certificate::CommonName\":{\"Type\":\"String\"}},"
        "\"Resources\":{\"t\":{\"Type\":\"AWS::IoT::Thing\",\"Properties\":{\"ThingName\":"
        "{\"Ref\":\"AWS::IoT::Certificate::CommonName\"}}}}}";
    struct rig *r = *state;

    r->input = body;
    ctl_fails(r, 4, "template", "lint", "-");
    says(r->err, "`--type JITP`");
    ctl_ok(r, "template", "lint", "-", "--type", "JITP");
}

static void lint_says_how_many_mistakes_it_does_not_show(void **state)
{
    struct rig *r = *state;
    char text[2048], path[TMP_PATH_MAX];
    size_t n;

    n = (size_t)snprintf(text, sizeof text, "{\"Resources\":{" CERT "},\"DeviceConfiguration\":{");
    for (int i = 0; i < 25; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s\"k%d\":%d", i != 0 ? "," : "", i, i);
    (void)snprintf(text + n, sizeof text - n, "}}");
    write_file(r, "bad.json", text, path);
    ctl_fails(r, 4, "template", "lint", path);
    says(r->err, "DeviceConfiguration.k19: ");
    says_not(r->err, "DeviceConfiguration.k20: ");
    says(r->err, "\n  25 mistakes, of which the first 20 are shown\n");
}

static void lint_warns_and_accepts_unless_it_is_strict(void **state)
{
    struct rig *r = *state;

    r->input = "{ \"Resources\": {\n" CERT " } }";
    ctl_ok(r, "template", "lint", "-");
    assert_string_equal(r->err, "");
    assert_string_equal(r->out, "(stdin):1:3: warning: Resources: no policy and no thing group: "
                                "the device may not even connect [no-policy]\n"
                                "    cure: add a resource of type AWS::IoT::Policy, or ThingGroups "
                                "to the thing\n"
                                "-: a correct template of type FLEET_PROVISIONING, warnings: 1\n");
    ctl_denies(r, 4, "template", "lint", "-", "--strict");
    says(r->out, "[no-policy]");
    ctl_json(r, "template", "lint", "-", "--type", "JITP");
    assert_true(cJSON_IsTrue(at(r, "valid")));
    assert_string_equal(text_at(r, "warnings[0].code"), "no-policy");
    says(text_at(r, "warnings[0].cure"), "AWS::IoT::Policy");
    assert_int_equal(count_at(r, "mistakes"), 0);
    ctl_json_code(r, 4, "template", "lint", "-", "--strict");
    assert_true(cJSON_IsTrue(at(r, "valid")));
    r->input = TEMPLATE_TEXT;
    ctl_ok(r, "template", "lint", "-", "--type", "JITP", "--strict");
    assert_string_equal(r->out, "-: a good template of type JITP\n");
}

static void lint_of_what_cannot_be_read_is_a_usage_error(void **state)
{
    struct rig *r = *state;
    char text[PROV_MAX_TEMPLATE_BODY + 2], path[TMP_PATH_MAX];

    ctl_fails(r, 1, "template", "lint", "/nowhere/at/all");
    ctl_fails(r, 1, "template", "lint");
    memset(text, ' ', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    write_file(r, "big.json", text, path);
    ctl_fails(r, 4, "template", "lint", path);
    says(r->err, "larger than 10240 bytes");
}

/* A template is accepted with its warnings, and refused with a word about lint. */
static void create_notes_warnings_and_points_at_lint(void **state)
{
    struct rig *r = *state;

    r->input = "{ \"Resources\": {\n" CERT " } }";
    ctl_ok(r, "template", "create", "t", "-");
    says(r->err, "(stdin):1:3: warning: Resources: no policy");
    says_not(r->out, "warning");
    ctl_ok(r, "template", "version", "create", "t", "-");
    says(r->err, "[no-policy]");
    ctl_json(r, "template", "version", "create", "t", "-");
    assert_string_equal(r->err, "");
    r->input = "{ \"Resources\": {}, \"Mapings\": {} }";
    ctl_fails(r, 4, "template", "create", "u", "-", "--type", "jitp");
    says(r->err, "provctl: (stdin):1:20: Mapings: unknown section \"Mapings\"; did you mean "
                 "\"Mappings\"?\n"
                 "  `provctl template lint - --type JITP` tells of all mistakes\n");
    ctl_fails(r, 4, "template", "version", "create", "t", "-");
    says(r->err, "`provctl template lint - --type FLEET_PROVISIONING`");
    r->input = TEMPLATE_TEXT;
    ctl_ok(r, "template", "create", "u", "-", "--type", "JITP");
    assert_string_equal(r->err, "");
}

/* ---- eval ------------------------------------------------------------------------------------ */

#define FLEET_TEXT                                                                                 \
    "{ \"Parameters\": { \"Serial\": { \"Type\": \"String\" },\n"                                  \
    "    \"Site\": { \"Type\": \"String\", \"Default\": \"berlin\" } },\n"                         \
    "  \"Resources\": {\n"                                                                         \
    "    \"thing\": { \"Type\": \"AWS::IoT::Thing\",\n"                                            \
    "      \"Properties\": { \"ThingName\": { \"Fn::Sub\": \"dev-${Serial}\" },\n"                 \
    "        \"ThingTypeName\": \"sensor\", \"ThingGroups\": [ { \"Ref\": \"Site\" } ],\n"         \
    "        \"BillingGroup\": \"bill\",\n"                                                        \
    "        \"AttributePayload\": { \"sn\": { \"Ref\": \"Serial\" }, \"old\": \"\" } },\n"        \
    "      \"OverrideSettings\": { \"ThingGroups\": \"MERGE\" } },\n" CERT ",\n"                   \
    "    \"policy\": { \"Type\": \"AWS::IoT::Policy\", \"Properties\": { \"PolicyDocument\": {\n"  \
    "      \"Version\": \"2012-10-17\", \"Statement\": [ { \"Effect\": \"Allow\",\n"               \
    "        \"Action\": \"iot:Publish\",\n"                                                       \
    "        \"Resource\": { \"Fn::Sub\": \"arn:aws:iot:*:*:topic/${Serial}/*\" } } ] } } } },\n"  \
    "  \"DeviceConfiguration\": { \"url\": \"mqtts://x\" } }\n"

static void furnish(struct rig *r)
{
    ctl_ok(r, "type", "create", "sensor");
    ctl_ok(r, "type", "create", "lamp");
    ctl_ok(r, "group", "create", "berlin");
    ctl_ok(r, "group", "create", "lab");
    ctl_ok(r, "billing-group", "create", "bill");
}

static void eval_of_a_file_shows_all_that_would_be_made(void **state)
{
    struct rig *r = *state;
    char path[TMP_PATH_MAX], head[TMP_PATH_MAX + 64];

    furnish(r);
    write_file(r, "fleet.json", FLEET_TEXT, path);
    ctl_ok(r, "template", "eval", "--file", path, "--param", "Serial=7");
    (void)snprintf(head, sizeof head, "The template in %s (FLEET_PROVISIONING) would do this:\n\n",
                   path);
    assert_int_equal(strncmp(r->out, head, strlen(head)), 0);
    says(r->out,
         "WHAT            NAME                                      VALUE                OUTCOME\n"
         "thing           dev-7                                     -                    created\n"
         "thing type      sensor                                    -                    set\n"
         "attribute       sn                                        7                    added\n"
         "attribute       old                                       -                    is not "
         "there\n"
         "thing group     berlin                                    -                    joined\n"
         "billing group   bill                                      -                    joined\n"
         "policy          ");
    says(r->out, "  -                    created and attached\n");
    says(r->out, "attachment      dev-7                                     NON_EXCLUSIVE_THING  "
                 "attached\n");
    says(r->out, "changed from PENDING_ACTIVATION\n");
    says(r->out, "device is told  url");
    says(r->out, "is made of this document:\n{\n  \"Version\": \"2012-10-17\",\n");
    says(r->out, "\"Resource\": \"arn:aws:iot:*:*:topic/7/*\"");
    /* and nothing is made */
    ctl_fails(r, 2, "thing", "show", "dev-7");
    ctl_json(r, "policy", "list");
    assert_int_equal(count_at(r, "policies"), 0);
}

static void eval_goes_by_what_the_registry_holds(void **state)
{
    struct rig *r = *state;

    furnish(r);
    rig_register(r);
    ctl_ok(r, "thing", "create", "dev-7", "--type", "lamp", "--attr", "sn=6", "--attr", "old=x",
           "--attr", "more=y");
    ctl_ok(r, "group", "add", "lab", "dev-7");
    ctl_ok(r, "thing", "attach", "dev-7", "--cert", r->leaf_hex, "--exclusive");
    r->input = FLEET_TEXT;
    ctl_ok(r, "template", "create", "f", "-");
    ctl_ok(r, "template", "eval", "f", "--param", "Serial=7", "--cert", r->leaf_hex);
    says(r->out, "Template f, version 1 (FLEET_PROVISIONING), would do this:");
    says(r->out, "exists\n");
    says(r->out, "changed from lamp\n");
    says(r->out, "changed from 6\n");
    says(r->out, "removed: was x\n");
    says(r->out, "EXCLUSIVE_THING  is so\n");
    says(r->out, "ACTIVE           is so\n");
    ctl_json(r, "template", "eval", "f", "--param", "Serial=7", "--cert", r->leaf_hex);
    assert_string_equal(text_at(r, "steps[0].part"), "THING");
    assert_string_equal(text_at(r, "steps[0].effect"), "NONE");
    assert_string_equal(text_at(r, "steps[1].effect"), "CHANGE");
    assert_string_equal(text_at(r, "steps[1].was"), "lamp");
    assert_string_equal(text_at(r, "steps[2].value"), "7");
    assert_string_equal(text_at(r, "steps[3].effect"), "REMOVE");
    assert_string_equal(text_at(r, "steps[6].part"), "POLICY");
    says(text_at(r, "steps[6].policyDocument"), "topic/7/*");
    assert_string_equal(text_at(r, "steps[7].value"), "EXCLUSIVE_THING");
    assert_string_equal(text_at(r, "steps[8].part"), "CERTIFICATE_STATUS");
    assert_int_equal(count_at(r, "problems"), 0);
    assert_string_equal(text_at(r, "overrideSettings.ThingGroups"), "MERGE");
    assert_string_equal(text_at(r, "deviceConfiguration.url"), "mqtts://x");
    ctl_json(r, "thing", "show", "dev-7");
    assert_string_equal(text_at(r, "thingTypeName"), "lamp");
}

static void eval_tells_what_cannot_be_and_says_so_by_exit_code(void **state)
{
    struct rig *r = *state;

    r->input = FLEET_TEXT;
    ctl_ok(r, "template", "create", "f", "-");
    ctl_denies(r, 4, "template", "eval", "f", "--param", "Serial=7", "--param", "Site=paris");
    says(r->out, "cannot be\n");
    says(r->out, "\nBut it would fail:\n"
                 "  there is no thing type \"sensor\"\n"
                 "  there is no thing group \"paris\"\n"
                 "  there is no billing group \"bill\"\n");
    ctl_json_code(r, 4, "template", "eval", "f", "--param", "Serial=7");
    assert_int_equal(count_at(r, "problems"), 3);
    assert_string_equal(text_at(r, "steps[1].effect"), "REFUSED");
    assert_string_equal(text_at(r, "steps[1].reason"), "there is no thing type \"sensor\"");
    furnish(r);
    ctl_ok(r, "thing", "create", "dev-7");
    r->input = "{ \"Resources\": { \"t\": { \"Type\": \"AWS::IoT::Thing\", \"Properties\": {"
               "  \"ThingName\": \"dev-7\", \"ThingTypeName\": \"sensor\" },"
               "  \"OverrideSettings\": { \"ThingTypeName\": \"FAIL\" } } } }";
    ctl_denies(r, 4, "template", "eval", "--file", "-");
    says(r->out, "  thing \"dev-7\" exists, and its OverrideSettings say FAIL for ThingTypeName\n");
}

/* Also by a template that has no certificate resource: it is the one that is attached. */
static void eval_attaches_the_certificate_that_was_given(void **state)
{
    struct rig *r = *state;

    rig_register(r);
    ctl_ok(r, "thing", "create", "a");
    ctl_ok(r, "thing", "attach", "a", "--cert", r->leaf_hex, "--exclusive");
    r->input = "{ \"Resources\": { \"t\": { \"Type\": \"AWS::IoT::Thing\", \"Properties\": {"
               "  \"ThingName\": \"b\" } } } }";
    ctl_ok(r, "template", "eval", "--file", "-");
    ctl_denies(r, 4, "template", "eval", "--file", "-", "--cert", r->leaf_hex);
    says(r->out, "  the certificate belongs exclusively to thing \"a\"\n");
}

static void eval_of_a_jitp_file_takes_the_certificates_fields(void **state)
{
    struct rig *r = *state;
    char path[TMP_PATH_MAX], place[TMP_PATH_MAX + 32];

    furnish(r);
    r->input = POLICY_TEXT;
    ctl_ok(r, "policy", "create", "device", "-");
    write_file(r, "jitp.json", TEMPLATE_TEXT, path);
    ctl_json(r, "template", "eval", "--file", path, "--type", "JITP", "--cert", r->leaf_file);
    assert_string_equal(text_at(r, "thingName"), "dev-1");
    assert_string_equal(text_at(r, "certificateId"), r->leaf_hex);
    assert_string_equal(text_at(r, "type"), "JITP");
    /* without it, somebody must give them */
    ctl_fails(r, 4, "template", "eval", "--file", path, "--type", "JITP");
    (void)snprintf(place, sizeof place, "provctl: %s:2:5: Parameters.", path);
    says(r->err, place);
    says(r->err, "`--cert FILE` takes it from a device's certificate");
    says(r->err, "`--param NAME=VALUE` gives it");
    ctl_ok(r, "template", "eval", "--file", path, "--type", "JITP", "--param",
           "AWS::IoT::Certificate::CommonName=lamp-1");
    says(r->out, "lamp-1");
    /* as a fleet template it is a mistake */
    ctl_fails(r, 4, "template", "eval", "--file", path, "--cert", r->leaf_file);
    says(r->err, "is filled for JITP templates only");
}

static void eval_tells_of_parameters_that_nobody_asked_for(void **state)
{
    struct rig *r = *state;

    furnish(r);
    r->input = FLEET_TEXT;
    ctl_ok(r, "template", "create", "f", "-");
    ctl_ok(r, "template", "eval", "f", "--param", "Serial=7", "--param", "Syte=x");
    says(r->err, "provctl: the template has no parameter \"Syte\": it is ignored\n");
    ctl_ok(
        r, "template", "eval", "f", "--param", "Serial=7", "--param",
        "AWS::IoT::Certificate::Id=00000000000000000000000000000000000000000000000000000000000000"
        "0a");
    assert_string_equal(r->err, "");
    ctl_fails(r, 4, "template", "eval", "f", "--param", "Site=x");
    says(r->err, "the request gives no value for parameter \"Serial\", which has no Default\n"
                 "  `--param NAME=VALUE` gives it\n");
    ctl_fails(r, 4, "template", "eval", "f", "--param", "Serial=two words");
    says(r->err, "provctl: f (version 1):5:23: Resources.thing.Properties.ThingName: ");
    says_not(r->err, "gives it");
}

static void eval_shows_device_text_escaped(void **state)
{
    struct rig *r = *state;

    furnish(r);
    r->input = "{ \"Parameters\": { \"P\": { \"Type\": \"String\" } }, \"Resources\": {" CERT
               "}, \"DeviceConfiguration\": { \"v\": { \"Ref\": \"P\" } } }";
    ctl_ok(r, "template", "eval", "--file", "-", "--param", "P=a\x1b[2Jb\nc");
    says(r->out, "a\\x1b[2Jb\\x0ac");
}

static void eval_wants_one_template(void **state)
{
    struct rig *r = *state;

    r->input = FLEET_TEXT;
    ctl_ok(r, "template", "create", "f", "-");
    ctl_fails(r, 1, "template", "eval");
    says(r->err, "one of TEMPLATE and --file FILE is missing");
    ctl_fails(r, 1, "template", "eval", "f", "--file", "-");
    says(r->err, "exclude each other");
    ctl_fails(r, 1, "template", "eval", "f", "--type", "JITP");
    says(r->err, "--type goes with --file");
    ctl_fails(r, 1, "template", "eval", "--file", "/nowhere");
    ctl_fails(r, 1, "template", "eval", "f", "one");
    ctl_fails(r, 2, "template", "eval", "g");
    r->input = "nonsense";
    ctl_fails(r, 4, "template", "eval", "--file", "-");
    says(r->err, "provctl: (stdin):1:1: ");
    ctl_ok(r, "complete", "--", "template", "eval", "");
    assert_string_equal(r->out, "f\n");
    ctl_ok(r, "complete", "--", "template", "eval", "--file", "");
    assert_string_equal(r->out, "@file\n");
}

static const struct CMUnitTest ctl_template[] = {
    RIG_TEST(lint_tells_every_mistake_with_its_place),
    RIG_TEST(lint_of_one_mistake_says_just_that),
    RIG_TEST(lint_of_a_jitp_template_as_another_type_names_the_option),
    RIG_TEST(lint_says_how_many_mistakes_it_does_not_show),
    RIG_TEST(lint_warns_and_accepts_unless_it_is_strict),
    RIG_TEST(lint_of_what_cannot_be_read_is_a_usage_error),
    RIG_TEST(create_notes_warnings_and_points_at_lint),
    RIG_TEST(eval_of_a_file_shows_all_that_would_be_made),
    RIG_TEST(eval_goes_by_what_the_registry_holds),
    RIG_TEST(eval_tells_what_cannot_be_and_says_so_by_exit_code),
    RIG_TEST(eval_attaches_the_certificate_that_was_given),
    RIG_TEST(eval_of_a_jitp_file_takes_the_certificates_fields),
    RIG_TEST(eval_tells_of_parameters_that_nobody_asked_for),
    RIG_TEST(eval_shows_device_text_escaped),
    RIG_TEST(eval_wants_one_template),
};

int main(void)
{
    return cmocka_run_group_tests(ctl_template, NULL, NULL);
}
