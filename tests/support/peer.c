#include "peer.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct peer peer_start(void (*run)(const char *dir, int in, int out), const char *dir)
{
    int to[2], from[2];
    struct peer p;

    assert_int_equal(pipe(to), 0);
    assert_int_equal(pipe(from), 0);
    p.pid = fork();
    assert_true(p.pid >= 0);
    if (p.pid == 0) {
        close(to[1]);
        close(from[0]);
        run(dir, to[0], from[1]);
        _exit(0);
    }
    close(to[0]);
    close(from[1]);
    p.to = to[1];
    p.from = from[0];
    return p;
}

void peer_go(const struct peer *p)
{
    assert_int_equal(write(p->to, "x", 1), 1);
}

void peer_told(const struct peer *p)
{
    char c;

    assert_int_equal(read(p->from, &c, 1), 1);
}

static int reap(struct peer *p)
{
    int status;

    close(p->to);
    close(p->from);
    assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
    return status;
}

void peer_ended(struct peer *p)
{
    const int status = reap(p);

    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

void peer_killed(struct peer *p)
{
    int status;

    assert_int_equal(kill(p->pid, SIGKILL), 0);
    status = reap(p);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
}

void peer_must(bool ok)
{
    if (!ok)
        _exit(3);
}

void peer_tell(int out)
{
    peer_must(write(out, "x", 1) == 1);
}

void peer_await(int in)
{
    char c;

    peer_must(read(in, &c, 1) == 1);
}
