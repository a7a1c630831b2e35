/*
 * The rows and examples of reference section 2, one case each, with what comes of it to the letter,
 * or why it is refused.
 */
#include "test_template.h"

#define STATEMENT "{'Effect':'Allow','Action':'iot:Publish','Resource':'arn:aws:iot:*:*:topic/a'}"
#define OBJECT "{'Version':'2012-10-17','Statement':[" STATEMENT "]}"
#define ESCAPED                                                                                    \
    "'{\\'Version\\':\\'2012-10-17\\',\\'Statement\\':[{\\'Effect\\':\\'Allow\\',"                 \
    "\\'Action\\':\\'iot:Publish\\',\\'Resource\\':\\'arn:aws:iot:*:*:topic/a\\'}]}'"
#define THING(p) "'t':{'Type':'AWS::IoT::Thing','Properties':{" p "}}"
#define THING_SETTING(p, s)                                                                        \
    RESOURCES("'t':{'Type':'AWS::IoT::Thing','Properties':{'ThingName':'n'," p                     \
              "},'OverrideSettings':{" s "}}")
#define CERTIFICATE(p) "'c':{'Type':'AWS::IoT::Certificate','Properties':{" p "}}"
#define POLICY(p) "'p':{'Type':'AWS::IoT::Policy','Properties':{" p "}}"
#define DECLARING(p, r) "{'Parameters':{" p "},'Resources':{" r "}}"
#define STRING "{'Type':'String'}"
#define CONFIG(v) "{'Resources':{" CERT "},'DeviceConfiguration':{'v':" v "}}"
/* of a parameter P, and maps */
#define VALUE(v)                                                                                   \
    "{'Parameters':{'P':" STRING "},'Mappings':{'Map':{'eu':{'url':'e','zones':['a','b']},"        \
    "'us':{'url':'u','zones':['c']}}},'Resources':{" CERT "},'DeviceConfiguration':{'v':" v "}}"
#define SELF "cert " CERT_ID " ACTIVE"

/* ---- plans as text --------------------------------------------------------------------------- */

struct out {
    char text[2048];
    size_t n;
};

#define PUT(o, ...)                                                                                \
    do {                                                                                           \
        (o)->n += (size_t)snprintf((o)->text + (o)->n, sizeof(o)->text - (o)->n, __VA_ARGS__);     \
        assert_true((o)->n < sizeof(o)->text);                                                     \
    } while (0)

static const char *setting(enum prov_override override)
{
    static const char *const names[] = {
        [PROV_OVERRIDE_DEFAULT] = "", [PROV_DO_NOTHING] = " DO_NOTHING",
        [PROV_REPLACE] = " REPLACE",  [PROV_FAIL] = " FAIL",
        [PROV_MERGE] = " MERGE",
    };

    return names[override];
}

static void put_pairs(struct out *o, const struct prov_plan_attr *pairs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        PUT(o, " %s=%s", pairs[i].name, pairs[i].value);
}

static void put_thing(struct out *o, const struct prov_plan *plan)
{
    if (plan->thing_name != NULL)
        PUT(o, "thing %s; ", plan->thing_name);
    if (plan->has_attrs) {
        PUT(o, "attrs%s", setting(plan->on_attrs));
        put_pairs(o, plan->attrs, plan->n_attrs);
        PUT(o, "; ");
    }
    if (plan->thing_type != NULL)
        PUT(o, "type%s %s; ", setting(plan->on_type), plan->thing_type);
    if (plan->has_groups) {
        PUT(o, "groups%s", setting(plan->on_groups));
        for (size_t i = 0; i < plan->n_groups; i++)
            PUT(o, " %s", plan->groups[i]);
        PUT(o, "; ");
    }
    if (plan->billing_group != NULL)
        PUT(o, "billing%s %s; ", setting(plan->on_billing_group), plan->billing_group);
}

/* "thing n; attrs MERGE a=1; cert … ACTIVE; policy p; tell k=v": everything that the plan says. */
static const char *plan_text(const struct prov_plan *plan, struct out *o)
{
    static const char *const kinds[] = {
        [PROV_ATTACH_UNSAID] = "",
        [PROV_ATTACH_EXCLUSIVE] = " exclusive",
        [PROV_ATTACH_SHARED] = " shared",
    };

    o->n = 0;
    o->text[0] = '\0';
    put_thing(o, plan);
    if (plan->certificate_id != NULL)
        PUT(o, "cert %s %s%s%s; ", plan->certificate_id, plan->activate ? "ACTIVE" : "INACTIVE",
            setting(plan->on_status), kinds[plan->attach]);
    for (size_t i = 0; i < plan->n_policies; i++)
        PUT(o, "policy %s; ",
            plan->policies[i].name != NULL ? plan->policies[i].name : plan->policies[i].document);
    if (plan->n_config != 0) {
        PUT(o, "tell");
        put_pairs(o, plan->config, plan->n_config);
        PUT(o, "; ");
    }
    o->text[o->n - 2] = '\0'; /* a plan says something */
    return o->text;
}

struct example {
    const char *row; /* of the reference */
    enum prov_template_type type;
    const char *text;
    const char *params[7]; /* besides the certificate's id */
    const char *plan;      /* or NULL: refused, */
    const char *path, *says;
};

static void give(const struct example *e, struct prov_param *v, size_t *n)
{
    for (*n = 0; e->params[2 * *n] != NULL; (*n)++)
        v[*n] = (struct prov_param){ prov_span_str(e->params[2 * *n]),
                                     prov_span_str(e->params[2 * *n + 1]) };
    v[(*n)++] = (struct prov_param){ PROV_LIT(PROV_PARAM_CERTIFICATE_ID), PROV_LIT(CERT_ID) };
}

static enum prov_rc run(const struct example *e, struct prov_plan **plan, struct prov_err *err)
{
    struct prov_template *tpl;
    struct prov_param v[4];
    struct text t;
    enum prov_rc rc;
    size_t n;

