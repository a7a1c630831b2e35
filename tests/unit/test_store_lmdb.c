/* What only the store on disk has: opening and refusing, limits and failures to write. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lmdb.h>

#include "store/store_lmdb.h"
#include "support/peer.h"
#include "support/store_case.h"
#include "support/tmp.h"

#define MB ((uint64_t)1 << 20)

static int set_up(void **state)
{
    *state = tmp_new();
    return 0;
}

static int tear_down(void **state)
{
    tmp_free(*state);
    return 0;
}

static struct prov_store *open_store(const struct prov_store_lmdb_opts *opts)
{
    struct prov_store *st = NULL;
    struct prov_err err = { 0 };

    if (prov_store_lmdb_open(opts, &case_schema, &st, &err) != PROV_OK)
        fail_msg("%s", err.text);
    return st;
}

static struct prov_store *create(const char *dir)
{
    return open_store(&(struct prov_store_lmdb_opts){ .dir = dir, .create = true });
}

static void assert_refused(const struct prov_store_lmdb_opts *opts,
                           const struct prov_schema *schema, enum prov_rc rc, const char *text)
{
    struct prov_store *st = NULL;
    struct prov_err err = { 0 };

    assert_int_equal(prov_store_lmdb_open(opts, schema, &st, &err), rc);
    assert_null(st);
    assert_int_equal(err.rc, rc);
    if (strstr(err.text, text) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.text, text);
}

static struct prov_store *child_open(const char *dir, uint64_t max_bytes)
{
    const struct prov_store_lmdb_opts opts = { .dir = dir, .create = true, .max_bytes = max_bytes };
    struct prov_store *st = NULL;

    peer_must(prov_store_lmdb_open(&opts, &case_schema, &st, NULL) == PROV_OK);
    return st;
}

static void child_put(struct prov_store *st, const char *key, struct prov_span value)
{
    struct prov_txn *txn;

    peer_must(prov_txn_begin(st, PROV_TXN_WRITE, NULL, &txn) == PROV_OK);
    peer_must(prov_txn_put(txn, RED, prov_span_str(key), value) == PROV_OK);
    peer_must(prov_txn_commit(txn) == PROV_OK);
}

/* ---- open ------------------------------------------------------------------------------------ */

static void committed_changes_are_there_after_reopening(void **state)
{
    struct prov_store *st = create(*state);
    struct prov_txn *txn;
    uint64_t version;

    case_put_now(st, "a", "1");
    txn = case_begin(st, PROV_TXN_WRITE, NULL);
    case_put(txn, "b", "aborted");
    prov_txn_abort(txn);
    version = prov_store_version(st);
    prov_store_free(st);

    st = open_store(&(struct prov_store_lmdb_opts){ .dir = *state });
    case_stored(st, "a", "1");
    case_stored(st, "b", NULL);
    assert_true(prov_store_version(st) == version);
    case_put_now(st, "b", "2");
    case_stored(st, "b", "2");
    prov_store_free(st);
}

static void store_is_made_for_its_owner_and_group_alone(void **state)
{
    char dir[TMP_PATH_MAX], path[2 * TMP_PATH_MAX];
    static const struct {
        const char *name;
        mode_t mode;
    } made[] = {
        { "", 0750 }, { "/data.mdb", 0640 }, { "/lock.mdb", 0640 }, { "/broker.lock", 0640 }
    };
    const mode_t umask_before = umask(022);
    struct prov_store *st;
    struct stat info;

    st = create(tmp_path(*state, "new", dir));
    assert_int_equal(prov_store_lmdb_claim(st, NULL), PROV_OK);
    umask(umask_before);
    for (size_t i = 0; i < PROV_COUNT(made); i++) {
        (void)snprintf(path, sizeof path, "%s%s", dir, made[i].name);
        assert_int_equal(stat(path, &info), 0);
        assert_int_equal(info.st_mode & 07777, made[i].mode);
    }
    prov_store_free(st);
}

static void directory_may_be_named_with_slashes_behind_it(void **state)
{
    char dir[TMP_PATH_MAX];
    struct prov_store *st = create(tmp_path(*state, "new///", dir));

    case_put_now(st, "a", "1");
    prov_store_free(st);
    st = open_store(&(struct prov_store_lmdb_opts){ .dir = tmp_path(*state, "new", dir) });
    case_stored(st, "a", "1");
    prov_store_free(st);
}

