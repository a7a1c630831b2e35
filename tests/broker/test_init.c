/* `provctl init`, for real: a stock broker on what it wrote, and devices that join. */
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <pwd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/pem.h>

#include "core/json.h"
#include "support/broker_conf.h"
#include "support/child.h"
#include "support/deadline.h"
#include "support/expect.h"
#include "support/fleet_rig.h"
#include "support/port.h"
#include "support/tmp.h"

#define TEMPLATES PROV_SOURCE_DIR "/templates"
#define SAID_MAX 65536

struct world {
    char *dir;
    char db[TMP_PATH_MAX], etc[TMP_PATH_MAX], factory_file[TMP_PATH_MAX];
    char port_text[8], include[TMP_PATH_MAX + 32];
    struct port port;
    struct pki_cert factory, stranger; /* CAs: registered, and not */
    X509 *server_ca;
    struct broker_options options;
    struct broker *broker;
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);

    assert_non_null(w);
    w->dir = tmp_new();
    (void)tmp_path(w->dir, "db", w->db);
    (void)tmp_path(w->dir, "etc", w->etc);
    w->factory = pki_make(&(struct pki_spec){ .subject = "/CN=Factory", .ca = true });
    w->stranger = pki_make(&(struct pki_spec){ .subject = "/CN=Stranger", .ca = true });
    pki_write(w->dir, "factory", &w->factory, NULL);
    (void)tmp_path(w->dir, "factory.crt", w->factory_file);
    w->port = port_take();
    assert_int_not_equal(w->port.number, 0);
    (void)snprintf(w->port_text, sizeof w->port_text, "%u", w->port.number);
    (void)snprintf(w->include, sizeof w->include, "include_dir %s/conf.d", w->etc);
    w->options = (struct broker_options){ .dir = w->dir, .lines = w->include };
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    broker_free(w->broker);
    X509_free(w->server_ca);
    pki_free(&w->stranger);
    pki_free(&w->factory);
    port_give_back(&w->port);
    tmp_free(w->dir);
    free(w);
    return 0;
}

/* ---- the parts ------------------------------------------------------------------------------- */

/* provctl with these words must do well; what it answered, to be deleted. */
static cJSON *ctl(const struct world *w, const char *const *words)
{
    const char *all[48] = { "--db", w->db, "--json" };
    struct run_result r;
    cJSON *doc = NULL;
    size_t n = 3;

    while (*words != NULL)
        all[n++] = *words++;
    run_provctl_argv(&r, all);
    if (r.status != 0 || prov_json_parse(prov_span_str(r.out), 1u << 20, &doc, NULL) != PROV_OK)
        fail_msg("provctl %s: status %d\n%s%s", all[3], r.status, r.out, r.err);
    run_release(&r);
    return doc;
}

#define ctl_do(w, ...) cJSON_Delete(ctl((w), (const char *const[]){ __VA_ARGS__, NULL }))

static void init(const struct world *w, const char *devices)
{
    ctl_do(w, "init", "--yes", "--devices", devices, "--etc", w->etc, "--templates", TEMPLATES,
           "--plugin", broker_plugin(), "--port", w->port_text, "--bind", "127.0.0.1",
           "--server-name", "localhost,127.0.0.1");
}

static X509 *read_cert(const char *path)
{
    FILE *file = fopen(path, "r");
    X509 *cert = file != NULL ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;

    if (cert == NULL)
        fail_msg("no certificate in %s", path);
    (void)fclose(file);
    return cert;
}

static EVP_PKEY *read_key(const char *path)
{
    FILE *file = fopen(path, "r");
    EVP_PKEY *key = file != NULL ? PEM_read_PrivateKey(file, NULL, NULL, NULL) : NULL;

    if (key == NULL)
        fail_msg("no key in %s", path);
    (void)fclose(file);
    return key;
}

/* On nothing but what init wrote; the harness adds where to log, and who the broker is. */
static void start(struct world *w)
{
    char path[TMP_PATH_MAX];

    w->server_ca = read_cert(tmp_path(w->etc, "provisioning/server-ca.crt", path));
    w->broker = broker_start(&w->options);
}

struct link {
    struct mqtt_tls tls;
    struct mqtt_options options;
};

