#include "net_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include <MQTTAsync.h>

enum { MAX_TOPICS = 2, SUBACK_NO = 0x80 };

/* Paho's own start and end, which it does with the first client and the last, are not safe against
 * each other. */
static pthread_mutex_t paho = PTHREAD_MUTEX_INITIALIZER;

/* ---- Paho's callbacks, in its threads -------------------------------------------------------- */

static const char *host_of(const struct net_session *session)
{
    return session->tls.host;
}

static const struct {
    int code;
    enum agent_class class;
    const char *text;
} connacks[] = {
    { 1, AGENT_CONFIG, "the broker does not speak MQTT 3.1.1" },
    { 2, AGENT_REFUSED, "the broker refused the client id" },
    { 3, AGENT_BUSY, "the broker says that it is not available" },
    { 4, AGENT_REFUSED, "the broker refused user name or password" },
    { 5, AGENT_REFUSED, "the broker does not allow the connection: its policy lacks iot:Connect" },
};

static bool connack_verdict(int code, struct port_result *result)
{
    for (size_t i = 0; i < sizeof connacks / sizeof connacks[0]; i++) {
        if (connacks[i].code != code)
            continue;
        (void)port_fail(result, connacks[i].class, "%s (CONNACK %d)", connacks[i].text, code);
        return true;
    }
    return false;
}

/* Paho tells of a failure in words (MQTTAsyncUtils.c: nextOrClose). */
static bool was_timeout(const MQTTAsync_failureData *data)
{
    return data != NULL && data->message != NULL && strstr(data->message, "timeout") != NULL;
}

/* Where neither TLS nor MQTT came to a verdict. */
static void explain_network(const struct net_session *session, bool timeout,
                            struct port_result *why)
{
    const struct net_conf *conf = session->conf;
    const char *host = host_of(session);
    const unsigned port = conf->port;

    if (timeout)
        (void)port_fail(why, AGENT_NETWORK, "%s:%u did not answer within %u s", host, port,
                        (unsigned)(conf->connect_ms / 1000));
    else if (conf->proxy != NULL)
        (void)port_fail(why, AGENT_NETWORK, "no way to %s:%u through the proxy", host, port);
    else
        (void)port_fail(why, AGENT_NETWORK,
                        "cannot connect to %s:%u: is the broker up, and the way to it open?", host,
                        port);
}

static void on_connect_failed(void *context, MQTTAsync_failureData *data)
{
    struct net_session *session = context;
    const bool timeout = was_timeout(data);
    struct port_result why;

    if (!(data != NULL && connack_verdict(data->code, &why)) &&
        !net_tls_verdict(&session->tls, !timeout, &why))
        explain_network(session, timeout, &why);
    net_queue_failed(session->queue, session->number, AGENT_ACT_CONNECT, &why);
}

static void on_connected(void *context, MQTTAsync_successData *data)
{
    struct net_session *session = context;

    (void)data;
    net_queue_done(session->queue, session->number, AGENT_ACT_CONNECT);
}

static void on_lost(void *context, char *cause)
{
    struct net_session *session = context;
    struct port_result why;

    (void)cause; /* NULL always */
    if (!net_tls_verdict(&session->tls, false, &why))
        (void)port_fail(&why, AGENT_NETWORK, "the connection to %s was lost", host_of(session));
    net_queue_closed(session->queue, session->number, &why);
}

/* Paho keeps what is answered 0. topic_n is 0 where the topic is a C string. */
static int on_message(void *context, char *topic, int topic_n, MQTTAsync_message *message)
{
    struct net_session *session = context;
    const size_t n = topic_n > 0 ? (size_t)topic_n : strlen(topic);
    const size_t payload_n = message->payloadlen > 0 ? (size_t)message->payloadlen : 0;

    net_queue_message(session->queue, session->number,
                      (struct agent_span){ (const uint8_t *)topic, n },
                      (struct agent_span){ message->payload, payload_n });
    if (message->payload != NULL)
        OPENSSL_cleanse(message->payload, payload_n);
    MQTTAsync_freeMessage(&message);
    MQTTAsync_free(topic);
    return 1;
}

