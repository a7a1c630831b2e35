#include <string.h>

#include "json.h"
#include "msg.h"
#include "text.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* Longer than the name of any field that is looked at. */
#define MAX_NAME 32

struct field {
    const char *name;
    enum agent_json_kind kind;
    struct agent_text *to;
    bool (*form)(const struct agent_text *);
    bool optional, seen;
};

/* ---- forms ----------------------------------------------------------------------------------- */

static bool all_of(const struct agent_text *text, const char *allowed, size_t n_allowed)
{
    for (size_t i = 0; i < text->n; i++) {
        if (memchr(allowed, text->p[i], n_allowed) == NULL)
            return false;
    }
    return true;
}

static bool is_certificate_id(const struct agent_text *text)
{
    static const char digits[] = "0123456789abcdefABCDEF";

    return text->n == 64 && all_of(text, digits, sizeof digits - 1);
}

static bool is_token(const struct agent_text *text)
{
    return text->n != 0;
}

/* Begins with one, ends with the other but for line ends, and they do not overlap. */
static bool between(const struct agent_text *text, const char *begin, const char *end)
{
    const size_t n_begin = strlen(begin), n_end = strlen(end);
    size_t n = text->n;

    while (n > 0 && (text->p[n - 1] == '\n' || text->p[n - 1] == '\r'))
        n--;
    return n >= n_begin + n_end && memcmp(text->p, begin, n_begin) == 0 &&
           memcmp(text->p + n - n_end, end, n_end) == 0;
}

static bool is_certificate(const struct agent_text *text)
{
    return between(text, "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----");
}

static bool is_private_key(const struct agent_text *text)
{
    return between(text, "-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----") ||
           between(text, "-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----") ||
           between(text, "-----BEGIN EC PRIVATE KEY-----", "-----END EC PRIVATE KEY-----");
}

/* AWS IoT's rule. A name goes into topics and onto terminals. */
static bool is_thing_name(const struct agent_text *text)
{
    static const char allowed[] = "0123456789-_:"
                                  "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

    return all_of(text, allowed, sizeof allowed - 1);
}

static bool any_form(const struct agent_text *text)
{
    (void)text;
    return true;
}

/* ---- accepted -------------------------------------------------------------------------------- */

/* A name may be written with escapes. */
static bool is_name(struct agent_span written, const char *name)
{
    char decoded[MAX_NAME];
    struct agent_text text = { .p = decoded, .cap = sizeof decoded };

    return agent_json_text(written, &text) && strcmp(decoded, name) == 0;
}

static bool read_field(struct field *field, const struct agent_json_member *member)
{
    if (field->seen || member->kind != field->kind)
        return false;
    field->seen = true;
    if (member->kind == AGENT_JSON_STRING)
        return agent_json_text(member->value, field->to) && field->form(field->to);
    return agent_text_add(field->to, member->value.p, member->value.n) && field->form(field->to);
}

static bool read_fields(struct agent_span payload, struct field *fields, size_t n)
{
    struct agent_json json;
    struct agent_json_member member;

    agent_json_init(&json, payload);
    while (agent_json_next(&json, &member)) {
        for (size_t i = 0; i < n; i++) {
            if (is_name(member.name, fields[i].name) && !read_field(&fields[i], &member))
                return false;
        }
    }
    if (!agent_json_whole(&json))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!fields[i].seen && !fields[i].optional)
            return false;
    }
    return true;
}

static enum agent_class read_answer(struct agent_span payload, struct field *fields, size_t n)
{
    for (size_t i = 0; i < n; i++)
        agent_text_clear(fields[i].to);
    if (read_fields(payload, fields, n))
        return AGENT_OK;
    for (size_t i = 0; i < n; i++)
        agent_text_clear(fields[i].to);
    return AGENT_ANSWER;
}

enum agent_class agent_msg_created(enum agent_op op, struct agent_span payload,
                                   struct agent_created *out)
{
    struct field fields[] = {
        { "certificateId", AGENT_JSON_STRING, &out->certificate_id, is_certificate_id, 0, 0 },
        { "certificatePem", AGENT_JSON_STRING, &out->certificate_pem, is_certificate, 0, 0 },
        { "certificateOwnershipToken", AGENT_JSON_STRING, &out->token, is_token, 0, 0 },
        { "privateKey", AGENT_JSON_STRING, &out->private_key, is_private_key, 0, 0 },
    };

