#include "log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define ELLIPSIS "\xe2\x80\xa6" /* U+2026 */
#define AUDIT_SHOWN 256         /* of actor, action and object each: the outcome always fits */

struct line {
    enum prov_level level;
    char text[PROV_LOG_LINE_MAX + 1];
};

/*
 * One per process, because a log call carries no handle: it is made from everywhere. sink, ctx,
 * broker and in_sink are written by the broker's thread alone; the others' view of them, and the
 * ring, are guarded by lock.
 */
static struct {
    pthread_mutex_t lock;
    prov_log_sink *sink; /* NULL: stderr */
    void *ctx;
    pthread_t broker;
    bool in_sink;
    struct line *ring;
    unsigned cap, first;
    atomic_uint waiting; /* lines in the ring */
    atomic_uint least;
    uint64_t lost, lost_audit;
} logger = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* ---- one line -------------------------------------------------------------------------------- */

static void text_cut(char text[static PROV_LOG_LINE_MAX + 1])
{
    size_t at = PROV_LOG_LINE_MAX - strlen(ELLIPSIS);

    /* no further back than a UTF-8 character is long: the text need not be UTF-8 */
    for (unsigned back = 0; back < 3 && ((unsigned char)text[at] & 0xc0) == 0x80; back++)
        at--;
    memcpy(text + at, ELLIPSIS, sizeof ELLIPSIS);
}

/* A line feed from outside must not look like the start of another event. */
static void text_flatten(char *text)
{
    for (char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    }
}

/* n is what vsnprintf said. */
static void line_finish(struct line *line, int n)
{
    if (n < 0)
        (void)snprintf(line->text, sizeof line->text, "event=log-line-unprintable");
    else if ((size_t)n >= sizeof line->text)
        text_cut(line->text);
    text_flatten(line->text);
}

static void line_to_stderr(const struct line *line)
{
    static const char *const names[] = {
        [PROV_LOG_DEBUG] = "debug",     [PROV_LOG_INFO] = "info",   [PROV_LOG_NOTICE] = "notice",
        [PROV_LOG_WARNING] = "warning", [PROV_LOG_ERROR] = "error", [PROV_LOG_AUDIT] = "audit",
    };

    /* one call, so that lines of several threads stay whole */
    (void)fprintf(stderr, "%s: %s\n", names[line->level], line->text);
}

/* ---- the ring -------------------------------------------------------------------------------- */

/* Under lock. */
static void ring_push(const struct line *line)
{
    const bool audit = line->level == PROV_LOG_AUDIT;
    const unsigned room = audit ? logger.cap : logger.cap - logger.cap / 4;
    const unsigned n = atomic_load_explicit(&logger.waiting, memory_order_relaxed);
    struct line *slot;

    if (n >= room) {
        logger.lost++;
        logger.lost_audit += audit;
        return;
    }
    slot = &logger.ring[(logger.first + n) % logger.cap];
    slot->level = line->level;
    memcpy(slot->text, line->text, strlen(line->text) + 1);
    atomic_store_explicit(&logger.waiting, n + 1, memory_order_release);
}

static bool ring_pop(struct line *out)
{
    unsigned n;

    (void)pthread_mutex_lock(&logger.lock);
    n = atomic_load_explicit(&logger.waiting, memory_order_relaxed);
    if (n != 0) {
        const struct line *slot = &logger.ring[logger.first];

        out->level = slot->level;
        memcpy(out->text, slot->text, strlen(slot->text) + 1);
        logger.first = (logger.first + 1) % logger.cap;
        atomic_store_explicit(&logger.waiting, n - 1, memory_order_release);
    }
    (void)pthread_mutex_unlock(&logger.lock);
    return n != 0;
}

/* ---- the sink -------------------------------------------------------------------------------- */

static void sink_call(const struct line *line)
{
    logger.in_sink = true;
    logger.sink(logger.ctx, line->level, line->text);
    logger.in_sink = false;
}

static void report_lost(void)
{
    struct line line = { .level = PROV_LOG_WARNING };
    uint64_t lost, audit;

    (void)pthread_mutex_lock(&logger.lock);
    lost = logger.lost;
    audit = logger.lost_audit;
    logger.lost = logger.lost_audit = 0;
    (void)pthread_mutex_unlock(&logger.lock);
    if (lost == 0)
        return;
    (void)snprintf(line.text, sizeof line.text, "event=log-lines-lost lines=%llu audit=%llu",
                   (unsigned long long)lost, (unsigned long long)audit);
    sink_call(&line);
}

static void line_pass(const struct line *line)
{
    bool to_stderr;

    (void)pthread_mutex_lock(&logger.lock);
    to_stderr = logger.sink == NULL;
    if (!to_stderr && (!pthread_equal(pthread_self(), logger.broker) || logger.in_sink)) {
        ring_push(line);
        (void)pthread_mutex_unlock(&logger.lock);
        return;
    }
    (void)pthread_mutex_unlock(&logger.lock);
    if (to_stderr) {
        line_to_stderr(line);
        return;
    }
    prov_log_drain();
    sink_call(line);
}

enum prov_rc prov_log_start(prov_log_sink *sink, void *ctx, unsigned ring_lines)
{
    struct line *ring;

    if (sink == NULL || ring_lines == 0)
        return PROV_EINVAL;
    if (logger.sink != NULL)
        return PROV_EBUG;
    ring = calloc(ring_lines, sizeof *ring);
    if (ring == NULL)
        return PROV_ENOMEM;
    (void)pthread_mutex_lock(&logger.lock);
    logger.ring = ring;
    logger.cap = ring_lines;
    logger.first = 0;
    logger.broker = pthread_self();
    logger.ctx = ctx;
    logger.sink = sink;
    (void)pthread_mutex_unlock(&logger.lock);
    return PROV_OK;
}

