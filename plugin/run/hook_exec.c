#include "hook_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <unistd.h>

#include <sys/resource.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define CHUNK 16384
#define CHUNKS_AT_ONCE 8 /* of one program, before others have their turn */
#define MAX_STDERR (1024u * 1024)
#define HOOK_NICE 10

static bool shut(struct prov_hook_run *run, int which)
{
    int *fd = &run->child.fd[which];

    if (*fd == -1)
        return false;
    /* before the close: another thread's child may hold a copy for a moment, and with it the
     * registration */
    (void)epoll_ctl(run->hooks->epoll, EPOLL_CTL_DEL, *fd, NULL);
    (void)close(*fd);
    *fd = -1;
    return true;
}

/* ---- which program --------------------------------------------------------------------------- */

static bool lies_in(const char *path, const char *dir)
{
    const size_t n = strcmp(dir, "/") == 0 ? 0 : strlen(dir);

    return strncmp(path, dir, n) == 0 && path[n] == '/';
}

/* Where the program is once all links are followed, in out; or ends the call. */
static bool find_program(struct prov_hook_run *run, const char *path, char out[PATH_MAX])
{
    char dir[PATH_MAX];
    struct stat info;

    if (realpath(run->hooks->dir, dir) == NULL)
        prov_hook_ends(run, PROV_HOOK_NOT_STARTED, "hook directory: %s", strerror(errno));
    else if (realpath(path, out) == NULL || stat(out, &info) != 0)
        prov_hook_ends(run, PROV_HOOK_NOT_STARTED, "program: %s", strerror(errno));
    else if (!lies_in(out, dir))
        prov_hook_ends(run, PROV_HOOK_NOT_STARTED, "program is not in the hook directory");
    else if (!S_ISREG(info.st_mode))
        prov_hook_ends(run, PROV_HOOK_NOT_STARTED, "program is not a regular file");
    else if (faccessat(AT_FDCWD, out, X_OK, AT_EACCESS) != 0)
        prov_hook_ends(run, PROV_HOOK_NOT_STARTED, "program cannot be executed: %s",
                       strerror(errno));
    return !run->ended;
}

/* ---- starting -------------------------------------------------------------------------------- */

/*
 * The ends that the program gets are numbered in the order in which they will become 0, 1 and 2,
 * and each is above all made before it: should one of our own standard descriptors have been
 * closed, no dup2 in the child overwrites an end that is still needed. 0, or errno.
 */
static int make_pipes(struct prov_hook_run *run, int theirs[3])
{
    for (int i = 0; i < 3; i++) {
        int ends[2];

        if (pipe2(ends, O_CLOEXEC) != 0)
            return errno;
        theirs[i] = ends[i == CHILD_IN ? 0 : 1];
        run->child.fd[i] = ends[i == CHILD_IN ? 1 : 0];
        if (fcntl(run->child.fd[i], F_SETFL, O_NONBLOCK) == -1)
            return errno;
    }
    return 0;
}

/* 0, or what errno would say. */
static int add_actions(posix_spawn_file_actions_t *actions, const int theirs[3])
{
    int e = 0;

    for (int i = 0; i < 3 && e == 0; i++)
        e = posix_spawn_file_actions_adddup2(actions, theirs[i], i);
    if (e == 0)
        e = posix_spawn_file_actions_addclosefrom_np(actions, 3);
    if (e == 0)
        e = posix_spawn_file_actions_addchdir_np(actions, "/");
    return e;
}

static int set_attributes(posix_spawnattr_t *attr)
{
    sigset_t none, all;
    int e;

    (void)sigemptyset(&none);
    (void)sigfillset(&all);
    e = posix_spawnattr_setflags(attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                           POSIX_SPAWN_SETSIGDEF);
    if (e == 0)
        e = posix_spawnattr_setpgroup(attr, 0);
    if (e == 0)
        e = posix_spawnattr_setsigmask(attr, &none);
    if (e == 0)
        e = posix_spawnattr_setsigdefault(attr, &all);
    return e;
}

