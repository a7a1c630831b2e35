#include "issue_priv.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

#include "der.h"
#include "dn.h"
#include "limits.h"
#include "ossl.h"
#include "spki.h"
#include "utc.h"

#define SLOW_CLOCK_S 300 /* by how much a device's clock may be slow */
/* What is signed leaves room for the signature and what stands around it. */
#define SIGNED_MAX (PROV_MAX_CERT_DER - ISSUE_SIGNATURE_MAX - 512)

static const uint8_t version_3[] = { 0xa0, 0x03, 0x02, 0x01, 0x02 };

/* CN=AWS IoT Certificate (reference 5.2) */
static const uint8_t default_subject[] = { "\x30\x1e\x31\x1c\x30\x1a\x06\x03\x55\x04\x03\x0c\x13"
                                           "AWS IoT Certificate" };

/* ---- validity -------------------------------------------------------------------------------- */

/* RFC 5280 section 4.1.2.5: UTCTime through the year 2049. */
#define UTC_TIME_FIRST_S (-631152000) /* 1950-01-01T00:00:00Z */
#define UTC_TIME_END_S 2524608000     /* 2050-01-01T00:00:00Z */

static bool in_utc_time(int64_t s)
{
    return s >= UTC_TIME_FIRST_S && s < UTC_TIME_END_S;
}

static size_t time_size(int64_t s)
{
    return der_size(in_utc_time(s) ? sizeof "YYMMDDhhmmssZ" - 1 : sizeof "YYYYMMDDhhmmssZ" - 1);
}

static void add_time(struct prov_buf *out, int64_t s)
{
    uint8_t text[15];
    size_t skip = 0;
    struct tm tm = { 0 };
    int fields[6];

    (void)prov_utc_fields(s, &tm); /* both ends are within an issuer's, which has them decoded */
    fields[0] = (tm.tm_year + 1900) / 100;
    fields[1] = (tm.tm_year + 1900) % 100;
    fields[2] = tm.tm_mon + 1;
    fields[3] = tm.tm_mday;
    fields[4] = tm.tm_hour;
    fields[5] = tm.tm_min;
    for (size_t i = 0; i < PROV_COUNT(fields); i++) {
        text[2 * i] = (uint8_t)('0' + fields[i] / 10);
        text[2 * i + 1] = (uint8_t)('0' + fields[i] % 10);
    }
    text[12] = (uint8_t)('0' + tm.tm_sec / 10);
    text[13] = (uint8_t)('0' + tm.tm_sec % 10);
    text[14] = 'Z';
    if (in_utc_time(s))
        skip = 2;
    der_add(out, skip != 0 ? DER_UTC_TIME : DER_GENERALIZED_TIME,
            prov_span(text + skip, sizeof text - skip));
}

/* What one certificate has of its own. */

struct own {
    struct prov_span subject, spki;
    int64_t not_before_s, not_after_s;
    uint8_t serial[ISSUE_SERIAL_BYTES], key_id[ISSUE_KEY_ID_BYTES];
};

static enum prov_rc check_subject(struct prov_span *subject, struct prov_err *err)
{
    struct dn dn = { .plain.n = 0 };
    enum prov_rc rc;

    if (subject->n == 0) {
        *subject = prov_span(default_subject, sizeof default_subject - 1);
        return PROV_OK;
    }
    rc = dn_read(*subject, &dn);
    dn_release(&dn);
    if (rc == PROV_ENOMEM)
        return prov_nomem(err);
    return rc == PROV_OK
               ? rc
               : prov_fail(err, rc, ISSUE_BAD_CERT, "the subject is no name, or not in DER form");
}

void prov_issue_cut(const struct prov_issuer *issuer, int64_t *not_before_s, int64_t *not_after_s)
{
    if (*not_before_s < issuer->not_before_s)
        *not_before_s = issuer->not_before_s;
    if (*not_after_s > issuer->not_after_s)
        *not_after_s = issuer->not_after_s;
}

static enum prov_rc cut_validity(const struct prov_issuer *issuer, struct own *own,
                                 struct prov_err *err)
{
    if (own->not_before_s > issuer->not_after_s)
        return prov_fail(err, PROV_ESIGNER, ISSUE_UNAVAILABLE,
                         "the issuer's certificate has expired");
    prov_issue_cut(issuer, &own->not_before_s, &own->not_after_s);
    if (own->not_before_s > own->not_after_s)
        return prov_fail(err, PROV_EINVAL, ISSUE_BAD_CERT, "the certificate would never be valid");
    return PROV_OK;
}

