#include "fleet_case.h"

#include <stdlib.h>

/* ---- writing --------------------------------------------------------------------------------- */

static size_t character(struct prov_span s)
{
    size_t n = 1;

    while (n < s.n && (s.p[n] & 0xc0) == 0x80)
        n++;
    return n;
}

static void write_json_text(struct prov_span s, struct prov_buf *out)
{
    prov_buf_add_u8(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < 0x80)
            prov_buf_addf(out, "\\u%04X", s.p[i]);
        else
            prov_buf_add_u8(out, s.p[i]);
    }
    prov_buf_add_u8(out, '"');
}

static void write_cbor_text(struct prov_span s, struct prov_buf *out)
{
    prov_buf_add_u8(out, 0x7f);
    while (s.n != 0) {
        const size_t n = character(s);

        prov_buf_add_u8(out, (uint8_t)(0x60 + n));
        prov_buf_add(out, prov_span(s.p, n));
        s = prov_span(s.p + n, s.n - n);
    }
    prov_buf_add_u8(out, 0xff);
}

static void write_text(enum prov_format format, struct prov_span s, struct prov_buf *out)
{
    if (format == PROV_CBOR)
        write_cbor_text(s, out);
    else
        write_json_text(s, out);
}

/* What stands between tokens is JSON's alone. */
static void write_mark(enum prov_format format, uint8_t json, uint8_t cbor, struct prov_buf *out)
{
    const uint8_t mark = format == PROV_CBOR ? cbor : json;

    if (mark != 0)
        prov_buf_add_u8(out, mark);
}

static void write_pair(enum prov_format format, struct prov_span name, struct prov_span value,
                       struct prov_buf *out)
{
    write_text(format, name, out);
    write_mark(format, ':', 0, out);
    write_text(format, value, out);
}

static void write_params(enum prov_format format, struct prov_params params, struct prov_buf *out)
{
    write_mark(format, ',', 0, out);
    write_text(format, PROV_LIT("parameters"), out);
    write_mark(format, ':', 0, out);
    write_mark(format, '{', 0xbf, out);
    for (size_t i = 0; i < params.n; i++) {
        if (i != 0)
            write_mark(format, ',', 0, out);
        write_pair(format, params.v[i].name, params.v[i].value, out);
    }
    write_mark(format, '}', 0xff, out);
}

void fleet_case_write(enum prov_fleet_op op, enum prov_format format,
                      const struct prov_fleet_request *request, struct prov_buf *out)
{
    write_mark(format, '{', 0xbf, out);
    if (op == PROV_CREATE_FROM_CSR) {
        write_pair(format, PROV_LIT("certificateSigningRequest"), request->csr, out);
    } else if (op == PROV_REGISTER_THING) {
        write_pair(format, PROV_LIT("certificateOwnershipToken"), request->token, out);
        write_params(format, request->parameters, out);
    }
    write_mark(format, '}', 0xff, out);
}

bool fleet_case_same(const struct prov_fleet_request *a, const struct prov_fleet_request *b)
{
    if (!prov_span_eq(a->csr, b->csr) || !prov_span_eq(a->token, b->token) ||
        a->parameters.n != b->parameters.n)
        return false;
    for (size_t i = 0; i < a->parameters.n; i++) {
        if (!prov_span_eq(a->parameters.v[i].name, b->parameters.v[i].name) ||
            !prov_span_eq(a->parameters.v[i].value, b->parameters.v[i].value))
            return false;
    }
    return true;
}

/* ---- RFC 8949 appendix C --------------------------------------------------------------------- */

#define ILL (-1)

struct bytes {
    const uint8_t *p, *end;
};

static bool take(struct bytes *b, uint64_t n)
{
    if (n > (uint64_t)(b->end - b->p))
        return false;
    b->p += n;
    return true;
}

static int well_formed(struct bytes *b, bool breakable);

/* Chunks until a break. */
static bool indefinite_string(struct bytes *b, int type)
{
    int it;

    while ((it = well_formed(b, true)) == type)
        continue;
    return it == 0xff;
}

static bool indefinite(struct bytes *b, int type, bool breakable)
{
    int it = 0;

    if (type == 2 || type == 3)
        return indefinite_string(b, type);
    if (type == 7)
        return breakable;
    if (type != 4 && type != 5)
        return false;
    while ((it = well_formed(b, true)) != 0xff) {
        if (it == ILL || (type == 5 && well_formed(b, false) == ILL))
            return false;
    }
    return true;
}

