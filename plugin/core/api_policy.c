/* Policies, their versions, and what they are attached to (reference 8.7). */
#include "api_priv.h"

#include <stdlib.h>

/* Versions of policies are text in the API. */
static enum prov_rc read_version(struct prov_tx *tx, const cJSON *params, uint32_t *out)
{
    const struct prov_span text = api_text(params, "policyVersionId");
    char digits[11]; /* of a uint32_t, at most, and a NUL */
    unsigned long long value = 0;

    if (prov_span_copy(text, digits, sizeof digits) && digits[0] != '0' &&
        strspn(digits, "0123456789") == text.n)
        value = strtoull(digits, NULL, 10);
    if (value == 0 || value > UINT32_MAX)
        return api_refuse(tx, "policyVersionId", "versions are numbers from \"1\"");
    *out = (uint32_t)value;
    return PROV_OK;
}

/* ---- policies -------------------------------------------------------------------------------- */

static enum prov_rc answer(struct prov_tx *tx, struct prov_span name, cJSON **data)
{
    struct prov_version_info version;
    struct prov_policy_info info;
    enum prov_rc rc;

    rc = prov_policy_get(tx, name, &info);
    if (rc == PROV_OK)
        rc = prov_policy_version_get(tx, name, 0, &version);
    return rc != PROV_OK ? rc : prov_view_policy(tx, &info, &version, data);
}

/* What CreatePolicy calls policyVersionId, GetPolicy calls defaultVersionId. */
static enum prov_rc create(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    const struct prov_span name = api_text(params, "policyName");
    enum prov_rc rc;

    rc = prov_policy_create(tx, name, api_text(params, "policyDocument"));
    if (rc == PROV_OK)
        rc = answer(tx, name, data);
    if (rc == PROV_OK && cJSON_AddStringToObject(*data, "policyVersionId", "1") == NULL)
        rc = prov_nomem(tx->err);
    return rc;
}

static enum prov_rc get(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    return answer(tx, api_text(params, "policyName"), data);
}

static enum prov_rc delete_policy(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    (void)data;
    return prov_policy_delete(tx, api_text(params, "policyName"));
}

static enum prov_rc row(struct prov_tx *tx, void *ctx, struct prov_span key, cJSON **out)
{
    (void)ctx;
    return prov_view_policy_row(tx, key, out);
}

static enum prov_rc list(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    const struct api_list l = {
        .kind = PROV_LIST_POLICIES,
        .pages = API_MARKER,
        .rows = "policies",
        .row = row,
    };

    return api_list(tx, params, &l, data);
}

/* ---- versions -------------------------------------------------------------------------------- */

static enum prov_rc answer_version(struct prov_tx *tx, struct prov_span name, uint32_t number,
                                   cJSON **data)
{
    struct prov_version_info version;
    struct prov_policy_info info;
    enum prov_rc rc;

    rc = prov_policy_get(tx, name, &info);
    if (rc == PROV_OK)
        rc = prov_policy_version_get(tx, name, number, &version);
    return rc != PROV_OK ? rc : prov_view_policy_version(tx, &info, &version, data);
}

static enum prov_rc create_version(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    const struct prov_span name = api_text(params, "policyName");
    uint32_t version;
    const enum prov_rc rc = prov_policy_version_create(tx, name, api_text(params, "policyDocument"),
                                                       api_bool(params, "setAsDefault"), &version);

    return rc != PROV_OK ? rc : answer_version(tx, name, version, data);
}

static enum prov_rc get_version(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    uint32_t version = 0;
    const enum prov_rc rc = read_version(tx, params, &version);

    return rc != PROV_OK ? rc : answer_version(tx, api_text(params, "policyName"), version, data);
}

static enum prov_rc set_default(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    uint32_t version = 0;
    const enum prov_rc rc = read_version(tx, params, &version);

    (void)data;
    return rc != PROV_OK
               ? rc
               : prov_policy_version_set_default(tx, api_text(params, "policyName"), version);
}

static enum prov_rc delete_version(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    uint32_t version = 0;
    const enum prov_rc rc = read_version(tx, params, &version);

    (void)data;
    return rc != PROV_OK ? rc
                         : prov_policy_version_delete(tx, api_text(params, "policyName"), version);
}

static enum prov_rc version_row(struct prov_tx *tx, void *ctx, struct prov_span key, cJSON **out)
{
    const struct prov_policy_info *info = ctx;
    struct prov_version_info version;
    uint32_t number;
    enum prov_rc rc;

