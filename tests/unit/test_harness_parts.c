/* The parts of the test harness that need no broker: programs, ports, and the client's reading. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <netinet/in.h>
#include <poll.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "support/child.h"
#include "support/deadline.h"
#include "support/mqtt_packet.h"
#include "support/port.h"

/* ---- programs -------------------------------------------------------------------------------- */

static void program_reports_its_end_and_what_it_printed(void **state)
{
    static const struct {
        const char *script, *input;
        int status;
        const char *out, *err;
    } rows[] = {
        { "echo a; echo b >&2", NULL, 0, "a\n", "b\n" },
        { "exit 7", NULL, 7, "", "" },
        { "cat", "fed", 0, "fed", "" },
        { "true", "not read by anybody", 0, "", "" },
        { "kill -9 $$", NULL, 128 + SIGKILL, "", "" },
        { "kill -15 $$", NULL, 128 + SIGTERM, "", "" },
        { "echo ${0##*/}", NULL, 0, "sh\n", "" },
    };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        const char *const argv[] = { "/bin/sh", "-c", rows[i].script, NULL };
        struct run_result r;

        assert_true(run_program(argv, rows[i].input, &r));
        assert_int_equal(r.status, rows[i].status);
        assert_string_equal(r.out, rows[i].out);
        assert_string_equal(r.err, rows[i].err);
        run_release(&r);
    }
}

static void program_that_is_not_there_says_so(void **state)
{
    const char *const argv[] = { "/no/such/program", NULL };
    struct run_result r;

    (void)state;
    assert_true(run_program(argv, NULL, &r));
    assert_int_equal(r.status, 127);
    assert_string_equal(r.err, "cannot execute\n");
    run_release(&r);
}

/* More than a pipe holds, both ways at once. */
static void program_may_print_a_lot_while_it_is_fed(void **state)
{
    const size_t n = 1u << 20;
    const char *const argv[] = { "/bin/sh", "-c", "tee /dev/stderr", NULL };
    char *input = malloc(n + 1);
    struct run_result r;

    (void)state;
    assert_non_null(input);
    memset(input, 'x', n);
    input[n] = '\0';
    assert_true(run_program(argv, input, &r));
    assert_int_equal(r.status, 0);
    assert_string_equal(r.out, input);
    assert_int_equal(strlen(r.err), n);
    run_release(&r);
    free(input);
}

static void environment_of_a_program_can_be_changed(void **state)
{
    const char *const argv[] = { "/bin/sh", "-c", "test \"$NEW\" = new && test -z \"$HOME\"",
                                 NULL };
    const struct child_env env[] = { { "NEW", "new" }, { "HOME", NULL }, { NULL, NULL } };
    struct child c;

    (void)state;
    assert_int_equal(setenv("HOME", "/somewhere", 1), 0);
    assert_true(child_start(
        &c, &(struct child_spec){ .argv = argv, .env = env, .in = -1, .out = -1, .err = -1 }));
    assert_int_equal(child_wait(&c, deadline_in(0)), 0);
}

static const char *const sleeper[] = { "/bin/sleep", "1000", NULL };

static bool start_sleeper(struct child *c)
{
    return child_start(c, &(struct child_spec){ .argv = sleeper, .in = -1, .out = -1, .err = -1 });
}

static void waiting_ends_at_the_deadline_and_leaves_the_program_running(void **state)
{
    struct child c;

    (void)state;
    assert_true(start_sleeper(&c));
    assert_int_equal(child_wait(&c, deadline_now_ms()), -1);
    assert_int_equal(kill(c.pid, 0), 0);
    child_kill(&c);
    assert_int_equal(c.pid, 0);
    child_kill(&c); /* nobody is there now */
}

