#include "policy_priv.h"

#define NOWHERE SIZE_MAX

/* ---- reading --------------------------------------------------------------------------------- */

enum token { TOK_END, TOK_BYTES, TOK_VAR, TOK_ANY, TOK_STAR, TOK_OPEN /* "${" without "}" */ };

struct lexer {
    const uint8_t *p, *end;
    bool wild;
    bool dollar; /* a variable or an escape was seen */
};

static bool is_escapable(uint8_t c)
{
    return c == '*' || c == '?' || c == '$';
}

/* "${…}" and, for the three escapes only, "$(…)" (reference 8.3). Called at a '$'. */
static enum token lex_dollar(struct lexer *l, struct prov_span *out)
{
    const size_t left = (size_t)(l->end - l->p);
    const uint8_t *close;

    if (left >= 4 && l->p[1] == '(' && is_escapable(l->p[2]) && l->p[3] == ')') {
        *out = prov_span(l->p + 2, 1);
        l->p += 4;
        l->dollar = true;
        return TOK_BYTES;
    }
    if (left < 2 || l->p[1] != '{') {
        *out = prov_span(l->p++, 1);
        return TOK_BYTES;
    }
    l->dollar = true;
    close = memchr(l->p, '}', left);
    *out = prov_span(l->p + 2, close == NULL ? left - 2 : (size_t)(close - l->p) - 2);
    if (close == NULL)
        return TOK_OPEN;
    l->p = close + 1;
    return out->n == 1 && is_escapable(out->p[0]) ? TOK_BYTES : TOK_VAR;
}

static enum token lex(struct lexer *l, struct prov_span *out)
{
    const uint8_t *const start = l->p;

    if (l->p == l->end)
        return TOK_END;
    if (*l->p == '$')
        return lex_dollar(l, out);
    if (l->wild && (*l->p == '*' || *l->p == '?'))
        return *l->p++ == '*' ? TOK_STAR : TOK_ANY;
    while (l->p < l->end && *l->p != '$' && !(l->wild && (*l->p == '*' || *l->p == '?')))
        l->p++;
    *out = prov_span(start, (size_t)(l->p - start));
    return TOK_BYTES;
}

struct pattern {
    struct pol_seg *segs;
    size_t n;
    uint8_t *text; /* literal bytes, in a row */
    size_t n_text;
};

static void pattern_add(struct pattern *b, enum pol_seg_kind kind, uint32_t n, const uint8_t *p)
{
    b->segs[b->n++] = (struct pol_seg){ .kind = kind, .n = n, .p = p };
}

static void pattern_add_bytes(struct pattern *b, struct prov_span s)
{
    uint8_t *const at = b->text + b->n_text;

    memcpy(at, s.p, s.n);
    b->n_text += s.n;
    if (b->n > 0 && b->segs[b->n - 1].kind == POL_LIT)
        b->segs[b->n - 1].n += (uint32_t)s.n;
    else
        pattern_add(b, POL_LIT, (uint32_t)s.n, at);
}

/* "*?" is kept as "?*": then what follows a star is text that can be searched for. */
static void pattern_add_wild(struct pattern *b, bool star)
{
    const bool after_star = b->n > 0 && b->segs[b->n - 1].kind == POL_STAR;

    if (after_star && star)
        return;
    if (after_star)
        b->segs[b->n - 1].kind = POL_ANY;
    pattern_add(b, star || after_star ? POL_STAR : POL_ANY, 0, NULL);
}

static enum prov_rc pattern_add_var(struct pol_src *src, const struct prov_json_path *at,
                                    struct prov_span name, struct pattern *b)
{
    struct pol_var var;
    uint32_t index;

    if (!prov_pol_var_parse(name, &var))
        return POL_BAD(src, at, "there is no policy variable \"%s\"", prov_pol_show(name).s);
    if (var.list || var.kind == POL_CERT_KEYS || prov_pol_var_of_request(&var))
        return POL_BAD(src, at, "\"%s\" can only be the key of a condition, not part of a text",
                       prov_pol_show(name).s);
    if (!prov_pol_var_index(src->doc, &var, &index))
        return prov_nomem(src->err);
    pattern_add(b, POL_VAR, index, NULL);
    return PROV_OK;
}

static enum prov_rc pattern_read(struct pol_src *src, const struct prov_json_path *at,
                                 struct lexer *l, struct pattern *b)
{
    struct prov_span s;
    enum prov_rc rc = PROV_OK;
    enum token token;

