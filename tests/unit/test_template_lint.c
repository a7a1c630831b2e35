/* prov_template_lint: every mistake in the words that people read, several at once, warnings. */
#include "test_template.h"

#include "support/alloc.h"

#define DECLARING(r)                                                                               \
    "{'Parameters':{'Serial':{'Type':'String'},'Site':{'Type':'String','Default':''}},\n"          \
    "'Mappings':{'Sites':{'north':{'url':'v','zones':['v','w']}}},\n'Resources':{" r "}}"
#define THING(p)                                                                                   \
    DECLARING("'t':{'Type':'AWS::IoT::Thing','Properties':{'ThingName':{'Ref':'Serial'}" p         \
              "}}," CERT "," POL)
#define NAMED(v) DECLARING("'t':{'Type':'AWS::IoT::Thing','Properties':{'ThingName':" v "}}," CERT)
#define CERTIFICATE(p) RESOURCES("'c':{'Type':'AWS::IoT::Certificate','Properties':{" p "}}")
#define POLICY(p) DECLARING(CERT ",'p':{'Type':'AWS::IoT::Policy','Properties':{" p "}}")
#define POL "'p':{'Type':'AWS::IoT::Policy','Properties':{'PolicyName':'x'}}"
#define SETTINGS(s)                                                                                \
    RESOURCES("'t':{'Type':'AWS::IoT::Thing','Properties':{'ThingName':" ID "},"                   \
              "'OverrideSettings':" s "}," CERT)
#define CONFIG(c) "{'Resources':{" CERT "," POL "},'DeviceConfiguration':" c "}"

struct remark {
    enum prov_template_type type;
    const char *text, *path, *says;
};

static struct prov_template_lint lint_of(const struct text *t, enum prov_template_type type,
                                         enum prov_rc expected)
{
    struct prov_template_lint lint;
    struct prov_template *tpl;
    struct prov_err err;

    assert_int_equal(prov_template_lint(prov_span_str(t->json), type, &lint), expected);
    /* whoever stores it hears of one of the mistakes, or of none */
    assert_int_equal(parse(t, type, &tpl, &err), expected);
    prov_template_free(tpl);
    assert_true((lint.mistakes == 0) == (expected == PROV_OK));
    return lint;
}

/* Each text has one remark, at the ^. */
static void check_remarks(const struct remark *rows, size_t n, bool warning)
{
    struct prov_template_lint lint;
    struct text t;

    for (size_t i = 0; i < n; i++) {
        const struct prov_err *what = &lint.v[0].what;

        write_text(&t, rows[i].text);
        lint = lint_of(&t, rows[i].type, warning ? PROV_OK : PROV_EINVAL);
        if (lint.n != 1 || strcmp(what->path, rows[i].path) != 0 ||
            strcmp(what->text, rows[i].says) != 0 || what->line != t.line || what->col != t.col) {
            for (size_t k = 0; k < lint.n; k++)
                print_error("%u:%u: %s: %s\n", lint.v[k].what.line, lint.v[k].what.col,
                            lint.v[k].what.path, lint.v[k].what.text);
            fail_msg("%s\nnot %u:%u %s: %s", t.json, t.line, t.col, rows[i].path, rows[i].says);
        }
        assert_int_equal(lint.v[0].warning, warning);
        assert_int_equal(lint.mistakes, warning ? 0 : 1);
        assert_int_equal(lint.warnings, warning ? 1 : 0);
        assert_true((lint.v[0].cure != NULL) == warning);
        if (!warning)
            assert_string_equal(what->code, "InvalidRequestException");
    }
}

/* ---- mistakes -------------------------------------------------------------------------------- */

static void mistake_in_the_json_is_told_as_people_make_it(void **state)
{
    static const struct remark rows[] = {
        { FLEET, "{'Resources':{" CERT "}^,\n}", "",
          "a comma with nothing behind it but '}': JSON allows none there" },
        { FLEET, "{'Resources':{'t':['a'^, ]}}", "",
          "a comma with nothing behind it but ']': JSON allows none there" },
        { FLEET, "{'Resources':{" CERT "},\n^'Resources':{}}", "Resources", "the same key twice" },
        { FLEET, "{'Resources':{'a':{'Type':^'AWS}}}", "", "a string that does not end" },
        { FLEET, "{'Resources':{'a':{'Type':'AWS^\n'}}}", "",
          "control character 0x0a in a string" },
        { FLEET, "{'Resources':{" CERT "}^", "", "the text ends where ',' or '}' was expected" },
        { FLEET, "{'Resources':{" CERT "} ^'Parameters':{}}", "",
          "'\"' where ',' or '}' was expected" },
        { FLEET, "{'Resources':{" CERT "}}^}", "", "'}' where the end of the text was expected" },
        { FLEET, "{'Resources' ^= {}}", "", "'=' where ':' was expected" },
        { FLEET, "{ ^Resources:{}}", "", "'R' where a key in double quotes was expected" },
        { FLEET, "{ ^\x60Resources\x60:{}}", "", "'`' where a key in double quotes was expected" },
        { FLEET, "{ ^// the resources\n'Resources':{}}", "", "JSON has no comments" },
        { FLEET, "^/* a template */{}", "", "JSON has no comments" },
        { FLEET, "^\xef\xbb\xbf{'Resources':{}}", "",
          "a byte order mark: save the file as UTF-8 without one" },
        { FLEET, "^\xff\xfe{", "", "UTF-16: save the file as UTF-8" },
        { FLEET, "^\xfe\xff", "", "UTF-16: save the file as UTF-8" },
        { FLEET, "{^\xe2\x80\x9cResources\xe2\x80\x9d:{}}", "",
          "a typographic quotation mark where JSON needs a plain one" },
        { FLEET, "{'a':^\xe2\x80\x9d}", "",
          "a typographic quotation mark where JSON needs a plain one" },
        { FLEET, "{'a':'D^\xfcrer'}", "", "not UTF-8: byte 0xfc" },
        { FLEET, "{'a':'^\\x'}", "", "a backslash must be followed by one of \" \\ / b f n r t u" },
        { FLEET, "{'a':^True}", "", "'T' where a value was expected" },
        { FLEET, "^", "", "the text ends where a value was expected" },
    };
    struct prov_template_lint lint;

    (void)state;
    check_remarks(rows, PROV_COUNT(rows), false);
    /* the one that this file's way of writing templates cannot say */
    assert_int_equal(prov_template_lint(PROV_LIT("{ 'Resources': {} }"), FLEET, &lint),
                     PROV_EINVAL);
    assert_string_equal(lint.v[0].what.text, "a single quote where JSON needs a double one");
    assert_int_equal(lint.v[0].what.col, 3);
}

