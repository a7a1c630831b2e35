/* Functions (reference 2.6): their arguments, what they give, and when they fail. */
#include "test_template.h"

#define DECLARING(r)                                                                               \
    "{'Parameters':{'A':{'Type':'String'},'B':{'Type':'String','Default':''}},\n"                  \
    "'Mappings':{'M':{'k':{'s':'v','l':['v','w']}}},\n'Resources':{" r "}}"
#define THING(p)                                                                                   \
    DECLARING("'t':{'Type':'AWS::IoT::Thing','Properties':{'ThingName':'n'" p "}}," CERT)
#define NAMED(v) DECLARING("'t':{'Type':'AWS::IoT::Thing','Properties':{'ThingName':" v "}}")
#define BADLY_NAMED(v) DECLARING("'t':{'Type':'AWS::IoT::Thing','Properties':{^'ThingName':" v "}}")

static const char *const usual[] = { BUILTIN "Id", CERT_ID, "A",     "alpha", "K", "k2", "N",
                                     "1",          "S",     "x-y-z", "Blank", "",  NULL };

#define DECLARED                                                                                   \
    "'Parameters':{'A':{'Type':'String'},'K':{'Type':'String'},'N':{'Type':'String'},"             \
    "'S':{'Type':'String'},'Blank':{'Type':'String','Default':'never'},"                           \
    "'D':{'Type':'String','Default':'fallback'}},"                                                 \
    "'Mappings':{'M':{'k1':{'url':'one','list':['a','b']},'k2':{'url':'two','list':['c']}},"       \
    "'x':{'y':{'z':'deep'}},'R':{'k1':{'arns':['arn:aws:iot:*:*:client/a','*']}}},"
#define CONFIG(v) "{" DECLARED "'DeviceConfiguration':{'v':" v "},'Resources':{" CERT "}}"
#define GROUPS(v) DECLARED_THING("'ThingName':'n','ThingGroups':" v)
#define DECLARED_THING(p)                                                                          \
    "{" DECLARED "'Resources':{'t':{'Type':'AWS::IoT::Thing','Properties':{" p "}}," CERT "}}"
#define DOCUMENT(v)                                                                                \
    "{" DECLARED "'Resources':{" CERT                                                              \
    ",'p':{'Type':'AWS::IoT::Policy','Properties':{'PolicyDocument':" v "}}}}"

/* ---- what is checked when the template is stored --------------------------------------------- */

#define AT "Resources.t.Properties.ThingName."

