/*
 * policy_lint_priv.h - the inside of policy_lint.h, shared by the policy_lint*.c files.
 *
 *   policy_lint.c           document -> statements with their texts and places; the warnings
 *   policy_lint_glob.c      what two patterns have in common
 *   policy_lint_text.c      ARNs and topics as text, and their corrections
 *   policy_lint_action.c    actions, and which resources they ask about
 *   policy_lint_resource.c  resources that nothing can match
 *   policy_lint_foreign.c   texts that are written for something else
 *   policy_lint_cond.c      conditions that cannot hold
 *   policy_lint_deny.c      Denies that a missing variable disables
 *   policy_lint_doc.c       what the statements of a document do together
 */
#ifndef PROV_POLICY_LINT_PRIV_H
#define PROV_POLICY_LINT_PRIV_H

#include "policy_lint.h"
#include "policy_priv.h"

/* ---- patterns compared ----------------------------------------------------------------------- */

/* Sets of bytes. */
enum lint_class {
    LINT_ANY,
    LINT_LEAD, /* not within a character: what `?` begins with */
    LINT_CONT, /* 10xxxxxx: what it goes on with */
    LINT_REGION,
    LINT_DIGIT,
    LINT_HEX,
    LINT_THING_NAME,
    LINT_NO_COLON,
    LINT_NO_SLASH,
    LINT_NO_DOLLAR,
    LINT_NO_WILD, /* neither + nor #: what topics are made of */
};

enum lint_sym_kind { LINT_BYTE, LINT_ONE, LINT_STAR, LINT_VAR };

struct lint_sym {
    uint8_t kind;
    uint8_t c;    /* LINT_BYTE: the byte; otherwise enum lint_class */
    uint16_t var; /* LINT_VAR: which of the document */
};

/* Longer patterns are not judged: no device has such topics. */
#define LINT_MAX_SYMS 1024

struct lint_glob {
    struct lint_sym *syms;
    size_t n;
    bool cut;   /* it was longer */
    bool parts; /* read part by part */
};

/* With its memory, on the stack. */
struct lint_target {
    struct lint_glob glob;
    struct lint_sym syms[LINT_MAX_SYMS];
};

void prov_lint_start(struct lint_target *t);
void prov_lint_byte(struct lint_glob *g, uint8_t byte);
void prov_lint_str(struct lint_glob *g, const char *s);
void prov_lint_one(struct lint_glob *g, enum lint_class c);
void prov_lint_star(struct lint_glob *g, enum lint_class c);
void prov_lint_pat(struct lint_glob *g, const struct pol_pat *pat);
/*
 * Reads an ARN of six parts as people do: what stands between its first five colons stands for no
 * colon. The engine takes "arn:aws:iot:*:*:topic/a" for the client id "x:topic/a" as well, which
 * nobody means. To the engine all partitions are one, and so they are here.
 */
void prov_lint_part_by_part(struct lint_glob *g);

/* Is there a text that both match, with some values of the variables? True when not known. */
bool prov_lint_meet(const struct lint_glob *a, const struct lint_glob *b, bool fold);
/* Does outer match all that inner does, whatever the values? False when not known. */
bool prov_lint_covers(const struct lint_glob *outer, const struct lint_glob *inner);

/* ---- a document with its texts --------------------------------------------------------------- */

/* What a resource's ARN is of; as bits. The first three are enum pol_kind. */
enum lint_kind {
    LINT_CLIENT = POL_CLIENT,
    LINT_TOPIC = POL_TOPIC,
    LINT_FILTER = POL_FILTER,
    LINT_THING,
    LINT_ROLE_ALIAS,
    LINT_OTHER, /* of another service that policies can name */
    LINT_KINDS
};

#define LINT_BIT(x) (1U << (unsigned)(x))
#define LINT_ALL_KINDS (LINT_BIT(LINT_KINDS) - 1)
/* The actions that ask about topic/…. */
#define LINT_TOPIC_ACTIONS                                                                         \
    (LINT_BIT(PROV_ACT_PUBLISH) | LINT_BIT(PROV_ACT_RETAIN_PUBLISH) | LINT_BIT(PROV_ACT_RECEIVE))

/* "topic/" …; for LINT_CLIENT to LINT_ROLE_ALIAS. */
const char *prov_lint_type(enum lint_kind kind);

enum lint_known { LINT_MQTT, LINT_AWS /* of AWS IoT, but not over MQTT */, LINT_UNKNOWN };

struct lint_action {
    struct prov_span text;
    unsigned mask;  /* bit per enum prov_action */
    unsigned kinds; /* what it asks about */
    enum lint_known known;
};

struct lint_resource {
    struct prov_span text;
    struct lint_glob glob;
    unsigned kinds; /* what it can be of, in any region and account */
    unsigned here;  /* the same, in ours */
};

struct lint_cond {
    const struct pol_cond *ast;
    const cJSON *op, *key; /* the JSON of both */
};

static inline bool prov_lint_negated(const struct pol_cond *c)
{
    return (c->op->marks & POL_NEGATED) != 0;
}

/* What prov_pol_conds makes of a key without value. */
static inline bool prov_lint_holds_absent(const struct pol_cond *c)
{
    return c->if_exists || c->quant == POL_FOR_ALL || (c->quant == POL_ONE && prov_lint_negated(c));
}

struct lint_stmt {
    const struct pol_stmt *ast;
    const cJSON *json;
    size_t index;
    const char *action_key, *resource_key; /* "Action" or "NotAction" … */
    const cJSON *action_json, *resource_json;
    bool not_action;
    struct lint_action *actions;
    size_t n_actions;
    struct lint_resource *resources;
    size_t n_resources;
    struct lint_cond *conds;
    size_t n_conds;
};

