/* A first contact under a CA with an activation hook: recorded, asked about, decided. */
#include "support/reg_fixture.h"

#include "core/attempt.h"
#include "core/flow.h"
#include "core/ident.h"
#include "core/json.h"
#include "core/reg.h"
#include "support/alloc.h"

#define HOOK "exec:/hooks/a"

#define TEMPLATE(name, parameters, attributes)                                                     \
    "{'Parameters':{'" name "':{'Type':'String'}" parameters                                       \
    "},'Resources':{'t':{'Type':'AWS::IoT::Thing','Properties':{"                                  \
    "'ThingName':{'Ref':'" name "'}" attributes "}},"                                              \
    "'c':{'Type':'AWS::IoT::Certificate','Properties':"                                            \
    "{'CertificateId':{'Ref':'AWS::IoT::Certificate::Id'}}}}}"
#define BY_CN TEMPLATE("AWS::IoT::Certificate::CommonName", "", "")
#define ROOM                                                                                       \
    TEMPLATE("Name", ",'Room':{'Type':'String'}", ",'AttributePayload':{'room':{'Ref':'Room'}}")

struct scene {
    struct pki_cert ca, leaf;
    struct prov_id ca_id, id;
    struct prov_contact *contact;
};

static void set_hook(struct scene *s, struct reg *r, const char *hook)
{
    const struct prov_span spec = S(hook);

    reg_ok(r, prov_ca_update(&r->tx, &s->ca_id, &(struct prov_ca_change){ .hook = &spec }));
}

static void world_init(struct reg *r)
{
    reg_policy(r, "p");
    reg_template(r, "tpl", BY_CN);
    reg_ok(r, prov_template_create(&r->tx,
                                   &(struct prov_template_creation){ .name = S("room"),
                                                                     .body = reg_json(r, ROOM),
                                                                     .type = PROV_TEMPLATE_FLEET,
                                                                     .enabled = true }));
}

static void scene_init(struct scene *s, struct reg *r, const char *template_name)
{
    const struct prov_decision d = { PROV_NEW, PROV_REASON_NONE, { { 0 } }, { { 0 } } };
    struct prov_decision decision = d;
    static unsigned roots;
    char subject[32];

    memset(s, 0, sizeof *s);
    (void)snprintf(subject, sizeof subject, "/CN=Root %u", ++roots); /* few may share a name */
    s->ca = reg_pki_ca(r, subject);
    s->leaf = reg_pki_leaf(r, &s->ca, "/CN=dev-1");
    s->ca_id = reg_ca(r, &s->ca, template_name);
    set_hook(s, r, HOOK);
    assert_int_equal(prov_ident_id(s->leaf.x509, &s->id), PROV_OK);
    decision.cert = s->id;
    decision.ca = s->ca_id;
    assert_int_equal(prov_contact_new(s->leaf.x509, &decision, &s->contact), PROV_OK);
    s->contact->attempt = 1;
    (void)snprintf(s->contact->client_id, sizeof s->contact->client_id, "client-1");
    reg_commit(r);
}

static void scene_free(struct scene *s)
{
    prov_contact_free(s->contact);
    pki_free(&s->leaf);
    pki_free(&s->ca);
}

/* A stage: what a worker and then the writer do. */
static void stage(struct scene *s, struct reg *r)
{
    reg_read(r);
    reg_ok(r, prov_contact_prepare(s->contact, &r->tx));
    reg_write(r);
    reg_ok(r, prov_contact_apply(s->contact, &r->tx));
    reg_commit(r);
    assert_string_equal(reg_problems(r), "");
}

static void answered(struct scene *s, struct reg *r, const char *answer)
{
    assert_int_equal(prov_contact_answered(s->contact, reg_json(r, answer)), PROV_OK);
    stage(s, r);
}

static void assert_outcome(struct scene *s, struct reg *r, enum prov_reason reason,
                           enum prov_cert_status status, const char *detail)
{
    struct prov_cert cert;

    assert_string_equal(prov_reason_info(s->contact->reason)->name, prov_reason_info(reason)->name);
    assert_string_equal(s->contact->detail, detail);
    reg_ok(r, prov_cert_get(&r->tx, &s->id, &cert));
    assert_string_equal(prov_cert_status_name(cert.status), prov_cert_status_name(status));
    assert_false(prov_contact_wants_hook(s->contact));
}

