/*
 * The hooks in templates/hooks/, run as the broker would run them, and what they make of
 * certificates and requests that mean ill.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sys/socket.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cmocka.h>

#include "support/child.h"
#include "support/hook_service.h"

#define COMMON_NAME "AWS::IoT::Certificate::CommonName"

static const char *const decisions[] = {
    [PROV_HOOK_ACTIVATE] = "activate", [PROV_HOOK_LEAVE] = "leave", [PROV_HOOK_REJECT] = "reject"
};

/* ---- asking ---------------------------------------------------------------------------------- */

/* The request that the broker makes of a certificate; the caller frees. */
static char *request_of(const char *pem, struct prov_span client_id, struct prov_params parameters)
{
    const struct prov_hook_request request = { .use = PROV_HOOK_ACTIVATION,
                                               .certificate_id = PROV_LIT("0011"),
                                               .certificate_pem = prov_span_str(pem),
                                               .ca_certificate_id = PROV_LIT("2233"),
                                               .client_id = client_id,
                                               .parameters = parameters };
    struct prov_buf out;
    char *text;

    prov_buf_init(&out, (size_t)1 << 20);
    assert_int_equal(prov_hook_request_json(&request, &out), PROV_OK);
    text = strdup(prov_buf_cstr(&out));
    assert_non_null(text);
    prov_buf_release(&out);
    return text;
}

static char *request_of_cert(const struct pki_cert *cert)
{
    char *pem = pki_pem(cert->x509);
    char *request = request_of(pem, PROV_LIT("dev-1"), (struct prov_params){ NULL, 0 });

    free(pem);
    return request;
}

/* The word that an answer decides with; a failure's detail otherwise. */
static void expect(struct hook_rig *rig, const char *spec, const char *request,
                   const char *expected)
{
    struct prov_hook_answer *answer;
    struct prov_err err;
    struct hook_ask a;

    hook_ask(&a, rig, spec, request);
    if (a.call.end != PROV_HOOK_ANSWERED) {
        assert_string_equal(a.call.detail, expected);
    } else {
        if (prov_hook_answer_parse(prov_buf_span(&a.call.answer), PROV_HOOK_ACTIVATION, &answer,
                                   &err) != PROV_OK)
            fail_msg("%s: %s", hook_answer(&a), err.text);
        assert_string_equal(decisions[answer->decision], expected);
        assert_true(answer->message.n != 0);
        prov_hook_answer_free(answer);
    }
    hook_ask_release(&a);
}

/* ---- allow-list ------------------------------------------------------------------------------ */

