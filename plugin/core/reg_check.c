#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>

#include <openssl/x509.h>

#include "reg_check.h"

void reg_report(const struct reg_check *c, const char *fmt, ...)
{
    char said[320], text[480];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(said, sizeof said, fmt, args);
    va_end(args);
    (void)snprintf(text, sizeof text, "%s %s %s", c->what, c->name, said);
    c->problem(c->ctx, text);
}

/* Names as they are, cut; ids and numbers as hex. */
static const char *shown(struct prov_span key, char out[static REG_SHOWN_MAX + 1])
{
    const size_t n = key.n < REG_SHOWN_MAX / 2 ? key.n : REG_SHOWN_MAX / 2;
    bool text = key.n != PROV_ID_LEN;

    for (size_t i = 0; i < key.n && text; i++)
        text = key.p[i] > ' ' && key.p[i] <= '~';
    if (text)
        (void)prov_span_copy(key, out, REG_SHOWN_MAX + 1);
    else
        prov_hex(key.p, n, out);
    return out;
}

static void at(struct reg_check *c, const char *what, struct prov_span key)
{
    c->what = what;
    (void)shown(key, c->name);
}

bool reg_there(struct reg_check *c, enum reg_table table, struct prov_span key)
{
    enum prov_rc rc;

    if (c->rc != PROV_OK)
        return true;
    rc = reg_exists(&c->tx, table, key);
    if (rc != PROV_OK && rc != PROV_ENOTFOUND)
        c->rc = rc;
    return rc != PROV_ENOTFOUND;
}

bool reg_need(struct reg_check *c, enum reg_table table, const char *noun, struct prov_span key)
{
    char name[REG_SHOWN_MAX + 1];

    if (reg_there(c, table, key))
        return true;
    reg_report(c, "refers to %s %s, which does not exist", noun, shown(key, name));
    return false;
}

void reg_need_link(struct reg_check *c, enum reg_link kind, const char *noun,
                   struct prov_span owner, struct prov_span member)
{
    uint8_t key[PROV_STORE_KEY_MAX];
    char name[REG_SHOWN_MAX + 1];
    const struct prov_span prefix = reg_link_prefix(kind, owner, key);

    if (prefix.n + member.n > sizeof key)
        return; /* a damaged name, told of already */
    memcpy(key + prefix.n, member.p, member.n);
    if (!reg_there(c, REG_LINK, prov_span(key, prefix.n + member.n)))
        reg_report(c, "is not in the index of %s %s", noun, shown(owner, name));
}

static void need_both(struct reg_check *c, enum reg_table table, enum reg_link kind,
                      const char *noun, struct prov_span owner, struct prov_span member)
{
    if (owner.n != 0 && reg_need(c, table, noun, owner) && owner.n <= PROV_MAX_NAME)
        reg_need_link(c, kind, noun, owner, member);
}

bool reg_other_side(struct reg_check *c, enum reg_table table, const struct prov_record *type,
                    struct prov_span key, void *object)
{
    struct prov_span bytes;
    enum prov_rc rc;

    if (c->rc != PROV_OK)
        return false;
    rc = prov_txn_get(c->tx.txn, table, key, &bytes);
    if (rc != PROV_OK && rc != PROV_ENOTFOUND)
        c->rc = reg_store_result(&c->tx, rc);
    return rc == PROV_OK && prov_record_read(type, bytes, object) == PROV_OK;
}

/* ---- records --------------------------------------------------------------------------------- */

static void check_ca(struct reg_check *c, struct prov_span key, const void *object)
{
    const struct prov_ca *ca = object;
    uint8_t subject[4];
    X509 *cert = NULL;
    enum prov_rc rc;

    if (!prov_span_eq(key, prov_id_span(&ca->id)))
        reg_report(c, "is filed under another id");
    need_both(c, REG_TEMPLATE, REG_CA_OF_TEMPLATE, "template", ca->template_name, key);
    reg_need_link(c, REG_CA_OF_AUTHORITY, "authority", prov_id_span(&ca->authority), key);
    rc = prov_ident_decode(ca->der, &cert, &c->err);
    if (rc == PROV_ENOMEM)
        c->rc = rc;
    else if (rc != PROV_OK)
        reg_report(c, "holds no certificate that can be read: %s", c->err.text);
    else if (reg_subject_key(X509_get_subject_name(cert), subject))
        reg_need_link(c, REG_CA_OF_SUBJECT, "subject", prov_span(subject, sizeof subject), key);
    X509_free(cert);
}

static bool has_principal(const struct prov_thing *thing, struct prov_span id)
{
    for (size_t i = 0; i < thing->n_principals; i++) {
        if (prov_span_eq(prov_id_span(&thing->principals[i]), id))
            return true;
    }
    return false;
}

