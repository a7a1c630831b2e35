#include "policy_priv.h"

#include <stdlib.h>

const char *prov_action_name(enum prov_action action)
{
    static const char *const names[PROV_ACTIONS] = {
        [PROV_ACT_CONNECT] = "iot:Connect",
        [PROV_ACT_PUBLISH] = "iot:Publish",
        [PROV_ACT_RETAIN_PUBLISH] = "iot:RetainPublish",
        [PROV_ACT_RECEIVE] = "iot:Receive",
        [PROV_ACT_SUBSCRIBE] = "iot:Subscribe",
    };

    return (unsigned)action < PROV_ACTIONS ? names[action] : "unknown";
}

const char *prov_verdict_name(enum prov_verdict verdict)
{
    static const char *const names[] = {
        [PROV_IMPLICIT_DENY] = "IMPLICIT_DENY",
        [PROV_ALLOWED] = "ALLOWED",
        [PROV_EXPLICIT_DENY] = "EXPLICIT_DENY",
    };

    return (unsigned)verdict < PROV_COUNT(names) ? names[verdict] : "unknown";
}

/* ---- sessions -------------------------------------------------------------------------------- */

/* What depends on the session alone is decided once. */
static void hold(struct prov_policy *pol)
{
    struct pol_eval e = { .pol = pol };
    struct prov_span ignored;

    for (size_t i = 0; i < pol->set->n_stmts; i++) {
        e.stmt = &pol->set->stmts[i];
        if (e.stmt->session_conds)
            ((uint8_t *)pol)[pol->held + e.stmt->held] =
                prov_pol_conds(&e, false, &ignored) == PROV_MATCHED;
    }
}

enum prov_rc prov_policy_new(struct prov_policy_set *set, const struct prov_policy_facts *facts,
                             struct prov_policy **out)
{
    enum prov_rc rc;

    *out = NULL;
    rc = prov_pol_resolve(set, facts, out);
    if (rc != PROV_OK)
        return rc;
    (*out)->set = prov_policy_set_ref(set);
    hold(*out);
    return PROV_OK;
}

void prov_policy_free(struct prov_policy *pol)
{
    if (pol == NULL)
        return;
    prov_policy_set_unref(pol->set);
    free(pol);
}

/* ---- deciding -------------------------------------------------------------------------------- */

/* Verdicts only ever rise, from silence over allowed to denied, and `last` is as far as they can.
 */
_Static_assert(PROV_IMPLICIT_DENY < PROV_ALLOWED && PROV_ALLOWED < PROV_EXPLICIT_DENY,
               "a verdict that outweighs another is the greater one");

struct ask {
    const struct prov_policy *pol;
    const struct prov_policy_request *req;
    const uint8_t *end; /* of the name */
    uint64_t end8;      /* the name's last eight bytes, zeros in front of a shorter one */
    enum prov_verdict last;
};

static inline uint64_t load8(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint32_t load4(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof v);
    return v;
}

/* memcmp for the short texts here: half the instructions of the call. n is at least 1. */
static inline bool same(const uint8_t *a, const uint8_t *b, size_t n)
{
    if (n < 4)
        return a[0] == b[0] && a[n - 1] == b[n - 1] && a[n / 2] == b[n / 2];
    if (n < 8)
        return load4(a) == load4(b) && load4(a + n - 4) == load4(b + n - 4);
    for (size_t i = 0; i + 8 < n; i += 8) {
        if (load8(a + i) != load8(b + i))
            return false;
    }
    return load8(a + n - 8) == load8(b + n - 8);
}

/* Out of line what a check seldom comes to: the walk then needs few registers. */
#define SELDOM __attribute__((noinline))

static inline bool session_conds_hold(const struct ask *q, const struct pol_set_stmt *s)
{
    return !s->session_conds || ((const uint8_t *)q->pol)[q->pol->held + s->held] != 0;
}

static SELDOM bool request_conds_hold(const struct ask *q, const struct pol_set_stmt *s)
{
    const struct pol_eval e = { .pol = q->pol, .stmt = s, .req = q->req };
    struct prov_span ignored;

    return !s->request_conds || prov_pol_conds(&e, true, &ignored) == PROV_MATCHED;
}

static SELDOM bool rest_matches(const struct ask *q, const struct pol_rule *rule, const uint8_t *p)
{
    const struct prov_span left = prov_span(p, (size_t)(q->end - p));
    const struct pol_eval e = { .pol = q->pol, .stmt = rule->stmt, .req = q->req };

    return prov_pol_match_after_star(&e, &rule->rest, left);
}

/* Rules whose pattern has come as far as p, where a star follows or the pattern ends. */
static inline enum prov_verdict rules_judge(const struct ask *q, const struct pol_rule *rule,
                                            const uint8_t *p, enum prov_verdict so_far)
{
    for (; rule != NULL; rule = rule->next) {
        if ((q->end8 & rule->mask) != rule->end || rule->verdict <= so_far)
            continue;
        if (rule->stmt->conds && !session_conds_hold(q, rule->stmt))
            continue;
        if ((rule->rest.n == 0 || rest_matches(q, rule, p)) &&
            (!rule->stmt->conds || request_conds_hold(q, rule->stmt)))
            so_far = rule->verdict;
    }
    return so_far;
}

