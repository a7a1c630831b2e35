#include "contact.h"

#include <stdio.h>
#include <stdlib.h>

#include "adapter.h"
#include "report.h"
#include "run/log.h"

struct contact_job {
    struct prov_job job;
    UT_hash_handle hh;
    struct prov_id cert; /* the key: one first contact at a time for each certificate */
    struct prov_plugin *pl;
    struct prov_contact *contact;
    struct prov_err err; /* why the store failed, if it did */
};

struct prov_contacts {
    struct contact_job *by_cert;
};

enum prov_rc prov_contacts_new(struct prov_contacts **out)
{
    *out = calloc(1, sizeof **out);
    return *out != NULL ? PROV_OK : PROV_ENOMEM;
}

void prov_contacts_free(struct prov_contacts *contacts)
{
    free(contacts);
}

/* ---- the job --------------------------------------------------------------------------------- */

static void free_job(struct contact_job *job)
{
    prov_contact_free(job->contact);
    free(job);
}

static bool prepare(struct prov_job *base) /* worker */
{
    struct contact_job *job = (struct contact_job *)base;
    struct prov_tx tx = { NULL, prov_now_ms(), &job->err };

    base->rc = prov_txn_begin(job->pl->store, PROV_TXN_READ, NULL, &tx.txn);
    if (base->rc == PROV_OK)
        base->rc = prov_contact_prepare(job->contact, &tx);
    prov_txn_abort(tx.txn);
    return true;
}

static enum prov_rc apply(struct prov_job *base, struct prov_txn *txn) /* writer */
{
    struct contact_job *job = (struct contact_job *)base;
    struct prov_tx tx = { txn, prov_now_ms(), &job->err };

    return prov_contact_apply(job->contact, &tx);
}

static enum prov_reason reason_of(enum prov_rc rc, enum prov_reason reason)
{
    if (rc == PROV_OK)
        return reason;
    if (rc == PROV_EBUSY)
        return PROV_REASON_BUSY;
    return rc == PROV_ESTORE ? PROV_REASON_STORE : PROV_REASON_INTERNAL;
}

static void tell(const struct contact_job *job)
{
    const struct prov_contact *contact = job->contact;
    char thing[PROV_MAX_NAME + 8];
    struct prov_refusal event = {
        .reason = reason_of(job->job.rc, contact->reason),
        .cert = contact->cert,
        .ca = contact->ca,
        .client_id = contact->client_id,
        .address = contact->address,
        .detail = prov_span_str(job->job.rc == PROV_OK ? contact->detail : job->err.text),
    };

    if (event.reason != PROV_REASON_PROVISIONED) {
        prov_report_log(PROV_LOG_WARNING, "refused", contact->attempt, &event);
        return;
    }
    if (contact->thing_name[0] != '\0') {
        (void)snprintf(thing, sizeof thing, "thing %s", contact->thing_name);
        event.detail = prov_span_str(thing);
    }
    prov_report_log(PROV_LOG_NOTICE, "provisioned", contact->attempt, &event);
}

static void done(struct prov_job *base) /* broker */
{
    struct contact_job *job = (struct contact_job *)base;

    HASH_DEL(job->pl->contacts->by_cert, job);
    tell(job);
    prov_adapter_contact_done(job->pl, &job->cert);
    free_job(job);
}

/* ---- submitting ------------------------------------------------------------------------------ */

static enum prov_rc make_job(struct prov_plugin *pl, X509 *leaf,
                             const struct prov_decision *decision, struct contact_job **out)
{
    struct contact_job *job = calloc(1, sizeof *job);
    enum prov_rc rc;

    if (job == NULL)
        return PROV_ENOMEM;
    job->pl = pl;
    job->cert = decision->cert;
    job->job.prepare = prepare;
    job->job.apply = apply;
    job->job.done = done;
    rc = prov_contact_new(leaf, decision, &job->contact);
    if (rc != PROV_OK)
        free_job(job);
    else
        *out = job;
    return rc;
}

static enum prov_rc send_off(struct prov_plugin *pl, struct contact_job *job)
{
    enum prov_rc rc;

    HASH_ADD(hh, pl->contacts->by_cert, cert.b, PROV_ID_LEN, job);
    if (job->hh.tbl == NULL)
        return PROV_ENOMEM;
    rc = prov_pool_submit(pl->pool, &job->job);
    if (rc != PROV_OK)
        HASH_DEL(pl->contacts->by_cert, job);
    return rc;
}

enum prov_rc prov_contact_submit(struct prov_plugin *pl, X509 *leaf,
                                 const struct prov_decision *decision,
                                 const struct prov_caller *caller, const struct prov_job **out)
{
    struct contact_job *job = NULL;
    struct prov_contact *contact;
    enum prov_rc rc;

    if (out != NULL)
        *out = NULL;
    HASH_FIND(hh, pl->contacts->by_cert, decision->cert.b, PROV_ID_LEN, job);
    if (job != NULL)
        return PROV_OK;
    rc = make_job(pl, leaf, decision, &job);
    if (rc != PROV_OK)
        return rc;
    contact = job->contact;
    contact->attempt = prov_report_attempt(pl);
    (void)prov_span_copy(prov_span_str(caller->client_id), contact->client_id,
                         sizeof contact->client_id);
    (void)prov_span_copy(prov_span_str(caller->address), contact->address, sizeof contact->address);
    rc = send_off(pl, job);
    if (rc != PROV_OK) {
        free_job(job);
        return rc;
    }
    prov_report_log(PROV_LOG_INFO, "first-contact", contact->attempt,
                    &(struct prov_refusal){ .reason = PROV_REASON_FIRST_CONTACT,
                                            .cert = contact->cert,
                                            .ca = contact->ca,
                                            .client_id = contact->client_id,
                                            .address = contact->address });
    if (out != NULL)
        *out = &job->job;
    return PROV_OK;
}

/* ---- client ids ------------------------------------------------------------------------------ */

struct client_job {
    struct prov_job job;
    struct prov_id cert;
    bool bind;
    char client_id[PROV_MAX_CLIENT_ID + 1];
};

static enum prov_rc apply_client(struct prov_job *base, struct prov_txn *txn)
{
    const struct client_job *job = (const struct client_job *)base;
    struct prov_tx tx = { txn, prov_now_ms(), NULL };
    const struct prov_span id = prov_span_str(job->client_id);

    return job->bind ? prov_client_bind(&tx, id, &job->cert) : prov_client_unbind(&tx, id);
}

static void client_done(struct prov_job *base)
{
    const struct client_job *job = (const struct client_job *)base;
    char quoted[256];

    if (base->rc != PROV_OK && base->rc != PROV_EBUSY)
        prov_log(PROV_LOG_WARNING,
                 "session-not-remembered client=%s reason=%s text=\"Messages for this client are "
                 "not kept while it is away and the broker restarts.\"",
                 prov_log_quote(prov_span_str(job->client_id), quoted, sizeof quoted),
                 prov_rc_name(base->rc));
    free(base);
}

void prov_client_remember(struct prov_plugin *pl, const char *client_id, const struct prov_id *cert)
{
    struct client_job *job = calloc(1, sizeof *job);

    if (job == NULL)
        return;
    job->job.apply = apply_client;
    job->job.done = client_done;
    job->bind = cert != NULL;
    if (cert != NULL)
        job->cert = *cert;
    if (!prov_span_copy(prov_span_str(client_id), job->client_id, sizeof job->client_id) ||
        prov_pool_submit(pl->pool, &job->job) != PROV_OK)
        free(job);
}
