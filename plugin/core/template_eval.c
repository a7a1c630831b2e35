#include "template_priv.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include "limits.h"
#include "names.h"

/* ---- built-in parameters --------------------------------------------------------------------- */

/* The id first; the rest is read from the subject (reference 2.3). */
static const struct {
    const char *name;
    enum prov_dn_field field;
} builtins[PROV_BUILTIN_PARAMS] = {
    { PROV_PARAM_CERTIFICATE_ID, PROV_DN_FIELDS },
    { "AWS::IoT::Certificate::Country", PROV_DN_COUNTRY },
    { "AWS::IoT::Certificate::Organization", PROV_DN_ORGANIZATION },
    { "AWS::IoT::Certificate::OrganizationalUnit", PROV_DN_ORGANIZATIONAL_UNIT },
    { "AWS::IoT::Certificate::DistinguishedNameQualifier", PROV_DN_QUALIFIER },
    { "AWS::IoT::Certificate::StateName", PROV_DN_STATE },
    { "AWS::IoT::Certificate::CommonName", PROV_DN_COMMON_NAME },
    { "AWS::IoT::Certificate::SerialNumber", PROV_DN_SERIAL_NUMBER },
};

const char *prov_tpl_builtin(size_t i)
{
    return builtins[i].name;
}

static bool builtin_value(const struct prov_ident *ident, enum prov_dn_field field,
                          struct prov_span id_hex, struct prov_span *out)
{
    if (field == PROV_DN_FIELDS) {
        *out = id_hex;
        return true;
    }
    if (ident->dn[PROV_SUBJECT][field].n != 0) {
        *out = ident->dn[PROV_SUBJECT][field].v[0];
        return true;
    }
    *out = ident->serial_hex;
    return field == PROV_DN_SERIAL_NUMBER && out->n != 0;
}

size_t prov_params_builtin(const struct prov_ident *ident, struct prov_span id_hex,
                           struct prov_param out[static PROV_BUILTIN_PARAMS])
{
    size_t n = 0;

    for (size_t i = 0; i < PROV_BUILTIN_PARAMS; i++) {
        if (!builtin_value(ident, builtins[i].field, id_hex, &out[n].value))
            continue;
        out[n++].name = prov_span_str(builtins[i].name);
    }
    return n;
}

/* ---- strings --------------------------------------------------------------------------------- */

/* Without parameters, a mistake in one value does not keep the next from being looked at. */
static enum prov_rc settle(struct prov_tpl_eval *ev, enum prov_rc rc)
{
    if (rc != PROV_EINVAL || ev->report == NULL)
        return rc;
    prov_tpl_report(ev->report, rc, ev->err);
    return PROV_OK;
}

/* Copies into the plan. What is open has no place there. */
static enum prov_rc keep(struct prov_tpl_eval *ev, const struct prov_tpl_value *v,
                         const struct prov_json_path *at, char **out)
{
    *out = NULL;
    if (v->open)
        return PROV_OK;
    *out = prov_tpl_alloc(ev->result, v->s.n + 1, 1);
    if (*out == NULL)
        return prov_tpl_arena_fail(ev, ev->result, at);
    if (v->s.n != 0)
        memcpy(*out, v->s.p, v->s.n);
    return PROV_OK;
}

static enum prov_rc check_name(const struct prov_tpl_eval *ev, enum prov_name_kind kind,
                               struct prov_span name, const struct prov_json_path *at)
{
    struct prov_err why;

    if (prov_name_check(kind, name, &why) == PROV_OK)
        return PROV_OK;
    return prov_tpl_fail(ev->tpl, ev->err, at, "%s", why.text);
}

static enum prov_rc keep_name(struct prov_tpl_eval *ev, enum prov_name_kind kind,
                              const struct prov_tpl_value *v, const struct prov_json_path *at,
                              char **out)
{
    const enum prov_rc rc = v->open ? PROV_OK : check_name(ev, kind, v->s, at);

    return rc != PROV_OK ? rc : keep(ev, v, at, out);
}