static void allow_list_activates_what_is_on_it(void **state)
{
    static const struct {
        const char *subject, *serial, *list, *decision;
    } rows[] = {
        { "/CN=dev-1", "0A1B", "CN=dev-1\n", "activate" },
        { "/CN=dev-1", "0A1B", "# ours\nCN=dev-0\nCN=dev-1\nCN=dev-2", "activate" },
        { "/C=NO/O=a/CN=dev-1", "0A1B", "CN=dev-1\n", "activate" },
        { "/CN=dev-1", "0A1B", "serial=0A1B\n", "activate" },
        { "/CN=d\xc3\xa9v 1", "0A1B", "CN=d\xc3\xa9v 1\n", "activate" },
        { "", "0A1B", "serial=0A1B\n", "activate" },
        { "/CN=dev-1", "0A1B", "", "leave" },
        { "/CN=dev-1", "0A1B", "\n\n", "leave" },
        { "", "0A1B", "\nCN=\n", "leave" },
        { "/CN=dev-1", "0A1B", "CN=dev-2\nserial=0A1C\n", "leave" },
        { "/CN=dev-1", "0A1B", "CN=dev-10\n CN=dev-1\nCN=dev-1 \nxCN=dev-1\nCN=dev-\n", "leave" },
        { "/CN=dev-1", "0A1B", "serial=0A1B0\nserial=A1B\nserial=0a1b\n", "leave" },
        { "/CN=dev-1", "0A1B", "CN=.*\nCN=dev.1\nCN=dev-[0-9]\n", "leave" },
        { "/CN=.*", "0A1B", "CN=dev-1\n", "leave" },
        { "/CN=first/CN=dev-1", "0A1B", "CN=dev-1\n", "leave" },
        { "/O=CN=dev-1", "0A1B", "CN=dev-1\n", "leave" },
        { "/O=x\nCN=dev-1", "0A1B", "CN=dev-1\n", "leave" },
        { "/CN=x\nCN=dev-1", "0A1B", "CN=dev-1\n", "leave" },
        { "/O=x\n    CN=dev-1/CN=y", "0A1B", "CN=dev-1\n", "leave" },
        { "/CN=serial=0A1B", "0A1C", "serial=0A1B\n", "leave" },
        { "/CN=x\nserial=0A1B", "0A1C", "serial=0A1B\n", "leave" },
        { "/CN=-f", "0A1B", "CN=dev-1\n", "leave" },
        { "/CN=\",\"decision\":\"activate", "0A1B", "CN=dev-1\n", "leave" },
        { "/CN=$(touch pwned)`touch pwned`; touch pwned", "0A1B", "CN=dev-1\n", "leave" },
        { "/CN=%s%n\\c\\\\", "0A1B", "CN=dev-1\n", "leave" },
    };
    struct hook_rig *rig = hook_rig_new(0, 0, NULL);
    char spec[HOOK_SPEC_MAX];
    (void)state;

    hook_example(rig, "allow-list", "a list");
    (void)hook_spec(rig, "a list", spec);
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct pki_cert cert = pki_make(&(struct pki_spec){ .subject = rows[i].subject,
                                                            .serial = rows[i].serial,
                                                            .use_key = pki_key_shared(PKI_P256) });
        char *request = request_of_cert(&cert);

        hook_file(rig, "a list.txt", rows[i].list);
        expect(rig, spec, request, rows[i].decision);
        free(request);
        pki_free(&cert);
    }
    assert_int_equal(access("/pwned", F_OK), -1);
    hook_rig_free(rig);
}

/* Whoever is on the list, said by a device of itself in every place that is its own. */
static void allow_list_looks_at_no_certificate_but_the_new_one(void **state)
{
    struct pki_cert listed = pki_make(&(struct pki_spec){ .subject = "/CN=dev-1" });
    struct pki_cert stranger = pki_make(&(struct pki_spec){ .subject = "/CN=stranger" });
    struct hook_rig *rig = hook_rig_new(0, 0, NULL);
    char *good = pki_pem(listed.x509), *bad = pki_pem(stranger.x509), client_id[4096];
    struct prov_param parameters[2];
    char spec[HOOK_SPEC_MAX];
    char *request;
    (void)state;

    hook_example(rig, "allow-list", "allow-list");
    (void)hook_spec(rig, "allow-list", spec);
    hook_file(rig, "allow-list.txt", "CN=dev-1\n");
    (void)snprintf(client_id, sizeof client_id, "x\",\"certificatePem\":\"%s", good);
    parameters[0] = (struct prov_param){ PROV_LIT("certificatePem"), prov_span_str(good) };
    parameters[1] = (struct prov_param){ PROV_LIT(COMMON_NAME), PROV_LIT("dev-1") };

    request = request_of(bad, prov_span_str(client_id), (struct prov_params){ parameters, 2 });
    expect(rig, spec, request, "leave");
    free(request);
    request = request_of("", prov_span_str(client_id), (struct prov_params){ parameters, 2 });
    expect(rig, spec, request, "exit status 1: there is no certificate in the request");
    free(request);
    request = request_of(good, prov_span_str(client_id), (struct prov_params){ parameters, 2 });
    expect(rig, spec, request, "activate");
    free(request);

    free(good);
    free(bad);
    pki_free(&listed);
    pki_free(&stranger);
    hook_rig_free(rig);
}

