#include "list.h"
#include "nouns.h"

static enum prov_rc say_created(struct ctl *ctl, const cJSON *data)
{
    const char *name = ctl->args.words[0];

    (void)data;
    return ctl_done(ctl,
                    "thing group %s created\nNext, as far as wanted:\n"
                    "  provctl group add %s THING\n"
                    "  provctl policy attach NAME --group %s   for all of its things",
                    name, name, name);
}

static enum prov_rc group_create(struct ctl *ctl)
{
    struct ctl_params params = ctl_params();

    ctl_put(&params, "thingGroupName", ctl_word(ctl, 0));
    ctl_put_if(&params, "parentGroupName", ctl_value(ctl, OPT_PARENT));
    if (ctl_has(&ctl->args, OPT_DESCRIPTION))
        ctl_put_within(&params, "thingGroupProperties", "thingGroupDescription",
                       ctl_value(ctl, OPT_DESCRIPTION));
    return ctl_tell(ctl, "createThingGroup", &params, say_created);
}

static const struct ctl_column columns[] = {
    { "GROUP", false, true },    { "PARENT", false, true },      { "POLICIES", false, true },
    { "CREATED", false, false }, { "DESCRIPTION", false, true },
};

static void row(struct ctl_table *table, const cJSON *group)
{
    ctl_cell(table, ctl_get(group, "groupName"));
    ctl_cell(table, ctl_get(group, "parentGroupName"));
    ctl_cell_array(table, ctl_get_array(group, "policyNames"), NULL);
    ctl_cell_time(table, ctl_get_time(group, "creationDate"));
    ctl_cell(table, ctl_get(group, "thingGroupDescription"));
}

static enum prov_rc group_list(struct ctl *ctl)
{
    const struct ctl_list list = {
        .op = "listThingGroups",
        .rows = "thingGroups",
        .pages = CTL_BY_TOKEN,
        .columns = columns,
        .n_columns = PROV_COUNT(columns),
        .none = ctl_has(&ctl->args, OPT_PARENT)
                    ? "no group has this parent"
                    : "no thing group yet; `provctl group create NAME` adds one",
        .row = row,
    };
    struct ctl_params filter = ctl_params();

    ctl_put_if(&filter, "parentGroup", ctl_value(ctl, OPT_PARENT));
    return ctl_list(ctl, &list, &filter);
}

static enum prov_rc say_group(struct ctl *ctl, const cJSON *data)
{
    static const struct ctl_short_list below = { .op = "listThingGroups",
                                                 .rows = "thingGroups",
                                                 .pages = CTL_BY_TOKEN,
                                                 .of = "parentGroup",
                                                 .member = "groupName" };
    static const struct ctl_short_list things = { .op = "listThingsInThingGroup",
                                                  .rows = "things",
                                                  .pages = CTL_BY_TOKEN,
                                                  .of = "thingGroupName" };
    const cJSON *metadata = ctl_get_object(data, "thingGroupMetadata");
    const struct prov_span name = ctl_get(data, "thingGroupName"),
                           parent = ctl_get(metadata, "parentGroupName");
    enum prov_rc rc;

    ctl_field(ctl, "thing group", name);
    ctl_field(ctl, "description",
              ctl_get_in(data, "thingGroupProperties", "thingGroupDescription"));
    ctl_field(ctl, "parent", parent.n != 0 ? parent : PROV_LIT("none"));
    ctl_field_array(ctl, "policies", ctl_get_array(data, "policies"), "policyName");
    rc = ctl_field_list(ctl, "groups below", &below, name);
    if (rc == PROV_OK)
        rc = ctl_field_list(ctl, "things", &things, name);
    ctl_field_time(ctl, "created", ctl_get_time(metadata, "creationDate"));
    return rc;
}

static enum prov_rc group_show(struct ctl *ctl)
{
    return ctl_tell_one(ctl, "describeThingGroup", "thingGroupName", ctl_word(ctl, 0), say_group);
}

static enum prov_rc say_deleted(struct ctl *ctl, const cJSON *data)
{
    (void)data;
    return ctl_done(ctl, "thing group %s deleted", ctl->args.words[0]);
}

