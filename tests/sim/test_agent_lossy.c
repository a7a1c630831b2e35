/*
 * ctest timeout: 300
 *
 * Every story of a device over links that lose, repeat, reorder and delay what is sent and break
 * down: in the end it has its identity, within bounds, and nothing is left behind.
 *
 * AGENT_SIM_SEED=N plays all of them with that seed alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sim/sim_case.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SEEDS 10

static const struct {
    const char *name;
    struct sim_faults faults;
} links[] = {
    { "good", { 0 } },
    { "slow", { .late = 500, .late_ms = 15000 } },
    { "losing a tenth", { .drop = 100 } },
    { "repeating", { .repeat = 500, .late = 300, .late_ms = 8000 } },
    { "out of order", { .reorder = 700, .late = 500, .late_ms = 3000, .repeat = 200 } },
    { "breaking", { .close = 80 } },
    { "as bad as it gets",
      { .drop = 120, .repeat = 200, .reorder = 300, .late = 400, .late_ms = 25000, .close = 40 } },
};

struct tally {
    unsigned runs, timed, failures;
    uint64_t longest_ms, sum_ms;
};

static void play(const struct sim_scenario *scenario, size_t link, uint64_t seed, unsigned wishes,
                 struct tally *tally)
{
    struct sim_run run = {
        .seed = seed, .faults = links[link].faults, .thorough = true, .wishes = wishes
    };

    sim_play(scenario, &run);
    tally->runs++;
    if (scenario->renew_percent == 0) { /* that one waits for weeks */
        tally->timed++;
        tally->sum_ms += run.took_ms;
        if (run.took_ms > tally->longest_ms)
            tally->longest_ms = run.took_ms;
    }
    if (run.good)
        return;
    tally->failures++;
    print_error("%s, link %s, AGENT_SIM_SEED=%llu: %s\n", scenario->name, links[link].name,
                (unsigned long long)seed, run.failure);
}

static void print_tally(const char *name, const struct tally *tally)
{
    print_message("%-18s %4u runs, %u failures; to the end %llu s on average, %llu s at most\n",
                  name, tally->runs, tally->failures,
                  (unsigned long long)(tally->sum_ms / tally->timed / 1000),
                  (unsigned long long)(tally->longest_ms / 1000));
    assert_int_equal(tally->failures, 0);
}

static void play_all(size_t link)
{
    const char *wanted = getenv("AGENT_SIM_SEED");
    struct tally tally = { 0 };

    for (size_t i = 0; i < sim_n_scenarios; i++) {
        for (unsigned k = 0; k < (wanted != NULL ? 1 : SEEDS); k++)
            play(&sim_scenarios[i], link,
                 wanted != NULL ? strtoull(wanted, NULL, 0) : 1000 * (i + 1) + 10 * link + k, 0,
                 &tally);
    }
    print_tally(links[link].name, &tally);
}

#define WISHES 6
#define WISH_SEEDS 40

static void device_gets_its_identity_whatever_is_asked_of_it_meanwhile(void **state)
{
    const char *wanted = getenv("AGENT_SIM_SEED");
    struct tally tally = { 0 };

    (void)state;
    for (size_t i = 0; i < sim_n_scenarios; i++) {
        const struct sim_scenario *s = &sim_scenarios[i];

        if (s->goal != SIM_PROVISION || s->once || s->late)
            continue;
        for (unsigned k = 0; k < (wanted != NULL ? 2 : WISH_SEEDS); k++)
            play(s, k % 2 == 0 ? 0 : COUNT(links) - 1,
                 wanted != NULL ? strtoull(wanted, NULL, 0) : 100 * (i + 1) + k, WISHES, &tally);
    }
    print_tally("with wishes", &tally);
}

#define LINK_TEST(name, link)                                                                      \
    static void name(void **state)                                                                 \
    {                                                                                              \
        (void)state;                                                                               \
        play_all(link);                                                                            \
    }

LINK_TEST(device_gets_its_identity_over_a_good_link, 0)
LINK_TEST(device_gets_its_identity_over_a_slow_link, 1)
LINK_TEST(device_gets_its_identity_over_a_link_that_loses, 2)
LINK_TEST(device_gets_its_identity_over_a_link_that_repeats, 3)
LINK_TEST(device_gets_its_identity_over_a_link_that_reorders, 4)
LINK_TEST(device_gets_its_identity_over_a_link_that_breaks, 5)
LINK_TEST(device_gets_its_identity_over_a_link_that_does_all_of_it, 6)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(device_gets_its_identity_over_a_good_link),
        cmocka_unit_test(device_gets_its_identity_over_a_slow_link),
        cmocka_unit_test(device_gets_its_identity_over_a_link_that_loses),
        cmocka_unit_test(device_gets_its_identity_over_a_link_that_repeats),
        cmocka_unit_test(device_gets_its_identity_over_a_link_that_reorders),
        cmocka_unit_test(device_gets_its_identity_over_a_link_that_breaks),
        cmocka_unit_test(device_gets_its_identity_over_a_link_that_does_all_of_it),
        cmocka_unit_test(device_gets_its_identity_whatever_is_asked_of_it_meanwhile),
    };

    const int failed = cmocka_run_group_tests(tests, NULL, NULL);

    sim_case_forget();
    sim_forget();
    return failed;
}
