/* test_policy_examples.h - the engine and the oracle asked together, for test_policy_examples*.c.
 */
#ifndef TEST_POLICY_EXAMPLES_H
#define TEST_POLICY_EXAMPLES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/policy_oracle.h"
#include "support/policy_rig.h"

#define YES PROV_ALLOWED
#define NO PROV_EXPLICIT_DENY
#define SILENT PROV_IMPLICIT_DENY

#define CONNECT PROV_ACT_CONNECT
#define PUBLISH PROV_ACT_PUBLISH
#define RETAIN PROV_ACT_RETAIN_PUBLISH
#define RECEIVE PROV_ACT_RECEIVE
#define SUBSCRIBE PROV_ACT_SUBSCRIBE

/* ---- asking both ----------------------------------------------------------------------------- */

/* A session, and its documents for the oracle. */
struct session {
    const struct policy_device *device;
    struct prov_policy *pol;
    cJSON *docs[4];
    size_t n;
};

static inline void session_init(struct session *s, const char *const *quoted, size_t n,
                                const struct policy_device *device)
{
    struct policy_text *const text = malloc(sizeof *text);

    assert_non_null(text);
    assert_true(n <= PROV_COUNT(s->docs));
    *s = (struct session){ .device = device, .pol = policy_session(quoted, n, device), .n = n };
    for (size_t i = 0; i < n; i++) {
        policy_text_write(text, quoted[i]);
        s->docs[i] = cJSON_Parse(text->json);
        assert_non_null(s->docs[i]);
    }
    free(text);
}

static inline void session_release(struct session *s)
{
    prov_policy_free(s->pol);
    for (size_t i = 0; i < s->n; i++)
        cJSON_Delete(s->docs[i]);
}

static inline enum prov_verdict session_ask(const struct session *s,
                                            const struct prov_policy_request *req)
{
    const struct prov_policy_scope scope = { PROV_LIT("eu-central-1"), PROV_LIT("123456789012") };
    struct policy_oracle *const oracle = policy_oracle_new();
    const enum prov_verdict verdict = policy_verdict(s->pol, req);
    const enum prov_verdict oracles =
        policy_oracle_decide(oracle, s->docs, s->n, &scope, &s->device->facts, req);

    policy_oracle_free(oracle);
    if (verdict != oracles)
        fail_msg("%s %.*s: the oracle says %s", prov_action_name(req->action),
                 PROV_SPAN_ARG(req->name), prov_verdict_name(oracles));
    return verdict;
}

struct row {
    enum prov_action action;
    const char *name;
    enum prov_verdict verdict;
};

static inline void check_session(const struct session *s, const char *what, const struct row *rows,
                                 size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct prov_policy_request req = { .action = rows[i].action,
                                                 .name = prov_span_str(rows[i].name) };

        if (session_ask(s, &req) != rows[i].verdict)
            fail_msg("%s: %s %s is not %s", what, prov_action_name(rows[i].action), rows[i].name,
                     prov_verdict_name(rows[i].verdict));
    }
}

/* A policy and a question to it. */
struct example {
    const char *policy;
    struct row row;
};

static inline void check_as(const struct policy_device *d, const struct example *examples, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct session s;

        session_init(&s, &examples[i].policy, 1, d);
        check_session(&s, examples[i].policy, &examples[i].row, 1);
        session_release(&s);
    }
}

static inline void check_examples(const struct example *examples, size_t n)
{
    struct policy_device d;

    policy_device_init(&d);
    check_as(&d, examples, n);
}
#define CHECK(examples) check_examples(examples, PROV_COUNT(examples))

static inline void check_refused(const char *quoted)
{
    struct policy_text *const text = malloc(sizeof *text);
    struct prov_policy_doc *doc;

    assert_non_null(text);
    policy_text_write(text, quoted);
    if (prov_policy_parse(prov_span_str(text->json), &doc, NULL) != PROV_EINVAL)
        fail_msg("accepted: %s", quoted);
    free(text);
}

/* ---- policies in few words ------------------------------------------------------------------- */

#define TOPIC(name) ARN "topic/" name
#define FILTER(name) ARN "topicfilter/" name
#define CLIENT(name) ARN "client/" name
#define EFFECT(effect, rest) DOC("{'Effect':'" effect "'," rest "}")
#define BOTH_ALLOWED(rest) DOC(ALLOW("*", "*") ",{'Effect':'Deny'," rest "}")
#define IF(condition) EFFECT("Allow", "'Action':'iot:*','Resource':'*','Condition':{" condition "}")

#endif
