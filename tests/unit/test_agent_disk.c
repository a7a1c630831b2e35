/* The disk that the agent's storage is tried on must be as forgetful as it says. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support/agent_disk.h"

struct fix {
    struct agent_disk *disk;
    struct agent_disk_view view;
    struct files files;
};

static void fresh(struct fix *f)
{
    f->disk = agent_disk_new();
    agent_disk_files(f->disk, "d", &f->view, &f->files);
}

static int put(const struct fix *f, const char *path, const char *text)
{
    return f->files.write(f->files.self, path, 0600, text, strlen(text));
}

static bool holds(const struct fix *f, const char *path, const char *bytes, size_t n)
{
    struct agent_disk_look look;

    return agent_disk_look(f->disk, path, &look) && look.n == n &&
           (n == 0 || memcmp(look.bytes, bytes, n) == 0);
}

static bool there(const struct fix *f, const char *path)
{
    struct agent_disk_look look;

    return agent_disk_look(f->disk, path, &look);
}

static void content_is_kept_by_its_sync_alone(void **state)
{
    static const struct {
        enum agent_disk_variant variant;
        const char *bytes;
        size_t n;
    } rows[] = { { AGENT_DISK_NOTHING, "", 0 },
                 { AGENT_DISK_EVERYTHING, "abcd", 4 },
                 { AGENT_DISK_TORN_EVEN, "ab\0\0", 4 },
                 { AGENT_DISK_TORN_ODD, "ab", 2 } };

    (void)state;
    for (size_t i = 0; i < 2 * sizeof rows / sizeof rows[0]; i++) {
        const bool synced = i % 2 != 0;
        struct fix f;

        fresh(&f);
        assert_int_equal(put(&f, "a", "abcd"), 0);
        assert_int_equal(f.files.sync_dir(f.files.self, "."), 0);
        if (synced)
            assert_int_equal(f.files.sync(f.files.self, "a"), 0);
        agent_disk_restart(f.disk, rows[i / 2].variant);
        assert_true(
            holds(&f, "d/a", synced ? "abcd" : rows[i / 2].bytes, synced ? 4 : rows[i / 2].n));
        agent_disk_free(f.disk);
    }
}

static void names_are_kept_by_their_directorys_sync_alone(void **state)
{
    static const bool kept[][2] = { [AGENT_DISK_NOTHING] = { false, false },
                                    [AGENT_DISK_EVERYTHING] = { true, true },
                                    [AGENT_DISK_TORN_EVEN] = { true, false },
                                    [AGENT_DISK_TORN_ODD] = { false, true } };

    (void)state;
    for (size_t i = 0; i < AGENT_DISK_VARIANTS; i++) {
        struct fix f;

        fresh(&f);
        assert_int_equal(put(&f, "old", "x"), 0);
        assert_int_equal(f.files.sync_dir(f.files.self, "."), 0);
        assert_int_equal(f.files.rename(f.files.self, "old", "new"), 0);
        assert_int_equal(f.files.mkdir(f.files.self, "e", 0700), 0);
        agent_disk_restart(f.disk, (enum agent_disk_variant)i);
        assert_int_equal(there(&f, "d/new"), kept[i][0]);
        assert_int_equal(there(&f, "d/old"), !kept[i][0]);
        assert_int_equal(there(&f, "d/e"), kept[i][1]);
        agent_disk_free(f.disk);
    }
}

static void cut_is_where_it_was_asked_for_and_ends_everything(void **state)
{
    static const struct {
        enum agent_disk_how how;
        bool there;
        const char *bytes;
    } rows[] = { { AGENT_DISK_BEFORE, false, "" },
                 { AGENT_DISK_HALFWAY, true, "ab" },
                 { AGENT_DISK_AFTER, true, "abcd" } };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fix f;

        fresh(&f);
        agent_disk_cut(f.disk, 2, rows[i].how);
        assert_int_equal(put(&f, "a", "abcd"), 0);
        assert_false(agent_disk_is_off(f.disk));
        assert_int_equal(put(&f, "b", "abcd"), EIO);
        assert_true(agent_disk_is_off(f.disk));
        assert_int_equal(put(&f, "c", "abcd"), EIO);
        agent_disk_restart(f.disk, AGENT_DISK_EVERYTHING);
        assert_true(there(&f, "d/a"));
        assert_int_equal(there(&f, "d/b"), rows[i].there);
        if (rows[i].there)
            assert_true(holds(&f, "d/b", rows[i].bytes, strlen(rows[i].bytes)));
        assert_false(there(&f, "d/c"));
        assert_int_equal(put(&f, "c", "abcd"), 0);
        agent_disk_free(f.disk);
    }
}

static void name_that_was_cut_halfway_is_there_before_older_ones(void **state)
{
    struct fix f;

    (void)state;
    fresh(&f);
    agent_disk_cut(f.disk, 2, AGENT_DISK_HALFWAY);
    assert_int_equal(put(&f, "a", "abcd"), 0);
    assert_int_equal(f.files.mkdir(f.files.self, "e", 0700), EIO);
    agent_disk_restart(f.disk, AGENT_DISK_NOTHING);
    assert_false(there(&f, "d/a"));
    assert_true(there(&f, "d/e"));
    agent_disk_free(f.disk);
}

static void errors_strike_once_or_always(void **state)
{
    struct fix f;
    struct file_info info;

    (void)state;
    fresh(&f);
    agent_disk_fail(f.disk, 2, EROFS);
    assert_int_equal(put(&f, "a", "x"), 0);
    assert_int_equal(f.files.stat(f.files.self, "a", &info), EROFS);
    assert_int_equal(f.files.stat(f.files.self, "a", &info), 0);
    agent_disk_fail_all(f.disk, ENOSPC);
    assert_int_equal(put(&f, "b", "x"), ENOSPC);
    assert_int_equal(put(&f, "b", "x"), ENOSPC);
    assert_int_equal(f.files.unlink(f.files.self, "a"), 0);
    agent_disk_fail_all(f.disk, EROFS);
    assert_int_equal(f.files.sync_dir(f.files.self, "."), EROFS);
    assert_int_equal(agent_disk_changes(f.disk), 5);
    assert_int_equal(agent_disk_operations(f.disk), 7);
    agent_disk_free(f.disk);
}

static void what_was_removed_is_held_until_it_is_wiped(void **state)
{
    struct fix f;

    (void)state;
    fresh(&f);
    assert_int_equal(put(&f, "a", "secret"), 0);
    assert_int_equal(put(&f, "b", "other"), 0);
    assert_int_equal(f.files.unlink(f.files.self, "a"), 0);
    assert_true(agent_disk_holds(f.disk, "secret", 6));
    assert_int_equal(f.files.wipe(f.files.self, "b"), 0);
    assert_false(agent_disk_holds(f.disk, "other", 5));
    agent_disk_free(f.disk);
}

static void copy_goes_its_own_way(void **state)
{
    struct fix f, copy;

    (void)state;
    fresh(&f);
    assert_int_equal(put(&f, "a", "abcd"), 0);
    copy.disk = agent_disk_copy(f.disk);
    agent_disk_files(copy.disk, "d", &copy.view, &copy.files);
    assert_int_equal(put(&copy, "b", "x"), 0);
    agent_disk_restart(f.disk, AGENT_DISK_NOTHING);
    assert_false(there(&f, "d/a"));
    assert_false(there(&f, "d/b"));
    assert_true(there(&copy, "d/a"));
    agent_disk_free(f.disk);
    agent_disk_free(copy.disk);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(content_is_kept_by_its_sync_alone),
        cmocka_unit_test(names_are_kept_by_their_directorys_sync_alone),
        cmocka_unit_test(cut_is_where_it_was_asked_for_and_ends_everything),
        cmocka_unit_test(name_that_was_cut_halfway_is_there_before_older_ones),
        cmocka_unit_test(errors_strike_once_or_always),
        cmocka_unit_test(what_was_removed_is_held_until_it_is_wiped),
        cmocka_unit_test(copy_goes_its_own_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
