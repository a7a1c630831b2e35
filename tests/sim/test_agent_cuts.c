/*
 * ctest timeout: 600
 *
 * The exhaustive crash test: of every story of a device the side effects are counted (the disk's
 * changes, what is sent, what is received); then at each the power is cut before it, halfway
 * through it and after it, with several selections of what was not synced surviving; and pairs of
 * cuts at random, half of them over a bad link. What must hold is in sim_case.h. The figures are
 * printed.
 *
 * AGENT_SIM_STORY=NAME plays one of them alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sim/sim_case.h"

#define PAIRS 40         /* for each story */
#define DISK_VARIANTS 2  /* of AGENT_DISK_VARIANTS, for each cut of the disk; all in turn */
#define SECOND_WITHIN 60 /* effects of the boot after the first cut */
#define SHOWN 6          /* failures in words, for each story */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct tally {
    unsigned effects, disk, runs, cuts, failures;
    uint64_t longest_ms;
    bool on_disk[SIM_MAX_EFFECTS];
};

/* How long the power is away: a moment; a while; until the token is over and what was to be retired
 * is retired. */
static const uint32_t off_ms[] = { 2000, 600000, 4 * 3600 * 1000 };

static const char *const hows[AGENT_DISK_HOWS] = {
    [AGENT_DISK_BEFORE] = "before", [AGENT_DISK_HALFWAY] = "halfway", [AGENT_DISK_AFTER] = "after"
};

static const struct sim_faults good_link;
static const struct sim_faults bad_link = {
    .drop = 60, .repeat = 200, .reorder = 300, .late = 300, .late_ms = 20000, .close = 40
};

static void play(const struct sim_scenario *scenario, const struct sim_cut *cuts, size_t n,
                 const struct sim_faults *faults, struct tally *tally)
{
    struct sim_run run = {
        .seed = 1, .faults = *faults, .cuts = cuts, .n_cuts = n, .thorough = n != 1
    };

    sim_play(scenario, &run);
    if (run.good && run.restarts == 0 && n == 1) {
        run.good = false;
        (void)snprintf(run.failure, sizeof run.failure, "the cut was not met");
    }
    tally->cuts += run.restarts;
    if (n == 0) {
        tally->effects = run.effects;
        memcpy(tally->on_disk, run.on_disk, sizeof tally->on_disk);
        for (unsigned at = 1; at <= run.effects && at < SIM_MAX_EFFECTS; at++)
            tally->disk += run.on_disk[at];
    } else {
        tally->runs++;
    }
    if (run.good && run.took_ms > tally->longest_ms && scenario->renew_percent == 0)
        tally->longest_ms = run.took_ms;
    if (run.good)
        return;
    if (++tally->failures > SHOWN)
        return;
    for (size_t i = 0; i < n; i++)
        print_error("%s, cut %s effect %u, disk %d, off for %u s; ", i == 0 ? scenario->name : "",
                    hows[cuts[i].how], cuts[i].at, (int)cuts[i].variant, cuts[i].off_ms / 1000);
    print_error("%s\n", run.failure);
}

/* What is not synced is of interest only where the disk is at work. */
static void cut_everywhere(const struct sim_scenario *scenario, struct tally *tally)
{
    assert_true(tally->effects < SIM_MAX_EFFECTS);
    for (unsigned at = 1; at <= tally->effects; at++) {
        const unsigned variants = tally->on_disk[at] ? DISK_VARIANTS : 1;

        for (unsigned i = 0; i < AGENT_DISK_HOWS * variants; i++) {
            const unsigned how = i % AGENT_DISK_HOWS, turn = i / AGENT_DISK_HOWS;
            const struct sim_cut cut = {
                .at = at,
                .how = (enum agent_disk_how)how,
                .variant = (enum agent_disk_variant)((at + how + 2 * turn) % AGENT_DISK_VARIANTS),
                .off_ms = off_ms[(at + i) % COUNT(off_ms)],
            };

            play(scenario, &cut, 1, &good_link, tally);
        }
    }
}

static struct sim_cut any_cut(struct sim_rng *rng, unsigned within)
{
    return (struct sim_cut){ .at = sim_between(rng, 1, within),
                             .how = (enum agent_disk_how)sim_between(rng, 0, AGENT_DISK_HOWS - 1),
                             .variant = (enum agent_disk_variant)sim_between(
                                 rng, 0, AGENT_DISK_VARIANTS - 1),
                             .off_ms = off_ms[sim_between(rng, 0, COUNT(off_ms) - 1)] };
}

static void cut_in_pairs(const struct sim_scenario *scenario, struct tally *tally)
{
    struct sim_rng rng = { .state = 2 };
    struct sim_cut cuts[2];

    for (unsigned i = 0; i < PAIRS; i++) {
        cuts[0] = any_cut(&rng, tally->effects);
        cuts[1] = any_cut(&rng, SECOND_WITHIN);
        play(scenario, cuts, 2, i % 2 == 0 ? &good_link : &bad_link, tally);
    }
}

static void print_row(const char *story, const struct tally *tally)
{
    print_message("%-46s %7u %7u %6u %6u %8u %7llu s\n", story, tally->effects, tally->disk,
                  tally->runs, tally->cuts, tally->failures,
                  (unsigned long long)(tally->longest_ms / 1000));
}

static void add(struct tally *all, const struct tally *tally)
{
    all->effects += tally->effects;
    all->disk += tally->disk;
    all->runs += tally->runs;
    all->cuts += tally->cuts;
    all->failures += tally->failures;
    if (tally->longest_ms > all->longest_ms)
        all->longest_ms = tally->longest_ms;
}

static void device_survives_every_power_cut(void **state)
{
    static struct tally all;
    const char *only = getenv("AGENT_SIM_STORY");

    (void)state;
    print_message("%-46s %7s %7s %6s %6s %8s %9s\n", "story", "effects", "of disk", "runs", "cuts",
                  "failures", "longest");
    for (size_t i = 0; i < sim_n_scenarios; i++) {
        struct tally tally = { 0 };

        if (only != NULL && strcmp(only, sim_scenarios[i].name) != 0)
            continue;
        play(&sim_scenarios[i], NULL, 0, &good_link, &tally);
        cut_everywhere(&sim_scenarios[i], &tally);
        cut_in_pairs(&sim_scenarios[i], &tally);
        print_row(sim_scenarios[i].name, &tally);
        add(&all, &tally);
    }
    print_row("all", &all);
    assert_int_equal(all.failures, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(device_survives_every_power_cut),
    };

    const int failed = cmocka_run_group_tests(tests, NULL, NULL);

    sim_case_forget();
    sim_forget();
    return failed;
}
