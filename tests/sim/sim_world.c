#include "sim/sim_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "core/ident.h"
#include "store/store_mem.h"

#define YEARS(n) ((n)*INT64_C(365) * 86400)

/* ---- transactions ---------------------------------------------------------------------------- */

void sim_must(struct sim_world *world, enum prov_rc rc, const char *what)
{
    if (rc != PROV_OK)
        fail_msg("%s: %s, %s", what, prov_rc_name(rc), world->err.text);
}

struct prov_tx sim_begin(struct sim_world *world, enum prov_txn_kind kind, int64_t now_ms)
{
    struct prov_tx tx = { NULL, SIM_T0 * 1000 + now_ms, &world->err };

    memset(&world->err, 0, sizeof world->err);
    sim_must(world, prov_txn_begin(world->store, kind, NULL, &tx.txn), "begin");
    return tx;
}

void sim_commit(struct prov_tx *tx)
{
    assert_int_equal(prov_txn_commit(tx->txn), PROV_OK);
    tx->txn = NULL;
}

void sim_abort(struct prov_tx *tx)
{
    prov_txn_abort(tx->txn);
    tx->txn = NULL;
}

/* ---- made once ------------------------------------------------------------------------------- */

/* Keys and certificates cost more than all the rest of a world: every world has the same. */
static struct {
    bool made;
    struct pki_cert issuer, devices, factory, claim;
    struct prov_issuer *signer;
    struct prov_store *first; /* as every world begins */
    struct prov_id claim_id, ca_id;
    char *factory_cert, *factory_key, *claim_cert, *claim_key, *temporary_cert, *temporary_key;
} once;

static void forget_once(void)
{
    char *const texts[] = { once.factory_cert, once.factory_key,    once.claim_cert,
                            once.claim_key,    once.temporary_cert, once.temporary_key };

    for (size_t i = 0; i < PROV_COUNT(texts); i++)
        free(texts[i]);
    prov_store_free(once.first);
    prov_issuer_free(once.signer);
    pki_free(&once.factory);
    pki_free(&once.claim);
    pki_free(&once.devices);
    pki_free(&once.issuer);
}

static struct pki_cert make(const char *subject, const struct pki_cert *issuer, bool ca)
{
    return pki_make(&(struct pki_spec){ .subject = subject,
                                        .issuer = issuer,
                                        .ca = ca,
                                        .now_s = SIM_T0,
                                        .not_before_s = -86400,
                                        .not_after_s = YEARS(20) });
}

static void make_once(void)
{
    if (once.made)
        return;
    once.made = true;
    once.issuer = make("/O=Issuer", NULL, true);
    once.devices = make("/O=Devices", NULL, true);
    once.factory = make("/O=Example/CN=" SIM_THING, &once.devices, false);
    once.claim = make("/O=Example/CN=claim", NULL, false);
    once.factory_cert = pki_pem(once.factory.x509);
    once.factory_key = pki_key_pem(once.factory.key);
    once.claim_cert = pki_pem(once.claim.x509);
    once.claim_key = pki_key_pem(once.claim.key);
    assert_int_equal(prov_issuer_new(once.issuer.x509, once.issuer.key, SIM_T0, &once.signer, NULL),
                     PROV_OK);
    assert_int_equal(atexit(forget_once), 0);
}

struct sim_credentials sim_factory(void)
{
    make_once();
    return (struct sim_credentials){ once.factory_cert, once.factory_key };
}

struct sim_credentials sim_golden_claim(void)
{
    make_once();
    return (struct sim_credentials){ once.claim_cert, once.claim_key };
}

/* ---- a registry ------------------------------------------------------------------------------ */