    write_text(&t, e->text);
    give(e, v, &n);
    *plan = NULL;
    rc = parse(&t, e->type, &tpl, err);
    if (rc == PROV_OK)
        rc = prov_template_eval(tpl, (struct prov_params){ v, n }, plan, err);
    prov_template_free(tpl);
    return rc;
}

static void check(const struct example *rows, size_t n)
{
    char wanted[2048];
    struct prov_plan *plan;
    struct prov_err err;
    struct out o;

    for (size_t i = 0; i < n; i++) {
        const enum prov_rc rc = run(&rows[i], &plan, &err);

        if (rows[i].plan == NULL) {
            if (rc != PROV_EINVAL || strcmp(err.path, rows[i].path) != 0 ||
                strstr(err.text, rows[i].says) == NULL)
                fail_msg("%s: %s\n%s: %s", rows[i].row, rows[i].text,
                         rc == PROV_OK ? "accepted" : err.path, rc == PROV_OK ? "" : err.text);
            prov_plan_free(plan);
            continue;
        }
        if (rc != PROV_OK)
            fail_msg("%s: %s\nrefused: %s: %s", rows[i].row, rows[i].text, err.path, err.text);
        (void)snprintf(wanted, sizeof wanted, "%s", rows[i].plan);
        for (char *c = wanted; *c != '\0'; c++)
            *c = *c == '\'' ? '"' : *c;
        if (strcmp(plan_text(plan, &o), wanted) != 0)
            fail_msg("%s:\n%s\nnot\n%s", rows[i].row, o.text, wanted);
        prov_plan_free(plan);
    }
}

#define CHECK(rows) check(rows, PROV_COUNT(rows))
#define BUILT_IN(name)                                                                             \
    DECLARING("'" BUILTIN name "':" STRING,                                                        \
              CERT "," THING("'ThingName':{'Ref':'" BUILTIN name "'}"))

/* ---- 2.1 where a template is used ------------------------------------------------------------ */

static void use_decides_what_a_template_may_hold(void **state)
{
    static const struct example rows[] = {
        { "fleet: CertificateId", FLEET, RESOURCES(CERT), { NULL }, SELF, NULL, NULL },
        { "JITP: CertificateId", JITP, RESOURCES(CERT), { NULL }, SELF, NULL, NULL },
        { "fleet: not CSR",
          FLEET,
          DECLARING("'CSR':" STRING, CERTIFICATE("'CertificateSigningRequest':{'Ref':'CSR'}")),
          { "CSR", "x", NULL },
          NULL,
          "Resources.c.Properties.CertificateSigningRequest",
          "belongs to single-thing and bulk registration" },
        { "fleet: not CertificatePem",
          FLEET,
          RESOURCES(CERTIFICATE("'CertificatePem':'x'")),
          { NULL },
          NULL,
          "Resources.c.Properties.CertificatePem",
          "in a FLEET_PROVISIONING template the certificate exists already" },
        { "JITP: not CertificatePem and CA",
          JITP,
          RESOURCES(CERTIFICATE("'CACertificatePem':'x','CertificatePem':'y'")),
          { NULL },
          NULL,
          "Resources.c.Properties.CACertificatePem",
          "in a JITP template" },
        { "JITP: another certificate",
          JITP,
          RESOURCES(CERTIFICATE("'CertificateId':'" CERT_ID "'")),
          { NULL },
          NULL,
          "Resources.c.Properties.CertificateId",
          "must be {\"Ref\"" },
        { "fleet: policy as object",
          FLEET,
          RESOURCES(CERT "," POLICY("'PolicyDocument':" OBJECT)),
          { NULL },
          SELF "; policy " OBJECT,
          NULL,
          NULL },
        { "fleet: policy as string",
          FLEET,
          RESOURCES(CERT "," POLICY("'PolicyDocument':" ESCAPED)),
          { NULL },
          SELF "; policy " OBJECT,
          NULL,
          NULL },
        { "JITP: policy as string",
          JITP,
          RESOURCES(CERT "," POLICY("'PolicyDocument':" ESCAPED)),
          { NULL },
          SELF "; policy " OBJECT,
          NULL,
          NULL },
        { "JITP: policy as object",
          JITP,
          RESOURCES(CERT "," POLICY("'PolicyDocument':" OBJECT)),
          { NULL },
          SELF "; policy " OBJECT,
          NULL,
          NULL },
        { "JITP: policy of functions",
          JITP,
          RESOURCES(CERT "," POLICY("'PolicyDocument':{'Fn::Sub':'x'}")),
          { NULL },
          NULL,
          "Resources.p.Properties.PolicyDocument.Fn::Sub",
          "FLEET_PROVISIONING templates only" },
        { "fleet: extra sections",
          FLEET,
          "{'Mappings':{'M':{'k':{'s':'v'}}},'Resources':{" CERT "},'DeviceConfiguration':{'a':"
          "{'Fn::FindInMap':['M','k','s']}}}",
          { NULL },
          SELF "; tell a=v",
          NULL,
          NULL },
        { "JITP: Mappings",
          JITP,
          "{'Mappings':{},'Resources':{" CERT "}}",
          { NULL },
          NULL,
          "Mappings",
          "FLEET_PROVISIONING templates only" },
        { "JITP: DeviceConfiguration",
          JITP,
          "{'Resources':{" CERT "},'DeviceConfiguration':{'a':'b'}}",
          { NULL },
          NULL,
          "DeviceConfiguration",
          "FLEET_PROVISIONING templates only" },
        { "JITP: Fn::Join",
          JITP,
          RESOURCES(THING("'ThingName':{'Fn::Join':['',['a']]}")),
          { NULL },
          NULL,
          "Resources.t.Properties.ThingName.Fn::Join",
          "FLEET_PROVISIONING templates only" },
        { "JITP: Fn::Select",
          JITP,
          RESOURCES(THING("'ThingName':{'Fn::Select':['0',['a']]}")),
          { NULL },
          NULL,
          "Resources.t.Properties.ThingName.Fn::Select",
          "templates only" },
        { "JITP: Fn::FindInMap",
          JITP,
          RESOURCES(THING("'ThingName':{'Fn::FindInMap':['a','b','c']}")),
          { NULL },
          NULL,
          "Resources.t.Properties.ThingName.Fn::FindInMap",
          "templates only" },
        { "JITP: Fn::Split",
          JITP,
          RESOURCES(THING("'ThingName':'n','ThingGroups':{'Fn::Split':['-','a-b']}")),
          { NULL },
          NULL,
          "Resources.t.Properties.ThingGroups.Fn::Split",
          "templates only" },
        { "JITP: Fn::Sub",
          JITP,
          RESOURCES(THING("'ThingName':{'Fn::Sub':'a'}")),
          { NULL },
          NULL,
          "Resources.t.Properties.ThingName.Fn::Sub",
          "templates only" },
        { "JITP: a parameter of its own",
          JITP,
          DECLARING("'SerialNumber':" STRING, CERT),
          { "SerialNumber", "1", NULL },
          NULL,
          "Parameters.SerialNumber",
          "built-in parameters only" },
    };

    (void)state;
    CHECK(rows);
}

