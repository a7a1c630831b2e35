/* When a statement's conditions hold: every operator both ways, every key, missing values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/policy_rig.h"

/* Does an allow under this condition match? The same statement as a deny must match as often. */
static bool holds_for(const char *condition, const struct policy_device *d,
                      const struct prov_policy_request *req)
{
    char policy[2048];
    enum prov_verdict allow, deny;

    snprintf(policy, sizeof policy,
             DOC("{'Effect':'Allow','Action':'iot:*','Resource':'*','Condition':{%s}}"), condition);
    allow = policy_ask(policy, d, req);
    snprintf(policy, sizeof policy,
             DOC("{'Effect':'Deny','Action':'iot:*','Resource':'*','Condition':{%s}}"), condition);
    deny = policy_ask(policy, d, req);
    assert_int_equal(allow == PROV_ALLOWED, deny == PROV_EXPLICIT_DENY);
    return allow == PROV_ALLOWED;
}

struct row {
    const char *condition;
    bool holds;
};

static void check_as(const struct row *rows, size_t n, const struct policy_device *d,
                     enum prov_action action)
{
    const struct prov_policy_request req = { .action = action, .name = PROV_LIT("x") };

    for (size_t i = 0; i < n; i++) {
        if (holds_for(rows[i].condition, d, &req) != rows[i].holds)
            fail_msg("%s: %s", rows[i].holds ? "does not hold" : "holds", rows[i].condition);
    }
}

static void check(const struct row *rows, size_t n)
{
    struct policy_device d;

    policy_device_init(&d);
    check_as(rows, n, &d, PROV_ACT_PUBLISH);
}

#define CHECK(rows) check(rows, PROV_COUNT(rows))

/* ---- operators ------------------------------------------------------------------------------- */

static void string_operators(void **state)
{
    static const struct row rows[] = {
        { "'StringEquals':{'iot:ClientId':'dev1'}", true },
        { "'StringEquals':{'iot:ClientId':'Dev1'}", false },
        { "'StringEquals':{'iot:ClientId':'dev'}", false },
        { "'StringEquals':{'iot:ClientId':'dev12'}", false },
        { "'StringEquals':{'iot:ClientId':'dev*'}", false },
        { "'StringEquals':{'iot:ClientId':['a','dev1']}", true },
        { "'StringEquals':{'iot:ClientId':['a','b']}", false },
        { "'StringEquals':{'iot:ClientId':[]}", false },
        { "'StringNotEquals':{'iot:ClientId':'dev2'}", true },
        { "'StringNotEquals':{'iot:ClientId':'dev1'}", false },
        { "'StringNotEquals':{'iot:ClientId':['a','dev1']}", false },
        { "'StringNotEquals':{'iot:ClientId':['a','b']}", true },
        { "'StringNotEquals':{'iot:ClientId':[]}", true },
        { "'StringEqualsIgnoreCase':{'iot:ClientId':'DEV1'}", true },
        { "'StringEqualsIgnoreCase':{'iot:ClientId':'DEV2'}", false },
        { "'StringEqualsIgnoreCase':{'iot:ClientId':'DEV*'}", false },
        { "'StringEqualsIgnoreCase':{'iot:Certificate.Subject.Organization':'example CORP'}",
          true },
        { "'StringEqualsIgnoreCase':{'iot:ClientId':'${IOT:CLIENTID}'}", true },
        { "'StringNotEqualsIgnoreCase':{'iot:ClientId':'DEV2'}", true },
        { "'StringNotEqualsIgnoreCase':{'iot:ClientId':'DEV1'}", false },
        { "'StringLike':{'iot:ClientId':'d*'}", true },
        { "'StringLike':{'iot:ClientId':'d?v?'}", true },
        { "'StringLike':{'iot:ClientId':'*'}", true },
        { "'StringLike':{'iot:ClientId':'e*'}", false },
        { "'StringLike':{'iot:ClientId':'D*'}", false },
        { "'StringLike':{'iot:ClientId':'dev${*}'}", false },
        { "'StringNotLike':{'iot:ClientId':'e*'}", true },
        { "'StringNotLike':{'iot:ClientId':'d*'}", false },
        { "'StringEquals':{'iot:ClientId':'${iot:ClientId}'}", true },
        { "'StringEquals':{'iot:ClientId':'${iot:Thing.ThingName}'}", false },
        { "'StringLike':{'aws:SourceIp':'203.0.113.*'}", true },
    };

    (void)state;
    CHECK(rows);
}

