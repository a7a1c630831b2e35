#include "view.h"

#include <stdio.h>

#include <openssl/evp.h>

#include "doc.h"

static void put_arn(struct prov_doc *d, cJSON *into, const char *key, const char *kind,
                    struct prov_span name)
{
    (void)prov_doc_put(d, into, key, prov_doc_arn(d, kind, name));
}

/* ---- parts that several objects have --------------------------------------------------------- */

void prov_view_pem(struct prov_span der, struct prov_buf *out)
{
    enum { LINE_BYTES = 48 }; /* 64 characters, RFC 7468 section 2 */
    unsigned char line[LINE_BYTES / 3 * 4 + 1];
    size_t n;

    prov_buf_add_str(out, "-----BEGIN CERTIFICATE-----\n");
    for (size_t i = 0; i < der.n; i += n) {
        n = der.n - i < LINE_BYTES ? der.n - i : LINE_BYTES;
        prov_buf_add(out, prov_span(line, (size_t)EVP_EncodeBlock(line, der.p + i, (int)n)));
        prov_buf_add_u8(out, '\n');
    }
    prov_buf_add_str(out, "-----END CERTIFICATE-----\n");
}

static void put_pem(struct prov_doc *d, cJSON *into, struct prov_span der)
{
    struct prov_buf pem;

    prov_buf_init(&pem, der.n * 2 + 128);
    prov_view_pem(der, &pem);
    if (pem.rc == PROV_OK)
        prov_doc_text(d, into, "certificatePem", prov_buf_span(&pem));
    else if (d->rc == PROV_OK)
        d->rc = pem.rc;
    prov_buf_release(&pem);
}

static void put_owner(struct prov_doc *d, cJSON *into)
{
    struct prov_settings settings;

    if (d->rc == PROV_OK)
        d->rc = prov_settings_get(d->tx, &settings);
    if (d->rc == PROV_OK)
        prov_doc_text(d, into, "ownedBy", prov_span_str(settings.account_id));
}

static void put_validity(struct prov_doc *d, cJSON *into, int64_t not_before_s, int64_t not_after_s)
{
    cJSON *validity = prov_doc_object(d, into, "validity");

    prov_doc_number(d, validity, "notBefore", (double)not_before_s);
    prov_doc_number(d, validity, "notAfter", (double)not_after_s);
}

static const char *mode_name(enum prov_cert_mode mode)
{
    return mode == PROV_MODE_SNI_ONLY ? "SNI_ONLY" : "DEFAULT";
}

static void put_attrs(struct prov_doc *d, cJSON *into, const struct prov_attr *attrs, size_t n)
{
    cJSON *object = prov_doc_object(d, into, "attributes");

    for (size_t i = 0; i < n && d->rc == PROV_OK; i++)
        prov_doc_member(d, object, attrs[i].name, prov_doc_string(attrs[i].value));
}

static void add_named(struct prov_doc *d, cJSON *into, const char *name_key, const char *arn_key,
                      const char *kind, struct prov_span name)
{
    prov_doc_text(d, into, name_key, name);
    put_arn(d, into, arn_key, kind, name);
}

/* [{ name_key: …, arn_key: … }, …] */
static void put_named(struct prov_doc *d, cJSON *into, const char *key, const char *name_key,
                      const char *arn_key, const char *kind, const struct prov_span *names,
                      size_t n)
{
    cJSON *array = prov_doc_array(d, into, key);

    for (size_t i = 0; i < n && d->rc == PROV_OK; i++)
        add_named(d, prov_doc_append(d, array, cJSON_CreateObject()), name_key, arn_key, kind,
                  names[i]);
}

static void put_policies(struct prov_doc *d, cJSON *into, const struct prov_span *names, size_t n)
{
    put_named(d, into, "policies", "policyName", "policyArn", "policy", names, n);
}

/* A list's row when the API shows a name and an ARN and nothing else. */
static enum prov_rc named_row(struct prov_tx *tx, const char *name_key, const char *arn_key,
                              const char *kind, struct prov_span name, cJSON **out)
{
    struct prov_doc d = prov_doc_start(tx);

    add_named(&d, d.root, name_key, arn_key, kind, name);
    return prov_doc_end(&d, out);
}

/* ---- certificates ---------------------------------------------------------------------------- */

static void put_ca_head(struct prov_doc *d, cJSON *into, const struct prov_ca *ca)
{
    (void)prov_doc_put(d, into, "certificateArn", prov_doc_arn_of_id(d, "cacert", &ca->id));
    prov_doc_id(d, into, "certificateId", &ca->id);
    prov_doc_text(d, into, "status", prov_span_str(ca->active ? "ACTIVE" : "INACTIVE"));
    prov_doc_time(d, into, "creationDate", ca->created_ms);
}

enum prov_rc prov_view_ca(struct prov_tx *tx, const struct prov_ca *ca, cJSON **out)
{
    struct prov_doc d = prov_doc_start(tx);
    cJSON *about = prov_doc_object(&d, d.root, "certificateDescription");

