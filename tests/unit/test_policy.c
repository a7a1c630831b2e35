/* What policies allow: actions, resources, wildcards, effects, variables, explanations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/limits.h"
#include "support/alloc.h"
#include "support/policy_rig.h"

#define YES PROV_ALLOWED
#define NO PROV_EXPLICIT_DENY
#define SILENT PROV_IMPLICIT_DENY

#define CONNECT PROV_ACT_CONNECT
#define PUBLISH PROV_ACT_PUBLISH
#define RETAIN PROV_ACT_RETAIN_PUBLISH
#define RECEIVE PROV_ACT_RECEIVE
#define SUBSCRIBE PROV_ACT_SUBSCRIBE

struct question {
    const char *policy;
    enum prov_action action;
    const char *name;
    enum prov_verdict verdict;
};

static void check(const struct question *q, size_t n)
{
    struct policy_device d;

    policy_device_init(&d);
    for (size_t i = 0; i < n; i++) {
        const struct prov_policy_request req = { .action = q[i].action,
                                                 .name = prov_span_str(q[i].name) };
        const enum prov_verdict got = policy_ask(q[i].policy, &d, &req);

        if (got != q[i].verdict)
            fail_msg("%s %s: %s, not %s, by %s", prov_action_name(q[i].action), q[i].name,
                     prov_verdict_name(got), prov_verdict_name(q[i].verdict), q[i].policy);
    }
}

#define CHECK(questions) check(questions, PROV_COUNT(questions))

/* ---- actions and resources ------------------------------------------------------------------- */

static void each_action_has_its_kind_of_resource(void **state)
{
    static const char doc[] = DOC(ALLOW("iot:*", ARN "client/a") "," ALLOW(
        "iot:*", ARN "topic/b") "," ALLOW("iot:*", ARN "topicfilter/c"));
    static const char names[] = "abc";
    static const char wanted[PROV_ACTIONS] = {
        [CONNECT] = 'a', [PUBLISH] = 'b', [RETAIN] = 'b', [RECEIVE] = 'b', [SUBSCRIBE] = 'c'
    };

    (void)state;
    for (unsigned a = 0; a < PROV_ACTIONS; a++) {
        for (size_t i = 0; i < 3; i++) {
            const char name[2] = { names[i], '\0' };
            const struct question q = { doc, (enum prov_action)a, name,
                                        names[i] == wanted[a] ? YES : SILENT };

            check(&q, 1);
        }
    }
}

static void actions_match_by_name_and_wildcard(void **state)
{
    static const struct {
        const char *action;
        const char *matches; /* of C P T R S: Connect, Publish, reTain, Receive, Subscribe */
    } rows[] = {
        { "'iot:Connect'", "C" },
        { "'iot:Publish'", "P" },
        { "'iot:RetainPublish'", "T" },
        { "'iot:Receive'", "R" },
        { "'iot:Subscribe'", "S" },
        { "'iot:publish'", "P" },
        { "'IOT:PUBLISH'", "P" },
        { "'iot:*'", "CPTRS" },
        { "'*'", "CPTRS" },
        { "'iot:Pub*'", "P" },
        { "'iot:*Publish'", "PT" },
        { "'iot:*pub*'", "PT" },
        { "'iot:Re*'", "TR" },
        { "'iot:?ublish'", "P" },
        { "'iot:?onnect'", "C" },
        { "'iot:Subscrib'", "" },
        { "'iot:GetThingShadow'", "" },
        { "'iotjobsdata:*'", "" },
        { "'greengrass:*'", "" },
        { "['iot:Connect','iot:Receive']", "CR" },
        { "['iotjobsdata:StartNextPendingJobExecution','iot:Receive']", "R" },
    };
    static const char letters[] = "CPTRS";
    char text[512];
    struct question q = { text, CONNECT, "x", SILENT };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        for (unsigned a = 0; a < PROV_ACTIONS; a++) {
            const bool hit = strchr(rows[i].matches, letters[a]) != NULL;

            q.action = (enum prov_action)a;
            snprintf(text, sizeof text, DOC("{'Effect':'Allow','Action':%s,'Resource':'*'}"),
                     rows[i].action);
            q.verdict = hit ? YES : SILENT;
            check(&q, 1);
            snprintf(text, sizeof text, DOC("{'Effect':'Allow','NotAction':%s,'Resource':'*'}"),
                     rows[i].action);
            q.verdict = hit ? SILENT : YES;
            check(&q, 1);
        }
    }
}

