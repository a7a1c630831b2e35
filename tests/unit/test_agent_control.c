/* The socket by which commands reach a running agent: who is heard, and who can hold it up. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "device-agent/port/posix/control.h"
#include "support/deadline.h"
#include "support/tmp.h"

#define NOBODY 65534

struct fixture {
    char *dir;
    char path[TMP_PATH_MAX];
    struct control *control;
    uint64_t now_ms; /* the agent's clock stands still unless a test moves it */
    unsigned handled;
    struct control_request last;
    size_t answer_n; /* 0: a short answer */
};

static cJSON *handle(void *arg, const struct control_request *request)
{
    struct fixture *f = arg;
    struct port_result no = { 0 };
    char *padding;
    cJSON *text;

    f->handled++;
    f->last = *request;
    if (request->command == CONTROL_STOP) {
        (void)port_fail(&no, AGENT_CONFIG, "not today");
        return control_failed(&no);
    }
    if (f->answer_n == 0)
        return control_ok(NULL, NULL);
    padding = malloc(f->answer_n + 1);
    assert_non_null(padding);
    memset(padding, 'x', f->answer_n);
    padding[f->answer_n] = '\0';
    text = cJSON_CreateString(padding);
    free(padding);
    return control_ok("status", text);
}

static void listen_at(struct fixture *f, const char *path)
{
    struct port_result result = { 0 };

    if (control_listen(path, handle, f, &f->control, &result) != AGENT_OK)
        fail_msg("%s", result.text);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    f->dir = tmp_new();
    f->now_ms = 1000;
    listen_at(f, tmp_path(f->dir, "agent.sock", f->path));
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    control_free(f->control);
    tmp_free(f->dir);
    free(f);
    return 0;
}

/* One turn of the agent's loop; waits up to so many milliseconds. */
static void turn(struct fixture *f, int ms)
{
    struct pollfd polled[CONTROL_POLLS];

    (void)control_prepare(f->control, f->now_ms, polled);
    assert_int_not_equal(poll(polled, CONTROL_POLLS, ms), -1);
    control_work(f->control, f->now_ms, polled);
}

/* ---- a command in a thread of its own -------------------------------------------------------- */

struct asking {
    const char *path;
    struct control_request request;
    enum control_call call;
    cJSON *answer;
    struct port_result result;
    int done[2]; /* a pipe; closed at the end */
};

static void *ask(void *arg)
{
    struct asking *a = arg;

    a->call = control_ask(a->path, &a->request, DEADLINE_DEFAULT_MS, &a->answer, &a->result);
    (void)close(a->done[1]);
    return NULL;
}

