/* prov_registry_check: what is kept as bytes that are no record, and the counts. */
#include "reg_check.h"

void reg_check_client(struct reg_check *c, struct prov_span key, struct prov_span value)
{
    if (value.n != PROV_ID_LEN && value.n != PROV_ID_LEN + 1) {
        reg_report(c, "does not decode");
        return;
    }
    value.n = PROV_ID_LEN;
    if (reg_need(c, REG_CERT, "certificate", value))
        reg_need_link(c, REG_CLIENT_OF_CERT, "certificate", value, key);
}

void reg_check_meta(struct reg_check *c, struct prov_span key, struct prov_span value)
{
    struct reg_settings settings;
    struct reg_counts counts;
    enum prov_rc rc;

    if (prov_span_eq_str(key, "counts"))
        rc = prov_record_read(&reg_counts_record, value, &counts);
    else
        rc = prov_record_read(&reg_settings_record, value, &settings);
    if (rc != PROV_OK)
        reg_report(c, "does not decode");
}

void reg_check_counts(struct reg_check *c)
{
    const struct prov_span key = PROV_LIT("counts");
    struct reg_counts said = { .temporary = 0 }; /* as long as there was no certificate ever */

    if (reg_there(c, REG_META, key) && !reg_other_side(c, REG_META, &reg_counts_record, key, &said))
        return; /* damaged, which is told of already */
    for (int i = 0; i < PROV_CERT_STATUSES; i++) {
        if (said.of[i] != c->counts.of[i])
            reg_report(c, "says that %lld certificates are %s; %lld are", (long long)said.of[i],
                       prov_cert_status_name((enum prov_cert_status)i), (long long)c->counts.of[i]);
    }
    if (said.temporary != c->counts.temporary)
        reg_report(c, "says that %lld certificates are temporary; %lld are",
                   (long long)said.temporary, (long long)c->counts.temporary);
}

void reg_check_revoked(struct reg_check *c, struct prov_span key, struct prov_span value)
{
    enum prov_rc rc;
    size_t n = 0;

    if (key.n <= PROV_ID_LEN || value.n != REG_REVOKED_LEN) {
        reg_report(c, "does not decode");
        return;
    }
    rc = reg_link_count(&c->tx, REG_CA_OF_AUTHORITY, prov_span(key.p, PROV_ID_LEN), 1, &n);
    if (rc != PROV_OK)
        c->rc = rc;
    else if (n == 0)
        reg_report(c, "belongs to no registered CA");
}

/* Its certificate must lead to it; one that is damaged is told of already. */
void reg_check_der(struct reg_check *c, struct prov_span key, struct prov_span value)
{
    struct prov_cert cert;
    struct prov_id id;

    if (prov_ident_id_of_der(value, &id) != PROV_OK)
        c->rc = prov_nomem(c->tx.err);
    else if (!reg_there(c, REG_CERT, prov_id_span(&id)))
        reg_report(c, "belongs to nothing");
    else if (reg_other_side(c, REG_CERT, &reg_cert_record, prov_id_span(&id), &cert) &&
             (key.n != 8 || reg_from_be64(key.p) != (uint64_t)cert.der_number))
        reg_report(c, "is not where its certificate looks for it");
}

#define NO_TABLE REG_TABLES

static const struct ends {
    enum reg_link kind;
    size_t owner_n;               /* 0: a name */
    enum reg_table owner, member; /* NO_TABLE: not to be looked for */
} ends[] = {
    { REG_CERT_OF_CA, PROV_ID_LEN, NO_TABLE, REG_CERT }, /* a deleted CA's certificates stay */
    { REG_CERT_OF_SIGNED, REG_SIGNED_PREFIX, NO_TABLE, REG_CERT },
    { REG_CA_OF_SUBJECT, 4, NO_TABLE, REG_CA },
    { REG_CA_OF_TEMPLATE, 0, REG_TEMPLATE, REG_CA },
    { REG_CA_OF_AUTHORITY, PROV_ID_LEN, NO_TABLE, REG_CA },
    { REG_TARGET_OF_POLICY, 0, REG_POLICY, NO_TABLE }, /* by its first byte */
    { REG_THING_OF_GROUP, 0, REG_GROUP, REG_THING },
    { REG_GROUP_OF_GROUP, 0, REG_GROUP, REG_GROUP },
    { REG_THING_OF_TYPE, 0, REG_TYPE, REG_THING },
    { REG_THING_OF_BILLING, 0, REG_BILLING, REG_THING },
    { REG_CLIENT_OF_CERT, PROV_ID_LEN, REG_CERT, REG_CLIENT },
    { REG_CLAIM_OF_TEMPLATE, 0, REG_TEMPLATE, REG_CERT },
    { REG_REPLACEMENT_OF_CERT, PROV_ID_LEN, REG_CERT, REG_CERT },
};

static const struct ends *ends_of(struct prov_span key)
{
    for (size_t i = 0; i < PROV_COUNT(ends); i++) {
        if (key.p[0] == (uint8_t)ends[i].kind)
            return &ends[i];
    }
    return NULL;
}

/* Owner and member of a link; false when it has not the form of one. */
static bool split(const struct ends *e, struct prov_span key, struct prov_span *owner,
                  struct prov_span *member)
{
    const uint8_t *nul;
    size_t n = e->owner_n;

    if (n == 0) {
        nul = memchr(key.p + 1, 0, key.n - 1);
        n = nul == NULL ? key.n : (size_t)(nul - key.p) - 1;
    }
    if (key.n < n + 3 || key.p[1 + n] != 0)
        return false;
    *owner = prov_span(key.p + 1, n);
    *member = prov_span(key.p + n + 2, key.n - n - 2);
    return true;
}

void reg_check_link(struct reg_check *c, struct prov_span key, struct prov_span value)
{
    const struct ends *e = ends_of(key);
    struct prov_span owner, member;
    enum reg_table table;

    (void)value;
    if (e == NULL || !split(e, key, &owner, &member)) {
        reg_report(c, "does not decode");
        return;
    }
    table = e->member;
    if (e->kind == REG_TARGET_OF_POLICY) {
        table = member.p[0] == 'g' ? REG_GROUP : REG_CERT;
        member = prov_span(member.p + 1, member.n - 1);
    }
    if (e->owner != NO_TABLE)
        (void)reg_need(c, e->owner, "an owner", owner);
    (void)reg_need(c, table, "a member", member);
}
