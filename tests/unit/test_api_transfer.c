/* The control API's operations on transfers, hooks and revocation lists. */
#include <openssl/evp.h>

#include "core/ident.h"
#include "support/api_case.h"
#include "support/reg_crl.h"

/* ---- transfers ------------------------------------------------------------------------------- */

static struct prov_id offered(struct reg *r)
{
    const struct prov_id id = reg_cert(r);

    ask_ok(r, "updateCertificate", "{'certificateId':'%s','newStatus':'INACTIVE'}", ask_hex(&id));
    ask_ok(r, "transferCertificate",
           "{'certificateId':'%.8s','targetAwsAccount':'123456789012','transferMessage':'yours'}",
           ask_hex(&id));
    return id;
}

static void certificate_is_offered_to_another_account(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = offered(r);
    char arn[160];

    (void)snprintf(arn, sizeof arn, "arn:aws:iot:local:000000000000:cert/%s", ask_hex(&id));
    ask_keys("", "transferredCertificateArn certificateId");
    ask_text("transferredCertificateArn", arn);
    ask_ok(r, "describeCertificate", "{'certificateId':'%s'}", ask_hex(&id));
    ask_text("certificateDescription.status", "PENDING_TRANSFER");
    ask_text("certificateDescription.transferData.transferredTo", "123456789012");
    ask_text("certificateDescription.transferData.transferMessage", "yours");
    ask_refused(r, "updateCertificate", PROV_EDENIED, "CertificateStateException",
                "{'certificateId':'%s','newStatus':'ACTIVE'}", ask_hex(&id));
}

static void transfer_that_cannot_be_is_refused(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);

    ask_refused(r, "transferCertificate", PROV_EDENIED, "CertificateStateException",
                "{'certificateId':'%s','targetAwsAccount':'123456789012'}", ask_hex(&id));
    ask_ok(r, "updateCertificate", "{'certificateId':'%s','newStatus':'INACTIVE'}", ask_hex(&id));
    ask_refused(r, "transferCertificate", PROV_EINVAL, "InvalidRequestException",
                "{'certificateId':'%s','targetAwsAccount':'12345'}", ask_hex(&id));
    ask_refused(r, "transferCertificate", PROV_EINVAL, "InvalidRequestException",
                "{'certificateId':'%s','targetAwsAccount':'000000000000'}", ask_hex(&id));
    reg_policy(r, "p");
    ask_ok(r, "attachPolicy", "{'policyName':'p','target':'%s'}", ask_hex(&id));
    ask_refused(r, "transferCertificate", PROV_EDENIED, "TransferConflictException",
                "{'certificateId':'%s','targetAwsAccount':'123456789012'}", ask_hex(&id));
    ask_refused(r, "acceptCertificateTransfer", PROV_EINVAL, "InvalidRequestException",
                "{'certificateId':'%s'}", ask_hex(&id));
}

static void offer_is_accepted_once(void **state)
{
    struct reg *r = *state;
    const struct prov_id a = offered(r), b = offered(r);

    ask_ok(r, "acceptCertificateTransfer", "{'certificateId':'%.8s'}", ask_hex(&a));
    ask_text("certificateId", ask_hex(&a));
    ask_text("status", "INACTIVE");
    ask_refused(r, "acceptCertificateTransfer", PROV_ECONFLICT, "TransferAlreadyCompletedException",
                "{'certificateId':'%s'}", ask_hex(&a));
    ask_ok(r, "acceptCertificateTransfer", "{'certificateId':'%s','setAsActive':true}",
           ask_hex(&b));
    ask_text("status", "ACTIVE");
}

static void offer_is_declined_or_taken_back(void **state)
{
    struct reg *r = *state;
    const struct prov_id a = offered(r), b = offered(r);

    ask_ok(r, "rejectCertificateTransfer", "{'certificateId':'%s','rejectReason':'not mine'}",
           ask_hex(&a));
    ask_text("status", "INACTIVE");
    ask_ok(r, "describeCertificate", "{'certificateId':'%s'}", ask_hex(&a));
    ask_text("certificateDescription.transferData.rejectReason", "not mine");
    ask_ok(r, "cancelCertificateTransfer", "{'certificateId':'%.8s'}", ask_hex(&b));
    ask_text("status", "INACTIVE");
    ask_refused(r, "cancelCertificateTransfer", PROV_EINVAL, "InvalidRequestException",
                "{'certificateId':'%s'}", ask_hex(&b));
    ask_refused(r, "rejectCertificateTransfer", PROV_EINVAL, "InvalidRequestException",
                "{'certificateId':'%s'}", ask_hex(&b));
}

/* ---- hooks ----------------------------------------------------------------------------------- */

