#include "policy_priv.h"

#include <stdlib.h>

static const char *const partitions[POL_PARTITIONS] = { "aws", "aws-cn", "aws-us-gov" };

#define SCOPE_MAX 128 /* characters of region and account together; real ones are under 40 */
#define HEAD_MAX (SCOPE_MAX + sizeof "arn:aws-us-gov:iot:::topicfilter/")

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

static bool lits_add(struct prov_policy_set *set, struct pol_node *parent, struct pol_node *child)
{
    struct pol_node **lits;
    uint8_t *first;

    lits =
        prov_pol_grow(&set->arena, parent->lits, parent->n_lits, &parent->cap_lits, sizeof *lits);
    if (lits == NULL)
        return false;
    parent->lits = lits;
    first = prov_pol_grow(&set->arena, parent->first, parent->n_lits, &parent->cap_first, 1);
    if (first == NULL)
        return false;
    parent->first = first;
    first[parent->n_lits] = child->lit.p[0];
    lits[parent->n_lits++] = child;
    return true;
}

static size_t common_length(struct prov_span a, struct prov_span b)
{
    size_t n = 0;

    while (n < a.n && n < b.n && a.p[n] == b.p[n])
        n++;
    return n;
}

/* Puts a node before the child that keeps only the first n of its bytes. */
static struct pol_node *split(struct prov_policy_set *set, struct pol_node **child, size_t n)
{
    struct pol_node *const upper = node_new(set, POL_LIT);
    struct pol_node *const lower = *child;
    const struct prov_span whole = lower->lit;

    if (upper == NULL)
        return NULL;
    upper->lit = prov_span(whole.p, n);
    lower->lit = prov_span(whole.p + n, whole.n - n);
    if (!lits_add(set, upper, lower))
        return NULL;
    *child = upper;
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
            child->lit = s;
            return lits_add(set, node, child) ? child : NULL;
        }
        i = (size_t)(found - node->first);
        n = common_length(node->lits[i]->lit, s);
        child = n == node->lits[i]->lit.n ? node->lits[i] : split(set, &node->lits[i], n);
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