static int spawn(const char *program, const int theirs[3], pid_t *pid)
{
    static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    static char lang[] = "LANG=C.UTF-8", hook[] = "PROV_HOOK=1";
    char *const env[] = { path, lang, hook, NULL };
    /* posix_spawn does not write to it */
    char *const argv[] = { (char *)(uintptr_t)program, NULL };
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    pid_t made;
    int e;

    e = posix_spawn_file_actions_init(&actions);
    if (e != 0)
        return e;
    e = posix_spawnattr_init(&attr);
    if (e != 0)
        goto out;
    e = add_actions(&actions, theirs);
    if (e == 0)
        e = set_attributes(&attr);
    if (e == 0)
        e = posix_spawn(&made, program, &actions, &attr, argv, env);
    if (e == 0) {
        *pid = made;
        /* sixteen shells that start at once would keep the broker from its processor */
        (void)setpriority(PRIO_PGRP, (id_t)made, HOOK_NICE);
    }
    (void)posix_spawnattr_destroy(&attr);
out:
    (void)posix_spawn_file_actions_destroy(&actions);
    return e;
}

/* 0, or errno. Without pidfd_open (Linux before 5.3, or no descriptor left) the end is polled. */
static int watch(struct prov_hook_run *run)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = run };

    run->child.fd[CHILD_PID] = pidfd_open(run->child.pid, 0);
    for (int i = 0; i < CHILD_FDS; i++) {
        event.events = i == CHILD_IN ? EPOLLOUT : EPOLLIN;
        if (run->child.fd[i] != -1 &&
            epoll_ctl(run->hooks->epoll, EPOLL_CTL_ADD, run->child.fd[i], &event) != 0)
            return errno;
    }
    return 0;
}

void prov_hook_exec_start(struct prov_hook_run *run, const char *path)
{
    int theirs[3] = { -1, -1, -1 };
    char program[PATH_MAX];
    int e;

    if (!find_program(run, path, program))
        return;
    e = make_pipes(run, theirs);
    if (e == 0)
        e = spawn(program, theirs, &run->child.pid);
    for (int i = 0; i < 3; i++) {
        if (theirs[i] != -1)
            (void)close(theirs[i]);
    }
    if (e == ENOENT) { /* the program itself is there: find_program has seen it */
        prov_hook_ends(run, PROV_HOOK_NOT_STARTED, "the program's interpreter does not exist");
        return;
    }
    if (e == 0)
        e = watch(run);
    if (e != 0)
        prov_hook_ends(run, PROV_HOOK_NOT_STARTED, "cannot start the program: %s", strerror(e));
}

/* ---- talking --------------------------------------------------------------------------------- */

/* A program need not read its request: EPIPE only ends the sending. */
static void feed(struct prov_hook_run *run)
{
    const struct prov_span request = run->call->request;
    struct hook_child *c = &run->child;

    while (c->fd[CHILD_IN] != -1) {
        ssize_t n = 0;

        if (c->sent < request.n)
            n = write(c->fd[CHILD_IN], request.p + c->sent, request.n - c->sent);
        if (n == -1 && errno == EAGAIN)
            return;
        if (n > 0)
            c->sent += (size_t)n;
        if (c->sent == request.n || (n == -1 && errno != EINTR))
            (void)shut(run, CHILD_IN);
    }
}

static void take_stderr(struct prov_hook_run *run, struct prov_span bytes)
{
    struct hook_child *c = &run->child;

    for (size_t i = 0; i < bytes.n; i++) {
        if (bytes.p[i] == '\n' || bytes.p[i] == '\r') {
            c->line_over = true;
            continue;
        }
        if (c->line_over)
            c->n_line = 0;
        c->line_over = false;
        if (c->n_line < sizeof c->line)
            c->line[c->n_line++] = (char)bytes.p[i];
    }
    c->n_err += bytes.n;
    if (c->n_err > MAX_STDERR)
        prov_hook_ends(run, PROV_HOOK_TOO_LARGE, "wrote more than %u bytes to stderr", MAX_STDERR);
}

