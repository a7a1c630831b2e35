#include "support/fleet_ask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cmocka.h>

#include "core/json.h"
#include "support/fleet_cbor.h"

static cJSON *parse(struct prov_span text)
{
    struct prov_err err = { 0 };
    cJSON *doc = NULL;

    if (prov_json_parse(text, 1u << 20, &doc, &err) != PROV_OK)
        fail_msg("%s in %.*s", err.text, (int)text.n, (const char *)text.p);
    return doc;
}

void fleet_topic(const struct fleet_ask *ask, char out[static PROV_MAX_FLEET_TOPIC])
{
    static const char *const creates[] = {
        [PROV_CREATE_KEYS] = "create", [PROV_CREATE_FROM_CSR] = "create-from-csr"
    };
    const char *format = ask->format == PROV_CBOR ? "cbor" : "json";

    if (ask->op == PROV_REGISTER_THING)
        (void)snprintf(out, PROV_MAX_FLEET_TOPIC, "$aws/provisioning-templates/%s/provision/%s",
                       ask->template_name != NULL ? ask->template_name : FLEET_TEMPLATE, format);
    else
        (void)snprintf(out, PROV_MAX_FLEET_TOPIC, "$aws/certificates/%s/%s", creates[ask->op],
                       format);
}

static void write_payload(const struct fleet_ask *ask, struct prov_buf *out)
{
    cJSON *doc;

    prov_buf_init(out, 1u << 20);
    if (ask->raw.p != NULL) {
        prov_buf_add(out, ask->raw);
    } else if (ask->body != NULL && ask->format == PROV_JSON) {
        prov_buf_add_str(out, ask->body);
    } else if (ask->body != NULL) {
        doc = parse(prov_span_str(ask->body));
        fleet_cbor_write(doc, out);
        cJSON_Delete(doc);
    }
    assert_int_equal(out->rc, PROV_OK);
}

uint16_t fleet_submit(struct mqtt *c, const struct fleet_ask *ask)
{
    char topic[PROV_MAX_FLEET_TOPIC];
    struct prov_buf payload;
    uint16_t id;

    fleet_topic(ask, topic);
    write_payload(ask, &payload);
    id = mqtt_submit_publish(c, &(struct mqtt_publish){ .topic = topic,
                                                        .payload = prov_buf_span(&payload),
                                                        .qos = ask->qos,
                                                        .props = ask->props });
    prov_buf_release(&payload);
    return id;
}

/* Of a PUBACK; 0x10: nobody had subscribed, which is as it should be. */
static bool is_success(int code)
{
    return code == 0 || code == 0x10;
}

void fleet_send(struct mqtt *c, const struct fleet_ask *ask)
{
    char topic[PROV_MAX_FLEET_TOPIC];
    struct prov_buf payload;
    int code;

    fleet_topic(ask, topic);
    write_payload(ask, &payload);
    code = mqtt_publish(c, &(struct mqtt_publish){ .topic = topic,
                                                   .payload = prov_buf_span(&payload),
                                                   .qos = ask->qos,
                                                   .props = ask->props });
    prov_buf_release(&payload);
    if (!is_success(code))
        fail_msg("not acknowledged (%d): %s", code, mqtt_story(c));
}

struct fleet_answer fleet_take(struct mqtt *c, const struct fleet_ask *ask)
{
    char accepted[PROV_MAX_FLEET_TOPIC + 16], rejected[PROV_MAX_FLEET_TOPIC + 16];
    char topic[PROV_MAX_FLEET_TOPIC];
    struct fleet_answer a = { .message = mqtt_wait_message(c, NULL) };
    struct prov_span payload;

    if (a.message == NULL)
        print_error("no answer: %s\n", mqtt_story(c));
    assert_non_null(a.message);
    fleet_topic(ask, topic);
    (void)snprintf(accepted, sizeof accepted, "%s/accepted", topic);
    (void)snprintf(rejected, sizeof rejected, "%s/rejected", topic);
    a.accepted = strcmp(a.message->topic, accepted) == 0;
    if (!a.accepted)
        assert_string_equal(a.message->topic, rejected);
    assert_false(a.message->retain);
    payload = prov_span(a.message->payload, a.message->n);
    a.doc = ask->format == PROV_CBOR ? fleet_cbor_read(payload) : parse(payload);
    if (a.doc == NULL)
        fail_msg("the answer is no CBOR that can be read");
    return a;
}

