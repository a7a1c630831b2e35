/* Denies that a missing variable disables: which are warned of, and whether the cures deny. */
#include "unit/test_policy_lint.h"

#define THING "${iot:Connection.Thing.ThingName}"
#define CN "${iot:Certificate.Subject.CommonName}"
#define OPEN(statement) DOC(statement "," ALLOW("iot:Publish", ANY "topic/*"))

static bool missing_warned(const struct linted *found)
{
    return find_code(found, "deny-missing") != NULL;
}

/* ---- the cures ------------------------------------------------------------------------------- */

/* The document with the cure's statement, if it has one, behind the others. */
static bool take_cure(struct linted *found, const char *cure)
{
    static const char behind[] = " beside it";
    const size_t n = strlen(cure), n_json = strlen(found->text.json);
    const size_t n_statement = n - (sizeof behind - 1);

    if (n < sizeof behind || strcmp(cure + n_statement, behind) != 0)
        return false;
    assert_true(n_json + n < sizeof found->text.json);
    assert_string_equal(found->text.json + n_json - 2, "]}");
    (void)snprintf(found->text.json + n_json - 2, sizeof found->text.json - n_json + 2, ",%.*s]}",
                   (int)n_statement, cure);
    return true;
}

static enum prov_verdict ask(const char *json, const struct policy_device *d,
                             enum prov_action action, const char *name)
{
    const struct prov_policy_request req = { .action = action, .name = prov_span_str(name) };

    return policy_ask(json, d, &req);
}

/* Taking everything away that a device may lack. */
static void take_all_away(struct policy_device *d)
{
    memset(d->ident.dn, 0, sizeof d->ident.dn);
    memset(d->ident.alt, 0, sizeof d->ident.alt);
    d->facts.thing_name = d->facts.thing_type = prov_span(NULL, 0);
    d->facts.n_attrs = 0;
    d->facts.thing_attached = false;
}

/* Without its value the Deny lets `name` through, and with the cure it does not. `other` is what a
 * device with all values is let through for, before and after. */
struct cure_row {
    const char *doc;
    enum prov_action action;
    const char *name, *other;
};

static void check_cure(struct linted *found, const struct cure_row *row)
{
    const struct prov_policy_warning *w;
    struct policy_device full, bare;

    policy_device_init(&full);
    policy_device_init(&bare);
    take_all_away(&bare);
    lint(found, row->doc);
    w = find_code(found, "deny-missing");
    if (w == NULL || w->line != found->text.line || w->col != found->text.col) {
        show_warnings(found);
        fail_msg("no warning at %u:%u", found->text.line, found->text.col);
    }
    assert_int_equal(ask(found->text.json, &bare, row->action, row->name), PROV_ALLOWED);
    assert_int_equal(ask(found->text.json, &full, row->action, row->other), PROV_ALLOWED);
    for (int i = 0; i < 4 && (w = find_code(found, "deny-missing")) != NULL; i++) {
        if (!take_cure(found, w->cure))
            fail_msg("%s is no statement", w->cure);
        lint_text(found, NULL);
    }
    if (w != NULL || ask(found->text.json, &bare, row->action, row->name) != PROV_EXPLICIT_DENY ||
        ask(found->text.json, &full, row->action, row->other) != PROV_ALLOWED) {
        show_warnings(found);
        fail_msg("the cure is none");
    }
}

