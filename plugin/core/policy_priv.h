/*
 * policy_priv.h - the inside of policy.h, shared by the policy_*.c files and by nobody else.
 *
 *   policy_parse.c   JSON -> document
 *   policy_arena.c   the memory of documents and sets
 *   policy_text.c    patterns: reading them, matching them
 *   policy_vars.c    policy variables: their names, a session's values
 *   policy_cond.c    condition operators: reading and evaluating them
 *   policy_value.c   numbers, dates and addresses as text
 *   policy_set.c     documents -> what a check walks through
 *   policy_tree.c    a resource's way into the prefix tree of its action
 *   policy_gram.c   rules behind a star, found by a part of their text
 *   policy.c         sessions, deciding, explaining
 */
#ifndef PROV_POLICY_PRIV_H
#define PROV_POLICY_PRIV_H

#include <stdatomic.h>

#include "json.h"
#include "policy.h"

/* ---- memory that is freed as one ------------------------------------------------------------- */

struct pol_arena {
    struct pol_chunk *last;
};

/* Zeroed memory for n elements, never NULL for n == 0; NULL when out of memory. */
void *prov_pol_alloc(struct pol_arena *arena, size_t n, size_t size);
/* Copies s; false when out of memory. */
bool prov_pol_keep(struct pol_arena *arena, struct prov_span s, struct prov_span *out);
/* Room for one more behind n elements, which may move; NULL when out of memory. cap is updated. */
void *prov_pol_grow(struct pol_arena *arena, void *old, size_t n, size_t *cap, size_t size);
void prov_pol_release(struct pol_arena *arena);

/* ---- variables (reference 8.6) --------------------------------------------------------------- */

enum pol_var_kind {
    POL_CLIENT_ID,
    POL_SOURCE_IP,
    POL_DOMAIN_NAME,
    POL_CERTIFICATE_ID,
    POL_THING_NAME,
    POL_THING_TYPE,
    POL_THING_ATTACHED,
    POL_THING_ATTR,
    POL_CERT_SERIAL,
    POL_CERT_DN,
    POL_CERT_ALT,
    POL_CERT_KEYS,     /* a list: in conditions only */
    POL_CONNECT_ATTRS, /* of the request, not of the session: in conditions only */
    POL_LAST_WILL,     /* the same */
};

struct pol_var {
    enum pol_var_kind kind;
    /* As a condition's key a variable is the list of its values as they are; in a text it is one
     * value, under the rules of substitution. */
    bool key;
    bool list; /* .List */
    enum prov_side side;
    unsigned field;        /* enum prov_dn_field or enum prov_alt_kind */
    size_t index;          /* .N; 0 is the first value */
    struct prov_span attr; /* name of the thing attribute */
    struct prov_span text; /* as the document has it */
};

#define POL_MAX_GIVEN (PROV_SIDES * (PROV_DN_FIELDS + PROV_ALT_KINDS) + 1)

/* Fills all but key. Spans point into name. False: there is no such variable. */
bool prov_pol_var_parse(struct prov_span name, struct pol_var *out);
bool prov_pol_var_same(const struct pol_var *a, const struct pol_var *b);
bool prov_pol_var_of_request(const struct pol_var *var);
bool prov_pol_var_needs_ident(const struct pol_var *var);
bool prov_pol_var_needs_thing(const struct pol_var *var);

/* ---- patterns -------------------------------------------------------------------------------- */

enum pol_seg_kind { POL_LIT, POL_VAR, POL_ANY /* ? */, POL_STAR };

struct pol_seg {
    enum pol_seg_kind kind;
    uint32_t n; /* POL_LIT: bytes; POL_VAR: index into the document's variables */
    const uint8_t *p;
};

/* No two stars and no two literals stand side by side, and no `?` behind a star. */
struct pol_pat {
    const struct pol_seg *segs;
    size_t n;
};

/* ---- documents ------------------------------------------------------------------------------- */

enum pol_type {
    POL_STRING,
    POL_ARN,
    POL_NUMBER,
    POL_DATE,
    POL_BOOL,
    POL_IP,
    POL_NULL,
};

