#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "cmd.h"
#include "device.h"
#include "exits.h"
#include "home.h"
#include "status.h"

enum { ASK_MS = 10000 };

/* ---- failing --------------------------------------------------------------------------------- */

void cmd_print_json(const cJSON *doc)
{
    char *text = cJSON_Print(doc);

    if (text != NULL)
        (void)puts(text);
    cJSON_free(text);
}

/* {"error":{"class":…,"exitCode":…,"text":…}} */
static void fail_json(int code, const char *class, const char *text)
{
    cJSON *doc = cJSON_CreateObject(), *error = cJSON_AddObjectToObject(doc, "error");
    char *printed = NULL;

    if (cJSON_AddStringToObject(error, "class", class) != NULL &&
        cJSON_AddNumberToObject(error, "exitCode", code) != NULL &&
        cJSON_AddStringToObject(error, "text", text) != NULL)
        printed = cJSON_Print(doc);
    if (printed != NULL)
        (void)fprintf(stderr, "%s\n", printed);
    cJSON_free(printed);
    cJSON_Delete(doc);
}

int cmd_fail(const struct cmd *cmd, int code, const char *class, const char *text)
{
    if (cmd->values[CMD_JSON] != NULL)
        fail_json(code, class, text);
    else
        (void)fprintf(stderr, "device-agent: %s: %s\n", class, text[0] != '\0' ? text : "failed");
    return code;
}

int cmd_failed(const struct cmd *cmd)
{
    return cmd_fail(cmd, exit_of_class(cmd->result.class), agent_class_name(cmd->result.class),
                    cmd->result.text);
}

int cmd_usage(const struct cmd *cmd, const char *format, ...)
{
    char text[256];
    va_list args;

    (void)cmd;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    }
    (void)fprintf(stderr, "device-agent: %s\n`device-agent help` tells more\n", text);
    return EXIT_USAGE;
}

/* ---- configuration --------------------------------------------------------------------------- */

static void print_note(void *arg, const char *line)
{
    (void)arg;
    (void)fprintf(stderr, "device-agent: note: %s\n", line);
}

static bool become(uid_t uid, gid_t gid)
{
    const struct passwd *user = getpwuid(uid);
    const bool groups =
        user != NULL ? initgroups(user->pw_name, user->pw_gid) == 0 : setgroups(0, NULL) == 0;

    return groups && setgid(user != NULL ? user->pw_gid : gid) == 0 && setuid(uid) == 0;
}

static bool become_owner(struct cmd *cmd)
{
    struct stat st;

    if (geteuid() != 0 || stat(cmd->conf.state_dir, &st) != 0 || st.st_uid == 0)
        return true;
    if (become(st.st_uid, st.st_gid))
        return true;
    (void)port_fail(&cmd->result, AGENT_LOCAL, "cannot become the owner of %s: %s",
                    cmd->conf.state_dir, strerror(errno));
    return false;
}

bool cmd_configure(struct cmd *cmd, void (*note)(void *arg, const char *line), void *arg)
{
    if (note == NULL && cmd->values[CMD_JSON] == NULL)
        note = print_note;
    cmd->config = cmd->values[CMD_CONFIG] != NULL ? cmd->values[CMD_CONFIG] : CMD_DEFAULT_CONFIG;
    return conf_load(cmd->config, note, arg, &cmd->conf, &cmd->result) == AGENT_OK &&
           become_owner(cmd);
}

/* ---- how it is ------------------------------------------------------------------------------- */

enum control_call cmd_ask(struct cmd *cmd, const struct control_request *request, cJSON **answer)
{
    char path[4096];
    enum control_call call;

    *answer = NULL;
    if (!posix_control_path(&cmd->conf, path)) {
        (void)port_fail(&cmd->result, AGENT_CONFIG, "the control socket's path is too long");
        return CONTROL_FAILED;
    }
    call = control_ask(path, request, ASK_MS, answer, &cmd->result);
    if (call != CONTROL_ANSWERED || control_result(*answer, &cmd->result) == AGENT_OK)
        return call;
    cJSON_Delete(*answer);
    *answer = NULL;
    return CONTROL_FAILED;
}

static cJSON *ask_status(struct cmd *cmd, bool *running)
{
    const struct control_request request = { .command = CONTROL_STATUS };
    cJSON *answer, *status;
    const enum control_call call = cmd_ask(cmd, &request, &answer);

    *running = call != CONTROL_NO_AGENT;
    status = cJSON_DetachItemFromObjectCaseSensitive(answer, "status");
    cJSON_Delete(answer);
    if (call == CONTROL_ANSWERED && status == NULL)
        (void)port_fail(&cmd->result, AGENT_LOCAL, "the agent's answer has no status");
    return status;
}

