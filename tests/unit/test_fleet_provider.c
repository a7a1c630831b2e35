/* CreateCertificateFromCsr with somebody else's CA behind a hook (reference section 10). */
#include "support/fleet_scene.h"

#include "core/crl.h"
#include "core/ident.h"
#include "core/json.h"
#include "support/reg_crl.h"

#define SPEC "exec:/hooks/provider"
#define FAILED                                                                                     \
    "issue: The certificate provider gave no certificate, or one that is not an answer to the "    \
    "request."

static struct prov_fleet *ask(struct scene *s, enum prov_format format)
{
    s->conf.provider = SPEC;
    return scene_new(s, &(struct scene_ask){
                            .op = PROV_CREATE_FROM_CSR,
                            .format = format,
                            .csr = scene_csr(s, pki_key_shared(PKI_P384), "/O=Example/CN=dev-1"),
                        });
}

/* What a provider issues for that request, unless the spec says otherwise. */
static struct pki_cert issue(struct scene *s, const struct pki_cert *ca, struct pki_spec spec)
{
    spec.issuer = ca;
    if (spec.subject == NULL)
        spec.subject = "/O=Example/CN=dev-1";
    if (spec.use_key == NULL)
        spec.use_key = pki_key_shared(PKI_P384);
    return reg_pki(s->r, &spec);
}

static void answer(struct prov_fleet *fleet, const struct pki_cert *cert)
{
    cJSON *doc = cJSON_CreateObject();
    char *pem = pki_pem(cert->x509), *text;

    assert_non_null(cJSON_AddStringToObject(doc, "certificatePem", pem));
    text = cJSON_PrintUnformatted(doc);
    assert_int_equal(prov_fleet_answered(fleet, S(text)), PROV_OK);
    cJSON_free(text);
    cJSON_Delete(doc);
    free(pem);
}

/* Asked, answered with that certificate, and applied where there is something to apply. */
static struct prov_fleet *provide(struct scene *s, const struct pki_cert *cert)
{
    struct prov_fleet *fleet = ask(s, PROV_JSON);

    assert_int_equal(scene_prepare(s, fleet), PROV_FLEET_HOOK);
    answer(fleet, cert);
    if (scene_prepare(s, fleet) == PROV_FLEET_APPLY)
        scene_apply(s, fleet);
    return fleet;
}

static void provider_is_asked_with_the_csr_the_claim_and_the_client_id(void **state)
{
    struct scene *s = *state;
    const char *csr = scene_csr(s, pki_key_shared(PKI_P384), "/O=Example/CN=dev-1");
    struct prov_fleet *fleet = scene_new(
        s, &(struct scene_ask){ .op = PROV_CREATE_FROM_CSR, .format = PROV_CBOR, .csr = csr });
    struct prov_err err = { 0 };
    char claim[PROV_ID_HEX + 1];
    cJSON *doc = NULL;

    s->conf.provider = SPEC;
    s->issuing.rc = PROV_ENOTFOUND; /* none is needed */
    assert_int_equal(scene_prepare(s, fleet), PROV_FLEET_HOOK);
    assert_string_equal((const char *)fleet->hook.p, SPEC);
    assert_int_equal(fleet->hook.n, strlen(SPEC));
    assert_int_equal(prov_json_parse(prov_buf_span(&fleet->request), 65536, &doc, &err), PROV_OK);
    prov_id_hex(&s->claim, claim);
    assert_int_equal(cJSON_GetArraySize(doc), 3);
    assert_string_equal(scene_text(doc, "certificateSigningRequest"), csr);
    assert_string_equal(scene_text(doc, "principalId"), claim);
    assert_string_equal(scene_text(doc, "clientId"), SCENE_CLIENT);
    cJSON_Delete(doc);
}

static void provider_is_not_asked_for_what_is_no_csr_or_has_none(void **state)
{
    struct scene *s = *state;
    struct prov_fleet *keys = scene_new(s, &(struct scene_ask){ .op = PROV_CREATE_KEYS });
    struct prov_fleet *garbage =
        scene_new(s, &(struct scene_ask){ .op = PROV_CREATE_FROM_CSR, .csr = "garbage" });

    s->conf.provider = SPEC;
    assert_int_equal(scene_prepare(s, garbage), PROV_FLEET_DONE);
    scene_expect(garbage, PROV_REASON_BAD_CSR);
    assert_int_equal(scene_prepare(s, keys), PROV_FLEET_KEY);
    scene_give_key(keys);
    assert_int_equal(scene_prepare(s, keys), PROV_FLEET_APPLY);
}

