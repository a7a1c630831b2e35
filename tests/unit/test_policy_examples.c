/*
 * What reference section 8 says of documents, resources and their evaluation (8.1 to 8.4), form by
 * form and row by row, and what the policies in templates/policies/ allow. The engine and the
 * oracle are both asked.
 */
#include "test_policy_examples.h"

/* ---- 8.1 document grammar -------------------------------------------------------------------- */

static void each_form_of_a_document(void **state)
{
    static const struct example examples[] = {
        { DOC(ALLOW("iot:Publish", TOPIC("a"))), { PUBLISH, "a", YES } },
        { "{'Version':'2012-10-17','Statement':" ALLOW("iot:Publish", TOPIC("a")) "}",
          { PUBLISH, "a", YES } },
        { "{'Statement':[" ALLOW("iot:Publish", TOPIC("a")) "]}", { PUBLISH, "a", YES } },
        { "{'Version':'2008-10-17','Statement':[" ALLOW("iot:Publish", TOPIC("a")) "]}",
          { PUBLISH, "a", YES } },
        { DOC("{'Sid':'s1','Effect':'Allow','Action':'iot:Publish','Resource':'*'}"),
          { PUBLISH, "a", YES } },
        { EFFECT("Allow", "'Action':['iot:Receive','iot:Publish'],'Resource':'*'"),
          { PUBLISH, "a", YES } },
        { EFFECT("Allow", "'Action':['iot:Receive','iot:Connect'],'Resource':'*'"),
          { PUBLISH, "a", SILENT } },
        { EFFECT("Allow", "'Action':'iot:*','Resource':['" TOPIC("a") "','" TOPIC("b") "']"),
          { PUBLISH, "b", YES } },
        { EFFECT("Allow", "'Action':'iot:*','Resource':['" TOPIC("a") "','" TOPIC("b") "']"),
          { PUBLISH, "c", SILENT } },
        { EFFECT("Allow", "'NotAction':'iot:Publish','Resource':'*'"), { PUBLISH, "a", SILENT } },
        { EFFECT("Allow", "'NotAction':'iot:Publish','Resource':'*'"), { RECEIVE, "a", YES } },
        { EFFECT("Allow", "'NotAction':['iot:Publish','iot:Re*'],'Resource':'*'"),
          { RECEIVE, "a", SILENT } },
        { EFFECT("Allow", "'Action':'iot:*','NotResource':'" TOPIC("a") "'"),
          { PUBLISH, "a", SILENT } },
        { EFFECT("Allow", "'Action':'iot:*','NotResource':'" TOPIC("a") "'"),
          { PUBLISH, "b", YES } },
        { EFFECT("Allow", "'Action':'iot:*','NotResource':['" TOPIC("a") "','" TOPIC("b*") "']"),
          { PUBLISH, "bc", SILENT } },
        { IF("'StringEquals':{'iot:ClientId':'dev1'}"), { PUBLISH, "a", YES } },
        { IF("'StringEquals':{'iot:ClientId':['x','dev1']}"), { PUBLISH, "a", YES } },
        { IF("'StringEquals':{'iot:ClientId':['x','y']}"), { PUBLISH, "a", SILENT } },
        { IF(""), { PUBLISH, "a", YES } },
        { EFFECT("Allow", "'Action':'*','Resource':'*'"), { CONNECT, "x", YES } },
        { EFFECT("Allow", "'Action':'iot:*','Resource':'*'"), { SUBSCRIBE, "#", YES } },
        { EFFECT("Deny", "'Action':'iot:*','Resource':'*'"), { SUBSCRIBE, "#", NO } },
    };

    (void)state;
    CHECK(examples);
}

