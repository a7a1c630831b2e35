/*
 * cmd.h - the command line: what every command works with, and the table that --help, completion
 * and the tests walk.
 */
#ifndef POSIX_CMD_H
#define POSIX_CMD_H

#include <stdio.h>

#include <cjson/cJSON.h>

#include "conf.h"
#include "control.h"
#include "files.h"
#include "posix.h"

#define CMD_DEFAULT_CONFIG "/etc/device-agent/device-agent.conf"

enum { CMD_MAX_WORDS = 2 };

/* Options, in the order of cmd_options. */
enum cmd_opt {
    CMD_CONFIG,
    CMD_JSON,
    CMD_TIMEOUT,
    CMD_LEVEL,
    CMD_YES,
    CMD_NO_WAIT,
    CMD_OFFLINE,
    CMD_HELP,
    CMD_VERSION,
    CMD_OPTS
};

struct cmd {
    const char *config;
    const char *values[CMD_OPTS]; /* NULL: not given; "" for those without a value */
    const char *words[CMD_MAX_WORDS];
    size_t n_words;
    uint32_t timeout_ms; /* 0: none */

    struct conf conf; /* zeroed until cmd_configure */
    struct port_result result;
};

struct cmd_row {
    const char *name, *words, *summary, *teach;
    unsigned options; /* bits of enum cmd_opt, besides CMD_CONFIG and CMD_HELP */
    size_t min_words, max_words;
    int (*run)(struct cmd *cmd); /* the exit code */
};
extern const struct cmd_row cmd_rows[];
extern const size_t cmd_n_rows;

/* The whole program; gives the exit code. */
int cmd_main(int argc, char *const argv[]);

int cmd_run(struct cmd *cmd), cmd_provision(struct cmd *cmd), cmd_status(struct cmd *cmd),
    cmd_renew(struct cmd *cmd), cmd_needs_renewal(struct cmd *cmd), cmd_inject(struct cmd *cmd),
    cmd_reset(struct cmd *cmd), cmd_doctor(struct cmd *cmd), cmd_version(struct cmd *cmd);

/* ---- help (cmd_help.c) ----------------------------------------------------------------------- */

struct cmd_option {
    const char *name;  /* without "--" */
    const char *value; /* NULL: it has none */
    const char *help;
};
extern const struct cmd_option cmd_options[CMD_OPTS];

void cmd_help(const struct cmd_row *row, FILE *out); /* NULL: of the program */

/* ---- what commands share (cmd_share.c) ------------------------------------------------------- */

/* Says why on stderr (a document under --json) and gives the code. */
int cmd_fail(const struct cmd *cmd, int code, const char *class, const char *text);
/* The same of cmd->result. */
int cmd_failed(const struct cmd *cmd);
/* "device-agent: …; cure", exit code 1 */
__attribute__((format(printf, 2, 3))) int cmd_usage(const struct cmd *cmd, const char *format, ...);

/* Reads the configuration; false: cmd->result says why. Notes go to note, or to stderr if it is
 * NULL. root becomes the user whose state directory it is: files of root's would lock it out. */
bool cmd_configure(struct cmd *cmd, void (*note)(void *arg, const char *line), void *arg);

/* The status document: of the running agent, or made from what is stored. NULL: cmd->result. */
cJSON *cmd_look(struct cmd *cmd, bool *running);

/* Asks the running agent, which must say ok. CONTROL_FAILED: cmd->result says why. */
enum control_call cmd_ask(struct cmd *cmd, const struct control_request *request, cJSON **answer);

/* Runs an agent of this process until the goal is reached; a failure is told. The exit code. */
int cmd_work(struct cmd *cmd, enum posix_goal goal, enum agent_reset level,
             struct posix_outcome *out);

/*
 * Looks at the running agent until done says so, or the timeout is over. The exit code, of what
 * done finds in the status: EXIT_DONE, or another; CMD_GO_ON: not yet.
 */
enum { CMD_GO_ON = -1 };
typedef int cmd_done(const cJSON *status, const void *arg);
int cmd_watch(struct cmd *cmd, cmd_done *done, const void *arg);
/* What a status says of the last failure, told as this command's. */
int cmd_tell_error(const struct cmd *cmd, const cJSON *status);

/* One document, and a line end. */
void cmd_print_json(const cJSON *doc);

#endif