enum pol_cmp { POL_EQ, POL_LT, POL_LE, POL_GT, POL_GE };

enum {
    POL_NEGATED = 1,
    POL_FOLD = 2, /* ASCII case does not matter */
    POL_WILD = 4, /* * and ? are wildcards in values */
};

struct pol_op {
    const char *name;
    enum pol_type type;
    enum pol_cmp cmp;
    unsigned marks;
};

struct pol_net {
    uint8_t addr[16];
    unsigned bits;
    bool v6;
};

#define POL_ARN_PARTS 6

/* One value of a condition, in the form its operator's type needs. */
struct pol_value {
    struct pol_pat text;                /* POL_STRING */
    struct pol_pat part[POL_ARN_PARTS]; /* POL_ARN: AWS compares the parts one by one */
    double number;
    int64_t date_ms;
    bool yes; /* POL_BOOL, POL_NULL */
    struct pol_net net;
};

enum pol_quant { POL_ONE, POL_FOR_ALL, POL_FOR_ANY };

struct pol_cond {
    const struct pol_op *op;
    enum pol_quant quant;
    bool if_exists;
    bool of_request; /* cannot be evaluated when the session begins */
    uint32_t var;
    struct prov_span key; /* as the document has it */
    const struct pol_value *values;
    size_t n_values;
};

struct pol_stmt {
    struct prov_span sid;
    bool deny, not_resource;
    unsigned actions; /* bit per enum prov_action; NotAction is already turned round */
    const struct pol_pat *resources;
    size_t n_resources;
    const struct pol_cond *conds;
    size_t n_conds;
};

struct prov_policy_doc {
    atomic_size_t refs;
    struct pol_arena arena;
    const struct pol_stmt *stmts;
    size_t n_stmts;
    struct pol_var *vars;
    size_t n_vars, cap_vars;
};

/* What the reading of a document carries along. */
struct pol_src {
    struct prov_span text;
    struct prov_err *err;
    struct prov_policy_doc *doc;
    bool variables; /* the version allows them */
};

#define POL_MALFORMED "MalformedPolicyException"
/* A mistake at a place in the document. */
#define POL_BAD(src, at, ...)                                                                      \
    prov_json_fail((src)->err, PROV_EINVAL, POL_MALFORMED, (src)->text, (at), __VA_ARGS__)

/* Document text for a message: cut short, and what does not print is '?'. */
struct pol_shown {
    char s[72];
};
struct pol_shown prov_pol_show(struct prov_span s);

/* The variable's index in the document, added when it is new; false when out of memory. */
bool prov_pol_var_index(struct prov_policy_doc *doc, const struct pol_var *var, uint32_t *out);
/* Reads a text with variables and, if wild, wildcards. */
PROV_MUST_USE enum prov_rc prov_pol_pat_parse(struct pol_src *src, const struct prov_json_path *at,
                                              struct prov_span s, bool wild, struct pol_pat *out);
/* Reads a Condition block. */
PROV_MUST_USE enum prov_rc prov_pol_cond_parse(struct pol_src *src, const struct prov_json_path *at,
                                               const cJSON *block, struct pol_stmt *out);

/* A string or a list is read as a list: `for (v = first(json); v != NULL; v = next(json, v))`. */
const cJSON *prov_pol_first(const cJSON *one_or_list);
const cJSON *prov_pol_next(const cJSON *one_or_list, const cJSON *item);
size_t prov_pol_count(const cJSON *one_or_list);
/* The place of item i: `at` itself when the list is a single value. */
const struct prov_json_path *prov_pol_at(const cJSON *one_or_list, const struct prov_json_path *at,
                                         size_t i, struct prov_json_path *step);

