#include "policy_priv.h"

/* A tree is walked recursively past variables and `?`; patterns with more of them are loose. */
#define DEPTH_MAX 16

/* ---- the tree -------------------------------------------------------------------------------- */

static struct pol_node *node_new(struct prov_policy_set *set, enum pol_seg_kind kind)
{
    struct pol_node *const node = prov_pol_alloc(&set->arena, 1, sizeof *node);

    if (node != NULL)
        node->kind = kind;
    return node;
}

static void lit_set(struct pol_node *node, struct prov_span lit)
{
    uint8_t start[8] = { 0 }, mask[8] = { 0 };
    const size_t n = lit.n < sizeof start ? lit.n : sizeof start;

    memcpy(start, lit.p, n);
    memset(mask, 0xff, n);
    memcpy(&node->start, start, sizeof start);
    memcpy(&node->mask, mask, sizeof mask);
    node->lit = lit;
}

static bool lits_add(struct prov_policy_set *set, struct pol_node *parent, struct pol_node *child)
{
    struct pol_node **lits;
    uint8_t *first;

    lits = prov_pol_grow(&set->arena, parent->lits, parent->n_lits, &parent->cap_lits,
                         sizeof(struct pol_node *));
    if (lits == NULL)
        return false;
    parent->lits = lits;
    first = prov_pol_grow(&set->arena, parent->first, parent->n_lits, &parent->cap_first, 1);
    if (first == NULL)
        return false;
    parent->first = first;
    first[parent->n_lits] = child->lit.p[0];
    lits[parent->n_lits++] = child;
    parent->only = parent->n_lits == 1 ? child : NULL;
    return true;
}

static size_t common_length(struct prov_span a, struct prov_span b)
{
    size_t n = 0;

    while (n < a.n && n < b.n && a.p[n] == b.p[n])
        n++;
    return n;
}

/* Puts a node before the parent's child i, which has only the first n of its bytes. */
static struct pol_node *split(struct prov_policy_set *set, struct pol_node *parent, size_t i,
                              size_t n)
{
    struct pol_node *const upper = node_new(set, POL_LIT);
    struct pol_node *const lower = parent->lits[i];
    const struct prov_span whole = lower->lit;

    if (upper == NULL)
        return NULL;
    lit_set(upper, prov_span(whole.p, n));
    lit_set(lower, prov_span(whole.p + n, whole.n - n));
    if (!lits_add(set, upper, lower))
        return NULL;
    parent->lits[i] = upper;
    if (parent->only != NULL)
        parent->only = upper;
    return upper;
}

/* The node that is reached from here by the bytes, made if need be; NULL when out of memory. */
static struct pol_node *descend_lit(struct prov_policy_set *set, struct pol_node *node,
                                    struct prov_span s)
{
    struct pol_node *child;
    const uint8_t *found;
    size_t n, i;

    while (s.n > 0) {
        found = node->n_lits == 0 ? NULL : memchr(node->first, s.p[0], node->n_lits);
        if (found == NULL) {
            child = node_new(set, POL_LIT);
            if (child == NULL)
                return NULL;
            lit_set(child, s);
            return lits_add(set, node, child) ? child : NULL;
        }
        i = (size_t)(found - node->first);
        n = common_length(node->lits[i]->lit, s);
        child = n == node->lits[i]->lit.n ? node->lits[i] : split(set, node, i, n);
        if (child == NULL)
            return NULL;
        s = prov_span(s.p + n, s.n - n);
        node = child;
    }
    return node;
}

static struct pol_node *descend_step(struct prov_policy_set *set, struct pol_node *node,
                                     enum pol_seg_kind kind, uint32_t slot)
{
    struct pol_node *step = node->steps;

    while (step != NULL && (step->kind != kind || step->slot != slot))
        step = step->next;
    if (step != NULL)
        return step;
    step = node_new(set, kind);
    if (step == NULL)
        return NULL;
    step->slot = slot;
    step->next = node->steps;
    node->steps = step;
    return step;
}