/* Rules that a part of the name from p on leads to. Each is asked once, however often its gram
 * occurs. */
static SELDOM enum prov_verdict grams_judge(const struct ask *q, const struct pol_grams *grams,
                                            const uint8_t *p, enum prov_verdict so_far)
{
    uint64_t seen[POL_MAX_GRAMS / 64];
    const struct pol_gram *slot;
    const uint8_t *at = p;

    memset(seen, 0, (grams->n + 63) / 64 * sizeof *seen);
    for (; q->end - at >= POL_GRAM; at++) {
        slot = prov_pol_gram_slot(grams, prov_pol_gram(at));
        if (slot->rules == NULL || (seen[slot->number / 64] >> slot->number % 64 & 1) != 0)
            continue;
        seen[slot->number / 64] |= UINT64_C(1) << slot->number % 64;
        so_far = rules_judge(q, slot->rules, p, so_far);
    }
    return so_far;
}

static inline enum prov_verdict stars_judge(const struct ask *q, const struct pol_stars *stars,
                                            const uint8_t *p, enum prov_verdict so_far)
{
    if (stars->rules != NULL)
        so_far = rules_judge(q, stars->rules, p, so_far);
    return stars->grams == NULL ? so_far : grams_judge(q, stars->grams, p, so_far);
}

/* For a name with a colon, from its beginning. */
static SELDOM enum prov_verdict colons_judge(const struct ask *q, const struct pol_stars *colons,
                                             const uint8_t *p, enum prov_verdict so_far)
{
    return stars_judge(q, colons, p, so_far);
}

/* How much of the name at p the node's variable or `?` stands for; 0: it does not fit. */
static inline size_t step_takes(const struct ask *q, const struct pol_node *step, const uint8_t *p)
{
    const size_t left = (size_t)(q->end - p);
    struct prov_span value;
    size_t n = 1;

    if (step->kind == POL_VAR) {
        value = prov_pol_bytes(q->pol, q->pol->slots[step->slot]);
        return value.n != 0 && value.n <= left && same(p, value.p, value.n) ? value.n : 0;
    }
    while (n < left && (p[n] & 0xc0) == 0x80)
        n++;
    return n;
}

/* Does the node's literal stand at p? */
static inline bool lit_fits(const struct ask *q, const struct pol_node *node, const uint8_t *p)
{
    const size_t left = (size_t)(q->end - p), n = node->lit.n;

    if (left < 8)
        return n <= left && same(p, node->lit.p, n);
    if ((load8(p) & node->mask) != node->start)
        return false;
    return n <= 8 || (n <= left && same(p + 8, node->lit.p + 8, n - 8));
}

static inline const struct pol_node *lit_child(const struct ask *q, const struct pol_node *node,
                                               const uint8_t *p)
{
    const struct pol_node *child = node->only;
    const uint8_t *found = node->first;

    if (child == NULL) {
        if (node->n_lits == 0)
            return NULL;
        if (node->n_lits > 8)
            found = memchr(found, *p, node->n_lits);
        else
            while (*found != *p) {
                if (++found == node->first + node->n_lits)
                    return NULL;
            }
        if (found == NULL)
            return NULL;
        child = node->lits[found - node->first];
    }
    return lit_fits(q, child, p) ? child : NULL;
}

/*
 * Each node has one place in the name, so none is seen twice. The calls go into variables and `?`
 * only, and a branch of the tree has at most DEPTH_MAX of them.
 */
static enum prov_verdict walk(const struct ask *q, const struct pol_node *node, const uint8_t *p,
                              enum prov_verdict so_far)
{
    const struct pol_node *next;
    size_t n, taken;

    for (;; node = next, p += taken) {
        if (node->stars != NULL) {
            so_far = stars_judge(q, node->stars, p, so_far);
            if (so_far == q->last)
                return so_far;
        }
        if (p == q->end)
            return rules_judge(q, node->ends, p, so_far);
        next = lit_child(q, node, p);
        taken = next == NULL ? 0 : next->lit.n;
        for (const struct pol_node *step = node->steps; step != NULL; step = step->next) {
            n = step_takes(q, step, p);
            if (n != 0 && next != NULL) {
                so_far = walk(q, step, p + n, so_far);
                if (so_far == q->last)
                    return so_far;
            } else if (n != 0) {
                next = step;
                taken = n;
            }
        }
        if (next == NULL)
            return so_far;
    }
}

static SELDOM enum prov_verdict loose_judge(const struct ask *q, const struct pol_loose *loose,
                                            enum prov_verdict so_far)
{
    struct pol_eval e = { .pol = q->pol, .req = q->req };
    struct prov_span ignored;