static void the_cures_compile_and_deny(void **state)
{
    static const struct cure_row rows[] = {
        { OPEN("{'Sid':'x','Effect':'Deny','Action':'iot:Publish',^'NotResource':'" ANY
               "topic/" THING "/*'}"),
          PROV_ACT_PUBLISH, "any/a", "thing1/a" },
        { OPEN("{'Effect':'Deny','Action':['iot:Publish'],'NotResource':['" ANY "topic/own',^'" ANY
               "topic/" CN "/*']}"),
          PROV_ACT_PUBLISH, "any/a", "first/a" },
        { OPEN("{'Effect':'Deny','Action':'iot:Publish','Resource':['" ANY "topic/x',^'" ANY
               "topic/secret/" THING "/*/${iot:ClientId}']}"),
          PROV_ACT_PUBLISH, "secret/any/a/dev1", "secret/thing1/a/dev2" },
        { OPEN("{'Effect':'Deny','Action':'iot:Publish',^'Resource':'" ANY "topic/" CN "/" THING
               "/a'}"),
          PROV_ACT_PUBLISH, "x/y/a", "x/y/b" },
        { OPEN("{'Effect':'Deny','Action':'iot:Publish',^'Resource':'" ANY
               "topic/${iot:Certificate.Subject.CommonName.1}'}"),
          PROV_ACT_PUBLISH, "any", "first" },
        { OPEN("{'Effect':'Deny','Action':'iot:Publish',^'Resource':'" ANY
               "topic/${iot:Certificate.Issuer.AlternativeName.DNSName}/a'}"),
          PROV_ACT_PUBLISH, "any/a", "b" },
        { OPEN("{'Effect':'Deny','Action':'iot:Publish',^'Resource':'" ANY
               "topic/${iot:Thing.Attributes[room]}'}"),
          PROV_ACT_PUBLISH, "any", "bath" },
        { OPEN(IF("Deny", "iot:Publish", ANY "topic/a",
                  "{'StringNotEquals':{^'iot:ClientId':'${iot:Certificate.Subject.SerialNumber}'},"
                  "'Null':{'iot:CertificateId':'false'}}")),
          PROV_ACT_PUBLISH, "a", "b" },
        { OPEN(IF("Deny", "iot:Publish", ANY "topic/a",
                  "{'StringNotLike':{'iot:ClientId':['x',^'${iot:Connection.Thing.ThingTypeName}"
                  "*']}}")),
          PROV_ACT_PUBLISH, "a", "b" },
        { OPEN(IF("Deny", "iot:Publish", ANY "topic/a",
                  "{'StringEquals':{^'iot:ClientId':'" CN "'}}")),
          PROV_ACT_PUBLISH, "a", "b" },
    };
    struct linted *const found = malloc(sizeof *found);

    (void)state;
    assert_non_null(found);
    for (size_t i = 0; i < PROV_COUNT(rows); i++)
        check_cure(found, &rows[i]);
    free(found);
}

/* A value that is there and cannot be substituted disables a Deny as well; the cure heeds it. */
static void the_cure_denies_also_for_values_that_are_not_substituted(void **state)
{
    struct linted *const found = malloc(sizeof *found);
    struct policy_device d;

    (void)state;
    assert_non_null(found);
    policy_device_init(&d);
    d.ident.dn[PROV_SUBJECT][PROV_DN_COMMON_NAME].v[0] = PROV_LIT("a*b");
    lint(found,
         OPEN("{'Effect':'Deny','Action':'iot:Publish','NotResource':'" ANY "topic/" CN "'}"));
    assert_int_equal(found->n, 1);
    assert_int_equal(ask(found->text.json, &d, PROV_ACT_PUBLISH, "x"), PROV_ALLOWED);
    assert_true(take_cure(found, found->w[0].cure));
    assert_int_equal(ask(found->text.json, &d, PROV_ACT_PUBLISH, "x"), PROV_EXPLICIT_DENY);
    free(found);
}

