#include "announce.h"

#include <stdlib.h>

#include <openssl/rand.h>

#include "run/log.h"

#define QUIET_MS 60000 /* between two lines about events that could not be published */

static void publish(struct prov_plugin *pl, enum prov_rc rc, struct prov_event *event)
{
    const int64_t now_ms = prov_now_ms();
    bool sent = rc == PROV_OK && event->payload.n <= INT_MAX;

    if (sent)
        sent =
            mosquitto_broker_publish_copy(NULL, prov_buf_cstr(&event->topic), (int)event->payload.n,
                                          event->payload.p, 1, false, NULL) == MOSQ_ERR_SUCCESS;
    pl->published = pl->published || sent;
    if (!sent && rc != PROV_ENOTFOUND && now_ms - pl->told_event_ms >= QUIET_MS) {
        pl->told_event_ms = now_ms;
        prov_log(PROV_LOG_WARNING, "event-not-published topic=%s reason=%s",
                 prov_buf_cstr(&event->topic), prov_rc_name(rc != PROV_OK ? rc : PROV_ENOMEM));
    }
    prov_event_release(event);
}

void prov_announce_registered(struct prov_plugin *pl, const struct prov_contact *contact)
{
    const struct prov_registered registered = {
        .cert = contact->cert,
        .ca = contact->ca,
        .account_id = contact->account_id,
        .at_ms = prov_now_ms(),
        .registered_ms = contact->registered_ms,
    };
    struct prov_event event;
    const enum prov_rc rc = prov_event_registered(&registered, &event);

    publish(pl, rc, &event);
}

/* ---- presence -------------------------------------------------------------------------------- */

/* Of one connection: a number that only rises, also over restarts, and a UUID (version 4). */
static bool name_session(struct prov_plugin *pl, struct prov_session *session)
{
    const uint64_t now_ms = (uint64_t)prov_now_ms();

    if (RAND_bytes(session->uuid, sizeof session->uuid) != 1)
        return false;
    session->uuid[6] = (uint8_t)((session->uuid[6] & 0x0f) | 0x40);
    session->uuid[8] = (uint8_t)((session->uuid[8] & 0x3f) | 0x80);
    pl->last_presence = now_ms > pl->last_presence ? now_ms : pl->last_presence + 1;
    session->presence = pl->last_presence;
    return true;
}

static struct prov_presence presence_of(const struct prov_session *session,
                                        enum prov_presence_kind kind)
{
    struct prov_presence presence = {
        .kind = kind,
        .client_id = session->client_id,
        .thing_name = prov_span_str(session->thing),
        .at_ms = prov_now_ms(),
        .principal = session->cert,
        .address = session->address,
        .version = session->presence,
    };

    memcpy(presence.session, session->uuid, sizeof presence.session);
    return presence;
}

void prov_announce_connected(struct prov_plugin *pl, struct prov_session *session,
                             const struct prov_cert *cert)
{
    struct prov_presence presence;
    struct prov_event event;
    enum prov_rc rc;

    if (pl->conf.presence_events == PROV_PRESENCE_OFF || !name_session(pl, session))
        return;
    free(session->thing);
    session->thing = cert != NULL && cert->exclusive ? prov_span_dup(cert->things[0]) : NULL;
    presence = presence_of(session, PROV_CONNECTED);
    rc = prov_event_presence(&presence, &event);
    publish(pl, rc, &event);
}

void prov_announce_disconnected(struct prov_plugin *pl, const struct prov_session *session,
                                enum prov_disconnect why)
{
    struct prov_presence presence;
    struct prov_event event;
    enum prov_rc rc;

    if (session->kind != PROV_SESSION_DEVICE || session->presence == 0)
        return; /* it was never told to be there */
    presence = presence_of(session, PROV_DISCONNECTED);
    presence.disconnect = why;
    rc = prov_event_presence(&presence, &event);
    publish(pl, rc, &event);
}

void prov_announce_connect_failed(struct prov_plugin *pl, const struct prov_id *cert,
                                  const char *client_id, const char *address)
{
    struct prov_presence presence = {
        .kind = PROV_CONNECT_FAILED,
        .client_id = client_id,
        .at_ms = prov_now_ms(),
        .principal = *cert,
        .address = address,
    };
    struct prov_event event;
    enum prov_rc rc;

    if (pl->conf.presence_events == PROV_PRESENCE_OFF ||
        RAND_bytes(presence.session, sizeof presence.session) != 1)
        return;
    rc = prov_event_presence(&presence, &event);
    publish(pl, rc, &event);
}
