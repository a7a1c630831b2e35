#include "template_priv.h"

#include <stdarg.h>
#include <stdio.h>

#include "limits.h"

/* ---- messages -------------------------------------------------------------------------------- */

enum prov_rc prov_tpl_fail(const struct prov_template *tpl, struct prov_err *err,
                           const struct prov_json_path *at, const char *fmt, ...)
{
    enum prov_rc rc;
    va_list args;

    va_start(args, fmt);
    rc = prov_json_vfail(err, PROV_EINVAL, "InvalidRequestException", tpl->text, at, fmt, args);
    va_end(args);
    return rc;
}

const char *prov_tpl_show(struct prov_span s, char out[static PROV_TPL_SHOWN])
{
    if (!prov_span_copy(s, out, PROV_TPL_SHOWN))
        memcpy(out + PROV_TPL_SHOWN - sizeof "...", "...", sizeof "...");
    for (char *c = out; *c != '\0'; c++) {
        if (*c < ' ' || *c > '~')
            *c = '?';
    }
    return out;
}

#define LONGEST_WORD 40

static size_t min3(size_t a, size_t b, size_t c)
{
    const size_t m = a < b ? a : b;

    return m < c ? m : c;
}

/* Levenshtein's distance, case aside, one row at a time; b has at most LONGEST_WORD bytes. */
static size_t distance(struct prov_span a, struct prov_span b)
{
    size_t row[LONGEST_WORD + 1], diagonal, above;

    for (size_t j = 0; j <= b.n; j++)
        row[j] = j;
    for (size_t i = 0; i < a.n; i++) {
        diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < b.n; j++) {
            const bool same = prov_span_eq_nocase(prov_span(a.p + i, 1), prov_span(b.p + j, 1));

            above = row[j + 1];
            row[j + 1] = min3(above + 1, row[j] + 1, diagonal + (same ? 0 : 1));
            diagonal = above;
        }
    }
    return row[b.n];
}

const char *prov_tpl_nearest(const char *word, const char *const *legal, size_t n)
{
    struct prov_span w = prov_span_str(word);
    size_t best = SIZE_MAX, which = 0;

    w.n = w.n < LONGEST_WORD ? w.n : LONGEST_WORD;
    for (size_t i = 0; i < n; i++) {
        const struct prov_span l = prov_span_str(legal[i]);
        const bool cut_short = w.n != 0 && w.n < l.n && prov_span_eq_nocase(w, prov_span(l.p, w.n));
        const size_t d = cut_short ? 0 : distance(l, w);

        if (d < best) {
            best = d;
            which = i;
        }
    }
    return legal[which];
}

enum prov_rc prov_tpl_check_keys(const struct prov_tpl_check *ck, const cJSON *object,
                                 const struct prov_json_path *at, const char *what,
                                 const char *const *legal, size_t n)
{
    char shown[PROV_TPL_SHOWN];
    const cJSON *m;
    size_t i;

    cJSON_ArrayForEach(m, object)
    {
        const struct prov_json_path here = { .up = at, .key = m->string };

        for (i = 0; i < n && strcmp(m->string, legal[i]) != 0; i++)
            ;
        if (i == n)
            return prov_tpl_fail(ck->tpl, ck->err, &here,
                                 "unknown %s \"%s\"; the nearest legal one is \"%s\"", what,
                                 prov_tpl_show(prov_span_str(m->string), shown),
                                 prov_tpl_nearest(m->string, legal, n));
    }
    return PROV_OK;
}

