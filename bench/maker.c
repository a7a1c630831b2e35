#include "maker.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <sys/stat.h>

#include <openssl/pem.h>
#include <openssl/x509.h>

#include "core/ident.h"
#include "shapes.h"
#include "store/store_lmdb.h"

#define TEMPLATE "bench-fleet"

int64_t maker_now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void need(enum prov_rc rc, const struct prov_err *err)
{
    if (rc != PROV_OK)
        bench_fail("%s: %s%s%s", prov_rc_name(rc), err->path, err->path[0] == '\0' ? "" : ": ",
                   err->text);
}

/* ---- template and policies ------------------------------------------------------------------- */

static void write_template(struct prov_buf *b, uint64_t attrs)
{
    static const char *const rows[MAKER_MAX_ATTRS] = {
        "\"serialNumber\":{\"Ref\":\"AWS::IoT::Certificate::SerialNumber\"}",
        "\"maker\":{\"Ref\":\"AWS::IoT::Certificate::Organization\"}",
        "\"model\":\"pr-2200\"",
    };

    prov_buf_add_str(
        b, "{\"Parameters\":{\"AWS::IoT::Certificate::CommonName\":{\"Type\":\"String\"},"
           "\"AWS::IoT::Certificate::SerialNumber\":{\"Type\":\"String\"},"
           "\"AWS::IoT::Certificate::Organization\":{\"Type\":\"String\",\"Default\":\"none\"},"
           "\"AWS::IoT::Certificate::Id\":{\"Type\":\"String\"}},"
           "\"Resources\":{\"thing\":{\"Type\":\"AWS::IoT::Thing\",\"Properties\":{"
           "\"ThingName\":{\"Ref\":\"AWS::IoT::Certificate::CommonName\"},"
           "\"AttributePayload\":{");
    for (uint64_t i = 0; i < attrs && i < PROV_COUNT(rows); i++)
        prov_buf_addf(b, "%s%s", i == 0 ? "" : ",", rows[i]);
    prov_buf_add_str(
        b, "}}},\"certificate\":{\"Type\":\"AWS::IoT::Certificate\",\"Properties\":{"
           "\"CertificateId\":{\"Ref\":\"AWS::IoT::Certificate::Id\"},\"Status\":\"ACTIVE\"}},"
           "\"policy\":{\"Type\":\"AWS::IoT::Policy\",\"Properties\":{"
           "\"PolicyName\":\"bench-0\"}}}}");
}

static void make_template(struct prov_tx *tx, uint64_t attrs)
{
    const struct prov_span name = PROV_LIT(TEMPLATE);
    struct prov_template_creation creation = { .name = name,
                                               .type = PROV_TEMPLATE_JITP,
                                               .enabled = true };
    struct prov_template_info info;
    struct prov_buf body;
    enum prov_rc rc;

    prov_buf_init(&body, PROV_MAX_TEMPLATE_BODY);
    rc = prov_template_get(tx, name, &info);
    if (rc == PROV_ENOTFOUND) {
        write_template(&body, attrs);
        creation.body = prov_buf_span(&body);
        rc = prov_template_create(tx, &creation);
    }
    need(rc, tx->err);
    prov_buf_release(&body);
}

static struct prov_span policy_name(uint64_t i, char out[static 32])
{
    (void)snprintf(out, 32, "bench-%" PRIu64, i);
    return prov_span_str(out);
}

