#include "support/policy_oracle_text.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#include <openssl/crypto.h>

#define NOT_UTF8 0x110000 /* behind the last code point */

void *oracle_alloc(size_t n, size_t size)
{
    void *const p = calloc(n == 0 ? 1 : n, size);

    if (p == NULL)
        abort();
    return p;
}

void oracle_text_release(struct oracle_text *t)
{
    free(t->u);
    *t = (struct oracle_text){ NULL, 0, 0 };
}

void oracle_text_add(struct oracle_text *t, int32_t unit)
{
    if (t->n == t->cap) {
        t->cap = t->cap == 0 ? 64 : 2 * t->cap;
        t->u = realloc(t->u, t->cap * sizeof *t->u);
        if (t->u == NULL)
            abort();
    }
    t->u[t->n++] = unit;
}

/* RFC 3629: the first byte says how many there are; the rest begin with the bits 10. */
int32_t oracle_character(struct prov_span s, size_t *n_bytes)
{
    static const int32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    const uint8_t first = s.p[0];
    const size_t n = first < 0x80 ? 1 : first < 0xc0 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    int32_t c = first & (0xff >> (n + 1));

    *n_bytes = 1;
    if (n == 1)
        return first;
    if (n == 0 || n > s.n || first > 0xf4)
        return NOT_UTF8 + first;
    for (size_t i = 1; i < n; i++) {
        if ((s.p[i] & 0xc0) != 0x80)
            return NOT_UTF8 + first;
        c = c << 6 | (s.p[i] & 0x3f);
    }
    if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return NOT_UTF8 + first;
    *n_bytes = n;
    return c;
}

void oracle_text_add_span(struct oracle_text *t, struct prov_span s)
{
    for (size_t i = 0, n; i < s.n; i += n)
        oracle_text_add(t, oracle_character(prov_span(s.p + i, s.n - i), &n));
}

/* ---- wildcards (8.3) ------------------------------------------------------------------------- */

/*
 * How far a pattern can have been read when some of a text has been: at[i] says that the pattern's
 * first i units can stand for what was seen of the text. No such i is below first or above last.
 */
struct reading {
    const struct oracle_text *pattern;
    bool *at;
    size_t first, last;
    bool any_case, alive;
};

