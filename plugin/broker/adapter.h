/*
 * adapter.h - CONNECT, turned into questions to core and into what the broker is to answer. Thread:
 * broker.
 */
#ifndef PROV_ADAPTER_H
#define PROV_ADAPTER_H

#include "plugin.h"

/* Mosquitto's callback (mosquitto_callback_register); userdata is a struct prov_plugin. */
int prov_on_basic_auth(int event, void *data, void *userdata);

/*
 * A CONNECT that waited, and whose certificate is ACTIVE (cert; NULL: it is not registered any
 * more): the policy is asked, and the session becomes a device's. False: it is refused. tell: also
 * where its certificate's status is why, of which its first contact knew nothing.
 */
bool prov_adapter_admit(struct prov_plugin *pl, struct prov_tx *tx, struct prov_session *session,
                        const struct prov_cert *cert, bool persistent, bool tell);

/* The session's device is in: what is remembered, counted and announced of that. */
void prov_adapter_welcome(struct prov_plugin *pl, struct prov_tx *tx, struct prov_session *session,
                          const struct prov_cert *cert);

#endif
