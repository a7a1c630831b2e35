/* Certificates that the control API makes: claims of trusted users, keys, from requests; who signs
 * them, when, and what is left in memory. */
#include <malloc.h>

#include <openssl/pem.h>
#include <openssl/x509.h>

#include "core/ident.h"
#include "core/json.h"
#include "support/alloc.h"
#include "support/api_case.h"
#include "support/csr.h"

#define NO_ISSUER "ServiceUnavailableException"
#define INVALID "InvalidRequestException"

struct world {
    struct reg *r;
    struct pki_cert ca;
    struct prov_issuing *issuing;
};

/* An issuer, an enabled template "fleet", and two that are no good for claims. */
static struct world make_world(struct reg *r)
{
    struct world w = { .r = r };

    w.ca = reg_pki_ca(r, "/CN=Issuer");
    w.issuing = ask_issuing_new(r, &w.ca, PROV_KEY_EC_P256);
    ask_issuing(w.issuing);
    reg_fleet_template(r, "fleet");
    return w;
}

static void end_world(struct world *w)
{
    ask_issuing(NULL);
    ask_issuing_free(w->issuing);
    pki_free(&w->ca);
}

static const char *text_of(const char *path)
{
    const char *text = cJSON_GetStringValue(ask_at(path));

    if (text == NULL)
        fail_msg("there is no %s", path);
    return text;
}

/* The certificate at hand; the caller frees. */
static X509 *answered_cert(const char *path)
{
    X509 *cert = NULL;

    assert_int_equal(prov_ident_decode_pem(S(text_of(path)), &cert, NULL), PROV_OK);
    return cert;
}

static struct prov_cert recorded(struct reg *r, const char *path)
{
    struct prov_cert cert;
    struct prov_id id;

    assert_true(prov_id_parse(S(text_of(path)), &id));
    reg_ok(r, prov_cert_get(&r->tx, &id, &cert));
    return cert;
}

/* ---- claims ---------------------------------------------------------------------------------- */

static void claim_is_a_certificate_and_its_key_for_five_minutes(void **state)
{
    struct world w = make_world(*state);
    int64_t not_before_s, not_after_s;
    struct prov_cert cert;
    EVP_PKEY *key;
    X509 *x509;

    ask_ok(w.r, "createProvisioningClaim", "{'templateName':'fleet'}");
    ask_keys("", "certificateId certificatePem keyPair expiration");
    ask_keys("keyPair", "PublicKey PrivateKey");
    ask_number("expiration", REG_T0 + 300);
    x509 = answered_cert("certificatePem");
    key = pki_key_from_pem(text_of("keyPair.PrivateKey"));
    assert_int_equal(X509_check_private_key(x509, key), 1);
    assert_true(EVP_PKEY_is_a(key, "EC"));
    assert_true(prov_cert_signed_by(x509, w.ca.x509));
    assert_true(prov_cert_validity(x509, &not_before_s, &not_after_s));
    assert_int_equal(not_after_s, REG_T0 + 300);
    assert_true(not_before_s < REG_T0 && not_before_s >= REG_T0 - 3600);
    cert = recorded(w.r, "certificateId");
    assert_span(cert.claim_template, "fleet");
    assert_int_equal(cert.status, PROV_CERT_ACTIVE);
    assert_int_equal(cert.not_after_s, REG_T0 + 300);
    ask_ok(w.r, "createProvisioningClaim", "{'templateName':'fleet','validitySeconds':2}");
    ask_number("expiration", REG_T0 + 2);
    ask_ok(w.r, "describeCertificate", "{'certificateId':'%s'}", ask_hex(&cert.id));
    ask_text("certificateDescription.claimTemplate", "fleet");
    ask_ok(w.r, "listCertificates", "{}");
    ask_count("certificates", 0);
    assert_string_equal(reg_problems(w.r), "");
    EVP_PKEY_free(key);
    X509_free(x509);
    end_world(&w);
}

static void claim_lives_five_minutes_at_most(void **state)
{
    struct world w = make_world(*state);

    ask_refused(w.r, "createProvisioningClaim", PROV_EINVAL, INVALID,
                "{'templateName':'fleet','validitySeconds':301}");
    ask_refused(w.r, "createProvisioningClaim", PROV_EINVAL, INVALID,
                "{'templateName':'fleet','validitySeconds':0}");
    ask_ok(w.r, "createProvisioningClaim", "{'templateName':'fleet','validitySeconds':300}");
    end_world(&w);
}