#define AT "Resources.t.Properties."

static void mistake_is_told_with_what_would_be_right(void **state)
{
    static const struct remark rows[] = {
        /* sections and parameters */
        { FLEET, "{'Resources':{" CERT "},^'Resource':{}}", "Resource",
          "unknown section \"Resource\"; did you mean \"Resources\"?" },
        { FLEET, "{'Resources':{" CERT "," POL "},\n^'Outputs':{}}", "Outputs",
          "unknown section \"Outputs\"; there are: Parameters, Mappings, Resources, "
          "DeviceConfiguration" },
        { FLEET, "^{'Parameters':{}}", "", "Resources is missing" },
        { FLEET, "{^'Resources':{}}", "Resources", "no resource is declared" },
        { FLEET, "{'Parameters':{'A':{^'type':'String','Type':'String'}},'Resources':{" CERT "}}",
          "Parameters.A.type", "unknown key \"type\"; did you mean \"Type\"?" },
        { FLEET, "{'Parameters':{'A':{^'Type':'Number'}},'Resources':{" CERT "}}",
          "Parameters.A.Type", "a parameter's Type must be \"String\"" },
        { FLEET, "{'Parameters':{'A':{'Type':'String',^'Default':7}},'Resources':{" CERT "}}",
          "Parameters.A.Default", "Default must be a string" },
        { FLEET, "{'Parameters':{^'A':'String'},'Resources':{" CERT "}}", "Parameters.A",
          "a string where an object is needed" },
        { FLEET,
          "{'Parameters':{^'AWS::IoT::Certificate::CommonName':{'Type':'String'}},'Resources':"
          "{" CERT "}}",
          "Parameters.AWS::IoT::Certificate::CommonName",
          "AWS::IoT::Certificate::CommonName is filled for JITP templates only" },
        { FLEET, "{'Parameters':{^'AWS::Region':{'Type':'String'}},'Resources':{" CERT "}}",
          "Parameters.AWS::Region",
          "names that begin with AWS:: are kept for built-in parameters" },
        { JITP, "{'Parameters':{^'SerialNumber':{'Type':'String'}},'Resources':{" CERT "}}",
          "Parameters.SerialNumber",
          "a JITP template has built-in parameters only; the nearest is "
          "\"AWS::IoT::Certificate::SerialNumber\"" },
        { FLEET, "{'Mappings':{'M':{^'k':'v'}},'Resources':{" CERT "}}", "Mappings.M.k",
          "a string where an object is needed" },
        { FLEET, "{'Mappings':{'M':{'k':{^'s':{'Ref':'A'}}}},'Resources':{" CERT "}}",
          "Mappings.M.k.s", "must be a string or a list of strings" },
        { JITP, "{'Resources':{" CERT "},\n^'Mappings':{}}", "Mappings",
          "Mappings is for FLEET_PROVISIONING templates only" },
        { JITP, "{'Resources':{" CERT "},\n^'DeviceConfiguration':{}}", "DeviceConfiguration",
          "DeviceConfiguration is for FLEET_PROVISIONING templates only" },
        { FLEET, CONFIG("{^'a':1}"), "DeviceConfiguration.a",
          "a number where a string or a function is needed" },
        { FLEET, CONFIG("{^'a':{'b':'c'}}"), "DeviceConfiguration.a",
          "an object where a string or a function is needed: the map is flat" },
        /* resources */
        { FLEET, RESOURCES(CERT ",'t':{^'Type':'AWS::IoT::Things','Properties':{}}"),
          "Resources.t.Type",
          "unknown resource type \"AWS::IoT::Things\"; did you mean \"AWS::IoT::Thing\"?" },
        { FLEET, RESOURCES(CERT ",^'t':{'Properties':{}}"), "Resources.t.Type",
          "a resource needs a Type, a string" },
        { FLEET, RESOURCES(CERT ",^'t':{'Type':'AWS::IoT::Thing'}"), "Resources.t.Properties",
          "a resource needs Properties, an object" },
        { FLEET, THING(",^'ThingTypName':'x'"), AT "ThingTypName",
          "unknown property \"ThingTypName\"; did you mean \"ThingTypeName\"?" },
        { FLEET, THING(",^'Attributes':{}"), AT "Attributes",
          "unknown property \"Attributes\"; there are: ThingName, AttributePayload, ThingTypeName, "
          "ThingGroups, BillingGroup, PackageVersions" },
        { FLEET, RESOURCES(CERT ",'t':{'Type':'AWS::IoT::Thing',^'Properties':{}}"),
          "Resources.t.Properties", "ThingName is missing" },
        { FLEET, THING(",^'ThingGroups':'v1'"), AT "ThingGroups",
          "a string where a list of strings or a function is needed" },
        { FLEET, THING(",'ThingGroups':{^'Ref':'Serial'}"), AT "ThingGroups.Ref",
          "Ref gives a string where a list is needed" },
        { FLEET, THING(",^'ThingTypeName':['x']"), AT "ThingTypeName",
          "a list where a string or a function is needed" },
        { FLEET, THING(",'AttributePayload':{^'attributes':{'a':'1'}}"),
          AT "AttributePayload.attributes",
          "an object where a string or a function is needed: the map is flat" },
        { FLEET, THING(",'AttributePayload':{'a':'1',^'b':'two words'}"), AT "AttributePayload.b",
          "attribute value \"two words\" has an illegal character at position 4; letters, digits "
          "and _.,@/:#=[]- are allowed" },
        { FLEET, THING(",^'ThingTypeName':'a b'"), AT "ThingTypeName",
          "name \"a b\" has an illegal character at position 2; letters, digits and :_- are "
          "allowed" },
        { FLEET, CERTIFICATE("'CertificateId':" ID ",^'Status':'PENDING_ACTIVATION'"),
          "Resources.c.Properties.Status",
          "\"PENDING_ACTIVATION\" is neither INACTIVE nor ACTIVE" },
        { FLEET, CERTIFICATE("'CertificateId':" ID ",^'CertificatePem':'x'"),
          "Resources.c.Properties.CertificatePem",
          "CertificatePem belongs to single-thing and bulk registration; in a FLEET_PROVISIONING "
          "template the certificate exists already and is named by CertificateId" },
        { JITP, CERTIFICATE("^'CertificateId':'00'"), "Resources.c.Properties.CertificateId",
          "in a JITP template CertificateId must be {\"Ref\": \"AWS::IoT::Certificate::Id\"}" },
        { FLEET, POLICY("'PolicyName':{^'Fn::Join':['',['a','b']]}"),
          "Resources.p.Properties.PolicyName.Fn::Join",
          "Fn::Join is not supported in a policy resource; use Fn::Sub" },
        { FLEET, DECLARING(CERT ",'p':{'Type':'AWS::IoT::Policy',^'Properties':{}}"),
          "Resources.p.Properties", "Neither policyName nor policyDocument is present" },
        { FLEET,
          DECLARING(
              CERT
              ",'p':{'Type':'AWS::IoT::Policy',^'Properties':{'PolicyName':'x',"
              "'PolicyDocument':{'Statement':{'Effect':'Allow','Action':'*','Resource':'*'}}}}"),
          "Resources.p.Properties", "PolicyName and PolicyDocument exclude each other" },
        { FLEET, POLICY("'PolicyDocument':'{\\'Statement\\':{^\\'Effect\\':\\'Alow\\'}}'"),
          "Resources.p.Properties.PolicyDocument.Statement.Effect",
          "Effect must be \"Allow\" or \"Deny\"" },
        { FLEET,
          POLICY("'PolicyDocument':{'Statement':{'Effect':'Allow',^'Action':'Publish',"
                 "'Resource':'*'}}"),
          "Resources.p.Properties.PolicyDocument.Statement.Action",
          "\"Publish\" is not an action of AWS IoT" },
        { JITP, CERTIFICATE("'CertificateId':{^'Ref':1}"),
          "Resources.c.Properties.CertificateId.Ref", "Ref takes the name of a parameter" },
        { FLEET, CONFIG("{^'Fn:a':'b'}"), "DeviceConfiguration.Fn:a",
          "a function where a map is needed" },
        /* of one too many nothing else is told */
        { FLEET,
          RESOURCES("'t':{'Type':'AWS::IoT::Thing','Properties':{'ThingName':" ID "}},"
                    "^'u':{'Type':'AWS::IoT::Thing','Properties':{'ThingName':'a b'}}," CERT),
          "Resources.u", "a template has at most 1 resource of type AWS::IoT::Thing" },
        { FLEET, "{^'Resources':{" POL "}}", "Resources",
          "a policy needs a certificate resource to be attached to" },
        { FLEET,
          RESOURCES(CERT ",\n^'d':{'Type':'AWS::IoT::Certificate','Properties':{'CertificateId':" ID
                         "}}"),
          "Resources.d", "a template has at most 1 resource of type AWS::IoT::Certificate" },
        /* OverrideSettings */
        { FLEET, SETTINGS("{^'ThingTypeName':'MERGE'}"),
          "Resources.t.OverrideSettings.ThingTypeName",
          "MERGE is no setting of ThingTypeName: it must be DO_NOTHING, REPLACE or FAIL" },
        { FLEET, SETTINGS("{^'AttributePayload':'OVERWRITE'}"),
          "Resources.t.OverrideSettings.AttributePayload",
          "OVERWRITE is no setting of AttributePayload: it must be DO_NOTHING, REPLACE, FAIL or "
          "MERGE" },
        { FLEET, SETTINGS("{^'THING_GROUPS':true}"), "Resources.t.OverrideSettings.THING_GROUPS",
          "this is no setting of ThingGroups: it must be DO_NOTHING, REPLACE, FAIL or MERGE" },
        { FLEET, SETTINGS("{^'ThingName':'REPLACE'}"), "Resources.t.OverrideSettings.ThingName",
          "unknown setting \"ThingName\"; there are: AttributePayload, ATTRIBUTE_PAYLOAD, "
          "ThingTypeName, THING_TYPE_NAME, ThingGroups, THING_GROUPS, BillingGroup, "
          "BILLING_GROUP" },
        { FLEET, SETTINGS("{'ThingGroups':'FAIL',^'THING_GROUPS':'FAIL'}"),
          "Resources.t.OverrideSettings.THING_GROUPS", "given as ThingGroups already" },
        { FLEET,
          RESOURCES(CERT ",'p':{'Type':'AWS::IoT::Policy','Properties':{'PolicyName':'x'},"
                         "^'OverrideSettings':{'PolicyName':'FAIL'}}"),
          "Resources.p.OverrideSettings", "a policy has nothing to override" },
        /* functions */
        { FLEET, NAMED("{^'Ref':'Serail'}"), AT "ThingName.Ref",
          "parameter \"Serail\" is not declared; did you mean \"Serial\"?" },
        { FLEET, NAMED("{^'Ref':'MacAddress'}"), AT "ThingName.Ref",
          "parameter \"MacAddress\" is not declared; declared parameters: Serial, Site" },
        { FLEET, NAMED("{^'Ref':'AWS::AccountId'}"), AT "ThingName.Ref",
          "there is no parameter \"AWS::AccountId\"; pseudo parameters are CloudFormation's: write "
          "the value itself" },
        { FLEET, NAMED("{^'Ref':'AWS::IoT::Certificate::CommonName'}"), AT "ThingName.Ref",
          "AWS::IoT::Certificate::CommonName is filled for JITP templates only" },
        { JITP,
          RESOURCES(CERT ",'t':{'Type':'AWS::IoT::Thing','Properties':{'ThingName':"
                         "{^'Ref':'AWS::IoT::Certificate::CommonName'}}}"),
          AT "ThingName.Ref",
          "built-in parameter \"AWS::IoT::Certificate::CommonName\" is not declared; Parameters "
          "needs it too" },
        { JITP,
          RESOURCES(CERT ",'t':{'Type':'AWS::IoT::Thing','Properties':{'ThingName':"
                         "{^'Fn::Join':['-',['a',{'Ref':'B'}]]}}}"),
          AT "ThingName.Fn::Join", "Fn::Join is for FLEET_PROVISIONING templates only" },
        { FLEET, NAMED("{^'Fn::Concat':['a']}"), AT "ThingName.Fn::Concat",
          "unknown function \"Fn::Concat\"; there are: Ref, Fn::Join, Fn::Select, Fn::FindInMap, "
          "Fn::Split, Fn::Sub" },
        { FLEET, NAMED("{^'ref':'Serial'}"), AT "ThingName.ref",
          "unknown function \"ref\"; did you mean \"Ref\"?" },
        { FLEET, NAMED("{^'Fn:Sub':'${Serial}'}"), AT "ThingName.Fn:Sub",
          "unknown function \"Fn:Sub\"; did you mean \"Fn::Sub\"?" },
        { FLEET, NAMED("{^'Fn::Join':['a','b','c']}"), AT "ThingName.Fn::Join",
          "Fn::Join takes [delimiter, list]" },
        { FLEET, NAMED("{'Fn::Join':['-',^'b']}"), AT "ThingName.Fn::Join[1]",
          "a string where a list of strings or a function is needed" },
        { FLEET, NAMED("{'Fn::Select':[^'2',['a','b']]}"), AT "ThingName.Fn::Select[0]",
          "index 2 is beyond a list of 2; the first is 0" },
        { FLEET, NAMED("{'Fn::Select':[^-1,['a','b']]}"), AT "ThingName.Fn::Select[0]",
          "a number where a number from 0 or a string or a function is needed" },
        { FLEET, NAMED("{^'Fn::Split':['-',{'Ref':'Serial'}]}"), AT "ThingName.Fn::Split",
          "Fn::Split gives a list where a string is needed" },
        { FLEET, NAMED("{'Fn::FindInMap':[^'Site','north','url']}"),
          AT "ThingName.Fn::FindInMap[0]",
          "Mappings has no map \"Site\"; did you mean \"Sites\"?" },
        { FLEET, NAMED("{'Fn::FindInMap':['Sites',^'nrth','url']}"),
          AT "ThingName.Fn::FindInMap[1]",
          "that map has no key \"nrth\"; did you mean \"north\"?" },
        { FLEET, NAMED("{'Fn::FindInMap':['Sites','north',^'port']}"),
          AT "ThingName.Fn::FindInMap[2]",
          "there is no second key \"port\"; there are: url, zones" },
        { FLEET, NAMED("{^'Fn::Sub':'${Serial'}"), AT "ThingName.Fn::Sub",
          "\"${\" needs a name and \"}\" behind it; \"${!\" gives \"${\"" },
        { FLEET,
          POLICY("'PolicyDocument':{'Statement':{'Effect':'Allow','Action':'iot:Connect',"
                 "'Resource':{^'Fn::Sub':'arn:aws:iot:*:*:client/${iot:ClientId}'}}}"),
          "Resources.p.Properties.PolicyDocument.Statement.Resource.Fn::Sub",
          "no parameter is called \"iot:ClientId\"; a policy variable is written ${!iot:ClientId} "
          "within Fn::Sub" },
    };

    (void)state;
    check_remarks(rows, PROV_COUNT(rows), false);
}

