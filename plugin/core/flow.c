#include "flow_priv.h"

#include <stdlib.h>

#include <openssl/x509.h>

#include "crl.h"
#include "ident.h"

/* ---- issuers --------------------------------------------------------------------------------- */

/* More CAs than a broker meets within minutes; a CA that falls out is decoded again. */
#define MAX_ISSUERS 64

struct issuer {
    struct prov_id id;
    X509 *cert; /* NULL: empty slot */
    uint64_t used;
};

struct prov_issuers {
    struct issuer slots[MAX_ISSUERS];
    uint64_t clock;
};

enum prov_rc prov_issuers_new(struct prov_issuers **out)
{
    *out = calloc(1, sizeof **out);
    return *out != NULL ? PROV_OK : PROV_ENOMEM;
}

void prov_issuers_free(struct prov_issuers *issuers)
{
    if (issuers == NULL)
        return;
    for (size_t i = 0; i < MAX_ISSUERS; i++)
        X509_free(issuers->slots[i].cert);
    free(issuers);
}

/* The CA's certificate, owned by the cache. A CA's id is the hash of its bytes, so an entry never
 * goes stale. */
static enum prov_rc issuer_cert(struct prov_issuers *issuers, struct prov_tx *tx,
                                const struct prov_ca *ca, X509 **out)
{
    struct issuer *oldest = &issuers->slots[0];
    X509 *cert = NULL;
    enum prov_rc rc;

    for (size_t i = 0; i < MAX_ISSUERS; i++) {
        struct issuer *slot = &issuers->slots[i];

        if (slot->cert != NULL && prov_id_eq(&slot->id, &ca->id)) {
            slot->used = ++issuers->clock;
            *out = slot->cert;
            return PROV_OK;
        }
        if (slot->used < oldest->used)
            oldest = slot;
    }
    rc = prov_ident_decode(ca->der, &cert, tx->err);
    if (rc != PROV_OK)
        return rc == PROV_ENOMEM ? rc : PROV_ESTORE; /* it decoded when it was registered */
    X509_free(oldest->cert);
    *oldest = (struct issuer){ ca->id, cert, ++issuers->clock };
    *out = cert;
    return PROV_OK;
}

/* ---- admission ------------------------------------------------------------------------------- */

static void refuse(struct prov_decision *out, enum prov_reason reason)
{
    out->outcome = PROV_REFUSED;
    out->reason = reason;
}

static const struct {
    enum prov_outcome outcome;
    enum prov_reason reason;
} by_status[] = {
    [PROV_CERT_INACTIVE] = { PROV_REFUSED, PROV_REASON_CERT_INACTIVE },
    [PROV_CERT_ACTIVE] = { PROV_KNOWN, PROV_REASON_NONE },
    [PROV_CERT_REVOKED] = { PROV_REFUSED, PROV_REASON_CERT_REVOKED },
    [PROV_CERT_PENDING_TRANSFER] = { PROV_REFUSED, PROV_REASON_CERT_PENDING_TRANSFER },
    [PROV_CERT_PENDING_ACTIVATION] = { PROV_NEW, PROV_REASON_NONE },
};
_Static_assert(PROV_COUNT(by_status) == PROV_CERT_STATUSES, "a status was added without a row");

enum prov_reason prov_flow_status_reason(enum prov_cert_status status)
{
    if (status == PROV_CERT_PENDING_ACTIVATION)
        return PROV_REASON_CERT_PENDING; /* which may come in, to be provisioned */
    return (size_t)status < PROV_COUNT(by_status) ? by_status[status].reason
                                                  : PROV_REASON_CERT_INACTIVE;
}

static void admit_registered(const struct prov_cert *cert, int64_t now_s, struct prov_decision *out)
{
    out->ca = cert->ca_id;
    if ((size_t)cert->status >= PROV_COUNT(by_status)) {
        refuse(out, PROV_REASON_CERT_INACTIVE);
        return;
    }
    out->outcome = by_status[cert->status].outcome;
    out->reason = by_status[cert->status].reason;
    /* one that a claim obtained waits for RegisterThing: no CA's template may let it in instead */
    if (out->outcome == PROV_NEW && cert->token_ms != 0)
        refuse(out, PROV_REASON_CERT_PENDING);
    if (out->outcome == PROV_REFUSED)
        return;
    if (now_s < cert->not_before_s)
        refuse(out, PROV_REASON_NOT_YET_VALID);
    else if (now_s > cert->not_after_s)
        refuse(out, PROV_REASON_EXPIRED);
}

static const enum prov_reason by_fault[] = {
    [PROV_CERT_GOOD] = PROV_REASON_NONE,
    [PROV_CERT_KEY_WEAK] = PROV_REASON_KEY_WEAK,
    [PROV_CERT_KEY_KIND] = PROV_REASON_KEY_KIND,
    [PROV_CERT_SIGNATURE_ALG] = PROV_REASON_SIGNATURE_ALGORITHM,
    [PROV_CERT_MALFORMED] = PROV_REASON_MALFORMED,
    [PROV_CERT_VERSION] = PROV_REASON_MALFORMED,
    [PROV_CERT_IS_CA] = PROV_REASON_LEAF_IS_CA,
    [PROV_CERT_NOT_CA] = PROV_REASON_MALFORMED,
    [PROV_CERT_USAGE] = PROV_REASON_USAGE,
    [PROV_CERT_CRITICAL] = PROV_REASON_CRITICAL_EXTENSION,
    [PROV_CERT_NOT_YET_VALID] = PROV_REASON_NOT_YET_VALID,
    [PROV_CERT_EXPIRED] = PROV_REASON_EXPIRED,
};