static void references_name_declared_parameters(void **state)
{
    static const struct accepted good[] = {
        { FLEET, NAMED("{'Ref':'A'}") },
        { FLEET, RESOURCES("'t':{'Type':'AWS::IoT::Thing','Properties':{'ThingName':" ID "}}") },
    };
    static const struct refused bad[] = {
        { FLEET, NAMED("{^'Ref':'C'}"), AT "Ref",
          "parameter \"C\" is not declared; declared parameters: A, B" },
        { FLEET, NAMED("{^'Ref':'a'}"), AT "Ref", "not declared" },
        { FLEET, NAMED("{^'Ref':'AWS::IoT::Certificate::CommonName'}"), AT "Ref",
          "is filled for JITP templates only" },
        { JITP,
          RESOURCES("'t':{'Type':'AWS::IoT::Thing','Properties':{'ThingName':"
                    "{^'Ref':'AWS::IoT::Certificate::CommonName'}}}"),
          AT "Ref", "is not declared; Parameters needs it too" },
        { JITP,
          RESOURCES("'t':{'Type':'AWS::IoT::Thing','Properties':{'ThingName':"
                    "{^'Ref':'AWS::IoT::Certificate::Commonname'}}}"),
          AT "Ref", "did you mean \"AWS::IoT::Certificate::CommonName\"?" },
        { JITP,
          RESOURCES("'t':{'Type':'AWS::IoT::Thing','Properties':{'ThingName':"
                    "{^'Ref':'SerialNumber'}}}"),
          AT "Ref", "did you mean \"AWS::IoT::Certificate::SerialNumber\"?" },
        { JITP,
          RESOURCES("'t':{'Type':'AWS::IoT::Thing','Properties':{'ThingName':"
                    "{^'Ref':'MacAddress'}}}"),
          AT "Ref", "declared parameters: none" },
        { FLEET, NAMED("{^'Ref':'AWS::Region'}"), AT "Ref", "write the value itself" },
        { FLEET, NAMED("{^'Ref':['A']}"), AT "Ref", "Ref takes the name of a parameter" },
        { FLEET, NAMED("{^'Ref':{'Ref':'A'}}"), AT "Ref", "Ref takes" },
        { FLEET, BADLY_NAMED("{'Ref':'A','x':1}"), "Resources.t.Properties.ThingName",
          "the only member" },
        { FLEET, BADLY_NAMED("{'x':1,'Ref':'A'}"), "Resources.t.Properties.ThingName",
          "the only member" },
        { FLEET, NAMED("{^'Fn::join':['',['a']]}"), AT "Fn::join",
          "unknown function \"Fn::join\"; did you mean \"Fn::Join\"?" },
        { FLEET, NAMED("{^'Fn::GetAtt':['a','b']}"), AT "Fn::GetAtt", "unknown function" },
        { FLEET, NAMED("{^'ref':'A'}"), AT "ref",
          "unknown function \"ref\"; did you mean \"Ref\"?" },
        { FLEET, NAMED("{^'Fn:Join':['',['a']]}"), AT "Fn:Join",
          "unknown function \"Fn:Join\"; did you mean \"Fn::Join\"?" },
        { FLEET, NAMED("{^'sub':'${A}'}"), AT "sub", "did you mean \"Fn::Sub\"?" },
        { FLEET, BADLY_NAMED("{'Size':'A'}"), "Resources.t.Properties.ThingName",
          "an object where" },
        { FLEET, BADLY_NAMED("{'ref':'A','x':'B'}"), "Resources.t.Properties.ThingName",
          "an object where" },
        { JITP,
          RESOURCES("'t':{'Type':'AWS::IoT::Thing','Properties':{'ThingName':"
                    "{^'Fn::Join':['',['a']]}}}"),
          AT "Fn::Join", "Fn::Join is for FLEET_PROVISIONING templates only" },
    };

    (void)state;
    ACCEPTED(good);
    REFUSED(bad);
}

static void message_about_an_undeclared_name_stays_within_its_room(void **state)
{
    char text[8192];
    struct prov_template *tpl;
    struct prov_err err;
    struct text t;
    size_t n;

    (void)state;
    n = (size_t)snprintf(text, sizeof text, "{'Parameters':{'A\\n\\u00e9':{'Type':'String'}");
    for (int i = 0; i < 60; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, ",'parameter-%d':{'Type':'String'}", i);
    n += (size_t)snprintf(text + n, sizeof text - n,
                          "},'Resources':{'t':{'Type':'AWS::IoT::Thing','Properties':{"
                          "'ThingName':{'Ref':'");
    for (int i = 0; i < 500; i++)
        text[n++] = 'x';
    (void)snprintf(text + n, sizeof text - n, "'}}}}}");
    write_text(&t, text);
    assert_int_equal(parse(&t, FLEET, &tpl, &err), PROV_EINVAL);
    assert_non_null(strstr(err.text, "xxx...\" is not declared; declared parameters: A???, "
                                     "parameter-0, parameter-1, "));
    assert_string_equal(err.text + strlen(err.text) - 5, ", ...");
}