bool issue_serial(uint8_t out[static ISSUE_SERIAL_BYTES])
{
    if (RAND_bytes(out, ISSUE_SERIAL_BYTES) != 1)
        return false;
    out[0] = (out[0] & 0x7f) | 0x40;
    return true;
}

static enum prov_rc fill_own(const struct prov_issuer *issuer, const struct prov_issue *what,
                             struct own *own, struct prov_err *err)
{
    const char *why;
    struct spki spki;
    enum prov_rc rc;

    *own = (struct own){ what->subject,     what->spki, what->not_before_s,
                         what->not_after_s, { 0 },      { 0 } };
    rc = check_subject(&own->subject, err);
    if (rc == PROV_OK)
        rc = cut_validity(issuer, own, err);
    if (rc != PROV_OK)
        return rc;
    why = spki_read(own->spki, &spki);
    if (why != NULL)
        return prov_fail(err, PROV_EINVAL, ISSUE_BAD_CERT, "nothing is issued for this key: %s",
                         why);
    if (EVP_Digest(spki.subject_public.p, spki.subject_public.n, own->key_id, NULL, issuer->sha1,
                   NULL) != 1)
        return prov_nomem(err);
    if (!issue_serial(own->serial))
        return prov_fail(err, PROV_ESIGNER, ISSUE_UNAVAILABLE, "there is no randomness to be had");
    return PROV_OK;
}

/* TBSCertificate (RFC 5280 section 4.1). */
static void add_signed_part(struct prov_buf *out, const struct prov_issuer *issuer,
                            const struct own *own)
{
    const size_t validity_n = time_size(own->not_before_s) + time_size(own->not_after_s);
    size_t extensions_at;

    der_add_head(out, DER_SEQUENCE,
                 sizeof version_3 + der_size(ISSUE_SERIAL_BYTES) + issuer->algorithm.n +
                     issuer->name.n + der_size(validity_n) + own->subject.n + own->spki.n +
                     issuer->extensions.n);
    prov_buf_add(out, prov_span(version_3, sizeof version_3));
    der_add(out, DER_INTEGER, prov_span(own->serial, ISSUE_SERIAL_BYTES));
    prov_buf_add(out, prov_buf_span(&issuer->algorithm));
    prov_buf_add(out, prov_buf_span(&issuer->name));
    der_add_head(out, DER_SEQUENCE, validity_n);
    add_time(out, own->not_before_s);
    add_time(out, own->not_after_s);
    prov_buf_add(out, own->subject);
    prov_buf_add(out, own->spki);
    extensions_at = out->n;
    prov_buf_add(out, prov_buf_span(&issuer->extensions));
    if (out->rc == PROV_OK)
        memcpy(out->p + extensions_at + issuer->key_id_at, own->key_id, ISSUE_KEY_ID_BYTES);
}

/* Of ISSUE_SIGNATURE_MAX bytes. */
static enum prov_rc sign(const struct prov_issuer *issuer, struct prov_span bytes, uint8_t *out,
                         size_t *n, struct prov_err *err)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok;

    *n = ISSUE_SIGNATURE_MAX;
    ok = ctx != NULL && EVP_MD_CTX_copy_ex(ctx, issuer->sign) == 1 &&
         EVP_DigestSign(ctx, out, n, bytes.p, bytes.n) == 1;
    EVP_MD_CTX_free(ctx);
    /* short of memory, OpenSSL 3.0's ECDSA says that it has signed, in 2^32 - 1 bytes */
    if (ok && *n <= ISSUE_SIGNATURE_MAX)
        return PROV_OK;
    return ok || ctx == NULL || prov_ossl_nomem()
               ? prov_nomem(err)
               : prov_fail(err, PROV_ESIGNER, ISSUE_UNAVAILABLE,
                           "nothing can be signed with the issuer's key; is its token there?");
}

static void add_certificate(struct prov_buf *out, const struct prov_issuer *issuer,
                            struct prov_span signed_part, struct prov_span signature)
{
    der_add_head(out, DER_SEQUENCE,
                 signed_part.n + issuer->algorithm.n + der_size(1 + signature.n));
    prov_buf_add(out, signed_part);
    prov_buf_add(out, prov_buf_span(&issuer->algorithm));
    der_add_bytes(out, signature);
}

