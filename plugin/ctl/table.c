#include "table.h"

#include <stdarg.h>
#include <stdio.h>

#define GAP 2       /* blanks between columns */
#define NARROWEST 8 /* of a column that may be cut */
#define MAX_KEPT (16u << 20)

struct cell {
    enum ctl_style style;
    struct prov_span text;
};

void ctl_table_start(struct ctl_table *t, const struct ctl_column *columns, size_t n_columns,
                     const struct ctl_look *look, struct prov_buf *out)
{
    memset(t, 0, sizeof *t);
    t->columns = columns;
    t->n_columns = n_columns;
    t->look = *look;
    t->out = out;
    prov_buf_init(&t->cells, MAX_KEPT);
    for (size_t i = 0; i < n_columns; i++)
        t->widths[i] = ctl_width(prov_span_str(columns[i].title));
}

void ctl_table_release(struct ctl_table *t)
{
    if (t != NULL)
        prov_buf_release(&t->cells);
}

/* ---- keeping cells --------------------------------------------------------------------------- */

static void cell_start(struct ctl_table *t, enum ctl_style style)
{
    prov_buf_add_u8(&t->cells, (uint8_t)style);
}

static void cell_end(struct ctl_table *t)
{
    prov_buf_add_u8(&t->cells, '\0');
    t->n_cells++;
}

void ctl_cell(struct ctl_table *t, struct prov_span text)
{
    cell_start(t, CTL_PLAIN);
    ctl_put_text(&t->cells, text.n == 0 ? PROV_LIT("-") : text);
    cell_end(t);
}

void ctl_cell_styled(struct ctl_table *t, enum ctl_style style, const char *text)
{
    cell_start(t, style);
    ctl_put_text(&t->cells, prov_span_str(text));
    cell_end(t);
}

void ctl_cellf(struct ctl_table *t, const char *fmt, ...)
{
    char text[256];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    ctl_cell(t, prov_span_str(text));
}

void ctl_cell_id(struct ctl_table *t, struct prov_span hex)
{
    ctl_cell(t, prov_span(hex.p, hex.n < 12 ? hex.n : 12));
}

void ctl_cell_status(struct ctl_table *t, struct prov_span status)
{
    char name[32];

    (void)prov_span_copy(status, name, sizeof name);
    ctl_cell_styled(t, ctl_style_of(name), name);
}

void ctl_cell_names(struct ctl_table *t, const struct prov_span *names, size_t n)
{
    if (n > 1)
        ctl_cellf(t, "%.*s +%zu", PROV_SPAN_ARG(names[0]), n - 1);
    else
        ctl_cell(t, n == 1 ? names[0] : prov_span(NULL, 0));
}

void ctl_cell_time(struct ctl_table *t, int64_t at_ms)
{
    cell_start(t, CTL_PLAIN);
    ctl_put_time(&t->cells, at_ms);
    cell_end(t);
}

/* ---- writing rows ---------------------------------------------------------------------------- */

static struct cell take_cell(struct prov_span *rest)
{
    const uint8_t *end = memchr(rest->p + 1, '\0', rest->n - 1);
    const struct cell cell = { (enum ctl_style)rest->p[0],
                               prov_span(rest->p + 1, (size_t)(end - rest->p) - 1) };

    *rest = prov_span(end + 1, rest->n - cell.text.n - 2);
    return cell;
}

static void widen(struct ctl_table *t)
{
    struct prov_span rest = prov_buf_span(&t->cells);

    for (size_t i = 0; i < t->n_cells; i++) {
        const size_t width = ctl_width(take_cell(&rest).text);

        if (width > t->widths[i % t->n_columns])
            t->widths[i % t->n_columns] = width;
    }
}

/* The widths to print with: the widest column that may be cut gives, one column at a time. */
static void fit(const struct ctl_table *t, size_t widths[static CTL_MAX_COLUMNS])
{
    size_t total = 0, widest;

    for (size_t i = 0; i < t->n_columns; i++) {
        widths[i] = t->widths[i];
        total += widths[i] + (i == 0 ? 0 : GAP);
    }
    for (; t->look.width != 0 && total > t->look.width; total--) {
        widest = CTL_MAX_COLUMNS;
        for (size_t i = 0; i < t->n_columns; i++) {
            if (t->columns[i].may_cut && widths[i] > NARROWEST &&
                (widest == CTL_MAX_COLUMNS || widths[i] > widths[widest]))
                widest = i;
        }
        if (widest == CTL_MAX_COLUMNS)
            return;
        widths[widest]--;
    }
}

static void put_cell(const struct ctl_table *t, size_t column, struct cell cell, size_t width)
{
    const bool cut = ctl_width(cell.text) > width && t->columns[column].may_cut;
    const struct prov_span text = cut ? ctl_cut(cell.text, width - 1) : cell.text;
    const size_t used = ctl_width(text) + cut;
    const int pad = used < width ? (int)(width - used) : 0;
    const bool right = t->columns[column].right, last = column + 1 == t->n_columns;

    if (right)
        prov_buf_addf(t->out, "%*s", pad, "");
    ctl_style_on(t->out, &t->look, cell.style);
    prov_buf_add(t->out, text);
    if (cut)
        prov_buf_add_str(t->out, "…");
    ctl_style_off(t->out, &t->look, cell.style);
    if (!last)
        prov_buf_addf(t->out, "%*s", (right ? 0 : pad) + GAP, "");
    else
        prov_buf_add_u8(t->out, '\n');
}

void ctl_table_flush(struct ctl_table *t)
{
    struct prov_span rest = prov_buf_span(&t->cells);
    const size_t n = t->n_columns;
    size_t widths[CTL_MAX_COLUMNS];

    if (t->cells.rc != PROV_OK && t->out->rc == PROV_OK)
        t->out->rc = t->cells.rc;
    if (t->out->rc != PROV_OK || t->n_cells == 0 || n == 0)
        return;
    widen(t);
    fit(t, widths);
    for (size_t i = 0; i < n && !t->header_out; i++)
        put_cell(t, i, (struct cell){ CTL_HEAD, prov_span_str(t->columns[i].title) }, widths[i]);
    t->header_out = true;
    for (size_t i = 0; i < t->n_cells; i++)
        put_cell(t, i % n, take_cell(&rest), widths[i % n]);
    prov_buf_clear(&t->cells);
    t->n_cells = 0;
}
