#include "support/broker.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "core/base.h"
#include "support/broker_conf.h"
#include "support/child.h"
#include "support/deadline.h"
#include "support/port.h"

#define FILE_MAX (256u * 1024 * 1024)
#define TAIL_BYTES 12000
#define WRAP_WORDS 16
/* A port may be in use by something that is not a test of ours. */
#define PORT_TRIES 5

struct broker {
    struct broker_files files;
    struct port tls, plain, ws[BROKER_WS_MAX];
    enum broker_ws ws_kinds[BROKER_WS_MAX];
    struct child child;
};

/* ---- files ----------------------------------------------------------------------------------- */

/* What is in the file from there on, "" when there is none; to be freed. */
static char *read_from(const char *path, size_t from)
{
    struct prov_buf b;
    uint8_t chunk[8192];
    char *text;
    ssize_t n;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);

    prov_buf_init(&b, FILE_MAX);
    if (fd != -1) {
        (void)lseek(fd, (off_t)from, SEEK_SET);
        while ((n = read(fd, chunk, sizeof chunk)) > 0)
            prov_buf_add(&b, prov_span(chunk, (size_t)n));
        (void)close(fd);
    }
    text = strdup(prov_buf_cstr(&b));
    prov_buf_release(&b);
    if (text == NULL)
        fail_msg("out of memory");
    return text;
}

static const char *tail(const char *text)
{
    const size_t n = strlen(text);

    return n <= TAIL_BYTES ? text : text + n - TAIL_BYTES;
}

/* All that a person needs to see why the broker did not do as expected. */
static void print_log(const struct broker *b)
{
    char *log = read_from(b->files.log, 0);
    char *printed = read_from(b->files.printed, 0);

    print_error("---- log of the broker\n%s\n---- printed by the broker\n%s\n----\n", tail(log),
                tail(printed));
    free(log);
    free(printed);
}

size_t broker_log_mark(const struct broker *b)
{
    struct stat st;

    return stat(b->files.log, &st) == 0 ? (size_t)st.st_size : 0;
}

char *broker_log(const struct broker *b, size_t mark)
{
    return read_from(b->files.log, mark);
}

bool broker_log_has(const struct broker *b, size_t mark, const char *text)
{
    char *log = broker_log(b, mark);
    const bool has = strstr(log, text) != NULL;

    free(log);
    return has;
}

/* Waits until the log contains text (true), or the broker has ended or the deadline passed. */
static bool wait_for_log(struct broker *b, size_t mark, const char *text)
{
    const int64_t deadline = deadline_in(0);
    const int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    struct pollfd p[2] = { { .fd = watch, .events = POLLIN },
                           { .fd = b->child.pidfd, .events = POLLIN } };
    char events[4096];
    bool found;

    /* watched before the first look, so that nothing falls between */
    if (watch == -1 || inotify_add_watch(watch, b->files.log, IN_MODIFY) == -1)
        fail_msg("cannot watch %s: %s", b->files.log, strerror(errno));
    while (!(found = broker_log_has(b, mark, text))) {
        if (b->child.pid == 0 || p[1].revents != 0 || poll(p, 2, deadline_left(deadline)) == 0)
            break; /* nothing more is to come */
        while (read(watch, events, sizeof events) > 0)
            continue;
    }
    (void)close(watch);
    return found;
}

void broker_expect_log(struct broker *b, size_t mark, const char *text)
{
    if (wait_for_log(b, mark, text))
        return;
    print_log(b);
    fail_msg("the broker's log does not say \"%s\" (from byte %zu on)", text, mark);
}

/* ---- starting -------------------------------------------------------------------------------- */

static const char *option_of(const char *name, const char *fallback)
{
    const char *value = getenv(name);

    return value == NULL || value[0] == '\0' ? fallback : value;
}

/* Fills argv: the wrapper's words, then the broker's own. words is where they are kept. */
static void build_argv(const char **argv, char *words, size_t cap, const char *conf)
{
    size_t n = 0;
    char *at = words;

    (void)snprintf(words, cap, "%s", option_of("PROV_BROKER_WRAP", ""));
    while (n < WRAP_WORDS) {
        at += strspn(at, " ");
        if (*at == '\0')
            break;
        argv[n++] = at;
        at += strcspn(at, " ");
        if (*at != '\0')
            *at++ = '\0';
    }
    argv[n++] = option_of("PROV_MOSQUITTO", PROV_MOSQUITTO_PATH);
    argv[n++] = "-c";
    argv[n++] = conf;
    argv[n] = NULL;
}

/* The test's own options, with reports going to files. */
static void sanitizer_options(const struct broker *b, const char *name, const char *more, char *out,
                              size_t cap)
{
    (void)snprintf(out, cap, "%s:%s:log_path=%s", option_of(name, ""), more, b->files.sanitizer);
}

