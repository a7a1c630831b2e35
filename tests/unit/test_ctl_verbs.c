/* provctl's verbs for the life of certificates and things: hooks, revocation lists, transfers,
 * changes of owner. */
#include "ctl/ctl.h"
#include "unit/test_ctl.h"

#include <openssl/pem.h>
#include <openssl/x509.h>

/* ---- hooks ----------------------------------------------------------------------------------- */

static void ca_has_a_hook_until_it_is_taken_away(void **state)
{
    struct rig *r = *state;

    ctl_ok(r, "ca", "register", r->ca_file, "--sni-only", "--hook", "exec:/usr/bin/true");
    ctl_ok(r, "ca", "show", r->ca_hex);
    says(r->out, "hook              exec:/usr/bin/true\n");
    ctl_ok(r, "ca", "update", r->ca_hex, "--hook", "https://hooks.example/a");
    says(r->out, "no template, hook https://hooks.example/a\n");
    ctl_json(r, "ca", "show", r->ca_hex);
    assert_string_equal(text_at(r, "activationHook.targetArn"), "https://hooks.example/a");
    ctl_ok(r, "ca", "update", r->ca_hex, "--status", "ACTIVE");
    says(r->out, "hook https://hooks.example/a");
    ctl_ok(r, "ca", "update", r->ca_hex, "--no-hook");
    ctl_ok(r, "ca", "show", r->ca_hex);
    says_not(r->out, "hook");
}

static void hook_that_is_none_is_refused(void **state)
{
    static const char *const specs[] = { "http://hooks.example/a", "exec:relative", "/usr/bin/true",
                                         "https://", "" };
    struct rig *r = *state;

    ctl_ok(r, "ca", "register", r->ca_file, "--sni-only");
    for (size_t i = 0; i < PROV_COUNT(specs); i++)
        ctl_fails(r, 4, "ca", "update", r->ca_hex, "--hook", specs[i]);
    ctl_fails(r, 1, "ca", "update", r->ca_hex, "--hook", "exec:/usr/bin/true", "--no-hook");
    says(r->err, "--hook and --no-hook exclude each other");
    ctl_fails(r, 1, "template", "update", "t", "--hook", "exec:/usr/bin/true", "--no-hook");
    ctl_ok(r, "ca", "show", r->ca_hex);
    says_not(r->out, "hook");
}

static void template_has_a_hook_until_it_is_taken_away(void **state)
{
    struct rig *r = *state;

    r->input = "{ \"Resources\": { \"t\": { \"Type\": \"AWS::IoT::Thing\",\n"
               "  \"Properties\": { \"ThingName\": \"fixed\" } } } }\n";
    ctl_ok(r, "template", "create", "t", "-", "--hook", "exec:/usr/bin/true");
    ctl_ok(r, "template", "show", "t");
    says(r->out, "hook              exec:/usr/bin/true\n");
    ctl_ok(r, "template", "update", "t", "--hook", "https://hooks.example/b");
    ctl_json(r, "template", "show", "t");
    assert_string_equal(text_at(r, "preProvisioningHook.targetArn"), "https://hooks.example/b");
    ctl_ok(r, "template", "update", "t", "--no-hook");
    ctl_ok(r, "template", "show", "t");
    says_not(r->out, "hook");
    ctl_fails(r, 4, "template", "create", "u", "-", "--type", "JITP", "--hook",
              "exec:/usr/bin/true");
}

/* ---- transfers of certificates --------------------------------------------------------------- */

static void certificate_is_offered_and_accepted(void **state)
{
    struct rig *r = *state;

    rig_register(r);
    ctl_fails(r, 4, "cert", "transfer", r->leaf_hex, "--to", "123456789012");
    says(r->err, "--status INACTIVE` first");
    ctl_ok(r, "cert", "update", r->leaf_hex, "--status", "INACTIVE");
    ctl_ok(r, "cert", "transfer", r->leaf_hex, "--to", "123456789012", "--message", "lot 17");
    says(r->out, "offered to account 123456789012");
    says(r->out, "provctl cert accept ");
    ctl_ok(r, "cert", "show", r->leaf_hex);
    says(r->out, "status            PENDING_TRANSFER\n");
    says(r->out, "transferred to    123456789012\nmessage           lot 17\noffered           ");
    ctl_fails(r, 4, "cert", "update", r->leaf_hex, "--status", "ACTIVE");
    ctl_ok(r, "cert", "accept", r->leaf_hex, "--active");
    says(r->out, "is accepted, and ACTIVE\n");
    ctl_fails(r, 3, "cert", "accept", r->leaf_hex);
    ctl_json(r, "cert", "show", r->leaf_hex);
    assert_string_equal(text_at(r, "certificateDescription.status"), "ACTIVE");
    assert_string_equal(text_at(r, "certificateDescription.transferData.transferMessage"),
                        "lot 17");
    assert_true(at(r, "certificateDescription.transferData.acceptDate")->valuedouble > 0);
}

