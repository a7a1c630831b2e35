/*
 * Certificates as a stranger may send them, DER or PEM. What is accepted encodes to the bytes it
 * came from, its id is their SHA-256, and all its text is UTF-8 without NUL. The checks answer, the
 * same twice, and leave no OpenSSL error behind.
 */
#include <stdint.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include "core/ident.h"
#include "core/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void require_text(struct prov_span s)
{
    require(prov_utf8_valid(s));
    require(s.n == 0 || memchr(s.p, 0, s.n) == NULL);
}

static void require_values(struct prov_values values)
{
    for (size_t i = 0; i < values.n; i++) {
        require(values.v[i].n != 0);
        require_text(values.v[i]);
    }
}

static void check_ident(X509 *cert)
{
    struct prov_ident *ident;
    struct prov_id id;
    enum prov_rc rc;

    rc = prov_ident_new(cert, &ident, NULL);
    require((rc == PROV_OK) == (ident != NULL));
    require(rc == PROV_OK || rc == PROV_EINVAL);
    if (rc != PROV_OK)
        return;
    require(prov_ident_id(cert, &id) == PROV_OK && prov_id_eq(&id, &ident->id));
    require(ident->serial_hex.n != 0);
    require_text(ident->serial_hex);
    require_text(ident->subject_text);
    require_text(ident->issuer_text);
    for (unsigned side = 0; side < PROV_SIDES; side++) {
        for (unsigned k = 0; k < PROV_DN_FIELDS; k++)
            require_values(ident->dn[side][k]);
        for (unsigned k = 0; k < PROV_ALT_KINDS; k++)
            require_values(ident->alt[side][k]);
    }
    prov_ident_free(ident);
}

/* The signed part is found in all that decodes, and is not the signature's: another signature, the
 * same part. */
static void check_signed_part(X509 *cert)
{
    X509 *twin = X509_dup(cert);
    const ASN1_BIT_STRING *bits;
    struct prov_id before, after;

    require(twin != NULL);
    require(prov_ident_signed_id(cert, &before) == PROV_OK);
    X509_get0_signature(&bits, NULL, twin);
    require(ASN1_STRING_set((ASN1_STRING *)(uintptr_t)bits, "twin", 4) == 1);
    require(prov_ident_signed_id(twin, &after) == PROV_OK && prov_id_eq(&before, &after));
    X509_free(twin);
}

static void check_cert(X509 *cert)
{
    const int64_t now_s = 1700000000;
    enum prov_cert_fault leaf, ca;

    check_ident(cert);
    check_signed_part(cert);
    leaf = prov_cert_check_leaf(cert, now_s);
    ca = prov_cert_check_ca(cert, now_s);
    require(prov_cert_check_leaf(cert, now_s) == leaf); /* what OpenSSL keeps changes no answer */
    /* nothing is good both as a leaf and as a CA */
    require(leaf != PROV_CERT_GOOD || ca != PROV_CERT_GOOD);
    (void)prov_cert_signed_by(cert, cert);
    require(ERR_peek_error() == 0);
}

static void check_der(struct prov_span der)
{
    struct prov_buf again = { .max = PROV_MAX_CERT_PEM };
    struct prov_id id, expected;
    X509 *cert, *same;

    if (prov_ident_decode(der, &cert, NULL) != PROV_OK) {
        require(cert == NULL && ERR_peek_error() == 0);
        return;
    }
    SHA256(der.p, der.n, expected.b);
    require(prov_ident_id(cert, &id) == PROV_OK && prov_id_eq(&id, &expected));
    require(prov_ident_encode(cert, &again) == PROV_OK);
    require(prov_span_eq(prov_buf_span(&again), der));
    prov_buf_clear(&again);
    require(prov_ident_encode_pem(cert, &again) == PROV_OK);
    require(prov_ident_decode_pem(prov_buf_span(&again), &same, NULL) == PROV_OK);
    require(prov_ident_id(same, &id) == PROV_OK && prov_id_eq(&id, &expected));
    require(ERR_peek_error() == 0);
    check_cert(cert);
    X509_free(same);
    X509_free(cert);
    prov_buf_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    X509 *cert;

    check_der(prov_span(data, size));
    if (prov_ident_decode_pem(prov_span(data, size), &cert, NULL) == PROV_OK)
        check_cert(cert);
    else
        require(cert == NULL);
    require(ERR_peek_error() == 0);
    X509_free(cert);
    return 0;
}
