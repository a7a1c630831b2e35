/* Thing groups, thing types and billing groups (reference 7.1, 7.2). */
#include "api_priv.h"

/* ---- thing groups ---------------------------------------------------------------------------- */

static enum prov_rc answer_group(struct prov_tx *tx, struct prov_span name, cJSON **data)
{
    struct prov_group group;
    const enum prov_rc rc = prov_group_get(tx, name, &group);

    return rc != PROV_OK ? rc : prov_view_group(tx, &group, data);
}

static enum prov_rc create_group(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    const struct prov_span name = api_text(params, "thingGroupName");
    const enum prov_rc rc = prov_group_create(
        tx, name, api_text(params, "parentGroupName"),
        api_text(api_get(params, "thingGroupProperties"), "thingGroupDescription"));

    return rc != PROV_OK ? rc : answer_group(tx, name, data);
}

static enum prov_rc describe_group(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    return answer_group(tx, api_text(params, "thingGroupName"), data);
}

static enum prov_rc delete_group(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    const struct prov_span name = api_text(params, "thingGroupName");
    const uint32_t expected = api_number(params, "expectedVersion", 0);
    struct prov_group group;
    enum prov_rc rc;

    (void)data;
    rc = prov_group_get(tx, name, &group);
    if (rc == PROV_OK && expected != 0 && expected != group.version)
        return prov_fail(tx->err, PROV_ECONFLICT, "VersionConflictException",
                         "the thing group is at version %u, not %u", group.version, expected);
    return rc != PROV_OK ? rc : prov_group_delete(tx, name);
}

static enum prov_rc add_to_group(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    (void)data;
    return prov_group_add(tx, api_text(params, "thingGroupName"), api_text(params, "thingName"));
}

static enum prov_rc remove_from_group(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    (void)data;
    return prov_group_remove(tx, api_text(params, "thingGroupName"), api_text(params, "thingName"));
}

static enum prov_rc group_row(struct prov_tx *tx, void *ctx, struct prov_span key, cJSON **row)
{
    (void)ctx;
    return prov_view_group_row(tx, key, row);
}

/* Only the groups directly below one, or things directly in it, have an index. */
static enum prov_rc not_recursive(struct prov_tx *tx, const cJSON *params)
{
    if (!api_bool(params, "recursive"))
        return PROV_OK;
    return api_refuse(tx, "recursive", "only what is directly in a group is listed here");
}

static enum prov_rc list_groups(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    const bool below = api_get(params, "parentGroup") != NULL;
    const struct api_list l = {
        .kind = below ? PROV_LIST_GROUPS_OF_GROUP : PROV_LIST_GROUPS,
        .of = api_text(params, "parentGroup"),
        .pages = API_TOKEN,
        .rows = "thingGroups",
        .prefix = api_text(params, "namePrefixFilter"),
        .row = group_row,
    };
    enum prov_rc rc;

    rc = not_recursive(tx, params);
    if (rc == PROV_OK && below)
        rc = prov_group_get(tx, l.of, &(struct prov_group){ .depth = 0 });
    return rc != PROV_OK ? rc : api_list(tx, params, &l, data);
}

static enum prov_rc list_things_in_group(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    const struct api_list l = {
        .kind = PROV_LIST_THINGS_OF_GROUP,
        .of = api_text(params, "thingGroupName"),
        .pages = API_TOKEN,
        .rows = "things",
        .row = api_key_row,
    };
    enum prov_rc rc;

    rc = not_recursive(tx, params);
    if (rc == PROV_OK)
        rc = prov_group_get(tx, l.of, &(struct prov_group){ .depth = 0 });
    return rc != PROV_OK ? rc : api_list(tx, params, &l, data);
}

static const struct prov_api_field group_properties[] = {
    API_TEXT("thingGroupDescription"),
    API_END,
};

static const struct prov_api_field create_group_fields[] = {
    API_TEXT_NEEDED("thingGroupName"),
    API_TEXT("parentGroupName"),
    API_OBJECT("thingGroupProperties", group_properties),
    API_END,
};

