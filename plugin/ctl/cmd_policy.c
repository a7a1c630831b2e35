#include "cmd_policy.h"
#include "core/view.h"
#include "doc_verbs.h"
#include "nouns.h"

/* ---- create and versions ----------------------------------------------------------------------
 */

/* All that CreatePolicy and GetPolicy answer with. */
static enum prov_rc answer_policy(struct ctl *ctl, struct prov_span name)
{
    struct prov_version_info version;
    struct prov_policy_info info;
    cJSON *doc = NULL;
    enum prov_rc rc;

    rc = prov_policy_get(&ctl->tx, name, &info);
    if (rc == PROV_OK)
        rc = prov_policy_version_get(&ctl->tx, name, 0, &version);
    if (rc == PROV_OK)
        rc = prov_view_policy(&ctl->tx, &info, &version, &doc);
    return ctl_answer(ctl, rc, doc);
}

static enum prov_rc answer_version(struct ctl *ctl, struct prov_span name, uint32_t number)
{
    struct prov_version_info version;
    struct prov_policy_info info;
    cJSON *doc = NULL;
    enum prov_rc rc;

    rc = prov_policy_get(&ctl->tx, name, &info);
    if (rc == PROV_OK)
        rc = prov_policy_version_get(&ctl->tx, name, number, &version);
    if (rc != PROV_OK)
        return rc;
    if (ctl->json) {
        rc = prov_view_policy_version(&ctl->tx, &info, &version, &doc);
        return ctl_answer(ctl, rc, doc);
    }
    ctl_field(ctl, "policy", info.name);
    ctl_say_version(ctl, &version, info.default_version);
    return PROV_OK;
}

static enum prov_rc policy_create(struct ctl *ctl)
{
    const char *name = ctl->args.words[0];
    struct prov_buf text = { 0 };
    enum prov_rc rc;

    rc = ctl_read_file(ctl, ctl->args.words[1], PROV_MAX_POLICY_TEXT, &text);
    if (rc == PROV_OK)
        rc = prov_policy_create(&ctl->tx, ctl_word(ctl, 0), prov_buf_span(&text));
    if (rc == PROV_OK)
        ctl_policy_note_warnings(ctl, prov_buf_span(&text));
    prov_buf_release(&text);
    if (rc == PROV_ECONFLICT)
        ctl_hint(ctl, "`provctl policy version create %s FILE --set-default` changes it", name);
    if (rc != PROV_OK)
        return rc;
    if (ctl->json)
        return answer_policy(ctl, ctl_word(ctl, 0));
    ctl_say(ctl,
            "policy %s created\nNext, as far as wanted:\n"
            "  provctl policy attach %s --cert ID       for one device\n"
            "  provctl policy attach %s --group GROUP   for all things of a group\n"
            "or name it in a template.\n",
            name, name, name);
    return PROV_OK;
}

static enum prov_rc version_create(struct ctl *ctl)
{
    const bool set_default = ctl_has(&ctl->args, OPT_SET_DEFAULT);
    const char *name = ctl->args.words[0];
    struct prov_buf text = { 0 };
    uint32_t version = 0;
    enum prov_rc rc;

    rc = ctl_read_file(ctl, ctl->args.words[1], PROV_MAX_POLICY_TEXT, &text);
    if (rc == PROV_OK)
        rc = prov_policy_version_create(&ctl->tx, ctl_word(ctl, 0), prov_buf_span(&text),
                                        set_default, &version);
    if (rc == PROV_OK)
        ctl_policy_note_warnings(ctl, prov_buf_span(&text));
    prov_buf_release(&text);
    if (rc == PROV_ETOOBIG)
        ctl_hint(ctl, "`provctl policy version list %s`, then `… version delete %s N`", name, name);
    if (rc != PROV_OK)
        return rc;
    if (ctl->json)
        return answer_version(ctl, ctl_word(ctl, 0), version);
    ctl_say(ctl, "policy %s has version %u%s\n", name, version,
            set_default ? ", and it is in force" : "");
    if (!set_default)
        ctl_say(ctl, "Next: provctl policy version set-default %s %u\n", name, version);
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
    struct prov_policy_info info;
    uint32_t number;
    enum prov_rc rc;