static void template_beyond_the_limit_has_one_mistake_without_a_place(void **state)
{
    static char text[PROV_MAX_TEMPLATE_BODY + 1];
    struct prov_template_lint lint;

    (void)state;
    memset(text, ' ', sizeof text);
    assert_int_equal(prov_template_lint(prov_span(text, sizeof text), FLEET, &lint), PROV_ETOOBIG);
    assert_int_equal(lint.n, 1);
    assert_int_equal(lint.mistakes, 1);
    assert_int_equal(lint.v[0].what.line, 0);
    assert_string_equal(lint.v[0].what.text, "10241 bytes of JSON; 10240 are allowed");
}

/* ---- several at once ------------------------------------------------------------------------- */

/* "line:col path; …" */
static const char *places(const struct prov_template_lint *lint)
{
    static char out[8192];
    size_t n = 0;

    out[0] = '\0';
    for (size_t i = 0; i < lint->n && n < sizeof out; i++)
        n += (size_t)snprintf(out + n, sizeof out - n, "%s%u:%u %s", i != 0 ? "; " : "",
                              lint->v[i].what.line, lint->v[i].what.col, lint->v[i].what.path);
    return out;
}

static void all_mistakes_are_told_in_the_order_of_the_text(void **state)
{
    static const struct {
        const char *text, *places;
    } rows[] = {
        /* of the grammar and of the evaluation, which is done where the grammar is right */
        { "{'DeviceConfiguration':{'a':{'Ref':'X'},\n'b':{'Fn::Select':[1,['x']]},\n'c':'good'},\n"
          "'Parameters':{'S':{'Type':'Sting'}},\n"
          "'Resources':{'t':{'Type':'AWS::IoT::Thing','Properties':{\n"
          "'ThingName':'a b',\n"
          "'ThingGroups':['g',\n'h i',{'Ref':'S'},\n'j k'],\n"
          "'AttributePayload':{'x':'1',\n'y':2,\n'z':'a b'},\n"
          "'BillingGroup':'$',\n"
          "'ThingTypeName':['x']},\n"
          "'OverrideSettings':{'ThingGroups':'FALI'}},\n"
          "'c':{'Type':'AWS::IoT::Certificate','Properties':{'CertificateId':" ID
          ",\n'Status':'ON',\n'ThingPrincipalType':'SOME'}},\n"
          "'p':{'Type':'AWS::IoT::Policy','Properties':{'PolicyName':'a/b'}},\n"
          "'q':{'Type':'AWS::IoT::Policy','Properties':{'PolicyDocument':'{}'}}}}",
          "1:30 DeviceConfiguration.a.Ref; 2:20 DeviceConfiguration.b.Fn::Select[0]; "
          "4:20 Parameters.S.Type; 6:1 Resources.t.Properties.ThingName; "
          "8:1 Resources.t.Properties.ThingGroups[1]; 9:1 Resources.t.Properties.ThingGroups[3]; "
          "11:1 Resources.t.Properties.AttributePayload.y; "
          "12:1 Resources.t.Properties.AttributePayload.z; "
          "13:1 Resources.t.Properties.BillingGroup; "
          "14:1 Resources.t.Properties.ThingTypeName; "
          "15:21 Resources.t.OverrideSettings.ThingGroups; 17:1 Resources.c.Properties.Status; "
          "18:1 Resources.c.Properties.ThingPrincipalType; "
          "19:46 Resources.p.Properties.PolicyName; "
          "20:64 Resources.q.Properties.PolicyDocument" },
        /* what is spoiled is not evaluated: no second mistake comes of the first */
        { "{'Mappings':{'M':'x'},'Resources':{" CERT "},"
          "'DeviceConfiguration':{'a':{'Fn::FindInMap':['M','k','s']}}}",
          "1:14 Mappings.M" },
        { "{'Mappings':'x','Resources':{" CERT "},"
          "'DeviceConfiguration':{'a':{'Fn::FindInMap':['M','k','s']}}}",
          "1:2 Mappings" },
        { "{'Parameters':'x','Resources':{" CERT "},'DeviceConfiguration':{'a':{'Ref':'A'}}}",
          "1:2 Parameters" },
        { "{'Resources':{" CERT ",'t':{'Type':'x','Properties':{'ThingName':' '}},"
          "'p':{'Type':'AWS::IoT::Policy'}}}",
          "1:124 Resources.t.Type; 1:167 Resources.p.Properties" },
        { "{'Resources':{'p':{'Type':'AWS::IoT::Policy','Properties':{'PolicyName':'x'}},"
          "'c':{'Type':'AWS::IoT::Certficate','Properties':{'CertificateId':'x'}}}}",
          "1:84 Resources.c.Type" },
        { "{'Resources':{'c':{'Type':'AWS::IoT::Certificate','Properties':{'Status':'x'}},"
          "'t':{'Type':'AWS::IoT::Thing','Properties':{'ThingTypeName':' '}}}}",
          "1:51 Resources.c.Properties; 1:65 Resources.c.Properties.Status; "
          "1:110 Resources.t.Properties; 1:124 Resources.t.Properties.ThingTypeName" },
        { "{'Resources':{" CERT ",'t':{'Type':'AWS::IoT::Thing','Properties':{'ThingName':"
          "{'Fn::Sub':['${x}${y}',{'x':1,'z':{'Ref':'A'}}]},'AttributePayload':[]}}}}",
          "1:187 Resources.t.Properties.ThingName.Fn::Sub[0]; "
          "1:199 Resources.t.Properties.ThingName.Fn::Sub[1].x; "
          "1:210 Resources.t.Properties.ThingName.Fn::Sub[1].z.Ref; "
          "1:224 Resources.t.Properties.AttributePayload" },
    };
    struct prov_template_lint lint;
    struct text t;

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        write_text(&t, rows[i].text);
        lint = lint_of(&t, FLEET, PROV_EINVAL);
        if (strcmp(places(&lint), rows[i].places) != 0)
            fail_msg("%s\nhas\n%s\nnot\n%s", t.json, places(&lint), rows[i].places);
        assert_int_equal(lint.mistakes, lint.n);
        assert_int_equal(lint.warnings, 0);
    }
}

