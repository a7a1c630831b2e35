/* The control API's operations on CAs and certificates (reference sections 4 and 5). */
#include "core/ident.h"
#include "support/alloc.h"
#include "support/api_case.h"

#define JITP_BODY                                                                                  \
    "{'Resources':{'c':{'Type':'AWS::IoT::Certificate','Properties':"                              \
    "{'CertificateId':{'Ref':'AWS::IoT::Certificate::Id'}}}}}"

static struct prov_id id_of(const struct pki_cert *cert)
{
    struct prov_id id;

    assert_int_equal(prov_ident_id(cert->x509, &id), PROV_OK);
    return id;
}

/* ---- CAs ------------------------------------------------------------------------------------- */

static void ca_is_registered_as_it_was_asked_for(void **state)
{
    struct reg *r = *state;
    struct pki_cert ca = reg_pki_ca(r, "/CN=One");
    const struct prov_id id = id_of(&ca);

    reg_template(r, "jitp", JITP_BODY);
    ask_ok(r, "registerCACertificate",
           "{'caCertificate':'%s','certificateMode':'SNI_ONLY','setAsActive':true,"
           "'allowAutoRegistration':true,'registrationConfig':{'templateName':'jitp',"
           "'roleArn':'arn:aws:iam::000000000000:role/x'}}",
           ask_pem(r, &ca));
    ask_text("certificateId", ask_hex(&id));
    ask_text("status", "ACTIVE");
    ask_text("autoRegistrationStatus", "ENABLE");
    ask_text("registrationConfig.templateName", "jitp");
    ask_missing("certificatePem");
    ask_ok(r, "describeCACertificate", "{'certificateId':'%.8s'}", ask_hex(&id));
    ask_text("certificateDescription.certificateId", ask_hex(&id));
    ask_text("certificateDescription.certificateMode", "SNI_ONLY");
    ask_text("certificateDescription.subject", "CN=One");
    pki_free(&ca);
}

static void ca_is_inactive_and_without_auto_registration_unless_asked(void **state)
{
    struct reg *r = *state;
    struct pki_cert ca = reg_pki_ca(r, "/CN=One");

    ask_ok(r, "registerCACertificate", "{'caCertificate':'%s','certificateMode':'SNI_ONLY'}",
           ask_pem(r, &ca));
    ask_text("status", "INACTIVE");
    ask_text("autoRegistrationStatus", "DISABLE");
    ask_missing("registrationConfig");
    pki_free(&ca);
}

static void ca_in_default_mode_needs_the_code_in_its_verification(void **state)
{
    struct reg *r = *state;
    struct pki_cert ca = reg_pki_ca(r, "/CN=One"), good, bad;
    char code[PROV_ID_HEX + 1];

    ask_ok(r, "getRegistrationCode", "{}");
    assert_true(
        prov_span_copy(S(cJSON_GetStringValue(ask_at("registrationCode"))), code, sizeof code));
    ask_ok(r, "getRegistrationCode", "{}");
    ask_text("registrationCode", code);
    good = pki_verification(&ca, code);
    bad = pki_verification(&ca, "0123456789abcdef");
    r->tx.now_ms = (int64_t)time(NULL) * 1000; /* what the verification is valid at */
    ask_refused(r, "registerCACertificate", PROV_EINVAL, "InvalidRequestException",
                "{'caCertificate':'%s'}", ask_pem(r, &ca));
    ask_refused(r, "registerCACertificate", PROV_EDENIED, "RegistrationCodeValidationException",
                "{'caCertificate':'%s','verificationCertificate':'%s'}", ask_pem(r, &ca),
                ask_pem(r, &bad));
    ask_ok(r, "registerCACertificate", "{'caCertificate':'%s','verificationCertificate':'%s'}",
           ask_pem(r, &ca), ask_pem(r, &good));
    pki_free(&good);
    pki_free(&bad);
    pki_free(&ca);
}

