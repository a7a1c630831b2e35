#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "exits.h"
#include "status.h"

enum { RESET_MS = 60000 };

/* False: no, or nobody to ask. */
static bool confirmed(const struct cmd *cmd, enum agent_reset level)
{
    char answer[16];

    if (cmd->values[CMD_YES] != NULL)
        return true;
    if (isatty(STDIN_FILENO) != 1)
        return false;
    (void)printf("Remove %s of this device in %s? [y/N] ",
                 level == AGENT_RESET_FULL ? "identity and claim" : "the identity",
                 cmd->conf.state_dir);
    (void)fflush(stdout);
    return fgets(answer, sizeof answer, stdin) != NULL && (answer[0] == 'y' || answer[0] == 'Y');
}

/* The agent has begun before it hears the next request. */
static int is_reset(const cJSON *status, const void *arg)
{
    (void)arg;
    return status_text(status, "reset") == NULL ? EXIT_DONE : CMD_GO_ON;
}

static int reset(struct cmd *cmd, enum agent_reset level)
{
    const struct control_request request = { .command = CONTROL_RESET, .level = level };
    struct posix_outcome out;
    cJSON *answer;
    enum control_call call = cmd_ask(cmd, &request, &answer);

    cJSON_Delete(answer);
    if (call == CONTROL_FAILED)
        return cmd_failed(cmd);
    if (call == CONTROL_NO_AGENT)
        return cmd_work(cmd, POSIX_RESET, level, &out);
    if (cmd->values[CMD_NO_WAIT] != NULL)
        return EXIT_DONE;
    return cmd_watch(cmd, is_reset, NULL);
}

int cmd_reset(struct cmd *cmd)
{
    const char *word = cmd->values[CMD_LEVEL];
    enum agent_reset level = AGENT_RESET_IDENTITY;
    int code;

    if (word != NULL && !control_level(word, &level))
        return cmd_usage(cmd, "--level is identity or full, not '%s'", word);
    if (!cmd_configure(cmd, NULL, NULL))
        return cmd_failed(cmd);
    if (cmd->values[CMD_TIMEOUT] == NULL)
        cmd->timeout_ms = RESET_MS;
    if (!confirmed(cmd, level))
        return cmd_usage(cmd, "nothing was reset; --yes says that it is meant");
    code = reset(cmd, level);
    if (code == EXIT_DONE && cmd->values[CMD_NO_WAIT] == NULL)
        (void)puts("reset; the broker still knows the certificate until it is deleted there");
    return code;
}
