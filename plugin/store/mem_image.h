/*
 * mem_image.h - versions of everything a store in memory holds, sharing what did not change.
 *
 * Items, tables and images are counted and never change once a second holder can see them. A reader
 * holds an image; a writer makes its own, which shares each table until the writer first changes
 * it. Thread: any for the counts; an image that is being changed belongs to one thread.
 */
#ifndef PROV_MEM_IMAGE_H
#define PROV_MEM_IMAGE_H

#include <stdatomic.h>

#include "core/base.h"

struct item {
    atomic_uint refs;
    struct prov_span key, value; /* into bytes */
    uint8_t bytes[];
};

struct table {
    atomic_uint refs;
    size_t n, cap;
    struct item **items; /* in key order */
};

struct image {
    atomic_uint refs;
    uint64_t version;
    unsigned n_tables;
    struct table *tables[];
};

/* Empty tables; NULL when out of memory. */
struct image *prov_image_new(unsigned n_tables);
/* A new image with the same tables, to be changed; NULL when out of memory. */
struct image *prov_image_fork(const struct image *from);
struct image *prov_image_ref(struct image *im);
void prov_image_unref(struct image *im); /* NULL is accepted */

/* The first item whose key is not less; true when it is equal. */
bool prov_image_find(const struct table *tab, struct prov_span key, size_t *at);

/* Changes the image's own copy of the table, which it makes on the first change. False, and nothing
 * changed that can be seen, when out of memory. */
PROV_MUST_USE bool prov_image_put(struct image *im, unsigned table, struct prov_span key,
                                  struct prov_span value);
/* The item at this place of the table. */
PROV_MUST_USE bool prov_image_remove(struct image *im, unsigned table, size_t at);

#endif
