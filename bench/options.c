#include "bench.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define OPTIONS_MAX 40

static const struct bench_program *program;
static bool given[OPTIONS_MAX];

/* ---- giving up ------------------------------------------------------------------------------- */

static const char *program_name(void)
{
    return program == NULL ? "bench" : program->name;
}

void bench_usage(const char *option, const char *fmt, ...)
{
    va_list args;

    (void)fprintf(stderr, "%s: --%s: ", program_name(), option);
    va_start(args, fmt);
    (void)vfprintf(stderr, fmt, args);
    va_end(args);
    (void)fprintf(stderr, " (see %s --help)\n", program_name());
    exit(1);
}

void bench_fail(const char *fmt, ...)
{
    va_list args;

    bench_progress_clear();
    (void)fprintf(stderr, "%s: ", program_name());
    va_start(args, fmt);
    (void)vfprintf(stderr, fmt, args);
    va_end(args);
    (void)fputc('\n', stderr);
    exit(2);
}

void *bench_alloc(size_t n, size_t size)
{
    void *p = calloc(n == 0 ? 1 : n, size);

    if (p == NULL)
        bench_fail("out of memory");
    return p;
}

void *bench_grow(void *p, size_t n, size_t size)
{
    void *grown = reallocarray(p, n, size);

    if (grown == NULL)
        bench_fail("out of memory");
    return grown;
}

/* ---- help ------------------------------------------------------------------------------------ */

static void print_words(const char *const *words, const char *between)
{
    for (size_t i = 0; words[i] != NULL; i++)
        (void)printf("%s%s", i == 0 ? "" : between, words[i]);
}

static void print_number(const struct bench_option *o)
{
    (void)printf(" (%" PRIu64 " ", o->lo);
    if (o->hi == 0)
        (void)printf("or more");
    else
        (void)printf("to %" PRIu64, o->hi);
    if (!o->required && *o->number >= o->lo)
        (void)printf(", default %" PRIu64, *o->number);
    (void)printf(")");
}

static void print_option(const struct bench_option *o)
{
    char head[64];

    (void)snprintf(head, sizeof head, "--%s%s%s", o->name, o->value == NULL ? "" : " ",
                   o->value == NULL ? "" : o->value);
    (void)printf("  %-18s %s", head, o->help);
    if (o->number != NULL) {
        print_number(o);
    } else if (o->choice != NULL) {
        (void)printf(": ");
        print_words(o->words, ", ");
        if (!o->required)
            (void)printf(" (default %s)", o->words[*o->choice]);
    } else if (o->text != NULL && *o->text != NULL && !o->required) {
        (void)printf(" (default %s)", *o->text);
    }
    (void)printf("%s\n", o->required ? "; required" : "");
}

_Noreturn static void print_help(void)
{
    (void)printf("usage: %s", program->name);
    for (const struct bench_option *o = program->options; o->name != NULL; o++) {
        if (o->required)
            (void)printf(" --%s %s", o->name, o->value);
    }
    (void)printf(" [option...]\n\n%s\n", program->about);
    for (const struct bench_option *o = program->options; o->name != NULL; o++)
        print_option(o);
    (void)printf("  %-18s %s\n", "--help", "this text");
    if (program->figures != NULL)
        (void)printf("\nPrints one line of key=value pairs:\n%s", program->figures);
    (void)printf(
        "\nExit status: 0 measured, 1 the command line is wrong, 2 the measurement failed.\n");
    (void)printf("Example: %s\n", program->example);
    exit(fflush(stdout) == 0 ? 0 : 2);
}

/* ---- reading --------------------------------------------------------------------------------- */

static void read_number(const struct bench_option *o, const char *text)
{
    char *rest;
    uint64_t n;

    errno = 0;
    n = strtoull(text, &rest, 10);
    if (text[0] < '0' || text[0] > '9' || *rest != '\0')
        bench_usage(o->name, "\"%s\" is not a whole number", text);
    if (errno != 0 || n < o->lo || (o->hi != 0 && n > o->hi))
        bench_usage(o->name, "%s is out of range", text);
    *o->number = n;
}

static void read_choice(const struct bench_option *o, const char *text)
{
    for (unsigned i = 0; i < PROV_COUNT(o->words) && o->words[i] != NULL; i++) {
        if (strcmp(o->words[i], text) == 0) {
            *o->choice = i;
            return;
        }
    }
    bench_usage(o->name, "\"%s\" is none of the words it takes", text);
}

static void read_value(const struct bench_option *o, const char *text)
{
    if (o->number != NULL)
        read_number(o, text);
    else if (o->choice != NULL)
        read_choice(o, text);
    else if (o->text != NULL)
        *o->text = text;
    else
        *o->flag = true;
}

static size_t to_getopt(struct option *out)
{
    size_t n = 0;

    for (; program->options[n].name != NULL; n++) {
        if (n == OPTIONS_MAX)
            bench_fail("more than %d options in the table", OPTIONS_MAX);
        out[n] = (struct option){ .name = program->options[n].name,
                                  .has_arg = program->options[n].flag == NULL ? required_argument
                                                                              : no_argument,
                                  .val = (int)n };
    }
    out[n] = (struct option){ .name = "help", .val = 'h' + OPTIONS_MAX };
    out[n + 1] = (struct option){ 0 };
    return n;
}

void bench_options(const struct bench_program *of, int argc, char **argv)
{
    struct option table[OPTIONS_MAX + 2];
    size_t n;
    int found;

    program = of;
    n = to_getopt(table);
    opterr = 0;
    while ((found = getopt_long(argc, argv, ":", table, NULL)) != -1) {
        if (found == 'h' + OPTIONS_MAX)
            print_help();
        if (found == ':' || found == '?') {
            (void)fprintf(stderr, "%s: %s: %s (see %s --help)\n", of->name, argv[optind - 1],
                          found == ':' ? "needs a value" : "no such option", of->name);
            exit(1);
        }
        given[found] = true;
        read_value(&of->options[found], optarg);
    }
    if (optind < argc) {
        (void)fprintf(stderr, "%s: \"%s\" is not an option (see %s --help)\n", of->name,
                      argv[optind], of->name);
        exit(1);
    }
    for (size_t i = 0; i < n; i++) {
        if (of->options[i].required && !given[i])
            bench_usage(of->options[i].name, "is missing");
    }
}

bool bench_given(const char *name)
{
    for (size_t i = 0; program->options[i].name != NULL; i++) {
        if (strcmp(program->options[i].name, name) == 0)
            return given[i];
    }
    return false;
}
