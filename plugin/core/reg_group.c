#include "names.h"
#include "reg.h"

static const struct prov_field group_fields[] = {
    { 1, PROV_FIELD_SPAN, offsetof(struct prov_group, name), 0, 0 },
    { 2, PROV_FIELD_SPAN, offsetof(struct prov_group, parent), 0, 0 },
    { 3, PROV_FIELD_SPAN, offsetof(struct prov_group, description), 0, 0 },
    { 4, PROV_FIELD_SPANS, offsetof(struct prov_group, policies),
      offsetof(struct prov_group, n_policies), PROV_MAX_GROUP_POLICIES },
    { 5, PROV_FIELD_ATTRS, offsetof(struct prov_group, attrs), offsetof(struct prov_group, n_attrs),
      PROV_MAX_ATTRS },
    { 6, PROV_FIELD_U32, offsetof(struct prov_group, depth), 0, 0 },
    { 7, PROV_FIELD_U32, offsetof(struct prov_group, version), 0, 0 },
    { 8, PROV_FIELD_I64, offsetof(struct prov_group, created_ms), 0, 0 },
};
const struct prov_record reg_group_record = { group_fields, PROV_COUNT(group_fields),
                                              sizeof(struct prov_group) };

static const struct prov_field type_fields[] = {
    { 1, PROV_FIELD_SPAN, offsetof(struct prov_thing_type, name), 0, 0 },
    { 2, PROV_FIELD_SPAN, offsetof(struct prov_thing_type, description), 0, 0 },
    { 3, PROV_FIELD_SPANS, offsetof(struct prov_thing_type, searchable),
      offsetof(struct prov_thing_type, n_searchable), PROV_MAX_SEARCHABLE },
    { 4, PROV_FIELD_BOOL, offsetof(struct prov_thing_type, deprecated), 0, 0 },
    { 5, PROV_FIELD_I64, offsetof(struct prov_thing_type, deprecated_ms), 0, 0 },
    { 6, PROV_FIELD_I64, offsetof(struct prov_thing_type, created_ms), 0, 0 },
};
const struct prov_record reg_type_record = { type_fields, PROV_COUNT(type_fields),
                                             sizeof(struct prov_thing_type) };

static const struct prov_field billing_fields[] = {
    { 1, PROV_FIELD_SPAN, offsetof(struct prov_billing_group, name), 0, 0 },
    { 2, PROV_FIELD_SPAN, offsetof(struct prov_billing_group, description), 0, 0 },
    { 3, PROV_FIELD_I64, offsetof(struct prov_billing_group, created_ms), 0, 0 },
};
const struct prov_record reg_billing_record = { billing_fields, PROV_COUNT(billing_fields),
                                                sizeof(struct prov_billing_group) };

static enum prov_rc exists_already(struct prov_tx *tx, const char *what, struct prov_span name)
{
    return prov_fail(tx->err, PROV_ECONFLICT, REG_EXISTS, "%s \"%.*s\" exists already", what,
                     PROV_SPAN_ARG(name));
}

/* ---- thing groups ---------------------------------------------------------------------------- */

enum prov_rc prov_group_get(struct prov_tx *tx, struct prov_span name, struct prov_group *out)
{
    return reg_get(tx, REG_GROUP, &reg_group_record, "thing group", name, out);
}

enum prov_rc reg_group_put(struct prov_tx *tx, struct prov_span name,
                           const struct prov_group *group)
{
    const enum prov_rc rc = reg_put(tx, REG_GROUP, &reg_group_record, name, group);

    return rc != PROV_OK ? rc : prov_feed_append(tx, PROV_CHANGED_GROUP, name);
}

static enum prov_rc parent_check(struct prov_tx *tx, struct prov_span parent, uint32_t *depth)
{
    struct prov_group group;
    enum prov_rc rc;
    size_t n;

    *depth = 1;
    if (parent.n == 0)
        return PROV_OK;
    rc = prov_group_get(tx, parent, &group);
    if (rc == PROV_OK)
        rc = reg_link_count(tx, REG_GROUP_OF_GROUP, parent, PROV_MAX_GROUP_CHILDREN, &n);
    if (rc != PROV_OK)
        return rc;
    *depth = group.depth + 1;
    if (*depth > PROV_MAX_GROUP_DEPTH)
        return prov_fail(tx->err, PROV_ETOOBIG, REG_LIMIT, "groups nest at most %d deep",
                         PROV_MAX_GROUP_DEPTH);
    if (n >= PROV_MAX_GROUP_CHILDREN)
        return prov_fail(tx->err, PROV_ETOOBIG, REG_LIMIT, "group \"%.*s\" has %d children already",
                         PROV_SPAN_ARG(parent), PROV_MAX_GROUP_CHILDREN);
    return PROV_OK;
}

