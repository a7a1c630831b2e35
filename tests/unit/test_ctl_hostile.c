/* provctl before a broker that answers anything at all: nothing that it says reaches a terminal as
 * it is, and nothing it leaves out or makes up does harm. */
#include "ctl/remote.h"
#include "unit/test_ctl.h"

/* ---- the broker ------------------------------------------------------------------------------ */

/* Every name that provctl looks for in an answer. */
static const char *const keys[] = {
    "acceptDate",
    "accountId",
    "activationHook",
    "address",
    "allowed",
    "attemptId",
    "attempts",
    "attributes",
    "authDecision",
    "authInfo",
    "authResults",
    "autoRegistrationStatus",
    "billingGroupDescription",
    "billingGroupMetadata",
    "billingGroupName",
    "billingGroupProperties",
    "billingGroups",
    "caCertificateId",
    "caCertificateIds",
    "certificateDescription",
    "certificateId",
    "certificateMode",
    "certificatePem",
    "certificateStatus",
    "certificates",
    "certificatesByStatus",
    "clientId",
    "commonName",
    "count",
    "counts",
    "createDate",
    "creationDate",
    "defaultVersionId",
    "deleted",
    "deprecated",
    "deprecationDate",
    "description",
    "detachedPolicies",
    "detail",
    "details",
    "deviceConfiguration",
    "effect",
    "enabled",
    "entries",
    "errorCode",
    "groupName",
    "hookDecides",
    "ignoredParameters",
    "isDefaultVersion",
    "key",
    "kind",
    "lastChange",
    "lastClientId",
    "lastModifiedDate",
    "lastTimestamp",
    "leftGroups",
    "matches",
    "maxBytes",
    "message",
    "name",
    "nextUpdate",
    "notAfter",
    "notBefore",
    "outcome",
    "parentGroupName",
    "part",
    "path",
    "policies",
    "policiesAsked",
    "policyArn",
    "policyDocument",
    "policyName",
    "policyNames",
    "policyVersionId",
    "policyVersions",
    "preProvisioningHook",
    "principal",
    "principalId",
    "principals",
    "problems",
    "reason",
    "recentAttempts",
    "region",
    "registrationCode",
    "registrationConfig",
    "rejectReason",
    "repeats",
    "resources",
    "retiredCertificates",
    "retryable",
    "revoked",
    "searchableAttributes",
    "sid",
    "sourceIp",
    "stale",
    "statement",
    "statements",
    "status",
    "step",
    "steps",
    "subject",
    "target",
    "targetArn",
    "targets",
    "templateBody",
    "templateName",
    "templates",
    "thingGroupDescription",
    "thingGroupMetadata",
    "thingGroupName",
    "thingGroupNames",
    "thingGroupProperties",
    "thingGroups",
    "thingName",
    "thingPrincipalType",
    "thingTypeDescription",
    "thingTypeMetadata",
    "thingTypeName",
    "thingTypeProperties",
    "thingTypes",
    "things",
    "thisUpdate",
    "timestamp",
    "transferData",
    "transferMessage",
    "transferredTo",
    "type",
    "usedBytes",
    "validity",
    "value",
    "version",
    "versionId",
    "versions",
    "was",
    "why",
};

enum kind { TEXT, LONG_TEXT, HUGE, NEGATIVE, TRUE_, NULL_, TEXTS, OBJECT, OBJECTS, KINDS };

static enum kind answer_with;
static const char *next_token; /* NULL: the list ends */

#define EVIL "\x1b[31mred\x07\r\x7f\xe2\x80\xae" /* colours, a bell, text turned around */

/* What is looked into once more. */
static enum kind inner_kind(const char *key, int depth)
{
    static const char *const objects[] = { "validity", "transferData", "authInfo",
                                           "registrationConfig" };
    static const char *const arrays[] = { "statements", "resources", "policies", "things" };

    for (size_t i = 0; i < PROV_COUNT(objects) && depth > 0; i++) {
        if (strcmp(key, objects[i]) == 0)
            return OBJECT;
        if (strcmp(key, arrays[i]) == 0)
            return OBJECTS;
    }
    return TEXT;
}