/* ---- 2.2 grammar ----------------------------------------------------------------------------- */

static void grammar_has_these_keys_and_no_others(void **state)
{
    static const struct example rows[] = {
        { "all sections",
          FLEET,
          "{'Parameters':{},'Mappings':{},'Resources':{" CERT "},'DeviceConfiguration':{}}",
          { NULL },
          SELF,
          NULL,
          NULL },
        { "Resources alone",
          FLEET,
          RESOURCES(THING("'ThingName':'n'")),
          { NULL },
          "thing n",
          NULL,
          NULL },
        { "Resources missing",
          FLEET,
          "{'Parameters':{}}",
          { NULL },
          NULL,
          "",
          "Resources is missing" },
        { "another section",
          FLEET,
          "{'AWSTemplateFormatVersion':'2010-09-09','Resources':{" CERT "}}",
          { NULL },
          NULL,
          "AWSTemplateFormatVersion",
          "unknown section" },
        { "param: another key",
          FLEET,
          DECLARING("'A':{'Type':'String','Description':'x'}", CERT),
          { NULL },
          NULL,
          "Parameters.A.Description",
          "unknown key" },
        { "resource: all keys",
          FLEET,
          RESOURCES("'t':{'Type':'AWS::IoT::Thing','Properties':{'ThingName':'n'},"
                    "'OverrideSettings':{},'DependsOn':['c']}"),
          { NULL },
          "thing n",
          NULL,
          NULL },
        { "resource: another key",
          FLEET,
          RESOURCES("'t':{'Type':'AWS::IoT::Thing','Properties':{'ThingName':'n'},"
                    "'Condition':'c'}"),
          { NULL },
          NULL,
          "Resources.t.Condition",
          "unknown key" },
        { "resource: another type",
          FLEET,
          RESOURCES("'t':{'Type':'AWS::IoT::Role','Properties':{}}"),
          { NULL },
          NULL,
          "Resources.t.Type",
          "unknown resource type" },
        { "value: no function",
          FLEET,
          CONFIG("{'a':'b'}"),
          { NULL },
          NULL,
          "DeviceConfiguration.v",
          "the map is flat" },
    };

    (void)state;
    CHECK(rows);
}

/* ---- 2.3 parameters -------------------------------------------------------------------------- */

static void parameters_have_values(void **state)
{
    static const struct example rows[] = {
        { "Type String",
          FLEET,
          DECLARING("'A':" STRING, THING("'ThingName':{'Ref':'A'}")),
          { "A", "x", NULL },
          "thing x",
          NULL,
          NULL },
        { "another Type",
          FLEET,
          DECLARING("'A':{'Type':'Number'}", THING("'ThingName':{'Ref':'A'}")),
          { "A", "1", NULL },
          NULL,
          "Parameters.A.Type",
          "must be \"String\"" },
        { "Default, when lacking",
          FLEET,
          DECLARING("'A':{'Type':'String','Default':'WA'}", THING("'ThingName':{'Ref':'A'}")),
          { NULL },
          "thing WA",
          NULL,
          NULL },
        { "Default, when given",
          FLEET,
          DECLARING("'A':{'Type':'String','Default':'WA'}", THING("'ThingName':{'Ref':'A'}")),
          { "A", "x", NULL },
          "thing x",
          NULL,
          NULL },
        { "Default of another type",
          FLEET,
          DECLARING("'A':{'Type':'String','Default':['WA']}", THING("'ThingName':{'Ref':'A'}")),
          { NULL },
          NULL,
          "Parameters.A.Default",
          "must be a string" },
        { "no value, no default: fleet",
          FLEET,
          DECLARING("'A':" STRING, THING("'ThingName':{'Ref':'A'}")),
          { NULL },
          NULL,
          "Parameters.A",
          "the request gives no value for parameter \"A\"" },
        { "no value, no default: JITP",
          JITP,
          BUILT_IN("Country"),
          { NULL },
          NULL,
          "Parameters." BUILTIN "Country",
          "the certificate gives no value" },
        { "undeclared supplied",
          FLEET,
          RESOURCES(THING("'ThingName':'n'")),
          { "B", "x", NULL },
          "thing n",
          NULL,
          NULL },
        { "undeclared referenced: the id",
          FLEET,
          RESOURCES(THING("'ThingName':" ID)),
          { NULL },
          "thing " CERT_ID,
          NULL,
          NULL },
        { "undeclared referenced",
          FLEET,
          RESOURCES(THING("'ThingName':{'Ref':'SerialNumber'}")),
          { "SerialNumber", "x", NULL },
          NULL,
          "Resources.t.Properties.ThingName.Ref",
          "parameter \"SerialNumber\" is not declared" },
    };

    (void)state;
    CHECK(rows);
}

