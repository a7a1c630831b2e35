#include "support/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "core/base.h"
#include "support/deadline.h"

#define ARGS_MAX 64
#define OUTPUT_MAX (64u * 1024 * 1024)

extern char **environ;

/* ---- starting -------------------------------------------------------------------------------- */

static bool names_variable(const char *entry, const char *name)
{
    const size_t n = strlen(name);

    return strncmp(entry, name, n) == 0 && entry[n] == '=';
}

static bool is_changed(const struct child_env *changes, const char *entry)
{
    for (; changes->name != NULL; changes++) {
        if (names_variable(entry, changes->name))
            return true;
    }
    return false;
}

/* environ with the changes; one block to be freed by env_free. NULL when out of memory. */
static char **env_new(const struct child_env *changes)
{
    static const struct child_env none = { NULL, NULL };
    size_t n = 0, extra = 0;
    char **env;

    if (changes == NULL)
        changes = &none;
    while (environ[n] != NULL)
        n++;
    while (changes[extra].name != NULL)
        extra++;
    env = calloc(n + extra + 1, sizeof *env);
    if (env == NULL)
        return NULL;
    n = 0;
    for (char **e = environ; *e != NULL; e++) {
        if (!is_changed(changes, *e))
            env[n++] = strdup(*e);
    }
    for (; changes->name != NULL; changes++) {
        if (changes->value != NULL && asprintf(&env[n], "%s=%s", changes->name, changes->value) > 0)
            n++;
    }
    return env;
}

static void env_free(char **env)
{
    for (char **e = env; e != NULL && *e != NULL; e++)
        free(*e);
    free(env);
}

/* Between fork and exec only async-signal-safe calls: another thread may have held a lock. */
static void become(const struct child_spec *spec, char **env, pid_t parent)
{
    static const char trouble[] = "cannot execute\n";
    const int files[3] = { spec->in, spec->out, spec->err };
    sigset_t none;

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127); /* it died before the line above */
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
    for (int to = 0; to < 3; to++) {
        const int from = files[to] == -1 ? open("/dev/null", O_RDWR | O_CLOEXEC) : files[to];

        if (dup2(from, to) == -1)
            _exit(127);
    }
    (void)execve(spec->argv[0], (char *const *)(uintptr_t)spec->argv, env);
    (void)!write(STDERR_FILENO, trouble, sizeof trouble - 1);
    _exit(127);
}

bool child_start(struct child *c, const struct child_spec *spec)
{
    const pid_t parent = getpid();
    char **env = env_new(spec->env);

    c->pid = 0;
    c->pidfd = -1;
    if (env == NULL)
        return false;
    c->pid = fork();
    if (c->pid == 0)
        become(spec, env, parent);
    env_free(env);
    if (c->pid == -1) {
        c->pid = 0;
        return false;
    }
    c->pidfd = pidfd_open(c->pid, 0);
    if (c->pidfd == -1) {
        child_kill(c);
        return false;
    }
    return true;
}

/* ---- ending ---------------------------------------------------------------------------------- */

