/*
 * sys.h - the metrics of a running broker: sampled once a second for `provctl status`, and told
 * below $SYS/broker/provisioning/ every sys_interval seconds, retained as Mosquitto's own are,
 * those alone that changed. Thread: broker.
 */
#ifndef PROV_SYS_H
#define PROV_SYS_H

#include "plugin.h"

void prov_sys_tick(struct prov_plugin *pl);
/* The last counts, when the plugin stops. */
void prov_sys_stop(struct prov_plugin *pl);

/* A refusal: by its reason, and among the connections refused if it was one, and no request of a
 * client that is connected. */
void prov_sys_refused(struct prov_plugin *pl, enum prov_reason reason, bool request);

#endif