static int32_t lower(int32_t c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

/* A run may also be empty, so what comes to it also comes behind it. */
static void reach(struct reading *r, size_t i)
{
    if (r->at[i])
        return;
    if (!r->alive)
        r->first = i;
    r->at[i] = true;
    r->last = i;
    r->alive = true;
    if (i < r->pattern->n && r->pattern->u[i] == ORACLE_ANY_RUN)
        reach(r, i + 1);
}

/* Does the pattern's unit, which is no run, stand for the character? */
static bool stands_for(int32_t unit, int32_t c, bool any_case)
{
    if (unit == ORACLE_ANY_ONE || unit == c)
        return true;
    return any_case && lower(unit) == lower(c);
}

/* `to` becomes what `from` is after one more character. */
static void read_character(const struct reading *from, int32_t c, struct reading *to)
{
    const struct oracle_text *const p = from->pattern;

    memset(to->at, 0, p->n + 1);
    to->alive = false;
    for (size_t i = from->first; i <= from->last && i < p->n; i++) {
        if (!from->at[i])
            continue;
        if (p->u[i] == ORACLE_ANY_RUN)
            reach(to, i);
        else if (stands_for(p->u[i], c, from->any_case))
            reach(to, i + 1);
    }
}

bool oracle_matches(const struct oracle_text *pattern, const struct oracle_text *text,
                    bool any_case)
{
    bool *const both = oracle_alloc(2, pattern->n + 1);
    struct reading now = { .pattern = pattern, .at = both, .any_case = any_case };
    struct reading next = now;
    bool matches;

    next.at = both + pattern->n + 1;
    reach(&now, 0);
    for (size_t i = 0; i < text->n && now.alive; i++) {
        const struct reading swap = now;

        read_character(&now, text->u[i], &next);
        now = next;
        next = swap;
    }
    matches = now.alive && now.at[pattern->n];
    free(both);
    return matches;
}

/* ---- ARNs: arn:partition:service:region:account:resource ------------------------------------- */

bool oracle_arn_part(const struct oracle_text *arn, unsigned part, struct oracle_text *out)
{
    size_t begin = 0, end;

    for (unsigned i = 0;; i++) {
        end = begin;
        while (end < arn->n && (i == 5 || arn->u[end] != ':'))
            end++;
        if (i == part)
            break;
        if (end == arn->n)
            return false;
        begin = end + 1;
    }
    *out = (struct oracle_text){ arn->u + begin, end - begin, 0 };
    return true;
}

/* ---- numbers, dates, truth, addresses -------------------------------------------------------- */

#define CAP 64 /* longer than any of them */

/* As a C string, if it is printable ASCII and not too long. */
static bool ascii(const struct oracle_text *t, char out[static CAP])
{
    if (t->n == 0 || t->n >= CAP)
        return false;
    for (size_t i = 0; i < t->n; i++) {
        if (t->u[i] < ' ' || t->u[i] > '~')
            return false;
        out[i] = (char)t->u[i];
    }
    out[t->n] = '\0';
    return true;
}

/* A run of digits, counted; nothing else is a digit in any locale. */
static unsigned skip_digits(const char **text)
{
    unsigned n = 0;

    for (; isdigit((unsigned char)**text); (*text)++)
        n++;
    return n;
}

/*
 * "42", "-1", "+0.5": IAM has integers and decimals. Ours: at most 15 digits in all, zeros in front
 * not counted, for so many a double knows apart.
 */
bool oracle_number(const struct oracle_text *t, double *out)
{
    char text[CAP];
    const char *c = text;
    unsigned whole, fraction = 0;

    if (!ascii(t, text))
        return false;
    if (*c == '+' || *c == '-')
        c++;
    while (c[0] == '0' && isdigit((unsigned char)c[1]))
        c++;
    whole = skip_digits(&c);
    if (*c == '.') {
        c++;
        fraction = skip_digits(&c);
        if (fraction == 0)
            return false;
    }
    *out = strtod(text, NULL);
    return *c == '\0' && whole != 0 && whole + fraction <= 15;
}

bool oracle_bool(const struct oracle_text *t, bool *out)
{
    char text[CAP];

    if (!ascii(t, text))
        return false;
    *out = strcasecmp(text, "true") == 0;
    return *out || strcasecmp(text, "false") == 0;
}

/* Exactly n digits of *text, which moves behind them. */
static bool digits(const char **text, unsigned n, int *out)
{
    *out = 0;
    for (; n != 0; n--) {
        if (!isdigit((unsigned char)**text))
            return false;
        *out = *out * 10 + (*(*text)++ - '0');
    }
    return true;
}

static bool skip(const char **text, char c)
{
    if (**text != c)
        return false;
    (*text)++;
    return true;
}

/* "Z", "+01:00", "-01:00", to the end of the text. */
static bool time_zone(const char *text, double *offset_s)
{
    const int sign = *text == '-' ? -1 : 1;
    int hours, minutes;

    *offset_s = 0;
    if (strcmp(text, "Z") == 0)
        return true;
    if (*text != '+' && *text != '-')
        return false;
    text++;
    if (!digits(&text, 2, &hours) || !skip(&text, ':') || !digits(&text, 2, &minutes) ||
        *text != '\0' || hours > 23 || minutes > 59)
        return false;
    *offset_s = sign * (hours * 3600 + minutes * 60);
    return true;
}

/* "hh:mm", "hh:mm:ss", "hh:mm:ss.s", each with a time zone, to the end of the text. Milliseconds
 * count; a leap second is the one after it. */
static bool time_of_day(const char *text, struct tm *tm, double *ms)
{
    int thousandths = 0, scale = 100;
    double offset_s;

    if (!digits(&text, 2, &tm->tm_hour) || !skip(&text, ':') || !digits(&text, 2, &tm->tm_min))
        return false;
    if (skip(&text, ':')) {
        if (!digits(&text, 2, &tm->tm_sec))
            return false;
        if (skip(&text, '.')) {
            if (!isdigit((unsigned char)*text))
                return false;
            for (; isdigit((unsigned char)*text); text++, scale /= 10)
                thousandths += scale * (*text - '0');
        }
    }
    if (!time_zone(text, &offset_s) || tm->tm_hour > 23 || tm->tm_min > 59 || tm->tm_sec > 60)
        return false;
    *ms = thousandths - 1000 * offset_s;
    return true;
}

/* "YYYY", "YYYY-MM", "YYYY-MM-DD", "YYYY-MM-DDThh:mm…": each part only behind all before it. */
static bool date_and_time(const char *text, struct tm *tm, double *ms)
{
    if (!digits(&text, 4, &tm->tm_year))
        return false;
    if (*text == '\0')
        return true;
    if (!skip(&text, '-') || !digits(&text, 2, &tm->tm_mon))
        return false;
    if (*text == '\0')
        return true;
    if (!skip(&text, '-') || !digits(&text, 2, &tm->tm_mday))
        return false;
    if (*text == '\0')
        return true;
    return skip(&text, 'T') && time_of_day(text, tm, ms);
}

/* There is no 30th of February. */
static bool is_day(const struct tm *tm)
{
    const struct tm first = { .tm_year = tm->tm_year, .tm_mon = tm->tm_mon, .tm_mday = 1 };
    struct tm next = first;
    int days, rest;

    next.tm_mon++;
    return tm->tm_mon >= 0 && tm->tm_mon <= 11 &&
           OPENSSL_gmtime_diff(&days, &rest, &first, &next) == 1 && tm->tm_mday >= 1 &&
           tm->tm_mday <= days;
}

static bool since_1970(const struct tm *tm, double *out)
{
    const struct tm epoch = { .tm_year = 70, .tm_mday = 1 };
    struct tm minute = *tm;
    int days, rest;

    minute.tm_sec = 0; /* a leap second is one more */
    if (!is_day(tm) || OPENSSL_gmtime_diff(&days, &rest, &epoch, &minute) != 1)
        return false;
    *out = days * 86400.0 + rest + tm->tm_sec;
    return true;
}

/*
 * IAM: ISO 8601 in the profile of the W3C, or seconds since 1970. Four digits are a year; ours: of
 * seconds there are at most 12 digits.
 */
bool oracle_date(const struct oracle_text *t, double *out)
{
    struct tm tm = { .tm_mday = 1, .tm_mon = 1 };
    double ms = 0;
    char text[CAP];

    if (!ascii(t, text))
        return false;
    if (t->n != 4 && strspn(text, "0123456789") == t->n) {
        *out = strtod(text, NULL) * 1000;
        return t->n <= 12;
    }
    if (!date_and_time(text, &tm, &ms) || tm.tm_year == 0)
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    if (!since_1970(&tm, out))
        return false;
    *out = *out * 1000 + ms;
    return true;
}

/* ---- addresses ------------------------------------------------------------------------------- */

/* As IPv6, where IPv4 is a block of its own (RFC 4291, 2.5.5.2): so both ways of writing are one.
 */
static bool ip_bytes(const char *address, uint8_t out[static 16], long *bits)
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

    *bits = 128;
    if (inet_pton(AF_INET6, address, out) == 1)
        return true;
    *bits = 32;
    memcpy(out, mapped, sizeof mapped);
    return inet_pton(AF_INET, address, out + sizeof mapped) == 1;
}

