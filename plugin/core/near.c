#include "near.h"

#define LONGEST_WORD 64 /* the longest built-in parameter's name has 51 */

static size_t min3(size_t a, size_t b, size_t c)
{
    const size_t m = a < b ? a : b;

    return m < c ? m : c;
}

/* Levenshtein's distance, case aside, one row at a time; b has at most LONGEST_WORD bytes. */
static size_t distance(struct prov_span a, struct prov_span b)
{
    size_t row[LONGEST_WORD + 1], diagonal, above;

    for (size_t j = 0; j <= b.n; j++)
        row[j] = j;
    for (size_t i = 0; i < a.n; i++) {
        diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < b.n; j++) {
            const bool same = prov_span_eq_nocase(prov_span(a.p + i, 1), prov_span(b.p + j, 1));

            above = row[j + 1];
            row[j + 1] = min3(above + 1, row[j] + 1, diagonal + (same ? 0 : 1));
            diagonal = above;
        }
    }
    return row[b.n];
}

void prov_near_try(struct prov_near *near, const char *candidate)
{
    const struct prov_span c = prov_span_str(candidate);
    struct prov_span w = near->word;
    bool cut_short;
    size_t d;

    w.n = w.n < LONGEST_WORD ? w.n : LONGEST_WORD;
    cut_short = w.n != 0 && w.n < c.n && prov_span_eq_nocase(w, prov_span(c.p, w.n));
    d = distance(c, w);
    if (cut_short && d > 1) /* a word that was not finished, however much is missing */
        d = 1;
    if (near->best != NULL && d >= near->distance)
        return;
    near->best = candidate;
    near->distance = d;
    near->close = cut_short || d * 3 <= w.n;
}
