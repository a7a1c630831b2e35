/* What store.h promises, asked of each store alike. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/store_case.h"

/* ---- keys and values ------------------------------------------------------------------------- */

static void value_that_was_put_is_got_back(void **state)
{
    struct case_fixture *f = *state;
    struct prov_txn *txn = case_begin(f->st, PROV_TXN_WRITE, NULL);

    case_put(txn, "a", "1");
    case_put(txn, "b", "");
    case_put(txn, "c", "3");
    case_put(txn, "a", "one");
    case_value(txn, "a", "one");
    case_commit(txn);
    case_stored(f->st, "a", "one");
    case_stored(f->st, "b", "");
    case_stored(f->st, "c", "3");
    case_stored(f->st, "d", NULL);
}

static void tables_do_not_see_each_other(void **state)
{
    struct case_fixture *f = *state;
    struct prov_txn *txn = case_begin(f->st, PROV_TXN_WRITE, NULL);
    struct prov_span got;

    case_put(txn, "a", "red");
    assert_int_equal(prov_txn_get(txn, BLUE, PROV_LIT("a"), &got), PROV_ENOTFOUND);
    assert_int_equal(prov_txn_put(txn, BLUE, PROV_LIT("a"), PROV_LIT("blue")), PROV_OK);
    case_value(txn, "a", "red");
    case_commit(txn);
    assert_int_equal(case_count(f->st, RED), 1);
    assert_int_equal(case_count(f->st, BLUE), 1);
}

static void add_refuses_a_key_that_is_there(void **state)
{
    struct case_fixture *f = *state;
    struct prov_txn *txn = case_begin(f->st, PROV_TXN_WRITE, NULL);

    assert_int_equal(prov_txn_add(txn, RED, PROV_LIT("a"), PROV_LIT("1")), PROV_OK);
    assert_int_equal(prov_txn_add(txn, RED, PROV_LIT("a"), PROV_LIT("2")), PROV_ECONFLICT);
    case_put(txn, "b", "after");
    case_commit(txn);
    case_stored(f->st, "a", "1");
    case_stored(f->st, "b", "after");
}

static void deleted_key_is_gone_and_a_missing_one_is_not_found(void **state)
{
    struct case_fixture *f = *state;
    struct prov_txn *txn;

    case_put_now(f->st, "a", "1");
    case_put_now(f->st, "b", "2");
    txn = case_begin(f->st, PROV_TXN_WRITE, NULL);
    assert_int_equal(prov_txn_del(txn, RED, PROV_LIT("x")), PROV_ENOTFOUND);
    assert_int_equal(prov_txn_del(txn, RED, PROV_LIT("a")), PROV_OK);
    assert_int_equal(prov_txn_del(txn, RED, PROV_LIT("a")), PROV_ENOTFOUND);
    case_commit(txn);
    case_stored(f->st, "a", NULL);
    case_stored(f->st, "b", "2");
    assert_int_equal(case_count(f->st, RED), 1);
}

static void key_that_is_empty_or_too_long_harms_nothing(void **state)
{
    struct case_fixture *f = *state;
    uint8_t bytes[PROV_STORE_KEY_MAX + 200];
    static const struct {
        size_t n;
        enum prov_rc put, got;
    } rows[] = {
        { 0, PROV_EINVAL, PROV_ENOTFOUND },
        { 1, PROV_OK, PROV_OK },
        { PROV_STORE_KEY_MAX, PROV_OK, PROV_OK },
        { PROV_STORE_KEY_MAX + 1, PROV_EINVAL, PROV_ENOTFOUND },
        { PROV_STORE_KEY_MAX + 200, PROV_EINVAL, PROV_ENOTFOUND },
    };
    struct prov_txn *txn = case_begin(f->st, PROV_TXN_WRITE, NULL);
    struct prov_span got;

    memset(bytes, 'k', sizeof bytes);
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        const struct prov_span key = prov_span(bytes, rows[i].n);

        assert_int_equal(prov_txn_put(txn, RED, key, PROV_LIT("v")), rows[i].put);
        assert_int_equal(prov_txn_get(txn, RED, key, &got), rows[i].got);
        assert_int_equal(prov_txn_add(txn, RED, key, PROV_LIT("v")),
                         rows[i].put == PROV_OK ? PROV_ECONFLICT : PROV_EINVAL);
        assert_int_equal(prov_txn_del(txn, RED, key), rows[i].got);
    }
    case_put(txn, "a", "1");
    case_commit(txn);
    case_stored(f->st, "a", "1");
    assert_int_equal(case_count(f->st, RED), 1);
}