void prov_log_stop(void)
{
    struct line line;

    if (logger.sink == NULL)
        return;
    prov_log_drain();
    (void)pthread_mutex_lock(&logger.lock);
    logger.sink = NULL;
    (void)pthread_mutex_unlock(&logger.lock);
    while (ring_pop(&line)) /* what the sink itself caused to be logged */
        line_to_stderr(&line);
    free(logger.ring);
    logger.ring = NULL;
}

void prov_log_least(enum prov_level least)
{
    atomic_store_explicit(&logger.least, (unsigned)least, memory_order_relaxed);
}

void prov_log(enum prov_level level, const char *fmt, ...)
{
    struct line line;
    va_list args;
    int n;

    if (level != PROV_LOG_AUDIT &&
        (unsigned)level < atomic_load_explicit(&logger.least, memory_order_relaxed))
        return;
    line.level = level;
    va_start(args, fmt);
    n = vsnprintf(line.text, sizeof line.text, fmt, args);
    va_end(args);
    line_finish(&line, n);
    line_pass(&line);
}

void prov_log_drain(void)
{
    struct line line;
    unsigned n = atomic_load_explicit(&logger.waiting, memory_order_acquire);

    if (n == 0 || logger.in_sink)
        return;
    /* n is taken once: a sink that logs a line for each line must not keep the broker here */
    while (n-- > 0 && ring_pop(&line))
        sink_call(&line);
    report_lost();
}

/* ---- values ---------------------------------------------------------------------------------- */

/* Stands for itself between quotes: nearly all that is ever logged. */
static bool is_plain_char(uint8_t c)
{
    return c >= ' ' && c <= '~' && c != '"' && c != '\\';
}

static bool is_plain(struct prov_span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!is_plain_char(s.p[i]) || s.p[i] == ' ' || s.p[i] == '=')
            return false;
    }
    return s.n != 0;
}

/* The length of the character at p, or 0 when it is not UTF-8. */
static size_t char_len(const uint8_t *p, size_t left)
{
    for (size_t n = 1; n <= 4 && n <= left; n++) {
        if (prov_utf8_valid(prov_span(p, n)))
            return n;
    }
    return 0;
}

/* Legal UTF-8 that a terminal or a log viewer obeys instead of showing it. */
static bool is_control(struct prov_span c)
{
    static const struct {
        struct prov_span lead;
        uint8_t lo, hi;
    } rows[] = {
        { { NULL, 0 }, 0x00, 0x1f },                        /* C0 */
        { { NULL, 0 }, 0x7f, 0x7f },                        /* DEL */
        { { (const uint8_t *)"\xc2", 1 }, 0x80, 0x9f },     /* C1 */
        { { (const uint8_t *)"\xe2\x80", 2 }, 0xa8, 0xae }, /* line ends, U+202A to U+202E */
        { { (const uint8_t *)"\xe2\x81", 2 }, 0xa6, 0xa9 }, /* U+2066 to U+2069 */
    };

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        if (c.n == rows[i].lead.n + 1 && prov_span_starts(c, rows[i].lead) &&
            c.p[c.n - 1] >= rows[i].lo && c.p[c.n - 1] <= rows[i].hi)
            return true;
    }
    return false;
}

/* Writes the character at the start of s as it is shown; returns its length in out. */
static size_t show_char(struct prov_span s, char out[static 17], size_t *used)
{
    size_t n, len = 0;

    if (is_plain_char(s.p[0])) {
        *used = 1;
        out[0] = (char)s.p[0];
        return 1;
    }
    n = char_len(s.p, s.n);
    *used = n == 0 ? 1 : n;
    if (n == 0 || is_control(prov_span(s.p, n))) {
        for (size_t i = 0; i < *used; i++) {
            out[len++] = '\\';
            out[len++] = 'x';
            prov_hex(s.p + i, 1, out + len);
            len += 2;
        }
        return len;
    }
    if (s.p[0] == '"' || s.p[0] == '\\')
        out[len++] = '\\';
    memcpy(out + len, s.p, n);
    return len + n;
}

const char *prov_log_quote(struct prov_span s, char *out, size_t cap)
{
    const size_t tail = strlen(ELLIPSIS);
    char shown[17]; /* four escaped bytes */
    size_t len = 1, cut = 1, used, n;

    if (cap < PROV_LOG_QUOTE_MIN)
        return "";
    if (s.n < cap && is_plain(s)) {
        (void)prov_span_copy(s, out, cap);
        return out;
    }
    out[0] = '"';
    for (; s.n != 0; s = prov_span(s.p + used, s.n - used)) {
        n = show_char(s, shown, &used);
        if (len + n + 2 > cap) { /* a quote and a NUL must follow */
            memcpy(out + cut, ELLIPSIS, tail);
            len = cut + tail;
            break;
        }
        memcpy(out + len, shown, n);
        len += n;
        if (len + tail + 2 <= cap)
            cut = len;
    }
    out[len] = '"';
    out[len + 1] = '\0';
    return out;
}

void prov_audit(const char *actor, const char *action, const char *object, const char *outcome,
                const char *detail)
{
    char who[AUDIT_SHOWN], what[AUDIT_SHOWN], which[AUDIT_SHOWN];

    prov_log(PROV_LOG_AUDIT, "event=audit actor=%s action=%s object=%s outcome=%s%s%s",
             prov_log_quote(prov_span_str(actor), who, sizeof who),
             prov_log_quote(prov_span_str(action), what, sizeof what),
             prov_log_quote(prov_span_str(object), which, sizeof which), outcome,
             detail[0] == '\0' ? "" : " ", detail);
}
