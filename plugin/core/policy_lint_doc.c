#include "policy_lint_priv.h"

static bool asks(const struct lint_stmt *s, enum prov_action action)
{
    return (s->ast->actions & LINT_BIT(action)) != 0;
}

/* Does any statement allow the action for a name that matches? NotResource is taken to do so. */
static bool may_allow(const struct lint *l, enum prov_action action, const struct lint_glob *name)
{
    const enum lint_kind kind = (enum lint_kind)prov_pol_kind(action);

    for (size_t i = 0; i < l->n_stmts; i++) {
        const struct lint_stmt *const s = &l->stmts[i];

        if (s->ast->deny || !asks(s, action))
            continue;
        if (s->ast->not_resource)
            return true;
        for (size_t k = 0; k < s->n_resources; k++) {
            if (prov_lint_can_name(&s->resources[k].glob, kind, NULL, name))
                return true;
        }
    }
    return false;
}

/* ---- create-from-csr ------------------------------------------------------------------------- */

#define CREATE "$aws/certificates/create/"
#define CREATE_FROM_CSR "$aws/certificates/create-from-csr/"

/* All of create/…, which reads as if it were both ways to a certificate. */
static bool is_create_all(const struct lint_glob *g, enum lint_kind kind)
{
    const struct prov_span create = PROV_LIT(CREATE);
    const size_t from = prov_lint_name(g, kind);

    if (from == 0 || g->n - from <= create.n || g->syms[from + create.n].kind != LINT_STAR)
        return false;
    for (size_t i = 0; i < create.n; i++) {
        if (g->syms[from + i].kind != LINT_BYTE || g->syms[from + i].c != create.p[i])
            return false;
    }
    return true;
}

static bool allows_csr(const struct lint *l, enum prov_action action)
{
    struct lint_target t;

    prov_lint_start(&t);
    prov_lint_str(&t.glob, CREATE_FROM_CSR);
    prov_lint_star(&t.glob, LINT_ANY);
    return may_allow(l, action, &t.glob);
}

static void put_csr(struct prov_buf *out, struct prov_span arn)
{
    const uint8_t *const found = memmem(arn.p, arn.n, CREATE, sizeof CREATE - 1);

    if (found != NULL)
        prov_lint_splice(out, arn, prov_span(found, sizeof CREATE - 1), PROV_LIT(CREATE_FROM_CSR));
}

void prov_lint_create_from_csr(struct lint *l, const struct lint_stmt *s)
{
    static const enum prov_action actions[] = { PROV_ACT_PUBLISH, PROV_ACT_RECEIVE,
                                                PROV_ACT_SUBSCRIBE };
    struct prov_policy_warning *w;
    struct lint_place p;
    struct prov_buf arn;

    if (s->ast->deny || s->ast->not_resource)
        return;
    for (size_t i = 0; i < s->n_resources; i++) {
        unsigned lacking = 0;

        for (size_t a = 0; a < PROV_COUNT(actions); a++) {
            if (asks(s, actions[a]) &&
                is_create_all(&s->resources[i].glob, (enum lint_kind)prov_pol_kind(actions[a])) &&
                !allows_csr(l, actions[a]))
                lacking |= LINT_BIT(actions[a]);
        }
        if (lacking == 0)
            continue;
        prov_lint_at_resource(l, s, i, &p);
        w = prov_lint_warn(l, &p, "create/* is not create-from-csr/…, for which nothing allows %s",
                           prov_lint_actions(lacking).s);
        prov_buf_init(&arn, LINT_CURE_MAX);
        put_csr(&arn, s->resources[i].text);
        prov_lint_cure_text(l, w, "", &arn, " beside it, unless devices never send a CSR",
                            "the same with create-from-csr/* beside it");
    }
}

/* ---- what is denied again -------------------------------------------------------------------- */

static bool has_var(const struct lint_glob *g)
{
    for (size_t i = 0; i < g->n; i++) {
        if (g->syms[i].kind == LINT_VAR)
            return true;
    }
    return g->cut;
}

/* Does the unconditional Deny match all that the pattern does? */
static bool deny_covers(const struct lint_stmt *deny, const struct lint_glob *g)
{
    for (size_t i = 0; i < deny->n_resources; i++) {
        const struct lint_glob *const r = &deny->resources[i].glob;

        if (!deny->ast->not_resource && prov_lint_covers(r, g))
            return true;
        /* without the variable's value such a Deny matches nothing */
        if (deny->ast->not_resource && (!r->parts || has_var(r) || prov_lint_meet(r, g, false)))
            return false;
    }
    return deny->ast->not_resource;
}

