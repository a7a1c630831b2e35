#include "template_priv.h"

#include <stdarg.h>
#include <stdio.h>

/* Warnings, of a template that is accepted: so all of it is as the checks have it. */
struct linting {
    const struct prov_template *tpl;
    struct prov_template_lint *out;
};

enum warning {
    UNUSED_PARAMETER,
    UNUSED_MAP,
    UNUSED_VARIABLE,
    LITERAL_VARIABLE,
    NO_EFFECT,
    SAME_THING,
    INACTIVE,
    CERTIFICATE_ID,
    NO_CERTIFICATE,
    NO_POLICY,
    WARNINGS
};

static const struct {
    const char *code, *cure;
} warnings[] = {
    [UNUSED_PARAMETER] = { "unused-parameter", "remove it from Parameters" },
    [UNUSED_MAP] = { "unused-map", "remove it from Mappings" },
    [UNUSED_VARIABLE] = { "unused-variable", "remove it, or name it in the text as ${…}" },
    [LITERAL_VARIABLE] = { "literal-variable", "put the text into {\"Fn::Sub\": …}" },
    [NO_EFFECT] = { "no-effect", "remove it" },
    [SAME_THING] = { "same-thing", "let the name depend on a parameter" },
    [INACTIVE] = { "inactive", "write \"ACTIVE\", or leave Status out" },
    [CERTIFICATE_ID] = { "certificate-id", "{\"Ref\": \"" PROV_PARAM_CERTIFICATE_ID "\"}" },
    [NO_CERTIFICATE] = { "no-certificate", "add a resource of type AWS::IoT::Certificate" },
    [NO_POLICY] = { "no-policy",
                    "add a resource of type AWS::IoT::Policy, or ThingGroups to the thing" },
};
_Static_assert(PROV_COUNT(warnings) == WARNINGS, "a warning was added without its words");

PROV_PRINTF(4, 5)
static void warn(const struct linting *l, enum warning which, const struct prov_json_path *at,
                 const char *fmt, ...)
{
    struct prov_template_remark *const remark = &l->out->v[l->out->n];
    va_list args;

    if (l->out->warnings++ >= PROV_TEMPLATE_MAX_REMARKS)
        return;
    l->out->n++;
    remark->warning = true;
    remark->cure = warnings[which].cure;
    va_start(args, fmt);
    (void)prov_json_vfail(&remark->what, PROV_OK, warnings[which].code, l->tpl->text, at, fmt,
                          args);
    va_end(args);
}

/* ---- who refers to what ---------------------------------------------------------------------- */

/* An Fn::Sub's text, and its variables if it has any. */
static const cJSON *sub_text(const cJSON *sub, const cJSON **variables)
{
    const cJSON *text = cJSON_IsArray(sub) ? sub->child : sub;

    *variables = cJSON_IsArray(sub) ? text->next : NULL;
    return text;
}

/* Has the text that name, or, when name.p is NULL, any name that variables lacks? */
static bool text_names(const cJSON *text, const cJSON *variables, struct prov_span name)
{
    struct prov_span left = prov_span_str(text->valuestring), piece;
    enum prov_tpl_piece kind;

    while ((kind = prov_tpl_sub_next(&left, &piece)) == PROV_TPL_TEXT || kind == PROV_TPL_NAME) {
        if (kind == PROV_TPL_NAME && !prov_tpl_has_key(variables, piece) &&
            (name.p == NULL || prov_span_eq(piece, name)))
            return true;
    }
    return false;
}

/* A resource may be called like a function; its content tells. */
static bool is_fn(const cJSON *v, enum prov_tpl_fn fn)
{
    return prov_tpl_fn_of(v) == fn && !cJSON_IsObject(v->child);
}

/* Does the value depend on that parameter; on any, when name.p is NULL? */
static bool depends(const cJSON *v, struct prov_span name)
{
    const cJSON *variables, *text, *m;

    if (is_fn(v, PROV_TPL_REF))
        return name.p == NULL || prov_span_eq_str(name, v->child->valuestring);
    if (is_fn(v, PROV_TPL_SUB)) {
        text = sub_text(v->child, &variables);
        if (text_names(text, variables, name))
            return true;
    }
    cJSON_ArrayForEach(m, v)
    {
        if (depends(m, name))
            return true;
    }
    return false;
}

/* May the map be looked into? A map that is computed may be any. */
static bool looks_into(const cJSON *v, const char *map)
{
    const cJSON *m;

    if (is_fn(v, PROV_TPL_FIND_IN_MAP) &&
        (!cJSON_IsString(v->child->child) || strcmp(v->child->child->valuestring, map) == 0))
        return true;
    cJSON_ArrayForEach(m, v)
    {
        if (looks_into(m, map))
            return true;
    }
    return false;
}

