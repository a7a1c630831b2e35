/* RegisterThing: what it makes, what it tells, and in which order it looks (reference 1.8). */
#include "support/fleet_scene.h"

#include "core/attempt.h"

static struct prov_fleet *ask(struct scene *s, const char *token, const char *params)
{
    return scene_new(
        s, &(struct scene_ask){ .op = PROV_REGISTER_THING, .token = token, .params = params });
}

static struct prov_fleet *done(struct scene *s, const char *token, const char *params)
{
    struct prov_fleet *fleet = ask(s, token, params);

    scene_finish(s, fleet, NULL);
    return fleet;
}

static struct prov_fleet *done_by(struct scene *s, const char *template_name, const char *token,
                                  const char *params)
{
    return scene_done(s, &(struct scene_ask){ .op = PROV_REGISTER_THING,
                                              .template_name = template_name,
                                              .token = token,
                                              .params = params });
}

static bool has_thing(struct scene *s, const char *name)
{
    struct prov_thing thing;
    const enum prov_rc rc = prov_thing_get(&s->r->tx, S(name), &thing);

    assert_true(rc == PROV_OK || rc == PROV_ENOTFOUND);
    return rc == PROV_OK;
}

/* ---- accepted -------------------------------------------------------------------------------- */

static void assert_told(const struct prov_fleet *fleet, const char *room)
{
    cJSON *answer = scene_answer(fleet);
    const cJSON *config = cJSON_GetObjectItemCaseSensitive(answer, "deviceConfiguration");
    char hex[PROV_ID_HEX + 1];
    const char *const expected[][2] = {
        { "zone", "b" }, { "alpha", room }, { "id", hex }, { "empty", "" }
    };

    prov_id_hex(&fleet->cert, hex);
    assert_int_equal(cJSON_GetArraySize(answer), 2);
    assert_string_equal(scene_text(answer, "thingName"), "dev-7");
    assert_int_equal(cJSON_GetArraySize(config), PROV_COUNT(expected));
    for (size_t i = 0; i < PROV_COUNT(expected); i++) {
        const cJSON *item = cJSON_GetArrayItem(config, (int)i);

        assert_string_equal(item->string, expected[i][0]);
        assert_string_equal(item->valuestring, expected[i][1]);
    }
    cJSON_Delete(answer);
}

static void thing_is_made_and_the_device_told(void **state)
{
    static const struct {
        const char *params, *room;
    } rows[] = {
        { "{'Serial':'7'}", "none" },
        { "{'Serial':'7','Room':'hall'}", "hall" },
        { "{'Serial':'7','Unknown':'x'}", "none" },
        { "{'Serial':'7','AWS::IoT::Certificate::Id':'00'}", "none" },
    };
    struct scene *s = *state;

    for (size_t i = 0; i < 2 * PROV_COUNT(rows); i++) {
        char token[PROV_TOKEN_LEN + 1];
        const struct prov_id id = scene_certificate(s, NULL, token);
        struct prov_fleet *fleet =
            scene_done(s, &(struct scene_ask){ .op = PROV_REGISTER_THING,
                                               .format = i % 2 == 0 ? PROV_JSON : PROV_CBOR,
                                               .token = token,
                                               .params = rows[i / 2].params });
        struct prov_thing thing;
        struct prov_cert cert;

        scene_expect(fleet, PROV_REASON_PROVISIONED);
        assert_id(&fleet->cert, &id);
        assert_string_equal(fleet->thing_name, "dev-7");
        assert_false(fleet->repeated);
        assert_false(fleet->rotated);
        assert_told(fleet, rows[i / 2].room);
        cert = scene_cert(s, &id);
        assert_int_equal(cert.status, PROV_CERT_ACTIVE);
        assert_int_equal(cert.n_policies, 1);
        assert_span(cert.policies[0], "p");
        assert_int_equal(cert.n_things, 1);
        assert_span(cert.things[0], "dev-7");
        reg_ok(s->r, prov_thing_get(&s->r->tx, S("dev-7"), &thing));
        assert_int_equal(thing.n_attrs, 1);
        assert_span(thing.attrs[0].value, rows[i / 2].room);
        assert_int_equal(thing.n_groups, 1);
    }
}

