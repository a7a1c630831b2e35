/*
 * Denies that a missing variable disables. A statement with a variable that has no value matches
 * nothing, or less (policy.h), and for a Deny that means to let through. There is no warning where
 * nothing is let through: where another Deny stands in for it, where what the document allows needs
 * the variable as well, and where the Deny says itself that it wants the value to be there.
 */
#include "policy_lint_priv.h"

#include <stdio.h>

static const struct pol_var *var_of(const struct lint *l, uint32_t var)
{
    return &l->doc->vars[var];
}

static bool is_thing_var(const struct pol_var *var)
{
    return var->kind == POL_THING_NAME || var->kind == POL_THING_TYPE ||
           var->kind == POL_THING_ATTR;
}

static bool is_cert_var(const struct pol_var *var)
{
    return var->kind == POL_CERT_DN || var->kind == POL_CERT_ALT;
}

/* May a session be without it? iot:DomainName, which none has, is told of elsewhere. */
static bool may_miss(const struct pol_var *var)
{
    return is_thing_var(var) || is_cert_var(var);
}

/* If a has no value, has b none either? */
static bool misses_with(const struct pol_var *a, const struct pol_var *b)
{
    if (a->kind == POL_THING_NAME && is_thing_var(b))
        return true;
    if (a->kind != b->kind || a->side != b->side || a->field != b->field ||
        !prov_span_eq(a->attr, b->attr))
        return false;
    return b->list ? a->index == 0 : b->index >= a->index;
}

/* ---- what a statement does when the variable has no value ------------------------------------ */

static bool pat_misses(const struct lint *l, const struct pol_pat *pat, const struct pol_var *var)
{
    for (size_t i = 0; i < pat->n; i++) {
        if (pat->segs[i].kind == POL_VAR && misses_with(var, var_of(l, pat->segs[i].n)))
            return true;
    }
    return false;
}

static bool value_misses(const struct lint *l, const struct pol_cond *c, size_t i,
                         const struct pol_var *var)
{
    if (c->op->type == POL_STRING)
        return pat_misses(l, &c->values[i].text, var);
    for (size_t k = 0; c->op->type == POL_ARN && k < POL_ARN_PARTS; k++) {
        if (pat_misses(l, &c->values[i].part[k], var))
            return true;
    }
    return false;
}

static size_t values_missing(const struct lint *l, const struct pol_cond *c,
                             const struct pol_var *var)
{
    size_t n = 0;

    for (size_t i = 0; i < c->n_values; i++)
        n += value_misses(l, c, i, var);
    return n;
}

/* As iot:Certificate.AvailableKeys lists it; false when it lists no such thing. */
static bool listed_name(const struct pol_var *var, char *out, size_t cap)
{
    const char *const side = var->side == PROV_SUBJECT ? "Subject" : "Issuer";

    if (!is_cert_var(var) || var->index != 0)
        return false;
    if (var->kind == POL_CERT_DN)
        (void)snprintf(out, cap, "iot:Certificate.%s.%s", side,
                       prov_dn_field_name((enum prov_dn_field)var->field));
    else
        (void)snprintf(out, cap, "iot:Certificate.%s.AlternativeName.%s", side,
                       prov_alt_kind_name((enum prov_alt_kind)var->field));
    return true;
}

static bool pat_is(const struct pol_pat *pat, const char *text)
{
    const struct prov_span s = prov_span_str(text);

    return pat->n == 1 && pat->segs[0].kind == POL_LIT &&
           prov_span_eq(prov_span(pat->segs[0].p, pat->segs[0].n), s);
}

/* How many of the condition's values are the variable's name. */
static size_t values_naming(const struct pol_cond *c, const struct pol_var *var)
{
    char name[96];
    size_t n = 0;

    if (c->op->type != POL_STRING || !listed_name(var, name, sizeof name))
        return 0;
    for (size_t i = 0; i < c->n_values; i++)
        n += pat_is(&c->values[i].text, name);
    return n;
}

static bool any_is(const struct pol_cond *c, bool yes)
{
    for (size_t i = 0; i < c->n_values; i++) {
        if (c->op->type == POL_STRING ? pat_is(&c->values[i].text, yes ? "true" : "false")
                                      : c->values[i].yes == yes)
            return true;
    }
    return false;
}

static bool compares_attached(const struct pol_cond *c)
{
    return (c->op->type == POL_BOOL || c->op->type == POL_STRING) && !prov_lint_negated(c);
}

enum effect { NO_EFFECT, FAILS, HOLDS };

