#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/der.h"
#include "core/pem.h"

/* Of a string literal, as an initialiser. */
#define BYTES(s)                                                                                   \
    {                                                                                              \
        (const uint8_t *)(s), sizeof(s) - 1                                                        \
    }

/* A copy of the exact size, so that a sanitizer sees reading behind it. */
static uint8_t *exact(struct prov_span s)
{
    uint8_t *copy = malloc(s.n + (s.n == 0));

    assert_non_null(copy);
    if (s.n != 0)
        memcpy(copy, s.p, s.n);
    return copy;
}

static void value_has_one_form(void **state)
{
    static const struct {
        struct prov_span der;
        int content_n; /* -1: refused */
        size_t left;
    } rows[] = {
        { BYTES("\x05\x00"), 0, 0 },
        { BYTES("\x04\x01x"), 1, 0 },
        { BYTES("\x04\x01xy"), 1, 1 },
        { BYTES("\x30\x02\x05\x00\x05\x00"), 2, 2 },
        { BYTES(""), -1, 0 },
        { BYTES("\x05"), -1, 0 },
        { BYTES("\x04\x01"), -1, 0 },
        { BYTES("\x04\x7f"), -1, 0 },
        { BYTES("\x04\x81"), -1, 0 },
        { BYTES("\x04\x82\x01"), -1, 0 },
        { BYTES("\x04\x84\xff\xff\xff\xff"), -1, 0 },
        { BYTES("\x04\x81\x01x"), -1, 0 }, /* a length that fits in one byte */
        { BYTES("\x04\x81\x7f"), -1, 0 },
        { BYTES("\x04\x82\x00\x01x"), -1, 0 }, /* zeros in front of it */
        { BYTES("\x04\x85\x00\x00\x00\x00\x01x"), -1, 0 },
        { BYTES("\x04\x88\x01\x00\x00\x00\x00\x00\x00\x00"), -1, 0 },
        { BYTES("\x30\x80\x00\x00"), -1, 0 }, /* indefinite */
        { BYTES("\x04\xff"), -1, 0 },
        { BYTES("\x1f\x01\x00"), -1, 0 }, /* tags of several bytes */
        { BYTES("\xbf\x81\x01\x00"), -1, 0 },
    };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        uint8_t *copy = exact(rows[i].der);
        struct prov_span rest = prov_span(copy, rows[i].der.n);
        struct der_value value;

        if (der_take(&rest, &value) != (rows[i].content_n >= 0))
            fail_msg("row %zu", i);
        if (rows[i].content_n >= 0) {
            assert_int_equal(value.tag, copy[0]);
            assert_int_equal(value.content.n, rows[i].content_n);
            assert_int_equal(value.whole.n, rows[i].der.n - rows[i].left);
            assert_ptr_equal(value.whole.p, copy);
            assert_int_equal(rest.n, rows[i].left);
        } else {
            assert_ptr_equal(rest.p, copy);
            assert_int_equal(rest.n, rows[i].der.n);
        }
        free(copy);
    }
}

/* The shortest long lengths, with a zero in front and without. */
static void long_length_has_no_zero_in_front(void **state)
{
    uint8_t der[4 + 0x80] = { DER_OCTET_STRING, 0x82, 0x00, 0x80 };
    struct prov_span rest = prov_span(der, sizeof der);
    struct der_value value;

    (void)state;
    assert_false(der_take(&rest, &value));
    der[1] = 0x81;
    der[2] = 0x80;
    rest = prov_span(der, 3 + 0x80);
    assert_true(der_take(&rest, &value));
    assert_int_equal(value.content.n, 0x80);
    assert_int_equal(rest.n, 0);
}

