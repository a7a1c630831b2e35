/*
 * acl.h - may this client do that? Answered from compiled policy; the store is read only when
 * something changed. Thread: broker.
 */
#ifndef PROV_ACL_H
#define PROV_ACL_H

#include "plugin.h"

/* Mosquitto's callback; userdata is a struct prov_plugin. */
int prov_on_acl_check(int event, void *data, void *userdata);

/*
 * The policies of a session as the registry has them now. Barred when its certificate is not
 * ACTIVE; without rights when the registry cannot be read.
 */
void prov_acl_refresh(struct prov_plugin *pl, struct prov_session *session);

#endif
