/* What is due at a time: one table in the order of time, and what is done when the time has come.
 */
#include "reg.h"

struct prov_span reg_due_key(int64_t at_ms, enum reg_due what, const struct prov_id *cert,
                             uint8_t out[static REG_DUE_KEY])
{
    reg_be64((uint64_t)at_ms, out);
    out[8] = (uint8_t)what;
    memcpy(out + 9, cert->b, PROV_ID_LEN);
    return prov_span(out, REG_DUE_KEY);
}

enum prov_rc reg_due_add(struct prov_tx *tx, int64_t at_ms, enum reg_due what,
                         const struct prov_id *cert)
{
    uint8_t key[REG_DUE_KEY];

    return reg_put_bytes(tx, REG_DUE, reg_due_key(at_ms, what, cert, key), prov_span(NULL, 0));
}

enum prov_rc reg_due_del(struct prov_tx *tx, int64_t at_ms, enum reg_due what,
                         const struct prov_id *cert)
{
    uint8_t key[REG_DUE_KEY];

    return reg_del(tx, REG_DUE, reg_due_key(at_ms, what, cert, key));
}

/* The last second counts (RFC 5280 section 4.1.2.5). A damaged record's may be any number. */
static int64_t claim_end_ms(const struct prov_cert *cert)
{
    if (cert->not_after_s < 0)
        return 1;
    return cert->not_after_s < INT64_MAX / 1000 ? (cert->not_after_s + 1) * 1000 : INT64_MAX;
}

int64_t reg_due_at(const struct prov_cert *cert, enum reg_due what)
{
    switch (what) {
    case REG_DUE_CLAIM:
        return cert->claim_template.n != 0 ? claim_end_ms(cert) : 0;
    case REG_DUE_RETIRE:
        return cert->retire_ms;
    case REG_DUE_TOKEN:
        return cert->token_ms;
    }
    return 0;
}

enum prov_rc reg_forget_due(struct prov_tx *tx, const struct prov_cert *cert)
{
    static const enum reg_due all[] = { REG_DUE_CLAIM, REG_DUE_RETIRE, REG_DUE_TOKEN };
    enum prov_rc rc = PROV_OK;
    int64_t at_ms;

    for (size_t i = 0; rc == PROV_OK && i < PROV_COUNT(all); i++) {
        at_ms = reg_due_at(cert, all[i]);
        if (at_ms != 0)
            rc = reg_due_del(tx, at_ms, all[i], &cert->id);
    }
    return rc;
}

/* ---- what is first --------------------------------------------------------------------------- */

struct due {
    uint8_t key[PROV_STORE_KEY_MAX];
    size_t n; /* 0: nothing waits */
    int64_t at_ms;
    struct prov_id cert;
};

/* What is no entry is due at once, to be got rid of. */
static void take(struct prov_span key, struct due *out)
{
    uint64_t at_ms;

    memcpy(out->key, key.p, key.n);
    out->n = key.n;
    out->at_ms = 0;
    if (key.n != REG_DUE_KEY)
        return;
    at_ms = reg_from_be64(key.p);
    out->at_ms = at_ms < INT64_MAX ? (int64_t)at_ms : INT64_MAX;
    memcpy(out->cert.b, key.p + 9, PROV_ID_LEN);
}

static enum prov_rc first_due(struct prov_tx *tx, struct due *out)
{
    struct prov_cursor *cur = NULL;
    struct prov_span key, value;
    enum prov_rc rc;

    out->n = 0;
    out->at_ms = INT64_MAX;
    rc = prov_txn_scan(tx->txn, REG_DUE, &cur);
    if (rc == PROV_OK)
        rc = prov_cursor_seek(cur, prov_span(NULL, 0), &key, &value);
    if (rc == PROV_OK)
        take(key, out);
    prov_cursor_free(cur);
    return rc == PROV_ENOTFOUND ? PROV_OK : reg_store_result(tx, rc);
}

