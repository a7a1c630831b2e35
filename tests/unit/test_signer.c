/*
 * An issuer's certificate and key from where operators keep them: files, and PKCS#11 tokens
 * (SoftHSM2, which the test sets up for itself).
 *
 * ctest timeout: 240
 */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/stat.h>

#include <cmocka.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "core/limits.h"
#include "run/signer.h"
#include "support/alloc.h"
#include "support/pki.h"
#include "support/tmp.h"
#include "support/token.h"

#define T0 1700000000

struct fixture {
    char *dir;
    struct pki_cert ca, rsa_ca;
    char cert[TMP_PATH_MAX], key[TMP_PATH_MAX];
    char rsa_cert[TMP_PATH_MAX], rsa_key[TMP_PATH_MAX];
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->dir = tmp_new();
    f->ca = pki_make(&(struct pki_spec){ .subject = "/CN=Issuing CA", .ca = true, .now_s = T0 });
    f->rsa_ca = pki_make(&(struct pki_spec){ .subject = "/CN=RSA CA",
                                             .ca = true,
                                             .now_s = T0,
                                             .use_key = pki_key_shared(PKI_RSA_2048) });
    pki_write(f->dir, "ca", &f->ca, f->rsa_ca.x509); /* the first of two counts */
    pki_write(f->dir, "rsa", &f->rsa_ca, NULL);
    (void)tmp_path(f->dir, "ca.crt", f->cert);
    (void)tmp_path(f->dir, "ca.key", f->key);
    (void)tmp_path(f->dir, "rsa.crt", f->rsa_cert);
    (void)tmp_path(f->dir, "rsa.key", f->rsa_key);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    pki_free(&f->ca);
    pki_free(&f->rsa_ca);
    tmp_free(f->dir);
    free(f);
    return 0;
}

/* With the outcome's shape checked. */
static enum prov_rc load(const char *cert, const char *key, struct prov_issuer **out,
                         struct prov_err *err)
{
    const struct prov_signer_conf conf = { .cert = cert, .key = key };
    enum prov_rc rc;

    memset(err, 0, sizeof *err);
    rc = prov_signer_load(&conf, T0, out, err);
    assert_int_equal(*out == NULL, rc != PROV_OK);
    assert_int_equal(err->text[0] == '\0', rc == PROV_OK);
    assert_int_equal(ERR_peek_error(), 0);
    return rc;
}

static void assert_load(const char *cert, const char *key, enum prov_rc expected, const char *word)
{
    struct prov_issuer *issuer;
    struct prov_err err;
    const enum prov_rc rc = load(cert, key, &issuer, &err);

    if (rc != expected || (word != NULL && strstr(err.text, word) == NULL))
        fail_msg("%s: %s", prov_rc_name(rc), err.text);
    if (strstr(err.text, "1234") != NULL || strstr(err.text, "9999") != NULL)
        fail_msg("a PIN is told: %s", err.text);
    prov_issuer_free(issuer);
}

static enum prov_rc issue_one(const struct prov_issuer *issuer)
{
    struct prov_buf der = { .max = PROV_MAX_CERT_DER };
    struct prov_issue what = { .not_before_s = T0, .not_after_s = T0 + 1 };
    struct prov_key key;
    enum prov_rc rc;
    X509 *cert;

    if (prov_key_make(PROV_KEY_EC_P256, &key) != PROV_OK)
        return PROV_EBUG;
    what.spki = prov_buf_span(&key.spki);
    rc = prov_issue(issuer, &what, &der, NULL);
    if (rc == PROV_OK) {
        if (prov_ident_decode(prov_buf_span(&der), &cert, NULL) != PROV_OK ||
            !prov_cert_signed_by(cert, (X509 *)(uintptr_t)prov_issuer_cert(issuer)))
            rc = PROV_EBUG;
        X509_free(cert);
    }
    prov_buf_release(&der);
    prov_key_release(&key);
    return rc;
}

static struct prov_issuer *loaded(const char *cert, const char *key)
{
    struct prov_issuer *issuer;
    struct prov_err err;

