/* provctl's commands on a real store: what they do, say, refuse, and end with. */
#include "unit/test_ctl.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/ident.h"
#include "ctl/ctl.h"

/* ---- init and the store ---------------------------------------------------------------------- */

static void init_makes_a_store_and_tells_the_broker_how_to_use_it(void **state)
{
    struct rig *r = *state;
    struct stat st;
    char line[TMP_PATH_MAX + 64];

    ctl_ok(r, "init", "--account-id", "123456789012", "--region", "eu-central-1");
    (void)snprintf(line, sizeof line, "plugin_opt_db_path %s\n", r->db);
    says(r->out, line);
    says(r->out, "plugin_opt_account_id 123456789012\n");
    says(r->out, "plugin_opt_region eu-central-1\n");
    says(r->out, "mosquitto_provisioning.so\n");
    assert_int_equal(stat(r->db, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0750);
}

static void init_again_keeps_what_is_there(void **state)
{
    struct rig *r = *state;

    ctl_ok(r, "init", "--account-id", "123456789012");
    ctl_ok(r, "thing", "create", "a");
    ctl_json(r, "init");
    assert_string_equal(text_at(r, "accountId"), "123456789012");
    assert_string_equal(text_at(r, "region"), "local");
    assert_string_equal(text_at(r, "dbPath"), r->db);
    ctl_ok(r, "thing", "show", "a");
}

static void account_ids_and_regions_that_are_none_are_refused(void **state)
{
    struct rig *r = *state;

    ctl_fails(r, 4, "init", "--account-id", "12");
    ctl_fails(r, 4, "init", "--account-id", "12345678901x");
    ctl_fails(r, 4, "init", "--region", "Europe");
    ctl_json(r, "init");
    assert_string_equal(text_at(r, "accountId"), "000000000000");
}

static void reading_without_a_store_fails_and_writing_makes_one(void **state)
{
    struct rig *r = *state;

    ctl_fails(r, 5, "thing", "list");
    says(r->err, r->db);
    ctl_ok(r, "thing", "create", "a");
    says(r->err, "made a new store");
    ctl_ok(r, "thing", "create", "b");
    says_not(r->err, "made a new store");
    ctl_ok(r, "thing", "list");
}

static void db_option_goes_before_the_environment(void **state)
{
    struct rig *r = *state;
    char other[TMP_PATH_MAX];

    ctl_ok(r, "--db", tmp_path(r->dir, "other", other), "thing", "create", "elsewhere");
    ctl_ok(r, "thing", "create", "here");
    ctl_ok(r, "thing", "list");
    says(r->out, "here");
    says_not(r->out, "elsewhere");
    ctl_ok(r, "thing", "list", "--db", other);
    says(r->out, "elsewhere");
}

static void what_is_no_store_is_left_alone(void **state)
{
    struct rig *r = *state;
    char file[TMP_PATH_MAX];

    write_file(r, "plain", "not a directory", file);
    ctl_fails(r, 5, "--db", file, "thing", "list");
    ctl_fails(r, 5, "--db", file, "thing", "create", "a");
    says(r->err, file);
}

static void store_of_an_older_format_is_refused_with_what_to_do_and_left_alone(void **state)
{
    const struct prov_schema current = prov_registry_schema;
    struct prov_schema older = current;
    struct rig *r = *state;
    const struct prov_store_lmdb_opts opts = { .dir = r->db, .create = true };
    char formats[64];

    older.version--;
    assert_int_equal(prov_store_lmdb_open(&opts, &older, &r->store, &r->tx_err), PROV_OK);
    prov_store_free(r->store);
    (void)snprintf(formats, sizeof formats, "format %u, this one knows %u", older.version,
                   current.version);
    ctl_fails(r, 5, "thing", "list");
    says(r->err, formats);
    says(r->err, "choose another db_path");
    ctl_fails(r, 5, "thing", "create", "a");
    says(r->err, formats);
    assert_int_equal(prov_store_lmdb_open(&opts, &older, &r->store, &r->tx_err), PROV_OK);
    prov_store_free(r->store);
    r->store = NULL;
}

/* ---- CAs ------------------------------------------------------------------------------------- */

static void ca_without_proof_is_told_how_to_make_it(void **state)
{
    struct rig *r = *state;
    char code[PROV_ID_HEX + 1], subject[PROV_ID_HEX + 16];

    ctl_ok(r, "ca", "registration-code");
    assert_int_equal(strlen(r->out), PROV_ID_HEX + 1);
    (void)prov_span_copy(prov_span(r->out, PROV_ID_HEX), code, sizeof code);
    ctl_fails(r, 1, "ca", "register", r->ca_file);
    (void)snprintf(subject, sizeof subject, "\"/CN=%s\"", code);
    says(r->err, subject);
    says(r->err, "openssl x509 -req");
    says(r->err, r->ca_file);
    ctl_json(r, "ca", "registration-code");
    assert_string_equal(text_at(r, "registrationCode"), code);
}

static void registration_code_of_a_refused_registration_is_kept(void **state)
{
    struct rig *r = *state;
    char *told;

    ctl_fails(r, 1, "ca", "register", r->ca_file);
    told = strdup(strstr(r->err, "/CN="));
    assert_non_null(told);
    ctl_ok(r, "ca", "registration-code");
    assert_memory_equal(told + 4, r->out, PROV_ID_HEX);
    free(told);
}

static void ca_with_proof_is_registered_and_without_the_right_one_not(void **state)
{
    struct rig *r = *state;
    struct pki_cert good, bad;
    char code[PROV_ID_HEX + 1], path[TMP_PATH_MAX];

    ctl_ok(r, "ca", "registration-code");
    (void)prov_span_copy(prov_span(r->out, PROV_ID_HEX), code, sizeof code);
    bad = pki_verification(&r->ca, "0000");
    good = pki_verification(&r->ca, code);
    pki_write(r->dir, "bad", &bad, NULL);
    pki_write(r->dir, "good", &good, NULL);
    ctl_fails(r, 4, "ca", "register", r->ca_file, "--verification-cert",
              tmp_path(r->dir, "bad.crt", path));
    says(r->err, path);
    says(r->err, "provctl ca registration-code");
    ctl_json(r, "ca", "register", r->ca_file, "--verification-cert",
             tmp_path(r->dir, "good.crt", path));
    assert_string_equal(text_at(r, "certificateId"), r->ca_hex);
    ctl_json(r, "ca", "show", r->ca_hex);
    assert_string_equal(text_at(r, "certificateDescription.certificateMode"), "DEFAULT");
    assert_string_equal(text_at(r, "certificateDescription.status"), "INACTIVE");
    assert_string_equal(text_at(r, "certificateDescription.autoRegistrationStatus"), "DISABLE");
    pki_free(&bad);
    pki_free(&good);
}

static void proof_and_no_proof_exclude_each_other(void **state)
{
    struct rig *r = *state;

    ctl_fails(r, 1, "ca", "register", r->ca_file, "--sni-only", "--verification-cert", "x");
    says(r->err, "exclude each other");
}

static void der_and_pem_and_stdin_give_the_same_ca(void **state)
{
    struct rig *r = *state;
    char *pem = pki_pem(r->ca.x509), path[TMP_PATH_MAX];
    size_t n;
    uint8_t *der = pki_der(r->ca.x509, &n);
    FILE *file = fopen(tmp_path(r->dir, "ca.der", path), "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(der, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
    ctl_json(r, "ca", "register", path, "--sni-only");
    assert_string_equal(text_at(r, "certificateId"), r->ca_hex);
    r->input = pem;
    ctl_fails(r, 3, "ca", "register", "-", "--sni-only");
    ctl_fails(r, 3, "ca", "register", r->ca_file, "--sni-only");
    r->input = NULL;
    free(der);
    free(pem);
}

static void files_that_are_no_certificate_are_named_with_the_reason(void **state)
{
    struct rig *r = *state;
    char path[TMP_PATH_MAX], text[TMP_PATH_MAX + 64];

    ctl_fails(r, 1, "ca", "register", "/nowhere/ca.pem", "--sni-only");
    says(r->err, "provctl: /nowhere/ca.pem: cannot be opened: No such file");
    ctl_fails(r, 1, "ca", "register", r->dir, "--sni-only");
    says(r->err, "Is a directory");
    ctl_fails(r, 4, "ca", "register", tmp_path(r->dir, "ca.key", path), "--sni-only");
    says(r->err, "holds a private key");
    write_file(r, "csr", "-----BEGIN CERTIFICATE REQUEST-----\n", path);
    ctl_fails(r, 4, "cert", "register", path);
    says(r->err, "certificate request");
    write_file(r, "text", "hello", path);
    ctl_fails(r, 4, "cert", "register", path);
    (void)snprintf(text, sizeof text, "provctl: %s: ", path);
    says(r->err, text);
    r->input = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    ctl_fails(r, 4, "cert", "register", "-");
    says(r->err, "provctl: (stdin): ");
}

static void certificate_file_that_is_too_large_is_refused(void **state)
{
    struct rig *r = *state;
    char path[TMP_PATH_MAX], *text = malloc(PROV_MAX_CERT_PEM + 2);

    assert_non_null(text);
    memset(text, 'x', PROV_MAX_CERT_PEM + 1);
    text[PROV_MAX_CERT_PEM + 1] = '\0';
    write_file(r, "large", text, path);
    ctl_fails(r, 4, "cert", "register", path);
    says(r->err, "larger than");
    free(text);
}

static void device_certificate_is_no_ca(void **state)
{
    struct rig *r = *state;

    ctl_fails(r, 4, "ca", "register", r->leaf_file, "--sni-only");
    says(r->err, r->leaf_file);
    says(r->err, "CA:TRUE");
}

static void registering_a_ca_tells_what_is_left_to_do(void **state)
{
    struct rig *r = *state;

    ctl_ok(r, "ca", "register", r->ca_file, "--sni-only");
    says(r->out, r->ca_hex);
    says(r->out, "--status ACTIVE");
    says(r->out, "--auto-register on");
    says(r->out, "--template NAME");
    ctl_ok(r, "ca", "update", r->ca_hex, "--status", "inactive");
    ctl_ok(r, "ca", "delete", r->ca_hex);
    ctl_ok(r, "ca", "register", r->ca_file, "--sni-only", "--active", "--auto-register");
    says_not(r->out, "--status ACTIVE");
    says_not(r->out, "--auto-register on");
    says(r->out, "--template NAME");
}

static void ca_is_updated_field_by_field(void **state)
{
    struct rig *r = *state;
    char prefix[9], path[TMP_PATH_MAX];

    (void)prov_span_copy(prov_span(r->ca_hex, 8), prefix, sizeof prefix);
    write_file(r, "t.json", TEMPLATE_TEXT, path);
    ctl_ok(r, "ca", "register", r->ca_file, "--sni-only");
    ctl_ok(r, "template", "create", "jitp", path, "--type", "JITP");
    ctl_ok(r, "ca", "update", prefix, "--status", "ACTIVE");
    says(r->out, "ACTIVE, auto-register off, no template");
    ctl_ok(r, "ca", "update", prefix, "--auto-register", "on");
    says(r->out, "ACTIVE, auto-register on, no template");
    ctl_ok(r, "ca", "update", prefix, "--template", "jitp");
    says(r->out, "ACTIVE, auto-register on, template jitp");
    ctl_ok(r, "ca", "list", "--template", "jitp");
    says(r->out, prefix);
    ctl_ok(r, "ca", "update", prefix, "--no-template", "--auto-register", "off");
    says(r->out, "ACTIVE, auto-register off, no template");
    ctl_fails(r, 1, "ca", "update", prefix);
    says(r->err, "nothing to change");
    ctl_fails(r, 1, "ca", "update", prefix, "--template", "jitp", "--no-template");
    ctl_fails(r, 2, "ca", "update", prefix, "--template", "nosuch");
    ctl_fails(r, 2, "ca", "list", "--template", "nosuch");
}

static void active_ca_is_not_deleted(void **state)
{
    struct rig *r = *state;

    ctl_ok(r, "ca", "register", r->ca_file, "--sni-only", "--active");
    ctl_fails(r, 4, "ca", "delete", r->ca_hex);
    says(r->err, "--status INACTIVE` first");
    ctl_ok(r, "ca", "update", r->ca_hex, "--status", "INACTIVE");
    ctl_ok(r, "ca", "delete", r->ca_hex);
    ctl_fails(r, 2, "ca", "show", r->ca_hex);
}

static void ca_is_shown_with_its_pem_only_when_asked(void **state)
{
    struct rig *r = *state;
    char *pem = pki_pem(r->ca.x509);

    ctl_ok(r, "ca", "register", r->ca_file, "--sni-only");
    ctl_ok(r, "ca", "show", r->ca_hex);
    says_not(r->out, "BEGIN CERTIFICATE");
    says(r->out, "CN=Test CA");
    ctl_ok(r, "ca", "show", r->ca_hex, "--pem");
    says(r->out, pem);
    ctl_json(r, "ca", "show", r->ca_hex);
    assert_string_equal(text_at(r, "certificateDescription.certificatePem"), pem);
    free(pem);
}

/* ---- certificates ---------------------------------------------------------------------------- */

static void certificate_needs_its_ca_or_no_ca(void **state)
{
    struct rig *r = *state;

    ctl_denies(r, 4, "cert", "register", r->leaf_file);
    says(r->err, "--no-ca");
    ctl_json(r, "cert", "register", r->leaf_file, "--no-ca");
    assert_string_equal(text_at(r, "certificateId"), r->leaf_hex);
    ctl_fails(r, 3, "cert", "register", r->leaf_file, "--no-ca");
    ctl_fails(r, 1, "cert", "register", r->leaf_file, "--no-ca", "--ca", r->ca_file);
}

static void certificate_is_inactive_unless_said_otherwise(void **state)
{
    struct rig *r = *state;

    ctl_ok(r, "ca", "register", r->ca_file, "--sni-only", "--active");
    ctl_ok(r, "cert", "register", r->leaf_file, "--ca", r->ca_file);
    says(r->out, "INACTIVE");
    says(r->out, "--status ACTIVE");
    ctl_json(r, "cert", "show", r->leaf_hex);
    assert_string_equal(text_at(r, "certificateDescription.status"), "INACTIVE");
    assert_string_equal(text_at(r, "certificateDescription.caCertificateId"), r->ca_hex);
}

static void certificate_is_revoked_for_good(void **state)
{
    struct rig *r = *state;

    rig_register(r);
    ctl_ok(r, "cert", "update", r->leaf_hex, "--status", "Revoked");
    says(r->out, "REVOKED");
    ctl_fails(r, 4, "cert", "update", r->leaf_hex, "--status", "ACTIVE");
    ctl_json(r, "cert", "show", r->leaf_hex);
    assert_string_equal(text_at(r, "certificateDescription.status"), "REVOKED");
    ctl_fails(r, 1, "cert", "update", r->leaf_hex);
    says(r->err, "--status ACTIVE|INACTIVE|REVOKED is missing");
    ctl_fails(r, 1, "cert", "update", r->leaf_hex, "--status", "PENDING_ACTIVATION");
}

static void certificate_is_deleted_by_the_rules(void **state)
{
    struct rig *r = *state;
    char path[TMP_PATH_MAX];

    rig_register(r);
    write_file(r, "p.json", POLICY_TEXT, path);
    ctl_ok(r, "policy", "create", "p", path);
    ctl_ok(r, "policy", "attach", "p", "--cert", r->leaf_hex);
    ctl_ok(r, "thing", "create", "dev-1");
    ctl_ok(r, "thing", "attach", "dev-1", "--cert", r->leaf_hex);
    ctl_fails(r, 4, "cert", "delete", r->leaf_hex, "--force");
    says(r->err, "--status INACTIVE` first");
    ctl_ok(r, "cert", "update", r->leaf_hex, "--status", "INACTIVE");
    ctl_fails(r, 4, "cert", "delete", r->leaf_hex, "--force");
    says(r->err, "provctl thing detach dev-1 --cert");
    ctl_ok(r, "thing", "detach", "dev-1", "--cert", r->leaf_hex);
    ctl_fails(r, 4, "cert", "delete", r->leaf_hex);
    says(r->err, "--force");
    ctl_ok(r, "cert", "delete", r->leaf_hex, "--force");
    ctl_fails(r, 2, "cert", "show", r->leaf_hex);
}

static void ids_are_found_by_eight_digits_and_not_by_seven(void **state)
{
    struct rig *r = *state;
    char prefix[10];

    rig_register(r);
    (void)prov_span_copy(prov_span(r->leaf_hex, 9), prefix, sizeof prefix);
    ctl_ok(r, "cert", "show", prefix);
    says(r->out, r->leaf_hex);
    prefix[7] = '\0';
    ctl_fails(r, 4, "cert", "show", prefix);
    ctl_fails(r, 2, "cert", "show", "00000000");
    says(r->err, "provctl cert list");
    ctl_fails(r, 4, "cert", "show", "not-hex!");
}

static void certificates_are_listed_by_ca_and_by_status(void **state)
{
    struct rig *r = *state;
    struct pki_cert other = pki_make(&(struct pki_spec){ .subject = "/CN=other" });
    char path[TMP_PATH_MAX];

    rig_register(r);
    pki_write(r->dir, "other", &other, NULL);
    ctl_ok(r, "cert", "register", tmp_path(r->dir, "other.crt", path), "--no-ca");
    ctl_ok(r, "cert", "list");
    says(r->out, "dev-1");
    says(r->out, "other");
    ctl_ok(r, "cert", "list", "--ca", r->ca_hex);
    says(r->out, "dev-1");
    says_not(r->out, "other");
    ctl_ok(r, "cert", "list", "--status", "inactive");
    says_not(r->out, "dev-1");
    says(r->out, "other");
    ctl_ok(r, "cert", "list", "--status", "REVOKED");
    assert_string_equal(r->out, "");
    says(r->err, "no such certificate");
    ctl_fails(r, 2, "cert", "list", "--ca", "00000000");
    ctl_fails(r, 1, "cert", "list", "--status", "GONE");
    pki_free(&other);
}

static void common_name_cannot_write_to_the_terminal(void **state)
{
    struct rig *r = *state;
    struct pki_cert evil = pki_make(&(struct pki_spec){ .subject = "/CN=\x1b[31mred\x1b[0m" });
    char path[TMP_PATH_MAX];

    pki_write(r->dir, "evil", &evil, NULL);
    ctl_ok(r, "cert", "register", tmp_path(r->dir, "evil.crt", path), "--no-ca");
    ctl_ok(r, "cert", "list");
    says_not(r->out, "\x1b");
    says(r->out, "\\x1b[31mred");
    pki_free(&evil);
}

/* ---- things, groups, types, billing groups --------------------------------------------------- */

static void thing_is_created_changed_and_shown(void **state)
{
    struct rig *r = *state;

    ctl_fails(r, 2, "thing", "create", "a", "--type", "sensor");
    says(r->err, "provctl type create");
    ctl_ok(r, "type", "create", "sensor", "--searchable", "site", "--description", "rooms");
    ctl_json(r, "thing", "create", "a", "--type", "sensor", "--attr", "site=berlin", "--attr",
             "floor=3");
    assert_string_equal(text_at(r, "thingArn"), "arn:aws:iot:local:000000000000:thing/a");
    ctl_ok(r, "thing", "update", "a", "--attr", "floor=4", "--attr", "site=");
    says(r->out, "version 2");
    ctl_json(r, "thing", "show", "a");
    assert_string_equal(text_at(r, "attributes.floor"), "4");
    assert_null(cJSON_GetObjectItemCaseSensitive(at(r, "attributes"), "site"));
    ctl_ok(r, "thing", "update", "a", "--replace", "--attr", "room=7");
    ctl_ok(r, "thing", "show", "a");
    says(r->out, "room = 7");
    says_not(r->out, "floor");
    ctl_ok(r, "thing", "update", "a", "--no-type");
    ctl_ok(r, "thing", "show", "a");
    says_not(r->out, "sensor");
}

static void thing_of_the_same_name_is_a_conflict_when_it_differs(void **state)
{
    struct rig *r = *state;

    ctl_ok(r, "thing", "create", "a", "--attr", "k=v");
    ctl_ok(r, "thing", "create", "a", "--attr", "k=v");
    ctl_fails(r, 3, "thing", "create", "a", "--attr", "k=w");
    ctl_fails(r, 3, "thing", "update", "a", "--attr", "k=w", "--expected-version", "7");
    ctl_ok(r, "thing", "update", "a", "--attr", "k=w", "--expected-version", "1");
}

static void attributes_that_are_none_are_usage_errors(void **state)
{
    struct rig *r = *state;

    ctl_fails(r, 1, "thing", "create", "a", "--attr", "k");
    says(r->err, "KEY=VALUE");
    ctl_fails(r, 1, "thing", "create", "a", "--attr", "=v");
    ctl_fails(r, 1, "thing", "create", "a", "--attr", "k=1", "--attr", "k=2");
    says(r->err, "given twice");
    ctl_fails(r, 4, "thing", "create", "a", "--attr", "k=a b");
    ctl_fails(r, 4, "thing", "create", "a b");
    ctl_fails(r, 1, "thing", "update", "a");
    ctl_fails(r, 1, "thing", "update", "a", "--type", "t", "--no-type");
    ctl_fails(r, 1, "thing", "update", "a", "--billing-group", "b", "--no-billing-group");
}

static void failed_command_changes_nothing_at_all(void **state)
{
    struct rig *r = *state;

    ctl_ok(r, "init");
    ctl_fails(r, 2, "thing", "create", "a", "--billing-group", "nosuch");
    ctl_fails(r, 2, "thing", "show", "a");
    ctl_ok(r, "billing-group", "create", "bill");
    ctl_ok(r, "thing", "create", "a", "--billing-group", "bill");
    ctl_fails(r, 2, "thing", "update", "a", "--attr", "k=v", "--billing-group", "nosuch");
    ctl_json(r, "thing", "show", "a");
    assert_string_equal(text_at(r, "billingGroupName"), "bill");
    assert_int_equal(count_at(r, "attributes"), 0);
}

static void thing_with_a_certificate_is_not_deleted(void **state)
{
    struct rig *r = *state;

    rig_register(r);
    ctl_ok(r, "thing", "create", "a");
    ctl_ok(r, "thing", "attach", "a", "--cert", r->leaf_hex, "--exclusive");
    ctl_ok(r, "cert", "show", r->leaf_hex);
    says(r->out, "exclusive");
    ctl_fails(r, 4, "thing", "delete", "a");
    says(r->err, "provctl thing detach a --cert");
    ctl_ok(r, "thing", "detach", "a", "--cert", r->leaf_hex);
    ctl_ok(r, "thing", "delete", "a");
    ctl_ok(r, "thing", "delete", "a"); /* as on AWS */
    says(r->err, "there was no thing a");
    ctl_fails(r, 1, "thing", "attach", "a");
    says(r->err, "--cert ID is missing");
}

/* Its groups' rights go by it, so it ends in so many words or not at all. */
static void exclusive_attachment_does_not_end_by_attaching_again(void **state)
{
    struct rig *r = *state;

    rig_register(r);
    ctl_ok(r, "thing", "create", "a");
    ctl_ok(r, "thing", "attach", "a", "--cert", r->leaf_hex);
    ctl_ok(r, "thing", "attach", "a", "--cert", r->leaf_hex, "--exclusive");
    ctl_ok(r, "thing", "attach", "a", "--cert", r->leaf_hex, "--exclusive");
    ctl_fails(r, 3, "thing", "attach", "a", "--cert", r->leaf_hex);
    says(r->err, "the certificate is attached to thing \"a\" exclusively\n"
                 "  `provctl thing detach a --cert ");
    ctl_ok(r, "cert", "show", r->leaf_hex);
    says(r->out, "exclusive");
    ctl_ok(r, "thing", "detach", "a", "--cert", r->leaf_hex);
    ctl_ok(r, "thing", "attach", "a", "--cert", r->leaf_hex);
    ctl_ok(r, "cert", "show", r->leaf_hex);
    says_not(r->out, "exclusive");
}

static void groups_hold_things_and_groups(void **state)
{
    struct rig *r = *state;

    ctl_ok(r, "group", "create", "earth");
    ctl_ok(r, "group", "create", "berlin", "--parent", "earth", "--description", "the plant");
    ctl_ok(r, "thing", "create", "a");
    ctl_ok(r, "group", "add", "berlin", "a");
    ctl_ok(r, "group", "show", "berlin");
    says(r->out, "the plant");
    says(r->out, "earth");
    ctl_ok(r, "group", "list", "--parent", "earth");
    says(r->out, "berlin");
    ctl_ok(r, "thing", "list", "--group", "berlin");
    says(r->out, "a  ");
    ctl_fails(r, 4, "group", "delete", "earth");
    says(r->err, "provctl group list --parent earth");
    ctl_ok(r, "group", "remove", "berlin", "a");
    ctl_ok(r, "thing", "list", "--group", "berlin");
    assert_string_equal(r->out, "");
    ctl_ok(r, "group", "delete", "berlin");
    ctl_ok(r, "group", "delete", "earth");
    ctl_fails(r, 2, "thing", "list", "--group", "earth");
    ctl_fails(r, 2, "group", "add", "earth", "a");
    says(r->err, "provctl group list");
}

static void type_is_deprecated_before_it_is_deleted(void **state)
{
    struct rig *r = *state;

    ctl_ok(r, "type", "create", "sensor");
    ctl_fails(r, 4, "type", "delete", "sensor");
    says(r->err, "provctl type deprecate sensor");
    ctl_ok(r, "type", "deprecate", "sensor");
    ctl_fails(r, 4, "thing", "create", "a", "--type", "sensor");
    ctl_ok(r, "type", "deprecate", "sensor", "--undo");
    ctl_ok(r, "thing", "create", "a", "--type", "sensor");
    ctl_ok(r, "type", "deprecate", "sensor");
    ctl_ok(r, "type", "show", "sensor");
    says(r->out, "deprecated");
    ctl_fails(r, 4, "type", "delete", "sensor");
    ctl_ok(r, "thing", "delete", "a");
    ctl_ok(r, "type", "delete", "sensor");
    ctl_fails(r, 2, "type", "show", "sensor");
    ctl_fails(r, 1, "type", "create", "t", "--searchable", "a", "--searchable", "b", "--searchable",
              "c", "--searchable", "d");
}

static void billing_group_is_one_a_thing(void **state)
{
    struct rig *r = *state;

    ctl_ok(r, "billing-group", "create", "one", "--description", "first");
    ctl_ok(r, "billing-group", "create", "two");
    ctl_ok(r, "thing", "create", "a", "--billing-group", "one");
    ctl_ok(r, "thing", "update", "a", "--billing-group", "two");
    ctl_ok(r, "billing-group", "show", "one");
    says(r->out, "none");
    ctl_ok(r, "thing", "list", "--billing-group", "two");
    says(r->out, "a  ");
    ctl_ok(r, "thing", "update", "a", "--no-billing-group");
    ctl_ok(r, "billing-group", "list");
    says(r->out, "first");
    ctl_ok(r, "billing-group", "delete", "two");
    ctl_fails(r, 2, "billing-group", "show", "two");
}

/* ---- lists ----------------------------------------------------------------------------------- */

#define MANY 700 /* more than two pages */

static void make_many(struct rig *r)
{
    char name[32];

    rig_open(r);
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(name, sizeof name, "thing-%04d", i);
        rig_do(r, prov_thing_create(&r->tx, S(name), NONE, NULL, 0));
    }
    rig_close(r);
}

static void long_list_has_every_row_once_and_in_order(void **state)
{
    struct rig *r = *state;
    char name[32];

    make_many(r);
    ctl_json(r, "thing", "list");
    assert_int_equal(count_at(r, "things"), MANY);
    for (int i = 0; i < MANY; i++) {
        const cJSON *row = cJSON_GetArrayItem(at(r, "things"), i);

        (void)snprintf(name, sizeof name, "thing-%04d", i);
        assert_string_equal(
            cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(row, "thingName")), name);
    }
    assert_null(cJSON_GetObjectItemCaseSensitive(r->json, "nextToken"));
}

