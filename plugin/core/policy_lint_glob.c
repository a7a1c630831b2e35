#include "policy_lint_priv.h"

/* ---- making ---------------------------------------------------------------------------------- */

void prov_lint_start(struct lint_target *t)
{
    t->glob = (struct lint_glob){ .syms = t->syms };
}

static void add(struct lint_glob *g, enum lint_sym_kind kind, unsigned c, unsigned var)
{
    if (g->n == LINT_MAX_SYMS) {
        g->cut = true;
        return;
    }
    g->syms[g->n++] =
        (struct lint_sym){ .kind = (uint8_t)kind, .c = (uint8_t)c, .var = (uint16_t)var };
}

void prov_lint_byte(struct lint_glob *g, uint8_t byte)
{
    add(g, LINT_BYTE, byte, 0);
}

void prov_lint_str(struct lint_glob *g, const char *s)
{
    for (; *s != '\0'; s++)
        prov_lint_byte(g, (uint8_t)*s);
}

void prov_lint_one(struct lint_glob *g, enum lint_class c)
{
    add(g, LINT_ONE, c, 0);
}

void prov_lint_star(struct lint_glob *g, enum lint_class c)
{
    add(g, LINT_STAR, c, 0);
}

void prov_lint_pat(struct lint_glob *g, const struct pol_pat *pat)
{
    for (size_t i = 0; i < pat->n && !g->cut; i++) {
        const struct pol_seg *const seg = &pat->segs[i];

        switch (seg->kind) {
        case POL_LIT:
            for (uint32_t k = 0; k < seg->n; k++)
                prov_lint_byte(g, seg->p[k]);
            break;
        case POL_VAR:
            add(g, LINT_VAR, 0, seg->n);
            break;
        case POL_ANY:
            prov_lint_one(g, LINT_LEAD);
            prov_lint_star(g, LINT_CONT);
            break;
        case POL_STAR:
            prov_lint_star(g, LINT_ANY);
            break;
        }
    }
}

/* Where the next colon is. */
static size_t colon_from(const struct lint_glob *g, size_t i)
{
    while (i < g->n && (g->syms[i].kind != LINT_BYTE || g->syms[i].c != ':'))
        i++;
    return i;
}

static bool is_partition(const struct lint_glob *part)
{
    struct lint_target t;

    for (size_t i = 0; i < POL_PARTITIONS; i++) {
        prov_lint_start(&t);
        prov_lint_str(&t.glob, prov_lint_partition(i));
        if (prov_lint_meet(part, &t.glob, false))
            return true;
    }
    return false;
}

/* Any of the partitions becomes "aws". */
static void one_partition(struct lint_glob *g)
{
    static const char aws[] = "aws";
    const size_t begin = colon_from(g, 0) + 1, end = colon_from(g, begin), n = sizeof aws - 1;
    const struct lint_glob part = { .syms = g->syms + begin, .n = end - begin };

    if (!is_partition(&part) || g->n - part.n + n > LINT_MAX_SYMS)
        return;
    memmove(g->syms + begin + n, g->syms + end, (g->n - end) * sizeof *g->syms);
    g->n = g->n - part.n + n;
    for (size_t i = 0; i < n; i++)
        g->syms[begin + i] = (struct lint_sym){ .kind = LINT_BYTE, .c = (uint8_t)aws[i] };
}

void prov_lint_part_by_part(struct lint_glob *g)
{
    size_t colons = 0, i = 0;

    for (; i < g->n && colons < POL_ARN_PARTS - 1; i++)
        colons += g->syms[i].kind == LINT_BYTE && g->syms[i].c == ':';
    if (colons < POL_ARN_PARTS - 1)
        return;
    while (i-- > 0) {
        if (g->syms[i].kind != LINT_BYTE)
            g->syms[i].c = LINT_NO_COLON;
    }
    g->parts = true;
    one_partition(g);
}

/* ---- sets of bytes --------------------------------------------------------------------------- */