/* The typical device's, each under an Id of its own: no two are the same text. */
static void make_policies(struct prov_tx *tx, uint64_t n)
{
    struct prov_policy_info info;
    struct shape_documents docs;
    struct prov_buf text;
    struct prov_span name;
    const struct shape *shape;
    char buf[32];
    unsigned size = 0;
    enum prov_rc rc;

    shape = shape_find("typical", &size);
    shape_write(shape, size, true, &docs);
    prov_buf_init(&text, PROV_MAX_POLICY_TEXT);
    for (uint64_t i = 0; i < n; i++) {
        name = policy_name(i, buf);
        rc = prov_policy_get(tx, name, &info);
        if (rc == PROV_ENOTFOUND) {
            prov_buf_clear(&text);
            prov_buf_addf(&text, "{\"Id\":\"%s\",", buf);
            prov_buf_add(&text, prov_span(docs.text[0].p + 1, docs.text[0].n - 1));
            rc = prov_policy_create(tx, name, prov_buf_span(&text));
        }
        need(rc, tx->err);
    }
    prov_buf_release(&text);
    shape_documents_release(&docs);
}

/* ---- the CA ---------------------------------------------------------------------------------- */

static FILE *open_pki(const char *pki, const char *name)
{
    char path[FLEET_PATH_MAX];
    FILE *f;

    fleet_path(pki, name, path);
    f = fopen(path, "re");
    if (f == NULL)
        bench_fail("%s: %s (bench_pki --dir %s makes it)", path, strerror(errno), pki);
    return f;
}

static struct pki_cert read_ca(const char *pki)
{
    struct pki_cert ca;
    FILE *f = open_pki(pki, "ca.pem");

    ca.x509 = PEM_read_X509(f, NULL, NULL, NULL);
    (void)fclose(f);
    f = open_pki(pki, "ca.key");
    ca.key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
    (void)fclose(f);
    if (ca.x509 == NULL || ca.key == NULL)
        bench_fail("%s/ca.pem and ca.key do not hold a certificate and its key", pki);
    return ca;
}

static void register_ca(struct prov_tx *tx, const struct pki_cert *ca, struct prov_span der,
                        struct prov_id *id)
{
    struct prov_ca_registration reg = {
        .der = der, .active = true, .auto_registration = true, .template_name = PROV_LIT(TEMPLATE)
    };
    char code[PROV_ID_HEX + 1];
    struct pki_cert proof;
    uint8_t *proof_der;

    need(prov_registration_code(tx, code), tx->err);
    proof = pki_verification(ca, code);
    proof_der = pki_der(proof.x509, &reg.verification_der.n);
    reg.verification_der.p = proof_der;
    need(prov_ca_register(tx, &reg, id), tx->err);
    free(proof_der);
    pki_free(&proof);
}

static void make_ca(struct prov_tx *tx, const struct pki_cert *ca, struct prov_id *id)
{
    struct prov_ca known;
    struct prov_span der;
    uint8_t *bytes;
    enum prov_rc rc;

    need(prov_ident_id(ca->x509, id), tx->err);
    rc = prov_ca_get(tx, id, &known);
    if (rc == PROV_OK && !prov_span_eq_str(known.template_name, TEMPLATE))
        bench_fail("the store has the CA already, without the template %s", TEMPLATE);
    if (rc == PROV_OK)
        return;
    bytes = pki_der(ca->x509, &der.n);
    der.p = bytes;
    register_ca(tx, ca, der, id);
    free(bytes);
}

/* ---- devices --------------------------------------------------------------------------------- */

/* Puts the file's place before the device's record; at its end when the file has none. */
static void skip_to(struct maker *m)
{
    struct prov_span cert, key;
    char cn[FLEET_CN_MAX];
    uint64_t number;
    size_t before = m->file.at;
    X509 *first;

    if (!fleet_file_next(&m->file, &cert, &key))
        return;
    first = fleet_cert(cert);
    fleet_cn(first, cn);
    X509_free(first);
    if (strncmp(cn, "dev-", 4) != 0)
        bench_fail("devices.bin begins with %s: it is not from bench_pki", cn);
    number = strtoull(cn + 4, NULL, 10);
    if (number > m->number)
        bench_fail("devices.bin begins with %s: --first must be %" PRIu64 " or more", cn, number);
    for (; number < m->number; number++) {
        before = m->file.at;
        if (!fleet_file_next(&m->file, &cert, &key))
            return;
    }
    m->file.at = before;
}

