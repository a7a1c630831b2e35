#include "key_files.h"

#include <stdio.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "core/ident.h"

#define WAITING_PATH sizeof((struct ctl_new_file *)NULL)->path
#define KEY_BYTES 65536

/* bio keeps the text, in memory that is wiped when it is freed. */
static enum prov_rc key_text(struct ctl *ctl, const EVP_PKEY *key, BIO **bio,
                             struct prov_span *text)
{
    char *p = NULL;
    long n;

    *bio = BIO_new(BIO_s_secmem());
    if (*bio == NULL || PEM_write_bio_PKCS8PrivateKey(*bio, key, NULL, NULL, 0, NULL, NULL) != 1) {
        ERR_clear_error();
        return prov_nomem(&ctl->err);
    }
    n = BIO_get_mem_data(*bio, &p);
    *text = prov_span(p, (size_t)n);
    return PROV_OK;
}

/* Where the certificate waits until its key is in place. */
static bool waiting_path(const char *cert_path, char out[static WAITING_PATH])
{
    const int n = snprintf(out, WAITING_PATH, "%s.of-new-key", cert_path);

    return n > 0 && (size_t)n < WAITING_PATH;
}

/* The certificate is whole on the disk before its key has its name, and takes its own name last. */
static enum prov_rc make(struct ctl *ctl, const struct ctl_new_file *cert,
                         const struct ctl_new_file *key)
{
    const char *const paths[] = { key->path, cert->path };
    struct ctl_new_file waiting = *cert;
    enum prov_rc rc;

    if (!waiting_path(cert->path, waiting.path))
        return ctl_usage(ctl, "%s: the name is too long", cert->path);
    for (size_t i = 0; i < PROV_COUNT(paths); i++) {
        if (access(paths[i], F_OK) == 0)
            return prov_fail(&ctl->err, PROV_ECONFLICT, "ResourceAlreadyExistsException",
                             "%s is there already, and stays as it is", paths[i]);
    }
    (void)unlink(waiting.path); /* of one that was cut short before it had a key */
    rc = ctl_new_files(ctl, &waiting, 1);
    if (rc != PROV_OK)
        return rc;
    rc = ctl_new_files(ctl, key, 1);
    if (rc == PROV_OK) {
        rc = ctl_new_file_rename(ctl, waiting.path, cert->path);
        if (rc != PROV_OK)
            ctl_new_files_undo(key, 1);
    }
    if (rc != PROV_OK)
        ctl_new_files_undo(&waiting, 1);
    return rc;
}

enum prov_rc ctl_key_files(struct ctl *ctl, const struct ctl_new_file *cert_file,
                           const struct ctl_new_file *key_file, const EVP_PKEY *key,
                           const X509 *cert)
{
    struct ctl_new_file new_cert = *cert_file, new_key = *key_file;
    struct prov_buf pem;
    BIO *bio = NULL;
    enum prov_rc rc;

    prov_buf_init(&pem, PROV_MAX_CERT_PEM);
    rc = prov_ident_encode_pem(cert, &pem);
    if (rc == PROV_OK)
        rc = key_text(ctl, key, &bio, &new_key.bytes);
    if (rc == PROV_OK) {
        new_key.mode = 0600;
        new_cert.bytes = prov_buf_span(&pem);
        new_cert.mode = 0644;
        rc = make(ctl, &new_cert, &new_key);
    }
    BIO_free(bio);
    prov_buf_release(&pem);
    return rc;
}

static int refuse_password(char *buf, int size, int writing, void *unused)
{
    (void)buf;
    (void)size;
    (void)writing;
    (void)unused;
    return -1;
}

enum prov_rc ctl_key_read(struct ctl *ctl, const char *path, EVP_PKEY **out)
{
    struct prov_buf text = { 0 };
    enum prov_rc rc = ctl_read_file(ctl, path, KEY_BYTES, &text);
    BIO *bio = NULL;

    *out = NULL;
    if (rc == PROV_OK) {
        ERR_set_mark();
        bio = BIO_new_mem_buf(text.p != NULL ? (const void *)text.p : "", (int)text.n);
        *out = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, refuse_password, NULL) : NULL;
        BIO_free(bio);
        ERR_pop_to_mark();
        if (*out == NULL)
            rc = ctl_refuse(ctl, "holds no private key in PEM that is not encrypted");
    }
    prov_buf_wipe(&text);
    return rc;
}

static bool fit(struct ctl *ctl, const char *cert_path, const char *key_path)
{
    struct prov_buf text = { 0 };
    EVP_PKEY *key = NULL;
    X509 *cert = NULL;
    enum prov_rc rc = ctl_read_file(ctl, cert_path, PROV_MAX_CERT_PEM, &text);
    bool good;

    if (rc == PROV_OK)
        rc = prov_ident_decode_pem(prov_buf_span(&text), &cert, &ctl->err);
    if (rc == PROV_OK)
        rc = ctl_key_read(ctl, key_path, &key);
    ERR_set_mark();
    good = rc == PROV_OK && X509_check_private_key(cert, key) == 1;
    ERR_pop_to_mark();
    EVP_PKEY_free(key);
    X509_free(cert);
    prov_buf_release(&text);
    return good;
}

enum prov_rc ctl_key_files_resume(struct ctl *ctl, const char *cert_path, const char *key_path,
                                  bool *resumed)
{
    char waiting[WAITING_PATH];
    enum prov_rc rc;

    *resumed = false;
    if (!waiting_path(cert_path, waiting) || access(cert_path, F_OK) == 0 ||
        access(key_path, F_OK) != 0 || access(waiting, F_OK) != 0)
        return PROV_OK;
    if (!fit(ctl, waiting, key_path)) {
        ctl->err = (struct prov_err){ 0 }; /* somebody's own key: whoever makes files says so */
        return PROV_OK;
    }
    rc = ctl_new_file_rename(ctl, waiting, cert_path);
    *resumed = rc == PROV_OK;
    return rc;
}
