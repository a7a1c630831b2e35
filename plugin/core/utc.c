#include "utc.h"

#include <openssl/crypto.h>

#define DAY_S 86400
#define MOST_DAYS 10000000

/* The year starts in March, so that a leap day comes last. */
int64_t prov_utc_days(int64_t year, int64_t month, int64_t day)
{
    const int64_t y = month <= 2 ? year - 1 : year;
    const int64_t m = month <= 2 ? month + 9 : month - 3;

    return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

int64_t prov_utc_of_fields(const struct tm *tm)
{
    const int64_t days = prov_utc_days(tm->tm_year + 1900, tm->tm_mon + 1, tm->tm_mday);

    return ((days * 24 + tm->tm_hour) * 60 + tm->tm_min) * 60 + tm->tm_sec;
}

/* Both of s's sign; false where the days are beyond any year that OpenSSL has. */
static bool split(int64_t s, int *days, long *seconds)
{
    if (s / DAY_S < -MOST_DAYS || s / DAY_S > MOST_DAYS)
        return false;
    *days = (int)(s / DAY_S);
    *seconds = (long)(s % DAY_S);
    return true;
}

bool prov_utc_fields(int64_t s, struct tm *out)
{
    struct tm tm = { .tm_year = 70, .tm_mday = 1 };
    long seconds;
    int days;

    if (!split(s, &days, &seconds) || OPENSSL_gmtime_adj(&tm, days, seconds) != 1)
        return false;
    *out = tm;
    return true;
}

bool prov_utc_of_asn1(const ASN1_TIME *when, int64_t *out_s)
{
    struct tm tm;

    if (when == NULL || ASN1_TIME_to_tm(when, &tm) != 1) /* NULL would be now */
        return false;
    *out_s = prov_utc_of_fields(&tm);
    return true;
}

bool prov_utc_to_asn1(int64_t s, ASN1_TIME *out)
{
    long seconds;
    int days;

    return split(s, &days, &seconds) && ASN1_TIME_adj(out, 0, days, seconds) != NULL;
}
