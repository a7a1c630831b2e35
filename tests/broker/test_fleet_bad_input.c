/* Requests that are none: each has an answer of AWS IoT's shape, and leaves nothing behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/pem.h>

#include <cmocka.h>

#include "support/fleet_rig.h"

struct row {
    enum prov_fleet_op op;
    struct prov_span payload;
    const char *code;
};

#define ROW(op, text)                                                                              \
    {                                                                                              \
        (op), { (const uint8_t *)(text), sizeof(text) - 1 }, "InvalidRequest"                      \
    }
#define CSR_ROW(text)                                                                              \
    {                                                                                              \
        PROV_CREATE_FROM_CSR, { (const uint8_t *)(text), sizeof(text) - 1 },                       \
            "InvalidCertificateSigningRequest"                                                     \
    }
#define TOKEN_ROW(text)                                                                            \
    {                                                                                              \
        PROV_REGISTER_THING, { (const uint8_t *)(text), sizeof(text) - 1 },                        \
            "InvalidCertificateOwnershipToken"                                                     \
    }

#define CSR "certificateSigningRequest"
#define TOKEN "certificateOwnershipToken"

static const struct row json_rows[] = {
    /* no JSON, or not an object */
    ROW(PROV_CREATE_KEYS, "{"),
    ROW(PROV_CREATE_KEYS, "7"),
    ROW(PROV_CREATE_KEYS, "{} {}"),
    ROW(PROV_CREATE_KEYS, "{\"a\":1,\"a\":1}"),
    ROW(PROV_CREATE_FROM_CSR, ""),
    ROW(PROV_CREATE_FROM_CSR, "\xff\xfe"),
    ROW(PROV_CREATE_FROM_CSR, "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["),
    ROW(PROV_REGISTER_THING, ""),
    ROW(PROV_REGISTER_THING, "{\"" TOKEN "\":\"a\",}"),
    /* fields */
    ROW(PROV_CREATE_FROM_CSR, "{}"),
    ROW(PROV_CREATE_FROM_CSR, "{\"" CSR "\":7}"),
    ROW(PROV_CREATE_FROM_CSR, "{\"" CSR "\":null}"),
    ROW(PROV_CREATE_FROM_CSR, "{\"" CSR "\":\"a\",\"" CSR "\":\"a\"}"),
    ROW(PROV_CREATE_FROM_CSR, "{\"" CSR "\":\"a\\u0000b\"}"),
    ROW(PROV_CREATE_FROM_CSR, "{\"" CSR "\":\"\xc3\x28\"}"),
    ROW(PROV_CREATE_FROM_CSR, "{\"CERTIFICATESIGNINGREQUEST\":\"a\"}"),
    CSR_ROW("{\"" CSR "\":\"\"}"),
    CSR_ROW("{\"" CSR "\":\"-----BEGIN CERTIFICATE REQUEST-----\\nAAAA\\n"
            "-----END CERTIFICATE REQUEST-----\\n\"}"),
    ROW(PROV_REGISTER_THING, "{}"),
    ROW(PROV_REGISTER_THING, "{\"" TOKEN "\":{}}"),
    ROW(PROV_REGISTER_THING, "{\"" TOKEN "\":\"a\",\"parameters\":[]}"),
    ROW(PROV_REGISTER_THING, "{\"" TOKEN "\":\"a\",\"parameters\":{\"Serial\":7}}"),
    ROW(PROV_REGISTER_THING, "{\"" TOKEN "\":\"a\",\"parameters\":{\"\":\"1\"}}"),
    ROW(PROV_REGISTER_THING,
        "{\"" TOKEN "\":\"a\",\"parameters\":{\"Serial\":\"1\",\"Serial\":\"2\"}}"),
    ROW(PROV_REGISTER_THING, "{\"" TOKEN "\":\"a\",\"parameters\":{\"Serial\":\"1\\u0000\"}}"),
    ROW(PROV_REGISTER_THING, "{\"parameters\":{\"Serial\":\"1\"}}"),
    TOKEN_ROW("{\"" TOKEN "\":\"\",\"parameters\":{\"Serial\":\"1\"}}"),
    TOKEN_ROW("{\"" TOKEN "\":\"a\"}"),
};

/* The two names have 25 characters: 0x78 0x19. */
#define CBOR_CSR "\x78\x19" CSR
#define CBOR_TOKEN "\x78\x19" TOKEN
#define CBOR_PARAMETERS "\x6aparameters"

