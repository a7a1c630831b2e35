#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "device-agent/core/retry.h"

#define LOWEST 0U
#define HIGHEST UINT32_MAX
#define MINUTE 60000U
#define HOUR (60 * MINUTE)

/* The longest wait after a failure. */
static uint32_t longest(struct agent_retry *retry, enum agent_class class, bool established)
{
    return agent_retry_failed(retry, class, established, HIGHEST);
}

static void every_schedule_is_in_order_and_spreads(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2 * AGENT_CLASSES; i++) {
        const enum agent_class class = (enum agent_class)(i / 2);
        const struct agent_schedule *row = agent_retry_schedule(class, i % 2 != 0);

        assert_true(row->floor_s * 1000U < row->base_s * 1000U);
        assert_true(row->base_s * 1000U <= row->cap_s * 1000U);
        assert_true(row->cap_s * 1000U <= 6 * HOUR);
        assert_true(row->floor_s * 1000U > 0 || class == AGENT_OK);
    }
}

static void waits_grow_from_base_to_cap_and_never_leave_floor_and_cap(void **state)
{
    (void)state;
    for (unsigned i = 2; i < 2 * AGENT_CLASSES; i++) {
        const enum agent_class class = (enum agent_class)(i / 2);
        const bool established = i % 2 != 0;
        const struct agent_schedule *row = agent_retry_schedule(class, established);
        struct agent_retry retry = { { 0 } };
        uint64_t bound = row->base_s * 1000U;

        for (unsigned n = 1; n < 70000; n++) {
            struct agent_retry same = retry;

            assert_int_equal(longest(&retry, class, established), bound);
            assert_int_equal(agent_retry_failed(&same, class, established, LOWEST),
                             row->floor_s * 1000U);
            assert_int_equal(retry.attempts[class], n < UINT16_MAX ? n : UINT16_MAX);
            bound = bound * 2 < row->cap_s * 1000U ? bound * 2 : row->cap_s * 1000U;
        }
    }
}

/* Sixteen equal shares of the randomness reach sixteen equal shares of the wait. */
static void waits_are_spread_evenly(void **state)
{
    const struct agent_schedule *row = agent_retry_schedule(AGENT_REFUSED, false);
    const uint32_t share = (row->base_s * 1000U - row->floor_s * 1000U + 1) / 16;
    (void)state;

    for (uint32_t i = 0; i < 16; i++) {
        struct agent_retry retry = { { 0 } };
        const uint32_t wait =
            agent_retry_failed(&retry, AGENT_REFUSED, false, (i << 28) + (1U << 27));
        const uint32_t low = row->floor_s * 1000U + i * share;

        assert_in_range(wait, low, low + share);
    }
}

static void each_class_has_its_own_count(void **state)
{
    struct agent_retry retry = { { 0 } };
    (void)state;

    for (int i = 0; i < 5; i++)
        (void)longest(&retry, AGENT_NETWORK, false);
    assert_int_equal(longest(&retry, AGENT_BUSY, false),
                     agent_retry_schedule(AGENT_BUSY, false)->base_s * 1000U);
    assert_int_equal(retry.attempts[AGENT_NETWORK], 5);
    assert_int_equal(retry.attempts[AGENT_BUSY], 1);
}

static void established_devices_have_another_schedule(void **state)
{
    static const struct {
        enum agent_class class;
        uint32_t first_ms, established_ms;
    } rows[] = {
        { AGENT_NETWORK, 5 * MINUTE, 2 * MINUTE }, { AGENT_REFUSED, 6 * HOUR, HOUR },
        { AGENT_TOKEN, 10 * MINUTE, HOUR },        { AGENT_TRUST, HOUR, 15 * MINUTE },
        { AGENT_CLOCK, MINUTE, MINUTE },
    };
    (void)state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct agent_retry retry = { { 0 } };

        retry.attempts[rows[i].class] = 1000;
        assert_int_equal(longest(&retry, rows[i].class, false), rows[i].first_ms);
        assert_int_equal(longest(&retry, rows[i].class, true), rows[i].established_ms);
    }
}

/* JITP drops the first connection: six tries within three minutes, but not for ever. */
static void a_first_contact_is_tried_quickly_and_not_for_ever(void **state)
{
    struct agent_retry retry = { { 0 } };
    uint32_t total = 0;
    (void)state;

    for (int i = 0; i < 6; i++)
        total += longest(&retry, AGENT_PENDING, false);
    assert_in_range(total, 1, 3 * MINUTE);
    retry.attempts[AGENT_PENDING] = 100;
    assert_true(longest(&retry, AGENT_PENDING, false) >= 5 * MINUTE);
}

