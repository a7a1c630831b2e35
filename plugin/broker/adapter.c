#include "adapter.h"

#include <stdio.h>

#include <openssl/x509.h>

#include "announce.h"
#include "answers.h"
#include "clients.h"
#include "contact.h"
#include "core/ident.h"
#include "due.h"
#include "report.h"
#include "run/log.h"
#include "trust.h"
#include "waiting.h"

#define RELOAD_MS 1000  /* should no tick end a reload: see notice_missing_ticks */
#define NO_TICK_MS 5000 /* Mosquitto ticks ten times a second when idle */

/* ---- CONNECT --------------------------------------------------------------------------------- */

/*
 * How a CONNECT is refused. A device that gets in by trying again just loses its connection, as on
 * AWS: many clients take a CONNACK with an error for final. The others are told "not authorised".
 */
static int refusal_code(enum prov_reason reason)
{
    return prov_reason_info(reason)->retry ? MOSQ_ERR_UNKNOWN : MOSQ_ERR_AUTH;
}

static int refuse(struct prov_plugin *pl, X509 *leaf, const struct prov_caller *caller,
                  const struct prov_decision *decision, const char *detail)
{
    const struct prov_refusal refusal = {
        .reason = decision->reason,
        .cert = decision->cert,
        .ca = decision->ca,
        .client_id = caller->client_id,
        .address = caller->address,
        .leaf = leaf,
        .detail = prov_span_str(detail),
    };

    prov_report(pl, &refusal);
    return refusal_code(decision->reason);
}

static int refuse_for(struct prov_plugin *pl, X509 *leaf, const struct prov_caller *caller,
                      const struct prov_decision *decision, enum prov_reason reason,
                      const char *detail)
{
    struct prov_decision refused = *decision;

    refused.reason = reason;
    return refuse(pl, leaf, caller, &refused, detail);
}

static enum prov_reason reason_of(enum prov_rc rc)
{
    switch (rc) {
    case PROV_EBUSY:
        return PROV_REASON_BUSY;
    case PROV_ESTORE:
        return PROV_REASON_STORE;
    case PROV_ETOOBIG: /* no certificate that anybody means well has 16 KB */
        return PROV_REASON_MALFORMED;
    default:
        return PROV_REASON_INTERNAL;
    }
}

/* Does the store know this client's session as this certificate's? If not, it is told. */
static void remember_session(struct prov_plugin *pl, struct prov_tx *tx,
                             const struct mosquitto *client, const struct prov_session *session)
{
    struct prov_id known;

    /* an MQTT 5 session may outlive a clean start; its expiry interval is not to be had here */
    if (mosquitto_client_clean_session(client) && mosquitto_client_protocol_version(client) != 5)
        return;
    if (prov_client_get(tx, prov_span_str(session->client_id), &known) == PROV_OK &&
        prov_id_eq(&known, &session->cert))
        return;
    prov_client_remember(pl, session->client_id, &session->cert);
    /* until that is written, should the device go at once */
    (void)prov_sessions_add_away(pl->sessions, session->client_id, &session->cert);
}

/*
 * The broker shows the certificate's id as the user's name, whatever name the device sent. A client
 * without a name would be disconnected at each reload (SIGHUP) of a broker with allow_anonymous
 * false. Mosquitto frees the name it had.
 */
static bool set_username(struct mosquitto *client, const struct prov_id *cert)
{
    char hex[PROV_ID_HEX + 1];

    prov_id_hex(cert, hex);
    return mosquitto_set_username(client, hex) == MOSQ_ERR_SUCCESS;
}

/* Is something queued for the session from when its certificate was not ACTIVE? Its mark, or 0. */
static uint8_t stale_queue(struct prov_plugin *pl, struct prov_tx *tx,
                           const struct prov_session *session)
{
    uint8_t mark = 0;

    if (prov_client_stale(tx, prov_span_str(session->client_id), &mark) != PROV_OK ||
        prov_client_being_emptied(pl, session->client_id, mark))
        return 0;
    return mark;
}

