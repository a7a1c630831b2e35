#include "cmd_policy.h"
#include "list.h"

/* What an action's resources are called in ARNs, and TestAuthorization's name of it. */
static const struct {
    const char *kind, *type;
} actions[] = {
    [PROV_ACT_CONNECT] = { "client", "CONNECT" },
    [PROV_ACT_PUBLISH] = { "topic", "PUBLISH" },
    [PROV_ACT_RETAIN_PUBLISH] = { "topic", "RETAIN_PUBLISH" },
    [PROV_ACT_RECEIVE] = { "topic", "RECEIVE" },
    [PROV_ACT_SUBSCRIBE] = { "topicfilter", "SUBSCRIBE" },
};
_Static_assert(PROV_COUNT(actions) == PROV_ACTIONS, "an action was added without a row");

/* ---- the question ---------------------------------------------------------------------------- */

static enum prov_rc read_action(struct ctl *ctl, enum prov_action *out)
{
    const char *text = ctl_opt(&ctl->args, OPT_ACTION);
    struct ctl_nearest nearest = { .word = text };

    for (int i = 0; i < PROV_ACTIONS; i++) {
        const char *name = prov_action_name((enum prov_action)i);
        const char *bare = strchr(name, ':') + 1;

        *out = (enum prov_action)i;
        if (prov_span_eq_nocase(prov_span_str(text), prov_span_str(name)) ||
            prov_span_eq_nocase(prov_span_str(text), prov_span_str(bare)))
            return PROV_OK;
        ctl_nearest_try(&nearest, name);
        ctl_nearest_try(&nearest, bare);
    }
    if (nearest.best != NULL)
        return ctl_usage(ctl, "--action: there is no \"%s\"; did you mean %s?", text, nearest.best);
    return ctl_usage(ctl,
                     "--action: \"%s\" is none of iot:Connect, iot:Publish, "
                     "iot:RetainPublish, iot:Receive, iot:Subscribe",
                     text);
}

/* What follows the fifth colon of "arn:aws:iot:<region>:<account>:<kind>/<name>". */
static struct prov_span behind_arn(struct prov_span arn)
{
    for (int colons = 0; colons < 5; colons++) {
        const uint8_t *colon = arn.n != 0 ? memchr(arn.p, ':', arn.n) : NULL;

        if (colon == NULL)
            return prov_span(NULL, 0);
        arn = prov_span(colon + 1, arn.n - (size_t)(colon - arn.p) - 1);
    }
    return arn;
}

/* Whose region and account an ARN has is for the registry to say; its form is seen from here. */
static enum prov_rc check_arn(struct ctl *ctl, enum prov_action action, struct prov_span arn)
{
    const char *kind = actions[action].kind;
    const struct prov_span rest = behind_arn(arn);

    if (prov_span_starts(rest, prov_span_str(kind)) && rest.n > strlen(kind) &&
        rest.p[strlen(kind)] == '/')
        return PROV_OK;
    return ctl_usage(ctl, "--resource: an ARN for %s is arn:aws:iot:REGION:ACCOUNT:%s/…",
                     prov_action_name(action), kind);
}

static enum prov_rc read_resource(struct ctl *ctl, enum prov_action action, struct prov_span *out)
{
    *out = ctl_value(ctl, OPT_RESOURCE);
    if (prov_span_starts(*out, PROV_LIT("arn:")))
        return check_arn(ctl, action, *out);
    if (out->n == 0 && action == PROV_ACT_CONNECT)
        *out = ctl_value(ctl, OPT_CLIENT_ID);
    return out->n != 0 ? PROV_OK : ctl_usage(ctl, "--resource is missing: which topic?");
}

static enum prov_rc read_question(struct ctl *ctl, enum prov_action *action,
                                  struct ctl_params *params)
{
    struct prov_span resource;
    struct ctl_params info;
    cJSON *infos;
    enum prov_rc rc;

    rc = read_action(ctl, action);
    if (rc == PROV_OK)
        rc = read_resource(ctl, *action, &resource);
    if (rc != PROV_OK)
        return rc;
    info = ctl_params();
    ctl_put(&info, "actionType", prov_span_str(actions[*action].type));
    ctl_put_element(&info, "resources", resource);
    *params = ctl_params();
    infos = cJSON_CreateArray();
    if (!info.failed && infos != NULL && cJSON_AddItemToArray(infos, info.root))
        info = (struct ctl_params){ NULL, true };
    else
        params->failed = true;
    ctl_params_drop(&info);
    ctl_put_item(params, "authInfos", infos);
    ctl_put(params, "principal", ctl_value(ctl, OPT_CERT));
    ctl_put_if(params, "clientId", ctl_value(ctl, OPT_CLIENT_ID));
    ctl_put_if(params, "sourceIp", ctl_value(ctl, OPT_SOURCE_IP));
    ctl_put_flag(params, "persistent", ctl_has(&ctl->args, OPT_PERSISTENT));
    ctl_put_if(params, "willTopic", ctl_value(ctl, OPT_WILL_TOPIC));
    return PROV_OK;
}

