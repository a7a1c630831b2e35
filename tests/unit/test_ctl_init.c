/* `provctl init` by options: what it makes of them. */
#include "unit/test_ctl_init.h"

#include "ctl/ctl.h"

#include <openssl/x509v3.h>

#include "support/token.h"

/* ---- all of it ------------------------------------------------------------------------------- */

static void all_of_it_is_made_without_a_question(void **state)
{
    static const struct {
        const char *kind, *name;
    } parts[] = {
        { "store", "store" },
        { "settings", "account 123456789012, region eu-central-1" },
        { "policy", "telemetry-device" },
        { "template", "jitp-by-cn" },
        { "policy", "fleet-device" },
        { "template", "fleet-by-serial" },
        { "policy", "golden-claim" },
        { "CA", "ca.crt" },
        { "issuer", "issuer.crt" },
        { "server CA", "server-ca.crt" },
        { "server", "server.crt" },
        { "configuration", "conf.d/provisioning.conf" },
    };
    struct init_rig *i = *state;
    struct rig *r = &i->r;

    ctl_json(r, IN(i), "--yes", "--devices", "both", "--factory-ca", r->ca_file, "--account-id",
             "123456789012", "--region", "eu-central-1", "--port", "18883");
    for (size_t n = 0; n < PROV_COUNT(parts); n++) {
        if (strcmp(state_of(r, parts[n].kind, parts[n].name), "made") != 0)
            fail_msg("%s %s was not made:\n%s", parts[n].kind, parts[n].name, r->out);
    }
    assert_int_equal(count_at(r, "parts"), PROV_COUNT(parts));
    assert_string_equal(text_at(r, "accountId"), "123456789012");
    assert_int_equal(at(r, "port")->valueint, 18883);
    ctl_json(r, "ca", "show", r->ca_hex);
    assert_string_equal(text_at(r, "certificateDescription.status"), "ACTIVE");
    assert_string_equal(text_at(r, "certificateDescription.autoRegistrationStatus"), "ENABLE");
    assert_string_equal(text_at(r, "registrationConfig.templateName"), "jitp-by-cn");
    ctl_json(r, "template", "show", "jitp-by-cn");
    assert_string_equal(text_at(r, "type"), "JITP");
    assert_true(cJSON_IsTrue(at(r, "enabled")));
    ctl_json(r, "template", "show", "fleet-by-serial");
    assert_string_equal(text_at(r, "type"), "FLEET_PROVISIONING");
    ctl_ok(r, "issuer", "show");
    says(r->out, "CN=Provisioning CA 123456789012 eu-central-1");
    ctl_ok(r, "template", "eval", "jitp-by-cn", "--cert", r->leaf_file);
    ctl_json(r, "claim", "create", "fleet-by-serial");
    ctl_ok(r, "check");
}

static void configuration_is_what_a_broker_needs(void **state)
{
    struct init_rig *i = *state;
    char wanted[LINE_ROOM], *conf;

    ctl_ok(&i->r, IN(i), "--yes", "--port", "18883", "--bind", "127.0.0.1");
    conf = read_etc(i, "conf.d/provisioning.conf");
    (void)snprintf(wanted, sizeof wanted,
                   "\nlistener 18883 127.0.0.1\n"
                   "certfile %s/provisioning/server.crt\n"
                   "keyfile %s/provisioning/server.key\n"
                   "require_certificate true\n",
                   i->etc, i->etc);
    says(conf, wanted);
    says(conf, "\nset_tcp_nodelay true\n");
    (void)snprintf(wanted, sizeof wanted, "\nplugin %s\nplugin_opt_db_path %s\n", i->plugin,
                   i->r.db);
    says(conf, wanted);
    says_not(conf, "issuer");
    says_not(conf, "other_clients");
    free(conf);
}

