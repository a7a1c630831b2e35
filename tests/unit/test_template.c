/* What prov_template_parse accepts and refuses: sections, parameters, resources. */
#include "test_template.h"

#include "support/alloc.h"

/* One place of a template filled in, the rest being in order. */
#define PARAMS(p) "{'Parameters':{" p "},\n'Resources':{" CERT "}}"
#define MAPS(m) "{'Mappings':" m ",'Resources':{" CERT "}}"
#define DECLARING(r)                                                                               \
    "{'Parameters':{'A':{'Type':'String'},'B':{'Type':'String','Default':''}},\n"                  \
    "'Mappings':{'M':{'k':{'s':'v','l':['v','w']}}},\n'Resources':{" r "}}"
#define THING(p)                                                                                   \
    DECLARING("'t':{'Type':'AWS::IoT::Thing','Properties':{'ThingName':'n'" p "}}," CERT)
#define NAMED(v) DECLARING("'t':{'Type':'AWS::IoT::Thing','Properties':{'ThingName':" v "}}")
#define BADLY_NAMED(v) DECLARING("'t':{'Type':'AWS::IoT::Thing','Properties':{^'ThingName':" v "}}")
#define CERTIFICATE(p) RESOURCES("'c':{'Type':'AWS::IoT::Certificate','Properties':{" p "}}")
#define POLICY(p) DECLARING(CERT ",\n'p':{'Type':'AWS::IoT::Policy','Properties':{" p "}}")
#define SETTINGS(s)                                                                                \
    RESOURCES("'t':{'Type':'AWS::IoT::Thing','Properties':{'ThingName':'n'},"                      \
              "'OverrideSettings':" s "}")
#define STATUS_SETTINGS(s)                                                                         \
    RESOURCES("'c':{'Type':'AWS::IoT::Certificate','Properties':{'CertificateId':" ID "},"         \
              "'OverrideSettings':" s "}")
#define ALLOW                                                                                      \
    "{'Version':'2012-10-17','Statement':[{'Effect':'Allow','Action':'iot:Connect',"               \
    "'Resource':'*'}]}"

/* ---- sections and parameters (2.2, 2.3) ------------------------------------------------------ */

static void sections_are_those_of_the_grammar(void **state)
{
    static const struct accepted good[] = {
        { FLEET, RESOURCES(CERT) },
        { JITP, RESOURCES(CERT) },
        { FLEET,
          "{'Parameters':{},'Mappings':{},'DeviceConfiguration':{},'Resources':{" CERT "}}" },
        { JITP, "{'Parameters':{},'Resources':{" CERT "}}" },
    };
    static const struct refused bad[] = {
        { FLEET, "^[]", "", "a list where an object" },
        { FLEET, "^'x'", "", "a string where an object" },
        { FLEET, "^{}", "", "Resources is missing" },
        { FLEET, "{'Parameters':{}\n,'Resources':{" CERT "},\n ^'Resource':{}}", "Resource",
          "unknown section \"Resource\"; did you mean \"Resources\"?" },
        { FLEET, "{^'parameters':{},'Resources':{" CERT "}}", "parameters", "\"Parameters\"" },
        { FLEET, "{^'Resources':[]}", "Resources", "a list where an object" },
        { FLEET, "{^'Resources':{}}", "Resources", "no resource" },
        { FLEET, "{^'Parameters':[],'Resources':{" CERT "}}", "Parameters", "an object" },
        { FLEET, "{'Resources':{" CERT "},^'DeviceConfiguration':'x'}", "DeviceConfiguration",
          "a string where a map" },
        { JITP, "{'Resources':{" CERT "},^'Mappings':{}}", "Mappings", "FLEET_PROVISIONING" },
        { JITP, "{'Resources':{" CERT "},^'DeviceConfiguration':{}}", "DeviceConfiguration",
          "FLEET_PROVISIONING" },
        { FLEET, "{'Resources':{" CERT "},^'Resources':{}}", "Resources", "twice" },
        { FLEET, "{'Resources':{" CERT "}}^x", "", "the end of the text" },
        { FLEET, "{'Resources':{" CERT "}^", "", "the text ends" },
    };

    (void)state;
    ACCEPTED(good);
    REFUSED(bad);
}

