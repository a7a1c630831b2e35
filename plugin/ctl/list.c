#include "list.h"

#include <stdio.h>

/* A page ends after so many rows, or so many objects that a filter left out: then the transaction
 * ends, and only then is anything written. */
#define PAGE_ROWS 256
#define PAGE_KEYS 4096

struct walk {
    struct ctl *ctl;
    const struct ctl_list *list;
    struct ctl_table table;
    uint8_t last[PROV_STORE_KEY_MAX]; /* the key seen last */
    size_t last_n;
    uint32_t limit; /* 0: none */
    uint64_t rows;
    size_t page_rows, page_keys;
    bool more; /* the page ended early: by its size or the limit */
    enum prov_rc rc;
};

enum prov_rc ctl_key_id(struct prov_span key, struct prov_id *out)
{
    if (key.n != sizeof out->b)
        return PROV_ESTORE;
    memcpy(out->b, key.p, sizeof out->b);
    return PROV_OK;
}

static bool limit_reached(const struct walk *w)
{
    return w->limit != 0 && w->rows >= w->limit;
}

static void put_row(struct walk *w, const struct ctl_row *row)
{
    struct prov_buf *out = &w->ctl->out;

    prov_buf_add_str(out, w->rows == 0 ? "\n    " : ",\n    ");
    ctl_put_json(out, row->json, 2);
}

static bool visit(void *ctx, struct prov_span key)
{
    struct walk *w = ctx;
    struct ctl_row row = { .table = w->ctl->json ? NULL : &w->table };
    const size_t cells = w->table.n_cells;

    if (limit_reached(w) || w->page_rows == PAGE_ROWS || w->page_keys == PAGE_KEYS) {
        w->more = true;
        return false;
    }
    w->rc = key.n <= sizeof w->last ? w->list->row(w->ctl, key, &row) : PROV_ESTORE;
    if (w->rc != PROV_OK)
        return false;
    if (key.n != 0)
        memcpy(w->last, key.p, key.n);
    w->last_n = key.n;
    w->page_keys++;
    if (row.json == NULL && w->table.n_cells == cells)
        return true;
    if (row.json != NULL)
        put_row(w, &row);
    cJSON_Delete(row.json);
    w->rows++;
    w->page_rows++;
    return true;
}

/* Reads a page, ends the transaction, writes. */
static enum prov_rc page(struct walk *w)
{
    enum prov_rc rc;

    w->more = false;
    w->page_rows = w->page_keys = 0;
    rc =
        prov_list(&w->ctl->tx, w->list->kind, w->list->of, prov_span(w->last, w->last_n), visit, w);
    if (rc == PROV_OK)
        rc = w->rc;
    if (rc == PROV_OK)
        rc = ctl_end(w->ctl);
    if (rc != PROV_OK)
        return rc;
    ctl_table_flush(&w->table);
    return ctl_flush(w->ctl);
}

/* --after: a name, or an id in full. */
static enum prov_rc start_after(struct walk *w)
{
    const char *after = ctl_opt(&w->ctl->args, OPT_AFTER);
    const struct prov_span text = prov_span_str(after);
    struct prov_id id;

    if (after == NULL)
        return PROV_OK;
    if (w->list->ids) {
        if (!prov_id_parse(text, &id))
            return ctl_usage(w->ctl, "--after needs an id in full, all 64 digits");
        memcpy(w->last, id.b, sizeof id.b);
        w->last_n = sizeof id.b;
        return PROV_OK;
    }
    if (text.n > sizeof w->last)
        return ctl_usage(w->ctl, "--after: no name is that long");
    memcpy(w->last, text.p, text.n);
    w->last_n = text.n;
    return PROV_OK;
}

/* What --after takes to go on from here. */
static void put_marker(const struct walk *w, struct prov_buf *out)
{
    char hex[PROV_ID_HEX + 1];

    if (w->list->ids && w->last_n == PROV_ID_LEN) {
        prov_hex(w->last, PROV_ID_LEN, hex);
        prov_buf_add_str(out, hex);
    } else {
        ctl_put_text(out, prov_span(w->last, w->last_n));
    }
}

