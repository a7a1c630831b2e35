/* The control API on claims: limits, suspension, the values of parameters; and what templates say
 * of the certificates that claims obtain. */
#include "core/claim.h"
#include "support/api_case.h"

#define INVALID "InvalidRequestException"
#define NOT_FOUND "ResourceNotFoundException"

/* ---- limits ---------------------------------------------------------------------------------- */

static void claim_without_limits_says_so(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);

    ask_ok(r, "describeClaimLimits", "{'certificateId':'%s'}", ask_hex(&id));
    ask_keys("", "certificateArn certificateId templateNames uses networks parameterLists");
    ask_text("certificateId", ask_hex(&id));
    ask_count("templateNames", 0);
    ask_number("uses", 0);
    ask_ok(r, "listClaimLimits", "{}");
    ask_count("claims", 0);
    ask_refused(r, "describeClaimLimits", PROV_ENOTFOUND, NOT_FOUND,
                "{'certificateId':'0123456789'}");
}

static void limits_are_told_as_they_were_given(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);

    reg_fleet_template(r, "fleet");
    reg_fleet_template(r, "other");
    ask_ok(r, "updateClaimLimits",
           "{'certificateId':'%s','templateNames':['fleet','other'],'maxUses':500,"
           "'rate':{'count':10,'seconds':60},'notBefore':1700000000,'notAfter':1800000000,"
           "'networks':['192.0.2.0/24','2001:db8::7'],'suspendAfter':5}",
           ask_hex(&id));
    ask_keys("", "certificateArn certificateId templateNames maxUses uses rate notBefore notAfter "
                 "networks parameterLists suspendAfter lastModifiedDate");
    assert_string_equal(ask_each("templateNames", NULL), "fleet other");
    assert_string_equal(ask_each("networks", NULL), "192.0.2.0/24 2001:db8::7");
    ask_number("maxUses", 500);
    ask_number("rate.count", 10);
    ask_number("rate.seconds", 60);
    ask_number("notBefore", 1700000000);
    ask_number("notAfter", 1800000000);
    ask_number("suspendAfter", 5);
    ask_ok(r, "describeClaimLimits", "{'certificateId':'%s'}", ask_hex(&id));
    ask_number("maxUses", 500);
}

static void change_leaves_what_it_does_not_name(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);

    reg_fleet_template(r, "fleet");
    ask_ok(r, "updateClaimLimits", "{'certificateId':'%s','templateNames':['fleet'],'maxUses':500}",
           ask_hex(&id));
    ask_ok(r, "updateClaimLimits", "{'certificateId':'%s','uses':7}", ask_hex(&id));
    ask_number("uses", 7);
    ask_number("maxUses", 500);
    assert_string_equal(ask_each("templateNames", NULL), "fleet");
    ask_ok(r, "updateClaimLimits", "{'certificateId':'%s','maxUses':0,'templateNames':[]}",
           ask_hex(&id));
    ask_missing("maxUses");
    ask_count("templateNames", 0);
    ask_number("uses", 7);
}

static void limits_that_make_no_sense_are_refused(void **state)
{
    static const struct {
        const char *fields;
        enum prov_rc rc;
        const char *code, *path;
    } cases[] = {
        { "'templateNames':['none']", PROV_ENOTFOUND, NOT_FOUND, "" },
        { "'templateNames':'fleet'", PROV_EINVAL, INVALID, "templateNames" },
        { "'templateNames':[1]", PROV_EINVAL, INVALID, "templateNames[0]" },
        { "'templateNames':['a','a','a','a','a','a','a','a','a','a','a','a','a','a','a','a','a']",
          PROV_EINVAL, INVALID, "templateNames" },
        { "'networks':['192.0.2.0/33']", PROV_EINVAL, INVALID, "" },
        { "'networks':['here']", PROV_EINVAL, INVALID, "" },
        { "'rate':{'count':1}", PROV_EINVAL, INVALID, "rate.seconds" },
        { "'rate':{'count':1,'seconds':0}", PROV_EINVAL, INVALID, "" },
        { "'rate':10", PROV_EINVAL, INVALID, "rate" },
        { "'notBefore':2000,'notAfter':1000", PROV_EINVAL, INVALID, "" },
        { "'notAfter':-1", PROV_EINVAL, INVALID, "notAfter" },
        { "'maxUses':1.5", PROV_EINVAL, INVALID, "maxUses" },
        { "'maxUse':1", PROV_EINVAL, INVALID, "maxUse" },
    };
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);

    for (size_t i = 0; i < PROV_COUNT(cases); i++) {
        ask_refused(r, "updateClaimLimits", cases[i].rc, cases[i].code, "{'certificateId':'%s',%s}",
                    ask_hex(&id), cases[i].fields);
        if (cases[i].path[0] != '\0')
            ask_place(cases[i].path, 0);
    }
    ask_ok(r, "listClaimLimits", "{}");
    ask_count("claims", 0);
}

