/* Registry objects as the AWS IoT API's JSON (reference 2.9, 4.3, 5, 7, 8.7), on both stores. */
#include "support/reg_fixture.h"

#include "core/attempt.h"
#include "core/doc.h"
#include "core/view.h"
#include "support/alloc.h"

/* What these tests make is owned here and freed by the next call or the end of the test. */
static cJSON *shown;

static void show(cJSON *doc)
{
    cJSON_Delete(shown);
    shown = doc;
}

#define show_ok(r, call)                                                                           \
    do {                                                                                           \
        cJSON *out = NULL;                                                                         \
        reg_ok(r, call);                                                                           \
        show(out);                                                                                 \
    } while (0)

/* "a.b[0].c" of what is shown; NULL when it is not there. */
static const cJSON *at(const char *path)
{
    const cJSON *item = shown;
    char key[64];
    unsigned index;
    int n;

    while (item != NULL && *path != '\0') {
        if (sscanf(path, "[%u]%n", &index, &n) == 1)
            item = cJSON_GetArrayItem(item, (int)index);
        else if (sscanf(path, "%63[^.[]%n", key, &n) == 1)
            item = cJSON_GetObjectItemCaseSensitive(item, key);
        else
            fail_msg("a path that is none: %s", path);
        path += n;
        path += *path == '.';
    }
    return item;
}

static void expect_text(const char *path, const char *expected)
{
    const cJSON *item = at(path);

    if (!cJSON_IsString(item))
        fail_msg("%s is no text", path);
    assert_string_equal(cJSON_GetStringValue(item), expected);
}

static void expect_number(const char *path, double expected)
{
    const cJSON *item = at(path);

    if (!cJSON_IsNumber(item))
        fail_msg("%s is no number", path);
    if (item->valuedouble != expected)
        fail_msg("%s is %.17g, not %.17g", path, item->valuedouble, expected);
}

static void expect_bool(const char *path, bool expected)
{
    const cJSON *item = at(path);

    if (!cJSON_IsBool(item))
        fail_msg("%s is no bool", path);
    assert_int_equal(cJSON_IsTrue(item), expected);
}

/* The names of an object's members, in their order. */
static void expect_keys(const char *path, const char *expected)
{
    char names[1024] = "";
    size_t n = 0;
    const cJSON *item;

    if (at(path) == NULL)
        fail_msg("there is no %s", path);
    cJSON_ArrayForEach(item, at(path))
    {
        n += (size_t)snprintf(names + n, sizeof names - n, "%s%s", n == 0 ? "" : " ", item->string);
        assert_true(n < sizeof names);
    }
    assert_string_equal(names, expected);
}

static void expect_count(const char *path, int expected)
{
    if (!cJSON_IsArray(at(path)))
        fail_msg("%s is no array", path);
    assert_int_equal(cJSON_GetArraySize(at(path)), expected);
}

/* "arn:aws:iot:local:000000000000:<kind>/<64 digits>" */
static void expect_id_arn(const char *path, const char *kind, const struct prov_id *id)
{
    char hex[PROV_ID_HEX + 1], arn[160];

    prov_id_hex(id, hex);
    (void)snprintf(arn, sizeof arn, "arn:aws:iot:local:000000000000:%s/%s", kind, hex);
    expect_text(path, arn);
}

static void expect_id(const char *path, const struct prov_id *id)
{
    char hex[PROV_ID_HEX + 1];

    prov_id_hex(id, hex);
    expect_text(path, hex);
}

static void expect_uuid(const char *path)
{
    const char *shape = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    const char *text = cJSON_GetStringValue(at(path));

    assert_non_null(text);
    assert_int_equal(strlen(text), strlen(shape));
    for (size_t i = 0; shape[i] != '\0'; i++)
        assert_non_null(strchr(shape[i] == '-' ? "-" : "0123456789abcdef", text[i]));
}

static int setup(void **state)
{
    return reg_setup(state);
}

static int teardown(void **state)
{
    show(NULL);
    return reg_teardown(state);
}

#define VIEW_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* ---- certificates ---------------------------------------------------------------------------- */