static void mistakes_beyond_the_maximum_are_counted(void **state)
{
    struct prov_template_lint lint;
    char text[4096];
    struct text t;
    size_t n;

    (void)state;
    for (size_t wrong = PROV_TEMPLATE_MAX_REMARKS - 1; wrong <= PROV_TEMPLATE_MAX_REMARKS + 5;
         wrong++) {
        n = (size_t)snprintf(text, sizeof text, "{'Resources':{" CERT "},'DeviceConfiguration':{");
        for (size_t i = 0; i < wrong; i++)
            n += (size_t)snprintf(text + n, sizeof text - n, "'a%zu':1,", i);
        /* and two of the evaluation */
        (void)snprintf(text + n, sizeof text - n,
                       "'x':{'Fn::Select':[1,[]]},'y':{'Fn::Select':[1,[]]}}}");
        write_text(&t, text);
        lint = lint_of(&t, FLEET, PROV_EINVAL);
        assert_int_equal(lint.n, PROV_TEMPLATE_MAX_REMARKS);
        assert_int_equal(lint.mistakes, wrong + 2);
    }
}

/* There are more spoiled parts then than are remembered. */
static void spoiled_parts_are_not_evaluated_however_many(void **state)
{
    struct prov_template_lint lint;
    char text[4096];
    struct text t;
    size_t n;

    (void)state;
    n = (size_t)snprintf(text, sizeof text,
                         "{'Resources':{" CERT "},'DeviceConfiguration':{'a':''");
    for (int i = 0; i < 100; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, ",'a%d':null", i);
    (void)snprintf(text + n, sizeof text - n, "}}");
    write_text(&t, text);
    lint = lint_of(&t, FLEET, PROV_EINVAL);
    assert_int_equal(lint.mistakes, 100);
}

