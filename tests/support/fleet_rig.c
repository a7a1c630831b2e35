#include "support/fleet_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sys/stat.h>

#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cmocka.h>

#include "core/ident.h"
#include "support/deadline.h"
#include "support/tmp.h"

#define ARN "arn:aws:iot:*:*:"

static const char claim_policy[] =
    "{\"Version\":\"2012-10-17\",\"Statement\":["
    "{\"Effect\":\"Allow\",\"Action\":\"iot:Connect\",\"Resource\":\"*\"},"
    "{\"Effect\":\"Allow\",\"Action\":[\"iot:Publish\",\"iot:Receive\"],\"Resource\":["
    "\"" ARN "topic/$aws/certificates/create/*\","
    "\"" ARN "topic/$aws/certificates/create-from-csr/*\","
    "\"" ARN "topic/$aws/provisioning-templates/" FLEET_TEMPLATE "/provision/*\"]},"
    "{\"Effect\":\"Allow\",\"Action\":\"iot:Subscribe\",\"Resource\":["
    "\"" ARN "topicfilter/$aws/certificates/create/*\","
    "\"" ARN "topicfilter/$aws/certificates/create-from-csr/*\","
    "\"" ARN "topicfilter/$aws/provisioning-templates/" FLEET_TEMPLATE "/provision/*\"]}]}";

static const char spare_policy[] =
    "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"iot:Publish\","
    "\"Resource\":\"" ARN "topic/$aws/provisioning-templates/*\"}]}";

const char fleet_template[] =
    "{\"Parameters\":{\"Serial\":{\"Type\":\"String\"},"
    "\"AWS::IoT::Certificate::Id\":{\"Type\":\"String\"}},"
    "\"Resources\":{"
    "\"thing\":{\"Type\":\"AWS::IoT::Thing\",\"Properties\":{"
    "\"ThingName\":{\"Fn::Join\":[\"-\",[\"pump\",{\"Ref\":\"Serial\"}]]},"
    "\"AttributePayload\":{\"serial\":{\"Ref\":\"Serial\"}}}},"
    "\"certificate\":{\"Type\":\"AWS::IoT::Certificate\",\"Properties\":{"
    "\"CertificateId\":{\"Ref\":\"AWS::IoT::Certificate::Id\"},\"Status\":\"ACTIVE\"}},"
    "\"policy\":{\"Type\":\"AWS::IoT::Policy\",\"Properties\":{\"PolicyName\":\"" FLEET_POLICY
    "\"}}},"
    "\"DeviceConfiguration\":{\"site\":\"north\",\"serial\":{\"Ref\":\"Serial\"}}}";

/* ---- the registry ---------------------------------------------------------------------------- */

struct prov_id fleet_id(const X509 *cert)
{
    struct prov_id id;

    assert_int_equal(prov_ident_id(cert, &id), PROV_OK);
    return id;
}

void fleet_create_template(struct fleet_rig *f, const char *name, const char *body,
                           const char *hook)
{
    struct prov_tx tx = rig_begin(&f->rig, PROV_TXN_WRITE);
    const struct prov_template_creation creation = {
        .name = prov_span_str(name),
        .body = prov_span_str(body),
        .hook = prov_span_str(hook),
        .type = PROV_TEMPLATE_FLEET,
        .enabled = true,
    };

    rig_ok(&tx, prov_template_create(&tx, &creation));
    rig_end(&tx);
}

void fleet_attach(struct fleet_rig *f, const struct prov_id *cert, const char *policy)
{
    struct prov_tx tx = rig_begin(&f->rig, PROV_TXN_WRITE);

    rig_ok(&tx, prov_policy_attach_cert(&tx, prov_span_str(policy), cert));
    rig_end(&tx);
}

void fleet_detach(struct fleet_rig *f, const struct prov_id *cert, const char *policy)
{
    struct prov_tx tx = rig_begin(&f->rig, PROV_TXN_WRITE);

    rig_ok(&tx, prov_policy_detach_cert(&tx, prov_span_str(policy), cert));
    rig_end(&tx);
}

struct pki_cert fleet_make_claim(struct fleet_rig *f, const char *cn, const char *policy)
{
    struct prov_tx tx = rig_begin(&f->rig, PROV_TXN_WRITE);
    char subject[128];
    struct pki_cert claim;
    struct prov_id id;
    uint8_t *der;
    size_t n;

