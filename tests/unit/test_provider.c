/* What a certificate provider is asked and what it may answer (reference section 10). */
#include "support/reg_fixture.h"

#include <cjson/cJSON.h>
#include <openssl/x509.h>

#include "core/hook.h"
#include "core/ident.h"
#include "core/json.h"
#include "core/provider.h"
#include "support/alloc.h"

#define PEM "-----BEGIN CERTIFICATE REQUEST-----\nab+/\n-----END CERTIFICATE REQUEST-----\n"

static const struct prov_provider_request request = {
    .csr = { (const uint8_t *)PEM, sizeof PEM - 1 },
    .principal_id = { (const uint8_t *)"00ff", 4 },
    .client_id = { (const uint8_t *)"a \"quoted\" \xc3\xa5", 13 },
};

static void request_has_the_csr_the_claim_and_the_client_id(void **state)
{
    static const char *const fields[][2] = {
        { "certificateSigningRequest", PEM },
        { "principalId", "00ff" },
        { "clientId", "a \"quoted\" \xc3\xa5" },
    };
    struct prov_err err = { 0 };
    struct prov_buf out;
    cJSON *doc = NULL;

    (void)state;
    prov_buf_init(&out, 4096);
    prov_buf_add_str(&out, "what it held");
    assert_int_equal(prov_provider_request_json(&request, &out), PROV_OK);
    assert_int_equal(prov_json_parse(prov_buf_span(&out), 4096, &doc, &err), PROV_OK);
    assert_int_equal(cJSON_GetArraySize(doc), PROV_COUNT(fields));
    for (size_t i = 0; i < PROV_COUNT(fields); i++) {
        const cJSON *item = cJSON_GetArrayItem(doc, (int)i);

        assert_string_equal(item->string, fields[i][0]);
        assert_string_equal(item->valuestring, fields[i][1]);
    }
    cJSON_Delete(doc);
    prov_buf_release(&out);
}

static void request_that_does_not_fit_is_too_big(void **state)
{
    struct prov_buf out;
    size_t n;

    (void)state;
    prov_buf_init(&out, 4096);
    assert_int_equal(prov_provider_request_json(&request, &out), PROV_OK);
    n = out.n;
    prov_buf_release(&out);
    prov_buf_init(&out, n);
    assert_int_equal(prov_provider_request_json(&request, &out), PROV_OK);
    prov_buf_release(&out);
    prov_buf_init(&out, n - 1);
    assert_int_equal(prov_provider_request_json(&request, &out), PROV_ETOOBIG);
    prov_buf_release(&out);
}

/* ---- answers --------------------------------------------------------------------------------- */

struct certs {
    struct pki_cert first, second;
    char *pem[2];
};

static int setup(void **state)
{
    struct certs *c = calloc(1, sizeof *c);

    assert_non_null(c);
    c->first = pki_make(&(struct pki_spec){ .subject = "/CN=first" });
    c->second = pki_make(&(struct pki_spec){ .subject = "/CN=second" });
    c->pem[0] = pki_pem(c->first.x509);
    c->pem[1] = pki_pem(c->second.x509);
    *state = c;
    return 0;
}

static int teardown(void **state)
{
    struct certs *c = *state;

    free(c->pem[0]);
    free(c->pem[1]);
    pki_free(&c->first);
    pki_free(&c->second);
    free(c);
    return 0;
}

/* {"<key>": "<before><first certificate><behind>"<more>} */
static char *answer_text(const char *key, const char *before, const char *pem, const char *behind,
                         const char *more)
{
    const size_t n = strlen(before) + strlen(pem) + strlen(behind) + 1;
    char *value = malloc(n), *text = NULL, *quoted;
    cJSON *item;

    assert_non_null(value);
    (void)snprintf(value, n, "%s%s%s", before, pem, behind);
    item = cJSON_CreateString(value);
    quoted = cJSON_PrintUnformatted(item);
    assert_true(asprintf(&text, "{\"%s\":%s%s}", key, quoted, more) > 0);
    cJSON_free(quoted);
    cJSON_Delete(item);
    free(value);
    return text;
}

static void assert_first(const struct certs *c, const struct prov_buf *der)
{
    size_t n;
    uint8_t *expected = pki_der(c->first.x509, &n);

    assert_int_equal(der->n, n);
    assert_memory_equal(der->p, expected, n);
    free(expected);
}

static void first_certificate_of_the_answer_counts(void **state)
{
    const struct certs *c = *state;
    const struct {
        const char *before, *behind, *more;
    } rows[] = {
        { "", "", "" },
        { "", c->pem[1], "" }, /* a chain */
        { "subject=CN = first\n", "\nthat was it\n", "" },
        { "", "", ",\"certificateChain\":[1,null],\"CertificatePem\":7" },
    };

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        char *text =
            answer_text("certificatePem", rows[i].before, c->pem[0], rows[i].behind, rows[i].more);
        struct prov_err err = { 0 };
        struct prov_buf der;

        prov_buf_init(&der, PROV_MAX_CERT_DER);
        assert_int_equal(prov_provider_answer(S(text), &der, &err), PROV_OK);
        assert_first(c, &der);
        prov_buf_release(&der);
        free(text);
    }
}

