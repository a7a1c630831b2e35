#include "support/fleet_scene.h"

#include <openssl/pem.h>
#include <openssl/x509.h>

#include "core/attempt.h"
#include "core/ident.h"
#include "core/json.h"
#include "support/fleet_cbor.h"

static const char body[] =
    "{'Parameters':{'Serial':{'Type':'String'},'Room':{'Type':'String','Default':'none'}},"
    "'Resources':{" SCENE_THING(
        ",'AttributePayload':{'room':{'Ref':'Room'}},'ThingGroups'"
        ":['g']") "," SCENE_CERT("") "," SCENE_POLICY "},"
                                     "'DeviceConfiguration':{'zone':'b','alpha':{'Ref':'Room'},'id'"
                                     ":"
                                     "{'Ref':'AWS::IoT::Certificate::Id'},'empty':''}}";

/* ---- the scene ------------------------------------------------------------------------------- */

static enum prov_rc find_issuer(const struct prov_issuing *self, const struct prov_issuer **out,
                                struct prov_err *err)
{
    const struct scene_issuing *issuing = (const struct scene_issuing *)self;

    if (issuing->rc == PROV_ENOMEM)
        return prov_nomem(err);
    if (issuing->rc != PROV_OK)
        return prov_fail(err, issuing->rc, "ServiceUnavailableException",
                         "nothing in /where/the/key/is");
    *out = issuing->issuer;
    return PROV_OK;
}

static void make_issuer(struct scene *s)
{
    s->ca = reg_pki(s->r, &(struct pki_spec){ .subject = "/O=Issuer",
                                              .ca = true,
                                              .use_key = pki_key_shared(PKI_P256),
                                              .not_before_s = -86400,
                                              .not_after_s = INT64_C(20000) * 86400 });
    assert_int_equal(prov_issuer_new(s->ca.x509, s->ca.key, s->r->tx.now_ms / 1000,
                                     &s->issuing.issuer, &s->r->err),
                     PROV_OK);
    s->issuing.base = (struct prov_issuing){ .issuer = find_issuer,
                                             .validity_days = SCENE_DAYS,
                                             .key_type = PROV_KEY_EC_P256 };
    s->conf =
        (struct prov_fleet_conf){ .issuing = &s->issuing.base, .token_ttl_ms = SCENE_TTL_S * 1000 };
}

int scene_setup(void **state)
{
    struct scene *s = calloc(1, sizeof *s);
    void *reg = NULL;

    assert_non_null(s);
    (void)reg_setup(&reg);
    s->r = reg;
    s->address = SCENE_ADDRESS;
    make_issuer(s);
    reg_policy(s->r, "p");
    reg_group(s->r, "g", NULL);
    scene_template(s, SCENE_TEMPLATE, body, NULL);
    s->claim = reg_cert(s->r);
    reg_commit(s->r);
    *state = s;
    return 0;
}

int scene_teardown(void **state)
{
    struct scene *s = *state;
    void *reg = s->r;

    while (s->n_asked != 0)
        prov_fleet_free(s->asked[--s->n_asked]);
    prov_issuer_free(s->issuing.issuer);
    pki_free(&s->ca);
    free(s);
    return reg_teardown(&reg);
}

/* ---- requests -------------------------------------------------------------------------------- */

static void add_text(cJSON *doc, const char *key, const char *text)
{
    if (text != NULL)
        assert_non_null(cJSON_AddStringToObject(doc, key, text));
}

static void write_payload(struct scene *s, const struct scene_ask *ask, struct prov_buf *out)
{
    cJSON *doc = cJSON_CreateObject(), *params;
    char *text;

    add_text(doc, "certificateOwnershipToken", ask->token);
    add_text(doc, "certificateSigningRequest", ask->csr);
    if (ask->params != NULL) {
        params = cJSON_Parse((const char *)reg_json(s->r, ask->params).p);
        assert_true(cJSON_AddItemToObject(doc, "parameters", params));
    }
    if (ask->format == PROV_CBOR) {
        fleet_cbor_write(doc, out);
    } else {
        text = cJSON_PrintUnformatted(doc);
        prov_buf_add_str(out, text);
        cJSON_free(text);
    }
    cJSON_Delete(doc);
    assert_int_equal(out->rc, PROV_OK);
}