static void numeric_operators(void **state)
{
#define LEVEL(op, value)                                                                           \
    "'Numeric" op "':{'iot:Thing.Attributes[level]':" value "}" /* is 42.50                        \
                                                                 */
    static const struct row rows[] = {
        { LEVEL("Equals", "42.5"), true },
        { LEVEL("Equals", "'42.5'"), true },
        { LEVEL("Equals", "'+0042.500'"), true },
        { LEVEL("Equals", "['1','42.5']"), true },
        { LEVEL("Equals", "42"), false },
        { LEVEL("Equals", "'-42.5'"), false },
        { LEVEL("NotEquals", "42"), true },
        { LEVEL("NotEquals", "42.5"), false },
        { LEVEL("NotEquals", "[1,42.5]"), false },
        { LEVEL("LessThan", "43"), true },
        { LEVEL("LessThan", "42.5"), false },
        { LEVEL("LessThanEquals", "42.5"), true },
        { LEVEL("LessThanEquals", "42"), false },
        { LEVEL("GreaterThan", "42"), true },
        { LEVEL("GreaterThan", "'-1000'"), true },
        { LEVEL("GreaterThan", "42.5"), false },
        { LEVEL("GreaterThanEquals", "42.5"), true },
        { LEVEL("GreaterThanEquals", "42.6"), false },
        /* what is not a number is no number */
        { "'NumericEquals':{'iot:ClientId':0}", false },
        { "'NumericLessThan':{'iot:ClientId':100}", false },
        { "'NumericGreaterThan':{'iot:ClientId':'-100'}", false },
        { "'NumericNotEquals':{'iot:ClientId':0}", true },
    };

    (void)state;
    CHECK(rows);
}

static void only_exact_decimal_numbers_count(void **state)
{
    static const struct {
        const char *value;
        bool is_17;
    } rows[] = {
        { "17", true },
        { "17.0", true },
        { "+17", true },
        { "00000000000000000000017", true },
        { "17.", false },
        { ".17", false },
        { "17e0", false },
        { "0x11", false },
        { " 17", false },
        { "17 ", false },
        { "17,0", false },
        { "inf", false },
        { "nan", false },
        { "", false },
        { "-", false },
        { "-17", false },
        { "17.0000000000000", true }, /* 15 digits, and one more */
        { "17.00000000000000", false },
        { "1700000000000000", false },
    };
    struct policy_device d;

    (void)state;
    policy_device_init(&d);
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        const struct row row = { "'NumericEquals':{'iot:ClientId':17}", rows[i].is_17 };

        d.facts.client_id = prov_span_str(rows[i].value);
        check_as(&row, 1, &d, PROV_ACT_PUBLISH);
    }
}

static void date_operators(void **state)
{
#define SINCE(op, value)                                                                           \
    "'Date" op "':{'iot:Thing.Attributes[since]':" value "}" /* 2024-02-29T12:00:00Z */
    static const struct row rows[] = {
        { SINCE("Equals", "'2024-02-29T12:00:00Z'"), true },
        { SINCE("Equals", "'2024-02-29T12:00Z'"), true },
        { SINCE("Equals", "'2024-02-29T12:00:00.000Z'"), true },
        { SINCE("Equals", "'2024-02-29T12:00:00.0009Z'"), true }, /* milliseconds count */
        { SINCE("Equals", "'2024-02-29T12:00:00.001Z'"), false },
        { SINCE("Equals", "'2024-02-29T14:30:00+02:30'"), true },
        { SINCE("Equals", "'2024-02-29T03:00:00-09:00'"), true },
        { SINCE("Equals", "'1709208000'"), true },
        { SINCE("Equals", "1709208000"), true },
        { SINCE("Equals", "'2024-02-29'"), false },
        { SINCE("NotEquals", "'2024-02-28'"), true },
        { SINCE("NotEquals", "'2024-02-29T12:00:00Z'"), false },
        { SINCE("LessThan", "'2024-03-01'"), true },
        { SINCE("LessThan", "'2024-02-29'"), false },
        { SINCE("LessThanEquals", "'2024-02-29T12:00:00Z'"), true },
        { SINCE("LessThanEquals", "'2024-02-29T11:59:59Z'"), false },
        { SINCE("GreaterThan", "'2000-01-01'"), true },
        { SINCE("GreaterThan", "'0001-01-01'"), true },
        { SINCE("GreaterThan", "'2024-02-29T12:00:00Z'"), false },
        { SINCE("GreaterThanEquals", "'2024-02-29T12:00:00Z'"), true },
        { SINCE("GreaterThanEquals", "'9999-12-31T23:59:60Z'"), false },
        { "'DateLessThan':{'iot:ClientId':'2100-01-01'}", false },
        { "'DateNotEquals':{'iot:ClientId':'2100-01-01'}", true },
    };

    (void)state;
    CHECK(rows);
}