    while (rc == PROV_OK) {
        token = lex(l, &s);
        switch (token) {
        case TOK_END:
            return PROV_OK;
        case TOK_BYTES:
            pattern_add_bytes(b, s);
            break;
        case TOK_ANY:
        case TOK_STAR:
            pattern_add_wild(b, token == TOK_STAR);
            break;
        case TOK_VAR:
            rc = pattern_add_var(src, at, s, b);
            break;
        case TOK_OPEN:
            rc = POL_BAD(src, at, "\"${%s\" has no closing brace", prov_pol_show(s).s);
            break;
        }
    }
    return rc;
}

static size_t count_tokens(struct prov_span s, bool wild)
{
    struct lexer l = { .p = s.p, .end = s.p + s.n, .wild = wild };
    struct prov_span ignored;
    enum token t;
    size_t n = 0;

    for (t = lex(&l, &ignored); t != TOK_END && t != TOK_OPEN; t = lex(&l, &ignored))
        n++;
    return n;
}

enum prov_rc prov_pol_pat_parse(struct pol_src *src, const struct prov_json_path *at,
                                struct prov_span s, bool wild, struct pol_pat *out)
{
    struct lexer l = { .p = s.p, .end = s.p + s.n, .wild = wild };
    struct pattern b = { 0 };
    enum prov_rc rc;

    b.segs = prov_pol_alloc(&src->doc->arena, count_tokens(s, wild), sizeof *b.segs);
    b.text = prov_pol_alloc(&src->doc->arena, s.n, 1);
    if (b.segs == NULL || b.text == NULL)
        return prov_nomem(src->err);
    rc = pattern_read(src, at, &l, &b);
    if (rc != PROV_OK)
        return rc;
    if (l.dollar && !src->variables)
        return POL_BAD(src, at, "variables need \"Version\": \"2012-10-17\"");
    *out = (struct pol_pat){ .segs = b.segs, .n = b.n };
    return PROV_OK;
}

/* ---- matching -------------------------------------------------------------------------------- */

struct matcher {
    const struct pol_eval *e;
    struct pol_text text;
    size_t n; /* of both pieces */
    bool fold;
    bool no_value;
};

static struct matcher matcher(const struct pol_eval *e, const struct pol_text *text, bool fold)
{
    struct matcher m = { .e = e, .text = *text, .n = text->head.n + text->tail.n, .fold = fold };

    if (m.text.tail.p == NULL)
        m.text.tail = PROV_LIT("");
    return m;
}

static bool piece_eq(struct prov_span a, struct prov_span b, bool fold)
{
    return fold ? prov_span_eq_nocase(a, b) : prov_span_eq(a, b);
}

/* Does s stand at pos? */
static bool text_has(const struct matcher *m, size_t pos, struct prov_span s)
{
    const size_t n_head = m->text.head.n;
    size_t n;

    if (s.n > m->n - pos)
        return false;
    if (pos < n_head) {
        n = s.n < n_head - pos ? s.n : n_head - pos;
        if (!piece_eq(prov_span(m->text.head.p + pos, n), prov_span(s.p, n), m->fold))
            return false;
        if (n == s.n)
            return true;
        pos += n;
        s = prov_span(s.p + n, s.n - n);
    }
    return piece_eq(prov_span(m->text.tail.p + (pos - n_head), s.n), s, m->fold);
}

/* The first place from pos on where s stands. */
static size_t text_find(const struct matcher *m, size_t pos, struct prov_span s)
{
    const size_t n_head = m->text.head.n;
    const uint8_t *found;

    for (; pos < n_head || (m->fold && pos <= m->n); pos++) {
        if (text_has(m, pos, s))
            return pos;
    }
    if (pos > m->n)
        return NOWHERE;
    /* linear, where comparing at each place could be made quadratic by whoever chooses the topic */
    found = memmem(m->text.tail.p + (pos - n_head), m->n - pos, s.p, s.n);
    return found == NULL ? NOWHERE : (size_t)(found - m->text.tail.p) + n_head;
}

/* Behind the character at pos: what is not valid UTF-8 counts as one character a byte. */
static size_t text_skip(const struct matcher *m, size_t pos)
{
    const size_t n_head = m->text.head.n;
    const struct prov_span piece = pos < n_head ? m->text.head : m->text.tail;
    const size_t start = pos < n_head ? 0 : n_head;

    for (pos = pos - start + 1; pos < piece.n && (piece.p[pos] & 0xc0) == 0x80; pos++)
        ;
    return start + pos;
}

