/* What `provctl status` shows of the broker. */
#include "test_ctl.h"

#include <time.h>
#include <unistd.h>

#include "ctl/ctl.h"
#include "run/metrics.h"

#define STARTED INT64_C(1700000000000) /* 2023-11-14 22:13:20Z */

static struct prov_metrics *start_broker(const struct rig *r)
{
    struct prov_metrics *m = NULL;
    struct prov_err err = { 0 };

    if (prov_metrics_new(r->db, STARTED, &m, &err) != PROV_OK)
        fail_msg("%s", err.text);
    return m;
}

static void publish(struct prov_metrics *m)
{
    assert_int_equal(prov_metrics_publish(m, STARTED + 1500), PROV_OK);
}

static void store_that_no_broker_used_says_so(void **state)
{
    struct rig *r = *state;

    ctl_ok(r, "init");
    ctl_ok(r, "status");
    says(r->out, "\nbroker            no broker has run with ");
    ctl_json(r, "status");
    assert_true(cJSON_IsFalse(at(r, "broker.running")));
    says(text_at(r, "broker.message"), "no broker has run with ");
    assert_null(cJSON_GetObjectItemCaseSensitive(at(r, "broker"), "metrics"));
}

static void running_broker_shows_what_it_counted(void **state)
{
    struct rig *r = *state;
    struct prov_metrics *m;
    char line[64];

    ctl_ok(r, "init");
    m = start_broker(r);
    prov_metrics_set(m, PROV_METRIC_CONNECTS_ACCEPTED, 1200);
    prov_metrics_set(m, PROV_METRIC_CONNECTS_REFUSED, 34);
    prov_metrics_set(m, PROV_METRIC_SESSIONS, 812);
    prov_metrics_set(m, PROV_METRIC_HOOK_CALLS, 12);
    prov_metrics_set(m, PROV_METRIC_HOOK_FAILURES, 2);
    prov_metrics_set(m, PROV_METRIC_HOOK_US_TOTAL, 123456);
    prov_metrics_set(m, PROV_METRIC_HOOK_US_MAX, 80099);
    prov_metrics_set(m, PROV_METRIC_COMMITS, 3);
    prov_metrics_set(m, PROV_METRIC_COMMIT_US_TOTAL, 300);
    prov_metrics_set(m, PROV_METRIC_COMMIT_US_MAX, 170);
    prov_metrics_set(m, PROV_METRIC_REFUSED + PROV_REASON_CERT_REVOKED, 30);
    prov_metrics_set(m, PROV_METRIC_REFUSED + PROV_REASON_BUSY, 4);
    assert_int_equal(prov_metrics_publish(m, (int64_t)time(NULL) * 1000), PROV_OK);
    ctl_ok(r, "status");
    (void)snprintf(line, sizeof line, "\nbroker            running as process %d since ", getpid());
    says(r->out, line);
    says(r->out, " since 2023-11-14 22:13:20Z (");
    says(r->out, " days ago)\n"
                 "connections       1200 accepted, 34 refused\n"
                 "sessions          812 now\n"
                 "hooks             12 calls, 2 failed, 12.34 ms on average, 80.09 ms at most\n"
                 "commits           3 done, 0.10 ms on average, 0.17 ms at most\n"
                 "refused           30 certificate-revoked\n"
                 "                  4 busy\n");
    says_not(r->out, "registrations");
    says_not(r->out, "throttled");
    prov_metrics_free(m);
}

static void json_has_every_metric_by_its_name(void **state)
{
    struct rig *r = *state;
    struct prov_metrics *m;
    const cJSON *metrics;

    ctl_ok(r, "init");
    m = start_broker(r);
    for (unsigned i = 0; i < PROV_METRIC_COUNT; i++)
        prov_metrics_set(m, (enum prov_metric)i, i == 3 ? 0 : 1000 + i);
    publish(m);
    ctl_json(r, "status");
    assert_true(cJSON_IsTrue(at(r, "broker.running")));
    assert_int_equal(at(r, "broker.processId")->valueint, getpid());
    assert_float_equal(at(r, "broker.startTime")->valuedouble, 1700000000.0, 0);
    assert_float_equal(at(r, "broker.updateTime")->valuedouble, 1700000001.5, 0);
    metrics = at(r, "broker.metrics");
    assert_int_equal(cJSON_GetArraySize(metrics), PROV_METRIC_COUNT);
    for (unsigned i = 0; i < PROV_METRIC_COUNT; i++) {
        const cJSON *item =
            cJSON_GetObjectItemCaseSensitive(metrics, prov_metric_name((enum prov_metric)i));

        assert_non_null(item);
        assert_int_equal(item->valueint, i == 3 ? 0 : 1000 + i);
    }
    prov_metrics_free(m);
}

