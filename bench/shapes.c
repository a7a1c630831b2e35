#include "shapes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "core/limits.h"

#define ARN_HEAD "arn:aws:iot:" SHAPE_REGION ":" SHAPE_ACCOUNT ":"
#define ANY_HEAD "arn:aws:iot:*:*:"
#define CLIENT "${iot:ClientId}"

/* ---- the rules ------------------------------------------------------------------------------- */

PROV_PRINTF(3, 4)
static void set(struct shape_rule *r, enum prov_action action, const char *fmt, ...)
{
    va_list args;

    r->action = action;
    va_start(args, fmt);
    (void)vsnprintf(r->resource, sizeof r->resource, fmt, args);
    va_end(args);
}

PROV_PRINTF(2, 3) static void only_if(struct shape_rule *r, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(r->condition, sizeof r->condition, fmt, args);
    va_end(args);
}

/* What nearly every device has. */
static void typical_rule(unsigned k, struct shape_rule *r)
{
    static const struct {
        enum prov_action action;
        bool deny;
        const char *resource;
    } rows[] = {
        { PROV_ACT_CONNECT, false, CLIENT },
        { PROV_ACT_PUBLISH, false, "dt/" CLIENT "/*" },
        { PROV_ACT_SUBSCRIBE, false, "cmd/" CLIENT "/*" },
        { PROV_ACT_RECEIVE, false, "cmd/" CLIENT "/*" },
        { PROV_ACT_PUBLISH, true, "dt/" CLIENT "/config" },
    };

    set(r, rows[k % PROV_COUNT(rows)].action, "%s", rows[k % PROV_COUNT(rows)].resource);
    r->deny = rows[k % PROV_COUNT(rows)].deny;
}

/* Every fifth forbids; with 5 rules there is one of each kind. */
static void statements_rule(unsigned k, struct shape_rule *r)
{
    char cell[48];

    (void)snprintf(cell, sizeof cell, "plant/s%02u/l%u/c%04u", k / 50, k / 10 % 5, k);
    switch (k % 4) {
    case 0:
        set(r, PROV_ACT_PUBLISH, "%s/state", cell);
        break;
    case 1:
        set(r, PROV_ACT_PUBLISH, "%s/" CLIENT "/*", cell);
        break;
    case 2:
        set(r, PROV_ACT_RECEIVE, "%s/order/*", cell);
        break;
    default:
        set(r, PROV_ACT_SUBSCRIBE, "%s/order/*", cell);
    }
    r->deny = k % 5 == 4;
}

/* A gateway speaks for many; what it may do changes from one document to the next. */
#define TOPICS_PER_DOCUMENT 20
static void topics_rule(unsigned k, struct shape_rule *r)
{
    static const enum prov_action actions[] = { PROV_ACT_PUBLISH, PROV_ACT_SUBSCRIBE,
                                                PROV_ACT_RECEIVE };

    set(r, actions[k / TOPICS_PER_DOCUMENT % PROV_COUNT(actions)],
        k % 2 == 0 ? "gw/" CLIENT "/n%04u/up" : "hall/b%04u/meter", k);
}

static void stars_rule(unsigned k, struct shape_rule *r)
{
    set(r, PROV_ACT_PUBLISH, "*/x%u/*", k);
    r->deny = k % 5 == 4;
}

