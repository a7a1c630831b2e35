#include "remote.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <MQTTClient.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "core/api.h"
#include "remote_files.h"
#include "remote_msg.h"
#include "remote_why.h"

#define REQUEST_TOPIC "$CONTROL/provisioning/v1"
#define ANSWER_TOPIC REQUEST_TOPIC "/response"
#define UNREACHABLE "ServiceUnavailableException"
#define LOOK_MS 50 /* at most, from a denial to the end of waiting for an answer */

struct ctl_remote {
    MQTTClient client;
    struct ctl_address to;
    unsigned timeout_s;
    unsigned calls;
    bool denied; /* the broker's ACL does not let this user ask */
};

/* ---- opening --------------------------------------------------------------------------------- */

/* The PUBACK of a request. With MQTT 5 a broker tells in it what its ACL denies. */
static void on_published(void *context, int token, int packet_type, MQTTProperties *properties,
                         enum MQTTReasonCodes reason)
{
    struct ctl_remote *remote = context;

    (void)token;
    (void)packet_type;
    (void)properties;
    remote->denied = reason == MQTTREASONCODE_NOT_AUTHORIZED;
}

static enum prov_rc create(struct ctl_remote *remote, struct prov_err *err)
{
    MQTTClient_createOptions options = MQTTClient_createOptions_initializer;
    unsigned char random[8];
    char id[8 + 2 * sizeof random + 1] = "provctl-";

    if (RAND_bytes(random, sizeof random) != 1)
        return prov_fail(err, PROV_EBUG, "InternalFailureException", "no random numbers to be had");
    prov_hex(random, sizeof random, id + strlen(id));
    options.MQTTVersion = MQTTVERSION_5;
    if (MQTTClient_createWithOptions(&remote->client, remote->to.uri, id,
                                     MQTTCLIENT_PERSISTENCE_NONE, NULL,
                                     &options) != MQTTCLIENT_SUCCESS ||
        MQTTClient_setPublished(remote->client, remote, on_published) != MQTTCLIENT_SUCCESS)
        return prov_nomem(err);
    return PROV_OK;
}

/* The server's certificate, and that it is for the host of the URL, is always verified. */
static enum prov_rc connect_to(struct ctl_remote *remote, const struct ctl_remote_conf *conf,
                               struct prov_err *err)
{
    MQTTClient_connectOptions options = MQTTClient_connectOptions_initializer5;
    MQTTClient_SSLOptions tls = MQTTClient_SSLOptions_initializer;
    struct ctl_tls_watch watch;
    MQTTResponse answer;
    enum prov_rc why = PROV_OK;
    int rc;

    tls.trustStore = conf->cafile;
    tls.disableDefaultTrustStore = conf->cafile != NULL;
    tls.keyStore = conf->cert;
    tls.privateKey = conf->key;
    tls.enableServerCertAuth = 1;
    tls.verify = 1;
    options.ssl = remote->to.tls ? &tls : NULL;
    options.cleanstart = 1;
    options.connectTimeout = (int)conf->timeout_s;
    options.username = conf->username;
    options.password = conf->password;
    tls.ssl_error_cb = ctl_tls_watch_error;
    tls.ssl_error_context = &watch;
    ctl_tls_watch_start(&watch);
    answer = MQTTClient_connect5(remote->client, &options, NULL, NULL);
    rc = (int)answer.reasonCode;
    MQTTResponse_free(answer);
    ctl_tls_watch_stop(&watch);
    if (rc != MQTTCLIENT_SUCCESS)
        why = ctl_remote_why(rc, conf, &remote->to, &watch, err);
    ctl_tls_watch_release(&watch);
    return why;
}

enum prov_rc ctl_remote_open(const struct ctl_remote_conf *conf, struct ctl_remote **out,
                             struct prov_err *err)
{
    struct ctl_remote *remote = calloc(1, sizeof *remote);
    enum prov_rc rc;

    *out = NULL;
    if (remote == NULL)
        return prov_nomem(err);
    remote->timeout_s = conf->timeout_s;
    rc = ctl_address_parse(conf->url, &remote->to, err);
    if (rc == PROV_OK)
        rc = ctl_remote_check_files(conf, err);
    if (rc == PROV_OK)
        rc = create(remote, err);
    if (rc == PROV_OK)
        rc = connect_to(remote, conf, err);
    if (rc == PROV_OK)
        *out = remote;
    else
        ctl_remote_close(remote);
    return rc;
}