/* A property that is a name; *out stays as it is when the property is not there. */
static enum prov_rc eval_name(struct prov_tpl_eval *ev, const cJSON *props,
                              const struct prov_json_path *props_at, const char *property,
                              enum prov_name_kind kind, char **out)
{
    const struct prov_json_path at = { .up = props_at, .key = property };
    const cJSON *value = prov_tpl_get(props, property);
    struct prov_tpl_value v;
    enum prov_rc rc;

    if (!prov_tpl_sound(ev->report, value))
        return PROV_OK;
    rc = prov_tpl_value(ev, value, &at, PROV_TPL_STRING, &v);
    return settle(ev, rc != PROV_OK ? rc : keep_name(ev, kind, &v, &at, out));
}

static enum prov_rc eval_entry(struct prov_tpl_eval *ev, const cJSON *m,
                               const struct prov_json_path *at, bool attribute,
                               struct prov_plan_attr *out)
{
    const struct prov_tpl_value name = { .s = prov_span_str(m->string) };
    struct prov_tpl_value value;
    enum prov_rc rc;

    rc = attribute ? check_name(ev, PROV_NAME_ATTRIBUTE, name.s, at) : PROV_OK;
    if (rc == PROV_OK)
        rc = keep(ev, &name, at, &out->name);
    if (rc == PROV_OK)
        rc = prov_tpl_value(ev, m, at, PROV_TPL_STRING, &value);
    if (rc != PROV_OK)
        return rc;
    return attribute ? keep_name(ev, PROV_NAME_ATTRIBUTE_VALUE, &value, at, &out->value)
                     : keep(ev, &value, at, &out->value);
}

/* AttributePayload, whose names and values are the registry's, or DeviceConfiguration. */
static enum prov_rc eval_map(struct prov_tpl_eval *ev, const cJSON *map,
                             const struct prov_json_path *at, bool attributes,
                             struct prov_plan_attr **out, size_t *n_out)
{
    const size_t n = (size_t)cJSON_GetArraySize(map);
    struct prov_json_path here = { .up = at };
    struct prov_plan_attr *entry;
    enum prov_rc rc = PROV_OK;
    const cJSON *m;

    *out = entry = prov_tpl_alloc(ev->result, n, sizeof *entry);
    if (entry == NULL)
        return prov_tpl_arena_fail(ev, ev->result, at);
    *n_out = n;
    cJSON_ArrayForEach(m, map)
    {
        here.key = m->string;
        if (rc == PROV_OK && prov_tpl_sound(ev->report, m))
            rc = settle(ev, eval_entry(ev, m, &here, attributes, entry));
        entry++;
    }
    return rc;
}

/* ---- resources ------------------------------------------------------------------------------- */

static enum prov_rc eval_attributes(struct prov_tpl_eval *ev, const cJSON *map,
                                    const struct prov_json_path *at)
{
    const int n = cJSON_GetArraySize(map);

    if (!cJSON_IsObject(map)) /* not there, or a mistake that was told of */
        return PROV_OK;
    if (n > PROV_MAX_ATTRS)
        return settle(ev,
                      prov_tpl_fail(ev->tpl, ev->err, at, "%d attributes; a thing has at most %d",
                                    n, PROV_MAX_ATTRS));
    ev->plan->has_attrs = true;
    return eval_map(ev, map, at, true, &ev->plan->attrs, &ev->plan->n_attrs);
}

static enum prov_rc add_group(struct prov_tpl_eval *ev, const struct prov_tpl_value *group,
                              const struct prov_json_path *at)
{
    if (ev->plan->n_groups == PROV_MAX_THING_GROUPS)
        return prov_tpl_fail(ev->tpl, ev->err, at, "a thing is in at most %d groups",
                             PROV_MAX_THING_GROUPS);
    return keep_name(ev, PROV_NAME_THING, group, at, &ev->plan->groups[ev->plan->n_groups++]);
}

/* A list written out is taken element by element, so that each has its own place. */
static enum prov_rc eval_group_list(struct prov_tpl_eval *ev, const cJSON *groups,
                                    const struct prov_json_path *at)
{
    struct prov_json_path here = { .up = at };
    struct prov_tpl_value v;
    enum prov_rc rc = PROV_OK;
    const cJSON *m;

    cJSON_ArrayForEach(m, groups)
    {
        if (rc == PROV_OK)
            rc = prov_tpl_value(ev, m, &here, PROV_TPL_STRING, &v);
        rc = settle(ev, rc == PROV_OK ? add_group(ev, &v, &here) : rc);
        here.index++;
    }
    return rc;
}