static void conditions_rule(unsigned k, struct shape_rule *r)
{
    switch (k % 5) {
    case 0:
        set(r, PROV_ACT_PUBLISH, "press/p%04u/state", k);
        only_if(r, "{\"StringEquals\":{\"iot:Connection.Thing.ThingTypeName\":[\"lamp\","
                   "\"press\"]}}");
        break;
    case 1:
        set(r, PROV_ACT_PUBLISH, "press/p%04u/remote/*", k);
        only_if(r, "{\"IpAddress\":{\"aws:SourceIp\":[\"192.0.2.0/24\",\"2001:db8::/32\"]}}");
        r->holds = false;
        break;
    case 2:
        set(r, PROV_ACT_RECEIVE, "press/p%04u/" CLIENT "/*", k);
        only_if(r, "{\"ForAllValues:StringLike\":{\"iot:Certificate.Subject.OrganizationalUnit."
                   "List\":[\"plant-*\",\"press\"]}}");
        break;
    case 3:
        set(r, PROV_ACT_CONNECT, CLIENT "-m%u", k);
        only_if(r, "{\"ForAllValues:StringEquals\":{\"iot:ConnectAttributes\":[\"LastWill\"]},"
                   "\"ArnEquals\":{\"iot:LastWillTopic\":\"" ARN_HEAD "topic/will/" CLIENT "\"}}");
        break;
    default:
        set(r, PROV_ACT_PUBLISH, "press/p%04u/override", k);
        only_if(r, "{\"StringNotEquals\":{\"iot:Connection.Thing.Attributes[role]\":"
                   "\"supervisor\"}}");
        r->deny = true;
    }
}

/* All rules match the topic and one alone, which is judged last, has a condition that is true. */
static void same_rule(unsigned k, struct shape_rule *r)
{
    set(r, PROV_ACT_PUBLISH, "%s/" CLIENT "/*", k % 2 == 0 ? "open" : "shut");
    only_if(r, "{\"IpAddress\":{\"aws:SourceIp\":\"%s.%u.0.0/16\"}}", k == 0 ? "10" : "172",
            k == 0 ? 20 : k % 256);
    r->holds = k % 2 == 0;
}

/* The certificate's own policy, then those of its thing's groups, two of each. */
static void group_rule(unsigned k, struct shape_rule *r)
{
    char group[32];

    (void)snprintf(group, sizeof group, "fleet/g%03u-%c", k / 10, k / 5 % 2 == 0 ? 'a' : 'b');
    if (k < 5) {
        typical_rule(k, r);
        return;
    }
    switch (k % 5) {
    case 0:
        set(r, PROV_ACT_PUBLISH, "%s/report/" CLIENT, group);
        break;
    case 1:
        set(r, PROV_ACT_RECEIVE, "%s/notice/*", group);
        break;
    case 2:
        set(r, PROV_ACT_SUBSCRIBE, "%s/notice/*", group);
        break;
    case 3:
        set(r, PROV_ACT_PUBLISH, "%s/report/" CLIENT "/raw", group);
        r->deny = true;
        break;
    default:
        set(r, PROV_ACT_SUBSCRIBE, "%s/#", group);
        r->deny = true;
    }
}

static const struct shape shapes[] = {
    { "typical", "a device's own topics by ${iot:ClientId}, one Deny", 5, 5, 0, false,
      typical_rule },
    { "statements", "a statement for each of many topics", 200, 9999, 0, false, statements_rule },
    { "topics", "a gateway with many topics in its resource lists", 500, 9999, TOPICS_PER_DOCUMENT,
      true, topics_rule },
    { "stars", "resources like topic/*/x17/*", 200, 9999, 0, false, stars_rule },
    { "conditions", "a condition for each of many topics", 5, 9999, 0, false, conditions_rule },
    { "same", "one topic, a different condition in each statement", 200, 9999, 0, false,
      same_rule },
    { "group", "one certificate policy and those of groups seven deep", 75, 9999, 5, false,
      group_rule },
};

const struct shape *shape_at(size_t i)
{
    return i < PROV_COUNT(shapes) ? &shapes[i] : NULL;
}

static bool read_size(const char *text, const struct shape *shape, unsigned *size)
{
    unsigned long n;
    char *rest;

    if (*text == '\0') {
        *size = shape->size;
        return true;
    }
    if (text[0] != '-' || text[1] < '1' || text[1] > '9')
        return false;
    n = strtoul(text + 1, &rest, 10);
    if (*rest != '\0' || n < 5 || n > shape->max)
        return false;
    *size = (unsigned)n;
    return true;
}

const struct shape *shape_find(const char *text, unsigned *size)
{
    size_t n;

    for (size_t i = 0; i < PROV_COUNT(shapes); i++) {
        n = strlen(shapes[i].name);
        if (strncmp(text, shapes[i].name, n) == 0 && read_size(text + n, &shapes[i], size))
            return &shapes[i];
    }
    return NULL;
}

