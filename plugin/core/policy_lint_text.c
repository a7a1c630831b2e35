#include "policy_lint_priv.h"

#include "near.h"

static const char *const types[] = {
    [LINT_CLIENT] = "client/", [LINT_TOPIC] = "topic/",          [LINT_FILTER] = "topicfilter/",
    [LINT_THING] = "thing/",   [LINT_ROLE_ALIAS] = "rolealias/",
};

const char *prov_lint_type(enum lint_kind kind)
{
    return types[kind];
}

size_t prov_lint_var_length(struct prov_span s)
{
    const uint8_t *close;

    if (s.n < 3 || s.p[0] != '$' || s.p[1] != '{')
        return 0;
    close = memchr(s.p, '}', s.n);
    return close == NULL ? 0 : (size_t)(close - s.p) + 1;
}

static struct prov_span behind(struct prov_span s, size_t n)
{
    return prov_span(s.p + n, s.n - n);
}

size_t prov_lint_part(struct prov_span s)
{
    size_t i = 0, n;

    while (i < s.n && s.p[i] != ':') {
        n = prov_lint_var_length(behind(s, i));
        i += n == 0 ? 1 : n;
    }
    return i;
}

bool prov_lint_nth_part(struct prov_span arn, size_t nth, struct prov_span *out)
{
    size_t n;

    *out = arn;
    for (size_t i = 0; i < POL_ARN_PARTS; i++) {
        n = i + 1 == POL_ARN_PARTS ? arn.n : prov_lint_part(arn);
        *out = prov_span(arn.p, n);
        if (i == nth)
            return true;
        if (n == arn.n)
            return false;
        arn = behind(arn, n + 1);
    }
    return false;
}

void prov_lint_splice(struct prov_buf *out, struct prov_span text, struct prov_span piece,
                      struct prov_span by)
{
    const size_t at = (size_t)(piece.p - text.p);

    prov_buf_add(out, prov_span(text.p, at));
    prov_buf_add(out, by);
    prov_buf_add(out, behind(text, at + piece.n));
}

void prov_lint_unwild(struct prov_buf *out, struct prov_span text)
{
    size_t n;

    for (size_t i = 0; i < text.n; i += n) {
        n = prov_lint_var_length(behind(text, i));
        if (n != 0) {
            prov_buf_add(out, prov_span(text.p + i, n));
            continue;
        }
        n = 1;
        prov_buf_add_u8(out, text.p[i] == '+' || text.p[i] == '#' ? '*' : text.p[i]);
    }
}

void prov_lint_unvar(struct prov_buf *out, struct prov_span text,
                     bool (*goes)(const struct pol_var *var))
{
    struct pol_var var;
    size_t n;

    for (size_t i = 0; i < text.n; i += n) {
        n = prov_lint_var_length(behind(text, i));
        if (n != 0 && prov_pol_var_parse(prov_span(text.p + i + 2, n - 3), &var) && goes(&var)) {
            prov_buf_add_u8(out, '*');
            continue;
        }
        n = n == 0 ? 1 : n;
        prov_buf_add(out, prov_span(text.p + i, n));
    }
}

bool prov_lint_retype(struct prov_buf *out, struct prov_span arn, enum lint_kind from,
                      enum lint_kind to)
{
    const struct prov_span type = prov_span_str(types[from]);
    struct prov_span last;

    if (!prov_lint_nth_part(arn, POL_ARN_PARTS - 1, &last) || !prov_span_starts(last, type))
        return false;
    prov_buf_add(out, prov_span(arn.p, (size_t)(last.p - arn.p)));
    prov_buf_add_str(out, types[to]);
    if (from == LINT_FILTER)
        prov_lint_unwild(out, behind(last, type.n));
    else
        prov_buf_add(out, behind(last, type.n));
    return true;
}

const char *prov_lint_nearest(struct prov_span s, const char *const *words, size_t n)
{
    struct prov_near near = { .word = s };

    for (size_t i = 0; i < n; i++)
        prov_near_try(&near, words[i]);
    return near.close ? near.best : NULL;
}

