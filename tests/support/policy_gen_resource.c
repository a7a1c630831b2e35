#include "support/policy_gen_priv.h"

#include <stdlib.h>

/* ---- resources (8.2, 8.3, 8.6) --------------------------------------------------------------- */

static const char *const kinds[] = {
    [PROV_ACT_CONNECT] = "client",        [PROV_ACT_PUBLISH] = "topic",
    [PROV_ACT_RETAIN_PUBLISH] = "topic",  [PROV_ACT_RECEIVE] = "topic",
    [PROV_ACT_SUBSCRIBE] = "topicfilter",
};

/* What is between the slashes. */
static void add_level(struct policy_gen *g, struct prov_buf *out)
{
    static const char *const escapes[] = { "${*}", "${?}", "${$}", "$(*)", "$(?)", "$($)" };
    static const char *const stars[] = { "*", "*", "*", "?", "??", "**", "*?", "?*" };
    const unsigned dice = gen_below(g, 20);

    if (dice < 9 || dice == 12 || dice == 13)
        prov_buf_add_str(out, gen_level(g));
    if (dice >= 9 && dice < 14)
        prov_buf_add_str(out, GEN_PICK(g, stars));
    if (dice == 11 || dice == 13)
        prov_buf_add_str(out, gen_level(g));
    if (dice >= 14 && dice < 18)
        gen_variable(g, out);
    if (dice == 18)
        prov_buf_add_str(out, GEN_PICK(g, escapes));
    if (dice == 19)
        prov_buf_add_str(out, GEN_PICK(g, ((const char *const[]){ "$", "$a", "$$", "a{", "a}" })));
}

static void add_name(struct policy_gen *g, struct prov_buf *out)
{
    for (unsigned i = gen_below(g, 4);; i--) {
        add_level(g, out);
        if (i == 0)
            break;
        prov_buf_add_str(out, gen_chance(g, 90) ? "/" : "");
    }
}

/* One part of an ARN: as it should be, or nearly. */
static void add_part(struct policy_gen *g, const char *right, const char *const *wrong, size_t n,
                     struct prov_buf *out)
{
    const unsigned dice = gen_below(g, 100);

    if (dice < 78)
        prov_buf_add_str(out, right);
    else if (dice < 92)
        prov_buf_add_str(out, "*");
    else
        prov_buf_add_str(out, wrong[gen_below(g, n)]);
    prov_buf_add_str(out, ":");
}

static void add_arn_start(struct policy_gen *g, struct prov_buf *out)
{
    static const char *const partitions[] = { "aws-cn", "aws-us-gov", "aws-cn", "aws-us-gov", "aw?",
                                              "a*s",    "aws*",       "?",      "b" };
    static const char *const services[] = { "io?", "i*", "*t", "iot*" };
    static const char *const regions[] = { "eu-west-1",     "eu-*",
                                           "*-1",           "eu-central-??",
                                           "eu-central-1*", "",
                                           "us-gov-west-1", "${iot:ClientId}",
                                           "EU-CENTRAL-1",  "eu-central-1a" };
    static const char *const accounts[] = { "123456789013",
                                            "12345",
                                            "1234567890123",
                                            "1*",
                                            "*2",
                                            "",
                                            "????????????",
                                            "123456789012*",
                                            "${iot:Connection.Thing.ThingName}",
                                            "12345678901x" };

    prov_buf_add_str(out, "arn:");
    add_part(g, "aws", partitions, PROV_COUNT(partitions), out);
    if (gen_chance(g, 96))
        prov_buf_add_str(out, "iot:");
    else
        add_part(g, "*", services, PROV_COUNT(services), out);
    add_part(g, g->scope.region, regions, PROV_COUNT(regions), out);
    add_part(g, g->scope.account, accounts, PROV_COUNT(accounts), out);
}

/* Stars over several parts of an ARN at once. */
static void add_starred(struct policy_gen *g, const char *kind, struct prov_buf *out)
{
    static const char *const starts[] = { "arn:*", "arn:aws:*", "arn:aws:iot:*", "arn:*:iot:*" };
    static const char *const ends[] = { "", ":%s/", "/", "*/", "2:%s/", ":", "%s/", "?%s/*", "*t" };
    const char *const end = GEN_PICK(g, ends);
    const char *const kind_at = strstr(end, "%s");

    prov_buf_add_str(out, GEN_PICK(g, starts));
    if (kind_at == NULL) {
        prov_buf_add_str(out, end);
    } else {
        prov_buf_add(out, prov_span(end, (size_t)(kind_at - end)));
        prov_buf_add_str(out, kind);
        prov_buf_add_str(out, kind_at + 2);
    }
    if (gen_chance(g, 60))
        add_name(g, out);
}

/* A resource that was there, with more behind it or other things done to it that keep its form. */
static void add_like(struct policy_gen *g, const char *recent, struct prov_buf *out)
{
    const char *const slash = strrchr(recent, '/');

    prov_buf_add_str(out, recent);
    if (strcmp(recent, "*") == 0)
        return;
    switch (gen_below(g, 5)) {
    case 0:
        prov_buf_add_str(out, "*");
        break;
    case 1:
        prov_buf_add_str(out, "/");
        add_name(g, out);
        break;
    case 2:
        add_level(g, out);
        break;
    case 3: /* another last level */
        if (slash == NULL || strchr(slash, '}') != NULL || strchr(slash, ')') != NULL)
            break;
        out->n -= strlen(slash) - 1;
        add_level(g, out);
        break;
    default:
        break;
    }
}

