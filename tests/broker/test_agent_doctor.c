/*
 * device-agent doctor: nothing to say where all is well, and for each thing that is wrong the line,
 * the cure and the exit code.
 *
 * ctest timeout: 240
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "device-agent/port/posix/exits.h"
#include "support/agent_cli.h"

/* The check's verdict, "ok", "warn" or "fail"; NULL: it was not made. A machine whose clock nothing
 * keeps right is the machine's. */
static const char *verdict_of(const cJSON *doc, const char *check, const cJSON **line)
{
    const cJSON *each;

    cJSON_ArrayForEach(each, cJSON_GetObjectItemCaseSensitive(doc, "checks"))
    {
        *line = each;
        if (strcmp(agent_cli_text(each, "check"), check) == 0)
            return agent_cli_text(each, "verdict");
    }
    return NULL;
}

static cJSON *examine(struct agent_cli *a, int code)
{
    struct run_result r;
    cJSON *doc;

    agent_cli_do(a, NULL, &r, "doctor", "--json");
    doc = cJSON_Parse(r.out);
    if (doc == NULL || r.status != code)
        fail_msg("doctor ended with %d: %s%s", r.status, r.out, r.err);
    assert_int_equal(agent_cli_number(doc, "exitCode"), code);
    run_release(&r);
    return doc;
}

static void expect_verdicts(struct agent_cli *a, const char *const *checks, const char *want)
{
    cJSON *doc = examine(a, EXIT_DONE);
    const cJSON *line = NULL;

    for (; *checks != NULL; checks++) {
        const char *verdict = verdict_of(doc, *checks, &line);

        if (verdict == NULL || strcmp(verdict, want) != 0)
            fail_msg("%s: %s", *checks, cJSON_Print(doc));
    }
    cJSON_Delete(doc);
}

static void a_blank_device_that_has_all_it_takes_is_well(void **state)
{
    static const char *const checks[] = { "conf", "state", "identity", "claim",  "dns",
                                          "tcp",  "tls",   "trust",    "broker", NULL };

    expect_verdicts(*state, checks, "ok");
}

static void a_device_with_its_identity_is_well(void **state)
{
    static const char *const checks[] = { "conf",     "state",  "disk", "modes", "record",
                                          "identity", "claim",  "dns",  "tcp",   "tls",
                                          "trust",    "broker", NULL };
    struct agent_cli *a = *state;

    agent_cli_expect(a, EXIT_DONE, "provision", "--timeout", "60");
    expect_verdicts(a, checks, "ok");
}

/* It must not take the running agent's place at the broker. */
static void a_running_agent_is_asked_and_not_pushed_aside(void **state)
{
    static const char *const checks[] = { "agent", "broker", NULL };
    struct agent_cli *a = *state;
    size_t mark;

    agent_cli_write(a, &(struct agent_cli_conf){ .lines = "[service]\nstay_connected = yes\n" });
    agent_cli_run(a, NULL);
    cJSON_Delete(agent_cli_wait_text(a, "state", "ready"));
    mark = broker_log_mark(a->f.rig.broker);
    expect_verdicts(a, checks, "ok");
    assert_false(broker_log_has(a->f.rig.broker, mark, "pump-7"));
    agent_cli_stop(a);
}

/* ---- what is wrong --------------------------------------------------------------------------- */

static void mistype(struct agent_cli *a)
{
    agent_cli_write(a, &(struct agent_cli_conf){ .method = "clam" });
}

static void distrust(struct agent_cli *a)
{
    agent_cli_write(a, &(struct agent_cli_conf){ .ca_file = "claim.crt" });
}

static void trust_nobody(struct agent_cli *a)
{
    agent_cli_write(a, &(struct agent_cli_conf){ .ca_file = "agent.conf" });
}

static void forget_name(struct agent_cli *a)
{
    agent_cli_write(a, &(struct agent_cli_conf){ .host = "nobody.invalid" });
}

static void stop_broker(struct agent_cli *a)
{
    broker_stop(a->f.rig.broker);
}

static void open_key(struct agent_cli *a)
{
    char path[TMP_PATH_MAX];

    assert_int_equal(chmod(agent_cli_path(a, "claim.key", path), 0640), 0);
}

static void swap_key(struct agent_cli *a)
{
    struct pki_cert other = pki_make(&(struct pki_spec){ .subject = "/CN=other" }), mixed;

    mixed = (struct pki_cert){ .x509 = a->f.claim.x509, .key = other.key };
    agent_cli_put_claim(a, &mixed);
    pki_free(&other);
}

static void let_claim_end(struct agent_cli *a)
{
    struct pki_cert old = pki_make(
        &(struct pki_spec){ .subject = "/CN=old", .not_before_s = -10, .not_after_s = -5 });

    agent_cli_put_claim(a, &old);
    pki_free(&old);
}

static void revoke_claim(struct agent_cli *a)
{
    rig_set_status(&a->f.rig, &a->f.claim, PROV_CERT_REVOKED);
}

