/* Change of hands: a certificate's from one thing to another, a thing's from one owner to the next.
 * Names are copied before each write, which ends the life of what was read. */
#include "reg.h"

enum prov_rc prov_thing_hand_over(struct prov_tx *tx, struct prov_span from, struct prov_span to,
                                  const struct prov_id *cert, enum prov_attach kind)
{
    struct prov_cert before;
    enum prov_rc rc;

    rc = prov_cert_get(tx, cert, &before);
    if (rc == PROV_OK && kind == PROV_ATTACH_UNSAID)
        kind = before.exclusive ? PROV_ATTACH_EXCLUSIVE : PROV_ATTACH_SHARED;
    if (rc == PROV_OK)
        rc = prov_thing_detach(tx, from, cert);
    return rc != PROV_OK ? rc : prov_thing_attach(tx, to, cert, kind);
}

/* ---- one certificate ------------------------------------------------------------------------- */

static enum prov_rc not_shared(struct prov_tx *tx, const struct prov_cert *cert,
                               struct prov_span thing)
{
    char hex[PROV_ID_HEX + 1];

    for (size_t i = 0; i < cert->n_things; i++) {
        if (prov_span_eq(cert->things[i], thing))
            continue;
        prov_id_hex(&cert->id, hex);
        return prov_fail(tx->err, PROV_EDENIED, REG_IN_USE,
                         "certificate %s stands for thing \"%.*s\" too", hex,
                         PROV_SPAN_ARG(cert->things[i]));
    }
    return PROV_OK;
}

enum prov_rc reg_leave_things(struct prov_tx *tx, const struct prov_id *id)
{
    char name[PROV_MAX_NAME + 1];
    struct prov_cert cert;
    enum prov_rc rc;

    rc = prov_cert_get(tx, id, &cert);
    while (rc == PROV_OK && cert.n_things != 0) {
        (void)prov_span_copy(cert.things[0], name, sizeof name);
        rc = prov_thing_detach(tx, prov_span_str(name), id);
        if (rc == PROV_OK)
            rc = prov_cert_get(tx, id, &cert);
    }
    return rc;
}

enum prov_rc reg_lose_policies(struct prov_tx *tx, const struct prov_id *id, size_t *lost)
{
    struct prov_cert cert;
    enum prov_rc rc;

    rc = prov_cert_get(tx, id, &cert);
    while (rc == PROV_OK && cert.n_policies != 0) {
        rc = prov_policy_detach_cert(tx, cert.policies[0], id);
        ++*lost;
        if (rc == PROV_OK)
            rc = prov_cert_get(tx, id, &cert);
    }
    return rc;
}

static enum prov_rc retire(struct prov_tx *tx, const struct prov_id *id,
                           enum prov_retirement retirement)
{
    const enum prov_cert_status last =
        retirement == PROV_RETIRE_REVOKE ? PROV_CERT_REVOKED : PROV_CERT_INACTIVE;
    struct prov_cert cert;
    enum prov_rc rc;

    rc = prov_cert_get(tx, id, &cert);
    if (rc != PROV_OK || cert.status == PROV_CERT_REVOKED)
        return rc;
    if (cert.status == PROV_CERT_PENDING_TRANSFER)
        rc = prov_cert_transfer_cancel(tx, id);
    if (rc == PROV_OK)
        rc = prov_cert_set_status(tx, id, last);
    if (rc != PROV_OK || retirement != PROV_RETIRE_DELETE)
        return rc;
    return prov_cert_delete(tx, id, false);
}

static enum prov_rc reset_cert(struct prov_tx *tx, const struct prov_id *id, struct prov_span thing,
                               const struct prov_thing_reset *how,
                               struct prov_thing_reset_result *out)
{
    struct prov_cert cert;
    enum prov_rc rc;

    rc = prov_cert_get(tx, id, &cert);
    if (rc == PROV_OK && !how->shared)
        rc = not_shared(tx, &cert, thing);
    if (rc == PROV_OK)
        rc = reg_lose_policies(tx, id, &out->policies);
    if (rc == PROV_OK)
        rc = reg_leave_things(tx, id);
    out->certs++;
    return rc != PROV_OK ? rc : retire(tx, id, how->certs);
}

/* ---- the thing ------------------------------------------------------------------------------- */

static enum prov_rc leave_groups(struct prov_tx *tx, struct prov_span name, size_t *left)
{
    char group[PROV_MAX_NAME + 1];
    struct prov_thing thing;
    enum prov_rc rc;

    rc = prov_thing_get(tx, name, &thing);
    while (rc == PROV_OK && thing.n_groups != 0) {
        (void)prov_span_copy(thing.groups[0], group, sizeof group);
        rc = prov_group_remove(tx, prov_span_str(group), name);
        ++*left;
        if (rc == PROV_OK)
            rc = prov_thing_get(tx, name, &thing);
    }
    if (rc != PROV_OK || thing.billing_group.n == 0)
        return rc;
    ++*left;
    return prov_billing_add(tx, prov_span(NULL, 0), name);
}

enum prov_rc prov_thing_reset(struct prov_tx *tx, struct prov_span name,
                              const struct prov_thing_reset *how,
                              struct prov_thing_reset_result *out)
{
    struct prov_thing thing;
    enum prov_rc rc;

    *out = (struct prov_thing_reset_result){ 0 };
    rc = prov_thing_get(tx, name, &thing);
    for (size_t i = 0; rc == PROV_OK && i < thing.n_principals; i++) /* ids are copies */
        rc = reset_cert(tx, &thing.principals[i], name, how, out);
    if (rc == PROV_OK && !how->keep_groups)
        rc = leave_groups(tx, name, &out->groups);
    return rc;
}