static void list_goes_on_behind_the_last_of_a_page(void **state)
{
    struct rig *r = *state;
    char token[64];
    int rows = 0, pages = 0;

    make_many(r);
    ctl_json(r, "thing", "list", "--limit", "300");
    for (;; pages++) {
        rows += count_at(r, "things");
        if (cJSON_GetObjectItemCaseSensitive(r->json, "nextToken") == NULL)
            break;
        (void)snprintf(token, sizeof token, "%s", text_at(r, "nextToken"));
        ctl_json(r, "thing", "list", "--limit", "300", "--after", token);
    }
    assert_int_equal(rows, MANY);
    assert_int_equal(pages, 2);
}

static void limit_that_is_not_reached_is_not_told_of(void **state)
{
    struct rig *r = *state;

    ctl_ok(r, "thing", "create", "a");
    ctl_ok(r, "thing", "create", "b");
    ctl_ok(r, "thing", "list", "--limit", "2");
    says_not(r->err, "more follow");
    ctl_ok(r, "thing", "list", "--limit", "1");
    says(r->err, "more follow: --after a");
    says_not(r->out, "b  ");
    ctl_json(r, "thing", "list", "--limit", "2");
    assert_null(cJSON_GetObjectItemCaseSensitive(r->json, "nextToken"));
}

