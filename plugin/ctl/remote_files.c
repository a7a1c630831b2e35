#include "remote_files.h"

#include <errno.h>
#include <stdio.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#define USAGE "UsageException"

static enum prov_rc open_file(const char *option, const char *name, FILE **out,
                              struct prov_err *err)
{
    *out = fopen(name, "r");
    if (*out != NULL)
        return PROV_OK;
    return prov_fail(err, PROV_EINVAL, USAGE, "%s: %s cannot be opened: %s", option, name,
                     strerror(errno));
}

static enum prov_rc read_cert(const char *option, const char *name, X509 **out,
                              struct prov_err *err)
{
    FILE *file;
    const enum prov_rc rc = open_file(option, name, &file, err);

    *out = NULL;
    if (rc != PROV_OK)
        return rc;
    *out = PEM_read_X509(file, NULL, NULL, NULL);
    (void)fclose(file);
    if (*out != NULL)
        return PROV_OK;
    return prov_fail(err, PROV_EINVAL, USAGE, "%s: %s holds no certificate in PEM", option, name);
}

static int no_password(char *buf, int size, int rwflag, void *u)
{
    (void)buf, (void)size, (void)rwflag;
    *(bool *)u = true;
    return -1;
}

/* The key is in its own file, or in the certificate's. */
static enum prov_rc check_key(const struct ctl_remote_conf *conf, X509 *cert, struct prov_err *err)
{
    const char *option = conf->key != NULL ? "--client-key" : "--client-cert";
    const char *name = conf->key != NULL ? conf->key : conf->cert;
    bool encrypted = false, good;
    EVP_PKEY *key;
    FILE *file;
    const enum prov_rc rc = open_file(option, name, &file, err);

    if (rc != PROV_OK)
        return rc;
    key = PEM_read_PrivateKey(file, NULL, no_password, &encrypted);
    (void)fclose(file);
    good = key != NULL && X509_check_private_key(cert, key) == 1;
    if (key == NULL && !encrypted)
        return prov_fail(err, PROV_EINVAL, USAGE, "%s: %s holds no private key in PEM%s", option,
                         name, conf->key != NULL ? "" : ": --client-key FILE names where it is");
    EVP_PKEY_free(key);
    if (good || encrypted)
        return PROV_OK;
    return prov_fail(err, PROV_EINVAL, USAGE, "the key in %s is not that of the certificate in %s",
                     name, conf->cert);
}

enum prov_rc ctl_remote_check_files(const struct ctl_remote_conf *conf, struct prov_err *err)
{
    X509 *ca = NULL, *cert = NULL;
    enum prov_rc rc = PROV_OK;

    if (conf->cafile != NULL)
        rc = read_cert("--cafile", conf->cafile, &ca, err);
    if (rc == PROV_OK && conf->cert != NULL)
        rc = read_cert("--client-cert", conf->cert, &cert, err);
    if (rc == PROV_OK && conf->cert != NULL)
        rc = check_key(conf, cert, err);
    X509_free(ca);
    X509_free(cert);
    ERR_clear_error();
    return rc;
}