_Static_assert(PROV_COUNT(by_fault) == PROV_CERT_FAULTS, "a fault was added without a reason");

/* A gap in the table must not let anybody in. */
static enum prov_reason fault_reason(enum prov_cert_fault fault)
{
    if (fault == PROV_CERT_GOOD)
        return PROV_REASON_NONE;
    return by_fault[fault] != PROV_REASON_NONE ? by_fault[fault] : PROV_REASON_MALFORMED;
}

enum prov_reason prov_flow_ca_admits(const struct prov_ca *ca, int64_t now_s)
{
    if (!ca->active)
        return PROV_REASON_CA_INACTIVE;
    if (!ca->auto_registration)
        return PROV_REASON_NO_AUTO_REGISTRATION;
    return now_s > ca->not_after_s ? PROV_REASON_CA_EXPIRED : PROV_REASON_NONE;
}

/* A leaf that nobody registered, signed by this CA. */
static struct prov_decision admit_unknown(X509 *leaf, const struct prov_id *id,
                                          const struct prov_ca *ca, int64_t now_s)
{
    struct prov_decision d = { PROV_NEW, PROV_REASON_NONE, *id, ca->id };

    d.reason = fault_reason(prov_cert_check_leaf(leaf, now_s));
    if (d.reason == PROV_REASON_NONE)
        d.reason = prov_flow_ca_admits(ca, now_s);
    if (d.reason != PROV_REASON_NONE)
        d.outcome = PROV_REFUSED;
    return d;
}

/* A registered certificate in another guise is no new device. */
static enum prov_rc refuse_twin(struct prov_tx *tx, const X509 *leaf, struct prov_decision *found)
{
    struct prov_id registered;
    const enum prov_rc rc = prov_cert_twin(tx, leaf, &registered);

    if (rc == PROV_OK) {
        found->outcome = PROV_REFUSED;
        found->reason = PROV_REASON_ALTERED;
    }
    return rc == PROV_ENOTFOUND ? PROV_OK : rc;
}

/* Nor is one that its CA has revoked. */
static enum prov_rc refuse_listed(struct prov_tx *tx, const X509 *leaf, struct prov_decision *found)
{
    bool listed = false;
    const enum prov_rc rc = prov_crl_lists(tx, &found->ca, leaf, &listed);

    if (rc == PROV_OK && listed) {
        found->outcome = PROV_REFUSED;
        found->reason = PROV_REASON_CERT_LISTED;
    }
    return rc;
}

/* A renewed CA certificate has the name and often the key of the old one: all that signed are asked
 * until one admits. */
enum prov_rc prov_flow_admit_unknown(struct prov_issuers *issuers, struct prov_tx *tx, X509 *leaf,
                                     struct prov_decision *out)
{
    struct prov_id candidates[PROV_MAX_CAS_PER_SUBJECT];
    struct prov_decision found = { .outcome = PROV_FOREIGN, .cert = out->cert };
    struct prov_ca ca;
    X509 *cert;
    enum prov_rc rc;
    size_t n;

    rc = prov_ca_by_issuer(tx, leaf, candidates, &n);
    found.reason = n == 0 ? PROV_REASON_UNKNOWN_ISSUER : PROV_REASON_ISSUER_KEY;
    for (size_t i = 0; rc == PROV_OK && i < n && found.outcome != PROV_NEW; i++) {
        rc = prov_ca_get(tx, &candidates[i], &ca);
        if (rc == PROV_OK)
            rc = issuer_cert(issuers, tx, &ca, &cert);
        if (rc == PROV_OK && prov_cert_signed_by(leaf, cert))
            found = admit_unknown(leaf, &out->cert, &ca, tx->now_ms / 1000);
    }
    if (rc == PROV_OK && found.outcome == PROV_NEW)
        rc = refuse_twin(tx, leaf, &found);
    if (rc == PROV_OK && found.outcome == PROV_NEW)
        rc = refuse_listed(tx, leaf, &found);
    if (found.reason == PROV_REASON_ISSUER_KEY &&
        prov_cert_check_leaf(leaf, tx->now_ms / 1000) == PROV_CERT_MALFORMED)
        found.reason = PROV_REASON_MALFORMED; /* OpenSSL looks at no signature then */
    if (rc == PROV_OK)
        *out = found;
    return rc;
}

enum prov_rc prov_flow_admit_known(struct prov_tx *tx, const struct prov_id *id,
                                   struct prov_decision *out)
{
    struct prov_cert cert;
    enum prov_rc rc;

    memset(out, 0, sizeof *out);
    out->outcome = PROV_REFUSED;
    out->reason = PROV_REASON_STORE;
    out->cert = *id;
    rc = prov_cert_get(tx, id, &cert);
    if (rc == PROV_OK)
        admit_registered(&cert, tx->now_ms / 1000, out);
    return rc;
}

enum prov_rc prov_flow_admit(struct prov_issuers *issuers, struct prov_tx *tx, X509 *leaf,
                             const struct prov_id *id, struct prov_decision *out)
{
    const enum prov_rc rc = prov_flow_admit_known(tx, id, out);

    return rc == PROV_ENOTFOUND ? prov_flow_admit_unknown(issuers, tx, leaf, out) : rc;
}

bool prov_flow_client_id_ok(struct prov_span client_id)
{
    return client_id.n != 0 && client_id.n <= PROV_MAX_CLIENT_ID && client_id.p[0] != '$' &&
           prov_utf8_valid(client_id);
}
