/* Warnings of what statements of a document do together. */
#include "unit/test_policy_lint.h"

/* Statements that keep others from being warned of for what they do not have. */
#define RECEIVES ALLOW("iot:Receive", "*")

static void create_does_not_cover_create_from_csr(void **state)
{
    const struct row rows[] = {
        { DOC("{'Effect':'Allow','Action':['iot:Publish','iot:Receive'],'Resource':[^'" ANY
              "topic/$aws/certificates/create/*']}"),
          "create-from-csr", "Statement[0].Resource[0]", "iot:Publish and iot:Receive",
          "\"" ANY "topic/$aws/certificates/create-from-csr/*\" beside it, unless devices never "
          "send a CSR" },
        { DOC("{'Effect':'Allow','Action':['iot:Publish','iot:Receive'],'Resource':[^'" ANY
              "topic/$aws/certificates/create/*']}," ALLOW(
                  "iot:Receive", ANY "topic/$aws/certificates/create-from-csr/json/*")),
          "create-from-csr", "Statement[0].Resource[0]", "nothing allows iot:Publish",
          "\"" ANY "topic/$aws/certificates/create-from-csr/*\" beside it, unless devices never "
          "send a CSR" },
        { DOC(RECEIVES ",{'Effect':'Allow','Action':'iot:Subscribe',^'Resource':'" ANY
                       "topicfilter/$aws/certificates/create/*'}"),
          "create-from-csr", "Statement[1].Resource", "iot:Subscribe",
          "\"" ANY "topicfilter/$aws/certificates/create-from-csr/*\" beside it, unless devices "
          "never send a CSR" },
    };
    const char *const silent[] = {
        DOC("{'Effect':'Allow','Action':'iot:Publish','Resource':['" ANY
            "topic/$aws/certificates/create/*','" ANY "topic/$aws/certificates/create-from-csr/*']"
            "}"),
        DOC(ALLOW("iot:Publish", ANY "topic/$aws/certificates/create/*") "," ALLOW(
            "iot:Pub*", ANY "topic/$aws/certificates/create-*")),
        DOC(ALLOW("iot:Publish", ANY "topic/$aws/certificates/create*")),
        DOC(ALLOW("iot:Publish", ANY "topic/$aws/certificates/create/json")),
        DOC(DENY("iot:Publish", ANY "topic/$aws/certificates/create/*")),
        DOC(ALLOW("iot:Publish", ANY "topic/$aws/certificates/create/*") "," ALLOW("iot:Publish",
                                                                                   ANY "*")),
        DOC(ALLOW("iot:Publish", ANY
                  "topic/$aws/certificates/create/*") ",{'Effect':'Allow','Action':'iot:Publish','"
                                                      "NotResource':'" ANY "topic/a'}"),
    };

    (void)state;
    check_rows(rows, PROV_COUNT(rows));
    check_silent(silent, PROV_COUNT(silent));
}

static void an_allow_that_is_denied_again_is_told(void **state)
{
    static const char cure[] = "take it out, or make the Deny narrower (NotResource, a condition)";
    const struct row rows[] = {
        { DOC("^" ALLOW("iot:Publish", ANY "topic/a/b") "," DENY("iot:*", ANY "topic/a/*")),
          "dead-allow", "Statement[0]", "the statement allows is denied by Statement[1]", cure },
        { DOC(DENY("iot:Publish", "*") ",^" ALLOW("iot:Publish", "*")), "dead-allow",
          "Statement[1]", "Statement[0]", cure },
        { DOC(DENY("iot:Publish", ANY "topic/*") ",^" ALLOW("iot:Publish", "*")), "dead-allow",
          "Statement[1]", "Statement[0]", cure },
        { DOC("{'Effect':'Allow','Action':'iot:Publish','Resource':['" ANY "topic/a',^'" ANY
              "topic/b/?/${iot:ClientId}']}," DENY("iot:Publish", ANY "topic/b/*/${iot:ClientId}")),
          "dead-allow", "Statement[0].Resource[1]", "the resource allows", cure },
        { DOC("^" ALLOW("iot:Publish", ANY
                        "topic/a") ",{'Effect':'Deny','Action':'iot:Publish','NotResource':'" ANY
                                   "topic/b*'}"),
          "dead-allow", "Statement[0]", "", cure },
        { DOC("^{'Effect':'Allow','Action':['iot:Publish','iot:Receive'],'Resource':'" ANY
              "topic/a'}," DENY("iot:Publish", "*") "," DENY("iot:Receive", "*")),
          "dead-allow", "Statement[0]", "", cure },
    };
    const char *const silent[] = {
        DOC(ALLOW("iot:Publish", ANY "topic/a/*") "," DENY("iot:*", ANY "topic/a/b")),
        DOC(ALLOW("iot:Publish", ANY "topic/a") "," DENY("iot:Receive", "*")),
        DOC(ALLOW("iot:Publish", ANY "topic/a") "," IF("Deny", "iot:Publish", "*",
                                                       "{'StringEquals':{'iot:ClientId':'b'}}")),
        DOC(ALLOW("iot:Publish", ANY "topic/${iot:ClientId}") "," DENY(
            "iot:Publish", ANY "topic/${iot:CertificateId}")),
        DOC(ALLOW("iot:Publish", ANY "topic/a") "," DENY("iot:Publish", ANY "topic/?b")),
        DOC(ALLOW("iot:Publish", ANY "topic/ab") "," DENY("iot:Publish", ANY "topic/?")),
        DOC(ALLOW("iot:Publish", ANY "topic/éé") "," DENY("iot:Publish", ANY "topic/???")),
        DOC(ALLOW("iot:Publish",
                  ANY "topic/a") ",{'Effect':'Deny','Action':'iot:Publish','NotResource':'" ANY
                                 "topic/*'}"),
        DOC(ALLOW("iot:Publish", ANY "topic/a") ",{'Effect':'Deny','Action':'iot:Publish',"
                                                "'NotResource':'" ANY
                                                "topic/b/${iot:CertificateId}'}"),
        DOC("{'Effect':'Allow','Action':['iot:Publish','iot:Receive'],'Resource':'" ANY
            "topic/a'}," DENY("iot:Publish", "*")),
        DOC(ALLOW("iot:*", "*") "," DENY("iot:Connect", "*")),
        DOC("{'Effect':'Allow','Action':'iot:Publish','NotResource':'" ANY
            "topic/a'}," DENY("iot:Publish", "*")),
    };

    (void)state;
    check_rows(rows, PROV_COUNT(rows));
    check_silent(silent, PROV_COUNT(silent));
}

