#include "policy_priv.h"

#include <stdlib.h>

static const char *const partitions[POL_PARTITIONS] = { "aws", "aws-cn", "aws-us-gov" };

/* ---- statements into the index --------------------------------------------------------------- */

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
    enum pol_added added = s->stmt->not_resource ? POL_ADD_LOOSE : POL_ADDED;

    if (index->last < s->verdict)
        index->last = s->verdict;
    for (size_t i = 0; added == POL_ADDED && i < s->stmt->n_resources; i++)
        added = prov_pol_tree_add(set, index, prov_pol_kind(action), s, &s->stmt->resources[i]);
    return added == POL_ADDED || (added == POL_ADD_LOOSE && loose_add(set, index, s));
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
                          sizeof(struct pol_var *));
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

    prov_buf_init(&b, POL_HEAD_MAX);
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
    return n <= POL_SCOPE_MAX;
}

static enum prov_rc set_fill(struct prov_policy_set *set, struct prov_policy_doc *const *docs,
                             size_t n)
{
    size_t n_stmts = 0;

    for (size_t i = 0; i < n; i++)
        n_stmts += docs[i]->n_stmts;
    set->docs = prov_pol_alloc(&set->arena, n, sizeof(struct prov_policy_doc *));
    set->stmts = prov_pol_alloc(&set->arena, n_stmts, sizeof *set->stmts);
    if (set->docs == NULL || set->stmts == NULL)
        return PROV_ENOMEM;
    for (size_t i = 0; i < n; i++) {
        if (!doc_add(set, docs[i]))
            return PROV_ENOMEM;
    }
    for (struct pol_stars *stars = set->stars; stars != NULL; stars = stars->next) {
        if (!prov_pol_stars_file(set, stars))
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