static int reap(struct child *c)
{
    int status = 0;

    while (waitpid(c->pid, &status, 0) == -1 && errno == EINTR)
        continue;
    if (c->pidfd != -1)
        (void)close(c->pidfd);
    c->pid = 0;
    c->pidfd = -1;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int child_wait(struct child *c, int64_t deadline_ms)
{
    struct pollfd p = { .fd = c->pidfd, .events = POLLIN };
    int n;

    do
        n = poll(&p, 1, deadline_left(deadline_ms));
    while (n == -1 && errno == EINTR);
    return n == 1 ? reap(c) : -1;
}

void child_kill(struct child *c)
{
    if (c->pid == 0)
        return;
    (void)kill(c->pid, SIGKILL);
    (void)reap(c);
}

/* ---- running a command to its end ------------------------------------------------------------ */

static void shut(int *fd)
{
    if (*fd != -1)
        (void)close(*fd);
    *fd = -1;
}

/* Appends what there is; closes the descriptor at its end. */
static void drain(int *fd, struct prov_buf *to)
{
    uint8_t chunk[4096];
    const ssize_t n = read(*fd, chunk, sizeof chunk);

    if (n > 0)
        prov_buf_add(to, prov_span(chunk, (size_t)n));
    else if (n == 0 || errno != EINTR)
        shut(fd);
}

static void feed(int *fd, struct prov_span *left)
{
    const ssize_t n = write(*fd, left->p, left->n);

    if (n > 0)
        *left = prov_span(left->p + n, left->n - (size_t)n);
    if (left->n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
        shut(fd);
}

/* Until the command has closed both outputs; false when the deadline passed first. */
static bool talk(int fds[3], struct prov_span input, struct prov_buf *out, struct prov_buf *err)
{
    const int64_t deadline = deadline_in(3 * DEADLINE_DEFAULT_MS);

    if (input.n == 0)
        shut(&fds[0]);
    while (fds[1] != -1 || fds[2] != -1) {
        struct pollfd p[3] = { { .fd = fds[0], .events = POLLOUT },
                               { .fd = fds[1], .events = POLLIN },
                               { .fd = fds[2], .events = POLLIN } };

        if (poll(p, 3, deadline_left(deadline)) == 0)
            return false;
        if (p[0].revents != 0)
            feed(&fds[0], &input);
        if (p[1].revents != 0)
            drain(&fds[1], out);
        if (p[2].revents != 0)
            drain(&fds[2], err);
    }
    return true;
}

static bool start_piped(struct child *c, const char *const *argv, int ours[3])
{
    int theirs[3] = { -1, -1, -1 };
    bool started = false;

    for (int i = 0; i < 3; i++) {
        int ends[2];

        if (pipe2(ends, O_CLOEXEC) != 0)
            goto out;
        theirs[i] = ends[i == 0 ? 0 : 1];
        ours[i] = ends[i == 0 ? 1 : 0];
    }
    /* a command that prints before it has read all must not find us stuck in a write */
    (void)fcntl(ours[0], F_SETFL, O_NONBLOCK);
    started = child_start(
        c,
        &(struct child_spec){ .argv = argv, .in = theirs[0], .out = theirs[1], .err = theirs[2] });
out:
    for (int i = 0; i < 3; i++)
        shut(&theirs[i]);
    return started;
}

bool run_program(const char *const *argv, const char *input, struct run_result *r)
{
    struct child c = { 0, -1 };
    struct prov_buf out, err;
    int fds[3] = { -1, -1, -1 };
    bool ran = false;

    memset(r, 0, sizeof *r);
    r->status = -1;
    prov_buf_init(&out, OUTPUT_MAX);
    prov_buf_init(&err, OUTPUT_MAX);
    (void)signal(SIGPIPE, SIG_IGN); /* a command need not read its input */
    if (!start_piped(&c, argv, fds))
        goto out;
    if (talk(fds, prov_span_str(input), &out, &err))
        r->status = child_wait(&c, deadline_in(0));
    child_kill(&c);
    r->out = strdup(prov_buf_cstr(&out));
    r->err = strdup(prov_buf_cstr(&err));
    ran = r->out != NULL && r->err != NULL;
out:
    for (int i = 0; i < 3; i++)
        shut(&fds[i]);
    prov_buf_release(&out);
    prov_buf_release(&err);
    return ran;
}

void run_release(struct run_result *r)
{
    free(r->out);
    free(r->err);
    memset(r, 0, sizeof *r);
}

void run_provctl_argv(struct run_result *r, const char *const *args)
{
    const char *argv[ARGS_MAX] = { PROV_PROVCTL_PATH };
    size_t n = 1;

    for (; *args != NULL; args++) {
        if (n == ARGS_MAX - 1)
            fail_msg("more than %d arguments", ARGS_MAX);
        argv[n++] = *args;
    }
    if (!run_program(argv, NULL, r))
        fail_msg("%s does not start", PROV_PROVCTL_PATH);
    if (r->status == -1)
        fail_msg("provctl did not end:\n%s\n%s", r->out, r->err);
}