static void resources_match_as_text(void **state)
{
    static const struct question questions[] = {
        { DOC(ALLOW("iot:Publish", ARN "topic/a/b")), PUBLISH, "a/b", YES },
        { DOC(ALLOW("iot:Publish", ARN "topic/a/b")), PUBLISH, "a/b/", SILENT },
        { DOC(ALLOW("iot:Publish", ARN "topic/a/b")), PUBLISH, "a/", SILENT },
        { DOC(ALLOW("iot:Publish", ARN "topic/a/b")), PUBLISH, "A/b", SILENT },
        { DOC(ALLOW("iot:Publish", ARN "topic/a/b")), PUBLISH, "", SILENT },
        { DOC(ALLOW("iot:Publish", "*")), PUBLISH, "", YES },
        { DOC(ALLOW("iot:Publish", "*")), PUBLISH, "any/thing", YES },
        { DOC(ALLOW("iot:Publish", ARN "topic/a/*")), PUBLISH, "a/b/c", YES },
        { DOC(ALLOW("iot:Publish", ARN "topic/a/*")), PUBLISH, "a/", YES },
        { DOC(ALLOW("iot:Publish", ARN "topic/a/*")), PUBLISH, "a", SILENT },
        { DOC(ALLOW("iot:Publish", ARN "topic/a*")), PUBLISH, "a", YES },
        { DOC(ALLOW("iot:Publish", ARN "topic/*/c")), PUBLISH, "a/b/c", YES },
        { DOC(ALLOW("iot:Publish", ARN "topic/*/c")), PUBLISH, "a/b/cc", SILENT },
        { DOC(ALLOW("iot:Publish", ARN "topic/a?c")), PUBLISH, "abc", YES },
        { DOC(ALLOW("iot:Publish", ARN "topic/a?c")), PUBLISH, "ac", SILENT },
        { DOC(ALLOW("iot:Publish", ARN "topic/a?c")), PUBLISH, "abbc", SILENT },
        { DOC(ALLOW("iot:Publish", ARN "topic/a?")), PUBLISH, "a", SILENT },
        { DOC(ALLOW("iot:Publish", ARN "topic/a?c")), PUBLISH,
          "a\xc3\xa9"
          "c",
          YES }, /* one character of two bytes */
        { DOC(ALLOW("iot:Publish", ARN "topic/a??c")), PUBLISH,
          "a\xc3\xa9"
          "c",
          SILENT },
        { DOC(ALLOW("iot:Publish", ARN "topic/a*?c")), PUBLISH,
          "a\xe2\x82\xac"
          "c",
          YES },
        { DOC(ALLOW("iot:Publish", ARN "topic/a*??c")), PUBLISH,
          "a\xe2\x82\xac"
          "c",
          SILENT },
        /* several patterns with a common beginning */
        { DOC("{'Effect':'Allow','Action':'iot:Publish','Resource':['" ARN "topic/abc/x','" ARN
              "topic/abd/y','" ARN "topic/ab','" ARN "topic/z']}"),
          PUBLISH, "abd/y", YES },
        { DOC("{'Effect':'Allow','Action':'iot:Publish','Resource':['" ARN "topic/abc/x','" ARN
              "topic/abd/y','" ARN "topic/ab','" ARN "topic/z']}"),
          PUBLISH, "ab", YES },
        { DOC("{'Effect':'Allow','Action':'iot:Publish','Resource':['" ARN "topic/abc/x','" ARN
              "topic/abd/y','" ARN "topic/ab','" ARN "topic/z']}"),
          PUBLISH, "abd/x", SILENT },
        { DOC("{'Effect':'Allow','Action':'iot:Publish','Resource':['" ARN "topic/a?c','" ARN
              "topic/ab?']}"),
          PUBLISH, "axc", YES },
        { DOC("{'Effect':'Allow','Action':'iot:Publish','Resource':['" ARN "topic/a?c','" ARN
              "topic/ab?']}"),
          PUBLISH, "abx", YES },
        { DOC("{'Effect':'Allow','Action':'iot:Publish','Resource':['" ARN "topic/a?c','" ARN
              "topic/ab?']}"),
          PUBLISH, "axx", SILENT },
    };

    (void)state;
    CHECK(questions);
}

static void filters_are_compared_as_text(void **state)
{
    static const struct question questions[] = {
        { DOC(ALLOW("iot:Subscribe", ARN "topicfilter/a/*")), SUBSCRIBE, "a/#", YES },
        { DOC(ALLOW("iot:Subscribe", ARN "topicfilter/a/#")), SUBSCRIBE, "a/b", SILENT },
        { DOC(ALLOW("iot:Subscribe", ARN "topicfilter/a/#")), SUBSCRIBE, "a/#", YES },
        { DOC(ALLOW("iot:Subscribe", ARN "topicfilter/a/+/c")), SUBSCRIBE, "a/b/c", SILENT },
        { DOC(ALLOW("iot:Subscribe", ARN "topicfilter/a/+/c")), SUBSCRIBE, "a/+/c", YES },
        { DOC(ALLOW("iot:Publish", ARN "topic/a/#")), PUBLISH, "a/b", SILENT },
        /* a deny on part of what the filter covers does not stop it, one on receiving does */
        { DOC(ALLOW("iot:Subscribe", "*") "," DENY("iot:Subscribe", ARN "topicfilter/a/secret/*")),
          SUBSCRIBE, "a/#", YES },
        { DOC(ALLOW("iot:Receive", "*") "," DENY("iot:Receive", ARN "topic/a/secret/*")), RECEIVE,
          "a/secret/x", NO },
        { DOC(ALLOW("iot:Subscribe", ARN "topicfilter/$share/g/a/*")), SUBSCRIBE, "$share/g/a/b",
          YES },
        { DOC(ALLOW("iot:Subscribe", ARN "topicfilter/a/*")), SUBSCRIBE, "$share/g/a/b", SILENT },
        { DOC(ALLOW("iot:Subscribe", ARN "topic/a/b")), SUBSCRIBE, "a/b", SILENT },
        /* the claim policy of reference 1.6 */
        { DOC(ALLOW("iot:Publish", ARN "topic/$aws/certificates/create/*")), PUBLISH,
          "$aws/certificates/create/json", YES },
        { DOC(ALLOW("iot:Publish", ARN "topic/$aws/certificates/create/*")), PUBLISH,
          "$aws/certificates/create-from-csr/json", SILENT },
    };

    (void)state;
    CHECK(questions);
}

static void escapes_stand_for_the_character_itself(void **state)
{
    static const struct question questions[] = {
        { DOC(ALLOW("iot:Publish", ARN "topic/a${*}")), PUBLISH, "a*", YES },
        { DOC(ALLOW("iot:Publish", ARN "topic/a${*}")), PUBLISH, "ab", SILENT },
        { DOC(ALLOW("iot:Publish", ARN "topic/a$(*)b")), PUBLISH, "a*b", YES },
        { DOC(ALLOW("iot:Publish", ARN "topic/a$(*)b")), PUBLISH, "axb", SILENT },
        { DOC(ALLOW("iot:Publish", ARN "topic/${?}")), PUBLISH, "?", YES },
        { DOC(ALLOW("iot:Publish", ARN "topic/${?}")), PUBLISH, "x", SILENT },
        { DOC(ALLOW("iot:Publish", ARN "topic/$(?)")), PUBLISH, "?", YES },
        { DOC(ALLOW("iot:Publish", ARN "topic/${$}{iot:ClientId}")), PUBLISH, "${iot:ClientId}",
          YES },
        { DOC(ALLOW("iot:Publish", ARN "topic/${$}{iot:ClientId}")), PUBLISH, "dev1", SILENT },
        { DOC(ALLOW("iot:Publish", ARN "topic/$($){iot:ClientId}")), PUBLISH, "${iot:ClientId}",
          YES },
        { DOC(ALLOW("iot:Publish", ARN "topic/$aws/$(x)$")), PUBLISH, "$aws/$(x)$", YES },
    };

    (void)state;
    CHECK(questions);
}

