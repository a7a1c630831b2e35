#include "support/policy_gen_priv.h"

#include <stdlib.h>

/* ---- resources ------------------------------------------------------------------------------- */

static cJSON *resource_item(struct policy_gen *g, enum prov_action action)
{
    struct prov_buf text;
    cJSON *item;

    prov_buf_init(&text, 4096);
    gen_resource(g, action, &text);
    gen_remember(g, prov_buf_cstr(&text));
    item = cJSON_CreateString(prov_buf_cstr(&text));
    prov_buf_release(&text);
    return item;
}

static cJSON *family(struct policy_gen *g, enum prov_action action)
{
    cJSON *const list = cJSON_CreateArray();

    gen_family(g, action, list);
    return list;
}

/* ---- statements (8.1) ------------------------------------------------------------------------ */

static enum prov_action any_action(struct policy_gen *g)
{
    return (enum prov_action)gen_below(g, PROV_ACTIONS);
}

static cJSON *action_item(struct policy_gen *g, enum prov_action action)
{
    static const char *const many[] = { "*",
                                        "iot:*",
                                        "iot:P*",
                                        "iot:*Publish",
                                        "iot:?ublish",
                                        "iot:Re*",
                                        "iot:S*be",
                                        "iot:R*e*sh",
                                        "iot:*e*",
                                        "iot:Publis?",
                                        "iot:C**t",
                                        "iot:Connect?",
                                        "iot:GetThingShadow",
                                        "iot:DeleteConnection",
                                        "iot:publish",
                                        "IOT:Subscribe",
                                        "iotjobsdata:*",
                                        "iot:GetRetainedMessage",
                                        "iot:connect",
                                        "iot:RECEIVE" };

    return cJSON_CreateString(gen_chance(g, 75) ? prov_action_name(action) : GEN_PICK(g, many));
}

/* Alone, or in a list of up to so many. */
static cJSON *one_or_some(struct policy_gen *g, enum prov_action action, unsigned most,
                          cJSON *(*make)(struct policy_gen *g, enum prov_action action))
{
    cJSON *list;

    if (gen_chance(g, 50))
        return make(g, action);
    list = cJSON_CreateArray();
    for (unsigned i = 1 + gen_below(g, most); i != 0; i--)
        (void)cJSON_AddItemToArray(list, make(g, gen_chance(g, 75) ? action : any_action(g)));
    return list;
}

/* Alike ones, or everything where a condition decides, or some. */
static cJSON *resources(struct policy_gen *g, enum prov_action action, bool small, bool condition)
{
    if (condition && gen_chance(g, 50))
        return cJSON_CreateString("*");
    if (!small && gen_chance(g, 6))
        return family(g, action);
    return one_or_some(g, action, small ? 1 : 4, resource_item);
}

static cJSON *statement(struct policy_gen *g, bool small)
{
    const enum prov_action action = gen_chance(g, 75) ? g->set->focus : any_action(g);
    const bool condition = !small && gen_chance(g, 30);
    cJSON *const s = cJSON_CreateObject();

    if (!small && gen_chance(g, 20))
        (void)cJSON_AddStringToObject(s, "Sid", GEN_PICK(g, ((const char *const[]){ "a", "B1" })));
    (void)cJSON_AddStringToObject(s, "Effect", gen_chance(g, 66) ? "Allow" : "Deny");
    (void)cJSON_AddItemToObject(s, gen_chance(g, 92) ? "Action" : "NotAction",
                                one_or_some(g, action, small ? 1 : 3, action_item));
    (void)cJSON_AddItemToObject(s, gen_chance(g, 95) ? "Resource" : "NotResource",
                                resources(g, action, small, condition));
    if (condition) {
        cJSON *const block = cJSON_AddObjectToObject(s, "Condition");

        for (unsigned i = gen_chance(g, 3) ? 0 : 1 + gen_below(g, 2); i != 0; i--)
            gen_condition(g, block);
    }
    return s;
}

