/* What all three operations have in common: refusals as devices are told them, and failures that
 * leave nothing behind. */
#include "support/fleet_scene.h"

#include "support/alloc.h"

/* ---- refusals -------------------------------------------------------------------------------- */

static const struct {
    enum prov_reason reason;
    int status;
    const char *code;
} told[] = {
    { PROV_REASON_BAD_REQUEST, 400, "InvalidRequest" },
    { PROV_REASON_BAD_CSR, 400, "InvalidCertificateSigningRequest" },
    { PROV_REASON_BAD_TOKEN, 400, "InvalidCertificateOwnershipToken" },
    { PROV_REASON_TEMPLATE_FAILED, 400, "InvalidParameters" },
    { PROV_REASON_TEMPLATE_TYPE, 400, "InvalidRequest" },
    { PROV_REASON_CERT_INACTIVE, 403, "AccessDenied" },
    { PROV_REASON_CERT_REVOKED, 403, "AccessDenied" },
    { PROV_REASON_CERT_PENDING, 403, "AccessDenied" },
    { PROV_REASON_CERT_PENDING_TRANSFER, 403, "AccessDenied" },
    { PROV_REASON_CERT_DELETED, 403, "AccessDenied" },
    { PROV_REASON_EXPIRED, 403, "AccessDenied" },
    { PROV_REASON_CLAIM_SUSPENDED, 403, "AccessDenied" },
    { PROV_REASON_CLAIM_SPENT, 403, "AccessDenied" },
    { PROV_REASON_CLAIM_WINDOW, 403, "AccessDenied" },
    { PROV_REASON_CLAIM_NETWORK, 403, "AccessDenied" },
    { PROV_REASON_CLAIM_TEMPLATE, 403, "AccessDenied" },
    { PROV_REASON_CLAIM_PARAMETER, 403, "AccessDenied" },
    { PROV_REASON_CLAIM_THING, 403, "AccessDenied" },
    { PROV_REASON_PRE_HOOK_FAILED, 403, "AccessDenied" },
    { PROV_REASON_PRE_HOOK_REJECTED, 403, "AccessDenied" },
    { PROV_REASON_TEMPLATE_MISSING, 404, "ResourceNotFound" },
    { PROV_REASON_TEMPLATE_DISABLED, 404, "ResourceNotFound" },
    { PROV_REASON_CLAIM_RATE, 429, "Throttling" },
    { PROV_REASON_THROTTLED, 429, "Throttling" },
    { PROV_REASON_BUSY, 503, "ServiceUnavailable" },
    { PROV_REASON_NO_ISSUER, 503, "ServiceUnavailable" },
};

/* All others are ours to mend: 500 InternalFailure. */
static size_t row_of(enum prov_reason reason)
{
    size_t i = 0;

    while (i < PROV_COUNT(told) && told[i].reason != reason)
        i++;
    return i;
}

/* The device is connected: what a connection is refused for elsewhere is its claim's here. */
static const char *told_step(enum prov_step step)
{
    if (step < PROV_STEP_CONNECT)
        return "claim";
    return step < PROV_STEP_TEMPLATE ? "request" : prov_step_name(step);
}

static void every_reason_is_told_with_its_step_and_sentence(void **state)
{
    struct scene *s = *state;

    for (unsigned n = PROV_REASON_NONE + 1; n < 2 * PROV_REASONS; n++) {
        const enum prov_reason reason = (enum prov_reason)(n % PROV_REASONS);
        const struct prov_reason_info *info = prov_reason_info(reason);
        const size_t row = row_of(reason);
        struct prov_fleet *fleet =
            scene_new(s, &(struct scene_ask){ .op = (enum prov_fleet_op)(n % PROV_FLEET_OPS),
                                              .format = n < PROV_REASONS ? PROV_JSON : PROV_CBOR });
        char message[640];

        if (reason != PROV_REASON_NONE && reason != PROV_REASON_PROVISIONED &&
            reason != PROV_REASON_ISSUED) {
            prov_fleet_refuse(fleet, reason, "for the operator");
            assert_false(prov_fleet_succeeded(fleet));
            assert_string_equal(fleet->detail, "for the operator");
            (void)snprintf(message, sizeof message, "%s: %s", told_step(info->step),
                           reason == PROV_REASON_BAD_REQUEST ? fleet->detail : info->sentence);
            if (row < PROV_COUNT(told))
                scene_expect_rejected(fleet, told[row].status, told[row].code, message);
            else
                scene_expect_rejected(fleet, 500, "InternalFailure", message);
        }
        scene_drop(s, fleet);
    }
}