/* The bytes that a literal or variable stands for. */
static bool seg_bytes(struct matcher *m, const struct pol_seg *seg, struct prov_span *out)
{
    struct pol_slot slot;

    if (seg->kind == POL_LIT) {
        *out = prov_span(seg->p, seg->n);
        return true;
    }
    slot = m->e->pol->slots[m->e->stmt->slots[seg->n]];
    *out = prov_pol_bytes(m->e->pol, slot);
    if (slot.off == 0)
        m->no_value = true;
    return slot.off != 0;
}

/* Star-free segments at pos: the place behind them, or NOWHERE. */
static size_t run_at(struct matcher *m, const struct pol_seg *seg, const struct pol_seg *end,
                     size_t pos)
{
    struct prov_span s;

    for (; seg < end; seg++) {
        if (seg->kind == POL_ANY) {
            if (pos == m->n)
                return NOWHERE;
            pos = text_skip(m, pos);
            continue;
        }
        if (!seg_bytes(m, seg, &s) || !text_has(m, pos, s))
            return NOWHERE;
        pos += s.n;
    }
    return pos;
}

/* Star-free segments anywhere from pos on, the leftmost place first; at the very end if last. */
static size_t run_find(struct matcher *m, const struct pol_seg *seg, const struct pol_seg *end,
                       size_t pos, bool last)
{
    struct prov_span s;
    size_t behind;

    if (!seg_bytes(m, seg, &s))
        return NOWHERE;
    for (; pos <= m->n; pos++) {
        pos = text_find(m, pos, s);
        if (pos == NOWHERE)
            return NOWHERE;
        behind = run_at(m, seg, end, pos);
        if (behind != NOWHERE && (!last || behind == m->n))
            return behind;
        if (m->no_value)
            return NOWHERE;
    }
    return NOWHERE;
}

/* How long the segments are; NOWHERE if that depends on what `?` meets or a value is missing. */
static size_t run_length(struct matcher *m, const struct pol_seg *seg, const struct pol_seg *end)
{
    struct prov_span s;
    size_t n = 0;

    for (; seg < end; seg++) {
        if (seg->kind == POL_ANY || !seg_bytes(m, seg, &s))
            return NOWHERE;
        n += s.n;
    }
    return n;
}

static bool last_run(struct matcher *m, const struct pol_seg *seg, const struct pol_seg *end,
                     size_t pos)
{
    const size_t n = run_length(m, seg, end);

    if (n == NOWHERE)
        return !m->no_value && run_find(m, seg, end, pos, true) != NOWHERE;
    return n <= m->n - pos && run_at(m, seg, end, m->n - n) != NOWHERE;
}

/*
 * Taking each run between stars at its leftmost place is enough: any other choice leaves less text
 * for the runs behind it. So nothing is ever tried twice.
 */
static bool match_from(struct matcher *m, const struct pol_pat *pat, bool star)
{
    const struct pol_seg *seg = pat->segs, *const end = seg + pat->n, *stop;
    size_t pos = 0;

    for (;;) {
        for (stop = seg; stop < end && stop->kind != POL_STAR; stop++)
            ;
        if (!star)
            pos = run_at(m, seg, stop, pos);
        else if (stop == end)
            return seg == end || last_run(m, seg, end, pos);
        else if (seg < stop)
            pos = run_find(m, seg, stop, pos, false);
        if (pos == NOWHERE)
            return false;
        if (stop == end)
            return pos == m->n;
        star = true;
        seg = stop + 1;
    }
}

enum pol_hit prov_pol_match(const struct pol_eval *e, const struct pol_pat *pat,
                            const struct pol_text *text, bool fold)
{
    struct matcher m = matcher(e, text, fold);

    if (match_from(&m, pat, false))
        return POL_HIT;
    return m.no_value ? POL_NO_VALUE : POL_MISS;
}

bool prov_pol_match_after_star(const struct pol_eval *e, const struct pol_pat *rest,
                               struct prov_span text)
{
    const struct pol_text whole = { .tail = text };
    struct matcher m = matcher(e, &whole, false);

    return match_from(&m, rest, true);
}

const struct pol_var *prov_pol_var_of(const struct pol_eval *e, uint32_t var)
{
    return e->pol->set->slots[e->stmt->slots[var]];
}

const struct pol_var *prov_pol_unresolved(const struct pol_eval *e, const struct pol_pat *pat)
{
    for (size_t i = 0; i < pat->n; i++) {
        if (pat->segs[i].kind == POL_VAR && e->pol->slots[e->stmt->slots[pat->segs[i].n]].off == 0)
            return prov_pol_var_of(e, pat->segs[i].n);
    }
    return NULL;
}
