/*
 * Group commit: what the writer does with transactions. tests/support/pool_rig.h explains the
 * traces; each begins with "(0x", the failing job that held the writer while the batch was
 * gathered.
 *
 * ctest labels: tsan
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "run/log.h"
#include "support/pool_rig.h"

static struct {
    unsigned n;
    char last[PROV_LOG_LINE_MAX + 1];
} logged;

static void capture(void *ctx, enum prov_level level, const char *text)
{
    (void)ctx;
    assert_int_equal(level, PROV_LOG_ERROR);
    logged.n++;
    (void)prov_span_copy(prov_span_str(text), logged.last, sizeof logged.last);
}

static int setup(void **state)
{
    logged.n = 0;
    *state = rig_new(true, 1, 0, 0);
    return prov_log_start(capture, NULL, 16) == PROV_OK ? 0 : -1;
}

static int teardown(void **state)
{
    rig_free(*state);
    prov_log_stop();
    return 0;
}

/* Three jobs as one batch, with what the script and the jobs were told to do. */
struct three {
    struct rig_job gate, jobs[3];
};

static void three_init(struct three *t, struct rig *rig)
{
    rig_hold_writer(rig, &t->gate);
    for (unsigned i = 0; i < 3; i++)
        rig_job(&t->jobs[i], rig, i + 1, RIG_APPLY);
}

static void three_run(struct three *t, struct rig *rig)
{
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(prov_pool_submit(rig->pool, &t->jobs[i].job), PROV_OK);
    rig_release(rig);
    rig_drain(rig, 4);
    prov_log_drain();
    for (unsigned i = 0; i < 4; i++) /* the order of submission, however they were written */
        assert_int_equal(rig->done_ids[i], i);
}

static void assert_rcs(const struct three *t, enum prov_rc a, enum prov_rc b, enum prov_rc c)
{
    assert_int_equal(t->jobs[0].job.rc, a);
    assert_int_equal(t->jobs[1].job.rc, b);
    assert_int_equal(t->jobs[2].job.rc, c);
}

static void waiting_jobs_share_one_commit_and_one_wake(void **state)
{
    struct rig *rig = *state;
    struct prov_pool_stats stats;
    struct three t;

    three_init(&t, rig);
    three_run(&t, rig);
    assert_string_equal(rig->store.trace, "(0x([1][2][3])");
    assert_rcs(&t, PROV_OK, PROV_OK, PROV_OK);
    prov_pool_stats(rig->pool, &stats);
    assert_int_equal(stats.commits, 1);
    assert_int_equal(stats.commit_failures, 0);
    assert_int_equal(stats.failed, 1); /* job 0 */
    assert_int_equal(logged.n, 0);
    assert_int_equal(rig_stop(rig), 2);
}

static void failing_apply_undoes_only_itself(void **state)
{
    struct rig *rig = *state;
    struct prov_pool_stats stats;
    struct three t;

    three_init(&t, rig);
    t.jobs[1].apply_rc = PROV_EDENIED;
    three_run(&t, rig);
    assert_string_equal(rig->store.trace, "(0x([1][2/[3])");
    assert_rcs(&t, PROV_OK, PROV_EDENIED, PROV_OK);
    assert_int_equal(rig_durable(rig, 1), 1);
    assert_int_equal(rig_durable(rig, 2), 0);
    assert_int_equal(rig_durable(rig, 3), 1);
    prov_pool_stats(rig->pool, &stats);
    assert_int_equal(stats.failed, 2);
    assert_int_equal(logged.n, 0); /* the job's own answer, not the store's failure */
}

static void batch_of_failures_is_not_committed(void **state)
{
    struct rig *rig = *state;
    struct prov_pool_stats stats;
    struct three t;

    three_init(&t, rig);
    t.jobs[0].apply_rc = PROV_EDENIED;
    t.jobs[1].apply_rc = PROV_ENOTFOUND;
    t.jobs[2].apply_rc = PROV_ETOOBIG;
    three_run(&t, rig);
    assert_string_equal(rig->store.trace, "(0x([1/[2/[3/x");
    assert_rcs(&t, PROV_EDENIED, PROV_ENOTFOUND, PROV_ETOOBIG);
    prov_pool_stats(rig->pool, &stats);
    assert_int_equal(stats.commits, 0);
    assert_int_equal(stats.commit_failures, 0);
}

