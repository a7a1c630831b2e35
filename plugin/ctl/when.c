#include "when.h"

#include <errno.h>

#include "core/utc.h"

static const struct {
    const char *names[4]; /* the first is how it is told */
    uint32_t seconds;
} periods[] = {
    { { "s", "sec", "second" }, 1 },
    { { "min", "m", "minute" }, 60 },
    { { "h", "hour" }, 3600 },
    { { "day", "d" }, 86400 },
};

static uint32_t period_of(const char *name)
{
    for (size_t i = 0; i < PROV_COUNT(periods); i++) {
        for (size_t j = 0; j < PROV_COUNT(periods[i].names) && periods[i].names[j] != NULL; j++) {
            if (strcmp(periods[i].names[j], name) == 0)
                return periods[i].seconds;
        }
    }
    return 0;
}

/* Digits alone, up to `end`; false when there are none, or too many. */
static bool number(const char *text, const char **end, uint32_t *out)
{
    unsigned long long value;
    char *rest;

    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    value = strtoull(text, &rest, 10);
    *end = rest;
    *out = (uint32_t)value;
    return errno == 0 && value <= UINT32_MAX;
}

/* ---- times ----------------------------------------------------------------------------------- */

/* The 31st of June, or a 60th second, is another time than was typed. */
static bool from_fields(const struct tm *typed, int64_t *out_s)
{
    struct tm tm;

    *out_s = prov_utc_of_fields(typed);
    return *out_s > 0 && *out_s <= (int64_t)UINT32_MAX && prov_utc_fields(*out_s, &tm) &&
           tm.tm_mon == typed->tm_mon && tm.tm_sec == typed->tm_sec;
}

static bool parse_date(const char *text, int64_t *out_s)
{
    static const char *const formats[] = { "%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M",
                                           "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S" };

    for (size_t i = 0; i < PROV_COUNT(formats); i++) {
        struct tm tm = { .tm_isdst = 0 };
        const char *rest = strptime(text, formats[i], &tm);

        if (rest != NULL && (*rest == '\0' || (i > 0 && strcmp(rest, "Z") == 0)))
            return from_fields(&tm, out_s);
    }
    return false;
}

static bool parse_from_now(const char *text, int64_t now_s, int64_t *out_s)
{
    const char *unit;
    uint32_t n, seconds;

    if (!number(text, &unit, &n))
        return false;
    seconds = period_of(unit);
    *out_s = now_s + (int64_t)n * seconds;
    return seconds != 0 && n != 0 && *out_s <= (int64_t)UINT32_MAX;
}

bool ctl_parse_time(const char *text, int64_t now_s, int64_t *out_s)
{
    const char *end;
    uint32_t seconds;

    if (text[0] == '+')
        return parse_from_now(text + 1, now_s, out_s);
    if (number(text, &end, &seconds) && *end == '\0') {
        *out_s = seconds;
        return true;
    }
    return parse_date(text, out_s);
}

/* ---- rates ----------------------------------------------------------------------------------- */

bool ctl_parse_rate(const char *text, uint32_t *count, uint32_t *seconds)
{
    const char *end;

    *seconds = 0;
    if (!number(text, &end, count))
        return false;
    if (*count == 0 && *end == '\0')
        return true;
    *seconds = *end == '/' ? period_of(end + 1) : 0;
    return *count != 0 && *seconds != 0;
}

void ctl_put_rate(struct prov_buf *out, uint32_t count, uint32_t seconds)
{
    for (size_t i = 0; i < PROV_COUNT(periods); i++) {
        if (periods[i].seconds == seconds) {
            prov_buf_addf(out, "%u/%s", count, periods[i].names[0]);
            return;
        }
    }
    prov_buf_addf(out, "%u in %u s", count, seconds);
}
