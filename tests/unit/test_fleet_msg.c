/*
 * Fleet provisioning: its topics, and requests in both formats. What only CBOR has is in
 * test_fleet_msg_cbor.c, the answers in test_fleet_msg_answer.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/fleet_msg.h"
#include "support/alloc.h"

#define KEYS PROV_CREATE_KEYS
#define CSR PROV_CREATE_FROM_CSR
#define REG PROV_REGISTER_THING

/* ---- topics ---------------------------------------------------------------------------------- */

#define NAME36 "abcdefghijklmnopqrstuvwxyz_-ABCD0189"

static void topics_of_requests_are_known_and_answered_beside_them(void **state)
{
    static const struct {
        const char *topic;
        enum prov_fleet_op op;
        enum prov_format format;
        const char *name;
    } rows[] = {
        { "$aws/certificates/create/json", KEYS, PROV_JSON, "" },
        { "$aws/certificates/create/cbor", KEYS, PROV_CBOR, "" },
        { "$aws/certificates/create-from-csr/json", CSR, PROV_JSON, "" },
        { "$aws/certificates/create-from-csr/cbor", CSR, PROV_CBOR, "" },
        { "$aws/provisioning-templates/fleet/provision/json", REG, PROV_JSON, "fleet" },
        { "$aws/provisioning-templates/F/provision/cbor", REG, PROV_CBOR, "F" },
        { "$aws/provisioning-templates/provision/provision/cbor", REG, PROV_CBOR, "provision" },
        { "$aws/provisioning-templates/" NAME36 "/provision/json", REG, PROV_JSON, NAME36 },
    };
    (void)state;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        char answer[PROV_MAX_FLEET_TOPIC], want[PROV_MAX_FLEET_TOPIC];
        struct prov_fleet_topic t;

        assert_true(prov_fleet_topic_parse(prov_span_str(rows[i].topic), &t));
        assert_int_equal(t.op, rows[i].op);
        assert_int_equal(t.format, rows[i].format);
        assert_true(prov_span_eq_str(t.template_name, rows[i].name));
        (void)snprintf(want, sizeof want, "%s/accepted", rows[i].topic);
        prov_fleet_answer_topic(&t, true, answer);
        assert_string_equal(answer, want);
        (void)snprintf(want, sizeof want, "%s/rejected", rows[i].topic);
        prov_fleet_answer_topic(&t, false, answer);
        assert_string_equal(answer, want);
    }
}

static void other_topics_are_no_requests(void **state)
{
    static const struct prov_span topics[] = {
        { NULL, 0 },
        PROV_LIT("$aws"),
        PROV_LIT("$aws/certificates/create"),
        PROV_LIT("$aws/certificates/create/"),
        PROV_LIT("$aws/certificates/create/JSON"),
        PROV_LIT("$aws/certificates/create/jso"),
        PROV_LIT("$aws/certificates/create/jsonx"),
        PROV_LIT("$aws/certificates/create/json/"),
        PROV_LIT("$aws/certificates/create/json\0"),
        PROV_LIT("$aws/certificates/create/json/accepted"),
        PROV_LIT("$aws/certificates/create/cbor/rejected"),
        PROV_LIT("$aws/certificates/create/+"),
        PROV_LIT("$aws/certificates/create/#"),
        PROV_LIT("$aws/certificates/create/payload-format"),
        PROV_LIT("$aws/certificates/create//json"),
        PROV_LIT("/$aws/certificates/create/json"),
        PROV_LIT("x$aws/certificates/create/json"),
        PROV_LIT("$AWS/certificates/create/json"),
        PROV_LIT("aws/certificates/create/json"),
        PROV_LIT("$aws/certificates/create-from-csr"),
        PROV_LIT("$aws/certificates/create-from-csr/json/accepted"),
        PROV_LIT("$aws/certificates/create_from_csr/json"),
        PROV_LIT("$aws/certificates/create-from-csr/t/json"),
        PROV_LIT("$aws/provisioning-templates"),
        PROV_LIT("$aws/provisioning-templates/"),
        PROV_LIT("$aws/provisioning-templates/t"),
        PROV_LIT("$aws/provisioning-templates/t/"),
        PROV_LIT("$aws/provisioning-templates/t/json"),
        PROV_LIT("$aws/provisioning-templates/t/provision"),
        PROV_LIT("$aws/provisioning-templates/t/provision/"),
        PROV_LIT("$aws/provisioning-templates/t/provision/json/"),
        PROV_LIT("$aws/provisioning-templates/t/provision/json/accepted"),
        PROV_LIT("$aws/provisioning-templates//provision/json"),
        PROV_LIT("$aws/provisioning-templates/provision/json"),
        PROV_LIT("$aws/provisioning-templates/a/b/provision/json"),
        PROV_LIT("$aws/provisioning-templates/+/provision/json"),
        PROV_LIT("$aws/provisioning-templates/#/provision/json"),
        PROV_LIT("$aws/provisioning-templates/a b/provision/json"),
        PROV_LIT("$aws/provisioning-templates/a\0b/provision/json"),
        PROV_LIT("$aws/provisioning-templates/\xc3\xa4/provision/json"),
        PROV_LIT("$aws/provisioning-templates/" NAME36 "x/provision/json"),
    };
    (void)state;

    for (size_t i = 0; i < PROV_COUNT(topics); i++) {
        struct prov_fleet_topic t = { KEYS, PROV_JSON, PROV_LIT("untouched") };

        if (prov_fleet_topic_parse(topics[i], &t))
            fail_msg("%.*s is taken for a request", PROV_SPAN_ARG(topics[i]));
        assert_true(prov_span_eq_str(t.template_name, "untouched"));
    }
}