#define JITP_BODY                                                                                  \
    "{'Resources':{'c':{'Type':'AWS::IoT::Certificate','Properties':"                              \
    "{'CertificateId':{'Ref':'AWS::IoT::Certificate::Id'}}}}}"

struct world {
    struct pki_cert ca, leaf;
    struct prov_id ca_id, id;
};

static struct world make_world(struct reg *r)
{
    struct world w = { .ca = reg_pki_ca(r, "/CN=Test CA") };
    struct prov_cert_registration reg = { .status = PROV_CERT_ACTIVE };

    reg_template(r, "jitp", JITP_BODY);
    w.ca_id = reg_ca(r, &w.ca, "jitp");
    w.leaf = reg_pki_leaf(r, &w.ca, "/CN=dev-1");
    reg.der = reg_der(r, &w.leaf);
    reg_ok(r, prov_cert_register(&r->tx, &reg, &w.id));
    reg_policy(r, "p");
    reg_thing(r, "dev-1");
    reg_ok(r, prov_policy_attach_cert(&r->tx, S("p"), &w.id));
    reg_ok(r, prov_thing_attach(&r->tx, S("dev-1"), &w.id, false));
    return w;
}

static void free_world(struct world *w)
{
    pki_free(&w->leaf);
    pki_free(&w->ca);
}

static enum prov_rc describe_cert(struct reg *r, const struct prov_id *id, cJSON **out)
{
    struct prov_cert cert;
    const enum prov_rc rc = prov_cert_get(&r->tx, id, &cert);

    return rc != PROV_OK ? rc : prov_view_cert(&r->tx, &cert, out);
}

static void certificate_is_described_as_describe_certificate_does(void **state)
{
    struct reg *r = *state;
    struct world w = make_world(r);
    char *pem = pki_pem(w.leaf.x509);

    reg_at(r, 60);
    reg_ok(r, prov_cert_set_status(&r->tx, &w.id, PROV_CERT_REVOKED));
    show_ok(r, describe_cert(r, &w.id, &out));
    expect_keys("", "certificateDescription policies things thingPrincipalType");
    expect_keys("certificateDescription",
                "certificateArn certificateId status certificateMode creationDate caCertificateId "
                "commonName ownedBy lastModifiedDate validity certificatePem");
    expect_text("certificateDescription.commonName", "dev-1");
    expect_text("thingPrincipalType", "NON_EXCLUSIVE_THING");
    expect_id_arn("certificateDescription.certificateArn", "cert", &w.id);
    expect_id("certificateDescription.certificateId", &w.id);
    expect_id("certificateDescription.caCertificateId", &w.ca_id);
    expect_text("certificateDescription.status", "REVOKED");
    expect_text("certificateDescription.certificateMode", "SNI_ONLY");
    expect_text("certificateDescription.ownedBy", "000000000000");
    expect_number("certificateDescription.creationDate", (double)REG_T0);
    expect_number("certificateDescription.lastModifiedDate", (double)REG_T0 + 60);
    expect_text("certificateDescription.certificatePem", pem);
    expect_count("policies", 1);
    expect_keys("policies[0]", "policyName policyArn");
    expect_text("policies[0].policyArn", "arn:aws:iot:local:000000000000:policy/p");
    expect_count("things", 1);
    expect_text("things[0]", "dev-1");
    free(pem);
    free_world(&w);
}

static void validity_is_in_seconds(void **state)
{
    struct reg *r = *state;
    struct world w = make_world(r);
    struct prov_cert cert;

    reg_ok(r, prov_cert_get(&r->tx, &w.id, &cert));
    show_ok(r, prov_view_cert(&r->tx, &cert, &out));
    expect_keys("certificateDescription.validity", "notBefore notAfter");
    expect_number("certificateDescription.validity.notBefore", (double)cert.not_before_s);
    expect_number("certificateDescription.validity.notAfter", (double)cert.not_after_s);
    free_world(&w);
}

static void times_have_milliseconds_behind_the_point(void **state)
{
    struct reg *r = *state;
    struct prov_billing_group group = { .name = S("b"), .created_ms = REG_T0 * 1000 + 123 };
    char *text;

    show_ok(r, prov_view_billing(&r->tx, &group, &out));
    text = cJSON_PrintUnformatted(at("billingGroupMetadata.creationDate"));
    assert_string_equal(text, "1700000000.123");
    cJSON_free(text);
}

