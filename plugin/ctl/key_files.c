#include "key_files.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "core/ident.h"

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

enum prov_rc ctl_key_files(struct ctl *ctl, const struct ctl_new_file *cert_file,
                           const struct ctl_new_file *key_file, const EVP_PKEY *key,
                           const X509 *cert)
{
    struct ctl_new_file files[2] = { *key_file, *cert_file };
    struct prov_buf pem;
    BIO *bio = NULL;
    enum prov_rc rc;

    prov_buf_init(&pem, PROV_MAX_CERT_PEM);
    rc = prov_ident_encode_pem(cert, &pem);
    if (rc == PROV_OK)
        rc = key_text(ctl, key, &bio, &files[0].bytes);
    if (rc == PROV_OK) {
        files[0].mode = 0600;
        files[1].bytes = prov_buf_span(&pem);
        files[1].mode = 0644;
        rc = ctl_new_files(ctl, files, PROV_COUNT(files));
    }
    BIO_free(bio);
    prov_buf_release(&pem);
    return rc;
}
