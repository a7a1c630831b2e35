#include "cmd_template.h"
#include "core/view.h"
#include "doc_verbs.h"
#include "nouns.h"

const char *const ctl_template_types[] = { "FLEET_PROVISIONING", "JITP", NULL };

/* The parser of the command line let only names of the table above through. */
enum prov_template_type ctl_template_type(const struct ctl *ctl)
{
    enum prov_template_type type;

    if (!prov_template_type_parse(ctl_value(ctl, OPT_TYPE), &type))
        return PROV_TEMPLATE_FLEET; /* as CreateProvisioningTemplate has it */
    return type;
}

/* ---- create, update and versions --------------------------------------------------------------
 */

/* All that CreateProvisioningTemplate and DescribeProvisioningTemplate answer with. */
static enum prov_rc answer_template(struct ctl *ctl, struct prov_span name)
{
    struct prov_version_info version;
    struct prov_template_info info;
    cJSON *doc = NULL;
    enum prov_rc rc;

    rc = prov_template_get(&ctl->tx, name, &info);
    if (rc == PROV_OK)
        rc = prov_template_version_get(&ctl->tx, name, 0, &version);
    if (rc == PROV_OK)
        rc = prov_view_template(&ctl->tx, &info, &version, &doc);
    return ctl_answer(ctl, rc, doc);
}

static void say_next(struct ctl *ctl, const struct prov_template_creation *creation)
{
    const char *name = ctl->args.words[0];

    ctl_say(ctl, "template %s created (%s)\nNext:\n", name,
            prov_template_type_name(creation->type));
    if (!creation->enabled)
        ctl_say(ctl, "  provctl template update %s --enabled on\n", name);
    ctl_say(ctl, "  provctl template eval %s --cert FILE        try it without doing anything\n",
            name);
    if (creation->type == PROV_TEMPLATE_JITP)
        ctl_say(ctl, "  provctl ca update CA --template %s          devices of this CA use it\n",
                name);
}

/* A mistake in the file is the first of several, perhaps. */
static void hint_lint(struct ctl *ctl, enum prov_rc rc, enum prov_template_type type)
{
    if (rc == PROV_EINVAL && ctl->err.line != 0)
        ctl_hint(ctl, "`provctl template lint %s --type %s` tells of all mistakes",
                 ctl->args.words[1], prov_template_type_name(type));
}

static enum prov_rc template_create(struct ctl *ctl)
{
    struct prov_template_creation creation = {
        .name = ctl_word(ctl, 0),
        .description = ctl_value(ctl, OPT_DESCRIPTION),
        .type = ctl_template_type(ctl),
        .enabled = !ctl_has(&ctl->args, OPT_DISABLED),
    };
    struct prov_buf text = { 0 };
    enum prov_rc rc;

    rc = ctl_read_file(ctl, ctl->args.words[1], PROV_MAX_TEMPLATE_BODY, &text);
    creation.body = prov_buf_span(&text);
    if (rc == PROV_OK)
        rc = prov_template_create(&ctl->tx, &creation);
    if (rc == PROV_OK)
        ctl_template_note_warnings(ctl, creation.body, creation.type);
    hint_lint(ctl, rc, creation.type);
    prov_buf_release(&text);
    if (rc == PROV_ECONFLICT)
        ctl_hint(ctl, "`provctl template version create %s FILE --set-default` changes it",
                 ctl->args.words[0]);
    if (rc != PROV_OK)
        return rc;
    if (ctl->json)
        return answer_template(ctl, creation.name);
    say_next(ctl, &creation);
    return PROV_OK;
}

static enum prov_rc template_update(struct ctl *ctl)
{
    const struct prov_span description = ctl_value(ctl, OPT_DESCRIPTION);
    const uint32_t version = ctl_number(&ctl->args, OPT_DEFAULT_VERSION, 0);
    bool enabled = false;
    const bool enabled_given = ctl_switch(&ctl->args, OPT_ENABLED, &enabled);
    const struct prov_template_change change = {
        .description = ctl_has(&ctl->args, OPT_DESCRIPTION) ? &description : NULL,
        .enabled = enabled_given ? &enabled : NULL,
        .default_version = ctl_has(&ctl->args, OPT_DEFAULT_VERSION) ? &version : NULL,
    };
    struct prov_template_info info;
    enum prov_rc rc;

    if (!ctl_any_given(ctl))
        return ctl_usage(ctl, "nothing to change was given");
    rc = prov_template_update(&ctl->tx, ctl_word(ctl, 0), &change);
    if (rc == PROV_OK)
        rc = prov_template_get(&ctl->tx, ctl_word(ctl, 0), &info);
    if (rc != PROV_OK)
        return rc;
    return ctl_done(ctl, "template %s: %s, version %u in force", ctl->args.words[0],
                    info.enabled ? "enabled" : "disabled", info.default_version);
}