#define RECEIVE_CURE(topic)                                                                        \
    "{\"Effect\":\"Allow\",\"Action\":\"iot:Receive\",\"Resource\":\"" ANY "topic/" topic          \
    "\"} beside it"

static void subscribed_and_never_delivered_is_told(void **state)
{
    const struct row rows[] = {
        { DOC("{'Effect':'Allow','Action':'iot:Subscribe',^'Resource':'" ANY
              "topicfilter/a/+/b/#'}"),
          "receive-missing", "Statement[0].Resource", "unless another policy of the same device",
          RECEIVE_CURE("a/*/b/*") },
        { DOC("{'Effect':'Allow','Action':'iot:Subscribe','Resource':['" ANY
              "topicfilter/a/#',^'" ANY
              "topicfilter/b/${iot:ClientId}']}," ALLOW("iot:Receive", ANY "topic/a/*")),
          "receive-missing", "Statement[0].Resource[1]", "", RECEIVE_CURE("b/${iot:ClientId}") },
        { DOC("{'Effect':'Allow','Action':'iot:Subscribe',^'Resource':'" ANY
              "topicfilter/a/+'}," ALLOW("iot:Receive", ANY "topic/a/b/c")),
          "receive-missing", "Statement[0].Resource", "", RECEIVE_CURE("a/*") },
        { DOC("{'Effect':'Allow','Action':'iot:Subscribe',^'Resource':'" ANY
              "topicfilter/$share/g/a'}," ALLOW("iot:Receive", ANY "topic/b")),
          "receive-missing", "Statement[0].Resource", "",
          "an Allow of iot:Receive for the topics" },
        { DOC("{'Effect':'Allow','Action':'iot:Subscribe',^'Resource':'" ANY
              "topicfilter/a'}," DENY("iot:Receive", "*")),
          "receive-missing", "Statement[0].Resource", "", RECEIVE_CURE("a") },
    };
    const char *const silent[] = {
        DOC(ALLOW("iot:Subscribe", ANY "topicfilter/a/+") "," ALLOW("iot:Receive",
                                                                    ANY "topic/a/b")),
        DOC(ALLOW("iot:Subscribe", ANY "topicfilter/a/#") "," ALLOW("iot:Receive", ANY "topic/a")),
        DOC(ALLOW("iot:Subscribe", ANY "topicfilter/a/*/x") "," ALLOW("iot:Receive",
                                                                      ANY "topic/a/b/c/x")),
        DOC(ALLOW("iot:Subscribe",
                  ANY "topicfilter/a/${iot:ClientId}") "," ALLOW("iot:Receive", ANY "topic/a/b/c")),
        DOC(ALLOW("iot:Subscribe", ANY "topicfilter/a/?") "," ALLOW("iot:Receive",
                                                                    ANY "topic/a/bcd")),
        DOC(ALLOW("iot:Subscribe", ANY "topicfilter/$share/*/a/b") "," ALLOW("iot:Receive",
                                                                             ANY "topic/c")),
        DOC(ALLOW("iot:Subscribe", ANY "topicfilter/$share/g/a/b") "," ALLOW("iot:Receive",
                                                                             ANY "topic/a/b")),
        DOC(ALLOW("iot:Subscribe", ANY "topicfilter/a/?") "," ALLOW("iot:Receive", ANY "topic/a")),
        DOC(ALLOW("iot:Subscribe", "*")),
        DOC(DENY("iot:Subscribe", ANY "topicfilter/a")),
        DOC(ALLOW("iot:Subscribe", ANY
                  "topicfilter/a") ",{'Effect':'Allow','Action':'iot:Receive','NotResource':'" ANY
                                   "topic/a'}"),
    };

    (void)state;
    check_rows(rows, PROV_COUNT(rows));
    check_silent(silent, PROV_COUNT(silent));
}