struct fleet_answer fleet_call(struct mqtt *c, const struct fleet_ask *ask)
{
    fleet_send(c, ask);
    return fleet_take(c, ask);
}

void fleet_release(struct fleet_answer *answer)
{
    cJSON_Delete(answer->doc);
    mqtt_message_free(answer->message);
    memset(answer, 0, sizeof *answer);
}

const char *fleet_text(const struct fleet_answer *answer, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(answer->doc, key);

    if (!cJSON_IsString(item))
        fail_msg("no text \"%s\" in %s", key, cJSON_PrintUnformatted(answer->doc));
    return item->valuestring;
}

void fleet_check_rejected(const struct fleet_answer *answer, int status, const char *code,
                          const char *text, const char *file, int line)
{
    const cJSON *got = cJSON_GetObjectItemCaseSensitive(answer->doc, "statusCode");

    if (!answer->accepted && cJSON_GetArraySize(answer->doc) == 3 && cJSON_IsNumber(got) &&
        got->valueint == status && strcmp(fleet_text(answer, "errorCode"), code) == 0 &&
        fleet_text(answer, "errorMessage")[0] != '\0' &&
        (text == NULL || strstr(fleet_text(answer, "errorMessage"), text) != NULL))
        return;
    print_error("%s:%d: expected %d %s \"%s\", not %s\n", file, line, status, code,
                text != NULL ? text : "", cJSON_PrintUnformatted(answer->doc));
    _fail(file, line);
}

void fleet_expect_rejected_at(struct mqtt *c, const struct fleet_ask *ask, int status,
                              const char *code, const char *text, const char *file, int line)
{
    struct fleet_answer answer = fleet_call(c, ask);

    fleet_check_rejected(&answer, status, code, text, file, line);
    fleet_release(&answer);
}

/* ---- bodies ---------------------------------------------------------------------------------- */

static char *print_and_delete(cJSON *doc)
{
    char *text = cJSON_PrintUnformatted(doc);

    assert_non_null(text);
    cJSON_Delete(doc);
    return text;
}

static char *csr_pem(EVP_PKEY *key, const char *cn)
{
    X509_REQ *req = X509_REQ_new();
    X509_NAME *name = X509_NAME_new();
    BIO *out = BIO_new(BIO_s_mem());
    const char *text;
    char *copy;
    long n;

    assert_true(req != NULL && name != NULL && out != NULL);
    assert_int_equal(
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)cn, -1, -1, 0),
        1);
    assert_int_equal(X509_REQ_set_subject_name(req, name), 1);
    assert_int_equal(X509_REQ_set_pubkey(req, key), 1);
    assert_true(X509_REQ_sign(req, key, EVP_sha256()) > 0);
    assert_int_equal(PEM_write_bio_X509_REQ(out, req), 1);
    n = BIO_get_mem_data(out, &text);
    copy = strndup(text, (size_t)n);
    assert_non_null(copy);
    BIO_free(out);
    X509_NAME_free(name);
    X509_REQ_free(req);
    return copy;
}

void fleet_write_csr(const char *path, EVP_PKEY *key, const char *cn)
{
    FILE *file = fopen(path, "we");
    char *pem = csr_pem(key, cn);

    assert_non_null(file);
    assert_true(fputs(pem, file) >= 0);
    assert_int_equal(fclose(file), 0);
    free(pem);
}

char *fleet_csr_body(EVP_PKEY *key, const char *cn)
{
    cJSON *doc = cJSON_CreateObject();
    char *pem = csr_pem(key, cn);

    assert_non_null(cJSON_AddStringToObject(doc, "certificateSigningRequest", pem));
    free(pem);
    return print_and_delete(doc);
}

char *fleet_register_body(const char *token, const char *serial)
{
    cJSON *doc = cJSON_CreateObject(), *parameters;

    assert_non_null(cJSON_AddStringToObject(doc, "certificateOwnershipToken", token));
    if (serial != NULL) {
        parameters = cJSON_AddObjectToObject(doc, "parameters");
        assert_non_null(cJSON_AddStringToObject(parameters, "Serial", serial));
    }
    return print_and_delete(doc);
}