static void large_values_are_kept_whole(void **state)
{
    struct case_fixture *f = *state;
    const size_t n = 300000;
    uint8_t *big = malloc(n);
    struct prov_txn *txn = case_begin(f->st, PROV_TXN_WRITE, NULL);
    struct prov_span got;

    assert_non_null(big);
    for (size_t i = 0; i < n; i++)
        big[i] = (uint8_t)(i * 7);
    assert_int_equal(prov_txn_put(txn, RED, PROV_LIT("big"), prov_span(big, n)), PROV_OK);
    case_commit(txn);
    txn = case_begin(f->st, PROV_TXN_READ, NULL);
    assert_int_equal(prov_txn_get(txn, RED, PROV_LIT("big"), &got), PROV_OK);
    assert_true(prov_span_eq(got, prov_span(big, n)));
    prov_txn_abort(txn);
    free(big);
}

/* ---- scans ----------------------------------------------------------------------------------- */

/* In memcmp order: a prefix first, bytes unsigned. */
static const struct prov_span ordered[] = {
    { (const uint8_t *)"\0", 1 },       { (const uint8_t *)"\0\0", 2 },
    { (const uint8_t *)"a", 1 },        { (const uint8_t *)"a\0", 2 },
    { (const uint8_t *)"aa", 2 },       { (const uint8_t *)"ab", 2 },
    { (const uint8_t *)"b", 1 },        { (const uint8_t *)"\x7f", 1 },
    { (const uint8_t *)"\x80", 1 },     { (const uint8_t *)"\xff", 1 },
    { (const uint8_t *)"\xff\xff", 2 },
};
#define N_ORDERED PROV_COUNT(ordered)

static void fill_ordered(struct prov_store *st)
{
    struct prov_txn *txn = case_begin(st, PROV_TXN_WRITE, NULL);

    for (size_t i = 0; i < N_ORDERED; i++) {
        const struct prov_span key = ordered[i * 7 % N_ORDERED];

        assert_int_equal(prov_txn_put(txn, RED, key, key), PROV_OK);
    }
    case_commit(txn);
}

static struct prov_cursor *scan(struct prov_txn *txn)
{
    struct prov_cursor *cur;

    assert_int_equal(prov_txn_scan(txn, RED, &cur), PROV_OK);
    return cur;
}

enum step { NEXT, PREV };

/* row N_ORDERED: nothing there */
static void assert_step(struct prov_cursor *cur, enum step step, size_t row)
{
    struct prov_span key, value;
    const enum prov_rc rc =
        step == NEXT ? prov_cursor_next(cur, &key, &value) : prov_cursor_prev(cur, &key, &value);

    assert_int_equal(rc, row == N_ORDERED ? PROV_ENOTFOUND : PROV_OK);
    if (row == N_ORDERED)
        return;
    assert_true(prov_span_eq(key, ordered[row]));
    assert_true(prov_span_eq(value, ordered[row]));
}

static void scan_goes_in_key_order_both_ways(void **state)
{
    struct case_fixture *f = *state;
    struct prov_txn *txn;
    struct prov_cursor *cur;

    fill_ordered(f->st);
    txn = case_begin(f->st, PROV_TXN_READ, NULL);
    cur = scan(txn);
    for (size_t i = 0; i < N_ORDERED; i++)
        assert_step(cur, NEXT, i);
    assert_step(cur, NEXT, N_ORDERED);
    assert_step(cur, NEXT, N_ORDERED);
    for (size_t i = N_ORDERED; i-- > 0;)
        assert_step(cur, PREV, i);
    assert_step(cur, PREV, N_ORDERED);
    assert_step(cur, PREV, N_ORDERED);
    assert_step(cur, NEXT, 0);
    prov_cursor_free(cur);
    cur = scan(txn);
    assert_step(cur, PREV, N_ORDERED - 1);
    assert_step(cur, PREV, N_ORDERED - 2);
    assert_step(cur, NEXT, N_ORDERED - 1);
    prov_cursor_free(cur);
    prov_txn_abort(txn);
}