    rc = api_key_version(tx, key, &number);
    if (rc == PROV_OK)
        rc = prov_policy_version_get(tx, info->name, number, &version);
    return rc != PROV_OK ? rc : prov_view_policy_version_row(info, &version, out);
}

static enum prov_rc list_versions(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    struct prov_policy_info info;
    const struct api_list l = {
        .kind = PROV_LIST_VERSIONS_OF_POLICY,
        .pages = API_MARKER,
        .key = API_KEY_VERSION,
        .rows = "policyVersions",
        .of = api_text(params, "policyName"),
        .row = version_row,
        .ctx = &info,
    };
    const enum prov_rc rc = prov_policy_get(tx, l.of, &info);

    return rc != PROV_OK ? rc : api_list(tx, params, &l, data);
}

/* ---- attachments ----------------------------------------------------------------------------- */

static cJSON *target_arn(struct prov_doc *d, const struct api_target *target)
{
    if (target->group.n != 0)
        return prov_doc_arn(d, "thinggroup", target->group);
    return prov_doc_arn_of_id(d, "cert", &target->cert);
}

static enum prov_rc answer_target(struct prov_tx *tx, struct prov_span policy,
                                  const struct api_target *target, cJSON **data)
{
    struct prov_doc d = prov_doc_start(tx);

    prov_doc_text(&d, d.root, "policyName", policy);
    (void)prov_doc_put(&d, d.root, "target", target_arn(&d, target));
    return prov_doc_end(&d, data);
}

static enum prov_rc attach(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    const struct prov_span policy = api_text(params, "policyName");
    struct api_target target;
    enum prov_rc rc;

    rc = api_target(tx, params, &target);
    if (rc == PROV_OK && target.group.n != 0)
        rc = prov_policy_attach_group(tx, policy, target.group);
    else if (rc == PROV_OK)
        rc = prov_policy_attach_cert(tx, policy, &target.cert);
    return rc != PROV_OK ? rc : answer_target(tx, policy, &target, data);
}

static enum prov_rc detach(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    const struct prov_span policy = api_text(params, "policyName");
    struct api_target target;
    enum prov_rc rc;

    rc = api_target(tx, params, &target);
    if (rc == PROV_OK && target.group.n != 0)
        rc = prov_policy_detach_group(tx, policy, target.group);
    else if (rc == PROV_OK)
        rc = prov_policy_detach_cert(tx, policy, &target.cert);
    return rc != PROV_OK ? rc : answer_target(tx, policy, &target, data);
}

/* The group's, and when asked for those of the groups above it. */
static enum prov_rc group_policies(struct prov_tx *tx, struct prov_span name, bool recursive,
                                   struct prov_span *out, size_t *n)
{
    struct prov_group group;
    enum prov_rc rc = PROV_OK;

    *n = 0;
    for (int depth = 0; name.n != 0 && depth < PROV_MAX_GROUP_DEPTH; depth++) {
        rc = prov_group_get(tx, name, &group);
        if (rc != PROV_OK)
            return rc;
        for (size_t i = 0; i < group.n_policies; i++)
            out[(*n)++] = group.policies[i];
        name = recursive ? group.parent : prov_span(NULL, 0);
    }
    return rc;
}

static enum prov_rc attached(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    struct prov_span of_groups[PROV_MAX_GROUP_DEPTH * PROV_MAX_GROUP_POLICIES];
    struct api_names names = { API_MARKER, "policies", of_groups, 0, api_row_policy };
    struct api_target target;
    struct prov_cert cert;
    enum prov_rc rc;

    rc = api_target(tx, params, &target);
    if (rc == PROV_OK && target.group.n != 0)
        rc = group_policies(tx, target.group, api_bool(params, "recursive"), of_groups, &names.n);
    else if (rc == PROV_OK) {
        rc = prov_cert_get(tx, &target.cert, &cert);
        names.names = cert.policies;
        names.n = cert.n_policies;
    }
    return rc != PROV_OK ? rc : api_names(tx, params, &names, data);
}

static enum prov_rc target_row(struct prov_tx *tx, void *ctx, struct prov_span key, cJSON **out)
{
    struct prov_doc d = { .tx = tx, .rc = PROV_OK };
    struct api_target target = { .group = { NULL, 0 } };

    (void)ctx;
    if (key.n == 1 + PROV_ID_LEN && key.p[0] == 'c')
        memcpy(target.cert.b, key.p + 1, PROV_ID_LEN);
    else if (key.n > 1)
        target.group = prov_span(key.p + 1, key.n - 1);
    *out = target_arn(&d, &target);
    if (d.rc == PROV_OK && *out == NULL)
        return prov_nomem(tx->err);
    return d.rc;
}

