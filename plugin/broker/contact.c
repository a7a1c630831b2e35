#include "contact.h"

#include <stdio.h>
#include <stdlib.h>

#include "announce.h"
#include "report.h"
#include "run/log.h"
#include "sys.h"
#include "waiting.h"

/*
 * RECORD writes the certificate and, unless its CA has a hook, provisions it. ASK hands the job to
 * the hook; DECIDE does what the hook said. One job goes through all of it, and is the only one of
 * its certificate.
 */
enum stage { STAGE_RECORD, STAGE_ASK, STAGE_DECIDE };

struct contact_job {
    struct prov_job job;
    UT_hash_handle hh;
    struct prov_id cert; /* the key: one first contact at a time for each certificate */
    struct prov_plugin *pl;
    struct prov_contact *contact;
    enum stage stage;
    struct prov_hook_call call;
    struct prov_buf request;
    struct prov_err err; /* why the store failed, if it did */
};

/* First contacts under way of one CA. */
struct ca_share {
    UT_hash_handle hh;
    struct prov_id ca; /* the key */
    unsigned n;
};

struct prov_contacts {
    struct contact_job *by_cert;
    struct ca_share *by_ca;
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

/* ---- under way ------------------------------------------------------------------------------- */

/* A CA that leaks leaves may fill half of the queue; the other half is for everybody else. */
static enum prov_rc join_ca(struct prov_plugin *pl, const struct prov_id *ca)
{
    struct ca_share *share = NULL;

    HASH_FIND(hh, pl->contacts->by_ca, ca->b, PROV_ID_LEN, share);
    if (share == NULL) {
        share = calloc(1, sizeof *share);
        if (share == NULL)
            return PROV_ENOMEM;
        share->ca = *ca;
        HASH_ADD(hh, pl->contacts->by_ca, ca.b, PROV_ID_LEN, share);
        if (share->hh.tbl == NULL) {
            free(share);
            return PROV_ENOMEM;
        }
    }
    if (share->n >= pl->conf.queue_limit / 2)
        return PROV_EBUSY;
    share->n++;
    return PROV_OK;
}

static void leave_ca(struct prov_plugin *pl, const struct prov_id *ca)
{
    struct ca_share *share = NULL;

    HASH_FIND(hh, pl->contacts->by_ca, ca->b, PROV_ID_LEN, share);
    if (share == NULL || --share->n != 0)
        return;
    HASH_DEL(pl->contacts->by_ca, share);
    free(share);
}

static enum prov_rc remember(struct contact_job *job)
{
    struct prov_plugin *pl = job->pl;
    const enum prov_rc rc = join_ca(pl, &job->contact->ca);

