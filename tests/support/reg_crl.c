#include "reg_crl.h"

#include <openssl/bn.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

static void set_time(struct reg *r, X509_CRL *crl, int64_t from_now_s,
                     int (*set)(X509_CRL *crl, const ASN1_TIME *when))
{
    ASN1_TIME *when = ASN1_TIME_set(NULL, (time_t)(r->tx.now_ms / 1000 + from_now_s));

    assert_non_null(when);
    assert_int_equal(set(crl, when), 1);
    ASN1_TIME_free(when);
}

static ASN1_INTEGER *serial_of(const struct reg_crl_entry *entry)
{
    ASN1_INTEGER *serial;
    BIGNUM *bn = NULL;

    if (entry->cert != NULL)
        return ASN1_INTEGER_dup(X509_get0_serialNumber(entry->cert));
    assert_true(BN_hex2bn(&bn, entry->serial) > 0);
    serial = BN_to_ASN1_INTEGER(bn, NULL);
    BN_free(bn);
    return serial;
}

static void add_entry(X509_CRL *crl, const struct reg_crl_entry *entry)
{
    X509_REVOKED *revoked = X509_REVOKED_new();
    ASN1_ENUMERATED *reason = ASN1_ENUMERATED_new();
    ASN1_INTEGER *serial = serial_of(entry);

    assert_true(revoked != NULL && reason != NULL && serial != NULL);
    assert_int_equal(X509_REVOKED_set_serialNumber(revoked, serial), 1);
    assert_int_equal(X509_REVOKED_set_revocationDate(
                         revoked, (ASN1_TIME *)(uintptr_t)X509_CRL_get0_lastUpdate(crl)),
                     1);
    if (entry->reason != 0) {
        assert_int_equal(ASN1_ENUMERATED_set(reason, entry->reason), 1);
        assert_int_equal(X509_REVOKED_add1_ext_i2d(revoked, NID_crl_reason, reason, 0, 0), 1);
    }
    assert_int_equal(X509_CRL_add0_revoked(crl, revoked), 1);
    ASN1_ENUMERATED_free(reason);
    ASN1_INTEGER_free(serial);
}

static void sign(X509_CRL *crl, const struct reg_crl_spec *spec)
{
    const EVP_MD *md = EVP_get_digestbyname(spec->digest == NULL ? "SHA256" : spec->digest);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *key;

    assert_true(ctx != NULL && md != NULL);
    assert_int_equal(EVP_DigestSignInit(ctx, &key, md, NULL, spec->ca->key), 1);
    if (spec->pss)
        assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(key, RSA_PKCS1_PSS_PADDING), 1);
    assert_true(X509_CRL_sign_ctx(crl, ctx) > 0);
    EVP_MD_CTX_free(ctx);
}

static struct prov_span keep(struct reg *r, X509_CRL *crl)
{
    unsigned char *der = NULL;
    const int n = i2d_X509_CRL(crl, &der);
    struct prov_span kept;

    assert_true(n > 0);
    kept = prov_span(reg_keep(r, der, (size_t)n), (size_t)n);
    OPENSSL_free(der);
    return kept;
}

struct prov_span reg_crl(struct reg *r, const struct reg_crl_spec *spec)
{
    X509_CRL *crl = X509_CRL_new();
    struct prov_span der;

    assert_non_null(crl);
    assert_int_equal(X509_CRL_set_version(crl, X509_CRL_VERSION_2), 1);
    assert_int_equal(X509_CRL_set_issuer_name(crl, X509_get_subject_name(spec->ca->x509)), 1);
    set_time(r, crl, spec->this_update_s, X509_CRL_set1_lastUpdate);
    if (spec->next_update_s != 0)
        set_time(r, crl, spec->next_update_s, X509_CRL_set1_nextUpdate);
    for (size_t i = 0; i < spec->n; i++)
        add_entry(crl, &spec->on[i]);
    if (spec->edit != NULL)
        spec->edit(crl);
    sign(crl, spec);
    der = keep(r, crl);
    X509_CRL_free(crl);
    return der;
}

struct prov_span reg_crl_pem(struct reg *r, struct prov_span der)
{
    BIO *bio = BIO_new(BIO_s_mem());
    struct prov_span kept;
    char *pem;
    long n;

    assert_non_null(bio);
    assert_true(PEM_write_bio(bio, PEM_STRING_X509_CRL, "", der.p, (long)der.n) > 0);
    n = BIO_get_mem_data(bio, &pem);
    kept = prov_span(reg_keep(r, pem, (size_t)n), (size_t)n);
    BIO_free(bio);
    return kept;
}

void reg_crl_extension(X509_CRL *crl, int nid, bool critical)
{
    static const unsigned char null[] = { 0x05, 0x00 };
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    X509_EXTENSION *ext;

    assert_int_equal(ASN1_OCTET_STRING_set(value, null, sizeof null), 1);
    ext = X509_EXTENSION_create_by_NID(NULL, nid, critical, value);
    assert_non_null(ext);
    assert_int_equal(X509_CRL_add_ext(crl, ext, -1), 1);
    X509_EXTENSION_free(ext);
    ASN1_OCTET_STRING_free(value);
}
