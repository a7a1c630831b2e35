/* What a certificate's policies say to a question (TestAuthorization), statement by statement. */
#include "api_priv.h"

#include <stdlib.h>

#include "rights.h"

#define MAX_QUESTIONS 16 /* resources in one request */

/* An action's name in TestAuthorization, and what its resources are called in ARNs. */
static const struct {
    const char *type, *kind;
} actions[] = {
    [PROV_ACT_CONNECT] = { "CONNECT", "client/" },
    [PROV_ACT_PUBLISH] = { "PUBLISH", "topic/" },
    [PROV_ACT_RETAIN_PUBLISH] = { "RETAIN_PUBLISH", "topic/" },
    [PROV_ACT_RECEIVE] = { "RECEIVE", "topic/" },
    [PROV_ACT_SUBSCRIBE] = { "SUBSCRIBE", "topicfilter/" },
};
_Static_assert(PROV_COUNT(actions) == PROV_ACTIONS, "an action was added without a row");

static const char *const match_texts[] = {
    [PROV_MATCHED] = "matches",
    [PROV_MISS_ACTION] = "another action",
    [PROV_MISS_RESOURCE] = "another resource",
    [PROV_MISS_VARIABLE] = "no value for",
    [PROV_MISS_CONDITION] = "condition not met:",
};

/* The certificate's own policies, and two of each group from ten up to the root. */
#define MAX_SOURCES                                                                                \
    (PROV_MAX_CERT_POLICIES +                                                                      \
     PROV_MAX_THING_GROUPS * PROV_MAX_GROUP_DEPTH * PROV_MAX_GROUP_POLICIES)

struct source {
    struct prov_span policy, group; /* group empty: the certificate's own */
    struct prov_policy_doc *doc;    /* for statement names */
};

struct test {
    struct prov_tx *tx;
    struct prov_cert cert;
    struct prov_who who;
    struct prov_policy *policy;
    struct source sources[MAX_SOURCES];
    size_t n_sources, n_questions;
    struct prov_doc doc;
    cJSON *results;
    cJSON *statements, *allowed, *denied, *missing; /* of the question at hand */
};

/* ---- whose policies -------------------------------------------------------------------------- */

static void add_source(void *ctx, struct prov_span policy, struct prov_span group)
{
    struct test *t = ctx;

    if (t->n_sources < MAX_SOURCES)
        t->sources[t->n_sources++] = (struct source){ policy, group, NULL };
}

static enum prov_rc load_docs(struct test *t)
{
    struct prov_version_info version;
    enum prov_rc rc = PROV_OK;

    for (size_t i = 0; i < t->n_sources && rc == PROV_OK; i++) {
        rc = prov_policy_version_get(t->tx, t->sources[i].policy, 0, &version);
        if (rc == PROV_OK)
            rc = prov_policy_parse(version.document, &t->sources[i].doc, t->tx->err);
    }
    return rc;
}

static enum prov_rc load(struct test *t, const cJSON *params)
{
    struct prov_rights *rights = NULL;
    struct prov_id id;
    enum prov_rc rc;

    t->who.client_id = api_text(params, "clientId");
    t->who.source_ip = api_text(params, "sourceIp");
    rc = api_principal(t->tx, params, "principal", &id);
    if (rc == PROV_OK)
        rc = prov_cert_get(t->tx, &id, &t->cert);
    if (rc == PROV_OK)
        rc = prov_rights_names(t->tx, &t->cert, t->who.client_id, add_source, t);
    if (rc == PROV_OK)
        rc = load_docs(t);
    if (rc == PROV_OK)
        rc = prov_rights_new(&rights);
    if (rc == PROV_OK)
        rc = prov_rights_policy(rights, t->tx, &t->cert, &t->who, &t->policy);
    prov_rights_free(rights);
    return rc == PROV_ENOMEM ? prov_nomem(t->tx->err) : rc;
}

/* ---- one question ---------------------------------------------------------------------------- */