static void ca_that_is_none_is_refused(void **state)
{
    struct reg *r = *state;
    struct pki_cert ca = reg_pki_ca(r, "/CN=One"), leaf = reg_pki_leaf(r, &ca, "/CN=d");

    ask_refused(r, "registerCACertificate", PROV_EINVAL, "CertificateValidationException",
                "{'caCertificate':'nonsense','certificateMode':'SNI_ONLY'}");
    ask_place("caCertificate", 0);
    ask_refused(r, "registerCACertificate", PROV_EINVAL, "CertificateValidationException",
                "{'caCertificate':'','certificateMode':'SNI_ONLY'}");
    ask_refused(r, "registerCACertificate", PROV_EINVAL, "CertificateValidationException",
                "{'caCertificate':'%s','certificateMode':'SNI_ONLY'}", ask_pem(r, &leaf));
    ask_refused(r, "registerCACertificate", PROV_EINVAL, "InvalidRequestException",
                "{'caCertificate':'%s','certificateMode':'sni_only'}", ask_pem(r, &ca));
    ask_place("certificateMode", 0);
    ask_said("must be DEFAULT or SNI_ONLY");
    ask_refused(r, "registerCACertificate", PROV_ENOTFOUND, "ResourceNotFoundException",
                "{'caCertificate':'%s','certificateMode':'SNI_ONLY',"
                "'registrationConfig':{'templateName':'none'}}",
                ask_pem(r, &ca));
    (void)reg_ca(r, &ca, NULL);
    ask_refused(r, "registerCACertificate", PROV_ECONFLICT, "ResourceAlreadyExistsException",
                "{'caCertificate':'%s','certificateMode':'SNI_ONLY'}", ask_pem(r, &ca));
    pki_free(&leaf);
    pki_free(&ca);
}

static void ca_is_changed_in_what_is_given_and_nothing_else(void **state)
{
    struct reg *r = *state;
    struct pki_cert ca = reg_pki_ca(r, "/CN=One");
    struct prov_id id;

    reg_template(r, "jitp", JITP_BODY);
    id = reg_ca(r, &ca, "jitp");
    ask_ok(r, "updateCACertificate", "{'certificateId':'%.9s','newStatus':'INACTIVE'}",
           ask_hex(&id));
    ask_text("certificateId", ask_hex(&id));
    ask_text("status", "INACTIVE");
    ask_text("autoRegistrationStatus", "ENABLE");
    ask_text("registrationConfig.templateName", "jitp");
    ask_ok(r, "updateCACertificate",
           "{'certificateId':'%s','newStatus':'ACTIVE','newAutoRegistrationStatus':'DISABLE'}",
           ask_hex(&id));
    ask_text("status", "ACTIVE");
    ask_text("autoRegistrationStatus", "DISABLE");
    ask_ok(r, "updateCACertificate", "{'certificateId':'%s','removeAutoRegistration':true}",
           ask_hex(&id));
    ask_missing("registrationConfig");
    ask_ok(r, "updateCACertificate",
           "{'certificateId':'%s','registrationConfig':{'templateName':'jitp'},"
           "'removeAutoRegistration':false}",
           ask_hex(&id));
    ask_text("registrationConfig.templateName", "jitp");
    ask_text("autoRegistrationStatus", "DISABLE");
    pki_free(&ca);
}

static void change_of_a_ca_that_makes_no_sense_is_refused(void **state)
{
    static const struct {
        const char *rest, *path;
    } cases[] = {
        { "'newStatus':'REVOKED'", "newStatus" },
        { "'newStatus':'active'", "newStatus" },
        { "'newAutoRegistrationStatus':'ON'", "newAutoRegistrationStatus" },
        { "'registrationConfig':{'templateName':''}", "registrationConfig.templateName" },
        { "'registrationConfig':{'templateName':'t'},'removeAutoRegistration':true",
          "removeAutoRegistration" },
        { "'activationHook':{'targetArn':''}", "activationHook.targetArn" },
        { "'activationHook':{'targetArn':'exec:/a'},'removeActivationHook':true",
          "removeActivationHook" },
    };
    struct reg *r = *state;
    struct pki_cert ca = reg_pki_ca(r, "/CN=One");
    const struct prov_id id = reg_ca(r, &ca, NULL);

    for (size_t i = 0; i < PROV_COUNT(cases); i++) {
        ask_refused(r, "updateCACertificate", PROV_EINVAL, "InvalidRequestException",
                    "{'certificateId':'%s',%s}", ask_hex(&id), cases[i].rest);
        ask_place(cases[i].path, 0);
    }
    ask_refused(r, "updateCACertificate", PROV_ENOTFOUND, "ResourceNotFoundException",
                "{'certificateId':'0123456789','newStatus':'ACTIVE'}");
    ask_refused(r, "updateCACertificate", PROV_EINVAL, "InvalidRequestException",
                "{'certificateId':'0123','newStatus':'ACTIVE'}");
    pki_free(&ca);
}

