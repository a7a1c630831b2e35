#include <stdarg.h>
#include <stdio.h>

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

enum prov_rc prov_list(struct prov_tx *tx, enum prov_list_kind kind, struct prov_span of,
                       struct prov_span after, bool (*visit)(void *ctx, struct prov_span key),
                       void *ctx)
{
    struct list_visit v = { visit, ctx };
    uint8_t space[PROV_STORE_KEY_MAX];
    struct prov_span prefix = { NULL, 0 };

    if (of.n > PROV_MAX_NAME)
        return prov_fail(tx->err, PROV_EINVAL, REG_INVALID, "the owner's name is too long");
    if (kinds[kind].table == REG_LINK)
        prefix = reg_link_prefix(kinds[kind].link, of, space);
    else if (kinds[kind].table == REG_POLICY_DOC || kinds[kind].table == REG_TEMPLATE_DOC)
        prefix = reg_doc_prefix(of, space);
    return reg_scan(tx, kinds[kind].table, prefix, after, pass_key, &v);
}

enum prov_rc prov_list_count(struct prov_tx *tx, enum prov_list_kind kind, uint64_t *out)
{
    if (kind > PROV_LIST_TEMPLATES)
        return prov_fail(tx->err, PROV_EBUG, REG_INTERNAL, "only whole tables are counted");
    return reg_store_result(tx, prov_txn_count(tx->txn, kinds[kind].table, out));
}

/* ---- check ------------------------------------------------------------------------------------
 */

struct check {
    struct prov_tx *tx;
    void (*problem)(void *ctx, const char *text);
    void *ctx;
};

PROV_PRINTF(2, 3) static void report(const struct check *c, const char *fmt, ...)
{
    va_list args;
    char text[320];

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    c->problem(c->ctx, text);
}

/* A reference from `what` `name` to a record of `table` that is not there. */
static void need(const struct check *c, const char *what, const char *name, enum reg_table table,
                 const char *noun, struct prov_span key)
{
    if (reg_exists(c->tx, table, key) == PROV_ENOTFOUND)
        report(c, "%s %s refers to %s \"%.*s\", which does not exist", what, name, noun,
               PROV_SPAN_ARG(key));
}

static bool check_cert(void *ctx, struct prov_span key, struct prov_span value)
{
    const struct check *c = ctx;
    char hex[PROV_ID_HEX + 1] = "?";
    struct prov_cert cert;

    if (key.n == PROV_ID_LEN)
        prov_hex(key.p, key.n, hex);
    if (prov_record_read(&reg_cert_record, value, &cert) != PROV_OK) {
        report(c, "certificate %s does not decode", hex);
        return true;
    }
    if (reg_exists(c->tx, REG_CERT_DER, key) == PROV_ENOTFOUND)
        report(c, "certificate %s has no DER", hex);
    for (size_t i = 0; i < cert.n_policies; i++)
        need(c, "certificate", hex, REG_POLICY, "policy", cert.policies[i]);
    for (size_t i = 0; i < cert.n_things; i++)
        need(c, "certificate", hex, REG_THING, "thing", cert.things[i]);
    return true;
}

static bool check_thing(void *ctx, struct prov_span key, struct prov_span value)
{
    const struct check *c = ctx;
    char name[PROV_MAX_NAME + 1], hex[PROV_ID_HEX + 1];
    struct prov_thing thing;

    (void)prov_span_copy(key, name, sizeof name);
    if (prov_record_read(&reg_thing_record, value, &thing) != PROV_OK) {
        report(c, "thing %s does not decode", name);
        return true;
    }
    for (size_t i = 0; i < thing.n_groups; i++)
        need(c, "thing", name, REG_GROUP, "thing group", thing.groups[i]);
    if (thing.type.n != 0)
        need(c, "thing", name, REG_TYPE, "thing type", thing.type);
    if (thing.billing_group.n != 0)
        need(c, "thing", name, REG_BILLING, "billing group", thing.billing_group);
    for (size_t i = 0; i < thing.n_principals; i++) {
        prov_id_hex(&thing.principals[i], hex);
        if (reg_exists(c->tx, REG_CERT, prov_id_span(&thing.principals[i])) == PROV_ENOTFOUND)
            report(c, "thing %s refers to certificate %s, which does not exist", name, hex);
    }
    return true;
}

