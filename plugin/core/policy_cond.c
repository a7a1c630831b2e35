#include "policy_priv.h"

static const struct pol_op ops[] = {
    { "StringEquals", POL_STRING, POL_EQ, 0 },
    { "StringNotEquals", POL_STRING, POL_EQ, POL_NEGATED },
    { "StringEqualsIgnoreCase", POL_STRING, POL_EQ, POL_FOLD },
    { "StringNotEqualsIgnoreCase", POL_STRING, POL_EQ, POL_NEGATED | POL_FOLD },
    { "StringLike", POL_STRING, POL_EQ, POL_WILD },
    { "StringNotLike", POL_STRING, POL_EQ, POL_NEGATED | POL_WILD },
    { "ArnEquals", POL_ARN, POL_EQ, POL_WILD }, /* IAM: the same as ArnLike */
    { "ArnLike", POL_ARN, POL_EQ, POL_WILD },
    { "ArnNotEquals", POL_ARN, POL_EQ, POL_NEGATED | POL_WILD },
    { "ArnNotLike", POL_ARN, POL_EQ, POL_NEGATED | POL_WILD },
    { "NumericEquals", POL_NUMBER, POL_EQ, 0 },
    { "NumericNotEquals", POL_NUMBER, POL_EQ, POL_NEGATED },
    { "NumericLessThan", POL_NUMBER, POL_LT, 0 },
    { "NumericLessThanEquals", POL_NUMBER, POL_LE, 0 },
    { "NumericGreaterThan", POL_NUMBER, POL_GT, 0 },
    { "NumericGreaterThanEquals", POL_NUMBER, POL_GE, 0 },
    { "DateEquals", POL_DATE, POL_EQ, 0 },
    { "DateNotEquals", POL_DATE, POL_EQ, POL_NEGATED },
    { "DateLessThan", POL_DATE, POL_LT, 0 },
    { "DateLessThanEquals", POL_DATE, POL_LE, 0 },
    { "DateGreaterThan", POL_DATE, POL_GT, 0 },
    { "DateGreaterThanEquals", POL_DATE, POL_GE, 0 },
    { "Bool", POL_BOOL, POL_EQ, 0 },
    { "IpAddress", POL_IP, POL_EQ, 0 },
    { "NotIpAddress", POL_IP, POL_EQ, POL_NEGATED },
    { "Null", POL_NULL, POL_EQ, 0 },
};

static bool is_negated(const struct pol_cond *c)
{
    return (c->op->marks & POL_NEGATED) != 0;
}

/* ---- reading --------------------------------------------------------------------------------- */

static const struct pol_op *find_op(struct prov_span name)
{
    for (size_t i = 0; i < PROV_COUNT(ops); i++) {
        if (prov_span_eq_str(name, ops[i].name))
            return &ops[i];
    }
    return NULL;
}

static bool cut_prefix(struct prov_span *s, struct prov_span prefix)
{
    if (!prov_span_starts(*s, prefix))
        return false;
    *s = prov_span(s->p + prefix.n, s->n - prefix.n);
    return true;
}

static bool cut_suffix(struct prov_span *s, struct prov_span suffix)
{
    if (s->n < suffix.n || !prov_span_eq(prov_span(s->p + s->n - suffix.n, suffix.n), suffix))
        return false;
    s->n -= suffix.n;
    return true;
}

/* "ForAnyValue:StringLikeIfExists" and its like. */
static enum prov_rc operator_parse(struct pol_src *src, const struct prov_json_path *at,
                                   struct pol_cond *out)
{
    const struct prov_span whole = prov_span(at->key, strlen(at->key));
    struct prov_span name = whole;

