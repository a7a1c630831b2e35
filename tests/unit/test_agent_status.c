/* The status document, and the table that people see of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/stat.h>

#include <cmocka.h>

#include "device-agent/port/posix/control.h"
#include "device-agent/port/posix/status.h"
#include "support/alloc.h"
#include "support/pki.h"
#include "support/tmp.h"

#define NOW_S INT64_C(1800000000)
#define NOW_MS UINT64_C(5000)

struct fixture {
    char *dir;
    struct conf conf;
    struct agent_state record;
    struct agent_view view;
    struct status_in in;
};

static void put_file(const char *dir, const char *name, const char *text)
{
    char path[TMP_PATH_MAX];
    FILE *f = fopen(tmp_path(dir, name, path), "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

/* An identity in force, and nothing wrong. */
static int set_up(void **state)
{
    static const uint8_t device[AGENT_DEVICE_LEN];
    struct fixture *f = calloc(1, sizeof *f);
    struct pki_cert cert = pki_make(&(struct pki_spec){
        .subject = "/CN=pump-7", .now_s = NOW_S, .not_before_s = -100, .not_after_s = 100000 });
    char *pem = pki_pem(cert.x509), path[TMP_PATH_MAX];

    assert_non_null(f);
    f->dir = tmp_new();
    assert_int_equal(mkdir(tmp_path(f->dir, "current", path), 0700), 0);
    put_file(f->dir, "current/cert.pem", pem);
    put_file(f->dir, "current/key.pem", "PRIVATE");
    free(pem);
    pki_free(&cert);
    agent_state_init(&f->record, device);
    f->record.current = 3;
    f->record.renew_s = NOW_S + 50000;
    (void)snprintf(f->record.thing_name, sizeof f->record.thing_name, "pump-7");
    f->conf.agent.method = AGENT_METHOD_CLAIM;
    f->conf.net.host = "broker.example";
    f->view = (struct agent_view){ .step = AGENT_READY, .connected = true, .text = "" };
    f->in = (struct status_in){ .conf = &f->conf,
                                .dir = f->dir,
                                .record = &f->record,
                                .read = AGENT_STATE_GOOD,
                                .view = &f->view,
                                .pid = 42,
                                .mono_ms = NOW_MS,
                                .wall_s = NOW_S };
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    tmp_free(f->dir);
    free(f);
    return 0;
}

static const cJSON *get(const cJSON *from, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(from, name);

    if (item == NULL)
        fail_msg("there is no %s", name);
    return item;
}

static cJSON *make(const struct fixture *f)
{
    cJSON *status = status_make(&f->in);

    assert_non_null(status);
    return status;
}

static void a_running_agent_with_its_identity(void **state)
{
    struct fixture *f = *state;
    cJSON *status = make(f);
    char path[TMP_PATH_MAX];

    assert_true(cJSON_IsTrue(get(status, "running")));
    assert_int_equal(status_number(status, "pid"), 42);
    assert_string_equal(status_text(status, "state"), "ready");
    assert_string_equal(status_text(status, "method"), "claim");
    assert_string_equal(status_text(status, "thingName"), "pump-7");
    assert_int_equal(status_number(status, "generation"), 3);
    assert_int_equal(strlen(status_text(get(status, "certificate"), "certificateId")), 64);
    assert_int_equal(status_number(get(status, "certificate"), "notAfter"), NOW_S + 100000);
    assert_int_equal(status_number(status, "renewal"), NOW_S + 50000);
    assert_true(cJSON_IsTrue(get(status, "connected")));
    assert_true(cJSON_IsNull(get(status, "lastError")));
    assert_true(cJSON_IsNull(get(status, "next")));
    assert_true(cJSON_IsNull(get(status, "nextTry")));
    assert_true(cJSON_IsNull(get(status, "claim")));
    assert_true(cJSON_IsNull(get(status, "reset")));
    assert_string_equal(status_text(get(status, "paths"), "privateKey"),
                        tmp_path(f->dir, "current/key.pem", path));
    assert_true(cJSON_IsNull(get(get(status, "paths"), "configuration")));
    cJSON_Delete(status);
}

static void an_agent_on_its_way_that_failed(void **state)
{
    struct fixture *f = *state;
    cJSON *status;
    const cJSON *error;

    f->view = (struct agent_view){ .step = AGENT_WAITING,
                                   .class = AGENT_REJECTED,
                                   .text = "the template wants Serial",
                                   .next_ms = NOW_MS + 30001 };
    f->record.next = 4;
    f->record.phase = AGENT_PHASE_REQUEST;
    f->record.reset = AGENT_RESET_FULL;
    f->record.getting.attempts[AGENT_REJECTED] = 2;
    f->record.serving.attempts[AGENT_NETWORK] = 1;
    status = make(f);
    error = get(status, "lastError");
    assert_string_equal(status_text(error, "class"), "rejected");
    assert_string_equal(status_text(error, "text"), "the template wants Serial");
    assert_int_equal(status_number(error, "exitCode"), 14);
    assert_int_equal(status_number(get(status, "next"), "generation"), 4);
    assert_string_equal(status_text(get(status, "next"), "phase"), "request");
    assert_int_equal(status_number(status, "nextTryIn"), 31);
    assert_int_equal(status_number(status, "nextTry"), NOW_S + 31);
    assert_int_equal(status_number(get(get(status, "attempts"), "getting"), "rejected"), 2);
    assert_int_equal(status_number(get(get(status, "attempts"), "serving"), "network"), 1);
    assert_string_equal(status_text(status, "reset"), "full");
    cJSON_Delete(status);
}