/* asan_more: further options for that sanitizer. */
static void spawn(struct broker *b, const char *asan_more)
{
    const char *argv[WRAP_WORDS + 4];
    char words[1024], asan[1024], ubsan[1024], lsan[1024];
    const struct child_env env[] = {
        { "LD_PRELOAD", option_of("PROV_PRELOAD", NULL) },
        { "ASAN_OPTIONS", asan },
        { "UBSAN_OPTIONS", ubsan },
        { "LSAN_OPTIONS", lsan },
        { NULL, NULL },
    };
    const int out = open(b->files.printed, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    bool started;

    if (out == -1)
        fail_msg("cannot write %s: %s", b->files.printed, strerror(errno));
    build_argv(argv, words, sizeof words, b->files.conf);
    sanitizer_options(b, "ASAN_OPTIONS", asan_more, asan, sizeof asan);
    sanitizer_options(b, "UBSAN_OPTIONS", "", ubsan, sizeof ubsan);
    broker_conf_leaks(&b->files, b->ws[0].number != 0, lsan, sizeof lsan);
    started = child_start(
        &b->child,
        &(struct child_spec){ .argv = argv, .env = env, .in = -1, .out = out, .err = out });
    (void)close(out);
    if (!started)
        fail_msg("cannot start a process: %s", strerror(errno));
}

/* Connects, says nothing, and waits to be closed, which only a broker in its main loop does. */
static bool answers(uint16_t port)
{
    const struct sockaddr_in at = { .sin_family = AF_INET,
                                    .sin_port = htons(port),
                                    .sin_addr = { htonl(INADDR_LOOPBACK) } };
    struct pollfd p = { .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .events = POLLIN };
    bool closed;

    if (p.fd == -1)
        return false;
    closed = connect(p.fd, (const struct sockaddr *)&at, sizeof at) == 0 &&
             shutdown(p.fd, SHUT_WR) == 0 && poll(&p, 1, deadline_left(deadline_in(0))) == 1;
    (void)close(p.fd);
    return closed;
}

/*
 * The line comes once the listeners are open and signals are handled. That is not enough: Mosquitto
 * 2.0.11 forgets a SIGTERM that comes between it and the main loop. False when the broker ended or
 * the deadline passed.
 */
static bool is_ready(struct broker *b, size_t mark)
{
    if (!wait_for_log(b, mark, " running"))
        return false;
    for (size_t i = 0; i < BROKER_WS_MAX; i++) {
        if (b->ws[i].number != 0 && !answers(b->ws[i].number))
            return false;
    }
    return (b->tls.number == 0 || answers(b->tls.number)) &&
           (b->plain.number == 0 || answers(b->plain.number));
}

static void touch(const char *path)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    if (fd == -1)
        fail_msg("cannot write %s: %s", path, strerror(errno));
    (void)close(fd);
}

static struct port take_port(void)
{
    const struct port p = port_take();

    if (p.number == 0)
        fail_msg("no free port");
    return p;
}

static void write_conf(const struct broker *b, const struct broker_options *o)
{
    struct broker_ports ports = { .tls = b->tls.number, .plain = b->plain.number };

    for (size_t i = 0; i < BROKER_WS_MAX; i++)
        ports.ws[i] = b->ws[i].number;
    broker_conf_write(&b->files, o, &ports);
}

static struct broker *broker_new(const struct broker_options *o)
{
    struct broker *b = calloc(1, sizeof *b);

    if (b == NULL)
        fail_msg("out of memory");
    broker_files_name(&b->files, o);
    touch(b->files.log); /* so that there is something to watch from the first moment */
    if (o->server != NULL)
        b->tls = take_port();
    if (o->plain)
        b->plain = take_port();
    for (size_t i = 0; i < BROKER_WS_MAX && o->ws[i] != BROKER_WS_NONE; i++) {
        b->ws[i] = take_port();
        b->ws_kinds[i] = o->ws[i];
    }
    write_conf(b, o);
    return b;
}

static void discard(struct broker *b)
{
    child_kill(&b->child);
    port_give_back(&b->tls);
    port_give_back(&b->plain);
    for (size_t i = 0; i < BROKER_WS_MAX; i++)
        port_give_back(&b->ws[i]);
    free(b);
}

struct broker *broker_start(const struct broker_options *options)
{
    for (unsigned i = 1;; i++) {
        struct broker *b = broker_new(options);
        const size_t mark = broker_log_mark(b);

        spawn(b, "");
        if (is_ready(b, mark))
            return b;
        child_kill(&b->child);
        if (i < PORT_TRIES && broker_log_has(b, mark, "Address already in use")) {
            discard(b);
            continue;
        }
        print_log(b);
        discard(b);
        fail_msg("the broker does not start");
    }
}

