/*
 * Stores with threads, without memory, with failures, and side by side in any order of steps.
 * ctest labels: tsan
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WATCHED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define WATCHED 1
#endif
#ifdef WATCHED
#include <sanitizer/asan_interface.h>
#endif

#include "store/store_mem.h"
#include "support/alloc.h"
#include "support/store_case.h"
#include "support/tmp.h"

/* ---- threads --------------------------------------------------------------------------------- */

#define ROUNDS 100

static void *count_up(void *arg)
{
    struct prov_store *st = arg;
    struct prov_txn *txn;
    struct prov_span got;
    uint32_t n;

    for (int i = 0; i < ROUNDS; i++) {
        n = 0;
        if (prov_txn_begin(st, PROV_TXN_WRITE, NULL, &txn) != PROV_OK)
            return arg;
        if (prov_txn_get(txn, RED, PROV_LIT("n"), &got) == PROV_OK)
            memcpy(&n, got.p, sizeof n);
        n++;
        if (prov_txn_put(txn, RED, PROV_LIT("n"), prov_span(&n, sizeof n)) != PROV_OK)
            return arg;
        if (prov_txn_commit(txn) != PROV_OK)
            return arg;
    }
    return NULL;
}

static void writers_take_turns(void **state)
{
    struct case_fixture *f = *state;
    pthread_t threads[4];
    struct prov_txn *txn;
    struct prov_span got;
    void *trouble;
    uint32_t n;

    for (size_t i = 0; i < PROV_COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, f->st), 0);
    for (size_t i = 0; i < PROV_COUNT(threads); i++) {
        assert_int_equal(pthread_join(threads[i], &trouble), 0);
        assert_null(trouble);
    }
    txn = case_begin(f->st, PROV_TXN_READ, NULL);
    assert_int_equal(prov_txn_get(txn, RED, PROV_LIT("n"), &got), PROV_OK);
    memcpy(&n, got.p, sizeof n);
    assert_int_equal(n, ROUNDS * PROV_COUNT(threads));
    prov_txn_abort(txn);
}

struct watch {
    struct prov_store *st;
    atomic_bool stop;
};

/* Two keys that every commit changes together. */
static void *watch_pair(void *arg)
{
    struct watch *w = arg;
    struct prov_span a, b;
    struct prov_txn *txn;

    while (!atomic_load(&w->stop)) {
        if (prov_txn_begin(w->st, PROV_TXN_READ, NULL, &txn) != PROV_OK)
            return arg;
        if (prov_txn_get(txn, RED, PROV_LIT("a"), &a) != PROV_OK ||
            prov_txn_get(txn, BLUE, PROV_LIT("b"), &b) != PROV_OK || !prov_span_eq(a, b))
            return arg;
        prov_txn_abort(txn);
    }
    return NULL;
}

static void readers_beside_a_writer_see_whole_commits(void **state)
{
    struct case_fixture *f = *state;
    struct watch w = { .st = f->st };
    pthread_t threads[3];
    struct prov_txn *txn;
    void *trouble;
    char value[16];

    for (int i = 0; i < 200; i++) {
        (void)snprintf(value, sizeof value, "%d", i);
        txn = case_begin(f->st, PROV_TXN_WRITE, NULL);
        case_put(txn, "a", value);
        assert_int_equal(prov_txn_put(txn, BLUE, PROV_LIT("b"), prov_span_str(value)), PROV_OK);
        case_commit(txn);
        for (size_t k = 0; i == 0 && k < PROV_COUNT(threads); k++)
            assert_int_equal(pthread_create(&threads[k], NULL, watch_pair, &w), 0);
    }
    atomic_store(&w.stop, true);
    for (size_t k = 0; k < PROV_COUNT(threads); k++) {
        assert_int_equal(pthread_join(threads[k], &trouble), 0);
        assert_null(trouble);
    }
}

/* ---- failing allocator ----------------------------------------------------------------------- */

static enum prov_rc change_and_scan(struct prov_store *st)
{
    struct prov_txn *txn = NULL, *child = NULL;
    struct prov_cursor *cur = NULL;
    struct prov_span key, value;
    enum prov_rc rc;

