/* bench_decide.c - what an ACL check costs: policies of many shapes asked without a broker. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "shapes.h"

#define QUESTIONS 64 /* different ones, at most, and then once more from the first */

static struct {
    const char *shape;
    uint64_t checks, sessions;
    unsigned action;
    bool allowed, denied, any_region;
} opt = { .checks = 1000000, .sessions = 1 };

/* ---- the policy ------------------------------------------------------------------------------ */

static size_t heap_bytes(void)
{
    const struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}

static void put_us(const char *key, uint64_t ns, uint64_t of)
{
    bench_put_value(key, (double)ns / 1000 / (double)of, 2);
}

static struct prov_policy_doc **parse(const struct shape_documents *texts)
{
    struct prov_policy_doc **docs = bench_alloc(texts->n, sizeof *docs);
    const size_t before = heap_bytes();
    const uint64_t from_ns = bench_now_ns();
    struct prov_err err;

    for (size_t i = 0; i < texts->n; i++) {
        if (prov_policy_parse(texts->text[i], &docs[i], &err) != PROV_OK)
            bench_fail("document %zu: %u:%u %s: %s", i, err.line, err.col, err.path, err.text);
    }
    put_us("parse_us", bench_now_ns() - from_ns, 1);
    bench_put_count("docs_bytes", heap_bytes() - before);
    return docs;
}

static struct prov_policy_set *compile(struct prov_policy_doc *const *docs, size_t n)
{
    const struct prov_policy_scope scope = { PROV_LIT(SHAPE_REGION), PROV_LIT(SHAPE_ACCOUNT) };
    const size_t before = heap_bytes();
    const uint64_t from_ns = bench_now_ns();
    struct prov_policy_set *set;

    if (prov_policy_set_new(docs, n, &scope, &set) != PROV_OK)
        bench_fail("the documents do not compile");
    put_us("compile_us", bench_now_ns() - from_ns, 1);
    bench_put_count("set_bytes", heap_bytes() - before);
    return set;
}

static struct prov_policy_set *make_set(const struct shape *shape, unsigned size)
{
    struct shape_documents texts;
    struct prov_policy_doc **docs;
    struct prov_policy_set *set;

    shape_write(shape, size, opt.any_region, &texts);
    bench_put_count("rules", size);
    bench_put_count("statements", texts.statements);
    bench_put_count("documents", texts.n);
    bench_put_count("document_bytes", texts.bytes);
    docs = parse(&texts);
    set = compile(docs, texts.n);
    for (size_t i = 0; i < texts.n; i++)
        prov_policy_doc_unref(docs[i]);
    free(docs);
    shape_documents_release(&texts);
    return set;
}

/* ---- sessions -------------------------------------------------------------------------------- */

struct client_id {
    char s[16];
};

static struct client_id client_id(uint64_t i)
{
    struct client_id id;

    (void)snprintf(id.s, sizeof id.s, "dev-%07u", (unsigned)i);
    return id;
}

static struct prov_policy **make_sessions(struct prov_policy_set *set)
{
    struct prov_policy **pols = bench_alloc(opt.sessions, sizeof(struct prov_policy *));
    const size_t before = heap_bytes();
    const uint64_t from_ns = bench_now_ns();
    struct shape_facts facts;
    struct client_id id;

    for (uint64_t i = 0; i < opt.sessions; i++) {
        id = client_id(i);
        shape_facts_init(&facts, prov_span_str(id.s));
        if (prov_policy_new(set, &facts.facts, &pols[i]) != PROV_OK)
            bench_fail("no session can be had");
    }
    put_us("session_us", bench_now_ns() - from_ns, opt.sessions);
    bench_put_value("session_bytes", (double)(heap_bytes() - before) / (double)opt.sessions, 0);
    return pols;
}

/* ---- questions ------------------------------------------------------------------------------- */

struct kind {
    unsigned rule;
    bool miss;
};

struct asked {
    const struct prov_policy *pol;
    struct shape_question q;
};

struct questions {
    struct asked *v;
    size_t n;
};

static bool wanted(const struct shape_question *q)
{
    static const enum prov_action actions[] = { PROV_ACTIONS, PROV_ACT_CONNECT, PROV_ACT_PUBLISH,
                                                PROV_ACT_SUBSCRIBE, PROV_ACT_RECEIVE };

    if (opt.action != 0 && q->req.action != actions[opt.action])
        return false;
    return opt.allowed == opt.denied || opt.allowed == (q->expected == PROV_ALLOWED);
}

struct kinds {
    struct kind *v;
    size_t n;
};

/* For each rule what it matches and what it nearly does, as far as it is wanted. */
static struct kinds find_kinds(const struct shape *shape, unsigned size)
{
    struct kinds kinds = { bench_alloc(2 * (size_t)size, sizeof *kinds.v), 0 };
    struct shape_question q;
    struct shape_rule rule;

    for (unsigned i = 0; i < 2 * size; i++) {
        shape_rule_at(shape, i / 2, &rule);
        shape_ask(&rule, client_id(0).s, i % 2 != 0, &q);
        if (wanted(&q))
            kinds.v[kinds.n++] = (struct kind){ i / 2, i % 2 != 0 };
    }
    return kinds;
}

