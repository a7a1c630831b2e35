/* RegisterThing with a pre-provisioning hook (reference section 3). */
#include "support/fleet_scene.h"

#include "core/json.h"

#define HOOK "https://hooks.example/provision"
#define REJECTED "template: The template's pre-provisioning hook did not allow it."
#define FAILED "template: The template's pre-provisioning hook gave no answer that counts."

static void set_hook(struct scene *s, const char *spec)
{
    const struct prov_span text = S(spec);

    scene_change_template(s, SCENE_TEMPLATE, &(struct prov_template_change){ .hook = &text });
}

static struct prov_fleet *ask(struct scene *s, const char *params)
{
    char token[PROV_TOKEN_LEN + 1];

    (void)scene_certificate(s, NULL, token);
    return scene_new(
        s, &(struct scene_ask){ .op = PROV_REGISTER_THING, .token = token, .params = params });
}

static cJSON *request_of(const struct prov_fleet *fleet)
{
    struct prov_err err = { 0 };
    cJSON *doc = NULL;

    assert_int_equal(prov_json_parse(prov_buf_span(&fleet->request), 1 << 20, &doc, &err), PROV_OK);
    return doc;
}

static void hook_is_asked_with_claim_certificate_and_parameters(void **state)
{
    struct scene *s = *state;
    char id[PROV_ID_HEX + 1], claim[PROV_ID_HEX + 1];
    struct prov_fleet *fleet = ask(s, "{'Serial':'1','AWS::IoT::Certificate::Id':'00'}");
    cJSON *doc, *params;

    set_hook(s, HOOK);
    assert_int_equal(scene_prepare(s, fleet), PROV_FLEET_HOOK);
    assert_int_equal(fleet->hook.n, strlen(HOOK));
    assert_string_equal((const char *)fleet->hook.p, HOOK); /* it runs as a C string */
    doc = request_of(fleet);
    prov_id_hex(&fleet->cert, id);
    prov_id_hex(&s->claim, claim);
    assert_int_equal(cJSON_GetArraySize(doc), 6);
    assert_string_equal(scene_text(doc, "claimCertificateId"), claim);
    assert_string_equal(scene_text(doc, "certificateId"), id);
    assert_memory_equal(scene_text(doc, "certificatePem"), "-----BEGIN CERTIFICATE-----\n", 28);
    assert_string_equal(scene_text(doc, "templateArn"),
                        "arn:aws:iot:local:000000000000:provisioningtemplate/" SCENE_TEMPLATE);
    assert_string_equal(scene_text(doc, "clientId"), SCENE_CLIENT);
    params = cJSON_GetObjectItemCaseSensitive(doc, "parameters");
    assert_int_equal(cJSON_GetArraySize(params), 2); /* as the device sent them */
    assert_string_equal(scene_text(params, "Serial"), "1");
    assert_string_equal(scene_text(params, "AWS::IoT::Certificate::Id"), "00");
    cJSON_Delete(doc);
}

/* Six bytes in JSON for each that CBOR carries as it is. */
static void hook_is_asked_also_with_all_that_a_device_may_send(void **state)
{
    struct scene *s = *state;
    char token[PROV_TOKEN_LEN + 1];
    struct prov_fleet *fleet;
    struct prov_buf params;

    (void)scene_certificate(s, NULL, token);
    set_hook(s, HOOK);
    prov_buf_init(&params, PROV_MAX_FLEET_PAYLOAD);
    for (unsigned i = 0; i < 31; i++) {
        prov_buf_addf(&params, "%s'p%02u':'", i == 0 ? "{" : ",", i);
        for (size_t n = 0; n < PROV_MAX_PARAM_VALUE; n++)
            prov_buf_add_u8(&params, 1);
        prov_buf_add_u8(&params, '\'');
    }
    prov_buf_add_u8(&params, '}');
    fleet = scene_new(s, &(struct scene_ask){ .op = PROV_REGISTER_THING,
                                              .format = PROV_CBOR,
                                              .token = token,
                                              .params = prov_buf_cstr(&params) });
    prov_buf_release(&params);
    assert_int_equal(scene_prepare(s, fleet), PROV_FLEET_HOOK);
    assert_true(fleet->request.n > (size_t)31 * 6 * PROV_MAX_PARAM_VALUE);
}

static void template_without_a_hook_asks_none(void **state)
{
    struct scene *s = *state;
    struct prov_fleet *fleet = ask(s, "{'Serial':'1'}");

    assert_int_equal(scene_prepare(s, fleet), PROV_FLEET_APPLY);
    assert_int_equal(fleet->request.n, 0);
}