static void parameters_are_strings_with_or_without_default(void **state)
{
    static const struct accepted good[] = {
        { FLEET, PARAMS("'A':{'Type':'String'},'a b':{'Default':'x','Type':'String'}") },
        { FLEET, PARAMS("'AWS::IoT::Certificate::Id':{'Type':'String'}") },
        { JITP, PARAMS("'AWS::IoT::Certificate::Country':{'Type':'String'},"
                       "'AWS::IoT::Certificate::Organization':{'Type':'String'},"
                       "'AWS::IoT::Certificate::OrganizationalUnit':{'Type':'String'},"
                       "'AWS::IoT::Certificate::DistinguishedNameQualifier':{'Type':'String'},"
                       "'AWS::IoT::Certificate::StateName':{'Type':'String'},"
                       "'AWS::IoT::Certificate::CommonName':{'Type':'String','Default':'x'},"
                       "'AWS::IoT::Certificate::SerialNumber':{'Type':'String'},"
                       "'AWS::IoT::Certificate::Id':{'Type':'String'}") },
    };
    static const struct refused bad[] = {
        { FLEET, PARAMS("^'A':'String'"), "Parameters.A", "a string where an object" },
        { FLEET, PARAMS("^'A':{}"), "Parameters.A.Type", "Type must be" },
        { FLEET, PARAMS("'A':{^'Type':'Number'}"), "Parameters.A.Type", "\"String\"" },
        { FLEET, PARAMS("'A':{^'Type':'string'}"), "Parameters.A.Type", "\"String\"" },
        { FLEET, PARAMS("'A':{'Type':'String',^'Default':1}"), "Parameters.A.Default",
          "must be a string" },
        { FLEET, PARAMS("'A':{'Type':'String',^'Deflaut':'x'}"), "Parameters.A.Deflaut",
          "\"Default\"" },
        { FLEET, PARAMS("^'':{'Type':'String'}"), "Parameters.", "has 1 to 2048 bytes" },
        { FLEET, PARAMS("^'AWS::Region':{'Type':'String'}"), "Parameters.AWS::Region", "kept" },
        { FLEET, PARAMS("^'AWS::IoT::Certificate::CommonName':{'Type':'String'}"),
          "Parameters.AWS::IoT::Certificate::CommonName", "JITP templates only" },
        { JITP, PARAMS("^'Serial':{'Type':'String'}"), "Parameters.Serial",
          "built-in parameters only" },
        { JITP, PARAMS("^'AWS::IoT::Certificate::Commonname':{'Type':'String'}"),
          "Parameters.AWS::IoT::Certificate::Commonname",
          "the nearest is \"AWS::IoT::Certificate::CommonName\"" },
    };

    (void)state;
    ACCEPTED(good);
    REFUSED(bad);
}

static void mappings_have_two_levels_and_no_functions(void **state)
{
    static const struct accepted good[] = {
        { FLEET, MAPS("{}") },
        { FLEET, MAPS("{'M':{}}") },
        { FLEET, MAPS("{'M':{'k':{}}}") },
        { FLEET, MAPS("{'M':{'k':{'a':'v','b':['v','w']},'l':{'a':'x'}}}") },
    };
    static const struct refused bad[] = {
        { FLEET, "{^'Mappings':'x','Resources':{" CERT "}}", "Mappings", "an object" },
        { FLEET, MAPS("{^'M':'x'}"), "Mappings.M", "an object" },
        { FLEET, MAPS("{'M':{^'k':'x'}}"), "Mappings.M.k", "an object" },
        { FLEET, MAPS("{'M':{'k':{^'s':1}}}"), "Mappings.M.k.s", "a string or a list" },
        { FLEET, MAPS("{'M':{'k':{^'s':{'t':'x'}}}}"), "Mappings.M.k.s", "a string or a list" },
        { FLEET, MAPS("{'M':{'k':{^'s':['x',null]}}}"), "Mappings.M.k.s", "a string or a list" },
        { FLEET, MAPS("{'M':{'k':{^'Ref':'A'}}}"), "Mappings.M.k.Ref", "functions" },
        { FLEET, MAPS("{'M':{^'Fn::Join':{}}}"), "Mappings.M.Fn::Join", "functions" },
    };

    (void)state;
    ACCEPTED(good);
    REFUSED(bad);
}

