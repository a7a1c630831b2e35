/*
 * A message to the control API, on a registry with some of everything in it. Control characters
 * stand for what no seed can know: 1 and 2 for certificates' ids, 3 for the CA's, 4 for the PEM of
 * a certificate that is not registered yet, 5 for that of another CA, 6 for a certificate signing
 * request. Certificates are issued by somebody in memory; every other message is prepared first.
 *
 * The answer is strict JSON of the shape that api.h has, with one response a command; what failed
 * is told with a status and a class that fit its code. A message of questions runs in a read
 * transaction. When no command that writes succeeded, the store is as it was; whatever was done,
 * the registry is sound.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/api.h"
#include "core/attempt.h"
#include "core/json.h"
#include "store/store_mem.h"
#include "support/csr.h"
#include "support/pki.h"

#define T0_MS (INT64_C(1700000000) * 1000)
#define LONGEST 16384

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct prov_store *store;
static uint64_t pristine;         /* hash of all that is in it */
static struct prov_buf values[7]; /* what 1 to 6 stand for */
static struct prov_issuer *signer;

static void must(bool ok)
{
    if (!ok)
        abort();
}

/* ---- the registry ---------------------------------------------------------------------------- */

static const char policy[] =
    "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"iot:Connect\","
    "\"Resource\":\"arn:aws:iot:local:000000000000:client/${iot:Connection.Thing.ThingName}\"},"
    "{\"Effect\":\"Deny\",\"Action\":\"iot:Publish\",\"Resource\":\"*\"}]}";

static const char body[] =
    "{\"Parameters\":{\"AWS::IoT::Certificate::Id\":{\"Type\":\"String\"},\"S\":{\"Type\":"
    "\"String\",\"Default\":\"t\"}},\"Resources\":{\"c\":{\"Type\":\"AWS::IoT::Certificate\","
    "\"Properties\":{\"CertificateId\":{\"Ref\":\"AWS::IoT::Certificate::Id\"}}},\"t\":{\"Type\":"
    "\"AWS::IoT::Thing\",\"Properties\":{\"ThingName\":{\"Ref\":\"S\"},\"ThingGroups\":[\"g\"]}}}}";

static const char jitp_body[] =
    "{\"Resources\":{\"c\":{\"Type\":\"AWS::IoT::Certificate\",\"Properties\":"
    "{\"CertificateId\":{\"Ref\":\"AWS::IoT::Certificate::Id\"}}}}}";

static struct pki_cert cert(const char *subject, const struct pki_cert *issuer, bool ca)
{
    return pki_make(&(struct pki_spec){
        .subject = subject, .issuer = issuer, .ca = ca, .now_s = T0_MS / 1000 });
}

static void keep_hex(unsigned i, const struct prov_id *id)
{
    char hex[PROV_ID_HEX + 1];

    prov_id_hex(id, hex);
    prov_buf_init(&values[i], 128);
    prov_buf_add_str(&values[i], hex);
}

/* As it stands in a JSON string; takes it. */
static void keep_pem(unsigned i, char *pem)
{
    prov_buf_init(&values[i], 8192);
    for (const char *c = pem; *c != '\0'; c++) {
        if (*c == '\n')
            prov_buf_add_str(&values[i], "\\n");
        else
            prov_buf_add_u8(&values[i], (uint8_t)*c);
    }
    free(pem);
}

