/*
 * policy_oracle_vars.h - policy variables as the oracle sees them (8.6, and the keys of 8.5).
 */
#ifndef SUPPORT_POLICY_ORACLE_VARS_H
#define SUPPORT_POLICY_ORACLE_VARS_H

#include "support/policy_oracle.h"
#include "support/policy_oracle_text.h"

/* One question, and all that it is about. */
struct oracle_question {
    const struct prov_policy_scope *scope;
    const struct prov_policy_facts *facts;
    const struct prov_policy_request *req;
};

/* More than a certificate has kinds of variables. */
#define ORACLE_VALUES 64

/* Borrowed from the question. None at all: the variable has no value. */
struct oracle_values {
    struct prov_span v[ORACLE_VALUES];
    size_t n;
    bool of_certificate;
    uint64_t kinds; /* bits of enum oracle_variable */
};

/* What the name says when it is the key of a condition. */
void oracle_look_up(const struct oracle_question *q, struct prov_span name,
                    struct oracle_values *out);

/* A policy's text as it is for this question. */
struct oracle_filled {
    struct oracle_text text;
    uint64_t kinds; /* of the variables in it */
    bool resolved;  /* all of them have a value */
};

/* variables: the document's version has them. wildcards: `*` and `?` are such. */
void oracle_fill(const struct oracle_question *q, struct prov_span source, bool variables,
                 bool wildcards, struct oracle_filled *out);

/* D13: an ARN is ours in any of AWS's public partitions, so a request has one in each. */
#define ORACLE_PARTITIONS 3

/* arn:partition:iot:region:account:kind/name */
void oracle_arn(const struct oracle_question *q, size_t partition, const char *kind,
                struct prov_span name, struct oracle_text *out);

#endif