static void the_cure_is_told_in_full(void **state)
{
    static const struct {
        const char *doc, *text, *cure;
    } rows[] = {
        { OPEN("{'Sid':'x','Effect':'Deny','Action':'iot:Publish','NotResource':'" ANY "topic/" CN
               "'}"),
          "without a value of ${iot:Certificate.Subject.CommonName} this Deny denies nothing",
          "{\"Effect\":\"Deny\",\"Action\":\"iot:Publish\",\"Condition\":"
          "{\"ForAllValues:StringNotEquals\":{\"iot:Certificate.AvailableKeys\":"
          "\"iot:Certificate.Subject.CommonName\"}},\"Resource\":\"*\"} beside it" },
        { OPEN("{'Effect':'Deny','Action':'iot:Publish','Resource':['" ANY "topic/x','" ANY
               "topic/${iot:Thing.ThingName}']}"),
          "without a value of ${iot:Thing.ThingName} this Deny denies less",
          "{\"Effect\":\"Deny\",\"Action\":\"iot:Publish\",\"Resource\":[\"" ANY "topic/x\",\"" ANY
          "topic/*\"],\"Condition\":{\"Null\":{\"iot:Thing.ThingName\":\"true\"}"
          "}} beside it" },
        { OPEN(IF("Deny", "iot:Publish", ANY "topic/a",
                  "{'ForAnyValue:StringNotEquals':{'iot:Certificate.Subject.Organization.List':"
                  "'Acme'}}")),
          "without a value of iot:Certificate.Subject.Organization.List this Deny denies nothing",
          "\"ForAnyValue:StringNotEqualsIfExists\"" },
        { OPEN(IF("Deny", "iot:Publish", ANY "topic/a",
                  "{'StringNotEquals':{'iot:ClientId':'" CN "'},'ForAllValues:StringNotEquals':"
                  "{'iot:Certificate.AvailableKeys':'iot:Certificate.Subject.Title'}}")),
          "without a value of ${iot:Certificate.Subject.CommonName}",
          "another Deny with \"Condition\": {\"ForAllValues:StringNotEquals\": "
          "{\"iot:Certificate.AvailableKeys\": \"iot:Certificate.Subject.CommonName\"}}" },
    };
    struct linted *const found = malloc(sizeof *found);

    (void)state;
    assert_non_null(found);
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        lint(found, rows[i].doc);
        assert_int_equal(found->n, 1);
        assert_string_equal(found->w[0].code, "deny-missing");
        assert_non_null(strstr(found->w[0].text, rows[i].text));
        assert_string_equal(found->w[0].cure, rows[i].cure);
    }
    free(found);
}

/* The operator with IfExists denies where there is no value, and else as before. */
static void if_exists_cures_any_not(void **state)
{
    static const char doc[] =
        OPEN("{'Effect':'Deny','Action':'iot:Publish','Resource':'*','Condition':{"
             "'ForAnyValue:StringNotEquals%s':{'iot:Certificate.Subject.Organization.List':"
             "['AnyCompany','Example Corp']}}}");
    struct linted *const found = malloc(sizeof *found);
    struct policy_device full, bare;
    char quoted[1024];

    (void)state;
    assert_non_null(found);
    policy_device_init(&full);
    policy_device_init(&bare);
    take_all_away(&bare);
    for (int cured = 0; cured < 2; cured++) {
        (void)snprintf(quoted, sizeof quoted, doc, cured ? "IfExists" : "");
        lint(found, quoted);
        assert_int_equal(missing_warned(found), !cured);
        assert_int_equal(ask(quoted, &bare, PROV_ACT_PUBLISH, "a"),
                         cured ? PROV_EXPLICIT_DENY : PROV_ALLOWED);
        assert_int_equal(ask(quoted, &full, PROV_ACT_PUBLISH, "a"), PROV_ALLOWED);
    }
    free(found);
}

/* ---- what is warned of ----------------------------------------------------------------------- */

