#include "reg_fixture.h"

#include <openssl/x509v3.h>

#include "core/feed.h"
#include "core/reg.h"
#include "store/store_lmdb.h"
#include "store/store_mem.h"
#include "support/tmp.h"

static bool on_lmdb;

/* Bytes that live as long as the fixture. */
struct reg_blob {
    struct reg_blob *next;
    size_t n;
    uint8_t bytes[];
};

uint8_t *reg_keep(struct reg *r, const void *p, size_t n)
{
    struct reg_blob *b = malloc(sizeof *b + n + 1);

    assert_non_null(b);
    memcpy(b->bytes, p, n);
    b->bytes[n] = '\0';
    b->n = n;
    b->next = r->blobs;
    r->blobs = b;
    return b->bytes;
}

/* ---- transactions ---------------------------------------------------------------------------- */

static void begin(struct reg *r, enum prov_txn_kind kind)
{
    assert_int_equal(prov_txn_begin(r->store, kind, NULL, &r->tx.txn), PROV_OK);
}

static void open_store(struct reg *r)
{
    struct prov_store_lmdb_opts opts = { .max_bytes = 256U << 20, .create = true };

    if (!on_lmdb) {
        assert_int_equal(prov_store_mem_new(&prov_registry_schema, &r->store), PROV_OK);
        return;
    }
    r->lmdb = true;
    if (r->dir == NULL)
        r->dir = tmp_new();
    opts.dir = r->dir;
    if (prov_store_lmdb_open(&opts, &prov_registry_schema, &r->store, &r->err) != PROV_OK)
        fail_msg("%s", r->err.text);
}

int reg_setup(void **state)
{
    struct reg *r = calloc(1, sizeof *r);

    assert_non_null(r);
    open_store(r);
    r->tx.err = &r->err;
    reg_at(r, 0);
    begin(r, PROV_TXN_WRITE);
    *state = r;
    return 0;
}

int reg_teardown(void **state)
{
    struct reg *r = *state;
    struct reg_blob *b;

    prov_txn_abort(r->outer != NULL ? r->outer : r->tx.txn);
    prov_store_free(r->store);
    tmp_free(r->dir);
    while ((b = r->blobs) != NULL) {
        r->blobs = b->next;
        free(b);
    }
    free(r);
    return 0;
}

static int run_on(const char *name, const struct CMUnitTest *tests, size_t n, bool lmdb)
{
    char group[128];

    on_lmdb = lmdb;
    (void)snprintf(group, sizeof group, "%s on %s", name, lmdb ? "LMDB" : "memory");
    return _cmocka_run_group_tests(group, tests, n, NULL, NULL);
}

int reg_run(const char *name, const struct CMUnitTest *tests, size_t n)
{
    const int failed = run_on(name, tests, n, false);

    return run_on(name, tests, n, true) + failed != 0;
}

void reg_commit(struct reg *r)
{
    assert_int_equal(prov_txn_commit(r->tx.txn), PROV_OK);
    begin(r, PROV_TXN_WRITE);
}

void reg_abort(struct reg *r)
{
    prov_txn_abort(r->tx.txn);
    begin(r, PROV_TXN_WRITE);
}

void reg_read(struct reg *r)
{
    assert_int_equal(prov_txn_commit(r->tx.txn), PROV_OK);
    begin(r, PROV_TXN_READ);
}

void reg_write(struct reg *r)
{
    reg_abort(r);
}

void reg_restart(struct reg *r)
{
    assert_int_equal(prov_txn_commit(r->tx.txn), PROV_OK);
    if (r->lmdb) {
        prov_store_free(r->store);
        open_store(r);
    }
    begin(r, PROV_TXN_WRITE);
}

void reg_at(struct reg *r, int64_t seconds_since_t0)
{
    r->tx.now_ms = (REG_T0 + seconds_since_t0) * 1000;
}

/* ---- assertions ------------------------------------------------------------------------------ */