    put_ca_head(&d, about, ca);
    prov_doc_text(&d, about, "autoRegistrationStatus",
                  prov_span_str(ca->auto_registration ? "ENABLE" : "DISABLE"));
    prov_doc_text(&d, about, "certificateMode", prov_span_str(mode_name(ca->mode)));
    put_owner(&d, about);
    prov_doc_time(&d, about, "lastModifiedDate", ca->modified_ms);
    put_validity(&d, about, ca->not_before_s, ca->not_after_s);
    put_pem(&d, about, ca->der);
    if (ca->template_name.n != 0)
        prov_doc_text(&d, prov_doc_object(&d, d.root, "registrationConfig"), "templateName",
                      ca->template_name);
    return prov_doc_end(&d, out);
}

enum prov_rc prov_view_ca_row(struct prov_tx *tx, const struct prov_ca *ca, cJSON **out)
{
    struct prov_doc d = prov_doc_start(tx);

    put_ca_head(&d, d.root, ca);
    return prov_doc_end(&d, out);
}

static void put_cert_head(struct prov_doc *d, cJSON *into, const struct prov_cert *cert)
{
    (void)prov_doc_put(d, into, "certificateArn", prov_doc_arn_of_id(d, "cert", &cert->id));
    prov_doc_id(d, into, "certificateId", &cert->id);
    prov_doc_text(d, into, "status", prov_span_str(prov_cert_status_name(cert->status)));
    prov_doc_text(d, into, "certificateMode", prov_span_str(mode_name(cert->mode)));
    prov_doc_time(d, into, "creationDate", cert->created_ms);
}

static void put_names(struct prov_doc *d, cJSON *into, const char *key,
                      const struct prov_span *names, size_t n)
{
    cJSON *array = prov_doc_array(d, into, key);

    for (size_t i = 0; i < n && d->rc == PROV_OK; i++)
        prov_doc_append(d, array, prov_doc_string(names[i]));
}

enum prov_rc prov_view_cert(struct prov_tx *tx, const struct prov_cert *cert, cJSON **out)
{
    struct prov_doc d = prov_doc_start(tx);
    cJSON *about = prov_doc_object(&d, d.root, "certificateDescription");
    struct prov_span der;

    put_cert_head(&d, about, cert);
    prov_doc_id(&d, about, "caCertificateId", &cert->ca_id);
    put_owner(&d, about);
    prov_doc_time(&d, about, "lastModifiedDate", cert->modified_ms);
    put_validity(&d, about, cert->not_before_s, cert->not_after_s);
    if (d.rc == PROV_OK)
        d.rc = prov_cert_der(tx, &cert->id, &der);
    if (d.rc == PROV_OK)
        put_pem(&d, about, der);
    put_policies(&d, d.root, cert->policies, cert->n_policies);
    put_names(&d, d.root, "things", cert->things, cert->n_things);
    return prov_doc_end(&d, out);
}

enum prov_rc prov_view_cert_row(struct prov_tx *tx, const struct prov_cert *cert, cJSON **out)
{
    struct prov_doc d = prov_doc_start(tx);

    put_cert_head(&d, d.root, cert);
    return prov_doc_end(&d, out);
}

/* ---- things ---------------------------------------------------------------------------------- */

static void put_thing_head(struct prov_doc *d, cJSON *into, const struct prov_thing *thing)
{
    prov_doc_text(d, into, "thingName", thing->name);
    put_arn(d, into, "thingArn", "thing", thing->name);
    prov_doc_text_if(d, into, "thingTypeName", thing->type);
    put_attrs(d, into, thing->attrs, thing->n_attrs);
    prov_doc_number(d, into, "version", thing->version);
}

static void put_uuid(struct prov_doc *d, cJSON *into, const char *key,
                     const uint8_t bytes[static 16])
{
    char hex[33], text[37];

    prov_hex(bytes, 16, hex);
    (void)snprintf(text, sizeof text, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
                   hex + 20);
    prov_doc_text(d, into, key, prov_span_str(text));
}

enum prov_rc prov_view_thing(struct prov_tx *tx, const struct prov_thing *thing, cJSON **out)
{
    struct prov_doc d = prov_doc_start(tx);
    cJSON *principals;

    prov_doc_text(&d, d.root, "defaultClientId", thing->name);
    put_thing_head(&d, d.root, thing);
    put_uuid(&d, d.root, "thingId", thing->thing_id.b);
    prov_doc_text_if(&d, d.root, "billingGroupName", thing->billing_group);
    put_named(&d, d.root, "thingGroups", "groupName", "groupArn", "thinggroup", thing->groups,
              thing->n_groups);
    principals = prov_doc_array(&d, d.root, "principals");
    for (size_t i = 0; i < thing->n_principals && d.rc == PROV_OK; i++)
        prov_doc_append(&d, principals, prov_doc_arn_of_id(&d, "cert", &thing->principals[i]));
    return prov_doc_end(&d, out);
}

