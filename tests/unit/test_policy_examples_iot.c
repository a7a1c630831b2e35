/*
 * What reference section 8 says of conditions that are AWS IoT's own and of variables (8.5, 8.6),
 * row by row. The engine and the oracle are both asked.
 */
#include "test_policy_examples.h"

/* ---- 8.5 conditions of IoT ------------------------------------------------------------------- */

static void each_key_of_iot(void **state)
{
#define KEY(op, key, value) IF("'" op "':{'" key "':" value "}")
    static const struct example examples[] = {
        { KEY("ForAllValues:StringEquals", "iot:ConnectAttributes", "[]"), { CONNECT, "x", YES } },
        { KEY("ForAnyValue:StringLike", "iot:ConnectAttributes", "'*'"), { CONNECT, "x", SILENT } },
        { KEY("Null", "iot:LastWillTopic", "'true'"), { CONNECT, "x", YES } },
        { KEY("ArnLike", "iot:LastWillTopic", "'*'"), { CONNECT, "x", SILENT } },
        { KEY("StringEquals", "iot:DomainName", "'iot.example.com'"), { CONNECT, "x", YES } },
        { KEY("StringEquals", "iot:DomainName", "'iot.example.org'"), { CONNECT, "x", SILENT } },
        { KEY("IpAddress", "aws:SourceIp", "'203.0.113.7'"), { SUBSCRIBE, "x", YES } },
        { KEY("IpAddress", "aws:SourceIp", "'203.0.113.8'"), { SUBSCRIBE, "x", SILENT } },
        { KEY("StringEquals", "iot:ClientId", "'dev1'"), { RECEIVE, "x", YES } },
        { KEY("StringEquals", "iot:ClientId", "'dev2'"), { RECEIVE, "x", SILENT } },
        { KEY("Bool", "iot:Connection.Thing.IsAttached", "'true'"), { PUBLISH, "x", YES } },
        { KEY("Bool", "iot:Connection.Thing.IsAttached", "'false'"), { PUBLISH, "x", SILENT } },
    };

    (void)state;
    CHECK(examples);
}

/* The four kinds of CONNECT: - plain, p persistent, w with a Will, b with both. */
static void check_connects(const char *policy, const char *will_topic, const char *allowed)
{
    static const char kinds[] = "-pwb";
    struct policy_device d;
    struct session s;

    policy_device_init(&d);
    session_init(&s, &policy, 1, &d);
    for (unsigned k = 0; k < 4; k++) {
        const struct prov_policy_request req = { .action = CONNECT,
                                                 .name = PROV_LIT("dev1"),
                                                 .persistent = (k & 1) != 0,
                                                 .has_will = (k & 2) != 0,
                                                 .will_topic = prov_span_str(will_topic) };

        if ((session_ask(&s, &req) == YES) != (strchr(allowed, kinds[k]) != NULL))
            fail_msg("not \"%s\" only, see %c: %s", allowed, kinds[k], policy);
    }
    session_release(&s);
}

#define ATTRS(op, values) KEY(op, "iot:ConnectAttributes", values)
#define DENY_ATTRS(op, values)                                                                     \
    BOTH_ALLOWED("'Action':'iot:Connect','Resource':'*','Condition':{'" op                         \
                 "':{'iot:ConnectAttributes':" values "}}")

static void each_row_of_the_table_of_connect_attributes(void **state)
{
    static const struct {
        const char *policy, *allowed;
    } rows[] = {
        { DOC(ALLOW("iot:Connect", "*")), "-pwb" },
        { ATTRS("ForAllValues:StringEquals", "['PersistentConnect']"), "-p" },
        { ATTRS("ForAllValues:StringEquals", "['PersistentConnect','LastWill']"), "-pwb" },
        { ATTRS("ForAllValues:StringEquals", "[]"), "-" },
        { ATTRS("ForAllValues:StringNotEquals", "['PersistentConnect']"), "-w" },
        { ATTRS("ForAnyValue:StringEquals", "['PersistentConnect']"), "pb" },
        { DENY_ATTRS("ForAnyValue:StringEquals", "['PersistentConnect']"), "-w" },
        { DENY_ATTRS("ForAnyValue:StringEquals", "['LastWill']"), "-p" },
        { DENY_ATTRS("ForAllValues:StringEquals", "['PersistentConnect']"), "wb" },
        /* "must have both": neither of them alone, nor none */
        { DOC(ALLOW("*", "*") ",{'Effect':'Deny','Action':'iot:Connect','Resource':'*','Condition':"
                              "{'ForAllValues:StringEquals':{'iot:ConnectAttributes':'LastWill'}}},"
                              "{'Effect':'Deny','Action':'iot:Connect','Resource':'*','Condition':"
                              "{'ForAllValues:StringEquals':{'iot:ConnectAttributes':"
                              "'PersistentConnect'}}}"),
          "b" },
    };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++)
        check_connects(rows[i].policy, "t", rows[i].allowed);
}