    if (load(cert, key, &issuer, &err) != PROV_OK)
        fail_msg("%s", err.text);
    return issuer;
}

static void write_text(const char *path, const char *text, mode_t mode)
{
    FILE *f = fopen(path, "we");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, mode), 0);
}

/* ---- files ----------------------------------------------------------------------------------- */

static void issuer_from_files_issues(void **state)
{
    struct fixture *f = *state;
    struct prov_issuer *issuer = loaded(f->cert, f->key);

    assert_int_equal(X509_cmp(prov_issuer_cert(issuer), f->ca.x509), 0);
    assert_int_equal(issue_one(issuer), PROV_OK);
    prov_issuer_free(issuer);
    issuer = loaded(f->rsa_cert, f->rsa_key);
    assert_int_equal(issue_one(issuer), PROV_OK);
    prov_issuer_free(issuer);
}

/* What `provctl issuer create` keeps is what is found again. */
static void issuer_that_was_made_here_is_found_again(void **state)
{
    struct fixture *f = *state;
    struct prov_buf pem = { .max = 8192 };
    char cert_path[TMP_PATH_MAX], key_path[TMP_PATH_MAX];
    struct prov_issuer *issuer;
    EVP_PKEY *key;
    X509 *cert;

    assert_int_equal(
        prov_issuer_make(PROV_KEY_EC_P256, PROV_LIT("Ours"), T0 - 1, T0 + 1000, &key, &cert, NULL),
        PROV_OK);
    assert_int_equal(prov_ident_encode_pem(cert, &pem), PROV_OK);
    write_text(tmp_path(f->dir, PROV_ISSUER_CERT, cert_path), prov_buf_cstr(&pem), 0644);
    prov_buf_wipe(&pem);
    assert_int_equal(prov_key_private_pem(PROV_KEY_EC_P256, key, &pem), PROV_OK);
    write_text(tmp_path(f->dir, PROV_ISSUER_KEY, key_path), prov_buf_cstr(&pem), 0600);
    prov_buf_wipe(&pem);
    issuer = loaded(cert_path, key_path);
    assert_int_equal(issue_one(issuer), PROV_OK);
    prov_issuer_free(issuer);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static void files_that_are_not_there_are_named(void **state)
{
    struct fixture *f = *state;
    char path[TMP_PATH_MAX];

    assert_load(tmp_path(f->dir, "none.crt", path), f->key, PROV_ENOTFOUND, "none.crt");
    assert_load(f->cert, tmp_path(f->dir, "none.key", path), PROV_ENOTFOUND, "none.key");
    assert_load(f->cert, tmp_path(f->dir, "ca.key/x", path), PROV_ENOTFOUND, "ca.key/x");
    assert_load(f->dir, f->key, PROV_EINVAL, "no file");
    assert_load(f->cert, f->dir, PROV_EINVAL, "no file");
}

static void key_that_others_may_use_is_refused(void **state)
{
    static const struct {
        mode_t mode;
        enum prov_rc rc;
    } rows[] = {
        { 0600, PROV_OK },      { 0400, PROV_OK },      { 0700, PROV_OK },
        { 0640, PROV_EDENIED }, { 0604, PROV_EDENIED }, { 0620, PROV_EDENIED },
        { 0602, PROV_EDENIED }, { 0666, PROV_EDENIED },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        assert_int_equal(chmod(f->key, rows[i].mode), 0);
        assert_load(f->cert, f->key, rows[i].rc, rows[i].rc == PROV_OK ? NULL : "chmod 600");
    }
    assert_int_equal(chmod(f->key, 0600), 0);
}

static void pipe_is_no_file_and_keeps_nobody_waiting(void **state)
{
    struct fixture *f = *state;
    char path[TMP_PATH_MAX];

    assert_int_equal(mkfifo(tmp_path(f->dir, "pipe", path), 0600), 0);
    assert_load(f->cert, path, PROV_EINVAL, "no file");
    assert_load(path, f->key, PROV_EINVAL, "no file");
    assert_int_equal(unlink(path), 0);
}

static void what_is_no_key_or_certificate_is_refused(void **state)
{
    struct fixture *f = *state;
    char path[TMP_PATH_MAX];
    char *big = calloc(1, 70000);

    memset(big, 'x', 69999);
    (void)tmp_path(f->dir, "odd", path);
    write_text(path, "", 0600);
    assert_load(f->cert, path, PROV_EINVAL, "empty");
    assert_load(path, f->key, PROV_EINVAL, "empty");
    write_text(path, "no PEM\n", 0600);
    assert_load(f->cert, path, PROV_EINVAL, "odd");
    assert_load(path, f->key, PROV_EINVAL, "odd");
    write_text(path, big, 0600);
    assert_load(f->cert, path, PROV_EINVAL, "bytes");
    assert_load(path, f->key, PROV_EINVAL, "bytes");
    assert_load(f->cert, f->cert, PROV_EDENIED,
                "chmod"); /* a certificate where the key should be */
    assert_load(f->key, f->key, PROV_EINVAL, "ca.key");
    free(big);
}

static void encrypted_key_asks_nobody(void **state)
{
    struct fixture *f = *state;
    char path[TMP_PATH_MAX];
    FILE *file = fopen(tmp_path(f->dir, "encrypted.key", path), "we");

    assert_int_equal(
        PEM_write_PKCS8PrivateKey(file, f->ca.key, EVP_aes_128_cbc(), "secret", 6, NULL, NULL), 1);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0600), 0);
    assert_load(f->cert, path, PROV_EINVAL, "encrypted");
}

