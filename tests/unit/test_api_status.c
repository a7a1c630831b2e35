/* The control API's operations on attempts, connections and the registry's state. */
#include "core/attempt.h"
#include "support/api_case.h"

/* ---- attempts -------------------------------------------------------------------------------- */

static void attempt(struct reg *r, unsigned n, const struct prov_attempt *like)
{
    struct prov_attempt a = *like;

    a.id = (prov_attempt_id)REG_T0 * 1000 * (1 << 20) + n;
    reg_ok(r, prov_attempt_put(&r->tx, &a));
}

static void three_attempts(struct reg *r, const struct prov_id *id)
{
    attempt(r, 1,
            &(struct prov_attempt){ .reason = PROV_REASON_CERT_REVOKED,
                                    .cert = *id,
                                    .client_id = S("a"),
                                    .address = S("192.0.2.1"),
                                    .common_name = S("cn-a") });
    attempt(r, 2,
            &(struct prov_attempt){ .reason = PROV_REASON_UNKNOWN_ISSUER,
                                    .address = S("192.0.2.2"),
                                    .common_name = S("cn-b") });
    attempt(r, 3,
            &(struct prov_attempt){ .reason = PROV_REASON_CERT_REVOKED,
                                    .cert = *id,
                                    .client_id = S("c"),
                                    .address = S("192.0.2.1") });
}

static void attempts_are_listed_newest_first_by_who_made_them(void **state)
{
    static const struct {
        const char *filter, *addresses;
    } cases[] = {
        { "", "192.0.2.1 192.0.2.2 192.0.2.1" },
        { "'clientId':'a'", "192.0.2.1" },
        { "'clientId':'b'", "" },
        { "'sourceIp':'192.0.2.2'", "192.0.2.2" },
        { "'sourceIp':'192.0.2'", "" },
        { "'certificateId':'09000000'", "192.0.2.1 192.0.2.1" },
        { "'certificateId':'0900000'", "" },
        { "'certificateId':'09000000','clientId':'a'", "192.0.2.1" },
        { "'about':'a'", "192.0.2.1" },
        { "'about':'cn-b'", "192.0.2.2" },
        { "'about':'192.0.2.1'", "192.0.2.1 192.0.2.1" },
        { "'about':'09000000'", "192.0.2.1 192.0.2.1" },
        { "'about':'00000000'", "" },
        { "'about':'nobody'", "" },
    };
    const struct prov_id id = { { 9 } };
    struct reg *r = *state;
    char about[64];

    three_attempts(r, &id);
    for (size_t i = 0; i < PROV_COUNT(cases); i++) {
        ask_ok(r, "listAttempts", "{%s}", cases[i].filter);
        assert_string_equal(ask_each("attempts", "sourceIp"), cases[i].addresses);
    }
    ask_ok(r, "listAttempts", "{}");
    assert_true(prov_span_copy(S(cJSON_GetStringValue(ask_at("attempts[1].attemptId"))), about,
                               sizeof about));
    ask_ok(r, "listAttempts", "{'about':'%s'}", about);
    assert_string_equal(ask_each("attempts", "reason"), "unknown-issuer");
}

static void attempts_are_listed_to_the_end(void **state)
{
    struct reg *r = *state;
    char token[32] = "";
    unsigned n = 0, pages = 0;

    for (unsigned i = 0; i < 100; i++)
        attempt(r, i,
                &(struct prov_attempt){ .reason = PROV_REASON_BUSY,
                                        .client_id = i % 2 == 0 ? S("even") : S("odd") });
    do {
        ask_ok(r, "listAttempts", "{'clientId':'odd','maxResults':9%s%s%s}",
               pages == 0 ? "" : ",'nextToken':'", token, pages == 0 ? "" : "'");
        n += (unsigned)cJSON_GetArraySize(ask_at("attempts"));
        pages++;
        token[0] = '\0';
        if (ask_at("nextToken") != NULL)
            assert_true(
                prov_span_copy(S(cJSON_GetStringValue(ask_at("nextToken"))), token, sizeof token));
    } while (token[0] != '\0');
    assert_int_equal(n, 50);
    assert_int_equal(pages, 6);
    /* a token of an attempt that was forgotten is a place all the same */
    ask_ok(r, "listAttempts", "{'nextToken':'0000000000000001'}");
    ask_count("attempts", 0);
    ask_ok(r, "listAttempts", "{'nextToken':'ffffffffffffffff','maxResults':1}");
    ask_count("attempts", 1);
}