static void integer_has_one_form(void **state)
{
    static const struct {
        struct prov_span der;
        int n; /* of the magnitude; -1: refused */
    } rows[] = {
        { BYTES("\x02\x01\x00"), 0 },      { BYTES("\x02\x01\x01"), 1 },
        { BYTES("\x02\x01\x7f"), 1 },      { BYTES("\x02\x02\x00\x80"), 1 },
        { BYTES("\x02\x02\x01\x00"), 2 },  { BYTES("\x02\x00"), -1 },
        { BYTES("\x02\x01\x80"), -1 },     { BYTES("\x02\x02\x00\x7f"), -1 },
        { BYTES("\x02\x02\x00\x00"), -1 }, { BYTES("\x02\x02\xff\xff"), -1 },
        { BYTES("\x0a\x01\x01"), -1 },     { BYTES("\x02\x02\x01"), -1 },
    };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct prov_span rest = rows[i].der, number;

        if (der_unsigned(&rest, &number) != (rows[i].n >= 0))
            fail_msg("row %zu", i);
        assert_int_equal(rest.n, rows[i].n >= 0 ? 0 : rows[i].der.n);
        if (rows[i].n >= 0)
            assert_int_equal(number.n, rows[i].n);
    }
}

static void bit_string_here_has_whole_bytes(void **state)
{
    static const struct {
        struct prov_span der;
        int n; /* -1: refused */
    } rows[] = {
        { BYTES("\x03\x01\x00"), 0 },      { BYTES("\x03\x02\x00\xff"), 1 },
        { BYTES("\x03\x00"), -1 },         { BYTES("\x03\x02\x01\xfe"), -1 },
        { BYTES("\x04\x02\x00\xff"), -1 }, { BYTES("\x23\x02\x00\xff"), -1 },
    };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct prov_span rest = rows[i].der, bytes;

        if (der_bytes(&rest, &bytes) != (rows[i].n >= 0))
            fail_msg("row %zu", i);
        if (rows[i].n >= 0)
            assert_int_equal(bytes.n, rows[i].n);
    }
}

static void identifier_has_one_form(void **state)
{
    static const struct {
        struct prov_span content;
        bool good;
    } rows[] = {
        { BYTES("\x2a"), true },          { BYTES("\x55\x04\x03"), true },
        { BYTES("\x2a\x86\x48"), true },  { BYTES(""), false },
        { BYTES("\x2a\x86"), false },     { BYTES("\x80\x01"), false },
        { BYTES("\x2a\x80\x01"), false }, { BYTES("\x2a\x81\x80\x01"), true },
    };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        if (der_is_oid(rows[i].content) != rows[i].good)
            fail_msg("row %zu", i);
    }
}

static void algorithm_is_identifier_and_parameters(void **state)
{
    static const struct {
        struct prov_span der;
        int parameters_n; /* -1: refused */
    } rows[] = {
        { BYTES("\x30\x03\x06\x01\x2a"), 0 },  { BYTES("\x30\x05\x06\x01\x2a\x05\x00"), 2 },
        { BYTES("\x31\x03\x06\x01\x2a"), -1 }, { BYTES("\x30\x00"), -1 },
        { BYTES("\x30\x03\x05\x01\x2a"), -1 }, { BYTES("\x30\x03\x06\x01\x80"), -1 },
    };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct prov_span rest = rows[i].der, oid, parameters;

        if (der_algorithm(&rest, &oid, &parameters) != (rows[i].parameters_n >= 0))
            fail_msg("row %zu", i);
        if (rows[i].parameters_n >= 0)
            assert_int_equal(parameters.n, rows[i].parameters_n);
    }
}

static void only_value_has_nothing_behind_it(void **state)
{
    struct prov_span content;

    (void)state;
    assert_true(der_only(PROV_LIT("\x30\x00"), DER_SEQUENCE, &content));
    assert_false(der_only(PROV_LIT("\x30\x00\x00"), DER_SEQUENCE, &content));
    assert_false(der_only(PROV_LIT("\x31\x00"), DER_SEQUENCE, &content));
}

static void what_is_written_is_read(void **state)
{
    static const size_t sizes[] = { 0, 1, 127, 128, 255, 256, 65535, 65536, 70000 };
    uint8_t *bytes = calloc(1, 70000);

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(sizes); i++) {
        struct prov_buf out = { .max = 80000 };
        struct prov_span rest;
        struct der_value value;

        der_add(&out, DER_OCTET_STRING, prov_span(bytes, sizes[i]));
        assert_int_equal(out.rc, PROV_OK);
        assert_int_equal(out.n, der_size(sizes[i]));
        rest = prov_buf_span(&out);
        assert_true(der_take(&rest, &value));
        assert_int_equal(value.content.n, sizes[i]);
        assert_int_equal(rest.n, 0);
        prov_buf_release(&out);
    }
    free(bytes);
}