/* ---- resources (2.4) ------------------------------------------------------------------------- */

static void resources_have_a_known_type_and_known_keys(void **state)
{
    static const struct accepted good[] = {
        { FLEET, RESOURCES("'t':{'Type':'AWS::IoT::Thing','Properties':{'ThingName':'n'},"
                           "'DependsOn':'c','OverrideSettings':{}}") },
        { FLEET, RESOURCES("'t':{'Type':'AWS::IoT::Thing','Properties':{'ThingName':'n'},"
                           "'DependsOn':['c','d']}," CERT) },
    };
    static const struct refused bad[] = {
        { FLEET, RESOURCES("^'t':1"), "Resources.t", "a number where an object" },
        { FLEET, RESOURCES("^'t':{'Properties':{}}"), "Resources.t.Type", "needs a Type" },
        { FLEET, RESOURCES("'t':{^'Type':1,'Properties':{}}"), "Resources.t.Type", "a string" },
        { FLEET, RESOURCES("'t':{'Properties':{},^'Type':'AWS::IOT::Think'}"), "Resources.t.Type",
          "unknown resource type \"AWS::IOT::Think\"; did you mean \"AWS::IoT::Thing\"?" },
        { FLEET, RESOURCES("^'t':{'Type':'AWS::IoT::Thing'}"), "Resources.t.Properties",
          "needs Properties" },
        { FLEET, RESOURCES("'t':{'Type':'AWS::IoT::Thing',^'Properties':[]}"),
          "Resources.t.Properties", "an object" },
        { FLEET, RESOURCES("'t':{'Type':'AWS::IoT::Thing',^'Propertys':{}}"),
          "Resources.t.Propertys", "unknown key \"Propertys\"; did you mean \"Properties\"?" },
        { FLEET,
          RESOURCES("'t':{'Type':'AWS::IoT::Thing','Properties':{'ThingName':'n'},"
                    "^'DependsOn':{}}"),
          "Resources.t.DependsOn", "a string or a list of strings" },
        { FLEET,
          RESOURCES("'t':{'Type':'AWS::IoT::Thing','Properties':{'ThingName':'n'},"
                    "^'DependsOn':['c',1]}"),
          "Resources.t.DependsOn", "a string or a list of strings" },
        { FLEET,
          RESOURCES("'t':{'Type':'AWS::IoT::Thing','Properties':{'ThingName':'n'}},\n"
                    "^'u':{'Type':'AWS::IoT::Thing','Properties':{'ThingName':'m'}}"),
          "Resources.u", "at most 1 resource of type AWS::IoT::Thing" },
        { FLEET,
          RESOURCES(CERT ",^'d':{'Type':'AWS::IoT::Certificate','Properties':{"
                         "'CertificateId':" ID "}}"),
          "Resources.d", "at most 1 resource of type AWS::IoT::Certificate" },
    };

    (void)state;
    ACCEPTED(good);
    REFUSED(bad);
}

#define P(n) "'" n "':{'Type':'AWS::IoT::Policy','Properties':{'PolicyName':'p" n "'}},"

static void policies_are_several_but_not_many(void **state)
{
    static const struct accepted good[] = {
        { FLEET,
          RESOURCES(P("0") P("1") P("2") P("3") P("4") P("5") P("6") P("7") P("8") P("9") CERT) },
    };
    static const struct refused bad[] = {
        { FLEET,
          RESOURCES(P("0") P("1") P("2") P("3") P("4") P("5") P("6") P("7") P("8") P("9") "^" P("X")
                        CERT),
          "Resources.X", "at most 10 resources of type AWS::IoT::Policy" },
        { FLEET,
          "{^'Resources':{" P("0") "'t':{'Type':'AWS::IoT::Thing','Properties':"
                                   "{'ThingName':'n'}}}}",
          "Resources", "needs a certificate" },
    };

    (void)state;
    ACCEPTED(good);
    REFUSED(bad);
}