static void both_are_named_when_they_do_not_fit(void **state)
{
    struct fixture *f = *state;

    assert_load(f->cert, f->rsa_key, PROV_EINVAL, "ca.crt");
    assert_load(f->cert, f->rsa_key, PROV_EINVAL, "rsa.key");
    assert_load(f->rsa_cert, f->key, PROV_EINVAL, "not its certificate's");
}

static void certificate_must_be_a_ca(void **state)
{
    struct fixture *f = *state;
    struct pki_cert leaf = pki_make(&(struct pki_spec){ .now_s = T0 });
    char cert[TMP_PATH_MAX], key[TMP_PATH_MAX];

    pki_write(f->dir, "leaf", &leaf, NULL);
    assert_load(tmp_path(f->dir, "leaf.crt", cert), tmp_path(f->dir, "leaf.key", key), PROV_EINVAL,
                "no CA");
    pki_free(&leaf);
}

/* Our own allocations; those within OpenSSL are other tests' (test_issue.c, test_ident.c). */
static void assert_lack_of_memory_is_said(const char *cert, const char *key)
{
    struct prov_issuer *issuer;
    struct prov_err err;
    enum prov_rc rc;

    for (unsigned n = 1;; n++) {
        alloc_fail_at(n);
        rc = load(cert, key, &issuer, &err);
        if (!alloc_failed())
            break;
        if (rc != PROV_ENOMEM)
            fail_msg("allocation %u: %s %s", n, prov_rc_name(rc), err.text);
    }
    assert_int_equal(rc, PROV_OK);
    prov_issuer_free(issuer);
}

static void running_out_of_memory_is_said(void **state)
{
    struct fixture *f = *state;

    assert_lack_of_memory_is_said(f->cert, f->key);
}

/* ---- tokens ---------------------------------------------------------------------------------- */

struct token_fixture {
    struct fixture *f;
    struct token *token, *other;
};

static int set_up_tokens(void **state)
{
    struct token_fixture *t = calloc(1, sizeof *t);

    (void)set_up((void **)&t->f);
    t->token = token_new("issuers");
    t->other = token_new("spare-parts");
    token_import(t->token, "ec", t->f->ca.key);
    token_import(t->token, "rsa", t->f->rsa_ca.key);
    token_import(t->other, "ec", t->f->ca.key);
    *state = t;
    return 0;
}

static int tear_down_tokens(void **state)
{
    struct token_fixture *t = *state;

    token_free(t->other);
    token_free(t->token);
    (void)tear_down((void **)&t->f);
    free(t);
    return 0;
}

