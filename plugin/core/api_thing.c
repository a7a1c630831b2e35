/* Things (reference 7.1, 7.2). */
#include "api_priv.h"

static const struct prov_api_field attributes_fields[] = {
    { "attributes", PROV_API_MAP, false, NULL },
    API_BOOL("merge"),
    API_END,
};

/* All of DescribeThing. */
static enum prov_rc answer(struct prov_tx *tx, struct prov_span name, cJSON **data)
{
    struct prov_thing thing;
    const enum prov_rc rc = prov_thing_get(tx, name, &thing);

    return rc != PROV_OK ? rc : prov_view_thing(tx, &thing, data);
}

/* ---- create, update, delete ------------------------------------------------------------------ */

static enum prov_rc create(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    const struct prov_span name = api_text(params, "thingName"),
                           group = api_text(params, "billingGroupName");
    struct prov_attr attrs[PROV_MAX_ATTRS];
    enum prov_rc rc;
    size_t n;

    rc = api_attrs(tx, params, attrs, &n);
    if (rc == PROV_OK)
        rc = prov_thing_create(tx, name, api_text(params, "thingTypeName"), attrs, n);
    if (rc == PROV_OK && group.n != 0)
        rc = prov_billing_add(tx, group, name);
    return rc != PROV_OK ? rc : answer(tx, name, data);
}

static enum prov_rc describe(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    return answer(tx, api_text(params, "thingName"), data);
}

static enum prov_rc read_update(struct prov_tx *tx, const cJSON *params,
                                struct prov_thing_change *change)
{
    const cJSON *payload = api_get(params, "attributePayload");
    enum prov_rc rc;

    rc = api_not_both(tx, params, "thingTypeName", "removeThingType");
    if (rc == PROV_OK)
        rc = api_not_both(tx, params, "billingGroupName", "removeBillingGroup");
    change->expected_version = api_number(params, "expectedVersion", 0);
    if (payload != NULL) {
        change->merge = api_bool(payload, "merge");
        change->set_attrs = !change->merge;
    }
    return rc;
}

static enum prov_rc update_billing(struct prov_tx *tx, const cJSON *params, struct prov_span name)
{
    const struct prov_span group = api_text(params, "billingGroupName");

    if (group.n == 0 && !api_bool(params, "removeBillingGroup"))
        return PROV_OK;
    return prov_billing_add(tx, group, name);
}

static enum prov_rc update(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    const struct prov_span name = api_text(params, "thingName"),
                           type = api_text(params, "thingTypeName");
    struct prov_attr attrs[PROV_MAX_ATTRS];
    struct prov_thing_change change = {
        .type = type.n != 0 || api_bool(params, "removeThingType") ? &type : NULL,
        .attrs = attrs,
    };
    enum prov_rc rc;

    rc = read_update(tx, params, &change);
    if (rc == PROV_OK)
        rc = api_attrs(tx, params, attrs, &change.n_attrs);
    if (rc == PROV_OK)
        rc = prov_thing_update(tx, name, &change);
    if (rc == PROV_OK)
        rc = update_billing(tx, params, name);
    return rc != PROV_OK ? rc : answer(tx, name, data);
}

static enum prov_rc check_version(struct prov_tx *tx, const struct prov_thing *thing,
                                  uint32_t expected)
{
    if (expected == 0 || expected == thing->version)
        return PROV_OK;
    return prov_fail(tx->err, PROV_ECONFLICT, "VersionConflictException",
                     "the thing is at version %u, not %u", thing->version, expected);
}

/* A thing that is not there is deleted, as on AWS; but who asked hears of it. */
static enum prov_rc delete_thing(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    const struct prov_span name = api_text(params, "thingName");
    struct prov_thing thing;
    struct prov_doc d;
    enum prov_rc rc;
    bool there;

    rc = prov_thing_get(tx, name, &thing);
    there = rc == PROV_OK;
    if (there)
        rc = check_version(tx, &thing, api_number(params, "expectedVersion", 0));
    else if (rc == PROV_ENOTFOUND)
        rc = PROV_OK;
    if (rc == PROV_OK)
        rc = prov_thing_delete(tx, name);
    if (rc != PROV_OK)
        return rc;
    d = prov_doc_start(tx);
    prov_doc_text(&d, d.root, "thingName", name);
    prov_doc_bool(&d, d.root, "deleted", there);
    return prov_doc_end(&d, data);
}