static void store_that_is_not_there_is_refused_and_not_made(void **state)
{
    char missing[TMP_PATH_MAX], deep[TMP_PATH_MAX], file[TMP_PATH_MAX];
    struct stat info;
    int fd;

    tmp_path(*state, "missing", missing);
    tmp_path(*state, "missing/deeper", deep);
    assert_refused(&(struct prov_store_lmdb_opts){ .dir = missing }, &case_schema, PROV_ENOTFOUND,
                   "provctl init");
    assert_refused(
        &(struct prov_store_lmdb_opts){ .dir = missing, .create = true, .read_only = true },
        &case_schema, PROV_ENOTFOUND, "provctl init");
    assert_int_equal(stat(missing, &info), -1);
    assert_refused(&(struct prov_store_lmdb_opts){ .dir = *state }, &case_schema, PROV_ENOTFOUND,
                   "provctl init");
    assert_int_equal(stat(tmp_path(*state, "data.mdb", file), &info), -1);
    assert_refused(&(struct prov_store_lmdb_opts){ .dir = deep, .create = true }, &case_schema,
                   PROV_ESTORE, "cannot make");
    fd = open(tmp_path(*state, "plain", file), O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_refused(&(struct prov_store_lmdb_opts){ .dir = file, .create = true }, &case_schema,
                   PROV_ESTORE, "Not a directory");
}

/* An LMDB file of someone else's, with or without anything in it. */
static void make_environment(const char *dir, const char *table, const char *key, const char *value)
{
    MDB_val k = { strlen(key), (void *)(uintptr_t)key };
    MDB_val v = { strlen(value), (void *)(uintptr_t)value };
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;

    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_maxdbs(env, 4), 0);
    assert_int_equal(mdb_env_open(env, dir, 0, 0600), 0);
    if (key[0] != '\0') {
        assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
        assert_int_equal(mdb_dbi_open(txn, table, MDB_CREATE, &dbi), 0);
        assert_int_equal(mdb_put(txn, dbi, &k, &v, 0), 0);
        assert_int_equal(mdb_txn_commit(txn), 0);
    }
    mdb_env_close(env);
}

/* As a crash leaves it between making the file and filling it. */
static void file_that_was_never_filled_is_filled_when_asked(void **state)
{
    struct prov_store *st;

    make_environment(*state, NULL, "", "");
    assert_refused(&(struct prov_store_lmdb_opts){ .dir = *state }, &case_schema, PROV_ENOTFOUND,
                   "provctl init");
    assert_refused(
        &(struct prov_store_lmdb_opts){ .dir = *state, .create = true, .read_only = true },
        &case_schema, PROV_ENOTFOUND, "provctl init");
    st = create(*state);
    case_put_now(st, "a", "1");
    prov_store_free(st);
}

static void file_of_another_program_is_refused_and_left_alone(void **state)
{
    static const struct {
        const char *table, *key, *value;
    } foreign[] = {
        { NULL, "key", "value" },
        { "red", "key", "value" },
        { NULL, "store.format", "no table" },
        { "store.format", "format", "something else" },
        { "store.format", "format", "mosquitto-provisioning" }, /* and no version */
        { "store.format", "version", "\0\0\0\1" },
    };
    char dir[TMP_PATH_MAX], file[TMP_PATH_MAX], name[16], before[8192], after[8192];
    int fd;

    for (size_t i = 0; i < PROV_COUNT(foreign); i++) {
        (void)snprintf(name, sizeof name, "%zu", i);
        assert_int_equal(mkdir(tmp_path(*state, name, dir), 0700), 0);
        make_environment(dir, foreign[i].table, foreign[i].key, foreign[i].value);
        fd = open(tmp_path(dir, "data.mdb", file), O_RDONLY);
        assert_int_equal(read(fd, before, sizeof before), sizeof before);
        assert_refused(&(struct prov_store_lmdb_opts){ .dir = dir, .create = true }, &case_schema,
                       PROV_ESTORE, "no store of this software");
        assert_int_equal(pread(fd, after, sizeof after, 0), sizeof after);
        assert_memory_equal(before, after, sizeof before);
        close(fd);
    }
}

static void file_that_is_no_database_is_refused(void **state)
{
    char file[TMP_PATH_MAX], junk[8192];
    int fd = open(tmp_path(*state, "data.mdb", file), O_CREAT | O_WRONLY, 0600);

    memset(junk, 'j', sizeof junk);
    assert_int_equal(write(fd, junk, sizeof junk), sizeof junk);
    close(fd);
    assert_refused(&(struct prov_store_lmdb_opts){ .dir = *state, .create = true }, &case_schema,
                   PROV_ESTORE, "no store of this software");
}