static void finish(struct walk *w)
{
    struct ctl *ctl = w->ctl;
    struct prov_buf next;

    prov_buf_init(&next, PROV_STORE_KEY_MAX * 4);
    put_marker(w, &next);
    if (ctl->json && w->more)
        prov_buf_addf(&ctl->out, "%s],\n  \"%s\": \"%s\"\n}\n", w->rows == 0 ? "" : "\n  ",
                      w->list->json_token, prov_buf_cstr(&next));
    else if (ctl->json)
        prov_buf_addf(&ctl->out, "%s]\n}\n", w->rows == 0 ? "" : "\n  ");
    else if (w->more)
        ctl_note(ctl, "more follow: --after %s", prov_buf_cstr(&next));
    else if (w->rows == 0)
        ctl_note(ctl, "%s", w->list->none);
    ctl_release(&ctl->out, &next);
}

enum prov_rc ctl_list(struct ctl *ctl, const struct ctl_list *list)
{
    struct walk w = {
        .ctl = ctl, .list = list, .limit = ctl_number(&ctl->args, OPT_LIMIT, 0), .rc = PROV_OK
    };
    enum prov_rc rc;

    ctl_table_start(&w.table, list->columns, list->n_columns, &ctl->look, &ctl->out);
    if (ctl->json)
        prov_buf_addf(&ctl->out, "{\n  \"%s\": [", list->json_key);
    rc = start_after(&w);
    if (rc == PROV_OK)
        rc = page(&w);
    while (rc == PROV_OK && w.more && !limit_reached(&w)) {
        rc = ctl_begin_read(ctl);
        if (rc == PROV_OK)
            rc = page(&w);
    }
    if (rc == PROV_OK)
        finish(&w);
    ctl_table_release(&w.table);
    return rc;
}

/* ---- a short list within a description --------------------------------------------------------
 */

#define SHORT_LIST 8

struct short_list {
    enum prov_list_kind kind;
    struct prov_buf text;
    size_t n;
};

/* Targets of policies carry what they are in their first byte. */
static void put_target(struct prov_buf *out, struct prov_span key)
{
    char hex[PROV_ID_HEX + 1];

    if (key.n == 1 + PROV_ID_LEN && key.p[0] == 'c') {
        prov_hex(key.p + 1, PROV_ID_LEN, hex);
        prov_buf_addf(out, "cert %.12s", hex);
        return;
    }
    prov_buf_add_str(out, "group ");
    prov_buf_add(out, prov_span(key.p + 1, key.n - 1));
}

static bool add_short(void *ctx, struct prov_span key)
{
    struct short_list *list = ctx;
    char hex[PROV_ID_HEX + 1];

    if (++list->n > SHORT_LIST)
        return false;
    prov_buf_add_str(&list->text, list->n == 1 ? "" : ", ");
    if (list->kind == PROV_LIST_TARGETS_OF_POLICY && key.n > 1) {
        put_target(&list->text, key);
    } else if (list->kind == PROV_LIST_CAS_OF_TEMPLATE || list->kind == PROV_LIST_CERTS_OF_CA) {
        prov_hex(key.p, key.n < PROV_ID_LEN ? key.n : PROV_ID_LEN, hex);
        prov_buf_addf(&list->text, "%.12s", hex);
    } else {
        prov_buf_add(&list->text, key);
    }
    return true;
}

enum prov_rc ctl_field_list(struct ctl *ctl, const char *label, enum prov_list_kind kind,
                            struct prov_span of)
{
    struct short_list list = { .kind = kind };
    enum prov_rc rc;

    prov_buf_init(&list.text, 8192);
    rc = prov_list(&ctl->tx, kind, of, prov_span(NULL, 0), add_short, &list);
    if (list.n > SHORT_LIST)
        prov_buf_add_str(&list.text, ", …");
    if (rc == PROV_OK)
        ctl_field(ctl, label, list.n == 0 ? PROV_LIT("none") : prov_buf_span(&list.text));
    ctl_release(&ctl->out, &list.text);
    return rc;
}
