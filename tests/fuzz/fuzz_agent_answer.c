/*
 * Any bytes as an answer to the agent; the first says to what. What is accepted is what cJSON reads
 * as well, with the same texts, and comes back the same when it is written and read again. A
 * refused answer leaves nothing.
 */
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "device-agent/core/json.h"
#include "device-agent/core/msg.h"

/* So that texts of every length meet a buffer too small for them. */
#define CAP 200
#define MAX_WRITTEN (6 * 3 * CAP + 200)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

static struct agent_text lend(char *p, size_t cap)
{
    memset(p, 'x', cap);
    return (struct agent_text){ .p = p, .n = 1, .cap = cap };
}

static void check_empty(const struct agent_text *text)
{
    must(text->n == 0);
    for (size_t i = 0; i < text->cap; i++)
        must(text->p[i] == '\0');
}

static void check_text(const struct agent_text *text)
{
    must(text->n < text->cap && strlen(text->p) == text->n);
}

/* cJSON takes no number of more than 63 characters. */
static bool has_long_number(struct agent_span text)
{
    size_t run = 0;

    for (size_t i = 0; i < text.n && run < 63; i++)
        run = text.p[i] != '\0' && strchr("0123456789+-.eE", text.p[i]) != NULL ? run + 1 : 0;
    return run == 63;
}

static void check_field(const cJSON *tree, const char *name, const struct agent_text *text)
{
    const cJSON *field = cJSON_GetObjectItemCaseSensitive(tree, name);

    check_text(text);
    must(cJSON_IsString(field) && strcmp(field->valuestring, text->p) == 0);
}

/* ---- written and read again ------------------------------------------------------------------ */

static void check_member(struct agent_json *json, const char *name, const char *value)
{
    char decoded[CAP];
    struct agent_json_member member;
    struct agent_text text = { .p = decoded, .cap = sizeof decoded };

    must(agent_json_next(json, &member) && member.kind == AGENT_JSON_STRING);
    must(agent_json_text(member.name, &text) && strcmp(decoded, name) == 0);
    text.n = 0;
    must(agent_json_text(member.value, &text) && strcmp(decoded, value) == 0);
}

static void check_again(const struct agent_param *params, size_t n, const char *token)
{
    char buffer[MAX_WRITTEN];
    struct agent_text out = lend(buffer, sizeof buffer);
    struct agent_json json, inner;
    struct agent_json_member member;

    must(agent_msg_register(token, params, n, &out));
    check_text(&out);
    agent_json_init(&json, (struct agent_span){ (const uint8_t *)out.p, out.n });
    check_member(&json, "certificateOwnershipToken", token);
    must(agent_json_next(&json, &member) && member.kind == AGENT_JSON_OBJECT);
    agent_json_init(&inner, member.value);
    for (size_t i = 0; i < n; i++)
        check_member(&inner, params[i].name, params[i].value);
    must(!agent_json_next(&inner, &member) && agent_json_whole(&inner));
    must(!agent_json_next(&json, &member) && agent_json_whole(&json));
}

/* ---- answers --------------------------------------------------------------------------------- */

static void check_created(enum agent_op op, struct agent_span payload, const cJSON *tree)
{
    char id[65], pem[CAP], token[CAP], key[CAP];
    struct agent_created created = { lend(id, sizeof id), lend(pem, sizeof pem),
                                     lend(token, sizeof token), lend(key, sizeof key) };
    const struct agent_param params[] = { { "certificatePem", pem }, { "privateKey", key } };
    const bool with_key = op == AGENT_CREATE_KEYS;
    const enum agent_class class = agent_msg_created(op, payload, &created);

    if (class != AGENT_OK) {
        must(class == AGENT_ANSWER);
        check_empty(&created.certificate_id);
        check_empty(&created.certificate_pem);
        check_empty(&created.token);
        if (with_key)
            check_empty(&created.private_key);
        return;
    }
    must(created.certificate_id.n == 64 && created.token.n != 0);
    if (tree != NULL) {
        check_field(tree, "certificateId", &created.certificate_id);
        check_field(tree, "certificatePem", &created.certificate_pem);
        check_field(tree, "certificateOwnershipToken", &created.token);
        if (with_key)
            check_field(tree, "privateKey", &created.private_key);
    }
    check_again(params, with_key ? 2 : 1, token);
}