static cJSON *make(enum kind kind, int depth)
{
    static char long_text[5000];
    cJSON *made;

    switch (kind) {
    case TEXT:
        return cJSON_CreateString(EVIL);
    case LONG_TEXT:
        memset(long_text, 'x', sizeof long_text - 1);
        return cJSON_CreateString(long_text);
    case HUGE:
        return cJSON_CreateNumber(1e300);
    case NEGATIVE:
        return cJSON_CreateNumber(-7.5);
    case TRUE_:
        return cJSON_CreateTrue();
    case TEXTS:
        made = cJSON_CreateArray();
        for (int i = 0; i < 12; i++)
            (void)cJSON_AddItemToArray(made, cJSON_CreateString(EVIL));
        return made;
    case OBJECT:
        made = cJSON_CreateObject();
        for (size_t i = 0; i < PROV_COUNT(keys); i++)
            (void)cJSON_AddItemToObject(made, keys[i], make(inner_kind(keys[i], depth), depth - 1));
        (void)cJSON_AddStringToObject(made, EVIL, EVIL);
        return made;
    case OBJECTS:
        made = cJSON_CreateArray();
        (void)cJSON_AddItemToArray(made, make(OBJECT, depth));
        return made;
    case NULL_:
    case KINDS:
        break;
    }
    return cJSON_CreateNull();
}

static bool is_deep(const char *key)
{
    return strcmp(key, "certificateDescription") == 0 || strcmp(key, "authResults") == 0;
}

enum prov_rc __wrap_ctl_remote_open(const struct ctl_remote_conf *conf, struct ctl_remote **out,
                                    struct prov_err *err);
enum prov_rc __wrap_ctl_remote_open(const struct ctl_remote_conf *conf, struct ctl_remote **out,
                                    struct prov_err *err)
{
    (void)conf, (void)err;
    *out = (struct ctl_remote *)&answer_with; /* never looked into */
    return PROV_OK;
}

void __wrap_ctl_remote_close(struct ctl_remote *remote);
void __wrap_ctl_remote_close(struct ctl_remote *remote)
{
    (void)remote;
}

enum prov_rc __wrap_ctl_remote_call(struct ctl_remote *remote, const char *op, const cJSON *params,
                                    cJSON **data, struct prov_err *err);
enum prov_rc __wrap_ctl_remote_call(struct ctl_remote *remote, const char *op, const cJSON *params,
                                    cJSON **data, struct prov_err *err)
{
    (void)remote, (void)op, (void)err;
    assert_true(cJSON_IsObject(params));
    *data = cJSON_CreateObject();
    for (size_t i = 0; i < PROV_COUNT(keys); i++)
        (void)cJSON_AddItemToObject(*data, keys[i], make(answer_with, is_deep(keys[i]) ? 1 : 0));
    if (next_token != NULL) {
        (void)cJSON_AddStringToObject(*data, "nextToken", next_token);
        (void)cJSON_AddStringToObject(*data, "nextMarker", next_token);
    }
    return PROV_OK;
}

/* ---- the commands ---------------------------------------------------------------------------- */

#define MAX_WORDS 12

static const char *const commands[][MAX_WORDS] = {
    { "ca", "register", "CA", "--sni-only" },
    { "ca", "list" },
    { "ca", "show", "12345678", "--pem" },
    { "ca", "update", "12345678", "--status", "ACTIVE" },
    { "ca", "delete", "12345678" },
    { "ca", "crl", "CA" },
    { "ca", "registration-code" },
    { "cert", "register", "LEAF" },
    { "cert", "list" },
    { "cert", "show", "12345678", "--pem" },
    { "cert", "update", "12345678", "--status", "REVOKED" },
    { "cert", "delete", "12345678" },
    { "cert", "transfer", "12345678", "--to", "123456789012" },
    { "cert", "accept", "12345678" },
    { "cert", "reject", "12345678" },
    { "cert", "cancel-transfer", "12345678" },
    { "thing", "create", "a" },
    { "thing", "list" },
    { "thing", "show", "a" },
    { "thing", "update", "a", "--attr", "k=v" },
    { "thing", "delete", "a" },
    { "thing", "attach", "a", "--cert", "12345678" },
    { "thing", "detach", "a", "--cert", "12345678" },
    { "thing", "transfer", "a", "b", "--cert", "12345678" },
    { "thing", "reset", "a" },
    { "group", "create", "g" },
    { "group", "list" },
    { "group", "show", "g" },
    { "group", "delete", "g" },
    { "group", "add", "g", "a" },
    { "group", "remove", "g", "a" },
    { "type", "create", "t" },
    { "type", "list" },
    { "type", "show", "t" },
    { "type", "deprecate", "t" },
    { "type", "delete", "t" },
    { "billing-group", "create", "b" },
    { "billing-group", "list" },
    { "billing-group", "show", "b" },
    { "billing-group", "delete", "b" },
    { "policy", "create", "p", "POLICY" },
    { "policy", "list" },
    { "policy", "show", "p" },
    { "policy", "version", "create", "p", "POLICY" },
    { "policy", "version", "list", "p" },
    { "policy", "version", "show", "p", "1" },
    { "policy", "version", "set-default", "p", "1" },
    { "policy", "version", "delete", "p", "1" },
    { "policy", "delete", "p" },
    { "policy", "attach", "p", "--cert", "12345678" },
    { "policy", "detach", "p", "--group", "g" },
    { "policy", "test", "--cert", "12345678", "--client-id", "c", "--action", "Connect" },
    { "template", "create", "t", "TEMPLATE", "--type", "JITP" },
    { "template", "list" },
    { "template", "show", "t" },
    { "template", "update", "t", "--enabled", "on" },
    { "template", "version", "create", "t", "TEMPLATE" },
    { "template", "version", "list", "t" },
    { "template", "version", "show", "t", "1" },
    { "template", "version", "delete", "t", "1" },
    { "template", "delete", "t" },
    { "template", "eval", "t", "--param", "k=v" },
    { "explain", "12345678" },
    { "explain", "lamp" },
    { "status" },
};

