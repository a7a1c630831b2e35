#include "policy_priv.h"

#include <arpa/inet.h>

#include "utc.h"

/* Takes up to max decimal digits off the front; false when there is none. */
static bool take_digits(struct prov_span *s, size_t max, int64_t *out)
{
    size_t n = 0;

    for (*out = 0; n < s->n && n < max && s->p[n] >= '0' && s->p[n] <= '9'; n++)
        *out = 10 * *out + (s->p[n] - '0');
    *s = prov_span(s->p + n, s->n - n);
    return n != 0;
}

static bool take(struct prov_span *s, char c)
{
    if (s->n == 0 || s->p[0] != (uint8_t)c)
        return false;
    *s = prov_span(s->p + 1, s->n - 1);
    return true;
}

/* Exactly n digits. */
static bool take_field(struct prov_span *s, size_t n, int64_t *out)
{
    const size_t before = s->n;

    return take_digits(s, n, out) && before - s->n == n;
}

bool prov_pol_number(struct prov_span s, double *out)
{
    const bool minus = take(&s, '-');
    int64_t whole, fraction = 0;
    double scale = 1;
    size_t n, n_fraction;

    if (!minus)
        (void)take(&s, '+');
    while (s.n > 1 && s.p[0] == '0' && s.p[1] >= '0' && s.p[1] <= '9')
        (void)take(&s, '0');
    n = s.n;
    if (!take_digits(&s, 15, &whole))
        return false;
    n -= s.n;
    if (take(&s, '.')) {
        n_fraction = s.n;
        if (!take_digits(&s, 15, &fraction) || n_fraction - s.n > 15 - n)
            return false;
        for (n_fraction -= s.n; n_fraction > 0; n_fraction--)
            scale *= 10;
    }
    /* numerator and denominator are exact, so equal numbers are equal doubles */
    *out = ((double)whole * scale + (double)fraction) / scale;
    if (minus)
        *out = -*out;
    return s.n == 0;
}

static int64_t days_in_month(int64_t year, int64_t month)
{
    return prov_utc_days(month == 12 ? year + 1 : year, month == 12 ? 1 : month + 1, 1) -
           prov_utc_days(year, month, 1);
}

/* A year; with a month; with a day: what is not there is the first (W3C NOTE-datetime). */
static bool take_day(struct prov_span *s, int64_t *days)
{
    int64_t year, month = 1, day = 1;

    if (!take_field(s, 4, &year))
        return false;
    if (s->n != 0 && (!take(s, '-') || !take_field(s, 2, &month)))
        return false;
    if (s->n != 0 && (!take(s, '-') || !take_field(s, 2, &day)))
        return false;
    if (year < 1 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month))
        return false;
    *days = prov_utc_days(year, month, day);
    return true;
}

/* Milliseconds; what is finer is cut off. */
static bool take_fraction(struct prov_span *s, int64_t *ms)
{
    int64_t digit, worth = 100;

    if (!take_field(s, 1, &digit))
        return false;
    do {
        *ms += worth * digit;
        worth /= 10;
    } while (take_field(s, 1, &digit));
    return true;
}

/* "hh:mm", with ":ss" if it is there, and with a fraction of that. */
static bool take_time(struct prov_span *s, int64_t *ms)
{
    int64_t hour, minute, second = 0, fraction = 0;

    if (!take_field(s, 2, &hour) || !take(s, ':') || !take_field(s, 2, &minute))
        return false;
    if (take(s, ':') &&
        (!take_field(s, 2, &second) || (take(s, '.') && !take_fraction(s, &fraction))))
        return false;
    *ms = ((hour * 60 + minute) * 60 + second) * 1000 + fraction;
    return hour <= 23 && minute <= 59 && second <= 60; /* 60: a leap second */
}

/* "Z" or an offset from UTC. */
static bool take_zone(struct prov_span *s, int64_t *ms)
{
    const bool west = s->n != 0 && s->p[0] == '-';
    int64_t hour, minute;

    *ms = 0;
    if (take(s, 'Z'))
        return true;
    if ((!take(s, '+') && !take(s, '-')) || !take_field(s, 2, &hour) || !take(s, ':') ||
        !take_field(s, 2, &minute))
        return false;
    *ms = (hour * 60 + minute) * 60 * 1000;
    if (west)
        *ms = -*ms;
    return hour <= 23 && minute <= 59;
}

bool prov_pol_date(struct prov_span s, int64_t *out_ms)
{
    struct prov_span rest = s;
    int64_t epoch_s, days, time_ms = 0, zone_ms = 0;

    /* four digits are a year */
    if (s.n != 4 && take_digits(&rest, 12, &epoch_s) && rest.n == 0) {
        *out_ms = epoch_s * 1000;
        return true;
    }
    if (!take_day(&s, &days))
        return false;
    if (s.n != 0 && (!take(&s, 'T') || !take_time(&s, &time_ms) || !take_zone(&s, &zone_ms)))
        return false;
    *out_ms = days * 24 * 60 * 60 * 1000 + time_ms - zone_ms;
    return s.n == 0;
}

bool prov_pol_bool(struct prov_span s, bool *out)
{
    *out = prov_span_eq_nocase(s, PROV_LIT("true"));
    return *out || prov_span_eq_nocase(s, PROV_LIT("false"));
}

/* ---- addresses ------------------------------------------------------------------------------- */

static bool take_address(struct prov_span s, struct pol_net *out)
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
    char text[INET6_ADDRSTRLEN];

    *out = (struct pol_net){ 0 };
    if (s.n == 0 || memchr(s.p, '\0', s.n) != NULL || !prov_span_copy(s, text, sizeof text))
        return false;
    out->v6 = memchr(s.p, ':', s.n) != NULL;
    if (inet_pton(out->v6 ? AF_INET6 : AF_INET, text, out->addr) != 1)
        return false;
    if (out->v6 && memcmp(out->addr, mapped, sizeof mapped) == 0) {
        memmove(out->addr, out->addr + sizeof mapped, 4);
        memset(out->addr + 4, 0, sizeof out->addr - 4);
        out->v6 = false;
        out->bits = 8 * sizeof mapped; /* what the prefix lost */
    }
    return true;
}

bool prov_pol_net(struct prov_span s, struct pol_net *out)
{
    const uint8_t *const slash = s.n == 0 ? NULL : memchr(s.p, '/', s.n);
    const size_t n = slash == NULL ? s.n : (size_t)(slash - s.p);
    struct prov_span rest = prov_span(s.p + n, s.n - n);
    int64_t bits;
    unsigned full;

    if (!take_address(prov_span(s.p, n), out))
        return false;
    full = out->v6 || out->bits != 0 ? 128 : 32;
    bits = full;
    if (slash != NULL && (!take(&rest, '/') || !take_digits(&rest, 3, &bits) || rest.n != 0))
        return false;
    if (bits > full || bits < out->bits)
        return false;
    out->bits = (unsigned)bits - out->bits;
    return true;
}

bool prov_pol_net_has(const struct pol_net *net, struct prov_span address)
{
    const uint8_t *const zone = address.n == 0 ? NULL : memchr(address.p, '%', address.n);
    const unsigned bytes = net->bits / 8, rest = net->bits % 8;
    struct pol_net a;

    if (zone != NULL)
        address.n = (size_t)(zone - address.p);
    if (!take_address(address, &a) || a.v6 != net->v6 || memcmp(a.addr, net->addr, bytes) != 0)
        return false;
    return rest == 0 || ((a.addr[bytes] ^ net->addr[bytes]) & (0xff00U >> rest) & 0xff) == 0;
}