/* What there is, at most so many chunks of it. */
static void drain(struct prov_hook_run *run, int which, unsigned chunks)
{
    int *fd = &run->child.fd[which];
    uint8_t chunk[CHUNK];

    while (*fd != -1 && chunks-- != 0 && !run->ended) {
        const ssize_t n = read(*fd, chunk, sizeof chunk);

        if (n > 0 && which == CHILD_OUT)
            prov_hook_take(run, prov_span(chunk, (size_t)n));
        else if (n > 0)
            take_stderr(run, prov_span(chunk, (size_t)n));
        else if (n == -1 && errno == EAGAIN)
            return;
        else if (n == 0 || errno != EINTR)
            (void)shut(run, which);
    }
}

const char *prov_hook_exec_words(const struct prov_hook_run *run, char out[HOOK_LAST_WORDS + 3])
{
    const struct hook_child *c = &run->child;

    (void)snprintf(out, HOOK_LAST_WORDS + 3, "%s%.*s", c->n_line == 0 ? "" : ": ", (int)c->n_line,
                   c->line);
    return out;
}

/* ---- ending ---------------------------------------------------------------------------------- */

/* A child that has ended and is not reaped yet: its number still stands for it and its group. */
static bool has_exited(const struct hook_child *c, siginfo_t *info)
{
    memset(info, 0, sizeof *info);
    if (waitid(P_PID, (id_t)c->pid, info, WEXITED | WNOHANG | WNOWAIT) == 0)
        return info->si_pid == c->pid;
    return errno == ECHILD;
}

static void judge(struct prov_hook_run *run, const siginfo_t *info)
{
    char words[HOOK_LAST_WORDS + 3];

    (void)prov_hook_exec_words(run, words);
    if (info->si_pid == 0) /* the process ignores SIGCHLD, or something else waits for any child */
        prov_hook_ends(run, PROV_HOOK_FAILED, "its exit status was taken by somebody else%s",
                       words);
    else if (info->si_code != CLD_EXITED)
        prov_hook_ends(run, PROV_HOOK_FAILED, "killed by signal %d%s", info->si_status, words);
    else if (info->si_status != 0)
        prov_hook_ends(run, PROV_HOOK_FAILED, "exit status %d%s", info->si_status, words);
    else
        prov_hook_ends(run, PROV_HOOK_ANSWERED, "%s", "");
}

void prov_hook_exec_step(struct prov_hook_run *run)
{
    siginfo_t info;

    if (run->ended || run->child.pid == 0)
        return;
    if (!has_exited(&run->child, &info)) {
        feed(run);
        drain(run, CHILD_OUT, CHUNKS_AT_ONCE);
        drain(run, CHILD_ERR, CHUNKS_AT_ONCE);
        return;
    }
    /* what there is and no more, for what it left running may hold the pipes open */
    drain(run, CHILD_ERR, UINT_MAX);
    drain(run, CHILD_OUT, UINT_MAX);
    judge(run, &info);
}

void prov_hook_exec_kill(struct prov_hook_run *run)
{
    for (int i = CHILD_IN; i <= CHILD_ERR; i++)
        (void)shut(run, i);
    if (run->child.pid != 0)
        (void)kill(-run->child.pid, SIGKILL);
}

bool prov_hook_exec_gone(struct prov_hook_run *run)
{
    int status;
    pid_t pid;

    if (run->child.pid == 0)
        return true;
    do
        pid = waitpid(run->child.pid, &status, WNOHANG);
    while (pid == -1 && errno == EINTR);
    if (pid == 0)
        return false;
    (void)shut(run, CHILD_PID);
    run->child.pid = 0;
    return true;
}
