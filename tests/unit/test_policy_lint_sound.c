/*
 * No false alarm: what a warning says of made-up policies holds when the engine is asked. Policies
 * are put together at random from texts that are right and wrong in the usual ways, and each
 * warning that claims something is held against the verdicts for many requests.
 *
 * ctest timeout: 300
 */
#include <cjson/cJSON.h>

#include "unit/test_policy_lint.h"

#define CASES 3000

/* ---- made-up policies ------------------------------------------------------------------------ */

static uint64_t seed = 88172645463325252u;

static size_t below(size_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (size_t)(seed >> 11) % n;
}

#define PICK(list) (list)[below(PROV_COUNT(list))]

static const char *const actions[] = {
    "iot:Connect",  "iot:Publish", "iot:RetainPublish", "iot:Receive",        "iot:Subscribe",
    "iot:*",        "*",           "iot:Pub*",          "iot:*Publish",       "iot:Subscibe",
    "iot:publish",  "iot:Connect", "iot:Publish",       "iot:GetThingShadow", "iot:Receive",
    "iot:Subscribe"
};

static const char *const heads[] = { ANY,
                                     ANY,
                                     ANY,
                                     ARN,
                                     "arn:*:iot:eu-*:*:",
                                     "arn:aws-cn:iot:*:*:",
                                     "arn:aws:iot:us-east-1:*:",
                                     "arn:aws:iot:*:1:" };

static const char *const types[] = { "client/",      "topic/",  "topicfilter/", "topic/",  "topic/",
                                     "topicfilter/", "topics/", "thing/",       "topic*/", "*" };

static const char *const names[] = { "a",
                                     "a/b",
                                     "a/*",
                                     "*",
                                     "*/b",
                                     "+/b",
                                     "a/#",
                                     "a/+",
                                     "#",
                                     "a/?",
                                     "?",
                                     "é/?",
                                     "",
                                     "$x",
                                     "a#",
                                     "${iot:ClientId}/x",
                                     "${iot:ClientId}",
                                     "${iot:Connection.Thing.ThingName}",
                                     "${iot:Certificate.Subject.CommonName}/b",
                                     "${iot:Thing.Attributes[room]}/*",
                                     "$aws/certificates/create/*",
                                     "$aws/certificates/create-from-csr/json",
                                     "$share/g/a/b",
                                     "$share/g/+/b",
                                     "%c/b" };

static const char *const wholes[] = { "*", "arn:*", "arn:aws:iot:*", "arn:aws:iot:*:topic/a",
                                      "arn:aws:s3:*" };

