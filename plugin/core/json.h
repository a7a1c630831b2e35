/*
 * json.h - strict JSON for documents that people write and devices send, over cJSON.
 *
 * Stricter than cJSON: one value and nothing behind it, at most max_bytes, no deeper than
 * PROV_MAX_JSON_DEPTH, valid UTF-8, no key twice in an object, no NUL (raw or \u0000) in a string.
 * Thread: any.
 */
#ifndef PROV_JSON_H
#define PROV_JSON_H

#include <cjson/cJSON.h>

#include "base.h"

/* err gets line and column of the mistake. The caller frees with cJSON_Delete. */
PROV_MUST_USE enum prov_rc prov_json_parse(struct prov_span text, size_t max_bytes, cJSON **out,
                                           struct prov_err *err);

/*
 * The steps from a document's root to a value, as a chain on the stack of whoever walks it:
 * a key, or an index when key is NULL.
 */
struct prov_json_path {
    const struct prov_json_path *up; /* NULL at the root */
    const char *key;
    size_t index;
};

/*
 * Fails at a place in a document that prov_json_parse accepted: fills err with the place's line,
 * column and path ("Resources.thing.Properties.ThingGroups[1]") besides the usual. Costs a second
 * reading of text, so it is for mistakes only.
 */
PROV_PRINTF(6, 7)
enum prov_rc prov_json_fail(struct prov_err *err, enum prov_rc rc, const char *code,
                            struct prov_span text, const struct prov_json_path *at, const char *fmt,
                            ...);

#endif
