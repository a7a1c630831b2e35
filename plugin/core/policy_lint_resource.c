#include "policy_lint_priv.h"

#include "limits.h"

/* ---- parts of an ARN ------------------------------------------------------------------------- */

enum part { PART_ARN, PARTITION, SERVICE, REGION, ACCOUNT, NAME };

/* The nth part of an ARN's glob; false when it has fewer. */
static bool glob_part(const struct lint_glob *g, size_t nth, struct lint_glob *out)
{
    size_t from = 0, colons = 0;

    for (size_t i = 0; i < g->n && colons < POL_ARN_PARTS - 1; i++) {
        if (g->syms[i].kind != LINT_BYTE || g->syms[i].c != ':')
            continue;
        if (colons++ == nth) {
            *out = (struct lint_glob){ .syms = g->syms + from, .n = i - from };
            return true;
        }
        from = i + 1;
    }
    *out = (struct lint_glob){ .syms = g->syms + from, .n = g->n - from };
    return colons == POL_ARN_PARTS - 1 && nth == NAME;
}

/* Could the part be one that this broker has? A scope narrows region and account down. */
static bool part_fits(const struct lint_glob *g, enum part part,
                      const struct prov_policy_scope *scope)
{
    struct lint_glob wanted, have;
    struct lint_target t;

    if (!glob_part(g, part, &have))
        return true;
    if (part != NAME) {
        for (size_t i = 0; i < POL_PARTITIONS; i++) {
            prov_lint_start(&t);
            prov_lint_head(&t.glob, i, scope);
            if (glob_part(&t.glob, part, &wanted) && prov_lint_meet(&have, &wanted, false))
                return true;
        }
        return false;
    }
    for (unsigned k = 0; k < LINT_OTHER; k++) {
        prov_lint_start(&t);
        prov_lint_str(&t.glob, prov_lint_type((enum lint_kind)k));
        prov_lint_star(&t.glob, LINT_ANY);
        if (prov_lint_meet(&have, &t.glob, false))
            return true;
    }
    return false;
}

/* "topic" of "topic/a"; what stands behind it is left in rest. */
static struct prov_span type_word(struct prov_span name, struct prov_span *rest)
{
    size_t n = 0;

    while (n < name.n && name.p[n] != '/' && name.p[n] != ':')
        n++;
    *rest = prov_span(name.p + n, name.n - n);
    return prov_span(name.p, n);
}

/* The type that was meant, with its slash, instead of the one that is there. */
static void put_right_type(struct prov_buf *out, struct prov_span arn, struct prov_span name)
{
    static const char *const words[] = { "client", "topic", "topicfilter", "thing", "rolealias" };
    struct prov_span rest, word = type_word(name, &rest);
    const char *best = rest.n == 0 ? NULL : prov_lint_nearest(word, words, PROV_COUNT(words));

    if (best == NULL)
        return;
    prov_buf_add(out, prov_span(arn.p, (size_t)(name.p - arn.p)));
    prov_buf_addf(out, "%s/", best);
    prov_buf_add(out, prov_span(rest.p + 1, rest.n - 1));
}

static const char *const part_faults[] = {
    [PART_ARN] = "no ARN of a client id, topic or topic filter",
    [PARTITION] = "no partition; there are aws, aws-cn and aws-us-gov",
    [SERVICE] = "another service than iot, which devices ask for",
    [REGION] = "no region; those are of a-z, 0-9 and -",
    [ACCOUNT] = "no account id; those have 12 digits",
    [NAME] = "none of client/…, topic/…, topicfilter/…, thing/… and rolealias/…",
};

static const char arn_form[] = "\"arn:aws:iot:*:*:client/…\", …topic/… or …topicfilter/…";

static void cure_part(struct lint *l, struct prov_policy_warning *w, struct prov_span arn,
                      enum part part)
{
    static const char *const right[] = {
        [PARTITION] = "aws", [SERVICE] = "iot", [REGION] = "*", [ACCOUNT] = "*"
    };
    struct prov_span piece;
    struct prov_buf text;

    prov_buf_init(&text, LINT_CURE_MAX);
    if (part != PART_ARN && prov_lint_nth_part(arn, part, &piece)) {
        if (part == NAME)
            put_right_type(&text, arn, piece);
        else
            prov_lint_splice(&text, arn, piece, prov_span_str(right[part]));
    }
    prov_lint_cure_text(l, w, "", &text, "", arn_form);
}

