/*
 * device-agent's commands that do their work themselves: to an identity and away from it, and how
 * every failure is told.
 *
 * ctest timeout: 300
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sys/stat.h>

#include <cmocka.h>

#include "device-agent/port/posix/exits.h"
#include "support/agent_cli.h"
#include "support/deadline.h"

static int code_of(enum agent_class class)
{
    return exit_of_class(class);
}

static void expect_mode(const struct agent_cli *a, const char *name, mode_t mode)
{
    char path[TMP_PATH_MAX];
    struct stat st;

    assert_int_equal(stat(agent_cli_path(a, name, path), &st), 0);
    assert_int_equal(st.st_mode & 07777, mode);
}

/* ---- to an identity -------------------------------------------------------------------------- */

static void provisioning_ends_with_an_identity_that_works(void **state)
{
    struct agent_cli *a = *state;
    struct prov_id id;
    cJSON *status;
    char *before, *after;

    agent_cli_expect(a, EXIT_NO_IDENTITY, "needs-renewal");
    agent_cli_expect(a, EXIT_DONE, "provision", "--timeout", "60");
    status = agent_cli_status(a);
    assert_int_equal(agent_cli_number(status, "generation"), 1);
    assert_string_equal(agent_cli_text(status, "thingName"), "pump-7");
    assert_string_equal(agent_cli_text(status, "record"), "good");
    assert_string_equal(agent_cli_text(status, "state"), "not-running");
    assert_true(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(status, "lastError")));
    assert_true(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(status, "next")));
    cJSON_Delete(status);
    id = agent_cli_id(a);
    fleet_expect_status(&a->f, &id, PROV_CERT_ACTIVE);
    expect_mode(a, "state", 0700);
    expect_mode(a, "state/state", 0600);
    expect_mode(a, "state/current/key.pem", 0600);

    /* there is nothing to do the second time */
    before = fleet_dump(&a->f);
    agent_cli_expect(a, EXIT_DONE, "provision");
    agent_cli_expect(a, EXIT_NOT_DUE, "needs-renewal");
    after = fleet_dump(&a->f);
    assert_string_equal(before, after);
    free(before);
    free(after);
}

static void status_is_a_table_for_people(void **state)
{
    struct agent_cli *a = *state;
    struct run_result r;

    agent_cli_expect(a, EXIT_DONE, "provision", "--timeout", "60");
    agent_cli_do(a, NULL, &r, "status");
    assert_int_equal(r.status, EXIT_DONE);
    assert_non_null(strstr(r.out, "thing          pump-7\n"));
    assert_non_null(strstr(r.out, "generation     1\n"));
    assert_non_null(strstr(r.out, "running        no\n"));
    assert_null(strstr(r.out, "last error"));
    run_release(&r);
}

static void a_renewal_is_a_new_generation_of_the_same_thing(void **state)
{
    struct agent_cli *a = *state;
    struct prov_id first, second;
    cJSON *status;

    agent_cli_expect(a, EXIT_NO_IDENTITY, "renew");
    agent_cli_expect(a, EXIT_DONE, "provision", "--timeout", "60");
    first = agent_cli_id(a);
    fleet_attach(&a->f, &first, "claim"); /* it may renew */
    agent_cli_expect(a, EXIT_DONE, "renew", "--timeout", "60");
    second = agent_cli_id(a);
    assert_memory_not_equal(first.b, second.b, sizeof first.b);
    fleet_expect_status(&a->f, &second, PROV_CERT_ACTIVE);
    status = agent_cli_status(a);
    assert_int_equal(agent_cli_number(status, "generation"), 2);
    assert_string_equal(agent_cli_text(status, "thingName"), "pump-7");
    cJSON_Delete(status);
}

static void a_renewal_that_is_refused_leaves_the_identity(void **state)
{
    struct agent_cli *a = *state;
    struct prov_id before, after;
    struct run_result r;

    agent_cli_expect(a, EXIT_DONE, "provision", "--timeout", "60");
    before = agent_cli_id(a);
    fleet_attach(&a->f, &before, "claim");
    agent_cli_write(a, &(struct agent_cli_conf){ .no_serial = true }); /* the template wants it */
    agent_cli_do(a, NULL, &r, "renew", "--timeout", "60");
    assert_int_equal(r.status, code_of(AGENT_REJECTED));
    assert_non_null(strstr(r.err, "device-agent: rejected: "));
    run_release(&r);
    after = agent_cli_id(a);
    assert_memory_equal(before.b, after.b, sizeof before.b);
}

/* ---- and away from it ------------------------------------------------------------------------ */

