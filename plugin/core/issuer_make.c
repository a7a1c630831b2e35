/* A CA of one's own. Once in its life, so with OpenSSL's objects. */
#include "issue_priv.h"

#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include "ossl.h"
#include "utc.h"

/* RFC 5280 appendix A.1: ub-common-name */
#define COMMON_NAME_MAX 64

static enum prov_rc check(struct prov_span common_name, int64_t not_before_s, int64_t not_after_s,
                          struct prov_err *err)
{
    if (common_name.n == 0 || common_name.n > COMMON_NAME_MAX || !prov_utf8_valid(common_name) ||
        memchr(common_name.p, 0, common_name.n) != NULL)
        return prov_fail(err, PROV_EINVAL, ISSUE_BAD_CERT,
                         "an issuer's name has 1 to %d bytes of UTF-8", COMMON_NAME_MAX);
    if (not_before_s < 0 || not_after_s < not_before_s || not_after_s > ISSUE_MAX_TIME_S)
        return prov_fail(err, PROV_EINVAL, ISSUE_BAD_CERT,
                         "an issuer is valid from 1970 to 9999 at most, and for a time at all");
    return PROV_OK;
}

static bool set_serial(X509 *cert)
{
    uint8_t bytes[ISSUE_SERIAL_BYTES];

    return issue_serial(bytes) &&
           ASN1_STRING_set(X509_get_serialNumber(cert), bytes, sizeof bytes) == 1;
}

static bool set_name(X509 *cert, struct prov_span common_name)
{
    X509_NAME *name = X509_get_subject_name(cert);

    return X509_NAME_add_entry_by_NID(name, NID_commonName, V_ASN1_UTF8STRING, common_name.p,
                                      (int)common_name.n, -1, 0) == 1 &&
           X509_set_issuer_name(cert, name) == 1;
}

static bool add_extensions(X509 *cert)
{
    static const struct {
        int nid;
        const char *value;
    } rows[] = {
        { NID_basic_constraints, "critical,CA:TRUE,pathlen:0" },
        { NID_key_usage, "critical,keyCertSign,cRLSign" },
        { NID_subject_key_identifier, "hash" },
    };
    X509_EXTENSION *ext;
    X509V3_CTX ctx;
    bool ok = true;

    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
    for (size_t i = 0; i < PROV_COUNT(rows) && ok; i++) {
        ext = X509V3_EXT_conf_nid(NULL, &ctx, rows[i].nid, rows[i].value);
        ok = ext != NULL && X509_add_ext(cert, ext, -1) == 1;
        X509_EXTENSION_free(ext);
    }
    return ok;
}

static X509 *make_cert(EVP_PKEY *key, struct prov_span common_name, int64_t not_before_s,
                       int64_t not_after_s)
{
    X509 *cert = X509_new();

    if (cert != NULL && X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert) &&
        set_name(cert, common_name) && prov_utc_to_asn1(not_before_s, X509_getm_notBefore(cert)) &&
        prov_utc_to_asn1(not_after_s, X509_getm_notAfter(cert)) &&
        X509_set_pubkey(cert, key) == 1 && add_extensions(cert) &&
        X509_sign(cert, key, EVP_sha256()) > 0)
        return cert;
    X509_free(cert);
    return NULL;
}

enum prov_rc prov_issuer_make(enum prov_key_type type, struct prov_span common_name,
                              int64_t not_before_s, int64_t not_after_s, EVP_PKEY **key,
                              X509 **cert, struct prov_err *err)
{
    enum prov_rc rc;

    *key = NULL;
    *cert = NULL;
    rc = check(common_name, not_before_s, not_after_s, err);
    if (rc != PROV_OK)
        return rc;
    rc = prov_key_new(type, key);
    ERR_set_mark();
    if (rc == PROV_OK) {
        *cert = make_cert(*key, common_name, not_before_s, not_after_s);
        if (*cert == NULL)
            rc = prov_ossl_nomem() ? PROV_ENOMEM : PROV_ESIGNER;
    }
    ERR_pop_to_mark();
    if (rc == PROV_OK)
        return PROV_OK;
    EVP_PKEY_free(*key);
    *key = NULL;
    return rc == PROV_ENOMEM ? prov_nomem(err)
                             : prov_fail(err, rc, ISSUE_UNAVAILABLE, "no key can be made");
}