static void parameters_have_their_size(void **state)
{
    static char key[PROV_MAX_PARAM_NAME + 2], value[PROV_MAX_PARAM_VALUE + 2];
    static char text[PROV_MAX_TEMPLATE_BODY];
    struct example e = { .row = "key <= 2048, value <= 4096", .type = FLEET, .text = text };
    struct prov_plan *plan;
    struct prov_err err;

    (void)state;
    for (size_t k = PROV_MAX_PARAM_NAME; k <= PROV_MAX_PARAM_NAME + 1; k++) {
        memset(key, 'k', k);
        (void)snprintf(text, sizeof text, DECLARING("'%s':" STRING, CERT), key);
        e.params[0] = key;
        for (size_t v = PROV_MAX_PARAM_VALUE; v <= PROV_MAX_PARAM_VALUE + 1; v++) {
            memset(value, 'v', v);
            value[v] = '\0';
            e.params[1] = value;
            assert_int_equal(run(&e, &plan, &err),
                             k <= PROV_MAX_PARAM_NAME && v <= PROV_MAX_PARAM_VALUE ? PROV_OK
                                                                                   : PROV_EINVAL);
            prov_plan_free(plan);
        }
    }
}

static void built_in_parameters_are_for_jitp_but_for_the_id(void **state)
{
    static const struct example rows[] = {
        { "Country",
          JITP,
          BUILT_IN("Country"),
          { BUILTIN "Country", "DE", NULL },
          "thing DE; " SELF,
          NULL,
          NULL },
        { "Country",
          FLEET,
          BUILT_IN("Country"),
          { BUILTIN "Country", "DE", NULL },
          NULL,
          "Parameters." BUILTIN "Country",
          "for JITP templates only" },
        { "Organization",
          JITP,
          BUILT_IN("Organization"),
          { BUILTIN "Organization", "o", NULL },
          "thing o; " SELF,
          NULL,
          NULL },
        { "Organization",
          FLEET,
          BUILT_IN("Organization"),
          { BUILTIN "Organization", "o", NULL },
          NULL,
          "Parameters." BUILTIN "Organization",
          "for JITP templates only" },
        { "OrganizationalUnit",
          JITP,
          BUILT_IN("OrganizationalUnit"),
          { BUILTIN "OrganizationalUnit", "ou", NULL },
          "thing ou; " SELF,
          NULL,
          NULL },
        { "OrganizationalUnit",
          FLEET,
          BUILT_IN("OrganizationalUnit"),
          { BUILTIN "OrganizationalUnit", "ou", NULL },
          NULL,
          "Parameters." BUILTIN "OrganizationalUnit",
          "for JITP templates only" },
        { "DistinguishedNameQualifier",
          JITP,
          BUILT_IN("DistinguishedNameQualifier"),
          { BUILTIN "DistinguishedNameQualifier", "q", NULL },
          "thing q; " SELF,
          NULL,
          NULL },
        { "DistinguishedNameQualifier",
          FLEET,
          BUILT_IN("DistinguishedNameQualifier"),
          { BUILTIN "DistinguishedNameQualifier", "q", NULL },
          NULL,
          "Parameters." BUILTIN "DistinguishedNameQualifier",
          "for JITP templates only" },
        { "StateName",
          JITP,
          BUILT_IN("StateName"),
          { BUILTIN "StateName", "s", NULL },
          "thing s; " SELF,
          NULL,
          NULL },
        { "StateName",
          FLEET,
          BUILT_IN("StateName"),
          { BUILTIN "StateName", "s", NULL },
          NULL,
          "Parameters." BUILTIN "StateName",
          "for JITP templates only" },
        { "CommonName",
          JITP,
          BUILT_IN("CommonName"),
          { BUILTIN "CommonName", "cn", NULL },
          "thing cn; " SELF,
          NULL,
          NULL },
        { "CommonName",
          FLEET,
          BUILT_IN("CommonName"),
          { BUILTIN "CommonName", "cn", NULL },
          NULL,
          "Parameters." BUILTIN "CommonName",
          "for JITP templates only" },
        { "SerialNumber",
          JITP,
          BUILT_IN("SerialNumber"),
          { BUILTIN "SerialNumber", "7", NULL },
          "thing 7; " SELF,
          NULL,
          NULL },
        { "SerialNumber",
          FLEET,
          BUILT_IN("SerialNumber"),
          { BUILTIN "SerialNumber", "7", NULL },
          NULL,
          "Parameters." BUILTIN "SerialNumber",
          "for JITP templates only" },
        { "Id", JITP, BUILT_IN("Id"), { NULL }, "thing " CERT_ID "; " SELF, NULL, NULL },
        { "Id", FLEET, BUILT_IN("Id"), { NULL }, "thing " CERT_ID "; " SELF, NULL, NULL },
        { "ordinary ones without special meaning",
          FLEET,
          DECLARING("'SerialNumber':" STRING ",'DeviceLocation':" STRING,
                    THING("'ThingName':{'Ref':'SerialNumber'},"
                          "'AttributePayload':{'at':{'Ref':'DeviceLocation'}}")),
          { "SerialNumber", "7", "DeviceLocation", "WA", NULL },
          "thing 7; attrs at=WA",
          NULL,
          NULL },
        { "pseudo parameters",
          FLEET,
          RESOURCES(THING("'ThingName':{'Ref':'AWS::Region'}")),
          { NULL },
          NULL,
          "Resources.t.Properties.ThingName.Ref",
          "write the value itself" },
    };

    (void)state;
    CHECK(rows);
}

/* ---- 2.4 resources --------------------------------------------------------------------------- */