static void describe(struct scene *s, const struct scene_ask *ask, struct prov_fleet *fleet)
{
    const char *name = ask->template_name != NULL ? ask->template_name : SCENE_TEMPLATE;

    fleet->conf = &s->conf;
    fleet->op = ask->op;
    fleet->format = ask->format;
    if (ask->op == PROV_REGISTER_THING)
        assert_true(prov_span_copy(S(name), fleet->template_name, sizeof fleet->template_name));
    fleet->claim = ask->claim != NULL ? *ask->claim : s->claim;
    (void)snprintf(fleet->client_id, sizeof fleet->client_id, "%s", SCENE_CLIENT);
    (void)snprintf(fleet->address, sizeof fleet->address, "%s", s->address);
    fleet->attempt = ++s->attempt;
}

struct prov_fleet *scene_new(struct scene *s, const struct scene_ask *ask)
{
    struct prov_fleet *fleet = prov_fleet_new();

    assert_non_null(fleet);
    assert_true(s->n_asked < SCENE_MAX_ASKED);
    s->asked[s->n_asked++] = fleet;
    describe(s, ask, fleet);
    if (ask->raw != NULL)
        prov_buf_add_str(&fleet->payload, ask->raw);
    else
        write_payload(s, ask, &fleet->payload);
    return fleet;
}

void scene_drop(struct scene *s, struct prov_fleet *fleet)
{
    size_t i = 0;

    while (s->asked[i] != fleet)
        i++;
    s->asked[i] = s->asked[--s->n_asked];
    prov_fleet_free(fleet);
}

enum prov_fleet_want scene_prepare(struct scene *s, struct prov_fleet *fleet)
{
    enum prov_fleet_want want = PROV_FLEET_APPLY;

    reg_read(s->r);
    reg_ok(s->r, prov_fleet_prepare(fleet, &s->r->tx, &want));
    reg_write(s->r);
    assert_int_equal(want == PROV_FLEET_DONE, fleet->reason != PROV_REASON_NONE);
    assert_int_equal(fleet->payload.n, 0);
    return want;
}

void scene_give_key(struct prov_fleet *fleet)
{
    struct prov_key key;

    assert_int_equal(prov_key_make(PROV_KEY_EC_P256, &key), PROV_OK);
    prov_fleet_give_key(fleet, &key, PROV_OK);
    assert_null(key.pem.p);
}

void scene_apply(struct scene *s, struct prov_fleet *fleet)
{
    reg_ok(s->r, prov_fleet_apply(fleet, &s->r->tx));
    assert_int_not_equal(fleet->reason, PROV_REASON_NONE);
    reg_commit(s->r);
    assert_string_equal(reg_problems(s->r), "");
}

void scene_finish(struct scene *s, struct prov_fleet *fleet, const char *hook_answer)
{
    enum prov_fleet_want want = scene_prepare(s, fleet);

    if (want == PROV_FLEET_KEY) {
        scene_give_key(fleet);
        want = scene_prepare(s, fleet);
    } else if (want == PROV_FLEET_HOOK) {
        if (hook_answer != NULL)
            assert_int_equal(prov_fleet_answered(fleet, reg_json(s->r, hook_answer)), PROV_OK);
        else
            prov_fleet_unanswered(fleet, "exited with 1");
        want = scene_prepare(s, fleet);
    }
    if (want == PROV_FLEET_APPLY)
        scene_apply(s, fleet);
    else
        assert_int_equal(want, PROV_FLEET_DONE);
}

struct prov_fleet *scene_done(struct scene *s, const struct scene_ask *ask)
{
    struct prov_fleet *fleet = scene_new(s, ask);

    scene_finish(s, fleet, NULL);
    return fleet;
}

/* ---- answers --------------------------------------------------------------------------------- */

