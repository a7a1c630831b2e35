#include "json_scan.h"

#include <stdarg.h>
#include <stdio.h>

#include "json.h"
#include "limits.h"

struct prov_scan prov_scan_start(struct prov_span text, struct prov_err *err)
{
    return (struct prov_scan){ .text = text, .p = text.p, .end = text.p + text.n, .err = err };
}

void prov_scan_place(struct prov_err *err, struct prov_span text, const uint8_t *at)
{
    const uint8_t *line = text.p;

    err->line = 1;
    for (const uint8_t *p = text.p; p < at; p++) {
        if (*p == '\n') {
            err->line++;
            line = p + 1;
        }
    }
    err->col = (unsigned)(at - line) + 1;
}

PROV_PRINTF(3, 4)
static enum prov_rc mistake(const struct prov_scan *s, const uint8_t *at, const char *fmt, ...)
{
    va_list args;

    if (s->err == NULL)
        return PROV_EINVAL;
    (void)prov_fail(s->err, PROV_EINVAL, "InvalidRequestException", "%s", "");
    va_start(args, fmt);
    (void)vsnprintf(s->err->text, sizeof s->err->text, fmt, args);
    va_end(args);
    prov_scan_place(s->err, s->text, at);
    return PROV_EINVAL;
}

static enum prov_rc unexpected(const struct prov_scan *s, const char *wanted)
{
    if (s->p == s->end)
        return mistake(s, s->p, "the text ends where %s was expected", wanted);
    if (*s->p > ' ' && *s->p <= '~')
        return mistake(s, s->p, "'%c' where %s was expected", *s->p, wanted);
    return mistake(s, s->p, "byte 0x%02x where %s was expected", *s->p, wanted);
}

void prov_scan_space(struct prov_scan *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r'))
        s->p++;
}

bool prov_scan_take(struct prov_scan *s, uint8_t c)
{
    if (s->p == s->end || *s->p != c)
        return false;
    s->p++;
    return true;
}

/* ---- strings --------------------------------------------------------------------------------- */

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* The value of four hex digits, or a negative number when they are not. */
static int32_t hex4(const uint8_t *p, const uint8_t *end)
{
    uint8_t b[2];

    if (end - p < 4 || !prov_unhex(prov_span(p, 4), b, sizeof b))
        return -1;
    return b[0] << 8 | b[1];
}

static bool is_high_surrogate(int32_t unit)
{
    return unit >= 0xd800 && unit <= 0xdbff;
}

static bool is_low_surrogate(int32_t unit)
{
    return unit >= 0xdc00 && unit <= 0xdfff;
}

/* s->p is at the backslash of \uXXXX. */
static enum prov_rc scan_unicode_escape(struct prov_scan *s)
{
    const uint8_t *at = s->p;
    const int32_t unit = hex4(at + 2, s->end);

    if (unit < 0)
        return mistake(s, at, "\\u needs four hexadecimal digits");
    if (unit == 0)
        return mistake(s, at, "\\u0000 is not allowed");
    s->p += 6;
    if (is_low_surrogate(unit))
        return mistake(s, at, "a low surrogate without a high one before it");
    if (!is_high_surrogate(unit))
        return PROV_OK;
    if (s->end - s->p < 6 || s->p[0] != '\\' || s->p[1] != 'u' ||
        !is_low_surrogate(hex4(s->p + 2, s->end)))
        return mistake(s, at, "a high surrogate without a low one behind it");
    s->p += 6;
    return PROV_OK;
}

static enum prov_rc scan_escape(struct prov_scan *s)
{
    const uint8_t c = s->end - s->p > 1 ? s->p[1] : '\0';

    if (c == 'u')
        return scan_unicode_escape(s);
    if (c == '\0' || strchr("\"\\/bfnrt", c) == NULL)
        return mistake(s, s->p, "a backslash must be followed by one of \" \\ / b f n r t u");
    s->p += 2;
    return PROV_OK;
}

static enum prov_rc scan_multibyte(struct prov_scan *s)
{
    const size_t n = *s->p < 0xe0 ? 2 : *s->p < 0xf0 ? 3 : 4;

    if ((size_t)(s->end - s->p) < n || !prov_utf8_valid(prov_span(s->p, n)))
        return mistake(s, s->p, "not UTF-8: byte 0x%02x", *s->p);
    s->p += n;
    return PROV_OK;
}

/* s->p is at the opening quote. */
static enum prov_rc scan_string(struct prov_scan *s)
{
    const uint8_t *start = s->p++;
    enum prov_rc rc = PROV_OK;

    while (rc == PROV_OK && s->p < s->end) {
        if (*s->p == '"') {
            s->p++;
            return PROV_OK;
        }
        if (*s->p < ' ')
            return mistake(s, s->p, "control character 0x%02x in a string", *s->p);
        if (*s->p == '\\')
            rc = scan_escape(s);
        else if (*s->p >= 0x80)
            rc = scan_multibyte(s);
        else
            s->p++;
    }
    return rc == PROV_OK ? mistake(s, start, "a string that does not end") : rc;
}

/* ---- everything else ------------------------------------------------------------------------- */

static bool skip_digits(struct prov_scan *s)
{
    const uint8_t *start = s->p;

    while (s->p < s->end && is_digit(*s->p))
        s->p++;
    return s->p > start;
}