static void resources_have_these_properties(void **state)
{
    static const struct example rows[] = {
        { "ThingName",
          FLEET,
          RESOURCES(THING("'ThingName':'n'")),
          { NULL },
          "thing n",
          NULL,
          NULL },
        { "ThingName: required",
          FLEET,
          RESOURCES(THING("'ThingTypeName':'x'")),
          { NULL },
          NULL,
          "Resources.t.Properties",
          "ThingName is missing" },
        { "AttributePayload",
          FLEET,
          RESOURCES(THING("'ThingName':'n','AttributePayload':{'a':'1','b':''}")),
          { NULL },
          "thing n; attrs a=1 b=",
          NULL,
          NULL },
        { "AttributePayload: flat",
          FLEET,
          RESOURCES(THING("'ThingName':'n','AttributePayload':{'attributes':{'a':'1'}}")),
          { NULL },
          NULL,
          "Resources.t.Properties.AttributePayload.attributes",
          "the map is flat" },
        { "ThingTypeName",
          FLEET,
          RESOURCES(THING("'ThingName':'n','ThingTypeName':'x'")),
          { NULL },
          "thing n; type x",
          NULL,
          NULL },
        { "ThingTypeName: string",
          FLEET,
          RESOURCES(THING("'ThingName':'n','ThingTypeName':1")),
          { NULL },
          NULL,
          "Resources.t.Properties.ThingTypeName",
          "a number where a string" },
        { "ThingGroups",
          FLEET,
          RESOURCES(THING("'ThingName':'n','ThingGroups':['g','h']")),
          { NULL },
          "thing n; groups g h",
          NULL,
          NULL },
        { "ThingGroups: list",
          FLEET,
          RESOURCES(THING("'ThingName':'n','ThingGroups':'g'")),
          { NULL },
          NULL,
          "Resources.t.Properties.ThingGroups",
          "a string where a list" },
        { "BillingGroup",
          FLEET,
          RESOURCES(THING("'ThingName':'n','BillingGroup':'b'")),
          { NULL },
          "thing n; billing b",
          NULL,
          NULL },
        { "BillingGroup: string",
          FLEET,
          RESOURCES(THING("'ThingName':'n','BillingGroup':['b']")),
          { NULL },
          NULL,
          "Resources.t.Properties.BillingGroup",
          "a list where a string" },
        { "PackageVersions",
          FLEET,
          RESOURCES(THING("'ThingName':'n','PackageVersions':{'fw':'1'}")),
          { NULL },
          "thing n",
          NULL,
          NULL },
        { "PackageVersions: map",
          FLEET,
          RESOURCES(THING("'ThingName':'n','PackageVersions':['f']")),
          { NULL },
          NULL,
          "Resources.t.Properties.PackageVersions",
          "a list where a map" },
        { "one identification method",
          FLEET,
          RESOURCES(CERTIFICATE("'CertificateId':" ID ",'CertificatePem':'x'")),
          { NULL },
          NULL,
          "Resources.c.Properties.CertificatePem",
          "belongs to single-thing" },
        { "and no less",
          FLEET,
          RESOURCES(CERTIFICATE("'Status':'ACTIVE'")),
          { NULL },
          NULL,
          "Resources.c.Properties",
          "CertificateId is missing" },
        { "Status",
          FLEET,
          RESOURCES(CERTIFICATE("'CertificateId':" ID ",'Status':'INACTIVE'")),
          { NULL },
          "cert " CERT_ID " INACTIVE",
          NULL,
          NULL },
        { "Status: in any case",
          FLEET,
          RESOURCES(CERTIFICATE("'CertificateId':" ID ",'Status':'Active'")),
          { NULL },
          SELF,
          NULL,
          NULL },
        { "Status: no other",
          FLEET,
          RESOURCES(CERTIFICATE("'CertificateId':" ID ",'Status':'REVOKED'")),
          { NULL },
          NULL,
          "Resources.c.Properties.Status",
          "neither INACTIVE nor ACTIVE" },
        { "ThingPrincipalType",
          FLEET,
          RESOURCES(CERTIFICATE("'CertificateId':" ID ",'ThingPrincipalType':'EXCLUSIVE_THING'")),
          { NULL },
          SELF " exclusive",
          NULL,
          NULL },
        { "ThingPrincipalType",
          JITP,
          RESOURCES(
              CERTIFICATE("'CertificateId':" ID ",'ThingPrincipalType':'NON_EXCLUSIVE_THING'")),
          { NULL },
          SELF " shared",
          NULL,
          NULL },
        { "ThingPrincipalType: no other",
          FLEET,
          RESOURCES(CERTIFICATE("'CertificateId':" ID ",'ThingPrincipalType':'SHARED'")),
          { NULL },
          NULL,
          "Resources.c.Properties.ThingPrincipalType",
          "neither NON_EXCLUSIVE_THING nor" },
        { "PolicyName",
          FLEET,
          RESOURCES(CERT "," POLICY("'PolicyName':'x'")),
          { NULL },
          SELF "; policy x",
          NULL,
          NULL },
        { "PolicyDocument",
          JITP,
          RESOURCES(CERT "," POLICY("'PolicyDocument':" ESCAPED)),
          { NULL },
          SELF "; policy " OBJECT,
          NULL,
          NULL },
        { "exactly one of the two",
          FLEET,
          RESOURCES(CERT "," POLICY("'PolicyName':'x','PolicyDocument':" OBJECT)),
          { NULL },
          NULL,
          "Resources.p.Properties",
          "exclude each other" },
        { "neither is refused when stored",
          JITP,
          RESOURCES(CERT "," POLICY("")),
          { NULL },
          NULL,
          "Resources.p.Properties",
          "Neither policyName nor policyDocument is present" },
        { "several policies",
          FLEET,
          RESOURCES(CERT "," POLICY("'PolicyName':'x'") ",'q':{'Type':'AWS::IoT::Policy',"
                                                        "'Properties':{'PolicyName':'y'}}"),
          { NULL },
          SELF "; policy x; policy y",
          NULL,
          NULL },
        { "attached to the certificate",
          FLEET,
          RESOURCES(POLICY("'PolicyName':'x'")),
          { NULL },
          NULL,
          "Resources",
          "needs a certificate resource" },
    };

    (void)state;
    CHECK(rows);
}

/* ---- 2.5 OverrideSettings -------------------------------------------------------------------- */

#define SET(property, listed, value, setting, plan)                                                \
    { property " " setting,                                                                        \
      FLEET,                                                                                       \
      THING_SETTING("'" property "':" value, "'" property "':'" setting "'"),                      \
      { NULL },                                                                                    \
      "thing n; " plan,                                                                            \
      NULL,                                                                                        \
      NULL },                                                                                      \
    {                                                                                              \
        listed " " setting, FLEET,                                                                 \
            THING_SETTING("'" property "':" value, "'" listed "':'" setting "'"), { NULL },        \
            "thing n; " plan, NULL, NULL                                                           \
    }
