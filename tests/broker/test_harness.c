/*
 * The end-to-end harness itself: a stock broker without our plugin is started, watched, stopped,
 * killed and started again.
 *
 * ctest labels: valgrind
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/wait.h>

#include <cmocka.h>

#include "support/broker.h"
#include "support/expect.h"
#include "support/tmp.h"

#define anonymous(the_dir)                                                                         \
    ((struct broker_options){ .dir = (the_dir), .plain = true, .allow_anonymous = true })

static const char *const users[] = { "alice", "secret-a", NULL };

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

static void stop_is_seen_by_clients(void **state)
{
    const char *dir = *state;
    struct broker *b = broker_start(&anonymous(dir));
    struct mqtt *c = expect_connected(&(struct mqtt_options){ .port = broker_plain_port(b) });

    broker_stop(b);
    expect_closed(c);
    assert_int_equal(mqtt_publish(c, &(struct mqtt_publish){ .topic = "a", .qos = 1 }), MQTT_WENT);
    mqtt_free(c);

    c = mqtt_start(&(struct mqtt_options){ .port = broker_plain_port(b) });
    assert_true(mqtt_wait_end(c));
    assert_int_equal(mqtt_report(c)->end, MQTT_END_TCP);
    mqtt_free(c);
    broker_free(b);
}

static void retain(const struct broker *b, const char *topic)
{
    struct mqtt *c = expect_connected(&(struct mqtt_options){ .port = broker_plain_port(b) });

    assert_int_equal(mqtt_publish(c, &(struct mqtt_publish){ .topic = topic,
                                                             .payload = PROV_LIT("kept"),
                                                             .qos = 1,
                                                             .retain = true }),
                     0);
    mqtt_free(c);
}

static bool is_retained(const struct broker *b, const char *topic)
{
    struct mqtt *c = expect_connected(&(struct mqtt_options){ .port = broker_plain_port(b) });
    struct mqtt_message *m;

    assert_int_equal(mqtt_subscribe(c, topic, 0), 0);
    assert_true(mqtt_ping(c));
    m = mqtt_take_message(c, topic);
    mqtt_free(c);
    if (m == NULL)
        return false;
    mqtt_message_free(m);
    return true;
}

static void stopped_broker_keeps_what_a_killed_one_loses(void **state)
{
    const char *dir = *state;
    const struct broker_options o = {
        .dir = dir, .plain = true, .allow_anonymous = true, .persistence = true
    };
    struct broker *b = broker_start(&o);
    const uint16_t port = broker_plain_port(b);

    retain(b, "one");
    broker_stop(b);
    broker_restart(b, NULL);
    assert_int_equal(broker_plain_port(b), port);
    assert_true(is_retained(b, "one"));
    retain(b, "two");
    broker_kill(b);
    broker_restart(b, NULL);
    assert_true(is_retained(b, "one"));
    assert_false(is_retained(b, "two"));
    broker_free(b);
}

static void reload_takes_changed_settings(void **state)
{
    const char *dir = *state;
    static const char *const others[] = { "carol", "secret-c", NULL };
    struct broker_options o = { .dir = dir, .plain = true, .users = users };
    struct broker *b = broker_start(&o);
    const struct mqtt_options carol = { .port = broker_plain_port(b),
                                        .username = "carol",
                                        .password = "secret-c" };

    expect_connack(&carol, 5);
    o.users = others;
    broker_reload(b, &o);
    mqtt_free(expect_connected(&carol));
    broker_free(b);
}

static void broken_configuration_is_refused_with_a_reason(void **state)
{
    const char *dir = *state;
    char *log = broker_refuses(
        &(struct broker_options){ .dir = dir, .plain = true, .lines = "no_such_setting true" });

    assert_non_null(strstr(log, "no_such_setting"));
    free(log);
}

static void log_is_searched_from_the_mark_on(void **state)
{
    const char *dir = *state;
    struct broker *b = broker_start(&anonymous(dir));
    size_t mark = broker_log_mark(b);

    mqtt_free(expect_connected(
        &(struct mqtt_options){ .port = broker_plain_port(b), .client_id = "marked" }));
    broker_expect_log(b, mark, "as marked");
    mark = broker_log_mark(b);
    assert_false(broker_log_has(b, mark, "as marked"));
    assert_true(broker_log_has(b, 0, "as marked"));
    broker_free(b);
}

static void two_brokers_and_two_listeners_get_ports_of_their_own(void **state)
{
    const char *dir = *state;
    struct pki_cert server = pki_make(&(struct pki_spec){ .subject = "/CN=localhost" });
    struct broker_options o = { .dir = dir,
                                .server = &server,
                                .certificate_optional = true,
                                .plain = true,
                                .allow_anonymous = true };
    struct broker *one = broker_start(&o), *two;
    const struct mqtt_tls tls = { .trust = server.x509 };

    o.name = "two";
    two = broker_start(&o);
    assert_int_not_equal(broker_pid(one), broker_pid(two));
    assert_int_not_equal(broker_tls_port(one), broker_tls_port(two));
    mqtt_free(
        expect_connected(&(struct mqtt_options){ .port = broker_tls_port(one), .tls = &tls }));
    mqtt_free(expect_connected(&(struct mqtt_options){ .port = broker_plain_port(two) }));
    broker_free(one);
    broker_free(two);
    pki_free(&server);
}

/* ---- what the harness must not let pass ------------------------------------------------------ */

