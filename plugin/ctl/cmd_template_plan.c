#include <stdio.h>

#include "cmd_template.h"
#include "core/doc.h"
#include "table.h"

struct answer {
    struct ctl *ctl;
    const struct ctl_plan *of;
    struct ctl_table table;
    struct prov_doc doc; /* under --json, with */
    cJSON *steps, *problem_list;
    struct prov_buf problems;  /* a line for each step that cannot be done */
    struct prov_buf documents; /* of policies that the template makes */
};

/* ---- steps in words ---------------------------------------------------------------------------
 */

static const struct {
    const char *what, *json;
    const char *as_it_is, *set, *removed, *kept; /* kept NULL: "stays …" */
} parts[PROV_PLAN_PARTS] = {
    [PROV_PART_THING] = { "thing", "THING", "exists", NULL, NULL, NULL },
    [PROV_PART_TYPE] = { "thing type", "THING_TYPE", "has it", "set", NULL, NULL },
    [PROV_PART_ATTRIBUTE] = { "attribute", "ATTRIBUTE", "has it", "added", "removed", NULL },
    [PROV_PART_GROUP] = { "thing group", "THING_GROUP", "is in it", "joined", "left",
                          "not joined: an existing thing stays where it is" },
    [PROV_PART_BILLING_GROUP] = { "billing group", "BILLING_GROUP", "is in it", "joined", NULL,
                                  NULL },
    [PROV_PART_POLICY] = { "policy", "POLICY", "is attached", "attached", NULL, NULL },
    [PROV_PART_ATTACHMENT] = { "attachment", "ATTACHMENT", "is so", "attached", NULL, NULL },
    [PROV_PART_STATUS] = { "certificate", "CERTIFICATE_STATUS", "is so", NULL, NULL, NULL },
};

static const char *const effects[PROV_PLAN_EFFECTS] = {
    [PROV_EFFECT_NONE] = "NONE",       [PROV_EFFECT_CREATED] = "CREATE",
    [PROV_EFFECT_SET] = "SET",         [PROV_EFFECT_CHANGED] = "CHANGE",
    [PROV_EFFECT_REMOVED] = "REMOVE",  [PROV_EFFECT_KEPT] = "KEEP",
    [PROV_EFFECT_REFUSED] = "REFUSED",
};

static void cell_outcome(struct ctl_table *t, const struct prov_plan_step *step)
{
    switch (step->effect) {
    case PROV_EFFECT_NONE: /* an attribute without a value is one to take away */
        ctl_cell(t, step->part == PROV_PART_ATTRIBUTE && step->now.n == 0
                        ? PROV_LIT("is not there")
                        : prov_span_str(parts[step->part].as_it_is));
        break;
    case PROV_EFFECT_CREATED:
        ctl_cell_styled(t, CTL_GOOD,
                        step->part == PROV_PART_POLICY ? "created and attached" : "created");
        break;
    case PROV_EFFECT_SET:
        ctl_cell_styled(t, CTL_GOOD, parts[step->part].set);
        break;
    case PROV_EFFECT_CHANGED:
        ctl_cellf(t, "changed from %.*s", PROV_SPAN_ARG(step->was));
        break;
    case PROV_EFFECT_REMOVED:
        ctl_cellf(t, "%s%s%.*s", parts[step->part].removed, step->was.n != 0 ? ": was " : "",
                  PROV_SPAN_ARG(step->was));
        break;
    case PROV_EFFECT_KEPT:
        if (parts[step->part].kept != NULL)
            ctl_cell(t, prov_span_str(parts[step->part].kept));
        else if (step->was.n != 0)
            ctl_cellf(t, "stays %.*s", PROV_SPAN_ARG(step->was));
        else
            ctl_cell(t, PROV_LIT("stays without"));
        break;
    case PROV_EFFECT_REFUSED:
    case PROV_PLAN_EFFECTS:
        ctl_cell_styled(t, CTL_BAD, "cannot be");
        break;
    }
}

static void keep_document(struct answer *a, const struct prov_plan_step *step)
{
    cJSON *tree = cJSON_ParseWithLength((const char *)step->now.p, step->now.n);

    prov_buf_addf(&a->documents, "\nPolicy %.*s is made of this document:\n",
                  PROV_SPAN_ARG(step->name));
    if (tree != NULL)
        ctl_put_json(&a->documents, tree, 0);
    else
        a->documents.rc = PROV_ENOMEM; /* it has been parsed before */
    prov_buf_add_u8(&a->documents, '\n');
    cJSON_Delete(tree);
}

static void row(struct answer *a, const struct prov_plan_step *step)
{
    const bool document = step->part == PROV_PART_POLICY && step->now.n != 0;

    ctl_cell(&a->table, prov_span_str(parts[step->part].what));
    if (step->part == PROV_PART_STATUS)
        ctl_cell_id(&a->table, &a->of->cert);
    else
        ctl_cell(&a->table, step->name);
    ctl_cell(&a->table, document ? PROV_LIT("") : step->now);
    cell_outcome(&a->table, step);
    if (document)
        keep_document(a, step);
}