/* Averages stand for the two sums of time. */
static void people_see_every_metric_that_is_not_zero(void **state)
{
    struct rig *r = *state;
    struct prov_metrics *m;
    char value[24];

    ctl_ok(r, "init");
    m = start_broker(r);
    for (unsigned i = 0; i < PROV_METRIC_COUNT; i++)
        prov_metrics_set(m, (enum prov_metric)i, (1000 + i) * 1000);
    publish(m);
    ctl_ok(r, "status");
    for (unsigned i = 0; i < PROV_METRIC_COUNT; i++) {
        const char *name = prov_metric_name((enum prov_metric)i);

        if (strstr(name, "microseconds/max") != NULL)
            (void)snprintf(value, sizeof value, "%u.00 ms at most", 1000 + i);
        else if (strstr(name, "microseconds") != NULL)
            continue;
        else
            (void)snprintf(value, sizeof value, " %u ", (1000 + i) * 1000);
        says(r->out, value);
    }
    prov_metrics_free(m);
}

static void failures_alone_have_no_average(void **state)
{
    static const unsigned calls[] = { 5, 4 }; /* the second: read between two counts */
    struct rig *r = *state;

    ctl_ok(r, "init");
    for (size_t i = 0; i < PROV_COUNT(calls); i++) {
        struct prov_metrics *m = start_broker(r);

        prov_metrics_set(m, PROV_METRIC_HOOK_CALLS, calls[i]);
        prov_metrics_set(m, PROV_METRIC_HOOK_FAILURES, 5);
        prov_metrics_set(m, PROV_METRIC_HOOK_US_TOTAL, 700);
        publish(m);
        ctl_ok(r, "status");
        says(r->out, "calls, 5 failed\n");
        says_not(r->out, "on average");
        prov_metrics_free(m);
    }
}

static void broker_that_ended_is_shown_as_such(void **state)
{
    struct rig *r = *state;
    struct prov_metrics *m;

    ctl_ok(r, "init");
    m = start_broker(r);
    prov_metrics_set(m, PROV_METRIC_CONNECTS_ACCEPTED, 5);
    publish(m);
    prov_metrics_free(m);
    ctl_ok(r, "status");
    says(r->out, "\nbroker            not running; this is what the last one counted until "
                 "2023-11-14 22:13:21Z (");
    says(r->out, "\nconnections       5 accepted\n");
    ctl_json(r, "status");
    assert_true(cJSON_IsFalse(at(r, "broker.running")));
    assert_int_equal(at(r, "broker.processId")->valueint, getpid());
    (void)at(r, "broker.metrics");
}

static void file_that_is_damaged_costs_only_its_part_of_the_answer(void **state)
{
    struct rig *r = *state;
    char path[TMP_PATH_MAX];

    rig_register(r);
    prov_metrics_free(start_broker(r));
    assert_int_equal(truncate(tmp_path(r->db, "metrics", path), 100), 0);
    ctl_ok(r, "status");
    says(r->out, "\nCAs               1\n");
    says(r->out, "\nbroker            cannot read ");
    says(r->out, "/metrics: it is damaged");
    ctl_json(r, "status");
    assert_int_equal(at(r, "counts.caCertificates")->valueint, 1);
    assert_true(cJSON_IsFalse(at(r, "broker.running")));
    says(text_at(r, "broker.message"), "it is damaged");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(store_that_no_broker_used_says_so),
        RIG_TEST(running_broker_shows_what_it_counted),
        RIG_TEST(json_has_every_metric_by_its_name),
        RIG_TEST(people_see_every_metric_that_is_not_zero),
        RIG_TEST(failures_alone_have_no_average),
        RIG_TEST(broker_that_ended_is_shown_as_such),
        RIG_TEST(file_that_is_damaged_costs_only_its_part_of_the_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
