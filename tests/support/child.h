/*
 * child.h - programs that a test starts. They die with the thread that started them, so nothing is
 * left behind by a test that crashes.
 */
#ifndef SUPPORT_CHILD_H
#define SUPPORT_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct child {
    pid_t pid; /* 0: none */
    int pidfd; /* readable once it has ended */
};

/* A change to the environment that a child gets; a NULL value unsets. */
struct child_env {
    const char *name, *value;
};

struct child_spec {
    const char *const *argv;     /* argv[0] a path; NULL-terminated */
    const struct child_env *env; /* NULL, or ended by a NULL name */
    int in, out, err;            /* -1: /dev/null */
};

/* A program that cannot be executed ends with 127 and says why on its standard error. */
bool child_start(struct child *c, const struct child_spec *spec);

/*
 * Waits for the end and reaps: the exit status, or 128 plus the signal, as a shell would say; -1
 * when the deadline passed first (the child runs on).
 */
int child_wait(struct child *c, int64_t deadline_ms);

/* SIGKILL, and reaps. Does nothing where no child is. */
void child_kill(struct child *c);

/* ---- running a command to its end ------------------------------------------------------------ */

struct run_result {
    int status;      /* as child_wait; -1: killed at the deadline */
    char *out, *err; /* NUL-terminated, owned */
};

/* argv as above; input may be NULL. False when it could not be started. Release either way. */
bool run_program(const char *const *argv, const char *input, struct run_result *r);
void run_release(struct run_result *r);

/*
 * Runs provctl (PROV_PROVCTL_PATH): run_provctl(&r, "--db", dir, "cert", "list"). Fails the test
 * when the program does not start or does not end.
 */
#define run_provctl(r, ...) run_provctl_argv((r), (const char *const[]){ __VA_ARGS__, NULL })
void run_provctl_argv(struct run_result *r, const char *const *args);

#endif
