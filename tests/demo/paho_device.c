/*
 * paho_device - a device as a firmware engineer would write it with Eclipse Paho MQTT C: it knows
 * nothing of this project, and tries again until it is in. For scripts/demo, which wants a client
 * that is not Mosquitto's own.
 *
 *     paho_device PORT CAFILE CERT KEY CLIENT_ID TOPIC MESSAGE
 *
 * Connects, publishes one message at QoS 1 and ends with 0. Each failed try is a line on standard
 * output.
 */
#include <stdlib.h>
#include <time.h>

#include "paho.h"

#define TRIES 20
#define PAUSE_MS 250

static void pause_a_little(void)
{
    const struct timespec pause = { 0, PAUSE_MS * 1000000L };

    (void)nanosleep(&pause, NULL);
}

static int connect_until_in(MQTTClient client, const struct paho_identity *who)
{
    for (int i = 1; i <= TRIES; i++) {
        const int rc = paho_connect(client, who);

        if (rc == MQTTCLIENT_SUCCESS) {
            printf("try %d: in\n", i);
            return 0;
        }
        printf("try %d: refused (%d)\n", i, rc);
        pause_a_little();
    }
    return 1;
}

static int publish(MQTTClient client, const char *topic, const char *message)
{
    MQTTClient_deliveryToken token;
    int rc;

    rc = MQTTClient_publish(client, topic, (int)strlen(message), message, 1, 0, &token);
    if (rc == MQTTCLIENT_SUCCESS)
        rc = MQTTClient_waitForCompletion(client, token, ANSWER_MS);
    if (rc != MQTTCLIENT_SUCCESS)
        printf("publish: failed (%d)\n", rc);
    return rc != MQTTCLIENT_SUCCESS;
}

int main(int argc, char **argv)
{
    MQTTClient client;
    int failed;

    if (argc != 8) {
        (void)fprintf(stderr, "usage: paho_device PORT CAFILE CERT KEY CLIENT_ID TOPIC MESSAGE\n");
        return 2;
    }
    const struct paho_identity who = { argv[1], argv[2], argv[3], argv[4], argv[5] };

    if (paho_create(&who, &client) != 0)
        return 2;
    failed = connect_until_in(client, &who) || publish(client, argv[6], argv[7]);
    (void)MQTTClient_disconnect(client, ANSWER_MS);
    MQTTClient_destroy(&client);
    return failed;
}
