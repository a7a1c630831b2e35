/*
 * device-agent as a service: what it tells the service manager and other programs, and commands
 * that reach it while it runs.
 *
 * ctest timeout: 300
 */
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cmocka.h>

#include "device-agent/port/posix/exits.h"
#include "support/agent_cli.h"
#include "support/deadline.h"

#define STAYS "[service]\nstay_connected = yes\n"

static int set_up(void **state)
{
    (void)agent_cli_set_up(state);
    agent_cli_write(*state, &(struct agent_cli_conf){ .lines = STAYS });
    return 0;
}

static void wait_until_ready(struct agent_cli *a)
{
    cJSON *status = agent_cli_wait_text(a, "state", "ready");

    assert_true(cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(status, "connected")));
    assert_true(cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(status, "running")));
    cJSON_Delete(status);
}

/* ---- the service manager --------------------------------------------------------------------- */

static int listen_at(const char *path)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const struct timeval limit = { .tv_sec = DEADLINE_DEFAULT_MS / 1000 };

    assert_int_not_equal(fd, -1);
    assert_true(strlen(path) < sizeof at.sun_path);
    (void)snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
    assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
    return fd;
}

static void expect_told(int fd, const char *text)
{
    char heard[1024];
    ssize_t n;

    do {
        n = recv(fd, heard, sizeof heard - 1, 0);
        if (n <= 0)
            fail_msg("the manager does not hear of %s", text);
        heard[n] = '\0';
    } while (strstr(heard, text) == NULL);
}

static void the_service_manager_follows_its_life(void **state)
{
    struct agent_cli *a = *state;
    char path[TMP_PATH_MAX];
    const int fd = listen_at(agent_cli_path(a, "notify", path));
    const struct child_env env[] = { { "NOTIFY_SOCKET", path },
                                     { "WATCHDOG_USEC", "200000" },
                                     { NULL, NULL } };

    agent_cli_run(a, env);
    expect_told(fd, "READY=1");
    expect_told(fd, "STATUS=connected");
    expect_told(fd, "WATCHDOG=1");
    expect_told(fd, "WATCHDOG=1");
    agent_cli_stop(a);
    expect_told(fd, "STOPPING=1");
    (void)close(fd);
}

/* ---- other programs -------------------------------------------------------------------------- */

static void put_script(const struct agent_cli *a, const char *body)
{
    char path[TMP_PATH_MAX];
    FILE *f = fopen(agent_cli_path(a, "announce.sh", path), "w");

    assert_non_null(f);
    assert_true(fprintf(f, "#!/bin/sh\n%s\n", body) > 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, 0700), 0);
}

/* A program's file is there some time after the agent does what it tells of. */
static void wait_for_file(const struct agent_cli *a, const char *path)
{
    const int64_t deadline = deadline_in(0);
    const int watch = inotify_init1(IN_CLOEXEC);
    struct pollfd p = { .fd = watch, .events = POLLIN };
    char events[4096];

    assert_int_not_equal(inotify_add_watch(watch, a->dir, IN_MOVED_TO), -1);
    while (access(path, F_OK) != 0) {
        if (poll(&p, 1, deadline_left(deadline)) != 1)
            fail_msg("no program wrote %s", path);
        assert_true(read(watch, events, sizeof events) > 0);
    }
    (void)close(watch);
}

static void expect_line(const struct agent_cli *a, const char *name, const char *want)
{
    char path[TMP_PATH_MAX], line[1024] = "";
    FILE *f;

    wait_for_file(a, agent_cli_path(a, name, path));
    f = fopen(path, "r");
    assert_non_null(f);
    assert_non_null(fgets(line, sizeof line, f));
    (void)fclose(f);
    assert_string_equal(line, want);
}