/* With all that a device needs to renew by either way, besides templates/policies/fleet-device. */
static const char device_policy[] =
    "{\"Version\":\"2012-10-17\",\"Statement\":["
    "{\"Effect\":\"Allow\",\"Action\":\"iot:Connect\","
    "\"Resource\":\"arn:aws:iot:*:*:client/${iot:Connection.Thing.ThingName}\","
    "\"Condition\":{\"Bool\":{\"iot:Connection.Thing.IsAttached\":\"true\"}}},"
    "{\"Effect\":\"Allow\",\"Action\":[\"iot:Publish\",\"iot:Receive\"],\"Resource\":["
    "\"arn:aws:iot:*:*:topic/dt/${iot:Connection.Thing.ThingName}/*\","
    "\"arn:aws:iot:*:*:topic/$aws/certificates/create*\","
    "\"arn:aws:iot:*:*:topic/$aws/provisioning-templates/" SIM_TEMPLATE "/provision/*\"]},"
    "{\"Effect\":\"Allow\",\"Action\":\"iot:Subscribe\",\"Resource\":["
    "\"arn:aws:iot:*:*:topicfilter/$aws/certificates/create*\","
    "\"arn:aws:iot:*:*:topicfilter/$aws/provisioning-templates/" SIM_TEMPLATE "/provision/*\"]}]}";

/* A file of templates/, without its last zero byte. */
static struct prov_span read_file(const char *name, char *out, size_t cap)
{
    char path[512];
    FILE *in;
    size_t n;

    (void)snprintf(path, sizeof path, "%s/templates/%s", PROV_SOURCE_DIR, name);
    in = fopen(path, "rb");
    if (in == NULL)
        fail_msg("no %s", path);
    n = fread(out, 1, cap, in);
    (void)fclose(in);
    assert_true(n < cap);
    return prov_span(out, n);
}

static void add_templates(struct sim_world *world, struct prov_tx *tx)
{
    char text[PROV_MAX_TEMPLATE_BODY + 1];
    struct prov_template_creation creation = {
        .name = PROV_LIT(SIM_TEMPLATE),
        .type = PROV_TEMPLATE_FLEET,
        .enabled = true,
        .retire_previous = true,
    };

    creation.body = read_file("fleet-by-serial.json", text, sizeof text);
    sim_must(world, prov_template_create(tx, &creation), "fleet-by-serial");
    creation = (struct prov_template_creation){ .name = PROV_LIT("jitp"),
                                                .type = PROV_TEMPLATE_JITP,
                                                .enabled = true };
    creation.body = read_file("jitp-by-cn.json", text, sizeof text);
    sim_must(world, prov_template_create(tx, &creation), "jitp-by-cn");
}

static void add_policies(struct sim_world *world, struct prov_tx *tx)
{
    const struct prov_span device = prov_span_str(device_policy);
    char text[PROV_MAX_POLICY_TEXT];

    sim_must(world, prov_policy_create(tx, PROV_LIT("fleet-device"), device), "fleet-device");
    sim_must(world, prov_policy_create(tx, PROV_LIT("telemetry-device"), device),
             "telemetry-device");
    sim_must(world,
             prov_policy_create(tx, PROV_LIT("golden-claim"),
                                read_file("policies/golden-claim.json", text, sizeof text)),
             "golden-claim");
}

static void add_claim(struct sim_world *world, struct prov_tx *tx)
{
    struct prov_cert_registration registration = { .without_ca = true, .status = PROV_CERT_ACTIVE };
    uint8_t *der = pki_der(once.claim.x509, &registration.der.n);

    registration.der.p = der;
    sim_must(world, prov_cert_register(tx, &registration, &world->claim), "claim");
    free(der);
    sim_must(world, prov_policy_attach_cert(tx, PROV_LIT("golden-claim"), &world->claim), "claim");
}

static void add_ca(struct sim_world *world, struct prov_tx *tx)
{
    struct prov_ca_registration registration = { .mode = PROV_MODE_SNI_ONLY,
                                                 .active = true,
                                                 .auto_registration = true,
                                                 .template_name = PROV_LIT("jitp") };
    uint8_t *der = pki_der(once.devices.x509, &registration.der.n);

    registration.der.p = der;
    sim_must(world, prov_ca_register(tx, &registration, &world->ca), "CA");
    free(der);
}

static enum prov_rc find_issuer(const struct prov_issuing *self, const struct prov_issuer **out,
                                struct prov_err *err)
{
    (void)err;
    *out = ((const struct sim_issuing *)self)->issuer;
    return PROV_OK;
}

