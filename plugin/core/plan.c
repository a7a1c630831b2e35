#include "plan_priv.h"

static struct prov_span text(const char *s)
{
    return prov_span_str(s);
}

enum prov_rc prov_plan_exists(struct prov_tx *tx, const char *property, const char *thing)
{
    return prov_fail(tx->err, PROV_ECONFLICT, "ResourceConflictsException",
                     "thing \"%s\" exists, and its OverrideSettings say FAIL for %s", thing,
                     property);
}

enum prov_rc prov_plan_active(struct prov_tx *tx, enum prov_cert_status status)
{
    return prov_fail(tx->err, PROV_ECONFLICT, "ResourceConflictsException",
                     "the certificate is %s already, and OverrideSettings say FAIL for Status",
                     prov_cert_status_name(status));
}

static enum prov_override or_else(enum prov_override given, enum prov_override fallback)
{
    return given == PROV_OVERRIDE_DEFAULT ? fallback : given;
}

struct prov_plan_overrides prov_plan_overrides(const struct prov_plan *plan)
{
    return (struct prov_plan_overrides){
        .attrs = or_else(plan->on_attrs, PROV_MERGE),
        .type = or_else(plan->on_type, PROV_REPLACE),
        .groups = or_else(plan->on_groups, PROV_DO_NOTHING),
        .billing_group = or_else(plan->on_billing_group, PROV_REPLACE),
        .status = or_else(plan->on_status, PROV_REPLACE),
    };
}

/* ---- things ---------------------------------------------------------------------------------- */

enum prov_rc prov_plan_attrs(struct prov_tx *tx, const struct prov_plan *plan,
                             struct prov_attr out[static PROV_MAX_ATTRS])
{
    if (plan->n_attrs > PROV_MAX_ATTRS)
        return prov_fail(tx->err, PROV_ETOOBIG, REG_INVALID, "more than %d attributes",
                         PROV_MAX_ATTRS);
    for (size_t i = 0; i < plan->n_attrs; i++)
        out[i] = (struct prov_attr){ text(plan->attrs[i].name), text(plan->attrs[i].value) };
    return PROV_OK;
}

static enum prov_rc check_fail_overrides(struct prov_tx *tx, const struct prov_plan *plan)
{
    if (plan->has_attrs && plan->on_attrs == PROV_FAIL)
        return prov_plan_exists(tx, "AttributePayload", plan->thing_name);
    if (plan->thing_type != NULL && plan->on_type == PROV_FAIL)
        return prov_plan_exists(tx, "ThingTypeName", plan->thing_name);
    if (plan->has_groups && plan->on_groups == PROV_FAIL)
        return prov_plan_exists(tx, "ThingGroups", plan->thing_name);
    if (plan->billing_group != NULL && plan->on_billing_group == PROV_FAIL)
        return prov_plan_exists(tx, "BillingGroup", plan->thing_name);
    return PROV_OK;
}

static enum prov_rc update_existing(struct prov_tx *tx, const struct prov_plan *plan,
                                    const struct prov_attr *attrs)
{
    const struct prov_plan_overrides on = prov_plan_overrides(plan);
    const struct prov_span type = text(plan->thing_type);
    struct prov_thing_change change = { 0 };

    if (plan->has_attrs && on.attrs != PROV_DO_NOTHING) {
        change.attrs = attrs;
        change.n_attrs = plan->n_attrs;
        change.set_attrs = true;
        change.merge = on.attrs == PROV_MERGE;
    }
    if (plan->thing_type != NULL && on.type != PROV_DO_NOTHING)
        change.type = &type;
    if (!change.set_attrs && change.type == NULL)
        return PROV_OK;
    return prov_thing_update(tx, text(plan->thing_name), &change);
}

bool prov_plan_has_group(const struct prov_plan *plan, struct prov_span group)
{
    for (size_t i = 0; i < plan->n_groups; i++) {
        if (prov_span_eq_str(group, plan->groups[i]))
            return true;
    }
    return false;
}

static enum prov_rc leave_unplanned(struct prov_tx *tx, const struct prov_plan *plan)
{
    char group[PROV_MAX_NAME + 1];
    struct prov_thing thing;
    enum prov_rc rc;
    size_t i;

    for (;;) {
        rc = prov_thing_get(tx, text(plan->thing_name), &thing);
        if (rc != PROV_OK)
            return rc;
        for (i = 0; i < thing.n_groups && prov_plan_has_group(plan, thing.groups[i]);)
            i++;
        if (i == thing.n_groups)
            return PROV_OK;
        (void)prov_span_copy(thing.groups[i], group, sizeof group);
        rc = prov_group_remove(tx, text(group), text(plan->thing_name));
        if (rc != PROV_OK)
            return rc;
    }
}

static enum prov_rc join_groups(struct prov_tx *tx, const struct prov_plan *plan, bool existed)
{
    const struct prov_plan_overrides on = prov_plan_overrides(plan);
    enum prov_rc rc = PROV_OK;