static void what_the_grammar_does_not_have_is_refused(void **state)
{
    static const char *const documents[] = {
        DOC("{'Effect':'Allow','Principal':'*','Action':'*','Resource':'*'}"),
        DOC("{'Effect':'Maybe','Action':'*','Resource':'*'}"),
        DOC("{'Effect':'Allow','Resource':'*'}"),
        DOC("{'Effect':'Allow','Action':'*'}"),
        DOC("{'Effect':'Allow','Action':'*','NotAction':'*','Resource':'*'}"),
        "{'Version':'2013-10-17','Statement':" ALLOW("*", "*") "}",
        /* variables came with 2012-10-17 */
        "{'Statement':" ALLOW("iot:Publish", TOPIC("${iot:ClientId}")) "}",
        "{'Version':'2008-10-17','Statement':" ALLOW("iot:Publish", TOPIC("${iot:ClientId}")) "}",
        IF("'StringSounds':{'iot:ClientId':'dev1'}"),
        IF("'StringEquals':{'iot:Shoesize':'1'}"),
    };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(documents); i++)
        check_refused(documents[i]);
}

/* The set of IAM, of which the reference leaves open how much AWS IoT has (13, question 14: all).
 */
static void each_operator_of_a_condition(void **state)
{
#define LEVEL(op, value) IF("'" op "':{'iot:Connection.Thing.Attributes[level]':'" value "'}")
#define SINCE(op, value) IF("'" op "':{'iot:Connection.Thing.Attributes[since]':'" value "'}")
#define THING(op, value) IF("'" op "':{'iot:Connection.Thing.Attributes[arn]':'" ARN value "'}")
#define ID(op, value) IF("'" op "':{'iot:ClientId':'" value "'}")
    static const struct {
        const char *holds, *does_not;
    } rows[] = {
        { ID("StringEquals", "dev1"), ID("StringEquals", "Dev1") },
        { ID("StringNotEquals", "dev2"), ID("StringNotEquals", "dev1") },
        { ID("StringEqualsIgnoreCase", "DEV1"), ID("StringEqualsIgnoreCase", "DEV2") },
        { ID("StringNotEqualsIgnoreCase", "DEV2"), ID("StringNotEqualsIgnoreCase", "DEV1") },
        { ID("StringLike", "d?v*"), ID("StringLike", "d?*v") },
        { ID("StringNotLike", "e*"), ID("StringNotLike", "d*") },
        { LEVEL("NumericEquals", "42.5"), LEVEL("NumericEquals", "42") },
        { LEVEL("NumericNotEquals", "42"), LEVEL("NumericNotEquals", "42.50") },
        { LEVEL("NumericLessThan", "43"), LEVEL("NumericLessThan", "42.5") },
        { LEVEL("NumericLessThanEquals", "42.5"), LEVEL("NumericLessThanEquals", "42") },
        { LEVEL("NumericGreaterThan", "42"), LEVEL("NumericGreaterThan", "42.5") },
        { LEVEL("NumericGreaterThanEquals", "42.5"), LEVEL("NumericGreaterThanEquals", "43") },
        { SINCE("DateEquals", "2024-02-29T13:00:00+01:00"), SINCE("DateEquals", "2024-02-29") },
        { SINCE("DateNotEquals", "2024-02-29"), SINCE("DateNotEquals", "2024-02-29T12:00:00Z") },
        { SINCE("DateLessThan", "2024-03-01"), SINCE("DateLessThan", "2024-02-29T12:00Z") },
        { SINCE("DateLessThanEquals", "1709208000"), SINCE("DateLessThanEquals", "2024-02-29") },
        { SINCE("DateGreaterThan", "2024"), SINCE("DateGreaterThan", "2024-03") },
        { SINCE("DateGreaterThanEquals", "1709208000"), SINCE("DateGreaterThanEquals", "2025") },
        { IF("'Bool':{'iot:Connection.Thing.IsAttached':'true'}"),
          IF("'Bool':{'iot:Connection.Thing.IsAttached':'false'}") },
        { IF("'IpAddress':{'aws:SourceIp':'203.0.113.0/24'}"),
          IF("'IpAddress':{'aws:SourceIp':'203.0.114.0/24'}") },
        { IF("'NotIpAddress':{'aws:SourceIp':'203.0.114.0/24'}"),
          IF("'NotIpAddress':{'aws:SourceIp':'203.0.113.7'}") },
        { THING("ArnEquals", "thing/x:y"), THING("ArnEquals", "thing/x") },
        { THING("ArnLike", "thing/*"), THING("ArnLike", "cert/*") },
        { THING("ArnNotEquals", "thing/x"), THING("ArnNotEquals", "thing/x:y") },
        { THING("ArnNotLike", "cert/*"), THING("ArnNotLike", "thing/*") },
        { ID("Null", "false"), ID("Null", "true") },
        { IF("'StringEqualsIfExists':{'iot:Certificate.Subject.Title':'x'}"),
          IF("'StringEquals':{'iot:Certificate.Subject.Title':'x'}") },
        { IF("'ForAllValues:StringLike':{'iot:Certificate.Subject.Organization.List':'*C*'}"),
          IF("'ForAllValues:StringLike':{'iot:Certificate.Subject.Organization.List':'E*'}") },
        { IF("'ForAnyValue:StringLike':{'iot:Certificate.Subject.Organization.List':'E*'}"),
          IF("'ForAnyValue:StringLike':{'iot:Certificate.Subject.Organization.List':'F*'}") },
    };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        const struct example examples[] = { { rows[i].holds, { PUBLISH, "a", YES } },
                                            { rows[i].does_not, { PUBLISH, "a", SILENT } } };

        CHECK(examples);
    }
}

