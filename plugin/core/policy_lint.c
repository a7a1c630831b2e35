#include "policy_lint_priv.h"

#include <stdio.h>

#include "limits.h"

static const struct {
    const char *code;
    prov_lint_check *run;
} checks[] = {
    { "unknown-action", prov_lint_unknown_action },
    { "other-action", prov_lint_other_action },
    { "arn-never", prov_lint_arn_never },
    { "arn-scope", prov_lint_arn_scope },
    { "subscribe-topic", prov_lint_subscribe_topic },
    { "publish-topicfilter", prov_lint_publish_topicfilter },
    { "resource-unasked", prov_lint_resource_unasked },
    { "action-without", prov_lint_action_without },
    { "name-never", prov_lint_name_never },
    { "topic-wildcard", prov_lint_topic_wildcard },
    { "foreign-pattern", prov_lint_foreign_pattern },
    { "condition-never", prov_lint_condition_never },
    { "condition-value", prov_lint_condition_value },
    { "connect-key", prov_lint_connect_key },
    { "deny-missing", prov_lint_deny_missing },
    { "create-from-csr", prov_lint_create_from_csr },
    { "dead-allow", prov_lint_dead_allow },
    { "receive-missing", prov_lint_receive_missing },
    { "retain-alone", prov_lint_retain_alone },
    { "allow-all", prov_lint_allow_all },
};

const char *prov_policy_warning_code(size_t i)
{
    return i < PROV_COUNT(checks) ? checks[i].code : NULL;
}

/* ---- places ---------------------------------------------------------------------------------- */

void prov_lint_at_stmt(const struct lint *l, const struct lint_stmt *s, struct lint_place *p)
{
    p->steps[0] = (struct prov_json_path){ .key = "Statement" };
    p->at = prov_pol_at(l->list, &p->steps[0], s->index, &p->steps[1]);
}

static void at_item(const struct lint *l, const struct lint_stmt *s, const char *key,
                    const cJSON *one_or_list, size_t i, struct lint_place *p)
{
    prov_lint_at_stmt(l, s, p);
    p->steps[2] = (struct prov_json_path){ .up = p->at, .key = key };
    p->at = prov_pol_at(one_or_list, &p->steps[2], i, &p->steps[3]);
}

void prov_lint_at_action(const struct lint *l, const struct lint_stmt *s, size_t i,
                         struct lint_place *p)
{
    at_item(l, s, s->action_key, s->action_json, i, p);
}

void prov_lint_at_resource(const struct lint *l, const struct lint_stmt *s, size_t i,
                           struct lint_place *p)
{
    at_item(l, s, s->resource_key, s->resource_json, i, p);
}

void prov_lint_at_cond(const struct lint *l, const struct lint_stmt *s, const struct lint_cond *c,
                       struct lint_place *p)
{
    prov_lint_at_stmt(l, s, p);
    p->steps[2] = (struct prov_json_path){ .up = p->at, .key = "Condition" };
    p->steps[3] = (struct prov_json_path){ .up = &p->steps[2], .key = c->op->string };
    p->steps[4] = (struct prov_json_path){ .up = &p->steps[3], .key = c->key->string };
    p->at = &p->steps[4];
}

void prov_lint_at_value(const struct lint *l, const struct lint_stmt *s, const struct lint_cond *c,
                        size_t i, struct lint_place *p)
{
    prov_lint_at_cond(l, s, c, p);
    p->at = prov_pol_at(c->key, &p->steps[4], i, &p->steps[5]);
}

/* ---- warnings -------------------------------------------------------------------------------- */

/* What is no character of a line becomes '?', and so do the bytes of a character that was cut. */
static void clean(char *text)
{
    uint8_t *p = (uint8_t *)text;
    size_t n;

    for (; *p != '\0'; p += n) {
        n = *p < 0x80 ? 1 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;
        if (n > 1 && (strnlen((const char *)p, n) < n || !prov_utf8_valid(prov_span(p, n))))
            n = 1;
        if ((n == 1 && (*p < ' ' || *p > '~')) || (n == 2 && p[0] == 0xc2 && p[1] < 0xa0))
            memset(p, '?', n);
    }
}

/* In the order of the document; of one place the first stays the first. */
static void insert(struct lint *l, struct prov_policy_warning *w)
{
    size_t i = l->n_warnings++;

    for (; i > 0; i--) {
        const struct prov_policy_warning *const before = l->warnings[i - 1];

        if (before->line < w->line || (before->line == w->line && before->col <= w->col))
            break;
        l->warnings[i] = l->warnings[i - 1];
    }
    l->warnings[i] = w;
}