static void job_alone_is_committed_or_aborted_without_a_child(void **state)
{
    struct rig *rig = *state;
    struct rig_job good, bad;

    rig_submit(&good, rig, 1, RIG_APPLY);
    rig_drain(rig, 1);
    rig_job(&bad, rig, 2, RIG_APPLY);
    bad.apply_rc = PROV_ECONFLICT;
    assert_int_equal(prov_pool_submit(rig->pool, &bad.job), PROV_OK);
    rig_drain(rig, 2);
    assert_string_equal(rig->store.trace, "(1)(2x");
    assert_int_equal(good.job.rc, PROV_OK);
    assert_int_equal(bad.job.rc, PROV_ECONFLICT);
    assert_int_equal(rig_durable(rig, 2), 0);
}

static void failed_group_commit_is_retried_one_by_one(void **state)
{
    struct rig *rig = *state;
    struct prov_pool_stats stats;
    struct three t;

    three_init(&t, rig);
    t.jobs[1].apply_rc = PROV_EDENIED;
    t.jobs[0].writes = 2;
    rig->store.max_writes = 2; /* three together are too many */
    three_run(&t, rig);
    assert_string_equal(rig->store.trace, "(0x([1][2/[3]!(1)(2x(3)");
    assert_rcs(&t, PROV_OK, PROV_EDENIED, PROV_OK);
    assert_int_equal(t.jobs[1].applied, 2);
    assert_int_equal(t.jobs[1].rc_in_apply, PROV_OK); /* it begins afresh */
    assert_int_equal(rig_durable(rig, 1), 2);         /* once: nothing is left of the first run */
    assert_int_equal(rig_durable(rig, 3), 1);
    prov_pool_stats(rig->pool, &stats);
    assert_int_equal(stats.commits, 2);
    assert_int_equal(stats.commit_failures, 1);
    assert_int_equal(stats.failed, 2);
    assert_int_equal(logged.n, 1);
    assert_string_equal(logged.last, "event=store-failed step=commit jobs=3 failures=1 rc=store "
                                     "why=\"as scripted\"");
}

static void job_too_large_for_the_store_fails_alone(void **state)
{
    struct rig *rig = *state;
    struct three t;

    three_init(&t, rig);
    t.jobs[1].writes = 5;
    rig->store.max_writes = 4;
    three_run(&t, rig);
    assert_string_equal(rig->store.trace, "(0x([1][2][3]!(1)(2!(3)");
    assert_rcs(&t, PROV_OK, PROV_ESTORE, PROV_OK);
    assert_int_equal(rig_durable(rig, 2), 0);
    assert_int_equal(logged.n, 1);
}

static void store_that_stays_full_fails_every_job_and_logs_one_line(void **state)
{
    struct rig *rig = *state;
    struct prov_pool_stats stats;
    struct rig_job later;
    struct three t;

    three_init(&t, rig);
    rig->store.fail_commit = 4;
    three_run(&t, rig);
    assert_string_equal(rig->store.trace, "(0x([1][2][3]!(1!(2!(3!");
    assert_rcs(&t, PROV_ESTORE, PROV_ESTORE, PROV_ESTORE);
    assert_int_equal(rig->store.n_durable, 0);
    prov_pool_stats(rig->pool, &stats);
    assert_int_equal(stats.commit_failures, 4);
    assert_int_equal(stats.failed, 4);
    assert_int_equal(logged.n, 1);
    rig_submit(&later, rig, 4, RIG_APPLY);
    rig_drain(rig, 5);
    assert_int_equal(later.job.rc, PROV_OK); /* the writer outlives it */
    prov_log_drain();
    assert_int_equal(logged.n, 1);
}

/* The conflict was with something that in the end was not written. */
static void job_is_judged_again_when_what_it_met_was_undone(void **state)
{
    struct rig *rig = *state;
    struct three t;

    three_init(&t, rig);
    t.jobs[0].writes = 5;
    t.jobs[1].conflicts_with = 1;
    t.jobs[2].conflicts_with = 2;
    rig->store.max_writes = 4;
    three_run(&t, rig);
    assert_string_equal(rig->store.trace, "(0x([1][2/[3]!(1!(2)(3x");
    assert_rcs(&t, PROV_ESTORE, PROV_OK, PROV_ECONFLICT);
}