/* The very files that it is led to are what the agent tells of. */
static void others_are_told_of_the_identity_and_of_the_next(void **state)
{
    static const char body[] =
        "cd \"${0%/*}\"\n"
        "echo \"$AGENT_EVENT $AGENT_THING_NAME $AGENT_CLIENT_ID $AGENT_GENERATION"
        " $(head -n 1 \"$AGENT_CERTIFICATE\") $(head -n 1 \"$AGENT_PRIVATE_KEY\")"
        " $(cat \"$AGENT_CONFIG\") $NOTIFY_SOCKET\" >told.tmp && mv told.tmp \"told-$AGENT_EVENT\"";
    struct agent_cli *a = *state;
    char lines[2 * TMP_PATH_MAX + 128], script[TMP_PATH_MAX];
    struct prov_id id;

    put_script(a, body);
    (void)agent_cli_path(a, "announce.sh", script);
    (void)snprintf(lines, sizeof lines, "%son_provisioned = %s\non_renewed = %s\n", STAYS, script,
                   script);
    agent_cli_write(a, &(struct agent_cli_conf){ .lines = lines });
    agent_cli_run(a, (const struct child_env[]){ { "NOTIFY_SOCKET", "/nobody" }, { NULL, NULL } });
    wait_until_ready(a);
    expect_line(a, "told-provisioned",
                "provisioned pump-7 pump-7 1 -----BEGIN CERTIFICATE----- -----BEGIN PRIVATE "
                "KEY----- {\"site\":\"north\",\"serial\":\"7\"} \n");
    agent_cli_stop(a);

    id = agent_cli_id(a);
    fleet_attach(&a->f, &id, "claim"); /* it may renew, from its next connection on */
    agent_cli_run(a, NULL);
    wait_until_ready(a);
    agent_cli_expect(a, EXIT_DONE, "renew", "--timeout", "60");
    expect_line(a, "told-renewed",
                "renewed pump-7 pump-7 2 -----BEGIN CERTIFICATE----- -----BEGIN PRIVATE "
                "KEY----- {\"site\":\"north\",\"serial\":\"7\"} \n");
    agent_cli_stop(a);
}

static void a_program_that_fails_is_told_of_and_the_identity_serves(void **state)
{
    struct agent_cli *a = *state;
    char lines[TMP_PATH_MAX + 128], script[TMP_PATH_MAX];
    cJSON *status;

    put_script(a, "exit 3");
    (void)snprintf(lines, sizeof lines, "%son_provisioned = %s\n", STAYS,
                   agent_cli_path(a, "announce.sh", script));
    agent_cli_write(a, &(struct agent_cli_conf){ .lines = lines });
    agent_cli_expect(a, exit_of_class(AGENT_LOCAL), "provision", "--timeout", "60");
    status = agent_cli_status(a);
    assert_int_equal(agent_cli_number(status, "generation"), 1);
    assert_non_null(
        strstr(agent_cli_text(agent_cli_object(status, "lastError"), "text"), "ended with 3"));
    cJSON_Delete(status);

    put_script(a, "exit 0"); /* it is run again at the next start */
    agent_cli_run(a, NULL);
    wait_until_ready(a);
    agent_cli_stop(a);
    agent_cli_expect(a, EXIT_DONE, "provision", "--timeout", "60");
}

/* ---- commands to a running agent ------------------------------------------------------------- */

static void a_second_agent_is_refused(void **state)
{
    static const char *const commands[] = { "run", "provision" };
    struct agent_cli *a = *state;

    agent_cli_run(a, NULL);
    for (size_t i = 0; i < PROV_COUNT(commands); i++) {
        struct run_result r;
        char pid[32];

        (void)snprintf(pid, sizeof pid, "pid %ld", (long)a->child.pid);
        agent_cli_do(a, NULL, &r, commands[i]);
        assert_int_equal(r.status, EXIT_LOCKED);
        assert_non_null(strstr(r.err, pid));
        run_release(&r);
    }
    agent_cli_stop(a);
}

static void a_running_agent_renews_when_it_is_asked_to(void **state)
{
    struct agent_cli *a = *state;
    struct run_result r;
    struct prov_id id;

    agent_cli_expect(a, EXIT_DONE, "provision", "--timeout", "60");
    id = agent_cli_id(a);
    fleet_attach(&a->f, &id, "claim"); /* it may renew, from its next connection on */
    agent_cli_run(a, NULL);
    wait_until_ready(a);
    agent_cli_do(a, NULL, &r, "renew", "--timeout", "60");
    if (r.status != EXIT_DONE)
        fail_msg("%s", r.err);
    run_release(&r);
    cJSON_Delete(agent_cli_wait_number(a, "generation", 2));
    wait_until_ready(a);
    agent_cli_stop(a);
}

static void a_renewal_that_fails_is_told_to_who_asked(void **state)
{
    struct agent_cli *a = *state;
    struct run_result r;
    struct prov_id id;

    agent_cli_expect(a, EXIT_DONE, "provision", "--timeout", "60");
    id = agent_cli_id(a);
    fleet_attach(&a->f, &id, "claim"); /* it may renew */
    agent_cli_write(a, &(struct agent_cli_conf){ .lines = STAYS, .no_serial = true });
    agent_cli_run(a, NULL);
    wait_until_ready(a);
    agent_cli_do(a, NULL, &r, "renew", "--timeout", "60");
    assert_int_equal(r.status, exit_of_class(AGENT_REJECTED));
    assert_non_null(strstr(r.err, "Serial"));
    run_release(&r);
    cJSON_Delete(agent_cli_wait_number(a, "generation", 1));
    agent_cli_stop(a);
}

