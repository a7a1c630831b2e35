#include "cmd_policy.h"
#include "core/doc.h"
#include "core/rights.h"
#include "table.h"

/* An action, what its resources are called in ARNs, and TestAuthorization's name of it. */
static const struct {
    const char *kind, *type;
} actions[] = {
    [PROV_ACT_CONNECT] = { "client", "CONNECT" },
    [PROV_ACT_PUBLISH] = { "topic", "PUBLISH" },
    [PROV_ACT_RETAIN_PUBLISH] = { "topic", "RETAIN_PUBLISH" },
    [PROV_ACT_RECEIVE] = { "topic", "RECEIVE" },
    [PROV_ACT_SUBSCRIBE] = { "topicfilter", "SUBSCRIBE" },
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
#define MAX_SOURCES 256

struct source {
    struct prov_span policy, group; /* group empty: the certificate's own */
    struct prov_policy_doc *doc;    /* for statement names */
};

struct test {
    struct ctl *ctl;
    struct prov_cert cert;
    struct prov_policy_request request;
    struct source sources[MAX_SOURCES];
    size_t n_sources;
    struct ctl_table table;
    struct prov_doc doc; /* under --json */
    cJSON *statements, *allowed, *denied, *missing;
    enum prov_verdict verdict;
};

/* ---- the question -----------------------------------------------------------------------------
 */

static enum prov_rc read_action(struct ctl *ctl, enum prov_action *out)
{
    const char *text = ctl_opt(&ctl->args, OPT_ACTION);
    struct ctl_nearest nearest = { .word = text };

    for (int i = 0; i < PROV_ACTIONS; i++) {
        const char *name = prov_action_name((enum prov_action)i);
        const char *bare = strchr(name, ':') + 1;

        *out = (enum prov_action)i;
        if (prov_span_eq_nocase(prov_span_str(text), prov_span_str(name)) ||
            prov_span_eq_nocase(prov_span_str(text), prov_span_str(bare)))
            return PROV_OK;
        ctl_nearest_try(&nearest, name);
        ctl_nearest_try(&nearest, bare);
    }
    if (nearest.best != NULL)
        return ctl_usage(ctl, "--action: there is no \"%s\"; did you mean %s?", text, nearest.best);
    return ctl_usage(ctl,
                     "--action: \"%s\" is none of iot:Connect, iot:Publish, "
                     "iot:RetainPublish, iot:Receive, iot:Subscribe",
                     text);
}

/* Takes "arn:aws:iot:" apart: what follows the fifth colon. */
static bool behind_arn(struct prov_span *rest)
{
    for (int colons = 0; colons < 5; colons++) {
        const uint8_t *colon = memchr(rest->p, ':', rest->n);

        if (colon == NULL)
            return false;
        *rest = prov_span(colon + 1, rest->n - (size_t)(colon - rest->p) - 1);
    }
    return true;
}

static enum prov_rc from_arn(struct ctl *ctl, enum prov_action action, struct prov_span arn,
                             struct prov_span *name)
{
    const char *kind = actions[action].kind;
    struct prov_buf begin;
    struct prov_span rest = arn;
    enum prov_rc rc;

    prov_buf_init(&begin, 512);
    rc = prov_arn(&ctl->tx, kind, prov_span(NULL, 0), &begin);
    if (rc == PROV_OK && prov_span_starts(arn, prov_buf_span(&begin)))
        *name = prov_span(arn.p + begin.n, arn.n - begin.n);
    else if (rc == PROV_OK && behind_arn(&rest) && prov_span_starts(rest, prov_span_str(kind)) &&
             rest.n > strlen(kind) && rest.p[strlen(kind)] == '/')
        rc = ctl_refuse(ctl,
                        "--resource: the ARN is of another region or account; here they "
                        "begin with %s",
                        prov_buf_cstr(&begin));
    else if (rc == PROV_OK)
        rc = ctl_usage(ctl, "--resource: an ARN for %s begins with %s", prov_action_name(action),
                       prov_buf_cstr(&begin));
    prov_buf_release(&begin);
    return rc;
}

static enum prov_rc read_request(struct ctl *ctl, struct prov_policy_request *out)
{
    const struct prov_span resource = ctl_value(ctl, OPT_RESOURCE);
    enum prov_rc rc;

    rc = read_action(ctl, &out->action);
    if (rc != PROV_OK)
        return rc;
    out->name = resource;
    out->persistent = ctl_has(&ctl->args, OPT_PERSISTENT);
    out->will_topic = ctl_value(ctl, OPT_WILL_TOPIC);
    out->has_will = out->will_topic.n != 0;
    if (prov_span_starts(resource, PROV_LIT("arn:")))
        return from_arn(ctl, out->action, resource, &out->name);
    if (resource.n == 0 && out->action == PROV_ACT_CONNECT)
        out->name = ctl_value(ctl, OPT_CLIENT_ID);
    if (out->name.n == 0)
        return ctl_usage(ctl, "--resource is missing: which topic?");
    return PROV_OK;
}

/* ---- the answer -------------------------------------------------------------------------------
 */

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
        rc = prov_policy_version_get(&t->ctl->tx, t->sources[i].policy, 0, &version);
        if (rc == PROV_OK)
            rc = prov_policy_parse(version.document, &t->sources[i].doc, &t->ctl->err);
    }
    return rc;
}