static const char *const conditions[] = {
    "{'StringEquals':{'iot:ClientId':[]}}",
    "{'StringNotLike':{'iot:ClientId':'*'}}",
    "{'StringEquals':{'iot:ClientId':'dev1'},'StringNotEquals':{'iot:ClientId':['dev1','x']}}",
    "{'StringEqualsIgnoreCase':{'iot:ClientId':'DEV1'},'StringNotEquals':{'iot:ClientId':'dev2'}}",
    "{'StringLike':{'iot:ClientId':'d*'},'StringNotLike':{'iot:ClientId':'*1'}}",
    "{'Null':{'iot:Thing.ThingName':'true'},'StringLike':{'iot:Thing.ThingName':'t*'}}",
    "{'Null':{'iot:Thing.ThingName':'true'}}",
    "{'Null':{'iot:Thing.ThingName':'false'}}",
    "{'Null':{'iot:CertificateId':'true'}}",
    "{'Null':{'iot:DomainName':'false'}}",
    "{'StringEquals':{'iot:DomainName':'a'}}",
    "{'StringNotEquals':{'iot:DomainName':'a'}}",
    "{'Bool':{'iot:Thing.IsAttached':'true'}}",
    "{'Bool':{'iot:Thing.IsAttached':'false'}}",
    "{'NumericEquals':{'iot:Thing.IsAttached':1}}",
    "{'StringEquals':{'iot:Thing.IsAttached':'True'}}",
    "{'StringEquals':{'aws:SourceIp':'203.0.113.0/24'}}",
    "{'IpAddress':{'aws:SourceIp':'203.0.113.0/24'}}",
    "{'Bool':{'aws:SourceIp':'true'}}",
    "{'StringLike':{'iot:CertificateId':'0123*'}}",
    "{'StringEquals':{'iot:CertificateId':'0123'}}",
    "{'ForAnyValue:StringEquals':{'iot:ConnectAttributes':'LastWill'}}",
    "{'ForAllValues:StringEquals':{'iot:ConnectAttributes':[]}}",
    "{'ForAnyValue:StringEquals':{'iot:ConnectAttributes':'Will'}}",
    "{'StringEquals':{'iot:ConnectAttributes':[]}}",
    "{'ArnLike':{'iot:LastWillTopic':'arn:aws:iot:*:*:topic/a*'}}",
    "{'ArnLike':{'iot:LastWillTopic':'arn:aws:iot:*:*:topic/+'}}",
    "{'ArnEquals':{'iot:LastWillTopic':'arn:aws:iot:*:*:topicfilter/a'}}",
    "{'ForAnyValue:StringEquals':{'iot:Certificate.AvailableKeys':"
    "'iot:Certificate.Subject.CommonName'}}",
    "{'ForAllValues:StringNotEquals':{'iot:Certificate.AvailableKeys':"
    "'iot:Certificate.Subject.CommonName'}}",
    "{'ForAnyValue:StringEquals':{'iot:Certificate.AvailableKeys':'Subject.CommonName'}}",
    "{'ForAnyValue:StringNotEquals':{'iot:Certificate.Subject.Title':'a'}}",
    "{'StringEquals':{'iot:ClientId':'${iot:Thing.ThingName}'}}",
    "{'StringNotEquals':{'iot:ClientId':['a','${iot:Certificate.Subject.CommonName}']}}",
};

static cJSON *made_resource(void)
{
    char text[256];

    if (below(10) == 0)
        return cJSON_CreateString(PICK(wholes));
    (void)snprintf(text, sizeof text, "%s%s%s", PICK(heads), PICK(types), PICK(names));
    return cJSON_CreateString(text);
}

static cJSON *made_statement(void)
{
    cJSON *const s = cJSON_CreateObject();
    cJSON *const list = cJSON_CreateArray(), *const resources = cJSON_CreateArray();
    char condition[512];

    (void)cJSON_AddStringToObject(s, "Effect", below(3) == 0 ? "Deny" : "Allow");
    for (size_t i = 1 + below(2); i > 0; i--)
        (void)cJSON_AddItemToArray(list, cJSON_CreateString(PICK(actions)));
    (void)cJSON_AddItemToObject(s, below(8) == 0 ? "NotAction" : "Action", list);
    for (size_t i = 1 + below(2); i > 0; i--)
        (void)cJSON_AddItemToArray(resources, made_resource());
    (void)cJSON_AddItemToObject(s, below(6) == 0 ? "NotResource" : "Resource", resources);
    if (below(3) == 0) {
        (void)snprintf(condition, sizeof condition, "%s", PICK(conditions));
        for (char *c = condition; *c != '\0'; c++)
            *c = *c == '\'' ? '"' : *c;
        (void)cJSON_AddItemToObject(s, "Condition", cJSON_Parse(condition));
    }
    return s;
}

static cJSON *made_policy(void)
{
    cJSON *const policy = cJSON_CreateObject(), *const list = cJSON_CreateArray();

    (void)cJSON_AddStringToObject(policy, "Version", "2012-10-17");
    for (size_t i = 1 + below(3); i > 0; i--)
        (void)cJSON_AddItemToArray(list, made_statement());
    (void)cJSON_AddItemToObject(policy, "Statement", list);
    return policy;
}

/* ---- asking ---------------------------------------------------------------------------------- */

