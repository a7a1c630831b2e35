/* Policies, templates and attempts. */
#include "view_priv.h"

#include <stdio.h>

/* Policy versions are text in the API; template versions are numbers. */
static void put_version_text(struct prov_doc *d, cJSON *into, const char *key, uint32_t version)
{
    char text[16];

    (void)snprintf(text, sizeof text, "%u", version);
    prov_doc_text(d, into, key, prov_span_str(text));
}

static void put_policy_head(struct prov_doc *d, const struct prov_policy_info *info,
                            const struct prov_version_info *version)
{
    view_named(d, d->root, "policyName", "policyArn", "policy", info->name);
    prov_doc_text(d, d->root, "policyDocument", version->document);
}

enum prov_rc prov_view_policy(struct prov_tx *tx, const struct prov_policy_info *info,
                              const struct prov_version_info *version, cJSON **out)
{
    struct prov_doc d = prov_doc_start(tx);

    put_policy_head(&d, info, version);
    put_version_text(&d, d.root, "defaultVersionId", info->default_version);
    prov_doc_time(&d, d.root, "creationDate", info->created_ms);
    prov_doc_time(&d, d.root, "lastModifiedDate", info->modified_ms);
    return prov_doc_end(&d, out);
}

enum prov_rc prov_view_policy_row(struct prov_tx *tx, struct prov_span name, cJSON **out)
{
    struct prov_policy_info info = { .default_version = 0 };
    struct prov_doc d = prov_doc_start(tx);

    if (d.rc == PROV_OK)
        d.rc = prov_policy_get(tx, name, &info);
    view_named(&d, d.root, "policyName", "policyArn", "policy", name);
    put_version_text(&d, d.root, "defaultVersionId", info.default_version);
    prov_doc_time(&d, d.root, "creationDate", info.created_ms);
    prov_doc_time(&d, d.root, "lastModifiedDate", info.modified_ms);
    return prov_doc_end(&d, out);
}

enum prov_rc prov_view_policy_version(struct prov_tx *tx, const struct prov_policy_info *info,
                                      const struct prov_version_info *version, cJSON **out)
{
    struct prov_doc d = prov_doc_start(tx);

    put_policy_head(&d, info, version);
    put_version_text(&d, d.root, "policyVersionId", version->version);
    prov_doc_bool(&d, d.root, "isDefaultVersion", version->version == info->default_version);
    prov_doc_time(&d, d.root, "creationDate", version->created_ms);
    return prov_doc_end(&d, out);
}

enum prov_rc prov_view_policy_version_row(const struct prov_policy_info *info,
                                          const struct prov_version_info *version, cJSON **out)
{
    struct prov_doc d = prov_doc_start(NULL);

    put_version_text(&d, d.root, "versionId", version->version);
    prov_doc_bool(&d, d.root, "isDefaultVersion", version->version == info->default_version);
    prov_doc_time(&d, d.root, "createDate", version->created_ms);
    return prov_doc_end(&d, out);
}

static void put_template_head(struct prov_doc *d, const struct prov_template_info *info)
{
    view_named(d, d->root, "templateName", "templateArn", "provisioningtemplate", info->name);
    prov_doc_text_if(d, d->root, "description", info->description);
    prov_doc_time(d, d->root, "creationDate", info->created_ms);
    prov_doc_time(d, d->root, "lastModifiedDate", info->modified_ms);
    prov_doc_bool(d, d->root, "enabled", info->enabled);
    prov_doc_text(d, d->root, "type", prov_span_str(prov_template_type_name(info->type)));
    prov_doc_number(d, d->root, "defaultVersionId", info->default_version);
    if (info->validity_days != 0)
        prov_doc_number(d, d->root, "certificateValidityDays", info->validity_days);
    if (info->retire_previous)
        prov_doc_bool(d, d->root, "retirePreviousCertificate", true);
}

enum prov_rc prov_view_template(struct prov_tx *tx, const struct prov_template_info *info,
                                const struct prov_version_info *version, cJSON **out)
{
    struct prov_doc d = prov_doc_start(tx);

    put_template_head(&d, info);
    prov_doc_text(&d, d.root, "templateBody", version->document);
    if (info->hook.n != 0)
        prov_doc_text(&d, view_hook(&d, d.root, "preProvisioningHook", info->hook),
                      "payloadVersion", PROV_LIT("2020-04-01"));
    return prov_doc_end(&d, out);
}

enum prov_rc prov_view_template_row(struct prov_tx *tx, const struct prov_template_info *info,
                                    cJSON **out)
{
    struct prov_doc d = prov_doc_start(tx);

    put_template_head(&d, info);
    return prov_doc_end(&d, out);
}

static void put_template_version(struct prov_doc *d, const struct prov_template_info *info,
                                 const struct prov_version_info *version)
{
    prov_doc_number(d, d->root, "versionId", version->version);
    prov_doc_time(d, d->root, "creationDate", version->created_ms);
    prov_doc_bool(d, d->root, "isDefaultVersion", version->version == info->default_version);
}

enum prov_rc prov_view_template_version(const struct prov_template_info *info,
                                        const struct prov_version_info *version, cJSON **out)
{
    struct prov_doc d = prov_doc_start(NULL);

    put_template_version(&d, info, version);
    prov_doc_text(&d, d.root, "templateBody", version->document);
    return prov_doc_end(&d, out);
}

enum prov_rc prov_view_template_version_row(const struct prov_template_info *info,
                                            const struct prov_version_info *version, cJSON **out)
{
    struct prov_doc d = prov_doc_start(NULL);

    put_template_version(&d, info, version);
    return prov_doc_end(&d, out);
}

/* ---- attempts -------------------------------------------------------------------------------- */

enum prov_rc prov_view_attempt(const struct prov_attempt *attempt, cJSON **out)
{
    const struct prov_reason_info *why = prov_reason_info(attempt->reason);
    struct prov_doc d = prov_doc_start(NULL);
    char id[PROV_ATTEMPT_HEX + 1];

    prov_attempt_id_text(attempt->id, id);
    prov_doc_text(&d, d.root, "attemptId", prov_span_str(id));
    prov_doc_time(&d, d.root, "timestamp", attempt->at_ms);
    prov_doc_text(
        &d, d.root, "status",
        prov_span_str(attempt->reason == PROV_REASON_PROVISIONED ? "Success" : "Failure"));
    prov_doc_text(&d, d.root, "step", prov_span_str(prov_step_name(why->step)));
    prov_doc_text(&d, d.root, "reason", prov_span_str(why->name));
    prov_doc_text_if(&d, d.root, "errorCode", prov_span_str(why->aws_code));
    prov_doc_text(&d, d.root, "message", prov_span_str(why->sentence));
    prov_doc_text_if(&d, d.root, "details", attempt->detail);
    prov_doc_bool(&d, d.root, "retryable", why->retry);
    prov_doc_text_if(&d, d.root, "clientId", attempt->client_id);
    prov_doc_id(&d, d.root, "principalId", &attempt->cert);
    prov_doc_id(&d, d.root, "caCertificateId", &attempt->ca);
    prov_doc_text_if(&d, d.root, "commonName", attempt->common_name);
    prov_doc_text_if(&d, d.root, "sourceIp", attempt->address);
    if (attempt->repeats != 0)
        prov_doc_number(&d, d.root, "repeats", attempt->repeats);
    return prov_doc_end(&d, out);
}
