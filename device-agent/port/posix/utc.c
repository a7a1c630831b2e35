#include "utc.h"

#include <openssl/crypto.h>

#define DAY_S 86400
#define MOST_DAYS 10000000 /* beyond any year that OpenSSL has */

static const struct tm epoch = { .tm_year = 70, .tm_mday = 1 };

bool utc_seconds(const ASN1_TIME *when, int64_t *out_s)
{
    int days, seconds;
    struct tm tm;

    if (when == NULL || ASN1_TIME_to_tm(when, &tm) != 1 || /* NULL would be now */
        OPENSSL_gmtime_diff(&days, &seconds, &epoch, &tm) != 1)
        return false;
    *out_s = (int64_t)days * DAY_S + seconds;
    return true;
}

bool utc_fields(int64_t s, struct tm *out)
{
    const int64_t days = s / DAY_S;
    struct tm tm = epoch;

    if (days < -MOST_DAYS || days > MOST_DAYS ||
        OPENSSL_gmtime_adj(&tm, (int)days, (long)(s % DAY_S)) != 1)
        return false;
    *out = tm;
    return true;
}
