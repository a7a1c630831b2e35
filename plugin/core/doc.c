#include "doc.h"

#include <stdlib.h>

struct prov_doc prov_doc_start(struct prov_tx *tx)
{
    struct prov_doc d = { .tx = tx, .root = cJSON_CreateObject(), .rc = PROV_OK };

    if (d.root == NULL)
        d.rc = PROV_ENOMEM;
    return d;
}

enum prov_rc prov_doc_end(struct prov_doc *d, cJSON **out)
{
    if (d->rc != PROV_OK) {
        cJSON_Delete(d->root);
        d->root = NULL;
    }
    *out = d->root;
    if (d->rc == PROV_ENOMEM && d->tx != NULL)
        return prov_nomem(d->tx->err);
    if (d->rc == PROV_ENOTFOUND && d->tx != NULL)
        return prov_fail(d->tx->err, PROV_ESTORE, "InternalFailureException",
                         "a record that this one refers to is not there: run `provctl check`");
    return d->rc;
}

/* Ends a put that could not be made. */
static cJSON *drop(struct prov_doc *d, cJSON *item)
{
    if (d->rc == PROV_OK)
        d->rc = PROV_ENOMEM;
    cJSON_Delete(item);
    return NULL;
}

enum prov_rc prov_doc_print(struct prov_doc *d, struct prov_buf *out)
{
    cJSON *tree = NULL;
    enum prov_rc rc = prov_doc_end(d, &tree);
    char *text;

    if (rc != PROV_OK)
        return rc;
    text = cJSON_PrintUnformatted(tree);
    cJSON_Delete(tree);
    if (text == NULL)
        return PROV_ENOMEM;
    prov_buf_add_str(out, text);
    cJSON_free(text);
    return out->rc;
}

cJSON *prov_doc_put(struct prov_doc *d, cJSON *into, const char *key, cJSON *item)
{
    if (d->rc == PROV_OK && item != NULL && cJSON_AddItemToObjectCS(into, key, item))
        return item;
    return drop(d, item);
}

cJSON *prov_doc_append(struct prov_doc *d, cJSON *array, cJSON *item)
{
    if (d->rc == PROV_OK && item != NULL && cJSON_AddItemToArray(array, item))
        return item;
    return drop(d, item);
}

void prov_doc_member(struct prov_doc *d, cJSON *into, struct prov_span key, cJSON *item)
{
    char *name = prov_span_dup(key);

    if (d->rc != PROV_OK || item == NULL || name == NULL ||
        !cJSON_AddItemToObject(into, name, item))
        (void)drop(d, item);
    free(name);
}

cJSON *prov_doc_object(struct prov_doc *d, cJSON *into, const char *key)
{
    return prov_doc_put(d, into, key, cJSON_CreateObject());
}

cJSON *prov_doc_array(struct prov_doc *d, cJSON *into, const char *key)
{
    return prov_doc_put(d, into, key, cJSON_CreateArray());
}

void prov_doc_text(struct prov_doc *d, cJSON *into, const char *key, struct prov_span s)
{
    (void)prov_doc_put(d, into, key, prov_doc_string(s));
}

void prov_doc_text_if(struct prov_doc *d, cJSON *into, const char *key, struct prov_span s)
{
    if (s.n != 0)
        prov_doc_text(d, into, key, s);
}

void prov_doc_number(struct prov_doc *d, cJSON *into, const char *key, double value)
{
    (void)prov_doc_put(d, into, key, cJSON_CreateNumber(value));
}

void prov_doc_bool(struct prov_doc *d, cJSON *into, const char *key, bool value)
{
    (void)prov_doc_put(d, into, key, cJSON_CreateBool(value));
}

void prov_doc_time(struct prov_doc *d, cJSON *into, const char *key, int64_t at_ms)
{
    prov_doc_number(d, into, key, (double)at_ms / 1000.0);
}

void prov_doc_id(struct prov_doc *d, cJSON *into, const char *key, const struct prov_id *id)
{
    char hex[PROV_ID_HEX + 1];

    if (prov_id_is_zero(id))
        return;
    prov_id_hex(id, hex);
    prov_doc_text(d, into, key, prov_span_str(hex));
}

/* A character at a time: what is none becomes U+FFFD. */
static void add_repaired(struct prov_buf *out, struct prov_span s)
{
    size_t n;

    for (size_t i = 0; i < s.n; i += n) {
        for (n = 1; n < 4 && i + n < s.n && !prov_utf8_valid(prov_span(s.p + i, n)); n++)
            continue;
        if (s.p[i] != '\0' && prov_utf8_valid(prov_span(s.p + i, n))) {
            prov_buf_add(out, prov_span(s.p + i, n));
            continue;
        }
        n = 1;
        prov_buf_add_str(out, "\xef\xbf\xbd");
    }
}

cJSON *prov_doc_string(struct prov_span s)
{
    struct prov_buf b;
    cJSON *item;

    prov_buf_init(&b, s.n * 3 + 1); /* U+FFFD is three bytes */
    if (s.n == 0 || (memchr(s.p, '\0', s.n) == NULL && prov_utf8_valid(s)))
        prov_buf_add(&b, s); /* as nearly all text is */
    else
        add_repaired(&b, s);
    item = b.rc == PROV_OK ? cJSON_CreateString(prov_buf_cstr(&b)) : NULL;
    prov_buf_release(&b);
    return item;
}

cJSON *prov_doc_arn(struct prov_doc *d, const char *kind, struct prov_span name)
{
    struct prov_buf text;
    cJSON *item = NULL;

    if (d->rc != PROV_OK)
        return NULL;
    prov_buf_init(&text, name.n + 256); /* what stands before the name is bounded */
    d->rc = prov_arn(d->tx, kind, name, &text);
    if (d->rc == PROV_OK)
        d->rc = text.rc;
    if (d->rc == PROV_OK)
        item = prov_doc_string(prov_buf_span(&text));
    prov_buf_release(&text);
    return item;
}

cJSON *prov_doc_arn_of_id(struct prov_doc *d, const char *kind, const struct prov_id *id)
{
    char hex[PROV_ID_HEX + 1];

    prov_id_hex(id, hex);
    return prov_doc_arn(d, kind, prov_span_str(hex));
}