/* The session is a device's from now on: what the broker asks while it lets it in is asked of this
 * policy. A queue that is stale is dropped meanwhile: see prov_on_acl_check. */
static void make_device(struct prov_plugin *pl, struct prov_tx *tx, struct prov_session *session,
                        struct prov_policy *policy)
{
    session->kind = PROV_SESSION_DEVICE;
    session->policy = policy;
    session->epoch = prov_sessions_epoch(pl->sessions);
    session->emptied = stale_queue(pl, tx, session);
    if (session->emptied != 0)
        pl->emptying = session->client;
    pl->newest = session->number;
    (void)prov_span_copy(prov_span_str(session->client_id), pl->newest_client_id,
                         sizeof pl->newest_client_id);
}

void prov_adapter_welcome(struct prov_plugin *pl, struct prov_tx *tx, struct prov_session *session,
                          const struct prov_cert *cert)
{
    prov_sessions_set_expiry(pl->sessions, session, cert->not_after_s);
    prov_sessions_forget_away(pl->sessions, session->client_id);
    if (session->emptied != 0)
        prov_client_mark_emptied(pl, session->client_id, session->emptied);
    remember_session(pl, tx, session->client, session);
    if (!prov_id_is_zero(&cert->replaces))
        prov_due_connected(pl, &session->cert);
    prov_sessions_set_online(pl->sessions, session, true);
    prov_metrics_add(pl->metrics, PROV_METRIC_CONNECTS_ACCEPTED, 1);
    prov_announce_connected(pl, session, cert);
}

/*
 * May the certificate's device connect? What refuses it is told; *out is the caller's. leaf: NULL,
 * as a CONNECT that waited has none any more.
 */
static int grant(struct prov_plugin *pl, struct prov_tx *tx, X509 *leaf,
                 const struct prov_caller *caller, const struct prov_decision *decision,
                 const struct prov_cert *cert, bool persistent, struct prov_policy **out)
{
    const struct prov_span client_id = prov_span_str(caller->client_id);
    const struct prov_who who = { client_id, prov_span_str(caller->address), leaf };
    const struct prov_policy_request connect = {
        .action = PROV_ACT_CONNECT,
        .name = client_id,
        .persistent = persistent,
    };
    struct prov_policy *policy = NULL;
    const enum prov_rc rc = prov_rights_policy(pl->rights, tx, cert, &who, &policy);

    if (rc != PROV_OK)
        return refuse_for(pl, leaf, caller, decision, reason_of(rc), tx->err->text);
    if (prov_policy_decide(policy, &connect) != PROV_ALLOWED) {
        prov_policy_free(policy);
        prov_announce_connect_failed(pl, &decision->cert, caller->client_id, caller->address);
        return refuse_for(pl, leaf, caller, decision, PROV_REASON_CONNECT_DENIED, NULL);
    }
    *out = policy;
    return MOSQ_ERR_SUCCESS;
}

/* Asks the policy, and opens the session when it agrees. */
static int let_in(struct prov_plugin *pl, struct prov_tx *tx, X509 *leaf,
                  const struct prov_caller *caller, const struct prov_decision *decision)
{
    const bool persistent = !mosquitto_client_clean_session(caller->client);
    struct prov_session *session;
    struct prov_policy *policy;
    struct prov_cert cert;
    enum prov_rc rc;
    int code;

    rc = prov_cert_get(tx, &decision->cert, &cert);
    if (rc != PROV_OK)
        return refuse_for(pl, leaf, caller, decision, reason_of(rc), tx->err->text);
    code = grant(pl, tx, leaf, caller, decision, &cert, persistent, &policy);
    if (code != MOSQ_ERR_SUCCESS)
        return code;
    session = prov_sessions_open(pl->sessions, caller->client, PROV_SESSION_DEVICE, &decision->cert,
                                 caller->client_id, caller->address);
    if (session == NULL || !set_username(caller->client, &decision->cert)) {
        prov_policy_free(policy);
        return refuse_for(pl, leaf, caller, decision, PROV_REASON_INTERNAL, NULL);
    }
    make_device(pl, tx, session, policy);
    prov_adapter_welcome(pl, tx, session, &cert);
    return MOSQ_ERR_SUCCESS;
}

