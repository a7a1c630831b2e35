#include "cmd_status_metrics.h"

#include <inttypes.h>

#include "run/metrics.h"

#define M(id) PROV_METRIC_##id
#define MAX_CELLS 5

/* The counts that are shown on one line, and how long things took: `total_us` of `timed` less
 * `untimed`. */
static const struct {
    const char *label;
    struct {
        enum prov_metric metric;
        const char *word; /* NULL: no more */
    } cells[MAX_CELLS + 1];
    bool has_times;
    enum prov_metric timed, untimed, total_us, max_us;
} groups[] = {
    { .label = "connections",
      .cells = { { M(CONNECTS_ACCEPTED), "accepted" },
                 { M(CONNECTS_REFUSED), "refused" },
                 { M(CONNECTS_THROTTLED), "of them throttled" } } },
    { .label = "sessions",
      .cells = { { M(SESSIONS), "now" }, { M(KICKED), "disconnected by us" } } },
    { .label = "registrations",
      .cells = { { M(REGISTRATIONS), "started" },
                 { M(PROVISIONED), "provisioned" },
                 { M(PENDING), "left pending" },
                 { M(REGISTRATIONS_FAILED), "failed" } } },
    { .label = "claims",
      .cells = { { M(ISSUED), "certificates issued" },
                 { M(REGISTERED), "registered" },
                 { M(ROTATED), "of them successors" },
                 { M(CLAIMS_REFUSED), "requests refused" },
                 { M(SWEPT), "certificates not used" } } },
    { .label = "",
      .cells = { { M(CLAIMS_SUSPENDED), "claims suspended" },
                 { M(KEYS_READY), "keys made ahead" },
                 { M(KEYS_WAITED), "requests that waited for one" } } },
    { .label = "hooks",
      .cells = { { M(HOOK_CALLS), "calls" },
                 { M(HOOK_FAILURES), "failed" },
                 { M(HOOK_TIMEOUTS), "of them too slow" },
                 { M(HOOKS_RUNNING), "running" } },
      .has_times = true,
      .timed = M(HOOK_CALLS),
      .untimed = M(HOOK_FAILURES),
      .total_us = M(HOOK_US_TOTAL),
      .max_us = M(HOOK_US_MAX) },
    { .label = "queue",
      .cells = { { M(QUEUED), "waiting" }, { M(QUEUE_REFUSED), "refused as it was full" } } },
    { .label = "commits",
      .cells = { { M(COMMITS), "done" }, { M(COMMIT_FAILURES), "failed" } },
      .has_times = true,
      .timed = M(COMMITS),
      .untimed = PROV_METRIC_COUNT,
      .total_us = M(COMMIT_US_TOTAL),
      .max_us = M(COMMIT_US_MAX) },
    { .label = "attempts", .cells = { { M(ATTEMPTS_DROPPED), "not recorded" } } },
    { .label = "control API",
      .cells = { { M(CONTROL_COMMANDS), "commands" }, { M(CONTROL_ERRORS), "of them failed" } } },
    { .label = "certificates",
      .cells = { { M(CERTS_ACTIVE), "ACTIVE" },
                 { M(CERTS_INACTIVE), "INACTIVE" },
                 { M(CERTS_REVOKED), "REVOKED" },
                 { M(CERTS_PENDING_TRANSFER), "PENDING_TRANSFER" },
                 { M(CERTS_PENDING_ACTIVATION), "PENDING_ACTIVATION" } } },
};

/* ---- for people ------------------------------------------------------------------------------ */

static void add_ms(struct prov_buf *out, uint64_t us, const char *word)
{
    prov_buf_addf(out, "%s%" PRIu64 ".%02" PRIu64 " ms %s", out->n != 0 ? ", " : "", us / 1000,
                  us % 1000 / 10, word);
}