static void operations_have_names(void **state)
{
    (void)state;

    assert_string_equal(prov_fleet_op_name(KEYS), "CreateKeysAndCertificate");
    assert_string_equal(prov_fleet_op_name(CSR), "CreateCertificateFromCsr");
    assert_string_equal(prov_fleet_op_name(REG), "RegisterThing");
    assert_string_equal(prov_fleet_op_name(PROV_FLEET_OPS), "unknown");
}

/* ---- requests: the same in both formats ------------------------------------------------------ */

/* Parses a copy of the exact size, so that a sanitizer sees any reading behind it. */
static enum prov_rc parse(enum prov_fleet_op op, enum prov_format format, struct prov_span payload,
                          struct prov_fleet_request **out, struct prov_err *err)
{
    const struct prov_fleet_topic t = { op, format, PROV_LIT("t") };
    uint8_t *copy = malloc(payload.n == 0 ? 1 : payload.n);
    enum prov_rc rc;

    assert_non_null(copy);
    if (payload.n != 0)
        memcpy(copy, payload.p, payload.n);
    rc = prov_fleet_request_parse(&t, prov_span(copy, payload.n), out, err);
    free(copy); /* texts must not point into it */
    return rc;
}

static struct prov_fleet_request *accepted(enum prov_fleet_op op, enum prov_format format,
                                           struct prov_span payload)
{
    struct prov_fleet_request *r = NULL;
    struct prov_err err = { .rc = PROV_OK };

    if (parse(op, format, payload, &r, &err) != PROV_OK)
        fail_msg("%.*s: %s", PROV_SPAN_ARG(payload), err.text);
    assert_non_null(r);
    return r;
}

/* Hex digits and spaces as bytes. */
static struct prov_span unhex(const char *hex, uint8_t out[static 256])
{
    size_t n = 0;

    for (; *hex != '\0'; hex += 2, n++) {
        while (*hex == ' ')
            hex++;
        assert_true(n < 256 && prov_unhex(prov_span(hex, 2), &out[n], 1));
    }
    return prov_span(out, n);
}

