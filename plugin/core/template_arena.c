#include "template_priv.h"

#include <stdlib.h>

#define CHUNK 4096

struct chunk {
    struct chunk *next;
    size_t used, size;
    _Alignas(max_align_t) uint8_t bytes[];
};

struct prov_tpl_arena {
    struct chunk *chunks; /* the newest first; only it has room */
    size_t total;
    enum prov_rc rc;
};

struct prov_tpl_arena *prov_tpl_arena_new(void)
{
    return calloc(1, sizeof(struct prov_tpl_arena));
}

void prov_tpl_arena_free(struct prov_tpl_arena *a)
{
    struct chunk *c, *next;

    if (a == NULL)
        return;
    for (c = a->chunks; c != NULL; c = next) {
        next = c->next;
        free(c);
    }
    free(a);
}

static bool add_chunk(struct prov_tpl_arena *a, size_t n)
{
    const size_t size = n > CHUNK ? n : CHUNK;
    struct chunk *c;

    if (size > PROV_TPL_ARENA_MAX - a->total) {
        a->rc = PROV_ETOOBIG;
        return false;
    }
    c = calloc(1, sizeof *c + size);
    if (c == NULL) {
        a->rc = PROV_ENOMEM;
        return false;
    }
    c->size = size;
    c->next = a->chunks;
    a->chunks = c;
    a->total += size;
    return true;
}

void *prov_tpl_alloc(struct prov_tpl_arena *a, size_t count, size_t size)
{
    struct chunk *c = a->chunks;
    size_t n;
    void *p;

    if (count > PROV_TPL_ARENA_MAX / size) {
        a->rc = PROV_ETOOBIG;
        return NULL;
    }
    n = (count * size + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1);
    if (c == NULL || n > c->size - c->used) {
        if (!add_chunk(a, n))
            return NULL;
        c = a->chunks;
    }
    p = c->bytes + c->used;
    c->used += n;
    return p;
}

enum prov_rc prov_tpl_arena_fail(const struct prov_tpl_eval *ev, const struct prov_tpl_arena *a,
                                 const struct prov_json_path *at)
{
    if (a->rc == PROV_ENOMEM)
        return prov_nomem(ev->err);
    return prov_json_fail(ev->err, PROV_ETOOBIG, "InvalidRequestException", ev->tpl->text, at,
                          "the template evaluates to more than %zu bytes", PROV_TPL_ARENA_MAX);
}
