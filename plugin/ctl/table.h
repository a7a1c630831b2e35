/*
 * table.h - rows of text in columns that align, for any number of rows in constant memory.
 *
 * Rows are kept until ctl_table_flush, which makes the columns wide enough for all of them; a later
 * flush may make columns wider and never narrower. On a terminal the columns that may be cut are
 * narrowed until the line fits.
 */
#ifndef CTL_TABLE_H
#define CTL_TABLE_H

#include "text.h"

struct ctl_column {
    const char *title;
    bool right;   /* numbers */
    bool may_cut; /* names and texts; never ids and times, which are copied from here */
};

#define CTL_MAX_COLUMNS 10

struct ctl_table {
    const struct ctl_column *columns;
    size_t n_columns;
    size_t widths[CTL_MAX_COLUMNS];
    bool header_out;
    struct ctl_look look;
    struct prov_buf cells; /* of the rows kept: style, text, NUL */
    size_t n_cells;
    struct prov_buf *out;
};

void ctl_table_start(struct ctl_table *t, const struct ctl_column *columns, size_t n_columns,
                     const struct ctl_look *look, struct prov_buf *out);
/* The next cell, left to right, row by row. Escaped by ctl_put_text, as all are; an empty one shows
 * as "-". */
void ctl_cell(struct ctl_table *t, struct prov_span text);
void ctl_cell_styled(struct ctl_table *t, enum ctl_style style, const char *text);
PROV_PRINTF(2, 3) void ctl_cellf(struct ctl_table *t, const char *fmt, ...);
/* The first 12 digits of an id; "-" for none. */
void ctl_cell_id(struct ctl_table *t, struct prov_span hex);
/* A certificate's or CA's status, as it looks. */
void ctl_cell_status(struct ctl_table *t, struct prov_span status);
/* The first name, and how many more. */
void ctl_cell_names(struct ctl_table *t, const struct prov_span *names, size_t n);
void ctl_cell_time(struct ctl_table *t, int64_t at_ms);
/* Writes the header, if it is not out yet, and the whole rows so far. */
void ctl_table_flush(struct ctl_table *t);
/* Also without a flush; NULL is accepted. */
void ctl_table_release(struct ctl_table *t);

#endif