static void only_what_devices_need_is_made(void **state)
{
    struct init_rig *i = *state;
    struct rig *r = &i->r;

    ctl_json(r, IN(i), "--yes", "--factory-ca", r->ca_file);
    assert_string_equal(state_of(r, "template", "jitp-by-cn"), "made");
    assert_string_equal(state_of(r, "template", "fleet"), "");
    assert_string_equal(state_of(r, "issuer", NULL), "");
    assert_int_equal(files_like(r->db, "issuer"), 0);
}

static void devices_with_a_claim_need_an_issuer_and_no_ca(void **state)
{
    struct init_rig *i = *state;
    struct rig *r = &i->r;

    ctl_json(r, IN(i), "--yes", "--devices", "claim");
    assert_string_equal(state_of(r, "template", "fleet-by-serial"), "made");
    assert_string_equal(state_of(r, "template", "jitp"), "");
    assert_string_equal(state_of(r, "issuer", "issuer.crt"), "made");
    assert_string_equal(state_of(r, "CA", NULL), "");
}

static void it_ends_with_what_to_do_next(void **state)
{
    struct init_rig *i = *state;
    char line[LINE_ROOM];

    ctl_ok(&i->r, IN(i), "--yes", "--server-name", "broker.example", "--port", "18883");
    (void)snprintf(line, sizeof line, "mosquitto -c %s/conf.d/provisioning.conf\n", i->etc);
    says(i->r.out, line);
    (void)snprintf(line, sizeof line,
                   "mosquitto_pub -h broker.example -p 18883 --cafile "
                   "%s/provisioning/server-ca.crt",
                   i->etc);
    says(i->r.out, line);
    (void)snprintf(line, sizeof line, "provctl --db %s claim create fleet-by-serial --out .\n",
                   i->r.db);
    says(i->r.out, line);
    says(i->r.out, "ca register FACTORY-CA.pem --sni-only --active");
    says(i->r.out, "explain NAME");
    says_not(i->r.out, "systemctl");
    ctl_ok(&i->r, IN(i), "--yes", "--factory-ca", i->r.ca_file);
    says_not(i->r.out, "ca register");
    says(i->r.out, "mosquitto_pub");
}

static void broker_with_a_configuration_of_its_own_is_restarted(void **state)
{
    struct init_rig *i = *state;

    write_main(i, "");
    ctl_ok(&i->r, IN(i), "--yes");
    says(i->r.out, "systemctl restart mosquitto\n");
    says_not(i->r.out, "mosquitto -c");
    ctl_json(&i->r, IN(i), "--yes");
    assert_string_equal(text_at(&i->r, "next[0].command"), "systemctl restart mosquitto");
}

/* ---- the server's certificate ---------------------------------------------------------------- */

static X509 *cert_of(const struct init_rig *i, const char *name)
{
    char *pem = read_etc(i, name);
    X509 *cert = NULL;

    assert_int_equal(prov_ident_decode_pem(S(pem), &cert, NULL), PROV_OK);
    free(pem);
    return cert;
}