static void dates_follow_the_calendar(void **state)
{
    static const struct {
        const char *date;
        long long epoch_s; /* as `date -d … +%s` */
    } rows[] = {
        { "1970-01-01", 0 },
        { "1970-03-01", 5097600 },
        { "1999-12-31T23:59:59Z", 946684799 },
        { "2000-02-29", 951782400 },
        { "2000-03-01", 951868800 },
        { "2023-12-31", 1703980800 },
        { "2100-03-01", 4107542400 },
    };
    struct policy_device d;
    char condition[128], epoch[32];

    (void)state;
    policy_device_init(&d);
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        const struct row row = { condition, true };

        snprintf(condition, sizeof condition, "'DateEquals':{'iot:ClientId':'%s'}", rows[i].date);
        snprintf(epoch, sizeof epoch, "%lld", rows[i].epoch_s);
        d.facts.client_id = prov_span_str(epoch);
        check_as(&row, 1, &d, PROV_ACT_PUBLISH);
    }
}

/* ISO 8601 as the W3C has it, which is what IAM takes. */
static void a_date_may_be_a_year_or_a_month(void **state)
{
    static const struct row rows[] = {
        { SINCE("GreaterThan", "'2024'"), true },       { SINCE("LessThan", "'2025'"), true },
        { SINCE("GreaterThan", "'2025'"), false },      { SINCE("GreaterThan", "'2024-02'"), true },
        { SINCE("LessThan", "'2024-03'"), true },       { SINCE("LessThan", "'2024-02'"), false },
        { SINCE("GreaterThan", "'20240'"), true }, /* seconds, as all but four digits are */
        { SINCE("GreaterThan", "2024"), true },         { SINCE("LessThan", "2025"), false },
        { SINCE("GreaterThan", "'1709207999'"), true },
    };
    static const struct row year[] = {
        { SINCE("Equals", "'2024-01-01T00:00:00Z'"), true },
        { SINCE("Equals", "'2024-01'"), true },
        { SINCE("Equals", "2024"), false },
    };
    struct policy_device d;

    (void)state;
    CHECK(rows);
    policy_device_init(&d);
    d.attrs[2].value = PROV_LIT("2024");
    check_as(year, PROV_COUNT(year), &d, PROV_ACT_PUBLISH);
}

/* Half a minute is not five tenths of a second: rather no date than a wrong one. */
static void only_seconds_have_a_fraction(void **state)
{
    static const struct {
        const char *since;
        bool is_date;
    } rows[] = {
        { "2024-02-29T12:00:00.5Z", true }, { "2024-02-29T12:00:00.50099999999999Z", true },
        { "2024-02-29T12:00.5Z", false },   { "2024-02-29T12:00:00.Z", false },
        { "2024-02-29T12.5Z", false },      { "2024-02T12:00:00.5Z", false },
        { "2024T12:00:00.5Z", false },
    };
    struct policy_device d;

    (void)state;
    policy_device_init(&d);
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        const struct row both[] = {
            { SINCE("Equals", "'2024-02-29T12:00:00.500Z'"), rows[i].is_date },
            { SINCE("GreaterThan", "'2000-01-01'"), rows[i].is_date },
        };

        d.attrs[2].value = prov_span_str(rows[i].since);
        check_as(both, PROV_COUNT(both), &d, PROV_ACT_PUBLISH);
    }
}

static void bool_operator(void **state)
{
    static const struct row rows[] = {
        { "'Bool':{'iot:Connection.Thing.IsAttached':'true'}", true },
        { "'Bool':{'iot:Connection.Thing.IsAttached':true}", true },
        { "'Bool':{'iot:Connection.Thing.IsAttached':['true']}", true },
        { "'Bool':{'iot:Connection.Thing.IsAttached':'false'}", false },
        { "'Bool':{'iot:Connection.Thing.IsAttached':false}", false },
        { "'Bool':{'iot:Thing.Attributes[ready]':'TRUE'}", true },
        { "'Bool':{'iot:ClientId':'true'}", false },
        { "'Bool':{'iot:ClientId':'false'}", false },
    };
    static const struct row unattached[] = {
        { "'Bool':{'iot:Connection.Thing.IsAttached':'true'}", false },
        { "'Bool':{'iot:Connection.Thing.IsAttached':'false'}", true },
    };
    struct policy_device d;

    (void)state;
    CHECK(rows);
    policy_device_init(&d);
    d.facts.thing_attached = false;
    check_as(unattached, PROV_COUNT(unattached), &d, PROV_ACT_PUBLISH);
}