static void seek_finds_the_first_key_not_less(void **state)
{
    struct case_fixture *f = *state;
    uint8_t long_a[600], long_ff[600];
    const struct {
        struct prov_span key;
        size_t row;
    } rows[] = {
        { { NULL, 0 }, 0 },
        { PROV_LIT("\0"), 0 },
        { PROV_LIT("\0\0\0"), 2 },
        { PROV_LIT("a"), 2 },
        { PROV_LIT("a\0"), 3 },
        { PROV_LIT("a\1"), 4 },
        { PROV_LIT("aaa"), 5 },
        { PROV_LIT("c"), 7 },
        { PROV_LIT("\xff"), 9 },
        { PROV_LIT("\xff\xff"), 10 },
        { PROV_LIT("\xff\xff\0"), N_ORDERED },
        { { long_a, PROV_STORE_KEY_MAX }, 5 },
        { { long_a, PROV_STORE_KEY_MAX + 1 }, 5 },
        { { long_a, sizeof long_a }, 5 },
        { { long_ff, sizeof long_ff }, N_ORDERED },
    };
    struct prov_txn *txn;
    struct prov_cursor *cur;
    struct prov_span key, value;

    memset(long_a, 'a', sizeof long_a);
    memset(long_ff, 0xff, sizeof long_ff);
    fill_ordered(f->st);
    txn = case_begin(f->st, PROV_TXN_READ, NULL);
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        const size_t row = rows[i].row;

        cur = scan(txn);
        assert_int_equal(prov_cursor_seek(cur, rows[i].key, &key, &value),
                         row == N_ORDERED ? PROV_ENOTFOUND : PROV_OK);
        if (row < N_ORDERED)
            assert_true(prov_span_eq(key, ordered[row]));
        assert_step(cur, PREV, row == 0 ? N_ORDERED : row - 1);
        assert_step(cur, NEXT, row == 0 ? 0 : row);
        prov_cursor_free(cur);
    }
    prov_txn_abort(txn);
}

/* A key as long as keys can be sorts before a longer text that starts with it. */
static void seek_beyond_the_longest_key_passes_it(void **state)
{
    struct case_fixture *f = *state;
    uint8_t bytes[PROV_STORE_KEY_MAX + 100];
    struct prov_txn *txn = case_begin(f->st, PROV_TXN_WRITE, NULL);
    struct prov_cursor *cur;
    struct prov_span key, value;

    memset(bytes, 'k', sizeof bytes);
    assert_int_equal(
        prov_txn_put(txn, RED, prov_span(bytes, PROV_STORE_KEY_MAX), PROV_LIT("longest")), PROV_OK);
    case_put(txn, "z", "last");
    case_commit(txn);
    txn = case_begin(f->st, PROV_TXN_READ, NULL);
    cur = scan(txn);
    assert_int_equal(prov_cursor_seek(cur, prov_span(bytes, PROV_STORE_KEY_MAX), &key, &value),
                     PROV_OK);
    assert_true(prov_span_eq_str(value, "longest"));
    assert_int_equal(prov_cursor_seek(cur, prov_span(bytes, sizeof bytes), &key, &value), PROV_OK);
    assert_true(prov_span_eq_str(value, "last"));
    prov_cursor_free(cur);
    prov_txn_abort(txn);
}

static void scan_of_an_empty_table_finds_nothing(void **state)
{
    struct case_fixture *f = *state;
    struct prov_txn *txn = case_begin(f->st, PROV_TXN_READ, NULL);
    struct prov_cursor *cur = scan(txn);
    struct prov_span key, value;

    assert_step(cur, NEXT, N_ORDERED);
    assert_step(cur, PREV, N_ORDERED);
    assert_step(cur, NEXT, N_ORDERED);
    assert_int_equal(prov_cursor_seek(cur, PROV_LIT("a"), &key, &value), PROV_ENOTFOUND);
    assert_int_equal(prov_cursor_seek(cur, prov_span(NULL, 0), &key, &value), PROV_ENOTFOUND);
    assert_step(cur, PREV, N_ORDERED);
    prov_cursor_free(cur);
    prov_txn_abort(txn);
}