void reg_expect_ok(struct reg *r, enum prov_rc got, const char *call, const char *file, int line)
{
    if (got != PROV_OK) {
        print_error("%s\n  says %s, %s: %s\n", call, prov_rc_name(got),
                    r->err.code == NULL ? "(no code)" : r->err.code, r->err.text);
        _fail(file, line);
    }
    memset(&r->err, 0, sizeof r->err);
}

void reg_nest(struct reg *r)
{
    assert_null(r->outer);
    r->outer = r->tx.txn;
    assert_int_equal(prov_txn_begin(r->store, PROV_TXN_WRITE, r->outer, &r->tx.txn), PROV_OK);
}

void reg_expect_refused(struct reg *r, enum prov_rc got, enum prov_rc expected, const char *code,
                        const char *call, const char *file, int line)
{
    prov_txn_abort(r->tx.txn);
    r->tx.txn = r->outer;
    r->outer = NULL;
    if (got != expected || r->err.rc != expected || r->err.text[0] == '\0' ||
        strcmp(r->err.code, code) != 0) {
        print_error("%s\n  says %s, %s: %s\n  not %s, %s\n", call, prov_rc_name(got),
                    r->err.code == NULL ? "(no code)" : r->err.code, r->err.text,
                    prov_rc_name(expected), code);
        _fail(file, line);
    }
    memset(&r->err, 0, sizeof r->err);
}

void reg_expect_span(struct prov_span got, const char *expected, const char *file, int line)
{
    if (prov_span_eq_str(got, expected))
        return;
    print_error("\"%.*s\" is not \"%s\"\n", PROV_SPAN_ARG(got), expected);
    _fail(file, line);
}

/* ---- what is in the store -------------------------------------------------------------------- */

static void print_hex(FILE *out, struct prov_span s)
{
    for (size_t i = 0; i < s.n; i++)
        fprintf(out, "%02x", s.p[i]);
}

static void dump_table(struct reg *r, unsigned table, FILE *out)
{
    struct prov_span key, value;
    struct prov_cursor *cur;
    enum prov_rc rc;

    assert_int_equal(prov_txn_scan(r->tx.txn, table, &cur), PROV_OK);
    while ((rc = prov_cursor_next(cur, &key, &value)) == PROV_OK) {
        fprintf(out, "%s ", prov_registry_schema.tables[table]);
        print_hex(out, key);
        fputc(' ', out);
        print_hex(out, value);
        fputc('\n', out);
    }
    assert_int_equal(rc, PROV_ENOTFOUND);
    prov_cursor_free(cur);
}

char *reg_dump(struct reg *r)
{
    char *text = NULL;
    size_t n;
    FILE *out = open_memstream(&text, &n);

    assert_non_null(out);
    for (unsigned i = 0; i < prov_registry_schema.n_tables; i++)
        dump_table(r, i, out);
    assert_int_equal(fclose(out), 0);
    return text;
}

/* Text built up in place. */
static struct {
    char text[64 * 1024];
    size_t n;
} said;

PROV_PRINTF(1, 2) static void say(const char *fmt, ...)
{
    va_list args;
    int n;

    va_start(args, fmt);
    n = vsnprintf(said.text + said.n, sizeof said.text - said.n, fmt, args);
    va_end(args);
    assert_true(n >= 0 && (size_t)n < sizeof said.text - said.n);
    said.n += (size_t)n;
}

static void say_nothing(void)
{
    said.n = 0;
    said.text[0] = '\0';
}

