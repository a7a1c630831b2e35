/*
 * adapter.h - CONNECT, turned into questions to core and into what the broker is to answer. Thread:
 * broker.
 */
#ifndef PROV_ADAPTER_H
#define PROV_ADAPTER_H

#include "plugin.h"

/* Mosquitto's callback (mosquitto_callback_register); userdata is a struct prov_plugin. */
int prov_on_basic_auth(int event, void *data, void *userdata);

/* A first contact ended, well or not: answers those whose CONNECT waited for it. */
void prov_adapter_contact_done(struct prov_plugin *pl, const struct prov_id *cert);

#endif