static void keys_of_a_token_issue(void **state)
{
    struct token_fixture *t = *state;
    char uri[TOKEN_URI_MAX];
    struct prov_issuer *ec, *rsa;

    /* twice: the token is let go of with its last key, and can be had again */
    for (int i = 0; i < 2; i++) {
        ec = loaded(t->f->cert, token_uri(t->token, "ec", "?pin-value=1234", uri));
        rsa = loaded(t->f->rsa_cert, token_uri(t->token, "rsa", "?pin-value=1234", uri));
        assert_int_equal(issue_one(ec), PROV_OK);
        assert_int_equal(issue_one(rsa), PROV_OK);
        prov_issuer_free(ec);
        assert_int_equal(issue_one(rsa), PROV_OK);
        prov_issuer_free(rsa);
    }
}

static void keys_may_be_in_several_tokens(void **state)
{
    struct token_fixture *t = *state;
    char uri[TOKEN_URI_MAX];
    struct prov_issuer *one, *two;

    one = loaded(t->f->rsa_cert, token_uri(t->token, "rsa", "?pin-value=1234", uri));
    (void)snprintf(uri, sizeof uri,
                   "pkcs11:token=spare%%2dparts;id=%%65%%63?pin-value=%%31234&module-path=%s",
                   "/usr/lib/softhsm/libsofthsm2.so");
    two = loaded(t->f->cert, uri);
    assert_int_equal(issue_one(one), PROV_OK);
    assert_int_equal(issue_one(two), PROV_OK);
    prov_issuer_free(two);
    prov_issuer_free(one);
}

/* A wrong PIN is noticed by a login, and a process logs in to a token once: wrong ones come first
 * here, and in the order of the tests. */
static void pin_may_be_in_a_file_of_its_own(void **state)
{
    static const char *const forms[] = { "", "file:", "file://" };
    struct token_fixture *t = *state;
    char uri[TOKEN_URI_MAX], rest[TMP_PATH_MAX + 32], path[TMP_PATH_MAX];

    (void)tmp_path(t->f->dir, "pin", path);
    write_text(path, "9999\n", 0600);
    (void)snprintf(rest, sizeof rest, "?pin-source=%s", path);
    assert_load(t->f->cert, token_uri(t->other, "ec", rest, uri), PROV_ESIGNER, "PIN");
    write_text(path, TOKEN_PIN "\n", 0644);
    assert_load(t->f->cert, uri, PROV_EDENIED, "chmod");
    assert_int_equal(chmod(path, 0600), 0);
    for (size_t i = 0; i < PROV_COUNT(forms); i++) {
        (void)snprintf(rest, sizeof rest, "?pin-source=%s%s", forms[i], path);
        assert_load(t->f->cert, token_uri(t->other, "ec", rest, uri), PROV_OK, NULL);
    }
    assert_int_equal(unlink(path), 0);
    assert_load(t->f->cert, uri, PROV_ENOTFOUND, "PIN");
}

static void what_a_token_does_not_give_is_refused_in_words(void **state)
{
    static const struct {
        const char *object, *rest;
    } rows[] = {
        { "ec", "?pin-value=9999" },
        { "ec", ";pin-value=9999" },
        { "ec", "?pin-value=" },
        { "none", "?pin-value=1234" },
    };
    struct token_fixture *t = *state;
    char uri[TOKEN_URI_MAX];

    for (size_t i = 0; i < PROV_COUNT(rows); i++)
        assert_load(t->f->cert, token_uri(t->token, rows[i].object, rows[i].rest, uri),
                    PROV_ESIGNER, "pkcs11:token=issuers;object=");
    assert_load(t->f->cert,
                "pkcs11:token=none;object=ec?pin-value=1234"
                "&module-path=/usr/lib/softhsm/libsofthsm2.so",
                PROV_ESIGNER, "pkcs11:token=none;object=ec cannot");
    assert_load(t->f->cert, "pkcs11:", PROV_ESIGNER, "pkcs11:");
    /* and after all that it still works */
    assert_load(t->f->cert, token_uri(t->token, "ec", "?pin-value=1234", uri), PROV_OK, NULL);
}

