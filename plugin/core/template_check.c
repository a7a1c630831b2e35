#include "template_priv.h"

#include <stdio.h>

#include "limits.h"

/* ---- keys ------------------------------------------------------------------------------------ */

void prov_tpl_check_keys(const struct prov_tpl_check *ck, const cJSON *object,
                         const struct prov_json_path *at, const char *what,
                         const char *const *legal, size_t n)
{
    const cJSON *m;
    size_t i;

    cJSON_ArrayForEach(m, object)
    {
        const struct prov_json_path here = { .up = at, .key = m->string };

        for (i = 0; i < n && strcmp(m->string, legal[i]) != 0; i++)
            ;
        if (i == n)
            prov_tpl_unknown(ck, &here, what, m->string, legal, n);
    }
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

/* The function that was most likely meant; NULL when none is close. People leave "Fn::" out, too.
 */
static const char *meant_fn(const char *key)
{
    struct prov_near near = { .word = prov_span_str(key) };
    const char *last = NULL, *name = NULL;

    for (size_t i = 0; i < PROV_TPL_FNS; i++) {
        prov_near_try(&near, rules[i].name);
        if (i != PROV_TPL_REF)
            prov_near_try(&near, rules[i].name + strlen("Fn::"));
        name = near.best != last ? rules[i].name : name;
        last = near.best;
    }
    return near.close ? name : NULL;
}

/* Also with the one colon that AWS's documentation prints. */
bool prov_tpl_is_fn_key(const char *key)
{
    return strcmp(key, "Ref") == 0 || prov_span_starts(prov_span_str(key), PROV_LIT("Fn:"));
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

bool prov_tpl_has_key(const cJSON *object, struct prov_span key)
{
    const cJSON *m;

    cJSON_ArrayForEach(m, object)
    {
        if (prov_span_eq_str(key, m->string))
            return true;
    }
    return false;
}

/* ---- references ------------------------------------------------------------------------------ */

/* AWS's own fleet examples use the certificate's id without declaring it (2.3). Of Parameters that
 * are no object nobody can say what they declare. */
static bool is_declared(const struct prov_template *tpl, struct prov_span name)
{
    return prov_span_eq_str(name, PROV_PARAM_CERTIFICATE_ID) ||
           prov_tpl_has_key(tpl->params, name) ||
           (tpl->params == NULL && prov_tpl_get(tpl->tree, "Parameters") != NULL);
}

bool prov_tpl_is_builtin(struct prov_span name)
{
    size_t i = 0;

    while (i < PROV_BUILTIN_PARAMS && !prov_span_eq_str(name, prov_tpl_builtin(i)))
        i++;
    return i < PROV_BUILTIN_PARAMS;
}

/* The name that was most likely meant, of those that there are; NULL when none is close. */
static const char *meant(const struct prov_template *tpl, struct prov_span name)
{
    struct prov_near near = { .word = name };
    const char *builtin;
    const cJSON *m;
    bool close;

    cJSON_ArrayForEach(m, tpl->params)
    {
        prov_near_try(&near, m->string);
    }
    if (near.close)
        return near.best;
    builtin = prov_tpl_nearest_builtin(name, &close);
    return tpl->type == PROV_TEMPLATE_JITP && close ? builtin : NULL;
}

static void check_declared(const struct prov_tpl_check *ck, struct prov_span name,
                           const struct prov_json_path *at)
{
    char shown[PROV_TPL_SHOWN], near[PROV_TPL_SHOWN], declared[PROV_TPL_KEYS];
    const char *best;

    if (is_declared(ck->tpl, name))
        return;
    prov_tpl_show(name, shown);
    best = meant(ck->tpl, name);
    if (prov_span_starts(name, PROV_LIT("iot:")) || prov_span_starts(name, PROV_LIT("aws:"))) {
        prov_tpl_wrong(ck, at,
                       "no parameter is called \"%s\"; a policy variable is written ${!%s} "
                       "within Fn::Sub",
                       shown, shown);
    } else if (prov_tpl_is_builtin(name) && ck->tpl->type == PROV_TEMPLATE_JITP) {
        prov_tpl_wrong(ck, at, "built-in parameter \"%s\" is not declared; Parameters needs it too",
                       shown);
    } else if (prov_tpl_is_builtin(name)) {
        prov_tpl_wrong(ck, at, "%s is filled for JITP templates only", shown);
    } else if (best != NULL) {
        prov_tpl_wrong(ck, at, "parameter \"%s\" is not declared; did you mean \"%s\"?", shown,
                       prov_tpl_show(prov_span_str(best), near));
    } else if (prov_span_starts(name, PROV_LIT("AWS::"))) {
        prov_tpl_wrong(ck, at,
                       "there is no parameter \"%s\"; pseudo parameters are CloudFormation's: "
                       "write the value itself",
                       shown);
    } else {
        prov_tpl_list_keys(ck->tpl->params, declared);
        prov_tpl_wrong(ck, at, "parameter \"%s\" is not declared; declared parameters: %s", shown,
                       declared);
    }
}

/* ---- arguments ------------------------------------------------------------------------------- */

static void check_ref(const struct prov_tpl_check *ck, const cJSON *arg,
                      const struct prov_json_path *at)
{
    if (cJSON_IsString(arg))
        check_declared(ck, prov_span_str(arg->valuestring), at);
    else
        prov_tpl_wrong(ck, at, "Ref takes %s", rules[PROV_TPL_REF].form);
}

static void check_sub(const struct prov_tpl_check *ck, const cJSON *arg,
                      const struct prov_json_path *at)
{
    const struct prov_json_path first = { .up = at }, second = { .up = at, .index = 1 };
    const bool listed = cJSON_IsArray(arg);
    const cJSON *text = listed ? arg->child : arg;
    const cJSON *map = listed && cJSON_GetArraySize(arg) == 2 ? text->next : NULL;
    enum prov_tpl_piece piece;
    struct prov_span left, s;

    if (!cJSON_IsString(text) || (listed && map == NULL)) {
        prov_tpl_wrong(ck, at, "Fn::Sub takes %s", rules[PROV_TPL_SUB].form);
        return;
    }
    if (listed) {
        prov_tpl_check_map(ck, map, &second);
        at = &first;
    }
    left = prov_span_str(text->valuestring);
    while ((piece = prov_tpl_sub_next(&left, &s)) == PROV_TPL_TEXT || piece == PROV_TPL_NAME) {
        if (piece == PROV_TPL_NAME && !prov_tpl_has_key(map, s))
            check_declared(ck, s, at);
    }
    if (piece == PROV_TPL_BROKEN)
        prov_tpl_wrong(ck, at, "\"${\" needs a name and \"}\" behind it; \"${!\" gives \"${\"");
}

static void check_args(const struct prov_tpl_check *ck, enum prov_tpl_fn fn, const cJSON *args,
                       const struct prov_json_path *at)
{
    struct prov_json_path here = { .up = at };
    const cJSON *arg;

    if (!cJSON_IsArray(args) || (size_t)cJSON_GetArraySize(args) != rules[fn].n) {
        prov_tpl_wrong(ck, at, "%s takes %s", rules[fn].name, rules[fn].form);
        return;
    }
    cJSON_ArrayForEach(arg, args)
    {
        prov_tpl_check_value(ck, arg, &here, rules[fn].args[here.index]);
        here.index++;
    }
}

static void check_known_fn(const struct prov_tpl_check *ck, const cJSON *member,
                           const struct prov_json_path *at, enum prov_tpl_fn fn,
                           enum prov_tpl_type want)
{
    const char *name = rules[fn].name;

    if (ck->tpl->type == PROV_TEMPLATE_JITP && fn != PROV_TPL_REF) {
        prov_tpl_wrong(ck, at, "%s is for FLEET_PROVISIONING templates only", name);
        return;
    }
    if (ck->in_policy && fn == PROV_TPL_JOIN)
        prov_tpl_wrong(ck, at, "Fn::Join is not supported in a policy resource; use Fn::Sub");
    if ((rules[fn].gives & want) == 0)
        prov_tpl_wrong(ck, at, "%s gives a %s where a %s is needed", name,
                       rules[fn].gives == PROV_TPL_LIST ? "list" : "string",
                       rules[fn].gives == PROV_TPL_LIST ? "string" : "list");
    if (fn == PROV_TPL_REF)
        check_ref(ck, member, at);
    else if (fn == PROV_TPL_SUB)
        check_sub(ck, member, at);
    else
        check_args(ck, fn, member, at);
}

static void unknown_fn(const struct prov_tpl_check *ck, const struct prov_json_path *at)
{
    const char *names[PROV_TPL_FNS], *const name = meant_fn(at->key);

    for (size_t i = 0; i < PROV_TPL_FNS; i++)
        names[i] = rules[i].name;
    prov_tpl_unknown(ck, at, "function", at->key, name != NULL ? &name : names,
                     name != NULL ? 1 : PROV_COUNT(names));
}

static void check_fn(const struct prov_tpl_check *ck, const cJSON *value,
                     const struct prov_json_path *at, enum prov_tpl_type want)
{
    const struct prov_json_path here = { .up = at, .key = value->child->string };
    const enum prov_tpl_fn fn = prov_tpl_fn_of(value);

    if (value->child->next != NULL)
        prov_tpl_wrong(ck, at, "a function must be the only member of its object");
    else if (fn != PROV_TPL_FNS)
        check_known_fn(ck, value->child, &here, fn, want);
    else
        unknown_fn(ck, &here);
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

/* An only member that was most likely meant to be a function: "ref", "join", "Fn.Sub". */
static bool resembles_fn(const cJSON *object)
{
    return cJSON_IsObject(object) && object->child != NULL && object->child->next == NULL &&
           meant_fn(object->child->string) != NULL;
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

static void check_list(const struct prov_tpl_check *ck, const cJSON *list,
                       const struct prov_json_path *at)
{
    struct prov_json_path here = { .up = at };
    const cJSON *m;

    cJSON_ArrayForEach(m, list)
    {
        prov_tpl_check_value(ck, m, &here, PROV_TPL_STRING);
        here.index++;
    }
}

static bool is_index(const cJSON *v)
{
    return cJSON_IsNumber(v) && v->valuedouble >= 0 && v->valuedouble <= PROV_MAX_TEMPLATE_BODY &&
           v->valuedouble == (double)v->valueint;
}

void prov_tpl_check_value(const struct prov_tpl_check *ck, const cJSON *value,
                          const struct prov_json_path *at, enum prov_tpl_type want)
{
    const char *wanted = want == PROV_TPL_INDEX    ? "a number from 0 or a string"
                         : want == PROV_TPL_STRING ? "a string"
                         : want == PROV_TPL_LIST   ? "a list of strings"
                                                   : "a string or a list of strings";

    if (cJSON_IsObject(value) && (mentions_fn(value) || resembles_fn(value)))
        check_fn(ck, value, at, want);
    else if (cJSON_IsArray(value) && (want & PROV_TPL_LIST) != 0)
        check_list(ck, value, at);
    else if (!(cJSON_IsString(value) && (want & PROV_TPL_STRING) != 0) &&
             !(want == PROV_TPL_INDEX && is_index(value)))
        prov_tpl_wrong(ck, at, "%s where %s or a function is needed", type_name(value), wanted);
}

void prov_tpl_check_map(const struct prov_tpl_check *ck, const cJSON *map,
                        const struct prov_json_path *at)
{
    struct prov_json_path here = { .up = at };
    const cJSON *m;

    if (!cJSON_IsObject(map)) {
        prov_tpl_wrong(ck, at, "%s where a map is needed", type_name(map));
        return;
    }
    cJSON_ArrayForEach(m, map)
    {
        const size_t before = ck->report->mistakes;

        here.key = m->string;
        if (prov_tpl_is_fn_key(m->string))
            prov_tpl_wrong(ck, &here, "a function where a map is needed");
        else if (cJSON_IsObject(m) && !mentions_fn(m) && !resembles_fn(m))
            prov_tpl_wrong(ck, &here,
                           "an object where a string or a function is needed: the map is flat");
        else
            prov_tpl_check_value(ck, m, &here, PROV_TPL_STRING);
        prov_tpl_spoiled(ck, before, m);
    }
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

bool prov_tpl_need_object(const struct prov_tpl_check *ck, const cJSON *v,
                          const struct prov_json_path *at)
{
    if (!cJSON_IsObject(v))
        prov_tpl_wrong(ck, at, "%s where an object is needed", type_name(v));
    return cJSON_IsObject(v);
}

/* Within an object document a function may stand for any string or list of strings. */
static void check_document_part(const struct prov_tpl_check *ck, const cJSON *part,
                                const struct prov_json_path *at)
{
    struct prov_json_path here = { .up = at };
    const cJSON *m;

    if (cJSON_IsObject(part) && mentions_fn(part)) {
        check_fn(ck, part, at, PROV_TPL_ANY);
        return;
    }
    cJSON_ArrayForEach(m, part)
    {
        here.key = m->string;
        check_document_part(ck, m, &here);
        here.index++;
    }
}

void prov_tpl_check_document(const struct prov_tpl_check *ck, const cJSON *value,
                             const struct prov_json_path *at)
{
    if (cJSON_IsObject(value) && !mentions_fn(value))
        check_document_part(ck, value, at);
    else
        prov_tpl_check_value(ck, value, at, PROV_TPL_STRING);
}
