/* What a provisioning template would do for a device, without doing it. */
#include "api_priv.h"

#include <stdlib.h>

#include <openssl/x509.h>

#include "ident.h"

#define MAX_PARAMS 64

struct eval {
    struct prov_tx *tx;
    /* the template */
    struct prov_span name, document; /* name empty: it is not a registered one */
    enum prov_template_type type;
    uint32_t version;
    bool enabled;
    struct prov_template *tpl;
    /* the device */
    X509 *leaf;
    struct prov_ident *ident; /* NULL: no certificate was given */
    char id_hex[PROV_ID_HEX + 1];
    const cJSON *given;
    struct prov_param params[MAX_PARAMS + PROV_BUILTIN_PARAMS + 1];
    size_t n_params;
    /* the answer */
    struct prov_plan *plan;
    struct prov_doc doc;
    cJSON *steps, *problems;
};

/* ---- the template ---------------------------------------------------------------------------- */

static enum prov_rc read_registered(struct eval *e, const cJSON *params)
{
    struct prov_version_info version;
    struct prov_template_info info;
    enum prov_rc rc;

    e->name = api_text(params, "templateName");
    if (api_get(params, "type") != NULL)
        return api_refuse(e->tx, "type",
                          "goes with templateBody: a registered template has its "
                          "type");
    rc = prov_template_get(e->tx, e->name, &info);
    if (rc == PROV_OK)
        rc =
            prov_template_version_get(e->tx, e->name, api_number(params, "versionId", 0), &version);
    if (rc != PROV_OK)
        return rc;
    e->type = info.type;
    e->enabled = info.enabled;
    e->version = version.version;
    e->document = version.document;
    return PROV_OK;
}

static enum prov_rc read_given(struct eval *e, const cJSON *params)
{
    e->document = api_text(params, "templateBody");
    e->type = PROV_TEMPLATE_FLEET;
    if (api_get(params, "versionId") != NULL)
        return api_refuse(e->tx, "versionId", "goes with templateName");
    if (api_get(params, "type") != NULL &&
        !prov_template_type_parse(api_text(params, "type"), &e->type))
        return api_refuse(e->tx, "type", "must be FLEET_PROVISIONING or JITP");
    return PROV_OK;
}

static enum prov_rc read_template(struct eval *e, const cJSON *params)
{
    const bool named = api_get(params, "templateName") != NULL;
    enum prov_rc rc;

    if (named == (api_get(params, "templateBody") != NULL))
        return api_refuse(e->tx, "templateName", "one of templateName and templateBody is needed");
    rc = named ? read_registered(e, params) : read_given(e, params);
    if (rc == PROV_OK)
        rc = prov_template_parse(e->document, e->type, &e->tpl, e->tx->err);
    return rc;
}

/* ---- the device ------------------------------------------------------------------------------ */

static enum prov_rc read_cert(struct eval *e, const cJSON *params, struct prov_buf *der)
{
    struct prov_span registered;
    struct prov_id id;
    enum prov_rc rc;

    rc = api_not_both(e->tx, params, "certificateId", "certificatePem");
    if (rc != PROV_OK || api_get(params, "certificateId") == NULL)
        return rc != PROV_OK ? rc : api_pem(e->tx, params, "certificatePem", der);
    rc = api_cert_id(e->tx, params, "certificateId", &id);
    if (rc == PROV_OK)
        rc = prov_cert_der(e->tx, &id, &registered);
    if (rc == PROV_OK)
        prov_buf_add(der, registered);
    return rc != PROV_OK ? rc : der->rc;
}

static enum prov_rc read_device(struct eval *e, const cJSON *params)
{
    struct prov_buf der = api_der();
    enum prov_rc rc;

    memset(e->id_hex, '0', PROV_ID_HEX);
    rc = read_cert(e, params, &der);
    if (rc == PROV_OK && der.n != 0) {
        rc = prov_ident_decode(prov_buf_span(&der), &e->leaf, e->tx->err);
        if (rc == PROV_OK)
            rc = prov_ident_new(e->leaf, &e->ident, e->tx->err);
        if (rc == PROV_OK)
            prov_id_hex(&e->ident->id, e->id_hex);
    }
    prov_buf_release(&der);
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
    const struct prov_span id = prov_span(e->id_hex, PROV_ID_HEX);
    const cJSON *param;
    size_t n;

