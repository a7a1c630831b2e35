/*
 * template_priv.h - what the template*.c files share; nobody else includes this.
 *
 *   template.c           the sections: what prov_template_parse checks
 *   template_resource.c  resources and their properties
 *   template_check.c     the check of one value: literals and functions
 *   template_value.c     the evaluation of one value
 *   template_document.c  policy documents, which are values with values inside
 *   template_eval.c      parameters in, plan out
 *   template_arena.c     the memory of one evaluation
 *   template_report.c    mistakes: their words and where they go
 *   template_lint.c      warnings, and prov_template_lint
 *
 * A template is kept as its checked JSON tree. Evaluation trusts the checks: it looks only at what
 * they could not know. The checks go on after a mistake, and note which parts are spoiled by one,
 * so that the evaluation without parameters can look at all others.
 */
#ifndef PROV_TEMPLATE_PRIV_H
#define PROV_TEMPLATE_PRIV_H

#include "json.h"
#include "near.h"
#include "template.h"

struct prov_template {
    enum prov_template_type type;
    struct prov_span text; /* owned; for the places of mistakes */
    cJSON *tree;
    const cJSON *params, *mappings, *resources, *config; /* in tree; NULL: section not there */
};

/* Parses and checks, and evaluates what depends on no parameter; what is wrong goes to the report.
 * *out only when nothing is. */
struct prov_tpl_report;
enum prov_rc prov_tpl_parse(struct prov_span json, enum prov_template_type type,
                            struct prov_tpl_report *report, struct prov_template **out);

/* ---- mistakes -------------------------------------------------------------------------------- */

/* Where mistakes go: the first to err, or all to lint, whose remarks they are. */
struct prov_tpl_report {
    struct prov_err *err; /* may be NULL */
    struct prov_template_lint *lint;
    size_t mistakes;
    enum prov_rc rc;                                     /* of the first */
    const cJSON *spoiled[2 * PROV_TEMPLATE_MAX_REMARKS]; /* one mistake can spoil several */
    size_t n_spoiled;                                    /* also of those beyond the room */
};

struct prov_tpl_check {
    const struct prov_template *tpl;
    struct prov_tpl_report *report;
    bool in_policy; /* within a policy resource, where Fn::Join is not supported (2.6) */
};

/* A mistake at a place in the template; the check goes on. */
PROV_PRINTF(3, 4)
void prov_tpl_wrong(const struct prov_tpl_check *ck, const struct prov_json_path *at,
                    const char *fmt, ...);
/* "unknown WHAT WORD", with the legal one that was meant, or all that there are. n is not 0. */
void prov_tpl_unknown(const struct prov_tpl_check *ck, const struct prov_json_path *at,
                      const char *what, const char *word, const char *const *legal, size_t n);
/* A mistake that has its words already. */
void prov_tpl_report(struct prov_tpl_report *r, enum prov_rc rc, const struct prov_err *err);
/* Notes that part is not to be evaluated, if there are more mistakes than before. */
void prov_tpl_spoiled(const struct prov_tpl_check *ck, size_t before, const cJSON *part);
/* Is it there, and not spoiled? r may be NULL. */
bool prov_tpl_sound(const struct prov_tpl_report *r, const cJSON *part);

/* PROV_EINVAL "InvalidRequestException" at a place in the template. */
PROV_PRINTF(4, 5)
enum prov_rc prov_tpl_fail(const struct prov_template *tpl, struct prov_err *err,
                           const struct prov_json_path *at, const char *fmt, ...);

/* What prov_json_parse said, in the words of somebody who knows what people do to JSON files. */
void prov_tpl_explain_json(struct prov_span text, struct prov_err *err);

#define PROV_TPL_SHOWN 64
/* s for a message: what does not print is '?', what is too long ends in "...". Returns out. */
const char *prov_tpl_show(struct prov_span s, char out[static PROV_TPL_SHOWN]);

/* Among the built-in parameters, also when the word lacks what their names begin with. */
const char *prov_tpl_nearest_builtin(struct prov_span word, bool *close);

#define PROV_TPL_KEYS 160
/* "A, B, ...": an object's keys as far as there is room; "none". */
void prov_tpl_list_keys(const cJSON *object, char out[static PROV_TPL_KEYS]);

/* The member of that exact name, or NULL. */
const cJSON *prov_tpl_get(const cJSON *object, const char *key);

/* The name of the ith built-in parameter, of PROV_BUILTIN_PARAMS. */
const char *prov_tpl_builtin(size_t i);
bool prov_tpl_is_builtin(struct prov_span name);

/* ---- resources ------------------------------------------------------------------------------- */

enum prov_tpl_kind { PROV_TPL_THING, PROV_TPL_CERTIFICATE, PROV_TPL_POLICY, PROV_TPL_KINDS };

/* Only of a checked resource. */
enum prov_tpl_kind prov_tpl_kind_of(const cJSON *resource);
void prov_tpl_check_resources(const struct prov_tpl_check *ck, const cJSON *resources,
                              const struct prov_json_path *at);
/* What the resource's OverrideSettings say of a property, in either spelling. */
enum prov_override prov_tpl_override(const cJSON *resource, const char *property);
/* The property that a checked member of OverrideSettings is about, in either spelling. */
const char *prov_tpl_overridden(const cJSON *resource, const char *setting);

/* ---- values ---------------------------------------------------------------------------------- */

