#include <stdio.h>
#include <unistd.h>

#include <openssl/x509.h>

#include "cmd_template.h"
#include "core/doc.h"
#include "core/ident.h"

#define MAX_PARAMS 64

struct eval {
    struct ctl *ctl;
    struct prov_template_info info;
    uint32_t version;
    /* the device */
    struct prov_buf der;
    X509 *cert;
    struct prov_ident *ident;
    char id_hex[PROV_ID_HEX + 1];
    struct prov_param params[MAX_PARAMS + PROV_BUILTIN_PARAMS + 1];
    size_t n_params;
    /* the answer */
    struct prov_template *tpl;
    struct prov_plan *plan;
    struct prov_buf missing; /* a line for each thing that the plan needs and that is not there */
};

/* ---- the device -------------------------------------------------------------------------------
 */

static bool is_id(const char *text)
{
    return strlen(text) >= 8 && strspn(text, "0123456789abcdefABCDEF") == strlen(text) &&
           access(text, F_OK) != 0;
}

static enum prov_rc registered_der(struct eval *e, const char *text)
{
    struct prov_span der;
    struct prov_id id;
    enum prov_rc rc;

    rc = ctl_cert_id(e->ctl, text, &id);
    if (rc == PROV_OK)
        rc = prov_cert_der(&e->ctl->tx, &id, &der);
    if (rc != PROV_OK)
        return rc;
    prov_buf_init(&e->der, PROV_MAX_CERT_DER);
    prov_buf_add(&e->der, der);
    return e->der.rc;
}

static enum prov_rc read_device(struct eval *e)
{
    const char *text = ctl_opt(&e->ctl->args, OPT_CERT);
    enum prov_rc rc;

    memset(e->id_hex, '0', PROV_ID_HEX);
    if (text == NULL)
        return PROV_OK;
    rc = is_id(text) ? registered_der(e, text) : ctl_read_cert(e->ctl, text, &e->der);
    if (rc == PROV_OK)
        rc = prov_ident_decode(prov_buf_span(&e->der), &e->cert, &e->ctl->err);
    if (rc == PROV_OK)
        rc = prov_ident_new(e->cert, &e->ident, &e->ctl->err);
    if (rc == PROV_OK)
        prov_id_hex(&e->ident->id, e->id_hex);
    return rc;
}

/* What was given counts before what is built in. */
static void add_param(struct eval *e, struct prov_param param)
{
    for (size_t i = 0; i < e->n_params; i++) {
        if (prov_span_eq(e->params[i].name, param.name))
            return;
    }
    e->params[e->n_params++] = param;
}

static enum prov_rc gather_params(struct eval *e)
{
    struct prov_param builtin[PROV_BUILTIN_PARAMS];
    struct prov_attr given[MAX_PARAMS];
    size_t n;
    enum prov_rc rc;

    rc = ctl_pairs(e->ctl, OPT_PARAM, given, PROV_COUNT(given), &n);
    if (rc != PROV_OK)
        return rc;
    for (size_t i = 0; i < n; i++)
        add_param(e, (struct prov_param){ given[i].name, given[i].value });
    add_param(e, (struct prov_param){ PROV_LIT(PROV_PARAM_CERTIFICATE_ID),
                                      prov_span(e->id_hex, PROV_ID_HEX) });
    if (e->ident == NULL)
        return PROV_OK;
    /* FLEET_PROVISIONING templates cannot declare more than the id (reference 2.3). */
    n = prov_params_builtin(e->ident, prov_span(e->id_hex, PROV_ID_HEX), builtin);
    for (size_t i = 0; i < n; i++)
        add_param(e, builtin[i]);
    return PROV_OK;
}

/* ---- the plan ---------------------------------------------------------------------------------
 */

static enum prov_rc evaluate(struct eval *e)
{
    const struct prov_span name = ctl_word(e->ctl, 0);
    struct prov_version_info version;
    struct prov_params params;
    enum prov_rc rc;