/* All places where the pattern may be after some text, in order. */
struct places {
    struct place v[2 * HEAD_MAX + 3]; /* each byte takes one more place, and a star may follow */
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

/* Leaves in *out, which is one of two, where the pattern may be after the head. */
static bool take_head(const struct pol_pat *pat, struct prov_span head, struct places two[static 2],
                      const struct places **out)
{
    size_t now = 0;

    two[now].n = 0;
    reach(&two[now], pat, (struct place){ 0, 0 });
    for (size_t i = 0; i < head.n && two[now].n > 0; i++, now = !now) {
        if (!take_byte(pat, &two[now], head.p[i], &two[!now]))
            return false;
    }
    drop_needless(pat, &two[now]);
    *out = &two[now];
    return true;
}

/* ---- statements into the index --------------------------------------------------------------- */

static bool too_deep(const struct pol_pat *pat, size_t seg)
{
    size_t depth = 0;

    for (; seg < pat->n && pat->segs[seg].kind != POL_STAR; seg++)
        depth += pat->segs[seg].kind != POL_LIT;
    return depth > DEPTH_MAX;
}

/* Adds what is left of the pattern from a place on. */
static bool tail_add(struct prov_policy_set *set, struct pol_node *node,
                     const struct pol_set_stmt *stmt, const struct pol_pat *pat, struct place at)
{
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
    return rule_add(set, &node->stars, stmt,
                    (struct pol_pat){ .segs = seg + 1, .n = (size_t)(end - seg) - 1 });
}

enum added { ADDED, ADD_LOOSE, ADD_NOMEM };

static enum added pattern_add(struct prov_policy_set *set, struct pol_index *index,
                              enum pol_kind kind, const struct pol_set_stmt *stmt,
                              const struct pol_pat *pat)
{
    const struct places *places;
    struct places two[2];

    for (size_t p = 0; p < POL_PARTITIONS; p++) {
        if (!take_head(pat, set->heads[kind][p], two, &places))
            return ADD_LOOSE;
        for (size_t i = 0; i < places->n; i++) {
            if (too_deep(pat, places->v[i].seg))
                return ADD_LOOSE;
            if (!tail_add(set, &index->root, stmt, pat, places->v[i]))
                return ADD_NOMEM;
        }
    }
    return ADDED;
}

static bool loose_add(struct prov_policy_set *set, struct pol_index *index,
                      const struct pol_set_stmt *stmt)
{
    struct pol_loose *const loose = prov_pol_alloc(&set->arena, 1, sizeof *loose);

    if (loose == NULL)
        return false;
    *loose = (struct pol_loose){ .stmt = stmt, .next = index->loose };
    index->loose = loose;
    return true;
}

static bool index_add(struct prov_policy_set *set, enum prov_action action,
                      const struct pol_set_stmt *s)
{
    struct pol_index *const index = &set->index[action];
    enum added added = s->stmt->not_resource ? ADD_LOOSE : ADDED;

    if (index->last < s->verdict)
        index->last = s->verdict;
    for (size_t i = 0; added == ADDED && i < s->stmt->n_resources; i++)
        added = pattern_add(set, index, prov_pol_kind(action), s, &s->stmt->resources[i]);
    return added == ADDED || (added == ADD_LOOSE && loose_add(set, index, s));
}

static bool statement_add(struct prov_policy_set *set, struct pol_set_stmt *s)
{
    s->verdict = s->stmt->deny ? PROV_EXPLICIT_DENY : PROV_ALLOWED;
    for (size_t i = 0; i < s->stmt->n_conds; i++) {
        s->conds = true;
        s->request_conds = s->request_conds || s->stmt->conds[i].of_request;
        s->session_conds = s->session_conds || !s->stmt->conds[i].of_request;
    }
    if (s->session_conds)
        s->held = (uint32_t)set->n_held++;
    for (unsigned a = 0; a < PROV_ACTIONS; a++) {
        if ((s->stmt->actions & 1U << a) != 0 && !index_add(set, (enum prov_action)a, s))
            return false;
    }
    return true;
}

/* ---- variables ------------------------------------------------------------------------------- */

static bool slot_of(struct prov_policy_set *set, const struct pol_var *var, uint32_t *out)
{
    const struct pol_var **slots;

    for (*out = 0; *out < set->n_slots; (*out)++) {
        if (prov_pol_var_same(set->slots[*out], var))
            return true;
    }
    slots = prov_pol_grow(&set->arena, (void *)set->slots, set->n_slots, &set->cap_slots,
                          sizeof *slots);
    if (slots == NULL)
        return false;
    set->slots = slots;
    set->slots[set->n_slots++] = var;
    set->needs_ident = set->needs_ident || prov_pol_var_needs_ident(var);
    set->needs_thing = set->needs_thing || prov_pol_var_needs_thing(var);
    return true;
}

static bool doc_add(struct prov_policy_set *set, struct prov_policy_doc *doc)
{
    uint32_t *const slots = prov_pol_alloc(&set->arena, doc->n_vars, sizeof *slots);
    struct pol_set_stmt *s;

    if (slots == NULL)
        return false;
    set->docs[set->n_docs++] = prov_policy_doc_ref(doc);
    for (size_t i = 0; i < doc->n_vars; i++) {
        if (!slot_of(set, &doc->vars[i], &slots[i]))
            return false;
    }
    for (size_t i = 0; i < doc->n_stmts; i++) {
        s = &set->stmts[set->n_stmts++];
        *s = (struct pol_set_stmt){
            .stmt = &doc->stmts[i], .slots = slots, .doc = set->n_docs - 1, .index = i
        };
        if (!statement_add(set, s))
            return false;
    }
    return true;
}

/* ---- sets ------------------------------------------------------------------------------------ */

enum pol_kind prov_pol_kind(enum prov_action action)
{
    if (action == PROV_ACT_CONNECT)
        return POL_CLIENT;
    return action == PROV_ACT_SUBSCRIBE ? POL_FILTER : POL_TOPIC;
}

static enum prov_rc heads_make(struct prov_policy_set *set, const struct prov_policy_scope *scope)
{
    static const char *const types[POL_KINDS] = {
        [POL_CLIENT] = "client/",
        [POL_TOPIC] = "topic/",
        [POL_FILTER] = "topicfilter/",
    };
    struct prov_buf b;
    enum prov_rc rc = PROV_OK;

