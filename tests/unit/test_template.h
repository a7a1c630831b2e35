/*
 * test_template.h - what the tests of templates share: templates written readably, tables of those
 * accepted and refused, evaluation with parameters in a list.
 */
#ifndef TEST_TEMPLATE_H
#define TEST_TEMPLATE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/limits.h"
#include "core/template.h"

#define FLEET PROV_TEMPLATE_FLEET
#define JITP PROV_TEMPLATE_JITP

#define BUILTIN "AWS::IoT::Certificate::"
#define CERT_ID "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

#define ID "{'Ref':'AWS::IoT::Certificate::Id'}"
#define CERT "'c':{'Type':'AWS::IoT::Certificate','Properties':{'CertificateId':" ID "}}"
#define RESOURCES(r) "{'Resources':{" r "}}"

/*
 * Templates are written with ' for " and, where a mistake is expected, ^ in front of the place that
 * must be reported.
 */
struct text {
    char json[2 * PROV_MAX_TEMPLATE_BODY];
    unsigned line, col; /* of the ^; 0 when there is none */
};

static inline void write_text(struct text *t, const char *quoted)
{
    unsigned line = 1, col = 1;
    size_t n = 0;

    t->line = t->col = 0;
    for (const char *c = quoted; *c != '\0'; c++) {
        assert_true(n + 1 < sizeof t->json);
        if (*c == '^') {
            t->line = line;
            t->col = col;
            continue;
        }
        t->json[n++] = *c == '\'' ? '"' : *c;
        col = *c == '\n' ? 1 : col + 1;
        line += *c == '\n';
    }
    t->json[n] = '\0';
}

static inline enum prov_rc parse(const struct text *t, enum prov_template_type type,
                                 struct prov_template **out, struct prov_err *err)
{
    memset(err, 0, sizeof *err);
    return prov_template_parse(prov_span_str(t->json), type, out, err);
}

struct accepted {
    enum prov_template_type type;
    const char *text;
};

struct refused {
    enum prov_template_type type;
    const char *text;
    const char *path;
    const char *says;
};

static inline void check_accepted(const struct accepted *cases, size_t n)
{
    struct prov_template *tpl;
    struct prov_err err;
    struct text t;

    for (size_t i = 0; i < n; i++) {
        write_text(&t, cases[i].text);
        if (parse(&t, cases[i].type, &tpl, &err) != PROV_OK)
            fail_msg("%s\nrefused at %u:%u %s: %s", t.json, err.line, err.col, err.path, err.text);
        assert_non_null(tpl);
        prov_template_free(tpl);
    }
}

static inline void check_refused(const struct refused *cases, size_t n)
{
    struct prov_template *tpl;
    struct prov_err err;
    struct text t;

    for (size_t i = 0; i < n; i++) {
        write_text(&t, cases[i].text);
        tpl = (struct prov_template *)&err;
        if (parse(&t, cases[i].type, &tpl, &err) != PROV_EINVAL)
            fail_msg("accepted:\n%s", t.json);
        assert_null(tpl);
        if (strcmp(err.path, cases[i].path) != 0 || strstr(err.text, cases[i].says) == NULL ||
            err.line != t.line || err.col != t.col)
            fail_msg("%s\nrefused at %u:%u, not %u:%u; %s: %s", t.json, err.line, err.col, t.line,
                     t.col, err.path, err.text);
        assert_int_equal(err.rc, PROV_EINVAL);
        assert_string_equal(err.code, "InvalidRequestException");
        assert_int_equal(prov_template_parse(prov_span_str(t.json), cases[i].type, &tpl, NULL),
                         PROV_EINVAL);
    }
}

#define ACCEPTED(cases) check_accepted(cases, PROV_COUNT(cases))
#define REFUSED(cases) check_refused(cases, PROV_COUNT(cases))

/* ---- evaluation ------------------------------------------------------------------------------ */

/* One that must be accepted. */
static inline struct prov_template *parsed(enum prov_template_type type, const char *quoted)
{
    struct prov_template *tpl;
    struct prov_err err;
    char *json = strdup(quoted);

    assert_non_null(json);
    for (char *c = json; *c != '\0'; c++)
        *c = *c == '\'' ? '"' : *c;
    if (prov_template_parse(prov_span_str(json), type, &tpl, &err) != PROV_OK)
        fail_msg("%s\nrefused at %u:%u %s: %s", json, err.line, err.col, err.path, err.text);
    free(json);
    return tpl;
}

/* { name, value, name, value, …, NULL } */
static inline struct prov_params params_of(const char *const *pairs,
                                           struct prov_param out[static 16])
{
    size_t n = 0;

    for (; pairs[2 * n] != NULL; n++) {
        assert_true(n < 16);
        out[n].name = prov_span_str(pairs[2 * n]);
        out[n].value = prov_span_str(pairs[2 * n + 1]);
    }
    return (struct prov_params){ out, n };
}

static inline enum prov_rc eval(enum prov_template_type type, const char *quoted,
                                const char *const *pairs, struct prov_plan **out,
                                struct prov_err *err)
{
    struct prov_template *tpl = parsed(type, quoted);
    struct prov_param room[16];
    enum prov_rc rc;

    memset(err, 0, sizeof *err);
    rc = prov_template_eval(tpl, params_of(pairs, room), out, err);
    prov_template_free(tpl);
    return rc;
}

static inline struct prov_plan *eval_ok(enum prov_template_type type, const char *quoted,
                                        const char *const *pairs)
{
    struct prov_plan *plan;
    struct prov_err err;

    if (eval(type, quoted, pairs, &plan, &err) != PROV_OK)
        fail_msg("%s\nfailed at %u:%u %s: %s", quoted, err.line, err.col, err.path, err.text);
    return plan;
}

#endif
