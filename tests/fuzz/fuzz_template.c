/*
 * A provisioning template and a device's parameters, cut at NUL bytes: "J" for JITP, if so, and the
 * template's text, then name, value, name, value ….
 *
 * An accepted template evaluated twice gives the same plan twice, of bounded size; every name in a
 * plan is one the registry accepts and every document a policy; a JITP template names the
 * certificate at hand and no other; a mistake has its place. Lint accepts what is accepted, tells
 * among its mistakes the one that the parser tells, and places all within the text.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/limits.h"
#include "core/names.h"
#include "core/policy.h"
#include "core/template.h"

#define MAX_PARAMS 12
#define MAX_PLAN_BYTES (512 * 1024) /* what an evaluation may come to */
#define CERT_ID "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

static struct prov_span next_piece(struct prov_span *left)
{
    const uint8_t *end = left->n == 0 ? NULL : memchr(left->p, '\0', left->n);
    const struct prov_span piece =
        prov_span(left->p, end == NULL ? left->n : (size_t)(end - left->p));

    *left = end == NULL ? prov_span(NULL, 0) : prov_span(end + 1, left->n - piece.n - 1);
    return piece;
}

static void check_name(enum prov_name_kind kind, const char *name)
{
    must(name == NULL || prov_name_check(kind, prov_span_str(name), NULL) == PROV_OK);
}

static void check_policy(const struct prov_plan_policy *policy)
{
    struct prov_policy_doc *doc = NULL;

    must((policy->name == NULL) != (policy->document == NULL));
    check_name(PROV_NAME_POLICY, policy->name);
    if (policy->document == NULL)
        return;
    must(prov_policy_parse(prov_span_str(policy->document), &doc, NULL) == PROV_OK);
    prov_policy_doc_unref(doc);
}

static size_t bytes(const char *s)
{
    return s == NULL ? 0 : strlen(s);
}

static void check_size(const struct prov_plan *plan)
{
    size_t n = bytes(plan->thing_name) + bytes(plan->thing_type) + bytes(plan->billing_group) +
               bytes(plan->certificate_id);

    for (size_t i = 0; i < plan->n_attrs; i++)
        n += bytes(plan->attrs[i].name) + bytes(plan->attrs[i].value);
    for (size_t i = 0; i < plan->n_groups; i++)
        n += bytes(plan->groups[i]);
    for (size_t i = 0; i < plan->n_policies; i++) {
        must(bytes(plan->policies[i].document) <= PROV_MAX_POLICY_TEXT);
        n += bytes(plan->policies[i].name) + bytes(plan->policies[i].document);
    }
    for (size_t i = 0; i < plan->n_config; i++)
        n += bytes(plan->config[i].name) + bytes(plan->config[i].value);
    must(n <= MAX_PLAN_BYTES);
}

static void check_plan(const struct prov_plan *plan)
{
    check_name(PROV_NAME_THING, plan->thing_name);
    check_name(PROV_NAME_THING, plan->thing_type);
    check_name(PROV_NAME_THING, plan->billing_group);
    must(plan->n_attrs <= PROV_MAX_ATTRS && plan->n_groups <= PROV_MAX_THING_GROUPS);
    must(plan->n_policies <= PROV_MAX_CERT_POLICIES);
    must(plan->thing_name != NULL || plan->certificate_id != NULL);
    for (size_t i = 0; i < plan->n_attrs; i++) {
        must(plan->attrs[i].name != NULL && plan->attrs[i].value != NULL);
        check_name(PROV_NAME_ATTRIBUTE, plan->attrs[i].name);
        check_name(PROV_NAME_ATTRIBUTE_VALUE, plan->attrs[i].value);
    }
    for (size_t i = 0; i < plan->n_groups; i++) {
        must(plan->groups[i] != NULL);
        check_name(PROV_NAME_THING, plan->groups[i]);
    }
    for (size_t i = 0; i < plan->n_policies; i++)
        check_policy(&plan->policies[i]);
    for (size_t i = 0; i < plan->n_config; i++) {
        must(prov_utf8_valid(prov_span_str(plan->config[i].name)));
        must(prov_utf8_valid(prov_span_str(plan->config[i].value)));
    }
}

static bool same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void check_same_attrs(const struct prov_plan_attr *a, const struct prov_plan_attr *b,
                             size_t n)
{
    for (size_t i = 0; i < n; i++)
        must(same(a[i].name, b[i].name) && same(a[i].value, b[i].value));
}