static void warn_unused_params(const struct linting *l)
{
    const struct prov_json_path at = { .key = "Parameters" };
    struct prov_json_path here = { .up = &at };
    const cJSON *m;

    cJSON_ArrayForEach(m, l->tpl->params)
    {
        const struct prov_span name = prov_span_str(m->string);

        here.key = m->string;
        if (depends(l->tpl->resources, name) || depends(l->tpl->config, name) ||
            prov_span_eq_str(name, PROV_PARAM_CERTIFICATE_ID))
            continue;
        warn(l, UNUSED_PARAMETER, &here, "this parameter is never used%s",
             prov_tpl_get(m, "Default") != NULL ? ""
             : l->tpl->type == PROV_TEMPLATE_JITP
                 ? ", and a certificate without it is refused all the same"
                 : ", and a device that does not give it is refused all the same");
    }
}

static void warn_unused_maps(const struct linting *l)
{
    const struct prov_json_path at = { .key = "Mappings" };
    struct prov_json_path here = { .up = &at };
    const cJSON *m;

    cJSON_ArrayForEach(m, l->tpl->mappings)
    {
        here.key = m->string;
        if (!looks_into(l->tpl->resources, m->string) && !looks_into(l->tpl->config, m->string))
            warn(l, UNUSED_MAP, &here, "nothing looks into this map");
    }
}

/* ---- Fn::Sub --------------------------------------------------------------------------------- */

static void warn_unused_variables(const struct linting *l, const cJSON *text,
                                  const cJSON *variables, const struct prov_json_path *at)
{
    const struct prov_json_path second = { .up = at, .index = 1 };
    struct prov_json_path here = { .up = &second };
    const cJSON *m;

    cJSON_ArrayForEach(m, variables)
    {
        here.key = m->string;
        if (!text_names(text, NULL, prov_span_str(m->string)))
            warn(l, UNUSED_VARIABLE, &here, "the text does not use this variable");
    }
}

/* A "${Name}" that stays as it is, where Name is a parameter. */
static void warn_literal(const struct linting *l, const cJSON *string,
                         const struct prov_json_path *at)
{
    struct prov_span left = prov_span_str(string->valuestring), piece;
    enum prov_tpl_piece kind;
    char shown[PROV_TPL_SHOWN];

    while ((kind = prov_tpl_sub_next(&left, &piece)) == PROV_TPL_TEXT || kind == PROV_TPL_NAME) {
        if (kind == PROV_TPL_NAME && (prov_tpl_has_key(l->tpl->params, piece) ||
                                      prov_span_eq_str(piece, PROV_PARAM_CERTIFICATE_ID))) {
            warn(l, LITERAL_VARIABLE, at, "\"${%s}\" stays as it is: only Fn::Sub replaces it",
                 prov_tpl_show(piece, shown));
            return;
        }
    }
}

static void walk_members(const struct linting *l, const cJSON *v, const struct prov_json_path *at);

static void walk_sub(const struct linting *l, const cJSON *sub, const struct prov_json_path *at)
{
    const struct prov_json_path second = { .up = at, .index = 1 };
    const cJSON *variables, *text = sub_text(sub, &variables);

    warn_unused_variables(l, text, variables, at);
    walk_members(l, variables, &second);
}

static void walk(const struct linting *l, const cJSON *v, const struct prov_json_path *at)
{
    const struct prov_json_path here = { .up = at, .key = prov_tpl_fn_name(PROV_TPL_SUB) };

    if (cJSON_IsString(v))
        warn_literal(l, v, at);
    else if (is_fn(v, PROV_TPL_SUB))
        walk_sub(l, v->child, &here);
    else
        walk_members(l, v, at);
}

static void walk_members(const struct linting *l, const cJSON *v, const struct prov_json_path *at)
{
    struct prov_json_path here = { .up = at };
    const cJSON *m;

    cJSON_ArrayForEach(m, v)
    {
        here.key = m->string;
        walk(l, m, &here);
        here.index++;
    }
}

static void warn_literals(const struct linting *l)
{
    const struct prov_json_path resources = { .key = "Resources" };
    const struct prov_json_path config = { .key = "DeviceConfiguration" };

    walk_members(l, l->tpl->resources, &resources);
    walk_members(l, l->tpl->config, &config);
}

/* ---- resources ------------------------------------------------------------------------------- */

/* Properties and settings that do not do what they seem to. */
static void warn_idle(const struct linting *l, const cJSON *resource,
                      const struct prov_json_path *at)
{
    static const char *const idle[] = { "PackageVersions", "DependsOn" };
    const struct prov_json_path props_at = { .up = at, .key = "Properties" };
    const struct prov_json_path settings_at = { .up = at, .key = "OverrideSettings" };
    const cJSON *props = prov_tpl_get(resource, "Properties"), *m;
    struct prov_json_path here = { .up = &settings_at };

    for (size_t i = 0; i < PROV_COUNT(idle); i++) {
        const cJSON *of = i == 0 ? props : resource;
        const struct prov_json_path idle_at = { .up = i == 0 ? &props_at : at, .key = idle[i] };

        if (prov_tpl_get(of, idle[i]) != NULL)
            warn(l, NO_EFFECT, &idle_at, "this has no effect here");
    }
    cJSON_ArrayForEach(m, prov_tpl_get(resource, "OverrideSettings"))
    {
        const char *property = prov_tpl_overridden(resource, m->string);

        here.key = m->string;
        /* a certificate's Status has a default, so it can be overridden unsaid */
        if (prov_tpl_get(props, property) == NULL && strcmp(property, "Status") != 0)
            warn(l, NO_EFFECT, &here, "no effect: the Properties have no %s", property);
    }
}

