/* Warnings of resources that nothing can match, or that are written for something else. */
#include "unit/test_policy_lint.h"

static void impossible_arns_are_told_with_the_part_that_is_wrong(void **state)
{
    static const char form[] = "\"arn:aws:iot:*:*:client/…\", …topic/… or …topicfilter/…";
    const struct row rows[] = {
        { DOC("{'Effect':'Allow','Action':'iot:Publish',^'Resource':'arn:aws:sns:*:*:topic/a'}"),
          "arn-never", "Statement[0].Resource", "\"sns\" is another service",
          "\"" ANY "topic/a\"" },
        { DOC("{'Effect':'Allow','Action':'iot:Publish',^'Resource':'arn:aw:iot:*:*:topic/a'}"),
          "arn-never", "Statement[0].Resource", "\"aw\" is no partition", "\"" ANY "topic/a\"" },
        { DOC("{'Effect':'Allow','Action':'iot:Publish',^'Resource':'arn:aws:iot:EU:*:topic/a'}"),
          "arn-never", "Statement[0].Resource", "\"EU\" is no region", "\"" ANY "topic/a\"" },
        { DOC("{'Effect':'Allow','Action':'iot:Publish',^'Resource':'arn:aws:iot:*::topic/a'}"),
          "arn-never", "Statement[0].Resource", "\"\" is no account id", "\"" ANY "topic/a\"" },
        { DOC("{'Effect':'Allow','Action':'iot:Publish',^'Resource':'arn:aws:iot:*:1234567890:"
              "topic/a'}"),
          "arn-never", "Statement[0].Resource", "have 12 digits", "\"" ANY "topic/a\"" },
        { DOC("{'Effect':'Allow','Action':'iot:Publish',^'Resource':'" ANY "topics/a/${iot:"
              "ClientId}'}"),
          "arn-never", "Statement[0].Resource", "\"topics\" is none of",
          "\"" ANY "topic/a/${iot:ClientId}\"" },
        { DOC("{'Effect':'Deny','Action':'iot:Connect','NotResource':[^'" ANY "Client:a','" ANY
              "client/b']}"),
          "arn-never", "Statement[0].NotResource[0]", "NotResource leaves nothing out by it",
          "\"" ANY "client/a\"" },
        { DOC("{'Effect':'Allow','Action':'iot:Publish',^'Resource':'" ANY "cert/a'}"), "arn-never",
          "Statement[0].Resource", "\"cert\" is none of", form },
        { DOC("{'Effect':'Allow','Action':'iot:Publish',^'Resource':'arn:aws:s3:*'}"), "arn-never",
          "Statement[0].Resource", "\"s3\" is another service", "\"arn:aws:iot:*\"" },
        { DOC("{'Effect':'Allow','Action':'iot:Publish',^'Resource':'arn:aws:iot:EU*'}"),
          "arn-never", "Statement[0].Resource", "\"arn:aws:iot:EU*\" is no ARN of", form },
    };
    const char *const silent[] = {
        DOC(ALLOW("iot:Publish", "arn:aws-cn:iot:cn-north-1:123456789012:topic/a")),
        DOC(ALLOW("iot:Publish", "arn:*:iot:*:????????????:topic/a")),
        DOC(ALLOW("iot:Publish", "arn:aws-us-gov:*:topic/a")),
        DOC(ALLOW("iot:Publish", "arn:*")),
    };

    (void)state;
    check_rows(rows, PROV_COUNT(rows));
    check_silent(silent, PROV_COUNT(silent));
}

static void arns_of_another_registry_are_told_when_ours_is_known(void **state)
{
    static const struct {
        const char *resource, *text, *cure;
    } rows[] = {
        { "arn:aws:iot:us-east-1:000000000000:topic/a:b", "another region than",
          "\"arn:aws:iot:local:000000000000:topic/a:b\", or * for both to fit any" },
        { "arn:aws:iot:*:123456789012:topic/a", "another account than",
          "\"arn:aws:iot:local:000000000000:topic/a\", or * for both to fit any" },
        { "arn:aws:iot:eu-*:123456789012:topic/${iot:ClientId}", "another region and account than",
          "\"arn:aws:iot:local:000000000000:topic/${iot:ClientId}\", or * for both to fit any" },
        { "arn:aws:iot:l*:0000*:topic/a", NULL, NULL },
        { ANY "topic/a", NULL, NULL },
    };
    const struct prov_policy_scope scope = { PROV_LIT("local"), PROV_LIT("000000000000") };
    const struct prov_policy_scope region = { PROV_LIT("local"), { NULL, 0 } };
    struct linted *const found = malloc(sizeof *found);

    (void)state;
    assert_non_null(found);
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        (void)snprintf(found->text.json, sizeof found->text.json,
                       "{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Allow\","
                       "\"Action\":\"iot:Publish\",\"Resource\":\"%s\"}}",
                       rows[i].resource);
        lint_text(found, &scope);
        assert_int_equal(found->n, rows[i].text != NULL);
        if (rows[i].text != NULL) {
            assert_string_equal(found->w[0].code, "arn-scope");
            assert_non_null(strstr(found->w[0].text, rows[i].text));
            assert_string_equal(found->w[0].cure, rows[i].cure);
        }
        lint_text(found, &region);
        assert_int_equal(found->n, rows[i].text != NULL && strstr(rows[i].text, "region") != NULL);
        lint_text(found, NULL);
        assert_int_equal(found->n, 0);
    }
    free(found);
}

