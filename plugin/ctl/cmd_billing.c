#include "core/view.h"
#include "ctl.h"
#include "list.h"
#include "nouns.h"

/* All that CreateBillingGroup answers with, and the rest of the description. */
static enum prov_rc answer_billing(struct ctl *ctl, struct prov_span name)
{
    struct prov_billing_group group;
    cJSON *doc = NULL;
    enum prov_rc rc;

    rc = prov_billing_get(&ctl->tx, name, &group);
    if (rc == PROV_OK)
        rc = prov_view_billing(&ctl->tx, &group, &doc);
    return ctl_answer(ctl, rc, doc);
}

static enum prov_rc billing_create(struct ctl *ctl)
{
    enum prov_rc rc;

    rc = prov_billing_create(&ctl->tx, ctl_word(ctl, 0), ctl_value(ctl, OPT_DESCRIPTION));
    if (rc != PROV_OK)
        return rc;
    if (ctl->json)
        return answer_billing(ctl, ctl_word(ctl, 0));
    ctl_say(ctl,
            "billing group %s created\n"
            "Next: provctl thing update THING --billing-group %s\n",
            ctl->args.words[0], ctl->args.words[0]);
    return PROV_OK;
}

static const struct ctl_column columns[] = {
    { "BILLING GROUP", false, true },
    { "CREATED", false, false },
    { "DESCRIPTION", false, true },
};

static enum prov_rc row(struct ctl *ctl, struct prov_span key, struct ctl_row *row)
{
    struct prov_billing_group group;
    enum prov_rc rc;

    if (row->table == NULL)
        return prov_view_billing_row(&ctl->tx, key, &row->json);
    rc = prov_billing_get(&ctl->tx, key, &group);
    if (rc != PROV_OK)
        return rc;
    ctl_cell(row->table, group.name);
    ctl_cell_time(row->table, group.created_ms);
    ctl_cell(row->table, group.description);
    return PROV_OK;
}

static enum prov_rc billing_list(struct ctl *ctl)
{
    const struct ctl_list list = {
        .kind = PROV_LIST_BILLING_GROUPS,
        .columns = columns,
        .n_columns = PROV_COUNT(columns),
        .json_key = "billingGroups",
        .json_token = "nextToken",
        .none = "no billing group yet; `provctl billing-group create NAME` adds one",
        .row = row,
    };

    return ctl_list(ctl, &list);
}

static enum prov_rc billing_show(struct ctl *ctl)
{
    struct prov_billing_group group;
    enum prov_rc rc;

    if (ctl->json)
        return answer_billing(ctl, ctl_word(ctl, 0));
    rc = prov_billing_get(&ctl->tx, ctl_word(ctl, 0), &group);
    if (rc != PROV_OK)
        return rc;
    ctl_field(ctl, "billing group", group.name);
    ctl_field(ctl, "description", group.description);
    rc = ctl_field_list(ctl, "things", PROV_LIST_THINGS_OF_BILLING_GROUP, group.name);
    ctl_field_time(ctl, "created", group.created_ms);
    return rc;
}

static enum prov_rc billing_delete(struct ctl *ctl)
{
    const enum prov_rc rc = prov_billing_delete(&ctl->tx, ctl_word(ctl, 0));

    return rc != PROV_OK ? rc : ctl_done(ctl, "billing group %s deleted", ctl->args.words[0]);
}

static const struct ctl_option create_options[] = {
    { OPT_DESCRIPTION, "TEXT", "for people", NULL, false },
    { 0, NULL, NULL, NULL, false },
};

static const struct ctl_option list_options[] = {
    CTL_LIST_OPTIONS("NAME"),
    { 0, NULL, NULL, NULL, false },
};

static const struct ctl_verb verbs[] = {
    { "create", "NAME", "Creates a billing group.", "  provctl billing-group create plant-berlin\n",
      CTL_WRITE, create_options, billing_create },
    { "list", "", "Lists billing groups.", "  provctl billing-group list\n", CTL_READ, list_options,
      billing_list },
    { "show", "BILLING-GROUP", "Shows one billing group.",
      "  provctl billing-group show plant-berlin\n", CTL_READ, NULL, billing_show },
    { "delete", "BILLING-GROUP", "Deletes a billing group.",
      "  provctl billing-group delete plant-berlin\n", CTL_WRITE, NULL, billing_delete },
};

const struct ctl_noun ctl_noun_billing_group = {
    "billing-group",
    "billing groups: whom a thing is charged to",
    "A thing is in one billing group at most: `provctl thing update THING --billing-group\n"
    "NAME` puts it there.\n",
    verbs,
    PROV_COUNT(verbs),
    false,
};