static const struct prov_api_field group_fields[] = { API_TEXT_NEEDED("thingGroupName"), API_END };

static const struct prov_api_field delete_group_fields[] = {
    API_TEXT_NEEDED("thingGroupName"),
    API_NUMBER("expectedVersion"),
    API_END,
};

static const struct prov_api_field member_fields[] = {
    API_TEXT_NEEDED("thingGroupName"),
    API_TEXT_NEEDED("thingName"),
    API_END,
};

static const struct prov_api_field list_groups_fields[] = {
    API_TEXT("parentGroup"),
    API_TEXT("namePrefixFilter"),
    API_BOOL("recursive"),
    API_BY_TOKEN,
    API_END,
};

static const struct prov_api_field list_members_fields[] = {
    API_TEXT_NEEDED("thingGroupName"),
    API_BOOL("recursive"),
    API_BY_TOKEN,
    API_END,
};

const struct prov_api_op api_group_ops[] = {
    { "createThingGroup",
      "Creates a thing group.",
      PROV_API_WRITE,
      { "thingGroupName", NULL },
      create_group_fields,
      create_group,
      NULL },
    { "describeThingGroup",
      "Describes a thing group.",
      PROV_API_READ,
      { "thingGroupName", NULL },
      group_fields,
      describe_group,
      NULL },
    { "deleteThingGroup",
      "Deletes a group without groups below it and without policies.",
      PROV_API_WRITE,
      { "thingGroupName", NULL },
      delete_group_fields,
      delete_group,
      NULL },
    { "listThingGroups",
      "Lists the thing groups, or those directly below one.",
      PROV_API_READ,
      { "parentGroup", NULL },
      list_groups_fields,
      list_groups,
      NULL },
    { "addThingToThingGroup",
      "Puts a thing into a group.",
      PROV_API_WRITE,
      { "thingGroupName", "thingName" },
      member_fields,
      add_to_group,
      NULL },
    { "removeThingFromThingGroup",
      "Takes a thing out of a group.",
      PROV_API_WRITE,
      { "thingGroupName", "thingName" },
      member_fields,
      remove_from_group,
      NULL },
    { "listThingsInThingGroup",
      "Lists the things in a group.",
      PROV_API_READ,
      { "thingGroupName", NULL },
      list_members_fields,
      list_things_in_group,
      NULL },
    { .name = NULL },
};

/* ---- thing types ----------------------------------------------------------------------------- */

static enum prov_rc answer_type(struct prov_tx *tx, struct prov_span name, cJSON **data)
{
    struct prov_thing_type type;
    const enum prov_rc rc = prov_type_get(tx, name, &type);

    return rc != PROV_OK ? rc : prov_view_type(tx, &type, data);
}

static enum prov_rc create_type(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    const cJSON *properties = api_get(params, "thingTypeProperties"), *item;
    struct prov_thing_type type = {
        .name = api_text(params, "thingTypeName"),
        .description = api_text(properties, "thingTypeDescription"),
    };
    enum prov_rc rc;

    cJSON_ArrayForEach(item, api_get(properties, "searchableAttributes"))
    {
        if (type.n_searchable == PROV_MAX_SEARCHABLE)
            return api_refuse(tx, "thingTypeProperties.searchableAttributes",
                              "a type has at most %d searchable attributes", PROV_MAX_SEARCHABLE);
        type.searchable[type.n_searchable++] = prov_span_str(item->valuestring);
    }
    rc = prov_type_create(tx, &type);
    return rc != PROV_OK ? rc : answer_type(tx, type.name, data);
}

static enum prov_rc describe_type(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    return answer_type(tx, api_text(params, "thingTypeName"), data);
}

static enum prov_rc deprecate_type(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    (void)data;
    return prov_type_deprecate(tx, api_text(params, "thingTypeName"),
                               api_bool(params, "undoDeprecate"));
}

