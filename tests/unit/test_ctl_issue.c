/* provctl makes an issuer, claims and certificates: on stdout and in files. */
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/x509.h>

#include "ctl/new_file.h"
#include "support/csr.h"
#include "unit/test_ctl.h"

static unsigned mode_of(const char *path)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 07777;
}

static X509 *cert_in(const char *pem)
{
    X509 *cert = NULL;

    assert_int_equal(prov_ident_decode_pem(S(pem), &cert, NULL), PROV_OK);
    return cert;
}

/* Of the first private key in it. */
static EVP_PKEY *key_in(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);

    BIO_free(bio);
    assert_non_null(key);
    return key;
}

static void fit(const char *cert_pem, const char *key_pem)
{
    X509 *cert = cert_in(cert_pem);
    EVP_PKEY *key = key_in(key_pem);

    assert_int_equal(X509_check_private_key(cert, key), 1);
    X509_free(cert);
    EVP_PKEY_free(key);
}

/* ---- the issuer ------------------------------------------------------------------------------ */

static void issuer_is_made_in_the_store_and_shown(void **state)
{
    struct rig *r = *state;
    char crt[TMP_PATH_MAX], key[TMP_PATH_MAX], *crt_pem, *key_pem;

    ctl_ok(r, "init", "--account-id", "123456789012", "--region", "eu-central-1");
    ctl_ok(r, "issuer", "create");
    says(r->out, "issuer            CN=Provisioning CA 123456789012 eu-central-1\n");
    says(r->out, "A running broker issues with it from now on.");
    says_not(r->out, "PRIVATE KEY");
    (void)tmp_path(r->db, "issuer.crt", crt);
    (void)tmp_path(r->db, "issuer.key", key);
    assert_int_equal(mode_of(key), 0600);
    crt_pem = read_path(crt);
    key_pem = read_path(key);
    fit(crt_pem, key_pem);
    ctl_ok(r, "issuer", "show");
    says(r->out, "kind of key       EC, 256 bits\n");
    says(r->out, "Key and certificate fit together.\n");
    ctl_json(r, "issuer", "show");
    assert_string_equal(text_at(r, "privateKeyFile"), key);
    assert_string_equal(text_at(r, "keyKind"), "EC");
    assert_true(at(r, "validity.notAfter")->valuedouble >
                at(r, "validity.notBefore")->valuedouble + 7299.0 * 86400);
    assert_int_equal(files_like(r->db, "issuer"), 2);
    free(crt_pem);
    free(key_pem);
}

/* Or else the broker could not read what root has made for it. */
static void what_root_makes_is_the_stores_owners(void **state)
{
    struct rig *r = *state;
    char path[TMP_PATH_MAX];
    struct stat st;

    if (geteuid() != 0)
        skip();
    ctl_ok(r, "init");
    assert_int_equal(chown(r->db, 1234, 2345), 0);
    ctl_ok(r, "issuer", "create");
    assert_int_equal(stat(tmp_path(r->db, "issuer.key", path), &st), 0);
    assert_int_equal(st.st_uid, 1234);
    assert_int_equal(st.st_gid, 2345);
}

static void issuer_is_as_it_is_asked_for(void **state)
{
    struct rig *r = *state;
    char crt[TMP_PATH_MAX], key[TMP_PATH_MAX];

    ctl_ok(r, "init");
    (void)tmp_path(r->dir, "my.crt", crt);
    (void)tmp_path(r->dir, "my.key", key);
    ctl_json(r, "issuer", "create", "--name", "Ours", "--key-type", "rsa2048", "--days", "30",
             "--cert", crt, "--key", key);
    assert_string_equal(text_at(r, "subject"), "CN=Ours");
    assert_string_equal(text_at(r, "certificateFile"), crt);
    assert_string_equal(text_at(r, "keyKind"), "RSA");
    assert_int_equal(at(r, "keyBits")->valueint, 2048);
    assert_true(at(r, "validity.notAfter")->valuedouble <
                at(r, "validity.notBefore")->valuedouble + 31.0 * 86400);
    assert_int_equal(files_like(r->db, "issuer"), 0);
    ctl_fails(r, 2, "issuer", "show");
    ctl_ok(r, "issuer", "show", "--cert", crt, "--key", key);
    ctl_fails(r, 3, "issuer", "create", "--cert", crt, "--key", key);
    ctl_ok(r, "cert", "create", "--key-type", "ec-p256", "--issuer-cert", crt, "--issuer-key", key);
    ctl_fails(r, 1, "cert", "create", "--issuer-cert", crt);
    says(r->err, "--issuer-cert and --issuer-key go together");
}