static void claim_for_what_is_no_fleet_template_is_refused(void **state)
{
    struct world w = make_world(*state);

    ask_refused(w.r, "createProvisioningClaim", PROV_ENOTFOUND, "ResourceNotFoundException",
                "{'templateName':'none'}");
    ask_ok(w.r, "updateProvisioningTemplate", "{'templateName':'fleet','enabled':false}");
    ask_refused(w.r, "createProvisioningClaim", PROV_EINVAL, INVALID, "{'templateName':'fleet'}");
    reg_template(w.r, "jitp",
                 "{'Resources':{'t':{'Type':'AWS::IoT::Thing','Properties':{'ThingName':'t'}}}}");
    ask_refused(w.r, "createProvisioningClaim", PROV_EINVAL, INVALID, "{'templateName':'jitp'}");
    ask_said("is of type JITP");
    ask_refused(w.r, "createProvisioningClaim", PROV_EINVAL, INVALID, "{}");
    ask_place("templateName", 0);
    end_world(&w);
}

static void kind_of_key_is_the_issuers_or_what_is_asked_for(void **state)
{
    struct world w = make_world(*state);
    EVP_PKEY *key;

    ask_ok(w.r, "createProvisioningClaim", "{'templateName':'fleet','keyType':'rsa2048'}");
    key = pki_key_from_pem(text_of("keyPair.PrivateKey"));
    assert_true(EVP_PKEY_is_a(key, "RSA"));
    EVP_PKEY_free(key);
    ask_refused(w.r, "createProvisioningClaim", PROV_EINVAL, INVALID,
                "{'templateName':'fleet','keyType':'rsa1024'}");
    ask_said("must be rsa2048 or ec-p256");
    ask_place("keyType", 0);
    end_world(&w);
}

/* ---- certificates ---------------------------------------------------------------------------- */

static void keys_and_certificate_are_made_and_registered(void **state)
{
    struct world w = make_world(*state);
    struct prov_id ca;
    struct prov_cert cert;
    EVP_PKEY *key;
    X509 *x509;

    ask_ok(w.r, "createKeysAndCertificate", "{}");
    ask_keys("", "certificateArn certificateId certificatePem keyPair");
    cert = recorded(w.r, "certificateId");
    assert_int_equal(cert.status, PROV_CERT_INACTIVE);
    assert_span(cert.common_name, "AWS IoT Certificate");
    assert_true(prov_id_is_zero(&cert.ca_id));
    assert_int_equal(cert.not_after_s, REG_T0 + INT64_C(365) * 86400);
    x509 = answered_cert("certificatePem");
    key = pki_key_from_pem(text_of("keyPair.PrivateKey"));
    assert_int_equal(X509_check_private_key(x509, key), 1);
    EVP_PKEY_free(key);
    X509_free(x509);
    ca = reg_ca(w.r, &w.ca, NULL);
    ask_ok(w.r, "createKeysAndCertificate", "{'setAsActive':true,'validityDays':3}");
    cert = recorded(w.r, "certificateId");
    assert_int_equal(cert.status, PROV_CERT_ACTIVE);
    assert_id(&cert.ca_id, &ca);
    assert_int_equal(cert.not_after_s, REG_T0 + 3 * 86400);
    ask_ok(w.r, "listCertificates", "{}");
    ask_count("certificates", 2);
    assert_string_equal(reg_problems(w.r), "");
    end_world(&w);
}

static void days_are_from_one_to_a_hundred_years(void **state)
{
    struct world w = make_world(*state);

    ask_ok(w.r, "createKeysAndCertificate", "{'validityDays':36500}");
    ask_refused(w.r, "createKeysAndCertificate", PROV_EINVAL, INVALID, "{'validityDays':0}");
    ask_place("validityDays", 0);
    ask_refused(w.r, "createKeysAndCertificate", PROV_EINVAL, INVALID, "{'validityDays':36501}");
    ask_refused(w.r, "createKeysAndCertificate", PROV_EINVAL, INVALID, "{'validityDays':1.5}");
    end_world(&w);
}

/* No certificate outlives its issuer, and what is recorded is what it says. */
static void record_has_the_validity_that_the_certificate_has(void **state)
{
    struct reg *r = *state;
    struct pki_cert ca = reg_pki(
        r, &(struct pki_spec){
               .subject = "/CN=Short", .ca = true, .not_before_s = -60, .not_after_s = 86400 });
    struct prov_issuing *issuing = ask_issuing_new(r, &ca, PROV_KEY_EC_P256);
    int64_t not_before_s, not_after_s;
    struct prov_cert cert;
    X509 *x509;

    ask_issuing(issuing);
    ask_ok(r, "createKeysAndCertificate", "{'validityDays':30}");
    cert = recorded(r, "certificateId");
    x509 = answered_cert("certificatePem");
    assert_true(prov_cert_validity(x509, &not_before_s, &not_after_s));
    assert_int_equal(not_after_s, REG_T0 + 86400);
    assert_int_equal(cert.not_after_s, not_after_s);
    assert_int_equal(cert.not_before_s, not_before_s);
    X509_free(x509);
    ask_issuing_free(issuing);
    pki_free(&ca);
}

