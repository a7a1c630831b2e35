/*
 * bench.h - what the programs of bench/ share: options, figures, clocks.
 *
 * A program reads its options from one table, measures, and prints one line of key=value pairs on
 * stdout, or nothing there at all: bench_put_line comes last, once everything held.
 *
 *     exit 0: the line was printed    1: the command line is wrong    2: the measurement failed
 *
 * One thread calls these. What allocates ends the program (exit 2) when memory is short.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base.h"

/* ---- options --------------------------------------------------------------------------------- */

/* Exactly one of number, choice, text and flag says where the value goes, and thereby its kind. */
struct bench_option {
    const char *name;  /* "port": given as --port 8883 or --port=8883 */
    const char *value; /* what the help calls the value; NULL for a flag */
    const char *help;  /* without the range, words and default, which the help adds */

    uint64_t *number; /* whole, decimal, lo to hi; hi 0: no upper bound */
    uint64_t lo, hi;
    unsigned *choice; /* becomes the index of one of words */
    const char *words[8];
    const char **text;
    bool *flag;

    bool
        required; /* otherwise what the variable held before is the default, and text may be NULL */
};

struct bench_program {
    const char *name;
    const char *about;   /* a paragraph or two, ended by a newline */
    const char *figures; /* what the printed keys mean, a line each; NULL: nothing to say */
    const char *example; /* one command line */
    const struct bench_option *options; /* ended by a zeroed one; at most 40 */
};

/* Fills what the table points to. --help ends the program with 0, a mistake with 1, naming the
 * option.
 */
void bench_options(const struct bench_program *program, int argc, char **argv);
/* Was this option on the command line? */
bool bench_given(const char *name);

/* ---- giving up ------------------------------------------------------------------------------- */

/* "bench_storm: --port: …" and exit 1: for options that do not fit each other. */
PROV_PRINTF(2, 3) _Noreturn void bench_usage(const char *option, const char *fmt, ...);
/* "bench_storm: …" and exit 2. */
PROV_PRINTF(1, 2) _Noreturn void bench_fail(const char *fmt, ...);
/* calloc and realloc of arrays that do not fail. */
void *bench_alloc(size_t n, size_t size);
void *bench_grow(void *p, size_t n, size_t size);

/* ---- the line of figures: gathered, then printed at once
 * ------------------------------------------ */

void bench_put_count(const char *key, uint64_t n);
/* With so many decimals; what is not a number, such as a rate of nothing, becomes 0. */
void bench_put_value(const char *key, double value, int decimals);
/* One of a few fixed words: no spaces. */
void bench_put_word(const char *key, const char *word);
/* Prints the line; a stdout that cannot be written to ends the program. */
void bench_put_line(void);

/* On stderr where that is a terminal, now and then; bench_put_line and bench_fail clear it away. */
void bench_progress(const char *what, uint64_t done, uint64_t of);
void bench_progress_clear(void);

/* ---- latencies ------------------------------------------------------------------------------- */

uint64_t bench_now_ns(void);

/* Every sample is kept, so the percentiles are exact. Zeroed is empty. */
struct bench_times {
    uint64_t *ns;
    size_t n, cap;
    bool sorted;
};

void bench_times_add(struct bench_times *t, uint64_t ns);
/* The smallest sample that at least this share of them does not exceed; 0 of none. share: 0 to 1.
 */
uint64_t bench_times_at(struct bench_times *t, double share);
/* <prefix>p50_us, <prefix>p99_us and <prefix>max_us; a prefix ends in '_' or is "". */
void bench_times_put(struct bench_times *t, const char *prefix);
void bench_times_release(struct bench_times *t);

/* ---- processes ------------------------------------------------------------------------------- */

struct bench_process {
    uint64_t cpu_ns;          /* user and system, all threads, those that have ended too */
    uint64_t rss_kb, anon_kb; /* VmRSS and RssAnon */
};

/* pid 0 is this process. Ends the program when there is no such process. */
struct bench_process bench_process_now(pid_t pid);
/* Microseconds of CPU since then, divided by count. */
double bench_cpu_us_per(const struct bench_process *before, const struct bench_process *after,
                        uint64_t count);

#endif
