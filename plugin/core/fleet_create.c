/* CreateKeysAndCertificate and CreateCertificateFromCsr. */
#include "fleet_priv.h"

#include <stdio.h>

#include <openssl/x509.h>

#include "provider.h"
#include "view.h"

void prov_fleet_give_key(struct prov_fleet *fleet, struct prov_key *key, enum prov_rc rc)
{
    if (rc == PROV_OK) {
        fleet->key = *key;
        memset(key, 0, sizeof *key);
    } else if (rc == PROV_EBUSY) {
        fleet_refuse(fleet, PROV_REASON_BUSY, "too many wait for a key", NULL);
    } else {
        fleet_refuse(fleet, PROV_REASON_INTERNAL, "no key could be made", NULL);
    }
}

/* ---- the provider ---------------------------------------------------------------------------- */

static enum prov_rc ask_provider(struct prov_fleet *fleet, enum prov_fleet_want *want)
{
    char claim[PROV_ID_HEX + 1];
    const struct prov_provider_request request = {
        .csr = fleet->asked->csr,
        .principal_id = { (const uint8_t *)claim, PROV_ID_HEX },
        .client_id = prov_span_str(fleet->client_id),
    };

    prov_id_hex(&fleet->claim, claim);
    fleet->hook = prov_span_str(fleet->conf->provider);
    *want = PROV_FLEET_HOOK;
    return prov_provider_request_json(&request, &fleet->request);
}

enum prov_rc fleet_create_answered(struct prov_fleet *fleet, struct prov_span answer)
{
    struct prov_err err = { 0 };
    enum prov_rc rc;

    rc = prov_provider_answer(answer, &fleet->provided, &err);
    if (rc == PROV_OK || rc == PROV_ENOMEM)
        return rc;
    prov_buf_clear(&fleet->provided);
    (void)snprintf(fleet->hook_detail, sizeof fleet->hook_detail, "%.200s", err.text);
    return PROV_OK;
}

/* The registered CA that signed it, if there is one: its revocation lists count then. */
static enum prov_rc find_ca(struct prov_tx *tx, X509 *cert, struct prov_id *out)
{
    struct prov_id ids[PROV_MAX_CAS_PER_SUBJECT];
    size_t n = 0;
    enum prov_rc rc;

    rc = prov_ca_by_issuer(tx, cert, ids, &n);
    for (size_t i = 0; rc == PROV_OK && i < n; i++) {
        struct prov_ca ca;
        X509 *issuer = NULL;

        rc = prov_ca_get(tx, &ids[i], &ca);
        if (rc == PROV_OK)
            rc = prov_ident_decode(ca.der, &issuer, tx->err);
        if (rc == PROV_EINVAL || rc == PROV_ETOOBIG)
            rc = PROV_ESTORE; /* it decoded when it was registered */
        if (rc == PROV_OK && prov_cert_signed_by(cert, issuer))
            *out = ids[i];
        X509_free(issuer);
    }
    return rc;
}

static enum prov_rc take_provided(struct prov_fleet *fleet, struct prov_tx *tx, X509 **cert)
{
    struct prov_err err = { 0 };
    enum prov_rc rc;

    if (fleet->provided.n == 0) {
        fleet_refuse(fleet, PROV_REASON_PROVIDER_FAILED, fleet->hook_detail, NULL);
        return PROV_OK;
    }
    rc = prov_ident_decode(prov_buf_span(&fleet->provided), cert, &err);
    if (rc == PROV_OK)
        rc = prov_issue_answers(*cert, fleet->csr, tx->now_ms / 1000, &err);
    if (rc != PROV_OK && !fleet_transient(rc)) {
        fleet_refuse(fleet, PROV_REASON_PROVIDER_FAILED, err.text, NULL);
        return PROV_OK;
    }
    prov_buf_clear(&fleet->der);
    prov_buf_add(&fleet->der, prov_buf_span(&fleet->provided));
    return rc != PROV_OK ? rc : fleet->der.rc;
}

static enum prov_rc use_provided(struct prov_fleet *fleet, struct prov_tx *tx)
{
    X509 *cert = NULL;
    enum prov_rc rc;

    rc = take_provided(fleet, tx, &cert);
    if (rc == PROV_OK && fleet->reason == PROV_REASON_NONE) {
        if (!prov_cert_validity(cert, &fleet->made.not_before_s, &fleet->made.not_after_s))
            fleet_refuse(fleet, PROV_REASON_PROVIDER_FAILED, "its validity does not decode", NULL);
        else
            rc = find_ca(tx, cert, &fleet->made.ca_id);
    }
    X509_free(cert);
    return rc;
}

/* ---- our own issuer -------------------------------------------------------------------------- */

/* The issuer; reason is set when there is none to be had. Where its key is, is not for devices. */
static enum prov_rc find_issuer(struct prov_fleet *fleet, struct prov_tx *tx,
                                const struct prov_issuer **out)
{
    const struct prov_issuing *issuing = fleet->conf->issuing;
    struct prov_err err = { 0 };
    const enum prov_rc rc = issuing->issuer(issuing, out, &err);

    if (rc == PROV_OK || fleet_transient(rc))
        return fleet_result(fleet, tx, &err, rc, PROV_REASON_ISSUER_FAILED);
    fleet_refuse(fleet, rc == PROV_ENOTFOUND ? PROV_REASON_NO_ISSUER : PROV_REASON_ISSUER_FAILED,
                 err.text, NULL);
    return PROV_OK;
}

