/* CreateKeysAndCertificate and CreateCertificateFromCsr (reference 1.2, 1.3, 5.2). */
#include "support/fleet_scene.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "core/attempt.h"
#include "core/ident.h"

static struct prov_fleet *ask_keys(struct scene *s)
{
    return scene_new(s, &(struct scene_ask){ .op = PROV_CREATE_KEYS });
}

static struct prov_fleet *ask_csr(struct scene *s)
{
    return scene_new(s, &(struct scene_ask){
                            .op = PROV_CREATE_FROM_CSR,
                            .csr = scene_csr(s, pki_key_shared(PKI_P256), "/CN=dev-1"),
                        });
}

/* Is the answer about the certificate that the registry has? */
static X509 *check_answer(struct scene *s, const struct prov_fleet *fleet, const cJSON *answer)
{
    X509 *cert = pki_from_pem(scene_text(answer, "certificatePem"));
    char hex[PROV_ID_HEX + 1];
    struct prov_id id;

    assert_int_equal(prov_ident_id(cert, &id), PROV_OK);
    assert_id(&fleet->cert, &id);
    prov_id_hex(&id, hex);
    assert_string_equal(scene_text(answer, "certificateId"), hex);
    assert_int_equal(strlen(scene_text(answer, "certificateOwnershipToken")), PROV_TOKEN_LEN);
    assert_int_equal(scene_cert(s, &id).status, PROV_CERT_PENDING_ACTIVATION);
    return cert;
}

/* ---- what is made ---------------------------------------------------------------------------- */

static void keys_are_made_and_certified(void **state)
{
    static const struct {
        enum prov_format format;
        const char *payload;
    } rows[] = {
        { PROV_JSON, "" },
        { PROV_JSON, "{}" },
        { PROV_JSON, "{\"any\":[\"thing\"]}" },
        { PROV_CBOR, "" },
        { PROV_CBOR, "\xa0" },
        { PROV_CBOR, "\xa1\x61"
                     "a\x01" },
    };
    struct scene *s = *state;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct prov_fleet *fleet = scene_new(s, &(struct scene_ask){ .op = PROV_CREATE_KEYS,
                                                                     .format = rows[i].format,
                                                                     .raw = rows[i].payload });
        EVP_PKEY *key;
        cJSON *answer;
        X509 *cert;

        assert_int_equal(scene_prepare(s, fleet), PROV_FLEET_KEY);
        assert_true(prov_id_is_zero(&fleet->cert));
        scene_give_key(fleet);
        assert_int_equal(scene_prepare(s, fleet), PROV_FLEET_APPLY);
        scene_apply(s, fleet);
        scene_expect(fleet, PROV_REASON_ISSUED);
        answer = scene_answer(fleet);
        assert_int_equal(cJSON_GetArraySize(answer), 4);
        cert = check_answer(s, fleet, answer);
        key = pki_key_from_pem(scene_text(answer, "privateKey"));
        assert_int_equal(X509_check_private_key(cert, key), 1);
        EVP_PKEY_free(key);
        X509_free(cert);
        cJSON_Delete(answer);
    }
}

static void csr_is_certified_with_its_key_and_subject(void **state)
{
    static const char *const subjects[] = { "/CN=dev-1", "/C=NO/O=Example/OU=a/OU=b/CN=dev-1",
                                            "/O=Example" };
    struct scene *s = *state;
    EVP_PKEY *key = pki_key_shared(PKI_P384);

    for (size_t i = 0; i < 2 * PROV_COUNT(subjects); i++) {
        const char *subject = subjects[i / 2];
        struct pki_cert like = reg_pki(s->r, &(struct pki_spec){ .subject = subject });
        struct prov_fleet *fleet =
            scene_done(s, &(struct scene_ask){ .op = PROV_CREATE_FROM_CSR,
                                               .format = i % 2 == 0 ? PROV_JSON : PROV_CBOR,
                                               .csr = scene_csr(s, key, subject) });
        cJSON *answer;
        X509 *cert;

        scene_expect(fleet, PROV_REASON_ISSUED);
        answer = scene_answer(fleet);
        assert_int_equal(cJSON_GetArraySize(answer), 3); /* and no private key among them */
        cert = check_answer(s, fleet, answer);
        assert_int_equal(X509_check_private_key(cert, key), 1);
        assert_int_equal(
            X509_NAME_cmp(X509_get_subject_name(cert), X509_get_subject_name(like.x509)), 0);
        assert_span(scene_cert(s, &fleet->cert).common_name, i / 2 == 2 ? "" : "dev-1");
        X509_free(cert);
        cJSON_Delete(answer);
        pki_free(&like);
    }
}