void ctl_remote_close(struct ctl_remote *remote)
{
    if (remote == NULL)
        return;
    if (remote->client != NULL && MQTTClient_isConnected(remote->client))
        (void)MQTTClient_disconnect(remote->client, 1000);
    MQTTClient_destroy(&remote->client);
    free(remote);
}

/* ---- asking ---------------------------------------------------------------------------------- */

static int64_t monotonic_ms(void)
{
    struct timespec now = { 0 };

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static enum prov_rc lost(const struct ctl_remote *remote, struct prov_err *err)
{
    return prov_fail(err, PROV_EBUSY, UNREACHABLE,
                     "%s:%s closed the connection before it answered: whether the command was "
                     "carried out is not known",
                     remote->to.host, remote->to.port);
}

static enum prov_rc denied(const struct ctl_remote *remote, struct prov_err *err)
{
    return prov_fail(err, PROV_EDENIED, "UnauthorizedException",
                     "the broker %s:%s does not let you publish to " REQUEST_TOPIC
                     ": its acl_file needs \"topic write " REQUEST_TOPIC "\" for your user",
                     remote->to.host, remote->to.port);
}

static enum prov_rc no_answer(const struct ctl_remote *remote, struct prov_err *err)
{
    return prov_fail(
        err, PROV_EBUSY, UNREACHABLE,
        "no answer from %s:%s within %u s. Most likely it runs without this plugin, or "
        "is very busy: whether the command was carried out is not known",
        remote->to.host, remote->to.port, remote->timeout_s);
}

/* The next message, whatever it is. *message NULL: none yet. */
static enum prov_rc receive(struct ctl_remote *remote, int64_t until_ms, char **topic,
                            MQTTClient_message **message, struct prov_err *err)
{
    const int64_t left_ms = until_ms - monotonic_ms();
    int topic_n, rc;

    *topic = NULL;
    *message = NULL;
    if (left_ms <= 0)
        return no_answer(remote, err);
    rc = MQTTClient_receive(remote->client, topic, &topic_n, message,
                            (unsigned long)(left_ms < LOOK_MS ? left_ms : LOOK_MS));
    if (remote->denied)
        return denied(remote, err);
    if (*message == NULL && rc != MQTTCLIENT_SUCCESS)
        return lost(remote, err);
    return PROV_OK;
}

static enum prov_rc await(struct ctl_remote *remote, const char *correlation, cJSON **data,
                          struct prov_err *err)
{
    const int64_t until_ms = monotonic_ms() + (int64_t)remote->timeout_s * 1000;
    MQTTClient_message *message;
    enum prov_rc rc;
    bool ours = false;
    char *topic;

    do {
        rc = receive(remote, until_ms, &topic, &message, err);
        if (rc == PROV_OK && message != NULL && strcmp(topic, ANSWER_TOPIC) == 0)
            rc = ctl_message_read(prov_span(message->payload, (size_t)message->payloadlen),
                                  correlation, &ours, data, err);
        if (message != NULL) {
            /* it may hold a private key */
            OPENSSL_cleanse(message->payload, (size_t)message->payloadlen);
            MQTTClient_freeMessage(&message);
        }
        if (topic != NULL)
            MQTTClient_free(topic);
    } while (rc == PROV_OK && !ours);
    return rc;
}

static enum prov_rc ask(struct ctl_remote *remote, struct prov_span text, struct prov_err *err)
{
    MQTTResponse sent =
        MQTTClient_publish5(remote->client, REQUEST_TOPIC, (int)text.n, text.p, 1, 0, NULL, NULL);
    const bool ok = (int)sent.reasonCode == MQTTCLIENT_SUCCESS;

    MQTTResponse_free(sent);
    return ok ? PROV_OK : lost(remote, err);
}

enum prov_rc ctl_remote_call(struct ctl_remote *remote, const char *op, const cJSON *params,
                             cJSON **data, struct prov_err *err)
{
    char correlation[CTL_MAX_CORRELATION];
    struct prov_buf text;
    enum prov_rc rc;

    *data = NULL;
    (void)snprintf(correlation, sizeof correlation, "%u", ++remote->calls);
    rc = ctl_message_make(op, correlation, params, &text, err);
    if (rc == PROV_OK)
        rc = ask(remote, prov_buf_span(&text), err);
    if (rc == PROV_OK)
        rc = await(remote, correlation, data, err);
    prov_buf_release(&text);
    return rc;
}
