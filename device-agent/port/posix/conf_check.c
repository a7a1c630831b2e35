#include "conf_priv.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* ---- what a method needs, and what means nothing with it ------------------------------------- */

#define JIT (1u << AGENT_METHOD_JIT)
#define CLAIM (1u << AGENT_METHOD_CLAIM)
#define TRUSTED_USER (1u << AGENT_METHOD_TRUSTED_USER)

static const struct {
    unsigned methods;
    const char *section, *key;
    bool wanted;
    const char *why;
} of_method[] = {
    { JIT, "claim", "certificate", true, "jit needs the factory's certificate; name its file" },
    { JIT, "claim", "key", true, "jit needs the certificate's key; name its file" },
    { CLAIM, "claim", "certificate", true, "method claim needs a claim; name its file" },
    { CLAIM, "claim", "key", true, "method claim needs the claim's key; name its file" },
    { CLAIM | TRUSTED_USER, "device", "template", true,
      "the method provisions by a template; write its name" },
    { TRUSTED_USER, "claim", "certificate", false,
      "with trusted-user an installer injects the claim; leave it out" },
    { TRUSTED_USER, "claim", "key", false,
      "with trusted-user an installer injects the claim; leave it out" },
    { JIT, "claim", "after_use", false,
      "with jit the certificate is the identity itself; leave it out" },
};

static enum agent_class check_method(struct conf_reader *r)
{
    const struct conf_row *row;

    for (size_t i = 0; i < COUNT(of_method); i++) {
        row = conf_find(of_method[i].section, of_method[i].key);
        if ((of_method[i].methods & 1u << r->out->agent.method) == 0 ||
            (r->given[row - conf_rows] != 0) == of_method[i].wanted)
            continue;
        conf_at(r, row);
        return conf_bad(r, "%s", of_method[i].why);
    }
    return AGENT_OK;
}

/* ---- what means something only with another -------------------------------------------------- */

static const struct {
    const char *section, *key, *other_section, *other;
    const char *why;
} of_two[] = {
    { "parameters", "", "device", "template", "are a template's; write device.template too" },
    { "device", "keys", "device", "template",
      "new keys are for a template's certificates; write device.template too" },
    { "identity", "key_type", "device", "template",
      "new keys are for a template's certificates; write device.template too" },
    { "identity", "pkcs11", "device", "template",
      "new keys are for a template's certificates; write device.template too" },
    { "service", "on_renewed", "device", "template",
      "renewals are made by a template; write device.template too" },
    { "service", "heartbeat", "service", "heartbeat_topic",
      "there is no topic for it; write service.heartbeat_topic too" },
    { "service", "will_payload", "service", "will_topic",
      "there is no topic for it; write service.will_topic too" },
};

static enum agent_class check_pairs(struct conf_reader *r)
{
    for (size_t i = 0; i < COUNT(of_two); i++) {
        if (!conf_given(r, of_two[i].section, of_two[i].key) ||
            conf_given(r, of_two[i].other_section, of_two[i].other))
            continue;
        conf_at(r, conf_find(of_two[i].section, of_two[i].key));
        return conf_bad(r, "%s", of_two[i].why);
    }
    return AGENT_OK;
}

/* Keys of the broker's making are what it makes, and come as a file. */
static enum agent_class check_keys(struct conf_reader *r)
{
    static const char *const own[] = { "key_type", "pkcs11" };

    for (size_t i = 0; i < COUNT(own) && r->out->agent.create_keys; i++) {
        if (!conf_given(r, "identity", own[i]))
            continue;
        conf_at(r, conf_find("identity", own[i]));
        return conf_bad(r, "is for keys of the device's making; write device.keys = device");
    }
    return AGENT_OK;
}

static enum agent_class check_stay(struct conf_reader *r)
{
    static const char *const while_connected[] = { "heartbeat_topic", "will_topic" };

    for (size_t i = 0; i < COUNT(while_connected) && !r->out->agent.stay; i++) {
        if (!conf_given(r, "service", while_connected[i]))
            continue;
        conf_at(r, conf_find("service", while_connected[i]));
        return conf_bad(r, "is for an agent that stays; write service.stay_connected = yes");
    }
    return AGENT_OK;
}

static enum agent_class check_renewal(struct conf_reader *r)
{
    if (r->out->agent.template_name != NULL)
        return AGENT_OK;
    if (conf_given(r, "identity", "renew_at") && r->out->agent.renew_percent != 0) {
        conf_at(r, conf_find("identity", "renew_at"));
        return conf_bad(r, "renewals are made by a template; write device.template, or never");
    }
    r->out->agent.renew_percent = 0;
    return AGENT_OK;
}

/* ---- whether the request that they go into has room for them --------------------------------- */

static enum agent_class check_parameters(struct conf_reader *r)
{
    char request[AGENT_MAX_REQUEST], token[AGENT_MAX_TOKEN];
    struct agent_text text = { .p = request, .cap = sizeof request };

    memset(token, 'x', sizeof token - 1);
    token[sizeof token - 1] = '\0';
    if (agent_msg_register(token, r->out->agent.params, r->out->agent.n_params, &text))
        return AGENT_OK;
    conf_at(r, conf_find("parameters", ""));
    return conf_bad(r, "do not fit into a request; write less than %d bytes in all",
                    AGENT_MAX_REQUEST - AGENT_MAX_TOKEN);
}

static enum agent_class check_required(struct conf_reader *r)
{
    for (size_t i = 0; i < conf_n_rows; i++) {
        if (strcmp(conf_rows[i].otherwise, "(required)") != 0 || r->given[i] != 0)
            continue;
        conf_at(r, &conf_rows[i]);
        return conf_bad(r, "is missing; write %s = ... in section %s", conf_rows[i].key,
                        conf_rows[i].section);
    }
    return AGENT_OK;
}

/* What nobody wrote, but follows. */
static void conclude(struct conf_reader *r)
{
    struct conf *conf = r->out;

    if (conf->net.port == 443 && !conf_given(r, "broker", "alpn"))
        conf->net.alpn = "x-amzn-mqtt-ca"; /* AWS IoT takes MQTT there by that name alone */
    if (conf->agent.method == AGENT_METHOD_JIT)
        conf->agent.keep_claim = true;
    if (conf->net.will_topic != NULL && conf->net.will_payload == NULL)
        conf->net.will_payload = "";
    conf->net.connect_ms = conf->agent.connect_ms;
    if (conf->claim_key != NULL && strncmp(conf->claim_key, "pkcs11:", 7) == 0)
        conf->keys.claim = conf->claim_key;
}

enum agent_class conf_check(struct conf_reader *r)
{
    static enum agent_class (*const checks[])(struct conf_reader * r) = {
        check_required, check_method,  check_pairs,      check_keys,
        check_stay,     check_renewal, check_parameters,
    };
    enum agent_class class = AGENT_OK;

    for (size_t i = 0; i < COUNT(checks) && class == AGENT_OK; i++)
        class = checks[i](r);
    if (class == AGENT_OK)
        conclude(r);
    return class;
}
