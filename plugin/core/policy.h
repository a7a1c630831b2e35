/*
 * policy.h - AWS IoT policies: read once, compile once, decide often.
 *
 *   document   the checked form of one policy text; immutable, counted references
 *   set        documents compiled together; immutable, counted, shared by all sessions that have
 *              them
 *   policy     a set and one session's variable values: what an ACL check asks
 *
 * An explicit deny beats any allow, and silence denies (reference 8.4). Topic filters are compared
 * as text: `+` and `#` are literal (8.3).
 *
 * A variable without a value (8.6): in a list of resources or of a condition's values, the text
 * that has the variable is as if it were not there. Where less in the list would match more, in
 * NotResource and with negated operators, and where nothing is left of a condition's list, the
 * statement matches nothing.
 *
 * In a text a certificate's value is substituted as AWS does it: not at all with a wildcard in it
 * or beyond PROV_MAX_VAR_VALUE bytes, and with backslashes before the characters that 8.6 lists. As
 * the key of a condition a variable is its values as they are. Other values are literal text
 * whatever they hold: the `*` of a client id matches a `*` and nothing else.
 *
 * Thread: any; documents, sets and policies never change, a new version is a new object.
 */
#ifndef PROV_POLICY_H
#define PROV_POLICY_H

#include "base.h"
#include "ident.h"

enum prov_action {
    PROV_ACT_CONNECT,        /* resource client/<clientId> */
    PROV_ACT_PUBLISH,        /* resource topic/<topic> */
    PROV_ACT_RETAIN_PUBLISH, /* resource topic/<topic>; iot:Publish is needed besides */
    PROV_ACT_RECEIVE,        /* resource topic/<topic> */
    PROV_ACT_SUBSCRIBE,      /* resource topicfilter/<filter> */
    PROV_ACTIONS
};

enum prov_verdict { PROV_IMPLICIT_DENY, PROV_ALLOWED, PROV_EXPLICIT_DENY };

/* "iot:Connect" …; never NULL. */
const char *prov_action_name(enum prov_action action);
/* "ALLOWED", "EXPLICIT_DENY", "IMPLICIT_DENY", as TestAuthorization spells them. */
const char *prov_verdict_name(enum prov_verdict verdict);

/* ---- documents ------------------------------------------------------------------------------- */

struct prov_policy_doc;

/*
 * Checks the whole grammar (reference 8.1): every action, resource, condition operator and key, and
 * variable. The first mistake is reported with line, column and path; code is
 * "MalformedPolicyException". At most PROV_MAX_POLICY_TEXT bytes, of which PROV_MAX_POLICY_DOC are
 * not white space.
 */
PROV_MUST_USE enum prov_rc prov_policy_parse(struct prov_span json, struct prov_policy_doc **out,
                                             struct prov_err *err);
struct prov_policy_doc *prov_policy_doc_ref(struct prov_policy_doc *doc);
void prov_policy_doc_unref(struct prov_policy_doc *doc); /* NULL is accepted */
size_t prov_policy_doc_statements(const struct prov_policy_doc *doc);
/* The statement's Sid, empty when it has none. */
struct prov_span prov_policy_doc_sid(const struct prov_policy_doc *doc, size_t statement);

/* ---- sets ------------------------------------------------------------------------------------ */

struct prov_policy_set;

/* Which ARNs are ours (design D13): any partition, service iot, this region, this account. */
struct prov_policy_scope {
    struct prov_span region, account_id;
};

/*
 * Takes its own references of the documents. No document at all is a set that allows nothing.
 * PROV_EINVAL when the scope is not the short printable text without colons that ARNs can hold.
 */
PROV_MUST_USE enum prov_rc prov_policy_set_new(struct prov_policy_doc *const *docs, size_t n,
                                               const struct prov_policy_scope *scope,
                                               struct prov_policy_set **out);
struct prov_policy_set *prov_policy_set_ref(struct prov_policy_set *set);
void prov_policy_set_unref(struct prov_policy_set *set); /* NULL is accepted */

/* Does any statement use a certificate variable? If not, prov_policy_facts.ident may be NULL. */
bool prov_policy_set_needs_ident(const struct prov_policy_set *set);
/* The same for the thing's name, type and attributes. */
bool prov_policy_set_needs_thing(const struct prov_policy_set *set);

/* ---- sessions -------------------------------------------------------------------------------- */

struct prov_attr {
    struct prov_span name, value;
};

/* What a session's variables are resolved from; only read during the call. Empty spans have no
 * value. */
struct prov_policy_facts {
    struct prov_span client_id, source_ip, domain_name;
    struct prov_span certificate_id;         /* hex */
    const struct prov_ident *ident;          /* NULL: no certificate variable has a value */
    struct prov_span thing_name, thing_type; /* of the connection's thing (reference 7.4) */
    const struct prov_attr *attrs;
    size_t n_attrs;
    bool thing_attached;
};

struct prov_policy;

/* Takes its own reference of the set; copies the values it needs and nothing else. */
PROV_MUST_USE enum prov_rc prov_policy_new(struct prov_policy_set *set,
                                           const struct prov_policy_facts *facts,
                                           struct prov_policy **out);
void prov_policy_free(struct prov_policy *pol); /* NULL is accepted */

/* One question. The will_ and persistent fields matter for PROV_ACT_CONNECT alone (reference 8.5).
 */
struct prov_policy_request {
    enum prov_action action;
    struct prov_span name; /* client id, topic, or topic filter ($share prefix included) */
    bool persistent, has_will;
    struct prov_span will_topic;
};

/* No allocation, no store. Time grows with the rules of that action that could match. */
enum prov_verdict prov_policy_decide(const struct prov_policy *pol,
                                     const struct prov_policy_request *req);

/* What became of one statement, for explanations. */
enum prov_policy_match {
    PROV_MATCHED,
    PROV_MISS_ACTION,
    PROV_MISS_RESOURCE,
    PROV_MISS_VARIABLE, /* it might have, but for a variable without a value */
    PROV_MISS_CONDITION,
};

struct prov_policy_trace {
    size_t doc, statement; /* doc: index in the set's documents */
    enum prov_policy_match match;
    bool deny;               /* the statement's Effect */
    struct prov_span detail; /* the variable or condition key that failed; lives with the set */
};

/*
 * The same verdict, telling of every statement in order. visit is called on the caller's stack and
 * may be NULL. Reads the statements one by one and not what decide walks through, so it takes
 * longer.
 */
enum prov_verdict prov_policy_explain(const struct prov_policy *pol,
                                      const struct prov_policy_request *req,
                                      void (*visit)(void *ctx, const struct prov_policy_trace *t),
                                      void *ctx);

#endif
