#include "control.h"

#include <stdlib.h>

#include "answers.h"
#include "core/api.h"
#include "run/log.h"

#define MAX_REQUESTS 64 /* under way at once; each may be as large as its answer */

static const char too_many[] =
    "{\"responses\":[{\"error\":\"too many control requests are under way: try again\","
    "\"errorCode\":\"ThrottlingException\",\"statusCode\":429}]}";
static const char too_large[] = "{\"responses\":[{\"error\":\"the request is larger than 4 MiB\","
                                "\"errorCode\":\"InvalidRequestException\",\"statusCode\":400}]}";
static const char no_memory[] = "{\"responses\":[{\"error\":\"out of memory\","
                                "\"errorCode\":\"InternalFailureException\",\"statusCode\":500}]}";

struct control_job {
    struct prov_job job;
    struct prov_plugin *pl;
    struct prov_asker asker;
    int qos;
    char client_id[PROV_MAX_CLIENT_ID + 1], username[PROV_MAX_CLIENT_ID + 1]; /* for the log, cut */
    char address[64];
    struct prov_buf request, answer;
    struct prov_api_batch *batch;
    struct prov_err err; /* why the store failed, if it did */
};

/* ---- the job --------------------------------------------------------------------------------- */

static void free_job(struct control_job *job)
{
    prov_api_batch_free(job->batch);
    prov_buf_wipe(&job->request);
    prov_buf_wipe(&job->answer);
    free(job);
}

static enum prov_rc write_answer(struct control_job *job)
{
    prov_buf_wipe(&job->answer);
    prov_buf_init(&job->answer, PROV_MAX_API_PAYLOAD);
    return prov_api_batch_answer(job->batch, &job->answer);
}

static enum prov_rc run(struct control_job *job, struct prov_txn *txn)
{
    struct prov_tx tx = { txn, prov_now_ms(), &job->err };
    const enum prov_rc rc = prov_api_batch_run(job->batch, &tx);

    return rc != PROV_OK ? rc : write_answer(job);
}

static enum prov_rc prepare_writes(struct control_job *job, struct prov_txn *txn)
{
    struct prov_tx tx = { txn, prov_now_ms(), &job->err };

    return prov_api_batch_prepare(job->batch, &tx);
}

/* All that needs no writer. */
static enum prov_rc read_first(struct control_job *job)
{
    const bool writes = prov_api_batch_writes(job->batch);
    struct prov_txn *txn = NULL;
    enum prov_rc rc;

    if (!writes)
        job->job.apply = NULL;
    rc = prov_txn_begin(job->pl->store, PROV_TXN_READ, NULL, &txn);
    if (rc == PROV_OK)
        rc = writes ? prepare_writes(job, txn) : run(job, txn);
    prov_txn_abort(txn);
    return rc;
}

static bool prepare(struct prov_job *base) /* worker */
{
    struct control_job *job = (struct control_job *)base;

    base->rc = prov_api_batch_new(prov_buf_span(&job->request), job->pl->issuing, &job->batch);
    prov_buf_wipe(&job->request);
    if (base->rc == PROV_OK)
        base->rc = read_first(job);
    return true;
}

static enum prov_rc apply(struct prov_job *base, struct prov_txn *txn) /* writer */
{
    return run((struct control_job *)base, txn);
}

/* ---- its end --------------------------------------------------------------------------------- */

static void add_quoted(struct prov_buf *line, const char *key, struct prov_span value)
{
    char quoted[256];

    if (value.n != 0)
        prov_buf_addf(line, " %s=%s", key, prov_log_quote(value, quoted, sizeof quoted));
}

/* One line for each command that changed something or wanted to, and for each that failed. */
static void audit(void *ctx, const struct prov_api_op *op, const char *command,
                  struct prov_span subject, const struct prov_err *error)
{
    struct control_job *job = ctx;
    struct prov_buf line;

    if (op != NULL && prov_api_issues(op))
        job->qos = 0; /* a private key is not for the broker to keep: see broker/fleet.c */
    prov_metrics_add(job->pl->metrics, PROV_METRIC_CONTROL_COMMANDS, 1);
    if (error != NULL)
        prov_metrics_add(job->pl->metrics, PROV_METRIC_CONTROL_ERRORS, 1);
    if (op != NULL && op->access == PROV_API_READ && error == NULL)
        return;
    prov_buf_init(&line, PROV_LOG_LINE_MAX);
    prov_buf_addf(&line, "control outcome=%s", error != NULL ? error->code : "done");
    add_quoted(&line, "command", prov_span_str(command));
    add_quoted(&line, "subject", subject);
    add_quoted(&line, "user", prov_span_str(job->username));
    add_quoted(&line, "client", prov_span_str(job->client_id));
    add_quoted(&line, "address", prov_span_str(job->address));
    prov_log(PROV_LOG_AUDIT, "%s", prov_buf_cstr(&line));
    prov_buf_release(&line);
}