static void say_change(void *ctx, const struct prov_change_entry *entry)
{
    static const char *const kinds[] = {
        [PROV_CHANGED_CERT] = "cert",         [PROV_CHANGED_CA] = "ca",
        [PROV_CHANGED_THING] = "thing",       [PROV_CHANGED_GROUP] = "group",
        [PROV_CHANGED_POLICY] = "policy",     [PROV_CHANGED_TEMPLATE] = "template",
        [PROV_CHANGED_SETTINGS] = "settings", [PROV_CHANGED_TYPE] = "type",
        [PROV_CHANGED_BILLING] = "billing",
    };
    struct reg *r = ctx;

    assert_int_equal(entry->seq, ++r->feed_mark);
    assert_true((size_t)entry->kind < PROV_COUNT(kinds) && kinds[entry->kind] != NULL);
    say("%s%s", said.n != 0 ? " " : "", kinds[entry->kind]);
    if (entry->kind == PROV_CHANGED_CERT || entry->kind == PROV_CHANGED_CA)
        assert_int_equal(entry->key.n, PROV_ID_LEN);
    else if (entry->key.n != 0)
        say(":%.*s", PROV_SPAN_ARG(entry->key));
}

const char *reg_feed(struct reg *r)
{
    bool missed;

    say_nothing();
    reg_ok(r, prov_feed_read(&r->tx, r->feed_mark, &missed, say_change, r));
    assert_false(missed);
    return said.text;
}

static bool say_key(void *ctx, struct prov_span key)
{
    const enum prov_list_kind kind = *(const enum prov_list_kind *)ctx;

    say("%s", said.n != 0 ? " " : "");
    if (kind == PROV_LIST_VERSIONS_OF_POLICY || kind == PROV_LIST_VERSIONS_OF_TEMPLATE) {
        assert_int_equal(key.n, 4);
        say("%u", reg_from_be32(key.p));
        return true;
    }
    if (key.n != PROV_ID_LEN) {
        say("%.*s", PROV_SPAN_ARG(key));
        return true;
    }
    for (size_t i = 0; i < key.n; i++)
        say("%02x", key.p[i]);
    return true;
}

const char *reg_list(struct reg *r, enum prov_list_kind kind, struct prov_span of,
                     struct prov_span after)
{
    say_nothing();
    reg_ok(r, prov_list(&r->tx, kind, of, after, say_key, &kind));
    return said.text;
}

static void say_problem(void *ctx, const char *text)
{
    (void)ctx;
    say("%s\n", text);
}

const char *reg_problems(struct reg *r)
{
    say_nothing();
    reg_ok(r, prov_registry_check(&r->tx, say_problem, NULL));
    return said.text;
}

/* ---- things to begin with -------------------------------------------------------------------- */

struct prov_span reg_der(struct reg *r, const struct pki_cert *cert)
{
    struct prov_span kept;
    uint8_t *der;
    size_t n;

    der = pki_der(cert->x509, &n);
    kept = prov_span(reg_keep(r, der, n), n);
    free(der);
    return kept;
}

struct pki_cert reg_pki(struct reg *r, const struct pki_spec *spec)
{
    struct pki_spec timed = *spec;

    if (timed.now_s == 0)
        timed.now_s = r->tx.now_ms / 1000;
    return pki_make(&timed);
}

struct pki_cert reg_pki_ca(struct reg *r, const char *subject)
{
    return reg_pki(r, &(struct pki_spec){ .subject = subject, .ca = true });
}

struct pki_cert reg_pki_leaf(struct reg *r, const struct pki_cert *ca, const char *subject)
{
    return reg_pki(r, &(struct pki_spec){
                          .subject = subject, .issuer = ca, .use_key = pki_key_shared(PKI_P256) });
}

void reg_spoil_extension(X509 *cert, int nid)
{
    static const unsigned char no_der[] = { 0x30, 0x03, 0x02, 0x01 };
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    X509_EXTENSION *ext = NULL;

    assert_int_equal(ASN1_OCTET_STRING_set(value, no_der, sizeof no_der), 1);
    ext = X509_EXTENSION_create_by_NID(NULL, nid, 0, value);
    assert_non_null(ext);
    assert_int_equal(X509_add_ext(cert, ext, -1), 1);
    X509_EXTENSION_free(ext);
    ASN1_OCTET_STRING_free(value);
}

struct prov_id reg_ca(struct reg *r, const struct pki_cert *ca, const char *template_name)
{
    const struct prov_ca_registration registration = { .der = reg_der(r, ca),
                                                       .mode = PROV_MODE_SNI_ONLY,
                                                       .active = true,
                                                       .auto_registration = true,
                                                       .template_name = S(template_name) };
    struct prov_id id;

