/*
 * shapes.h - policies of many shapes and sizes, and questions to them with the answers they must
 * get.
 *
 * A shape is a list of rules, one resource each, that grows to any length without changing its mix:
 * so "stars-5" and "stars-200" can be compared.
 */
#ifndef BENCH_SHAPES_H
#define BENCH_SHAPES_H

#include "core/policy.h"

#define SHAPE_REGION "eu-central-1"
#define SHAPE_ACCOUNT "123456789012"

struct shape_rule {
    bool deny;
    bool holds; /* its condition, if it has one, is true of the device in shape_facts */
    enum prov_action action;
    char resource[96];   /* behind the ARN's "topic/" and the like */
    char condition[320]; /* JSON; empty: none */
};

struct shape {
    const char *name;
    const char *about;
    unsigned size;         /* how many rules when the name stands alone */
    unsigned max;          /* how many there can be */
    unsigned per_document; /* rules; 0: as many as the size of a document allows */
    bool joined;           /* all rules of a document are one statement's list of resources */
    void (*rule)(unsigned k, struct shape_rule *out); /* for shape_rule_at */
};

/* "stars" or "stars-200"; NULL: there is no such shape, or not of that size. */
const struct shape *shape_find(const char *text, unsigned *size);
/* All there are; i from 0 until NULL. */
const struct shape *shape_at(size_t i);
void shape_rule_at(const struct shape *shape, unsigned k, struct shape_rule *out);

struct shape_documents {
    struct prov_span *text;
    size_t n, cap;
    size_t statements, bytes;
};

/*
 * The policy's documents, each within PROV_MAX_POLICY_DOC. any_region: the ARNs begin with
 * "arn:aws:iot:*:*:", as those of a policy that is to serve everywhere, not with the region and
 * account above.
 */
void shape_write(const struct shape *shape, unsigned size, bool any_region,
                 struct shape_documents *out);
void shape_documents_release(struct shape_documents *docs);

/* What a device of this client id, in a press shop at 10.20.30.40, is. Lives as long as facts. */
struct shape_facts {
    struct prov_policy_facts facts;
    struct prov_ident ident;
    struct prov_span common_name, units[2];
    struct prov_attr attrs[3];
};

void shape_facts_init(struct shape_facts *f, struct prov_span client_id);

/* Points into itself: stays where it was made. */
struct shape_question {
    struct prov_policy_request req;
    enum prov_verdict expected;
    char name[128], will[64];
};

/*
 * What the rule names; or, with miss, not quite what it names, so that no rule matches. client_id
 * is at most 24 bytes long.
 */
void shape_ask(const struct shape_rule *rule, const char *client_id, bool miss,
               struct shape_question *out);

#endif
