#include "cmd.h"
#include "exits.h"

int cmd_run(struct cmd *cmd)
{
    struct posix_outcome out;

    if (!cmd_configure(cmd, NULL, NULL))
        return cmd_failed(cmd);
    return cmd_work(cmd, POSIX_SERVE, AGENT_RESET_NONE, &out);
}

int cmd_provision(struct cmd *cmd)
{
    struct posix_outcome out;
    int code;

    if (!cmd_configure(cmd, NULL, NULL))
        return cmd_failed(cmd);
    code = cmd_work(cmd, POSIX_PROVISION, AGENT_RESET_NONE, &out);
    if (code == EXIT_DONE)
        (void)printf("provisioned: generation %u in %s/current\n", (unsigned)out.generation,
                     cmd->conf.state_dir);
    return code;
}
