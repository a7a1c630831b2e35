#include "feed.h"

#include "reg.h"

struct change_record {
    uint32_t kind;
    struct prov_span key;
    int64_t at_ms;
};

static const struct prov_field change_fields[] = {
    { 1, PROV_FIELD_U32, offsetof(struct change_record, kind), 0, 0 },
    { 2, PROV_FIELD_SPAN, offsetof(struct change_record, key), 0, 0 },
    { 3, PROV_FIELD_I64, offsetof(struct change_record, at_ms), 0, 0 },
};
const struct prov_record reg_change_record = { change_fields, PROV_COUNT(change_fields),
                                               sizeof(struct change_record) };

/* The first (oldest) or last entry's number; 0: the feed is empty. */
static enum prov_rc end_of_feed(struct prov_tx *tx, bool newest, uint64_t *seq)
{
    struct prov_cursor *cur = NULL;
    struct prov_span key, value;
    enum prov_rc rc;

    *seq = 0;
    rc = prov_txn_scan(tx->txn, REG_FEED, &cur);
    if (rc != PROV_OK)
        return reg_store_result(tx, rc);
    rc = newest ? prov_cursor_prev(cur, &key, &value)
                : prov_cursor_seek(cur, prov_span(NULL, 0), &key, &value);
    if (rc == PROV_OK && key.n == 8)
        *seq = reg_from_be64(key.p);
    prov_cursor_free(cur);
    return rc == PROV_ENOTFOUND ? PROV_OK : reg_store_result(tx, rc);
}

enum prov_rc prov_feed_last(struct prov_tx *tx, uint64_t *seq)
{
    return end_of_feed(tx, true, seq);
}

enum prov_rc prov_feed_append(struct prov_tx *tx, enum prov_change kind, struct prov_span key)
{
    const struct change_record change = { (uint32_t)kind, key, tx->now_ms };
    uint8_t be[8];
    uint64_t last;
    enum prov_rc rc;

    rc = prov_feed_last(tx, &last);
    if (rc != PROV_OK)
        return rc;
    reg_be64(last + 1, be);
    rc = reg_put(tx, REG_FEED, &reg_change_record, prov_span(be, 8), &change);
    if (rc != PROV_OK || last < PROV_MAX_FEED)
        return rc;
    reg_be64(last + 1 - PROV_MAX_FEED, be);
    return reg_del(tx, REG_FEED, prov_span(be, 8));
}

struct feed_visit {
    void (*visit)(void *ctx, const struct prov_change_entry *entry);
    void *ctx;
    bool damaged;
};

static bool pass_on(void *ctx, struct prov_span key, struct prov_span value)
{
    struct feed_visit *v = ctx;
    struct prov_change_entry entry;
    struct change_record change;

    v->damaged = key.n != 8 || prov_record_read(&reg_change_record, value, &change) != PROV_OK;
    if (v->damaged)
        return false;
    entry.seq = reg_from_be64(key.p);
    entry.kind = (enum prov_change)change.kind;
    entry.key = change.key;
    entry.at_ms = change.at_ms;
    v->visit(v->ctx, &entry);
    return true;
}

enum prov_rc prov_feed_read(struct prov_tx *tx, uint64_t after, bool *missed,
                            void (*visit)(void *ctx, const struct prov_change_entry *entry),
                            void *ctx)
{
    struct feed_visit v = { visit, ctx, false };
    uint8_t be[8];
    uint64_t oldest, newest;
    enum prov_rc rc;

    rc = end_of_feed(tx, false, &oldest);
    if (rc == PROV_OK)
        rc = end_of_feed(tx, true, &newest);
    if (rc != PROV_OK)
        return rc;
    *missed = after > newest || oldest > after + 1;
    if (*missed)
        return PROV_OK;
    reg_be64(after, be);
    rc = reg_scan(tx, REG_FEED, prov_span(NULL, 0), prov_span(be, 8), pass_on, &v);
    *missed = v.damaged;
    return rc;
}