    if (cut_prefix(&name, PROV_LIT("ForAllValues:")))
        out->quant = POL_FOR_ALL;
    else if (cut_prefix(&name, PROV_LIT("ForAnyValue:")))
        out->quant = POL_FOR_ANY;
    out->if_exists = cut_suffix(&name, PROV_LIT("IfExists"));
    out->op = find_op(name);
    if (out->op == NULL)
        return POL_BAD(src, at, "there is no condition operator \"%s\"", prov_pol_show(whole).s);
    if (out->op->type == POL_NULL && name.n != whole.n)
        return POL_BAD(src, at, "\"Null\" takes neither ForAllValues, ForAnyValue nor IfExists");
    return PROV_OK;
}

/* Where the next of an ARN's first five parts ends: a colon that is not within a variable. */
static size_t arn_part_length(struct prov_span s)
{
    const uint8_t *close;

    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == ':')
            return i;
        if (s.p[i] != '$' || i + 1 == s.n || s.p[i + 1] != '{')
            continue;
        close = memchr(s.p + i, '}', s.n - i);
        if (close == NULL)
            return s.n;
        i = (size_t)(close - s.p);
    }
    return s.n;
}

static enum prov_rc arn_parse(struct pol_src *src, const struct prov_json_path *at,
                              struct prov_span s, struct pol_value *out)
{
    const bool any = prov_span_eq_str(s, "*");
    enum prov_rc rc = PROV_OK;
    size_t n;

    if (!any && !prov_span_starts(s, PROV_LIT("arn:")))
        return POL_BAD(src, at, "\"%s\" is neither an ARN nor \"*\"", prov_pol_show(s).s);
    for (size_t i = 0; rc == PROV_OK && i < POL_ARN_PARTS; i++) {
        n = i + 1 < POL_ARN_PARTS && !any ? arn_part_length(s) : s.n;
        if (i + 1 < POL_ARN_PARTS && !any && n == s.n)
            return POL_BAD(src, at, "an ARN has six parts with colons between them");
        rc = prov_pol_pat_parse(src, at, prov_span(s.p, n), true, &out->part[i]);
        if (i + 1 < POL_ARN_PARTS && !any)
            s = prov_span(s.p + n + 1, s.n - n - 1);
    }
    return rc;
}

#define EPOCH_MAX_S 1e12

/* A JSON number or true/false where the type allows them without quotes. */
static bool bare_value(const struct pol_op *op, const cJSON *json, struct pol_value *out)
{
    if (op->type == POL_NUMBER && cJSON_IsNumber(json)) {
        out->number = json->valuedouble;
        return true;
    }
    if (op->type == POL_DATE && cJSON_IsNumber(json) && json->valuedouble >= 0 &&
        json->valuedouble < EPOCH_MAX_S) {
        out->date_ms = (int64_t)(json->valuedouble * 1000);
        return true;
    }
    if ((op->type == POL_BOOL || op->type == POL_NULL) && cJSON_IsBool(json)) {
        out->yes = cJSON_IsTrue(json) != 0;
        return true;
    }
    return false;
}

static enum prov_rc value_parse(struct pol_src *src, const struct prov_json_path *at,
                                const struct pol_op *op, const cJSON *json, struct pol_value *out)
{
    static const char *const wanted[] = {
        [POL_STRING] = "a string",
        [POL_ARN] = "an ARN",
        [POL_NUMBER] = "a number of at most 15 digits",
        [POL_DATE] = "a date such as 2024-02-29T12:00:00Z or seconds since 1970",
        [POL_BOOL] = "\"true\" or \"false\"",
        [POL_IP] = "an address such as 203.0.113.0/24 or 2001:db8::/32",
        [POL_NULL] = "\"true\" or \"false\"",
    };
    struct prov_span s;

    if (bare_value(op, json, out))
        return PROV_OK;
    if (cJSON_IsString(json)) {
        s = prov_span_str(json->valuestring);
        if (op->type == POL_STRING)
            return prov_pol_pat_parse(src, at, s, (op->marks & POL_WILD) != 0, &out->text);
        if (op->type == POL_ARN)
            return arn_parse(src, at, s, out);
        if ((op->type == POL_NUMBER && prov_pol_number(s, &out->number)) ||
            (op->type == POL_DATE && prov_pol_date(s, &out->date_ms)) ||
            (op->type == POL_IP && prov_pol_net(s, &out->net)) ||
            ((op->type == POL_BOOL || op->type == POL_NULL) && prov_pol_bool(s, &out->yes)))
            return PROV_OK;
    }
    return POL_BAD(src, at, "%s needs %s", op->name, wanted[op->type]);
}

