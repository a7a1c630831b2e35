/* The store on disk under several processes, killed ones, and backups. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

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

static void fill(struct prov_store *st, unsigned n)
{
    struct prov_txn *txn = case_begin(st, PROV_TXN_WRITE, NULL);
    char key[16], value[512];

    memset(value, 'v', sizeof value);
    for (unsigned i = 0; i < n; i++) {
        (void)snprintf(key, sizeof key, "key-%06u", i);
        assert_int_equal(prov_txn_put(txn, RED, prov_span_str(key), prov_span(value, sizeof value)),
                         PROV_OK);
    }
    case_commit(txn);
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

/* ---- other processes ------------------------------------------------------------------------- */

static void claim_and_hold(const char *dir, int in, int out)
{
    struct prov_store *st = child_open(dir, 0);

    peer_must(prov_store_lmdb_claim(st, NULL) == PROV_OK);
    peer_must(prov_store_lmdb_claim(st, NULL) == PROV_OK); /* has it already */
    peer_tell(out);
    peer_await(in);
    prov_store_free(st);
}

static void directory_is_claimed_by_one_broker_until_it_ends_however_it_ends(void **state)
{
    struct peer o = peer_start(claim_and_hold, *state);
    struct prov_store *st;
    struct prov_err err;
    char pid[32];

    peer_told(&o);
    st = create(*state);
    assert_int_equal(prov_store_lmdb_claim(st, &err), PROV_ECONFLICT);
    (void)snprintf(pid, sizeof pid, "(process %d)", (int)o.pid);
    assert_non_null(strstr(err.text, pid));
    case_put_now(st, "a", "1"); /* only brokers exclude each other */
    peer_killed(&o);
    assert_int_equal(prov_store_lmdb_claim(st, &err), PROV_OK);
    prov_store_free(st);

    o = peer_start(claim_and_hold, *state); /* freed, it can be had again */
    peer_told(&o);
    peer_go(&o);
    peer_ended(&o);
}

static void change_then_wait(const char *dir, int in, int out)
{
    struct prov_store *st = child_open(dir, 0);

    peer_await(in);
    child_put(st, "theirs", PROV_LIT("1"));
    peer_tell(out);
    peer_await(in);
    prov_store_free(st);
}

static void change_by_another_process_is_seen_at_once(void **state)
{
    struct peer o = peer_start(change_then_wait, *state);
    struct prov_store *st = create(*state);
    uint64_t before;

    case_put_now(st, "ours", "1");
    before = prov_store_version(st);
    peer_go(&o);
    peer_told(&o);
    assert_true(prov_store_version(st) > before);
    case_stored(st, "theirs", "1");
    case_put_now(st, "ours", "2");
    peer_go(&o);
    peer_ended(&o);
    prov_store_free(st);
}

static void read_only_beside(const char *dir, int in, int out)
{
    const struct prov_store_lmdb_opts opts = { .dir = dir, .read_only = true };
    struct prov_store *st;
    struct prov_span got;
    struct prov_txn *txn;

    peer_await(in);
    peer_must(prov_store_lmdb_open(&opts, &case_schema, &st, NULL) == PROV_OK);
    peer_must(prov_txn_begin(st, PROV_TXN_WRITE, NULL, &txn) == PROV_EBUG);
    peer_must(prov_txn_begin(st, PROV_TXN_READ, NULL, &txn) == PROV_OK);
    peer_must(prov_txn_get(txn, RED, PROV_LIT("a"), &got) == PROV_OK && prov_span_eq_str(got, "1"));
    peer_tell(out);
    peer_await(in);
    peer_must(prov_span_eq_str(got, "1"));
    prov_txn_abort(txn);
    peer_must(prov_txn_begin(st, PROV_TXN_READ, NULL, &txn) == PROV_OK);
    peer_must(prov_txn_get(txn, RED, PROV_LIT("a"), &got) == PROV_OK && prov_span_eq_str(got, "2"));
    prov_txn_abort(txn);
    prov_store_free(st);
}

static void reader_in_another_process_is_not_disturbed_by_a_writer(void **state)
{
    struct peer o = peer_start(read_only_beside, *state);
    struct prov_store *st = create(*state);

    case_put_now(st, "a", "1");
    peer_go(&o);
    peer_told(&o);
    case_put_now(st, "a", "2");
    peer_go(&o);
    peer_ended(&o);
    prov_store_free(st);
}