static void search_looks_at_so_many_attempts_and_no_more(void **state)
{
    struct reg *r = *state;

    for (unsigned i = 0; i < PROV_API_LOOKS + 2; i++)
        attempt(r, i,
                &(struct prov_attempt){ .reason = PROV_REASON_BUSY,
                                        .client_id = i == 0 ? S("first") : S("more") });
    ask_ok(r, "listAttempts", "{'clientId':'first'}");
    ask_count("attempts", 0);
    ask_ok(r, "listAttempts", "{'clientId':'first','nextToken':'%s'}",
           cJSON_GetStringValue(ask_at("nextToken")));
    ask_count("attempts", 1);
    ask_missing("nextToken");
}

/* ---- connections ----------------------------------------------------------------------------- */

static void connection_is_judged_as_the_broker_would(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);

    ask_ok(r, "testConnection", "{'certificateId':'%.8s'}", ask_hex(&id));
    ask_keys("", "certificateArn certificateId certificateStatus outcome policiesAsked");
    ask_text("certificateId", ask_hex(&id));
    ask_text("certificateStatus", "ACTIVE");
    ask_text("outcome", "ACCEPTED");
    ask_bool("policiesAsked", false);
    ask_ok(r, "testConnection", "{'certificateId':'%s','clientId':'dev'}", ask_hex(&id));
    ask_text("outcome", "REFUSED");
    ask_text("reason", "connect-denied");
    ask_bool("policiesAsked", true);
    reg_policy(r, "p");
    ask_ok(r, "attachPolicy", "{'policyName':'p','target':'%s'}", ask_hex(&id));
    ask_ok(r, "testConnection", "{'certificateId':'%s','clientId':'dev'}", ask_hex(&id));
    ask_text("outcome", "ACCEPTED");
    ask_text("clientId", "dev");
    ask_ok(r, "testConnection", "{'certificateId':'%s','clientId':'$dev'}", ask_hex(&id));
    ask_text("outcome", "REFUSED");
    ask_text("reason", "client-id");
    ask_ok(r, "updateCertificate", "{'certificateId':'%s','newStatus':'REVOKED'}", ask_hex(&id));
    ask_ok(r, "testConnection", "{'certificateId':'%s','clientId':'dev'}", ask_hex(&id));
    ask_text("outcome", "REFUSED");
    ask_text("reason", "certificate-revoked");
    ask_bool("policiesAsked", false);
}

static void certificate_is_found_by_session_or_thing(void **state)
{
    struct reg *r = *state;
    const struct prov_id a = reg_cert(r), b = reg_cert(r);

    reg_thing(r, "dev");
    reg_thing(r, "bare");
    ask_refused(r, "testConnection", PROV_ENOTFOUND, "ResourceNotFoundException",
                "{'clientId':'dev'}");
    ask_ok(r, "attachThingPrincipal", "{'thingName':'dev','principal':'%s'}", ask_hex(&a));
    ask_ok(r, "testConnection", "{'clientId':'dev'}");
    ask_text("certificateId", ask_hex(&a));
    reg_ok(r, prov_client_bind(&r->tx, S("dev"), &b));
    ask_ok(r, "testConnection", "{'clientId':'dev','sourceIp':'192.0.2.1'}");
    ask_text("certificateId", ask_hex(&b));
    ask_refused(r, "testConnection", PROV_ENOTFOUND, "ResourceNotFoundException",
                "{'clientId':'bare'}");
    ask_refused(r, "testConnection", PROV_EINVAL, "InvalidRequestException", "{}");
    ask_refused(r, "testConnection", PROV_ENOTFOUND, "ResourceNotFoundException",
                "{'certificateId':'0123456789'}");
}

/* What becomes of it is for its CA's template, its CA's hook, or somebody to decide. */
static void pending_certificate_is_judged_by_what_its_ca_has(void **state)
{
    struct reg *r = *state;
    struct pki_cert ca = reg_pki_ca(r, "/CN=One"), leaf = reg_pki_leaf(r, &ca, "/CN=d");
    const struct prov_id ca_id = reg_ca(r, &ca, NULL);
    struct prov_ca info;
    struct prov_id id;

    reg_template(r, "jitp",
                 "{'Resources':{'c':{'Type':'AWS::IoT::Certificate','Properties':"
                 "{'CertificateId':{'Ref':'AWS::IoT::Certificate::Id'}}}}}");
    reg_ok(r, prov_ca_get(&r->tx, &ca_id, &info));
    reg_ok(r, prov_cert_record_first_contact(&r->tx, leaf.x509, &info, &id));
    ask_ok(r, "testConnection", "{'certificateId':'%s','clientId':'d'}", ask_hex(&id));
    ask_text("caCertificateId", ask_hex(&ca_id));
    ask_text("certificateStatus", "PENDING_ACTIVATION");
    ask_text("outcome", "REFUSED");
    ask_text("reason", "certificate-pending");
    ask_missing("hookDecides");
    ask_ok(r, "updateCACertificate",
           "{'certificateId':'%s','registrationConfig':{'templateName':'jitp'}}", ask_hex(&ca_id));
    ask_ok(r, "testConnection", "{'certificateId':'%s'}", ask_hex(&id));
    ask_text("outcome", "PROVISIONED_ON_NEXT_TRY");
    ask_missing("reason");
    ask_missing("hookDecides");
    ask_ok(r, "updateCACertificate",
           "{'certificateId':'%s','removeAutoRegistration':true,"
           "'activationHook':{'targetArn':'exec:/usr/local/bin/allow'}}",
           ask_hex(&ca_id));
    ask_ok(r, "testConnection", "{'certificateId':'%s'}", ask_hex(&id));
    ask_text("outcome", "PROVISIONED_ON_NEXT_TRY");
    ask_bool("hookDecides", true);
    pki_free(&leaf);
    pki_free(&ca);
}

