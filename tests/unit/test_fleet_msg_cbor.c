/*
 * Fleet provisioning requests in CBOR: lengths of every form, what is ignored, what is malformed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/fleet_msg.h"
#include "support/fleet_case.h"

static enum prov_rc parse(enum prov_fleet_op op, struct prov_span payload,
                          struct prov_fleet_request **out, struct prov_err *err)
{
    const struct prov_fleet_topic t = { op, PROV_CBOR, PROV_LIT("t") };
    uint8_t *copy = malloc(payload.n == 0 ? 1 : payload.n);
    enum prov_rc rc;

    assert_non_null(copy);
    if (payload.n != 0)
        memcpy(copy, payload.p, payload.n);
    rc = prov_fleet_request_parse(&t, prov_span(copy, payload.n), out, err);
    free(copy);
    return rc;
}

#define MAX 256

/* Hex digits and spaces as bytes. */
static struct prov_span unhex(const char *hex, uint8_t out[static MAX])
{
    size_t n = 0;

    for (; *hex != '\0'; hex += 2, n++) {
        while (*hex == ' ')
            hex++;
        assert_true(n < MAX && prov_unhex(prov_span(hex, 2), &out[n], 1));
    }
    return prov_span(out, n);
}

/* As the one value of a map, whose key is "x". */
static struct prov_span unhex_ignored(const char *hex, uint8_t out[static MAX])
{
    char whole[2 * MAX];

    (void)snprintf(whole, sizeof whole, "a16178%s", hex);
    return unhex(whole, out);
}

#define CSR_TEXT "6365727469666963617465 5369676e696e67 52657175657374"
#define CSR_KEY "7819" CSR_TEXT

static void lengths_of_every_form_are_read(void **state)
{
    static const char *const rows[] = {
        "a1" CSR_KEY "63 616263",
        "b801" CSR_KEY "7803 616263",
        "b90001 790019" CSR_TEXT "790003 616263",
        "ba00000001 7a00000019" CSR_TEXT "7a00000003 616263",
        "bb0000000000000001 7b0000000000000019" CSR_TEXT "7b0000000000000003 616263",
        "bf" CSR_KEY "63 616263 ff",
        "a1 7f 6163 7818 65727469666963617465 5369676e696e67 52657175657374 ff 7f 63616263 ff",
        "a1" CSR_KEY "7f 6161 60 7b00000000000000026263 ff",
    };
    (void)state;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct prov_fleet_request *r;
        struct prov_err err = { .text = "" };
        uint8_t bytes[MAX];

        if (parse(PROV_CREATE_FROM_CSR, unhex(rows[i], bytes), &r, &err) != PROV_OK)
            fail_msg("row %zu: %s", i, err.text);
        assert_true(prov_span_eq_str(r->csr, "abc"));
        prov_fleet_request_free(r);
    }
}

static void empty_chunked_text_is_an_empty_text(void **state)
{
    struct prov_fleet_request *r;
    uint8_t bytes[MAX];
    (void)state;

    assert_int_equal(parse(PROV_CREATE_FROM_CSR, unhex("a1" CSR_KEY "7fff", bytes), &r, NULL),
                     PROV_OK);
    assert_non_null(r->csr.p);
    assert_int_equal(r->csr.n, 0);
    prov_fleet_request_free(r);
}