static enum prov_rc eval_groups(struct prov_tpl_eval *ev, const cJSON *groups,
                                const struct prov_json_path *at)
{
    struct prov_tpl_value v;
    enum prov_rc rc;

    if (!prov_tpl_sound(ev->report, groups))
        return PROV_OK;
    ev->plan->has_groups = true;
    ev->plan->groups = prov_tpl_alloc(ev->result, PROV_MAX_THING_GROUPS, sizeof(char *));
    if (ev->plan->groups == NULL)
        return prov_tpl_arena_fail(ev, ev->result, at);
    if (cJSON_IsArray(groups))
        return eval_group_list(ev, groups, at);
    rc = prov_tpl_value(ev, groups, at, PROV_TPL_LIST, &v);
    for (size_t i = 0; rc == PROV_OK && !v.open && i < v.n; i++)
        rc = add_group(ev, &(struct prov_tpl_value){ .s = v.v[i] }, at);
    return settle(ev, rc);
}

static enum prov_rc eval_thing(struct prov_tpl_eval *ev, const cJSON *resource, const cJSON *props,
                               const struct prov_json_path *at)
{
    const struct prov_json_path attrs_at = { .up = at, .key = "AttributePayload" };
    const struct prov_json_path groups_at = { .up = at, .key = "ThingGroups" };
    struct prov_plan *plan = ev->plan;
    enum prov_rc rc;

    plan->on_attrs = prov_tpl_override(resource, "AttributePayload");
    plan->on_type = prov_tpl_override(resource, "ThingTypeName");
    plan->on_groups = prov_tpl_override(resource, "ThingGroups");
    plan->on_billing_group = prov_tpl_override(resource, "BillingGroup");
    rc = eval_name(ev, props, at, "ThingName", PROV_NAME_THING, &plan->thing_name);
    if (rc == PROV_OK)
        rc = eval_attributes(ev, prov_tpl_get(props, attrs_at.key), &attrs_at);
    if (rc == PROV_OK)
        rc = eval_name(ev, props, at, "ThingTypeName", PROV_NAME_THING, &plan->thing_type);
    if (rc == PROV_OK)
        rc = eval_groups(ev, prov_tpl_get(props, groups_at.key), &groups_at);
    if (rc == PROV_OK)
        rc = eval_name(ev, props, at, "BillingGroup", PROV_NAME_THING, &plan->billing_group);
    return rc;
}

/* Which of two words a property evaluates to. *second stays as it is when it is not there. */
static enum prov_rc eval_choice(struct prov_tpl_eval *ev, const cJSON *props,
                                const struct prov_json_path *props_at, const char *property,
                                const char *const words[static 2], bool *second)
{
    const struct prov_json_path at = { .up = props_at, .key = property };
    const cJSON *value = prov_tpl_get(props, property);
    char shown[PROV_TPL_SHOWN];
    struct prov_tpl_value v;
    enum prov_rc rc;

    if (!prov_tpl_sound(ev->report, value))
        return PROV_OK;
    rc = prov_tpl_value(ev, value, &at, PROV_TPL_STRING, &v);
    if (rc != PROV_OK || v.open)
        return settle(ev, rc);
    *second = prov_span_eq_nocase(v.s, prov_span_str(words[1]));
    if (*second || prov_span_eq_nocase(v.s, prov_span_str(words[0])))
        return PROV_OK;
    return settle(ev, prov_tpl_fail(ev->tpl, ev->err, &at, "\"%s\" is neither %s nor %s",
                                    prov_tpl_show(v.s, shown), words[0], words[1]));
}

static enum prov_rc eval_id(struct prov_tpl_eval *ev, const cJSON *value,
                            const struct prov_json_path *at, char **out)
{
    struct prov_tpl_value v;
    enum prov_rc rc;

    if (!prov_tpl_sound(ev->report, value))
        return PROV_OK;
    rc = prov_tpl_value(ev, value, at, PROV_TPL_STRING, &v);
    return settle(ev, rc != PROV_OK ? rc : keep(ev, &v, at, out));
}

