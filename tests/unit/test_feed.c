/* The change feed (design D7). What each operation appends is asserted where the operation is
 * tested. */
#include "support/reg_fixture.h"

#include "core/feed.h"
#include "core/reg.h"
#include "support/alloc.h"

struct seen {
    uint64_t seq[8];
    enum prov_change kind[8];
    char key[8][PROV_MAX_NAME + 1];
    int64_t at_ms[8];
    unsigned n;
};

static void note(void *ctx, const struct prov_change_entry *entry)
{
    struct seen *s = ctx;

    assert_true(s->n < 8);
    s->seq[s->n] = entry->seq;
    s->kind[s->n] = entry->kind;
    s->at_ms[s->n] = entry->at_ms;
    (void)prov_span_copy(entry->key, s->key[s->n], sizeof s->key[s->n]);
    s->n++;
}

static struct seen read_after(struct reg *r, uint64_t after, bool expect_missed)
{
    struct seen s = { .n = 0 };
    bool missed = !expect_missed;

    reg_ok(r, prov_feed_read(&r->tx, after, &missed, note, &s));
    assert_int_equal(missed, expect_missed);
    return s;
}

static uint64_t last(struct reg *r)
{
    uint64_t seq = 77;

    reg_ok(r, prov_feed_last(&r->tx, &seq));
    return seq;
}

static void append(struct reg *r, const char *name)
{
    reg_ok(r, prov_feed_append(&r->tx, PROV_CHANGED_THING, S(name)));
}

static void new_feed_is_empty(void **state)
{
    struct reg *r = *state;

    assert_int_equal(last(r), 0);
    assert_int_equal(read_after(r, 0, false).n, 0);
}

static void entries_are_numbered_from_one_and_read_in_order(void **state)
{
    struct reg *r = *state;
    struct seen s;

    append(r, "a");
    reg_at(r, 5);
    reg_ok(r, prov_feed_append(&r->tx, PROV_CHANGED_SETTINGS, NONE));
    reg_commit(r);
    reg_at(r, 2); /* a clock that steps back does not change the order */
    append(r, "c");
    assert_int_equal(last(r), 3);
    s = read_after(r, 0, false);
    assert_int_equal(s.n, 3);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(s.seq[i], i + 1);
    assert_int_equal(s.kind[0], PROV_CHANGED_THING);
    assert_int_equal(s.kind[1], PROV_CHANGED_SETTINGS);
    assert_string_equal(s.key[0], "a");
    assert_string_equal(s.key[1], "");
    assert_string_equal(s.key[2], "c");
    assert_int_equal(s.at_ms[0], REG_T0 * 1000);
    assert_int_equal(s.at_ms[1], (REG_T0 + 5) * 1000);
    assert_int_equal(s.at_ms[2], (REG_T0 + 2) * 1000);
}

static void reader_gets_what_is_new_to_it(void **state)
{
    struct reg *r = *state;
    struct seen s;

    append(r, "a");
    append(r, "b");
    append(r, "c");
    s = read_after(r, 1, false);
    assert_int_equal(s.n, 2);
    assert_string_equal(s.key[0], "b");
    assert_int_equal(read_after(r, 3, false).n, 0);
}

static void aborted_change_is_not_in_the_feed(void **state)
{
    struct reg *r = *state;

    append(r, "a");
    reg_commit(r);
    append(r, "b");
    reg_abort(r);
    assert_int_equal(last(r), 1);
    append(r, "c");
    assert_string_equal(read_after(r, 1, false).key[0], "c");
    assert_int_equal(last(r), 2);
}

/* Another store in this one's place, for instance a backup: its numbers say nothing. */
static void reader_ahead_of_the_feed_has_missed_something(void **state)
{
    struct reg *r = *state;

    (void)read_after(r, 1, true);
    append(r, "a");
    (void)read_after(r, 1, false);
    (void)read_after(r, 2, true);
    (void)read_after(r, UINT64_MAX, true);
}

static void plant(struct reg *r, uint64_t seq, struct prov_span value)
{
    uint8_t be[8];

    reg_be64(seq, be);
    reg_ok(r, reg_put_bytes(&r->tx, REG_FEED, prov_span(be, 8), value));
}

static void oldest_entries_are_forgotten_beyond_the_limit(void **state)
{
    struct reg *r = *state;
    struct seen s;

    /* a feed that is one entry short of full; those between do not matter */
    append(r, "first");
    append(r, "second");
    append(r, "third");
    plant(r, PROV_MAX_FEED - 1, PROV_LIT("\x01\x01\x03"));
    append(r, "full");
    assert_int_equal(last(r), PROV_MAX_FEED);
    assert_string_equal(read_after(r, 0, false).key[0], "first");
    append(r, "over");
    s = read_after(r, 0, true);
    assert_int_equal(s.n, 0);
    s = read_after(r, 1, false);
    assert_string_equal(s.key[0], "second");
    assert_string_equal(s.key[s.n - 1], "over");
    append(r, "over again");
    (void)read_after(r, 1, true);
    assert_string_equal(read_after(r, 2, false).key[0], "third");
}

static void damaged_entry_counts_as_missed(void **state)
{
    struct reg *r = *state;

    append(r, "a");
    plant(r, 2, PROV_LIT("\x01"));
    append(r, "c");
    (void)read_after(r, 0, true);
    (void)read_after(r, 1, true);
    assert_string_equal(read_after(r, 2, false).key[0], "c");
}

static enum prov_rc append_two(struct reg *r, void *ctx)
{
    enum prov_rc rc;

    (void)ctx;
    rc = prov_feed_append(&r->tx, PROV_CHANGED_THING, S("x"));
    return rc != PROV_OK ? rc : prov_feed_append(&r->tx, PROV_CHANGED_SETTINGS, NONE);
}

static void failed_append_leaves_nothing_behind(void **state)
{
    struct reg *r = *state;

    append(r, "a");
    append(r, "b");
    plant(r, PROV_MAX_FEED, PROV_LIT("\x01\x01\x03"));
    assert_true(reg_each_allocation(r, append_two, NULL) > 3);
    if (!r->lmdb)
        assert_int_equal(reg_each_write(r, append_two, NULL), 4);
}

static enum prov_rc read_all(struct reg *r, void *ctx)
{
    struct seen s = { .n = 0 };
    bool missed;
    enum prov_rc rc;

    (void)ctx;
    rc = prov_feed_read(&r->tx, 0, &missed, note, &s);
    if (rc == PROV_OK)
        assert_true(!missed && s.n == 2);
    return rc;
}

static void reading_without_memory_is_an_error_and_nothing_missed(void **state)
{
    struct reg *r = *state;

    append(r, "a");
    append(r, "b");
    assert_true(reg_each_allocation(r, read_all, NULL) > 2);
}

static const struct CMUnitTest feed[] = {
    REG_TEST(new_feed_is_empty),
    REG_TEST(entries_are_numbered_from_one_and_read_in_order),
    REG_TEST(reader_gets_what_is_new_to_it),
    REG_TEST(aborted_change_is_not_in_the_feed),
    REG_TEST(reader_ahead_of_the_feed_has_missed_something),
    REG_TEST(oldest_entries_are_forgotten_beyond_the_limit),
    REG_TEST(damaged_entry_counts_as_missed),
    REG_TEST(failed_append_leaves_nothing_behind),
    REG_TEST(reading_without_memory_is_an_error_and_nothing_missed),
};
REG_MAIN(feed)
