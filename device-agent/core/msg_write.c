#include <string.h>

#include "msg.h"
#include "text.h"

static bool add_escaped(struct agent_text *out, uint32_t c)
{
    static const char digits[] = "0123456789abcdef";
    char number[] = "\\u0000";

    if (c == '\n') /* every line of a PEM text has one */
        return agent_text_add_str(out, "\\n");
    if (c == '"' || c == '\\')
        return agent_text_add(out, "\\", 1) && agent_text_add_char(out, c);
    if (c >= 0x20)
        return agent_text_add_char(out, c);
    number[4] = digits[c >> 4];
    number[5] = digits[c & 0xf];
    return agent_text_add_str(out, number);
}

bool agent_msg_string(const char *s, struct agent_text *out)
{
    const struct agent_span text = { (const uint8_t *)s, strlen(s) };
    uint32_t c;

    if (!agent_text_add(out, "\"", 1))
        return false;
    for (size_t at = 0; at < text.n;) {
        if (!agent_utf8_next(text, &at, &c) || !add_escaped(out, c))
            return false;
    }
    return agent_text_add(out, "\"", 1);
}

static bool add_member(struct agent_text *out, const char *name, const char *value)
{
    return agent_msg_string(name, out) && agent_text_add(out, ":", 1) &&
           agent_msg_string(value, out);
}

/* A token may be in what does not fit. */
static bool finish(struct agent_text *out, bool ok)
{
    if (!ok)
        agent_text_clear(out);
    return ok;
}

bool agent_msg_create_keys(struct agent_text *out)
{
    out->n = 0;
    return finish(out, agent_text_add_str(out, "{}"));
}

bool agent_msg_create_from_csr(const char *csr_pem, struct agent_text *out)
{
    out->n = 0;
    return finish(out, agent_text_add(out, "{", 1) &&
                           add_member(out, "certificateSigningRequest", csr_pem) &&
                           agent_text_add(out, "}", 1));
}

static bool add_params(struct agent_text *out, const struct agent_param *params, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (i != 0 && !agent_text_add(out, ",", 1))
            return false;
        if (!add_member(out, params[i].name, params[i].value))
            return false;
    }
    return true;
}

bool agent_msg_register(const char *token, const struct agent_param *params, size_t n_params,
                        struct agent_text *out)
{
    out->n = 0;
    return finish(out, agent_text_add(out, "{", 1) &&
                           add_member(out, "certificateOwnershipToken", token) &&
                           agent_text_add_str(out, ",\"parameters\":{") &&
                           add_params(out, params, n_params) && agent_text_add_str(out, "}}"));
}