    cJSON_ArrayForEach(param, e->given)
    {
        if (e->n_params == MAX_PARAMS)
            return api_refuse(e->tx, "parameters", "more than %d parameters", MAX_PARAMS);
        add_param(e, (struct prov_param){ prov_span_str(param->string),
                                          prov_span_str(param->valuestring) });
    }
    add_param(e, (struct prov_param){ PROV_LIT(PROV_PARAM_CERTIFICATE_ID), id });
    if (e->ident == NULL)
        return PROV_OK;
    n = prov_params_builtin(e->ident, id, builtin);
    for (size_t i = 0; i < n; i++)
        add_param(e, builtin[i]);
    return PROV_OK;
}

/* ---- the plan -------------------------------------------------------------------------------- */

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
    static const char *const names[] = {
        [PROV_OVERRIDE_DEFAULT] = "", [PROV_DO_NOTHING] = "DO_NOTHING", [PROV_REPLACE] = "REPLACE",
        [PROV_FAIL] = "FAIL",         [PROV_MERGE] = "MERGE",
    };
    cJSON *object = prov_doc_object(d, d->root, "overrideSettings");

    put_text(d, object, "AttributePayload", names[plan->on_attrs]);
    put_text(d, object, "ThingTypeName", names[plan->on_type]);
    put_text(d, object, "ThingGroups", names[plan->on_groups]);
    put_text(d, object, "BillingGroup", names[plan->on_billing_group]);
    put_text(d, object, "Status", names[plan->on_status]);
}

static void put_certificate(struct prov_doc *d, const struct prov_plan *plan)
{
    if (plan->certificate_id == NULL)
        return;
    put_text(d, d->root, "certificateId", plan->certificate_id);
    put_text(d, d->root, "certificateStatus", plan->activate ? "ACTIVE" : "INACTIVE");
    if (plan->attach != PROV_ATTACH_UNSAID)
        put_text(d, d->root, "thingPrincipalType",
                 prov_view_principal_type(plan->attach == PROV_ATTACH_EXCLUSIVE));
}

/* What was given and the template does not ask for. */
static void put_ignored(struct eval *e)
{
    cJSON *array = prov_doc_array(&e->doc, e->doc.root, "ignoredParameters");
    const cJSON *param;

    cJSON_ArrayForEach(param, e->given)
    {
        const struct prov_span name = prov_span_str(param->string);

        if (!prov_template_declares(e->tpl, name) &&
            !prov_span_eq_str(name, PROV_PARAM_CERTIFICATE_ID))
            (void)prov_doc_append(&e->doc, array, prov_doc_string(name));
    }
}

static void put_head(struct eval *e)
{
    struct prov_doc *d = &e->doc;

    if (e->name.n != 0) {
        prov_doc_text(d, d->root, "templateName", e->name);
        prov_doc_number(d, d->root, "versionId", e->version);
        prov_doc_bool(d, d->root, "enabled", e->enabled);
    }
    put_text(d, d->root, "type", prov_template_type_name(e->type));
    put_ignored(e);
}

static void put_plan(struct eval *e)
{
    const struct prov_plan *plan = e->plan;
    struct prov_doc *d = &e->doc;
    cJSON *array, *item;

    put_text(d, d->root, "thingName", plan->thing_name);
    put_text(d, d->root, "thingTypeName", plan->thing_type);
    put_text(d, d->root, "billingGroupName", plan->billing_group);
    put_pairs(d, "attributes", plan->attrs, plan->n_attrs);
    array = prov_doc_array(d, d->root, "thingGroups");
    for (size_t i = 0; i < plan->n_groups; i++)
        (void)prov_doc_append(d, array, prov_doc_string(prov_span_str(plan->groups[i])));
    put_certificate(d, plan);
    array = prov_doc_array(d, d->root, "policies");
    for (size_t i = 0; i < plan->n_policies; i++) {
        item = prov_doc_append(d, array, cJSON_CreateObject());
        put_text(d, item, "policyName", plan->policies[i].name);
        put_text(d, item, "policyDocument", plan->policies[i].document);
    }
    put_pairs(d, "deviceConfiguration", plan->config, plan->n_config);
    put_overrides(d, plan);
}

/* ---- what it would do ------------------------------------------------------------------------ */

