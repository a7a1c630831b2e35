/* The control API's table of operations, and what they take: names, types, what is missing. */
#include "core/api_priv.h"
#include "support/api_case.h"

/* ---- the table ------------------------------------------------------------------------------- */

static void operation_is_found_by_its_exact_name_only(void **state)
{
    const struct prov_api_op *op;

    (void)state;
    for (size_t i = 0; (op = prov_api_at(i)) != NULL; i++)
        assert_ptr_equal(prov_api_find(op->name), op);
    assert_null(prov_api_find("CreateThing"));
    assert_null(prov_api_find("creatething"));
    assert_null(prov_api_find("createThing "));
    assert_null(prov_api_find(""));
}

static void check_fields(const char *op, const struct prov_api_field *fields)
{
    for (const struct prov_api_field *f = fields; f->name != NULL; f++) {
        const bool nested = f->kind == PROV_API_OBJECT || f->kind == PROV_API_OBJECTS;

        if (nested != (f->members != NULL))
            fail_msg("%s: %s has members, or has none", op, f->name);
        for (const struct prov_api_field *g = fields; g != f; g++)
            assert_string_not_equal(f->name, g->name);
        if (nested)
            check_fields(op, f->members);
    }
}

static void operations_are_described_and_have_sensible_fields(void **state)
{
    const struct prov_api_op *op;

    (void)state;
    for (size_t i = 0; (op = prov_api_at(i)) != NULL; i++) {
        assert_true(op->name[0] >= 'a' && op->name[0] <= 'z');
        assert_true(strlen(op->name) <= 64);
        assert_true(strlen(op->summary) > 5 && op->summary[strlen(op->summary) - 1] == '.');
        assert_true(op->run != NULL || (op->stages != NULL && op->access == PROV_API_WRITE));
        check_fields(op->name, op->fields);
    }
}

/* Names are for ever: clients have them in their scripts. */
static void operations_are_these(void **state)
{
    static const char expected[] =
        "registerCACertificate describeCACertificate updateCACertificate deleteCACertificate "
        "listCACertificates getRegistrationCode importCertificateRevocationList "
        "registerCertificate registerCertificateWithoutCA describeCertificate "
        "updateCertificate deleteCertificate listCertificates listCertificatesByCA "
        "listPrincipalPolicies listPrincipalThings transferCertificate "
        "acceptCertificateTransfer rejectCertificateTransfer cancelCertificateTransfer "
        "createThing describeThing updateThing deleteThing listThings resetThing "
        "attachThingPrincipal detachThingPrincipal transferThingPrincipal listThingPrincipals "
        "listThingGroupsForThing createThingGroup describeThingGroup deleteThingGroup "
        "listThingGroups addThingToThingGroup removeThingFromThingGroup "
        "listThingsInThingGroup createThingType describeThingType deprecateThingType "
        "deleteThingType listThingTypes createBillingGroup describeBillingGroup "
        "deleteBillingGroup listBillingGroups addThingToBillingGroup "
        "removeThingFromBillingGroup listThingsInBillingGroup createPolicy getPolicy "
        "deletePolicy listPolicies createPolicyVersion getPolicyVersion listPolicyVersions "
        "setDefaultPolicyVersion deletePolicyVersion attachPolicy detachPolicy "
        "listAttachedPolicies listTargetsForPolicy testAuthorization "
        "createProvisioningTemplate describeProvisioningTemplate updateProvisioningTemplate "
        "deleteProvisioningTemplate listProvisioningTemplates "
        "createProvisioningTemplateVersion describeProvisioningTemplateVersion "
        "listProvisioningTemplateVersions deleteProvisioningTemplateVersion "
        ""
        "createProvisioningClaim createKeysAndCertificate createCertificateFromCsr "
        "describeClaimLimits updateClaimLimits deleteClaimLimits listClaimLimits "
        "suspendClaim resumeClaim addClaimParameterValues removeClaimParameterValues "
        "removeClaimParameterList listClaimParameterValues "
        "evaluateProvisioningTemplate listAttempts testConnection getRegistryStatus ";
    const struct prov_api_op *op;
    struct prov_buf names;

    (void)state;
    prov_buf_init(&names, 8192);
    for (size_t i = 0; (op = prov_api_at(i)) != NULL; i++)
        prov_buf_addf(&names, "%s ", op->name);
    assert_string_equal(prov_buf_cstr(&names), expected);
    prov_buf_release(&names);
}

/* What it tells the audit log of is a field that it has, or one of its answer. */
static void what_an_operation_is_about_is_a_name_or_an_id(void **state)
{
    static const char *const answered[] = { "certificateId", "policyVersionId", "versionId" };
    const struct prov_api_op *op;

    (void)state;
    for (size_t i = 0; (op = prov_api_at(i)) != NULL; i++) {
        for (size_t k = 0; k < 2 && op->about[k] != NULL; k++) {
            const struct prov_api_field *f = op->fields;
            bool known = false;

            for (size_t a = 0; a < PROV_COUNT(answered); a++)
                known = known || strcmp(op->about[k], answered[a]) == 0;
            while (f->name != NULL && strcmp(f->name, op->about[k]) != 0)
                f++;
            if (!known && f->name == NULL)
                fail_msg("%s has no %s", op->name, op->about[k]);
            assert_null(strstr(op->about[k], "Pem"));
            assert_null(strstr(op->about[k], "Document"));
        }
    }
}

