/*
 * The compiled engine against the oracle (support/policy_oracle.h), on random policies, devices and
 * requests (support/policy_gen.h). One case is one request: deciding and explaining must give the
 * oracle's verdict.
 *
 *     PROV_ORACLE_CASES   how many
 *     PROV_ORACLE_SEED    a number; the run is the same for the same seed
 *
 * A million cases. CI has them in the optimised build; under ASan, where a case takes ten
 * times as long, there are fewer.
 *
 * ctest timeout: 300
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/policy_gen.h"
#include "support/policy_oracle.h"

#define FULL 1000000 /* so many that everything comes often enough to be missed */
#if defined(__SANITIZE_ADDRESS__)
#define CASES (FULL / 5)
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CASES (FULL / 5)
#endif
#endif
#if !defined(CASES)
#define CASES FULL
#endif
#define SEED 1

#define SESSIONS 3  /* of a set: they share what is compiled */
#define REQUESTS 16 /* of a session */

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *const text = getenv(name);
    char *end;
    uint64_t n;

    if (text == NULL || *text == '\0')
        return otherwise;
    n = strtoull(text, &end, 10);
    if (*end != '\0')
        fail_msg("%s=%s is not a number", name, text);
    return n;
}

/* ---- one set of policies, for the engine and for the oracle ---------------------------------- */

struct policies {
    cJSON *trees[POLICY_GEN_DOCS];
    size_t n;
    struct prov_policy_set *set;
};

static void policies_release(struct policies *p)
{
    for (size_t i = 0; i < p->n; i++)
        cJSON_Delete(p->trees[i]);
    prov_policy_set_unref(p->set);
    memset(p, 0, sizeof *p);
}

/* Compiles what the texts say; false, with err, when one is refused. */
static bool compile(char *const *texts, size_t n, const struct prov_policy_scope *scope,
                    struct prov_policy_set **out, struct prov_err *err)
{
    struct prov_policy_doc *docs[POLICY_GEN_DOCS] = { NULL };
    size_t parsed = 0;

    while (parsed < n &&
           prov_policy_parse(prov_span_str(texts[parsed]), &docs[parsed], err) == PROV_OK)
        parsed++;
    if (parsed == n)
        assert_int_equal(prov_policy_set_new(docs, n, scope, out), PROV_OK);
    for (size_t i = 0; i < parsed; i++)
        prov_policy_doc_unref(docs[i]);
    return parsed == n;
}

static void policies_init(struct policies *p, const struct policy_gen_set *gen)
{
    struct prov_err err;

    memset(p, 0, sizeof *p);
    if (!compile(gen->docs, gen->n_docs, &gen->scope, &p->set, &err)) {
        for (size_t i = 0; i < gen->n_docs; i++)
            (void)fprintf(stderr, "%s\n", gen->docs[i]);
        fail_msg("a policy is refused: %u:%u %s: %s", err.line, err.col, err.path, err.text);
    }
    for (; p->n < gen->n_docs; p->n++) {
        p->trees[p->n] = cJSON_Parse(gen->docs[p->n]);
        assert_non_null(p->trees[p->n]);
    }
}

/* ---- a disagreement, made as small as it goes ------------------------------------------------ */

struct find {
    struct policy_oracle *oracle;
    struct policies *policies;
    const struct prov_policy_scope *scope;
    const struct prov_policy_facts *facts;
    const struct prov_policy_request *req;
    enum prov_verdict decided, explained, oracles;
};

/* Asks all three again of the trees as they are now. */
static bool disagree(struct find *f)
{
    char *texts[POLICY_GEN_DOCS] = { NULL };
    struct prov_policy_set *set = NULL;
    struct prov_policy *pol;
    bool differ = false;

    for (size_t i = 0; i < f->policies->n; i++)
        texts[i] = cJSON_PrintUnformatted(f->policies->trees[i]);
    if (compile(texts, f->policies->n, f->scope, &set, NULL)) {
        assert_int_equal(prov_policy_new(set, f->facts, &pol), PROV_OK);
        f->decided = prov_policy_decide(pol, f->req);
        f->explained = prov_policy_explain(pol, f->req, NULL, NULL);
        f->oracles = policy_oracle_decide(f->oracle, f->policies->trees, f->policies->n, f->scope,
                                          f->facts, f->req);
        differ = f->decided != f->oracles || f->explained != f->oracles;
        prov_policy_free(pol);
    }
    prov_policy_set_unref(set);
    for (size_t i = 0; i < f->policies->n; i++)
        cJSON_free(texts[i]);
    return differ;
}

/* Leaves out whatever can be left out below the node. Neither printing nor deleting needs `prev`.
 */
