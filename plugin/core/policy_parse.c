#include "policy_priv.h"

#include <stdlib.h>

#include "limits.h"

/* ---- small helpers of all readers ------------------------------------------------------------ */

struct pol_shown prov_pol_show(struct prov_span s)
{
    struct pol_shown out;

    (void)prov_span_copy(s, out.s, sizeof out.s);
    for (char *c = out.s; *c != '\0'; c++) {
        if (*c < ' ' || *c > '~')
            *c = '?';
    }
    return out;
}

const cJSON *prov_pol_first(const cJSON *one_or_list)
{
    return cJSON_IsArray(one_or_list) ? one_or_list->child : one_or_list;
}

const cJSON *prov_pol_next(const cJSON *one_or_list, const cJSON *item)
{
    return cJSON_IsArray(one_or_list) ? item->next : NULL;
}

size_t prov_pol_count(const cJSON *one_or_list)
{
    return cJSON_IsArray(one_or_list) ? (size_t)cJSON_GetArraySize(one_or_list) : 1;
}

const struct prov_json_path *prov_pol_at(const cJSON *one_or_list, const struct prov_json_path *at,
                                         size_t i, struct prov_json_path *step)
{
    *step = (struct prov_json_path){ .up = at, .index = i };
    return cJSON_IsArray(one_or_list) ? step : at;
}

bool prov_pol_var_index(struct prov_policy_doc *doc, const struct pol_var *var, uint32_t *out)
{
    struct pol_var *vars, copy = *var;

    for (*out = 0; *out < doc->n_vars; (*out)++) {
        if (prov_pol_var_same(&doc->vars[*out], var))
            return true;
    }
    vars = prov_pol_grow(&doc->arena, doc->vars, doc->n_vars, &doc->cap_vars, sizeof *vars);
    if (vars == NULL)
        return false;
    doc->vars = vars;
    if (!prov_pol_keep(&doc->arena, var->text, &copy.text) ||
        !prov_pol_keep(&doc->arena, var->attr, &copy.attr))
        return false;
    doc->vars[doc->n_vars++] = copy;
    return true;
}

/*
 * The members of an object by the names it may have. `what` is the object in a message.
 */
static enum prov_rc members(struct pol_src *src, const struct prov_json_path *at,
                            const cJSON *object, const char *what, const char *const *names,
                            size_t n, const cJSON **out)
{
    struct prov_json_path step = { .up = at };
    size_t i;

    for (i = 0; i < n; i++)
        out[i] = NULL;
    if (!cJSON_IsObject(object))
        return POL_BAD(src, at, "a %s is a JSON object", what);
    for (const cJSON *m = object->child; m != NULL; m = m->next) {
        step.key = m->string;
        for (i = 0; i < n && strcmp(names[i], m->string) != 0; i++)
            ;
        if (i == n)
            return POL_BAD(src, &step, "a %s has no element \"%s\"", what,
                           prov_pol_show(prov_span_str(m->string)).s);
        out[i] = m;
    }
    return PROV_OK;
}

/* ---- statements ------------------------------------------------------------------------------ */

enum element { SID, EFFECT, ACTION, NOT_ACTION, RESOURCE, NOT_RESOURCE, CONDITION, ELEMENTS };

static const char *const elements[ELEMENTS] = {
    [SID] = "Sid",
    [EFFECT] = "Effect",
    [ACTION] = "Action",
    [NOT_ACTION] = "NotAction",
    [RESOURCE] = "Resource",
    [NOT_RESOURCE] = "NotResource",
    [CONDITION] = "Condition",
};

/* "iot:Publish", "iot:Pub*", "*": letters, digits and wildcards behind a service of AWS IoT. */
static bool is_action(struct prov_span s)
{
    static const char *const services[] = { "iot", "iotjobsdata", "greengrass" };
    const uint8_t *const colon = s.n == 0 ? NULL : memchr(s.p, ':', s.n);
    struct prov_span service;
    size_t i = 0;

    if (prov_span_eq_str(s, "*"))
        return true;
    if (colon == NULL || colon + 1 == s.p + s.n)
        return false;
    service = prov_span(s.p, (size_t)(colon - s.p));
    while (i < PROV_COUNT(services) && !prov_span_eq_nocase(service, prov_span_str(services[i])))
        i++;
    for (const uint8_t *c = colon + 1; c < s.p + s.n; c++) {
        if (!(*c >= 'a' && *c <= 'z') && !(*c >= 'A' && *c <= 'Z') && !(*c >= '0' && *c <= '9') &&
            *c != '*' && *c != '?')
            return false;
    }
    return i < PROV_COUNT(services);
}

