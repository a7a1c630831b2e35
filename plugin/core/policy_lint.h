/*
 * policy_lint.h - what is wrong with a policy that is a correct document: statements that match
 * nothing, Denies that do not deny, and other ways in which policies do not do what they seem to.
 *
 * A warning is given only where the document itself shows the mistake. What another policy of the
 * same device may add is not known here, and the texts say so where it matters.
 *
 * Pure: no store, no clock. Thread: any.
 */
#ifndef PROV_POLICY_LINT_H
#define PROV_POLICY_LINT_H

#include "policy.h"

struct prov_policy_warning {
    const char *code; /* "subscribe-topic": stable, for programs */
    unsigned line, col;
    char path[160];  /* "Statement[1].Resource[0]" */
    char text[320];  /* what is wrong; UTF-8 without control characters, as cure is */
    char cure[1024]; /* what would be right; never empty. Text to be copied is never cut short */
};

/*
 * visit is called for each warning, in the order of the document, and must not keep it. A text that
 * prov_policy_parse refuses is refused alike, with err filled and without any warning.
 *
 * scope tells region and account of the registry that the policy is for, so that ARNs of others are
 * noticed; either may be empty, and scope may be NULL. Line and column count as in prov_err.
 */
PROV_MUST_USE enum prov_rc
prov_policy_lint(struct prov_span json, const struct prov_policy_scope *scope,
                 void (*visit)(void *ctx, const struct prov_policy_warning *warning), void *ctx,
                 struct prov_err *err);

/* Every code that a warning can have, in turn; NULL behind the last. */
const char *prov_policy_warning_code(size_t i);

#endif