static void ca_is_deleted_when_it_is_inactive(void **state)
{
    struct reg *r = *state;
    struct pki_cert ca = reg_pki_ca(r, "/CN=One");
    const struct prov_id id = reg_ca(r, &ca, NULL);

    ask_refused(r, "deleteCACertificate", PROV_EDENIED, "CertificateStateException",
                "{'certificateId':'%s'}", ask_hex(&id));
    reg_ca_state(r, &id, false, false);
    ask_ok(r, "deleteCACertificate", "{'certificateId':'%.8s'}", ask_hex(&id));
    ask_keys("", "certificateArn certificateId");
    ask_text("certificateId", ask_hex(&id));
    ask_refused(r, "describeCACertificate", PROV_ENOTFOUND, "ResourceNotFoundException",
                "{'certificateId':'%s'}", ask_hex(&id));
    assert_string_equal(reg_problems(r), "");
    pki_free(&ca);
}

static void cas_are_listed_all_or_by_template(void **state)
{
    struct reg *r = *state;
    struct pki_cert a = reg_pki_ca(r, "/CN=A"), b = reg_pki_ca(r, "/CN=B");
    struct prov_id id;

    reg_template(r, "jitp", JITP_BODY);
    reg_template(r, "other", JITP_BODY);
    (void)reg_ca(r, &a, NULL);
    id = reg_ca(r, &b, "jitp");
    ask_ok(r, "listCACertificates", "{}");
    ask_count("certificates", 2);
    ask_missing("nextMarker");
    ask_ok(r, "listCACertificates", "{'templateName':'jitp'}");
    assert_string_equal(ask_each("certificates", "certificateId"), ask_hex(&id));
    ask_ok(r, "listCACertificates", "{'templateName':'other'}");
    ask_count("certificates", 0);
    ask_refused(r, "listCACertificates", PROV_ENOTFOUND, "ResourceNotFoundException",
                "{'templateName':'none'}");
    pki_free(&a);
    pki_free(&b);
}

/* ---- certificates ---------------------------------------------------------------------------- */

static void certificate_of_a_registered_ca_is_registered(void **state)
{
    struct reg *r = *state;
    struct pki_cert ca = reg_pki_ca(r, "/CN=One"), leaf = reg_pki_leaf(r, &ca, "/CN=d");
    const struct prov_id id = id_of(&leaf);
    struct prov_id ca_id;

    ask_refused(r, "registerCertificate", PROV_EDENIED, "CertificateValidationException",
                "{'certificatePem':'%s'}", ask_pem(r, &leaf));
    ca_id = reg_ca(r, &ca, NULL);
    ask_ok(r, "registerCertificate", "{'certificatePem':'%s','caCertificatePem':'%s'}",
           ask_pem(r, &leaf), ask_pem(r, &ca));
    ask_text("certificateId", ask_hex(&id));
    ask_text("caCertificateId", ask_hex(&ca_id));
    ask_text("status", "INACTIVE");
    ask_text("commonName", "d");
    ask_refused(r, "registerCertificate", PROV_ECONFLICT, "ResourceAlreadyExistsException",
                "{'certificatePem':'%s'}", ask_pem(r, &leaf));
    pki_free(&leaf);
    pki_free(&ca);
}