void scene_expect_at(const struct prov_fleet *fleet, enum prov_reason reason, const char *file,
                     int line)
{
    const char *got = prov_reason_info(fleet->reason)->name;
    const char *expected = prov_reason_info(reason)->name;

    if (fleet->reason != reason) {
        print_error("%s (%s; %s), not %s\n", got, fleet->detail, fleet->message, expected);
        _fail(file, line);
    }
    assert_int_equal(prov_fleet_succeeded(fleet),
                     reason == PROV_REASON_ISSUED || reason == PROV_REASON_PROVISIONED);
}

cJSON *scene_answer(const struct prov_fleet *fleet)
{
    struct prov_err err = { 0 };
    struct prov_buf text;
    cJSON *doc = NULL;

    assert_int_equal(prov_fleet_answer(fleet, &text), PROV_OK);
    if (fleet->format == PROV_CBOR)
        doc = fleet_cbor_read(prov_buf_span(&text));
    else
        assert_int_equal(prov_json_parse(prov_buf_span(&text), 1 << 20, &doc, &err), PROV_OK);
    prov_buf_wipe(&text);
    assert_non_null(doc);
    return doc;
}

const char *scene_text(const cJSON *answer, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(answer, key);

    if (!cJSON_IsString(item))
        fail_msg("%s is no text", key);
    return item->valuestring;
}

void scene_expect_rejected_at(const struct prov_fleet *fleet, int status, const char *code,
                              const char *message, const char *file, int line)
{
    cJSON *answer = scene_answer(fleet);
    const cJSON *number = cJSON_GetObjectItemCaseSensitive(answer, "statusCode");
    const char *got_code = scene_text(answer, "errorCode");
    const char *got = scene_text(answer, "errorMessage");
    const bool same = cJSON_IsNumber(number) && number->valueint == status &&
                      strcmp(got_code, code) == 0 && cJSON_GetArraySize(answer) == 3 &&
                      (message == NULL || strcmp(got, message) == 0);

    if (!same) {
        print_error("told %d, %s, \"%s\"\n not %d, %s, \"%s\"\n",
                    number != NULL ? number->valueint : 0, got_code, got, status, code,
                    message != NULL ? message : "…");
        _fail(file, line);
    }
    cJSON_Delete(answer);
}

struct prov_id scene_certificate(struct scene *s, const struct prov_id *claim,
                                 char token[static PROV_TOKEN_LEN + 1])
{
    const struct scene_ask ask = {
        .op = PROV_CREATE_FROM_CSR,
        .csr = scene_csr(s, pki_key_shared(PKI_P256), "/CN=dev"),
        .claim = claim,
    };
    struct prov_fleet *fleet = scene_done(s, &ask);
    const struct prov_id id = fleet->cert;
    cJSON *answer = scene_answer(fleet);

    scene_expect(fleet, PROV_REASON_ISSUED);
    (void)snprintf(token, PROV_TOKEN_LEN + 1, "%s",
                   scene_text(answer, "certificateOwnershipToken"));
    cJSON_Delete(answer);
    scene_drop(s, fleet);
    return id;
}

struct prov_id scene_device(struct scene *s, const char *serial)
{
    char token[PROV_TOKEN_LEN + 1], params[64];
    const struct prov_id id = scene_certificate(s, NULL, token);
    struct prov_fleet *fleet;

    (void)snprintf(params, sizeof params, "{'Serial':'%s'}", serial);
    fleet = scene_done(
        s, &(struct scene_ask){ .op = PROV_REGISTER_THING, .token = token, .params = params });
    scene_expect(fleet, PROV_REASON_PROVISIONED);
    scene_drop(s, fleet);
    return id;
}

/* ---- the world ------------------------------------------------------------------------------- */

