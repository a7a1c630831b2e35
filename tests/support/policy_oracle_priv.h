/* policy_oracle_priv.h - what the oracle's two halves share. */
#ifndef SUPPORT_POLICY_ORACLE_PRIV_H
#define SUPPORT_POLICY_ORACLE_PRIV_H

#include "support/policy_oracle_vars.h"

/* The question, of one document, and where to note what was seen. */
struct oracle_asking {
    struct oracle_question q;
    bool variables; /* the document's version has them */
    struct policy_oracle_seen *seen;
};

void oracle_note(uint64_t (*tally)[2], uint64_t kinds, bool held);

/* "str|[str]": what may stand alone or in a list (8.1). NULL behind the last. */
const cJSON *oracle_first(const cJSON *value);
const cJSON *oracle_next(const cJSON *value, const cJSON *item);
/* NULL when there is none. */
const cJSON *oracle_member(const cJSON *object, const char *key);

/* All that the statement's Condition says. */
bool oracle_conditions_hold(const struct oracle_asking *a, const cJSON *statement);

#endif