/* The pool or the store failed: every command is told so. */
static void answer_failure(struct control_job *job)
{
    if (job->batch == NULL)
        return;
    if (job->job.rc == PROV_EBUSY)
        (void)prov_fail(&job->err, PROV_EBUSY, "ServiceUnavailableException",
                        "the broker is stopping, or too busy: try again");
    else if (job->job.rc == PROV_ENOMEM || job->err.text[0] == '\0')
        (void)prov_fail(&job->err, job->job.rc, "InternalFailureException", "%s",
                        job->job.rc == PROV_ENOMEM ? "out of memory"
                                                   : "the registry could not be read or written");
    prov_api_batch_fail(job->batch, &job->err);
    if (write_answer(job) != PROV_OK)
        prov_buf_wipe(&job->answer);
}

static void done(struct prov_job *base) /* broker */
{
    struct control_job *job = (struct control_job *)base;

    job->pl->control_requests--;
    if (base->rc != PROV_OK)
        answer_failure(job);
    if (job->batch != NULL)
        prov_api_batch_each(job->batch, audit, job);
    if (job->answer.n == 0) {
        prov_buf_init(&job->answer, sizeof no_memory);
        prov_buf_add_str(&job->answer, no_memory);
    }
    prov_answer(job->pl, &job->asker,
                &(struct prov_reply){ PROV_CONTROL_ANSWERS, job->qos, { NULL, 0 } }, &job->answer);
    free_job(job);
}

/* ---- a request ------------------------------------------------------------------------------- */

/* Of whoever asks; clients that BASIC_AUTH was not asked about have none yet. */
static const struct prov_session *session_of(struct prov_plugin *pl, struct mosquitto *client)
{
    const struct prov_session *session = prov_sessions_find(pl->sessions, client);
    const char *client_id = mosquitto_client_id(client);

    if (session != NULL && !session->gone)
        return session;
    return prov_sessions_open(pl->sessions, client, PROV_SESSION_OTHER, NULL,
                              client_id != NULL ? client_id : "", "");
}

static void answer_now(struct prov_plugin *pl, const struct prov_asker *asker, const char *text,
                       int qos)
{
    struct prov_buf answer;

    prov_buf_init(&answer, PROV_MAX_API_PAYLOAD);
    prov_buf_add_str(&answer, text);
    prov_answer(pl, asker, &(struct prov_reply){ PROV_CONTROL_ANSWERS, qos, { NULL, 0 } }, &answer);
}

static void keep(char *out, size_t cap, const char *text)
{
    (void)prov_span_copy(prov_span_str(text), out, cap);
}

static struct control_job *make_job(struct prov_plugin *pl, const struct mosquitto_evt_control *ev,
                                    const struct prov_asker *asker)
{
    struct control_job *job = calloc(1, sizeof *job);

    if (job == NULL)
        return NULL;
    job->job.prepare = prepare;
    job->job.apply = apply;
    job->job.done = done;
    job->pl = pl;
    job->asker = *asker;
    job->qos = ev->qos > 0 ? 1 : 0;
    keep(job->client_id, sizeof job->client_id, mosquitto_client_id(ev->client));
    keep(job->username, sizeof job->username, mosquitto_client_username(ev->client));
    keep(job->address, sizeof job->address, mosquitto_client_address(ev->client));
    prov_buf_init(&job->request, PROV_MAX_API_PAYLOAD);
    prov_buf_add(&job->request, prov_span(ev->payload, ev->payloadlen));
    if (job->request.rc == PROV_OK)
        return job;
    free_job(job);
    return NULL;
}

int prov_on_control(int event, void *data, void *userdata)
{
    const struct mosquitto_evt_control *ev = data;
    struct prov_plugin *pl = userdata;
    const struct prov_session *session = session_of(pl, ev->client);
    struct control_job *job;
    struct prov_asker asker;

    (void)event;
    if (session == NULL)
        return MOSQ_ERR_NOMEM;
    asker = (struct prov_asker){ ev->client, session->number };
    if (ev->payloadlen > PROV_MAX_API_PAYLOAD) {
        answer_now(pl, &asker, too_large, ev->qos > 0);
        return MOSQ_ERR_SUCCESS;
    }
    if (pl->control_requests >= MAX_REQUESTS) {
        answer_now(pl, &asker, too_many, ev->qos > 0);
        return MOSQ_ERR_SUCCESS;
    }
    job = make_job(pl, ev, &asker);
    if (job == NULL || prov_pool_submit(pl->pool, &job->job) != PROV_OK) {
        if (job != NULL)
            free_job(job);
        answer_now(pl, &asker, job == NULL ? no_memory : too_many, ev->qos > 0);
        return MOSQ_ERR_SUCCESS;
    }
    pl->control_requests++;
    return MOSQ_ERR_SUCCESS;
}
