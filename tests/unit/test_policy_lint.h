/*
 * test_policy_lint.h - policies linted in one line. Documents are written with ' for ", and a ^
 * stands where the first warning must be.
 */
#ifndef TEST_POLICY_LINT_H
#define TEST_POLICY_LINT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/policy_lint.h"
#include "support/policy_rig.h"

#define ANY "arn:aws:iot:*:*:"
#define IF(effect, action, resource, condition)                                                    \
    "{'Effect':'" effect "','Action':'" action "','Resource':'" resource                           \
    "','Condition':" condition "}"

struct linted {
    struct policy_text text;
    struct prov_policy_warning w[64];
    size_t n;
};

static inline void keep_warning(void *ctx, const struct prov_policy_warning *w)
{
    struct linted *const found = ctx;

    assert_true(found->n < PROV_COUNT(found->w));
    found->w[found->n++] = *w;
}

static inline void show_warnings(const struct linted *found)
{
    print_error("%s\n", found->text.json);
    for (size_t i = 0; i < found->n; i++)
        print_error("  %u:%u %s %s: %s\n    %s\n", found->w[i].line, found->w[i].col,
                    found->w[i].code, found->w[i].path, found->w[i].text, found->w[i].cure);
}

static inline void lint_text(struct linted *found, const struct prov_policy_scope *scope)
{
    struct prov_err err = { .rc = PROV_OK };

    found->n = 0;
    if (prov_policy_lint(prov_span_str(found->text.json), scope, keep_warning, found, &err) !=
        PROV_OK)
        fail_msg("%s\n%u:%u %s: %s", found->text.json, err.line, err.col, err.path, err.text);
}

static inline void lint(struct linted *found, const char *quoted)
{
    policy_text_write(&found->text, quoted);
    lint_text(found, NULL);
}

static inline const struct prov_policy_warning *find_code(const struct linted *found,
                                                          const char *code)
{
    for (size_t i = 0; i < found->n; i++) {
        if (strcmp(found->w[i].code, code) == 0)
            return &found->w[i];
    }
    return NULL;
}

/* The only warning of a document; cure is the whole of it, text and path a part. */
struct row {
    const char *doc, *code, *path, *text, *cure;
};

static inline void check_row(struct linted *found, const struct row *row)
{
    const struct prov_policy_warning *const w = &found->w[0];

    lint(found, row->doc);
    if (found->n == 1 && strcmp(w->code, row->code) == 0 && strcmp(w->path, row->path) == 0 &&
        w->line == found->text.line && w->col == found->text.col &&
        strstr(w->text, row->text) != NULL && strcmp(w->cure, row->cure) == 0)
        return;
    show_warnings(found);
    fail_msg("wanted %s at %s (%u:%u), \"%s\", cure %s", row->code, row->path, found->text.line,
             found->text.col, row->text, row->cure);
}

static inline void check_rows(const struct row *rows, size_t n)
{
    struct linted *const found = malloc(sizeof *found);

    assert_non_null(found);
    for (size_t i = 0; i < n; i++)
        check_row(found, &rows[i]);
    free(found);
}

static inline void check_silent(const char *const *docs, size_t n)
{
    struct linted *const found = malloc(sizeof *found);

    assert_non_null(found);
    for (size_t i = 0; i < n; i++) {
        lint(found, docs[i]);
        if (found->n == 0)
            continue;
        show_warnings(found);
        fail_msg("this is no mistake");
    }
    free(found);
}

#endif