static void templates_need_neither_thing_nor_certificate(void **state)
{
    static const struct {
        const char *name, *body, *params, *thing;
        enum prov_cert_status status;
    } rows[] = {
        { "bare", "{'Resources':{" SCENE_CERT("") "," SCENE_POLICY "}}", NULL, "",
          PROV_CERT_ACTIVE },
        { "asleep",
          "{" SCENE_PARAMS
          ",'Resources':{" SCENE_THING("") "," SCENE_CERT(",'Status':'INACTIVE'") "}}",
          "{'Serial':'1'}", "dev-1", PROV_CERT_INACTIVE },
        { "thing", "{" SCENE_PARAMS ",'Resources':{" SCENE_THING("") "}}", "{'Serial':'2'}",
          "dev-2", PROV_CERT_PENDING_ACTIVATION },
    };
    struct scene *s = *state;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        char token[PROV_TOKEN_LEN + 1];
        const struct prov_id id = scene_certificate(s, NULL, token);
        const struct prov_cert *cert;
        struct prov_cert recorded;
        struct prov_fleet *fleet;
        cJSON *answer, *config;

        scene_template(s, rows[i].name, rows[i].body, NULL);
        fleet = done_by(s, rows[i].name, token, rows[i].params);
        scene_expect(fleet, PROV_REASON_PROVISIONED);
        assert_string_equal(fleet->thing_name, rows[i].thing);
        answer = scene_answer(fleet);
        config = cJSON_GetObjectItemCaseSensitive(answer, "deviceConfiguration");
        assert_true(cJSON_IsObject(config));
        assert_int_equal(cJSON_GetArraySize(config), 0);
        if (rows[i].thing[0] != '\0')
            assert_string_equal(scene_text(answer, "thingName"), rows[i].thing);
        else
            assert_int_equal(cJSON_GetArraySize(answer), 1);
        cJSON_Delete(answer);
        recorded = scene_cert(s, &id);
        cert = &recorded;
        assert_int_equal(cert->status, rows[i].status);
        assert_int_equal(cert->n_things, rows[i].thing[0] != '\0');
        assert_int_equal(cert->n_policies, i == 0);
        fleet = done_by(s, rows[i].name, token, rows[i].params); /* and again */
        scene_expect(fleet, PROV_REASON_PROVISIONED);
        assert_true(fleet->repeated);
        assert_string_equal(fleet->thing_name, rows[i].thing);
    }
}

static bool check_attempt(void *ctx, const struct prov_attempt *attempt)
{
    const struct prov_fleet *fleet = ctx;
    char claim[PROV_ID_HEX + 1], detail[160];

    prov_id_hex(&fleet->claim, claim);
    (void)snprintf(detail, sizeof detail, "RegisterThing, template " SCENE_TEMPLATE ", claim %s",
                   claim);
    assert_true(attempt->id == fleet->attempt);
    assert_int_equal(attempt->reason, PROV_REASON_PROVISIONED);
    assert_id(&attempt->cert, &fleet->cert);
    assert_true(prov_id_is_zero(&attempt->ca));
    assert_span(attempt->client_id, SCENE_CLIENT);
    assert_span(attempt->address, SCENE_ADDRESS);
    assert_span(attempt->common_name, "dev");
    assert_span(attempt->detail, detail);
    return false;
}

static void what_was_provisioned_is_in_the_attempt_log(void **state)
{
    struct scene *s = *state;
    char token[PROV_TOKEN_LEN + 1];
    struct prov_fleet *fleet;

    (void)scene_certificate(s, NULL, token);
    scene_expect(done(s, token, NULL), PROV_REASON_TEMPLATE_FAILED);
    scene_expect(done(s, "x", NULL), PROV_REASON_BAD_TOKEN);
    assert_int_equal(scene_attempts(s), 1); /* of the certificate; refusals are the broker's */
    fleet = done(s, token, "{'Serial':'1'}");
    reg_ok(s->r, prov_attempt_each(&s->r->tx, check_attempt, fleet));
    assert_int_equal(scene_attempts(s), 2);
    scene_expect(done(s, token, "{'Serial':'1'}"), PROV_REASON_PROVISIONED);
    assert_int_equal(scene_attempts(s), 2);
}

