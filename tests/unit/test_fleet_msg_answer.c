/*
 * Answers of fleet provisioning as other readers see them: cJSON, and libcbor's loader.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <cbor.h>

#include "core/fleet_msg.h"
#include "core/json.h"
#include "support/alloc.h"

#define MAX 65536

static const struct prov_param config[] = {
    { PROV_LIT("url"), PROV_LIT("mqtts://\"a\"\\b") },
    { PROV_LIT("\xc3\xa4\t"), PROV_LIT("") },
    { PROV_LIT("A"), PROV_LIT("\x01\x1f\x7f\xf0\x9f\x98\x80") },
};

/* All fields, so that one that is told where it has no place is seen. */
static const struct prov_fleet_accepted all = {
    .certificate_id = PROV_LIT("00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"),
    .certificate_pem = PROV_LIT("-----BEGIN CERTIFICATE-----\nMA==\n"),
    .private_key = PROV_LIT("-----BEGIN RSA PRIVATE KEY-----\r\nMA==\n"),
    .token = PROV_LIT("t.o-k_en"),
    .thing_name = PROV_LIT("thing:1"),
    .config = { config, PROV_COUNT(config) },
};

static struct prov_span written(enum prov_fleet_op op, enum prov_format format,
                                const struct prov_fleet_accepted *answer, struct prov_buf *out)
{
    prov_buf_init(out, MAX);
    assert_int_equal(prov_fleet_accepted(op, format, answer, out), PROV_OK);
    return prov_buf_span(out);
}

/* ---- other readers --------------------------------------------------------------------------- */

/* A member by its place and name, as text. */
static const char *json_member(const cJSON *object, int i, const char *key)
{
    const cJSON *item = cJSON_GetArrayItem(object, i);

    assert_non_null(item);
    assert_string_equal(item->string, key);
    assert_true(cJSON_IsString(item));
    return item->valuestring;
}

static bool cbor_is(const cbor_item_t *item, struct prov_span text)
{
    return cbor_isa_string(item) && cbor_string_is_definite(item) &&
           prov_span_eq(prov_span(cbor_string_handle(item), cbor_string_length(item)), text);
}

static const cbor_item_t *cbor_member(const cbor_item_t *map, size_t i, const char *key)
{
    assert_true(cbor_isa_map(map) && cbor_map_is_definite(map) && i < cbor_map_size(map));
    assert_true(cbor_is(cbor_map_handle(map)[i].key, prov_span_str(key)));
    return cbor_map_handle(map)[i].value;
}

static cJSON *load_json(struct prov_span text)
{
    struct prov_err err;
    cJSON *doc = NULL;

    if (prov_json_parse(text, MAX, &doc, &err) != PROV_OK)
        fail_msg("%.*s: %s", PROV_SPAN_ARG(text), err.text);
    return doc;
}

static cbor_item_t *load_cbor(struct prov_span bytes)
{
    struct cbor_load_result result;
    cbor_item_t *doc = cbor_load(bytes.p, bytes.n, &result);

    assert_non_null(doc);
    assert_int_equal(result.read, bytes.n);
    return doc;
}

/* ---- accepted -------------------------------------------------------------------------------- */

static const struct {
    enum prov_fleet_op op;
    struct {
        const char *key;
        const struct prov_span *text;
    } texts[4];
    size_t n;
} told[] = {
    { PROV_CREATE_KEYS,
      { { "certificateId", &all.certificate_id },
        { "certificatePem", &all.certificate_pem },
        { "privateKey", &all.private_key },
        { "certificateOwnershipToken", &all.token } },
      4 },
    { PROV_CREATE_FROM_CSR,
      { { "certificateId", &all.certificate_id },
        { "certificatePem", &all.certificate_pem },
        { "certificateOwnershipToken", &all.token } },
      3 },
    { PROV_REGISTER_THING, { { "thingName", &all.thing_name } }, 1 },
};

static void json_answer_has_the_operations_fields_and_no_other(void **state)
{
    (void)state;

    for (size_t i = 0; i < PROV_COUNT(told); i++) {
        const bool registers = told[i].op == PROV_REGISTER_THING;
        struct prov_buf b;
        cJSON *doc = load_json(written(told[i].op, PROV_JSON, &all, &b));
        const cJSON *map = cJSON_GetArrayItem(doc, (int)told[i].n);

        for (size_t k = 0; k < told[i].n; k++)
            assert_true(prov_span_eq_str(*told[i].texts[k].text,
                                         json_member(doc, (int)k, told[i].texts[k].key)));
        assert_int_equal(cJSON_GetArraySize(doc), told[i].n + registers);
        if (registers) {
            assert_string_equal(map->string, "deviceConfiguration");
            assert_int_equal(cJSON_GetArraySize(map), PROV_COUNT(config));
        }
        for (size_t k = 0; registers && k < PROV_COUNT(config); k++) {
            const cJSON *value = cJSON_GetArrayItem(map, (int)k);

            assert_true(prov_span_eq_str(config[k].name, value->string));
            assert_true(prov_span_eq_str(config[k].value, value->valuestring));
        }
        cJSON_Delete(doc);
        prov_buf_wipe(&b);
    }
}

