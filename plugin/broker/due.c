#include "due.h"

#include <stdlib.h>

#include "run/log.h"

#define LOOK_MS 1000
#define AT_ONCE 256 /* in one transaction, so that no other job waits for long */

struct due_job {
    struct prov_job job;
    struct prov_plugin *pl;
    struct prov_id cert; /* that connected; zero: what is due is done */
    struct prov_due_result result;
};

static enum prov_rc apply(struct prov_job *base, struct prov_txn *txn)
{
    struct due_job *job = (struct due_job *)base;
    struct prov_tx tx = { txn, prov_now_ms(), NULL };

    if (!prov_id_is_zero(&job->cert))
        return prov_cert_connected(&tx, &job->cert,
                                   (int64_t)job->pl->conf.rotation_overlap_s * 1000);
    return prov_due_run(&tx, AT_ONCE, &job->result);
}

static void tell(const struct prov_due_result *r)
{
    if (r->certs_deleted != 0 || r->claims_ended != 0 || r->certs_retired != 0)
        prov_log(PROV_LOG_INFO,
                 "due unused-certificates-deleted=%zu claims-ended=%zu certificates-retired=%zu",
                 r->certs_deleted, r->claims_ended, r->certs_retired);
}

static void due_done(struct prov_job *base)
{
    struct due_job *job = (struct due_job *)base;
    struct prov_plugin *pl = job->pl;

    pl->sweeping = false;
    if (base->rc == PROV_OK) {
        tell(&job->result);
        prov_metrics_add(pl->metrics, PROV_METRIC_SWEPT, job->result.certs_deleted);
        if (job->result.more)
            pl->looked_due_ms = 0;
    }
    free(job);
}

static void connected_done(struct prov_job *base)
{
    struct due_job *job = (struct due_job *)base;
    char hex[PROV_ID_HEX + 1];

    prov_id_hex(&job->cert, hex);
    if (base->rc == PROV_OK)
        prov_log(PROV_LOG_INFO, "successor-connected certificate=%s", hex);
    free(job);
}

/* When it cannot be submitted, the next look or the next connection does it. */
static bool submit(struct prov_plugin *pl, const struct prov_id *cert)
{
    struct due_job *job = calloc(1, sizeof *job);

    if (job == NULL)
        return false;
    job->pl = pl;
    job->job.apply = apply;
    job->job.done = cert != NULL ? connected_done : due_done;
    if (cert != NULL)
        job->cert = *cert;
    if (prov_pool_submit(pl->pool, &job->job) == PROV_OK)
        return true;
    free(job);
    return false;
}

void prov_due_connected(struct prov_plugin *pl, const struct prov_id *cert)
{
    (void)submit(pl, cert);
}

void prov_due_tick(struct prov_plugin *pl)
{
    const int64_t now_ms = prov_steady_ms();
    struct prov_tx tx;
    int64_t at_ms = INT64_MAX;
    enum prov_rc rc;

    if (pl->sweeping || (pl->looked_due_ms != 0 && now_ms - pl->looked_due_ms < LOOK_MS))
        return;
    pl->looked_due_ms = now_ms;
    if (prov_read(pl, &tx, NULL) != PROV_OK)
        return;
    rc = prov_due_next(&tx, &at_ms);
    prov_txn_abort(tx.txn);
    if (rc == PROV_OK && at_ms <= tx.now_ms)
        pl->sweeping = submit(pl, NULL);
}