static void list_of_certificates_goes_on_behind_an_id(void **state)
{
    struct rig *r = *state;
    char marker[PROV_ID_HEX + 1];

    rig_register(r);
    rig_open(r);
    for (int i = 0; i < 3; i++) {
        struct pki_cert cert = pki_make(&(struct pki_spec){ .subject = "/CN=x" });
        struct prov_cert_registration reg = { .without_ca = true };
        size_t n;
        uint8_t *der = pki_der(cert.x509, &n);
        struct prov_id id;

        reg.der = prov_span(der, n);
        rig_do(r, prov_cert_register(&r->tx, &reg, &id));
        free(der);
        pki_free(&cert);
    }
    rig_close(r);
    ctl_json(r, "cert", "list", "--limit", "1");
    (void)snprintf(marker, sizeof marker, "%s", text_at(r, "nextMarker"));
    assert_string_equal(marker, text_at(r, "certificates[0].certificateId"));
    ctl_json(r, "cert", "list", "--after", marker);
    assert_int_equal(count_at(r, "certificates"), 3);
    ctl_fails(r, 1, "cert", "list", "--after", "1234abcd");
}

static void empty_list_is_an_empty_array_and_a_remark(void **state)
{
    struct rig *r = *state;
    static const struct {
        const char *noun, *key;
    } lists[] = {
        { "ca", "certificates" }, { "cert", "certificates" },
        { "thing", "things" },    { "group", "thingGroups" },
        { "type", "thingTypes" }, { "billing-group", "billingGroups" },
        { "policy", "policies" }, { "template", "templates" },
    };

    ctl_ok(r, "init");
    for (size_t i = 0; i < PROV_COUNT(lists); i++) {
        ctl_json(r, lists[i].noun, "list");
        assert_int_equal(count_at(r, lists[i].key), 0);
        assert_string_equal(r->err, "");
        ctl_ok(r, lists[i].noun, "list");
        assert_string_equal(r->out, "");
        assert_string_not_equal(r->err, "");
    }
}