struct lint {
    struct prov_span text;
    const struct prov_policy_scope *scope; /* spans in it may be empty */
    struct prov_policy_doc *doc; /* not shared yet: its arena holds what lint needs, too */
    cJSON *root;
    const cJSON *list; /* of statements, or the only one */
    struct lint_stmt *stmts;
    size_t n_stmts;
    const char *code; /* of the check that runs */
    struct prov_policy_warning **warnings;
    size_t n_warnings, cap_warnings;
    enum prov_rc rc; /* the first failure sticks */
};

/* What comes of a resource that matches nothing. */
static inline const char *prov_lint_consequence(const struct lint_stmt *s)
{
    return s->ast->not_resource ? "NotResource leaves nothing out by it" : "it matches nothing";
}

/* Reads what an action covers. */
void prov_lint_action(struct lint *l, struct prov_span text, struct lint_action *out);
/* Finds what a resource can be of; its glob is there. */
void prov_lint_kinds(const struct lint *l, struct lint_resource *r);

const char *prov_lint_partition(size_t i);
/* "arn:<partition>:iot:<region>:<account>:", the last two as the scope has them, or as any could.
 */
void prov_lint_head(struct lint_glob *g, size_t partition, const struct prov_policy_scope *scope);
/* Can the pattern be one of that kind whose name matches? name may be NULL: any. */
bool prov_lint_can_name(const struct lint_glob *g, enum lint_kind kind,
                        const struct prov_policy_scope *scope, const struct lint_glob *name);
/* Where in the pattern the name begins, read as people do; 0 when it does not say so. */
size_t prov_lint_name(const struct lint_glob *g, enum lint_kind kind);

/* ---- ARNs as text ---------------------------------------------------------------------------- */

/* Length of the part that s begins with: up to a colon that is in no variable. */
size_t prov_lint_part(struct prov_span s);
/* The nth of six parts; false when there are fewer. The last is all the rest. */
bool prov_lint_nth_part(struct prov_span arn, size_t nth, struct prov_span *out);
/* Replaces the part of text (a piece of it) by another. */
void prov_lint_splice(struct prov_buf *out, struct prov_span text, struct prov_span piece,
                      struct prov_span by);
/* The ARN with another type, and `*` for + and # of a filter that becomes a topic; false when it is
 * not written so that this can be done. */
bool prov_lint_retype(struct prov_buf *out, struct prov_span arn, enum lint_kind from,
                      enum lint_kind to);
/* Copies text, with `*` for each + and # outside of variables. */
void prov_lint_unwild(struct prov_buf *out, struct prov_span text);
/* Copies text, with `*` for the variables that are told to go. */
void prov_lint_unvar(struct prov_buf *out, struct prov_span text,
                     bool (*goes)(const struct pol_var *var));
/* The word that was most likely meant; NULL when none of them is like it. */
const char *prov_lint_nearest(struct prov_span s, const char *const *words, size_t n);
/* The variable or escape "${…}" that s begins with: its length; 0 when there is none. */
size_t prov_lint_var_length(struct prov_span s);

/* ---- warnings -------------------------------------------------------------------------------- */

#define LINT_STEPS 6

struct lint_place {
    struct prov_json_path steps[LINT_STEPS];
    const struct prov_json_path *at;
};

void prov_lint_at_stmt(const struct lint *l, const struct lint_stmt *s, struct lint_place *p);
void prov_lint_at_action(const struct lint *l, const struct lint_stmt *s, size_t i,
                         struct lint_place *p);
void prov_lint_at_resource(const struct lint *l, const struct lint_stmt *s, size_t i,
                           struct lint_place *p);
void prov_lint_at_cond(const struct lint *l, const struct lint_stmt *s, const struct lint_cond *c,
                       struct lint_place *p);
void prov_lint_at_value(const struct lint *l, const struct lint_stmt *s, const struct lint_cond *c,
                        size_t i, struct lint_place *p);

/* NULL when out of memory, and then nothing more needs to be done. */
PROV_PRINTF(3, 4)
struct prov_policy_warning *prov_lint_warn(struct lint *l, const struct lint_place *p,
                                           const char *fmt, ...);
/* w may be NULL. What does not fit as a whole is left out. */
PROV_PRINTF(2, 3) void prov_lint_cure(struct prov_policy_warning *w, const char *fmt, ...);
/*
 * The cure is text as a JSON string, with something before and behind it; `otherwise` when the text
 * is empty or the whole too long. Releases the text, a buffer of LINT_CURE_MAX at most.
 */
void prov_lint_cure_text(struct lint *l, struct prov_policy_warning *w, const char *before,
                         struct prov_buf *text, const char *behind, const char *otherwise);
#define LINT_CURE_MAX sizeof(((struct prov_policy_warning *)NULL)->cure)

/* "iot:Publish and iot:Receive" */
struct lint_names {
    char s[96];
};
struct lint_names prov_lint_actions(unsigned mask);

/* ---- checks: each for one statement, and one code -------------------------------------------- */

typedef void prov_lint_check(struct lint *l, const struct lint_stmt *s);

prov_lint_check prov_lint_subscribe_topic, prov_lint_publish_topicfilter,
    prov_lint_resource_unasked, prov_lint_action_without, prov_lint_unknown_action,
    prov_lint_other_action;
prov_lint_check prov_lint_arn_never, prov_lint_arn_scope, prov_lint_name_never,
    prov_lint_topic_wildcard, prov_lint_foreign_pattern;
prov_lint_check prov_lint_condition_never, prov_lint_condition_value, prov_lint_connect_key;
prov_lint_check prov_lint_deny_missing;
prov_lint_check prov_lint_create_from_csr, prov_lint_dead_allow, prov_lint_receive_missing,
    prov_lint_retain_alone, prov_lint_allow_all;

#endif