static void what_gets_too_big_ends_the_list(void **state)
{
    struct prov_template_lint lint;
    char text[PROV_MAX_TEMPLATE_BODY];
    struct text t;
    size_t n;

    (void)state;
    n = (size_t)snprintf(
        text, sizeof text,
        "{'Resources':{'p':{'Type':'AWS::IoT::Policy','Properties':{'PolicyDocument':"
        "{'Statement':[{'Effect':'Allow','Action':'iot:Connect','Resource':['*'");
    for (int i = 0; i < 100; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, ",'arn:aws:iot:*:*:topic/%04d'", i);
    (void)snprintf(text + n, sizeof text - n,
                   "]}]}}}," CERT "},'DeviceConfiguration':{'a':{'Fn::Select':[1,[]]}}}");
    write_text(&t, text);
    assert_int_equal(prov_template_lint(prov_span_str(t.json), FLEET, &lint), PROV_ETOOBIG);
    assert_int_equal(lint.mistakes, 1);
    assert_string_equal(lint.v[0].what.path, "Resources.p.Properties.PolicyDocument");
    assert_int_equal(lint.v[0].what.col, 60);
}

/* ---- warnings -------------------------------------------------------------------------------- */

static void what_is_correct_and_not_meant_is_warned_of(void **state)
{
    static const struct remark rows[] = {
        { FLEET, "{'Parameters':{^'A':{'Type':'String'}},'Resources':{" CERT "," POL "}}",
          "Parameters.A",
          "this parameter is never used, and a device that does not give it is refused all the "
          "same" },
        { FLEET,
          "{'Parameters':{^'A':{'Type':'String','Default':''}},'Resources':{" CERT "," POL "}}",
          "Parameters.A", "this parameter is never used" },
        { JITP,
          "{'Parameters':{^'AWS::IoT::Certificate::Country':{'Type':'String'}},'Resources':{" CERT
          "," POL "}}",
          "Parameters.AWS::IoT::Certificate::Country",
          "this parameter is never used, and a certificate without it is refused all the same" },
        { FLEET, "{'Mappings':{^'M':{}},'Resources':{" CERT "," POL "}}", "Mappings.M",
          "nothing looks into this map" },
        { FLEET, CONFIG("{'a':{'Fn::Sub':['x',{^'v':'y'}]}}"), "DeviceConfiguration.a.Fn::Sub[1].v",
          "the text does not use this variable" },
        { FLEET, CONFIG("{^'a':'x-${AWS::IoT::Certificate::Id}'}"), "DeviceConfiguration.a",
          "\"${AWS::IoT::Certificate::Id}\" stays as it is: only Fn::Sub replaces it" },
        { FLEET, CONFIG("{'a':{'Fn::Sub':['${v}',{^'v':'${AWS::IoT::Certificate::Id}'}]}}"),
          "DeviceConfiguration.a.Fn::Sub[1].v",
          "\"${AWS::IoT::Certificate::Id}\" stays as it is: only Fn::Sub replaces it" },
        { FLEET,
          RESOURCES(CERT "," POL ",'t':{'Type':'AWS::IoT::Thing','Properties':{"
                         "^'ThingName':'lamp'}}"),
          "Resources.t.Properties.ThingName",
          "every device gets this name, so all of them are one thing" },
        { FLEET,
          RESOURCES(CERT "," POL ",'t':{'Type':'AWS::IoT::Thing','Properties':{"
                         "^'ThingName':{'Fn::Sub':['${a}',{'a':'b'}]}}}"),
          "Resources.t.Properties.ThingName",
          "every device gets this name, so all of them are one thing" },
        { FLEET,
          "{^'Resources':{'t':{'Type':'AWS::IoT::Thing','Properties':{'ThingName':" ID
          ",'ThingGroups':['g']}}}}",
          "Resources",
          "no certificate resource: nothing activates the device's, so the device does not get "
          "in" },
        { JITP, "{^'Resources':{" CERT "}}", "Resources",
          "no policy and no thing group: the device may not even connect" },
        { FLEET,
          RESOURCES(POL ",'c':{'Type':'AWS::IoT::Certificate','Properties':{'CertificateId':" ID
                        ",^'Status':'Inactive'}}"),
          "Resources.c.Properties.Status",
          "no device gets in until somebody activates its certificate" },
        { FLEET,
          "{'Parameters':{'Id':{'Type':'String'},'AWS::IoT::Certificate::Id':{'Type':'String'}},"
          "'Resources':{" POL
          ",'c':{'Type':'AWS::IoT::Certificate','Properties':{^'CertificateId':{'Ref':'Id'}}}}}",
          "Resources.c.Properties.CertificateId",
          "this must come to the id of the device's own certificate, or every device fails" },
        { FLEET,
          THING(",^'PackageVersions':{'a':{'Fn::Sub':'${Site}'},'b':"
                "{'Fn::FindInMap':['Sites','north','url']}}"),
          "Resources.t.Properties.PackageVersions", "this has no effect here" },
        { FLEET,
          RESOURCES(CERT ",'p':{'Type':'AWS::IoT::Policy','Properties':{'PolicyName':'x'},"
                         "^'DependsOn':'c'}"),
          "Resources.p.DependsOn", "this has no effect here" },
        { FLEET,
          RESOURCES(POL "," CERT ",'t':{'Type':'AWS::IoT::Thing','Properties':{'ThingName':" ID
                        "},'OverrideSettings':{^'THING_GROUPS':'MERGE'}}"),
          "Resources.t.OverrideSettings.THING_GROUPS",
          "no effect: the Properties have no ThingGroups" },
    };

    (void)state;
    check_remarks(rows, PROV_COUNT(rows), true);
}