static void a_reset_takes_the_identity_away(void **state)
{
    struct agent_cli *a = *state;
    char path[TMP_PATH_MAX];
    cJSON *status;

    agent_cli_expect(a, EXIT_DONE, "provision", "--timeout", "60");
    agent_cli_expect(a, EXIT_USAGE, "reset"); /* nobody to ask */
    agent_cli_expect(a, EXIT_USAGE, "reset", "--level", "half", "--yes");
    expect_mode(a, "state/current/key.pem", 0600);
    agent_cli_expect(a, EXIT_DONE, "reset", "--yes");
    status = agent_cli_status(a);
    assert_true(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(status, "generation")));
    assert_true(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(status, "certificate")));
    cJSON_Delete(status);
    assert_int_equal(access(agent_cli_path(a, "state/gen/1", path), F_OK), -1);
    assert_int_equal(access(agent_cli_path(a, "claim.key", path), F_OK), 0);
    agent_cli_expect(a, EXIT_DONE, "reset", "--level", "full", "--yes");
    assert_int_equal(access(agent_cli_path(a, "claim.key", path), F_OK), -1);
}

static void another_devices_state_is_left_alone_until_a_reset(void **state)
{
    struct agent_cli *a = *state;
    struct prov_id id;
    struct run_result r;

    agent_cli_expect(a, EXIT_DONE, "provision", "--timeout", "60");
    id = agent_cli_id(a);
    agent_cli_write(a, &(struct agent_cli_conf){ .device_lines = "device_id = another\n" });
    agent_cli_do(a, NULL, &r, "provision", "--timeout", "60");
    assert_int_equal(r.status, code_of(AGENT_RECORD));
    assert_non_null(strstr(r.err, "another device's"));
    assert_non_null(strstr(r.err, "reset --level full"));
    run_release(&r);
    agent_cli_write(a, &(struct agent_cli_conf){ 0 });
    agent_cli_expect(a, EXIT_DONE, "provision", "--timeout", "60");
    assert_memory_equal(id.b, agent_cli_id(a).b, sizeof id.b);

    agent_cli_write(a, &(struct agent_cli_conf){ .device_lines = "device_id = another\n" });
    agent_cli_expect(a, EXIT_DONE, "reset", "--yes");
    agent_cli_expect(a, EXIT_DONE, "provision", "--timeout", "60");
    assert_memory_not_equal(id.b, agent_cli_id(a).b, sizeof id.b);
}

static void a_record_of_a_later_version_is_left_alone_until_a_reset(void **state)
{
    struct agent_cli *a = *state;
    char path[TMP_PATH_MAX];
    struct stat st;

    agent_cli_expect(a, EXIT_DONE, "provision", "--timeout", "60");
    assert_int_equal(truncate(agent_cli_path(a, "state/state", path), 1 << 20), 0);
    agent_cli_expect(a, code_of(AGENT_RECORD), "provision", "--timeout", "60");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 1 << 20);
    agent_cli_expect(a, EXIT_DONE, "reset", "--yes");
    agent_cli_expect(a, EXIT_DONE, "provision", "--timeout", "60");
}

/* ---- failures -------------------------------------------------------------------------------- */

static void forget_parameter(struct agent_cli *a)
{
    agent_cli_write(a, &(struct agent_cli_conf){ .no_serial = true });
}

static void distrust(struct agent_cli *a)
{
    agent_cli_write(a, &(struct agent_cli_conf){ .ca_file = "claim.crt" });
}

static void take_no_template(struct agent_cli *a)
{
    agent_cli_write(a, &(struct agent_cli_conf){ .template_name = "none" });
}

static void open_key(struct agent_cli *a)
{
    char path[TMP_PATH_MAX];

    assert_int_equal(chmod(agent_cli_path(a, "claim.key", path), 0644), 0);
}

static void mistype(struct agent_cli *a)
{
    agent_cli_write(a, &(struct agent_cli_conf){ .lines = "[service]\nhartbeat = 1s\n" });
}

static void lose_claim(struct agent_cli *a)
{
    char path[TMP_PATH_MAX];

    assert_int_equal(unlink(agent_cli_path(a, "claim.crt", path)), 0);
}

/* Each ends a provisioning that waits for nothing, and is in the status if there is one. */
static void every_lasting_failure_has_its_code_and_a_reason(void **state)
{
    static const struct {
        void (*spoil)(struct agent_cli *a);
        enum agent_class class;
        const char *reason;
        bool in_status;
    } rows[] = {
        { forget_parameter, AGENT_REJECTED, "Serial", true },
        { take_no_template, AGENT_REJECTED, "", true },
        { distrust, AGENT_TRUST, "claim.crt", true },
        { lose_claim, AGENT_ANSWER, "it is not there", true },
        { mistype, AGENT_CONFIG, "did you mean 'heartbeat'", false },
        { open_key, AGENT_LOCAL, "chmod", true },
    };
    struct agent_cli *a = *state;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct run_result r;
        cJSON *status;

        agent_cli_put_claim(a, &a->f.claim);
        agent_cli_write(a, &(struct agent_cli_conf){ 0 });
        rows[i].spoil(a);
        agent_cli_do(a, NULL, &r, "provision", "--timeout", "60");
        if (r.status != code_of(rows[i].class) || strstr(r.err, rows[i].reason) == NULL)
            fail_msg("row %zu ended with %d: %s", i, r.status, r.err);
        run_release(&r);
        if (!rows[i].in_status)
            continue;
        status = agent_cli_status(a);
        assert_string_equal(agent_cli_text(agent_cli_object(status, "lastError"), "class"),
                            agent_class_name(rows[i].class));
        assert_int_equal(agent_cli_number(agent_cli_object(status, "lastError"), "exitCode"),
                         code_of(rows[i].class));
        cJSON_Delete(status);
    }
}