static const char *const silent[] = {
    /* variables that always have a value */
    OPEN(DENY("iot:Publish", ANY "topic/${iot:ClientId}/${aws:SourceIp}/${iot:CertificateId}")),
    OPEN(DENY("iot:Publish", ANY "topic/${iot:Connection.Thing.IsAttached}")),
    OPEN(DENY("iot:Publish", ANY "topic/${iot:Certificate.SerialNumber}")),
    /* an Allow that it disables fails closed */
    DOC(ALLOW("iot:Publish", ANY "topic/" THING)),
    /* keys: without a value the Deny is in force, or is not about such devices */
    OPEN(IF("Deny", "iot:Publish", ANY "topic/a",
            "{'StringNotEquals':{'iot:Connection.Thing.ThingTypeName':'lamp'}}")),
    OPEN(IF("Deny", "iot:Publish", ANY "topic/a",
            "{'StringEquals':{'iot:Connection.Thing.ThingTypeName':'lamp'}}")),
    OPEN(IF("Deny", "iot:Publish", ANY "topic/a",
            "{'Bool':{'iot:Connection.Thing.IsAttached':'false'}}")),
    OPEN(IF("Deny", "iot:Publish", ANY "topic/a",
            "{'ForAnyValue:StringNotEqualsIfExists':{'iot:Certificate.Subject.Title':'a'}}")),
    OPEN(IF("Deny", "iot:Connect", ANY "client/a",
            "{'ForAnyValue:StringNotEquals':{'iot:ConnectAttributes':'LastWill'}}")),
    /* a Deny that is meant for devices with the value */
    OPEN(IF("Deny", "iot:Publish", ANY "topic/" THING,
            "{'Bool':{'iot:Connection.Thing.IsAttached':'true'}}")),
    OPEN(IF("Deny", "iot:Publish", ANY "topic/" THING,
            "{'Null':{'iot:Connection.Thing.ThingName':'false'}}")),
    OPEN(IF("Deny", "iot:Publish", ANY "topic/" CN,
            "{'ForAnyValue:StringEquals':{'iot:Certificate.AvailableKeys':"
            "'iot:Certificate.Subject.CommonName'}}")),
    OPEN(IF("Deny", "iot:Publish", ANY "topic/" CN,
            "{'StringLike':{'iot:Certificate.Subject.CommonName.List':'a*'}}")),
    OPEN(IF("Deny", "iot:Publish", ANY "topic/a",
            "{'ForAnyValue:StringNotEquals':{'iot:Certificate.Subject.Title':'a'},"
            "'Null':{'iot:Certificate.Subject.Title':'false'}}")),
    /* guards */
    OPEN(DENY("iot:Publish", ANY "topic/" THING) "," IF("Deny", "iot:Publish", "*",
                                                        "{'Null':{'iot:Thing.ThingName':'true'}}")),
    OPEN(DENY("iot:Publish", ANY "topic/" THING) "," IF(
        "Deny", "iot:Connect", "*", "{'Bool':{'iot:Thing.IsAttached':'false'}}")),
    OPEN(DENY("iot:Publish", ANY "topic/" THING) "," IF(
        "Deny", "iot:*", "*", "{'StringEquals':{'iot:Thing.IsAttached':'false'}}")),
    OPEN(DENY("iot:Publish", ANY "topic/" CN) "," IF(
        "Deny", "iot:*", "*",
        "{'ForAllValues:StringNotEquals':{'iot:Certificate.AvailableKeys':"
        "['iot:Certificate.Subject.Title','iot:Certificate.Subject.CommonName']}}")),
    OPEN(DENY("iot:Publish",
              ANY "topic/" CN) "," IF("Deny", "iot:*", "*",
                                      "{'StringNotEquals':{'iot:Certificate.AvailableKeys':"
                                      "'iot:Certificate.Subject.CommonName'}}")),
    OPEN(DENY("iot:Publish", ANY "topic/" CN) "," IF(
        "Deny", "iot:Publish", "*",
        "{'StringNotLike':{'iot:Certificate.Subject.CommonName':'sensor-*'}}")),
    /* what is allowed needs the value as well */
    DOC(DENY("iot:Publish", ANY "topic/" THING "/a") "," ALLOW("iot:Publish",
                                                               ANY "topic/" THING "/*")),
    DOC(DENY("iot:Publish", ANY "topic/" THING "/a") "," ALLOW(
        "iot:Publish", ANY "topic/${iot:Thing.Attributes[a]}/*")),
    DOC(DENY("iot:Publish", ANY
             "topic/" THING "/a") ",{'Effect':'Allow','Action':'iot:Publish','NotResource':'" ANY
                                  "topic/" THING "/*'}"),
    DOC(DENY("iot:Publish", ANY "topic/" THING "/a") "," IF(
        "Allow", "iot:Publish", ANY "topic/*", "{'StringEquals':{'iot:ClientId':'" THING "'}}")),
    DOC(DENY("iot:Publish", ANY "topic/" THING "/a") "," IF(
        "Allow", "iot:Publish", ANY "topic/*", "{'Bool':{'iot:Thing.IsAttached':'true'}}")),
    DOC(DENY("iot:Publish", ANY "topic/" THING "/a") "," IF(
        "Allow", "iot:Publish", ANY "topic/*", "{'StringLike':{'iot:Thing.ThingName':'*'}}")),
    OPEN(DENY("iot:Publish", ANY "topic/" THING) "," ALLOW("iot:Connect", ANY "client/" THING)),
    DOC(DENY("iot:Publish", ANY "topic/" CN "/a") "," ALLOW(
        "iot:Publish", ANY "topic/${iot:Certificate.Subject.CommonName.1}/*")),
    DOC(DENY("iot:Publish", ANY
             "topic/" THING "/a") ",{'Effect':'Allow','Action':'iot:Publish','NotResource':['" ANY
                                  "topic/" THING "/*','" ANY "topic/x']}"),
    DOC(DENY("iot:Publish", ANY
             "topic/" THING "/a") "," IF("Allow", "iot:Publish", ANY "topic/*",
                                         "{'StringNotEquals':{'iot:ClientId':['a','" THING "']}}")),
    /* what is allowed is something else */
    DOC(DENY("iot:Publish",
             ANY "topic/a/" THING) ",{'Effect':'Allow','Action':'iot:Publish','Resource':['" ANY
                                   "topic/a/" THING "','" ANY "topic/b']}"),
    DOC(DENY("iot:Publish", ANY "topic/cmd/" THING) "," ALLOW("iot:Publish", ANY "topic/dt/*")),
};