/* What a place takes; a set. */
enum prov_tpl_type {
    PROV_TPL_STRING = 1,
    PROV_TPL_LIST = 2, /* of strings */
    PROV_TPL_ANY = PROV_TPL_STRING | PROV_TPL_LIST,
    PROV_TPL_INDEX = 4 | PROV_TPL_STRING, /* also a number from 0 */
};

enum prov_tpl_fn {
    PROV_TPL_REF,
    PROV_TPL_JOIN,
    PROV_TPL_SELECT,
    PROV_TPL_FIND_IN_MAP,
    PROV_TPL_SPLIT,
    PROV_TPL_SUB,
    PROV_TPL_FNS,
};

/* "Ref", "Fn::Join" … */
const char *prov_tpl_fn_name(enum prov_tpl_fn fn);
/* What the function takes as its nth argument, of at most PROV_TPL_MAX_ARGS. */
#define PROV_TPL_MAX_ARGS 3
enum prov_tpl_type prov_tpl_fn_arg(enum prov_tpl_fn fn, size_t n);
/* Is this key kept for functions, known or not? */
bool prov_tpl_is_fn_key(const char *key);
/* PROV_TPL_FNS when the value is no function. Only of a checked value. */
enum prov_tpl_fn prov_tpl_fn_of(const cJSON *value);

void prov_tpl_check_value(const struct prov_tpl_check *ck, const cJSON *value,
                          const struct prov_json_path *at, enum prov_tpl_type want);
/* A string or a list of strings, no functions. */
bool prov_tpl_is_plain(const cJSON *v);
/* Tells what else it is when it is no object. */
bool prov_tpl_need_object(const struct prov_tpl_check *ck, const cJSON *v,
                          const struct prov_json_path *at);
/* A map of any keys but functions' to string values. */
void prov_tpl_check_map(const struct prov_tpl_check *ck, const cJSON *map,
                        const struct prov_json_path *at);
void prov_tpl_check_document(const struct prov_tpl_check *ck, const cJSON *value,
                             const struct prov_json_path *at);
/* Every key of object is one of legal. what: "property" … */
void prov_tpl_check_keys(const struct prov_tpl_check *ck, const cJSON *object,
                         const struct prov_json_path *at, const char *what,
                         const char *const *legal, size_t n);
bool prov_tpl_has_key(const cJSON *object, struct prov_span key);

/*
 * The next piece of an Fn::Sub text: text to take over, a name between ${ and }, the end, or a
 * mistake (${ without } or without a name).
 */
enum prov_tpl_piece { PROV_TPL_TEXT, PROV_TPL_NAME, PROV_TPL_END, PROV_TPL_BROKEN };
enum prov_tpl_piece prov_tpl_sub_next(struct prov_span *left, struct prov_span *piece);

/* ---- evaluation ------------------------------------------------------------------------------ */

/*
 * Memory that is freed all at once. Bounded, because Fn::Sub within Fn::Sub multiplies: ten
 * kilobytes of template could ask for terabytes.
 */
struct prov_tpl_arena;
#define PROV_TPL_ARENA_MAX ((size_t)512 * 1024)
struct prov_tpl_arena *prov_tpl_arena_new(void);
void prov_tpl_arena_free(struct prov_tpl_arena *a); /* NULL is accepted */
/* Zeroed; NULL when there is no memory or the maximum is reached: prov_tpl_arena_fail tells. */
void *prov_tpl_alloc(struct prov_tpl_arena *a, size_t count, size_t size);

/* An evaluated value, borrowed from the template, the parameters or the scratch arena. */
struct prov_tpl_value {
    struct prov_span s;
    const struct prov_span *v; /* of a list */
    size_t n;
    bool is_list;
    bool open; /* depends on a parameter, and parameters are not known yet: only is_list and n of a
                  list written out mean something */
};

/*
 * One evaluation. It runs once without parameters when a template is parsed: what depends on none
 * is then checked as it will be for each device.
 */
struct prov_tpl_eval {
    const struct prov_template *tpl;
    struct prov_params params;
    bool open;        /* parameters are not known yet */
    bool in_document; /* within a policy document: see prov_tpl_param */
    struct prov_tpl_arena *scratch, *result;
    struct prov_plan *plan;
    struct prov_err *err;
    struct prov_tpl_report
        *report; /* with open: takes the mistakes, of which there may be several */
};

/* The failure of an allocation from a, at a place. */
enum prov_rc prov_tpl_arena_fail(const struct prov_tpl_eval *ev, const struct prov_tpl_arena *a,
                                 const struct prov_json_path *at);

/*
 * A parameter's value: the one given (the last, if several), else its Default. One that came from
 * outside must not bring what means more than itself in a policy document.
 */
PROV_MUST_USE enum prov_rc prov_tpl_param(struct prov_tpl_eval *ev, struct prov_span name,
                                          const struct prov_json_path *at,
                                          struct prov_tpl_value *out);
PROV_MUST_USE enum prov_rc prov_tpl_value(struct prov_tpl_eval *ev, const cJSON *value,
                                          const struct prov_json_path *at, enum prov_tpl_type want,
                                          struct prov_tpl_value *out);
/* Checked as a policy. out->s is the text. */
PROV_MUST_USE enum prov_rc prov_tpl_document(struct prov_tpl_eval *ev, const cJSON *value,
                                             const struct prov_json_path *at,
                                             struct prov_tpl_value *out);
/* Evaluates all that is sound and needs no parameter. What is wrong goes to the report; the result
 * is PROV_OK or PROV_ENOMEM. */
PROV_MUST_USE enum prov_rc prov_tpl_check_constants(const struct prov_template *tpl,
                                                    struct prov_tpl_report *report);

#endif