enum prov_rc prov_group_create(struct prov_tx *tx, struct prov_span name, struct prov_span parent,
                               struct prov_span description)
{
    struct prov_group group = { .name = name,
                                .parent = parent,
                                .description = description,
                                .version = 1,
                                .created_ms = tx->now_ms };
    struct prov_group old;
    enum prov_rc rc;

    rc = prov_name_check(PROV_NAME_THING, name, tx->err);
    if (rc == PROV_OK)
        rc = reg_description_check(tx, description);
    if (rc != PROV_OK)
        return rc;
    rc = reg_exists(tx, REG_GROUP, name);
    if (rc == PROV_OK)
        rc = prov_group_get(tx, name, &old);
    if (rc == PROV_OK) {
        const bool same =
            prov_span_eq(old.parent, parent) && prov_span_eq(old.description, description);

        return same ? PROV_OK : exists_already(tx, "thing group", name);
    }
    if (rc != PROV_ENOTFOUND)
        return rc;
    rc = parent_check(tx, parent, &group.depth);
    if (rc == PROV_OK)
        rc = reg_group_put(tx, name, &group);
    if (rc == PROV_OK && parent.n != 0)
        rc = reg_link_add(tx, REG_GROUP_OF_GROUP, parent, name);
    return rc;
}

static enum prov_rc group_deletable(struct prov_tx *tx, const struct prov_group *group)
{
    enum prov_rc rc;
    size_t n;

    rc = reg_link_count(tx, REG_GROUP_OF_GROUP, group->name, 1, &n);
    if (rc != PROV_OK)
        return rc;
    if (n != 0)
        return prov_fail(tx->err, PROV_EDENIED, REG_INVALID,
                         "the group has child groups: delete them first");
    if (group->n_policies != 0)
        return prov_fail(tx->err, PROV_EDENIED, REG_IN_USE,
                         "policy \"%.*s\" is attached to the group: detach it first",
                         PROV_SPAN_ARG(group->policies[0]));
    return PROV_OK;
}

enum prov_rc prov_group_delete(struct prov_tx *tx, struct prov_span name)
{
    uint8_t thing[PROV_STORE_KEY_MAX];
    char parent[PROV_MAX_NAME + 1];
    struct prov_group group;
    enum prov_rc rc;
    size_t n;

    rc = prov_group_get(tx, name, &group);
    if (rc == PROV_OK)
        rc = group_deletable(tx, &group);
    if (rc != PROV_OK)
        return rc;
    (void)prov_span_copy(group.parent, parent, sizeof parent);
    while ((rc = reg_link_first(tx, REG_THING_OF_GROUP, name, thing, &n)) == PROV_OK) {
        rc = prov_group_remove(tx, name, prov_span(thing, n));
        if (rc != PROV_OK)
            return rc;
    }
    if (rc != PROV_ENOTFOUND)
        return rc;
    rc = reg_del(tx, REG_GROUP, name);
    if (rc == PROV_OK && *parent != '\0')
        rc = reg_link_del(tx, REG_GROUP_OF_GROUP, prov_span_str(parent), name);
    return rc != PROV_OK ? rc : prov_feed_append(tx, PROV_CHANGED_GROUP, name);
}

/* The top of a group's hierarchy, copied; depth is bounded, so a damaged parent loop ends. */
static enum prov_rc root_of(struct prov_tx *tx, struct prov_span name,
                            char root[static PROV_MAX_NAME + 1])
{
    struct prov_group group;
    enum prov_rc rc;

    for (int depth = 0; depth < PROV_MAX_GROUP_DEPTH; depth++) {
        rc = prov_group_get(tx, name, &group);
        if (rc != PROV_OK)
            return rc;
        if (group.parent.n == 0)
            break;
        name = group.parent;
    }
    (void)prov_span_copy(name, root, PROV_MAX_NAME + 1);
    return PROV_OK;
}