static void row_json(struct test *t, const struct prov_policy_trace *trace,
                     const struct source *source, struct prov_span sid)
{
    cJSON *row = prov_doc_append(&t->doc, t->statements, cJSON_CreateObject());
    cJSON *in = trace->deny ? t->denied : t->allowed;

    prov_doc_text(&t->doc, row, "policyName", source->policy);
    prov_doc_text_if(&t->doc, row, "thingGroupName", source->group);
    prov_doc_number(&t->doc, row, "statement", (double)trace->statement + 1);
    prov_doc_text_if(&t->doc, row, "sid", sid);
    prov_doc_text(&t->doc, row, "effect", prov_span_str(trace->deny ? "Deny" : "Allow"));
    prov_doc_bool(&t->doc, row, "matches", trace->match == PROV_MATCHED);
    if (trace->match != PROV_MATCHED)
        prov_doc_text(&t->doc, row, "why", prov_span_str(match_texts[trace->match]));
    prov_doc_text_if(&t->doc, row, "detail", trace->detail);
    if (trace->match == PROV_MISS_VARIABLE)
        (void)prov_doc_append(&t->doc, t->missing, prov_doc_string(trace->detail));
    if (trace->match != PROV_MATCHED)
        return;
    row = prov_doc_append(&t->doc, in, cJSON_CreateObject());
    prov_doc_text(&t->doc, row, "policyName", source->policy);
    (void)prov_doc_put(&t->doc, row, "policyArn", prov_doc_arn(&t->doc, "policy", source->policy));
}

static void row_text(struct test *t, const struct prov_policy_trace *trace,
                     const struct source *source, struct prov_span sid)
{
    const bool matched = trace->match == PROV_MATCHED;

    ctl_cell(&t->table, source->policy);
    ctl_cell(&t->table, source->group.n != 0 ? source->group : PROV_LIT("certificate"));
    ctl_cellf(&t->table, "%zu", trace->statement + 1);
    ctl_cell(&t->table, sid);
    ctl_cell(&t->table, prov_span_str(trace->deny ? "Deny" : "Allow"));
    if (matched)
        ctl_cell_styled(&t->table, trace->deny ? CTL_BAD : CTL_GOOD, match_texts[PROV_MATCHED]);
    else
        ctl_cellf(&t->table, "%s%s%.*s", match_texts[trace->match], trace->detail.n != 0 ? " " : "",
                  PROV_SPAN_ARG(trace->detail));
}

static void visit(void *ctx, const struct prov_policy_trace *trace)
{
    struct test *t = ctx;
    const struct source *source;
    struct prov_span sid;

    if (trace->doc >= t->n_sources)
        return;
    source = &t->sources[trace->doc];
    sid = prov_policy_doc_sid(source->doc, trace->statement);
    if (t->ctl->json)
        row_json(t, trace, source, sid);
    else
        row_text(t, trace, source, sid);
}

static enum prov_rc ask(struct test *t)
{
    const struct prov_who who = {
        .client_id = ctl_value(t->ctl, OPT_CLIENT_ID),
        .source_ip = ctl_value(t->ctl, OPT_SOURCE_IP),
    };
    struct prov_rights *rights = NULL;
    struct prov_policy *policy = NULL;
    enum prov_rc rc;

    rc = prov_rights_names(&t->ctl->tx, &t->cert, who.client_id, add_source, t);
    if (rc == PROV_OK)
        rc = load_docs(t);
    if (rc == PROV_OK)
        rc = prov_rights_new(&rights);
    if (rc == PROV_OK)
        rc = prov_rights_policy(rights, &t->ctl->tx, &t->cert, &who, &policy);
    if (rc == PROV_OK)
        t->verdict = prov_policy_explain(policy, &t->request, visit, t);
    prov_policy_free(policy);
    prov_rights_free(rights);
    return rc;
}