static void store_of_another_format_is_refused_with_what_to_do(void **state)
{
    struct prov_schema newer = case_schema, older = case_schema, wider = case_schema;
    static const char *const more[] = { "red", "blue", "green" };
    struct prov_store *st = NULL;

    newer.version = 2;
    older.version = 0;
    wider.tables = more;
    wider.n_tables = PROV_COUNT(more);
    prov_store_free(create(*state));
    assert_refused(&(struct prov_store_lmdb_opts){ .dir = *state, .create = true }, &older,
                   PROV_ESTORE, "newer version (format 1, this one knows 0): upgrade");
    assert_refused(&(struct prov_store_lmdb_opts){ .dir = *state, .create = true }, &newer,
                   PROV_ESTORE,
                   "older version (format 1, this one knows 2): use the version that wrote it");
    assert_refused(&(struct prov_store_lmdb_opts){ .dir = *state, .create = true }, &wider,
                   PROV_ESTORE, "no table \"green\"");
    assert_int_equal(prov_store_lmdb_open(&(struct prov_store_lmdb_opts){ .dir = *state },
                                          &case_schema, &st, NULL),
                     PROV_OK);
    prov_store_free(st);
}

static void second_open_in_a_process_is_refused(void **state)
{
    char alias[TMP_PATH_MAX];
    struct prov_store *st = create(*state);

    assert_int_equal(symlink(*state, tmp_path(*state, "alias", alias)), 0);
    assert_refused(&(struct prov_store_lmdb_opts){ .dir = *state }, &case_schema, PROV_ECONFLICT,
                   "open already");
    assert_refused(&(struct prov_store_lmdb_opts){ .dir = alias }, &case_schema, PROV_ECONFLICT,
                   "open already");
    case_put_now(st, "a", "1");
    prov_store_free(st);
    st = create(*state);
    case_stored(st, "a", "1");
    prov_store_free(st);
}

static void open_as_nobody(const char *dir, int in, int out)
{
    const struct prov_store_lmdb_opts opts = { .dir = dir, .create = true };
    struct prov_err err = { 0 };
    struct prov_store *st;

    (void)in;
    (void)out;
    peer_must(geteuid() != 0 || (setgid(65534) == 0 && setuid(65534) == 0));
    peer_must(prov_store_lmdb_open(&opts, &case_schema, &st, &err) == PROV_ESTORE);
    peer_must(strstr(err.text, "permission denied") != NULL && strstr(err.text, dir) != NULL);
}

static void file_that_may_not_be_opened_is_refused_with_what_to_do(void **state)
{
    char file[TMP_PATH_MAX];
    struct peer o;

    if (geteuid() == 0 && !tmp_is_public(*state))
        skip();
    prov_store_free(create(*state));
    assert_int_equal(chmod(*state, 0755), 0);
    assert_int_equal(chmod(tmp_path(*state, "data.mdb", file), 0), 0);
    assert_int_equal(chmod(tmp_path(*state, "lock.mdb", file), 0), 0);
    o = peer_start(open_as_nobody, *state);
    peer_ended(&o);
}

/* `sudo provctl init` for a broker that runs as someone else. */
static void what_root_makes_belongs_to_whom_the_directory_belongs(void **state)
{
    static const char *const made[] = { "new", "new/data.mdb", "new/lock.mdb" };
    char path[TMP_PATH_MAX];
    struct stat info;

    if (geteuid() != 0)
        skip();
    assert_int_equal(chown(*state, 65534, 65533), 0);
    prov_store_free(create(tmp_path(*state, "new", path)));
    for (size_t i = 0; i < PROV_COUNT(made); i++) {
        assert_int_equal(stat(tmp_path(*state, made[i], path), &info), 0);
        assert_int_equal(info.st_uid, 65534);
        assert_int_equal(info.st_gid, 65533);
    }
}

static void address_space_that_is_not_to_be_had_is_named(void **state)
{
    assert_refused(&(struct prov_store_lmdb_opts){ .dir = *state,
                                                   .create = true,
                                                   .max_bytes = (uint64_t)1 << 62 },
                   &case_schema, PROV_ENOMEM, "db_max_mb");
}

/* ---- limits and failures --------------------------------------------------------------------- */

