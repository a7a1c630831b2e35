/*
 * waiting.h - CONNECTs that are answered later: `first_connect accept` on Mosquitto 2.1.
 *
 * The broker is answered by client id, and does not say when a client that waits goes away, whose
 * address it then uses again. So that address is compared and never looked behind until the broker
 * itself names it as connected; and only one CONNECT waits under a client id, which is the newest.
 * Answers are given in the tick alone: no callback of another client's is under way there, and
 * nothing is on its way to whoever had the client id before (see answers.h). Thread: broker.
 */
#ifndef PROV_WAITING_H
#define PROV_WAITING_H

#include "contact.h"

PROV_MUST_USE enum prov_rc prov_waiting_new(struct prov_waiting **out);
void prov_waiting_free(struct prov_waiting *waiting); /* NULL is accepted */

/* This CONNECT waits for its certificate's first contact, which is under way. PROV_ENOMEM: it
 * cannot. */
PROV_MUST_USE enum prov_rc prov_waiting_begin(struct prov_plugin *pl,
                                              const struct prov_caller *caller,
                                              const struct prov_id *cert);

/* The first contact ended. pending: well, but somebody else is to activate the certificate. */
void prov_waiting_contact_done(struct prov_plugin *pl, const struct prov_id *cert, bool pending);
/* The certificate of this session, which waits, has changed. */
void prov_waiting_changed(struct prov_plugin *pl, const struct prov_session *session);
/* A CONNECT with this client id: the broker lets none in beside one that waits, so whoever waited
 * under it has gone. NULL is accepted. */
void prov_waiting_gone(struct prov_plugin *pl, const char *client_id);

/* At each tick, before answers are sent: cheap when nobody is to be answered. */
void prov_waiting_tick(struct prov_plugin *pl);
/* Now and then: who has waited for too long is to be answered. */
void prov_waiting_expire(struct prov_plugin *pl);

#endif
