/* Templates and policies: their files, and which policies a template attaches. */
#include "init.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/json.h"
#include "core/names.h"

#define POLICIES "policies/"
#define JSON_END ".json"

/* ---- files ----------------------------------------------------------------------------------- */

static bool in_templates(const struct init *in, const char *sub, const char *name,
                         char out[static INIT_PATH])
{
    const int n = snprintf(out, INIT_PATH, "%s/%s%s" JSON_END, in->places.templates, sub, name);

    return n > 0 && n < INIT_PATH && access(out, R_OK) == 0;
}

/* One of those that are installed, by its name alone; or a file. */
static enum prov_rc find_file(struct init *in, const char *sub, const char *answer,
                              char out[static INIT_PATH])
{
    if (answer[0] != '\0' && strchr(answer, '/') == NULL && in_templates(in, sub, answer, out))
        return PROV_OK;
    if (access(answer, F_OK) == 0)
        return init_set_path(in, answer, out);
    out[0] = '\0';
    return ctl_refuse(in->ctl, "there is neither a file \"%s\" nor one of that name in %s/%s",
                      answer, in->places.templates, sub);
}

/* "by-cn" of "/a/b/by-cn.json" */
static struct prov_span name_of(const char *file)
{
    const char *slash = strrchr(file, '/'), *name = slash != NULL ? slash + 1 : file;
    const size_t n = strlen(name), end = sizeof JSON_END - 1;

    return prov_span(name, n > end && strcmp(name + n - end, JSON_END) == 0 ? n - end : n);
}

static enum prov_rc set_name(struct init *in, enum prov_name_kind kind, const char *file, char *out,
                             size_t cap)
{
    const struct prov_span name = name_of(file);
    enum prov_rc rc = prov_name_check(kind, name, &in->ctl->err);

    if (rc == PROV_OK && !prov_span_copy(name, out, cap))
        rc = ctl_refuse(in->ctl, "the name is too long");
    return init_about(in, file, rc);
}

bool init_registered(struct init *in, const char *op, const char *key, const char *name)
{
    const struct prov_err before = in->ctl->err;
    cJSON *data = NULL;

    if (!in->found.store)
        return false;
    if (ctl_open(in->ctl, PROV_TXN_READ) == PROV_OK)
        data = ctl_peek(in->ctl, op, key, prov_span_str(name));
    ctl_close(in->ctl);
    in->ctl->err = before;
    cJSON_Delete(data);
    return data != NULL;
}

static bool is_template(struct init *in, const char *name)
{
    return init_registered(in, "describeProvisioningTemplate", "templateName", name);
}

/* ---- which policies -------------------------------------------------------------------------- */

/* The PolicyName of a resource, when it is a policy that is named by a text. */
static cJSON *policy_name(const cJSON *resource)
{
    const struct prov_span type = ctl_get(resource, "Type");
    cJSON *properties = cJSON_GetObjectItemCaseSensitive(resource, "Properties"), *name;

    if (!prov_span_eq_str(type, "AWS::IoT::Policy"))
        return NULL;
    name = cJSON_GetObjectItemCaseSensitive(properties, "PolicyName");
    return cJSON_IsString(name) ? name : NULL;
}

static void take_policy(struct init *in, struct init_way *way, const char *name)
{
    struct init_policy *policy = &way->policies[way->n_policies];

    memset(policy, 0, sizeof *policy);
    if (!prov_span_copy(prov_span_str(name), policy->name, sizeof policy->name))
        return; /* the template was checked: no such name is in it */
    if (!in_templates(in, POLICIES, name, policy->file))
        policy->file[0] = '\0';
    policy->there = init_registered(in, "getPolicy", "policyName", name);
    way->n_policies++;
}

static enum prov_rc take_policies(struct init *in, struct init_way *way, struct prov_span text)
{
    const cJSON *resource;
    cJSON *tree = NULL, *name;
    enum prov_rc rc;

    way->n_policies = 0;
    way->replaced = false;
    rc = prov_json_parse(text, PROV_MAX_TEMPLATE_BODY, &tree, &in->ctl->err);
    if (rc != PROV_OK)
        return rc;
    cJSON_ArrayForEach(resource, cJSON_GetObjectItemCaseSensitive(tree, "Resources"))
    {
        name = policy_name(resource);
        if (name != NULL && way->n_policies < PROV_COUNT(way->policies))
            take_policy(in, way, cJSON_GetStringValue(name));
    }
    cJSON_Delete(tree);
    return PROV_OK;
}