static void a_last_will_topic_is_compared_as_an_arn(void **state)
{
    static const struct {
        const char *policy, *topic, *allowed;
    } rows[] = {
        { KEY("ArnEquals", "iot:LastWillTopic", "'" TOPIC("will") "'"), "will", "wb" },
        { KEY("ArnEquals", "iot:LastWillTopic", "'" TOPIC("will") "'"), "will/x", "" },
        { KEY("ArnLike", "iot:LastWillTopic", "'" TOPIC("will/*") "'"), "will/x", "wb" },
        { KEY("ArnEquals", "iot:LastWillTopic", "'" TOPIC("will/${iot:ClientId}") "'"), "will/dev1",
          "wb" },
        { KEY("ArnEquals", "iot:LastWillTopic", "'" TOPIC("will/${iot:ClientId}") "'"), "will/dev2",
          "" },
        { KEY("ArnNotEquals", "iot:LastWillTopic", "'" TOPIC("will") "'"), "will", "-p" },
    };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++)
        check_connects(rows[i].policy, rows[i].topic, rows[i].allowed);
}

/* ---- 8.6 variables --------------------------------------------------------------------------- */

/* Topic a/VALUE/z is allowed by a/${NAME}/z, or nothing is when value is NULL. */
static void check_variable(const struct policy_device *d, const char *name, const char *value)
{
    char policy[512], topic[1200];
    const struct example examples[] = {
        { policy, { PUBLISH, topic, value != NULL ? YES : SILENT } },
        { policy, { PUBLISH, "a/none of them/z", SILENT } },
        { policy, { PUBLISH, "a//z", SILENT } },
    };

    (void)snprintf(policy, sizeof policy, DOC(ALLOW("iot:Publish", TOPIC("a/${%s}/z"))), name);
    (void)snprintf(topic, sizeof topic, "a/%s/z", value != NULL ? value : name);
    check_as(d, examples, PROV_COUNT(examples));
}

static void each_row_of_the_table_of_variables(void **state)
{
    static const char *const rows[][2] = {
        { "iot:ClientId", "dev1" },
        { "aws:SourceIp", "203.0.113.7" },
        { "iot:DomainName", "iot.example.com" },
        { "iot:CertificateId", "c0ffee" },
        { "iot:Connection.Thing.ThingName", "thing1" },
        { "iot:Connection.Thing.ThingTypeName", "lamp" },
        { "iot:Connection.Thing.Attributes[room]", "kitchen" },
        { "iot:Connection.Thing.Attributes[none]", NULL },
        { "iot:Connection.Thing.Attributes[empty]", NULL },
        { "iot:Connection.Thing.IsAttached", "true" },
        { "iot:Thing.ThingName", "thing1" },
        { "iot:Thing.Attributes[room]", "kitchen" },
        { "iot:Certificate.SerialNumber", "1f2e" },
        { "iot:Certificate.Subject.SerialNumber", "sn-7" },
    };
    struct policy_device d;

    (void)state;
    policy_device_init(&d);
    for (size_t i = 0; i < PROV_COUNT(rows); i++)
        check_variable(&d, rows[i][0], rows[i][1]);
}

static void every_field_of_both_names_and_every_alternative_name(void **state)
{
    static const char *const sides[] = { "Subject", "Issuer" };
    struct policy_device d;
    char name[128];

    (void)state;
    for (unsigned side = 0; side < PROV_SIDES; side++) {
        for (unsigned i = 0; i < PROV_DN_FIELDS + PROV_ALT_KINDS; i++) {
            const bool alt = i >= PROV_DN_FIELDS;
            const unsigned k = alt ? i - PROV_DN_FIELDS : i;
            struct prov_values *const values = alt ? &d.ident.alt[side][k] : &d.ident.dn[side][k];

            policy_device_init(&d);
            (void)snprintf(name, sizeof name, "iot:Certificate.%s.%s%s", sides[side],
                           alt ? "AlternativeName." : "",
                           alt ? prov_alt_kind_name((enum prov_alt_kind)k)
                               : prov_dn_field_name((enum prov_dn_field)k));
            *values = (struct prov_values){ NULL, 0 };
            check_variable(&d, name, NULL);
            policy_device_add(&d, values, "its-value");
            check_variable(&d, name, "its-value");
        }
    }
}