static void activation_hook_is_set_changed_and_taken_away(void **state)
{
    struct reg *r = *state;
    struct pki_cert ca = reg_pki_ca(r, "/CN=One");
    struct prov_id id;

    ask_refused(r, "registerCACertificate", PROV_EINVAL, "InvalidRequestException",
                "{'caCertificate':'%s','certificateMode':'SNI_ONLY',"
                "'activationHook':{'targetArn':'http://hooks.example/x'}}",
                ask_pem(r, &ca));
    ask_refused(r, "registerCACertificate", PROV_EINVAL, "InvalidRequestException",
                "{'caCertificate':'%s','certificateMode':'SNI_ONLY','activationHook':{}}",
                ask_pem(r, &ca));
    ask_place("activationHook.targetArn", 0);
    ask_ok(r, "registerCACertificate",
           "{'caCertificate':'%s','certificateMode':'SNI_ONLY',"
           "'activationHook':{'targetArn':'exec:/usr/local/bin/allow'}}",
           ask_pem(r, &ca));
    ask_text("activationHook.targetArn", "exec:/usr/local/bin/allow");
    assert_int_equal(prov_ident_id(ca.x509, &id), PROV_OK);
    ask_ok(r, "updateCACertificate",
           "{'certificateId':'%s','activationHook':{'targetArn':'https://hooks.example/x'}}",
           ask_hex(&id));
    ask_text("activationHook.targetArn", "https://hooks.example/x");
    ask_ok(r, "updateCACertificate", "{'certificateId':'%s','newStatus':'ACTIVE'}", ask_hex(&id));
    ask_text("activationHook.targetArn", "https://hooks.example/x");
    ask_ok(r, "updateCACertificate", "{'certificateId':'%s','removeActivationHook':true}",
           ask_hex(&id));
    ask_missing("activationHook");
    pki_free(&ca);
}

/* ---- revocation lists ------------------------------------------------------------------------ */

struct listed {
    struct pki_cert ca, seen, unseen;
    struct prov_id ca_id, seen_id;
    struct reg_crl_entry on[2];
    struct reg_crl_spec spec;
};

static struct listed *make_listed(struct reg *r)
{
    struct listed *l = calloc(1, sizeof *l);
    struct prov_cert_registration reg = { .status = PROV_CERT_ACTIVE };

    assert_non_null(l);
    l->ca = reg_pki_ca(r, "/CN=One");
    l->ca_id = reg_ca(r, &l->ca, NULL);
    l->seen = reg_pki_leaf(r, &l->ca, "/CN=seen");
    l->unseen = reg_pki_leaf(r, &l->ca, "/CN=unseen");
    reg.der = reg_der(r, &l->seen);
    reg_ok(r, prov_cert_register(&r->tx, &reg, &l->seen_id));
    l->on[0].cert = l->seen.x509;
    l->on[1].cert = l->unseen.x509;
    l->spec = (struct reg_crl_spec){ .ca = &l->ca, .on = l->on, .n = 2 };
    return l;
}

static void free_listed(struct listed *l)
{
    pki_free(&l->seen);
    pki_free(&l->unseen);
    pki_free(&l->ca);
    free(l);
}

/* DER in base64, with a line break after so many characters. */
static const char *base64(struct reg *r, struct prov_span der, size_t line)
{
    char *plain = malloc(der.n / 3 * 4 + 5);
    struct prov_buf out;
    struct prov_span kept;

    assert_non_null(plain);
    (void)EVP_EncodeBlock((unsigned char *)plain, der.p, (int)der.n);
    prov_buf_init(&out, 4 * der.n + 64);
    for (size_t i = 0; plain[i] != '\0'; i++) {
        prov_buf_add_u8(&out, (uint8_t)plain[i]);
        if (line != 0 && i % line == line - 1)
            prov_buf_add_str(&out, "\\n");
    }
    kept = reg_json(r, prov_buf_cstr(&out));
    prov_buf_release(&out);
    free(plain);
    return (const char *)kept.p;
}

