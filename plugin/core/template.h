/*
 * template.h - provisioning templates: checked once when stored, evaluated to a plan for each
 * device.
 *
 * Source: reference section 2. A plan is data; applying it is the registry's (prov_plan_apply).
 * Thread: any; a template never changes once parsed.
 */
#ifndef PROV_TEMPLATE_H
#define PROV_TEMPLATE_H

#include "base.h"
#include "ident.h"

enum prov_template_type { PROV_TEMPLATE_FLEET, PROV_TEMPLATE_JITP };

/* "FLEET_PROVISIONING", "JITP". */
const char *prov_template_type_name(enum prov_template_type type);
PROV_MUST_USE bool prov_template_type_parse(struct prov_span text, enum prov_template_type *out);

struct prov_template;

/*
 * Checks everything that does not need parameter values: grammar, property names and types, legal
 * override settings, references that nothing declares, what the type forbids; and evaluates what
 * depends on no parameter, so that literal names, look-ups and policy documents are checked too; of
 * a document that depends on parameters, the rest of it. The first mistake is reported with line,
 * column and path, one in a policy document with its place in the template; code
 * "InvalidRequestException". At most PROV_MAX_TEMPLATE_BODY bytes.
 *
 * Both types: one thing and one certificate at most, PROV_MAX_CERT_POLICIES policies; the
 * certificate is named by CertificateId alone (2.1); AWS::IoT::Certificate::Id may be referenced
 * undeclared, nothing else may; other names beginning with AWS:: are not for templates to declare.
 * JITP: built-in parameters only, no functions but Ref, no Mappings or DeviceConfiguration (2.1),
 * and CertificateId is {"Ref": "AWS::IoT::Certificate::Id"}. Ours: OverrideSettings may name
 * BillingGroup; its values are written out, not computed; PackageVersions and DependsOn are checked
 * for their form and have no effect.
 */
PROV_MUST_USE enum prov_rc prov_template_parse(struct prov_span json, enum prov_template_type type,
                                               struct prov_template **out, struct prov_err *err);
void prov_template_free(struct prov_template *tpl); /* NULL is accepted */

/* ---- lint ------------------------------------------------------------------------------------ */

#define PROV_TEMPLATE_MAX_REMARKS 20 /* mistakes, and as many warnings */

struct prov_template_remark {
    bool warning;         /* the template is accepted all the same */
    const char *cure;     /* of a warning: what would be right; static text */
    struct prov_err what; /* a warning's code is "unused-parameter" …: stable, for programs */
};

struct prov_template_lint {
    struct prov_template_remark v[2 * PROV_TEMPLATE_MAX_REMARKS]; /* in the order of the text */
    size_t n;
    size_t mistakes, warnings; /* how many there are; beyond the maximum they are only counted */
};

/*
 * All that prov_template_parse would refuse, and not only the first of it. PROV_OK: it is accepted,
 * and then out holds warnings: what is legal and most likely not meant. PROV_ENOMEM: out says
 * nothing. Otherwise the result is that of the first mistake.
 *
 * One mistake can hide others: text that is no JSON has one, what depends on a value that is wrong
 * is not evaluated, and nothing is beyond what gets too big.
 */
PROV_MUST_USE enum prov_rc prov_template_lint(struct prov_span json, enum prov_template_type type,
                                              struct prov_template_lint *out);

/* ---- parameters ------------------------------------------------------------------------------ */

struct prov_param {
    struct prov_span name, value;
};

struct prov_params {
    const struct prov_param *v;
    size_t n;
};

/* Does it declare that parameter? What it does not declare is ignored when it is evaluated. */
bool prov_template_declares(const struct prov_template *tpl, struct prov_span name);

/* "AWS::IoT::Certificate::Id" and its seven companions. */
#define PROV_BUILTIN_PARAMS 8
#define PROV_PARAM_CERTIFICATE_ID "AWS::IoT::Certificate::Id"

/*
 * The built-in parameters of a certificate (reference 2.3): first value of each subject field;
 * those absent are left out; SerialNumber falls back to the certificate's serial (section 13, 6).
 * out has room for PROV_BUILTIN_PARAMS; id_hex is the certificate's id and must live as long as
 * out. Returns how many.
 */