static void shrink_below(struct find *f, cJSON *node)
{
    cJSON **link = &node->child;

    while (*link != NULL) {
        cJSON *const child = *link;

        *link = child->next;
        if (disagree(f)) {
            child->next = NULL;
            cJSON_Delete(child);
        } else {
            *link = child;
            shrink_below(f, child);
            link = &child->next;
        }
    }
}

static void shrink(struct find *f)
{
    struct policies *const p = f->policies;

    for (size_t i = p->n; i-- != 0;) {
        cJSON *const last = p->trees[p->n - 1], *const tree = p->trees[i];

        p->trees[i] = last;
        p->n--;
        if (disagree(f)) {
            cJSON_Delete(tree);
            continue;
        }
        p->n++;
        p->trees[i] = tree;
        p->trees[p->n - 1] = i == p->n - 1 ? tree : last;
        shrink_below(f, tree);
    }
    (void)disagree(f); /* for the verdicts */
}

static void say(const char *what, struct prov_span value)
{
    if (value.n != 0)
        (void)fprintf(stderr, "  %s = %.*s\n", what, PROV_SPAN_ARG(value));
}

static void say_values(const char *what, const char *side, const struct prov_values *values)
{
    char name[128];

    for (size_t i = 0; i < values->n; i++) {
        (void)snprintf(name, sizeof name, "%s.%s.%zu", side, what, i);
        say(name, values->v[i]);
    }
}

static void say_ident(const struct prov_ident *ident)
{
    static const char *const sides[] = { "Subject", "Issuer" };

    if (ident == NULL) {
        (void)fprintf(stderr, "  no certificate\n");
        return;
    }
    say("SerialNumber", ident->serial_hex);
    for (size_t side = 0; side < PROV_SIDES; side++) {
        for (unsigned i = 0; i < PROV_DN_FIELDS; i++)
            say_values(prov_dn_field_name((enum prov_dn_field)i), sides[side], &ident->dn[side][i]);
        for (unsigned i = 0; i < PROV_ALT_KINDS; i++)
            say_values(prov_alt_kind_name((enum prov_alt_kind)i), sides[side],
                       &ident->alt[side][i]);
    }
}

static void report(const struct find *f)
{
    const struct prov_policy_facts *const facts = f->facts;

    for (size_t i = 0; i < f->policies->n; i++) {
        char *const text = cJSON_PrintUnformatted(f->policies->trees[i]);

        (void)fprintf(stderr, "%s\n", text);
        cJSON_free(text);
    }
    say("ClientId", facts->client_id);
    say("SourceIp", facts->source_ip);
    say("DomainName", facts->domain_name);
    say("CertificateId", facts->certificate_id);
    say("ThingName", facts->thing_name);
    say("ThingTypeName", facts->thing_type);
    for (size_t i = 0; i < facts->n_attrs; i++)
        (void)fprintf(stderr, "  Attributes[%.*s] = %.*s\n", PROV_SPAN_ARG(facts->attrs[i].name),
                      PROV_SPAN_ARG(facts->attrs[i].value));
    (void)fprintf(stderr, "  IsAttached = %d\n", facts->thing_attached);
    say_ident(facts->ident);
    (void)fprintf(stderr, "%s \"%.*s\"%s%s%.*s\n", prov_action_name(f->req->action),
                  PROV_SPAN_ARG(f->req->name), f->req->persistent ? ", persistent" : "",
                  f->req->has_will ? ", Will to " : "",
                  f->req->has_will ? (int)f->req->will_topic.n : 0,
                  (const char *)f->req->will_topic.p);
    (void)fprintf(stderr, "decide: %s, explain: %s, oracle: %s\n", prov_verdict_name(f->decided),
                  prov_verdict_name(f->explained), prov_verdict_name(f->oracles));
}

/* ---- the run --------------------------------------------------------------------------------- */

struct run {
    struct policy_gen *gen;
    struct policy_oracle *oracle;
    struct policies policies;
    struct policy_gen_set set;
    uint64_t seed, cases, wanted;
    uint64_t verdicts[PROV_ACTIONS][3];
};

static void ask(struct run *r, const struct prov_policy *pol, const struct policy_gen_device *d)
{
    struct policy_gen_request request;
    struct find f = { .oracle = r->oracle,
                      .policies = &r->policies,
                      .scope = &r->set.scope,
                      .facts = &d->facts,
                      .req = &request.req };

    policy_gen_request(r->gen, &r->set, &request);
    f.decided = prov_policy_decide(pol, f.req);
    f.explained = prov_policy_explain(pol, f.req, NULL, NULL);
    f.oracles =
        policy_oracle_decide(r->oracle, r->policies.trees, r->policies.n, f.scope, f.facts, f.req);
    if (f.decided != f.oracles || f.explained != f.oracles) {
        (void)fprintf(stderr, "seed %" PRIu64 ", case %" PRIu64 "\n", r->seed, r->cases);
        if (disagree(&f))
            shrink(&f);
        else
            (void)fprintf(stderr, "they agree when the policies are compiled anew\n");
        report(&f);
        fail_msg("engine and oracle disagree");
    }
    r->verdicts[f.req->action][f.oracles]++;
    r->cases++;
    policy_gen_request_release(&request);
}