#define HUNDRED                                                                                    \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
    "aaaaaaaa"

static void names_that_never_come_are_told(void **state)
{
    static const char client[] = "client/ and 1 to 128 bytes that do not begin with $, or *";
    static const char topic[] = "topic/ and the topic as it is published, or * for any";
    static const char filter[] = "topicfilter/ and a filter such as a/+/b or a/#; * stands for any "
                                 "text, + and # included";
    const struct row rows[] = {
        { DOC("{'Effect':'Allow','Action':'iot:Connect',^'Resource':'" ANY "client/'}"),
          "name-never", "Statement[0].Resource", "no client id is empty", client },
        { DOC("{'Effect':'Allow','Action':'iot:Connect',^'Resource':'" ANY "client/$GEN/*'}"),
          "name-never", "Statement[0].Resource", "begin with $", client },
        { DOC("{'Effect':'Allow','Action':'iot:Connect',^'Resource':'" ANY "client/" HUNDRED
              "*????????????????????????????${iot:ClientId}'}"),
          "name-never", "Statement[0].Resource", "128 bytes at most", client },
        { DOC("{'Effect':'Allow','Action':'iot:Publish',^'Resource':'" ANY "topic/'}"),
          "name-never", "Statement[0].Resource", "no topic is empty", topic },
        { DOC("{'Effect':'Allow','Action':'iot:Receive',^'Resource':'" ANY "topic/$share/g/a'}"),
          "name-never", "Statement[0].Resource", "only filters begin with $share/", topic },
        { DOC("{'Effect':'Deny','Action':'iot:Subscribe',^'Resource':'" ANY "topicfilter/'}"),
          "name-never", "Statement[0].Resource", "no topic filter is empty", filter },
        { DOC("{'Effect':'Deny','Action':'iot:Subscribe',^'Resource':'" ANY "topicfilter/a/#/b'}"),
          "name-never", "Statement[0].Resource", "nothing follows #", filter },
        { DOC("{'Effect':'Deny','Action':'iot:Subscribe',^'Resource':'" ANY "topicfilter/a#'}"),
          "name-never", "Statement[0].Resource", "behind a /", filter },
        { DOC("{'Effect':'Deny','Action':'iot:Subscribe',^'Resource':'" ANY "topicfilter/+a/b'}"),
          "name-never", "Statement[0].Resource", "+ is a level of its own", filter },
    };
    const char *const silent[] = {
        DOC(ALLOW("iot:Connect",
                  ANY "client/" HUNDRED "???????????????????????????${iot:ClientId}")),
        DOC(ALLOW("iot:Connect", ANY "client/*$")),
        DOC(ALLOW("iot:Publish", ANY "topic/" HUNDRED HUNDRED HUNDRED "/1/2/3/4/5/6/7/8/9")),
        DOC(ALLOW("iot:Publish", ANY "topic/$aws/rules/r")),
        DOC(ALLOW("iot:Publish", ANY "topic//")),
        DOC(DENY("iot:Subscribe", ANY "topicfilter/#")),
        DOC(DENY("iot:Subscribe", ANY "topicfilter/+/a/*+*/?+?/${iot:ClientId}#*")),
        DOC(DENY("iot:Subscribe", ANY "topicfilter/$share/g/a/#")),
    };

    (void)state;
    check_rows(rows, PROV_COUNT(rows));
    check_silent(silent, PROV_COUNT(silent));
}

