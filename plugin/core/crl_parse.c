#include "crl_priv.h"

#include <stdlib.h>

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "ossl.h"
#include "utc.h"

static enum prov_rc refuse(struct prov_tx *tx, const char *why)
{
    return prov_fail(tx->err, PROV_EINVAL, REG_INVALID, "the revocation list is refused: %s", why);
}

/* What OpenSSL could not make: no memory, or not what it should be. */
static enum prov_rc failed(struct prov_tx *tx, const char *why)
{
    return prov_ossl_nomem() ? prov_nomem(tx->err) : refuse(tx, why);
}

/* ---- encodings ------------------------------------------------------------------------------- */

static enum prov_rc check_reencoding(struct prov_tx *tx, const X509_CRL *list, struct prov_span der)
{
    unsigned char *again = NULL;
    const int n = i2d_X509_CRL(list, &again);
    enum prov_rc rc = PROV_OK;

    if (n < 0)
        return prov_nomem(tx->err);
    if (!prov_span_eq(prov_span(again, (size_t)n), der))
        rc = refuse(tx, "it is not in DER form");
    OPENSSL_free(again);
    return rc;
}

/* Steps over the head of a constructed value; false when there is none. */
static bool enter(const unsigned char **p, const unsigned char *end)
{
    int tag, class;
    long len;

    return (ASN1_get_object(p, &len, &tag, &class, end - *p) & V_ASN1_CONSTRUCTED) != 0;
}

/*
 * The algorithm is said twice, and the outer one, which OpenSSL goes by, is not under the signature
 * (RFC 5280 section 5.1.1.2: they must agree). The inner one is in the signed part, behind a
 * version that may be left out.
 */
static bool algorithms_agree(const X509_CRL *list, struct prov_span der)
{
    const unsigned char *p = der.p, *end = der.p + der.n;
    X509_ALGOR *inner = NULL;
    const X509_ALGOR *outer;
    bool agree;

    for (int depth = 0; depth < 2; depth++) { /* CertificateList, TBSCertList */
        if (!enter(&p, end))
            return false;
    }
    if (end - p > 3 && p[0] == V_ASN1_INTEGER && p[1] == 1)
        p += 3;
    inner = d2i_X509_ALGOR(NULL, &p, end - p);
    X509_CRL_get0_signature(list, NULL, &outer);
    agree = inner != NULL && X509_ALGOR_cmp(outer, inner) == 0;
    X509_ALGOR_free(inner);
    return agree;
}

static enum prov_rc decode_der(struct prov_tx *tx, struct prov_span der, X509_CRL **out)
{
    const unsigned char *p = der.p;
    X509_CRL *list = d2i_X509_CRL(NULL, &p, (long)der.n);
    enum prov_rc rc;

    if (list == NULL)
        return failed(tx, "this is not an X.509 CRL");
    if (p != der.p + der.n)
        rc = refuse(tx, "bytes follow it");
    else
        rc = check_reencoding(tx, list, der);
    if (rc == PROV_OK && !algorithms_agree(list, der))
        rc = refuse(tx, "it names two signature algorithms");
    if (rc == PROV_OK)
        *out = list;
    else
        X509_CRL_free(list);
    return rc;
}

/* One block of the text. Not PEM_read_bio_X509_CRL, which asks the terminal for passwords. */
static enum prov_rc next_block(struct prov_tx *tx, BIO *bio, bool *done, X509_CRL **out)
{
    char *name = NULL, *header = NULL;
    unsigned char *data = NULL;
    enum prov_rc rc = PROV_OK;
    long n = 0;

    if (PEM_read_bio(bio, &name, &header, &data, &n) != 1)
        return failed(tx, "no readable X509 CRL was found in the text");
    if (strcmp(name, PEM_STRING_X509_CRL) == 0) {
        *done = true;
        if (header[0] != '\0')
            rc = refuse(tx, "the PEM block has a header");
        else
            rc = decode_der(tx, prov_span(data, (size_t)n), out);
    }
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_clear_free(data, (size_t)n); /* other blocks may be keys */
    return rc;
}

static enum prov_rc decode_pem(struct prov_tx *tx, struct prov_span pem, X509_CRL **out)
{
    BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    enum prov_rc rc = bio == NULL ? prov_nomem(tx->err) : PROV_OK;
    bool done = false;