    if (rc != PROV_OK)
        return rc;
    HASH_ADD(hh, pl->contacts->by_cert, cert.b, PROV_ID_LEN, job);
    if (job->hh.tbl != NULL)
        return PROV_OK;
    leave_ca(pl, &job->contact->ca);
    return PROV_ENOMEM;
}

static void forget(struct contact_job *job)
{
    HASH_DEL(job->pl->contacts->by_cert, job);
    leave_ca(job->pl, &job->contact->ca);
}

/* ---- the job --------------------------------------------------------------------------------- */

static void free_job(struct contact_job *job)
{
    prov_buf_release(&job->request);
    prov_buf_release(&job->call.answer);
    prov_contact_free(job->contact);
    free(job);
}

static enum prov_rc begin(struct contact_job *job, struct prov_tx *tx) /* worker */
{
    *tx = (struct prov_tx){ NULL, prov_now_ms(), &job->err };
    return prov_txn_begin(job->pl->store, PROV_TXN_READ, NULL, &tx->txn);
}

static bool plan(struct contact_job *job) /* worker */
{
    struct prov_tx tx;

    job->job.rc = begin(job, &tx);
    if (job->job.rc == PROV_OK)
        job->job.rc = prov_contact_prepare(job->contact, &tx);
    prov_txn_abort(tx.txn);
    return true;
}

static void take_answer(struct contact_job *job) /* worker */
{
    const struct prov_hook_call *call = &job->call;
    char why[PROV_MAX_HOOK_MESSAGE];

    if (call->end == PROV_HOOK_ANSWERED) {
        job->job.rc = prov_contact_answered(job->contact, prov_buf_span(&call->answer));
        return;
    }
    (void)snprintf(why, sizeof why, "%s%s%.200s", prov_hook_end_name(call->end),
                   call->detail[0] != '\0' ? ": " : "", call->detail);
    prov_contact_unanswered(job->contact, why);
}

static bool decide(struct contact_job *job) /* worker */
{
    take_answer(job);
    return job->job.rc != PROV_OK || plan(job);
}

static void hook_done(struct prov_hook_call *call) /* hook thread */
{
    struct contact_job *job = call->ctx;

    prov_pool_resume(job->pl->pool, &job->job);
}

static bool ask(struct contact_job *job) /* worker */
{
    struct prov_tx tx;

    prov_buf_release(&job->request);
    prov_buf_release(&job->call.answer);
    prov_buf_init(&job->request, 4 * PROV_MAX_CERT_PEM);
    job->job.rc = begin(job, &tx);
    if (job->job.rc == PROV_OK)
        job->job.rc = prov_contact_request(job->contact, &tx, &job->request);
    prov_txn_abort(tx.txn);
    if (job->job.rc != PROV_OK)
        return true;
    job->stage = STAGE_DECIDE;
    job->call = (struct prov_hook_call){
        .spec = job->contact->hook,
        .request = prov_buf_span(&job->request),
        .done = hook_done,
        .ctx = job,
    };
    return prov_hooks_submit(job->pl->hooks, &job->call) != PROV_OK && decide(job);
}

static bool prepare(struct prov_job *base) /* worker */
{
    struct contact_job *job = (struct contact_job *)base;

    switch (job->stage) {
    case STAGE_RECORD:
        return plan(job);
    case STAGE_ASK:
        return ask(job);
    case STAGE_DECIDE:
        return decide(job);
    }
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

    if (event.reason == PROV_REASON_CERT_PENDING) {
        prov_report_log(PROV_LOG_NOTICE, "pending", contact->attempt, &event);
        return;
    }
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

static void count(const struct contact_job *job)
{
    const enum prov_reason reason = reason_of(job->job.rc, job->contact->reason);
    enum prov_metric metric = PROV_METRIC_REGISTRATIONS_FAILED;

    if (reason == PROV_REASON_PROVISIONED)
        metric = PROV_METRIC_PROVISIONED;
    else if (reason == PROV_REASON_CERT_PENDING)
        metric = PROV_METRIC_PENDING;
    else
        prov_sys_refused(job->pl, reason, false);
    prov_metrics_add(job->pl->metrics, metric, 1);
}

/* On to the next stage; false: there is none, or no room for it (rc tells). */
static bool go_on(struct contact_job *job)
{
    enum prov_rc rc;

    if (job->job.rc != PROV_OK || !prov_contact_wants_hook(job->contact))
        return false;
    job->stage = STAGE_ASK;
    rc = prov_pool_submit(job->pl->pool, &job->job);
    if (rc == PROV_OK)
        return true; /* from here on it is the pool's */
    job->job.rc = rc;
    return false;
}

static void done(struct prov_job *base) /* broker */
{
    struct contact_job *job = (struct contact_job *)base;

    if (go_on(job))
        return;
    forget(job);
    count(job);
    tell(job);
    if (base->rc == PROV_OK && job->contact->announce)
        prov_announce_registered(job->pl, job->contact);
    prov_waiting_contact_done(job->pl, &job->cert,
                              base->rc == PROV_OK &&
                                  job->contact->reason == PROV_REASON_CERT_PENDING);
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
    job->stage = STAGE_RECORD;
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

    rc = remember(job);
    if (rc != PROV_OK)
        return rc;
    rc = prov_pool_submit(pl->pool, &job->job);
    if (rc != PROV_OK)
        forget(job);
    else
        prov_metrics_add(pl->metrics, PROV_METRIC_REGISTRATIONS, 1);
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