    return read_answer(payload, fields, COUNT(fields) - (op == AGENT_CREATE_KEYS ? 0 : 1));
}

enum agent_class agent_msg_registered(struct agent_span payload, struct agent_registered *out)
{
    struct field fields[] = {
        { "thingName", AGENT_JSON_STRING, &out->thing_name, is_thing_name, true, false },
        { "deviceConfiguration", AGENT_JSON_OBJECT, &out->config, any_form, true, false },
    };
    const enum agent_class class = read_answer(payload, fields, COUNT(fields));

    if (class != AGENT_OK || fields[1].seen || agent_text_add_str(&out->config, "{}"))
        return class;
    agent_text_clear(&out->thing_name);
    return AGENT_ANSWER;
}

/* ---- rejected -------------------------------------------------------------------------------- */

/* Cut to cap, and nothing in it that a terminal could take for more than text. */
static void show(struct agent_span written, char *out, size_t cap)
{
    struct agent_text text = { .p = out, .cap = cap };
    uint32_t c;

    for (size_t at = 0; at < written.n && agent_json_char(written, &at, &c);) {
        if (!agent_text_add_char(&text, c >= ' ' && c <= '~' ? c : '?'))
            return;
    }
}

/* HTTP's, three digits; else 0. */
static int status_of(struct agent_span written)
{
    int status = 0;

    if (written.n != 3)
        return 0;
    for (size_t i = 0; i < written.n; i++) {
        if (written.p[i] < '0' || written.p[i] > '9')
            return 0;
        status = status * 10 + (written.p[i] - '0');
    }
    return status;
}

/* False: it came before. seen: a bit for each field. */
static bool read_rejection(const struct agent_json_member *member, struct agent_rejection *out,
                           unsigned *seen)
{
    static const char *const names[] = { "statusCode", "errorCode", "errorMessage" };
    unsigned i = 0;

    while (i < COUNT(names) && !is_name(member->name, names[i]))
        i++;
    if (i == COUNT(names))
        return true;
    if ((*seen & 1u << i) != 0)
        return false;
    *seen |= 1u << i;
    if (i == 0 && member->kind == AGENT_JSON_NUMBER)
        out->status = status_of(member->value);
    else if (i == 1 && member->kind == AGENT_JSON_STRING)
        show(member->value, out->code, sizeof out->code);
    else if (i == 2 && member->kind == AGENT_JSON_STRING)
        show(member->value, out->message, sizeof out->message);
    return true;
}

void agent_msg_rejection(struct agent_span payload, struct agent_rejection *out)
{
    static const char unreadable[] = "rejected, with an answer that cannot be read";
    static const char silent[] = "rejected, without a reason";
    struct agent_json json;
    struct agent_json_member member;
    unsigned seen = 0;

    _Static_assert(sizeof unreadable <= AGENT_MAX_MESSAGE, "AGENT_MAX_MESSAGE is too small");
    memset(out, 0, sizeof *out);
    agent_json_init(&json, payload);
    while (agent_json_next(&json, &member) && read_rejection(&member, out, &seen))
        ;
    out->readable = agent_json_whole(&json);
    if (!out->readable) {
        memset(out, 0, sizeof *out);
        memcpy(out->message, unreadable, sizeof unreadable);
    } else if (out->message[0] == '\0') {
        memcpy(out->message, silent, sizeof silent);
    }
}

enum agent_class agent_msg_rejection_class(const struct agent_rejection *rejection)
{
    if (!rejection->readable)
        return AGENT_ANSWER;
    if (strcmp(rejection->code, "InvalidCertificateOwnershipToken") == 0)
        return AGENT_TOKEN;
    /* "Throttling", "ThrottlingException": AWS IoT answers 429 or 400 with it */
    if (rejection->status == 429 || strncmp(rejection->code, "Throttling", 10) == 0)
        return AGENT_THROTTLED;
    return rejection->status >= 500 && rejection->status <= 599 ? AGENT_BUSY : AGENT_REJECTED;
}