static void cbor_answer_has_the_operations_fields_and_no_other(void **state)
{
    (void)state;

    for (size_t i = 0; i < PROV_COUNT(told); i++) {
        const bool registers = told[i].op == PROV_REGISTER_THING;
        struct prov_buf b;
        cbor_item_t *doc = load_cbor(written(told[i].op, PROV_CBOR, &all, &b));
        const cbor_item_t *map;

        for (size_t k = 0; k < told[i].n; k++)
            assert_true(cbor_is(cbor_member(doc, k, told[i].texts[k].key), *told[i].texts[k].text));
        assert_int_equal(cbor_map_size(doc), told[i].n + registers);
        map = registers ? cbor_member(doc, told[i].n, "deviceConfiguration") : NULL;
        assert_true(map == NULL || cbor_map_size(map) == PROV_COUNT(config));
        for (size_t k = 0; map != NULL && k < PROV_COUNT(config); k++) {
            assert_true(cbor_is(cbor_map_handle(map)[k].key, config[k].name));
            assert_true(cbor_is(cbor_map_handle(map)[k].value, config[k].value));
        }
        cbor_decref(&doc);
        prov_buf_wipe(&b);
    }
}

static void registration_without_thing_or_configuration_is_this(void **state)
{
    static const struct prov_fleet_accepted nothing;
    struct prov_buf b;
    (void)state;

    assert_true(prov_span_eq_str(written(PROV_REGISTER_THING, PROV_JSON, &nothing, &b),
                                 "{\"deviceConfiguration\":{}}"));
    prov_buf_release(&b);
    assert_true(prov_span_eq(written(PROV_REGISTER_THING, PROV_CBOR, &nothing, &b),
                             PROV_LIT("\xa1\x73"
                                      "deviceConfiguration\xa0")));
    prov_buf_release(&b);
}

/* ---- rejected -------------------------------------------------------------------------------- */

static void rejection_has_status_code_and_message(void **state)
{
    static const struct {
        int status;
        struct prov_span cbor;
    } rows[] = {
        { 400, PROV_LIT("\x19\x01\x90") },
        { 0, PROV_LIT("\x00") },
        { 255, PROV_LIT("\x18\xff") },
        { -1, PROV_LIT("\x20") },
        { -2147483647 - 1, PROV_LIT("\x3a\x7f\xff\xff\xff") },
        { 2147483647, PROV_LIT("\x1a\x7f\xff\xff\xff") },
    };
    (void)state;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct prov_buf b, want;

        prov_buf_init(&b, MAX);
        prov_buf_init(&want, MAX);
        assert_int_equal(
            prov_fleet_rejected(PROV_JSON, rows[i].status, "AccessDenied", "\"no\"\n", &b),
            PROV_OK);
        prov_buf_addf(&want,
                      "{\"statusCode\":%d,\"errorCode\":\"AccessDenied\","
                      "\"errorMessage\":\"\\\"no\\\"\\n\"}",
                      rows[i].status);
        assert_string_equal(prov_buf_cstr(&b), prov_buf_cstr(&want));
        prov_buf_clear(&b);
        prov_buf_clear(&want);
        assert_int_equal(
            prov_fleet_rejected(PROV_CBOR, rows[i].status, "AccessDenied", "\"no\"\n", &b),
            PROV_OK);
        prov_buf_add_str(&want, "\xa3\x6astatusCode");
        prov_buf_add(&want, rows[i].cbor);
        prov_buf_add_str(&want, "\x69"
                                "errorCode\x6c"
                                "AccessDenied\x6c"
                                "errorMessage\x65\"no\"\n");
        assert_true(prov_span_eq(prov_buf_span(&b), prov_buf_span(&want)));
        prov_buf_release(&b);
        prov_buf_release(&want);
    }
}

#define U "\xef\xbf\xbd"

static void what_is_no_text_is_replaced_where_it_is(void **state)
{
    static const struct {
        struct prov_span text;
        const char *told;
    } rows[] = {
        { PROV_LIT("caf\xc3\xa9"), "caf\xc3\xa9" },
        { PROV_LIT("caf\xe9!"), "caf" U "!" },
        { PROV_LIT("\xff\xfe"), U U },
        { PROV_LIT("\xe2\x82"), U U },
        { PROV_LIT("\xed\xa0\x80\xe2\x82\xac"), U U U "\xe2\x82\xac" },
        { PROV_LIT("a\0b"), "a" U "b" },
        { PROV_LIT("\0"), U },
        { PROV_LIT("\"\x80\n\xf0\x9f\x98"), "\"" U "\n" U U U },
        { PROV_LIT("\xf4\x90\x80\x80"), U U U U },
    };
    (void)state;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct prov_fleet_accepted answer = { .thing_name = rows[i].text };
        struct prov_buf b;
        cJSON *json = load_json(written(PROV_REGISTER_THING, PROV_JSON, &answer, &b));
        cbor_item_t *cbor;

        assert_string_equal(json_member(json, 0, "thingName"), rows[i].told);
        cJSON_Delete(json);
        prov_buf_release(&b);
        cbor = load_cbor(written(PROV_REGISTER_THING, PROV_CBOR, &answer, &b));
        assert_true(cbor_is(cbor_member(cbor, 0, "thingName"), prov_span_str(rows[i].told)));
        cbor_decref(&cbor);
        prov_buf_release(&b);
    }
}