/* ---- 8.2 actions and resources --------------------------------------------------------------- */

static void each_action_and_its_kind_of_resource(void **state)
{
    static const struct example examples[] = {
        { DOC(ALLOW("iot:Connect", CLIENT("x"))), { CONNECT, "x", YES } },
        { DOC(ALLOW("iot:Connect", TOPIC("x"))), { CONNECT, "x", SILENT } },
        { DOC(ALLOW("iot:Publish", TOPIC("x"))), { PUBLISH, "x", YES } },
        { DOC(ALLOW("iot:Publish", FILTER("x"))), { PUBLISH, "x", SILENT } },
        { DOC(ALLOW("iot:RetainPublish", TOPIC("x"))), { RETAIN, "x", YES } },
        { DOC(ALLOW("iot:RetainPublish", CLIENT("x"))), { RETAIN, "x", SILENT } },
        { DOC(ALLOW("iot:Subscribe", FILTER("x"))), { SUBSCRIBE, "x", YES } },
        { DOC(ALLOW("iot:Subscribe", TOPIC("x"))), { SUBSCRIBE, "x", SILENT } },
        { DOC(ALLOW("iot:Receive", TOPIC("x"))), { RECEIVE, "x", YES } },
        { DOC(ALLOW("iot:Receive", FILTER("x"))), { RECEIVE, "x", SILENT } },
        /* a retained publish is asked about twice, and neither answers for the other */
        { DOC(ALLOW("iot:Publish", TOPIC("x"))), { RETAIN, "x", SILENT } },
        { DOC(ALLOW("iot:RetainPublish", TOPIC("x"))), { PUBLISH, "x", SILENT } },
        { DOC(ALLOW("iot:*Publish", TOPIC("x"))), { RETAIN, "x", YES } },
        { DOC(ALLOW("iot:*Publish", TOPIC("x"))), { PUBLISH, "x", YES } },
        /* shared subscriptions: the whole filter; what comes is received by its plain topic */
        { DOC(ALLOW("iot:Subscribe", FILTER("$share/group/a/#"))),
          { SUBSCRIBE, "$share/group/a/#", YES } },
        { DOC(ALLOW("iot:Subscribe", FILTER("$share/*/a/#"))),
          { SUBSCRIBE, "$share/group/a/#", YES } },
        { DOC(ALLOW("iot:Subscribe", FILTER("a/#"))), { SUBSCRIBE, "$share/group/a/#", SILENT } },
        { DOC(ALLOW("iot:Receive", TOPIC("a/*"))), { RECEIVE, "a/b", YES } },
        { DOC(ALLOW("iot:Receive", TOPIC("$share/group/a/*"))), { RECEIVE, "a/b", SILENT } },
    };

    (void)state;
    CHECK(examples);
}