/* Decimal number of at most 15 digits, which is where doubles stop being exact. */
bool prov_pol_number(struct prov_span s, double *out);
/* ISO 8601 date or date and time with zone, or seconds since 1970. */
bool prov_pol_date(struct prov_span s, int64_t *out_ms);
bool prov_pol_bool(struct prov_span s, bool *out);
/* Address with or without "/bits"; an IPv4-mapped one becomes IPv4. */
bool prov_pol_net(struct prov_span s, struct pol_net *out);
bool prov_pol_net_has(const struct pol_net *net, struct prov_span address);

/* ---- sets ------------------------------------------------------------------------------------ */

enum pol_kind { POL_CLIENT, POL_TOPIC, POL_FILTER, POL_KINDS };
#define POL_PARTITIONS 3

struct pol_set_stmt {
    const struct pol_stmt *stmt;
    enum prov_verdict verdict; /* when it matches */
    const uint32_t *slots;     /* the document's variable -> the session's slot */
    size_t doc, index;
    uint32_t held; /* which byte of prov_policy_held says that its session conditions hold */
    bool conds, session_conds, request_conds;
};

/*
 * One resource that could match; of the pattern only what follows the first star is left. A name's
 * last bytes tell most of the rules that do not match.
 */
struct pol_rule {
    const struct pol_set_stmt *stmt;
    struct pol_rule *next;
    enum prov_verdict verdict; /* the statement's */
    struct pol_pat rest;
    uint64_t end, mask; /* a name's last eight bytes under the mask, as in memory */
};

/* Three bytes of a text, and the rules filed under them (policy_gram.c). */
#define POL_GRAM 3
#define POL_MAX_GRAMS 4096

struct pol_gram {
    uint32_t gram, number;  /* numbers run from 0 to pol_grams.n - 1 */
    struct pol_rule *rules; /* NULL: the slot is empty */
};

struct pol_grams {
    unsigned shift;
    uint32_t mask, n;
    struct pol_gram *slots; /* open addressing, at most half full */
};

/* Rules before whose rest a star stands: a list, and a table when the list would be long. */
struct pol_stars {
    struct pol_rule *rules;
    struct pol_grams *grams; /* NULL: none */
    struct pol_stars *next;  /* in pol_set.stars, while the set is made */
};

static inline uint32_t prov_pol_gram(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16;
}

static inline uint32_t prov_pol_gram_hash(uint32_t gram)
{
    return gram * UINT32_C(0x9e3779b1);
}

/* The gram's slot, or the empty one where it would be. */
static inline struct pol_gram *prov_pol_gram_slot(const struct pol_grams *grams, uint32_t gram)
{
    uint32_t i = prov_pol_gram_hash(gram) >> grams->shift;

    while (grams->slots[i].rules != NULL && grams->slots[i].gram != gram)
        i = (i + 1) & grams->mask;
    return &grams->slots[i];
}

/*
 * Resources of one action as a prefix tree, without the ARN up to the resource's type. A check
 * walks down along the name; whatever its length, it visits each node at most once.
 */
struct pol_node {
    enum pol_seg_kind kind; /* what leads here from the parent: POL_LIT, POL_VAR, POL_ANY */
    uint32_t slot;          /* POL_VAR */
    struct prov_span lit;   /* POL_LIT; empty only in the root */
    uint64_t start, mask;   /* POL_LIT: its first eight bytes under the mask, as in memory */
    uint8_t *first;         /* first bytes of the literal children, all different */
    struct pol_node **lits; /* the literal children */
    struct pol_node *only;  /* the literal child where there is one and no other */
    size_t n_lits, cap_lits, cap_first;
    struct pol_node *steps, *next; /* children by variable or `?`; the next of one's siblings */
    struct pol_stars *stars;       /* a star follows here; NULL: none does */
    struct pol_rule *ends;         /* the pattern ends here */
};

/* Statements that no tree can hold: NotResource, variables within the ARN's first parts. */
struct pol_loose {
    const struct pol_set_stmt *stmt;
    struct pol_loose *next;
};

/*
 * A star in an ARN's region or account may stand for a part of the name as well: with
 * "arn:aws:iot:*:*:topic/a" comes the rule "*:topic/a". So nearly every policy has such rules, and
 * they are kept apart, for names with a colon alone.
 */