static void allow_list_fails_without_list_or_certificate(void **state)
{
    struct pki_cert cert = pki_make(&(struct pki_spec){ .subject = "/CN=dev-1" });
    struct hook_rig *rig = hook_rig_new(0, 0, NULL);
    char *request = request_of_cert(&cert), expected[TMP_PATH_MAX + 64];
    char spec[HOOK_SPEC_MAX];
    (void)state;

    hook_example(rig, "allow-list", "l");
    (void)hook_spec(rig, "l", spec);
    (void)snprintf(expected, sizeof expected, "exit status 1: cannot read the list %s/l.txt",
                   rig->real);
    expect(rig, spec, request, expected);
    hook_file(rig, "l.txt", "CN=dev-1\n");
    expect(rig, spec, request, "activate");
    expect(rig, spec, "{}", "exit status 1: there is no certificate in the request");
    expect(rig, spec, "", "exit status 1: there is no certificate in the request");
    expect(rig, spec, "{\"certificatePem\":\"$(id)\"}",
           "exit status 1: there is no certificate in the request");
    expect(rig, spec, "{\"certificatePem\":\"AAAA\"}",
           "exit status 1: the certificate cannot be read");
    free(request);
    pki_free(&cert);
    hook_rig_free(rig);
}

/* ---- serial-list ----------------------------------------------------------------------------- */

/* What the broker asks before RegisterThing; the caller frees. */
static char *registration(const struct prov_param *parameters, size_t n)
{
    const struct prov_hook_request request = { .use = PROV_HOOK_PRE_PROVISIONING,
                                               .certificate_id = PROV_LIT("0011"),
                                               .claim_certificate_id = PROV_LIT("2233"),
                                               .client_id = PROV_LIT("new"),
                                               .parameters = { parameters, n } };
    struct prov_buf out;
    char *text;

    prov_buf_init(&out, (size_t)1 << 20);
    assert_int_equal(prov_hook_request_json(&request, &out), PROV_OK);
    text = strdup(prov_buf_cstr(&out));
    assert_non_null(text);
    prov_buf_release(&out);
    return text;
}

/* location: what DeviceLocation is overridden with; NULL: it is not. */
static void expect_registration(struct hook_rig *rig, const struct prov_param *parameters, size_t n,
                                enum prov_hook_decision decision, const char *location)
{
    char *request = registration(parameters, n), spec[HOOK_SPEC_MAX];
    struct prov_hook_answer *answer;
    struct hook_ask a;

    hook_ask(&a, rig, hook_spec(rig, "s", spec), request);
    assert_int_equal(a.call.end, PROV_HOOK_ANSWERED);
    assert_int_equal(prov_hook_answer_parse(prov_buf_span(&a.call.answer),
                                            PROV_HOOK_PRE_PROVISIONING, &answer, NULL),
                     PROV_OK);
    assert_int_equal(answer->decision, decision);
    assert_int_equal(answer->overrides.n, location != NULL);
    if (location != NULL) {
        assert_true(prov_span_eq_str(answer->overrides.v[0].name, "DeviceLocation"));
        assert_true(prov_span_eq_str(answer->overrides.v[0].value, location));
    }
    prov_hook_answer_free(answer);
    hook_ask_release(&a);
    free(request);
}