static void ask_and_serve(struct fixture *f, struct asking *a)
{
    const int64_t until_ms = deadline_in(0);
    pthread_t thread;
    struct pollfd over;

    assert_int_equal(pipe(a->done), 0);
    assert_int_equal(pthread_create(&thread, NULL, ask, a), 0);
    do {
        turn(f, 10);
        over = (struct pollfd){ .fd = a->done[0], .events = POLLIN };
        assert_true(deadline_left(until_ms) > 0);
    } while (poll(&over, 1, 0) == 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    (void)close(a->done[0]);
}

static void commands_are_answered(void **state)
{
    struct fixture *f = *state;
    struct asking good = { .path = f->path, .request = { .command = CONTROL_RENEW } };
    struct asking refused = { .path = f->path, .request = { .command = CONTROL_STOP } };

    ask_and_serve(f, &good);
    assert_int_equal(good.call, CONTROL_ANSWERED);
    assert_int_equal(control_result(good.answer, &good.result), AGENT_OK);
    assert_int_equal(f->last.command, CONTROL_RENEW);
    cJSON_Delete(good.answer);

    ask_and_serve(f, &refused);
    assert_int_equal(refused.call, CONTROL_ANSWERED);
    assert_int_equal(control_result(refused.answer, &refused.result), AGENT_CONFIG);
    assert_string_equal(refused.result.text, "not today");
    cJSON_Delete(refused.answer);
}

static void a_claim_of_the_longest_kind_comes_through(void **state)
{
    struct fixture *f = *state;
    struct asking a = { .path = f->path, .request = { .command = CONTROL_INJECT } };

    memset(a.request.cert, '\n', sizeof a.request.cert - 1); /* each is two in JSON */
    memset(a.request.key, '\n', sizeof a.request.key - 1);
    ask_and_serve(f, &a);
    assert_int_equal(a.call, CONTROL_ANSWERED);
    assert_memory_equal(f->last.cert, a.request.cert, sizeof a.request.cert);
    assert_memory_equal(f->last.key, a.request.key, sizeof a.request.key);
    cJSON_Delete(a.answer);
}

static void long_answers_come_through_up_to_the_limit(void **state)
{
    struct fixture *f = *state;
    struct asking whole = { .path = f->path, .request = { .command = CONTROL_STATUS } };
    struct asking too_long = whole;

    f->answer_n = CONTROL_MAX_ANSWER - 100;
    ask_and_serve(f, &whole);
    assert_int_equal(whole.call, CONTROL_ANSWERED);
    cJSON_Delete(whole.answer);

    f->answer_n = CONTROL_MAX_ANSWER;
    ask_and_serve(f, &too_long);
    assert_int_equal(too_long.call, CONTROL_FAILED);
    assert_null(too_long.answer);
    assert_non_null(strstr(too_long.result.text, strerror(EMSGSIZE)));
}

static void nobody_there_is_not_a_failure(void **state)
{
    struct fixture *f = *state;
    struct control_request request = { .command = CONTROL_STATUS };
    struct port_result result = { 0 };
    char missing[TMP_PATH_MAX];
    cJSON *answer;

    assert_int_equal(
        control_ask(tmp_path(f->dir, "none", missing), &request, 1000, &answer, &result),
        CONTROL_NO_AGENT);
    assert_null(answer);
}

static void an_agent_that_says_nothing_is_given_up(void **state)
{
    struct fixture *f = *state;
    struct control_request request = { .command = CONTROL_STATUS };
    struct port_result result = { 0 };
    cJSON *answer;

    /* nobody takes a turn: the kernel accepts, and that is all */
    assert_int_equal(control_ask(f->path, &request, 50, &answer, &result), CONTROL_FAILED);
    assert_int_equal(result.class, AGENT_LOCAL);
    assert_null(answer);
}

/* ---- peers that are no commands -------------------------------------------------------------- */

static int connect_raw(const struct fixture *f)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_not_equal(fd, -1);
    assert_true(strlen(f->path) < sizeof to.sun_path);
    memcpy(to.sun_path, f->path, strlen(f->path));
    assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

/* Whether the agent has closed it, without waiting. */
static bool closed(int fd)
{
    char byte;
    const ssize_t n = recv(fd, &byte, 1, MSG_DONTWAIT);

    return n == 0 || (n == -1 && errno == ECONNRESET);
}

static void turns(struct fixture *f)
{
    for (int i = 0; i < 5; i++)
        turn(f, 0);
}

static void slow_and_silent_peers_hold_nobody_up_and_are_closed(void **state)
{
    struct fixture *f = *state;
    struct asking a = { .path = f->path, .request = { .command = CONTROL_RENEW } };
    const int silent = connect_raw(f), slow = connect_raw(f);

    turns(f);
    assert_int_equal(send(slow, "{\"command\":", 11, 0), 11);
    turns(f);
    ask_and_serve(f, &a);
    assert_int_equal(a.call, CONTROL_ANSWERED);
    cJSON_Delete(a.answer);
    assert_false(closed(silent));
    assert_false(closed(slow));

    f->now_ms += CONTROL_PEER_MS;
    turns(f);
    assert_true(closed(silent));
    assert_true(closed(slow));
    assert_int_equal(f->handled, 1);
    (void)close(silent);
    (void)close(slow);
}

static void more_peers_than_seats_wait_for_the_deadline_of_others(void **state)
{
    struct fixture *f = *state;
    struct pollfd polled[CONTROL_POLLS];
    int fds[CONTROL_PEERS + 1];

    for (size_t i = 0; i <= CONTROL_PEERS; i++)
        fds[i] = connect_raw(f);
    for (size_t i = 0; i <= CONTROL_PEERS; i++)
        turns(f);
    assert_int_equal(send(fds[CONTROL_PEERS], "{\"command\":\"renew\"}\n", 20, 0), 20);
    turns(f);
    assert_int_equal(f->handled, 0);
    /* who cannot be greeted does not wake the agent up, or it would never sleep */
    assert_int_equal(control_prepare(f->control, f->now_ms, polled), CONTROL_PEER_MS);
    assert_int_equal(poll(polled, CONTROL_POLLS, 0), 0);
    f->now_ms += CONTROL_PEER_MS;
    turns(f);
    assert_int_equal(f->handled, 1);
    for (size_t i = 0; i <= CONTROL_PEERS; i++)
        (void)close(fds[i]);
}

static void a_peer_that_does_not_read_is_closed_too(void **state)
{
    struct fixture *f = *state;
    const int small = 1024;
    const int fd = connect_raw(f);

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    f->answer_n = 4u << 20; /* more than any socket buffer holds */
    turns(f);
    assert_int_equal(send(fd, "{\"command\":\"status\"}\n", 21, 0), 21);
    turns(f);
    assert_int_equal(f->handled, 1);
    f->now_ms += CONTROL_PEER_MS;
    turns(f);
    f->answer_n = 0;
    assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), -1);
    (void)close(fd);
}