enum prov_rc reg_group_joinable(struct prov_tx *tx, const struct prov_thing *thing,
                                struct prov_span group)
{
    char root[PROV_MAX_NAME + 1], other[PROV_MAX_NAME + 1];
    enum prov_rc rc;

    if (thing->n_groups == PROV_MAX_THING_GROUPS)
        return prov_fail(tx->err, PROV_ETOOBIG, REG_LIMIT, "the thing is in %d groups already",
                         PROV_MAX_THING_GROUPS);
    rc = root_of(tx, group, root);
    for (size_t i = 0; rc == PROV_OK && i < thing->n_groups; i++) {
        rc = root_of(tx, thing->groups[i], other);
        if (rc == PROV_OK && strcmp(root, other) == 0)
            rc = prov_fail(tx->err, PROV_EINVAL, REG_INVALID,
                           "the thing is in group \"%.*s\" of the same hierarchy",
                           PROV_SPAN_ARG(thing->groups[i]));
    }
    return rc;
}

enum prov_rc prov_group_add(struct prov_tx *tx, struct prov_span group, struct prov_span name)
{
    struct prov_group found;
    struct prov_thing thing;
    enum prov_rc rc;

    rc = prov_group_get(tx, group, &found);
    if (rc == PROV_OK)
        rc = prov_thing_get(tx, name, &thing);
    if (rc != PROV_OK || reg_has(thing.groups, thing.n_groups, group))
        return rc;
    rc = reg_group_joinable(tx, &thing, group);
    if (rc != PROV_OK)
        return rc;
    thing.groups[thing.n_groups++] = group;
    rc = reg_thing_put(tx, &thing);
    return rc != PROV_OK ? rc : reg_link_add(tx, REG_THING_OF_GROUP, group, name);
}

enum prov_rc prov_group_remove(struct prov_tx *tx, struct prov_span group, struct prov_span name)
{
    struct prov_thing thing;
    enum prov_rc rc;

    rc = prov_thing_get(tx, name, &thing);
    if (rc != PROV_OK)
        return rc;
    if (!reg_has(thing.groups, thing.n_groups, group))
        return prov_fail(tx->err, PROV_ENOTFOUND, REG_NOT_FOUND,
                         "the thing is not in group \"%.*s\"", PROV_SPAN_ARG(group));
    reg_remove(thing.groups, &thing.n_groups, group);
    rc = reg_thing_put(tx, &thing);
    return rc != PROV_OK ? rc : reg_link_del(tx, REG_THING_OF_GROUP, group, name);
}

/* ---- thing types ----------------------------------------------------------------------------- */

enum prov_rc prov_type_get(struct prov_tx *tx, struct prov_span name, struct prov_thing_type *out)
{
    return reg_get(tx, REG_TYPE, &reg_type_record, "thing type", name, out);
}

static enum prov_rc type_put(struct prov_tx *tx, struct prov_span name,
                             const struct prov_thing_type *type)
{
    const enum prov_rc rc = reg_put(tx, REG_TYPE, &reg_type_record, name, type);

    return rc != PROV_OK ? rc : prov_feed_append(tx, PROV_CHANGED_TYPE, name);
}

enum prov_rc prov_type_create(struct prov_tx *tx, const struct prov_thing_type *type)
{
    struct prov_thing_type made = *type;
    enum prov_rc rc;

    rc = prov_name_check(PROV_NAME_THING, type->name, tx->err);
    if (rc == PROV_OK)
        rc = reg_description_check(tx, type->description);
    if (rc == PROV_OK && type->n_searchable > PROV_MAX_SEARCHABLE)
        rc = prov_fail(tx->err, PROV_ETOOBIG, REG_INVALID,
                       "a thing type has at most %d searchable attributes", PROV_MAX_SEARCHABLE);
    for (size_t i = 0; rc == PROV_OK && i < type->n_searchable; i++)
        rc = prov_name_check(PROV_NAME_ATTRIBUTE, type->searchable[i], tx->err);
    if (rc != PROV_OK)
        return rc;
    rc = reg_exists(tx, REG_TYPE, type->name);
    if (rc != PROV_ENOTFOUND)
        return rc == PROV_OK ? exists_already(tx, "thing type", type->name) : rc;
    made.deprecated = false;
    made.deprecated_ms = 0;
    made.created_ms = tx->now_ms;
    return type_put(tx, type->name, &made);
}