static enum prov_rc answer_version(struct ctl *ctl, struct prov_span name, uint32_t number)
{
    struct prov_version_info version;
    struct prov_template_info info;
    cJSON *doc = NULL;
    enum prov_rc rc;

    rc = prov_template_get(&ctl->tx, name, &info);
    if (rc == PROV_OK)
        rc = prov_template_version_get(&ctl->tx, name, number, &version);
    if (rc != PROV_OK)
        return rc;
    if (ctl->json) {
        rc = prov_view_template_version(&info, &version, &doc);
        return ctl_answer(ctl, rc, doc);
    }
    ctl_field(ctl, "template", info.name);
    ctl_say_version(ctl, &version, info.default_version);
    return PROV_OK;
}

static enum prov_rc version_create(struct ctl *ctl)
{
    const bool set_default = ctl_has(&ctl->args, OPT_SET_DEFAULT);
    const char *name = ctl->args.words[0];
    struct prov_template_info info = { .enabled = false };
    struct prov_buf text = { 0 };
    uint32_t version = 0;
    enum prov_rc rc;

    rc = ctl_read_file(ctl, ctl->args.words[1], PROV_MAX_TEMPLATE_BODY, &text);
    if (rc == PROV_OK)
        rc = prov_template_get(&ctl->tx, ctl_word(ctl, 0), &info);
    if (rc == PROV_OK)
        rc = prov_template_version_create(&ctl->tx, ctl_word(ctl, 0), prov_buf_span(&text),
                                          set_default, &version);
    if (rc == PROV_OK)
        ctl_template_note_warnings(ctl, prov_buf_span(&text), info.type);
    hint_lint(ctl, rc, info.type);
    prov_buf_release(&text);
    if (rc == PROV_ETOOBIG)
        ctl_hint(ctl, "`provctl template version list %s`, then `… version delete %s N`", name,
                 name);
    if (rc != PROV_OK)
        return rc;
    if (ctl->json)
        return answer_version(ctl, ctl_word(ctl, 0), version);
    ctl_say(ctl, "template %s has version %u%s\n", name, version,
            set_default ? ", and it is in force" : "");
    if (!set_default)
        ctl_say(ctl,
                "Next:\n"
                "  provctl template eval %s %u --cert FILE\n"
                "  provctl template update %s --default-version %u\n",
                name, version, name, version);
    return PROV_OK;
}

static enum prov_rc version_show(struct ctl *ctl)
{
    uint32_t version;
    const enum prov_rc rc = ctl_version_word(ctl, 1, &version);

    return rc != PROV_OK ? rc : answer_version(ctl, ctl_word(ctl, 0), version);
}

static enum prov_rc version_row(struct ctl *ctl, struct prov_span key, struct ctl_row *row)
{
    struct prov_version_info version;
    struct prov_template_info info;
    uint32_t number;
    enum prov_rc rc;

    rc = ctl_key_version(key, &number);
    if (rc == PROV_OK)
        rc = prov_template_get(&ctl->tx, ctl_word(ctl, 0), &info);
    if (rc == PROV_OK)
        rc = prov_template_version_get(&ctl->tx, ctl_word(ctl, 0), number, &version);
    if (rc != PROV_OK)
        return rc;
    if (row->table == NULL)
        return prov_view_template_version_row(&info, &version, &row->json);
    ctl_cell_version(row->table, &version, info.default_version);
    return PROV_OK;
}

static enum prov_rc version_list(struct ctl *ctl)
{
    const struct ctl_list list = {
        .kind = PROV_LIST_VERSIONS_OF_TEMPLATE,
        .of = ctl_word(ctl, 0),
        .columns = ctl_version_columns,
        .n_columns = CTL_VERSION_COLUMNS,
        .json_key = "versions",
        .json_token = "nextToken",
        .none = "no version",
        .row = version_row,
    };
    struct prov_template_info info;
    const enum prov_rc rc = prov_template_get(&ctl->tx, list.of, &info);

    return rc != PROV_OK ? rc : ctl_list(ctl, &list);
}

static enum prov_rc version_delete(struct ctl *ctl)
{
    uint32_t version;
    enum prov_rc rc;

    rc = ctl_version_word(ctl, 1, &version);
    if (rc == PROV_OK)
        rc = prov_template_version_delete(&ctl->tx, ctl_word(ctl, 0), version);
    return rc != PROV_OK
               ? rc
               : ctl_done(ctl, "template %s: version %u deleted", ctl->args.words[0], version);
}

/* ---- list, show, delete ----------------------------------------------------------------------
 */