/*
 * Not by MQTT 5: 2.1.2 frees a client that goes while it waits and keeps its Will for the delay
 * that MQTT 5 has for Wills, by an address that is another client's by then (context__disconnect
 * and will_delay__check there).
 */
static bool can_wait(const struct prov_plugin *pl, const struct mosquitto *client)
{
    return pl->compat.complete_basic_auth != NULL && mosquitto_client_protocol_version(client) != 5;
}

/* `first_connect accept` on 2.1: the CONNECT is answered when the first contact is done. The name
 * is given now, while the client is there for sure. */
static int wait_for_contact(struct prov_plugin *pl, X509 *leaf, const struct prov_caller *caller,
                            const struct prov_decision *decision)
{
    if (!set_username(caller->client, &decision->cert) ||
        prov_waiting_begin(pl, caller, &decision->cert) != PROV_OK)
        return refuse_for(pl, leaf, caller, decision, PROV_REASON_INTERNAL, NULL);
    return PROV_MOSQ_AUTH_DELAYED;
}

/*
 * `first_connect accept` where it cannot be answered later: the broker stands still until the
 * certificate is provisioned, for first_connect_wait_ms at the most.
 */
static int wait_in_place(struct prov_plugin *pl, X509 *leaf, const struct prov_caller *caller,
                         const struct prov_decision *decision, const struct prov_job *job)
{
    struct prov_decision now = *decision;
    struct prov_err err = { 0 };
    struct prov_tx tx;
    int code = MOSQ_ERR_UNKNOWN;

    if (job == NULL || !prov_pool_wait(pl->pool, job, (unsigned)pl->conf.first_connect_wait_ms))
        return code;
    (void)prov_pool_drain(pl->pool);
    if (prov_read(pl, &tx, &err) != PROV_OK)
        return code;
    if (prov_flow_admit(pl->issuers, &tx, leaf, &decision->cert, &now) == PROV_OK &&
        now.outcome == PROV_KNOWN)
        code = let_in(pl, &tx, leaf, caller, &now);
    prov_txn_abort(tx.txn);
    return code;
}

/* Without delayed authentication only a template can be waited for: a hook takes its time, and
 * JITR is somebody else's decision (design D3). */
static bool ends_at_once(struct prov_tx *tx, const struct prov_decision *decision)
{
    struct prov_ca ca;

    return prov_ca_get(tx, &decision->ca, &ca) == PROV_OK && ca.template_name.n != 0 &&
           ca.hook.n == 0;
}

static int first_contact(struct prov_plugin *pl, struct prov_tx *tx, X509 *leaf,
                         const struct prov_caller *caller, const struct prov_decision *decision)
{
    const struct prov_job *job;
    enum prov_rc rc;

    rc = prov_contact_submit(pl, leaf, decision, caller, &job);
    if (rc != PROV_OK)
        return refuse_for(pl, leaf, caller, decision, reason_of(rc), NULL);
    if (pl->conf.first_connect == PROV_FIRST_DROP)
        return refusal_code(PROV_REASON_FIRST_CONTACT);
    if (can_wait(pl, caller->client))
        return wait_for_contact(pl, leaf, caller, decision);
    if (!ends_at_once(tx, decision))
        return refusal_code(PROV_REASON_FIRST_CONTACT);
    return wait_in_place(pl, leaf, caller, decision, job);
}

/* A client that is not ours: others decide, and a session that a device left under this id is no
 * device's any more. */
