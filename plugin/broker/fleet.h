/*
 * fleet.h - provisioning requests on their way: taken from the broker before anybody can see them,
 * through the pool, and answered to the session that asked. Thread: broker.
 */
#ifndef PROV_BROKER_FLEET_H
#define PROV_BROKER_FLEET_H

#include "plugin.h"

/*
 * Is this one of the topics that requests are published to? Only devices publish there, and what
 * they publish is consumed by prov_on_message.
 */
bool prov_is_request_topic(const char *topic);
/*
 * Is this a request's topic, or an answer's? Nobody receives from them by subscribing: answers go
 * past the ACL check to who asked. What the broker asks about them is whether another connection
 * may have what the last one of its client id left behind.
 */
bool prov_is_private_topic(const char *topic);

/* Mosquitto's callback for each message that a client publishes; userdata is a struct prov_plugin.
 */
int prov_on_message(int event, void *data, void *userdata);

#endif