size_t prov_params_builtin(const struct prov_ident *ident, struct prov_span id_hex,
                           struct prov_param out[static PROV_BUILTIN_PARAMS]);

/* ---- plans ----------------------------------------------------------------------------------- */

/* ThingPrincipalType (reference 7.4). */
enum prov_attach {
    PROV_ATTACH_UNSAID, /* an attachment stays of the kind that it is; a new one is not exclusive */
    PROV_ATTACH_EXCLUSIVE, /* EXCLUSIVE_THING */
    PROV_ATTACH_SHARED,    /* NON_EXCLUSIVE_THING, also where the attachment was exclusive */
};

enum prov_override { PROV_OVERRIDE_DEFAULT, PROV_DO_NOTHING, PROV_REPLACE, PROV_FAIL, PROV_MERGE };

struct prov_plan_attr {
    char *name, *value;
};

struct prov_plan_policy {
    char *name;     /* an existing policy; or NULL and */
    char *document; /* a policy text, created under a name made from its SHA-1 unless it exists */
};

/* All strings are owned by the plan. */
struct prov_plan {
    /* thing; NULL: the template declares none */
    char *thing_name;
    char *thing_type;    /* NULL: not given */
    char *billing_group; /* NULL: not given */
    struct prov_plan_attr *attrs;
    size_t n_attrs;
    char **groups;
    size_t n_groups;
    bool has_attrs, has_groups; /* given, if only as empty */
    enum prov_override on_attrs, on_type, on_groups, on_billing_group;
    /* certificate */
    char *certificate_id; /* what CertificateId evaluated to; NULL: no certificate resource */
    bool activate;        /* Status ACTIVE (default) or INACTIVE */
    enum prov_override on_status;
    enum prov_attach attach;
    /* policies */
    struct prov_plan_policy *policies;
    size_t n_policies;
    /* what the device is told, in order */
    struct prov_plan_attr *config;
    size_t n_config;
    void *arena; /* owns the plan and everything above */
};

/*
 * Missing values, functions that fail and names that break the registry's rules are the template's
 * or the device's fault: PROV_EINVAL, with the place in the template. Every declared parameter
 * needs a value or a Default, used or not (reference 2.3). Parameters the template does not declare
 * are ignored; of several with the same name the last counts, so what must not be overridden is
 * appended. PROV_ETOOBIG when a policy document gets longer than a
 * policy may be, or when the functions multiply into more than half a megabyte.
 *
 * A policy document is checked again when evaluated. A parameter's value (its Default aside) that
 * enters one must not hold * ? $ " \ or control characters: a device that calls itself "*" would
 * otherwise write its own rights. That CertificateId is the certificate being provisioned is for
 * the registry to check.
 */
PROV_MUST_USE enum prov_rc prov_template_eval(const struct prov_template *tpl,
                                              struct prov_params params, struct prov_plan **out,
                                              struct prov_err *err);
void prov_plan_free(struct prov_plan *plan); /* NULL is accepted */

/*
 * A plan without a template: activates the certificate, attaches these policies to it, which must
 * exist, and the thing, which is made when there is none of the name. thing_name may be empty.
 * Texts are copied. PROV_ENOMEM.
 */
PROV_MUST_USE enum prov_rc prov_plan_direct(struct prov_span certificate_id,
                                            struct prov_span thing_name,
                                            const struct prov_span *policies, size_t n_policies,
                                            struct prov_plan **out);

/*
 * The name a policy gets that a template gives by its document: SHA-1 in 40 upper-case hex digits
 * (reference 2.4), so that the same document is the same policy. Not a matter of security: who may
 * write templates may write policies. PROV_ENOMEM when OpenSSL cannot.
 */
#define PROV_PLAN_POLICY_NAME 40
PROV_MUST_USE enum prov_rc prov_plan_policy_name(struct prov_span document,
                                                 char out[static PROV_PLAN_POLICY_NAME + 1]);

#endif
