#include "event.h"

#include <inttypes.h>
#include <stdio.h>

#include "doc.h"
#include "limits.h"

#define MAX_EVENT 8192 /* bytes of a payload; a client id's JSON escapes are its largest part */

void prov_event_release(struct prov_event *event)
{
    prov_buf_release(&event->topic);
    prov_buf_release(&event->payload);
}

static void start(struct prov_event *out)
{
    prov_buf_init(&out->topic, PROV_MAX_TOPIC);
    prov_buf_init(&out->payload, MAX_EVENT);
}

static enum prov_rc finish(struct prov_doc *d, struct prov_event *out)
{
    const enum prov_rc rc = prov_doc_print(d, &out->payload);

    return rc != PROV_OK ? rc : out->topic.rc;
}

enum prov_rc prov_event_registered(const struct prov_registered *r, struct prov_event *out)
{
    struct prov_doc d = prov_doc_start(NULL);
    char ca[PROV_ID_HEX + 1], at[24];

    start(out);
    prov_id_hex(&r->ca, ca);
    prov_buf_addf(&out->topic, "$aws/events/certificates/registered/%s", ca);
    prov_doc_id(&d, d.root, "certificateId", &r->cert);
    prov_doc_id(&d, d.root, "caCertificateId", &r->ca);
    prov_doc_number(&d, d.root, "timestamp", (double)r->at_ms);
    prov_doc_text(&d, d.root, "certificateStatus", PROV_LIT("PENDING_ACTIVATION"));
    prov_doc_text(&d, d.root, "awsAccountId", prov_span_str(r->account_id));
    (void)snprintf(at, sizeof at, "%" PRId64, r->registered_ms);
    (void)prov_doc_put(&d, d.root, "certificateRegistrationTimestamp",
                       r->registered_ms == 0 ? cJSON_CreateNull()
                                             : prov_doc_string(prov_span_str(at)));
    return finish(&d, out);
}

/* ---- presence -------------------------------------------------------------------------------- */

static const char *const kinds[] = {
    [PROV_CONNECTED] = "connected",
    [PROV_DISCONNECTED] = "disconnected",
    [PROV_CONNECT_FAILED] = "connect_failed",
};

static const char *const reasons[] = {
    [PROV_BY_CLIENT] = "CLIENT_INITIATED_DISCONNECT",
    [PROV_CLIENT_ERROR] = "CLIENT_ERROR",
    [PROV_CONNECTION_LOST] = "CONNECTION_LOST",
    [PROV_DUPLICATE_CLIENT_ID] = "DUPLICATE_CLIENTID",
    [PROV_KEEP_ALIVE_TIMEOUT] = "MQTT_KEEP_ALIVE_TIMEOUT",
    [PROV_SERVER_ERROR] = "SERVER_ERROR",
    [PROV_BY_SERVER] = "SERVER_INITIATED_DISCONNECT",
    [PROV_AUTH_ERROR] = "AUTH_ERROR",
};
_Static_assert(PROV_COUNT(reasons) == PROV_DISCONNECTS, "a reason was added without a name");

static void uuid_text(const uint8_t uuid[static 16], char out[static 37])
{
    char hex[33];

    prov_hex(uuid, 16, hex);
    (void)snprintf(out, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
                   hex + 20);
}

enum prov_rc prov_event_presence(const struct prov_presence *p, struct prov_event *out)
{
    struct prov_doc d;
    char uuid[37];

    start(out);
    if (p->client_id[0] == '\0' || strpbrk(p->client_id, "#+") != NULL)
        return PROV_ENOTFOUND;
    d = prov_doc_start(NULL);
    prov_buf_addf(&out->topic, "$aws/events/presence/%s/%s", kinds[p->kind], p->client_id);
    prov_doc_text(&d, d.root, "clientId", prov_span_str(p->client_id));
    prov_doc_text_if(&d, d.root, "thingName", p->thing_name);
    prov_doc_number(&d, d.root, "timestamp", (double)p->at_ms);
    prov_doc_text(&d, d.root, "eventType", prov_span_str(kinds[p->kind]));
    uuid_text(p->session, uuid);
    prov_doc_text(&d, d.root, "sessionIdentifier", prov_span_str(uuid));
    prov_doc_id(&d, d.root, "principalIdentifier", &p->principal);
    if (p->kind != PROV_DISCONNECTED)
        prov_doc_text(&d, d.root, "ipAddress", prov_span_str(p->address));
    if (p->kind == PROV_DISCONNECTED) {
        prov_doc_bool(&d, d.root, "clientInitiatedDisconnect", p->disconnect == PROV_BY_CLIENT);
        prov_doc_text(&d, d.root, "disconnectReason", prov_span_str(reasons[p->disconnect]));
    }
    if (p->kind == PROV_CONNECT_FAILED)
        prov_doc_text(&d, d.root, "connectFailureReason", PROV_LIT("AUTHORIZATION_FAILED"));
    else
        prov_doc_number(&d, d.root, "versionNumber", (double)p->version);
    return finish(&d, out);
}