/* With \n for line ends, living as long as the fixture. */
static const char *json_pem(struct reg *r, const char *pem)
{
    struct prov_buf text;
    struct prov_span kept;

    prov_buf_init(&text, 65536);
    for (; *pem != '\0'; pem++)
        prov_buf_add_str(&text, *pem == '\n' ? "\\n" : (char[]){ *pem, '\0' });
    kept = reg_json(r, prov_buf_cstr(&text));
    prov_buf_release(&text);
    return (const char *)kept.p;
}

static const char *make_csr(struct reg *r, EVP_PKEY *key, const char *subject)
{
    struct csr_spec spec = { .key = key, .subject = subject };
    struct prov_buf der = csr_der(&spec);
    char *pem = csr_pem(prov_buf_span(&der), NULL);
    const char *kept = json_pem(r, pem);

    free(pem);
    prov_buf_release(&der);
    return kept;
}

static void certificate_of_a_request_is_for_its_key_and_name(void **state)
{
    struct world w = make_world(*state);
    EVP_PKEY *key = pki_key_shared(PKI_P256);
    struct prov_cert cert;
    X509 *x509;

    ask_ok(w.r, "createCertificateFromCsr",
           "{'certificateSigningRequest':'%s','setAsActive':true,'validityDays':10}",
           make_csr(w.r, key, "/CN=dev-1"));
    ask_keys("", "certificateArn certificateId certificatePem");
    cert = recorded(w.r, "certificateId");
    assert_span(cert.common_name, "dev-1");
    assert_int_equal(cert.status, PROV_CERT_ACTIVE);
    assert_int_equal(cert.not_after_s, REG_T0 + 10 * 86400);
    x509 = answered_cert("certificatePem");
    assert_int_equal(X509_check_private_key(x509, key), 1);
    X509_free(x509);
    end_world(&w);
}

static void request_that_is_none_is_refused_where_it_stands(void **state)
{
    struct world w = make_world(*state);
    const char *const bad[] = { "", "nonsense",
                                make_csr(w.r, pki_key_shared(PKI_RSA_1024), "/CN=a"),
                                ask_pem(w.r, &w.ca) };

    for (size_t i = 0; i < PROV_COUNT(bad); i++) {
        ask_refused(w.r, "createCertificateFromCsr", PROV_EINVAL, INVALID,
                    "{'certificateSigningRequest':'%s'}", bad[i]);
        ask_place("certificateSigningRequest", 0);
    }
    ask_refused(w.r, "createCertificateFromCsr", PROV_EINVAL, INVALID, "{'setAsActive':true}");
    ask_ok(w.r, "listCertificates", "{}");
    ask_count("certificates", 0);
    end_world(&w);
}

/* ---- who signs ------------------------------------------------------------------------------- */

static void without_an_issuer_the_cure_is_told(void **state)
{
    struct reg *r = *state;

    reg_fleet_template(r, "fleet");
    ask_refused(r, "createProvisioningClaim", PROV_ENOTFOUND, NO_ISSUER,
                "{'templateName':'fleet'}");
    ask_said("`provctl issuer create`");
    ask_refused(r, "createKeysAndCertificate", PROV_ENOTFOUND, NO_ISSUER, "{}");
    ask_refused(r, "createCertificateFromCsr", PROV_ENOTFOUND, NO_ISSUER,
                "{'certificateSigningRequest':''}");
    assert_int_equal(prov_api_status(NO_ISSUER), 503);
}

/* Counts who asks for the issuer, and fails when told to. */
struct counting {
    struct prov_issuing base; /* the first */
    const struct prov_issuing *behind;
    bool fails;
    unsigned *asked;
};

static enum prov_rc count_and_give(const struct prov_issuing *self, const struct prov_issuer **out,
                                   struct prov_err *err)
{
    const struct counting *c = (const struct counting *)self;

    (*c->asked)++;
    if (c->fails)
        return prov_fail(err, PROV_ESIGNER, "InternalFailureException", "the token is gone");
    return c->behind->issuer(c->behind, out, err);
}

