#include "cmd_status_metrics.h"
#include "core/attempt.h"
#include "core/doc.h"
#include "core/feed.h"
#include "ctl.h"
#include "nouns.h"
#include "progress.h"
#include "table.h"

/* How many of the newest attempts are counted by reason. */
#define RECENT 1000

static const struct {
    enum prov_list_kind kind;
    const char *label, *key;
} kinds[] = {
    { PROV_LIST_CAS, "CAs", "caCertificates" },
    { PROV_LIST_CERTS, "certificates", "certificates" },
    { PROV_LIST_THINGS, "things", "things" },
    { PROV_LIST_GROUPS, "thing groups", "thingGroups" },
    { PROV_LIST_TYPES, "thing types", "thingTypes" },
    { PROV_LIST_BILLING_GROUPS, "billing groups", "billingGroups" },
    { PROV_LIST_POLICIES, "policies", "policies" },
    { PROV_LIST_TEMPLATES, "templates", "provisioningTemplates" },
};

static const char *const changes[] = {
    [PROV_CHANGED_CERT] = "certificate",  [PROV_CHANGED_CA] = "CA",
    [PROV_CHANGED_THING] = "thing",       [PROV_CHANGED_GROUP] = "thing group",
    [PROV_CHANGED_POLICY] = "policy",     [PROV_CHANGED_TEMPLATE] = "template",
    [PROV_CHANGED_SETTINGS] = "settings",
};

struct status {
    struct ctl *ctl;
    struct prov_settings settings;
    uint64_t used, max;
    uint64_t counts[PROV_COUNT(kinds)];
    uint64_t by_status[PROV_CERT_STATUSES]; /* with --full */
    struct ctl_progress progress;
    enum prov_rc walk_rc;
    uint64_t change_seq; /* 0: none yet */
    struct prov_change_entry change;
    unsigned attempts; /* how many were looked at */
    struct {
        unsigned n;
        struct prov_attempt newest;
    } reasons[PROV_REASONS];
};

/* ---- gathering --------------------------------------------------------------------------------
 */

static bool count_cert(void *ctx, struct prov_span key)
{
    struct status *s = ctx;
    struct prov_cert cert;
    struct prov_id id = { { 0 } };

    memcpy(id.b, key.p, key.n < sizeof id.b ? key.n : sizeof id.b);
    s->walk_rc = prov_cert_get(&s->ctl->tx, &id, &cert);
    if (s->walk_rc == PROV_OK && cert.status < PROV_CERT_STATUSES)
        s->by_status[cert.status]++;
    atomic_fetch_add(&s->progress.done, 1);
    return s->walk_rc == PROV_OK;
}

static enum prov_rc walk_certs(struct status *s)
{
    const struct prov_span none = { NULL, 0 };
    enum prov_rc rc;

    ctl_progress_start(&s->progress, s->ctl, "counting certificates", s->counts[1], NULL, NULL);
    rc = prov_list(&s->ctl->tx, PROV_LIST_CERTS, none, none, count_cert, s);
    ctl_progress_stop(&s->progress);
    return rc != PROV_OK ? rc : s->walk_rc;
}

static void keep_change(void *ctx, const struct prov_change_entry *entry)
{
    struct status *s = ctx;

    s->change = *entry;
}

static enum prov_rc last_change(struct status *s)
{
    bool missed;
    enum prov_rc rc;

    rc = prov_feed_last(&s->ctl->tx, &s->change_seq);
    if (rc != PROV_OK || s->change_seq == 0)
        return rc;
    return prov_feed_read(&s->ctl->tx, s->change_seq - 1, &missed, keep_change, s);
}

static bool count_attempt(void *ctx, const struct prov_attempt *attempt)
{
    struct status *s = ctx;
    const size_t reason = attempt->reason < PROV_REASONS ? attempt->reason : PROV_REASON_NONE;

    if (s->reasons[reason].n++ == 0)
        s->reasons[reason].newest = *attempt;
    return ++s->attempts < RECENT;
}

static enum prov_rc gather(struct status *s)
{
    enum prov_rc rc;