    rc = prov_txn_begin(st, PROV_TXN_WRITE, NULL, &txn);
    if (rc != PROV_OK)
        return rc;
    rc = prov_txn_put(txn, RED, PROV_LIT("new"), PROV_LIT("1"));
    if (rc == PROV_OK)
        rc = prov_txn_get(txn, RED, PROV_LIT("old"), &value);
    if (rc == PROV_OK)
        rc = prov_txn_begin(st, PROV_TXN_WRITE, txn, &child);
    if (rc == PROV_OK)
        rc = prov_txn_del(child, RED, PROV_LIT("old"));
    if (rc == PROV_OK)
        rc = prov_txn_scan(child, RED, &cur);
    if (rc == PROV_OK)
        rc = prov_cursor_next(cur, &key, &value);
    prov_cursor_free(cur);
    if (rc == PROV_OK) {
        rc = prov_txn_commit(child);
        child = NULL;
    }
    prov_txn_abort(child);
    if (rc == PROV_OK)
        return prov_txn_commit(txn);
    prov_txn_abort(txn);
    return rc;
}

static void store_is_unchanged_when_memory_is_short(void **state)
{
    struct case_fixture *f = *state;
    bool failed = true;
    enum prov_rc rc;
    unsigned n;

    case_put_now(f->st, "old", "1");
    for (n = 1; failed; n++) {
        alloc_fail_at(n);
        rc = change_and_scan(f->st);
        failed = alloc_failed();
        if (failed) {
            assert_int_equal(rc, PROV_ENOMEM);
            case_stored(f->st, "old", "1");
            case_stored(f->st, "new", NULL);
        }
    }
    assert_true(n > 3);
    assert_int_equal(rc, PROV_OK);
    case_stored(f->st, "old", NULL);
    case_stored(f->st, "new", "1");
}

static void reading_fails_cleanly_when_memory_is_short(void **state)
{
    struct case_fixture *f = *state;
    struct prov_txn *one = case_begin(f->st, PROV_TXN_READ, NULL), *two;

    alloc_fail_at(1); /* the first reader has what could be used again */
    assert_int_equal(prov_txn_begin(f->st, PROV_TXN_READ, NULL, &two), PROV_ENOMEM);
    assert_true(alloc_failed());
    assert_int_equal(prov_txn_begin(f->st, PROV_TXN_READ, NULL, &two), PROV_OK);
    prov_txn_abort(two);
    prov_txn_abort(one);
}

/* After a failure the rest of a write transaction is refused, and commit does not lie. */
static void transaction_that_failed_can_only_be_aborted(void **state)
{
    struct case_fixture *f = *state;
    struct prov_txn *txn = case_begin(f->st, PROV_TXN_WRITE, NULL), *child;
    struct prov_cursor *cur;
    struct prov_span got;

    case_put(txn, "a", "1");
    alloc_fail_at(1);
    assert_int_equal(prov_txn_scan(txn, RED, &cur), PROV_ENOMEM);
    assert_true(alloc_failed());
    assert_int_equal(prov_txn_put(txn, RED, PROV_LIT("b"), PROV_LIT("1")), PROV_ESTORE);
    assert_int_equal(prov_txn_get(txn, RED, PROV_LIT("a"), &got), PROV_ESTORE);
    assert_int_equal(prov_txn_begin(f->st, PROV_TXN_WRITE, txn, &child), PROV_ESTORE);
    assert_int_equal(prov_txn_commit(txn), PROV_ESTORE);
    case_stored(f->st, "a", NULL);
    case_put_now(f->st, "a", "2");
    case_stored(f->st, "a", "2");
}

/* ---- the memory store alone ------------------------------------------------------------------ */

static enum prov_rc three_steps(struct prov_store *st)
{
    struct prov_txn *txn = case_begin(st, PROV_TXN_WRITE, NULL);
    enum prov_rc rc;

    rc = prov_txn_put(txn, RED, PROV_LIT("a"), PROV_LIT("2"));
    if (rc == PROV_OK)
        rc = prov_txn_del(txn, RED, PROV_LIT("b"));
    if (rc == PROV_OK)
        return prov_txn_commit(txn);
    prov_txn_abort(txn);
    return rc;
}

static void injected_failure_strikes_once_and_undoes_its_transaction(void **state)
{
    struct case_fixture *f = *state;

    case_put_now(f->st, "a", "1");
    case_put_now(f->st, "b", "1");
    for (unsigned n = 1; n <= 3; n++) {
        prov_store_mem_fail_after(f->st, n);
        assert_int_equal(three_steps(f->st), PROV_ESTORE);
        assert_true(strstr(prov_store_why(f->st), "injected") != NULL);
        case_stored(f->st, "a", "1");
        case_stored(f->st, "b", "1");
    }
    prov_store_mem_fail_after(f->st, 4);
    prov_store_mem_fail_after(f->st, 0);
    assert_int_equal(three_steps(f->st), PROV_OK);
    case_put_now(f->st, "c", "1");
    case_stored(f->st, "a", "2");
    case_stored(f->st, "b", NULL);
}

