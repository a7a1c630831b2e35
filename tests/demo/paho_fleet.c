/*
 * paho_fleet - a new device as a firmware engineer would write it for AWS IoT fleet provisioning,
 * with Eclipse Paho MQTT C: it knows nothing of this project. For scripts/demo.
 *
 *     paho_fleet PORT CAFILE CERT KEY CLIENT_ID FORMAT TEMPLATE NAME [CSR] [PARAMETER=VALUE…]
 *
 * Comes with the claim CERT and KEY and asks for a certificate, for the request in the file CSR or,
 * without one (CSR is "-"), with a key that the broker makes; then registers with TEMPLATE. FORMAT
 * is json or cbor. Writes NAME.pem, and NAME.key if it was given one, and prints what it became;
 * exit status 1 and the broker's message when it was rejected.
 */
#include <stdbool.h>
#include <stdlib.h>

#include "paho.h"

#include <cbor.h>
#include <cjson/cJSON.h>

#define TOPIC_MAX 160
#define TEXT_MAX 16384

/* A device, and its session. */
struct device {
    MQTTClient client;
    bool cbor;
};

/* An answer's payload, in JSON whatever it came in. */
struct answer {
    cJSON *body;
    bool accepted;
};

/* ---- CBOR: flat maps of text, and one nested ------------------------------------------------- */

static cbor_item_t *to_cbor(const cJSON *object)
{
    cbor_item_t *map = cbor_new_indefinite_map();
    const cJSON *member;

    cJSON_ArrayForEach(member, object)
    {
        cbor_item_t *value =
            cJSON_IsObject(member) ? to_cbor(member) : cbor_build_string(member->valuestring);

        (void)cbor_map_add(map, (struct cbor_pair){ cbor_move(cbor_build_string(member->string)),
                                                    cbor_move(value) });
    }
    return map;
}

static char *text_of(const cbor_item_t *item)
{
    const size_t n = cbor_string_length(item);
    char *text = calloc(1, n + 1);

    if (text != NULL)
        memcpy(text, cbor_string_handle(item), n);
    return text;
}

static cJSON *from_cbor(const cbor_item_t *item)
{
    cJSON *object = cJSON_CreateObject();
    const struct cbor_pair *pairs = cbor_map_handle(item);

    for (size_t i = 0; i < cbor_map_size(item); i++) {
        char *key = text_of(pairs[i].key);

        if (cbor_isa_map(pairs[i].value)) {
            cJSON_AddItemToObject(object, key, from_cbor(pairs[i].value));
        } else if (cbor_isa_uint(pairs[i].value)) {
            (void)cJSON_AddNumberToObject(object, key, (double)cbor_get_int(pairs[i].value));
        } else {
            char *value = text_of(pairs[i].value);

            (void)cJSON_AddStringToObject(object, key, value);
            free(value);
        }
        free(key);
    }
    return object;
}

static unsigned char *encode(const struct device *device, const cJSON *body, size_t *n)
{
    unsigned char *text = NULL;
    cbor_item_t *item;
    size_t room;

    if (!device->cbor) {
        text = (unsigned char *)cJSON_PrintUnformatted(body);
        *n = text != NULL ? strlen((char *)text) : 0;
        return text;
    }
    item = to_cbor(body);
    *n = cbor_serialize_alloc(item, &text, &room);
    cbor_decref(&item);
    return text;
}

static cJSON *decode(const struct device *device, const MQTTClient_message *message)
{
    struct cbor_load_result result;
    cbor_item_t *item;
    cJSON *body;

    if (!device->cbor)
        return cJSON_ParseWithLength(message->payload, (size_t)message->payloadlen);
    item = cbor_load(message->payload, (size_t)message->payloadlen, &result);
    if (item == NULL || !cbor_isa_map(item))
        return NULL;
    body = from_cbor(item);
    cbor_decref(&item);
    return body;
}

/* ---- one operation --------------------------------------------------------------------------- */

static bool listen_for(struct device *device, const char *topic)
{
    char answers[TOPIC_MAX + 16];

    (void)snprintf(answers, sizeof answers, "%s/accepted", topic);
    if (MQTTClient_subscribe(device->client, answers, 1) != MQTTCLIENT_SUCCESS)
        return false;
    (void)snprintf(answers, sizeof answers, "%s/rejected", topic);
    return MQTTClient_subscribe(device->client, answers, 1) == MQTTCLIENT_SUCCESS;
}

static bool take_answer(struct device *device, const char *topic, struct answer *out)
{
    const size_t n = strlen(topic);
    MQTTClient_message *message = NULL;
    char *from = NULL;
    int length;

    if (MQTTClient_receive(device->client, &from, &length, &message, ANSWER_MS) !=
            MQTTCLIENT_SUCCESS ||
        message == NULL || strncmp(from, topic, n) != 0)
        return false;
    out->accepted = strcmp(from + n, "/accepted") == 0;
    out->body = decode(device, message);
    MQTTClient_freeMessage(&message);
    MQTTClient_free(from);
    return out->body != NULL;
}