static void functions_take_their_arguments_and_no_others(void **state)
{
    static const struct accepted good[] = {
        { FLEET, NAMED("{'Fn::Join':['-',['a',{'Ref':'A'}]]}") },
        { FLEET, NAMED("{'Fn::Join':[{'Ref':'A'},{'Fn::Split':[',',{'Ref':'B'}]}]}") },
        { FLEET, NAMED("{'Fn::Select':[0,['a']]}") },
        { FLEET, NAMED("{'Fn::Select':['1',['a','b']]}") },
        { FLEET, NAMED("{'Fn::Select':[{'Ref':'A'},{'Fn::Split':['-',{'Ref':'A'}]}]}") },
        { FLEET, NAMED("{'Fn::Select':[1,{'Fn::FindInMap':['M','k','l']}]}") },
        { FLEET, NAMED("{'Fn::FindInMap':['M','k','s']}") },
        { FLEET, NAMED("{'Fn::FindInMap':['M',{'Ref':'A'},'s']}") },
        { FLEET, NAMED("{'Fn::FindInMap':[{'Ref':'A'},'x','y']}") },
        { FLEET, NAMED("{'Fn::Sub':'a'}") },
        { FLEET, NAMED("{'Fn::Sub':'${A}${AWS::IoT::Certificate::Id}'}") },
        { FLEET, NAMED("{'Fn::Sub':['${A}${v}',{'v':{'Ref':'B'}}]}") },
        { FLEET, NAMED("{'Fn::Sub':['${A}',{}]}") },
        { FLEET, THING(",'ThingGroups':{'Fn::Split':[',',{'Ref':'A'}]}") },
        { FLEET, THING(",'ThingGroups':{'Fn::FindInMap':['M','k','l']}") },
    };
    static const struct refused bad[] = {
        { FLEET, NAMED("{^'Fn::Join':'a'}"), AT "Fn::Join", "takes [delimiter, list]" },
        { FLEET, NAMED("{^'Fn::Join':['-']}"), AT "Fn::Join", "takes [delimiter, list]" },
        { FLEET, NAMED("{^'Fn::Join':['-',['a'],'b']}"), AT "Fn::Join", "takes" },
        { FLEET, NAMED("{'Fn::Join':['-',^'a']}"), AT "Fn::Join[1]", "a string where a list" },
        { FLEET, NAMED("{'Fn::Join':[^1,['a']]}"), AT "Fn::Join[0]", "a number where a string" },
        { FLEET, NAMED("{'Fn::Join':['-',['a',^1]]}"), AT "Fn::Join[1][1]", "a number where" },
        { FLEET, NAMED("{'Fn::Join':['-',['a',^null]]}"), AT "Fn::Join[1][1]", "null where" },
        { FLEET, NAMED("{'Fn::Join':['-',{^'Ref':'A'}]}"), AT "Fn::Join[1].Ref",
          "Ref gives a string where a list is needed" },
        { FLEET, NAMED("{^'Fn::Select':['0']}"), AT "Fn::Select", "takes [index, list]" },
        { FLEET, NAMED("{'Fn::Select':['0',['a',^null]]}"), AT "Fn::Select[1][1]",
          "null where a string" },
        { FLEET, NAMED("{'Fn::Select':[^-1,['a']]}"), AT "Fn::Select[0]", "a number from 0" },
        { FLEET, NAMED("{'Fn::Select':[^0.5,['a']]}"), AT "Fn::Select[0]", "a number from 0" },
        { FLEET, NAMED("{'Fn::Select':[^1e300,['a']]}"), AT "Fn::Select[0]", "a number from 0" },
        { FLEET, NAMED("{'Fn::Select':[^true,['a']]}"), AT "Fn::Select[0]", "a truth value" },
        { FLEET, NAMED("{'Fn::Select':[^'-1',['a']]}"), AT "Fn::Select[0]", "not an index" },
        { FLEET, NAMED("{'Fn::Select':[^'',['a']]}"), AT "Fn::Select[0]", "not an index" },
        { FLEET, NAMED("{'Fn::Select':[^1,['a']]}"), AT "Fn::Select[0]",
          "index 1 is beyond a list of 1" },
        { FLEET, NAMED("{'Fn::Select':[^2,['a',{'Ref':'A'}]]}"), AT "Fn::Select[0]",
          "index 2 is beyond a list of 2" },
        { FLEET, NAMED("{'Fn::Select':[^0,[]]}"), AT "Fn::Select[0]", "beyond a list of 0" },
        { FLEET, NAMED("{'Fn::Select':[^'99999999999999999999999',['a']]}"), AT "Fn::Select[0]",
          "beyond a list" },
        { FLEET, NAMED("{^'Fn::FindInMap':['M','k']}"), AT "Fn::FindInMap",
          "takes [map, key, second key]" },
        { FLEET, NAMED("{'Fn::FindInMap':['M','k',^1]}"), AT "Fn::FindInMap[2]", "a number" },
        { FLEET, NAMED("{'Fn::FindInMap':[^'N','k','s']}"), AT "Fn::FindInMap[0]",
          "Mappings has no map \"N\"; there are: M" },
        { FLEET, NAMED("{'Fn::FindInMap':[^'N',{'Ref':'A'},'s']}"), AT "Fn::FindInMap[0]",
          "Mappings has no map \"N\"; there are: M" },
        { FLEET, NAMED("{'Fn::FindInMap':['M',^'x',{'Ref':'A'}]}"), AT "Fn::FindInMap[1]",
          "no key \"x\"; there are: k" },
        { FLEET, NAMED("{'Fn::FindInMap':['M','k',^'x']}"), AT "Fn::FindInMap[2]",
          "no second key \"x\"; there are: s, l" },
        { FLEET, BADLY_NAMED("{'Fn::FindInMap':['M','k','l']}"), "Resources.t.Properties.ThingName",
          "gives a list where a string is needed" },
        { FLEET, THING(",^'ThingGroups':{'Fn::FindInMap':['M','k','s']}"),
          "Resources.t.Properties.ThingGroups", "gives a string where a list is needed" },
        { FLEET,
          RESOURCES("'t':{'Type':'AWS::IoT::Thing','Properties':{'ThingName':"
                    "{'Fn::FindInMap':[^'M','k','s']}}}"),
          AT "Fn::FindInMap[0]", "Mappings has no map \"M\"; there are: none" },
        { FLEET, NAMED("{^'Fn::Split':['-','a-b']}"), AT "Fn::Split",
          "gives a list where a string is needed" },
        { FLEET, THING(",'ThingGroups':{'Fn::Split':[^'',{'Ref':'A'}]}"),
          "Resources.t.Properties.ThingGroups.Fn::Split[0]", "delimiter is empty" },
        { FLEET, THING(",'ThingGroups':{'Fn::Split':[^'','a']}"),
          "Resources.t.Properties.ThingGroups.Fn::Split[0]", "delimiter is empty" },
        { FLEET, THING(",'ThingGroups':{^'Fn::Split':'a'}"),
          "Resources.t.Properties.ThingGroups.Fn::Split", "takes [delimiter, string]" },
        { FLEET, NAMED("{^'Fn::Sub':1}"), AT "Fn::Sub", "takes a text or [text, map]" },
        { FLEET, NAMED("{^'Fn::Sub':[]}"), AT "Fn::Sub", "takes a text or [text, map]" },
        { FLEET, NAMED("{^'Fn::Sub':['a']}"), AT "Fn::Sub", "takes a text or [text, map]" },
        { FLEET, NAMED("{^'Fn::Sub':['a',{},{}]}"), AT "Fn::Sub", "takes a text or [text, map]" },
        { FLEET, NAMED("{^'Fn::Sub':[{'Ref':'A'},{}]}"), AT "Fn::Sub", "takes" },
        { FLEET, NAMED("{'Fn::Sub':['a',^'b']}"), AT "Fn::Sub[1]", "a string where a map" },
        { FLEET, NAMED("{'Fn::Sub':['a',{^'v':1}]}"), AT "Fn::Sub[1].v", "a number where" },
        { FLEET, NAMED("{^'Fn::Sub':'${C}'}"), AT "Fn::Sub", "\"C\" is not declared" },
        { FLEET, NAMED("{'Fn::Sub':[^'${v}${w}',{'v':'x'}]}"), AT "Fn::Sub[0]",
          "\"w\" is not declared" },
        { FLEET, NAMED("{^'Fn::Sub':'${A'}"), AT "Fn::Sub", "needs a name and \"}\"" },
        { FLEET, NAMED("{^'Fn::Sub':'a${}'}"), AT "Fn::Sub", "needs a name and \"}\"" },
        { FLEET, NAMED("{^'Fn::Sub':'${iot:ClientId}'}"), AT "Fn::Sub",
          "a policy variable is written ${!iot:ClientId}" },
    };

    (void)state;
    ACCEPTED(good);
    REFUSED(bad);
}

