#include "policy_lint_priv.h"

/* Of AWS IoT, asked over HTTPS alone (reference 8.2). */
static const struct {
    const char *name;
    unsigned kinds;
} https[] = {
    { "iot:GetRetainedMessage", LINT_BIT(LINT_TOPIC) },
    { "iot:ListRetainedMessages", LINT_ALL_KINDS },
    { "iot:DeleteConnection", LINT_BIT(LINT_CLIENT) },
    { "iot:GetConnection", LINT_BIT(LINT_CLIENT) },
    { "iot:ListSubscriptions", LINT_BIT(LINT_CLIENT) },
    { "iot:SendDirectMessage", LINT_BIT(LINT_CLIENT) | LINT_BIT(LINT_TOPIC) },
    { "iot:GetThingShadow", LINT_BIT(LINT_THING) },
    { "iot:UpdateThingShadow", LINT_BIT(LINT_THING) },
    { "iot:DeleteThingShadow", LINT_BIT(LINT_THING) },
    { "iot:ListNamedShadowsForThing", LINT_BIT(LINT_THING) },
    { "iot:AssumeRoleWithCertificate", LINT_BIT(LINT_ROLE_ALIAS) },
};

static bool is_of_iot(struct prov_span s)
{
    const struct prov_span iot = PROV_LIT("iot:");

    return s.n >= iot.n && prov_span_eq_nocase(prov_span(s.p, iot.n), iot);
}

static bool names(const struct pol_pat *pat, const char *action)
{
    const struct pol_text text = { .tail = prov_span_str(action) };

    return prov_pol_match(NULL, pat, &text, true) == POL_HIT;
}

void prov_lint_action(struct lint *l, struct prov_span text, struct lint_action *out)
{
    struct pol_src src = { .text = l->text, .doc = l->doc };
    struct pol_pat pat;

    *out = (struct lint_action){ .text = text, .known = LINT_UNKNOWN };
    if (!is_of_iot(text) && !prov_span_eq_str(text, "*")) {
        out->known = LINT_AWS; /* the grammar lets only services of AWS IoT through */
        out->kinds = LINT_ALL_KINDS;
        return;
    }
    if (prov_pol_pat_parse(&src, NULL, text, true, &pat) != PROV_OK) {
        l->rc = PROV_ENOMEM; /* the grammar was right once already */
        return;
    }
    for (size_t i = 0; i < PROV_COUNT(https); i++) {
        if (!names(&pat, https[i].name))
            continue;
        out->known = LINT_AWS;
        out->kinds |= https[i].kinds;
    }
    for (unsigned a = 0; a < PROV_ACTIONS; a++) {
        if (!names(&pat, prov_action_name((enum prov_action)a)))
            continue;
        out->known = LINT_MQTT;
        out->mask |= LINT_BIT(a);
        out->kinds |= LINT_BIT(prov_pol_kind((enum prov_action)a));
    }
    if (out->known == LINT_UNKNOWN)
        out->kinds = LINT_ALL_KINDS; /* whatever was meant */
}

/* ---- names of actions ------------------------------------------------------------------------ */

static const char *nearest_action(const struct lint_action *a)
{
    const size_t skip = strlen("iot:");
    const struct prov_span name = prov_span(a->text.p + skip, a->text.n - skip);
    const char *words[PROV_ACTIONS];

    if (prov_span_eq_nocase(name, PROV_LIT("PublishRetain")))
        return "RetainPublish"; /* AWS's own quick start has it the wrong way round */
    for (unsigned i = 0; i < PROV_ACTIONS; i++)
        words[i] = prov_action_name((enum prov_action)i) + skip;
    return prov_lint_nearest(name, words, PROV_ACTIONS);
}

void prov_lint_unknown_action(struct lint *l, const struct lint_stmt *s)
{
    struct prov_policy_warning *w;
    struct lint_place p;
    const char *best;

    for (size_t i = 0; i < s->n_actions; i++) {
        if (s->actions[i].known != LINT_UNKNOWN)
            continue;
        prov_lint_at_action(l, s, i, &p);
        w = prov_lint_warn(l, &p, "no operation asks for the action \"%s\"%s",
                           prov_pol_show(s->actions[i].text).s,
                           s->not_action ? ", so NotAction leaves nothing out by it" : "");
        best = nearest_action(&s->actions[i]);
        if (best != NULL)
            prov_lint_cure(w, "\"iot:%s\"", best);
        else
            prov_lint_cure(w, "devices ask for %s", prov_lint_actions(~0U).s);
    }
}