static void warn_thing(const struct linting *l, const cJSON *props, const struct prov_json_path *at)
{
    const struct prov_json_path here = { .up = at, .key = "ThingName" };

    if (!depends(prov_tpl_get(props, "ThingName"), prov_span(NULL, 0)))
        warn(l, SAME_THING, &here, "every device gets this name, so all of them are one thing");
}

static void warn_certificate(const struct linting *l, const cJSON *props,
                             const struct prov_json_path *at)
{
    const struct prov_json_path status_at = { .up = at, .key = "Status" };
    const struct prov_json_path id_at = { .up = at, .key = "CertificateId" };
    const cJSON *status = prov_tpl_get(props, "Status"), *id = prov_tpl_get(props, "CertificateId");

    if (cJSON_IsString(status) &&
        prov_span_eq_nocase(prov_span_str(status->valuestring), PROV_LIT("INACTIVE")))
        warn(l, INACTIVE, &status_at, "no device gets in until somebody activates its certificate");
    if (!depends(id, PROV_LIT(PROV_PARAM_CERTIFICATE_ID)))
        warn(l, CERTIFICATE_ID, &id_at,
             "this must come to the id of the device's own certificate, or every device fails");
}

/* What a device needs to get in, and to be allowed anything. */
static void warn_lacking(const struct linting *l, const size_t seen[static PROV_TPL_KINDS],
                         bool groups)
{
    const struct prov_json_path at = { .key = "Resources" };

    if (seen[PROV_TPL_CERTIFICATE] == 0)
        warn(l, NO_CERTIFICATE, &at,
             "no certificate resource: nothing activates the device's, so the device does not get "
             "in");
    if (seen[PROV_TPL_POLICY] == 0 && !groups)
        warn(l, NO_POLICY, &at, "no policy and no thing group: the device may not even connect");
}

static void warn_resources(const struct linting *l)
{
    static void (*const calls[])(const struct linting *l, const cJSON *props,
                                 const struct prov_json_path *at) = {
        [PROV_TPL_THING] = warn_thing,
        [PROV_TPL_CERTIFICATE] = warn_certificate,
        [PROV_TPL_POLICY] = NULL,
    };
    const struct prov_json_path at = { .key = "Resources" };
    struct prov_json_path here = { .up = &at };
    const struct prov_json_path props_at = { .up = &here, .key = "Properties" };
    size_t seen[PROV_TPL_KINDS] = { 0 };
    bool groups = false;
    const cJSON *m;

    cJSON_ArrayForEach(m, l->tpl->resources)
    {
        const enum prov_tpl_kind kind = prov_tpl_kind_of(m);
        const cJSON *props = prov_tpl_get(m, "Properties");

        here.key = m->string;
        seen[kind]++;
        groups = groups || prov_tpl_get(props, "ThingGroups") != NULL;
        if (calls[kind] != NULL)
            calls[kind](l, props, &props_at);
        warn_idle(l, m, &here);
    }
    warn_lacking(l, seen, groups);
}

/* ---- the whole ------------------------------------------------------------------------------- */

static bool earlier(const struct prov_template_remark *a, const struct prov_template_remark *b)
{
    if (a->what.line != b->what.line)
        return a->what.line < b->what.line;
    return a->what.col < b->what.col;
}

/* By insertion: there are few, and those of one place keep their order. */
static void sort(struct prov_template_lint *lint)
{
    struct prov_template_remark moved;
    size_t to;

    for (size_t i = 1; i < lint->n; i++) {
        moved = lint->v[i];
        for (to = i; to > 0 && earlier(&moved, &lint->v[to - 1]); to--)
            lint->v[to] = lint->v[to - 1];
        lint->v[to] = moved;
    }
}

enum prov_rc prov_template_lint(struct prov_span json, enum prov_template_type type,
                                struct prov_template_lint *out)
{
    struct prov_tpl_report report = { .lint = out };
    struct linting l = { .out = out };
    struct prov_template *tpl;
    enum prov_rc rc;

    out->n = out->mistakes = out->warnings = 0;
    rc = prov_tpl_parse(json, type, &report, &tpl);
    if (rc == PROV_OK) {
        l.tpl = tpl;
        warn_unused_params(&l);
        warn_unused_maps(&l);
        warn_literals(&l);
        warn_resources(&l);
    }
    prov_template_free(tpl);
    sort(out);
    return rc;
}
