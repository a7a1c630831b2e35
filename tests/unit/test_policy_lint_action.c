/* Warnings of actions, and of actions and resources that do not meet. */
#include "unit/test_policy_lint.h"

/* ---- actions --------------------------------------------------------------------------------- */

static const char devices_ask[] =
    "devices ask for iot:Connect, iot:Publish, iot:RetainPublish, iot:Receive and iot:Subscribe";

static void misspelt_actions_are_told_with_what_was_meant(void **state)
{
    const struct row rows[] = {
        { DOC("{'Effect':'Allow',^'Action':'iot:Subscibe','Resource':'*'}"), "unknown-action",
          "Statement[0].Action", "\"iot:Subscibe\"", "\"iot:Subscribe\"" },
        { DOC("{'Effect':'Allow','Action':['iot:Publish',^'IOT:recieve'],'Resource':'" ANY
              "topic/a'}"),
          "unknown-action", "Statement[0].Action[1]", "\"IOT:recieve\"", "\"iot:Receive\"" },
        { DOC("{'Effect':'Deny',^'Action':'iot:Con','Resource':'*'}"), "unknown-action",
          "Statement[0].Action", "", "\"iot:Connect\"" },
        { DOC("{'Effect':'Allow',^'Action':'iot:PublishRetain','Resource':'*'}"), "unknown-action",
          "Statement[0].Action", "", "\"iot:RetainPublish\"" },
        { DOC("{'Effect':'Allow',^'Action':'iot:CreateThing','Resource':'*'}"), "unknown-action",
          "Statement[0].Action", "no operation asks for", devices_ask },
        { DOC("{'Effect':'Allow',^'Action':'iot:Foo*','Resource':'*'}"), "unknown-action",
          "Statement[0].Action", "", devices_ask },
        { DOC("{'Effect':'Allow',^'Action':'iot:Subscri?','Resource':'*'}"), "unknown-action",
          "Statement[0].Action", "", "\"iot:Subscribe\"" },
        { DOC("{'Effect':'Deny','NotAction':['iot:Connect',^'iot:Publsh'],'Resource':'*'}"),
          "unknown-action", "Statement[0].NotAction[1]", "NotAction leaves nothing out by it",
          "\"iot:Publish\"" },
    };
    const char *const silent[] = {
        DOC(ALLOW("iot:publish", "*")),
        DOC(ALLOW("iot:Pub*", "*")),
        DOC(ALLOW("IOT:?onnect", "*")),
        DOC(DENY("*", "*")),
        DOC("{'Effect':'Deny','NotAction':'iot:Connect','Resource':'*'}"),
    };

    (void)state;
    check_rows(rows, PROV_COUNT(rows));
    check_silent(silent, PROV_COUNT(silent));
}

static void actions_of_https_alone_are_told_gently(void **state)
{
    static const char cure[] =
        "leave it if AWS IoT uses the policy as well; over MQTT it is iot:Connect, iot:Publish, "
        "iot:RetainPublish, iot:Receive and iot:Subscribe that decide";
    const struct row rows[] = {
        { DOC("{'Effect':'Allow',^'Action':'iot:GetThingShadow','Resource':'" ANY "thing/a'}"),
          "other-action", "Statement[0].Action", "over HTTPS", cure },
        { DOC("{'Effect':'Allow','Action':[^'iotjobsdata:*','greengrass:Discover'],'Resource':'" ANY
              "thing/a'}"),
          "other-action", "Statement[0].Action[0]", "this broker never", cure },
        { DOC("{'Effect':'Allow',^'Action':'iot:AssumeRoleWithCertificate','Resource':'" ANY
              "rolealias/a'}"),
          "other-action", "Statement[0].Action", "", cure },
        { DOC("{'Effect':'Allow',^'Action':'iot:*Shadow','Resource':'" ANY "thing/a'}"),
          "other-action", "Statement[0].Action", "", cure },
    };
    const char *const silent[] = {
        DOC("{'Effect':'Allow','Action':['iot:Publish','iot:GetThingShadow'],'Resource':['" ANY
            "topic/a','" ANY "thing/a']}"),
        DOC("{'Effect':'Deny','NotAction':'iot:GetThingShadow','Resource':'*'}"),
    };

    (void)state;
    check_rows(rows, PROV_COUNT(rows));
    check_silent(silent, PROV_COUNT(silent));
}