static void address_operators(void **state)
{
    static const struct {
        const char *source, *net;
        bool inside;
    } rows[] = {
        { "203.0.113.7", "203.0.113.0/24", true },
        { "203.0.113.7", "203.0.113.7", true },
        { "203.0.113.7", "203.0.113.7/32", true },
        { "203.0.113.7", "203.0.113.6", false },
        { "203.0.113.7", "203.0.113.4/30", true },
        { "203.0.113.8", "203.0.113.4/30", false },
        { "203.0.113.7", "203.0.112.0/23", true },
        { "203.0.114.7", "203.0.112.0/23", false },
        { "203.0.113.7", "0.0.0.0/0", true },
        { "203.0.113.7", "203.0.113.255/24", true }, /* host bits do not count */
        { "203.0.113.7", "::/0", false },
        { "::ffff:203.0.113.7", "203.0.113.0/24", true },
        { "203.0.113.7", "::ffff:203.0.113.0/120", true },
        { "203.0.114.7", "::ffff:203.0.113.0/120", false },
        { "2001:db8::1", "2001:db8::/32", true },
        { "2001:db9::1", "2001:db8::/32", false },
        { "2001:db8::1", "2001:DB8:0:0::1", true },
        { "2001:db8::1", "2001:db8::1/128", true },
        { "2001:db8::1", "2001:db8::2/127", false },
        { "2001:db8::3", "2001:db8::2/127", true },
        { "2001:db8::1", "0.0.0.0/0", false },
        { "2001:db8::1", "::/0", true },
        { "fe80::1%eth0", "fe80::/10", true },
        { "not an address", "0.0.0.0/0", false },
        { "203.0.113.7.1", "0.0.0.0/0", false },
    };
    char is[128], is_not[128];
    struct policy_device d;

    (void)state;
    policy_device_init(&d);
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        const struct row both[] = { { is, rows[i].inside }, { is_not, !rows[i].inside } };

        d.facts.source_ip = prov_span_str(rows[i].source);
        snprintf(is, sizeof is, "'IpAddress':{'aws:SourceIp':['192.0.2.1','%s']}", rows[i].net);
        snprintf(is_not, sizeof is_not, "'NotIpAddress':{'aws:SourceIp':['192.0.2.1','%s']}",
                 rows[i].net);
        check_as(both, PROV_COUNT(both), &d, PROV_ACT_PUBLISH);
    }
}

static void arn_operators_compare_part_by_part(void **state)
{
#define THING(op, value)                                                                           \
    "'Arn" op "':{'iot:Thing.Attributes[arn]':'" value "'}" /* ARN thing/x:y                       \
                                                             */
    static const struct row rows[] = {
        { THING("Equals", ARN "thing/x:y"), true },
        { THING("Equals", ARN "thing/*"), true },
        { THING("Like", ARN "thing/*"), true },
        { THING("Like", "arn:*:iot:*:*:thing/?:y"), true },
        { THING("Like", "arn:aws:iot:*:thing/x:y"), false }, /* a star stays within its part */
        { THING("Like", "arn:aws:iot:*:*:*:*"), true },
        { THING("Like", "arn:aws:iot:*:*:*"), true },
        { THING("Like", "arn:aws:iot:us-*:*:*"), false },
        { THING("Like", "*"), true },
        { THING("Equals", ARN "thing/x"), false },
        { THING("NotEquals", ARN "thing/x"), true },
        { THING("NotEquals", ARN "thing/*"), false },
        { THING("NotLike", "arn:aws:s3:*:*:*"), true },
        { THING("NotLike", "*"), false },
        { "'ArnLike':{'iot:ClientId':'*'}", false }, /* not an ARN */
        { "'ArnNotLike':{'iot:ClientId':'*'}", true },
        { "'ArnEquals':{'iot:Thing.Attributes[arn]':['" ARN "a','" ARN "thing/x:y']}", true },
        { "'ArnLike':{'iot:Thing.Attributes[arn]':'arn:aws:iot:*:*:${iot:ClientId}*'}", false },
        { "'ArnLike':{'iot:Thing.Attributes[arn]':'arn:aws:${iot:ClientId}:*:*:*'}", false },
    };

    (void)state;
    CHECK(rows);
}

static void null_asks_whether_there_is_a_value(void **state)
{
    static const struct row rows[] = {
        { "'Null':{'iot:ClientId':'false'}", true },
        { "'Null':{'iot:ClientId':'true'}", false },
        { "'Null':{'iot:ClientId':[true,false]}", true },
        { "'Null':{'iot:Certificate.Subject.Title':'true'}", true },
        { "'Null':{'iot:Certificate.Subject.Title':false}", false },
        { "'Null':{'iot:Certificate.Subject.Title.List':'true'}", true },
        { "'Null':{'iot:Certificate.Subject.CommonName.List':'false'}", true },
        { "'Null':{'iot:Thing.Attributes[empty]':'true'}", true },
        { "'Null':{'iot:ConnectAttributes':'true'}", true },
    };

    (void)state;
    CHECK(rows);
}

