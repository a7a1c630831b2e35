#include "text.h"

#include <stdio.h>
#include <wchar.h>

#include "core/utc.h"

#define STYLE(code) "\x1b[" code "m"

static const char *const styles[] = {
    [CTL_PLAIN] = "",         [CTL_HEAD] = STYLE("1"),
    [CTL_GOOD] = STYLE("32"), [CTL_WAITING] = STYLE("33"),
    [CTL_BAD] = STYLE("31"),
};
_Static_assert(PROV_COUNT(styles) == CTL_STYLES, "a style was added without its code");

/* ---- characters ------------------------------------------------------------------------------ */

/* The character that s starts with, and its length; length 0 when it is no UTF-8. */
static uint32_t first_char(struct prov_span s, size_t *n)
{
    static const uint8_t masks[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
    uint32_t c;

    for (*n = 1; *n <= 4 && *n <= s.n; (*n)++) {
        if (!prov_utf8_valid(prov_span(s.p, *n)))
            continue;
        c = s.p[0] & masks[*n];
        for (size_t i = 1; i < *n; i++)
            c = c << 6 | (s.p[i] & 0x3f);
        return c;
    }
    *n = 0;
    return 0;
}

/* What a terminal obeys instead of showing: controls, line and paragraph separators, and the marks
 * that change the direction of writing (Unicode TR 9). */
static bool is_obeyed(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c || c == 0x200e || c == 0x200f ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

void ctl_put_text(struct prov_buf *out, struct prov_span s)
{
    size_t n, escaped;

    for (size_t i = 0; i < s.n; i += n) {
        const uint32_t c = first_char(prov_span(s.p + i, s.n - i), &n);

        if (n != 0 && !is_obeyed(c)) {
            prov_buf_add(out, prov_span(s.p + i, n));
            continue;
        }
        n = n == 0 ? 1 : n;
        for (escaped = 0; escaped < n; escaped++)
            prov_buf_addf(out, "\\x%02x", s.p[i + escaped]);
    }
}

/* wcwidth says -1 for what the C library's tables do not know. */
static size_t char_width(uint32_t c)
{
    const int width = wcwidth((wchar_t)c);

    return width < 0 ? 1 : (size_t)width;
}

struct prov_span ctl_cut(struct prov_span s, size_t width)
{
    size_t used = 0, n;

    for (size_t i = 0; i < s.n; i += n) {
        used += char_width(first_char(prov_span(s.p + i, s.n - i), &n));
        if (n == 0 || used > width)
            return prov_span(s.p, i);
    }
    return s;
}

size_t ctl_width(struct prov_span s)
{
    size_t used = 0, n;

    for (size_t i = 0; i < s.n; i += n) {
        used += char_width(first_char(prov_span(s.p + i, s.n - i), &n));
        n = n == 0 ? 1 : n;
    }
    return used;
}

void ctl_release(struct prov_buf *answer, struct prov_buf *text)
{
    if (answer->rc == PROV_OK)
        answer->rc = text->rc;
    prov_buf_release(text);
}

/* ---- times and sizes ------------------------------------------------------------------------- */

void ctl_put_time(struct prov_buf *out, int64_t at_ms)
{
    struct tm tm;
    char text[64];

    if (at_ms == 0 || !prov_utc_fields(at_ms / 1000, &tm) ||
        strftime(text, sizeof text, "%Y-%m-%d %H:%M:%SZ", &tm) == 0)
        prov_buf_add_str(out, "-");
    else
        prov_buf_add_str(out, text);
}

void ctl_put_ago(struct prov_buf *out, int64_t at_ms, int64_t now_ms)
{
    static const struct {
        int64_t seconds;
        const char *name;
    } units[] = { { 86400, "day" }, { 3600, "hour" }, { 60, "minute" }, { 1, "second" } };
    const bool future = at_ms > now_ms;
    const int64_t s = (future ? at_ms - now_ms : now_ms - at_ms) / 1000;

    for (size_t i = 0; i < PROV_COUNT(units); i++) {
        const int64_t n = s / units[i].seconds;

        if (n == 0)
            continue;
        prov_buf_addf(out, "%s%lld %s%s%s", future ? "in " : "", (long long)n, units[i].name,
                      n == 1 ? "" : "s", future ? "" : " ago");
        return;
    }
    prov_buf_add_str(out, "just now");
}

void ctl_put_size(struct prov_buf *out, uint64_t bytes)
{
    static const char *const units[] = { "bytes", "kB", "MB", "GB", "TB" };
    double size = (double)bytes;
    size_t unit = 0;

    for (; size >= 1000 && unit + 1 < PROV_COUNT(units); unit++)
        size /= 1000;
    prov_buf_addf(out, unit == 0 || size >= 100 ? "%.0f %s" : "%.1f %s", size, units[unit]);
}

/* ---- shells ---------------------------------------------------------------------------------- */

static bool is_plain(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c != '\0' && strchr("_-.,:/@%+=", c) != NULL);
}

bool ctl_put_shell(struct prov_buf *out, struct prov_span s)
{
    bool plain = s.n != 0 && s.p[0] != '-';
    size_t n;

    for (size_t i = 0; i < s.n; i += n) {
        const uint32_t c = first_char(prov_span(s.p + i, s.n - i), &n);

        if (n == 0 || is_obeyed(c))
            return false;
        plain = plain && is_plain(s.p[i]);
    }
    if (plain) {
        prov_buf_add(out, s);
        return true;
    }
    prov_buf_add_u8(out, '\'');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\'')
            prov_buf_add_str(out, "'\\''");
        else
            prov_buf_add_u8(out, s.p[i]);
    }
    prov_buf_add_u8(out, '\'');
    return true;
}