static void certificate_without_a_ca_names_none(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);

    show_ok(r, describe_cert(r, &id, &out));
    assert_null(at("certificateDescription.caCertificateId"));
    expect_text("certificateDescription.certificateMode", "SNI_ONLY");
    expect_count("policies", 0);
    expect_count("things", 0);
    assert_null(at("thingPrincipalType"));
    assert_null(at("certificateDescription.transferData"));
}

static void certificate_is_listed_without_its_pem(void **state)
{
    struct reg *r = *state;
    struct world w = make_world(r);
    struct prov_cert cert;

    reg_ok(r, prov_cert_get(&r->tx, &w.id, &cert));
    show_ok(r, prov_view_cert_row(&r->tx, &cert, &out));
    expect_keys("", "certificateArn certificateId status certificateMode creationDate "
                    "caCertificateId commonName things");
    expect_id("certificateId", &w.id);
    expect_text("things[0]", "dev-1");
    free_world(&w);
}

static void ca_is_described_with_its_template(void **state)
{
    struct reg *r = *state;
    struct world w = make_world(r);
    char *pem = pki_pem(w.ca.x509);
    struct prov_ca ca;

    reg_ok(r, prov_ca_get(&r->tx, &w.ca_id, &ca));
    show_ok(r, prov_view_ca(&r->tx, &ca, &out));
    expect_keys("", "certificateDescription registrationConfig");
    expect_keys("certificateDescription",
                "certificateArn certificateId status creationDate autoRegistrationStatus validity "
                "subject certificateMode ownedBy lastModifiedDate certificatePem");
    expect_id_arn("certificateDescription.certificateArn", "cacert", &w.ca_id);
    expect_text("certificateDescription.status", "ACTIVE");
    expect_text("certificateDescription.autoRegistrationStatus", "ENABLE");
    expect_text("certificateDescription.certificatePem", pem);
    expect_text("registrationConfig.templateName", "jitp");
    show_ok(r, prov_view_ca_row(&r->tx, &ca, &out));
    expect_keys("", "certificateArn certificateId status creationDate autoRegistrationStatus "
                    "validity subject registrationConfig");
    expect_text("subject", "CN=Test CA");
    expect_text("registrationConfig.templateName", "jitp");
    free(pem);
    free_world(&w);
}

static void ca_without_a_template_has_no_registration_config(void **state)
{
    struct reg *r = *state;
    struct pki_cert cert = reg_pki_ca(r, "/CN=Plain CA");
    const struct prov_id id = reg_ca(r, &cert, NULL);
    struct prov_ca ca;

    reg_ok(r, prov_ca_update(&r->tx, &id,
                             &(struct prov_ca_change){ .active = &(bool){ false },
                                                       .auto_registration = &(bool){ false } }));
    reg_ok(r, prov_ca_get(&r->tx, &id, &ca));
    show_ok(r, prov_view_ca(&r->tx, &ca, &out));
    assert_null(at("registrationConfig"));
    expect_text("certificateDescription.status", "INACTIVE");
    expect_text("certificateDescription.autoRegistrationStatus", "DISABLE");
    pki_free(&cert);
}

static void hook_of_a_ca_is_told_beside_its_template(void **state)
{
    struct reg *r = *state;
    struct world w = make_world(r);
    struct prov_ca ca;

    reg_ok(r, prov_ca_get(&r->tx, &w.ca_id, &ca));
    show_ok(r, prov_view_ca(&r->tx, &ca, &out));
    assert_null(at("activationHook"));
    ca.hook = S("exec:/usr/local/bin/allow");
    show_ok(r, prov_view_ca(&r->tx, &ca, &out));
    expect_keys("activationHook", "targetArn");
    expect_text("activationHook.targetArn", "exec:/usr/local/bin/allow");
    show_ok(r, prov_view_ca_row(&r->tx, &ca, &out));
    expect_text("activationHook.targetArn", "exec:/usr/local/bin/allow");
    free_world(&w);
}