    reg_ok(r, prov_ca_register(&r->tx, &registration, &id));
    return id;
}

struct prov_id reg_cert(struct reg *r)
{
    struct pki_cert leaf = reg_pki_leaf(r, NULL, "/CN=somebody");
    const struct prov_cert_registration registration = { .der = reg_der(r, &leaf),
                                                         .without_ca = true,
                                                         .status = PROV_CERT_ACTIVE };
    struct prov_id id;

    reg_ok(r, prov_cert_register(&r->tx, &registration, &id));
    pki_free(&leaf);
    return id;
}

struct prov_made_cert reg_made(struct reg *r, const struct pki_cert *issuer)
{
    struct pki_cert leaf = reg_pki_leaf(r, issuer, "/CN=made");
    struct prov_made_cert made = { .der = reg_der(r, &leaf),
                                   .common_name = S("made"),
                                   .not_before_s = r->tx.now_ms / 1000,
                                   .not_after_s = r->tx.now_ms / 1000 + 300 };

    if (issuer != NULL)
        assert_int_equal(prov_ident_id(issuer->x509, &made.ca_id), PROV_OK);
    pki_free(&leaf);
    return made;
}

struct prov_id reg_temporary(struct reg *r, const char *template_name)
{
    const struct prov_made_cert made = reg_made(r, NULL);
    struct prov_id id;

    reg_ok(r, prov_cert_record_claim(&r->tx, &made, S(template_name), &id));
    return id;
}

void reg_ca_state(struct reg *r, const struct prov_id *id, bool active, bool auto_registration)
{
    const struct prov_ca_change change = { .active = &active,
                                           .auto_registration = &auto_registration };

    reg_ok(r, prov_ca_update(&r->tx, id, &change));
}

void reg_raw_status(struct reg *r, const struct prov_id *id, unsigned status)
{
    struct prov_cert cert;

    reg_ok(r, prov_cert_get(&r->tx, id, &cert));
    cert.status = (enum prov_cert_status)status;
    reg_ok(r, reg_cert_put(&r->tx, &cert));
}

void reg_thing(struct reg *r, const char *name)
{
    reg_ok(r, prov_thing_create(&r->tx, S(name), NONE, NULL, 0));
}

void reg_group(struct reg *r, const char *name, const char *parent)
{
    reg_ok(r, prov_group_create(&r->tx, S(name), S(parent), NONE));
}

void reg_type(struct reg *r, const char *name)
{
    const struct prov_thing_type type = { .name = S(name) };

    reg_ok(r, prov_type_create(&r->tx, &type));
}

void reg_policy(struct reg *r, const char *name)
{
    reg_ok(r, prov_policy_create(&r->tx, S(name), S(REG_POLICY_TEXT)));
}

struct prov_span reg_json(struct reg *r, const char *quoted)
{
    const size_t n = strlen(quoted);
    uint8_t *text = reg_keep(r, quoted, n);

    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\'')
            text[i] = '"';
    }
    return prov_span(text, n);
}

static void new_template(struct reg *r, const char *name, const char *quoted_body,
                         enum prov_template_type type)
{
    const struct prov_template_creation creation = {
        .name = S(name), .body = reg_json(r, quoted_body), .type = type, .enabled = true
    };

    reg_ok(r, prov_template_create(&r->tx, &creation));
}

void reg_template(struct reg *r, const char *name, const char *quoted_body)
{
    new_template(r, name, quoted_body, PROV_TEMPLATE_JITP);
}

void reg_fleet_template(struct reg *r, const char *name)
{
    new_template(r, name,
                 "{'Resources':{'c':{'Type':'AWS::IoT::Certificate','Properties':"
                 "{'CertificateId':{'Ref':'AWS::IoT::Certificate::Id'}}}}}",
                 PROV_TEMPLATE_FLEET);
}