static const char *const topics[] = { "a",
                                      "b",
                                      "a/b",
                                      "a/b/c",
                                      "x/b",
                                      "dev1",
                                      "dev1/x",
                                      "thing1",
                                      "thing1/b",
                                      "first/b",
                                      "kitchen/a",
                                      "é/é",
                                      "x",
                                      "%c/b",
                                      "$aws/certificates/create/json",
                                      "$aws/certificates/create-from-csr/json" };
static const char *const filters[] = {
    "+/b", "a/#", "#", "a/+", "+", "$share/g/a/b", "$share/g/+/b"
};
static const char *const clients[] = { "dev1", "a", "a/b", "thing1", "x+", "first/b" };

struct question {
    struct prov_policy_request req;
    bool bare; /* asked by a device without thing and certificate fields */
};

#define QUESTIONS (2 * (4 * PROV_COUNT(clients) + 4 * PROV_COUNT(topics) + PROV_COUNT(filters)))

static size_t all_questions(struct question out[static QUESTIONS])
{
    static const enum prov_action of_topics[] = { PROV_ACT_PUBLISH, PROV_ACT_RETAIN_PUBLISH,
                                                  PROV_ACT_RECEIVE, PROV_ACT_SUBSCRIBE };
    size_t n = 0;

    for (int bare = 0; bare < 2; bare++) {
        for (size_t i = 0; i < 4 * PROV_COUNT(clients); i++)
            out[n++] = (struct question){ .req = { .action = PROV_ACT_CONNECT,
                                                   .name = prov_span_str(clients[i / 4]),
                                                   .persistent = i % 2 != 0,
                                                   .has_will = i / 2 % 2 != 0,
                                                   .will_topic = PROV_LIT("a") },
                                          .bare = bare != 0 };
        for (size_t i = 0; i < 4 * PROV_COUNT(topics); i++)
            out[n++] = (struct question){ .req = { .action = of_topics[i % 4],
                                                   .name = prov_span_str(topics[i / 4]) },
                                          .bare = bare != 0 };
        for (size_t i = 0; i < PROV_COUNT(filters); i++)
            out[n++] = (struct question){ .req = { .action = PROV_ACT_SUBSCRIBE,
                                                   .name = prov_span_str(filters[i]) },
                                          .bare = bare != 0 };
    }
    return n;
}

struct answer {
    enum prov_verdict verdict;
    unsigned matched; /* bit per statement */
};

static void note_match(void *ctx, const struct prov_policy_trace *t)
{
    struct answer *const a = ctx;

    if (t->match == PROV_MATCHED)
        a->matched |= 1U << t->statement;
}