static void limits_are_taken_away_as_a_whole(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);

    ask_ok(r, "updateClaimLimits", "{'certificateId':'%s','maxUses':1}", ask_hex(&id));
    ask_ok(r, "addClaimParameterValues",
           "{'certificateId':'%s','parameterName':'S','values':['a']}", ask_hex(&id));
    ask_ok(r, "deleteClaimLimits", "{'certificateId':'%s'}", ask_hex(&id));
    ask_keys("", "certificateArn certificateId");
    ask_ok(r, "listClaimLimits", "{}");
    ask_count("claims", 0);
    ask_ok(r, "listClaimParameterValues", "{'certificateId':'%s'}", ask_hex(&id));
    ask_count("parameterValues", 0);
    ask_ok(r, "deleteClaimLimits", "{'certificateId':'%s'}", ask_hex(&id));
    assert_string_equal(reg_problems(r), "");
}

static void claims_with_limits_are_listed_in_pages(void **state)
{
    struct reg *r = *state;
    char next[PROV_ID_HEX + 1];

    for (int i = 0; i < 3; i++) {
        const struct prov_id id = reg_cert(r);

        ask_ok(r, "updateClaimLimits", "{'certificateId':'%s','maxUses':%d}", ask_hex(&id), i + 1);
    }
    (void)reg_cert(r);
    ask_ok(r, "listClaimLimits", "{'maxResults':2}");
    ask_count("claims", 2);
    (void)snprintf(next, sizeof next, "%s", cJSON_GetStringValue(ask_at("nextToken")));
    ask_text("claims[1].certificateId", next);
    ask_ok(r, "listClaimLimits", "{'maxResults':2,'nextToken':'%s'}", next);
    ask_count("claims", 1);
    ask_missing("nextToken");
    ask_refused(r, "listClaimLimits", PROV_EINVAL, INVALID, "{'nextToken':'x'}");
}

/* ---- suspension ------------------------------------------------------------------------------ */

static void suspended_claim_says_since_when_and_why(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);

    ask_ok(r, "suspendClaim", "{'certificateId':'%s','reason':'leaked'}", ask_hex(&id));
    ask_number("suspended.since", REG_T0);
    ask_text("suspended.reason", "leaked");
    reg_at(r, 10);
    ask_ok(r, "suspendClaim", "{'certificateId':'%s','reason':'again'}", ask_hex(&id));
    ask_number("suspended.since", REG_T0);
    ask_text("suspended.reason", "leaked");
    ask_ok(r, "listClaimLimits", "{}");
    ask_text("claims[0].suspended.reason", "leaked");
    ask_ok(r, "resumeClaim", "{'certificateId':'%s'}", ask_hex(&id));
    ask_missing("suspended");
    ask_ok(r, "suspendClaim", "{'certificateId':'%s'}", ask_hex(&id));
    ask_missing("suspended.reason");
    ask_refused(r, "suspendClaim", PROV_ENOTFOUND, NOT_FOUND, "{'certificateId':'0123456789'}");
    ask_refused(r, "suspendClaim", PROV_EINVAL, INVALID, "{'certificateId':'%s','reason':1}",
                ask_hex(&id));
}

/* ---- values ---------------------------------------------------------------------------------- */

