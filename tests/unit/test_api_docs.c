/* What the documentation says of the control API and of the metrics is what the program has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/api.h"
#include "run/metrics.h"

static char *read_doc(const char *name)
{
    char path[1024];
    char *text = calloc(1, 1u << 20);
    FILE *file;

    (void)snprintf(path, sizeof path, "%s/docs/%s", PROV_SOURCE_DIR, name);
    file = fopen(path, "rb");
    if (file == NULL || text == NULL || fread(text, 1, (1u << 20) - 1, file) == 0)
        fail_msg("cannot read %s", path);
    (void)fclose(file);
    return text;
}

/* "`a`, `b`?, `c`?{`d`}" */
static void put_fields(struct prov_buf *row, const struct prov_api_field *field)
{
    for (bool first = true; field != NULL && field->name != NULL; field++, first = false) {
        prov_buf_addf(row, "%s`%s`%s", first ? "" : ", ", field->name, field->needed ? "" : "?");
        if (field->members == NULL)
            continue;
        prov_buf_add_str(row, "{");
        put_fields(row, field->members);
        prov_buf_add_str(row, "}");
    }
}

static void every_operation_has_its_row(void **state)
{
    char *text = read_doc("control-api.md");
    const struct prov_api_op *op;
    struct prov_buf row;
    (void)state;

    prov_buf_init(&row, 4096);
    for (size_t i = 0; (op = prov_api_at(i)) != NULL; i++) {
        prov_buf_clear(&row);
        prov_buf_addf(&row, "| `%s` | %s | %s | ", op->name,
                      op->access == PROV_API_WRITE ? "writes" : "", op->summary);
        put_fields(&row, op->fields);
        prov_buf_add_str(&row, " |\n");
        if (strstr(text, prov_buf_cstr(&row)) == NULL)
            fail_msg("docs/control-api.md has no row: %s", prov_buf_cstr(&row));
    }
    prov_buf_release(&row);
    free(text);
}

static void every_row_is_an_operation(void **state)
{
    char *text = read_doc("control-api.md");
    char name[128];
    unsigned n = 0;
    (void)state;

    for (const char *at = text; (at = strstr(at, "\n| `")) != NULL; at += 4, n++) {
        assert_int_equal(sscanf(at, "\n| `%127[^`]`", name), 1);
        if (prov_api_find(name) == NULL)
            fail_msg("there is no operation %s", name);
    }
    assert_true(n > 50);
    free(text);
}

/* Of "certificates/pending-activation" the guide shows the whole or its last part, "/pending-…". */
static void every_metric_is_in_the_guide(void **state)
{
    char *text = read_doc("guide.md");
    (void)state;

    for (unsigned i = 0; i < PROV_METRIC_REFUSED; i++) {
        const char *name = prov_metric_name((enum prov_metric)i), *slash = strchr(name, '/');
        char whole[128], tail[128];

        (void)snprintf(whole, sizeof whole, "`%s`", name);
        (void)snprintf(tail, sizeof tail, "`%s`", slash != NULL ? slash : name);
        if (strstr(text, whole) == NULL && strstr(text, tail) == NULL)
            fail_msg("docs/guide.md does not tell of %s", name);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation_has_its_row),
        cmocka_unit_test(every_row_is_an_operation),
        cmocka_unit_test(every_metric_is_in_the_guide),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