static void mistyped_operation_has_a_nearest(void **state)
{
    (void)state;
    assert_string_equal(prov_api_nearest("creatThing"), "createThing");
    assert_string_equal(prov_api_nearest("CreateThing"), "createThing");
    assert_string_equal(prov_api_nearest("listCertificateByCA"), "listCertificatesByCA");
    assert_null(prov_api_nearest("xyzzy"));
    assert_null(prov_api_nearest(""));
}

/* ---- requests -------------------------------------------------------------------------------- */

static void every_operation_refuses_a_field_that_it_does_not_have(void **state)
{
    struct reg *r = *state;
    const struct prov_api_op *op;

    for (size_t i = 0; (op = prov_api_at(i)) != NULL; i++) {
        ask_refused(r, op->name, PROV_EINVAL, "InvalidRequestException", "{'qqqqqq':1}");
        ask_place("qqqqqq", 0);
        ask_said("no such field");
    }
}

static void every_operation_misses_what_it_needs(void **state)
{
    struct reg *r = *state;
    const struct prov_api_op *op;

    for (size_t i = 0; (op = prov_api_at(i)) != NULL; i++) {
        const struct prov_api_field *f = op->fields;

        while (f->name != NULL && !f->needed)
            f++;
        if (f->name == NULL)
            continue;
        ask_refused(r, op->name, PROV_EINVAL, "InvalidRequestException", "{}");
        ask_place(f->name, 0);
        ask_said("missing");
    }
}

static void every_field_of_every_operation_has_one_type(void **state)
{
    static const char *const values[] = {
        [PROV_API_TEXT] = "7",     [PROV_API_BOOL] = "'true'", [PROV_API_NUMBER] = "'1'",
        [PROV_API_TEXTS] = "'a'",  [PROV_API_MAP] = "['a']",   [PROV_API_OBJECT] = "'a'",
        [PROV_API_OBJECTS] = "{}",
    };
    struct reg *r = *state;
    const struct prov_api_op *op;

    for (size_t i = 0; (op = prov_api_at(i)) != NULL; i++) {
        for (const struct prov_api_field *f = op->fields; f->name != NULL; f++) {
            ask_refused(r, op->name, PROV_EINVAL, "InvalidRequestException", "{'%s':%s}", f->name,
                        values[f->kind]);
            ask_place(f->name, 0);
            ask_said("must be");
        }
    }
}

static void mistakes_have_the_path_of_their_place(void **state)
{
    static const struct {
        const char *op, *request, *path, *said;
    } cases[] = {
        { "createThing", "{'thingNam':'a'}", "thingNam", "did you mean \"thingName\"" },
        { "createThing", "{'ThingName':'a'}", "ThingName", "did you mean \"thingName\"" },
        { "createThing", "{'thingName':null}", "thingName", "must be a text" },
        { "createThing", "{'thingName':'a','attributePayload':{'attribute':{}}}",
          "attributePayload.attribute", "did you mean \"attributes\"" },
        { "createThing", "{'thingName':'a','attributePayload':{'attributes':{'x':1}}}",
          "attributePayload.attributes.x", "must be a text" },
        { "createThing", "{'thingName':'a','attributePayload':{'attributes':[]}}",
          "attributePayload.attributes", "must be an object whose values are texts" },
        { "createThing", "{'thingName':'a','attributePayload':{'merge':1}}",
          "attributePayload.merge", "must be true or false" },
        { "createThing", "{'thingName':'a','attributePayload':{'a\\u0001b':1}}",
          "attributePayload.a?b", "no such field" },
        { "createThingType",
          "{'thingTypeName':'a','thingTypeProperties':{'searchableAttributes':['x',1]}}",
          "thingTypeProperties.searchableAttributes[1]", "must be a text" },
        { "testAuthorization", "{'principal':'x','authInfos':[{'actionType':'CONNECT'}]}",
          "authInfos[0].resources", "is missing" },
        { "testAuthorization", "{'principal':'x','authInfos':[7]}", "authInfos[0]",
          "must be an object" },
        { "updateThing", "{'thingName':'a','expectedVersion':-1}", "expectedVersion",
          "from 0 to 4294967295" },
        { "updateThing", "{'thingName':'a','expectedVersion':1.5}", "expectedVersion",
          "whole number" },
        { "updateThing", "{'thingName':'a','expectedVersion':4294967296}", "expectedVersion",
          "whole number" },
        { "updateThing", "{'thingName':'a','expectedVersion':1e300}", "expectedVersion",
          "whole number" },
        { "describeThing", "[]", "", "an object" },
        { "describeThing", "'a'", "", "an object" },
    };
    struct reg *r = *state;

    for (size_t i = 0; i < PROV_COUNT(cases); i++) {
        ask_refused(r, cases[i].op, PROV_EINVAL, "InvalidRequestException", "%s", cases[i].request);
        ask_place(cases[i].path, 0);
        ask_said(cases[i].said);
    }
}

