/* docs/examples/provisioning.conf shows every option of the plugin, each with its default. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "run/conf.h"

#define EXAMPLE PROV_SOURCE_DIR "/docs/examples/provisioning.conf"
#define SHOWN "#plugin_opt_"

enum { SHOWN_MAX = 128, LINE_SIZE = 1024 };

struct example {
    struct prov_option options[SHOWN_MAX];
    size_t n;
};

/* The lines "#plugin_opt_<key> <value>"; prose begins with "# ". */
static int read_example(void **state)
{
    struct example *example = calloc(1, sizeof *example);
    FILE *file = fopen(EXAMPLE, "r");
    char line[LINE_SIZE];

    if (example == NULL || file == NULL)
        return -1;
    while (fgets(line, sizeof line, file) != NULL && example->n < SHOWN_MAX) {
        char *key, *value, *rest = NULL;

        if (strncmp(line, SHOWN, strlen(SHOWN)) != 0)
            continue;
        key = strtok_r(line + strlen(SHOWN), " \n", &rest);
        value = strtok_r(NULL, "\n", &rest);
        if (key == NULL || value == NULL)
            return -1;
        example->options[example->n].key = strdup(key);
        example->options[example->n++].value = strdup(value);
    }
    *state = example;
    return fclose(file);
}

static int drop_example(void **state)
{
    struct example *example = *state;

    for (size_t i = 0; i < example->n; i++) {
        free((char *)example->options[i].key);
        free((char *)example->options[i].value);
    }
    free(example);
    return 0;
}

/* An unknown key, one that is there twice, and a value that is none are all refused by the broker.
 */
static void options_shown_are_taken_together(void **state)
{
    const struct example *example = *state;
    struct prov_conf conf;
    struct prov_err err;
    enum prov_rc rc;

    assert_true(example->n > 0 && example->n < SHOWN_MAX);
    rc = prov_conf_load(example->options, example->n, &conf, &err);
    if (rc != PROV_OK)
        print_error("%s: %s\n", EXAMPLE, err.text);
    assert_int_equal(rc, PROV_OK);
    prov_conf_release(&conf);
}

static bool is_value(const char *key, const char *text)
{
    const struct prov_option option = { key, text };
    struct prov_conf conf;
    struct prov_err err;
    const enum prov_rc rc = prov_conf_load(&option, 1, &conf, &err);

    prov_conf_release(&conf);
    return rc == PROV_OK;
}

/* Where the default is in words ("the store's"), some value is shown. */
static void is_shown(void *ctx, const char *key, const char *fallback, const char *range,
                     const char *meaning)
{
    const struct example *example = ctx;
    (void)range, (void)meaning;

    for (size_t i = 0; i < example->n; i++) {
        if (strcmp(example->options[i].key, key) != 0)
            continue;
        if (is_value(key, fallback))
            assert_string_equal(example->options[i].value, fallback);
        return;
    }
    fail_msg("%s does not show plugin_opt_%s", EXAMPLE, key);
}

static void every_option_is_shown_with_its_default(void **state)
{
    prov_conf_describe(is_shown, *state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_shown_are_taken_together),
        cmocka_unit_test(every_option_is_shown_with_its_default),
    };

    return cmocka_run_group_tests(tests, read_example, drop_example);
}