static void assert_extension(const X509 *cert, int nid, bool critical)
{
    const int at = X509_get_ext_by_NID(cert, nid, -1);

    assert_true(at >= 0);
    assert_int_equal(X509_EXTENSION_get_critical(X509_get_ext(cert, at)) != 0, critical);
}

static void certificate_is_as_the_reference_has_it(void **state)
{
    struct scene *s = *state;
    struct prov_fleet *fleet = ask_keys(s);
    const int64_t now_s = s->r->tx.now_ms / 1000;
    int64_t not_before_s, not_after_s;
    char subject[64];
    X509 *cert;

    scene_finish(s, fleet, NULL);
    cert = scene_x509(s, &fleet->cert);
    (void)X509_NAME_oneline(X509_get_subject_name(cert), subject, sizeof subject);
    assert_string_equal(subject, "/CN=AWS IoT Certificate");
    assert_int_equal(X509_get_version(cert), X509_VERSION_3);
    assert_int_equal(X509_NAME_cmp(X509_get_issuer_name(cert), X509_get_subject_name(s->ca.x509)),
                     0);
    assert_int_equal(X509_verify(cert, s->ca.key), 1);
    assert_int_equal(ASN1_STRING_length(X509_get_serialNumber(cert)), 20);
    assert_int_equal(ASN1_STRING_type(X509_get_serialNumber(cert)), V_ASN1_INTEGER);
    assert_int_equal(X509_get_extension_flags(cert) & EXFLAG_CA, 0);
    assert_int_equal(X509_get_key_usage(cert), KU_DIGITAL_SIGNATURE);
    assert_int_equal(X509_get_ext_count(cert), 4);
    assert_extension(cert, NID_basic_constraints, true);
    assert_extension(cert, NID_key_usage, true);
    assert_extension(cert, NID_subject_key_identifier, false);
    assert_extension(cert, NID_authority_key_identifier, false);
    assert_true(prov_cert_validity(cert, &not_before_s, &not_after_s));
    assert_true(not_before_s <= now_s && not_before_s > now_s - 3600);
    assert_int_equal(not_after_s, now_s + SCENE_DAYS * 86400);
    assert_int_equal(scene_cert(s, &fleet->cert).not_before_s, not_before_s);
    assert_int_equal(scene_cert(s, &fleet->cert).not_after_s, not_after_s);
    assert_int_equal(scene_cert(s, &fleet->cert).token_ms, s->r->tx.now_ms + SCENE_TTL_S * 1000);
    X509_free(cert);
}

static void each_answer_has_a_certificate_and_a_token_of_its_own(void **state)
{
    struct scene *s = *state;
    char tokens[2][PROV_TOKEN_LEN + 1];
    X509 *certs[2];

    for (size_t i = 0; i < 2; i++) {
        const struct prov_id id = scene_certificate(s, NULL, tokens[i]);

        certs[i] = scene_x509(s, &id);
    }
    assert_string_not_equal(tokens[0], tokens[1]);
    assert_int_not_equal(
        ASN1_INTEGER_cmp(X509_get_serialNumber(certs[0]), X509_get_serialNumber(certs[1])), 0);
    X509_free(certs[0]);
    X509_free(certs[1]);
}

