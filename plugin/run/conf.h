/*
 * conf.h - the plugin's options: one table of key, kind, range and default (design section 5).
 *
 * Thread: broker, at start. A prov_conf never changes afterwards.
 */
#ifndef PROV_CONF_H
#define PROV_CONF_H

#include "core/base.h"

enum prov_first_connect { PROV_FIRST_DROP, PROV_FIRST_ACCEPT };
enum prov_on_denied { PROV_DENIED_IGNORE, PROV_DENIED_DISCONNECT };
enum prov_other_clients { PROV_OTHERS_DEFER, PROV_OTHERS_ALLOW };
enum prov_session_resumption { PROV_RESUMPTION_OFF, PROV_RESUMPTION_ON };
enum prov_presence_events { PROV_PRESENCE_OFF, PROV_PRESENCE_ON };

struct prov_conf {
    char *db_path;               /* absolute */
    uint64_t db_max_mb;          /* 0: as struct prov_store_lmdb_opts has it */
    char *account_id;            /* 12 digits; NULL: not given, the store has it */
    char *region;                /* [a-z0-9-]{1,32}; NULL likewise */
    unsigned first_connect;      /* enum prov_first_connect; these are unsigned so that one kind of
                                    table row sets them */
    unsigned on_denied;          /* enum prov_on_denied */
    unsigned other_clients;      /* enum prov_other_clients */
    unsigned session_resumption; /* enum prov_session_resumption */
    unsigned presence_events;    /* enum prov_presence_events */
    uint64_t worker_threads;
    uint64_t queue_limit;
    uint64_t first_connect_wait_ms;      /* with accept on Mosquitto 2.0: the longest the broker may
                                            stand still */
    uint64_t first_connect_activation_s; /* with accept on 2.1: how long a CONNECT waits for its
                                            certificate's activation; 0: it does not */
    uint64_t hook_timeout_ms;
    uint64_t hook_limit;
    char *hook_dir;        /* absolute */
    char *hook_cafile;     /* absolute; NULL: the system's authorities */
    uint64_t sys_interval; /* seconds; 0: no metrics are published */
    /* throttle.h; tokens a second, 0: no limit, and tokens at most */
    uint64_t address_per_s, address_burst;
    uint64_t certificate_per_s, certificate_burst;
    uint64_t ca_per_s, ca_burst;
    uint64_t claim_per_s, claim_burst;
    uint64_t claim_suspend_after; /* refused requests within an hour; 0: never */
    /* issuing; both files, or neither: those in db_path (signer.h) */
    char *issuer_cert; /* absolute */
    char *issuer_key;  /* absolute, or a "pkcs11:" URI */
    uint64_t issuer_validity_days;
    char *certificate_provider; /* checked by prov_hook_spec_parse; NULL: the issuer signs */
    uint64_t token_ttl_s;
    unsigned key_type; /* enum prov_key_type */
    uint64_t key_pool;
    uint64_t rotation_overlap_s;
};

/* As the broker gives it: the key without "plugin_opt_"; NULL counts as empty. */
struct prov_option {
    const char *key, *value;
};

/*
 * Defaults, then what options says. An unknown key, a key given twice, a bad value: PROV_EINVAL,
 * and err->text names the key, what is wrong, the range, and the nearest known key where one is
 * close; it is one line of printable UTF-8 whatever the options hold. After an error out is zeroed.
 * Free with prov_conf_release.
 */
PROV_MUST_USE enum prov_rc prov_conf_load(const struct prov_option *options, size_t n,
                                          struct prov_conf *out, struct prov_err *err);
void prov_conf_release(struct prov_conf *conf);

/* Every option, for the documentation and `provctl options`: calls row once each, in order of the
 * table. The texts live during the call; fallback is in words, such as "the store's", where an
 * option that is not given stays NULL. */
void prov_conf_describe(void (*row)(void *ctx, const char *key, const char *fallback,
                                    const char *range, const char *meaning),
                        void *ctx);

#endif