/* ---- stdout ---------------------------------------------------------------------------------- */

static void answer_that_cannot_be_written_is_a_failure(void **state)
{
    struct rig *r = *state;
    char *argv[] = { (char *)"provctl", (char *)"init", NULL };
    FILE *full = fopen("/dev/full", "w");
    size_t n;
    struct ctl_io io = { .in = stdin, .out = full };

    assert_non_null(full);
    free(r->err);
    io.err = open_memstream(&r->err, &n);
    assert_int_equal(ctl_main(&io, 2, argv), 5);
    (void)fclose(io.err);
    (void)fclose(full);
    says(r->err, "No space left");
}

static void errors_under_json_are_documents(void **state)
{
    struct rig *r = *state;

    ctl_ok(r, "init");
    ctl_json_code(r, 2, "thing", "show", "a");
    assert_string_equal(r->out, "");
    assert_string_equal(text_at(r, "error.code"), "ResourceNotFoundException");
    says(text_at(r, "error.message"), "there is no thing \"a\"");
    says(text_at(r, "error.hint"), "provctl thing list");
    ctl_json_code(r, 1, "thing", "shw", "a");
    assert_string_equal(text_at(r, "error.code"), "UsageException");
    ctl_json_code(r, 1, "thing");
    assert_string_equal(text_at(r, "error.code"), "UsageException");
}

