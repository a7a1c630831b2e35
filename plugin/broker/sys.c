#include "sys.h"

#include <inttypes.h>
#include <stdio.h>

#include "report.h"
#include "run/log.h"

#define SAMPLE_MS 1000
#define QUIET_MS 60000 /* between two lines about the file */

void prov_sys_refused(struct prov_plugin *pl, enum prov_reason reason, bool request)
{
    prov_metrics_add(pl->metrics, (enum prov_metric)(PROV_METRIC_REFUSED + (unsigned)reason), 1);
    if (request)
        return;
    if (prov_reason_info(reason)->step != PROV_STEP_POLICY || reason == PROV_REASON_CONNECT_DENIED)
        prov_metrics_add(pl->metrics, PROV_METRIC_CONNECTS_REFUSED, 1);
    if (reason == PROV_REASON_THROTTLED)
        prov_metrics_add(pl->metrics, PROV_METRIC_CONNECTS_THROTTLED, 1);
}

/* ---- what is counted elsewhere --------------------------------------------------------------- */

static void sample_pool(struct prov_plugin *pl)
{
    struct prov_pool_stats stats;

    prov_pool_stats(pl->pool, &stats);
    prov_metrics_set(pl->metrics, PROV_METRIC_QUEUED, stats.queued);
    prov_metrics_set(pl->metrics, PROV_METRIC_QUEUE_REFUSED, stats.refused);
    prov_metrics_set(pl->metrics, PROV_METRIC_COMMITS, stats.commits);
    prov_metrics_set(pl->metrics, PROV_METRIC_COMMIT_FAILURES, stats.commit_failures);
    prov_metrics_set(pl->metrics, PROV_METRIC_COMMIT_US_TOTAL, stats.commit_ns_total / 1000);
    prov_metrics_set(pl->metrics, PROV_METRIC_COMMIT_US_MAX, stats.commit_ns_max / 1000);
}

static void sample_hooks(struct prov_plugin *pl)
{
    struct prov_hooks_stats stats;
    uint64_t ended = 0;

    prov_hooks_stats(pl->hooks, &stats);
    for (unsigned i = 0; i < PROV_HOOK_ENDS; i++)
        ended += stats.ends[i];
    prov_metrics_set(pl->metrics, PROV_METRIC_HOOK_CALLS, ended);
    prov_metrics_set(pl->metrics, PROV_METRIC_HOOK_FAILURES,
                     ended - stats.ends[PROV_HOOK_ANSWERED]);
    prov_metrics_set(pl->metrics, PROV_METRIC_HOOK_TIMEOUTS, stats.ends[PROV_HOOK_TIMEOUT]);
    prov_metrics_set(pl->metrics, PROV_METRIC_HOOK_US_TOTAL, stats.took_us_total);
    prov_metrics_set(pl->metrics, PROV_METRIC_HOOK_US_MAX, stats.took_us_max);
    prov_metrics_set(pl->metrics, PROV_METRIC_HOOKS_RUNNING, stats.running);
}

static void sample_keys(struct prov_plugin *pl)
{
    struct prov_keypool_stats stats;

    prov_keypool_stats(pl->keys, &stats);
    prov_metrics_set(pl->metrics, PROV_METRIC_KEYS_READY, stats.ready);
    prov_metrics_set(pl->metrics, PROV_METRIC_KEYS_WAITED, stats.waited);
}

static void sample_certs(struct prov_plugin *pl)
{
    static const enum prov_metric by_status[] = {
        [PROV_CERT_INACTIVE] = PROV_METRIC_CERTS_INACTIVE,
        [PROV_CERT_ACTIVE] = PROV_METRIC_CERTS_ACTIVE,
        [PROV_CERT_REVOKED] = PROV_METRIC_CERTS_REVOKED,
        [PROV_CERT_PENDING_TRANSFER] = PROV_METRIC_CERTS_PENDING_TRANSFER,
        [PROV_CERT_PENDING_ACTIVATION] = PROV_METRIC_CERTS_PENDING_ACTIVATION,
    };
    uint64_t counts[PROV_CERT_STATUSES];
    struct prov_tx tx;
    enum prov_rc rc;

    _Static_assert(PROV_COUNT(by_status) == PROV_CERT_STATUSES, "a status without its metric");
    if (prov_read(pl, &tx, NULL) != PROV_OK)
        return;
    rc = prov_cert_counts(&tx, counts);
    prov_txn_abort(tx.txn);
    for (unsigned i = 0; rc == PROV_OK && i < PROV_CERT_STATUSES; i++)
        prov_metrics_set(pl->metrics, by_status[i], counts[i]);
}

static void write_file(struct prov_plugin *pl)
{
    const int64_t now_ms = prov_now_ms();

    if (prov_metrics_publish(pl->metrics, now_ms) == PROV_OK ||
        now_ms - pl->told_metrics_ms < QUIET_MS)
        return;
    pl->told_metrics_ms = now_ms;
    prov_log(PROV_LOG_WARNING, "metrics-not-written text=\"`provctl status` tells old counts: look "
                               "at the disk of db_path.\"");
}

static void sample(struct prov_plugin *pl)
{
    sample_pool(pl);
    sample_hooks(pl);
    sample_keys(pl);
    sample_certs(pl);
    prov_metrics_set(pl->metrics, PROV_METRIC_SESSIONS, prov_sessions_online(pl->sessions));
    prov_metrics_set(pl->metrics, PROV_METRIC_ATTEMPTS_DROPPED, prov_reports_dropped(pl->reports));
    write_file(pl);
}

/* ---- below $SYS ------------------------------------------------------------------------------ */

static void tell(struct prov_plugin *pl, enum prov_metric metric)
{
    const uint64_t value = prov_metrics_get(pl->metrics, metric);
    char topic[128], text[24];
    int n;

    if (pl->told_any_metric && value == pl->told_metrics[metric])
        return;
    if (metric >= PROV_METRIC_REFUSED && value == 0)
        return; /* reasons that did not happen */
    (void)snprintf(topic, sizeof topic, "$SYS/broker/provisioning/%s", prov_metric_name(metric));
    n = snprintf(text, sizeof text, "%" PRIu64, value);
    if (mosquitto_broker_publish_copy(NULL, topic, n, text, 0, true, NULL) == MOSQ_ERR_SUCCESS)
        pl->told_metrics[metric] = value;
}

static void publish(struct prov_plugin *pl)
{
    for (unsigned i = 0; i < PROV_METRIC_COUNT; i++)
        tell(pl, (enum prov_metric)i);
    pl->told_any_metric = true;
}

void prov_sys_tick(struct prov_plugin *pl)
{
    const int64_t now_ms = prov_steady_ms();

    if (now_ms - pl->sampled_ms < SAMPLE_MS)
        return;
    pl->sampled_ms = now_ms;
    sample(pl);
    if (pl->conf.sys_interval == 0 ||
        now_ms - pl->published_ms < (int64_t)pl->conf.sys_interval * 1000)
        return;
    pl->published_ms = now_ms;
    publish(pl);
}

void prov_sys_stop(struct prov_plugin *pl)
{
    if (pl->metrics != NULL)
        write_file(pl);
}
