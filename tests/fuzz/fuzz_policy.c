/*
 * A policy document, and behind it, between lines of "---", what a device and its request hold:
 * client id, topic or filter, Will topic, source address, common name, attribute "a". What is
 * refused says where in printable text. What is accepted decides as it explains, as the traces of
 * the explanation add up, and as the oracle does; a deny of everything beside it denies, an allow
 * of everything leaves nothing to silence.
 */
#include <stdint.h>
#include <stdlib.h>

#include "core/policy.h"
#include "support/policy_oracle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

enum section { DOCUMENT, CLIENT_ID, NAME, WILL_TOPIC, SOURCE_IP, COMMON_NAME, ATTRIBUTE, SECTIONS };

static void split(struct prov_span input, struct prov_span out[static SECTIONS])
{
    static const char line[] = "\n---\n";
    const uint8_t *end;

    for (size_t i = 0; i < SECTIONS; i++) {
        end = input.n == 0 ? NULL : memmem(input.p, input.n, line, sizeof line - 1);
        out[i] = end == NULL ? input : prov_span(input.p, (size_t)(end - input.p));
        input = end == NULL
                    ? prov_span(NULL, 0)
                    : prov_span(end + sizeof line - 1, input.n - out[i].n - (sizeof line - 1));
    }
}

static void check_error(const struct prov_err *err, struct prov_span document)
{
    unsigned lines = 1;

    require(err->rc != PROV_OK && err->code != NULL && err->text[0] != '\0');
    for (const char *c = err->text; *c != '\0'; c++)
        require(*c >= ' ' && *c <= '~');
    for (size_t i = 0; i < document.n; i++)
        lines += document.p[i] == '\n';
    require(err->line <= lines && err->col <= document.n + 1);
}

struct tally {
    size_t traces;
    enum prov_verdict verdict;
};

static void count(void *ctx, const struct prov_policy_trace *t)
{
    const enum prov_verdict verdict = t->deny ? PROV_EXPLICIT_DENY : PROV_ALLOWED;
    struct tally *const tally = ctx;

    tally->traces++;
    require((t->detail.n != 0) ==
            (t->match == PROV_MISS_VARIABLE || t->match == PROV_MISS_CONDITION));
    if (t->match == PROV_MATCHED && verdict > tally->verdict)
        tally->verdict = verdict;
}

static enum prov_verdict check_request(const struct prov_policy *pol, size_t statements,
                                       const struct prov_policy_request *req)
{
    struct tally tally = { 0, PROV_IMPLICIT_DENY };
    const enum prov_verdict verdict = prov_policy_decide(pol, req);

    require(prov_policy_explain(pol, req, count, &tally) == verdict);
    require(tally.verdict == verdict && tally.traces == statements);
    return verdict;
}

static const struct prov_policy_scope scope = { PROV_LIT("r"), PROV_LIT("1") };

/* The oracle counts in characters, and takes its time. */
static bool oracle_can(const struct prov_span in[static SECTIONS])
{
    for (size_t i = CLIENT_ID; i < SECTIONS; i++) {
        if (in[i].n > 200 || !prov_utf8_valid(in[i]))
            return false;
    }
    return true;
}

static void check_oracle(cJSON *tree, const struct prov_policy_facts *facts,
                         const struct prov_policy_request *req, enum prov_verdict verdict)
{
    struct policy_oracle *const oracle = policy_oracle_new();

    require(policy_oracle_decide(oracle, &tree, 1, &scope, facts, req) == verdict);
    policy_oracle_free(oracle);
}

static struct prov_policy_doc *everything(const char *text)
{
    struct prov_policy_doc *doc;

    require(prov_policy_parse(prov_span_str(text), &doc, NULL) == PROV_OK);
    return doc;
}

static struct prov_policy *session(struct prov_policy_doc *a, struct prov_policy_doc *b,
                                   const struct prov_policy_facts *facts)
{
    struct prov_policy_doc *docs[2] = { a, b };
    struct prov_policy_set *set;
    struct prov_policy *pol;

    require(prov_policy_set_new(docs, b == NULL ? 1 : 2, &scope, &set) == PROV_OK);
    require(prov_policy_new(set, facts, &pol) == PROV_OK);
    prov_policy_set_unref(set);
    return pol;
}

static void check_document(struct prov_policy_doc *doc, const struct prov_span in[static SECTIONS],
                           const struct prov_policy_facts *facts)
{
    struct prov_policy_doc *const allow =
        everything("{\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\"}}");
    struct prov_policy_doc *const deny =
        everything("{\"Statement\":{\"Effect\":\"Deny\",\"Action\":\"*\",\"Resource\":\"*\"}}");
    struct prov_policy *const alone = session(doc, NULL, facts);
    struct prov_policy *const allowed = session(doc, allow, facts);
    struct prov_policy *const denied = session(doc, deny, facts);
    const size_t n = prov_policy_doc_statements(doc);
    cJSON *const tree =
        oracle_can(in) ? cJSON_ParseWithLength((const char *)in[DOCUMENT].p, in[DOCUMENT].n) : NULL;

    for (unsigned i = 0; i < 4 * PROV_ACTIONS; i++) {
        const struct prov_policy_request req = { .action = (enum prov_action)(i / 4),
                                                 .name = in[NAME],
                                                 .persistent = i % 2 != 0,
                                                 .has_will = i / 2 % 2 != 0,
                                                 .will_topic = in[WILL_TOPIC] };
        const enum prov_verdict verdict = check_request(alone, n, &req);

        if (tree != NULL)
            check_oracle(tree, facts, &req, verdict);
        require(check_request(denied, n + 1, &req) == PROV_EXPLICIT_DENY);
        require(check_request(allowed, n + 1, &req) ==
                (verdict == PROV_EXPLICIT_DENY ? PROV_EXPLICIT_DENY : PROV_ALLOWED));
    }
    cJSON_Delete(tree);
    prov_policy_free(alone);
    prov_policy_free(allowed);
    prov_policy_free(denied);
    prov_policy_doc_unref(allow);
    prov_policy_doc_unref(deny);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct prov_span in[SECTIONS], names[2] = { { NULL, 0 }, PROV_LIT("second") };
    struct prov_ident ident = { .serial_hex = PROV_LIT("1f") };
    struct prov_policy_facts facts = { .ident = &ident, .certificate_id = PROV_LIT("c0ffee") };
    struct prov_attr attr = { .name = PROV_LIT("a") };
    struct prov_policy_doc *doc;
    struct prov_err err = { .rc = PROV_OK };
    enum prov_rc rc;

    split(prov_span(data, size), in);
    names[0] = in[COMMON_NAME];
    ident.dn[PROV_SUBJECT][PROV_DN_COMMON_NAME] = (struct prov_values){ names, 2 };
    attr.value = in[ATTRIBUTE];
    facts.client_id = facts.thing_name = in[CLIENT_ID];
    facts.source_ip = in[SOURCE_IP];
    facts.attrs = &attr;
    facts.n_attrs = 1;
    rc = prov_policy_parse(in[DOCUMENT], &doc, &err);
    if (rc == PROV_OK) {
        check_document(doc, in, &facts);
        prov_policy_doc_unref(doc);
    } else {
        check_error(&err, in[DOCUMENT]);
    }
    return 0;
}
