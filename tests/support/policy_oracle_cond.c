/* Conditions (8.1, 8.5). What "IAM" says is in its guide under "IAM JSON policy elements: Condition
 * operators". */
#include <stdlib.h>

#include "support/policy_oracle_priv.h"

/* ---- operators ------------------------------------------------------------------------------- */

enum comparison { STRING, STRING_ANY_CASE, STRING_LIKE, NUMBER, DATE, BOOL, IP, ARN, IS_NULL };
enum order { LESS = 1, EQUAL = 2, GREATER = 4 };

static const struct {
    const char *name;
    enum comparison how;
    unsigned order; /* of numbers and dates: what holds */
    bool negated;
} operators[] = {
    { "StringEquals", STRING, 0, false },
    { "StringNotEquals", STRING, 0, true },
    { "StringEqualsIgnoreCase", STRING_ANY_CASE, 0, false },
    { "StringNotEqualsIgnoreCase", STRING_ANY_CASE, 0, true },
    { "StringLike", STRING_LIKE, 0, false },
    { "StringNotLike", STRING_LIKE, 0, true },
    { "NumericEquals", NUMBER, EQUAL, false },
    { "NumericNotEquals", NUMBER, EQUAL, true },
    { "NumericLessThan", NUMBER, LESS, false },
    { "NumericLessThanEquals", NUMBER, LESS | EQUAL, false },
    { "NumericGreaterThan", NUMBER, GREATER, false },
    { "NumericGreaterThanEquals", NUMBER, GREATER | EQUAL, false },
    { "DateEquals", DATE, EQUAL, false },
    { "DateNotEquals", DATE, EQUAL, true },
    { "DateLessThan", DATE, LESS, false },
    { "DateLessThanEquals", DATE, LESS | EQUAL, false },
    { "DateGreaterThan", DATE, GREATER, false },
    { "DateGreaterThanEquals", DATE, GREATER | EQUAL, false },
    { "Bool", BOOL, 0, false },
    { "IpAddress", IP, 0, false },
    { "NotIpAddress", IP, 0, true },
    { "ArnEquals", ARN, 0, false }, /* IAM: the same as ArnLike */
    { "ArnLike", ARN, 0, false },
    { "ArnNotEquals", ARN, 0, true },
    { "ArnNotLike", ARN, 0, true },
    { "Null", IS_NULL, 0, false },
};
_Static_assert(PROV_COUNT(operators) == ORACLE_OPERATORS, "an operator was added without counting");

const char *policy_oracle_operator(size_t i)
{
    return operators[i].name;
}

/* "ForAllValues:StringEqualsIfExists" taken apart. */
struct op {
    enum oracle_quantifier quantifier;
    size_t base; /* index in operators */
    bool if_exists;
};

static struct op operator_of(const char *text)
{
    struct op op = { .quantifier = ORACLE_PLAIN };
    size_t n;

    if (strncmp(text, "ForAllValues:", 13) == 0)
        op.quantifier = ORACLE_FOR_ALL;
    else if (strncmp(text, "ForAnyValue:", 12) == 0)
        op.quantifier = ORACLE_FOR_ANY;
    text += op.quantifier == ORACLE_FOR_ALL ? 13 : op.quantifier == ORACLE_FOR_ANY ? 12 : 0;
    n = strlen(text);
    op.if_exists = n > 8 && strcmp(text + n - 8, "IfExists") == 0;
    n -= op.if_exists ? 8 : 0;
    while (strlen(operators[op.base].name) != n || strncmp(operators[op.base].name, text, n) != 0)
        op.base++;
    return op;
}

static bool in_order(unsigned order, double a, double b)
{
    return (order & (a < b ? LESS : a > b ? GREATER : EQUAL)) != 0;
}

#define ARN_PARTS 6

/*
 * A value of a condition's list. IAM: "each of the six colon-delimited components of the ARN is
 * checked separately"; a value put in for a variable stays within its component.
 */
struct wanted_value {
    const cJSON *item; /* JSON has numbers and booleans, too */
    struct oracle_filled part[ARN_PARTS];
    size_t n_parts; /* 1 when it is not an ARN */
};

static bool number_of(const struct wanted_value *v, double *out)
{
    *out = v->item->valuedouble;
    return cJSON_IsNumber(v->item) || oracle_number(&v->part[0].text, out);
}

