/*
 * clients.h - what the store knows of client ids with a session, written by way of the pool: to
 * whom a session belongs, and that its queue was dropped. Thread: broker.
 */
#ifndef PROV_CLIENTS_H
#define PROV_CLIENTS_H

#include "plugin.h"

/* Remembers in the store that a persistent session belongs to a certificate; cert NULL: to none any
 * more. */
void prov_client_remember(struct prov_plugin *pl, const char *client_id,
                          const struct prov_id *cert);
/* Remembers that the session's queue was dropped, of that stale mark (prov_client_stale). */
void prov_client_mark_emptied(struct prov_plugin *pl, const char *client_id, uint8_t mark);
/* Is that on its way to the store, which may not say so yet? */
bool prov_client_being_emptied(struct prov_plugin *pl, const char *client_id, uint8_t mark);

#endif
