/* What the service manager hears of the agent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

#include "device-agent/port/posix/notify.h"
#include "support/tmp.h"

static int listen_as(const struct sockaddr_un *at, size_t n)
{
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_int_not_equal(fd, -1);
    assert_int_equal(bind(fd, (const struct sockaddr *)at,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)),
                     0);
    return fd;
}

static void expect(int fd, const char *text)
{
    char heard[1024];
    const ssize_t n = recv(fd, heard, sizeof heard - 1, MSG_DONTWAIT);

    assert_true(n >= 0);
    heard[n] = '\0';
    assert_string_equal(heard, text);
}

static void expect_silence(int fd)
{
    char byte;

    assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
}

static void the_manager_is_told_over_its_socket(void **state)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    char *dir = tmp_new(), path[TMP_PATH_MAX];
    struct notify notify;
    int fd;

    (void)state;
    (void)snprintf(at.sun_path, sizeof at.sun_path, "%s", tmp_path(dir, "notify", path));
    assert_string_equal(at.sun_path, path);
    fd = listen_as(&at, strlen(path) + 1);
    assert_int_equal(setenv("NOTIFY_SOCKET", path, 1), 0);
    notify_open(&notify);
    notify_send(&notify, "READY=1");
    expect(fd, "READY=1");
    notify_status(&notify, "two\nlines\r=");
    expect(fd, "STATUS=two lines =");
    expect_silence(fd);
    notify_close(&notify);
    notify_send(&notify, "READY=1");
    expect_silence(fd);
    (void)close(fd);
    tmp_free(dir);
}

static void an_abstract_socket_is_one_too(void **state)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    char name[64];
    struct notify notify;
    int fd;

    (void)state;
    (void)snprintf(name, sizeof name, "@test-agent-notify-%ld", (long)getpid());
    memcpy(at.sun_path + 1, name + 1, strlen(name) - 1);
    fd = listen_as(&at, strlen(name));
    assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
    notify_open(&notify);
    notify_send(&notify, "STOPPING=1");
    expect(fd, "STOPPING=1");
    notify_close(&notify);
    (void)close(fd);
}

/* A datagram socket of this test, so that there is somebody to be watched by. */
static uint64_t watchdog(const char *usec, const char *pid)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    char name[64];
    struct notify notify;
    int fd;

    (void)snprintf(name, sizeof name, "@test-agent-watchdog-%ld", (long)getpid());
    memcpy(at.sun_path + 1, name + 1, strlen(name) - 1);
    fd = listen_as(&at, strlen(name));
    assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
    if (usec != NULL)
        assert_int_equal(setenv("WATCHDOG_USEC", usec, 1), 0);
    if (pid != NULL)
        assert_int_equal(setenv("WATCHDOG_PID", pid, 1), 0);
    notify_open(&notify);
    assert_null(getenv("NOTIFY_SOCKET"));
    assert_null(getenv("WATCHDOG_USEC"));
    assert_null(getenv("WATCHDOG_PID"));
    notify_close(&notify);
    (void)close(fd);
    return notify.watchdog_ms;
}

static void the_watchdog_is_fed_twice_as_often_as_it_wants(void **state)
{
    char own[32];

    (void)state;
    (void)snprintf(own, sizeof own, "%ld", (long)getpid());
    assert_int_equal(watchdog("120000000", NULL), 60000);
    assert_int_equal(watchdog("120000000", own), 60000);
    assert_int_equal(watchdog("1", NULL), 1);
    assert_int_equal(watchdog(NULL, NULL), 0);
    assert_int_equal(watchdog("120000000", "1"), 0); /* another's */
    assert_int_equal(watchdog("0", NULL), 0);
    assert_int_equal(watchdog("", NULL), 0);
    assert_int_equal(watchdog("12 s", NULL), 0);
}

static void nobody_to_tell_is_fine(void **state)
{
    static const char *const names[] = { NULL, "", "/", "@", "relative", "/nobody/there" };

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct notify notify;

        if (names[i] != NULL)
            assert_int_equal(setenv("NOTIFY_SOCKET", names[i], 1), 0);
        notify_open(&notify);
        assert_int_equal(notify.fd, -1);
        notify_send(&notify, "READY=1");
        notify_status(&notify, "well");
        notify_close(&notify);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_manager_is_told_over_its_socket),
        cmocka_unit_test(an_abstract_socket_is_one_too),
        cmocka_unit_test(the_watchdog_is_fed_twice_as_often_as_it_wants),
        cmocka_unit_test(nobody_to_tell_is_fine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