static enum prov_rc values_parse(struct pol_src *src, const struct prov_json_path *at,
                                 const cJSON *json, struct pol_cond *out)
{
    const size_t n = prov_pol_count(json);
    struct pol_value *const values = prov_pol_alloc(&src->doc->arena, n, sizeof *values);
    const cJSON *v = prov_pol_first(json);
    struct prov_json_path step;
    enum prov_rc rc = PROV_OK;

    if (values == NULL)
        return prov_nomem(src->err);
    for (size_t i = 0; rc == PROV_OK && v != NULL; i++, v = prov_pol_next(json, v))
        rc = value_parse(src, prov_pol_at(json, at, i, &step), out->op, v, &values[i]);
    out->values = values;
    out->n_values = n;
    return rc;
}

static enum prov_rc key_parse(struct pol_src *src, const struct prov_json_path *at,
                              struct pol_cond *out)
{
    const struct prov_span key = prov_span_str(at->key);
    struct pol_var var;

    if (!prov_pol_var_parse(key, &var))
        return POL_BAD(src, at, "there is no condition key \"%s\"", prov_pol_show(key).s);
    var.key = true;
    out->of_request = prov_pol_var_of_request(&var);
    if (!prov_pol_var_index(src->doc, &var, &out->var) ||
        !prov_pol_keep(&src->doc->arena, key, &out->key))
        return prov_nomem(src->err);
    return PROV_OK;
}

static size_t count_keys(const cJSON *block)
{
    size_t n = 0;

    for (const cJSON *op = block->child; op != NULL; op = op->next)
        n += cJSON_IsObject(op) ? (size_t)cJSON_GetArraySize(op) : 0;
    return n;
}

static enum prov_rc operator_block_parse(struct pol_src *src, const struct prov_json_path *at,
                                         const cJSON *block, struct pol_cond *out, size_t *n)
{
    struct pol_cond cond = { 0 };
    struct prov_json_path step = { .up = at };
    enum prov_rc rc = operator_parse(src, at, &cond);

    if (rc == PROV_OK && !cJSON_IsObject(block))
        return POL_BAD(src, at, "a condition operator holds an object of keys and values");
    for (const cJSON *key = block->child; rc == PROV_OK && key != NULL; key = key->next) {
        step.key = key->string;
        out[*n] = cond;
        rc = key_parse(src, &step, &out[*n]);
        if (rc == PROV_OK)
            rc = values_parse(src, &step, key, &out[*n]);
        (*n)++;
    }
    return rc;
}

enum prov_rc prov_pol_cond_parse(struct pol_src *src, const struct prov_json_path *at,
                                 const cJSON *block, struct pol_stmt *out)
{
    struct prov_json_path step = { .up = at };
    struct pol_cond *conds;
    enum prov_rc rc = PROV_OK;

    if (!cJSON_IsObject(block))
        return POL_BAD(src, at, "Condition is an object of operators");
    conds = prov_pol_alloc(&src->doc->arena, count_keys(block), sizeof *conds);
    if (conds == NULL)
        return prov_nomem(src->err);
    out->conds = conds;
    for (const cJSON *op = block->child; rc == PROV_OK && op != NULL; op = op->next) {
        step.key = op->string;
        rc = operator_block_parse(src, &step, op, conds, &out->n_conds);
    }
    return rc;
}