static void put_match(struct test *t, cJSON *in, const struct source *source)
{
    cJSON *row = prov_doc_append(&t->doc, in, cJSON_CreateObject());

    prov_doc_text(&t->doc, row, "policyName", source->policy);
    (void)prov_doc_put(&t->doc, row, "policyArn", prov_doc_arn(&t->doc, "policy", source->policy));
}

static void visit(void *ctx, const struct prov_policy_trace *trace)
{
    struct test *t = ctx;
    const bool matched = trace->match == PROV_MATCHED;
    const struct source *source;
    cJSON *row;

    if (trace->doc >= t->n_sources)
        return;
    source = &t->sources[trace->doc];
    row = prov_doc_append(&t->doc, t->statements, cJSON_CreateObject());
    prov_doc_text(&t->doc, row, "policyName", source->policy);
    prov_doc_text_if(&t->doc, row, "thingGroupName", source->group);
    prov_doc_number(&t->doc, row, "statement", (double)trace->statement + 1);
    prov_doc_text_if(&t->doc, row, "sid", prov_policy_doc_sid(source->doc, trace->statement));
    prov_doc_text(&t->doc, row, "effect", prov_span_str(trace->deny ? "Deny" : "Allow"));
    prov_doc_bool(&t->doc, row, "matches", matched);
    if (!matched)
        prov_doc_text(&t->doc, row, "why", prov_span_str(match_texts[trace->match]));
    prov_doc_text_if(&t->doc, row, "detail", trace->detail);
    if (trace->match == PROV_MISS_VARIABLE)
        (void)prov_doc_append(&t->doc, t->missing, prov_doc_string(trace->detail));
    if (matched)
        put_match(t, trace->deny ? t->denied : t->allowed, source);
}

/* In the order of TestAuthorization's AuthResult; statements is ours. */
static cJSON *put_question(struct test *t, const struct prov_policy_request *request)
{
    const char *kind = actions[request->action].kind;
    struct prov_doc *d = &t->doc;
    cJSON *result = prov_doc_append(d, t->results, cJSON_CreateObject());
    cJSON *part = prov_doc_object(d, result, "authInfo");
    char type[16];

    (void)prov_span_copy(prov_span(kind, strlen(kind) - 1), type, sizeof type);
    prov_doc_text(d, part, "actionType", prov_span_str(actions[request->action].type));
    (void)prov_doc_append(d, prov_doc_array(d, part, "resources"),
                          prov_doc_arn(d, type, request->name));
    t->allowed = prov_doc_array(d, prov_doc_object(d, result, "allowed"), "policies");
    part = prov_doc_object(d, result, "denied");
    (void)prov_doc_array(d, prov_doc_object(d, part, "implicitDeny"), "policies");
    t->denied = prov_doc_array(d, prov_doc_object(d, part, "explicitDeny"), "policies");
    t->missing = prov_doc_array(d, result, "missingContextValues");
    t->statements = prov_doc_array(d, result, "statements");
    return result;
}

static enum prov_rc ask(struct test *t, const struct prov_policy_request *request)
{
    cJSON *result;
    enum prov_verdict verdict;

    if (++t->n_questions > MAX_QUESTIONS)
        return api_refuse(t->tx, "authInfos", "more than %d resources", MAX_QUESTIONS);
    result = put_question(t, request);
    verdict = prov_policy_explain(t->policy, request, visit, t);
    prov_doc_text(&t->doc, result, "authDecision", prov_span_str(prov_verdict_name(verdict)));
    return PROV_OK;
}

/* ---- the questions --------------------------------------------------------------------------- */

/* An ARN, or the topic, filter or client id itself. */
static enum prov_rc read_resource(struct test *t, struct prov_span text,
                                  struct prov_policy_request *out)
{
    const char *kind = actions[out->action].kind;
    struct prov_span rest;
    enum prov_rc rc;

