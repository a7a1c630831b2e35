#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "device-agent/port/posix/store.h"
#include "support/tmp.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* A directory of the test's own, and files over it. */
struct real {
    char *tmp;
    int fd;
    struct files_dir dir;
    struct files files;
    mode_t umask;
};

static int setup(void **state)
{
    struct real *r = calloc(1, sizeof *r);

    if (r == NULL)
        return -1;
    r->umask = umask(022);
    r->tmp = tmp_new();
    r->fd = open(r->tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    r->dir.dir_fd = r->fd;
    files_of_dir(&r->dir, &r->files);
    *state = r;
    return r->fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
    struct real *r = *state;

    (void)umask(r->umask);
    (void)close(r->fd);
    tmp_free(r->tmp);
    free(r);
    return 0;
}

static struct stat stat_of(const struct real *r, const char *path)
{
    struct stat st;

    assert_int_equal(fstatat(r->fd, path, &st, AT_SYMLINK_NOFOLLOW), 0);
    return st;
}

static mode_t mode_of(const struct real *r, const char *path)
{
    return stat_of(r, path).st_mode & 07777;
}

static int put(const struct real *r, const char *path, const char *text)
{
    return r->files.write(r->files.self, path, 0600, text, strlen(text));
}

static bool holds(const struct real *r, const char *path, const char *text)
{
    char bytes[64] = "";
    size_t n;

    return r->files.read(r->files.self, path, bytes, sizeof bytes - 1, &n) == 0 &&
           n == strlen(text) && strcmp(bytes, text) == 0;
}

/* ---- files ----------------------------------------------------------------------------------- */

static void modes_are_exact_whatever_the_umask(void **state)
{
    static const mode_t umasks[] = { 0, 022, 077, 0777 };
    const gid_t group = getegid();
    struct real *r = *state;
    const struct files *f = &r->files;
    char file[16], dir[16];

    for (size_t i = 0; i < 2 * COUNT(umasks); i++) {
        (void)snprintf(file, sizeof file, "file%zu", i);
        (void)snprintf(dir, sizeof dir, "dir%zu", i);
        r->dir.group = i % 2 != 0 ? &group : NULL;
        (void)umask(umasks[i / 2]);
        assert_int_equal(f->write(f->self, file, 0640, "x", 1), 0);
        assert_int_equal(f->mkdir(f->self, dir, 0750), 0);
        (void)umask(022);
        assert_int_equal(mode_of(r, file), 0640);
        assert_int_equal(mode_of(r, dir), 0750);
    }
}

static void written_files_come_back_and_are_not_written_over(void **state)
{
    struct real *r = *state;
    const struct files *f = &r->files;
    char bytes[4];
    size_t n;

    assert_int_equal(put(r, "a", "text"), 0);
    assert_int_equal(put(r, "a", "more"), EEXIST);
    assert_true(holds(r, "a", "text"));
    assert_int_equal(f->read(f->self, "a", bytes, 4, &n), 0);
    assert_int_equal(n, 4);
    assert_int_equal(f->read(f->self, "a", bytes, 3, &n), EFBIG);
    assert_int_equal(n, 0);
    assert_int_equal(f->read(f->self, "b", bytes, 4, &n), ENOENT);
    assert_int_equal(put(r, "none/a", "text"), ENOENT);
    assert_int_equal(put(r, "empty", ""), 0);
    assert_int_equal(f->read(f->self, "empty", bytes, 0, &n), 0);
}

static void files_are_synced_renamed_wiped_and_removed(void **state)
{
    struct real *r = *state;
    const struct files *f = &r->files;
    char bytes[8];
    size_t n;

    assert_int_equal(f->mkdir(f->self, "d", 0700), 0);
    assert_int_equal(f->mkdir(f->self, "d", 0700), EEXIST);
    assert_int_equal(put(r, "d/a", "secret"), 0);
    assert_int_equal(put(r, "d/b", "before"), 0);
    assert_int_equal(f->sync(f->self, "d/a"), 0);
    assert_int_equal(f->rename(f->self, "d/a", "d/b"), 0);
    assert_int_equal(f->sync_dir(f->self, "d"), 0);
    assert_int_equal(f->sync_dir(f->self, "."), 0);
    assert_true(holds(r, "d/b", "secret"));
    assert_int_equal(fchmodat(r->fd, "d/b", 0400, 0), 0);
    assert_int_equal(f->wipe(f->self, "d/b"), 0);
    assert_int_equal(f->read(f->self, "d/b", bytes, sizeof bytes, &n), 0);
    assert_int_equal(n, 6);
    assert_memory_equal(bytes, "\0\0\0\0\0\0", 6);
    assert_int_equal(f->rmdir(f->self, "d"), ENOTEMPTY);
    assert_int_equal(f->unlink(f->self, "d"), EISDIR);
    assert_int_equal(f->unlink(f->self, "d/b"), 0);
    assert_int_equal(f->unlink(f->self, "d/b"), ENOENT);
    assert_int_equal(f->rmdir(f->self, "d"), 0);
}

static bool one_of_two(void *arg, const char *name)
{
    unsigned *seen = arg;

    *seen |= strcmp(name, "a") == 0 ? 1 : strcmp(name, "b") == 0 ? 2 : 4;
    return true;
}

static bool only_one(void *arg, const char *name)
{
    (void)name;
    ++*(unsigned *)arg;
    return false;
}

static void names_are_listed(void **state)
{
    struct real *r = *state;
    const struct files *f = &r->files;
    unsigned seen = 0, calls = 0;

    assert_int_equal(put(r, "a", ""), 0);
    assert_int_equal(f->symlink(f->self, "nowhere", "b"), 0);
    assert_int_equal(f->list(f->self, ".", one_of_two, &seen), 0);
    assert_int_equal(seen, 3);
    assert_int_equal(f->list(f->self, ".", only_one, &calls), 0);
    assert_int_equal(calls, 1);
    assert_int_equal(f->list(f->self, "none", only_one, &calls), ENOENT);
    assert_int_equal(f->list(f->self, "a", only_one, &calls), ENOTDIR);
}

static void no_link_is_followed(void **state)
{
    struct real *r = *state;
    const struct files *f = &r->files;
    struct file_info info;
    char bytes[8];
    unsigned calls = 0;
    size_t n;

    assert_int_equal(f->mkdir(f->self, "d", 0700), 0);
    assert_int_equal(put(r, "d/a", "secret"), 0);
    assert_int_equal(f->symlink(f->self, "d", "to-d"), 0);
    assert_int_equal(f->symlink(f->self, "d/a", "to-a"), 0);
    assert_int_equal(f->readlink(f->self, "to-a", bytes, sizeof bytes), 0);
    assert_string_equal(bytes, "d/a");
    assert_int_equal(f->readlink(f->self, "to-a", bytes, 3), ENAMETOOLONG);
    assert_int_equal(f->readlink(f->self, "d/a", bytes, sizeof bytes), EINVAL);
    assert_int_equal(f->stat(f->self, "to-a", &info), 0);
    assert_int_equal(info.kind, FILE_LINK);
    assert_int_equal(f->read(f->self, "to-a", bytes, sizeof bytes, &n), ELOOP);
    assert_int_equal(f->wipe(f->self, "to-a"), ELOOP);
    assert_int_equal(f->sync(f->self, "to-a"), ELOOP);
    assert_int_equal(put(r, "to-a", "x"), EEXIST);
    assert_int_not_equal(f->read(f->self, "to-d/a", bytes, sizeof bytes, &n), 0);
    assert_int_not_equal(f->wipe(f->self, "to-d/a"), 0);
    assert_int_not_equal(f->unlink(f->self, "to-d/a"), 0);
    assert_int_not_equal(f->list(f->self, "to-d", only_one, &calls), 0);
    assert_int_not_equal(f->sync_dir(f->self, "to-d"), 0);
    assert_int_equal(f->rename(f->self, "d/a", "d/b"), 0);
    assert_int_equal(put(r, "c", "new"), 0);
    assert_int_equal(f->rename(f->self, "c", "to-a"), 0); /* the link is replaced */
    assert_true(holds(r, "to-a", "new"));
    assert_true(holds(r, "d/b", "secret"));
}

static void paths_stay_below_the_directory(void **state)
{
    static const char *const paths[] = { "..", "../x", "d/../../x", "/etc/passwd",
                                         "",   "d//x", "d/",        "d/.." };
    struct real *r = *state;
    const struct files *f = &r->files;
    struct file_info info;

    assert_int_equal(f->mkdir(f->self, "d", 0700), 0);
    for (size_t i = 0; i < COUNT(paths); i++) {
        assert_int_not_equal(put(r, paths[i], "x"), 0);
        assert_int_not_equal(f->stat(f->self, paths[i], &info), 0);
    }
}

static void a_pipe_is_not_waited_for(void **state)
{
    struct real *r = *state;
    const struct files *f = &r->files;
    struct file_info info;
    char byte;
    size_t n;

    assert_int_equal(mkfifoat(r->fd, "pipe", 0600), 0);
    assert_int_equal(f->read(f->self, "pipe", &byte, 1, &n), EINVAL);
    assert_int_not_equal(f->wipe(f->self, "pipe"), 0);
    assert_int_equal(f->stat(f->self, "pipe", &info), 0);
    assert_int_equal(info.kind, FILE_OTHER);
    assert_int_equal(f->read(f->self, ".", &byte, 1, &n), EINVAL);
}

/* Files may not grow over 4 bytes: the first half of a write goes well. */
static void write_that_fails_in_its_middle_leaves_nothing(void **state)
{
    struct real *r = *state;
    struct rlimit before;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    const struct rlimit limit = { 4, before.rlim_max };
    void (*const handler)(int) = signal(SIGXFSZ, SIG_IGN);

    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    const int err = put(r, "a", "a private key");

    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    (void)signal(SIGXFSZ, handler);
    assert_int_equal(err, EFBIG);
    assert_int_equal(faccessat(r->fd, "a", F_OK, 0), -1);
}

static void configured_paths_are_resolved(void **state)
{
    struct real *r = *state;
    char link[TMP_PATH_MAX], file[TMP_PATH_MAX], path[TMP_PATH_MAX], out[PATH_MAX], real[PATH_MAX];

    assert_non_null(realpath(r->tmp, real));
    assert_int_equal(mkdirat(r->fd, "d", 0700), 0);
    assert_int_equal(put(r, "d/a", "x"), 0);
    assert_int_equal(symlinkat("d", r->fd, "to-d"), 0);
    assert_int_equal(symlinkat("to-d/a", r->fd, "to-a"), 0);
    (void)snprintf(file, sizeof file, "%.400s/d/a", real);
    assert_int_equal(files_resolve(tmp_path(r->tmp, "to-a", link), out), 0);
    assert_string_equal(out, file);
    /* what is not there yet, or any more */
    (void)snprintf(file, sizeof file, "%.400s/d/none/b", real);
    assert_int_equal(files_resolve(tmp_path(r->tmp, "to-d/none/b", path), out), 0);
    assert_string_equal(out, file);
    assert_int_equal(files_resolve("/none-of-that-name", out), 0);
    assert_string_equal(out, "/none-of-that-name");
    assert_int_equal(files_resolve("none-of-that-name", out), 0);
    assert_int_equal(out[0], '/');
    assert_int_equal(files_resolve(tmp_path(r->tmp, "to-a/x", path), out), ENOTDIR);
}

/* ---- the state directory --------------------------------------------------------------------- */

static enum agent_class open_dir(const struct real *r, const char *name, const gid_t *group,
                                 bool lock, struct store_dir *out, struct port_result *result)
{
    char path[TMP_PATH_MAX];

    *result = (struct port_result){ 0 };
    return store_open_dir(tmp_path(r->tmp, name, path), group, lock, out, result);
}

static void directory_is_made_for_its_owner_alone(void **state)
{
    static const mode_t umasks[] = { 0, 077, 0777 };
    struct real *r = *state;
    struct store_dir dir;
    struct port_result result;
    char name[16];

    for (size_t i = 0; i < COUNT(umasks); i++) {
        (void)snprintf(name, sizeof name, "d%zu", i);
        (void)umask(umasks[i]);
        assert_int_equal(open_dir(r, name, NULL, true, &dir, &result), AGENT_OK);
        (void)umask(022);
        assert_int_equal(mode_of(r, name), 0700);
        (void)snprintf(name, sizeof name, "d%zu/lock", i);
        assert_int_equal(mode_of(r, name), 0600);
        store_close_dir(&dir);
        assert_int_equal(dir.fd, -1);
    }
    assert_int_equal(open_dir(r, "none/d", NULL, true, &dir, &result), AGENT_LOCAL);
    assert_int_equal(open_dir(r, "none", NULL, false, &dir, &result), AGENT_LOCAL);
    assert_int_equal(faccessat(r->fd, "none", F_OK, 0), -1);
}

static void directory_that_is_open_to_others_is_refused(void **state)
{
    static const struct {
        mode_t mode;
        bool alone, with_group;
    } rows[] = {
        { 0700, true, true },   { 0750, false, true },  { 0755, false, false },
        { 0770, false, false }, { 0701, false, false }, { 0777, false, false },
    };
    const gid_t group = getegid();
    struct real *r = *state;
    struct store_dir dir;
    struct port_result result;

    assert_int_equal(mkdirat(r->fd, "d", 0700), 0);
    for (size_t i = 0; i < 4 * COUNT(rows); i++) {
        const gid_t *const with = i % 2 != 0 ? &group : NULL;
        const bool fine = with != NULL ? rows[i / 4].with_group : rows[i / 4].alone;

        assert_int_equal(fchmodat(r->fd, "d", rows[i / 4].mode, 0), 0);
        assert_int_equal(open_dir(r, "d", with, i % 4 > 1, &dir, &result),
                         fine ? AGENT_OK : AGENT_LOCAL);
        assert_int_equal(dir.fd >= 0, fine);
        assert_int_equal(strstr(result.text, "chmod 07") != NULL, !fine);
        store_close_dir(&dir);
    }
}

static void directory_is_given_to_the_group(void **state)
{
    const gid_t group = getegid();
    struct real *r = *state;
    struct store_dir dir;
    struct port_result result;

    assert_int_equal(open_dir(r, "d", &group, true, &dir, &result), AGENT_OK);
    assert_int_equal(mode_of(r, "d"), 0750);
    assert_int_equal(stat_of(r, "d").st_gid, group);
    store_close_dir(&dir);
}

static void directory_of_another_user_is_refused(void **state)
{
    struct real *r = *state;
    struct store_dir dir;
    struct port_result result;

    if (geteuid() != 0)
        skip(); /* nobody else can give one away */
    assert_int_equal(mkdirat(r->fd, "d", 0700), 0);
    assert_int_equal(fchownat(r->fd, "d", 65534, 65534, 0), 0);
    assert_int_equal(open_dir(r, "d", NULL, true, &dir, &result), AGENT_LOCAL);
    assert_non_null(strstr(result.text, "chown 0"));
}

static void what_is_no_directory_is_refused_and_a_link_to_one_followed(void **state)
{
    struct real *r = *state;
    struct store_dir dir;
    struct port_result result;

    assert_int_equal(put(r, "file", "x"), 0);
    assert_int_equal(open_dir(r, "file", NULL, true, &dir, &result), AGENT_LOCAL);
    assert_int_equal(mkdirat(r->fd, "d", 0700), 0);
    assert_int_equal(symlinkat("d", r->fd, "to-d"), 0);
    assert_int_equal(open_dir(r, "to-d", NULL, true, &dir, &result), AGENT_OK);
    store_close_dir(&dir);
}

static void second_agent_is_told_of_the_first(void **state)
{
    struct real *r = *state;
    struct store_dir first, second;
    struct port_result result;
    char pid[32];

    (void)snprintf(pid, sizeof pid, "pid %ld)", (long)getpid());
    assert_int_equal(open_dir(r, "d", NULL, true, &first, &result), AGENT_OK);
    assert_int_equal(open_dir(r, "d", NULL, true, &second, &result), AGENT_BUSY);
    assert_non_null(strstr(result.text, pid));
    assert_int_equal(second.fd, -1);
    assert_int_equal(open_dir(r, "d", NULL, false, &second, &result), AGENT_OK);
    store_close_dir(&second);
    assert_int_equal(open_dir(r, "d", NULL, true, &second, &result), AGENT_BUSY);
    store_close_dir(&first);
    assert_int_equal(open_dir(r, "d", NULL, true, &second, &result), AGENT_OK);
    store_close_dir(&second);
}

static void lock_ends_with_its_process(void **state)
{
    struct real *r = *state;
    struct store_dir dir;
    struct port_result result;
    int status;
    const pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) /* ends without closing anything */
        _exit(open_dir(r, "d", NULL, true, &dir, &result) == AGENT_OK ? 0 : 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(open_dir(r, "d", NULL, true, &dir, &result), AGENT_OK);
    store_close_dir(&dir);
}

static void lock_that_is_no_file_is_refused(void **state)
{
    struct real *r = *state;
    struct store_dir dir;
    struct port_result result;

    assert_int_equal(mkdirat(r->fd, "d", 0700), 0);
    assert_int_equal(put(r, "file", "x"), 0);
    assert_int_equal(symlinkat("../file", r->fd, "d/lock"), 0);
    assert_int_equal(open_dir(r, "d", NULL, true, &dir, &result), AGENT_LOCAL);
    assert_true(holds(r, "file", "x"));
    assert_int_equal(unlinkat(r->fd, "d/lock", 0), 0);
    assert_int_equal(mkfifoat(r->fd, "d/lock", 0600), 0);
    assert_int_equal(open_dir(r, "d", NULL, true, &dir, &result), AGENT_LOCAL);
    assert_int_equal(dir.lock_fd, -1);
}

/* ---- the store in it ------------------------------------------------------------------------- */

static void store_works_on_a_real_directory(void **state)
{
    const struct store_conf conf = { .common_name = "device-1" };
    struct real *r = *state;
    struct store *store = store_new(&conf, &r->files, &r->files);
    struct port_result result = { 0 }, trouble;
    struct agent_found found;
    uint8_t record[AGENT_STATE_MAX];
    const char *csr = NULL;
    size_t n;

    assert_non_null(store);
    store_port.make_key(store, 1, false, &result);
    assert_int_equal(result.class, AGENT_OK);
    store_port.make_csr(store, 1, &csr, &result);
    assert_int_equal(result.class, AGENT_OK);
    assert_non_null(csr);
    store_port.save(store, (struct agent_span){ (const uint8_t *)"record", 6 }, &result);
    assert_int_equal(result.class, AGENT_OK);
    assert_int_equal(mode_of(r, "gen/1/key.pem"), 0600);
    assert_int_equal(store_find(store, &found, record, &n, &trouble, &result), AGENT_OK);
    assert_int_equal(n, 6);
    assert_int_equal(found.n_generations, 1);
    assert_true(found.generations[0].slot.key);
    store_port.drop(store, 1, &result);
    assert_int_equal(result.class, AGENT_OK);
    assert_int_equal(faccessat(r->fd, "gen/1", F_OK, 0), -1);
    store_free(store);
}

#define DIR_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        DIR_TEST(modes_are_exact_whatever_the_umask),
        DIR_TEST(written_files_come_back_and_are_not_written_over),
        DIR_TEST(files_are_synced_renamed_wiped_and_removed),
        DIR_TEST(names_are_listed),
        DIR_TEST(no_link_is_followed),
        DIR_TEST(paths_stay_below_the_directory),
        DIR_TEST(a_pipe_is_not_waited_for),
        DIR_TEST(write_that_fails_in_its_middle_leaves_nothing),
        DIR_TEST(configured_paths_are_resolved),
        DIR_TEST(directory_is_made_for_its_owner_alone),
        DIR_TEST(directory_that_is_open_to_others_is_refused),
        DIR_TEST(directory_is_given_to_the_group),
        DIR_TEST(directory_of_another_user_is_refused),
        DIR_TEST(what_is_no_directory_is_refused_and_a_link_to_one_followed),
        DIR_TEST(second_agent_is_told_of_the_first),
        DIR_TEST(lock_ends_with_its_process),
        DIR_TEST(lock_that_is_no_file_is_refused),
        DIR_TEST(store_works_on_a_real_directory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