static void all_operators_and_keys_of_a_condition_must_hold(void **state)
{
    static const struct row rows[] = {
        { "", true },
        { "'StringEquals':{}", true },
        { "'StringEquals':{'iot:ClientId':'dev1','iot:Thing.ThingName':'thing1'}", true },
        { "'StringEquals':{'iot:ClientId':'dev1','iot:Thing.ThingName':'thing2'}", false },
        { "'StringEquals':{'iot:ClientId':'dev1'},'IpAddress':{'aws:SourceIp':'203.0.113.7'}",
          true },
        { "'StringEquals':{'iot:ClientId':'dev1'},'IpAddress':{'aws:SourceIp':'203.0.113.8'}",
          false },
    };

    (void)state;
    CHECK(rows);
}

static void each_statement_has_its_own_conditions(void **state)
{
#define IF_CLIENT(id, topic)                                                                       \
    "{'Effect':'Allow','Action':'iot:Publish','Resource':'" ARN "topic/" topic                     \
    "','Condition':{'StringEquals':{'iot:ClientId':'" id "'}}}"
    static const char policy[] =
        DOC(IF_CLIENT("dev0", "0") "," IF_CLIENT("dev1", "1") "," IF_CLIENT("dev2", "2"));
    static const struct {
        struct prov_span topic;
        enum prov_verdict verdict;
    } rows[] = {
        { PROV_LIT("0"), PROV_IMPLICIT_DENY },
        { PROV_LIT("1"), PROV_ALLOWED },
        { PROV_LIT("2"), PROV_IMPLICIT_DENY },
    };
    struct policy_device d;

    (void)state;
    policy_device_init(&d);
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        const struct prov_policy_request req = { .action = PROV_ACT_PUBLISH,
                                                 .name = rows[i].topic };

        assert_int_equal(policy_ask(policy, &d, &req), rows[i].verdict);
    }
}

/* ---- missing values and lists ---------------------------------------------------------------- */

static void a_key_without_a_value(void **state)
{
#define TITLE(op, value) "'" op "':{'iot:Certificate.Subject.Title':" value "}"
    static const struct row rows[] = {
        { TITLE("StringEquals", "'x'"), false },
        { TITLE("StringNotEquals", "'x'"), true },
        { TITLE("StringLike", "'*'"), false },
        { TITLE("StringNotLike", "'*'"), true },
        { TITLE("NumericLessThan", "5"), false },
        { TITLE("NumericNotEquals", "5"), true },
        { TITLE("DateLessThan", "5"), false },
        { TITLE("DateNotEquals", "5"), true },
        { TITLE("Bool", "'false'"), false },
        { TITLE("IpAddress", "'0.0.0.0/0'"), false },
        { TITLE("NotIpAddress", "'0.0.0.0/0'"), true },
        { TITLE("ArnLike", "'*'"), false },
        { TITLE("ArnNotLike", "'*'"), true },
        { TITLE("StringEqualsIfExists", "'x'"), true },
        { TITLE("StringNotEqualsIfExists", "'x'"), true },
        { TITLE("NumericLessThanIfExists", "5"), true },
        { TITLE("DateLessThanIfExists", "5"), true },
        { TITLE("BoolIfExists", "'true'"), true },
        { TITLE("IpAddressIfExists", "'0.0.0.0/0'"), true },
        { TITLE("ArnLikeIfExists", "'*'"), true },
        { TITLE("ForAllValues:StringEquals", "'x'"), true },
        { TITLE("ForAllValues:StringNotEquals", "'x'"), true },
        { TITLE("ForAnyValue:StringEquals", "'x'"), false },
        { TITLE("ForAnyValue:StringNotEquals", "'x'"), false },
        { TITLE("ForAnyValue:StringEqualsIfExists", "'x'"), true },
        /* there is one: IfExists changes nothing */
        { "'StringEqualsIfExists':{'iot:ClientId':'dev1'}", true },
        { "'StringEqualsIfExists':{'iot:ClientId':'dev2'}", false },
        { "'StringNotEqualsIfExists':{'iot:ClientId':'dev1'}", false },
        { "'ForAllValues:StringEqualsIfExists':{'iot:ClientId':'dev2'}", false },
    };

    (void)state;
    CHECK(rows);
}

