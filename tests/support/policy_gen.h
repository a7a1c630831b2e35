/*
 * policy_gen.h - random policies, devices and requests that nearly match each other: made of few
 * and similar parts, requests mostly from what the resources say, values of conditions mostly from
 * what the device has.
 *
 * The same seed gives the same run, on any machine.
 */
#ifndef SUPPORT_POLICY_GEN_H
#define SUPPORT_POLICY_GEN_H

#include "core/policy.h"

#define POLICY_GEN_DOCS 5
#define POLICY_GEN_ATTRS 13
#define POLICY_GEN_NAMES 64

/* What is asked with one set of policies. Everything pointed to is the generator's or the set's. */
struct policy_gen_set {
    char *docs[POLICY_GEN_DOCS]; /* JSON */
    size_t n_docs;
    struct prov_policy_scope scope;
    enum prov_action focus; /* what most statements are about */
    /* names that some resource matches, by action; owned */
    struct prov_span names[PROV_ACTIONS][POLICY_GEN_NAMES];
    size_t n_names[PROV_ACTIONS];
};

struct policy_gen_device {
    struct prov_policy_facts facts;
    struct prov_attr attrs[POLICY_GEN_ATTRS];
};

/* The buffers of one request, each of the exact size, so that reading behind its end is seen. */
struct policy_gen_request {
    struct prov_policy_request req;
    uint8_t *name, *will_topic;
};

struct policy_gen;

/* What cannot be allocated ends the program. */
struct policy_gen *policy_gen_new(uint64_t seed);
void policy_gen_free(struct policy_gen *g);

/*
 * Policies and the device that they were written for. Documents, of 1 to 8 statements and sometimes
 * as many as fit, are such as prov_policy_parse accepts.
 */
void policy_gen_set(struct policy_gen *g, struct policy_gen_set *set, struct policy_gen_device *d);
void policy_gen_set_release(struct policy_gen_set *set);
/* Makes d another device, that has much in common with it; d may be a copy. */
void policy_gen_other(struct policy_gen *g, struct policy_gen_device *d);
void policy_gen_request(struct policy_gen *g, const struct policy_gen_set *set,
                        struct policy_gen_request *r);
void policy_gen_request_release(struct policy_gen_request *r);

#endif