/* The certificate itself, and what its twins would be known by. */
static void check_leaf(struct reg_check *c, struct prov_span id, int64_t der_number)
{
    struct prov_id found, signed_id;
    struct prov_span der;
    X509 *leaf = NULL;
    enum prov_rc rc;

    rc = reg_der_get(&c->tx, der_number, &der, &found);
    if (rc == PROV_ENOTFOUND) {
        reg_report(c, "has no DER");
        return;
    }
    if (rc == PROV_OK)
        rc = prov_ident_decode(der, &leaf, &c->err);
    if (rc == PROV_OK)
        rc = prov_ident_signed_id(leaf, &signed_id);
    X509_free(leaf);
    if (rc == PROV_OK && !prov_span_eq(prov_id_span(&found), id))
        reg_report(c, "has DER that is not its own");
    else if (rc == PROV_OK)
        reg_need_link(c, REG_CERT_OF_SIGNED, "signed parts", reg_signed_owner(&signed_id), id);
    else if (rc == PROV_EINVAL || rc == PROV_ETOOBIG)
        reg_report(c, "has DER that cannot be read: %s", c->err.text);
    else
        c->rc = rc;
}

static void check_cert(struct reg_check *c, struct prov_span key, const void *object)
{
    uint8_t target[1 + PROV_ID_LEN] = { 'c' };
    const struct prov_cert *cert = object;
    const bool temporary = cert->claim_template.n != 0;
    struct prov_thing thing;

    if (temporary)
        c->counts.temporary++;
    else if ((size_t)cert->status < PROV_CERT_STATUSES)
        c->counts.of[cert->status]++;
    if (key.n != PROV_ID_LEN) {
        reg_report(c, "is filed under what is no id");
        return;
    }
    if ((size_t)cert->status >= PROV_CERT_STATUSES)
        reg_report(c, "has status number %u, which is none", (unsigned)cert->status);
    check_leaf(c, key, cert->der_number);
    reg_check_waiting(c, key, cert);
    if (!prov_id_is_zero(&cert->ca_id) && !temporary) /* the CA itself may have been deleted */
        reg_need_link(c, REG_CERT_OF_CA, "CA certificate", prov_id_span(&cert->ca_id), key);
    memcpy(target + 1, key.p, PROV_ID_LEN);
    for (size_t i = 0; i < cert->n_policies; i++)
        need_both(c, REG_POLICY, REG_TARGET_OF_POLICY, "policy", cert->policies[i],
                  prov_span(target, sizeof target));
    for (size_t i = 0; i < cert->n_things; i++) {
        if (reg_need(c, REG_THING, "thing", cert->things[i]) &&
            reg_other_side(c, REG_THING, &reg_thing_record, cert->things[i], &thing) &&
            !has_principal(&thing, key))
            reg_report(c, "is attached to thing %.*s, which does not know it",
                       PROV_SPAN_ARG(cert->things[i]));
    }
}

static void check_thing(struct reg_check *c, struct prov_span key, const void *object)
{
    const struct prov_thing *thing = object;
    char hex[PROV_ID_HEX + 1];
    struct prov_cert cert;

    if (!prov_span_eq(key, thing->name))
        reg_report(c, "is filed under another name");
    for (size_t i = 0; i < thing->n_groups; i++)
        need_both(c, REG_GROUP, REG_THING_OF_GROUP, "thing group", thing->groups[i], key);
    need_both(c, REG_TYPE, REG_THING_OF_TYPE, "thing type", thing->type, key);
    need_both(c, REG_BILLING, REG_THING_OF_BILLING, "billing group", thing->billing_group, key);
    for (size_t i = 0; i < thing->n_principals; i++) {
        const struct prov_span id = prov_id_span(&thing->principals[i]);

        prov_id_hex(&thing->principals[i], hex);
        if (reg_need(c, REG_CERT, "certificate", id) &&
            reg_other_side(c, REG_CERT, &reg_cert_record, id, &cert) &&
            !reg_has(cert.things, cert.n_things, key))
            reg_report(c, "has principal %s, which does not know it", hex);
    }
}

static void check_group(struct reg_check *c, struct prov_span key, const void *object)
{
    uint8_t target[1 + PROV_STORE_KEY_MAX] = { 'g' };
    const struct prov_group *group = object;

    if (!prov_span_eq(key, group->name))
        reg_report(c, "is filed under another name");
    need_both(c, REG_GROUP, REG_GROUP_OF_GROUP, "thing group", group->parent, key);
    memcpy(target + 1, key.p, key.n);
    for (size_t i = 0; i < group->n_policies; i++)
        need_both(c, REG_POLICY, REG_TARGET_OF_POLICY, "policy", group->policies[i],
                  prov_span(target, 1 + key.n));
}

static void check_policy(struct reg_check *c, struct prov_span key, const void *object)
{
    struct prov_version_info version;
    struct prov_policy_doc *doc = NULL;
    enum prov_rc rc;

    (void)object;
    rc = prov_policy_version_get(&c->tx, key, 0, &version);
    if (rc == PROV_OK)
        rc = prov_policy_parse(version.document, &doc, &c->err);
    if (rc == PROV_ENOMEM)
        c->rc = rc;
    else if (rc != PROV_OK)
        reg_report(c, "has no default version that can be used: %s", c->err.text);
    prov_policy_doc_unref(doc);
}