static void denies_that_stay_in_force_are_silent(void **state)
{
    struct linted *const found = malloc(sizeof *found);

    (void)state;
    assert_non_null(found);
    for (size_t i = 0; i < PROV_COUNT(silent); i++) {
        lint(found, silent[i]);
        if (!missing_warned(found))
            continue;
        show_warnings(found);
        fail_msg("this is no mistake");
    }
    free(found);
}

static const char *const loud[] = {
    /* nothing is known of what other policies allow */
    DOC(DENY("iot:Publish", ANY "topic/" THING)),
    DOC(DENY("iot:Publish", ANY "topic/" THING) "," ALLOW("iot:Receive", ANY "topic/*")),
    /* guards that guard something else */
    OPEN(DENY("iot:Publish", ANY "topic/" THING) "," IF("Deny", "iot:Receive", "*",
                                                        "{'Null':{'iot:Thing.ThingName':'true'}}")),
    OPEN(DENY("iot:Publish", ANY "topic/" THING) "," IF(
        "Deny", "iot:Publish", "*", "{'Null':{'iot:Thing.ThingName':'false'}}")),
    OPEN(DENY("iot:Publish", ANY "topic/${iot:Thing.ThingTypeName}") "," IF(
        "Deny", "iot:Publish", "*", "{'Null':{'iot:Thing.ThingName':'true'}}")),
    OPEN(DENY("iot:Publish", ANY "topic/${iot:Thing.Attributes[a]}") "," IF(
        "Deny", "iot:Publish", "*", "{'Null':{'iot:Thing.Attributes[b]':'true'}}")),
    OPEN(DENY("iot:Publish", ANY "topic/${iot:Thing.Attributes[a]}") "," IF(
        "Deny", "iot:Publish", "*", "{'Bool':{'iot:Thing.IsAttached':'false'}}")),
    OPEN(DENY("iot:Publish", ANY "topic/" CN) "," IF(
        "Deny", "iot:Publish", "*", "{'Null':{'iot:Certificate.Issuer.CommonName':'true'}}")),
    OPEN(DENY("iot:Publish", ANY "topic/" CN) "," IF(
        "Deny", "iot:Publish", "*", "{'Null':{'iot:Certificate.Subject.CommonName.1':'false'}}")),
    OPEN(DENY("iot:Publish", ANY
              "topic/" CN) "," IF("Deny", "iot:*", "*",
                                  "{'ForAnyValue:StringNotEquals':{'iot:Certificate.AvailableKeys':"
                                  "'iot:Certificate.Subject.CommonName'}}")),
    OPEN(DENY("iot:Publish", ANY "topic/" THING) "," IF("Allow", "iot:Publish", "*",
                                                        "{'Null':{'iot:Thing.ThingName':'true'}}")),
    /* what is allowed does not need the value, or only in part */
    DOC(DENY("iot:Publish",
             ANY "topic/" THING "/a") ",{'Effect':'Allow','Action':'iot:Publish','Resource':['" ANY
                                      "topic/" THING "/*','" ANY "topic/x/*']}"),
    DOC(DENY("iot:Publish", ANY "topic/${iot:Thing.Attributes[a]}/a") "," ALLOW(
        "iot:Publish", ANY "topic/" THING "/*")),
    OPEN(DENY("iot:Publish", ANY "topic/" THING) "," ALLOW("iot:Connect", ANY "client/*")),
    DOC(DENY("iot:Publish", ANY "topic/${iot:Certificate.Subject.CommonName.1}/a") "," ALLOW(
        "iot:Publish", ANY "topic/" CN "/*")),
    OPEN(IF("Deny", "iot:Publish", ANY "topic/" CN,
            "{'ForAllValues:StringEquals':{'iot:Certificate.AvailableKeys':"
            "'iot:Certificate.Subject.CommonName'}}")),
    OPEN(IF("Deny", "iot:Publish", ANY "topic/" CN,
            "{'ForAnyValue:StringEquals':{'iot:Certificate.AvailableKeys':"
            "['iot:Certificate.Subject.CommonName','iot:Certificate.Subject.Title']}}")),
    OPEN(IF("Deny", "iot:Publish", ANY "topic/a",
            "{'ForAnyValue:StringNotLike':{'iot:Certificate.Subject.Title':'a*'}}")),
    OPEN(IF("Deny", "iot:Connect", ANY "client/a",
            "{'ArnEquals':{'iot:LastWillTopic':'" ANY "topic/" THING "'}}")),
};

