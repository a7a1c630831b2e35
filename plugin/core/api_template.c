/* Provisioning templates and their versions (reference 2.9). */
#include "api_priv.h"

/* ---- templates ------------------------------------------------------------------------------- */

static enum prov_rc answer(struct prov_tx *tx, struct prov_span name, cJSON **data)
{
    struct prov_version_info version;
    struct prov_template_info info;
    enum prov_rc rc;

    rc = prov_template_get(tx, name, &info);
    if (rc == PROV_OK)
        rc = prov_template_version_get(tx, name, 0, &version);
    return rc != PROV_OK ? rc : prov_view_template(tx, &info, &version, data);
}

static enum prov_rc create(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    struct prov_template_creation creation = {
        .name = api_text(params, "templateName"),
        .description = api_text(params, "description"),
        .body = api_text(params, "templateBody"),
        .hook = api_hook(params, "preProvisioningHook"),
        .type = PROV_TEMPLATE_FLEET,
        .enabled = api_get(params, "enabled") == NULL || api_bool(params, "enabled"),
        .validity_days = api_number(params, "certificateValidityDays", 0),
        .retire_previous = api_bool(params, "retirePreviousCertificate"),
    };
    enum prov_rc rc = PROV_OK;

    if (api_get(params, "type") != NULL &&
        !prov_template_type_parse(api_text(params, "type"), &creation.type))
        rc = api_refuse(tx, "type", "must be FLEET_PROVISIONING or JITP");
    if (rc == PROV_OK)
        rc = prov_template_create(tx, &creation);
    return rc != PROV_OK ? rc : answer(tx, creation.name, data);
}

static enum prov_rc describe(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    return answer(tx, api_text(params, "templateName"), data);
}

static enum prov_rc answer_row(struct prov_tx *tx, struct prov_span name, cJSON **data)
{
    struct prov_template_info info;
    const enum prov_rc rc = prov_template_get(tx, name, &info);

    return rc != PROV_OK ? rc : prov_view_template_row(tx, &info, data);
}

static enum prov_rc check_update(struct prov_tx *tx, const cJSON *params)
{
    const enum prov_rc rc =
        api_not_both(tx, params, "preProvisioningHook", "removePreProvisioningHook");

    if (rc == PROV_OK && api_get(params, "preProvisioningHook") != NULL &&
        api_hook(params, "preProvisioningHook").n == 0)
        return api_refuse(tx, "preProvisioningHook.targetArn",
                          "is empty; removePreProvisioningHook takes the hook away");
    return rc;
}

static enum prov_rc update(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    const struct prov_span name = api_text(params, "templateName"),
                           description = api_text(params, "description"),
                           hook = api_hook(params, "preProvisioningHook");
    const bool enabled = api_bool(params, "enabled"),
               retire = api_bool(params, "retirePreviousCertificate");
    const uint32_t version = api_number(params, "defaultVersionId", 0),
                   days = api_number(params, "certificateValidityDays", 0);
    const struct prov_template_change change = {
        .description = api_get(params, "description") != NULL ? &description : NULL,
        .hook = hook.n != 0 || api_bool(params, "removePreProvisioningHook") ? &hook : NULL,
        .enabled = api_get(params, "enabled") != NULL ? &enabled : NULL,
        .default_version = api_get(params, "defaultVersionId") != NULL ? &version : NULL,
        .validity_days = api_get(params, "certificateValidityDays") != NULL ? &days : NULL,
        .retire_previous = api_get(params, "retirePreviousCertificate") != NULL ? &retire : NULL,
    };
    enum prov_rc rc;

    rc = check_update(tx, params);
    if (rc == PROV_OK)
        rc = prov_template_update(tx, name, &change);
    return rc != PROV_OK ? rc : answer_row(tx, name, data);
}

static enum prov_rc delete_template(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    (void)data;
    return prov_template_delete(tx, api_text(params, "templateName"));
}

static enum prov_rc row(struct prov_tx *tx, void *ctx, struct prov_span key, cJSON **out)
{
    (void)ctx;
    return answer_row(tx, key, out);
}

static enum prov_rc list(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    const struct api_list l = {
        .kind = PROV_LIST_TEMPLATES,
        .pages = API_TOKEN,
        .rows = "templates",
        .row = row,
    };

    return api_list(tx, params, &l, data);
}

/* ---- versions -------------------------------------------------------------------------------- */

static enum prov_rc create_version(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    const struct prov_span name = api_text(params, "templateName");
    const bool set_default = api_bool(params, "setAsDefault");
    struct prov_doc d;
    uint32_t version;
    enum prov_rc rc;

    rc = prov_template_version_create(tx, name, api_text(params, "templateBody"), set_default,
                                      &version);
    if (rc != PROV_OK)
        return rc;
    d = api_about(tx, "templateName", "templateArn", "provisioningtemplate", name);
    prov_doc_number(&d, d.root, "versionId", version);
    prov_doc_bool(&d, d.root, "isDefaultVersion", set_default);
    return prov_doc_end(&d, data);
}

/* 0 is the default version in the registry, and no version in the API. */
static enum prov_rc read_version(struct prov_tx *tx, const cJSON *params, uint32_t *out)
{
    *out = api_number(params, "versionId", 0);
    return *out != 0 ? PROV_OK : api_refuse(tx, "versionId", "versions are numbers from 1");
}