static void make_certs(struct prov_tx *tx)
{
    struct pki_cert ca = cert("/CN=One", NULL, true), other = cert("/CN=Two", NULL, true);
    struct pki_cert a = cert("/CN=t", &ca, false), b = cert("/CN=b", NULL, false),
                    fresh = cert("/CN=c", &ca, false);
    struct prov_id id;
    uint8_t *der;
    size_t n;

    der = pki_der(ca.x509, &n);
    must(prov_ca_register(tx,
                          &(struct prov_ca_registration){ .der = prov_span(der, n),
                                                          .mode = PROV_MODE_SNI_ONLY,
                                                          .active = true },
                          &id) == PROV_OK);
    free(der);
    keep_hex(3, &id);
    der = pki_der(a.x509, &n);
    must(prov_cert_register(tx,
                            &(struct prov_cert_registration){ .der = prov_span(der, n),
                                                              .status = PROV_CERT_ACTIVE },
                            &id) == PROV_OK);
    free(der);
    keep_hex(1, &id);
    must(prov_policy_attach_cert(tx, PROV_LIT("p"), &id) == PROV_OK);
    must(prov_thing_attach(tx, PROV_LIT("t"), &id, PROV_ATTACH_EXCLUSIVE) == PROV_OK);
    must(prov_client_bind(tx, PROV_LIT("t"), &id) == PROV_OK);
    must(prov_attempt_put(tx, &(struct prov_attempt){ .id = 1, .cert = id }) == PROV_OK);
    der = pki_der(b.x509, &n);
    must(prov_cert_register(
             tx, &(struct prov_cert_registration){ .der = prov_span(der, n), .without_ca = true },
             &id) == PROV_OK);
    free(der);
    keep_hex(2, &id);
    keep_pem(4, pki_pem(fresh.x509));
    keep_pem(5, pki_pem(other.x509));
    pki_free(&fresh);
    pki_free(&b);
    pki_free(&a);
    pki_free(&other);
    pki_free(&ca);
}

/* ---- who issues ------------------------------------------------------------------------------ */

static enum prov_rc give_issuer(const struct prov_issuing *self, const struct prov_issuer **out,
                                struct prov_err *err)
{
    (void)self;
    (void)err;
    *out = signer;
    return PROV_OK;
}

static const struct prov_issuing issuing = { give_issuer, 365, PROV_KEY_EC_P256 };

static void make_issuer(void)
{
    struct csr_spec spec = { .key = pki_key_shared(PKI_P256), .subject = "/CN=d" };
    struct pki_cert ca = cert("/CN=Issuer", NULL, true);
    struct prov_buf der = csr_der(&spec);

    must(prov_issuer_new(ca.x509, ca.key, T0_MS / 1000, &signer, NULL) == PROV_OK);
    keep_pem(6, csr_pem(prov_buf_span(&der), NULL));
    prov_buf_release(&der);
    pki_free(&ca);
}

static void make_objects(struct prov_tx *tx)
{
    const struct prov_span none = { NULL, 0 }, p = PROV_LIT("p"), g = PROV_LIT("g");
    const struct prov_thing_type type = { .name = PROV_LIT("y") };
    uint32_t version;

    must(prov_policy_create(tx, p, prov_span_str(policy)) == PROV_OK);
    must(prov_policy_version_create(tx, p, prov_span_str(policy), false, &version) == PROV_OK);
    must(prov_type_create(tx, &type) == PROV_OK);
    must(prov_group_create(tx, g, none, none) == PROV_OK);
    must(prov_group_create(tx, PROV_LIT("h"), g, none) == PROV_OK);
    must(prov_billing_create(tx, PROV_LIT("b"), none) == PROV_OK);
    must(prov_thing_create(tx, PROV_LIT("t"), PROV_LIT("y"), NULL, 0) == PROV_OK);
    must(prov_thing_create(tx, PROV_LIT("u"), none, NULL, 0) == PROV_OK);
    must(prov_group_add(tx, g, PROV_LIT("t")) == PROV_OK);
    must(prov_billing_add(tx, PROV_LIT("b"), PROV_LIT("t")) == PROV_OK);
    must(prov_policy_attach_group(tx, p, g) == PROV_OK);
    must(prov_template_create(tx, &(struct prov_template_creation){ .name = PROV_LIT("m"),
                                                                    .body = prov_span_str(body),
                                                                    .enabled = true }) == PROV_OK);
    must(
        prov_template_create(tx, &(struct prov_template_creation){ .name = PROV_LIT("j"),
                                                                   .body = prov_span_str(jitp_body),
                                                                   .type = PROV_TEMPLATE_JITP,
                                                                   .enabled = true }) == PROV_OK);
}