static void thing_properties_have_their_types(void **state)
{
    static const struct accepted good[] = {
        { FLEET, THING("") },
        { FLEET, THING(",'ThingTypeName':'x','BillingGroup':'b','ThingGroups':['g','h'],"
                       "'AttributePayload':{'a':'1','b/c':''},'PackageVersions':{'p':'1.0'}") },
        { FLEET, THING(",'ThingTypeName':{'Ref':'A'},'BillingGroup':{'Ref':'A'},"
                       "'ThingGroups':[{'Ref':'A'},'g'],'AttributePayload':{'a':{'Ref':'A'}},"
                       "'PackageVersions':{'p':{'Ref':'A'}}") },
        { FLEET, THING(",'ThingGroups':[],'AttributePayload':{}") },
        { FLEET, NAMED("{'Ref':'A'}") },
        { JITP, RESOURCES("'t':{'Type':'AWS::IoT::Thing','Properties':{'ThingName':" ID "}}") },
    };
    static const struct refused bad[] = {
        { FLEET, RESOURCES("'t':{'Type':'AWS::IoT::Thing',^'Properties':{'ThingTypeName':'x'}}"),
          "Resources.t.Properties", "ThingName is missing" },
        { FLEET, THING(",^'ThingNam':'x'"), "Resources.t.Properties.ThingNam",
          "unknown property \"ThingNam\"; did you mean \"ThingName\"?" },
        { FLEET, THING(",^'Attributes':{}"), "Resources.t.Properties.Attributes",
          "there are: ThingName, AttributePayload, ThingTypeName, ThingGroups, BillingGroup, "
          "PackageVersions" },
        { FLEET, THING(",^'thingTypeName':'x'"), "Resources.t.Properties.thingTypeName",
          "\"ThingTypeName\"" },
        { FLEET, BADLY_NAMED("1"), "Resources.t.Properties.ThingName",
          "a number where a string or a function" },
        { FLEET, BADLY_NAMED("null"), "Resources.t.Properties.ThingName", "null where" },
        { FLEET, BADLY_NAMED("['n']"), "Resources.t.Properties.ThingName", "a list where" },
        { FLEET, BADLY_NAMED("{}"), "Resources.t.Properties.ThingName", "an object where" },
        { FLEET, BADLY_NAMED("{'x':'y'}"), "Resources.t.Properties.ThingName",
          "an object where a string or a function" },
        { FLEET, THING(",^'ThingGroups':'g'"), "Resources.t.Properties.ThingGroups",
          "a string where a list of strings or a function" },
        { FLEET, THING(",'ThingGroups':{^'Ref':'A'}"), "Resources.t.Properties.ThingGroups.Ref",
          "Ref gives a string where a list is needed" },
        { FLEET, THING(",'ThingGroups':['g',\n ^['h']]"), "Resources.t.Properties.ThingGroups[1]",
          "a list where a string" },
        { FLEET, THING(",^'AttributePayload':['a']"), "Resources.t.Properties.AttributePayload",
          "a list where a map" },
        { FLEET, THING(",'AttributePayload':{^'a':1}"), "Resources.t.Properties.AttributePayload.a",
          "a number where a string" },
        { FLEET, THING(",'AttributePayload':{^'attributes':{'a':'1'}}"),
          "Resources.t.Properties.AttributePayload.attributes", "an object where a string" },
        { FLEET, THING(",'AttributePayload':{^'Ref':'A'}"),
          "Resources.t.Properties.AttributePayload.Ref", "a function where a map" },
        { FLEET, THING(",^'PackageVersions':'x'"), "Resources.t.Properties.PackageVersions",
          "a string where a map" },
        { FLEET, THING(",'PackageVersions':{^'p':1}"), "Resources.t.Properties.PackageVersions.p",
          "a number where a string" },
    };

    (void)state;
    ACCEPTED(good);
    REFUSED(bad);
}