static bool count_one(void *ctx, const struct prov_attempt *attempt)
{
    (void)attempt;
    ++*(unsigned *)ctx;
    return true;
}

static unsigned attempts(struct reg *r)
{
    unsigned n = 0;

    reg_ok(r, prov_attempt_each(&r->tx, count_one, &n));
    return n;
}

static void certificate_is_recorded_before_the_hook_is_asked(void **state)
{
    struct reg *r = *state;
    struct prov_cert cert;
    struct scene s;

    world_init(r);
    scene_init(&s, r, "tpl");
    stage(&s, r);
    assert_true(prov_contact_wants_hook(s.contact));
    assert_int_equal(s.contact->reason, PROV_REASON_NONE);
    reg_ok(r, prov_cert_get(&r->tx, &s.id, &cert));
    assert_int_equal(cert.status, PROV_CERT_PENDING_ACTIVATION);
    assert_int_equal(cert.n_things, 0);
    assert_int_equal(attempts(r), 0); /* it is not over */
    answered(&s, r, "{'allowProvisioning':true}");
    assert_int_equal(attempts(r), 1);
    scene_free(&s);
}

static void hook_is_asked_with_the_certificate_s_fields(void **state)
{
    struct reg *r = *state;
    char hex[PROV_ID_HEX + 1];
    struct prov_err err = { 0 };
    struct prov_buf request;
    cJSON *doc = NULL, *params;
    struct scene s;

    world_init(r);
    scene_init(&s, r, "tpl");
    stage(&s, r);
    prov_buf_init(&request, 65536);
    reg_ok(r, prov_contact_request(s.contact, &r->tx, &request));
    assert_int_equal(prov_json_parse(prov_buf_span(&request), 65536, &doc, &err), PROV_OK);
    prov_id_hex(&s.id, hex);
    assert_string_equal(cJSON_GetObjectItemCaseSensitive(doc, "certificateId")->valuestring, hex);
    prov_id_hex(&s.ca_id, hex);
    assert_string_equal(cJSON_GetObjectItemCaseSensitive(doc, "caCertificateId")->valuestring, hex);
    assert_string_equal(cJSON_GetObjectItemCaseSensitive(doc, "clientId")->valuestring, "client-1");
    assert_string_equal(cJSON_GetObjectItemCaseSensitive(doc, "templateArn")->valuestring,
                        "arn:aws:iot:local:000000000000:provisioningtemplate/tpl");
    assert_non_null(strstr(cJSON_GetObjectItemCaseSensitive(doc, "certificatePem")->valuestring,
                           "-----BEGIN CERT"));
    params = cJSON_GetObjectItemCaseSensitive(doc, "parameters");
    assert_string_equal(
        cJSON_GetObjectItemCaseSensitive(params, "AWS::IoT::Certificate::CommonName")->valuestring,
        "dev-1");
    assert_null(cJSON_GetObjectItemCaseSensitive(doc, "claimCertificateId"));
    cJSON_Delete(doc);
    prov_buf_release(&request);
    scene_free(&s);
}