static void ask_a_set(struct run *r)
{
    struct policy_gen_device first, d;
    struct prov_policy *pol;

    policy_gen_set(r->gen, &r->set, &first);
    policies_init(&r->policies, &r->set);
    for (unsigned session = 0; session < SESSIONS; session++) {
        d = first;
        if (session != 0)
            policy_gen_other(r->gen, &d);
        d.facts.attrs = d.attrs;
        assert_int_equal(prov_policy_new(r->policies.set, &d.facts, &pol), PROV_OK);
        for (unsigned i = 0; i < REQUESTS && r->cases < r->wanted; i++)
            ask(r, pol, &d);
        prov_policy_free(pol);
    }
    policies_release(&r->policies);
    policy_gen_set_release(&r->set);
}

static void tell(const struct run *r)
{
    for (unsigned i = 0; i < PROV_ACTIONS; i++) {
        (void)fprintf(stderr, "%-18s", prov_action_name((enum prov_action)i));
        for (unsigned v = 0; v < 3; v++)
            (void)fprintf(stderr, "  %s %" PRIu64, prov_verdict_name((enum prov_verdict)v),
                          r->verdicts[i][v]);
        (void)fprintf(stderr, "\n");
    }
}

/* At least a tenth of the cases for each action and each verdict. */
static void check_balance(const struct run *r)
{
    for (unsigned v = 0; v < 3; v++) {
        uint64_t n = 0;

        for (unsigned i = 0; i < PROV_ACTIONS; i++)
            n += r->verdicts[i][v];
        if (n < r->cases / 10)
            fail_msg("%s is less than a tenth", prov_verdict_name((enum prov_verdict)v));
    }
    for (unsigned i = 0; i < PROV_ACTIONS; i++)
        if (r->verdicts[i][0] + r->verdicts[i][1] + r->verdicts[i][2] < r->cases / 10)
            fail_msg("%s is less than a tenth", prov_action_name((enum prov_action)i));
}

/* How often a thing must have held, and not held, for the generator to be said to try it. */
#define ENOUGH 5

static void check_seen(const char *what, const char *name, const uint64_t seen[static 2])
{
    for (unsigned held = 0; held < 2; held++)
        if (seen[held] < ENOUGH)
            fail_msg("the generator is stale: %s %s %s %" PRIu64 " times", what, name,
                     held != 0 ? "held" : "did not hold", seen[held]);
}

static void check_coverage(const struct policy_oracle_seen *seen)
{
    static const char *const quantifiers[] = { "", "ForAllValues:", "ForAnyValue:" };
    char name[128];

    for (size_t i = 0; i < ORACLE_OPERATORS; i++) {
        const bool null = strcmp(policy_oracle_operator(i), "Null") == 0; /* has no such forms */

        for (size_t q = 0; q < ORACLE_QUANTIFIERS; q++)
            if (q == ORACLE_PLAIN || !null)
                check_seen(quantifiers[q], policy_oracle_operator(i), seen->operators[q][i]);
        if (!null)
            check_seen("IfExists:", policy_oracle_operator(i), seen->if_exists[i]);
    }
    for (size_t i = 0; i < ORACLE_VARIABLES; i++) {
        const char *const variable = policy_oracle_variable(i, name, sizeof name);

        if (i < ORACLE_KEYS_ONLY)
            check_seen("text with", variable, seen->in_text[i]);
        if (i != ORACLE_ESCAPE)
            check_seen("condition on", variable, seen->as_key[i]);
    }
    for (size_t i = 0; i < PROV_ACTIONS; i++)
        check_seen("statement for", prov_action_name((enum prov_action)i), seen->statements[i]);
    check_seen("statement with", "NotAction", seen->not_action);
    check_seen("statement with", "NotResource", seen->not_resource);
}

static void the_engine_decides_and_explains_as_the_oracle(void **state)
{
    struct run r = { .seed = setting("PROV_ORACLE_SEED", SEED),
                     .wanted = setting("PROV_ORACLE_CASES", CASES) };

    (void)state;
    r.gen = policy_gen_new(r.seed);
    r.oracle = policy_oracle_new();
    while (r.cases < r.wanted)
        ask_a_set(&r);
    tell(&r);
    if (r.wanted >= FULL) {
        check_balance(&r);
        check_coverage(policy_oracle_seen(r.oracle));
    }
    policy_oracle_free(r.oracle);
    policy_gen_free(r.gen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_engine_decides_and_explains_as_the_oracle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
