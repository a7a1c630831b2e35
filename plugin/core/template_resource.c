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

static enum prov_rc check_property(const struct prov_tpl_check *ck, enum shape shape,
                                   const cJSON *v, const struct prov_json_path *at)
{
    switch (shape) {
    case STRING:
        return prov_tpl_check_value(ck, v, at, PROV_TPL_STRING);
    case STRINGS:
        return prov_tpl_check_value(ck, v, at, PROV_TPL_LIST);
    case MAP:
        return prov_tpl_check_map(ck, v, at);
    case DOCUMENT:
        return prov_tpl_check_document(ck, v, at);
    case ELSEWHERE:
        break;
    }
    return prov_tpl_fail(ck->tpl, ck->err, at,
                         "%s belongs to single-thing and bulk registration; in a %s template the "
                         "certificate exists already and is named by CertificateId",
                         at->key, prov_template_type_name(ck->tpl->type));
}

static enum prov_rc check_policy_form(const struct prov_tpl_check *ck, const cJSON *props,
                                      const struct prov_json_path *at)
{
    const bool named = prov_tpl_get(props, "PolicyName") != NULL;
    const bool written = prov_tpl_get(props, "PolicyDocument") != NULL;

    if (named && written)
        return prov_tpl_fail(ck->tpl, ck->err, at,
                             "PolicyName and PolicyDocument exclude each other");
    if (!named && !written)
        return prov_tpl_fail(ck->tpl, ck->err, at,
                             "Neither policyName nor policyDocument is present");
    return PROV_OK;
}

/* A certificate named by anything else would be another device's. */
static enum prov_rc check_jitp_certificate(const struct prov_tpl_check *ck, const cJSON *props,
                                           const struct prov_json_path *at)
{
    const struct prov_json_path here = { .up = at, .key = "CertificateId" };
    const cJSON *ref = prov_tpl_get(prov_tpl_get(props, "CertificateId"), "Ref");

    if (ref != NULL && strcmp(ref->valuestring, PROV_PARAM_CERTIFICATE_ID) == 0)
        return PROV_OK;
    return prov_tpl_fail(ck->tpl, ck->err, &here,
                         "in a JITP template CertificateId must be {\"Ref\": \"%s\"}",
                         PROV_PARAM_CERTIFICATE_ID);
}

static enum prov_rc check_properties(const struct prov_tpl_check *ck, enum prov_tpl_kind kind,
                                     const cJSON *props, const struct prov_json_path *at)
{
    const char *legal[MAX_PROPERTIES];
    struct prov_json_path here = { .up = at };
    enum prov_rc rc;
    const cJSON *m;
    size_t n = 0;

    for (; n < MAX_PROPERTIES && kinds[kind].properties[n].name != NULL; n++)
        legal[n] = kinds[kind].properties[n].name;
    if (!cJSON_IsObject(props))
        return prov_tpl_fail(ck->tpl, ck->err, at, "a resource needs Properties, an object");
    rc = prov_tpl_check_keys(ck, props, at, "property", legal, n);
    cJSON_ArrayForEach(m, props)
    {
        here.key = m->string;
        if (rc == PROV_OK)
            rc = check_property(ck, find_property(kind, m->string)->shape, m, &here);
    }
    if (rc != PROV_OK)
        return rc;
    if (kind == PROV_TPL_POLICY)
        return check_policy_form(ck, props, at);
    if (prov_tpl_get(props, kinds[kind].required) == NULL)
        return prov_tpl_fail(ck->tpl, ck->err, at, "%s is missing", kinds[kind].required);
    if (kind == PROV_TPL_CERTIFICATE && ck->tpl->type == PROV_TEMPLATE_JITP)
        return check_jitp_certificate(ck, props, at);
    return PROV_OK;
}

static enum prov_rc check_setting(const struct prov_tpl_check *ck, enum prov_tpl_kind kind,
                                  const cJSON *settings, const cJSON *setting,
                                  const struct prov_json_path *at)
{
    const struct property *p = kinds[kind].properties, *found = NULL;
    const char *legal[2 * MAX_PROPERTIES];
    size_t n = 0;

    for (size_t i = 0; i < MAX_PROPERTIES && p[i].name != NULL; i++) {
        if (p[i].settings == 0)
            continue;
        legal[n++] = p[i].name;
        legal[n++] = p[i].listed_name;
        if (strcmp(at->key, p[i].name) == 0 || strcmp(at->key, p[i].listed_name) == 0)
            found = &p[i];
    }
    if (found == NULL)
        return prov_tpl_fail(ck->tpl, ck->err, at,
                             "nothing to override; the nearest legal one is \"%s\"",
                             prov_tpl_nearest(at->key, legal, n));
    if (strcmp(at->key, found->name) != 0 && prov_tpl_get(settings, found->name) != NULL)
        return prov_tpl_fail(ck->tpl, ck->err, at, "given as %s already", found->name);
    /* an unknown word is PROV_OVERRIDE_DEFAULT, which no property allows */
    if ((found->settings & SETTING(setting_of(setting))) == 0)
        return prov_tpl_fail(ck->tpl, ck->err, at, "must be DO_NOTHING, REPLACE%s",
                             found->settings == ALL_SETTINGS ? ", FAIL or MERGE" : " or FAIL");
    return PROV_OK;
}

