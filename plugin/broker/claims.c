#include "claims.h"

#include <stdio.h>
#include <stdlib.h>

#include "run/log.h"

#define MAX_CLAIMS 4096              /* remembered; those without anything under way go first */
#define MAX_BYTES ((size_t)64 << 20) /* of requests under way */
#define FAILURES_MS ((int64_t)3600 * 1000) /* an hour */

/* One claim that was heard of since the start. */
struct claim {
    UT_hash_handle hh;
    struct prov_id cert; /* the key */
    unsigned under_way;
    size_t bytes;
    int64_t due_us; /* when, at the claim's own rate, the certificates it has had are paid for */
    int64_t failing_ms; /* since when its refusals are counted */
    unsigned failures;
    bool suspending; /* it has been asked for */
};

struct prov_claims {
    struct claim *by_cert; /* in the order of their coming */
    unsigned under_way;
    size_t bytes;
};

enum prov_rc prov_claims_new(struct prov_claims **out)
{
    *out = calloc(1, sizeof **out);
    return *out != NULL ? PROV_OK : PROV_ENOMEM;
}

static void forget(struct prov_claims *claims, struct claim *claim)
{
    HASH_DEL(claims->by_cert, claim);
    free(claim);
}

void prov_claims_free(struct prov_claims *claims)
{
    struct claim *claim, *next;

    if (claims == NULL)
        return;
    HASH_ITER(hh, claims->by_cert, claim, next)
    {
        forget(claims, claim);
    }
    free(claims);
}

/* The oldest that has nothing under way. What it forgets of a claim is in the claim's favour, and
 * thousands of claims must be in use at once for that. */
static void make_room(struct prov_claims *claims)
{
    struct claim *claim, *next;

    if (HASH_COUNT(claims->by_cert) < MAX_CLAIMS)
        return;
    HASH_ITER(hh, claims->by_cert, claim, next)
    {
        if (claim->under_way == 0) {
            forget(claims, claim);
            return;
        }
    }
}

static struct claim *find(struct prov_claims *claims, const struct prov_id *cert)
{
    struct claim *claim = NULL;

    HASH_FIND(hh, claims->by_cert, cert->b, PROV_ID_LEN, claim);
    if (claim != NULL)
        return claim;
    make_room(claims);
    claim = calloc(1, sizeof *claim);
    if (claim == NULL)
        return NULL;
    claim->cert = *cert;
    HASH_ADD(hh, claims->by_cert, cert.b, PROV_ID_LEN, claim);
    if (claim->hh.tbl != NULL)
        return claim;
    free(claim);
    return NULL;
}

/* Its own limits, as far as they are asked here. */
static bool read_limits(struct prov_plugin *pl, const struct prov_id *cert, struct prov_claim *out,
                        unsigned *suspend_after)
{
    struct prov_tx tx;
    enum prov_rc rc;

    if (prov_read(pl, &tx, NULL) != PROV_OK)
        return false;
    rc = prov_claim_get(&tx, cert, out);
    prov_txn_abort(tx.txn);
    *suspend_after =
        out->suspend_after != 0 ? out->suspend_after : (unsigned)pl->conf.claim_suspend_after;
    return rc == PROV_OK || rc == PROV_ENOTFOUND;
}

/*
 * `rate` certificates at once, and one more each time rate_s / rate seconds have gone by. Whoever
 * is within the limit has a debt of rate_s seconds at the most.
 */
static bool within_rate(struct claim *claim, const struct prov_claim *limits, int64_t now_us)
{
    const int64_t whole_us = (int64_t)limits->rate_s * 1000000;
    int64_t due_us;

    if (limits->rate == 0)
        return true;
    due_us = (claim->due_us > now_us ? claim->due_us : now_us) + whole_us / limits->rate;
    if (due_us - now_us > whole_us)
        return false;
    claim->due_us = due_us;
    return true;
}

