#include "claim_file.h"

#include <string.h>

#include "device-agent/core/json.h"
#include "device-agent/core/text.h"

/* ---- PEM ------------------------------------------------------------------------------------- */

#define BEGIN "-----BEGIN "
#define END "-----END "
#define DASHES "-----"

static const uint8_t *find(struct agent_span in, const char *what)
{
    return in.n != 0 ? memmem(in.p, in.n, what, strlen(what)) : NULL;
}

static struct agent_span from(struct agent_span in, const uint8_t *p)
{
    return (struct agent_span){ p, in.n - (size_t)(p - in.p) };
}

static bool is(struct agent_span label, const char *text)
{
    return label.n == strlen(text) && memcmp(label.p, text, label.n) == 0;
}

struct block {
    struct agent_span label, whole; /* whole: without the line end */
};

/* The next one; what is left of *in is behind it. False: there is none that is whole. */
static bool next_block(struct agent_span *in, struct block *out)
{
    const uint8_t *begin = find(*in, BEGIN), *dashes, *end;
    struct agent_span rest;

    if (begin == NULL)
        return false;
    rest = from(*in, begin + strlen(BEGIN));
    dashes = find(rest, DASHES);
    if (dashes == NULL)
        return false;
    out->label = (struct agent_span){ rest.p, (size_t)(dashes - rest.p) };
    rest = from(rest, dashes + strlen(DASHES));
    end = find(rest, END);
    if (end == NULL)
        return false;
    rest = from(rest, end + strlen(END));
    if (rest.n < out->label.n + strlen(DASHES) || memcmp(rest.p, out->label.p, out->label.n) != 0 ||
        memcmp(rest.p + out->label.n, DASHES, strlen(DASHES)) != 0)
        return false;
    *in = from(rest, rest.p + out->label.n + strlen(DASHES));
    out->whole = (struct agent_span){ begin, (size_t)(in->p - begin) };
    return true;
}

static bool add_block(struct agent_text *to, const struct block *block)
{
    return agent_text_add(to, block->whole.p, block->whole.n) && agent_text_add_str(to, "\n");
}

static bool is_key(struct agent_span label)
{
    return is(label, "PRIVATE KEY") || is(label, "EC PRIVATE KEY") || is(label, "RSA PRIVATE KEY");
}

/* An old-style key says so inside. */
static bool is_encrypted(const struct block *block)
{
    return is(block->label, "ENCRYPTED PRIVATE KEY") ||
           (is_key(block->label) && find(block->whole, "Proc-Type: 4,ENCRYPTED") != NULL);
}

static const char *read_pem(struct agent_span in, struct agent_text *cert, struct agent_text *key)
{
    struct block block;

    while (next_block(&in, &block)) {
        if (is_encrypted(&block))
            return "the private key is encrypted; decrypt it with openssl pkey first";
        if (is_key(block.label) && key->n != 0)
            return "there are two private keys";
        if (is_key(block.label) && !add_block(key, &block))
            return "the private key is too long";
        if (is(block.label, "CERTIFICATE") && !add_block(cert, &block))
            return "the certificates are too long";
    }
    return find(in, BEGIN) != NULL ? "a PEM block has no end" : NULL;
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static bool named(const struct agent_json_member *member, const char *name)
{
    return is(member->name, name);
}

static bool take(const struct agent_json_member *member, struct agent_text *out)
{
    return member->kind == AGENT_JSON_STRING && out->n == 0 && agent_json_text(member->value, out);
}

static const char *read_pair(struct agent_span object, struct agent_text *key)
{
    struct agent_json json;
    struct agent_json_member member;

    agent_json_init(&json, object);
    while (agent_json_next(&json, &member)) {
        if (named(&member, "PrivateKey") && !take(&member, key))
            return "keyPair.PrivateKey is no text, too long, or there twice";
    }
    return NULL;
}

static const char *read_json(struct agent_span in, struct agent_text *cert, struct agent_text *key)
{
    struct agent_json json;
    struct agent_json_member member;
    const char *why = NULL;

    agent_json_init(&json, in);
    while (why == NULL && agent_json_next(&json, &member)) {
        if (named(&member, "certificatePem") && !take(&member, cert))
            why = "certificatePem is no text, too long, or there twice";
        else if (named(&member, "keyPair") && member.kind == AGENT_JSON_OBJECT)
            why = read_pair(member.value, key);
    }
    if (why == NULL && !agent_json_whole(&json))
        why = "it is not one JSON object";
    return why;
}

/* ---------------------------------------------------------------------------------------------- */

static bool is_json(struct agent_span in)
{
    size_t i = 0;

    while (i < in.n && strchr(" \t\r\n", in.p[i]) != NULL && in.p[i] != '\0')
        i++;
    return i < in.n && in.p[i] == '{';
}

enum agent_class claim_file_read(struct agent_span bytes, struct agent_text *cert,
                                 struct agent_text *key, struct port_result *result)
{
    const char *why;

    agent_text_clear(cert);
    agent_text_clear(key);
    why = is_json(bytes) ? read_json(bytes, cert, key) : read_pem(bytes, cert, key);
    if (why == NULL && cert->n == 0)
        why = "there is no certificate in it";
    if (why == NULL && key->n == 0)
        why = "there is no private key in it; give its file behind the certificate's";
    if (why == NULL)
        return AGENT_OK;
    agent_text_clear(cert);
    agent_text_clear(key);
    return port_fail(result, AGENT_ANSWER, "the claim cannot be used: %s", why);
}