static const struct ctl_column columns[] = {
    { "TEMPLATE", false, true }, { "TYPE", false, false },    { "ENABLED", false, false },
    { "VERSION", true, false },  { "CHANGED", false, false }, { "DESCRIPTION", false, true },
};

static enum prov_rc row(struct ctl *ctl, struct prov_span key, struct ctl_row *row)
{
    struct prov_template_info info;
    enum prov_rc rc;

    rc = prov_template_get(&ctl->tx, key, &info);
    if (rc != PROV_OK || row->table == NULL)
        return rc != PROV_OK ? rc : prov_view_template_row(&ctl->tx, &info, &row->json);
    ctl_cell(row->table, info.name);
    ctl_cell(row->table, prov_span_str(prov_template_type_name(info.type)));
    ctl_cell_styled(row->table, info.enabled ? CTL_PLAIN : CTL_WAITING,
                    info.enabled ? "on" : "off");
    ctl_cellf(row->table, "%u", info.default_version);
    ctl_cell_time(row->table, info.modified_ms);
    ctl_cell(row->table, info.description);
    return PROV_OK;
}

static enum prov_rc template_list(struct ctl *ctl)
{
    const struct ctl_list list = {
        .kind = PROV_LIST_TEMPLATES,
        .columns = columns,
        .n_columns = PROV_COUNT(columns),
        .json_key = "templates",
        .json_token = "nextToken",
        .none = "no template yet; `provctl template create NAME FILE` adds one",
        .row = row,
    };

    return ctl_list(ctl, &list);
}

static enum prov_rc template_show(struct ctl *ctl)
{
    struct prov_version_info version;
    struct prov_template_info info;
    enum prov_rc rc;

    if (ctl->json)
        return answer_template(ctl, ctl_word(ctl, 0));
    rc = prov_template_get(&ctl->tx, ctl_word(ctl, 0), &info);
    if (rc == PROV_OK)
        rc = prov_template_version_get(&ctl->tx, info.name, 0, &version);
    if (rc != PROV_OK)
        return rc;
    ctl_field(ctl, "template", info.name);
    ctl_field(ctl, "description", info.description);
    ctl_field(ctl, "type", prov_span_str(prov_template_type_name(info.type)));
    ctl_field(ctl, "enabled", prov_span_str(info.enabled ? "on" : "off"));
    rc = ctl_field_list(ctl, "used by CAs", PROV_LIST_CAS_OF_TEMPLATE, info.name);
    ctl_field_time(ctl, "changed", info.modified_ms);
    ctl_say_version(ctl, &version, info.default_version);
    return rc;
}

static enum prov_rc template_delete(struct ctl *ctl)
{
    const char *name = ctl->args.words[0];
    enum prov_rc rc;

    ctl_hint(ctl,
             "`provctl ca list --template %s` shows the CAs that use it, `provctl template "
             "version list %s` its versions",
             name, name);
    rc = prov_template_delete(&ctl->tx, ctl_word(ctl, 0));
    if (rc == PROV_ENOTFOUND)
        prov_buf_clear(&ctl->hint);
    return rc != PROV_OK ? rc : ctl_done(ctl, "template %s deleted", name);
}

/* ---- the noun ---------------------------------------------------------------------------------
 */

static const struct ctl_option create_options[] = {
    { OPT_TYPE, NULL, "JITP for first connects; otherwise for devices with a claim certificate",
      ctl_template_types, false },
    { OPT_DISABLED, NULL, "not to be used yet", NULL, false },
    { OPT_DESCRIPTION, "TEXT", "for people", NULL, false },
    { 0, NULL, NULL, NULL, false },
};

static const struct ctl_option list_options[] = {
    CTL_LIST_OPTIONS("TEMPLATE"),
    { 0, NULL, NULL, NULL, false },
};

static const struct ctl_option update_options[] = {
    { OPT_ENABLED, NULL, "may it be used?", NULL, false },
    { OPT_DEFAULT_VERSION, "N", "put this version in force", NULL, false },
    { OPT_DESCRIPTION, "TEXT", "for people", NULL, false },
    { 0, NULL, NULL, NULL, false },
};

static const struct ctl_option version_create_options[] = {
    { OPT_SET_DEFAULT, NULL, "put it in force at once", NULL, false },
    { 0, NULL, NULL, NULL, false },
};

static const struct ctl_option lint_options[] = {
    { OPT_TYPE, NULL, "what it is for; FLEET_PROVISIONING when not given", ctl_template_types,
      false },
    { OPT_STRICT, NULL, "exit code 4 when there are warnings", NULL, false },
    { 0, NULL, NULL, NULL, false },
};