    while (rc == PROV_OK && !done)
        rc = next_block(tx, bio, &done, out);
    BIO_free(bio);
    return rc;
}

/* ---- what kind of list it is ----------------------------------------------------------------- */

/* The digest of RSASSA-PSS parameters (RFC 4055 section 3.1). */
static int pss_digest(const X509_ALGOR *alg)
{
    RSA_PSS_PARAMS *pss;
    int nid = NID_sha1;

    pss = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(RSA_PSS_PARAMS), alg->parameter);
    if (pss != NULL && pss->hashAlgorithm != NULL)
        nid = OBJ_obj2nid(pss->hashAlgorithm->algorithm);
    RSA_PSS_PARAMS_free(pss);
    return nid;
}

/* Reference 5.6, as for certificates. */
static bool good_algorithm(const X509_CRL *list)
{
    static const int good[] = {
        NID_sha256WithRSAEncryption, NID_sha384WithRSAEncryption, NID_sha512WithRSAEncryption,
        NID_ecdsa_with_SHA256,       NID_ecdsa_with_SHA384,       NID_ecdsa_with_SHA512,
    };
    const X509_ALGOR *alg;
    int nid;

    X509_CRL_get0_signature(list, NULL, &alg);
    nid = X509_CRL_get_signature_nid(list);
    for (size_t i = 0; i < PROV_COUNT(good); i++) {
        if (good[i] == nid)
            return true;
    }
    if (nid != NID_rsassaPss)
        return false;
    nid = pss_digest(alg);
    return nid == NID_sha256 || nid == NID_sha384 || nid == NID_sha512;
}

/*
 * A list must speak of all certificates of its CA: one that is missing from it is not on hold. So
 * neither parts (issuingDistributionPoint, RFC 5280 section 5.2.5) nor changes (deltaCRLIndicator)
 * nor what else is critical, for that may change what entries mean.
 */
static enum prov_rc check_extensions(struct prov_tx *tx, const X509_CRL *list)
{
    if (X509_CRL_get_ext_by_NID(list, NID_delta_crl, -1) >= 0)
        return refuse(tx, "it is a delta CRL; import the complete one");
    if (X509_CRL_get_ext_by_NID(list, NID_issuing_distribution_point, -1) >= 0)
        return refuse(tx, "it says that it covers a part of the CA's certificates, or those of "
                          "other CAs (issuingDistributionPoint); import the complete one");
    if (X509_CRL_get_ext_by_critical(list, 1, -1) >= 0)
        return refuse(tx, "it has a critical extension that is not understood here");
    return PROV_OK;
}

enum prov_rc crl_decode(struct prov_tx *tx, struct prov_span bytes, X509_CRL **out)
{
    enum prov_rc rc;

    *out = NULL;
    if (bytes.n > PROV_MAX_CRL)
        return prov_fail(tx->err, PROV_ETOOBIG, REG_INVALID,
                         "the revocation list has %zu bytes; %d are allowed", bytes.n,
                         PROV_MAX_CRL);
    if (bytes.n == 0)
        return refuse(tx, "it is empty");
    if (bytes.p[0] == (V_ASN1_SEQUENCE | V_ASN1_CONSTRUCTED))
        rc = decode_der(tx, bytes, out);
    else
        rc = decode_pem(tx, bytes, out);
    if (rc == PROV_OK && !good_algorithm(*out))
        rc = refuse(tx, "it is signed with an algorithm that is not accepted (SHA-1, MD5 …)");
    if (rc == PROV_OK)
        rc = check_extensions(tx, *out);
    return rc;
}

/* ---- entries --------------------------------------------------------------------------------- */

static enum prov_rc reason_of(struct prov_tx *tx, const X509_REVOKED *revoked, uint8_t *out)
{
    ASN1_ENUMERATED *reason;
    int found;
    long n;

    *out = 0; /* unspecified */
    if (X509_REVOKED_get_ext_by_critical(revoked, 1, -1) >= 0)
        return refuse(tx, "an entry has a critical extension that is not understood here");
    reason = X509_REVOKED_get_ext_d2i(revoked, NID_crl_reason, &found, NULL);
    if (reason == NULL)
        return found == -1 ? PROV_OK : failed(tx, "an entry's reason cannot be read");
    n = ASN1_ENUMERATED_get(reason);
    ASN1_ENUMERATED_free(reason);
    if (n > 0 && n <= UINT8_MAX)
        *out = (uint8_t)n;
    return PROV_OK;
}