static int other_client(struct prov_plugin *pl, struct prov_tx *tx, struct mosquitto *client)
{
    const char *client_id = mosquitto_client_id(client);
    struct prov_id cert;

    if (client_id == NULL)
        client_id = "";
    if (prov_answers_under_way(pl, client_id))
        return MOSQ_ERR_UNKNOWN;
    if (prov_sessions_open(pl->sessions, client, PROV_SESSION_OTHER, NULL, client_id, "") == NULL)
        return MOSQ_ERR_NOMEM;
    if (prov_sessions_away(pl->sessions, client_id) != NULL || /* it may not be written yet */
        prov_client_get(tx, prov_span_str(client_id), &cert) == PROV_OK) {
        prov_sessions_forget_away(pl->sessions, client_id);
        prov_client_remember(pl, client_id, NULL);
    }
    return pl->compat.defer;
}

/* What the handshake decided, looked at again in the registry. */
static enum prov_rc decide(struct prov_plugin *pl, struct prov_tx *tx, X509 *leaf,
                           struct prov_decision *out)
{
    const struct prov_decision *noted = prov_trust_decision(pl->trust, leaf);
    struct prov_id id;
    enum prov_rc rc = PROV_OK;

    if (noted != NULL && noted->outcome == PROV_FOREIGN) {
        *out = *noted;
        return PROV_OK;
    }
    if (noted != NULL)
        id = noted->cert;
    else
        rc = prov_ident_id(leaf, &id);
    if (rc == PROV_OK)
        rc = prov_flow_admit(pl->issuers, tx, leaf, &id, out);
    /* without a note nobody has vouched for it in this handshake: the session was resumed */
    if (rc == PROV_OK && noted == NULL && out->outcome == PROV_FOREIGN)
        out->outcome = PROV_REFUSED;
    return rc;
}

/* The option that says so, for whoever comes more often than it allows; NULL otherwise. Here the
 * key is proven, so here tokens are taken. */
static const char *too_often(struct prov_plugin *pl, const struct prov_caller *caller,
                             const struct prov_decision *decision)
{
    const int64_t now_ms = prov_steady_ms();

    if (decision->outcome == PROV_KNOWN)
        return prov_throttle_connect(pl->throttle, &decision->cert, now_ms) ? NULL
                                                                            : "certificate_per_s";
    switch (prov_throttle_newcomer(pl->throttle, caller->address, &decision->ca, now_ms)) {
    case PROV_THROTTLED_NOT:
        return NULL;
    case PROV_THROTTLED_CA:
        return "ca_per_s";
    default:
        return "address_per_s";
    }
}

static int device_client(struct prov_plugin *pl, struct prov_tx *tx, X509 *leaf,
                         struct mosquitto *client)
{
    struct prov_caller caller = { client, mosquitto_client_id(client),
                                  mosquitto_client_address(client) };
    struct prov_decision decision = { 0 };
    const char *limit;
    enum prov_rc rc;

    if (caller.client_id == NULL)
        caller.client_id = "";
    if (caller.address == NULL)
        caller.address = "";
    rc = decide(pl, tx, leaf, &decision);
    if (rc != PROV_OK)
        return refuse_for(pl, leaf, &caller, &decision, reason_of(rc), tx->err->text);
    if (decision.outcome == PROV_FOREIGN)
        return other_client(pl, tx, client);
    if (decision.outcome == PROV_REFUSED)
        return refuse(pl, leaf, &caller, &decision, NULL);
    if (!prov_flow_client_id_ok(prov_span_str(caller.client_id)))
        return refuse_for(pl, leaf, &caller, &decision, PROV_REASON_CLIENT_ID, NULL);
    if (prov_answers_under_way(pl, caller.client_id))
        return refuse_for(pl, leaf, &caller, &decision, PROV_REASON_TAKEOVER, NULL);
    limit = too_often(pl, &caller, &decision);
    if (limit != NULL)
        return refuse_for(pl, leaf, &caller, &decision, PROV_REASON_THROTTLED, limit);
    if (decision.outcome == PROV_NEW)
        return first_contact(pl, tx, leaf, &caller, &decision);
    return let_in(pl, tx, leaf, &caller, &decision);
}

