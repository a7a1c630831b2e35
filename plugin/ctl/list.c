#include "list.h"

#include "core/api.h"

static const struct {
    const char *size, *after, *next;
} page_names[] = {
    [CTL_BY_TOKEN] = { "maxResults", "nextToken", "nextToken" },
    [CTL_BY_MARKER] = { "pageSize", "marker", "nextMarker" },
    [CTL_WHOLE] = { "", "", "nextToken" },
};

struct walk {
    struct ctl *ctl;
    const struct ctl_list *list;
    struct ctl_params *filter;
    struct ctl_table table;
    uint32_t limit; /* 0: none */
    uint64_t rows;
    struct prov_buf after; /* where the next page begins; empty: at the first row */
    bool more;
};

static bool limit_reached(const struct walk *w)
{
    return w->limit != 0 && w->rows >= w->limit;
}

/* ---- one page -------------------------------------------------------------------------------- */

static struct ctl_params request(const struct walk *w)
{
    const enum ctl_pages pages = w->list->pages;
    const uint64_t left = w->limit != 0 ? w->limit - w->rows : PROV_API_PAGE_MAX;
    struct ctl_params params = { .failed = w->filter->failed };

    if (!params.failed)
        params.root = cJSON_Duplicate(w->filter->root, true);
    params.failed = params.root == NULL;
    if (pages == CTL_WHOLE)
        return params;
    ctl_put_number(&params, page_names[pages].size,
                   left < PROV_API_PAGE_MAX ? (double)left : PROV_API_PAGE_MAX);
    ctl_put_if(&params, page_names[pages].after, prov_buf_span(&w->after));
    return params;
}

static void put_row(struct walk *w, const cJSON *row)
{
    struct prov_buf *out = &w->ctl->out;

    if (w->ctl->json) {
        prov_buf_add_str(out, w->rows == 0 ? "\n    " : ",\n    ");
        ctl_put_json(out, row, 2);
    } else {
        w->list->row(&w->table, row);
    }
    w->rows++;
}

/* Where the page says that the next one begins. One that begins where this one did would never
 * end. */
static enum prov_rc go_on(struct walk *w, const cJSON *data)
{
    const struct prov_span next = ctl_get(data, page_names[w->list->pages].next);

    w->more = next.n != 0;
    if (!w->more)
        return PROV_OK;
    if (prov_span_eq(next, prov_buf_span(&w->after)))
        return prov_fail(&w->ctl->err, PROV_EBUG, "InternalFailureException",
                         "the list does not go on behind \"%.*s\"", PROV_SPAN_ARG(next));
    prov_buf_clear(&w->after);
    prov_buf_add(&w->after, next);
    return w->after.rc;
}

/* Asks for a page, ends the transaction, writes. */
static enum prov_rc page(struct walk *w)
{
    struct ctl_params params = request(w);
    const cJSON *row;
    cJSON *data;
    enum prov_rc rc;

    rc = ctl_call(w->ctl, w->list->op, &params, &data);
    if (rc != PROV_OK)
        return rc;
    cJSON_ArrayForEach(row, ctl_get_array(data, w->list->rows))
    {
        if (!limit_reached(w))
            put_row(w, row);
    }
    rc = go_on(w, data);
    cJSON_Delete(data);
    if (rc == PROV_OK)
        rc = ctl_end(w->ctl);
    if (rc != PROV_OK)
        return rc;
    ctl_table_flush(&w->table);
    return ctl_flush(w->ctl);
}

/* ---- all of them ----------------------------------------------------------------------------- */

/* --after: a name, or an id in full. */
static enum prov_rc start_after(struct walk *w)
{
    const struct prov_span after = ctl_value(w->ctl, OPT_AFTER);
    struct prov_id id;

    if (w->list->ids && after.n != 0 && !prov_id_parse(after, &id))
        return ctl_usage(w->ctl, "--after needs an id in full, all 64 digits");
    if (after.n > PROV_STORE_KEY_MAX)
        return ctl_usage(w->ctl, "--after: no name is that long");
    prov_buf_add(&w->after, after);
    return w->after.rc;
}

static void put_next(const struct walk *w)
{
    struct prov_buf *out = &w->ctl->out;
    cJSON *next = prov_doc_string(prov_buf_span(&w->after));

    prov_buf_addf(out, ",\n  \"%s\": ", page_names[w->list->pages].next);
    if (next != NULL)
        ctl_put_json(out, next, 1);
    else
        out->rc = PROV_ENOMEM;
    cJSON_Delete(next);
}