enum prov_rc prov_type_deprecate(struct prov_tx *tx, struct prov_span name, bool undo)
{
    struct prov_thing_type type;
    const enum prov_rc rc = prov_type_get(tx, name, &type);

    if (rc != PROV_OK || type.deprecated == !undo)
        return rc;
    type.deprecated = !undo;
    type.deprecated_ms = undo ? 0 : tx->now_ms;
    return type_put(tx, name, &type);
}

enum prov_rc prov_type_delete(struct prov_tx *tx, struct prov_span name)
{
    struct prov_thing_type type;
    enum prov_rc rc;
    size_t n;

    rc = prov_type_get(tx, name, &type);
    if (rc == PROV_OK && !type.deprecated)
        rc = prov_fail(tx->err, PROV_EDENIED, REG_INVALID,
                       "only a deprecated thing type can be deleted");
    if (rc == PROV_OK)
        rc = reg_link_count(tx, REG_THING_OF_TYPE, name, 1, &n);
    if (rc == PROV_OK && n != 0)
        rc = prov_fail(tx->err, PROV_EDENIED, REG_INVALID, "things of this type exist");
    if (rc == PROV_OK)
        rc = reg_del(tx, REG_TYPE, name);
    return rc != PROV_OK ? rc : prov_feed_append(tx, PROV_CHANGED_TYPE, name);
}

/* ---- billing groups -------------------------------------------------------------------------- */

enum prov_rc prov_billing_get(struct prov_tx *tx, struct prov_span name,
                              struct prov_billing_group *out)
{
    return reg_get(tx, REG_BILLING, &reg_billing_record, "billing group", name, out);
}

enum prov_rc prov_billing_create(struct prov_tx *tx, struct prov_span name,
                                 struct prov_span description)
{
    const struct prov_billing_group group = { name, description, tx->now_ms };
    enum prov_rc rc;

    rc = prov_name_check(PROV_NAME_THING, name, tx->err);
    if (rc == PROV_OK)
        rc = reg_description_check(tx, description);
    if (rc != PROV_OK)
        return rc;
    rc = reg_exists(tx, REG_BILLING, name);
    if (rc != PROV_ENOTFOUND)
        return rc == PROV_OK ? exists_already(tx, "billing group", name) : rc;
    rc = reg_put(tx, REG_BILLING, &reg_billing_record, name, &group);
    return rc != PROV_OK ? rc : prov_feed_append(tx, PROV_CHANGED_BILLING, name);
}

enum prov_rc prov_billing_delete(struct prov_tx *tx, struct prov_span name)
{
    uint8_t thing[PROV_STORE_KEY_MAX];
    struct prov_billing_group group;
    enum prov_rc rc;
    size_t n;

    rc = prov_billing_get(tx, name, &group);
    if (rc != PROV_OK)
        return rc;
    while ((rc = reg_link_first(tx, REG_THING_OF_BILLING, name, thing, &n)) == PROV_OK) {
        rc = prov_billing_add(tx, prov_span(NULL, 0), prov_span(thing, n));
        if (rc != PROV_OK)
            return rc;
    }
    if (rc == PROV_ENOTFOUND)
        rc = reg_del(tx, REG_BILLING, name);
    return rc != PROV_OK ? rc : prov_feed_append(tx, PROV_CHANGED_BILLING, name);
}

enum prov_rc prov_billing_add(struct prov_tx *tx, struct prov_span group, struct prov_span name)
{
    char old[PROV_MAX_NAME + 1];
    struct prov_billing_group found;
    struct prov_thing thing;
    enum prov_rc rc = PROV_OK;

    if (group.n != 0)
        rc = prov_billing_get(tx, group, &found);
    if (rc == PROV_OK)
        rc = prov_thing_get(tx, name, &thing);
    if (rc != PROV_OK || prov_span_eq(thing.billing_group, group))
        return rc;
    (void)prov_span_copy(thing.billing_group, old, sizeof old);
    thing.billing_group = group;
    rc = reg_thing_put(tx, &thing);
    if (rc == PROV_OK && *old != '\0')
        rc = reg_link_del(tx, REG_THING_OF_BILLING, prov_span_str(old), name);
    if (rc == PROV_OK && group.n != 0)
        rc = reg_link_add(tx, REG_THING_OF_BILLING, group, name);
    return rc;
}
