#include "names.h"
#include "plan_priv.h"

struct preview {
    const struct prov_plan *plan;
    struct prov_plan_overrides on;
    void (*visit)(void *ctx, const struct prov_plan_step *step);
    void *ctx;
    struct prov_tx tx; /* with an err of its own, for the words of refusals */
    struct prov_err err;
    /* as they would be after the steps so far */
    struct prov_thing thing;
    struct prov_cert cert;
    bool existed; /* the thing did before */
    char made[PROV_MAX_CERT_POLICIES][PROV_PLAN_POLICY_NAME + 1];
};

static struct prov_span text(const char *s)
{
    return prov_span_str(s);
}

static bool transient(enum prov_rc rc)
{
    return rc == PROV_ESTORE || rc == PROV_ENOMEM || rc == PROV_EBUG;
}

/* Tells of a step; rc is what its rule said. */
static enum prov_rc tell(struct preview *p, enum prov_rc rc, struct prov_plan_step step)
{
    if (transient(rc))
        return rc;
    if (rc != PROV_OK) {
        step.effect = PROV_EFFECT_REFUSED;
        step.why = &p->err;
    }
    p->visit(p->ctx, &step);
    return PROV_OK;
}

/* ---- the thing ------------------------------------------------------------------------------- */

static enum prov_rc preview_name(struct preview *p)
{
    const struct prov_span name = text(p->plan->thing_name);
    struct prov_plan_step step = { .part = PROV_PART_THING, .name = name };
    enum prov_rc rc;

    rc = prov_thing_get(&p->tx, name, &p->thing);
    p->existed = rc == PROV_OK;
    if (rc == PROV_ENOTFOUND) {
        p->thing = (struct prov_thing){ .name = name };
        step.effect = PROV_EFFECT_CREATED;
        rc = prov_name_check(PROV_NAME_THING, name, &p->err);
    }
    return tell(p, rc, step);
}

static enum prov_rc preview_type(struct preview *p)
{
    const struct prov_span type = text(p->plan->thing_type), was = p->thing.type;
    struct prov_plan_step step = {
        .part = PROV_PART_TYPE, .effect = PROV_EFFECT_NONE, .name = type, .was = was
    };
    enum prov_rc rc = PROV_OK;

    if (p->plan->thing_type == NULL)
        return PROV_OK;
    if (p->existed && p->on.type == PROV_FAIL) {
        rc = prov_plan_exists(&p->tx, "ThingTypeName", p->plan->thing_name);
    } else if (p->existed && p->on.type == PROV_DO_NOTHING) {
        step.effect = PROV_EFFECT_KEPT;
    } else if (!prov_span_eq(was, type)) {
        step.effect = was.n != 0 ? PROV_EFFECT_CHANGED : PROV_EFFECT_SET;
        rc = reg_type_usable(&p->tx, type);
        p->thing.type = type;
    }
    return tell(p, rc, step);
}

static const struct prov_attr *find(const struct prov_attr *attrs, size_t n, struct prov_span name)
{
    for (size_t i = 0; i < n; i++) {
        if (prov_span_eq(attrs[i].name, name))
            return &attrs[i];
    }
    return NULL;
}

/* What becomes of one attribute that was so, and is to be so (empty: not to be there). */
static enum prov_plan_effect attr_effect(const struct prov_attr *was, struct prov_span now)
{
    if (was == NULL)
        return now.n != 0 ? PROV_EFFECT_SET : PROV_EFFECT_NONE;
    if (now.n == 0)
        return PROV_EFFECT_REMOVED;
    return prov_span_eq(was->value, now) ? PROV_EFFECT_NONE : PROV_EFFECT_CHANGED;
}

static enum prov_rc tell_attrs(struct preview *p, const struct prov_attr *attrs,
                               const struct prov_attr *old, size_t n_old)
{
    const bool kept = p->existed && p->on.attrs == PROV_DO_NOTHING;
    struct prov_plan_step step = { .part = PROV_PART_ATTRIBUTE };
    enum prov_rc rc = PROV_OK;

    for (size_t i = 0; rc == PROV_OK && i < p->plan->n_attrs; i++) {
        const struct prov_attr *was = find(old, n_old, attrs[i].name);

        step.name = attrs[i].name;
        step.now = attrs[i].value;
        step.was = was != NULL ? was->value : prov_span(NULL, 0);
        step.effect = kept ? PROV_EFFECT_KEPT : attr_effect(was, step.now);
        rc = tell(p, PROV_OK, step);
    }
    step.now = prov_span(NULL, 0);
    step.effect = PROV_EFFECT_REMOVED;
    for (size_t i = 0; rc == PROV_OK && i < n_old && p->on.attrs == PROV_REPLACE; i++) {
        step.name = old[i].name;
        step.was = old[i].value;
        if (find(attrs, p->plan->n_attrs, step.name) == NULL)
            rc = tell(p, PROV_OK, step);
    }
    return rc;
}