static void child_that_cannot_be_committed_takes_its_parent_along(void **state)
{
    struct case_fixture *f = *state;
    struct prov_txn *parent = case_begin(f->st, PROV_TXN_WRITE, NULL);
    struct prov_txn *child = case_begin(f->st, PROV_TXN_WRITE, parent);

    case_put(child, "a", "1");
    prov_store_mem_fail_after(f->st, 1);
    assert_int_equal(prov_txn_commit(child), PROV_ESTORE);
    assert_int_equal(prov_txn_commit(parent), PROV_ESTORE);
    case_stored(f->st, "a", NULL);
}

/* So that a test which uses a span for too long fails under a sanitizer. */
static void memory_store_takes_back_what_it_lent_at_the_next_change(void **state)
{
#ifdef WATCHED
    struct case_fixture *f = *state;
    struct prov_txn *parent = case_begin(f->st, PROV_TXN_WRITE, NULL), *child;
    struct prov_span got;

    case_put(parent, "a", "1");
    assert_int_equal(prov_txn_get(parent, RED, PROV_LIT("a"), &got), PROV_OK);
    assert_false(__asan_address_is_poisoned(got.p));
    case_put(parent, "b", "1");
    assert_true(__asan_address_is_poisoned(got.p));
    assert_int_equal(prov_txn_get(parent, RED, PROV_LIT("a"), &got), PROV_OK);
    child = case_begin(f->st, PROV_TXN_WRITE, parent);
    assert_false(__asan_address_is_poisoned(got.p));
    assert_int_equal(prov_txn_del(child, RED, PROV_LIT("b")), PROV_OK);
    assert_true(__asan_address_is_poisoned(got.p));
    prov_txn_abort(parent);
#else
    (void)state;
    skip();
#endif
}

static void memory_store_has_no_backup_and_no_second_writer_in_a_thread(void **state)
{
    struct case_fixture *f = *state;
    struct prov_txn *txn = case_begin(f->st, PROV_TXN_WRITE, NULL), *other;

    assert_int_equal(prov_txn_begin(f->st, PROV_TXN_WRITE, NULL, &other), PROV_EBUG);
    prov_txn_abort(txn);
    assert_int_equal(prov_store_backup(f->st, f->dir), PROV_EINVAL);
}

static void memory_store_fails_cleanly_when_memory_is_short(void **state)
{
    struct prov_store *st = NULL;
    bool failed = true;
    enum prov_rc rc;

    (void)state;
    for (unsigned n = 1; failed; n++) {
        alloc_fail_at(n);
        rc = prov_store_mem_new(&case_schema, &st);
        failed = alloc_failed();
        assert_int_equal(rc, failed ? PROV_ENOMEM : PROV_OK);
    }
    prov_store_free(st);
}

/* ---- both alike, in any order of steps ------------------------------------------------------- */

#define DEPTH 3

/* The same steps on two stores must give the same answers. */
struct pair {
    struct prov_store *st[2];
    struct prov_txn *txn[2][DEPTH];
    int depth; /* open write transactions, nested */
    uint32_t seed;
};

static uint32_t draw(struct pair *p, uint32_t below)
{
    p->seed = p->seed * 1664525u + 1013904223u;
    return (p->seed >> 8) % below;
}

static void same_scan(struct prov_txn *a, struct prov_txn *b, struct prov_span from)
{
    struct prov_cursor *cur[2];
    struct prov_span key[2], value[2];
    enum prov_rc rc[2];

    assert_int_equal(prov_txn_scan(a, RED, &cur[0]), PROV_OK);
    assert_int_equal(prov_txn_scan(b, RED, &cur[1]), PROV_OK);
    rc[0] = prov_cursor_seek(cur[0], from, &key[0], &value[0]);
    rc[1] = prov_cursor_seek(cur[1], from, &key[1], &value[1]);
    for (;;) {
        assert_int_equal(rc[0], rc[1]);
        if (rc[0] != PROV_OK)
            break;
        assert_true(prov_span_eq(key[0], key[1]));
        assert_true(prov_span_eq(value[0], value[1]));
        rc[0] = prov_cursor_next(cur[0], &key[0], &value[0]);
        rc[1] = prov_cursor_next(cur[1], &key[1], &value[1]);
    }
    prov_cursor_free(cur[0]);
    prov_cursor_free(cur[1]);
}

