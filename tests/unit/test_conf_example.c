/* docs/examples/provisioning.conf shows every option of the plugin, each with its default. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "run/conf.h"

#define EXAMPLE PROV_SOURCE_DIR "/docs/examples/provisioning.conf"
#define SHOWN "#plugin_opt_"

enum { SHOWN_MAX = 128, TEXT_SIZE = 65536 };

static char text[TEXT_SIZE]; /* whose lines were cut into words */
static struct prov_option options[SHOWN_MAX];
static size_t n_options;

/* The lines "#plugin_opt_<key> <value>"; prose begins with "# ". */
static int read_example(void **state)
{
    FILE *file = fopen(EXAMPLE, "r");
    char *rest = NULL;
    size_t n;

    (void)state;
    if (file == NULL)
        return -1;
    n = fread(text, 1, sizeof text - 1, file);
    (void)fclose(file);
    for (char *line = strtok_r(text, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        char *value = strchr(line, ' ');

        if (strncmp(line, SHOWN, strlen(SHOWN)) != 0)
            continue;
        if (value == NULL || n_options == SHOWN_MAX)
            return -1;
        *value = '\0';
        options[n_options++] = (struct prov_option){ line + strlen(SHOWN), value + 1 };
    }
    return n < sizeof text - 1 ? 0 : -1;
}

/* An unknown key, one that is there twice, and a value that is none are all refused by the broker.
 */
static void options_shown_are_taken_together(void **state)
{
    struct prov_conf conf;
    struct prov_err err;
    enum prov_rc rc;

    (void)state;
    assert_true(n_options > 0);
    rc = prov_conf_load(options, n_options, &conf, &err);
    if (rc != PROV_OK)
        print_error("%s: %s\n", EXAMPLE, err.text);
    assert_int_equal(rc, PROV_OK);
    prov_conf_release(&conf);
}

static bool is_value(const char *key, const char *value)
{
    const struct prov_option option = { key, value };
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
    (void)ctx, (void)range, (void)meaning;

    for (size_t i = 0; i < n_options; i++) {
        if (strcmp(options[i].key, key) != 0)
            continue;
        if (is_value(key, fallback))
            assert_string_equal(options[i].value, fallback);
        return;
    }
    fail_msg("%s does not show plugin_opt_%s", EXAMPLE, key);
}

static void every_option_is_shown_with_its_default(void **state)
{
    (void)state;
    prov_conf_describe(is_shown, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_shown_are_taken_together),
        cmocka_unit_test(every_option_is_shown_with_its_default),
    };

    return cmocka_run_group_tests(tests, read_example, NULL);
}