    for (; loose != NULL && so_far != q->last; loose = loose->next) {
        e.stmt = loose->stmt;
        if (e.stmt->verdict > so_far &&
            prov_pol_resource(&e, q->req->action, q->req->name, &ignored) == PROV_MATCHED &&
            session_conds_hold(q, e.stmt) && request_conds_hold(q, e.stmt))
            so_far = e.stmt->verdict;
    }
    return so_far;
}

static uint64_t short_end8(struct prov_span name)
{
    uint8_t end[8] = { 0 };

    memcpy(end + sizeof end - name.n, name.p, name.n);
    return load8(end);
}

enum prov_verdict prov_policy_decide(const struct prov_policy *pol,
                                     const struct prov_policy_request *req)
{
    const struct prov_span name = req->name.n == 0 ? PROV_LIT("") : req->name;
    struct ask q = { .pol = pol, .req = req, .end = name.p + name.n };
    const struct pol_index *index;
    enum prov_verdict verdict;

    if ((unsigned)req->action >= PROV_ACTIONS)
        return PROV_IMPLICIT_DENY;
    index = &pol->set->index[req->action];
    q.last = index->last;
    q.end8 = name.n < 8 ? short_end8(name) : load8(q.end - 8);
    verdict = walk(&q, &index->root, name.p, PROV_IMPLICIT_DENY);
    if (verdict == q.last)
        return verdict;
    if (index->colons != NULL && memchr(name.p, ':', name.n) != NULL)
        verdict = colons_judge(&q, index->colons, name.p, verdict);
    return index->loose == NULL ? verdict : loose_judge(&q, index->loose, verdict);
}

/* ---- explaining ------------------------------------------------------------------------------ */

static enum pol_hit any_head_hits(const struct pol_eval *e, enum prov_action action,
                                  struct prov_span name, const struct pol_pat *pat)
{
    struct pol_text arn = { .tail = name };
    enum pol_hit best = POL_MISS, hit;

    for (size_t i = 0; best != POL_HIT && i < POL_PARTITIONS; i++) {
        arn.head = e->pol->set->heads[prov_pol_kind(action)][i];
        hit = prov_pol_match(e, pat, &arn, false);
        if (hit != POL_MISS)
            best = hit;
    }
    return best;
}

/*
 * A resource with a variable that has no value is as if it were not in the list. In NotResource
 * that would mean more to match, so there the whole statement is out (reference 8.6).
 */
enum prov_policy_match prov_pol_resource(const struct pol_eval *e, enum prov_action action,
                                         struct prov_span name, struct prov_span *why)
{
    const struct pol_stmt *const stmt = e->stmt->stmt;
    const struct pol_var *missing = NULL, *var;
    enum pol_hit hit;
    bool any = false;

    for (size_t i = 0; !(any && !stmt->not_resource) && i < stmt->n_resources; i++) {
        hit = any_head_hits(e, action, name, &stmt->resources[i]);
        var = prov_pol_unresolved(e, &stmt->resources[i]);
        any = any || hit == POL_HIT;
        if (var != NULL && (stmt->not_resource || hit == POL_NO_VALUE))
            missing = var;
    }
    *why = prov_span(NULL, 0);
    if (missing != NULL && !any) {
        *why = missing->text;
        return PROV_MISS_VARIABLE;
    }
    return any != stmt->not_resource ? PROV_MATCHED : PROV_MISS_RESOURCE;
}

static enum prov_policy_match explain_one(const struct pol_eval *e, struct prov_span *why)
{
    const enum prov_action action = e->req->action;
    enum prov_policy_match match;

    *why = prov_span(NULL, 0);
    if ((unsigned)action >= PROV_ACTIONS || (e->stmt->stmt->actions & 1U << action) == 0)
        return PROV_MISS_ACTION;
    match = prov_pol_resource(e, action, e->req->name, why);
    if (match == PROV_MATCHED)
        match = prov_pol_conds(e, false, why);
    if (match == PROV_MATCHED)
        match = prov_pol_conds(e, true, why);
    return match;
}

enum prov_verdict prov_policy_explain(const struct prov_policy *pol,
                                      const struct prov_policy_request *req,
                                      void (*visit)(void *ctx, const struct prov_policy_trace *t),
                                      void *ctx)
{
    struct pol_eval e = { .pol = pol, .req = req };
    enum prov_verdict verdict = PROV_IMPLICIT_DENY;
    struct prov_policy_trace t;

    for (size_t i = 0; i < pol->set->n_stmts; i++) {
        e.stmt = &pol->set->stmts[i];
        t = (struct prov_policy_trace){ .doc = e.stmt->doc,
                                        .statement = e.stmt->index,
                                        .deny = e.stmt->stmt->deny };
        t.match = explain_one(&e, &t.detail);
        if (t.match == PROV_MATCHED && t.deny)
            verdict = PROV_EXPLICIT_DENY;
        else if (t.match == PROV_MATCHED && verdict == PROV_IMPLICIT_DENY)
            verdict = PROV_ALLOWED;
        if (visit != NULL)
            visit(ctx, &t);
    }
    return verdict;
}