static void server_is_known_by_its_names_and_a_ca_of_its_own(void **state)
{
    struct init_rig *i = *state;
    X509 *cert, *ca, *issuer;
    char *pem, path[TMP_PATH_MAX];

    ctl_ok(&i->r, IN(i), "--yes", "--server-name", "broker.example, 10.0.0.1 fd00::1 *.b.example");
    cert = cert_of(i, "provisioning/server.crt");
    ca = cert_of(i, "provisioning/server-ca.crt");
    pem = read_path(tmp_path(i->r.db, "issuer.crt", path));
    assert_int_equal(prov_ident_decode_pem(S(pem), &issuer, NULL), PROV_OK);
    assert_int_equal(X509_check_host(cert, "broker.example", 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(cert, "a.b.example", 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(cert, "other.example", 0, 0, NULL), 0);
    assert_int_equal(X509_check_ip_asc(cert, "10.0.0.1", 0), 1);
    assert_int_equal(X509_check_ip_asc(cert, "fd00::1", 0), 1);
    assert_int_equal(X509_check_ip_asc(cert, "10.0.0.2", 0), 0);
    assert_int_equal(X509_check_purpose(cert, X509_PURPOSE_SSL_SERVER, 0), 1);
    assert_int_equal(X509_check_ca(cert), 0);
    assert_true(prov_cert_signed_by(cert, ca));
    /* or else a device's certificate would do for the broker's */
    assert_false(prov_cert_signed_by(cert, issuer));
    free(pem);
    X509_free(issuer);
    X509_free(ca);
    X509_free(cert);
}

static void keys_are_their_readers_alone(void **state)
{
    static const struct {
        const char *name;
        unsigned mode;
        uid_t owner; /* when root made it */
    } rows[] = {
        { "etc/provisioning/server.key", 0600, 65534 },
        { "etc/provisioning/server-ca.key", 0600, 0 },
        { "etc/provisioning/server.crt", 0644, 0 },
        { "etc/provisioning/server-ca.crt", 0644, 0 },
        { "etc/conf.d/provisioning.conf", 0644, 0 },
        { "store/issuer.key", 0600, 65534 },
        { "store", 0750, 65534 },
        { "store/data.mdb", 0600, 65534 },
        { "etc/provisioning", 0755, 0 },
    };
    struct init_rig *i = *state;
    const mode_t before = umask(077); /* which says nothing about what the broker has to get at */
    char path[TMP_PATH_MAX];
    struct stat st;

    ctl_ok(&i->r, IN(i), "--yes");
    (void)umask(before);
    for (size_t n = 0; n < PROV_COUNT(rows); n++) {
        assert_int_equal(stat(tmp_path(i->r.dir, rows[n].name, path), &st), 0);
        if ((st.st_mode & 07777) != rows[n].mode)
            fail_msg("%s has mode %o", path, st.st_mode & 07777u);
        if (geteuid() == 0 && st.st_uid != rows[n].owner)
            fail_msg("%s is user %u's", path, (unsigned)st.st_uid);
    }
}

static void another_server_certificate_is_of_the_ca_that_devices_have(void **state)
{
    static const char *const pair[] = { "provisioning/server.crt", "provisioning/server.key" };
    struct init_rig *i = *state;
    char path[TMP_PATH_MAX], *before, *after;
    X509 *ca, *cert;

    ctl_ok(&i->r, IN(i), "--yes");
    before = read_etc(i, "provisioning/server-ca.crt");
    for (size_t n = 0; n < PROV_COUNT(pair); n++)
        assert_int_equal(unlink(in_etc(i, pair[n], path)), 0);
    ctl_json(&i->r, IN(i), "--yes", "--server-name", "new.example");
    assert_string_equal(state_of(&i->r, "server", "server.crt"), "made");
    assert_string_equal(state_of(&i->r, "server CA", NULL), "there");
    after = read_etc(i, "provisioning/server-ca.crt");
    assert_string_equal(before, after);
    ca = cert_of(i, "provisioning/server-ca.crt");
    cert = cert_of(i, "provisioning/server.crt");
    assert_true(prov_cert_signed_by(cert, ca));
    assert_int_equal(X509_check_host(cert, "new.example", 0, 0, NULL), 1);
    X509_free(cert);
    X509_free(ca);
    free(before);
    free(after);
    for (size_t n = 0; n < PROV_COUNT(pair); n++)
        assert_int_equal(unlink(in_etc(i, pair[n], path)), 0);
    assert_int_equal(unlink(in_etc(i, "provisioning/server-ca.key", path)), 0);
    ctl_fails(&i->r, 1, IN(i), "--yes");
    says(i->r.err, "server-ca.key");
    says(i->r.err, "Put the CA's key there again");
}

static void certificate_of_ones_own_is_taken_when_its_key_fits(void **state)
{
    struct init_rig *i = *state;
    struct rig *r = &i->r;
    struct pki_cert server = pki_make(&(struct pki_spec){ .subject = "/CN=b", .san = "DNS:b" });
    struct pki_cert old = pki_make(
        &(struct pki_spec){ .subject = "/CN=old", .not_before_s = -1000000, .not_after_s = -1000 });
    char crt[TMP_PATH_MAX], key[TMP_PATH_MAX], other[TMP_PATH_MAX], *conf;

    pki_write(r->dir, "own", &server, NULL);
    pki_write(r->dir, "old", &old, NULL);
    (void)tmp_path(r->dir, "own.crt", crt);
    (void)tmp_path(r->dir, "own.key", key);
    (void)tmp_path(r->dir, "leaf.key", other);
    ctl_fails(r, 4, IN(i), "--yes", "--server-cert", crt, "--server-key", other);
    says(r->err, "--server-key: ");
    says(r->err, "is not the key of");
    ctl_fails(r, 4, IN(i), "--yes", "--server-cert", key, "--server-key", key);
    says(r->err, "--server-cert: ");
    ctl_fails(r, 4, IN(i), "--yes", "--server-cert", tmp_path(r->dir, "old.crt", other),
              "--server-key", key);
    says(r->err, "this certificate has ended");
    ctl_fails(r, 1, IN(i), "--yes", "--server-cert", crt);
    says(r->err, "--server-key is needed");
    assert_int_equal(files_made(i), 0);
    ctl_json(r, IN(i), "--yes", "--server-cert", crt, "--server-key", key);
    assert_string_equal(state_of(r, "server", "own.crt"), "there");
    assert_string_equal(state_of(r, "server CA", NULL), "");
    assert_false(is_in_etc(i, "provisioning"));
    conf = read_etc(i, "conf.d/provisioning.conf");
    says(conf, crt);
    says(conf, key);
    free(conf);
    pki_free(&old);
    pki_free(&server);
}

/* ---- who issues ------------------------------------------------------------------------------ */

static void ca_of_ones_own_issues_when_its_key_fits(void **state)
{
    struct init_rig *i = *state;
    struct rig *r = &i->r;
    char key[TMP_PATH_MAX], other[TMP_PATH_MAX], line[LINE_ROOM], *conf;

    (void)tmp_path(r->dir, "ca.key", key);
    (void)tmp_path(r->dir, "leaf.key", other);
    ctl_fails(r, 4, IN(i), "--yes", "--issuer-cert", r->ca_file, "--issuer-key", other);
    says(r->err, "--issuer-key: ");
    ctl_fails(r, 4, IN(i), "--yes", "--issuer-cert", r->leaf_file, "--issuer-key", other);
    says(r->err, "--issuer-cert: ");
    ctl_fails(r, 4, IN(i), "--yes", "--issuer-cert", r->ca_file, "--issuer-key",
              "pkcs11:token=t;object=k?pin-value=1234");
    says(r->err, "pin-source");
    says_not(r->err, "1234");
    ctl_fails(r, 1, IN(i), "--yes", "--issuer", "own");
    says(r->err, "--issuer-cert is needed");
    assert_int_equal(chmod(key, 0644), 0);
    ctl_fails(r, 4, IN(i), "--yes", "--issuer-cert", r->ca_file, "--issuer-key", key);
    says(r->err, "chmod 600");
    assert_int_equal(files_made(i), 0);
    assert_int_equal(chmod(key, 0600), 0);
    ctl_ok(r, IN(i), "--yes", "--devices", "claim", "--issuer-cert", r->ca_file, "--issuer-key",
           key);
    conf = read_etc(i, "conf.d/provisioning.conf");
    (void)snprintf(line, sizeof line, "plugin_opt_issuer_cert %s\nplugin_opt_issuer_key %s\n",
                   r->ca_file, key);
    says(conf, line);
    free(conf);
    (void)snprintf(line, sizeof line,
                   "claim create fleet-by-serial --out . --issuer-cert %s "
                   "--issuer-key %s\n",
                   r->ca_file, key);
    says(r->out, line);
    assert_int_equal(files_like(r->db, "issuer"), 0);
}

static void issuers_key_may_be_in_a_token(void **state)
{
    struct init_rig *i = *state;
    struct rig *r = &i->r;
    struct token *token = token_new("issuers");
    char pin[TMP_PATH_MAX], rest[TMP_PATH_MAX + 16], uri[TOKEN_URI_MAX], line[LINE_ROOM], *conf;

    token_import(token, "ca", r->ca.key);
    token_import(token, "leaf", r->leaf.key);
    write_file(r, "pin", TOKEN_PIN, pin);
    assert_int_equal(chmod(pin, 0600), 0);
    (void)snprintf(rest, sizeof rest, "?pin-source=%s", pin);
    ctl_fails(r, 4, IN(i), "--yes", "--issuer-cert", r->ca_file, "--issuer-key",
              token_uri(token, "leaf", rest, uri));
    says(r->err, "--issuer-key: ");
    ctl_ok(r, IN(i), "--yes", "--devices", "claim", "--issuer-cert", r->ca_file, "--issuer-key",
           token_uri(token, "ca", rest, uri));
    conf = read_etc(i, "conf.d/provisioning.conf");
    (void)snprintf(line, sizeof line, "plugin_opt_issuer_key %s\n", uri);
    says(conf, line);
    free(conf);
    token_free(token);
}

/* ---- templates and policies ------------------------------------------------------------------ */

static void chosen_policy_is_what_the_template_gives(void **state)
{
    struct init_rig *i = *state;
    struct rig *r = &i->r;
    char path[TMP_PATH_MAX];

    write_file(r, "mine.json", POLICY_TEXT, path);
    ctl_json(r, IN(i), "--yes", "--devices", "both", "--policy", "gateway", "--fleet-policy", path);
    assert_string_equal(state_of(r, "policy", "gateway"), "made");
    assert_string_equal(state_of(r, "policy", "mine"), "made");
    assert_string_equal(state_of(r, "policy", "telemetry-device"), "");
    ctl_ok(r, "template", "show", "jitp-by-cn");
    says(r->out, "\"PolicyName\": \"gateway\"");
    ctl_ok(r, "template", "show", "fleet-by-serial");
    says(r->out, "\"PolicyName\": \"mine\"");
    ctl_ok(r, "template", "eval", "jitp-by-cn", "--cert", r->leaf_file);
    says(r->out, "gateway");
}

static void template_of_ones_own_brings_its_policy_or_needs_one(void **state)
{
    struct init_rig *i = *state;
    struct rig *r = &i->r;
    char path[TMP_PATH_MAX], bad[TMP_PATH_MAX], policy[TMP_PATH_MAX];

    write_file(r, "mine.json", TEMPLATE_TEXT, path); /* gives policy "device" */
    write_file(r, "bad.json", "{ \"Resources\": 1 }", bad);
    write_file(r, "device.json", POLICY_TEXT, policy);
    ctl_fails(r, 4, IN(i), "--yes", "--template", bad);
    says(r->err, "--template: ");
    says(r->err, "bad.json:1:");
    ctl_fails(r, 4, IN(i), "--yes", "--template", "nosuch");
    says(r->err, "neither a file \"nosuch\" nor one of that name");
    ctl_fails(r, 1, IN(i), "--yes", "--template", path);
    says(r->err, "--policy is needed");
    ctl_fails(r, 4, IN(i), "--yes", "--template", path, "--policy", bad);
    says(r->err, "--policy: ");
    assert_int_equal(files_made(i), 0);
    ctl_json(r, IN(i), "--yes", "--template", path, "--policy", policy);
    assert_string_equal(state_of(r, "template", "mine"), "made");
    assert_string_equal(state_of(r, "policy", "device"), "made");
    ctl_json(r, "template", "show", "mine");
    assert_string_equal(text_at(r, "templateBody"), TEMPLATE_TEXT);
}

static void template_that_is_registered_is_taken_by_its_name(void **state)
{
    struct init_rig *i = *state;
    struct rig *r = &i->r;

    r->input = POLICY_TEXT;
    ctl_ok(r, "policy", "create", "device", "-");
    r->input = TEMPLATE_TEXT;
    ctl_ok(r, "template", "create", "mine", "-", "--type", "JITP");
    r->input = NULL;
    ctl_json(r, IN(i), "--yes", "--template", "mine", "--factory-ca", r->ca_file);
    assert_string_equal(state_of(r, "template", "mine"), "there");
    ctl_json(r, "ca", "show", r->ca_hex);
    assert_string_equal(text_at(r, "registrationConfig.templateName"), "mine");
}

/* The CA's registration fails, and with it goes all of the transaction. */
static void registry_is_changed_as_a_whole_or_not_at_all(void **state)
{
    struct init_rig *i = *state;
    struct rig *r = &i->r;

    ctl_ok(r, "init");
    r->input = POLICY_TEXT;
    ctl_ok(r, "policy", "create", "device", "-");
    r->input = "{ \"Resources\": { \"t\": { \"Type\": \"AWS::IoT::Thing\",\n"
               "  \"Properties\": { \"ThingName\": \"fixed\" } } } }\n";
    ctl_ok(r, "template", "create", "mine", "-"); /* no JITP: no CA may have it */
    r->input = NULL;
    ctl_fails(r, 4, IN(i), "--yes", "--devices", "both", "--template", "mine", "--factory-ca",
              r->ca_file, "--region", "eu-central-1");
    ctl_fails(r, 2, "template", "show", "fleet-by-serial");
    ctl_fails(r, 2, "policy", "show", "fleet-device");
    ctl_json(r, "init");
    assert_string_equal(text_at(r, "region"), "local");
    assert_false(is_in_etc(i, "conf.d/provisioning.conf"));
    assert_int_equal(files_like(r->db, "issuer"), 0);
}

static void policy_that_is_registered_stays_what_it_is(void **state)
{
    struct init_rig *i = *state;
    struct rig *r = &i->r;

    r->input = POLICY_TEXT;
    ctl_ok(r, "policy", "create", "telemetry-device", "-");
    r->input = NULL;
    ctl_json(r, IN(i), "--yes", "--devices", "factory");
    assert_string_equal(state_of(r, "policy", "telemetry-device"), "there");
    ctl_json(r, "policy", "show", "telemetry-device");
    assert_string_equal(text_at(r, "policyDocument"), POLICY_TEXT);
    ctl_fails(r, 1, IN(i), "--yes", "--devices", "factory", "--policy", "gateway");
    says(r->err, "--policy has no effect");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        INIT_TEST(all_of_it_is_made_without_a_question),
        INIT_TEST(configuration_is_what_a_broker_needs),
        INIT_TEST(only_what_devices_need_is_made),
        INIT_TEST(devices_with_a_claim_need_an_issuer_and_no_ca),
        INIT_TEST(it_ends_with_what_to_do_next),
        INIT_TEST(broker_with_a_configuration_of_its_own_is_restarted),
        INIT_TEST(server_is_known_by_its_names_and_a_ca_of_its_own),
        INIT_TEST(keys_are_their_readers_alone),
        INIT_TEST(another_server_certificate_is_of_the_ca_that_devices_have),
        INIT_TEST(certificate_of_ones_own_is_taken_when_its_key_fits),
        INIT_TEST(ca_of_ones_own_issues_when_its_key_fits),
        INIT_TEST(issuers_key_may_be_in_a_token),
        INIT_TEST(chosen_policy_is_what_the_template_gives),
        INIT_TEST(template_of_ones_own_brings_its_policy_or_needs_one),
        INIT_TEST(template_that_is_registered_is_taken_by_its_name),
        INIT_TEST(registry_is_changed_as_a_whole_or_not_at_all),
        INIT_TEST(policy_that_is_registered_stays_what_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