    (void)snprintf(subject, sizeof subject, "/O=Factory/CN=%s", cn);
    claim = pki_make(&(struct pki_spec){ .subject = subject });
    der = pki_der(claim.x509, &n);
    rig_ok(&tx, prov_cert_register(&tx,
                                   &(struct prov_cert_registration){ .der = prov_span(der, n),
                                                                     .without_ca = true,
                                                                     .status = PROV_CERT_ACTIVE },
                                   &id));
    rig_ok(&tx, prov_policy_attach_cert(&tx, prov_span_str(policy), &id));
    rig_end(&tx);
    free(der);
    return claim;
}

bool fleet_status(struct fleet_rig *f, const struct prov_id *id, enum prov_cert_status *status)
{
    struct prov_tx tx = rig_begin(&f->rig, PROV_TXN_READ);
    struct prov_cert cert;
    const enum prov_rc rc = prov_cert_get(&tx, id, &cert);

    prov_txn_abort(tx.txn);
    if (rc == PROV_ENOTFOUND)
        return false;
    rig_ok(&tx, rc);
    *status = cert.status;
    return true;
}

void fleet_wait_deleted(struct fleet_rig *f, const struct prov_id *cert)
{
    const int64_t deadline = deadline_in(0);
    enum prov_cert_status status;

    while (fleet_status(f, cert, &status)) {
        if (deadline_left(deadline) == 0)
            fail_msg("the certificate is still there, %s", prov_cert_status_name(status));
        (void)sched_yield();
    }
}

void fleet_wait_status(struct fleet_rig *f, const struct prov_id *cert,
                       enum prov_cert_status wanted)
{
    const int64_t deadline = deadline_in(0);
    enum prov_cert_status status;

    for (;;) {
        assert_true(fleet_status(f, cert, &status));
        if (status == wanted)
            return;
        if (deadline_left(deadline) == 0)
            fail_msg("the certificate stays %s", prov_cert_status_name(status));
        (void)sched_yield();
    }
}

static void tell_problem(void *ctx, const char *text)
{
    print_error("the registry: %s\n", text);
    *(bool *)ctx = true;
}

void fleet_check(struct fleet_rig *f)
{
    struct prov_tx tx = rig_begin(&f->rig, PROV_TXN_READ);
    bool found = false;

    rig_ok(&tx, prov_registry_check(&tx, tell_problem, &found));
    prov_txn_abort(tx.txn);
    assert_false(found);
}

/* ---- the dump -------------------------------------------------------------------------------- */

struct dump {
    struct prov_tx tx;
    enum prov_list_kind kind;
    struct prov_buf out;
};

static void dump_span(struct dump *d, struct prov_span text)
{
    prov_buf_add_str(&d->out, " ");
    prov_buf_add(&d->out, text);
}

static void dump_cert(struct dump *d, struct prov_span key)
{
    struct prov_cert cert;
    struct prov_id id;

    memcpy(id.b, key.p, PROV_ID_LEN);
    rig_ok(&d->tx, prov_cert_get(&d->tx, &id, &cert));
    prov_buf_addf(&d->out, " %s %lld", prov_cert_status_name(cert.status),
                  (long long)cert.modified_ms);
    for (size_t i = 0; i < cert.n_policies; i++)
        dump_span(d, cert.policies[i]);
    for (size_t i = 0; i < cert.n_things; i++)
        dump_span(d, cert.things[i]);
}

static void dump_thing(struct dump *d, struct prov_span key)
{
    struct prov_thing thing;

    rig_ok(&d->tx, prov_thing_get(&d->tx, key, &thing));
    prov_buf_addf(&d->out, " version %u, %zu principals", thing.version, thing.n_principals);
    for (size_t i = 0; i < thing.n_attrs; i++)
        dump_span(d, thing.attrs[i].value);
}

static bool dump_one(void *ctx, struct prov_span key)
{
    struct dump *d = ctx;

    prov_buf_addf(&d->out, "%d:", (int)d->kind);
    if (d->kind == PROV_LIST_CERTS || d->kind == PROV_LIST_CAS || d->kind == PROV_LIST_CLAIMS)
        for (size_t i = 0; i < key.n; i++)
            prov_buf_addf(&d->out, "%02x", key.p[i]);
    else
        dump_span(d, key);
    if (d->kind == PROV_LIST_CERTS)
        dump_cert(d, key);
    else if (d->kind == PROV_LIST_THINGS)
        dump_thing(d, key);
    prov_buf_add_str(&d->out, "\n");
    return true;
}