static void devices(struct policy_device *full, struct policy_device *bare)
{
    policy_device_init(full);
    full->facts.domain_name = prov_span(NULL, 0);
    full->facts.certificate_id =
        PROV_LIT("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
    policy_device_init(bare);
    bare->facts.domain_name = prov_span(NULL, 0);
    bare->facts.certificate_id = full->facts.certificate_id;
    bare->facts.thing_name = bare->facts.thing_type = prov_span(NULL, 0);
    bare->facts.n_attrs = 0;
    bare->facts.thing_attached = false;
    memset(bare->ident.dn, 0, sizeof bare->ident.dn);
    memset(bare->ident.alt, 0, sizeof bare->ident.alt);
}

/* Answers to all questions. */
static void ask_all(const cJSON *policy, struct answer out[static QUESTIONS])
{
    struct question questions[QUESTIONS];
    const size_t n = all_questions(questions);
    char *const text = cJSON_PrintUnformatted(policy);
    const char *const docs[] = { text };
    struct policy_device full, bare;
    struct prov_policy *pol[2];

    devices(&full, &bare);
    pol[0] = policy_session(docs, 1, &full);
    pol[1] = policy_session(docs, 1, &bare);
    for (size_t i = 0; i < n; i++) {
        out[i].matched = 0;
        out[i].verdict =
            prov_policy_explain(pol[questions[i].bare], &questions[i].req, note_match, &out[i]);
    }
    prov_policy_free(pol[0]);
    prov_policy_free(pol[1]);
    cJSON_free(text);
}

/* ---- what warnings claim --------------------------------------------------------------------- */

/* Does the filter subscribe to the topic? $share/<group>/ is skipped. */
static bool subscribes(const char *f, const char *t)
{
    if (strncmp(f, "$share/", 7) == 0)
        f = strchr(f + 7, '/') + 1;
    for (; *f != '\0'; f++, t++) {
        if (*f == '#')
            return true;
        if (*f == '+') {
            t += strcspn(t, "/");
            t--;
            continue;
        }
        if (*f != *t)
            return *t == '\0' && strcmp(f, "/#") == 0;
    }
    return *t == '\0';
}

/* The policy with nothing in the statement's list but the item. */
static cJSON *with_only(const cJSON *policy, unsigned statement, const char *key, unsigned item)
{
    cJSON *const copy = cJSON_Duplicate(policy, 1);
    cJSON *const s = cJSON_GetArrayItem(cJSON_GetObjectItem(copy, "Statement"), (int)statement);
    cJSON *const one =
        cJSON_Duplicate(cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(s, key), (int)item), 1);

    assert_true(cJSON_ReplaceItemInObjectCaseSensitive(s, key, one));
    return copy;
}

static bool one_of(const char *code, const char *list)
{
    const char *const found = strstr(list, code);
    const size_t n = strlen(code);

    return found != NULL && (found[n] == ' ' || found[n] == '\0') &&
           (found == list || found[-1] == ' ');
}

static const char matches_nothing[] =
    "unknown-action arn-never arn-scope subscribe-topic publish-topicfilter resource-unasked "
    "action-without name-never topic-wildcard other-action";

/* Is some topic that a filter of the statement is for delivered? */
static bool any_delivered(const struct question *questions, const struct answer *only,
                          const struct answer *all, size_t n, unsigned statement)
{
    for (size_t i = 0; i < n; i++) {
        if (questions[i].req.action != PROV_ACT_SUBSCRIBE ||
            (only[i].matched & 1U << statement) == 0)
            continue;
        for (size_t k = 0; k < n; k++) {
            if (questions[k].req.action == PROV_ACT_RECEIVE &&
                questions[k].bare == questions[i].bare && all[k].verdict == PROV_ALLOWED &&
                subscribes((const char *)questions[i].req.name.p,
                           (const char *)questions[k].req.name.p))
                return true;
        }
    }
    return false;
}

/* Is some topic that the statement is about for retained publishes allowed to be published? */
static bool any_published(const struct question *questions, const struct answer *only,
                          const struct answer *all, size_t n, unsigned statement)
{
    for (size_t i = 0; i < n; i++) {
        if (questions[i].req.action != PROV_ACT_RETAIN_PUBLISH ||
            (only[i].matched & 1U << statement) == 0)
            continue;
        for (size_t k = 0; k < n; k++) {
            if (questions[k].req.action == PROV_ACT_PUBLISH &&
                questions[k].bare == questions[i].bare && all[k].verdict == PROV_ALLOWED &&
                prov_span_eq(questions[k].req.name, questions[i].req.name))
                return true;
        }
    }
    return false;
}

struct claim {
    const struct prov_policy_warning *w;
    unsigned statement;
    const struct question *questions;
    const struct answer *all, *only; /* of the policy; of it with only the item in its list */
    size_t n;
};

