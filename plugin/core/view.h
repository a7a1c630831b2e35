/*
 * view.h - registry objects as the JSON that the AWS IoT API answers with, for `provctl --json` and
 * for control APIs.
 *
 * A prov_view_<object> is what the Describe or Get operation returns; a prov_view_<object>_row is
 * one element of the List operation's array, so that a list of any length is made of rows without
 * ever being whole. Rows say more than AWS IoT's, so that a table of them needs no second question.
 * Fields that have no meaning here (generationId, customerVersion, …) are left out.
 * Times are numbers: seconds since 1970 with milliseconds behind the point. Text that is not UTF-8,
 * or holds a NUL, has U+FFFD in those places.
 *
 * The caller owns *out (cJSON_Delete); it holds copies and outlives the transaction. Errors:
 * PROV_ENOMEM, PROV_ESTORE. Thread: that of the transaction.
 */
#ifndef PROV_VIEW_H
#define PROV_VIEW_H

#include <cjson/cJSON.h>

#include "attempt.h"
#include "claim.h"
#include "crl.h"
#include "registry.h"

/*
 * DescribeCACertificate: certificateDescription, and registrationConfig when there is a template.
 * Ours: the certificate's subject, and activationHook { targetArn } beside registrationConfig. The
 * row has all but the certificate itself.
 */
PROV_MUST_USE enum prov_rc prov_view_ca(struct prov_tx *tx, const struct prov_ca *ca, cJSON **out);
PROV_MUST_USE enum prov_rc prov_view_ca_row(struct prov_tx *tx, const struct prov_ca *ca,
                                            cJSON **out);

/*
 * DescribeCertificate's certificateDescription; besides it what ListAttachedPolicies ("policies")
 * and ListPrincipalThings ("things") would say, and thingPrincipalType when there are things. Ours
 * are commonName, transferData's transferredTo, things in a row, claimTemplate (of a temporary
 * claim) and replaces (the id of the certificate that this one is to take the place of).
 */
PROV_MUST_USE enum prov_rc prov_view_cert(struct prov_tx *tx, const struct prov_cert *cert,
                                          cJSON **out);
PROV_MUST_USE enum prov_rc prov_view_cert_row(struct prov_tx *tx, const struct prov_cert *cert,
                                              cJSON **out);

/* The limits of a claim; ours alone. What is not limited is left out, lists are there always. */
PROV_MUST_USE enum prov_rc prov_view_claim(struct prov_tx *tx, const struct prov_claim *claim,
                                           cJSON **out);

/* What an import of a revocation list did; ours alone. */
PROV_MUST_USE enum prov_rc prov_view_crl(const struct prov_crl_info *info,
                                         const struct prov_crl_result *result, cJSON **out);

/* "EXCLUSIVE_THING", "NON_EXCLUSIVE_THING". */
const char *prov_view_principal_type(bool exclusive);

/* DescribeThing; besides it "principals" (ListThingPrincipals) and "thingGroups" (their names and
 * ARNs, ListThingGroupsForThing); in rows thingGroupNames. */
PROV_MUST_USE enum prov_rc prov_view_thing(struct prov_tx *tx, const struct prov_thing *thing,
                                           cJSON **out);
PROV_MUST_USE enum prov_rc prov_view_thing_row(struct prov_tx *tx, const struct prov_thing *thing,
                                               cJSON **out);

/* DescribeThingGroup; besides it "policies". */
PROV_MUST_USE enum prov_rc prov_view_group(struct prov_tx *tx, const struct prov_group *group,
                                           cJSON **out);
PROV_MUST_USE enum prov_rc prov_view_group_row(struct prov_tx *tx, struct prov_span name,
                                               cJSON **out);

/* DescribeThingType; the elements of ListThingTypes have the same fields. */
PROV_MUST_USE enum prov_rc prov_view_type(struct prov_tx *tx, const struct prov_thing_type *type,
                                          cJSON **out);

PROV_MUST_USE enum prov_rc prov_view_billing(struct prov_tx *tx,
                                             const struct prov_billing_group *group, cJSON **out);
PROV_MUST_USE enum prov_rc prov_view_billing_row(struct prov_tx *tx, struct prov_span name,
                                                 cJSON **out);

/* GetPolicy; the document is that of the version given, which should be the default one. */
PROV_MUST_USE enum prov_rc prov_view_policy(struct prov_tx *tx, const struct prov_policy_info *info,
                                            const struct prov_version_info *version, cJSON **out);
PROV_MUST_USE enum prov_rc prov_view_policy_row(struct prov_tx *tx, struct prov_span name,
                                                cJSON **out);
/* GetPolicyVersion */
PROV_MUST_USE enum prov_rc prov_view_policy_version(struct prov_tx *tx,
                                                    const struct prov_policy_info *info,
                                                    const struct prov_version_info *version,
                                                    cJSON **out);
PROV_MUST_USE enum prov_rc prov_view_policy_version_row(const struct prov_policy_info *info,
                                                        const struct prov_version_info *version,
                                                        cJSON **out);

/* DescribeProvisioningTemplate; the body is that of the version given, which should be the default
 * one. Ours are certificateValidityDays and retirePreviousCertificate, left out when they are not
 * set. */
PROV_MUST_USE enum prov_rc prov_view_template(struct prov_tx *tx,
                                              const struct prov_template_info *info,
                                              const struct prov_version_info *version, cJSON **out);
PROV_MUST_USE enum prov_rc
prov_view_template_row(struct prov_tx *tx, const struct prov_template_info *info, cJSON **out);
/* DescribeProvisioningTemplateVersion */
PROV_MUST_USE enum prov_rc prov_view_template_version(const struct prov_template_info *info,
                                                      const struct prov_version_info *version,
                                                      cJSON **out);
PROV_MUST_USE enum prov_rc prov_view_template_version_row(const struct prov_template_info *info,
                                                          const struct prov_version_info *version,
                                                          cJSON **out);

/*
 * One entry of the attempt log. AWS has no such object: the fields are named as those of its log
 * entries are (reference section 12) where there is one.
 */
PROV_MUST_USE enum prov_rc prov_view_attempt(const struct prov_attempt *attempt, cJSON **out);

/* "-----BEGIN CERTIFICATE-----" and so on, from DER, appended to out. Nothing is parsed. */
void prov_view_pem(struct prov_span der, struct prov_buf *out);

#endif
