/*
 * adapter.h - the broker's events, turned into questions to core and into what the broker is to do.
 * Thread: broker.
 */
#ifndef PROV_ADAPTER_H
#define PROV_ADAPTER_H

#include "plugin.h"

/* Mosquitto's callbacks (mosquitto_callback_register); userdata is a struct prov_plugin. */
int prov_on_basic_auth(int event, void *data, void *userdata);
int prov_on_acl_check(int event, void *data, void *userdata);
int prov_on_tick(int event, void *data, void *userdata);
int prov_on_reload(int event, void *data, void *userdata);

/* A first contact ended, well or not: answers those whose CONNECT waited for it. */
void prov_adapter_contact_done(struct prov_plugin *pl, const struct prov_id *cert);

#endif
