/* What comes of a template once a device's parameters are known: parameters, JITP, plans. */
#include "test_template.h"

#include "support/alloc.h"

static const char *const usual[] = { BUILTIN "Id", CERT_ID, "A",     "alpha", "K", "k2", "N",
                                     "1",          "S",     "x-y-z", "Blank", "",  NULL };

#define DECLARED                                                                                   \
    "'Parameters':{'A':{'Type':'String'},'K':{'Type':'String'},'N':{'Type':'String'},"             \
    "'S':{'Type':'String'},'Blank':{'Type':'String','Default':'never'},"                           \
    "'D':{'Type':'String','Default':'fallback'}},"                                                 \
    "'Mappings':{'M':{'k1':{'url':'one','list':['a','b']},'k2':{'url':'two','list':['c']}},"       \
    "'x':{'y':{'z':'deep'}},'R':{'k1':{'arns':['arn:aws:iot:*:*:client/a','*']}}},"
#define STATEMENT(resource)                                                                        \
    "{'Version':'2012-10-17','Statement':[{'Effect':'Allow','Action':'iot:Connect',"               \
    "'Resource':" resource "}]}"
#define CONDITION(condition)                                                                       \
    "{'Version':'2012-10-17','Statement':[{'Effect':'Allow','Action':'iot:Connect',"               \
    "'Resource':'*','Condition':" condition "}]}"

/* ---- parameters (2.3) ------------------------------------------------------------------------ */

#define ONE_PARAM                                                                                  \
    "{'Parameters':{'P':{'Type':'String'}},'Resources':{'t':{'Type':'AWS::IoT::Thing',"            \
    "'Properties':{'ThingName':'n'}}},'DeviceConfiguration':{'p':{'Ref':'P'}}}"
#define ONE_DEFAULT                                                                                \
    "{'Parameters':{'P':{'Type':'String','Default':'d'}},'Resources':{'t':{"                       \
    "'Type':'AWS::IoT::Thing','Properties':{'ThingName':'n'}}},"                                   \
    "'DeviceConfiguration':{'p':{'Ref':'P'}}}"
#define UNUSED_PARAM                                                                               \
    "{'Parameters':{'P':{'Type':'String'}},'Resources':{'t':{'Type':'AWS::IoT::Thing',"            \
    "'Properties':{'ThingName':'n'}}},'DeviceConfiguration':{'p':'c'}}"

static void parameter_is_given_or_defaulted(void **state)
{
    static const struct {
        const char *text, *params[7], *gives;
    } cases[] = {
        { ONE_PARAM, { "P", "v", NULL }, "v" },
        { ONE_DEFAULT, { "P", "v", NULL }, "v" },
        { ONE_DEFAULT, { "P", "", NULL }, "" },
        { ONE_DEFAULT, { NULL }, "d" },
        { ONE_DEFAULT, { "p", "v", "PP", "w", NULL }, "d" }, /* not declared: ignored */
        { ONE_PARAM, { "P", "first", "x", "y", "P", "last" }, "last" },
        { UNUSED_PARAM, { "P", "v", NULL }, "c" },
        { ONE_PARAM, { NULL }, NULL },
        { ONE_PARAM, { "p", "v", NULL }, NULL },
        { UNUSED_PARAM, { NULL }, NULL },
    };
    struct prov_plan *plan;
    struct prov_err err;

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(cases); i++) {
        if (cases[i].gives == NULL) {
            assert_int_equal(eval(FLEET, cases[i].text, cases[i].params, &plan, &err), PROV_EINVAL);
            assert_string_equal(err.path, "Parameters.P");
            assert_string_equal(
                err.text, "the request gives no value for parameter \"P\", which has no Default");
            continue;
        }
        plan = eval_ok(FLEET, cases[i].text, cases[i].params);
        assert_string_equal(plan->config[0].value, cases[i].gives);
        prov_plan_free(plan);
    }
}

