#include "cmd_template.h"
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

/* ---- documents ------------------------------------------------------------------------------- */

/* Of the last file that was read: what is doubtful in one that was taken, and of one that was not
 * that its mistake is the first of several, perhaps. */
static void look_as(struct ctl *ctl, enum prov_rc rc, struct prov_span text,
                    enum prov_template_type type)
{
    if (rc == PROV_OK)
        ctl_template_note_warnings(ctl, text, type);
    else if (rc == PROV_EINVAL && ctl->err.line != 0)
        ctl_hint(ctl, "`provctl template lint %s --type %s` tells of all mistakes",
                 ctl->args.words[1], prov_template_type_name(type));
}

/* A version is of its template's type. */
static void look(struct ctl *ctl, enum prov_rc rc, struct prov_span text, const cJSON *data)
{
    enum prov_template_type type;
    cJSON *info;

    (void)data;
    if (rc != PROV_OK && ctl->err.line == 0)
        return;
    info = ctl_peek(ctl, "describeProvisioningTemplate", "templateName", ctl_word(ctl, 0));
    if (prov_template_type_parse(ctl_get(info, "type"), &type))
        look_as(ctl, rc, text, type);
    cJSON_Delete(info);
}

static void say_next_version(struct ctl *ctl, uint32_t version)
{
    const char *name = ctl->args.words[0];

    ctl_say(ctl,
            "Next:\n"
            "  provctl template eval %s %u --cert FILE\n"
            "  provctl template update %s --default-version %u\n",
            name, version, name, version);
}

static const struct ctl_doc_kind doc = {
    .noun = "template",
    .name = "templateName",
    .body = "templateBody",
    .version = "versionId",
    .max_bytes = PROV_MAX_TEMPLATE_BODY,
    .malformed = "InvalidRequestException",
    .create_op = "createProvisioningTemplateVersion",
    .get_op = "describeProvisioningTemplateVersion",
    .versions = { .op = "listProvisioningTemplateVersions",
                  .rows = "versions",
                  .pages = CTL_BY_TOKEN,
                  .columns = ctl_version_columns,
                  .n_columns = CTL_VERSION_COLUMNS,
                  .none = "no version",
                  .row = ctl_version_row },
    .look = look,
    .say_next = say_next_version,
};

static enum prov_rc version_create(struct ctl *ctl)
{
    return ctl_doc_version_create(ctl, &doc);
}

static enum prov_rc version_show(struct ctl *ctl)
{
    return ctl_doc_version_show(ctl, &doc);
}

static enum prov_rc version_list(struct ctl *ctl)
{
    return ctl_doc_version_list(ctl, &doc);
}

static enum prov_rc version_delete(struct ctl *ctl)
{
    return ctl_doc_version_do(ctl, &doc, "deleteProvisioningTemplateVersion", "deleted");
}

enum prov_rc ctl_template_read(struct ctl *ctl, const char *file, struct prov_buf *text)
{
    return ctl_doc_read(ctl, &doc, file, text);
}

/* ---- create and update ----------------------------------------------------------------------- */

static enum prov_rc say_created(struct ctl *ctl, const cJSON *data)
{
    const struct prov_span type = ctl_get(data, "type");
    const char *name = ctl->args.words[0];

    ctl_say(ctl, "template %s created (%.*s)\nNext:\n", name, PROV_SPAN_ARG(type));
    if (!ctl_get_bool(data, "enabled"))
        ctl_say(ctl, "  provctl template update %s --enabled on\n", name);
    ctl_say(ctl, "  provctl template eval %s --cert FILE        try it without doing anything\n",
            name);
    if (prov_span_eq_str(type, "JITP"))
        ctl_say(ctl, "  provctl ca update CA --template %s          devices of this CA use it\n",
                name);
    return PROV_OK;
}

static void put_hook(struct ctl *ctl, struct ctl_params *params)
{
    if (ctl_has(&ctl->args, OPT_HOOK))
        ctl_put_within(params, "preProvisioningHook", "targetArn", ctl_value(ctl, OPT_HOOK));
}

static enum prov_rc put_certificates(struct ctl *ctl, struct ctl_params *params)
{
    const uint32_t days = ctl_number(&ctl->args, OPT_VALIDITY_DAYS, 0);
    bool retire = false;

    if (days > PROV_MAX_VALIDITY_DAYS)
        return ctl_usage(ctl, "--validity-days is at most %d", PROV_MAX_VALIDITY_DAYS);
    if (ctl_has(&ctl->args, OPT_VALIDITY_DAYS))
        ctl_put_number(params, "certificateValidityDays", days);
    if (ctl_switch(&ctl->args, OPT_RETIRE_PREVIOUS, &retire))
        ctl_put_bool(params, "retirePreviousCertificate", retire);
    return PROV_OK;
}