/* ---- order ----------------------------------------------------------------------------------- */

#define ORDER_HOOK "exec:/hooks/order"
#define ORDER_BODY                                                                                 \
    "{" SCENE_PARAMS                                                                               \
    ",'Resources':{" SCENE_THING(",'ThingGroups':['later']") "," SCENE_CERT("") "}}"

static void expect_next(struct scene *s, const char *token, const char *params, const char *hook,
                        enum prov_reason reason)
{
    struct prov_fleet *fleet = scene_new(s, &(struct scene_ask){ .op = PROV_REGISTER_THING,
                                                                 .template_name = "order",
                                                                 .token = token,
                                                                 .params = params });
    char *before = reg_dump(s->r), *after;

    scene_finish(s, fleet, hook);
    scene_expect(fleet, reason);
    after = reg_dump(s->r);
    assert_int_equal(strcmp(before, after) == 0, reason != PROV_REASON_PROVISIONED);
    free(before);
    free(after);
    scene_drop(s, fleet);
}

static void make_order_template(struct scene *s)
{
    const bool enabled = false;

    scene_template(s, "order", ORDER_BODY, ORDER_HOOK);
    scene_change_template(s, "order", &(struct prov_template_change){ .enabled = &enabled });
}

/* With several things wrong, the first of them is told; each step mends what the last one told, and
 * the token is good to the end. */
static void first_of_several_mistakes_is_told(void **state)
{
    struct scene *s = *state;
    const struct prov_span other = PROV_LIT(SCENE_TEMPLATE);
    const bool enabled = true;
    char token[PROV_TOKEN_LEN + 1];

    (void)scene_certificate(s, NULL, token);
    scene_limit(s, &(struct prov_claim_change){ .templates = &other, .n_templates = 1 });
    scene_suspend(s);
    scene_cert_status(s, &s->claim, PROV_CERT_INACTIVE);
    expect_next(s, NULL, NULL, NULL, PROV_REASON_BAD_REQUEST);
    expect_next(s, "x", NULL, NULL, PROV_REASON_BAD_TOKEN);
    expect_next(s, token, NULL, NULL, PROV_REASON_CERT_INACTIVE);
    scene_cert_status(s, &s->claim, PROV_CERT_ACTIVE);
    expect_next(s, token, NULL, NULL, PROV_REASON_CLAIM_SUSPENDED);
    reg_ok(s->r, prov_claim_resume(&s->r->tx, &s->claim));
    expect_next(s, token, NULL, NULL, PROV_REASON_CLAIM_TEMPLATE);
    reg_ok(s->r, prov_claim_clear(&s->r->tx, &s->claim));
    expect_next(s, token, NULL, NULL, PROV_REASON_TEMPLATE_MISSING);
    make_order_template(s);
    expect_next(s, token, NULL, NULL, PROV_REASON_TEMPLATE_DISABLED);
    scene_change_template(s, "order", &(struct prov_template_change){ .enabled = &enabled });
    expect_next(s, token, NULL, NULL, PROV_REASON_PRE_HOOK_FAILED);
    expect_next(s, token, NULL, "{'allowProvisioning':false}", PROV_REASON_PRE_HOOK_REJECTED);
    expect_next(s, token, NULL, "{'allowProvisioning':true}", PROV_REASON_TEMPLATE_FAILED);
    expect_next(s, token, "{'Serial':'1'}", "{'allowProvisioning':true}",
                PROV_REASON_TEMPLATE_FAILED);
    reg_group(s->r, "later", NULL);
    reg_commit(s->r);
    expect_next(s, token, "{'Serial':'1'}", "{'allowProvisioning':true}", PROV_REASON_PROVISIONED);
}

/* ---- what the device is told ----------------------------------------------------------------- */

