/*
 * doc.h - a JSON document being made, as straight lines of puts: the first failure sticks, later
 * puts do nothing, and one check at the end tells.
 *
 * `into` is the document's root or an object or array made by an earlier put, which is NULL once
 * the document has failed. Keys are static text. Thread: one at a time.
 */
#ifndef PROV_DOC_H
#define PROV_DOC_H

#include <cjson/cJSON.h>

#include "registry.h"

struct prov_doc {
    struct prov_tx *tx;
    cJSON *root;
    enum prov_rc rc;
};

/* With an empty object as its root. tx is what ARNs are made in; NULL when there are none. */
struct prov_doc prov_doc_start(struct prov_tx *tx);
/*
 * PROV_OK and a root that the caller owns (cJSON_Delete), or the first failure and NULL. A document
 * describes what is there already, so PROV_ENOTFOUND on the way is damage: PROV_ESTORE.
 */
PROV_MUST_USE enum prov_rc prov_doc_end(struct prov_doc *d, cJSON **out);

/* The same as text without white space, appended to out. PROV_ETOOBIG: out's maximum. */
PROV_MUST_USE enum prov_rc prov_doc_print(struct prov_doc *d, struct prov_buf *out);

/* Takes the item, also on failure; NULL counts as out of memory. Returns the item, or NULL. */
cJSON *prov_doc_put(struct prov_doc *d, cJSON *into, const char *key, cJSON *item);
cJSON *prov_doc_append(struct prov_doc *d, cJSON *array, cJSON *item);
/* For keys that are no static text. */
void prov_doc_member(struct prov_doc *d, cJSON *into, struct prov_span key, cJSON *item);

cJSON *prov_doc_object(struct prov_doc *d, cJSON *into, const char *key);
cJSON *prov_doc_array(struct prov_doc *d, cJSON *into, const char *key);
void prov_doc_text(struct prov_doc *d, cJSON *into, const char *key, struct prov_span s);
/* The same, left out when s is empty. */
void prov_doc_text_if(struct prov_doc *d, cJSON *into, const char *key, struct prov_span s);
void prov_doc_number(struct prov_doc *d, cJSON *into, const char *key, double value);
void prov_doc_bool(struct prov_doc *d, cJSON *into, const char *key, bool value);
/* Seconds since 1970 with milliseconds behind the point, as the AWS JSON APIs have times. */
void prov_doc_time(struct prov_doc *d, cJSON *into, const char *key, int64_t at_ms);
/* 64 hex digits; left out when the id is zero. */
void prov_doc_id(struct prov_doc *d, cJSON *into, const char *key, const struct prov_id *id);

/* The ARN of an object ("thing", "cert", …; see prov_arn) as a JSON string, to be put; NULL once
 * the document has failed. */
cJSON *prov_doc_arn(struct prov_doc *d, const char *kind, struct prov_span name);
cJSON *prov_doc_arn_of_id(struct prov_doc *d, const char *kind, const struct prov_id *id);

/*
 * A JSON string made of bytes that need not be UTF-8: what is not, or is a NUL, becomes U+FFFD.
 * NULL when out of memory.
 */
cJSON *prov_doc_string(struct prov_span s);

#endif