static enum prov_rc scan_number(struct prov_scan *s)
{
    const uint8_t *start = s->p;

    (void)prov_scan_take(s, '-');
    if (!prov_scan_take(s, '0') && !skip_digits(s))
        return unexpected(s, "a digit");
    if (prov_scan_take(s, '.') && !skip_digits(s))
        return unexpected(s, "a digit");
    if (prov_scan_take(s, 'e') || prov_scan_take(s, 'E')) {
        if (!prov_scan_take(s, '+'))
            (void)prov_scan_take(s, '-');
        if (!skip_digits(s))
            return unexpected(s, "a digit");
    }
    if (s->p - start > PROV_JSON_MAX_NUMBER)
        return mistake(s, start, "a number of %zu characters; %d are allowed",
                       (size_t)(s->p - start), PROV_JSON_MAX_NUMBER);
    return PROV_OK;
}

static enum prov_rc scan_word(struct prov_scan *s, const char *word)
{
    const struct prov_span w = prov_span_str(word);

    if (!prov_span_starts(prov_span(s->p, (size_t)(s->end - s->p)), w))
        return unexpected(s, "a value");
    s->p += w.n;
    return PROV_OK;
}

enum prov_rc prov_scan_key(struct prov_scan *s)
{
    enum prov_rc rc;

    prov_scan_space(s);
    if (s->p == s->end || *s->p != '"')
        return unexpected(s, "a key in double quotes");
    rc = scan_string(s);
    if (rc != PROV_OK)
        return rc;
    prov_scan_space(s);
    if (!prov_scan_take(s, ':'))
        return unexpected(s, "':'");
    prov_scan_space(s);
    return PROV_OK;
}

/* s->p is behind the opening bracket or brace; depth counts this container. */
static enum prov_rc scan_container(struct prov_scan *s, uint8_t close, unsigned depth)
{
    const bool keyed = close == '}';
    enum prov_rc rc;

    prov_scan_space(s);
    if (prov_scan_take(s, close))
        return PROV_OK;
    do {
        rc = keyed ? prov_scan_key(s) : PROV_OK;
        if (rc == PROV_OK)
            rc = prov_scan_value(s, depth);
        if (rc != PROV_OK)
            return rc;
        prov_scan_space(s);
    } while (prov_scan_take(s, ','));
    return prov_scan_take(s, close) ? PROV_OK : unexpected(s, keyed ? "',' or '}'" : "',' or ']'");
}

enum prov_rc prov_scan_value(struct prov_scan *s, unsigned depth)
{
    prov_scan_space(s);
    if (s->p == s->end)
        return unexpected(s, "a value");
    if (*s->p == '{' || *s->p == '[') {
        const uint8_t close = *s->p == '{' ? '}' : ']';

        if (depth == PROV_MAX_JSON_DEPTH)
            return mistake(s, s->p, "nested more than %d deep", PROV_MAX_JSON_DEPTH);
        s->p++;
        return scan_container(s, close, depth + 1);
    }
    if (*s->p == '"')
        return scan_string(s);
    if (*s->p == '-' || is_digit(*s->p))
        return scan_number(s);
    return scan_word(s, *s->p == 't' ? "true" : *s->p == 'f' ? "false" : "null");
}

enum prov_rc prov_scan_document(struct prov_span text, struct prov_err *err)
{
    struct prov_scan s = prov_scan_start(text, err);
    enum prov_rc rc = prov_scan_value(&s, 0);

    if (rc != PROV_OK)
        return rc;
    prov_scan_space(&s);
    return s.p == s.end ? PROV_OK : unexpected(&s, "the end of the text");
}

static size_t put_utf8(int32_t c, uint8_t out[static 4])
{
    static const uint8_t lead[] = { 0, 0x00, 0xc0, 0xe0, 0xf0 };
    const size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

    for (size_t i = n; --i > 0; c >>= 6)
        out[i] = (uint8_t)(0x80 | (c & 0x3f));
    out[0] = (uint8_t)(lead[n] | c);
    return n;
}

/* The escape at *p of an accepted text, as UTF-8; moves *p behind it. */
static size_t decode_escape(const uint8_t **p, uint8_t out[static 4])
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    const uint8_t *q = *p;
    int32_t c;

    if (q[1] != 'u') {
        *p += 2;
        return put_utf8(to[strchr(from, q[1]) - from], out);
    }
    c = hex4(q + 2, q + 6);
    *p += 6;
    if (is_high_surrogate(c)) {
        c = 0x10000 + ((c - 0xd800) << 10) + (hex4(q + 8, q + 12) - 0xdc00);
        *p += 6;
    }
    return put_utf8(c, out);
}

bool prov_scan_string_is(const uint8_t *p, const char *key)
{
    struct prov_span left = prov_span_str(key);
    uint8_t c[4];
    size_t n;

    for (p++; *p != '"'; left = prov_span(left.p + n, left.n - n)) {
        if (*p == '\\') {
            n = decode_escape(&p, c);
        } else {
            c[0] = *p++;
            n = 1;
        }
        if (!prov_span_starts(left, prov_span(c, n)))
            return false;
    }
    return left.n == 0;
}