/* tls is where it will be copied to: fill options.tls there. */
static struct link link_of(const struct world *w, const struct pki_cert *device, const char *id)
{
    struct link link = { .options = { .port = w->port.number, .client_id = id } };

    link.tls.trust = w->server_ca;
    link.tls.cert = device->x509;
    link.tls.key = device->key;
    return link;
}

static struct mqtt *joins(const struct world *w, const struct pki_cert *device, const char *id)
{
    struct link link = link_of(w, device, id);

    link.options.tls = &link.tls;
    return expect_connected(&link.options);
}

static struct pki_cert device_of(const struct pki_cert *ca, const char *cn)
{
    char subject[64];

    (void)snprintf(subject, sizeof subject, "/CN=%s", cn);
    return pki_make(&(struct pki_spec){ .subject = subject, .issuer = ca });
}

/* Its first try is dropped, and it is registered by the time the broker says so. */
static void first_contact(const struct world *w, const struct pki_cert *device, const char *id)
{
    struct link link = link_of(w, device, id);
    const size_t mark = broker_log_mark(w->broker);

    link.options.tls = &link.tls;
    expect_dropped(&link.options);
    broker_expect_log(w->broker, mark, "provisioned attempt=");
}

/* Rights below its own name, and not below another's. */
static void expect_rights(struct mqtt *c, const char *name)
{
    char filter[64];

    (void)snprintf(filter, sizeof filter, "cmd/%s/on", name);
    assert_int_equal(mqtt_subscribe(c, filter, 0), 0);
    assert_int_equal(mqtt_subscribe(c, "cmd/another/on", 0), 0x80);
}

static void expect_explained(const struct world *w, const char *id, const char *text)
{
    struct run_result r;

    run_provctl(&r, "--db", w->db, "explain", id);
    if (strstr(r.out, text) == NULL)
        fail_msg("\"%s\" is not in:\n%s%s", text, r.out, r.err);
    run_release(&r);
}

/* ---- by options ------------------------------------------------------------------------------ */

static void device_of_the_factory_gets_in_and_a_strangers_does_not(void **state)
{
    struct world *w = *state;
    struct pki_cert good = device_of(&w->factory, "dev-1"), bad = device_of(&w->stranger, "dev-2");
    struct link link;
    struct mqtt *c;

    ctl_do(w, "init", "--yes", "--factory-ca", w->factory_file, "--etc", w->etc, "--templates",
           TEMPLATES, "--plugin", broker_plugin(), "--port", w->port_text, "--bind", "127.0.0.1",
           "--server-name", "localhost,127.0.0.1");
    start(w);
    first_contact(w, &good, "dev-1");
    c = joins(w, &good, "dev-1");
    expect_rights(c, "dev-1");
    mqtt_free(c);
    ctl_do(w, "thing", "show", "dev-1");
    link = link_of(w, &bad, "dev-2");
    link.options.tls = &link.tls;
    expect_alert(&link.options, SSL_AD_UNKNOWN_CA);
    expect_explained(w, "127.0.0.1", "ca register");
    pki_free(&bad);
    pki_free(&good);
}

/* The claim is made as init's last words say. */
static struct pki_cert claim_of(const struct world *w)
{
    cJSON *made = ctl(
        w, (const char *const[]){ "claim", "create", "fleet-by-serial", "--out", w->dir, NULL });
    struct pki_cert claim = {
        read_cert(cJSON_GetObjectItemCaseSensitive(made, "certificateFile")->valuestring),
        read_key(cJSON_GetObjectItemCaseSensitive(made, "privateKeyFile")->valuestring),
    };

    cJSON_Delete(made);
    return claim;
}

static struct fleet_ask registration(const char *template_name, const struct fleet_device *d,
                                     char body[static 1024])
{
    (void)snprintf(body, 1024,
                   "{\"certificateOwnershipToken\":\"%s\",\"parameters\":{\"SerialNumber\":"
                   "\"0042\"}}",
                   d->token);
    return (struct fleet_ask){ .op = PROV_REGISTER_THING,
                               .format = PROV_JSON,
                               .template_name = template_name,
                               .body = body,
                               .qos = 1 };
}