/* ---- what comes of it ------------------------------------------------------------------------ */

static void functions_give_strings(void **state)
{
    static const struct {
        const char *value, *gives;
    } cases[] = {
        { "'plain'", "plain" },
        { "''", "" },
        { "'\\u00e9 any text, {\\'Ref\\':\\'A\\'} ${A}'",
          "\xc3\xa9 any text, {\"Ref\":\"A\"} ${A}" },
        { "{'Ref':'A'}", "alpha" },
        { "{'Ref':'D'}", "fallback" },
        { "{'Ref':'Blank'}", "" },
        { ID, CERT_ID },
        { "{'Fn::Join':['-',['dev',{'Ref':'A'},'x']]}", "dev-alpha-x" },
        { "{'Fn::Join':['',['a','b']]}", "ab" },
        { "{'Fn::Join':[', ',['a']]}", "a" },
        { "{'Fn::Join':[',',[]]}", "" },
        { "{'Fn::Join':[',',['','']]}", "," },
        { "{'Fn::Join':[{'Ref':'A'},['1','2']]}", "1alpha2" },
        { "{'Fn::Join':['/',{'Fn::Split':['-',{'Ref':'S'}]}]}", "x/y/z" },
        { "{'Fn::Join':['/',{'Fn::FindInMap':['M','k1','list']}]}", "a/b" },
        { "{'Fn::Select':[0,['a','b']]}", "a" },
        { "{'Fn::Select':['1',['a',{'Ref':'A'}]]}", "alpha" },
        { "{'Fn::Select':[{'Ref':'N'},['a','b']]}", "b" },
        { "{'Fn::Select':['01',['a','b']]}", "b" },
        { "{'Fn::Select':[2,{'Fn::Split':['-',{'Ref':'S'}]}]}", "z" },
        { "{'Fn::Select':[0,{'Fn::Split':['-',{'Ref':'Blank'}]}]}", "" },
        { "{'Fn::Select':[0,{'Fn::Split':['--','a-b']}]}", "a-b" },
        { "{'Fn::Select':[1,{'Fn::Split':['--','a----b']}]}", "" },
        { "{'Fn::Select':[2,{'Fn::Split':['--','a----']}]}", "" },
        { "{'Fn::Select':[0,{'Fn::FindInMap':['M',{'Ref':'K'},'list']}]}", "c" },
        { "{'Fn::FindInMap':['M','k1','url']}", "one" },
        { "{'Fn::FindInMap':['M',{'Ref':'K'},'url']}", "two" },
        { "{'Fn::FindInMap':[{'Fn::Select':[0,{'Fn::Split':['-',{'Ref':'S'}]}]},"
          "{'Fn::Select':[1,{'Fn::Split':['-',{'Ref':'S'}]}]},"
          "{'Fn::Select':[2,{'Fn::Split':['-',{'Ref':'S'}]}]}]}",
          "deep" },
        { "{'Fn::Sub':'no variable'}", "no variable" },
        { "{'Fn::Sub':''}", "" },
        { "{'Fn::Sub':'${A}'}", "alpha" },
        { "{'Fn::Sub':'<${A}${D}>$x$${S}'}", "<alphafallback>$x$x-y-z" },
        { "{'Fn::Sub':'${!A} ${!iot:ClientId}'}", "${A} ${iot:ClientId}" },
        { "{'Fn::Sub':'${!'}", "${" },
        { "{'Fn::Sub':['${v}/${A}/${v}',{'v':{'Ref':'S'},'unused':'u'}]}", "x-y-z/alpha/x-y-z" },
        { "{'Fn::Sub':['${A}',{'A':'nearer'}]}", "nearer" },
        { "{'Fn::Sub':['${v}',{'v':'${A}'}]}", "${A}" },
        { "{'Fn::Sub':['${v}',{'v':{'Fn::Sub':['[${w}]',{'w':{'Ref':'A'}}]}}]}", "[alpha]" },
    };
    struct prov_plan *plan;
    char text[2048];

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(cases); i++) {
        (void)snprintf(text, sizeof text, CONFIG("%s"), cases[i].value);
        plan = eval_ok(FLEET, text, usual);
        assert_int_equal(plan->n_config, 1);
        assert_string_equal(plan->config[0].name, "v");
        if (strcmp(plan->config[0].value, cases[i].gives) != 0)
            fail_msg("%s gives \"%s\"", cases[i].value, plan->config[0].value);
        prov_plan_free(plan);
    }
}