static struct prov_txn *begin(enum prov_txn_kind kind)
{
    struct prov_txn *txn;

    must(prov_txn_begin(store, kind, NULL, &txn) == PROV_OK);
    return txn;
}

static uint64_t hash_bytes(uint64_t h, struct prov_span s)
{
    for (size_t i = 0; i < s.n; i++)
        h = (h ^ s.p[i]) * UINT64_C(0x100000001b3);
    return (h ^ s.n) * UINT64_C(0x100000001b3);
}

static uint64_t hash_all(struct prov_txn *txn)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    struct prov_span key, value;
    struct prov_cursor *cur;

    for (unsigned i = 0; i < prov_registry_schema.n_tables; i++) {
        must(prov_txn_scan(txn, i, &cur) == PROV_OK);
        while (prov_cursor_next(cur, &key, &value) == PROV_OK)
            h = hash_bytes(hash_bytes(h, key), value);
        prov_cursor_free(cur);
    }
    return h;
}

static void no_problem(void *ctx, const char *text)
{
    (void)ctx;
    (void)text;
    must(false);
}

static void make_registry(void)
{
    struct prov_tx tx = { .now_ms = T0_MS };

    must(prov_store_mem_new(&prov_registry_schema, &store) == PROV_OK);
    make_issuer();
    tx.txn = begin(PROV_TXN_WRITE);
    make_objects(&tx);
    make_certs(&tx);
    must(prov_registry_check(&tx, no_problem, NULL) == PROV_OK);
    pristine = hash_all(tx.txn);
    must(prov_txn_commit(tx.txn) == PROV_OK);
}

/* ---- the answer ------------------------------------------------------------------------------ */

static const cJSON *get(const cJSON *from, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(from, key);
}

/* Was it a command that writes, and was it done? */
static bool check_response(const cJSON *response, const cJSON *command)
{
    static const char *const known[] = { "command", "correlationData", "data",
                                         "error",   "errorCode",       "statusCode",
                                         "line",    "column",          "errorClass",
                                         "path" };
    const cJSON *error = get(response, "error"), *code = get(response, "errorCode"),
                *name = get(response, "command"), *member;
    const struct prov_api_op *op;

    cJSON_ArrayForEach(member, response)
    {
        size_t i = 0;

        while (i < sizeof known / sizeof known[0] && strcmp(known[i], member->string) != 0)
            i++;
        must(i < sizeof known / sizeof known[0]);
    }
    must(name == NULL || (cJSON_IsString(name) && cJSON_Compare(name, get(command, "command"), 1)));
    member = get(response, "correlationData");
    must(member == NULL || cJSON_Compare(member, get(command, "correlationData"), 1));
    must((get(response, "line") == NULL) == (get(response, "column") == NULL));
    if (error != NULL) {
        must(get(response, "data") == NULL && cJSON_IsString(error) &&
             error->valuestring[0] != '\0');
        must(cJSON_IsString(code) && cJSON_IsString(get(response, "errorClass")));
        must((int)get(response, "statusCode")->valuedouble == prov_api_status(code->valuestring));
        must(prov_api_rc(get(response, "errorClass")->valuestring) != PROV_EBUG);
        return false;
    }
    must(code == NULL && get(response, "statusCode") == NULL && get(response, "path") == NULL);
    must(get(response, "data") == NULL || cJSON_IsObject(get(response, "data")));
    must(name != NULL);
    op = prov_api_find(name->valuestring);
    must(op != NULL);
    return op->access == PROV_API_WRITE;
}