static void numbers_are_written_in_their_shortest_form(void **state)
{
    static const struct {
        struct prov_span number, der;
    } rows[] = {
        { BYTES(""), BYTES("\x02\x01\x00") },
        { BYTES("\x00"), BYTES("\x02\x01\x00") },
        { BYTES("\x01"), BYTES("\x02\x01\x01") },
        { BYTES("\x80"), BYTES("\x02\x02\x00\x80") },
        { BYTES("\x00\x00\x7f"), BYTES("\x02\x01\x7f") },
        { BYTES("\x00\x80\x00"), BYTES("\x02\x03\x00\x80\x00") },
    };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct prov_buf out = { .max = 64 };

        der_add_unsigned(&out, rows[i].number);
        if (!prov_span_eq(prov_buf_span(&out), rows[i].der))
            fail_msg("row %zu", i);
        prov_buf_release(&out);
    }
}

/* ---- PEM ------------------------------------------------------------------------------------- */

static void pem_of_any_length_reads_back(void **state)
{
    static const char *const labels[] = { "OTHER", "THING" };
    uint8_t bytes[200], back[200];
    size_t n;

    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 37 + 200);
    for (size_t len = 0; len <= sizeof bytes; len++) {
        struct prov_buf pem = { .max = 1024 };

        pem_add(&pem, "THING", prov_span(bytes, len));
        assert_int_equal(pem.rc, PROV_OK);
        assert_true(pem_read(prov_buf_span(&pem), labels, 2, back, len, &n));
        assert_int_equal(n, len);
        assert_memory_equal(back, bytes, len);
        if (len != 0)
            assert_false(pem_read(prov_buf_span(&pem), labels, 2, back, len - 1, &n));
        assert_false(pem_read(prov_buf_span(&pem), labels, 1, back, len, &n));
        prov_buf_release(&pem);
    }
}

static void base64_is_padded_at_its_end(void **state)
{
    static const struct {
        const char *body;
        int n; /* -1: refused */
    } rows[] = {
        { "", 0 },      { "QUJD", 3 },      { "QUI=", 2 },
        { "QQ==", 1 },  { "QUJDQQ==", 4 },  { "QUI", -1 },
        { "QQ", -1 },   { "QQ=", -1 },      { "Q===", -1 },
        { "Q", -1 },    { "QUJDQ", -1 },    { "QUJD=", -1 },
        { "=QUJ", -1 }, { "QQ==QQ==", -1 }, { "QU_D", -1 },
        { "QU-D", -1 }, { "QUJD\v", -1 },   { " Q U\tJ\r\nD ", 3 },
    };
    static const char *const label = "X";
    uint8_t out[16];
    char text[128];
    size_t n;

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        (void)snprintf(text, sizeof text, "-----BEGIN X-----\n%s\n-----END X-----\n", rows[i].body);
        if (pem_read(prov_span_str(text), &label, 1, out, sizeof out, &n) != (rows[i].n >= 0))
            fail_msg("\"%s\"", rows[i].body);
        if (rows[i].n >= 0)
            assert_int_equal(n, rows[i].n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(value_has_one_form),
        cmocka_unit_test(long_length_has_no_zero_in_front),
        cmocka_unit_test(integer_has_one_form),
        cmocka_unit_test(bit_string_here_has_whole_bytes),
        cmocka_unit_test(identifier_has_one_form),
        cmocka_unit_test(algorithm_is_identifier_and_parameters),
        cmocka_unit_test(only_value_has_nothing_behind_it),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(numbers_are_written_in_their_shortest_form),
        cmocka_unit_test(pem_of_any_length_reads_back),
        cmocka_unit_test(base64_is_padded_at_its_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