static enum prov_rc action_parse(struct pol_src *src, const struct prov_json_path *at,
                                 const cJSON *json, unsigned *mask)
{
    const struct prov_span s = prov_span_str(cJSON_IsString(json) ? json->valuestring : NULL);
    struct pol_text name = { 0 };
    struct pol_pat pat;
    enum prov_rc rc;

    if (!is_action(s))
        return POL_BAD(src, at, "\"%s\" is not an action of AWS IoT", prov_pol_show(s).s);
    rc = prov_pol_pat_parse(src, at, s, true, &pat);
    for (unsigned a = 0; rc == PROV_OK && a < PROV_ACTIONS; a++) {
        name.tail = prov_span_str(prov_action_name((enum prov_action)a));
        if (prov_pol_match(NULL, &pat, &name, true) == POL_HIT)
            *mask |= 1U << a;
    }
    return rc;
}

static enum prov_rc actions_parse(struct pol_src *src, const struct prov_json_path *at,
                                  const cJSON *json, bool turned, unsigned *out)
{
    const cJSON *v = prov_pol_first(json);
    struct prov_json_path step;
    unsigned mask = 0;
    enum prov_rc rc = PROV_OK;

    if (v == NULL)
        return POL_BAD(src, at, "%s is empty", at->key);
    for (size_t i = 0; rc == PROV_OK && v != NULL; i++, v = prov_pol_next(json, v))
        rc = action_parse(src, prov_pol_at(json, at, i, &step), v, &mask);
    *out = turned ? ~mask & ((1U << PROV_ACTIONS) - 1) : mask;
    return rc;
}

/*
 * "*" or an ARN. Where no star could stand for several parts there must be six of them: one with
 * fewer can never match, and its author will want to know.
 */
static enum prov_rc resource_parse(struct pol_src *src, const struct prov_json_path *at,
                                   const cJSON *json, struct pol_pat *out)
{
    const struct prov_span s = prov_span_str(cJSON_IsString(json) ? json->valuestring : NULL);
    unsigned colons = 0;
    bool star = false;

    for (size_t i = 0; i < s.n; i++) {
        colons += s.p[i] == ':';
        star = star || s.p[i] == '*';
    }
    if (!prov_span_eq_str(s, "*") && !prov_span_starts(s, PROV_LIT("arn:")))
        return POL_BAD(src, at, "resource \"%s\" is neither an ARN nor \"*\"", prov_pol_show(s).s);
    if (!star && colons < POL_ARN_PARTS - 1)
        return POL_BAD(src, at,
                       "resource \"%s\" lacks a part: arn:PARTITION:iot:REGION:ACCOUNT:TYPE/NAME",
                       prov_pol_show(s).s);
    return prov_pol_pat_parse(src, at, s, true, out);
}

static enum prov_rc resources_parse(struct pol_src *src, const struct prov_json_path *at,
                                    const cJSON *json, struct pol_stmt *out)
{
    const size_t n = prov_pol_count(json);
    struct pol_pat *const pats = prov_pol_alloc(&src->doc->arena, n, sizeof *pats);
    const cJSON *v = prov_pol_first(json);
    struct prov_json_path step;
    enum prov_rc rc = PROV_OK;

    if (pats == NULL)
        return prov_nomem(src->err);
    if (v == NULL)
        return POL_BAD(src, at, "%s is empty", at->key);
    for (size_t i = 0; rc == PROV_OK && v != NULL; i++, v = prov_pol_next(json, v))
        rc = resource_parse(src, prov_pol_at(json, at, i, &step), v, &pats[i]);
    out->resources = pats;
    out->n_resources = n;
    return rc;
}

