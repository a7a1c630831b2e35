/* Who signs: an issuer that comes later, in a token, or somebody else's CA behind a hook (design
 * D10). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sys/stat.h>

#include <cmocka.h>

#include "support/child.h"
#include "support/fleet_rig.h"
#include "support/tmp.h"

static void prepare(struct fleet_rig *f)
{
    rig_prepare(&f->rig, &(struct rig_spec){ 0 });
    fleet_fill(f);
}

/* Both creates, in both formats. */
static void expect_rejected(struct mqtt *c, int status, const char *code, const char *text)
{
    EVP_PKEY *key = pki_key_shared(PKI_P256);
    char *body = fleet_csr_body(key, "pump");

    for (unsigned i = 0; i < PROV_FORMATS; i++) {
        fleet_expect_rejected(c,
                              (&(struct fleet_ask){ PROV_CREATE_FROM_CSR, (enum prov_format)i,
                                                    .body = body, .qos = 1 }),
                              status, code, text);
        fleet_expect_rejected(
            c, (&(struct fleet_ask){ PROV_CREATE_KEYS, (enum prov_format)i, .qos = 1 }), status,
            code, text);
    }
    free(body);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void check_issued(struct mqtt *c, EVP_PKEY *by)
{
    struct fleet_device d = fleet_create(c, PROV_JSON, "pump");

    assert_int_equal(X509_verify(d.cert.x509, by), 1);
    fleet_device_free(&d);
}

/* ---- files ----------------------------------------------------------------------------------- */

static void issuer_that_comes_later_is_used_without_a_restart(void **state)
{
    struct fleet_rig f = { 0 };
    char *before, *after;
    struct mqtt *c;

    (void)state;
    prepare(&f);
    fleet_remove_issuer(&f);
    rig_start(&f.rig);
    c = fleet_claim(&f, "blank");
    before = fleet_dump(&f);
    expect_rejected(c, 503, "ServiceUnavailable", NULL);
    rig_expect_attempt(&f.rig, NULL, PROV_REASON_NO_ISSUER);
    after = fleet_dump(&f);
    assert_string_equal(before, after);
    fleet_put_issuer(&f);
    check_issued(c, f.issuer.key);
    free(before);
    free(after);
    mqtt_free(c);
    fleet_down(&f);
}

static void issuer_of_provctl_is_one(void **state)
{
    struct fleet_rig f = { 0 };
    struct fleet_device d;
    struct run_result r;
    struct mqtt *c;

    (void)state;
    prepare(&f);
    fleet_remove_issuer(&f);
    rig_start(&f.rig);
    c = fleet_claim(&f, "blank");
    expect_rejected(c, 503, "ServiceUnavailable", NULL);
    run_provctl(&r, "--db", f.rig.db, "issuer", "create");
    if (r.status != 0)
        fail_msg("provctl issuer create: %s", r.err);
    run_release(&r);
    d = fleet_create(c, PROV_CBOR, "pump");
    fleet_register(c, PROV_CBOR, &d, "1");
    mqtt_free(c);
    c = fleet_join(&f, &d, "1");
    mqtt_free(c);
    fleet_device_free(&d);
    fleet_down(&f);
}

/* What is wrong with it is for the operator: the device learns that there is nothing to be had. */
static void issuer_that_does_not_do_issues_nothing_until_it_does(void **state)
{
    struct fleet_rig f = { 0 };
    struct pki_cert other;
    char key[TMP_PATH_MAX], cert[TMP_PATH_MAX], *pem;
    struct mqtt *c;

    (void)state;
    prepare(&f);
    rig_start(&f.rig);
    (void)tmp_path(f.rig.db, "issuer.key", key);
    (void)tmp_path(f.rig.db, "issuer.crt", cert);
    c = fleet_claim(&f, "blank");

    assert_int_equal(chmod(key, 0644), 0);
    expect_rejected(c, 500, "InternalFailure", "issue: ");
    rig_expect_attempt(&f.rig, NULL, PROV_REASON_ISSUER_FAILED);
    assert_int_equal(chmod(key, 0600), 0);
    write_file(key, "nonsense");
    expect_rejected(c, 500, "InternalFailure", "issue: ");
    other = pki_make(&(struct pki_spec){ .subject = "/CN=other", .ca = true });
    pem = pki_key_pem(other.key);
    write_file(key, pem);
    expect_rejected(c, 500, "InternalFailure", "issue: ");
    free(pem);
    pem = pki_pem(f.claim.x509); /* no CA */
    write_file(cert, pem);
    expect_rejected(c, 500, "InternalFailure", "issue: ");
    free(pem);
    assert_int_equal(unlink(key), 0);
    expect_rejected(c, 503, "ServiceUnavailable", "issue: ");

    fleet_put_issuer(&f);
    check_issued(c, f.issuer.key);
    pki_free(&other);
    mqtt_free(c);
    fleet_down(&f);
}

/* ---- options --------------------------------------------------------------------------------- */

enum fault { FAULT_NONE, FAULT_NO_CERT, FAULT_NO_KEY, FAULT_OTHER_KEY, FAULT_OPEN, FAULT_NO_CA };

static void make_fault(const struct fleet_rig *f, enum fault fault, const char *cert,
                       const char *key)
{
    struct pki_cert other = pki_make(&(struct pki_spec){ .subject = "/CN=other" });
    char *text;

    (void)unlink(key); /* with the mode that it had */
    pki_write(f->rig.dir, "given", &f->issuer, NULL);
    if (fault == FAULT_NO_CERT)
        assert_int_equal(unlink(cert), 0);
    if (fault == FAULT_NO_KEY)
        assert_int_equal(unlink(key), 0);
    if (fault == FAULT_OPEN)
        assert_int_equal(chmod(key, 0644), 0);
    if (fault == FAULT_OTHER_KEY) {
        text = pki_key_pem(other.key);
        write_file(key, text);
        free(text);
    }
    if (fault == FAULT_NO_CA)
        pki_write(f->rig.dir, "given", &other, NULL);
    pki_free(&other);
}

static void issuer_that_is_named_is_there_and_fits_or_the_broker_does_not_start(void **state)
{
    static const struct {
        enum fault fault;
        const char *named[2]; /* what the log tells */
    } rows[] = {
        { FAULT_NO_CERT, { "issuer_cert", "given.crt" } },
        { FAULT_NO_KEY, { "issuer_key", "given.key" } },
        { FAULT_OTHER_KEY, { "issuer_key", "given.key" } },
        { FAULT_OPEN, { "issuer_key", "given.key" } },
        { FAULT_NO_CA, { "issuer_cert", "given.crt" } },
    };
    char cert[TMP_PATH_MAX], key[TMP_PATH_MAX];
    struct fleet_rig f = { 0 };
    struct mqtt *c;

    (void)state;
    prepare(&f);
    fleet_remove_issuer(&f);
    rig_add_opt(&f.rig, "issuer_cert", tmp_path(f.rig.dir, "given.crt", cert));
    rig_add_opt(&f.rig, "issuer_key", tmp_path(f.rig.dir, "given.key", key));
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        char *said;

        make_fault(&f, rows[i].fault, cert, key);
        said = broker_refuses(&f.rig.options);
        for (unsigned j = 0; j < 2; j++) {
            if (strstr(said, rows[i].named[j]) == NULL)
                fail_msg("fault %d: \"%s\" is not in: %s", (int)rows[i].fault, rows[i].named[j],
                         said);
        }
        free(said);
    }
    make_fault(&f, FAULT_NONE, cert, key);
    rig_start(&f.rig);
    c = fleet_claim(&f, "blank");
    check_issued(c, f.issuer.key);
    mqtt_free(c);
    fleet_down(&f);
}