static void scan_in_a_write_transaction_sees_its_changes(void **state)
{
    struct case_fixture *f = *state;
    struct prov_txn *txn;
    struct prov_cursor *cur;
    struct prov_span key, value;

    case_put_now(f->st, "a", "1");
    txn = case_begin(f->st, PROV_TXN_WRITE, NULL);
    case_put(txn, "b", "2");
    assert_int_equal(prov_txn_del(txn, RED, PROV_LIT("a")), PROV_OK);
    cur = scan(txn);
    assert_int_equal(prov_cursor_next(cur, &key, &value), PROV_OK);
    assert_true(prov_span_eq_str(key, "b"));
    assert_int_equal(prov_cursor_next(cur, &key, &value), PROV_ENOTFOUND);
    case_put(txn, "c", "3");
    assert_int_equal(prov_cursor_seek(cur, PROV_LIT("c"), &key, &value), PROV_OK);
    assert_true(prov_span_eq_str(value, "3"));
    prov_cursor_free(cur);
    case_commit(txn);
}

/* ---- transactions ---------------------------------------------------------------------------- */

static void reader_sees_the_last_commit_before_it_began(void **state)
{
    struct case_fixture *f = *state;
    struct prov_txn *before, *writer, *during, *after;
    struct prov_cursor *cur;
    struct prov_span key, value;

    case_put_now(f->st, "a", "old");
    case_put_now(f->st, "b", "old");
    before = case_begin(f->st, PROV_TXN_READ, NULL);
    cur = scan(before);
    assert_int_equal(prov_cursor_next(cur, &key, &value), PROV_OK);
    writer = case_begin(f->st, PROV_TXN_WRITE, NULL);
    case_put(writer, "a", "new");
    assert_int_equal(prov_txn_del(writer, RED, PROV_LIT("b")), PROV_OK);
    during = case_begin(f->st, PROV_TXN_READ, NULL);
    case_value(during, "a", "old");
    case_commit(writer);
    after = case_begin(f->st, PROV_TXN_READ, NULL);

    assert_true(prov_span_eq_str(value, "old")); /* got before the commit, alive after it */
    assert_int_equal(prov_cursor_next(cur, &key, &value), PROV_OK);
    assert_true(prov_span_eq_str(key, "b"));
    case_value(before, "a", "old");
    case_value(during, "b", "old");
    case_value(after, "a", "new");
    case_value(after, "b", NULL);
    prov_cursor_free(cur);
    prov_txn_abort(before);
    case_commit(during); /* a reader may end either way */
    prov_txn_abort(after);
}

static void aborted_transaction_leaves_nothing(void **state)
{
    struct case_fixture *f = *state;
    struct prov_txn *txn;

    case_put_now(f->st, "a", "1");
    txn = case_begin(f->st, PROV_TXN_WRITE, NULL);
    case_put(txn, "a", "2");
    case_put(txn, "b", "2");
    prov_txn_abort(txn);
    case_stored(f->st, "a", "1");
    case_stored(f->st, "b", NULL);
    prov_txn_abort(NULL);
}

static void aborted_child_undoes_only_itself(void **state)
{
    struct case_fixture *f = *state;
    struct prov_txn *parent, *child;

    case_put_now(f->st, "old", "1");
    parent = case_begin(f->st, PROV_TXN_WRITE, NULL);
    case_put(parent, "before", "1");
    child = case_begin(f->st, PROV_TXN_WRITE, parent);
    case_value(child, "before", "1");
    case_put(child, "before", "changed");
    case_put(child, "in", "1");
    assert_int_equal(prov_txn_del(child, RED, PROV_LIT("old")), PROV_OK);
    prov_txn_abort(child);
    case_value(parent, "in", NULL);
    case_value(parent, "before", "1");
    case_value(parent, "old", "1");
    case_put(parent, "after", "1");
    case_commit(parent);
    case_stored(f->st, "before", "1");
    case_stored(f->st, "in", NULL);
    case_stored(f->st, "old", "1");
    case_stored(f->st, "after", "1");
}