static void answers_decide(void **state)
{
    static const struct {
        const char *template_name, *answer;
        enum prov_reason reason;
        enum prov_cert_status status;
        const char *detail, *thing;
        bool announce;
    } rows[] = {
        { "tpl", "{'allowProvisioning':true}", PROV_REASON_PROVISIONED, PROV_CERT_ACTIVE, "",
          "dev-1", false },
        { "", "{'decision':'activate'}", PROV_REASON_PROVISIONED, PROV_CERT_ACTIVE, "", "", false },
        { "", "{'decision':'activate','thingName':'x','policyNames':['p']}",
          PROV_REASON_PROVISIONED, PROV_CERT_ACTIVE, "", "x", false },
        { "", "{'decision':'activate','templateName':'tpl'}", PROV_REASON_PROVISIONED,
          PROV_CERT_ACTIVE, "", "dev-1", false },
        { "tpl", "{'decision':'activate','thingName':'x'}", PROV_REASON_PROVISIONED,
          PROV_CERT_ACTIVE, "", "x", false },
        { "", "{'decision':'leave','message':'not today'}", PROV_REASON_CERT_PENDING,
          PROV_CERT_PENDING_ACTIVATION, "not today", "", true },
        { "tpl", "{'decision':'leave'}", PROV_REASON_CERT_PENDING, PROV_CERT_PENDING_ACTIVATION, "",
          "", false },
        { "", "{'decision':'reject','message':'stolen'}", PROV_REASON_HOOK_REJECTED,
          PROV_CERT_INACTIVE, "stolen", "", false },
        { "tpl", "{'allowProvisioning':false}", PROV_REASON_HOOK_REJECTED, PROV_CERT_INACTIVE, "",
          "", false },
        { "", "{'decision':'activate','templateName':'none'}", PROV_REASON_TEMPLATE_MISSING,
          PROV_CERT_PENDING_ACTIVATION, "template \"none\"", "", true },
        { "", "{'decision':'activate','policyNames':['q']}", PROV_REASON_TEMPLATE_FAILED,
          PROV_CERT_PENDING_ACTIVATION, "there is no policy \"q\"", "", true },
    };
    struct reg *r = *state;

    world_init(r);
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct scene s;

        scene_init(&s, r, rows[i].template_name);
        stage(&s, r);
        answered(&s, r, rows[i].answer);
        assert_outcome(&s, r, rows[i].reason, rows[i].status, rows[i].detail);
        assert_string_equal(s.contact->thing_name, rows[i].thing);
        assert_int_equal(s.contact->announce, rows[i].announce);
        assert_true(s.contact->registered_ms == 0);
        scene_free(&s);
    }
}

static void answer_that_does_not_count_leaves_it_pending_and_says_why(void **state)
{
    struct reg *r = *state;
    struct scene s;

    world_init(r);
    scene_init(&s, r, "");
    stage(&s, r);
    prov_contact_unanswered(s.contact, "timeout");
    stage(&s, r);
    assert_outcome(&s, r, PROV_REASON_HOOK_FAILED, PROV_CERT_PENDING_ACTIVATION, "timeout");
    assert_true(s.contact->announce);
    scene_free(&s);

    scene_init(&s, r, "tpl");
    stage(&s, r);
    answered(&s, r, "{'decision':'maybe'}");
    assert_int_equal(s.contact->reason, PROV_REASON_HOOK_FAILED);
    assert_non_null(strstr(s.contact->detail, "decision"));
    scene_free(&s);
}

static void hook_s_parameters_reach_the_template_but_never_the_id(void **state)
{
    struct reg *r = *state;
    struct prov_thing thing;
    struct prov_cert cert;
    struct scene s;

    world_init(r);
    scene_init(&s, r, "tpl");
    stage(&s, r);
    answered(&s, r,
             "{'allowProvisioning':true,'templateName':'room','parameterOverrides':{'Room':'7',"
             "'Name':'dev-2',"
             "'AWS::IoT::Certificate::Id':'0000000000000000000000000000000000000000000000000000000"
             "000000000'}}");
    assert_outcome(&s, r, PROV_REASON_PROVISIONED, PROV_CERT_ACTIVE, "");
    reg_ok(r, prov_thing_get(&r->tx, S("dev-2"), &thing));
    assert_span(thing.attrs[0].value, "7");
    reg_ok(r, prov_cert_get(&r->tx, &s.id, &cert));
    assert_span(cert.things[0], "dev-2");
    scene_free(&s);

    scene_init(&s, r, "tpl");
    stage(&s, r);
    answered(&s, r,
             "{'allowProvisioning':true,'parameterOverrides':"
             "{'AWS::IoT::Certificate::CommonName':'dev-3'}}");
    assert_outcome(&s, r, PROV_REASON_PROVISIONED, PROV_CERT_ACTIVE, "");
    assert_string_equal(s.contact->thing_name, "dev-3");
    scene_free(&s);
}

static void decision_made_elsewhere_meanwhile_stands(void **state)
{
    static const struct {
        enum prov_cert_status now;
        enum prov_reason reason;
    } rows[] = {
        { PROV_CERT_ACTIVE, PROV_REASON_PROVISIONED },
        { PROV_CERT_REVOKED, PROV_REASON_CERT_REVOKED },
        { PROV_CERT_INACTIVE, PROV_REASON_CERT_INACTIVE },
    };
    struct reg *r = *state;

    world_init(r);
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct scene s;

        scene_init(&s, r, "");
        stage(&s, r);
        reg_ok(r, prov_cert_set_status(&r->tx, &s.id, rows[i].now));
        reg_commit(r);
        answered(&s, r, "{'decision':'reject'}");
        assert_outcome(&s, r, rows[i].reason, rows[i].now, "");
        assert_false(s.contact->announce);
        scene_free(&s);
    }
}