static void keys_are_made_for_whoever_asks_for_nothing(void **state)
{
    static const struct {
        enum prov_format format;
        struct prov_span payload;
    } rows[] = {
        { PROV_JSON, { NULL, 0 } },
        { PROV_CBOR, { NULL, 0 } },
        { PROV_JSON, PROV_LIT("{}") },
        { PROV_JSON, PROV_LIT(" { } \r\n") },
        { PROV_CBOR, PROV_LIT("\xa0") },
        { PROV_CBOR, PROV_LIT("\xbf\xff") },
        { PROV_CBOR, PROV_LIT("\xb8\0") },
        { PROV_CBOR, PROV_LIT("\xb9\0\0") },
        { PROV_CBOR, PROV_LIT("\xba\0\0\0\0") },
        { PROV_CBOR, PROV_LIT("\xbb\0\0\0\0\0\0\0\0") },
        { PROV_JSON, PROV_LIT("{\"x\":[1,{\"a\":null}],\"certificateSigningRequest\":1,"
                              "\"parameters\":0}") },
        { PROV_CBOR, PROV_LIT("\xa2\x61x\x82\x01\xa1\x61"
                              "a\xf6\x6aparameters\x00") },
    };
    (void)state;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct prov_fleet_request *r = accepted(KEYS, rows[i].format, rows[i].payload);

        assert_int_equal(r->csr.n + r->token.n + r->parameters.n, 0);
        prov_fleet_request_free(r);
    }
    prov_fleet_request_free(NULL);
}

static void request_from_csr_has_the_csr(void **state)
{
    static const struct {
        enum prov_format format;
        struct prov_span payload;
        const char *csr;
    } rows[] = {
        { PROV_JSON, PROV_LIT("{\"certificateSigningRequest\":\"-----BEGIN\\nMA\\u00e9\"}"),
          "-----BEGIN\nMA\xc3\xa9" },
        { PROV_CBOR,
          PROV_LIT("\xa1\x78\x19"
                   "certificateSigningRequest\x6a-----BEGIN"),
          "-----BEGIN" },
        { PROV_JSON, PROV_LIT("{\"certificateSigningRequest\":\"\"}"), "" },
        { PROV_CBOR,
          PROV_LIT("\xa1\x78\x19"
                   "certificateSigningRequest\x60"),
          "" },
        /* of RegisterThing alone, and so ignored */
        { PROV_JSON,
          PROV_LIT("{\"parameters\":1,\"certificateOwnershipToken\":[],"
                   "\"certificateSigningRequest\":\"x\",\"CertificateSigningRequest\":2}"),
          "x" },
    };
    (void)state;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct prov_fleet_request *r = accepted(CSR, rows[i].format, rows[i].payload);

        assert_true(prov_span_eq_str(r->csr, rows[i].csr));
        assert_int_equal(r->token.n + r->parameters.n, 0);
        prov_fleet_request_free(r);
    }
}

#define TOKEN_JSON "\"certificateOwnershipToken\":\"tok\""
#define TOKEN_CBOR                                                                                 \
    "\x78\x19"                                                                                     \
    "certificateOwnershipToken\x63tok"

static void registration_has_token_and_parameters_in_their_order(void **state)
{
    static const struct {
        enum prov_format format;
        struct prov_span payload;
    } rows[] = {
        { PROV_JSON, PROV_LIT("{" TOKEN_JSON ",\"parameters\":{\"S\":\"1\",\"\\u00c4\":\"\","
                              "\"A\":\"x y\"}}") },
        { PROV_JSON, PROV_LIT("{\"parameters\":{\"S\":\"1\",\"\xc3\x84\":\"\",\"A\":\"x y\"},"
                              "\"more\":{\"a\":{}}," TOKEN_JSON "}") },
        { PROV_CBOR, PROV_LIT("\xa2" TOKEN_CBOR "\x6aparameters\xa3\x61S\x61"
                              "1\x62\xc3\x84\x60\x61"
                              "A\x63x y") },
        { PROV_CBOR, PROV_LIT("\xbf\x6aparameters\xbf\x61S\x61"
                              "1\x62\xc3\x84\x60\x61"
                              "A\x63x y\xff\x64more\xa1\x61"
                              "a\xa0" TOKEN_CBOR "\xff") },
    };
    static const struct prov_param want[] = {
        { PROV_LIT("S"), PROV_LIT("1") },
        { PROV_LIT("\xc3\x84"), PROV_LIT("") },
        { PROV_LIT("A"), PROV_LIT("x y") },
    };
    (void)state;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct prov_fleet_request *r = accepted(REG, rows[i].format, rows[i].payload);

        assert_true(prov_span_eq_str(r->token, "tok"));
        assert_int_equal(r->csr.n, 0);
        assert_int_equal(r->parameters.n, PROV_COUNT(want));
        for (size_t k = 0; k < PROV_COUNT(want); k++) {
            assert_true(prov_span_eq(r->parameters.v[k].name, want[k].name));
            assert_true(prov_span_eq(r->parameters.v[k].value, want[k].value));
        }
        prov_fleet_request_free(r);
    }
}