static void refusals_name_the_step_and_the_cause(void **state)
{
    struct scene *s = *state;
    char token[PROV_TOKEN_LEN + 1];
    struct prov_fleet *fleet;

    (void)scene_certificate(s, NULL, token);
    reg_template(s->r, "jitp", "{'Resources':{" SCENE_CERT("") "}}");
    reg_commit(s->r);
    fleet = done(s, "", NULL);
    scene_expect_rejected(fleet, 400, "InvalidCertificateOwnershipToken",
                          "claim: The certificate ownership token cannot be empty");
    fleet = done_by(s, "nope", token, NULL);
    scene_expect(fleet, PROV_REASON_TEMPLATE_MISSING);
    scene_expect_rejected(fleet, 404, "ResourceNotFound", NULL);
    assert_non_null(strstr(fleet->message, "template: "));
    assert_non_null(strstr(fleet->message, "\"nope\""));
    fleet = done_by(s, "jitp", token, NULL);
    scene_expect(fleet, PROV_REASON_TEMPLATE_TYPE);
    scene_expect_rejected(fleet, 400, "InvalidRequest",
                          "template: The template is not for devices to name: it is of type JITP.");
    fleet = done(s, token, NULL);
    scene_expect(fleet, PROV_REASON_TEMPLATE_FAILED);
    scene_expect_rejected(fleet, 400, "InvalidParameters", NULL);
    assert_memory_equal(fleet->message, "template: Parameters.Serial: ", 29);
    assert_string_equal(fleet->message + 10, fleet->detail);
    fleet = done(s, token, "{'Serial':'what a name'}");
    scene_expect(fleet, PROV_REASON_TEMPLATE_FAILED);
    assert_non_null(strstr(fleet->message, "Resources.t.Properties.ThingName: "));
}

static void claim_s_parameter_must_be_on_its_list(void **state)
{
    struct scene *s = *state;
    char token[PROV_TOKEN_LEN + 1];
    struct prov_fleet *fleet;

    (void)scene_certificate(s, NULL, token);
    reg_ok(s->r, prov_claim_allow(&s->r->tx, &s->claim, S("Serial"), S("1")));
    reg_commit(s->r);
    fleet = done(s, token, "{'Serial':'2'}");
    scene_expect(fleet, PROV_REASON_CLAIM_PARAMETER);
    scene_expect_rejected(fleet, 403, "AccessDenied",
                          "claim: The claim does not allow this value of parameter \"Serial\"");
    scene_expect(done(s, token, NULL), PROV_REASON_CLAIM_PARAMETER);
    scene_expect(done(s, token, "{'Serial':'1'}"), PROV_REASON_PROVISIONED);
}

static void temporary_claim_is_for_its_template_alone(void **state)
{
    struct scene *s = *state;
    const struct prov_id claim = scene_temporary(s, SCENE_TEMPLATE, 300);
    struct scene_ask request = { .op = PROV_REGISTER_THING,
                                 .template_name = "other",
                                 .params = "{'Serial':'1'}",
                                 .claim = &claim };
    char token[PROV_TOKEN_LEN + 1];
    struct prov_fleet *fleet;

    scene_template(s, "other", "{'Resources':{" SCENE_CERT("") "}}", NULL);
    (void)scene_certificate(s, &claim, token);
    request.token = token;
    fleet = scene_done(s, &request);
    scene_expect(fleet, PROV_REASON_CLAIM_TEMPLATE);
    scene_expect_rejected(fleet, 403, "AccessDenied", "claim: The claim is not for this template");
    request.template_name = NULL;
    scene_expect(scene_done(s, &request), PROV_REASON_PROVISIONED);
}

/* ---- all or nothing -------------------------------------------------------------------------- */

#define BODY(thing, override, rest)                                                                \
    "{" SCENE_PARAMS                                                                               \
    ",'Resources':{'t':{'Type':'AWS::IoT::Thing','Properties':{'ThingName':{'Ref':'Serial'}" thing \
    "}" override "}," SCENE_CERT("") rest "}}"