    rc = ctl_key_version(key, &number);
    if (rc == PROV_OK)
        rc = prov_policy_get(&ctl->tx, ctl_word(ctl, 0), &info);
    if (rc == PROV_OK)
        rc = prov_policy_version_get(&ctl->tx, ctl_word(ctl, 0), number, &version);
    if (rc != PROV_OK)
        return rc;
    if (row->table == NULL)
        return prov_view_policy_version_row(&info, &version, &row->json);
    ctl_cell_version(row->table, &version, info.default_version);
    return PROV_OK;
}

static enum prov_rc version_list(struct ctl *ctl)
{
    const struct ctl_list list = {
        .kind = PROV_LIST_VERSIONS_OF_POLICY,
        .of = ctl_word(ctl, 0),
        .columns = ctl_version_columns,
        .n_columns = CTL_VERSION_COLUMNS,
        .json_key = "policyVersions",
        .json_token = "nextMarker",
        .none = "no version",
        .row = version_row,
    };
    struct prov_policy_info info;
    const enum prov_rc rc = prov_policy_get(&ctl->tx, list.of, &info);

    return rc != PROV_OK ? rc : ctl_list(ctl, &list);
}

static enum prov_rc version_set_default(struct ctl *ctl)
{
    uint32_t version;
    enum prov_rc rc;

    rc = ctl_version_word(ctl, 1, &version);
    if (rc == PROV_OK)
        rc = prov_policy_version_set_default(&ctl->tx, ctl_word(ctl, 0), version);
    return rc != PROV_OK
               ? rc
               : ctl_done(ctl, "policy %s: version %u is in force", ctl->args.words[0], version);
}

static enum prov_rc version_delete(struct ctl *ctl)
{
    uint32_t version;
    enum prov_rc rc;

    rc = ctl_version_word(ctl, 1, &version);
    if (rc == PROV_OK)
        rc = prov_policy_version_delete(&ctl->tx, ctl_word(ctl, 0), version);
    return rc != PROV_OK
               ? rc
               : ctl_done(ctl, "policy %s: version %u deleted", ctl->args.words[0], version);
}

/* ---- list, show, delete -----------------------------------------------------------------------
 */

static const struct ctl_column columns[] = {
    { "POLICY", false, true },
    { "VERSION", true, false },
    { "CREATED", false, false },
    { "CHANGED", false, false },
};

static enum prov_rc row(struct ctl *ctl, struct prov_span key, struct ctl_row *row)
{
    struct prov_policy_info info;
    enum prov_rc rc;

    if (row->table == NULL)
        return prov_view_policy_row(&ctl->tx, key, &row->json);
    rc = prov_policy_get(&ctl->tx, key, &info);
    if (rc != PROV_OK)
        return rc;
    ctl_cell(row->table, info.name);
    ctl_cellf(row->table, "%u", info.default_version);
    ctl_cell_time(row->table, info.created_ms);
    ctl_cell_time(row->table, info.modified_ms);
    return PROV_OK;
}

static enum prov_rc policy_list(struct ctl *ctl)
{
    const struct ctl_list list = {
        .kind = PROV_LIST_POLICIES,
        .columns = columns,
        .n_columns = PROV_COUNT(columns),
        .json_key = "policies",
        .json_token = "nextMarker",
        .none = "no policy yet; `provctl policy create NAME FILE` adds one",
        .row = row,
    };

    return ctl_list(ctl, &list);
}

static enum prov_rc policy_show(struct ctl *ctl)
{
    struct prov_version_info version;
    struct prov_policy_info info;
    enum prov_rc rc;

    if (ctl->json)
        return answer_policy(ctl, ctl_word(ctl, 0));
    rc = prov_policy_get(&ctl->tx, ctl_word(ctl, 0), &info);
    if (rc == PROV_OK)
        rc = prov_policy_version_get(&ctl->tx, info.name, 0, &version);
    if (rc != PROV_OK)
        return rc;
    ctl_field(ctl, "policy", info.name);
    rc = ctl_field_list(ctl, "attached to", PROV_LIST_TARGETS_OF_POLICY, info.name);
    ctl_field_time(ctl, "changed", info.modified_ms);
    ctl_say_version(ctl, &version, info.default_version);
    return rc;
}

static enum prov_rc policy_delete(struct ctl *ctl)
{
    const char *name = ctl->args.words[0];
    enum prov_rc rc;

