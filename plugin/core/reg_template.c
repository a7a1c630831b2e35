#include "names.h"
#include "reg.h"

static const struct prov_field template_fields[] = {
    { 1, PROV_FIELD_SPAN, offsetof(struct prov_template_info, name), 0, 0 },
    { 2, PROV_FIELD_SPAN, offsetof(struct prov_template_info, description), 0, 0 },
    { 3, PROV_FIELD_U32, offsetof(struct prov_template_info, type), 0, 0 },
    { 4, PROV_FIELD_BOOL, offsetof(struct prov_template_info, enabled), 0, 0 },
    { 5, PROV_FIELD_U32, offsetof(struct prov_template_info, default_version), 0, 0 },
    { 6, PROV_FIELD_U32, offsetof(struct prov_template_info, last_version), 0, 0 },
    { 7, PROV_FIELD_I64, offsetof(struct prov_template_info, created_ms), 0, 0 },
    { 8, PROV_FIELD_I64, offsetof(struct prov_template_info, modified_ms), 0, 0 },
    { 9, PROV_FIELD_SPAN, offsetof(struct prov_template_info, hook), 0, 0 },
    { 10, PROV_FIELD_U32, offsetof(struct prov_template_info, validity_days), 0, 0 },
    { 11, PROV_FIELD_BOOL, offsetof(struct prov_template_info, retire_previous), 0, 0 },
};
const struct prov_record reg_template_record = { template_fields, PROV_COUNT(template_fields),
                                                 sizeof(struct prov_template_info) };

static const struct reg_doc_kind template_kind = { "template", REG_TEMPLATE, REG_TEMPLATE_DOC,
                                                   PROV_CHANGED_TEMPLATE };

enum prov_rc prov_template_get(struct prov_tx *tx, struct prov_span name,
                               struct prov_template_info *out)
{
    const enum prov_rc rc = reg_get(tx, REG_TEMPLATE, &reg_template_record, "template", name, out);

    if (rc == PROV_OK && out->type != PROV_TEMPLATE_FLEET && out->type != PROV_TEMPLATE_JITP)
        return prov_fail(tx->err, PROV_ESTORE, REG_INTERNAL,
                         "template \"%.*s\" is of a type unknown here: run `provctl check`",
                         PROV_SPAN_ARG(name));
    return rc;
}

/* name comes from the caller, since info's may point into the record that is written. */
static enum prov_rc template_put(struct prov_tx *tx, struct prov_span name,
                                 struct prov_template_info *info)
{
    enum prov_rc rc;

    info->name = name;
    info->modified_ms = tx->now_ms;
    rc = reg_put(tx, REG_TEMPLATE, &reg_template_record, name, info);
    return rc != PROV_OK ? rc : prov_feed_append(tx, PROV_CHANGED_TEMPLATE, name);
}

static enum prov_rc body_check(struct prov_tx *tx, struct prov_span body,
                               enum prov_template_type type)
{
    struct prov_template *tpl = NULL;
    const enum prov_rc rc = prov_template_parse(body, type, &tpl, tx->err);

    prov_template_free(tpl);
    return rc;
}

static enum prov_rc hook_check(struct prov_tx *tx, struct prov_span hook,
                               enum prov_template_type type)
{
    if (hook.n != 0 && type == PROV_TEMPLATE_JITP)
        return prov_fail(tx->err, PROV_EINVAL, REG_INVALID,
                         "a template of type JITP takes no hook: give the hook to the CA that "
                         "names the template");
    return reg_hook_check(tx, hook);
}

/* What only templates that devices name can have. */
static enum prov_rc fleet_check(struct prov_tx *tx, enum prov_template_type type,
                                uint32_t validity_days, bool retire_previous)
{
    if (validity_days > PROV_MAX_VALIDITY_DAYS)
        return prov_fail(tx->err, PROV_EINVAL, REG_INVALID,
                         "certificates may be valid for at most %d days", PROV_MAX_VALIDITY_DAYS);
    if (type == PROV_TEMPLATE_FLEET || (validity_days == 0 && !retire_previous))
        return PROV_OK;
    return prov_fail(tx->err, PROV_EINVAL, REG_INVALID,
                     "a template of type JITP takes no %s: its devices bring their certificates",
                     validity_days != 0 ? "validity" : "retirement of previous certificates");
}

/* The name must be free, and the account must have room for one more. */
static enum prov_rc creatable(struct prov_tx *tx, struct prov_span name)
{
    uint64_t n;
    enum prov_rc rc;

    rc = reg_exists(tx, REG_TEMPLATE, name);
    if (rc == PROV_OK)
        return prov_fail(tx->err, PROV_ECONFLICT, REG_EXISTS, "template \"%.*s\" exists already",
                         PROV_SPAN_ARG(name));
    if (rc != PROV_ENOTFOUND)
        return rc;
    rc = reg_store_result(tx, prov_txn_count(tx->txn, REG_TEMPLATE, &n));
    if (rc == PROV_OK && n >= PROV_MAX_TEMPLATES)
        rc = prov_fail(tx->err, PROV_ETOOBIG, REG_LIMIT, "there are %d templates already",
                       PROV_MAX_TEMPLATES);
    return rc;
}

enum prov_rc prov_template_create(struct prov_tx *tx, const struct prov_template_creation *creation)
{
    struct prov_template_info info = {
        .description = creation->description,
        .hook = creation->hook,
        .type = creation->type,
        .enabled = creation->enabled,
        .default_version = 1,
        .last_version = 1,
        .created_ms = tx->now_ms,
        .validity_days = creation->validity_days,
        .retire_previous = creation->retire_previous,
    };
    enum prov_rc rc;