static void a_key_with_several_values(void **state)
{
#define ORG(op, value)                                                                             \
    "'" op "':{'iot:Certificate.Subject.Organization.List':" value "}" /* Example Corp, AnyCompany \
                                                                        */
    static const struct row rows[] = {
        { ORG("ForAllValues:StringEquals", "['Example Corp','AnyCompany']"), true },
        { ORG("ForAllValues:StringEquals", "['Example Corp','AnyCompany','More']"), true },
        { ORG("ForAllValues:StringEquals", "['Example Corp']"), false },
        { ORG("ForAllValues:StringEquals", "[]"), false },
        { ORG("ForAllValues:StringNotEquals", "['Other']"), true },
        { ORG("ForAllValues:StringNotEquals", "['Other','AnyCompany']"), false },
        { ORG("ForAllValues:StringLike", "['*C*']"), true },
        { ORG("ForAllValues:StringLike", "['E*']"), false },
        { ORG("ForAnyValue:StringEquals", "['AnyCompany']"), true },
        { ORG("ForAnyValue:StringEquals", "['Other','AnyCompany']"), true },
        { ORG("ForAnyValue:StringEquals", "['Other']"), false },
        { ORG("ForAnyValue:StringEquals", "[]"), false },
        { ORG("ForAnyValue:StringNotEquals", "['AnyCompany']"), true },
        { ORG("ForAnyValue:StringNotEquals", "['Example Corp','AnyCompany']"), false },
        { ORG("StringEquals", "'AnyCompany'"), true },
        { ORG("StringEquals", "'Other'"), false },
        { ORG("StringNotEquals", "'AnyCompany'"), false },
        { ORG("StringNotEquals", "'Other'"), true },
        /* without .List only the first is asked */
        { "'StringEquals':{'iot:Certificate.Subject.Organization':'Example Corp'}", true },
        { "'StringEquals':{'iot:Certificate.Subject.Organization':'AnyCompany'}", false },
        { "'StringEquals':{'iot:Certificate.Subject.Organization.1':'AnyCompany'}", true },
        { "'StringEquals':{'iot:Certificate.Subject.Organization.2':'AnyCompany'}", false },
        { "'ForAllValues:StringEquals':{'iot:Certificate.Subject.Organization':'Example Corp'}",
          true },
    };

    (void)state;
    CHECK(rows);
}

static void available_keys_names_what_could_be_substituted(void **state)
{
#define KEYS(op, value) "'" op "':{'iot:Certificate.AvailableKeys':" value "}"
    static const struct row rows[] = {
        { KEYS("ForAnyValue:StringEquals", "'iot:Certificate.SerialNumber'"), true },
        { KEYS("ForAnyValue:StringEquals", "'iot:Certificate.Subject.CommonName'"), true },
        { KEYS("ForAnyValue:StringEquals", "'iot:Certificate.Subject.AlternativeName.DNSName'"),
          true },
        { KEYS("ForAnyValue:StringEquals", "'iot:Certificate.Issuer.CommonName'"), true },
        { KEYS("ForAnyValue:StringEquals", "'iot:Certificate.Issuer.Organization'"), false },
        { KEYS("ForAnyValue:StringEquals", "'iot:Certificate.Subject.Surname'"), false },
        { KEYS("ForAnyValue:StringLike", "'iot:Certificate.Subject.Title'"), false }, /* has a * */
        { KEYS("ForAllValues:StringLike", "'iot:Certificate.*'"), true },
        { KEYS("ForAllValues:StringLike", "'iot:Certificate.Subject.*'"), false },
        { KEYS("Null", "'false'"), true },
    };
    static const struct row none[] = {
        { KEYS("Null", "'true'"), true },
        { "'Null':{'iot:Certificate.SerialNumber':'true'}", true },
    };
    struct policy_device d;

    (void)state;
    policy_device_init(&d);
    policy_device_add(&d, &d.ident.dn[PROV_SUBJECT][PROV_DN_TITLE], "*");
    check_as(rows, PROV_COUNT(rows), &d, PROV_ACT_PUBLISH);
    d.facts.ident = NULL;
    check_as(none, PROV_COUNT(none), &d, PROV_ACT_PUBLISH);
}

static void every_field_can_be_available_at_once(void **state)
{
    static const struct row row = { KEYS("ForAllValues:StringLike", "'iot:Certificate.*'"), true };
    struct prov_span value = PROV_LIT("v");
    struct policy_device d;

    (void)state;
    policy_device_init(&d);
    for (unsigned side = 0; side < PROV_SIDES; side++) {
        for (unsigned i = 0; i < PROV_DN_FIELDS; i++)
            d.ident.dn[side][i] = (struct prov_values){ &value, 1 };
        for (unsigned i = 0; i < PROV_ALT_KINDS; i++)
            d.ident.alt[side][i] = (struct prov_values){ &value, 1 };
    }
    check_as(&row, 1, &d, PROV_ACT_PUBLISH);
}