static enum prov_rc describe_version(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    const struct prov_span name = api_text(params, "templateName");
    struct prov_version_info version;
    struct prov_template_info info;
    uint32_t number;
    enum prov_rc rc;

    rc = read_version(tx, params, &number);
    if (rc == PROV_OK)
        rc = prov_template_get(tx, name, &info);
    if (rc == PROV_OK)
        rc = prov_template_version_get(tx, name, number, &version);
    return rc != PROV_OK ? rc : prov_view_template_version(&info, &version, data);
}

static enum prov_rc delete_version(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    uint32_t version;
    const enum prov_rc rc = read_version(tx, params, &version);

    (void)data;
    return rc != PROV_OK
               ? rc
               : prov_template_version_delete(tx, api_text(params, "templateName"), version);
}

static enum prov_rc version_row(struct prov_tx *tx, void *ctx, struct prov_span key, cJSON **out)
{
    const struct prov_template_info *info = ctx;
    struct prov_version_info version;
    uint32_t number;
    enum prov_rc rc;

    rc = api_key_version(tx, key, &number);
    if (rc == PROV_OK)
        rc = prov_template_version_get(tx, info->name, number, &version);
    return rc != PROV_OK ? rc : prov_view_template_version_row(info, &version, out);
}

static enum prov_rc list_versions(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    struct prov_template_info info;
    const struct api_list l = {
        .kind = PROV_LIST_VERSIONS_OF_TEMPLATE,
        .pages = API_TOKEN,
        .key = API_KEY_VERSION,
        .rows = "versions",
        .of = api_text(params, "templateName"),
        .row = version_row,
        .ctx = &info,
    };
    const enum prov_rc rc = prov_template_get(tx, l.of, &info);

    return rc != PROV_OK ? rc : api_list(tx, params, &l, data);
}

/* ---- the operations -------------------------------------------------------------------------- */

/* provisioningRoleArn: AWS IoT asks for one; there are no roles here. */
static const struct prov_api_field create_fields[] = {
    API_TEXT_NEEDED("templateName"),
    API_TEXT_NEEDED("templateBody"),
    API_TEXT("description"),
    API_TEXT("type"),
    API_BOOL("enabled"),
    API_OBJECT("preProvisioningHook", api_hook_fields),
    API_NUMBER("certificateValidityDays"),
    API_BOOL("retirePreviousCertificate"),
    API_TEXT("provisioningRoleArn"),
    API_END,
};

static const struct prov_api_field name_fields[] = { API_TEXT_NEEDED("templateName"), API_END };

static const struct prov_api_field update_fields[] = {
    API_TEXT_NEEDED("templateName"),
    API_TEXT("description"),
    API_BOOL("enabled"),
    API_NUMBER("defaultVersionId"),
    API_OBJECT("preProvisioningHook", api_hook_fields),
    API_BOOL("removePreProvisioningHook"),
    API_NUMBER("certificateValidityDays"),
    API_BOOL("retirePreviousCertificate"),
    API_TEXT("provisioningRoleArn"),
    API_END,
};

static const struct prov_api_field list_fields[] = { API_BY_TOKEN, API_END };

static const struct prov_api_field create_version_fields[] = {
    API_TEXT_NEEDED("templateName"),
    API_TEXT_NEEDED("templateBody"),
    API_BOOL("setAsDefault"),
    API_END,
};

static const struct prov_api_field version_fields[] = {
    API_TEXT_NEEDED("templateName"),
    { "versionId", PROV_API_NUMBER, true, NULL },
    API_END,
};

static const struct prov_api_field list_versions_fields[] = {
    API_TEXT_NEEDED("templateName"),
    API_BY_TOKEN,
    API_END,
};

const struct prov_api_op api_template_ops[] = {
    { "createProvisioningTemplate",
      "Creates a provisioning template.",
      PROV_API_WRITE,
      { "templateName", NULL },
      create_fields,
      create,
      NULL },
    { "describeProvisioningTemplate",
      "A template with the body that is in force.",
      PROV_API_READ,
      { "templateName", NULL },
      name_fields,
      describe,
      NULL },
    { "updateProvisioningTemplate",
      "Changes a template: whether, which version, which hook, which certificates.",
      PROV_API_WRITE,
      { "templateName", NULL },
      update_fields,
      update,
      NULL },
    { "deleteProvisioningTemplate",
      "Deletes a template that no CA uses.",
      PROV_API_WRITE,
      { "templateName", NULL },
      name_fields,
      delete_template,
      NULL },
    { "listProvisioningTemplates",
      "Lists the templates.",
      PROV_API_READ,
      { NULL, NULL },
      list_fields,
      list,
      NULL },
    { "createProvisioningTemplateVersion",
      "Gives a template another body.",
      PROV_API_WRITE,
      { "templateName", "versionId" },
      create_version_fields,
      create_version,
      NULL },
    { "describeProvisioningTemplateVersion",
      "One version of a template.",
      PROV_API_READ,
      { "templateName", "versionId" },
      version_fields,
      describe_version,
      NULL },
    { "listProvisioningTemplateVersions",
      "Lists the versions of a template.",
      PROV_API_READ,
      { "templateName", NULL },
      list_versions_fields,
      list_versions,
      NULL },
    { "deleteProvisioningTemplateVersion",
      "Deletes a version that is not in force.",
      PROV_API_WRITE,
      { "templateName", "versionId" },
      version_fields,
      delete_version,
      NULL },
    { .name = NULL },
};
