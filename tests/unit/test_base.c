#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base.h"
#include "core/names.h"
#include "core/reason.h"
#include "support/alloc.h"

#define S(text) prov_span_str(text)
#define NONE prov_span(NULL, 0)

/* ---- results and errors ---------------------------------------------------------------------- */

static void every_result_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (int a = PROV_OK; a <= PROV_EBUG; a++) {
        assert_string_not_equal(prov_rc_name((enum prov_rc)a), "unknown");
        for (int b = PROV_OK; b < a; b++)
            assert_string_not_equal(prov_rc_name((enum prov_rc)a), prov_rc_name((enum prov_rc)b));
    }
    assert_string_equal(prov_rc_name((enum prov_rc)(PROV_EBUG + 1)), "unknown");
    assert_string_equal(prov_rc_name((enum prov_rc)1000), "unknown");
}

static void error_is_filled_and_what_it_held_before_is_gone(void **state)
{
    struct prov_err err = { .line = 7, .col = 8, .path = "Resources" };
    char longer[600];

    (void)state;
    assert_int_equal(prov_fail(&err, PROV_ECONFLICT, "Code", "%s has %d", "a", 3), PROV_ECONFLICT);
    assert_int_equal(err.rc, PROV_ECONFLICT);
    assert_string_equal(err.code, "Code");
    assert_string_equal(err.text, "a has 3");
    assert_int_equal(err.line, 0);
    assert_int_equal(err.col, 0);
    assert_string_equal(err.path, "");
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    (void)prov_fail(&err, PROV_EINVAL, "Code", "%s", longer);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    assert_int_equal(prov_fail(NULL, PROV_EDENIED, "Code", "%d", 1), PROV_EDENIED);
    assert_int_equal(prov_nomem(&err), PROV_ENOMEM);
    assert_string_equal(err.text, "out of memory");
}

/* ---- spans ----------------------------------------------------------------------------------- */

static void spans_are_ordered_by_bytes_and_then_by_length(void **state)
{
    static const struct {
        struct prov_span a, b;
        int order;
        bool starts; /* a starts with b */
    } rows[] = {
        { { NULL, 0 }, { NULL, 0 }, 0, true },
        { PROV_LIT("a"), { NULL, 0 }, 1, true },
        { PROV_LIT("a"), PROV_LIT("a"), 0, true },
        { PROV_LIT("a"), PROV_LIT("b"), -1, false },
        { PROV_LIT("ab"), PROV_LIT("a"), 1, true },
        { PROV_LIT("a"), PROV_LIT("ab"), -1, false },
        { PROV_LIT("a\0b"), PROV_LIT("a\0c"), -1, false },
        { PROV_LIT("\xff"), PROV_LIT("\x01"), 1, false },
    };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        const int ab = prov_span_cmp(rows[i].a, rows[i].b);
        const int ba = prov_span_cmp(rows[i].b, rows[i].a);

        assert_int_equal((ab > 0) - (ab < 0), rows[i].order);
        assert_int_equal((ba > 0) - (ba < 0), -rows[i].order);
        assert_int_equal(prov_span_eq(rows[i].a, rows[i].b), rows[i].order == 0);
        assert_int_equal(prov_span_starts(rows[i].a, rows[i].b), rows[i].starts);
    }
}

static void case_is_ignored_for_ascii_letters_alone(void **state)
{
    (void)state;
    assert_true(prov_span_eq_nocase(S("Active-1"), S("aCTIVE-1")));
    assert_true(prov_span_eq_nocase(NONE, NONE));
    assert_false(prov_span_eq_nocase(S("active"), S("activ")));
    assert_false(prov_span_eq_nocase(S("a["), S("a{"))); /* 0x20 apart */
    assert_false(prov_span_eq_nocase(S("\xc3\x84"), S("\xc3\xa4")));
}

static void copy_of_a_span_ends_with_a_nul_or_is_refused(void **state)
{
    char *copy = prov_span_dup(S("abc"));
    char small[4];

    (void)state;
    assert_string_equal(copy, "abc");
    free(copy);
    copy = prov_span_dup(NONE);
    assert_string_equal(copy, "");
    free(copy);
    assert_null(prov_span_dup(PROV_LIT("a\0b")));
    alloc_fail_at(1);
    copy = prov_span_dup(S("abc"));
    assert_true(alloc_failed());
    assert_null(copy);

    assert_true(prov_span_copy(S("abc"), small, sizeof small));
    assert_string_equal(small, "abc");
    assert_false(prov_span_copy(S("wxyz"), small, sizeof small));
    assert_string_equal(small, "wxy");
    assert_true(prov_span_copy(NONE, small, 1));
    assert_string_equal(small, "");
}