void shape_rule_at(const struct shape *shape, unsigned k, struct shape_rule *out)
{
    *out = (struct shape_rule){ .holds = true };
    shape->rule(k, out);
}

/* ---- rules into documents -------------------------------------------------------------------- */

static const char *type_of(enum prov_action action)
{
    if (action == PROV_ACT_CONNECT)
        return "client";
    return action == PROV_ACT_SUBSCRIBE ? "topicfilter" : "topic";
}

static void add_resource(struct prov_buf *b, const struct shape_rule *r, bool any_region)
{
    prov_buf_addf(b, "\"%s%s/%s\"", any_region ? ANY_HEAD : ARN_HEAD, type_of(r->action),
                  r->resource);
}

static void add_head(struct prov_buf *b, const struct shape_rule *r)
{
    prov_buf_addf(b,
                  "{\"Effect\":\"%s\",\"Action\":\"%s\",\"Resource\":", r->deny ? "Deny" : "Allow",
                  prov_action_name(r->action));
}

static void add_statement(struct prov_buf *b, const struct shape_rule *r, bool any_region)
{
    add_head(b, r);
    add_resource(b, r, any_region);
    if (r->condition[0] != '\0')
        prov_buf_addf(b, ",\"Condition\":%s", r->condition);
    prov_buf_add_str(b, "}");
}

/* The document is in text, all but its end. */
static void close_document(struct shape_documents *docs, struct prov_buf *text, const char *end)
{
    char *copy;

    prov_buf_add_str(text, end);
    if (text->rc != PROV_OK)
        bench_fail("a policy document is too large");
    if (docs->n == docs->cap) {
        docs->cap = docs->cap == 0 ? 16 : 2 * docs->cap;
        docs->text = bench_grow(docs->text, docs->cap, sizeof *docs->text);
    }
    copy = bench_alloc(text->n, 1);
    memcpy(copy, text->p, text->n);
    docs->text[docs->n++] = prov_span(copy, text->n);
    docs->bytes += text->n;
    prov_buf_clear(text);
}

struct writer {
    struct shape_documents *docs;
    const struct shape *shape;
    bool any_region;
    struct prov_buf text, part;
    unsigned in_document;
};

static const char *document_end(const struct shape *shape)
{
    return shape->joined ? "]}]}" : "]}";
}

static void write_rule(struct writer *w, const struct shape_rule *r)
{
    const char *const end = document_end(w->shape);

    prov_buf_clear(&w->part);
    if (w->shape->joined)
        add_resource(&w->part, r, w->any_region);
    else
        add_statement(&w->part, r, w->any_region);
    if (w->in_document != 0 && (w->in_document == w->shape->per_document ||
                                w->text.n + 1 + w->part.n + strlen(end) > PROV_MAX_POLICY_DOC)) {
        close_document(w->docs, &w->text, end);
        w->in_document = 0;
    }
    if (w->in_document == 0) {
        prov_buf_add_str(&w->text, "{\"Version\":\"2012-10-17\",\"Statement\":[");
        if (w->shape->joined) {
            add_head(&w->text, r);
            prov_buf_add_str(&w->text, "[");
        }
    } else {
        prov_buf_add_str(&w->text, ",");
    }
    w->docs->statements += !w->shape->joined || w->in_document == 0;
    prov_buf_add(&w->text, prov_buf_span(&w->part));
    w->in_document++;
}

void shape_write(const struct shape *shape, unsigned size, bool any_region,
                 struct shape_documents *out)
{
    struct writer w = { .docs = out, .shape = shape, .any_region = any_region };
    struct shape_rule rule;

    *out = (struct shape_documents){ .n = 0 };
    prov_buf_init(&w.text, PROV_MAX_POLICY_DOC);
    prov_buf_init(&w.part, PROV_MAX_POLICY_DOC);
    for (unsigned k = 0; k < size; k++) {
        shape_rule_at(shape, k, &rule);
        write_rule(&w, &rule);
    }
    close_document(out, &w.text, document_end(shape));
    prov_buf_release(&w.text);
    prov_buf_release(&w.part);
}

