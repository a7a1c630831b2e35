/*
 * contact.h - first contacts on their way through the pool: one at a time for each certificate.
 * Thread: broker.
 */
#ifndef PROV_CONTACT_H
#define PROV_CONTACT_H

#include "plugin.h"

/* Whoever asked for a first contact and how it should end. */
struct prov_caller {
    struct mosquitto *client;
    const char *client_id, *address;
};

PROV_MUST_USE enum prov_rc prov_contacts_new(struct prov_contacts **out);
void prov_contacts_free(struct prov_contacts *contacts); /* NULL is accepted; after the pool */

/*
 * Sends a first contact on its way. PROV_OK: it is under way (also when it was already); the device
 * is to try again. PROV_EBUSY: too many are. *job, unless NULL, is the job, for prov_pool_wait;
 * NULL there when it was under way already.
 */
PROV_MUST_USE enum prov_rc prov_contact_submit(struct prov_plugin *pl, X509 *leaf,
                                               const struct prov_decision *decision,
                                               const struct prov_caller *caller,
                                               const struct prov_job **job);

#endif