static void denies_that_are_disabled_are_told(void **state)
{
    struct linted *const found = malloc(sizeof *found);

    (void)state;
    assert_non_null(found);
    for (size_t i = 0; i < PROV_COUNT(loud); i++) {
        lint(found, loud[i]);
        if (missing_warned(found))
            continue;
        show_warnings(found);
        fail_msg("this is a mistake");
    }
    free(found);
}

/* A Deny that its own variable disables guards nothing. */
static void a_guard_that_is_disabled_itself_is_none(void **state)
{
    struct linted *const found = malloc(sizeof *found);

    (void)state;
    assert_non_null(found);
    lint(found, OPEN(DENY("iot:Publish",
                          ANY "topic/" THING) "," IF("Deny", "iot:Publish", ANY "topic/" THING "/a",
                                                     "{'Null':{'iot:Thing.ThingName':'true'}}")));
    assert_int_equal(found->n, 2);
    assert_string_equal(found->w[0].path, "Statement[0].Resource");
    assert_string_equal(found->w[1].path, "Statement[1].Resource");
    free(found);
}

/* One warning for each variable of a statement, at its first place. */
static void each_variable_is_told_once(void **state)
{
    struct linted *const found = malloc(sizeof *found);

    (void)state;
    assert_non_null(found);
    lint(found,
         OPEN("{'Effect':'Deny','Action':'iot:Publish','Resource':['" ANY "topic/" CN "','" ANY
              "topic/" CN "/" THING "']}," DENY("iot:Publish", ANY "topic/${iot:ClientId}")));
    assert_int_equal(found->n, 2);
    assert_string_equal(found->w[0].path, "Statement[0].Resource[0]");
    assert_non_null(strstr(found->w[0].text, "CommonName"));
    assert_string_equal(found->w[1].path, "Statement[0].Resource[1]");
    assert_non_null(strstr(found->w[1].text, "ThingName"));
    free(found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cures_compile_and_deny),
        cmocka_unit_test(the_cure_denies_also_for_values_that_are_not_substituted),
        cmocka_unit_test(the_cure_is_told_in_full),
        cmocka_unit_test(if_exists_cures_any_not),
        cmocka_unit_test(denies_that_stay_in_force_are_silent),
        cmocka_unit_test(denies_that_are_disabled_are_told),
        cmocka_unit_test(a_guard_that_is_disabled_itself_is_none),
        cmocka_unit_test(each_variable_is_told_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
