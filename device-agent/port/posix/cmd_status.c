#include "cmd.h"
#include "exits.h"
#include "posix.h"
#include "status.h"

int cmd_status(struct cmd *cmd)
{
    cJSON *status;
    bool running;

    if (!cmd_configure(cmd, NULL, NULL))
        return cmd_failed(cmd);
    status = cmd_look(cmd, &running);
    if (status == NULL)
        return cmd_failed(cmd);
    if (cmd->values[CMD_JSON] != NULL)
        cmd_print_json(status);
    else
        status_print(status, posix_wall_s(), stdout);
    cJSON_Delete(status);
    return EXIT_DONE;
}
