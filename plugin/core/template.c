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

static bool is_builtin(const char *name, const char *builtins[static PROV_BUILTIN_PARAMS])
{
    bool found = false;

    for (size_t i = 0; i < PROV_BUILTIN_PARAMS; i++) {
        builtins[i] = prov_tpl_builtin(i);
        found = found || strcmp(name, builtins[i]) == 0;
    }
    return found;
}

/* Only JITP fills more than the id; left open in a fleet template the device itself could. */
static enum prov_rc check_param_name(const struct prov_tpl_check *ck, const char *name,
                                     const struct prov_json_path *at)
{
    const bool jitp = ck->tpl->type == PROV_TEMPLATE_JITP;
    const char *builtins[PROV_BUILTIN_PARAMS];
    const bool builtin = is_builtin(name, builtins);
    const size_t n = strlen(name);

    if (n == 0 || n > PROV_MAX_PARAM_NAME)
        return prov_tpl_fail(ck->tpl, ck->err, at,
                             "a parameter's name has 1 to %d bytes; this one has %zu",
                             PROV_MAX_PARAM_NAME, n);
    if (builtin && !jitp && strcmp(name, PROV_PARAM_CERTIFICATE_ID) != 0)
        return prov_tpl_fail(ck->tpl, ck->err, at, "%s is filled for JITP templates only", name);
    if (builtin)
        return PROV_OK;
    if (jitp)
        return prov_tpl_fail(ck->tpl, ck->err, at,
                             "a JITP template has built-in parameters only; the nearest is \"%s\"",
                             prov_tpl_nearest(name, builtins, PROV_COUNT(builtins)));
    if (prov_span_starts(prov_span_str(name), PROV_LIT("AWS::")))
        return prov_tpl_fail(ck->tpl, ck->err, at,
                             "names that begin with AWS:: are kept for built-in parameters");
    return PROV_OK;
}

static enum prov_rc check_param(const struct prov_tpl_check *ck, const cJSON *param,
                                const struct prov_json_path *at)
{
    static const char *const legal[] = { "Type", "Default" };
    const struct prov_json_path type_at = { .up = at, .key = "Type" };
    const struct prov_json_path default_at = { .up = at, .key = "Default" };
    const cJSON *type = prov_tpl_get(param, "Type"), *def = prov_tpl_get(param, "Default");
    enum prov_rc rc;

    rc = check_param_name(ck, at->key, at);
    if (rc == PROV_OK)
        rc = prov_tpl_need_object(ck, param, at);
    if (rc == PROV_OK)
        rc = prov_tpl_check_keys(ck, param, at, "key", legal, PROV_COUNT(legal));
    if (rc != PROV_OK)
        return rc;
    if (!cJSON_IsString(type) || strcmp(type->valuestring, "String") != 0)
        return prov_tpl_fail(ck->tpl, ck->err, &type_at, "a parameter's Type must be \"String\"");
    if (def == NULL)
        return PROV_OK;
    if (!cJSON_IsString(def))
        return prov_tpl_fail(ck->tpl, ck->err, &default_at, "Default must be a string");
    if (strlen(def->valuestring) > PROV_MAX_PARAM_VALUE)
        return prov_tpl_fail(ck->tpl, ck->err, &default_at, "Default is longer than %d bytes",
                             PROV_MAX_PARAM_VALUE);
    return PROV_OK;
}

static enum prov_rc check_params(const struct prov_tpl_check *ck, const cJSON *params,
                                 const struct prov_json_path *at)
{
    struct prov_json_path here = { .up = at };
    enum prov_rc rc = prov_tpl_need_object(ck, params, at);
    const cJSON *m;

    cJSON_ArrayForEach(m, params)
    {
        here.key = m->string;
        if (rc == PROV_OK)
            rc = check_param(ck, m, &here);
    }
    return rc;
}

/* Two levels of keys, then values; functions are not evaluated here, so none may look like one. */
static enum prov_rc check_mapping(const struct prov_tpl_check *ck, const cJSON *v,
                                  const struct prov_json_path *at, unsigned levels)
{
    struct prov_json_path here = { .up = at };
    enum prov_rc rc = PROV_OK;
    const cJSON *m;

    if (levels == 0)
        return prov_tpl_is_plain(v)
                   ? PROV_OK
                   : prov_tpl_fail(ck->tpl, ck->err, at, "must be a string or a list of strings");
    rc = prov_tpl_need_object(ck, v, at);
    cJSON_ArrayForEach(m, v)
    {
        here.key = m->string;
        if (rc == PROV_OK && prov_tpl_is_fn_key(here.key))
            rc = prov_tpl_fail(ck->tpl, ck->err, &here, "Mappings may not hold functions");
        if (rc == PROV_OK)
            rc = check_mapping(ck, m, &here, levels - 1);
    }
    return rc;
}