static void changes_answer_with_what_became_of_it_under_json(void **state)
{
    struct rig *r = *state;

    rig_register(r);
    ctl_ok(r, "thing", "create", "a");
    ctl_ok(r, "group", "create", "g");
    ctl_json(r, "thing", "update", "a", "--attr", "k=v");
    assert_string_equal(text_at(r, "attributes.k"), "v");
    assert_int_equal(at(r, "version")->valueint, 2);
    ctl_json(r, "cert", "update", r->leaf_hex, "--status", "INACTIVE");
    assert_string_equal(text_at(r, "certificateId"), r->leaf_hex);
    assert_string_equal(text_at(r, "status"), "INACTIVE");
    ctl_json(r, "thing", "delete", "a");
    assert_true(cJSON_IsTrue(at(r, "deleted")));
    ctl_json(r, "thing", "delete", "a");
    assert_true(cJSON_IsFalse(at(r, "deleted")));
}

static void operations_that_answer_nothing_answer_with_an_empty_document(void **state)
{
    struct rig *r = *state;

    ctl_ok(r, "thing", "create", "a");
    ctl_ok(r, "group", "create", "g");
    ctl_json(r, "group", "add", "g", "a");
    assert_string_equal(r->out, "{}\n");
    ctl_json(r, "group", "delete", "g");
    assert_string_equal(r->out, "{}\n");
}

