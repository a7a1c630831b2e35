/* plan_priv.h - what carrying out a plan (plan.c) and looking ahead at it (plan_preview.c) share.
 */
#ifndef PROV_PLAN_PRIV_H
#define PROV_PLAN_PRIV_H

#include "reg.h"

/* What becomes of what is there already; never PROV_OVERRIDE_DEFAULT. What OverrideSettings leave
 * unsaid is never silent loss of data (reference section 13, 3). */
struct prov_plan_overrides {
    enum prov_override attrs, type, groups, billing_group, status;
};
struct prov_plan_overrides prov_plan_overrides(const struct prov_plan *plan);

/* The refusals of FAIL. */
enum prov_rc prov_plan_exists(struct prov_tx *tx, const char *property, const char *thing);
enum prov_rc prov_plan_active(struct prov_tx *tx, enum prov_cert_status status);

/* The plan's attributes, plan->n_attrs of them; PROV_ETOOBIG when they are too many. */
enum prov_rc prov_plan_attrs(struct prov_tx *tx, const struct prov_plan *plan,
                             struct prov_attr out[static PROV_MAX_ATTRS]);
bool prov_plan_has_group(const struct prov_plan *plan, struct prov_span group);
/* Does the plan's CertificateId, if it has one, name this certificate? */
enum prov_rc prov_plan_is_for(struct prov_tx *tx, const struct prov_plan *plan,
                              const struct prov_id *id);

#endif