/* A stand-in for a test that crashes: starts a program, tells its pid, and is gone. */
static pid_t crash_with_a_program_running(void)
{
    int ends[2], status;
    pid_t crasher, orphan = 0;

    assert_int_equal(pipe(ends), 0);
    crasher = fork();
    if (crasher == 0) {
        struct child c;

        if (start_sleeper(&c))
            (void)!write(ends[1], &c.pid, sizeof c.pid);
        (void)raise(SIGKILL);
    }
    (void)close(ends[1]);
    assert_int_equal(read(ends[0], &orphan, sizeof orphan), sizeof orphan);
    (void)close(ends[0]);
    assert_int_equal(waitpid(crasher, &status, 0), crasher);
    return orphan;
}

static void program_does_not_outlive_a_test_that_crashes(void **state)
{
    const pid_t orphan = crash_with_a_program_running();
    struct pollfd p = { .fd = pidfd_open(orphan, 0), .events = POLLIN };

    (void)state;
    if (p.fd == -1)
        return; /* gone and reaped already */
    assert_int_equal(poll(&p, 1, deadline_left(deadline_in(0))), 1);
    (void)close(p.fd);
}

/* ---- ports ----------------------------------------------------------------------------------- */

static void port_belongs_to_one_holder_until_given_back(void **state)
{
    struct port a = port_take(), b = port_take();
    struct port again;
    const uint16_t first = a.number;

    (void)state;
    assert_int_not_equal(a.number, 0);
    assert_int_not_equal(b.number, 0);
    assert_int_not_equal(a.number, b.number);
    port_give_back(&a);
    assert_int_equal(a.number, 0);
    port_give_back(&a); /* nothing to give */
    again = port_take();
    assert_int_equal(again.number, first);
    port_give_back(&again);
    port_give_back(&b);
}

/* ---- a peer that says what the test wants ---------------------------------------------------- */

static int listen_on(uint16_t port)
{
    const struct sockaddr_in at = { .sin_family = AF_INET,
                                    .sin_port = htons(port),
                                    .sin_addr = { htonl(INADDR_LOOPBACK) } };
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;

    assert_int_not_equal(fd, -1);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, 8), 0);
    return fd;
}

/* A client whose peer has said `words` and then closed, having read all or nothing of its CONNECT.
 */
static struct mqtt *answered_with(struct prov_span words, enum mqtt_version version, bool read_all)
{
    struct port port = port_take();
    const int listener = listen_on(port.number);
    struct mqtt *c = mqtt_start(&(struct mqtt_options){ .port = port.number, .version = version });
    char connect[256];
    int fd;

    assert_non_null(c);
    mqtt_step(c);
    fd = accept(listener, NULL, NULL);
    assert_int_not_equal(fd, -1);
    assert_true(mqtt_wait_secured(c));
    mqtt_step(c);
    if (read_all)
        assert_true(read(fd, connect, sizeof connect) > 0);
    assert_int_equal(write(fd, words.p, words.n), words.n);
    (void)close(fd);
    (void)close(listener);
    port_give_back(&port);
    assert_true(mqtt_wait_end(c));
    return c;
}

static void ends_are_told_apart(void **state)
{
    static const struct {
        struct prov_span words;
        enum mqtt_version version;
        enum mqtt_end end;
        int connack;
    } rows[] = {
        { { NULL, 0 }, MQTT_V311, MQTT_END_EOF, -1 },
        { PROV_LIT("\x20\x02\x00\x00"), MQTT_V311, MQTT_END_EOF, 0 },
        { PROV_LIT("\x20\x02\x00\x05"), MQTT_V311, MQTT_END_EOF, 5 },
        { PROV_LIT("\x20\x03\x00\x87\x00"), MQTT_V5, MQTT_END_EOF, 135 },
        { PROV_LIT("\x20\x02\x00\x01"), MQTT_V5, MQTT_END_EOF, 1 }, /* from a 3.1.1 broker */
        { PROV_LIT("\x20\x03\x00"), MQTT_V5, MQTT_END_EOF, -1 },    /* cut short by the close */
        { PROV_LIT("\x20\x02\x00\x00\x20\x02\x00\x00"), MQTT_V311, MQTT_END_MALFORMED, 0 },
        { PROV_LIT("\x20\x01\x00"), MQTT_V311, MQTT_END_MALFORMED, 0 },
        { PROV_LIT("\xff\xff\xff\xff\xff"), MQTT_V311, MQTT_END_MALFORMED, -1 },
        { PROV_LIT("\x10\x00"), MQTT_V311, MQTT_END_MALFORMED, -1 },
        { PROV_LIT("\xe0\x00"), MQTT_V311, MQTT_END_MALFORMED, -1 },
        { PROV_LIT("\x34\x05\x00\x01\x61\x00\x01"), MQTT_V311, MQTT_END_MALFORMED, -1 }, /* QoS 2 */
        { PROV_LIT("\x30\x03\x00\x09\x61"), MQTT_V311, MQTT_END_MALFORMED, -1 },
    };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct mqtt *c = answered_with(rows[i].words, rows[i].version, true);

        assert_int_equal(mqtt_report(c)->end, rows[i].end);
        assert_int_equal(mqtt_report(c)->connack, rows[i].connack);
        mqtt_free(c);
    }
}

