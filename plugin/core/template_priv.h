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
 *
 * A template is kept as its checked JSON tree. Evaluation trusts the checks: it looks only at what
 * they could not know.
 */
#ifndef PROV_TEMPLATE_PRIV_H
#define PROV_TEMPLATE_PRIV_H

#include "json.h"
#include "template.h"

struct prov_template {
    enum prov_template_type type;
    struct prov_span text; /* owned; for the places of mistakes */
    cJSON *tree;
    const cJSON *params, *mappings, *resources, *config; /* in tree; NULL: section not there */
};

/* PROV_EINVAL "InvalidRequestException" at a place in the template. */
PROV_PRINTF(4, 5)
enum prov_rc prov_tpl_fail(const struct prov_template *tpl, struct prov_err *err,
                           const struct prov_json_path *at, const char *fmt, ...);

#define PROV_TPL_SHOWN 64
/* s for a message: what does not print is '?', what is too long ends in "...". Returns out. */
const char *prov_tpl_show(struct prov_span s, char out[static PROV_TPL_SHOWN]);

/* The member of that exact name, or NULL. */
const cJSON *prov_tpl_get(const cJSON *object, const char *key);

/* The name of the ith built-in parameter, of PROV_BUILTIN_PARAMS. */
const char *prov_tpl_builtin(size_t i);

struct prov_tpl_check {
    const struct prov_template *tpl;
    struct prov_err *err;
    bool in_policy; /* within a policy resource, where Fn::Join is not supported (2.6) */
};

/* ---- resources ------------------------------------------------------------------------------- */

enum prov_tpl_kind { PROV_TPL_THING, PROV_TPL_CERTIFICATE, PROV_TPL_POLICY, PROV_TPL_KINDS };

/* Only of a checked resource. */
enum prov_tpl_kind prov_tpl_kind_of(const cJSON *resource);
PROV_MUST_USE enum prov_rc prov_tpl_check_resources(const struct prov_tpl_check *ck,
                                                    const cJSON *resources,
                                                    const struct prov_json_path *at);
/* What the resource's OverrideSettings say of a property, in either spelling. */
enum prov_override prov_tpl_override(const cJSON *resource, const char *property);

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

PROV_MUST_USE enum prov_rc prov_tpl_check_value(const struct prov_tpl_check *ck, const cJSON *value,
                                                const struct prov_json_path *at,
                                                enum prov_tpl_type want);
/* A string or a list of strings, no functions. */
bool prov_tpl_is_plain(const cJSON *v);
PROV_MUST_USE enum prov_rc prov_tpl_need_object(const struct prov_tpl_check *ck, const cJSON *v,
                                                const struct prov_json_path *at);
/* A map of any keys but functions' to string values. */
PROV_MUST_USE enum prov_rc prov_tpl_check_map(const struct prov_tpl_check *ck, const cJSON *map,
                                              const struct prov_json_path *at);
PROV_MUST_USE enum prov_rc prov_tpl_check_document(const struct prov_tpl_check *ck,
                                                   const cJSON *value,
                                                   const struct prov_json_path *at);
/* Every key of object is one of legal; the message names the nearest. what: "property" … */
PROV_MUST_USE enum prov_rc prov_tpl_check_keys(const struct prov_tpl_check *ck, const cJSON *object,
                                               const struct prov_json_path *at, const char *what,
                                               const char *const *legal, size_t n);
/* The entry of legal that begins with word or takes the fewest edits, case aside. n is not 0. */
const char *prov_tpl_nearest(const char *word, const char *const *legal, size_t n);

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
/* Evaluates everything that needs no parameter. */
PROV_MUST_USE enum prov_rc prov_tpl_check_constants(const struct prov_template *tpl,
                                                    struct prov_err *err);

#endif