void prov_lint_other_action(struct lint *l, const struct lint_stmt *s)
{
    struct prov_policy_warning *w;
    struct lint_place p;

    for (size_t i = 0; i < s->n_actions; i++) {
        if (s->not_action || s->actions[i].known != LINT_AWS)
            return;
    }
    prov_lint_at_action(l, s, 0, &p);
    w = prov_lint_warn(l, &p,
                       "AWS IoT asks for \"%s\" over HTTPS, this broker never: here the statement "
                       "decides nothing",
                       prov_pol_show(s->actions[0].text).s);
    prov_lint_cure(w, "leave it if AWS IoT uses the policy as well; over MQTT it is %s that decide",
                   prov_lint_actions(~0U).s);
}

/* ---- actions and resources that do not meet -------------------------------------------------- */

static unsigned asked_kinds(const struct lint_stmt *s)
{
    unsigned kinds = 0;

    for (size_t i = 0; i < s->n_actions; i++)
        kinds |= s->actions[i].kinds;
    return kinds;
}

static unsigned resource_kinds(const struct lint_stmt *s)
{
    unsigned kinds = 0;

    for (size_t i = 0; i < s->n_resources; i++)
        kinds |= s->resources[i].kinds == 0 ? LINT_ALL_KINDS : s->resources[i].kinds;
    return kinds;
}

/* No action asks about it, though it is an ARN that one could ask about. All that NotAction does
 * not name is asked, and so about everything. */
static bool is_unasked(const struct lint_stmt *s, const struct lint_resource *r)
{
    return !s->not_action && r->kinds != 0 && (r->kinds & asked_kinds(s)) == 0;
}

static bool any_unasked(const struct lint_stmt *s)
{
    for (size_t i = 0; i < s->n_resources; i++) {
        if (is_unasked(s, &s->resources[i]))
            return true;
    }
    return false;
}

/* An action that every resource of the statement is nothing for. NotResource leaves it the rest. */
static bool is_without(const struct lint_stmt *s, const struct lint_action *a)
{
    return !s->not_action && !s->ast->not_resource && (a->kinds & resource_kinds(s)) == 0;
}

/*
 * The two ways to confuse topic/ and topicfilter/: `mask` are the actions of the statement that ask
 * about `right`, and they find `wrong`.
 */
static bool is_swapped(const struct lint_stmt *s, const struct lint_resource *r, unsigned mask,
                       enum lint_kind wrong)
{
    return (s->ast->actions & mask) != 0 && (r->kinds & LINT_BIT(wrong)) != 0;
}

static const char *const arn_forms[] = {
    [LINT_TOPIC] = "\"arn:aws:iot:*:*:topic/…\"",
    [LINT_FILTER] = "\"arn:aws:iot:*:*:topicfilter/…\"",
};

static void swapped_resource(struct lint *l, const struct lint_stmt *s, size_t i, unsigned mask,
                             enum lint_kind wrong, enum lint_kind right)
{
    struct prov_policy_warning *w;
    struct prov_buf arn;
    struct lint_place p;

    prov_lint_at_resource(l, s, i, &p);
    w = prov_lint_warn(l, &p, "%s is about %s…, not %s…, so %s",
                       prov_lint_actions(s->ast->actions & mask).s, prov_lint_type(right),
                       prov_lint_type(wrong), prov_lint_consequence(s));
    prov_buf_init(&arn, LINT_CURE_MAX);
    (void)prov_lint_retype(&arn, s->resources[i].text, wrong, right);
    prov_lint_cure_text(l, w, "", &arn, "", arn_forms[right]);
}

/* The resources are all used by other actions: one more is needed. */
static void swapped_action(struct lint *l, const struct lint_stmt *s, size_t i, size_t like,
                           enum lint_kind wrong, enum lint_kind right)
{
    struct prov_policy_warning *w;
    struct prov_buf arn;
    struct lint_place p;

    prov_lint_at_action(l, s, i, &p);
    w = prov_lint_warn(l, &p, "%s is about %s…, and the statement has no such resource",
                       prov_lint_actions(s->actions[i].mask).s, prov_lint_type(right));
    prov_buf_init(&arn, LINT_CURE_MAX);
    (void)prov_lint_retype(&arn, s->resources[like].text, wrong, right);
    prov_lint_cure_text(l, w, "", &arn, " beside the others", arn_forms[right]);
}