static enum prov_rc issue(const struct prov_issuer *issuer, const struct prov_issue *what,
                          struct prov_buf *out, struct prov_err *err)
{
    struct prov_buf signed_part = { .max = SIGNED_MAX };
    uint8_t signature[ISSUE_SIGNATURE_MAX];
    const size_t at = out->n;
    struct own own;
    enum prov_rc rc;
    size_t n = 0;

    rc = fill_own(issuer, what, &own, err);
    if (rc != PROV_OK)
        return rc;
    add_signed_part(&signed_part, issuer, &own);
    if (signed_part.rc == PROV_ENOMEM)
        rc = prov_nomem(err);
    else if (signed_part.rc != PROV_OK)
        rc = prov_fail(err, PROV_EINVAL, ISSUE_BAD_CERT, "the subject is too long");
    else
        rc = sign(issuer, prov_buf_span(&signed_part), signature, &n, err);
    if (rc == PROV_OK) {
        add_certificate(out, issuer, prov_buf_span(&signed_part), prov_span(signature, n));
        if (out->rc != PROV_OK) {
            out->n = at;
            rc = out->rc == PROV_ENOMEM
                     ? prov_nomem(err)
                     : prov_fail(err, out->rc, ISSUE_BAD_CERT, "the certificate has no room");
        }
    }
    prov_buf_release(&signed_part);
    return rc;
}

enum prov_rc prov_issue(const struct prov_issuer *issuer, const struct prov_issue *what,
                        struct prov_buf *out, struct prov_err *err)
{
    enum prov_rc rc;

    ERR_set_mark();
    rc = issue(issuer, what, out, err);
    ERR_pop_to_mark();
    return rc;
}

void prov_issue_validity(int64_t now_s, int64_t days, int64_t *not_before_s, int64_t *not_after_s)
{
    *not_before_s = now_s - SLOW_CLOCK_S;
    *not_after_s =
        days < (ISSUE_MAX_TIME_S - now_s) / 86400 ? now_s + days * 86400 : ISSUE_MAX_TIME_S;
}

/* ---- what others issued ---------------------------------------------------------------------- */

static enum prov_rc no_answer(struct prov_err *err, const char *why)
{
    return prov_fail(err, PROV_EINVAL, ISSUE_BAD_CERT,
                     "the certificate that was issued is refused: %s", why);
}

/* The same types and texts in the same order: a CA may choose another string type for them. */
static enum prov_rc compare_subjects(const X509 *cert, const struct prov_csr *csr,
                                     struct prov_err *err)
{
    struct dn asked = { .plain.n = 0 }, given = { .plain.n = 0 };
    const unsigned char *name;
    enum prov_rc rc;
    size_t n;

    if (X509_NAME_get0_der(X509_get_subject_name(cert), &name, &n) != 1)
        return prov_nomem(err);
    rc = dn_read(csr->subject, &asked);
    if (rc == PROV_OK)
        rc = dn_read(prov_span(name, n), &given);
    if (rc == PROV_ENOMEM)
        rc = prov_nomem(err);
    else if (rc != PROV_OK ||
             !prov_span_eq(prov_buf_span(&asked.plain), prov_buf_span(&given.plain)))
        rc = no_answer(err, "its subject is not the request's");
    dn_release(&given);
    dn_release(&asked);
    return rc;
}

static enum prov_rc compare_keys(const X509 *cert, const struct prov_csr *csr, struct prov_err *err)
{
    unsigned char *der = NULL;
    const int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
    struct spki asked, given;
    bool same;

    if (n < 0)
        return prov_nomem(err);
    same = spki_read(csr->spki, &asked) == NULL &&
           spki_read(prov_span(der, (size_t)n), &given) == NULL && spki_eq(&asked, &given);
    OPENSSL_free(der);
    return same ? PROV_OK : no_answer(err, "its key is not the request's");
}

enum prov_rc prov_issue_answers(X509 *cert, const struct prov_csr *csr, int64_t now_s,
                                struct prov_err *err)
{
    enum prov_cert_fault fault;
    enum prov_rc rc;

    ERR_set_mark();
    rc = compare_keys(cert, csr, err);
    if (rc == PROV_OK)
        rc = compare_subjects(cert, csr, err);
    ERR_pop_to_mark();
    if (rc != PROV_OK)
        return rc;
    fault = prov_cert_check_leaf(cert, now_s);
    return fault == PROV_CERT_GOOD ? PROV_OK : no_answer(err, prov_cert_fault_text(fault));
}