static void status_of_a_new_certificate_is_what_was_asked_for(void **state)
{
    static const struct {
        const char *rest;
        const char *status, *code; /* one of them */
    } cases[] = {
        { "", "INACTIVE", NULL },
        { ",'status':'ACTIVE'", "ACTIVE", NULL },
        { ",'status':'REVOKED'", "REVOKED", NULL },
        { ",'setAsActive':true", "ACTIVE", NULL },
        { ",'setAsActive':false", "INACTIVE", NULL },
        { ",'setAsActive':false,'status':'ACTIVE'", "ACTIVE", NULL },
        { ",'status':'PENDING_ACTIVATION'", NULL, "CertificateStateException" },
        { ",'status':'PENDING_TRANSFER'", NULL, "CertificateStateException" },
        { ",'status':'GOOD'", NULL, "InvalidRequestException" },
        { ",'setAsActive':true,'status':'ACTIVE'", NULL, "InvalidRequestException" },
    };
    struct reg *r = *state;
    struct pki_cert ca = reg_pki_ca(r, "/CN=One");

    (void)reg_ca(r, &ca, NULL);
    for (size_t i = 0; i < PROV_COUNT(cases); i++) {
        struct pki_cert leaf = reg_pki_leaf(r, &ca, "/CN=d");

        if (cases[i].code != NULL) {
            const bool state_error = strcmp(cases[i].code, "CertificateStateException") == 0;

            ask_refused(r, "registerCertificate", state_error ? PROV_EDENIED : PROV_EINVAL,
                        cases[i].code, "{'certificatePem':'%s'%s}", ask_pem(r, &leaf),
                        cases[i].rest);
        } else {
            ask_ok(r, "registerCertificate", "{'certificatePem':'%s'%s}", ask_pem(r, &leaf),
                   cases[i].rest);
            ask_text("status", cases[i].status);
        }
        pki_free(&leaf);
    }
    pki_free(&ca);
}

static void certificate_without_a_ca_is_registered_as_itself(void **state)
{
    struct reg *r = *state;
    struct pki_cert leaf = reg_pki_leaf(r, NULL, "/CN=d");

    ask_ok(r, "registerCertificateWithoutCA", "{'certificatePem':'%s','status':'ACTIVE'}",
           ask_pem(r, &leaf));
    ask_text("status", "ACTIVE");
    ask_text("certificateMode", "SNI_ONLY");
    ask_missing("caCertificateId");
    ask_refused(r, "registerCertificateWithoutCA", PROV_EINVAL, "InvalidRequestException",
                "{'certificatePem':'%s','caCertificatePem':'%s'}", ask_pem(r, &leaf),
                ask_pem(r, &leaf));
    pki_free(&leaf);
}

static void certificate_is_described_by_its_first_digits(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);

    ask_ok(r, "describeCertificate", "{'certificateId':'%.8s'}", ask_hex(&id));
    ask_text("certificateDescription.certificateId", ask_hex(&id));
    ask_refused(r, "describeCertificate", PROV_EINVAL, "InvalidRequestException",
                "{'certificateId':'%.7s'}", ask_hex(&id));
    ask_refused(r, "describeCertificate", PROV_ENOTFOUND, "ResourceNotFoundException",
                "{'certificateId':'00000000'}");
}

static void certificate_changes_status_by_the_table(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);

    ask_ok(r, "updateCertificate", "{'certificateId':'%.8s','newStatus':'INACTIVE'}", ask_hex(&id));
    ask_text("certificateId", ask_hex(&id));
    ask_text("status", "INACTIVE");
    ask_refused(r, "updateCertificate", PROV_EINVAL, "InvalidRequestException",
                "{'certificateId':'%s','newStatus':'PENDING_TRANSFER'}", ask_hex(&id));
    ask_refused(r, "updateCertificate", PROV_EINVAL, "InvalidRequestException",
                "{'certificateId':'%s','newStatus':'nonsense'}", ask_hex(&id));
    ask_place("newStatus", 0);
    ask_ok(r, "updateCertificate", "{'certificateId':'%s','newStatus':'REVOKED'}", ask_hex(&id));
    ask_refused(r, "updateCertificate", PROV_EDENIED, "CertificateStateException",
                "{'certificateId':'%s','newStatus':'ACTIVE'}", ask_hex(&id));
}

