/* Times are the same in every form, and after 2038 too where time_t has 32 bits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/err.h>

#include "core/utc.h"

static void time_is_the_same_in_every_form(void **state)
{
    static const struct {
        int64_t s;
        const char *text; /* GeneralizedTime */
    } rows[] = {
        { -2208988800, "19000101000000Z" },
        { -2203891201, "19000228235959Z" }, /* 1900 is no leap year */
        { -2203891200, "19000301000000Z" },
        { -86401, "19691230235959Z" },
        { -1, "19691231235959Z" },
        { 0, "19700101000000Z" },
        { 951782400, "20000229000000Z" }, /* 2000 is one */
        { 951868799, "20000229235959Z" },
        { 2147483647, "20380119031407Z" },
        { 2147483648, "20380119031408Z" },
        { 4294967296, "21060207062816Z" },
        { 253402300799, "99991231235959Z" },
    };
    ASN1_TIME *when = ASN1_TIME_new();
    struct tm tm;
    int64_t s;

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        assert_int_equal(ASN1_TIME_set_string(when, rows[i].text), 1);
        assert_true(prov_utc_of_asn1(when, &s));
        assert_true(s == rows[i].s);
        assert_true(prov_utc_fields(s, &tm));
        assert_true(prov_utc_of_fields(&tm) == s);
        assert_int_equal(ASN1_TIME_cmp_time_t(when, 0), (s > 0) - (s < 0));
        assert_true(prov_utc_to_asn1(s, when));
        assert_true(prov_utc_of_asn1(when, &s));
        assert_true(s == rows[i].s);
    }
    ASN1_TIME_free(when);
}

static void every_day_of_1900_to_2400_follows_the_one_before(void **state)
{
    int64_t s = -2208988800;
    struct tm tm;

    (void)state;
    for (int year = 1900; year < 2400; year++) {
        const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        const int days[] = { 31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

        for (int month = 0; month < 12; month++) {
            for (int day = 1; day <= days[month]; day++, s += 86400) {
                assert_true(prov_utc_days(year, month + 1, day) * 86400 == s);
                assert_true(prov_utc_fields(s + 86399, &tm));
                assert_int_equal(tm.tm_year + 1900, year);
                assert_int_equal(tm.tm_mon, month);
                assert_int_equal(tm.tm_mday, day);
                assert_true(tm.tm_hour == 23 && tm.tm_min == 59 && tm.tm_sec == 59);
            }
        }
    }
}

static void fields_outside_their_range_count_on(void **state)
{
    const struct tm day = { .tm_year = 126, .tm_mon = 1, .tm_mday = 31 };
    const struct tm hour = { .tm_year = 70, .tm_mday = 1, .tm_hour = 25, .tm_sec = 60 };

    (void)state;
    assert_true(prov_utc_of_fields(&day) == prov_utc_days(2026, 3, 3) * 86400);
    assert_true(prov_utc_of_fields(&hour) == 25 * 3600 + 60);
}

static void years_of_less_or_more_than_four_digits_are_refused(void **state)
{
    static const int64_t beyond[] = { -2208988801, 253402300800, INT64_MIN, INT64_MAX,
                                      INT64_C(86400) << 32 };
    ASN1_TIME *when = ASN1_TIME_new();
    struct tm tm = { .tm_year = 42 };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(beyond); i++) {
        assert_false(prov_utc_fields(beyond[i], &tm));
        assert_int_equal(tm.tm_year, 42);
        assert_false(prov_utc_to_asn1(beyond[i], when));
    }
    ASN1_TIME_free(when);
    ERR_clear_error();
}

static void time_that_does_not_decode_is_refused(void **state)
{
    static const char *const bad[] = { "20261301000000Z", "20260230000000Z", "2026", "" };
    ASN1_TIME *when = ASN1_TIME_new();
    int64_t s = 42;

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(bad); i++) {
        assert_int_equal(ASN1_STRING_set(when, bad[i], -1), 1);
        when->type = V_ASN1_GENERALIZEDTIME;
        assert_false(prov_utc_of_asn1(when, &s));
    }
    assert_false(prov_utc_of_asn1(NULL, &s));
    assert_int_equal(s, 42);
    ASN1_TIME_free(when);
    ERR_clear_error();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_is_the_same_in_every_form),
        cmocka_unit_test(every_day_of_1900_to_2400_follows_the_one_before),
        cmocka_unit_test(fields_outside_their_range_count_on),
        cmocka_unit_test(years_of_less_or_more_than_four_digits_are_refused),
        cmocka_unit_test(time_that_does_not_decode_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