static void only_arns_of_this_region_and_account_match(void **state)
{
    static const struct {
        const char *resource;
        enum prov_verdict verdict; /* for publishing to a/b */
    } rows[] = {
        { "arn:aws:iot:eu-central-1:123456789012:topic/a/b", YES },
        { "arn:aws-cn:iot:eu-central-1:123456789012:topic/a/b", YES },
        { "arn:aws-us-gov:iot:eu-central-1:123456789012:topic/a/b", YES },
        { "arn:aws-xx:iot:eu-central-1:123456789012:topic/a/b", SILENT },
        { "arn:aws:iot:eu-central-2:123456789012:topic/a/b", SILENT },
        { "arn:aws:iot:eu-central-1:123456789013:topic/a/b", SILENT },
        { "arn:aws:iot::123456789012:topic/a/b", SILENT },
        { "arn:aws:s3:eu-central-1:123456789012:topic/a/b", SILENT },
        { "arn:aws:iot:*:*:topic/a/b", YES },
        { "arn:aws:iot:*:123456789012:topic/a/b", YES },
        { "arn:aws:iot:*:123456789013:topic/a/b", SILENT },
        { "arn:aws:iot:eu-central-?:123456789012:topic/a/b", YES },
        { "arn:aws*:iot:eu-central-1:123456789012:topic/a/b", YES },
        { "arn:*:topic/a/b", YES },
        { "arn:*:topic/a/c", SILENT },
        { "arn:aws:iot:eu-central-1:123456789012:*", YES },
        { "arn:aws:iot:eu-central-1:123456789012:*/a/b", YES },
        { "arn:aws:iot:eu-central-1:123456789012:*/b", YES },
        { "arn:aws:iot:eu-central-1:123456789012:*/c", SILENT },
        { "arn:aws:iot:eu-central-1:123456789012:t*/a/b", YES },
        { "arn:aws:iot:eu-central-1:123456789012:????c/a/b", YES },
        { "arn:aws:iot:eu-central-1:123456789012:topi*a/b", YES },
        { "arn:aws:iot:eu-central-1:123456789012:client/a/b", SILENT },
        { "arn:aws:iot:eu-central-1:123456789012:topicfilter/a/b", SILENT },
        { "arn:aws:iot:eu-central-1:123456789012:TOPIC/a/b", SILENT },
        { "arn:aws:iot:eu-central-1:123456789012:topic", SILENT },
        { "arn:*a*b*", YES },
        { "arn:*/?/?", YES },
        { "arn:*/?/??", SILENT },
    };
    char text[256];
    struct question q = { text, PUBLISH, "a/b", SILENT };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        snprintf(text, sizeof text, DOC(ALLOW("iot:Publish", "%s")), rows[i].resource);
        q.verdict = rows[i].verdict;
        check(&q, 1);
        snprintf(text, sizeof text, DOC(DENY("iot:Publish", "%s")), rows[i].resource);
        q.verdict = rows[i].verdict == YES ? NO : SILENT;
        check(&q, 1);
        snprintf(text, sizeof text,
                 DOC("{'Effect':'Allow','Action':'iot:Publish','NotResource':['" ARN
                     "topic/other','%s']}"),
                 rows[i].resource);
        q.verdict = rows[i].verdict == YES ? SILENT : YES;
        check(&q, 1);
    }
}

/* ---- effects --------------------------------------------------------------------------------- */

static void a_deny_beats_any_allow_and_silence_denies(void **state)
{
    static const char *const allow = DOC(ALLOW("iot:*", "*"));
    static const char *const deny = DOC(DENY("iot:Publish", ARN "topic/secret/*"));
    static const struct {
        const char *docs[3];
        size_t n;
        const char *topic;
        enum prov_verdict verdict;
    } rows[] = {
        { { NULL }, 0, "secret/a", SILENT },
        { { allow }, 1, "secret/a", YES },
        { { deny }, 1, "secret/a", NO },
        { { deny }, 1, "open/a", SILENT },
        { { allow, deny }, 2, "secret/a", NO },
        { { deny, allow }, 2, "secret/a", NO },
        { { deny, allow, allow }, 3, "open/a", YES },
        { { allow, deny, allow }, 3, "secret/a", NO },
    };
    struct policy_device d;

    (void)state;
    policy_device_init(&d);
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct prov_policy *const pol = policy_session(rows[i].docs, rows[i].n, &d);
        const struct prov_policy_request req = { .action = PUBLISH,
                                                 .name = prov_span_str(rows[i].topic) };

        assert_int_equal(policy_verdict(pol, &req), rows[i].verdict);
        prov_policy_free(pol);
    }
}

static void what_is_not_excepted_matches_notresource(void **state)
{
    static const char allow[] = DOC("{'Effect':'Allow','Action':'iot:Receive','NotResource':['" ARN
                                    "topic/a/*','" ARN "topic/${iot:ClientId}']}");
    static const char deny[] = DOC(ALLOW("iot:*", "*") ",{'Effect':'Deny','Action':'iot:Receive',"
                                                       "'NotResource':'" ARN "topic/a/*'}");
    static const struct question questions[] = {
        { allow, RECEIVE, "b", YES },    { allow, RECEIVE, "a/b", SILENT },
        { allow, RECEIVE, "dev2", YES }, { allow, RECEIVE, "dev1", SILENT },
        { allow, PUBLISH, "b", SILENT }, { deny, RECEIVE, "a/b", YES },
        { deny, RECEIVE, "b", NO },      { deny, PUBLISH, "b", YES },
    };

    (void)state;
    CHECK(questions);
}