static const char *file_of(struct rig *r, const char *word)
{
    static char policy[TMP_PATH_MAX], template[TMP_PATH_MAX];

    if (strcmp(word, "CA") == 0)
        return r->ca_file;
    if (strcmp(word, "LEAF") == 0)
        return r->leaf_file;
    if (strcmp(word, "POLICY") == 0) {
        write_file(r, "policy", POLICY_TEXT, policy);
        return policy;
    }
    if (strcmp(word, "TEMPLATE") == 0) {
        write_file(r, "template", TEMPLATE_TEXT, template);
        return template;
    }
    return word;
}

static void ask(struct rig *r, const char *const *command, bool json)
{
    const char *words[MAX_WORDS + 4] = { "--url", "mqtts://broker.example" };
    size_t n = 2;

    if (json)
        words[n++] = "--json";
    for (size_t i = 0; i < MAX_WORDS && command[i] != NULL; i++)
        words[n++] = file_of(r, command[i]);
    ctl_run(r, words);
}

/* What a terminal would obey. */
static void expect_tame(const char *text, const char *const *command)
{
    for (const char *c = text; *c != '\0'; c++) {
        if (((unsigned char)*c < ' ' && *c != '\n') || *c == 0x7f)
            fail_msg("provctl %s %s says byte %u", command[0], command[1] != NULL ? command[1] : "",
                     (unsigned)(unsigned char)*c);
    }
    if (strstr(text, "\xe2\x80\xae") != NULL)
        fail_msg("provctl %s turns text around", command[0]);
}

static void whatever_a_broker_answers_is_told_tamely(void **state)
{
    struct rig *r = *state;

    next_token = NULL;
    for (answer_with = TEXT; answer_with < KINDS; answer_with++) {
        for (size_t i = 0; i < PROV_COUNT(commands); i++) {
            ask(r, commands[i], false);
            expect_tame(r->out, commands[i]);
            expect_tame(r->err, commands[i]);
        }
    }
}

static void whatever_a_broker_answers_is_one_document(void **state)
{
    static const enum kind kinds[] = { TEXT, HUGE, NULL_, TEXTS };
    struct prov_err err;
    struct rig *r = *state;

    next_token = NULL;
    for (size_t k = 0; k < PROV_COUNT(kinds); k++) {
        answer_with = kinds[k];
        for (size_t i = 0; i < PROV_COUNT(commands); i++) {
            ask(r, commands[i], true);
            expect_tame(r->out, commands[i]);
            cJSON_Delete(r->json);
            r->json = NULL;
            if (r->code == 0 && prov_json_parse(S(r->out), 1u << 26, &r->json, &err) != PROV_OK)
                fail_msg("provctl %s: %s in:\n%.2000s", commands[i][0], err.text, r->out);
        }
    }
}

/* A list that goes on where it is would never end. */
static void list_that_does_not_go_on_is_given_up(void **state)
{
    struct rig *r = *state;

    answer_with = NULL_;
    next_token = "again";
    ctl_run(r, WORDS("--url", "mqtts://broker.example", "thing", "list"));
    assert_int_equal(r->code, 5);
    says(r->err, "the list does not go on behind \"again\"");
    next_token = NULL;
}

static void rows_beyond_the_limit_are_not_told(void **state)
{
    struct rig *r = *state;

    answer_with = TEXTS;
    next_token = NULL;
    ctl_json(r, "--url", "mqtts://broker.example", "thing", "list", "--limit", "2");
    assert_int_equal(count_at(r, "things"), 2);
    ctl_json(r, "--url", "mqtts://broker.example", "thing", "list");
    assert_int_equal(count_at(r, "things"), 12);
}

static const struct CMUnitTest ctl_hostile[] = {
    RIG_TEST(whatever_a_broker_answers_is_told_tamely),
    RIG_TEST(whatever_a_broker_answers_is_one_document),
    RIG_TEST(list_that_does_not_go_on_is_given_up),
    RIG_TEST(rows_beyond_the_limit_are_not_told),
};

int main(void)
{
    return cmocka_run_group_tests(ctl_hostile, NULL, NULL);
}
