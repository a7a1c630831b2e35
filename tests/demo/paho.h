/*
 * paho.h - what the demo's clients of Eclipse Paho MQTT C have in common: how they come to the
 * broker with their certificate.
 */
#ifndef DEMO_PAHO_H
#define DEMO_PAHO_H

#include <MQTTClient.h>

#define ANSWER_MS 5000

/* As on the command line; kept by whoever made it as long as its client. */
struct paho_identity {
    const char *port, *cafile, *cert, *key, *client_id;
};

/* 0, or not: out of memory, or no such library. */
int paho_create(const struct paho_identity *who, MQTTClient *out);
/* One try; Paho's code. */
int paho_connect(MQTTClient client, const struct paho_identity *who);

#endif
