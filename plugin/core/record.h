/*
 * record.h - how a struct becomes bytes in the store and back: one table of fields a type.
 *
 * A record is a run of fields: tag (1 byte), length (LEB128), value. Zero values are left out;
 * unknown tags are skipped, so that an older program can read what a newer one added within a
 * schema version. Reading allocates nothing: spans point into the record. Thread: any.
 */
#ifndef PROV_RECORD_H
#define PROV_RECORD_H

#include "base.h"

struct prov_attr;

enum prov_field_kind {
    PROV_FIELD_U32,   /* uint32_t, unsigned or an enum */
    PROV_FIELD_I64,   /* int64_t; a negative one takes all eight bytes */
    PROV_FIELD_BOOL,  /* bool */
    PROV_FIELD_ID,    /* struct prov_id */
    PROV_FIELD_SPAN,  /* struct prov_span */
    PROV_FIELD_SPANS, /* struct prov_span[max], how many at count_at (size_t) */
    PROV_FIELD_IDS,   /* struct prov_id[max], likewise */
    PROV_FIELD_ATTRS, /* struct prov_attr[max], likewise */
};

struct prov_field {
    uint8_t tag; /* never used for anything else again */
    enum prov_field_kind kind;
    size_t at, count_at, max;
};

struct prov_record {
    const struct prov_field *fields;
    size_t n_fields, size;
};

/* Appends to out; out->rc tells whether it fitted. */
void prov_record_write(const struct prov_record *type, const void *object, struct prov_buf *out);

/* Fills the whole object (absent fields are zero). PROV_ESTORE when the bytes are damaged. */
PROV_MUST_USE enum prov_rc prov_record_read(const struct prov_record *type, struct prov_span bytes,
                                            void *object);

#endif
