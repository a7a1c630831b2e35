#include "acl.h"

#include <stdio.h>

#include <openssl/x509.h>

#include "changes.h"
#include "control.h"
#include "fleet.h"
#include "report.h"
#include "run/log.h"

/* Off the way of a check that a connected device passes. */
#define SELDOM __attribute__((noinline))

/* ---- sessions -------------------------------------------------------------------------------- */

/* The policies in force; *barred and no policy when the certificate is not ACTIVE or not there. */
static enum prov_rc read_rights(struct prov_plugin *pl, const struct prov_session *session,
                                bool *barred, struct prov_policy **policy, struct prov_err *err)
{
    const struct prov_who who = { prov_span_str(session->client_id),
                                  prov_span_str(session->address), NULL };
    struct prov_cert cert;
    struct prov_tx tx;
    enum prov_rc rc;

    rc = prov_read(pl, &tx, err);
    if (rc != PROV_OK)
        return rc;
    rc = prov_cert_get(&tx, &session->cert, &cert);
    *barred = rc == PROV_ENOTFOUND || (rc == PROV_OK && cert.status != PROV_CERT_ACTIVE);
    if (rc == PROV_OK && !*barred)
        rc = prov_rights_policy(pl->rights, &tx, &cert, &who, policy);
    prov_txn_abort(tx.txn);
    return *barred ? PROV_OK : rc;
}

void prov_acl_refresh(struct prov_plugin *pl, struct prov_session *session)
{
    struct prov_policy *policy = NULL;
    struct prov_err err = { 0 };
    char quoted[256];
    enum prov_rc rc;

    session->barred = false;
    rc = read_rights(pl, session, &session->barred, &policy, &err);
    if (rc != PROV_OK)
        prov_log(PROV_LOG_ERROR, "rights-unreadable client=%s text=\"%s\"",
                 prov_log_quote(prov_span_str(session->client_id), quoted, sizeof quoted),
                 err.text);
    session->stale = false;
    session->epoch = prov_sessions_epoch(pl->sessions);
    if (session->barred)
        return; /* what it had is kept for its Will */
    prov_policy_free(session->policy);
    session->policy = policy;
}

/* A persistent session whose device is away: its certificate is remembered in the store. */
static struct prov_session *away_session(struct prov_plugin *pl, const char *client_id)
{
    struct prov_session *session = prov_sessions_away(pl->sessions, client_id);
    struct prov_tx tx;
    struct prov_id cert;
    enum prov_rc rc;

    if (session != NULL || prov_read(pl, &tx, NULL) != PROV_OK)
        return session;
    rc = prov_client_get(&tx, prov_span_str(client_id), &cert);
    prov_txn_abort(tx.txn);
    return rc == PROV_OK ? prov_sessions_add_away(pl->sessions, client_id, &cert) : NULL;
}

/* ---- clients that are not ours --------------------------------------------------------------- */

/* Whoever may write there rules the registry: `other_clients allow` does not mean that. */
static bool is_control(const struct mosquitto_evt_acl_check *ev)
{
    return ev->access == MOSQ_ACL_WRITE && strncmp(ev->topic, "$CONTROL/", 9) == 0;
}

static int leave_to_others(struct prov_plugin *pl, const struct mosquitto_evt_acl_check *ev)
{
    /* provisioning is the devices' own, and what was answered to one connection is not for the
     * next */
    if (ev->topic[0] == '$' && (ev->access == MOSQ_ACL_WRITE || ev->access == MOSQ_ACL_READ) &&
        (prov_is_private_topic(ev->topic) || strcmp(ev->topic, PROV_CONTROL_ANSWERS) == 0))
        return MOSQ_ERR_ACL_DENIED;
    if (pl->conf.other_clients == PROV_OTHERS_ALLOW && !is_control(ev))
        return MOSQ_ERR_SUCCESS;
    if (pl->compat.defer_denies && !pl->told_others) {
        pl->told_others = true;
        prov_log(PROV_LOG_NOTICE,
                 "other-clients text=\"Clients without a device certificate are left to the "
                 "broker's other rules. Mosquitto 2.0 denies them everything unless there is an "
                 "acl_file or another plugin that allows it: add an acl_file, or set "
                 "plugin_opt_other_clients allow.\"");
    }
    return pl->compat.defer;
}

/* A connected device that BASIC_AUTH never saw: the listener takes the username from its
 * certificate. */
static int skipped(struct prov_plugin *pl, const struct mosquitto *client)
{
    const struct prov_refusal refusal = {
        .reason = PROV_REASON_SKIPPED,
        .client_id = mosquitto_client_id(client),
        .address = mosquitto_client_address(client),
    };

    prov_report(pl, &refusal);
    return MOSQ_ERR_ACL_DENIED;
}

/*
 * No session under this pointer. Connected with a certificate: it got past us. Otherwise it is not
 * connected: a device's session that is waiting for it, or somebody else's.
 */
static int stranger(struct prov_plugin *pl, const struct mosquitto_evt_acl_check *ev,
                    struct prov_session **session)
{
    const char *client_id = mosquitto_client_id(ev->client);
    X509 *leaf = mosquitto_client_certificate(ev->client);

    X509_free(leaf);
    if (leaf != NULL)
        return skipped(pl, ev->client);
    *session = client_id != NULL ? away_session(pl, client_id) : NULL;
    return *session != NULL ? MOSQ_ERR_SUCCESS : leave_to_others(pl, ev);
}

/* ---- devices --------------------------------------------------------------------------------- */

