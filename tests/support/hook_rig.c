#include "support/hook_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <dirent.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "support/deadline.h"

#define LONG_MS 120000

struct hook_rig *hook_rig_new(unsigned timeout_ms, unsigned limit, const char *cafile)
{
    struct hook_rig *rig = calloc(1, sizeof *rig);
    struct prov_hooks_conf conf = { .cafile = cafile,
                                    .timeout_ms = timeout_ms == 0 ? LONG_MS : timeout_ms,
                                    .limit = limit == 0 ? 4 : limit };

    assert_non_null(rig);
    rig->dir = tmp_new();
    rig->real = realpath(rig->dir, NULL);
    assert_non_null(rig->real);
    conf.dir = rig->dir;
    assert_int_equal(prov_hooks_new(&conf, &rig->hooks), PROV_OK);
    return rig;
}

void hook_rig_free(struct hook_rig *rig)
{
    prov_hooks_free(rig->hooks);
    tmp_free(rig->dir);
    free(rig->real);
    free(rig);
}

static void write_file(const struct hook_rig *rig, const char *name, mode_t mode,
                       struct prov_span head, struct prov_span text)
{
    char path[TMP_PATH_MAX];
    FILE *f = fopen(tmp_path(rig->dir, name, path), "we");

    assert_non_null(f);
    assert_int_equal(fwrite(head.p, 1, head.n, f), head.n);
    assert_int_equal(text.n == 0 ? 0 : fwrite(text.p, 1, text.n, f), text.n);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, mode), 0);
}

void hook_script(const struct hook_rig *rig, const char *name, const char *text)
{
    write_file(rig, name, 0755, PROV_LIT("#!/bin/sh\n"), prov_span_str(text));
}

void hook_file(const struct hook_rig *rig, const char *name, const char *text)
{
    write_file(rig, name, 0644, PROV_LIT(""), prov_span_str(text));
}

void hook_example(const struct hook_rig *rig, const char *name, const char *to)
{
    char path[TMP_PATH_MAX], text[16384];
    size_t n;
    FILE *f;

    (void)snprintf(path, sizeof path, "%s/templates/hooks/%s", PROV_SOURCE_DIR, name);
    f = fopen(path, "re");
    assert_non_null(f);
    n = fread(text, 1, sizeof text, f);
    assert_in_range(n, 1, sizeof text - 1);
    (void)fclose(f);
    write_file(rig, to, 0755, PROV_LIT(""), prov_span(text, n));
}

const char *hook_spec(const struct hook_rig *rig, const char *name, char out[HOOK_SPEC_MAX])
{
    (void)snprintf(out, HOOK_SPEC_MAX, "exec:%s/%s", rig->dir, name);
    return out;
}

static void on_done(struct prov_hook_call *call)
{
    static atomic_uint n_done;
    struct hook_ask *a = call->ctx;

    a->order = ++n_done;
    a->done++;
    if (a->in_done != NULL)
        a->in_done(a);
    (void)sem_post(&a->over);
}

enum prov_rc hook_try(struct hook_ask *a, struct hook_rig *rig, const char *spec,
                      const char *request)
{
    void (*const in_done)(struct hook_ask *) = a->in_done;

    memset(a, 0, sizeof *a);
    a->in_done = in_done;
    (void)sem_init(&a->over, 0, 0);
    (void)snprintf(a->spec, sizeof a->spec, "%s", spec);
    a->call.spec = a->spec;
    a->call.request = prov_span_str(request);
    a->call.done = on_done;
    a->call.ctx = a;
    return prov_hooks_submit(rig->hooks, &a->call);
}

void hook_submit(struct hook_ask *a, struct hook_rig *rig, const char *spec, const char *request)
{
    assert_int_equal(hook_try(a, rig, spec, request), PROV_OK);
}

/* By the wall clock, for ThreadSanitizer does not see sem_clockwait. */
void hook_wait(struct hook_ask *a)
{
    const int64_t left_ms = deadline_left(deadline_in((int64_t)3 * DEADLINE_DEFAULT_MS));
    struct timespec at;
    int result;

    (void)clock_gettime(CLOCK_REALTIME, &at);
    at.tv_sec += (time_t)(left_ms / 1000 + 1);
    do
        result = sem_timedwait(&a->over, &at);
    while (result == -1 && errno == EINTR);
    if (result != 0)
        fail_msg("%s: the call does not end", a->spec);
}

void hook_ask(struct hook_ask *a, struct hook_rig *rig, const char *spec, const char *request)
{
    a->in_done = NULL;
    hook_submit(a, rig, spec, request);
    hook_wait(a);
}

const char *hook_answer(struct hook_ask *a)
{
    return prov_buf_cstr(&a->call.answer);
}

void hook_ask_release(struct hook_ask *a)
{
    (void)sem_destroy(&a->over);
    prov_buf_release(&a->call.answer);
}

/* ---- what is left of programs ---------------------------------------------------------------- */

int hook_watch(const struct hook_rig *rig)
{
    char path[TMP_PATH_MAX];
    int fd;

    assert_int_equal(mkfifo(tmp_path(rig->dir, "alive", path), 0600), 0);
    fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_int_not_equal(fd, -1);
    return fd;
}

static void wait_for(int fd, short events)
{
    const int64_t deadline = deadline_in(0);
    struct pollfd p = { .fd = fd, .events = events };

    do
        (void)poll(&p, 1, deadline_left(deadline));
    while ((p.revents & events) == 0 && deadline_left(deadline) != 0);
    assert_int_not_equal(p.revents & events, 0);
}

void hook_wait_for_holders(int watch, unsigned n)
{
    char byte;

    while (n-- != 0) {
        wait_for(watch, POLLIN);
        assert_int_equal(read(watch, &byte, 1), 1);
    }
}

/* A pipe that nobody ever held does not hang up, so it is held here for a moment. */
void hook_wait_until_gone(int watch)
{
    char path[64];
    int fd;

    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", watch);
    fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    assert_int_not_equal(fd, -1);
    (void)close(fd);
    wait_for(watch, POLLHUP);
    (void)close(watch);
}

void hook_no_child_is_left(void)
{
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

unsigned hook_open_files(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned n = 0;

    assert_non_null(dir);
    while (readdir(dir) != NULL)
        n++;
    (void)closedir(dir);
    return n;
}
