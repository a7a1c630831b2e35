#include "sim/sim_broker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <openssl/x509.h>

#include "core/ident.h"
#include "core/keys.h"

#define ADDRESS "192.0.2.7"
#define WORK_MIN_MS 1 /* a job's stage */
#define WORK_MAX_MS 40

/* An accepted connection. */
struct session {
    struct session *next;
    uint64_t number;
    struct prov_id cert;
    char client_id[PROV_MAX_CLIENT_ID + 1];
    char topics[SIM_MAX_SUBSCRIPTIONS][PROV_MAX_FLEET_TOPIC];
    size_t n_topics;
};

/*
 * What takes its time: prepared when it is due first, and applied when it is due the second time,
 * with whatever else happens in between.
 */
struct job {
    struct job *next;
    enum { JOB_CONTACT, JOB_FLEET, JOB_CONNECTED } kind;
    int64_t due_ms;
    bool prepared;
    uint64_t session; /* that asked */
    struct prov_contact *contact;
    struct prov_fleet *fleet;
    struct prov_id cert; /* JOB_CONNECTED: that connected; JOB_CONTACT: whose */
};

struct waiting {
    struct waiting *next;
    struct sim_message message;
};

struct sim_broker {
    struct sim_world *world;
    struct sim_rng *rng;
    struct session *sessions;
    struct job *jobs;
    struct waiting *first, **last;
    uint64_t numbers;
    prov_attempt_id attempts;
    unsigned heard;
};

struct sim_broker *sim_broker_new(struct sim_world *world, struct sim_rng *rng)
{
    struct sim_broker *broker = calloc(1, sizeof *broker);

    assert_non_null(broker);
    broker->world = world;
    broker->rng = rng;
    broker->last = &broker->first;
    return broker;
}

static void free_job(struct job *job)
{
    prov_contact_free(job->contact);
    prov_fleet_free(job->fleet);
    free(job);
}

void sim_broker_free(struct sim_broker *broker)
{
    struct sim_message message;
    struct job *job;

    if (broker == NULL)
        return;
    while (broker->sessions != NULL)
        sim_broker_close(broker, broker->sessions->number);
    while ((job = broker->jobs) != NULL) {
        broker->jobs = job->next;
        free_job(job);
    }
    while (sim_broker_take(broker, &message))
        prov_buf_wipe(&message.payload);
    free(broker);
}

unsigned sim_broker_heard(const struct sim_broker *broker)
{
    return broker->heard;
}

/* ---- sessions -------------------------------------------------------------------------------- */

static struct session *find(const struct sim_broker *broker, uint64_t number)
{
    struct session *session = broker->sessions;

    while (session != NULL && session->number != number)
        session = session->next;
    return session;
}

void sim_broker_close(struct sim_broker *broker, uint64_t session)
{
    struct session **at = &broker->sessions, *gone;

    while (*at != NULL && (*at)->number != session)
        at = &(*at)->next;
    gone = *at;
    if (gone == NULL)
        return;
    *at = gone->next;
    free(gone);
}

static void send(struct sim_broker *broker, const struct sim_message *message)
{
    struct waiting *waiting = calloc(1, sizeof *waiting);

    assert_non_null(waiting);
    waiting->message = *message;
    *broker->last = waiting;
    broker->last = &waiting->next;
}

bool sim_broker_take(struct sim_broker *broker, struct sim_message *out)
{
    struct waiting *waiting = broker->first;

    if (waiting == NULL)
        return false;
    broker->first = waiting->next;
    if (broker->first == NULL)
        broker->last = &broker->first;
    *out = waiting->message;
    free(waiting);
    return true;
}

static void kick(struct sim_broker *broker, uint64_t session)
{
    const struct sim_message message = { .session = session, .closed = true };

    sim_broker_close(broker, session);
    send(broker, &message);
}

/* Whose certificate is not ACTIVE any more has no connection any more. */
static void kick_those_without_rights(struct sim_broker *broker, int64_t now_ms)
{
    struct session *session, *next;

    for (session = broker->sessions; session != NULL; session = next) {
        next = session->next;
        if (sim_status(broker->world, &session->cert, now_ms) != PROV_CERT_ACTIVE)
            kick(broker, session->number);
    }
}

/* One connection for each client id: the one that was there goes. */
static void take_over(struct sim_broker *broker, const char *client_id)
{
    struct session *session, *next;

    for (session = broker->sessions; session != NULL; session = next) {
        next = session->next;
        if (strcmp(session->client_id, client_id) == 0)
            kick(broker, session->number);
    }
}