static void an_installer_injects_a_claim_into_a_running_agent(void **state)
{
    struct agent_cli *a = *state;
    struct run_result claim, r;

    agent_cli_write(
        a, &(struct agent_cli_conf){ .method = "trusted-user", .no_claim = true, .lines = STAYS });
    agent_cli_run(a, NULL);
    cJSON_Delete(agent_cli_wait_text(a, "state", "no-claim"));

    agent_cli_do(a, "hello", &r, "inject-claim", "-");
    assert_int_equal(r.status, exit_of_class(AGENT_ANSWER));
    run_release(&r);
    run_provctl(&claim, "--db", a->f.rig.db, "--json", "claim", "create", FLEET_TEMPLATE);
    assert_int_equal(claim.status, 0);
    agent_cli_do(a, claim.out, &r, "inject-claim", "-");
    if (r.status != EXIT_DONE)
        fail_msg("%s", r.err);
    run_release(&r);
    run_release(&claim);
    wait_until_ready(a);
    agent_cli_stop(a);
}

static void a_claim_that_does_not_fit_is_refused_by_a_running_agent(void **state)
{
    struct agent_cli *a = *state;
    struct pki_cert other = pki_make(&(struct pki_spec){ .subject = "/CN=other" });
    char *cert = pki_pem(a->f.claim.x509), *key = pki_key_pem(other.key), *both;
    struct run_result r;

    agent_cli_write(
        a, &(struct agent_cli_conf){ .method = "trusted-user", .no_claim = true, .lines = STAYS });
    agent_cli_run(a, NULL);
    assert_true(asprintf(&both, "%s%s", cert, key) > 0);
    agent_cli_do(a, both, &r, "inject-claim", "-");
    assert_int_equal(r.status, exit_of_class(AGENT_ANSWER));
    run_release(&r);
    cJSON_Delete(agent_cli_wait_text(a, "state", "no-claim"));
    agent_cli_stop(a);
    free(both);
    free(cert);
    free(key);
    pki_free(&other);
}

static void a_running_agent_is_a_blank_device_after_a_reset(void **state)
{
    struct agent_cli *a = *state;
    char path[TMP_PATH_MAX], key[TMP_PATH_MAX];
    cJSON *status;

    agent_cli_write(
        a, &(struct agent_cli_conf){ .method = "trusted-user", .no_claim = true, .lines = STAYS });
    agent_cli_run(a, NULL);
    agent_cli_expect(a, EXIT_DONE, "inject-claim", agent_cli_path(a, "claim.crt", path),
                     agent_cli_path(a, "claim.key", key));
    wait_until_ready(a);
    agent_cli_expect(a, EXIT_DONE, "reset", "--level", "full", "--yes");
    status = agent_cli_wait_text(a, "state", "no-claim");
    assert_true(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(status, "generation")));
    assert_true(cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(status, "connected")));
    cJSON_Delete(status);
    assert_int_equal(access(agent_cli_path(a, "state/current", path), F_OK), -1);
    agent_cli_stop(a);
}

static void it_goes_on_after_a_power_cut(void **state)
{
    struct agent_cli *a = *state;

    agent_cli_run(a, NULL);
    wait_until_ready(a);
    child_kill(&a->child);
    agent_cli_run(a, NULL); /* lock and socket of the first are no hindrance */
    wait_until_ready(a);
    cJSON_Delete(agent_cli_wait_number(a, "generation", 1));
    agent_cli_stop(a);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, agent_cli_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_service_manager_follows_its_life),
        TEST(others_are_told_of_the_identity_and_of_the_next),
        TEST(a_program_that_fails_is_told_of_and_the_identity_serves),
        TEST(a_second_agent_is_refused),
        TEST(a_running_agent_renews_when_it_is_asked_to),
        TEST(a_renewal_that_fails_is_told_to_who_asked),
        TEST(an_installer_injects_a_claim_into_a_running_agent),
        TEST(a_claim_that_does_not_fit_is_refused_by_a_running_agent),
        TEST(a_running_agent_is_a_blank_device_after_a_reset),
        TEST(it_goes_on_after_a_power_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