const char *scene_csr(struct scene *s, EVP_PKEY *key, const char *subject)
{
    const struct pki_spec spec = { .subject = subject, .use_key = pki_key_shared(PKI_P256) };
    struct pki_cert named = reg_pki(s->r, &spec);
    X509_REQ *req = X509_REQ_new();
    BIO *bio = BIO_new(BIO_s_mem());
    const char *text, *kept;
    long n;

    assert_true(req != NULL && bio != NULL);
    assert_int_equal(X509_REQ_set_subject_name(req, X509_get_subject_name(named.x509)), 1);
    assert_int_equal(X509_REQ_set_pubkey(req, key), 1);
    assert_true(X509_REQ_sign(req, key, EVP_sha256()) > 0);
    assert_int_equal(PEM_write_bio_X509_REQ(bio, req), 1);
    n = BIO_get_mem_data(bio, (char **)&text);
    kept = (const char *)reg_keep(s->r, text, (size_t)n);
    BIO_free(bio);
    X509_REQ_free(req);
    pki_free(&named);
    return kept;
}

void scene_template(struct scene *s, const char *name, const char *quoted_body, const char *hook)
{
    const struct prov_template_creation creation = { .name = S(name),
                                                     .body = reg_json(s->r, quoted_body),
                                                     .hook = S(hook),
                                                     .type = PROV_TEMPLATE_FLEET,
                                                     .enabled = true };

    reg_ok(s->r, prov_template_create(&s->r->tx, &creation));
    reg_commit(s->r);
}

void scene_change_template(struct scene *s, const char *name,
                           const struct prov_template_change *change)
{
    reg_ok(s->r, prov_template_update(&s->r->tx, S(name), change));
    reg_commit(s->r);
}

void scene_limit(struct scene *s, const struct prov_claim_change *change)
{
    reg_ok(s->r, prov_claim_update(&s->r->tx, &s->claim, change));
    reg_commit(s->r);
}

void scene_suspend(struct scene *s)
{
    reg_ok(s->r, prov_claim_suspend(&s->r->tx, &s->claim, S("seen where it should not be")));
    reg_commit(s->r);
}

void scene_spend(struct scene *s)
{
    const uint32_t one = 1;

    scene_limit(s, &(struct prov_claim_change){ .max_uses = &one, .uses = &one });
}

void scene_delete_cert(struct scene *s, const struct prov_id *id)
{
    reg_raw_status(s->r, id, PROV_CERT_INACTIVE);
    reg_ok(s->r, prov_cert_delete(&s->r->tx, id, true));
    reg_commit(s->r);
}

struct prov_id scene_temporary(struct scene *s, const char *template_name, int64_t seconds)
{
    const int64_t now_s = s->r->tx.now_ms / 1000;
    struct pki_cert cert = reg_pki_leaf(s->r, &s->ca, "/CN=claim");
    const struct prov_made_cert made = { .der = reg_der(s->r, &cert),
                                         .not_before_s = now_s,
                                         .not_after_s = now_s + seconds };
    struct prov_id id;

    reg_ok(s->r, prov_cert_record_claim(&s->r->tx, &made, S(template_name), &id));
    reg_commit(s->r);
    pki_free(&cert);
    return id;
}

void scene_cert_status(struct scene *s, const struct prov_id *id, enum prov_cert_status status)
{
    reg_ok(s->r, prov_cert_set_status(&s->r->tx, id, status));
    reg_commit(s->r);
}

struct prov_cert scene_cert(struct scene *s, const struct prov_id *id)
{
    struct prov_cert cert;

    reg_ok(s->r, prov_cert_get(&s->r->tx, id, &cert));
    return cert;
}

X509 *scene_x509(struct scene *s, const struct prov_id *id)
{
    struct prov_span der;
    X509 *cert = NULL;

    reg_ok(s->r, prov_cert_der(&s->r->tx, id, &der));
    assert_int_equal(prov_ident_decode(der, &cert, &s->r->err), PROV_OK);
    return cert;
}

static bool count_one(void *ctx, const struct prov_attempt *attempt)
{
    (void)attempt;
    ++*(unsigned *)ctx;
    return true;
}

unsigned scene_attempts(struct scene *s)
{
    unsigned n = 0;

    reg_ok(s->r, prov_attempt_each(&s->r->tx, count_one, &n));
    return n;
}