static void conflict_is_told_of_a_template_that_failed_alone(void **state)
{
    struct scene *s = *state;
    struct prov_fleet *fleet = scene_new(s, &(struct scene_ask){ .op = PROV_REGISTER_THING });

    fleet->conflict = true;
    prov_fleet_refuse(fleet, PROV_REASON_TEMPLATE_FAILED, NULL);
    scene_expect_rejected(fleet, 409, "ResourceConflict", NULL);
    prov_fleet_refuse(fleet, PROV_REASON_BAD_TOKEN, NULL);
    scene_expect_rejected(fleet, 400, "InvalidCertificateOwnershipToken", NULL);
}

static void refusal_for_no_reason_is_a_refusal(void **state)
{
    struct scene *s = *state;
    struct prov_fleet *fleet = scene_new(s, &(struct scene_ask){ .op = PROV_CREATE_KEYS });

    prov_fleet_refuse(fleet, PROV_REASON_NONE, NULL);
    scene_expect(fleet, PROV_REASON_INTERNAL);
    scene_expect_rejected(fleet, 500, "InternalFailure", NULL);
}

static void refused_request_is_not_looked_at_any_more(void **state)
{
    struct scene *s = *state;
    struct prov_fleet *fleet =
        scene_new(s, &(struct scene_ask){ .op = PROV_CREATE_KEYS, .raw = "garbage" });
    enum prov_fleet_want want = PROV_FLEET_APPLY;

    prov_fleet_refuse(fleet, PROV_REASON_THROTTLED, "certificate: 1 a second");
    assert_int_equal(prov_fleet_prepare(fleet, &s->r->tx, &want), PROV_OK);
    assert_int_equal(want, PROV_FLEET_DONE);
    scene_expect(fleet, PROV_REASON_THROTTLED);
}

static void long_details_are_cut(void **state)
{
    struct scene *s = *state;
    struct prov_fleet *fleet = scene_new(s, &(struct scene_ask){ .op = PROV_CREATE_KEYS });
    char *text = malloc(5000);

    assert_non_null(text);
    memset(text, 'x', 4999);
    text[4999] = '\0';
    prov_fleet_refuse(fleet, PROV_REASON_BUSY, text);
    assert_int_equal(strlen(fleet->detail), sizeof fleet->detail - 1);
    prov_fleet_unanswered(fleet, text);
    assert_int_equal(strlen(fleet->hook_detail), sizeof fleet->hook_detail - 1);
    free(text);
}

static void errors_become_refusals(void **state)
{
    static const struct {
        enum prov_rc rc;
        const char *text; /* of the error; NULL: no error at all */
        enum prov_reason reason;
        int status;
        const char *code, *detail; /* NULL: the code's name */
    } rows[] = {
        { PROV_EBUSY, NULL, PROV_REASON_BUSY, 503, "ServiceUnavailable", NULL },
        { PROV_ESTORE, "the disk is full", PROV_REASON_STORE, 500, "InternalFailure",
          "the disk is full" },
        { PROV_ENOMEM, "", PROV_REASON_INTERNAL, 500, "InternalFailure", NULL },
        { PROV_ENOMEM, NULL, PROV_REASON_INTERNAL, 500, "InternalFailure", NULL },
        { PROV_EBUG, "a mistake", PROV_REASON_INTERNAL, 500, "InternalFailure", "a mistake" },
        { PROV_EINVAL, "odd", PROV_REASON_INTERNAL, 500, "InternalFailure", "odd" },
    };
    struct scene *s = *state;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct prov_fleet *fleet = scene_new(s, &(struct scene_ask){ .op = PROV_CREATE_KEYS });
        struct prov_err err = { .rc = rows[i].rc };

        if (rows[i].text != NULL)
            (void)snprintf(err.text, sizeof err.text, "%s", rows[i].text);
        prov_fleet_failed(fleet, rows[i].rc, rows[i].text != NULL ? &err : NULL);
        scene_expect(fleet, rows[i].reason);
        assert_string_equal(fleet->detail,
                            rows[i].detail != NULL ? rows[i].detail : prov_rc_name(rows[i].rc));
        scene_expect_rejected(fleet, rows[i].status, rows[i].code, NULL);
    }
}

