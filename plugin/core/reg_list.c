#include "reg.h"

static const struct {
    enum reg_table table;
    enum reg_link link; /* for REG_LINK */
} kinds[] = {
    [PROV_LIST_CAS] = { REG_CA, 0 },
    [PROV_LIST_CERTS] = { REG_CERT, 0 },
    [PROV_LIST_THINGS] = { REG_THING, 0 },
    [PROV_LIST_GROUPS] = { REG_GROUP, 0 },
    [PROV_LIST_TYPES] = { REG_TYPE, 0 },
    [PROV_LIST_BILLING_GROUPS] = { REG_BILLING, 0 },
    [PROV_LIST_POLICIES] = { REG_POLICY, 0 },
    [PROV_LIST_TEMPLATES] = { REG_TEMPLATE, 0 },
    [PROV_LIST_CERTS_OF_CA] = { REG_LINK, REG_CERT_OF_CA },
    [PROV_LIST_TARGETS_OF_POLICY] = { REG_LINK, REG_TARGET_OF_POLICY },
    [PROV_LIST_THINGS_OF_GROUP] = { REG_LINK, REG_THING_OF_GROUP },
    [PROV_LIST_GROUPS_OF_GROUP] = { REG_LINK, REG_GROUP_OF_GROUP },
    [PROV_LIST_THINGS_OF_TYPE] = { REG_LINK, REG_THING_OF_TYPE },
    [PROV_LIST_THINGS_OF_BILLING_GROUP] = { REG_LINK, REG_THING_OF_BILLING },
    [PROV_LIST_CAS_OF_TEMPLATE] = { REG_LINK, REG_CA_OF_TEMPLATE },
    [PROV_LIST_VERSIONS_OF_POLICY] = { REG_POLICY_DOC, 0 },
    [PROV_LIST_VERSIONS_OF_TEMPLATE] = { REG_TEMPLATE_DOC, 0 },
    [PROV_LIST_CLAIMS] = { REG_CLAIM, 0 },
    [PROV_LIST_VALUES_OF_CLAIM] = { REG_CLAIM_VALUE, 0 },
};

struct list_visit {
    bool (*visit)(void *ctx, struct prov_span key);
    void *ctx;
};

static bool pass_key(void *ctx, struct prov_span key, struct prov_span value)
{
    const struct list_visit *v = ctx;

    (void)value;
    return v->visit(v->ctx, key);
}

/* A temporary certificate is in no list. What does not decode is `provctl check`'s. */
static bool pass_cert(void *ctx, struct prov_span key, struct prov_span value)
{
    struct reg_cert_brief cert;

    if (prov_record_read(&reg_cert_brief_record, value, &cert) == PROV_OK &&
        cert.claim_template.n != 0)
        return true;
    return pass_key(ctx, key, value);
}

static bool is_id_owned(enum prov_list_kind kind)
{
    return kind == PROV_LIST_CERTS_OF_CA || kind == PROV_LIST_VALUES_OF_CLAIM;
}

enum prov_rc prov_list(struct prov_tx *tx, enum prov_list_kind kind, struct prov_span of,
                       struct prov_span after, bool (*visit)(void *ctx, struct prov_span key),
                       void *ctx)
{
    struct list_visit v = { visit, ctx };
    uint8_t space[PROV_STORE_KEY_MAX];
    struct prov_span prefix = { NULL, 0 };

    if (of.n > PROV_MAX_NAME || (is_id_owned(kind) && of.n != PROV_ID_LEN))
        return prov_fail(tx->err, PROV_EINVAL, REG_INVALID, "%zu bytes are no owner's name or id",
                         of.n);
    if (kinds[kind].table == REG_LINK)
        prefix = reg_link_prefix(kinds[kind].link, of, space);
    else if (kinds[kind].table == REG_POLICY_DOC || kinds[kind].table == REG_TEMPLATE_DOC)
        prefix = reg_doc_prefix(of, space);
    else if (kinds[kind].table == REG_CLAIM_VALUE)
        prefix = of;
    return reg_scan(tx, kinds[kind].table, prefix, after,
                    kind == PROV_LIST_CERTS ? pass_cert : pass_key, &v);
}

enum prov_rc prov_list_count(struct prov_tx *tx, enum prov_list_kind kind, uint64_t *out)
{
    struct reg_counts counts = { .temporary = 0 };
    enum prov_rc rc;

    if (kind > PROV_LIST_TEMPLATES)
        return prov_fail(tx->err, PROV_EBUG, REG_INTERNAL, "only whole tables are counted");
    rc = reg_store_result(tx, prov_txn_count(tx->txn, kinds[kind].table, out));
    if (rc == PROV_OK && kind == PROV_LIST_CERTS)
        rc = reg_counts_get(tx, &counts);
    if (counts.temporary > 0 && (uint64_t)counts.temporary <= *out)
        *out -= (uint64_t)counts.temporary;
    return rc;
}
