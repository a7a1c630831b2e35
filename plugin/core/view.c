#include "view_priv.h"

#include <stdio.h>

#include <openssl/evp.h>

void view_arn(struct prov_doc *d, cJSON *into, const char *key, const char *kind,
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

const char *prov_view_principal_type(bool exclusive)
{
    return exclusive ? "EXCLUSIVE_THING" : "NON_EXCLUSIVE_THING";
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

void view_named(struct prov_doc *d, cJSON *into, const char *name_key, const char *arn_key,
                const char *kind, struct prov_span name)
{
    prov_doc_text(d, into, name_key, name);
    view_arn(d, into, arn_key, kind, name);
}

/* [{ name_key: …, arn_key: … }, …] */
static void put_named(struct prov_doc *d, cJSON *into, const char *key, const char *name_key,
                      const char *arn_key, const char *kind, const struct prov_span *names,
                      size_t n)
{
    cJSON *array = prov_doc_array(d, into, key);

    for (size_t i = 0; i < n && d->rc == PROV_OK; i++)
        view_named(d, prov_doc_append(d, array, cJSON_CreateObject()), name_key, arn_key, kind,
                   names[i]);
}

static void put_policies(struct prov_doc *d, cJSON *into, const struct prov_span *names, size_t n)
{
    put_named(d, into, "policies", "policyName", "policyArn", "policy", names, n);
}

/* ---- certificates ---------------------------------------------------------------------------- */

cJSON *view_hook(struct prov_doc *d, cJSON *into, const char *key, struct prov_span hook)
{
    cJSON *object;

    if (hook.n == 0)
        return NULL;
    object = prov_doc_object(d, into, key);
    prov_doc_text(d, object, "targetArn", hook);
    return object;
}

static void put_ca_head(struct prov_doc *d, cJSON *into, const struct prov_ca *ca)
{
    (void)prov_doc_put(d, into, "certificateArn", prov_doc_arn_of_id(d, "cacert", &ca->id));
    prov_doc_id(d, into, "certificateId", &ca->id);
    prov_doc_text(d, into, "status", prov_span_str(ca->active ? "ACTIVE" : "INACTIVE"));
    prov_doc_time(d, into, "creationDate", ca->created_ms);
    prov_doc_text(d, into, "autoRegistrationStatus",
                  prov_span_str(ca->auto_registration ? "ENABLE" : "DISABLE"));
    put_validity(d, into, ca->not_before_s, ca->not_after_s);
    prov_doc_text_if(d, into, "subject", ca->subject);
}

/* What becomes of devices that it brings in. */
static void put_ca_config(struct prov_doc *d, cJSON *into, const struct prov_ca *ca)
{
    if (ca->template_name.n != 0)
        prov_doc_text(d, prov_doc_object(d, into, "registrationConfig"), "templateName",
                      ca->template_name);
    (void)view_hook(d, into, "activationHook", ca->hook);
}

enum prov_rc prov_view_ca(struct prov_tx *tx, const struct prov_ca *ca, cJSON **out)
{
    struct prov_doc d = prov_doc_start(tx);
    cJSON *about = prov_doc_object(&d, d.root, "certificateDescription");

    put_ca_head(&d, about, ca);
    prov_doc_text(&d, about, "certificateMode", prov_span_str(mode_name(ca->mode)));
    put_owner(&d, about);
    prov_doc_time(&d, about, "lastModifiedDate", ca->modified_ms);
    put_pem(&d, about, ca->der);
    put_ca_config(&d, d.root, ca);
    return prov_doc_end(&d, out);
}

enum prov_rc prov_view_ca_row(struct prov_tx *tx, const struct prov_ca *ca, cJSON **out)
{
    struct prov_doc d = prov_doc_start(tx);

    put_ca_head(&d, d.root, ca);
    put_ca_config(&d, d.root, ca);
    return prov_doc_end(&d, out);
}

static void put_cert_head(struct prov_doc *d, cJSON *into, const struct prov_cert *cert)
{
    (void)prov_doc_put(d, into, "certificateArn", prov_doc_arn_of_id(d, "cert", &cert->id));
    prov_doc_id(d, into, "certificateId", &cert->id);
    prov_doc_text(d, into, "status", prov_span_str(prov_cert_status_name(cert->status)));
    prov_doc_text(d, into, "certificateMode", prov_span_str(mode_name(cert->mode)));
    prov_doc_time(d, into, "creationDate", cert->created_ms);
    prov_doc_id(d, into, "caCertificateId", &cert->ca_id);
    prov_doc_text_if(d, into, "commonName", cert->common_name);
}

/* Where it comes from and what it is for, when it is not an ordinary one. */
static void put_origin(struct prov_doc *d, cJSON *into, const struct prov_cert *cert)
{
    prov_doc_text_if(d, into, "claimTemplate", cert->claim_template);
    prov_doc_id(d, into, "replaces", &cert->replaces);
}

void view_time_if(struct prov_doc *d, cJSON *into, const char *key, int64_t at_ms)
{
    if (at_ms != 0)
        prov_doc_time(d, into, key, at_ms);
}

static void put_transfer(struct prov_doc *d, cJSON *into, const struct prov_cert *cert)
{
    cJSON *transfer;

    if (cert->transfer_account.n == 0)
        return;
    transfer = prov_doc_object(d, into, "transferData");
    prov_doc_text(d, transfer, "transferredTo", cert->transfer_account);
    prov_doc_text_if(d, transfer, "transferMessage", cert->transfer_message);
    prov_doc_text_if(d, transfer, "rejectReason", cert->transfer_reason);
    view_time_if(d, transfer, "transferDate", cert->transfer_ms);
    view_time_if(d, transfer, "acceptDate", cert->accepted_ms);
    view_time_if(d, transfer, "rejectDate", cert->rejected_ms);
}

void view_names(struct prov_doc *d, cJSON *into, const char *key, const struct prov_span *names,
                size_t n)
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
    put_owner(&d, about);
    prov_doc_time(&d, about, "lastModifiedDate", cert->modified_ms);
    put_validity(&d, about, cert->not_before_s, cert->not_after_s);
    if (d.rc == PROV_OK)
        d.rc = prov_cert_der(tx, &cert->id, &der);
    if (d.rc == PROV_OK)
        put_pem(&d, about, der);
    put_transfer(&d, about, cert);
    put_origin(&d, about, cert);
    put_policies(&d, d.root, cert->policies, cert->n_policies);
    view_names(&d, d.root, "things", cert->things, cert->n_things);
    if (cert->n_things != 0)
        prov_doc_text(&d, d.root, "thingPrincipalType",
                      prov_span_str(prov_view_principal_type(cert->exclusive)));
    return prov_doc_end(&d, out);
}

enum prov_rc prov_view_cert_row(struct prov_tx *tx, const struct prov_cert *cert, cJSON **out)
{
    struct prov_doc d = prov_doc_start(tx);

    put_cert_head(&d, d.root, cert);
    view_names(&d, d.root, "things", cert->things, cert->n_things);
    return prov_doc_end(&d, out);
}

enum prov_rc prov_view_crl(const struct prov_crl_info *info, const struct prov_crl_result *result,
                           cJSON **out)
{
    struct prov_doc d = prov_doc_start(NULL);
    cJSON *cas = prov_doc_array(&d, d.root, "caCertificateIds");
    char hex[PROV_ID_HEX + 1];

    for (size_t i = 0; i < info->n_cas; i++) {
        prov_id_hex(&info->cas[i], hex);
        (void)prov_doc_append(&d, cas, cJSON_CreateString(hex));
    }
    prov_doc_time(&d, d.root, "thisUpdate", info->this_update_s * 1000);
    if (info->next_update_s != 0)
        prov_doc_time(&d, d.root, "nextUpdate", info->next_update_s * 1000);
    prov_doc_bool(&d, d.root, "stale", info->stale);
    prov_doc_number(&d, d.root, "entries", (double)info->entries);
    prov_doc_number(&d, d.root, "revoked", (double)result->revoked);
    prov_doc_number(&d, d.root, "deactivated", (double)result->deactivated);
    prov_doc_number(&d, d.root, "alreadyRevoked", (double)result->were);
    prov_doc_number(&d, d.root, "unseen", (double)result->unseen);
    return prov_doc_end(&d, out);
}

/* ---- things ---------------------------------------------------------------------------------- */

static void put_thing_head(struct prov_doc *d, cJSON *into, const struct prov_thing *thing)
{
    prov_doc_text(d, into, "thingName", thing->name);
    view_arn(d, into, "thingArn", "thing", thing->name);
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

static void put_principals(struct prov_doc *d, cJSON *into, const struct prov_thing *thing)
{
    cJSON *principals = prov_doc_array(d, into, "principals");

    for (size_t i = 0; i < thing->n_principals && d->rc == PROV_OK; i++)
        prov_doc_append(d, principals, prov_doc_arn_of_id(d, "cert", &thing->principals[i]));
}

enum prov_rc prov_view_thing(struct prov_tx *tx, const struct prov_thing *thing, cJSON **out)
{
    struct prov_doc d = prov_doc_start(tx);

    prov_doc_text(&d, d.root, "defaultClientId", thing->name);
    put_thing_head(&d, d.root, thing);
    put_uuid(&d, d.root, "thingId", thing->thing_id.b);
    prov_doc_text_if(&d, d.root, "billingGroupName", thing->billing_group);
    prov_doc_time(&d, d.root, "creationDate", thing->created_ms);
    prov_doc_time(&d, d.root, "lastModifiedDate", thing->modified_ms);
    put_named(&d, d.root, "thingGroups", "groupName", "groupArn", "thinggroup", thing->groups,
              thing->n_groups);
    put_principals(&d, d.root, thing);
    return prov_doc_end(&d, out);
}

enum prov_rc prov_view_thing_row(struct prov_tx *tx, const struct prov_thing *thing, cJSON **out)
{
    struct prov_doc d = prov_doc_start(tx);

    put_thing_head(&d, d.root, thing);
    view_names(&d, d.root, "thingGroupNames", thing->groups, thing->n_groups);
    prov_doc_time(&d, d.root, "creationDate", thing->created_ms);
    put_principals(&d, d.root, thing);
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

    view_named(&d, d.root, "thingGroupName", "thingGroupArn", "thinggroup", group->name);
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
    struct prov_group group = { .depth = 0 };
    struct prov_doc d = prov_doc_start(tx);

    if (d.rc == PROV_OK)
        d.rc = prov_group_get(tx, name, &group);
    view_named(&d, d.root, "groupName", "groupArn", "thinggroup", name);
    prov_doc_text_if(&d, d.root, "parentGroupName", group.parent);
    prov_doc_text_if(&d, d.root, "thingGroupDescription", group.description);
    view_names(&d, d.root, "policyNames", group.policies, group.n_policies);
    prov_doc_time(&d, d.root, "creationDate", group.created_ms);
    return prov_doc_end(&d, out);
}

enum prov_rc prov_view_type(struct prov_tx *tx, const struct prov_thing_type *type, cJSON **out)
{
    struct prov_doc d = prov_doc_start(tx);
    cJSON *part;

    view_named(&d, d.root, "thingTypeName", "thingTypeArn", "thingtype", type->name);
    part = prov_doc_object(&d, d.root, "thingTypeProperties");
    prov_doc_text_if(&d, part, "thingTypeDescription", type->description);
    view_names(&d, part, "searchableAttributes", type->searchable, type->n_searchable);
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

    view_named(&d, d.root, "billingGroupName", "billingGroupArn", "billinggroup", group->name);
    prov_doc_text_if(&d, prov_doc_object(&d, d.root, "billingGroupProperties"),
                     "billingGroupDescription", group->description);
    prov_doc_time(&d, prov_doc_object(&d, d.root, "billingGroupMetadata"), "creationDate",
                  group->created_ms);
    return prov_doc_end(&d, out);
}

enum prov_rc prov_view_billing_row(struct prov_tx *tx, struct prov_span name, cJSON **out)
{
    struct prov_billing_group group = { .created_ms = 0 };
    struct prov_doc d = prov_doc_start(tx);

    if (d.rc == PROV_OK)
        d.rc = prov_billing_get(tx, name, &group);
    view_named(&d, d.root, "groupName", "groupArn", "billinggroup", name);
    prov_doc_text_if(&d, d.root, "billingGroupDescription", group.description);
    prov_doc_time(&d, d.root, "creationDate", group.created_ms);
    return prov_doc_end(&d, out);
}
