#include "template_priv.h"

#include <stdlib.h>

#include "limits.h"

static const char *const type_names[] = {
    [PROV_TEMPLATE_FLEET] = "FLEET_PROVISIONING",
    [PROV_TEMPLATE_JITP] = "JITP",
};

const char *prov_template_type_name(enum prov_template_type type)
{
    return type_names[type];
}

bool prov_template_type_parse(struct prov_span text, enum prov_template_type *out)
{
    for (size_t i = 0; i < PROV_COUNT(type_names); i++) {
        if (prov_span_eq_str(text, type_names[i])) {
            *out = (enum prov_template_type)i;
            return true;
        }
    }
    return false;
}

/* ---- parameters and mappings ----------------------------------------------------------------- */

/* Only JITP fills more than the id; left open in a fleet template the device itself could. */
static void check_param_name(const struct prov_tpl_check *ck, const char *name,
                             const struct prov_json_path *at)
{
    const bool jitp = ck->tpl->type == PROV_TEMPLATE_JITP;
    const size_t n = strlen(name);
    const bool builtin = prov_tpl_is_builtin(prov_span_str(name));
    bool close;

    if (n == 0 || n > PROV_MAX_PARAM_NAME)
        prov_tpl_wrong(ck, at, "a parameter's name has 1 to %d bytes; this one has %zu",
                       PROV_MAX_PARAM_NAME, n);
    else if (builtin && !jitp && strcmp(name, PROV_PARAM_CERTIFICATE_ID) != 0)
        prov_tpl_wrong(ck, at, "%s is filled for JITP templates only", name);
    else if (!builtin && jitp)
        prov_tpl_wrong(ck, at,
                       "a JITP template has built-in parameters only; the nearest is \"%s\"",
                       prov_tpl_nearest_builtin(prov_span_str(name), &close));
    else if (!builtin && prov_span_starts(prov_span_str(name), PROV_LIT("AWS::")))
        prov_tpl_wrong(ck, at, "names that begin with AWS:: are kept for built-in parameters");
}

static void check_param(const struct prov_tpl_check *ck, const cJSON *param,
                        const struct prov_json_path *at)
{
    static const char *const legal[] = { "Type", "Default" };
    const struct prov_json_path type_at = { .up = at, .key = "Type" };
    const struct prov_json_path default_at = { .up = at, .key = "Default" };
    const cJSON *type = prov_tpl_get(param, "Type"), *def = prov_tpl_get(param, "Default");

    check_param_name(ck, at->key, at);
    if (!prov_tpl_need_object(ck, param, at))
        return;
    prov_tpl_check_keys(ck, param, at, "key", legal, PROV_COUNT(legal));
    if (!cJSON_IsString(type) || strcmp(type->valuestring, "String") != 0)
        prov_tpl_wrong(ck, &type_at, "a parameter's Type must be \"String\"");
    if (def != NULL && !cJSON_IsString(def))
        prov_tpl_wrong(ck, &default_at, "Default must be a string");
    else if (def != NULL && strlen(def->valuestring) > PROV_MAX_PARAM_VALUE)
        prov_tpl_wrong(ck, &default_at, "Default is longer than %d bytes", PROV_MAX_PARAM_VALUE);
}

static void check_params(const struct prov_tpl_check *ck, const cJSON *params,
                         const struct prov_json_path *at)
{
    struct prov_json_path here = { .up = at };
    const cJSON *m;

    if (!prov_tpl_need_object(ck, params, at))
        return;
    cJSON_ArrayForEach(m, params)
    {
        here.key = m->string;
        check_param(ck, m, &here);
    }
}

/* Two levels of keys, then values; functions are not evaluated here, so none may look like one. */
static void check_mapping(const struct prov_tpl_check *ck, const cJSON *v,
                          const struct prov_json_path *at, unsigned levels)
{
    struct prov_json_path here = { .up = at };
    const cJSON *m;

    if (levels == 0) {
        if (!prov_tpl_is_plain(v))
            prov_tpl_wrong(ck, at, "must be a string or a list of strings");
        return;
    }
    if (!prov_tpl_need_object(ck, v, at))
        return;
    cJSON_ArrayForEach(m, v)
    {
        here.key = m->string;
        if (prov_tpl_is_fn_key(here.key))
            prov_tpl_wrong(ck, &here, "Mappings may not hold functions");
        else
            check_mapping(ck, m, &here, levels - 1);
    }
}

static void check_mappings(const struct prov_tpl_check *ck, const cJSON *mappings,
                           const struct prov_json_path *at)
{
    const size_t before = ck->report->mistakes;

    check_mapping(ck, mappings, at, 3);
    prov_tpl_spoiled(ck, before, mappings);
}