static void copy_disk(struct agent_cli *a)
{
    agent_cli_expect(a, EXIT_DONE, "provision", "--timeout", "60");
    agent_cli_write(a, &(struct agent_cli_conf){ .device_lines = "device_id = another\n" });
}

static void open_identity(struct agent_cli *a)
{
    char path[TMP_PATH_MAX];

    agent_cli_expect(a, EXIT_DONE, "provision", "--timeout", "60");
    assert_int_equal(chmod(agent_cli_path(a, "state/gen/1/key.pem", path), 0644), 0);
}

static void open_directory(struct agent_cli *a)
{
    char path[TMP_PATH_MAX];

    agent_cli_expect(a, EXIT_DONE, "provision", "--timeout", "60");
    assert_int_equal(chmod(agent_cli_path(a, "state", path), 0755), 0);
}

static const struct trouble {
    void (*make)(struct agent_cli *a);
    const char *check;
    enum agent_class class;
} troubles[] = {
    { mistype, "conf", AGENT_CONFIG },         { distrust, "trust", AGENT_TRUST },
    { trust_nobody, "tls", AGENT_CONFIG },     { forget_name, "dns", AGENT_NETWORK },
    { stop_broker, "tcp", AGENT_NETWORK },     { open_key, "claim", AGENT_LOCAL },
    { swap_key, "claim", AGENT_ANSWER },       { let_claim_end, "claim", AGENT_REFUSED },
    { revoke_claim, "broker", AGENT_REFUSED }, { copy_disk, "record", AGENT_RECORD },
    { open_identity, "modes", AGENT_LOCAL },   { open_directory, "state", AGENT_LOCAL },
};

static void each_trouble_is_found_with_a_cure(void **state)
{
    (void)state;
    for (size_t i = 0; i < PROV_COUNT(troubles); i++) {
        const struct trouble *t = &troubles[i];
        struct agent_cli a;
        const cJSON *line = NULL;
        const char *verdict;
        cJSON *doc;

        agent_cli_up(&a);
        t->make(&a);
        doc = examine(&a, exit_of_class(t->class));
        verdict = verdict_of(doc, t->check, &line);
        if (verdict == NULL || strcmp(verdict, "fail") != 0)
            fail_msg("trouble %zu: %s", i, cJSON_Print(doc));
        assert_string_equal(agent_cli_text(line, "class"), agent_class_name(t->class));
        assert_true(agent_cli_text(line, "cure")[0] != '\0');
        cJSON_Delete(doc);
        agent_cli_down(&a);
    }
}

static void people_see_a_line_and_a_cure(void **state)
{
    struct agent_cli *a = *state;
    struct run_result r;

    distrust(a);
    agent_cli_do(a, NULL, &r, "doctor");
    assert_int_equal(r.status, exit_of_class(AGENT_TRUST));
    assert_non_null(strstr(r.out, "ok    conf "));
    assert_non_null(strstr(r.out, "FAIL  trust "));
    assert_non_null(strstr(r.out, " -> "));
    assert_non_null(strstr(r.out, "warn  broker     not tried"));
    run_release(&r);
}

static void without_the_network_nobody_is_asked(void **state)
{
    struct agent_cli *a = *state;
    struct run_result r;

    broker_stop(a->f.rig.broker);
    agent_cli_do(a, NULL, &r, "doctor", "--offline");
    assert_int_equal(r.status, EXIT_DONE);
    assert_null(strstr(r.out, "tcp"));
    run_release(&r);
}

static void a_protocol_that_nobody_speaks_is_a_remark(void **state)
{
    struct agent_cli *a = *state;
    const cJSON *line = NULL;
    cJSON *doc;

    agent_cli_write(a, &(struct agent_cli_conf){ .host = "localhost\nalpn = x-amzn-mqtt-ca" });
    doc = examine(a, EXIT_DONE);
    assert_string_equal(verdict_of(doc, "alpn", &line), "warn"); /* Mosquitto does not say */
    assert_non_null(strstr(agent_cli_text(line, "text"), "x-amzn-mqtt-ca"));
    cJSON_Delete(doc);
}

/* ---- a proxy --------------------------------------------------------------------------------- */

/* Takes one connection at a time, answers its request, and if that was with 200 leads it on. */
struct proxy {
    pthread_t thread;
    int fd, stop[2];
    uint16_t port, to;
    const char *answer;
    char asked[1024]; /* the last request's head */
};

static int loopback(uint16_t *port, bool listens)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(*port) };
    socklen_t n = sizeof at;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (!listens)
        return connect(fd, (const struct sockaddr *)&at, n) == 0 ? fd : -1;
    assert_int_equal(bind(fd, (const struct sockaddr *)&at, n), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
    *port = ntohs(at.sin_port);
    return fd;
}