void shape_documents_release(struct shape_documents *docs)
{
    for (size_t i = 0; i < docs->n; i++)
        free((void *)docs->text[i].p);
    free(docs->text);
    *docs = (struct shape_documents){ .n = 0 };
}

/* ---- the device and its questions ------------------------------------------------------------ */

void shape_facts_init(struct shape_facts *f, struct prov_span client_id)
{
    *f = (struct shape_facts){
        .common_name = client_id,
        .units = { PROV_LIT("plant-7"), PROV_LIT("press") },
        .attrs = { { PROV_LIT("site"), PROV_LIT("s07") },
                   { PROV_LIT("role"), PROV_LIT("worker") },
                   { PROV_LIT("model"), PROV_LIT("pr-2200") } },
    };
    f->ident.serial_hex = PROV_LIT("1f2e");
    f->ident.dn[PROV_SUBJECT][PROV_DN_COMMON_NAME] = (struct prov_values){ &f->common_name, 1 };
    f->ident.dn[PROV_SUBJECT][PROV_DN_ORGANIZATIONAL_UNIT] =
        (struct prov_values){ f->units, PROV_COUNT(f->units) };
    f->facts = (struct prov_policy_facts){
        .client_id = client_id,
        .source_ip = PROV_LIT("10.20.30.40"),
        .certificate_id = PROV_LIT("c0ffee"),
        .ident = &f->ident,
        .thing_name = client_id,
        .thing_type = PROV_LIT("press"),
        .attrs = f->attrs,
        .n_attrs = PROV_COUNT(f->attrs),
        .thing_attached = true,
    };
}

/* The resource with the client id for the variable and something for each star. */
static void fill_in(const char *resource, const char *client_id, char *out, size_t cap)
{
    const struct prov_span variable = PROV_LIT(CLIENT);
    struct prov_buf b;

    prov_buf_init(&b, cap - 1);
    for (const char *c = resource; *c != '\0'; c++) {
        if (prov_span_starts(prov_span_str(c), variable)) {
            prov_buf_add_str(&b, client_id);
            c += variable.n - 1;
        } else if (*c == '*') {
            prov_buf_add_str(&b, c == resource ? "site/hall-7" : "temperature/max");
        } else {
            prov_buf_add_u8(&b, (uint8_t)*c);
        }
    }
    if (b.rc != PROV_OK)
        bench_fail("a question is too long");
    (void)prov_span_copy(prov_buf_span(&b), out, cap);
    prov_buf_release(&b);
}

/* Spoils what is literal in the resource, as late as possible: no rule has a '~'. */
static void spoil(char *resource)
{
    size_t at = strlen(resource);

    while (at > 0 && (resource[at - 1] == '*' || resource[at - 1] == '/'))
        at--;
    if (at > 0)
        resource[at - 1] = '~';
}

void shape_ask(const struct shape_rule *rule, const char *client_id, bool miss,
               struct shape_question *out)
{
    const bool by_condition =
        miss && rule->action == PROV_ACT_CONNECT && rule->condition[0] != '\0';
    char resource[sizeof rule->resource], other[32];

    (void)snprintf(resource, sizeof resource, "%s", rule->resource);
    (void)snprintf(other, sizeof other, "%s", client_id);
    if (miss && !by_condition)
        spoil(strstr(resource, CLIENT) != NULL ? other : resource);
    *out = (struct shape_question){ .expected = PROV_IMPLICIT_DENY };
    if (!miss && rule->holds)
        out->expected = rule->deny ? PROV_EXPLICIT_DENY : PROV_ALLOWED;
    fill_in(resource, other, out->name, sizeof out->name);
    (void)snprintf(out->will, sizeof out->will, "will/%s", client_id);
    out->req = (struct prov_policy_request){
        .action = rule->action,
        .name = prov_span_str(out->name),
        .persistent = by_condition,
        .has_will = rule->action == PROV_ACT_CONNECT,
    };
    if (out->req.has_will)
        out->req.will_topic = prov_span_str(out->will);
}