static void registration_needs_no_parameters_and_leaves_the_token_to_others(void **state)
{
    static const struct {
        enum prov_format format;
        struct prov_span payload;
        size_t token;
    } rows[] = {
        { PROV_JSON, PROV_LIT("{" TOKEN_JSON "}"), 3 },
        { PROV_CBOR, PROV_LIT("\xa1" TOKEN_CBOR), 3 },
        { PROV_JSON, PROV_LIT("{" TOKEN_JSON ",\"parameters\":{}}"), 3 },
        { PROV_CBOR, PROV_LIT("\xa2" TOKEN_CBOR "\x6aparameters\xa0"), 3 },
        { PROV_JSON, PROV_LIT("{\"certificateOwnershipToken\":\"\"}"), 0 },
        { PROV_CBOR,
          PROV_LIT("\xa1\x78\x19"
                   "certificateOwnershipToken\x60"),
          0 },
    };
    (void)state;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct prov_fleet_request *r = accepted(REG, rows[i].format, rows[i].payload);

        assert_int_equal(r->token.n, rows[i].token);
        assert_int_equal(r->parameters.n, 0);
        prov_fleet_request_free(r);
    }
}

/* ---- what is refused ------------------------------------------------------------------------- */

static void refused(enum prov_fleet_op op, enum prov_format format, struct prov_span payload,
                    const char *why)
{
    struct prov_fleet_request *r = (struct prov_fleet_request *)&payload;
    struct prov_err err = { .rc = PROV_OK };

    assert_int_equal(parse(op, format, payload, &r, &err), PROV_EINVAL);
    assert_null(r);
    assert_int_equal(err.rc, PROV_EINVAL);
    assert_string_equal(err.code, "InvalidRequest");
    if (strstr(err.text, why) == NULL)
        fail_msg("said \"%s\", not \"%s\"", err.text, why);
    assert_int_equal(err.line + err.col, 0);
    assert_string_equal(err.path, "");
    assert_int_equal(parse(op, format, payload, &r, NULL), PROV_EINVAL);
}