/* ---- actions and resources ------------------------------------------------------------------- */

static void subscribe_needs_topicfilter(void **state)
{
    const struct row rows[] = {
        { DOC("{'Effect':'Allow','Action':'iot:Subscribe',^'Resource':'" ANY "topic/a/+/b#'}"),
          "subscribe-topic", "Statement[0].Resource",
          "iot:Subscribe is about topicfilter/…, not topic/…, so it matches nothing",
          "\"" ANY "topicfilter/a/+/b#\"" },
        { DOC("{'Effect':'Deny','Action':'iot:Subscribe','Resource':['" ANY "topicfilter/b',^'" ANY
              "topic/${iot:ClientId}']}"),
          "subscribe-topic", "Statement[0].Resource[1]", "",
          "\"" ANY "topicfilter/${iot:ClientId}\"" },
        { DOC("{'Effect':'Allow','Action':['iot:Receive',^'iot:Subscribe'],'Resource':'" ANY
              "topic/a'}"),
          "subscribe-topic", "Statement[0].Action[1]", "the statement has no such resource",
          "\"" ANY "topicfilter/a\" beside the others" },
        { DOC("{'Effect':'Deny','Action':'iot:Subscribe',^'NotResource':'" ANY "topic/a'}"),
          "subscribe-topic", "Statement[0].NotResource", "NotResource leaves nothing out by it",
          "\"" ANY "topicfilter/a\"" },
        { DOC("{'Effect':'Deny','Action':'iot:Subscribe',^'Resource':'" ANY "topic/$share/g/a'}"),
          "subscribe-topic", "Statement[0].Resource", "", "\"" ANY "topicfilter/$share/g/a\"" },
        { DOC("{'Effect':'Deny','Action':'iot:Subscribe',^'Resource':'arn:aws:iot:*:topic/a:*'}"),
          "arn-never", "Statement[0].Resource", "\"topic/a\" is no account id",
          "\"arn:aws:iot:*:*:*\"" },
    };
    const char *const silent[] = {
        DOC("{'Effect':'Allow','Action':['iot:Receive','iot:Subscribe'],'Resource':['" ANY
            "topic/a','" ANY "topicfilter/a']}"),
        DOC(DENY("iot:Subscribe", ANY "topicfilter/topic/a")),
        DOC(DENY("iot:Subscribe", "arn:aws:iot:*:topic/a")), /* a star may be both missing parts */
        DOC(DENY("iot:Subscribe", ANY "topic*/a")),
        DOC(DENY("iot:*", ANY "topic/a")),
        DOC("{'Effect':'Deny','NotAction':'iot:Publish','Resource':'" ANY "topic/a'}"),
    };

    (void)state;
    check_rows(rows, PROV_COUNT(rows));
    check_silent(silent, PROV_COUNT(silent));
}

static void publish_and_receive_need_topic(void **state)
{
    const struct row rows[] = {
        { DOC("{'Effect':'Allow','Action':'iot:Publish',^'Resource':'" ANY "topicfilter/a/+/b/#'}"),
          "publish-topicfilter", "Statement[0].Resource",
          "iot:Publish is about topic/…, not topicfilter/…", "\"" ANY "topic/a/*/b/*\"" },
        { DOC("{'Effect':'Deny','Action':['iot:Publish','iot:Receive','iot:RetainPublish'],"
              "'Resource':['" ANY "topic/a',^'" ANY "topicfilter/a']}"),
          "publish-topicfilter", "Statement[0].Resource[1]",
          "iot:Publish, iot:RetainPublish and iot:Receive", "\"" ANY "topic/a\"" },
        { DOC("{'Effect':'Deny','Action':'iot:Publish',^'Resource':'arn:aws:iot:${aws:SourceIp}:*:"
              "topicfilter/a'}"),
          "publish-topicfilter", "Statement[0].Resource", "",
          "\"arn:aws:iot:${aws:SourceIp}:*:topic/a\"" },
        { DOC("{'Effect':'Deny','Action':['iot:Subscribe',^'iot:Receive'],'Resource':'" ANY
              "topicfilter/a/#'}"),
          "publish-topicfilter", "Statement[0].Action[1]", "",
          "\"" ANY "topic/a/*\" beside the others" },
    };

    (void)state;
    check_rows(rows, PROV_COUNT(rows));
}

