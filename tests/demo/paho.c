#include "paho.h"

#include <stdio.h>

int paho_create(const struct paho_identity *who, MQTTClient *out)
{
    char uri[64];

    (void)snprintf(uri, sizeof uri, "ssl://127.0.0.1:%s", who->port);
    return MQTTClient_create(out, uri, who->client_id, MQTTCLIENT_PERSISTENCE_NONE, NULL) !=
           MQTTCLIENT_SUCCESS;
}

int paho_connect(MQTTClient client, const struct paho_identity *who)
{
    MQTTClient_connectOptions options = MQTTClient_connectOptions_initializer;
    MQTTClient_SSLOptions ssl = MQTTClient_SSLOptions_initializer;

    ssl.trustStore = who->cafile;
    ssl.keyStore = who->cert;
    ssl.privateKey = who->key;
    ssl.verify = 1;
    options.ssl = &ssl;
    options.cleansession = 1;
    options.MQTTVersion =
        MQTTVERSION_3_1_1; /* otherwise a refused try becomes two, the second with 3.1 */
    options.connectTimeout = ANSWER_MS / 1000;
    return MQTTClient_connect(client, &options);
}