/* The limits are those of all attributes together, so a refusal names none. */
static enum prov_rc preview_attrs(struct preview *p)
{
    const struct prov_plan_step all = { .part = PROV_PART_ATTRIBUTE };
    struct prov_attr attrs[PROV_MAX_ATTRS], old[PROV_MAX_ATTRS];
    const size_t n_old = p->thing.n_attrs;
    enum prov_rc rc;

    if (!p->plan->has_attrs)
        return PROV_OK;
    if (p->existed && p->on.attrs == PROV_FAIL)
        return tell(p, prov_plan_exists(&p->tx, "AttributePayload", p->plan->thing_name), all);
    memcpy(old, p->thing.attrs, sizeof old);
    rc = prov_plan_attrs(&p->tx, p->plan, attrs);
    if (rc == PROV_OK && !(p->existed && p->on.attrs == PROV_DO_NOTHING)) {
        if (p->on.attrs == PROV_REPLACE)
            p->thing.n_attrs = 0;
        rc = reg_attrs_set(&p->tx, &p->thing, attrs, p->plan->n_attrs);
        if (rc == PROV_OK)
            rc = reg_attrs_check(&p->tx, p->thing.attrs, p->thing.n_attrs, p->thing.type.n != 0);
    }
    return rc != PROV_OK ? tell(p, rc, all) : tell_attrs(p, attrs, old, n_old);
}

static enum prov_rc leave_groups(struct preview *p)
{
    struct prov_plan_step step = { .part = PROV_PART_GROUP, .effect = PROV_EFFECT_REMOVED };
    enum prov_rc rc = PROV_OK;
    size_t kept = 0;

    for (size_t i = 0; rc == PROV_OK && i < p->thing.n_groups; i++) {
        step.name = p->thing.groups[i];
        if (prov_plan_has_group(p->plan, step.name))
            p->thing.groups[kept++] = step.name;
        else
            rc = tell(p, PROV_OK, step);
    }
    p->thing.n_groups = kept;
    return rc;
}

static enum prov_rc join_group(struct preview *p, struct prov_span name)
{
    struct prov_plan_step step = { .part = PROV_PART_GROUP, .name = name };
    struct prov_group group;
    enum prov_rc rc = PROV_OK;

    if (p->existed && p->on.groups == PROV_DO_NOTHING) {
        step.effect = PROV_EFFECT_KEPT;
    } else if (!reg_has(p->thing.groups, p->thing.n_groups, name)) {
        step.effect = PROV_EFFECT_SET;
        rc = prov_group_get(&p->tx, name, &group);
        if (rc == PROV_OK)
            rc = reg_group_joinable(&p->tx, &p->thing, name);
        if (rc == PROV_OK)
            p->thing.groups[p->thing.n_groups++] = name;
    }
    return tell(p, rc, step);
}

static enum prov_rc preview_groups(struct preview *p)
{
    const struct prov_plan_step all = { .part = PROV_PART_GROUP };
    enum prov_rc rc = PROV_OK;

    if (!p->plan->has_groups)
        return PROV_OK;
    if (p->existed && p->on.groups == PROV_FAIL)
        return tell(p, prov_plan_exists(&p->tx, "ThingGroups", p->plan->thing_name), all);
    if (p->existed && p->on.groups == PROV_REPLACE)
        rc = leave_groups(p);
    for (size_t i = 0; rc == PROV_OK && i < p->plan->n_groups; i++)
        rc = join_group(p, text(p->plan->groups[i]));
    return rc;
}

static enum prov_rc preview_billing_group(struct preview *p)
{
    const struct prov_span name = text(p->plan->billing_group), was = p->thing.billing_group;
    struct prov_plan_step step = { .part = PROV_PART_BILLING_GROUP, .name = name, .was = was };
    struct prov_billing_group found;
    enum prov_rc rc = PROV_OK;

    if (p->plan->billing_group == NULL)
        return PROV_OK;
    if (p->existed && p->on.billing_group == PROV_FAIL) {
        rc = prov_plan_exists(&p->tx, "BillingGroup", p->plan->thing_name);
    } else if (p->existed && p->on.billing_group == PROV_DO_NOTHING) {
        step.effect = PROV_EFFECT_KEPT;
    } else {
        rc = prov_billing_get(&p->tx, name, &found);
        if (!prov_span_eq(was, name))
            step.effect = was.n != 0 ? PROV_EFFECT_CHANGED : PROV_EFFECT_SET;
    }
    return tell(p, rc, step);
}

static enum prov_rc preview_thing(struct preview *p)
{
    static enum prov_rc (*const parts[])(struct preview * p) = {
        preview_name, preview_type, preview_attrs, preview_groups, preview_billing_group,
    };
    enum prov_rc rc = PROV_OK;

    for (size_t i = 0; rc == PROV_OK && i < PROV_COUNT(parts); i++)
        rc = parts[i](p);
    return rc;
}

/* ---- policies and the certificate ------------------------------------------------------------ */

static enum prov_rc sound_document(struct preview *p, const char *document)
{
    struct prov_policy_doc *doc = NULL;
    const enum prov_rc rc = prov_policy_parse(text(document), &doc, &p->err);

    prov_policy_doc_unref(doc);
    return rc;
}