static bool is_alnum(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool class_has(enum lint_class class, uint8_t c)
{
    switch (class) {
    case LINT_ANY:
        return true;
    case LINT_LEAD:
        return (c & 0xc0) != 0x80;
    case LINT_CONT:
        return (c & 0xc0) == 0x80;
    case LINT_REGION: /* as prov_settings_set has it; the same of the next two */
        return c == '-' || (is_alnum(c) && !(c >= 'A' && c <= 'Z'));
    case LINT_DIGIT:
        return c >= '0' && c <= '9';
    case LINT_HEX:
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    case LINT_THING_NAME:
        return is_alnum(c) || c == ':' || c == '_' || c == '-';
    case LINT_NO_COLON:
        return c != ':';
    case LINT_NO_SLASH:
        return c != '/';
    case LINT_NO_DOLLAR:
        return c != '$';
    case LINT_NO_WILD:
        return c != '+' && c != '#';
    }
    return true;
}

static uint8_t other_case(uint8_t c)
{
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

    return letter ? c ^ 0x20 : c;
}

static bool may_be(const struct lint_sym *s, uint8_t c, bool fold)
{
    const uint8_t other = fold ? other_case(c) : c;

    if (s->kind == LINT_BYTE)
        return s->c == c || s->c == other;
    return class_has((enum lint_class)s->c, c) || class_has((enum lint_class)s->c, other);
}

/* Is there a byte that both can be? */
static bool overlap(const struct lint_sym *a, const struct lint_sym *b, bool fold)
{
    if (a->kind == LINT_BYTE)
        return may_be(b, a->c, fold);
    if (b->kind == LINT_BYTE)
        return may_be(a, b->c, fold);
    for (unsigned c = 0; c < 256; c++) {
        if (may_be(a, (uint8_t)c, fold) && may_be(b, (uint8_t)c, fold))
            return true;
    }
    return false;
}

/* Is every byte that inner can be in the class? */
static bool within(enum lint_class class, const struct lint_sym *inner)
{
    if (class == LINT_ANY)
        return true;
    if (inner->kind == LINT_BYTE)
        return class_has(class, inner->c);
    for (unsigned c = 0; c < 256; c++) {
        if (may_be(inner, (uint8_t)c, false) && !class_has(class, (uint8_t)c))
            return false;
    }
    return true;
}

/* ---- two patterns ---------------------------------------------------------------------------- */

/* For each place in the second pattern: can it be reached with the first one at the row's place? */
struct row {
    bool at[LINT_MAX_SYMS + 1];
};

/* A variable may stand for anything. */
static bool is_star(const struct lint_sym *s)
{
    return s != NULL && (s->kind == LINT_STAR || s->kind == LINT_VAR);
}

/* Steps on from place j of row now, into it and the row below. a is NULL at its pattern's end. */
static void meet_step(const struct lint_sym *a, const struct lint_sym *b, bool fold,
                      struct row *now, struct row *below, size_t j)
{
    const bool both = a != NULL && b != NULL && overlap(a, b, fold);

    if (is_star(a))
        below->at[j] = true;
    if (is_star(b))
        now->at[j + 1] = true;
    if (!both || (is_star(a) && is_star(b)))
        return;
    if (is_star(a))
        now->at[j + 1] = true;
    else if (is_star(b))
        below->at[j] = true;
    else
        below->at[j + 1] = true;
}

bool prov_lint_meet(const struct lint_glob *a, const struct lint_glob *b, bool fold)
{
    struct row rows[2] = { { .at = { true } } };

    if (a->cut || b->cut)
        return true;
    for (size_t i = 0; i <= a->n; i++) {
        struct row *const now = &rows[i % 2], *const below = &rows[(i + 1) % 2];

        memset(below->at, 0, b->n + 1);
        for (size_t j = 0; j <= b->n; j++) {
            if (!now->at[j])
                continue;
            if (i == a->n && j == b->n)
                return true;
            meet_step(i < a->n ? &a->syms[i] : NULL, j < b->n ? &b->syms[j] : NULL, fold, now,
                      below, j);
        }
    }
    return false;
}

/*
 * Outer is matched against the other pattern itself: what stands for all that a part of inner can
 * be covers it. So there are texts for which this says no although it is so, and none for which it
 * says yes although it is not.
 */
static void covers_step(const struct lint_sym *outer, const struct lint_sym *inner, struct row *now,
                        struct row *below, size_t j)
{
    if (outer->kind == LINT_STAR)
        below->at[j] = true;
    if (inner == NULL)
        return;
    if (outer->kind == LINT_STAR && within((enum lint_class)outer->c, inner))
        now->at[j + 1] = true;
    if (outer->kind == LINT_VAR && inner->kind == LINT_VAR && outer->var == inner->var)
        below->at[j + 1] = true;
    if (inner->kind == LINT_STAR || inner->kind == LINT_VAR)
        return;
    if ((outer->kind == LINT_BYTE && inner->kind == LINT_BYTE && outer->c == inner->c) ||
        (outer->kind == LINT_ONE && within((enum lint_class)outer->c, inner)))
        below->at[j + 1] = true;
}

bool prov_lint_covers(const struct lint_glob *outer, const struct lint_glob *inner)
{
    struct row rows[2] = { { .at = { true } } };
    size_t i = 0;

    if (outer->cut || inner->cut)
        return false;
    for (; i < outer->n; i++) {
        struct row *const now = &rows[i % 2], *const below = &rows[(i + 1) % 2];

        memset(below->at, 0, inner->n + 1);
        for (size_t j = 0; j <= inner->n; j++) {
            if (now->at[j])
                covers_step(&outer->syms[i], j < inner->n ? &inner->syms[j] : NULL, now, below, j);
        }
    }
    return rows[i % 2].at[inner->n];
}
