#include "names.h"
#include "reg.h"

static const struct prov_field policy_fields[] = {
    { 1, PROV_FIELD_SPAN, offsetof(struct prov_policy_info, name), 0, 0 },
    { 2, PROV_FIELD_U32, offsetof(struct prov_policy_info, default_version), 0, 0 },
    { 3, PROV_FIELD_U32, offsetof(struct prov_policy_info, last_version), 0, 0 },
    { 4, PROV_FIELD_I64, offsetof(struct prov_policy_info, created_ms), 0, 0 },
    { 5, PROV_FIELD_I64, offsetof(struct prov_policy_info, modified_ms), 0, 0 },
};
const struct prov_record reg_policy_record = { policy_fields, PROV_COUNT(policy_fields),
                                               sizeof(struct prov_policy_info) };

static const struct reg_doc_kind policy_kind = { "policy", REG_POLICY, REG_POLICY_DOC,
                                                 PROV_CHANGED_POLICY };

enum prov_rc prov_policy_get(struct prov_tx *tx, struct prov_span name,
                             struct prov_policy_info *out)
{
    return reg_get(tx, REG_POLICY, &reg_policy_record, "policy", name, out);
}

static enum prov_rc policy_put(struct prov_tx *tx, struct prov_span name,
                               struct prov_policy_info *info)
{
    enum prov_rc rc;

    info->name = name;
    info->modified_ms = tx->now_ms;
    rc = reg_put(tx, REG_POLICY, &reg_policy_record, name, info);
    return rc != PROV_OK ? rc : prov_feed_append(tx, PROV_CHANGED_POLICY, name);
}

static enum prov_rc document_check(struct prov_tx *tx, struct prov_span document)
{
    struct prov_policy_doc *doc = NULL;
    const enum prov_rc rc = prov_policy_parse(document, &doc, tx->err);

    prov_policy_doc_unref(doc);
    return rc;
}

enum prov_rc prov_policy_create(struct prov_tx *tx, struct prov_span name,
                                struct prov_span document)
{
    struct prov_policy_info info = { .default_version = 1,
                                     .last_version = 1,
                                     .created_ms = tx->now_ms };
    enum prov_rc rc;

    rc = prov_name_check(PROV_NAME_POLICY, name, tx->err);
    if (rc == PROV_OK)
        rc = document_check(tx, document);
    if (rc != PROV_OK)
        return rc;
    rc = reg_exists(tx, REG_POLICY, name);
    if (rc == PROV_OK)
        return prov_fail(tx->err, PROV_ECONFLICT, REG_EXISTS, "policy \"%.*s\" exists already",
                         PROV_SPAN_ARG(name));
    if (rc != PROV_ENOTFOUND)
        return rc;
    rc = reg_doc_add(tx, &policy_kind, name, 1, document);
    return rc != PROV_OK ? rc : policy_put(tx, name, &info);
}

enum prov_rc prov_policy_version_get(struct prov_tx *tx, struct prov_span name, uint32_t version,
                                     struct prov_version_info *out)
{
    struct prov_policy_info info;
    const enum prov_rc rc = prov_policy_get(tx, name, &info);

    if (rc != PROV_OK)
        return rc;
    return reg_doc_get(tx, &policy_kind, name, version != 0 ? version : info.default_version, out);
}

enum prov_rc prov_policy_version_create(struct prov_tx *tx, struct prov_span name,
                                        struct prov_span document, bool set_default,
                                        uint32_t *version)
{
    struct prov_policy_info info;
    enum prov_rc rc;

    rc = prov_policy_get(tx, name, &info);
    if (rc == PROV_OK)
        rc = document_check(tx, document);
    if (rc == PROV_OK)
        rc = reg_doc_next(tx, &policy_kind, name);
    if (rc != PROV_OK)
        return rc;
    *version = ++info.last_version;
    if (set_default)
        info.default_version = *version;
    rc = reg_doc_add(tx, &policy_kind, name, *version, document);
    return rc != PROV_OK ? rc : policy_put(tx, name, &info);
}

enum prov_rc prov_policy_version_set_default(struct prov_tx *tx, struct prov_span name,
                                             uint32_t version)
{
    struct prov_version_info found;
    struct prov_policy_info info;
    enum prov_rc rc;

    rc = prov_policy_get(tx, name, &info);
    if (rc == PROV_OK)
        rc = reg_doc_get(tx, &policy_kind, name, version, &found);
    if (rc != PROV_OK || info.default_version == version)
        return rc;
    info.default_version = version;
    return policy_put(tx, name, &info);
}

enum prov_rc prov_policy_version_delete(struct prov_tx *tx, struct prov_span name, uint32_t version)
{
    struct prov_version_info found;
    struct prov_policy_info info;
    enum prov_rc rc;

    rc = prov_policy_get(tx, name, &info);
    if (rc == PROV_OK)
        rc = reg_doc_get(tx, &policy_kind, name, version, &found);
    if (rc == PROV_OK)
        rc = reg_doc_not_default(tx, &policy_kind, version, info.default_version);
    if (rc == PROV_OK)
        rc = reg_doc_del(tx, &policy_kind, name, version);
    return rc != PROV_OK ? rc : prov_feed_append(tx, PROV_CHANGED_POLICY, name);
}

enum prov_rc prov_policy_delete(struct prov_tx *tx, struct prov_span name)
{
    struct prov_policy_info info;
    enum prov_rc rc;
    size_t n;