    rc = prov_settings_get(&s->ctl->tx, &s->settings);
    if (rc == PROV_OK)
        rc = prov_store_usage(s->ctl->store, &s->used, &s->max);
    for (size_t i = 0; i < PROV_COUNT(kinds) && rc == PROV_OK; i++)
        rc = prov_list_count(&s->ctl->tx, kinds[i].kind, &s->counts[i]);
    if (rc == PROV_OK && ctl_has(&s->ctl->args, OPT_FULL))
        rc = walk_certs(s);
    if (rc == PROV_OK)
        rc = last_change(s);
    if (rc == PROV_OK)
        rc = prov_attempt_each(&s->ctl->tx, count_attempt, s);
    return rc;
}

/* ---- telling ----------------------------------------------------------------------------------
 */

/* Names as they are, ids as their first digits. */
static void put_key(struct prov_buf *out, const struct prov_change_entry *change)
{
    char hex[PROV_ID_HEX + 1];

    if ((change->kind == PROV_CHANGED_CERT || change->kind == PROV_CHANGED_CA) &&
        change->key.n == PROV_ID_LEN) {
        prov_hex(change->key.p, PROV_ID_LEN, hex);
        prov_buf_addf(out, "%.12s", hex);
    } else {
        ctl_put_text(out, change->key);
    }
}

static const char *change_name(enum prov_change kind)
{
    return (size_t)kind < PROV_COUNT(changes) && changes[kind] != NULL ? changes[kind] : "?";
}

static void say_change(struct status *s)
{
    struct prov_buf text;

    if (s->change.seq == 0)
        return;
    prov_buf_init(&text, 4096);
    prov_buf_addf(&text, "%s ", change_name(s->change.kind));
    put_key(&text, &s->change);
    prov_buf_add_str(&text, ", ");
    ctl_put_time(&text, s->change.at_ms);
    prov_buf_add_str(&text, " (");
    ctl_put_ago(&text, s->change.at_ms, s->ctl->tx.now_ms);
    prov_buf_add_str(&text, ")");
    ctl_field(s->ctl, "last change", prov_buf_span(&text));
    ctl_release(&s->ctl->out, &text);
}

static void say_store(struct status *s)
{
    struct prov_buf size;

    prov_buf_init(&size, 256);
    ctl_put_size(&size, s->used);
    prov_buf_add_str(&size, " of at most ");
    ctl_put_size(&size, s->max);
    ctl_field(s->ctl, "store", prov_span_str(s->ctl->db));
    ctl_field(s->ctl, "size", prov_buf_span(&size));
    ctl_field(s->ctl, "account id", prov_span_str(s->settings.account_id));
    ctl_field(s->ctl, "region", prov_span_str(s->settings.region));
    say_change(s);
    ctl_release(&s->ctl->out, &size);
}

static void say_counts(struct status *s)
{
    ctl_say(s->ctl, "\n");
    for (size_t i = 0; i < PROV_COUNT(kinds); i++) {
        ctl_fieldf(s->ctl, kinds[i].label, "%llu", (unsigned long long)s->counts[i]);
        for (int k = 0; kinds[i].kind == PROV_LIST_CERTS && k < PROV_CERT_STATUSES; k++) {
            if (s->by_status[k] != 0)
                ctl_fieldf(s->ctl, "", "%llu %s", (unsigned long long)s->by_status[k],
                           prov_cert_status_name((enum prov_cert_status)k));
        }
    }
}

static const struct ctl_column columns[] = {
    { "REASON", false, false }, { "TIMES", true, false },   { "LAST", false, false },
    { "OF", false, true },      { "ADDRESS", false, true },
};

/* By what the device called itself, as far as it got to say so. */
static struct prov_span who(const struct prov_attempt *attempt)
{
    return attempt->client_id.n != 0 ? attempt->client_id : attempt->common_name;
}

static void say_attempts(struct status *s)
{
    struct ctl_table table;

    if (s->attempts == 0) {
        ctl_say(s->ctl, "\nNo attempt is in the log.\n");
        return;
    }
    ctl_say(s->ctl, "\nThe last %u attempts by reason (`provctl explain OF` tells more):\n",
            s->attempts);
    ctl_table_start(&table, columns, PROV_COUNT(columns), &s->ctl->look, &s->ctl->out);
    for (int i = 0; i < PROV_REASONS; i++) {
        if (s->reasons[i].n == 0)
            continue;
        ctl_cell(&table, prov_span_str(prov_reason_info((enum prov_reason)i)->name));
        ctl_cellf(&table, "%u", s->reasons[i].n);
        ctl_cell_time(&table, s->reasons[i].newest.at_ms);
        ctl_cell(&table, who(&s->reasons[i].newest));
        ctl_cell(&table, s->reasons[i].newest.address);
    }
    ctl_table_flush(&table);
    ctl_table_release(&table);
}

