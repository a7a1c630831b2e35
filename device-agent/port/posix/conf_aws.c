/*
 * conf_aws.c - aws-iot-device-client's configuration, as its source/config/Config.h names the keys.
 *
 * First all is collected, then what it means here is set: a key's meaning depends on others, which
 * may come behind it. Empty texts count as not there, as they do for that client.
 */
#include "conf_priv.h"

#include <stdio.h>
#include <string.h>

#include "device-agent/core/text.h"

enum {
    ENDPOINT,
    CERT,
    KEY,
    ROOT_CA,
    THING_NAME,
    FP_ENABLED,
    FP_TEMPLATE,
    FP_PARAMETERS,
    FP_CSR_FILE,
    FP_DEVICE_KEY,
    SE_ENABLED,
    SE_LIB,
    SE_PIN,
    SE_LABEL,
    SE_SLOT,
    SE_TOKEN,
    USED
};

enum kind {
    TEXT,
    FLAG,
    SCALAR, /* a text or a number */
    OBJECT, /* whose members are known by the names below */
    NOTED,  /* likewise, and means nothing here */
    PASSED, /* known, in one of those */
};

static const struct {
    const char *path;
    enum kind kind;
} rows[] = {
    [ENDPOINT] = { "endpoint", TEXT },
    [CERT] = { "cert", TEXT },
    [KEY] = { "key", TEXT },
    [ROOT_CA] = { "root-ca", TEXT },
    [THING_NAME] = { "thing-name", TEXT },
    [FP_ENABLED] = { "fleet-provisioning.enabled", FLAG },
    [FP_TEMPLATE] = { "fleet-provisioning.template-name", TEXT },
    [FP_PARAMETERS] = { "fleet-provisioning.template-parameters", TEXT },
    [FP_CSR_FILE] = { "fleet-provisioning.csr-file", TEXT },
    [FP_DEVICE_KEY] = { "fleet-provisioning.device-key", TEXT },
    [SE_ENABLED] = { "secure-element.enabled", FLAG },
    [SE_LIB] = { "secure-element.pkcs11-lib", TEXT },
    [SE_PIN] = { "secure-element.secure-element-pin", SCALAR },
    [SE_LABEL] = { "secure-element.secure-element-key-label", TEXT },
    [SE_SLOT] = { "secure-element.secure-element-slot-id", SCALAR },
    [SE_TOKEN] = { "secure-element.secure-element-token-label", TEXT },
    { "fleet-provisioning", OBJECT },
    { "secure-element", OBJECT },
    { "logging", NOTED },
    { "logging.level", PASSED },
    { "logging.type", PASSED },
    { "logging.file", PASSED },
    { "logging.enable-sdk-logging", PASSED },
    { "logging.sdk-log-level", PASSED },
    { "logging.sdk-log-file", PASSED },
    { "jobs", NOTED },
    { "jobs.enabled", PASSED },
    { "jobs.handler-directory", PASSED },
    { "tunneling", NOTED },
    { "tunneling.enabled", PASSED },
    { "tunneling.endpoint", PASSED },
    { "device-defender", NOTED },
    { "device-defender.enabled", PASSED },
    { "device-defender.interval", PASSED },
    { "runtime-config", NOTED },
    { "runtime-config.completed-fp", PASSED },
    { "runtime-config.cert", PASSED },
    { "runtime-config.key", PASSED },
    { "runtime-config.thing-name", PASSED },
    { "runtime-config.device-config", PASSED },
    { "samples", NOTED },
    { "samples.pub-sub", OBJECT },
    { "samples.pub-sub.enabled", PASSED },
    { "samples.pub-sub.publish-topic", PASSED },
    { "samples.pub-sub.publish-file", PASSED },
    { "samples.pub-sub.subscribe-topic", PASSED },
    { "samples.pub-sub.subscribe-file", PASSED },
    { "samples.pub-sub.publish-on-change", PASSED },
    { "sample-shadow", NOTED },
    { "sample-shadow.enabled", PASSED },
    { "sample-shadow.shadow-name", PASSED },
    { "sample-shadow.shadow-input-file", PASSED },
    { "sample-shadow.shadow-output-file", PASSED },
    { "config-shadow", NOTED },
    { "config-shadow.enabled", PASSED },
    { "sensor-publish", NOTED },
    { "sensor-publish.enabled", PASSED },
    { "sensor-publish.sensors", PASSED },
};
#define N_ROWS (sizeof rows / sizeof rows[0])

