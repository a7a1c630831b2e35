#include "base.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/crypto.h>

const char *prov_rc_name(enum prov_rc rc)
{
    static const char *const names[] = {
        [PROV_OK] = "ok",
        [PROV_EINVAL] = "invalid",
        [PROV_ETOOBIG] = "too-big",
        [PROV_EDENIED] = "denied",
        [PROV_EEXPIRED] = "expired",
        [PROV_ENOTFOUND] = "not-found",
        [PROV_ECONFLICT] = "conflict",
        [PROV_EBUSY] = "busy",
        [PROV_ENOMEM] = "out-of-memory",
        [PROV_ESTORE] = "store",
        [PROV_ESIGNER] = "signer",
        [PROV_EHOOK] = "hook",
        [PROV_EBUG] = "internal",
    };

    return (size_t)rc < PROV_COUNT(names) ? names[rc] : "unknown";
}

enum prov_rc prov_fail(struct prov_err *err, enum prov_rc rc, const char *code, const char *fmt,
                       ...)
{
    va_list args;

    if (err == NULL)
        return rc;
    memset(err, 0, sizeof *err);
    err->rc = rc;
    err->code = code;
    va_start(args, fmt);
    (void)vsnprintf(err->text, sizeof err->text, fmt, args);
    va_end(args);
    return rc;
}

enum prov_rc prov_nomem(struct prov_err *err)
{
    return prov_fail(err, PROV_ENOMEM, "InternalFailureException", "out of memory");
}

int prov_span_cmp(struct prov_span a, struct prov_span b)
{
    const size_t n = a.n < b.n ? a.n : b.n;
    const int order = n == 0 ? 0 : memcmp(a.p, b.p, n);

    if (order != 0)
        return order;
    return (a.n > b.n) - (a.n < b.n);
}

bool prov_span_starts(struct prov_span s, struct prov_span prefix)
{
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

static uint8_t ascii_lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

bool prov_span_eq_nocase(struct prov_span a, struct prov_span b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++) {
        if (ascii_lower(a.p[i]) != ascii_lower(b.p[i]))
            return false;
    }
    return true;
}

char *prov_span_dup(struct prov_span s)
{
    char *copy;

    if (s.n != 0 && memchr(s.p, 0, s.n) != NULL)
        return NULL;
    copy = malloc(s.n + 1);
    if (copy == NULL)
        return NULL;
    if (s.n != 0)
        memcpy(copy, s.p, s.n);
    copy[s.n] = '\0';
    return copy;
}

bool prov_span_copy(struct prov_span s, char *out, size_t cap)
{
    const size_t n = s.n < cap ? s.n : cap - 1;

    if (n != 0)
        memcpy(out, s.p, n);
    out[n] = '\0';
    return n == s.n;
}

/* The length of the sequence that starts at p, or 0 when it is malformed (RFC 3629 section 4). */
static size_t utf8_sequence(const uint8_t *p, size_t left)
{
    uint8_t lo = 0x80, hi = 0xbf;
    size_t n;

    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 0;
    n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (left < n)
        return 0;
    if (p[0] == 0xe0)
        lo = 0xa0; /* shorter forms exist */
    else if (p[0] == 0xed)
        hi = 0x9f; /* surrogates */
    else if (p[0] == 0xf0)
        lo = 0x90;
    else if (p[0] == 0xf4)
        hi = 0x8f; /* beyond U+10FFFF */
    if (p[1] < lo || p[1] > hi)
        return 0;
    for (size_t i = 2; i < n; i++) {
        if (p[i] < 0x80 || p[i] > 0xbf)
            return 0;
    }
    return n;
}

bool prov_utf8_valid(struct prov_span s)
{
    size_t n;

    for (size_t i = 0; i < s.n; i += n) {
        n = utf8_sequence(s.p + i, s.n - i);
        if (n == 0)
            return false;
    }
    return true;
}

bool prov_ct_eq(const void *a, const void *b, size_t n)
{
    return CRYPTO_memcmp(a, b, n) == 0;
}