static void a_request_that_is_too_long_is_not_heard_out(void **state)
{
    struct fixture *f = *state;
    char *flood = malloc(CONTROL_MAX_REQUEST + 1);
    const int fd = connect_raw(f);
    size_t sent = 0;
    ssize_t n;

    assert_non_null(flood);
    memset(flood, ' ', CONTROL_MAX_REQUEST + 1);
    turns(f);
    do {
        n = send(fd, flood + sent, CONTROL_MAX_REQUEST + 1 - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        sent += n > 0 ? (size_t)n : 0;
        turns(f);
    } while (n > 0 && sent <= CONTROL_MAX_REQUEST);
    turns(f);
    assert_true(closed(fd));
    assert_int_equal(f->handled, 0);
    (void)close(fd);
    free(flood);
}

static void what_is_no_request_is_told_so(void **state)
{
    struct fixture *f = *state;
    const int fd = connect_raw(f);
    char answer[512] = "";

    turns(f);
    assert_int_equal(send(fd, "hello\n", 6, 0), 6);
    turns(f);
    assert_true(recv(fd, answer, sizeof answer - 1, 0) > 0);
    assert_non_null(strstr(answer, "\"result\":\"failed\""));
    assert_non_null(strstr(answer, "\"exitCode\":20"));
    assert_int_equal(f->handled, 0);
    (void)close(fd);
}

/* Who gets past the socket's mode is still asked who he is. */
static void another_user_is_not_heard(void **state)
{
    struct fixture *f = *state;
    int status = -1;
    pid_t pid;

    if (geteuid() != 0 || !tmp_is_public(f->dir))
        skip();
    assert_int_equal(chmod(f->dir, 0777), 0);
    assert_int_equal(chmod(f->path, 0777), 0);
    pid = fork();
    if (pid == 0) {
        char byte;
        int fd;

        if (setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
            _exit(2);
        fd = connect_raw(f);
        (void)send(fd, "{\"command\":\"renew\"}\n", 20, MSG_NOSIGNAL);
        _exit(recv(fd, &byte, 1, 0) <= 0 ? 0 : 1);
    }
    assert_true(pid > 0);
    for (const int64_t until_ms = deadline_in(0); waitpid(pid, &status, WNOHANG) == 0;) {
        assert_true(deadline_left(until_ms) > 0);
        turn(f, 10);
    }
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(f->handled, 0);
    assert_int_equal(chmod(f->dir, 0700), 0);
}

/* ---- the socket ------------------------------------------------------------------------------ */

static void the_socket_is_private_and_goes_with_the_agent(void **state)
{
    struct fixture *f = *state;
    struct stat st;

    assert_int_equal(stat(f->path, &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    assert_int_equal(st.st_mode & 0777, 0600);
    control_free(f->control);
    f->control = NULL;
    assert_int_equal(stat(f->path, &st), -1);
}

static void a_socket_that_a_power_cut_left_is_replaced(void **state)
{
    struct fixture *f = *state;
    struct asking a = { .path = f->path, .request = { .command = CONTROL_RENEW } };
    struct control *first = f->control;

    listen_at(f, f->path);
    ask_and_serve(f, &a);
    assert_int_equal(a.call, CONTROL_ANSWERED);
    cJSON_Delete(a.answer);
    control_free(first);
}

static void a_long_path_works_too(void **state)
{
    struct fixture *f = *state;
    struct asking a = { .request = { .command = CONTROL_RENEW } };
    char name[121], dir[TMP_PATH_MAX], path[TMP_PATH_MAX + 16];

    memset(name, 'd', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_int_equal(mkdir(tmp_path(f->dir, name, dir), 0700), 0);
    (void)snprintf(path, sizeof path, "%s/agent.sock", dir);
    control_free(f->control);
    listen_at(f, path);
    a.path = path;
    ask_and_serve(f, &a);
    assert_int_equal(a.call, CONTROL_ANSWERED);
    cJSON_Delete(a.answer);
}

static void a_place_that_is_none_is_a_local_failure(void **state)
{
    struct fixture *f = *state;
    struct port_result result = { 0 };
    struct control *control;
    char path[TMP_PATH_MAX];

    assert_int_equal(
        control_listen(tmp_path(f->dir, "none/agent.sock", path), handle, f, &control, &result),
        AGENT_LOCAL);
    assert_null(control);
    assert_non_null(strstr(result.text, "agent.sock"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(commands_are_answered),
        TEST(a_claim_of_the_longest_kind_comes_through),
        TEST(long_answers_come_through_up_to_the_limit),
        TEST(nobody_there_is_not_a_failure),
        TEST(an_agent_that_says_nothing_is_given_up),
        TEST(slow_and_silent_peers_hold_nobody_up_and_are_closed),
        TEST(more_peers_than_seats_wait_for_the_deadline_of_others),
        TEST(a_peer_that_does_not_read_is_closed_too),
        TEST(a_request_that_is_too_long_is_not_heard_out),
        TEST(what_is_no_request_is_told_so),
        TEST(another_user_is_not_heard),
        TEST(the_socket_is_private_and_goes_with_the_agent),
        TEST(a_socket_that_a_power_cut_left_is_replaced),
        TEST(a_long_path_works_too),
        TEST(a_place_that_is_none_is_a_local_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