char *fleet_dump(struct fleet_rig *f)
{
    static const enum prov_list_kind kinds[] = {
        PROV_LIST_CAS,      PROV_LIST_CERTS,     PROV_LIST_THINGS,
        PROV_LIST_GROUPS,   PROV_LIST_TYPES,     PROV_LIST_BILLING_GROUPS,
        PROV_LIST_POLICIES, PROV_LIST_TEMPLATES, PROV_LIST_CLAIMS,
    };
    struct dump d = { .tx = rig_begin(&f->rig, PROV_TXN_READ) };
    uint64_t counts[PROV_CERT_STATUSES];
    char *text;

    prov_buf_init(&d.out, 16u << 20);
    for (size_t i = 0; i < PROV_COUNT(kinds); i++) {
        d.kind = kinds[i];
        rig_ok(&d.tx,
               prov_list(&d.tx, d.kind, prov_span(NULL, 0), prov_span(NULL, 0), dump_one, &d));
    }
    rig_ok(&d.tx, prov_cert_counts(&d.tx, counts));
    for (size_t i = 0; i < PROV_CERT_STATUSES; i++)
        prov_buf_addf(&d.out, "%s: %llu\n", prov_cert_status_name((enum prov_cert_status)i),
                      (unsigned long long)counts[i]);
    prov_txn_abort(d.tx.txn);
    assert_int_equal(d.out.rc, PROV_OK);
    text = strdup(prov_buf_cstr(&d.out));
    assert_non_null(text);
    prov_buf_release(&d.out);
    return text;
}

/* ---- up and down ----------------------------------------------------------------------------- */

void fleet_put_issuer(const struct fleet_rig *f)
{
    pki_write(f->rig.db, "issuer", &f->issuer, NULL);
}

void fleet_remove_issuer(const struct fleet_rig *f)
{
    char path[TMP_PATH_MAX];

    assert_int_equal(unlink(tmp_path(f->rig.db, "issuer.crt", path)), 0);
    assert_int_equal(unlink(tmp_path(f->rig.db, "issuer.key", path)), 0);
}

void fleet_fill(struct fleet_rig *f)
{
    f->issuer = pki_make(&(struct pki_spec){ .subject = "/O=Factory/CN=Issuer", .ca = true });
    fleet_put_issuer(f);
    rig_create_policy(&f->rig, "claim", claim_policy);
    rig_create_policy(&f->rig, FLEET_SPARE_POLICY, spare_policy);
    fleet_create_template(f, FLEET_TEMPLATE, fleet_template, NULL);
    f->claim = fleet_make_claim(f, "golden image", "claim");
    f->claim_id = fleet_id(f->claim.x509);
}

void fleet_up(struct fleet_rig *f, const struct broker_opt *opts)
{
    rig_prepare(&f->rig, &(struct rig_spec){ .opts = opts });
    fleet_fill(f);
    rig_start(&f->rig);
}

void fleet_down(struct fleet_rig *f)
{
    pki_free(&f->claim);
    pki_free(&f->issuer);
    rig_down(&f->rig);
}

/* ---- devices --------------------------------------------------------------------------------- */

void fleet_device_free(struct fleet_device *d)
{
    pki_free(&d->cert);
    memset(d, 0, sizeof *d);
}

static struct mqtt *connect_by(const struct fleet_rig *f, const struct pki_cert *cert,
                               const char *client_id, enum mqtt_version version)
{
    struct rig_link link = rig_link(&f->rig, cert, client_id);

    link.options.tls = &link.tls;
    link.options.version = version;
    return expect_connected(&link.options);
}

struct mqtt *fleet_connect(const struct fleet_rig *f, const struct pki_cert *cert,
                           const char *client_id)
{
    return connect_by(f, cert, client_id, MQTT_V311);
}

struct mqtt *fleet_connect5(const struct fleet_rig *f, const struct pki_cert *cert,
                            const char *client_id)
{
    return connect_by(f, cert, client_id, MQTT_V5);
}

struct mqtt *fleet_claim(const struct fleet_rig *f, const char *client_id)
{
    return fleet_connect(f, &f->claim, client_id);
}

struct fleet_device fleet_take_device(const struct fleet_answer *answer, EVP_PKEY *key)
{
    struct fleet_device d = { 0 };
    char hex[PROV_ID_HEX + 1];
    const char *token;