static bool is_ipv4(const uint8_t ip[static 16])
{
    return memcmp(ip, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) == 0;
}

/* "/24" */
static bool prefix_length(const char *text, long most, long *out)
{
    char *end;

    if (*text != '/' || !isdigit((unsigned char)text[1]))
        return false;
    *out = strtol(text + 1, &end, 10);
    return *end == '\0' && *out <= most;
}

bool oracle_ip_in(const struct oracle_text *block, const struct oracle_text *address)
{
    char b[CAP], a[CAP], length[CAP] = "";
    uint8_t net[16], host[16];
    long bits, most, ignored;

    if (!ascii(block, b) || !ascii(address, a))
        return false;
    a[strcspn(a, "%")] = '\0'; /* the interface behind a link-local address */
    memcpy(length, b + strcspn(b, "/"), strlen(b + strcspn(b, "/")));
    b[strcspn(b, "/")] = '\0';
    if (!ip_bytes(b, net, &most) || !ip_bytes(a, host, &ignored) || is_ipv4(net) != is_ipv4(host))
        return false;
    bits = most;
    if (length[0] != '\0' && !prefix_length(length, most, &bits))
        return false;
    for (long i = 0; i < bits + (128 - most); i++)
        if (((net[i / 8] ^ host[i / 8]) >> (7 - i % 8) & 1) != 0)
            return false;
    return true;
}