static void without_an_agent_the_record_tells(void **state)
{
    struct fixture *f = *state;
    cJSON *status;

    f->in.view = NULL;
    f->record.last_error = AGENT_NETWORK;
    (void)snprintf(f->record.last_message, sizeof f->record.last_message, "no route");
    status = make(f);
    assert_true(cJSON_IsFalse(get(status, "running")));
    assert_string_equal(status_text(status, "state"), "not-running");
    assert_true(cJSON_IsFalse(get(status, "connected")));
    assert_string_equal(status_text(get(status, "lastError"), "text"), "no route");
    cJSON_Delete(status);
}

/* As a person sees it. */
static const char *printed(const cJSON *status, char out[static 4096])
{
    FILE *file = fmemopen(out, 4096, "w");

    assert_non_null(file);
    status_print(status, 0, file);
    assert_int_equal(fclose(file), 0);
    return out;
}

static void records_that_cannot_be_used_are_told(void **state)
{
    static const struct {
        enum agent_state_read read;
        const char *name, *error;
    } rows[] = {
        { AGENT_STATE_TORN, "torn", NULL },
        { AGENT_STATE_INVALID, "invalid", NULL },
        { AGENT_STATE_NEWER, "newer", "later version" },
        { AGENT_STATE_FOREIGN, "foreign", "another device" },
    };
    struct fixture *f = *state;
    char table[4096];

    f->in.view = NULL;
    f->in.record = NULL;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cJSON *status;

        f->in.read = rows[i].read;
        status = make(f);
        assert_string_equal(status_text(status, "record"), rows[i].name);
        if (rows[i].error == NULL) {
            assert_true(cJSON_IsNull(get(status, "lastError")));
            assert_non_null(strstr(printed(status, table), "makes it anew"));
        } else {
            assert_null(strstr(printed(status, table), "makes it anew"));
            assert_non_null(strstr(status_text(get(status, "lastError"), "text"), rows[i].error));
            assert_int_equal(status_number(get(status, "lastError"), "exitCode"), 23);
        }
        cJSON_Delete(status);
    }
}

static void a_device_that_has_nothing_yet(void **state)
{
    struct fixture *f = *state;
    char path[TMP_PATH_MAX];
    cJSON *status;

    f->in.view = NULL;
    f->in.record = NULL;
    f->in.read = AGENT_STATE_TORN;
    f->in.blank = true;
    f->in.dir = tmp_path(f->dir, "none", path);
    status = make(f);
    assert_true(cJSON_IsNull(get(status, "generation")));
    assert_true(cJSON_IsNull(get(status, "certificate")));
    assert_true(cJSON_IsNull(get(status, "thingName")));
    assert_true(cJSON_IsNull(get(status, "record")));
    cJSON_Delete(status);
}

static void without_memory_there_is_none(void **state)
{
    struct fixture *f = *state;
    cJSON *status;

    f->view.class = AGENT_NETWORK;
    f->view.text = "no route";
    f->record.next = 4;
    f->record.phase = AGENT_PHASE_KEY;
    f->record.getting.attempts[AGENT_NETWORK] = 1;
    for (unsigned n = 1;; n++) {
        alloc_fail_at(n);
        status = status_make(&f->in);
        status = status != NULL ? control_ok("status", status) : NULL;
        if (!alloc_failed())
            break;
        assert_null(status);
    }
    assert_non_null(status);
    cJSON_Delete(status);
}

/* ---- for people ------------------------------------------------------------------------------ */

static char *print(const cJSON *status, int64_t now_s)
{
    char *text = NULL;
    size_t n;
    FILE *out = open_memstream(&text, &n);

    assert_non_null(out);
    status_print(status, now_s, out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void people_see_what_matters(void **state)
{
    static const char *const lines[] = {
        "running        yes, pid 42\n", "state          ready: connected\n",
        "thing          pump-7\n",      "generation     3\n",
        "next           4 (issued)\n",  "last error     network: no route (exit code 11)\n",
        "failures       network 7\n",   "renewal        2027-01-15 21:53:20 UTC (in 14 h)\n",
    };
    struct fixture *f = *state;
    cJSON *status;
    char *text;

    f->view.class = AGENT_NETWORK;
    f->view.text = "no route";
    f->record.next = 4;
    f->record.phase = AGENT_PHASE_ISSUED;
    f->record.getting.attempts[AGENT_NETWORK] = 7;
    status = make(f);
    text = print(status, NOW_S);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        if (strstr(text, lines[i]) == NULL)
            fail_msg("%s is not in:\n%s", lines[i], text);
    }
    assert_null(strstr(text, "null"));
    free(text);
    cJSON_Delete(status);
}

/* An agent of another version may answer anything. */
static void a_strange_document_does_no_harm(void **state)
{
    static const char *const texts[] = {
        "{}",
        "{\"state\":1,\"certificate\":[],\"lastError\":\"x\",\"attempts\":3,\"next\":{}}",
        "{\"renewal\":1e300,\"generation\":-1e300,\"nextTryIn\":1e18,\"pid\":\"x\"}",
        "{\"attempts\":{\"getting\":{\"a\":\"b\"}},\"lastError\":{\"class\":\"x\"}}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        cJSON *status = cJSON_Parse(texts[i]);
        char *text;

        assert_non_null(status);
        text = print(status, NOW_S);
        assert_non_null(strstr(text, "running        no\n"));
        free(text);
        cJSON_Delete(status);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_running_agent_with_its_identity), TEST(an_agent_on_its_way_that_failed),
        TEST(without_an_agent_the_record_tells), TEST(records_that_cannot_be_used_are_told),
        TEST(a_device_that_has_nothing_yet),     TEST(without_memory_there_is_none),
        TEST(people_see_what_matters),           cmocka_unit_test(a_strange_document_does_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
