#include <string.h>

#include "cmd.h"
#include "exits.h"
#include "status.h"

enum { RENEW_MS = 120000 };

/* ---- renew ----------------------------------------------------------------------------------- */

static enum agent_class class_of(const char *name)
{
    for (unsigned i = 1; name != NULL && i < AGENT_CLASSES; i++) {
        if (strcmp(name, agent_class_name((enum agent_class)i)) == 0)
            return (enum agent_class)i;
    }
    return AGENT_OK;
}

/* arg: the generation that was in force. The agent counts failures anew once it is asked to. */
static int renewed(const cJSON *status, const void *arg)
{
    const cJSON *error = cJSON_GetObjectItemCaseSensitive(status, "lastError");
    const cJSON *attempts = cJSON_GetObjectItemCaseSensitive(status, "attempts");
    const cJSON *getting = cJSON_GetObjectItemCaseSensitive(attempts, "getting");
    const enum agent_class class = class_of(status_text(error, "class"));
    const bool failed = cJSON_GetArraySize(getting) != 0 || class == AGENT_CONFIG;

    if (status_number(status, "generation") != *(const int64_t *)arg)
        return EXIT_DONE;
    return failed && agent_class_lasting(class) ? exit_of_class(class) : CMD_GO_ON;
}

static int no_identity(const struct cmd *cmd)
{
    return cmd_fail(cmd, EXIT_NO_IDENTITY, "no-identity",
                    "there is no identity yet; `device-agent provision` gets one");
}

static int ask_to_renew(struct cmd *cmd, const cJSON *status)
{
    const struct control_request request = { .command = CONTROL_RENEW };
    const int64_t before = status_number(status, "generation");
    cJSON *answer;
    int code;

    if (before == 0)
        return no_identity(cmd);
    if (cmd_ask(cmd, &request, &answer) != CONTROL_ANSWERED)
        return cmd_failed(cmd);
    cJSON_Delete(answer);
    if (cmd->values[CMD_NO_WAIT] != NULL) {
        (void)puts("the agent was asked to renew; `device-agent status` shows how it goes");
        return EXIT_DONE;
    }
    code = cmd_watch(cmd, renewed, &before);
    if (code == EXIT_DONE)
        (void)puts("renewed by the running agent");
    return code;
}

int cmd_renew(struct cmd *cmd)
{
    struct posix_outcome out;
    cJSON *status;
    bool running;
    int code;

    if (!cmd_configure(cmd, NULL, NULL))
        return cmd_failed(cmd);
    if (cmd->values[CMD_TIMEOUT] == NULL)
        cmd->timeout_ms = RENEW_MS;
    status = cmd_look(cmd, &running);
    if (status == NULL)
        return cmd_failed(cmd);
    if (running) {
        code = ask_to_renew(cmd, status);
        cJSON_Delete(status);
        return code;
    }
    cJSON_Delete(status);
    code = cmd_work(cmd, POSIX_RENEW, AGENT_RESET_NONE, &out);
    if (code == EXIT_DONE)
        (void)printf("renewed: generation %u in %s/current\n", (unsigned)out.generation,
                     cmd->conf.state_dir);
    return code;
}

/* ---- needs-renewal --------------------------------------------------------------------------- */

/* 0: nothing is planned, so the certificate's end is what counts. */
static int64_t due_at(const cJSON *status)
{
    const int64_t renewal_s = status_number(status, "renewal");

    return renewal_s != 0
               ? renewal_s
               : status_number(cJSON_GetObjectItemCaseSensitive(status, "certificate"), "notAfter");
}

static void tell_due(const struct cmd *cmd, int64_t at_s, bool due)
{
    cJSON *doc;
    char when[32];

    if (cmd->values[CMD_JSON] == NULL) {
        (void)printf("%s: %s\n", due ? "due since" : "not due before", status_time(at_s, when));
        return;
    }
    doc = cJSON_CreateObject();
    if (cJSON_AddBoolToObject(doc, "due", due) != NULL &&
        cJSON_AddNumberToObject(doc, "renewal", (double)at_s) != NULL)
        cmd_print_json(doc);
    cJSON_Delete(doc);
}

static int look_at_renewal(const struct cmd *cmd, const cJSON *status)
{
    const int64_t now_s = posix_wall_s(), at_s = due_at(status);

    if (status_number(status, "generation") == 0)
        return no_identity(cmd);
    if (now_s == 0)
        return cmd_fail(cmd, exit_of_class(AGENT_CLOCK), "clock", "the clock is not set");
    if (at_s == 0)
        return cmd_fail(cmd, exit_of_class(AGENT_LOCAL), "local",
                        "the certificate in force cannot be read");
    tell_due(cmd, at_s, now_s >= at_s);
    return now_s >= at_s ? EXIT_DONE : EXIT_NOT_DUE;
}

int cmd_needs_renewal(struct cmd *cmd)
{
    cJSON *status;
    bool running;
    int code;

    if (!cmd_configure(cmd, NULL, NULL))
        return cmd_failed(cmd);
    status = cmd_look(cmd, &running);
    if (status == NULL)
        return cmd_failed(cmd);
    code = look_at_renewal(cmd, status);
    cJSON_Delete(status);
    return code;
}