static void bad_json_is_refused_in_words_that_name_the_field(void **state)
{
    static const struct {
        enum prov_fleet_op op;
        struct prov_span payload;
        const char *why;
    } rows[] = {
        { KEYS, PROV_LIT("[]"), "the request must be an object" },
        { KEYS, PROV_LIT("null"), "the request must be an object" },
        { KEYS, PROV_LIT("\"\""), "the request must be an object" },
        { KEYS, PROV_LIT(" "), "ends where a value was expected (line 1, column 2)" },
        { KEYS, PROV_LIT("{"), "a key in double quotes" },
        { KEYS, PROV_LIT("{}{}"), "the end of the text was expected" },
        { KEYS, PROV_LIT("{}\0"), "the end of the text was expected" },
        { KEYS, PROV_LIT("\xa0"), "byte 0xa0" },
        { KEYS, PROV_LIT("{\"a\":1,\n\"a\":2}"), "a: the same key twice (line 2, column 1)" },
        { KEYS, PROV_LIT("{\"a\":{\"b\":1,\"b\":2}}"), "a.b: the same key twice" },
        { CSR, { NULL, 0 }, "certificateSigningRequest is missing" },
        { CSR, PROV_LIT("{}"), "certificateSigningRequest is missing" },
        { CSR, PROV_LIT("{\"CertificateSigningRequest\":\"x\"}"), "certificateSigningRequest is" },
        { CSR, PROV_LIT("{\"certificateSigningRequest\":null}"), "Request must be text" },
        { CSR, PROV_LIT("{\"certificateSigningRequest\":1}"), "Request must be text" },
        { CSR, PROV_LIT("{\"certificateSigningRequest\":[\"x\"]}"), "Request must be text" },
        { CSR, PROV_LIT("{\"certificateSigningRequest\":{}}"), "Request must be text" },
        { CSR, PROV_LIT("{\"certificateSigningRequest\":\"a\\u0000\"}"), "\\u0000" },
        { CSR, PROV_LIT("{\"certificateSigningRequest\":\"a\xff\"}"), "not UTF-8" },
        { CSR,
          PROV_LIT("{\"certificateSigningRequest\":\"a\",\"certificateSigningRequest\":\"a\"}"),
          "certificateSigningRequest: the same key twice" },
        { REG, { NULL, 0 }, "certificateOwnershipToken is missing" },
        { REG, PROV_LIT("{\"parameters\":{\"S\":\"1\"}}"), "certificateOwnershipToken is missing" },
        { REG, PROV_LIT("{\"certificateOwnershipToken\":null}"), "Token must be text" },
        { REG, PROV_LIT("{\"certificateOwnershipToken\":false}"), "Token must be text" },
        { REG, PROV_LIT("{" TOKEN_JSON "," TOKEN_JSON "}"), "Token: the same key twice" },
        { REG, PROV_LIT("{" TOKEN_JSON ",\"parameters\":null}"), "parameters must be a map" },
        { REG, PROV_LIT("{" TOKEN_JSON ",\"parameters\":[]}"), "parameters must be a map" },
        { REG, PROV_LIT("{" TOKEN_JSON ",\"parameters\":\"\"}"), "parameters must be a map" },
        { REG, PROV_LIT("{" TOKEN_JSON ",\"parameters\":{\"SerialNumber\":1}}"),
          "parameters.SerialNumber must be text" },
        { REG, PROV_LIT("{" TOKEN_JSON ",\"parameters\":{\"a\":\"1\",\"b\":null}}"),
          "parameters.b must be text" },
        { REG, PROV_LIT("{" TOKEN_JSON ",\"parameters\":{\"S\":{}}}"), "parameters.S must be" },
        { REG, PROV_LIT("{" TOKEN_JSON ",\"parameters\":{\"\xc3\xa4\\n\x7f~\":1}}"),
          "parameters.????~ must be text" },
        { REG, PROV_LIT("{" TOKEN_JSON ",\"parameters\":{\"\":\"1\"}}"), "without a name" },
        { REG, PROV_LIT("{" TOKEN_JSON ",\"parameters\":{\"S\":\"1\",\"S\":\"1\"}}"),
          "parameters.S: the same key twice" },
        { REG, PROV_LIT("{" TOKEN_JSON ",\"parameters\":{\"S\":\"\\u0000\"}}"), "\\u0000" },
        { REG, PROV_LIT("{" TOKEN_JSON ",\"parameters\":{\"S\":\"\x80\"}}"), "not UTF-8" },
    };
    (void)state;

    for (size_t i = 0; i < PROV_COUNT(rows); i++)
        refused(rows[i].op, PROV_JSON, rows[i].payload, rows[i].why);
}

#define CSR_KEY "7819 6365727469666963617465 5369676e696e67 52657175657374"
#define TOKEN_KEY "7819 6365727469666963617465 4f776e657273686970 546f6b656e"
#define PARAMS_KEY "6a 706172616d6574657273"

