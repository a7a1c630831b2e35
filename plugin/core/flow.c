#include "flow.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/x509.h>

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

static void admit_registered(const struct prov_cert *cert, int64_t now_s, struct prov_decision *out)
{
    out->ca = cert->ca_id;
    if ((size_t)cert->status >= PROV_COUNT(by_status)) {
        refuse(out, PROV_REASON_CERT_INACTIVE);
        return;
    }
    out->outcome = by_status[cert->status].outcome;
    out->reason = by_status[cert->status].reason;
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

/* May this CA bring in new devices now? */
static enum prov_reason ca_admits(const struct prov_ca *ca, int64_t now_s)
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

    d.reason = by_fault[prov_cert_check_leaf(leaf, now_s)];
    if (d.reason == PROV_REASON_NONE)
        d.reason = ca_admits(ca, now_s);
    if (d.reason != PROV_REASON_NONE)
        d.outcome = PROV_REFUSED;
    return d;
}

/* A renewed CA certificate has the name and often the key of the old one: all that signed are asked
 * until one admits. */
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

static enum prov_rc find_issuer(struct prov_issuers *issuers, struct prov_tx *tx, X509 *leaf,
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
    if (rc == PROV_OK)
        *out = found;
    return rc;
}

enum prov_rc prov_flow_admit(struct prov_issuers *issuers, struct prov_tx *tx, X509 *leaf,
                             const struct prov_id *id, struct prov_decision *out)
{
    struct prov_cert cert;
    enum prov_rc rc;

    memset(out, 0, sizeof *out);
    out->outcome = PROV_REFUSED;
    out->reason = PROV_REASON_STORE;
    out->cert = *id;
    rc = prov_cert_get(tx, id, &cert);
    if (rc == PROV_ENOTFOUND)
        return find_issuer(issuers, tx, leaf, out);
    if (rc == PROV_OK)
        admit_registered(&cert, tx->now_ms / 1000, out);
    return rc;
}

bool prov_flow_client_id_ok(struct prov_span client_id)
{
    return client_id.n != 0 && client_id.n <= PROV_MAX_CLIENT_ID && client_id.p[0] != '$' &&
           prov_utf8_valid(client_id);
}

/* ---- first contact --------------------------------------------------------------------------- */

enum prov_rc prov_contact_new(X509 *leaf, const struct prov_decision *decision,
                              struct prov_contact **out)
{
    struct prov_contact *contact = calloc(1, sizeof *contact);
    enum prov_rc rc;

    if (contact == NULL)
        return PROV_ENOMEM;
    contact->cert = decision->cert;
    contact->ca = decision->ca;
    prov_buf_init(&contact->der, PROV_MAX_CERT_DER);
    rc = prov_ident_encode(leaf, &contact->der);
    if (rc != PROV_OK) {
        prov_contact_free(contact);
        return rc;
    }
    *out = contact;
    return PROV_OK;
}

void prov_contact_free(struct prov_contact *contact)
{
    if (contact == NULL)
        return;
    prov_buf_release(&contact->der);
    X509_free(contact->leaf);
    prov_plan_free(contact->plan);
    free(contact);
}

static bool transient(enum prov_rc rc)
{
    return rc == PROV_ESTORE || rc == PROV_ENOMEM || rc == PROV_EBUG;
}

/* "path: text" of what a template or a plan said. */
static void keep_error(struct prov_contact *contact, enum prov_reason reason,
                       const struct prov_err *err)
{
    contact->reason = reason;
    (void)snprintf(contact->detail, sizeof contact->detail, "%s%s%s", err->path,
                   err->path[0] != '\0' ? ": " : "", err->text);
}

/* What went wrong in a step with an error of its own is the caller's too. */
static enum prov_rc pass_on(struct prov_tx *tx, const struct prov_err *err, enum prov_rc rc)
{
    if (tx->err != NULL)
        *tx->err = *err;
    return rc;
}

static enum prov_rc evaluate(struct prov_contact *contact, const struct prov_template_info *info,
                             const struct prov_version_info *version, struct prov_err *err)
{
    struct prov_param builtin[PROV_BUILTIN_PARAMS];
    char hex[PROV_ID_HEX + 1];
    struct prov_template *tpl = NULL;
    struct prov_ident *ident = NULL;
    struct prov_params params;
    enum prov_rc rc;

    prov_id_hex(&contact->cert, hex);
    rc = prov_ident_new(contact->leaf, &ident, err);
    if (rc == PROV_OK)
        rc = prov_template_parse(version->document, info->type, &tpl, err);
    if (rc == PROV_OK) {
        params.v = builtin;
        params.n = prov_params_builtin(ident, prov_span(hex, PROV_ID_HEX), builtin);
        rc = prov_template_eval(tpl, params, &contact->plan, err);
    }
    prov_template_free(tpl);
    prov_ident_free(ident);
    return rc;
}

