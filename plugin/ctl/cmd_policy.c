#include "cmd_policy.h"
#include "doc_verbs.h"
#include "nouns.h"

/* ---- create and versions --------------------------------------------------------------------- */

static void look(struct ctl *ctl, enum prov_rc rc, struct prov_span text, const cJSON *data)
{
    if (rc == PROV_OK)
        ctl_policy_note_warnings(ctl, text, ctl_get(data, "policyArn"));
}

static void say_next_version(struct ctl *ctl, uint32_t version)
{
    ctl_say(ctl, "Next: provctl policy version set-default %s %u\n", ctl->args.words[0], version);
}

static const struct ctl_doc_kind doc = {
    .noun = "policy",
    .name = "policyName",
    .body = "policyDocument",
    .version = "policyVersionId",
    .version_is_text = true,
    .max_bytes = PROV_MAX_POLICY_TEXT,
    .malformed = "MalformedPolicyException",
    .create_op = "createPolicyVersion",
    .get_op = "getPolicyVersion",
    .versions = { .op = "listPolicyVersions",
                  .rows = "policyVersions",
                  .pages = CTL_BY_MARKER,
                  .columns = ctl_version_columns,
                  .n_columns = CTL_VERSION_COLUMNS,
                  .none = "no version",
                  .row = ctl_version_row },
    .look = look,
    .say_next = say_next_version,
};

static enum prov_rc say_created(struct ctl *ctl, const cJSON *data)
{
    const char *name = ctl->args.words[0];

    (void)data;
    return ctl_done(ctl,
                    "policy %s created\nNext, as far as wanted:\n"
                    "  provctl policy attach %s --cert ID       for one device\n"
                    "  provctl policy attach %s --group GROUP   for all things of a group\n"
                    "or name it in a template.",
                    name, name, name);
}

static enum prov_rc policy_create(struct ctl *ctl)
{
    struct prov_buf text = { 0 };
    struct ctl_params params;
    cJSON *data = NULL;
    enum prov_rc rc;

    rc = ctl_doc_read(ctl, &doc, ctl->args.words[1], &text);
    if (rc != PROV_OK)
        goto out;
    params = ctl_params();
    ctl_put(&params, "policyName", ctl_word(ctl, 0));
    ctl_put(&params, "policyDocument", prov_buf_span(&text));
    rc = ctl_call(ctl, "createPolicy", &params, &data);
    look(ctl, rc, prov_buf_span(&text), data);
    if (rc == PROV_ECONFLICT)
        ctl_hint(ctl, "`provctl policy version create %s FILE --set-default` changes it",
                 ctl->args.words[0]);
    rc = ctl_told(ctl, rc, data, say_created);
out:
    prov_buf_release(&text);
    return rc;
}

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

static enum prov_rc version_set_default(struct ctl *ctl)
{
    return ctl_doc_version_do(ctl, &doc, "setDefaultPolicyVersion", "is in force");
}

static enum prov_rc version_delete(struct ctl *ctl)
{
    return ctl_doc_version_do(ctl, &doc, "deletePolicyVersion", "deleted");
}

/* ---- list, show, delete ---------------------------------------------------------------------- */

static const struct ctl_column columns[] = {
    { "POLICY", false, true },
    { "VERSION", true, false },
    { "CREATED", false, false },
    { "CHANGED", false, false },
};

static void row(struct ctl_table *table, const cJSON *policy)
{
    ctl_cell(table, ctl_get(policy, "policyName"));
    ctl_cellf(table, "%u", ctl_get_version(policy, "defaultVersionId"));
    ctl_cell_time(table, ctl_get_time(policy, "creationDate"));
    ctl_cell_time(table, ctl_get_time(policy, "lastModifiedDate"));
}

static enum prov_rc policy_list(struct ctl *ctl)
{
    static const struct ctl_list list = {
        .op = "listPolicies",
        .rows = "policies",
        .pages = CTL_BY_MARKER,
        .columns = columns,
        .n_columns = PROV_COUNT(columns),
        .none = "no policy yet; `provctl policy create NAME FILE` adds one",
        .row = row,
    };
    struct ctl_params filter = ctl_params();