static void put_step(struct answer *a, const struct prov_plan_step *step)
{
    cJSON *item = prov_doc_append(&a->doc, a->steps, cJSON_CreateObject());
    const char *value = step->part == PROV_PART_POLICY ? "policyDocument" : "value";

    prov_doc_text(&a->doc, item, "part", prov_span_str(parts[step->part].json));
    prov_doc_text(&a->doc, item, "effect", prov_span_str(effects[step->effect]));
    prov_doc_text_if(&a->doc, item, "name", step->name);
    prov_doc_text_if(&a->doc, item, value, step->now);
    prov_doc_text_if(&a->doc, item, "was", step->was);
    if (step->why != NULL)
        prov_doc_text(&a->doc, item, "reason", prov_span_str(step->why->text));
}

static void visit(void *ctx, const struct prov_plan_step *step)
{
    struct answer *a = ctx;

    if (a->ctl->json)
        put_step(a, step);
    else
        row(a, step);
    if (step->why == NULL)
        return;
    prov_buf_addf(&a->problems, "  %s\n", step->why->text);
    if (a->ctl->json)
        (void)prov_doc_append(&a->doc, a->problem_list,
                              prov_doc_string(prov_span_str(step->why->text)));
}

/* ---- for people -------------------------------------------------------------------------------
 */

static const struct ctl_column columns[] = {
    { "WHAT", false, false },
    { "NAME", false, true },
    { "VALUE", false, true },
    { "OUTCOME", false, false },
};

static void say_head(const struct answer *a)
{
    const struct ctl_plan *of = a->of;
    const char *type = prov_template_type_name(of->type);

    if (of->version != 0)
        ctl_say(a->ctl, "Template %s, version %u (%s), would do this:\n\n", of->name, of->version,
                type);
    else
        ctl_say(a->ctl, "The template in %s (%s) would do this:\n\n", of->name, type);
}

static void say_plan(struct answer *a)
{
    const struct prov_plan *plan = a->of->plan;
    struct ctl *ctl = a->ctl;

    say_head(a);
    for (size_t i = 0; i < plan->n_config; i++) {
        ctl_cell(&a->table, PROV_LIT("device is told"));
        ctl_cell(&a->table, prov_span_str(plan->config[i].name));
        ctl_cell(&a->table, prov_span_str(plan->config[i].value));
        ctl_cell(&a->table, prov_span(NULL, 0));
    }
    ctl_table_flush(&a->table);
    prov_buf_add(&ctl->out, prov_buf_span(&a->documents));
    if (a->of->disabled)
        ctl_say(ctl, "\nBut it is disabled: `provctl template update %s --enabled on`\n",
                a->of->name);
    if (a->problems.n != 0) {
        ctl_say(ctl, "\nBut it would fail:\n");
        ctl_block(ctl, prov_buf_span(&a->problems));
    }
}

/* ---- as JSON ----------------------------------------------------------------------------------
 */

static const char *const overrides[] = {
    [PROV_OVERRIDE_DEFAULT] = "", [PROV_DO_NOTHING] = "DO_NOTHING", [PROV_REPLACE] = "REPLACE",
    [PROV_FAIL] = "FAIL",         [PROV_MERGE] = "MERGE",
};

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
    static const char *const kinds[] = {
        [PROV_ATTACH_UNSAID] = "",
        [PROV_ATTACH_EXCLUSIVE] = "EXCLUSIVE_THING",
        [PROV_ATTACH_SHARED] = "NON_EXCLUSIVE_THING",
    };

    if (plan->certificate_id == NULL)
        return;
    put_text(d, d->root, "certificateId", plan->certificate_id);
    put_text(d, d->root, "certificateStatus", plan->activate ? "ACTIVE" : "INACTIVE");
    put_text(d, d->root, "thingPrincipalType", kinds[plan->attach]);
}

static void put_plan(struct answer *a)
{
    const struct prov_plan *plan = a->of->plan;
    struct prov_doc *d = &a->doc;
    cJSON *array, *item;

    put_text(d, d->root, "templateName", a->of->name);
    if (a->of->version != 0)
        prov_doc_number(d, d->root, "versionId", a->of->version);
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
    a->steps = prov_doc_array(d, d->root, "steps");
    a->problem_list = prov_doc_array(d, d->root, "problems");
}

/* ---- either -----------------------------------------------------------------------------------
 */

enum prov_rc ctl_plan_answer(struct ctl *ctl, const struct ctl_plan *plan, bool *refused)
{
    struct answer a = { .ctl = ctl, .of = plan };
    enum prov_rc rc;

    ctl_table_start(&a.table, columns, PROV_COUNT(columns), &ctl->look, &ctl->out);
    prov_buf_init(&a.problems, 65536);
    prov_buf_init(&a.documents, 1u << 20);
    if (ctl->json) {
        a.doc = prov_doc_start(&ctl->tx);
        put_plan(&a);
    }
    rc = prov_plan_preview(&ctl->tx, &plan->cert, plan->plan, visit, &a);
    if (rc == PROV_OK && ctl->json)
        rc = ctl_answer_doc(ctl, &a.doc);
    else if (rc == PROV_OK)
        say_plan(&a);
    else if (ctl->json)
        cJSON_Delete(a.doc.root);
    *refused = a.problems.n != 0 || a.problems.rc != PROV_OK;
    ctl_table_release(&a.table);
    ctl_release(&ctl->out, &a.problems);
    ctl_release(&ctl->out, &a.documents);
    return rc;
}