static void device_with_a_claim_gets_a_certificate_of_its_own(void **state)
{
    struct world *w = *state;
    struct fleet_answer answer;
    struct fleet_device device;
    struct pki_cert claim, self;
    struct fleet_ask ask;
    struct link link;
    char body[1024];
    struct mqtt *c;

    init(w, "claim");
    start(w);
    claim = claim_of(w);
    c = joins(w, &claim, "setup-1");
    assert_int_equal(mqtt_subscribe(c, "cmd/dev-0042/on", 0), 0x80);
    device = fleet_create(c, PROV_JSON, "setup-1");
    ask = registration("fleet-by-serial", &device, body);
    answer = fleet_call(c, &ask);
    assert_true(answer.accepted);
    assert_string_equal(fleet_text(&answer, "thingName"), "dev-0042");
    fleet_release(&answer);
    mqtt_free(c);
    c = joins(w, &device.cert, "dev-0042");
    expect_rights(c, "dev-0042");
    mqtt_free(c);
    self = pki_make(&(struct pki_spec){ .subject = "/CN=dev-0042" });
    link = link_of(w, &self, "dev-0042");
    link.options.tls = &link.tls;
    expect_alert(&link.options, SSL_AD_UNKNOWN_CA);
    pki_free(&self);
    fleet_device_free(&device);
    pki_free(&claim);
}

/* What was issued to a device is under another CA than the broker: it is not to be taken for it. */
static void issuer_is_no_authority_for_brokers(void **state)
{
    struct world *w = *state;
    struct pki_cert device = device_of(&w->factory, "dev-1");
    char path[TMP_PATH_MAX];
    struct link link;
    struct mqtt *c;
    X509 *issuer;

    init(w, "both");
    start(w);
    issuer = read_cert(tmp_path(w->db, "issuer.crt", path));
    link = link_of(w, &device, "dev-1");
    link.options.tls = &link.tls;
    link.tls.trust = issuer;
    c = mqtt_start(&link.options);
    assert_non_null(c);
    assert_true(mqtt_wait_end(c));
    assert_int_equal(mqtt_report(c)->end, MQTT_END_TLS);
    mqtt_free(c);
    X509_free(issuer);
    pki_free(&device);
}

/* As on a machine: root makes it, and the broker that root starts becomes its user. */
static void broker_that_becomes_its_user_can_read_and_write_all_it_needs(void **state)
{
    struct world *w = *state;
    struct pki_cert device;
    char path[TMP_PATH_MAX];
    struct mqtt *c;

    if (geteuid() != 0 || getpwnam("mosquitto") == NULL || !tmp_is_public(w->dir))
        skip();
    device = device_of(&w->factory, "dev-1");
    w->options.user = "mosquitto";
    assert_int_equal(chmod(w->dir, 0777), 0);
    (void)tmp_path(w->dir, "broker.log", path); /* the harness reads what the user has written */
    assert_int_equal(close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)), 0);
    assert_int_equal(chmod(path, 0666), 0);
    ctl_do(w, "init", "--yes", "--factory-ca", w->factory_file, "--etc", w->etc, "--templates",
           TEMPLATES, "--plugin", broker_plugin(), "--port", w->port_text, "--bind", "127.0.0.1",
           "--server-name", "127.0.0.1");
    start(w);
    first_contact(w, &device, "dev-1");
    c = joins(w, &device, "dev-1");
    mqtt_free(c);
    pki_free(&device);
}

/* ---- question by question -------------------------------------------------------------------- */

struct talk {
    pid_t pid;
    int fd;
    char said[SAID_MAX];
    size_t n, heard; /* heard: up to where it was answered */
};

static void begin(const struct world *w, struct talk *t)
{
    char *argv[] = { (char *)PROV_PROVCTL_PATH,
                     (char *)"--db",
                     (char *)w->db,
                     (char *)"init",
                     (char *)"--etc",
                     (char *)w->etc,
                     (char *)"--templates",
                     (char *)TEMPLATES,
                     (char *)"--plugin",
                     (char *)broker_plugin(),
                     (char *)"--bind",
                     (char *)"127.0.0.1",
                     NULL };
    const struct winsize size = { .ws_row = 24, .ws_col = 80 };

    memset(t, 0, sizeof *t);
    t->pid = forkpty(&t->fd, NULL, NULL, &size);
    assert_true(t->pid >= 0);
    if (t->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)execv(argv[0], argv);
        _exit(127);
    }
    assert_int_equal(fcntl(t->fd, F_SETFL, O_NONBLOCK), 0);
}