static void anything_well_formed_may_be_ignored(void **state)
{
    static const char *const rows[] = {
        "00",
        "17",
        "18ff",
        "19ffff",
        "1affffffff",
        "1bffffffffffffffff", /* integers */
        "20",
        "38ff",
        "39ffff",
        "3affffffff",
        "3bffffffffffffffff",
        "41ff",
        "5f 41c3 ff",
        "40",
        "4100",
        "58020000",
        "5f ff",
        "5f 4100 40 ff", /* byte strings */
        "60",
        "6100",
        "62c3a4",
        "7f ff",
        "7f 6161 ff",
        "80",
        "8200f6",
        "9fff",
        "9f0102ff",
        "820182019f01ff", /* arrays */
        "a0",
        "a10102",
        "a1 620061 00",
        "a28001a002",
        "bfff",
        "bf4100f6ff",
        "a2 01 00 01 00",
        "a2 4161 00 6161 00",
        "c000",
        "c6f6",
        "d400",
        "d54174",
        "d8ff00",
        "d9d9f7a0",
        "db000000000000000000",
        "c1c2c340",
        "e0",
        "f3",
        "f4",
        "f5",
        "f6",
        "f7",
        "f820",
        "f8ff", /* simple values */
        "f90000",
        "f97e00",
        "fa00000000",
        "fbfff0000000000000",
    };
    (void)state;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct prov_fleet_request *r;
        struct prov_err err = { .text = "" };
        uint8_t bytes[MAX];
        const struct prov_span payload = unhex_ignored(rows[i], bytes);

        if (parse(PROV_CREATE_KEYS, payload, &r, &err) != PROV_OK)
            fail_msg("%s: %s", rows[i], err.text);
        assert_true(fleet_case_well_formed(payload));
        prov_fleet_request_free(r);
    }
}

static void malformed_cbor_is_refused_wherever_it_is(void **state)
{
    static const struct {
        const char *hex;
        const char *why;
    } rows[] = {
        { "1c", "byte 3: no data item begins like this" },
        { "1d", "no data item" },
        { "1e", "no data item" },
        { "1f", "no data item" },
        { "3f", "no data item" },
        { "5c", "no data item" },
        { "7d", "no data item" },
        { "9e", "no data item" },
        { "bc", "no data item" },
        { "dc", "no data item" },
        { "df", "no data item" },
        { "f800", "no data item" },
        { "f818", "no data item" },
        { "f81f", "no data item" },
        { "fc", "no data item" },
        { "fe", "no data item" },
        { "ff", "byte 4: a break out of place" },
        { "c1ff", "a break out of place" },
        { "81ff", "a break out of place" },
        { "a1ff", "a break out of place" },
        { "a101ff", "a break out of place" },
        { "bf01ff", "a break out of place" },
        { "bf6161ff", "a break out of place" },
        { "9fc1ff", "a break out of place" },
        { "5f6161ff", "a chunk of another kind" },
        { "7f4161ff", "a chunk of another kind" },
        { "7f01ff", "a chunk of another kind" },
        { "7fc16161ff", "a chunk of another kind" },
        { "7f7f6161ffff", "a chunk of another kind" },
        { "5f5f4161ffff", "a chunk of another kind" },
        { "7f61c361a4ff", "not UTF-8" },
        { "7f62c3a461ffff", "not UTF-8" },
        { "63eda080", "not UTF-8" },
        { "c1", "byte 4: it is cut off" },
        { "f8", "no data item" },
        { "f97e", "cut off" },
        { "5f41", "cut off" },
        { "7bffffffffffffffff", "cut off" },
        { "5bffffffffffffffff61", "cut off" },
        { "9bffffffffffffffff01", "cut off" },
        { "bbffffffffffffffff0101", "cut off" },
        { "bb80000000000000000101", "cut off" },
        { "9b00000000ffffffff", "cut off" },
        /* whose lower half would do */
        { "7b000000010000000161", "cut off" },
        { "5b000000010000000161", "cut off" },
        { "9b000000010000000101", "byte 3: it is cut off" },
        { "bb00000001000000010101", "byte 3: it is cut off" },
    };
    (void)state;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct prov_fleet_request *r;
        struct prov_err err = { .text = "" };
        uint8_t bytes[MAX];
        const struct prov_span payload = unhex_ignored(rows[i].hex, bytes);

        assert_int_equal(parse(PROV_CREATE_KEYS, payload, &r, &err), PROV_EINVAL);
        assert_null(r);
        assert_string_equal(err.code, "InvalidRequest");
        if (strstr(err.text, rows[i].why) == NULL)
            fail_msg("%s: said \"%s\", not \"%s\"", rows[i].hex, err.text, rows[i].why);
    }
}

