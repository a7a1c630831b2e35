#include "support/policy_gen_priv.h"

#include <stdlib.h>

/* Conditions (8.1, 8.5): an operator, a key that fits it, values near those that the key has. */

enum kind { TEXT, LIKE, NUMBER, DATE, TRUTH, ADDRESS, ARN, PRESENCE };

static const struct {
    const char *name;
    enum kind kind;
} operators[] = {
    { "StringEquals", TEXT },
    { "StringNotEquals", TEXT },
    { "StringEqualsIgnoreCase", TEXT },
    { "StringNotEqualsIgnoreCase", TEXT },
    { "StringLike", LIKE },
    { "StringNotLike", LIKE },
    { "NumericEquals", NUMBER },
    { "NumericNotEquals", NUMBER },
    { "NumericLessThan", NUMBER },
    { "NumericLessThanEquals", NUMBER },
    { "NumericGreaterThan", NUMBER },
    { "NumericGreaterThanEquals", NUMBER },
    { "DateEquals", DATE },
    { "DateNotEquals", DATE },
    { "DateLessThan", DATE },
    { "DateLessThanEquals", DATE },
    { "DateGreaterThan", DATE },
    { "DateGreaterThanEquals", DATE },
    { "Bool", TRUTH },
    { "IpAddress", ADDRESS },
    { "NotIpAddress", ADDRESS },
    { "ArnEquals", ARN },
    { "ArnLike", ARN },
    { "ArnNotEquals", ARN },
    { "ArnNotLike", ARN },
    { "Null", PRESENCE },
};

static void add_key(struct policy_gen *g, enum kind kind, struct prov_buf *out)
{
    static const char *const typed[] = {
        [NUMBER] = "iot:Connection.Thing.Attributes[n]",
        [DATE] = "iot:Connection.Thing.Attributes[d]",
        [TRUTH] = "iot:Connection.Thing.IsAttached",
        [ADDRESS] = "aws:SourceIp",
        [ARN] = "iot:LastWillTopic",
        [PRESENCE] = NULL,
    };
    static const char *const second[] = {
        [NUMBER] = "iot:Thing.Attributes[m]", [DATE] = "iot:Thing.Attributes[e]",
        [TRUTH] = "iot:Thing.Attributes[b]",  [ADDRESS] = "iot:Thing.Attributes[i]",
        [ARN] = "iot:Thing.Attributes[r]",    [PRESENCE] = NULL,
    };

    if (kind < NUMBER || kind == PRESENCE || gen_chance(g, 15))
        gen_key(g, out);
    else
        prov_buf_add_str(out, gen_chance(g, 60) ? typed[kind] : second[kind]);
}

/* ---- values ---------------------------------------------------------------------------------- */

/* Some value that the key has, asked by a Connect with a Will; false when it has none. */
static bool real_value(struct policy_gen *g, const char *key, struct prov_buf *out)
{
    const struct prov_policy_request req = { .action = PROV_ACT_CONNECT,
                                             .persistent = true,
                                             .has_will = true,
                                             .will_topic = prov_span_str(gen_level(g)) };
    const struct oracle_question q = { &g->set->scope, &g->device->facts, &req };
    struct oracle_values values;

    oracle_look_up(&q, prov_span_str(key), &values);
    if (values.n == 0)
        return false;
    prov_buf_add(out, values.v[gen_below(g, values.n)]);
    return true;
}

/* As a literal: * and ? and ${ would be other than they are. */
static void add_literal(struct policy_gen *g, struct prov_span value, bool wildcards,
                        struct prov_buf *out)
{
    for (size_t i = 0; i < value.n; i++) {
        const bool wild = value.p[i] == '*' || value.p[i] == '?';
        const bool opens = value.p[i] == '$' && i + 1 < value.n &&
                           (value.p[i + 1] == '{' || value.p[i + 1] == '(');

        if (opens || (wild && wildcards && gen_chance(g, 80)))
            prov_buf_addf(out, gen_chance(g, 50) ? "${%c}" : "$(%c)", value.p[i]);
        else
            prov_buf_add_u8(out, value.p[i]);
    }
}

