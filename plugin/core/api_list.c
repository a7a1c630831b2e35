#include "api_priv.h"

#include <stdio.h>

/* ---- pages ----------------------------------------------------------------------------------- */

static const struct {
    const char *size, *token, *next;
} page_names[] = {
    [API_MARKER] = { "pageSize", "marker", "nextMarker" },
    [API_TOKEN] = { "maxResults", "nextToken", "nextToken" },
};

const char *api_next(enum api_pages pages)
{
    return page_names[pages].next;
}

enum prov_rc api_page(struct prov_tx *tx, const cJSON *params, enum api_pages pages, size_t *rows,
                      struct prov_span *token)
{
    *rows = api_number(params, page_names[pages].size, PROV_API_PAGE);
    *token = api_text(params, page_names[pages].token);
    if (*rows == 0 || *rows > PROV_API_PAGE_MAX)
        return api_refuse(tx, page_names[pages].size, "a page has 1 to %d elements",
                          PROV_API_PAGE_MAX);
    /* AWS's order is that of creation, which there is no index of */
    if (api_bool(params, "ascendingOrder"))
        return api_refuse(tx, "ascendingOrder",
                          "lists are in the order of their keys here, not of creation");
    return PROV_OK;
}

/* ---- keys and tokens ------------------------------------------------------------------------- */

static enum prov_rc damaged(struct prov_tx *tx)
{
    return prov_fail(tx->err, PROV_ESTORE, API_INTERNAL,
                     "an entry of a list is damaged: run `provctl check`");
}

enum prov_rc api_key_id(struct prov_tx *tx, struct prov_span key, struct prov_id *out)
{
    if (key.n != sizeof out->b)
        return damaged(tx);
    memcpy(out->b, key.p, sizeof out->b);
    return PROV_OK;
}

enum prov_rc api_key_version(struct prov_tx *tx, struct prov_span key, uint32_t *out)
{
    if (key.n != 4)
        return damaged(tx);
    *out = (uint32_t)key.p[0] << 24 | (uint32_t)key.p[1] << 16 | (uint32_t)key.p[2] << 8 | key.p[3];
    return PROV_OK;
}

/* The key that a walk goes on behind. */
struct place {
    uint8_t key[PROV_STORE_KEY_MAX];
    size_t n;
};

static void set_place(struct place *at, struct prov_span key)
{
    at->n = key.n < sizeof at->key ? key.n : sizeof at->key;
    if (at->n != 0)
        memcpy(at->key, key.p, at->n);
}

/* A key of PROV_LIST_VALUES_OF_CLAIM: parameter, NUL, hash. As text: the hash, then the parameter.
 */
#define VALUE_HASH 16

static bool read_value_token(struct prov_span token, struct place *at)
{
    struct prov_span name;

    if (token.n <= 2 * VALUE_HASH || token.n > 2 * VALUE_HASH + PROV_MAX_NAME)
        return false;
    name = prov_span(token.p + 2 * VALUE_HASH, token.n - 2 * VALUE_HASH);
    set_place(at, name);
    at->key[at->n++] = '\0';
    if (!prov_unhex(prov_span(token.p, 2 * VALUE_HASH), at->key + at->n, VALUE_HASH))
        return false;
    at->n += VALUE_HASH;
    return true;
}

static void put_value_token(const struct place *at, struct prov_buf *out)
{
    char hex[2 * VALUE_HASH + 1];

    if (at->n <= VALUE_HASH + 1)
        return; /* no key of that list */
    prov_hex(at->key + at->n - VALUE_HASH, VALUE_HASH, hex);
    prov_buf_add_str(out, hex);
    prov_buf_add(out, prov_span(at->key, at->n - VALUE_HASH - 1));
}