static void long_path_is_cut_and_not_overrun(void **state)
{
    struct reg *r = *state;
    char key[400];

    memset(key, 'k', sizeof key - 1);
    key[sizeof key - 1] = '\0';
    ask_refused(r, "createThing", PROV_EINVAL, "InvalidRequestException",
                "{'thingName':'a','attributePayload':{'attributes':{'%s':1}}}", key);
    ask_said("must be a text");
}

static void frame_of_a_message_is_passed_over_and_only_there(void **state)
{
    struct reg *r = *state;

    ask_ok(r, "createThing", "{'command':'createThing','correlationData':7,'thingName':'a'}");
    ask_text("thingName", "a");
    ask_refused(r, "createThing", PROV_EINVAL, "InvalidRequestException",
                "{'thingName':'a','attributePayload':{'command':'x'}}");
    ask_place("attributePayload.command", 0);
}

static void no_params_are_no_fields(void **state)
{
    struct reg *r = *state;
    cJSON *data = NULL;

    reg_ok(r, prov_api_run(prov_api_find("listThings"), NULL, &r->tx, NULL, &data));
    ask_keep(data);
    ask_count("things", 0);
    assert_int_equal(prov_api_run(prov_api_find("describeThing"), NULL, &r->tx, NULL, &data),
                     PROV_EINVAL);
    assert_null(data);
}

static void mistakes_need_nobody_to_tell(void **state)
{
    struct reg *r = *state;
    struct prov_tx quiet = { r->tx.txn, r->tx.now_ms, NULL };
    cJSON *params = cJSON_CreateObject(), *data = NULL;
    const struct prov_api_op *op;

    for (size_t i = 0; (op = prov_api_at(i)) != NULL; i++) {
        if (op->fields[0].name == NULL || !op->fields[0].needed)
            continue;
        assert_int_equal(prov_api_run(op, NULL, &quiet, params, &data), PROV_EINVAL);
        assert_null(data);
    }
    cJSON_Delete(params);
}

/* ---- errors ---------------------------------------------------------------------------------- */

static void errors_have_the_status_that_aws_gives_them(void **state)
{
    static const struct {
        const char *code;
        int status;
    } cases[] = {
        { "InvalidRequestException", 400 },
        { "MalformedPolicyException", 400 },
        { "CertificateValidationException", 400 },
        { "RegistrationCodeValidationException", 400 },
        { "ThrottlingException", 400 },
        { "UnauthorizedException", 401 },
        { "ResourceNotFoundException", 404 },
        { "CertificateStateException", 406 },
        { "ResourceAlreadyExistsException", 409 },
        { "DeleteConflictException", 409 },
        { "VersionConflictException", 409 },
        { "VersionsLimitExceededException", 409 },
        { "TransferConflictException", 409 },
        { "TransferAlreadyCompletedException", 410 },
        { "LimitExceededException", 410 },
        { "InternalFailureException", 500 },
        { "ServiceUnavailableException", 503 },
        { "NobodyKnowsThisException", 500 },
        { "", 500 },
    };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(cases); i++)
        assert_int_equal(prov_api_status(cases[i].code), cases[i].status);
}

static void error_class_leads_back_to_its_result(void **state)
{
    (void)state;
    for (int rc = PROV_EINVAL; rc <= PROV_EBUG; rc++)
        assert_int_equal(prov_api_rc(prov_rc_name((enum prov_rc)rc)), rc);
    assert_int_equal(prov_api_rc(prov_rc_name(PROV_OK)), PROV_EBUG);
    assert_int_equal(prov_api_rc("something"), PROV_EBUG);
    assert_int_equal(prov_api_rc(""), PROV_EBUG);
}

static const struct CMUnitTest api[] = {
    ASK_TEST(operation_is_found_by_its_exact_name_only),
    ASK_TEST(operations_are_described_and_have_sensible_fields),
    ASK_TEST(operations_are_these),
    ASK_TEST(what_an_operation_is_about_is_a_name_or_an_id),
    ASK_TEST(mistyped_operation_has_a_nearest),
    ASK_TEST(every_operation_refuses_a_field_that_it_does_not_have),
    ASK_TEST(every_operation_misses_what_it_needs),
    ASK_TEST(every_field_of_every_operation_has_one_type),
    ASK_TEST(mistakes_have_the_path_of_their_place),
    ASK_TEST(long_path_is_cut_and_not_overrun),
    ASK_TEST(frame_of_a_message_is_passed_over_and_only_there),
    ASK_TEST(no_params_are_no_fields),
    ASK_TEST(mistakes_need_nobody_to_tell),
    ASK_TEST(errors_have_the_status_that_aws_gives_them),
    ASK_TEST(error_class_leads_back_to_its_result),
};

REG_MAIN(api)