enum { PATH_MAX_HERE = 3 * (CONF_MAX_NAME + 2), DEPTH_MAX = 3 };

struct walk {
    struct conf_reader *r;
    struct agent_span text;
    const char *value[USED]; /* NULL: not there, or empty */
    unsigned line[N_ROWS];   /* 0: not there */
};

/* ---- what is there --------------------------------------------------------------------------- */

static enum agent_class fail_unknown(struct conf_reader *r, const char *path)
{
    struct conf_near near = { .word = path };
    char hint[80];

    if (strncmp(path, "http-proxy-", 11) == 0)
        return conf_bad(r, "is of another file; write broker.proxy in the agent's own form");
    for (size_t i = 0; i < N_ROWS; i++)
        conf_near_try(&near, rows[i].path);
    return conf_bad(r, "aws-iot-device-client has no such key%s",
                    near.best == NULL ? "; leave it out" : conf_near_hint(&near, hint));
}

static enum agent_class read_object(struct walk *w, const char *above, struct agent_span object,
                                    unsigned depth);

static enum agent_class take(struct walk *w, size_t row, const struct agent_json_member *member,
                             unsigned depth)
{
    const enum kind kind = rows[row].kind;
    const char *text;
    enum agent_class class;

    if (kind == PASSED)
        return AGENT_OK;
    if (kind == OBJECT || kind == NOTED) {
        if (member->kind != AGENT_JSON_OBJECT)
            return conf_bad(w->r, "is no object; write { \"enabled\": true }");
        if (kind == NOTED)
            conf_note(w->r, "means nothing to this agent");
        return read_object(w, rows[row].path, member->value, depth + 1);
    }
    if (kind == FLAG && member->kind != AGENT_JSON_WORD)
        return conf_bad(w->r, "is neither true nor false; write true or false");
    class = conf_json_value(w->r, member, kind == TEXT, &text);
    if (class == AGENT_OK && text[0] != '\0')
        w->value[row] = text;
    return class;
}

static enum agent_class read_member(struct walk *w, const char *above,
                                    const struct agent_json_member *member, unsigned depth)
{
    char path[PATH_MAX_HERE], name[CONF_MAX_NAME + 2], shown[CONF_SHOWN + 1];
    struct conf_reader *r = w->r;

    conf_json_name(member, name);
    (void)snprintf(path, sizeof path, "%s%s%s", above, above[0] == '\0' ? "" : ".", name);
    r->line = conf_line_of(w->text, member->name.p);
    (void)snprintf(r->what, sizeof r->what, "%s", conf_shown_name(path, shown));
    for (size_t i = 0; i < N_ROWS; i++) {
        if (strcmp(rows[i].path, path) != 0)
            continue;
        (void)snprintf(r->what, sizeof r->what, "%s", rows[i].path);
        if (w->line[i] != 0)
            return conf_bad(r, "was given on line %u already; write it once", w->line[i]);
        w->line[i] = r->line;
        return take(w, i, member, depth);
    }
    return fail_unknown(r, path);
}

static enum agent_class read_object(struct walk *w, const char *above, struct agent_span object,
                                    unsigned depth)
{
    struct agent_json json;
    struct agent_json_member member;
    enum agent_class class = AGENT_OK;

    agent_json_init(&json, object);
    while (class == AGENT_OK && depth < DEPTH_MAX && agent_json_next(&json, &member))
        class = read_member(w, above, &member, depth);
    return class == AGENT_OK && depth == 0 ? conf_json_end(w->r, &json) : class;
}

