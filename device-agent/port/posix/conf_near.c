#include "conf_priv.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define LONGEST_WORD 64

static bool same(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

static size_t least(size_t a, size_t b, size_t c)
{
    const size_t m = a < b ? a : b;

    return m < c ? m : c;
}

/* How many letters must be put in, taken out, changed or swapped with the next, case aside; row by
 * row. */
static size_t distance(const char *a, size_t n_a, const char *b, size_t n_b)
{
    size_t rows[3][LONGEST_WORD + 1] = { 0 }; /* the last but one, the last, this */

    for (size_t j = 0; j <= n_b; j++)
        rows[1][j] = j;
    for (size_t i = 1; i <= n_a; i++) {
        rows[2][0] = i;
        for (size_t j = 1; j <= n_b; j++) {
            rows[2][j] = least(rows[1][j] + 1, rows[2][j - 1] + 1,
                               rows[1][j - 1] + (same(a[i - 1], b[j - 1]) ? 0 : 1));
            if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
                rows[2][j] = least(rows[2][j], rows[0][j - 2] + 1, SIZE_MAX);
        }
        memcpy(rows[0], rows[1], sizeof rows[0]);
        memcpy(rows[1], rows[2], sizeof rows[1]);
    }
    return rows[1][n_b];
}

void conf_near_try(struct conf_near *near, const char *candidate)
{
    const size_t n = strnlen(near->word, LONGEST_WORD), m = strnlen(candidate, LONGEST_WORD);
    size_t d = distance(near->word, n, candidate, m);

    if (n >= 3 && n < m && strncasecmp(near->word, candidate, n) == 0)
        d = 1; /* a word that was not finished, however much is missing */
    /* a third of the letters, so that short words do not match whatever else is short */
    if (d * 3 > (n > m ? n : m) || (near->best != NULL && d >= near->distance))
        return;
    near->best = candidate;
    near->distance = d;
}

const char *conf_near_hint(const struct conf_near *near, char out[static 80])
{
    out[0] = '\0';
    if (near->best != NULL)
        (void)snprintf(out, 80, "; did you mean '%s'?", near->best);
    return out;
}