/* A condition compares what the certificate says, not what could be substituted for it. */
static void as_a_key_a_certificate_value_is_as_it_is(void **state)
{
    static const struct row rows[] = {
        { "'StringEquals':{'iot:Certificate.Subject.Title':'a, b*'}", true },
        { "'StringEquals':{'iot:Certificate.Subject.Title':'a\\\\, b*'}", false },
        { "'ForAllValues:StringEquals':{'iot:Certificate.Subject.Title.List':'other'}", false },
    };
    struct policy_device d;

    (void)state;
    policy_device_init(&d);
    policy_device_add(&d, &d.ident.dn[PROV_SUBJECT][PROV_DN_TITLE], "a, b*");
    check_as(rows, PROV_COUNT(rows), &d, PROV_ACT_PUBLISH);
}

/* ---- CONNECT --------------------------------------------------------------------------------- */

/* The table of reference 8.5: letters of the connects that match; p persistent, w with a Will, b
 * with both, - with neither. */
static void connect_attributes(void **state)
{
#define ATTRS(op, value) "'" op "':{'iot:ConnectAttributes':" value "}"
    static const struct {
        const char *condition, *matches;
    } rows[] = {
        { "", "-pwb" },
        { ATTRS("ForAllValues:StringEquals", "['PersistentConnect']"), "-p" },
        { ATTRS("ForAllValues:StringEquals", "['LastWill']"), "-w" },
        { ATTRS("ForAllValues:StringEquals", "['PersistentConnect','LastWill']"), "-pwb" },
        { ATTRS("ForAllValues:StringEquals", "[]"), "-" },
        { ATTRS("ForAllValues:StringNotEquals", "['PersistentConnect']"), "-w" },
        { ATTRS("ForAllValues:StringNotEquals", "['PersistentConnect','LastWill']"), "-" },
        { ATTRS("ForAnyValue:StringEquals", "['PersistentConnect']"), "pb" },
        { ATTRS("ForAnyValue:StringEquals", "'LastWill'"), "wb" },
        { ATTRS("ForAnyValue:StringEquals", "['PersistentConnect','LastWill']"), "pwb" },
        { ATTRS("ForAnyValue:StringNotEquals", "['PersistentConnect']"), "wb" },
        { ATTRS("ForAnyValue:StringLike", "'*Connect'"), "pb" },
        { ATTRS("StringEquals", "'LastWill'"), "wb" },
        { ATTRS("StringNotEquals", "'LastWill'"), "-p" },
        { ATTRS("Null", "'true'"), "-" },
        { ATTRS("Null", "'false'"), "pwb" },
        /* both must be there: two set operators, which must have different names */
        { ATTRS("ForAnyValue:StringEquals",
                "'PersistentConnect'") "," ATTRS("ForAnyValue:StringLike", "'LastWill'"),
          "b" },
    };
    static const char letters[] = "-pwb";
    struct policy_device d;

    (void)state;
    policy_device_init(&d);
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        for (unsigned k = 0; k < 4; k++) {
            const struct prov_policy_request req = { .action = PROV_ACT_CONNECT,
                                                     .name = PROV_LIT("dev1"),
                                                     .persistent = (k & 1) != 0,
                                                     .has_will = (k & 2) != 0,
                                                     .will_topic = PROV_LIT("t") };

            if (holds_for(rows[i].condition, &d, &req) !=
                (strchr(rows[i].matches, letters[k]) != NULL))
                fail_msg("not for %s only, see %c: %s", rows[i].matches, letters[k],
                         rows[i].condition);
        }
    }
}