static void answers_decide(void **state)
{
    static const struct {
        const char *answer; /* NULL: none */
        enum prov_reason reason;
        const char *detail; /* NULL: any */
        const char *thing, *room;
    } rows[] = {
        { "{'allowProvisioning':true}", PROV_REASON_PROVISIONED, NULL, "dev-1", "none" },
        { "{'allowProvisioning':true,'parameterOverrides':{}}", PROV_REASON_PROVISIONED, NULL,
          "dev-1", "none" },
        { "{'allowProvisioning':true,'parameterOverrides':{'Serial':'9','Room':'lab'}}",
          PROV_REASON_PROVISIONED, NULL, "dev-9", "lab" },
        { "{'allowProvisioning':true,'parameterOverrides':{'Unknown':'x'}}",
          PROV_REASON_PROVISIONED, NULL, "dev-1", "none" },
        { "{'allowProvisioning':true,'parameterOverrides':{'AWS::IoT::Certificate::Id':'00'}}",
          PROV_REASON_PROVISIONED, NULL, "dev-1", "none" },
        { "{'allowProvisioning':true,'parameterOverrides':{'Serial':'no name'}}",
          PROV_REASON_TEMPLATE_FAILED, NULL, NULL, NULL },
        { "{'allowProvisioning':false}", PROV_REASON_PRE_HOOK_REJECTED, "", NULL, NULL },
        { "{'allowProvisioning':false,'message':'stolen in May','parameterOverrides':{'a':'b'}}",
          PROV_REASON_PRE_HOOK_REJECTED, "stolen in May", NULL, NULL },
        { NULL, PROV_REASON_PRE_HOOK_FAILED, "exited with 1", NULL, NULL },
        { "", PROV_REASON_PRE_HOOK_FAILED, NULL, NULL, NULL },
        { "{}", PROV_REASON_PRE_HOOK_FAILED, NULL, NULL, NULL },
        { "{'allowProvisioning':'true'}", PROV_REASON_PRE_HOOK_FAILED, NULL, NULL, NULL },
        { "{'decision':'activate'}", PROV_REASON_PRE_HOOK_FAILED, NULL, NULL, NULL },
        { "{'allowProvisioning':true,'parameterOverrides':{'Serial':7}}",
          PROV_REASON_PRE_HOOK_FAILED, NULL, NULL, NULL },
    };

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct prov_fleet *fleet;
        struct prov_thing thing;
        char *before, *after;
        struct scene *s;

        print_message("%s\n", rows[i].answer != NULL ? rows[i].answer : "(none)");
        assert_int_equal(scene_teardown(state) + scene_setup(state), 0);
        s = *state;
        set_hook(s, HOOK);
        fleet = ask(s, "{'Serial':'1'}");
        before = reg_dump(s->r);
        scene_finish(s, fleet, rows[i].answer);
        scene_expect(fleet, rows[i].reason);
        after = reg_dump(s->r);
        if (rows[i].thing != NULL) {
            assert_string_equal(fleet->thing_name, rows[i].thing);
            reg_ok(s->r, prov_thing_get(&s->r->tx, S(rows[i].thing), &thing));
            assert_span(thing.attrs[0].value, rows[i].room);
            assert_int_equal(scene_cert(s, &fleet->cert).status, PROV_CERT_ACTIVE);
        } else {
            assert_string_equal(before, after);
            if (rows[i].detail != NULL)
                assert_string_equal(fleet->detail, rows[i].detail);
        }
        free(before);
        free(after);
    }
}

/* What it says is for the operator. */
static void device_is_told_that_it_was_the_hook_and_no_more(void **state)
{
    static const struct {
        const char *answer, *message;
    } rows[] = {
        { "{'allowProvisioning':false,'message':'stolen in May'}", REJECTED },
        { "{'secret':'of the hook'}", FAILED },
        { NULL, FAILED },
    };
    struct scene *s = *state;

    set_hook(s, HOOK);
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct prov_fleet *fleet = ask(s, "{'Serial':'1'}");

        scene_finish(s, fleet, rows[i].answer);
        assert_true(fleet->detail[0] != '\0');
        scene_expect_rejected(fleet, 403, "AccessDenied", rows[i].message);
    }
}