static void retained_publishes_need_publish(void **state)
{
    static const char cure[] = "\"Action\": [\"iot:Publish\", \"iot:RetainPublish\"]";
    const struct row rows[] = {
        { DOC("{'Effect':'Allow','Action':'iot:RetainPublish',^'Resource':'" ANY "topic/a'}"),
          "retain-alone", "Statement[0].Resource", "without iot:Publish", cure },
        { DOC("{'Effect':'Allow','Action':'iot:RetainPublish','Resource':['" ANY "topic/a/b',^'" ANY
              "topic/c']}," ALLOW("iot:Publish", ANY "topic/a/*")),
          "retain-alone", "Statement[0].Resource[1]", "", cure },
    };
    const char *const silent[] = {
        DOC("{'Effect':'Allow','Action':['iot:Publish','iot:RetainPublish'],'Resource':'" ANY
            "topic/a'}"),
        DOC(ALLOW("iot:*Publish", ANY "topic/a")),
        DOC(ALLOW("iot:RetainPublish", ANY "topic/a/*") "," ALLOW("iot:Publish", ANY "topic/*/b")),
        DOC(ALLOW("iot:RetainPublish",
                  ANY "topic/a") ",{'Effect':'Allow','Action':'iot:Publish','NotResource':'" ANY
                                 "topic/a'}"),
        DOC(DENY("iot:RetainPublish", ANY "topic/a")),
    };

    (void)state;
    check_rows(rows, PROV_COUNT(rows));
    check_silent(silent, PROV_COUNT(silent));
}

static void everything_for_everyone_is_told(void **state)
{
    static const char cure[] =
        "iot:Connect for \"" ANY "client/${iot:Connection.Thing.ThingName}\", and topics such as "
        "\"" ANY "topic/${iot:Connection.Thing.ThingName}/*\"";
    const struct row rows[] = {
        { DOC("{'Effect':'Allow','Action':'iot:*',^'Resource':'*'}"), "allow-all",
          "Statement[0].Resource", "every device may take any client id", cure },
        { DOC("{'Effect':'Allow','Action':'*','Resource':['" ANY "topic/a',^'arn:aws:*']}"),
          "allow-all", "Statement[0].Resource[1]", "", cure },
        { DOC(ALLOW("iot:Publish", ANY "topic/*") "," ALLOW(
              "iot:Subscribe", ANY "topicfilter/*") "," ALLOW("iot:Receive", ANY
                                                              "*") ",{'Effect':'Allow','Action':'"
                                                                   "iot:Connect',^'Resource':'" ANY
                                                                   "client/*'}"),
          "allow-all", "Statement[3].Resource", "", cure },
        { DOC("{'Effect':'Allow','Action':'iot:*',^'Resource':'*'}," DENY("iot:Publish",
                                                                          ANY "topic/a")),
          "allow-all", "Statement[0].Resource", "", cure },
    };
    const char *const silent[] = {
        DOC(ALLOW("iot:Connect", "*")),
        DOC(ALLOW("iot:*", ANY "topic/*")),
        DOC(IF("Allow", "iot:*", "*", "{'Bool':{'iot:Connection.Thing.IsAttached':'true'}}")),
        DOC(ALLOW("iot:*", "*") ",{'Effect':'Deny','Action':'iot:Connect','NotResource':'" ANY
                                "client/${iot:ClientId}'}"),
        DOC("{'Effect':'Allow','Action':['iot:Connect','iot:Publish','iot:Receive'],"
            "'Resource':'*'}"),
        DOC("{'Effect':'Allow','NotAction':'iot:Connect','Resource':'*'}"),
    };

    (void)state;
    check_rows(rows, PROV_COUNT(rows));
    check_silent(silent, PROV_COUNT(silent));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(create_does_not_cover_create_from_csr),
        cmocka_unit_test(an_allow_that_is_denied_again_is_told),
        cmocka_unit_test(subscribed_and_never_delivered_is_told),
        cmocka_unit_test(retained_publishes_need_publish),
        cmocka_unit_test(everything_for_everyone_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