void broker_restart(struct broker *b, const struct broker_options *options)
{
    const size_t mark = broker_log_mark(b);

    if (b->child.pid != 0)
        fail_msg("the broker runs");
    if (options != NULL)
        write_conf(b, options);
    spawn(b, "");
    if (is_ready(b, mark))
        return;
    child_kill(&b->child);
    print_log(b);
    fail_msg("the broker does not start again");
}

/* ---- ending ---------------------------------------------------------------------------------- */

/* Whether our plugin has a part in a report, or nobody knows. */
static bool is_about_plugin(const char *report)
{
    const char *slash = strrchr(broker_plugin(), '/');
    const char *name = slash == NULL ? broker_plugin() : slash + 1;

    return strstr(report, "LeakSanitizer") == NULL || strstr(report, name) != NULL;
}

/*
 * Prints and removes the reports, so that each is told once; how many there were. Leaks of the
 * broker alone may be passed over: stock Mosquitto does not clean up when it refuses its
 * configuration.
 */
static size_t take_sanitizer_reports(const struct broker *b, bool with_broker_leaks)
{
    char pattern[TMP_PATH_MAX + 2];
    glob_t found;
    size_t n = 0;

    (void)snprintf(pattern, sizeof pattern, "%s.*", b->files.sanitizer);
    if (glob(pattern, 0, NULL, &found) != 0)
        return 0;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        char *report = read_from(found.gl_pathv[i], 0);

        if (with_broker_leaks || is_about_plugin(report)) {
            print_error("---- sanitizer report of the broker\n%s\n", report);
            n++;
        }
        free(report);
        (void)unlink(found.gl_pathv[i]);
    }
    globfree(&found);
    return n;
}

static void check_end(struct broker *b, int status)
{
    const size_t reports = take_sanitizer_reports(b, true);

    child_kill(&b->child); /* where it did not end */
    if (status == 0 && reports == 0)
        return;
    print_log(b);
    if (status == -1)
        fail_msg("the broker does not end");
    fail_msg("the broker ended with status %d and %zu sanitizer reports", status, reports);
}

/* A pid of 0 would mean every process of this group. */
static void send_signal(const struct broker *b, int sig)
{
    if (b->child.pid == 0)
        fail_msg("the broker does not run");
    (void)kill(b->child.pid, sig);
}

void broker_stop(struct broker *b)
{
    send_signal(b, SIGTERM);
    check_end(b, child_wait(&b->child, deadline_in(0)));
}

void broker_kill(struct broker *b)
{
    child_kill(&b->child);
    if (take_sanitizer_reports(b, true) != 0)
        fail_msg("a sanitizer complained before the broker was killed");
}

void broker_free(struct broker *b)
{
    if (b == NULL)
        return;
    if (b->child.pid != 0)
        broker_stop(b);
    discard(b);
}

void broker_reload(struct broker *b, const struct broker_options *options)
{
    const size_t mark = broker_log_mark(b);

    if (options != NULL)
        write_conf(b, options);
    send_signal(b, SIGHUP);
    broker_expect_log(b, mark, "Reloading config");
}

/* What it logged since mark and what it printed; to be freed. */
static char *said(const struct broker *b, size_t mark)
{
    char *log = broker_log(b, mark);
    char *printed = read_from(b->files.printed, 0);
    char *both = NULL;

    if (asprintf(&both, "%s%s", log, printed) < 0)
        fail_msg("out of memory");
    free(log);
    free(printed);
    return both;
}

char *broker_refuses(const struct broker_options *options)
{
    struct broker *b = broker_new(options);
    const size_t mark = broker_log_mark(b);
    size_t reports;
    char *text;
    int status;

    /* exact stacks, though slow: is_about_plugin reads them */
    spawn(b, "fast_unwind_on_malloc=0");
    status = wait_for_log(b, mark, " running") ? -1 : child_wait(&b->child, deadline_in(0));
    child_kill(&b->child);
    reports = take_sanitizer_reports(b, false);
    text = said(b, mark);
    discard(b);
    if (reports == 0 && status > 0 && status < 126) /* from 126 on: not executed, or killed */
        return text;
    print_error("%s\n", tail(text));
    free(text);
    if (status == -1)
        fail_msg("the broker starts, but should refuse");
    fail_msg(
        "the broker should refuse to start, but ended with status %d and %zu sanitizer reports",
        status, reports);
    return NULL;
}

uint16_t broker_tls_port(const struct broker *b)
{
    return b->tls.number;
}

uint16_t broker_plain_port(const struct broker *b)
{
    return b->plain.number;
}

uint16_t broker_ws_port(const struct broker *b, enum broker_ws kind)
{
    for (size_t i = 0; i < BROKER_WS_MAX; i++) {
        if (b->ws_kinds[i] == kind)
            return b->ws[i].number;
    }
    return 0;
}

pid_t broker_pid(const struct broker *b)
{
    return b->child.pid;
}