    ctl_hint(ctl,
             "`provctl policy show %s` tells what it is attached to, `provctl policy version "
             "list %s` its versions",
             name, name);
    rc = prov_policy_delete(&ctl->tx, ctl_word(ctl, 0));
    if (rc == PROV_ENOTFOUND)
        prov_buf_clear(&ctl->hint);
    return rc != PROV_OK ? rc : ctl_done(ctl, "policy %s deleted", name);
}

/* ---- attach and detach ------------------------------------------------------------------------
 */

static enum prov_rc for_group(struct ctl *ctl, bool attach)
{
    const struct prov_span policy = ctl_word(ctl, 0), group = ctl_value(ctl, OPT_GROUP);
    enum prov_rc rc;

    if (attach)
        rc = prov_policy_attach_group(&ctl->tx, policy, group);
    else
        rc = prov_policy_detach_group(&ctl->tx, policy, group);
    return rc != PROV_OK ? rc
                         : ctl_done(ctl, "policy %s is %s group %s", ctl->args.words[0],
                                    attach ? "attached to" : "no longer attached to",
                                    ctl_opt(&ctl->args, OPT_GROUP));
}

static enum prov_rc for_cert(struct ctl *ctl, bool attach)
{
    const struct prov_span policy = ctl_word(ctl, 0);
    char hex[PROV_ID_HEX + 1];
    struct prov_id id;
    enum prov_rc rc;

    rc = ctl_cert_id(ctl, ctl_opt(&ctl->args, OPT_CERT), &id);
    if (rc == PROV_OK && attach)
        rc = prov_policy_attach_cert(&ctl->tx, policy, &id);
    else if (rc == PROV_OK)
        rc = prov_policy_detach_cert(&ctl->tx, policy, &id);
    if (rc != PROV_OK)
        return rc;
    prov_id_hex(&id, hex);
    return ctl_done(ctl, "policy %s is %s certificate %.12s", ctl->args.words[0],
                    attach ? "attached to" : "no longer attached to", hex);
}

static enum prov_rc attach_or_detach(struct ctl *ctl, bool attach)
{
    const bool cert = ctl_has(&ctl->args, OPT_CERT);

    if (cert == ctl_has(&ctl->args, OPT_GROUP))
        return ctl_usage(ctl, "one of --cert ID and --group GROUP is needed");
    return cert ? for_cert(ctl, attach) : for_group(ctl, attach);
}

static enum prov_rc policy_attach(struct ctl *ctl)
{
    return attach_or_detach(ctl, true);
}

static enum prov_rc policy_detach(struct ctl *ctl)
{
    return attach_or_detach(ctl, false);
}

/* ---- the noun ---------------------------------------------------------------------------------
 */

static const struct ctl_option list_options[] = {
    CTL_LIST_OPTIONS("POLICY"),
    { 0, NULL, NULL, NULL, false },
};

static const struct ctl_option version_create_options[] = {
    { OPT_SET_DEFAULT, NULL, "put it in force at once", NULL, false },
    { 0, NULL, NULL, NULL, false },
};

static const struct ctl_option target_options[] = {
    { OPT_CERT, "ID", "a certificate", NULL, false },
    { OPT_GROUP, "GROUP", "a thing group, for all of its things", NULL, false },
    { 0, NULL, NULL, NULL, false },
};

static const struct ctl_option lint_options[] = {
    { OPT_STRICT, NULL, "exit code 4 when there are warnings", NULL, false },
    { OPT_ACCOUNT_ID, "DIGITS", "warn of ARNs of other accounts", NULL, false },
    { OPT_REGION, "REGION", "warn of ARNs of other regions", NULL, false },
    { 0, NULL, NULL, NULL, false },
};

static const struct ctl_option test_options[] = {
    { OPT_CERT, "ID", "whose certificate asks", NULL, true },
    { OPT_CLIENT_ID, "ID", "under which client id", NULL, true },
    { OPT_ACTION, "ACTION", "iot:Connect, Publish, RetainPublish, Receive or Subscribe", NULL,
      true },
    { OPT_RESOURCE, "TOPIC", "topic, topic filter or full ARN; the client id for iot:Connect", NULL,
      false },
    { OPT_SOURCE_IP, "ADDRESS", "from which address (${aws:SourceIp})", NULL, false },
    { OPT_PERSISTENT, NULL, "iot:Connect with a persistent session", NULL, false },
    { OPT_WILL_TOPIC, "TOPIC", "iot:Connect with a will on this topic", NULL, false },
    { 0, NULL, NULL, NULL, false },
};