static void flip_case(struct policy_gen *g, struct prov_buf *text)
{
    for (size_t i = 0; i < text->n; i++)
        if ((text->p[i] & 0xc0) == 0x40 && ((text->p[i] - 1) & 0x1f) < 26 && gen_chance(g, 50))
            text->p[i] ^= 0x20;
}

/* One that the key has, or nearly. */
static void add_near(struct policy_gen *g, const char *key, bool wildcards, struct prov_buf *out)
{
    struct prov_buf real;

    prov_buf_init(&real, 4096);
    if (real_value(g, key, &real) && real.n < 200) {
        const unsigned wild = wildcards ? 30 : 6;

        if (gen_chance(g, 25))
            gen_blur(g, &real);
        if (gen_chance(g, 20))
            flip_case(g, &real);
        if (gen_chance(g, wild))
            prov_buf_add_str(out, "*");
        else if (gen_chance(g, wild) && real.n != 0)
            real.p[gen_below(g, real.n)] = '?';
        if (prov_utf8_valid(prov_buf_span(&real)))
            add_literal(g, prov_buf_span(&real), wildcards, out);
        if (gen_chance(g, wild))
            prov_buf_add_str(out, "*");
    }
    prov_buf_release(&real);
}

static void add_word(struct policy_gen *g, const char *key, struct prov_buf *out)
{
    static const char *const words[] = {
        "a", "", "lamp", "PersistentConnect", "LastWill", "*", "A"
    };
    char name[80];

    if (strcmp(key, "iot:Certificate.AvailableKeys") == 0)
        prov_buf_add_str(out, policy_oracle_variable(
                                  ORACLE_SUBJECT + gen_below(g, ORACLE_INDEXED - ORACLE_SUBJECT),
                                  name, sizeof name));
    else
        prov_buf_add_str(out, GEN_PICK(g, words));
}

static cJSON *string_value(struct policy_gen *g, const char *key, bool wildcards)
{
    const unsigned dice = gen_below(g, 100);
    struct prov_buf text;
    cJSON *item;

    prov_buf_init(&text, 8192);
    if (dice < 12)
        gen_variable(g, &text);
    else if (dice < 80)
        add_near(g, key, wildcards, &text);
    else
        add_word(g, key, &text);
    item = cJSON_CreateString(prov_buf_cstr(&text));
    prov_buf_release(&text);
    return item;
}

static cJSON *number_value(struct policy_gen *g)
{
    static const char *const texts[] = {
        "42",     "42.50", "42.0", "-1", "0",   "1000",
        "41.999", "0.1",   "-0.0", "+5", "007", "999999999999999"
    };
    static const double numbers[] = {
        42, 42.5, -1, 0, 1000, 0.1, 41, 43, 1e-7, 9007199254740992.0
    };

    return gen_chance(g, 50) ? cJSON_CreateString(GEN_PICK(g, texts))
                             : cJSON_CreateNumber(GEN_PICK(g, numbers));
}

static cJSON *date_value(struct policy_gen *g)
{
    static const char *const texts[] = { "2024-02-29",
                                         "2024-02-29T12:00:00Z",
                                         "2024-02-29T11:00:00-01:00",
                                         "2024-02-29T12:00:00.5Z",
                                         "1709208000",
                                         "2024-03-01",
                                         "2024-02-28T23:59:59Z",
                                         "2024-02-29T12:00Z",
                                         "1709164800",
                                         "0",
                                         "1970-01-01",
                                         "2024-02-29T14:30:00+02:30",
                                         "2024",
                                         "2024-02",
                                         "2024-03",
                                         "2023-12-31",
                                         "2024-01-01T00:00Z" };
    static const double numbers[] = { 1709208000, 1709208001, 1709164800, 0 };

    return gen_chance(g, 80) ? cJSON_CreateString(GEN_PICK(g, texts))
                             : cJSON_CreateNumber(GEN_PICK(g, numbers));
}

static cJSON *truth_value(struct policy_gen *g)
{
    static const char *const texts[] = { "true", "false", "true", "false", "True", "FALSE" };

    return gen_chance(g, 60) ? cJSON_CreateString(GEN_PICK(g, texts))
                             : cJSON_CreateBool(gen_chance(g, 50));
}