static enum prov_rc template_create(struct ctl *ctl)
{
    const enum prov_template_type type = ctl_template_type(ctl);
    struct prov_buf text = { 0 };
    struct ctl_params params;
    cJSON *data = NULL;
    enum prov_rc rc;

    rc = ctl_doc_read(ctl, &doc, ctl->args.words[1], &text);
    if (rc != PROV_OK)
        goto out;
    params = ctl_params();
    ctl_put(&params, "templateName", ctl_word(ctl, 0));
    ctl_put(&params, "templateBody", prov_buf_span(&text));
    ctl_put(&params, "type", prov_span_str(prov_template_type_name(type)));
    ctl_put_if(&params, "description", ctl_value(ctl, OPT_DESCRIPTION));
    ctl_put_bool(&params, "enabled", !ctl_has(&ctl->args, OPT_DISABLED));
    put_hook(ctl, &params);
    rc = put_certificates(ctl, &params);
    if (rc != PROV_OK) {
        ctl_params_drop(&params);
        goto out;
    }
    rc = ctl_call(ctl, "createProvisioningTemplate", &params, &data);
    look_as(ctl, rc, prov_buf_span(&text), type);
    if (rc == PROV_ECONFLICT)
        ctl_hint(ctl, "`provctl template version create %s FILE --set-default` changes it",
                 ctl->args.words[0]);
    rc = ctl_told(ctl, rc, data, say_created);
out:
    prov_buf_release(&text);
    return rc;
}

static enum prov_rc say_updated(struct ctl *ctl, const cJSON *data)
{
    return ctl_done(ctl, "template %s: %s, version %u in force", ctl->args.words[0],
                    ctl_get_bool(data, "enabled") ? "enabled" : "disabled",
                    ctl_get_version(data, "defaultVersionId"));
}

static enum prov_rc template_update(struct ctl *ctl)
{
    static const enum ctl_opt pairs[][2] = { { OPT_HOOK, OPT_NO_HOOK } };
    struct ctl_params params;
    bool enabled = false;
    enum prov_rc rc;

    rc = ctl_check_change(ctl, pairs, PROV_COUNT(pairs));
    if (rc != PROV_OK)
        return rc;
    params = ctl_params();
    ctl_put(&params, "templateName", ctl_word(ctl, 0));
    if (ctl_has(&ctl->args, OPT_DESCRIPTION))
        ctl_put(&params, "description", ctl_value(ctl, OPT_DESCRIPTION));
    if (ctl_switch(&ctl->args, OPT_ENABLED, &enabled))
        ctl_put_bool(&params, "enabled", enabled);
    if (ctl_has(&ctl->args, OPT_DEFAULT_VERSION))
        ctl_put_number(&params, "defaultVersionId", ctl_number(&ctl->args, OPT_DEFAULT_VERSION, 0));
    put_hook(ctl, &params);
    ctl_put_flag(&params, "removePreProvisioningHook", ctl_has(&ctl->args, OPT_NO_HOOK));
    rc = put_certificates(ctl, &params);
    if (rc == PROV_OK)
        return ctl_tell(ctl, "updateProvisioningTemplate", &params, say_updated);
    ctl_params_drop(&params);
    return rc;
}

/* ---- list, show, delete ---------------------------------------------------------------------- */

static const struct ctl_column columns[] = {
    { "TEMPLATE", false, true }, { "TYPE", false, false },    { "ENABLED", false, false },
    { "VERSION", true, false },  { "CHANGED", false, false }, { "DESCRIPTION", false, true },
};

static void row(struct ctl_table *table, const cJSON *template_)
{
    const bool enabled = ctl_get_bool(template_, "enabled");

    ctl_cell(table, ctl_get(template_, "templateName"));
    ctl_cell(table, ctl_get(template_, "type"));
    ctl_cell_styled(table, enabled ? CTL_PLAIN : CTL_WAITING, enabled ? "on" : "off");
    ctl_cellf(table, "%u", ctl_get_version(template_, "defaultVersionId"));
    ctl_cell_time(table, ctl_get_time(template_, "lastModifiedDate"));
    ctl_cell(table, ctl_get(template_, "description"));
}

static enum prov_rc template_list(struct ctl *ctl)
{
    static const struct ctl_list list = {
        .op = "listProvisioningTemplates",
        .rows = "templates",
        .pages = CTL_BY_TOKEN,
        .columns = columns,
        .n_columns = PROV_COUNT(columns),
        .none = "no template yet; `provctl template create NAME FILE` adds one",
        .row = row,
    };
    struct ctl_params filter = ctl_params();