static enum prov_rc eval_certificate(struct prov_tpl_eval *ev, const cJSON *resource,
                                     const cJSON *props, const struct prov_json_path *at)
{
    static const char *const statuses[] = { "INACTIVE", "ACTIVE" };
    static const char *const types[] = { "NON_EXCLUSIVE_THING", "EXCLUSIVE_THING" };
    const struct prov_json_path id_at = { .up = at, .key = "CertificateId" };
    struct prov_plan *plan = ev->plan;
    bool exclusive = false;
    enum prov_rc rc;

    plan->activate = true;
    plan->on_status = prov_tpl_override(resource, "Status");
    rc = eval_id(ev, prov_tpl_get(props, id_at.key), &id_at, &plan->certificate_id);
    if (rc == PROV_OK)
        rc = eval_choice(ev, props, at, "Status", statuses, &plan->activate);
    if (rc == PROV_OK)
        rc = eval_choice(ev, props, at, "ThingPrincipalType", types, &exclusive);
    if (prov_tpl_get(props, "ThingPrincipalType") != NULL)
        plan->attach = exclusive ? PROV_ATTACH_EXCLUSIVE : PROV_ATTACH_SHARED;
    return rc;
}

static enum prov_rc eval_policy(struct prov_tpl_eval *ev, const cJSON *resource, const cJSON *props,
                                const struct prov_json_path *at)
{
    const struct prov_json_path document_at = { .up = at, .key = "PolicyDocument" };
    const cJSON *document = prov_tpl_get(props, document_at.key);
    struct prov_plan_policy *policy = &ev->plan->policies[ev->plan->n_policies++];
    struct prov_tpl_value v;
    enum prov_rc rc;

    (void)resource;
    if (!prov_tpl_sound(ev->report, document))
        return eval_name(ev, props, at, "PolicyName", PROV_NAME_POLICY, &policy->name);
    rc = prov_tpl_document(ev, document, &document_at, &v);
    return settle(ev, rc != PROV_OK ? rc : keep(ev, &v, &document_at, &policy->document));
}

static enum prov_rc eval_resources(struct prov_tpl_eval *ev)
{
    static enum prov_rc (*const calls[])(struct prov_tpl_eval * ev, const cJSON *resource,
                                         const cJSON *props, const struct prov_json_path *at) = {
        [PROV_TPL_THING] = eval_thing,
        [PROV_TPL_CERTIFICATE] = eval_certificate,
        [PROV_TPL_POLICY] = eval_policy,
    };
    const struct prov_json_path at = { .key = "Resources" };
    struct prov_json_path resource_at = { .up = &at };
    const struct prov_json_path props_at = { .up = &resource_at, .key = "Properties" };
    enum prov_rc rc = PROV_OK;
    const cJSON *m;

    cJSON_ArrayForEach(m, ev->tpl->resources)
    {
        resource_at.key = m->string;
        if (rc == PROV_OK && prov_tpl_sound(ev->report, m))
            rc = calls[prov_tpl_kind_of(m)](ev, m, prov_tpl_get(m, props_at.key), &props_at);
    }
    return rc;
}

/* ---- plans ----------------------------------------------------------------------------------- */

/* Every declared parameter has a value, used or not (reference 2.3). */
static enum prov_rc check_parameters(struct prov_tpl_eval *ev)
{
    const struct prov_json_path at = { .key = "Parameters" };
    struct prov_json_path here = { .up = &at };
    struct prov_tpl_value ignored;
    enum prov_rc rc = PROV_OK;
    const cJSON *m;

    cJSON_ArrayForEach(m, ev->tpl->params)
    {
        here.key = m->string;
        if (rc == PROV_OK)
            rc = prov_tpl_param(ev, prov_span_str(m->string), &here, &ignored);
    }
    return rc;
}

static enum prov_rc build(struct prov_tpl_eval *ev)
{
    const struct prov_json_path config_at = { .key = "DeviceConfiguration" };
    struct prov_plan *plan;
    enum prov_rc rc;