static void functions_give_lists(void **state)
{
    static const struct {
        const char *value, *gives;
    } cases[] = {
        { "[]", "" },
        { "['g','h']", "g|h|" },
        { "['g',{'Ref':'A'}]", "g|alpha|" },
        { "{'Fn::Split':['-',{'Ref':'S'}]}", "x|y|z|" },
        { "{'Fn::Split':['/','a']}", "a|" },
        { "{'Fn::FindInMap':['M','k1','list']}", "a|b|" },
        { "{'Fn::FindInMap':['M',{'Ref':'K'},'list']}", "c|" },
    };
    struct prov_plan *plan;
    struct prov_buf got;
    char text[1024];

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(cases); i++) {
        (void)snprintf(text, sizeof text, GROUPS("%s"), cases[i].value);
        plan = eval_ok(FLEET, text, usual);
        assert_true(plan->has_groups);
        prov_buf_init(&got, sizeof text);
        for (size_t g = 0; g < plan->n_groups; g++)
            prov_buf_addf(&got, "%s|", plan->groups[g]);
        assert_string_equal(prov_buf_cstr(&got), cases[i].gives);
        prov_buf_release(&got);
        prov_plan_free(plan);
    }
}

static void empty_value_without_bytes_is_an_empty_string(void **state)
{
    struct prov_template *tpl = parsed(
        FLEET, "{'Parameters':{'A':{'Type':'String'}},'DeviceConfiguration':{"
               "'split':{'Fn::Join':['+',{'Fn::Split':['-',{'Ref':'A'}]}]},"
               "'sub':{'Fn::Sub':'<${A}>'},'join':{'Fn::Join':[{'Ref':'A'},['a','b']]}},"
               "'Resources':{'t':{'Type':'AWS::IoT::Thing','Properties':{'ThingName':'n'}}}}");
    const struct prov_param a = { PROV_LIT("A"), { NULL, 0 } };
    struct prov_plan *plan;
    struct prov_err err;

    (void)state;
    assert_int_equal(prov_template_eval(tpl, (struct prov_params){ &a, 1 }, &plan, &err), PROV_OK);
    assert_string_equal(plan->config[0].value, "");
    assert_string_equal(plan->config[1].value, "<>");
    assert_string_equal(plan->config[2].value, "ab");
    prov_plan_free(plan);
    prov_template_free(tpl);
}