    return ctl_list(ctl, &list, &filter);
}

static enum prov_rc say_policy(struct ctl *ctl, const cJSON *data)
{
    static const struct ctl_short_list targets = { .op = "listTargetsForPolicy",
                                                   .rows = "targets",
                                                   .pages = CTL_BY_MARKER,
                                                   .of = "policyName",
                                                   .put = ctl_put_target };
    enum prov_rc rc;

    ctl_field(ctl, "policy", ctl_get(data, "policyName"));
    rc = ctl_field_list(ctl, "attached to", &targets, ctl_word(ctl, 0));
    ctl_field_time(ctl, "changed", ctl_get_time(data, "lastModifiedDate"));
    return rc != PROV_OK
               ? rc
               : ctl_doc_say_version(ctl, &doc, ctl_get_version(data, "defaultVersionId"));
}

static enum prov_rc policy_show(struct ctl *ctl)
{
    return ctl_tell_one(ctl, "getPolicy", "policyName", ctl_word(ctl, 0), say_policy);
}

static enum prov_rc say_deleted(struct ctl *ctl, const cJSON *data)
{
    (void)data;
    return ctl_done(ctl, "policy %s deleted", ctl->args.words[0]);
}

static enum prov_rc policy_delete(struct ctl *ctl)
{
    const char *name = ctl->args.words[0];
    const enum prov_rc rc =
        ctl_tell_one(ctl, "deletePolicy", "policyName", ctl_word(ctl, 0), say_deleted);

    if (rc == PROV_EDENIED)
        ctl_hint(ctl,
                 "`provctl policy show %s` tells what it is attached to, `provctl policy version "
                 "list %s` its versions",
                 name, name);
    return rc;
}

/* ---- attach and detach ----------------------------------------------------------------------- */

static enum prov_rc attach_or_detach(struct ctl *ctl, const char *op,
                                     enum prov_rc (*say)(struct ctl *ctl, const cJSON *data))
{
    const bool cert = ctl_has(&ctl->args, OPT_CERT);
    struct ctl_params params;
    struct prov_buf target;

    if (cert == ctl_has(&ctl->args, OPT_GROUP))
        return ctl_usage(ctl, "one of --cert ID and --group GROUP is needed");
    prov_buf_init(&target, 4096);
    prov_buf_add_str(&target, cert ? "cert/" : "thinggroup/");
    prov_buf_add_str(&target, ctl_opt(&ctl->args, cert ? OPT_CERT : OPT_GROUP));
    params = ctl_params();
    ctl_put(&params, "policyName", ctl_word(ctl, 0));
    ctl_put(&params, "target", prov_buf_span(&target));
    params.failed = params.failed || target.rc != PROV_OK;
    prov_buf_release(&target);
    return ctl_tell(ctl, op, &params, say);
}

static enum prov_rc say_target(struct ctl *ctl, const char *how, const cJSON *data)
{
    if (ctl_has(&ctl->args, OPT_GROUP))
        return ctl_done(ctl, "policy %s is %s group %s", ctl->args.words[0], how,
                        ctl_opt(&ctl->args, OPT_GROUP));
    return ctl_done(ctl, "policy %s is %s certificate %s", ctl->args.words[0], how,
                    ctl_short(ctl_arn_name(ctl_get(data, "target"))).text);
}

static enum prov_rc say_attached(struct ctl *ctl, const cJSON *data)
{
    return say_target(ctl, "attached to", data);
}

static enum prov_rc say_detached(struct ctl *ctl, const cJSON *data)
{
    return say_target(ctl, "no longer attached to", data);
}

static enum prov_rc policy_attach(struct ctl *ctl)
{
    return attach_or_detach(ctl, "attachPolicy", say_attached);
}

static enum prov_rc policy_detach(struct ctl *ctl)
{
    return attach_or_detach(ctl, "detachPolicy", say_detached);
}

/* ---- the noun -------------------------------------------------------------------------------- */

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