    return ctl_list(ctl, &list, &filter);
}

static enum prov_rc say_template(struct ctl *ctl, const cJSON *data)
{
    static const struct ctl_short_list cas = { .op = "listCACertificates",
                                               .rows = "certificates",
                                               .pages = CTL_BY_MARKER,
                                               .of = "templateName",
                                               .member = "certificateId",
                                               .put = ctl_put_short_id };
    const struct prov_span name = ctl_get(data, "templateName");
    enum prov_rc rc;

    ctl_field(ctl, "template", name);
    ctl_field(ctl, "description", ctl_get(data, "description"));
    ctl_field(ctl, "type", ctl_get(data, "type"));
    ctl_field(ctl, "enabled", prov_span_str(ctl_get_bool(data, "enabled") ? "on" : "off"));
    ctl_field(ctl, "hook", ctl_get_in(data, "preProvisioningHook", "targetArn"));
    if (ctl_get_version(data, "certificateValidityDays") != 0)
        ctl_fieldf(ctl, "certificates", "good for %u days",
                   ctl_get_version(data, "certificateValidityDays"));
    if (ctl_get_bool(data, "retirePreviousCertificate"))
        ctl_field(ctl, "rotation",
                  PROV_LIT("the previous certificate is retired once the new one has connected"));
    rc = ctl_field_list(ctl, "used by CAs", &cas, name);
    ctl_field_time(ctl, "changed", ctl_get_time(data, "lastModifiedDate"));
    return rc != PROV_OK
               ? rc
               : ctl_doc_say_version(ctl, &doc, ctl_get_version(data, "defaultVersionId"));
}

static enum prov_rc template_show(struct ctl *ctl)
{
    return ctl_tell_one(ctl, "describeProvisioningTemplate", "templateName", ctl_word(ctl, 0),
                        say_template);
}

static enum prov_rc say_deleted(struct ctl *ctl, const cJSON *data)
{
    (void)data;
    return ctl_done(ctl, "template %s deleted", ctl->args.words[0]);
}

static enum prov_rc template_delete(struct ctl *ctl)
{
    const char *name = ctl->args.words[0];
    const enum prov_rc rc = ctl_tell_one(ctl, "deleteProvisioningTemplate", "templateName",
                                         ctl_word(ctl, 0), say_deleted);

    if (rc == PROV_EDENIED)
        ctl_hint(ctl,
                 "`provctl ca list --template %s` shows the CAs that use it, `provctl template "
                 "version list %s` its versions",
                 name, name);
    return rc;
}

/* ---- the noun -------------------------------------------------------------------------------- */

static const struct ctl_option create_options[] = {
    { OPT_TYPE, NULL, "JITP for first connects; otherwise for devices with a claim certificate",
      ctl_template_types, false },
    { OPT_HOOK, "SPEC", "ask this program before each device: exec:/PATH or https://HOST/…", NULL,
      false },
    { OPT_VALIDITY_DAYS, "N", "certificates for its claims are good for so long; 0: the setting",
      NULL, false },
    { OPT_RETIRE_PREVIOUS, NULL, "a device that comes again gives up its old certificate", NULL,
      false },
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
    { OPT_HOOK, "SPEC", "ask this program before each device: exec:/PATH or https://HOST/…", NULL,
      false },
    { OPT_NO_HOOK, NULL, "ask none any more", NULL, false },
    { OPT_VALIDITY_DAYS, "N", "certificates for its claims are good for so long; 0: the setting",
      NULL, false },
    { OPT_RETIRE_PREVIOUS, NULL, "a device that comes again gives up its old certificate", NULL,
      false },
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
    { OPT_PARAM, "KEY=VALUE…", "the value of a parameter", NULL, false },
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
      "  provctl template create fleet fleet.json --hook https://hooks.example/allow\n"
      "\n"
      "A hook is asked before a device with a claim certificate is provisioned, and may refuse\n"
      "it or change its parameters. The hook of JITP is its CA's: `provctl ca update --hook`.\n"
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
    { "update", "TEMPLATE",
      "Switches a template on or off, puts another version in force, or changes its hook, "
      "or its certificates.",
      "  provctl template update sensors --enabled off\n"
      "  provctl template update sensors --default-version 2\n"
      "  provctl template update fleet --validity-days 365 --retire-previous on\n"
      "  provctl template update fleet --hook exec:/etc/mosquitto/hooks/allow-list\n",
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
