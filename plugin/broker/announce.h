/*
 * announce.h - what the plugin tells subscribers of its own accord: events on $aws/events/…, routed
 * by the broker to whoever may read them, at QoS 1 and never retained. Thread: broker.
 */
#ifndef PROV_ANNOUNCE_H
#define PROV_ANNOUNCE_H

#include "core/event.h"
#include "plugin.h"

/* A certificate waits to be activated (reference 6.2). */
void prov_announce_registered(struct prov_plugin *pl, const struct prov_contact *contact);

/* Presence (reference 6.3), unless switched off. cert is the session's, as registered now; may be
 * NULL. */
void prov_announce_connected(struct prov_plugin *pl, struct prov_session *session,
                             const struct prov_cert *cert);
void prov_announce_disconnected(struct prov_plugin *pl, const struct prov_session *session,
                                enum prov_disconnect why);
/* A registered certificate whose policies do not let this client id in. */
void prov_announce_connect_failed(struct prov_plugin *pl, const struct prov_id *cert,
                                  const char *client_id, const char *address);

#endif