static void certificate_id_needs_no_declaration_but_a_value(void **state)
{
    static const char *const none[] = { NULL };
    static const char *const some[] = { BUILTIN "Id", CERT_ID, NULL };
    static const char text[] = "{'Resources':{" CERT "}}";
    struct prov_plan *plan;
    struct prov_err err;

    (void)state;
    plan = eval_ok(FLEET, text, some);
    assert_string_equal(plan->certificate_id, CERT_ID);
    prov_plan_free(plan);
    assert_int_equal(eval(FLEET, text, none, &plan, &err), PROV_EINVAL);
    assert_string_equal(err.path, "Resources.c.Properties.CertificateId.Ref");
}

static enum prov_rc eval_value(struct prov_span value, struct prov_plan **out, struct prov_err *err)
{
    struct prov_template *tpl = parsed(FLEET, ONE_PARAM);
    const struct prov_param p = { PROV_LIT("P"), value };
    enum prov_rc rc;

    rc = prov_template_eval(tpl, (struct prov_params){ &p, 1 }, out, err);
    prov_template_free(tpl);
    return rc;
}

static void parameter_values_are_bounded_text(void **state)
{
    static const struct prov_span bad[] = {
        PROV_LIT("a\0b"),
        PROV_LIT("\xff"),
        PROV_LIT("\xed\xa0\x80"),
        PROV_LIT("\xc3"),
    };
    uint8_t longest[PROV_MAX_PARAM_VALUE + 1];
    struct prov_plan *plan;
    struct prov_err err;

    (void)state;
    memset(longest, 'x', sizeof longest);
    assert_int_equal(eval_value(prov_span(longest, PROV_MAX_PARAM_VALUE), &plan, &err), PROV_OK);
    assert_int_equal(strlen(plan->config[0].value), PROV_MAX_PARAM_VALUE);
    prov_plan_free(plan);
    assert_int_equal(eval_value(prov_span(longest, sizeof longest), &plan, &err), PROV_EINVAL);
    assert_non_null(strstr(err.text, "4097 bytes; 4096 are allowed"));

    assert_int_equal(eval_value(PROV_LIT("\xc3\xa9\t"), &plan, &err), PROV_OK);
    prov_plan_free(plan);
    for (size_t i = 0; i < PROV_COUNT(bad); i++) {
        assert_int_equal(eval_value(bad[i], &plan, &err), PROV_EINVAL);
        assert_non_null(strstr(err.text, "not text"));
        assert_string_equal(err.path, "Parameters.P");
    }
    assert_int_equal(eval_value(prov_span(NULL, 0), &plan, &err), PROV_OK);
    assert_string_equal(plan->config[0].value, "");
    prov_plan_free(plan);
}

static void message_shows_a_device_value_as_printable_text(void **state)
{
    static const char *const pairs[] = { "P", "a\x1b[31m\n\xc3\xa9", NULL };
    struct prov_plan *plan;
    struct prov_err err;

    (void)state;
    assert_int_equal(eval(FLEET,
                          "{'Parameters':{'P':{'Type':'String'}},'Resources':{'t':{"
                          "'Type':'AWS::IoT::Thing','Properties':{'ThingName':{'Ref':'P'}}}}}",
                          pairs, &plan, &err),
                     PROV_EINVAL);
    assert_non_null(strstr(err.text, "\"a?[31m???\""));
    assert_string_equal(err.path, "Resources.t.Properties.ThingName");
}

/* ---- JITP (2.1, 2.3, 6.1) -------------------------------------------------------------------- */

/* A certificate as ident.c would describe it: every field of kind f has one value named after it.
 */
struct fake_ident {
    struct prov_ident ident;
    struct prov_span values[PROV_DN_FIELDS][2];
};

static const char *const field_values[PROV_DN_FIELDS] = {
    [PROV_DN_QUALIFIER] = "qualifier", [PROV_DN_COUNTRY] = "DE",
    [PROV_DN_ORGANIZATION] = "maker",  [PROV_DN_ORGANIZATIONAL_UNIT] = "unit",
    [PROV_DN_STATE] = "state",         [PROV_DN_COMMON_NAME] = "device-1",
    [PROV_DN_SERIAL_NUMBER] = "SN-1",
};

