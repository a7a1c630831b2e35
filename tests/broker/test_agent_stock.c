/*
 * The agent against a stock Mosquitto, where a script answers on the provisioning topics: good
 * answers, and every kind of bad one. Nothing in the agent is this project's broker's.
 *
 * ctest timeout: 240
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fcntl.h>

#include <cmocka.h>
#include <cJSON.h>
#include <openssl/pem.h>

#include "device-agent/port/posix/exits.h"
#include "support/broker.h"
#include "support/child.h"
#include "support/deadline.h"
#include "support/mqtt.h"
#include "support/tmp.h"

#define FROM_CSR "$aws/certificates/create-from-csr/json"
#define CREATE "$aws/certificates/create/json"
#define REGISTER "$aws/provisioning-templates/stock/provision/json"
#define ACCEPTED "/accepted"
#define REJECTED "/rejected"

struct fixture {
    char *dir;
    struct pki_cert ca, server, claim, script;
    struct broker *broker;
    struct mqtt *responder;
};

static int set_up(void **state)
{
    static struct fixture f;
    const X509 *trusted[] = { NULL, NULL };
    struct broker_options options;
    struct mqtt_tls tls;

    f.dir = tmp_new();
    f.ca = pki_make(&(struct pki_spec){ .subject = "/CN=Stock CA", .ca = true });
    f.server = pki_make(&(struct pki_spec){
        .subject = "/CN=localhost", .issuer = &f.ca, .san = "DNS:localhost,IP:127.0.0.1" });
    f.claim = pki_make(&(struct pki_spec){ .subject = "/CN=claim", .issuer = &f.ca });
    f.script = pki_make(&(struct pki_spec){ .subject = "/CN=script", .issuer = &f.ca });
    trusted[0] = f.ca.x509;
    options = (struct broker_options){
        .dir = f.dir, .server = &f.server, .cafile = trusted, .allow_anonymous = true
    };
    f.broker = broker_start(&options);
    pki_write(f.dir, "ca", &f.ca, NULL);
    pki_write(f.dir, "claim", &f.claim, NULL);

    tls = (struct mqtt_tls){ .cert = f.script.x509, .key = f.script.key };
    f.responder = mqtt_start(&(struct mqtt_options){
        .port = broker_tls_port(f.broker), .tls = &tls, .client_id = "script", .wait_ms = 100 });
    for (int i = 0; i < 100 && mqtt_report(f.responder)->connack < 0; i++)
        (void)mqtt_wait_connack(f.responder);
    assert_int_equal(mqtt_report(f.responder)->connack, 0);
    assert_int_equal(mqtt_subscribe(f.responder, FROM_CSR, 1), 1);
    assert_int_equal(mqtt_subscribe(f.responder, CREATE, 1), 1);
    assert_int_equal(mqtt_subscribe(f.responder, REGISTER, 1), 1);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    mqtt_free(f->responder);
    broker_free(f->broker);
    pki_free(&f->script);
    pki_free(&f->claim);
    pki_free(&f->server);
    pki_free(&f->ca);
    tmp_free(f->dir);
    return 0;
}

/* ---- the script
 * ----------------------------------------------------------------------------------- */

static void publish(struct fixture *f, const char *topic, const char *payload, size_t n)
{
    const struct mqtt_publish p = { .topic = topic,
                                    .payload = { (const uint8_t *)payload, n },
                                    .qos = 1 };

    (void)mqtt_submit_publish(f->responder, &p);
    mqtt_send(f->responder);
}

static void answer(struct fixture *f, const struct mqtt_message *request, const char *ending,
                   const char *payload)
{
    char topic[256];

    (void)snprintf(topic, sizeof topic, "%s%s", request->topic, ending);
    publish(f, topic, payload, strlen(payload));
}