/* Runs a test in a process of its own, unseen; whether it failed. */
static bool fails(CMUnitTestFunction test, const char *dir)
{
    const struct CMUnitTest tests[] = { { "expected to fail", test, NULL, NULL,
                                          (void *)(uintptr_t)dir } };
    int status = 0;
    const pid_t pid = fork();

    if (pid == 0) {
        const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);

        (void)dup2(nowhere, STDOUT_FILENO);
        (void)dup2(nowhere, STDERR_FILENO);
        _exit(cmocka_run_group_tests(tests, NULL, NULL) == 0 ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status) == 1;
}

static void ends_well(void **state)
{
    struct broker *b = broker_start(&anonymous(*state));

    broker_stop(b);
    broker_free(b);
}

static void crashes(void **state)
{
    struct broker *b = broker_start(&anonymous(*state));

    (void)kill(broker_pid(b), SIGSEGV);
    broker_free(b);
}

static void leaves_a_sanitizer_report(void **state)
{
    struct broker *b = broker_start(&anonymous(*state));
    char path[TMP_PATH_MAX];
    FILE *f = fopen(tmp_path(*state, "broker.san.77", path), "we");

    assert_non_null(f);
    assert_int_equal(fclose(f), 0);
    broker_free(b);
}

static void waits_for_a_line_of_a_stopped_broker(void **state)
{
    struct broker *b = broker_start(&anonymous(*state));

    broker_stop(b);
    broker_expect_log(b, 0, "no such line");
}

static void starts_though_it_should_refuse(void **state)
{
    free(broker_refuses(&anonymous(*state)));
}

static void does_not_start(void **state)
{
    struct broker_options o = anonymous(*state);

    o.lines = "no_such_setting true";
    broker_free(broker_start(&o));
}

static void brokers_that_misbehave_fail_the_test(void **state)
{
    assert_false(fails(ends_well, *state));
    assert_true(fails(crashes, *state));
    assert_true(fails(leaves_a_sanitizer_report, *state));
    assert_true(fails(waits_for_a_line_of_a_stopped_broker, *state));
    assert_true(fails(starts_though_it_should_refuse, *state));
    assert_true(fails(does_not_start, *state));
}

/* Nobody listens any more: a connection ends as none of the expectations below has it. */
static struct mqtt_options to_stopped_broker(const char *dir)
{
    struct broker *b = broker_start(&anonymous(dir));
    const struct mqtt_options o = { .port = broker_plain_port(b) };

    broker_free(b);
    return o;
}

static void wants_a_connection(void **state)
{
    const struct mqtt_options o = to_stopped_broker(*state);

    mqtt_free(expect_connected(&o));
}

static void wants_an_alert(void **state)
{
    const struct mqtt_options o = to_stopped_broker(*state);

    expect_alert(&o, -1);
}

static void wants_a_connack(void **state)
{
    const struct mqtt_options o = to_stopped_broker(*state);

    expect_connack(&o, -1);
}

static void wants_to_be_dropped(void **state)
{
    const struct mqtt_options o = to_stopped_broker(*state);

    expect_dropped(&o);
}

/* A client of a running broker that has been sent "a" on topic t. */
static struct mqtt *client_with_message(const char *dir)
{
    struct broker *b = broker_start(&anonymous(dir));
    struct mqtt *c = expect_connected(&(struct mqtt_options){ .port = broker_plain_port(b) });

    assert_int_equal(mqtt_subscribe(c, "t", 0), 0);
    (void)mqtt_submit_publish(c, &(struct mqtt_publish){ .topic = "t", .payload = PROV_LIT("a") });
    return c;
}

static void wants_another_message(void **state)
{
    expect_message(client_with_message(*state), "t", "b");
}

static void wants_silence(void **state)
{
    expect_silence(client_with_message(*state), NULL);
}

static void expectations_that_are_not_met_fail_the_test(void **state)
{
    assert_true(fails(wants_a_connection, *state));
    assert_true(fails(wants_an_alert, *state));
    assert_true(fails(wants_a_connack, *state));
    assert_true(fails(wants_to_be_dropped, *state));
    assert_true(fails(wants_another_message, *state));
    assert_true(fails(wants_silence, *state));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(stop_is_seen_by_clients),
        TEST(stopped_broker_keeps_what_a_killed_one_loses),
        TEST(reload_takes_changed_settings),
        TEST(broken_configuration_is_refused_with_a_reason),
        TEST(log_is_searched_from_the_mark_on),
        TEST(two_brokers_and_two_listeners_get_ports_of_their_own),
        TEST(brokers_that_misbehave_fail_the_test),
        TEST(expectations_that_are_not_met_fail_the_test),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