/* ---- status, check, backup ------------------------------------------------------------------- */

static void status_counts_what_is_there(void **state)
{
    struct rig *r = *state;

    rig_register(r);
    ctl_ok(r, "thing", "create", "a");
    ctl_json(r, "status");
    assert_int_equal(at(r, "counts.caCertificates")->valueint, 1);
    assert_int_equal(at(r, "counts.certificates")->valueint, 1);
    assert_int_equal(at(r, "counts.things")->valueint, 1);
    assert_int_equal(at(r, "counts.policies")->valueint, 0);
    assert_string_equal(text_at(r, "lastChange.kind"), "thing");
    assert_string_equal(text_at(r, "lastChange.key"), "a");
    assert_string_equal(text_at(r, "dbPath"), r->db);
    assert_int_equal(at(r, "certificatesByStatus.ACTIVE")->valueint, 1);
    assert_int_equal(at(r, "certificatesByStatus.REVOKED")->valueint, 0);
    ctl_ok(r, "status");
    says(r->out, "1 ACTIVE");
    says(r->out, "last change       thing a, ");
}

static void check_finds_nothing_wrong_in_a_sound_store(void **state)
{
    struct rig *r = *state;

    rig_register(r);
    ctl_ok(r, "check");
    says(r->out, "2 objects checked: all is well");
    ctl_json(r, "check");
    assert_int_equal(count_at(r, "problems"), 0);
}

