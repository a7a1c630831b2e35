#include "policy_priv.h"

#include <stdlib.h>

struct pol_chunk {
    struct pol_chunk *before;
    size_t n, cap;
    max_align_t bytes[];
};

#define CHUNK_BYTES ((size_t)2000)

void *prov_pol_alloc(struct pol_arena *arena, size_t n, size_t size)
{
    const size_t align = sizeof(max_align_t);
    struct pol_chunk *chunk = arena->last;
    size_t need, cap;
    void *p;

    if (n > (SIZE_MAX / 2) / size)
        return NULL;
    need = (n * size + align) / align * align;
    if (chunk == NULL || chunk->cap - chunk->n < need) {
        cap = need > CHUNK_BYTES ? need : CHUNK_BYTES;
        chunk = calloc(1, sizeof *chunk + cap);
        if (chunk == NULL)
            return NULL;
        chunk->cap = cap;
        chunk->before = arena->last;
        arena->last = chunk;
    }
    p = (uint8_t *)chunk->bytes + chunk->n;
    chunk->n += need;
    return p;
}

bool prov_pol_keep(struct pol_arena *arena, struct prov_span s, struct prov_span *out)
{
    uint8_t *const copy = prov_pol_alloc(arena, s.n, 1);

    if (copy == NULL)
        return false;
    if (s.n != 0)
        memcpy(copy, s.p, s.n);
    *out = prov_span(copy, s.n);
    return true;
}

void *prov_pol_grow(struct pol_arena *arena, void *old, size_t n, size_t *cap, size_t size)
{
    const size_t want = *cap == 0 ? 4 : 2 * *cap;
    void *p;

    if (n < *cap)
        return old;
    p = prov_pol_alloc(arena, want, size);
    if (p == NULL)
        return NULL;
    if (n != 0)
        memcpy(p, old, n * size);
    *cap = want;
    return p;
}

void prov_pol_release(struct pol_arena *arena)
{
    struct pol_chunk *before;

    for (; arena->last != NULL; arena->last = before) {
        before = arena->last->before;
        free(arena->last);
    }
}
