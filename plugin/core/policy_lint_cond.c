#include "policy_lint_priv.h"

#include <stdio.h>

/* ---- what a key can hold --------------------------------------------------------------------- */

enum presence { MAYBE, ALWAYS, NEVER };

#define TEXTS LINT_BIT(POL_STRING)
#define ANYTHING (LINT_BIT(POL_NULL) - 1)

static const struct {
    enum presence presence;
    unsigned types; /* of operators that can meet it */
    const char *form;
} keys[] = {
    [POL_CLIENT_ID] = { ALWAYS, ANYTHING,
                        "client ids have 1 to 128 bytes and do not begin with $" },
    [POL_SOURCE_IP] = { ALWAYS, TEXTS | LINT_BIT(POL_IP),
                        "\"IpAddress\": {\"aws:SourceIp\": \"203.0.113.0/24\"}" },
    [POL_DOMAIN_NAME] = { NEVER, ANYTHING,
                          "take the condition out; aws:SourceIp and the certificate's variables "
                          "are "
                          "there" },
    [POL_CERTIFICATE_ID] = { ALWAYS, TEXTS,
                             "\"StringEquals\" with the 64 lower-case hex digits of `provctl cert "
                             "list`" },
    [POL_THING_NAME] = { MAYBE, ANYTHING, "thing names are of letters, digits, `:`, `_` and `-`" },
    [POL_THING_TYPE] = { MAYBE, ANYTHING, "type names are of letters, digits, `:`, `_` and `-`" },
    [POL_THING_ATTACHED] = { ALWAYS, TEXTS | LINT_BIT(POL_BOOL),
                             "\"Bool\": {\"iot:Connection.Thing.IsAttached\": \"true\"}" },
    [POL_THING_ATTR] = { MAYBE, ANYTHING, "" },
    [POL_CERT_SERIAL] = { ALWAYS, TEXTS | LINT_BIT(POL_NUMBER) | LINT_BIT(POL_DATE),
                          "serial numbers are lower-case hex digits without colons or leading "
                          "zeros" },
    [POL_CERT_DN] = { MAYBE, ANYTHING, "" },
    [POL_CERT_ALT] = { MAYBE, ANYTHING, "" },
    [POL_CERT_KEYS] = { ALWAYS, TEXTS,
                        "names such as \"iot:Certificate.Subject.CommonName\", in this very "
                        "spelling" },
    [POL_CONNECT_ATTRS] = { MAYBE, TEXTS, "\"PersistentConnect\" or \"LastWill\"" },
    [POL_LAST_WILL] = { MAYBE, TEXTS | LINT_BIT(POL_ARN),
                        "\"ArnEquals\": {\"iot:LastWillTopic\": \"arn:aws:iot:*:*:topic/…\"}" },
};

static enum pol_var_kind kind_of(const struct lint *l, const struct lint_cond *c)
{
    return l->doc->vars[c->ast->var].kind;
}

/* What iot:Certificate.AvailableKeys lists, without "iot:Certificate."; false behind the last. */
static bool available_key(size_t i, char *out, size_t cap)
{
    static const char *const sides[PROV_SIDES] = {
        [PROV_SUBJECT] = "Subject", [PROV_ISSUER] = "Issuer"
    };
    const size_t per_side = (size_t)PROV_DN_FIELDS + PROV_ALT_KINDS;
    const size_t side = (i - 1) / per_side, field = (i - 1) % per_side;

    if (i == 0)
        (void)snprintf(out, cap, "SerialNumber");
    else if (side >= PROV_SIDES)
        return false;
    else if (field < PROV_DN_FIELDS)
        (void)snprintf(out, cap, "%s.%s", sides[side],
                       prov_dn_field_name((enum prov_dn_field)field));
    else
        (void)snprintf(out, cap, "%s.AlternativeName.%s", sides[side],
                       prov_alt_kind_name((enum prov_alt_kind)(field - PROV_DN_FIELDS)));
    return true;
}

static const char *const booleans[] = { "true", "false" };
static const char *const attributes[] = { "PersistentConnect", "LastWill" };