static void later_job_sees_what_an_earlier_one_of_its_batch_wrote(void **state)
{
    struct rig *rig = *state;
    struct three t;

    three_init(&t, rig);
    t.jobs[0].apply_rc = PROV_EDENIED;
    t.jobs[1].conflicts_with = 1; /* undone: no conflict */
    t.jobs[2].conflicts_with = 2;
    three_run(&t, rig);
    assert_string_equal(rig->store.trace, "(0x([1/[2][3/)");
    assert_rcs(&t, PROV_EDENIED, PROV_OK, PROV_ECONFLICT);
}

static void broken_child_transaction_costs_nobody_else_anything(void **state)
{
    static const struct {
        unsigned fail_begin, fail_commit;
        const char *trace, *step;
    } rows[] = {
        { 2, 0, "(0x([1]x(1)(2)(3)", "step=begin-child " },
        { 0, 2, "(0x([1][2#x(1)(2)(3)", "step=commit-child " },
    };
    (void)state;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct rig *rig = rig_new(true, 1, 0, 0);
        struct three t;

        three_init(&t, rig);
        rig->store.fail_child_begin = rows[i].fail_begin;
        rig->store.fail_child_commit = rows[i].fail_commit;
        three_run(&t, rig);
        assert_string_equal(rig->store.trace, rows[i].trace);
        assert_rcs(&t, PROV_OK, PROV_OK, PROV_OK);
        assert_non_null(strstr(logged.last, rows[i].step));
        rig_free(rig);
    }
}

static void store_that_cannot_begin_fails_the_jobs_it_was_for(void **state)
{
    struct rig *rig = *state;
    struct three t;

    three_init(&t, rig);
    rig->store.fail_begin = 3; /* the group, job 1, job 2 */
    three_run(&t, rig);
    assert_string_equal(rig->store.trace, "(0x(3)");
    assert_rcs(&t, PROV_ESTORE, PROV_ESTORE, PROV_OK);
    assert_int_equal(t.jobs[0].applied, 0);
    assert_string_equal(logged.last, "event=store-failed step=begin jobs=3 failures=3 rc=store "
                                     "why=\"as scripted\"");
}

static void nothing_is_done_before_its_commit(void **state)
{
    struct rig *rig = *state;
    struct prov_pool_stats stats;
    struct three t;

    three_init(&t, rig);
    rig->store.hold_commit = true;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(prov_pool_submit(rig->pool, &t.jobs[i].job), PROV_OK);
    rig_release(rig);
    (void)sem_wait(&rig->entered); /* the group is applied and its commit under way */
    assert_int_equal(prov_pool_drain(rig->pool), 1);
    assert_int_equal(rig->done_ids[0], 0);
    assert_false(prov_pool_ready(rig->pool));
    assert_false(prov_pool_wait(rig->pool, &t.jobs[0].job, 0));
    assert_int_equal(prov_pool_drain(rig->pool), 0);
    prov_pool_stats(rig->pool, &stats);
    assert_int_equal(stats.queued, 3);
    rig_release(rig);
    rig_drain(rig, 4);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(t.jobs[i].done, 1);
    assert_int_equal(rig->store.n_durable, 3);
}

static void batch_limit_bounds_a_commit(void **state)
{
    struct rig *rig = rig_new(true, 1, 0, 3);
    struct rig_job gate, jobs[7];
    (void)state;

    rig_hold_writer(rig, &gate);
    for (unsigned i = 0; i < 7; i++)
        rig_submit(&jobs[i], rig, i + 1, RIG_APPLY);
    rig_release(rig);
    rig_drain(rig, 8);
    assert_string_equal(rig->store.trace, "(0x([1][2][3])([4][5][6])(7)");
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(waiting_jobs_share_one_commit_and_one_wake, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(failing_apply_undoes_only_itself, setup, teardown),
        cmocka_unit_test_setup_teardown(batch_of_failures_is_not_committed, setup, teardown),
        cmocka_unit_test_setup_teardown(job_alone_is_committed_or_aborted_without_a_child, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(failed_group_commit_is_retried_one_by_one, setup, teardown),
        cmocka_unit_test_setup_teardown(job_too_large_for_the_store_fails_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(store_that_stays_full_fails_every_job_and_logs_one_line,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(job_is_judged_again_when_what_it_met_was_undone, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(later_job_sees_what_an_earlier_one_of_its_batch_wrote,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(broken_child_transaction_costs_nobody_else_anything, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(store_that_cannot_begin_fails_the_jobs_it_was_for, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(nothing_is_done_before_its_commit, setup, teardown),
        cmocka_unit_test(batch_limit_bounds_a_commit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