/* It overrides for the template; what the claim may is asked of what the device sent. */
static void override_needs_no_place_on_the_claim_s_list(void **state)
{
    struct scene *s = *state;
    struct prov_fleet *fleet;

    set_hook(s, HOOK);
    reg_ok(s->r, prov_claim_allow(&s->r->tx, &s->claim, S("Serial"), S("1")));
    reg_commit(s->r);
    fleet = ask(s, "{'Serial':'1'}");
    scene_finish(s, fleet, "{'allowProvisioning':true,'parameterOverrides':{'Serial':'2'}}");
    scene_expect(fleet, PROV_REASON_PROVISIONED);
    assert_string_equal(fleet->thing_name, "dev-2");
    fleet = ask(s, "{'Serial':'2'}");
    scene_finish(s, fleet, "{'allowProvisioning':true,'parameterOverrides':{'Serial':'1'}}");
    scene_expect(fleet, PROV_REASON_CLAIM_PARAMETER);
}

/* ---- while it was asked ---------------------------------------------------------------------- */

static struct prov_fleet *asked(struct scene *s)
{
    struct prov_fleet *fleet;

    set_hook(s, HOOK);
    fleet = ask(s, "{'Serial':'1'}");
    assert_int_equal(scene_prepare(s, fleet), PROV_FLEET_HOOK);
    assert_int_equal(prov_fleet_answered(fleet, reg_json(s->r, "{'allowProvisioning':true}")),
                     PROV_OK);
    return fleet;
}

static void answer_counts_for_the_hook_that_gave_it(void **state)
{
    static const struct {
        const char *before_prepare, *before_apply; /* hooks; NULL: as it is */
        enum prov_reason reason;
    } rows[] = {
        { NULL, NULL, PROV_REASON_PROVISIONED },     { HOOK, HOOK, PROV_REASON_PROVISIONED },
        { NULL, HOOK "2", PROV_REASON_BUSY },        { NULL, "", PROV_REASON_BUSY },
        { HOOK "2", NULL, PROV_REASON_BUSY },        { "", NULL, PROV_REASON_BUSY },
        { HOOK "2", HOOK, PROV_REASON_PROVISIONED },
    };

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct prov_fleet *fleet;
        struct scene *s;

        assert_int_equal(scene_teardown(state) + scene_setup(state), 0);
        s = *state;
        fleet = asked(s);
        if (rows[i].before_prepare != NULL)
            set_hook(s, rows[i].before_prepare);
        assert_int_equal(scene_prepare(s, fleet), PROV_FLEET_APPLY);
        if (rows[i].before_apply != NULL)
            set_hook(s, rows[i].before_apply);
        scene_apply(s, fleet);
        scene_expect(fleet, rows[i].reason);
    }
}

static void what_changed_while_the_hook_was_asked_is_seen(void **state)
{
    struct scene *s = *state;
    const bool disabled = false;
    struct prov_fleet *fleet = asked(s);

    scene_suspend(s);
    assert_int_equal(scene_prepare(s, fleet), PROV_FLEET_DONE);
    scene_expect(fleet, PROV_REASON_CLAIM_SUSPENDED);
    reg_ok(s->r, prov_claim_resume(&s->r->tx, &s->claim));
    reg_commit(s->r);
    fleet = asked(s);
    scene_change_template(s, SCENE_TEMPLATE,
                          &(struct prov_template_change){ .enabled = &disabled });
    assert_int_equal(scene_prepare(s, fleet), PROV_FLEET_DONE);
    scene_expect(fleet, PROV_REASON_TEMPLATE_DISABLED);
}

/* The version that is the default when the hook has answered is the one that counts. */
static void template_s_version_after_the_hook_counts(void **state)
{
    struct scene *s = *state;
    struct prov_fleet *fleet = asked(s);
    uint32_t version;

    reg_ok(s->r, prov_template_version_create(&s->r->tx, S(SCENE_TEMPLATE),
                                              reg_json(s->r, "{'Resources':{" SCENE_CERT("") "}}"),
                                              true, &version));
    reg_commit(s->r);
    assert_int_equal(scene_prepare(s, fleet), PROV_FLEET_APPLY);
    scene_apply(s, fleet);
    scene_expect(fleet, PROV_REASON_PROVISIONED);
    assert_string_equal(fleet->thing_name, "");
}

static const struct CMUnitTest tests[] = {
    SCENE_TEST(hook_is_asked_with_claim_certificate_and_parameters),
    SCENE_TEST(hook_is_asked_also_with_all_that_a_device_may_send),
    SCENE_TEST(template_without_a_hook_asks_none),
    SCENE_TEST(answers_decide),
    SCENE_TEST(device_is_told_that_it_was_the_hook_and_no_more),
    SCENE_TEST(override_needs_no_place_on_the_claim_s_list),
    SCENE_TEST(answer_counts_for_the_hook_that_gave_it),
    SCENE_TEST(what_changed_while_the_hook_was_asked_is_seen),
    SCENE_TEST(template_s_version_after_the_hook_counts),
};

SCENE_MAIN(tests)