static void what_was_said_before_a_reset_is_still_heard(void **state)
{
    struct mqtt *c = answered_with(PROV_LIT("\x20\x02\x00\x05"), MQTT_V311, false);

    (void)state;
    assert_int_equal(mqtt_report(c)->connack, 5);
    assert_int_equal(mqtt_report(c)->end, MQTT_END_RESET);
    mqtt_free(c);
}

static void reason_and_assigned_id_of_mqtt_5_are_kept(void **state)
{
    struct mqtt *c = answered_with(PROV_LIT("\x20\x0e\x00\x00\x0b"
                                            "\x12\x00\x03id1"
                                            "\x1f\x00\x02no"
                                            "\xe0\x01\x8b"),
                                   MQTT_V5, true);

    (void)state;
    assert_string_equal(mqtt_report(c)->assigned_id, "id1");
    assert_string_equal(mqtt_report(c)->reason_text, "no");
    assert_int_equal(mqtt_report(c)->disconnect_reason, 139);
    mqtt_free(c);
}

static void nobody_listening_is_no_tcp(void **state)
{
    struct port port = port_take();
    struct mqtt *c = mqtt_start(&(struct mqtt_options){ .port = port.number });

    (void)state;
    assert_true(mqtt_wait_end(c));
    assert_int_equal(mqtt_report(c)->end, MQTT_END_TCP);
    assert_int_equal(mqtt_report(c)->sys_errno, ECONNREFUSED);
    assert_int_equal(mqtt_wait_connack(c), MQTT_WENT);
    mqtt_free(c);
    port_give_back(&port);
}

static void silent_peer_is_late_and_not_gone(void **state)
{
    struct port port = port_take();
    const int listener = listen_on(port.number);
    struct mqtt *c = mqtt_start(&(struct mqtt_options){ .port = port.number, .wait_ms = 1 });

    (void)state;
    assert_int_equal(mqtt_wait_connack(c), MQTT_LATE);
    assert_false(mqtt_wait_end(c));
    assert_int_equal(mqtt_report(c)->end, MQTT_END_NONE);
    mqtt_free(c);
    (void)close(listener);
    port_give_back(&port);
}

/* ---- packets --------------------------------------------------------------------------------- */

static struct prov_span put_connect(struct prov_buf *b, const struct mqtt_options *o)
{
    prov_buf_init(b, 1024);
    mqtt_put_connect(b, o);
    assert_int_equal(b->rc, PROV_OK);
    return prov_buf_span(b);
}