/* Fills contact->plan, or contact->reason where the template is to blame. */
static enum prov_rc make_plan(struct prov_contact *contact, struct prov_tx *tx,
                              const struct prov_ca *ca)
{
    struct prov_template_info info;
    struct prov_version_info version;
    struct prov_err err = { 0 };
    struct prov_tx quiet = { tx->txn, tx->now_ms, &err };
    enum prov_rc rc;

    prov_plan_free(contact->plan);
    contact->plan = NULL;
    contact->reason = PROV_REASON_NONE;
    contact->detail[0] = '\0';
    if (ca->template_name.n == 0) { /* JITR: somebody else activates it */
        contact->reason = PROV_REASON_CERT_PENDING;
        return PROV_OK;
    }
    (void)prov_span_copy(ca->template_name, contact->template_name, sizeof contact->template_name);
    rc = prov_template_get(&quiet, ca->template_name, &info);
    if (rc == PROV_OK && !info.enabled)
        contact->reason = PROV_REASON_TEMPLATE_DISABLED;
    if (rc == PROV_OK)
        rc = prov_template_version_get(&quiet, ca->template_name, 0, &version);
    if (rc == PROV_ENOTFOUND)
        contact->reason = PROV_REASON_TEMPLATE_MISSING;
    if (transient(rc))
        return pass_on(tx, &err, rc);
    if (contact->reason != PROV_REASON_NONE) {
        (void)snprintf(contact->detail, sizeof contact->detail, "template \"%s\"",
                       contact->template_name);
        return PROV_OK;
    }
    contact->template_version = version.version;
    rc = evaluate(contact, &info, &version, &err);
    if (transient(rc))
        return pass_on(tx, &err, rc);
    if (rc != PROV_OK)
        keep_error(contact, PROV_REASON_TEMPLATE_FAILED, &err);
    return PROV_OK;
}

/* What OpenSSL took from the device and does not take again is refused, not recorded. */
static enum prov_rc decode_leaf(struct prov_contact *contact, struct prov_tx *tx)
{
    struct prov_err err = { 0 };
    enum prov_rc rc;

    if (contact->leaf != NULL)
        return PROV_OK;
    rc = prov_ident_decode(prov_buf_span(&contact->der), &contact->leaf, &err);
    if (transient(rc))
        return pass_on(tx, &err, rc);
    if (rc != PROV_OK)
        keep_error(contact, PROV_REASON_MALFORMED, &err);
    return PROV_OK;
}

enum prov_rc prov_contact_prepare(struct prov_contact *contact, struct prov_tx *tx)
{
    struct prov_ca ca;
    enum prov_rc rc;

    rc = decode_leaf(contact, tx);
    if (rc != PROV_OK || contact->leaf == NULL)
        return rc;
    rc = prov_ca_get(tx, &contact->ca, &ca);
    if (rc == PROV_ENOTFOUND)
        return PROV_OK; /* deleted meanwhile: apply says so */
    return rc != PROV_OK ? rc : make_plan(contact, tx, &ca);
}

/* Is the plan that prepare made still the plan to carry out? */
static enum prov_rc current_plan(struct prov_contact *contact, struct prov_tx *tx,
                                 const struct prov_ca *ca)
{
    struct prov_template_info info;
    struct prov_tx quiet = { tx->txn, tx->now_ms, NULL };
    enum prov_rc rc;

    if (contact->plan != NULL && prov_span_eq_str(ca->template_name, contact->template_name)) {
        rc = prov_template_get(&quiet, ca->template_name, &info);
        if (rc == PROV_OK && info.enabled && info.default_version == contact->template_version)
            return PROV_OK;
    }
    return make_plan(contact, tx, ca);
}

/* What the device is after its plan was carried out. */
static enum prov_reason outcome_of(const struct prov_plan *plan)
{
    if (plan->certificate_id == NULL)
        return PROV_REASON_CERT_PENDING; /* the template leaves the certificate to somebody else */
    return plan->activate ? PROV_REASON_PROVISIONED : PROV_REASON_CERT_INACTIVE;
}

static enum prov_rc store_failed(struct prov_tx *tx, enum prov_rc rc)
{
    return prov_fail(tx->err, rc, "InternalFailureException", "%s",
                     rc == PROV_ENOMEM ? "out of memory" : prov_store_why(tx->txn->store));
}