static void issuer_is_recorded_when_it_is_a_registered_ca(void **state)
{
    struct scene *s = *state;
    struct prov_fleet *before = ask_csr(s), *after = ask_csr(s);
    struct prov_cert recorded;
    struct prov_id ca;

    scene_finish(s, before, NULL);
    ca = reg_ca(s->r, &s->ca, NULL);
    reg_commit(s->r);
    scene_finish(s, after, NULL);
    recorded = scene_cert(s, &before->cert);
    assert_true(prov_id_is_zero(&recorded.ca_id));
    recorded = scene_cert(s, &after->cert);
    assert_id(&recorded.ca_id, &ca);
}

/* ---- validity -------------------------------------------------------------------------------- */

#define BARE "{'Resources':{" SCENE_CERT("") "}}"

static void set_days(struct scene *s, const char *name, uint32_t days)
{
    scene_change_template(s, name, &(struct prov_template_change){ .validity_days = &days });
}

static void validity_is_the_least_of_the_claim_s_templates(void **state)
{
    static const struct {
        const char *templates[2];
        size_t n;
        int64_t days;
    } rows[] = {
        { { NULL }, 0, SCENE_DAYS },
        { { "short" }, 1, 30 },
        { { "long" }, 1, 9000 },
        { { "long", "short" }, 2, 30 },
        { { "short", "long" }, 2, 30 },
        { { SCENE_TEMPLATE }, 1, SCENE_DAYS },
        { { SCENE_TEMPLATE, "short" }, 2, 30 },
    };
    struct scene *s = *state;

    scene_template(s, "short", BARE, NULL);
    scene_template(s, "long", BARE, NULL);
    set_days(s, "short", 30);
    set_days(s, "long", 9000);
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        const struct prov_span names[] = { S(rows[i].templates[0]), S(rows[i].templates[1]) };
        struct prov_fleet *fleet = ask_csr(s);

        scene_limit(s, &(struct prov_claim_change){ .templates = names, .n_templates = rows[i].n });
        scene_finish(s, fleet, NULL);
        scene_expect(fleet, PROV_REASON_ISSUED);
        assert_int_equal(scene_cert(s, &fleet->cert).not_after_s,
                         s->r->tx.now_ms / 1000 + rows[i].days * 86400);
    }
}

static void validity_of_a_temporary_claim_s_is_its_template_s(void **state)
{
    struct scene *s = *state;
    const struct prov_id claim = scene_temporary(s, SCENE_TEMPLATE, 300);
    const struct scene_ask ask = { .op = PROV_CREATE_KEYS, .claim = &claim };
    struct prov_fleet *fleet;

    set_days(s, SCENE_TEMPLATE, 7);
    fleet = scene_done(s, &ask);
    scene_expect(fleet, PROV_REASON_ISSUED);
    assert_int_equal(scene_cert(s, &fleet->cert).not_after_s,
                     s->r->tx.now_ms / 1000 + INT64_C(7) * 86400);
    reg_at(s->r, 301); /* its five minutes are over */
    fleet = scene_done(s, &ask);
    scene_expect(fleet, PROV_REASON_EXPIRED);
}

/* ---- keys ------------------------------------------------------------------------------------ */

static void key_that_is_not_to_be_had_is_a_refusal(void **state)
{
    static const struct {
        enum prov_rc rc;
        enum prov_reason reason;
        int status;
        const char *code;
    } rows[] = {
        { PROV_EBUSY, PROV_REASON_BUSY, 503, "ServiceUnavailable" },
        { PROV_ENOMEM, PROV_REASON_INTERNAL, 500, "InternalFailure" },
        { PROV_ESIGNER, PROV_REASON_INTERNAL, 500, "InternalFailure" },
    };
    struct scene *s = *state;
    char *before = reg_dump(s->r), *after;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct prov_fleet *fleet = ask_keys(s);
        struct prov_key none = { .pem.p = NULL };

        assert_int_equal(scene_prepare(s, fleet), PROV_FLEET_KEY);
        prov_fleet_give_key(fleet, &none, rows[i].rc);
        assert_int_equal(scene_prepare(s, fleet), PROV_FLEET_DONE);
        scene_expect(fleet, rows[i].reason);
        scene_expect_rejected(fleet, rows[i].status, rows[i].code, NULL);
    }
    after = reg_dump(s->r);
    assert_string_equal(before, after);
    free(before);
    free(after);
}