/* Undoes put_token. */
static bool read_token(enum api_key kind, struct prov_span token, struct place *at)
{
    struct prov_id id;
    char digits[16];
    unsigned version;

    switch (kind) {
    case API_KEY_ID:
        if (!prov_id_parse(token, &id))
            return false;
        set_place(at, prov_id_span(&id));
        return true;
    case API_KEY_VERSION:
        if (!prov_span_copy(token, digits, sizeof digits) || sscanf(digits, "%u", &version) != 1)
            return false;
        for (at->n = 0; at->n < 4; at->n++)
            at->key[at->n] = (uint8_t)(version >> (24 - 8 * at->n));
        return true;
    case API_KEY_TARGET:
        if (token.n == 1 + PROV_ID_HEX && token.p[0] == 'c' &&
            prov_id_parse(prov_span(token.p + 1, PROV_ID_HEX), &id)) {
            set_place(at, prov_id_span(&id));
            memmove(at->key + 1, at->key, at->n++);
            at->key[0] = 'c';
            return true;
        }
        set_place(at, token);
        return token.n > 1 && token.p[0] == 'g' && token.n <= 1 + PROV_MAX_NAME;
    case API_KEY_VALUE:
        return read_value_token(token, at);
    case API_KEY_NAME:
        set_place(at, token);
        return token.n <= PROV_MAX_NAME;
    }
    return false;
}

static void put_token(enum api_key kind, const struct place *at, struct prov_buf *out)
{
    char hex[2 * PROV_ID_LEN + 1];
    const bool cert = kind == API_KEY_TARGET && at->n == 1 + PROV_ID_LEN && at->key[0] == 'c';
    uint32_t version = 0;

    if (kind == API_KEY_VERSION) {
        for (size_t i = 0; i < at->n; i++)
            version = version << 8 | at->key[i];
        prov_buf_addf(out, "%u", version);
    } else if (kind == API_KEY_ID || cert) {
        prov_hex(at->key + cert, PROV_ID_LEN, hex);
        prov_buf_addf(out, "%s%s", cert ? "c" : "", hex);
    } else if (kind == API_KEY_VALUE) {
        put_value_token(at, out);
    } else {
        prov_buf_add(out, prov_span(at->key, at->n));
    }
}

/* ---- lists of the store ---------------------------------------------------------------------- */

struct walk {
    struct prov_tx *tx;
    const struct api_list *list;
    struct prov_doc doc;
    cJSON *rows;
    size_t n, max, looks;
    struct place last;
    bool more; /* the page ended early */
    enum prov_rc rc;
};

static enum prov_rc put_row(struct walk *w, struct prov_span key)
{
    cJSON *row = NULL;
    enum prov_rc rc;

    rc = w->list->row(w->tx, w->list->ctx, key, &row);
    if (rc == PROV_ENOTFOUND) /* the list leads to nothing */
        return damaged(w->tx);
    if (rc != PROV_OK || row == NULL)
        return rc;
    (void)prov_doc_append(&w->doc, w->rows, row);
    w->n++;
    return w->doc.rc;
}

static bool visit(void *ctx, struct prov_span key)
{
    struct walk *w = ctx;

    if (!prov_span_starts(key, w->list->prefix))
        return false;
    w->more = w->n == w->max || w->looks == PROV_API_LOOKS;
    if (w->more)
        return false;
    set_place(&w->last, key);
    w->looks++;
    w->rc = put_row(w, key);
    return w->rc == PROV_OK;
}

/*
 * Before the first key that begins with the prefix: its last character is one less, and behind it
 * stands what no name has. Before what begins with a NUL there is nothing but what it is behind.
 */
static void before_prefix(struct prov_span prefix, struct place *at)
{
    set_place(at, prefix);
    if (at->n == 0 || at->n >= sizeof at->key)
        return;
    if (at->key[at->n - 1] == '\0') {
        at->n--;
        return;
    }
    at->key[at->n - 1]--;
    at->key[at->n++] = 0xff;
}

static enum prov_rc start(struct walk *w, const cJSON *params)
{
    const struct api_list *list = w->list;
    struct prov_span token;
    enum prov_rc rc;