static void committed_child_lasts_if_its_parent_does(void **state)
{
    struct case_fixture *f = *state;
    struct prov_txn *parent, *child, *grandchild;

    parent = case_begin(f->st, PROV_TXN_WRITE, NULL);
    child = case_begin(f->st, PROV_TXN_WRITE, parent);
    case_put(child, "lost", "1");
    case_commit(child);
    case_value(parent, "lost", "1");
    prov_txn_abort(parent);
    case_stored(f->st, "lost", NULL);

    parent = case_begin(f->st, PROV_TXN_WRITE, NULL);
    child = case_begin(f->st, PROV_TXN_WRITE, parent);
    case_put(child, "kept", "1");
    grandchild = case_begin(f->st, PROV_TXN_WRITE, child);
    case_put(grandchild, "kept too", "1");
    case_commit(grandchild);
    grandchild = case_begin(f->st, PROV_TXN_WRITE, child);
    case_put(grandchild, "undone", "1");
    prov_txn_abort(grandchild);
    case_commit(child);
    case_commit(parent);
    case_stored(f->st, "kept", "1");
    case_stored(f->st, "kept too", "1");
    case_stored(f->st, "undone", NULL);
}

static void many_children_in_one_commit_are_each_their_own(void **state)
{
    struct case_fixture *f = *state;
    struct prov_txn *parent = case_begin(f->st, PROV_TXN_WRITE, NULL), *child;
    char key[16];

    for (int i = 0; i < 300; i++) {
        (void)snprintf(key, sizeof key, "k%03d", i);
        child = case_begin(f->st, PROV_TXN_WRITE, parent);
        case_put(child, key, key);
        if (i % 3 == 0)
            prov_txn_abort(child);
        else
            case_commit(child);
    }
    case_commit(parent);
    assert_int_equal(case_count(f->st, RED), 200);
    case_stored(f->st, "k000", NULL);
    case_stored(f->st, "k001", "k001");
}

static void parent_is_not_usable_while_a_child_is_open(void **state)
{
    struct case_fixture *f = *state;
    struct prov_txn *parent, *child, *other;
    struct prov_span got;
    uint64_t n;

    parent = case_begin(f->st, PROV_TXN_WRITE, NULL);
    child = case_begin(f->st, PROV_TXN_WRITE, parent);
    assert_int_equal(prov_txn_put(parent, RED, PROV_LIT("a"), PROV_LIT("1")), PROV_EBUG);
    assert_int_equal(prov_txn_get(parent, RED, PROV_LIT("a"), &got), PROV_EBUG);
    assert_int_equal(prov_txn_count(parent, RED, &n), PROV_EBUG);
    assert_int_equal(prov_txn_begin(f->st, PROV_TXN_WRITE, parent, &other), PROV_EBUG);
    case_put(child, "a", "1");
    case_commit(child);
    case_commit(parent);
    case_stored(f->st, "a", "1");

    parent = case_begin(f->st, PROV_TXN_WRITE, NULL);
    child = case_begin(f->st, PROV_TXN_WRITE, parent);
    case_put(child, "b", "1");
    assert_int_equal(prov_txn_commit(parent), PROV_EBUG); /* both are gone */
    case_stored(f->st, "b", NULL);

    parent = case_begin(f->st, PROV_TXN_WRITE, NULL);
    child = case_begin(f->st, PROV_TXN_WRITE, parent);
    child = case_begin(f->st, PROV_TXN_WRITE, child);
    case_put(child, "c", "1");
    prov_txn_abort(parent); /* all three */
    case_stored(f->st, "c", NULL);
}

static void reader_can_neither_write_nor_nest(void **state)
{
    struct case_fixture *f = *state;
    struct prov_txn *reader = case_begin(f->st, PROV_TXN_READ, NULL), *other, *writer;

    assert_int_equal(prov_txn_put(reader, RED, PROV_LIT("a"), PROV_LIT("1")), PROV_EBUG);
    assert_int_equal(prov_txn_del(reader, RED, PROV_LIT("a")), PROV_EBUG);
    assert_int_equal(prov_txn_begin(f->st, PROV_TXN_WRITE, reader, &other), PROV_EBUG);
    assert_int_equal(prov_txn_begin(f->st, PROV_TXN_READ, reader, &other), PROV_EBUG);
    writer = case_begin(f->st, PROV_TXN_WRITE, NULL);
    assert_int_equal(prov_txn_begin(f->st, PROV_TXN_READ, writer, &other), PROV_EBUG);
    prov_txn_abort(writer);
    prov_txn_abort(reader);
    case_stored(f->st, "a", NULL);
}