static void literal_names_are_checked_when_the_template_is_stored(void **state)
{
    static const struct refused bad[] = {
        { FLEET, BADLY_NAMED("''"), "Resources.t.Properties.ThingName", "empty" },
        { FLEET, BADLY_NAMED("'a b'"), "Resources.t.Properties.ThingName", "\"a b\"" },
        { FLEET, BADLY_NAMED("{'Fn::Join':[' ',['a','b']]}"), "Resources.t.Properties.ThingName",
          "\"a b\"" },
        { FLEET, BADLY_NAMED("'{\\'Ref\\':\\'A\\'}'"), "Resources.t.Properties.ThingName",
          "illegal" },
        { FLEET, THING(",^'ThingTypeName':'a/b'"), "Resources.t.Properties.ThingTypeName",
          "\"a/b\"" },
        { FLEET, THING(",^'BillingGroup':'a b'"), "Resources.t.Properties.BillingGroup",
          "\"a b\"" },
        { FLEET, THING(",'ThingGroups':[{'Ref':'A'},^'a b']"),
          "Resources.t.Properties.ThingGroups[1]", "\"a b\"" },
        { FLEET, THING(",'ThingGroups':['0','1','2','3','4','5','6','7','8','9',^'X']"),
          "Resources.t.Properties.ThingGroups[10]", "at most 10 groups" },
        { FLEET, THING(",^'ThingGroups':{'Fn::Split':[',','g,a b']}"),
          "Resources.t.Properties.ThingGroups", "\"a b\"" },
        { FLEET, THING(",'AttributePayload':{^'a b':{'Ref':'A'}}"),
          "Resources.t.Properties.AttributePayload.a b", "attribute name" },
        { FLEET, THING(",'AttributePayload':{'a':{'Ref':'A'},^'b':'x y'}"),
          "Resources.t.Properties.AttributePayload.b", "attribute value" },
        { FLEET, POLICY("^'PolicyName':'a b'"), "Resources.p.Properties.PolicyName",
          "policy name" },
        { FLEET, CERTIFICATE("'CertificateId':" ID ",^'Status':'PENDING'"),
          "Resources.c.Properties.Status", "\"PENDING\" is neither INACTIVE nor ACTIVE" },
        { FLEET, CERTIFICATE("'CertificateId':" ID ",^'ThingPrincipalType':'SOME_THING'"),
          "Resources.c.Properties.ThingPrincipalType", "neither NON_EXCLUSIVE_THING nor" },
    };

    (void)state;
    REFUSED(bad);
}

static void attributes_are_no_more_than_a_thing_can_have(void **state)
{
    char text[4096];
    struct prov_template *tpl;
    struct prov_err err;
    struct text t;
    size_t n;

    (void)state;
    for (int attrs = PROV_MAX_ATTRS; attrs <= PROV_MAX_ATTRS + 1; attrs++) {
        n = (size_t)snprintf(text, sizeof text,
                             "{'Resources':{'t':{'Type':'AWS::IoT::Thing','Properties':{"
                             "'ThingName':'n',^'AttributePayload':{'a0':'v'");
        for (int i = 1; i < attrs; i++)
            n += (size_t)snprintf(text + n, sizeof text - n, ",'a%d':'v'", i);
        (void)snprintf(text + n, sizeof text - n, "}}}}}");
        write_text(&t, text);
        if (attrs <= PROV_MAX_ATTRS) {
            assert_int_equal(parse(&t, FLEET, &tpl, &err), PROV_OK);
            prov_template_free(tpl);
            continue;
        }
        assert_int_equal(parse(&t, FLEET, &tpl, &err), PROV_EINVAL);
        assert_int_equal(err.col, t.col);
        assert_non_null(strstr(err.text, "51 attributes"));
    }
}

