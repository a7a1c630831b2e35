#include "control.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/api.h"
#include "core/json.h"

#define TOPIC "$CONTROL/provisioning/v1"

struct mqtt *control_connect(uint16_t port)
{
    const struct mqtt_options o = { .port = port,
                                    .client_id = "bench-operator",
                                    .keepalive_s = 3600 };
    struct mqtt *c = mqtt_start(&o);

    if (c == NULL || mqtt_wait_connack(c) != 0)
        bench_fail("the operator cannot connect to port %u without TLS: %s", (unsigned)port,
                   c == NULL ? "out of memory" : mqtt_story(c));
    return c;
}

static cJSON *parse(struct mqtt_message *m)
{
    struct prov_err err = { 0 };
    cJSON *answer = NULL;

    /* cppcheck-suppress nullPointerRedundantCheck ; bench_fail does not return */
    if (prov_json_parse(prov_span(m->payload, m->n), PROV_MAX_API_PAYLOAD, &answer, &err) !=
        PROV_OK)
        bench_fail("an answer of the control API cannot be read: %s", err.text);
    mqtt_message_free(m);
    return answer;
}

void control_ask(struct mqtt *c, const char *command, ...)
{
    char text[1024], message[sizeof text + 32];
    va_list args;

    va_start(args, command);
    (void)vsnprintf(text, sizeof text, command, args);
    va_end(args);
    (void)snprintf(message, sizeof message, "{\"commands\":[%s]}", text);
    (void)mqtt_submit_publish(
        c, &(struct mqtt_publish){ .topic = TOPIC, .payload = prov_span_str(message) });
    mqtt_send(c);
}

cJSON *control_answer(struct mqtt *c)
{
    cJSON *answer, *one, *data;
    struct mqtt_message *m;
    const cJSON *error;

    m = mqtt_wait_message(c, TOPIC "/response");
    if (m == NULL)
        bench_fail("the control API does not answer (may everybody publish to " TOPIC "?): %s",
                   mqtt_story(c));
    answer = parse(m);
    one = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(answer, "responses"), 0);
    error = cJSON_GetObjectItemCaseSensitive(one, "error");
    if (one == NULL || error != NULL)
        bench_fail("the control API answers: %s",
                   cJSON_IsString(error) ? error->valuestring : "nothing");
    data = cJSON_DetachItemFromObjectCaseSensitive(one, "data");
    cJSON_Delete(answer);
    return data;
}

void control_leave(struct mqtt *c)
{
    (void)mqtt_goodbye(c);
    mqtt_free(c);
}
