#include "support/policy_oracle.h"

#include <stdlib.h>

#include "support/policy_oracle_priv.h"

struct policy_oracle {
    struct policy_oracle_seen seen;
};

struct policy_oracle *policy_oracle_new(void)
{
    return oracle_alloc(1, sizeof(struct policy_oracle));
}

void policy_oracle_free(struct policy_oracle *o)
{
    free(o);
}

const struct policy_oracle_seen *policy_oracle_seen(const struct policy_oracle *o)
{
    return &o->seen;
}

void oracle_note(uint64_t (*tally)[2], uint64_t kinds, bool held)
{
    for (unsigned i = 0; kinds >> i != 0; i++)
        if ((kinds >> i & 1) != 0)
            tally[i][held]++;
}

/* ---- "str|[str]": what may stand alone or in a list (8.1) ------------------------------------ */

const cJSON *oracle_first(const cJSON *value)
{
    return cJSON_IsArray(value) ? value->child : value;
}

const cJSON *oracle_next(const cJSON *value, const cJSON *item)
{
    return cJSON_IsArray(value) ? item->next : NULL;
}

const cJSON *oracle_member(const cJSON *object, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

/* ---- actions (8.2) --------------------------------------------------------------------------- */

static const struct {
    const char *name, *kind; /* kind: of the resource */
} actions[] = {
    [PROV_ACT_CONNECT] = { "iot:Connect", "client" },
    [PROV_ACT_PUBLISH] = { "iot:Publish", "topic" },
    [PROV_ACT_RETAIN_PUBLISH] = { "iot:RetainPublish", "topic" },
    [PROV_ACT_RECEIVE] = { "iot:Receive", "topic" },
    [PROV_ACT_SUBSCRIBE] = { "iot:Subscribe", "topicfilter" },
};
_Static_assert(PROV_COUNT(actions) == PROV_ACTIONS, "an action was added without a row");

static bool any_action(const struct oracle_asking *a, const cJSON *list)
{
    struct oracle_text name = { NULL, 0, 0 };
    bool found = false;

    oracle_text_add_span(&name, prov_span_str(actions[a->q.req->action].name));
    for (const cJSON *i = oracle_first(list); i != NULL && !found; i = oracle_next(list, i)) {
        struct oracle_filled pattern;

        oracle_fill(&a->q, prov_span_str(i->valuestring), false, true, &pattern);
        found = oracle_matches(&pattern.text, &name, true);
        oracle_text_release(&pattern.text);
    }
    oracle_text_release(&name);
    return found;
}

static bool action_matches(const struct oracle_asking *a, const cJSON *statement)
{
    const cJSON *const not_action = oracle_member(statement, "NotAction");
    bool matches;

    if (not_action == NULL)
        return any_action(a, oracle_member(statement, "Action"));
    matches = !any_action(a, not_action);
    a->seen->not_action[matches]++;
    return matches;
}

/* ---- resources (8.2, 8.3; whose ARN: design D13) --------------------------------------------- */

static bool resource_is(const struct oracle_asking *a, const struct oracle_text *pattern)
{
    bool matches = false;

    for (size_t i = 0; i < ORACLE_PARTITIONS && !matches; i++) {
        struct oracle_text arn = { NULL, 0, 0 };

        oracle_arn(&a->q, i, actions[a->q.req->action].kind, a->q.req->name, &arn);
        matches = oracle_matches(pattern, &arn, false);
        oracle_text_release(&arn);
    }
    return matches;
}

/* unresolved: some text of the list has a variable without a value; it is as if not there. */
static bool any_resource(const struct oracle_asking *a, const cJSON *list, bool *unresolved)
{
    bool found = false;

    *unresolved = false;
    for (const cJSON *i = oracle_first(list); i != NULL; i = oracle_next(list, i)) {
        struct oracle_filled pattern;
        bool matches;

        oracle_fill(&a->q, prov_span_str(i->valuestring), a->variables, true, &pattern);
        matches = pattern.resolved && resource_is(a, &pattern.text);
        oracle_note(a->seen->in_text, pattern.kinds, matches);
        found = found || matches;
        *unresolved = *unresolved || !pattern.resolved;
        oracle_text_release(&pattern.text);
    }
    return found;
}

/* In NotResource less would match more: the statement matches nothing then (policy.h). */
static bool resource_matches(const struct oracle_asking *a, const cJSON *statement)
{
    const cJSON *const not_resource = oracle_member(statement, "NotResource");
    bool unresolved, matches;

    if (not_resource == NULL)
        return any_resource(a, oracle_member(statement, "Resource"), &unresolved);
    matches = !any_resource(a, not_resource, &unresolved) && !unresolved;
    a->seen->not_resource[matches]++;
    return matches;
}

/* ---- evaluation (8.4) ------------------------------------------------------------------------ */

static bool statement_matches(const struct oracle_asking *a, const cJSON *statement)
{
    bool matches;

    if (!action_matches(a, statement))
        return false;
    matches = resource_matches(a, statement) && oracle_conditions_hold(a, statement);
    a->seen->statements[a->q.req->action][matches]++;
    return matches;
}

/* 8.1: one statement may stand without a list. */
static enum prov_verdict document_decides(const struct oracle_asking *a, const cJSON *doc)
{
    const cJSON *const list = oracle_member(doc, "Statement");
    enum prov_verdict verdict = PROV_IMPLICIT_DENY;

    for (const cJSON *s = oracle_first(list); s != NULL; s = oracle_next(list, s)) {
        if (!statement_matches(a, s))
            continue;
        if (strcmp(oracle_member(s, "Effect")->valuestring, "Deny") == 0)
            return PROV_EXPLICIT_DENY;
        verdict = PROV_ALLOWED;
    }
    return verdict;
}

/* 8.4: denied unless allowed; a deny beats any allow. 8.1: variables came with 2012-10-17. */
enum prov_verdict policy_oracle_decide(struct policy_oracle *o, cJSON *const *docs, size_t n_docs,
                                       const struct prov_policy_scope *scope,
                                       const struct prov_policy_facts *facts,
                                       const struct prov_policy_request *req)
{
    struct oracle_asking a = { .q = { scope, facts, req }, .seen = &o->seen };
    enum prov_verdict verdict = PROV_IMPLICIT_DENY;

    for (size_t i = 0; i < n_docs; i++) {
        const cJSON *const version = oracle_member(docs[i], "Version");
        enum prov_verdict its;

        a.variables = version != NULL && strcmp(version->valuestring, "2012-10-17") == 0;
        its = document_decides(&a, docs[i]);
        if (its == PROV_EXPLICIT_DENY)
            return its;
        if (its == PROV_ALLOWED)
            verdict = its;
    }
    return verdict;
}
