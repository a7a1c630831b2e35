/* The control API's lists: pages, tokens, and how far a call looks. */
#include "core/reg.h"
#include "support/api_case.h"

/* Reads a list to its end in pages of that size; returns how many elements there were, and checks
 * that they are all those of `kind`, each once and in order. */
static unsigned read_all(struct reg *r, const char *op, const char *rest, const char *rows,
                         const char *key, const char *size, const char *marker, unsigned page,
                         unsigned *pages)
{
    const char *next = strcmp(marker, "marker") == 0 ? "nextMarker" : "nextToken";
    char token[256] = "", last[256] = "";
    unsigned n = 0;

    for (*pages = 1;; (*pages)++) {
        const cJSON *item;

        if (token[0] == '\0')
            ask_ok(r, op, "{%s'%s':%u}", rest, size, page);
        else
            ask_ok(r, op, "{%s'%s':%u,'%s':'%s'}", rest, size, page, marker, token);
        assert_true((unsigned)cJSON_GetArraySize(ask_at(rows)) <= page);
        cJSON_ArrayForEach(item, ask_at(rows))
        {
            const char *name = cJSON_GetStringValue(
                key == NULL ? item : cJSON_GetObjectItemCaseSensitive(item, key));

            assert_non_null(name);
            if (strcmp(name, last) <= 0)
                fail_msg("%s comes behind %s", name, last);
            assert_true(prov_span_copy(S(name), last, sizeof last));
            n++;
        }
        if (ask_at(next) == NULL)
            return n;
        assert_true(prov_span_copy(S(cJSON_GetStringValue(ask_at(next))), token, sizeof token));
    }
}

static void make_things(struct reg *r, unsigned n)
{
    char name[16];

    for (unsigned i = 0; i < n; i++) {
        (void)snprintf(name, sizeof name, "t%05u", i);
        reg_thing(r, name);
    }
}

static void things_are_listed_to_the_end_whatever_the_page(void **state)
{
    static const unsigned sizes[] = { 1, 7, 25, 250 };
    struct reg *r = *state;
    unsigned pages;

    make_things(r, 1000);
    for (size_t i = 0; i < PROV_COUNT(sizes); i++) {
        assert_int_equal(read_all(r, "listThings", "", "things", "thingName", "maxResults",
                                  "nextToken", sizes[i], &pages),
                         1000);
        assert_int_equal(pages, (1000 + sizes[i] - 1) / sizes[i]);
    }
    ask_ok(r, "listThings", "{}");
    ask_count("things", PROV_API_PAGE);
    ask_text("nextToken", "t00024");
}

static void members_of_a_group_are_listed_to_the_end(void **state)
{
    struct reg *r = *state;
    char name[16];
    unsigned pages;

    reg_group(r, "g", NULL);
    make_things(r, 600);
    for (unsigned i = 0; i < 600; i += 2) {
        (void)snprintf(name, sizeof name, "t%05u", i);
        reg_ok(r, prov_group_add(&r->tx, S("g"), S(name)));
    }
    assert_int_equal(read_all(r, "listThingsInThingGroup", "'thingGroupName':'g',", "things", NULL,
                              "maxResults", "nextToken", 11, &pages),
                     300);
    assert_int_equal(read_all(r, "listThings", "'thingGroupName':'g',", "things", "thingName",
                              "maxResults", "nextToken", 50, &pages),
                     300);
    assert_int_equal(pages, 6);
}

static void certificates_are_listed_by_their_ids(void **state)
{
    struct reg *r = *state;
    unsigned pages;

    for (int i = 0; i < 60; i++)
        (void)reg_cert(r);
    assert_int_equal(read_all(r, "listCertificates", "", "certificates", "certificateId",
                              "pageSize", "marker", 7, &pages),
                     60);
    assert_int_equal(pages, 9);
}

static void targets_of_a_policy_are_certificates_and_groups(void **state)
{
    struct reg *r = *state;
    unsigned pages;
    char name[16];

    reg_policy(r, "p");
    for (int i = 0; i < 20; i++) {
        const struct prov_id id = reg_cert(r);

        reg_ok(r, prov_policy_attach_cert(&r->tx, S("p"), &id));
        (void)snprintf(name, sizeof name, "g%02d", i);
        reg_group(r, name, NULL);
        reg_ok(r, prov_policy_attach_group(&r->tx, S("p"), S(name)));
    }
    assert_int_equal(read_all(r, "listTargetsForPolicy", "'policyName':'p',", "targets", NULL,
                              "pageSize", "marker", 3, &pages),
                     40);
    assert_int_equal(pages, 14);
    ask_ok(r, "listTargetsForPolicy", "{'policyName':'p','pageSize':250}");
    ask_text("targets[39]", "arn:aws:iot:local:000000000000:thinggroup/g19");
}

