#include "template_priv.h"

#include <stdio.h>

#include "limits.h"

/* ---- strings --------------------------------------------------------------------------------- */

static void give_string(struct prov_tpl_value *out, struct prov_span s)
{
    *out = (struct prov_tpl_value){ .s = s };
}

static void give_open(struct prov_tpl_value *out)
{
    *out = (struct prov_tpl_value){ .open = true };
}

/* The parts with delim between them. */
static enum prov_rc concat(struct prov_tpl_eval *ev, const struct prov_span *parts, size_t n,
                           struct prov_span delim, const struct prov_json_path *at,
                           struct prov_tpl_value *out)
{
    size_t total = n > 1 ? (n - 1) * delim.n : 0;
    uint8_t *text, *p;

    for (size_t i = 0; i < n; i++)
        total += parts[i].n;
    p = text = prov_tpl_alloc(ev->scratch, total, 1);
    if (text == NULL)
        return prov_tpl_arena_fail(ev, ev->scratch, at);
    for (size_t i = 0; i < n; i++) {
        if (i != 0 && delim.n != 0) {
            memcpy(p, delim.p, delim.n);
            p += delim.n;
        }
        if (parts[i].n != 0)
            memcpy(p, parts[i].p, parts[i].n);
        p += parts[i].n;
    }
    give_string(out, prov_span(text, total));
    return PROV_OK;
}

/* ---- parameters ------------------------------------------------------------------------------ */

static const struct prov_param *given(const struct prov_tpl_eval *ev, struct prov_span name)
{
    for (size_t i = ev->params.n; i > 0; i--) {
        if (prov_span_eq(ev->params.v[i - 1].name, name))
            return &ev->params.v[i - 1];
    }
    return NULL;
}

/* A name may come out of the middle of an Fn::Sub text, without a NUL behind it. */
static const cJSON *declared(const struct prov_template *tpl, struct prov_span name)
{
    const cJSON *m;

    cJSON_ArrayForEach(m, tpl->params)
    {
        if (prov_span_eq_str(name, m->string))
            return m;
    }
    return NULL;
}

static bool means_more_in_a_policy(struct prov_span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < ' ' || strchr("*?$\"\\", s.p[i]) != NULL)
            return true;
    }
    return false;
}

static enum prov_rc check_given(const struct prov_tpl_eval *ev, const struct prov_param *p,
                                const struct prov_json_path *at)
{
    char name[PROV_TPL_SHOWN], value[PROV_TPL_SHOWN];

    prov_tpl_show(p->name, name);
    if (p->value.n > PROV_MAX_PARAM_VALUE)
        return prov_tpl_fail(ev->tpl, ev->err, at,
                             "parameter \"%s\" has a value of %zu bytes; %d are allowed", name,
                             p->value.n, PROV_MAX_PARAM_VALUE);
    prov_tpl_show(p->value, value);
    if (!prov_utf8_valid(p->value) ||
        (p->value.n != 0 && memchr(p->value.p, '\0', p->value.n) != NULL))
        return prov_tpl_fail(ev->tpl, ev->err, at,
                             "parameter \"%s\" has the value \"%s\", which is not text", name,
                             value);
    if (ev->in_document && means_more_in_a_policy(p->value))
        return prov_tpl_fail(ev->tpl, ev->err, at,
                             "parameter \"%s\" has the value \"%s\"; control characters and "
                             "* ? $ \" \\ may not enter a policy document",
                             name, value);
    return PROV_OK;
}

enum prov_rc prov_tpl_param(struct prov_tpl_eval *ev, struct prov_span name,
                            const struct prov_json_path *at, struct prov_tpl_value *out)
{
    const struct prov_param *p = given(ev, name);
    char shown[PROV_TPL_SHOWN];
    const cJSON *def;

    if (ev->open) {
        give_open(out);
        return PROV_OK;
    }
    if (p != NULL) {
        give_string(out, p->value.n == 0 ? PROV_LIT("") : p->value);
        return check_given(ev, p, at);
    }
    def = prov_tpl_get(declared(ev->tpl, name), "Default");
    if (def == NULL)
        return prov_tpl_fail(ev->tpl, ev->err, at,
                             "the %s gives no value for parameter \"%s\", which has no Default",
                             ev->tpl->type == PROV_TEMPLATE_JITP ? "certificate" : "request",
                             prov_tpl_show(name, shown));
    give_string(out, prov_span_str(def->valuestring));
    return PROV_OK;
}