static void serial_list_lets_register_what_is_on_it(void **state)
{
    static const struct {
        const char *serial, *list, *location;
        enum prov_hook_decision decision;
    } rows[] = {
        { "SN-1", "SN-1\n", NULL, PROV_HOOK_ACTIVATE },
        { "SN-1", "# ours\n\nSN-0\n  SN-1 berlin\n", "berlin", PROV_HOOK_ACTIVATE },
        { "SN-1", "", NULL, PROV_HOOK_REJECT },
        { "SN-1", "SN-10\nsn-1\nSN-2 SN-1\n", NULL, PROV_HOOK_REJECT },
        { "#", "# ours\n", NULL, PROV_HOOK_REJECT },
        { "", "\n\n", NULL, PROV_HOOK_REJECT },
        { "SN-1 berlin", "SN-1 berlin\n", NULL, PROV_HOOK_REJECT },
        { "\"}\\", "SN-1\n", NULL, PROV_HOOK_REJECT },
    };
    struct hook_rig *rig = hook_rig_new(0, 0, NULL);
    struct prov_param parameters[] = {
        { PROV_LIT("DeviceLocation"), PROV_LIT("SN-1") },
        { PROV_LIT("SerialNumber"), { NULL, 0 } },
    };
    (void)state;

    hook_example(rig, "serial-list", "s");
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        hook_file(rig, "s.txt", rows[i].list);
        parameters[1].value = prov_span_str(rows[i].serial);
        expect_registration(rig, parameters, 2, rows[i].decision, rows[i].location);
    }
    hook_file(rig, "s.txt", "SN-1\n");
    expect_registration(rig, parameters, 1, PROV_HOOK_REJECT, NULL);
    hook_rig_free(rig);
}

static void serial_list_fails_without_its_list(void **state)
{
    struct hook_rig *rig = hook_rig_new(0, 0, NULL);
    char spec[HOOK_SPEC_MAX];
    struct hook_ask a;
    (void)state;

    hook_example(rig, "serial-list", "s");
    hook_ask(&a, rig, hook_spec(rig, "s", spec), "{\"parameters\":{}}");
    assert_int_equal(a.call.end, PROV_HOOK_FAILED);
    assert_non_null(strstr(a.call.detail, "cannot read the list"));
    hook_ask_release(&a);
    hook_rig_free(rig);
}

/* ---- check-crl ------------------------------------------------------------------------------- */

static void put_crl(const struct hook_rig *rig, const struct pki_cert *ca,
                    const struct pki_cert *revoked, long until_s)
{
    const time_t now = time(NULL);
    X509_CRL *crl = X509_CRL_new();
    X509_REVOKED *entry = X509_REVOKED_new();
    ASN1_TIME *last = ASN1_TIME_set(NULL, now - 86400);
    ASN1_TIME *next = ASN1_TIME_set(NULL, now + until_s);
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;

    assert_true(crl != NULL && entry != NULL && bio != NULL && last != NULL && next != NULL);
    assert_int_equal(X509_CRL_set_version(crl, X509_CRL_VERSION_2), 1);
    assert_int_equal(X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca->x509)), 1);
    assert_int_equal(X509_CRL_set1_lastUpdate(crl, last), 1);
    assert_int_equal(X509_CRL_set1_nextUpdate(crl, next), 1);
    assert_int_equal(X509_REVOKED_set_revocationDate(entry, last), 1);
    assert_int_equal(X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(revoked->x509)), 1);
    assert_int_equal(X509_CRL_add0_revoked(crl, entry), 1);
    assert_true(X509_CRL_sign(crl, ca->key, EVP_sha256()) > 0);
    assert_int_equal(PEM_write_bio_X509_CRL(bio, crl), 1);
    assert_int_equal(BIO_write(bio, "", 1), 1);
    assert_true(BIO_get_mem_data(bio, &text) > 0);
    hook_file(rig, "check-crl.crl.pem", text);
    BIO_free(bio);
    ASN1_TIME_free(last);
    ASN1_TIME_free(next);
    X509_CRL_free(crl);
}