static void values_make_a_list_that_can_be_read_and_ended(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);
    const char *const hex = ask_hex(&id);

    ask_ok(r, "addClaimParameterValues",
           "{'certificateId':'%s','parameterName':'Serial','values':['a','b','a']}", hex);
    ask_keys("", "certificateArn certificateId parameterName");
    ask_text("parameterName", "Serial");
    ask_ok(r, "addClaimParameterValues",
           "{'certificateId':'%s','parameterName':'Seria','values':['c']}", hex);
    ask_ok(r, "listClaimParameterValues", "{'certificateId':'%s'}", hex);
    ask_count("parameterValues", 3);
    ask_ok(r, "listClaimParameterValues", "{'certificateId':'%s','parameterName':'Seria'}", hex);
    assert_string_equal(ask_each("parameterValues", "value"), "c");
    assert_string_equal(ask_each("parameterValues", "parameterName"), "Seria");
    ask_ok(r, "listClaimParameterValues", "{'certificateId':'%s','parameterName':'Seri'}", hex);
    ask_count("parameterValues", 0);
    ask_ok(r, "describeClaimLimits", "{'certificateId':'%s'}", hex);
    ask_count("parameterLists", 2);
    ask_ok(r, "removeClaimParameterValues",
           "{'certificateId':'%s','parameterName':'Serial','values':['a','b']}", hex);
    ask_ok(r, "listClaimParameterValues", "{'certificateId':'%s','parameterName':'Serial'}", hex);
    ask_count("parameterValues", 0);
    ask_ok(r, "describeClaimLimits", "{'certificateId':'%s'}", hex);
    ask_count("parameterLists", 2);
    ask_ok(r, "removeClaimParameterList", "{'certificateId':'%s','parameterName':'Serial'}", hex);
    ask_ok(r, "describeClaimLimits", "{'certificateId':'%s'}", hex);
    assert_string_equal(ask_each("parameterLists", NULL), "Seria");
    assert_string_equal(reg_problems(r), "");
}

static void values_that_are_none_are_refused_all_of_them(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);
    const char *const hex = ask_hex(&id);
    char name[PROV_MAX_NAME + 2];

    memset(name, 'n', sizeof name);
    name[PROV_MAX_NAME] = '\0';
    ask_ok(r, "addClaimParameterValues",
           "{'certificateId':'%s','parameterName':'%s','values':"
           "['a']}",
           hex, name);
    ask_ok(r, "listClaimParameterValues", "{'certificateId':'%s','parameterName':'%s'}", hex, name);
    ask_count("parameterValues", 1);
    name[PROV_MAX_NAME] = 'n';
    name[PROV_MAX_NAME + 1] = '\0';
    ask_refused(r, "addClaimParameterValues", PROV_EINVAL, INVALID,
                "{'certificateId':'%s','parameterName':'%s','values':['a']}", hex, name);
    ask_refused(r, "listClaimParameterValues", PROV_EINVAL, INVALID,
                "{'certificateId':'%s','parameterName':'%s'}", hex, name);
    ask_refused(r, "addClaimParameterValues", PROV_EINVAL, INVALID,
                "{'certificateId':'%s','parameterName':'S','values':['good','']}", hex);
    ask_refused(r, "addClaimParameterValues", PROV_EINVAL, INVALID,
                "{'certificateId':'%s','parameterName':'S','values':'a'}", hex);
    ask_refused(r, "addClaimParameterValues", PROV_EINVAL, INVALID,
                "{'certificateId':'%s','parameterName':'S'}", hex);
    ask_place("values", 0);
    ask_refused(r, "removeClaimParameterValues", PROV_ENOTFOUND, NOT_FOUND,
                "{'certificateId':'%s','parameterName':'S','values':['a']}", hex);
    ask_ok(r, "listClaimParameterValues", "{'certificateId':'%s'}", hex);
    ask_count("parameterValues", 1);
}