/* How far it gets within a second is the machine's; what it has counted stays from run to run. */
static void no_broker_is_tried_again_until_the_timeout(void **state)
{
    struct agent_cli *a = *state;
    const int64_t until_ms = deadline_in(0);
    int failures = 0;

    broker_stop(a->f.rig.broker);
    while (failures < 2) {
        struct run_result r;
        const cJSON *getting;
        cJSON *status;

        assert_true(deadline_left(until_ms) > 0);
        agent_cli_do(a, NULL, &r, "provision", "--timeout", "1");
        assert_int_equal(r.status, EXIT_TIMEOUT);
        assert_non_null(strstr(r.err, "device-agent: timeout: "));
        run_release(&r);
        status = agent_cli_status(a);
        getting = agent_cli_object(agent_cli_object(status, "attempts"), "getting");
        if (cJSON_GetObjectItemCaseSensitive(getting, "network") != NULL) {
            assert_string_equal(agent_cli_text(agent_cli_object(status, "lastError"), "class"),
                                "network");
            failures = agent_cli_number(getting, "network");
        }
        cJSON_Delete(status);
    }
}

static void a_signal_ends_a_command_with_a_code_of_its_own(void **state)
{
    struct agent_cli *a = *state;
    const char *const argv[] = { AGENT_PROGRAM_PATH, "--config", a->conf, "provision", NULL };

    broker_stop(a->f.rig.broker);
    assert_true(child_start(
        &a->child, &(struct child_spec){ .argv = argv, .in = -1, .out = -1, .err = a->log }));
    cJSON_Delete(agent_cli_wait_text(a, "state", "waiting"));
    assert_int_equal(kill(a->child.pid, SIGINT), 0);
    assert_int_equal(child_wait(&a->child, deadline_in(0)), EXIT_INTERRUPTED);
}

static void failures_are_documents_where_documents_were_asked_for(void **state)
{
    struct agent_cli *a = *state;
    struct run_result r;
    cJSON *doc;

    mistype(a);
    agent_cli_do(a, NULL, &r, "status", "--json");
    assert_int_equal(r.status, code_of(AGENT_CONFIG));
    assert_string_equal(r.out, "");
    doc = cJSON_Parse(r.err);
    assert_int_equal(agent_cli_number(agent_cli_object(doc, "error"), "exitCode"), r.status);
    assert_string_equal(agent_cli_text(agent_cli_object(doc, "error"), "class"), "config");
    cJSON_Delete(doc);
    run_release(&r);
}

static void a_wrong_command_line_says_what_would_be_right(void **state)
{
    static const struct {
        const char *words[4];
        const char *says;
    } rows[] = {
        { { "provison" }, "did you mean 'provision'?" },
        { { "status", "--jsno" }, "did you mean 'json'?" },
        { { "run", "--json" }, "run has no option --json" },
        { { "status", "now" }, "status takes no 'now'" },
        { { "inject-claim" }, "inject-claim needs FILE" },
        { { "provision", "--timeout" }, "--timeout needs a value" },
        { { "provision", "--timeout=1s" }, "--timeout takes seconds" },
        { { "status", "--json=yes" }, "--json takes no value" },
        { { "status", "--json", "--json" }, "--json is given twice" },
        { { "status", "-j" }, "options have two dashes" },
    };
    struct agent_cli *a = *state;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct run_result r;

        agent_cli_do_argv(a, NULL, &r, rows[i].words);
        if (r.status != EXIT_USAGE || strstr(r.err, rows[i].says) == NULL)
            fail_msg("%s ended with %d: %s", rows[i].words[0], r.status, r.err);
        run_release(&r);
    }
    agent_cli_expect(a, EXIT_DONE, "help");
    agent_cli_expect(a, EXIT_DONE, "help", "renew");
    agent_cli_expect(a, EXIT_DONE, "renew", "--help");
    agent_cli_expect(a, EXIT_DONE, "version");
    agent_cli_expect(a, EXIT_USAGE, "help", "everything");
}

/* ---- claims ---------------------------------------------------------------------------------- */