/* RFC 3629 section 3 and 4. */
static void utf8_is_well_formed_or_not(void **state)
{
    static const struct {
        struct prov_span text;
        bool valid;
    } rows[] = {
        { { NULL, 0 }, true },
        { PROV_LIT("plain"), true },
        { PROV_LIT("a\0b"), true },
        { PROV_LIT("\x7f"), true },
        { PROV_LIT("\xc2\x80"), true }, /* U+0080 */
        { PROV_LIT("\xdf\xbf"), true }, /* U+07FF */
        { PROV_LIT("\xe0\xa0\x80"), true },
        { PROV_LIT("\xed\x9f\xbf"), true }, /* the last before the surrogates */
        { PROV_LIT("\xee\x80\x80"), true },
        { PROV_LIT("\xef\xbf\xbf"), true },
        { PROV_LIT("\xf0\x90\x80\x80"), true },
        { PROV_LIT("\xf4\x8f\xbf\xbf"), true }, /* U+10FFFF */
        { PROV_LIT("\x80"), false },
        { PROV_LIT("\xc0\x80"), false }, /* overlong NUL */
        { PROV_LIT("\xc1\xbf"), false },
        { PROV_LIT("\xc2"), false },
        { PROV_LIT("\xc2x"), false },
        { PROV_LIT("\xe0\x9f\xbf"), false },
        { PROV_LIT("\xed\xa0\x80"), false }, /* a surrogate */
        { PROV_LIT("\xe2\x82"), false },
        { PROV_LIT("\xe2\x82x"), false },
        { PROV_LIT("\xf0\x8f\xbf\xbf"), false },
        { PROV_LIT("\xf4\x90\x80\x80"), false },
        { PROV_LIT("\xf5\x80\x80\x80"), false },
        { PROV_LIT("\xf0\x90\x80"), false },
        { PROV_LIT("ok\xff"), false },
    };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        if (prov_utf8_valid(rows[i].text) != rows[i].valid)
            fail_msg("row %zu", i);
    }
}

/* ---- hex and identities ---------------------------------------------------------------------- */

static void hex_goes_there_and_back(void **state)
{
    static const uint8_t bytes[] = { 0x00, 0x09, 0xaf, 0xff };
    uint8_t back[sizeof bytes];
    char hex[2 * sizeof bytes + 1];

    (void)state;
    prov_hex(bytes, sizeof bytes, hex);
    assert_string_equal(hex, "0009afff");
    assert_true(prov_unhex(S("0009aFFf"), back, sizeof back));
    assert_memory_equal(back, bytes, sizeof bytes);
    assert_false(prov_unhex(S("0009aff"), back, sizeof back));
    assert_false(prov_unhex(S("0009afff0"), back, sizeof back));
    assert_false(prov_unhex(S("0009afg0"), back, sizeof back));
    assert_false(prov_unhex(S("0009af g"), back, sizeof back));
    assert_true(prov_unhex(NONE, back, 0));
    prov_hex(bytes, 0, hex);
    assert_string_equal(hex, "");
}

#define HEX_ID "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static void certificate_id_is_64_hex_digits(void **state)
{
    static const struct {
        const char *text;
        bool valid;
    } rows[] = {
        { HEX_ID, true },
        { "0x" HEX_ID, true },
        { "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F", true },
        { HEX_ID "00", false },
        { "00" HEX_ID, false },
        { "0X" HEX_ID, false },
        { "0x0x" HEX_ID, false },
        { "", false },
        { "0x", false },
        { "g00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", false },
    };
    char hex[PROV_ID_HEX + 1];
    struct prov_id id, zero = { { 0 } };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        assert_int_equal(prov_id_parse(S(rows[i].text), &id), rows[i].valid);
        if (!rows[i].valid)
            continue;
        prov_id_hex(&id, hex);
        assert_string_equal(hex, HEX_ID);
    }
    assert_true(prov_id_parse(S(HEX_ID), &id));
    assert_false(prov_id_is_zero(&id));
    assert_true(prov_id_is_zero(&zero));
    assert_false(prov_id_eq(&id, &zero));
    zero.b[PROV_ID_LEN - 1] = 1;
    assert_false(prov_id_is_zero(&zero));
}

static void secrets_are_equal_or_not(void **state)
{
    (void)state;
    assert_true(prov_ct_eq("abc", "abc", 3));
    assert_false(prov_ct_eq("abc", "abd", 3));
    assert_true(prov_ct_eq("abc", "abd", 2));
    assert_true(prov_ct_eq("", "", 0));
}

/* ---- buffers --------------------------------------------------------------------------------- */

