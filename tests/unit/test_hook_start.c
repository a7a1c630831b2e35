/*
 * Programs as hooks: which are run, and what they are given.
 */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sys/stat.h>

#include <cmocka.h>

#include "support/hook_rig.h"

/* ---- which programs are run ------------------------------------------------------------------ */

struct place {
    const char *spec; /* behind the rig's directory */
    enum prov_hook_end end;
    const char *detail;
};

static void put(const struct hook_rig *rig, const char *name, const char *text, mode_t mode)
{
    char path[TMP_PATH_MAX];
    FILE *f = fopen(tmp_path(rig->dir, name, path), "we");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void link_to(const struct hook_rig *rig, const char *name, const char *target)
{
    char path[TMP_PATH_MAX];

    assert_int_equal(symlink(target, tmp_path(rig->dir, name, path)), 0);
}

/* The hook directory is hooks/ within the rig's. */
static void lay_out(const struct hook_rig *rig)
{
    static const char *const dirs[] = { "hooks", "hooks/sub", "hooks-not", "real" };
    char path[TMP_PATH_MAX];

    for (size_t i = 0; i < PROV_COUNT(dirs); i++)
        assert_int_equal(mkdir(tmp_path(rig->dir, dirs[i], path), 0755), 0);
    hook_script(rig, "hooks/good", "echo good");
    hook_script(rig, "hooks/sub/deep", "echo deep");
    hook_script(rig, "hooks-not/bad", "echo bad");
    hook_script(rig, "bad", "echo bad");
    hook_script(rig, "real/bad", "echo bad");
    put(rig, "hooks/plain", "#!/bin/sh\necho bad\n", 0644);
    put(rig, "hooks/no-format", "echo bad\n", 0755);
    put(rig, "hooks/no-interpreter", "#!/nowhere/sh\n", 0755);
    link_to(rig, "hooks/link-in", "sub/deep");
    link_to(rig, "hooks/link-out", "../bad");
    link_to(rig, "hooks/link-sh", "/bin/sh");
    link_to(rig, "hooks/link-dir", "../real");
    link_to(rig, "hooks/link-loop", "link-loop");
    link_to(rig, "linked-hooks", "hooks");
}

static void only_programs_below_the_hook_directory_are_run(void **state)
{
    static const struct place rows[] = {
        { "/hooks/good", PROV_HOOK_ANSWERED, "good\n" },
        { "/hooks//good", PROV_HOOK_ANSWERED, "good\n" },
        { "/hooks/./sub/./deep", PROV_HOOK_ANSWERED, "deep\n" },
        { "/hooks/link-in", PROV_HOOK_ANSWERED, "deep\n" },
        { "/linked-hooks/good", PROV_HOOK_ANSWERED, "good\n" },
        { "/bad", PROV_HOOK_NOT_STARTED, "program is not in the hook directory" },
        { "/hooks-not/bad", PROV_HOOK_NOT_STARTED, "program is not in the hook directory" },
        { "/hooks/link-out", PROV_HOOK_NOT_STARTED, "program is not in the hook directory" },
        { "/hooks/link-sh", PROV_HOOK_NOT_STARTED, "program is not in the hook directory" },
        { "/hooks/link-dir/bad", PROV_HOOK_NOT_STARTED, "program is not in the hook directory" },
        { "/hooks/../bad", PROV_HOOK_NOT_STARTED,
          "the path has \"..\" in it; write where the program is" },
        { "/hooks", PROV_HOOK_NOT_STARTED, "program is not in the hook directory" },
        { "/hooks/sub", PROV_HOOK_NOT_STARTED, "program is not a regular file" },
        { "/hooks/missing", PROV_HOOK_NOT_STARTED, "program: No such file or directory" },
        { "/hooks/good/x", PROV_HOOK_NOT_STARTED, "program: Not a directory" },
        { "/hooks/link-loop", PROV_HOOK_NOT_STARTED, "program: Too many levels of symbolic links" },
        { "/hooks/plain", PROV_HOOK_NOT_STARTED, "program cannot be executed: Permission denied" },
        { "/hooks/no-format", PROV_HOOK_NOT_STARTED,
          "cannot start the program: Exec format error" },
        { "/hooks/no-interpreter", PROV_HOOK_NOT_STARTED,
          "the program's interpreter does not exist" },
    };
    struct hook_rig *rig = hook_rig_new(0, 0, NULL);
    char dir[TMP_PATH_MAX], spec[HOOK_SPEC_MAX + 32];
    struct prov_hooks_conf conf = { .dir = dir, .timeout_ms = 60000, .limit = 1 };
    struct hook_ask a;
    (void)state;

    lay_out(rig);
    prov_hooks_free(rig->hooks);
    (void)tmp_path(rig->dir, "hooks", dir);
    assert_int_equal(prov_hooks_new(&conf, &rig->hooks), PROV_OK);
    memset(dir, 'x', sizeof dir - 1); /* it has a copy */
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        (void)snprintf(spec, sizeof spec, "exec:%s%s", rig->dir, rows[i].spec);
        hook_ask(&a, rig, spec, "{}");
        assert_string_equal(prov_hook_end_name(a.call.end), prov_hook_end_name(rows[i].end));
        assert_string_equal(rows[i].end == PROV_HOOK_ANSWERED ? hook_answer(&a) : a.call.detail,
                            rows[i].detail);
        hook_ask_release(&a);
    }
    hook_rig_free(rig);
}