static void certificate_is_offered_and_comes_back(void **state)
{
    struct rig *r = *state;

    rig_register(r);
    ctl_ok(r, "cert", "update", r->leaf_hex, "--status", "INACTIVE");
    ctl_ok(r, "cert", "transfer", r->leaf_hex, "--to", "123456789012");
    ctl_ok(r, "cert", "reject", r->leaf_hex, "--reason", "not ours");
    says(r->out, "is INACTIVE here again\n");
    ctl_ok(r, "cert", "show", r->leaf_hex);
    says(r->out, "reason            not ours\n");
    ctl_ok(r, "cert", "transfer", r->leaf_hex, "--to", "123456789012");
    ctl_ok(r, "cert", "cancel-transfer", r->leaf_hex);
    says(r->out, "is INACTIVE here again\n");
    ctl_fails(r, 4, "cert", "cancel-transfer", r->leaf_hex);
}

static void certificate_in_use_is_not_offered_and_the_way_out_is_told(void **state)
{
    struct rig *r = *state;
    char path[TMP_PATH_MAX];

    rig_register(r);
    write_file(r, "p.json", POLICY_TEXT, path);
    ctl_ok(r, "policy", "create", "p", path);
    ctl_ok(r, "policy", "attach", "p", "--cert", r->leaf_hex);
    ctl_ok(r, "thing", "create", "a");
    ctl_ok(r, "thing", "attach", "a", "--cert", r->leaf_hex);
    ctl_ok(r, "cert", "update", r->leaf_hex, "--status", "INACTIVE");
    ctl_denies(r, 4, "cert", "transfer", r->leaf_hex, "--to", "123456789012");
    says(r->err, "provctl policy detach p --cert ");
    says(r->err, "provctl thing detach a --cert ");
    ctl_fails(r, 1, "cert", "transfer", r->leaf_hex);
    says(r->err, "--to ACCOUNT is missing");
    ctl_ok(r, "policy", "detach", "p", "--cert", r->leaf_hex);
    ctl_ok(r, "thing", "detach", "a", "--cert", r->leaf_hex);
    ctl_fails(r, 4, "cert", "transfer", r->leaf_hex, "--to", "12");
    ctl_fails(r, 2, "cert", "transfer", "00000000", "--to", "123456789012");
    says(r->err, "provctl cert list");
}

/* ---- things ---------------------------------------------------------------------------------- */

static void certificate_is_handed_from_thing_to_thing(void **state)
{
    struct rig *r = *state;

    rig_register(r);
    ctl_ok(r, "thing", "create", "a");
    ctl_ok(r, "thing", "create", "b");
    ctl_fails(r, 2, "thing", "transfer", "a", "b", "--cert", r->leaf_hex);
    ctl_ok(r, "thing", "attach", "a", "--cert", r->leaf_hex);
    ctl_ok(r, "thing", "transfer", "a", "b", "--cert", r->leaf_hex, "--exclusive");
    says(r->out, "is thing b's now, and no longer thing a's\n");
    ctl_json(r, "cert", "show", r->leaf_hex);
    assert_int_equal(count_at(r, "things"), 1);
    assert_string_equal(text_at(r, "things[0]"), "b");
    assert_string_equal(text_at(r, "thingPrincipalType"), "EXCLUSIVE_THING");
    ctl_fails(r, 1, "thing", "transfer", "a", "--cert", r->leaf_hex);
    says(r->err, "TO is missing");
}

/* A thing with a certificate, a policy and a group. */
static void furnish(struct rig *r)
{
    char path[TMP_PATH_MAX];

    rig_register(r);
    write_file(r, "p.json", POLICY_TEXT, path);
    ctl_ok(r, "policy", "create", "p", path);
    ctl_ok(r, "policy", "attach", "p", "--cert", r->leaf_hex);
    ctl_ok(r, "group", "create", "g");
    ctl_ok(r, "thing", "create", "a", "--attr", "k=v");
    ctl_ok(r, "thing", "attach", "a", "--cert", r->leaf_hex);
    ctl_ok(r, "group", "add", "g", "a");
}