static void certificate_is_deleted_by_the_rules(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);

    ask_refused(r, "deleteCertificate", PROV_EDENIED, "CertificateStateException",
                "{'certificateId':'%s','forceDelete':true}", ask_hex(&id));
    ask_ok(r, "updateCertificate", "{'certificateId':'%s','newStatus':'REVOKED'}", ask_hex(&id));
    reg_policy(r, "p");
    ask_ok(r, "attachPolicy", "{'policyName':'p','target':'%s'}", ask_hex(&id));
    ask_refused(r, "deleteCertificate", PROV_EDENIED, "DeleteConflictException",
                "{'certificateId':'%s'}", ask_hex(&id));
    ask_refused(r, "deleteCertificate", PROV_EDENIED, "DeleteConflictException",
                "{'certificateId':'%s','forceDelete':false}", ask_hex(&id));
    ask_ok(r, "deleteCertificate", "{'certificateId':'%.8s','forceDelete':true}", ask_hex(&id));
    ask_text("certificateId", ask_hex(&id));
    assert_string_equal(reg_problems(r), "");
}

static void certificates_are_listed_by_status_and_ca(void **state)
{
    struct reg *r = *state;
    struct pki_cert ca = reg_pki_ca(r, "/CN=One"), leaf = reg_pki_leaf(r, &ca, "/CN=d");
    const struct prov_id ca_id = reg_ca(r, &ca, NULL), alone = reg_cert(r), id = id_of(&leaf);

    ask_ok(r, "registerCertificate", "{'certificatePem':'%s'}", ask_pem(r, &leaf));
    ask_ok(r, "listCertificates", "{}");
    ask_count("certificates", 2);
    ask_ok(r, "listCertificates", "{'status':'ACTIVE'}");
    assert_string_equal(ask_each("certificates", "certificateId"), ask_hex(&alone));
    ask_ok(r, "listCertificates", "{'status':'REVOKED'}");
    ask_count("certificates", 0);
    ask_refused(r, "listCertificates", PROV_EINVAL, "InvalidRequestException", "{'status':'LOST'}");
    ask_ok(r, "listCertificatesByCA", "{'caCertificateId':'%.8s'}", ask_hex(&ca_id));
    assert_string_equal(ask_each("certificates", "certificateId"), ask_hex(&id));
    ask_ok(r, "listCertificatesByCA", "{'caCertificateId':'%s','status':'ACTIVE'}",
           ask_hex(&ca_id));
    ask_count("certificates", 0);
    ask_refused(r, "listCertificatesByCA", PROV_ENOTFOUND, "ResourceNotFoundException",
                "{'caCertificateId':'0123456789'}");
    pki_free(&leaf);
    pki_free(&ca);
}

static void certificate_tells_its_policies_and_things(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);

    reg_policy(r, "p");
    reg_policy(r, "q");
    reg_thing(r, "t");
    ask_ok(r, "attachPolicy", "{'policyName':'q','target':'%s'}", ask_hex(&id));
    ask_ok(r, "attachPolicy", "{'policyName':'p','target':'%s'}", ask_hex(&id));
    ask_ok(r, "attachThingPrincipal", "{'thingName':'t','principal':'%s'}", ask_hex(&id));
    ask_ok(r, "listPrincipalPolicies", "{'principal':'%.8s'}", ask_hex(&id));
    assert_string_equal(ask_each("policies", "policyName"), "q p");
    ask_ok(r, "listAttachedPolicies", "{'target':'cert/%.8s'}", ask_hex(&id));
    assert_string_equal(ask_each("policies", "policyName"), "q p");
    ask_text("policies[0].policyArn", "arn:aws:iot:local:000000000000:policy/q");
    ask_ok(r, "listPrincipalThings", "{'principal':'arn:aws:iot:local:000000000000:cert/%s'}",
           ask_hex(&id));
    assert_string_equal(ask_each("things", NULL), "t");
}