static bool date_of(const struct wanted_value *v, double *out)
{
    *out = (double)(int64_t)(v->item->valuedouble * 1000);
    return cJSON_IsNumber(v->item) || oracle_date(&v->part[0].text, out);
}

static bool bool_of(const struct wanted_value *v, bool *out)
{
    *out = cJSON_IsTrue(v->item);
    return cJSON_IsBool(v->item) || oracle_bool(&v->part[0].text, out);
}

static bool arn_is(const struct wanted_value *v, const struct oracle_text *its)
{
    for (unsigned i = 0; i < ARN_PARTS; i++) {
        struct oracle_text part;

        if (!oracle_arn_part(its, i, &part) || !oracle_matches(&v->part[i].text, &part, false))
            return false;
    }
    return true;
}

/* One value of the request against one of the policy; what is not of the operator's type differs.
 */
static bool compares(size_t base, const struct wanted_value *v, const struct oracle_text *its)
{
    double a, b;
    bool yes, is;

    switch (operators[base].how) {
    case STRING:
    case STRING_LIKE:
        return oracle_matches(&v->part[0].text, its, false);
    case STRING_ANY_CASE:
        return oracle_matches(&v->part[0].text, its, true);
    case NUMBER:
        return oracle_number(its, &a) && number_of(v, &b) && in_order(operators[base].order, a, b);
    case DATE:
        return oracle_date(its, &a) && date_of(v, &b) && in_order(operators[base].order, a, b);
    case BOOL:
        return oracle_bool(its, &is) && bool_of(v, &yes) && is == yes;
    case IP:
        return oracle_ip_in(&v->part[0].text, its);
    case ARN:
        return arn_is(v, its);
    case IS_NULL:
        break;
    }
    return false;
}

/* The end of an ARN's component in a policy's text: a colon that is not within ${…}. */
static size_t component_length(struct prov_span s)
{
    bool within = false;

    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == ':' && !within)
            return i;
        within = within ? s.p[i] != '}' : i + 1 < s.n && s.p[i] == '$' && s.p[i + 1] == '{';
    }
    return s.n;
}

static void fill_arn(const struct oracle_asking *a, struct prov_span s, struct wanted_value *v)
{
    const bool any = prov_span_eq_str(s, "*"); /* of each component */

    for (v->n_parts = 0; v->n_parts < ARN_PARTS; v->n_parts++) {
        const size_t n = any || v->n_parts + 1 == ARN_PARTS ? s.n : component_length(s);

        oracle_fill(&a->q, prov_span(s.p, n), a->variables, true, &v->part[v->n_parts]);
        if (n < s.n)
            s = prov_span(s.p + n + 1, s.n - n - 1);
    }
}

static void fill_value(const struct oracle_asking *a, size_t base, struct wanted_value *v)
{
    const struct prov_span s = prov_span_str(v->item->valuestring); /* empty for numbers */

    v->n_parts = 1;
    if (operators[base].how == ARN)
        fill_arn(a, s, v);
    else
        oracle_fill(&a->q, s, a->variables, operators[base].how == STRING_LIKE, &v->part[0]);
}

static uint64_t kinds_in(const struct wanted_value *v)
{
    uint64_t kinds = 0;

    for (size_t i = 0; i < v->n_parts; i++)
        kinds |= v->part[i].kinds;
    return kinds;
}

static bool is_resolved(const struct wanted_value *v)
{
    bool resolved = true;

    for (size_t i = 0; i < v->n_parts; i++)
        resolved = resolved && v->part[i].resolved;
    return resolved;
}

static void value_release(struct wanted_value *v)
{
    for (size_t i = 0; i < v->n_parts; i++)
        oracle_text_release(&v->part[i].text);
}

/* The policy's side of a condition: what remains of its list (policy.h). */
struct wanted {
    struct wanted_value *v;
    size_t n, of;
};

static struct wanted wanted_values(const struct oracle_asking *a, size_t base, const cJSON *list)
{
    const size_t most = cJSON_IsArray(list) ? (size_t)cJSON_GetArraySize(list) : 1;
    struct wanted w = { .v = oracle_alloc(most, sizeof *w.v) };

