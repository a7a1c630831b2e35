/*
 * base.h - what every other core file stands on: result codes, bytes, text.
 *
 * Thread: any. Nothing here has global state.
 */
#ifndef PROV_BASE_H
#define PROV_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PROV_MUST_USE __attribute__((warn_unused_result))
#define PROV_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#define PROV_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Replies, exit codes and retries all follow from the class, so there are only two. */
enum prov_rc {
    PROV_OK = 0,
    /* asking again unchanged gets the same answer */
    PROV_EINVAL,
    PROV_ETOOBIG,
    PROV_EDENIED,
    PROV_EEXPIRED,
    PROV_ENOTFOUND,
    PROV_ECONFLICT,
    /* asking again later may work */
    PROV_EBUSY,
    PROV_ENOMEM,
    PROV_ESTORE,
    PROV_ESIGNER,
    PROV_EHOOK,
    PROV_EBUG, /* our own mistake, logged where it was noticed */
};

/* A static name such as "not-found"; never NULL, also for values outside the enum. */
const char *prov_rc_name(enum prov_rc rc);

/* ---- errors a person will read --------------------------------------------------------------- */

/*
 * Filled once, at the point that knows; logged or printed once, at the edge. `code` is the AWS IoT
 * exception name and points to static text. `line` and `col` count from 1 and are 0 where the
 * mistake is not in a document; `path` then is empty ("Resources.thing.Properties.ThingName").
 */
struct prov_err {
    enum prov_rc rc;
    const char *code;
    unsigned line, col;
    char path[160];
    char text[320];
};

/* Returns rc, so that `return prov_fail(err, …)` reads as one step. err may be NULL. */
PROV_PRINTF(4, 5)
enum prov_rc prov_fail(struct prov_err *err, enum prov_rc rc, const char *code, const char *fmt,
                       ...);

/* PROV_ENOMEM with its standard text. */
enum prov_rc prov_nomem(struct prov_err *err);

/* ---- bytes ----------------------------------------------------------------------------------- */

/* Borrowed bytes, passed by value. p may be NULL when n is 0. Not NUL-terminated. */
struct prov_span {
    const uint8_t *p;
    size_t n;
};

/* printf("%.*s", PROV_SPAN_ARG(s)) */
#define PROV_SPAN_ARG(s) (int)(s).n, (const char *)(s).p
/* A span over a string literal. */
#define PROV_LIT(s) ((struct prov_span){ (const uint8_t *)(s), sizeof(s) - 1 })

static inline struct prov_span prov_span(const void *p, size_t n)
{
    return (struct prov_span){ (const uint8_t *)p, n };
}

/* NULL gives the empty span. */
static inline struct prov_span prov_span_str(const char *s)
{
    return s == NULL ? prov_span(NULL, 0) : prov_span(s, strlen(s));
}

static inline bool prov_span_eq(struct prov_span a, struct prov_span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool prov_span_eq_str(struct prov_span a, const char *s)
{
    return prov_span_eq(a, prov_span_str(s));
}

/* memcmp order; a prefix sorts before what it is a prefix of. */
int prov_span_cmp(struct prov_span a, struct prov_span b);
bool prov_span_starts(struct prov_span s, struct prov_span prefix);
/* ASCII only, as MQTT and AWS keywords need it. */
bool prov_span_eq_nocase(struct prov_span a, struct prov_span b);

/* A NUL-terminated copy that the caller frees; NULL when out of memory or when s holds a NUL. */
char *prov_span_dup(struct prov_span s);

/* Copies into out, always NUL-terminated; false (and a truncated copy) when it does not fit. cap is
 * 1 at least. */
bool prov_span_copy(struct prov_span s, char *out, size_t cap);

/* Well-formed UTF-8 as RFC 3629 has it: no overlong forms, no surrogates. */
bool prov_utf8_valid(struct prov_span s);

/* Time depends on n alone. For secrets and what guards them. */
bool prov_ct_eq(const void *a, const void *b, size_t n);

/* Lower-case hex and a NUL: out holds 2 * n + 1. */
void prov_hex(const void *p, size_t n, char *out);
/* Either case; the text must be exactly 2 * n digits. */
PROV_MUST_USE bool prov_unhex(struct prov_span hex, uint8_t *out, size_t n);

/* ---- a buffer born with its maximum ---------------------------------------------------------- */

/*
 * Owned bytes that grow up to max. The first failure (PROV_ENOMEM, PROV_ETOOBIG) sticks in rc and
 * later adds do nothing, so a builder is a straight list of adds and one check at the end.
 * A zeroed buffer has maximum 0; set max or call prov_buf_init.
 */
struct prov_buf {
    uint8_t *p;
    size_t n, cap, max;
    enum prov_rc rc;
};

void prov_buf_init(struct prov_buf *b, size_t max_bytes);
/* Frees the bytes; the buffer may be used again with the same maximum. NULL is accepted. */
void prov_buf_release(struct prov_buf *b);
/* The same, wiping the bytes first. */
void prov_buf_wipe(struct prov_buf *b);
/* Empties without freeing and clears rc. */
void prov_buf_clear(struct prov_buf *b);
void prov_buf_add(struct prov_buf *b, struct prov_span s);
void prov_buf_add_str(struct prov_buf *b, const char *s);
void prov_buf_add_u8(struct prov_buf *b, uint8_t byte);
PROV_PRINTF(2, 3) void prov_buf_addf(struct prov_buf *b, const char *fmt, ...);
/* The bytes so far, valid until the next add. */
struct prov_span prov_buf_span(const struct prov_buf *b);
/* The same as a C string (a NUL is kept behind the bytes); what fitted, if rc tells of a failure.
 */
const char *prov_buf_cstr(struct prov_buf *b);

/* ---- 256-bit identities ---------------------------------------------------------------------- */

#define PROV_ID_LEN 32
#define PROV_ID_HEX (2 * PROV_ID_LEN)

/* SHA-256 of a certificate's DER: AWS IoT's certificateId (reference section 0). */
struct prov_id {
    uint8_t b[PROV_ID_LEN];
};

static inline bool prov_id_eq(const struct prov_id *a, const struct prov_id *b)
{
    return memcmp(a->b, b->b, PROV_ID_LEN) == 0;
}

static inline struct prov_span prov_id_span(const struct prov_id *id)
{
    return prov_span(id->b, PROV_ID_LEN);
}

bool prov_id_is_zero(const struct prov_id *id);
void prov_id_hex(const struct prov_id *id, char out[static PROV_ID_HEX + 1]);
/* 64 hex digits of either case, with or without "0x" as the AWS API pattern allows. */
PROV_MUST_USE bool prov_id_parse(struct prov_span text, struct prov_id *out);

#endif