static void nothing_can_be_freed(void **state)
{
    (void)state;
    prov_fleet_free(NULL);
    prov_fleet_free(prov_fleet_new());
}

/* ---- failures -------------------------------------------------------------------------------- */

/* A request to be made again and again, from its first byte to its answer. */
struct errand {
    struct scene *s;
    struct prov_fleet model; /* what is asked */
    struct prov_span payload;
    const char *hook_answer;
    const char *told; /* in the answer of what succeeds, also where something failed on the way */
};

static enum prov_rc take_want(const struct errand *e, struct prov_fleet *fleet,
                              enum prov_fleet_want want)
{
    struct prov_key key;
    enum prov_rc rc;

    if (want == PROV_FLEET_HOOK)
        return prov_fleet_answered(fleet, S(e->hook_answer));
    rc = prov_key_make(PROV_KEY_EC_P256, &key);
    prov_fleet_give_key(fleet, &key, rc);
    return rc;
}

static enum prov_rc go(const struct errand *e, struct prov_fleet *fleet, struct prov_tx *tx)
{
    enum prov_fleet_want want = PROV_FLEET_DONE;
    struct prov_buf answer;
    enum prov_rc rc;

    rc = prov_fleet_prepare(fleet, tx, &want);
    if (rc == PROV_OK && (want == PROV_FLEET_KEY || want == PROV_FLEET_HOOK)) {
        rc = take_want(e, fleet, want);
        if (rc == PROV_OK)
            rc = prov_fleet_prepare(fleet, tx, &want);
    }
    if (rc == PROV_OK && want == PROV_FLEET_APPLY)
        rc = prov_fleet_apply(fleet, tx);
    if (rc == PROV_OK && prov_fleet_succeeded(fleet)) {
        rc = prov_fleet_answer(fleet, &answer);
        assert_true(rc != PROV_OK || strstr(prov_buf_cstr(&answer), e->told) != NULL);
        prov_buf_wipe(&answer);
    }
    return rc;
}

static enum prov_rc run(struct reg *r, void *ctx)
{
    const struct errand *e = ctx;
    struct prov_fleet *fleet = prov_fleet_new();
    enum prov_rc rc;

    if (fleet == NULL)
        return PROV_ENOMEM;
    fleet->conf = e->model.conf;
    fleet->op = e->model.op;
    fleet->claim = e->model.claim;
    memcpy(fleet->template_name, e->model.template_name, sizeof fleet->template_name);
    memcpy(fleet->client_id, e->model.client_id, sizeof fleet->client_id);
    fleet->attempt = e->model.attempt;
    prov_buf_add(&fleet->payload, e->payload);
    rc = fleet->payload.rc != PROV_OK ? fleet->payload.rc : go(e, fleet, &r->tx);
    if (rc != PROV_OK) {
        prov_fleet_failed(fleet, rc, &r->err);
        assert_false(prov_fleet_succeeded(fleet));
    } else if (!prov_fleet_succeeded(fleet)) {
        rc = PROV_EDENIED; /* which no failure may become, but for OpenSSL's */
    }
    prov_fleet_free(fleet);
    return rc;
}

static struct errand errand(struct scene *s, const struct scene_ask *ask, const char *hook_answer)
{
    struct prov_fleet *fleet = scene_new(s, ask);
    struct errand e = { .s = s,
                        .model = *fleet,
                        .hook_answer = hook_answer,
                        .told = ask->op == PROV_REGISTER_THING
                                    ? "\"thingName\":\"dev-1\",\"deviceConfiguration\":{\"zone\""
                                    : "\"certificateOwnershipToken\":\"" };

    e.payload =
        prov_span(reg_keep(s->r, fleet->payload.p != NULL ? (const char *)fleet->payload.p : "",
                           fleet->payload.n),
                  fleet->payload.n);
    scene_drop(s, fleet);
    return e;
}

static void fail_everywhere(struct scene *s, struct errand *e)
{
    assert_true(reg_each_allocation(s->r, run, e) > 20);
    if (s->r->lmdb)
        return;
    assert_true(reg_each_openssl_allocation(s->r, run, e) > 50);
    assert_true(reg_each_write(s->r, run, e) > 3);
}

