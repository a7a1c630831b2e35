/*
 * policy_oracle.h - what a policy decides, worked out the slow way: straight from the JSON tree and
 * for each question anew. Nothing is compiled, sorted, shared or remembered, and nothing of the
 * engine is used, so that the engine can be held against it.
 *
 * Written from section 8 of the reference and from what policy.h promises; the numbers in the code
 * are the reference's sections. Documents must be ones that prov_policy_parse accepts.
 */
#ifndef SUPPORT_POLICY_ORACLE_H
#define SUPPORT_POLICY_ORACLE_H

#include <cjson/cJSON.h>

#include "core/policy.h"

/* ---- what was seen: so that a generator which no longer tries something is noticed ----------- */

enum oracle_quantifier { ORACLE_PLAIN, ORACLE_FOR_ALL, ORACLE_FOR_ANY, ORACLE_QUANTIFIERS };

/* Variables, and the forms that those of a certificate have. */
enum oracle_variable {
    ORACLE_CLIENT_ID,
    ORACLE_SOURCE_IP,
    ORACLE_DOMAIN_NAME,
    ORACLE_CERTIFICATE_ID,
    ORACLE_THING_NAME,
    ORACLE_THING_TYPE,
    ORACLE_THING_ATTRIBUTE,
    ORACLE_IS_ATTACHED,
    ORACLE_SERIAL_NUMBER,
    ORACLE_SUBJECT,
    ORACLE_ISSUER = ORACLE_SUBJECT + PROV_DN_FIELDS,
    ORACLE_SUBJECT_ALT = ORACLE_ISSUER + PROV_DN_FIELDS,
    ORACLE_ISSUER_ALT = ORACLE_SUBJECT_ALT + PROV_ALT_KINDS,
    ORACLE_INDEXED = ORACLE_ISSUER_ALT + PROV_ALT_KINDS,
    ORACLE_OLD_NAME, /* iot:Thing.… */
    ORACLE_ESCAPE,
    /* the rest are keys of conditions and never in a text */
    ORACLE_LIST,
    ORACLE_AVAILABLE_KEYS,
    ORACLE_CONNECT_ATTRIBUTES,
    ORACLE_LAST_WILL_TOPIC,
    ORACLE_VARIABLES
};
#define ORACLE_KEYS_ONLY ORACLE_LIST
_Static_assert(ORACLE_VARIABLES < 64, "a set of them is a uint64_t");

#define ORACLE_OPERATORS 26

/* How often each held ([1]) and did not hold ([0]). */
struct policy_oracle_seen {
    uint64_t operators[ORACLE_QUANTIFIERS][ORACLE_OPERATORS][2];
    uint64_t if_exists[ORACLE_OPERATORS][2];
    uint64_t in_text[ORACLE_VARIABLES][2]; /* a resource or a condition's value that names it */
    uint64_t as_key[ORACLE_VARIABLES][2];  /* a condition on it */
    uint64_t statements[PROV_ACTIONS][2];  /* [1]: matched */
    uint64_t not_action[2], not_resource[2];
};

const char *policy_oracle_operator(size_t i);                        /* "StringEquals" … */
const char *policy_oracle_variable(size_t i, char *buf, size_t cap); /* for people */

/* ---- deciding -------------------------------------------------------------------------------- */

struct policy_oracle;

/* One thread. What cannot be allocated ends the program. */
struct policy_oracle *policy_oracle_new(void);
void policy_oracle_free(struct policy_oracle *o);
const struct policy_oracle_seen *policy_oracle_seen(const struct policy_oracle *o);

enum prov_verdict policy_oracle_decide(struct policy_oracle *o, cJSON *const *docs, size_t n_docs,
                                       const struct prov_policy_scope *scope,
                                       const struct prov_policy_facts *facts,
                                       const struct prov_policy_request *req);

#endif
