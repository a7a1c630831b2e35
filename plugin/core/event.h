/*
 * event.h - what subscribers are told on $aws/events/…: topics and payloads of reference sections
 * 6.2 and 6.3, field for field in the order AWS IoT documents them, without white space.
 *
 * Text from devices that is not UTF-8 has U+FFFD in those places. Thread: any.
 */
#ifndef PROV_EVENT_H
#define PROV_EVENT_H

#include "base.h"

/* Release with prov_event_release, also after an error. */
struct prov_event {
    struct prov_buf topic, payload;
};

void prov_event_release(struct prov_event *event);

/* ---- a certificate that waits to be activated ------------------------------------------------ */

struct prov_registered {
    struct prov_id cert, ca;
    const char *account_id;
    int64_t at_ms;
    int64_t registered_ms; /* 0: just now, which AWS IoT tells as null */
};

/* $aws/events/certificates/registered/<caCertificateId> */
PROV_MUST_USE enum prov_rc prov_event_registered(const struct prov_registered *registered,
                                                 struct prov_event *out);

/* ---- presence -------------------------------------------------------------------------------- */

enum prov_presence_kind { PROV_CONNECTED, PROV_DISCONNECTED, PROV_CONNECT_FAILED };

enum prov_disconnect {
    PROV_BY_CLIENT, /* it sent DISCONNECT */
    PROV_CLIENT_ERROR,
    PROV_CONNECTION_LOST,
    PROV_DUPLICATE_CLIENT_ID,
    PROV_KEEP_ALIVE_TIMEOUT,
    PROV_SERVER_ERROR,
    PROV_BY_SERVER,
    PROV_AUTH_ERROR, /* its certificate or its rights ended */
    PROV_DISCONNECTS
};

struct prov_presence {
    enum prov_presence_kind kind;
    const char *client_id;
    struct prov_span thing_name; /* of an exclusive attachment (reference 7.4); may be empty */
    int64_t at_ms;
    uint8_t session[16]; /* sessionIdentifier: a UUID */
    struct prov_id principal;
    const char *address; /* connected and connect_failed */
    uint64_t version;    /* connected and disconnected: the same number for one connection,
                            a larger one for each later */
    enum prov_disconnect disconnect; /* disconnected */
};

/* $aws/events/presence/<kind>/<clientId>. PROV_ENOTFOUND: none for this client id, which holds '#'
 * or '+' (reference 6.3). */
PROV_MUST_USE enum prov_rc prov_event_presence(const struct prov_presence *presence,
                                               struct prov_event *out);

#endif
