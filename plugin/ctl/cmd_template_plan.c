#include "cmd_template.h"
#include "list.h"

struct answer {
    struct ctl *ctl;
    const cJSON *data;
    struct ctl_table table;
    struct prov_buf documents; /* of policies that the template makes */
};

/* ---- steps in words -------------------------------------------------------------------------- */

/* By the names that evaluateProvisioningTemplate has for the parts of a plan. */
static const struct part {
    const char *name, *what;
    const char *as_it_is, *set, *removed, *kept; /* kept NULL: "stays …" */
} parts[] = {
    { "THING", "thing", "exists", "set", "removed", NULL },
    { "THING_TYPE", "thing type", "has it", "set", "removed", NULL },
    { "ATTRIBUTE", "attribute", "has it", "added", "removed", NULL },
    { "THING_GROUP", "thing group", "is in it", "joined", "left",
      "not joined: an existing thing stays where it is" },
    { "BILLING_GROUP", "billing group", "is in it", "joined", "left", NULL },
    { "POLICY", "policy", "is attached", "attached", "detached", NULL },
    { "ATTACHMENT", "attachment", "is so", "attached", "detached", NULL },
    { "CERTIFICATE_STATUS", "certificate", "is so", "set", "removed", NULL },
};

/* What only a newer broker knows is told as it is called. */
static const struct part *part_of(const cJSON *step)
{
    static const struct part other = { "", "other", "is so", "set", "removed", NULL };
    const struct prov_span name = ctl_get(step, "part");

    for (size_t i = 0; i < PROV_COUNT(parts); i++) {
        if (prov_span_eq_str(name, parts[i].name))
            return &parts[i];
    }
    return &other;
}

static bool is_part(const struct part *part, const char *name)
{
    return strcmp(part->name, name) == 0;
}

static void cell_none(struct ctl_table *t, const struct part *part, const cJSON *step)
{
    /* an attribute without a value is one to take away */
    ctl_cell(t, is_part(part, "ATTRIBUTE") && ctl_get(step, "value").n == 0
                    ? PROV_LIT("is not there")
                    : prov_span_str(part->as_it_is));
}

static void cell_created(struct ctl_table *t, const struct part *part, const cJSON *step)
{
    (void)step;
    ctl_cell_styled(t, CTL_GOOD, is_part(part, "POLICY") ? "created and attached" : "created");
}

static void cell_set(struct ctl_table *t, const struct part *part, const cJSON *step)
{
    (void)step;
    ctl_cell_styled(t, CTL_GOOD, part->set);
}

static void cell_changed(struct ctl_table *t, const struct part *part, const cJSON *step)
{
    (void)part;
    ctl_cellf(t, "changed from %.*s", PROV_SPAN_ARG(ctl_get(step, "was")));
}

static void cell_removed(struct ctl_table *t, const struct part *part, const cJSON *step)
{
    const struct prov_span was = ctl_get(step, "was");

    ctl_cellf(t, "%s%s%.*s", part->removed, was.n != 0 ? ": was " : "", PROV_SPAN_ARG(was));
}

static void cell_kept(struct ctl_table *t, const struct part *part, const cJSON *step)
{
    const struct prov_span was = ctl_get(step, "was");

    if (part->kept != NULL)
        ctl_cell(t, prov_span_str(part->kept));
    else if (was.n != 0)
        ctl_cellf(t, "stays %.*s", PROV_SPAN_ARG(was));
    else
        ctl_cell(t, PROV_LIT("stays without"));
}

static void cell_refused(struct ctl_table *t, const struct part *part, const cJSON *step)
{
    (void)part, (void)step;
    ctl_cell_styled(t, CTL_BAD, "cannot be");
}

static void cell_outcome(struct ctl_table *t, const struct part *part, const cJSON *step)
{
    static const struct {
        const char *effect;
        void (*put)(struct ctl_table *t, const struct part *part, const cJSON *step);
    } effects[] = {
        { "NONE", cell_none },       { "CREATE", cell_created }, { "SET", cell_set },
        { "CHANGE", cell_changed },  { "REMOVE", cell_removed }, { "KEEP", cell_kept },
        { "REFUSED", cell_refused },
    };
    const struct prov_span effect = ctl_get(step, "effect");

    for (size_t i = 0; i < PROV_COUNT(effects); i++) {
        if (prov_span_eq_str(effect, effects[i].effect)) {
            effects[i].put(t, part, step);
            return;
        }
    }
    ctl_cell(t, effect);
}