static enum prov_reason denial_reason(int access, struct prov_span topic)
{
    if (access == MOSQ_ACL_SUBSCRIBE)
        return PROV_REASON_SUBSCRIBE_DENIED;
    return topic.n != 0 && topic.p[0] == '$' && !prov_is_request_topic((const char *)topic.p)
               ? PROV_REASON_RESERVED_TOPIC
               : PROV_REASON_PUBLISH_DENIED;
}

/* A delivery that is not made is nobody's attempt; the rest is told, and may cost the connection.
 */
static SELDOM int deny(struct prov_plugin *pl, struct prov_session *session,
                       const struct mosquitto_evt_acl_check *ev, struct prov_span topic)
{
    const struct prov_refusal refusal = {
        .reason = denial_reason(ev->access, topic),
        .cert = session->cert,
        .client_id = session->client_id,
        .address = session->address,
        .detail = topic,
    };

    if (ev->access == MOSQ_ACL_READ)
        return MOSQ_ERR_ACL_DENIED;
    prov_report(pl, &refusal);
    if (pl->conf.on_denied == PROV_DENIED_DISCONNECT)
        prov_sessions_kick(pl->sessions, session, refusal.reason);
    return MOSQ_ERR_ACL_DENIED;
}

static SELDOM bool may_retain(const struct prov_session *session, struct prov_span topic)
{
    const struct prov_policy_request request = { .action = PROV_ACT_RETAIN_PUBLISH, .name = topic };

    return prov_policy_decide(session->policy, &request) == PROV_ALLOWED;
}

/*
 * On topics that start with '$'. Devices never publish there, whatever their policy (reference
 * 6.5), except to provision, where nothing is retained (6.5 too); what is said there is received
 * by nobody but who asked.
 */
static SELDOM bool may_on_reserved(const struct mosquitto_evt_acl_check *ev)
{
    if (ev->access == MOSQ_ACL_WRITE)
        return !ev->retain && prov_is_request_topic(ev->topic);
    return ev->access != MOSQ_ACL_READ || !prov_is_private_topic(ev->topic);
}

static bool may(const struct prov_session *session, const struct mosquitto_evt_acl_check *ev,
                struct prov_span topic)
{
    struct prov_policy_request request = { .action = PROV_ACT_SUBSCRIBE, .name = topic };

    if (topic.n != 0 && topic.p[0] == '$' && !may_on_reserved(ev))
        return false;
    if (session->policy == NULL || (session->barred && !session->gone))
        return false;
    if (ev->access == MOSQ_ACL_WRITE)
        request.action = PROV_ACT_PUBLISH;
    else if (ev->access == MOSQ_ACL_READ)
        request.action = PROV_ACT_RECEIVE;
    if (prov_policy_decide(session->policy, &request) != PROV_ALLOWED)
        return false;
    return ev->access != MOSQ_ACL_WRITE || !ev->retain || may_retain(session, topic);
}

/*
 * Whose rights count where there is no session of a connected device. Who has just gone publishes a
 * Will; what is asked about deliveries is about a device that is away. NULL: *code is the answer.
 */
static SELDOM struct prov_session *absent_session(struct prov_plugin *pl,
                                                  const struct mosquitto_evt_acl_check *ev,
                                                  struct prov_session *session, int *code)
{
    if (session != NULL && session->gone && ev->access != MOSQ_ACL_WRITE)
        session = NULL;
    if (session == NULL) {
        prov_changes_follow(pl); /* a queue outlives ticks: what is revoked gets nothing more */
        *code = stranger(pl, ev, &session);
    }
    if (session != NULL && session->kind == PROV_SESSION_WAITING) {
        *code = MOSQ_ERR_ACL_DENIED; /* the Will of a client that went before it was let in */
        return NULL;
    }
    if (session == NULL || session->kind != PROV_SESSION_OTHER)
        return session;
    *code = leave_to_others(pl, ev);
    return NULL;
}

/*
 * What was queued for a session while its certificate was not ACTIVE is never delivered: when
 * BASIC_AUTH has let it in again, Mosquitto asks about each queued message (connection_check_acl),
 * before anything else of this client's.
 */
static SELDOM bool is_emptied(struct prov_plugin *pl, const struct mosquitto_evt_acl_check *ev)
{
    if (pl->emptying != ev->client)
        return false;
    if (ev->access == MOSQ_ACL_READ)
        return true;
    pl->emptying = NULL;
    return false;
}

int prov_on_acl_check(int event, void *data, void *userdata)
{
    const struct mosquitto_evt_acl_check *ev = data;
    struct prov_plugin *pl = userdata;
    struct prov_session *session;
    struct prov_span topic;
    int code;

    (void)event;
    if (!pl->ticks)
        prov_attend(pl);
    session = prov_sessions_find(pl->sessions, ev->client);
    if (pl->emptying != NULL && is_emptied(pl, ev))
        return MOSQ_ERR_ACL_DENIED;

    if (session == NULL || session->gone || session->kind != PROV_SESSION_DEVICE) {
        session = absent_session(pl, ev, session, &code);
        if (session == NULL)
            return code;
    }
    if (!session->gone && (session->stale || session->epoch != prov_sessions_epoch(pl->sessions)))
        prov_acl_refresh(pl, session);
    if (ev->access == MOSQ_ACL_UNSUBSCRIBE)
        return MOSQ_ERR_SUCCESS; /* asking for less is free, as on AWS */
    topic = prov_span_str(ev->topic);
    if ((ev->access == MOSQ_ACL_READ || ev->access == MOSQ_ACL_WRITE ||
         ev->access == MOSQ_ACL_SUBSCRIBE) &&
        may(session, ev, topic))
        return MOSQ_ERR_SUCCESS;
    return deny(pl, session, ev, topic);
}