static enum prov_rc preview_policy(struct preview *p, size_t i)
{
    const struct prov_plan_policy *policy = &p->plan->policies[i];
    struct prov_plan_step step = { .part = PROV_PART_POLICY, .effect = PROV_EFFECT_SET };
    struct prov_policy_info found;
    enum prov_rc rc = PROV_OK;

    step.name = text(policy->name);
    step.now = text(policy->document);
    if (policy->name == NULL) {
        if (prov_plan_policy_name(step.now, p->made[i]) != PROV_OK)
            return prov_nomem(&p->err);
        step.name = text(p->made[i]);
    }
    if (reg_has(p->cert.policies, p->cert.n_policies, step.name)) {
        step.effect = PROV_EFFECT_NONE;
        return tell(p, PROV_OK, step);
    }
    rc = prov_policy_get(&p->tx, step.name, &found);
    if (rc == PROV_ENOTFOUND && policy->name == NULL) {
        step.effect = PROV_EFFECT_CREATED;
        rc = sound_document(p, policy->document);
    }
    if (rc == PROV_OK && p->cert.n_policies == PROV_MAX_CERT_POLICIES)
        rc = prov_fail(&p->err, PROV_ETOOBIG, REG_LIMIT, "the certificate has %d policies already",
                       PROV_MAX_CERT_POLICIES);
    if (rc == PROV_OK)
        p->cert.policies[p->cert.n_policies++] = step.name;
    return tell(p, rc, step);
}

static const char *kind_name(bool exclusive)
{
    return exclusive ? "EXCLUSIVE_THING" : "NON_EXCLUSIVE_THING";
}

static enum prov_rc preview_attachment(struct preview *p)
{
    const struct prov_cert *cert = &p->cert;
    const bool attached = reg_has(cert->things, cert->n_things, p->thing.name);
    const bool exclusive = reg_attached_as(cert, p->thing.name, p->plan->attach);
    struct prov_plan_step step = {
        .part = PROV_PART_ATTACHMENT,
        .effect = PROV_EFFECT_SET,
        .name = p->thing.name,
        .now = text(kind_name(exclusive)),
    };

    if (attached) {
        step.was = text(kind_name(cert->exclusive));
        step.effect = exclusive == cert->exclusive ? PROV_EFFECT_NONE : PROV_EFFECT_CHANGED;
    }
    return tell(p, reg_attachable(&p->tx, cert, &p->thing, p->plan->attach), step);
}

static enum prov_rc preview_status(struct preview *p)
{
    const enum prov_cert_status was = p->cert.status;
    const enum prov_cert_status now = p->plan->activate ? PROV_CERT_ACTIVE : PROV_CERT_INACTIVE;
    struct prov_plan_step step = {
        .part = PROV_PART_STATUS,
        .effect = was == now ? PROV_EFFECT_NONE : PROV_EFFECT_CHANGED,
        .now = text(prov_cert_status_name(now)),
        .was = text(prov_cert_status_name(was)),
    };

    if (p->plan->certificate_id == NULL)
        return PROV_OK;
    if (was != PROV_CERT_PENDING_ACTIVATION && p->on.status == PROV_FAIL)
        return tell(p, prov_plan_active(&p->tx, was), step);
    if (was != PROV_CERT_PENDING_ACTIVATION && p->on.status == PROV_DO_NOTHING) {
        step.effect = PROV_EFFECT_KEPT;
        return tell(p, PROV_OK, step);
    }
    return tell(p, reg_status_reachable(&p->tx, was, now), step);
}

static enum prov_rc preview_certificate(struct preview *p, const struct prov_id *id)
{
    const struct prov_plan_step other = { .part = PROV_PART_STATUS };
    enum prov_rc rc;

    rc = prov_cert_get(&p->tx, id, &p->cert);
    if (rc == PROV_ENOTFOUND) {
        p->cert = (struct prov_cert){ .id = *id, .status = PROV_CERT_PENDING_ACTIVATION };
        rc = PROV_OK;
    }
    for (size_t i = 0; rc == PROV_OK && i < p->plan->n_policies; i++)
        rc = preview_policy(p, i);
    if (rc == PROV_OK && p->plan->thing_name != NULL)
        rc = preview_attachment(p);
    if (rc != PROV_OK)
        return rc;
    rc = prov_plan_is_for(&p->tx, p->plan, id);
    return rc != PROV_OK ? tell(p, rc, other) : preview_status(p);
}

enum prov_rc prov_plan_preview(struct prov_tx *tx, const struct prov_id *cert,
                               const struct prov_plan *plan,
                               void (*visit)(void *ctx, const struct prov_plan_step *step),
                               void *ctx)
{
    struct preview p = {
        .plan = plan, .on = prov_plan_overrides(plan), .visit = visit, .ctx = ctx
    };
    enum prov_rc rc = PROV_OK;

    p.tx = (struct prov_tx){ tx->txn, tx->now_ms, &p.err };
    if (plan->thing_name != NULL)
        rc = preview_thing(&p);
    if (rc == PROV_OK)
        rc = preview_certificate(&p, cert);
    if (rc != PROV_OK && tx->err != NULL)
        *tx->err = p.err;
    return rc;
}
