/* The attempt log (design D11). */
#include "support/reg_fixture.h"

#include "core/attempt.h"
#include "core/reg.h"
#include "support/alloc.h"

static void ids_grow_with_time_and_when_the_clock_steps_back(void **state)
{
    prov_attempt_id a, b, c, d;

    (void)state;
    a = prov_attempt_next_id(0, REG_T0 * 1000);
    b = prov_attempt_next_id(a, REG_T0 * 1000);
    c = prov_attempt_next_id(b, REG_T0 * 1000 - 3600000);
    d = prov_attempt_next_id(c, REG_T0 * 1000 + 1);
    assert_true(a > 0 && b > a && c > b && d > c);
    assert_int_equal(d >> 20, REG_T0 * 1000 + 1);
    assert_int_equal(c >> 20, REG_T0 * 1000);
    assert_int_equal(prov_attempt_next_id(0, 0), 1);
    assert_int_equal(prov_attempt_next_id(0, -5), 1);
    assert_int_equal(prov_attempt_next_id(7, -5), 8);
}

static void very_many_ids_in_one_millisecond_go_on_into_the_next(void **state)
{
    const prov_attempt_id first = prov_attempt_next_id(0, 1000);
    prov_attempt_id id = first;

    (void)state;
    for (int i = 0; i < (1 << 20) + 5; i++)
        id = prov_attempt_next_id(id, 1000);
    assert_int_equal(id, first + (1 << 20) + 5);
    assert_true(prov_attempt_next_id(id, 1001) == id + 1);
}

static void id_is_shown_as_sixteen_hex_digits(void **state)
{
    char text[PROV_ATTEMPT_HEX + 1];

    (void)state;
    prov_attempt_id_text(0, text);
    assert_string_equal(text, "0000000000000000");
    prov_attempt_id_text(UINT64_MAX, text);
    assert_string_equal(text, "ffffffffffffffff");
    prov_attempt_id_text(0x123456789abcdef0, text);
    assert_string_equal(text, "123456789abcdef0");
}

static void put(struct reg *r, prov_attempt_id id, const char *client)
{
    const struct prov_attempt attempt = { .id = id, .client_id = S(client) };

    reg_ok(r, prov_attempt_put(&r->tx, &attempt));
}

/* "c b a": the client ids, newest first, at most `want`. */
struct told {
    char text[128];
    unsigned want;
};

static bool tell(void *ctx, const struct prov_attempt *attempt)
{
    struct told *t = ctx;
    const size_t n = strlen(t->text);

    (void)snprintf(t->text + n, sizeof t->text - n, "%s%.*s", n != 0 ? " " : "",
                   PROV_SPAN_ARG(attempt->client_id));
    return --t->want != 0;
}

static const char *newest(struct reg *r, struct told *t, unsigned want)
{
    *t = (struct told){ .want = want };
    reg_ok(r, prov_attempt_each(&r->tx, tell, t));
    return t->text;
}

static void attempts_are_told_newest_first(void **state)
{
    struct reg *r = *state;
    struct told t;

    assert_string_equal(newest(r, &t, 9), "");
    put(r, 10, "a");
    put(r, 30, "c");
    put(r, 20, "b");
    reg_commit(r);
    assert_string_equal(newest(r, &t, 9), "c b a");
    assert_string_equal(newest(r, &t, 2), "c b");
    put(r, 20, "B"); /* the same attempt, written again */
    assert_string_equal(newest(r, &t, 9), "c B a");
    assert_string_equal(reg_feed(r), ""); /* changes nothing of the registry */
}

static bool same(void *ctx, const struct prov_attempt *got)
{
    const struct prov_attempt *put = ctx;

    assert_true(got->id == put->id);
    assert_int_equal(got->at_ms, (int64_t)(put->id >> 20));
    assert_int_equal(got->reason, put->reason);
    assert_int_equal(got->repeats, put->repeats);
    assert_id(&got->cert, &put->cert);
    assert_id(&got->ca, &put->ca);
    assert_true(prov_span_eq(got->client_id, put->client_id));
    assert_true(prov_span_eq(got->address, put->address));
    assert_true(prov_span_eq(got->common_name, put->common_name));
    assert_true(prov_span_eq(got->detail, put->detail));
    return true;
}