static bool definite(struct bytes *b, int type, uint64_t n)
{
    if (type == 2 || type == 3)
        return take(b, n);
    for (uint64_t i = 0; i < n && (type == 4 || type == 5); i++) {
        if (well_formed(b, false) == ILL || (type == 5 && well_formed(b, false) == ILL))
            return false;
    }
    return type != 6 || well_formed(b, false) != ILL;
}

/* The major type, 0xff for a break, 99 for what has an indefinite length, or ILL. */
static int well_formed(struct bytes *b, bool breakable)
{
    const uint8_t *head = b->p;
    uint64_t value = 0;
    int type, info;

    if (!take(b, 1))
        return ILL;
    type = head[0] >> 5;
    info = head[0] & 31;
    if (info == 31) {
        if (!indefinite(b, type, breakable))
            return ILL;
        return type == 7 ? 0xff : 99;
    }
    if (info > 27 || (info >= 24 && !take(b, 1u << (info - 24))))
        return ILL;
    for (const uint8_t *p = head + 1; p < b->p; p++)
        value = value << 8 | *p;
    if (info < 24)
        value = (uint64_t)info;
    if (type == 7 && info == 24 && value < 32)
        return ILL;
    return definite(b, type, value) ? type : ILL;
}

bool fleet_case_well_formed(struct prov_span cbor)
{
    struct bytes b = { .p = cbor.p, .end = cbor.p + cbor.n };

    return well_formed(&b, false) != ILL && b.p == b.end;
}

/* ---- properties ------------------------------------------------------------------------------ */

static void hold(bool good)
{
    if (!good)
        abort();
}

static bool is_text(struct prov_span s)
{
    return prov_utf8_valid(s) && (s.n == 0 || memchr(s.p, '\0', s.n) == NULL);
}

static void check_texts(enum prov_fleet_op op, const struct prov_fleet_request *r)
{
    hold(is_text(r->csr) && is_text(r->token));
    hold((r->csr.p != NULL) == (op == PROV_CREATE_FROM_CSR));
    hold((r->token.p != NULL) == (op == PROV_REGISTER_THING));
    hold(r->parameters.n <= (op == PROV_REGISTER_THING ? PROV_MAX_FLEET_PARAMS : 0));
    for (size_t i = 0; i < r->parameters.n; i++) {
        const struct prov_param *p = &r->parameters.v[i];

        hold(p->name.n >= 1 && p->name.n <= PROV_MAX_PARAM_NAME && is_text(p->name));
        hold(p->value.n <= PROV_MAX_PARAM_VALUE && is_text(p->value));
        for (size_t k = 0; k < i; k++)
            hold(!prov_span_eq(p->name, r->parameters.v[k].name));
    }
}

/* A text of one byte has three as a chunk and six in JSON, so not all that is short is so again. */
static void check_round_trip(enum prov_fleet_op op, enum prov_format format,
                             const struct prov_fleet_request *r)
{
    const struct prov_fleet_topic topic = { op, format, PROV_LIT("t") };
    struct prov_fleet_request *again;
    struct prov_buf text;

    prov_buf_init(&text, PROV_MAX_FLEET_PAYLOAD);
    fleet_case_write(op, format, r, &text);
    if (text.rc == PROV_OK) {
        hold(prov_fleet_request_parse(&topic, prov_buf_span(&text), &again, NULL) == PROV_OK);
        hold(fleet_case_same(r, again));
        prov_fleet_request_free(again);
    }
    prov_buf_release(&text);
}

void fleet_case_check(enum prov_fleet_op op, enum prov_format format, struct prov_span payload)
{
    const struct prov_fleet_topic topic = { op, format, PROV_LIT("t") };
    struct prov_err err = { .rc = PROV_OK };
    struct prov_fleet_request *r = (struct prov_fleet_request *)&err;
    const enum prov_rc rc = prov_fleet_request_parse(&topic, payload, &r, &err);

    if (rc != PROV_OK) {
        hold(r == NULL && err.rc == rc);
        hold(rc == (payload.n > PROV_MAX_FLEET_PAYLOAD ? PROV_ETOOBIG : PROV_EINVAL));
        hold(strcmp(err.code, "InvalidRequest") == 0 && err.text[0] != '\0');
        hold(memchr(err.text, '\0', sizeof err.text) != NULL);
        return;
    }
    hold(payload.n <= PROV_MAX_FLEET_PAYLOAD);
    if (format == PROV_CBOR && payload.n != 0)
        hold(fleet_case_well_formed(payload));
    check_texts(op, r);
    for (size_t i = 0; i < PROV_FORMATS; i++)
        check_round_trip(op, (enum prov_format)i, r);
    prov_fleet_request_free(r);
}