/* ---- lists ----------------------------------------------------------------------------------- */

struct filter {
    struct prov_span type, attr, value;
    bool by_type, by_attr, by_prefix;
};

static bool passes(const struct filter *f, const struct prov_thing *thing)
{
    if (f->by_type && !prov_span_eq(thing->type, f->type))
        return false;
    for (size_t i = 0; f->by_attr && i < thing->n_attrs; i++) {
        if (prov_span_eq(thing->attrs[i].name, f->attr))
            return f->by_prefix ? prov_span_starts(thing->attrs[i].value, f->value)
                                : prov_span_eq(thing->attrs[i].value, f->value);
    }
    return !f->by_attr;
}

static enum prov_rc row(struct prov_tx *tx, void *ctx, struct prov_span key, cJSON **out)
{
    struct prov_thing thing;
    enum prov_rc rc;

    rc = prov_thing_get(tx, key, &thing);
    if (rc != PROV_OK || !passes(ctx, &thing))
        return rc;
    return prov_view_thing_row(tx, &thing, out);
}

static enum prov_rc read_filter(struct prov_tx *tx, const cJSON *params, struct filter *f)
{
    f->type = api_text(params, "thingTypeName");
    f->by_type = api_get(params, "thingTypeName") != NULL;
    f->attr = api_text(params, "attributeName");
    f->by_attr = api_get(params, "attributeName") != NULL;
    f->value = api_text(params, "attributeValue");
    f->by_prefix = api_bool(params, "usePrefixAttributeValue");
    if (f->by_attr != (api_get(params, "attributeValue") != NULL))
        return api_refuse(tx, "attributeValue", "attributeName and attributeValue go together");
    if (f->by_prefix && !f->by_attr)
        return api_refuse(tx, "usePrefixAttributeValue", "goes with attributeName");
    return PROV_OK;
}

/* The owner that a filter names must exist: an empty list would hide a typing mistake. */
static enum prov_rc owner(struct prov_tx *tx, const cJSON *params, struct api_list *l)
{
    const struct prov_span group = api_text(params, "thingGroupName"),
                           billing = api_text(params, "billingGroupName"),
                           type = api_text(params, "thingTypeName");
    enum prov_rc rc;

    rc = api_not_both(tx, params, "thingGroupName", "billingGroupName");
    if (rc != PROV_OK)
        return rc;
    if (api_get(params, "thingGroupName") != NULL) {
        l->kind = PROV_LIST_THINGS_OF_GROUP;
        l->of = group;
        rc = prov_group_get(tx, group, &(struct prov_group){ .depth = 0 });
    } else if (api_get(params, "billingGroupName") != NULL) {
        l->kind = PROV_LIST_THINGS_OF_BILLING_GROUP;
        l->of = billing;
        rc = prov_billing_get(tx, billing, &(struct prov_billing_group){ .created_ms = 0 });
    } else if (api_get(params, "thingTypeName") != NULL) {
        l->kind = PROV_LIST_THINGS_OF_TYPE;
        l->of = type;
    }
    if (rc == PROV_OK && api_get(params, "thingTypeName") != NULL)
        rc = prov_type_get(tx, type, &(struct prov_thing_type){ .deprecated = false });
    return rc;
}

static enum prov_rc list(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    struct filter filter;
    struct api_list l = {
        .kind = PROV_LIST_THINGS,
        .pages = API_TOKEN,
        .rows = "things",
        .row = row,
        .ctx = &filter,
    };
    enum prov_rc rc;

    rc = read_filter(tx, params, &filter);
    if (rc == PROV_OK)
        rc = owner(tx, params, &l);
    return rc != PROV_OK ? rc : api_list(tx, params, &l, data);
}

/* ---- change of owner ------------------------------------------------------------------------- */