/* Around each length at which CBOR takes another byte to say it. */
static void texts_of_any_length_are_whole(void **state)
{
    static const size_t lengths[] = { 0, 1, 23, 24, 255, 256, 65535, 65536, 70000 };
    static char text[70000];
    (void)state;

    memset(text, 'x', sizeof text);
    for (size_t i = 0; i < PROV_COUNT(lengths); i++) {
        struct prov_fleet_accepted answer = { .token = prov_span(text, lengths[i]) };
        cbor_item_t *cbor;
        struct prov_buf b;

        prov_buf_init(&b, 2 * sizeof text);
        assert_int_equal(prov_fleet_accepted(PROV_CREATE_FROM_CSR, PROV_CBOR, &answer, &b),
                         PROV_OK);
        cbor = load_cbor(prov_buf_span(&b));
        assert_true(cbor_is(cbor_member(cbor, 2, "certificateOwnershipToken"), answer.token));
        cbor_decref(&cbor);
        prov_buf_release(&b);
    }
}

/* ---- limits and memory ----------------------------------------------------------------------- */

static void answer_goes_behind_what_is_there_and_no_further_than_the_maximum(void **state)
{
    (void)state;

    for (size_t i = 0; i < PROV_FORMATS; i++) {
        struct prov_buf whole, b;
        const size_t n = written(PROV_CREATE_KEYS, (enum prov_format)i, &all, &whole).n;

        prov_buf_init(&b, n + 1);
        prov_buf_add_u8(&b, '>');
        assert_int_equal(prov_fleet_accepted(PROV_CREATE_KEYS, (enum prov_format)i, &all, &b),
                         PROV_OK);
        assert_int_equal(b.n, n + 1);
        assert_memory_equal(b.p + 1, whole.p, n);
        prov_buf_wipe(&b);
        prov_buf_init(&b, n - 1);
        assert_int_equal(prov_fleet_accepted(PROV_CREATE_KEYS, (enum prov_format)i, &all, &b),
                         PROV_ETOOBIG);
        prov_buf_wipe(&b);
        prov_buf_wipe(&whole);
    }
}

static void answer_without_memory_is_told(void **state)
{
    (void)state;

    for (size_t i = 0; i < PROV_FORMATS; i++) {
        enum prov_rc rc;
        unsigned n = 1;

        for (;; n++) {
            struct prov_buf b;
            bool failed;

            prov_buf_init(&b, MAX);
            alloc_fail_at(n);
            rc = prov_fleet_accepted(PROV_CREATE_KEYS, (enum prov_format)i, &all, &b);
            failed = alloc_failed();
            prov_buf_wipe(&b);
            if (!failed)
                break;
            assert_int_equal(rc, PROV_ENOMEM);
        }
        assert_int_equal(rc, PROV_OK);
        assert_true(n > 1);
    }
}

/* The key is nowhere but in the caller's buffer: nothing else is allocated. */
static void answer_is_written_into_the_buffer_alone(void **state)
{
    (void)state;

    for (size_t i = 0; i < PROV_FORMATS; i++) {
        struct prov_buf b;

        (void)written(PROV_CREATE_KEYS, (enum prov_format)i, &all, &b); /* it grows here */
        prov_buf_clear(&b);
        alloc_count_reset();
        assert_int_equal(prov_fleet_accepted(PROV_CREATE_KEYS, (enum prov_format)i, &all, &b),
                         PROV_OK);
        assert_int_equal(alloc_count(), 0);
        prov_buf_wipe(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_answer_has_the_operations_fields_and_no_other),
        cmocka_unit_test(cbor_answer_has_the_operations_fields_and_no_other),
        cmocka_unit_test(registration_without_thing_or_configuration_is_this),
        cmocka_unit_test(rejection_has_status_code_and_message),
        cmocka_unit_test(what_is_no_text_is_replaced_where_it_is),
        cmocka_unit_test(texts_of_any_length_are_whole),
        cmocka_unit_test(answer_goes_behind_what_is_there_and_no_further_than_the_maximum),
        cmocka_unit_test(answer_without_memory_is_told),
        cmocka_unit_test(answer_is_written_into_the_buffer_alone),
    };

    return cmocka_run_group_tests_name("fleet_msg_answer", tests, NULL, NULL);
}