/* ---- the whole ------------------------------------------------------------------------------- */

static void check_section(const struct prov_tpl_check *ck, const char *name,
                          void (*check)(const struct prov_tpl_check *ck, const cJSON *section,
                                        const struct prov_json_path *at))
{
    const struct prov_json_path at = { .key = name };
    const cJSON *section = prov_tpl_get(ck->tpl->tree, name);

    if (section != NULL)
        check(ck, section, &at);
}

static void refuse_in_jitp(const struct prov_tpl_check *ck, const cJSON *section,
                           const struct prov_json_path *at)
{
    const size_t before = ck->report->mistakes;

    prov_tpl_wrong(ck, at, "%s is for FLEET_PROVISIONING templates only", at->key);
    prov_tpl_spoiled(ck, before, section);
}

static void check_template(const struct prov_tpl_check *ck)
{
    static const char *const legal[] = { "Parameters", "Mappings", "Resources",
                                         "DeviceConfiguration" };
    const bool jitp = ck->tpl->type == PROV_TEMPLATE_JITP;

    if (!prov_tpl_need_object(ck, ck->tpl->tree, NULL))
        return;
    prov_tpl_check_keys(ck, ck->tpl->tree, NULL, "section", legal, PROV_COUNT(legal));
    check_section(ck, "Parameters", check_params);
    check_section(ck, "Mappings", jitp ? refuse_in_jitp : check_mappings);
    if (prov_tpl_get(ck->tpl->tree, "Resources") == NULL)
        prov_tpl_wrong(ck, NULL, "Resources is missing");
    check_section(ck, "Resources", prov_tpl_check_resources);
    check_section(ck, "DeviceConfiguration", jitp ? refuse_in_jitp : prov_tpl_check_map);
}

/* NULL also where the section is no object, which check_template tells. */
static const cJSON *section_of(const struct prov_template *tpl, const char *name)
{
    const cJSON *section = prov_tpl_get(tpl->tree, name);

    return cJSON_IsObject(section) ? section : NULL;
}

static enum prov_rc new_template(struct prov_span json, enum prov_template_type type,
                                 struct prov_template **out, struct prov_err *err)
{
    struct prov_template *tpl = calloc(1, sizeof *tpl);
    uint8_t *copy = NULL;
    enum prov_rc rc;

    *out = tpl;
    if (tpl == NULL)
        return prov_nomem(err);
    rc = prov_json_parse(json, PROV_MAX_TEMPLATE_BODY, &tpl->tree, err);
    if (rc != PROV_OK) {
        prov_tpl_explain_json(json, err);
        return rc;
    }
    copy = malloc(json.n);
    if (copy == NULL)
        return prov_nomem(err);
    memcpy(copy, json.p, json.n);
    tpl->type = type;
    tpl->text = prov_span(copy, json.n);
    tpl->params = section_of(tpl, "Parameters");
    tpl->mappings = section_of(tpl, "Mappings");
    tpl->resources = section_of(tpl, "Resources");
    tpl->config = section_of(tpl, "DeviceConfiguration");
    return PROV_OK;
}

enum prov_rc prov_tpl_parse(struct prov_span json, enum prov_template_type type,
                            struct prov_tpl_report *report, struct prov_template **out)
{
    struct prov_template *tpl;
    struct prov_tpl_check ck = { .report = report };
    struct prov_err err;
    enum prov_rc rc;

    *out = NULL;
    rc = new_template(json, type, &tpl, &err);
    if (rc != PROV_OK) {
        prov_tpl_report(report, rc, &err);
        goto out;
    }
    ck.tpl = tpl;
    check_template(&ck);
    if (report->mistakes == 0 || report->lint != NULL)
        rc = prov_tpl_check_constants(tpl, report);
    if (rc == PROV_OK)
        rc = report->rc;
out:
    if (rc == PROV_OK)
        *out = tpl;
    else
        prov_template_free(tpl);
    return rc;
}

enum prov_rc prov_template_parse(struct prov_span json, enum prov_template_type type,
                                 struct prov_template **out, struct prov_err *err)
{
    struct prov_tpl_report report = { .err = err };

    return prov_tpl_parse(json, type, &report, out);
}

bool prov_template_declares(const struct prov_template *tpl, struct prov_span name)
{
    return prov_tpl_has_key(tpl->params, name);
}

void prov_template_free(struct prov_template *tpl)
{
    if (tpl == NULL)
        return;
    cJSON_Delete(tpl->tree);
    free((void *)tpl->text.p);
    free(tpl);
}
