/*
 * list.h - `list` of anything: an operation's pages as a table or as JSON, so that a million rows
 * need no memory and no long transaction.
 */
#ifndef CTL_LIST_H
#define CTL_LIST_H

#include "call.h"
#include "table.h"

/* How an operation names its pages on AWS. */
enum ctl_pages {
    CTL_BY_TOKEN,  /* maxResults, nextToken, nextToken */
    CTL_BY_MARKER, /* pageSize, marker, nextMarker */
    CTL_WHOLE,     /* all there is, at once */
};

struct ctl_list {
    const char *op;
    const char *rows; /* the array in its answer: "certificates" */
    enum ctl_pages pages;
    bool ids; /* rows go by ids, so --after is one */
    const struct ctl_column *columns;
    size_t n_columns;
    const char *none; /* what to tell people when there is nothing */
    void (*row)(struct ctl_table *table, const cJSON *row);
};

/* Heeds --limit and --after. filter: what else goes with each request; released. Ends the
 * transaction that the verb began. */
PROV_MUST_USE enum prov_rc ctl_list(struct ctl *ctl, const struct ctl_list *list,
                                    struct ctl_params *filter);

/* For the option tables of every list verb. */
#define CTL_LIST_OPTIONS(after)                                                                    \
    { OPT_LIMIT, "N", "at most so many rows", NULL, false },                                       \
    {                                                                                              \
        OPT_AFTER, after, "only what comes behind this one: for the next page", NULL, false        \
    }

/* ---- a short list within a description ------------------------------------------------------- */

struct ctl_short_list {
    const char *op, *rows;
    enum ctl_pages pages;
    const char *of;                                             /* the field that names the owner */
    const char *member;                                         /* of a row; NULL: it is a text */
    void (*put)(struct prov_buf *out, struct prov_span member); /* NULL: as it is */
};

/* The first few as one line of a description. */
PROV_MUST_USE enum prov_rc ctl_field_list(struct ctl *ctl, const char *label,
                                          const struct ctl_short_list *list, struct prov_span of);

/* For put: the first 12 digits of an id; "cert 0123456789ab" or "group NAME" of an ARN. */
void ctl_put_short_id(struct prov_buf *out, struct prov_span id);
void ctl_put_target(struct prov_buf *out, struct prov_span arn);

/* An array of names in an answer as one line of a description; member as above. */
void ctl_field_array(struct ctl *ctl, const char *label, const cJSON *array, const char *member);
/* Its first name as a cell, and how many more. */
void ctl_cell_array(struct ctl_table *table, const cJSON *array, const char *member);

#endif