static enum prov_rc delete_type(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    (void)data;
    return prov_type_delete(tx, api_text(params, "thingTypeName"));
}

static enum prov_rc type_row(struct prov_tx *tx, void *ctx, struct prov_span key, cJSON **row)
{
    const struct prov_span *only = ctx;

    return only->n != 0 && !prov_span_eq(key, *only) ? PROV_OK : answer_type(tx, key, row);
}

static enum prov_rc list_types(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    struct prov_span only = api_text(params, "thingTypeName");
    const struct api_list l = {
        .kind = PROV_LIST_TYPES,
        .pages = API_TOKEN,
        .rows = "thingTypes",
        .prefix = only,
        .row = type_row,
        .ctx = &only,
    };

    return api_list(tx, params, &l, data);
}

static const struct prov_api_field type_properties[] = {
    API_TEXT("thingTypeDescription"),
    { "searchableAttributes", PROV_API_TEXTS, false, NULL },
    API_END,
};

static const struct prov_api_field create_type_fields[] = {
    API_TEXT_NEEDED("thingTypeName"),
    API_OBJECT("thingTypeProperties", type_properties),
    API_END,
};

static const struct prov_api_field type_fields[] = { API_TEXT_NEEDED("thingTypeName"), API_END };

static const struct prov_api_field deprecate_fields[] = {
    API_TEXT_NEEDED("thingTypeName"),
    API_BOOL("undoDeprecate"),
    API_END,
};

static const struct prov_api_field list_types_fields[] = {
    API_TEXT("thingTypeName"),
    API_BY_TOKEN,
    API_END,
};

const struct prov_api_op api_type_ops[] = {
    { "createThingType",
      "Creates a thing type.",
      PROV_API_WRITE,
      { "thingTypeName", NULL },
      create_type_fields,
      create_type,
      NULL },
    { "describeThingType",
      "Describes a thing type.",
      PROV_API_READ,
      { "thingTypeName", NULL },
      type_fields,
      describe_type,
      NULL },
    { "deprecateThingType",
      "Allows no new things of a type, or allows them again.",
      PROV_API_WRITE,
      { "thingTypeName", NULL },
      deprecate_fields,
      deprecate_type,
      NULL },
    { "deleteThingType",
      "Deletes a deprecated type without things.",
      PROV_API_WRITE,
      { "thingTypeName", NULL },
      type_fields,
      delete_type,
      NULL },
    { "listThingTypes",
      "Lists the thing types.",
      PROV_API_READ,
      { NULL, NULL },
      list_types_fields,
      list_types,
      NULL },
    { .name = NULL },
};

/* ---- billing groups -------------------------------------------------------------------------- */

static enum prov_rc answer_billing(struct prov_tx *tx, struct prov_span name, cJSON **data)
{
    struct prov_billing_group group;
    const enum prov_rc rc = prov_billing_get(tx, name, &group);

    return rc != PROV_OK ? rc : prov_view_billing(tx, &group, data);
}

static enum prov_rc create_billing(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    const struct prov_span name = api_text(params, "billingGroupName");
    const enum prov_rc rc = prov_billing_create(
        tx, name, api_text(api_get(params, "billingGroupProperties"), "billingGroupDescription"));

    return rc != PROV_OK ? rc : answer_billing(tx, name, data);
}

static enum prov_rc describe_billing(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    return answer_billing(tx, api_text(params, "billingGroupName"), data);
}

static enum prov_rc delete_billing(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    (void)data;
    return prov_billing_delete(tx, api_text(params, "billingGroupName"));
}

static enum prov_rc add_to_billing(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    const struct prov_span group = api_text(params, "billingGroupName");

    (void)data;
    if (group.n == 0) /* which would take the thing out of any */
        return api_refuse(tx, "billingGroupName", "is empty");
    return prov_billing_add(tx, group, api_text(params, "thingName"));
}