static void what_only_parameters_show_to_be_wrong_fails_with_its_place(void **state)
{
    static const struct {
        const char *text, *path, *says;
    } cases[] = {
        { CONFIG("{'Fn::Select':[{'Ref':'A'},['a']]}"), "DeviceConfiguration.v.Fn::Select[0]",
          "\"alpha\" is not an index" },
        { CONFIG("{'Fn::Select':[{'Ref':'N'},['a']]}"), "DeviceConfiguration.v.Fn::Select[0]",
          "index 1 is beyond a list of 1; the first is 0" },
        { CONFIG("{'Fn::Select':[3,{'Fn::Split':['-',{'Ref':'S'}]}]}"),
          "DeviceConfiguration.v.Fn::Select[0]", "index 3 is beyond a list of 3" },
        { CONFIG("{'Fn::FindInMap':[{'Ref':'A'},'k1','url']}"),
          "DeviceConfiguration.v.Fn::FindInMap[0]",
          "Mappings has no map \"alpha\"; there are: M, x, R" },
        { CONFIG("{'Fn::FindInMap':['M',{'Ref':'A'},'url']}"),
          "DeviceConfiguration.v.Fn::FindInMap[1]",
          "that map has no key \"alpha\"; there are: k1, k2" },
        { CONFIG("{'Fn::FindInMap':['M','k1',{'Ref':'A'}]}"),
          "DeviceConfiguration.v.Fn::FindInMap[2]",
          "there is no second key \"alpha\"; there are: url, list" },
        { CONFIG("{'Fn::FindInMap':['M',{'Ref':'K'},'list']}"), "DeviceConfiguration.v",
          "gives a list where a string is needed" },
        { CONFIG("{'Fn::Join':['-',['a',{'Fn::FindInMap':['M',{'Ref':'K'},'list']}]]}"),
          "DeviceConfiguration.v.Fn::Join[1][1]", "gives a list where a string is needed" },
        { GROUPS("{'Fn::FindInMap':['M',{'Ref':'K'},'url']}"), "Resources.t.Properties.ThingGroups",
          "gives a string where a list is needed" },
        { CONFIG("{'Fn::Join':['',{'Fn::Split':[{'Ref':'Blank'},'x']}]}"),
          "DeviceConfiguration.v.Fn::Join[1].Fn::Split[0]", "delimiter is empty" },
        { DECLARED_THING("'ThingName':{'Fn::Join':[' ',['dev',{'Ref':'A'}]]}"),
          "Resources.t.Properties.ThingName", "\"dev alpha\" has an illegal character" },
        { DECLARED_THING("'ThingName':{'Ref':'Blank'}"), "Resources.t.Properties.ThingName",
          "empty" },
        { DECLARED_THING("'ThingName':'n','ThingTypeName':{'Ref':'Blank'}"),
          "Resources.t.Properties.ThingTypeName", "empty" },
        { DECLARED_THING("'ThingName':'n','BillingGroup':{'Fn::Sub':'${A}!'}"),
          "Resources.t.Properties.BillingGroup", "\"alpha!\"" },
        { DECLARED_THING("'ThingName':'n','AttributePayload':{'a':{'Fn::Sub':'${A} b'}}"),
          "Resources.t.Properties.AttributePayload.a", "attribute value \"alpha b\"" },
        { GROUPS("['g',{'Fn::Sub':'${A} b'}]"), "Resources.t.Properties.ThingGroups[1]",
          "\"alpha b\"" },
        { GROUPS("{'Fn::Split':['-',{'Fn::Sub':'${S}- -'}]}"), "Resources.t.Properties.ThingGroups",
          "\" \"" },
        { GROUPS("{'Fn::Split':['-',{'Fn::Sub':'${S}-${S}-${S}-${S}'}]}"),
          "Resources.t.Properties.ThingGroups", "at most 10 groups" },
        { "{" DECLARED "'Resources':{'c':{'Type':'AWS::IoT::Certificate','Properties':{"
          "'CertificateId':" ID ",'Status':{'Ref':'A'}}}}}",
          "Resources.c.Properties.Status", "\"alpha\" is neither" },
        { "{" DECLARED "'Resources':{'c':{'Type':'AWS::IoT::Certificate','Properties':{"
          "'CertificateId':" ID ",'ThingPrincipalType':{'Ref':'Blank'}}}}}",
          "Resources.c.Properties.ThingPrincipalType", "\"\" is neither" },
        { "{" DECLARED "'Resources':{" CERT ",'p':{'Type':'AWS::IoT::Policy','Properties':{"
          "'PolicyName':{'Fn::Sub':'${A} b'}}}}}",
          "Resources.p.Properties.PolicyName", "policy name \"alpha b\"" },
        { DOCUMENT("{'Version':'2012-10-17','Statement':[{'Effect':{'Ref':'A'},"
                   "'Action':'iot:Connect','Resource':'*'}]}"),
          "Resources.p.Properties.PolicyDocument.Statement[0].Effect",
          "Effect must be \"Allow\" or \"Deny\"" },
        { DOCUMENT("{'Ref':'A'}"), "Resources.p.Properties.PolicyDocument",
          "refused at line 1, column 1" },
    };
    struct prov_plan *plan;
    struct prov_err err;

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(cases); i++) {
        plan = (struct prov_plan *)&err;
        if (eval(FLEET, cases[i].text, usual, &plan, &err) != PROV_EINVAL)
            fail_msg("accepted: %s", cases[i].text);
        assert_null(plan);
        if (strcmp(err.path, cases[i].path) != 0 || strstr(err.text, cases[i].says) == NULL)
            fail_msg("%s\n%s: %s", cases[i].text, err.path, err.text);
        assert_true(err.line == 1 && err.col > 1);
        assert_int_equal(err.rc, PROV_EINVAL);
        assert_string_equal(err.code, "InvalidRequestException");
    }
}

