/* `provctl init` whose power fails before each of the files that it makes takes its place: the next
 * run completes it, and nothing that was made is made again. */
#include "unit/test_ctl_init.h"

#include <sys/wait.h>

#include "ctl/ctl.h"

#define CUT 9

static unsigned cut_at; /* 0: never */
static unsigned renamed;

int __real_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags);
int __wrap_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags);

int __wrap_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    renamed++;
    if (renamed == cut_at)
        _exit(CUT);
    return __real_renameat2(from_dir, from, to_dir, to, flags);
}

/* In a process of its own, which ends before file number `at`; false when it made them all. */
static bool is_cut(struct init_rig *i, unsigned at)
{
    const pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0) {
        cut_at = at;
        renamed = 0;
        ctl_run(&i->r, WORDS(IN(i), "--yes", "--devices", "both"));
        _exit(i->r.code);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == CUT));
    return WEXITSTATUS(status) == CUT;
}

/* The registry is whole by then, and the broker is not told of anything yet. */
static void expect_whole(struct init_rig *i)
{
    assert_false(is_in_etc(i, "conf.d/provisioning.conf"));
    ctl_ok(&i->r, "check");
    ctl_ok(&i->r, "template", "show", "fleet-by-serial");
    ctl_ok(&i->r, "template", "show", "jitp-by-cn");
}

static void next_run_completes_what_a_power_cut_left(void **state)
{
    bool more = true;
    unsigned cuts = 0;

    (void)state;
    for (unsigned at = 1; more; at++) {
        void *own = NULL;
        struct init_rig *i;

        assert_int_equal(init_setup(&own), 0);
        i = own;
        more = is_cut(i, at);
        if (more) {
            cuts++;
            expect_whole(i);
            ctl_ok(&i->r, IN(i), "--yes", "--devices", "both");
        }
        assert_true(is_in_etc(i, "conf.d/provisioning.conf"));
        assert_true(is_in_etc(i, "provisioning/server.crt"));
        ctl_ok(&i->r, "issuer", "show");
        ctl_json(&i->r, IN(i), "--yes");
        assert_string_equal(state_of(&i->r, "configuration", NULL), "there");
        (void)rig_teardown(&own);
    }
    assert_int_equal(cuts, 10); /* three pairs, whose certificates are renamed twice, and the
                                   configuration */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(next_run_completes_what_a_power_cut_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