/* Reads until this is said behind what was answered last; false when it ended first. */
static bool hears(struct talk *t, const char *text)
{
    const int64_t deadline = deadline_in(0);
    struct pollfd poll_fd = { .fd = t->fd, .events = POLLIN };
    ssize_t got;

    for (;;) {
        const char *found = strstr(t->said + t->heard, text);

        if (found != NULL) {
            t->heard = (size_t)(found - t->said) + strlen(text);
            return true;
        }
        if (poll(&poll_fd, 1, deadline_left(deadline)) != 1)
            fail_msg("\"%s\" was not said within the time; this was:\n%s", text, t->said);
        got = read(t->fd, t->said + t->n, sizeof t->said - 1 - t->n);
        if (got <= 0)
            return false; /* a terminal whose last user has gone gives an error */
        t->n += (size_t)got;
        t->said[t->n] = '\0';
    }
}

static void answers(struct talk *t, const char *question, const char *answer)
{
    if (!hears(t, question) || !hears(t, "] "))
        fail_msg("\"%s\" was not asked:\n%s", question, t->said);
    assert_int_equal(write(t->fd, answer, strlen(answer)), strlen(answer));
    assert_int_equal(write(t->fd, "\n", 1), 1);
}

static int ends(struct talk *t)
{
    int status;

    (void)hears(t, "\x01never");
    assert_int_equal(waitpid(t->pid, &status, 0), t->pid);
    (void)close(t->fd);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void person_at_a_terminal_is_led_to_a_broker_that_works(void **state)
{
    struct world *w = *state;
    struct pki_cert device = device_of(&w->factory, "dev-1");
    struct talk *t = calloc(1, sizeof *t);
    struct mqtt *c;

    assert_non_null(t);
    begin(w, t);
    answers(t, "Account id", "123456789012");
    answers(t, "Region", "");
    answers(t, "How do new devices come?", "1");
    answers(t, "The factory's CA certificate", "/nowhere");
    answers(t, "No such file", w->factory_file);
    answers(t, "What becomes of such a device?", "");
    answers(t, "What may it do?", "");
    answers(t, "The port", w->port_text);
    answers(t, "The broker's own certificate", "");
    answers(t, "Names and addresses", "localhost 127.0.0.1");
    answers(t, "Make it?", "y");
    if (!hears(t, "Next") || ends(t) != 0)
        fail_msg("it did not do well:\n%s", t->said);
    free(t);
    start(w);
    first_contact(w, &device, "dev-1");
    c = joins(w, &device, "dev-1");
    expect_rights(c, "dev-1");
    mqtt_free(c);
    pki_free(&device);
}

static void interrupted_conversation_leaves_nothing(void **state)
{
    struct world *w = *state;
    struct talk *t = calloc(1, sizeof *t);

    assert_non_null(t);
    begin(w, t);
    answers(t, "Account id", "");
    answers(t, "Region", "");
    if (!hears(t, "How do new devices come?") || !hears(t, "] "))
        fail_msg("not asked:\n%s", t->said);
    assert_int_equal(write(t->fd, "\x03", 1), 1); /* Ctrl-C */
    assert_int_equal(ends(t), 128 + SIGINT);
    assert_int_equal(access(w->db, F_OK), -1);
    assert_int_equal(access(w->etc, F_OK), -1);
    free(t);
}

#define WORLD_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(device_of_the_factory_gets_in_and_a_strangers_does_not),
        WORLD_TEST(device_with_a_claim_gets_a_certificate_of_its_own),
        WORLD_TEST(issuer_is_no_authority_for_brokers),
        WORLD_TEST(broker_that_becomes_its_user_can_read_and_write_all_it_needs),
        WORLD_TEST(person_at_a_terminal_is_led_to_a_broker_that_works),
        WORLD_TEST(interrupted_conversation_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