static size_t find_resource(const struct lint_stmt *s, enum lint_kind kind)
{
    size_t i = 0;

    while (i < s->n_resources && (s->resources[i].kinds & LINT_BIT(kind)) == 0)
        i++;
    return i;
}

static void swapped(struct lint *l, const struct lint_stmt *s, unsigned mask, enum lint_kind wrong,
                    enum lint_kind right)
{
    const size_t like = find_resource(s, wrong);

    for (size_t i = 0; i < s->n_resources; i++) {
        if (is_unasked(s, &s->resources[i]) && is_swapped(s, &s->resources[i], mask, wrong))
            swapped_resource(l, s, i, mask, wrong, right);
    }
    for (size_t i = 0; i < s->n_actions && like < s->n_resources && !any_unasked(s); i++) {
        if (is_without(s, &s->actions[i]) && (s->actions[i].mask & mask) != 0)
            swapped_action(l, s, i, like, wrong, right);
    }
}

void prov_lint_subscribe_topic(struct lint *l, const struct lint_stmt *s)
{
    swapped(l, s, LINT_BIT(PROV_ACT_SUBSCRIBE), LINT_TOPIC, LINT_FILTER);
}

void prov_lint_publish_topicfilter(struct lint *l, const struct lint_stmt *s)
{
    swapped(l, s, LINT_TOPIC_ACTIONS, LINT_FILTER, LINT_TOPIC);
}

static enum lint_kind first_kind(unsigned kinds)
{
    unsigned k = 0;

    while ((kinds & LINT_BIT(k)) == 0)
        k++;
    return (enum lint_kind)k;
}

static const char *const who_asks[LINT_KINDS] = {
    [LINT_CLIENT] = "iot:Connect asks about client/…: a statement of its own for it, or the action "
                    "beside the others",
    [LINT_TOPIC] = "iot:Publish, iot:RetainPublish and iot:Receive ask about topic/…: one of them "
                   "beside the others, or a statement of its own",
    [LINT_FILTER] = "iot:Subscribe asks about topicfilter/…: the action beside the others, or a "
                    "statement of its own",
    [LINT_THING] = "take it out; over MQTT nothing asks about thing/…, the topics decide",
    [LINT_ROLE_ALIAS] = "take it out; only iot:AssumeRoleWithCertificate asks about rolealias/…",
    [LINT_OTHER] = "take it out; only actions of its own service ask about it",
};

void prov_lint_resource_unasked(struct lint *l, const struct lint_stmt *s)
{
    struct prov_policy_warning *w;
    struct lint_place p;

    for (size_t i = 0; i < s->n_resources; i++) {
        const struct lint_resource *const r = &s->resources[i];

        if (!is_unasked(s, r) || is_swapped(s, r, LINT_BIT(PROV_ACT_SUBSCRIBE), LINT_TOPIC) ||
            is_swapped(s, r, LINT_TOPIC_ACTIONS, LINT_FILTER))
            continue;
        prov_lint_at_resource(l, s, i, &p);
        w = prov_lint_warn(l, &p, "no action of the statement asks about \"%s\", so %s",
                           prov_pol_show(r->text).s, prov_lint_consequence(s));
        prov_lint_cure(w, "%s", who_asks[first_kind(r->kinds)]);
    }
}

void prov_lint_action_without(struct lint *l, const struct lint_stmt *s)
{
    struct prov_policy_warning *w;
    struct lint_place p;

    for (size_t i = 0; i < s->n_actions && !any_unasked(s); i++) {
        const struct lint_action *const a = &s->actions[i];
        enum lint_kind kind;

        if (!is_without(s, a) ||
            ((a->mask & LINT_BIT(PROV_ACT_SUBSCRIBE)) != 0 &&
             find_resource(s, LINT_TOPIC) < s->n_resources) ||
            ((a->mask & LINT_TOPIC_ACTIONS) != 0 && find_resource(s, LINT_FILTER) < s->n_resources))
            continue;
        kind = first_kind(a->kinds);
        prov_lint_at_action(l, s, i, &p);
        w = prov_lint_warn(l, &p, "\"%s\" is about %s…, and the statement has no such resource",
                           prov_pol_show(a->text).s, prov_lint_type(kind));
        prov_lint_cure(w, "\"arn:aws:iot:*:*:%s%s\" beside the others", prov_lint_type(kind),
                       kind == LINT_CLIENT ? "${iot:Connection.Thing.ThingName}" : "…");
    }
}