/* The thing "old" exists; what the plan does before it fails is undone. */
static void nothing_is_left_of_a_plan_that_fails_in_any_part(void **state)
{
    static const struct {
        const char *body, *serial, *message;
        int status;
        const char *code;
    } rows[] = {
        { BODY(",'ThingTypeName':'nope'", "", ""), "new", "nope", 400, "InvalidParameters" },
        { BODY(",'ThingGroups':['g','nope']", "", ""), "new", "nope", 400, "InvalidParameters" },
        { BODY(",'BillingGroup':'nope'", "", ""), "new", "nope", 400, "InvalidParameters" },
        { BODY("", "",
               "," SCENE_POLICY ",'q':{'Type':'AWS::IoT::Policy','Properties':{'PolicyName':"
               "'nope'}}"),
          "new", "nope", 400, "InvalidParameters" },
        { BODY(",'AttributePayload':{'a':'1'}", ",'OverrideSettings':{'AttributePayload':'FAIL'}",
               ""),
          "old", "\"old\" exists", 409, "ResourceConflict" },
        { BODY(",'ThingGroups':['g']", ",'OverrideSettings':{'ThingGroups':'FAIL'}", ""), "old",
          "\"old\" exists", 409, "ResourceConflict" },
        { "{" SCENE_PARAMS
          ",'Resources':{'c':{'Type':'AWS::IoT::Certificate','Properties':{'CertificateId':"
          "{'Ref':'Serial'}}}}}",
          "00", "not the certificate", 400, "InvalidParameters" },
    };
    struct scene *s = *state;
    char token[PROV_TOKEN_LEN + 1], name[16], params[64];

    reg_thing(s->r, "old");
    (void)scene_certificate(s, NULL, token);
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct prov_fleet *fleet;
        char *before, *after;

        (void)snprintf(name, sizeof name, "t%zu", i);
        (void)snprintf(params, sizeof params, "{'Serial':'%s'}", rows[i].serial);
        scene_template(s, name, rows[i].body, NULL);
        before = reg_dump(s->r);
        fleet = done_by(s, name, token, params);
        after = reg_dump(s->r);
        scene_expect(fleet, PROV_REASON_TEMPLATE_FAILED);
        scene_expect_rejected(fleet, rows[i].status, rows[i].code, NULL);
        print_message("%s\n", fleet->message);
        assert_non_null(strstr(fleet->message, rows[i].message));
        assert_string_equal(fleet->thing_name, "");
        assert_string_equal(before, after);
        free(before);
        free(after);
    }
    assert_false(has_thing(s, "new"));
    scene_expect(done(s, token, "{'Serial':'1'}"), PROV_REASON_PROVISIONED);
}

/* A configuration of seventeen times 4 KB is longer than what is kept to be told again. */
static void configuration_that_cannot_be_kept_is_refused(void **state)
{
    struct scene *s = *state;
    struct prov_buf template, params;
    char token[PROV_TOKEN_LEN + 1];
    struct prov_fleet *fleet;
    cJSON *answer;

    (void)scene_certificate(s, NULL, token);
    for (unsigned n = 17; n >= 15; n -= 2) {
        prov_buf_init(&template, PROV_MAX_TEMPLATE_BODY);
        prov_buf_init(&params, 8192);
        prov_buf_add_str(&template, "{" SCENE_PARAMS
                                    ",'Resources':{" SCENE_CERT("") "},'DeviceConfiguration':{");
        for (unsigned i = 0; i < n; i++)
            prov_buf_addf(&template, "%s'k%u':{'Ref':'Serial'}", i == 0 ? "" : ",", i);
        prov_buf_add_str(&template, "}}");
        prov_buf_add_str(&params, "{'Serial':'");
        while (params.n < PROV_MAX_PARAM_VALUE + 11)
            prov_buf_add_u8(&params, 1); /* six bytes each in JSON */
        prov_buf_add_str(&params, "'}");
        scene_template(s, n == 17 ? "long" : "fits", prov_buf_cstr(&template), NULL);
        fleet = scene_done(s, &(struct scene_ask){ .op = PROV_REGISTER_THING,
                                                   .format = PROV_CBOR,
                                                   .template_name = n == 17 ? "long" : "fits",
                                                   .token = token,
                                                   .params = prov_buf_cstr(&params) });
        prov_buf_release(&template);
        prov_buf_release(&params);
        if (n == 17) {
            scene_expect(fleet, PROV_REASON_TEMPLATE_FAILED);
            scene_expect_rejected(fleet, 400, "InvalidParameters",
                                  "template: the deviceConfiguration has more than 65536 bytes");
            continue;
        }
        scene_expect(fleet, PROV_REASON_PROVISIONED);
        fleet->format = PROV_JSON; /* the longest that an answer gets */
        answer = scene_answer(fleet);
        cJSON_Delete(answer);
    }
}