struct pol_index {
    struct pol_node root;
    struct pol_stars *colons;
    struct pol_loose *loose;
    enum prov_verdict last; /* the verdict that no other rule can change */
};

struct prov_policy_set {
    atomic_size_t refs;
    struct pol_arena arena;
    struct pol_index index[PROV_ACTIONS];
    struct pol_stars *stars; /* all there are */
    struct prov_span heads[POL_KINDS][POL_PARTITIONS];
    const struct pol_var **slots;
    size_t n_slots, cap_slots;
    struct pol_set_stmt *stmts;
    size_t n_stmts, n_held;
    struct prov_policy_doc **docs;
    size_t n_docs;
    bool needs_ident, needs_thing;
};

enum pol_kind prov_pol_kind(enum prov_action action);

#define POL_SCOPE_MAX 128 /* characters of region and account together; real ones are under 40 */
#define POL_HEAD_MAX (POL_SCOPE_MAX + sizeof "arn:aws-us-gov:iot:::topicfilter/")

enum pol_added { POL_ADDED, POL_ADD_LOOSE /* no tree can hold it */, POL_ADD_NOMEM };

enum pol_added prov_pol_tree_add(struct prov_policy_set *set, struct pol_index *index,
                                 enum pol_kind kind, const struct pol_set_stmt *stmt,
                                 const struct pol_pat *pat);
/* Files the rules of long lists; false when out of memory. */
bool prov_pol_stars_file(struct prov_policy_set *set, struct pol_stars *stars);

/* ---- sessions -------------------------------------------------------------------------------- */

/* Bytes of a prov_policy, counted from its beginning; off 0: no value. For a key, n values at off.
 */
struct pol_slot {
    uint32_t off, n;
};

/* One block: the slots, the lists, a byte for each statement with session conditions, the text. */
struct prov_policy {
    struct prov_policy_set *set;
    uint32_t held;
    struct pol_slot slots[];
};

static inline struct prov_span prov_pol_bytes(const struct prov_policy *pol, struct pol_slot slot)
{
    return prov_span((const uint8_t *)pol + slot.off, slot.n);
}

/* Makes the session's block with all values in it; held is left zero. */
PROV_MUST_USE enum prov_rc prov_pol_resolve(const struct prov_policy_set *set,
                                            const struct prov_policy_facts *facts,
                                            struct prov_policy **out);

/* ---- matching -------------------------------------------------------------------------------- */

/* Where a statement's variables find their values, and the request if there is one. */
struct pol_eval {
    const struct prov_policy *pol;
    const struct pol_set_stmt *stmt;
    const struct prov_policy_request *req;
};

/* A text in two pieces, so that an ARN need not be put together to be compared. */
struct pol_text {
    struct prov_span head, tail;
};

enum pol_hit { POL_MISS, POL_HIT, POL_NO_VALUE /* got as far as a variable without value */ };

/* Greedy: the time is bounded by text times pattern, and stars do not multiply. */
enum pol_hit prov_pol_match(const struct pol_eval *e, const struct pol_pat *pat,
                            const struct pol_text *text, bool fold);
/* The same when a star stands before the pattern. */
bool prov_pol_match_after_star(const struct pol_eval *e, const struct pol_pat *rest,
                               struct prov_span text);
/* The first variable of the pattern that has no value; NULL when all have one. */
const struct pol_var *prov_pol_unresolved(const struct pol_eval *e, const struct pol_pat *pat);
const struct pol_var *prov_pol_var_of(const struct pol_eval *e, uint32_t var);

/* The statement's resources against a whole ARN. why gets the variable for PROV_MISS_VARIABLE. */
enum prov_policy_match prov_pol_resource(const struct pol_eval *e, enum prov_action action,
                                         struct prov_span name, struct prov_span *why);
/* All conditions, of the request or of the session. why gets the key or variable that failed. */
enum prov_policy_match prov_pol_conds(const struct pol_eval *e, bool of_request,
                                      struct prov_span *why);

#endif