static enum prov_rc list_targets(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    const struct api_list l = {
        .kind = PROV_LIST_TARGETS_OF_POLICY,
        .pages = API_MARKER,
        .key = API_KEY_TARGET,
        .rows = "targets",
        .of = api_text(params, "policyName"),
        .row = target_row,
    };
    struct prov_policy_info info;
    const enum prov_rc rc = prov_policy_get(tx, l.of, &info);

    return rc != PROV_OK ? rc : api_list(tx, params, &l, data);
}

/* ---- the operations -------------------------------------------------------------------------- */

static const struct prov_api_field create_fields[] = {
    API_TEXT_NEEDED("policyName"),
    API_TEXT_NEEDED("policyDocument"),
    API_END,
};

static const struct prov_api_field name_fields[] = { API_TEXT_NEEDED("policyName"), API_END };

static const struct prov_api_field list_fields[] = { API_BY_MARKER, API_ORDER, API_END };

static const struct prov_api_field create_version_fields[] = {
    API_TEXT_NEEDED("policyName"),
    API_TEXT_NEEDED("policyDocument"),
    API_BOOL("setAsDefault"),
    API_END,
};

static const struct prov_api_field version_fields[] = {
    API_TEXT_NEEDED("policyName"),
    API_TEXT_NEEDED("policyVersionId"),
    API_END,
};

static const struct prov_api_field list_of_fields[] = {
    API_TEXT_NEEDED("policyName"),
    API_BY_MARKER,
    API_END,
};

static const struct prov_api_field target_fields[] = {
    API_TEXT_NEEDED("policyName"),
    API_TEXT_NEEDED("target"),
    API_END,
};

static const struct prov_api_field attached_fields[] = {
    API_TEXT_NEEDED("target"),
    API_BOOL("recursive"),
    API_BY_MARKER,
    API_END,
};

const struct prov_api_op api_policy_ops[] = {
    { "createPolicy",
      "Creates a policy.",
      PROV_API_WRITE,
      { "policyName", NULL },
      create_fields,
      create,
      NULL },
    { "getPolicy",
      "A policy with the document that is in force.",
      PROV_API_READ,
      { "policyName", NULL },
      name_fields,
      get,
      NULL },
    { "deletePolicy",
      "Deletes a policy that is attached to nothing.",
      PROV_API_WRITE,
      { "policyName", NULL },
      name_fields,
      delete_policy,
      NULL },
    { "listPolicies",
      "Lists the policies.",
      PROV_API_READ,
      { NULL, NULL },
      list_fields,
      list,
      NULL },
    { "createPolicyVersion",
      "Gives a policy another document.",
      PROV_API_WRITE,
      { "policyName", "policyVersionId" },
      create_version_fields,
      create_version,
      NULL },
    { "getPolicyVersion",
      "One version of a policy.",
      PROV_API_READ,
      { "policyName", "policyVersionId" },
      version_fields,
      get_version,
      NULL },
    { "listPolicyVersions",
      "Lists the versions of a policy.",
      PROV_API_READ,
      { "policyName", NULL },
      list_of_fields,
      list_versions,
      NULL },
    { "setDefaultPolicyVersion",
      "Puts a version of a policy in force.",
      PROV_API_WRITE,
      { "policyName", "policyVersionId" },
      version_fields,
      set_default,
      NULL },
    { "deletePolicyVersion",
      "Deletes a version that is not in force.",
      PROV_API_WRITE,
      { "policyName", "policyVersionId" },
      version_fields,
      delete_version,
      NULL },
    { "attachPolicy",
      "Gives a policy to a certificate or a thing group.",
      PROV_API_WRITE,
      { "policyName", "target" },
      target_fields,
      attach,
      NULL },
    { "detachPolicy",
      "Takes a policy from a certificate or a thing group.",
      PROV_API_WRITE,
      { "policyName", "target" },
      target_fields,
      detach,
      NULL },
    { "listAttachedPolicies",
      "Lists the policies of a certificate or a thing group.",
      PROV_API_READ,
      { "target", NULL },
      attached_fields,
      attached,
      NULL },
    { "listTargetsForPolicy",
      "Lists what a policy is attached to.",
      PROV_API_READ,
      { "policyName", NULL },
      list_of_fields,
      list_targets,
      NULL },
    { .name = NULL },
};
