/* Warnings of conditions that never hold, and of values that a key never has. */
#include "unit/test_policy_lint.h"

#define ONLY_IF(condition) DOC(IF("Allow", "iot:Connect", ANY "client/*", condition))
#define SAME "take the condition out, or compare with values that there are"

static void conditions_that_never_hold_are_told(void **state)
{
    static const char plain_connects[] = "\"ForAllValues:StringEquals\" with [] is met by connects "
                                         "that are neither persistent nor have a Will";
    const struct row rows[] = {
        { ONLY_IF("{'StringEquals':{^'iot:ClientId':[]}}"), "condition-never",
          "Statement[0].Condition.StringEquals.iot:ClientId", "an empty list", SAME },
        { ONLY_IF("{'ForAnyValue:StringEquals':{^'iot:ConnectAttributes':[]}}"), "condition-never",
          "Statement[0].Condition.ForAnyValue:StringEquals.iot:ConnectAttributes", "an empty list",
          plain_connects },
        { ONLY_IF("{'ForAllValues:StringLike':{^'iot:ClientId':[]}}"), "condition-never",
          "Statement[0].Condition.ForAllValues:StringLike.iot:ClientId", "an empty list", SAME },
        { ONLY_IF("{'StringLikeIfExists':{^'iot:ClientId':[]}}"), "condition-never",
          "Statement[0].Condition.StringLikeIfExists.iot:ClientId", "an empty list", SAME },
        { ONLY_IF("{'Null':{^'iot:Thing.ThingName':[]}}"), "condition-never",
          "Statement[0].Condition.Null.iot:Thing.ThingName", "an empty list", SAME },
        { ONLY_IF("{'Null':{^'iot:CertificateId':'true'}}"), "condition-never",
          "Statement[0].Condition.Null.iot:CertificateId", "always has a value", SAME },
        { ONLY_IF("{'Null':{^'aws:SourceIp':[true,true]}}"), "condition-never",
          "Statement[0].Condition.Null.aws:SourceIp", "always has a value", SAME },
        { ONLY_IF("{'Null':{^'iot:Certificate.SerialNumber':'true'}}"), "condition-never",
          "Statement[0].Condition.Null.iot:Certificate.SerialNumber", "always has a value", SAME },
        { ONLY_IF("{'Null':{^'iot:DomainName':'false'}}"), "condition-never",
          "Statement[0].Condition.Null.iot:DomainName", "on this broker",
          "take the condition out; aws:SourceIp and the certificate's variables are there" },
        { ONLY_IF("{'StringEquals':{^'iot:DomainName':'a.example'}}"), "condition-never",
          "Statement[0].Condition.StringEquals.iot:DomainName", "on this broker",
          "take the condition out; aws:SourceIp and the certificate's variables are there" },
        { ONLY_IF("{'Bool':{^'aws:SourceIp':'true'}}"), "condition-never",
          "Statement[0].Condition.Bool.aws:SourceIp", "never has what the operator",
          "\"IpAddress\": {\"aws:SourceIp\": \"203.0.113.0/24\"}" },
        { ONLY_IF("{'Bool':{^'iot:ConnectAttributes':'true'}}"), "condition-never",
          "Statement[0].Condition.Bool.iot:ConnectAttributes", "",
          "\"PersistentConnect\" or \"LastWill\"" },
        { ONLY_IF("{'NumericEquals':{^'iot:Connection.Thing.IsAttached':1}}"), "condition-never",
          "Statement[0].Condition.NumericEquals.iot:Connection.Thing.IsAttached", "",
          "\"Bool\": {\"iot:Connection.Thing.IsAttached\": \"true\"}" },
        { ONLY_IF("{'ArnEquals':{^'iot:Certificate.AvailableKeys':'*'}}"), "condition-never",
          "Statement[0].Condition.ArnEquals.iot:Certificate.AvailableKeys", "",
          "names such as \"iot:Certificate.Subject.CommonName\", in this very spelling" },
        { ONLY_IF("{'IpAddress':{^'iot:LastWillTopic':'::/0'}}"), "condition-never",
          "Statement[0].Condition.IpAddress.iot:LastWillTopic", "",
          "\"ArnEquals\": {\"iot:LastWillTopic\": \"arn:aws:iot:*:*:topic/…\"}" },
        { ONLY_IF("{'StringNotLike':{^'iot:ClientId':['a','*']}}"), "condition-never",
          "Statement[0].Condition.StringNotLike.iot:ClientId", "always like \"*\"", SAME },
        { ONLY_IF("{'StringLike':{^'iot:Thing.ThingName':'*'},'Null':{'iot:Connection.Thing."
                  "ThingName':'true'}}"),
          "condition-never", "Statement[0].Condition.StringLike.iot:Thing.ThingName",
          "StringLike holds only where the Null", "take one of the two out" },
        { ONLY_IF("{'StringEquals':{^'iot:ClientId':['ab','cb']},"
                  "'StringNotLike':{'iot:ClientId':['a*','c?']}}"),
          "condition-never", "Statement[0].Condition.StringEquals.iot:ClientId",
          "StringEquals holds only where the StringNotLike", "take one of the two out" },
    };
    const char *const silent[] = {
        ONLY_IF("{'ForAllValues:StringEquals':{'iot:ConnectAttributes':[]}}"),
        ONLY_IF("{'StringLikeIfExists':{'iot:Thing.ThingName':[]}}"),
        ONLY_IF("{'StringNotEquals':{'iot:ClientId':[]}}"),
        ONLY_IF("{'Null':{'iot:CertificateId':'false'}}"),
        ONLY_IF("{'Null':{'iot:CertificateId':['true','false']}}"),
        ONLY_IF("{'Null':{'iot:DomainName':'true'}}"),
        ONLY_IF("{'StringEqualsIfExists':{'iot:DomainName':'a.example'}}"),
        ONLY_IF("{'StringNotEquals':{'iot:DomainName':'a.example'}}"),
        ONLY_IF("{'StringNotLike':{'iot:Thing.ThingName':'*'}}"),
        ONLY_IF(
            "{'IpAddress':{'aws:SourceIp':'0.0.0.0/0'},'NotIpAddress':{'aws:SourceIp':'::/0'}}"),
        ONLY_IF("{'NumericLessThan':{'iot:Thing.Attributes[a]':5},'Bool':{'iot:Thing.Attributes[a]'"
                ":'true'}}"),
        ONLY_IF("{'ArnLike':{'iot:LastWillTopic':'*'},'StringLike':{'iot:LastWillTopic':'*'}}"),
        ONLY_IF(
            "{'StringLike':{'iot:ClientId':['a*','b']},'StringNotEquals':{'iot:ClientId':'a'}}"),
        ONLY_IF("{'StringEqualsIgnoreCase':{'iot:ClientId':'a'},'StringNotEquals':{'iot:ClientId':"
                "'a'}}"),
        ONLY_IF("{'StringEquals':{'iot:ClientId':'a'},'StringNotEquals':{'iot:Thing.ThingName':'a'}"
                "}"),
        ONLY_IF("{'StringEqualsIfExists':{'iot:Thing.ThingName':'a'},'Null':{'iot:Thing.ThingName':"
                "'true'}}"),
        ONLY_IF("{'StringEquals':{'iot:Thing.ThingName':'a'},'Null':{'iot:Thing.ThingName':"
                "['true','false']}}"),
        ONLY_IF("{'StringEquals':{'iot:Certificate.Subject.Title.List':'a'},"
                "'ForAnyValue:StringNotEquals':{'iot:Certificate.Subject.Title.List':'a'}}"),
    };

    (void)state;
    check_rows(rows, PROV_COUNT(rows));
    check_silent(silent, PROV_COUNT(silent));
}

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void values_that_a_key_never_has_are_told(void **state)
{
    const struct row rows[] = {
        { ONLY_IF("{'ForAnyValue:StringEquals':{^'iot:ConnectAttributes':'PersistentConnection'}}"),
          "condition-value",
          "Statement[0].Condition.ForAnyValue:StringEquals.iot:ConnectAttributes",
          "iot:ConnectAttributes is never \"PersistentConnection\"", "\"PersistentConnect\"" },
        { ONLY_IF(
              "{'ForAllValues:StringEquals':{'iot:ConnectAttributes':['LastWill',^'Lastwil']}}"),
          "condition-value",
          "Statement[0].Condition.ForAllValues:StringEquals.iot:ConnectAttributes[1]", "",
          "\"LastWill\"" },
        { ONLY_IF("{'StringNotEquals':{^'iot:ConnectAttributes':'x'}}"), "condition-value",
          "Statement[0].Condition.StringNotEquals.iot:ConnectAttributes", "",
          "\"PersistentConnect\" or \"LastWill\"" },
        { ONLY_IF("{'StringEquals':{^'iot:Connection.Thing.IsAttached':'True'}}"),
          "condition-value", "Statement[0].Condition.StringEquals.iot:Connection.Thing.IsAttached",
          "", "\"true\"" },
        { ONLY_IF("{'StringEquals':{^'aws:SourceIp':'10.0.0.0/8'}}"), "condition-value",
          "Statement[0].Condition.StringEquals.aws:SourceIp", "",
          "\"IpAddress\": {\"aws:SourceIp\": \"10.0.0.0/8\"}" },
        { ONLY_IF("{'StringNotEquals':{^'aws:SourceIp':'2001:db8::/32'}}"), "condition-value",
          "Statement[0].Condition.StringNotEquals.aws:SourceIp", "",
          "\"NotIpAddress\": {\"aws:SourceIp\": \"2001:db8::/32\"}" },
        { ONLY_IF("{'StringEquals':{^'iot:CertificateId':'01:23456789ABCDEF0123456789ABCDEF01234567"
                  "89ABCDEF0123456789ABCDEF'}}"),
          "condition-value", "Statement[0].Condition.StringEquals.iot:CertificateId", "",
          "\"" HEX64 "\"" },
        { ONLY_IF("{'StringEquals':{^'iot:CertificateId':'abc'}}"), "condition-value",
          "Statement[0].Condition.StringEquals.iot:CertificateId", "",
          "\"StringEquals\" with the 64 lower-case hex digits of `provctl cert list`" },
        { ONLY_IF("{'ForAnyValue:StringEquals':{^'iot:Certificate.AvailableKeys':"
                  "'CommonName'}}"),
          "condition-value",
          "Statement[0].Condition.ForAnyValue:StringEquals.iot:Certificate.AvailableKeys", "",
          "\"iot:Certificate.Subject.CommonName\"" },
        { ONLY_IF("{'ForAnyValue:StringEquals':{^'iot:Certificate.AvailableKeys':"
                  "'iot:Certificate.issuer.Title'}}"),
          "condition-value",
          "Statement[0].Condition.ForAnyValue:StringEquals.iot:Certificate.AvailableKeys", "",
          "\"iot:Certificate.Issuer.Title\"" },
        { ONLY_IF("{'StringLike':{^'iot:Connection.Thing.ThingName':'a/*'}}"), "condition-value",
          "Statement[0].Condition.StringLike.iot:Connection.Thing.ThingName", "",
          "thing names are of letters, digits, `:`, `_` and `-`" },
        { ONLY_IF("{'StringEquals':{^'iot:Certificate.SerialNumber':'0A:1B'}}"), "condition-value",
          "Statement[0].Condition.StringEquals.iot:Certificate.SerialNumber", "",
          "serial numbers are lower-case hex digits without colons or leading zeros" },
        { ONLY_IF("{'ArnEquals':{^'iot:LastWillTopic':'" ANY "topicfilter/a'}}"), "condition-value",
          "Statement[0].Condition.ArnEquals.iot:LastWillTopic", "",
          "\"ArnEquals\": {\"iot:LastWillTopic\": \"arn:aws:iot:*:*:topic/…\"}" },
        { ONLY_IF("{'StringEquals':{^'iot:ClientId':'$x'}}"), "condition-value",
          "Statement[0].Condition.StringEquals.iot:ClientId", "",
          "client ids have 1 to 128 bytes and do not begin with $" },
    };
    const char *const silent[] = {
        ONLY_IF("{'ForAllValues:StringEquals':{'iot:ConnectAttributes':['PersistentConnect',"
                "'LastWill']}}"),
        ONLY_IF("{'ForAnyValue:StringLike':{'iot:ConnectAttributes':'Persist*'}}"),
        ONLY_IF("{'StringEqualsIgnoreCase':{'iot:ConnectAttributes':'LASTWILL'}}"),
        ONLY_IF("{'StringEqualsIgnoreCase':{'iot:Connection.Thing.IsAttached':'True'}}"),
        ONLY_IF("{'StringEquals':{'aws:SourceIp':['10.0.0.1','::1']}}"),
        ONLY_IF("{'StringEquals':{'iot:CertificateId':'" HEX64 "'}}"),
        ONLY_IF("{'StringLike':{'iot:CertificateId':'0123*'}}"),
        ONLY_IF("{'StringEqualsIgnoreCase':{'iot:CertificateId':'01234567"
                "89ABCDEF0123456789"
                "ABCDEF0123456789ABCDEF0123456789ABCDEF'}}"),
        ONLY_IF("{'ForAnyValue:StringEquals':{'iot:Certificate.AvailableKeys':["
                "'iot:Certificate.SerialNumber','iot:Certificate.Issuer.GenerationQualifier',"
                "'iot:Certificate.Subject.AlternativeName.IPAddress']}}"),
        ONLY_IF("{'ArnEquals':{'iot:LastWillTopic':'" ANY "topic/a'}}"),
        ONLY_IF("{'StringEquals':{'iot:ClientId':'${iot:Thing.ThingName}','iot:Certificate.Subject."
                "CommonName':'a/b $'}}"),
    };

    (void)state;
    check_rows(rows, PROV_COUNT(rows));
    check_silent(silent, PROV_COUNT(silent));
}