static void fake(struct fake_ident *f)
{
    memset(f, 0, sizeof *f);
    for (size_t i = 0; i < PROV_DN_FIELDS; i++) {
        f->values[i][0] = prov_span_str(field_values[i]);
        f->values[i][1] = PROV_LIT("second");
        f->ident.dn[PROV_SUBJECT][i].v = f->values[i];
        f->ident.dn[PROV_SUBJECT][i].n = field_values[i] == NULL ? 0 : 2;
        f->ident.dn[PROV_ISSUER][i] = f->ident.dn[PROV_SUBJECT][PROV_DN_COUNTRY];
    }
    f->ident.serial_hex = PROV_LIT("0badcafe");
}

static void lose(struct fake_ident *f, enum prov_dn_field field)
{
    f->ident.dn[PROV_SUBJECT][field].n = 0;
}

static struct prov_span find(const struct prov_param *v, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (prov_span_eq_str(v[i].name, name))
            return v[i].value;
    }
    return prov_span(NULL, 0);
}

static void builtin_parameters_are_the_first_values_of_the_subject(void **state)
{
    static const struct {
        const char *name, *value;
    } cases[] = {
        { BUILTIN "Id", CERT_ID },
        { BUILTIN "Country", "DE" },
        { BUILTIN "Organization", "maker" },
        { BUILTIN "OrganizationalUnit", "unit" },
        { BUILTIN "DistinguishedNameQualifier", "qualifier" },
        { BUILTIN "StateName", "state" },
        { BUILTIN "CommonName", "device-1" },
        { BUILTIN "SerialNumber", "SN-1" },
    };
    struct prov_param v[PROV_BUILTIN_PARAMS];
    struct fake_ident f;

    (void)state;
    fake(&f);
    assert_int_equal(PROV_COUNT(cases), PROV_BUILTIN_PARAMS);
    assert_int_equal(prov_params_builtin(&f.ident, PROV_LIT(CERT_ID), v), PROV_BUILTIN_PARAMS);
    for (size_t i = 0; i < PROV_COUNT(cases); i++) {
        const struct prov_span value = find(v, PROV_BUILTIN_PARAMS, cases[i].name);

        if (!prov_span_eq_str(value, cases[i].value))
            fail_msg("%s is %.*s", cases[i].name, PROV_SPAN_ARG(value));
    }
}

static void absent_subject_fields_give_no_parameter(void **state)
{
    struct prov_param v[PROV_BUILTIN_PARAMS];
    struct fake_ident f;
    size_t n;

    (void)state;
    fake(&f);
    lose(&f, PROV_DN_COUNTRY);
    lose(&f, PROV_DN_SERIAL_NUMBER);
    n = prov_params_builtin(&f.ident, PROV_LIT(CERT_ID), v);
    assert_int_equal(n, PROV_BUILTIN_PARAMS - 1);
    assert_null(find(v, n, BUILTIN "Country").p);
    /* the certificate's own serial number stands in for the attribute */
    assert_true(prov_span_eq_str(find(v, n, BUILTIN "SerialNumber"), "0badcafe"));
    for (size_t i = 0; i < PROV_DN_FIELDS; i++)
        lose(&f, (enum prov_dn_field)i);
    f.ident.serial_hex.n = 0;
    assert_int_equal(prov_params_builtin(&f.ident, PROV_LIT(CERT_ID), v), 1);
}