static void hook_directory_may_be_made_later_or_be_the_root(void **state)
{
    struct hook_rig *rig = hook_rig_new(0, 0, NULL);
    struct prov_hooks_conf conf = { .dir = "/nowhere/hooks", .timeout_ms = 60000, .limit = 1 };
    char spec[HOOK_SPEC_MAX];
    struct hook_ask a;
    (void)state;

    hook_script(rig, "good", "echo good");
    (void)hook_spec(rig, "good", spec);
    prov_hooks_free(rig->hooks);
    assert_int_equal(prov_hooks_new(&conf, &rig->hooks), PROV_OK);
    hook_ask(&a, rig, spec, "{}");
    assert_int_equal(a.call.end, PROV_HOOK_NOT_STARTED);
    assert_string_equal(a.call.detail, "hook directory: No such file or directory");
    hook_ask_release(&a);
    prov_hooks_free(rig->hooks);
    conf.dir = "/";
    assert_int_equal(prov_hooks_new(&conf, &rig->hooks), PROV_OK);
    hook_ask(&a, rig, spec, "{}");
    assert_int_equal(a.call.end, PROV_HOOK_ANSWERED);
    hook_ask_release(&a);
    hook_rig_free(rig);
}

static void spec_that_was_never_checked_is_not_run(void **state)
{
    struct hook_rig *rig = hook_rig_new(0, 0, NULL);
    struct hook_ask a;
    (void)state;

    hook_ask(&a, rig, "http://127.0.0.1/", "{}");
    assert_int_equal(a.call.end, PROV_HOOK_NOT_STARTED);
    assert_non_null(strstr(a.call.detail, "not http://"));
    hook_ask_release(&a);
    hook_rig_free(rig);
}

/* ---- what programs are given ----------------------------------------------------------------- */

static void program_starts_with_a_clean_slate(void **state)
{
    static const struct {
        const char *script, *answer;
    } rows[] = {
        { "tr '\\0' '\\n' </proc/$$/environ",
          "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nLANG=C.UTF-8\n"
          "PROV_HOOK=1\n" },
        { "exec ls /proc/self/fd", "0\n1\n2\n3\n" }, /* the last is its own, on the directory */
        { "exec readlink /proc/self/cwd", "/\n" },
        /* 32 and 33 are libc's own, and of no use to anybody else */
        { "while read -r k v; do case $k in SigBlk: | SigIgn:) "
          "echo $k $((0x$v & ~0x180000000)) ;; esac; done </proc/self/status",
          "SigBlk: 0\nSigIgn: 0\n" },
        { "[ \"$(cut -d ' ' -f 5 /proc/$$/stat)\" = $$ ] && echo leads its group",
          "leads its group\n" },
        { "echo $#; basename \"$0\"", "0\nlooks\n" },
    };
    struct hook_rig *rig = hook_rig_new(0, 0, NULL);
    const int extra[] = { open("/dev/null", O_RDWR), dup(STDERR_FILENO),
                          fcntl(STDERR_FILENO, F_DUPFD, 100) };
    void (*const before)(int) = signal(SIGUSR1, SIG_IGN);
    char spec[HOOK_SPEC_MAX];
    struct hook_ask a;
    sigset_t usr2;
    (void)state;

    (void)sigemptyset(&usr2);
    (void)sigaddset(&usr2, SIGUSR2);
    (void)pthread_sigmask(SIG_BLOCK, &usr2, NULL);
    assert_int_equal(setenv("PROV_SECRET", "1", 1), 0);
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        hook_script(rig, "looks", rows[i].script);
        hook_ask(&a, rig, hook_spec(rig, "looks", spec), "{}");
        assert_string_equal(a.call.detail, "");
        assert_string_equal(hook_answer(&a), rows[i].answer);
        hook_ask_release(&a);
    }
    (void)unsetenv("PROV_SECRET");
    (void)pthread_sigmask(SIG_UNBLOCK, &usr2, NULL);
    (void)signal(SIGUSR1, before);
    for (size_t i = 0; i < PROV_COUNT(extra); i++)
        assert_int_equal(close(extra[i]), 0);
    hook_rig_free(rig);
}

/* Standard descriptors that the broker does not have: a pipe may then get their numbers. */
static void program_gets_its_three_where_the_broker_has_none(void **state)
{
    struct hook_rig *rig = hook_rig_new(0, 0, NULL);
    char spec[HOOK_SPEC_MAX];
    struct hook_ask a;
    int saved[3];
    (void)state;

    hook_script(rig, "echo", "cat; echo words >&2; exit 4");
    hook_script(rig, "cat", "exec cat");
    hook_ask(&a, rig, hook_spec(rig, "cat", spec),
             "first"); /* whose descriptors are the thread's */
    assert_string_equal(hook_answer(&a), "first");
    hook_ask_release(&a);
    for (int set = 1; set < 8; set++) {
        for (int i = 0; i < 3; i++)
            saved[i] = fcntl(i, F_DUPFD_CLOEXEC, 10);
        for (int i = 0; i < 3; i++) {
            if ((set & (1 << i)) != 0)
                (void)close(i);
        }
        a.in_done = NULL;
        (void)hook_try(&a, rig, hook_spec(rig, "echo", spec), "request");
        hook_wait(&a);
        for (int i = 0; i < 3; i++) {
            (void)dup2(saved[i], i);
            (void)close(saved[i]);
        }
        assert_string_equal(a.call.detail, "exit status 4: words");
        hook_ask_release(&a);
        hook_ask(&a, rig, hook_spec(rig, "cat", spec), "request");
        assert_string_equal(hook_answer(&a), "request");
        hook_ask_release(&a);
    }
    hook_rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_programs_below_the_hook_directory_are_run),
        cmocka_unit_test(hook_directory_may_be_made_later_or_be_the_root),
        cmocka_unit_test(spec_that_was_never_checked_is_not_run),
        cmocka_unit_test(program_starts_with_a_clean_slate),
        cmocka_unit_test(program_gets_its_three_where_the_broker_has_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
