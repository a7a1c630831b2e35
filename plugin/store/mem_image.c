#include "mem_image.h"

#include <stdlib.h>

static bool last_ref(atomic_uint *refs)
{
    return atomic_fetch_sub(refs, 1) == 1;
}

static struct item *item_new(struct prov_span key, struct prov_span value)
{
    struct item *it = malloc(sizeof *it + key.n + value.n);

    if (it == NULL)
        return NULL;
    atomic_init(&it->refs, 1);
    memcpy(it->bytes, key.p, key.n);
    if (value.n != 0)
        memcpy(it->bytes + key.n, value.p, value.n);
    it->key = prov_span(it->bytes, key.n);
    it->value = prov_span(it->bytes + key.n, value.n);
    return it;
}

static void item_unref(struct item *it)
{
    if (it != NULL && last_ref(&it->refs))
        free(it);
}

static void table_unref(struct table *tab)
{
    if (tab == NULL || !last_ref(&tab->refs))
        return;
    for (size_t i = 0; i < tab->n; i++)
        item_unref(tab->items[i]);
    free(tab->items);
    free(tab);
}

/* A table with the same items and room for one more. */
static struct table *table_copy(const struct table *from)
{
    struct table *tab = calloc(1, sizeof *tab);

    if (tab == NULL)
        return NULL;
    atomic_init(&tab->refs, 1);
    tab->cap = from->n + 16;
    tab->items = calloc(tab->cap, sizeof(struct item *));
    if (tab->items == NULL) {
        free(tab);
        return NULL;
    }
    for (; tab->n < from->n; tab->n++) {
        tab->items[tab->n] = from->items[tab->n];
        atomic_fetch_add(&tab->items[tab->n]->refs, 1);
    }
    return tab;
}

static bool table_grow(struct table *tab)
{
    struct item **items;

    if (tab->n < tab->cap)
        return true;
    items = realloc(tab->items, 2 * tab->cap * sizeof(struct item *));
    if (items == NULL)
        return false;
    tab->items = items;
    tab->cap *= 2;
    return true;
}

bool prov_image_find(const struct table *tab, struct prov_span key, size_t *at)
{
    size_t lo = 0, hi = tab->n, mid;

    while (lo < hi) {
        mid = lo + (hi - lo) / 2;
        if (prov_span_cmp(tab->items[mid]->key, key) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    *at = lo;
    return lo < tab->n && prov_span_eq(tab->items[lo]->key, key);
}

void prov_image_unref(struct image *im)
{
    if (im == NULL || !last_ref(&im->refs))
        return;
    for (unsigned i = 0; i < im->n_tables; i++)
        table_unref(im->tables[i]);
    free(im);
}

static struct image *image_alloc(unsigned n_tables)
{
    struct image *im = calloc(1, sizeof *im + n_tables * sizeof(struct table *));

    if (im == NULL)
        return NULL;
    atomic_init(&im->refs, 1);
    im->n_tables = n_tables;
    return im;
}

struct image *prov_image_new(unsigned n_tables)
{
    static const struct table nothing;
    struct image *im = image_alloc(n_tables);

    if (im == NULL)
        return NULL;
    for (unsigned i = 0; i < n_tables; i++) {
        im->tables[i] = table_copy(&nothing);
        if (im->tables[i] == NULL) {
            prov_image_unref(im);
            return NULL;
        }
    }
    return im;
}

struct image *prov_image_ref(struct image *im)
{
    atomic_fetch_add(&im->refs, 1);
    return im;
}

struct image *prov_image_fork(const struct image *from)
{
    struct image *im = image_alloc(from->n_tables);

    if (im == NULL)
        return NULL;
    im->version = from->version;
    for (unsigned i = 0; i < im->n_tables; i++) {
        im->tables[i] = from->tables[i];
        atomic_fetch_add(&im->tables[i]->refs, 1);
    }
    return im;
}

static struct table *own_table(struct image *im, unsigned table)
{
    struct table *shared = im->tables[table], *own;

    if (atomic_load(&shared->refs) == 1)
        return shared;
    own = table_copy(shared);
    if (own == NULL)
        return NULL;
    im->tables[table] = own;
    table_unref(shared);
    return own;
}

bool prov_image_put(struct image *im, unsigned table, struct prov_span key, struct prov_span value)
{
    struct item *it = item_new(key, value);
    struct table *tab = own_table(im, table);
    size_t at;

    if (it == NULL || tab == NULL || !table_grow(tab)) {
        item_unref(it);
        return false;
    }
    if (prov_image_find(tab, key, &at)) {
        item_unref(tab->items[at]);
    } else {
        memmove(tab->items + at + 1, tab->items + at, (tab->n - at) * sizeof(struct item *));
        tab->n++;
    }
    tab->items[at] = it;
    return true;
}

bool prov_image_remove(struct image *im, unsigned table, size_t at)
{
    struct table *tab = own_table(im, table);

    if (tab == NULL)
        return false;
    item_unref(tab->items[at]);
    tab->n--;
    memmove(tab->items + at, tab->items + at + 1, (tab->n - at) * sizeof(struct item *));
    return true;
}