/* The statement that denies the action for all that the resource matches; NULL when none does. */
static const struct lint_stmt *denied_by(const struct lint *l, enum prov_action action,
                                         const struct lint_resource *r)
{
    struct lint_target every;

    prov_lint_start(&every);
    prov_lint_head(&every.glob, 0, l->scope);
    prov_lint_str(&every.glob, prov_lint_type((enum lint_kind)prov_pol_kind(action)));
    prov_lint_star(&every.glob, LINT_ANY);
    for (size_t i = 0; i < l->n_stmts; i++) {
        const struct lint_stmt *const s = &l->stmts[i];

        if (s->ast->deny && asks(s, action) && s->n_conds == 0 &&
            (deny_covers(s, &r->glob) || deny_covers(s, &every.glob)))
            return s;
    }
    return NULL;
}

/* Is the resource denied for every action of the statement that it is for? */
static const struct lint_stmt *resource_denied(const struct lint *l, const struct lint_stmt *s,
                                               const struct lint_resource *r)
{
    const struct lint_stmt *by = NULL;

    for (unsigned a = 0; a < PROV_ACTIONS; a++) {
        const unsigned kind = prov_pol_kind((enum prov_action)a);

        if (!asks(s, (enum prov_action)a) || (r->kinds & LINT_BIT(kind)) == 0)
            continue;
        by = denied_by(l, (enum prov_action)a, r);
        if (by == NULL)
            return NULL;
    }
    return by;
}

static void warn_denied(struct lint *l, const struct lint_place *p, const struct lint_stmt *by,
                        const char *what)
{
    struct prov_policy_warning *const w =
        prov_lint_warn(l, p, "all that the %s allows is denied by Statement[%zu], and a Deny wins",
                       what, by->index);

    prov_lint_cure(w, "take it out, or make the Deny narrower (NotResource, a condition)");
}

void prov_lint_dead_allow(struct lint *l, const struct lint_stmt *s)
{
    const struct lint_stmt *by = NULL;
    struct lint_place p;
    size_t dead = 0;

    if (s->ast->deny || s->ast->not_resource)
        return;
    for (size_t i = 0; i < s->n_resources; i++) {
        const struct lint_stmt *const denied = resource_denied(l, s, &s->resources[i]);

        by = denied != NULL ? denied : by;
        dead += denied != NULL;
    }
    if (dead == s->n_resources && dead != 0) {
        prov_lint_at_stmt(l, s, &p);
        warn_denied(l, &p, by, "statement");
        return;
    }
    for (size_t i = 0; i < s->n_resources && dead != 0; i++) {
        by = resource_denied(l, s, &s->resources[i]);
        if (by == NULL)
            continue;
        prov_lint_at_resource(l, s, i, &p);
        warn_denied(l, &p, by, "resource");
    }
}

/* ---- actions that need each other ------------------------------------------------------------ */

/* "$share/<group>/" is no part of the topics that come; where it ends. */
static size_t skip_share(const struct lint_glob *g, size_t from)
{
    const struct prov_span share = PROV_LIT("$share/");
    size_t i = 0;

    while (i < share.n && from + i < g->n && g->syms[from + i].kind == LINT_BYTE &&
           g->syms[from + i].c == share.p[i])
        i++;
    if (i < share.n)
        return from;
    for (i += from; i < g->n; i++) {
        if (g->syms[i].kind == LINT_STAR)
            return g->n; /* it may go on beyond the group */
        if (g->syms[i].kind == LINT_BYTE && g->syms[i].c == '/')
            return i + 1;
    }
    return g->n;
}

static bool may_be_hash(const struct lint_glob *filter, size_t from)
{
    const struct lint_glob rest = { .syms = filter->syms + from, .n = filter->n - from };
    struct lint_target hash;

    prov_lint_start(&hash);
    prov_lint_str(&hash.glob, "#");
    return prov_lint_meet(&rest, &hash.glob, false);
}

/* The topics of all filters that the pattern matches; at least those. */
static void topics_of(const struct lint_glob *filter, size_t from, struct lint_glob *out)
{
    for (size_t i = from; i < filter->n; i++) {
        const struct lint_sym *const s = &filter->syms[i];
        const bool byte = s->kind == LINT_BYTE;

        if (byte && s->c == '/' && may_be_hash(filter, i + 1))
            continue; /* a/# is for the topic a as well */
        if (!byte || s->c == '#')
            prov_lint_star(out, LINT_ANY);
        else if (s->c == '+')
            prov_lint_star(out, LINT_NO_SLASH);
        else
            prov_lint_byte(out, s->c);
    }
}

