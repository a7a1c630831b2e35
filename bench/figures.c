#include "bench.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- the line -------------------------------------------------------------------------------- */

static struct prov_buf line = { .max = 64 * 1024 };
static bool progress_shown;

static void put_key(const char *key)
{
    prov_buf_addf(&line, "%s%s=", line.n == 0 ? "" : " ", key);
}

void bench_put_count(const char *key, uint64_t n)
{
    put_key(key);
    prov_buf_addf(&line, "%" PRIu64, n);
}

void bench_put_value(const char *key, double value, int decimals)
{
    put_key(key);
    /* false for what is not a number, too */
    prov_buf_addf(&line, "%.*f", decimals, value > -1e15 && value < 1e15 ? value : 0.0);
}

void bench_put_word(const char *key, const char *word)
{
    put_key(key);
    prov_buf_add_str(&line, word);
}

void bench_put_line(void)
{
    bench_progress_clear();
    prov_buf_add_u8(&line, '\n');
    if (line.rc != PROV_OK)
        bench_fail("the figures do not fit in memory");
    if (fwrite(line.p, 1, line.n, stdout) != line.n || fflush(stdout) != 0)
        bench_fail("cannot print the figures: %s", strerror(errno));
    prov_buf_release(&line);
}

void bench_progress_clear(void)
{
    if (progress_shown)
        (void)fputs("\r\033[K", stderr);
    progress_shown = false;
}

void bench_progress(const char *what, uint64_t done, uint64_t of)
{
    static const uint64_t every_ns = 200000000;
    static uint64_t shown_ns;
    static int terminal = -1;
    const uint64_t now = bench_now_ns();

    if (terminal == -1)
        terminal = isatty(STDERR_FILENO);
    if (terminal == 0 || now - shown_ns < every_ns)
        return;
    shown_ns = now;
    progress_shown = true;
    (void)fprintf(stderr, "\r\033[K%s: %" PRIu64 " of %" PRIu64, what, done, of);
}

/* ---- latencies ------------------------------------------------------------------------------- */

uint64_t bench_now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void bench_times_add(struct bench_times *t, uint64_t ns)
{
    if (t->n == t->cap) {
        t->cap = t->cap == 0 ? 4096 : 2 * t->cap;
        t->ns = bench_grow(t->ns, t->cap, sizeof *t->ns);
    }
    t->ns[t->n++] = ns;
    t->sorted = false;
}

static int by_size(const void *a, const void *b)
{
    const uint64_t *const left = a, *const right = b;

    return (*left > *right) - (*left < *right);
}

uint64_t bench_times_at(struct bench_times *t, double share)
{
    size_t rank;

    if (t->n == 0)
        return 0;
    if (!t->sorted)
        qsort(t->ns, t->n, sizeof *t->ns, by_size);
    t->sorted = true;
    rank = (size_t)(share * (double)t->n);
    if (rank > 0 && (double)rank >= share * (double)t->n)
        rank--;
    return t->ns[rank < t->n ? rank : t->n - 1];
}

void bench_times_put(struct bench_times *t, const char *prefix)
{
    static const struct {
        const char *name;
        double share;
    } rows[] = { { "p50_us", 0.5 }, { "p99_us", 0.99 }, { "max_us", 1.0 } };
    char key[64];

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        (void)snprintf(key, sizeof key, "%s%s", prefix, rows[i].name);
        bench_put_value(key, (double)bench_times_at(t, rows[i].share) / 1000, 0);
    }
}

void bench_times_release(struct bench_times *t)
{
    free(t->ns);
    *t = (struct bench_times){ .ns = NULL };
}