/* The nth kind of text that a key can hold; false when there are no more. */
static bool shape(const struct lint *l, enum pol_var_kind kind, size_t nth, struct lint_glob *out)
{
    char name[64];

    switch (kind) {
    case POL_CLIENT_ID:
        prov_lint_one(out, LINT_NO_DOLLAR);
        prov_lint_star(out, LINT_ANY);
        return nth == 0;
    case POL_SOURCE_IP:
        prov_lint_star(out, LINT_NO_SLASH);
        return nth == 0;
    case POL_CERTIFICATE_ID:
        for (size_t i = 0; i < PROV_ID_HEX; i++)
            prov_lint_one(out, LINT_HEX);
        return nth == 0;
    case POL_THING_NAME:
    case POL_THING_TYPE:
        prov_lint_star(out, LINT_THING_NAME);
        return nth == 0;
    case POL_CERT_SERIAL:
        prov_lint_star(out, LINT_HEX);
        return nth == 0;
    case POL_THING_ATTACHED:
        prov_lint_str(out, booleans[nth % PROV_COUNT(booleans)]);
        return nth < PROV_COUNT(booleans);
    case POL_CONNECT_ATTRS:
        prov_lint_str(out, attributes[nth % PROV_COUNT(attributes)]);
        return nth < PROV_COUNT(attributes);
    case POL_CERT_KEYS:
        if (!available_key(nth, name, sizeof name))
            return false;
        prov_lint_str(out, "iot:Certificate.");
        prov_lint_str(out, name);
        return true;
    case POL_LAST_WILL:
        prov_lint_head(out, nth % POL_PARTITIONS, l->scope);
        prov_lint_str(out, prov_lint_type(LINT_TOPIC));
        prov_lint_star(out, LINT_ANY);
        return nth < POL_PARTITIONS;
    case POL_DOMAIN_NAME:
    case POL_THING_ATTR:
    case POL_CERT_DN:
    case POL_CERT_ALT:
        break;
    }
    prov_lint_star(out, LINT_ANY);
    return nth == 0;
}

static void value_glob(const struct pol_op *op, const struct pol_value *v, struct lint_glob *out)
{
    if (op->type == POL_STRING) {
        prov_lint_pat(out, &v->text);
        return;
    }
    for (size_t i = 0; i < POL_ARN_PARTS; i++) {
        if (i != 0)
            prov_lint_byte(out, ':');
        prov_lint_pat(out, &v->part[i]);
    }
    prov_lint_part_by_part(out);
}

/* Can the key hold what the value matches? */
static bool can_hold(const struct lint *l, const struct lint_cond *c, const struct pol_value *v)
{
    const bool fold = (c->ast->op->marks & POL_FOLD) != 0;
    struct lint_target value, held;

    prov_lint_start(&value);
    value_glob(c->ast->op, v, &value.glob);
    prov_lint_start(&held);
    for (size_t i = 0; shape(l, kind_of(l, c), i, &held.glob); i++) {
        if (prov_lint_meet(&value.glob, &held.glob, fold))
            return true;
        prov_lint_start(&held);
    }
    return false;
}

static bool fits_type(const struct lint *l, const struct lint_cond *c)
{
    return c->ast->op->type == POL_NULL ||
           (keys[kind_of(l, c)].types & LINT_BIT(c->ast->op->type)) != 0;
}

/* ---- conditions that never hold -------------------------------------------------------------- */

static bool all_values(const struct pol_cond *c, bool yes)
{
    for (size_t i = 0; i < c->n_values; i++) {
        if (c->values[i].yes != yes)
            return false;
    }
    return true;
}

/* Holds for no value at all: an empty list, or NotLike "*". */
static bool holds_no_value(const struct pol_cond *c)
{
    if (!prov_lint_negated(c))
        return c->n_values == 0;
    for (size_t i = 0; i < c->n_values; i++) {
        if (c->op->type == POL_STRING && c->values[i].text.n == 1 &&
            c->values[i].text.segs[0].kind == POL_STAR)
            return true;
    }
    return false;
}

static const char *lone_fault(const struct lint *l, const struct lint_cond *c)
{
    const enum presence presence = keys[kind_of(l, c)].presence;
    const struct pol_cond *const ast = c->ast;

    if (!fits_type(l, c))
        return "never has what the operator compares with";
    if (ast->op->type == POL_NULL && ast->n_values == 0)
        return "is compared with an empty list, and the condition never holds";
    if (ast->op->type == POL_NULL)
        return presence == ALWAYS && all_values(ast, true)
                   ? "always has a value: the condition never holds"
               : presence == NEVER && all_values(ast, false)
                   ? "never has a value on this broker: the condition never holds"
                   : NULL;
    if (presence == NEVER && !prov_lint_holds_absent(ast))
        return "never has a value on this broker: the condition never holds";
    if (holds_no_value(ast) && (presence == ALWAYS || !prov_lint_holds_absent(ast)))
        return prov_lint_negated(ast)
                   ? "is always like \"*\": the condition never holds"
                   : "is compared with an empty list, and the condition never holds";
    return NULL;
}