/* The plan, in a transaction of its own: what it left half done is undone, and the reason kept. */
static enum prov_rc carry_out(struct prov_contact *contact, struct prov_tx *tx)
{
    struct prov_txn *child = NULL;
    struct prov_err err = { 0 };
    enum prov_rc rc;

    rc = prov_txn_begin(tx->txn->store, PROV_TXN_WRITE, tx->txn, &child);
    if (rc != PROV_OK)
        return store_failed(tx, rc);
    rc = prov_plan_apply(&(struct prov_tx){ child, tx->now_ms, &err }, &contact->cert,
                         contact->plan);
    if (rc != PROV_OK) {
        prov_txn_abort(child);
        if (transient(rc))
            return pass_on(tx, &err, rc);
        keep_error(contact, PROV_REASON_TEMPLATE_FAILED, &err);
        return PROV_OK;
    }
    rc = prov_txn_commit(child);
    if (rc != PROV_OK)
        return store_failed(tx, rc);
    contact->reason = outcome_of(contact->plan);
    if (contact->plan->thing_name != NULL)
        (void)prov_span_copy(prov_span_str(contact->plan->thing_name), contact->thing_name,
                             sizeof contact->thing_name);
    return PROV_OK;
}

/* The certificate was decided about by somebody else; its attempt tells as what. */
static void settle(struct prov_contact *contact, const struct prov_cert *cert)
{
    contact->reason = PROV_REASON_CERT_INACTIVE;
    if (cert->status == PROV_CERT_ACTIVE)
        contact->reason = PROV_REASON_PROVISIONED;
    else if ((size_t)cert->status < PROV_COUNT(by_status))
        contact->reason = by_status[cert->status].reason;
    if (cert->n_things != 0)
        (void)prov_span_copy(cert->things[0], contact->thing_name, sizeof contact->thing_name);
}

/* The certificate as it is now, recorded if it was not. *settled: there is nothing left to do. */
static enum prov_rc record(struct prov_contact *contact, struct prov_tx *tx,
                           const struct prov_ca *ca, bool *settled)
{
    struct prov_cert cert;
    enum prov_rc rc;

    *settled = false;
    rc = prov_cert_get(tx, &contact->cert, &cert);
    if (rc == PROV_ENOTFOUND)
        return prov_cert_record_first_contact(tx, contact->leaf, ca, &contact->cert);
    if (rc != PROV_OK)
        return rc;
    *settled = cert.status != PROV_CERT_PENDING_ACTIVATION;
    if (*settled)
        settle(contact, &cert);
    return PROV_OK;
}

static enum prov_rc write_attempt(const struct prov_contact *contact, struct prov_tx *tx)
{
    struct prov_tx quiet = { tx->txn, tx->now_ms, NULL };
    struct prov_attempt attempt = {
        .id = contact->attempt,
        .reason = contact->reason,
        .cert = contact->cert,
        .ca = contact->ca,
        .client_id = prov_span_str(contact->client_id),
        .address = prov_span_str(contact->address),
        .detail = prov_span_str(contact->detail),
    };
    struct prov_cert cert;

    if (prov_cert_get(&quiet, &contact->cert, &cert) == PROV_OK)
        attempt.common_name = cert.common_name;
    return prov_attempt_put(tx, &attempt);
}

static enum prov_rc register_and_provision(struct prov_contact *contact, struct prov_tx *tx)
{
    struct prov_ca ca;
    enum prov_rc rc;
    bool settled;

    rc = prov_ca_get(tx, &contact->ca, &ca);
    if (rc == PROV_ENOTFOUND) {
        contact->reason = PROV_REASON_UNKNOWN_ISSUER;
        return PROV_OK;
    }
    if (rc != PROV_OK)
        return rc;
    contact->reason = ca_admits(&ca, tx->now_ms / 1000);
    if (contact->reason != PROV_REASON_NONE)
        return PROV_OK;
    rc = record(contact, tx, &ca, &settled);
    if (rc != PROV_OK || settled)
        return rc;
    rc = prov_ca_get(tx, &contact->ca, &ca); /* recording ended the life of its spans */
    if (rc == PROV_OK)
        rc = current_plan(contact, tx, &ca);
    if (rc != PROV_OK || contact->plan == NULL)
        return rc;
    return carry_out(contact, tx);
}

enum prov_rc prov_contact_apply(struct prov_contact *contact, struct prov_tx *tx)
{
    enum prov_rc rc = PROV_OK;

    contact->thing_name[0] = '\0';
    if (contact->leaf != NULL) { /* else prepare has said why */
        contact->detail[0] = '\0';
        rc = register_and_provision(contact, tx);
    }
    return rc != PROV_OK ? rc : write_attempt(contact, tx);
}