static void what_is_meant_is_not_warned_of(void **state)
{
    static const struct {
        enum prov_template_type type;
        const char *text;
    } rows[] = {
        { FLEET, RESOURCES(CERT "," POL) },
        /* declared, as AWS's examples have it, and not needed */
        { FLEET, "{'Parameters':{'AWS::IoT::Certificate::Id':{'Type':'String'}},'Resources':{" CERT
                 "," POL "}}" },
        /* used in all the ways there are */
        { FLEET, "{'Parameters':{'A':{'Type':'String'},'B':{'Type':'String'},'C':{'Type':'String'},"
                 "'D':{'Type':'String'}},'Mappings':{'M':{'k':{'s':'v'}},'N':{}},'Resources':{" CERT
                 ",'p':{'Type':'AWS::IoT::Policy','Properties':{'PolicyDocument':{'Statement':{"
                 "'Effect':'Allow','Action':'iot:Connect','Resource':{'Fn::Sub':'arn:${A}'}}}}},"
                 "'t':{'Type':'AWS::IoT::Thing','Properties':{'ThingName':{'Fn::Join':['-',['a',"
                 "{'Fn::Sub':['${x}',{'x':{'Ref':'B'}}]}]]}}}},'DeviceConfiguration':{"
                 "'a':{'Fn::FindInMap':[{'Ref':'C'},'k','s']},'b':{'Fn::Join':['-',{'Fn::Split':[',"
                 "',{'Ref':'D'}]}]},"
                 "'c':'$ {D} ${!D} ${other} ${'}}" },
        /* its rights come from the groups */
        { JITP, RESOURCES(CERT ",'t':{'Type':'AWS::IoT::Thing','Properties':{'ThingName':" ID
                               ",'ThingGroups':['g']}}") },
        /* the status has a default */
        { FLEET,
          RESOURCES(POL ",'c':{'Type':'AWS::IoT::Certificate','Properties':{'CertificateId':" ID
                        "},'OverrideSettings':{'Status':'DO_NOTHING'}}") },
        /* resources called like functions */
        { FLEET,
          "{'Parameters':{'Ref':{'Type':'String'}},'Resources':{'Ref':{'Type':'AWS::IoT::Thing',"
          "'Properties':{'ThingName':{'Ref':'Ref'}}},'Fn::Sub':{'Type':'AWS::IoT::Certificate',"
          "'Properties':{'CertificateId':" ID "}},'Fn::FindInMap':{'Type':'AWS::IoT::Policy',"
          "'Properties':{'PolicyName':'x'}}}}" },
    };
    struct prov_template_lint lint;
    struct text t;

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        write_text(&t, rows[i].text);
        lint = lint_of(&t, rows[i].type, PROV_OK);
        if (lint.n != 0)
            fail_msg("%s\n%s: %s", t.json, places(&lint), lint.v[0].what.text);
    }
}

