/* Requests on the agent's socket: what is one, and what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device-agent/port/posix/control_msg.h"

static enum agent_class read_text(const char *text, struct control_request *out)
{
    struct port_result result = { 0 };
    const enum agent_class class = control_request_read(
        (struct agent_span){ (const uint8_t *)text, strlen(text) }, out, &result);

    assert_int_equal(class, result.class);
    assert_int_equal(result.text[0] != '\0', class != AGENT_OK);
    return class;
}

static void each_command_says_what_it_needs(void **state)
{
    static const struct {
        const char *text;
        enum control_command command;
        enum agent_reset level;
        const char *cert, *key;
    } rows[] = {
        { "{\"command\":\"status\"}", CONTROL_STATUS, AGENT_RESET_NONE, "", "" },
        { " {\"command\" : \"renew\"} ", CONTROL_RENEW, AGENT_RESET_NONE, "", "" },
        { "{\"command\":\"stop\"}", CONTROL_STOP, AGENT_RESET_NONE, "", "" },
        { "{\"level\":\"identity\",\"command\":\"reset\"}", CONTROL_RESET, AGENT_RESET_IDENTITY, "",
          "" },
        { "{\"command\":\"reset\",\"level\":\"full\"}", CONTROL_RESET, AGENT_RESET_FULL, "", "" },
        { "{\"command\":\"inject-claim\",\"certificate\":\"a\\nb\",\"privateKey\":\"c\"}",
          CONTROL_INJECT, AGENT_RESET_NONE, "a\nb", "c" },
    };
    struct control_request request;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(read_text(rows[i].text, &request), AGENT_OK);
        assert_int_equal(request.command, rows[i].command);
        assert_int_equal(request.level, rows[i].level);
        assert_string_equal(request.cert, rows[i].cert);
        assert_string_equal(request.key, rows[i].key);
    }
}

static void anything_else_is_refused_and_leaves_nothing(void **state)
{
    static const char *const texts[] = {
        "",
        "{}",
        "[]",
        "\"status\"",
        "{\"command\":\"status\"} x",
        "{\"command\":\"status\"",
        "{\"command\":\"Status\"}",
        "{\"command\":\"\"}",
        "{\"command\":\"status status status\"}",
        "{\"command\":1}",
        "{\"command\":[\"status\"]}",
        "{\"Command\":\"status\"}",
        "{\"command\":\"status\",\"command\":\"status\"}",
        "{\"command\":\"status\",\"level\":\"full\"}",
        "{\"command\":\"status\",\"more\":\"\"}",
        "{\"command\":\"reset\"}",
        "{\"command\":\"reset\",\"level\":\"none\"}",
        "{\"command\":\"reset\",\"level\":\"half\"}",
        "{\"command\":\"inject-claim\"}",
        "{\"command\":\"inject-claim\",\"certificate\":\"a\"}",
        "{\"command\":\"inject-claim\",\"privateKey\":\"a\"}",
        "{\"command\":\"inject-claim\",\"certificate\":\"a\",\"privateKey\":\"\"}",
        "{\"command\":\"inject-claim\",\"certificate\":\"\",\"privateKey\":\"a\"}",
        "{\"command\":\"inject-claim\",\"certificate\":\"a\\u0000\",\"privateKey\":\"a\"}",
        "{\"command\":\"reset\",\"level\":\"full\",\"level\":\"full\"}",
        "{\"command\":\"inject-claim\",\"certificate\":1,\"privateKey\":\"a\"}",
        "{\"command\":\"inject-claim\",\"certificate\":\"a\",\"privateKey\":[\"a\"]}",
        "{\"certificate\":\"a\",\"privateKey\":\"a\"}",
    };
    static const struct control_request nothing;
    struct control_request request;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        memset(&request, 'x', sizeof request);
        assert_int_equal(read_text(texts[i], &request), AGENT_ANSWER);
        assert_memory_equal(&request, &nothing, sizeof request);
    }
}

static void a_pem_that_has_no_room_is_refused(void **state)
{
    char *text = malloc(2 * AGENT_MAX_CERT + 200);
    struct control_request request;
    size_t n;

    (void)state;
    assert_non_null(text);
    for (size_t over = 0; over < 2; over++) {
        n = (size_t)snprintf(text, 200, "{\"command\":\"inject-claim\",\"certificate\":\"");
        memset(text + n, 'c', AGENT_MAX_CERT - 1 + over);
        n += AGENT_MAX_CERT - 1 + over;
        (void)snprintf(text + n, 200, "\",\"privateKey\":\"k\"}");
        assert_int_equal(read_text(text, &request), over == 0 ? AGENT_OK : AGENT_ANSWER);
    }
    free(text);
}

static void what_is_written_is_read_the_same(void **state)
{
    struct control_request requests[] = {
        { .command = CONTROL_STATUS },
        { .command = CONTROL_RENEW },
        { .command = CONTROL_STOP },
        { .command = CONTROL_RESET, .level = AGENT_RESET_IDENTITY },
        { .command = CONTROL_RESET, .level = AGENT_RESET_FULL },
        { .command = CONTROL_INJECT, .cert = "a\n\"\\\x01\xc3\xa9", .key = "\t\x7f" },
    };
    struct control_request again;
    char room[512];
    struct agent_text out = { .p = room, .cap = sizeof room };

    (void)state;
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        assert_true(control_request_write(&requests[i], &out));
        assert_null(memchr(room, '\n', out.n));
        assert_int_equal(read_text(room, &again), AGENT_OK);
        assert_memory_equal(&again, &requests[i], sizeof again);
    }
}

static void what_does_not_fit_is_not_written_in_part(void **state)
{
    const struct control_request requests[] = {
        { .command = CONTROL_INJECT, .cert = "certificate", .key = "a secret" },
        { .command = CONTROL_INJECT, .cert = "no \xff UTF-8", .key = "a secret" },
    };
    static const char nothing[64];
    char room[64];

    (void)state;
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        struct agent_text out = { .p = room, .cap = sizeof room };

        assert_false(control_request_write(&requests[i], &out));
        assert_memory_equal(room, nothing, sizeof room);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_command_says_what_it_needs),
        cmocka_unit_test(anything_else_is_refused_and_leaves_nothing),
        cmocka_unit_test(a_pem_that_has_no_room_is_refused),
        cmocka_unit_test(what_is_written_is_read_the_same),
        cmocka_unit_test(what_does_not_fit_is_not_written_in_part),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
