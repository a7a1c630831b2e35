#include "json.h"

#include <string.h>

#include "text.h"

_Static_assert(AGENT_MAX_JSON_DEPTH >= 1 && AGENT_MAX_JSON_DEPTH <= 32, "a bit for each depth");

/* -1: the end. */
static int peek(const struct agent_json *j)
{
    return j->at < j->text.n ? j->text.p[j->at] : -1;
}

static bool take(struct agent_json *j, int c)
{
    if (peek(j) != c)
        return false;
    j->at++;
    return true;
}

static void space(struct agent_json *j)
{
    while (peek(j) == ' ' || peek(j) == '\t' || peek(j) == '\r' || peek(j) == '\n')
        j->at++;
}

/* ---- strings --------------------------------------------------------------------------------- */

static bool four_digits(struct agent_span s, size_t *at, uint32_t *c)
{
    *c = 0;
    if (s.n - *at < 4)
        return false;
    for (size_t end = *at + 4; *at < end; (*at)++) {
        const uint8_t d = s.p[*at];

        if (d >= '0' && d <= '9')
            *c = *c << 4 | (uint32_t)(d - '0');
        else if ((d | 0x20) >= 'a' && (d | 0x20) <= 'f')
            *c = *c << 4 | (uint32_t)((d | 0x20) - 'a' + 10);
        else
            return false;
    }
    return true;
}

/* Behind the "\u". */
static bool by_number(struct agent_span s, size_t *at, uint32_t *c)
{
    uint32_t low;

    if (!four_digits(s, at, c) || *c == 0 || (*c >= 0xdc00 && *c <= 0xdfff))
        return false;
    if (*c < 0xd800 || *c > 0xdfff)
        return true;
    if (s.n - *at < 2 || s.p[*at] != '\\' || s.p[*at + 1] != 'u')
        return false;
    *at += 2;
    if (!four_digits(s, at, &low) || low < 0xdc00 || low > 0xdfff)
        return false;
    *c = 0x10000 + ((*c - 0xd800) << 10) + (low - 0xdc00);
    return true;
}

bool agent_json_char(struct agent_span written, size_t *at, uint32_t *c)
{
    static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    const char *letter;

    if (written.p[*at] < 0x20)
        return false;
    if (written.p[*at] != '\\')
        return agent_utf8_next(written, at, c);
    if (written.n - *at < 2)
        return false;
    letter = memchr(letters, written.p[*at + 1], sizeof letters - 1);
    *at += 2;
    if (letter == NULL)
        return written.p[*at - 1] == 'u' && by_number(written, at, c);
    *c = (uint8_t)meant[letter - letters];
    return true;
}

bool agent_json_text(struct agent_span written, struct agent_text *out)
{
    uint32_t c;

    for (size_t at = 0; at < written.n;) {
        if (!agent_json_char(written, &at, &c) || !agent_text_add_char(out, c))
            return false;
    }
    return agent_text_add(out, NULL, 0);
}

/* At its first quote. */
static bool string(struct agent_json *j, struct agent_span *written)
{
    uint32_t c;

    if (!take(j, '"'))
        return false;
    written->p = j->text.p + j->at;
    while (peek(j) != '"') {
        if (peek(j) < 0 || !agent_json_char(j->text, &j->at, &c))
            return false;
    }
    written->n = (size_t)(j->text.p + j->at - written->p);
    return take(j, '"');
}

/* ---- values ---------------------------------------------------------------------------------- */

static bool digits(struct agent_json *j)
{
    const size_t from = j->at;

    while (peek(j) >= '0' && peek(j) <= '9')
        j->at++;
    return j->at != from;
}

static bool number(struct agent_json *j)
{
    (void)take(j, '-');
    if (!take(j, '0') && !digits(j))
        return false;
    if (take(j, '.') && !digits(j))
        return false;
    if (!take(j, 'e') && !take(j, 'E'))
        return true;
    if (!take(j, '+'))
        (void)take(j, '-');
    return digits(j);
}

static bool word(struct agent_json *j, const char *expected)
{
    const size_t n = strlen(expected);

    if (j->text.n - j->at < n || memcmp(j->text.p + j->at, expected, n) != 0)
        return false;
    j->at += n;
    return true;
}