static void transfer_is_told_as_far_as_it_got(void **state)
{
    struct reg *r = *state;
    struct prov_id id = reg_cert(r);
    struct prov_cert cert;

    reg_ok(r, prov_cert_get(&r->tx, &id, &cert));
    cert.transfer_account = S("123456789012");
    cert.transfer_ms = REG_T0 * 1000;
    show_ok(r, prov_view_cert(&r->tx, &cert, &out));
    expect_keys("certificateDescription.transferData", "transferredTo transferDate");
    expect_text("certificateDescription.transferData.transferredTo", "123456789012");
    expect_number("certificateDescription.transferData.transferDate", (double)REG_T0);
    cert.transfer_message = S("yours");
    cert.transfer_reason = S("not mine");
    cert.rejected_ms = REG_T0 * 1000 + 500;
    show_ok(r, prov_view_cert(&r->tx, &cert, &out));
    expect_keys("certificateDescription.transferData",
                "transferredTo transferMessage rejectReason transferDate rejectDate");
    expect_number("certificateDescription.transferData.rejectDate", (double)REG_T0 + 0.5);
    cert.accepted_ms = REG_T0 * 1000;
    show_ok(r, prov_view_cert(&r->tx, &cert, &out));
    expect_number("certificateDescription.transferData.acceptDate", (double)REG_T0);
}

static void pem_is_what_openssl_writes(void **state)
{
    struct reg *r = *state;
    const enum pki_key kinds[] = { PKI_P256, PKI_P384, PKI_RSA_2048 };

    for (size_t i = 0; i < PROV_COUNT(kinds); i++) {
        struct pki_cert cert = reg_pki(r, &(struct pki_spec){ .key = kinds[i] });
        char *pem = pki_pem(cert.x509);
        struct prov_buf mine;

        prov_buf_init(&mine, 8192);
        prov_view_pem(reg_der(r, &cert), &mine);
        assert_string_equal(prov_buf_cstr(&mine), pem);
        prov_buf_release(&mine);
        free(pem);
        pki_free(&cert);
    }
}

/* ---- things and their groups ----------------------------------------------------------------- */

static void thing_is_described_with_its_groups_and_certificates(void **state)
{
    struct reg *r = *state;
    const struct prov_attr attrs[] = { { S("floor"), S("3") }, { S("site"), S("berlin") } };
    const struct prov_id id = reg_cert(r);
    struct prov_thing thing;

    reg_type(r, "sensor");
    reg_group(r, "g", NULL);
    reg_ok(r, prov_billing_create(&r->tx, S("bill"), NONE));
    reg_ok(r, prov_thing_create(&r->tx, S("t"), S("sensor"), attrs, 2));
    reg_ok(r, prov_group_add(&r->tx, S("g"), S("t")));
    reg_ok(r, prov_billing_add(&r->tx, S("bill"), S("t")));
    reg_ok(r, prov_thing_attach(&r->tx, S("t"), &id, false));
    reg_ok(r, prov_thing_get(&r->tx, S("t"), &thing));
    show_ok(r, prov_view_thing(&r->tx, &thing, &out));
    expect_keys("", "defaultClientId thingName thingArn thingTypeName attributes version thingId "
                    "billingGroupName creationDate lastModifiedDate thingGroups principals");
    expect_text("defaultClientId", "t");
    expect_text("thingArn", "arn:aws:iot:local:000000000000:thing/t");
    expect_text("thingTypeName", "sensor");
    expect_keys("attributes", "floor site");
    expect_text("attributes.site", "berlin");
    expect_number("version", thing.version);
    expect_text("billingGroupName", "bill");
    expect_text("thingGroups[0].groupName", "g");
    expect_text("thingGroups[0].groupArn", "arn:aws:iot:local:000000000000:thinggroup/g");
    expect_count("principals", 1);
    expect_id_arn("principals[0]", "cert", &id);
    expect_uuid("thingId");
    show_ok(r, prov_view_thing_row(&r->tx, &thing, &out));
    expect_keys("", "thingName thingArn thingTypeName attributes version thingGroupNames "
                    "creationDate principals");
    expect_text("thingGroupNames[0]", "g");
}