    out->name = text;
    if (!prov_span_starts(text, PROV_LIT("arn:")))
        return PROV_OK;
    rc = api_arn_rest(t->tx, "authInfos", text, &rest);
    if (rc != PROV_OK)
        return rc;
    if (!prov_span_starts(rest, prov_span_str(kind)))
        return api_refuse(t->tx, "authInfos", "the resource of %s is %s…",
                          prov_action_name(out->action), kind);
    out->name = prov_span(rest.p + strlen(kind), rest.n - strlen(kind));
    return PROV_OK;
}

static enum prov_rc read_action(struct test *t, const cJSON *info, enum prov_action *out)
{
    const char *types[PROV_ACTIONS];
    size_t action = PROV_ACT_CONNECT;
    enum prov_rc rc;

    for (size_t i = 0; i < PROV_ACTIONS; i++)
        types[i] = actions[i].type;
    rc = api_choice(t->tx, info, "actionType", types, PROV_ACTIONS, &action);
    *out = (enum prov_action)action;
    return rc;
}

static enum prov_rc ask_info(struct test *t, const cJSON *params, const cJSON *info)
{
    struct prov_policy_request request = {
        .persistent = api_bool(params, "persistent"),
        .has_will = api_get(params, "willTopic") != NULL,
        .will_topic = api_text(params, "willTopic"),
    };
    const cJSON *resource;
    enum prov_rc rc;

    rc = read_action(t, info, &request.action);
    cJSON_ArrayForEach(resource, api_get(info, "resources"))
    {
        if (rc == PROV_OK)
            rc = read_resource(t, prov_span_str(resource->valuestring), &request);
        if (rc == PROV_OK)
            rc = ask(t, &request);
    }
    return rc;
}

static void put_head(struct test *t)
{
    const struct prov_span thing = prov_rights_thing(&t->cert, t->who.client_id);
    struct prov_doc *d = &t->doc;
    cJSON *things;

    *d = api_about_cert(t->tx, "cert", &t->cert.id);
    prov_doc_text(d, d->root, "certificateStatus",
                  prov_span_str(prov_cert_status_name(t->cert.status)));
    prov_doc_text_if(d, d->root, "thingName", thing);
    things = prov_doc_array(d, d->root, "things");
    for (size_t i = 0; i < t->cert.n_things; i++)
        (void)prov_doc_append(d, things, prov_doc_string(t->cert.things[i]));
    t->results = prov_doc_array(d, d->root, "authResults");
}

static enum prov_rc answer(struct test *t, const cJSON *params, cJSON **data)
{
    const cJSON *info;
    enum prov_rc rc = PROV_OK;

    put_head(t);
    cJSON_ArrayForEach(info, api_get(params, "authInfos"))
    {
        if (rc == PROV_OK)
            rc = ask_info(t, params, info);
    }
    if (rc == PROV_OK)
        return prov_doc_end(&t->doc, data);
    cJSON_Delete(t->doc.root);
    return rc;
}

static enum prov_rc test_authorization(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    struct test *t = calloc(1, sizeof *t);
    enum prov_rc rc;

    if (t == NULL)
        return prov_nomem(tx->err);
    t->tx = tx;
    rc = load(t, params);
    if (rc == PROV_OK)
        rc = answer(t, params, data);
    prov_policy_free(t->policy);
    for (size_t i = 0; i < t->n_sources; i++)
        prov_policy_doc_unref(t->sources[i].doc);
    free(t);
    return rc;
}

static const struct prov_api_field info_fields[] = {
    API_TEXT_NEEDED("actionType"),
    { "resources", PROV_API_TEXTS, true, NULL },
    API_END,
};

static const struct prov_api_field test_fields[] = {
    API_TEXT_NEEDED("principal"),
    { "authInfos", PROV_API_OBJECTS, true, info_fields },
    API_TEXT("clientId"),
    API_TEXT("sourceIp"),
    API_BOOL("persistent"),
    API_TEXT("willTopic"),
    API_END,
};

const struct prov_api_op api_test_ops[] = {
    { "testAuthorization",
      "What a certificate may do, and which statement says so.",
      PROV_API_READ,
      { "certificateId", "clientId" },
      test_fields,
      test_authorization,
      NULL },
    { .name = NULL },
};