    rc = ctl_version_word(e->ctl, 1, &e->version);
    if (rc == PROV_OK)
        rc = prov_template_get(&e->ctl->tx, name, &e->info);
    if (rc == PROV_OK)
        rc = prov_template_version_get(&e->ctl->tx, name, e->version, &version);
    if (rc == PROV_OK)
        rc = read_device(e);
    if (rc == PROV_OK)
        rc = gather_params(e);
    if (rc == PROV_OK)
        rc = prov_template_parse(version.document, e->info.type, &e->tpl, &e->ctl->err);
    if (rc != PROV_OK)
        return rc;
    e->version = version.version;
    (void)snprintf(e->ctl->document, sizeof e->ctl->document, "%s (version %u)",
                   e->ctl->args.words[0], e->version);
    e->ctl->file = e->ctl->document;
    params = (struct prov_params){ e->params, e->n_params };
    return prov_template_eval(e->tpl, params, &e->plan, &e->ctl->err);
}

static void note_missing(struct eval *e, enum prov_rc rc, const char *what, const char *name)
{
    if (rc == PROV_ENOTFOUND)
        prov_buf_addf(&e->missing, "  %s %s\n", what, name);
}

/* What prov_plan_apply would not find. Errors of the store show when the command ends. */
static void find_missing(struct eval *e)
{
    struct prov_tx quiet = { e->ctl->tx.txn, e->ctl->tx.now_ms, NULL };
    const struct prov_plan *plan = e->plan;
    union {
        struct prov_thing_type type;
        struct prov_billing_group billing;
        struct prov_group group;
        struct prov_policy_info policy;
    } found;

    if (plan->thing_type != NULL)
        note_missing(e, prov_type_get(&quiet, prov_span_str(plan->thing_type), &found.type),
                     "thing type", plan->thing_type);
    if (plan->billing_group != NULL)
        note_missing(e,
                     prov_billing_get(&quiet, prov_span_str(plan->billing_group), &found.billing),
                     "billing group", plan->billing_group);
    for (size_t i = 0; i < plan->n_groups; i++)
        note_missing(e, prov_group_get(&quiet, prov_span_str(plan->groups[i]), &found.group),
                     "thing group", plan->groups[i]);
    for (size_t i = 0; i < plan->n_policies; i++) {
        const char *name = plan->policies[i].name;

        if (name != NULL)
            note_missing(e, prov_policy_get(&quiet, prov_span_str(name), &found.policy), "policy",
                         name);
    }
}

/* ---- two ways to say it -----------------------------------------------------------------------
 */

static const char *const overrides[] = {
    [PROV_OVERRIDE_DEFAULT] = "", [PROV_DO_NOTHING] = "DO_NOTHING", [PROV_REPLACE] = "REPLACE",
    [PROV_FAIL] = "FAIL",         [PROV_MERGE] = "MERGE",
};

static void field_override(struct ctl *ctl, const char *label, const char *text,
                           enum prov_override override)
{
    if (text == NULL)
        return;
    ctl_fieldf(ctl, label, "%s%s%s%s", text,
               overrides[override][0] != '\0' ? "  (if it has one: " : "", overrides[override],
               overrides[override][0] != '\0' ? ")" : "");
}

static void say_thing(struct ctl *ctl, const struct prov_plan *plan)
{
    ctl_field(ctl, "thing",
              plan->thing_name != NULL ? prov_span_str(plan->thing_name) : PROV_LIT("none"));
    field_override(ctl, "type", plan->thing_type, plan->on_type);
    for (size_t i = 0; i < plan->n_attrs; i++)
        ctl_fieldf(ctl, i == 0 ? "attributes" : "", "%s = %s", plan->attrs[i].name,
                   plan->attrs[i].value);
    for (size_t i = 0; i < plan->n_groups; i++)
        ctl_field(ctl, i == 0 ? "groups" : "", prov_span_str(plan->groups[i]));
    field_override(ctl, "billing group", plan->billing_group, plan->on_billing_group);
}

static void say_plan(struct eval *e)
{
    const struct prov_plan *plan = e->plan;
    struct ctl *ctl = e->ctl;

    ctl_say(ctl, "Template %s, version %u (%s), would do this:\n\n", ctl->args.words[0], e->version,
            prov_template_type_name(e->info.type));
    say_thing(ctl, plan);
    if (plan->certificate_id != NULL)
        ctl_fieldf(ctl, "certificate", "%s becomes %s%s", plan->certificate_id,
                   plan->activate ? "ACTIVE" : "INACTIVE",
                   plan->exclusive ? ", this thing's alone" : "");
    for (size_t i = 0; i < plan->n_policies; i++)
        ctl_field(ctl, i == 0 ? "policies" : "",
                  plan->policies[i].name != NULL ? prov_span_str(plan->policies[i].name)
                                                 : prov_span_str(plan->policies[i].document));
    for (size_t i = 0; i < plan->n_config; i++)
        ctl_fieldf(ctl, i == 0 ? "device is told" : "", "%s = %s", plan->config[i].name,
                   plan->config[i].value);
    if (!e->info.enabled)
        ctl_say(ctl, "\nBut it is disabled: `provctl template update %s --enabled on`\n",
                ctl->args.words[0]);
    if (e->missing.n != 0)
        ctl_say(ctl, "\nBut it would fail, since there is no\n%s", prov_buf_cstr(&e->missing));
}