static bool check_ca(void *ctx, struct prov_span key, struct prov_span value)
{
    const struct check *c = ctx;
    char hex[PROV_ID_HEX + 1] = "?";
    struct prov_ca ca;

    if (key.n == PROV_ID_LEN)
        prov_hex(key.p, key.n, hex);
    if (prov_record_read(&reg_ca_record, value, &ca) != PROV_OK)
        report(c, "CA certificate %s does not decode", hex);
    else if (ca.template_name.n != 0)
        need(c, "CA certificate", hex, REG_TEMPLATE, "template", ca.template_name);
    return true;
}

static bool check_group(void *ctx, struct prov_span key, struct prov_span value)
{
    const struct check *c = ctx;
    char name[PROV_MAX_NAME + 1];
    struct prov_group group;

    (void)prov_span_copy(key, name, sizeof name);
    if (prov_record_read(&reg_group_record, value, &group) != PROV_OK) {
        report(c, "thing group %s does not decode", name);
        return true;
    }
    if (group.parent.n != 0)
        need(c, "thing group", name, REG_GROUP, "thing group", group.parent);
    for (size_t i = 0; i < group.n_policies; i++)
        need(c, "thing group", name, REG_POLICY, "policy", group.policies[i]);
    return true;
}

static bool check_policy(void *ctx, struct prov_span key, struct prov_span value)
{
    const struct check *c = ctx;
    char name[PROV_MAX_NAME + 1];
    struct prov_version_info version;
    struct prov_policy_info info;
    struct prov_policy_doc *doc = NULL;

    (void)prov_span_copy(key, name, sizeof name);
    if (prov_record_read(&reg_policy_record, value, &info) != PROV_OK ||
        prov_policy_version_get(c->tx, key, 0, &version) != PROV_OK)
        report(c, "policy %s has no default version that can be read", name);
    else if (prov_policy_parse(version.document, &doc, NULL) != PROV_OK)
        report(c, "policy %s has a default version that is no policy", name);
    prov_policy_doc_unref(doc);
    return true;
}

static bool check_template(void *ctx, struct prov_span key, struct prov_span value)
{
    const struct check *c = ctx;
    char name[PROV_MAX_NAME + 1];
    struct prov_version_info version;
    struct prov_template_info info;
    struct prov_template *tpl = NULL;

    (void)prov_span_copy(key, name, sizeof name);
    if (prov_record_read(&reg_template_record, value, &info) != PROV_OK ||
        prov_template_version_get(c->tx, key, 0, &version) != PROV_OK)
        report(c, "template %s has no default version that can be read", name);
    else if (prov_template_parse(version.document, info.type, &tpl, NULL) != PROV_OK)
        report(c, "template %s has a default version that is no template", name);
    prov_template_free(tpl);
    return true;
}

enum prov_rc prov_registry_check(struct prov_tx *tx, void (*problem)(void *ctx, const char *text),
                                 void *ctx)
{
    static const struct {
        enum reg_table table;
        bool (*check)(void *ctx, struct prov_span key, struct prov_span value);
    } checks[] = {
        { REG_CA, check_ca },       { REG_CERT, check_cert },     { REG_THING, check_thing },
        { REG_GROUP, check_group }, { REG_POLICY, check_policy }, { REG_TEMPLATE, check_template },
    };
    struct prov_tx quiet = { tx->txn, tx->now_ms, NULL };
    struct check c = { &quiet, problem, ctx };
    enum prov_rc rc = PROV_OK;

    for (size_t i = 0; rc == PROV_OK && i < PROV_COUNT(checks); i++)
        rc = reg_scan(tx, checks[i].table, prov_span(NULL, 0), prov_span(NULL, 0), checks[i].check,
                      &c);
    return rc;
}