static void functions_cannot_multiply_without_end(void **state)
{
    struct prov_plan *plan;
    struct prov_err err;
    char text[8192];
    size_t n;

    (void)state;
    /* each level is a hundred times the one within: the third has a million times ten bytes */
    for (unsigned levels = 1; levels <= 3; levels++) {
        n = (size_t)snprintf(text, sizeof text, "{" DECLARED "'DeviceConfiguration':{'v':");
        for (unsigned l = 0; l < levels; l++) {
            n += (size_t)snprintf(text + n, sizeof text - n, "{'Fn::Sub':['");
            for (unsigned i = 0; i < 100; i++)
                n += (size_t)snprintf(text + n, sizeof text - n, "${v}");
            n += (size_t)snprintf(text + n, sizeof text - n, "',{'v':");
        }
        n += (size_t)snprintf(text + n, sizeof text - n, "{'Fn::Sub':'${A}${A}'}");
        for (unsigned l = 0; l < levels; l++)
            n += (size_t)snprintf(text + n, sizeof text - n, "}]}");
        (void)snprintf(text + n, sizeof text - n, "},'Resources':{" CERT "}}");
        if (levels < 3) {
            plan = eval_ok(FLEET, text, usual);
            assert_int_equal(strlen(plan->config[0].value), levels == 1 ? 1000 : 100000);
            prov_plan_free(plan);
            continue;
        }
        assert_int_equal(eval(FLEET, text, usual, &plan, &err), PROV_ETOOBIG);
        assert_null(plan);
        assert_int_equal(err.rc, PROV_ETOOBIG);
        assert_non_null(strstr(err.path, "DeviceConfiguration.v.Fn::Sub"));
    }
}

