#include "core/view.h"
#include "ctl.h"
#include "list.h"
#include "nouns.h"

/* All that CreateThingGroup answers with, and the rest of the description. */
static enum prov_rc answer_group(struct ctl *ctl, struct prov_span name)
{
    struct prov_group group;
    cJSON *doc = NULL;
    enum prov_rc rc;

    rc = prov_group_get(&ctl->tx, name, &group);
    if (rc == PROV_OK)
        rc = prov_view_group(&ctl->tx, &group, &doc);
    return ctl_answer(ctl, rc, doc);
}

static enum prov_rc group_create(struct ctl *ctl)
{
    const char *name = ctl->args.words[0];
    enum prov_rc rc;

    rc = prov_group_create(&ctl->tx, ctl_word(ctl, 0), ctl_value(ctl, OPT_PARENT),
                           ctl_value(ctl, OPT_DESCRIPTION));
    if (rc != PROV_OK)
        return rc;
    if (ctl->json)
        return answer_group(ctl, ctl_word(ctl, 0));
    ctl_say(ctl,
            "thing group %s created\nNext, as far as wanted:\n"
            "  provctl group add %s THING\n"
            "  provctl policy attach NAME --group %s   for all of its things\n",
            name, name, name);
    return PROV_OK;
}

static const struct ctl_column columns[] = {
    { "GROUP", false, true },    { "PARENT", false, true },      { "POLICIES", false, true },
    { "CREATED", false, false }, { "DESCRIPTION", false, true },
};

static enum prov_rc row(struct ctl *ctl, struct prov_span key, struct ctl_row *row)
{
    struct prov_group group;
    enum prov_rc rc;

    if (row->table == NULL)
        return prov_view_group_row(&ctl->tx, key, &row->json);
    rc = prov_group_get(&ctl->tx, key, &group);
    if (rc != PROV_OK)
        return rc;
    ctl_cell(row->table, group.name);
    ctl_cell(row->table, group.parent);
    ctl_cell_names(row->table, group.policies, group.n_policies);
    ctl_cell_time(row->table, group.created_ms);
    ctl_cell(row->table, group.description);
    return PROV_OK;
}

static enum prov_rc group_list(struct ctl *ctl)
{
    const struct prov_span parent = ctl_value(ctl, OPT_PARENT);
    const struct ctl_list list = {
        .kind = parent.n != 0 ? PROV_LIST_GROUPS_OF_GROUP : PROV_LIST_GROUPS,
        .of = parent,
        .columns = columns,
        .n_columns = PROV_COUNT(columns),
        .json_key = "thingGroups",
        .json_token = "nextToken",
        .none = parent.n != 0 ? "no group has this parent"
                              : "no thing group yet; `provctl group create NAME` adds one",
        .row = row,
    };
    struct prov_group group;
    enum prov_rc rc = PROV_OK;

    if (parent.n != 0)
        rc = prov_group_get(&ctl->tx, parent, &group);
    return rc != PROV_OK ? rc : ctl_list(ctl, &list);
}

static enum prov_rc group_show(struct ctl *ctl)
{
    struct prov_group group;
    enum prov_rc rc;

    if (ctl->json)
        return answer_group(ctl, ctl_word(ctl, 0));
    rc = prov_group_get(&ctl->tx, ctl_word(ctl, 0), &group);
    if (rc != PROV_OK)
        return rc;
    ctl_field(ctl, "thing group", group.name);
    ctl_field(ctl, "description", group.description);
    ctl_field(ctl, "parent", group.parent.n != 0 ? group.parent : PROV_LIT("none"));
    ctl_field_names(ctl, "policies", group.policies, group.n_policies);
    rc = ctl_field_list(ctl, "groups below", PROV_LIST_GROUPS_OF_GROUP, group.name);
    if (rc == PROV_OK)
        rc = ctl_field_list(ctl, "things", PROV_LIST_THINGS_OF_GROUP, group.name);
    ctl_field_time(ctl, "created", group.created_ms);
    return rc;
}

static enum prov_rc group_delete(struct ctl *ctl)
{
    const char *name = ctl->args.words[0];
    struct prov_group group;
    enum prov_rc rc;

    rc = prov_group_get(&ctl->tx, ctl_word(ctl, 0), &group);
    if (rc != PROV_OK)
        return rc;
    for (size_t i = 0; i < group.n_policies; i++)
        ctl_hint(ctl, "`provctl policy detach %.*s --group %s` first",
                 PROV_SPAN_ARG(group.policies[i]), name);
    ctl_hint(ctl, "`provctl group list --parent %s` shows the groups below it", name);
    rc = prov_group_delete(&ctl->tx, ctl_word(ctl, 0));
    return rc != PROV_OK ? rc : ctl_done(ctl, "thing group %s deleted", name);
}

static enum prov_rc group_add(struct ctl *ctl)
{
    const enum prov_rc rc = prov_group_add(&ctl->tx, ctl_word(ctl, 0), ctl_word(ctl, 1));

    return rc != PROV_OK
               ? rc
               : ctl_done(ctl, "thing %s is in group %s", ctl->args.words[1], ctl->args.words[0]);
}

static enum prov_rc group_remove(struct ctl *ctl)
{
    const enum prov_rc rc = prov_group_remove(&ctl->tx, ctl_word(ctl, 0), ctl_word(ctl, 1));

    return rc != PROV_OK ? rc
                         : ctl_done(ctl, "thing %s is no longer in group %s", ctl->args.words[1],
                                    ctl->args.words[0]);
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