/* A hundred values of two parameters, each seen once, whatever the page. */
static void values_are_listed_in_pages(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);
    char hex[PROV_ID_HEX + 1], next[512] = "";
    int seen = 0, pages = 0;

    (void)snprintf(hex, sizeof hex, "%s", ask_hex(&id));
    for (int i = 0; i < 100; i++)
        ask_ok(r, "addClaimParameterValues",
               "{'certificateId':'%s','parameterName':'%s','values':['v%d']}", hex,
               i % 2 == 0 ? "even" : "odd", i);
    do {
        ask_ok(r, "listClaimParameterValues", "{'certificateId':'%s','maxResults':7%s%s%s}", hex,
               next[0] != '\0' ? ",'nextToken':'" : "", next, next[0] != '\0' ? "'" : "");
        seen += cJSON_GetArraySize(ask_at("parameterValues"));
        next[0] = '\0';
        if (ask_at("nextToken") != NULL)
            (void)snprintf(next, sizeof next, "%s", cJSON_GetStringValue(ask_at("nextToken")));
    } while (next[0] != '\0' && ++pages < 100);
    assert_int_equal(seen, 100);
    assert_int_equal(pages, 14);
    ask_ok(r, "listClaimParameterValues",
           "{'certificateId':'%s','maxResults':250,'parameterName':'odd'}", hex);
    ask_count("parameterValues", 50);
    ask_missing("nextToken");
}

static void tokens_that_no_list_gave_are_refused(void **state)
{
    static const char *const tokens[] = {
        "x",
        "0123456789abcdef0123456789abcdef",
        "0123456789abcdef0123456789abcdeXname",
    };
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);

    for (size_t i = 0; i < PROV_COUNT(tokens); i++) {
        ask_refused(r, "listClaimParameterValues", PROV_EINVAL, INVALID,
                    "{'certificateId':'%s','nextToken':'%s'}", ask_hex(&id), tokens[i]);
        ask_place("nextToken", 0);
    }
    ask_ok(r, "listClaimParameterValues",
           "{'certificateId':'%s','nextToken':'0123456789abcdef0123456789abcdefname'}",
           ask_hex(&id));
}

/* ---- templates ------------------------------------------------------------------------------- */

#define BODY                                                                                       \
    "'templateBody':'{\\\"Resources\\\":{\\\"t\\\":{\\\"Type\\\":\\\"AWS::IoT::Thing\\\","         \
    "\\\"Properties\\\":{\\\"ThingName\\\":\\\"t\\\"}}}}'"

static void template_says_what_becomes_of_certificates(void **state)
{
    struct reg *r = *state;

    ask_ok(r, "createProvisioningTemplate",
           "{'templateName':'a'," BODY ",'certificateValidityDays':30,"
           "'retirePreviousCertificate':true}");
    ask_number("certificateValidityDays", 30);
    ask_bool("retirePreviousCertificate", true);
    ask_ok(r, "updateProvisioningTemplate", "{'templateName':'a','enabled':true}");
    ask_ok(r, "describeProvisioningTemplate", "{'templateName':'a'}");
    ask_number("certificateValidityDays", 30);
    ask_bool("retirePreviousCertificate", true);
    ask_ok(r, "updateProvisioningTemplate",
           "{'templateName':'a','certificateValidityDays':0,'retirePreviousCertificate':false}");
    ask_missing("certificateValidityDays");
    ask_missing("retirePreviousCertificate");
    ask_refused(r, "updateProvisioningTemplate", PROV_EINVAL, INVALID,
                "{'templateName':'a','certificateValidityDays':36501}");
    ask_refused(r, "createProvisioningTemplate", PROV_EINVAL, INVALID,
                "{'templateName':'b'," BODY ",'certificateValidityDays':'30'}");
    ask_place("certificateValidityDays", 0);
}

static const struct CMUnitTest api_claim[] = {
    ASK_TEST(claim_without_limits_says_so),
    ASK_TEST(limits_are_told_as_they_were_given),
    ASK_TEST(change_leaves_what_it_does_not_name),
    ASK_TEST(limits_that_make_no_sense_are_refused),
    ASK_TEST(limits_are_taken_away_as_a_whole),
    ASK_TEST(claims_with_limits_are_listed_in_pages),
    ASK_TEST(suspended_claim_says_since_when_and_why),
    ASK_TEST(values_make_a_list_that_can_be_read_and_ended),
    ASK_TEST(values_that_are_none_are_refused_all_of_them),
    ASK_TEST(values_are_listed_in_pages),
    ASK_TEST(tokens_that_no_list_gave_are_refused),
    ASK_TEST(template_says_what_becomes_of_certificates),
};

REG_MAIN(api_claim)