static void buffer_takes_what_fits_and_no_more(void **state)
{
    struct prov_buf b;

    (void)state;
    prov_buf_init(&b, 8);
    assert_string_equal(prov_buf_cstr(&b), "");
    prov_buf_add_str(&b, "abc");
    prov_buf_addf(&b, "%d", 42);
    prov_buf_add_u8(&b, '!');
    prov_buf_add(&b, NONE);
    prov_buf_add_str(&b, NULL);
    prov_buf_addf(&b, "%s", "");
    assert_int_equal(b.rc, PROV_OK);
    assert_string_equal(prov_buf_cstr(&b), "abc42!");
    prov_buf_add_str(&b, "xyz");
    assert_int_equal(b.rc, PROV_ETOOBIG);
    prov_buf_add_u8(&b, 'x'); /* would fit, but the first failure sticks */
    prov_buf_addf(&b, "%c", 'x');
    assert_string_equal(prov_buf_cstr(&b), "abc42!");
    prov_buf_clear(&b);
    prov_buf_add_str(&b, "12345678");
    assert_int_equal(b.rc, PROV_OK);
    assert_string_equal(prov_buf_cstr(&b), "12345678");
    prov_buf_addf(&b, "%d", 9);
    assert_int_equal(b.rc, PROV_ETOOBIG);
    prov_buf_release(&b);
    assert_int_equal(b.max, 8);
    assert_int_equal(b.rc, PROV_OK);
    prov_buf_add_str(&b, "again");
    assert_string_equal(prov_buf_cstr(&b), "again");
    prov_buf_wipe(&b);
    prov_buf_wipe(&b);
    prov_buf_release(NULL);
    prov_buf_wipe(NULL);
}

static void zeroed_buffer_takes_nothing(void **state)
{
    struct prov_buf b = { 0 };

    (void)state;
    prov_buf_add_u8(&b, 'x');
    assert_int_equal(b.rc, PROV_ETOOBIG);
    assert_null(b.p);
    prov_buf_release(&b);
}

static void buffer_grows_up_to_a_large_maximum(void **state)
{
    struct prov_buf b;

    (void)state;
    prov_buf_init(&b, SIZE_MAX);
    for (unsigned i = 0; i < 10000; i++)
        prov_buf_add_u8(&b, (uint8_t)i);
    assert_int_equal(b.n, 10000);
    for (unsigned i = 0; i < 10000; i++)
        assert_int_equal(b.p[i], (uint8_t)i);
    prov_buf_release(&b);
}

static void growing_buffer_without_memory_keeps_what_it_had(void **state)
{
    struct prov_buf b;

    (void)state;
    prov_buf_init(&b, 1000);
    prov_buf_add_str(&b, "kept");
    alloc_fail_at(1);
    for (unsigned i = 0; i < 200; i++)
        prov_buf_add_u8(&b, 'x');
    assert_true(alloc_failed());
    assert_int_equal(b.rc, PROV_ENOMEM);
    assert_int_equal(strncmp(prov_buf_cstr(&b), "keptxx", 6), 0);
    prov_buf_add_u8(&b, 'y');
    assert_null(strchr(prov_buf_cstr(&b), 'y'));
    prov_buf_release(&b);
    alloc_fail_at(1);
    prov_buf_addf(&b, "%s", "x");
    assert_true(alloc_failed());
    assert_int_equal(b.rc, PROV_ENOMEM);
    assert_string_equal(prov_buf_cstr(&b), "");
    prov_buf_release(&b);
}

/* ---- names ----------------------------------------------------------------------------------- */

#define X32 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X128 X32 X32 X32 X32
#define X800 X128 X128 X128 X128 X128 X128 X32