    if (!answer->accepted)
        fail_msg("rejected: %s", (const char *)answer->message->payload);
    assert_int_equal(cJSON_GetArraySize(answer->doc), key == NULL ? 4 : 3);
    token = fleet_text(answer, "certificateOwnershipToken");
    assert_int_equal(strlen(token), PROV_TOKEN_LEN);
    memcpy(d.token, token, sizeof d.token);
    d.cert.x509 = pki_from_pem(fleet_text(answer, "certificatePem"));
    if (key != NULL)
        assert_int_equal(EVP_PKEY_up_ref(key), 1);
    d.cert.key = key != NULL ? key : pki_key_from_pem(fleet_text(answer, "privateKey"));
    assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(d.cert.x509), d.cert.key), 1);
    d.id = fleet_id(d.cert.x509);
    prov_id_hex(&d.id, hex);
    assert_string_equal(fleet_text(answer, "certificateId"), hex);
    return d;
}

struct fleet_device fleet_create(struct mqtt *c, enum prov_format format, const char *cn)
{
    EVP_PKEY *key = pki_key_new(PKI_P256);
    char *body = fleet_csr_body(key, cn);
    const struct fleet_ask ask = {
        .op = PROV_CREATE_FROM_CSR, .format = format, .body = body, .qos = 1
    };
    struct fleet_answer answer = fleet_call(c, &ask);
    struct fleet_device d = fleet_take_device(&answer, key);

    fleet_release(&answer);
    free(body);
    EVP_PKEY_free(key);
    return d;
}

void fleet_register(struct mqtt *c, enum prov_format format, const struct fleet_device *d,
                    const char *serial)
{
    char *body = fleet_register_body(d->token, serial), thing[64];
    const struct fleet_ask ask = {
        .op = PROV_REGISTER_THING, .format = format, .body = body, .qos = 1
    };
    struct fleet_answer answer = fleet_call(c, &ask);
    const cJSON *conf;

    if (!answer.accepted)
        fail_msg("rejected: %s", cJSON_PrintUnformatted(answer.doc));
    (void)snprintf(thing, sizeof thing, "pump-%s", serial);
    assert_string_equal(fleet_text(&answer, "thingName"), thing);
    conf = cJSON_GetObjectItemCaseSensitive(answer.doc, "deviceConfiguration");
    assert_int_equal(cJSON_GetArraySize(conf), 2);
    assert_string_equal(cJSON_GetObjectItemCaseSensitive(conf, "site")->valuestring, "north");
    assert_string_equal(cJSON_GetObjectItemCaseSensitive(conf, "serial")->valuestring, serial);
    assert_int_equal(cJSON_GetArraySize(answer.doc), 2);
    fleet_release(&answer);
    free(body);
}

struct fleet_device fleet_provision(const struct fleet_rig *f, const char *serial)
{
    struct mqtt *c = fleet_claim(f, serial);
    struct fleet_device d = fleet_create(c, PROV_JSON, serial);

    fleet_register(c, PROV_JSON, &d, serial);
    mqtt_free(c);
    return d;
}

struct mqtt *fleet_join(const struct fleet_rig *f, const struct fleet_device *d, const char *serial)
{
    char thing[64];

    (void)snprintf(thing, sizeof thing, "pump-%s", serial);
    return fleet_connect(f, &d->cert, thing);
}

/* ---- hooks that wait ------------------------------------------------------------------------- */

void fleet_use_hooks(struct fleet_rig *f, const char *timeout_ms)
{
    static char dir[TMP_PATH_MAX]; /* outlives the broker */
    char gate[TMP_PATH_MAX];

    assert_int_equal(mkdir(tmp_path(f->rig.dir, "hooks", dir), 0755), 0);
    assert_int_equal(mkfifo(tmp_path(dir, "gate", gate), 0666), 0);
    rig_add_opt(&f->rig, "hook_dir", dir);
    rig_add_opt(&f->rig, "hook_timeout_ms", timeout_ms);
}

const char *fleet_hook(const struct fleet_rig *f, const char *name, const char *script,
                       char out[static 600])
{
    char path[TMP_PATH_MAX], whole[TMP_PATH_MAX];
    FILE *file;

    (void)snprintf(whole, sizeof whole, "%s/%s", "hooks", name);
    (void)tmp_path(f->rig.dir, whole, path);
    file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fprintf(file, "#!/bin/sh\n%s\n", script) > 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0755), 0);
    (void)snprintf(out, 600, "exec:%s", path);
    return out;
}

int fleet_gate(const struct fleet_rig *f)
{
    const int64_t deadline = deadline_in(0);
    char path[TMP_PATH_MAX];
    int fd;

    (void)tmp_path(f->rig.dir, "hooks/gate", path);
    /* ENXIO: nobody reads yet */
    while ((fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC)) == -1) {
        assert_int_equal(errno, ENXIO);
        if (deadline_left(deadline) == 0)
            fail_msg("no hook stands at the gate");
        (void)sched_yield();
    }
    return fd;
}