/* Mosquitto 2.0 has no ticks under per_listener_settings, and calls only the plugin's own listener.
 */
static void notice_missing_ticks(struct prov_plugin *pl, int64_t now_ms)
{
    if (pl->ticks || pl->told_no_ticks || now_ms - pl->started_ms < NO_TICK_MS)
        return;
    pl->told_no_ticks = true;
    prov_log(PROV_LOG_WARNING, "no-ticks text=\"The broker gives this plugin no time of its own: "
                               "per_listener_settings true is not supported, and changes act only "
                               "when the next client does something.\"");
}

/*
 * After a reload the broker asks about every client again, also those that are away. That is no
 * CONNECT: nothing is opened, and a session that a device left is not taken for somebody else's.
 */
static int ask_again(struct prov_plugin *pl, struct prov_tx *tx, const struct mosquitto *client)
{
    const struct prov_session *session = prov_sessions_find(pl->sessions, client);
    struct prov_cert cert;

    if (session == NULL || session->kind != PROV_SESSION_DEVICE)
        return pl->compat.defer;
    if (prov_cert_get(tx, &session->cert, &cert) == PROV_OK && cert.status == PROV_CERT_ACTIVE)
        return MOSQ_ERR_SUCCESS;
    return MOSQ_ERR_AUTH;
}

/* The second look follows the RELOAD event at once, and ends before the next tick. */
static bool reloading(const struct prov_plugin *pl, int64_t now_ms)
{
    return pl->reload_ms != 0 && now_ms - pl->reload_ms < RELOAD_MS;
}

int prov_on_basic_auth(int event, void *data, void *userdata)
{
    struct mosquitto_evt_basic_auth *ev = data;
    struct prov_plugin *pl = userdata;
    struct prov_err err = { 0 };
    struct prov_tx tx;
    X509 *leaf;
    int code;

    (void)event;
    pl->emptying = NULL;
    prov_attend(pl);
    if (prov_read(pl, &tx, &err) != PROV_OK) {
        prov_log(PROV_LOG_ERROR, "store-unreadable text=\"%s\"", err.text);
        return MOSQ_ERR_UNKNOWN;
    }
    if (reloading(pl, tx.now_ms)) {
        code = ask_again(pl, &tx, ev->client);
        prov_txn_abort(tx.txn);
        return code;
    }
    notice_missing_ticks(pl, tx.now_ms);
    prov_waiting_gone(pl, mosquitto_client_id(ev->client));
    leaf = mosquitto_client_certificate(ev->client);
    code =
        leaf != NULL ? device_client(pl, &tx, leaf, ev->client) : other_client(pl, &tx, ev->client);
    X509_free(leaf);
    prov_txn_abort(tx.txn);
    return code;
}

/* ---- CONNECTs that waited -------------------------------------------------------------------- */

bool prov_adapter_admit(struct prov_plugin *pl, struct prov_tx *tx, struct prov_session *session,
                        const struct prov_cert *cert, bool persistent, bool tell)
{
    const struct prov_caller caller = { NULL, session->client_id, session->address };
    const struct prov_decision decision = {
        PROV_KNOWN, PROV_REASON_NONE, session->cert, { { 0 } }
    };
    const enum prov_reason why =
        cert != NULL ? prov_flow_status_reason(cert->status) : PROV_REASON_CERT_DELETED;
    struct prov_policy *policy;

    if (why != PROV_REASON_NONE) {
        if (tell)
            (void)refuse_for(pl, NULL, &caller, &decision, why, NULL);
        return false;
    }
    if (grant(pl, tx, NULL, &caller, &decision, cert, persistent, &policy) != MOSQ_ERR_SUCCESS)
        return false;
    make_device(pl, tx, session, policy);
    return true;
}