/* Spread evenly over the kinds; each session is asked once at least. */
static struct questions make_questions(const struct shape *shape, unsigned size,
                                       struct prov_policy *const *pols)
{
    const struct kinds kinds = find_kinds(shape, size);
    const size_t n = kinds.n < QUESTIONS ? kinds.n : QUESTIONS;
    const struct kind *kind;
    struct questions out;
    struct shape_rule rule;

    if (n == 0)
        bench_fail("the shape has no question of this kind");
    out.n = opt.sessions > n ? opt.sessions : n;
    out.v = bench_alloc(out.n, sizeof *out.v);
    for (size_t i = 0; i < out.n; i++) {
        kind = &kinds.v[i % n * kinds.n / n];
        shape_rule_at(shape, kind->rule, &rule);
        out.v[i].pol = pols[i % opt.sessions];
        shape_ask(&rule, client_id(i % opt.sessions).s, kind->miss, &out.v[i].q);
    }
    free(kinds.v);
    return out;
}

static void verify(const struct questions *questions)
{
    enum prov_verdict verdict;

    for (size_t i = 0; i < questions->n; i++) {
        const struct shape_question *const q = &questions->v[i].q;

        verdict = prov_policy_decide(questions->v[i].pol, &q->req);
        if (verdict != q->expected)
            bench_fail("%s %s is %s and should be %s", prov_action_name(q->req.action), q->name,
                       prov_verdict_name(verdict), prov_verdict_name(q->expected));
    }
}

/* ---- asking ---------------------------------------------------------------------------------- */

static void measure(const struct questions *questions)
{
    const struct asked *const end = questions->v + questions->n;
    const struct asked *asked = questions->v;
    const uint64_t from_ns = bench_now_ns();
    uint64_t right = 0, ns;

    for (uint64_t i = 0; i < opt.checks; i++) {
        right += prov_policy_decide(asked->pol, &asked->q.req) == asked->q.expected;
        if (++asked == end)
            asked = questions->v;
    }
    ns = bench_now_ns() - from_ns;
    if (right != opt.checks)
        bench_fail("a question got another answer the second time");
    bench_put_count("questions", questions->n);
    bench_put_count("checks", opt.checks);
    bench_put_value("ns_per_check", (double)ns / (double)opt.checks, 1);
}

/* ---- the command line ------------------------------------------------------------------------ */

static const struct bench_option options[] = {
    { .name = "shape",
      .value = "NAME[-N]",
      .help = "the policy, with N rules",
      .text = &opt.shape,
      .required = true },
    { .name = "checks", .value = "N", .help = "how many", .number = &opt.checks, .lo = 1 },
    { .name = "allowed", .help = "ask only what is allowed", .flag = &opt.allowed },
    { .name = "denied", .help = "ask only what is not", .flag = &opt.denied },
    { .name = "action",
      .value = "WORD",
      .help = "ask only about this",
      .choice = &opt.action,
      .words = { "any", "connect", "publish", "subscribe", "receive" } },
    { .name = "any-region",
      .help = "write the ARNs as arn:aws:iot:*:*:… and not with region and account",
      .flag = &opt.any_region },
    { .name = "sessions",
      .value = "N",
      .help = "sessions that share the policy and are asked in turn",
      .number = &opt.sessions,
      .lo = 1,
      .hi = 1000000 },
    { .name = NULL },
};

static struct bench_program program = {
    .name = "bench_decide",
    .figures = "  rules, statements, documents, document_bytes: the policy as it is written\n"
               "  parse_us, docs_bytes: reading it, and the heap that this takes\n"
               "  compile_us, set_bytes: what all sessions share\n"
               "  session_us, session_bytes: each session's own\n"
               "  questions: how many different ones; checks, ns_per_check: asking them in turn\n",
    .example = "bench_decide --shape statements-200 --checks 10000000 --denied",
    .options = options,
};

/* The shapes are told from their table. */
static void write_about(struct prov_buf *b)
{
    const struct shape *shape;

    prov_buf_init(b, 8192);
    prov_buf_add_str(
        b,
        "Asks a compiled policy, without a broker, whether a device may do what it is about to.\n"
        "Every answer is compared with what the shape says it must be. The shapes, with how\n"
        "many rules they have unless told:\n");
    for (size_t i = 0; (shape = shape_at(i)) != NULL; i++)
        prov_buf_addf(b, "  %s-%-*u %s\n", shape->name, 14 - (int)strlen(shape->name), shape->size,
                      shape->about);
    prov_buf_add_str(
        b, "Where no question is chosen, half ask for what a rule names and half for almost that.\n"
           "Instructions of one check, whatever the machine: run it twice under valgrind\n"
           "--tool=callgrind and divide the difference by that of --checks.\n");
    program.about = prov_buf_cstr(b);
}

int main(int argc, char **argv)
{
    struct prov_policy_set *set;
    struct prov_policy **pols;
    struct questions questions;
    const struct shape *shape;
    struct prov_buf about;
    unsigned size;

    write_about(&about);
    bench_options(&program, argc, argv);
    shape = shape_find(opt.shape, &size);
    if (shape == NULL)
        bench_usage("shape", "there is no \"%s\", or not of this size", opt.shape);
    set = make_set(shape, size);
    pols = make_sessions(set);
    questions = make_questions(shape, size, pols);
    verify(&questions);
    measure(&questions);
    bench_put_line();
    prov_buf_release(&about);
    free(questions.v);
    for (uint64_t i = 0; i < opt.sessions; i++)
        prov_policy_free(pols[i]);
    free(pols);
    prov_policy_set_unref(set);
    return 0;
}
