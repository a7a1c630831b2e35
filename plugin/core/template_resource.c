#include "template_priv.h"

#include "limits.h"

enum shape { STRING, STRINGS, MAP, DOCUMENT, ELSEWHERE };

#define SETTING(s) (1u << (s))
#define NO_MERGE (SETTING(PROV_DO_NOTHING) | SETTING(PROV_REPLACE) | SETTING(PROV_FAIL))
#define ALL_SETTINGS (NO_MERGE | SETTING(PROV_MERGE))

#define MAX_PROPERTIES 6

struct property {
    const char *name; /* NULL: no more */
    enum shape shape;
    const char *listed_name; /* in OverrideSettings, as the documentation lists it (2.5) */
    unsigned settings;       /* legal ones; none: not in OverrideSettings */
};

static const struct {
    const char *type;
    size_t most; /* of them in a template */
    const char *required;
    struct property properties[MAX_PROPERTIES];
} kinds[] = {
    [PROV_TPL_THING] = { "AWS::IoT::Thing",
                         1,
                         "ThingName",
                         {
                             { "ThingName", STRING, NULL, 0 },
                             { "AttributePayload", MAP, "ATTRIBUTE_PAYLOAD", ALL_SETTINGS },
                             { "ThingTypeName", STRING, "THING_TYPE_NAME", NO_MERGE },
                             { "ThingGroups", STRINGS, "THING_GROUPS", ALL_SETTINGS },
                             { "BillingGroup", STRING, "BILLING_GROUP", NO_MERGE },
                             { "PackageVersions", MAP, NULL, 0 },
                         } },
    [PROV_TPL_CERTIFICATE] = { "AWS::IoT::Certificate",
                               1,
                               "CertificateId",
                               {
                                   { "CertificateId", STRING, NULL, 0 },
                                   { "Status", STRING, "Status", NO_MERGE },
                                   { "ThingPrincipalType", STRING, NULL, 0 },
                                   { "CertificateSigningRequest", ELSEWHERE, NULL, 0 },
                                   { "CertificatePem", ELSEWHERE, NULL, 0 },
                                   { "CACertificatePem", ELSEWHERE, NULL, 0 },
                               } },
    [PROV_TPL_POLICY] = { "AWS::IoT::Policy",
                          PROV_MAX_CERT_POLICIES,
                          NULL,
                          {
                              { "PolicyName", STRING, NULL, 0 },
                              { "PolicyDocument", DOCUMENT, NULL, 0 },
                          } },
};
_Static_assert(PROV_COUNT(kinds) == PROV_TPL_KINDS, "a kind was added without a row");

static const char *const setting_names[] = {
    [PROV_DO_NOTHING] = "DO_NOTHING",
    [PROV_REPLACE] = "REPLACE",
    [PROV_FAIL] = "FAIL",
    [PROV_MERGE] = "MERGE",
};

/* PROV_OVERRIDE_DEFAULT when it is none. */
static enum prov_override setting_of(const cJSON *v)
{
    for (size_t i = PROV_DO_NOTHING; cJSON_IsString(v) && i < PROV_COUNT(setting_names); i++) {
        if (strcmp(v->valuestring, setting_names[i]) == 0)
            return (enum prov_override)i;
    }
    return PROV_OVERRIDE_DEFAULT;
}

static const struct property *find_property(enum prov_tpl_kind kind, const char *name)
{
    const struct property *p = kinds[kind].properties;

    for (size_t i = 0; i < MAX_PROPERTIES && p[i].name != NULL; i++) {
        if (strcmp(p[i].name, name) == 0)
            return &p[i];
    }
    return NULL;
}

enum prov_tpl_kind prov_tpl_kind_of(const cJSON *resource)
{
    const cJSON *type = prov_tpl_get(resource, "Type");
    size_t kind = 0;

    while (kind + 1 < PROV_TPL_KINDS && strcmp(type->valuestring, kinds[kind].type) != 0)
        kind++;
    return (enum prov_tpl_kind)kind;
}

enum prov_override prov_tpl_override(const cJSON *resource, const char *property)
{
    const struct property *p = find_property(prov_tpl_kind_of(resource), property);
    const cJSON *settings = prov_tpl_get(resource, "OverrideSettings");
    const cJSON *v = prov_tpl_get(settings, p->name);

    return setting_of(v != NULL ? v : prov_tpl_get(settings, p->listed_name));
}

const char *prov_tpl_overridden(const cJSON *resource, const char *setting)
{
    const struct property *p = kinds[prov_tpl_kind_of(resource)].properties;

    for (size_t i = 0; i < MAX_PROPERTIES && p[i].name != NULL; i++) {
        if (p[i].listed_name != NULL && strcmp(p[i].listed_name, setting) == 0)
            return p[i].name;
    }
    return setting;
}

/* ---- properties ------------------------------------------------------------------------------ */

