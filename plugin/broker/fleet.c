#include "fleet.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/crypto.h>

#include "answers.h"
#include "claims.h"
#include "core/fleet.h"
#include "report.h"
#include "run/keypool.h"
#include "run/log.h"

/* What the job waits for, so that it knows what it was resumed with. */
enum waiting { WAITING_FOR_NOTHING, WAITING_FOR_KEY, WAITING_FOR_HOOK };

struct fleet_job {
    struct prov_job job;
    struct prov_plugin *pl;
    struct prov_asker asker;
    struct prov_fleet *fleet;
    enum waiting waiting;
    struct prov_key_wait key;
    struct prov_hook_call call;
    size_t bytes; /* that count as under way; entered only */
    bool entered;
    int qos;
    char *response_topic;        /* MQTT 5; NULL: the operation's own */
    struct prov_buf correlation; /* MQTT 5 */
    bool correlated;
    struct prov_err err; /* why the store failed, if it did */
};

static void free_job(struct fleet_job *job)
{
    prov_fleet_free(job->fleet);
    prov_key_release(&job->key.key);
    prov_buf_release(&job->call.answer);
    prov_buf_release(&job->correlation);
    free(job->response_topic);
    free(job);
}

/* ---- worker ---------------------------------------------------------------------------------- */

static void resume(struct fleet_job *job)
{
    prov_pool_resume(job->pl->pool, &job->job);
}

static void key_done(struct prov_key_wait *wait) /* key thread */
{
    resume(wait->ctx);
}

static void hook_done(struct prov_hook_call *call) /* hook thread */
{
    resume(call->ctx);
}

static void take_answer(struct fleet_job *job)
{
    const struct prov_hook_call *call = &job->call;
    char why[PROV_MAX_HOOK_MESSAGE];

    if (call->end == PROV_HOOK_ANSWERED) {
        job->job.rc = prov_fleet_answered(job->fleet, prov_buf_span(&call->answer));
        return;
    }
    (void)snprintf(why, sizeof why, "%s%s%.200s", prov_hook_end_name(call->end),
                   call->detail[0] != '\0' ? ": " : "", call->detail);
    prov_fleet_unanswered(job->fleet, why);
}

static void take_what_came(struct fleet_job *job)
{
    if (job->waiting == WAITING_FOR_KEY)
        prov_fleet_give_key(job->fleet, &job->key.key, job->key.rc);
    else if (job->waiting == WAITING_FOR_HOOK)
        take_answer(job);
    job->waiting = WAITING_FOR_NOTHING;
}

/* These two say whether the job is still this worker's. */
static bool get_key(struct fleet_job *job)
{
    bool queued = false;
    enum prov_rc rc;

    job->waiting = WAITING_FOR_KEY;
    job->key = (struct prov_key_wait){ .done = key_done, .ctx = job };
    rc = prov_keypool_take(job->pl->keys, &job->key, &queued);
    if (rc == PROV_OK && queued)
        return false;
    job->key.rc = rc;
    return true;
}

static bool call_hook(struct fleet_job *job)
{
    job->waiting = WAITING_FOR_HOOK;
    prov_buf_release(&job->call.answer);
    job->call = (struct prov_hook_call){
        .spec = (const char *)job->fleet->hook.p,
        .request = prov_buf_span(&job->fleet->request),
        .done = hook_done,
        .ctx = job,
    };
    return prov_hooks_submit(job->pl->hooks, &job->call) != PROV_OK;
}

static enum prov_fleet_want go_on(struct fleet_job *job)
{
    enum prov_fleet_want want = PROV_FLEET_DONE;
    struct prov_tx tx = { NULL, prov_now_ms(), &job->err };

    job->job.rc = prov_txn_begin(job->pl->store, PROV_TXN_READ, NULL, &tx.txn);
    if (job->job.rc == PROV_OK)
        job->job.rc = prov_fleet_prepare(job->fleet, &tx, &want);
    prov_txn_abort(tx.txn);
    return job->job.rc == PROV_OK ? want : PROV_FLEET_DONE;
}

static bool prepare(struct prov_job *base)
{
    struct fleet_job *job = (struct fleet_job *)base;

    for (;;) {
        take_what_came(job);
        if (base->rc != PROV_OK)
            return true;
        switch (go_on(job)) {
        case PROV_FLEET_APPLY:
            return true;
        case PROV_FLEET_DONE:
            base->apply = NULL;
            return true;
        case PROV_FLEET_KEY:
            if (!get_key(job))
                return false;
            break;
        case PROV_FLEET_HOOK:
            if (!call_hook(job))
                return false;
            break;
        }
    }
}

static enum prov_rc apply(struct prov_job *base, struct prov_txn *txn) /* writer */
{
    struct fleet_job *job = (struct fleet_job *)base;
    struct prov_tx tx = { txn, prov_now_ms(), &job->err };

    return prov_fleet_apply(job->fleet, &tx);
}

/* ---- its end --------------------------------------------------------------------------------- */