static void check_template(struct reg_check *c, struct prov_span key, const void *object)
{
    const struct prov_template_info *info = object;
    struct prov_version_info version;
    struct prov_template *tpl = NULL;
    enum prov_rc rc;

    rc = prov_template_version_get(&c->tx, key, 0, &version);
    if (rc == PROV_OK)
        rc = prov_template_parse(version.document, info->type, &tpl, &c->err);
    if (rc == PROV_ENOMEM)
        c->rc = rc;
    else if (rc != PROV_OK)
        reg_report(c, "has no default version that can be used: %s", c->err.text);
    prov_template_free(tpl);
}

static void check_version(struct reg_check *c, struct prov_span key, enum reg_table table)
{
    if (key.n < 6 || !reg_there(c, table, prov_span(key.p, key.n - 5)))
        reg_report(c, "belongs to nothing");
}

static void check_policy_version(struct reg_check *c, struct prov_span key, const void *object)
{
    (void)object;
    check_version(c, key, REG_POLICY);
}

static void check_template_version(struct reg_check *c, struct prov_span key, const void *object)
{
    (void)object;
    check_version(c, key, REG_TEMPLATE);
}

/* ---- the walk -------------------------------------------------------------------------------- */

static const struct walk {
    const char *what;
    const struct prov_record *type; /* NULL: `raw` reads it */
    void (*record)(struct reg_check *c, struct prov_span key, const void *object);
    void (*raw)(struct reg_check *c, struct prov_span key, struct prov_span value);
} walks[] = {
    [REG_META] = { "record", NULL, NULL, reg_check_meta },
    [REG_CA] = { "CA certificate", &reg_ca_record, check_ca, NULL },
    [REG_CERT] = { "certificate", &reg_cert_record, check_cert, NULL },
    [REG_CERT_DER] = { "DER number", NULL, NULL, reg_check_der },
    [REG_THING] = { "thing", &reg_thing_record, check_thing, NULL },
    [REG_TYPE] = { "thing type", &reg_type_record, NULL, NULL },
    [REG_GROUP] = { "thing group", &reg_group_record, check_group, NULL },
    [REG_BILLING] = { "billing group", &reg_billing_record, NULL, NULL },
    [REG_POLICY] = { "policy", &reg_policy_record, check_policy, NULL },
    [REG_POLICY_DOC] = { "policy version", &reg_version_record, check_policy_version, NULL },
    [REG_TEMPLATE] = { "template", &reg_template_record, check_template, NULL },
    [REG_TEMPLATE_DOC] = { "template version", &reg_version_record, check_template_version, NULL },
    [REG_LINK] = { "index entry", NULL, NULL, reg_check_link },
    [REG_CLIENT] = { "client", NULL, NULL, reg_check_client },
    [REG_FEED] = { "change", &reg_change_record, NULL, NULL },
    [REG_ATTEMPT] = { "attempt", &reg_attempt_record, NULL, NULL },
    [REG_REVOKED] = { "revoked serial number", NULL, NULL, reg_check_revoked },
    [REG_DUE] = { "entry of what is due", NULL, NULL, reg_check_due },
    [REG_CLAIM] = { "claim", &reg_claim_record, reg_check_claim, NULL },
    [REG_CLAIM_VALUE] = { "allowed value", NULL, NULL, reg_check_value },
};
_Static_assert(PROV_COUNT(walks) == REG_TABLES, "a table was added without a check");

struct visit {
    struct reg_check *c;
    const struct walk *walk;
};

static bool check_one(void *ctx, struct prov_span key, struct prov_span value)
{
    alignas(max_align_t) uint8_t object[sizeof(struct prov_thing)];
    const struct visit *v = ctx;
    struct reg_check *c = v->c;

    at(c, v->walk->what, key);
    if (v->walk->type == NULL)
        v->walk->raw(c, key, value);
    else if (v->walk->type->size > sizeof object)
        c->rc = prov_fail(c->tx.err, PROV_EBUG, REG_INTERNAL, "a record type is too large");
    else if (prov_record_read(v->walk->type, value, object) != PROV_OK)
        reg_report(c, "does not decode");
    else if (v->walk->record != NULL)
        v->walk->record(c, key, object);
    return c->rc == PROV_OK;
}

enum prov_rc prov_registry_check(struct prov_tx *tx, void (*problem)(void *ctx, const char *text),
                                 void *ctx)
{
    struct reg_check c = { .problem = problem, .ctx = ctx };
    struct visit v = { &c, NULL };

    c.tx = (struct prov_tx){ tx->txn, tx->now_ms, &c.err };
    for (int table = 0; c.rc == PROV_OK && table < REG_TABLES; table++) {
        enum prov_rc rc;

        v.walk = &walks[table];
        rc = reg_scan(&c.tx, (enum reg_table)table, prov_span(NULL, 0), prov_span(NULL, 0),
                      check_one, &v);
        if (c.rc == PROV_OK)
            c.rc = rc;
    }
    if (c.rc == PROV_OK) {
        at(&c, "record", PROV_LIT("counts"));
        reg_check_counts(&c);
    }
    if (c.rc != PROV_OK && tx->err != NULL)
        *tx->err = c.err;
    return c.rc;
}
