#include "cmd_status_metrics.h"
#include "core/doc.h"
#include "list.h"
#include "nouns.h"

/* ---- telling --------------------------------------------------------------------------------- */

static uint64_t count(const cJSON *from, const char *key)
{
    const double n = ctl_get_number(from, key);

    return n > 0 && n < 1e15 ? (uint64_t)n : 0;
}

static void say_change(struct ctl *ctl, const cJSON *change)
{
    const struct prov_span kind = ctl_get(change, "kind"), key = ctl_get(change, "key");
    const bool id = prov_span_eq_str(kind, "certificate") || prov_span_eq_str(kind, "CA");
    struct prov_buf text;

    if (change == NULL)
        return;
    prov_buf_init(&text, 4096);
    prov_buf_add(&text, kind);
    prov_buf_add_u8(&text, ' ');
    prov_buf_add(&text, id && key.n > 12 ? prov_span(key.p, 12) : key);
    prov_buf_add_str(&text, ", ");
    ctl_put_time(&text, ctl_get_time(change, "timestamp"));
    prov_buf_add_str(&text, " (");
    ctl_put_ago(&text, ctl_get_time(change, "timestamp"), ctl->tx.now_ms);
    prov_buf_add_str(&text, ")");
    ctl_field(ctl, "last change", prov_buf_span(&text));
    ctl_release(&ctl->out, &text);
}

static void say_store(struct ctl *ctl, const cJSON *data)
{
    struct prov_buf size;

    prov_buf_init(&size, 256);
    ctl_put_size(&size, count(data, "usedBytes"));
    prov_buf_add_str(&size, " of at most ");
    ctl_put_size(&size, count(data, "maxBytes"));
    ctl_field(ctl, ctl->url != NULL ? "broker" : "store",
              prov_span_str(ctl->url != NULL ? ctl->url : ctl->db));
    ctl_field(ctl, "size", prov_buf_span(&size));
    ctl_field(ctl, "account id", ctl_get(data, "accountId"));
    ctl_field(ctl, "region", ctl_get(data, "region"));
    say_change(ctl, ctl_get_object(data, "lastChange"));
    ctl_release(&ctl->out, &size);
}

static void say_by_status(struct ctl *ctl, const cJSON *by_status)
{
    const cJSON *status;

    cJSON_ArrayForEach(status, by_status)
    {
        const uint64_t n = count(by_status, status->string);

        if (n != 0)
            ctl_fieldf(ctl, "", "%llu %s", (unsigned long long)n, status->string);
    }
}

static void say_counts(struct ctl *ctl, const cJSON *data)
{
    static const struct {
        const char *label, *key;
    } kinds[] = {
        { "CAs", "caCertificates" },     { "certificates", "certificates" },
        { "things", "things" },          { "thing groups", "thingGroups" },
        { "thing types", "thingTypes" }, { "billing groups", "billingGroups" },
        { "policies", "policies" },      { "templates", "provisioningTemplates" },
    };
    const cJSON *counts = ctl_get_object(data, "counts");

    ctl_say(ctl, "\n");
    for (size_t i = 0; i < PROV_COUNT(kinds); i++) {
        ctl_fieldf(ctl, kinds[i].label, "%llu", (unsigned long long)count(counts, kinds[i].key));
        if (strcmp(kinds[i].key, "certificates") == 0)
            say_by_status(ctl, ctl_get_object(data, "certificatesByStatus"));
    }
}

static const struct ctl_column columns[] = {
    { "REASON", false, false }, { "TIMES", true, false },   { "LAST", false, false },
    { "OF", false, true },      { "ADDRESS", false, true },
};

/* By what the device called itself, as far as it got to say so. */
static struct prov_span who(const cJSON *reason)
{
    const struct prov_span client_id = ctl_get(reason, "lastClientId");

    return client_id.n != 0 ? client_id : ctl_get(reason, "lastCommonName");
}

static void say_attempts(struct ctl *ctl, const cJSON *reasons)
{
    unsigned long long n = 0;
    struct ctl_table table;
    const cJSON *reason;

    cJSON_ArrayForEach(reason, reasons)
    {
        n += count(reason, "count");
    }
    if (n == 0) {
        ctl_say(ctl, "\nNo attempt is in the log.\n");
        return;
    }
    ctl_say(ctl, "\nThe last %llu attempts by reason (`provctl explain OF` tells more):\n", n);
    ctl_table_start(&table, columns, PROV_COUNT(columns), &ctl->look, &ctl->out);
    cJSON_ArrayForEach(reason, reasons)
    {
        ctl_cell(&table, ctl_get(reason, "reason"));
        ctl_cellf(&table, "%llu", (unsigned long long)count(reason, "count"));
        ctl_cell_time(&table, ctl_get_time(reason, "lastTimestamp"));
        ctl_cell(&table, who(reason));
        ctl_cell(&table, ctl_get(reason, "lastSourceIp"));
    }
    ctl_table_flush(&table);
    ctl_table_release(&table);
}

/* The operation's answer, and what is known on the store's machine alone. */
static enum prov_rc answer(struct ctl *ctl, cJSON *data)
{
    struct prov_doc d = { .root = data, .rc = PROV_OK };

    if (ctl->url == NULL) {
        prov_doc_text(&d, d.root, "dbPath", prov_span_str(ctl->db));
        ctl_status_put_broker(ctl, &d);
    }
    return ctl_answer_doc(ctl, &d);
}

static enum prov_rc status(struct ctl *ctl)
{
    struct ctl_params params = ctl_params();
    cJSON *data;
    enum prov_rc rc;

    rc = ctl_call(ctl, "getRegistryStatus", &params, &data);
    if (rc != PROV_OK)
        return rc;
    if (ctl->json)
        return answer(ctl, data);
    say_store(ctl, data);
    say_counts(ctl, data);
    say_attempts(ctl, ctl_get_array(data, "recentAttempts"));
    if (ctl->url == NULL)
        ctl_status_say_broker(ctl);
    cJSON_Delete(data);
    return PROV_OK;
}

static const struct ctl_verb verbs[] = {
    { "", "", "Shows what is in the store, what devices tried lately, and what the broker counts.",
      "  provctl status\n"
      "  provctl status --json | jq .certificatesByStatus\n"
      "\n"
      "Through a broker, what it counts is left out: it is at $SYS/broker/provisioning/#.\n",
      CTL_READ, NULL, status },
};

const struct ctl_noun ctl_noun_status = {
    "status", "what is in the store, and who tried to get in", "", verbs, PROV_COUNT(verbs), false
};