/* Something of every kind, and the fields that count behind it. */
static const char full[] =
    "bf 6161 1903e8 6162 9f f97e00 c1 fb3ff0000000000000 ff 6163 5f4101420203ff"
    "6164 a2 01 f8ff 7f6178ff d818 4100 7f 6165 ff e3"
    "7819 6365727469666963617465 4f776e657273686970 546f6b656e 7f 6374 6f6b 6130 ff"
    "6a 706172616d6574657273 a2 6141 62c3a4 7f 6142 ff 7801 31 ff";

static void request_is_whole_or_refused_at_whatever_byte_it_ends(void **state)
{
    uint8_t bytes[MAX];
    const struct prov_span whole = unhex(full, bytes);
    struct prov_fleet_request *r;
    struct prov_err err = { .text = "" };
    (void)state;

    if (parse(PROV_REGISTER_THING, whole, &r, &err) != PROV_OK)
        fail_msg("%s", err.text);
    assert_true(prov_span_eq_str(r->token, "tok0"));
    assert_int_equal(r->parameters.n, 2);
    assert_true(prov_span_eq_str(r->parameters.v[0].value, "\xc3\xa4"));
    assert_true(prov_span_eq_str(r->parameters.v[1].name, "B"));
    prov_fleet_request_free(r);
    for (size_t n = 0; n < whole.n; n++) {
        assert_int_equal(parse(PROV_REGISTER_THING, prov_span(whole.p, n), &r, &err), PROV_EINVAL);
        assert_null(r);
        assert_non_null(strstr(err.text, n == 0 ? "is missing" : "malformed CBOR at byte"));
    }
}

static void request_with_any_byte_changed_is_refused_or_well_formed(void **state)
{
    uint8_t bytes[MAX];
    const struct prov_span whole = unhex(full, bytes);
    (void)state;

    for (size_t i = 0; i < whole.n; i++) {
        const uint8_t was = bytes[i];

        for (unsigned b = 0; b < 256; b++) {
            bytes[i] = (uint8_t)b;
            fleet_case_check(PROV_REGISTER_THING, PROV_CBOR, whole);
        }
        bytes[i] = was;
    }
}

/* In the request's map: arrays or maps nested n deep, of definite length or not. */
static struct prov_span nested(unsigned n, const char *open, const char *inner, const char *close,
                               uint8_t out[static MAX])
{
    struct prov_buf b;
    struct prov_span s;

    prov_buf_init(&b, 255);
    prov_buf_add_str(&b, "\xa1\x61x");
    for (unsigned i = 0; i < n; i++)
        prov_buf_add_str(&b, open);
    prov_buf_add_str(&b, inner);
    for (unsigned i = 0; i < n; i++)
        prov_buf_add_str(&b, close);
    assert_int_equal(b.rc, PROV_OK);
    memcpy(out, b.p, b.n);
    s = prov_span(out, b.n);
    prov_buf_release(&b);
    return s;
}

static void nesting_is_accepted_up_to_its_limit_only(void **state)
{
    static const struct {
        const char *open, *inner, *close;
    } rows[] = {
        { "\x81", "\x01", "" },      { "\x9f", "", "\xff" },
        { "\xa1\x61x", "\x01", "" }, { "\xbf\x61x", "\xc1\x01", "\xff" },
        { "\xa1", "\x01", "\x01" }, /* each in the key of the one around it */
        { "\xc1\x81", "\x01", "" },
    };
    (void)state;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        const unsigned most = PROV_MAX_FLEET_DEPTH - 1; /* the request's map is the first */
        struct prov_fleet_request *r;
        struct prov_err err = { .text = "" };
        uint8_t b[MAX];

        if (parse(PROV_CREATE_KEYS, nested(most, rows[i].open, rows[i].inner, rows[i].close, b), &r,
                  &err) != PROV_OK)
            fail_msg("row %zu: %s", i, err.text);
        prov_fleet_request_free(r);
        assert_int_equal(parse(PROV_CREATE_KEYS,
                               nested(most + 1, rows[i].open, rows[i].inner, rows[i].close, b), &r,
                               &err),
                         PROV_EINVAL);
        assert_string_equal(err.text, "nested more than 8 deep");
    }
}