static void reset_thing_is_ready_for_its_next_owner(void **state)
{
    struct rig *r = *state;

    furnish(r);
    ctl_ok(r, "thing", "reset", "a");
    assert_string_equal(r->out, "thing a is ready for its next owner: certificates revoked: 1, "
                                "policies detached: 1, groups left: 1\n"
                                "Its name, type and attributes stay.\n");
    ctl_json(r, "thing", "show", "a");
    assert_int_equal(count_at(r, "principals"), 0);
    assert_int_equal(count_at(r, "thingGroups"), 0);
    assert_string_equal(text_at(r, "attributes.k"), "v");
    ctl_json(r, "cert", "show", r->leaf_hex);
    assert_string_equal(text_at(r, "certificateDescription.status"), "REVOKED");
    assert_int_equal(count_at(r, "policies"), 0);
    ctl_fails(r, 2, "thing", "reset", "nosuch");
    says(r->err, "provctl thing list");
}

static void reset_does_with_certificates_what_it_is_told(void **state)
{
    struct rig *r = *state;

    furnish(r);
    ctl_json(r, "thing", "reset", "a", "--certificates", "Deactivate", "--keep-groups");
    assert_int_equal(at(r, "retiredCertificates")->valueint, 1);
    assert_int_equal(at(r, "leftGroups")->valueint, 0);
    ctl_json(r, "cert", "show", r->leaf_hex);
    assert_string_equal(text_at(r, "certificateDescription.status"), "INACTIVE");
    ctl_json(r, "thing", "show", "a");
    assert_int_equal(count_at(r, "thingGroups"), 1);
    ctl_ok(r, "thing", "attach", "a", "--cert", r->leaf_hex);
    ctl_ok(r, "thing", "reset", "a", "--certificates", "delete");
    says(r->out, "certificates deleted: 1");
    ctl_fails(r, 2, "cert", "show", r->leaf_hex);
    ctl_fails(r, 1, "thing", "reset", "a", "--certificates", "burn");
    says(r->err, "revoke|deactivate|delete");
}

static void reset_spares_certificates_of_others_unless_told(void **state)
{
    struct rig *r = *state;

    furnish(r);
    ctl_ok(r, "thing", "create", "b");
    ctl_ok(r, "thing", "attach", "b", "--cert", r->leaf_hex);
    ctl_fails(r, 4, "thing", "reset", "a");
    says(r->err, "--shared retires");
    ctl_ok(r, "thing", "reset", "a", "--shared");
    ctl_json(r, "thing", "show", "b");
    assert_int_equal(count_at(r, "principals"), 0);
}

/* ---- revocation lists ------------------------------------------------------------------------ */

static void add_revoked(X509_CRL *crl, const ASN1_INTEGER *serial)
{
    X509_REVOKED *entry = X509_REVOKED_new();
    ASN1_TIME *now = X509_gmtime_adj(NULL, -60);

    assert_true(entry != NULL && now != NULL);
    assert_int_equal(X509_REVOKED_set_serialNumber(entry, (ASN1_INTEGER *)serial), 1);
    assert_int_equal(X509_REVOKED_set_revocationDate(entry, now), 1);
    assert_int_equal(X509_CRL_add0_revoked(crl, entry), 1);
    ASN1_TIME_free(now);
}

/* A list of ca with the device's certificate, and one that nobody has seen; due in so many
 * seconds. */
static X509_CRL *make_crl(const struct rig *r, const struct pki_cert *ca, long due_s)
{
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *now = X509_gmtime_adj(NULL, -60), *due = X509_gmtime_adj(NULL, due_s);
    ASN1_INTEGER *other = ASN1_INTEGER_new();

    assert_true(crl != NULL && now != NULL && due != NULL && other != NULL);
    assert_int_equal(ASN1_INTEGER_set(other, 4711), 1);
    assert_int_equal(X509_CRL_set_version(crl, 1), 1);
    assert_int_equal(X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca->x509)), 1);
    assert_int_equal(X509_CRL_set1_lastUpdate(crl, now), 1);
    assert_int_equal(X509_CRL_set1_nextUpdate(crl, due), 1);
    add_revoked(crl, X509_get0_serialNumber(r->leaf.x509));
    add_revoked(crl, other);
    assert_int_equal(X509_CRL_sort(crl), 1);
    assert_true(X509_CRL_sign(crl, ca->key, EVP_sha256()) > 0);
    ASN1_INTEGER_free(other);
    ASN1_TIME_free(now);
    ASN1_TIME_free(due);
    return crl;
}