/* ---- jobs ------------------------------------------------------------------------------------ */

static void put_off(struct sim_broker *broker, struct job *job, int64_t now_ms)
{
    job->due_ms = now_ms + sim_between(broker->rng, WORK_MIN_MS, WORK_MAX_MS);
}

static struct job *add_job(struct sim_broker *broker, int64_t now_ms)
{
    struct job *job = calloc(1, sizeof *job);

    assert_non_null(job);
    put_off(broker, job, now_ms);
    job->next = broker->jobs;
    broker->jobs = job;
    return job;
}

static void drop_job(struct sim_broker *broker, struct job *job)
{
    struct job **at = &broker->jobs;

    while (*at != job)
        at = &(*at)->next;
    *at = job->next;
    free_job(job);
}

static struct job *earliest(const struct sim_broker *broker)
{
    struct job *best = NULL;

    for (struct job *job = broker->jobs; job != NULL; job = job->next) {
        if (best == NULL || job->due_ms <= best->due_ms)
            best = job;
    }
    return best;
}

static void run_contact(struct sim_broker *broker, struct job *job, int64_t now_ms)
{
    struct sim_world *world = broker->world;
    struct prov_tx tx;

    tx = sim_begin(world, job->prepared ? PROV_TXN_WRITE : PROV_TXN_READ, now_ms);
    if (!job->prepared) {
        sim_must(world, prov_contact_prepare(job->contact, &tx), "first contact");
        sim_abort(&tx);
        job->prepared = true;
        put_off(broker, job, now_ms);
        return;
    }
    sim_must(world, prov_contact_apply(job->contact, &tx), "first contact");
    sim_commit(&tx);
    drop_job(broker, job);
}

/* Devices get what they subscribed to. */
static bool may_receive(const struct session *session, const char *topic)
{
    for (size_t i = 0; i < session->n_topics; i++) {
        if (strcmp(session->topics[i], topic) == 0)
            return true;
    }
    return false;
}

static void answer(struct sim_broker *broker, const struct job *job)
{
    const struct prov_fleet *fleet = job->fleet;
    const struct prov_fleet_topic request = { fleet->op, fleet->format,
                                              prov_span_str(fleet->template_name) };
    const struct session *session = find(broker, job->session);
    struct sim_message message = { .session = job->session };

    prov_fleet_answer_topic(&request, prov_fleet_succeeded(fleet), message.topic);
    if (session == NULL || !may_receive(session, message.topic))
        return;
    assert_int_equal(prov_fleet_answer(fleet, &message.payload), PROV_OK);
    send(broker, &message);
}

static enum prov_fleet_want prepare(struct sim_broker *broker, struct prov_fleet *fleet,
                                    int64_t now_ms)
{
    enum prov_fleet_want want = PROV_FLEET_DONE;
    struct prov_tx tx = sim_begin(broker->world, PROV_TXN_READ, now_ms);
    struct prov_key key;

    sim_must(broker->world, prov_fleet_prepare(fleet, &tx, &want), "request");
    if (want == PROV_FLEET_KEY) {
        assert_int_equal(prov_key_make(PROV_KEY_EC_P256, &key), PROV_OK);
        prov_fleet_give_key(fleet, &key, PROV_OK);
        sim_must(broker->world, prov_fleet_prepare(fleet, &tx, &want), "request");
    }
    sim_abort(&tx);
    return want;
}

static void run_fleet(struct sim_broker *broker, struct job *job, int64_t now_ms)
{
    struct prov_tx tx;

    if (!job->prepared && prepare(broker, job->fleet, now_ms) == PROV_FLEET_APPLY) {
        job->prepared = true;
        put_off(broker, job, now_ms);
        return;
    }
    if (job->prepared) {
        tx = sim_begin(broker->world, PROV_TXN_WRITE, now_ms);
        sim_must(broker->world, prov_fleet_apply(job->fleet, &tx), "request");
        sim_commit(&tx);
    }
    answer(broker, job);
    drop_job(broker, job);
}

/* What it replaces is to be retired when the overlap is over. */
static void run_connected(struct sim_broker *broker, struct job *job, int64_t now_ms)
{
    struct prov_tx tx = sim_begin(broker->world, PROV_TXN_WRITE, now_ms);

    sim_must(broker->world, prov_cert_connected(&tx, &job->cert, INT64_C(1000) * SIM_OVERLAP_S),
             "connected");
    sim_commit(&tx);
    drop_job(broker, job);
}