static void check_same(const struct prov_plan *a, const struct prov_plan *b)
{
    must(same(a->thing_name, b->thing_name) && same(a->thing_type, b->thing_type));
    must(same(a->billing_group, b->billing_group) && same(a->certificate_id, b->certificate_id));
    must(a->n_attrs == b->n_attrs && a->n_groups == b->n_groups && a->n_config == b->n_config);
    must(a->activate == b->activate && a->attach == b->attach);
    must(a->n_policies == b->n_policies);
    check_same_attrs(a->attrs, b->attrs, a->n_attrs);
    check_same_attrs(a->config, b->config, a->n_config);
    for (size_t i = 0; i < a->n_groups; i++)
        must(same(a->groups[i], b->groups[i]));
    for (size_t i = 0; i < a->n_policies; i++) {
        must(same(a->policies[i].name, b->policies[i].name));
        must(same(a->policies[i].document, b->policies[i].document));
    }
}

static void check_evaluation(const struct prov_template *tpl, enum prov_template_type type,
                             struct prov_span left)
{
    struct prov_param v[MAX_PARAMS + 1];
    struct prov_params params = { v, 0 };
    struct prov_plan *plan, *again;
    struct prov_err err;
    enum prov_rc rc;

    while (left.n != 0 && params.n < MAX_PARAMS) {
        v[params.n].name = next_piece(&left);
        v[params.n++].value = next_piece(&left);
    }
    v[params.n++] = (struct prov_param){ PROV_LIT(PROV_PARAM_CERTIFICATE_ID), PROV_LIT(CERT_ID) };
    rc = prov_template_eval(tpl, params, &plan, &err);
    must((rc == PROV_OK) == (plan != NULL));
    if (rc != PROV_OK) {
        must(err.rc == rc && err.line != 0 && err.col != 0 && err.path[0] != '\0');
        must(prov_template_eval(tpl, params, &plan, NULL) == rc);
        return;
    }
    check_plan(plan);
    check_size(plan);
    must(type != PROV_TEMPLATE_JITP || plan->certificate_id == NULL ||
         strcmp(plan->certificate_id, CERT_ID) == 0);
    must(prov_template_eval(tpl, params, &again, NULL) == PROV_OK);
    check_same(plan, again);
    prov_plan_free(again);
    prov_plan_free(plan);
}

/* Lines and columns count from 1; a place may be the end of the text. */
static void check_place(struct prov_span text, const struct prov_err *what)
{
    size_t i = 0;

    must(what->line != 0 && what->col != 0);
    for (unsigned line = what->line; line > 1; i++) {
        must(i < text.n);
        line -= text.p[i] == '\n';
    }
    for (unsigned col = what->col; col > 1; col--, i++)
        must(i < text.n && text.p[i] != '\n');
}

static bool same_mistake(const struct prov_err *a, const struct prov_err *b)
{
    return a->rc == b->rc && a->line == b->line && a->col == b->col &&
           strcmp(a->path, b->path) == 0 && strcmp(a->text, b->text) == 0;
}

static void check_lint(struct prov_span text, enum prov_template_type type, enum prov_rc parsed,
                       const struct prov_err *err)
{
    struct prov_template_lint lint;
    size_t mistakes = 0;
    bool told = false;

    must(prov_template_lint(text, type, &lint) == parsed);
    for (size_t i = 0; i < lint.n; i++) {
        const struct prov_err *what = &lint.v[i].what;

        if (what->rc != PROV_ETOOBIG || what->line != 0)
            check_place(text, what);
        must(what->text[0] != '\0' && what->code[0] != '\0');
        must(i == 0 || lint.v[i - 1].what.line < what->line ||
             (lint.v[i - 1].what.line == what->line && lint.v[i - 1].what.col <= what->col));
        must((lint.v[i].cure != NULL) == lint.v[i].warning);
        mistakes += !lint.v[i].warning;
        told = told || (!lint.v[i].warning && same_mistake(what, err));
    }
    must((lint.mistakes == 0) == (parsed == PROV_OK));
    must(lint.mistakes == 0 || lint.warnings == 0);
    must(lint.mistakes == mistakes ||
         (lint.mistakes > mistakes && mistakes == PROV_TEMPLATE_MAX_REMARKS));
    must(told == (parsed != PROV_OK));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum prov_template_type type = PROV_TEMPLATE_FLEET;
    struct prov_span left = prov_span(data, size), text;
    struct prov_err err = { .rc = PROV_OK };
    struct prov_template *tpl;
    enum prov_rc rc;

    if (prov_span_starts(left, PROV_LIT("J"))) {
        type = PROV_TEMPLATE_JITP;
        left = prov_span(data + 1, size - 1);
    }
    text = next_piece(&left);
    rc = prov_template_parse(text, type, &tpl, &err);
    must((rc == PROV_OK) == (tpl != NULL));
    check_lint(text, type, rc, &err);
    if (rc != PROV_OK) {
        must(err.rc == rc && err.text[0] != '\0');
        must(rc == PROV_ETOOBIG || (rc == PROV_EINVAL && err.line != 0 && err.col != 0));
        return 0;
    }
    check_evaluation(tpl, type, left);
    prov_template_free(tpl);
    return 0;
}