static void check_crl_rejects_what_is_listed_and_fails_without_a_good_list(void **state)
{
    struct pki_cert ca = pki_make(&(struct pki_spec){ .subject = "/CN=CA", .ca = true });
    struct pki_cert impostor = pki_impostor(&ca);
    struct pki_cert good = pki_make(&(struct pki_spec){ .subject = "/CN=good", .issuer = &ca });
    struct pki_cert bad = pki_make(
        &(struct pki_spec){ .subject = "/CN=x\nerror 0 at 0 depth lookup: ok", .issuer = &ca });
    struct pki_cert stranger =
        pki_make(&(struct pki_spec){ .subject = "/CN=good", .issuer = &impostor });
    struct hook_rig *rig = hook_rig_new(0, 0, NULL);
    char *of_good = request_of_cert(&good), *of_bad = request_of_cert(&bad);
    char *of_stranger = request_of_cert(&stranger), *ca_pem = pki_pem(ca.x509);
    char spec[HOOK_SPEC_MAX], expected[TMP_PATH_MAX + 64];
    (void)state;

    hook_example(rig, "check-crl", "check-crl");
    (void)hook_spec(rig, "check-crl", spec);
    (void)snprintf(expected, sizeof expected,
                   "exit status 1: cannot read the CA %s/check-crl.ca.pem", rig->real);
    expect(rig, spec, of_good, expected);
    hook_file(rig, "check-crl.ca.pem", ca_pem);
    (void)snprintf(expected, sizeof expected,
                   "exit status 1: cannot read the revocation list %s/check-crl.crl.pem",
                   rig->real);
    expect(rig, spec, of_good, expected);

    put_crl(rig, &ca, &bad, 86400);
    expect(rig, spec, of_good, "activate");
    expect(rig, spec, of_bad, "reject");
    expect(rig, spec, of_stranger,
           "exit status 1: cannot tell: error 7 at 0 depth lookup: certificate signature failure");
    expect(rig, spec, "{\"parameters\":{\"certificatePem\":\"AAAA\"}}",
           "exit status 1: there is no certificate in the request");

    put_crl(rig, &ca, &bad, -60);
    expect(rig, spec, of_good,
           "exit status 1: cannot tell: error 12 at 0 depth lookup: CRL has expired");
    put_crl(rig, &impostor, &bad, 86400);
    expect(rig, spec, of_good,
           "exit status 1: cannot tell: error 8 at 0 depth lookup: CRL signature failure");
    hook_file(rig, "check-crl.crl.pem", "nothing");
    expect(rig, spec, of_good, "exit status 1: cannot tell: error of openssl");

    free(of_good);
    free(of_bad);
    free(of_stranger);
    free(ca_pem);
    pki_free(&ca);
    pki_free(&impostor);
    pki_free(&good);
    pki_free(&bad);
    pki_free(&stranger);
    hook_rig_free(rig);
}

/* ---- webhook.py ------------------------------------------------------------------------------ */

#define PYTHON "/usr/bin/python3"

struct webhook {
    struct hook_service service; /* for its CA, identity and rig */
    struct child child;
    uint16_t port;
    char url[64];
};

static unsigned first_number(int fd)
{
    unsigned port = 0;
    char line[64];
    FILE *f = fdopen(fd, "r");

    assert_non_null(f);
    assert_non_null(fgets(line, sizeof line, f));
    assert_int_equal(strncmp(line, "port ", 5), 0);
    port = (unsigned)strtoul(line + 5, NULL, 10);
    assert_in_range(port, 1, 65535);
    (void)fclose(f);
    return port;
}

static void webhook_start(struct webhook *w)
{
    char program[TMP_PATH_MAX], cert[TMP_PATH_MAX], key[TMP_PATH_MAX], list[TMP_PATH_MAX];
    const char *const argv[] = { PYTHON,   program, "--cert", cert, "--key", key,
                                 "--list", list,    "--port", "0",  NULL };
    int ends[2];

    hook_service_start(&w->service, 0);
    hook_example(w->service.rig, "webhook.py", "webhook.py");
    (void)tmp_path(w->service.rig->dir, "webhook.py", program);
    pki_write(w->service.dir, "hook", &w->service.identity, NULL);
    (void)tmp_path(w->service.dir, "hook.crt", cert);
    (void)tmp_path(w->service.dir, "hook.key", key);
    (void)tmp_path(w->service.rig->dir, "names.txt", list);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_true(child_start(
        &w->child, &(struct child_spec){ .argv = argv, .in = -1, .out = ends[1], .err = -1 }));
    (void)close(ends[1]);
    w->port = (uint16_t)first_number(ends[0]);
    (void)snprintf(w->url, sizeof w->url, "https://127.0.0.1:%u/activate", w->port);
}