/* ---- functions ------------------------------------------------------------------------------- */

static enum prov_rc eval_join(struct prov_tpl_eval *ev, const struct prov_tpl_value *args,
                              const struct prov_json_path *at, struct prov_tpl_value *out)
{
    if (args[0].open || args[1].open) {
        give_open(out);
        return PROV_OK;
    }
    return concat(ev, args[1].v, args[1].n, args[0].s, at, out);
}

/* Digits only: "1", not "+1" or " 1". Too many of them are out of any list's range. */
static bool parse_index(struct prov_span s, size_t *out)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        n = n > PROV_TPL_ARENA_MAX ? n : n * 10 + (size_t)(s.p[i] - '0');
    }
    *out = n;
    return s.n != 0;
}

/* The length of a list written out is known, even where its elements are not. */
static enum prov_rc eval_select(struct prov_tpl_eval *ev, const struct prov_tpl_value *args,
                                const struct prov_json_path *at, struct prov_tpl_value *out)
{
    const struct prov_json_path here = { .up = at };
    char shown[PROV_TPL_SHOWN];
    size_t i;

    if (args[0].open || !args[1].is_list) {
        give_open(out);
        return PROV_OK;
    }
    if (!parse_index(args[0].s, &i))
        return prov_tpl_fail(ev->tpl, ev->err, &here, "\"%s\" is not an index",
                             prov_tpl_show(args[0].s, shown));
    if (i >= args[1].n)
        return prov_tpl_fail(ev->tpl, ev->err, &here,
                             "index %s is beyond a list of %zu; the first is 0",
                             prov_tpl_show(args[0].s, shown), args[1].n);
    give_string(out, args[1].v[i]);
    out->open = args[1].open;
    return PROV_OK;
}

/* One level of Mappings; NULL with err filled when it has no such key. */
static const cJSON *find_level(const struct prov_tpl_eval *ev, const cJSON *level,
                               struct prov_span key, const struct prov_json_path *at)
{
    static const char *const lacks[] = { "Mappings has no map", "that map has no key",
                                         "there is no second key" };
    char shown[PROV_TPL_SHOWN], keys[PROV_TPL_KEYS];
    struct prov_near near = { .word = key };
    const cJSON *m;

    cJSON_ArrayForEach(m, level)
    {
        if (prov_span_eq_str(key, m->string))
            return m;
        prov_near_try(&near, m->string);
    }
    if (near.close)
        prov_tpl_show(prov_span_str(near.best), keys);
    else
        prov_tpl_list_keys(level, keys);
    (void)prov_tpl_fail(ev->tpl, ev->err, at,
                        near.close ? "%s \"%s\"; did you mean \"%s\"?" : "%s \"%s\"; there are: %s",
                        lacks[at->index], prov_tpl_show(key, shown), keys);
    return NULL;
}

static enum prov_rc give_list(struct prov_tpl_eval *ev, size_t n, struct prov_span **v,
                              const struct prov_json_path *at, struct prov_tpl_value *out)
{
    *v = prov_tpl_alloc(ev->scratch, n, sizeof **v);
    if (*v == NULL)
        return prov_tpl_arena_fail(ev, ev->scratch, at);
    *out = (struct prov_tpl_value){ .v = *v, .n = n, .is_list = true };
    return PROV_OK;
}

/* Stops at the first key that is open: what is before it is checked also without parameters. */
static enum prov_rc eval_find(struct prov_tpl_eval *ev, const struct prov_tpl_value *args,
                              const struct prov_json_path *at, struct prov_tpl_value *out)
{
    const cJSON *level = ev->tpl->mappings, *section = prov_tpl_get(ev->tpl->tree, "Mappings");
    const bool known = section == NULL || prov_tpl_sound(ev->report, section);

    for (size_t i = 0; i < 3; i++) {
        const struct prov_json_path here = { .up = at, .index = i };

        if (args[i].open || !known) {
            give_open(out);
            return PROV_OK;
        }
        level = find_level(ev, level, args[i].s, &here);
        if (level == NULL)
            return PROV_EINVAL;
    }
    return prov_tpl_value(ev, level, at, PROV_TPL_ANY, out);
}