static void jitp_fails_when_the_certificate_lacks_a_declared_field(void **state)
{
    static const char text[] =
        "{'Parameters':{'" BUILTIN "Country':{'Type':'String'},'" BUILTIN
        "StateName':{'Type':'String','Default':'none'}},'Resources':{'t':{"
        "'Type':'AWS::IoT::Thing','Properties':{'ThingName':" ID ",'AttributePayload':{"
        "'state':{'Ref':'" BUILTIN "StateName'}}}}," CERT "}}";
    struct prov_template *tpl = parsed(JITP, text);
    struct prov_param v[PROV_BUILTIN_PARAMS];
    struct prov_plan *plan;
    struct fake_ident f;
    struct prov_err err;
    size_t n;

    (void)state;
    fake(&f);
    lose(&f, PROV_DN_STATE);
    n = prov_params_builtin(&f.ident, PROV_LIT(CERT_ID), v);
    assert_int_equal(prov_template_eval(tpl, (struct prov_params){ v, n }, &plan, &err), PROV_OK);
    assert_string_equal(plan->thing_name, CERT_ID);
    assert_string_equal(plan->attrs[0].value, "none");
    prov_plan_free(plan);

    lose(&f, PROV_DN_COUNTRY);
    n = prov_params_builtin(&f.ident, PROV_LIT(CERT_ID), v);
    assert_int_equal(prov_template_eval(tpl, (struct prov_params){ v, n }, &plan, &err),
                     PROV_EINVAL);
    assert_null(plan);
    assert_string_equal(err.path, "Parameters." BUILTIN "Country");
    assert_non_null(strstr(err.text, "the certificate gives no value"));
    prov_template_free(tpl);
}

/* The templates folder lies two above this file's. */
static struct prov_template *shipped(const char *name, enum prov_template_type type)
{
    static const char here[] = "tests/unit/test_template_eval.c";
    char path[512], json[PROV_MAX_TEMPLATE_BODY];
    struct prov_template *tpl;
    struct prov_err err;
    FILE *f;
    size_t n;

    assert_true(sizeof __FILE__ >= sizeof here);
    (void)snprintf(path, sizeof path, "%.*stemplates/%s", (int)(sizeof __FILE__ - sizeof here),
                   __FILE__, name);
    f = fopen(path, "r");
    if (f == NULL)
        fail_msg("cannot read %s", path);
    n = fread(json, 1, sizeof json, f);
    (void)fclose(f);
    if (prov_template_parse(prov_span(json, n), type, &tpl, &err) != PROV_OK)
        fail_msg("%s:%u:%u: %s: %s", name, err.line, err.col, err.path, err.text);
    return tpl;
}

static struct prov_plan *eval_shipped(const char *name, const struct fake_ident *f)
{
    struct prov_template *tpl = shipped(name, JITP);
    struct prov_param v[PROV_BUILTIN_PARAMS];
    struct prov_plan *plan;
    struct prov_err err;
    size_t n;

    n = prov_params_builtin(&f->ident, PROV_LIT(CERT_ID), v);
    if (prov_template_eval(tpl, (struct prov_params){ v, n }, &plan, &err) != PROV_OK)
        fail_msg("%s: %s: %s", name, err.path, err.text);
    prov_template_free(tpl);
    assert_string_equal(plan->thing_name, "device-1");
    assert_string_equal(plan->certificate_id, CERT_ID);
    assert_true(plan->activate);
    assert_int_equal(plan->n_policies, 1);
    assert_string_equal(plan->policies[0].name, "telemetry-device");
    assert_null(plan->policies[0].document);
    return plan;
}

static void shipped_templates_name_devices_by_their_certificates(void **state)
{
    struct prov_plan *plan;
    struct fake_ident f;

    (void)state;
    fake(&f);
    plan = eval_shipped("jitp-by-cn.json", &f);
    assert_int_equal(plan->n_attrs, 1);
    assert_string_equal(plan->attrs[0].name, "serialNumber");
    assert_string_equal(plan->attrs[0].value, "SN-1");
    assert_int_equal(plan->on_attrs, PROV_MERGE);
    assert_false(plan->has_groups);
    prov_plan_free(plan);

    plan = eval_shipped("jitp-groups-by-ou.json", &f);
    assert_int_equal(plan->n_groups, 1);
    assert_string_equal(plan->groups[0], "unit");
    assert_int_equal(plan->on_groups, PROV_MERGE);
    prov_plan_free(plan);

    lose(&f, PROV_DN_ORGANIZATIONAL_UNIT);
    plan = eval_shipped("jitp-groups-by-ou.json", &f);
    assert_string_equal(plan->groups[0], "unsorted");
    prov_plan_free(plan);
}