struct prov_policy_warning *prov_lint_warn(struct lint *l, const struct lint_place *p,
                                           const char *fmt, ...)
{
    struct prov_policy_warning **list, *w;
    struct prov_err err = { .rc = PROV_OK };
    va_list args;

    if (l->rc != PROV_OK)
        return NULL;
    list = prov_pol_grow(&l->doc->arena, l->warnings, l->n_warnings, &l->cap_warnings,
                         sizeof(struct prov_policy_warning *));
    w = prov_pol_alloc(&l->doc->arena, 1, sizeof *w);
    if (list == NULL || w == NULL) {
        l->rc = PROV_ENOMEM;
        return NULL;
    }
    va_start(args, fmt);
    (void)prov_json_vfail(&err, PROV_EINVAL, POL_MALFORMED, l->text, p->at, fmt, args);
    va_end(args);
    *w = (struct prov_policy_warning){ .code = l->code, .line = err.line, .col = err.col };
    memcpy(w->path, err.path, sizeof w->path);
    memcpy(w->text, err.text, sizeof w->text);
    clean(w->text);
    l->warnings = list;
    insert(l, w);
    return w;
}

_Static_assert(sizeof(((struct prov_policy_warning *)NULL)->path) ==
                       sizeof(((struct prov_err *)NULL)->path) &&
                   sizeof(((struct prov_policy_warning *)NULL)->text) ==
                       sizeof(((struct prov_err *)NULL)->text),
               "a warning holds what an error does");

void prov_lint_cure(struct prov_policy_warning *w, const char *fmt, ...)
{
    va_list args;

    if (w == NULL)
        return;
    va_start(args, fmt);
    (void)vsnprintf(w->cure, sizeof w->cure, fmt, args);
    va_end(args);
    clean(w->cure);
}

/* As a JSON string. */
static void quote(struct prov_buf *out, struct prov_span s)
{
    prov_buf_add_u8(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < ' ' || s.p[i] == 0x7f) {
            prov_buf_addf(out, "\\u%04x", s.p[i]);
            continue;
        }
        if (s.p[i] == '"' || s.p[i] == '\\')
            prov_buf_add_u8(out, '\\');
        prov_buf_add_u8(out, s.p[i]);
    }
    prov_buf_add_u8(out, '"');
}

void prov_lint_cure_text(struct lint *l, struct prov_policy_warning *w, const char *before,
                         struct prov_buf *text, const char *behind, const char *otherwise)
{
    struct prov_buf b;

    prov_buf_init(&b, LINT_CURE_MAX - 1);
    prov_buf_add_str(&b, before);
    quote(&b, prov_buf_span(text));
    prov_buf_add_str(&b, behind);
    if (text->rc == PROV_ENOMEM || b.rc == PROV_ENOMEM)
        l->rc = PROV_ENOMEM;
    prov_lint_cure(w, "%s",
                   text->rc == PROV_OK && text->n != 0 && b.rc == PROV_OK ? prov_buf_cstr(&b)
                                                                          : otherwise);
    prov_buf_release(&b);
    prov_buf_release(text);
}

struct lint_names prov_lint_actions(unsigned mask)
{
    struct lint_names out = { "" };
    size_t n = 0;

    mask &= LINT_BIT(PROV_ACTIONS) - 1;
    for (unsigned a = 0; a < PROV_ACTIONS; a++) {
        const unsigned rest = mask >> a;
        const char *between = n == 0 ? "" : (rest & ~1U) != 0 ? ", " : " and ";

        if ((rest & 1) == 0)
            continue;
        n += (size_t)snprintf(out.s + n, sizeof out.s - n, "%s%s", between,
                              prov_action_name((enum prov_action)a));
    }
    return out;
}

/* ---- reading --------------------------------------------------------------------------------- */

static void *take(struct lint *l, size_t n, size_t size)
{
    void *const p = l->rc == PROV_OK ? prov_pol_alloc(&l->doc->arena, n, size) : NULL;

    if (p == NULL)
        l->rc = PROV_ENOMEM;
    return p;
}

static void read_actions(struct lint *l, struct lint_stmt *s)
{
    size_t i = 0;

    s->actions = take(l, prov_pol_count(s->action_json), sizeof *s->actions);
    if (s->actions == NULL)
        return;
    for (const cJSON *v = prov_pol_first(s->action_json); v != NULL;
         v = prov_pol_next(s->action_json, v))
        prov_lint_action(l, prov_span_str(v->valuestring), &s->actions[i++]);
    s->n_actions = i;
}