/* A device's longest value, so many times in each of two entries. */
static void evaluation_comes_to_half_a_megabyte_and_no_more(void **state)
{
    static char value[PROV_MAX_PARAM_VALUE + 1], text[PROV_MAX_TEMPLATE_BODY];
    const char *pairs[] = { "P", value, BUILTIN "Id", CERT_ID, NULL };
    char repeated[66 * 4 + 1] = "";
    struct prov_plan *plan;
    struct prov_err err;

    (void)state;
    memset(value, 'v', sizeof value - 1);
    for (size_t times = 60; times <= 66; times += 6) {
        for (size_t i = 0; i < times; i++)
            memcpy(repeated + 4 * i, "${P}", sizeof "${P}");
        (void)snprintf(text, sizeof text,
                       "{'Parameters':{'P':{'Type':'String'}},'Resources':{" CERT
                       "},'DeviceConfiguration':{'a':{'Fn::Sub':'%s'},'b':{'Fn::Sub':'%s'}}}",
                       repeated, repeated);
        if (times == 60) {
            plan = eval_ok(FLEET, text, pairs);
            assert_int_equal(strlen(plan->config[1].value), times * PROV_MAX_PARAM_VALUE);
            prov_plan_free(plan);
            continue;
        }
        assert_int_equal(eval(FLEET, text, pairs, &plan, &err), PROV_ETOOBIG);
        assert_string_equal(err.text, "the template evaluates to more than 524288 bytes");
        assert_string_equal(err.path, "DeviceConfiguration.b.Fn::Sub");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(references_name_declared_parameters),
        cmocka_unit_test(message_about_an_undeclared_name_stays_within_its_room),
        cmocka_unit_test(functions_take_their_arguments_and_no_others),
        cmocka_unit_test(functions_give_strings),
        cmocka_unit_test(functions_give_lists),
        cmocka_unit_test(empty_value_without_bytes_is_an_empty_string),
        cmocka_unit_test(what_only_parameters_show_to_be_wrong_fails_with_its_place),
        cmocka_unit_test(functions_cannot_multiply_without_end),
        cmocka_unit_test(evaluation_comes_to_half_a_megabyte_and_no_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
