/* plugin.c - Mosquitto's entry points: start, stop, and what is looked after in between. */
#include "plugin.h"

#include <limits.h>
#include <stdlib.h>
#include <time.h>

#include "acl.h"
#include "adapter.h"
#include "answers.h"
#include "changes.h"
#include "claims.h"
#include "contact.h"
#include "control.h"
#include "core/feed.h"
#include "due.h"
#include "fleet.h"
#include "leaving.h"
#include "report.h"
#include "run/cbor_late.h"
#include "run/log.h"
#include "store/store_lmdb.h"
#include "sys.h"
#include "trust.h"
#include "waiting.h"

#define EXPORT __attribute__((visibility("default")))

/* Finished jobs that are dealt with before other clients have their turn. A commit finishes
 * hundreds, and each is an answer to write. */
#define AT_ONCE 16

/* Requests that wait for a key, of which RSA's come some eight a second: a claim that asks for more
 * is told so at once, and does not fill the queue for everybody. */
#define MAX_KEY_WAITS 256

/* Lines from other threads that wait for the broker's. */
#define LOG_RING_LINES 1024

int64_t prov_now_ms(void)
{
    struct timespec now = { 0 };

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t prov_steady_ms(void)
{
    struct timespec now = { 0 };

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

enum prov_rc prov_read(struct prov_plugin *pl, struct prov_tx *tx, struct prov_err *err)
{
    enum prov_rc rc;

    *tx = (struct prov_tx){ NULL, prov_now_ms(), err };
    rc = prov_txn_begin(pl->store, PROV_TXN_READ, NULL, &tx->txn);
    if (rc != PROV_OK)
        (void)prov_fail(err, rc, "InternalFailureException", "%s", prov_store_why(pl->store));
    return rc;
}

void prov_attend(struct prov_plugin *pl)
{
    /* where nothing brings the next look soon, all of them */
    const bool soon = pl->wake != NULL && pl->ticks;

    prov_wake_heard(pl->wake);
    if (prov_pool_ready(pl->pool))
        (void)prov_pool_drain_some(pl->pool, soon ? AT_ONCE : UINT_MAX);
    if (soon && prov_pool_ready(pl->pool))
        prov_wake_send(pl->wake);
    prov_log_drain();
    prov_changes_follow(pl);
}

/* ---- in between ------------------------------------------------------------------------------ */

/* Under load there are hundreds of thousands of ticks a second. The coarse clock moves some hundred
 * times. */
static bool time_passed(struct prov_plugin *pl)
{
    struct timespec now = { 0 };

    (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    if (now.tv_nsec == pl->attended.tv_nsec && now.tv_sec == pl->attended.tv_sec)
        return false;
    pl->attended = now;
    return true;
}

/* 2.1 ticks before it sleeps, and publishes when it has slept; 2.0 the other way round. */
static void hurry(struct prov_plugin *pl)
{
    if (pl->published && pl->wake != NULL && pl->compat.complete_basic_auth != NULL)
        prov_wake_send(pl->wake);
    pl->published = false;
}

static int on_tick(int event, void *data, void *userdata)
{
    struct prov_plugin *pl = userdata;

    (void)event;
    (void)data;
    pl->ticks = true;
    pl->reload_ms = 0;
    if (time_passed(pl)) {
        prov_attend(pl);
        prov_sys_tick(pl);
        prov_due_tick(pl);
        prov_leaving_expire(pl);
        prov_waiting_expire(pl);
    } else if (prov_pool_ready(pl->pool)) {
        prov_attend(pl);
    }
    prov_waiting_tick(pl);
    prov_answers_send(pl);
    hurry(pl);
    prov_leaving_tick(pl);
    pl->newest = 0;
    pl->emptying = NULL;
    prov_sessions_reap(pl->sessions);
    return MOSQ_ERR_SUCCESS;
}

static int on_reload(int event, void *data, void *userdata)
{
    struct prov_plugin *pl = userdata;

    (void)event;
    (void)data;
    pl->reload_ms = prov_now_ms();
    (void)prov_rights_forget(pl->rights, prov_span(NULL, 0));
    prov_sessions_new_epoch(pl->sessions);
    prov_log(PROV_LOG_INFO,
             "reload text=\"Policies are read again; options are read at start only, "
             "and registry changes need no reload.\"");
    return MOSQ_ERR_SUCCESS;
}

static const struct {
    int event;
    int (*call)(int event, void *data, void *userdata);
    const char *topic;
    bool since_2_1;
} callbacks[] = {
    { MOSQ_EVT_BASIC_AUTH, prov_on_basic_auth, NULL, false },
    { MOSQ_EVT_ACL_CHECK, prov_on_acl_check, NULL, false },
    { MOSQ_EVT_MESSAGE, prov_on_message, NULL, false },
    { MOSQ_EVT_DISCONNECT, prov_on_disconnect, NULL, false },
    { MOSQ_EVT_TICK, on_tick, NULL, false },
    { MOSQ_EVT_RELOAD, on_reload, NULL, false },
    { MOSQ_EVT_CONTROL, prov_on_control, PROV_CONTROL_TOPIC, false },
    { PROV_EVT_CLIENT_OFFLINE, prov_on_client_offline, NULL, true },
};

/* ---- start ----------------------------------------------------------------------------------- */

static void to_broker_log(void *ctx, enum prov_level level, const char *text)
{
    static const int levels[] = {
        [PROV_LOG_DEBUG] = MOSQ_LOG_DEBUG,   [PROV_LOG_INFO] = MOSQ_LOG_INFO,
        [PROV_LOG_NOTICE] = MOSQ_LOG_NOTICE, [PROV_LOG_WARNING] = MOSQ_LOG_WARNING,
        [PROV_LOG_ERROR] = MOSQ_LOG_ERR,     [PROV_LOG_AUDIT] = MOSQ_LOG_NOTICE,
    };

    (void)ctx;
    mosquitto_log_printf(levels[level], "provisioning: %s", text);
}

static enum prov_rc load_conf(struct prov_plugin *pl, const struct mosquitto_opt *options,
                              int count, struct prov_err *err)
{
    const size_t n = count > 0 ? (size_t)count : 0;
    struct prov_option *copies = calloc(n + 1, sizeof *copies);
    enum prov_rc rc;

    if (copies == NULL)
        return prov_nomem(err);
    for (size_t i = 0; i < n; i++)
        copies[i] = (struct prov_option){ options[i].key, options[i].value };
    rc = prov_conf_load(copies, n, &pl->conf, err);
    free(copies);
    return rc;
}

static enum prov_rc open_store(struct prov_plugin *pl, struct prov_err *err)
{
    const struct prov_store_lmdb_opts opts = {
        .dir = pl->conf.db_path,
        .max_bytes = pl->conf.db_max_mb * 1024 * 1024,
        .create = true,
    };
    enum prov_rc rc;

    rc = prov_store_lmdb_open(&opts, &prov_registry_schema, &pl->store, err);
    return rc != PROV_OK ? rc : prov_store_lmdb_claim(pl->store, err);
}

/* account_id and region live in the store, where provctl needs them too; an option that says
 * otherwise is a mistake. */
static enum prov_rc check_settings(struct prov_plugin *pl, struct prov_tx *tx)
{
    struct prov_settings settings;
    const enum prov_rc rc = prov_settings_get(tx, &settings);

    if (rc != PROV_OK)
        return rc;
    if (pl->conf.account_id != NULL && strcmp(pl->conf.account_id, settings.account_id) != 0)
        return prov_fail(tx->err, PROV_EINVAL, "InvalidRequestException",
                         "account_id %s is not the store's, which is %s: remove the option, or run "
                         "`provctl --db %s init --account-id %s`",
                         pl->conf.account_id, settings.account_id, pl->conf.db_path,
                         pl->conf.account_id);
    if (pl->conf.region != NULL && strcmp(pl->conf.region, settings.region) != 0)
        return prov_fail(tx->err, PROV_EINVAL, "InvalidRequestException",
                         "region %s is not the store's, which is %s: remove the option, or run "
                         "`provctl --db %s init --region %s`",
                         pl->conf.region, settings.region, pl->conf.db_path, pl->conf.region);
    return PROV_OK;
}

static bool newest_attempt(void *ctx, const struct prov_attempt *attempt)
{
    prov_attempt_id *last = ctx;

    *last = attempt->id;
    return false;
}

/* Where to go on: the feed is followed from here, and attempts sort behind those there are,
 * whatever the clock says. */
static enum prov_rc look_at_store(struct prov_plugin *pl, struct prov_err *err)
{
    struct prov_tx tx;
    enum prov_rc rc;

    rc = prov_read(pl, &tx, err);
    if (rc != PROV_OK)
        return rc;
    rc = check_settings(pl, &tx);
    if (rc == PROV_OK)
        rc = prov_feed_last(&tx, &pl->feed_seq);
    if (rc == PROV_OK)
        rc = prov_attempt_each(&tx, newest_attempt, &pl->last_attempt);
    prov_txn_abort(tx.txn);
    return rc;
}

static enum prov_rc start_threads(struct prov_plugin *pl)
{
    struct prov_pool_conf conf = {
        .store = pl->store,
        .workers = (unsigned)pl->conf.worker_threads,
        .queue_limit = (unsigned)pl->conf.queue_limit,
    };

    if (prov_wake_new(&pl->wake) == PROV_OK) {
        conf.wake = prov_wake_send;
        conf.wake_ctx = pl->wake;
    } else {
        prov_log(PROV_LOG_WARNING, "no-wake text=\"No real-time signal is free to wake the broker "
                                   "with: finished work waits up to 100 ms.\"");
    }
    return prov_pool_new(&conf, &pl->pool);
}

static enum prov_rc start_hooks(struct prov_plugin *pl)
{
    const struct prov_hooks_conf conf = {
        .dir = pl->conf.hook_dir,
        .cafile = pl->conf.hook_cafile,
        .timeout_ms = (unsigned)pl->conf.hook_timeout_ms,
        .limit = (unsigned)pl->conf.hook_limit,
    };

    return prov_hooks_new(&conf, &pl->hooks);
}

/* What the configuration names must be there and fit; what it does not name may come later. */
static enum prov_rc check_issuer(struct prov_plugin *pl, struct prov_err *err)
{
    const struct prov_issuer *issuer;
    struct prov_err why = { 0 };
    enum prov_rc rc;

    if (pl->conf.issuer_cert == NULL && pl->conf.issuer_key == NULL)
        return PROV_OK;
    rc = pl->issuing->issuer(pl->issuing, &issuer, &why);
    return rc == PROV_OK ? rc
                         : prov_fail(err, rc, why.code, "issuer_cert and issuer_key: %s", why.text);
}

static enum prov_rc start_issuing(struct prov_plugin *pl, struct prov_err *err)
{
    const struct prov_issuing_conf issuing = {
        .dir = pl->conf.db_path,
        .cert = pl->conf.issuer_cert,
        .key = pl->conf.issuer_key,
        .validity_days = (int64_t)pl->conf.issuer_validity_days,
        .key_type = (enum prov_key_type)pl->conf.key_type,
    };
    const struct prov_keypool_conf keys = {
        .type = (enum prov_key_type)pl->conf.key_type,
        .ready = (unsigned)pl->conf.key_pool,
        .limit = MAX_KEY_WAITS,
    };
    enum prov_rc rc;

    rc = prov_keypool_new(&keys, &pl->keys);
    if (rc == PROV_OK)
        rc = prov_issuing_new(&issuing, &pl->issuing);
    if (rc == PROV_OK)
        rc = prov_csr_reader_new(&pl->csrs);
    pl->fleet_conf = (struct prov_fleet_conf){
        .issuing = pl->issuing,
        .provider = pl->conf.certificate_provider,
        .reader = pl->csrs,
        .token_ttl_ms = (int64_t)pl->conf.token_ttl_s * 1000,
    };
    return rc == PROV_OK ? check_issuer(pl, err) : rc;
}

/* Without the file they are counted all the same, for $SYS. */
static enum prov_rc start_metrics(struct prov_plugin *pl)
{
    struct prov_err err = { 0 };
    enum prov_rc rc;

    rc = prov_metrics_new(pl->conf.db_path, pl->started_ms, &pl->metrics, &err);
    if (rc == PROV_OK || rc == PROV_ENOMEM)
        return rc;
    prov_log(PROV_LOG_WARNING,
             "no-metrics-file text=\"%s: `provctl status` cannot tell of this "
             "broker\"",
             err.text);
    return prov_metrics_new(NULL, pl->started_ms, &pl->metrics, &err);
}

static enum prov_rc make_parts(struct prov_plugin *pl, struct prov_err *err)
{
    enum prov_rc rc;

    rc = prov_rights_new(&pl->rights);
    if (rc == PROV_OK)
        rc = prov_issuers_new(&pl->issuers);
    if (rc == PROV_OK)
        rc = prov_sessions_new(&pl->sessions);
    if (rc == PROV_OK)
        rc = prov_reports_new(&pl->reports);
    if (rc == PROV_OK)
        rc = prov_contacts_new(&pl->contacts);
    if (rc == PROV_OK)
        rc = prov_answers_new(&pl->answers);
    if (rc == PROV_OK)
        rc = prov_claims_new(&pl->claims);
    if (rc == PROV_OK)
        rc = prov_waiting_new(&pl->waiting);
    if (rc == PROV_OK)
        rc = prov_throttle_new(&pl->conf, &pl->throttle);
    if (rc == PROV_OK)
        rc = start_metrics(pl);
    if (rc == PROV_OK)
        rc = start_hooks(pl);
    if (rc == PROV_OK)
        rc = start_issuing(pl, err);
    if (rc == PROV_OK)
        rc = start_threads(pl);
    if (rc == PROV_ENOMEM)
        return prov_nomem(err);
    return rc != PROV_OK ? rc : prov_trust_start(pl, &pl->trust, err);
}

static enum prov_rc register_callbacks(struct prov_plugin *pl, struct prov_err *err)
{
    int code;

    for (size_t i = 0; i < PROV_COUNT(callbacks); i++) {
        if (callbacks[i].since_2_1 && pl->compat.complete_basic_auth == NULL)
            continue;
        code = mosquitto_callback_register(pl->id, callbacks[i].event, callbacks[i].call,
                                           callbacks[i].topic, pl);
        if (code != MOSQ_ERR_SUCCESS)
            return prov_fail(err, PROV_EBUG, "InternalFailureException",
                             "the broker does not take the callback for event %d (%d)",
                             callbacks[i].event, code);
    }
    return PROV_OK;
}

static enum prov_rc start(struct prov_plugin *pl, const struct mosquitto_opt *options, int count,
                          struct prov_err *err)
{
    const char *why;
    enum prov_rc rc;

    prov_compat_load(&pl->compat);
    if (!prov_cbor_load(&why))
        return prov_fail(err, PROV_ENOTFOUND, "InternalFailureException", "%s", why);
    rc = load_conf(pl, options, count, err);
    if (rc == PROV_OK)
        rc = open_store(pl, err);
    if (rc == PROV_OK)
        rc = look_at_store(pl, err);
    if (rc == PROV_OK)
        rc = make_parts(pl, err);
    return rc != PROV_OK ? rc : register_callbacks(pl, err);
}

/* ---- stop ------------------------------------------------------------------------------------ */

/* Also of what was started only in part. The pool first: its jobs use all the rest. */
static void stop(struct prov_plugin *pl)
{
    for (size_t i = 0; i < PROV_COUNT(callbacks); i++)
        (void)mosquitto_callback_unregister(pl->id, callbacks[i].event, callbacks[i].call,
                                            callbacks[i].topic);
    prov_hooks_stop(pl->hooks); /* what is parked comes back to the pool */
    prov_keypool_stop(pl->keys);
    prov_pool_free(pl->pool);
    prov_trust_stop(pl->trust); /* first contacts held certificates with its notes on them */
    prov_hooks_free(pl->hooks);
    prov_keypool_free(pl->keys);
    prov_issuing_free(pl->issuing);
    prov_csr_reader_free(pl->csrs);
    prov_wake_free(pl->wake);
    prov_sys_stop(pl);
    prov_metrics_free(pl->metrics);
    prov_throttle_free(pl->throttle);
    prov_answers_free(pl->answers);
    prov_claims_free(pl->claims);
    prov_waiting_free(pl->waiting);
    prov_contacts_free(pl->contacts);
    prov_reports_free(pl->reports);
    prov_sessions_free(pl->sessions);
    prov_issuers_free(pl->issuers);
    prov_rights_free(pl->rights);
    prov_store_free(pl->store);
    prov_conf_release(&pl->conf);
    prov_log_stop();
    free(pl);
}

/* ---- entry points ---------------------------------------------------------------------------- */

EXPORT int mosquitto_plugin_version(int count, const int *versions);
EXPORT int mosquitto_plugin_init(mosquitto_plugin_id_t *id, void **userdata,
                                 struct mosquitto_opt *options, int count);
EXPORT int mosquitto_plugin_cleanup(void *userdata, struct mosquitto_opt *options, int count);

int mosquitto_plugin_version(int count, const int *versions)
{
    for (int i = 0; i < count; i++) {
        if (versions[i] == 5)
            return 5;
    }
    return -1;
}

int mosquitto_plugin_init(mosquitto_plugin_id_t *id, void **userdata, struct mosquitto_opt *options,
                          int count)
{
    struct prov_plugin *pl = calloc(1, sizeof *pl);
    struct prov_err err = { 0 };
    enum prov_rc rc;

    if (pl == NULL || prov_log_start(to_broker_log, NULL, LOG_RING_LINES) != PROV_OK) {
        free(pl);
        return MOSQ_ERR_NOMEM;
    }
    pl->id = id;
    pl->started_ms = prov_now_ms();
    rc = start(pl, options, count, &err);
    if (rc != PROV_OK) {
        prov_log(PROV_LOG_ERROR, "not-started reason=%s text=\"%s\"", prov_rc_name(rc), err.text);
        stop(pl);
        return rc == PROV_ENOMEM ? MOSQ_ERR_NOMEM : MOSQ_ERR_INVAL;
    }
    prov_log(PROV_LOG_NOTICE, "started version=%s db=%s first_connect=%s", PROV_VERSION,
             pl->conf.db_path, pl->conf.first_connect == PROV_FIRST_ACCEPT ? "accept" : "drop");
    *userdata = pl;
    return MOSQ_ERR_SUCCESS;
}

int mosquitto_plugin_cleanup(void *userdata, struct mosquitto_opt *options, int count)
{
    (void)options;
    (void)count;
    if (userdata != NULL)
        stop(userdata);
    return MOSQ_ERR_SUCCESS;
}