    rc = prov_name_check(PROV_NAME_TEMPLATE, creation->name, tx->err);
    if (rc == PROV_OK)
        rc = reg_description_check(tx, creation->description);
    if (rc == PROV_OK)
        rc = hook_check(tx, creation->hook, creation->type);
    if (rc == PROV_OK)
        rc = fleet_check(tx, creation->type, creation->validity_days, creation->retire_previous);
    if (rc == PROV_OK)
        rc = body_check(tx, creation->body, creation->type);
    if (rc == PROV_OK)
        rc = creatable(tx, creation->name);
    if (rc == PROV_OK)
        rc = reg_doc_add(tx, &template_kind, creation->name, 1, creation->body);
    return rc != PROV_OK ? rc : template_put(tx, creation->name, &info);
}

enum prov_rc prov_template_version_get(struct prov_tx *tx, struct prov_span name, uint32_t version,
                                       struct prov_version_info *out)
{
    struct prov_template_info info;
    const enum prov_rc rc = prov_template_get(tx, name, &info);

    if (rc != PROV_OK)
        return rc;
    return reg_doc_get(tx, &template_kind, name, version != 0 ? version : info.default_version,
                       out);
}

enum prov_rc prov_template_update(struct prov_tx *tx, struct prov_span name,
                                  const struct prov_template_change *change)
{
    struct prov_version_info found;
    struct prov_template_info info;
    enum prov_rc rc;

    rc = prov_template_get(tx, name, &info);
    if (rc == PROV_OK && change->description != NULL)
        rc = reg_description_check(tx, *change->description);
    if (rc == PROV_OK && change->hook != NULL)
        rc = hook_check(tx, *change->hook, info.type);
    if (rc == PROV_OK && change->default_version != NULL)
        rc = reg_doc_get(tx, &template_kind, name, *change->default_version, &found);
    if (rc != PROV_OK)
        return rc;
    if (change->validity_days != NULL)
        info.validity_days = *change->validity_days;
    if (change->retire_previous != NULL)
        info.retire_previous = *change->retire_previous;
    rc = fleet_check(tx, info.type, info.validity_days, info.retire_previous);
    if (rc != PROV_OK)
        return rc;
    if (change->description != NULL)
        info.description = *change->description;
    if (change->hook != NULL)
        info.hook = *change->hook;
    if (change->enabled != NULL)
        info.enabled = *change->enabled;
    if (change->default_version != NULL)
        info.default_version = *change->default_version;
    return template_put(tx, name, &info);
}

enum prov_rc prov_template_version_create(struct prov_tx *tx, struct prov_span name,
                                          struct prov_span body, bool set_default,
                                          uint32_t *version)
{
    struct prov_template_info info;
    enum prov_rc rc;

    rc = prov_template_get(tx, name, &info);
    if (rc == PROV_OK)
        rc = body_check(tx, body, info.type);
    if (rc == PROV_OK)
        rc = reg_doc_next(tx, &template_kind, name);
    if (rc == PROV_OK)
        rc = reg_doc_add(tx, &template_kind, name, info.last_version + 1, body);
    if (rc == PROV_OK)
        rc = prov_template_get(tx, name, &info); /* the write ended the life of its spans */
    if (rc != PROV_OK)
        return rc;
    *version = ++info.last_version;
    if (set_default)
        info.default_version = *version;
    return template_put(tx, name, &info);
}

enum prov_rc prov_template_version_delete(struct prov_tx *tx, struct prov_span name,
                                          uint32_t version)
{
    struct prov_version_info found;
    struct prov_template_info info;
    enum prov_rc rc;

    rc = prov_template_get(tx, name, &info);
    if (rc == PROV_OK)
        rc = reg_doc_get(tx, &template_kind, name, version, &found);
    if (rc == PROV_OK)
        rc = reg_doc_not_default(tx, &template_kind, version, info.default_version);
    if (rc == PROV_OK)
        rc = reg_doc_del(tx, &template_kind, name, version);
    return rc != PROV_OK ? rc : prov_feed_append(tx, PROV_CHANGED_TEMPLATE, name);
}

enum prov_rc prov_template_delete(struct prov_tx *tx, struct prov_span name)
{
    struct prov_template_info info;
    enum prov_rc rc;
    size_t n;

    rc = prov_template_get(tx, name, &info);
    if (rc == PROV_OK)
        rc = reg_link_count(tx, REG_CA_OF_TEMPLATE, name, 1, &n);
    if (rc == PROV_OK && n != 0)
        rc = prov_fail(tx->err, PROV_EDENIED, REG_IN_USE,
                       "a CA certificate uses template \"%.*s\": give it another one first",
                       PROV_SPAN_ARG(name));
    if (rc == PROV_OK)
        rc = reg_doc_deletable(tx, &template_kind, name);
    if (rc == PROV_OK)
        rc = reg_forget_claims_of_template(tx, name);
    if (rc == PROV_OK)
        rc = reg_doc_del(tx, &template_kind, name, info.default_version);
    if (rc == PROV_OK)
        rc = reg_del(tx, REG_TEMPLATE, name);
    return rc != PROV_OK ? rc : prov_feed_append(tx, PROV_CHANGED_TEMPLATE, name);
}