static void full_store_fails_that_transaction_only(void **state)
{
    struct prov_store *st = open_store(
        &(struct prov_store_lmdb_opts){ .dir = *state, .create = true, .max_bytes = MB });
    struct prov_txn *txn, *child;
    uint64_t used, max;
    enum prov_rc rc = PROV_OK;
    char key[16], value[2000];

    memset(value, 'v', sizeof value);
    case_put_now(st, "a", "1");
    txn = case_begin(st, PROV_TXN_WRITE, NULL);
    for (int i = 0; rc == PROV_OK; i++) {
        assert_true(i < 1000);
        (void)snprintf(key, sizeof key, "key-%d", i);
        rc = prov_txn_put(txn, RED, prov_span_str(key), prov_span(value, sizeof value));
    }
    assert_int_equal(rc, PROV_ESTORE);
    assert_non_null(strstr(prov_store_why(st), "the store is full (1 MB"));
    assert_non_null(strstr(prov_store_why(st), "raise db_max_mb or free space"));
    case_stored(st, "a", "1"); /* beside it */
    assert_int_equal(prov_txn_put(txn, RED, PROV_LIT("b"), PROV_LIT("1")), PROV_ESTORE);
    assert_int_equal(prov_txn_commit(txn), PROV_ESTORE);
    case_stored(st, "key-0", NULL);

    /* in a child, its parent goes on */
    txn = case_begin(st, PROV_TXN_WRITE, NULL);
    case_put(txn, "b", "1");
    child = case_begin(st, PROV_TXN_WRITE, txn);
    for (int i = 0; (rc = prov_txn_put(child, RED, prov_span_str(key),
                                       prov_span(value, sizeof value))) == PROV_OK;
         i++)
        (void)snprintf(key, sizeof key, "key-%d", i);
    assert_int_equal(rc, PROV_ESTORE);
    prov_txn_abort(child);
    case_put(txn, "c", "1");
    case_commit(txn);
    case_stored(st, "a", "1");
    case_stored(st, "b", "1");
    case_stored(st, "c", "1");
    case_stored(st, "key-0", NULL);
    assert_int_equal(prov_store_usage(st, &used, &max), PROV_OK);
    assert_true(max == MB && used < max);
    prov_store_free(st);
}

static void commit_beyond_a_limit_of_file_size(const char *dir, int in, int out)
{
    struct rlimit limit = { MB, RLIM_INFINITY };
    struct prov_store *st = child_open(dir, 0);
    char value[4000], key[16];
    struct prov_txn *txn;
    struct prov_span got;

    (void)in;
    (void)out;
    memset(value, 'v', sizeof value);
    child_put(st, "a", PROV_LIT("1"));
    peer_must(signal(SIGXFSZ, SIG_IGN) != SIG_ERR && setrlimit(RLIMIT_FSIZE, &limit) == 0);
    peer_must(prov_txn_begin(st, PROV_TXN_WRITE, NULL, &txn) == PROV_OK);
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(key, sizeof key, "key-%d", i);
        peer_must(prov_txn_put(txn, RED, prov_span_str(key), prov_span(value, sizeof value)) ==
                  PROV_OK);
    }
    peer_must(prov_txn_commit(txn) == PROV_ESTORE);
    peer_must(strstr(prov_store_why(st), "data.mdb") != NULL);
    peer_must(prov_txn_begin(st, PROV_TXN_READ, NULL, &txn) == PROV_OK);
    peer_must(prov_txn_get(txn, RED, PROV_LIT("a"), &got) == PROV_OK);
    peer_must(prov_txn_get(txn, RED, PROV_LIT("key-0"), &got) == PROV_ENOTFOUND);
    prov_txn_abort(txn);
    child_put(st, "b", PROV_LIT("1")); /* small enough: the store goes on */
    prov_store_free(st);
}

/* Stands for a full disk: the file system refuses to write. */
static void commit_that_cannot_be_written_says_so_and_leaves_the_store_as_it_was(void **state)
{
    struct peer o = peer_start(commit_beyond_a_limit_of_file_size, *state);
    struct prov_store *st;

    peer_ended(&o);
    st = open_store(&(struct prov_store_lmdb_opts){ .dir = *state });
    case_stored(st, "a", "1");
    case_stored(st, "b", "1");
    case_stored(st, "key-0", NULL);
    prov_store_free(st);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    static const struct CMUnitTest tests[] = {
        TEST(committed_changes_are_there_after_reopening),
        TEST(store_is_made_for_its_owner_and_group_alone),
        TEST(directory_may_be_named_with_slashes_behind_it),
        TEST(store_that_is_not_there_is_refused_and_not_made),
        TEST(file_that_was_never_filled_is_filled_when_asked),
        TEST(file_of_another_program_is_refused_and_left_alone),
        TEST(file_that_is_no_database_is_refused),
        TEST(store_of_another_format_is_refused_with_what_to_do),
        TEST(second_open_in_a_process_is_refused),
        TEST(file_that_may_not_be_opened_is_refused_with_what_to_do),
        TEST(what_root_makes_belongs_to_whom_the_directory_belongs),
        TEST(address_space_that_is_not_to_be_had_is_named),
        TEST(full_store_fails_that_transaction_only),
        TEST(commit_that_cannot_be_written_says_so_and_leaves_the_store_as_it_was),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
