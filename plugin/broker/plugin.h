/*
 * plugin.h - the plugin's one object, and what its files do for each other. Thread: broker, all of
 * it.
 */
#ifndef PROV_PLUGIN_H
#define PROV_PLUGIN_H

#include <time.h>

#include <openssl/types.h>

#include "compat.h"
#include "core/fleet.h"
#include "core/flow.h"
#include "core/rights.h"
#include "run/conf.h"
#include "run/hook.h"
#include "run/issuing.h"
#include "run/keypool.h"
#include "run/metrics.h"
#include "run/pool.h"
#include "run/throttle.h"
#include "run/wake.h"
#include "sessions.h"

struct prov_answers;
struct prov_claims;
struct prov_client_job;
struct prov_reports;
struct prov_contacts;
struct prov_trust;
struct prov_waiting;

struct prov_plugin {
    mosquitto_plugin_id_t *id;
    struct prov_compat compat;
    struct prov_conf conf;
    struct prov_store *store;
    struct prov_wake *wake; /* NULL: finished work waits for the next tick */
    struct prov_pool *pool;
    struct prov_hooks *hooks;
    struct prov_keypool *keys;
    struct prov_issuing *issuing;
    struct prov_csr_reader *csrs;
    struct prov_fleet_conf fleet_conf;
    struct prov_throttle *throttle;
    struct prov_metrics *metrics;
    struct prov_rights *rights;
    struct prov_issuers *issuers;
    struct prov_sessions *sessions;
    struct prov_reports *reports;
    struct prov_contacts *contacts;
    struct prov_client_job *emptied; /* by client id: queues dropped, which is not written yet */
    struct prov_answers *answers;
    struct prov_claims *claims;
    struct prov_waiting *waiting;
    struct prov_trust *trust;
    unsigned control_requests; /* under way */
    uint64_t last_presence;    /* the version number handed out last */
    uint64_t newest;           /* session let in since the last tick, the last of them; 0: none */
    char newest_client_id[PROV_MAX_CLIENT_ID + 1];
    const struct mosquitto *emptying; /* let in just now, its queue to be dropped; may be NULL */
    prov_attempt_id last_attempt;
    uint64_t store_version, feed_seq; /* up to where the change feed has been followed */
    int64_t started_ms;
    bool ticks;               /* the broker gives ticks: there was one */
    bool published;           /* something was, that the broker's next pass sends */
    struct timespec attended; /* by the coarse clock, at the last tick that did */
    int64_t reload_ms; /* when a reload began whose second look at all clients may go on; 0: none */
    /* what is said once, or not too often */
    int64_t told_changes_ms, told_event_ms, told_metrics_ms;
    int64_t sampled_ms, published_ms;         /* steady: metrics written, and told below $SYS */
    uint64_t told_metrics[PROV_METRIC_COUNT]; /* as they were told there */
    bool told_any_metric;
    bool told_others, told_no_ticks;
    bool sweeping;         /* what is due is being done */
    int64_t looked_due_ms; /* steady: when it was last looked for; 0: at once */
};

/* Milliseconds since 1970. */
int64_t prov_now_ms(void);

/* Milliseconds of a clock that does not go back. */
int64_t prov_steady_ms(void);

/* A reading transaction in *tx, with err for its errors; ended with prov_txn_abort(tx->txn). */
PROV_MUST_USE enum prov_rc prov_read(struct prov_plugin *pl, struct prov_tx *tx,
                                     struct prov_err *err);

/* Looks for finished jobs, lines to log and changes to follow. Cheap when there is nothing. */
void prov_attend(struct prov_plugin *pl);

#endif