static struct prov_api_batch *prepared_batch(struct reg *r, const struct prov_issuing *issuing,
                                             const char *quoted)
{
    struct prov_api_batch *batch;

    assert_int_equal(prov_api_batch_new(reg_json(r, quoted), issuing, &batch), PROV_OK);
    assert_true(prov_api_batch_writes(batch));
    reg_read(r);
    reg_ok(r, prov_api_batch_prepare(batch, &r->tx));
    reg_write(r);
    return batch;
}

static void keep_answer(struct prov_api_batch *batch)
{
    struct prov_buf out;
    cJSON *tree;

    assert_int_equal(prov_api_batch_answer(batch, &out), PROV_OK);
    assert_int_equal(prov_json_parse(prov_buf_span(&out), PROV_MAX_API_PAYLOAD, &tree, NULL),
                     PROV_OK);
    ask_keep(tree);
    prov_buf_wipe(&out);
}

/* The writer only records, also when it has to begin again. */
static void what_was_prepared_is_not_made_again_by_the_writer(void **state)
{
    struct world w = make_world(*state);
    unsigned asked = 0;
    const struct counting counting = {
        { count_and_give, 365, PROV_KEY_EC_P256 }, w.issuing, false, &asked
    };
    struct prov_api_batch *batch =
        prepared_batch(w.r, &counting.base,
                       "{'commands':[{'command':'createKeysAndCertificate','correlationData':'1'},"
                       "{'command':'createProvisioningClaim','templateName':'fleet'}]}");
    char first[PROV_ID_HEX + 1];

    assert_int_equal(asked, 2);
    reg_ok(w.r, prov_api_batch_run(batch, &w.r->tx));
    keep_answer(batch);
    (void)snprintf(first, sizeof first, "%s", text_of("responses[0].data.certificateId"));
    reg_abort(w.r);
    reg_ok(w.r, prov_api_batch_run(batch, &w.r->tx));
    keep_answer(batch);
    assert_int_equal(asked, 2);
    ask_text("responses[0].correlationData", "1");
    ask_text("responses[0].data.certificateId", first);
    assert_true(ask_at("responses[1].data.keyPair.PrivateKey") != NULL);
    prov_api_batch_free(batch);
    end_world(&w);
}

static void what_could_not_be_prepared_is_refused_without_trying_again(void **state)
{
    struct world w = make_world(*state);
    unsigned asked = 0;
    const struct counting counting = {
        { count_and_give, 365, PROV_KEY_EC_P256 }, w.issuing, true, &asked
    };
    struct prov_api_batch *batch =
        prepared_batch(w.r, &counting.base,
                       "{'commands':[{'command':'createKeysAndCertificate'},"
                       "{'command':'createThing','thingName':'a'},"
                       "{'command':'createKeysAndCertificate','keyTyp':'rsa2048'}]}");

    reg_ok(w.r, prov_api_batch_run(batch, &w.r->tx));
    keep_answer(batch);
    assert_int_equal(asked, 1);
    ask_text("responses[0].error", "the token is gone");
    ask_text("responses[0].errorClass", "signer");
    ask_text("responses[1].data.thingName", "a");
    ask_text("responses[2].path", "keyTyp");
    prov_api_batch_free(batch);
    end_world(&w);
}

/* Slower for others, and right. */
static void message_that_was_not_prepared_is_run_all_the_same(void **state)
{
    struct world w = make_world(*state);
    struct prov_api_batch *batch;

    assert_int_equal(
        prov_api_batch_new(reg_json(w.r, "{'commands':[{'command':'createKeysAndCertificate'}]}"),
                           w.issuing, &batch),
        PROV_OK);
    reg_ok(w.r, prov_api_batch_run(batch, &w.r->tx));
    keep_answer(batch);
    assert_true(ask_at("responses[0].data.keyPair") != NULL);
    prov_api_batch_free(batch);
    end_world(&w);
}

/* ---- what is left ---------------------------------------------------------------------------- */

static void look_for_keys(void *ctx, const struct prov_api_op *op, const char *command,
                          struct prov_span subject, const struct prov_err *error)
{
    unsigned *n = ctx;

    (void)op;
    (void)command;
    assert_null(error);
    assert_true(subject.n >= PROV_ID_HEX);
    assert_null(memmem(subject.p, subject.n, "KEY", 3));
    (*n)++;
}