/* A policy for claims that many devices share comes with the template that it is written for. */
static void take_claim_policy(struct init *in, const struct init_way *way)
{
    struct init_policy *policy = &in->plan.claim_policy;

    memset(policy, 0, sizeof *policy);
    if (way->type != PROV_TEMPLATE_FLEET || strcmp(way->name, "fleet-by-serial") != 0 ||
        !in_templates(in, POLICIES, "golden-claim", policy->file))
        return;
    (void)snprintf(policy->name, sizeof policy->name, "golden-claim");
    policy->there = init_registered(in, "getPolicy", "policyName", policy->name);
}

/* ---- answers --------------------------------------------------------------------------------- */

static enum prov_rc read_template(struct init *in, const struct init_way *way,
                                  struct prov_buf *text)
{
    struct prov_template *template = NULL;
    enum prov_rc rc = ctl_read_file(in->ctl, way->file, PROV_MAX_TEMPLATE_BODY, text);

    if (rc == PROV_OK)
        rc = prov_template_parse(prov_buf_span(text), way->type, &template, &in->ctl->err);
    prov_template_free(template);
    return init_about(in, way->file, rc);
}

/* One that the registry has, and no file of that name. */
static bool take_registered(struct init *in, struct init_way *way, const char *name)
{
    if (strchr(name, '/') != NULL || in_templates(in, "", name, way->file) ||
        access(name, F_OK) == 0 || !is_template(in, name) ||
        !prov_span_copy(prov_span_str(name), way->name, sizeof way->name))
        return false;
    way->file[0] = '\0';
    way->there = true;
    way->n_policies = 0;
    return true;
}

enum prov_rc init_set_template(struct init *in, struct init_way *way, const char *answer)
{
    struct prov_buf text = { 0 };
    enum prov_rc rc;

    if (take_registered(in, way, answer))
        return PROV_OK;
    rc = find_file(in, "", answer, way->file);
    if (rc == PROV_OK)
        rc = set_name(in, PROV_NAME_TEMPLATE, way->file, way->name, sizeof way->name);
    if (rc == PROV_OK)
        rc = read_template(in, way, &text);
    if (rc == PROV_OK)
        rc = take_policies(in, way, prov_buf_span(&text));
    if (rc == PROV_OK) {
        way->there = is_template(in, way->name);
        take_claim_policy(in, way);
    }
    prov_buf_release(&text);
    return rc;
}

static enum prov_rc check_policy(struct init *in, const char *file)
{
    struct prov_policy_doc *doc = NULL;
    struct prov_buf text = { 0 };
    enum prov_rc rc = ctl_read_file(in->ctl, file, PROV_MAX_POLICY_TEXT, &text);

    if (rc == PROV_OK)
        rc = prov_policy_parse(prov_buf_span(&text), &doc, &in->ctl->err);
    prov_policy_doc_unref(doc);
    prov_buf_release(&text);
    return init_about(in, file, rc);
}

enum prov_rc init_set_policy(struct init *in, struct init_way *way, const char *answer)
{
    struct init_policy *policy = &way->policies[0], chosen = { .there = false };
    enum prov_rc rc;

    rc = find_file(in, POLICIES, answer, chosen.file);
    if (rc == PROV_OK)
        rc = check_policy(in, chosen.file);
    if (rc == PROV_OK)
        rc = set_name(in, PROV_NAME_POLICY, chosen.file, chosen.name, sizeof chosen.name);
    if (rc != PROV_OK)
        return rc;
    chosen.there = init_registered(in, "getPolicy", "policyName", chosen.name);
    way->replaced = way->replaced || strcmp(chosen.name, policy->name) != 0;
    *policy = chosen;
    return PROV_OK;
}

/* ---- the body -------------------------------------------------------------------------------- */

static enum prov_rc replace_policy(struct init *in, const char *name, struct prov_buf *text)
{
    cJSON *tree = NULL, *old = NULL, *resource;
    enum prov_rc rc;

    rc = prov_json_parse(prov_buf_span(text), PROV_MAX_TEMPLATE_BODY, &tree, &in->ctl->err);
    if (rc != PROV_OK)
        return rc;
    cJSON_ArrayForEach(resource, cJSON_GetObjectItemCaseSensitive(tree, "Resources"))
    {
        if (old == NULL)
            old = policy_name(resource);
    }
    prov_buf_clear(text);
    if (old == NULL || cJSON_SetValuestring(old, name) == NULL)
        rc = prov_nomem(&in->ctl->err);
    else
        ctl_put_json(text, tree, 0);
    cJSON_Delete(tree);
    return rc != PROV_OK ? rc : text->rc;
}

enum prov_rc init_way_body(struct init *in, const struct init_way *way, struct prov_buf *out)
{
    enum prov_rc rc = read_template(in, way, out);

    if (rc == PROV_OK && way->replaced)
        rc = replace_policy(in, way->policies[0].name, out);
    return rc;
}