/* ---- what it means --------------------------------------------------------------------------- */

static bool is_on(const struct walk *w, size_t flag)
{
    return w->value[flag] != NULL && strcmp(w->value[flag], "yes") == 0;
}

/* A setting that follows from a row, or from the whole if that is not there. */
static enum agent_class set(struct walk *w, size_t row, const char *section, const char *key,
                            const char *value)
{
    w->r->line = w->line[row] != 0 ? w->line[row] : w->line[ENDPOINT];
    return conf_set(w->r, section, key, value, rows[row].path);
}

static void speak_of(struct walk *w, size_t row)
{
    w->r->line = w->line[row];
    (void)snprintf(w->r->what, sizeof w->r->what, "%s", rows[row].path);
}

static enum agent_class require(struct walk *w, size_t row, const char *cure)
{
    if (w->value[row] != NULL)
        return AGENT_OK;
    speak_of(w, row);
    return conf_bad(w->r, "is missing; %s", cure);
}

/* That client goes to port 443 with ALPN. With another broker its port stands behind the name. */
static enum agent_class set_endpoint(struct walk *w)
{
    const char *value = w->value[ENDPOINT], *colon = value == NULL ? NULL : strchr(value, ':');
    const bool has_port = colon != NULL && strchr(colon + 1, ':') == NULL;
    char host[256];
    enum agent_class class;

    if (value == NULL)
        return require(w, ENDPOINT, "write the broker's name");
    if (!has_port) {
        speak_of(w, ENDPOINT);
        conf_note(w->r, "port 443 with ALPN, as aws-iot-device-client does; write HOST:PORT for "
                        "another");
        class = set(w, ENDPOINT, "broker", "port", "443");
        return class == AGENT_OK ? set(w, ENDPOINT, "broker", "host", value) : class;
    }
    if ((size_t)(colon - value) >= sizeof host) {
        speak_of(w, ENDPOINT);
        return conf_bad(w->r, "is too long; write HOST:PORT");
    }
    (void)snprintf(host, sizeof host, "%.*s", (int)(colon - value), value);
    class = set(w, ENDPOINT, "broker", "host", host);
    return class == AGENT_OK ? set(w, ENDPOINT, "broker", "port", colon + 1) : class;
}

/* A text that holds a JSON object of texts. */
static enum agent_class set_parameters(struct walk *w)
{
    const char *text = w->value[FP_PARAMETERS], *value;
    char name[CONF_MAX_NAME + 2];
    struct agent_json json;
    struct agent_json_member member;
    enum agent_class class = AGENT_OK;

    if (text == NULL)
        return AGENT_OK;
    agent_json_init(&json, (struct agent_span){ (const uint8_t *)text, strlen(text) });
    while (class == AGENT_OK && agent_json_next(&json, &member)) {
        speak_of(w, FP_PARAMETERS);
        conf_json_name(&member, name);
        class = conf_json_value(w->r, &member, true, &value);
        if (class == AGENT_OK)
            class = set(w, FP_PARAMETERS, "parameters", name, value);
    }
    speak_of(w, FP_PARAMETERS);
    if (class != AGENT_OK || agent_json_whole(&json))
        return class;
    return conf_bad(w->r, "holds no JSON object; write \"{\\\"SerialNumber\\\": \\\"...\\\"}\"");
}

static enum agent_class set_fleet(struct walk *w)
{
    enum agent_class class = require(w, FP_TEMPLATE, "write the name of the broker's template");

