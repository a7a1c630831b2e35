#include "pem.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#define LINE_BYTES 48 /* 64 characters */

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct prov_span trimmed(struct prov_span s)
{
    while (s.n > 0 && is_space(s.p[0]))
        s = prov_span(s.p + 1, s.n - 1);
    while (s.n > 0 && is_space(s.p[s.n - 1]))
        s.n--;
    return s;
}

static bool strip(struct prov_span *s, struct prov_span prefix)
{
    if (!prov_span_starts(*s, prefix))
        return false;
    *s = prov_span(s->p + prefix.n, s->n - prefix.n);
    return true;
}

static bool strip_end(struct prov_span *s, struct prov_span suffix)
{
    if (s->n < suffix.n || !prov_span_eq(prov_span(s->p + s->n - suffix.n, suffix.n), suffix))
        return false;
    s->n -= suffix.n;
    return true;
}

/* What stands between the two lines that have this label. */
static bool body_of(struct prov_span text, struct prov_span label, struct prov_span *body)
{
    static const struct prov_span dashes = { (const uint8_t *)"-----", 5 };

    *body = text;
    return strip(body, PROV_LIT("-----BEGIN ")) && strip(body, label) && strip(body, dashes) &&
           strip_end(body, dashes) && strip_end(body, label) &&
           strip_end(body, PROV_LIT("-----END "));
}

static int digit(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+')
        return 62;
    return c == '/' ? 63 : -1;
}

/* RFC 4648 section 4, with its padding. */
static bool decode(struct prov_span s, uint8_t *out, size_t cap, size_t *n)
{
    size_t digits = 0, pads = 0;
    uint32_t bits = 0;

    *n = 0;
    for (size_t i = 0; i < s.n; i++) {
        const int value = digit(s.p[i]);

        if (is_space(s.p[i]))
            continue;
        if (s.p[i] == '=') {
            pads++;
            continue;
        }
        if (value < 0 || pads != 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        if (++digits % 4 == 1)
            continue;
        if (*n == cap)
            return false;
        out[(*n)++] = (uint8_t)(bits >> (6 - 2 * ((digits + 3) % 4)));
    }
    return digits % 4 != 1 && pads == (4 - digits % 4) % 4;
}

bool pem_read(struct prov_span text, const char *const *labels, size_t n_labels, uint8_t *out,
              size_t cap, size_t *n)
{
    struct prov_span body;

    text = trimmed(text);
    for (size_t i = 0; i < n_labels; i++) {
        if (body_of(text, prov_span_str(labels[i]), &body))
            return decode(body, out, cap, n);
    }
    return false;
}

void pem_add(struct prov_buf *out, const char *label, struct prov_span der)
{
    unsigned char line[LINE_BYTES / 3 * 4 + 1]; /* and a NUL */
    size_t n;

    prov_buf_addf(out, "-----BEGIN %s-----\n", label);
    for (size_t i = 0; i < der.n; i += n) {
        n = der.n - i < LINE_BYTES ? der.n - i : LINE_BYTES;
        prov_buf_add(out, prov_span(line, (size_t)EVP_EncodeBlock(line, der.p + i, (int)n)));
        prov_buf_add_u8(out, '\n');
    }
    prov_buf_addf(out, "-----END %s-----\n", label);
    OPENSSL_cleanse(line, sizeof line);
}
