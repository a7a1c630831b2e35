#include "clients.h"

#include <stdlib.h>

#include "run/log.h"

enum client_change { CLIENT_BIND, CLIENT_UNBIND, CLIENT_EMPTIED };

struct prov_client_job {
    struct prov_job job;
    UT_hash_handle hh;
    struct prov_plugin *pl;
    struct prov_id cert;
    enum client_change change;
    uint8_t mark; /* of CLIENT_EMPTIED */
    bool noted;   /* it is in pl->emptied */
    char client_id[PROV_MAX_CLIENT_ID + 1];
};

static enum prov_rc apply_client(struct prov_job *base, struct prov_txn *txn)
{
    const struct prov_client_job *job = (const struct prov_client_job *)base;
    struct prov_tx tx = { txn, prov_now_ms(), NULL };
    const struct prov_span id = prov_span_str(job->client_id);

    switch (job->change) {
    case CLIENT_BIND:
        return prov_client_bind(&tx, id, &job->cert);
    case CLIENT_UNBIND:
        return prov_client_unbind(&tx, id);
    case CLIENT_EMPTIED:
        return prov_client_emptied(&tx, id, job->mark);
    }
    return PROV_EBUG;
}

static void forget_emptied(struct prov_client_job *job)
{
    if (job->noted)
        HASH_DEL(job->pl->emptied, job);
    job->noted = false;
}

/* In the place of one with an earlier mark. Without memory the queue is dropped once more. */
static void note_emptied(struct prov_client_job *job)
{
    struct prov_client_job *earlier = NULL;

    HASH_FIND_STR(job->pl->emptied, job->client_id, earlier);
    if (earlier != NULL)
        forget_emptied(earlier);
    HASH_ADD_STR(job->pl->emptied, client_id, job);
    job->noted = job->hh.tbl != NULL;
}

static void free_client(struct prov_client_job *job)
{
    forget_emptied(job);
    free(job);
}

static void client_done(struct prov_job *base)
{
    struct prov_client_job *job = (struct prov_client_job *)base;
    char quoted[256];

    if (base->rc != PROV_OK && base->rc != PROV_EBUSY && job->change != CLIENT_EMPTIED)
        prov_log(PROV_LOG_WARNING,
                 "session-not-remembered client=%s reason=%s text=\"Messages for this client are "
                 "not kept while it is away and the broker restarts.\"",
                 prov_log_quote(prov_span_str(job->client_id), quoted, sizeof quoted),
                 prov_rc_name(base->rc));
    free_client(job);
}

static void submit_client(struct prov_plugin *pl, const char *client_id, enum client_change change,
                          const struct prov_id *cert, uint8_t mark)
{
    struct prov_client_job *job = calloc(1, sizeof *job);

    if (job == NULL)
        return;
    job->job.apply = apply_client;
    job->job.done = client_done;
    job->pl = pl;
    job->change = change;
    job->mark = mark;
    if (cert != NULL)
        job->cert = *cert;
    if (!prov_span_copy(prov_span_str(client_id), job->client_id, sizeof job->client_id)) {
        free(job);
        return;
    }
    if (change == CLIENT_EMPTIED)
        note_emptied(job);
    if (prov_pool_submit(pl->pool, &job->job) != PROV_OK)
        free_client(job);
}

void prov_client_remember(struct prov_plugin *pl, const char *client_id, const struct prov_id *cert)
{
    submit_client(pl, client_id, cert != NULL ? CLIENT_BIND : CLIENT_UNBIND, cert, 0);
}

bool prov_client_being_emptied(struct prov_plugin *pl, const char *client_id, uint8_t mark)
{
    struct prov_client_job *job = NULL;

    HASH_FIND_STR(pl->emptied, client_id, job);
    return job != NULL && job->mark == mark;
}

void prov_client_mark_emptied(struct prov_plugin *pl, const char *client_id, uint8_t mark)
{
    submit_client(pl, client_id, CLIENT_EMPTIED, NULL, mark);
}