static enum prov_rc sign(struct prov_fleet *fleet, struct prov_tx *tx, uint32_t validity_days)
{
    const int64_t days = validity_days != 0 ? validity_days : fleet->conf->issuing->validity_days;
    const struct prov_csr *csr = fleet->csr; /* NULL: for the key that was given */
    struct prov_issue what = {
        .subject = csr != NULL ? csr->subject : prov_span(NULL, 0),
        .spki = csr != NULL ? csr->spki : prov_buf_span(&fleet->key.spki),
    };
    const struct prov_issuer *issuer = NULL;
    struct prov_err err = { 0 };
    enum prov_rc rc;

    rc = find_issuer(fleet, tx, &issuer);
    if (rc != PROV_OK || fleet->reason != PROV_REASON_NONE)
        return rc;
    prov_issue_validity(tx->now_ms / 1000, days, &what.not_before_s, &what.not_after_s);
    prov_buf_clear(&fleet->der);
    rc = prov_issue(issuer, &what, &fleet->der, &err);
    fleet->made.ca_id = *prov_issuer_id(issuer);
    fleet->made.not_before_s = what.not_before_s;
    fleet->made.not_after_s = what.not_after_s;
    prov_issue_cut(issuer, &fleet->made.not_before_s, &fleet->made.not_after_s);
    if (rc == PROV_OK || fleet_transient(rc))
        return fleet_result(fleet, tx, &err, rc, PROV_REASON_ISSUER_FAILED);
    fleet_refuse(fleet, PROV_REASON_ISSUER_FAILED, err.text, NULL);
    return PROV_OK;
}

/* ---- steps ----------------------------------------------------------------------------------- */

static enum prov_rc read_csr(struct prov_fleet *fleet, struct prov_tx *tx)
{
    struct prov_err err = { 0 };
    enum prov_rc rc;

    rc = prov_csr_read(fleet->conf->reader, fleet->asked->csr, &fleet->csr, &err);
    return fleet_result(fleet, tx, &err, rc, PROV_REASON_BAD_CSR);
}

static enum prov_rc make_certificate(struct prov_fleet *fleet, struct prov_tx *tx, uint32_t days)
{
    enum prov_rc rc;

    fleet->made.common_name =
        fleet->csr != NULL ? fleet->csr->common_name : PROV_LIT("AWS IoT Certificate");
    rc = fleet->called ? use_provided(fleet, tx) : sign(fleet, tx, days);
    if (rc != PROV_OK || fleet->reason != PROV_REASON_NONE)
        return rc;
    fleet->made.der = prov_buf_span(&fleet->der);
    prov_buf_clear(&fleet->pem);
    prov_view_pem(fleet->made.der, &fleet->pem);
    return fleet->pem.rc;
}

enum prov_rc fleet_prepare_create(struct prov_fleet *fleet, struct prov_tx *tx,
                                  enum prov_fleet_want *want)
{
    const bool from_csr = fleet->op == PROV_CREATE_FROM_CSR;
    const struct prov_issuer *issuer;
    struct prov_claim claim;
    struct prov_cert cert;
    uint32_t days = 0;
    enum prov_rc rc;

    rc = fleet_check_claim(fleet, tx, &cert, &claim);
    if (rc == PROV_OK && fleet->reason == PROV_REASON_NONE)
        rc = prov_claim_validity_days(tx, &cert, &claim, &days);
    if (rc == PROV_OK && fleet->reason == PROV_REASON_NONE && from_csr && fleet->csr == NULL)
        rc = read_csr(fleet, tx);
    if (rc != PROV_OK || fleet->reason != PROV_REASON_NONE)
        return rc;
    if (!from_csr && fleet->key.pem.n == 0) {
        *want = PROV_FLEET_KEY;
        return find_issuer(fleet, tx, &issuer); /* without one, no key is made */
    }
    if (from_csr && fleet->conf->provider != NULL && !fleet->called)
        return ask_provider(fleet, want);
    *want = PROV_FLEET_APPLY;
    return make_certificate(fleet, tx, days);
}

enum prov_rc fleet_apply_create(struct prov_fleet *fleet, struct prov_tx *tx)
{
    struct prov_claim claim;
    struct prov_cert cert;
    struct prov_err err = { 0 };
    struct prov_tx own = { tx->txn, tx->now_ms, &err };
    enum prov_rc rc;

    rc = fleet_check_claim(fleet, tx, &cert, &claim);
    if (rc != PROV_OK || fleet->reason != PROV_REASON_NONE)
        return rc;
    rc =
        prov_cert_record_issued(&own, &fleet->made, &fleet->claim,
                                tx->now_ms + fleet->conf->token_ttl_ms, &fleet->cert, fleet->token);
    if (rc != PROV_OK)
        return fleet_result(fleet, tx, &err, rc,
                            fleet->called ? PROV_REASON_PROVIDER_FAILED
                                          : PROV_REASON_ISSUER_FAILED);
    fleet->reason = PROV_REASON_ISSUED;
    fleet_describe(fleet);
    return fleet_write_attempt(fleet, tx);
}

enum prov_rc fleet_answer_create(const struct prov_fleet *fleet, struct prov_buf *out)
{
    char hex[PROV_ID_HEX + 1];
    const struct prov_fleet_accepted answer = {
        .certificate_id = { (const uint8_t *)hex, PROV_ID_HEX },
        .certificate_pem = prov_buf_span(&fleet->pem),
        .private_key = prov_buf_span(&fleet->key.pem),
        .token = prov_span_str(fleet->token),
    };

    prov_id_hex(&fleet->cert, hex);
    return prov_fleet_accepted(fleet->op, fleet->format, &answer, out);
}