/* They are there for HTTPS, and say nothing about MQTT. */
static void actions_of_https_grant_nothing_here(void **state)
{
    static const char *const actions[] = {
        "iot:GetRetainedMessage",
        "iot:ListRetainedMessages",
        "iot:DeleteConnection",
        "iot:GetConnection",
        "iot:ListSubscriptions",
        "iot:SendDirectMessage",
        "iot:GetThingShadow",
        "iot:UpdateThingShadow",
        "iot:DeleteThingShadow",
        "iotjobsdata:*",
        "iotjobsdata:GetPendingJobExecutions",
        "iot:ListNamedShadowsForThing",
        "iot:AssumeRoleWithCertificate",
    };
    char policy[512];

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(actions); i++) {
        for (unsigned a = 0; a < PROV_ACTIONS; a++) {
            const struct example example = { policy, { (enum prov_action)a, "dev1", SILENT } };

            (void)snprintf(policy, sizeof policy, DOC(ALLOW("%s", "*")), actions[i]);
            check_examples(&example, 1);
        }
    }
}

/* ---- 8.3 wildcards --------------------------------------------------------------------------- */

static void each_wildcard_in_resources(void **state)
{
    static const struct example examples[] = {
        { DOC(ALLOW("iot:Publish", TOPIC("a*z"))), { PUBLISH, "a/b/c/z", YES } },
        { DOC(ALLOW("iot:Publish", TOPIC("a*z"))), { PUBLISH, "az", YES } },
        { DOC(ALLOW("iot:Publish", TOPIC("a?z"))), { PUBLISH, "a/z", YES } },
        { DOC(ALLOW("iot:Publish", TOPIC("a?z"))), { PUBLISH, "a\xc3\xa9z", YES } },
        { DOC(ALLOW("iot:Publish", TOPIC("a?z"))), { PUBLISH, "az", SILENT } },
        { DOC(ALLOW("iot:Publish", TOPIC("a?z"))), { PUBLISH, "abbz", SILENT } },
        { DOC(ALLOW("iot:Subscribe", FILTER("a/+/b"))), { SUBSCRIBE, "a/+/b", YES } },
        { DOC(ALLOW("iot:Subscribe", FILTER("a/+/b"))), { SUBSCRIBE, "a/x/b", SILENT } },
        { DOC(ALLOW("iot:Subscribe", FILTER("a/#"))), { SUBSCRIBE, "a/b", SILENT } },
        { DOC(ALLOW("iot:Receive", TOPIC("a/#"))), { RECEIVE, "a/b", SILENT } },
        { DOC(ALLOW("iot:Subscribe", FILTER("a/*"))), { SUBSCRIBE, "a/#", YES } },
        { DOC(ALLOW("iot:Subscribe", FILTER("a/*"))), { SUBSCRIBE, "a/+/b", YES } },
        { DOC(ALLOW("iot:Subscribe", FILTER("a/*"))), { SUBSCRIBE, "#", SILENT } },
    };
    static const char *const escapes[][2] = {
        { "${*}", "*" }, { "${?}", "?" }, { "${$}", "$" },
        { "$(*)", "*" }, { "$(?)", "?" }, { "$($)", "$" },
    };
    char policy[256], name[8];

    (void)state;
    CHECK(examples);
    for (size_t i = 0; i < PROV_COUNT(escapes); i++) {
        const struct example both[] = { { policy, { PUBLISH, name, YES } },
                                        { policy, { PUBLISH, "a-b", SILENT } },
                                        { policy, { PUBLISH, "ab", SILENT } } };

        (void)snprintf(policy, sizeof policy, DOC(ALLOW("iot:Publish", TOPIC("a%sb"))),
                       escapes[i][0]);
        (void)snprintf(name, sizeof name, "a%sb", escapes[i][1]);
        CHECK(both);
    }
}

