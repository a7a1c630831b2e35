/*
 * json.h - strict JSON for documents that people write and devices send, over cJSON.
 *
 * Stricter than cJSON: RFC 8259 to the letter, one value and nothing behind it (white space aside)
 * nor before it (a byte order mark included), at most max_bytes, no deeper than PROV_MAX_JSON_DEPTH
 * (counted in open brackets and braces), valid UTF-8, no lone surrogate, no key twice in an object
 * (compared after decoding), no NUL (raw or \u0000) in a string, no number that is longer than
 * PROV_JSON_MAX_NUMBER or beyond a double. All but the last and the keys are checked before cJSON
 * sees the text. Thread: any.
 */
#ifndef PROV_JSON_H
#define PROV_JSON_H

#include <stdarg.h>

#include <cjson/cJSON.h>

#include "base.h"

#define PROV_JSON_MAX_NUMBER 63 /* characters; cJSON reads no further */

/*
 * The caller frees with cJSON_Delete. A mistake is PROV_EINVAL, too long a text PROV_ETOOBIG; both
 * with code "InvalidRequestException", which the caller may replace in err. err gets line and
 * column; the path is filled for the mistakes that need whole values (a key twice, a number out of
 * range). Never look values up with cJSON_GetObjectItem: it ignores case.
 */
PROV_MUST_USE enum prov_rc prov_json_parse(struct prov_span text, size_t max_bytes, cJSON **out,
                                           struct prov_err *err);

/*
 * The steps from a document's root to a value, as a chain on the stack of whoever walks it:
 * a key, or an index when key is NULL.
 */
struct prov_json_path {
    const struct prov_json_path *up; /* NULL at the root: the first step has up NULL */
    const char *key;
    size_t index;
};

/*
 * Fails at a place in a document that prov_json_parse accepted: fills err with the place's line,
 * column and path ("Resources.thing.Properties.ThingGroups[1]") besides the usual. The place is
 * where a member begins: its key in an object, the element itself in an array, the value at the
 * root (at NULL). A step that is not there stops the search, so the path of a missing member gives
 * the place of the object that lacks it. Columns count bytes from 1. In the path, what is not
 * printable ASCII is '?'. Costs a second reading of text, so it is for mistakes only; allocates
 * nothing. err may be NULL.
 */
PROV_PRINTF(6, 7)
enum prov_rc prov_json_fail(struct prov_err *err, enum prov_rc rc, const char *code,
                            struct prov_span text, const struct prov_json_path *at, const char *fmt,
                            ...);
/* The same for who takes "..." already. */
PROV_PRINTF(6, 0)
enum prov_rc prov_json_vfail(struct prov_err *err, enum prov_rc rc, const char *code,
                             struct prov_span text, const struct prov_json_path *at,
                             const char *fmt, va_list args);

#endif