enum prov_rc prov_view_thing_row(struct prov_tx *tx, const struct prov_thing *thing, cJSON **out)
{
    struct prov_doc d = prov_doc_start(tx);

    put_thing_head(&d, d.root, thing);
    return prov_doc_end(&d, out);
}

/* The groups above this one, the root first. */
static void put_ancestors(struct prov_doc *d, cJSON *into, struct prov_span parent)
{
    struct prov_span path[PROV_MAX_GROUP_DEPTH];
    struct prov_group above;
    size_t n = PROV_MAX_GROUP_DEPTH;

    for (struct prov_span name = parent; name.n != 0 && n > 0 && d->rc == PROV_OK;) {
        path[--n] = name;
        d->rc = prov_group_get(d->tx, name, &above);
        name = above.parent;
    }
    if (d->rc == PROV_OK && parent.n != 0)
        put_named(d, into, "rootToParentThingGroups", "groupName", "groupArn", "thinggroup",
                  path + n, PROV_MAX_GROUP_DEPTH - n);
}

enum prov_rc prov_view_group(struct prov_tx *tx, const struct prov_group *group, cJSON **out)
{
    struct prov_doc d = prov_doc_start(tx);
    cJSON *part;

    add_named(&d, d.root, "thingGroupName", "thingGroupArn", "thinggroup", group->name);
    prov_doc_number(&d, d.root, "version", group->version);
    part = prov_doc_object(&d, d.root, "thingGroupProperties");
    prov_doc_text_if(&d, part, "thingGroupDescription", group->description);
    put_attrs(&d, prov_doc_object(&d, part, "attributePayload"), group->attrs, group->n_attrs);
    part = prov_doc_object(&d, d.root, "thingGroupMetadata");
    prov_doc_text_if(&d, part, "parentGroupName", group->parent);
    put_ancestors(&d, part, group->parent);
    prov_doc_time(&d, part, "creationDate", group->created_ms);
    put_policies(&d, d.root, group->policies, group->n_policies);
    return prov_doc_end(&d, out);
}

enum prov_rc prov_view_group_row(struct prov_tx *tx, struct prov_span name, cJSON **out)
{
    return named_row(tx, "groupName", "groupArn", "thinggroup", name, out);
}

enum prov_rc prov_view_type(struct prov_tx *tx, const struct prov_thing_type *type, cJSON **out)
{
    struct prov_doc d = prov_doc_start(tx);
    cJSON *part;

    add_named(&d, d.root, "thingTypeName", "thingTypeArn", "thingtype", type->name);
    part = prov_doc_object(&d, d.root, "thingTypeProperties");
    prov_doc_text_if(&d, part, "thingTypeDescription", type->description);
    put_names(&d, part, "searchableAttributes", type->searchable, type->n_searchable);
    part = prov_doc_object(&d, d.root, "thingTypeMetadata");
    prov_doc_bool(&d, part, "deprecated", type->deprecated);
    if (type->deprecated)
        prov_doc_time(&d, part, "deprecationDate", type->deprecated_ms);
    prov_doc_time(&d, part, "creationDate", type->created_ms);
    return prov_doc_end(&d, out);
}

enum prov_rc prov_view_billing(struct prov_tx *tx, const struct prov_billing_group *group,
                               cJSON **out)
{
    struct prov_doc d = prov_doc_start(tx);

    add_named(&d, d.root, "billingGroupName", "billingGroupArn", "billinggroup", group->name);
    prov_doc_text_if(&d, prov_doc_object(&d, d.root, "billingGroupProperties"),
                     "billingGroupDescription", group->description);
    prov_doc_time(&d, prov_doc_object(&d, d.root, "billingGroupMetadata"), "creationDate",
                  group->created_ms);
    return prov_doc_end(&d, out);
}

enum prov_rc prov_view_billing_row(struct prov_tx *tx, struct prov_span name, cJSON **out)
{
    return named_row(tx, "groupName", "groupArn", "billinggroup", name, out);
}

/* ---- policies and templates ------------------------------------------------------------------ */

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
    add_named(d, d->root, "policyName", "policyArn", "policy", info->name);
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
    return named_row(tx, "policyName", "policyArn", "policy", name, out);
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
    add_named(d, d->root, "templateName", "templateArn", "provisioningtemplate", info->name);
    prov_doc_text_if(d, d->root, "description", info->description);
    prov_doc_time(d, d->root, "creationDate", info->created_ms);
    prov_doc_time(d, d->root, "lastModifiedDate", info->modified_ms);
    prov_doc_bool(d, d->root, "enabled", info->enabled);
    prov_doc_text(d, d->root, "type", prov_span_str(prov_template_type_name(info->type)));
}

enum prov_rc prov_view_template(struct prov_tx *tx, const struct prov_template_info *info,
                                const struct prov_version_info *version, cJSON **out)
{
    struct prov_doc d = prov_doc_start(tx);

    put_template_head(&d, info);
    prov_doc_number(&d, d.root, "defaultVersionId", info->default_version);
    prov_doc_text(&d, d.root, "templateBody", version->document);
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