static void finish(struct walk *w)
{
    struct ctl *ctl = w->ctl;

    if (ctl->json) {
        prov_buf_addf(&ctl->out, "%s]", w->rows == 0 ? "" : "\n  ");
        if (w->more)
            put_next(w);
        prov_buf_add_str(&ctl->out, "\n}\n");
    } else if (w->more) {
        ctl_note(ctl, "more follow: --after %s", prov_buf_cstr(&w->after));
    } else if (w->rows == 0) {
        ctl_note(ctl, "%s", w->list->none);
    }
}

enum prov_rc ctl_list(struct ctl *ctl, const struct ctl_list *list, struct ctl_params *filter)
{
    struct walk w = {
        .ctl = ctl, .list = list, .filter = filter, .limit = ctl_number(&ctl->args, OPT_LIMIT, 0)
    };
    enum prov_rc rc;

    prov_buf_init(&w.after, PROV_STORE_KEY_MAX * 2);
    ctl_table_start(&w.table, list->columns, list->n_columns, &ctl->look, &ctl->out);
    if (ctl->json)
        prov_buf_addf(&ctl->out, "{\n  \"%s\": [", list->rows);
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
    prov_buf_release(&w.after);
    ctl_params_drop(filter);
    return rc;
}

/* ---- a short list within a description ------------------------------------------------------- */

#define SHORT_LIST 8

void ctl_put_short_id(struct prov_buf *out, struct prov_span id)
{
    prov_buf_add_str(out, ctl_short(id).text);
}

void ctl_put_target(struct prov_buf *out, struct prov_span arn)
{
    static const struct {
        const char *begins, *what;
    } kinds[] = { { "cert/", "cert" }, { "thinggroup/", "group" } };
    struct prov_span rest = arn;

    for (size_t i = 0; i < arn.n; i++) {
        if (arn.p[i] == ':')
            rest = prov_span(arn.p + i + 1, arn.n - i - 1);
        if (arn.p[i] == '/')
            break;
    }
    for (size_t i = 0; i < PROV_COUNT(kinds); i++) {
        const size_t n = strlen(kinds[i].begins);

        if (!prov_span_starts(rest, prov_span_str(kinds[i].begins)))
            continue;
        rest = prov_span(rest.p + n, rest.n - n);
        prov_buf_addf(out, "%s ", kinds[i].what);
        prov_buf_add(out, i == 0 ? prov_span(rest.p, rest.n < 12 ? rest.n : 12) : rest);
        return;
    }
    prov_buf_add(out, arn);
}

static void say_short(struct ctl *ctl, const char *label, const struct ctl_short_list *list,
                      const cJSON *data)
{
    struct prov_buf text;
    const cJSON *row;
    size_t n = 0;

    prov_buf_init(&text, 8192);
    cJSON_ArrayForEach(row, ctl_get_array(data, list->rows))
    {
        const struct prov_span member = ctl_element(row, list->member);

        if (n++ == SHORT_LIST)
            break;
        prov_buf_add_str(&text, n == 1 ? "" : ", ");
        if (list->put != NULL)
            list->put(&text, member);
        else
            prov_buf_add(&text, member);
    }
    if (n > SHORT_LIST)
        prov_buf_add_str(&text, ", …");
    ctl_field(ctl, label, n == 0 ? PROV_LIT("none") : prov_buf_span(&text));
    ctl_release(&ctl->out, &text);
}

enum prov_rc ctl_field_list(struct ctl *ctl, const char *label, const struct ctl_short_list *list,
                            struct prov_span of)
{
    struct ctl_params params = ctl_params();
    cJSON *data;
    enum prov_rc rc;

    ctl_put(&params, list->of, of);
    if (list->pages != CTL_WHOLE)
        ctl_put_number(&params, page_names[list->pages].size, SHORT_LIST + 1);
    rc = ctl_call(ctl, list->op, &params, &data);
    if (rc == PROV_OK)
        say_short(ctl, label, list, data);
    cJSON_Delete(data);
    return rc;
}

void ctl_field_array(struct ctl *ctl, const char *label, const cJSON *array, const char *member)
{
    struct prov_buf names;
    const cJSON *element;
    size_t n = 0;

    prov_buf_init(&names, 1u << 20);
    cJSON_ArrayForEach(element, array)
    {
        prov_buf_add_str(&names, n++ == 0 ? "" : ", ");
        prov_buf_add(&names, ctl_element(element, member));
    }
    ctl_field(ctl, label, n == 0 ? PROV_LIT("none") : prov_buf_span(&names));
    ctl_release(&ctl->out, &names);
}

void ctl_cell_array(struct ctl_table *table, const cJSON *array, const char *member)
{
    const struct prov_span first = ctl_element(cJSON_GetArrayItem(array, 0), member);

    ctl_cell_names(table, &first, (size_t)cJSON_GetArraySize(array));
}