static void put_text(struct prov_doc *d, cJSON *into, const char *key, const char *text)
{
    prov_doc_text_if(d, into, key, prov_span_str(text));
}

static void put_pairs(struct prov_doc *d, const char *key, const struct prov_plan_attr *pairs,
                      size_t n)
{
    cJSON *object = prov_doc_object(d, d->root, key);

    for (size_t i = 0; i < n; i++)
        prov_doc_member(d, object, prov_span_str(pairs[i].name),
                        prov_doc_string(prov_span_str(pairs[i].value)));
}

static void put_overrides(struct prov_doc *d, const struct prov_plan *plan)
{
    cJSON *object = prov_doc_object(d, d->root, "overrideSettings");

    put_text(d, object, "AttributePayload", overrides[plan->on_attrs]);
    put_text(d, object, "ThingTypeName", overrides[plan->on_type]);
    put_text(d, object, "ThingGroups", overrides[plan->on_groups]);
    put_text(d, object, "BillingGroup", overrides[plan->on_billing_group]);
    put_text(d, object, "Status", overrides[plan->on_status]);
}

static void put_certificate(struct prov_doc *d, const struct prov_plan *plan)
{
    if (plan->certificate_id == NULL)
        return;
    put_text(d, d->root, "certificateId", plan->certificate_id);
    put_text(d, d->root, "certificateStatus", plan->activate ? "ACTIVE" : "INACTIVE");
    put_text(d, d->root, "thingPrincipalType",
             plan->exclusive ? "EXCLUSIVE_THING" : "NON_EXCLUSIVE_THING");
}

static enum prov_rc answer_plan(struct eval *e)
{
    struct prov_doc d = prov_doc_start(&e->ctl->tx);
    const struct prov_plan *plan = e->plan;
    cJSON *array, *item;

    put_text(&d, d.root, "templateName", e->ctl->args.words[0]);
    prov_doc_number(&d, d.root, "versionId", e->version);
    put_text(&d, d.root, "thingName", plan->thing_name);
    put_text(&d, d.root, "thingTypeName", plan->thing_type);
    put_text(&d, d.root, "billingGroupName", plan->billing_group);
    put_pairs(&d, "attributes", plan->attrs, plan->n_attrs);
    array = prov_doc_array(&d, d.root, "thingGroups");
    for (size_t i = 0; i < plan->n_groups; i++)
        (void)prov_doc_append(&d, array, prov_doc_string(prov_span_str(plan->groups[i])));
    put_certificate(&d, plan);
    array = prov_doc_array(&d, d.root, "policies");
    for (size_t i = 0; i < plan->n_policies; i++) {
        item = prov_doc_append(&d, array, cJSON_CreateObject());
        put_text(&d, item, "policyName", plan->policies[i].name);
        put_text(&d, item, "policyDocument", plan->policies[i].document);
    }
    put_pairs(&d, "deviceConfiguration", plan->config, plan->n_config);
    put_overrides(&d, plan);
    put_text(&d, d.root, "missing", prov_buf_cstr(&e->missing));
    return ctl_answer_doc(e->ctl, &d);
}

enum prov_rc ctl_template_eval(struct ctl *ctl)
{
    struct eval e = { .ctl = ctl };
    enum prov_rc rc;

    prov_buf_init(&e.missing, 65536);
    rc = evaluate(&e);
    if (rc == PROV_OK)
        find_missing(&e);
    if (rc == PROV_OK && ctl->json)
        rc = answer_plan(&e);
    else if (rc == PROV_OK)
        say_plan(&e);
    if (e.missing.n != 0)
        ctl->outcome = CTL_EXIT_REFUSED;
    prov_plan_free(e.plan);
    prov_template_free(e.tpl);
    prov_ident_free(e.ident);
    X509_free(e.cert);
    prov_buf_release(&e.der);
    ctl_release(&ctl->out, &e.missing);
    return rc;
}
