/*
 * log.h - one event a line, key=value, from any thread, to a sink that only the broker's thread may
 * call.
 *
 * Lines logged off the broker's thread wait in a bounded ring until prov_log_drain. A full ring
 * drops the newest line and counts it; the count is logged when there is room again. Tokens, keys
 * and PEM are never arguments.
 */
#ifndef PROV_LOG_H
#define PROV_LOG_H

#include "core/base.h"

enum prov_level {
    PROV_LOG_DEBUG,
    PROV_LOG_INFO,
    PROV_LOG_NOTICE,
    PROV_LOG_WARNING,
    PROV_LOG_ERROR
};

#define PROV_LOG_LINE_MAX 1024 /* bytes; longer lines are cut and end in "…" */

/* Called on the broker's thread only; text is NUL-terminated, one line, no newline. */
typedef void prov_log_sink(void *ctx, enum prov_level level, const char *text);

/* broker: the calling thread becomes the one that may call sink. Before this, and after
 * prov_log_stop, lines go to stderr (provctl, tests). Returns PROV_ENOMEM when the ring cannot be
 * made. */
PROV_MUST_USE enum prov_rc prov_log_start(prov_log_sink *sink, void *ctx, unsigned ring_lines);
void prov_log_stop(void); /* broker: drains, then forgets the sink */

/* any thread */
PROV_PRINTF(2, 3) void prov_log(enum prov_level level, const char *fmt, ...);

/* broker: passes on what other threads logged. One atomic load when there is nothing. */
void prov_log_drain(void);

/*
 * Device text as a value: quoted when it is not plain, with control characters, quotes, backslashes
 * and invalid UTF-8 escaped (\xNN), cut at max_shown bytes of s. Returns a C string inside out.
 */
const char *prov_log_quote(struct prov_span s, char *out, size_t cap);

/*
 * Audit line: who did what to which object with what outcome. Cannot be switched off by a level.
 * actor, action and object are quoted as needed; detail may be "".
 */
void prov_audit(const char *actor, const char *action, const char *object, const char *outcome,
                const char *detail);

#endif