static void apply_may_run_again_after_a_commit_that_failed(void **state)
{
    struct scene *s = *state;
    char token[PROV_TOKEN_LEN + 1];
    struct prov_fleet *fleet;
    char *first, *second;

    (void)scene_certificate(s, NULL, token);
    fleet = ask(s, token, "{'Serial':'7'}");
    assert_int_equal(scene_prepare(s, fleet), PROV_FLEET_APPLY);
    reg_ok(s->r, prov_fleet_apply(fleet, &s->r->tx));
    scene_expect(fleet, PROV_REASON_PROVISIONED);
    first = reg_dump(s->r);
    reg_abort(s->r);
    assert_false(has_thing(s, "dev-7"));
    reg_ok(s->r, prov_fleet_apply(fleet, &s->r->tx));
    scene_expect(fleet, PROV_REASON_PROVISIONED);
    assert_false(fleet->repeated);
    second = reg_dump(s->r);
    assert_int_equal(strlen(first), strlen(second)); /* but for the thing's random id the same */
    reg_commit(s->r);
    assert_told(fleet, "none");
    assert_int_equal(scene_attempts(s), 2);
    free(first);
    free(second);
}

static void refusal_of_the_second_try_takes_back_the_first(void **state)
{
    struct scene *s = *state;
    const bool retire = true;
    const struct prov_id device = scene_device(s, "7");
    struct prov_fleet *fleet;
    char token[PROV_TOKEN_LEN + 1];

    scene_change_template(s, SCENE_TEMPLATE,
                          &(struct prov_template_change){ .retire_previous = &retire });
    (void)scene_certificate(s, &device, token);
    fleet = scene_new(s, &(struct scene_ask){ .op = PROV_REGISTER_THING,
                                              .token = token,
                                              .params = "{'Serial':'7'}",
                                              .claim = &device });
    assert_int_equal(scene_prepare(s, fleet), PROV_FLEET_APPLY);
    reg_ok(s->r, prov_fleet_apply(fleet, &s->r->tx));
    assert_true(fleet->rotated);
    reg_abort(s->r);
    scene_cert_status(s, &device, PROV_CERT_REVOKED);
    scene_apply(s, fleet);
    scene_expect(fleet, PROV_REASON_CERT_REVOKED);
    assert_false(fleet->rotated);
    assert_string_equal(fleet->thing_name, "");
}

static const struct CMUnitTest tests[] = {
    SCENE_TEST(thing_is_made_and_the_device_told),
    SCENE_TEST(templates_need_neither_thing_nor_certificate),
    SCENE_TEST(what_was_provisioned_is_in_the_attempt_log),
    SCENE_TEST(first_of_several_mistakes_is_told),
    SCENE_TEST(refusals_name_the_step_and_the_cause),
    SCENE_TEST(claim_s_parameter_must_be_on_its_list),
    SCENE_TEST(temporary_claim_is_for_its_template_alone),
    SCENE_TEST(nothing_is_left_of_a_plan_that_fails_in_any_part),
    SCENE_TEST(configuration_that_cannot_be_kept_is_refused),
    SCENE_TEST(apply_may_run_again_after_a_commit_that_failed),
    SCENE_TEST(refusal_of_the_second_try_takes_back_the_first),
};

SCENE_MAIN(tests)