static void webhook_stop(struct webhook *w)
{
    child_kill(&w->child);
    hook_service_stop(&w->service);
}

static void ask_about(struct webhook *w, const char *name, const char *expected)
{
    const struct prov_param parameter = { PROV_LIT(COMMON_NAME), prov_span_str(name) };
    char *request = request_of("PEM", PROV_LIT("dev-1"),
                               (struct prov_params){ &parameter, name == NULL ? 0 : 1 });

    expect(w->service.rig, w->url, request, expected);
    free(request);
}

static void webhook_activates_what_is_on_its_list(void **state)
{
    static const struct {
        const char *name, *decision;
    } rows[] = {
        { "dev-1", "activate" },
        { "d\xc3\xa9v \"2\"\\", "activate" },
        { "dev-2", "leave" },
        { "", "leave" },
        { NULL, "leave" },
        { "dev-1\n", "leave" },
        { "\",\"decision\":\"", "leave" },
        { "dev", "leave" },
    };
    struct webhook w;
    (void)state;

    if (access(PYTHON, X_OK) != 0)
        skip();
    webhook_start(&w);
    ask_about(&w, "dev-1", "HTTP status 500"); /* no list yet */
    hook_file(w.service.rig, "names.txt", "dev-1\nd\xc3\xa9v \"2\"\\\n\n");
    for (size_t i = 0; i < PROV_COUNT(rows); i++)
        ask_about(&w, rows[i].name, rows[i].decision);
    hook_file(w.service.rig, "names.txt", "\xff\n");
    ask_about(&w, "dev-1", "HTTP status 400");
    webhook_stop(&w);
}

static void webhook_refuses_what_is_no_request(void **state)
{
    static const char *const requests[] = {
        "", "nonsense", "[]", "{}", "\xff", "{\"parameters\":[]}", "{\"parameters\":null}",
    };
    static char deep[20001];
    struct webhook w;
    (void)state;

    if (access(PYTHON, X_OK) != 0)
        skip();
    webhook_start(&w);
    hook_file(w.service.rig, "names.txt", "dev-1\n");
    for (size_t i = 0; i < PROV_COUNT(requests); i++)
        expect(w.service.rig, w.url, requests[i], "HTTP status 400");
    memset(deep, '[', sizeof deep - 1);
    expect(w.service.rig, w.url, deep, "HTTP status 400");
    ask_about(&w, "dev-1", "activate");
    webhook_stop(&w);
}

static void webhook_answers_while_another_client_says_nothing(void **state)
{
    struct sockaddr_in at = { .sin_family = AF_INET };
    struct webhook w;
    int silent;
    (void)state;

    if (access(PYTHON, X_OK) != 0)
        skip();
    webhook_start(&w);
    hook_file(w.service.rig, "names.txt", "dev-1\n");
    silent = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    at.sin_port = htons(w.port);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(silent, (const struct sockaddr *)&at, sizeof at), 0);
    ask_about(&w, "dev-1", "activate");
    (void)close(silent);
    webhook_stop(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allow_list_activates_what_is_on_it),
        cmocka_unit_test(allow_list_looks_at_no_certificate_but_the_new_one),
        cmocka_unit_test(allow_list_fails_without_list_or_certificate),
        cmocka_unit_test(serial_list_lets_register_what_is_on_it),
        cmocka_unit_test(serial_list_fails_without_its_list),
        cmocka_unit_test(check_crl_rejects_what_is_listed_and_fails_without_a_good_list),
        cmocka_unit_test(webhook_activates_what_is_on_its_list),
        cmocka_unit_test(webhook_refuses_what_is_no_request),
        cmocka_unit_test(webhook_answers_while_another_client_says_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