static void grow(const char *dir, int in, int out)
{
    struct prov_store *st = child_open(dir, 64 * MB);
    static const uint8_t big[3 << 20];

    for (int i = 0; i < 2; i++) {
        peer_await(in);
        child_put(st, i == 0 ? "big" : "bigger", prov_span(big, sizeof big));
        peer_tell(out);
    }
    prov_store_free(st);
}

static void map_follows_when_another_process_makes_the_store_larger(void **state)
{
    struct peer o = peer_start(grow, *state);
    struct prov_store *st = open_store(
        &(struct prov_store_lmdb_opts){ .dir = *state, .create = true, .max_bytes = 2 * MB });
    struct prov_txn *old, *txn;
    struct prov_span got;

    case_put_now(st, "a", "1");
    old = case_begin(st, PROV_TXN_READ, NULL);
    peer_go(&o);
    peer_told(&o);
    /* with a transaction of ours open the map cannot be moved */
    assert_int_equal(prov_txn_begin(st, PROV_TXN_READ, NULL, &txn), PROV_ESTORE);
    assert_non_null(strstr(prov_store_why(st), "made larger by another process"));
    case_value(old, "a", "1");
    prov_txn_abort(old);
    txn = case_begin(st, PROV_TXN_READ, NULL);
    assert_int_equal(prov_txn_get(txn, RED, PROV_LIT("big"), &got), PROV_OK);
    assert_int_equal(got.n, 3 << 20);
    prov_txn_abort(txn);
    peer_go(&o);
    peer_told(&o);
    case_put_now(st, "b", "1");
    txn = case_begin(st, PROV_TXN_READ, NULL);
    assert_int_equal(prov_txn_get(txn, RED, PROV_LIT("bigger"), &got), PROV_OK);
    prov_txn_abort(txn);
    case_stored(st, "b", "1");
    peer_ended(&o);
    prov_store_free(st);
}

/* ---- killed at any moment -------------------------------------------------------------------- */

static void commit_and_report(const char *dir, int in, int out)
{
    struct prov_store *st = child_open(dir, 0);
    struct prov_txn *txn, *child;
    char key[16];

    (void)in;
    for (uint32_t i = 0;; i++) {
        (void)snprintf(key, sizeof key, "%u", i);
        peer_must(prov_txn_begin(st, PROV_TXN_WRITE, NULL, &txn) == PROV_OK);
        peer_must(prov_txn_begin(st, PROV_TXN_WRITE, txn, &child) == PROV_OK);
        peer_must(prov_txn_put(child, RED, prov_span_str(key), PROV_LIT("1")) == PROV_OK);
        peer_must(prov_txn_commit(child) == PROV_OK);
        peer_must(prov_txn_put(txn, BLUE, prov_span_str(key), PROV_LIT("1")) == PROV_OK);
        peer_must(prov_txn_commit(txn) == PROV_OK);
        peer_must(write(out, &i, sizeof i) == sizeof i);
    }
}