static void certificate_is_named_by_its_id_alone(void **state)
{
    static const struct accepted good[] = {
        { FLEET, CERTIFICATE("'CertificateId':" ID ",'Status':'INACTIVE'") },
        { FLEET, CERTIFICATE("'CertificateId':" ID ",'Status':'Active',"
                             "'ThingPrincipalType':'EXCLUSIVE_THING'") },
        { JITP, CERTIFICATE("'CertificateId':" ID ",'Status':'inactive',"
                            "'ThingPrincipalType':'NON_EXCLUSIVE_THING'") },
        { FLEET, "{'Parameters':{'Id':{'Type':'String'}},'Resources':{'c':{"
                 "'Type':'AWS::IoT::Certificate','Properties':{'CertificateId':"
                 "{'Ref':'Id'}}}}}" },
    };
    static const struct refused bad[] = {
        { FLEET, RESOURCES("'c':{'Type':'AWS::IoT::Certificate',^'Properties':{}}"),
          "Resources.c.Properties", "CertificateId is missing" },
        { FLEET, CERTIFICATE("^'CertificateSigningRequest':'x'"),
          "Resources.c.Properties.CertificateSigningRequest",
          "belongs to single-thing and bulk registration" },
        { FLEET, CERTIFICATE("^'CertificatePem':'x'"), "Resources.c.Properties.CertificatePem",
          "in a FLEET_PROVISIONING template" },
        { JITP, CERTIFICATE("'CertificateId':" ID ",^'CACertificatePem':'x'"),
          "Resources.c.Properties.CACertificatePem", "in a JITP template" },
        { FLEET, CERTIFICATE("'CertificateId':" ID ",^'PolicyName':'x'"),
          "Resources.c.Properties.PolicyName", "unknown property" },
        { JITP, CERTIFICATE("^'CertificateId':'00'"), "Resources.c.Properties.CertificateId",
          "must be {\"Ref\": \"AWS::IoT::Certificate::Id\"}" },
        { JITP,
          "{'Parameters':{'AWS::IoT::Certificate::CommonName':{'Type':'String'}},'Resources':{"
          "'c':{'Type':'AWS::IoT::Certificate','Properties':{^'CertificateId':{"
          "'Ref':'AWS::IoT::Certificate::CommonName'}}}}}",
          "Resources.c.Properties.CertificateId", "must be" },
    };

    (void)state;
    ACCEPTED(good);
    REFUSED(bad);
}

/* ---- OverrideSettings (2.5) ------------------------------------------------------------------ */

static void override_settings_are_legal_for_their_property(void **state)
{
    static const struct accepted good[] = {
        { FLEET, SETTINGS("{'AttributePayload':'MERGE','ThingTypeName':'REPLACE',"
                          "'ThingGroups':'DO_NOTHING','BillingGroup':'FAIL'}") },
        { FLEET, SETTINGS("{'ATTRIBUTE_PAYLOAD':'FAIL','THING_TYPE_NAME':'DO_NOTHING',"
                          "'THING_GROUPS':'MERGE','BILLING_GROUP':'REPLACE'}") },
        { FLEET, SETTINGS("{}") },
        { FLEET, STATUS_SETTINGS("{'Status':'DO_NOTHING'}") },
        { JITP, STATUS_SETTINGS("{'Status':'REPLACE'}") },
    };
    static const struct refused bad[] = {
        { FLEET,
          RESOURCES("'t':{'Type':'AWS::IoT::Thing','Properties':{'ThingName':'n'},"
                    "^'OverrideSettings':'FAIL'}"),
          "Resources.t.OverrideSettings", "a string where an object" },
        { FLEET, SETTINGS("{^'AttributePayload':'OVERWRITE'}"),
          "Resources.t.OverrideSettings.AttributePayload",
          "must be DO_NOTHING, REPLACE, FAIL or MERGE" },
        { FLEET, SETTINGS("{^'AttributePayload':'merge'}"),
          "Resources.t.OverrideSettings.AttributePayload", "MERGE" },
        { FLEET, SETTINGS("{^'ThingGroups':1}"), "Resources.t.OverrideSettings.ThingGroups",
          "MERGE" },
        { FLEET, SETTINGS("{^'ThingGroups':{'Ref':'A'}}"),
          "Resources.t.OverrideSettings.ThingGroups", "MERGE" },
        { FLEET, SETTINGS("{^'ThingTypeName':'MERGE'}"),
          "Resources.t.OverrideSettings.ThingTypeName", "must be DO_NOTHING, REPLACE or FAIL" },
        { FLEET, SETTINGS("{^'BILLING_GROUP':'MERGE'}"),
          "Resources.t.OverrideSettings.BILLING_GROUP", "must be DO_NOTHING, REPLACE or FAIL" },
        { FLEET, SETTINGS("{^'ThingName':'REPLACE'}"), "Resources.t.OverrideSettings.ThingName",
          "unknown setting \"ThingName\"; there are: AttributePayload, ATTRIBUTE_PAYLOAD, "
          "ThingTypeName" },
        { FLEET, SETTINGS("{^'THING_GROUP':'REPLACE'}"), "Resources.t.OverrideSettings.THING_GROUP",
          "\"THING_GROUPS\"" },
        { FLEET, SETTINGS("{'ThingGroups':'FAIL',^'THING_GROUPS':'MERGE'}"),
          "Resources.t.OverrideSettings.THING_GROUPS", "given as ThingGroups already" },
        { FLEET, STATUS_SETTINGS("{^'Status':'MERGE'}"), "Resources.c.OverrideSettings.Status",
          "must be DO_NOTHING, REPLACE or FAIL" },
        { FLEET, STATUS_SETTINGS("{^'CertificateId':'FAIL'}"),
          "Resources.c.OverrideSettings.CertificateId", "\"Status\"" },
        { FLEET,
          RESOURCES(CERT ",'p':{'Type':'AWS::IoT::Policy','Properties':{'PolicyName':'x'},"
                         "^'OverrideSettings':{}}"),
          "Resources.p.OverrideSettings", "a policy has nothing to override" },
    };

    (void)state;
    ACCEPTED(good);
    REFUSED(bad);
}