/* ---- the answer ------------------------------------------------------------------------------ */

static const struct ctl_column columns[] = {
    { "POLICY", false, true }, { "OF", false, true },      { "NO", true, false },
    { "SID", false, true },    { "EFFECT", false, false }, { "RESULT", false, false },
};

static void row(struct ctl_table *table, const cJSON *statement)
{
    const struct prov_span group = ctl_get(statement, "thingGroupName"),
                           detail = ctl_get(statement, "detail"),
                           effect = ctl_get(statement, "effect");

    ctl_cell(table, ctl_get(statement, "policyName"));
    ctl_cell(table, group.n != 0 ? group : PROV_LIT("certificate"));
    ctl_cellf(table, "%u", ctl_get_version(statement, "statement"));
    ctl_cell(table, ctl_get(statement, "sid"));
    ctl_cell(table, effect);
    if (ctl_get_bool(statement, "matches"))
        ctl_cell_styled(table, prov_span_eq_str(effect, "Deny") ? CTL_BAD : CTL_GOOD, "matches");
    else
        ctl_cellf(table, "%.*s%s%.*s", PROV_SPAN_ARG(ctl_get(statement, "why")),
                  detail.n != 0 ? " " : "", PROV_SPAN_ARG(detail));
}

static void say_statements(struct ctl *ctl, const cJSON *statements)
{
    struct ctl_table table;
    const cJSON *statement;

    ctl_table_start(&table, columns, PROV_COUNT(columns), &ctl->look, &ctl->out);
    cJSON_ArrayForEach(statement, statements)
    {
        row(&table, statement);
    }
    ctl_table_flush(&table);
    ctl_table_release(&table);
}

static void say_hints(struct ctl *ctl, enum prov_action action, const cJSON *data,
                      const cJSON *result)
{
    const struct prov_span status = ctl_get(data, "certificateStatus");

    if (cJSON_GetArraySize(ctl_get_array(result, "statements")) == 0)
        ctl_say(ctl, "No policy applies: `provctl policy attach NAME --cert %s`\n",
                ctl_answered_id(data, ctl_value(ctl, OPT_CERT)).text);
    if (!prov_span_eq_str(status, "ACTIVE"))
        ctl_say(ctl, "The certificate is %.*s, so the device cannot even connect.\n",
                PROV_SPAN_ARG(status));
    if (cJSON_GetArraySize(ctl_get_array(data, "things")) != 0 && ctl_get(data, "thingName").n == 0)
        ctl_say(ctl,
                "The client id is not the name of a thing of this certificate, so thing variables\n"
                "have no values and group policies do not apply.\n");
    if (action == PROV_ACT_RETAIN_PUBLISH)
        ctl_say(ctl, "A retained message needs iot:Publish as well.\n");
}

static void say_answer(struct ctl *ctl, enum prov_action action, const cJSON *data,
                       const cJSON *result, struct prov_span verdict)
{
    const cJSON *resources = ctl_get_array(ctl_get_object(result, "authInfo"), "resources");
    const enum ctl_style style = prov_span_eq_str(verdict, "ALLOWED") ? CTL_GOOD : CTL_BAD;

    ctl_style_on(&ctl->out, &ctl->look, style);
    ctl_say(ctl, "%.*s", PROV_SPAN_ARG(verdict));
    ctl_style_off(&ctl->out, &ctl->look, style);
    ctl_say(ctl, "  %s on %.*s\n\n", prov_action_name(action),
            PROV_SPAN_ARG(behind_arn(ctl_element(cJSON_GetArrayItem(resources, 0), NULL))));
    say_statements(ctl, ctl_get_array(result, "statements"));
    say_hints(ctl, action, data, result);
}

enum prov_rc ctl_policy_test(struct ctl *ctl)
{
    enum prov_action action;
    struct prov_span verdict;
    struct ctl_params params;
    const cJSON *result;
    cJSON *data;
    enum prov_rc rc;

    rc = read_question(ctl, &action, &params);
    if (rc != PROV_OK)
        return rc;
    rc = ctl_call(ctl, "testAuthorization", &params, &data);
    if (rc != PROV_OK) {
        if (strcmp(ctl->err.path, "authInfos") == 0)
            (void)prov_span_copy(PROV_LIT("--resource"), ctl->err.path, sizeof ctl->err.path);
        return rc;
    }
    result = cJSON_GetArrayItem(ctl_get_array(data, "authResults"), 0);
    verdict = ctl_get(result, "authDecision");
    if (!prov_span_eq_str(verdict, "ALLOWED"))
        ctl->outcome = CTL_EXIT_REFUSED;
    if (ctl->json)
        return ctl_answer(ctl, rc, data);
    say_answer(ctl, action, data, result, verdict);
    cJSON_Delete(data);
    return PROV_OK;
}