/* Without the variable's value: does the condition's key make it fail, or make it hold? */
static enum effect key_effect(const struct lint *l, const struct pol_cond *c,
                              const struct pol_var *var)
{
    const struct pol_var *const key = var_of(l, c->var);

    if (misses_with(var, key)) {
        if (c->op->type == POL_NULL)
            return any_is(c, true) ? HOLDS : FAILS;
        return prov_lint_holds_absent(c) ? HOLDS : FAILS;
    }
    if (key->kind == POL_THING_ATTACHED && var->kind == POL_THING_NAME && compares_attached(c))
        return any_is(c, false) ? HOLDS : FAILS;
    if (key->kind == POL_CERT_KEYS && values_naming(c, var) != 0) {
        if (prov_lint_negated(c))
            return c->quant == POL_FOR_ANY ? NO_EFFECT : HOLDS;
        return c->quant != POL_FOR_ALL && values_naming(c, var) == c->n_values ? FAILS : NO_EFFECT;
    }
    return NO_EFFECT;
}

static bool key_makes(const struct lint *l, const struct pol_stmt *s, const struct pol_var *var,
                      enum effect effect)
{
    for (size_t i = 0; i < s->n_conds; i++) {
        if (key_effect(l, &s->conds[i], var) == effect)
            return true;
    }
    return false;
}

/* Do the statement's texts keep it from matching anything without the variable? */
static bool texts_fail(const struct lint *l, const struct pol_stmt *s, const struct pol_var *var)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n_resources; i++)
        n += pat_misses(l, &s->resources[i], var);
    if (s->not_resource ? n != 0 : n == s->n_resources)
        return true;
    for (size_t i = 0; i < s->n_conds; i++) {
        n = values_missing(l, &s->conds[i], var);
        if (n != 0 && (n == s->conds[i].n_values || prov_lint_negated(&s->conds[i])))
            return true;
    }
    return false;
}

static bool needs(const struct lint *l, const struct pol_stmt *s, const struct pol_var *var)
{
    return texts_fail(l, s, var) || key_makes(l, s, var, FAILS);
}

/* ---- what lets through, and what does not ---------------------------------------------------- */

/* Another Deny that is in force because the value is missing. */
static bool is_guarded(const struct lint *l, const struct lint_stmt *s, const struct pol_var *var)
{
    const unsigned actions = s->ast->actions;

    for (size_t i = 0; i < l->n_stmts; i++) {
        const struct pol_stmt *const other = l->stmts[i].ast;
        const bool enough = (other->actions & LINT_BIT(PROV_ACT_CONNECT)) != 0 ||
                            (other->actions & actions) == actions;

        if (other->deny && other != s->ast && enough && key_makes(l, other, var, HOLDS) &&
            !needs(l, other, var))
            return true;
    }
    return false;
}

/* Could a resource that is allowed without the variable be one that is denied with it? */
static bool resources_meet(const struct lint *l, const struct lint_stmt *deny,
                           const struct lint_stmt *allow, const struct pol_var *var)
{
    if (deny->ast->not_resource || allow->ast->not_resource)
        return true;
    for (size_t i = 0; i < allow->n_resources; i++) {
        if (pat_misses(l, &allow->ast->resources[i], var))
            continue;
        for (size_t k = 0; k < deny->n_resources; k++) {
            if (prov_lint_meet(&allow->resources[i].glob, &deny->resources[k].glob, false))
                return true;
        }
    }
    return false;
}

/*
 * Does the document allow what the Deny is about to a session without the value? If it allows none
 * of the Deny's actions, other policies will, and nothing is known of those.
 */
static bool lets_through(const struct lint *l, const struct lint_stmt *deny,
                         const struct pol_var *var)
{
    bool allows = false, open = false, connects = false, connects_open = false;

    for (size_t i = 0; i < l->n_stmts; i++) {
        const struct lint_stmt *const s = &l->stmts[i];
        const bool needless = !needs(l, s->ast, var);

        if (s->ast->deny)
            continue;
        if ((s->ast->actions & deny->ast->actions) != 0) {
            allows = true;
            open = open || (needless && resources_meet(l, deny, s, var));
        }
        if ((s->ast->actions & LINT_BIT(PROV_ACT_CONNECT)) != 0) {
            connects = true;
            connects_open = connects_open || needless;
        }
    }
    return (open || !allows) && (connects_open || !connects);
}

/* ---- the cure: the same statement for sessions without the value ----------------------------- */

/* The variable as the key of a condition. */
static void key_name(const struct pol_var *var, char *out, size_t cap)
{
    if (!listed_name(var, out, cap))
        (void)snprintf(out, cap, "%.*s", PROV_SPAN_ARG(var->text));
}