static void check_property(const struct prov_tpl_check *ck, enum shape shape, const cJSON *v,
                           const struct prov_json_path *at)
{
    const size_t before = ck->report->mistakes;

    switch (shape) {
    case STRING:
        prov_tpl_check_value(ck, v, at, PROV_TPL_STRING);
        break;
    case STRINGS:
        prov_tpl_check_value(ck, v, at, PROV_TPL_LIST);
        break;
    case MAP: /* spoiled entry by entry */
        prov_tpl_check_map(ck, v, at);
        return;
    case DOCUMENT:
        prov_tpl_check_document(ck, v, at);
        break;
    case ELSEWHERE:
        prov_tpl_wrong(ck, at,
                       "%s belongs to single-thing and bulk registration; in a %s template the "
                       "certificate exists already and is named by CertificateId",
                       at->key, prov_template_type_name(ck->tpl->type));
        break;
    }
    prov_tpl_spoiled(ck, before, v);
}

static void check_policy_form(const struct prov_tpl_check *ck, const cJSON *props,
                              const struct prov_json_path *at)
{
    const bool named = prov_tpl_get(props, "PolicyName") != NULL;
    const bool written = prov_tpl_get(props, "PolicyDocument") != NULL;

    if (named && written)
        prov_tpl_wrong(ck, at, "PolicyName and PolicyDocument exclude each other");
    if (!named && !written)
        prov_tpl_wrong(ck, at, "Neither policyName nor policyDocument is present");
}

/* A certificate named by anything else would be another device's. */
static void check_jitp_certificate(const struct prov_tpl_check *ck, const cJSON *id,
                                   const struct prov_json_path *at)
{
    const struct prov_json_path here = { .up = at, .key = "CertificateId" };
    const cJSON *ref = prov_tpl_get(id, "Ref");

    if (cJSON_IsString(ref) && strcmp(ref->valuestring, PROV_PARAM_CERTIFICATE_ID) == 0)
        return;
    prov_tpl_wrong(ck, &here, "in a JITP template CertificateId must be {\"Ref\": \"%s\"}",
                   PROV_PARAM_CERTIFICATE_ID);
}

/* What the properties must be as a whole. */
static void check_together(const struct prov_tpl_check *ck, enum prov_tpl_kind kind,
                           const cJSON *props, const struct prov_json_path *at)
{
    const cJSON *required;

    if (kind == PROV_TPL_POLICY) {
        check_policy_form(ck, props, at);
        return;
    }
    required = prov_tpl_get(props, kinds[kind].required);
    if (required == NULL)
        prov_tpl_wrong(ck, at, "%s is missing", kinds[kind].required);
    else if (kind == PROV_TPL_CERTIFICATE && ck->tpl->type == PROV_TEMPLATE_JITP &&
             prov_tpl_sound(ck->report, required))
        check_jitp_certificate(ck, required, at);
}

static void check_properties(const struct prov_tpl_check *ck, enum prov_tpl_kind kind,
                             const cJSON *props, const struct prov_json_path *at)
{
    const char *legal[MAX_PROPERTIES];
    struct prov_json_path here = { .up = at };
    const struct property *property;
    const cJSON *m;
    size_t n = 0;

    for (; n < MAX_PROPERTIES && kinds[kind].properties[n].name != NULL; n++)
        legal[n] = kinds[kind].properties[n].name;
    if (!cJSON_IsObject(props)) {
        prov_tpl_wrong(ck, at, "a resource needs Properties, an object");
        return;
    }
    prov_tpl_check_keys(ck, props, at, "property", legal, n);
    cJSON_ArrayForEach(m, props)
    {
        here.key = m->string;
        property = find_property(kind, m->string);
        if (property != NULL)
            check_property(ck, property->shape, m, &here);
    }
    check_together(ck, kind, props, at);
}

/* ---- OverrideSettings ------------------------------------------------------------------------ */

static void check_setting(const struct prov_tpl_check *ck, enum prov_tpl_kind kind,
                          const cJSON *settings, const cJSON *setting,
                          const struct prov_json_path *at)
{
    const struct property *p = kinds[kind].properties, *found = NULL;
    const char *legal[2 * MAX_PROPERTIES];
    char shown[PROV_TPL_SHOWN] = "this";
    size_t n = 0;

    for (size_t i = 0; i < MAX_PROPERTIES && p[i].name != NULL; i++) {
        if (p[i].settings == 0)
            continue;
        legal[n++] = p[i].name;
        if (strcmp(p[i].name, p[i].listed_name) != 0)
            legal[n++] = p[i].listed_name;
        if (strcmp(at->key, p[i].name) == 0 || strcmp(at->key, p[i].listed_name) == 0)
            found = &p[i];
    }
    if (found == NULL) {
        prov_tpl_unknown(ck, at, "setting", at->key, legal, n);
        return;
    }
    if (strcmp(at->key, found->name) != 0 && prov_tpl_get(settings, found->name) != NULL)
        prov_tpl_wrong(ck, at, "given as %s already", found->name);
    /* an unknown word is PROV_OVERRIDE_DEFAULT, which no property allows */
    if ((found->settings & SETTING(setting_of(setting))) != 0)
        return;
    if (cJSON_IsString(setting))
        prov_tpl_show(prov_span_str(setting->valuestring), shown);
    prov_tpl_wrong(ck, at, "%s is no setting of %s: it must be DO_NOTHING, REPLACE%s", shown,
                   found->name, found->settings == ALL_SETTINGS ? ", FAIL or MERGE" : " or FAIL");
}