/* The key of the signing request that came. */
static EVP_PKEY *key_of(const struct mqtt_message *request)
{
    cJSON *const json = cJSON_ParseWithLength((const char *)request->payload, request->n);
    const cJSON *const pem = cJSON_GetObjectItemCaseSensitive(json, "certificateSigningRequest");
    BIO *bio;
    X509_REQ *csr;
    EVP_PKEY *key;

    assert_true(cJSON_IsString(pem));
    bio = BIO_new_mem_buf(pem->valuestring, -1);
    csr = PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);
    assert_non_null(csr);
    key = X509_REQ_get_pubkey(csr);
    X509_REQ_free(csr);
    BIO_free(bio);
    cJSON_Delete(json);
    return key;
}

enum flaw { GOOD, OTHER_KEY, TRUNCATED, HUGE, NOT_YET, SILENT, TWICE, REJECT, GARBAGE };

struct script {
    enum flaw create, registers;
    int status; /* of REJECT */
    const char *code;
};

static char *created(struct fixture *f, const struct mqtt_message *request, enum flaw flaw)
{
    const bool from_csr = strcmp(request->topic, FROM_CSR) == 0;
    EVP_PKEY *key = from_csr && flaw != OTHER_KEY ? key_of(request) : pki_key_new(PKI_P256);
    struct pki_spec spec = { .subject = "/CN=device", .issuer = &f->ca, .use_key = key };
    struct pki_cert cert;
    char *pem, *key_pem = NULL, *text;
    cJSON *const json = cJSON_CreateObject();

    if (flaw == NOT_YET) {
        spec.not_before_s = 86400;
        spec.not_after_s = 2 * 86400;
    }
    cert = pki_make(&spec);
    pem = pki_pem(cert.x509);
    (void)cJSON_AddStringToObject(
        json, "certificateId", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
    (void)cJSON_AddStringToObject(json, "certificatePem", pem);
    (void)cJSON_AddStringToObject(json, "certificateOwnershipToken", "a token of the script's");
    if (!from_csr) {
        EVP_PKEY *const given = flaw == OTHER_KEY ? pki_key_new(PKI_P256) : key;

        key_pem = pki_key_pem(given);
        (void)cJSON_AddStringToObject(json, "privateKey", key_pem);
        if (given != key)
            EVP_PKEY_free(given);
    }
    text = cJSON_PrintUnformatted(json);
    cJSON_Delete(json);
    free(key_pem);
    free(pem);
    pki_free(&cert);
    EVP_PKEY_free(key);
    return text;
}

static void reject(struct fixture *f, const struct mqtt_message *request, const struct script *s)
{
    char text[200];

    (void)snprintf(
        text, sizeof text,
        "{\"statusCode\":%d,\"errorCode\":\"%s\",\"errorMessage\":\"the script says so\"}",
        s->status, s->code);
    answer(f, request, REJECTED, text);
}

static void huge(struct fixture *f, const struct mqtt_message *request)
{
    const size_t n = 200000;
    char *const text = malloc(n + 1);

    assert_non_null(text);
    memset(text, ' ', n);
    text[0] = '{';
    text[n - 1] = '}';
    text[n] = '\0';
    answer(f, request, ACCEPTED, text);
    free(text);
}

static void respond(struct fixture *f, const struct mqtt_message *request, const struct script *s)
{
    const bool registers = strcmp(request->topic, REGISTER) == 0;
    const enum flaw flaw = registers ? s->registers : s->create;
    char *text;

    if (flaw == SILENT)
        return;
    if (flaw == REJECT) {
        reject(f, request, s);
        return;
    }
    if (flaw == HUGE) {
        huge(f, request);
        return;
    }
    if (flaw == GARBAGE) {
        answer(f, request, ACCEPTED, "[\"\xff\x00 no object");
        return;
    }
    text = registers
               ? strdup("{\"thingName\":\"stock-1\",\"deviceConfiguration\":{\"place\":\"lab\"}}")
               : created(f, request, flaw);
    assert_non_null(text);
    if (flaw == TRUNCATED)
        text[strlen(text) / 2] = '\0';
    answer(f, request, ACCEPTED, text);
    if (flaw == TWICE)
        answer(f, request, ACCEPTED, text);
    free(text);
}

/* ---- the agent
 * -------------------------------------------------------------------------------------- */

static const char *configure(struct fixture *f, const char *more, char path[static TMP_PATH_MAX])
{
    FILE *file;

    file = fopen(tmp_path(f->dir, "agent.conf", path), "w");
    assert_non_null(file);
    (void)fprintf(file,
                  "[broker]\nhost = localhost\nport = %u\nca_file = %s/ca.crt\n"
                  "answer_timeout = 2s\nconnect_timeout = 10s\n"
                  "[device]\nmethod = claim\nclient_id = new-1\ntemplate = stock\n"
                  "state_dir = %s/state\ndevice_id = one\n%s"
                  "[claim]\ncertificate = %s/claim.crt\nkey = %s/claim.key\nafter_use = keep\n"
                  "[parameters]\nSerialNumber = 1\n",
                  broker_tls_port(f->broker), f->dir, f->dir, more, f->dir, f->dir);
    assert_int_equal(fclose(file), 0);
    return path;
}

/* Its exit status, while the script answers. What it says is in <dir>/agent.err. */
static int agent(struct fixture *f, const struct script *script, const char *const *argv)
{
    char path[TMP_PATH_MAX];
    const int err = open(tmp_path(f->dir, "agent.err", path), O_CREAT | O_TRUNC | O_WRONLY, 0600);
    struct child child = { 0 };
    struct mqtt_message *request;
    int status = -1;

    assert_true(err >= 0);
    assert_true(child_start(
        &child, &(struct child_spec){ .argv = argv, .in = -1, .out = err, .err = err }));
    for (const int64_t until = deadline_in(60000); status == -1 && deadline_left(until) != 0;) {
        request = mqtt_wait_message(f->responder, NULL);
        if (request != NULL)
            respond(f, request, script);
        mqtt_message_free(request);
        status = child_wait(&child, deadline_now_ms());
    }
    child_kill(&child);
    (void)close(err);
    while ((request = mqtt_take_message(f->responder, NULL)) != NULL)
        mqtt_message_free(request);
    return status;
}

static int provision(struct fixture *f, const struct script *script, const char *more)
{
    char path[TMP_PATH_MAX];
    const char *const argv[] = { AGENT_PROGRAM_PATH,
                                 "--config",
                                 configure(f, more, path),
                                 "provision",
                                 "--timeout",
                                 "5",
                                 NULL };

    return agent(f, script, argv);
}

static bool is_there(const struct fixture *f, const char *name)
{
    char path[TMP_PATH_MAX];

    return access(tmp_path(f->dir, name, path), F_OK) == 0;
}

static void show_if_not(const struct fixture *f, int status, int expected, const char *name)
{
    char path[TMP_PATH_MAX], text[4096];
    FILE *file;
    size_t n;

    if (status == expected)
        return;
    file = fopen(tmp_path(f->dir, "agent.err", path), "r");
    n = file != NULL ? fread(text, 1, sizeof text - 1, file) : 0;
    text[n] = '\0';
    if (file != NULL)
        (void)fclose(file);
    fail_msg("%s: status %d, expected %d\n%s", name, status, expected, text);
}

/* ---- tests
 * ---------------------------------------------------------------------------------------- */

static void becomes_a_thing(struct fixture *f, const char *more)
{
    static const struct script good = { GOOD, GOOD, 0, NULL };

    show_if_not(f, provision(f, &good, more), EXIT_DONE, "provision");
    assert_true(is_there(f, "state/current/cert.pem"));
    assert_true(is_there(f, "state/current/key.pem"));
    assert_true(is_there(f, "state/current/config.json"));
}

static void device_gets_an_identity_by_its_own_request(void **state)
{
    becomes_a_thing(*state, "");
}

static void device_gets_an_identity_with_keys_of_the_brokers_making(void **state)
{
    becomes_a_thing(*state, "keys = broker\n");
}

static void answers_that_come_twice_are_taken_once(void **state)
{
    static const struct script twice = { TWICE, TWICE, 0, NULL };
    struct fixture *f = *state;

    show_if_not(f, provision(f, &twice, ""), EXIT_DONE, "provision");
    assert_true(is_there(f, "state/gen/1/cert.pem"));
    assert_false(is_there(f, "state/gen/2"));
}

static void bad_answers_have_an_exit_code_each_and_leave_no_identity(void **state)
{
    static const struct {
        const char *name;
        struct script script;
        const char *more;
        int exits;
    } rows[] = {
        { "another key's certificate",
          { OTHER_KEY, GOOD, 0, NULL },
          "",
          EXIT_CLASSES + AGENT_ANSWER },
        { "a key that does not fit",
          { OTHER_KEY, GOOD, 0, NULL },
          "keys = broker\n",
          EXIT_CLASSES + AGENT_ANSWER },
        { "half an answer", { TRUNCATED, GOOD, 0, NULL }, "", EXIT_CLASSES + AGENT_ANSWER },
        { "half a registration", { GOOD, TRUNCATED, 0, NULL }, "", EXIT_CLASSES + AGENT_ANSWER },
        { "garbage", { GARBAGE, GOOD, 0, NULL }, "", EXIT_CLASSES + AGENT_ANSWER },
        { "200,000 bytes", { HUGE, GOOD, 0, NULL }, "", EXIT_CLASSES + AGENT_ANSWER },
        { "no answer", { SILENT, GOOD, 0, NULL }, "", EXIT_TIMEOUT },
        { "no registration", { GOOD, SILENT, 0, NULL }, "", EXIT_TIMEOUT },
        { "valid from tomorrow on", { NOT_YET, GOOD, 0, NULL }, "", EXIT_TIMEOUT },
        { "bad request",
          { REJECT, GOOD, 400, "InvalidCertificateSigningRequest" },
          "",
          EXIT_CLASSES + AGENT_REJECTED },
        { "bad parameters",
          { GOOD, REJECT, 400, "InvalidParameters" },
          "",
          EXIT_CLASSES + AGENT_REJECTED },
        { "denied", { GOOD, REJECT, 403, "AccessDenied" }, "", EXIT_CLASSES + AGENT_REJECTED },
        { "too fast", { REJECT, GOOD, 429, "Throttling" }, "", EXIT_TIMEOUT },
        { "not now", { REJECT, GOOD, 503, "ServiceUnavailable" }, "", EXIT_TIMEOUT },
    };
    struct fixture *f = *state;
    char name[TMP_PATH_MAX];

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char more[TMP_PATH_MAX + 64];

        (void)snprintf(more, sizeof more, "%s", rows[i].more);
        (void)snprintf(name, sizeof name, "state-%zu", i);
        show_if_not(f, provision(f, &rows[i].script, more), rows[i].exits, rows[i].name);
        assert_false(is_there(f, "state/current"));
        /* and the next device is to begin from nothing */
        {
            char from[TMP_PATH_MAX], to[TMP_PATH_MAX];

            assert_int_equal(rename(tmp_path(f->dir, "state", from), tmp_path(f->dir, name, to)),
                             0);
        }
    }
}

/* Whatever went wrong, the next try with good answers gets there, with the same key. */
static void device_recovers_when_answers_become_good(void **state)
{
    static const struct script bad[] = {
        { OTHER_KEY, GOOD, 0, NULL },
        { GOOD, SILENT, 0, NULL },
        { GOOD, GARBAGE, 0, NULL },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_not_equal(provision(f, &bad[i], ""), EXIT_DONE);
    assert_true(is_there(f, "state/gen/1/key.pem"));
    becomes_a_thing(f, "");
    assert_false(is_there(f, "state/gen/2"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(device_gets_an_identity_by_its_own_request, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(device_gets_an_identity_with_keys_of_the_brokers_making,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(answers_that_come_twice_are_taken_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_answers_have_an_exit_code_each_and_leave_no_identity,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(device_recovers_when_answers_become_good, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