/* ---- PKCS#11 --------------------------------------------------------------------------------- */

static void run(const char *const *argv)
{
    struct run_result r;

    if (!run_program(argv, NULL, &r) || r.status != 0)
        fail_msg("%s: %s%s", argv[0], r.out, r.err);
    run_release(&r);
}

/* Not of digits: they might be in a time, or a certificate's id. */
#define PIN "open-sesame"
#define WRONG_PIN "open-barley"

/* A token in a directory of the test's own, which the broker's environment names. */
static void make_token(const struct fleet_rig *f)
{
    char conf[TMP_PATH_MAX], dir[TMP_PATH_MAX], text[TMP_PATH_MAX + 100], key[TMP_PATH_MAX];
    char *pem = pki_key_pem(f->issuer.key);

    (void)tmp_path(f->rig.dir, "softhsm2.conf", conf);
    assert_int_equal(mkdir(tmp_path(f->rig.dir, "tokens", dir), 0700), 0);
    (void)snprintf(text, sizeof text, "directories.tokendir = %s\nlog.level = ERROR\n", dir);
    write_file(conf, text);
    write_file(tmp_path(f->rig.dir, "token.key", key), pem);
    free(pem);
    assert_int_equal(setenv("SOFTHSM2_CONF", conf, 1), 0);
    run((const char *const[]){ "/usr/bin/softhsm2-util", "--init-token", "--free", "--label",
                               "fleet", "--pin", PIN, "--so-pin", "5678", NULL });
    run((const char *const[]){ "/usr/bin/softhsm2-util", "--import", key, "--token", "fleet",
                               "--label", "issuer", "--id", "01", "--pin", PIN, NULL });
    assert_int_equal(unlink(key), 0);
}