static void an_action_beyond_the_enum_is_denied(void **state)
{
    struct policy_device d;
    const struct prov_policy_request req = { .action = PROV_ACTIONS, .name = PROV_LIT("x") };

    (void)state;
    policy_device_init(&d);
    assert_int_equal(policy_ask(DOC(ALLOW("*", "*")), &d, &req), SILENT);
    assert_string_equal(prov_action_name(PROV_ACTIONS), "unknown");
    assert_string_equal(prov_verdict_name((enum prov_verdict)7), "unknown");
}

/* ---- variables ------------------------------------------------------------------------------- */

/* May the device publish to "v/" and this value where the policy has the variable? */
static enum prov_verdict ask_variable(const struct policy_device *d, const char *variable,
                                      const char *value)
{
    char policy[512], topic[4096] = "";
    const struct prov_policy_request req = { .action = PUBLISH, .name = prov_span(topic, 0) };
    struct prov_policy_request asked = req;

    snprintf(policy, sizeof policy, DOC(ALLOW("iot:Publish", ARN "topic/v/${%s}")), variable);
    snprintf(topic, sizeof topic, "v/%s", value);
    asked.name = prov_span_str(topic);
    return policy_ask(policy, d, &asked);
}

static void each_variable_stands_for_its_value(void **state)
{
    static const struct {
        const char *variable, *value;
    } rows[] = {
        { "iot:ClientId", "dev1" },
        { "aws:SourceIp", "203.0.113.7" },
        { "iot:DomainName", "iot.example.com" },
        { "iot:CertificateId", "c0ffee" },
        { "iot:Connection.Thing.ThingName", "thing1" },
        { "iot:Connection.Thing.ThingTypeName", "lamp" },
        { "iot:Connection.Thing.IsAttached", "true" },
        { "iot:Connection.Thing.Attributes[room]", "kitchen" },
        { "iot:Connection.Thing.Attributes[a.b@c]", "odd" },
        { "iot:Connection.Thing.Attributes[owner]", "#1/a:b" },
        { "iot:Thing.ThingName", "thing1" },
        { "iot:Thing.ThingTypeName", "lamp" },
        { "iot:Thing.IsAttached", "true" },
        { "iot:Thing.Attributes[room]", "kitchen" },
        { "IOT:clientid", "dev1" },
        { "iot:Certificate.SerialNumber", "1f2e" },
        { "iot:Certificate.Subject.SerialNumber", "sn-7" },
        { "iot:Certificate.Subject.CommonName", "first" },
        { "iot:Certificate.Subject.CommonName.0", "first" },
        { "iot:Certificate.Subject.CommonName.1", "second" },
        { "iot:Certificate.Subject.CommonName.2", "third" },
        { "iot:Certificate.Subject.Organization", "Example Corp" },
        { "iot:Certificate.Issuer.CommonName", "Factory CA" },
        { "iot:Certificate.Subject.AlternativeName.DNSName", "dev1.example.com" },
        { "iot:Certificate.Subject.AlternativeName.DNSName.1", "alias.example.com" },
        { "iot:Certificate.Subject.AlternativeName.DirectoryName", "CN\\=a\\, O\\=b" },
    };
    char longer[512];
    struct policy_device d;

    (void)state;
    policy_device_init(&d);
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        if (ask_variable(&d, rows[i].variable, rows[i].value) != YES)
            fail_msg("%s is not %s", rows[i].variable, rows[i].value);
        snprintf(longer, sizeof longer, "%sx", rows[i].value);
        assert_int_equal(ask_variable(&d, rows[i].variable, longer), SILENT);
        assert_int_equal(ask_variable(&d, rows[i].variable, ""), SILENT);
    }
}

static void every_certificate_field_has_its_variable(void **state)
{
    struct policy_device d;
    char variable[128];

    (void)state;
    for (unsigned side = 0; side < PROV_SIDES; side++) {
        for (unsigned i = 0; i < PROV_DN_FIELDS + PROV_ALT_KINDS; i++) {
            const bool dn = i < PROV_DN_FIELDS;

            policy_device_init(&d);
            memset(&d.ident, 0, sizeof d.ident);
            policy_device_add(
                &d, dn ? &d.ident.dn[side][i] : &d.ident.alt[side][i - PROV_DN_FIELDS], "here");
            snprintf(variable, sizeof variable, "iot:Certificate.%s.%s%s",
                     side == PROV_SUBJECT ? "Subject" : "Issuer", dn ? "" : "AlternativeName.",
                     dn ? prov_dn_field_name((enum prov_dn_field)i)
                        : prov_alt_kind_name((enum prov_alt_kind)(i - PROV_DN_FIELDS)));
            if (ask_variable(&d, variable, "here") != YES)
                fail_msg("%s has no value", variable);
        }
    }
}

/* Puts the variable's name where the policy has @. */
static void name_variable(char *out, size_t cap, const char *policy, const char *variable)
{
    const char *at;

    out[0] = '\0';
    for (size_t n = 0; policy[0] != '\0'; policy = *at == '@' ? at + 1 : at) {
        at = strchrnul(policy, '@');
        n += (size_t)snprintf(out + n, cap - n, "%.*s%s", (int)(at - policy), policy,
                              *at == '@' ? variable : "");
        assert_true(n < cap);
    }
}