static void shipped_fleet_template_names_devices_by_serial_number(void **state)
{
    static const struct prov_param params[] = {
        { PROV_LIT("SerialNumber"), PROV_LIT("SN-1") },
        { PROV_LIT(PROV_PARAM_CERTIFICATE_ID), PROV_LIT(CERT_ID) },
        { PROV_LIT("DeviceLocation"), PROV_LIT("berlin") },
    };
    struct prov_template *tpl = shipped("fleet-by-serial.json", FLEET);
    struct prov_plan *plan;
    struct prov_err err;

    (void)state;
    assert_int_equal(prov_template_eval(tpl, (struct prov_params){ params, 3 }, &plan, &err),
                     PROV_OK);
    assert_string_equal(plan->thing_name, "dev-SN-1");
    assert_string_equal(plan->certificate_id, CERT_ID);
    assert_string_equal(plan->policies[0].name, "fleet-device");
    assert_int_equal(plan->n_config, 2);
    assert_string_equal(plan->config[1].value, "time.berlin.example.com");
    prov_plan_free(plan);
    assert_int_equal(prov_template_eval(tpl, (struct prov_params){ params, 2 }, &plan, &err),
                     PROV_OK);
    assert_string_equal(plan->config[0].value, "unknown");
    prov_plan_free(plan);
    assert_int_equal(prov_template_eval(tpl, (struct prov_params){ params + 1, 2 }, &plan, &err),
                     PROV_EINVAL);
    prov_template_free(tpl);
}

/* ---- plans (2.4, 2.5) ------------------------------------------------------------------------ */

static void plan_holds_all_that_a_fleet_template_says(void **state)
{
    static const char *const pairs[] = { "Serial",     "42",    "Site", "north",
                                         BUILTIN "Id", CERT_ID, NULL };
    struct prov_plan *plan;

    (void)state;
    plan = eval_ok(
        FLEET,
        "{'Parameters':{'Serial':{'Type':'String'},'Site':{'Type':'String','Default':'south'},"
        "'AWS::IoT::Certificate::Id':{'Type':'String'}},"
        "'Mappings':{'Sites':{'north':{'url':'https://n.example'},'south':{'url':'x'}}},"
        "'Resources':{'c':{'Type':'AWS::IoT::Certificate','Properties':{'CertificateId':" ID
        ",'Status':'Active','ThingPrincipalType':'EXCLUSIVE_THING'},"
        "'OverrideSettings':{'Status':'REPLACE'}},"
        "'t':{'Type':'AWS::IoT::Thing','DependsOn':['c'],'Properties':{"
        "'ThingName':{'Fn::Join':['-',['dev',{'Ref':'Serial'}]]},"
        "'AttributePayload':{'sn':{'Ref':'Serial'},'version':'v1','gone':''},"
        "'ThingTypeName':'bulb','ThingGroups':['all',{'Ref':'Site'}],"
        "'BillingGroup':'bill','PackageVersions':{'fw':'1.2'}},"
        "'OverrideSettings':{'AttributePayload':'MERGE','ThingTypeName':'REPLACE',"
        "'ThingGroups':'DO_NOTHING','BillingGroup':'FAIL'}},"
        "'p':{'Type':'AWS::IoT::Policy','Properties':{'PolicyName':'first'}},"
        "'q':{'Type':'AWS::IoT::Policy','Properties':{'PolicyDocument':" STATEMENT(
            "'*'") "}}},"
                   "'DeviceConfiguration':{'z':'literal','a':{'Fn::FindInMap':['Sites',{'Ref':'"
                   "Site'},"
                   "'url']}}}",
        pairs);
    assert_string_equal(plan->thing_name, "dev-42");
    assert_string_equal(plan->thing_type, "bulb");
    assert_string_equal(plan->billing_group, "bill");
    assert_true(plan->has_attrs);
    assert_int_equal(plan->n_attrs, 3);
    assert_string_equal(plan->attrs[0].name, "sn");
    assert_string_equal(plan->attrs[0].value, "42");
    assert_string_equal(plan->attrs[1].value, "v1");
    assert_string_equal(plan->attrs[2].value, "");
    assert_true(plan->has_groups);
    assert_int_equal(plan->n_groups, 2);
    assert_string_equal(plan->groups[0], "all");
    assert_string_equal(plan->groups[1], "north");
    assert_int_equal(plan->on_attrs, PROV_MERGE);
    assert_int_equal(plan->on_type, PROV_REPLACE);
    assert_int_equal(plan->on_groups, PROV_DO_NOTHING);
    assert_int_equal(plan->on_billing_group, PROV_FAIL);
    assert_string_equal(plan->certificate_id, CERT_ID);
    assert_true(plan->activate);
    assert_int_equal(plan->attach, PROV_ATTACH_EXCLUSIVE);
    assert_int_equal(plan->on_status, PROV_REPLACE);
    assert_int_equal(plan->n_policies, 2);
    assert_string_equal(plan->policies[0].name, "first");
    assert_null(plan->policies[0].document);
    assert_null(plan->policies[1].name);
    assert_non_null(plan->policies[1].document);
    assert_int_equal(plan->n_config, 2);
    assert_string_equal(plan->config[0].name, "z");
    assert_string_equal(plan->config[0].value, "literal");
    assert_string_equal(plan->config[1].name, "a");
    assert_string_equal(plan->config[1].value, "https://n.example");
    prov_plan_free(plan);
}

