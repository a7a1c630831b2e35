#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cmd.h"
#include "conf_priv.h"
#include "exits.h"

#define BIT(opt) (1u << (opt))

const struct cmd_row cmd_rows[] = {
    { "run", "", "Runs the agent until it is stopped. This is what the service does.",
      "It provisions if there is no identity, serves with the one there is, renews it in time, "
      "and\n"
      "answers the other commands. SIGTERM, SIGINT and SIGHUP end it. A line per event goes to\n"
      "standard error; sentences if that is a terminal.\n",
      0, 0, 0, cmd_run },
    { "provision", "", "Gets an identity and ends. With one there already it has nothing to do.",
      "It ends with 0 when the identity has connected and is in force, and with the first failure\n"
      "that waiting does not cure, whose class is the exit code. Other failures are tried again.\n"
      "\n"
      "  device-agent provision --timeout 300\n",
      BIT(CMD_TIMEOUT), 0, 0, cmd_provision },
    { "status", "", "Shows what there is and how it goes, whether an agent runs or not.",
      "  device-agent status\n"
      "  device-agent status --json | jq -r .lastError.text\n",
      BIT(CMD_JSON), 0, 0, cmd_status },
    { "renew", "",
      "Renews the identity now. The old one stays in force until the new one has connected.",
      "A running agent is asked to, and waited for, 120 s if no --timeout is given; without one "
      "it\n"
      "is done here. What a failed renewal leaves is the identity that was there.\n"
      "\n"
      "  device-agent renew --timeout 60\n",
      BIT(CMD_TIMEOUT) | BIT(CMD_NO_WAIT), 0, 0, cmd_renew },
    { "needs-renewal", "", "Is a renewal due? The exit code tells: 0 yes, 5 no.",
      "6 if there is no identity yet, 18 if the clock is not set. It looks only at what is "
      "stored.\n"
      "\n"
      "  device-agent needs-renewal && device-agent renew\n",
      BIT(CMD_JSON), 0, 0, cmd_needs_renewal },
    { "inject-claim", "FILE|- [KEYFILE]",
      "Gives the device a claim. Certificate and key, as an installer has them.",
      "FILE is PEM with the certificate and the private key, or the JSON that `provctl claim "
      "create\n"
      "--json` and `aws iot create-provisioning-claim` print; - is standard input. The key may be "
      "in\n"
      "a file of its own. A running agent goes on with it at once.\n"
      "\n"
      "  provctl claim create fleet-by-serial --json | ssh pump-7 device-agent inject-claim -\n"
      "  device-agent inject-claim claim.crt claim.key\n",
      0, 1, 2, cmd_inject },
    { "reset", "", "Takes the identity away from this device. The broker is not told.",
      "identity (the default) removes what was obtained: keys, certificates, the record. full\n"
      "removes an injected claim too. Interrupted, it is finished at the next start. A running\n"
      "agent goes on afterwards as a blank device does.\n"
      "\n"
      "  device-agent reset --level full --yes\n",
      BIT(CMD_LEVEL) | BIT(CMD_YES) | BIT(CMD_TIMEOUT) | BIT(CMD_NO_WAIT), 0, 0, cmd_reset },
    { "doctor", "",
      "Checks everything that it takes, and says what to do. The exit code is the first failure's.",
      "Configuration, files and their modes, certificates, clock, name, TCP or proxy, TLS, ALPN,\n"
      "the PKCS#11 token, and whether the broker takes the certificate. While an agent runs the\n"
      "last is taken from it, for a second connection would end the agent's.\n"
      "\n"
      "  device-agent doctor\n"
      "  device-agent doctor --offline --json\n",
      BIT(CMD_JSON) | BIT(CMD_OFFLINE), 0, 0, cmd_doctor },
    { "version", "", "Prints the version.", "", 0, 0, 0, cmd_version },
};
const size_t cmd_n_rows = sizeof cmd_rows / sizeof cmd_rows[0];

/* ---- the command line ------------------------------------------------------------------------ */

static const struct cmd_row *find(const char *name)
{
    for (size_t i = 0; i < cmd_n_rows; i++) {
        if (strcmp(cmd_rows[i].name, name) == 0)
            return &cmd_rows[i];
    }
    return NULL;
}

static int unknown_command(const struct cmd *cmd, const char *name)
{
    struct conf_near near = { .word = name };
    char hint[80];

    for (size_t i = 0; i < cmd_n_rows; i++)
        conf_near_try(&near, cmd_rows[i].name);
    return cmd_usage(cmd, "there is no command '%s'%s", name, conf_near_hint(&near, hint));
}

static int unknown_option(const struct cmd *cmd, const char *name)
{
    struct conf_near near = { .word = name };
    char hint[80];

    for (size_t i = 0; i < CMD_OPTS; i++)
        conf_near_try(&near, cmd_options[i].name);
    return cmd_usage(cmd, "there is no option '--%s'%s", name, conf_near_hint(&near, hint));
}

/* The option that a word is, up to its "="; CMD_OPTS: none. */
static enum cmd_opt option_of(const char *name)
{
    const size_t n = strcspn(name, "=");

    for (unsigned i = 0; i < CMD_OPTS; i++) {
        if (strlen(cmd_options[i].name) == n && strncmp(cmd_options[i].name, name, n) == 0)
            return (enum cmd_opt)i;
    }
    return CMD_OPTS;
}