static void answers_that_do_not_count_say_why(void **state)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        { "", NULL },
        { "-----BEGIN CERTIFICATE-----", NULL },
        { "[]", "there is no certificatePem" },
        { "null", "there is no certificatePem" },
        { "{}", "there is no certificatePem" },
        { "{\"CertificatePem\":\"x\"}", "there is no certificatePem" },
        { "{\"certificatePem\":null}", "certificatePem must be text" },
        { "{\"certificatePem\":[\"x\"]}", "certificatePem must be text" },
        { "{\"certificatePem\":\"\"}", "the certificate is empty" },
        { "{\"certificatePem\":\"x\"}", NULL },
        { "{\"certificatePem\":\"x\",\"certificatePem\":\"x\"}", NULL },
        { "{\"certificatePem\":\"-----BEGIN PRIVATE KEY-----\\nAAAA\\n-----END PRIVATE "
          "KEY-----\\n\"}",
          NULL },
        { "{\"certificatePem\":\"-----BEGIN CERTIFICATE-----\\nAAAA\\n-----END "
          "CERTIFICATE-----\\n\"}",
          NULL },
    };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct prov_err err = { 0 };
        struct prov_buf der;

        print_message("%s\n", rows[i].text);
        prov_buf_init(&der, PROV_MAX_CERT_DER);
        assert_int_equal(prov_provider_answer(S(rows[i].text), &der, &err), PROV_EINVAL);
        assert_int_equal(err.rc, PROV_EINVAL);
        assert_true(err.text[0] != '\0');
        if (rows[i].why != NULL)
            assert_string_equal(err.text, rows[i].why);
        assert_int_equal(der.n, 0);
        prov_buf_release(&der);
    }
}

static void answer_may_be_as_long_as_hooks_may_answer(void **state)
{
    const struct certs *c = *state;
    char *text = answer_text("certificatePem", "", c->pem[0], "", "");
    struct prov_err err = { 0 };
    struct prov_buf padded, der;

    prov_buf_init(&padded, PROV_MAX_HOOK_ANSWER + 1);
    prov_buf_init(&der, PROV_MAX_CERT_DER);
    prov_buf_add_str(&padded, text);
    while (padded.n < PROV_MAX_HOOK_ANSWER)
        prov_buf_add_u8(&padded, ' ');
    assert_int_equal(prov_provider_answer(prov_buf_span(&padded), &der, &err), PROV_OK);
    assert_first(c, &der);
    prov_buf_clear(&der);
    prov_buf_add_u8(&padded, ' ');
    assert_int_equal(prov_provider_answer(prov_buf_span(&padded), &der, &err), PROV_ETOOBIG);
    assert_true(err.text[0] != '\0');
    assert_int_equal(der.n, 0);
    prov_buf_release(&padded);
    prov_buf_release(&der);
    free(text);
}

static void certificate_that_is_too_long_is_refused_in_words(void **state)
{
    char *san = malloc(40000), *pem, *text;
    struct prov_err err = { 0 };
    struct pki_cert large;
    struct prov_buf der;
    size_t n = 0;

    (void)state;
    assert_non_null(san);
    while (n < 20000)
        n += (size_t)snprintf(san + n, 64, "%sDNS:host-%zu.example.org", n == 0 ? "" : ",", n);
    large = pki_make(&(struct pki_spec){ .subject = "/CN=large", .san = san });
    pem = pki_pem(large.x509);
    text = answer_text("certificatePem", "", pem, "", "");
    prov_buf_init(&der, PROV_MAX_CERT_DER);
    assert_int_equal(prov_provider_answer(S(text), &der, &err), PROV_ETOOBIG);
    assert_true(err.text[0] != '\0');
    assert_int_equal(der.n, 0);
    prov_buf_release(&der);
    free(text);
    free(pem);
    pki_free(&large);
    free(san);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void request_survives_each_failing_allocation(void **state)
{
    struct prov_buf out;
    enum prov_rc rc;
    unsigned n = 0;

    (void)state;
    for (;;) {
        prov_buf_init(&out, 4096);
        alloc_fail_at(++n);
        rc = prov_provider_request_json(&request, &out);
        prov_buf_release(&out);
        if (!alloc_failed())
            break;
        assert_int_equal(rc, PROV_ENOMEM);
    }
    assert_int_equal(rc, PROV_OK);
    assert_true(n > 5);
}

static unsigned fail_answer_at_each(const char *text, bool with_openssl)
{
    struct prov_err err = { 0 };
    struct prov_buf der;
    bool struck = true;
    enum prov_rc rc = PROV_OK;
    unsigned n = 0;

    while (struck) {
        prov_buf_init(&der, PROV_MAX_CERT_DER);
        alloc_count_openssl(with_openssl);
        alloc_fail_at(++n);
        rc = prov_provider_answer(S(text), &der, &err);
        struck = alloc_failed();
        alloc_count_openssl(false);
        prov_buf_release(&der);
        if (struck && !with_openssl)
            assert_int_equal(rc, PROV_ENOMEM);
    }
    assert_int_equal(rc, PROV_OK);
    return n - 1;
}

static void answer_survives_each_failing_allocation(void **state)
{
    const struct certs *c = *state;
    char *text = answer_text("certificatePem", "", c->pem[0], "", "");

    assert_true(fail_answer_at_each(text, false) > 3);
    assert_true(fail_answer_at_each(text, true) > 20);
    free(text);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_has_the_csr_the_claim_and_the_client_id),
        cmocka_unit_test(request_that_does_not_fit_is_too_big),
        cmocka_unit_test_setup_teardown(first_certificate_of_the_answer_counts, setup, teardown),
        cmocka_unit_test(answers_that_do_not_count_say_why),
        cmocka_unit_test_setup_teardown(answer_may_be_as_long_as_hooks_may_answer, setup, teardown),
        cmocka_unit_test(certificate_that_is_too_long_is_refused_in_words),
        cmocka_unit_test(request_survives_each_failing_allocation),
        cmocka_unit_test_setup_teardown(answer_survives_each_failing_allocation, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