static void put_change(struct status *s, struct prov_doc *d)
{
    struct prov_buf key;
    cJSON *change;

    if (s->change.seq == 0)
        return;
    change = prov_doc_object(d, d->root, "lastChange");
    prov_buf_init(&key, 4096);
    put_key(&key, &s->change);
    prov_doc_number(d, change, "sequence", (double)s->change.seq);
    prov_doc_text(d, change, "kind", prov_span_str(change_name(s->change.kind)));
    prov_doc_text_if(d, change, "key", prov_buf_span(&key));
    prov_doc_time(d, change, "timestamp", s->change.at_ms);
    ctl_release(&s->ctl->out, &key);
}

static void put_attempts(struct status *s, struct prov_doc *d)
{
    cJSON *array = prov_doc_array(d, d->root, "recentAttempts"), *item;

    for (int i = 0; i < PROV_REASONS; i++) {
        if (s->reasons[i].n == 0)
            continue;
        item = prov_doc_append(d, array, cJSON_CreateObject());
        prov_doc_text(d, item, "reason",
                      prov_span_str(prov_reason_info((enum prov_reason)i)->name));
        prov_doc_number(d, item, "count", s->reasons[i].n);
        prov_doc_time(d, item, "lastTimestamp", s->reasons[i].newest.at_ms);
        prov_doc_text_if(d, item, "lastClientId", s->reasons[i].newest.client_id);
        prov_doc_text_if(d, item, "lastSourceIp", s->reasons[i].newest.address);
    }
}

static enum prov_rc answer(struct status *s)
{
    struct prov_doc d = prov_doc_start(&s->ctl->tx);
    cJSON *object;

    prov_doc_text(&d, d.root, "dbPath", prov_span_str(s->ctl->db));
    prov_doc_number(&d, d.root, "usedBytes", (double)s->used);
    prov_doc_number(&d, d.root, "maxBytes", (double)s->max);
    prov_doc_text(&d, d.root, "accountId", prov_span_str(s->settings.account_id));
    prov_doc_text(&d, d.root, "region", prov_span_str(s->settings.region));
    object = prov_doc_object(&d, d.root, "counts");
    for (size_t i = 0; i < PROV_COUNT(kinds); i++)
        prov_doc_number(&d, object, kinds[i].key, (double)s->counts[i]);
    if (ctl_has(&s->ctl->args, OPT_FULL)) {
        object = prov_doc_object(&d, d.root, "certificatesByStatus");
        for (int k = 0; k < PROV_CERT_STATUSES; k++)
            prov_doc_number(&d, object, prov_cert_status_name((enum prov_cert_status)k),
                            (double)s->by_status[k]);
    }
    put_change(s, &d);
    put_attempts(s, &d);
    ctl_status_put_broker(s->ctl, &d);
    return ctl_answer_doc(s->ctl, &d);
}

static enum prov_rc status(struct ctl *ctl)
{
    struct status s = { .ctl = ctl };
    enum prov_rc rc;

    rc = gather(&s);
    if (rc != PROV_OK || ctl->json)
        return rc != PROV_OK ? rc : answer(&s);
    say_store(&s);
    say_counts(&s);
    say_attempts(&s);
    ctl_status_say_broker(ctl);
    return PROV_OK;
}

static const struct ctl_option options[] = {
    { OPT_FULL, NULL, "count certificates by status too; this reads all of them", NULL, false },
    { 0, NULL, NULL, NULL, false },
};

static const struct ctl_verb verbs[] = {
    { "", "", "Shows what is in the store, what devices tried lately, and what the broker counts.",
      "  provctl status\n"
      "  provctl status --full --json\n",
      CTL_READ, options, status },
};

const struct ctl_noun ctl_noun_status = {
    "status", "what is in the store, and who tried to get in", "", verbs, PROV_COUNT(verbs), false
};