static void a_deny_of_a_filter_does_not_stop_a_wider_one(void **state)
{
    static const struct example examples[] = {
        { DOC(ALLOW("iot:Subscribe", FILTER("a/*")) "," DENY("iot:Subscribe",
                                                             FILTER("a/secret/*"))),
          { SUBSCRIBE, "a/secret/x", NO } },
        { DOC(ALLOW("iot:Subscribe", FILTER("a/*")) "," DENY("iot:Subscribe",
                                                             FILTER("a/secret/*"))),
          { SUBSCRIBE, "a/#", YES } },
        /* what does: not receiving it, by Deny or by NotResource */
        { DOC(ALLOW("iot:Receive", TOPIC("a/*")) "," DENY("iot:Receive", TOPIC("a/secret/*"))),
          { RECEIVE, "a/secret/x", NO } },
        { DOC(ALLOW("iot:Receive", TOPIC("a/*")) "," DENY("iot:Receive", TOPIC("a/secret/*"))),
          { RECEIVE, "a/open/x", YES } },
        { EFFECT("Allow", "'Action':'iot:Receive','NotResource':'" TOPIC("a/secret/*") "'"),
          { RECEIVE, "a/secret/x", SILENT } },
        { EFFECT("Allow", "'Action':'iot:Receive','NotResource':'" TOPIC("a/secret/*") "'"),
          { RECEIVE, "a/open/x", YES } },
    };

    (void)state;
    CHECK(examples);
}

/* Its filter is then a wildcard for the broker; the cure is to restrict client ids with Connect. */
static void a_client_id_may_be_a_wildcard_of_mqtt(void **state)
{
    static const struct example examples[] = {
        { DOC(ALLOW("iot:Subscribe", FILTER("x/${iot:ClientId}/y"))), { SUBSCRIBE, "x/+/y", YES } },
        { DOC(ALLOW("iot:Subscribe", FILTER("x/${iot:ClientId}/y"))),
          { SUBSCRIBE, "x/dev1/y", SILENT } },
        { DOC(ALLOW("iot:Connect", CLIENT("${iot:Connection.Thing.ThingName}"))),
          { CONNECT, "+", SILENT } },
    };
    struct policy_device d;

    (void)state;
    policy_device_init(&d);
    d.facts.client_id = PROV_LIT("+");
    check_as(&d, examples, PROV_COUNT(examples));
}

/* ---- 8.4 evaluation -------------------------------------------------------------------------- */

static void denied_unless_allowed_and_any_deny_wins(void **state)
{
    static const char allow[] = DOC(ALLOW("iot:Publish", TOPIC("*")));
    static const char deny[] = DOC(DENY("iot:Publish", TOPIC("secret/*")));
    static const char missing[] =
        DOC(ALLOW("iot:Publish", TOPIC("${iot:Thing.Attributes[no]}*")) "," DENY(
            "iot:Publish", TOPIC("${iot:Thing.Attributes[no]}*")));
    static const char *const certificates_and_groups[] = { allow, missing, deny };
    static const struct row rows[] = {
        { PUBLISH, "open", YES },
        { PUBLISH, "secret/x", NO },
        { RECEIVE, "open", SILENT },
    };
    static const struct row nothing[] = { { PUBLISH, "open", SILENT },
                                          { CONNECT, "dev1", SILENT } };
    static const struct example unresolved = { missing, { PUBLISH, "open", SILENT } };
    struct policy_device d;
    struct session s;

    (void)state;
    policy_device_init(&d);
    session_init(&s, certificates_and_groups, 3, &d);
    check_session(&s, "certificate and group", rows, PROV_COUNT(rows));
    session_release(&s);
    session_init(&s, NULL, 0, &d);
    check_session(&s, "no policy", nothing, PROV_COUNT(nothing));
    session_release(&s);
    check_examples(&unresolved, 1);
}

/* ---- templates/policies ---------------------------------------------------------------------- */

/* A thing "dev1" whose attribute "site" is "north". */
static void device_init(struct policy_device *d)
{
    policy_device_init(d);
    d->facts.thing_name = PROV_LIT("dev1");
    d->attrs[0] = (struct prov_attr){ PROV_LIT("site"), PROV_LIT("north") };
}

