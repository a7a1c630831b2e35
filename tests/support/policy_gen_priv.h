/* policy_gen_priv.h - what the generator's files share. */
#ifndef SUPPORT_POLICY_GEN_PRIV_H
#define SUPPORT_POLICY_GEN_PRIV_H

#include <cjson/cJSON.h>

#include "support/policy_gen.h"
#include "support/policy_oracle_vars.h"

#define GEN_IDENTS 50
#define GEN_RECENT 16

struct policy_gen {
    uint64_t state;
    struct prov_ident *idents[GEN_IDENTS];
    /* of the set in the making */
    struct policy_gen_set *set;
    const struct policy_gen_device *device;
    struct {
        const char *region, *account;
    } scope;
    char *recent[GEN_RECENT]; /* resources, to make more like them */
    size_t n_recent;
};

/* Less than n, which is not 0. */
unsigned gen_below(struct policy_gen *g, size_t n);
/* True in so many cases of a hundred. */
bool gen_chance(struct policy_gen *g, unsigned percent);
#define GEN_PICK(g, array) ((array)[gen_below(g, PROV_COUNT(array))])

/* Topic levels and the like; the same few for all that is made. */
const char *gen_level(struct policy_gen *g);

struct prov_ident *gen_ident_new(struct policy_gen *g);
void gen_device(struct policy_gen *g, struct policy_gen_device *d);
void gen_change_device(struct policy_gen *g, struct policy_gen_device *d);

/* iot:Certificate.Subject.CommonName.1 … as the key of a condition, and ${…} in a text. */
void gen_key(struct policy_gen *g, struct prov_buf *out);
void gen_variable(struct policy_gen *g, struct prov_buf *out);

/* For that action, mostly. */
void gen_arn(struct policy_gen *g, enum prov_action action, struct prov_buf *out);
/* The same, or with stars for several of its parts, or nearly one that was there before. */
void gen_resource(struct policy_gen *g, enum prov_action action, struct prov_buf *out);
/* Adds many resources, in much the same words, to the list. */
void gen_family(struct policy_gen *g, enum prov_action action, cJSON *list);
/* Requests may ask for what the resource stands for, and more resources may become like it. */
void gen_remember(struct policy_gen *g, const char *resource);
/* {"StringEquals":{"iot:ClientId":[…]}}, added to a condition's object. */
void gen_condition(struct policy_gen *g, cJSON *condition);

/* Some text that the pattern stands for when the device asks; or that it would stand for if values
 * were put in that must not be. */
void gen_instance(struct policy_gen *g, const char *pattern, struct prov_buf *out);
/* As UTF-8. */
void gen_add_unit(struct prov_buf *out, int32_t unit);
/* Some character dropped, doubled or changed. */
void gen_blur(struct policy_gen *g, struct prov_buf *text);

#endif