static void every_reported_commit_survives_a_kill(void **state)
{
    uint32_t i, reported = 0;
    struct prov_store *st;
    struct prov_txn *txn;
    struct prov_span got;
    struct peer o;
    char key[16];
    int status;

    for (unsigned round = 0; round < 3; round++) {
        o = peer_start(commit_and_report, *state);
        for (reported = 0; reported < 50 + 37 * round; reported++)
            assert_int_equal(read(o.from, &i, sizeof i), sizeof i);
        assert_int_equal(kill(o.pid, SIGKILL), 0);
        for (; read(o.from, &i, sizeof i) == sizeof i; reported++)
            assert_int_equal(i, reported);
        assert_int_equal(waitpid(o.pid, &status, 0), o.pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        close(o.to);
        close(o.from);

        st = open_store(&(struct prov_store_lmdb_opts){ .dir = *state });
        for (i = 0; i < reported; i++) {
            (void)snprintf(key, sizeof key, "%u", i);
            case_stored(st, key, "1");
            txn = case_begin(st, PROV_TXN_READ, NULL);
            assert_int_equal(prov_txn_get(txn, BLUE, prov_span_str(key), &got), PROV_OK);
            prov_txn_abort(txn);
        }
        assert_int_equal(case_count(st, RED), case_count(st, BLUE)); /* nothing by halves */
        case_put_now(st, "goes on", "1");
        txn = case_begin(st, PROV_TXN_WRITE, NULL);
        assert_int_equal(prov_txn_del(txn, RED, PROV_LIT("goes on")), PROV_OK);
        case_commit(txn);
        prov_store_free(st);
    }
}

static void hold_the_writer(const char *dir, int in, int out)
{
    struct prov_store *st = child_open(dir, 0);
    struct prov_txn *txn, *reader;

    peer_must(prov_txn_begin(st, PROV_TXN_WRITE, NULL, &txn) == PROV_OK);
    peer_must(prov_txn_put(txn, RED, PROV_LIT("half"), PROV_LIT("1")) == PROV_OK);
    peer_must(prov_txn_begin(st, PROV_TXN_READ, NULL, &reader) == PROV_OK);
    peer_tell(out);
    peer_await(in);
}

static void writer_killed_in_its_transaction_blocks_nobody(void **state)
{
    struct prov_store *st = create(*state);
    struct peer o = peer_start(hold_the_writer, *state);

    peer_told(&o);
    peer_killed(&o);
    case_put_now(st, "a", "1");
    case_stored(st, "half", NULL);
    prov_store_free(st);
}

static void hold_a_reader(const char *dir, int in, int out)
{
    struct prov_store *st = child_open(dir, 0);
    struct prov_txn *reader;

    peer_must(prov_txn_begin(st, PROV_TXN_READ, NULL, &reader) == PROV_OK);
    peer_tell(out);
    peer_await(in);
}

/* Old pages stay while anyone may read them. */
static void killed_reader_does_not_make_the_file_grow_for_ever(void **state)
{
    struct prov_store *st = create(*state);
    struct peer o = peer_start(hold_a_reader, *state);
    static const uint8_t big[100000];
    char file[TMP_PATH_MAX];
    struct prov_txn *txn;
    struct stat info;

    peer_told(&o);
    peer_killed(&o);
    for (int i = 0; i < 300; i++) {
        txn = case_begin(st, PROV_TXN_WRITE, NULL);
        assert_int_equal(prov_txn_put(txn, RED, PROV_LIT("big"), prov_span(big, sizeof big)),
                         PROV_OK);
        case_commit(txn);
    }
    assert_int_equal(stat(tmp_path(*state, "data.mdb", file), &info), 0);
    assert_true(info.st_size < 100 * (off_t)sizeof big);
    prov_store_free(st);
}

/* ---- backup ---------------------------------------------------------------------------------- */

struct busy {
    struct prov_store *st;
    atomic_bool stop;
};

static void *write_pairs(void *arg)
{
    struct busy *b = arg;
    struct prov_txn *txn;
    char text[16];

    for (uint32_t i = 0; !atomic_load(&b->stop); i++) {
        const struct prov_span value =
            prov_span(text, (size_t)snprintf(text, sizeof text, "%u", i));

        if (prov_txn_begin(b->st, PROV_TXN_WRITE, NULL, &txn) != PROV_OK ||
            prov_txn_put(txn, RED, PROV_LIT("pair"), value) != PROV_OK ||
            prov_txn_put(txn, BLUE, PROV_LIT("pair"), value) != PROV_OK ||
            prov_txn_commit(txn) != PROV_OK)
            return arg; /* trouble */
    }
    return NULL;
}

static void assert_pair(struct prov_store *st)
{
    struct prov_txn *txn = case_begin(st, PROV_TXN_READ, NULL);
    struct prov_span red, blue;

    assert_int_equal(prov_txn_get(txn, RED, PROV_LIT("pair"), &red), PROV_OK);
    assert_int_equal(prov_txn_get(txn, BLUE, PROV_LIT("pair"), &blue), PROV_OK);
    assert_true(prov_span_eq(red, blue));
    prov_txn_abort(txn);
}

static void backup_while_writing_is_one_moment_of_the_store(void **state)
{
    struct busy b = { .st = create(*state) };
    char dir[TMP_PATH_MAX], name[32];
    struct prov_store *copy;
    struct prov_txn *txn;
    pthread_t thread;
    void *trouble;

    fill(b.st, 3000);
    txn = case_begin(b.st, PROV_TXN_WRITE, NULL);
    assert_int_equal(prov_txn_put(txn, RED, PROV_LIT("pair"), PROV_LIT("")), PROV_OK);
    assert_int_equal(prov_txn_put(txn, BLUE, PROV_LIT("pair"), PROV_LIT("")), PROV_OK);
    case_commit(txn);
    assert_int_equal(pthread_create(&thread, NULL, write_pairs, &b), 0);
    for (unsigned i = 0; i < 5; i++) {
        (void)snprintf(name, sizeof name, "copy-%u", i);
        assert_int_equal(mkdir(tmp_path(*state, name, dir), 0700), 0);
        if (prov_store_backup(b.st, dir) != PROV_OK)
            fail_msg("%s", prov_store_why(b.st));
        copy = open_store(&(struct prov_store_lmdb_opts){ .dir = dir });
        assert_pair(copy);
        assert_int_equal(case_count(copy, RED), 3001);
        case_put_now(copy, "its own", "1");
        prov_store_free(copy);
    }
    atomic_store(&b.stop, true);
    assert_int_equal(pthread_join(thread, &trouble), 0);
    assert_null(trouble);
    case_stored(b.st, "its own", NULL);
    prov_store_free(b.st);
}

/* Children that were undone must not leave pages that the copy stumbles over. */
static void backup_works_after_many_undone_children(void **state)
{
    struct prov_store *st = create(*state), *copy;
    struct prov_txn *txn, *child;
    char dir[TMP_PATH_MAX], key[16];
    static const uint8_t big[20000];
    enum prov_rc rc;

    for (int round = 0; round < 20; round++) {
        txn = case_begin(st, PROV_TXN_WRITE, NULL);
        for (int i = 0; i < 50; i++) {
            (void)snprintf(key, sizeof key, "%d", i * 37 % 50);
            child = case_begin(st, PROV_TXN_WRITE, txn);
            rc = prov_txn_del(child, RED, prov_span_str(key));
            assert_true(rc == PROV_OK || rc == PROV_ENOTFOUND);
            assert_int_equal(
                prov_txn_put(child, RED, prov_span_str(key), prov_span(big, (size_t)(i * 400))),
                PROV_OK);
            if ((i + round) % 3 == 0)
                prov_txn_abort(child);
            else
                case_commit(child);
        }
        case_commit(txn);
    }
    assert_int_equal(mkdir(tmp_path(*state, "copy", dir), 0700), 0);
    if (prov_store_backup(st, dir) != PROV_OK)
        fail_msg("%s", prov_store_why(st));
    copy = open_store(&(struct prov_store_lmdb_opts){ .dir = dir });
    assert_int_equal(case_count(copy, RED), case_count(st, RED));
    prov_store_free(copy);
    prov_store_free(st);
}

static void backup_never_overwrites(void **state)
{
    struct prov_store *st = create(*state);
    char dir[TMP_PATH_MAX], missing[TMP_PATH_MAX];

    assert_int_equal(mkdir(tmp_path(*state, "copy", dir), 0700), 0);
    assert_int_equal(prov_store_backup(st, dir), PROV_OK);
    assert_int_equal(prov_store_backup(st, dir), PROV_ESTORE);
    assert_non_null(strstr(prov_store_why(st), "name an empty directory"));
    assert_int_equal(prov_store_backup(st, *state), PROV_ESTORE);
    assert_int_equal(prov_store_backup(st, tmp_path(*state, "missing", missing)), PROV_ESTORE);
    prov_store_free(st);
}

static void backup_that_cannot_be_written_leaves_nothing_behind(const char *dir, int in, int out)
{
    struct rlimit limit = { MB, RLIM_INFINITY };
    struct prov_store *st = child_open(dir, 0);
    static const uint8_t big[3 << 20];
    char to[TMP_PATH_MAX], file[TMP_PATH_MAX];
    struct stat info;

    (void)in;
    (void)out;
    child_put(st, "big", prov_span(big, sizeof big));
    peer_must(mkdir(tmp_path(dir, "copy", to), 0700) == 0);
    peer_must(signal(SIGXFSZ, SIG_IGN) != SIG_ERR && setrlimit(RLIMIT_FSIZE, &limit) == 0);
    peer_must(prov_store_backup(st, to) == PROV_ESTORE);
    peer_must(stat(tmp_path(to, "data.mdb", file), &info) != 0);
    prov_store_free(st);
}

static void failed_backup_leaves_nothing_behind(void **state)
{
    struct peer o = peer_start(backup_that_cannot_be_written_leaves_nothing_behind, *state);

    peer_ended(&o);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    static const struct CMUnitTest tests[] = {
        TEST(directory_is_claimed_by_one_broker_until_it_ends_however_it_ends),
        TEST(change_by_another_process_is_seen_at_once),
        TEST(reader_in_another_process_is_not_disturbed_by_a_writer),
        TEST(map_follows_when_another_process_makes_the_store_larger),
        TEST(every_reported_commit_survives_a_kill),
        TEST(writer_killed_in_its_transaction_blocks_nobody),
        TEST(killed_reader_does_not_make_the_file_grow_for_ever),
        TEST(backup_while_writing_is_one_moment_of_the_store),
        TEST(backup_works_after_many_undone_children),
        TEST(backup_never_overwrites),
        TEST(failed_backup_leaves_nothing_behind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