int64_t sim_broker_due(struct sim_broker *broker, int64_t now_ms)
{
    const struct job *job = earliest(broker);
    const int64_t sweep_ms = sim_sweep_due(broker->world, now_ms);

    return job != NULL && job->due_ms < sweep_ms ? job->due_ms : sweep_ms;
}

void sim_broker_run(struct sim_broker *broker, int64_t now_ms)
{
    struct job *job;

    while ((job = earliest(broker)) != NULL && job->due_ms <= now_ms) {
        if (job->kind == JOB_CONTACT)
            run_contact(broker, job, now_ms);
        else if (job->kind == JOB_FLEET)
            run_fleet(broker, job, now_ms);
        else
            run_connected(broker, job, now_ms);
    }
    if (sim_sweep_due(broker->world, now_ms) <= now_ms)
        sim_sweep(broker->world, now_ms);
    kick_those_without_rights(broker, now_ms);
}

/* ---- CONNECT --------------------------------------------------------------------------------- */

static void first_contact(struct sim_broker *broker, X509 *leaf, const char *client_id,
                          const struct prov_decision *decision, int64_t now_ms)
{
    struct job *job;

    for (job = broker->jobs; job != NULL; job = job->next) {
        if (job->kind == JOB_CONTACT && prov_id_eq(&job->cert, &decision->cert))
            return; /* under way */
    }
    job = add_job(broker, now_ms);
    job->kind = JOB_CONTACT;
    job->cert = decision->cert;
    sim_must(broker->world, prov_contact_new(leaf, decision, &job->contact), "first contact");
    job->contact->attempt = ++broker->attempts;
    (void)snprintf(job->contact->client_id, sizeof job->contact->client_id, "%s", client_id);
    (void)snprintf(job->contact->address, sizeof job->contact->address, "%s", ADDRESS);
}

static uint64_t welcome(struct sim_broker *broker, const struct prov_cert *cert,
                        const char *client_id, int64_t now_ms)
{
    struct session *session = calloc(1, sizeof *session);
    struct job *job;

    assert_non_null(session);
    take_over(broker, client_id);
    session->number = ++broker->numbers;
    session->cert = cert->id;
    (void)snprintf(session->client_id, sizeof session->client_id, "%s", client_id);
    session->next = broker->sessions;
    broker->sessions = session;
    if (!prov_id_is_zero(&cert->replaces)) {
        job = add_job(broker, now_ms);
        job->kind = JOB_CONNECTED;
        job->cert = cert->id;
    }
    return session->number;
}

static enum sim_welcome told(enum sim_welcome how, enum prov_reason reason, char *why)
{
    (void)snprintf(why, 128, "%s", prov_reason_info(reason)->name);
    return how;
}

/* How a CONNECT is refused (plugin/broker/adapter.c, refusal_code). */
static enum sim_welcome refused(enum prov_reason reason, char *why)
{
    return told(prov_reason_info(reason)->retry ? SIM_DROPPED : SIM_NOT_AUTHORISED, reason, why);
}

/* The policies in force; the caller frees. */
static struct prov_policy *policy_of(struct sim_broker *broker, struct prov_tx *tx,
                                     const struct prov_cert *cert, const char *client_id)
{
    const struct prov_who who = { prov_span_str(client_id), PROV_LIT(ADDRESS), NULL };
    struct prov_policy *policy = NULL;

    sim_must(broker->world, prov_rights_policy(broker->world->rights, tx, cert, &who, &policy),
             "policy");
    return policy;
}

static enum sim_welcome let_in(struct sim_broker *broker, struct prov_tx *tx,
                               const struct prov_id *id, const char *client_id, int64_t now_ms,
                               uint64_t *session, char *why)
{
    const struct prov_policy_request connect = { .action = PROV_ACT_CONNECT,
                                                 .name = prov_span_str(client_id) };
    struct prov_policy *policy;
    struct prov_cert cert;
    bool good;

    sim_must(broker->world, prov_cert_get(tx, id, &cert), "certificate");
    policy = policy_of(broker, tx, &cert, client_id);
    good = prov_policy_decide(policy, &connect) == PROV_ALLOWED;
    prov_policy_free(policy);
    if (!good)
        return refused(PROV_REASON_CONNECT_DENIED, why);
    *session = welcome(broker, &cert, client_id, now_ms);
    return SIM_ACCEPTED;
}