static bool holds_for(const struct claim *c, size_t i)
{
    const char *const code = c->w->code;
    const bool matched = (c->all[i].matched & 1U << c->statement) != 0;
    const bool only_matched = (c->only[i].matched & 1U << c->statement) != 0;

    if (one_of(code, matches_nothing))
        return !only_matched || strstr(c->w->path, ".Not") != NULL;
    if (strcmp(code, "dead-allow") == 0)
        return !only_matched || c->only[i].verdict == PROV_EXPLICIT_DENY;
    if (strcmp(code, "condition-never") == 0 ||
        (strcmp(code, "connect-key") == 0 && strstr(c->w->text, "never") != NULL))
        return !matched;
    if (strcmp(code, "deny-missing") == 0 && strstr(c->w->text, "nothing") != NULL)
        return !matched || !c->questions[i].bare;
    if (strcmp(code, "create-from-csr") == 0)
        return c->all[i].verdict != PROV_ALLOWED ||
               strstr(c->w->text, prov_action_name(c->questions[i].req.action)) == NULL ||
               !prov_span_eq_str(c->questions[i].req.name,
                                 "$aws/certificates/create-from-csr/json");
    if (strcmp(code, "allow-all") == 0)
        return c->questions[i].req.action != PROV_ACT_CONNECT || c->all[i].verdict == PROV_ALLOWED;
    return true;
}

static bool holds(const struct claim *c)
{
    for (size_t i = 0; i < c->n; i++) {
        if (!holds_for(c, i))
            return false;
    }
    if (strcmp(c->w->code, "receive-missing") == 0)
        return !any_delivered(c->questions, c->only, c->all, c->n, c->statement);
    if (strcmp(c->w->code, "retain-alone") == 0)
        return !any_published(c->questions, c->only, c->all, c->n, c->statement);
    return true;
}

/* Statement and, in key, the list of which the warning's item is one; false when it is of none. */
static bool item_of(const char *path, unsigned *statement, char key[static 16], unsigned *item)
{
    if (sscanf(path, "Statement[%u].%15[A-Za-z][%u]", statement, key, item) == 3)
        return true;
    assert_int_equal(sscanf(path, "Statement[%u]", statement), 1);
    return false;
}

static void check_policy(const cJSON *policy, struct linted *found, unsigned *seen)
{
    const struct prov_policy_scope scope = { PROV_LIT("eu-central-1"), PROV_LIT("123456789012") };
    static struct question questions[QUESTIONS];
    static struct answer all[QUESTIONS], only[QUESTIONS];
    struct claim claim = { .questions = questions, .all = all, .only = only };
    char *const text = cJSON_PrintUnformatted(policy);

    assert_true(prov_span_copy(prov_span_str(text), found->text.json, sizeof found->text.json));
    cJSON_free(text);
    lint_text(found, &scope);
    claim.n = all_questions(questions);
    ask_all(policy, all);
    for (size_t i = 0; i < found->n; i++) {
        cJSON *variant;
        char key[16];
        unsigned item;

        claim.w = &found->w[i];
        if (item_of(claim.w->path, &claim.statement, key, &item)) {
            variant = with_only(policy, claim.statement, key, item);
            ask_all(variant, only);
            cJSON_Delete(variant);
        } else {
            memcpy(only, all, sizeof all);
        }
        if (!holds(&claim)) {
            show_warnings(found);
            fail_msg("%s at %s is a false alarm", claim.w->code, claim.w->path);
        }
        for (size_t k = 0; prov_policy_warning_code(k) != NULL; k++)
            seen[k] += prov_policy_warning_code(k) == claim.w->code;
    }
}

static void what_warnings_say_holds_when_the_engine_is_asked(void **state)
{
    struct linted *const found = malloc(sizeof *found);
    unsigned seen[64] = { 0 };
    cJSON *policy;

    (void)state;
    assert_non_null(found);
    for (unsigned i = 0; i < CASES; i++) {
        policy = made_policy();
        check_policy(policy, found, seen);
        cJSON_Delete(policy);
    }
    free(found);
    for (size_t k = 0; prov_policy_warning_code(k) != NULL; k++) {
        if (seen[k] == 0)
            fail_msg("%s was never tried", prov_policy_warning_code(k));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_warnings_say_holds_when_the_engine_is_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