static void attempt_comes_back_as_it_was_put(void **state)
{
    struct reg *r = *state;
    struct prov_attempt attempt = { .id = prov_attempt_next_id(0, REG_T0 * 1000),
                                    .reason = PROV_REASON_TEMPLATE_FAILED,
                                    .cert = { { 1 } },
                                    .ca = { { 2 } },
                                    .client_id = S("dev-1"),
                                    .address = S("10.0.0.1"),
                                    .common_name = S("Device 1"),
                                    .detail = S("Resources.t: no such group"),
                                    .repeats = UINT32_MAX };
    const struct prov_attempt empty = { .id = UINT64_MAX };

    reg_ok(r, prov_attempt_put(&r->tx, &attempt));
    reg_commit(r);
    reg_ok(r, prov_attempt_each(&r->tx, same, &attempt));
    reg_abort(r);
    reg_ok(r, reg_del(&r->tx, REG_ATTEMPT, NONE));
    reg_ok(r, prov_attempt_put(&r->tx, &empty));
    reg_ok(r, prov_attempt_each(&r->tx, tell, &(struct told){ .want = 1 }));
}

struct lengths {
    size_t client_id, address, common_name, detail;
};

static bool measure(void *ctx, const struct prov_attempt *attempt)
{
    struct lengths *l = ctx;

    *l = (struct lengths){ attempt->client_id.n, attempt->address.n, attempt->common_name.n,
                           attempt->detail.n };
    assert_true(prov_utf8_valid(attempt->detail));
    return false;
}

static void long_texts_are_cut_and_not_within_a_character(void **state)
{
    struct reg *r = *state;
    char plain[REG_TEXT_MAX + 1], odd[REG_TEXT_MAX + 2] = "x";
    struct prov_attempt attempt = { .id = 1 };
    struct lengths l;

    memset(plain, 'p', sizeof plain);
    for (size_t i = 1; i + 3 < sizeof odd; i += 4) /* four bytes each: the limit is in the last */
        memcpy(odd + i, "\xf0\x9f\x92\xa1", 4);
    odd[sizeof odd - 1] = '\0';
    attempt.client_id = prov_span(plain, REG_TEXT_MAX);
    attempt.address = prov_span(plain, REG_TEXT_MAX + 1);
    attempt.common_name = prov_span("\x80\x80\x80", 3);
    attempt.detail = prov_span(odd, REG_TEXT_MAX + 1);
    reg_ok(r, prov_attempt_put(&r->tx, &attempt));
    reg_ok(r, prov_attempt_each(&r->tx, measure, &l));
    assert_int_equal(l.client_id, REG_TEXT_MAX);
    assert_int_equal(l.address, REG_TEXT_MAX);
    assert_int_equal(l.common_name, 3);
    assert_int_equal(l.detail, 1 + 4 * ((REG_TEXT_MAX - 1) / 4));
}

static void bytes_that_are_no_text_are_cut_too(void **state)
{
    uint8_t garbage[REG_TEXT_MAX + 10];
    struct reg *r = *state;
    struct prov_attempt attempt = { .id = 1 };
    struct lengths l;

    memset(garbage, 0x80, sizeof garbage);
    attempt.client_id = prov_span(garbage, sizeof garbage);
    reg_ok(r, prov_attempt_put(&r->tx, &attempt));
    reg_ok(r, prov_attempt_each(&r->tx, measure, &l));
    assert_true(l.client_id <= REG_TEXT_MAX && l.client_id >= REG_TEXT_MAX - 3);
}