enum sim_welcome sim_broker_connect(struct sim_broker *broker, X509 *leaf, const char *client_id,
                                    int64_t now_ms, uint64_t *session, char *why)
{
    struct prov_tx tx = sim_begin(broker->world, PROV_TXN_READ, now_ms);
    struct prov_decision decision = { 0 };
    enum sim_welcome how;
    struct prov_id id;

    *why = '\0';
    sim_must(broker->world, prov_ident_id(leaf, &id), "id");
    sim_must(broker->world, prov_flow_admit(broker->world->issuers, &tx, leaf, &id, &decision),
             "admission");
    if (decision.outcome == PROV_FOREIGN || decision.outcome == PROV_REFUSED)
        how = told(SIM_ALERT, decision.reason, why);
    else if (!prov_flow_client_id_ok(prov_span_str(client_id)))
        how = refused(PROV_REASON_CLIENT_ID, why);
    else if (decision.outcome == PROV_NEW)
        how = refused(PROV_REASON_FIRST_CONTACT, why);
    else
        how = let_in(broker, &tx, &decision.cert, client_id, now_ms, session, why);
    if (decision.outcome == PROV_NEW && how == SIM_DROPPED)
        first_contact(broker, leaf, client_id, &decision, now_ms);
    sim_abort(&tx);
    return how;
}

/* ---- SUBSCRIBE and PUBLISH ------------------------------------------------------------------- */

static bool may(struct sim_broker *broker, const struct session *session, enum prov_action action,
                const char *topic, int64_t now_ms)
{
    const struct prov_policy_request request = { .action = action, .name = prov_span_str(topic) };
    struct prov_tx tx = sim_begin(broker->world, PROV_TXN_READ, now_ms);
    struct prov_policy *policy = NULL;
    struct prov_cert cert;
    bool good = false;

    if (prov_cert_get(&tx, &session->cert, &cert) == PROV_OK && cert.status == PROV_CERT_ACTIVE) {
        policy = policy_of(broker, &tx, &cert, session->client_id);
        good = prov_policy_decide(policy, &request) == PROV_ALLOWED;
    }
    prov_policy_free(policy);
    sim_abort(&tx);
    return good;
}

bool sim_broker_subscribe(struct sim_broker *broker, uint64_t session, const char *const *topics,
                          size_t n, int64_t now_ms)
{
    struct session *asks = find(broker, session);
    bool good = asks != NULL;

    for (size_t i = 0; asks != NULL && i < n; i++) {
        assert_true(asks->n_topics < SIM_MAX_SUBSCRIPTIONS);
        if (!may(broker, asks, PROV_ACT_SUBSCRIBE, topics[i], now_ms))
            good = false;
        else
            (void)snprintf(asks->topics[asks->n_topics++], sizeof asks->topics[0], "%s", topics[i]);
    }
    return good;
}

static void request(struct sim_broker *broker, const struct session *session,
                    const struct prov_fleet_topic *topic, struct prov_span payload, int64_t now_ms)
{
    struct job *job = add_job(broker, now_ms);
    struct prov_fleet *fleet = prov_fleet_new();

    assert_non_null(fleet);
    job->kind = JOB_FLEET;
    job->session = session->number;
    job->fleet = fleet;
    fleet->conf = &broker->world->conf;
    fleet->op = topic->op;
    fleet->format = topic->format;
    fleet->claim = session->cert;
    fleet->attempt = ++broker->attempts;
    (void)prov_span_copy(topic->template_name, fleet->template_name, sizeof fleet->template_name);
    (void)snprintf(fleet->client_id, sizeof fleet->client_id, "%s", session->client_id);
    (void)snprintf(fleet->address, sizeof fleet->address, "%s", ADDRESS);
    prov_buf_add(&fleet->payload, payload);
    assert_int_equal(fleet->payload.rc, PROV_OK);
}

bool sim_broker_publish(struct sim_broker *broker, uint64_t session, const char *topic,
                        struct prov_span payload, int64_t now_ms)
{
    const struct session *from = find(broker, session);
    struct prov_fleet_topic parsed;

    if (from == NULL)
        return false;
    if (!may(broker, from, PROV_ACT_PUBLISH, topic, now_ms))
        return true;
    if (prov_fleet_topic_parse(prov_span_str(topic), &parsed))
        request(broker, from, &parsed, payload, now_ms);
    else
        broker->heard++;
    return true;
}