void prov_lint_arn_never(struct lint *l, const struct lint_stmt *s)
{
    struct prov_policy_warning *w;
    struct prov_span piece, rest;
    struct lint_place p;

    for (size_t i = 0; i < s->n_resources; i++) {
        const struct lint_resource *const r = &s->resources[i];
        unsigned part = PARTITION;

        if (r->kinds != 0)
            continue;
        while (part < NAME && part_fits(&r->glob, (enum part)part, NULL))
            part++;
        if (!prov_lint_nth_part(r->text, part, &piece)) {
            piece = r->text;
            part = PART_ARN;
        }
        if (part == NAME)
            piece = type_word(piece, &rest);
        prov_lint_at_resource(l, s, i, &p);
        w = prov_lint_warn(l, &p, "\"%s\" is %s: %s", prov_pol_show(piece).s, part_faults[part],
                           prov_lint_consequence(s));
        cure_part(l, w, r->text, (enum part)part);
    }
}

/* The ARN with the registry's region and account. */
static void put_here(struct prov_buf *out, struct prov_span arn,
                     const struct prov_policy_scope *scope)
{
    struct prov_span piece;
    struct prov_buf text;

    prov_buf_init(&text, LINT_CURE_MAX);
    if (scope->region.n != 0 && prov_lint_nth_part(arn, REGION, &piece)) {
        prov_lint_splice(&text, arn, piece, scope->region);
        arn = prov_buf_span(&text);
    }
    if (text.rc == PROV_OK && prov_lint_nth_part(arn, ACCOUNT, &piece))
        prov_lint_splice(out, arn, piece, scope->account_id.n != 0 ? scope->account_id : piece);
    out->rc = text.rc != PROV_OK ? text.rc : out->rc;
    prov_buf_release(&text);
}

void prov_lint_arn_scope(struct lint *l, const struct lint_stmt *s)
{
    struct prov_policy_warning *w;
    struct lint_place p;
    struct prov_buf text;

    for (size_t i = 0; i < s->n_resources; i++) {
        const struct lint_resource *const r = &s->resources[i];

        if (r->kinds == 0 || r->here != 0)
            continue;
        prov_lint_at_resource(l, s, i, &p);
        w = prov_lint_warn(l, &p, "the ARN is of another %s than this registry's: %s",
                           part_fits(&r->glob, ACCOUNT, l->scope)  ? "region"
                           : part_fits(&r->glob, REGION, l->scope) ? "account"
                                                                   : "region and account",
                           prov_lint_consequence(s));
        prov_buf_init(&text, LINT_CURE_MAX);
        put_here(&text, r->text, l->scope);
        prov_lint_cure_text(l, w, "", &text, ", or * for both to fit any",
                            "* for region and account fits any");
    }
}

/* ---- names that MQTT or the broker does not have --------------------------------------------- */

static bool is_byte(const struct lint_glob *g, size_t i, uint8_t byte)
{
    return g->syms[i].kind == LINT_BYTE && g->syms[i].c == byte;
}

/* At least one byte, whatever stands there. */
static bool takes_room(const struct lint_sym *s)
{
    return s->kind != LINT_STAR;
}

static size_t least_length(const struct lint_glob *g, size_t from)
{
    size_t n = 0;

    for (; from < g->n; from++)
        n += takes_room(&g->syms[from]);
    return n;
}

static const char *client_fault(const struct lint_glob *g, size_t from)
{
    if (from == g->n)
        return "no client id is empty";
    if (is_byte(g, from, '$') && !(from + 1 < g->n && is_byte(g, from + 1, '(')))
        return "client ids that begin with $ are refused";
    return least_length(g, from) > PROV_MAX_CLIENT_ID ? "client ids are 128 bytes at most" : NULL;
}

static const char *topic_fault(const struct lint_glob *g, size_t from)
{
    static const char share[] = "$share/";
    size_t i = 0;

    while (share[i] != '\0' && from + i < g->n && is_byte(g, from + i, (uint8_t)share[i]))
        i++;
    if (share[i] == '\0')
        return "messages have the topic itself, and only filters begin with $share/";
    return from == g->n ? "no topic is empty" : NULL;
}

