#include "core/view.h"
#include "ctl.h"
#include "list.h"
#include "nouns.h"

/* All that CreateThingType answers with, and the rest of the description. */
static enum prov_rc answer_type(struct ctl *ctl, struct prov_span name)
{
    struct prov_thing_type type;
    cJSON *doc = NULL;
    enum prov_rc rc;

    rc = prov_type_get(&ctl->tx, name, &type);
    if (rc == PROV_OK)
        rc = prov_view_type(&ctl->tx, &type, &doc);
    return ctl_answer(ctl, rc, doc);
}

static enum prov_rc type_create(struct ctl *ctl)
{
    struct prov_thing_type type = {
        .name = ctl_word(ctl, 0),
        .description = ctl_value(ctl, OPT_DESCRIPTION),
    };
    const char *attribute;
    size_t at = 0;
    enum prov_rc rc;

    while ((attribute = ctl_next(&ctl->args, OPT_SEARCHABLE, &at)) != NULL) {
        if (type.n_searchable == PROV_MAX_SEARCHABLE)
            return ctl_usage(ctl, "--searchable may be given %d times at most",
                             PROV_MAX_SEARCHABLE);
        type.searchable[type.n_searchable++] = prov_span_str(attribute);
    }
    rc = prov_type_create(&ctl->tx, &type);
    if (rc != PROV_OK)
        return rc;
    if (ctl->json)
        return answer_type(ctl, ctl_word(ctl, 0));
    ctl_say(ctl,
            "thing type %s created\n"
            "Next: provctl thing create NAME --type %s\n",
            ctl->args.words[0], ctl->args.words[0]);
    return PROV_OK;
}

static const struct ctl_column columns[] = {
    { "TYPE", false, true },     { "SEARCHABLE", false, true },  { "DEPRECATED", false, false },
    { "CREATED", false, false }, { "DESCRIPTION", false, true },
};

static enum prov_rc row(struct ctl *ctl, struct prov_span key, struct ctl_row *row)
{
    struct prov_thing_type type;
    enum prov_rc rc;

    rc = prov_type_get(&ctl->tx, key, &type);
    if (rc != PROV_OK || row->table == NULL)
        return rc != PROV_OK ? rc : prov_view_type(&ctl->tx, &type, &row->json);
    ctl_cell(row->table, type.name);
    ctl_cell_names(row->table, type.searchable, type.n_searchable);
    ctl_cell_time(row->table, type.deprecated ? type.deprecated_ms : 0);
    ctl_cell_time(row->table, type.created_ms);
    ctl_cell(row->table, type.description);
    return PROV_OK;
}

static enum prov_rc type_list(struct ctl *ctl)
{
    const struct ctl_list list = {
        .kind = PROV_LIST_TYPES,
        .columns = columns,
        .n_columns = PROV_COUNT(columns),
        .json_key = "thingTypes",
        .json_token = "nextToken",
        .none = "no thing type yet; `provctl type create NAME` adds one",
        .row = row,
    };

    return ctl_list(ctl, &list);
}

static enum prov_rc type_show(struct ctl *ctl)
{
    struct prov_thing_type type;
    enum prov_rc rc;

    if (ctl->json)
        return answer_type(ctl, ctl_word(ctl, 0));
    rc = prov_type_get(&ctl->tx, ctl_word(ctl, 0), &type);
    if (rc != PROV_OK)
        return rc;
    ctl_field(ctl, "thing type", type.name);
    ctl_field(ctl, "description", type.description);
    ctl_field_names(ctl, "searchable", type.searchable, type.n_searchable);
    rc = ctl_field_list(ctl, "things", PROV_LIST_THINGS_OF_TYPE, type.name);
    ctl_field_time(ctl, "created", type.created_ms);
    if (type.deprecated)
        ctl_field_time(ctl, "deprecated", type.deprecated_ms);
    return rc;
}

static enum prov_rc type_deprecate(struct ctl *ctl)
{
    const bool undo = ctl_has(&ctl->args, OPT_UNDO);
    const enum prov_rc rc = prov_type_deprecate(&ctl->tx, ctl_word(ctl, 0), undo);

    return rc != PROV_OK ? rc
                         : ctl_done(ctl, "thing type %s is %sdeprecated", ctl->args.words[0],
                                    undo ? "no longer " : "");
}

static enum prov_rc type_delete(struct ctl *ctl)
{
    enum prov_rc rc;

    ctl_hint(ctl, "`provctl type deprecate %s` first", ctl->args.words[0]);
    ctl_hint(ctl, "`provctl thing list --type %s` shows the things of this type",
             ctl->args.words[0]);
    rc = prov_type_delete(&ctl->tx, ctl_word(ctl, 0));
    if (rc == PROV_ENOTFOUND)
        prov_buf_clear(&ctl->hint);
    return rc != PROV_OK ? rc : ctl_done(ctl, "thing type %s deleted", ctl->args.words[0]);
}

static const struct ctl_option create_options[] = {
    { OPT_DESCRIPTION, "TEXT", "for people", NULL, false },
    { OPT_SEARCHABLE, "KEY", "an attribute to search things by; 3 at most", NULL, false },
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