#define UNSET(property, listed, value, setting, says)                                              \
    { property " " setting,                                                                        \
      FLEET,                                                                                       \
      THING_SETTING("'" property "':" value, "'" property "':'" setting "'"),                      \
      { NULL },                                                                                    \
      NULL,                                                                                        \
      "Resources.t.OverrideSettings." property,                                                    \
      says },                                                                                      \
    {                                                                                              \
        listed " " setting, FLEET,                                                                 \
            THING_SETTING("'" property "':" value, "'" listed "':'" setting "'"), { NULL }, NULL,  \
            "Resources.t.OverrideSettings." listed, says                                           \
    }
#define STATUS_SET(setting)                                                                        \
    RESOURCES("'c':{'Type':'AWS::IoT::Certificate','Properties':{'CertificateId':" ID              \
              "},'OverrideSettings':{'Status':'" setting "'}}")

static void settings_are_these_in_both_spellings(void **state)
{
    static const struct example rows[] = {
        SET("AttributePayload", "ATTRIBUTE_PAYLOAD", "{'a':'1'}", "DO_NOTHING",
            "attrs DO_NOTHING a=1"),
        SET("AttributePayload", "ATTRIBUTE_PAYLOAD", "{'a':'1'}", "REPLACE", "attrs REPLACE a=1"),
        SET("AttributePayload", "ATTRIBUTE_PAYLOAD", "{'a':'1'}", "FAIL", "attrs FAIL a=1"),
        SET("AttributePayload", "ATTRIBUTE_PAYLOAD", "{'a':'1'}", "MERGE", "attrs MERGE a=1"),
        UNSET("AttributePayload", "ATTRIBUTE_PAYLOAD", "{}", "KEEP", "FAIL or MERGE"),
        SET("ThingTypeName", "THING_TYPE_NAME", "'x'", "DO_NOTHING", "type DO_NOTHING x"),
        SET("ThingTypeName", "THING_TYPE_NAME", "'x'", "REPLACE", "type REPLACE x"),
        SET("ThingTypeName", "THING_TYPE_NAME", "'x'", "FAIL", "type FAIL x"),
        UNSET("ThingTypeName", "THING_TYPE_NAME", "'x'", "MERGE", "DO_NOTHING, REPLACE or FAIL"),
        SET("ThingGroups", "THING_GROUPS", "['g']", "DO_NOTHING", "groups DO_NOTHING g"),
        SET("ThingGroups", "THING_GROUPS", "['g']", "REPLACE", "groups REPLACE g"),
        SET("ThingGroups", "THING_GROUPS", "['g']", "FAIL", "groups FAIL g"),
        SET("ThingGroups", "THING_GROUPS", "['g']", "MERGE", "groups MERGE g"),
        UNSET("ThingGroups", "THING_GROUPS", "['g']", "merge", "FAIL or MERGE"),
        SET("BillingGroup", "BILLING_GROUP", "'b'", "FAIL", "billing FAIL b"),
        UNSET("BillingGroup", "BILLING_GROUP", "'b'", "MERGE", "DO_NOTHING, REPLACE or FAIL"),
        { "Status DO_NOTHING",
          JITP,
          STATUS_SET("DO_NOTHING"),
          { NULL },
          SELF " DO_NOTHING",
          NULL,
          NULL },
        { "Status REPLACE", FLEET, STATUS_SET("REPLACE"), { NULL }, SELF " REPLACE", NULL, NULL },
        { "Status FAIL", FLEET, STATUS_SET("FAIL"), { NULL }, SELF " FAIL", NULL, NULL },
        { "Status MERGE",
          FLEET,
          STATUS_SET("MERGE"),
          { NULL },
          NULL,
          "Resources.c.OverrideSettings.Status",
          "DO_NOTHING, REPLACE or FAIL" },
        { "policy",
          FLEET,
          RESOURCES(CERT ",'p':{'Type':'AWS::IoT::Policy','Properties':{'PolicyName':'x'},"
                         "'OverrideSettings':{'PolicyName':'FAIL'}}"),
          { NULL },
          NULL,
          "Resources.p.OverrideSettings",
          "a policy has nothing to override" },
        { "absent",
          FLEET,
          THING_SETTING("'ThingTypeName':'x'", ""),
          { NULL },
          "thing n; type x",
          NULL,
          NULL },
    };

    (void)state;
    CHECK(rows);
}

/* ---- 2.6 functions --------------------------------------------------------------------------- */

