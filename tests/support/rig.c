#include "support/rig.h"

#include <stdarg.h>
#include <setjmp.h>
#include <sched.h>

#include <cmocka.h>

#include "core/ident.h"
#include "store/store_lmdb.h"
#include "support/child.h"
#include "support/deadline.h"
#include "support/tmp.h"

static struct prov_err last_err;

/* ---- the registry ---------------------------------------------------------------------------- */

void rig_ok_at(const struct prov_tx *tx, enum prov_rc rc, const char *file, int line)
{
    if (rc == PROV_OK)
        return;
    print_error("%s:%d: %s: %s %s\n", file, line, prov_rc_name(rc), tx->err->path, tx->err->text);
    _fail(file, line);
}

struct prov_tx rig_begin(struct rig *rig, enum prov_txn_kind what)
{
    struct prov_tx tx = { NULL, (int64_t)time(NULL) * 1000, &last_err };

    assert_int_equal(prov_txn_begin(rig->store, what, NULL, &tx.txn), PROV_OK);
    return tx;
}

void rig_end(struct prov_tx *tx)
{
    assert_int_equal(prov_txn_commit(tx->txn), PROV_OK);
}

char *rig_template_file(const char *name)
{
    char path[512];
    char *text = NULL;
    size_t cap = 0;
    ssize_t n;
    FILE *f;

    (void)snprintf(path, sizeof path, "%s/templates/%s", PROV_SOURCE_DIR, name);
    f = fopen(path, "r");
    assert_non_null(f);
    n = getdelim(&text, &cap, '\0', f);
    assert_true(n > 0);
    assert_int_equal(fclose(f), 0);
    return text;
}

struct prov_id rig_register_ca(struct rig *rig, const struct pki_cert *ca, bool auto_registration,
                               const char *template_name)
{
    struct prov_tx tx = rig_begin(rig, PROV_TXN_WRITE);
    struct prov_id id;
    size_t n;
    uint8_t *der = pki_der(ca->x509, &n);
    const struct prov_ca_registration reg = {
        .der = prov_span(der, n),
        .mode = PROV_MODE_SNI_ONLY,
        .active = true,
        .auto_registration = auto_registration,
        .template_name = prov_span_str(template_name),
    };

    rig_ok(&tx, prov_ca_register(&tx, &reg, &id));
    rig_end(&tx);
    free(der);
    return id;
}

void rig_create_policy(struct rig *rig, const char *name, const char *document)
{
    struct prov_tx tx = rig_begin(rig, PROV_TXN_WRITE);

    rig_ok(&tx, prov_policy_create(&tx, prov_span_str(name), prov_span_str(document)));
    rig_end(&tx);
}

void rig_create_template(struct rig *rig, const char *name, const char *body)
{
    struct prov_tx tx = rig_begin(rig, PROV_TXN_WRITE);
    const struct prov_template_creation creation = {
        .name = prov_span_str(name),
        .body = prov_span_str(body),
        .type = PROV_TEMPLATE_JITP,
        .enabled = true,
    };

    rig_ok(&tx, prov_template_create(&tx, &creation));
    rig_end(&tx);
}

static struct prov_id id_of(const struct pki_cert *device)
{
    struct prov_id id;

    assert_int_equal(prov_ident_id(device->x509, &id), PROV_OK);
    return id;
}

void rig_set_status(struct rig *rig, const struct pki_cert *device, enum prov_cert_status status)
{
    struct prov_tx tx = rig_begin(rig, PROV_TXN_WRITE);
    const struct prov_id id = id_of(device);

    rig_ok(&tx, prov_cert_set_status(&tx, &id, status));
    rig_end(&tx);
}

void rig_update_ca(struct rig *rig, const struct prov_id *ca, const bool *active,
                   const bool *auto_registration, const char *template_name)
{
    struct prov_tx tx = rig_begin(rig, PROV_TXN_WRITE);
    const struct prov_span name = prov_span_str(template_name);
    const struct prov_ca_change change = {
        .active = active,
        .auto_registration = auto_registration,
        .template_name = template_name != NULL ? &name : NULL,
    };

    rig_ok(&tx, prov_ca_update(&tx, ca, &change));
    rig_end(&tx);
}