static void keys_survive_every_failure(void **state)
{
    struct scene *s = *state;
    struct errand e = errand(s, &(struct scene_ask){ .op = PROV_CREATE_KEYS }, NULL);

    fail_everywhere(s, &e);
}

static void csr_survives_every_failure(void **state)
{
    struct scene *s = *state;
    struct errand e = errand(s,
                             &(struct scene_ask){
                                 .op = PROV_CREATE_FROM_CSR,
                                 .csr = scene_csr(s, pki_key_shared(PKI_P256), "/CN=dev"),
                             },
                             NULL);

    fail_everywhere(s, &e);
}

static void provider_survives_every_failure(void **state)
{
    struct scene *s = *state;
    struct pki_cert ca = reg_pki_ca(s->r, "/O=Provider");
    struct pki_cert cert = reg_pki_leaf(s->r, &ca, "/CN=dev");
    char *pem = pki_pem(cert.x509), *text;
    cJSON *doc = cJSON_CreateObject();
    struct errand e;

    assert_non_null(cJSON_AddStringToObject(doc, "certificatePem", pem));
    text = cJSON_PrintUnformatted(doc);
    (void)reg_ca(s->r, &ca, NULL);
    reg_commit(s->r);
    s->conf.provider = "exec:/hooks/provider";
    e = errand(s,
               &(struct scene_ask){
                   .op = PROV_CREATE_FROM_CSR,
                   .csr = scene_csr(s, pki_key_shared(PKI_P256), "/CN=dev"),
               },
               text);
    fail_everywhere(s, &e);
    cJSON_free(text);
    cJSON_Delete(doc);
    free(pem);
    pki_free(&cert);
    pki_free(&ca);
}

/* With a hook, a limited claim, and a certificate to be retired. */
static void registration_survives_every_failure(void **state)
{
    struct scene *s = *state;
    const struct prov_span hook = PROV_LIT("exec:/hooks/a");
    const uint32_t uses = 5;
    const bool retire = true;
    char token[PROV_TOKEN_LEN + 1];
    struct errand e;

    scene_limit(s, &(struct prov_claim_change){ .max_uses = &uses });
    reg_thing(s->r, "dev-1");
    reg_ok(s->r, prov_thing_attach(&s->r->tx, S("dev-1"), &s->claim, PROV_ATTACH_UNSAID));
    scene_change_template(
        s, SCENE_TEMPLATE,
        &(struct prov_template_change){ .hook = &hook, .retire_previous = &retire });
    (void)scene_certificate(s, NULL, token);
    e = errand(s,
               &(struct scene_ask){
                   .op = PROV_REGISTER_THING, .token = token, .params = "{'Serial':'1'}" },
               "{\"allowProvisioning\":true,\"parameterOverrides\":{\"Room\":\"x\"}}");
    fail_everywhere(s, &e);
}

static void repetition_survives_every_failure(void **state)
{
    struct scene *s = *state;
    char token[PROV_TOKEN_LEN + 1];
    const struct scene_ask ask = { .op = PROV_REGISTER_THING,
                                   .token = token,
                                   .params = "{'Serial':'1'}" };
    struct errand e;

    (void)scene_certificate(s, NULL, token);
    scene_expect(scene_done(s, &ask), PROV_REASON_PROVISIONED);
    e = errand(s, &ask, NULL);
    assert_true(reg_each_allocation(s->r, run, &e) > 5);
}

static const struct CMUnitTest tests[] = {
    SCENE_TEST(every_reason_is_told_with_its_step_and_sentence),
    SCENE_TEST(conflict_is_told_of_a_template_that_failed_alone),
    SCENE_TEST(refusal_for_no_reason_is_a_refusal),
    SCENE_TEST(refused_request_is_not_looked_at_any_more),
    SCENE_TEST(long_details_are_cut),
    SCENE_TEST(errors_become_refusals),
    cmocka_unit_test(nothing_can_be_freed),
    SCENE_TEST(keys_survive_every_failure),
    SCENE_TEST(csr_survives_every_failure),
    SCENE_TEST(provider_survives_every_failure),
    SCENE_TEST(registration_survives_every_failure),
    SCENE_TEST(repetition_survives_every_failure),
};

SCENE_MAIN(tests)