static void warnings_have_codes_cures_and_the_order_of_the_text(void **state)
{
    static const struct {
        const char *code, *cure;
    } rows[] = {
        { "literal-variable", "put the text into {\"Fn::Sub\": …}" },
        { "unused-variable", "remove it, or name it in the text as ${…}" },
        { "unused-parameter", "remove it from Parameters" },
        { "unused-map", "remove it from Mappings" },
        { "no-certificate", "add a resource of type AWS::IoT::Certificate" },
        { "no-policy", "add a resource of type AWS::IoT::Policy, or ThingGroups to the thing" },
        { "same-thing", "let the name depend on a parameter" },
        { "no-effect", "remove it" },
        { "no-effect", "remove it" },
    };
    struct prov_template_lint lint;
    struct text t;

    (void)state;
    write_text(&t, "{'DeviceConfiguration':{'a':'${A}','b':{'Fn::Sub':['x',{'y':'z'}]}},\n"
                   "'Parameters':{'A':{'Type':'String'}},'Mappings':{'M':{}},\n"
                   "'Resources':{'t':{'Type':'AWS::IoT::Thing','Properties':{'ThingName':'n'},"
                   "'OverrideSettings':{'ThingTypeName':'FAIL'},'DependsOn':'t'}}}");
    lint = lint_of(&t, FLEET, PROV_OK);
    assert_int_equal(lint.n, PROV_COUNT(rows));
    assert_int_equal(lint.warnings, PROV_COUNT(rows));
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        assert_string_equal(lint.v[i].what.code, rows[i].code);
        assert_string_equal(lint.v[i].cure, rows[i].cure);
    }
    write_text(&t,
               RESOURCES("'c':{'Type':'AWS::IoT::Certificate','Properties':{"
                         "'CertificateId':'00','Status':'INACTIVE'}},'t':{'Type':"
                         "'AWS::IoT::Thing','Properties':{'ThingName':" ID ",'ThingGroups':[]}}"));
    lint = lint_of(&t, FLEET, PROV_OK);
    assert_int_equal(lint.n, 2);
    assert_string_equal(lint.v[0].what.code, "certificate-id");
    assert_string_equal(lint.v[0].cure, "{\"Ref\": \"AWS::IoT::Certificate::Id\"}");
    assert_string_equal(lint.v[1].what.code, "inactive");
    assert_string_equal(lint.v[1].cure, "write \"ACTIVE\", or leave Status out");
}