static enum prov_rc eval_split(struct prov_tpl_eval *ev, const struct prov_tpl_value *args,
                               const struct prov_json_path *at, struct prov_tpl_value *out)
{
    const struct prov_json_path here = { .up = at };
    const struct prov_span delim = args[0].s;
    struct prov_span left = args[1].s, *v;
    const uint8_t *hit;
    enum prov_rc rc;
    size_t n = 1;

    if (!args[0].open && delim.n == 0)
        return prov_tpl_fail(ev->tpl, ev->err, &here, "the delimiter is empty");
    if (args[0].open || args[1].open) {
        give_open(out);
        return PROV_OK;
    }
    while ((hit = left.n == 0 ? NULL : memmem(left.p, left.n, delim.p, delim.n)) != NULL) {
        left = prov_span(hit + delim.n, left.n - (size_t)(hit - left.p) - delim.n);
        n++;
    }
    rc = give_list(ev, n, &v, at, out);
    left = args[1].s;
    for (size_t i = 0; rc == PROV_OK && i < n; i++) {
        hit = i + 1 == n ? left.p + left.n : memmem(left.p, left.n, delim.p, delim.n);
        v[i] = prov_span(left.p, (size_t)(hit - left.p));
        if (i + 1 < n)
            left = prov_span(hit + delim.n, left.n - v[i].n - delim.n);
    }
    return rc;
}

static enum prov_rc eval_args(struct prov_tpl_eval *ev, enum prov_tpl_fn fn, const cJSON *args,
                              const struct prov_json_path *at, struct prov_tpl_value *out)
{
    static enum prov_rc (*const calls[])(
        struct prov_tpl_eval * ev, const struct prov_tpl_value *args,
        const struct prov_json_path *at, struct prov_tpl_value *out) = {
        [PROV_TPL_JOIN] = eval_join,
        [PROV_TPL_SELECT] = eval_select,
        [PROV_TPL_FIND_IN_MAP] = eval_find,
        [PROV_TPL_SPLIT] = eval_split,
    };
    struct prov_json_path here = { .up = at };
    struct prov_tpl_value v[PROV_TPL_MAX_ARGS];
    const cJSON *arg;
    enum prov_rc rc;

    cJSON_ArrayForEach(arg, args)
    {
        const enum prov_tpl_type want = prov_tpl_fn_arg(fn, here.index);

        rc = prov_tpl_value(ev, arg, &here, want, &v[here.index]);
        if (rc != PROV_OK)
            return rc;
        here.index++;
    }
    return calls[fn](ev, v, at, out);
}

/* The variables of an Fn::Sub, each evaluated once, in the order of map; NULL on failure. */
static struct prov_tpl_value *eval_variables(struct prov_tpl_eval *ev, const cJSON *map,
                                             const struct prov_json_path *at, enum prov_rc *rc)
{
    struct prov_json_path here = { .up = at };
    struct prov_tpl_value *values, *v;
    const cJSON *m;

    v = values = prov_tpl_alloc(ev->scratch, (size_t)cJSON_GetArraySize(map), sizeof *values);
    *rc = v == NULL ? prov_tpl_arena_fail(ev, ev->scratch, at) : PROV_OK;
    cJSON_ArrayForEach(m, map)
    {
        here.key = m->string;
        if (*rc == PROV_OK)
            *rc = prov_tpl_value(ev, m, &here, PROV_TPL_STRING, v++);
    }
    return *rc == PROV_OK ? values : NULL;
}

static enum prov_rc eval_variable(struct prov_tpl_eval *ev, const cJSON *map,
                                  const struct prov_tpl_value *variables, struct prov_span name,
                                  const struct prov_json_path *at, struct prov_tpl_value *out)
{
    const cJSON *m;

    cJSON_ArrayForEach(m, map)
    {
        if (prov_span_eq_str(name, m->string)) {
            *out = *variables;
            return PROV_OK;
        }
        variables++;
    }
    return prov_tpl_param(ev, name, at, out);
}

static size_t count_pieces(struct prov_span text)
{
    struct prov_span piece;
    size_t n = 0;

    while (prov_tpl_sub_next(&text, &piece) != PROV_TPL_END)
        n++;
    return n;
}