/* ---- the rest -------------------------------------------------------------------------------- */

static void default_is_accepted_up_to_its_limit_only(void **state)
{
    static char text[PROV_MAX_TEMPLATE_BODY], value[PROV_MAX_PARAM_VALUE + 2];
    struct prov_template *tpl;
    struct prov_err err;
    struct text t;

    (void)state;
    for (size_t n = PROV_MAX_PARAM_VALUE; n <= PROV_MAX_PARAM_VALUE + 1; n++) {
        memset(value, 'v', n);
        (void)snprintf(text, sizeof text, PARAMS("'A':{'Type':'String','Default':'%s'}"), value);
        write_text(&t, text);
        assert_int_equal(parse(&t, FLEET, &tpl, &err),
                         n <= PROV_MAX_PARAM_VALUE ? PROV_OK : PROV_EINVAL);
        prov_template_free(tpl);
    }
    assert_string_equal(err.path, "Parameters.A.Default");
    assert_string_equal(err.text, "Default is longer than 4096 bytes");
}

static void body_is_accepted_up_to_its_limit_only(void **state)
{
    struct prov_template *tpl;
    struct prov_err err;
    struct text t;
    size_t n;

    (void)state;
    write_text(&t, RESOURCES(CERT));
    n = strlen(t.json);
    memset(t.json + n, ' ', PROV_MAX_TEMPLATE_BODY - n + 1);
    t.json[PROV_MAX_TEMPLATE_BODY] = '\0';
    assert_int_equal(parse(&t, FLEET, &tpl, &err), PROV_OK);
    prov_template_free(tpl);
    t.json[PROV_MAX_TEMPLATE_BODY] = ' ';
    t.json[PROV_MAX_TEMPLATE_BODY + 1] = '\0';
    assert_int_equal(parse(&t, FLEET, &tpl, &err), PROV_ETOOBIG);
    assert_null(tpl);
}