static void plan_of_a_bare_template_says_nothing_else(void **state)
{
    static const char *const pairs[] = { BUILTIN "Id", CERT_ID, NULL };
    struct prov_plan *plan;

    (void)state;
    plan = eval_ok(FLEET, "{'Resources':{" CERT "}}", pairs);
    assert_null(plan->thing_name);
    assert_false(plan->has_attrs);
    assert_false(plan->has_groups);
    assert_true(plan->activate);
    assert_int_equal(plan->attach, PROV_ATTACH_UNSAID);
    assert_int_equal(plan->on_status, PROV_OVERRIDE_DEFAULT);
    assert_int_equal(plan->n_policies, 0);
    assert_int_equal(plan->n_config, 0);
    prov_plan_free(plan);

    plan = eval_ok(FLEET,
                   "{'Resources':{'t':{'Type':'AWS::IoT::Thing','Properties':{'ThingName':'n',"
                   "'AttributePayload':{},'ThingGroups':[]}}}}",
                   pairs);
    assert_null(plan->certificate_id);
    assert_false(plan->activate);
    assert_null(plan->thing_type);
    assert_null(plan->billing_group);
    assert_true(plan->has_attrs && plan->n_attrs == 0);
    assert_true(plan->has_groups && plan->n_groups == 0);
    assert_int_equal(plan->on_attrs, PROV_OVERRIDE_DEFAULT);
    assert_int_equal(plan->on_type, PROV_OVERRIDE_DEFAULT);
    assert_int_equal(plan->on_groups, PROV_OVERRIDE_DEFAULT);
    assert_int_equal(plan->on_billing_group, PROV_OVERRIDE_DEFAULT);
    prov_plan_free(plan);
}

static void override_settings_mean_the_same_in_both_spellings(void **state)
{
    static const char *const settings[] = {
        "'AttributePayload':'FAIL','ThingTypeName':'DO_NOTHING','ThingGroups':'REPLACE',"
        "'BillingGroup':'REPLACE'",
        "'ATTRIBUTE_PAYLOAD':'FAIL','THING_TYPE_NAME':'DO_NOTHING','THING_GROUPS':'REPLACE',"
        "'BILLING_GROUP':'REPLACE'",
    };
    struct prov_plan *plan;
    char text[1024];

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(settings); i++) {
        (void)snprintf(text, sizeof text,
                       "{'Resources':{'t':{'Type':'AWS::IoT::Thing','Properties':{'ThingName':"
                       "'n'},'OverrideSettings':{%s}}}}",
                       settings[i]);
        plan = eval_ok(FLEET, text, &(const char *){ NULL });
        assert_int_equal(plan->on_attrs, PROV_FAIL);
        assert_int_equal(plan->on_type, PROV_DO_NOTHING);
        assert_int_equal(plan->on_groups, PROV_REPLACE);
        assert_int_equal(plan->on_billing_group, PROV_REPLACE);
        prov_plan_free(plan);
    }
}