/* ---- documents ------------------------------------------------------------------------------- */

static size_t bytes_that_count(const char *text)
{
    size_t n = 0;

    for (; *text != '\0'; text++)
        n += strchr(" \t\r\n", *text) == NULL;
    return n;
}

/* Before the version of 2012 there are no variables. */
static void add_version(struct policy_gen *g, cJSON *doc)
{
    char *const text = cJSON_PrintUnformatted(doc);
    const bool old = strstr(text, "${") == NULL && strstr(text, "$(") == NULL && gen_chance(g, 40);

    free(text);
    if (!old)
        (void)cJSON_AddStringToObject(doc, "Version", "2012-10-17");
    else if (gen_chance(g, 50))
        (void)cJSON_AddStringToObject(doc, "Version", "2008-10-17");
}

/* Without the last statements when they are too many. */
static char *print(struct policy_gen *g, cJSON *doc)
{
    cJSON *const list = cJSON_GetObjectItemCaseSensitive(doc, "Statement");
    const bool pretty = gen_chance(g, 30);

    for (;;) {
        char *const text = pretty ? cJSON_Print(doc) : cJSON_PrintUnformatted(doc);

        if (text == NULL)
            abort();
        if (bytes_that_count(text) <= 2048)
            return text;
        free(text);
        cJSON_DeleteItemFromArray(list, cJSON_GetArraySize(list) - 1);
    }
}

/* Without a list where there is one statement, or not. */
static char *document(struct policy_gen *g)
{
    const bool many = gen_chance(g, 6);
    const unsigned n = many ? 50 : 1 + gen_below(g, gen_chance(g, 60) ? 3 : 8);
    cJSON *const doc = cJSON_CreateObject();
    cJSON *const list = cJSON_CreateArray();
    char *text;

    (void)cJSON_AddItemToObject(doc, "Statement", list);
    for (unsigned i = 0; i < n; i++)
        (void)cJSON_AddItemToArray(list, statement(g, many));
    add_version(g, doc);
    text = print(g, doc);
    if (cJSON_GetArraySize(list) == 1 && gen_chance(g, 50)) {
        free(text);
        (void)cJSON_ReplaceItemInObjectCaseSensitive(doc, "Statement",
                                                     cJSON_DetachItemFromArray(list, 0));
        text = cJSON_PrintUnformatted(doc);
    }
    cJSON_Delete(doc);
    return text;
}

void policy_gen_set(struct policy_gen *g, struct policy_gen_set *set, struct policy_gen_device *d)
{
    static const char *const regions[] = { "local", "us-gov-west-1", "r", "eu-central-11" };

    memset(set, 0, sizeof *set);
    g->scope.region = gen_chance(g, 80) ? "eu-central-1" : GEN_PICK(g, regions);
    g->scope.account = gen_chance(g, 80) ? "123456789012" : "000000000000";
    set->scope = (struct prov_policy_scope){ prov_span_str(g->scope.region),
                                             prov_span_str(g->scope.account) };
    gen_device(g, d);
    g->set = set;
    g->device = d;
    g->n_recent = 0;
    set->focus = any_action(g);
    set->n_docs = gen_chance(g, 2) ? 0 : 1 + gen_below(g, gen_chance(g, 70) ? 2 : POLICY_GEN_DOCS);
    for (size_t i = 0; i < set->n_docs; i++)
        set->docs[i] = document(g);
    g->set = NULL;
    g->device = NULL;
}

void policy_gen_set_release(struct policy_gen_set *set)
{
    for (size_t i = 0; i < set->n_docs; i++)
        free(set->docs[i]);
    for (size_t i = 0; i < PROV_ACTIONS; i++)
        for (size_t k = 0; k < set->n_names[i]; k++)
            free((void *)(uintptr_t)set->names[i][k].p);
    memset(set, 0, sizeof *set);
}
