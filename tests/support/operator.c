#include "support/operator.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/json.h"
#include "support/tmp.h"

static const char *const users[] = { "operator", "operator", "watcher", "watcher",
                                     "guest",    "guest",    NULL };

static const char acl[] = "user operator\n"
                          "topic read $aws/events/#\n"
                          "topic readwrite plain/#\n"
                          "topic write $CONTROL/provisioning/v1\n"
                          "user watcher\n"
                          "topic read $aws/events/#\n"
                          "topic read $SYS/#\n"
                          "topic read $CONTROL/#\n"
                          "topic readwrite plain/#\n"
                          "user guest\n"
                          "topic readwrite plain/#\n";

static void write_acl(struct rig *rig, char line[static 600])
{
    char path[TMP_PATH_MAX];
    FILE *file = fopen(tmp_path(rig->dir, "acl", path), "w");

    assert_non_null(file);
    assert_true(fputs(acl, file) >= 0);
    assert_int_equal(fclose(file), 0);
    (void)snprintf(line, 600, "acl_file %s\nsys_interval 1\nmax_packet_size 8000000", path);
}

void operator_prepare(struct rig *rig, const struct rig_spec *spec)
{
    static char line[600];
    struct rig_spec own = *spec;

    own.plain = true;
    own.users = users;
    rig_prepare(rig, &own);
    write_acl(rig, line);
    rig->options.lines = line;
}

void operator_up(struct rig *rig, const struct rig_spec *spec)
{
    operator_prepare(rig, spec);
    rig_start(rig);
}

struct mqtt *operator_connect_as(const struct rig *rig, const char *user, const char *client_id)
{
    return expect_connected(&(struct mqtt_options){ .port = broker_plain_port(rig->broker),
                                                    .client_id = client_id,
                                                    .username = user,
                                                    .password = user });
}

struct mqtt *operator_connect(const struct rig *rig, const char *user)
{
    return operator_connect_as(rig, user, user);
}

void operator_send(struct mqtt *c, const char *message)
{
    assert_int_equal(mqtt_publish(c, &(struct mqtt_publish){ .topic = "$CONTROL/provisioning/v1",
                                                             .payload = prov_span_str(message),
                                                             .qos = 1 }),
                     0);
}

cJSON *operator_answer(struct mqtt *c)
{
    struct mqtt_message *m = mqtt_wait_message(c, OPERATOR_RESPONSE);
    struct prov_err err = { 0 };
    cJSON *answer = NULL;

    if (m == NULL)
        print_error("no answer: %s", mqtt_story(c));
    assert_non_null(m);
    if (prov_json_parse(prov_span(m->payload, m->n), 8u << 20, &answer, &err) != PROV_OK)
        fail_msg("%s: %s", err.text, (const char *)m->payload);
    mqtt_message_free(m);
    return answer;
}

PROV_PRINTF(2, 0) static cJSON *call(struct mqtt *c, const char *command, va_list args)
{
    char message[32768];
    cJSON *answer, *responses, *one;
    int n;

    n = snprintf(message, sizeof message, "{\"commands\":[");
    n += vsnprintf(message + n, sizeof message - (size_t)n, command, args);
    assert_true((size_t)n + 3 < sizeof message);
    memcpy(message + n, "]}", 3);
    operator_send(c, message);
    answer = operator_answer(c);
    responses = cJSON_GetObjectItemCaseSensitive(answer, "responses");
    assert_int_equal(cJSON_GetArraySize(responses), 1);
    one = cJSON_DetachItemFromArray(responses, 0);
    cJSON_Delete(answer);
    return one;
}

cJSON *operator_call(struct mqtt *c, const char *command, ...)
{
    va_list args;
    cJSON *one;

    va_start(args, command);
    one = call(c, command, args);
    va_end(args);
    return one;
}

void operator_do(struct mqtt *c, const char *command, ...)
{
    const cJSON *error;
    va_list args;
    cJSON *one;

    va_start(args, command);
    one = call(c, command, args);
    va_end(args);
    error = cJSON_GetObjectItemCaseSensitive(one, "error");
    if (error != NULL)
        fail_msg("%s: %s", command, error->valuestring);
    cJSON_Delete(one);
}

const char *operator_text(const cJSON *from, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(from, key);

    if (!cJSON_IsString(item))
        fail_msg("no text \"%s\" in %s", key, cJSON_PrintUnformatted(from));
    return item->valuestring;
}

struct pki_cert operator_claim(const cJSON *from)
{
    const cJSON *pair = cJSON_GetObjectItemCaseSensitive(from, "keyPair");

    return (struct pki_cert){
        .x509 = pki_from_pem(operator_text(from, "certificatePem")),
        .key = pki_key_from_pem(operator_text(pair, "PrivateKey")),
    };
}