static void issuer_that_is_not_there_is_told_without_its_whereabouts(void **state)
{
    static const struct {
        enum prov_rc rc;
        enum prov_reason reason;
        int status;
        const char *code, *message;
    } rows[] = {
        { PROV_ENOTFOUND, PROV_REASON_NO_ISSUER, 503, "ServiceUnavailable",
          "issue: There is nobody here to issue certificates." },
        { PROV_ESIGNER, PROV_REASON_ISSUER_FAILED, 500, "InternalFailure",
          "issue: The issuer's key could not be used." },
        { PROV_EINVAL, PROV_REASON_ISSUER_FAILED, 500, "InternalFailure",
          "issue: The issuer's key could not be used." },
    };
    struct scene *s = *state;

    for (size_t i = 0; i < 2 * PROV_COUNT(rows); i++) {
        /* without an issuer no key is made */
        struct prov_fleet *fleet = i % 2 == 0 ? ask_keys(s) : ask_csr(s);

        s->issuing.rc = rows[i / 2].rc;
        assert_int_equal(scene_prepare(s, fleet), PROV_FLEET_DONE);
        scene_expect(fleet, rows[i / 2].reason);
        assert_string_equal(fleet->detail, "nothing in /where/the/key/is");
        scene_expect_rejected(fleet, rows[i / 2].status, rows[i / 2].code, rows[i / 2].message);
    }
    s->issuing.rc = PROV_OK;
    scene_expect(scene_done(s, &(struct scene_ask){ .op = PROV_CREATE_KEYS }), PROV_REASON_ISSUED);
}

static void issuer_that_goes_while_a_key_is_made_is_told(void **state)
{
    struct scene *s = *state;
    struct prov_fleet *fleet = ask_keys(s);

    assert_int_equal(scene_prepare(s, fleet), PROV_FLEET_KEY);
    scene_give_key(fleet);
    s->issuing.rc = PROV_ENOTFOUND;
    assert_int_equal(scene_prepare(s, fleet), PROV_FLEET_DONE);
    scene_expect(fleet, PROV_REASON_NO_ISSUER);
}

static void issuer_that_has_expired_issues_nothing(void **state)
{
    struct scene *s = *state;
    struct prov_fleet *fleet = ask_csr(s);
    struct prov_issuer *issuer;
    struct pki_cert ca = reg_pki(
        s->r, &(struct pki_spec){
                  .subject = "/O=Brief", .ca = true, .not_before_s = -100, .not_after_s = 1000 });

    assert_int_equal(prov_issuer_new(ca.x509, ca.key, REG_T0, &issuer, &s->r->err), PROV_OK);
    prov_issuer_free(s->issuing.issuer);
    s->issuing.issuer = issuer;
    scene_finish(s, fleet, NULL);
    scene_expect(fleet, PROV_REASON_ISSUED);
    assert_int_equal(scene_cert(s, &fleet->cert).not_after_s, REG_T0 + 1000);
    reg_at(s->r, 2000);
    fleet = ask_csr(s);
    scene_finish(s, fleet, NULL);
    scene_expect(fleet, PROV_REASON_ISSUER_FAILED);
    pki_free(&ca);
}

/* ---- attempts -------------------------------------------------------------------------------- */

struct expected {
    const struct prov_fleet *fleet;
    struct prov_id ca;
    const char *common_name, *detail;
};

static bool check_attempt(void *ctx, const struct prov_attempt *attempt)
{
    const struct expected *e = ctx;
    char claim[PROV_ID_HEX + 1], detail[160];

    prov_id_hex(&e->fleet->claim, claim);
    (void)snprintf(detail, sizeof detail, "%s, claim %s", e->detail, claim);
    assert_true(attempt->id == e->fleet->attempt);
    assert_int_equal(attempt->reason, PROV_REASON_ISSUED);
    assert_id(&attempt->cert, &e->fleet->cert);
    assert_id(&attempt->ca, &e->ca);
    assert_span(attempt->client_id, SCENE_CLIENT);
    assert_span(attempt->address, SCENE_ADDRESS);
    assert_span(attempt->common_name, e->common_name);
    assert_span(attempt->detail, detail);
    return false;
}