/* An option and its value, which may be the next word. 0, or the exit code. */
static int take_option(struct cmd *cmd, const char *name, char *const argv[], int *at)
{
    const enum cmd_opt opt = option_of(name);
    const char *value = strchr(name, '=');

    if (opt == CMD_OPTS)
        return unknown_option(cmd, name);
    if (cmd->values[opt] != NULL)
        return cmd_usage(cmd, "--%s is given twice", cmd_options[opt].name);
    if (cmd_options[opt].value == NULL && value != NULL)
        return cmd_usage(cmd, "--%s takes no value", cmd_options[opt].name);
    if (cmd_options[opt].value == NULL)
        value = "";
    else if (value != NULL)
        value++;
    else
        value = argv[++*at];
    if (value == NULL)
        return cmd_usage(cmd, "--%s needs a value: --%s %s", cmd_options[opt].name,
                         cmd_options[opt].name, cmd_options[opt].value);
    cmd->values[opt] = value;
    return 0;
}

static int take_word(struct cmd *cmd, const char **command, const char *word)
{
    if (*command == NULL)
        *command = word;
    else if (cmd->n_words == CMD_MAX_WORDS)
        return cmd_usage(cmd, "too many words: '%s'", word);
    else
        cmd->words[cmd->n_words++] = word;
    return 0;
}

/* Options may be anywhere; behind "--" are none. */
static int parse(struct cmd *cmd, int argc, char *const argv[], const char **command)
{
    bool options = true;
    int code = 0;

    for (int i = 1; i < argc && code == 0; i++) {
        if (options && strcmp(argv[i], "--") == 0)
            options = false;
        else if (options && strcmp(argv[i], "-h") == 0)
            cmd->values[CMD_HELP] = "";
        else if (options && strncmp(argv[i], "--", 2) == 0)
            code = take_option(cmd, argv[i] + 2, argv, &i);
        else if (options && argv[i][0] == '-' && argv[i][1] != '\0')
            code = cmd_usage(cmd, "there is no option '%s'; options have two dashes", argv[i]);
        else
            code = take_word(cmd, command, argv[i]);
    }
    return code;
}

/* 0, or the exit code. */
static int read_timeout(struct cmd *cmd)
{
    const char *value = cmd->values[CMD_TIMEOUT];
    unsigned long seconds;
    char *end;

    if (value == NULL)
        return 0;
    errno = 0;
    seconds = strtoul(value, &end, 10);
    if (errno != 0 || value[0] < '0' || value[0] > '9' || *end != '\0' || seconds > 86400)
        return cmd_usage(cmd, "--timeout takes seconds, 0 to 86400, not '%s'", value);
    cmd->timeout_ms = (uint32_t)seconds * 1000;
    return 0;
}

static int check(struct cmd *cmd, const struct cmd_row *row)
{
    const unsigned allowed = row->options | BIT(CMD_CONFIG) | BIT(CMD_HELP);

    for (unsigned i = 0; i < CMD_OPTS; i++) {
        if (cmd->values[i] != NULL && (allowed >> i & 1) == 0)
            return cmd_usage(cmd, "%s has no option --%s", row->name, cmd_options[i].name);
    }
    if (cmd->n_words < row->min_words)
        return cmd_usage(cmd, "%s needs %s", row->name, row->words);
    if (cmd->n_words > row->max_words)
        return cmd_usage(cmd, "%s takes no '%s'", row->name, cmd->words[row->max_words]);
    return read_timeout(cmd);
}

static int help(const struct cmd *cmd, const char *name)
{
    const struct cmd_row *row = name != NULL ? find(name) : NULL;

    if (name != NULL && row == NULL)
        return unknown_command(cmd, name);
    cmd_help(row, stdout);
    return EXIT_DONE;
}

static int dispatch(struct cmd *cmd, int argc, char *const argv[])
{
    const char *command = NULL;
    const struct cmd_row *row;
    int code = parse(cmd, argc, argv, &command);

    if (code != 0)
        return code;
    if (command != NULL && strcmp(command, "help") == 0)
        return help(cmd, cmd->words[0]);
    if (cmd->values[CMD_HELP] != NULL)
        return help(cmd, command);
    if (cmd->values[CMD_VERSION] != NULL)
        return cmd_version(cmd);
    if (command == NULL) {
        cmd_help(NULL, stderr);
        return EXIT_USAGE;
    }
    row = find(command);
    if (row == NULL)
        return unknown_command(cmd, command);
    code = check(cmd, row);
    return code != 0 ? code : row->run(cmd);
}

static size_t count_threads(void)
{
    DIR *tasks = opendir("/proc/self/task");
    size_t n = 0;

    if (tasks == NULL)
        return 1;
    for (const struct dirent *task; (task = readdir(tasks)) != NULL;)
        n += task->d_name[0] != '.' ? 1 : 0;
    (void)closedir(tasks);
    return n;
}

/*
 * Paho's threads are detached, and say that they are over before they are: what OpenSSL keeps for a
 * thread goes with its very end, which must not come in the middle of OpenSSL's own at exit.
 */
static void await_threads(void)
{
    const struct timespec pause = { .tv_nsec = 1000000 };

    for (int i = 0; i < 1000 && count_threads() > 1; i++)
        (void)nanosleep(&pause, NULL);
}

int cmd_main(int argc, char *const argv[])
{
    struct cmd cmd = { 0 };
    int code = dispatch(&cmd, argc, argv);

    conf_release(&cmd.conf);
    await_threads();
    /* what was asked for is not done as long as it cannot be told */
    if ((fflush(stdout) != 0 || ferror(stdout)) && code == EXIT_DONE)
        code = cmd_fail(&cmd, exit_of_class(AGENT_LOCAL), "local", "standard output is closed");
    return code;
}

int cmd_version(struct cmd *cmd)
{
    (void)cmd;
    (void)puts("device-agent " AGENT_VERSION);
    return EXIT_DONE;
}