static void the_last_will_topic_is_an_arn(void **state)
{
#define WILL(op, value) "'" op "':{'iot:LastWillTopic':" value "}"
    static const struct row rows[] = {
        { WILL("ArnEquals", "'" ARN "topic/my/will'"), true },
        { WILL("ArnEquals", "'arn:aws-cn:iot:eu-central-1:123456789012:topic/my/will'"), true },
        { WILL("ArnLike", "'arn:aws:iot:*:*:topic/my/*'"), true },
        { WILL("ArnLike", "'arn:aws:*:*:*:topic/my/will'"), true },
        { WILL("ArnLike", "'arn:*:my/will:*:*:*'"), false },
        { WILL("ArnLike", "'" ARN "topic/*/${iot:ClientId}'"), false },
        { WILL("ArnLike", "['" ARN "a','" ARN "topic/*/will']"), true },
        { WILL("ArnLike", "'*'"), true },
        { WILL("ArnEquals", "'" ARN "topic/my/will2'"), false },
        { WILL("ArnEquals", "'" ARN "topicfilter/my/will'"), false },
        { WILL("ArnEquals", "'arn:aws:iot:eu-central-2:123456789012:topic/my/will'"), false },
        { WILL("ArnNotEquals", "'" ARN "topic/my/will'"), false },
        { WILL("ArnNotEquals", "'arn:aws-cn:iot:eu-central-1:123456789012:topic/my/will'"), false },
        { WILL("ArnNotLike", "'" ARN "topic/other/*'"), true },
        { WILL("StringEquals", "'" ARN "topic/my/will'"), true },
        { WILL("StringEquals", "'my/will'"), false },
        { WILL("StringLike", "'*:topic/my/*l'"), true },
        { WILL("StringLike", "'arn:*1:123456789012:top?c/m?/w*'"), true },
        { WILL("StringEqualsIgnoreCase", "'" ARN "topic/MY/Will'"), true },
        { WILL("StringEqualsIgnoreCase", "'" ARN "topic/MY/Bill'"), false },
        { WILL("NumericLessThan", "5"), false },
        { WILL("Null", "'false'"), true },
        { WILL("ForAnyValue:ArnLike", "'" ARN "topic/my/*'"), true },
    };
    static const struct row without[] = {
        { WILL("ArnEquals", "'" ARN "topic/my/will'"), false },
        { WILL("ArnLike", "'*'"), false },
        { WILL("ArnNotEquals", "'" ARN "topic/my/will'"), true },
        { WILL("ArnEqualsIfExists", "'" ARN "topic/my/will'"), true },
        { WILL("Null", "'true'"), true },
    };
    struct prov_policy_request req = { .action = PROV_ACT_CONNECT,
                                       .name = PROV_LIT("dev1"),
                                       .has_will = true,
                                       .will_topic = PROV_LIT("my/will") };
    struct policy_device d;

    (void)state;
    policy_device_init(&d);
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        if (holds_for(rows[i].condition, &d, &req) != rows[i].holds)
            fail_msg("%s: %s", rows[i].holds ? "does not hold" : "holds", rows[i].condition);
    }
    check_as(without, PROV_COUNT(without), &d, PROV_ACT_CONNECT);
    /* only CONNECT has a Will, whatever else the request says */
    req.action = PROV_ACT_PUBLISH;
    assert_false(holds_for(WILL("ArnLike", "'*'"), &d, &req));
    assert_true(holds_for(ATTRS("Null", "'true'"), &d, &req));
}

static void every_variable_can_be_a_key(void **state)
{
    static const struct row rows[] = {
        { "'StringEquals':{'iot:ClientId':'dev1'}", true },
        { "'StringEquals':{'IOT:CLIENTID':'dev1'}", true },
        { "'StringEquals':{'aws:SourceIp':'203.0.113.7'}", true },
        { "'StringEquals':{'iot:DomainName':'iot.example.com'}", true },
        { "'StringEquals':{'iot:DomainName':'iot.example.org'}", false },
        { "'StringEquals':{'iot:CertificateId':'c0ffee'}", true },
        { "'StringEquals':{'iot:Connection.Thing.ThingName':'thing1'}", true },
        { "'StringEquals':{'iot:Connection.Thing.ThingTypeName':'lamp'}", true },
        { "'StringEquals':{'iot:Connection.Thing.Attributes[room]':'kitchen'}", true },
        { "'StringEquals':{'iot:Connection.Thing.Attributes[Room]':'kitchen'}", false },
        { "'StringEquals':{'iot:Connection.Thing.IsAttached':'true'}", true },
        { "'StringEquals':{'iot:Certificate.SerialNumber':'1f2e'}", true },
        { "'StringEquals':{'iot:Certificate.Subject.AlternativeName.DNSName.1':"
          "'alias.example.com'}",
          true },
        { "'ForAnyValue:StringEquals':{'iot:Certificate.Subject.AlternativeName.DNSName.List':"
          "'alias.example.com'}",
          true },
    };

    (void)state;
    CHECK(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(string_operators),
        cmocka_unit_test(numeric_operators),
        cmocka_unit_test(only_exact_decimal_numbers_count),
        cmocka_unit_test(date_operators),
        cmocka_unit_test(dates_follow_the_calendar),
        cmocka_unit_test(a_date_may_be_a_year_or_a_month),
        cmocka_unit_test(only_seconds_have_a_fraction),
        cmocka_unit_test(bool_operator),
        cmocka_unit_test(address_operators),
        cmocka_unit_test(arn_operators_compare_part_by_part),
        cmocka_unit_test(null_asks_whether_there_is_a_value),
        cmocka_unit_test(all_operators_and_keys_of_a_condition_must_hold),
        cmocka_unit_test(each_statement_has_its_own_conditions),
        cmocka_unit_test(a_key_without_a_value),
        cmocka_unit_test(a_key_with_several_values),
        cmocka_unit_test(available_keys_names_what_could_be_substituted),
        cmocka_unit_test(every_field_can_be_available_at_once),
        cmocka_unit_test(as_a_key_a_certificate_value_is_as_it_is),
        cmocka_unit_test(connect_attributes),
        cmocka_unit_test(the_last_will_topic_is_an_arn),
        cmocka_unit_test(every_variable_can_be_a_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