    if (!plan->has_groups || (existed && on.groups == PROV_DO_NOTHING))
        return PROV_OK;
    if (existed && on.groups == PROV_REPLACE)
        rc = leave_unplanned(tx, plan);
    for (size_t i = 0; rc == PROV_OK && i < plan->n_groups; i++)
        rc = prov_group_add(tx, text(plan->groups[i]), text(plan->thing_name));
    return rc;
}

static enum prov_rc join_billing_group(struct prov_tx *tx, const struct prov_plan *plan,
                                       bool existed)
{
    const struct prov_plan_overrides on = prov_plan_overrides(plan);

    if (plan->billing_group == NULL || (existed && on.billing_group == PROV_DO_NOTHING))
        return PROV_OK;
    return prov_billing_add(tx, text(plan->billing_group), text(plan->thing_name));
}

static enum prov_rc apply_thing(struct prov_tx *tx, const struct prov_plan *plan)
{
    struct prov_attr attrs[PROV_MAX_ATTRS];
    enum prov_rc rc;
    bool existed;

    rc = prov_plan_attrs(tx, plan, attrs);
    if (rc != PROV_OK)
        return rc;
    rc = reg_exists(tx, REG_THING, text(plan->thing_name));
    if (rc != PROV_OK && rc != PROV_ENOTFOUND)
        return rc;
    existed = rc == PROV_OK;
    if (existed) {
        rc = check_fail_overrides(tx, plan);
        if (rc == PROV_OK)
            rc = update_existing(tx, plan, attrs);
    } else {
        rc = prov_thing_create(tx, text(plan->thing_name), text(plan->thing_type), attrs,
                               plan->n_attrs);
    }
    if (rc == PROV_OK)
        rc = join_groups(tx, plan, existed);
    if (rc == PROV_OK)
        rc = join_billing_group(tx, plan, existed);
    return rc;
}

/* ---- policies and the certificate ------------------------------------------------------------ */

static enum prov_rc apply_policy(struct prov_tx *tx, const struct prov_id *cert,
                                 const struct prov_plan_policy *policy)
{
    char made[PROV_PLAN_POLICY_NAME + 1];
    enum prov_rc rc = PROV_OK;
    struct prov_span name = text(policy->name);

    if (policy->name == NULL) {
        rc = prov_plan_policy_name(text(policy->document), made);
        if (rc != PROV_OK)
            return prov_nomem(tx->err);
        name = text(made);
        rc = reg_exists(tx, REG_POLICY, name);
        if (rc == PROV_ENOTFOUND)
            rc = prov_policy_create(tx, name, text(policy->document));
    }
    return rc != PROV_OK ? rc : prov_policy_attach_cert(tx, name, cert);
}

static enum prov_rc apply_status(struct prov_tx *tx, const struct prov_id *id,
                                 const struct prov_plan *plan)
{
    const enum prov_override on = prov_plan_overrides(plan).status;
    struct prov_cert cert;
    enum prov_rc rc;

    if (plan->certificate_id == NULL)
        return PROV_OK;
    rc = prov_cert_get(tx, id, &cert);
    if (rc != PROV_OK)
        return rc;
    /* a certificate that is only now being provisioned has no status of its own to keep */
    if (cert.status != PROV_CERT_PENDING_ACTIVATION) {
        if (on == PROV_DO_NOTHING)
            return PROV_OK;
        if (on == PROV_FAIL)
            return prov_plan_active(tx, cert.status);
    }
    return prov_cert_set_status(tx, id, plan->activate ? PROV_CERT_ACTIVE : PROV_CERT_INACTIVE);
}

enum prov_rc prov_plan_is_for(struct prov_tx *tx, const struct prov_plan *plan,
                              const struct prov_id *id)
{
    struct prov_id named;

    if (plan->certificate_id == NULL)
        return PROV_OK;
    if (prov_id_parse(text(plan->certificate_id), &named) && prov_id_eq(&named, id))
        return PROV_OK;
    return prov_fail(tx->err, PROV_EINVAL, REG_INVALID,
                     "the template's CertificateId is not the certificate being provisioned");
}

enum prov_rc prov_plan_apply(struct prov_tx *tx, const struct prov_id *cert,
                             const struct prov_plan *plan)
{
    enum prov_rc rc;

    rc = prov_plan_is_for(tx, plan, cert);
    if (rc == PROV_OK && plan->thing_name != NULL)
        rc = apply_thing(tx, plan);
    for (size_t i = 0; rc == PROV_OK && i < plan->n_policies; i++)
        rc = apply_policy(tx, cert, &plan->policies[i]);
    if (rc == PROV_OK && plan->thing_name != NULL)
        rc = prov_thing_attach(tx, text(plan->thing_name), cert, plan->attach);
    return rc != PROV_OK ? rc : apply_status(tx, cert, plan);
}
