#include "der.h"

/* More than any length here; it also keeps sums of a few from wrapping. */
#define LENGTH_BYTES_MAX 4

/* ---- reading --------------------------------------------------------------------------------- */

/* X.690 section 10.1: the fewest bytes that will do. */
static bool take_length(struct prov_span *s, size_t *out)
{
    size_t n, bytes;

    if (s->n == 0)
        return false;
    n = s->p[0];
    bytes = n & 0x7f;
    *s = prov_span(s->p + 1, s->n - 1);
    if (n < 0x80) {
        *out = n;
        return true;
    }
    if (bytes == 0 || bytes > LENGTH_BYTES_MAX || bytes > s->n || s->p[0] == 0)
        return false;
    n = 0;
    for (size_t i = 0; i < bytes; i++)
        n = n << 8 | s->p[i];
    *s = prov_span(s->p + bytes, s->n - bytes);
    *out = n;
    return n >= 0x80;
}

bool der_take(struct prov_span *rest, struct der_value *out)
{
    struct prov_span s = *rest;
    size_t n;

    if (s.n == 0 || (s.p[0] & 0x1f) == 0x1f)
        return false;
    out->tag = s.p[0];
    s = prov_span(s.p + 1, s.n - 1);
    if (!take_length(&s, &n) || n > s.n)
        return false;
    out->content = prov_span(s.p, n);
    out->whole = prov_span(rest->p, (size_t)(s.p - rest->p) + n);
    *rest = prov_span(s.p + n, s.n - n);
    return true;
}

bool der_expect(struct prov_span *rest, uint8_t tag, struct prov_span *content)
{
    struct prov_span after = *rest;
    struct der_value value;

    if (!der_take(&after, &value) || value.tag != tag)
        return false;
    *content = value.content;
    *rest = after;
    return true;
}

bool der_only(struct prov_span der, uint8_t tag, struct prov_span *content)
{
    return der_expect(&der, tag, content) && der.n == 0;
}

bool der_unsigned(struct prov_span *rest, struct prov_span *out)
{
    struct prov_span after = *rest, s;

    if (!der_expect(&after, DER_INTEGER, &s) || s.n == 0 || (s.p[0] & 0x80) != 0)
        return false;
    if (s.p[0] == 0) {
        s = prov_span(s.p + 1, s.n - 1);
        if (s.n != 0 && (s.p[0] & 0x80) == 0)
            return false;
    }
    *out = s;
    *rest = after;
    return true;
}

bool der_bytes(struct prov_span *rest, struct prov_span *out)
{
    struct prov_span after = *rest, s;

    if (!der_expect(&after, DER_BIT_STRING, &s) || s.n == 0 || s.p[0] != 0)
        return false;
    *out = prov_span(s.p + 1, s.n - 1);
    *rest = after;
    return true;
}

/* X.690 section 8.19: numbers of seven bits a byte, each without zeros in front. */
bool der_is_oid(struct prov_span content)
{
    bool first = true;

    for (size_t i = 0; i < content.n; i++) {
        if (first && content.p[i] == 0x80)
            return false;
        first = (content.p[i] & 0x80) == 0;
    }
    return content.n != 0 && first;
}

bool der_algorithm(struct prov_span *rest, struct prov_span *oid, struct prov_span *parameters)
{
    struct prov_span after = *rest, s;

    if (!der_expect(&after, DER_SEQUENCE, &s) || !der_expect(&s, DER_OID, oid) || !der_is_oid(*oid))
        return false;
    *parameters = s;
    *rest = after;
    return true;
}

/* ---- writing --------------------------------------------------------------------------------- */

static size_t length_bytes(size_t n)
{
    size_t bytes = 0;

    if (n < 0x80)
        return 0;
    for (; n != 0; n >>= 8)
        bytes++;
    return bytes;
}

size_t der_size(size_t content_n)
{
    return 2 + length_bytes(content_n) + content_n;
}

void der_add_head(struct prov_buf *out, uint8_t tag, size_t content_n)
{
    const size_t bytes = length_bytes(content_n);

    prov_buf_add_u8(out, tag);
    prov_buf_add_u8(out, (uint8_t)(bytes == 0 ? content_n : 0x80 | bytes));
    for (size_t i = bytes; i > 0; i--)
        prov_buf_add_u8(out, (uint8_t)(content_n >> (8 * (i - 1))));
}

void der_add(struct prov_buf *out, uint8_t tag, struct prov_span content)
{
    der_add_head(out, tag, content.n);
    prov_buf_add(out, content);
}

void der_add_unsigned(struct prov_buf *out, struct prov_span number)
{
    bool sign;

    while (number.n > 1 && number.p[0] == 0)
        number = prov_span(number.p + 1, number.n - 1);
    sign = number.n == 0 || (number.p[0] & 0x80) != 0;
    der_add_head(out, DER_INTEGER, number.n + sign);
    if (sign)
        prov_buf_add_u8(out, 0);
    prov_buf_add(out, number);
}

void der_add_bytes(struct prov_buf *out, struct prov_span bytes)
{
    der_add_head(out, DER_BIT_STRING, bytes.n + 1);
    prov_buf_add_u8(out, 0);
    prov_buf_add(out, bytes);
}