static void issuer_is_never_overwritten(void **state)
{
    static const char *const survivors[] = { "issuer.crt", "issuer.key" };
    struct rig *r = *state;
    char path[TMP_PATH_MAX], other[TMP_PATH_MAX], *before, *after;

    ctl_ok(r, "init");
    for (size_t i = 0; i < PROV_COUNT(survivors); i++) {
        ctl_ok(r, "issuer", "create");
        before = read_path(tmp_path(r->db, survivors[i], path));
        assert_int_equal(unlink(tmp_path(r->db, survivors[1 - i], other)), 0);
        ctl_fails(r, 3, "issuer", "create");
        says(r->err, "is there already, and stays as it is");
        says(r->err, "`provctl issuer show`");
        after = read_path(path);
        assert_string_equal(after, before);
        assert_int_equal(files_like(r->db, "issuer"), 1);
        assert_int_equal(unlink(path), 0);
        free(before);
        free(after);
    }
}

static void issuer_that_is_not_there_or_not_good_is_told_with_the_cure(void **state)
{
    struct rig *r = *state;
    char path[TMP_PATH_MAX];

    ctl_fails(r, 5, "issuer", "create"); /* no store */
    ctl_ok(r, "init");
    ctl_fails(r, 2, "issuer", "show");
    says(r->err, "`provctl issuer create` makes one");
    ctl_ok(r, "issuer", "create");
    assert_int_equal(chmod(tmp_path(r->db, "issuer.key", path), 0644), 0);
    ctl_fails(r, 4, "issuer", "show");
    says(r->err, "`chmod 600 ");
    ctl_fails(r, 4, "cert", "create");
    assert_int_equal(unlink(path), 0);
    pki_write(r->db, "issuer", &r->leaf, NULL);
    ctl_fails(r, 4, "issuer", "show");
}

static void issuers_that_cannot_be_are_refused(void **state)
{
    struct rig *r = *state;
    char name[80];

    ctl_ok(r, "init");
    memset(name, 'n', sizeof name);
    name[65] = '\0';
    ctl_fails(r, 4, "issuer", "create", "--name", name);
    ctl_fails(r, 4, "issuer", "create", "--name", "");
    ctl_fails(r, 1, "issuer", "create", "--days", "0");
    ctl_fails(r, 1, "issuer", "create", "--days", "36501");
    ctl_fails(r, 1, "issuer", "create", "--cert", "x");
    says(r->err, "--cert and --key go together");
    ctl_fails(r, 1, "issuer", "create", "--cert", "x", "--key", "pkcs11:object=a?pin-value=1234");
    says_not(r->err, "1234");
    ctl_fails(r, 5, "issuer", "create", "--cert", "/nowhere/a", "--key", "/nowhere/b");
    ctl_fails(r, 1, "issuer", "create", "--url", "mqtt://localhost:1");
    says(r->err, "works on the store itself");
    ctl_fails(r, 1, "claim", "create", "fleet", "--url", "mqtt://localhost:1", "--issuer-cert", "x",
              "--issuer-key", "y");
    says(r->err, "--issuer-cert goes with work on the store itself");
    assert_int_equal(files_like(r->db, "issuer"), 0);
}

/* ---- claims ---------------------------------------------------------------------------------- */

static void claim_is_shown_with_its_key_and_is_in_no_list(void **state)
{
    struct rig *r = *state;
    char id[PROV_ID_HEX + 1];

    rig_issuer(r);
    ctl_ok(r, "claim", "create", "fleet", "--key-type", "ec-p256");
    says(r->out, "template          fleet\n");
    says(r->out, "(in 4 minutes)\n");
    fit(r->out, r->out);
    says(r->out, "-----BEGIN EC PRIVATE KEY-----\n");
    assert_int_equal(sscanf(r->out, "claim %64s", id), 1);
    ctl_ok(r, "cert", "show", id);
    says(r->out, "claim             for one device, by template fleet\n");
    ctl_json(r, "cert", "list");
    assert_int_equal(count_at(r, "certificates"), 0);
    ctl_json(r, "claim", "create", "fleet");
    says(text_at(r, "keyPair.PrivateKey"), "-----BEGIN RSA PRIVATE KEY-----\n");
}