static void thing_without_type_and_attributes_says_so(void **state)
{
    struct reg *r = *state;
    struct prov_thing thing;

    reg_thing(r, "t");
    reg_ok(r, prov_thing_get(&r->tx, S("t"), &thing));
    show_ok(r, prov_view_thing(&r->tx, &thing, &out));
    assert_null(at("thingTypeName"));
    assert_null(at("billingGroupName"));
    assert_true(cJSON_IsObject(at("attributes")));
    expect_keys("attributes", "");
    expect_count("principals", 0);
}

static void group_names_those_above_it_from_the_root_down(void **state)
{
    struct reg *r = *state;
    struct prov_group group;

    reg_group(r, "earth", NULL);
    reg_group(r, "europe", "earth");
    reg_ok(r, prov_group_create(&r->tx, S("berlin"), S("europe"), S("the plant")));
    reg_policy(r, "p");
    reg_ok(r, prov_policy_attach_group(&r->tx, S("p"), S("berlin")));
    reg_ok(r, prov_group_get(&r->tx, S("berlin"), &group));
    show_ok(r, prov_view_group(&r->tx, &group, &out));
    expect_keys("", "thingGroupName thingGroupArn version thingGroupProperties thingGroupMetadata "
                    "policies");
    expect_text("thingGroupProperties.thingGroupDescription", "the plant");
    expect_keys("thingGroupProperties.attributePayload", "attributes");
    expect_keys("thingGroupMetadata", "parentGroupName rootToParentThingGroups creationDate");
    expect_text("thingGroupMetadata.parentGroupName", "europe");
    expect_count("thingGroupMetadata.rootToParentThingGroups", 2);
    expect_text("thingGroupMetadata.rootToParentThingGroups[0].groupName", "earth");
    expect_text("thingGroupMetadata.rootToParentThingGroups[1].groupName", "europe");
    expect_text("policies[0].policyName", "p");
    show_ok(r, prov_view_group_row(&r->tx, S("berlin"), &out));
    expect_keys("", "groupName groupArn parentGroupName thingGroupDescription policyNames "
                    "creationDate");
    expect_text("parentGroupName", "europe");
    expect_text("thingGroupDescription", "the plant");
    expect_text("policyNames[0]", "p");
}

static void group_at_the_root_has_nothing_above_it(void **state)
{
    struct reg *r = *state;
    struct prov_group group;

    reg_group(r, "earth", NULL);
    reg_ok(r, prov_group_get(&r->tx, S("earth"), &group));
    show_ok(r, prov_view_group(&r->tx, &group, &out));
    expect_keys("thingGroupMetadata", "creationDate");
    assert_null(at("thingGroupProperties.thingGroupDescription"));
}

static void type_tells_when_it_was_deprecated_and_only_then(void **state)
{
    struct reg *r = *state;
    struct prov_thing_type type = { .name = S("sensor"),
                                    .description = S("rooms"),
                                    .searchable = { S("site"), S("floor") },
                                    .n_searchable = 2 };

    reg_ok(r, prov_type_create(&r->tx, &type));
    reg_ok(r, prov_type_get(&r->tx, S("sensor"), &type));
    show_ok(r, prov_view_type(&r->tx, &type, &out));
    expect_keys("", "thingTypeName thingTypeArn thingTypeProperties thingTypeMetadata");
    expect_text("thingTypeProperties.thingTypeDescription", "rooms");
    expect_count("thingTypeProperties.searchableAttributes", 2);
    expect_keys("thingTypeMetadata", "deprecated creationDate");
    expect_bool("thingTypeMetadata.deprecated", false);
    reg_at(r, 5);
    reg_ok(r, prov_type_deprecate(&r->tx, S("sensor"), false));
    reg_ok(r, prov_type_get(&r->tx, S("sensor"), &type));
    show_ok(r, prov_view_type(&r->tx, &type, &out));
    expect_bool("thingTypeMetadata.deprecated", true);
    expect_number("thingTypeMetadata.deprecationDate", (double)REG_T0 + 5);
}