static void add_times(struct prov_buf *out, size_t group, const uint64_t *values)
{
    const uint64_t total_us = values[groups[group].total_us], max_us = values[groups[group].max_us];
    uint64_t n = values[groups[group].timed], without = 0;

    if (groups[group].untimed != PROV_METRIC_COUNT)
        without = values[groups[group].untimed];
    n = n > without ? n - without : 0; /* they are not counted all at one moment */
    if (n != 0)
        add_ms(out, total_us / n, "on average");
    if (max_us != 0)
        add_ms(out, max_us, "at most");
}

static void say_group(struct ctl *ctl, size_t group, const uint64_t *values)
{
    struct prov_buf text;

    prov_buf_init(&text, 1024);
    for (size_t i = 0; groups[group].cells[i].word != NULL; i++) {
        const uint64_t value = values[groups[group].cells[i].metric];

        if (value != 0)
            prov_buf_addf(&text, "%s%" PRIu64 " %s", text.n != 0 ? ", " : "", value,
                          groups[group].cells[i].word);
    }
    if (text.n != 0 && groups[group].has_times)
        add_times(&text, group, values);
    ctl_field(ctl, groups[group].label, prov_buf_span(&text));
    ctl_release(&ctl->out, &text);
}

static void say_refused(struct ctl *ctl, const uint64_t *values)
{
    const char *label = "refused";

    for (int i = 0; i < PROV_REASONS; i++) {
        const uint64_t n = values[PROV_METRIC_REFUSED + i];

        if (n == 0)
            continue;
        ctl_fieldf(ctl, label, "%" PRIu64 " %s", n, prov_reason_info((enum prov_reason)i)->name);
        label = "";
    }
}

static void say_who(struct ctl *ctl, const struct prov_metrics_image *image)
{
    struct prov_buf text;

    prov_buf_init(&text, 256);
    if (image->live) {
        prov_buf_addf(&text, "running as process %" PRId32 " since ", image->pid);
        ctl_put_time(&text, image->started_ms);
    } else {
        prov_buf_add_str(&text, "not running; this is what the last one counted until ");
        ctl_put_time(&text, image->updated_ms);
    }
    prov_buf_add_str(&text, " (");
    ctl_put_ago(&text, image->live ? image->started_ms : image->updated_ms, ctl->tx.now_ms);
    prov_buf_add_str(&text, ")");
    ctl_field(ctl, "broker", prov_buf_span(&text));
    ctl_release(&ctl->out, &text);
}

void ctl_status_say_broker(struct ctl *ctl)
{
    struct prov_metrics_image image;
    struct prov_err err = { 0 };

    ctl_say(ctl, "\n");
    if (prov_metrics_read(ctl->db, &image, &err) != PROV_OK) {
        ctl_field(ctl, "broker", prov_span_str(err.text));
        return;
    }
    say_who(ctl, &image);
    for (size_t i = 0; i < PROV_COUNT(groups); i++)
        say_group(ctl, i, image.values);
    say_refused(ctl, image.values);
}

/* ---- for programs ---------------------------------------------------------------------------- */

void ctl_status_put_broker(struct ctl *ctl, struct prov_doc *d)
{
    cJSON *broker = prov_doc_object(d, d->root, "broker"), *metrics;
    struct prov_metrics_image image;
    struct prov_err err = { 0 };
    const enum prov_rc rc = prov_metrics_read(ctl->db, &image, &err);

    prov_doc_bool(d, broker, "running", image.live);
    if (rc != PROV_OK) {
        prov_doc_text(d, broker, "message", prov_span_str(err.text));
        return;
    }
    prov_doc_number(d, broker, "processId", image.pid);
    prov_doc_time(d, broker, "startTime", image.started_ms);
    prov_doc_time(d, broker, "updateTime", image.updated_ms);
    metrics = prov_doc_object(d, broker, "metrics");
    for (unsigned i = 0; i < PROV_METRIC_COUNT; i++)
        prov_doc_number(d, metrics, prov_metric_name((enum prov_metric)i), (double)image.values[i]);
}
