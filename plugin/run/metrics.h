/*
 * metrics.h - counters and gauges of a running broker. The plugin counts in its own memory and
 * writes all of it to a small file beside the store every second or so; `provctl status` reads that
 * from another process.
 *
 * The file is `metrics` in db_path. It belongs to one run of the broker: a start begins at zero. It
 * is no record: losing it loses counts.
 *
 * Written, not mapped: whoever truncates a mapped file ends the process that touches it (SIGBUS),
 * as does a disk that is full, and each first store after the kernel wrote the page back waits for
 * the file system just as a write does, but at any count instead of once a second.
 */
#ifndef PROV_METRICS_H
#define PROV_METRICS_H

#include "core/base.h"
#include "core/reason.h"
#include "core/registry.h"

/* name below $SYS/broker/provisioning/, and what it counts, for the documentation. */
#define PROV_METRICS(X)                                                                            \
    X(CONNECTS_ACCEPTED, "connects/accepted", COUNTER, "connections of devices let in")            \
    X(CONNECTS_REFUSED, "connects/refused", COUNTER, "connections refused, for any reason")        \
    X(CONNECTS_THROTTLED, "connects/throttled", COUNTER, "of those, because they came too often")  \
    X(SESSIONS, "sessions", GAUGE, "devices connected now")                                        \
    X(KICKED, "sessions/disconnected", COUNTER, "connections closed because rights ended")         \
    X(REGISTRATIONS, "registrations/started", COUNTER, "first contacts taken on")                  \
    X(PROVISIONED, "registrations/provisioned", COUNTER, "first contacts that ended ACTIVE")       \
    X(PENDING, "registrations/pending", COUNTER, "first contacts left PENDING_ACTIVATION")         \
    X(REGISTRATIONS_FAILED, "registrations/failed", COUNTER, "first contacts that were refused")   \
    X(ISSUED, "claims/issued", COUNTER, "certificates issued to claims")                           \
    X(REGISTERED, "claims/registered", COUNTER, "things registered with them")                     \
    X(CLAIMS_REFUSED, "claims/refused", COUNTER, "provisioning requests refused, for any reason")  \
    X(CLAIMS_SUSPENDED, "claims/suspended", COUNTER, "claims suspended because they misbehaved")   \
    X(ROTATED, "claims/rotated", COUNTER, "devices that obtained a successor of their own")        \
    X(SWEPT, "claims/swept", COUNTER, "issued certificates deleted because nobody used them")      \
    X(KEYS_READY, "keys/ready", GAUGE, "private keys made ahead")                                  \
    X(KEYS_WAITED, "keys/waited", COUNTER, "requests that found none made ahead")                  \
    X(HOOK_CALLS, "hooks/calls", COUNTER, "hook calls that ended")                                 \
    X(HOOK_FAILURES, "hooks/failures", COUNTER, "of those, without an answer that counts")         \
    X(HOOK_TIMEOUTS, "hooks/timeouts", COUNTER, "of those, for they took too long")                \
    X(HOOK_US_TOTAL, "hooks/microseconds", COUNTER, "time that answered hook calls took")          \
    X(HOOK_US_MAX, "hooks/microseconds/max", GAUGE, "the longest of them")                         \
    X(HOOKS_RUNNING, "hooks/running", GAUGE, "hook calls under way")                               \
    X(QUEUED, "queue/depth", GAUGE, "requests under way")                                          \
    X(QUEUE_REFUSED, "queue/refused", COUNTER, "requests refused because the queue was full")      \
    X(COMMITS, "commits", COUNTER, "durable commits of the broker's own")                          \
    X(COMMIT_FAILURES, "commits/failed", COUNTER, "commits that failed")                           \
    X(COMMIT_US_TOTAL, "commits/microseconds", COUNTER, "time that commits took")                  \
    X(COMMIT_US_MAX, "commits/microseconds/max", GAUGE, "the longest of them")                     \
    X(ATTEMPTS_DROPPED, "attempts/dropped", COUNTER,                                               \
      "refusals not recorded, for they came too fast")                                             \
    X(CONTROL_COMMANDS, "control/commands", COUNTER, "control API commands answered")              \
    X(CONTROL_ERRORS, "control/errors", COUNTER, "of those, with an error")                        \
    X(CERTS_ACTIVE, "certificates/active", GAUGE, "certificates of that status")                   \
    X(CERTS_INACTIVE, "certificates/inactive", GAUGE, "likewise")                                  \
    X(CERTS_REVOKED, "certificates/revoked", GAUGE, "likewise")                                    \
    X(CERTS_PENDING_TRANSFER, "certificates/pending-transfer", GAUGE, "likewise")                  \
    X(CERTS_PENDING_ACTIVATION, "certificates/pending-activation", GAUGE, "likewise")

enum prov_metric {
#define X(id, name, kind, help) PROV_METRIC_##id,
    PROV_METRICS(X)
#undef X
    /* then refusals by reason: PROV_METRIC_REFUSED + enum prov_reason, "refused/<reason>" */
    PROV_METRIC_REFUSED,
    PROV_METRIC_COUNT = PROV_METRIC_REFUSED + PROV_REASONS
};

enum prov_metric_kind { PROV_METRIC_COUNTER, PROV_METRIC_GAUGE };

struct prov_metrics;

/*
 * The plugin's side: makes the file anew, mode 0640, in dir, which this process has claimed
 * (store_lmdb.h). Whatever had its name is replaced, and no link is followed. PROV_ESTORE with the
 * reason in err and nothing made: dir NULL, with which only PROV_ENOMEM can fail, then counts in
 * memory alone. Thread: broker.
 */
PROV_MUST_USE enum prov_rc prov_metrics_new(const char *dir, int64_t started_ms,
                                            struct prov_metrics **out, struct prov_err *err);
void prov_metrics_free(struct prov_metrics *metrics); /* NULL is accepted; the file stays */

/* Thread: any. */
void prov_metrics_add(struct prov_metrics *metrics, enum prov_metric metric, uint64_t n);
void prov_metrics_set(struct prov_metrics *metrics, enum prov_metric metric, uint64_t value);
/* Sets it if that makes it larger. */
void prov_metrics_raise(struct prov_metrics *metrics, enum prov_metric metric, uint64_t value);
uint64_t prov_metrics_get(const struct prov_metrics *metrics, enum prov_metric metric);

/*
 * Lets readers see what was counted until now: one write of less than 1 kB to the page cache, never
 * synced. PROV_ESTORE when that cannot be; the next one tries again. Nothing in memory alone.
 * Thread: any, one at a time; last before free, for the final counts.
 */
PROV_MUST_USE enum prov_rc prov_metrics_publish(struct prov_metrics *metrics, int64_t now_ms);

/* "connects/accepted", "refused/certificate-revoked"; never NULL, also beyond the enum. */
const char *prov_metric_name(enum prov_metric metric);
enum prov_metric_kind prov_metric_kind(enum prov_metric metric);
const char *prov_metric_help(enum prov_metric metric);

/*
 * What another process reads: PROV_ENOTFOUND when no broker has run there; PROV_ESTORE when the
 * file cannot be read, is no file of ours, damaged, or another version's. Never waits. Thread: any.
 */
struct prov_metrics_image {
    int64_t started_ms, updated_ms;
    int32_t pid;
    bool live; /* that broker is still running: it holds a lock on the file, which ends with it */
    uint64_t values[PROV_METRIC_COUNT];
};
PROV_MUST_USE enum prov_rc prov_metrics_read(const char *dir, struct prov_metrics_image *out,
                                             struct prov_err *err);

#endif