/* ---- evaluating ------------------------------------------------------------------------------ */

static bool numbers_compare(enum pol_cmp cmp, double a, double b)
{
    switch (cmp) {
    case POL_EQ:
        return !(a < b) && !(a > b);
    case POL_LT:
        return a < b;
    case POL_LE:
        return a <= b;
    case POL_GT:
        return a > b;
    case POL_GE:
        return a >= b;
    }
    return false;
}

/* Cuts what stands before the next colon off an ARN; all that is left for the last part. */
static bool arn_cut(struct pol_text *arn, bool last, struct pol_text *part)
{
    struct prov_span *const piece = arn->head.n != 0 ? &arn->head : &arn->tail;
    const uint8_t *const colon = piece->n == 0 ? NULL : memchr(piece->p, ':', piece->n);
    size_t n;

    *part = *arn;
    if (last)
        return true;
    if (colon == NULL)
        return false;
    n = (size_t)(colon - piece->p);
    *part = (struct pol_text){ .tail = prov_span(piece->p, n) };
    *piece = prov_span(colon + 1, piece->n - n - 1);
    return true;
}

static bool arn_hit(const struct pol_eval *e, const struct pol_value *v, struct pol_text arn)
{
    struct pol_text part;

    for (size_t i = 0; i < POL_ARN_PARTS; i++) {
        if (!arn_cut(&arn, i + 1 == POL_ARN_PARTS, &part) ||
            prov_pol_match(e, &v->part[i], &part, false) != POL_HIT)
            return false;
    }
    return true;
}

static bool value_hit(const struct pol_eval *e, const struct pol_op *op, const struct pol_value *v,
                      const struct pol_text *given)
{
    const struct prov_span s = given->tail;
    double number;
    int64_t date_ms;
    bool yes;

    if (op->type == POL_STRING)
        return prov_pol_match(e, &v->text, given, (op->marks & POL_FOLD) != 0) == POL_HIT;
    if (op->type == POL_ARN)
        return arn_hit(e, v, *given);
    if (given->head.n != 0)
        return false; /* an ARN */
    if (op->type == POL_NUMBER)
        return prov_pol_number(s, &number) && numbers_compare(op->cmp, number, v->number);
    if (op->type == POL_DATE) /* milliseconds of any date stay exact in a double */
        return prov_pol_date(s, &date_ms) &&
               numbers_compare(op->cmp, (double)date_ms, (double)v->date_ms);
    if (op->type == POL_BOOL)
        return prov_pol_bool(s, &yes) && yes == v->yes;
    return op->type == POL_IP && prov_pol_net_has(&v->net, s);
}

static bool any_value_hits(const struct pol_eval *e, const struct pol_cond *c,
                           const struct pol_text *given)
{
    for (size_t i = 0; i < c->n_values; i++) {
        if (value_hit(e, c->op, &c->values[i], given))
            return true;
    }
    return false;
}

/* The Will's topic is compared as an ARN, and that of any partition will do. */
static bool given_hits(const struct pol_eval *e, const struct pol_cond *c, struct prov_span given)
{
    struct pol_text text = { .tail = given };

    if (prov_pol_var_of(e, c->var)->kind != POL_LAST_WILL)
        return any_value_hits(e, c, &text);
    for (size_t i = 0; i < POL_PARTITIONS; i++) {
        text.head = e->pol->set->heads[POL_TOPIC][i];
        if (any_value_hits(e, c, &text))
            return true;
    }
    return false;
}

/* What the key holds at CONNECT; nothing for any other action (reference 8.5). */
static size_t request_values(const struct prov_policy_request *req, enum pol_var_kind kind,
                             struct prov_span out[static 2])
{
    size_t n = 0;

    if (req->action != PROV_ACT_CONNECT)
        return 0;
    if (kind == POL_LAST_WILL) {
        out[0] = req->will_topic;
        return req->has_will;
    }
    if (req->persistent)
        out[n++] = PROV_LIT("PersistentConnect");
    if (req->has_will)
        out[n++] = PROV_LIT("LastWill");
    return n;
}