/* What a worker does before the writer's turn comes. */
static void list_may_be_prepared_before_it_is_written(void **state)
{
    struct reg *r = *state;
    struct listed *l = make_listed(r);
    const struct prov_span der = reg_crl(r, &l->spec);
    struct prov_cert_registration late = { .status = PROV_CERT_ACTIVE };
    struct prov_api_batch *batch = NULL;
    struct prov_buf text, answer;
    struct prov_id late_id;

    prov_buf_init(&text, 65536);
    prov_buf_addf(&text,
                  "{\"commands\":[{\"command\":\"importCertificateRevocationList\",\"crl\":\"%s\"},"
                  "{\"command\":\"importCertificateRevocationList\",\"crl\":\"AAAA\"}]}",
                  base64(r, der, 0));
    assert_int_equal(prov_api_batch_new(prov_buf_span(&text), NULL, &batch), PROV_OK);
    reg_commit(r);
    reg_read(r);
    reg_ok(r, prov_api_batch_prepare(batch, &r->tx));
    reg_ok(r, prov_api_batch_prepare(batch, &r->tx)); /* again is nothing */
    reg_write(r);
    late.der = reg_der(r, &l->unseen); /* registered in between */
    reg_ok(r, prov_cert_register(&r->tx, &late, &late_id));
    reg_commit(r);
    for (unsigned run = 0; run < 2; run++) { /* as the writer does when a commit fails */
        reg_abort(r);
        reg_ok(r, prov_api_batch_run(batch, &r->tx));
        assert_int_equal(prov_api_batch_answer(batch, &answer), PROV_OK);
        assert_non_null(strstr(prov_buf_cstr(&answer), "\"revoked\":2"));
        assert_non_null(strstr(prov_buf_cstr(&answer), "InvalidRequestException"));
        prov_buf_release(&answer);
    }
    reg_commit(r);
    ask_ok(r, "describeCertificate", "{'certificateId':'%s'}", ask_hex(&late_id));
    ask_text("certificateDescription.status", "REVOKED");
    assert_string_equal(reg_problems(r), "");
    prov_api_batch_free(batch);
    prov_buf_release(&text);
    free_listed(l);
}

static void list_revokes_what_is_seen_and_keeps_out_what_is_not(void **state)
{
    struct reg *r = *state;
    struct listed *l = make_listed(r);
    const struct prov_span der = reg_crl(r, &l->spec);

    ask_ok(r, "importCertificateRevocationList", "{'crl':'%s'}", base64(r, der, 0));
    ask_keys("", "caCertificateIds thisUpdate stale entries revoked deactivated alreadyRevoked "
                 "unseen");
    assert_string_equal(ask_each("caCertificateIds", NULL), ask_hex(&l->ca_id));
    ask_number("entries", 2);
    ask_number("revoked", 1);
    ask_number("unseen", 1);
    ask_bool("stale", false);
    ask_ok(r, "describeCertificate", "{'certificateId':'%s'}", ask_hex(&l->seen_id));
    ask_text("certificateDescription.status", "REVOKED");
    ask_ok(r, "importCertificateRevocationList", "{'crl':'%s'}", base64(r, der, 64));
    ask_number("revoked", 0);
    ask_number("alreadyRevoked", 1);
    assert_string_equal(reg_problems(r), "");
    free_listed(l);
}

static void list_may_be_pem_and_stale(void **state)
{
    struct reg *r = *state;
    struct listed *l = make_listed(r);
    struct prov_buf text;
    struct prov_span pem;

    l->spec.this_update_s = -100;
    l->spec.next_update_s = -50;
    pem = reg_crl_pem(r, reg_crl(r, &l->spec));
    prov_buf_init(&text, 4 * pem.n);
    for (size_t i = 0; i < pem.n; i++) {
        if (pem.p[i] == '\n')
            prov_buf_add_str(&text, "\\n");
        else
            prov_buf_add_u8(&text, pem.p[i]);
    }
    ask_ok(r, "importCertificateRevocationList", "{'crl':'%s'}", prov_buf_cstr(&text));
    ask_bool("stale", true);
    ask_number("thisUpdate", (double)REG_T0 - 100);
    ask_number("nextUpdate", (double)REG_T0 - 50);
    prov_buf_release(&text);
    free_listed(l);
}

static void list_that_is_none_is_refused(void **state)
{
    static const char *const wrong[] = {
        "", "====", "not base64!", "AAAA", "-----BEGIN X509 CRL-----", "AAA", "AA=A"
    };
    struct reg *r = *state;
    struct listed *l = make_listed(r);

    for (size_t i = 0; i < PROV_COUNT(wrong); i++)
        ask_refused(r, "importCertificateRevocationList", PROV_EINVAL, "InvalidRequestException",
                    "{'crl':'%s'}", wrong[i]);
    reg_ca_state(r, &l->ca_id, false, false);
    ask_ok(r, "deleteCACertificate", "{'certificateId':'%s'}", ask_hex(&l->ca_id));
    ask_refused(r, "importCertificateRevocationList", PROV_EDENIED,
                "CertificateValidationException", "{'crl':'%s'}",
                base64(r, reg_crl(r, &l->spec), 0));
    free_listed(l);
}

static const struct CMUnitTest api_transfer[] = {
    ASK_TEST(certificate_is_offered_to_another_account),
    ASK_TEST(transfer_that_cannot_be_is_refused),
    ASK_TEST(offer_is_accepted_once),
    ASK_TEST(offer_is_declined_or_taken_back),
    ASK_TEST(activation_hook_is_set_changed_and_taken_away),
    ASK_TEST(list_may_be_prepared_before_it_is_written),
    ASK_TEST(list_revokes_what_is_seen_and_keeps_out_what_is_not),
    ASK_TEST(list_may_be_pem_and_stale),
    ASK_TEST(list_that_is_none_is_refused),
};

REG_MAIN(api_transfer)