static void count(const struct fleet_job *job)
{
    const struct prov_fleet *fleet = job->fleet;
    struct prov_metrics *metrics = job->pl->metrics;

    if (!prov_fleet_succeeded(fleet))
        prov_metrics_add(metrics, PROV_METRIC_CLAIMS_REFUSED, 1);
    else if (fleet->reason == PROV_REASON_ISSUED)
        prov_metrics_add(metrics, PROV_METRIC_ISSUED, 1);
    else if (!fleet->repeated)
        prov_metrics_add(metrics, PROV_METRIC_REGISTERED, 1);
    if (fleet->rotated && prov_fleet_succeeded(fleet))
        prov_metrics_add(metrics, PROV_METRIC_ROTATED, 1);
}

/* One line; a refusal's attempt is written with it, the others' were with what they changed. */
static void tell(const struct fleet_job *job)
{
    const struct prov_fleet *fleet = job->fleet;
    char text[PROV_MAX_NAME + sizeof fleet->detail + 160], claim[PROV_ID_HEX + 1];
    const bool of_claim = prov_id_is_zero(&fleet->cert); /* there is no other certificate yet */
    struct prov_refusal event = {
        .reason = fleet->reason,
        .cert = of_claim ? fleet->claim : fleet->cert,
        .client_id = fleet->client_id,
        .address = fleet->address,
        .request = true,
    };

    prov_id_hex(&fleet->claim, claim);
    if (fleet->reason == PROV_REASON_ISSUED)
        (void)snprintf(text, sizeof text, "%s", fleet->detail);
    else if (prov_fleet_succeeded(fleet))
        (void)snprintf(text, sizeof text, "thing %s, template %s%s, claim %s", fleet->thing_name,
                       fleet->template_name, fleet->repeated ? ", again" : "", claim);
    else
        (void)snprintf(text, sizeof text, "%s%s%s%s%s%s%s", prov_fleet_op_name(fleet->op),
                       fleet->template_name[0] != '\0' ? ", template " : "", fleet->template_name,
                       of_claim ? "" : ", claim ", of_claim ? "" : claim,
                       fleet->detail[0] != '\0' ? ": " : "", fleet->detail);
    event.detail = prov_span_str(text);
    if (!prov_fleet_succeeded(fleet))
        prov_report(job->pl, &event);
    else
        prov_report_log(PROV_LOG_NOTICE,
                        fleet->reason == PROV_REASON_ISSUED ? "issued" : "provisioned",
                        fleet->attempt, &event);
}

/*
 * At QoS 1 the broker keeps a message until it is acknowledged, writes it to its persistence file
 * if it saves that meanwhile, and sends it again to the next connection of a persistent session if
 * the ACL check lets it: no place for a private key, nor for what comes on a topic of the device's
 * own choice, about which the ACL check knows nothing.
 */
static int qos_of(const struct fleet_job *job)
{
    if (job->response_topic != NULL)
        return 0;
    return job->fleet->op == PROV_CREATE_KEYS && prov_fleet_succeeded(job->fleet) ? 0 : job->qos;
}

static void answer(struct fleet_job *job)
{
    const struct prov_fleet *fleet = job->fleet;
    const struct prov_fleet_topic request = { fleet->op, fleet->format,
                                              prov_span_str(fleet->template_name) };
    char topic[PROV_MAX_FLEET_TOPIC];
    const struct prov_reply reply = {
        .topic = job->response_topic != NULL ? job->response_topic : topic,
        .qos = qos_of(job),
        .correlation = job->correlated ? prov_span(job->correlation.p != NULL ? job->correlation.p
                                                                              : (const uint8_t *)"",
                                                   job->correlation.n)
                                       : prov_span(NULL, 0),
    };
    struct prov_buf payload;

    prov_fleet_answer_topic(&request, prov_fleet_succeeded(fleet), topic);
    if (prov_fleet_answer(fleet, &payload) == PROV_OK)
        prov_answer(job->pl, &job->asker, &reply, &payload);
    prov_buf_wipe(&payload);
}

static void finish(struct fleet_job *job)
{
    if (job->entered)
        prov_claims_leave(job->pl, &job->fleet->claim, job->bytes);
    count(job);
    tell(job);
    answer(job);
    if (!prov_fleet_succeeded(job->fleet))
        prov_claims_refused(job->pl, &job->fleet->claim, job->fleet->reason);
    free_job(job);
}

static void done(struct prov_job *base) /* broker */
{
    struct fleet_job *job = (struct fleet_job *)base;

    if (base->rc != PROV_OK)
        prov_fleet_failed(job->fleet, base->rc, &job->err);
    finish(job);
}

/* ---- a request ------------------------------------------------------------------------------- */

bool prov_is_request_topic(const char *topic)
{
    struct prov_fleet_topic parsed;

    return prov_fleet_topic_parse(prov_span_str(topic), &parsed);
}

bool prov_is_private_topic(const char *topic)
{
    static const char *const endings[] = { "", "/accepted", "/rejected" };
    struct prov_fleet_topic parsed;
    const size_t n = strlen(topic);

    for (size_t i = 0; i < PROV_COUNT(endings); i++) {
        const size_t ending = strlen(endings[i]);

        if (n >= ending && strcmp(topic + n - ending, endings[i]) == 0 &&
            prov_fleet_topic_parse(prov_span(topic, n - ending), &parsed))
            return true;
    }
    return false;
}