static void keep_document(struct answer *a, struct prov_span name, struct prov_span text)
{
    cJSON *tree = cJSON_ParseWithLength((const char *)text.p, text.n);

    prov_buf_addf(&a->documents, "\nPolicy ");
    ctl_put_text(&a->documents, name);
    prov_buf_add_str(&a->documents, " is made of this document:\n");
    if (tree != NULL)
        ctl_put_json(&a->documents, tree, 0);
    else
        ctl_put_text(&a->documents, text);
    prov_buf_add_u8(&a->documents, '\n');
    cJSON_Delete(tree);
}

/* The certificate that is provisioned: the one given, or that which the template names. */
static struct prov_span certificate(const struct answer *a)
{
    return ctl_get(a->data, "certificateId");
}

static void row(struct answer *a, const cJSON *step)
{
    const struct prov_span document = ctl_get(step, "policyDocument");
    const struct part *part = part_of(step);

    ctl_cell(&a->table, prov_span_str(part->what));
    if (is_part(part, "CERTIFICATE_STATUS"))
        ctl_cell_id(&a->table, certificate(a));
    else
        ctl_cell(&a->table, ctl_get(step, "name"));
    ctl_cell(&a->table, ctl_get(step, "value"));
    cell_outcome(&a->table, part, step);
    if (document.n != 0)
        keep_document(a, ctl_get(step, "name"), document);
}

/* ---- the whole ------------------------------------------------------------------------------- */

static const struct ctl_column columns[] = {
    { "WHAT", false, false },
    { "NAME", false, true },
    { "VALUE", false, true },
    { "OUTCOME", false, false },
};

static void say_head(struct answer *a, const char *name)
{
    const uint32_t version = ctl_get_version(a->data, "versionId");
    const struct prov_span type = ctl_get(a->data, "type");

    if (version != 0)
        ctl_say(a->ctl, "Template %s, version %u (%.*s), would do this:\n\n", name, version,
                PROV_SPAN_ARG(type));
    else
        ctl_say(a->ctl, "The template in %s (%.*s) would do this:\n\n", name, PROV_SPAN_ARG(type));
}

static void say_steps(struct answer *a)
{
    const cJSON *item;

    ctl_table_start(&a->table, columns, PROV_COUNT(columns), &a->ctl->look, &a->ctl->out);
    cJSON_ArrayForEach(item, ctl_get_array(a->data, "steps"))
    {
        row(a, item);
    }
    cJSON_ArrayForEach(item, ctl_get_object(a->data, "deviceConfiguration"))
    {
        ctl_cell(&a->table, PROV_LIT("device is told"));
        ctl_cell(&a->table, prov_span_str(item->string));
        ctl_cell(&a->table, ctl_element(item, NULL));
        ctl_cell(&a->table, prov_span(NULL, 0));
    }
    ctl_table_flush(&a->table);
    ctl_table_release(&a->table);
}

static void say_problems(struct ctl *ctl, const cJSON *problems)
{
    const cJSON *problem;

    if (cJSON_GetArraySize(problems) != 0)
        ctl_say(ctl, "\nBut it would fail:\n");
    cJSON_ArrayForEach(problem, problems)
    {
        ctl_say(ctl, "  %.*s\n", PROV_SPAN_ARG(ctl_element(problem, NULL)));
    }
}

void ctl_plan_say(struct ctl *ctl, const char *name, const cJSON *data)
{
    struct answer a = { .ctl = ctl, .data = data };

    prov_buf_init(&a.documents, 1u << 20);
    say_head(&a, name);
    say_steps(&a);
    prov_buf_add(&ctl->out, prov_buf_span(&a.documents));
    if (ctl_get_version(data, "versionId") != 0 && !ctl_get_bool(data, "enabled"))
        ctl_say(ctl, "\nBut it is disabled: `provctl template update %s --enabled on`\n", name);
    say_problems(ctl, ctl_get_array(data, "problems"));
    ctl_release(&ctl->out, &a.documents);
}