static void claim_goes_into_files_of_its_own(void **state)
{
    struct rig *r = *state;
    char *cert, *key;

    rig_issuer(r);
    ctl_json(r, "claim", "create", "fleet", "--out", r->dir, "--key-type", "ec-p256");
    assert_null(cJSON_GetObjectItemCaseSensitive(r->json, "keyPair"));
    assert_null(cJSON_GetObjectItemCaseSensitive(r->json, "certificatePem"));
    says(text_at(r, "certificateFile"), "/claim-");
    assert_memory_equal(strstr(text_at(r, "privateKeyFile"), "/claim-") + 7,
                        text_at(r, "certificateId"), 8);
    assert_int_equal(mode_of(text_at(r, "privateKeyFile")), 0600);
    cert = read_path(text_at(r, "certificateFile"));
    key = read_path(text_at(r, "privateKeyFile"));
    fit(cert, key);
    ctl_ok(r, "cert", "show", text_at(r, "certificateId"));
    ctl_ok(r, "claim", "create", "fleet", "--out", r->dir, "--key-type", "ec-p256");
    says_not(r->out, "-----BEGIN");
    says(r->out, "private key       ");
    assert_int_equal(files_like(r->dir, "claim-"), 4);
    free(cert);
    free(key);
}

static void claim_that_cannot_be_made_is_refused_and_leaves_no_file(void **state)
{
    struct rig *r = *state;

    ctl_ok(r, "init");
    ctl_fails(r, 2, "claim", "create", "fleet");
    says(r->err, "`provctl issuer create`");
    rig_issuer(r);
    ctl_fails(r, 2, "claim", "create", "nosuch", "--out", r->dir);
    says(r->err, "`provctl template list`");
    ctl_fails(r, 1, "claim", "create", "fleet", "--out", "/nowhere");
    ctl_fails(r, 1, "claim", "create", "fleet", "--out", r->ca_file);
    says(r->err, "is no directory");
    ctl_fails(r, 1, "claim", "create", "fleet", "--key-type", "rsa1024");
    ctl_fails(r, 1, "--json", "claim", "create", "fleet", "--qr");
    ctl_ok(r, "template", "update", "fleet", "--enabled", "off");
    ctl_fails(r, 4, "claim", "create", "fleet", "--out", r->dir);
    assert_int_equal(files_like(r->dir, "claim-"), 0);
}

/* ---- certificates ---------------------------------------------------------------------------- */

static void certificate_is_made_with_a_key(void **state)
{
    struct rig *r = *state;
    char *cert, *key;

    rig_issuer(r);
    ctl_ok(r, "cert", "create", "--active", "--key-type", "ec-p256");
    says(r->out, "certificate made (ACTIVE): ");
    says_not(r->out, "--status ACTIVE");
    fit(r->out, r->out);
    ctl_ok(r, "cert", "create", "--key-type", "ec-p256", "--out", r->dir, "--days", "10");
    says(r->out, "certificate made (INACTIVE): ");
    says(r->out, "--status ACTIVE");
    says_not(r->out, "-----BEGIN");
    ctl_json(r, "cert", "create", "--key-type", "ec-p256", "--out", r->dir, "--days", "10");
    cert = read_path(text_at(r, "certificateFile"));
    key = read_path(text_at(r, "privateKeyFile"));
    fit(cert, key);
    ctl_json(r, "cert", "show", text_at(r, "certificateId"));
    assert_true(at(r, "certificateDescription.validity.notAfter")->valuedouble <
                at(r, "certificateDescription.validity.notBefore")->valuedouble + 11.0 * 86400);
    ctl_json(r, "cert", "list", "--status", "INACTIVE");
    assert_int_equal(count_at(r, "certificates"), 2);
    ctl_fails(r, 4, "cert", "create", "--days", "0");
    free(cert);
    free(key);
}