/* ---- colours --------------------------------------------------------------------------------- */

void ctl_style_on(struct prov_buf *out, const struct ctl_look *look, enum ctl_style style)
{
    if (look->colour)
        prov_buf_add_str(out, styles[style]);
}

void ctl_style_off(struct prov_buf *out, const struct ctl_look *look, enum ctl_style style)
{
    if (look->colour && style != CTL_PLAIN)
        prov_buf_add_str(out, STYLE("0"));
}

enum ctl_style ctl_style_of(const char *status)
{
    if (strcmp(status, "ACTIVE") == 0)
        return CTL_GOOD;
    return strcmp(status, "REVOKED") == 0 ? CTL_BAD : CTL_WAITING;
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void put_char(struct prov_buf *out, uint32_t c, struct prov_span bytes)
{
    static const char escapes[] = "\b\f\n\r\t\"\\", letters[] = "bfnrt\"\\";
    const char *found = c != 0 && c < 0x80 ? strchr(escapes, (int)c) : NULL;

    if (found != NULL)
        prov_buf_addf(out, "\\%c", letters[found - escapes]);
    else if (is_obeyed(c))
        prov_buf_addf(out, "\\u%04x", c);
    else
        prov_buf_add(out, bytes);
}

static void put_string(struct prov_buf *out, struct prov_span s)
{
    size_t n;

    prov_buf_add_u8(out, '"');
    for (size_t i = 0; i < s.n; i += n) {
        const uint32_t c = first_char(prov_span(s.p + i, s.n - i), &n);

        put_char(out, n == 0 ? 0xfffd : c,
                 n == 0 ? PROV_LIT("\xef\xbf\xbd") : prov_span(s.p + i, n));
        n = n == 0 ? 1 : n;
    }
    prov_buf_add_u8(out, '"');
}

static void new_line(struct prov_buf *out, unsigned depth)
{
    prov_buf_addf(out, "\n%*s", (int)(2 * depth), "");
}

static void put_number(struct prov_buf *out, double value)
{
    /* Whole numbers and times in milliseconds are all there is. */
    prov_buf_addf(out, "%.15g", value);
}

void ctl_put_json(struct prov_buf *out, const cJSON *value, unsigned depth)
{
    const bool object = cJSON_IsObject(value);
    const cJSON *child;

    if (cJSON_IsString(value)) {
        put_string(out, prov_span_str(value->valuestring));
    } else if (cJSON_IsNumber(value)) {
        put_number(out, value->valuedouble);
    } else if (!object && !cJSON_IsArray(value)) {
        prov_buf_add_str(out, cJSON_IsTrue(value)   ? "true"
                              : cJSON_IsNull(value) ? "null"
                                                    : "false");
    } else {
        prov_buf_add_u8(out, object ? '{' : '[');
        for (child = value->child; child != NULL; child = child->next) {
            new_line(out, depth + 1);
            if (object) {
                put_string(out, prov_span_str(child->string));
                prov_buf_add_str(out, ": ");
            }
            ctl_put_json(out, child, depth + 1);
            if (child->next != NULL)
                prov_buf_add_u8(out, ',');
        }
        if (value->child != NULL)
            new_line(out, depth);
        prov_buf_add_u8(out, object ? '}' : ']');
    }
}