/* Another Mosquitto may come with another OpenSSL, which has none of this. */
static bool has_pkcs11(const char *said)
{
    return getenv("PROV_MOSQUITTO") == NULL ||
           strstr(said, "neither a provider nor an engine") == NULL;
}

static void key_in_a_pkcs11_token_issues_and_a_wrong_pin_does_not_start(void **state)
{
    char cert[TMP_PATH_MAX], *said;
    struct fleet_rig f = { 0 };
    struct fleet_device d;
    struct mqtt *c;

    (void)state;
    prepare(&f);
    fleet_remove_issuer(&f);
    make_token(&f);
    pki_write(f.rig.dir, "given", &f.issuer, NULL);
    rig_add_opt(&f.rig, "issuer_cert", tmp_path(f.rig.dir, "given.crt", cert));
    f.rig.options.opts = (const struct broker_opt[]){
        { "db_path", f.rig.db },
        { "issuer_cert", cert },
        { "issuer_key", "pkcs11:token=fleet;object=issuer;type=private?pin-value=" WRONG_PIN },
        { NULL, NULL },
    };
    said = broker_refuses(&f.rig.options);
    if (!has_pkcs11(said)) {
        free(said);
        fleet_down(&f);
        skip();
        return;
    }
    assert_non_null(strstr(said, "issuer_key"));
    assert_null(strstr(said, WRONG_PIN));
    free(said);

    f.rig.options.opts = f.rig.opts;
    rig_add_opt(&f.rig, "issuer_key",
                "pkcs11:token=fleet;object=issuer;type=private?pin-value=" PIN);
    rig_start(&f.rig);
    c = fleet_claim(&f, "blank");
    check_issued(c, f.issuer.key);
    d = fleet_create(c, PROV_CBOR, "pump");
    fleet_register(c, PROV_CBOR, &d, "1");
    mqtt_free(c);
    c = fleet_join(&f, &d, "1");
    mqtt_free(c);
    assert_false(broker_log_has(f.rig.broker, 0, PIN));
    fleet_device_free(&d);
    fleet_down(&f);
    assert_int_equal(unsetenv("SOFTHSM2_CONF"), 0);
}

/* ---- certificate provider -------------------------------------------------------------------- */

/* Another CA's program: openssl certifies what it is asked to, or what the test left there. */
#define UNPACK                                                                                     \
    "cd \"$(dirname \"$0\")\"; t=$(mktemp -d); "                                                   \
    "sed 's/.*\"certificateSigningRequest\":\"\\([^\"]*\\)\".*/\\1/; s/\\\\n/\\n/g' >$t/csr; "
#define SIGN(csr)                                                                                  \
    "openssl x509 -req -in " csr " -CA ca.crt -CAkey ca.key -set_serial 0x$(openssl rand -hex 16)" \
    " -days 30 -sha256 -out $t/crt 2>/dev/null; "
#define PRINT                                                                                      \
    "printf '{\"certificatePem\":\"%s\"}' \"$(awk '{printf \"%s\\\\n\",$0}' $t/crt)\"; rm -r $t"

static void prepare_provider(struct fleet_rig *f, struct pki_cert *ca)
{
    static char spec[600];
    char dir[TMP_PATH_MAX];

    prepare(f);
    fleet_remove_issuer(f); /* with a provider there need not be one */
    fleet_use_hooks(f, "20000");
    *ca = pki_make(&(struct pki_spec){ .subject = "/CN=Somebody else's CA", .ca = true });
    pki_write(tmp_path(f->rig.dir, "hooks", dir), "ca", ca, NULL);
    rig_add_opt(&f->rig, "certificate_provider",
                fleet_hook(f, "provider", UNPACK SIGN("$t/csr") PRINT, spec));
    rig_start(&f->rig);
}

