#include "signer.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "core/limits.h"
#include "signer_priv.h"

#define KEY_FILE_MAX 65536

/* ---- files ----------------------------------------------------------------------------------- */

static enum prov_rc cannot_read(const char *path, const char *what, int error, struct prov_err *err)
{
    if (error == ENOENT || error == ENOTDIR)
        return prov_fail(err, PROV_ENOTFOUND, SIGNER_UNAVAILABLE, "%s %s is not there", what, path);
    return prov_fail(err, error == EACCES || error == EPERM ? PROV_EDENIED : PROV_EINVAL,
                     SIGNER_UNAVAILABLE, "%s %s cannot be read: %s", what, path, strerror(error));
}

static enum prov_rc check_file(int fd, const char *path, const char *what, bool secret,
                               struct prov_err *err)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return cannot_read(path, what, errno, err);
    if (!S_ISREG(st.st_mode))
        return prov_fail(err, PROV_EINVAL, SIGNER_UNAVAILABLE, "%s %s is no file", what, path);
    if (secret && (st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return prov_fail(err, PROV_EDENIED, SIGNER_UNAVAILABLE,
                         "%s %s may be used by others than its owner: chmod 600 it", what, path);
    return PROV_OK;
}

static enum prov_rc read_all(int fd, const char *path, const char *what, struct prov_buf *out,
                             struct prov_err *err)
{
    uint8_t chunk[4096];
    ssize_t n;

    do {
        n = read(fd, chunk, sizeof chunk);
        if (n > 0)
            prov_buf_add(out, prov_span(chunk, (size_t)n));
    } while (n > 0 || (n < 0 && errno == EINTR));
    OPENSSL_cleanse(chunk, sizeof chunk);
    if (n < 0)
        return cannot_read(path, what, errno, err);
    if (out->rc == PROV_ETOOBIG)
        return prov_fail(err, PROV_EINVAL, SIGNER_UNAVAILABLE, "%s %s has more than %zu bytes",
                         what, path, out->max);
    return out->rc == PROV_OK ? PROV_OK : prov_nomem(err);
}

enum prov_rc signer_read_file(const char *path, const char *what, bool secret, struct prov_buf *out,
                              struct prov_err *err)
{
    /* a FIFO would keep whoever opens it waiting */
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    enum prov_rc rc;

    prov_buf_wipe(out);
    if (fd == -1)
        return cannot_read(path, what, errno, err);
    rc = check_file(fd, path, what, secret, err);
    if (rc == PROV_OK)
        rc = read_all(fd, path, what, out, err);
    (void)close(fd);
    return rc;
}

/* ---- certificate and key --------------------------------------------------------------------- */

static enum prov_rc load_cert(const char *path, X509 **out, struct prov_err *err)
{
    struct prov_buf pem = { .max = PROV_MAX_CERT_PEM };
    struct prov_err why = { .rc = PROV_OK };
    enum prov_rc rc;

    rc = signer_read_file(path, "the issuer's certificate", false, &pem, err);
    if (rc == PROV_OK) {
        rc = prov_ident_decode_pem(prov_buf_span(&pem), out, &why);
        if (rc == PROV_ENOMEM)
            rc = prov_nomem(err);
        else if (rc != PROV_OK)
            rc = prov_fail(err, PROV_EINVAL, why.code, "the issuer's certificate %s: %s", path,
                           why.text);
    }
    prov_buf_wipe(&pem); /* a key may be in the same file */
    return rc;
}

/* Nobody is there to be asked. */
static int refuse_password(char *buf, int size, int writing, void *asked)
{
    (void)buf;
    (void)size;
    (void)writing;
    *(bool *)asked = true;
    return -1;
}

static enum prov_rc decode_key(struct prov_span pem, const char *path, EVP_PKEY **out,
                               struct prov_err *err)
{
    BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    bool encrypted = false;

    if (bio == NULL)
        return prov_nomem(err);
    *out = PEM_read_bio_PrivateKey(bio, NULL, refuse_password, &encrypted);
    BIO_free(bio);
    if (*out != NULL)
        return PROV_OK;
    return prov_fail(err, PROV_EINVAL, SIGNER_BAD, "the issuer's key %s %s", path,
                     encrypted ? "is encrypted: keep it unencrypted, or in a PKCS#11 token"
                               : "holds no readable PEM private key");
}

static enum prov_rc load_key_file(const char *path, EVP_PKEY **out, struct prov_err *err)
{
    struct prov_buf pem = { .max = KEY_FILE_MAX };
    enum prov_rc rc;

    rc = signer_read_file(path, "the issuer's key", true, &pem, err);
    if (rc == PROV_OK && pem.n == 0)
        rc = prov_fail(err, PROV_EINVAL, SIGNER_BAD, "the issuer's key %s is empty", path);
    if (rc == PROV_OK)
        rc = decode_key(prov_buf_span(&pem), path, out, err);
    prov_buf_wipe(&pem);
    return rc;
}

/* ---- signer ---------------------------------------------------------------------------------- */

static enum prov_rc make_issuer(const struct prov_signer_conf *conf, X509 *cert, EVP_PKEY *key,
                                int64_t now_s, struct prov_issuer **out, struct prov_err *err)
{
    struct prov_err why = { .rc = PROV_OK };
    char shown[160];
    enum prov_rc rc;

    rc = prov_issuer_new(cert, key, now_s, out, &why);
    if (rc == PROV_OK)
        return PROV_OK;
    if (rc == PROV_ENOMEM)
        return prov_nomem(err);
    signer_pkcs11_show(conf->key, shown, sizeof shown);
    return prov_fail(err, rc, why.code, "%s (certificate %.100s, key %.100s)", why.text, conf->cert,
                     shown);
}

enum prov_rc prov_signer_load(const struct prov_signer_conf *conf, int64_t now_s,
                              struct prov_issuer **out, struct prov_err *err)
{
    EVP_PKEY *key = NULL;
    X509 *cert = NULL;
    enum prov_rc rc;

    *out = NULL;
    ERR_set_mark();
    rc = load_cert(conf->cert, &cert, err);
    if (rc == PROV_OK && signer_is_pkcs11(conf->key))
        rc = signer_pkcs11_key(conf->key, &key, err);
    else if (rc == PROV_OK)
        rc = load_key_file(conf->key, &key, err);
    if (rc == PROV_OK)
        rc = make_issuer(conf, cert, key, now_s, out, err);
    EVP_PKEY_free(key);
    X509_free(cert);
    ERR_pop_to_mark();
    return rc;
}
