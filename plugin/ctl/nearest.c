#include "args.h"

/* Longer words are names of somebody's, not of ours. */
#define WORD_MAX 40

static size_t min3(size_t a, size_t b, size_t c)
{
    const size_t ab = a < b ? a : b;

    return ab < c ? ab : c;
}

/* Insertions, deletions, exchanges of one letter, and swaps of two neighbours. */
static size_t edits(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t rows[3][WORD_MAX + 1];

    for (size_t j = 0; j <= b_len; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t *row = rows[i % 3];
        const size_t *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];

        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            row[j] = min3(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < row[j])
                row[j] = before[j - 2] + 1;
        }
    }
    return rows[a_len % 3][b_len];
}

/* "certificate" for "cert", "stat" for "status": as near as one wrong letter. */
static bool one_begins_other(const char *a, size_t a_len, const char *b, size_t b_len)
{
    const size_t n = a_len < b_len ? a_len : b_len;

    return n >= 3 && strncmp(a, b, n) == 0;
}

void ctl_nearest_try(struct ctl_nearest *nearest, const char *candidate)
{
    const size_t word_len = strlen(nearest->word), len = strlen(candidate);
    size_t distance;

    if (word_len > WORD_MAX || len > WORD_MAX)
        return;
    distance = edits(nearest->word, word_len, candidate, len);
    if (distance > 1 && one_begins_other(nearest->word, word_len, candidate, len))
        distance = 1;
    if (distance > (len < 4 ? 1 : 2) || (nearest->best != NULL && distance >= nearest->distance))
        return;
    nearest->best = candidate;
    nearest->distance = distance;
}