static void filter_make(struct pol_rule *rule)
{
    const struct pol_seg *last;
    uint8_t end[8] = { 0 }, mask[8] = { 0 };
    size_t n;

    if (rule->rest.n == 0)
        return;
    last = &rule->rest.segs[rule->rest.n - 1];
    if (last->kind != POL_LIT)
        return;
    n = last->n < sizeof end ? last->n : sizeof end;
    memcpy(end + sizeof end - n, last->p + last->n - n, n);
    memset(mask + sizeof mask - n, 0xff, n);
    memcpy(&rule->end, end, sizeof end);
    memcpy(&rule->mask, mask, sizeof mask);
}

/* Partitions often leave the same rule of one statement: it is kept once. */
static bool rule_add(struct prov_policy_set *set, struct pol_rule **list,
                     const struct pol_set_stmt *stmt, struct pol_pat rest)
{
    struct pol_rule *rule = *list;

    for (; rule != NULL && rule->stmt == stmt; rule = rule->next) {
        if (rule->rest.segs == rest.segs && rule->rest.n == rest.n)
            return true;
    }
    rule = prov_pol_alloc(&set->arena, 1, sizeof *rule);
    if (rule == NULL)
        return false;
    *rule =
        (struct pol_rule){ .stmt = stmt, .next = *list, .verdict = stmt->verdict, .rest = rest };
    filter_make(rule);
    *list = rule;
    return true;
}

/* ---- how much of a pattern an ARN's head uses up --------------------------------------------- */

/* A place in a pattern: off bytes into literal seg, otherwise before seg. */
struct place {
    size_t seg, off;
};

/*
 * All places where the pattern may be after some text, in order: each byte takes it one place
 * further at most, and there may be a star before each place.
 */
struct places {
    struct place v[2 * POL_HEAD_MAX + 3];
    size_t n;
};

static void reach(struct places *places, const struct pol_pat *pat, struct place at)
{
    const struct place *const last = places->n == 0 ? NULL : &places->v[places->n - 1];

    if (last != NULL && (at.seg < last->seg || (at.seg == last->seg && at.off <= last->off)))
        return;
    places->v[places->n++] = at;
    if (at.seg < pat->n && pat->segs[at.seg].kind == POL_STAR)
        places->v[places->n++] = (struct place){ at.seg + 1, 0 };
}

static struct place behind(const struct pol_pat *pat, struct place at)
{
    const struct pol_seg *const seg = &pat->segs[at.seg];

    if (seg->kind == POL_LIT && at.off + 1 < seg->n)
        return (struct place){ at.seg, at.off + 1 };
    return (struct place){ at.seg + 1, 0 };
}

/* False when that depends on the value of a variable. */
static bool take_byte(const struct pol_pat *pat, const struct places *from, uint8_t byte,
                      struct places *to)
{
    const struct pol_seg *seg;

    to->n = 0;
    for (size_t i = 0; i < from->n; i++) {
        if (from->v[i].seg == pat->n)
            continue;
        seg = &pat->segs[from->v[i].seg];
        if (seg->kind == POL_VAR)
            return false;
        if (seg->kind == POL_STAR)
            reach(to, pat, from->v[i]);
        else if (seg->kind == POL_ANY || seg->p[from->v[i].off] == byte)
            reach(to, pat, behind(pat, from->v[i]));
    }
    return true;
}

/* Places before the last star add nothing to what it matches, nor does the one right behind it. */
static void drop_needless(const struct pol_pat *pat, struct places *places)
{
    size_t keep = 0, n = 0;

    for (size_t i = 0; i < places->n; i++) {
        if (places->v[i].seg < pat->n && pat->segs[places->v[i].seg].kind == POL_STAR)
            keep = i;
    }
    if (places->n == 0 || places->v[keep].seg == pat->n ||
        pat->segs[places->v[keep].seg].kind != POL_STAR)
        return;
    for (size_t i = keep; i < places->n; i++) {
        if (i != keep + 1)
            places->v[n++] = places->v[i];
    }
    places->n = n;
}