/* True, and remembers when memory is what was lacking. */
static bool made(struct lint *l, const void *p)
{
    if (p == NULL)
        l->rc = PROV_ENOMEM;
    return p != NULL;
}

/* Puts op: {key: value} into the Condition beside what is there; false when that cannot be. */
static bool add_guard(struct lint *l, cJSON *condition, const struct pol_var *var)
{
    const bool listed = is_cert_var(var) && var->index == 0;
    const char *op_name = listed ? "ForAllValues:StringNotEquals" : "Null";
    char name[160];
    cJSON *op = cJSON_GetObjectItemCaseSensitive(condition, op_name);
    const char *key = listed ? "iot:Certificate.AvailableKeys" : name;

    key_name(var, name, sizeof name);
    if (strlen(name) + 1 == sizeof name)
        return false;
    if (op == NULL) {
        op = cJSON_AddObjectToObject(condition, op_name);
        (void)made(l, op);
    }
    return op != NULL && cJSON_GetObjectItemCaseSensitive(op, key) == NULL &&
           made(l, cJSON_AddStringToObject(op, key, listed ? name : "true"));
}

/* Takes the conditions out whose values have the variable, and operators that are left empty. */
static void drop_conditions(const struct lint *l, const struct lint_stmt *s,
                            const struct pol_var *var, cJSON *condition)
{
    for (size_t i = 0; i < s->n_conds; i++) {
        cJSON *const op = cJSON_GetObjectItemCaseSensitive(condition, s->conds[i].op->string);

        if (values_missing(l, s->conds[i].ast, var) == 0)
            continue;
        cJSON_DeleteItemFromObjectCaseSensitive(op, s->conds[i].key->string);
        if (op->child == NULL)
            cJSON_DeleteItemFromObjectCaseSensitive(condition, s->conds[i].op->string);
    }
}

static bool set_text(struct lint *l, cJSON *item, struct prov_span text)
{
    struct prov_buf b;
    bool ok;

    prov_buf_init(&b, text.n + 1);
    prov_lint_unvar(&b, text, may_miss);
    ok = made(l, b.rc == PROV_OK ? cJSON_SetValuestring(item, prov_buf_cstr(&b)) : NULL);
    prov_buf_release(&b);
    return ok;
}

/* Without the value Resource is about any value, and NotResource leaves nothing out by it. */
static bool widen_resources(struct lint *l, const struct lint_stmt *s, const struct pol_var *var,
                            cJSON *copy)
{
    cJSON *const list = cJSON_GetObjectItemCaseSensitive(copy, s->resource_key);
    cJSON *item = cJSON_IsArray(list) ? list->child : list, *next;
    size_t left = s->n_resources;

    for (size_t i = 0; i < s->n_resources; i++, item = next) {
        next = item->next;
        if (!pat_misses(l, &s->ast->resources[i], var))
            continue;
        if (!s->ast->not_resource) {
            if (!set_text(l, item, s->resources[i].text))
                return false;
            continue;
        }
        left--;
        if (cJSON_IsArray(list))
            cJSON_Delete(cJSON_DetachItemViaPointer(list, item));
    }
    if (left != 0)
        return true;
    cJSON_DeleteItemFromObjectCaseSensitive(copy, s->resource_key);
    return made(l, cJSON_AddStringToObject(copy, "Resource", "*"));
}

/* Writes the Deny that stands in for s; nothing when that cannot be told in general. */
static void put_stand_in(struct lint *l, const struct lint_stmt *s, const struct pol_var *var,
                         struct prov_buf *out)
{
    cJSON *const copy = cJSON_Duplicate(s->json, 1);
    cJSON *condition = cJSON_GetObjectItemCaseSensitive(copy, "Condition");
    char *text = NULL;

    if (!made(l, copy))
        return;
    cJSON_DeleteItemFromObjectCaseSensitive(copy, "Sid");
    if (condition == NULL) {
        condition = cJSON_AddObjectToObject(copy, "Condition");
        (void)made(l, condition);
    }
    if (condition != NULL)
        drop_conditions(l, s, var, condition);
    if (condition != NULL && widen_resources(l, s, var, copy) && add_guard(l, condition, var)) {
        text = cJSON_PrintUnformatted(copy);
        if (made(l, text))
            prov_buf_addf(out, "%s beside it", text);
    }
    cJSON_free(text);
    cJSON_Delete(copy);
}