void prov_lint_receive_missing(struct lint *l, const struct lint_stmt *s)
{
    struct prov_policy_warning *w;
    struct lint_target topics;
    struct lint_place p;
    struct prov_buf arn;

    if (s->ast->deny || s->ast->not_resource || !asks(s, PROV_ACT_SUBSCRIBE))
        return;
    for (size_t i = 0; i < s->n_resources; i++) {
        const struct lint_glob *const g = &s->resources[i].glob;
        const size_t name = prov_lint_name(g, LINT_FILTER);
        const size_t from = name == 0 ? 0 : skip_share(g, name);

        prov_lint_start(&topics);
        topics_of(g, from, &topics.glob);
        if (name == 0 || from == g->n || may_allow(l, PROV_ACT_RECEIVE, &topics.glob))
            continue;
        prov_lint_at_resource(l, s, i, &p);
        w = prov_lint_warn(l, &p,
                           "subscribed and never delivered: nothing allows iot:Receive for these "
                           "topics, unless another policy of the same device does");
        prov_buf_init(&arn, LINT_CURE_MAX);
        if (from == name)
            (void)prov_lint_retype(&arn, s->resources[i].text, LINT_FILTER, LINT_TOPIC);
        prov_lint_cure_text(l, w,
                            "{\"Effect\":\"Allow\",\"Action\":\"iot:Receive\",\"Resource\":", &arn,
                            "} beside it", "an Allow of iot:Receive for the topics");
    }
}

/* Does any statement allow to publish what the resource is about? */
static bool may_publish(const struct lint *l, const struct lint_resource *r)
{
    const size_t from = prov_lint_name(&r->glob, LINT_TOPIC);
    const struct lint_glob name = { .syms = r->glob.syms + from, .n = r->glob.n - from };

    return from == 0 || may_allow(l, PROV_ACT_PUBLISH, &name);
}

void prov_lint_retain_alone(struct lint *l, const struct lint_stmt *s)
{
    struct prov_policy_warning *w;
    struct lint_place p;

    if (s->ast->deny || s->ast->not_resource || !asks(s, PROV_ACT_RETAIN_PUBLISH))
        return;
    for (size_t i = 0; i < s->n_resources; i++) {
        if (may_publish(l, &s->resources[i]))
            continue;
        prov_lint_at_resource(l, s, i, &p);
        w = prov_lint_warn(l, &p,
                           "iot:RetainPublish allows nothing without iot:Publish for the same "
                           "topic, unless another policy of the same device has it");
        prov_lint_cure(w, "\"Action\": [\"iot:Publish\", \"iot:RetainPublish\"]");
    }
}

/* ---- everything allowed ---------------------------------------------------------------------- */

static bool is_open_for(const struct lint *l, const struct lint_glob *g, enum prov_action action)
{
    struct lint_target every;

    prov_lint_start(&every);
    prov_lint_head(&every.glob, 0, l->scope);
    prov_lint_str(&every.glob, prov_lint_type((enum lint_kind)prov_pol_kind(action)));
    prov_lint_star(&every.glob, LINT_ANY);
    return prov_lint_covers(g, &every.glob);
}

/* The first resource of the statement that allows the action for every name; n_resources: none. */
static size_t open_resource(const struct lint *l, const struct lint_stmt *s,
                            enum prov_action action)
{
    size_t i = 0;

    if (s->ast->deny || s->ast->not_resource || s->n_conds != 0 || !asks(s, action))
        return s->n_resources;
    while (i < s->n_resources && !is_open_for(l, &s->resources[i].glob, action))
        i++;
    return i;
}

static bool is_open(const struct lint *l, enum prov_action action)
{
    for (size_t i = 0; i < l->n_stmts; i++) {
        if (open_resource(l, &l->stmts[i], action) < l->stmts[i].n_resources)
            return true;
    }
    return false;
}

/* A Deny of connects is what such a policy may rest on. */
static bool denies_connects(const struct lint *l)
{
    for (size_t i = 0; i < l->n_stmts; i++) {
        if (l->stmts[i].ast->deny && asks(&l->stmts[i], PROV_ACT_CONNECT))
            return true;
    }
    return false;
}

void prov_lint_allow_all(struct lint *l, const struct lint_stmt *s)
{
    const size_t i = open_resource(l, s, PROV_ACT_CONNECT);
    struct prov_policy_warning *w;
    struct lint_place p;

    if (i == s->n_resources || !is_open(l, PROV_ACT_PUBLISH) || !is_open(l, PROV_ACT_SUBSCRIBE) ||
        !is_open(l, PROV_ACT_RECEIVE) || denies_connects(l))
        return;
    prov_lint_at_resource(l, s, i, &p);
    w = prov_lint_warn(l, &p,
                       "every device may take any client id, and read and write every topic");
    prov_lint_cure(w, "iot:Connect for \"arn:aws:iot:*:*:client/${iot:Connection.Thing.ThingName}\""
                      ", and topics such as \"arn:aws:iot:*:*:topic/"
                      "${iot:Connection.Thing.ThingName}/*\"");
}
