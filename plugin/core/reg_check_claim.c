/* prov_registry_check: what is due, claims and their allow lists, rotation. */
#include "claim.h"
#include "reg_check.h"

/* ---- what is due ----------------------------------------------------------------------------- */

/* Certificates know what they wait for, and the other way round. */
void reg_check_due(struct reg_check *c, struct prov_span key, struct prov_span value)
{
    static const enum reg_due all[] = { REG_DUE_CLAIM, REG_DUE_RETIRE, REG_DUE_TOKEN };
    struct reg_token token;
    struct prov_cert cert;
    struct prov_span id;
    size_t i = 0;

    while (i < PROV_COUNT(all) && (key.n != REG_DUE_KEY || key.p[8] != (uint8_t)all[i]))
        i++;
    if (i == PROV_COUNT(all) || (all[i] != REG_DUE_TOKEN && value.n != 0) ||
        (all[i] == REG_DUE_TOKEN &&
         prov_record_read(&reg_token_record, value, &token) != PROV_OK)) {
        reg_report(c, "does not decode");
        return;
    }
    id = prov_span(key.p + 9, PROV_ID_LEN);
    if (reg_need(c, REG_CERT, "certificate", id) &&
        reg_other_side(c, REG_CERT, &reg_cert_record, id, &cert) &&
        (uint64_t)reg_due_at(&cert, all[i]) != reg_from_be64(key.p))
        reg_report(c, "is not what its certificate waits for");
}

/* A token is swept while its certificate stays; the rest ends with what it is due for. */
static void need_due(struct reg_check *c, const struct prov_id *id, const struct prov_cert *cert,
                     enum reg_due what, const char *noun)
{
    const int64_t at_ms = reg_due_at(cert, what);
    uint8_t key[REG_DUE_KEY];

    if (at_ms == 0 || (what == REG_DUE_TOKEN && at_ms <= c->tx.now_ms))
        return;
    if (!reg_there(c, REG_DUE, reg_due_key(at_ms, what, id, key)))
        reg_report(c, "has no entry for the end of its %s", noun);
}

void reg_check_waiting(struct reg_check *c, struct prov_span key, const struct prov_cert *cert)
{
    const struct prov_span replaces = prov_id_span(&cert->replaces);
    struct prov_id id;

    memcpy(id.b, key.p, PROV_ID_LEN);
    need_due(c, &id, cert, REG_DUE_CLAIM, "claim");
    need_due(c, &id, cert, REG_DUE_RETIRE, "overlap");
    need_due(c, &id, cert, REG_DUE_TOKEN, "token");
    if (cert->claim_template.n != 0 && cert->claim_template.n <= PROV_MAX_NAME &&
        reg_need(c, REG_TEMPLATE, "template", cert->claim_template))
        reg_need_link(c, REG_CLAIM_OF_TEMPLATE, "template", cert->claim_template, key);
    if (!prov_id_is_zero(&cert->replaces) && reg_need(c, REG_CERT, "certificate", replaces))
        reg_need_link(c, REG_REPLACEMENT_OF_CERT, "certificate", replaces, key);
}

/* ---- claims ---------------------------------------------------------------------------------- */

static bool count_value(void *ctx, struct prov_span key, struct prov_span value)
{
    uint32_t *n = ctx;

    (void)key;
    (void)value;
    ++*n;
    return true;
}

void reg_check_claim(struct reg_check *c, struct prov_span key, const void *object)
{
    const struct prov_claim *claim = object;
    uint32_t values = 0;
    enum prov_rc rc;

    if (key.n != PROV_ID_LEN) {
        reg_report(c, "is filed under what is no id");
        return;
    }
    (void)reg_need(c, REG_CERT, "certificate", key);
    for (size_t i = 0; i < claim->n_templates; i++) {
        if (reg_need(c, REG_TEMPLATE, "template", claim->templates[i]) &&
            claim->templates[i].n <= PROV_MAX_NAME)
            reg_need_link(c, REG_CLAIM_OF_TEMPLATE, "template", claim->templates[i], key);
    }
    for (size_t i = 0; i < claim->n_networks; i++) {
        if (!prov_claim_network(claim->networks[i]))
            reg_report(c, "has \"%.*s\", which is no network", PROV_SPAN_ARG(claim->networks[i]));
    }
    if (c->rc != PROV_OK)
        return;
    rc = reg_scan(&c->tx, REG_CLAIM_VALUE, key, prov_span(NULL, 0), count_value, &values);
    if (rc != PROV_OK)
        c->rc = rc;
    else if (values != claim->values)
        reg_report(c, "says that there are %u values on its lists; there are %u",
                   (unsigned)claim->values, (unsigned)values);
}

/* Certificate, parameter, NUL and the value's hash. */
static bool split_value(struct prov_span key, struct prov_id *cert, struct prov_span *parameter)
{
    const size_t around = PROV_ID_LEN + 1 + REG_VALUE_HASH;

    if (key.n <= around || key.n - around > PROV_MAX_NAME ||
        key.p[key.n - REG_VALUE_HASH - 1] != '\0')
        return false;
    memcpy(cert->b, key.p, PROV_ID_LEN);
    *parameter = prov_span(key.p + PROV_ID_LEN, key.n - around);
    return true;
}

void reg_check_value(struct reg_check *c, struct prov_span key, struct prov_span value)
{
    uint8_t space[PROV_STORE_KEY_MAX];
    struct prov_span parameter, right;
    struct prov_claim claim;
    struct prov_id cert;
    enum prov_rc rc;

    if (!split_value(key, &cert, &parameter)) {
        reg_report(c, "does not decode");
        return;
    }
    rc = reg_value_key(&c->tx, &cert, parameter, value, space, &right);
    if (rc != PROV_OK)
        c->rc = rc;
    else if (!prov_span_eq(key, right))
        reg_report(c, "does not decode");
    else if (reg_need(c, REG_CLAIM, "claim", prov_id_span(&cert)) &&
             reg_other_side(c, REG_CLAIM, &reg_claim_record, prov_id_span(&cert), &claim) &&
             !reg_has(claim.listed, claim.n_listed, parameter))
        reg_report(c, "is on a list that its claim does not have");
}