static void functions_nest_up_to_the_depth_of_json(void **state)
{
    struct prov_template *tpl;
    struct prov_err err;
    char text[4096];
    struct text t;
    size_t n;

    (void)state;
    /* four levels lead to the ThingName; each Fn::Join below it takes three */
    for (int joins = (PROV_MAX_JSON_DEPTH - 4) / 3; joins <= PROV_MAX_JSON_DEPTH; joins++) {
        n = (size_t)snprintf(text, sizeof text,
                             "{'Resources':{'t':{'Type':'AWS::IoT::Thing','Properties':{"
                             "'ThingName':");
        for (int i = 0; i < joins; i++)
            n += (size_t)snprintf(text + n, sizeof text - n, "{'Fn::Join':['',[");
        n += (size_t)snprintf(text + n, sizeof text - n, "'n'");
        for (int i = 0; i < joins; i++)
            n += (size_t)snprintf(text + n, sizeof text - n, "]]}");
        (void)snprintf(text + n, sizeof text - n, "}}}}");
        write_text(&t, text);
        if (joins == (PROV_MAX_JSON_DEPTH - 4) / 3) {
            assert_int_equal(parse(&t, FLEET, &tpl, &err), PROV_OK);
            prov_template_free(tpl);
        } else {
            assert_int_equal(parse(&t, FLEET, &tpl, &err), PROV_EINVAL);
            assert_non_null(strstr(err.text, "nested more than 32 deep"));
        }
    }
}

static void out_of_memory_is_reported_and_leaks_nothing(void **state)
{
    struct prov_template *tpl;
    enum prov_rc rc;
    struct prov_err err;
    struct text t;
    unsigned n;

    (void)state;
    write_text(&t, DECLARING("'t':{'Type':'AWS::IoT::Thing','Properties':{'ThingName':'n',"
                             "'ThingGroups':{'Fn::FindInMap':['M','k','l']},"
                             "'AttributePayload':{'a':{'Fn::Sub':['${v}',{'v':'x'}]},"
                             "'b':{'Fn::Select':[0,{'Fn::Split':['-','x-y']}]}}}}," CERT
                             ",'p':{'Type':'AWS::IoT::Policy','Properties':{'PolicyDocument':" ALLOW
                             "}}"));
    for (n = 1;; n++) {
        alloc_fail_at(n);
        rc = parse(&t, FLEET, &tpl, &err);
        if (!alloc_failed())
            break;
        assert_int_equal(rc, PROV_ENOMEM);
        assert_int_equal(err.rc, PROV_ENOMEM);
        assert_null(tpl);
    }
    assert_int_equal(rc, PROV_OK);
    assert_true(n > 100);
    prov_template_free(tpl);
}

static void types_have_the_names_of_the_api(void **state)
{
    enum prov_template_type type = FLEET;

    (void)state;
    assert_string_equal(prov_template_type_name(FLEET), "FLEET_PROVISIONING");
    assert_string_equal(prov_template_type_name(JITP), "JITP");
    assert_true(prov_template_type_parse(PROV_LIT("JITP"), &type));
    assert_int_equal(type, JITP);
    assert_true(prov_template_type_parse(PROV_LIT("FLEET_PROVISIONING"), &type));
    assert_int_equal(type, FLEET);
    assert_false(prov_template_type_parse(PROV_LIT("JIT_PROVISIONING"), &type));
    assert_false(prov_template_type_parse(PROV_LIT("jitp"), &type));
    assert_false(prov_template_type_parse(PROV_LIT(""), &type));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sections_are_those_of_the_grammar),
        cmocka_unit_test(parameters_are_strings_with_or_without_default),
        cmocka_unit_test(mappings_have_two_levels_and_no_functions),
        cmocka_unit_test(resources_have_a_known_type_and_known_keys),
        cmocka_unit_test(policies_are_several_but_not_many),
        cmocka_unit_test(thing_properties_have_their_types),
        cmocka_unit_test(literal_names_are_checked_when_the_template_is_stored),
        cmocka_unit_test(attributes_are_no_more_than_a_thing_can_have),
        cmocka_unit_test(certificate_is_named_by_its_id_alone),
        cmocka_unit_test(override_settings_are_legal_for_their_property),
        cmocka_unit_test(default_is_accepted_up_to_its_limit_only),
        cmocka_unit_test(body_is_accepted_up_to_its_limit_only),
        cmocka_unit_test(functions_nest_up_to_the_depth_of_json),
        cmocka_unit_test(out_of_memory_is_reported_and_leaks_nothing),
        cmocka_unit_test(types_have_the_names_of_the_api),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
