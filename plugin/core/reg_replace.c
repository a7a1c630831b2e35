/*
 * Certificate rotation: which certificate takes the place of which. The old one stays until the new
 * one has shown that it works, and for a while after that.
 */
#include "reg.h"

static const struct prov_id none;

/* ---- intended -------------------------------------------------------------------------------- */

static enum prov_rc set_replaced(struct prov_tx *tx, struct prov_cert *next,
                                 const struct prov_id *previous)
{
    const struct prov_id id = next->id, before = next->replaces;
    enum prov_rc rc;

    next->replaces = *previous;
    rc = reg_cert_put(tx, next);
    if (rc == PROV_OK && !prov_id_is_zero(&before))
        rc = reg_link_del(tx, REG_REPLACEMENT_OF_CERT, prov_id_span(&before), prov_id_span(&id));
    if (rc == PROV_OK && !prov_id_is_zero(previous))
        rc = reg_link_add(tx, REG_REPLACEMENT_OF_CERT, prov_id_span(previous), prov_id_span(&id));
    return rc;
}

enum prov_rc prov_cert_replace(struct prov_tx *tx, const struct prov_id *next,
                               const struct prov_id *previous)
{
    struct prov_cert cert;
    enum prov_rc rc;

    if (prov_id_eq(next, previous))
        return prov_fail(tx->err, PROV_EINVAL, REG_INVALID,
                         "a certificate cannot take its own place");
    rc = prov_cert_get(tx, previous, &cert);
    if (rc == PROV_OK)
        rc = reg_cert_lasting(tx, &cert, "be replaced");
    if (rc == PROV_OK)
        rc = prov_cert_get(tx, next, &cert);
    if (rc == PROV_OK)
        rc = reg_cert_lasting(tx, &cert, "replace another certificate");
    if (rc != PROV_OK || prov_id_eq(&cert.replaces, previous))
        return rc;
    return set_replaced(tx, &cert, previous);
}

/* One that was to replace the certificate that goes away. */
static enum prov_rc free_replacement(struct prov_tx *tx, const struct prov_id *gone,
                                     struct prov_span member)
{
    struct prov_cert cert;
    struct prov_id id;
    enum prov_rc rc;

    if (member.n == PROV_ID_LEN) {
        memcpy(id.b, member.p, PROV_ID_LEN);
        rc = reg_cert_find(tx, &id, &cert);
        if (rc == PROV_OK && prov_id_eq(&cert.replaces, gone))
            return set_replaced(tx, &cert, &none);
        if (rc != PROV_OK && rc != PROV_ENOTFOUND)
            return rc;
    }
    return reg_link_del(tx, REG_REPLACEMENT_OF_CERT, prov_id_span(gone), member);
}

enum prov_rc reg_forget_replacements(struct prov_tx *tx, const struct prov_id *id,
                                     const struct prov_id *replaces)
{
    uint8_t member[PROV_STORE_KEY_MAX];
    enum prov_rc rc = PROV_OK;
    size_t n;

    if (!prov_id_is_zero(replaces))
        rc = reg_link_del(tx, REG_REPLACEMENT_OF_CERT, prov_id_span(replaces), prov_id_span(id));
    while (rc == PROV_OK) {
        rc = reg_link_first(tx, REG_REPLACEMENT_OF_CERT, prov_id_span(id), member, &n);
        if (rc == PROV_OK)
            rc = free_replacement(tx, id, prov_span(member, n));
    }
    return rc == PROV_ENOTFOUND ? PROV_OK : rc;
}

/* ---- retired --------------------------------------------------------------------------------- */

/* Things that are gone or damaged cannot be told that the certificate leaves them. */
static enum prov_rc drop_lost_things(struct prov_tx *tx, const struct prov_id *id)
{
    struct prov_thing thing;
    struct prov_cert cert;
    struct prov_span bytes;
    enum prov_rc rc;
    size_t kept = 0, n;

    rc = prov_cert_get(tx, id, &cert);
    if (rc != PROV_OK)
        return rc;
    n = cert.n_things;
    for (size_t i = 0; i < n; i++) {
        rc = prov_txn_get(tx->txn, REG_THING, cert.things[i], &bytes);
        if (rc == PROV_OK && prov_record_read(&reg_thing_record, bytes, &thing) == PROV_OK)
            cert.things[kept++] = cert.things[i];
        else if (rc != PROV_OK && rc != PROV_ENOTFOUND)
            return reg_store_result(tx, rc);
    }
    cert.n_things = kept;
    return kept == n ? PROV_OK : reg_cert_put(tx, &cert);
}

static enum prov_rc retire(struct prov_tx *tx, const struct prov_id *id, const struct prov_id *by)
{
    struct prov_cert cert;
    size_t lost = 0;
    enum prov_rc rc;

    rc = drop_lost_things(tx, id);
    if (rc == PROV_OK)
        rc = reg_lose_policies(tx, id, &lost);
    if (rc == PROV_OK)
        rc = reg_leave_things(tx, id);
    if (rc == PROV_OK)
        rc = prov_cert_get(tx, id, &cert);
    if (rc == PROV_OK && cert.retire_ms != 0)
        rc = reg_due_del(tx, cert.retire_ms, REG_DUE_RETIRE, id);
    if (rc == PROV_OK)
        rc = prov_cert_get(tx, id, &cert); /* its spans are older than what was written */
    if (rc != PROV_OK)
        return rc;
    if (cert.status == PROV_CERT_ACTIVE || cert.status == PROV_CERT_PENDING_ACTIVATION)
        cert.status = PROV_CERT_INACTIVE;
    cert.retire_ms = 0;
    cert.replaced_by = *by;
    return set_replaced(tx, &cert, &none);
}

