/* What is in the registry, and how it fares: what `provctl status` shows of the store. */
#include "api_priv.h"

#include <stdlib.h>

#include "feed.h"

/* How many of the newest attempts are counted by reason. */
#define RECENT 1000

static const struct {
    enum prov_list_kind kind;
    const char *key;
} counted[] = {
    { PROV_LIST_CAS, "caCertificates" }, { PROV_LIST_CERTS, "certificates" },
    { PROV_LIST_THINGS, "things" },      { PROV_LIST_GROUPS, "thingGroups" },
    { PROV_LIST_TYPES, "thingTypes" },   { PROV_LIST_BILLING_GROUPS, "billingGroups" },
    { PROV_LIST_POLICIES, "policies" },  { PROV_LIST_TEMPLATES, "provisioningTemplates" },
};

static void put_settings(struct prov_doc *d)
{
    struct prov_settings settings = { .account_id = "" };
    uint64_t used = 0, max = 0;

    if (d->rc == PROV_OK)
        d->rc = prov_settings_get(d->tx, &settings);
    if (d->rc == PROV_OK)
        d->rc = prov_store_usage(d->tx->txn->store, &used, &max);
    prov_doc_number(d, d->root, "usedBytes", (double)used);
    prov_doc_number(d, d->root, "maxBytes", (double)max);
    prov_doc_text(d, d->root, "accountId", prov_span_str(settings.account_id));
    prov_doc_text(d, d->root, "region", prov_span_str(settings.region));
}

static void put_counts(struct prov_doc *d)
{
    cJSON *object = prov_doc_object(d, d->root, "counts");
    uint64_t by_status[PROV_CERT_STATUSES] = { 0 }, n = 0;

    for (size_t i = 0; i < PROV_COUNT(counted) && d->rc == PROV_OK; i++) {
        d->rc = prov_list_count(d->tx, counted[i].kind, &n);
        prov_doc_number(d, object, counted[i].key, (double)n);
    }
    if (d->rc == PROV_OK)
        d->rc = prov_cert_counts(d->tx, by_status);
    object = prov_doc_object(d, d->root, "certificatesByStatus");
    for (int i = 0; i < PROV_CERT_STATUSES; i++)
        prov_doc_number(d, object, prov_cert_status_name((enum prov_cert_status)i),
                        (double)by_status[i]);
}

/* ---- the last change ------------------------------------------------------------------------- */

static const char *change_name(enum prov_change kind)
{
    static const char *const names[] = {
        [PROV_CHANGED_CERT] = "certificate",      [PROV_CHANGED_CA] = "CA",
        [PROV_CHANGED_THING] = "thing",           [PROV_CHANGED_GROUP] = "thing group",
        [PROV_CHANGED_POLICY] = "policy",         [PROV_CHANGED_TEMPLATE] = "template",
        [PROV_CHANGED_SETTINGS] = "settings",     [PROV_CHANGED_TYPE] = "thing type",
        [PROV_CHANGED_BILLING] = "billing group",
    };

    return (size_t)kind < PROV_COUNT(names) && names[kind] != NULL ? names[kind] : "unknown";
}

/* Names as they are, ids in hex. */
static void put_change(void *ctx, const struct prov_change_entry *entry)
{
    struct prov_doc *d = ctx;
    cJSON *change = prov_doc_object(d, d->root, "lastChange");
    char hex[PROV_ID_HEX + 1];

    prov_doc_number(d, change, "sequence", (double)entry->seq);
    prov_doc_text(d, change, "kind", prov_span_str(change_name(entry->kind)));
    if ((entry->kind == PROV_CHANGED_CERT || entry->kind == PROV_CHANGED_CA) &&
        entry->key.n == PROV_ID_LEN) {
        prov_hex(entry->key.p, PROV_ID_LEN, hex);
        prov_doc_text(d, change, "key", prov_span_str(hex));
    } else {
        prov_doc_text_if(d, change, "key", entry->key);
    }
    prov_doc_time(d, change, "timestamp", entry->at_ms);
}

static void put_last_change(struct prov_doc *d)
{
    uint64_t seq = 0;
    bool missed;
    enum prov_rc rc;

    if (d->rc == PROV_OK)
        d->rc = prov_feed_last(d->tx, &seq);
    if (d->rc != PROV_OK || seq == 0)
        return;
    rc = prov_feed_read(d->tx, seq - 1, &missed, put_change, d);
    if (d->rc == PROV_OK)
        d->rc = rc;
}

/* ---- attempts by reason ---------------------------------------------------------------------- */

struct recent {
    unsigned seen;
    struct {
        unsigned n;
        struct prov_attempt newest;
    } of[PROV_REASONS];
};

static bool count_attempt(void *ctx, const struct prov_attempt *attempt)
{
    struct recent *r = ctx;
    const size_t reason = attempt->reason < PROV_REASONS ? attempt->reason : PROV_REASON_NONE;

    if (r->of[reason].n++ == 0)
        r->of[reason].newest = *attempt;
    return ++r->seen < RECENT;
}

static void put_attempts(struct prov_doc *d, const struct recent *r)
{
    cJSON *array = prov_doc_array(d, d->root, "recentAttempts"), *item;

    for (int i = 0; i < PROV_REASONS; i++) {
        const struct prov_attempt *newest = &r->of[i].newest;

        if (r->of[i].n == 0)
            continue;
        item = prov_doc_append(d, array, cJSON_CreateObject());
        prov_doc_text(d, item, "reason",
                      prov_span_str(prov_reason_info((enum prov_reason)i)->name));
        prov_doc_number(d, item, "count", r->of[i].n);
        prov_doc_time(d, item, "lastTimestamp", newest->at_ms);
        prov_doc_text_if(d, item, "lastClientId", newest->client_id);
        prov_doc_text_if(d, item, "lastCommonName", newest->common_name);
        prov_doc_text_if(d, item, "lastSourceIp", newest->address);
    }
}

static enum prov_rc status(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    struct recent *recent = calloc(1, sizeof *recent);
    struct prov_doc d;

    (void)params;
    if (recent == NULL)
        return prov_nomem(tx->err);
    d = prov_doc_start(tx);
    put_settings(&d);
    put_counts(&d);
    put_last_change(&d);
    if (d.rc == PROV_OK)
        d.rc = prov_attempt_each(tx, count_attempt, recent);
    put_attempts(&d, recent);
    free(recent);
    return prov_doc_end(&d, data);
}

static const struct prov_api_field no_fields[] = { API_END };

const struct prov_api_op api_status_ops[] = {
    { "getRegistryStatus",
      "How much is in the registry, and who tried to get in lately.",
      PROV_API_READ,
      { NULL, NULL },
      no_fields,
      status,
      NULL },
    { .name = NULL },
};