void prov_hex(const void *p, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *bytes = p;

    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * n] = '\0';
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool prov_unhex(struct prov_span hex, uint8_t *out, size_t n)
{
    if (hex.n != 2 * n)
        return false;
    for (size_t i = 0; i < n; i++) {
        const int hi = hex_digit(hex.p[2 * i]);
        const int lo = hex_digit(hex.p[2 * i + 1]);

        if (hi < 0 || lo < 0)
            return false;
        out[i] = (uint8_t)(hi << 4 | lo);
    }
    return true;
}

/* ---- buffer ---------------------------------------------------------------------------------- */

void prov_buf_init(struct prov_buf *b, size_t max_bytes)
{
    memset(b, 0, sizeof *b);
    b->max = max_bytes;
}

void prov_buf_release(struct prov_buf *b)
{
    if (b == NULL)
        return;
    free(b->p);
    prov_buf_init(b, b->max);
}

void prov_buf_wipe(struct prov_buf *b)
{
    if (b == NULL)
        return;
    if (b->p != NULL)
        OPENSSL_cleanse(b->p, b->cap);
    prov_buf_release(b);
}

void prov_buf_clear(struct prov_buf *b)
{
    b->n = 0;
    b->rc = PROV_OK;
}

/*
 * Room for n more bytes and a NUL. Growing copies by hand rather than by realloc, which could leave
 * a secret behind in memory that nobody wipes.
 */
static bool buf_reserve(struct prov_buf *b, size_t n)
{
    size_t cap;
    uint8_t *p;

    if (b->rc != PROV_OK)
        return false;
    if (n > b->max - b->n) {
        b->rc = PROV_ETOOBIG;
        return false;
    }
    if (b->p != NULL && b->n + n < b->cap)
        return true;
    cap = b->cap < 64 ? 64 : b->cap * 2;
    if (cap < b->n + n + 1)
        cap = b->n + n + 1;
    p = malloc(cap);
    if (p == NULL) {
        b->rc = PROV_ENOMEM;
        return false;
    }
    if (b->p != NULL) {
        memcpy(p, b->p, b->n);
        OPENSSL_cleanse(b->p, b->n);
        free(b->p);
    }
    b->p = p;
    b->cap = cap;
    return true;
}

void prov_buf_add(struct prov_buf *b, struct prov_span s)
{
    if (s.n == 0 || !buf_reserve(b, s.n))
        return;
    memcpy(b->p + b->n, s.p, s.n);
    b->n += s.n;
}

void prov_buf_add_str(struct prov_buf *b, const char *s)
{
    prov_buf_add(b, prov_span_str(s));
}

void prov_buf_add_u8(struct prov_buf *b, uint8_t byte)
{
    prov_buf_add(b, prov_span(&byte, 1));
}

void prov_buf_addf(struct prov_buf *b, const char *fmt, ...)
{
    va_list args, again;
    int n;

    va_start(args, fmt);
    va_copy(again, args);
    n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n < 0 && b->rc == PROV_OK)
        b->rc = PROV_ETOOBIG; /* beyond INT_MAX */
    if (n > 0 && buf_reserve(b, (size_t)n)) {
        (void)vsnprintf((char *)b->p + b->n, (size_t)n + 1, fmt, again);
        b->n += (size_t)n;
    }
    va_end(again);
}

struct prov_span prov_buf_span(const struct prov_buf *b)
{
    return prov_span(b->p, b->n);
}

const char *prov_buf_cstr(struct prov_buf *b)
{
    if (b->p == NULL)
        return "";
    b->p[b->n] = '\0';
    return (const char *)b->p;
}

/* ---- identities ------------------------------------------------------------------------------ */

bool prov_id_is_zero(const struct prov_id *id)
{
    static const struct prov_id zero;

    return prov_id_eq(id, &zero);
}

void prov_id_hex(const struct prov_id *id, char out[static PROV_ID_HEX + 1])
{
    prov_hex(id->b, PROV_ID_LEN, out);
}

bool prov_id_parse(struct prov_span text, struct prov_id *out)
{
    if (prov_span_starts(text, PROV_LIT("0x")))
        text = prov_span(text.p + 2, text.n - 2);
    return prov_unhex(text, out->b, PROV_ID_LEN);
}