static enum prov_rc effect_parse(struct pol_src *src, const struct prov_json_path *at,
                                 const cJSON *json, bool *deny)
{
    const struct prov_span s =
        prov_span_str(json != NULL && cJSON_IsString(json) ? json->valuestring : NULL);

    *deny = prov_span_eq_str(s, "Deny");
    if (!*deny && !prov_span_eq_str(s, "Allow"))
        return POL_BAD(src, at, "Effect must be \"Allow\" or \"Deny\"");
    return PROV_OK;
}

static enum prov_rc sid_parse(struct pol_src *src, const struct prov_json_path *at,
                              const cJSON *json, struct prov_span *out)
{
    if (json == NULL)
        return PROV_OK;
    if (!cJSON_IsString(json))
        return POL_BAD(src, at, "Sid must be a string");
    if (!prov_pol_keep(&src->doc->arena, prov_span_str(json->valuestring), out))
        return prov_nomem(src->err);
    return PROV_OK;
}

/* One of a pair such as Action and NotAction, never both, never neither. */
static enum prov_rc either(struct pol_src *src, const struct prov_json_path *at,
                           const cJSON *const *el, enum element a, enum element b,
                           enum element *out)
{
    struct prov_json_path step = { .up = at, .key = elements[b] };

    *out = el[a] != NULL ? a : b;
    if (el[a] != NULL && el[b] != NULL)
        return POL_BAD(src, &step, "a statement has %s or %s, not both", elements[a], elements[b]);
    if (el[a] == NULL && el[b] == NULL)
        return POL_BAD(src, at, "the statement has neither %s nor %s", elements[a], elements[b]);
    return PROV_OK;
}

static enum prov_rc statement_parse(struct pol_src *src, const struct prov_json_path *at,
                                    const cJSON *json, struct pol_stmt *out)
{
    struct prov_json_path step = { .up = at };
    const cJSON *el[ELEMENTS];
    enum element which;
    enum prov_rc rc;

    rc = members(src, at, json, "statement", elements, ELEMENTS, el);
    if (rc != PROV_OK)
        return rc;
    step.key = elements[SID];
    rc = sid_parse(src, &step, el[SID], &out->sid);
    if (rc != PROV_OK)
        return rc;
    step.key = elements[EFFECT];
    rc = effect_parse(src, &step, el[EFFECT], &out->deny);
    if (rc != PROV_OK)
        return rc;
    rc = either(src, at, el, ACTION, NOT_ACTION, &which);
    if (rc != PROV_OK)
        return rc;
    step.key = elements[which];
    rc = actions_parse(src, &step, el[which], which == NOT_ACTION, &out->actions);
    if (rc != PROV_OK)
        return rc;
    rc = either(src, at, el, RESOURCE, NOT_RESOURCE, &which);
    if (rc != PROV_OK)
        return rc;
    step.key = elements[which];
    out->not_resource = which == NOT_RESOURCE;
    rc = resources_parse(src, &step, el[which], out);
    if (rc != PROV_OK || el[CONDITION] == NULL)
        return rc;
    step.key = elements[CONDITION];
    return prov_pol_cond_parse(src, &step, el[CONDITION], out);
}

/* ---- documents ------------------------------------------------------------------------------- */

enum top { VERSION, ID, STATEMENT, TOPS };

static const char *const tops[TOPS] = {
    [VERSION] = "Version",
    [ID] = "Id",
    [STATEMENT] = "Statement",
};

static enum prov_rc version_parse(struct pol_src *src, const cJSON *json)
{
    const struct prov_json_path at = { .key = tops[VERSION] };
    const struct prov_span s =
        prov_span_str(json != NULL && cJSON_IsString(json) ? json->valuestring : NULL);

    src->variables = prov_span_eq_str(s, "2012-10-17");
    if (json != NULL && !src->variables && !prov_span_eq_str(s, "2008-10-17"))
        return POL_BAD(src, &at, "Version must be \"2012-10-17\" (or \"2008-10-17\")");
    return PROV_OK;
}