static void functions_have_their_forms_and_restrictions(void **state)
{
    static const struct example rows[] = {
        { "Ref", FLEET, VALUE("{'Ref':'P'}"), { "P", "p", NULL }, SELF "; tell v=p", NULL, NULL },
        { "Ref: a name",
          FLEET,
          VALUE("{'Ref':['P']}"),
          { "P", "p", NULL },
          NULL,
          "DeviceConfiguration.v.Ref",
          "Ref takes the name of a parameter" },
        { "Fn::Join",
          FLEET,
          VALUE("{'Fn::Join':['-',['a',{'Ref':'P'},'b']]}"),
          { "P", "p", NULL },
          SELF "; tell v=a-p-b",
          NULL,
          NULL },
        { "Fn::Join: empty delimiter",
          FLEET,
          VALUE("{'Fn::Join':['',['a',{'Ref':'P'}]]}"),
          { "P", "p", NULL },
          SELF "; tell v=ap",
          NULL,
          NULL },
        { "Fn::Join: in a policy",
          FLEET,
          RESOURCES(CERT "," POLICY("'PolicyName':{'Fn::Join':['',['a','b']]}")),
          { NULL },
          NULL,
          "Resources.p.Properties.PolicyName.Fn::Join",
          "not supported in a policy resource" },
        { "Fn::Select",
          FLEET,
          VALUE("{'Fn::Select':[1,['a',{'Ref':'P'}]]}"),
          { "P", "p", NULL },
          SELF "; tell v=p",
          NULL,
          NULL },
        { "Fn::Select: from 0",
          FLEET,
          VALUE("{'Fn::Select':['0',['a',{'Ref':'P'}]]}"),
          { "P", "p", NULL },
          SELF "; tell v=a",
          NULL,
          NULL },
        { "Fn::Select: beyond",
          FLEET,
          VALUE("{'Fn::Select':[{'Ref':'P'},['a','b']]}"),
          { "P", "2", NULL },
          NULL,
          "DeviceConfiguration.v.Fn::Select[0]",
          "index 2 is beyond a list of 2" },
        { "Fn::Select: null",
          FLEET,
          VALUE("{'Fn::Select':[0,['a',null]]}"),
          { "P", "p", NULL },
          NULL,
          "DeviceConfiguration.v.Fn::Select[1][1]",
          "null where a string" },
        { "Fn::FindInMap",
          FLEET,
          VALUE("{'Fn::FindInMap':['Map','eu','url']}"),
          { "P", "p", NULL },
          SELF "; tell v=e",
          NULL,
          NULL },
        { "Fn::FindInMap: key a Ref",
          FLEET,
          VALUE("{'Fn::FindInMap':['Map',{'Ref':'P'},'url']}"),
          { "P", "us", NULL },
          SELF "; tell v=u",
          NULL,
          NULL },
        { "Fn::FindInMap: no such key",
          FLEET,
          VALUE("{'Fn::FindInMap':['Map',{'Ref':'P'},'url']}"),
          { "P", "cn", NULL },
          NULL,
          "DeviceConfiguration.v.Fn::FindInMap[1]",
          "that map has no key \"cn\"" },
        { "Fn::Split, in Fn::Select",
          FLEET,
          VALUE("{'Fn::Select':[1,{'Fn::Split':[',',{'Ref':'P'}]}]}"),
          { "P", "x,y", NULL },
          SELF "; tell v=y",
          NULL,
          NULL },
        { "Fn::Split: is a list",
          FLEET,
          VALUE("{'Fn::Split':[',',{'Ref':'P'}]}"),
          { "P", "x,y", NULL },
          NULL,
          "DeviceConfiguration.v.Fn::Split",
          "gives a list where a string is needed" },
        { "Fn::Split: no delimiter",
          FLEET,
          VALUE("{'Fn::Select':[0,{'Fn::Split':[{'Ref':'P'},'x']}]}"),
          { "P", "", NULL },
          NULL,
          "DeviceConfiguration.v.Fn::Select[1].Fn::Split[0]",
          "the delimiter is empty" },
        { "Fn::Sub, a text",
          FLEET,
          VALUE("{'Fn::Sub':'<${P}>'}"),
          { "P", "p", NULL },
          SELF "; tell v=<p>",
          NULL,
          NULL },
        { "Fn::Sub, [text, map]",
          FLEET,
          VALUE("{'Fn::Sub':['${a}/${P}',{'a':{'Fn::FindInMap':['Map','eu','url']}}]}"),
          { "P", "p", NULL },
          SELF "; tell v=e/p",
          NULL,
          NULL },
        { "Fn::Sub, literal",
          FLEET,
          VALUE("{'Fn::Sub':'${!P} ${P}'}"),
          { "P", "p", NULL },
          SELF "; tell v=${P} p",
          NULL,
          NULL },
        { "Fn::Sub: unknown",
          FLEET,
          VALUE("{'Fn::Sub':'${Q}'}"),
          { "P", "p", NULL },
          NULL,
          "DeviceConfiguration.v.Fn::Sub",
          "parameter \"Q\" is not declared" },
        { "Fn::Sub: in a policy, for this device",
          FLEET,
          DECLARING("'P':" STRING,
                    CERT "," POLICY("'PolicyDocument':{'Version':'2012-10-17','Statement':{"
                                    "'Effect':'Allow','Action':'iot:Publish','Resource':{"
                                    "'Fn::Sub':'arn:aws:iot:*:*:topic/${P}/${!iot:ClientId}'}}}")),
          { "P", "p", NULL },
          SELF "; policy {'Version':'2012-10-17','Statement':{'Effect':'Allow','Action':"
               "'iot:Publish','Resource':'arn:aws:iot:*:*:topic/p/${iot:ClientId}'}}",
          NULL,
          NULL },
        { "Fn::Sub: policy variables clash",
          FLEET,
          RESOURCES(CERT "," POLICY("'PolicyDocument':{'Fn::Sub':'${iot:ClientId}'}")),
          { NULL },
          NULL,
          "Resources.p.Properties.PolicyDocument.Fn::Sub",
          "is written ${!iot:ClientId}" },
        { "nesting",
          FLEET,
          VALUE("{'Fn::Join':['-',{'Fn::Split':[{'Fn::Select':[0,{'Fn::FindInMap':['Map',"
                "{'Fn::Sub':['${x}',{'x':{'Ref':'P'}}]},'zones']}]},'1a2a3']}]}"),
          { "P", "eu", NULL },
          SELF "; tell v=1-2-3",
          NULL,
          NULL },
        { "in any section",
          FLEET,
          "{'Parameters':{'P':" STRING "},'Resources':{" THING(
              "'ThingName':{'Fn::Sub':'n-${P}'},'ThingTypeName':{'Fn::Join':['',['t_',{'Ref':'P'}]]"
              "},"
              "'ThingGroups':{'Fn::Split':['+',{'Ref':'P'}]},'AttributePayload':{'a':{'Fn::Select':"
              "[0,['x']]}},'BillingGroup':{'Ref':'P'}") "," CERTIFICATE("'CertificateId':" ID
                                                                        ",'Status':{'Fn::Sub':"
                                                                        "'active'}") "},"
                                                                                     "'DeviceConfig"
                                                                                     "uration':{'k'"
                                                                                     ":{'Ref':'P'}}"
                                                                                     "}",
          { "P", "p", NULL },
          "thing n-p; attrs a=x; type t_p; groups p; billing p; " SELF "; tell k=p",
          NULL,
          NULL },
        { "but not in Mappings",
          FLEET,
          "{'Parameters':{'P':" STRING "},'Mappings':{'M':{'k':{'s':{'Ref':'P'}}}},"
          "'Resources':{" CERT "}}",
          { "P", "p", NULL },
          NULL,
          "Mappings.M.k.s",
          "must be a string or a list of strings" },
        { "nor in OverrideSettings",
          FLEET,
          DECLARING("'P':" STRING, "'t':{'Type':'AWS::IoT::Thing','Properties':{'ThingName':'n'},"
                                   "'OverrideSettings':{'ThingGroups':{'Ref':'P'}}}"),
          { "P", "FAIL", NULL },
          NULL,
          "Resources.t.OverrideSettings.ThingGroups",
          "it must be DO_NOTHING" },
        { "a function there is not",
          FLEET,
          VALUE("{'Fn::If':['a','b','c']}"),
          { "P", "p", NULL },
          NULL,
          "DeviceConfiguration.v.Fn::If",
          "unknown function" },
    };

    (void)state;
    CHECK(rows);
}