static void an_injected_claim_is_stored_for_the_next_agent(void **state)
{
    struct agent_cli *a = *state;
    struct run_result r;
    char *cert = pki_pem(a->f.claim.x509), *key = pki_key_pem(a->f.claim.key), *both;
    char crt_path[TMP_PATH_MAX], key_path[TMP_PATH_MAX];

    agent_cli_write(a, &(struct agent_cli_conf){ .method = "trusted-user", .no_claim = true });
    agent_cli_expect(a, EXIT_TIMEOUT, "provision", "--timeout", "1");
    agent_cli_expect(a, EXIT_DONE, "inject-claim", agent_cli_path(a, "claim.crt", crt_path),
                     agent_cli_path(a, "claim.key", key_path));
    expect_mode(a, "state/claim/key.pem", 0600);
    agent_cli_expect(a, EXIT_DONE, "provision", "--timeout", "60");

    /* a second one begins anew, though the first was done with */
    assert_true(asprintf(&both, "%s%s", key, cert) > 0);
    agent_cli_do(a, both, &r, "inject-claim", "-");
    assert_int_equal(r.status, EXIT_DONE);
    run_release(&r);
    expect_mode(a, "state/claim/key.pem", 0600);
    agent_cli_expect(a, EXIT_DONE, "provision", "--timeout", "60");
    cJSON_Delete(agent_cli_wait_number(a, "generation", 2));
    free(both);
    free(cert);
    free(key);
}

static void a_claim_that_cannot_be_used_is_refused(void **state)
{
    struct agent_cli *a = *state;
    struct pki_cert other = pki_make(&(struct pki_spec){ .subject = "/CN=other" });
    char *cert = pki_pem(a->f.claim.x509), *key = pki_key_pem(other.key), *both;
    const char *const inputs[] = { "", "hello", cert, key };
    struct run_result r;
    char path[TMP_PATH_MAX];

    agent_cli_write(a, &(struct agent_cli_conf){ .method = "trusted-user", .no_claim = true });
    for (size_t i = 0; i < PROV_COUNT(inputs); i++) {
        agent_cli_do(a, inputs[i], &r, "inject-claim", "-");
        assert_int_equal(r.status, code_of(AGENT_ANSWER));
        run_release(&r);
    }
    assert_true(asprintf(&both, "%s%s", cert, key) > 0);
    agent_cli_do(a, both, &r, "inject-claim", "-");
    assert_int_equal(r.status, code_of(AGENT_ANSWER));
    assert_null(strstr(r.err, "BEGIN"));
    run_release(&r);
    agent_cli_expect(a, code_of(AGENT_LOCAL), "inject-claim", "/nobody/there");
    assert_int_equal(access(agent_cli_path(a, "state/claim/key.pem", path), F_OK), -1);
    free(both);
    free(cert);
    free(key);
    pki_free(&other);
}

/* It was used, or it will fail when an identity has to be asked for again. */
static void with_an_identity_only_a_claim_that_is_there_can_be_wrong(void **state)
{
    struct agent_cli *a = *state;
    char path[TMP_PATH_MAX];
    struct run_result r;

    agent_cli_expect(a, EXIT_DONE, "provision");
    assert_int_equal(unlink(agent_cli_path(a, "claim.crt", path)), 0);
    agent_cli_do(a, NULL, &r, "provision");
    assert_int_equal(r.status, EXIT_DONE);
    assert_non_null(strstr(r.err, "level=warning event=claim"));
    run_release(&r);
    assert_int_equal(unlink(agent_cli_path(a, "claim.key", path)), 0);
    agent_cli_do(a, NULL, &r, "provision");
    assert_int_equal(r.status, EXIT_DONE);
    assert_null(strstr(r.err, "event=claim"));
    run_release(&r);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, agent_cli_set_up, agent_cli_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(provisioning_ends_with_an_identity_that_works),
        TEST(status_is_a_table_for_people),
        TEST(a_renewal_is_a_new_generation_of_the_same_thing),
        TEST(a_renewal_that_is_refused_leaves_the_identity),
        TEST(a_reset_takes_the_identity_away),
        TEST(another_devices_state_is_left_alone_until_a_reset),
        TEST(a_record_of_a_later_version_is_left_alone_until_a_reset),
        TEST(every_lasting_failure_has_its_code_and_a_reason),
        TEST(no_broker_is_tried_again_until_the_timeout),
        TEST(a_signal_ends_a_command_with_a_code_of_its_own),
        TEST(failures_are_documents_where_documents_were_asked_for),
        TEST(a_wrong_command_line_says_what_would_be_right),
        TEST(an_injected_claim_is_stored_for_the_next_agent),
        TEST(a_claim_that_cannot_be_used_is_refused),
        TEST(with_an_identity_only_a_claim_that_is_there_can_be_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