static void billing_group_is_described(void **state)
{
    struct reg *r = *state;
    struct prov_billing_group group;

    reg_ok(r, prov_billing_create(&r->tx, S("b"), S("whom to charge")));
    reg_ok(r, prov_billing_get(&r->tx, S("b"), &group));
    show_ok(r, prov_view_billing(&r->tx, &group, &out));
    expect_keys("", "billingGroupName billingGroupArn billingGroupProperties billingGroupMetadata");
    expect_text("billingGroupArn", "arn:aws:iot:local:000000000000:billinggroup/b");
    expect_text("billingGroupProperties.billingGroupDescription", "whom to charge");
    show_ok(r, prov_view_billing_row(&r->tx, S("b"), &out));
    expect_keys("", "groupName groupArn billingGroupDescription creationDate");
    expect_text("billingGroupDescription", "whom to charge");
    expect_text("groupArn", "arn:aws:iot:local:000000000000:billinggroup/b");
}

/* ---- policies and templates ------------------------------------------------------------------ */

static void policy_versions_are_told_as_text(void **state)
{
    struct reg *r = *state;
    struct prov_policy_info info;
    struct prov_version_info version;
    uint32_t number;

    reg_policy(r, "p");
    reg_ok(r, prov_policy_version_create(&r->tx, S("p"), S(REG_POLICY_TEXT), false, &number));
    reg_ok(r, prov_policy_get(&r->tx, S("p"), &info));
    reg_ok(r, prov_policy_version_get(&r->tx, S("p"), 0, &version));
    show_ok(r, prov_view_policy(&r->tx, &info, &version, &out));
    expect_keys("", "policyName policyArn policyDocument defaultVersionId creationDate "
                    "lastModifiedDate");
    expect_text("policyDocument", REG_POLICY_TEXT);
    expect_text("defaultVersionId", "1");
    show_ok(r, prov_view_policy_version(&r->tx, &info, &version, &out));
    expect_keys("", "policyName policyArn policyDocument policyVersionId isDefaultVersion "
                    "creationDate");
    expect_bool("isDefaultVersion", true);
    reg_ok(r, prov_policy_version_get(&r->tx, S("p"), number, &version));
    show_ok(r, prov_view_policy_version_row(&info, &version, &out));
    expect_keys("", "versionId isDefaultVersion createDate");
    expect_text("versionId", "2");
    expect_bool("isDefaultVersion", false);
    show_ok(r, prov_view_policy_row(&r->tx, S("p"), &out));
    expect_keys("", "policyName policyArn defaultVersionId creationDate lastModifiedDate");
    expect_text("defaultVersionId", "1");
}

static void row_of_what_is_not_there_is_damage(void **state)
{
    struct reg *r = *state;
    cJSON *out = (cJSON *)r;

    assert_int_equal(prov_view_policy_row(&r->tx, S("p"), &out), PROV_ESTORE);
    assert_null(out);
    assert_int_equal(prov_view_group_row(&r->tx, S("g"), &out), PROV_ESTORE);
    assert_int_equal(prov_view_billing_row(&r->tx, S("b"), &out), PROV_ESTORE);
    assert_non_null(strstr(r->err.text, "provctl check"));
}

static void template_versions_are_told_as_numbers(void **state)
{
    struct reg *r = *state;
    const struct prov_template_creation creation = {
        .name = S("t"),
        .description = S("all of them"),
        .body = reg_json(r, JITP_BODY),
        .type = PROV_TEMPLATE_FLEET,
    };
    struct prov_template_info info;
    struct prov_version_info version;

    reg_ok(r, prov_template_create(&r->tx, &creation));
    reg_ok(r, prov_template_get(&r->tx, S("t"), &info));
    reg_ok(r, prov_template_version_get(&r->tx, S("t"), 0, &version));
    show_ok(r, prov_view_template(&r->tx, &info, &version, &out));
    expect_keys("", "templateName templateArn description creationDate lastModifiedDate enabled "
                    "type defaultVersionId templateBody");
    expect_text("templateArn", "arn:aws:iot:local:000000000000:provisioningtemplate/t");
    expect_text("type", "FLEET_PROVISIONING");
    expect_bool("enabled", false);
    expect_number("defaultVersionId", 1);
    show_ok(r, prov_view_template_row(&r->tx, &info, &out));
    expect_keys("", "templateName templateArn description creationDate lastModifiedDate enabled "
                    "type defaultVersionId");
    show_ok(r, prov_view_template_version(&info, &version, &out));
    expect_keys("", "versionId creationDate isDefaultVersion templateBody");
    show_ok(r, prov_view_template_version_row(&info, &version, &out));
    expect_keys("", "versionId creationDate isDefaultVersion");
    expect_bool("isDefaultVersion", true);
}