static void cure_text(struct lint *l, struct prov_policy_warning *w, const struct lint_stmt *s,
                      const struct pol_var *var)
{
    char otherwise[400], name[160];
    struct prov_buf b;

    key_name(var, name, sizeof name);
    if (is_cert_var(var) && var->index == 0)
        (void)snprintf(otherwise, sizeof otherwise,
                       "another Deny with \"Condition\": {\"ForAllValues:StringNotEquals\": "
                       "{\"iot:Certificate.AvailableKeys\": \"%s\"}}",
                       name);
    else
        (void)snprintf(otherwise, sizeof otherwise,
                       "another Deny with \"Condition\": {\"Null\": {\"%s\": \"true\"}}", name);
    prov_buf_init(&b, LINT_CURE_MAX - 1);
    put_stand_in(l, s, var, &b);
    if (b.rc == PROV_ENOMEM)
        l->rc = PROV_ENOMEM;
    prov_lint_cure(w, "%s", b.rc == PROV_OK && b.n != 0 ? prov_buf_cstr(&b) : otherwise);
    prov_buf_release(&b);
}

/* ---- the check ------------------------------------------------------------------------------- */

static bool is_disabled_by(const struct lint *l, const struct lint_stmt *s,
                           const struct pol_var *var)
{
    return may_miss(var) && !key_makes(l, s->ast, var, FAILS) && !is_guarded(l, s, var) &&
           lets_through(l, s, var);
}

static bool pat_has(const struct pol_pat *pat, uint32_t var)
{
    for (size_t i = 0; i < pat->n; i++) {
        if (pat->segs[i].kind == POL_VAR && pat->segs[i].n == var)
            return true;
    }
    return false;
}

static bool value_has(const struct pol_cond *c, size_t i, uint32_t var)
{
    bool has = c->op->type == POL_STRING && pat_has(&c->values[i].text, var);

    for (size_t k = 0; c->op->type == POL_ARN && k < POL_ARN_PARTS; k++)
        has = has || pat_has(&c->values[i].part[k], var);
    return has;
}

/* The first place of the variable in the statement's texts; false when there is none. */
static bool find_text(const struct lint *l, const struct lint_stmt *s, uint32_t var,
                      struct lint_place *p)
{
    for (size_t i = 0; i < s->n_resources; i++) {
        if (!pat_has(&s->ast->resources[i], var))
            continue;
        prov_lint_at_resource(l, s, i, p);
        return true;
    }
    for (size_t c = 0; c < s->n_conds; c++) {
        for (size_t i = 0; i < s->conds[c].ast->n_values; i++) {
            if (!value_has(s->conds[c].ast, i, var))
                continue;
            prov_lint_at_value(l, s, &s->conds[c], i, p);
            return true;
        }
    }
    return false;
}

/* "Deny what is not …", of any value where there may be none. */
static bool is_any_not(const struct pol_cond *c)
{
    return c->quant == POL_FOR_ANY && prov_lint_negated(c) && !c->if_exists;
}

static void check_key(struct lint *l, const struct lint_stmt *s, const struct lint_cond *c)
{
    const struct pol_var *const key = var_of(l, c->ast->var);
    struct prov_policy_warning *w;
    struct lint_place p;

    for (size_t i = 0; i < s->n_conds; i++) {
        if (&s->conds[i] != c && key_effect(l, s->conds[i].ast, key) == FAILS)
            return; /* the value is meant to be there */
    }
    if (!is_any_not(c->ast) || !may_miss(key) || is_guarded(l, s, key) || !lets_through(l, s, key))
        return;
    prov_lint_at_cond(l, s, c, &p);
    w = prov_lint_warn(l, &p, "without a value of %s this Deny denies nothing",
                       prov_pol_show(c->ast->key).s);
    prov_lint_cure(w, "\"%sIfExists\"", c->op->string);
}

void prov_lint_deny_missing(struct lint *l, const struct lint_stmt *s)
{
    struct prov_policy_warning *w;
    struct lint_place p;

    if (!s->ast->deny || s->ast->actions == 0)
        return;
    for (uint32_t v = 0; v < l->doc->n_vars; v++) {
        const struct pol_var *const var = var_of(l, v);

        if (var->key || !find_text(l, s, v, &p) || !is_disabled_by(l, s, var))
            continue;
        w = prov_lint_warn(l, &p, "without a value of ${%s} this Deny denies %s",
                           prov_pol_show(var->text).s,
                           texts_fail(l, s->ast, var) ? "nothing" : "less");
        cure_text(l, w, s, var);
    }
    for (size_t i = 0; i < s->n_conds; i++)
        check_key(l, s, &s->conds[i]);
}