static void write_crl(const struct rig *r, X509_CRL *crl, bool pem, const char *name,
                      char path[static TMP_PATH_MAX])
{
    FILE *file = fopen(tmp_path(r->dir, name, path), "wb");

    assert_non_null(file);
    assert_int_equal(pem ? PEM_write_X509_CRL(file, crl) : i2d_X509_CRL_fp(file, crl), 1);
    assert_int_equal(fclose(file), 0);
}

static void revocation_list_revokes_what_is_registered_and_tells_what_it_did(void **state)
{
    struct rig *r = *state;
    char path[TMP_PATH_MAX], line[128];
    X509_CRL *crl = make_crl(r, &r->ca, 86400);

    rig_register(r);
    write_crl(r, crl, true, "ca.crl", path);
    ctl_ok(r, "ca", "crl", path);
    (void)snprintf(line, sizeof line, "revocation list of CA %.12s imported, with 2 entries\n",
                   r->ca_hex);
    says(r->out, line);
    says(r->out, "revoked now       1\n");
    says(r->out, "not seen yet      1\n");
    assert_string_equal(r->err, "");
    ctl_json(r, "cert", "show", r->leaf_hex);
    assert_string_equal(text_at(r, "certificateDescription.status"), "REVOKED");
    X509_CRL_free(crl);
}

static void revocation_list_may_be_der_and_comes_again_without_effect(void **state)
{
    struct rig *r = *state;
    char path[TMP_PATH_MAX];
    X509_CRL *crl = make_crl(r, &r->ca, 86400);

    rig_register(r);
    write_crl(r, crl, false, "ca.crl", path);
    ctl_json(r, "ca", "crl", path);
    assert_string_equal(text_at(r, "caCertificateIds[0]"), r->ca_hex);
    assert_int_equal(at(r, "revoked")->valueint, 1);
    assert_int_equal(at(r, "unseen")->valueint, 1);
    assert_true(cJSON_IsFalse(at(r, "stale")));
    ctl_json(r, "ca", "crl", path);
    assert_int_equal(at(r, "revoked")->valueint, 0);
    assert_int_equal(at(r, "alreadyRevoked")->valueint, 1);
    X509_CRL_free(crl);
}

static void stale_list_counts_and_is_told_of(void **state)
{
    struct rig *r = *state;
    char path[TMP_PATH_MAX];
    X509_CRL *crl = make_crl(r, &r->ca, -30);

    rig_register(r);
    write_crl(r, crl, true, "ca.crl", path);
    ctl_ok(r, "ca", "crl", path);
    says(r->err, "a newer list is due");
    says(r->out, "revoked now       1\n");
    X509_CRL_free(crl);
}

static void list_of_nobody_registered_and_no_list_at_all_are_refused(void **state)
{
    struct rig *r = *state;
    struct pki_cert other = pki_impostor(&r->ca);
    char path[TMP_PATH_MAX];
    X509_CRL *crl = make_crl(r, &other, 86400);

    rig_register(r);
    write_crl(r, crl, true, "other.crl", path);
    ctl_fails(r, 4, "ca", "crl", path);
    ctl_fails(r, 4, "ca", "crl", r->ca_file);
    ctl_fails(r, 1, "ca", "crl", "/nowhere.crl");
    says(r->err, "/nowhere.crl: cannot be opened");
    ctl_json(r, "cert", "show", r->leaf_hex);
    assert_string_equal(text_at(r, "certificateDescription.status"), "ACTIVE");
    X509_CRL_free(crl);
    pki_free(&other);
}

static const struct CMUnitTest ctl_verbs[] = {
    RIG_TEST(ca_has_a_hook_until_it_is_taken_away),
    RIG_TEST(hook_that_is_none_is_refused),
    RIG_TEST(template_has_a_hook_until_it_is_taken_away),
    RIG_TEST(certificate_is_offered_and_accepted),
    RIG_TEST(certificate_is_offered_and_comes_back),
    RIG_TEST(certificate_in_use_is_not_offered_and_the_way_out_is_told),
    RIG_TEST(certificate_is_handed_from_thing_to_thing),
    RIG_TEST(reset_thing_is_ready_for_its_next_owner),
    RIG_TEST(reset_does_with_certificates_what_it_is_told),
    RIG_TEST(reset_spares_certificates_of_others_unless_told),
    RIG_TEST(revocation_list_revokes_what_is_registered_and_tells_what_it_did),
    RIG_TEST(revocation_list_may_be_der_and_comes_again_without_effect),
    RIG_TEST(stale_list_counts_and_is_told_of),
    RIG_TEST(list_of_nobody_registered_and_no_list_at_all_are_refused),
};

int main(void)
{
    return cmocka_run_group_tests(ctl_verbs, NULL, NULL);
}