/* + must be a level of its own, # the last one (MQTT 4.7.1). */
static const char *filter_fault(const struct lint_glob *g, size_t from)
{
    for (size_t i = from; i < g->n; i++) {
        const bool plus = is_byte(g, i, '+'), hash = is_byte(g, i, '#');
        const struct lint_sym *const next = i + 1 < g->n ? &g->syms[i + 1] : NULL;

        if (!plus && !hash)
            continue;
        if (i > from && g->syms[i - 1].kind == LINT_BYTE && g->syms[i - 1].c != '/')
            return "in a topic filter + and # stand behind a / or at the beginning";
        if (hash && next != NULL && takes_room(next))
            return "in a topic filter nothing follows #";
        if (plus && next != NULL && next->kind == LINT_BYTE && next->c != '/')
            return "in a topic filter + is a level of its own";
    }
    return from == g->n ? "no topic filter is empty" : NULL;
}

static const struct {
    unsigned asked_by;
    const char *(*fault)(const struct lint_glob *g, size_t from);
    const char *cure;
} name_rules[] = {
    [LINT_CLIENT] = { LINT_BIT(PROV_ACT_CONNECT), client_fault,
                      "client/ and 1 to 128 bytes that do not begin with $, or *" },
    [LINT_TOPIC] = { LINT_TOPIC_ACTIONS, topic_fault,
                     "topic/ and the topic as it is published, or * for any" },
    [LINT_FILTER] = { LINT_BIT(PROV_ACT_SUBSCRIBE), filter_fault,
                      "topicfilter/ and a filter such as a/+/b or a/#; * stands for "
                      "any text, + and # included" },
};

void prov_lint_name_never(struct lint *l, const struct lint_stmt *s)
{
    struct prov_policy_warning *w;
    struct lint_place p;
    const char *fault;

    for (size_t i = 0; i < s->n_resources; i++) {
        const struct lint_resource *const r = &s->resources[i];

        for (unsigned k = 0; k < PROV_COUNT(name_rules); k++) {
            const size_t from = prov_lint_name(&r->glob, (enum lint_kind)k);

            if (from == 0 || r->kinds == 0 || (s->ast->actions & name_rules[k].asked_by) == 0)
                continue;
            fault = name_rules[k].fault(&r->glob, from);
            if (fault == NULL)
                continue;
            prov_lint_at_resource(l, s, i, &p);
            w = prov_lint_warn(l, &p, "%s: %s", fault, prov_lint_consequence(s));
            prov_lint_cure(w, "%s", name_rules[k].cure);
        }
    }
}

/* ---- wildcards where there are none ---------------------------------------------------------- */

static void wildcard(struct lint *l, const struct lint_place *p, struct prov_span text)
{
    struct prov_policy_warning *w;
    struct prov_buf right;

    prov_buf_init(&right, text.n + 1);
    prov_lint_unwild(&right, text);
    if (right.rc == PROV_OK && prov_span_eq(prov_buf_span(&right), text)) {
        prov_buf_release(&right);
        return;
    }
    w = prov_lint_warn(l, p,
                       "+ and # are no wildcards in a policy, and no topic has them: it matches "
                       "nothing");
    prov_lint_cure_text(l, w, "", &right, "", "* stands for any text");
}

/* Values compared with the Will's topic are topics, too. */
static void will_wildcards(struct lint *l, const struct lint_stmt *s, const struct lint_cond *c)
{
    const cJSON *v = prov_pol_first(c->key);
    struct lint_place p;

    for (size_t i = 0; v != NULL; i++, v = prov_pol_next(c->key, v)) {
        prov_lint_at_value(l, s, c, i, &p);
        if (cJSON_IsString(v))
            wildcard(l, &p, prov_span_str(v->valuestring));
    }
}

void prov_lint_topic_wildcard(struct lint *l, const struct lint_stmt *s)
{
    struct lint_place p;

    for (size_t i = 0; i < s->n_resources && (s->ast->actions & LINT_TOPIC_ACTIONS) != 0; i++) {
        if (prov_lint_name(&s->resources[i].glob, LINT_TOPIC) == 0)
            continue;
        prov_lint_at_resource(l, s, i, &p);
        wildcard(l, &p, s->resources[i].text);
    }
    for (size_t i = 0; i < s->n_conds; i++) {
        if (l->doc->vars[s->conds[i].ast->var].kind == POL_LAST_WILL)
            will_wildcards(l, s, &s->conds[i]);
    }
}