/* ---- 2.7 and 2.8 ----------------------------------------------------------------------------- */

static void mappings_and_device_configuration_are_flat(void **state)
{
    static const struct example rows[] = {
        { "Mappings",
          FLEET,
          "{'Mappings':{'M':{'k':{'s':'v'}}},'Resources':{" CERT "},'DeviceConfiguration':{"
          "'a':{'Fn::FindInMap':['M','k','s']}}}",
          { NULL },
          SELF "; tell a=v",
          NULL,
          NULL },
        { "Mappings: three levels",
          FLEET,
          "{'Mappings':{'M':{'k':{'s':{'t':'v'}}}},'Resources':{" CERT "}}",
          { NULL },
          NULL,
          "Mappings.M.k.s",
          "must be a string or a list of strings" },
        { "Mappings: one level",
          FLEET,
          "{'Mappings':{'M':'v'},'Resources':{" CERT "}}",
          { NULL },
          NULL,
          "Mappings.M",
          "a string where an object" },
        { "DeviceConfiguration",
          FLEET,
          CONFIG("'https://example.com/'"),
          { NULL },
          SELF "; tell v=https://example.com/",
          NULL,
          NULL },
        { "DeviceConfiguration: nested",
          FLEET,
          CONFIG("{'x':{'y':'z'}}"),
          { NULL },
          NULL,
          "DeviceConfiguration.v",
          "the map is flat" },
        { "DeviceConfiguration: list",
          FLEET,
          CONFIG("['x']"),
          { NULL },
          NULL,
          "DeviceConfiguration.v",
          "a list where a string" },
    };

    (void)state;
    CHECK(rows);
}

#define WORKED(parameters, name, policy)                                                           \
    "{'Parameters':{" parameters ",'AWS::IoT::Certificate::Id':{'Type':'String'}},\n"              \
    " 'Resources':{\n"                                                                             \
    "  't':{'Type':'AWS::IoT::Thing','Properties':{'ThingName':" name ",\n"                        \
    "       'AttributePayload':{'sn':" policy "}},\n"                                              \
    "       'OverrideSettings':{'AttributePayload':'MERGE','ThingTypeName':'REPLACE',"             \
    "'ThingGroups':'DO_NOTHING'}},\n"                                                              \
    "  'c':{'Type':'AWS::IoT::Certificate','Properties':{'CertificateId':{'Ref':"                  \
    "'AWS::IoT::Certificate::Id'},'Status':'ACTIVE'}},\n"                                          \
    "  'p':{'Type':'AWS::IoT::Policy','Properties':{'PolicyName':'fleet-default'}}}}"
#define WORKED_FLEET                                                                               \
    WORKED("'Serial':{'Type':'String'}", "{'Fn::Join':['-',['dev',{'Ref':'Serial'}]]}",            \
           "{'Ref':'Serial'}")
#define WORKED_JITP                                                                                \
    WORKED("'" BUILTIN "CommonName':{'Type':'String'},'" BUILTIN                                   \
           "SerialNumber':{'Type':'String'}",                                                      \
           "{'Ref':'" BUILTIN "CommonName'}", "{'Ref':'" BUILTIN "SerialNumber'}")

static void worked_examples_come_out_as_they_say(void **state)
{
    static const struct example rows[] = {
        { "fleet",
          FLEET,
          WORKED_FLEET,
          { "Serial", "42", NULL },
          "thing dev-42; attrs MERGE sn=42; " SELF "; policy fleet-default",
          NULL,
          NULL },
        { "fleet, without the serial",
          FLEET,
          WORKED_FLEET,
          { NULL },
          NULL,
          "Parameters.Serial",
          "the request gives no value" },
        { "the same is no JITP template",
          JITP,
          WORKED_FLEET,
          { "Serial", "42", NULL },
          NULL,
          "Parameters.Serial",
          "built-in parameters only" },
        { "JITP, built-ins only",
          JITP,
          WORKED_JITP,
          { BUILTIN "CommonName", "lamp-1", BUILTIN "SerialNumber", "S1", NULL },
          "thing lamp-1; attrs MERGE sn=S1; " SELF "; policy fleet-default",
          NULL,
          NULL },
        { "JITP, a certificate without serial",
          JITP,
          WORKED_JITP,
          { BUILTIN "CommonName", "lamp-1", NULL },
          NULL,
          "Parameters." BUILTIN "SerialNumber",
          "the certificate gives no value" },
        { "the same is no fleet template",
          FLEET,
          WORKED_JITP,
          { BUILTIN "CommonName", "lamp-1", BUILTIN "SerialNumber", "S1", NULL },
          NULL,
          "Parameters." BUILTIN "CommonName",
          "for JITP templates only" },
    };

    (void)state;
    CHECK(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(use_decides_what_a_template_may_hold),
        cmocka_unit_test(grammar_has_these_keys_and_no_others),
        cmocka_unit_test(parameters_have_values),
        cmocka_unit_test(parameters_have_their_size),
        cmocka_unit_test(built_in_parameters_are_for_jitp_but_for_the_id),
        cmocka_unit_test(resources_have_these_properties),
        cmocka_unit_test(settings_are_these_in_both_spellings),
        cmocka_unit_test(functions_have_their_forms_and_restrictions),
        cmocka_unit_test(mappings_and_device_configuration_are_flat),
        cmocka_unit_test(worked_examples_come_out_as_they_say),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