static const struct ctl_verb verbs[] = {
    { "create", "NAME FILE", "Creates a policy from a JSON document, after checking it.",
      "  provctl policy create device policy.json\n"
      "\n"
      "A small one, that gives every device a branch of its own:\n"
      "  { \"Version\": \"2012-10-17\", \"Statement\": [\n"
      "    { \"Effect\": \"Allow\", \"Action\": \"iot:Connect\",\n"
      "      \"Resource\": \"arn:aws:iot:*:*:client/${iot:ClientId}\" },\n"
      "    { \"Effect\": \"Allow\", \"Action\": \"iot:Publish\",\n"
      "      \"Resource\": \"arn:aws:iot:*:*:topic/devices/${iot:ClientId}/*\" } ] }\n",
      CTL_WRITE, NULL, policy_create },
    { "list", "", "Lists policies.", "  provctl policy list\n", CTL_READ, list_options,
      policy_list },
    { "show", "POLICY", "Shows a policy's document in force, and what it is attached to.",
      "  provctl policy show device\n", CTL_READ, NULL, policy_show },
    { "version create", "POLICY FILE", "Adds a version of a policy; five at most.",
      "  provctl policy version create device policy.json --set-default\n", CTL_WRITE,
      version_create_options, version_create },
    { "version list", "POLICY", "Lists a policy's versions.",
      "  provctl policy version list device\n", CTL_READ, NULL, version_list },
    { "version show", "POLICY VERSION", "Shows one version of a policy.",
      "  provctl policy version show device 2\n", CTL_READ, NULL, version_show },
    { "version set-default", "POLICY VERSION", "Puts a version in force. A running broker follows.",
      "  provctl policy version set-default device 2\n", CTL_WRITE, NULL, version_set_default },
    { "version delete", "POLICY VERSION", "Deletes a version that is not in force.",
      "  provctl policy version delete device 1\n", CTL_WRITE, NULL, version_delete },
    { "delete", "POLICY", "Deletes a policy that is attached to nothing and has one version.",
      "  provctl policy delete device\n", CTL_WRITE, NULL, policy_delete },
    { "attach", "POLICY", "Gives a certificate or a thing group this policy.",
      "  provctl policy attach device --cert 7c11d0e4\n"
      "  provctl policy attach plant --group berlin\n",
      CTL_WRITE, target_options, policy_attach },
    { "detach", "POLICY", "Takes this policy from a certificate or a thing group.",
      "  provctl policy detach device --cert 7c11d0e4\n", CTL_WRITE, target_options,
      policy_detach },
    { "lint", "FILE",
      "Checks a policy document: mistakes, and what is correct and yet does not do what it seems "
      "to.",
      "No store is needed. A mistake is told with its line and column, and exit code 4. A warning\n"
      "comes with what would be right: a Subscribe for topic/ where topicfilter/ is needed, a\n"
      "statement that nothing can match, a Deny that a missing variable disables, and more of\n"
      "that kind. What another policy of the same device allows is not known here.\n"
      "\n"
      "  provctl policy lint policy.json\n"
      "  generate-policy | provctl policy lint - --strict\n",
      CTL_NO_STORE, lint_options, ctl_policy_lint },
    { "test", "", "Asks whether a device may do something, and which statement decides it.",
      "Exit code 0 when it may, 4 when it may not.\n"
      "\n"
      "  provctl policy test --cert 7c11d0e4 --client-id sensor-0042 --action iot:Connect\n"
      "  provctl policy test --cert 7c11d0e4 --client-id sensor-0042 --action iot:Publish \\\n"
      "      --resource devices/sensor-0042/temperature\n",
      CTL_READ, test_options, ctl_policy_test },
};

const struct ctl_noun ctl_noun_policy = {
    "policy",
    "policies: what devices may do",
    "A device may do what a policy of its certificate, or of its thing's groups, allows and\n"
    "none of them denies. Policies have up to five versions, of which one is in force.\n",
    verbs,
    PROV_COUNT(verbs),
    false,
};
