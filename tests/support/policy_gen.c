#include "support/policy_gen_priv.h"

#include <stdlib.h>

/* ---- chance ---------------------------------------------------------------------------------- */

/* splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014) */
static uint64_t next(struct policy_gen *g)
{
    uint64_t z = g->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

unsigned gen_below(struct policy_gen *g, size_t n)
{
    return (unsigned)((next(g) >> 32) % n);
}

bool gen_chance(struct policy_gen *g, unsigned percent)
{
    return gen_below(g, 100) < percent;
}

/* ---- texts ----------------------------------------------------------------------------------- */

const char *gen_level(struct policy_gen *g)
{
    static const char *const levels[] = { "a",
                                          "b",
                                          "ab",
                                          "ba",
                                          "aa",
                                          "abc",
                                          "a",
                                          "A",
                                          "dev1",
                                          "dev2",
                                          "dt",
                                          "x1",
                                          "\xc3\xa9",
                                          "\xc3\xa8",
                                          "e\xcc\x81",
                                          "\xe6\x97\xa5\xe6\x9c\xac",
                                          "\xf0\x9f\x98\x80",
                                          "",
                                          "$aws",
                                          "$share",
                                          "g",
                                          "#",
                                          "+",
                                          "a:b",
                                          "topic",
                                          "client",
                                          "a,b",
                                          "\\",
                                          "iot:r",
                                          " " };

    return GEN_PICK(g, levels);
}

void gen_add_unit(struct prov_buf *out, int32_t c)
{
    static const uint8_t mark[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
    const unsigned n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

    prov_buf_add_u8(out, (uint8_t)(mark[n > 1 ? n : 0] | c >> 6 * (n - 1)));
    for (unsigned i = n - 1; i != 0; i--)
        prov_buf_add_u8(out, (uint8_t)(0x80 | (c >> 6 * (i - 1) & 0x3f)));
}

static void add_text(const struct oracle_text *t, struct prov_buf *out)
{
    for (size_t i = 0; i < t->n; i++)
        gen_add_unit(out, t->u[i]);
}

void gen_blur(struct policy_gen *g, struct prov_buf *text)
{
    struct oracle_text t = { NULL, 0, 0 };
    size_t at;

    oracle_text_add_span(&t, prov_buf_span(text));
    if (t.n == 0)
        return;
    at = gen_below(g, t.n);
    switch (gen_below(g, 6)) {
    case 0: /* its end is missing */
        t.n = at;
        break;
    case 1: /* something behind it */
        oracle_text_add_span(&t, prov_span_str(gen_level(g)));
        break;
    case 2:
        t.u[at] = GEN_PICK(g, ((const int32_t[]){ 'a', '/', '*', ':', 0xe9, '?', 'A' }));
        break;
    case 3: /* other case */
        t.u[at] ^= t.u[at] >= 'A' && t.u[at] <= 'z' && (t.u[at] & 0x1f) - 1 < 26 ? 0x20 : 0;
        break;
    case 4:
        memmove(&t.u[at], &t.u[at + 1], (t.n - at - 1) * sizeof *t.u);
        t.n--;
        break;
    case 5: /* doubled */
        oracle_text_add(&t, 0);
        memmove(&t.u[at + 1], &t.u[at], (t.n - at - 1) * sizeof *t.u);
        break;
    }
    prov_buf_clear(text);
    add_text(&t, text);
    oracle_text_release(&t);
}

/* What a run of any characters is, for once: mostly little. */
static void add_run(struct policy_gen *g, struct oracle_text *out)
{
    for (unsigned n = gen_below(g, 4); n != 0; n--) {
        if (gen_chance(g, 30))
            oracle_text_add(out, '/');
        oracle_text_add_span(out, prov_span_str(gen_level(g)));
    }
}

static void add_instance(struct policy_gen *g, const struct oracle_text *pattern,
                         struct prov_buf *out)
{
    struct oracle_text t = { NULL, 0, 0 };

    for (size_t i = 0; i < pattern->n; i++) {
        if (pattern->u[i] == ORACLE_ANY_RUN)
            add_run(g, &t);
        else if (pattern->u[i] == ORACLE_ANY_ONE)
            oracle_text_add(&t, GEN_PICK(g, ((const int32_t[]){ 'a', '/', '1', 0xe9, 0x1f600 })));
        else
            oracle_text_add(&t, pattern->u[i]);
    }
    add_text(&t, out);
    oracle_text_release(&t);
}

/* Each ${…} replaced by what it should not be replaced by: the first value whatever it is. */
static void add_naively(const struct oracle_question *q, const char *pattern, struct prov_buf *out)
{
    struct oracle_values values;

    for (const char *end; *pattern != '\0'; pattern = end) {
        end = strncmp(pattern, "${", 2) == 0 ? strchr(pattern, '}') : NULL;
        if (end == NULL) {
            end = pattern + 1;
            prov_buf_add_u8(out, (uint8_t)*pattern);
            continue;
        }
        oracle_look_up(q, prov_span(pattern + 2, (size_t)(end++ - pattern) - 2), &values);
        if (values.n != 0)
            prov_buf_add(out, values.v[0]);
    }
}

void gen_instance(struct policy_gen *g, const char *pattern, struct prov_buf *out)
{
    static const struct prov_policy_request none = { .action = PROV_ACT_PUBLISH };
    const struct oracle_question q = { &g->set->scope, &g->device->facts, &none };
    struct oracle_filled filled;
    struct prov_buf naive;

    oracle_fill(&q, prov_span_str(pattern), true, true, &filled);
    if (!filled.resolved) {
        oracle_text_release(&filled.text);
        prov_buf_init(&naive, out->max);
        add_naively(&q, pattern, &naive);
        oracle_fill(&q, prov_buf_span(&naive), false, gen_chance(g, 50), &filled);
        prov_buf_release(&naive);
    }
    add_instance(g, &filled.text, out);
    oracle_text_release(&filled.text);
}

/* ---- requests -------------------------------------------------------------------------------- */

static void any_name(struct policy_gen *g, struct prov_buf *out)
{
    for (unsigned i = gen_below(g, 4);; i--) {
        prov_buf_add_str(out, gen_level(g));
        if (i == 0)
            break;
        prov_buf_add_str(out, "/");
    }
}

static void near_name(struct policy_gen *g, const struct policy_gen_set *set,
                      enum prov_action action, struct prov_buf *out)
{
    if (set->n_names[action] == 0 || gen_chance(g, 10)) {
        any_name(g, out);
        return;
    }
    prov_buf_add(out, set->names[action][gen_below(g, set->n_names[action])]);
    if (gen_chance(g, 20))
        gen_blur(g, out);
}

/* Its bytes, in a block of just their size. */
static struct prov_span exact(const struct prov_buf *b, uint8_t **owned)
{
    *owned = oracle_alloc(b->n, 1);
    if (b->n != 0)
        memcpy(*owned, b->p, b->n);
    return prov_span(*owned, b->n);
}

void policy_gen_request(struct policy_gen *g, const struct policy_gen_set *set,
                        struct policy_gen_request *r)
{
    static const char *const wills[] = { "will", "will/dev1", "will/a" };
    struct prov_policy_request *const req = &r->req;
    struct prov_buf text;

    memset(r, 0, sizeof *r);
    prov_buf_init(&text, 64 * 1024);
    req->action = gen_chance(g, 60) ? set->focus : (enum prov_action)gen_below(g, PROV_ACTIONS);
    near_name(g, set, req->action, &text);
    req->name = exact(&text, &r->name);
    req->persistent = gen_chance(g, 40);
    req->has_will = gen_chance(g, 60);
    prov_buf_clear(&text);
    if (gen_chance(g, 60))
        near_name(g, set, PROV_ACT_PUBLISH, &text);
    if (text.n == 0) /* MQTT has no topic without a character */
        prov_buf_add_str(&text, GEN_PICK(g, wills));
    req->will_topic = exact(&text, &r->will_topic);
    prov_buf_release(&text);
}

void policy_gen_request_release(struct policy_gen_request *r)
{
    free(r->name);
    free(r->will_topic);
    memset(r, 0, sizeof *r);
}

/* ---- life ------------------------------------------------------------------------------------ */

struct policy_gen *policy_gen_new(uint64_t seed)
{
    struct policy_gen *const g = oracle_alloc(1, sizeof *g);

    g->state = seed;
    for (size_t i = 0; i < GEN_IDENTS; i++)
        g->idents[i] = gen_ident_new(g);
    return g;
}

void policy_gen_free(struct policy_gen *g)
{
    if (g == NULL)
        return;
    for (size_t i = 0; i < GEN_IDENTS; i++)
        free(g->idents[i]);
    for (size_t i = 0; i < GEN_RECENT; i++)
        free(g->recent[i]);
    free(g);
}

void policy_gen_other(struct policy_gen *g, struct policy_gen_device *d)
{
    d->facts.attrs = d->attrs; /* where it has been copied to */
    for (unsigned i = gen_below(g, 5); i != 0; i--)
        gen_change_device(g, d);
}
