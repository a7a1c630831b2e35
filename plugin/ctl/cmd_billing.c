#include "list.h"
#include "nouns.h"

static enum prov_rc say_created(struct ctl *ctl, const cJSON *data)
{
    (void)data;
    return ctl_done(ctl,
                    "billing group %s created\n"
                    "Next: provctl thing update THING --billing-group %s",
                    ctl->args.words[0], ctl->args.words[0]);
}

static enum prov_rc billing_create(struct ctl *ctl)
{
    struct ctl_params params = ctl_params();

    ctl_put(&params, "billingGroupName", ctl_word(ctl, 0));
    if (ctl_has(&ctl->args, OPT_DESCRIPTION))
        ctl_put_within(&params, "billingGroupProperties", "billingGroupDescription",
                       ctl_value(ctl, OPT_DESCRIPTION));
    return ctl_tell(ctl, "createBillingGroup", &params, say_created);
}

static const struct ctl_column columns[] = {
    { "BILLING GROUP", false, true },
    { "CREATED", false, false },
    { "DESCRIPTION", false, true },
};

static void row(struct ctl_table *table, const cJSON *group)
{
    ctl_cell(table, ctl_get(group, "groupName"));
    ctl_cell_time(table, ctl_get_time(group, "creationDate"));
    ctl_cell(table, ctl_get(group, "billingGroupDescription"));
}

static enum prov_rc billing_list(struct ctl *ctl)
{
    static const struct ctl_list list = {
        .op = "listBillingGroups",
        .rows = "billingGroups",
        .pages = CTL_BY_TOKEN,
        .columns = columns,
        .n_columns = PROV_COUNT(columns),
        .none = "no billing group yet; `provctl billing-group create NAME` adds one",
        .row = row,
    };
    struct ctl_params filter = ctl_params();

    return ctl_list(ctl, &list, &filter);
}

static enum prov_rc say_group(struct ctl *ctl, const cJSON *data)
{
    static const struct ctl_short_list things = { .op = "listThingsInBillingGroup",
                                                  .rows = "things",
                                                  .pages = CTL_BY_TOKEN,
                                                  .of = "billingGroupName" };
    const struct prov_span name = ctl_get(data, "billingGroupName");
    enum prov_rc rc;

    ctl_field(ctl, "billing group", name);
    ctl_field(ctl, "description",
              ctl_get_in(data, "billingGroupProperties", "billingGroupDescription"));
    rc = ctl_field_list(ctl, "things", &things, name);
    ctl_field_time(ctl, "created",
                   ctl_get_time(ctl_get_object(data, "billingGroupMetadata"), "creationDate"));
    return rc;
}

static enum prov_rc billing_show(struct ctl *ctl)
{
    return ctl_tell_one(ctl, "describeBillingGroup", "billingGroupName", ctl_word(ctl, 0),
                        say_group);
}

static enum prov_rc say_deleted(struct ctl *ctl, const cJSON *data)
{
    (void)data;
    return ctl_done(ctl, "billing group %s deleted", ctl->args.words[0]);
}

static enum prov_rc billing_delete(struct ctl *ctl)
{
    return ctl_tell_one(ctl, "deleteBillingGroup", "billingGroupName", ctl_word(ctl, 0),
                        say_deleted);
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