/* ---- two ways to say it -----------------------------------------------------------------------
 */

static const struct ctl_column columns[] = {
    { "POLICY", false, true }, { "OF", false, true },      { "NO", true, false },
    { "SID", false, true },    { "EFFECT", false, false }, { "RESULT", false, false },
};

static void say_hints(struct test *t)
{
    const struct prov_span client_id = ctl_value(t->ctl, OPT_CLIENT_ID);
    char hex[PROV_ID_HEX + 1];

    prov_id_hex(&t->cert.id, hex);
    if (t->n_sources == 0)
        ctl_say(t->ctl, "No policy applies: `provctl policy attach NAME --cert %.12s`\n", hex);
    if (t->cert.status != PROV_CERT_ACTIVE)
        ctl_say(t->ctl, "The certificate is %s, so the device cannot even connect.\n",
                prov_cert_status_name(t->cert.status));
    if (t->cert.n_things != 0 && prov_rights_thing(&t->cert, client_id).n == 0)
        ctl_say(t->ctl,
                "The client id is not the name of a thing of this certificate, so thing variables\n"
                "have no values and group policies do not apply.\n");
    if (t->request.action == PROV_ACT_RETAIN_PUBLISH)
        ctl_say(t->ctl, "A retained message needs iot:Publish as well.\n");
}

static enum prov_rc test_text(struct test *t)
{
    struct ctl *ctl = t->ctl;
    const enum ctl_style style = t->verdict == PROV_ALLOWED ? CTL_GOOD : CTL_BAD;

    ctl_style_on(&ctl->out, &ctl->look, style);
    ctl_say(ctl, "%s", prov_verdict_name(t->verdict));
    ctl_style_off(&ctl->out, &ctl->look, style);
    ctl_say(ctl, "  %s on %s/%.*s\n\n", prov_action_name(t->request.action),
            actions[t->request.action].kind, PROV_SPAN_ARG(t->request.name));
    ctl_table_flush(&t->table);
    say_hints(t);
    return PROV_OK;
}

static void start_json(struct test *t)
{
    cJSON *result, *part;
    struct prov_doc *d = &t->doc;

    *d = prov_doc_start(&t->ctl->tx);
    result = prov_doc_append(d, prov_doc_array(d, d->root, "authResults"), cJSON_CreateObject());
    part = prov_doc_object(d, result, "authInfo");
    prov_doc_text(d, part, "actionType", prov_span_str(actions[t->request.action].type));
    (void)prov_doc_append(d, prov_doc_array(d, part, "resources"),
                          prov_doc_arn(d, actions[t->request.action].kind, t->request.name));
    t->allowed = prov_doc_array(d, prov_doc_object(d, result, "allowed"), "policies");
    part = prov_doc_object(d, result, "denied");
    (void)prov_doc_array(d, prov_doc_object(d, part, "implicitDeny"), "policies");
    t->denied = prov_doc_array(d, prov_doc_object(d, part, "explicitDeny"), "policies");
    t->missing = prov_doc_array(d, result, "missingContextValues");
    t->statements = prov_doc_array(d, result, "statements");
}

static enum prov_rc test_json(struct test *t)
{
    cJSON *result =
        cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(t->doc.root, "authResults"), 0);

    prov_doc_text(&t->doc, result, "authDecision", prov_span_str(prov_verdict_name(t->verdict)));
    return ctl_answer_doc(t->ctl, &t->doc);
}

enum prov_rc ctl_policy_test(struct ctl *ctl)
{
    struct test t = { .ctl = ctl };
    struct prov_id id;
    enum prov_rc rc;

    ctl_table_start(&t.table, columns, PROV_COUNT(columns), &ctl->look, &ctl->out);
    rc = read_request(ctl, &t.request);
    if (rc == PROV_OK)
        rc = ctl_cert_id(ctl, ctl_opt(&ctl->args, OPT_CERT), &id);
    if (rc == PROV_OK)
        rc = prov_cert_get(&ctl->tx, &id, &t.cert);
    if (rc == PROV_OK && ctl->json)
        start_json(&t);
    if (rc == PROV_OK)
        rc = ask(&t);
    if (rc == PROV_OK)
        rc = ctl->json ? test_json(&t) : test_text(&t);
    else
        cJSON_Delete(t.doc.root);
    if (rc == PROV_OK && t.verdict != PROV_ALLOWED)
        ctl->outcome = CTL_EXIT_REFUSED;
    for (size_t i = 0; i < t.n_sources; i++)
        prov_policy_doc_unref(t.sources[i].doc);
    ctl_table_release(&t.table);
    return rc;
}