static void table_that_is_not_there_is_a_mistake_of_ours(void **state)
{
    struct case_fixture *f = *state;
    struct prov_txn *txn = case_begin(f->st, PROV_TXN_READ, NULL);
    struct prov_cursor *cur;
    struct prov_span got;
    uint64_t n;

    assert_int_equal(prov_txn_get(txn, TABLES, PROV_LIT("a"), &got), PROV_EBUG);
    assert_int_equal(prov_txn_scan(txn, TABLES, &cur), PROV_EBUG);
    assert_int_equal(prov_txn_count(txn, TABLES, &n), PROV_EBUG);
    assert_true(strlen(prov_store_why(f->st)) > 0);
    prov_txn_abort(txn);
}

static void version_moves_with_each_commit_and_nothing_else(void **state)
{
    struct case_fixture *f = *state;
    uint64_t before = prov_store_version(f->st);
    struct prov_txn *txn;

    for (int i = 0; i < 5; i++) {
        case_put_now(f->st, "a", i % 2 == 0 ? "x" : "y");
        assert_true(prov_store_version(f->st) > before);
        before = prov_store_version(f->st);
    }
    txn = case_begin(f->st, PROV_TXN_WRITE, NULL);
    case_put(txn, "a", "aborted");
    assert_true(prov_store_version(f->st) == before);
    prov_txn_abort(txn);
    case_stored(f->st, "a", "x");
    assert_true(prov_store_version(f->st) == before);
}

static void usage_grows_with_what_is_stored(void **state)
{
    struct case_fixture *f = *state;
    uint64_t used, more, max;
    struct prov_txn *txn;
    char key[16];

    assert_int_equal(prov_store_usage(f->st, &used, &max), PROV_OK);
    txn = case_begin(f->st, PROV_TXN_WRITE, NULL);
    for (int i = 0; i < 2000; i++) {
        (void)snprintf(key, sizeof key, "key-%d", i);
        case_put(txn, key, "a value of some length, so that pages fill");
    }
    case_commit(txn);
    assert_int_equal(prov_store_usage(f->st, &more, &max), PROV_OK);
    assert_true(more > used + 2000 * 42);
    txn = case_begin(f->st, PROV_TXN_WRITE, NULL);
    for (int i = 0; i < 2000; i++) {
        (void)snprintf(key, sizeof key, "key-%d", i);
        assert_int_equal(prov_txn_del(txn, RED, prov_span_str(key)), PROV_OK);
    }
    case_commit(txn);
    assert_int_equal(prov_store_usage(f->st, &used, &max), PROV_OK);
    assert_true(used < more / 2);
}

int main(void)
{
#define ON(f, backend)                                                                             \
    {                                                                                              \
#f " (" #backend ")", f, case_set_up, case_tear_down, (void *)(uintptr_t) & (backend)      \
    }
#define EACH(f) ON(f, case_mem), ON(f, case_lmdb)
    const struct CMUnitTest tests[] = {
        EACH(value_that_was_put_is_got_back),
        EACH(tables_do_not_see_each_other),
        EACH(add_refuses_a_key_that_is_there),
        EACH(deleted_key_is_gone_and_a_missing_one_is_not_found),
        EACH(key_that_is_empty_or_too_long_harms_nothing),
        EACH(large_values_are_kept_whole),
        EACH(scan_goes_in_key_order_both_ways),
        EACH(seek_finds_the_first_key_not_less),
        EACH(seek_beyond_the_longest_key_passes_it),
        EACH(scan_of_an_empty_table_finds_nothing),
        EACH(scan_in_a_write_transaction_sees_its_changes),
        EACH(reader_sees_the_last_commit_before_it_began),
        EACH(aborted_transaction_leaves_nothing),
        EACH(aborted_child_undoes_only_itself),
        EACH(committed_child_lasts_if_its_parent_does),
        EACH(many_children_in_one_commit_are_each_their_own),
        EACH(parent_is_not_usable_while_a_child_is_open),
        EACH(reader_can_neither_write_nor_nest),
        EACH(table_that_is_not_there_is_a_mistake_of_ours),
        EACH(version_moves_with_each_commit_and_nothing_else),
        EACH(usage_grows_with_what_is_stored),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