    rc = prov_policy_get(tx, name, &info);
    if (rc == PROV_OK)
        rc = reg_link_count(tx, REG_TARGET_OF_POLICY, name, 1, &n);
    if (rc == PROV_OK && n != 0)
        rc = prov_fail(tx->err, PROV_EDENIED, REG_IN_USE,
                       "policy \"%.*s\" is attached: detach it first", PROV_SPAN_ARG(name));
    if (rc == PROV_OK)
        rc = reg_doc_deletable(tx, &policy_kind, name);
    if (rc == PROV_OK)
        rc = reg_doc_del(tx, &policy_kind, name, info.default_version);
    if (rc == PROV_OK)
        rc = reg_del(tx, REG_POLICY, name);
    return rc != PROV_OK ? rc : prov_feed_append(tx, PROV_CHANGED_POLICY, name);
}

/* ---- attachments ----------------------------------------------------------------------------- */

/* A policy's target as REG_LINK has it: 'c' and a certificate's id, or 'g' and a group's name. */
struct target {
    uint8_t key[1 + PROV_MAX_NAME];
    size_t n;
};

static struct target target_of(char kind, struct prov_span owner)
{
    struct target t = { .n = 1 + owner.n };

    t.key[0] = (uint8_t)kind;
    memcpy(t.key + 1, owner.p, owner.n);
    return t;
}

static enum prov_rc too_many(struct prov_tx *tx, const char *what, int max)
{
    return prov_fail(tx->err, PROV_ETOOBIG, REG_LIMIT, "the %s has %d policies already", what, max);
}

enum prov_rc prov_policy_attach_cert(struct prov_tx *tx, struct prov_span policy,
                                     const struct prov_id *id)
{
    const struct target t = target_of('c', prov_id_span(id));
    struct prov_policy_info info;
    struct prov_cert cert;
    enum prov_rc rc;

    rc = prov_policy_get(tx, policy, &info);
    if (rc == PROV_OK)
        rc = prov_cert_get(tx, id, &cert);
    if (rc == PROV_OK)
        rc = reg_cert_lasting(tx, &cert, "be given policies");
    if (rc != PROV_OK || reg_has(cert.policies, cert.n_policies, policy))
        return rc;
    if (cert.n_policies == PROV_MAX_CERT_POLICIES)
        return too_many(tx, "certificate", PROV_MAX_CERT_POLICIES);
    cert.policies[cert.n_policies++] = policy;
    rc = reg_cert_put(tx, &cert);
    if (rc != PROV_OK)
        return rc;
    return reg_link_add(tx, REG_TARGET_OF_POLICY, policy, prov_span(t.key, t.n));
}

enum prov_rc prov_policy_detach_cert(struct prov_tx *tx, struct prov_span policy,
                                     const struct prov_id *id)
{
    const struct target t = target_of('c', prov_id_span(id));
    char name[PROV_MAX_NAME + 1]; /* policy may point into the record that is written */
    struct prov_cert cert;
    enum prov_rc rc;

    rc = prov_cert_get(tx, id, &cert);
    if (rc != PROV_OK || !reg_has(cert.policies, cert.n_policies, policy))
        return rc;
    (void)prov_span_copy(policy, name, sizeof name);
    reg_remove(cert.policies, &cert.n_policies, policy);
    rc = reg_cert_put(tx, &cert);
    if (rc != PROV_OK)
        return rc;
    return reg_link_del(tx, REG_TARGET_OF_POLICY, prov_span_str(name), prov_span(t.key, t.n));
}

enum prov_rc prov_policy_attach_group(struct prov_tx *tx, struct prov_span policy,
                                      struct prov_span name)
{
    struct prov_policy_info info;
    struct prov_group group;
    struct target t;
    enum prov_rc rc;

    rc = prov_policy_get(tx, policy, &info);
    if (rc == PROV_OK)
        rc = prov_group_get(tx, name, &group);
    if (rc != PROV_OK || reg_has(group.policies, group.n_policies, policy))
        return rc;
    if (group.n_policies == PROV_MAX_GROUP_POLICIES)
        return too_many(tx, "thing group", PROV_MAX_GROUP_POLICIES);
    t = target_of('g', name);
    group.policies[group.n_policies++] = policy;
    rc = reg_group_put(tx, name, &group);
    if (rc != PROV_OK)
        return rc;
    return reg_link_add(tx, REG_TARGET_OF_POLICY, policy, prov_span(t.key, t.n));
}

enum prov_rc prov_policy_detach_group(struct prov_tx *tx, struct prov_span policy,
                                      struct prov_span name)
{
    char kept[PROV_MAX_NAME + 1]; /* as in prov_policy_detach_cert */
    struct prov_group group;
    struct target t;
    enum prov_rc rc;

    rc = prov_group_get(tx, name, &group);
    if (rc != PROV_OK || !reg_has(group.policies, group.n_policies, policy))
        return rc;
    t = target_of('g', name);
    (void)prov_span_copy(policy, kept, sizeof kept);
    reg_remove(group.policies, &group.n_policies, policy);
    rc = reg_group_put(tx, name, &group);
    if (rc != PROV_OK)
        return rc;
    return reg_link_del(tx, REG_TARGET_OF_POLICY, prov_span_str(kept), prov_span(t.key, t.n));
}