/* ---- the registry ---------------------------------------------------------------------------- */

static void empty_registry_has_nothing_in_it(void **state)
{
    struct reg *r = *state;

    ask_ok(r, "getRegistryStatus", "{}");
    ask_keys("", "usedBytes maxBytes accountId region counts certificatesByStatus recentAttempts");
    ask_text("accountId", "000000000000");
    ask_text("region", "local");
    ask_keys("counts", "caCertificates certificates things thingGroups thingTypes billingGroups "
                       "policies provisioningTemplates");
    ask_number("counts.things", 0);
    ask_keys("certificatesByStatus", "INACTIVE ACTIVE REVOKED PENDING_TRANSFER PENDING_ACTIVATION");
    ask_count("recentAttempts", 0);
}

static void registry_tells_how_much_is_in_it(void **state)
{
    const struct prov_id id = { { 9 } };
    struct reg *r = *state;
    struct prov_id cert;

    (void)reg_cert(r);
    cert = reg_cert(r);
    ask_ok(r, "updateCertificate", "{'certificateId':'%s','newStatus':'REVOKED'}", ask_hex(&cert));
    three_attempts(r, &id);
    reg_thing(r, "t");
    ask_ok(r, "getRegistryStatus", "{}");
    ask_number("counts.certificates", 2);
    ask_number("counts.things", 1);
    ask_number("certificatesByStatus.ACTIVE", 1);
    ask_number("certificatesByStatus.REVOKED", 1);
    ask_number("certificatesByStatus.INACTIVE", 0);
    ask_text("lastChange.kind", "thing");
    ask_text("lastChange.key", "t");
    ask_number("lastChange.timestamp", (double)REG_T0);
    ask_count("recentAttempts", 2);
    ask_text("recentAttempts[1].reason", "certificate-revoked");
    ask_number("recentAttempts[1].count", 2);
    ask_text("recentAttempts[1].lastClientId", "c");
    ask_text("recentAttempts[0].lastCommonName", "cn-b");
}

static void last_change_of_each_kind_has_a_name(void **state)
{
    static const struct {
        const char *op, *request, *kind;
    } cases[] = {
        { "createThing", "{'thingName':'a'}", "thing" },
        { "createThingGroup", "{'thingGroupName':'a'}", "thing group" },
        { "createThingType", "{'thingTypeName':'a'}", "thing type" },
        { "createBillingGroup", "{'billingGroupName':'a'}", "billing group" },
        { "getRegistrationCode", "{}", "settings" },
    };
    struct reg *r = *state;
    struct prov_id id;

    for (size_t i = 0; i < PROV_COUNT(cases); i++) {
        ask_ok(r, cases[i].op, "%s", cases[i].request);
        ask_ok(r, "getRegistryStatus", "{}");
        ask_text("lastChange.kind", cases[i].kind);
    }
    id = reg_cert(r);
    ask_ok(r, "getRegistryStatus", "{}");
    ask_text("lastChange.kind", "certificate");
    ask_text("lastChange.key", ask_hex(&id));
}

static const struct CMUnitTest api_status[] = {
    ASK_TEST(attempts_are_listed_newest_first_by_who_made_them),
    ASK_TEST(attempts_are_listed_to_the_end),
    ASK_TEST(search_looks_at_so_many_attempts_and_no_more),
    ASK_TEST(connection_is_judged_as_the_broker_would),
    ASK_TEST(certificate_is_found_by_session_or_thing),
    ASK_TEST(pending_certificate_is_judged_by_what_its_ca_has),
    ASK_TEST(empty_registry_has_nothing_in_it),
    ASK_TEST(registry_tells_how_much_is_in_it),
    ASK_TEST(last_change_of_each_kind_has_a_name),
};

REG_MAIN(api_status)