static const struct row cbor_rows[] = {
    /* no CBOR (RFC 8949), or not a map */
    ROW(PROV_CREATE_KEYS, "\xa1"),
    ROW(PROV_CREATE_KEYS, "\xff"),
    ROW(PROV_CREATE_KEYS, "\x1c"),
    ROW(PROV_CREATE_KEYS, "\xa1\x61"),
    ROW(PROV_CREATE_KEYS, "\xbf\x61"
                          "a\xff"),
    ROW(PROV_CREATE_KEYS, "\xa0\x00"),
    ROW(PROV_CREATE_KEYS, "\xbb\xff\xff\xff\xff\xff\xff\xff\xff"),
    ROW(PROV_CREATE_KEYS, "\xc0\xa0"),
    ROW(PROV_CREATE_FROM_CSR, ""),
    ROW(PROV_CREATE_FROM_CSR, "\x00"),
    ROW(PROV_CREATE_FROM_CSR, "\x9f\xff"),
    ROW(PROV_CREATE_FROM_CSR, "\x81\x81\x81\x81\x81\x81\x81\x81\x81\x81\x81\x81\x81\x80"),
    ROW(PROV_REGISTER_THING, ""),
    ROW(PROV_REGISTER_THING, "{\"" TOKEN "\":\"a\"}"),
    /* fields */
    ROW(PROV_CREATE_FROM_CSR, "\xa0"),
    ROW(PROV_CREATE_FROM_CSR, "\xa1" CBOR_CSR "\x07"),
    ROW(PROV_CREATE_FROM_CSR, "\xa1" CBOR_CSR "\xf6"),
    ROW(PROV_CREATE_FROM_CSR, "\xa1" CBOR_CSR "\x41"
                              "a"),
    ROW(PROV_CREATE_FROM_CSR, "\xa1" CBOR_CSR "\x62\xc3\x28"),
    ROW(PROV_CREATE_FROM_CSR, "\xa1" CBOR_CSR "\x62"
                              "a\x00"),
    ROW(PROV_CREATE_FROM_CSR, "\xa2" CBOR_CSR "\x61"
                              "a" CBOR_CSR "\x61"
                              "a"),
    ROW(PROV_CREATE_FROM_CSR, "\xa1" CBOR_CSR "\x7a\x7f\xff\xff\xff"
                              "a"),
    ROW(PROV_CREATE_FROM_CSR, "\xa1" CBOR_CSR "\x7f\x61"
                              "a\x41"
                              "b\xff"),
    CSR_ROW("\xa1" CBOR_CSR "\x60"),
    CSR_ROW("\xa1" CBOR_CSR "\x7f\x61"
            "a\x61"
            "b\xff"),
    ROW(PROV_REGISTER_THING, "\xa1" CBOR_TOKEN "\xa0"),
    ROW(PROV_REGISTER_THING, "\xa2" CBOR_TOKEN "\x61"
                             "a" CBOR_PARAMETERS "\x80"),
    ROW(PROV_REGISTER_THING, "\xa2" CBOR_TOKEN "\x61"
                             "a" CBOR_PARAMETERS "\xa1\x01\x61"
                             "1"),
    ROW(PROV_REGISTER_THING, "\xa2" CBOR_TOKEN "\x61"
                             "a" CBOR_PARAMETERS "\xa1\x66Serial\x01"),
    TOKEN_ROW("\xa1" CBOR_TOKEN "\x60"),
    TOKEN_ROW("\xa1" CBOR_TOKEN "\x61"
              "a"),
};

static const struct {
    const struct row *rows;
    size_t n;
} tables[] = {
    [PROV_JSON] = { json_rows, PROV_COUNT(json_rows) },
    [PROV_CBOR] = { cbor_rows, PROV_COUNT(cbor_rows) },
};

static void expect_row(struct mqtt *c, enum prov_format format, const struct row *row)
{
    const struct fleet_ask ask = { row->op, format, .raw = row->payload, .qos = 1 };
    struct fleet_answer answer = fleet_call(c, &ask);

    if (answer.accepted || strcmp(fleet_text(&answer, "errorCode"), row->code) != 0)
        print_error("payload \"%.*s\"\n", (int)row->payload.n, (const char *)row->payload.p);
    fleet_check_rejected(&answer, 400, row->code, NULL, __FILE__, __LINE__);
    fleet_release(&answer);
}

static void request_that_cannot_be_read_is_rejected_in_its_own_format(void **state)
{
    struct fleet_rig f = { 0 };
    char *before, *after;
    struct fleet_device d;
    struct mqtt *c;

    (void)state;
    fleet_up(&f, NULL);
    c = fleet_claim(&f, "blank");
    before = fleet_dump(&f);
    for (unsigned i = 0; i < PROV_FORMATS; i++) {
        for (size_t j = 0; j < tables[i].n; j++)
            expect_row(c, (enum prov_format)i, &tables[i].rows[j]);
    }
    after = fleet_dump(&f);
    assert_string_equal(before, after);
    fleet_check(&f);
    for (unsigned i = 0; i < PROV_FORMATS; i++) { /* and none of it is held against anybody */
        d = fleet_create(c, (enum prov_format)i, "1");
        fleet_device_free(&d);
    }
    free(before);
    free(after);
    mqtt_free(c);
    fleet_down(&f);
}

