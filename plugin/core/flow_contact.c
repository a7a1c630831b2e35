#include "flow_priv.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/x509.h>

#include "ident.h"

enum prov_rc prov_contact_new(X509 *leaf, const struct prov_decision *decision,
                              struct prov_contact **out)
{
    struct prov_contact *contact;
    const int n = i2d_X509(leaf, NULL);

    if (n < 0)
        return PROV_ENOMEM;
    if (n > PROV_MAX_CERT_DER)
        return PROV_ETOOBIG;
    contact = calloc(1, sizeof *contact);
    if (contact == NULL)
        return PROV_ENOMEM;
    contact->cert = decision->cert;
    contact->ca = decision->ca;
    (void)X509_up_ref(leaf);
    contact->leaf = leaf;
    *out = contact;
    return PROV_OK;
}

void prov_contact_free(struct prov_contact *contact)
{
    if (contact == NULL)
        return;
    X509_free(contact->leaf);
    prov_plan_free(contact->plan);
    prov_hook_answer_free(contact->answer);
    free(contact->hook);
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
    struct prov_param given[PROV_CONTACT_PARAMS];
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
        params.v = given;
        params.n = prov_contact_params(contact, ident, prov_span(hex, PROV_ID_HEX), given);
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
    const struct prov_span name = prov_contact_template(contact, ca);
    struct prov_template_info info;
    struct prov_version_info version;
    struct prov_err err = { 0 };
    struct prov_tx quiet = { tx->txn, tx->now_ms, &err };
    enum prov_rc rc;

    prov_plan_free(contact->plan);
    contact->plan = NULL;
    contact->reason = PROV_REASON_NONE;
    contact->detail[0] = '\0';
    contact->template_name[0] = '\0';
    if (prov_contact_hook_decides(contact, ca, &rc))
        return rc;
    if (name.n == 0) { /* JITR: somebody else activates it */
        contact->reason = PROV_REASON_CERT_PENDING;
        return PROV_OK;
    }
    (void)prov_span_copy(name, contact->template_name, sizeof contact->template_name);
    rc = prov_template_get(&quiet, name, &info);
    if (rc == PROV_OK && !info.enabled)
        contact->reason = PROV_REASON_TEMPLATE_DISABLED;
    if (rc == PROV_OK)
        rc = prov_template_version_get(&quiet, name, 0, &version);
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

enum prov_rc prov_contact_prepare(struct prov_contact *contact, struct prov_tx *tx)
{
    struct prov_settings settings;
    struct prov_ca ca;
    enum prov_rc rc;

    rc = prov_settings_get(tx, &settings);
    if (rc != PROV_OK)
        return rc;
    memcpy(contact->account_id, settings.account_id, sizeof contact->account_id);
    rc = prov_ca_get(tx, &contact->ca, &ca);
    if (rc == PROV_ENOTFOUND)
        return PROV_OK; /* deleted meanwhile: apply says so */
    return rc != PROV_OK ? rc : make_plan(contact, tx, &ca);
}

/* Is the plan that prepare made still the plan to carry out? */
static enum prov_rc current_plan(struct prov_contact *contact, struct prov_tx *tx,
                                 const struct prov_ca *ca)
{
    const struct prov_span name = prov_contact_template(contact, ca);
    struct prov_template_info info;
    enum prov_rc rc;

    if (contact->plan != NULL && name.n != 0 && prov_span_eq_str(name, contact->template_name)) {
        rc = prov_template_get(tx, name, &info);
        if (transient(rc))
            return rc;
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
    contact->reason = cert->status == PROV_CERT_ACTIVE ? PROV_REASON_PROVISIONED
                                                       : prov_flow_status_reason(cert->status);
    if (cert->n_things != 0)
        (void)prov_span_copy(cert->things[0], contact->thing_name, sizeof contact->thing_name);
}

/* *settled: it could not be recorded, for a reason that will be the same next time. */
static enum prov_rc record_new(struct prov_contact *contact, struct prov_tx *tx,
                               const struct prov_ca *ca, bool *settled)
{
    struct prov_err err = { 0 };
    struct prov_tx own = { tx->txn, tx->now_ms, &err };
    struct prov_id id;
    enum prov_rc rc;

    rc = prov_cert_record_first_contact(&own, contact->leaf, ca, &id);
    if (rc == PROV_OK)
        return rc;
    if (transient(rc))
        return pass_on(tx, &err, rc);
    *settled = true; /* a twin of it came first, its CA has revoked it, or it does not decode */
    keep_error(contact,
               rc == PROV_ECONFLICT ? PROV_REASON_ALTERED
               : rc == PROV_EDENIED ? PROV_REASON_CERT_LISTED
                                    : PROV_REASON_MALFORMED,
               &err);
    return PROV_OK;
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
        return record_new(contact, tx, ca, settled);
    if (rc != PROV_OK)
        return rc;
    if (!contact->asked)
        contact->registered_ms = cert.created_ms;
    *settled = cert.status != PROV_CERT_PENDING_ACTIVATION || cert.token_ms != 0;
    if (*settled)
        settle(contact, &cert);
    return PROV_OK;
}

static enum prov_rc write_attempt(const struct prov_contact *contact, struct prov_tx *tx)
{
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
    enum prov_rc rc;

    rc = prov_cert_get(tx, &contact->cert, &cert);
    if (rc == PROV_OK)
        attempt.common_name = cert.common_name;
    else if (rc != PROV_ENOTFOUND)
        return rc;
    return prov_attempt_put(tx, &attempt);
}

/* The hook that is in force now; one that came, went or changed since prepare is another's answer.
 */
static enum prov_rc current_hook(struct prov_contact *contact, struct prov_tx *tx,
                                 const struct prov_ca *ca)
{
    if (prov_span_eq(ca->hook, prov_span_str(contact->hook)))
        return PROV_OK;
    free(contact->hook);
    prov_hook_answer_free(contact->answer);
    contact->hook = NULL;
    contact->answer = NULL;
    contact->asked = false;
    if (ca->hook.n == 0)
        return PROV_OK;
    contact->hook = prov_span_dup(ca->hook);
    return contact->hook != NULL ? PROV_OK : prov_nomem(tx->err);
}

static enum prov_rc reject(struct prov_contact *contact, struct prov_tx *tx)
{
    const enum prov_rc rc = prov_cert_set_status(tx, &contact->cert, PROV_CERT_INACTIVE);

    contact->announce = false;
    return rc == PROV_OK || transient(rc) ? rc : PROV_EBUG; /* it is PENDING_ACTIVATION */
}

static enum prov_rc provision(struct prov_contact *contact, struct prov_tx *tx)
{
    struct prov_ca ca;
    enum prov_rc rc;

    rc = prov_ca_get(tx, &contact->ca, &ca); /* recording ended the life of its spans */
    if (rc != PROV_OK)
        return rc;
    contact->announce = ca.template_name.n == 0;
    rc = current_hook(contact, tx, &ca);
    if (rc == PROV_OK)
        rc = current_plan(contact, tx, &ca);
    if (rc == PROV_OK && contact->reason == PROV_REASON_HOOK_REJECTED)
        return reject(contact, tx);
    if (rc == PROV_OK && contact->plan != NULL) {
        rc = carry_out(contact, tx);
        contact->announce = contact->announce && contact->reason != PROV_REASON_PROVISIONED &&
                            contact->reason != PROV_REASON_CERT_INACTIVE;
    }
    return rc;
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
    contact->reason = prov_flow_ca_admits(&ca, tx->now_ms / 1000);
    if (contact->reason != PROV_REASON_NONE)
        return PROV_OK;
    rc = record(contact, tx, &ca, &settled);
    return rc != PROV_OK || settled ? rc : provision(contact, tx);
}

enum prov_rc prov_contact_apply(struct prov_contact *contact, struct prov_tx *tx)
{
    enum prov_rc rc;

    contact->thing_name[0] = '\0';
    contact->detail[0] = '\0';
    contact->announce = false;
    rc = register_and_provision(contact, tx);
    if (rc != PROV_OK || prov_contact_wants_hook(contact))
        return rc;
    return write_attempt(contact, tx);
}
