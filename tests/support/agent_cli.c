#include "support/agent_cli.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/deadline.h"

#define MAX_WORDS 16

const char *agent_cli_path(const struct agent_cli *a, const char *name,
                           char out[static TMP_PATH_MAX])
{
    return tmp_path(a->dir, name, out);
}

/* ---- configuration --------------------------------------------------------------------------- */

static const char *or_else(const char *given, const char *usual)
{
    return given != NULL ? given : usual;
}

void agent_cli_write(struct agent_cli *a, const struct agent_cli_conf *conf)
{
    const uint16_t port = conf->port != 0 ? conf->port : broker_tls_port(a->f.rig.broker);
    FILE *f = fopen(a->conf, "w");

    assert_non_null(f);
    (void)fprintf(f, "[broker]\nhost = %s\nport = %u\nca_file = %s\nconnect_timeout = 10s\n",
                  or_else(conf->host, "localhost"), port, or_else(conf->ca_file, "ca.crt"));
    (void)fprintf(f,
                  "[device]\nclient_id = blank\nmethod = %s\ntemplate = %s\nstate_dir = state\n%s",
                  or_else(conf->method, "claim"), or_else(conf->template_name, FLEET_TEMPLATE),
                  or_else(conf->device_lines, "device_id = one\n"));
    if (!conf->no_claim)
        (void)fprintf(f, "[claim]\ncertificate = claim.crt\nkey = claim.key\nafter_use = keep\n");
    if (!conf->no_serial)
        (void)fprintf(f, "[parameters]\nSerial = %s\n", or_else(conf->serial, "7"));
    (void)fprintf(f, "%s", or_else(conf->lines, ""));
    assert_int_equal(fclose(f), 0);
}

void agent_cli_put_claim(struct agent_cli *a, const struct pki_cert *claim)
{
    pki_write(a->dir, "claim", claim, NULL);
}

void agent_cli_up(struct agent_cli *a)
{
    char path[TMP_PATH_MAX];

    memset(a, 0, sizeof *a);
    a->log = -1;
    a->dir = tmp_new();
    fleet_up(&a->f, NULL);
    (void)agent_cli_path(a, "agent.conf", a->conf);
    pki_write(a->dir, "ca", &a->f.rig.server, NULL);
    agent_cli_put_claim(a, &a->f.claim);
    agent_cli_write(a, &(struct agent_cli_conf){ 0 });
    a->log = open(agent_cli_path(a, "log", path), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_int_not_equal(a->log, -1);
}

void agent_cli_down(struct agent_cli *a)
{
    child_kill(&a->child);
    if (a->log != -1)
        (void)close(a->log);
    fleet_down(&a->f);
    tmp_free(a->dir);
}

int agent_cli_set_up(void **state)
{
    struct agent_cli *a = malloc(sizeof *a);

    assert_non_null(a);
    agent_cli_up(a);
    *state = a;
    return 0;
}

int agent_cli_tear_down(void **state)
{
    struct agent_cli *a = *state;

    agent_cli_down(a);
    free(a);
    return 0;
}

/* ---- commands -------------------------------------------------------------------------------- */

static void fill(const struct agent_cli *a, const char *const *words, const char **argv)
{
    size_t n = 0;

    argv[n++] = AGENT_PROGRAM_PATH;
    argv[n++] = "--config";
    argv[n++] = a->conf;
    for (; *words != NULL; words++) {
        assert_true(n < MAX_WORDS - 1);
        argv[n++] = *words;
    }
    argv[n] = NULL;
}

void agent_cli_do_argv(struct agent_cli *a, const char *input, struct run_result *r,
                       const char *const *words)
{
    const char *argv[MAX_WORDS];

    fill(a, words, argv);
    assert_true(run_program(argv, input, r));
    assert_int_not_equal(r->status, -1);
    /* a sanitizer's report would look like a failure of another kind */
    if (strstr(r->err, "Sanitizer") != NULL || strstr(r->err, "runtime error") != NULL)
        fail_msg("%s: %s", words[0], r->err);
}

void agent_cli_expect_at(struct agent_cli *a, int code, const char *const *words, const char *file,
                         int line)
{
    struct run_result r;

    agent_cli_do_argv(a, NULL, &r, words);
    if (r.status != code) {
        print_error("%s ended with %d and not with %d\n%s%s", words[0], r.status, code, r.out,
                    r.err);
        _fail(file, line);
    }
    run_release(&r);
}

/* ---- status ---------------------------------------------------------------------------------- */

cJSON *agent_cli_status(struct agent_cli *a)
{
    struct run_result r;
    cJSON *status;

    agent_cli_do(a, NULL, &r, "status", "--json");
    if (r.status != 0)
        fail_msg("status: %s", r.err);
    status = cJSON_Parse(r.out);
    assert_true(cJSON_IsObject(status));
    run_release(&r);
    return status;
}

const cJSON *agent_cli_object(const cJSON *from, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(from, name);

    if (!cJSON_IsObject(item))
        fail_msg("no object %s", name);
    return item;
}

const char *agent_cli_text(const cJSON *from, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(from, name));

    if (text == NULL)
        fail_msg("no text %s", name);
    return text;
}

int agent_cli_number(const cJSON *from, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(from, name);

    if (!cJSON_IsNumber(item))
        fail_msg("no number %s", name);
    return item->valueint;
}

struct prov_id agent_cli_id(struct agent_cli *a)
{
    cJSON *status = agent_cli_status(a);
    const char *hex = agent_cli_text(agent_cli_object(status, "certificate"), "certificateId");
    struct prov_id id;

    assert_true(prov_id_parse(prov_span_str(hex), &id));
    cJSON_Delete(status);
    return id;
}

/* Until a member is a text, or, where that is NULL, a number. */
static cJSON *wait_for(struct agent_cli *a, const char *name, const char *text, int number)
{
    const struct timespec pause = { .tv_nsec = 50000000 };
    const int64_t until_ms = deadline_in(0);

    for (;;) {
        cJSON *status = agent_cli_status(a);
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(status, name);
        const bool is = text != NULL ? cJSON_IsString(item) && strcmp(item->valuestring, text) == 0
                                     : cJSON_IsNumber(item) && item->valueint == number;

        if (is)
            return status;
        if (deadline_left(until_ms) == 0)
            fail_msg("%s does not come about: %s", name, cJSON_Print(status));
        cJSON_Delete(status);
        (void)nanosleep(&pause, NULL);
    }
}

cJSON *agent_cli_wait_text(struct agent_cli *a, const char *name, const char *want)
{
    return wait_for(a, name, want, 0);
}

cJSON *agent_cli_wait_number(struct agent_cli *a, const char *name, int want)
{
    return wait_for(a, name, NULL, want);
}

/* ---- running --------------------------------------------------------------------------------- */

static bool is_running(struct agent_cli *a)
{
    cJSON *status = agent_cli_status(a);
    const bool running = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(status, "running"));

    cJSON_Delete(status);
    return running;
}

void agent_cli_run(struct agent_cli *a, const struct child_env *env)
{
    const char *argv[MAX_WORDS];
    const int64_t until_ms = deadline_in(0);

    fill(a, (const char *const[]){ "run", NULL }, argv);
    assert_true(child_start(
        &a->child,
        &(struct child_spec){ .argv = argv, .env = env, .in = -1, .out = -1, .err = a->log }));
    while (!is_running(a))
        assert_true(deadline_left(until_ms) > 0);
}

void agent_cli_stop(struct agent_cli *a)
{
    assert_int_equal(kill(a->child.pid, SIGTERM), 0);
    assert_int_equal(child_wait(&a->child, deadline_in(0)), 0);
}