static enum agent_json_kind kind_of(int first)
{
    switch (first) {
    case '{':
        return AGENT_JSON_OBJECT;
    case '[':
        return AGENT_JSON_ARRAY;
    case '"':
        return AGENT_JSON_STRING;
    case 't':
    case 'f':
    case 'n':
        return AGENT_JSON_WORD;
    default:
        return AGENT_JSON_NUMBER;
    }
}

static bool scalar(struct agent_json *j, enum agent_json_kind kind)
{
    struct agent_span written;

    if (kind == AGENT_JSON_STRING)
        return string(j, &written);
    if (kind == AGENT_JSON_NUMBER)
        return number(j);
    return word(j, "true") || word(j, "false") || word(j, "null");
}

static bool open_one(struct agent_json *j)
{
    if (j->depth == AGENT_MAX_JSON_DEPTH)
        return false;
    j->depth++;
    j->objects = j->objects << 1 | (peek(j) == '{');
    j->at++;
    space(j);
    return true;
}

static bool close_one(struct agent_json *j)
{
    if (!take(j, (j->objects & 1) != 0 ? '}' : ']'))
        return false;
    j->depth--;
    j->objects >>= 1;
    return true;
}

static bool name(struct agent_json *j, struct agent_span *written)
{
    space(j);
    if (!string(j, written))
        return false;
    space(j);
    return take(j, ':');
}

/* Before a member of the innermost one that is open: to its value. */
static bool to_value(struct agent_json *j)
{
    struct agent_span passed;

    return (j->objects & 1) == 0 || name(j, &passed);
}

/* Behind a value: closes what ends here, down to depth, or goes on to the next value. */
static bool go_on(struct agent_json *j, unsigned depth)
{
    while (j->depth > depth) {
        space(j);
        if (take(j, ','))
            return to_value(j);
        if (!close_one(j))
            return false;
    }
    return true;
}

/* One value, whatever is in it. */
static bool value(struct agent_json *j, enum agent_json_kind *kind)
{
    const unsigned depth = j->depth;
    enum agent_json_kind k;

    space(j);
    *kind = kind_of(peek(j));
    do {
        space(j);
        k = kind_of(peek(j));
        if (k == AGENT_JSON_OBJECT || k == AGENT_JSON_ARRAY) {
            if (!open_one(j))
                return false;
            if (!close_one(j)) {
                if (!to_value(j))
                    return false;
                continue;
            }
        } else if (!scalar(j, k)) {
            return false;
        }
        if (!go_on(j, depth))
            return false;
    } while (j->depth > depth);
    return true;
}

/* ---- the walk -------------------------------------------------------------------------------- */

void agent_json_init(struct agent_json *json, struct agent_span text)
{
    *json = (struct agent_json){ .text = text, .state = AGENT_JSON_START };
}

static bool finish(struct agent_json *j)
{
    space(j);
    j->state = peek(j) < 0 ? AGENT_JSON_END : AGENT_JSON_BAD;
    return false;
}

static bool fail(struct agent_json *j)
{
    j->state = AGENT_JSON_BAD;
    return false;
}

static bool member_here(struct agent_json *j, struct agent_json_member *member)
{
    size_t from;

    if (!name(j, &member->name))
        return false;
    space(j);
    from = j->at;
    if (!value(j, &member->kind))
        return false;
    member->value = (struct agent_span){ j->text.p + from, j->at - from };
    if (member->kind == AGENT_JSON_STRING) {
        member->value.p++;
        member->value.n -= 2;
    }
    return true;
}

bool agent_json_next(struct agent_json *json, struct agent_json_member *member)
{
    if (json->state > AGENT_JSON_WITHIN)
        return false;
    space(json);
    if (json->state == AGENT_JSON_START) {
        json->state = AGENT_JSON_WITHIN;
        if (peek(json) != '{' || !open_one(json))
            return fail(json);
        if (close_one(json))
            return finish(json);
    } else if (close_one(json)) {
        return finish(json);
    } else if (!take(json, ',')) {
        return fail(json);
    }
    return member_here(json, member) || fail(json);
}

bool agent_json_whole(const struct agent_json *json)
{
    return json->state == AGENT_JSON_END;
}
