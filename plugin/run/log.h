/*
 * log.h - one event a line, key=value, from any thread, to a sink that only the broker's thread may
 * call.
 *
 * Lines logged off the broker's thread wait in a bounded ring until prov_log_drain, or until the
 * broker's thread next logs, so that a cause stands before its consequence. A full ring drops the
 * newest line and counts it; the count is logged once there is room again. Audit lines have the
 * last quarter of the ring to themselves, so that chatter cannot push them out. Tokens, keys and
 * PEM are never arguments.
 */
#ifndef PROV_LOG_H
#define PROV_LOG_H

#include "core/base.h"

enum prov_level {
    PROV_LOG_DEBUG,
    PROV_LOG_INFO,
    PROV_LOG_NOTICE,
    PROV_LOG_WARNING,
    PROV_LOG_ERROR,
    PROV_LOG_AUDIT, /* prov_audit's: above every level that can be asked for */
};

#define PROV_LOG_LINE_MAX 1024 /* bytes without the NUL; longer lines are cut and end in "…" */

/*
 * Called on the broker's thread only; text is NUL-terminated, one line, no control characters. A
 * sink may cause lines to be logged (a broker that publishes its log asks the ACL callbacks who may
 * read it): those wait for the next drain instead of calling the sink within itself.
 */
typedef void prov_log_sink(void *ctx, enum prov_level level, const char *text);

/*
 * broker: the calling thread becomes the one that may call sink. Before this, and after
 * prov_log_stop, lines go to stderr (provctl, tests). PROV_ENOMEM when the ring cannot be made,
 * PROV_EINVAL for a ring of no lines, PROV_EBUG when started already.
 */
PROV_MUST_USE enum prov_rc prov_log_start(prov_log_sink *sink, void *ctx, unsigned ring_lines);

/* broker: drains, then forgets the sink. Other threads that log have ended before. */
void prov_log_stop(void);

/* any thread: lines below this level are not even formatted; at first none are left out. */
void prov_log_least(enum prov_level least);

/* any thread; a control character that a caller failed to escape becomes '?' */
PROV_PRINTF(2, 3) void prov_log(enum prov_level level, const char *fmt, ...);

/* broker: passes on what other threads logged before the call. One atomic load when there is
 * nothing. */
void prov_log_drain(void);

/*
 * Device text as a value, a C string inside out. Plain ASCII words stay as they are; the rest is
 * quoted, with \" and \\, and with \xNN for each byte of control characters, of characters that
 * break or turn a line, and of invalid UTF-8. What does not fit is cut and ends in `…"`. cap is at
 * least PROV_LOG_QUOTE_MIN; with less the answer is "".
 */
#define PROV_LOG_QUOTE_MIN 8
const char *prov_log_quote(struct prov_span s, char *out, size_t cap);

/*
 * Audit line: who did what to which object with what outcome. Cannot be switched off by a level.
 * actor, action and object are quoted as needed; outcome is a word of ours; detail is key=value
 * text, quoted by the caller where it must be, and may be "".
 */
void prov_audit(const char *actor, const char *action, const char *object, const char *outcome,
                const char *detail);

#endif