static cJSON *address_value(struct policy_gen *g)
{
    static const char *const texts[] = {
        "10.1.2.3",          "10.1.2.0/24",         "10.1.2.3/24",     "10.0.0.0/8",
        "10.1.2.3/32",       "10.1.2.4/30",         "10.1.2.2/31",     "0.0.0.0/0",
        "10.1.2.4/31",       "2001:db8::/32",       "2001:db8::1",     "::/0",
        "2001:db8::/47",     "2001:db8::2/127",     "2001:db8::1/128", "192.0.2.0/25",
        "::ffff:10.1.2.3",   "::ffff:10.1.0.0/112", "fe80::/10",       "10.1.2.255/29",
        "2001:db8:0:1::/64",
    };

    return cJSON_CreateString(GEN_PICK(g, texts));
}

/* Where requests send their Wills, in each partition. */
static void add_will(struct policy_gen *g, struct prov_buf *out)
{
    static const char *const partitions[] = { "aws", "aws-cn", "aws-us-gov", "*" };
    static const char *const topics[] = { "will", "will/*", "wil?", "will/${iot:ClientId}" };

    prov_buf_addf(out, "arn:%s:iot:%s:%s:topic/%s", GEN_PICK(g, partitions), g->scope.region,
                  g->scope.account, GEN_PICK(g, topics));
}

static cJSON *arn_value(struct policy_gen *g)
{
    struct prov_buf text;
    cJSON *item;

    prov_buf_init(&text, 4096);
    if (gen_chance(g, 10))
        prov_buf_add_str(&text, "*");
    else if (gen_chance(g, 40))
        add_will(g, &text);
    else
        gen_arn(g, PROV_ACT_PUBLISH, &text);
    gen_remember(g, prov_buf_cstr(&text)); /* a Will's topic, then */
    item = cJSON_CreateString(prov_buf_cstr(&text));
    prov_buf_release(&text);
    return item;
}

static cJSON *value(struct policy_gen *g, enum kind kind, const char *key)
{
    switch (kind) {
    case TEXT:
    case LIKE:
        return string_value(g, key, kind == LIKE);
    case NUMBER:
        return number_value(g);
    case DATE:
        return date_value(g);
    case TRUTH:
    case PRESENCE:
        return truth_value(g);
    case ADDRESS:
        return address_value(g);
    case ARN:
        return arn_value(g);
    }
    return NULL;
}

static cJSON *value_or_some(struct policy_gen *g, enum kind kind, const char *key)
{
    cJSON *list;

    if (gen_chance(g, 45))
        return value(g, kind, key);
    list = cJSON_CreateArray();
    for (unsigned i = gen_chance(g, 8) ? 0 : 1 + gen_below(g, 3); i != 0; i--)
        (void)cJSON_AddItemToArray(list, value(g, kind, key));
    return list;
}

/* ---- all together ---------------------------------------------------------------------------- */

void gen_condition(struct policy_gen *g, cJSON *condition)
{
    static const char *const quantifiers[] = { "", "", "ForAllValues:", "ForAnyValue:" };
    const size_t i = gen_below(g, PROV_COUNT(operators));
    const enum kind kind = operators[i].kind;
    struct prov_buf op, key;
    cJSON *pairs;

    prov_buf_init(&op, 128);
    prov_buf_init(&key, 512);
    if (kind != PRESENCE)
        prov_buf_add_str(&op, GEN_PICK(g, quantifiers));
    prov_buf_add_str(&op, operators[i].name);
    if (kind != PRESENCE && gen_chance(g, 25))
        prov_buf_add_str(&op, "IfExists");
    pairs = cJSON_GetObjectItemCaseSensitive(condition, prov_buf_cstr(&op));
    if (pairs == NULL)
        pairs = cJSON_AddObjectToObject(condition, prov_buf_cstr(&op));
    for (unsigned k = gen_chance(g, 80) ? 1 : 2; k != 0; k--) {
        prov_buf_clear(&key);
        add_key(g, kind, &key);
        if (cJSON_GetObjectItemCaseSensitive(pairs, prov_buf_cstr(&key)) == NULL)
            (void)cJSON_AddItemToObject(pairs, prov_buf_cstr(&key),
                                        value_or_some(g, kind, prov_buf_cstr(&key)));
    }
    prov_buf_release(&op);
    prov_buf_release(&key);
}