static void hook_of_a_template_is_told_with_its_payload_version(void **state)
{
    struct reg *r = *state;
    const struct prov_version_info version = { .version = 1, .document = S("{}") };
    const struct prov_template_info info = { .name = S("t"), .hook = S("https://hooks.example/x") };

    show_ok(r, prov_view_template(&r->tx, &info, &version, &out));
    expect_keys("preProvisioningHook", "targetArn payloadVersion");
    expect_text("preProvisioningHook.targetArn", "https://hooks.example/x");
    expect_text("preProvisioningHook.payloadVersion", "2020-04-01");
}

/* ---- attempts -------------------------------------------------------------------------------- */

static void attempt_tells_reason_step_and_who(void **state)
{
    struct reg *r = *state;
    const struct prov_attempt attempt = {
        .id = prov_attempt_next_id(0, REG_T0 * 1000),
        .at_ms = REG_T0 * 1000,
        .reason = PROV_REASON_CERT_REVOKED,
        .cert = { { 1 } },
        .ca = { { 2 } },
        .client_id = S("dev-1"),
        .address = S("192.0.2.7"),
        .common_name = S("dev-1.example"),
        .detail = S("more"),
        .repeats = 3,
    };

    show_ok(r, prov_view_attempt(&attempt, &out));
    expect_keys("", "attemptId timestamp status step reason errorCode message details retryable "
                    "clientId principalId caCertificateId commonName sourceIp repeats");
    expect_text("status", "Failure");
    expect_text("step", "certificate");
    expect_text("reason", "certificate-revoked");
    expect_text("errorCode", "DEVICE_CERTIFICATE_REVOKED");
    expect_bool("retryable", false);
    expect_id("principalId", &attempt.cert);
    expect_number("timestamp", (double)REG_T0);
    expect_number("repeats", 3);
}

static void attempt_of_an_unknown_device_leaves_out_what_is_not_known(void **state)
{
    struct reg *r = *state;
    const struct prov_attempt attempt = { .id = 1, .reason = PROV_REASON_PROVISIONED };

    show_ok(r, prov_view_attempt(&attempt, &out));
    expect_keys("", "attemptId timestamp status step reason message retryable");
    expect_text("status", "Success");
    expect_text("attemptId", "0000000000000001");
}

static void what_is_not_utf8_is_replaced(void **state)
{
    static const struct {
        struct prov_span in;
        const char *out;
    } cases[] = {
        { { (const uint8_t *)"plain", 5 }, "plain" },
        { { NULL, 0 }, "" },
        { { (const uint8_t *)"a\0b", 3 },
          "a\xef\xbf\xbd"
          "b" },
        { { (const uint8_t *)"gr\xc3\xbc\xc3\x9f"
                             "e",
            7 },
          "gr\xc3\xbc\xc3\x9f"
          "e" },
        { { (const uint8_t *)"\xff\xfe", 2 }, "\xef\xbf\xbd\xef\xbf\xbd" },
        { { (const uint8_t *)"cut \xe2\x82", 6 }, "cut \xef\xbf\xbd\xef\xbf\xbd" },
        { { (const uint8_t *)"\xf0\x9f\x98\x80!", 5 }, "\xf0\x9f\x98\x80!" },
    };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(cases); i++) {
        cJSON *text = prov_doc_string(cases[i].in);

        assert_non_null(text);
        assert_string_equal(cJSON_GetStringValue(text), cases[i].out);
        cJSON_Delete(text);
    }
}

/* ---- failures -------------------------------------------------------------------------------- */

static void certificate_that_lost_its_der_is_an_error_and_no_document(void **state)
{
    struct reg *r = *state;
    struct prov_cert cert = { .id = { { 9 } }, .status = PROV_CERT_ACTIVE };
    cJSON *out = (cJSON *)&cert;

    assert_int_equal(prov_view_cert(&r->tx, &cert, &out), PROV_ESTORE);
    assert_non_null(strstr(r->err.text, "provctl check"));
    assert_null(out);
}