    prov_buf_init(&b, HEAD_MAX);
    for (size_t i = 0; rc == PROV_OK && i < POL_KINDS * POL_PARTITIONS; i++) {
        prov_buf_clear(&b);
        prov_buf_add_str(&b, "arn:");
        prov_buf_add_str(&b, partitions[i % POL_PARTITIONS]);
        prov_buf_add_str(&b, ":iot:");
        prov_buf_add(&b, scope->region);
        prov_buf_add_str(&b, ":");
        prov_buf_add(&b, scope->account_id);
        prov_buf_add_str(&b, ":");
        prov_buf_add_str(&b, types[i / POL_PARTITIONS]);
        rc = b.rc;
        if (rc == PROV_OK && !prov_pol_keep(&set->arena, prov_buf_span(&b),
                                            &set->heads[i / POL_PARTITIONS][i % POL_PARTITIONS]))
            rc = PROV_ENOMEM;
    }
    prov_buf_release(&b);
    return rc;
}

/* Letters, digits and dashes: a colon would shift an ARN's parts. */
static bool scope_is_sane(const struct prov_policy_scope *scope)
{
    const struct prov_span parts[] = { scope->region, scope->account_id };
    size_t n = 0;

    for (size_t i = 0; i < PROV_COUNT(parts); n += parts[i].n, i++) {
        for (size_t k = 0; k < parts[i].n; k++) {
            if (parts[i].p[k] <= ' ' || parts[i].p[k] > '~' || parts[i].p[k] == ':')
                return false;
        }
    }
    return n <= SCOPE_MAX;
}

static enum prov_rc set_fill(struct prov_policy_set *set, struct prov_policy_doc *const *docs,
                             size_t n)
{
    size_t n_stmts = 0;

    for (size_t i = 0; i < n; i++)
        n_stmts += docs[i]->n_stmts;
    set->docs = prov_pol_alloc(&set->arena, n, sizeof *set->docs);
    set->stmts = prov_pol_alloc(&set->arena, n_stmts, sizeof *set->stmts);
    if (set->docs == NULL || set->stmts == NULL)
        return PROV_ENOMEM;
    for (size_t i = 0; i < n; i++) {
        if (!doc_add(set, docs[i]))
            return PROV_ENOMEM;
    }
    return PROV_OK;
}

enum prov_rc prov_policy_set_new(struct prov_policy_doc *const *docs, size_t n,
                                 const struct prov_policy_scope *scope,
                                 struct prov_policy_set **out)
{
    struct prov_policy_set *set;
    enum prov_rc rc;

    *out = NULL;
    if (!scope_is_sane(scope))
        return PROV_EINVAL;
    set = calloc(1, sizeof *set);
    if (set == NULL)
        return PROV_ENOMEM;
    atomic_init(&set->refs, 1);
    rc = heads_make(set, scope);
    if (rc == PROV_OK)
        rc = set_fill(set, docs, n);
    if (rc != PROV_OK) {
        prov_policy_set_unref(set);
        return rc;
    }
    *out = set;
    return PROV_OK;
}

struct prov_policy_set *prov_policy_set_ref(struct prov_policy_set *set)
{
    atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
    return set;
}

void prov_policy_set_unref(struct prov_policy_set *set)
{
    if (set == NULL || atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < set->n_docs; i++)
        prov_policy_doc_unref(set->docs[i]);
    prov_pol_release(&set->arena);
    free(set);
}

bool prov_policy_set_needs_ident(const struct prov_policy_set *set)
{
    return set->needs_ident;
}

bool prov_policy_set_needs_thing(const struct prov_policy_set *set)
{
    return set->needs_thing;
}