enum prov_rc prov_due_next(struct prov_tx *tx, int64_t *at_ms)
{
    struct due due;
    const enum prov_rc rc = first_due(tx, &due);

    *at_ms = due.at_ms;
    return rc;
}

/* ---- what is done ---------------------------------------------------------------------------- */

/* Were its issuer a registered CA with auto-registration, it would come back as a new device. */
static enum prov_rc keep_away(struct prov_tx *tx, const struct prov_cert *cert)
{
    uint8_t kept[REG_SERIAL_MAX];
    struct prov_span der, serial;
    enum prov_rc rc;

    if (prov_id_is_zero(&cert->ca_id))
        return PROV_OK;
    rc = prov_cert_der(tx, &cert->id, &der);
    if (rc != PROV_OK)
        return rc == PROV_ESTORE ? PROV_OK : rc; /* a damaged one is got rid of all the same */
    serial = reg_serial_of_der(der);
    if (serial.n != 0)
        memcpy(kept, serial.p, serial.n);
    return reg_serial_revoke(tx, &cert->ca_id, prov_span(kept, serial.n), REG_REASON_CESSATION);
}

/* A certificate that is still nobody's goes with its token. */
static enum prov_rc end_token(struct prov_tx *tx, struct prov_cert *cert,
                              struct prov_due_result *result)
{
    enum prov_rc rc;

    result->tokens++;
    if (cert->status != PROV_CERT_PENDING_ACTIVATION || cert->n_things != 0 ||
        cert->n_policies != 0)
        return PROV_OK;
    result->certs_deleted++;
    rc = keep_away(tx, cert);
    return rc != PROV_OK ? rc : reg_cert_remove(tx, cert);
}

static enum prov_rc end_claim(struct prov_tx *tx, struct prov_cert *cert,
                              struct prov_due_result *result)
{
    result->claims_ended++;
    return reg_cert_remove(tx, cert);
}

static enum prov_rc end_overlap(struct prov_tx *tx, struct prov_cert *cert,
                                struct prov_due_result *result)
{
    bool retired;
    const enum prov_rc rc = reg_retire_due(tx, cert, &retired);

    result->certs_retired += retired;
    return rc;
}

static const struct {
    enum reg_due what;
    enum prov_rc (*end)(struct prov_tx *tx, struct prov_cert *cert, struct prov_due_result *result);
} ends[] = {
    { REG_DUE_CLAIM, end_claim },
    { REG_DUE_RETIRE, end_overlap },
    { REG_DUE_TOKEN, end_token },
};

/* The entry goes first, so that it is not due again whatever it leads to: a certificate that is not
 * there, or damaged, or that waits for another time. Nothing but damage makes such entries. */
static enum prov_rc run(struct prov_tx *tx, const struct due *due, struct prov_due_result *result)
{
    struct prov_cert cert;
    enum prov_rc rc;

    rc = reg_del(tx, REG_DUE, prov_span(due->key, due->n));
    if (rc != PROV_OK || due->n != REG_DUE_KEY)
        return rc;
    rc = reg_cert_find(tx, &due->cert, &cert);
    for (size_t i = 0; rc == PROV_OK && i < PROV_COUNT(ends); i++) {
        if (due->key[8] == (uint8_t)ends[i].what && reg_due_at(&cert, ends[i].what) == due->at_ms)
            return ends[i].end(tx, &cert, result);
    }
    return rc == PROV_ENOTFOUND ? PROV_OK : rc;
}

enum prov_rc prov_due_run(struct prov_tx *tx, size_t limit, struct prov_due_result *result)
{
    struct due due;
    enum prov_rc rc;

    memset(result, 0, sizeof *result);
    rc = first_due(tx, &due);
    for (size_t i = 0; rc == PROV_OK && i < limit && due.n != 0 && due.at_ms <= tx->now_ms; i++) {
        rc = run(tx, &due, result);
        if (rc == PROV_OK)
            rc = first_due(tx, &due);
    }
    result->more = rc == PROV_OK && due.n != 0 && due.at_ms <= tx->now_ms;
    return rc;
}
