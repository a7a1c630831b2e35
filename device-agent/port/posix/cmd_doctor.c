#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "doctor.h"
#include "exits.h"
#include "status.h"

static const char *const verdicts[] = {
    [DOCTOR_OK] = "ok",
    [DOCTOR_WARN] = "warn",
    [DOCTOR_FAIL] = "FAIL",
};
_Static_assert(sizeof verdicts / sizeof verdicts[0] == DOCTOR_VERDICTS, "a verdict has no name");

/* ---- telling --------------------------------------------------------------------------------- */

static void print_line(void *arg, const struct doctor_line *line)
{
    (void)arg;
    (void)printf("%-5s %-10s %s\n", verdicts[line->verdict], line->check, line->text);
    if (line->cure[0] != '\0')
        (void)printf("%-16s -> %s\n", "", line->cure);
    (void)fflush(stdout);
}

/* arg: the array of checks, or NULL after a failure. */
static void add_line(void *arg, const struct doctor_line *line)
{
    static const char *const names[] = { "ok", "warn", "fail" };
    cJSON *object = cJSON_CreateObject();
    bool ok = cJSON_AddStringToObject(object, "check", line->check) != NULL &&
              cJSON_AddStringToObject(object, "verdict", names[line->verdict]) != NULL &&
              cJSON_AddStringToObject(object, "text", line->text) != NULL;

    if (ok && line->cure[0] != '\0')
        ok = cJSON_AddStringToObject(object, "cure", line->cure) != NULL;
    if (ok && line->verdict == DOCTOR_FAIL)
        ok = cJSON_AddStringToObject(object, "class", agent_class_name(line->class)) != NULL &&
             cJSON_AddNumberToObject(object, "exitCode", exit_of_class(line->class)) != NULL;
    if (!ok || !cJSON_AddItemToArray(arg, object))
        cJSON_Delete(object);
}

struct notes {
    void (*tell)(void *arg, const struct doctor_line *line);
    void *arg;
};

static void note(void *arg, const char *text)
{
    const struct notes *notes = arg;
    struct doctor_line line = { .check = "conf", .verdict = DOCTOR_WARN };

    (void)snprintf(line.text, sizeof line.text, "%s", text);
    notes->tell(notes->arg, &line);
}

/* ---- checks ---------------------------------------------------------------------------------- */

static bool configuration(struct cmd *cmd, struct notes *notes)
{
    struct doctor_line line = { .check = "conf" };

    if (!cmd_configure(cmd, note, notes)) {
        line.verdict = DOCTOR_FAIL;
        line.class = cmd->result.class;
        (void)snprintf(line.text, sizeof line.text, "%s", cmd->result.text);
        (void)snprintf(line.cure, sizeof line.cure, "see device-agent.conf(5)");
    } else {
        (void)snprintf(line.text, sizeof line.text, "%s", cmd->config);
    }
    notes->tell(notes->arg, &line);
    return line.verdict == DOCTOR_OK;
}

/* status lives as long as what is borrowed of it. */
static enum agent_class examine(struct cmd *cmd, const struct notes *notes, const cJSON *status,
                                bool running)
{
    const cJSON *error = cJSON_GetObjectItemCaseSensitive(status, "lastError");
    struct doctor doctor = {
        .conf = &cmd->conf,
        .offline = cmd->values[CMD_OFFLINE] != NULL,
        .running = running,
        .connected = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(status, "connected")),
        .last_error = status_text(error, "text"),
        .tell = notes->tell,
        .arg = notes->arg,
    };
    struct doctor_line line = { .check = "agent" };

    (void)snprintf(line.text, sizeof line.text, "%s",
                   running ? "one is running" : "none is running");
    notes->tell(notes->arg, &line);
    doctor_run(&doctor);
    return doctor.first;
}

static enum agent_class check_all(struct cmd *cmd, struct notes *notes)
{
    enum agent_class first;
    cJSON *status;
    bool running;

    if (!configuration(cmd, notes))
        return cmd->result.class;
    status = cmd_look(cmd, &running);
    first = examine(cmd, notes, status, running);
    cJSON_Delete(status);
    return first;
}

int cmd_doctor(struct cmd *cmd)
{
    const bool json = cmd->values[CMD_JSON] != NULL;
    cJSON *doc = cJSON_CreateObject(), *checks = cJSON_AddArrayToObject(doc, "checks");
    struct notes notes = { json ? add_line : print_line, checks };
    enum agent_class first;
    int code;

    if (checks == NULL)
        return cmd_fail(cmd, exit_of_class(AGENT_LOCAL), "local", "no memory");
    first = check_all(cmd, &notes);
    code = exit_of_class(first);
    if (json && cJSON_AddNumberToObject(doc, "exitCode", code) != NULL)
        cmd_print_json(doc);
    cJSON_Delete(doc);
    return code;
}