/* Until one side ends, or the test does. */
static void lead_on(const struct proxy *p, int from, int to)
{
    struct pollfd fds[] = { { .fd = from, .events = POLLIN },
                            { .fd = to, .events = POLLIN },
                            { .fd = p->stop[0], .events = POLLIN } };
    char bytes[4096];

    while (poll(fds, 3, -1) > 0 && fds[2].revents == 0) {
        for (int i = 0; i < 2; i++) {
            const ssize_t n = fds[i].revents != 0 ? read(fds[i].fd, bytes, sizeof bytes) : -2;

            if (n == 0 || n == -1 ||
                (n > 0 && send(fds[1 - i].fd, bytes, (size_t)n, MSG_NOSIGNAL) != n))
                return;
        }
    }
}

static void serve(struct proxy *p, int fd)
{
    size_t n = 0;
    int to;

    while (n < sizeof p->asked - 1 && read(fd, p->asked + n, 1) == 1) {
        n++;
        if (n > 4 && memcmp(p->asked + n - 4, "\r\n\r\n", 4) == 0)
            break;
    }
    p->asked[n] = '\0';
    (void)send(fd, p->answer, strlen(p->answer), MSG_NOSIGNAL);
    if (strstr(p->answer, " 200 ") == NULL)
        return;
    to = loopback(&p->to, false);
    if (to != -1)
        lead_on(p, fd, to);
    (void)close(to);
}

static void *run_proxy(void *arg)
{
    struct proxy *p = arg;
    struct pollfd fds[] = { { .fd = p->fd, .events = POLLIN },
                            { .fd = p->stop[0], .events = POLLIN } };

    while (poll(fds, 2, -1) > 0 && fds[1].revents == 0) {
        const int fd = accept4(p->fd, NULL, NULL, SOCK_CLOEXEC);

        if (fd != -1)
            serve(p, fd);
        (void)close(fd);
    }
    return NULL;
}

static void proxy_up(struct proxy *p, struct agent_cli *a, const char *answer)
{
    char host[128];

    memset(p, 0, sizeof *p);
    p->answer = answer;
    p->to = broker_tls_port(a->f.rig.broker);
    p->fd = loopback(&p->port, true);
    assert_int_equal(pipe2(p->stop, O_CLOEXEC), 0);
    assert_int_equal(pthread_create(&p->thread, NULL, run_proxy, p), 0);
    (void)snprintf(host, sizeof host, "localhost\nproxy = http://me:s%%40cret@127.0.0.1:%u",
                   p->port);
    agent_cli_write(a, &(struct agent_cli_conf){ .host = host });
}

static void proxy_down(struct proxy *p)
{
    (void)close(p->stop[1]);
    assert_int_equal(pthread_join(p->thread, NULL), 0);
    (void)close(p->stop[0]);
    (void)close(p->fd);
}

static void a_proxy_that_leads_there_is_well(void **state)
{
    struct agent_cli *a = *state;
    static const char *const checks[] = { "dns", "tcp", "proxy", "tls", "trust", "broker", NULL };
    struct proxy proxy;

    proxy_up(&proxy, a, "HTTP/1.1 200 Connection established\r\n\r\n");
    expect_verdicts(a, checks, "ok");
    proxy_down(&proxy);
    assert_non_null(strstr(proxy.asked, "CONNECT localhost:"));
    assert_non_null(strstr(proxy.asked, "Basic bWU6c0BjcmV0")); /* me:s@cret */
}

static void a_proxy_that_does_not_is_told_with_what_it_says(void **state)
{
    static const struct {
        const char *answer, *says, *cure;
    } rows[] = {
        { "HTTP/1.1 407 Who are you\r\n\r\n", "407", "user and password" },
        { "HTTP/1.0 403 No\r\nX: y\r\n\r\n", "403", "allow CONNECT" },
        { "SSH-2.0-OpenSSH\r\n\r\n", "does not answer", "HTTP proxy" },
        { "", "does not answer", "HTTP proxy" },
    };
    struct agent_cli *a = *state;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct run_result r;
        struct proxy proxy;

        proxy_up(&proxy, a, rows[i].answer);
        agent_cli_do(a, NULL, &r, "doctor");
        proxy_down(&proxy);
        if (r.status != exit_of_class(AGENT_NETWORK) || strstr(r.out, rows[i].says) == NULL ||
            strstr(r.out, rows[i].cure) == NULL || strstr(r.out, "cret") != NULL)
            fail_msg("%zu: %d %s", i, r.status, r.out);
        run_release(&r);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, agent_cli_set_up, agent_cli_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_blank_device_that_has_all_it_takes_is_well),
        TEST(a_device_with_its_identity_is_well),
        TEST(a_running_agent_is_asked_and_not_pushed_aside),
        cmocka_unit_test(each_trouble_is_found_with_a_cure),
        TEST(people_see_a_line_and_a_cure),
        TEST(without_the_network_nobody_is_asked),
        TEST(a_proxy_that_leads_there_is_well),
        TEST(a_proxy_that_does_not_is_told_with_what_it_says),
        TEST(a_protocol_that_nobody_speaks_is_a_remark),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