static void bad_cbor_is_refused_in_words_that_name_the_field(void **state)
{
    static const struct {
        enum prov_fleet_op op;
        const char *hex;
        const char *why;
    } rows[] = {
        { KEYS, "80", "the request must be a map" },
        { KEYS, "f6", "the request must be a map" },
        { KEYS, "60", "the request must be a map" },
        { KEYS, "00", "the request must be a map" },
        { KEYS, "7b7d", "malformed CBOR at byte 0: it is cut off" },
        { KEYS, "d9d9f7 a0", "the request must be a map" }, /* a tag: self-described */
        { KEYS, "a0 00", "1 bytes behind the request" },
        { KEYS, "bfff ff", "1 bytes behind the request" },
        { KEYS, "a1 01 02", "a key must be text" },
        { KEYS, "a1 4161 02", "a key must be text" },
        { KEYS, "a1 c06161 02", "a key must be text" },
        { KEYS, "a1 620061 02", "a key holds a NUL" },
        { KEYS, "a1 61ff 02", "a key is not UTF-8" },
        { KEYS, "a2 6161 01 6161 02", "a: the same key twice" },
        { KEYS, "a2 6161 01 7f6161ff 02", "a: the same key twice" },
        { KEYS, "a1 6178 a2 6161 01 6161 02", "a: the same key twice" },
        { KEYS, "a1 6178 61c3", "a text is not UTF-8" },
        { KEYS, "a1 6178 a1 61c3 00", "a key is not UTF-8" },
        { CSR, "", "certificateSigningRequest is missing" },
        { CSR, "a0", "certificateSigningRequest is missing" },
        { CSR, "a1 " CSR_KEY "f6", "certificateSigningRequest must be text" },
        { CSR, "a1 " CSR_KEY "f7", "certificateSigningRequest must be text" },
        { CSR, "a1 " CSR_KEY "01", "certificateSigningRequest must be text" },
        { CSR, "a1 " CSR_KEY "4161", "certificateSigningRequest must be text" },
        { CSR, "a1 " CSR_KEY "5f4161ff", "certificateSigningRequest must be text" },
        { CSR, "a1 " CSR_KEY "816161", "certificateSigningRequest must be text" },
        { CSR, "a1 " CSR_KEY "a0", "certificateSigningRequest must be text" },
        { CSR, "a1 " CSR_KEY "d8246161", "certificateSigningRequest must be text" },
        { CSR, "a1 " CSR_KEY "626100", "certificateSigningRequest holds a NUL" },
        { CSR, "a1 " CSR_KEY "7f61616100ff", "certificateSigningRequest holds a NUL" },
        { CSR, "a1 " CSR_KEY "62c328", "certificateSigningRequest is not UTF-8" },
        { CSR, "a1 " CSR_KEY "7f61c361a4ff", "certificateSigningRequest is not UTF-8" },
        { CSR, "a2 " CSR_KEY "6161" CSR_KEY "6161", "certificateSigningRequest: the same" },
        { REG, "a0", "certificateOwnershipToken is missing" },
        { REG, "a1 " PARAMS_KEY "a0", "certificateOwnershipToken is missing" },
        { REG, "a1 " TOKEN_KEY "f6", "certificateOwnershipToken must be text" },
        { REG, "a2 " TOKEN_KEY "60" TOKEN_KEY "60", "certificateOwnershipToken: the same" },
        { REG, "a2 " TOKEN_KEY "60" PARAMS_KEY "f6", "parameters must be a map" },
        { REG, "a2 " TOKEN_KEY "60" PARAMS_KEY "80", "parameters must be a map" },
        { REG, "a2 " TOKEN_KEY "60" PARAMS_KEY "60", "parameters must be a map" },
        { REG, "a2 " TOKEN_KEY "60" PARAMS_KEY "c1a0", "parameters must be a map" },
        { REG, "a2 " TOKEN_KEY "60" PARAMS_KEY "a1 6153 01", "parameters.S must be text" },
        { REG, "a2 " TOKEN_KEY "60" PARAMS_KEY "a1 6153 f6", "parameters.S must be text" },
        { REG, "a2 " TOKEN_KEY "60" PARAMS_KEY "a1 6153 a0", "parameters.S must be text" },
        { REG, "a2 " TOKEN_KEY "60" PARAMS_KEY "a1 62c3a4 01", "parameters.?? must be text" },
        { REG, "a2 " TOKEN_KEY "60" PARAMS_KEY "a1 60 6161", "without a name" },
        { REG, "a2 " TOKEN_KEY "60" PARAMS_KEY "a1 01 6161", "a key must be text" },
        { REG, "a2 " TOKEN_KEY "60" PARAMS_KEY "a1 6153 6100", "parameters.S holds a NUL" },
        { REG, "a2 " TOKEN_KEY "60" PARAMS_KEY "a1 6153 6180", "parameters.S is not UTF-8" },
        { REG, "a2 " TOKEN_KEY "60" PARAMS_KEY "a2 6153 60 6153 60", "parameters.S: the same" },
        { REG, "a3 " TOKEN_KEY "60" PARAMS_KEY "a0" PARAMS_KEY "a0", "parameters: the same" },
    };
    (void)state;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        uint8_t bytes[256];

        refused(rows[i].op, PROV_CBOR, unhex(rows[i].hex, bytes), rows[i].why);
    }
}