static void warnings_beyond_the_maximum_are_counted(void **state)
{
    struct prov_template_lint lint;
    char text[4096];
    struct text t;
    size_t n;

    (void)state;
    n = (size_t)snprintf(text, sizeof text, "{'Resources':{" CERT "," POL "},'Parameters':{");
    for (size_t i = 0; i < PROV_TEMPLATE_MAX_REMARKS + 3; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s'a%zu':{'Type':'String'}",
                              i != 0 ? "," : "", i);
    (void)snprintf(text + n, sizeof text - n, "}}");
    write_text(&t, text);
    lint = lint_of(&t, FLEET, PROV_OK);
    assert_int_equal(lint.n, PROV_TEMPLATE_MAX_REMARKS);
    assert_int_equal(lint.warnings, PROV_TEMPLATE_MAX_REMARKS + 3);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void out_of_memory_is_no_mistake(void **state)
{
    static const char *const texts[] = {
        THING(",'AttributePayload':{'a':'b c','d':{'Fn::Sub':'${Site}'},'e':1}"),
        POLICY("'PolicyDocument':{'Statement':[{'Effect':'Alow','Action':'iot:Connect',"
               "'Resource':[{'Fn::Split':[',','a,b']},{'Ref':'Site'}]}]}"),
        THING(""),
    };
    struct prov_template_lint lint;
    struct text t;

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(texts); i++) {
        enum prov_rc rc;
        unsigned n = 1;

        write_text(&t, texts[i]);
        for (;; n++) {
            alloc_fail_at(n);
            rc = prov_template_lint(prov_span_str(t.json), FLEET, &lint);
            if (!alloc_failed())
                break;
            assert_int_equal(rc, PROV_ENOMEM);
        }
        assert_true(n > 50);
        assert_int_equal(rc, i == 2 ? PROV_OK : PROV_EINVAL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistake_in_the_json_is_told_as_people_make_it),
        cmocka_unit_test(mistake_is_told_with_what_would_be_right),
        cmocka_unit_test(template_beyond_the_limit_has_one_mistake_without_a_place),
        cmocka_unit_test(all_mistakes_are_told_in_the_order_of_the_text),
        cmocka_unit_test(mistakes_beyond_the_maximum_are_counted),
        cmocka_unit_test(spoiled_parts_are_not_evaluated_however_many),
        cmocka_unit_test(what_gets_too_big_ends_the_list),
        cmocka_unit_test(what_is_correct_and_not_meant_is_warned_of),
        cmocka_unit_test(what_is_meant_is_not_warned_of),
        cmocka_unit_test(warnings_have_codes_cures_and_the_order_of_the_text),
        cmocka_unit_test(warnings_beyond_the_maximum_are_counted),
        cmocka_unit_test(out_of_memory_is_no_mistake),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