static enum prov_rc check_mappings(const struct prov_tpl_check *ck, const cJSON *mappings,
                                   const struct prov_json_path *at)
{
    return check_mapping(ck, mappings, at, 3);
}

/* ---- the whole ------------------------------------------------------------------------------- */

static enum prov_rc check_section(const struct prov_tpl_check *ck, const char *name,
                                  enum prov_rc (*check)(const struct prov_tpl_check *ck,
                                                        const cJSON *section,
                                                        const struct prov_json_path *at))
{
    const struct prov_json_path at = { .key = name };
    const cJSON *section = prov_tpl_get(ck->tpl->tree, name);

    return section == NULL ? PROV_OK : check(ck, section, &at);
}

static enum prov_rc refuse_in_jitp(const struct prov_tpl_check *ck, const cJSON *section,
                                   const struct prov_json_path *at)
{
    (void)section;
    return prov_tpl_fail(ck->tpl, ck->err, at, "%s is for FLEET_PROVISIONING templates only",
                         at->key);
}

static enum prov_rc check_template(const struct prov_tpl_check *ck)
{
    static const char *const legal[] = { "Parameters", "Mappings", "Resources",
                                         "DeviceConfiguration" };
    const bool jitp = ck->tpl->type == PROV_TEMPLATE_JITP;
    enum prov_rc rc;

    rc = prov_tpl_need_object(ck, ck->tpl->tree, NULL);
    if (rc == PROV_OK)
        rc = prov_tpl_check_keys(ck, ck->tpl->tree, NULL, "section", legal, PROV_COUNT(legal));
    if (rc == PROV_OK)
        rc = check_section(ck, "Parameters", check_params);
    if (rc == PROV_OK)
        rc = check_section(ck, "Mappings", jitp ? refuse_in_jitp : check_mappings);
    if (rc == PROV_OK && ck->tpl->resources == NULL)
        rc = prov_tpl_fail(ck->tpl, ck->err, NULL, "Resources is missing");
    if (rc == PROV_OK)
        rc = check_section(ck, "Resources", prov_tpl_check_resources);
    if (rc == PROV_OK)
        rc = check_section(ck, "DeviceConfiguration", jitp ? refuse_in_jitp : prov_tpl_check_map);
    return rc;
}

static enum prov_rc keep_text(struct prov_template *tpl, struct prov_span json,
                              struct prov_err *err)
{
    uint8_t *copy = malloc(json.n);

    if (copy == NULL)
        return prov_nomem(err);
    memcpy(copy, json.p, json.n);
    tpl->text = prov_span(copy, json.n);
    return PROV_OK;
}

enum prov_rc prov_template_parse(struct prov_span json, enum prov_template_type type,
                                 struct prov_template **out, struct prov_err *err)
{
    struct prov_template *tpl;
    struct prov_tpl_check ck;
    enum prov_rc rc;

    *out = NULL;
    tpl = calloc(1, sizeof *tpl);
    if (tpl == NULL)
        return prov_nomem(err);
    tpl->type = type;
    ck = (struct prov_tpl_check){ .tpl = tpl, .err = err };
    rc = prov_json_parse(json, PROV_MAX_TEMPLATE_BODY, &tpl->tree, err);
    if (rc == PROV_OK)
        rc = keep_text(tpl, json, err);
    if (rc != PROV_OK)
        goto out;
    tpl->params = prov_tpl_get(tpl->tree, "Parameters");
    tpl->mappings = prov_tpl_get(tpl->tree, "Mappings");
    tpl->resources = prov_tpl_get(tpl->tree, "Resources");
    tpl->config = prov_tpl_get(tpl->tree, "DeviceConfiguration");
    rc = check_template(&ck);
    if (rc == PROV_OK)
        rc = prov_tpl_check_constants(tpl, err);
out:
    if (rc == PROV_OK)
        *out = tpl;
    else
        prov_template_free(tpl);
    return rc;
}

void prov_template_free(struct prov_template *tpl)
{
    if (tpl == NULL)
        return;
    cJSON_Delete(tpl->tree);
    free((void *)tpl->text.p);
    free(tpl);
}
