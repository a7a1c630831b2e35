/*
 * Rules behind a star, found by three bytes of their text.
 *
 * What follows a star may stand anywhere in a name, so the tree does not help there. But every
 * literal of such a rule is in each name that it matches. Each rule is filed under the rarest three
 * bytes that one of its literals has; a check looks the name's own threes up, and asks only the
 * rules found that way. Rules without a literal that long stay in the list.
 */
#include "policy_priv.h"

#include <stdlib.h>

/* Fewer rules are asked one by one in less time than the name takes to be looked up. */
#define WORTH_IT 8

/* How often three bytes occur, by a hash: near enough to choose by. */
#define TALLY_BITS 12

struct tally {
    uint16_t n[1U << TALLY_BITS];
};

static uint16_t *tally_of(struct tally *tally, uint32_t gram)
{
    return &tally->n[prov_pol_gram_hash(gram) >> (32 - TALLY_BITS)];
}

typedef void visit_gram(void *ctx, uint32_t gram);

static void each_gram(const struct pol_rule *rule, visit_gram *visit, void *ctx)
{
    for (size_t i = 0; i < rule->rest.n; i++) {
        const struct pol_seg *const seg = &rule->rest.segs[i];

        for (uint32_t k = 0; seg->kind == POL_LIT && k + POL_GRAM <= seg->n; k++)
            visit(ctx, prov_pol_gram(seg->p + k));
    }
}

static void count(void *ctx, uint32_t gram)
{
    uint16_t *const n = tally_of(ctx, gram);

    if (*n < UINT16_MAX)
        ++*n;
}

struct rarest {
    struct tally *tally;
    uint32_t gram;
    unsigned n; /* 0: none was seen */
};

static void choose(void *ctx, uint32_t gram)
{
    struct rarest *best = ctx;
    const unsigned n = *tally_of(best->tally, gram);

    if (best->n == 0 || n < best->n) {
        best->n = n;
        best->gram = gram;
    }
}

static struct pol_grams *grams_new(struct prov_policy_set *set, size_t n_rules)
{
    struct pol_grams *const grams = prov_pol_alloc(&set->arena, 1, sizeof *grams);
    unsigned bits = 4;

    if (grams == NULL)
        return NULL;
    while ((size_t)1 << bits < 2 * n_rules)
        bits++;
    grams->shift = 32 - bits;
    grams->mask = ((uint32_t)1 << bits) - 1;
    grams->slots = prov_pol_alloc(&set->arena, (size_t)1 << bits, sizeof *grams->slots);
    return grams->slots != NULL ? grams : NULL;
}

/* False when the rule has to stay in the list: its gram would be one too many to keep track of. */
static bool file(struct pol_grams *grams, struct pol_rule *rule, uint32_t gram)
{
    struct pol_gram *const slot = prov_pol_gram_slot(grams, gram);

    if (slot->rules == NULL && grams->n == POL_MAX_GRAMS)
        return false;
    if (slot->rules == NULL)
        slot->number = grams->n++;
    slot->gram = gram;
    rule->next = slot->rules;
    slot->rules = rule;
    return true;
}

/* Moves what can be filed from the list into the table. */
static void file_all(struct pol_stars *stars, struct pol_grams *grams, struct tally *tally)
{
    struct pol_rule **at = &stars->rules, *rule;
    struct rarest best;

    for (rule = stars->rules; rule != NULL; rule = rule->next)
        each_gram(rule, count, tally);
    while ((rule = *at) != NULL) {
        best = (struct rarest){ .tally = tally };
        each_gram(rule, choose, &best);
        *at = rule->next;
        if (best.n != 0 && file(grams, rule, best.gram))
            continue;
        rule->next = *at;
        *at = rule;
        at = &rule->next;
    }
    stars->grams = grams;
}

bool prov_pol_stars_file(struct prov_policy_set *set, struct pol_stars *stars)
{
    struct pol_grams *grams;
    struct tally *tally;
    size_t n = 0;

    for (const struct pol_rule *rule = stars->rules; rule != NULL; rule = rule->next)
        n++;
    if (n < WORTH_IT)
        return true;
    grams = grams_new(set, n);
    tally = calloc(1, sizeof *tally);
    if (grams != NULL && tally != NULL)
        file_all(stars, grams, tally);
    free(tally);
    return grams != NULL && tally != NULL;
}