/* ---- signing requests ------------------------------------------------------------------------ */

enum flaw {
    FLAW_NONE,
    FLAW_SIGNATURE,
    FLAW_KEY_OF_ANOTHER,
    FLAW_TRAILING_BYTES,
    FLAW_TWO_OF_THEM,
    FLAW_TEXT_BEHIND,
    FLAW_64_KB,
};

/* The DER of one, with a flaw. */
static size_t make_der(EVP_PKEY *key, const EVP_MD *digest, enum flaw flaw, uint8_t **out)
{
    EVP_PKEY *other = pki_key_new(PKI_P256);
    X509_REQ *req = X509_REQ_new();
    uint8_t *der = NULL;
    int n;

    assert_non_null(req);
    assert_int_equal(X509_REQ_set_pubkey(req, key), 1);
    assert_true(X509_REQ_sign(req, flaw == FLAW_KEY_OF_ANOTHER ? other : key, digest) > 0);
    n = i2d_X509_REQ(req, &der);
    assert_true(n > 0);
    *out = calloc(1, (size_t)n + 1);
    assert_non_null(*out);
    memcpy(*out, der, (size_t)n);
    if (flaw == FLAW_SIGNATURE)
        (*out)[n - 1] ^= 1;
    OPENSSL_free(der);
    X509_REQ_free(req);
    EVP_PKEY_free(other);
    return (size_t)n + (flaw == FLAW_TRAILING_BYTES);
}

static char *make_body(EVP_PKEY *key, const EVP_MD *digest, enum flaw flaw)
{
    BIO *pem = BIO_new(BIO_s_mem());
    cJSON *doc = cJSON_CreateObject();
    const char *text;
    char *body, *copy;
    uint8_t *der;
    size_t n;
    long len;

    n = make_der(key, digest, flaw, &der);
    for (unsigned i = 0; i < (flaw == FLAW_TWO_OF_THEM ? 2 : 1); i++)
        assert_true(PEM_write_bio(pem, "CERTIFICATE REQUEST", "", der, (long)n) > 0);
    if (flaw == FLAW_TEXT_BEHIND)
        assert_true(BIO_puts(pem, "and more") > 0);
    for (unsigned i = 0; flaw == FLAW_64_KB && i < 64; i++)
        assert_int_equal(BIO_printf(pem, "%1024s", ""), 1024);
    len = BIO_get_mem_data(pem, &text);
    copy = strndup(text, (size_t)len);
    assert_non_null(cJSON_AddStringToObject(doc, "certificateSigningRequest", copy));
    body = cJSON_PrintUnformatted(doc);
    assert_non_null(body);
    cJSON_Delete(doc);
    free(copy);
    free(der);
    BIO_free(pem);
    return body;
}

static void signing_request_that_proves_nothing_or_too_little_is_rejected(void **state)
{
    static const struct {
        enum pki_key key;
        const char *digest;
        enum flaw flaw;
        bool accepted;
    } rows[] = {
        { PKI_P256, "SHA256", FLAW_NONE, true },
        { PKI_P256, "SHA256", FLAW_SIGNATURE, false },
        { PKI_P256, "SHA256", FLAW_KEY_OF_ANOTHER, false },
        { PKI_P256, "SHA256", FLAW_TRAILING_BYTES, false },
        { PKI_P256, "SHA256", FLAW_TWO_OF_THEM, false },
        { PKI_P256, "SHA256", FLAW_TEXT_BEHIND, false },
        { PKI_P256, "SHA256", FLAW_64_KB, false },
        { PKI_P256, "SHA1", FLAW_NONE, false },
        { PKI_P384, "SHA384", FLAW_NONE, true },
        { PKI_P256K1, "SHA256", FLAW_NONE, false },
        { PKI_P256_EXPLICIT, "SHA256", FLAW_NONE, false },
        { PKI_RSA_2048, "SHA256", FLAW_NONE, true },
        { PKI_RSA_1024, "SHA256", FLAW_NONE, false },
        { PKI_ED25519, NULL, FLAW_NONE, false },
    };
    struct fleet_rig f = { 0 };
    char *before, *after;
    struct mqtt *c;

    (void)state;
    fleet_up(&f, NULL);
    c = fleet_claim(&f, "blank");
    for (size_t i = 0; i < 2 * PROV_COUNT(rows); i++) {
        EVP_PKEY *key = pki_key_new(rows[i / 2].key);
        const char *digest = rows[i / 2].digest;
        char *body =
            make_body(key, digest != NULL ? EVP_get_digestbyname(digest) : NULL, rows[i / 2].flaw);
        const struct fleet_ask ask = { PROV_CREATE_FROM_CSR, i % 2 == 0 ? PROV_JSON : PROV_CBOR,
                                       .body = body, .qos = 1 };
        struct fleet_answer answer;

        before = fleet_dump(&f);
        answer = fleet_call(c, &ask);
        after = fleet_dump(&f);
        if (rows[i / 2].accepted) {
            struct fleet_device d = fleet_take_device(&answer, key);

            fleet_device_free(&d);
        } else {
            fleet_check_rejected(&answer, 400, "InvalidCertificateSigningRequest",
                                 "issue: ", __FILE__, __LINE__);
            assert_string_equal(before, after);
        }
        fleet_release(&answer);
        free(before);
        free(after);
        free(body);
        EVP_PKEY_free(key);
    }
    mqtt_free(c);
    fleet_down(&f);
}