static void each_form_of_a_certificate_attribute_with_several_values(void **state)
{
#define CN "iot:Certificate.Subject.CommonName"
    static const char *const rows[][2] = {
        { CN, "first" },
        { CN ".1", "second" },
        { CN ".2", "third" },
        { CN ".3", NULL },
    };
    static const struct example lists[] = {
        { KEY("ForAnyValue:StringEquals", CN ".List", "'third'"), { PUBLISH, "x", YES } },
        { KEY("ForAnyValue:StringEquals", CN ".List", "'fourth'"), { PUBLISH, "x", SILENT } },
        { KEY("ForAllValues:StringEquals", CN ".List", "['first','second','third']"),
          { PUBLISH, "x", YES } },
        { KEY("ForAllValues:StringEquals", CN ".List", "['first','second']"),
          { PUBLISH, "x", SILENT } },
    };
    struct policy_device d;

    (void)state;
    policy_device_init(&d);
    for (size_t i = 0; i < PROV_COUNT(rows); i++)
        check_variable(&d, rows[i][0], rows[i][1]);
    CHECK(lists);
}

static void each_limit_of_substitution(void **state)
{
#define TITLE "iot:Certificate.Subject.Title"
    static const char *const rows[][2] = {
        { "a*b", NULL },      { "a$b", NULL },    { "a+b", NULL },      { "a?b", NULL },
        { "a#b", NULL },      { "a,b", "a\\,b" }, { "a\"b", "a\\\"b" }, { "a\\b", "a\\\\b" },
        { "a=b", "a\\=b" },   { "a<b", "a\\<b" }, { "a>b", "a\\>b" },   { "a;b", "a\\;b" },
        { "a/b:c", "a/b:c" },
    };
    static const char *const six[] = { "1", "2", "3", "4", "5", "6" };
    static const struct example sixth = { KEY("ForAnyValue:StringEquals", TITLE ".List", "'6'"),
                                          { PUBLISH, "x", SILENT } };
    char text[1026] = { 0 };
    struct policy_device d;

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        policy_device_init(&d);
        policy_device_add(&d, &d.ident.dn[PROV_SUBJECT][PROV_DN_TITLE], rows[i][0]);
        check_variable(&d, TITLE, rows[i][1]);
    }
    for (size_t n = 1024; n <= 1025; n++) {
        memset(text, 'l', n);
        policy_device_init(&d);
        policy_device_add(&d, &d.ident.dn[PROV_SUBJECT][PROV_DN_TITLE], text);
        check_variable(&d, TITLE, n == 1024 ? text : NULL);
    }
    policy_device_init(&d);
    for (size_t i = 0; i < PROV_COUNT(six); i++)
        policy_device_add(&d, &d.ident.dn[PROV_SUBJECT][PROV_DN_TITLE], six[i]);
    check_variable(&d, TITLE ".4", "5");
    check_variable(&d, TITLE ".5", NULL);
    check_as(&d, &sixth, 1);
}

/* "May lead to unexpected behaviour": what it leads to, and how it is guarded against. */
static void a_deny_is_disabled_by_a_missing_variable_unless_guarded(void **state)
{
    static const char bare[] =
        DOC(ALLOW("iot:Publish", "*") "," DENY("iot:Publish", TOPIC("${" TITLE "}/*")));
    static const char guarded[] = DOC(ALLOW("iot:Publish", "*") "," DENY(
        "iot:Publish",
        TOPIC("${" TITLE
              "}/*")) ","
                      "{'Effect':'Deny','Action':'iot:Publish','Resource':'*','Condition':"
                      "{'ForAllValues:StringNotEquals':{'iot:Certificate.AvailableKeys':'" TITLE
                      "'}}}");
    static const char if_exists[] =
        BOTH_ALLOWED("'Action':'iot:Publish','Resource':'*','Condition':"
                     "{'StringNotEqualsIfExists':{'" TITLE "':'trusted'}}");
    static const struct example without[] = {
        { bare, { PUBLISH, "x/y", YES } },
        { guarded, { PUBLISH, "x/y", NO } },
        { if_exists, { PUBLISH, "x/y", NO } },
    };
    static const struct example with[] = {
        { bare, { PUBLISH, "trusted/y", NO } },    { bare, { PUBLISH, "x/y", YES } },
        { guarded, { PUBLISH, "trusted/y", NO } }, { guarded, { PUBLISH, "x/y", YES } },
        { if_exists, { PUBLISH, "x/y", YES } },
    };
    struct policy_device d;

    (void)state;
    CHECK(without);
    policy_device_init(&d);
    policy_device_add(&d, &d.ident.dn[PROV_SUBJECT][PROV_DN_TITLE], "trusted");
    check_as(&d, with, PROV_COUNT(with));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_key_of_iot),
        cmocka_unit_test(each_row_of_the_table_of_connect_attributes),
        cmocka_unit_test(a_last_will_topic_is_compared_as_an_arn),
        cmocka_unit_test(each_row_of_the_table_of_variables),
        cmocka_unit_test(every_field_of_both_names_and_every_alternative_name),
        cmocka_unit_test(each_form_of_a_certificate_attribute_with_several_values),
        cmocka_unit_test(each_limit_of_substitution),
        cmocka_unit_test(a_deny_is_disabled_by_a_missing_variable_unless_guarded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