/* What is left out is looked at too. */
static void filter_looks_at_so_many_records_and_no_more(void **state)
{
    struct reg *r = *state;
    unsigned pages;

    if (r->lmdb) /* the same code; once is enough for so many */
        return;
    make_things(r, PROV_API_LOOKS + 10);
    ask_ok(r, "updateThing", "{'thingName':'t%05d','attributePayload':{'attributes':{'a':'b'}}}",
           PROV_API_LOOKS + 5);
    ask_ok(r, "listThings", "{'attributeName':'a','attributeValue':'b'}");
    ask_count("things", 0);
    ask_text("nextToken", "t04095");
    assert_int_equal(read_all(r, "listThings", "'attributeName':'a','attributeValue':'b',",
                              "things", "thingName", "maxResults", "nextToken", 25, &pages),
                     1);
    assert_int_equal(pages, 2);
}

static void page_that_ends_with_the_list_has_no_token(void **state)
{
    struct reg *r = *state;

    make_things(r, 4);
    ask_ok(r, "listThings", "{'maxResults':4}");
    ask_count("things", 4);
    ask_missing("nextToken");
    ask_ok(r, "listThings", "{'maxResults':3}");
    ask_text("nextToken", "t00002");
    ask_ok(r, "listThings", "{'maxResults':3,'nextToken':'t00002'}");
    assert_string_equal(ask_each("things", "thingName"), "t00003");
    ask_missing("nextToken");
}

/* A token is a place and no promise that somebody is there. */
static void list_goes_on_behind_what_has_gone(void **state)
{
    struct reg *r = *state;

    make_things(r, 4);
    ask_ok(r, "deleteThing", "{'thingName':'t00001'}");
    ask_ok(r, "listThings", "{'nextToken':'t00001'}");
    assert_string_equal(ask_each("things", "thingName"), "t00002 t00003");
    ask_ok(r, "listThings", "{'nextToken':'zzz'}");
    ask_count("things", 0);
    ask_ok(r, "listThings", "{'nextToken':''}");
    ask_count("things", 3);
}

static void page_size_is_from_1_to_250(void **state)
{
    static const char *const sizes[] = { "0", "251", "4294967295" };
    struct reg *r = *state;

    for (size_t i = 0; i < PROV_COUNT(sizes); i++) {
        ask_refused(r, "listThings", PROV_EINVAL, "InvalidRequestException", "{'maxResults':%s}",
                    sizes[i]);
        ask_place("maxResults", 0);
        ask_refused(r, "listPolicies", PROV_EINVAL, "InvalidRequestException", "{'pageSize':%s}",
                    sizes[i]);
        ask_place("pageSize", 0);
    }
    ask_ok(r, "listThings", "{'maxResults':250}");
    ask_ok(r, "listThings", "{'maxResults':1}");
    ask_refused(r, "listThings", PROV_EINVAL, "InvalidRequestException", "{'pageSize':1}");
    ask_refused(r, "listPolicies", PROV_EINVAL, "InvalidRequestException", "{'maxResults':1}");
}

static void order_can_be_said_and_not_turned(void **state)
{
    struct reg *r = *state;

    ask_ok(r, "listCertificates", "{'ascendingOrder':false}");
    ask_refused(r, "listCertificates", PROV_EINVAL, "InvalidRequestException",
                "{'ascendingOrder':true}");
    ask_place("ascendingOrder", 0);
}

static void token_of_another_list_is_refused(void **state)
{
    static const struct {
        const char *op, *rest, *token;
    } cases[] = {
        { "listCertificates", "'marker'", "t00001" },
        { "listCertificates", "'marker'", "0123456789" },
        { "listCACertificates", "'marker'", "x" },
        { "listTargetsForPolicy", "'policyName':'p','marker'", "x" },
        { "listTargetsForPolicy", "'policyName':'p','marker'", "c0123" },
        { "listTargetsForPolicy", "'policyName':'p','marker'", "g" },
        { "listPolicyVersions", "'policyName':'p','marker'", "one" },
        { "listAttempts", "'nextToken'", "t00001" },
        { "listAttempts", "'nextToken'", "zzzzzzzzzzzzzzzz" },
    };
    struct reg *r = *state;
    char name[PROV_MAX_NAME + 2];

    reg_policy(r, "p");
    for (size_t i = 0; i < PROV_COUNT(cases); i++) {
        ask_refused(r, cases[i].op, PROV_EINVAL, "InvalidRequestException", "{%s:'%s'}",
                    cases[i].rest, cases[i].token);
        ask_said("no token");
    }
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    ask_refused(r, "listThings", PROV_EINVAL, "InvalidRequestException", "{'nextToken':'%s'}",
                name);
    ask_refused(r, "listThingGroups", PROV_EINVAL, "InvalidRequestException",
                "{'namePrefixFilter':'%s'}", name);
}

