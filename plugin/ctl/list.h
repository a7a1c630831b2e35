/*
 * list.h - `list` of anything: tables and JSON in pages, so that a million rows need no memory and
 * no long transaction.
 */
#ifndef CTL_LIST_H
#define CTL_LIST_H

#include "ctl.h"
#include "table.h"

/* Where a row goes: cells for people, or a document for programs. Neither leaves the object out. */
struct ctl_row {
    struct ctl_table *table; /* NULL under --json */
    cJSON *json;             /* what the row made; ctl_list takes it */
};

struct ctl_list {
    enum prov_list_kind kind;
    struct prov_span of; /* the owner, where the kind has one */
    const struct ctl_column *columns;
    size_t n_columns;
    const char *json_key;   /* "certificates" */
    const char *json_token; /* "nextMarker", "nextToken" */
    const char *none;       /* what to tell people when there is nothing */
    bool ids;               /* keys are ids, told as hex */
    enum prov_rc (*row)(struct ctl *ctl, struct prov_span key, struct ctl_row *row);
};

/* Heeds --limit and --after. Ends the transaction that the verb began. */
PROV_MUST_USE enum prov_rc ctl_list(struct ctl *ctl, const struct ctl_list *list);

/* The id that is a key of PROV_LIST_CAS, _CERTS and _CERTS_OF_CA; PROV_ESTORE when it is none. */
PROV_MUST_USE enum prov_rc ctl_key_id(struct prov_span key, struct prov_id *out);

/* For the option tables of every list verb. */
#define CTL_LIST_OPTIONS(after)                                                                    \
    { OPT_LIMIT, "N", "at most so many rows", NULL, false },                                       \
    {                                                                                              \
        OPT_AFTER, after, "only what comes behind this one: for the next page", NULL, false        \
    }

/* The names or ids of one owner as one line of a description, with a count when there are more. */
PROV_MUST_USE enum prov_rc ctl_field_list(struct ctl *ctl, const char *label,
                                          enum prov_list_kind kind, struct prov_span of);

#endif