static enum prov_rc check_settings(const struct prov_tpl_check *ck, enum prov_tpl_kind kind,
                                   const cJSON *settings, const struct prov_json_path *at)
{
    struct prov_json_path here = { .up = at };
    enum prov_rc rc = PROV_OK;
    const cJSON *m;

    if (settings == NULL)
        return PROV_OK;
    if (kind == PROV_TPL_POLICY)
        return prov_tpl_fail(ck->tpl, ck->err, at, "a policy has nothing to override");
    rc = prov_tpl_need_object(ck, settings, at);
    cJSON_ArrayForEach(m, settings)
    {
        here.key = m->string;
        if (rc == PROV_OK)
            rc = check_setting(ck, kind, settings, m, &here);
    }
    return rc;
}

/* Nothing follows from DependsOn, so its names are not looked up. */
static enum prov_rc check_depends(const struct prov_tpl_check *ck, const cJSON *depends,
                                  const struct prov_json_path *at)
{
    if (depends == NULL || prov_tpl_is_plain(depends))
        return PROV_OK;
    return prov_tpl_fail(ck->tpl, ck->err, at, "must be a string or a list of strings");
}

static enum prov_rc check_kind(const struct prov_tpl_check *ck, const cJSON *resource,
                               const struct prov_json_path *at)
{
    const struct prov_json_path here = { .up = at, .key = "Type" };
    const cJSON *type = prov_tpl_get(resource, "Type");
    const char *legal[PROV_TPL_KINDS];

    if (!cJSON_IsString(type))
        return prov_tpl_fail(ck->tpl, ck->err, &here, "a resource needs a Type, a string");
    for (size_t i = 0; i < PROV_TPL_KINDS; i++) {
        legal[i] = kinds[i].type;
        if (strcmp(type->valuestring, legal[i]) == 0)
            return PROV_OK;
    }
    return prov_tpl_fail(ck->tpl, ck->err, &here,
                         "unknown resource type; the nearest legal one is \"%s\"",
                         prov_tpl_nearest(type->valuestring, legal, PROV_COUNT(legal)));
}

static enum prov_rc check_resource(const struct prov_tpl_check *ck, const cJSON *resource,
                                   const struct prov_json_path *at)
{
    static const char *const legal[] = { "Type", "Properties", "OverrideSettings", "DependsOn" };
    const struct prov_json_path props_at = { .up = at, .key = "Properties" };
    const struct prov_json_path settings_at = { .up = at, .key = "OverrideSettings" };
    const struct prov_json_path depends_at = { .up = at, .key = "DependsOn" };
    struct prov_tpl_check in = *ck;
    enum prov_tpl_kind kind;
    enum prov_rc rc;

    rc = prov_tpl_need_object(ck, resource, at);
    if (rc == PROV_OK)
        rc = prov_tpl_check_keys(ck, resource, at, "key", legal, PROV_COUNT(legal));
    if (rc == PROV_OK)
        rc = check_kind(ck, resource, at);
    if (rc != PROV_OK)
        return rc;
    kind = prov_tpl_kind_of(resource);
    in.in_policy = kind == PROV_TPL_POLICY;
    rc = check_properties(&in, kind, prov_tpl_get(resource, "Properties"), &props_at);
    if (rc == PROV_OK)
        rc = check_settings(ck, kind, prov_tpl_get(resource, "OverrideSettings"), &settings_at);
    if (rc == PROV_OK)
        rc = check_depends(ck, prov_tpl_get(resource, "DependsOn"), &depends_at);
    return rc;
}

enum prov_rc prov_tpl_check_resources(const struct prov_tpl_check *ck, const cJSON *resources,
                                      const struct prov_json_path *at)
{
    size_t seen[PROV_TPL_KINDS] = { 0 };
    struct prov_json_path here = { .up = at };
    enum prov_rc rc = prov_tpl_need_object(ck, resources, at);
    enum prov_tpl_kind kind;
    const cJSON *m;

    cJSON_ArrayForEach(m, resources)
    {
        here.key = m->string;
        if (rc == PROV_OK)
            rc = check_resource(ck, m, &here);
        if (rc != PROV_OK)
            return rc;
        kind = prov_tpl_kind_of(m);
        if (++seen[kind] > kinds[kind].most)
            return prov_tpl_fail(
                ck->tpl, ck->err, &here, "a template has at most %zu resource%s of type %s",
                kinds[kind].most, kinds[kind].most == 1 ? "" : "s", kinds[kind].type);
    }
    if (rc == PROV_OK && resources->child == NULL)
        return prov_tpl_fail(ck->tpl, ck->err, at, "no resource is declared");
    if (seen[PROV_TPL_POLICY] != 0 && seen[PROV_TPL_CERTIFICATE] == 0)
        return prov_tpl_fail(ck->tpl, ck->err, at,
                             "a policy needs a certificate resource to be attached to");
    return rc;
}