/* A list that is part of a record. */
static void policies_of_a_certificate_are_told_in_pages(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);
    char name[8];

    for (int i = 9; i >= 0; i--) {
        (void)snprintf(name, sizeof name, "p%d", i);
        reg_policy(r, name);
        reg_ok(r, prov_policy_attach_cert(&r->tx, S(name), &id));
    }
    ask_ok(r, "listPrincipalPolicies", "{'principal':'%s','pageSize':4}", ask_hex(&id));
    assert_string_equal(ask_each("policies", "policyName"), "p9 p8 p7 p6");
    ask_text("nextMarker", "p6");
    ask_ok(r, "listPrincipalPolicies", "{'principal':'%s','pageSize':4,'marker':'p6'}",
           ask_hex(&id));
    assert_string_equal(ask_each("policies", "policyName"), "p5 p4 p3 p2");
    ask_ok(r, "listPrincipalPolicies", "{'principal':'%s','pageSize':4,'marker':'p2'}",
           ask_hex(&id));
    assert_string_equal(ask_each("policies", "policyName"), "p1 p0");
    ask_missing("nextMarker");
    ask_ok(r, "listPrincipalPolicies", "{'principal':'%s','marker':'gone'}", ask_hex(&id));
    ask_count("policies", 10);
    ask_refused(r, "listPrincipalPolicies", PROV_EINVAL, "InvalidRequestException",
                "{'principal':'%s','pageSize':0}", ask_hex(&id));
}

static void versions_are_listed_in_pages(void **state)
{
    struct reg *r = *state;
    uint32_t version;

    reg_policy(r, "p");
    for (int i = 0; i < 4; i++)
        reg_ok(r, prov_policy_version_create(&r->tx, S("p"), S(REG_POLICY_TEXT), false, &version));
    ask_ok(r, "listPolicyVersions", "{'policyName':'p','pageSize':2}");
    assert_string_equal(ask_each("policyVersions", "versionId"), "1 2");
    ask_text("nextMarker", "2");
    ask_ok(r, "listPolicyVersions", "{'policyName':'p','pageSize':2,'marker':'2'}");
    assert_string_equal(ask_each("policyVersions", "versionId"), "3 4");
    ask_ok(r, "listPolicyVersions", "{'policyName':'p','pageSize':2,'marker':'4'}");
    assert_string_equal(ask_each("policyVersions", "versionId"), "5");
    ask_missing("nextMarker");
}

/* A damaged store is not mistaken for a wrong question. */
static void entry_that_leads_nowhere_is_damage(void **state)
{
    struct reg *r = *state;
    struct pki_cert ca = reg_pki_ca(r, "/CN=One");
    const struct prov_id id = reg_ca(r, &ca, NULL);

    reg_group(r, "g", NULL);
    reg_ok(r, reg_link_add(&r->tx, REG_THING_OF_GROUP, S("g"), S("ghost")));
    ask_refused(r, "listThings", PROV_ESTORE, "InternalFailureException", "{'thingGroupName':'g'}");
    ask_said("provctl check");
    reg_ok(r, reg_link_add(&r->tx, REG_CERT_OF_CA, prov_id_span(&id), S("short")));
    ask_refused(r, "listCertificatesByCA", PROV_ESTORE, "InternalFailureException",
                "{'caCertificateId':'%s'}", ask_hex(&id));
    ask_said("provctl check");
    pki_free(&ca);
}

static const struct CMUnitTest api_list[] = {
    ASK_TEST(things_are_listed_to_the_end_whatever_the_page),
    ASK_TEST(members_of_a_group_are_listed_to_the_end),
    ASK_TEST(certificates_are_listed_by_their_ids),
    ASK_TEST(targets_of_a_policy_are_certificates_and_groups),
    ASK_TEST(filter_looks_at_so_many_records_and_no_more),
    ASK_TEST(page_that_ends_with_the_list_has_no_token),
    ASK_TEST(list_goes_on_behind_what_has_gone),
    ASK_TEST(page_size_is_from_1_to_250),
    ASK_TEST(order_can_be_said_and_not_turned),
    ASK_TEST(token_of_another_list_is_refused),
    ASK_TEST(policies_of_a_certificate_are_told_in_pages),
    ASK_TEST(versions_are_listed_in_pages),
    ASK_TEST(entry_that_leads_nowhere_is_damage),
};

REG_MAIN(api_list)