static bool ask(struct device *device, const char *topic, const cJSON *body, struct answer *out)
{
    size_t n = 0;
    unsigned char *payload = encode(device, body, &n);
    int rc;

    if (payload == NULL || !listen_for(device, topic)) {
        free(payload);
        printf("%s: could not subscribe\n", topic);
        return false;
    }
    rc = MQTTClient_publish(device->client, topic, (int)n, payload, 1, 0, NULL);
    free(payload);
    if (rc != MQTTCLIENT_SUCCESS || !take_answer(device, topic, out)) {
        printf("%s: no answer\n", topic);
        return false;
    }
    if (out->accepted)
        return true;
    printf("rejected %d %s: %s\n", cJSON_GetObjectItem(out->body, "statusCode")->valueint,
           cJSON_GetObjectItem(out->body, "errorCode")->valuestring,
           cJSON_GetObjectItem(out->body, "errorMessage")->valuestring);
    return false;
}

/* ---- the exchange ---------------------------------------------------------------------------- */

static bool write_file(const char *name, const char *ending, const cJSON *text)
{
    char path[512];
    FILE *file;

    (void)snprintf(path, sizeof path, "%s.%s", name, ending);
    file = fopen(path, "w");
    if (file == NULL || !cJSON_IsString(text))
        return false;
    (void)fputs(text->valuestring, file);
    return fclose(file) == 0;
}

static bool read_file(const char *path, char out[static TEXT_MAX])
{
    FILE *file = fopen(path, "r");
    size_t n;

    if (file == NULL)
        return false;
    n = fread(out, 1, TEXT_MAX - 1, file);
    out[n] = '\0';
    return fclose(file) == 0;
}

/* A certificate, and its token. */
static bool create(struct device *device, const char *csr, const char *name, struct answer *out)
{
    char topic[TOPIC_MAX], text[TEXT_MAX];
    cJSON *body = cJSON_CreateObject();
    bool made;

    (void)snprintf(topic, sizeof topic, "$aws/certificates/create%s/%s",
                   csr != NULL ? "-from-csr" : "", device->cbor ? "cbor" : "json");
    if (csr != NULL && read_file(csr, text))
        (void)cJSON_AddStringToObject(body, "certificateSigningRequest", text);
    made = ask(device, topic, body, out);
    cJSON_Delete(body);
    return made && write_file(name, "pem", cJSON_GetObjectItem(out->body, "certificatePem")) &&
           (csr != NULL || write_file(name, "key", cJSON_GetObjectItem(out->body, "privateKey")));
}

static bool provision(struct device *device, const char *template_name, const char *token,
                      char **parameters, struct answer *out)
{
    char topic[TOPIC_MAX];
    cJSON *body = cJSON_CreateObject(), *map;
    bool done;

    (void)snprintf(topic, sizeof topic, "$aws/provisioning-templates/%s/provision/%s",
                   template_name, device->cbor ? "cbor" : "json");
    (void)cJSON_AddStringToObject(body, "certificateOwnershipToken", token);
    map = cJSON_AddObjectToObject(body, "parameters");
    for (; *parameters != NULL; parameters++) {
        char *value = strchr(*parameters, '=');

        if (value == NULL)
            continue;
        *value = '\0';
        (void)cJSON_AddStringToObject(map, *parameters, value + 1);
    }
    done = ask(device, topic, body, out);
    cJSON_Delete(body);
    return done;
}

static bool become(struct device *device, char **argv)
{
    const char *csr = argv[9] != NULL && strcmp(argv[9], "-") != 0 ? argv[9] : NULL;
    struct answer made = { 0 }, done = { 0 };
    char *config = NULL;
    bool well;

    well = create(device, csr, argv[8], &made) &&
           provision(device, argv[7],
                     cJSON_GetObjectItem(made.body, "certificateOwnershipToken")->valuestring,
                     argv[9] != NULL ? argv + 10 : argv + 9, &done);
    if (well) {
        config = cJSON_PrintUnformatted(cJSON_GetObjectItem(done.body, "deviceConfiguration"));
        printf("I am %s, configured with %s\n",
               cJSON_GetObjectItem(done.body, "thingName")->valuestring, config);
    }
    free(config);
    cJSON_Delete(made.body);
    cJSON_Delete(done.body);
    return well;
}

int main(int argc, char **argv)
{
    struct device device = { 0 };
    bool well;

    if (argc < 9) {
        (void)fprintf(stderr, "usage: paho_fleet PORT CAFILE CERT KEY CLIENT_ID json|cbor TEMPLATE "
                              "NAME [CSR|-] [PARAMETER=VALUE...]\n");
        return 2;
    }
    const struct paho_identity who = { argv[1], argv[2], argv[3], argv[4], argv[5] };

    device.cbor = strcmp(argv[6], "cbor") == 0;
    if (paho_create(&who, &device.client) != 0)
        return 2;
    if (paho_connect(device.client, &who) != MQTTCLIENT_SUCCESS) {
        printf("connection refused\n");
        MQTTClient_destroy(&device.client);
        return 1;
    }
    well = become(&device, argv);
    (void)MQTTClient_disconnect(device.client, ANSWER_MS);
    MQTTClient_destroy(&device.client);
    return well ? 0 : 1;
}