/* ---- limits ---------------------------------------------------------------------------------- */

/* A registration of n parameters whose names and values are name_n and value_n bytes long. */
static struct prov_buf registration(enum prov_format format, unsigned n, size_t name_n,
                                    size_t value_n)
{
    const bool cbor = format == PROV_CBOR;
    char *value = malloc(value_n + 1), *name = malloc(name_n + 1);
    struct prov_buf b;

    assert_true(value != NULL && name != NULL);
    memset(value, 'v', value_n);
    prov_buf_init(&b, 4 * PROV_MAX_FLEET_PAYLOAD);
    prov_buf_add_str(&b, cbor ? "\xbf" TOKEN_CBOR "\x6aparameters\xbf"
                              : "{" TOKEN_JSON ",\"parameters\":{");
    for (unsigned i = 0; i < n; i++) {
        (void)snprintf(name, name_n + 1, "%0*u", (int)name_n, i);
        if (cbor) {
            prov_buf_add(
                &b, prov_span((uint8_t[]){ 0x79, (uint8_t)(name_n >> 8), (uint8_t)name_n }, 3));
            prov_buf_add(&b, prov_span(name, name_n));
            prov_buf_add(
                &b, prov_span((uint8_t[]){ 0x79, (uint8_t)(value_n >> 8), (uint8_t)value_n }, 3));
            prov_buf_add(&b, prov_span(value, value_n));
        } else {
            prov_buf_addf(&b, "%s\"%.*s\":\"%.*s\"", i == 0 ? "" : ",", (int)name_n, name,
                          (int)value_n, value);
        }
    }
    prov_buf_add_str(&b, cbor ? "\xff\xff" : "}}");
    assert_int_equal(b.rc, PROV_OK);
    free(name);
    free(value);
    return b;
}

static void parameters_are_limited_in_number_and_length(void **state)
{
    static const struct {
        unsigned n;
        size_t name, value;
        const char *why; /* NULL: accepted */
    } rows[] = {
        { PROV_MAX_FLEET_PARAMS, 3, 1, NULL },
        { PROV_MAX_FLEET_PARAMS + 1, 3, 1, "parameters has more than 128" },
        { 2, PROV_MAX_PARAM_NAME, 0, NULL },
        { 2, PROV_MAX_PARAM_NAME + 1, 0, "has a name of 2049 bytes; 2048 are allowed" },
        { 2, 1, PROV_MAX_PARAM_VALUE, NULL },
        { 2, 1, PROV_MAX_PARAM_VALUE + 1, "parameters.0 has 4097 bytes; 4096 are allowed" },
    };
    (void)state;

    for (size_t i = 0; i < PROV_FORMATS * PROV_COUNT(rows); i++) {
        const enum prov_format format = (enum prov_format)(i % PROV_FORMATS);
        const size_t row = i / PROV_FORMATS;
        struct prov_buf b = registration(format, rows[row].n, rows[row].name, rows[row].value);

        if (rows[row].why == NULL) {
            struct prov_fleet_request *r = accepted(REG, format, prov_buf_span(&b));

            assert_int_equal(r->parameters.n, rows[row].n);
            assert_int_equal(r->parameters.v[0].name.n, rows[row].name);
            assert_int_equal(r->parameters.v[rows[row].n - 1].value.n, rows[row].value);
            prov_fleet_request_free(r);
        } else {
            refused(REG, format, prov_buf_span(&b), rows[row].why);
        }
        prov_buf_release(&b);
    }
}

/* A request whose one text fills it up to n bytes. */
static struct prov_buf filled(enum prov_fleet_op op, enum prov_format format, size_t n)
{
    static const char *const keys[] = { [KEYS] = "ignoredIgnoredIgnoredIgno",
                                        [CSR] = "certificateSigningRequest",
                                        [REG] = "certificateOwnershipToken" };
    const size_t around = format == PROV_CBOR ? 1 + 2 + 25 + 5 : 2 + 25 + 3 + 2;
    const uint32_t text = (uint32_t)(n - around);
    struct prov_buf b;