    if (class == AGENT_OK)
        class = set(w, FP_ENABLED, "device", "method", "claim");
    if (class == AGENT_OK)
        class = set(w, FP_TEMPLATE, "device", "template", w->value[FP_TEMPLATE]);
    /* the claim's policy may allow one way and not the other */
    if (class == AGENT_OK)
        class = set(w, FP_CSR_FILE, "device", "keys",
                    w->value[FP_CSR_FILE] == NULL ? "broker" : "device");
    if (class == AGENT_OK)
        class = set(w, FP_ENABLED, "claim", "after_use", "keep");
    for (size_t row = FP_CSR_FILE; row <= FP_DEVICE_KEY && class == AGENT_OK; row++) {
        speak_of(w, row);
        if (w->value[row] != NULL)
            conf_note(w->r, "is not read: the agent makes a key and a request of its own");
    }
    return class == AGENT_OK ? set_parameters(w) : class;
}

/* As an attribute's value in a URI (RFC 7512). */
static bool add_encoded(struct agent_text *out, const char *name, const char *value)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._";
    char escape[4];
    bool fits = value == NULL || agent_text_add_str(out, name);

    for (const char *c = value; c != NULL && *c != '\0' && fits; c++) {
        (void)snprintf(escape, sizeof escape, strchr(plain, *c) != NULL ? "%c" : "%%%02X",
                       (unsigned char)*c);
        fits = agent_text_add_str(out, escape);
    }
    return fits;
}

static enum agent_class set_token_key(struct walk *w)
{
    char uri[1024];
    struct agent_text out = { .p = uri, .cap = sizeof uri };
    enum agent_class class = require(w, SE_LABEL, "write the key's label in the token");
    bool fits;

    if (class != AGENT_OK)
        return class;
    fits = add_encoded(&out, "pkcs11:object=", w->value[SE_LABEL]) &&
           add_encoded(&out, ";token=", w->value[SE_TOKEN]) &&
           add_encoded(&out, ";slot-id=", w->value[SE_SLOT]) &&
           add_encoded(&out, ";type=", "private") &&
           add_encoded(&out, "?module-path=", w->value[SE_LIB]) &&
           add_encoded(&out,
                       w->value[SE_LIB] == NULL ? "?pin-value=" : "&pin-value=", w->value[SE_PIN]);
    speak_of(w, SE_LABEL);
    class = fits ? set(w, SE_LABEL, "claim", "key", uri)
                 : conf_bad(w->r, "is too long; write shorter names");
    agent_text_clear(&out);
    return class;
}

static enum agent_class set_key(struct walk *w)
{
    enum agent_class class;

    if (is_on(w, SE_ENABLED))
        return set_token_key(w);
    class = require(w, KEY, "name the file with the certificate's key");
    return class == AGENT_OK ? set(w, KEY, "claim", "key", w->value[KEY]) : class;
}

static enum agent_class set_method(struct walk *w)
{
    return is_on(w, FP_ENABLED) ? set_fleet(w) : set(w, FP_ENABLED, "device", "method", "jit");
}

static enum agent_class set_rest(struct walk *w)
{
    static const struct {
        size_t row;
        const char *section, *key, *cure;
    } plain[] = {
        { CERT, "claim", "certificate", "name the file with the device's certificate" },
        { ROOT_CA, "broker", "ca_file", "name the file with the broker's CA" },
        { THING_NAME, "device", "client_id", "write the device's name" },
    };
    enum agent_class class = set(w, ENDPOINT, "service", "stay_connected", "yes");

    for (size_t i = 0; i < sizeof plain / sizeof plain[0] && class == AGENT_OK; i++) {
        class = require(w, plain[i].row, plain[i].cure);
        if (class == AGENT_OK)
            class = set(w, plain[i].row, plain[i].section, plain[i].key, w->value[plain[i].row]);
    }
    return class;
}

enum agent_class conf_aws(struct conf_reader *r, struct agent_span text)
{
    static enum agent_class (*const steps[])(struct walk * w) = { set_endpoint, set_key, set_method,
                                                                  set_rest };
    struct walk w = { .r = r, .text = text };
    enum agent_class class = read_object(&w, "", text, 0);

    for (size_t i = 0; i < sizeof steps / sizeof steps[0] && class == AGENT_OK; i++)
        class = steps[i](&w);
    return class;
}