static struct prov_span next_der(struct maker *m)
{
    struct prov_span cert, key;

    return fleet_file_next(&m->file, &cert, &key) ? cert : synth_make(m->synth, m->number);
}

X509 *maker_device(struct maker *m)
{
    X509 *const leaf = fleet_cert(next_der(m));

    m->number++;
    return leaf;
}

struct prov_contact *maker_contact(struct maker *m, X509 *leaf)
{
    struct prov_decision decision = { .outcome = PROV_NEW, .ca = m->ca };
    struct prov_contact *contact;

    if (prov_ident_id(leaf, &decision.cert) != PROV_OK ||
        prov_contact_new(leaf, &decision, &contact) != PROV_OK)
        bench_fail("out of memory");
    m->attempt = prov_attempt_next_id(m->attempt, maker_now_ms());
    contact->attempt = m->attempt;
    fleet_cn(leaf, contact->client_id);
    (void)prov_span_copy(PROV_LIT("127.0.0.1"), contact->address, sizeof contact->address);
    return contact;
}

void maker_choose_policy(struct maker *m, struct prov_contact *contact, uint64_t i)
{
    (void)policy_name(i % m->policies, m->policy);
    if (contact->plan != NULL && contact->plan->n_policies == 1)
        contact->plan->policies[0].name = m->policy;
}

void maker_check(const struct prov_contact *contact)
{
    if (contact->reason != PROV_REASON_PROVISIONED)
        bench_fail("%s was not provisioned: %s %s", contact->client_id,
                   prov_reason_info(contact->reason)->name, contact->detail);
}

/* ---- all of it ------------------------------------------------------------------------------- */

static void fill(struct maker *m, const struct maker_conf *conf, const struct pki_cert *ca)
{
    struct prov_err err = { 0 };
    struct prov_tx tx = { NULL, maker_now_ms(), &err };

    if (prov_txn_begin(m->store, PROV_TXN_WRITE, NULL, &tx.txn) != PROV_OK)
        bench_fail("%s", prov_store_why(m->store));
    make_policies(&tx, m->policies);
    make_template(&tx, conf->attrs);
    make_ca(&tx, ca, &m->ca);
    if (prov_txn_commit(tx.txn) != PROV_OK)
        bench_fail("%s", prov_store_why(m->store));
}

void maker_open(struct maker *m, const struct maker_conf *conf)
{
    const struct prov_store_lmdb_opts opts = { .dir = conf->db, .create = true };
    struct prov_err err = { 0 };
    struct pki_cert ca;

    *m = (struct maker){ .policies = conf->policies == 0 ? 1 : conf->policies,
                         .number = conf->first };
    need(prov_store_lmdb_open(&opts, &prov_registry_schema, &m->store, &err), &err);
    ca = conf->pki != NULL
             ? read_ca(conf->pki)
             : pki_make(&(struct pki_spec){ .subject = "/O=Bench/CN=Bench CA", .ca = true });
    fill(m, conf, &ca);
    m->synth = synth_new(&ca);
    pki_free(&ca);
    if (conf->pki != NULL && fleet_file_open(&m->file, conf->pki))
        skip_to(m);
}

void maker_close(struct maker *m)
{
    prov_store_free(m->store);
    synth_free(m->synth);
    fleet_file_close(&m->file);
    *m = (struct maker){ .store = NULL };
}

struct maker_size maker_size(const struct maker *m, const char *db)
{
    char path[FLEET_PATH_MAX];
    struct maker_size size;
    struct stat info;
    uint64_t max;

    fleet_path(db, "data.mdb", path);
    if (stat(path, &info) != 0)
        bench_fail("%s: %s", path, strerror(errno));
    size.file_bytes = (uint64_t)info.st_size;
    if (prov_store_usage(m->store, &size.used_bytes, &max) != PROV_OK)
        bench_fail("%s", prov_store_why(m->store));
    return size;
}