static void status_is_read_in_any_case(void **state)
{
    static const struct {
        const char *status;
        bool activate;
    } cases[] = {
        { "ACTIVE", true },    { "Active", true },    { "active", true },
        { "INACTIVE", false }, { "Inactive", false },
    };
    static const char *const pairs[] = { BUILTIN "Id", CERT_ID, NULL };
    struct prov_plan *plan;
    char text[512];

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(cases); i++) {
        (void)snprintf(text, sizeof text,
                       "{'Resources':{'c':{'Type':'AWS::IoT::Certificate','Properties':{"
                       "'CertificateId':" ID ",'Status':'%s'}}}}",
                       cases[i].status);
        plan = eval_ok(JITP, text, pairs);
        assert_int_equal(plan->activate, cases[i].activate);
        prov_plan_free(plan);
    }
}

/* ---- the rest -------------------------------------------------------------------------------- */

static void out_of_memory_is_reported_and_leaks_nothing(void **state)
{
    struct prov_template *tpl = parsed(
        FLEET,
        "{" DECLARED "'Resources':{'t':{'Type':'AWS::IoT::Thing','Properties':{"
        "'ThingName':{'Fn::Join':['-',[{'Ref':'A'},'n']]},'ThingGroups':{'Fn::Split':['-',"
        "{'Ref':'S'}]},'AttributePayload':{'a':{'Fn::Sub':['${v}',{'v':{'Ref':'A'}}]}}}}," CERT
        ",'p':{'Type':'AWS::IoT::Policy','Properties':{'PolicyDocument':" STATEMENT(
            "{'Fn::Sub':'arn:aws:iot:*:*:client/${A}'}") "}}},'DeviceConfiguration':{'a':{'Ref':'A'"
                                                         "}}}");
    struct prov_param room[16];
    const struct prov_params params = params_of(usual, room);
    struct prov_plan *plan;
    struct prov_err err;
    enum prov_rc rc;
    unsigned n;

    (void)state;
    for (n = 1;; n++) {
        alloc_fail_at(n);
        rc = prov_template_eval(tpl, params, &plan, &err);
        if (!alloc_failed())
            break;
        assert_int_equal(rc, PROV_ENOMEM);
        assert_int_equal(err.rc, PROV_ENOMEM);
        assert_null(plan);
    }
    assert_int_equal(rc, PROV_OK);
    assert_true(n > 10);
    prov_plan_free(plan);
    prov_plan_free(NULL);
    prov_template_free(tpl);
    prov_template_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameter_is_given_or_defaulted),
        cmocka_unit_test(certificate_id_needs_no_declaration_but_a_value),
        cmocka_unit_test(parameter_values_are_bounded_text),
        cmocka_unit_test(message_shows_a_device_value_as_printable_text),
        cmocka_unit_test(builtin_parameters_are_the_first_values_of_the_subject),
        cmocka_unit_test(absent_subject_fields_give_no_parameter),
        cmocka_unit_test(jitp_fails_when_the_certificate_lacks_a_declared_field),
        cmocka_unit_test(shipped_templates_name_devices_by_their_certificates),
        cmocka_unit_test(shipped_fleet_template_names_devices_by_serial_number),
        cmocka_unit_test(plan_holds_all_that_a_fleet_template_says),
        cmocka_unit_test(plan_of_a_bare_template_says_nothing_else),
        cmocka_unit_test(override_settings_mean_the_same_in_both_spellings),
        cmocka_unit_test(status_is_read_in_any_case),
        cmocka_unit_test(out_of_memory_is_reported_and_leaks_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