static void subscribe_failed(struct net_session *session, int code)
{
    struct port_result why;

    if (code != SUBACK_NO) {
        on_lost(session, NULL); /* the only other cause; it may have been told already */
        return;
    }
    (void)port_fail(&why, AGENT_REFUSED,
                    "the broker does not allow the answers' topics to be subscribed to: its policy "
                    "lacks iot:Subscribe");
    net_queue_failed(session->queue, session->number, AGENT_ACT_SUBSCRIBE, &why);
}

static void on_subscribe_failed(void *context, MQTTAsync_failureData *data)
{
    subscribe_failed(context, data != NULL ? data->code : 0);
}

/* Of one topic that was refused Paho makes a failure, but of several a success. */
static void on_subscribed(void *context, MQTTAsync_successData *data)
{
    struct net_session *session = context;

    for (size_t i = 0; session->n_topics > 1 && i < session->n_topics; i++) {
        if (data->alt.qosList == NULL || data->alt.qosList[i] == SUBACK_NO) {
            subscribe_failed(session, SUBACK_NO);
            return;
        }
    }
    net_queue_done(session->queue, session->number, AGENT_ACT_SUBSCRIBE);
}

static void on_publish_failed(void *context, MQTTAsync_failureData *data)
{
    (void)data; /* with QoS 1 and MQTT 3.1.1: the connection is gone */
    on_lost(context, NULL);
}

static void on_published(void *context, MQTTAsync_successData *data)
{
    struct net_session *session = context;

    (void)data;
    net_queue_done(session->queue, session->number, AGENT_ACT_PUBLISH);
}

/* ---- what Paho is asked for ------------------------------------------------------------------ */

static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Paho 1.3 takes a proxy from the environment if none is configured, and writes what it does, with
 * all payloads, to standard output if the environment says so. */
static void start_paho(void)
{
    static const char *const unwanted[] = { "http_proxy", "https_proxy", "MQTT_C_CLIENT_TRACE" };
    MQTTAsync_init_options options = MQTTAsync_init_options_initializer;

    for (size_t i = 0; i < sizeof unwanted / sizeof unwanted[0]; i++)
        (void)unsetenv(unwanted[i]);
    options.do_openssl_init = 0; /* OpenSSL does it itself since 1.1.0 */
    MQTTAsync_global_init(&options);
}

void net_paho_init(void)
{
    (void)pthread_once(&once, start_paho);
}

bool net_paho_create(struct net_session *session, const char *uri, const char *client_id)
{
    struct port_result why;
    int rc;

    (void)pthread_mutex_lock(&paho);
    rc = MQTTAsync_create(&session->client, uri, client_id, MQTTCLIENT_PERSISTENCE_NONE, NULL);
    (void)pthread_mutex_unlock(&paho);
    if (rc == MQTTASYNC_SUCCESS)
        return true;
    session->client = NULL;
    (void)port_fail(&why, AGENT_LOCAL, "no MQTT client to be had: %s", MQTTAsync_strerror(rc));
    net_queue_failed(session->queue, session->number, AGENT_ACT_CONNECT, &why);
    return false;
}

void net_paho_end(struct net_session *session)
{
    if (session->client == NULL)
        return;
    (void)pthread_mutex_lock(&paho);
    MQTTAsync_destroy(&session->client);
    (void)pthread_mutex_unlock(&paho);
    OPENSSL_cleanse(session->proxy, sizeof session->proxy);
}

/* Paho takes a proxy's scheme to be that of what goes through it. Until 1.3.13 it knows no other
 * here than https://, since 1.3.14 it wants one. */
static const char *proxy_for_tls(struct net_session *session)
{
    const char *proxy = session->conf->proxy;

    if (proxy == NULL)
        return NULL;
    (void)snprintf(session->proxy, sizeof session->proxy, "https://%s",
                   proxy + (strncmp(proxy, "http://", 7) == 0 ? 7 : 0));
    return session->proxy;
}