/* ---- what an ARN can be of ------------------------------------------------------------------- */

const char *prov_lint_partition(size_t i)
{
    static const char *const partitions[POL_PARTITIONS] = { "aws", "aws-cn", "aws-us-gov" };

    return partitions[i];
}

static void add_span(struct lint_glob *g, struct prov_span s)
{
    for (size_t i = 0; i < s.n; i++)
        prov_lint_byte(g, s.p[i]);
}

void prov_lint_head(struct lint_glob *g, size_t partition, const struct prov_policy_scope *scope)
{
    prov_lint_str(g, "arn:");
    prov_lint_str(g, prov_lint_partition(partition));
    prov_lint_str(g, ":iot:");
    if (scope == NULL || scope->region.n == 0) {
        prov_lint_one(g, LINT_REGION);
        prov_lint_star(g, LINT_REGION);
    } else {
        add_span(g, scope->region);
    }
    prov_lint_byte(g, ':');
    /* an account id is 12 digits */
    for (size_t i = 0; i < 12 && (scope == NULL || scope->account_id.n == 0); i++)
        prov_lint_one(g, LINT_DIGIT);
    if (scope != NULL)
        add_span(g, scope->account_id);
    prov_lint_byte(g, ':');
}

bool prov_lint_can_name(const struct lint_glob *g, enum lint_kind kind,
                        const struct prov_policy_scope *scope, const struct lint_glob *name)
{
    struct lint_target t;

    for (size_t i = 0; i < POL_PARTITIONS; i++) {
        prov_lint_start(&t);
        prov_lint_head(&t.glob, i, scope);
        prov_lint_str(&t.glob, types[kind]);
        if (name == NULL)
            prov_lint_star(&t.glob, LINT_ANY);
        for (size_t k = 0; name != NULL && k < name->n; k++) {
            if (t.glob.n == LINT_MAX_SYMS)
                return true;
            t.glob.syms[t.glob.n++] = name->syms[k];
        }
        if (name != NULL && name->cut)
            return true;
        if (prov_lint_meet(g, &t.glob, false))
            return true;
    }
    return false;
}

void prov_lint_kinds(const struct lint *l, struct lint_resource *r)
{
    struct lint_target t;

    r->kinds = r->here = 0;
    for (unsigned k = 0; k < PROV_COUNT(types); k++) {
        if (!prov_lint_can_name(&r->glob, (enum lint_kind)k, NULL, NULL))
            continue;
        r->kinds |= LINT_BIT(k);
        if (prov_lint_can_name(&r->glob, (enum lint_kind)k, l->scope, NULL))
            r->here |= LINT_BIT(k);
    }
    prov_lint_start(&t);
    prov_lint_str(&t.glob, "arn:");
    prov_lint_star(&t.glob, LINT_NO_COLON);
    prov_lint_str(&t.glob, ":greengrass:");
    prov_lint_star(&t.glob, LINT_ANY);
    if (prov_lint_meet(&r->glob, &t.glob, false)) {
        r->kinds |= LINT_BIT(LINT_OTHER);
        r->here |= LINT_BIT(LINT_OTHER);
    }
}

size_t prov_lint_name(const struct lint_glob *g, enum lint_kind kind)
{
    const struct prov_span type = prov_span_str(types[kind]);
    size_t i = 0, colons = 0;

    for (; i < g->n && colons < POL_ARN_PARTS - 1; i++)
        colons += g->syms[i].kind == LINT_BYTE && g->syms[i].c == ':';
    if (g->cut || colons < POL_ARN_PARTS - 1 || g->n - i < type.n)
        return 0;
    for (size_t k = 0; k < type.n; k++) {
        if (g->syms[i + k].kind != LINT_BYTE || g->syms[i + k].c != type.p[k])
            return 0;
    }
    return i + type.n;
}