static void check(const char *file, const struct policy_device *d, const struct row *rows, size_t n)
{
    char *const text = policy_file(file);
    const char *const docs[] = { text };
    struct session s;

    session_init(&s, docs, 1, d);
    check_session(&s, file, rows, n);
    session_release(&s);
    free(text);
}

static void a_telemetry_device_keeps_to_its_own_topics(void **state)
{
    static const struct row rows[] = {
        { CONNECT, "dev1", YES },
        { CONNECT, "dev2", SILENT },
        { PUBLISH, "dt/dev1/temperature", YES },
        { RETAIN, "dt/dev1/temperature", YES },
        { PUBLISH, "dt/dev10/temperature", SILENT },
        { PUBLISH, "dt/dev2/temperature", SILENT },
        { PUBLISH, "cmd/dev1/reboot", SILENT },
        { SUBSCRIBE, "cmd/dev1/#", YES },
        { SUBSCRIBE, "cmd/+/#", SILENT },
        { SUBSCRIBE, "#", SILENT },
        { RECEIVE, "cmd/dev1/reboot", YES },
        { RECEIVE, "cmd/dev2/reboot", SILENT },
        { RECEIVE, "dt/dev1/temperature", SILENT },
    };
    static const struct row unattached[] = { { CONNECT, "dev1", SILENT } };
    static const struct row no_thing[] = {
        { CONNECT, "dev1", SILENT },
        { PUBLISH, "dt//x", SILENT },
        { SUBSCRIBE, "cmd/#", SILENT },
    };
    struct policy_device d;

    (void)state;
    device_init(&d);
    check("telemetry-device.json", &d, rows, PROV_COUNT(rows));
    d.facts.thing_attached = false;
    check("telemetry-device.json", &d, unattached, PROV_COUNT(unattached));
    d.facts.thing_name = prov_span(NULL, 0);
    check("telemetry-device.json", &d, no_thing, PROV_COUNT(no_thing));
}

static void a_display_reads_and_never_writes(void **state)
{
    static const struct row rows[] = {
        { CONNECT, "dev1", YES },     { CONNECT, "dev2", SILENT },
        { SUBSCRIBE, "dt/#", YES },   { SUBSCRIBE, "dt/+/temperature", YES },
        { SUBSCRIBE, "#", SILENT },   { RECEIVE, "dt/dev2/temperature", YES },
        { RECEIVE, "cmd/x", SILENT }, { PUBLISH, "dt/dev1/temperature", NO },
        { RETAIN, "dt/x", NO },
    };
    const struct prov_policy_request with_will = { .action = CONNECT,
                                                   .name = PROV_LIT("dev1"),
                                                   .has_will = true,
                                                   .will_topic = PROV_LIT("dt/dev1/gone") };
    struct policy_device d;
    const char *docs[1];
    struct session s;
    char *text;

    (void)state;
    device_init(&d);
    check("read-only-display.json", &d, rows, PROV_COUNT(rows));
    docs[0] = text = policy_file("read-only-display.json");
    session_init(&s, docs, 1, &d);
    assert_int_equal(session_ask(&s, &with_will), NO);
    session_release(&s);
    free(text);
}

static void a_gateway_acts_for_its_site(void **state)
{
    static const struct row rows[] = {
        { CONNECT, "dev1", YES },
        { PUBLISH, "dt/dev1/load", YES },
        { PUBLISH, "site/north/dt/child7/temperature", YES },
        { RETAIN, "site/north/dt/child7/temperature", YES },
        { PUBLISH, "site/south/dt/child7/temperature", SILENT },
        { PUBLISH, "site/north/cmd/child7/reboot", SILENT },
        { SUBSCRIBE, "site/north/cmd/+/#", YES },
        { SUBSCRIBE, "site/+/cmd/#", SILENT },
        { RECEIVE, "site/north/cmd/child7/reboot", YES },
        { RECEIVE, "site/south/cmd/child7/reboot", SILENT },
        { RECEIVE, "cmd/dev1/reboot", YES },
    };
    static const struct row without_site[] = {
        { CONNECT, "dev1", YES },
        { PUBLISH, "dt/dev1/load", YES },
        { PUBLISH, "site//dt/x", SILENT },
        { PUBLISH, "site/north/dt/x", SILENT },
    };
    struct policy_device d;

    (void)state;
    device_init(&d);
    check("gateway.json", &d, rows, PROV_COUNT(rows));
    d.facts.n_attrs = 0;
    check("gateway.json", &d, without_site, PROV_COUNT(without_site));
}