/* Does every value of a stand in b, so that what meets a cannot meet the negated b? */
static bool values_within(const struct pol_cond *a, const struct pol_cond *b)
{
    struct lint_target inner, outer;
    size_t k;

    for (size_t i = 0; i < a->n_values; i++) {
        prov_lint_start(&inner);
        prov_lint_pat(&inner.glob, &a->values[i].text);
        for (k = 0; k < b->n_values; k++) {
            prov_lint_start(&outer);
            prov_lint_pat(&outer.glob, &b->values[k].text);
            if (prov_lint_covers(&outer.glob, &inner.glob))
                break;
        }
        if (k == b->n_values)
            return false;
    }
    return true;
}

/* Both of one key, a needs a value: can they never hold at once? */
static bool contradict(const struct pol_cond *a, const struct pol_cond *b)
{
    const bool a_needs_value = a->op->type != POL_NULL && !prov_lint_holds_absent(a);

    if (a->var != b->var || !a_needs_value)
        return false;
    if (b->op->type == POL_NULL)
        return b->n_values != 0 && all_values(b, true);
    return a->op->type == POL_STRING && b->op->type == POL_STRING && !prov_lint_negated(a) &&
           prov_lint_negated(b) && b->quant != POL_FOR_ANY &&
           ((a->op->marks & POL_FOLD) == 0 || (b->op->marks & POL_FOLD) != 0) &&
           values_within(a, b);
}

static const struct lint_cond *contradicted_by(const struct lint_stmt *s, const struct lint_cond *c)
{
    for (size_t i = 0; i < s->n_conds; i++) {
        if (&s->conds[i] != c && contradict(c->ast, s->conds[i].ast))
            return &s->conds[i];
    }
    return NULL;
}

void prov_lint_condition_never(struct lint *l, const struct lint_stmt *s)
{
    const bool connects = (s->ast->actions & LINT_BIT(PROV_ACT_CONNECT)) != 0;
    const struct lint_cond *other;
    struct prov_policy_warning *w;
    struct lint_place p;
    const char *fault;

    for (size_t i = 0; i < s->n_conds; i++) {
        const struct lint_cond *const c = &s->conds[i];

        if (c->ast->of_request && !connects)
            continue; /* a warning of its own */
        fault = lone_fault(l, c);
        other = fault == NULL ? contradicted_by(s, c) : NULL;
        if (fault == NULL && other == NULL)
            continue;
        prov_lint_at_cond(l, s, c, &p);
        if (other != NULL) {
            w = prov_lint_warn(l, &p, "%s holds only where the %s of the same key does not",
                               c->op->string, other->op->string);
            prov_lint_cure(w, "take one of the two out");
            continue;
        }
        w = prov_lint_warn(l, &p, "%s %s", prov_pol_show(c->ast->key).s, fault);
        if (kind_of(l, c) == POL_CONNECT_ATTRS && c->ast->n_values == 0)
            prov_lint_cure(w, "\"ForAllValues:StringEquals\" with [] is met by connects that are "
                              "neither persistent nor have a Will");
        else if (!fits_type(l, c) || keys[kind_of(l, c)].presence == NEVER)
            prov_lint_cure(w, "%s", keys[kind_of(l, c)].form);
        else
            prov_lint_cure(w, "take the condition out, or compare with values that there are");
    }
}

/* ---- values that are never met --------------------------------------------------------------- */

static bool cure_nearest(struct prov_policy_warning *w, struct prov_span s, const char *prefix,
                         const char *const *words, size_t n)
{
    const char *const best = prov_lint_nearest(s, words, n);

    if (best != NULL)
        prov_lint_cure(w, "\"%s%s\"", prefix, best);
    return best != NULL;
}