static void arn_is_put_only_while_the_document_is_good(void **state)
{
    struct reg *r = *state;
    struct prov_doc d = prov_doc_start(&r->tx);
    cJSON *out = (cJSON *)&d;

    (void)prov_doc_put(&d, d.root, "a", NULL);
    assert_null(prov_doc_arn(&d, "thing", S("t")));
    prov_doc_text(&d, d.root, "b", S("late"));
    assert_int_equal(prov_doc_end(&d, &out), PROV_ENOMEM);
    assert_null(out);
}

static enum prov_rc look_at_everything(struct reg *r, void *ctx)
{
    const struct world *w = ctx;
    struct prov_version_info version;
    struct prov_policy_info policy;
    struct prov_thing thing;
    struct prov_ca ca;
    cJSON *out = NULL;
    enum prov_rc rc;

    rc = describe_cert(r, &w->id, &out);
    cJSON_Delete(out);
    out = NULL;
    if (rc == PROV_OK)
        rc = prov_ca_get(&r->tx, &w->ca_id, &ca);
    if (rc == PROV_OK)
        rc = prov_view_ca(&r->tx, &ca, &out);
    cJSON_Delete(out);
    out = NULL;
    if (rc == PROV_OK)
        rc = prov_thing_get(&r->tx, S("dev-1"), &thing);
    if (rc == PROV_OK)
        rc = prov_view_thing(&r->tx, &thing, &out);
    cJSON_Delete(out);
    out = NULL;
    if (rc == PROV_OK)
        rc = prov_policy_get(&r->tx, S("p"), &policy);
    if (rc == PROV_OK)
        rc = prov_policy_version_get(&r->tx, S("p"), 0, &version);
    if (rc == PROV_OK)
        rc = prov_view_policy(&r->tx, &policy, &version, &out);
    cJSON_Delete(out);
    return rc;
}

static void view_without_memory_is_no_view_and_nothing_is_lost(void **state)
{
    struct reg *r = *state;
    struct world w = make_world(r);

    assert_true(reg_each_allocation(r, look_at_everything, &w) > 100);
    free_world(&w);
}

static const struct CMUnitTest view[] = {
    VIEW_TEST(certificate_is_described_as_describe_certificate_does),
    VIEW_TEST(validity_is_in_seconds),
    VIEW_TEST(times_have_milliseconds_behind_the_point),
    VIEW_TEST(certificate_without_a_ca_names_none),
    VIEW_TEST(certificate_is_listed_without_its_pem),
    VIEW_TEST(ca_is_described_with_its_template),
    VIEW_TEST(ca_without_a_template_has_no_registration_config),
    VIEW_TEST(hook_of_a_ca_is_told_beside_its_template),
    VIEW_TEST(transfer_is_told_as_far_as_it_got),
    VIEW_TEST(pem_is_what_openssl_writes),
    VIEW_TEST(thing_is_described_with_its_groups_and_certificates),
    VIEW_TEST(thing_without_type_and_attributes_says_so),
    VIEW_TEST(group_names_those_above_it_from_the_root_down),
    VIEW_TEST(group_at_the_root_has_nothing_above_it),
    VIEW_TEST(type_tells_when_it_was_deprecated_and_only_then),
    VIEW_TEST(billing_group_is_described),
    VIEW_TEST(policy_versions_are_told_as_text),
    VIEW_TEST(row_of_what_is_not_there_is_damage),
    VIEW_TEST(template_versions_are_told_as_numbers),
    VIEW_TEST(hook_of_a_template_is_told_with_its_payload_version),
    VIEW_TEST(attempt_tells_reason_step_and_who),
    VIEW_TEST(attempt_of_an_unknown_device_leaves_out_what_is_not_known),
    VIEW_TEST(what_is_not_utf8_is_replaced),
    VIEW_TEST(certificate_that_lost_its_der_is_an_error_and_no_document),
    VIEW_TEST(arn_is_put_only_while_the_document_is_good),
    VIEW_TEST(view_without_memory_is_no_view_and_nothing_is_lost),
};

REG_MAIN(view)