static void depth_counts_what_is_open_and_not_what_was(void **state)
{
    struct prov_fleet_request *r;
    uint8_t bytes[MAX] = { 0xb8, 60 };
    (void)state;

    for (uint8_t i = 0; i < 60; i++)
        memcpy(bytes + 2 + 4 * i, (uint8_t[]){ 0x61, (uint8_t)('0' + i), 0x81, 0x80 }, 4);
    assert_int_equal(parse(PROV_CREATE_KEYS, prov_span(bytes, 242), &r, NULL), PROV_OK);
    prov_fleet_request_free(r);
}

/* ---- 128 kilobytes of what costs most -------------------------------------------------------- */

static void hold_full(const char *piece, const char *before, enum prov_rc rc, const char *why)
{
    struct prov_fleet_request *r;
    struct prov_err err = { .text = "" };
    struct prov_buf b;

    prov_buf_init(&b, PROV_MAX_FLEET_PAYLOAD);
    prov_buf_add_str(&b, before);
    while (b.n + strlen(piece) <= b.max)
        prov_buf_add_str(&b, piece);
    assert_int_equal(parse(PROV_CREATE_KEYS, prov_buf_span(&b), &r, &err), rc);
    assert_non_null(strstr(err.text, why));
    prov_fleet_request_free(r);
    prov_buf_release(&b);
}

static void big_requests_cost_neither_stack_nor_much_time(void **state)
{
    (void)state;

    hold_full("\x81", "\xa1\x61x", PROV_EINVAL, "nested more than");
    hold_full("\xbf", "", PROV_EINVAL, "a key must be text");
    hold_full("\xc1", "\xa1\x61x", PROV_EINVAL, "cut off"); /* a tag is not a level */
    hold_full("\x7f", "\xa1\x61x", PROV_EINVAL, "a chunk of another kind");
    hold_full("\x60", "\xa1\x61x\x7f", PROV_EINVAL, "cut off");
    hold_full("\x61"
              "a\x01",
              "\xbf", PROV_EINVAL, "cut off");
    hold_full("\x01", "\xa1\x61x\x9f", PROV_EINVAL, "cut off");
}

/* All different, in rising order, and as many as there is room for. */
static void many_keys_are_told_apart(void **state)
{
    struct prov_fleet_request *r;
    struct prov_err err = { .text = "" };
    struct prov_buf b;
    uint8_t pair[5] = { 0x63, 0, 0, 0, 0x01 };
    (void)state;

    prov_buf_init(&b, PROV_MAX_FLEET_PAYLOAD);
    prov_buf_add_u8(&b, 0xbf);
    for (uint32_t i = 0; b.n + sizeof pair + 1 <= b.max; i++) {
        for (size_t k = 0; k < 3; k++)
            pair[1 + k] = (uint8_t)('0' + (i >> (6 * (2 - k)) & 63));
        prov_buf_add(&b, prov_span(pair, sizeof pair));
    }
    prov_buf_add_u8(&b, 0xff);
    if (parse(PROV_CREATE_KEYS, prov_buf_span(&b), &r, &err) != PROV_OK)
        fail_msg("%s", err.text);
    prov_fleet_request_free(r);
    memcpy(b.p + b.n - 5, b.p + 2, 3); /* the last as the first */
    assert_int_equal(parse(PROV_CREATE_KEYS, prov_buf_span(&b), &r, &err), PROV_EINVAL);
    assert_string_equal(err.text, "000: the same key twice");
    prov_buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lengths_of_every_form_are_read),
        cmocka_unit_test(empty_chunked_text_is_an_empty_text),
        cmocka_unit_test(anything_well_formed_may_be_ignored),
        cmocka_unit_test(malformed_cbor_is_refused_wherever_it_is),
        cmocka_unit_test(request_is_whole_or_refused_at_whatever_byte_it_ends),
        cmocka_unit_test(request_with_any_byte_changed_is_refused_or_well_formed),
        cmocka_unit_test(nesting_is_accepted_up_to_its_limit_only),
        cmocka_unit_test(depth_counts_what_is_open_and_not_what_was),
        cmocka_unit_test(big_requests_cost_neither_stack_nor_much_time),
        cmocka_unit_test(many_keys_are_told_apart),
    };

    return cmocka_run_group_tests_name("fleet_msg_cbor", tests, NULL, NULL);
}
