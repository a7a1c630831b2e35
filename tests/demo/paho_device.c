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

#include <MQTTClient.h>

#define TRIES 20
#define PAUSE_MS 250
#define ANSWER_MS 5000

static void pause_a_little(void)
{
    const struct timespec pause = { 0, PAUSE_MS * 1000000L };

    (void)nanosleep(&pause, NULL);
}

static int connect_until_in(MQTTClient client, MQTTClient_connectOptions *options)
{
    for (int i = 1; i <= TRIES; i++) {
        const int rc = MQTTClient_connect(client, options);

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
    MQTTClient_connectOptions options = MQTTClient_connectOptions_initializer;
    MQTTClient_SSLOptions ssl = MQTTClient_SSLOptions_initializer;
    MQTTClient client;
    char uri[64];
    int failed;

    if (argc != 8) {
        (void)fprintf(stderr, "usage: paho_device PORT CAFILE CERT KEY CLIENT_ID TOPIC MESSAGE\n");
        return 2;
    }
    (void)snprintf(uri, sizeof uri, "ssl://127.0.0.1:%s", argv[1]);
    if (MQTTClient_create(&client, uri, argv[5], MQTTCLIENT_PERSISTENCE_NONE, NULL) !=
        MQTTCLIENT_SUCCESS)
        return 2;
    ssl.trustStore = argv[2];
    ssl.keyStore = argv[3];
    ssl.privateKey = argv[4];
    ssl.verify = 1;
    options.ssl = &ssl;
    options.cleansession = 1;
    options.MQTTVersion =
        MQTTVERSION_3_1_1; /* otherwise a refused try becomes two, the second with 3.1 */
    options.connectTimeout = ANSWER_MS / 1000;
    failed = connect_until_in(client, &options) || publish(client, argv[6], argv[7]);
    (void)MQTTClient_disconnect(client, ANSWER_MS);
    MQTTClient_destroy(&client);
    return failed;
}