/* Byte for byte after MQTT 3.1.1 section 3.1 and MQTT 5 section 3.1. */
static void connect_carries_what_the_options_say(void **state)
{
    const struct mqtt_will will = {
        .topic = "w", .payload = PROV_LIT("p"), .qos = 1, .retain = true, .delay_s = 258
    };
    const struct {
        struct mqtt_options o;
        struct prov_span bytes;
    } rows[] = {
        { { .version = MQTT_V311 }, PROV_LIT("\x10\x0c\0\4MQTT\4\x02\0\0\0\0") },
        { { .version = MQTT_V5 }, PROV_LIT("\x10\x0d\0\4MQTT\5\x02\0\0\0\0\0") },
        { { .version = MQTT_V311,
            .client_id = "c",
            .username = "u",
            .password = "p",
            .keep_session = true,
            .keepalive_s = 300,
            .will = &will },
          PROV_LIT("\x10\x19\0\4MQTT\4\xec\1\x2c\0\1c\0\1w\0\1p\0\1u\0\1p") },
        { { .version = MQTT_V5, .client_id = "c", .session_expiry_s = 60, .will = &will },
          PROV_LIT("\x10\x1f\0\4MQTT\5\x2e\0\0\5\x11\0\0\0\x3c\0\1c\5\x18\0\0\1\2\0\1w\0\1p") },
    };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct prov_buf b;
        const struct prov_span got = put_connect(&b, &rows[i].o);

        assert_int_equal(got.n, rows[i].bytes.n);
        assert_memory_equal(got.p, rows[i].bytes.p, got.n);
        prov_buf_release(&b);
    }
}

static void packet_is_cut_only_when_it_is_whole(void **state)
{
    struct mqtt_packet packet;
    uint8_t bytes[300] = { 0x30, 0x80, 0x02 }; /* a body of 256 */

    (void)state;
    for (size_t n = 0; n < 259; n++)
        assert_int_equal(mqtt_cut(prov_span(bytes, n), &packet), 0);
    assert_int_equal(mqtt_cut(prov_span(bytes, 259), &packet), 259);
    assert_int_equal(mqtt_cut(prov_span(bytes, 300), &packet), 259);
    assert_int_equal(packet.type, MQTT_PUBLISH);
    assert_int_equal(packet.body.n, 256);
    assert_ptr_equal(packet.body.p, bytes + 3);
}

static void broken_property_blocks_are_not_read_beyond(void **state)
{
    static const struct prov_span rows[] = {
        { NULL, 0 },
        PROV_LIT("\x08"), /* an id alone */
        PROV_LIT("\x08\x00\x05"
                 "a"),            /* a string that is not all there */
        PROV_LIT("\x11\x00\x00"), /* half a number */
        PROV_LIT("\x26\x00\x01"
                 "k"),        /* a pair without its second half */
        PROV_LIT("\x0b\xff"), /* an integer that does not end */
        PROV_LIT("\x04\x00"), /* an id that is none */
        PROV_LIT("\xff\x00"),
    };

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        uint8_t *copy = malloc(rows[i].n + 1); /* of its size, for the sanitizer; never empty */
        struct prov_span value;

        assert_non_null(copy);
        memcpy(copy + 1, rows[i].p == NULL ? copy : rows[i].p, rows[i].n);
        assert_false(mqtt_prop(prov_span(copy + 1, rows[i].n), 0x1f, &value));
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(program_reports_its_end_and_what_it_printed),
        cmocka_unit_test(program_that_is_not_there_says_so),
        cmocka_unit_test(program_may_print_a_lot_while_it_is_fed),
        cmocka_unit_test(environment_of_a_program_can_be_changed),
        cmocka_unit_test(waiting_ends_at_the_deadline_and_leaves_the_program_running),
        cmocka_unit_test(program_does_not_outlive_a_test_that_crashes),
        cmocka_unit_test(port_belongs_to_one_holder_until_given_back),
        cmocka_unit_test(ends_are_told_apart),
        cmocka_unit_test(what_was_said_before_a_reset_is_still_heard),
        cmocka_unit_test(reason_and_assigned_id_of_mqtt_5_are_kept),
        cmocka_unit_test(nobody_listening_is_no_tcp),
        cmocka_unit_test(silent_peer_is_late_and_not_gone),
        cmocka_unit_test(connect_carries_what_the_options_say),
        cmocka_unit_test(packet_is_cut_only_when_it_is_whole),
        cmocka_unit_test(broken_property_blocks_are_not_read_beyond),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