/* ---- sizes ----------------------------------------------------------------------------------- */

static void payload_over_128_kb_is_rejected_and_one_of_that_size_is_read(void **state)
{
    enum { LIMIT = 131072 };
    static const struct {
        size_t n;
        int status;
        const char *code;
    } rows[] = {
        { LIMIT, 0, NULL },
        { LIMIT + 1, 400, "InvalidRequest" },
        { 4 * LIMIT, 400, "InvalidRequest" },
    };
    static const struct broker_opt ec_keys[] = { { "key_type", "ec-p256" }, { NULL, NULL } };
    struct fleet_rig f = { 0 };
    struct mqtt *c;

    (void)state;
    fleet_up(&f, ec_keys);
    c = fleet_claim(&f, "blank");
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        uint8_t *payload = malloc(rows[i].n);
        const struct fleet_ask ask = { PROV_CREATE_KEYS, PROV_JSON,
                                       .raw = prov_span(payload, rows[i].n), .qos = 1 };
        struct fleet_answer answer;

        assert_non_null(payload);
        memset(payload, ' ', rows[i].n);
        payload[0] = '{';
        payload[1] = '}';
        answer = fleet_call(c, &ask);
        if (rows[i].code == NULL)
            assert_true(answer.accepted);
        else
            fleet_check_rejected(&answer, rows[i].status, rows[i].code, "128 KiB", __FILE__,
                                 __LINE__);
        fleet_release(&answer);
        free(payload);
    }
    mqtt_free(c);
    fleet_down(&f);
}

static void parameter_longer_than_a_template_takes_is_rejected(void **state)
{
    static const struct {
        size_t name, value;
        bool read; /* though what the template makes of it is another matter */
    } rows[] = {
        { 2048, 4096, true },
        { 2049, 1, false },
        { 1, 4097, false },
    };
    struct fleet_rig f = { 0 };
    struct fleet_device d;
    struct mqtt *c;

    (void)state;
    fleet_up(&f, NULL);
    c = fleet_claim(&f, "blank");
    d = fleet_create(c, PROV_JSON, "1");
    for (size_t i = 0; i < 2 * PROV_COUNT(rows); i++) {
        char name[4200], value[4200], body[9000];
        const struct fleet_ask ask = { PROV_REGISTER_THING, i % 2 == 0 ? PROV_JSON : PROV_CBOR,
                                       .body = body, .qos = 1 };

        memset(name, 'n', sizeof name);
        memset(value, 'v', sizeof value);
        (void)snprintf(body, sizeof body,
                       "{\"certificateOwnershipToken\":\"%s\",\"parameters\":{\"%.*s\":\"%.*s\"}}",
                       d.token, (int)rows[i / 2].name, name, (int)rows[i / 2].value, value);
        fleet_expect_rejected(c, &ask, 400,
                              rows[i / 2].read ? "InvalidParameters" : "InvalidRequest", NULL);
    }
    fleet_register(c, PROV_JSON, &d, "1");
    mqtt_free(c);
    fleet_device_free(&d);
    fleet_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_that_cannot_be_read_is_rejected_in_its_own_format),
        cmocka_unit_test(signing_request_that_proves_nothing_or_too_little_is_rejected),
        cmocka_unit_test(payload_over_128_kb_is_rejected_and_one_of_that_size_is_read),
        cmocka_unit_test(parameter_longer_than_a_template_takes_is_rejected),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