static void resources_that_no_action_asks_about_are_told(void **state)
{
    const struct row rows[] = {
        { DOC("{'Effect':'Allow','Action':'iot:Publish','Resource':['" ANY "topic/a',^'" ANY
              "client/a']}"),
          "resource-unasked", "Statement[0].Resource[1]", "so it matches nothing",
          "iot:Connect asks about client/…: a statement of its own for it, or the action beside "
          "the others" },
        { DOC("{'Effect':'Allow','Action':'iot:Connect',^'Resource':'" ANY "topic/a'}"),
          "resource-unasked", "Statement[0].Resource", "no action of the statement asks about",
          "iot:Publish, iot:RetainPublish and iot:Receive ask about topic/…: one of them beside "
          "the others, or a statement of its own" },
        { DOC("{'Effect':'Allow','Action':'iot:Connect','Resource':['" ANY "client/a',^'" ANY
              "topicfilter/a']}"),
          "resource-unasked", "Statement[0].Resource[1]", "",
          "iot:Subscribe asks about topicfilter/…: the action beside the others, or a statement "
          "of its own" },
        { DOC("{'Effect':'Allow','Action':'iot:Publish','Resource':['" ANY "topic/a',^'" ANY
              "thing/a']}"),
          "resource-unasked", "Statement[0].Resource[1]", "",
          "take it out; over MQTT nothing asks about thing/…, the topics decide" },
        { DOC("{'Effect':'Allow','Action':'iot:Connect',^'NotResource':'" ANY "topic/a'}"),
          "resource-unasked", "Statement[0].NotResource", "NotResource leaves nothing out by it",
          "iot:Publish, iot:RetainPublish and iot:Receive ask about topic/…: one of them beside "
          "the others, or a statement of its own" },
    };
    const char *const silent[] = {
        DOC("{'Effect':'Allow','Action':['iot:Connect','iot:Publish'],'Resource':['" ANY
            "client/a','" ANY "topic/a']}"),
        DOC("{'Effect':'Allow','Action':'iot:*','Resource':['" ANY "client/a','" ANY
            "thing/a','" ANY "rolealias/a','arn:aws:greengrass:*:*:a']}"),
        DOC("{'Effect':'Deny','NotAction':'iot:Connect','Resource':'" ANY "thing/a'}"),
        DOC("{'Effect':'Allow','Action':['iot:GetConnection','iot:Publish'],'Resource':['" ANY
            "client/a','" ANY "topic/a']}"),
    };

    (void)state;
    check_rows(rows, PROV_COUNT(rows));
    check_silent(silent, PROV_COUNT(silent));
}

static void actions_without_a_resource_are_told(void **state)
{
    const struct row rows[] = {
        { DOC("{'Effect':'Allow','Action':['iot:Publish',^'iot:Connect'],'Resource':'" ANY
              "topic/a'}"),
          "action-without", "Statement[0].Action[1]", "\"iot:Connect\" is about client/…",
          "\"" ANY "client/${iot:Connection.Thing.ThingName}\" beside the others" },
        { DOC("{'Effect':'Allow','Action':['iot:Connect',^'iot:Publish'],'Resource':'" ANY
              "client/a'}"),
          "action-without", "Statement[0].Action[1]", "", "\"" ANY "topic/…\" beside the others" },
    };
    const char *const silent[] = {
        DOC("{'Effect':'Deny','Action':['iot:Publish','iot:Connect'],'NotResource':'" ANY
            "topic/a'}"),
        DOC("{'Effect':'Deny','Action':['iot:Publish','iot:Connect'],'Resource':'*'}"),
    };

    (void)state;
    check_rows(rows, PROV_COUNT(rows));
    check_silent(silent, PROV_COUNT(silent));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(misspelt_actions_are_told_with_what_was_meant),
        cmocka_unit_test(actions_of_https_alone_are_told_gently),
        cmocka_unit_test(subscribe_needs_topicfilter),
        cmocka_unit_test(publish_and_receive_need_topic),
        cmocka_unit_test(resources_that_no_action_asks_about_are_told),
        cmocka_unit_test(actions_without_a_resource_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