static void audit_log_hears_of_certificates_and_of_no_key(void **state)
{
    struct world w = make_world(*state);
    struct prov_api_batch *batch =
        prepared_batch(w.r, w.issuing,
                       "{'commands':[{'command':'createKeysAndCertificate'},"
                       "{'command':'createProvisioningClaim','templateName':'fleet'}]}");
    unsigned n = 0;

    reg_ok(w.r, prov_api_batch_run(batch, &w.r->tx));
    prov_api_batch_each(batch, look_for_keys, &n);
    assert_int_equal(n, 2);
    prov_api_batch_free(batch);
    end_world(&w);
}

/* What cJSON gives back still has on it what was there. */
static unsigned keys_given_back;

static void free_and_look(void *p)
{
    if (p != NULL && memmem(p, malloc_usable_size(p), "PRIVATE KEY", 11) != NULL)
        keys_given_back++;
    free(p);
}

static void no_json_with_a_key_is_freed_unwiped(void **state)
{
    cJSON_Hooks hooks = { malloc, free_and_look };
    struct world w = make_world(*state);
    struct prov_api_batch *batch;
    struct prov_buf out;

    keys_given_back = 0;
    cJSON_InitHooks(&hooks);
    batch = prepared_batch(w.r, w.issuing,
                           "{'commands':[{'command':'createKeysAndCertificate','keyType':"
                           "'rsa2048'},{'command':'createProvisioningClaim','templateName':"
                           "'fleet'}]}");
    reg_ok(w.r, prov_api_batch_run(batch, &w.r->tx));
    reg_abort(w.r);
    reg_ok(w.r, prov_api_batch_run(batch, &w.r->tx));
    assert_int_equal(prov_api_batch_answer(batch, &out), PROV_OK);
    assert_non_null(memmem(out.p, out.n, "PRIVATE KEY", 11));
    prov_buf_wipe(&out);
    prov_api_batch_free(batch);
    ask_ok(w.r, "createKeysAndCertificate", "{}");
    prov_api_drop(cJSON_Duplicate(ask_data(), true));
    assert_int_equal(keys_given_back, 0);
    ask_keep(NULL); /* which does not care */
    assert_int_equal(keys_given_back, 1);
    cJSON_InitHooks(NULL);
    end_world(&w);
}

static enum prov_rc make_all(struct reg *r, void *ctx)
{
    const struct prov_issuing *issuing = ctx;
    struct prov_api_batch *batch = NULL;
    struct prov_buf out = { 0 };
    enum prov_rc rc;

    rc = prov_api_batch_new(S("{\"commands\":[{\"command\":\"createKeysAndCertificate\"},"
                              "{\"command\":\"createProvisioningClaim\",\"templateName\":"
                              "\"fleet\"}]}"),
                            issuing, &batch);
    if (rc == PROV_OK)
        rc = prov_api_batch_prepare(batch, &r->tx);
    if (rc == PROV_OK)
        rc = prov_api_batch_run(batch, &r->tx);
    if (rc == PROV_OK)
        rc = prov_api_batch_answer(batch, &out);
    prov_buf_wipe(&out);
    prov_api_batch_free(batch);
    return rc;
}

static void each_failing_allocation_leaves_nothing_behind(void **state)
{
    struct world w = make_world(*state);

    assert_true(reg_each_allocation(w.r, make_all, w.issuing) > 20);
    end_world(&w);
}

static const struct CMUnitTest api_issue[] = {
    ASK_TEST(claim_is_a_certificate_and_its_key_for_five_minutes),
    ASK_TEST(claim_lives_five_minutes_at_most),
    ASK_TEST(claim_for_what_is_no_fleet_template_is_refused),
    ASK_TEST(kind_of_key_is_the_issuers_or_what_is_asked_for),
    ASK_TEST(keys_and_certificate_are_made_and_registered),
    ASK_TEST(days_are_from_one_to_a_hundred_years),
    ASK_TEST(record_has_the_validity_that_the_certificate_has),
    ASK_TEST(certificate_of_a_request_is_for_its_key_and_name),
    ASK_TEST(request_that_is_none_is_refused_where_it_stands),
    ASK_TEST(without_an_issuer_the_cure_is_told),
    ASK_TEST(what_was_prepared_is_not_made_again_by_the_writer),
    ASK_TEST(what_could_not_be_prepared_is_refused_without_trying_again),
    ASK_TEST(message_that_was_not_prepared_is_run_all_the_same),
    ASK_TEST(audit_log_hears_of_certificates_and_of_no_key),
    ASK_TEST(no_json_with_a_key_is_freed_unwiped),
    ASK_TEST(each_failing_allocation_leaves_nothing_behind),
};

REG_MAIN(api_issue)