    for (const cJSON *i = oracle_first(list); i != NULL; i = oracle_next(list, i)) {
        struct wanted_value *const v = &w.v[w.n];

        v->item = i;
        fill_value(a, base, v);
        w.of++;
        if (is_resolved(v)) {
            w.n++;
        } else {
            oracle_note(a->seen->in_text, kinds_in(v), false);
            value_release(v);
        }
    }
    return w;
}

static void wanted_release(struct wanted *w)
{
    for (size_t i = 0; i < w->n; i++)
        value_release(&w->v[i]);
    free(w->v);
}

/*
 * The request's side: one value, in each way that it can be written. There is more than one for the
 * Will's topic, which is an ARN (8.5).
 */
static bool value_is(const struct oracle_asking *a, size_t base, const struct wanted_value *v,
                     const struct oracle_values *values, size_t which)
{
    const bool will = (values->kinds >> ORACLE_LAST_WILL_TOPIC & 1) != 0;
    bool equal = false;

    for (size_t i = 0; i < (will ? ORACLE_PARTITIONS : 1) && !equal; i++) {
        struct oracle_text its = { NULL, 0, 0 };

        if (will)
            oracle_arn(&a->q, i, "topic", values->v[which], &its);
        else
            oracle_text_add_span(&its, values->v[which]);
        equal = compares(base, v, &its);
        oracle_text_release(&its);
    }
    oracle_note(a->seen->in_text, kinds_in(v), equal);
    return equal;
}

/* IAM: a list is "or"; of a negated operator the whole of that is turned round, so "nor". */
static bool value_holds(const struct oracle_asking *a, size_t base, const struct wanted *w,
                        const struct oracle_values *values, size_t which)
{
    bool any = false;

    for (size_t i = 0; i < w->n; i++)
        any = value_is(a, base, &w->v[i], values, which) || any;
    return any != operators[base].negated;
}

/* IAM, "Null": "true" holds when the key is not there, "false" when it is. */
static bool null_holds(const struct wanted *w, bool present)
{
    for (size_t i = 0; i < w->n; i++) {
        bool absent;

        if (bool_of(&w->v[i], &absent) && absent == !present)
            return true;
    }
    return false;
}

/*
 * IAM: a key that is not there fails any plain operator but the negated ones, satisfies what is
 * IfExists and ForAllValues, and never ForAnyValue. Plain operators take several values of a key
 * as: any of them equal, or with negated ones none of them.
 */
static bool operator_holds(const struct oracle_asking *a, const struct op *op,
                           const struct wanted *w, const struct oracle_values *values)
{
    const bool negated = operators[op->base].negated;
    size_t holding = 0;

    if (operators[op->base].how == IS_NULL)
        return null_holds(w, values->n != 0);
    if (values->n == 0 && op->if_exists)
        return true;
    for (size_t i = 0; i < values->n; i++)
        holding += value_holds(a, op->base, w, values, i);
    if (op->quantifier == ORACLE_FOR_ANY || (op->quantifier == ORACLE_PLAIN && !negated))
        return holding > 0;
    return holding == values->n;
}

/*
 * A list of which nothing is left, and one of a negated operator of which anything is missing (less
 * would match more): the statement matches nothing (policy.h).
 */
static bool condition_holds(const struct oracle_asking *a, const char *operator_text,
                            const cJSON *pair)
{
    const struct op op = operator_of(operator_text);
    struct wanted w = wanted_values(a, op.base, pair);
    struct oracle_values values;
    bool holds = false;

    oracle_look_up(&a->q, prov_span_str(pair->string), &values);
    if (w.n == w.of || (w.n != 0 && !operators[op.base].negated))
        holds = operator_holds(a, &op, &w, &values);
    a->seen->operators[op.quantifier][op.base][holds]++;
    if (op.if_exists)
        a->seen->if_exists[op.base][holds]++;
    oracle_note(a->seen->as_key, values.kinds, holds);
    wanted_release(&w);
    return holds;
}

/* IAM: all operators and all keys must hold. */
bool oracle_conditions_hold(const struct oracle_asking *a, const cJSON *statement)
{
    const cJSON *const block = oracle_member(statement, "Condition");

    if (block == NULL)
        return true;
    for (const cJSON *op = block->child; op != NULL; op = op->next) {
        for (const cJSON *pair = op->child; pair != NULL; pair = pair->next) {
            if (!condition_holds(a, op->string, pair))
                return false;
        }
    }
    return true;
}
