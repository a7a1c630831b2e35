#include "announce.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* ---- words ----------------------------------------------------------------------------------- */

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The word that begins at *from, unquoted, at *to; both move behind it. False: a lone mark. */
static bool take_word(const char **from, char **to)
{
    bool quoted = false;

    while (**from != '\0' && (quoted || !blank(**from))) {
        if (**from == '"')
            quoted = !quoted;
        else
            *(*to)++ = **from;
        ++*from;
    }
    *(*to)++ = '\0';
    return !quoted;
}

size_t announce_split(const char *command, char room[static ANNOUNCE_MAX_COMMAND],
                      const char *words[static ANNOUNCE_MAX_WORDS + 1])
{
    char *to = room;
    size_t n = 0;

    if (strlen(command) >= ANNOUNCE_MAX_COMMAND)
        return 0;
    for (;;) {
        while (blank(*command))
            command++;
        if (*command == '\0')
            break;
        if (n == ANNOUNCE_MAX_WORDS)
            return 0;
        words[n++] = to;
        if (!take_word(&command, &to))
            return 0;
    }
    words[n] = NULL;
    return n;
}

/* ---- starting -------------------------------------------------------------------------------- */

static bool replaced(const char *entry, const char *const *env)
{
    const size_t n = strcspn(entry, "=") + 1;

    for (; *env != NULL; env++) {
        if (strncmp(entry, *env, n) == 0)
            return true;
    }
    return false;
}

/* The environment with env's in place of its own; to be freed. The entries stay where they are. */
static char **merged(const char *const *env)
{
    size_t n = 1, at = 0;
    char **out;

    for (char **e = environ; *e != NULL; e++)
        n++;
    for (const char *const *e = env; *e != NULL; e++)
        n++;
    out = calloc(n, sizeof *out);
    if (out == NULL)
        return NULL;
    for (char **e = environ; *e != NULL; e++) {
        if (!replaced(*e, env))
            out[at++] = *e;
    }
    for (; *env != NULL; env++)
        out[at++] = (char *)(uintptr_t)*env;
    return out;
}

/* Signals as a program expects them; our own are blocked, and read from a descriptor. */
static int set_up(posix_spawnattr_t *attr, posix_spawn_file_actions_t *files)
{
    sigset_t none, all;
    int rc;

    (void)sigemptyset(&none);
    (void)sigfillset(&all);
    rc = posix_spawnattr_setflags(attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                            POSIX_SPAWN_SETSIGDEF);
    rc = rc != 0 ? rc : posix_spawnattr_setpgroup(attr, 0);
    rc = rc != 0 ? rc : posix_spawnattr_setsigmask(attr, &none);
    rc = rc != 0 ? rc : posix_spawnattr_setsigdefault(attr, &all);
    rc = rc != 0 ? rc : posix_spawn_file_actions_addopen(files, 0, "/dev/null", O_RDONLY, 0);
    rc = rc != 0 ? rc : posix_spawn_file_actions_adddup2(files, 2, 1);
    /* libraries have theirs open without O_CLOEXEC: Paho its connection, tokens their files */
    return rc != 0 ? rc : posix_spawn_file_actions_addclosefrom_np(files, 3);
}

static int spawn(pid_t *pid, const char *const *words, char **env)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    int rc = posix_spawn_file_actions_init(&files);

    if (rc != 0)
        return rc;
    rc = posix_spawnattr_init(&attr);
    if (rc == 0) {
        rc = set_up(&attr, &files);
        if (rc == 0)
            rc = posix_spawn(pid, words[0], &files, &attr, (char *const *)(uintptr_t)words, env);
        (void)posix_spawnattr_destroy(&attr);
    }
    (void)posix_spawn_file_actions_destroy(&files);
    return rc;
}

void announce_start(struct announce *announce, const char *command, const char *const *env,
                    uint64_t now_ms, struct port_result *result)
{
    char room[ANNOUNCE_MAX_COMMAND];
    const char *words[ANNOUNCE_MAX_WORDS + 1];
    char **whole;
    int rc;

    if (announce_split(command, room, words) == 0) {
        (void)port_fail(result, AGENT_CONFIG,
                        "the command to announce an identity with is empty, too long, or has a "
                        "quotation mark without its other");
        return;
    }
    whole = merged(env);
    rc = whole != NULL ? spawn(&announce->pid, words, whole) : ENOMEM;
    free(whole);
    if (rc != 0) {
        announce->pid = 0;
        (void)port_fail(result, AGENT_LOCAL, "%s cannot be started: %s", words[0], strerror(rc));
        return;
    }
    announce->until_ms = now_ms + ANNOUNCE_MS;
    announce->killed = false;
    (void)snprintf(announce->command, sizeof announce->command, "%s", words[0]);
}

/* ---- ending ---------------------------------------------------------------------------------- */

static void tell_end(const struct announce *announce, int status, struct port_result *result)
{
    const char *name = announce->command;

    if (announce->killed)
        (void)port_fail(result, AGENT_LOCAL, "%s was killed after %d s", name, ANNOUNCE_MS / 1000);
    else if (WIFSIGNALED(status))
        (void)port_fail(result, AGENT_LOCAL, "%s was ended by signal %d", name, WTERMSIG(status));
    else if (WEXITSTATUS(status) != 0)
        (void)port_fail(result, AGENT_LOCAL, "%s ended with %d", name, WEXITSTATUS(status));
}

bool announce_ended(struct announce *announce, uint64_t now_ms, struct port_result *result)
{
    int status;

    if (announce->pid == 0)
        return false;
    if (waitpid(announce->pid, &status, WNOHANG) == announce->pid) {
        tell_end(announce, status, result);
        announce->pid = 0;
        return true;
    }
    if (now_ms >= announce->until_ms && !announce->killed) {
        announce->killed = true;
        announce->until_ms = UINT64_MAX; /* SIGCHLD comes */
        (void)kill(-announce->pid, SIGKILL);
    }
    return false;
}

void announce_stop(struct announce *announce)
{
    if (announce->pid == 0)
        return;
    (void)kill(-announce->pid, SIGKILL);
    while (waitpid(announce->pid, NULL, 0) == -1 && errno == EINTR) {
    }
    announce->pid = 0;
}