static void check_config(const cJSON *tree, const char *text)
{
    const cJSON *config = cJSON_GetObjectItemCaseSensitive(tree, "deviceConfiguration");
    cJSON *alone = cJSON_Parse(text);
    char *expected, *got;

    must(cJSON_IsObject(alone));
    expected = config == NULL ? NULL : cJSON_PrintUnformatted(config);
    got = cJSON_PrintUnformatted(alone);
    must(got != NULL && strcmp(got, expected == NULL ? "{}" : expected) == 0);
    cJSON_free(expected);
    cJSON_free(got);
    cJSON_Delete(alone);
}

static void check_registered(struct agent_span payload, const cJSON *tree)
{
    char thing[CAP], config[CAP];
    struct agent_registered registered = { lend(thing, sizeof thing), lend(config, sizeof config) };
    const struct agent_param params[] = { { "thingName", thing },
                                          { "deviceConfiguration", config } };
    const enum agent_class class = agent_msg_registered(payload, &registered);

    if (class != AGENT_OK) {
        must(class == AGENT_ANSWER);
        check_empty(&registered.thing_name);
        check_empty(&registered.config);
        return;
    }
    check_text(&registered.thing_name);
    check_text(&registered.config);
    if (tree != NULL) {
        if (registered.thing_name.n != 0)
            check_field(tree, "thingName", &registered.thing_name);
        check_config(tree, config);
    }
    check_again(params, 2, "");
}

static void check_rejected(struct agent_span payload, const cJSON *tree, bool object)
{
    struct agent_rejection rejection;
    enum agent_class class;

    memset(&rejection, 'x', sizeof rejection);
    agent_msg_rejection(payload, &rejection);
    must(memchr(rejection.code, '\0', sizeof rejection.code) != NULL);
    must(memchr(rejection.message, '\0', sizeof rejection.message) != NULL);
    must(rejection.message[0] != '\0');
    for (const char *p = rejection.message; *p != '\0'; p++)
        must(*p >= ' ' && *p <= '~');
    for (const char *p = rejection.code; *p != '\0'; p++)
        must(*p >= ' ' && *p <= '~');
    must(rejection.status >= 0 && rejection.status <= 999);
    if (rejection.status != 0 && tree != NULL)
        must(cJSON_GetObjectItemCaseSensitive(tree, "statusCode")->valuedouble == rejection.status);
    must(object || !rejection.readable);
    must(rejection.readable || (rejection.status == 0 && rejection.code[0] == '\0'));
    class = agent_msg_rejection_class(&rejection);
    must(rejection.readable ? class == AGENT_TOKEN || class == AGENT_THROTTLED ||
                                  class == AGENT_BUSY || class == AGENT_REJECTED
                            : class == AGENT_ANSWER);
}

static bool is_object(struct agent_span payload)
{
    struct agent_json json;
    struct agent_json_member member;

    agent_json_init(&json, payload);
    while (agent_json_next(&json, &member))
        must(member.value.p >= payload.p &&
             member.value.p + member.value.n <= payload.p + payload.n);
    return agent_json_whole(&json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct agent_span payload;
    cJSON *tree = NULL;
    bool object;

    if (size == 0)
        return 0;
    payload = (struct agent_span){ data + 1, size - 1 };
    object = is_object(payload);
    if (object && !has_long_number(payload)) {
        tree = cJSON_ParseWithLength((const char *)payload.p, payload.n);
        must(cJSON_IsObject(tree));
    }
    if (data[0] % 4 == AGENT_REGISTER_THING)
        check_registered(payload, tree);
    else if (data[0] % 4 == AGENT_OPS)
        check_rejected(payload, tree, object);
    else
        check_created((enum agent_op)(data[0] % 4), payload, tree);
    cJSON_Delete(tree);
    return 0;
}