static void read_resource(struct lint *l, const struct pol_pat *pat, struct lint_resource *r)
{
    struct lint_target t;

    prov_lint_start(&t);
    prov_lint_pat(&t.glob, pat);
    prov_lint_part_by_part(&t.glob);
    r->glob = t.glob;
    r->glob.syms = take(l, t.glob.n, sizeof *t.syms);
    if (r->glob.syms == NULL)
        return;
    memcpy(r->glob.syms, t.syms, t.glob.n * sizeof *t.syms);
    prov_lint_kinds(l, r);
}

static void read_resources(struct lint *l, struct lint_stmt *s)
{
    const cJSON *v = prov_pol_first(s->resource_json);

    s->resources = take(l, s->ast->n_resources, sizeof *s->resources);
    if (s->resources == NULL)
        return;
    for (; v != NULL && l->rc == PROV_OK; v = prov_pol_next(s->resource_json, v)) {
        s->resources[s->n_resources].text = prov_span_str(v->valuestring);
        read_resource(l, &s->ast->resources[s->n_resources], &s->resources[s->n_resources]);
        s->n_resources++;
    }
}

/* In the order in which policy_cond.c reads them. */
static void read_conds(struct lint *l, struct lint_stmt *s)
{
    const cJSON *const block = cJSON_GetObjectItemCaseSensitive(s->json, "Condition");

    s->conds = take(l, s->ast->n_conds, sizeof *s->conds);
    if (s->conds == NULL || block == NULL)
        return;
    for (const cJSON *op = block->child; op != NULL; op = op->next) {
        for (const cJSON *key = op->child; key != NULL; key = key->next) {
            s->conds[s->n_conds] =
                (struct lint_cond){ .ast = &s->ast->conds[s->n_conds], .op = op, .key = key };
            s->n_conds++;
        }
    }
}

static void read_stmt(struct lint *l, const cJSON *json, size_t index)
{
    struct lint_stmt *const s = &l->stmts[index];

    *s = (struct lint_stmt){ .ast = &l->doc->stmts[index], .json = json, .index = index };
    s->not_action = cJSON_GetObjectItemCaseSensitive(json, "NotAction") != NULL;
    s->action_key = s->not_action ? "NotAction" : "Action";
    s->action_json = cJSON_GetObjectItemCaseSensitive(json, s->action_key);
    s->resource_key = s->ast->not_resource ? "NotResource" : "Resource";
    s->resource_json = cJSON_GetObjectItemCaseSensitive(json, s->resource_key);
    read_actions(l, s);
    read_resources(l, s);
    read_conds(l, s);
    l->n_stmts++;
}

static void read_doc(struct lint *l)
{
    size_t i = 0;

    l->list = cJSON_GetObjectItemCaseSensitive(l->root, "Statement");
    l->stmts = take(l, l->doc->n_stmts, sizeof *l->stmts);
    for (const cJSON *v = prov_pol_first(l->list); v != NULL && l->rc == PROV_OK;
         v = prov_pol_next(l->list, v))
        read_stmt(l, v, i++);
}

/* ---- all checks ------------------------------------------------------------------------------ */

static void run_checks(struct lint *l)
{
    for (size_t c = 0; c < PROV_COUNT(checks); c++) {
        l->code = checks[c].code;
        for (size_t i = 0; i < l->n_stmts && l->rc == PROV_OK; i++)
            checks[c].run(l, &l->stmts[i]);
    }
}

enum prov_rc prov_policy_lint(struct prov_span json, const struct prov_policy_scope *scope,
                              void (*visit)(void *ctx, const struct prov_policy_warning *warning),
                              void *ctx, struct prov_err *err)
{
    struct lint l = { .text = json, .scope = scope };
    enum prov_rc rc;

    rc = prov_policy_parse(json, &l.doc, err);
    if (rc != PROV_OK)
        return rc;
    rc = prov_json_parse(json, PROV_MAX_POLICY_TEXT, &l.root, err);
    if (rc != PROV_OK)
        goto out;
    read_doc(&l);
    run_checks(&l);
    rc = l.rc == PROV_OK ? PROV_OK : prov_nomem(err);
    for (size_t i = 0; i < l.n_warnings && rc == PROV_OK; i++)
        visit(ctx, l.warnings[i]);
out:
    cJSON_Delete(l.root);
    prov_policy_doc_unref(l.doc);
    return rc;
}
