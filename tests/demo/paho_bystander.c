/*
 * paho_bystander - a device that goes about its work and notes how long the broker takes to
 * acknowledge it. For scripts/demo, which lets somebody else storm the broker meanwhile.
 *
 *     paho_bystander PORT CAFILE CERT KEY CLIENT_ID TOPIC SECONDS LIMIT_MS
 *
 * Publishes at QoS 1, one message after the other, for so many seconds, and prints how long the
 * round trips took. Ends with 0 when none took longer than LIMIT_MS.
 */
#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <time.h>

#include "paho.h"

#define PAUSE_MS 2
#define MAX_TRIPS 100000

struct trips {
    double ms[MAX_TRIPS];
    size_t n;
};

static double now_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* ---- called by Paho's own thread ------------------------------------------------------------- */

static void acknowledged(void *context, MQTTClient_deliveryToken token)
{
    (void)token;
    (void)sem_post(context);
}

static int arrived(void *context, char *topic, int topic_len, MQTTClient_message *message)
{
    (void)context;
    (void)topic_len;
    MQTTClient_freeMessage(&message);
    MQTTClient_free(topic);
    return 1;
}

/* ---- the work -------------------------------------------------------------------------------- */

static int wait_for(sem_t *answer)
{
    struct timespec until;
    int rc;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ANSWER_MS / 1000;
    do
        rc = sem_timedwait(answer, &until);
    while (rc != 0 && errno == EINTR);
    return rc;
}

static int round_trip(MQTTClient client, const char *topic, sem_t *answer)
{
    MQTTClient_deliveryToken token;

    if (MQTTClient_publish(client, topic, 2, "ok", 1, 0, &token) != MQTTCLIENT_SUCCESS)
        return 1;
    return wait_for(answer);
}

static int work(MQTTClient client, const char *topic, double seconds, sem_t *answer,
                struct trips *trips)
{
    const struct timespec pause = { 0, PAUSE_MS * 1000000L };
    const double end = now_ms() + seconds * 1e3;

    while (trips->n < MAX_TRIPS && now_ms() < end) {
        const double start = now_ms();

        if (round_trip(client, topic, answer) != 0) {
            printf("the broker does not answer\n");
            return 1;
        }
        trips->ms[trips->n++] = now_ms() - start;
        (void)nanosleep(&pause, NULL);
    }
    return trips->n == 0;
}

static int longer(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static int report(struct trips *trips, double limit_ms)
{
    double longest;

    qsort(trips->ms, trips->n, sizeof trips->ms[0], longer);
    longest = trips->ms[trips->n - 1];
    printf("%zu round trips: half within %.2f ms, 99 of 100 within %.1f ms, the longest %.1f ms\n",
           trips->n, trips->ms[trips->n / 2], trips->ms[(trips->n - 1) * 99 / 100], longest);
    return longest > limit_ms;
}

int main(int argc, char **argv)
{
    static struct trips trips;
    MQTTClient client;
    sem_t answer;
    int failed;

    if (argc != 9) {
        (void)fprintf(stderr, "usage: paho_bystander PORT CAFILE CERT KEY CLIENT_ID TOPIC SECONDS "
                              "LIMIT_MS\n");
        return 2;
    }
    const struct paho_identity who = { argv[1], argv[2], argv[3], argv[4], argv[5] };

    if (sem_init(&answer, 0, 0) != 0 || paho_create(&who, &client) != 0 ||
        MQTTClient_setCallbacks(client, &answer, NULL, arrived, acknowledged) != MQTTCLIENT_SUCCESS)
        return 2;
    failed = paho_connect(client, &who) != MQTTCLIENT_SUCCESS ||
             work(client, argv[6], strtod(argv[7], NULL), &answer, &trips) != 0 ||
             report(&trips, strtod(argv[8], NULL)) != 0;
    (void)MQTTClient_disconnect(client, ANSWER_MS);
    MQTTClient_destroy(&client);
    return failed;
}
