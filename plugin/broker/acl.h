/*
 * acl.h - may this client do that? Answered from compiled policy; the store is read only when
 * something changed. Thread: broker.
 */
#ifndef PROV_ACL_H
#define PROV_ACL_H

#include "plugin.h"

/* The broker's result code for an ACL_CHECK event. */
int prov_acl_check(struct prov_plugin *pl, const struct mosquitto_evt_acl_check *ev);

/*
 * The policies of a session as the registry has them now. Barred when its certificate is not
 * ACTIVE; without rights when the registry cannot be read.
 */
void prov_acl_refresh(struct prov_plugin *pl, struct prov_session *session);

#endif