bool rig_status(struct rig *rig, const struct pki_cert *device, enum prov_cert_status *status)
{
    struct prov_tx tx = rig_begin(rig, PROV_TXN_READ);
    const struct prov_id id = id_of(device);
    struct prov_cert cert;
    const enum prov_rc rc = prov_cert_get(&tx, &id, &cert);

    prov_txn_abort(tx.txn);
    if (rc == PROV_ENOTFOUND)
        return false;
    rig_ok(&tx, rc);
    *status = cert.status;
    return true;
}

bool rig_has_thing(struct rig *rig, const char *name)
{
    struct prov_tx tx = rig_begin(rig, PROV_TXN_READ);
    struct prov_thing thing;
    const enum prov_rc rc = prov_thing_get(&tx, prov_span_str(name), &thing);

    prov_txn_abort(tx.txn);
    return rc == PROV_OK;
}

/* ---- attempts -------------------------------------------------------------------------------- */

struct newest {
    const struct prov_id *cert;
    enum prov_reason reason;
    bool found;
};

static bool take_newest(void *ctx, const struct prov_attempt *attempt)
{
    struct newest *newest = ctx;

    if (newest->cert != NULL && !prov_id_eq(newest->cert, &attempt->cert))
        return true;
    newest->reason = attempt->reason;
    newest->found = true;
    return false;
}

void rig_expect_attempt(struct rig *rig, const struct pki_cert *device, enum prov_reason reason)
{
    const int64_t deadline = deadline_in(DEADLINE_DEFAULT_MS);
    const struct prov_id id = device != NULL ? id_of(device) : (struct prov_id){ { 0 } };
    struct newest newest = { .found = false };
    struct prov_tx tx;

    do { /* the record is written behind the refusal */
        newest = (struct newest){ device != NULL ? &id : NULL, PROV_REASON_NONE, false };
        tx = rig_begin(rig, PROV_TXN_READ);
        rig_ok(&tx, prov_attempt_each(&tx, take_newest, &newest));
        prov_txn_abort(tx.txn);
        if (newest.found && newest.reason == reason)
            return;
        (void)sched_yield();
    } while (deadline_left(deadline) > 0);
    fail_msg("the newest attempt is \"%s\", not \"%s\"",
             newest.found ? prov_reason_info(newest.reason)->name : "none",
             prov_reason_info(reason)->name);
}

void rig_expect_explained(struct rig *rig, const struct pki_cert *device, const char *text)
{
    const struct prov_id id = id_of(device);
    char hex[PROV_ID_HEX + 1];
    struct run_result r;

    prov_id_hex(&id, hex);
    run_provctl(&r, "--db", rig->db, "explain", hex);
    if (r.status != 0 || strstr(r.out, text) == NULL)
        fail_msg("provctl explain (status %d) does not say \"%s\":\n%s%s", r.status, text, r.out,
                 r.err);
    run_release(&r);
}

/* ---- up and down ----------------------------------------------------------------------------- */

static void fill_registry(struct rig *rig, const struct rig_spec *spec)
{
    char *policy = rig_template_file("policies/telemetry-device.json");
    char *template = rig_template_file("jitp-by-cn.json");

    rig_create_policy(rig, "telemetry-device", policy);
    rig_create_template(rig, "by-cn", template);
    if (!spec->no_ca)
        rig->ca_id = rig_register_ca(rig, &rig->ca, true, spec->no_template ? NULL : "by-cn");
    free(policy);
    free(template);
}