static void keys_of_connect_are_told_in_other_statements(void **state)
{
    static const char cure[] =
        "a statement of its own with this condition and \"Action\": \"iot:Connect\"";
    const struct row rows[] = {
        { DOC(IF("Allow", "iot:Publish", ANY "topic/a",
                 "{'ForAnyValue:StringEquals':{^'iot:ConnectAttributes':'LastWill'}}")),
          "connect-key", "Statement[0].Condition.ForAnyValue:StringEquals.iot:ConnectAttributes",
          "never holds", cure },
        { DOC(IF("Allow", "iot:Publish", ANY "topic/a",
                 "{'ForAllValues:StringEquals':{^'iot:ConnectAttributes':[]}}")),
          "connect-key", "Statement[0].Condition.ForAllValues:StringEquals.iot:ConnectAttributes",
          "always holds", cure },
        { DOC(IF("Deny", "iot:Publish", ANY "topic/a", "{'ArnEquals':{^'iot:LastWillTopic':'*'}}")),
          "connect-key", "Statement[0].Condition.ArnEquals.iot:LastWillTopic", "never holds",
          cure },
        { DOC(IF("Deny", "iot:Publish", ANY "topic/a",
                 "{'StringEquals':{^'iot:ConnectAttributes':[]}}")),
          "connect-key", "Statement[0].Condition.StringEquals.iot:ConnectAttributes", "never holds",
          cure },
        { DOC(IF("Deny", "iot:Publish", ANY "topic/a", "{'Null':{^'iot:LastWillTopic':'false'}}")),
          "connect-key", "Statement[0].Condition.Null.iot:LastWillTopic", "never holds", cure },
    };
    const char *const silent[] = {
        DOC(IF("Allow", "iot:*", ANY "client/a",
               "{'ForAnyValue:StringEquals':{'iot:ConnectAttributes':'LastWill'}}")),
    };

    (void)state;
    check_rows(rows, PROV_COUNT(rows));
    check_silent(silent, PROV_COUNT(silent));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conditions_that_never_hold_are_told),
        cmocka_unit_test(values_that_a_key_never_has_are_told),
        cmocka_unit_test(keys_of_connect_are_told_in_other_statements),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
