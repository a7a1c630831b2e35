#include "attempt.h"

#include <stdio.h>

#include "reg.h"

struct attempt_record {
    uint32_t reason, repeats;
    struct prov_id cert, ca;
    struct prov_span client_id, address, common_name, detail;
};

static const struct prov_field attempt_fields[] = {
    { 1, PROV_FIELD_U32, offsetof(struct attempt_record, reason), 0, 0 },
    { 2, PROV_FIELD_ID, offsetof(struct attempt_record, cert), 0, 0 },
    { 3, PROV_FIELD_ID, offsetof(struct attempt_record, ca), 0, 0 },
    { 4, PROV_FIELD_SPAN, offsetof(struct attempt_record, client_id), 0, 0 },
    { 5, PROV_FIELD_SPAN, offsetof(struct attempt_record, address), 0, 0 },
    { 6, PROV_FIELD_SPAN, offsetof(struct attempt_record, common_name), 0, 0 },
    { 7, PROV_FIELD_SPAN, offsetof(struct attempt_record, detail), 0, 0 },
    { 8, PROV_FIELD_U32, offsetof(struct attempt_record, repeats), 0, 0 },
};
const struct prov_record reg_attempt_record = { attempt_fields, PROV_COUNT(attempt_fields),
                                                sizeof(struct attempt_record) };

#define COUNTER_BITS 20

prov_attempt_id prov_attempt_next_id(prov_attempt_id last, int64_t now_ms)
{
    const prov_attempt_id now = now_ms > 0 ? (prov_attempt_id)now_ms << COUNTER_BITS : 0;

    return now > last ? now : last + 1;
}

void prov_attempt_id_text(prov_attempt_id id, char out[static PROV_ATTEMPT_HEX + 1])
{
    (void)snprintf(out, PROV_ATTEMPT_HEX + 1, "%016llx", (unsigned long long)id);
}

static bool first_key(void *ctx, struct prov_span key, struct prov_span value)
{
    uint8_t *oldest = ctx;

    (void)value;
    if (key.n == 8)
        memcpy(oldest, key.p, 8);
    return false;
}

static enum prov_rc forget_oldest(struct prov_tx *tx)
{
    uint8_t oldest[8] = { 0 };
    uint64_t n;
    enum prov_rc rc;

    rc = reg_store_result(tx, prov_txn_count(tx->txn, REG_ATTEMPT, &n));
    if (rc != PROV_OK || n <= PROV_MAX_ATTEMPTS)
        return rc;
    rc = reg_scan(tx, REG_ATTEMPT, prov_span(NULL, 0), prov_span(NULL, 0), first_key, oldest);
    return rc != PROV_OK ? rc : reg_del(tx, REG_ATTEMPT, prov_span(oldest, 8));
}

enum prov_rc prov_attempt_put(struct prov_tx *tx, const struct prov_attempt *attempt)
{
    const struct attempt_record record = {
        .reason = (uint32_t)attempt->reason,
        .repeats = attempt->repeats,
        .cert = attempt->cert,
        .ca = attempt->ca,
        .client_id = reg_cut(attempt->client_id),
        .address = reg_cut(attempt->address),
        .common_name = reg_cut(attempt->common_name),
        .detail = reg_cut(attempt->detail),
    };
    uint8_t key[8];
    enum prov_rc rc;

    reg_be64(attempt->id, key);
    rc = reg_put(tx, REG_ATTEMPT, &reg_attempt_record, prov_span(key, 8), &record);
    return rc != PROV_OK ? rc : forget_oldest(tx);
}

static bool read_attempt(struct prov_span key, struct prov_span value, struct prov_attempt *out)
{
    struct attempt_record record;

    if (key.n != 8 || prov_record_read(&reg_attempt_record, value, &record) != PROV_OK)
        return false;
    out->id = reg_from_be64(key.p);
    out->at_ms = (int64_t)(out->id >> COUNTER_BITS);
    out->reason = (enum prov_reason)record.reason;
    out->repeats = record.repeats;
    out->cert = record.cert;
    out->ca = record.ca;
    out->client_id = record.client_id;
    out->address = record.address;
    out->common_name = record.common_name;
    out->detail = record.detail;
    return true;
}

/* A fresh cursor is behind the newest; one that looked for `before` stands on it or behind. */
static enum prov_rc go_before(struct prov_cursor *cur, prov_attempt_id before)
{
    struct prov_span found, value;
    uint8_t key[8];
    enum prov_rc rc;

    if (before == 0)
        return PROV_OK;
    reg_be64(before, key);
    rc = prov_cursor_seek(cur, prov_span(key, 8), &found, &value);
    return rc == PROV_ENOTFOUND ? PROV_OK : rc;
}

enum prov_rc prov_attempt_each_before(struct prov_tx *tx, prov_attempt_id before,
                                      bool (*visit)(void *ctx, const struct prov_attempt *attempt),
                                      void *ctx)
{
    struct prov_cursor *cur = NULL;
    struct prov_attempt attempt;
    struct prov_span key, value;
    enum prov_rc rc;

    rc = prov_txn_scan(tx->txn, REG_ATTEMPT, &cur);
    if (rc == PROV_OK)
        rc = go_before(cur, before);
    if (rc != PROV_OK) {
        prov_cursor_free(cur);
        return reg_store_result(tx, rc);
    }
    for (rc = prov_cursor_prev(cur, &key, &value); rc == PROV_OK;
         rc = prov_cursor_prev(cur, &key, &value)) {
        if (read_attempt(key, value, &attempt) && !visit(ctx, &attempt))
            break;
    }
    prov_cursor_free(cur);
    return rc == PROV_ENOTFOUND ? PROV_OK : reg_store_result(tx, rc);
}

enum prov_rc prov_attempt_each(struct prov_tx *tx,
                               bool (*visit)(void *ctx, const struct prov_attempt *attempt),
                               void *ctx)
{
    return prov_attempt_each_before(tx, 0, visit, ctx);
}