void rig_prepare(struct rig *rig, const struct rig_spec *spec)
{
    const struct prov_store_lmdb_opts opts = { .dir = rig->db, .create = true };
    size_t n = 0;

    memset(rig, 0, sizeof *rig);
    rig->dir = tmp_new();
    (void)tmp_path(rig->dir, "registry", rig->db);
    rig->server = pki_make(&(struct pki_spec){
        .subject = "/CN=localhost", .eku = "serverAuth", .san = "DNS:localhost,IP:127.0.0.1" });
    rig->ca = pki_make(&(struct pki_spec){ .subject = "/O=Factory/CN=Factory CA", .ca = true });
    if (prov_store_lmdb_open(&opts, &prov_registry_schema, &rig->store, &last_err) != PROV_OK)
        fail_msg("%s", last_err.text);
    fill_registry(rig, spec);

    rig->opts[n++] = (struct broker_opt){ "db_path", rig->db };
    for (const struct broker_opt *o = spec->opts; o != NULL && o->key != NULL; o++)
        rig->opts[n++] = *o;
    rig->options = (struct broker_options){
        .dir = rig->dir,
        .server = &rig->server,
        .cafile = spec->cafile,
        .tls_lines = spec->tls_lines,
        .plain = spec->plain,
        .users = spec->users,
        .plugin = true,
        .opts = rig->opts,
        .persistence = spec->persistence,
        .lines = spec->lines,
    };
    memcpy(rig->options.ws, spec->ws, sizeof spec->ws);
}

void rig_add_opt(struct rig *rig, const char *key, const char *value)
{
    size_t n = 0;

    while (rig->opts[n].key != NULL)
        n++;
    assert_true(n + 1 < PROV_COUNT(rig->opts));
    rig->opts[n] = (struct broker_opt){ key, value };
}

void rig_start(struct rig *rig)
{
    rig->broker = broker_start(&rig->options);
}

void rig_up(struct rig *rig, const struct rig_spec *spec)
{
    rig_prepare(rig, spec);
    rig_start(rig);
}

void rig_down(struct rig *rig)
{
    broker_free(rig->broker);
    prov_store_free(rig->store);
    pki_free(&rig->ca);
    pki_free(&rig->server);
    tmp_free(rig->dir);
    memset(rig, 0, sizeof *rig);
}

/* ---- devices --------------------------------------------------------------------------------- */

struct pki_cert rig_device(const struct rig *rig, const char *cn)
{
    char subject[256];

    (void)snprintf(subject, sizeof subject, "/O=Factory/CN=%s", cn);
    return pki_make(&(struct pki_spec){ .subject = subject, .issuer = &rig->ca });
}

struct rig_link rig_link(const struct rig *rig, const struct pki_cert *device,
                         const char *client_id)
{
    struct rig_link link = { 0 };

    if (device != NULL) {
        link.tls.cert = device->x509;
        link.tls.key = device->key;
    }
    link.tls.trust = rig->server.x509;
    link.options.port = broker_tls_port(rig->broker);
    link.options.client_id = client_id;
    link.encrypted = true;
    return link;
}

struct rig_link rig_ws_link(const struct rig *rig, enum broker_ws kind,
                            const struct pki_cert *device, const char *client_id)
{
    static const struct ws_options ws = { 0 };
    struct rig_link link = rig_link(rig, device, client_id);

    link.options.port = broker_ws_port(rig->broker, kind);
    link.options.ws = &ws;
    link.encrypted = kind != BROKER_WS;
    return link;
}

void rig_first_contact(struct rig *rig, const struct pki_cert *device, const char *client_id)
{
    struct rig_link link = rig_link(rig, device, client_id);
    const size_t mark = broker_log_mark(rig->broker);
    const struct prov_id id = id_of(device);
    char hex[PROV_ID_HEX + 1], line[128];

    link.options.tls = &link.tls;
    expect_dropped(&link.options);
    prov_id_hex(&id, hex);
    (void)snprintf(line, sizeof line, "certificate=%s", hex);
    /* "first-contact" and then how it ended */
    broker_expect_log(rig->broker, mark, line);
    while (!broker_log_has(rig->broker, mark, "provisioned attempt=") &&
           !broker_log_has(rig->broker, mark, "pending attempt=") &&
           !broker_log_has(rig->broker, mark, "refused attempt="))
        (void)sched_yield();
}

struct mqtt *rig_join(struct rig *rig, const struct pki_cert *device, const char *client_id)
{
    struct rig_link link = rig_link(rig, device, client_id);

    rig_first_contact(rig, device, client_id);
    link.options.tls = &link.tls;
    return expect_connected(&link.options);
}