    ev->scratch = prov_tpl_arena_new();
    ev->result = prov_tpl_arena_new();
    if (ev->scratch == NULL || ev->result == NULL)
        return prov_nomem(ev->err);
    ev->plan = plan = prov_tpl_alloc(ev->result, 1, sizeof *plan);
    if (plan == NULL)
        return prov_nomem(ev->err);
    plan->policies = prov_tpl_alloc(ev->result, PROV_MAX_CERT_POLICIES, sizeof *plan->policies);
    if (plan->policies == NULL)
        return prov_nomem(ev->err);
    plan->arena = ev->result;
    rc = check_parameters(ev);
    if (rc == PROV_OK)
        rc = eval_resources(ev);
    if (rc == PROV_OK && prov_tpl_sound(ev->report, ev->tpl->config))
        rc = eval_map(ev, ev->tpl->config, &config_at, false, &plan->config, &plan->n_config);
    return rc;
}

enum prov_rc prov_template_eval(const struct prov_template *tpl, struct prov_params params,
                                struct prov_plan **out, struct prov_err *err)
{
    struct prov_tpl_eval ev = { .tpl = tpl, .params = params, .err = err };
    const enum prov_rc rc = build(&ev);

    prov_tpl_arena_free(ev.scratch);
    *out = rc == PROV_OK ? ev.plan : NULL;
    if (rc != PROV_OK)
        prov_tpl_arena_free(ev.result);
    return rc;
}

enum prov_rc prov_tpl_check_constants(const struct prov_template *tpl,
                                      struct prov_tpl_report *report)
{
    struct prov_err err;
    struct prov_tpl_eval ev = { .tpl = tpl, .open = true, .err = &err, .report = report };
    const enum prov_rc rc = build(&ev);

    prov_tpl_arena_free(ev.scratch);
    prov_tpl_arena_free(ev.result);
    if (rc == PROV_ENOMEM)
        return prov_nomem(report->err);
    if (rc != PROV_OK)
        prov_tpl_report(report, rc, &err);
    return PROV_OK;
}

void prov_plan_free(struct prov_plan *plan)
{
    if (plan != NULL)
        prov_tpl_arena_free(plan->arena);
}

static char *copy_text(struct prov_tpl_arena *a, struct prov_span text)
{
    char *copy = prov_tpl_alloc(a, text.n + 1, 1);

    if (copy != NULL && text.n != 0)
        memcpy(copy, text.p, text.n);
    return copy;
}

enum prov_rc prov_plan_direct(struct prov_span certificate_id, struct prov_span thing_name,
                              const struct prov_span *policies, size_t n_policies,
                              struct prov_plan **out)
{
    struct prov_tpl_arena *a = prov_tpl_arena_new();
    struct prov_plan *plan = a != NULL ? prov_tpl_alloc(a, 1, sizeof *plan) : NULL;
    bool made = plan != NULL;

    if (made) {
        plan->arena = a;
        plan->activate = true;
        plan->certificate_id = copy_text(a, certificate_id);
        plan->policies = prov_tpl_alloc(a, n_policies + 1, sizeof *plan->policies);
        made = plan->certificate_id != NULL && plan->policies != NULL;
    }
    if (made && thing_name.n != 0)
        made = (plan->thing_name = copy_text(a, thing_name)) != NULL;
    for (size_t i = 0; made && i < n_policies; i++)
        made = (plan->policies[plan->n_policies++].name = copy_text(a, policies[i])) != NULL;
    if (!made) {
        prov_tpl_arena_free(a);
        return PROV_ENOMEM;
    }
    *out = plan;
    return PROV_OK;
}

enum prov_rc prov_plan_policy_name(struct prov_span document,
                                   char out[static PROV_PLAN_POLICY_NAME + 1])
{
    static const char digits[] = "0123456789ABCDEF";
    uint8_t sha1[PROV_PLAN_POLICY_NAME / 2];
    unsigned n = 0;
    int ok;

    ERR_set_mark();
    ok = EVP_Digest(document.p, document.n, sha1, &n, EVP_sha1(), NULL);
    ERR_pop_to_mark();
    if (ok != 1 || n != sizeof sha1)
        return PROV_ENOMEM;
    for (size_t i = 0; i < sizeof sha1; i++) {
        out[2 * i] = digits[sha1[i] >> 4];
        out[2 * i + 1] = digits[sha1[i] & 15];
    }
    out[2 * sizeof sha1] = '\0';
    return PROV_OK;
}
