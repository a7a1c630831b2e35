#include <string.h>

#include "cmd.h"
#include "exits.h"

const struct cmd_option cmd_options[CMD_OPTS] = {
    [CMD_CONFIG] = { "config", "FILE", "the configuration, instead of " CMD_DEFAULT_CONFIG },
    [CMD_JSON] = { "json", NULL, "answer with one JSON document; failures too, on stderr" },
    [CMD_TIMEOUT] = { "timeout", "SECONDS", "give up after that; 0: never" },
    [CMD_LEVEL] = { "level", "LEVEL", "identity: what was obtained; full: the claim as well" },
    [CMD_YES] = { "yes", NULL, "do not ask" },
    [CMD_NO_WAIT] = { "no-wait", NULL, "do not wait for a running agent to be done" },
    [CMD_OFFLINE] = { "offline", NULL, "leave out what needs the network" },
    [CMD_HELP] = { "help", NULL, "this text" },
    [CMD_VERSION] = { "version", NULL, "the version of device-agent" },
};

static void put_option(enum cmd_opt opt, FILE *out)
{
    const struct cmd_option *o = &cmd_options[opt];
    char left[40];

    (void)snprintf(left, sizeof left, "--%s%s%s", o->name, o->value != NULL ? " " : "",
                   o->value != NULL ? o->value : "");
    (void)fprintf(out, "  %-19s %s\n", left, o->help);
}

static void help_command(const struct cmd_row *row, FILE *out)
{
    (void)fprintf(out, "device-agent %s%s%s", row->name, row->words[0] != '\0' ? " " : "",
                  row->words);
    for (unsigned i = 0; i < CMD_OPTS; i++) {
        const struct cmd_option *o = &cmd_options[i];

        if ((row->options >> i & 1) != 0)
            (void)fprintf(out, " [--%s%s%s]", o->name, o->value != NULL ? " " : "",
                          o->value != NULL ? o->value : "");
    }
    (void)fprintf(out, "\n\n%s\n\n%s\nOptions:\n", row->summary, row->teach);
    for (unsigned i = 0; i < CMD_OPTS; i++) {
        if (i == CMD_CONFIG || i == CMD_HELP || (row->options >> i & 1) != 0)
            put_option((enum cmd_opt)i, out);
    }
    (void)fputs("\n`device-agent help` lists the commands and the exit codes.\n", out);
}

/* A summary's first sentence. */
static void put_first(const char *summary, FILE *out)
{
    const char *end = strstr(summary, ". ");

    (void)fprintf(out, "%.*s\n", end != NULL ? (int)(end - summary) : (int)strcspn(summary, ".\n"),
                  summary);
}

static void help_all(FILE *out)
{
    (void)fputs(
        "device-agent [--config FILE] COMMAND …\n\n"
        "Takes this device from its claim, or its factory certificate, to an identity of\n"
        "its own, and keeps that in order: connected, renewed, in the same place for other\n"
        "programs (DIR/current/cert.pem and key.pem).\n\nCommands:\n",
        out);
    for (size_t i = 0; i < cmd_n_rows; i++) {
        (void)fprintf(out, "  %-14s ", cmd_rows[i].name);
        put_first(cmd_rows[i].summary, out);
    }
    (void)fputs("\nOptions of every command:\n", out);
    put_option(CMD_CONFIG, out);
    put_option(CMD_HELP, out);
    (void)fputs("\nA first hour:\n"
                "  device-agent doctor          is everything there that it takes?\n"
                "  device-agent provision       gets an identity, and tells how it goes\n"
                "  device-agent status          what there is now\n"
                "  systemctl enable --now device-agent\n"
                "\nExit codes:\n",
                out);
    for (size_t i = 0; i < exit_n_rows; i++)
        (void)fprintf(out, "  %2d %-12s %s\n", exit_rows[i].code, exit_rows[i].name,
                      exit_rows[i].meaning);
    (void)fputs("\n`device-agent help COMMAND` tells more of each; device-agent.conf(5) of the "
                "configuration.\n",
                out);
}

void cmd_help(const struct cmd_row *row, FILE *out)
{
    if (row != NULL)
        help_command(row, out);
    else
        help_all(out);
}