    prov_buf_init(&b, n);
    prov_buf_add_str(&b, format == PROV_CBOR ? "\xa1\x78\x19" : "{\"");
    prov_buf_add_str(&b, keys[op]);
    if (format == PROV_CBOR)
        prov_buf_add(&b, prov_span((uint8_t[]){ 0x7a, (uint8_t)(text >> 24), (uint8_t)(text >> 16),
                                                (uint8_t)(text >> 8), (uint8_t)text },
                                   5));
    else
        prov_buf_add_str(&b, "\":\"");
    for (uint32_t i = 0; i < text; i++)
        prov_buf_add_u8(&b, 'x');
    prov_buf_add_str(&b, format == PROV_CBOR ? "" : "\"}");
    assert_int_equal(b.rc, PROV_OK);
    assert_int_equal(b.n, n);
    return b;
}

static void payload_of_128_kilobytes_is_accepted_and_one_byte_more_is_not(void **state)
{
    (void)state;

    for (size_t i = 0; i < PROV_FLEET_OPS * PROV_FORMATS; i++) {
        const enum prov_fleet_op op = (enum prov_fleet_op)(i / PROV_FORMATS);
        const enum prov_format format = (enum prov_format)(i % PROV_FORMATS);
        struct prov_buf fits = filled(op, format, PROV_MAX_FLEET_PAYLOAD);
        struct prov_buf over = filled(op, format, PROV_MAX_FLEET_PAYLOAD + 1);
        struct prov_fleet_request *r = accepted(op, format, prov_buf_span(&fits));
        struct prov_err err = { .rc = PROV_OK };

        assert_int_equal(r->csr.n > 131000, op == CSR);
        assert_int_equal(r->token.n > 131000, op == REG);
        prov_fleet_request_free(r);
        assert_int_equal(parse(op, format, prov_buf_span(&over), &r, &err), PROV_ETOOBIG);
        assert_null(r);
        assert_int_equal(err.rc, PROV_ETOOBIG);
        assert_string_equal(err.code, "InvalidRequest");
        assert_string_equal(err.text, "131073 bytes were sent; 131072 are allowed");
        prov_buf_release(&fits);
        prov_buf_release(&over);
    }
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void request_without_memory_is_refused_and_leaves_nothing(void **state)
{
    (void)state;

    for (size_t i = 0; i < PROV_FORMATS; i++) {
        const struct prov_fleet_topic t = { REG, (enum prov_format)i, PROV_LIT("t") };
        struct prov_buf b = registration(t.format, 40, 3, 9);
        struct prov_fleet_request *r;
        enum prov_rc rc;
        unsigned n = 1;

        for (;; n++) {
            struct prov_err err = { .rc = PROV_OK };

            r = (struct prov_fleet_request *)&b;
            alloc_fail_at(n);
            rc = prov_fleet_request_parse(&t, prov_buf_span(&b), &r, &err);
            if (!alloc_failed())
                break;
            assert_int_equal(rc, PROV_ENOMEM);
            assert_int_equal(err.rc, PROV_ENOMEM);
            assert_null(r);
        }
        assert_int_equal(rc, PROV_OK);
        assert_true(n > 3);
        prov_fleet_request_free(r);
        prov_buf_release(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(topics_of_requests_are_known_and_answered_beside_them),
        cmocka_unit_test(other_topics_are_no_requests),
        cmocka_unit_test(operations_have_names),
        cmocka_unit_test(keys_are_made_for_whoever_asks_for_nothing),
        cmocka_unit_test(request_from_csr_has_the_csr),
        cmocka_unit_test(registration_has_token_and_parameters_in_their_order),
        cmocka_unit_test(registration_needs_no_parameters_and_leaves_the_token_to_others),
        cmocka_unit_test(bad_json_is_refused_in_words_that_name_the_field),
        cmocka_unit_test(bad_cbor_is_refused_in_words_that_name_the_field),
        cmocka_unit_test(parameters_are_limited_in_number_and_length),
        cmocka_unit_test(payload_of_128_kilobytes_is_accepted_and_one_byte_more_is_not),
        cmocka_unit_test(request_without_memory_is_refused_and_leaves_nothing),
    };

    return cmocka_run_group_tests_name("fleet_msg", tests, NULL, NULL);
}
