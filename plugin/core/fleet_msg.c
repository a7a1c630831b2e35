#include "fleet_msg_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/crypto.h>

static const char bad_request[] = "InvalidRequest";

/* The one field of text that an operation needs. */
static const struct {
    const char *name; /* NULL: none */
    size_t offset;
} needs[] = {
    [PROV_CREATE_KEYS] = { NULL, 0 },
    [PROV_CREATE_FROM_CSR] = { "certificateSigningRequest",
                               offsetof(struct prov_fleet_request, csr) },
    [PROV_REGISTER_THING] = { "certificateOwnershipToken",
                              offsetof(struct prov_fleet_request, token) },
};
_Static_assert(PROV_COUNT(needs) == PROV_FLEET_OPS, "an operation was added without its field");

enum prov_rc prov_fleet_bad(const struct prov_fleet_reader *r, const char *fmt, ...)
{
    va_list args;

    (void)prov_fail(r->err, PROV_EINVAL, bad_request, "%s", "");
    if (r->err != NULL) {
        va_start(args, fmt);
        (void)vsnprintf(r->err->text, sizeof r->err->text, fmt, args);
        va_end(args);
    }
    return PROV_EINVAL;
}

const char *prov_fleet_show(struct prov_span s, char out[static PROV_FLEET_SHOWN])
{
    (void)prov_span_copy(s, out, PROV_FLEET_SHOWN);
    for (size_t i = 0; i < s.n && i < PROV_FLEET_SHOWN - 1; i++) {
        if (out[i] < ' ' || out[i] > '~')
            out[i] = '?';
    }
    return out;
}

struct prov_span *prov_fleet_field(const struct prov_fleet_reader *r, struct prov_span key)
{
    if (needs[r->op].name == NULL || !prov_span_eq_str(key, needs[r->op].name))
        return NULL;
    return (struct prov_span *)((char *)&r->whole->request + needs[r->op].offset);
}

bool prov_fleet_is_parameters(const struct prov_fleet_reader *r, struct prov_span key)
{
    return r->op == PROV_REGISTER_THING && prov_span_eq_str(key, "parameters");
}

struct prov_span prov_fleet_keep(const struct prov_fleet_reader *r, struct prov_span text)
{
    uint8_t *to = r->whole->text + r->whole->used;

    if (text.n != 0)
        memcpy(to, text.p, text.n);
    r->whole->used += text.n;
    return prov_span(to, text.n);
}

enum prov_rc prov_fleet_param_name(const struct prov_fleet_reader *r, struct prov_span name)
{
    char shown[PROV_FLEET_SHOWN];

    if (name.n == 0)
        return prov_fleet_bad(r, "parameters has one without a name");
    if (name.n > PROV_MAX_PARAM_NAME)
        return prov_fleet_bad(r, "parameters.%s… has a name of %zu bytes; %d are allowed",
                              prov_fleet_show(name, shown), name.n, PROV_MAX_PARAM_NAME);
    if (r->whole->request.parameters.n == PROV_MAX_FLEET_PARAMS)
        return prov_fleet_bad(r, "parameters has more than %d of them", PROV_MAX_FLEET_PARAMS);
    return PROV_OK;
}

enum prov_rc prov_fleet_param_add(const struct prov_fleet_reader *r, struct prov_span name,
                                  struct prov_span value)
{
    char shown[PROV_FLEET_SHOWN];

    if (value.n > PROV_MAX_PARAM_VALUE)
        return prov_fleet_bad(r, "parameters.%s has %zu bytes; %d are allowed",
                              prov_fleet_show(name, shown), value.n, PROV_MAX_PARAM_VALUE);
    r->whole->params[r->whole->request.parameters.n++] = (struct prov_param){ name, value };
    return PROV_OK;
}

static enum prov_rc read_fields(const struct prov_fleet_reader *r, enum prov_format format)
{
    const char *name = needs[r->op].name;
    enum prov_rc rc;

    if (r->payload.n == 0)
        return name == NULL ? PROV_OK : prov_fleet_bad(r, "%s is missing: nothing was sent", name);
    rc = format == PROV_CBOR ? prov_fleet_read_cbor(r) : prov_fleet_read_json(r);
    if (rc == PROV_OK && name != NULL && prov_fleet_field(r, prov_span_str(name))->p == NULL)
        return prov_fleet_bad(r, "%s is missing", name);
    return rc;
}

enum prov_rc prov_fleet_request_parse(const struct prov_fleet_topic *topic,
                                      struct prov_span payload, struct prov_fleet_request **out,
                                      struct prov_err *err)
{
    struct prov_fleet_reader r = { .op = topic->op, .payload = payload, .err = err };
    enum prov_rc rc;

    *out = NULL;
    if (payload.n > PROV_MAX_FLEET_PAYLOAD)
        return prov_fail(err, PROV_ETOOBIG, bad_request, "%zu bytes were sent; %d are allowed",
                         payload.n, PROV_MAX_FLEET_PAYLOAD);
    r.whole = malloc(sizeof *r.whole + payload.n);
    if (r.whole == NULL)
        return prov_nomem(err);
    memset(r.whole, 0, sizeof *r.whole);
    r.whole->request.parameters.v = r.whole->params;
    rc = read_fields(&r, topic->format);
    if (rc == PROV_OK)
        *out = &r.whole->request;
    else
        prov_fleet_request_free(&r.whole->request);
    return rc;
}

void prov_fleet_request_free(struct prov_fleet_request *request)
{
    struct prov_fleet_whole *whole = (struct prov_fleet_whole *)request;

    if (whole == NULL)
        return;
    OPENSSL_cleanse(whole->text, whole->used);
    free(whole);
}