/* As an allow the statement is silent, as a deny it denies nothing, also under NotResource. */
static void a_statement_with_a_missing_variable_matches_nothing(void **state)
{
    static const char *const variables[] = {
        "iot:ClientId",
        "aws:SourceIp",
        "iot:DomainName",
        "iot:CertificateId",
        "iot:Connection.Thing.ThingName",
        "iot:Connection.Thing.ThingTypeName",
        "iot:Connection.Thing.Attributes[room]",
        "iot:Certificate.SerialNumber",
        "iot:Certificate.Subject.CommonName",
        "iot:Certificate.Subject.AlternativeName.DNSName",
    };
    static const struct {
        const char *policy, *topic;
        enum prov_verdict verdict;
    } rows[] = {
        { DOC(ALLOW("iot:Publish", ARN "topic/a/${@}")), "a/", SILENT },
        { DOC(ALLOW("iot:Publish", ARN "topic/a/${@}/*")), "a//b", SILENT },
        { DOC(ALLOW("iot:Publish", ARN "topic/*${@}")), "a", SILENT },
        { DOC(ALLOW("iot:*", "*") "," DENY("iot:Publish", ARN "topic/${@}*")), "a", YES },
        { DOC("{'Effect':'Allow','Action':'iot:*','NotResource':'" ARN "topic/${@}'}"), "a",
          SILENT },
        { DOC(ALLOW("iot:*", "*") ",{'Effect':'Deny','Action':'iot:*','NotResource':'" ARN
                                  "topic/${@}'}"),
          "a", YES },
        /* the other resource of the list still counts */
        { DOC("{'Effect':'Allow','Action':'iot:*','Resource':['" ARN "topic/${@}','" ARN
              "topic/a']}"),
          "a", YES },
        { DOC("{'Effect':'Allow','Action':'iot:*','Resource':'*',"
              "'Condition':{'StringEquals':{'iot:Connection.Thing.IsAttached':'${@}'}}}"),
          "a", SILENT },
        { DOC("{'Effect':'Allow','Action':'iot:*','Resource':'*',"
              "'Condition':{'StringNotEquals':{'iot:Connection.Thing.IsAttached':'${@}'}}}"),
          "a", SILENT },
        { DOC("{'Effect':'Allow','Action':'iot:*','Resource':'*',"
              "'Condition':{'StringEquals':{'iot:Connection.Thing.IsAttached':['${@}','false']}}"
              "}"),
          "a", YES },
        { DOC("{'Effect':'Allow','Action':'iot:*','Resource':'*','Condition':"
              "{'StringNotEquals':{'iot:Connection.Thing.IsAttached':['${@}','true']}}}"),
          "a", SILENT },
        { DOC("{'Effect':'Allow','Action':'iot:*','Resource':'*','Condition':"
              "{'ForAllValues:StringEquals':{'iot:ConnectAttributes':'${@}'}}}"),
          "a", SILENT },
    };
    const struct policy_device nobody = { 0 };
    char policy[512];

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        for (size_t v = 0; v < PROV_COUNT(variables); v++) {
            const struct prov_policy_request req = { .action = PUBLISH,
                                                     .name = prov_span_str(rows[i].topic) };

            name_variable(policy, sizeof policy, rows[i].policy, variables[v]);
            if (policy_ask(policy, &nobody, &req) != rows[i].verdict)
                fail_msg("not %s: %s", prov_verdict_name(rows[i].verdict), policy);
        }
    }
}

static void what_a_certificate_does_not_have_is_missing(void **state)
{
    static const char *const missing[] = {
        "iot:Certificate.Subject.CommonName.3",
        "iot:Certificate.Subject.CommonName.999",
        "iot:Certificate.Subject.Title",
        "iot:Certificate.Issuer.CommonName.1",
        "iot:Certificate.Subject.AlternativeName.IPAddress",
        "iot:Connection.Thing.Attributes[empty]",
        "iot:Connection.Thing.Attributes[Room]",
    };
    struct policy_device d;
    char text[512];

    (void)state;
    policy_device_init(&d);
    for (size_t i = 0; i < PROV_COUNT(missing); i++) {
        snprintf(text, sizeof text, "${%s}", missing[i]);
        assert_int_equal(ask_variable(&d, missing[i], ""), SILENT);
        assert_int_equal(ask_variable(&d, missing[i], text), SILENT);
    }
}

static void only_five_values_of_a_field_exist(void **state)
{
    struct policy_device d;
    struct prov_values *field;

    (void)state;
    policy_device_init(&d);
    field = &d.ident.dn[PROV_SUBJECT][PROV_DN_TITLE];
    for (int i = 0; i < PROV_MAX_VAR_ITEMS + 1; i++)
        policy_device_add(&d, field, i == PROV_MAX_VAR_ITEMS ? "sixth" : "other");
    assert_int_equal(ask_variable(&d, "iot:Certificate.Subject.Title.4", "other"), YES);
    assert_int_equal(ask_variable(&d, "iot:Certificate.Subject.Title.5", "sixth"), SILENT);
}

static void certificate_values_are_substituted_within_limits(void **state)
{
    static char fits[PROV_MAX_VAR_VALUE + 1], beyond[PROV_MAX_VAR_VALUE + 2];
    struct {
        const char *value, *substituted; /* NULL: not at all */
    } rows[] = {
        { "plain", "plain" },     { "a,b\"c\\d=e<f>g;h", "a\\,b\\\"c\\\\d\\=e\\<f\\>g\\;h" },
        { "a*b", NULL },          { "*", NULL },
        { "a?", NULL },           { "a$b", NULL },
        { "a+b", NULL },          { "a#", NULL },
        { "{}()/:.", "{}()/:." }, { fits, fits },
        { beyond, NULL },
    };
    struct policy_device d;

    (void)state;
    memset(fits, 'f', sizeof fits - 1);
    memset(beyond, 'b', sizeof beyond - 1);
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        const char *const variable = "iot:Certificate.Subject.Title";

        policy_device_init(&d);
        policy_device_add(&d, &d.ident.dn[PROV_SUBJECT][PROV_DN_TITLE], rows[i].value);
        assert_int_equal(
            ask_variable(&d, variable,
                         rows[i].substituted == NULL ? rows[i].value : rows[i].substituted),
            rows[i].substituted == NULL ? SILENT : YES);
        if (rows[i].substituted == NULL || strcmp(rows[i].substituted, rows[i].value) != 0)
            assert_int_equal(ask_variable(&d, variable, rows[i].value), SILENT);
        assert_int_equal(ask_variable(&d, variable, "axb"), SILENT);
    }
}