static bool cure_available_key(struct prov_policy_warning *w, struct prov_span s)
{
    static const char prefix[] = "iot:Certificate.";
    const size_t n_prefix = sizeof prefix - 1;
    char names[1 + PROV_SIDES * (PROV_DN_FIELDS + PROV_ALT_KINDS)][64];
    const char *words[PROV_COUNT(names)];
    char whole[64];
    size_t n = 0;

    for (; n < PROV_COUNT(names) && available_key(n, names[n], sizeof names[n]); n++)
        words[n] = names[n];
    if (s.n > n_prefix && prov_span_eq_nocase(prov_span(s.p, n_prefix), prov_span_str(prefix)))
        s = prov_span(s.p + n_prefix, s.n - n_prefix);
    (void)snprintf(whole, sizeof whole, "Subject.%.*s", PROV_SPAN_ARG(s));
    if (memchr(s.p, '.', s.n) == NULL && s.n < sizeof whole / 2)
        s = prov_span_str(whole);
    return cure_nearest(w, s, prefix, words, n);
}

/* "AB:CD:…" as other tools show it. */
static bool cure_certificate_id(struct prov_policy_warning *w, struct prov_span s)
{
    char digits[PROV_ID_HEX + 1];
    struct prov_id id;
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == ':')
            continue;
        if (n == PROV_ID_HEX)
            return false;
        digits[n++] = (char)s.p[i];
    }
    if (!prov_id_parse(prov_span(digits, n), &id))
        return false;
    prov_id_hex(&id, digits);
    prov_lint_cure(w, "\"%s\"", digits);
    return true;
}

static bool cure_network(struct prov_policy_warning *w, const struct pol_cond *c,
                         struct prov_span s)
{
    struct pol_net net;

    if (!prov_pol_net(s, &net))
        return false;
    prov_lint_cure(w, "\"%s\": {\"aws:SourceIp\": \"%.*s\"}",
                   prov_lint_negated(c) ? "NotIpAddress" : "IpAddress", PROV_SPAN_ARG(s));
    return true;
}

static void cure_value(const struct lint *l, struct prov_policy_warning *w,
                       const struct lint_cond *c, struct prov_span s)
{
    const enum pol_var_kind kind = kind_of(l, c);

    if ((kind == POL_THING_ATTACHED && cure_nearest(w, s, "", booleans, PROV_COUNT(booleans))) ||
        (kind == POL_CONNECT_ATTRS && cure_nearest(w, s, "", attributes, PROV_COUNT(attributes))) ||
        (kind == POL_CERT_KEYS && cure_available_key(w, s)) ||
        (kind == POL_CERTIFICATE_ID && cure_certificate_id(w, s)) ||
        (kind == POL_SOURCE_IP && cure_network(w, c->ast, s)))
        return;
    prov_lint_cure(w, "%s", keys[kind].form);
}

void prov_lint_condition_value(struct lint *l, const struct lint_stmt *s)
{
    struct prov_policy_warning *w;
    struct lint_place p;

    for (size_t i = 0; i < s->n_conds; i++) {
        const struct lint_cond *const c = &s->conds[i];
        const cJSON *v = prov_pol_first(c->key);

        if ((c->ast->op->type != POL_STRING && c->ast->op->type != POL_ARN) || !fits_type(l, c))
            continue;
        for (size_t k = 0; v != NULL; k++, v = prov_pol_next(c->key, v)) {
            if (can_hold(l, c, &c->ast->values[k]))
                continue;
            prov_lint_at_value(l, s, c, k, &p);
            w = prov_lint_warn(l, &p, "%s is never \"%s\"", prov_pol_show(c->ast->key).s,
                               prov_pol_show(prov_span_str(v->valuestring)).s);
            cure_value(l, w, c, prov_span_str(v->valuestring));
        }
    }
}

/* ---- keys of CONNECT in other statements ----------------------------------------------------- */

void prov_lint_connect_key(struct lint *l, const struct lint_stmt *s)
{
    struct prov_policy_warning *w;
    struct lint_place p;

    if (s->ast->actions == 0 || (s->ast->actions & LINT_BIT(PROV_ACT_CONNECT)) != 0)
        return;
    for (size_t i = 0; i < s->n_conds; i++) {
        const struct pol_cond *const c = s->conds[i].ast;
        const bool holds =
            c->op->type == POL_NULL ? !all_values(c, false) : prov_lint_holds_absent(c);

        if (!c->of_request)
            continue;
        prov_lint_at_cond(l, s, &s->conds[i], &p);
        w = prov_lint_warn(l, &p, "%s has a value for iot:Connect alone; here the condition %s",
                           prov_pol_show(c->key).s, holds ? "always holds" : "never holds");
        prov_lint_cure(w, "a statement of its own with this condition and \"Action\": "
                          "\"iot:Connect\"");
    }
}
