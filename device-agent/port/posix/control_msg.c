#include "control_msg.h"

#include <string.h>

#include <openssl/crypto.h>

#include "device-agent/core/json.h"
#include "device-agent/core/text.h"

/* What each command says besides its name: all of it, and nothing else. */
enum { SAYS_COMMAND = 1, SAYS_LEVEL = 2, SAYS_CERT = 4, SAYS_KEY = 8 };

static const struct {
    const char *name;
    unsigned says;
} rows[] = {
    [CONTROL_STATUS] = { "status", SAYS_COMMAND },
    [CONTROL_RENEW] = { "renew", SAYS_COMMAND },
    [CONTROL_RESET] = { "reset", SAYS_COMMAND | SAYS_LEVEL },
    [CONTROL_INJECT] = { "inject-claim", SAYS_COMMAND | SAYS_CERT | SAYS_KEY },
    [CONTROL_STOP] = { "stop", SAYS_COMMAND },
};
_Static_assert(sizeof rows / sizeof rows[0] == CONTROL_COMMANDS, "a command has no row");

static const char *const levels[] = {
    [AGENT_RESET_NONE] = "none",
    [AGENT_RESET_IDENTITY] = "identity",
    [AGENT_RESET_FULL] = "full",
};
_Static_assert(sizeof levels / sizeof levels[0] == AGENT_RESETS, "a level has no name");

bool control_level(const char *word, enum agent_reset *out)
{
    for (unsigned i = AGENT_RESET_IDENTITY; i < AGENT_RESETS; i++) {
        if (strcmp(word, levels[i]) == 0) {
            *out = (enum agent_reset)i;
            return true;
        }
    }
    return false;
}

const char *control_level_name(enum agent_reset level)
{
    return (unsigned)level < AGENT_RESETS ? levels[level] : "unknown";
}

/* ---- reading --------------------------------------------------------------------------------- */

static bool command_of(const char *word, enum control_command *out)
{
    for (unsigned i = 0; i < CONTROL_COMMANDS; i++) {
        if (strcmp(word, rows[i].name) == 0) {
            *out = (enum control_command)i;
            return true;
        }
    }
    return false;
}

/* A word of the protocol; longer ones are none. */
static bool word_of(struct agent_span written, char out[static 16])
{
    struct agent_text text = { .p = out, .cap = 16 };

    return agent_json_text(written, &text);
}

static bool pem_of(struct agent_span written, char *out, size_t cap)
{
    struct agent_text text = { .p = out, .cap = cap };

    return agent_json_text(written, &text) && text.n != 0;
}

/* One member into *out; the bit that it stands for, or 0. */
static unsigned take(const struct agent_json_member *member, struct control_request *out)
{
    char name[16] = "", word[16] = "";

    if (member->kind != AGENT_JSON_STRING || !word_of(member->name, name))
        return 0;
    if (strcmp(name, "certificate") == 0)
        return pem_of(member->value, out->cert, sizeof out->cert) ? SAYS_CERT : 0;
    if (strcmp(name, "privateKey") == 0)
        return pem_of(member->value, out->key, sizeof out->key) ? SAYS_KEY : 0;
    if (!word_of(member->value, word))
        return 0;
    if (strcmp(name, "command") == 0)
        return command_of(word, &out->command) ? SAYS_COMMAND : 0;
    if (strcmp(name, "level") == 0)
        return control_level(word, &out->level) ? SAYS_LEVEL : 0;
    return 0;
}

static enum agent_class refuse(struct control_request *out, struct port_result *result,
                               const char *why)
{
    OPENSSL_cleanse(out, sizeof *out);
    return port_fail(result, AGENT_ANSWER, "the request cannot be used: %s", why);
}

enum agent_class control_request_read(struct agent_span line, struct control_request *out,
                                      struct port_result *result)
{
    struct agent_json json;
    struct agent_json_member member;
    unsigned said = 0, now;

    memset(out, 0, sizeof *out);
    agent_json_init(&json, line);
    while (agent_json_next(&json, &member)) {
        now = take(&member, out);
        if (now == 0)
            return refuse(out, result, "a field is unknown, too long, or has no known value");
        if ((said & now) != 0)
            return refuse(out, result, "a field is there twice");
        said |= now;
    }
    if (!agent_json_whole(&json))
        return refuse(out, result, "it is not one JSON object");
    if (said != rows[out->command].says)
        return refuse(out, result, "it says too little, or too much");
    return AGENT_OK;
}

/* ---- writing --------------------------------------------------------------------------------- */

static bool add_escaped(struct agent_text *out, uint32_t c)
{
    static const char digits[] = "0123456789abcdef";
    char number[] = "\\u0000";

    if (c == '\n')
        return agent_text_add_str(out, "\\n");
    if (c == '"' || c == '\\')
        return agent_text_add_str(out, "\\") && agent_text_add_char(out, c);
    if (c >= 0x20)
        return agent_text_add_char(out, c);
    number[4] = digits[c >> 4];
    number[5] = digits[c & 0xf];
    return agent_text_add_str(out, number);
}

static bool add_member(struct agent_text *out, const char *name, const char *value)
{
    const struct agent_span text = { (const uint8_t *)value, strlen(value) };
    uint32_t c;

    if (!agent_text_add_str(out, out->n == 0 ? "{\"" : ",\"") || !agent_text_add_str(out, name) ||
        !agent_text_add_str(out, "\":\""))
        return false;
    for (size_t at = 0; at < text.n;) {
        if (!agent_utf8_next(text, &at, &c) || !add_escaped(out, c))
            return false;
    }
    return agent_text_add_str(out, "\"");
}

bool control_request_write(const struct control_request *request, struct agent_text *out)
{
    const unsigned says = rows[request->command].says;
    bool ok;

    out->n = 0;
    ok = add_member(out, "command", rows[request->command].name);
    if ((says & SAYS_LEVEL) != 0)
        ok = ok && add_member(out, "level", control_level_name(request->level));
    if ((says & SAYS_CERT) != 0)
        ok = ok && add_member(out, "certificate", request->cert) &&
             add_member(out, "privateKey", request->key);
    ok = ok && agent_text_add_str(out, "}");
    if (!ok)
        agent_text_clear(out);
    return ok;
}