static void a_client_id_is_literal_whatever_it_holds(void **state)
{
    static const char *const ids[] = {
        "*", "?", "+", "#", "$", "{", "}", "a*", "${iot:ClientId}", "${*}", "$(*)", "a/+/#", "\\*"
    };
    struct policy_device d;

    (void)state;
    policy_device_init(&d);
    for (size_t i = 0; i < PROV_COUNT(ids); i++) {
        d.facts.client_id = prov_span_str(ids[i]);
        assert_int_equal(ask_variable(&d, "iot:ClientId", ids[i]), YES);
        assert_int_equal(ask_variable(&d, "iot:ClientId", "abc"), SILENT);
        assert_int_equal(ask_variable(&d, "iot:ClientId", "a"), SILENT);
    }
}

static void variables_stand_beside_text_and_each_other(void **state)
{
    static const struct question questions[] = {
        { DOC(ALLOW("iot:Publish", ARN "topic/a-${iot:ClientId}-${iot:Thing.ThingName}/*")),
          PUBLISH, "a-dev1-thing1/x", YES },
        { DOC(ALLOW("iot:Publish", ARN "topic/a-${iot:ClientId}-${iot:Thing.ThingName}/*")),
          PUBLISH, "a-dev1-thing2/x", SILENT },
        { DOC(ALLOW("iot:Publish", ARN "topic/${iot:ClientId}${iot:ClientId}")), PUBLISH,
          "dev1dev1", YES },
        { DOC(ALLOW("iot:Publish", ARN "topic/*/${iot:ClientId}/*/${iot:ClientId}")), PUBLISH,
          "x/dev1/y/dev1", YES },
        { DOC(ALLOW("iot:Publish", ARN "topic/*/${iot:ClientId}/*/${iot:ClientId}")), PUBLISH,
          "x/dev1/dev1", SILENT },
        { DOC(ALLOW("iot:Publish", ARN "topic/*${iot:ClientId}")), PUBLISH, "dev1", YES },
        { DOC(ALLOW("iot:Publish", ARN "topic/?${iot:ClientId}?")), PUBLISH, "(dev1)", YES },
        { DOC(ALLOW("iot:Connect", ARN "client/${iot:ClientId}")), CONNECT, "dev1", YES },
        { DOC(ALLOW("iot:Connect", ARN "client/${iot:Thing.ThingName}")), CONNECT, "dev1", SILENT },
        { DOC(ALLOW("iot:Subscribe", ARN "topicfilter/x/${iot:ClientId}/y")), SUBSCRIBE, "x/dev1/y",
          YES },
        { DOC(ALLOW("iot:Subscribe", ARN "topicfilter/x/${iot:ClientId}/y")), SUBSCRIBE, "x/+/y",
          SILENT },
        /* a variable and a literal that begin alike */
        { DOC(ALLOW("iot:Publish", ARN "topic/${iot:ClientId}/a") "," ALLOW(
              "iot:Publish", ARN "topic/dev1/b") "," ALLOW("iot:Publish", ARN "topic/d?v?/c")),
          PUBLISH, "dev1/a", YES },
        { DOC(ALLOW("iot:Publish", ARN "topic/${iot:ClientId}/a") "," ALLOW(
              "iot:Publish", ARN "topic/dev1/b") "," ALLOW("iot:Publish", ARN "topic/d?v?/c")),
          PUBLISH, "dev1/b", YES },
        { DOC(ALLOW("iot:Publish", ARN "topic/${iot:ClientId}/a") "," ALLOW(
              "iot:Publish", ARN "topic/dev1/b") "," ALLOW("iot:Publish", ARN "topic/d?v?/c")),
          PUBLISH, "dev1/c", YES },
        { DOC(ALLOW("iot:Publish", ARN "topic/${iot:ClientId}/a") "," ALLOW(
              "iot:Publish", ARN "topic/dev1/b") "," ALLOW("iot:Publish", ARN "topic/d?v?/c")),
          PUBLISH, "dev2/b", SILENT },
        { DOC(ALLOW("iot:Publish", ARN "topic/${iot:ClientId}/a") "," DENY("iot:Publish",
                                                                           ARN "topic/dev?/?")),
          PUBLISH, "dev1/a", NO },
        /* two variables at one place */
        { DOC(ALLOW("iot:Publish", ARN "topic/${iot:ClientId}/a") "," ALLOW(
              "iot:Publish", ARN "topic/${iot:Thing.ThingName}/b")),
          PUBLISH, "thing1/b", YES },
        { DOC(ALLOW("iot:Publish", ARN "topic/${iot:ClientId}/a") "," ALLOW(
              "iot:Publish", ARN "topic/${iot:Thing.ThingName}/b")),
          PUBLISH, "dev1/a", YES },
        { DOC(ALLOW("iot:Publish", ARN "topic/${iot:ClientId}/a") "," ALLOW(
              "iot:Publish", ARN "topic/${iot:Thing.ThingName}/b")),
          PUBLISH, "dev1/b", SILENT },
        { DOC(ALLOW("iot:Publish", ARN "topic/${iot:ClientId}")), PUBLISH, "dev", SILENT },
        /* variables before the resource's name */
        { DOC(ALLOW("iot:Publish", "arn:aws:iot:eu-central-1:123456789012:*/${iot:ClientId}")),
          PUBLISH, "x/dev1", YES },
        { DOC(ALLOW("iot:Publish", "arn:aws:iot:*${iot:ClientId}")), PUBLISH, "x/dev1", YES },
        { DOC(ALLOW("iot:Publish", "arn:aws:iot:*${iot:ClientId}")), PUBLISH, "x/dev2", SILENT },
        { DOC(ALLOW("iot:Publish", "arn:aws:iot:eu-central-1:123456789012:${iot:ClientId}/x")),
          PUBLISH, "x", SILENT },
    };
    struct policy_device d;
    const struct prov_policy_request req = { .action = PUBLISH, .name = PROV_LIT("x") };

    (void)state;
    CHECK(questions);
    policy_device_init(&d);
    d.facts.client_id = PROV_LIT("topic");
    assert_int_equal(
        policy_ask(
            DOC(ALLOW("iot:Publish", "arn:aws:iot:eu-central-1:123456789012:${iot:ClientId}/x")),
            &d, &req),
        YES);
}