/* Now, what else was to take previous's place, or had: one device does not keep two. */
static enum prov_rc retire_rivals(struct prov_tx *tx, const struct prov_id *previous,
                                  const struct prov_id *by)
{
    uint8_t member[PROV_STORE_KEY_MAX];
    struct prov_cert cert;
    struct prov_id rival;
    enum prov_rc rc;
    size_t n;

    for (;;) {
        rc = reg_link_first(tx, REG_REPLACEMENT_OF_CERT, prov_id_span(previous), member, &n);
        if (rc != PROV_OK)
            return rc == PROV_ENOTFOUND ? PROV_OK : rc;
        if (n == PROV_ID_LEN) {
            memcpy(rival.b, member, n);
            rc = reg_cert_find(tx, &rival, &cert);
            if (rc == PROV_OK)
                rc = retire(tx, &rival, by);
        }
        if (rc == PROV_OK || rc == PROV_ENOTFOUND) /* whatever it led to: the loop must end */
            rc = reg_link_del(tx, REG_REPLACEMENT_OF_CERT, prov_id_span(previous),
                              prov_span(member, n));
        if (rc != PROV_OK)
            return rc;
    }
}

static int64_t after(int64_t now_ms, int64_t overlap_ms)
{
    if (overlap_ms <= 0)
        return now_ms;
    return now_ms < INT64_MAX - overlap_ms ? now_ms + overlap_ms : INT64_MAX;
}

/* The one that took previous's place before, and whose time of overlap is not over. */
static enum prov_rc retire_successor(struct prov_tx *tx, const struct prov_cert *previous,
                                     const struct prov_id *by)
{
    const struct prov_id id = previous->id, successor = previous->replaced_by;
    struct prov_cert cert;
    enum prov_rc rc;

    if (previous->retire_ms == 0)
        return PROV_OK;
    rc = reg_due_del(tx, previous->retire_ms, REG_DUE_RETIRE, &id);
    if (rc != PROV_OK || prov_id_eq(&successor, by))
        return rc;
    rc = reg_cert_find(tx, &successor, &cert);
    if (rc == PROV_OK)
        rc = retire(tx, &successor, by);
    return rc == PROV_ENOTFOUND ? PROV_OK : rc;
}

static enum prov_rc schedule(struct prov_tx *tx, const struct prov_id *previous,
                             const struct prov_id *by, int64_t overlap_ms)
{
    const int64_t at_ms = after(tx->now_ms, overlap_ms);
    struct prov_cert cert;
    enum prov_rc rc;

    rc = reg_cert_find(tx, previous, &cert);
    if (rc == PROV_OK)
        rc = retire_successor(tx, &cert, by);
    if (rc == PROV_OK)
        rc = prov_cert_get(tx, previous, &cert); /* its spans are older than what was written */
    if (rc != PROV_OK)
        return rc == PROV_ENOTFOUND ? PROV_OK : rc;
    cert.replaced_by = *by;
    cert.retire_ms = at_ms;
    rc = reg_cert_put(tx, &cert);
    return rc != PROV_OK ? rc : reg_due_add(tx, at_ms, REG_DUE_RETIRE, previous);
}

enum prov_rc prov_cert_connected(struct prov_tx *tx, const struct prov_id *id, int64_t overlap_ms)
{
    struct prov_id previous;
    struct prov_cert cert;
    enum prov_rc rc;

    rc = prov_cert_get(tx, id, &cert);
    if (rc != PROV_OK || prov_id_is_zero(&cert.replaces))
        return rc;
    previous = cert.replaces;
    rc = set_replaced(tx, &cert, &none);
    if (rc == PROV_OK)
        rc = retire_rivals(tx, &previous, id);
    return rc != PROV_OK ? rc : schedule(tx, &previous, id, overlap_ms);
}

/* ---- due ------------------------------------------------------------------------------------- */

/* As many changes of certificate within one time of overlap as are looked through. */
#define MAX_CHAIN 64

/* Is the one that took its place in use, or the one that took that one's, and so on? */
static enum prov_rc is_replaced(struct prov_tx *tx, const struct prov_cert *cert, bool *replaced)
{
    struct prov_id by = cert->replaced_by;
    struct prov_cert next;
    enum prov_rc rc = PROV_OK;

    *replaced = false;
    for (int i = 0; i < MAX_CHAIN && !*replaced && !prov_id_is_zero(&by); i++) {
        rc = reg_cert_find(tx, &by, &next);
        if (rc != PROV_OK)
            break;
        *replaced = next.status == PROV_CERT_ACTIVE;
        by = next.replaced_by;
    }
    return rc == PROV_ENOTFOUND ? PROV_OK : rc;
}

enum prov_rc reg_retire_due(struct prov_tx *tx, struct prov_cert *cert, bool *retired)
{
    const struct prov_id id = cert->id, by = cert->replaced_by;
    const enum prov_rc rc = is_replaced(tx, cert, retired);

    if (rc != PROV_OK)
        return rc;
    if (*retired)
        return retire(tx, &id, &by);
    cert->retire_ms = 0;
    cert->replaced_by = none;
    return reg_cert_put(tx, cert);
}
