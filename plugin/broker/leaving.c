#include "leaving.h"

#include "announce.h"
#include "report.h"
#include "run/log.h"
#include "trust.h"

/* ---- disconnecting --------------------------------------------------------------------------- */

static void tell_kicked(const struct prov_session *session)
{
    char hex[PROV_ID_HEX + 1], quoted[256];

    prov_id_hex(&session->cert, hex);
    prov_log(PROV_LOG_NOTICE,
             "disconnected reason=%s client=%s address=%s certificate=%s text=\"%s\"",
             prov_reason_info(session->why)->name,
             prov_log_quote(prov_span_str(session->client_id), quoted, sizeof quoted),
             session->address, hex, prov_reason_info(session->why)->sentence);
}

/* Certificates run out while their devices are connected. The table is looked through when the
 * first of them has, not at every tick. */
void prov_leaving_expire(struct prov_plugin *pl)
{
    const int64_t now_s = prov_now_ms() / 1000;

    if (now_s > prov_sessions_first_expiry(pl->sessions))
        prov_sessions_expire(pl->sessions, now_s);
}

void prov_leaving_tick(struct prov_plugin *pl)
{
    struct prov_session *session;

    while ((session = prov_sessions_next_kick(pl->sessions)) != NULL) {
        tell_kicked(session);
        session->kicked = true;
        prov_metrics_add(pl->metrics, PROV_METRIC_KICKED, 1);
        (void)mosquitto_kick_client_by_clientid(session->client_id, true);
    }
}

/* ---- why it went ----------------------------------------------------------------------------- */

/* What 2.1 passes on (mosquitto/defs.h); 2.0 always says -1. */
static enum prov_disconnect from_code(int code)
{
    switch (code) {
    case MOSQ_ERR_SUCCESS:
        return PROV_BY_CLIENT;
    case MOSQ_ERR_CONN_LOST:
    case MOSQ_ERR_TLS:
    case MOSQ_ERR_ERRNO:
        return PROV_CONNECTION_LOST;
    case MOSQ_ERR_KEEPALIVE:
        return PROV_KEEP_ALIVE_TIMEOUT;
    case MOSQ_ERR_NOMEM:
    case MOSQ_ERR_UNKNOWN:
        return PROV_SERVER_ERROR;
    case PROV_MOSQ_ADMINISTRATIVE_ACTION:
        return PROV_BY_SERVER;
    case PROV_MOSQ_SESSION_TAKEN_OVER:
        return PROV_DUPLICATE_CLIENT_ID;
    default:
        return PROV_CLIENT_ERROR;
    }
}

/* The newest session let in takes the place of another with its client id within the same callback.
 */
static bool taken_over(const struct prov_plugin *pl, const struct prov_session *session)
{
    return pl->newest != 0 && pl->newest != session->number &&
           strcmp(pl->newest_client_id, session->client_id) == 0;
}

static enum prov_disconnect why_gone(struct prov_plugin *pl, const struct prov_session *session,
                                     int code)
{
    if (session->kicked)
        return PROV_AUTH_ERROR;
    if (taken_over(pl, session))
        return PROV_DUPLICATE_CLIENT_ID;
    return code >= 0 ? from_code(code) : prov_trust_farewell(pl->trust, session->client);
}

static void went(struct prov_plugin *pl, struct prov_session *session, int code)
{
    prov_sessions_set_online(pl->sessions, session, false);
    if (session->presence == 0)
        return;
    prov_announce_disconnected(pl, session, why_gone(pl, session, code));
    session->presence = 0; /* told once */
}

int prov_on_disconnect(int event, void *data, void *userdata)
{
    const struct mosquitto_evt_disconnect *ev = data;
    struct prov_plugin *pl = userdata;
    struct prov_session *session = prov_sessions_find(pl->sessions, ev->client);

    (void)event;
    if (session == NULL || session->gone)
        return MOSQ_ERR_SUCCESS;
    went(pl, session, ev->reason);
    prov_sessions_close(pl->sessions, session);
    return MOSQ_ERR_SUCCESS;
}

int prov_on_client_offline(int event, void *data, void *userdata)
{
    const struct mosquitto_evt_disconnect *ev = data; /* its layout, too */
    struct prov_plugin *pl = userdata;
    struct prov_session *session = prov_sessions_find(pl->sessions, ev->client);

    (void)event;
    if (session != NULL && !session->gone)
        went(pl, session, ev->reason);
    return MOSQ_ERR_SUCCESS;
}
