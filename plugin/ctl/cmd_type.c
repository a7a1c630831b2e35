#include "list.h"
#include "nouns.h"

static enum prov_rc say_created(struct ctl *ctl, const cJSON *data)
{
    (void)data;
    return ctl_done(ctl,
                    "thing type %s created\n"
                    "Next: provctl thing create NAME --type %s",
                    ctl->args.words[0], ctl->args.words[0]);
}

static enum prov_rc type_create(struct ctl *ctl)
{
    struct ctl_params params, properties;
    const char *attribute;
    size_t at = 0, n = 0;

    while (ctl_next(&ctl->args, OPT_SEARCHABLE, &at) != NULL)
        n++;
    if (n > PROV_MAX_SEARCHABLE)
        return ctl_usage(ctl, "--searchable may be given %d times at most", PROV_MAX_SEARCHABLE);
    properties = ctl_params();
    ctl_put_if(&properties, "thingTypeDescription", ctl_value(ctl, OPT_DESCRIPTION));
    for (at = 0; (attribute = ctl_next(&ctl->args, OPT_SEARCHABLE, &at)) != NULL;)
        ctl_put_element(&properties, "searchableAttributes", prov_span_str(attribute));
    params = ctl_params();
    ctl_put(&params, "thingTypeName", ctl_word(ctl, 0));
    ctl_put_params(&params, "thingTypeProperties", &properties);
    return ctl_tell(ctl, "createThingType", &params, say_created);
}

static const struct ctl_column columns[] = {
    { "TYPE", false, true },     { "SEARCHABLE", false, true },  { "DEPRECATED", false, false },
    { "CREATED", false, false }, { "DESCRIPTION", false, true },
};

static void row(struct ctl_table *table, const cJSON *type)
{
    const cJSON *properties = ctl_get_object(type, "thingTypeProperties"),
                *metadata = ctl_get_object(type, "thingTypeMetadata");

    ctl_cell(table, ctl_get(type, "thingTypeName"));
    ctl_cell_array(table, ctl_get_array(properties, "searchableAttributes"), NULL);
    ctl_cell_time(table, ctl_get_time(metadata, "deprecationDate"));
    ctl_cell_time(table, ctl_get_time(metadata, "creationDate"));
    ctl_cell(table, ctl_get(properties, "thingTypeDescription"));
}

static enum prov_rc type_list(struct ctl *ctl)
{
    static const struct ctl_list list = {
        .op = "listThingTypes",
        .rows = "thingTypes",
        .pages = CTL_BY_TOKEN,
        .columns = columns,
        .n_columns = PROV_COUNT(columns),
        .none = "no thing type yet; `provctl type create NAME` adds one",
        .row = row,
    };
    struct ctl_params filter = ctl_params();

    return ctl_list(ctl, &list, &filter);
}

static enum prov_rc say_type(struct ctl *ctl, const cJSON *data)
{
    static const struct ctl_short_list things = { .op = "listThings",
                                                  .rows = "things",
                                                  .pages = CTL_BY_TOKEN,
                                                  .of = "thingTypeName",
                                                  .member = "thingName" };
    const cJSON *properties = ctl_get_object(data, "thingTypeProperties"),
                *metadata = ctl_get_object(data, "thingTypeMetadata");
    const struct prov_span name = ctl_get(data, "thingTypeName");
    enum prov_rc rc;

    ctl_field(ctl, "thing type", name);
    ctl_field(ctl, "description", ctl_get(properties, "thingTypeDescription"));
    ctl_field_array(ctl, "searchable", ctl_get_array(properties, "searchableAttributes"), NULL);
    rc = ctl_field_list(ctl, "things", &things, name);
    ctl_field_time(ctl, "created", ctl_get_time(metadata, "creationDate"));
    if (ctl_get_bool(metadata, "deprecated"))
        ctl_field_time(ctl, "deprecated", ctl_get_time(metadata, "deprecationDate"));
    return rc;
}

static enum prov_rc type_show(struct ctl *ctl)
{
    return ctl_tell_one(ctl, "describeThingType", "thingTypeName", ctl_word(ctl, 0), say_type);
}

static enum prov_rc say_deprecated(struct ctl *ctl, const cJSON *data)
{
    (void)data;
    return ctl_done(ctl, "thing type %s is %sdeprecated", ctl->args.words[0],
                    ctl_has(&ctl->args, OPT_UNDO) ? "no longer " : "");
}

static enum prov_rc type_deprecate(struct ctl *ctl)
{
    struct ctl_params params = ctl_params();

    ctl_put(&params, "thingTypeName", ctl_word(ctl, 0));
    ctl_put_flag(&params, "undoDeprecate", ctl_has(&ctl->args, OPT_UNDO));
    return ctl_tell(ctl, "deprecateThingType", &params, say_deprecated);
}

static enum prov_rc say_deleted(struct ctl *ctl, const cJSON *data)
{
    (void)data;
    return ctl_done(ctl, "thing type %s deleted", ctl->args.words[0]);
}

static enum prov_rc type_delete(struct ctl *ctl)
{
    const char *name = ctl->args.words[0];
    enum prov_rc rc;

    rc = ctl_tell_one(ctl, "deleteThingType", "thingTypeName", ctl_word(ctl, 0), say_deleted);
    if (rc == PROV_OK || rc == PROV_ENOTFOUND)
        return rc;
    ctl_hint(ctl, "`provctl type deprecate %s` first", name);
    ctl_hint(ctl, "`provctl thing list --type %s` shows the things of this type", name);
    return rc;
}

static const struct ctl_option create_options[] = {
    { OPT_DESCRIPTION, "TEXT", "for people", NULL, false },
    { OPT_SEARCHABLE, "KEY…", "an attribute to search things by; 3 at most", NULL, false },
    { 0, NULL, NULL, NULL, false },
};

static const struct ctl_option list_options[] = {
    CTL_LIST_OPTIONS("TYPE"),
    { 0, NULL, NULL, NULL, false },
};

static const struct ctl_option deprecate_options[] = {
    { OPT_UNDO, NULL, "allow new things of this type again", NULL, false },
    { 0, NULL, NULL, NULL, false },
};

static const struct ctl_verb verbs[] = {
    { "create", "NAME", "Creates a thing type.",
      "  provctl type create sensor --description \"room sensors\" --searchable site\n", CTL_WRITE,
      create_options, type_create },
    { "list", "", "Lists thing types.", "  provctl type list\n", CTL_READ, list_options,
      type_list },
    { "show", "TYPE", "Shows one thing type.", "  provctl type show sensor\n", CTL_READ, NULL,
      type_show },
    { "deprecate", "TYPE", "Allows no new things of this type.",
      "  provctl type deprecate sensor\n"
      "  provctl type deprecate sensor --undo\n",
      CTL_WRITE, deprecate_options, type_deprecate },
    { "delete", "TYPE", "Deletes a deprecated type without things.",
      "  provctl type deprecate sensor && provctl type delete sensor\n", CTL_WRITE, NULL,
      type_delete },
};

const struct ctl_noun ctl_noun_type = {
    "type",
    "thing types: what kinds of things there are",
    "A thing with a type may have 50 attributes instead of 3, and policies may use the\n"
    "type's name as a variable.\n",
    verbs,
    PROV_COUNT(verbs),
    false,
};
