#include "conf.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/hook.h"
#include "core/near.h"
#include "core/registry.h"
#include "keypool.h"
#include "log.h"

enum opt_kind {
    OPT_UINT,   /* uint64_t, lo to hi */
    OPT_CHOICE, /* unsigned: the position of the word in `words` */
    OPT_TEXT,   /* char *, checked by `legal` */
};

struct row {
    const char *key;
    enum opt_kind kind;
    size_t at;
    uint64_t lo, hi;
    const char *words[3];
    bool (*legal)(const char *value);
    const char *range;    /* of OPT_TEXT, in words */
    const char *fallback; /* as the operator would write it, and read by the same code; NULL: the
                             field stays NULL, and what `without` names holds */
    const char *without;
    const char *meaning;
};

/* "/broker.lock" and the like must still fit behind it. */
#define DB_PATH_MAX (PATH_MAX - 64)

static bool is_absolute_path(const char *value)
{
    if (value[0] != '/' || strlen(value) > DB_PATH_MAX)
        return false;
    for (const char *c = value; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return false;
    }
    return true;
}

static bool is_account_id(const char *value)
{
    return strlen(value) == 12 && strspn(value, "0123456789") == 12;
}

static bool is_region(const char *value)
{
    const size_t n = strlen(value);

    return n >= 1 && n <= 32 && strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

static bool is_key_place(const char *value)
{
    const size_t n = strlen(value);

    if (strncmp(value, "pkcs11:", 7) != 0)
        return is_absolute_path(value);
    for (size_t i = 0; i < n; i++) {
        if (value[i] <= ' ' || value[i] >= 0x7f)
            return false;
    }
    return n <= PROV_MAX_HOOK;
}

static bool is_hook(const char *value)
{
    struct prov_hook_spec spec;

    return prov_hook_spec_parse(prov_span_str(value), &spec, NULL) == PROV_OK;
}

#define AT(field) offsetof(struct prov_conf, field)

static const struct row rows[] = {
    { "db_path", OPT_TEXT, AT(db_path), .legal = is_absolute_path, .range = "an absolute path",
      .fallback = "/var/lib/mosquitto/provisioning",
      .meaning = "Directory of the registry. The broker's user must be able to write it; provctl "
                 "--db names the same one." },
    { "db_max_mb", OPT_UINT, AT(db_max_mb), .lo = 0, .hi = 16777216, .fallback = "0",
      .meaning = "Most that the registry may grow to, in MiB. 0: large enough for ten million "
                 "devices, or 1024 on a machine of 32 bits. The file grows only with what is in "
                 "it." },
    { "account_id", OPT_TEXT, AT(account_id), .legal = is_account_id, .range = "12 digits",
      .without = "the store's",
      .meaning = "The account in every ARN. It is kept in the store, for provctl needs it too "
                 "(provctl init): given here, it must be the same." },
    { "region", OPT_TEXT, AT(region), .legal = is_region, .range = "1 to 32 of a-z, 0-9 and -",
      .without = "the store's",
      .meaning = "The region in every ARN. Kept in the store like account_id." },
    { "first_connect", OPT_CHOICE, AT(first_connect), .words = { "drop", "accept" },
      .fallback = "drop",
      .meaning = "A device that is registered by connecting: drop its first connection, as AWS IoT "
                 "does, and let it in when it comes again; or accept it at once." },
    { "first_connect_wait_ms", OPT_UINT, AT(first_connect_wait_ms), .lo = 10, .hi = 10000,
      .fallback = "1000",
      .meaning = "With first_connect accept on Mosquitto 2.0, and for MQTT 5: the longest that the "
                 "broker waits for one registration, in milliseconds. Every client waits with "
                 "it." },
    { "first_connect_activation_s", OPT_UINT, AT(first_connect_activation_s), .lo = 0, .hi = 300,
      .fallback = "20",
      .meaning = "With first_connect accept on Mosquitto 2.1: the longest that a new device's "
                 "CONNECT waits for somebody to activate its certificate (JITR), in seconds; 0: "
                 "it does not wait." },
    { "on_denied", OPT_CHOICE, AT(on_denied), .words = { "ignore", "disconnect" },
      .fallback = "ignore",
      .meaning = "A publish or subscription that the policy denies: ignore it, or disconnect the "
                 "client, as AWS IoT does." },
    { "other_clients", OPT_CHOICE, AT(other_clients), .words = { "defer", "allow" },
      .fallback = "defer",
      .meaning = "Clients that the registry does not know: defer to other plugins, password and "
                 "ACL files; or allow them all topics, which a broker without acl_file did before "
                 "this plugin was loaded." },
    { "session_resumption", OPT_CHOICE, AT(session_resumption), .words = { "off", "on" },
      .fallback = "off",
      .meaning = "TLS session tickets for registered devices, which spare them and the broker most "
                 "of a handshake. Off as on AWS IoT; status and rights are checked either way." },
    { "worker_threads", OPT_UINT, AT(worker_threads), .lo = 1, .hi = 64, .fallback = "2",
      .meaning = "Threads that prepare registrations." },
    { "queue_limit", OPT_UINT, AT(queue_limit), .lo = 16, .hi = 1000000, .fallback = "10000",
      .meaning = "Requests under way at once. Those beyond it are refused as busy." },
    { "hook_timeout_ms", OPT_UINT, AT(hook_timeout_ms), .lo = 100, .hi = 60000, .fallback = "5000",
      .meaning = "The longest that a call of a hook may take, its wait for its turn included, in "
                 "milliseconds. Then it is killed, and its device refused." },
    { "hook_limit", OPT_UINT, AT(hook_limit), .lo = 1, .hi = 1000, .fallback = "16",
      .meaning = "Calls of one hook at once. As many again may wait; those beyond are refused." },
    { "hook_dir", OPT_TEXT, AT(hook_dir), .legal = is_absolute_path, .range = "an absolute path",
      .fallback = "/etc/mosquitto/provisioning/hooks",
      .meaning = "Directory that the programs of exec hooks must lie in, so that who may write the "
                 "registry may not choose any program of the machine." },
    { "hook_cafile", OPT_TEXT, AT(hook_cafile), .legal = is_absolute_path,
      .range = "an absolute path", .without = "the system's",
      .meaning = "File of the authorities, in PEM, that the servers of https hooks are verified "
                 "by, instead of the system's." },
    { "sys_interval", OPT_UINT, AT(sys_interval), .lo = 0, .hi = 65535, .fallback = "10",
      .meaning = "Seconds between two publications of the metrics below $SYS/broker/provisioning/. "
                 "Set it as the broker's own sys_interval, which plugins cannot see. 0: none." },
    { "presence_events", OPT_CHOICE, AT(presence_events), .words = { "off", "on" },
      .fallback = "on",
      .meaning = "Publish $aws/events/presence/connected and disconnected for every device." },
    { "address_per_s", OPT_UINT, AT(address_per_s), .lo = 0, .hi = 1000000, .fallback = "100",
      .meaning = "New devices and refused connections of one source address a second, in the long "
                 "run. An IPv6 address counts as its /64. 0: no limit." },
    { "address_burst", OPT_UINT, AT(address_burst), .lo = 1, .hi = 1000000, .fallback = "1000",
      .meaning = "New devices and refused connections of one source address at once." },
    { "certificate_per_s", OPT_UINT, AT(certificate_per_s), .lo = 0, .hi = 1000000,
      .fallback = "10",
      .meaning = "Connections with one certificate a second, in the long run. 0: no limit." },
    { "certificate_burst", OPT_UINT, AT(certificate_burst), .lo = 1, .hi = 1000000,
      .fallback = "100", .meaning = "Connections with one certificate at once." },
    { "ca_per_s", OPT_UINT, AT(ca_per_s), .lo = 0, .hi = 1000000, .fallback = "2000",
      .meaning = "New devices of one CA a second, in the long run. 0: no limit." },
    { "ca_burst", OPT_UINT, AT(ca_burst), .lo = 1, .hi = 1000000, .fallback = "5000",
      .meaning = "New devices of one CA at once." },
    { "claim_per_s", OPT_UINT, AT(claim_per_s), .lo = 0, .hi = 1000000, .fallback = "1000",
      .meaning = "Provisioning requests with one claim certificate a second, in the long run. "
                 "0: no limit. `provctl claim limit --rate` limits one claim further." },
    { "claim_burst", OPT_UINT, AT(claim_burst), .lo = 1, .hi = 1000000, .fallback = "5000",
      .meaning = "Provisioning requests with one claim certificate at once." },
    { "claim_suspend_after", OPT_UINT, AT(claim_suspend_after), .lo = 0, .hi = 1000000,
      .fallback = "0",
      .meaning = "A claim certificate with which so many requests were refused within an hour is "
                 "suspended, until `provctl claim resume`. 0: never; `provctl claim limit "
                 "--suspend-after` sets it for one claim." },
    { "issuer_cert", OPT_TEXT, AT(issuer_cert), .legal = is_absolute_path,
      .range = "an absolute path", .without = "the store's issuer.crt",
      .meaning = "File of the CA certificate, in PEM, that device certificates are issued under; "
                 "`provctl issuer create` makes one. Looked for when first needed, unless given "
                 "here: then the broker does not start without it." },
    { "issuer_key", OPT_TEXT, AT(issuer_key), .legal = is_key_place,
      .range = "an absolute path or a pkcs11: URI", .without = "the store's issuer.key",
      .meaning = "Its private key: a PEM file that only its owner may read, or a key in a PKCS#11 "
                 "token (RFC 7512; pin-source names a file with the PIN)." },
    { "issuer_validity_days", OPT_UINT, AT(issuer_validity_days), .lo = 1,
      .hi = PROV_MAX_VALIDITY_DAYS, .fallback = "3650",
      .meaning = "Days that issued certificates are good for, unless their claim's template says "
                 "(`provctl template update --validity-days`); never longer than the issuer is." },
    { "certificate_provider", OPT_TEXT, AT(certificate_provider), .legal = is_hook,
      .range = "exec:/path or https://host/path", .without = "the issuer signs",
      .meaning = "Hook that certifies signing requests in the issuer's place, so that another CA "
                 "issues. Its answer is checked against the request." },
    { "token_ttl_s", OPT_UINT, AT(token_ttl_s), .lo = 60, .hi = 604800, .fallback = "3600",
      .meaning = "Seconds that a device has to register a thing with a certificate that it was "
                 "issued. Then the certificate is deleted." },
    { "key_type", OPT_CHOICE, AT(key_type), .words = { "rsa2048", "ec-p256" },
      .fallback = "rsa2048", .meaning = "Keys that CreateKeysAndCertificate makes." },
    { "key_pool", OPT_UINT, AT(key_pool), .lo = 0, .hi = PROV_MAX_KEYPOOL, .fallback = "16",
      .meaning = "Keys made ahead for CreateKeysAndCertificate, from its first use on, so that no "
                 "device waits for one." },
    { "rotation_overlap_s", OPT_UINT, AT(rotation_overlap_s), .lo = 0, .hi = 31536000,
      .fallback = "3600",
      .meaning = "Seconds that a device's old certificate stays good after it connected with its "
                 "new one, where the template retires it." },
};

/* ---- values ---------------------------------------------------------------------------------- */

/* All of the text must be the number. */
static bool read_number(const struct row *row, const char *text, uint64_t *out)
{
    uint64_t value = 0;

    if (text[0] == '\0' || strspn(text, "0123456789") != strlen(text))
        return false;
    for (; *text != '\0'; text++) {
        if (value > row->hi / 10)
            return false;
        value = value * 10 + (uint64_t)(*text - '0');
    }
    if (value < row->lo || value > row->hi)
        return false;
    *out = value;
    return true;
}

static bool read_choice(const struct row *row, const char *text, unsigned *out)
{
    for (unsigned i = 0; row->words[i] != NULL; i++) {
        if (strcmp(row->words[i], text) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

static enum prov_rc set_text(char **field, const char *text)
{
    char *copy = prov_span_dup(prov_span_str(text));

    if (copy == NULL)
        return PROV_ENOMEM;
    free(*field);
    *field = copy;
    return PROV_OK;
}

/* PROV_EINVAL, PROV_ENOMEM: nothing is changed. */
static enum prov_rc set_value(struct prov_conf *conf, const struct row *row, const char *text)
{
    void *field = (char *)conf + row->at;

    switch (row->kind) {
    case OPT_UINT:
        return read_number(row, text, field) ? PROV_OK : PROV_EINVAL;
    case OPT_CHOICE:
        return read_choice(row, text, field) ? PROV_OK : PROV_EINVAL;
    case OPT_TEXT:
        return row->legal(text) ? set_text(field, text) : PROV_EINVAL;
    }
    return PROV_EBUG;
}

static const char *row_range(const struct row *row, char *out, size_t cap)
{
    if (row->kind == OPT_TEXT)
        return row->range;
    if (row->kind == OPT_CHOICE)
        (void)snprintf(out, cap, "%s|%s", row->words[0], row->words[1]);
    else
        (void)snprintf(out, cap, "%llu to %llu", (unsigned long long)row->lo,
                       (unsigned long long)row->hi);
    return out;
}

static const char *row_fallback(const struct row *row)
{
    return row->fallback == NULL ? row->without : row->fallback;
}

/* ---- keys ------------------------------------------------------------------------------------ */

/* The known key that was probably meant; NULL when none is close. */
static const char *nearest_key(const char *key)
{
    struct prov_near near = { .word = prov_span_str(key) };

    for (size_t i = 0; i < PROV_COUNT(rows); i++)
        prov_near_try(&near, rows[i].key);
    return near.close ? near.best : NULL;
}

static enum prov_rc fail_unknown(const char *key, struct prov_err *err)
{
    const char *nearest = nearest_key(key);
    char shown[64];

    (void)prov_log_quote(prov_span_str(key), shown, sizeof shown);
    if (nearest == NULL)
        return prov_fail(err, PROV_EINVAL, "InvalidRequestException",
                         "plugin_opt_%s: there is no such option", shown);
    return prov_fail(err, PROV_EINVAL, "InvalidRequestException",
                     "plugin_opt_%s: there is no such option; plugin_opt_%s is the nearest", shown,
                     nearest);
}

static enum prov_rc fail_value(const struct row *row, const char *value, struct prov_err *err)
{
    char shown[96], range[64];

    return prov_fail(err, PROV_EINVAL, "InvalidRequestException",
                     "plugin_opt_%s: %s is not legal; expected %s (default %s)", row->key,
                     prov_log_quote(prov_span_str(value), shown, sizeof shown),
                     row_range(row, range, sizeof range), row_fallback(row));
}

static const struct row *find_row(const char *key)
{
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        if (strcmp(rows[i].key, key) == 0)
            return &rows[i];
    }
    return NULL;
}

static enum prov_rc load_one(struct prov_conf *conf, const struct prov_option *option, bool *seen,
                             struct prov_err *err)
{
    const char *key = option->key == NULL ? "" : option->key;
    const char *value = option->value == NULL ? "" : option->value;
    const struct row *row = find_row(key);
    enum prov_rc rc;

    if (row == NULL)
        return fail_unknown(key, err);
    if (seen[row - rows])
        return prov_fail(err, PROV_EINVAL, "InvalidRequestException",
                         "plugin_opt_%s is given twice", key);
    seen[row - rows] = true;
    rc = set_value(conf, row, value);
    if (rc == PROV_EINVAL)
        return fail_value(row, value, err);
    return rc == PROV_ENOMEM ? prov_nomem(err) : rc;
}

enum prov_rc prov_conf_load(const struct prov_option *options, size_t n, struct prov_conf *out,
                            struct prov_err *err)
{
    bool seen[PROV_COUNT(rows)] = { false };
    enum prov_rc rc = PROV_OK;

    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < PROV_COUNT(rows) && rc == PROV_OK; i++) {
        if (rows[i].fallback != NULL)
            rc = set_value(out, &rows[i], rows[i].fallback);
        if (rc != PROV_OK) /* the defaults themselves are legal */
            (void)prov_nomem(err);
    }
    for (size_t i = 0; i < n && rc == PROV_OK; i++)
        rc = load_one(out, &options[i], seen, err);
    if (rc != PROV_OK)
        prov_conf_release(out);
    return rc;
}

void prov_conf_release(struct prov_conf *conf)
{
    if (conf == NULL)
        return;
    free(conf->db_path);
    free(conf->account_id);
    free(conf->region);
    free(conf->hook_dir);
    free(conf->hook_cafile);
    free(conf->issuer_cert);
    free(conf->issuer_key);
    free(conf->certificate_provider);
    memset(conf, 0, sizeof *conf);
}

void prov_conf_describe(void (*row)(void *ctx, const char *key, const char *fallback,
                                    const char *range, const char *meaning),
                        void *ctx)
{
    char range[64];

    for (size_t i = 0; i < PROV_COUNT(rows); i++)
        row(ctx, rows[i].key, row_fallback(&rows[i]), row_range(&rows[i], range, sizeof range),
            rows[i].meaning);
}