static void set_issuer(struct sim_world *world)
{
    world->issuing.base = (struct prov_issuing){ .issuer = find_issuer,
                                                 .validity_days = SIM_DAYS,
                                                 .key_type = PROV_KEY_EC_P256 };
    world->conf = (struct prov_fleet_conf){ .issuing = &world->issuing.base,
                                            .token_ttl_ms = INT64_C(1000) * SIM_TOKEN_S };
    world->issuing.issuer = once.signer;
}

static void copy_table(struct prov_txn *from, struct prov_txn *to, unsigned table)
{
    struct prov_span key, value;
    struct prov_cursor *cursor;

    assert_int_equal(prov_txn_scan(from, table, &cursor), PROV_OK);
    while (prov_cursor_next(cursor, &key, &value) == PROV_OK)
        assert_int_equal(prov_txn_put(to, table, key, value), PROV_OK);
    prov_cursor_free(cursor);
}

struct prov_store *sim_copy_store(struct prov_store *from)
{
    struct prov_store *copy = NULL;
    struct prov_txn *read, *write;

    assert_int_equal(prov_store_mem_new(&prov_registry_schema, &copy), PROV_OK);
    assert_int_equal(prov_txn_begin(from, PROV_TXN_READ, NULL, &read), PROV_OK);
    assert_int_equal(prov_txn_begin(copy, PROV_TXN_WRITE, NULL, &write), PROV_OK);
    for (unsigned table = 0; table < prov_registry_schema.n_tables; table++)
        copy_table(read, write, table);
    assert_int_equal(prov_txn_commit(write), PROV_OK);
    prov_txn_abort(read);
    return copy;
}

/* Templates and policies are read and checked once, not in every world. */
static void make_first(struct sim_world *world)
{
    struct prov_tx tx;

    sim_must(world, prov_store_mem_new(&prov_registry_schema, &world->store), "store");
    tx = sim_begin(world, PROV_TXN_WRITE, 0);
    add_policies(world, &tx);
    add_templates(world, &tx);
    add_ca(world, &tx);
    add_claim(world, &tx);
    sim_commit(&tx);
    once.claim_id = world->claim;
    once.ca_id = world->ca;
    once.first = world->store;
}

struct sim_world *sim_world_new(struct prov_store *as)
{
    struct sim_world *world = calloc(1, sizeof *world);

    assert_non_null(world);
    make_once();
    if (once.first == NULL)
        make_first(world);
    world->claim = once.claim_id;
    world->ca = once.ca_id;
    world->store = sim_copy_store(as != NULL ? as : once.first);
    sim_must(world, prov_issuers_new(&world->issuers), "issuers");
    sim_must(world, prov_rights_new(&world->rights), "rights");
    set_issuer(world);
    return world;
}

void sim_world_free(struct sim_world *world)
{
    if (world == NULL)
        return;
    prov_rights_free(world->rights);
    prov_issuers_free(world->issuers);
    prov_store_free(world->store);
    free(world);
}

/* ---- a trusted user ------------------------------------------------------------------------- */

struct sim_credentials sim_temporary_claim(struct sim_world *world, int64_t now_ms)
{
    struct prov_tx tx = sim_begin(world, PROV_TXN_WRITE, now_ms);
    struct pki_cert cert = pki_make(&(struct pki_spec){ .subject = "/O=Example/CN=installer",
                                                        .issuer = &once.issuer,
                                                        .now_s = tx.now_ms / 1000,
                                                        .not_before_s = -300,
                                                        .not_after_s = SIM_TEMPORARY_S });
    struct prov_made_cert made = { .not_before_s = tx.now_ms / 1000 - 300,
                                   .not_after_s = tx.now_ms / 1000 + SIM_TEMPORARY_S };
    uint8_t *der = pki_der(cert.x509, &made.der.n);
    struct prov_id id;

    made.der.p = der;
    sim_must(world, prov_cert_record_claim(&tx, &made, PROV_LIT(SIM_TEMPLATE), &id), "claim");
    sim_commit(&tx);
    free(der);
    free(once.temporary_cert);
    free(once.temporary_key);
    once.temporary_cert = pki_pem(cert.x509);
    once.temporary_key = pki_key_pem(cert.key);
    pki_free(&cert);
    return (struct sim_credentials){ once.temporary_cert, once.temporary_key };
}