static void what_was_issued_is_in_the_attempt_log(void **state)
{
    struct scene *s = *state;
    struct prov_fleet *keys = ask_keys(s), *csr = ask_csr(s);
    const struct prov_id ca = reg_ca(s->r, &s->ca, NULL);

    reg_commit(s->r);
    scene_finish(s, keys, NULL);
    reg_ok(s->r, prov_attempt_each(&s->r->tx, check_attempt,
                                   &(struct expected){ keys, ca, "AWS IoT Certificate",
                                                       "CreateKeysAndCertificate" }));
    scene_finish(s, csr, NULL);
    reg_ok(s->r,
           prov_attempt_each(&s->r->tx, check_attempt,
                             &(struct expected){ csr, ca, "dev-1", "CreateCertificateFromCsr" }));
    assert_int_equal(scene_attempts(s), 2);
}

/* ---- order ----------------------------------------------------------------------------------- */

/* With several things wrong, the first of them is told; each row mends what the last one told. */
static void first_of_several_mistakes_is_told(void **state)
{
    struct scene *s = *state;
    const struct scene_ask bad = { .op = PROV_CREATE_FROM_CSR, .raw = "{" };
    const struct scene_ask no_csr = { .op = PROV_CREATE_FROM_CSR, .csr = "no CSR" };
    struct prov_fleet *fleet;

    s->issuing.rc = PROV_ENOTFOUND;
    scene_suspend(s);
    scene_cert_status(s, &s->claim, PROV_CERT_INACTIVE);
    fleet = scene_done(s, &bad);
    scene_expect(fleet, PROV_REASON_BAD_REQUEST);
    scene_expect_rejected(fleet, 400, "InvalidRequest", NULL);
    scene_expect(scene_done(s, &no_csr), PROV_REASON_CERT_INACTIVE);
    scene_cert_status(s, &s->claim, PROV_CERT_ACTIVE);
    scene_expect(scene_done(s, &no_csr), PROV_REASON_CLAIM_SUSPENDED);
    reg_ok(s->r, prov_claim_resume(&s->r->tx, &s->claim));
    reg_commit(s->r);
    fleet = scene_done(s, &no_csr);
    scene_expect(fleet, PROV_REASON_BAD_CSR);
    scene_expect_rejected(fleet, 400, "InvalidCertificateSigningRequest", NULL);
    fleet = ask_csr(s);
    scene_finish(s, fleet, NULL);
    scene_expect(fleet, PROV_REASON_NO_ISSUER);
    s->issuing.rc = PROV_OK;
    fleet = ask_csr(s);
    scene_finish(s, fleet, NULL);
    scene_expect(fleet, PROV_REASON_ISSUED);
    assert_int_equal(scene_attempts(s), 1);
}

static const struct CMUnitTest tests[] = {
    SCENE_TEST(keys_are_made_and_certified),
    SCENE_TEST(csr_is_certified_with_its_key_and_subject),
    SCENE_TEST(certificate_is_as_the_reference_has_it),
    SCENE_TEST(each_answer_has_a_certificate_and_a_token_of_its_own),
    SCENE_TEST(issuer_is_recorded_when_it_is_a_registered_ca),
    SCENE_TEST(validity_is_the_least_of_the_claim_s_templates),
    SCENE_TEST(validity_of_a_temporary_claim_s_is_its_template_s),
    SCENE_TEST(key_that_is_not_to_be_had_is_a_refusal),
    SCENE_TEST(issuer_that_is_not_there_is_told_without_its_whereabouts),
    SCENE_TEST(issuer_that_goes_while_a_key_is_made_is_told),
    SCENE_TEST(issuer_that_has_expired_issues_nothing),
    SCENE_TEST(what_was_issued_is_in_the_attempt_log),
    SCENE_TEST(first_of_several_mistakes_is_told),
};

SCENE_MAIN(tests)