void net_paho_connect(struct net_session *session, const char *will_topic)
{
    const struct net_conf *conf = session->conf;
    MQTTAsync_connectOptions options = MQTTAsync_connectOptions_initializer;
    MQTTAsync_SSLOptions ssl = MQTTAsync_SSLOptions_initializer;
    MQTTAsync_willOptions will = MQTTAsync_willOptions_initializer;
    struct port_result why;
    int rc;

    ssl.enableServerCertAuth = 1;     /* what net_tls says counts */
    ssl.disableDefaultTrustStore = 1; /* and without it nothing is good */
    ssl.ssl_error_cb = net_tls_error;
    ssl.ssl_error_context = &session->tls;
    will.topicName = will_topic;
    will.message = conf->will_payload != NULL ? conf->will_payload : "";
    will.qos = 1;
    options.keepAliveInterval = conf->keep_alive_s;
    options.cleansession = 1;
    options.MQTTVersion = MQTTVERSION_3_1_1;
    options.connectTimeout = (int)(conf->connect_ms / 1000 + (conf->connect_ms % 1000 != 0));
    options.ssl = &ssl;
    options.will = will_topic != NULL ? &will : NULL;
    options.httpsProxy = proxy_for_tls(session);
    options.onSuccess = on_connected;
    options.onFailure = on_connect_failed;
    options.context = session;

    net_tls_expect(&session->tls);
    rc = MQTTAsync_setCallbacks(session->client, session, on_lost, on_message, NULL);
    if (rc == MQTTASYNC_SUCCESS)
        rc = MQTTAsync_connect(session->client, &options);
    if (rc == MQTTASYNC_SUCCESS)
        return;
    (void)port_fail(&why, AGENT_LOCAL, "Paho cannot connect: %s", MQTTAsync_strerror(rc));
    net_queue_failed(session->queue, session->number, AGENT_ACT_CONNECT, &why);
}

/* What a call of Paho's for an action says. */
static void check_begun(const struct net_session *session, int rc, struct port_result *result)
{
    if (rc == MQTTASYNC_SUCCESS)
        return;
    if (rc == MQTTASYNC_DISCONNECTED)
        (void)port_fail(result, AGENT_NETWORK, "there is no connection to %s", session->conf->host);
    else
        (void)port_fail(result, AGENT_LOCAL, "Paho does not take it: %s", MQTTAsync_strerror(rc));
}

void net_paho_subscribe(struct net_session *session, const char *const *topics, size_t n,
                        struct port_result *result)
{
    MQTTAsync_responseOptions options = MQTTAsync_responseOptions_initializer;
    const int qos[MAX_TOPICS] = { 1, 1 };
    char *copies[MAX_TOPICS] = { NULL }; /* Paho's parameter lacks a const */
    int rc = MQTTASYNC_DISCONNECTED;

    if (n == 0 || n > MAX_TOPICS) {
        (void)port_fail(result, AGENT_LOCAL, "one or two topics can be subscribed to at a time");
        return;
    }
    for (size_t i = 0; i < n; i++)
        copies[i] = (char *)(uintptr_t)topics[i];
    options.onSuccess = on_subscribed;
    options.onFailure = on_subscribe_failed;
    options.context = session;
    session->n_topics = n;
    rc = MQTTAsync_subscribeMany(session->client, (int)n, copies, qos, &options);
    check_begun(session, rc, result);
}

void net_paho_publish(struct net_session *session, const char *topic, struct agent_span payload,
                      struct port_result *result)
{
    MQTTAsync_responseOptions options = MQTTAsync_responseOptions_initializer;
    int rc = MQTTASYNC_DISCONNECTED;

    options.onSuccess = on_published;
    options.onFailure = on_publish_failed;
    options.context = session;
    if (payload.n <= INT32_MAX)
        rc = MQTTAsync_send(session->client, topic, (int)payload.n, payload.p, 1, 0, &options);
    check_begun(session, rc, result);
}