/* MQTT 5 says where the answer is wanted, and what it is to be known by. */
static enum prov_rc keep_properties(struct fleet_job *job, const mosquitto_property *properties)
{
    const struct prov_compat *compat = &job->pl->compat;
    void *data = NULL;
    char *topic = NULL;
    uint16_t n = 0;

    prov_buf_init(&job->correlation, UINT16_MAX);
    if (compat->read_binary == NULL)
        return PROV_OK; /* said when the plugin started */
    if (compat->read_binary(properties, MQTT_PROP_CORRELATION_DATA, &data, &n, false) != NULL) {
        job->correlated = true;
        prov_buf_add(&job->correlation, prov_span(data, n));
    }
    free(data);
    if (compat->read_string(properties, MQTT_PROP_RESPONSE_TOPIC, &topic, false) != NULL &&
        mosquitto_pub_topic_check(topic) == MOSQ_ERR_SUCCESS)
        job->response_topic = topic;
    else
        free(topic);
    return job->correlation.rc;
}

static void describe(struct prov_fleet *fleet, const struct prov_session *session,
                     const struct prov_fleet_topic *topic)
{
    fleet->op = topic->op;
    fleet->format = topic->format;
    fleet->claim = session->cert;
    (void)prov_span_copy(topic->template_name, fleet->template_name, sizeof fleet->template_name);
    (void)prov_span_copy(prov_span_str(session->client_id), fleet->client_id,
                         sizeof fleet->client_id);
    (void)prov_span_copy(prov_span_str(session->address), fleet->address, sizeof fleet->address);
}

static struct fleet_job *make_job(struct prov_plugin *pl, const struct prov_session *session,
                                  const struct mosquitto_evt_message *ev,
                                  const struct prov_fleet_topic *topic)
{
    struct fleet_job *job = calloc(1, sizeof *job);

    if (job == NULL)
        return NULL;
    job->job.prepare = prepare;
    job->job.apply = apply;
    job->job.done = done;
    job->pl = pl;
    job->asker = (struct prov_asker){ ev->client, session->number };
    job->qos = ev->qos > 0 ? 1 : 0;
    job->fleet = prov_fleet_new();
    if (job->fleet == NULL || keep_properties(job, ev->properties) != PROV_OK) {
        free_job(job);
        return NULL;
    }
    job->fleet->conf = &pl->fleet_conf;
    job->fleet->attempt = prov_report_attempt(pl);
    describe(job->fleet, session, topic);
    return job;
}

/* Takes it on, or says why not. */
static bool take_on(struct fleet_job *job, const struct mosquitto_evt_message *ev)
{
    struct prov_fleet *fleet = job->fleet;
    const char *detail = "";
    enum prov_reason reason;
    enum prov_rc rc;

    if (ev->payloadlen > PROV_MAX_FLEET_PAYLOAD) {
        prov_fleet_refuse(fleet, PROV_REASON_BAD_REQUEST, "the payload is larger than 128 KiB");
        return false;
    }
    job->bytes = ev->payloadlen;
    reason = prov_claims_enter(job->pl, &fleet->claim, job->bytes, fleet->op != PROV_REGISTER_THING,
                               &detail);
    if (reason != PROV_REASON_NONE) {
        prov_fleet_refuse(fleet, reason, detail);
        return false;
    }
    job->entered = true;
    prov_buf_add(&fleet->payload, prov_span(ev->payload, ev->payloadlen));
    rc = fleet->payload.rc;
    if (rc == PROV_OK)
        rc = prov_pool_submit(job->pl->pool, &job->job);
    if (rc != PROV_OK)
        prov_fleet_failed(fleet, rc, NULL);
    return rc == PROV_OK;
}

/* From here on there is nothing to see in it, for whoever would receive, keep or log it. */
static void consume(struct mosquitto_evt_message *ev)
{
    if (ev->payload != NULL)
        OPENSSL_cleanse(ev->payload, ev->payloadlen);
    ev->payload = NULL; /* the broker frees it */
    ev->payloadlen = 0;
    ev->retain = false;
}

static void request(struct prov_plugin *pl, const struct mosquitto_evt_message *ev,
                    const struct prov_fleet_topic *topic)
{
    const struct prov_session *session = prov_sessions_find(pl->sessions, ev->client);
    struct fleet_job *job;

    if (session == NULL || session->gone || session->kind != PROV_SESSION_DEVICE)
        return; /* the ACL check let nobody else publish here */
    job = make_job(pl, session, ev, topic);
    if (job != NULL && !take_on(job, ev))
        finish(job);
}

int prov_on_message(int event, void *data, void *userdata)
{
    struct mosquitto_evt_message *ev = data;
    struct prov_plugin *pl = userdata;
    struct prov_fleet_topic topic;

    (void)event;
    if (ev->topic[0] != '$' || !prov_fleet_topic_parse(prov_span_str(ev->topic), &topic))
        return MOSQ_ERR_SUCCESS;
    request(pl, ev, &topic);
    consume(ev);
    return MOSQ_ERR_SUCCESS;
}