static void certificate_counts_when_it_answers_the_request(void **state)
{
    const struct {
        const char *what;
        struct pki_spec spec;
        const char *why; /* NULL: it counts */
    } rows[] = {
        { "as asked", { .eku = "clientAuth" }, NULL },
        { "valid until now", { .not_before_s = -9, .not_after_s = 0 }, NULL },
        { "another key", { .use_key = pki_key_shared(PKI_P256) }, "its key" },
        { "another subject", { .subject = "/O=Example/CN=dev-2" }, "its subject" },
        { "no subject", { .subject = "" }, "its subject" },
        { "more of a subject", { .subject = "/O=Example/OU=a/CN=dev-1" }, "its subject" },
        { "expired", { .not_before_s = -9, .not_after_s = -1 }, "expired" },
        { "not yet valid", { .not_before_s = 1, .not_after_s = 9 }, "not valid yet" },
        { "a CA", { .ca = true }, "CA" },
        { "SHA-1", { .digest = "SHA1" }, "algorithm" },
        { "for servers", { .eku = "serverAuth" }, "sage" },
    };
    struct scene *s = *state;
    struct pki_cert ca = reg_pki_ca(s->r, "/O=Provider");

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct pki_cert cert = issue(s, &ca, rows[i].spec);
        char *before = reg_dump(s->r), *after;
        struct prov_fleet *fleet = provide(s, &cert);

        print_message("%s: %s\n", rows[i].what, fleet->detail);
        after = reg_dump(s->r);
        if (rows[i].why == NULL) {
            scene_expect(fleet, PROV_REASON_ISSUED);
        } else {
            scene_expect(fleet, PROV_REASON_PROVIDER_FAILED);
            scene_expect_rejected(fleet, 500, "InternalFailure", FAILED);
            assert_non_null(strstr(fleet->detail, rows[i].why));
            assert_string_equal(before, after);
        }
        free(before);
        free(after);
        pki_free(&cert);
    }
    pki_free(&ca);
}

static void provider_that_gives_none_is_told_as_that(void **state)
{
    static const struct {
        const char *text, *detail; /* text NULL: no answer at all */
    } rows[] = {
        { NULL, "exited with 1" },
        { "{}", "there is no certificatePem" },
        { "{'certificatePem':7}", "certificatePem must be text" },
        { "{'certificatePem':''}", "the certificate is empty" },
        { "not even JSON", NULL },
        { "", NULL },
    };
    struct scene *s = *state;
    char *before = reg_dump(s->r), *after;

    for (size_t i = 0; i < 2 * PROV_COUNT(rows); i++) {
        struct prov_fleet *fleet = ask(s, i % 2 == 0 ? PROV_JSON : PROV_CBOR);

        scene_finish(s, fleet, rows[i / 2].text);
        scene_expect(fleet, PROV_REASON_PROVIDER_FAILED);
        scene_expect_rejected(fleet, 500, "InternalFailure", FAILED);
        if (rows[i / 2].detail != NULL)
            assert_string_equal(fleet->detail, rows[i / 2].detail);
        assert_true(fleet->detail[0] != '\0');
    }
    after = reg_dump(s->r);
    assert_string_equal(before, after);
    free(before);
    free(after);
}

static void device_is_told_the_provider_s_certificate(void **state)
{
    struct scene *s = *state;
    struct pki_cert ca = reg_pki_ca(s->r, "/O=Provider");
    struct pki_cert cert =
        issue(s, &ca, (struct pki_spec){ .not_before_s = -5, .not_after_s = 70 });
    struct prov_fleet *fleet = provide(s, &cert);
    char *pem = pki_pem(cert.x509);
    struct prov_cert recorded;
    struct prov_id id;
    cJSON *told;

    scene_expect(fleet, PROV_REASON_ISSUED);
    told = scene_answer(fleet);
    assert_string_equal(scene_text(told, "certificatePem"), pem);
    assert_int_equal(cJSON_GetArraySize(told), 3);
    cJSON_Delete(told);
    assert_int_equal(prov_ident_id(cert.x509, &id), PROV_OK);
    recorded = scene_cert(s, &id);
    assert_int_equal(recorded.status, PROV_CERT_PENDING_ACTIVATION);
    assert_int_equal(recorded.not_before_s, REG_T0 - 5);
    assert_int_equal(recorded.not_after_s, REG_T0 + 70);
    assert_span(recorded.common_name, "dev-1");
    assert_true(prov_id_is_zero(&recorded.ca_id));
    free(pem);
    pki_free(&cert);
    pki_free(&ca);
}