static enum prov_rc eval_sub(struct prov_tpl_eval *ev, const cJSON *arg,
                             const struct prov_json_path *at, struct prov_tpl_value *out)
{
    const struct prov_json_path first = { .up = at }, second = { .up = at, .index = 1 };
    const cJSON *text = cJSON_IsArray(arg) ? arg->child : arg;
    const cJSON *map = cJSON_IsArray(arg) ? text->next : NULL;
    struct prov_span left = prov_span_str(text->valuestring), piece, *parts;
    struct prov_tpl_value *variables, v;
    enum prov_tpl_piece kind;
    enum prov_rc rc;
    bool open = false;
    size_t n = 0;

    variables = eval_variables(ev, map, &second, &rc);
    if (variables == NULL)
        return rc;
    parts = prov_tpl_alloc(ev->scratch, count_pieces(left), sizeof *parts);
    if (parts == NULL)
        return prov_tpl_arena_fail(ev, ev->scratch, at);
    while ((kind = prov_tpl_sub_next(&left, &piece)) != PROV_TPL_END) {
        give_string(&v, piece);
        if (kind == PROV_TPL_NAME)
            rc = eval_variable(ev, map, variables, piece, map == NULL ? at : &first, &v);
        if (rc != PROV_OK)
            return rc;
        open = open || v.open;
        parts[n++] = v.s;
    }
    if (open) {
        give_open(out);
        return PROV_OK;
    }
    return concat(ev, parts, n, prov_span(NULL, 0), at, out);
}

/* ---- values ---------------------------------------------------------------------------------- */

static enum prov_rc eval_list(struct prov_tpl_eval *ev, const cJSON *list,
                              const struct prov_json_path *at, struct prov_tpl_value *out)
{
    struct prov_json_path here = { .up = at };
    struct prov_tpl_value element = { .is_list = false };
    struct prov_span *v;
    enum prov_rc rc;
    const cJSON *m;

    rc = give_list(ev, (size_t)cJSON_GetArraySize(list), &v, at, out);
    cJSON_ArrayForEach(m, list)
    {
        if (rc == PROV_OK)
            rc = prov_tpl_value(ev, m, &here, PROV_TPL_STRING, &element);
        if (rc != PROV_OK)
            return rc;
        v[here.index++] = element.s;
        out->open = out->open || element.open;
    }
    return rc;
}

static enum prov_rc eval_index(struct prov_tpl_eval *ev, const cJSON *number,
                               const struct prov_json_path *at, struct prov_tpl_value *out)
{
    char *digits = prov_tpl_alloc(ev->scratch, 16, 1);

    if (digits == NULL)
        return prov_tpl_arena_fail(ev, ev->scratch, at);
    (void)snprintf(digits, 16, "%d", number->valueint);
    give_string(out, prov_span_str(digits));
    return PROV_OK;
}

static enum prov_rc eval_fn(struct prov_tpl_eval *ev, const cJSON *member, enum prov_tpl_fn fn,
                            const struct prov_json_path *at, struct prov_tpl_value *out)
{
    const struct prov_json_path here = { .up = at, .key = member->string };

    if (fn == PROV_TPL_REF)
        return prov_tpl_param(ev, prov_span_str(member->valuestring), &here, out);
    if (fn == PROV_TPL_SUB)
        return eval_sub(ev, member, &here, out);
    return eval_args(ev, fn, member, &here, out);
}

enum prov_rc prov_tpl_value(struct prov_tpl_eval *ev, const cJSON *value,
                            const struct prov_json_path *at, enum prov_tpl_type want,
                            struct prov_tpl_value *out)
{
    const enum prov_tpl_fn fn = prov_tpl_fn_of(value);
    enum prov_rc rc;

    if (cJSON_IsString(value)) {
        give_string(out, prov_span_str(value->valuestring));
        return PROV_OK;
    }
    if (cJSON_IsNumber(value))
        return eval_index(ev, value, at, out);
    if (cJSON_IsArray(value))
        return eval_list(ev, value, at, out);
    rc = eval_fn(ev, value->child, fn, at, out);
    if (rc != PROV_OK || out->open || (want & (out->is_list ? PROV_TPL_LIST : PROV_TPL_STRING)))
        return rc;
    return prov_tpl_fail(ev->tpl, ev->err, at, "%s gives a %s where a %s is needed",
                         prov_tpl_fn_name(fn), out->is_list ? "list" : "string",
                         out->is_list ? "string" : "list");
}
