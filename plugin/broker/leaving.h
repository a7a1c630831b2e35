/*
 * leaving.h - how sessions end: their rights ended, their certificate ran out, the client went; and
 * who is told. Thread: broker.
 */
#ifndef PROV_LEAVING_H
#define PROV_LEAVING_H

#include "plugin.h"

/* Mosquitto's callbacks; userdata is a struct prov_plugin. */
int prov_on_disconnect(int event, void *data, void *userdata);
/* 2.1: the device of a persistent session went; the session stays (mosquitto/broker.h, 28). */
#define PROV_EVT_CLIENT_OFFLINE 28
int prov_on_client_offline(int event, void *data, void *userdata);

/* Whose certificate has run out while it is connected is to be disconnected. Now and then. */
void prov_leaving_expire(struct prov_plugin *pl);
/* At each tick: disconnects who is to be disconnected. */
void prov_leaving_tick(struct prov_plugin *pl);

#endif