static void what_is_no_class_of_failure_counts_as_local(void **state)
{
    static const int classes[] = { AGENT_OK, AGENT_CLASSES, AGENT_CLASSES + 1, -1, 1 << 20 };
    struct agent_retry retry = { { 0 } };
    (void)state;

    for (unsigned i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        (void)longest(&retry, (enum agent_class)classes[i], false);
        assert_int_equal(retry.attempts[AGENT_LOCAL], i + 1);
        assert_int_equal(retry.attempts[AGENT_OK], 0);
    }
    assert_ptr_equal(agent_retry_schedule(AGENT_CLASSES, true),
                     agent_retry_schedule(AGENT_LOCAL, true));
    assert_ptr_not_equal(agent_retry_schedule(AGENT_OK, true),
                         agent_retry_schedule(AGENT_LOCAL, true));
}

static void success_forgets_all_failures_and_says_whether_there_were_any(void **state)
{
    struct agent_retry retry = { { 0 } };
    (void)state;

    assert_false(agent_retry_succeeded(&retry));
    for (unsigned i = AGENT_OK + 1; i < AGENT_CLASSES; i++) {
        (void)longest(&retry, (enum agent_class)i, true);
        assert_true(agent_retry_succeeded(&retry));
        assert_false(agent_retry_succeeded(&retry));
        assert_int_equal(retry.attempts[i], 0);
    }
}

static void a_start_is_short_unless_tries_had_failed(void **state)
{
    static const struct {
        enum agent_class class;
        uint16_t attempts;
        bool established;
        uint32_t low_ms, high_ms;
    } rows[] = {
        { AGENT_NETWORK, 0, false, 0, 2000 },
        { AGENT_NETWORK, 0, true, 0, 10000 },
        { AGENT_NETWORK, 1, false, 1000, 2000 },
        { AGENT_NETWORK, 1, true, 1000, 10000 }, /* no sooner than without failures */
        { AGENT_NETWORK, 6, false, 1000, 64000 },
        { AGENT_REFUSED, 1, false, 30000, MINUTE },
        { AGENT_REFUSED, 3, false, 30000, 4 * MINUTE },
        { AGENT_REFUSED, 9, false, 30000, 5 * MINUTE }, /* not six hours */
        { AGENT_CONFIG, 65535, true, MINUTE, 5 * MINUTE },
        { AGENT_CLOCK, 65535, true, 1000, MINUTE },
    };
    (void)state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct agent_retry retry = { { 0 } };

        retry.attempts[rows[i].class] = rows[i].attempts;
        assert_int_equal(agent_retry_start(&retry, rows[i].established, LOWEST), rows[i].low_ms);
        assert_int_equal(agent_retry_start(&retry, rows[i].established, HIGHEST), rows[i].high_ms);
        assert_int_equal(retry.attempts[rows[i].class], rows[i].attempts);
    }
}

static void a_start_waits_as_after_the_worst_of_the_failures(void **state)
{
    struct agent_retry retry = { { 0 } };
    (void)state;

    retry.attempts[AGENT_TRUST] = 1;   /* 10 s to 30 s */
    retry.attempts[AGENT_NETWORK] = 6; /* 1 s to 64 s */
    retry.attempts[AGENT_CLOCK] = 1;   /* 1 s to 2 s */
    retry.attempts[AGENT_LOCAL] = 1;   /* 5 s to 10 s */
    assert_int_equal(agent_retry_start(&retry, false, LOWEST), 10000);
    assert_int_equal(agent_retry_start(&retry, false, HIGHEST), 64000);
}

/* Half of any wait is below the middle: a hundred devices with the same counts do not come at once.
 */
static void devices_with_the_same_counts_start_at_different_times(void **state)
{
    struct agent_retry retry = { { 0 } };
    uint32_t before = 0;
    (void)state;

    retry.attempts[AGENT_NETWORK] = 4;
    for (uint32_t i = 1; i < 100; i++) {
        const uint32_t wait = agent_retry_start(&retry, true, i * (HIGHEST / 100));

        assert_in_range(wait - before, 300, before == 0 ? 2000 : 500);
        before = wait;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_schedule_is_in_order_and_spreads),
        cmocka_unit_test(waits_grow_from_base_to_cap_and_never_leave_floor_and_cap),
        cmocka_unit_test(waits_are_spread_evenly),
        cmocka_unit_test(each_class_has_its_own_count),
        cmocka_unit_test(established_devices_have_another_schedule),
        cmocka_unit_test(a_first_contact_is_tried_quickly_and_not_for_ever),
        cmocka_unit_test(what_is_no_class_of_failure_counts_as_local),
        cmocka_unit_test(success_forgets_all_failures_and_says_whether_there_were_any),
        cmocka_unit_test(a_start_is_short_unless_tries_had_failed),
        cmocka_unit_test(a_start_waits_as_after_the_worst_of_the_failures),
        cmocka_unit_test(devices_with_the_same_counts_start_at_different_times),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