static void same_step(struct pair *p)
{
    struct prov_txn *const parent[2] = { p->depth == 0 ? NULL : p->txn[0][p->depth - 1],
                                         p->depth == 0 ? NULL : p->txn[1][p->depth - 1] };
    const uint32_t what = draw(p, 12);
    struct prov_span got[2], key;
    enum prov_rc rc[2] = { PROV_OK, PROV_OK };
    char text[16];

    (void)snprintf(text, sizeof text, "key-%u", draw(p, 40));
    key = prov_span_str(text);
    if (p->depth == 0 || (what == 0 && p->depth < DEPTH)) {
        for (int i = 0; i < 2; i++)
            p->txn[i][p->depth] = case_begin(p->st[i], PROV_TXN_WRITE, parent[i]);
        p->depth++;
        return;
    }
    for (int i = 0; i < 2; i++) {
        if (what == 1)
            prov_txn_abort(parent[i]);
        else if (what == 2)
            rc[i] = prov_txn_commit(parent[i]);
        else if (what < 6)
            rc[i] = prov_txn_put(parent[i], RED, key, prov_span(&p->seed, sizeof p->seed));
        else if (what < 8)
            rc[i] = prov_txn_add(parent[i], RED, key, prov_span(&p->seed, sizeof p->seed));
        else if (what < 10)
            rc[i] = prov_txn_del(parent[i], RED, key);
        else
            rc[i] = prov_txn_get(parent[i], RED, key, &got[i]);
    }
    assert_int_equal(rc[0], rc[1]);
    if (what >= 10 && rc[0] == PROV_OK)
        assert_true(prov_span_eq(got[0], got[1]));
    if (what == 1 || what == 2)
        p->depth--;
    else if (what == 11)
        same_scan(parent[0], parent[1], key);
}

static void both_stores_answer_alike_in_any_order_of_steps(void **state)
{
    struct prov_txn *readers[2];
    struct pair p = { .depth = 0 };
    char *dir = tmp_new();

    (void)state;
    assert_int_equal(case_mem.open(NULL, &p.st[0]), PROV_OK);
    assert_int_equal(case_lmdb.open(dir, &p.st[1]), PROV_OK);
    for (uint32_t run = 0; run < 40; run++) {
        p.seed = run;
        for (int i = 0; i < 250; i++)
            same_step(&p);
        if (p.depth > 0)
            prov_txn_abort(p.txn[0][0]);
        if (p.depth > 0)
            prov_txn_abort(p.txn[1][0]);
        p.depth = 0;
        readers[0] = case_begin(p.st[0], PROV_TXN_READ, NULL);
        readers[1] = case_begin(p.st[1], PROV_TXN_READ, NULL);
        same_scan(readers[0], readers[1], prov_span(NULL, 0));
        prov_txn_abort(readers[0]);
        prov_txn_abort(readers[1]);
    }
    prov_store_free(p.st[0]);
    prov_store_free(p.st[1]);
    tmp_free(dir);
}

int main(void)
{
#define ON(f, backend)                                                                             \
    {                                                                                              \
#f " (" #backend ")", f, case_set_up, case_tear_down, (void *)(uintptr_t) & (backend)      \
    }
#define EACH(f) ON(f, case_mem), ON(f, case_lmdb)
    const struct CMUnitTest tests[] = {
        EACH(writers_take_turns),
        EACH(readers_beside_a_writer_see_whole_commits),
        EACH(store_is_unchanged_when_memory_is_short),
        EACH(reading_fails_cleanly_when_memory_is_short),
        EACH(transaction_that_failed_can_only_be_aborted),
        ON(injected_failure_strikes_once_and_undoes_its_transaction, case_mem),
        ON(child_that_cannot_be_committed_takes_its_parent_along, case_mem),
        ON(memory_store_takes_back_what_it_lent_at_the_next_change, case_mem),
        ON(memory_store_has_no_backup_and_no_second_writer_in_a_thread, case_mem),
        cmocka_unit_test(memory_store_fails_cleanly_when_memory_is_short),
        cmocka_unit_test(both_stores_answer_alike_in_any_order_of_steps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