static void principal_is_an_arn_of_here_or_an_id(void **state)
{
    static const char *const wrong[] = {
        "arn:aws:iot:elsewhere:000000000000:cert/0123456789",
        "arn:aws:iot:local:123456789012:cert/0123456789",
        "arn:aws:iot:local:000000000000:thing/a",
        "arn:aws:iot:local:000000000000",
        "cert/",
        "cert/xyz",
        "thing/0123456789",
        "",
    };
    struct reg *r = *state;

    for (size_t i = 0; i < PROV_COUNT(wrong); i++)
        ask_refused(r, "listPrincipalThings", PROV_EINVAL, "InvalidRequestException",
                    "{'principal':'%s'}", wrong[i]);
    ask_refused(r, "listPrincipalThings", PROV_EINVAL, "InvalidRequestException",
                "{'principal':'%s'}", wrong[0]);
    ask_said("arn:aws:iot:local:000000000000:");
    ask_place("principal", 0);
}

/* ---- what goes wrong on purpose -------------------------------------------------------------- */

struct material {
    const char *ca_pem, *leaf_pem;
};

static enum prov_rc register_both(struct reg *r, void *ctx)
{
    const struct material *m = ctx;
    const struct prov_api_op *ca = prov_api_find("registerCACertificate");
    cJSON *params, *data = NULL;
    enum prov_rc rc;

    params = cJSON_CreateObject();
    if (params == NULL || cJSON_AddStringToObject(params, "caCertificate", m->ca_pem) == NULL ||
        cJSON_AddStringToObject(params, "certificateMode", "SNI_ONLY") == NULL) {
        cJSON_Delete(params);
        return PROV_ENOMEM;
    }
    rc = prov_api_run(ca, NULL, &r->tx, params, &data);
    cJSON_Delete(params);
    cJSON_Delete(data);
    data = NULL;
    if (rc != PROV_OK)
        return rc;
    params = cJSON_CreateObject();
    if (params == NULL || cJSON_AddStringToObject(params, "certificatePem", m->leaf_pem) == NULL) {
        cJSON_Delete(params);
        return PROV_ENOMEM;
    }
    rc = prov_api_run(prov_api_find("registerCertificateWithoutCA"), NULL, &r->tx, params, &data);
    cJSON_Delete(params);
    cJSON_Delete(data);
    return rc;
}

static void registering_without_memory_does_nothing(void **state)
{
    struct reg *r = *state;
    struct pki_cert ca = reg_pki_ca(r, "/CN=One"), leaf = reg_pki_leaf(r, NULL, "/CN=d");
    char *ca_pem = pki_pem(ca.x509), *leaf_pem = pki_pem(leaf.x509);
    struct material m = { ca_pem, leaf_pem };

    assert_true(reg_each_allocation(r, register_both, &m) > 20);
    if (!r->lmdb)
        assert_true(reg_each_write(r, register_both, &m) > 5);
    free(ca_pem);
    free(leaf_pem);
    pki_free(&leaf);
    pki_free(&ca);
}

static const struct CMUnitTest api_cert[] = {
    ASK_TEST(ca_is_registered_as_it_was_asked_for),
    ASK_TEST(ca_is_inactive_and_without_auto_registration_unless_asked),
    ASK_TEST(ca_in_default_mode_needs_the_code_in_its_verification),
    ASK_TEST(ca_that_is_none_is_refused),
    ASK_TEST(ca_is_changed_in_what_is_given_and_nothing_else),
    ASK_TEST(change_of_a_ca_that_makes_no_sense_is_refused),
    ASK_TEST(ca_is_deleted_when_it_is_inactive),
    ASK_TEST(cas_are_listed_all_or_by_template),
    ASK_TEST(certificate_of_a_registered_ca_is_registered),
    ASK_TEST(status_of_a_new_certificate_is_what_was_asked_for),
    ASK_TEST(certificate_without_a_ca_is_registered_as_itself),
    ASK_TEST(certificate_is_described_by_its_first_digits),
    ASK_TEST(certificate_changes_status_by_the_table),
    ASK_TEST(certificate_is_deleted_by_the_rules),
    ASK_TEST(certificates_are_listed_by_status_and_ca),
    ASK_TEST(certificate_tells_its_policies_and_things),
    ASK_TEST(principal_is_an_arn_of_here_or_an_id),
    ASK_TEST(registering_without_memory_does_nothing),
};

REG_MAIN(api_cert)