static void a_pattern_deeper_than_the_tree_matches_as_well(void **state)
{
    static const struct question questions[] = {
        { DOC(ALLOW("iot:Publish", ARN "topic/?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?ab")), PUBLISH,
          "xaxaxaxaxaxaxaxaxaxaxaxaxaxaxaxaxaxaxaxab", YES },
        { DOC(ALLOW("iot:Publish", ARN "topic/?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?ab")), PUBLISH,
          "xaxaxaxaxaxaxaxaxaxaxaxaxaxaxaxaxaxaxaxac", SILENT },
        { DOC(ALLOW("iot:*", "*") "," DENY("iot:Publish",
                                           ARN "topic/????????????????????????????????")),
          PUBLISH, "12345678901234567890123456789012", NO },
    };

    (void)state;
    CHECK(questions);
}

/* ---- sets and sessions ----------------------------------------------------------------------- */

static void a_set_says_what_its_variables_need(void **state)
{
    static const struct {
        const char *policy;
        bool ident, thing;
    } rows[] = {
        { DOC(ALLOW("iot:*", "*")), false, false },
        { DOC(ALLOW("iot:*", ARN "client/${iot:ClientId}")), false, false },
        { DOC(ALLOW("iot:*", ARN "client/${iot:CertificateId}")), false, false },
        { DOC(ALLOW("iot:*", ARN "client/${iot:Certificate.SerialNumber}")), true, false },
        { DOC(ALLOW("iot:*", ARN "client/${iot:Certificate.Issuer.Country}")), true, false },
        { DOC(ALLOW("iot:*", ARN "client/${iot:Connection.Thing.ThingName}")), false, true },
        { DOC(ALLOW("iot:*", ARN "client/${iot:Thing.Attributes[a]}")), false, true },
        { DOC("{'Effect':'Allow','Action':'iot:*','Resource':'*','Condition':{'Null':"
              "{'iot:Certificate.AvailableKeys':'false'},'Bool':"
              "{'iot:Connection.Thing.IsAttached':'true'}}}"),
          true, true },
    };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct prov_policy_set *const set = policy_set(&rows[i].policy, 1);

        assert_int_equal(prov_policy_set_needs_ident(set), rows[i].ident);
        assert_int_equal(prov_policy_set_needs_thing(set), rows[i].thing);
        prov_policy_set_unref(set);
    }
}

static void sessions_share_a_set_and_keep_their_own_values(void **state)
{
    static const char *const doc = DOC(ALLOW("iot:Publish", ARN "topic/${iot:ClientId}"));
    struct prov_policy_request req = { .action = PUBLISH, .name = PROV_LIT("dev2") };
    struct prov_policy *one, *two;
    struct prov_policy_set *set;
    struct policy_device d;
    char id[] = "dev2";

    (void)state;
    policy_device_init(&d);
    set = policy_set(&doc, 1);
    assert_int_equal(prov_policy_new(set, &d.facts, &one), PROV_OK);
    d.facts.client_id = prov_span_str(id);
    assert_int_equal(prov_policy_new(prov_policy_set_ref(set), &d.facts, &two), PROV_OK);
    prov_policy_set_unref(set);
    prov_policy_set_unref(set);
    memset(id, 'x', sizeof id - 1); /* the session has its own copy */
    assert_int_equal(policy_verdict(one, &req), SILENT);
    assert_int_equal(policy_verdict(two, &req), YES);
    prov_policy_free(two);
    req.name = PROV_LIT("dev1");
    assert_int_equal(policy_verdict(one, &req), YES);
    prov_policy_free(one);
    prov_policy_free(NULL);
    prov_policy_set_unref(NULL);
}

static void a_scope_that_no_arn_can_hold_is_refused(void **state)
{
    static char longest[129];
    const struct {
        struct prov_span region, account;
        enum prov_rc rc;
    } rows[] = {
        { PROV_LIT("local"), PROV_LIT("000000000000"), PROV_OK },
        { PROV_LIT(""), PROV_LIT(""), PROV_OK },
        { PROV_LIT("eu:central"), PROV_LIT("1"), PROV_EINVAL },
        { PROV_LIT("eu"), PROV_LIT("1 2"), PROV_EINVAL },
        { PROV_LIT("\xc3\xa9"), PROV_LIT("1"), PROV_EINVAL },
        { prov_span(longest, 128), PROV_LIT(""), PROV_OK },
        { prov_span(longest, 128), PROV_LIT("1"), PROV_EINVAL },
    };
    struct prov_policy_set *set;

    (void)state;
    memset(longest, 'r', sizeof longest);
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        const struct prov_policy_scope scope = { rows[i].region, rows[i].account };

        assert_int_equal(prov_policy_set_new(NULL, 0, &scope, &set), rows[i].rc);
        prov_policy_set_unref(set);
    }
}

static void deciding_allocates_nothing(void **state)
{
    static const char *const doc = DOC(ALLOW(
        "iot:Publish", ARN
        "topic/*/${iot:ClientId}/*") ","
                                     "{'Effect':'Deny','Action':'iot:*','NotResource':'" ARN
                                     "topic/*',"
                                     "'Condition':{'StringLike':{'iot:ConnectAttributes':'L*'}}}");
    struct prov_policy_request req = { .action = PUBLISH, .name = PROV_LIT("x/dev1/y") };
    struct policy_device d;
    struct prov_policy *pol;

    (void)state;
    policy_device_init(&d);
    pol = policy_session(&doc, 1, &d);
    alloc_count_reset();
    assert_int_equal(policy_verdict(pol, &req), YES);
    req =
        (struct prov_policy_request){ .action = CONNECT, .name = PROV_LIT("x"), .has_will = true };
    assert_int_equal(policy_verdict(pol, &req), NO);
    assert_int_equal(alloc_count(), 0);
    prov_policy_free(pol);
}

/* ---- explanations ---------------------------------------------------------------------------- */

struct story {
    struct prov_policy_trace traces[8];
    size_t n;
};