static void oldest_attempts_are_forgotten_beyond_the_limit(void **state)
{
    struct reg *r = *state;
    struct told t;
    uint64_t n;
    uint8_t be[8];

    put(r, 1, "oldest");
    put(r, 2, "older");
    for (uint64_t id = 3; id < PROV_MAX_ATTEMPTS; id++) {
        reg_be64(id, be);
        reg_ok(r, reg_put_bytes(&r->tx, REG_ATTEMPT, prov_span(be, 8), PROV_LIT("\x04\x01-")));
    }
    put(r, PROV_MAX_ATTEMPTS, "full");
    assert_int_equal(reg_exists(&r->tx, REG_ATTEMPT, PROV_LIT("\0\0\0\0\0\0\0\1")), PROV_OK);
    put(r, PROV_MAX_ATTEMPTS + 1, "over");
    assert_int_equal(reg_exists(&r->tx, REG_ATTEMPT, PROV_LIT("\0\0\0\0\0\0\0\1")), PROV_ENOTFOUND);
    assert_int_equal(reg_exists(&r->tx, REG_ATTEMPT, PROV_LIT("\0\0\0\0\0\0\0\2")), PROV_OK);
    put(r, PROV_MAX_ATTEMPTS + 1, "over again"); /* the same id: none is forgotten for it */
    assert_int_equal(reg_exists(&r->tx, REG_ATTEMPT, PROV_LIT("\0\0\0\0\0\0\0\2")), PROV_OK);
    assert_int_equal(prov_txn_count(r->tx.txn, REG_ATTEMPT, &n), PROV_OK);
    assert_int_equal(n, PROV_MAX_ATTEMPTS);
    assert_string_equal(newest(r, &t, 2), "over again full");
}

static void damaged_attempt_is_passed_over(void **state)
{
    struct reg *r = *state;
    struct told t;

    put(r, 1, "a");
    put(r, 3, "c");
    reg_ok(r, reg_put_bytes(&r->tx, REG_ATTEMPT, PROV_LIT("\0\0\0\0\0\0\0\2"), PROV_LIT("\x01")));
    reg_ok(r, reg_put_bytes(&r->tx, REG_ATTEMPT, PROV_LIT("\xff"), NONE));
    assert_string_equal(newest(r, &t, 9), "c a");
    assert_non_null(strstr(reg_problems(r), "attempt"));
}

static enum prov_rc put_one(struct reg *r, void *ctx)
{
    const struct prov_attempt attempt = { .id = 5, .client_id = S("x") };

    (void)ctx;
    return prov_attempt_put(&r->tx, &attempt);
}

static void failed_put_leaves_nothing_behind(void **state)
{
    struct reg *r = *state;

    put(r, 1, "a");
    assert_true(reg_each_allocation(r, put_one, NULL) > 1);
    if (!r->lmdb)
        assert_int_equal(reg_each_write(r, put_one, NULL), 1);
}

static enum prov_rc tell_all(struct reg *r, void *ctx)
{
    struct told t = { .want = 9 };
    const enum prov_rc rc = prov_attempt_each(&r->tx, tell, &t);

    (void)ctx;
    if (rc == PROV_OK)
        assert_string_equal(t.text, "b a");
    return rc;
}

static void telling_without_memory_is_an_error(void **state)
{
    struct reg *r = *state;

    put(r, 1, "a");
    put(r, 2, "b");
    assert_true(reg_each_allocation(r, tell_all, NULL) > 0);
}

static const struct CMUnitTest attempt[] = {
    REG_TEST(ids_grow_with_time_and_when_the_clock_steps_back),
    REG_TEST(very_many_ids_in_one_millisecond_go_on_into_the_next),
    REG_TEST(id_is_shown_as_sixteen_hex_digits),
    REG_TEST(attempts_are_told_newest_first),
    REG_TEST(attempt_comes_back_as_it_was_put),
    REG_TEST(long_texts_are_cut_and_not_within_a_character),
    REG_TEST(bytes_that_are_no_text_are_cut_too),
    REG_TEST(oldest_attempts_are_forgotten_beyond_the_limit),
    REG_TEST(damaged_attempt_is_passed_over),
    REG_TEST(failed_put_leaves_nothing_behind),
    REG_TEST(telling_without_memory_is_an_error),
};
REG_MAIN(attempt)