/* Reads only: nothing is locked or put in order. files NULL: there is nothing yet. */
static cJSON *make(struct cmd *cmd, const struct files *files)
{
    uint8_t device[AGENT_DEVICE_LEN], bytes[AGENT_STATE_MAX];
    struct agent_state state;
    char dir[PATH_MAX];
    struct status_in in = { .conf = &cmd->conf,
                            .dir = posix_state_dir(&cmd->conf, dir),
                            .read = AGENT_STATE_TORN,
                            .mono_ms = posix_mono_ms(),
                            .wall_s = posix_wall_s() };
    size_t n = 0;
    int why = ENOENT;
    cJSON *status;

    if (device_id(cmd->conf.device_id, &(struct device_root){ "" }, device, &cmd->result) !=
        AGENT_OK)
        return NULL;
    if (files != NULL)
        why = files->read(files->self, "state", bytes, sizeof bytes, &n);
    if (why != 0 && why != ENOENT && why != EFBIG) {
        (void)port_fail(&cmd->result, AGENT_LOCAL, "%s/state: %s", cmd->conf.state_dir,
                        strerror(why));
        return NULL;
    }
    in.blank = why == ENOENT;
    in.read = agent_state_read((struct agent_span){ bytes, n }, device, &state);
    if (in.read == AGENT_STATE_GOOD)
        in.record = &state;
    status = status_make(&in);
    if (status == NULL)
        (void)port_fail(&cmd->result, AGENT_LOCAL, "no memory");
    OPENSSL_cleanse(bytes, sizeof bytes);
    OPENSSL_cleanse(&state, sizeof state);
    return status;
}

static cJSON *make_from_disk(struct cmd *cmd)
{
    struct home home;
    cJSON *status = NULL;

    if (access(cmd->conf.state_dir, F_OK) != 0 && errno == ENOENT)
        return make(cmd, NULL);
    if (home_open(&cmd->conf, false, &home, &cmd->result) == AGENT_OK)
        status = make(cmd, &home.files);
    home_close(&home);
    return status;
}

cJSON *cmd_look(struct cmd *cmd, bool *running)
{
    cJSON *status = ask_status(cmd, running);

    if (status == NULL && !*running)
        status = make_from_disk(cmd);
    return status;
}

/* ---- working, and watching others work ------------------------------------------------------- */

static const char *name_of(int code)
{
    for (size_t i = 0; i < exit_n_rows; i++) {
        if (exit_rows[i].code == code)
            return exit_rows[i].name;
    }
    return "local";
}

/* What a person can do about it, where the text does not say. */
static const char *cure_of(int code)
{
    if (code == exit_of_class(AGENT_RECORD))
        return "; `device-agent reset --level full` makes this a blank device";
    if (code == EXIT_NO_IDENTITY)
        return "there is no identity yet; `device-agent provision` gets one";
    return "";
}

int cmd_work(struct cmd *cmd, enum posix_goal goal, enum agent_reset level,
             struct posix_outcome *out)
{
    const struct posix_spec spec = { .conf = &cmd->conf,
                                     .goal = goal,
                                     .level = level,
                                     .timeout_ms = cmd->timeout_ms,
                                     .watched = isatty(STDERR_FILENO) == 1 };
    char text[AGENT_MAX_MESSAGE + 128];
    const int code = posix_run(&spec, out);

    if (code == EXIT_DONE)
        return code;
    (void)snprintf(text, sizeof text, "%s%s", out->text, cure_of(code));
    return cmd_fail(cmd, code, name_of(code), text);
}

int cmd_tell_error(const struct cmd *cmd, const cJSON *status)
{
    const cJSON *error = cJSON_GetObjectItemCaseSensitive(status, "lastError");
    const char *class = status_text(error, "class"), *text = status_text(error, "text");
    const int64_t code = status_number(error, "exitCode");

    return cmd_fail(cmd, code > 0 && code < 256 ? (int)code : exit_of_class(AGENT_LOCAL),
                    class != NULL ? class : "local", text != NULL ? text : "");
}

static int out_of_time(const struct cmd *cmd, const cJSON *status)
{
    const cJSON *error = cJSON_GetObjectItemCaseSensitive(status, "lastError");
    const char *text = status_text(error, "text");

    return cmd_fail(cmd, EXIT_TIMEOUT, "timeout",
                    text != NULL ? text : "the agent goes on; `device-agent status` shows how");
}

int cmd_watch(struct cmd *cmd, cmd_done *done, const void *arg)
{
    const struct timespec pause = { .tv_nsec = 200000000 };
    const uint64_t until_ms = posix_mono_ms() + cmd->timeout_ms;
    bool running;
    int code = CMD_GO_ON;

    while (code == CMD_GO_ON) {
        cJSON *status = ask_status(cmd, &running);

        if (status == NULL && running)
            return cmd_failed(cmd);
        if (status == NULL)
            return cmd_fail(cmd, exit_of_class(AGENT_LOCAL), "local", "the agent has ended");
        code = done(status, arg);
        if (code != CMD_GO_ON && code != EXIT_DONE)
            (void)cmd_tell_error(cmd, status);
        else if (code == CMD_GO_ON && cmd->timeout_ms != 0 && posix_mono_ms() >= until_ms)
            code = out_of_time(cmd, status);
        cJSON_Delete(status);
        if (code == CMD_GO_ON)
            (void)nanosleep(&pause, NULL);
    }
    return code;
}