static enum prov_rc reset(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    static const char *const retirements[] = { [PROV_RETIRE_REVOKE] = "REVOKE",
                                               [PROV_RETIRE_DEACTIVATE] = "DEACTIVATE",
                                               [PROV_RETIRE_DELETE] = "DELETE" };
    const struct prov_span name = api_text(params, "thingName");
    struct prov_thing_reset how = { .keep_groups = api_bool(params, "keepThingGroups"),
                                    .shared = api_bool(params, "includeShared") };
    struct prov_thing_reset_result result = { .certs = 0 };
    size_t retirement = PROV_RETIRE_REVOKE;
    struct prov_doc d;
    enum prov_rc rc;

    rc = api_choice(tx, params, "certificates", retirements, PROV_COUNT(retirements), &retirement);
    how.certs = (enum prov_retirement)retirement;
    if (rc == PROV_OK)
        rc = prov_thing_reset(tx, name, &how, &result);
    if (rc != PROV_OK)
        return rc;
    d = api_about(tx, "thingName", "thingArn", "thing", name);
    prov_doc_number(&d, d.root, "retiredCertificates", (double)result.certs);
    prov_doc_number(&d, d.root, "detachedPolicies", (double)result.policies);
    prov_doc_number(&d, d.root, "leftGroups", (double)result.groups);
    return prov_doc_end(&d, data);
}

/* ---- the operations -------------------------------------------------------------------------- */

static const struct prov_api_field create_fields[] = {
    API_TEXT_NEEDED("thingName"),
    API_TEXT("thingTypeName"),
    API_OBJECT("attributePayload", attributes_fields),
    API_TEXT("billingGroupName"),
    API_END,
};

static const struct prov_api_field name_fields[] = { API_TEXT_NEEDED("thingName"), API_END };

static const struct prov_api_field update_fields[] = {
    API_TEXT_NEEDED("thingName"),  API_TEXT("thingTypeName"),
    API_BOOL("removeThingType"),   API_OBJECT("attributePayload", attributes_fields),
    API_TEXT("billingGroupName"),  API_BOOL("removeBillingGroup"),
    API_NUMBER("expectedVersion"), API_END,
};

static const struct prov_api_field delete_fields[] = {
    API_TEXT_NEEDED("thingName"),
    API_NUMBER("expectedVersion"),
    API_END,
};

static const struct prov_api_field list_fields[] = {
    API_TEXT("thingTypeName"),
    API_TEXT("thingGroupName"),
    API_TEXT("billingGroupName"),
    API_TEXT("attributeName"),
    API_TEXT("attributeValue"),
    API_BOOL("usePrefixAttributeValue"),
    API_BY_TOKEN,
    API_END,
};

static const struct prov_api_field reset_fields[] = {
    API_TEXT_NEEDED("thingName"),
    API_TEXT("certificates"),
    API_BOOL("keepThingGroups"),
    API_BOOL("includeShared"),
    API_END,
};

const struct prov_api_op api_thing_ops[] = {
    { "createThing",
      "Creates a thing.",
      PROV_API_WRITE,
      { "thingName", NULL },
      create_fields,
      create,
      NULL },
    { "describeThing",
      "Describes a thing.",
      PROV_API_READ,
      { "thingName", NULL },
      name_fields,
      describe,
      NULL },
    { "updateThing",
      "Changes a thing's attributes, type or billing group.",
      PROV_API_WRITE,
      { "thingName", NULL },
      update_fields,
      update,
      NULL },
    { "deleteThing",
      "Deletes a thing that no certificate is attached to.",
      PROV_API_WRITE,
      { "thingName", NULL },
      delete_fields,
      delete_thing,
      NULL },
    { "listThings",
      "Lists things: all, or those of a type, group, billing group or attribute.",
      PROV_API_READ,
      { NULL, NULL },
      list_fields,
      list,
      NULL },
    { "resetThing",
      "Ends a thing's ownership: its certificates are retired, its policies and groups left.",
      PROV_API_WRITE,
      { "thingName", "certificates" },
      reset_fields,
      reset,
      NULL },
    { .name = NULL },
};
