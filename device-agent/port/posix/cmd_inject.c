#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "claim_file.h"
#include "cmd.h"
#include "exits.h"

/* All of a file behind what is in the buffer; "-" is standard input. */
static bool append(struct cmd *cmd, const char *name, uint8_t *bytes, size_t *n)
{
    const bool standard = strcmp(name, "-") == 0;
    const int fd = standard ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd == -1 ? -1 : 1;
    int why = errno;

    while (got > 0 && *n < CLAIM_FILE_MAX) {
        got = read(fd, bytes + *n, CLAIM_FILE_MAX - *n);
        why = errno;
        if (got > 0)
            *n += (size_t)got;
        if (got == -1 && why == EINTR)
            got = 1;
    }
    if (fd != -1 && !standard)
        (void)close(fd);
    if (got == -1)
        (void)port_fail(&cmd->result, AGENT_LOCAL, "%s: %s", name, strerror(why));
    else if (*n == CLAIM_FILE_MAX)
        (void)port_fail(&cmd->result, AGENT_ANSWER, "%s: too long for a claim", name);
    return got != -1 && *n < CLAIM_FILE_MAX;
}

static bool read_claim(struct cmd *cmd, struct control_request *request)
{
    uint8_t *bytes = malloc(CLAIM_FILE_MAX);
    struct agent_text cert = { .p = request->cert, .cap = sizeof request->cert };
    struct agent_text key = { .p = request->key, .cap = sizeof request->key };
    size_t n = 0;
    bool ok = true;

    if (bytes == NULL) {
        (void)port_fail(&cmd->result, AGENT_LOCAL, "no memory");
        return false;
    }
    for (size_t i = 0; ok && i < cmd->n_words; i++)
        ok = append(cmd, cmd->words[i], bytes, &n);
    ok = ok &&
         claim_file_read((struct agent_span){ bytes, n }, &cert, &key, &cmd->result) == AGENT_OK;
    OPENSSL_cleanse(bytes, CLAIM_FILE_MAX);
    free(bytes);
    return ok;
}

/* To the running agent, or into the state directory. */
static int inject(struct cmd *cmd, const struct control_request *request)
{
    struct posix_outcome out;
    cJSON *answer;
    const enum control_call call = cmd_ask(cmd, request, &answer);
    int code;

    cJSON_Delete(answer);
    if (call == CONTROL_FAILED)
        return cmd_failed(cmd);
    if (call == CONTROL_ANSWERED) {
        (void)puts("the running agent has the claim, and goes on with it");
        return EXIT_DONE;
    }
    code = posix_inject(&cmd->conf, request, &out);
    if (code != EXIT_DONE)
        return cmd_fail(cmd, code, out.locked ? "locked" : agent_class_name(out.class), out.text);
    (void)puts("the claim is stored; `device-agent provision` goes on with it");
    return code;
}

/* The claim is read first: its file may be root's, who becomes another with the configuration. */
int cmd_inject(struct cmd *cmd)
{
    struct control_request request = { .command = CONTROL_INJECT };
    int code;

    if (read_claim(cmd, &request) && cmd_configure(cmd, NULL, NULL))
        code = inject(cmd, &request);
    else
        code = cmd_failed(cmd);
    OPENSSL_cleanse(&request, sizeof request);
    return code;
}