static void provider_s_ca_is_found_among_those_of_its_name(void **state)
{
    struct scene *s = *state;
    struct pki_cert cas[3];
    struct prov_id ids[3];

    for (size_t i = 0; i < 3; i++) {
        cas[i] = reg_pki_ca(s->r, "/O=Provider");
        ids[i] = reg_ca(s->r, &cas[i], NULL);
    }
    reg_ca_state(s->r, &ids[2], false, false); /* its revocation lists count all the same */
    reg_commit(s->r);
    for (size_t i = 0; i < 3; i++) {
        struct pki_cert cert = issue(s, &cas[i], (struct pki_spec){ .v1 = false });
        struct prov_fleet *fleet = provide(s, &cert);
        struct prov_cert recorded;

        scene_expect(fleet, PROV_REASON_ISSUED);
        recorded = scene_cert(s, &fleet->cert);
        assert_id(&recorded.ca_id, &ids[i]);
        pki_free(&cert);
    }
    for (size_t i = 0; i < 3; i++)
        pki_free(&cas[i]);
}

static void same_certificate_again_is_refused(void **state)
{
    struct scene *s = *state;
    struct pki_cert ca = reg_pki_ca(s->r, "/O=Provider");
    struct pki_cert cert = issue(s, &ca, (struct pki_spec){ .v1 = false }), twin = pki_twin(&cert);
    struct prov_fleet *first = provide(s, &cert), *fleet;
    char *before = reg_dump(s->r), *after;

    scene_expect(first, PROV_REASON_ISSUED);
    fleet = provide(s, &cert);
    scene_expect(fleet, PROV_REASON_PROVIDER_FAILED);
    scene_expect_rejected(fleet, 500, "InternalFailure", NULL);
    assert_string_equal(fleet->token, "");
    fleet = provide(s, &twin);
    scene_expect(fleet, PROV_REASON_PROVIDER_FAILED);
    after = reg_dump(s->r);
    assert_string_equal(before, after);
    free(before);
    free(after);
    pki_free(&twin);
    pki_free(&cert);
    pki_free(&ca);
}

static void certificate_that_its_ca_has_revoked_is_refused(void **state)
{
    struct scene *s = *state;
    struct pki_cert ca = reg_pki_ca(s->r, "/O=Provider");
    struct pki_cert cert = issue(s, &ca, (struct pki_spec){ .v1 = false });
    const struct reg_crl_entry on = { .cert = cert.x509 };
    const struct prov_span crl =
        reg_crl(s->r, &(struct reg_crl_spec){ .ca = &ca, .on = &on, .n = 1 });
    struct prov_crl_result result;
    struct prov_fleet *fleet;
    struct prov_crl *list;

    (void)reg_ca(s->r, &ca, NULL);
    reg_ok(s->r, prov_crl_new(&s->r->tx, crl, &list));
    reg_ok(s->r, prov_crl_apply(list, &s->r->tx, &result));
    prov_crl_free(list);
    reg_commit(s->r);
    fleet = provide(s, &cert);
    scene_expect(fleet, PROV_REASON_PROVIDER_FAILED);
    assert_true(prov_id_is_zero(&fleet->cert));
    pki_free(&cert);
    pki_free(&ca);
}

static const struct CMUnitTest tests[] = {
    SCENE_TEST(provider_is_asked_with_the_csr_the_claim_and_the_client_id),
    SCENE_TEST(provider_is_not_asked_for_what_is_no_csr_or_has_none),
    SCENE_TEST(certificate_counts_when_it_answers_the_request),
    SCENE_TEST(provider_that_gives_none_is_told_as_that),
    SCENE_TEST(device_is_told_the_provider_s_certificate),
    SCENE_TEST(provider_s_ca_is_found_among_those_of_its_name),
    SCENE_TEST(same_certificate_again_is_refused),
    SCENE_TEST(certificate_that_its_ca_has_revoked_is_refused),
};

SCENE_MAIN(tests)