    rc = api_page(w->tx, params, list->pages, &w->max, &token);
    if (rc != PROV_OK)
        return rc;
    if (list->key == API_KEY_NAME && list->prefix.n > PROV_MAX_NAME)
        return api_refuse(w->tx, "namePrefixFilter", "no name is that long");
    if (token.n == 0)
        before_prefix(list->prefix, &w->last);
    else if (!read_token(list->key, token, &w->last))
        return api_refuse(w->tx, page_names[list->pages].token,
                          "is no token that this list has given out");
    return PROV_OK;
}

static void finish(struct walk *w)
{
    struct prov_buf token;

    if (!w->more)
        return;
    prov_buf_init(&token, PROV_STORE_KEY_MAX + PROV_ID_HEX);
    put_token(w->list->key, &w->last, &token);
    prov_doc_text(&w->doc, w->doc.root, api_next(w->list->pages), prov_buf_span(&token));
    if (token.rc != PROV_OK && w->doc.rc == PROV_OK)
        w->doc.rc = token.rc;
    prov_buf_release(&token);
}

enum prov_rc api_list(struct prov_tx *tx, const cJSON *params, const struct api_list *list,
                      cJSON **data)
{
    struct walk w = { .tx = tx, .list = list, .rc = PROV_OK };
    enum prov_rc rc;

    rc = start(&w, params);
    if (rc != PROV_OK)
        return rc;
    w.doc = prov_doc_start(tx);
    w.rows = prov_doc_array(&w.doc, w.doc.root, list->rows);
    if (w.doc.rc == PROV_OK)
        rc = prov_list(tx, list->kind, list->of, prov_span(w.last.key, w.last.n), visit, &w);
    if (rc == PROV_OK)
        rc = w.rc;
    if (rc != PROV_OK) {
        cJSON_Delete(w.doc.root);
        return rc == PROV_ENOMEM ? prov_nomem(tx->err) : rc;
    }
    finish(&w);
    return prov_doc_end(&w.doc, data);
}

/* ---- lists within a record ------------------------------------------------------------------- */

/* Behind the name that the token is; names that have gone in between begin the list anew. */
static size_t first_of(const struct api_names *list, struct prov_span token)
{
    for (size_t i = 0; i < list->n; i++) {
        if (prov_span_eq(list->names[i], token))
            return i + 1;
    }
    return 0;
}

enum prov_rc api_names(struct prov_tx *tx, const cJSON *params, const struct api_names *list,
                       cJSON **data)
{
    struct prov_span token;
    struct prov_doc d;
    size_t max, at;
    cJSON *rows;
    enum prov_rc rc;

    rc = api_page(tx, params, list->pages, &max, &token);
    if (rc != PROV_OK)
        return rc;
    d = prov_doc_start(tx);
    rows = prov_doc_array(&d, d.root, list->rows);
    at = first_of(list, token);
    for (size_t n = 0; n < max && at < list->n; n++, at++)
        (void)prov_doc_append(&d, rows, list->row(&d, list->names[at]));
    if (at < list->n)
        prov_doc_text(&d, d.root, api_next(list->pages), list->names[at - 1]);
    return prov_doc_end(&d, data);
}

/* ---- rows ------------------------------------------------------------------------------------ */

cJSON *api_row_text(struct prov_doc *d, struct prov_span name)
{
    (void)d;
    return prov_doc_string(name);
}

cJSON *api_row_policy(struct prov_doc *d, struct prov_span name)
{
    struct prov_doc row;
    cJSON *out = NULL;

    if (d->rc != PROV_OK)
        return NULL;
    row = api_about(d->tx, "policyName", "policyArn", "policy", name);
    d->rc = prov_doc_end(&row, &out);
    return out;
}

enum prov_rc api_key_row(struct prov_tx *tx, void *ctx, struct prov_span key, cJSON **row)
{
    (void)ctx;
    *row = prov_doc_string(key);
    return *row != NULL ? PROV_OK : prov_nomem(tx->err);
}