static enum prov_rc group_delete(struct ctl *ctl)
{
    const char *name = ctl->args.words[0];
    const cJSON *policy;
    cJSON *group;
    enum prov_rc rc;

    rc = ctl_tell_one(ctl, "deleteThingGroup", "thingGroupName", ctl_word(ctl, 0), say_deleted);
    if (rc != PROV_EDENIED)
        return rc;
    group = ctl_peek(ctl, "describeThingGroup", "thingGroupName", ctl_word(ctl, 0));
    cJSON_ArrayForEach(policy, ctl_get_array(group, "policies"))
    {
        ctl_hint(ctl, "`provctl policy detach %.*s --group %s` first",
                 PROV_SPAN_ARG(ctl_element(policy, "policyName")), name);
    }
    ctl_hint(ctl, "`provctl group list --parent %s` shows the groups below it", name);
    cJSON_Delete(group);
    return rc;
}

static struct ctl_params membership(const struct ctl *ctl)
{
    struct ctl_params params = ctl_params();

    ctl_put(&params, "thingGroupName", ctl_word(ctl, 0));
    ctl_put(&params, "thingName", ctl_word(ctl, 1));
    return params;
}

static enum prov_rc say_added(struct ctl *ctl, const cJSON *data)
{
    (void)data;
    return ctl_done(ctl, "thing %s is in group %s", ctl->args.words[1], ctl->args.words[0]);
}

static enum prov_rc group_add(struct ctl *ctl)
{
    struct ctl_params params = membership(ctl);

    return ctl_tell(ctl, "addThingToThingGroup", &params, say_added);
}

static enum prov_rc say_removed(struct ctl *ctl, const cJSON *data)
{
    (void)data;
    return ctl_done(ctl, "thing %s is no longer in group %s", ctl->args.words[1],
                    ctl->args.words[0]);
}

static enum prov_rc group_remove(struct ctl *ctl)
{
    struct ctl_params params = membership(ctl);

    return ctl_tell(ctl, "removeThingFromThingGroup", &params, say_removed);
}

static const struct ctl_option create_options[] = {
    { OPT_PARENT, "GROUP", "the group above it, for good; its policies apply below too", NULL,
      false },
    { OPT_DESCRIPTION, "TEXT", "for people", NULL, false },
    { 0, NULL, NULL, NULL, false },
};

static const struct ctl_option list_options[] = {
    { OPT_PARENT, "GROUP", "only those directly below this one", NULL, false },
    CTL_LIST_OPTIONS("GROUP"),
    { 0, NULL, NULL, NULL, false },
};

static const struct ctl_verb verbs[] = {
    { "create", "NAME", "Creates a thing group.",
      "  provctl group create germany\n"
      "  provctl group create berlin --parent germany --description \"the Berlin plant\"\n",
      CTL_WRITE, create_options, group_create },
    { "list", "", "Lists thing groups.", "  provctl group list --parent germany\n", CTL_READ,
      list_options, group_list },
    { "show", "GROUP", "Shows one thing group: parent, policies, groups and things in it.",
      "  provctl group show berlin\n", CTL_READ, NULL, group_show },
    { "delete", "GROUP", "Deletes a group without groups below it and without policies.",
      "Its things just leave it.\n"
      "\n"
      "  provctl group delete berlin\n",
      CTL_WRITE, NULL, group_delete },
    { "add", "GROUP THING", "Puts a thing into a group.",
      "A thing may be in ten groups, and not in two of one hierarchy.\n"
      "\n"
      "  provctl group add berlin sensor-0042\n",
      CTL_WRITE, NULL, group_add },
    { "remove", "GROUP THING", "Takes a thing out of a group.",
      "  provctl group remove berlin sensor-0042\n", CTL_WRITE, NULL, group_remove },
};

const struct ctl_noun ctl_noun_group = {
    "group",
    "thing groups: policies for many things at once",
    "A group's policies, and those of the groups above it, apply to connections that stand\n"
    "for one of its things.\n",
    verbs,
    PROV_COUNT(verbs),
    false,
};