static void check_settings(const struct prov_tpl_check *ck, enum prov_tpl_kind kind,
                           const cJSON *settings, const struct prov_json_path *at)
{
    struct prov_json_path here = { .up = at };
    const cJSON *m;

    if (settings == NULL)
        return;
    if (kind == PROV_TPL_POLICY) {
        prov_tpl_wrong(ck, at, "a policy has nothing to override");
        return;
    }
    if (!prov_tpl_need_object(ck, settings, at))
        return;
    cJSON_ArrayForEach(m, settings)
    {
        here.key = m->string;
        check_setting(ck, kind, settings, m, &here);
    }
}

/* ---- resources ------------------------------------------------------------------------------- */

/* Nothing follows from DependsOn, so its names are not looked up. */
static void check_depends(const struct prov_tpl_check *ck, const cJSON *depends,
                          const struct prov_json_path *at)
{
    if (depends != NULL && !prov_tpl_is_plain(depends))
        prov_tpl_wrong(ck, at, "must be a string or a list of strings");
}

static bool check_kind(const struct prov_tpl_check *ck, const cJSON *resource,
                       const struct prov_json_path *at)
{
    const struct prov_json_path here = { .up = at, .key = "Type" };
    const cJSON *type = prov_tpl_get(resource, "Type");
    const char *legal[PROV_TPL_KINDS];

    if (!cJSON_IsString(type)) {
        prov_tpl_wrong(ck, &here, "a resource needs a Type, a string");
        return false;
    }
    for (size_t i = 0; i < PROV_TPL_KINDS; i++) {
        legal[i] = kinds[i].type;
        if (strcmp(type->valuestring, legal[i]) == 0)
            return true;
    }
    prov_tpl_unknown(ck, &here, "resource type", type->valuestring, legal, PROV_COUNT(legal));
    return false;
}

/* Its kind, or PROV_TPL_KINDS where that cannot be told. */
static enum prov_tpl_kind check_resource(const struct prov_tpl_check *ck, const cJSON *resource,
                                         const struct prov_json_path *at)
{
    static const char *const legal[] = { "Type", "Properties", "OverrideSettings", "DependsOn" };
    const struct prov_json_path props_at = { .up = at, .key = "Properties" };
    const struct prov_json_path settings_at = { .up = at, .key = "OverrideSettings" };
    const struct prov_json_path depends_at = { .up = at, .key = "DependsOn" };
    struct prov_tpl_check in = *ck;
    enum prov_tpl_kind kind;

    if (!prov_tpl_need_object(ck, resource, at))
        return PROV_TPL_KINDS;
    prov_tpl_check_keys(ck, resource, at, "key", legal, PROV_COUNT(legal));
    check_depends(ck, prov_tpl_get(resource, "DependsOn"), &depends_at);
    if (!check_kind(ck, resource, at))
        return PROV_TPL_KINDS;
    kind = prov_tpl_kind_of(resource);
    in.in_policy = kind == PROV_TPL_POLICY;
    check_properties(&in, kind, prov_tpl_get(resource, "Properties"), &props_at);
    check_settings(ck, kind, prov_tpl_get(resource, "OverrideSettings"), &settings_at);
    return kind;
}

void prov_tpl_check_resources(const struct prov_tpl_check *ck, const cJSON *resources,
                              const struct prov_json_path *at)
{
    size_t seen[PROV_TPL_KINDS + 1] = { 0 };
    struct prov_json_path here = { .up = at };
    const cJSON *m;

    if (!prov_tpl_need_object(ck, resources, at))
        return;
    cJSON_ArrayForEach(m, resources)
    {
        const size_t before = ck->report->mistakes;
        enum prov_tpl_kind kind;

        here.key = m->string;
        kind = check_resource(ck, m, &here);
        if (kind == PROV_TPL_KINDS) {
            prov_tpl_spoiled(ck, before, m);
        } else if (++seen[kind] > kinds[kind].most) {
            prov_tpl_wrong(ck, &here, "a template has at most %zu resource%s of type %s",
                           kinds[kind].most, kinds[kind].most == 1 ? "" : "s", kinds[kind].type);
            prov_tpl_spoiled(ck, before, m);
        }
        seen[PROV_TPL_KINDS] += kind == PROV_TPL_KINDS;
    }
    if (resources->child == NULL)
        prov_tpl_wrong(ck, at, "no resource is declared");
    if (seen[PROV_TPL_POLICY] != 0 && seen[PROV_TPL_CERTIFICATE] == 0 && seen[PROV_TPL_KINDS] == 0)
        prov_tpl_wrong(ck, at, "a policy needs a certificate resource to be attached to");
}