const cJSON *prov_tpl_get(const cJSON *object, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

/* ---- functions ------------------------------------------------------------------------------- */

static const struct {
    const char *name, *form;
    size_t n; /* arguments; 0: looked at by a function of its own */
    enum prov_tpl_type gives, args[PROV_TPL_MAX_ARGS];
} rules[] = {
    [PROV_TPL_REF] = { "Ref", "the name of a parameter", 0, PROV_TPL_STRING, { 0 } },
    [PROV_TPL_JOIN] = { "Fn::Join",
                        "[delimiter, list]",
                        2,
                        PROV_TPL_STRING,
                        { PROV_TPL_STRING, PROV_TPL_LIST } },
    [PROV_TPL_SELECT] = { "Fn::Select",
                          "[index, list]",
                          2,
                          PROV_TPL_STRING,
                          { PROV_TPL_INDEX, PROV_TPL_LIST } },
    [PROV_TPL_FIND_IN_MAP] = { "Fn::FindInMap",
                               "[map, key, second key]",
                               3,
                               PROV_TPL_ANY,
                               { PROV_TPL_STRING, PROV_TPL_STRING, PROV_TPL_STRING } },
    [PROV_TPL_SPLIT] = { "Fn::Split",
                         "[delimiter, string]",
                         2,
                         PROV_TPL_LIST,
                         { PROV_TPL_STRING, PROV_TPL_STRING } },
    [PROV_TPL_SUB] = { "Fn::Sub", "a text or [text, map]", 0, PROV_TPL_STRING, { 0 } },
};
_Static_assert(PROV_COUNT(rules) == PROV_TPL_FNS, "a function was added without a rule");

const char *prov_tpl_fn_name(enum prov_tpl_fn fn)
{
    return rules[fn].name;
}

enum prov_tpl_type prov_tpl_fn_arg(enum prov_tpl_fn fn, size_t n)
{
    return rules[fn].args[n];
}

bool prov_tpl_is_fn_key(const char *key)
{
    return strcmp(key, "Ref") == 0 || prov_span_starts(prov_span_str(key), PROV_LIT("Fn::"));
}

enum prov_tpl_fn prov_tpl_fn_of(const cJSON *value)
{
    size_t fn = 0;

    if (!cJSON_IsObject(value) || value->child == NULL)
        return PROV_TPL_FNS;
    while (fn < PROV_TPL_FNS && strcmp(value->child->string, rules[fn].name) != 0)
        fn++;
    return (enum prov_tpl_fn)fn;
}

enum prov_tpl_piece prov_tpl_sub_next(struct prov_span *left, struct prov_span *piece)
{
    const uint8_t *end;

    if (left->n == 0)
        return PROV_TPL_END;
    if (prov_span_starts(*left, PROV_LIT("${!"))) {
        *piece = PROV_LIT("${");
        *left = prov_span(left->p + 3, left->n - 3);
        return PROV_TPL_TEXT;
    }
    if (prov_span_starts(*left, PROV_LIT("${"))) {
        end = memchr(left->p, '}', left->n);
        if (end == NULL || end == left->p + 2)
            return PROV_TPL_BROKEN;
        *piece = prov_span(left->p + 2, (size_t)(end - left->p) - 2);
        *left = prov_span(end + 1, left->n - piece->n - 3);
        return PROV_TPL_NAME;
    }
    end = memmem(left->p, left->n, "${", 2);
    *piece = prov_span(left->p, end == NULL ? left->n : (size_t)(end - left->p));
    *left = prov_span(left->p + piece->n, left->n - piece->n);
    return PROV_TPL_TEXT;
}

static bool has_key(const cJSON *object, struct prov_span key)
{
    const cJSON *m;

    cJSON_ArrayForEach(m, object)
    {
        if (prov_span_eq_str(key, m->string))
            return true;
    }
    return false;
}

/* AWS's own fleet examples use the certificate's id without declaring it (2.3). */
static bool is_declared(const struct prov_template *tpl, struct prov_span name)
{
    return prov_span_eq_str(name, PROV_PARAM_CERTIFICATE_ID) || has_key(tpl->params, name);
}

/* "declared: A, B, ..." within its room. */
static void list_declared(const struct prov_template *tpl, char *out, size_t cap)
{
    char shown[PROV_TPL_SHOWN];
    const cJSON *m;
    size_t used = 0;
    int more;

    (void)snprintf(out, cap, "none");
    cJSON_ArrayForEach(m, tpl->params)
    {
        prov_tpl_show(prov_span_str(m->string), shown);
        if (used + strlen(shown) + sizeof ", , ..." > cap) {
            (void)snprintf(out + used, cap - used, ", ...");
            return;
        }
        more = snprintf(out + used, cap - used, "%s%s", used == 0 ? "" : ", ", shown);
        used += more > 0 ? (size_t)more : 0;
    }
}

static enum prov_rc check_declared(const struct prov_tpl_check *ck, struct prov_span name,
                                   const struct prov_json_path *at)
{
    char shown[PROV_TPL_SHOWN], declared[160];

    if (is_declared(ck->tpl, name))
        return PROV_OK;
    prov_tpl_show(name, shown);
    if (prov_span_starts(name, PROV_LIT("iot:")) || prov_span_starts(name, PROV_LIT("aws:")))
        return prov_tpl_fail(ck->tpl, ck->err, at,
                             "no parameter is called \"%s\"; a policy variable is written ${!%s} "
                             "within Fn::Sub",
                             shown, shown);
    list_declared(ck->tpl, declared, sizeof declared);
    return prov_tpl_fail(ck->tpl, ck->err, at,
                         "parameter \"%s\" is not declared; declared parameters: %s", shown,
                         declared);
}

static enum prov_rc check_ref(const struct prov_tpl_check *ck, const cJSON *arg,
                              const struct prov_json_path *at)
{
    if (!cJSON_IsString(arg))
        return prov_tpl_fail(ck->tpl, ck->err, at, "Ref takes %s", rules[PROV_TPL_REF].form);
    return check_declared(ck, prov_span_str(arg->valuestring), at);
}

static enum prov_rc check_sub(const struct prov_tpl_check *ck, const cJSON *arg,
                              const struct prov_json_path *at)
{
    const struct prov_json_path first = { .up = at }, second = { .up = at, .index = 1 };
    const bool listed = cJSON_IsArray(arg);
    const cJSON *text = listed ? arg->child : arg;
    const cJSON *map = listed && cJSON_GetArraySize(arg) == 2 ? text->next : NULL;
    enum prov_tpl_piece piece;
    struct prov_span left, s;
    enum prov_rc rc = PROV_OK;

    if (!cJSON_IsString(text) || (listed && map == NULL))
        return prov_tpl_fail(ck->tpl, ck->err, at, "Fn::Sub takes %s", rules[PROV_TPL_SUB].form);
    if (listed) {
        rc = prov_tpl_check_map(ck, map, &second);
        at = &first;
    }
    left = prov_span_str(text->valuestring);
    while (rc == PROV_OK && (piece = prov_tpl_sub_next(&left, &s)) != PROV_TPL_END) {
        if (piece == PROV_TPL_BROKEN)
            return prov_tpl_fail(ck->tpl, ck->err, at,
                                 "\"${\" needs a name and \"}\" behind it; \"${!\" gives \"${\"");
        if (piece == PROV_TPL_NAME && !has_key(map, s))
            rc = check_declared(ck, s, at);
    }
    return rc;
}

static enum prov_rc check_args(const struct prov_tpl_check *ck, enum prov_tpl_fn fn,
                               const cJSON *args, const struct prov_json_path *at)
{
    struct prov_json_path here = { .up = at };
    enum prov_rc rc = PROV_OK;
    const cJSON *arg;

    if (!cJSON_IsArray(args) || (size_t)cJSON_GetArraySize(args) != rules[fn].n)
        return prov_tpl_fail(ck->tpl, ck->err, at, "%s takes %s", rules[fn].name, rules[fn].form);
    cJSON_ArrayForEach(arg, args)
    {
        if (rc == PROV_OK)
            rc = prov_tpl_check_value(ck, arg, &here, rules[fn].args[here.index]);
        here.index++;
    }
    return rc;
}

static enum prov_rc check_known_fn(const struct prov_tpl_check *ck, const cJSON *member,
                                   const struct prov_json_path *at, enum prov_tpl_fn fn,
                                   enum prov_tpl_type want)
{
    const char *name = rules[fn].name;

    if (ck->tpl->type == PROV_TEMPLATE_JITP && fn != PROV_TPL_REF)
        return prov_tpl_fail(ck->tpl, ck->err, at, "%s is for FLEET_PROVISIONING templates only",
                             name);
    if (ck->in_policy && fn == PROV_TPL_JOIN)
        return prov_tpl_fail(ck->tpl, ck->err, at,
                             "Fn::Join is not supported in a policy resource; use Fn::Sub");
    if ((rules[fn].gives & want) == 0)
        return prov_tpl_fail(ck->tpl, ck->err, at, "%s gives a %s where a %s is needed", name,
                             rules[fn].gives == PROV_TPL_LIST ? "list" : "string",
                             rules[fn].gives == PROV_TPL_LIST ? "string" : "list");
    if (fn == PROV_TPL_REF)
        return check_ref(ck, member, at);
    return fn == PROV_TPL_SUB ? check_sub(ck, member, at) : check_args(ck, fn, member, at);
}

static enum prov_rc check_fn(const struct prov_tpl_check *ck, const cJSON *value,
                             const struct prov_json_path *at, enum prov_tpl_type want)
{
    const char *names[PROV_TPL_FNS];
    const struct prov_json_path here = { .up = at, .key = value->child->string };
    const enum prov_tpl_fn fn = prov_tpl_fn_of(value);

    if (value->child->next != NULL)
        return prov_tpl_fail(ck->tpl, ck->err, at,
                             "a function must be the only member of its object");
    if (fn != PROV_TPL_FNS)
        return check_known_fn(ck, value->child, &here, fn, want);
    for (size_t i = 0; i < PROV_TPL_FNS; i++)
        names[i] = rules[i].name;
    return prov_tpl_check_keys(ck, value, at, "function", names, PROV_COUNT(names));
}

/* ---- values ---------------------------------------------------------------------------------- */

static bool mentions_fn(const cJSON *object)
{
    const cJSON *m;

    cJSON_ArrayForEach(m, object)
    {
        if (m->string != NULL && prov_tpl_is_fn_key(m->string))
            return true;
    }
    return false;
}

static const char *type_name(const cJSON *v)
{
    if (cJSON_IsString(v))
        return "a string";
    if (cJSON_IsNumber(v))
        return "a number";
    if (cJSON_IsBool(v))
        return "a truth value";
    if (cJSON_IsArray(v))
        return "a list";
    return cJSON_IsObject(v) ? "an object" : "null";
}

static enum prov_rc check_list(const struct prov_tpl_check *ck, const cJSON *list,
                               const struct prov_json_path *at)
{
    struct prov_json_path here = { .up = at };
    enum prov_rc rc = PROV_OK;
    const cJSON *m;

    cJSON_ArrayForEach(m, list)
    {
        if (rc == PROV_OK)
            rc = prov_tpl_check_value(ck, m, &here, PROV_TPL_STRING);
        here.index++;
    }
    return rc;
}

static bool is_index(const cJSON *v)
{
    return cJSON_IsNumber(v) && v->valuedouble >= 0 && v->valuedouble <= PROV_MAX_TEMPLATE_BODY &&
           v->valuedouble == (double)v->valueint;
}

enum prov_rc prov_tpl_check_value(const struct prov_tpl_check *ck, const cJSON *value,
                                  const struct prov_json_path *at, enum prov_tpl_type want)
{
    const char *wanted = want == PROV_TPL_INDEX    ? "a number from 0 or a string"
                         : want == PROV_TPL_STRING ? "a string"
                         : want == PROV_TPL_LIST   ? "a list of strings"
                                                   : "a string or a list of strings";

    if (cJSON_IsObject(value) && mentions_fn(value))
        return check_fn(ck, value, at, want);
    if (cJSON_IsString(value) && (want & PROV_TPL_STRING) != 0)
        return PROV_OK;
    if (cJSON_IsArray(value) && (want & PROV_TPL_LIST) != 0)
        return check_list(ck, value, at);
    if (want == PROV_TPL_INDEX && is_index(value))
        return PROV_OK;
    return prov_tpl_fail(ck->tpl, ck->err, at, "%s where %s or a function is needed",
                         type_name(value), wanted);
}

enum prov_rc prov_tpl_check_map(const struct prov_tpl_check *ck, const cJSON *map,
                                const struct prov_json_path *at)
{
    struct prov_json_path here = { .up = at };
    enum prov_rc rc = PROV_OK;
    const cJSON *m;

    if (!cJSON_IsObject(map))
        return prov_tpl_fail(ck->tpl, ck->err, at, "%s where a map is needed", type_name(map));
    cJSON_ArrayForEach(m, map)
    {
        here.key = m->string;
        if (rc == PROV_OK && prov_tpl_is_fn_key(m->string))
            rc = prov_tpl_fail(ck->tpl, ck->err, &here, "a function where a map is needed");
        if (rc == PROV_OK)
            rc = prov_tpl_check_value(ck, m, &here, PROV_TPL_STRING);
    }
    return rc;
}

bool prov_tpl_is_plain(const cJSON *v)
{
    const cJSON *m;

    if (!cJSON_IsArray(v))
        return cJSON_IsString(v);
    cJSON_ArrayForEach(m, v)
    {
        if (!cJSON_IsString(m))
            return false;
    }
    return true;
}

enum prov_rc prov_tpl_need_object(const struct prov_tpl_check *ck, const cJSON *v,
                                  const struct prov_json_path *at)
{
    if (cJSON_IsObject(v))
        return PROV_OK;
    return prov_tpl_fail(ck->tpl, ck->err, at, "%s where an object is needed", type_name(v));
}

/* Within an object document a function may stand for any string or list of strings. */
static enum prov_rc check_document_part(const struct prov_tpl_check *ck, const cJSON *part,
                                        const struct prov_json_path *at)
{
    struct prov_json_path here = { .up = at };
    enum prov_rc rc = PROV_OK;
    const cJSON *m;

    if (cJSON_IsObject(part) && mentions_fn(part))
        return check_fn(ck, part, at, PROV_TPL_ANY);
    cJSON_ArrayForEach(m, part)
    {
        here.key = m->string;
        if (rc == PROV_OK)
            rc = check_document_part(ck, m, &here);
        here.index++;
    }
    return rc;
}

enum prov_rc prov_tpl_check_document(const struct prov_tpl_check *ck, const cJSON *value,
                                     const struct prov_json_path *at)
{
    if (cJSON_IsObject(value) && !mentions_fn(value))
        return check_document_part(ck, value, at);
    return prov_tpl_check_value(ck, value, at, PROV_TPL_STRING);
}