static void answer_of_a_hook_that_was_changed_meanwhile_does_not_count(void **state)
{
    struct reg *r = *state;
    struct scene s;

    world_init(r);
    scene_init(&s, r, "");
    stage(&s, r);
    set_hook(&s, r, "exec:/hooks/b");
    reg_commit(r);
    answered(&s, r, "{'decision':'activate'}");
    assert_true(prov_contact_wants_hook(s.contact)); /* the new one is asked */
    assert_string_equal(s.contact->hook, "exec:/hooks/b");
    assert_int_equal(attempts(r), 0);
    set_hook(&s, r, "");
    reg_commit(r);
    answered(&s, r, "{'decision':'activate'}");
    assert_outcome(&s, r, PROV_REASON_CERT_PENDING, PROV_CERT_PENDING_ACTIVATION, "");
    scene_free(&s);
}

static void jitr_is_announced_with_the_time_of_its_first_contact(void **state)
{
    struct reg *r = *state;
    struct scene s;

    world_init(r);
    scene_init(&s, r, "");
    set_hook(&s, r, "");
    reg_commit(r);
    stage(&s, r);
    assert_outcome(&s, r, PROV_REASON_CERT_PENDING, PROV_CERT_PENDING_ACTIVATION, "");
    assert_true(s.contact->announce);
    assert_true(s.contact->registered_ms == 0);
    assert_string_equal(s.contact->account_id, "000000000000");
    stage(&s, r); /* as the next contact finds it */
    assert_true(s.contact->announce);
    assert_true(s.contact->registered_ms != 0);
    scene_free(&s);
}

static enum prov_rc whole_way(struct reg *r, void *ctx)
{
    struct scene *s = ctx;
    struct prov_buf request;
    enum prov_rc rc;

    s->contact->asked = false;
    prov_hook_answer_free(s->contact->answer);
    s->contact->answer = NULL;
    prov_buf_init(&request, 65536);
    rc = prov_contact_prepare(s->contact, &r->tx);
    if (rc == PROV_OK)
        rc = prov_contact_apply(s->contact, &r->tx);
    if (rc == PROV_OK)
        rc = prov_contact_request(s->contact, &r->tx, &request);
    if (rc == PROV_OK)
        rc = prov_contact_answered(s->contact, S("{\"decision\":\"activate\",\"thingName\":\"x\","
                                                 "\"policyNames\":[\"p\"]}"));
    if (rc == PROV_OK)
        rc = prov_contact_prepare(s->contact, &r->tx);
    if (rc == PROV_OK)
        rc = prov_contact_apply(s->contact, &r->tx);
    prov_buf_release(&request);
    return rc;
}

static void failure_of_any_step_leaves_nothing_behind(void **state)
{
    struct reg *r = *state;
    struct scene s;

    world_init(r);
    scene_init(&s, r, "");
    assert_true(reg_each_allocation(r, whole_way, &s) > 40);
    if (!r->lmdb)
        assert_true(reg_each_write(r, whole_way, &s) > 15);
    scene_free(&s);
}

static const struct CMUnitTest flow_hook[] = {
    REG_TEST(certificate_is_recorded_before_the_hook_is_asked),
    REG_TEST(hook_is_asked_with_the_certificate_s_fields),
    REG_TEST(answers_decide),
    REG_TEST(answer_that_does_not_count_leaves_it_pending_and_says_why),
    REG_TEST(hook_s_parameters_reach_the_template_but_never_the_id),
    REG_TEST(decision_made_elsewhere_meanwhile_stands),
    REG_TEST(answer_of_a_hook_that_was_changed_meanwhile_does_not_count),
    REG_TEST(jitr_is_announced_with_the_time_of_its_first_contact),
    REG_TEST(failure_of_any_step_leaves_nothing_behind),
};
REG_MAIN(flow_hook)