static size_t given_values(const struct pol_eval *e, const struct pol_cond *c,
                           struct prov_span out[static POL_MAX_GIVEN])
{
    struct pol_slot list, item;

    if (c->of_request)
        return request_values(e->req, prov_pol_var_of(e, c->var)->kind, out);
    list = e->pol->slots[e->stmt->slots[c->var]];
    for (size_t i = 0; i < list.n; i++) {
        memcpy(&item, (const uint8_t *)e->pol + list.off + i * sizeof item, sizeof item);
        out[i] = prov_pol_bytes(e->pol, item);
    }
    return list.n;
}

/* IAM: a key without value meets IfExists, ForAllValues and what is negated. */
static bool absent_holds(const struct pol_cond *c)
{
    if (c->if_exists || c->quant == POL_FOR_ALL)
        return true;
    return c->quant == POL_ONE && is_negated(c);
}

static bool null_holds(const struct pol_cond *c, size_t n_given)
{
    for (size_t i = 0; i < c->n_values; i++) {
        if (c->values[i].yes == (n_given == 0))
            return true;
    }
    return false;
}

/* Without ForAllValues or ForAnyValue a list meets a positive operator with any value, and a
 * negated one with all. */
static bool cond_holds(const struct pol_eval *e, const struct pol_cond *c)
{
    const bool all = c->quant == POL_FOR_ALL || (c->quant == POL_ONE && is_negated(c));
    struct prov_span given[POL_MAX_GIVEN];
    const size_t n = given_values(e, c, given);

    if (c->op->type == POL_NULL)
        return null_holds(c, n);
    if (n == 0)
        return absent_holds(c);
    for (size_t i = 0; i < n; i++) {
        if ((given_hits(e, c, given[i]) != is_negated(c)) != all)
            return !all;
    }
    return all;
}

static const struct pol_var *value_unresolved(const struct pol_eval *e, const struct pol_op *op,
                                              const struct pol_value *v)
{
    const struct pol_var *var = NULL;

    if (op->type == POL_STRING)
        return prov_pol_unresolved(e, &v->text);
    for (size_t i = 0; op->type == POL_ARN && var == NULL && i < POL_ARN_PARTS; i++)
        var = prov_pol_unresolved(e, &v->part[i]);
    return var;
}

/*
 * A value with a variable that has no value is as if it were not in the list. If that leaves
 * nothing to compare with, or if the operator is negated, so that less in the list means more that
 * meets it, the statement cannot match (reference 8.6): this is the variable.
 */
static const struct pol_var *cond_unresolved(const struct pol_eval *e, const struct pol_cond *c)
{
    const struct pol_var *var, *last = NULL;
    size_t n = 0;

    for (size_t i = 0; i < c->n_values; i++) {
        var = value_unresolved(e, c->op, &c->values[i]);
        if (var == NULL)
            continue;
        last = var;
        n++;
    }
    return n != 0 && (is_negated(c) || n == c->n_values) ? last : NULL;
}

enum prov_policy_match prov_pol_conds(const struct pol_eval *e, bool of_request,
                                      struct prov_span *why)
{
    const struct pol_stmt *const stmt = e->stmt->stmt;
    const struct pol_var *var;

    for (size_t i = 0; i < stmt->n_conds; i++) {
        if (stmt->conds[i].of_request != of_request)
            continue;
        var = cond_unresolved(e, &stmt->conds[i]);
        *why = var != NULL ? var->text : stmt->conds[i].key;
        if (var != NULL)
            return PROV_MISS_VARIABLE;
        if (!cond_holds(e, &stmt->conds[i]))
            return PROV_MISS_CONDITION;
    }
    *why = prov_span(NULL, 0);
    return PROV_MATCHED;
}
