#include "support/fleet_cbor.h"

#include <stdlib.h>

enum { MAJOR_UINT = 0, MAJOR_TEXT = 3, MAJOR_MAP = 5 };
#define NULL_ITEM 0xf6

static void put_head(struct prov_buf *out, unsigned major, size_t n)
{
    if (n < 24) {
        prov_buf_add_u8(out, (uint8_t)(major << 5 | n));
    } else if (n < 0x100) {
        prov_buf_add_u8(out, (uint8_t)(major << 5 | 24));
        prov_buf_add_u8(out, (uint8_t)n);
    } else {
        prov_buf_add_u8(out, (uint8_t)(major << 5 | 26));
        for (int shift = 24; shift >= 0; shift -= 8)
            prov_buf_add_u8(out, (uint8_t)(n >> shift));
    }
}

static void put_text(struct prov_buf *out, const char *text)
{
    put_head(out, MAJOR_TEXT, strlen(text));
    prov_buf_add_str(out, text);
}

void fleet_cbor_write(const cJSON *item, struct prov_buf *out)
{
    const cJSON *child;

    if (cJSON_IsString(item)) {
        put_text(out, item->valuestring);
    } else if (cJSON_IsNumber(item)) {
        put_head(out, MAJOR_UINT, (size_t)item->valuedouble);
    } else if (cJSON_IsObject(item)) {
        put_head(out, MAJOR_MAP, (size_t)cJSON_GetArraySize(item));
        cJSON_ArrayForEach(child, item)
        {
            put_text(out, child->string);
            fleet_cbor_write(child, out);
        }
    } else {
        prov_buf_add_u8(out, NULL_ITEM);
    }
}

struct reader {
    struct prov_span left;
    bool bad;
};

static struct prov_span cut(struct reader *r, size_t n)
{
    const struct prov_span taken = prov_span(r->left.p, n);

    if (r->bad || n > r->left.n) {
        r->bad = true;
        return prov_span(NULL, 0);
    }
    r->left = prov_span(r->left.p + n, r->left.n - n);
    return taken;
}

static size_t read_head(struct reader *r, unsigned *major)
{
    struct prov_span s = cut(r, 1);
    size_t n = 0;
    unsigned low;

    if (r->bad)
        return 0;
    *major = s.p[0] >> 5;
    low = s.p[0] & 31;
    if (low < 24)
        return low;
    if (low > 27) {
        r->bad = true;
        return 0;
    }
    s = cut(r, (size_t)1 << (low - 24));
    for (size_t i = 0; i < s.n; i++)
        n = n << 8 | s.p[i];
    return n;
}

/* NUL-terminated, to be freed; NULL when it is no text. */
static char *read_text(struct reader *r)
{
    unsigned major = 0;
    const size_t n = read_head(r, &major);
    struct prov_span s;

    if (major != MAJOR_TEXT)
        r->bad = true;
    s = cut(r, n);
    return r->bad ? NULL : prov_span_dup(s);
}

static cJSON *read_item(struct reader *r);

static cJSON *read_map(struct reader *r, size_t n)
{
    cJSON *map = cJSON_CreateObject();

    for (size_t i = 0; i < n && !r->bad; i++) {
        char *key = read_text(r);
        cJSON *value = key != NULL ? read_item(r) : NULL;

        if (value == NULL || cJSON_GetObjectItemCaseSensitive(map, key) != NULL ||
            !cJSON_AddItemToObject(map, key, value)) {
            cJSON_Delete(value);
            r->bad = true;
        }
        free(key);
    }
    return map;
}

static cJSON *read_item(struct reader *r)
{
    const struct prov_span before = r->left;
    unsigned major = 0;
    const size_t n = read_head(r, &major);
    cJSON *item;
    char *text;

    if (r->bad)
        return NULL;
    if (major == MAJOR_UINT)
        return cJSON_CreateNumber((double)n);
    if (major == MAJOR_MAP)
        return read_map(r, n);
    r->left = before;
    text = read_text(r);
    item = text != NULL ? cJSON_CreateString(text) : NULL;
    free(text);
    return item;
}

cJSON *fleet_cbor_read(struct prov_span cbor)
{
    struct reader r = { .left = cbor };
    cJSON *item = read_item(&r);

    if (!r.bad && r.left.n == 0 && cJSON_IsObject(item))
        return item;
    cJSON_Delete(item);
    return NULL;
}