/* The commands of a message that can be read; NULL of one that cannot. */
static const cJSON *commands_of(const cJSON *message)
{
    const cJSON *commands = get(message, "commands");

    if (!cJSON_IsObject(message) || cJSON_GetArraySize(message) != 1 || !cJSON_IsArray(commands) ||
        cJSON_GetArraySize(commands) > PROV_MAX_API_COMMANDS)
        return NULL;
    return commands;
}

/* How many commands that write were done. */
static unsigned check_answer(const struct prov_api_batch *batch, struct prov_span text)
{
    const cJSON *commands, *command, *response;
    cJSON *message = NULL, *answer;
    struct prov_buf out;
    unsigned done = 0;
    int n;

    must(prov_api_batch_answer(batch, &out) == PROV_OK);
    must(out.n <= PROV_MAX_API_PAYLOAD);
    must(prov_json_parse(prov_buf_span(&out), PROV_MAX_API_PAYLOAD, &answer, NULL) == PROV_OK);
    must(cJSON_GetArraySize(answer) == 1 && cJSON_IsArray(get(answer, "responses")));
    n = cJSON_GetArraySize(get(answer, "responses"));
    response = get(answer, "responses")->child;
    (void)!prov_json_parse(text, PROV_MAX_API_PAYLOAD, &message, NULL);
    commands = commands_of(message);
    if (commands == NULL) {
        must(n == 1 && get(response, "error") != NULL && get(response, "command") == NULL);
        must(!check_response(response, NULL));
    } else {
        must(n == cJSON_GetArraySize(commands));
        cJSON_ArrayForEach(command, commands)
        {
            done += check_response(response, command);
            response = response->next;
        }
    }
    cJSON_Delete(message);
    cJSON_Delete(answer);
    prov_buf_release(&out);
    return done;
}

/* ---- the message ----------------------------------------------------------------------------- */

static void count_told(void *ctx, const struct prov_api_op *op, const char *command,
                       struct prov_span subject, const struct prov_err *error)
{
    unsigned *n = ctx;

    (void)op;
    must(command != NULL && subject.n < 1024);
    must(error == NULL || (error->rc != PROV_OK && error->text[0] != '\0'));
    (*n)++;
}

static void run(struct prov_api_batch *batch, struct prov_span text)
{
    const bool writes = prov_api_batch_writes(batch);
    struct prov_err err = { .rc = PROV_OK };
    struct prov_tx tx = { .now_ms = T0_MS, .err = &err };
    unsigned told = 0, done;

    if (writes && text.n % 2 == 0) {
        tx.txn = begin(PROV_TXN_READ);
        must(prov_api_batch_prepare(batch, &tx) == PROV_OK);
        prov_txn_abort(tx.txn);
    }
    tx.txn = begin(writes ? PROV_TXN_WRITE : PROV_TXN_READ);
    must(prov_api_batch_run(batch, &tx) == PROV_OK);
    done = check_answer(batch, text);
    prov_api_batch_each(batch, count_told, &told);
    must(done <= told);
    if (done != 0)
        must(prov_registry_check(&tx, no_problem, NULL) == PROV_OK);
    else
        must(hash_all(tx.txn) == pristine); /* which is sound */
    prov_txn_abort(tx.txn);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct prov_api_batch *batch;
    struct prov_buf text;

    if (store == NULL)
        make_registry();
    prov_buf_init(&text, (size_t)8192 * LONGEST);
    for (size_t i = 0; i < size && i < LONGEST; i++) {
        if (data[i] >= 1 && data[i] <= 6)
            prov_buf_add(&text, prov_buf_span(&values[data[i]]));
        else
            prov_buf_add_u8(&text, data[i]);
    }
    must(text.rc == PROV_OK);
    must(prov_api_batch_new(prov_buf_span(&text), &issuing, &batch) == PROV_OK);
    run(batch, prov_buf_span(&text));
    prov_api_batch_free(batch);
    prov_buf_release(&text);
    return 0;
}
