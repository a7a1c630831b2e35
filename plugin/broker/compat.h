/*
 * compat.h - Mosquitto's plugin headers, and what differs between broker versions 2.0.11 and 2.1.x.
 *
 * One binary serves all: what only newer brokers have is looked up when the plugin starts.
 */
#ifndef PROV_COMPAT_H
#define PROV_COMPAT_H

#include <stdbool.h>

#if __has_include(<mosquitto/broker.h>)
#include <mosquitto.h>
#else
#include <mosquitto.h>
#include <mosquitto_broker.h>
#include <mosquitto_plugin.h>
#include <mqtt_protocol.h>
#endif

/* Values that 2.0's headers do not have (mosquitto/defs.h of 2.1.2). */
#define PROV_MOSQ_AUTH_DELAYED (-5)
#define PROV_MOSQ_PLUGIN_IGNORE 32
#define PROV_MOSQ_SESSION_TAKEN_OVER 142
#define PROV_MOSQ_ADMINISTRATIVE_ACTION 152

struct prov_compat {
    /* 2.1: answers a CONNECT for which BASIC_AUTH returned PROV_MOSQ_AUTH_DELAYED; NULL on 2.0 */
    void (*complete_basic_auth)(const char *client_id, int result);
    /* 2.1: the client that the broker has let in under this id; NULL: none */
    struct mosquitto *(*client)(const char *client_id);
    /* an MQTT 5 property, to be freed (mosquitto.h); NULL: this broker has them nowhere */
    const mosquitto_property *(*read_binary)(const mosquitto_property *list, int identifier,
                                             void **value, uint16_t *n, bool skip_first);
    const mosquitto_property *(*read_string)(const mosquitto_property *list, int identifier,
                                             char **value, bool skip_first);
    /* what leaves a client to others: on 2.1 as if this plugin were not there; on 2.0 an ACL check
     * that every plugin defers is denied */
    int defer;
    bool defer_denies;
};

void prov_compat_load(struct prov_compat *out);

#endif