static enum prov_rc statements_parse(struct pol_src *src, const cJSON *json)
{
    const struct prov_json_path at = { .key = tops[STATEMENT] };
    const size_t n = prov_pol_count(json);
    struct pol_stmt *const stmts = prov_pol_alloc(&src->doc->arena, n, sizeof *stmts);
    const cJSON *v = prov_pol_first(json);
    struct prov_json_path step;
    enum prov_rc rc = PROV_OK;

    if (stmts == NULL)
        return prov_nomem(src->err);
    if (v == NULL)
        return POL_BAD(src, &at, "the policy has no statement");
    for (size_t i = 0; rc == PROV_OK && v != NULL; i++, v = prov_pol_next(json, v))
        rc = statement_parse(src, prov_pol_at(json, &at, i, &step), v, &stmts[i]);
    src->doc->stmts = stmts;
    src->doc->n_stmts = n;
    return rc;
}

static enum prov_rc root_parse(struct pol_src *src, const cJSON *root)
{
    const struct prov_json_path id_at = { .key = tops[ID] };
    const cJSON *top[TOPS];
    enum prov_rc rc;

    rc = members(src, NULL, root, "policy", tops, TOPS, top);
    if (rc != PROV_OK)
        return rc;
    rc = version_parse(src, top[VERSION]);
    if (rc != PROV_OK)
        return rc;
    if (top[ID] != NULL && !cJSON_IsString(top[ID]))
        return POL_BAD(src, &id_at, "Id must be a string");
    if (top[STATEMENT] == NULL)
        return POL_BAD(src, NULL, "the policy has no Statement");
    return statements_parse(src, top[STATEMENT]);
}

/* AWS does not count white space, wherever it stands. */
static size_t dense_size(struct prov_span s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += s.p[i] != ' ' && s.p[i] != '\t' && s.p[i] != '\n' && s.p[i] != '\r';
    return n;
}

static enum prov_rc json_parse(struct prov_span json, cJSON **root, struct prov_err *err)
{
    const enum prov_rc rc = prov_json_parse(json, PROV_MAX_POLICY_TEXT, root, err);

    if (err != NULL && (rc == PROV_EINVAL || rc == PROV_ETOOBIG))
        err->code = POL_MALFORMED;
    if (rc == PROV_OK && dense_size(json) > PROV_MAX_POLICY_DOC) {
        cJSON_Delete(*root);
        *root = NULL;
        return prov_fail(err, PROV_ETOOBIG, POL_MALFORMED,
                         "the policy has %zu characters besides white space; %d are allowed",
                         dense_size(json), PROV_MAX_POLICY_DOC);
    }
    return rc;
}

enum prov_rc prov_policy_parse(struct prov_span json, struct prov_policy_doc **out,
                               struct prov_err *err)
{
    struct prov_policy_doc *doc = NULL;
    cJSON *root = NULL;
    struct pol_src src;
    enum prov_rc rc;

    *out = NULL;
    rc = json_parse(json, &root, err);
    if (rc != PROV_OK)
        return rc;
    doc = calloc(1, sizeof *doc);
    if (doc == NULL) {
        rc = prov_nomem(err);
        goto out;
    }
    atomic_init(&doc->refs, 1);
    src = (struct pol_src){ .text = json, .err = err, .doc = doc };
    rc = root_parse(&src, root);
    if (rc != PROV_OK)
        goto out;
    *out = doc;
    doc = NULL;
out:
    prov_policy_doc_unref(doc);
    cJSON_Delete(root);
    return rc;
}

struct prov_policy_doc *prov_policy_doc_ref(struct prov_policy_doc *doc)
{
    atomic_fetch_add_explicit(&doc->refs, 1, memory_order_relaxed);
    return doc;
}

void prov_policy_doc_unref(struct prov_policy_doc *doc)
{
    if (doc == NULL || atomic_fetch_sub_explicit(&doc->refs, 1, memory_order_acq_rel) != 1)
        return;
    prov_pol_release(&doc->arena);
    free(doc);
}

size_t prov_policy_doc_statements(const struct prov_policy_doc *doc)
{
    return doc->n_stmts;
}

struct prov_span prov_policy_doc_sid(const struct prov_policy_doc *doc, size_t statement)
{
    return statement < doc->n_stmts ? doc->stmts[statement].sid : prov_span(NULL, 0);
}