static void tokens_key_must_fit_the_certificate(void **state)
{
    struct token_fixture *t = *state;
    char uri[TOKEN_URI_MAX];

    assert_load(t->f->cert, token_uri(t->token, "rsa", "?pin-value=1234", uri), PROV_EINVAL,
                "key pkcs11:token=issuers;object=rsa;type=private)");
}

static void uri_that_is_too_long_is_refused(void **state)
{
    struct token_fixture *t = *state;
    char uri[8192] = "pkcs11:token=";

    memset(uri + strlen(uri), 'x', sizeof uri - strlen(uri) - 1);
    uri[sizeof uri - 1] = '\0';
    assert_load(t->f->cert, uri, PROV_EINVAL, "too long");
}

static void running_out_of_memory_with_a_token_is_said(void **state)
{
    struct token_fixture *t = *state;
    char uri[TOKEN_URI_MAX];

    assert_lack_of_memory_is_said(t->f->cert, token_uri(t->token, "ec", "?pin-value=1234", uri));
}

#define THREADS 3
#define PER_THREAD 20

static void *issue_some(void *arg)
{
    enum prov_rc rc = PROV_OK;

    for (int i = 0; i < PER_THREAD && rc == PROV_OK; i++)
        rc = issue_one(arg);
    return (void *)(intptr_t)rc;
}

static void threads_share_a_tokens_key(void **state)
{
    struct token_fixture *t = *state;
    char uri[TOKEN_URI_MAX];
    struct prov_issuer *issuer =
        loaded(t->f->cert, token_uri(t->token, "ec", "?pin-value=1234", uri));
    pthread_t threads[THREADS];
    void *result;

    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, issue_some, issuer), 0);
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_int_equal((intptr_t)result, PROV_OK);
    }
    prov_issuer_free(issuer);
}

/* The last test: nothing is left of the tokens. */
static void token_that_is_pulled_out_is_the_signers_failure(void **state)
{
    struct token_fixture *t = *state;
    char uri[TOKEN_URI_MAX];
    struct prov_issuer *issuer =
        loaded(t->f->cert, token_uri(t->token, "ec", "?pin-value=1234", uri));

    assert_int_equal(issue_one(issuer), PROV_OK);
    token_pull_all();
    assert_int_equal(issue_one(issuer), PROV_ESIGNER);
    assert_int_equal(issue_one(issuer), PROV_ESIGNER);
    assert_int_equal(ERR_peek_error(), 0);
    prov_issuer_free(issuer);
}

int main(void)
{
    const struct CMUnitTest files[] = {
        cmocka_unit_test(issuer_from_files_issues),
        cmocka_unit_test(issuer_that_was_made_here_is_found_again),
        cmocka_unit_test(files_that_are_not_there_are_named),
        cmocka_unit_test(key_that_others_may_use_is_refused),
        cmocka_unit_test(pipe_is_no_file_and_keeps_nobody_waiting),
        cmocka_unit_test(what_is_no_key_or_certificate_is_refused),
        cmocka_unit_test(encrypted_key_asks_nobody),
        cmocka_unit_test(both_are_named_when_they_do_not_fit),
        cmocka_unit_test(certificate_must_be_a_ca),
        cmocka_unit_test(running_out_of_memory_is_said),
    };
    const struct CMUnitTest tokens[] = {
        cmocka_unit_test(what_a_token_does_not_give_is_refused_in_words),
        cmocka_unit_test(pin_may_be_in_a_file_of_its_own),
        cmocka_unit_test(keys_of_a_token_issue),
        cmocka_unit_test(keys_may_be_in_several_tokens),
        cmocka_unit_test(tokens_key_must_fit_the_certificate),
        cmocka_unit_test(uri_that_is_too_long_is_refused),
        cmocka_unit_test(running_out_of_memory_with_a_token_is_said),
        cmocka_unit_test(threads_share_a_tokens_key),
        cmocka_unit_test(token_that_is_pulled_out_is_the_signers_failure),
    };
    const int failed = cmocka_run_group_tests(files, set_up, tear_down);

    return failed + cmocka_run_group_tests(tokens, set_up_tokens, tear_down_tokens);
}