static void note(void *ctx, const struct prov_policy_trace *t)
{
    struct story *const story = ctx;

    assert_true(story->n < PROV_COUNT(story->traces));
    story->traces[story->n++] = *t;
}

static void an_explanation_tells_of_every_statement_in_order(void **state)
{
    static const char *const docs[] = {
        DOC(ALLOW("iot:Connect", "*") "," ALLOW("iot:Publish", ARN "topic/other") "," ALLOW(
            "iot:Publish", ARN "topic/a/${iot:Certificate.Subject.Title}")),
        DOC("{'Effect':'Allow','Action':'iot:Publish','Resource':'*',"
            "'Condition':{'StringEquals':{'iot:ClientId':'dev9'}}},"
            "{'Effect':'Allow','Action':'iot:Publish','Resource':'*','Condition':{'StringNotEquals'"
            ":"
            "{'aws:SourceIp':'${iot:Certificate.Subject.Surname.1}'}}},"
            "{'Effect':'Allow','Action':'iot:Publish','NotResource':'" ARN
            "topic/${iot:Thing.Attributes[nix]}'}," ALLOW("iot:Publish", ARN "topic/a/*")),
        DOC(DENY("iot:*", ARN "topic/a/?")),
    };
    static const struct {
        size_t doc, statement;
        enum prov_policy_match match;
        bool deny;
        const char *detail;
    } wanted[] = {
        { 0, 0, PROV_MISS_ACTION, false, "" },
        { 0, 1, PROV_MISS_RESOURCE, false, "" },
        { 0, 2, PROV_MISS_VARIABLE, false, "iot:Certificate.Subject.Title" },
        { 1, 0, PROV_MISS_CONDITION, false, "iot:ClientId" },
        { 1, 1, PROV_MISS_VARIABLE, false, "iot:Certificate.Subject.Surname.1" },
        { 1, 2, PROV_MISS_VARIABLE, false, "iot:Thing.Attributes[nix]" },
        { 1, 3, PROV_MATCHED, false, "" },
        { 2, 0, PROV_MATCHED, true, "" },
    };
    const struct prov_policy_request req = { .action = PUBLISH, .name = PROV_LIT("a/b") };
    struct story story = { .n = 0 };
    struct policy_device d;
    struct prov_policy *pol;

    (void)state;
    policy_device_init(&d);
    pol = policy_session(docs, PROV_COUNT(docs), &d);
    assert_int_equal(prov_policy_explain(pol, &req, note, &story), NO);
    assert_int_equal(story.n, PROV_COUNT(wanted));
    for (size_t i = 0; i < PROV_COUNT(wanted); i++) {
        const struct prov_policy_trace *const t = &story.traces[i];

        assert_int_equal(t->doc, wanted[i].doc);
        assert_int_equal(t->statement, wanted[i].statement);
        assert_int_equal(t->match, wanted[i].match);
        assert_int_equal(t->deny, wanted[i].deny);
        assert_true(prov_span_eq_str(t->detail, wanted[i].detail));
    }
    prov_policy_free(pol);
}

static void a_variable_is_only_blamed_when_the_resource_got_that_far(void **state)
{
    static const char *const doc = DOC("{'Effect':'Allow','Action':'iot:Publish','Resource':['" ARN
                                       "topic/b/${iot:Certificate.Subject.Title}','" ARN
                                       "topic/a/${iot:Certificate.Subject.Surname}/x']}");
    static const struct {
        const char *topic, *detail;
    } rows[] = {
        { "a/b/x", "iot:Certificate.Subject.Surname" },
        { "b/", "iot:Certificate.Subject.Title" },
        { "c/b/x", "" },
    };
    struct policy_device d;
    struct prov_policy *pol;

    (void)state;
    policy_device_init(&d);
    pol = policy_session(&doc, 1, &d);
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        const struct prov_policy_request req = { .action = PUBLISH,
                                                 .name = prov_span_str(rows[i].topic) };
        struct story story = { .n = 0 };

        assert_int_equal(prov_policy_explain(pol, &req, note, &story), SILENT);
        assert_int_equal(story.traces[0].match,
                         rows[i].detail[0] == '\0' ? PROV_MISS_RESOURCE : PROV_MISS_VARIABLE);
        assert_true(prov_span_eq_str(story.traces[0].detail, rows[i].detail));
    }
    prov_policy_free(pol);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_action_has_its_kind_of_resource),
        cmocka_unit_test(actions_match_by_name_and_wildcard),
        cmocka_unit_test(resources_match_as_text),
        cmocka_unit_test(filters_are_compared_as_text),
        cmocka_unit_test(escapes_stand_for_the_character_itself),
        cmocka_unit_test(only_arns_of_this_region_and_account_match),
        cmocka_unit_test(a_deny_beats_any_allow_and_silence_denies),
        cmocka_unit_test(what_is_not_excepted_matches_notresource),
        cmocka_unit_test(an_action_beyond_the_enum_is_denied),
        cmocka_unit_test(each_variable_stands_for_its_value),
        cmocka_unit_test(every_certificate_field_has_its_variable),
        cmocka_unit_test(a_statement_with_a_missing_variable_matches_nothing),
        cmocka_unit_test(what_a_certificate_does_not_have_is_missing),
        cmocka_unit_test(only_five_values_of_a_field_exist),
        cmocka_unit_test(certificate_values_are_substituted_within_limits),
        cmocka_unit_test(a_client_id_is_literal_whatever_it_holds),
        cmocka_unit_test(variables_stand_beside_text_and_each_other),
        cmocka_unit_test(a_pattern_deeper_than_the_tree_matches_as_well),
        cmocka_unit_test(a_set_says_what_its_variables_need),
        cmocka_unit_test(sessions_share_a_set_and_keep_their_own_values),
        cmocka_unit_test(a_scope_that_no_arn_can_hold_is_refused),
        cmocka_unit_test(deciding_allocates_nothing),
        cmocka_unit_test(an_explanation_tells_of_every_statement_in_order),
        cmocka_unit_test(a_variable_is_only_blamed_when_the_resource_got_that_far),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
