/*
 * policy_oracle_text.h - the oracle's texts: character by character, with what stands for more than
 * itself among the characters; and what they are as number, date, address or ARN.
 */
#ifndef SUPPORT_POLICY_ORACLE_TEXT_H
#define SUPPORT_POLICY_ORACLE_TEXT_H

#include "core/base.h"

enum {
    ORACLE_ANY_RUN = -1, /* any characters, also none */
    ORACLE_ANY_ONE = -2, /* one character */
};

/* Zeroed is empty. */
struct oracle_text {
    int32_t *u; /* Unicode code points, or of the above */
    size_t n, cap;
};

/* What cannot be allocated ends the program. */
void *oracle_alloc(size_t n, size_t size);

void oracle_text_release(struct oracle_text *t);
void oracle_text_add(struct oracle_text *t, int32_t unit);
/* Literally. A byte that is not UTF-8 is a character of its own. */
void oracle_text_add_span(struct oracle_text *t, struct prov_span s);
/* The first character of s, which is not empty, and how many bytes it has. */
int32_t oracle_character(struct prov_span s, size_t *n_bytes);

/* Does the whole pattern stand for the whole text? any_case: letters A to Z as a to z. */
bool oracle_matches(const struct oracle_text *pattern, const struct oracle_text *text,
                    bool any_case);
/* Part i of an ARN's six, within arn; only the last can have colons. False when there is none. */
bool oracle_arn_part(const struct oracle_text *arn, unsigned i, struct oracle_text *out);

/* False when the text is no such thing. */
bool oracle_number(const struct oracle_text *t, double *out);
bool oracle_date(const struct oracle_text *t, double *out); /* milliseconds since 1970 */
bool oracle_bool(const struct oracle_text *t, bool *out);
/* Is the address in the block, which may be a single address? */
bool oracle_ip_in(const struct oracle_text *block, const struct oracle_text *address);

#endif