static void wildcards_of_mqtt_in_topics_are_told(void **state)
{
    const struct row rows[] = {
        { DOC("{'Effect':'Allow','Action':['iot:Publish','iot:Receive'],'Resource':['" ANY
              "topic/a',^'" ANY "topic/+/${iot:Thing.Attributes[a#b]}/#']}"),
          "topic-wildcard", "Statement[0].Resource[1]", "no wildcards in a policy",
          "\"" ANY "topic/*/${iot:Thing.Attributes[a#b]}/*\"" },
        { DOC(IF("Allow", "iot:Connect", ANY "client/a",
                 "{'ArnLike':{^'iot:LastWillTopic':'" ANY "topic/a/+'}}")),
          "topic-wildcard", "Statement[0].Condition.ArnLike.iot:LastWillTopic", "",
          "\"" ANY "topic/a/*\"" },
        { DOC(IF("Deny", "iot:Connect", ANY "client/a",
                 "{'StringLike':{'iot:LastWillTopic':['*',^'*#']}}")),
          "topic-wildcard", "Statement[0].Condition.StringLike.iot:LastWillTopic[1]", "",
          "\"**\"" },
    };
    const char *const silent[] = {
        DOC(ALLOW("iot:Connect", ANY "client/a+#")),
        DOC(ALLOW("iot:Publish", ANY "topic/${iot:Thing.Attributes[a#b]}")),
        DOC("{'Effect':'Allow','Action':['iot:Subscribe','iot:Receive'],'Resource':['" ANY
            "topicfilter/a/+/#','" ANY "topic/a/*']}"),
        DOC(IF("Allow", "iot:Connect", ANY "client/a",
               "{'StringLike':{'iot:ClientId':'a+#'},'ArnLike':{'iot:LastWillTopic':'*'}}")),
    };

    (void)state;
    check_rows(rows, PROV_COUNT(rows));
    check_silent(silent, PROV_COUNT(silent));
}

static void variables_of_other_languages_are_told(void **state)
{
    static const char form[] =
        "variables are written ${iot:ClientId}, ${iot:Connection.Thing.ThingName}, …";
    const struct row rows[] = {
        { DOC("{'Effect':'Allow','Action':'iot:Publish',^'Resource':'" ANY "topic/%c/a/%u/*'}"),
          "foreign-pattern", "Statement[0].Resource", "\"%c\" is no policy variable",
          "\"" ANY "topic/${iot:ClientId}/a/${iot:Connection.Thing.ThingName}/*\"" },
        { DOC("{'Effect':'Allow','Action':'iot:Publish',^'Resource':'" ANY
              "topic/a-{{ thing_name }}/$(iot:ClientId)'}"),
          "foreign-pattern", "Statement[0].Resource", "\"{{ thing_name }}\"",
          "\"" ANY "topic/a-${iot:Connection.Thing.ThingName}/${iot:ClientId}\"" },
        { DOC("{'Effect':'Allow','Action':'iot:Connect',^'Resource':'" ANY "client/$(iot:ClientId)"
              "'}"),
          "foreign-pattern", "Statement[0].Resource", "\"$(iot:ClientId)\"",
          "\"" ANY "client/${iot:ClientId}\"" },
        { DOC("{'Effect':'Allow','Action':'iot:Publish',^'Resource':'" ANY
              "topic/{iot:Thing.Attributes[a_b]}/${iot:ClientId}'}"),
          "foreign-pattern", "Statement[0].Resource", "\"{iot:Thing.Attributes[a_b]}\"",
          "\"" ANY "topic/${iot:Thing.Attributes[a_b]}/${iot:ClientId}\"" },
        { DOC("{'Effect':'Allow','Action':'iot:Publish',^'Resource':'" ANY
              "topic/<CommonName>/a'}"),
          "foreign-pattern", "Statement[0].Resource", "",
          "\"" ANY "topic/${iot:Certificate.Subject.CommonName}/a\"" },
        { DOC("{'Effect':'Allow','Action':'iot:Publish',^'Resource':'" ANY "topic/%c/{{colour}}'}"),
          "foreign-pattern", "Statement[0].Resource", "", form },
        { DOC(IF("Allow", "iot:Publish", ANY "topic/a",
                 "{'StringEquals':{'iot:ClientId':['a',^'{{iot:CertificateId}}']}}")),
          "foreign-pattern", "Statement[0].Condition.StringEquals.iot:ClientId[1]", "",
          "\"${iot:CertificateId}\"" },
    };
    const char *const silent[] = {
        DOC(ALLOW("iot:Publish", ANY "topic/a%c/%cb/%/%d/100%")),
        DOC(ALLOW("iot:Publish", ANY "topic/{a}/$(*)/$(x)/{{a/<>/<a/b>/a<b>/<a>b")),
        DOC(ALLOW("iot:Publish", ANY "topic/${iot:Thing.ThingName}/${*}")),
    };

    (void)state;
    check_rows(rows, PROV_COUNT(rows));
    check_silent(silent, PROV_COUNT(silent));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(impossible_arns_are_told_with_the_part_that_is_wrong),
        cmocka_unit_test(arns_of_another_registry_are_told_when_ours_is_known),
        cmocka_unit_test(names_that_never_come_are_told),
        cmocka_unit_test(wildcards_of_mqtt_in_topics_are_told),
        cmocka_unit_test(variables_of_other_languages_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