/* Where the pattern may be after the head, in one of two; NULL when that depends on a variable. */
static const struct places *take_head(const struct pol_pat *pat, struct prov_span head,
                                      struct places two[static 2])
{
    struct places *now = &two[0], *then = &two[1], *done;

    now->n = then->n = 0;
    reach(now, pat, (struct place){ 0, 0 });
    for (size_t i = 0; i < head.n && now->n > 0; i++) {
        if (!take_byte(pat, now, head.p[i], then))
            return NULL;
        done = now;
        now = then;
        then = done;
    }
    drop_needless(pat, now);
    return now;
}

/* ---- patterns into the tree ------------------------------------------------------------------ */

static bool too_deep(const struct pol_pat *pat, size_t seg)
{
    size_t depth = 0;

    for (; seg < pat->n && pat->segs[seg].kind != POL_STAR; seg++)
        depth += pat->segs[seg].kind != POL_LIT;
    return depth > DEPTH_MAX;
}

/* Must a text that the pattern matches have a colon? */
static bool has_colon(const struct pol_pat *pat)
{
    for (size_t i = 0; i < pat->n; i++) {
        if (pat->segs[i].kind == POL_LIT && memchr(pat->segs[i].p, ':', pat->segs[i].n) != NULL)
            return true;
    }
    return false;
}

static bool star_add(struct prov_policy_set *set, struct pol_stars **at,
                     const struct pol_set_stmt *stmt, struct pol_pat rest)
{
    if (*at == NULL) {
        *at = prov_pol_alloc(&set->arena, 1, sizeof **at);
        if (*at == NULL)
            return false;
        (*at)->next = set->stars;
        set->stars = *at;
    }
    return rule_add(set, &(*at)->rules, stmt, rest);
}

/* Adds what is left of the pattern from a place on. */
static bool tail_add(struct prov_policy_set *set, struct pol_index *index,
                     const struct pol_set_stmt *stmt, const struct pol_pat *pat, struct place at)
{
    struct pol_node *node = &index->root;
    struct pol_pat rest;
    const struct pol_seg *seg = pat->segs + at.seg, *const end = pat->segs + pat->n;
    const struct pol_pat none = { .segs = end };

    for (; seg < end && node != NULL && seg->kind != POL_STAR; seg++) {
        if (seg->kind == POL_LIT)
            node = descend_lit(set, node, prov_span(seg->p + at.off, seg->n - at.off));
        else
            node =
                descend_step(set, node, seg->kind, seg->kind == POL_VAR ? stmt->slots[seg->n] : 0);
        at.off = 0;
    }
    if (node == NULL)
        return false;
    if (seg == end)
        return rule_add(set, &node->ends, stmt, none);
    rest = (struct pol_pat){ .segs = seg + 1, .n = (size_t)(end - seg) - 1 };
    if (node == &index->root && has_colon(&rest))
        return star_add(set, &index->colons, stmt, rest);
    return star_add(set, &node->stars, stmt, rest);
}

enum pol_added prov_pol_tree_add(struct prov_policy_set *set, struct pol_index *index,
                                 enum pol_kind kind, const struct pol_set_stmt *stmt,
                                 const struct pol_pat *pat)
{
    const struct places *places;
    struct places two[2];

    for (size_t p = 0; p < POL_PARTITIONS; p++) {
        places = take_head(pat, set->heads[kind][p], two);
        if (places == NULL)
            return POL_ADD_LOOSE;
        for (size_t i = 0; i < places->n; i++) {
            if (too_deep(pat, places->v[i].seg))
                return POL_ADD_LOOSE;
            if (!tail_add(set, index, stmt, pat, places->v[i]))
                return POL_ADD_NOMEM;
        }
    }
    return POL_ADDED;
}