static enum prov_rc remove_from_billing(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    const struct prov_span group = api_text(params, "billingGroupName");
    struct prov_thing thing;
    enum prov_rc rc;

    (void)data;
    rc = prov_billing_get(tx, group, &(struct prov_billing_group){ .created_ms = 0 });
    if (rc == PROV_OK)
        rc = prov_thing_get(tx, api_text(params, "thingName"), &thing);
    if (rc != PROV_OK || !prov_span_eq(thing.billing_group, group))
        return rc;
    return prov_billing_add(tx, prov_span(NULL, 0), api_text(params, "thingName"));
}

static enum prov_rc billing_row(struct prov_tx *tx, void *ctx, struct prov_span key, cJSON **row)
{
    (void)ctx;
    return prov_view_billing_row(tx, key, row);
}

static enum prov_rc list_billing(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    const struct api_list l = {
        .kind = PROV_LIST_BILLING_GROUPS,
        .pages = API_TOKEN,
        .rows = "billingGroups",
        .prefix = api_text(params, "namePrefixFilter"),
        .row = billing_row,
    };

    return api_list(tx, params, &l, data);
}

static enum prov_rc list_things_in_billing(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    const struct api_list l = {
        .kind = PROV_LIST_THINGS_OF_BILLING_GROUP,
        .of = api_text(params, "billingGroupName"),
        .pages = API_TOKEN,
        .rows = "things",
        .row = api_key_row,
    };
    const enum prov_rc rc =
        prov_billing_get(tx, l.of, &(struct prov_billing_group){ .created_ms = 0 });

    return rc != PROV_OK ? rc : api_list(tx, params, &l, data);
}

static const struct prov_api_field billing_properties[] = {
    API_TEXT("billingGroupDescription"),
    API_END,
};

static const struct prov_api_field create_billing_fields[] = {
    API_TEXT_NEEDED("billingGroupName"),
    API_OBJECT("billingGroupProperties", billing_properties),
    API_END,
};

static const struct prov_api_field billing_fields[] = {
    API_TEXT_NEEDED("billingGroupName"),
    API_END,
};

static const struct prov_api_field billing_member_fields[] = {
    API_TEXT_NEEDED("billingGroupName"),
    API_TEXT_NEEDED("thingName"),
    API_END,
};

static const struct prov_api_field list_billing_fields[] = {
    API_TEXT("namePrefixFilter"),
    API_BY_TOKEN,
    API_END,
};

static const struct prov_api_field billing_things_fields[] = {
    API_TEXT_NEEDED("billingGroupName"),
    API_BY_TOKEN,
    API_END,
};

const struct prov_api_op api_billing_ops[] = {
    { "createBillingGroup",
      "Creates a billing group.",
      PROV_API_WRITE,
      { "billingGroupName", NULL },
      create_billing_fields,
      create_billing,
      NULL },
    { "describeBillingGroup",
      "Describes a billing group.",
      PROV_API_READ,
      { "billingGroupName", NULL },
      billing_fields,
      describe_billing,
      NULL },
    { "deleteBillingGroup",
      "Deletes a billing group.",
      PROV_API_WRITE,
      { "billingGroupName", NULL },
      billing_fields,
      delete_billing,
      NULL },
    { "listBillingGroups",
      "Lists the billing groups.",
      PROV_API_READ,
      { NULL, NULL },
      list_billing_fields,
      list_billing,
      NULL },
    { "addThingToBillingGroup",
      "Puts a thing into a billing group, out of the one it was in.",
      PROV_API_WRITE,
      { "billingGroupName", "thingName" },
      billing_member_fields,
      add_to_billing,
      NULL },
    { "removeThingFromBillingGroup",
      "Takes a thing out of a billing group.",
      PROV_API_WRITE,
      { "billingGroupName", "thingName" },
      billing_member_fields,
      remove_from_billing,
      NULL },
    { "listThingsInBillingGroup",
      "Lists the things in a billing group.",
      PROV_API_READ,
      { "billingGroupName", NULL },
      billing_things_fields,
      list_things_in_billing,
      NULL },
    { .name = NULL },
};
