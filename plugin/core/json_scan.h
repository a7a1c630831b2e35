/*
 * json_scan.h - reading JSON text byte by byte: what json.c checks with and finds places with.
 *
 * Every function moves s->p forward, never past s->end. The first mistake goes to s->err (code
 * "InvalidRequestException", line and column) and is returned; s->p is then of no further use.
 * Thread: any.
 */
#ifndef PROV_JSON_SCAN_H
#define PROV_JSON_SCAN_H

#include "base.h"

struct prov_scan {
    struct prov_span text;
    const uint8_t *p, *end;
    struct prov_err *err; /* NULL: nobody asks where */
};

struct prov_scan prov_scan_start(struct prov_span text, struct prov_err *err);
void prov_scan_space(struct prov_scan *s);
/* Steps over c if it is next. */
bool prov_scan_take(struct prov_scan *s, uint8_t c);
/* One value, white space before it included; depth is how many containers are open around it. */
PROV_MUST_USE enum prov_rc prov_scan_value(struct prov_scan *s, unsigned depth);
/* A key and its colon; s->p ends at the value. */
PROV_MUST_USE enum prov_rc prov_scan_key(struct prov_scan *s);
/* One value and nothing else. */
PROV_MUST_USE enum prov_rc prov_scan_document(struct prov_span text, struct prov_err *err);

/* Does the string whose opening quote is at p decode to key? It must have been scanned before. */
bool prov_scan_string_is(const uint8_t *p, const char *key);
/* Sets line and column of the byte at `at`, which is within text or at its end. */
void prov_scan_place(struct prov_err *err, struct prov_span text, const uint8_t *at);

#endif