/* Reference 2.9, 7.1 and 8.7. */
static void names_have_the_characters_and_the_length_of_their_kind(void **state)
{
    static const struct {
        enum prov_name_kind kind;
        struct prov_span name;
        bool good;
    } rows[] = {
        { PROV_NAME_THING, PROV_LIT("azAZ09:_-"), true },
        { PROV_NAME_THING, PROV_LIT(X128), true },
        { PROV_NAME_THING, PROV_LIT(X128 "x"), false },
        { PROV_NAME_THING, PROV_LIT(""), false },
        { PROV_NAME_THING, PROV_LIT("a b"), false },
        { PROV_NAME_THING, PROV_LIT("a/b"), false },
        { PROV_NAME_THING, PROV_LIT("a.b"), false },
        { PROV_NAME_THING, PROV_LIT("a\0"), false },
        { PROV_NAME_THING, PROV_LIT("\xc3\xa4"), false },
        { PROV_NAME_POLICY, PROV_LIT("azAZ09_+=,.@-"), true },
        { PROV_NAME_POLICY, PROV_LIT(X128), true },
        { PROV_NAME_POLICY, PROV_LIT(X128 "x"), false },
        { PROV_NAME_POLICY, PROV_LIT(""), false },
        { PROV_NAME_POLICY, PROV_LIT("a:b"), false },
        { PROV_NAME_POLICY, PROV_LIT("a\0b"), false },
        { PROV_NAME_TEMPLATE, PROV_LIT("azAZ09_-"), true },
        { PROV_NAME_TEMPLATE, PROV_LIT(X32 "xxxx"), true },
        { PROV_NAME_TEMPLATE, PROV_LIT(X32 "xxxxx"), false },
        { PROV_NAME_TEMPLATE, PROV_LIT(""), false },
        { PROV_NAME_TEMPLATE, PROV_LIT("a:b"), false },
        { PROV_NAME_ATTRIBUTE, PROV_LIT("azAZ09_.,@/:#-"), true },
        { PROV_NAME_ATTRIBUTE, PROV_LIT(X128), true },
        { PROV_NAME_ATTRIBUTE, PROV_LIT(X128 "x"), false },
        { PROV_NAME_ATTRIBUTE, PROV_LIT(""), false },
        { PROV_NAME_ATTRIBUTE, PROV_LIT("a=b"), false },
        { PROV_NAME_ATTRIBUTE_VALUE, PROV_LIT("azAZ09_.,@/:#=[]-"), true },
        { PROV_NAME_ATTRIBUTE_VALUE, PROV_LIT(""), true },
        { PROV_NAME_ATTRIBUTE_VALUE, PROV_LIT(X800), true },
        { PROV_NAME_ATTRIBUTE_VALUE, PROV_LIT(X800 "x"), false },
        { PROV_NAME_ATTRIBUTE_VALUE, PROV_LIT("a b"), false },
        { PROV_NAME_ATTRIBUTE_VALUE, PROV_LIT("\""), false },
    };
    struct prov_err err;

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        memset(&err, 0, sizeof err);
        if (prov_name_check(rows[i].kind, rows[i].name, &err) !=
            (rows[i].good ? PROV_OK : PROV_EINVAL))
            fail_msg("row %zu: %s", i, err.text);
        if (rows[i].good)
            continue;
        assert_string_equal(err.code, "InvalidRequestException");
        assert_true(err.text[0] != '\0');
        for (const char *c = err.text; *c != '\0'; c++) /* nothing for the terminal to act on */
            assert_true((uint8_t)*c >= ' ' && *c != '\x7f');
    }
    assert_int_equal(prov_name_check(PROV_NAME_THING, S("/"), NULL), PROV_EINVAL);
}

/* ---- reasons --------------------------------------------------------------------------------- */

static void every_reason_is_explained(void **state)
{
    const struct prov_reason_info *info;

    (void)state;
    for (int a = PROV_REASON_NONE; a < PROV_REASONS; a++) {
        info = prov_reason_info((enum prov_reason)a);
        assert_non_null(info->name);
        assert_non_null(info->aws_code);
        assert_true(strlen(info->sentence) > 10);
        assert_true(strlen(info->cure) > 10);
        for (int b = PROV_REASON_NONE; b < a; b++)
            assert_string_not_equal(info->name, prov_reason_info((enum prov_reason)b)->name);
    }
    assert_ptr_equal(prov_reason_info(PROV_REASONS), prov_reason_info(PROV_REASON_NONE));
    assert_ptr_equal(prov_reason_info((enum prov_reason)1000), prov_reason_info(PROV_REASON_NONE));
}

static void every_step_has_a_name(void **state)
{
    (void)state;
    for (int a = 0; a < PROV_STEPS; a++)
        assert_string_not_equal(prov_step_name((enum prov_step)a), "unknown");
    assert_string_equal(prov_step_name(PROV_STEPS), "unknown");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_result_has_a_name_of_its_own),
        cmocka_unit_test(error_is_filled_and_what_it_held_before_is_gone),
        cmocka_unit_test(spans_are_ordered_by_bytes_and_then_by_length),
        cmocka_unit_test(case_is_ignored_for_ascii_letters_alone),
        cmocka_unit_test(copy_of_a_span_ends_with_a_nul_or_is_refused),
        cmocka_unit_test(utf8_is_well_formed_or_not),
        cmocka_unit_test(hex_goes_there_and_back),
        cmocka_unit_test(certificate_id_is_64_hex_digits),
        cmocka_unit_test(secrets_are_equal_or_not),
        cmocka_unit_test(buffer_takes_what_fits_and_no_more),
        cmocka_unit_test(zeroed_buffer_takes_nothing),
        cmocka_unit_test(buffer_grows_up_to_a_large_maximum),
        cmocka_unit_test(growing_buffer_without_memory_keeps_what_it_had),
        cmocka_unit_test(names_have_the_characters_and_the_length_of_their_kind),
        cmocka_unit_test(every_reason_is_explained),
        cmocka_unit_test(every_step_has_a_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