static const struct ctl_option eval_options[] = {
    { OPT_FILE, "FILE", "a template that is not registered", NULL, false },
    { OPT_TYPE, NULL, "of that one; FLEET_PROVISIONING when not given", ctl_template_types, false },
    { OPT_PARAM, "KEY=VALUE", "the value of a parameter", NULL, false },
    { OPT_CERT, "FILE",
      "take the built-in parameters from this certificate; also the id of a "
      "registered one",
      NULL, false },
    { 0, NULL, NULL, NULL, false },
};

static const struct ctl_verb verbs[] = {
    { "create", "NAME FILE",
      "Creates a provisioning template from a JSON document, after checking "
      "it.",
      "  provctl template create sensors template.json --type JITP\n"
      "\n"
      "A small one: a thing named like the certificate's CN, with an existing policy:\n"
      "  { \"Parameters\": {\n"
      "      \"AWS::IoT::Certificate::CommonName\": { \"Type\": \"String\" },\n"
      "      \"AWS::IoT::Certificate::Id\": { \"Type\": \"String\" } },\n"
      "    \"Resources\": {\n"
      "      \"thing\": { \"Type\": \"AWS::IoT::Thing\", \"Properties\": {\n"
      "        \"ThingName\": { \"Ref\": \"AWS::IoT::Certificate::CommonName\" } } },\n"
      "      \"certificate\": { \"Type\": \"AWS::IoT::Certificate\", \"Properties\": {\n"
      "        \"CertificateId\": { \"Ref\": \"AWS::IoT::Certificate::Id\" },\n"
      "        \"Status\": \"ACTIVE\" } },\n"
      "      \"policy\": { \"Type\": \"AWS::IoT::Policy\", \"Properties\": {\n"
      "        \"PolicyName\": \"device\" } } } }\n",
      CTL_WRITE, create_options, template_create },
    { "list", "", "Lists templates.", "  provctl template list\n", CTL_READ, list_options,
      template_list },
    { "show", "TEMPLATE", "Shows a template's body in force, and which CAs use it.",
      "  provctl template show sensors\n", CTL_READ, NULL, template_show },
    { "update", "TEMPLATE", "Switches a template on or off, or puts another version in force.",
      "  provctl template update sensors --enabled off\n"
      "  provctl template update sensors --default-version 2\n",
      CTL_WRITE, update_options, template_update },
    { "version create", "TEMPLATE FILE", "Adds a version of a template; five at most.",
      "  provctl template version create sensors template.json\n"
      "  provctl template eval sensors 2 --cert sensor-0042.pem\n"
      "  provctl template update sensors --default-version 2\n",
      CTL_WRITE, version_create_options, version_create },
    { "version list", "TEMPLATE", "Lists a template's versions.",
      "  provctl template version list sensors\n", CTL_READ, NULL, version_list },
    { "version show", "TEMPLATE VERSION", "Shows one version of a template.",
      "  provctl template version show sensors 2\n", CTL_READ, NULL, version_show },
    { "version delete", "TEMPLATE VERSION", "Deletes a version that is not in force.",
      "  provctl template version delete sensors 1\n", CTL_WRITE, NULL, version_delete },
    { "delete", "TEMPLATE", "Deletes a template that no CA uses and that has one version.",
      "  provctl template delete sensors\n", CTL_WRITE, NULL, template_delete },
    { "lint", "FILE", "Checks a template: mistakes, and what is correct and most likely not meant.",
      "No store is needed. Every mistake is told with its line, its column and what would be\n"
      "right, and the exit code is 4. Of a template without mistakes there may be warnings.\n"
      "\n"
      "  provctl template lint template.json --type JITP\n"
      "  generate-template | provctl template lint - --strict\n",
      CTL_NO_STORE, lint_options, ctl_template_lint },
    { "eval", "[TEMPLATE] [VERSION]",
      "Shows what a template would do for a device, and does nothing.",
      "Goes by what the registry holds now. Exit code 4 when some of it cannot be done: what the\n"
      "template refers to is not there, or OverrideSettings say FAIL.\n"
      "\n"
      "  provctl template eval sensors --cert sensor-0042.pem\n"
      "  provctl template eval fleet --param SerialNumber=0042\n"
      "  provctl template eval sensors 2 --cert 7c11d0e4\n"
      "  provctl template eval --file template.json --type JITP --cert sensor-0042.pem\n",
      CTL_READ, eval_options, ctl_template_eval },
};

const struct ctl_noun ctl_noun_template = {
    "template",
    "provisioning templates: what happens to new devices",
    "A template turns what is known of a device into a thing, an active certificate and the\n"
    "policies it has. Templates of type JITP run when a device of a CA first connects; those\n"
    "of type FLEET_PROVISIONING when a device asks with a claim certificate.\n",
    verbs,
    PROV_COUNT(verbs),
    false,
};