static void certificate_is_made_of_a_request(void **state)
{
    struct csr_spec spec = { .key = pki_key_shared(PKI_P256), .subject = "/CN=dev-7" };
    struct prov_buf der = csr_der(&spec);
    char *pem = csr_pem(prov_buf_span(&der), NULL), path[TMP_PATH_MAX], *cert;
    struct rig *r = *state;

    rig_issuer(r);
    write_file(r, "dev.csr", pem, path);
    ctl_json(r, "cert", "create", "--csr", path, "--out", r->dir);
    assert_null(cJSON_GetObjectItemCaseSensitive(r->json, "privateKeyFile"));
    cert = read_path(text_at(r, "certificateFile"));
    says(cert, "-----BEGIN CERTIFICATE-----\n");
    ctl_json(r, "cert", "show", text_at(r, "certificateId"));
    assert_string_equal(text_at(r, "certificateDescription.commonName"), "dev-7");
    r->input = pem;
    ctl_ok(r, "cert", "create", "--csr", "-", "--active");
    says(r->out, "-----BEGIN CERTIFICATE-----\n");
    says_not(r->out, "PRIVATE KEY");
    r->input = "hello";
    ctl_fails(r, 4, "cert", "create", "--csr", "-");
    says(r->err, "provctl: (stdin): ");
    says_not(r->err, "certificateSigningRequest");
    ctl_fails(r, 4, "cert", "create", "--csr", r->leaf_file);
    ctl_fails(r, 1, "cert", "create", "--csr", "/nowhere");
    ctl_fails(r, 1, "cert", "create", "--csr", path, "--key-type", "ec-p256");
    says(r->err, "exclude each other");
    ctl_json(r, "cert", "list");
    assert_int_equal(count_at(r, "certificates"), 2);
    free(cert);
    free(pem);
    prov_buf_release(&der);
}

/* ---- new files ------------------------------------------------------------------------------- */

static void new_files_are_all_there_or_none(void **state)
{
    struct rig *r = *state;
    struct ctl ctl = { .db = r->db };
    struct ctl_new_file files[2] = { { .mode = 0640, .bytes = PROV_LIT("one") },
                                     { .mode = 0600, .bytes = PROV_LIT("two") } };
    char *text;

    assert_int_equal(ctl_new_file_at(&ctl, &files[0], r->dir, "new-a"), PROV_OK);
    assert_int_equal(ctl_new_file_at(&ctl, &files[1], r->dir, "new-b"), PROV_OK);
    assert_int_equal(ctl_new_files(&ctl, files, 2), PROV_OK);
    assert_int_equal(mode_of(files[0].path), 0640);
    text = read_path(files[1].path);
    assert_string_equal(text, "two");
    assert_int_equal(unlink(files[0].path), 0);
    assert_int_equal(ctl_new_files(&ctl, files, 2), PROV_ECONFLICT);
    assert_int_equal(files_like(r->dir, "new-"), 1);
    (void)snprintf(files[1].path, sizeof files[1].path, "/nowhere/b");
    assert_int_equal(ctl_new_files(&ctl, files, 2), PROV_ESTORE);
    assert_int_equal(files_like(r->dir, "new-"), 1);
    free(text);
}

static const struct CMUnitTest ctl_issue[] = {
    RIG_TEST(issuer_is_made_in_the_store_and_shown),
    RIG_TEST(what_root_makes_is_the_stores_owners),
    RIG_TEST(issuer_is_as_it_is_asked_for),
    RIG_TEST(issuer_is_never_overwritten),
    RIG_TEST(issuer_that_is_not_there_or_not_good_is_told_with_the_cure),
    RIG_TEST(issuers_that_cannot_be_are_refused),
    RIG_TEST(claim_is_shown_with_its_key_and_is_in_no_list),
    RIG_TEST(claim_goes_into_files_of_its_own),
    RIG_TEST(claim_that_cannot_be_made_is_refused_and_leaves_no_file),
    RIG_TEST(certificate_is_made_with_a_key),
    RIG_TEST(certificate_is_made_of_a_request),
    RIG_TEST(new_files_are_all_there_or_none),
};

int main(void)
{
    return cmocka_run_group_tests(ctl_issue, NULL, NULL);
}