static enum prov_rc add_entry(struct prov_tx *tx, const X509_REVOKED *revoked, uint8_t **end,
                              struct prov_crl *crl)
{
    struct crl_entry *entry = &crl->entries[crl->info.entries];
    uint8_t space[REG_SERIAL_MAX];
    struct prov_span serial;
    enum prov_rc rc;

    rc = reason_of(tx, revoked, &entry->reason);
    if (rc != PROV_OK || entry->reason == REG_REASON_REMOVE) /* as if it were not there */
        return rc;
    serial = reg_serial(X509_REVOKED_get0_serialNumber(revoked), space);
    if (serial.n == 0)
        return refuse(tx, "an entry's serial number is too long");
    memcpy(*end, serial.p, serial.n);
    entry->serial = *end;
    entry->n = (uint16_t)serial.n;
    *end += serial.n;
    crl->info.entries++;
    return PROV_OK;
}

/* Of one serial number's entries the one that is for good comes first. */
static int by_serial(const void *a, const void *b)
{
    const struct crl_entry *x = a, *y = b;
    const int order = prov_span_cmp(crl_serial(x), crl_serial(y));

    return order != 0 ? order : (x->reason == REG_REASON_HOLD) - (y->reason == REG_REASON_HOLD);
}

static void sort_entries(struct prov_crl *crl)
{
    size_t kept = 0;

    qsort(crl->entries, crl->info.entries, sizeof *crl->entries, by_serial);
    for (size_t i = 0; i < crl->info.entries; i++) {
        if (kept == 0 ||
            !prov_span_eq(crl_serial(&crl->entries[kept - 1]), crl_serial(&crl->entries[i])))
            crl->entries[kept++] = crl->entries[i];
    }
    crl->info.entries = kept;
}

static enum prov_rc read_entries(struct prov_tx *tx, X509_CRL *list, struct prov_crl *crl)
{
    const STACK_OF(X509_REVOKED) *all = X509_CRL_get_REVOKED(list);
    const int n = all == NULL ? 0 : sk_X509_REVOKED_num(all);
    enum prov_rc rc = PROV_OK;
    size_t bytes = 1;
    uint8_t *end;

    for (int i = 0; i < n; i++) /* one more than the magnitude has, for the sign */
        bytes += 1 + (size_t)ASN1_STRING_length(
                         X509_REVOKED_get0_serialNumber(sk_X509_REVOKED_value(all, i)));
    crl->entries = calloc((size_t)n + 1, sizeof *crl->entries);
    crl->serials = end = malloc(bytes);
    if (crl->entries == NULL || end == NULL)
        return prov_nomem(tx->err);
    for (int i = 0; i < n && rc == PROV_OK; i++)
        rc = add_entry(tx, sk_X509_REVOKED_value(all, i), &end, crl);
    if (rc == PROV_OK)
        sort_entries(crl);
    return rc;
}

/* ---- times ----------------------------------------------------------------------------------- */

static enum prov_rc read_times(struct prov_tx *tx, const X509_CRL *list, struct prov_crl_info *info)
{
    const ASN1_TIME *next = X509_CRL_get0_nextUpdate(list);
    const int64_t now_s = tx->now_ms / 1000;

    if (!prov_utc_of_asn1(X509_CRL_get0_lastUpdate(list), &info->this_update_s) ||
        (next != NULL && !prov_utc_of_asn1(next, &info->next_update_s)))
        return refuse(tx, "its times cannot be read");
    if (now_s < info->this_update_s)
        return refuse(tx, "it is not valid yet; check this machine's clock");
    info->stale = next != NULL && now_s > info->next_update_s;
    return PROV_OK;
}

enum prov_rc crl_read(struct prov_tx *tx, X509_CRL *list, struct prov_crl *crl)
{
    const enum prov_rc rc = read_times(tx, list, &crl->info);

    return rc != PROV_OK ? rc : read_entries(tx, list, crl);
}