static void damage(struct rig *r)
{
    struct prov_txn *txn;
    bool found = false;

    rig_open(r);
    txn = r->tx.txn;
    for (unsigned t = 0; t < prov_registry_schema.n_tables && !found; t++) {
        found = strcmp(prov_registry_schema.tables[t], "cert-der") == 0;
        if (found) /* the only certificate's */
            assert_int_equal(prov_txn_del(txn, t, PROV_LIT("\0\0\0\0\0\0\0\1")), PROV_OK);
    }
    assert_true(found);
    rig_close(r);
}

static void check_reports_damage_and_ends_with_5(void **state)
{
    struct rig *r = *state;

    rig_register(r);
    damage(r);
    ctl_denies(r, 5, "check");
    says(r->out, r->leaf_hex);
    says(r->out, "problems");
    ctl_json_code(r, 5, "check");
    assert_true(count_at(r, "problems") > 0);
    assert_int_equal(at(r, "problemCount")->valueint, count_at(r, "problems"));
    ctl_fails(r, 5, "--json", "cert", "show", r->leaf_hex);
}

static void backup_is_a_store_of_its_own(void **state)
{
    struct rig *r = *state;
    char copy[TMP_PATH_MAX], empty[TMP_PATH_MAX];
    struct stat st;

    rig_register(r);
    ctl_ok(r, "backup", tmp_path(r->dir, "copy", copy));
    says(r->out, copy);
    assert_int_equal(stat(copy, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    ctl_ok(r, "cert", "update", r->leaf_hex, "--status", "REVOKED");
    ctl_json(r, "--db", copy, "cert", "show", r->leaf_hex);
    assert_string_equal(text_at(r, "certificateDescription.status"), "ACTIVE");
    ctl_ok(r, "--db", copy, "check");
    assert_int_equal(mkdir(tmp_path(r->dir, "empty", empty), 0700), 0);
    ctl_json(r, "backup", empty);
    assert_string_equal(text_at(r, "backupPath"), empty);
    assert_true(at(r, "bytes")->valuedouble > 0);
}

static void backup_touches_no_directory_that_is_in_use(void **state)
{
    struct rig *r = *state;
    char path[TMP_PATH_MAX];

    ctl_ok(r, "init");
    ctl_fails(r, 1, "backup", r->dir);
    says(r->err, "is not empty");
    ctl_fails(r, 1, "backup", "/nowhere/at/all");
    write_file(r, "file", "x", path);
    ctl_fails(r, 1, "backup", path);
}

static const struct CMUnitTest ctl[] = {
    RIG_TEST(init_makes_a_store_and_tells_the_broker_how_to_use_it),
    RIG_TEST(init_again_keeps_what_is_there),
    RIG_TEST(account_ids_and_regions_that_are_none_are_refused),
    RIG_TEST(reading_without_a_store_fails_and_writing_makes_one),
    RIG_TEST(db_option_goes_before_the_environment),
    RIG_TEST(what_is_no_store_is_left_alone),
    RIG_TEST(store_of_an_older_format_is_refused_with_what_to_do_and_left_alone),
    RIG_TEST(ca_without_proof_is_told_how_to_make_it),
    RIG_TEST(registration_code_of_a_refused_registration_is_kept),
    RIG_TEST(ca_with_proof_is_registered_and_without_the_right_one_not),
    RIG_TEST(proof_and_no_proof_exclude_each_other),
    RIG_TEST(der_and_pem_and_stdin_give_the_same_ca),
    RIG_TEST(files_that_are_no_certificate_are_named_with_the_reason),
    RIG_TEST(certificate_file_that_is_too_large_is_refused),
    RIG_TEST(device_certificate_is_no_ca),
    RIG_TEST(registering_a_ca_tells_what_is_left_to_do),
    RIG_TEST(ca_is_updated_field_by_field),
    RIG_TEST(active_ca_is_not_deleted),
    RIG_TEST(ca_is_shown_with_its_pem_only_when_asked),
    RIG_TEST(certificate_needs_its_ca_or_no_ca),
    RIG_TEST(certificate_is_inactive_unless_said_otherwise),
    RIG_TEST(certificate_is_revoked_for_good),
    RIG_TEST(certificate_is_deleted_by_the_rules),
    RIG_TEST(ids_are_found_by_eight_digits_and_not_by_seven),
    RIG_TEST(certificates_are_listed_by_ca_and_by_status),
    RIG_TEST(common_name_cannot_write_to_the_terminal),
    RIG_TEST(thing_is_created_changed_and_shown),
    RIG_TEST(thing_of_the_same_name_is_a_conflict_when_it_differs),
    RIG_TEST(attributes_that_are_none_are_usage_errors),
    RIG_TEST(failed_command_changes_nothing_at_all),
    RIG_TEST(thing_with_a_certificate_is_not_deleted),
    RIG_TEST(exclusive_attachment_does_not_end_by_attaching_again),
    RIG_TEST(groups_hold_things_and_groups),
    RIG_TEST(type_is_deprecated_before_it_is_deleted),
    RIG_TEST(billing_group_is_one_a_thing),
    RIG_TEST(long_list_has_every_row_once_and_in_order),
    RIG_TEST(list_goes_on_behind_the_last_of_a_page),
    RIG_TEST(limit_that_is_not_reached_is_not_told_of),
    RIG_TEST(list_of_certificates_goes_on_behind_an_id),
    RIG_TEST(empty_list_is_an_empty_array_and_a_remark),
    RIG_TEST(answer_that_cannot_be_written_is_a_failure),
    RIG_TEST(errors_under_json_are_documents),
    RIG_TEST(changes_answer_with_what_became_of_it_under_json),
    RIG_TEST(operations_that_answer_nothing_answer_with_an_empty_document),
    RIG_TEST(status_counts_what_is_there),
    RIG_TEST(check_finds_nothing_wrong_in_a_sound_store),
    RIG_TEST(check_reports_damage_and_ends_with_5),
    RIG_TEST(backup_is_a_store_of_its_own),
    RIG_TEST(backup_touches_no_directory_that_is_in_use),
};

int main(void)
{
    return cmocka_run_group_tests(ctl, NULL, NULL);
}