/* What such resources are called, and others. */
static const char *kind_for(struct policy_gen *g, enum prov_action action)
{
    static const char *const others[] = { "client",       "topic", "topicfilter",    "topic*",
                                          "t*",           "thing", "topi?",          "*",
                                          "topicfilter*", "cl*t",  "${iot:ClientId}" };

    return gen_chance(g, 88) ? kinds[action] : GEN_PICK(g, others);
}

void gen_arn(struct policy_gen *g, enum prov_action action, struct prov_buf *out)
{
    add_arn_start(g, out);
    prov_buf_add_str(out, kind_for(g, action));
    prov_buf_add_str(out, "/");
    if (gen_chance(g, 97))
        add_name(g, out);
}

void gen_resource(struct policy_gen *g, enum prov_action action, struct prov_buf *out)
{
    const unsigned dice = gen_below(g, 100);

    if (dice < 5)
        prov_buf_add_str(out, "*");
    else if (dice < 12)
        add_starred(g, kind_for(g, action), out);
    else if (dice < 40 && g->n_recent != 0)
        add_like(g, g->recent[gen_below(g, g->n_recent)], out);
    else
        gen_arn(g, action, out);
}

static void remember_recent(struct policy_gen *g, const char *resource)
{
    char **const slot =
        &g->recent[g->n_recent < GEN_RECENT ? g->n_recent++ : gen_below(g, GEN_RECENT)];

    free(*slot);
    *slot = prov_span_dup(prov_span_str(resource));
}

/* What requests may ask for: behind "…:topic/" in some text that the resource stands for. */
static void remember_name(struct policy_gen *g, const char *resource)
{
    struct prov_buf arn;
    const char *rest;

    prov_buf_init(&arn, 64 * 1024);
    gen_instance(g, resource, &arn);
    rest = prov_buf_cstr(&arn);
    for (unsigned i = 0; i < 5 && rest != NULL; i++)
        rest = strchr(rest + (i != 0), ':');
    for (unsigned i = 0; i < PROV_ACTIONS && rest != NULL; i++) {
        const size_t n = strlen(kinds[i]);
        size_t *const count = &g->set->n_names[i];

        if (strncmp(rest + 1, kinds[i], n) != 0 || rest[1 + n] != '/' || *count == POLICY_GEN_NAMES)
            continue;
        g->set->names[i][*count].n = strlen(rest + 2 + n);
        g->set->names[i][(*count)++].p = (uint8_t *)prov_span_dup(prov_span_str(rest + 2 + n));
    }
    prov_buf_release(&arn);
}

void gen_remember(struct policy_gen *g, const char *resource)
{
    for (unsigned i = 1 + gen_below(g, 2); i != 0; i--)
        remember_name(g, resource);
    remember_recent(g, resource);
}

/* A few letters of a few, with something at the end or not. */
static void add_word(struct policy_gen *g, struct prov_buf *out)
{
    static const char *const ends[] = {
        "", "", "", "/", "ab", ":", "${iot:ClientId}", "temperature"
    };

    for (unsigned i = 1 + gen_below(g, 5); i != 0; i--)
        prov_buf_add_u8(out,
                        (uint8_t) "abcdefghijklmnop"[gen_below(g, gen_chance(g, 80) ? 2 : 16)]);
    prov_buf_add_str(out, GEN_PICK(g, ends));
}

/*
 * Many at once that share their beginning: rules that begin with a star, more of them than are
 * asked one by one, whose letters are alike; levels of which each begins differently; and more
 * wildcards in a row than the engine's tree takes.
 */
void gen_family(struct policy_gen *g, enum prov_action action, cJSON *list)
{
    static const char *const forms[] = { "*%s*", "*%s", "*%s*%s", "*%s?*", "%s", "%s/*" };
    const unsigned only = gen_below(g, PROV_COUNT(forms) + 1);
    struct prov_buf start, one;

    prov_buf_init(&start, 4096);
    prov_buf_init(&one, 4096);
    add_arn_start(g, &start);
    prov_buf_addf(&start, "%s/%s", kinds[action], GEN_PICK(g, ((const char *const[]){ "", "a/" })));
    if (gen_chance(g, 10))
        prov_buf_add_str(&start, "??????????????????");
    for (unsigned i = 4 + gen_below(g, 11); i != 0; i--) {
        const char *form = only < PROV_COUNT(forms) ? forms[only] : GEN_PICK(g, forms);

        prov_buf_clear(&one);
        prov_buf_add(&one, prov_buf_span(&start));
        for (; *form != '\0'; form++) {
            if (*form == '%')
                add_word(g, &one);
            else if (*form != 's')
                prov_buf_add_u8(&one, (uint8_t)*form);
        }
        gen_remember(g, prov_buf_cstr(&one));
        (void)cJSON_AddItemToArray(list, cJSON_CreateString(prov_buf_cstr(&one)));
    }
    prov_buf_release(&start);
    prov_buf_release(&one);
}