static void certificate_of_the_provider_is_given_and_good_for_the_registration(void **state)
{
    struct fleet_rig f = { 0 };
    struct fleet_device d;
    struct pki_cert ca;
    struct mqtt *c;

    (void)state;
    prepare_provider(&f, &ca);
    c = fleet_claim(&f, "blank");
    for (unsigned i = 0; i < PROV_FORMATS; i++) {
        const char serial[2] = { (char)('1' + i), '\0' };
        struct mqtt *device;

        d = fleet_create(c, (enum prov_format)i, "pump");
        assert_int_equal(X509_verify(d.cert.x509, ca.key), 1);
        fleet_register(c, (enum prov_format)i, &d, serial);
        device = fleet_join(&f, &d, serial);
        mqtt_free(device);
        fleet_device_free(&d);
    }
    fleet_expect_rejected(c, (&(struct fleet_ask){ PROV_CREATE_KEYS, PROV_JSON, .qos = 1 }), 503,
                          "ServiceUnavailable", NULL); /* that is the issuer's */
    fleet_check(&f);
    mqtt_free(c);
    pki_free(&ca);
    fleet_down(&f);
}

static void certificate_that_is_no_answer_to_the_request_is_refused(void **state)
{
    static const struct {
        const char *script, *explained;
    } rows[] = {
        { UNPACK SIGN("other.csr") PRINT, "key" },
        { UNPACK SIGN("renamed.csr") PRINT, "subject" },
        { UNPACK "cp expired.crt $t/crt; " PRINT, "" },
        { UNPACK "cp ca.crt $t/crt; " PRINT, "" },
        { UNPACK "echo nonsense >$t/crt; " PRINT, "" },
        { "cat >/dev/null; echo '{\"certificatePem\":7}'", "certificatePem" },
        { "cat >/dev/null; echo '{}'", "certificatePem" },
        { "echo 'CA is away' >&2; exit 1", "CA is away" },
    };
    struct fleet_rig f = { 0 };
    EVP_PKEY *key = pki_key_new(PKI_P256), *other = pki_key_new(PKI_P256);
    char *body = fleet_csr_body(key, "pump"), *before, *after, path[TMP_PATH_MAX], spec[600];
    struct pki_cert ca, expired;
    struct fleet_device d;
    struct mqtt *c;

    (void)state;
    prepare_provider(&f, &ca);
    fleet_write_csr(tmp_path(f.rig.dir, "hooks/other.csr", path), other, "pump");
    fleet_write_csr(tmp_path(f.rig.dir, "hooks/renamed.csr", path), key, "admin");
    expired = pki_make(&(struct pki_spec){ .subject = "/CN=pump",
                                           .issuer = &ca,
                                           .use_key = key,
                                           .not_before_s = -7200,
                                           .not_after_s = -3600 });
    (void)tmp_path(f.rig.dir, "hooks", path);
    pki_write(path, "expired", &expired, NULL);
    c = fleet_claim(&f, "blank");
    before = fleet_dump(&f);
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        const struct fleet_ask ask = { PROV_CREATE_FROM_CSR, i & 1 ? PROV_CBOR : PROV_JSON,
                                       .body = body, .qos = 1 };
        size_t mark = broker_log_mark(f.rig.broker);

        (void)fleet_hook(&f, "provider", rows[i].script, spec);
        fleet_expect_rejected(c, &ask, 500, "InternalFailure", "issue: ");
        if (i == 0)
            broker_expect_log(f.rig.broker, mark, "reason=provider-failed");
    }
    rig_expect_attempt(&f.rig, NULL, PROV_REASON_PROVIDER_FAILED);
    after = fleet_dump(&f);
    assert_string_equal(before, after);
    (void)fleet_hook(&f, "provider", UNPACK SIGN("$t/csr") PRINT, spec);
    d = fleet_create(c, PROV_JSON, "pump");
    fleet_device_free(&d);
    free(before);
    free(after);
    free(body);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
    pki_free(&expired);
    pki_free(&ca);
    mqtt_free(c);
    fleet_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(issuer_that_comes_later_is_used_without_a_restart),
        cmocka_unit_test(issuer_of_provctl_is_one),
        cmocka_unit_test(issuer_that_does_not_do_issues_nothing_until_it_does),
        cmocka_unit_test(issuer_that_is_named_is_there_and_fits_or_the_broker_does_not_start),
        cmocka_unit_test(key_in_a_pkcs11_token_issues_and_a_wrong_pin_does_not_start),
        cmocka_unit_test(certificate_of_the_provider_is_given_and_good_for_the_registration),
        cmocka_unit_test(certificate_that_is_no_answer_to_the_request_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