static void a_golden_claim_provisions_with_its_template_and_nothing_else(void **state)
{
    static const struct row rows[] = {
        { CONNECT, "whoever", YES },
        { PUBLISH, "$aws/certificates/create/json", YES },
        { PUBLISH, "$aws/certificates/create-from-csr/cbor", YES },
        { PUBLISH, "$aws/provisioning-templates/fleet-by-serial/provision/json", YES },
        { PUBLISH, "$aws/provisioning-templates/other/provision/json", SILENT },
        { PUBLISH, "dt/dev1/temperature", SILENT },
        { RETAIN, "$aws/certificates/create/json", SILENT },
        { SUBSCRIBE, "$aws/certificates/create/json/accepted", YES },
        { SUBSCRIBE, "$aws/provisioning-templates/fleet-by-serial/provision/cbor/rejected", YES },
        { SUBSCRIBE, "$aws/#", SILENT },
        { SUBSCRIBE, "#", SILENT },
        { RECEIVE, "$aws/certificates/create-from-csr/json/accepted", YES },
        { RECEIVE, "dt/dev1/temperature", SILENT },
    };
    struct policy_device d;

    (void)state;
    device_init(&d);
    check("golden-claim.json", &d, rows, PROV_COUNT(rows));
}

static void a_fleet_device_keeps_to_its_own_topics_and_may_renew(void **state)
{
    static const struct row rows[] = {
        { CONNECT, "dev1", YES },
        { CONNECT, "dev2", SILENT },
        { PUBLISH, "dt/dev1/temperature", YES },
        { PUBLISH, "dt/dev2/temperature", SILENT },
        { SUBSCRIBE, "cmd/dev1/#", YES },
        { SUBSCRIBE, "cmd/dev2/#", SILENT },
        { RECEIVE, "cmd/dev1/reboot", YES },
        { PUBLISH, "$aws/certificates/create-from-csr/json", YES },
        { PUBLISH, "$aws/certificates/create/json", SILENT },
        { PUBLISH, "$aws/provisioning-templates/fleet-by-serial/provision/cbor", YES },
        { SUBSCRIBE, "$aws/certificates/create-from-csr/json/accepted", YES },
        { RECEIVE, "$aws/provisioning-templates/fleet-by-serial/provision/json/rejected", YES },
    };
    static const struct row unattached[] = { { CONNECT, "dev1", SILENT } };
    struct policy_device d;

    (void)state;
    device_init(&d);
    check("fleet-device.json", &d, rows, PROV_COUNT(rows));
    d.facts.thing_attached = false;
    check("fleet-device.json", &d, unattached, PROV_COUNT(unattached));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_form_of_a_document),
        cmocka_unit_test(what_the_grammar_does_not_have_is_refused),
        cmocka_unit_test(each_operator_of_a_condition),
        cmocka_unit_test(each_action_and_its_kind_of_resource),
        cmocka_unit_test(actions_of_https_grant_nothing_here),
        cmocka_unit_test(each_wildcard_in_resources),
        cmocka_unit_test(a_deny_of_a_filter_does_not_stop_a_wider_one),
        cmocka_unit_test(a_client_id_may_be_a_wildcard_of_mqtt),
        cmocka_unit_test(denied_unless_allowed_and_any_deny_wins),
        cmocka_unit_test(a_telemetry_device_keeps_to_its_own_topics),
        cmocka_unit_test(a_display_reads_and_never_writes),
        cmocka_unit_test(a_gateway_acts_for_its_site),
        cmocka_unit_test(a_golden_claim_provisions_with_its_template_and_nothing_else),
        cmocka_unit_test(a_fleet_device_keeps_to_its_own_topics_and_may_renew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