static const char *const parts[PROV_PLAN_PARTS] = {
    [PROV_PART_THING] = "THING",
    [PROV_PART_TYPE] = "THING_TYPE",
    [PROV_PART_ATTRIBUTE] = "ATTRIBUTE",
    [PROV_PART_GROUP] = "THING_GROUP",
    [PROV_PART_BILLING_GROUP] = "BILLING_GROUP",
    [PROV_PART_POLICY] = "POLICY",
    [PROV_PART_ATTACHMENT] = "ATTACHMENT",
    [PROV_PART_STATUS] = "CERTIFICATE_STATUS",
};

static const char *const effects[PROV_PLAN_EFFECTS] = {
    [PROV_EFFECT_NONE] = "NONE",       [PROV_EFFECT_CREATED] = "CREATE",
    [PROV_EFFECT_SET] = "SET",         [PROV_EFFECT_CHANGED] = "CHANGE",
    [PROV_EFFECT_REMOVED] = "REMOVE",  [PROV_EFFECT_KEPT] = "KEEP",
    [PROV_EFFECT_REFUSED] = "REFUSED",
};

static void visit(void *ctx, const struct prov_plan_step *step)
{
    struct eval *e = ctx;
    struct prov_doc *d = &e->doc;
    cJSON *item = prov_doc_append(d, e->steps, cJSON_CreateObject());

    put_text(d, item, "part", parts[step->part]);
    put_text(d, item, "effect", effects[step->effect]);
    prov_doc_text_if(d, item, "name", step->name);
    prov_doc_text_if(d, item, step->part == PROV_PART_POLICY ? "policyDocument" : "value",
                     step->now);
    prov_doc_text_if(d, item, "was", step->was);
    if (step->why == NULL)
        return;
    put_text(d, item, "reason", step->why->text);
    (void)prov_doc_append(d, e->problems, prov_doc_string(prov_span_str(step->why->text)));
}

/* The certificate that is provisioned: the one given, or that which the template names. */
static struct prov_id subject(const struct eval *e)
{
    struct prov_id id;

    if (e->ident != NULL)
        return e->ident->id;
    if (e->plan->certificate_id == NULL ||
        !prov_id_parse(prov_span_str(e->plan->certificate_id), &id))
        id = (struct prov_id){ { 0 } };
    return id;
}

static enum prov_rc answer(struct eval *e, cJSON **data)
{
    const struct prov_id id = subject(e);
    enum prov_rc rc;

    e->doc = prov_doc_start(e->tx);
    put_head(e);
    put_plan(e);
    e->steps = prov_doc_array(&e->doc, e->doc.root, "steps");
    e->problems = prov_doc_array(&e->doc, e->doc.root, "problems");
    rc = prov_plan_preview(e->tx, &id, e->plan, visit, e);
    if (rc == PROV_OK)
        return prov_doc_end(&e->doc, data);
    cJSON_Delete(e->doc.root);
    return rc;
}

static enum prov_rc evaluate(struct prov_tx *tx, const cJSON *params, cJSON **data)
{
    struct eval *e = calloc(1, sizeof *e);
    enum prov_rc rc;

    if (e == NULL)
        return prov_nomem(tx->err);
    e->tx = tx;
    e->given = api_get(params, "parameters");
    rc = read_template(e, params);
    if (rc == PROV_OK)
        rc = read_device(e, params);
    if (rc == PROV_OK)
        rc = gather_params(e);
    if (rc == PROV_OK)
        rc = prov_template_eval(e->tpl, (struct prov_params){ e->params, e->n_params }, &e->plan,
                                tx->err);
    if (rc == PROV_OK)
        rc = answer(e, data);
    prov_plan_free(e->plan);
    prov_template_free(e->tpl);
    prov_ident_free(e->ident);
    X509_free(e->leaf);
    free(e);
    return rc == PROV_ENOMEM ? prov_nomem(tx->err) : rc;
}

static const struct prov_api_field evaluate_fields[] = {
    API_TEXT("templateName"),
    API_NUMBER("versionId"),
    API_TEXT("templateBody"),
    API_TEXT("type"),
    { "parameters", PROV_API_MAP, false, NULL },
    API_TEXT("certificateId"),
    API_TEXT("certificatePem"),
    API_END,
};

const struct prov_api_op api_evaluate_ops[] = {
    { "evaluateProvisioningTemplate",
      "What a template would do for a device, step by step.",
      PROV_API_READ,
      { "templateName", NULL },
      evaluate_fields,
      evaluate,
      NULL },
    { .name = NULL },
};