enum prov_reason prov_claims_enter(struct prov_plugin *pl, const struct prov_id *cert, size_t bytes,
                                   bool create, const char **detail)
{
    struct prov_claims *claims = pl->claims;
    struct claim *claim = find(claims, cert);
    const int64_t now_ms = prov_steady_ms();
    struct prov_claim limits;
    unsigned suspend_after;

    *detail = "";
    if (claim == NULL || !read_limits(pl, cert, &limits, &suspend_after))
        return PROV_REASON_INTERNAL;
    *detail = "claim_per_s";
    if (!prov_throttle_claim(pl->throttle, cert, now_ms))
        return PROV_REASON_THROTTLED;
    *detail = "the claim has too much under way";
    if (claim->under_way >= pl->conf.queue_limit / 2 || claim->bytes + bytes > MAX_BYTES / 2)
        return PROV_REASON_BUSY;
    *detail = "too much is under way";
    if (claims->bytes + bytes > MAX_BYTES)
        return PROV_REASON_BUSY;
    *detail = "its limit --rate";
    if (create && !within_rate(claim, &limits, now_ms * 1000))
        return PROV_REASON_CLAIM_RATE;
    claim->under_way++;
    claim->bytes += bytes;
    claims->bytes += bytes;
    return PROV_REASON_NONE;
}

void prov_claims_leave(struct prov_plugin *pl, const struct prov_id *cert, size_t bytes)
{
    struct claim *claim =
        find(pl->claims, cert); /* one with something under way is not forgotten */

    if (claim == NULL)
        return;
    claim->under_way--;
    claim->bytes -= bytes;
    pl->claims->bytes -= bytes;
}

/* ---- those that misbehave -------------------------------------------------------------------- */

struct suspend_job {
    struct prov_job job;
    struct prov_plugin *pl;
    struct prov_id cert;
    char why[128];
};

static enum prov_rc apply_suspend(struct prov_job *base, struct prov_txn *txn)
{
    const struct suspend_job *job = (const struct suspend_job *)base;
    struct prov_tx tx = { txn, prov_now_ms(), NULL };

    return prov_claim_suspend(&tx, &job->cert, prov_span_str(job->why));
}

static void suspend_done(struct prov_job *base)
{
    struct suspend_job *job = (struct suspend_job *)base;
    struct claim *claim = NULL;
    char hex[PROV_ID_HEX + 1];

    prov_id_hex(&job->cert, hex);
    HASH_FIND(hh, job->pl->claims->by_cert, job->cert.b, PROV_ID_LEN, claim);
    if (claim != NULL)
        claim->suspending = false;
    if (base->rc == PROV_OK) {
        prov_metrics_add(job->pl->metrics, PROV_METRIC_CLAIMS_SUSPENDED, 1);
        prov_log(PROV_LOG_WARNING,
                 "claim-suspended certificate=%s detail=\"%s\" text=\"Nothing can be provisioned "
                 "with this claim until `provctl claim resume %.16s`.\"",
                 hex, job->why, hex);
    }
    free(job);
}

static void suspend(struct prov_plugin *pl, struct claim *claim, enum prov_reason last)
{
    struct suspend_job *job = calloc(1, sizeof *job);

    if (job == NULL)
        return;
    job->job.apply = apply_suspend;
    job->job.done = suspend_done;
    job->pl = pl;
    job->cert = claim->cert;
    (void)snprintf(job->why, sizeof job->why,
                   "%u requests were refused within an hour, the last one for %s", claim->failures,
                   prov_reason_info(last)->name);
    if (prov_pool_submit(pl->pool, &job->job) != PROV_OK) {
        free(job); /* the next refusal tries again */
        return;
    }
    claim->suspending = true;
    claim->failures = 0;
}

void prov_claims_refused(struct prov_plugin *pl, const struct prov_id *cert,
                         enum prov_reason reason)
{
    const int64_t now_ms = prov_steady_ms();
    struct claim *claim = find(pl->claims, cert);
    struct prov_claim limits;
    unsigned suspend_after = 0;

    /* what another try may cure is nobody's misbehaviour */
    if (claim == NULL || prov_reason_info(reason)->retry || claim->suspending)
        return;
    if (!read_limits(pl, cert, &limits, &suspend_after) || suspend_after == 0 ||
        limits.suspended_ms != 0)
        return;
    if (claim->failures == 0 || now_ms - claim->failing_ms >= FAILURES_MS) {
        claim->failing_ms = now_ms;
        claim->failures = 0;
    }
    if (++claim->failures >= suspend_after)
        suspend(pl, claim, reason);
}
