/*
 * The agent's configuration, in any of its forms. What is taken is within its ranges and says the
 * same when it is read again. What is not says why in one whole line, and leaves nothing behind.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "device-agent/port/posix/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char name[] = "/etc/agent.conf";

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* Terminated, or a sanitizer sees it; UTF-8 is the parser's to check before. */
static void require_text(const char *text, size_t max)
{
    require(strlen(text) <= max);
    for (; *text != '\0'; text++)
        require((unsigned char)*text >= ' ' && *text != 0x7f);
}

#define AT(field) offsetof(struct conf, field)

static const struct {
    size_t at, max;
    bool required;
} texts[] = {
    { AT(net.host), 253, true },
    { AT(net.ca_file), 4096, true },
    { AT(net.alpn), 255, false },
    { AT(net.proxy), 512, false },
    { AT(net.will_topic), AGENT_MAX_TOPIC - 1, false },
    { AT(net.will_payload), 1024, false },
    { AT(agent.client_id), AGENT_MAX_CLIENT_ID - 1, true },
    { AT(agent.own_client_id), AGENT_MAX_CLIENT_ID - 1, false },
    { AT(agent.template_name), AGENT_MAX_TEMPLATE_NAME - 1, false },
    { AT(agent.heartbeat_topic), AGENT_MAX_TOPIC - 1, false },
    { AT(keys.pkcs11), 1024, false },
    { AT(state_dir), 4096, true },
    { AT(device_id), 128, false },
    { AT(claim_cert), 4096, false },
    { AT(claim_key), 4096, false },
    { AT(group), 32, false },
    { AT(on_provisioned), 1024, false },
    { AT(on_renewed), 1024, false },
    { AT(control_socket), 107, false },
};
#define N_TEXTS (sizeof texts / sizeof texts[0])

static const char *text_of(const struct conf *conf, size_t i)
{
    const char *text;

    memcpy(&text, (const char *)conf + texts[i].at, sizeof text);
    return text;
}

static void check_values(const struct conf *conf)
{
    const struct agent_conf *agent = &conf->agent;

    for (size_t i = 0; i < N_TEXTS; i++) {
        if (text_of(conf, i) != NULL)
            require_text(text_of(conf, i), texts[i].max);
        else
            require(!texts[i].required);
    }
    require(conf->net.port != 0);
    require(conf->net.keep_alive_s >= 5 && conf->net.keep_alive_s <= 43200);
    require(agent->connect_ms >= 1000 && agent->connect_ms <= 600000);
    require(conf->net.connect_ms == agent->connect_ms);
    require(agent->answer_ms >= 1000 && agent->answer_ms <= 600000);
    require(agent->heartbeat_s >= 1 && agent->heartbeat_s <= 604800);
    require(agent->renew_percent <= 99 && conf->keys.type < KEYS_TYPES);
    require(agent->n_params <= CONF_MAX_PARAMS);
    for (size_t i = 0; i < agent->n_params; i++) {
        require_text(agent->params[i].name, 128);
        require_text(agent->params[i].value, 1024);
    }
    require(!agent->once && !agent->start_now);
}

/* What the core and the port rely on. */
static void check_relations(const struct conf *conf)
{
    const struct agent_conf *agent = &conf->agent;

    require(agent->method == AGENT_METHOD_JIT || agent->method == AGENT_METHOD_CLAIM ||
            agent->method == AGENT_METHOD_TRUSTED_USER);
    require((agent->method == AGENT_METHOD_TRUSTED_USER) == (conf->claim_cert == NULL));
    require((conf->claim_cert == NULL) == (conf->claim_key == NULL));
    if (agent->template_name == NULL) {
        require(agent->method == AGENT_METHOD_JIT && agent->renew_percent == 0);
        require(agent->n_params == 0 && !agent->create_keys);
    }
    require(agent->stay || (agent->heartbeat_topic == NULL && conf->net.will_topic == NULL));
    require((conf->net.will_topic == NULL) == (conf->net.will_payload == NULL));
    require(!agent->create_keys || conf->keys.pkcs11 == NULL);
}

static void require_same_text(const char *a, const char *b)
{
    require((a == NULL) == (b == NULL));
    require(a == NULL || strcmp(a, b) == 0);
}

static void require_same(const struct conf *a, const struct conf *b)
{
    for (size_t i = 0; i < N_TEXTS; i++)
        require_same_text(text_of(a, i), text_of(b, i));
    require(a->agent.n_params == b->agent.n_params);
    for (size_t i = 0; i < a->agent.n_params; i++) {
        require_same_text(a->agent.params[i].name, b->agent.params[i].name);
        require_same_text(a->agent.params[i].value, b->agent.params[i].value);
    }
    require(a->agent.method == b->agent.method && a->agent.create_keys == b->agent.create_keys);
    require(a->agent.keep_claim == b->agent.keep_claim && a->agent.stay == b->agent.stay);
    require(a->agent.connect_ms == b->agent.connect_ms && a->agent.answer_ms == b->agent.answer_ms);
    require(a->agent.renew_percent == b->agent.renew_percent);
    require(a->agent.heartbeat_s == b->agent.heartbeat_s && a->keys.type == b->keys.type);
    require(a->net.port == b->net.port && a->net.keep_alive_s == b->net.keep_alive_s);
}

static void check_line(const char *text)
{
    require_text(text, AGENT_MAX_MESSAGE - 2); /* nothing was cut off its end */
    require(strncmp(text, name, sizeof name - 1) == 0);
}

static void check_refusal(const struct conf *conf, const struct port_result *result)
{
    const uint8_t *bytes = (const uint8_t *)conf;

    for (size_t i = 0; i < sizeof *conf; i++)
        require(bytes[i] == 0);
    require(result->class == AGENT_CONFIG);
    check_line(result->text);
}

static void take_note(void *arg, const char *line)
{
    ++*(unsigned *)arg;
    check_line(line);
}

static enum agent_class parse(const uint8_t *data, size_t size, struct conf *out)
{
    struct port_result result;
    unsigned n_notes = 0;
    enum agent_class class;

    memset(out, 0xa5, sizeof *out);
    class = conf_parse(name, (struct agent_span){ data, size }, take_note, &n_notes, out, &result);
    if (class != AGENT_OK)
        check_refusal(out, &result);
    require(n_notes <= 16);
    return class;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct conf conf, again;

    if (parse(data, size, &conf) != AGENT_OK)
        return 0;
    check_values(&conf);
    check_relations(&conf);
    require(parse(data, size, &again) == AGENT_OK);
    require_same(&conf, &again);
    conf_release(&again);
    conf_release(&conf);
    return 0;
}
