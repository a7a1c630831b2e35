/*
 * agent_cli.h - the program device-agent beside a broker with the plugin (fleet_rig.h): its
 * configuration, its commands, and one that runs.
 *
 * Every call fails the test when what it promises does not happen.
 */
#ifndef SUPPORT_AGENT_CLI_H
#define SUPPORT_AGENT_CLI_H

#include <cjson/cJSON.h>

#include "support/child.h"
#include "support/fleet_rig.h"
#include "support/tmp.h"

struct agent_cli {
    struct fleet_rig f;
    char *dir; /* configuration, trust file, claim and state; the state is in DIR/state */
    char conf[TMP_PATH_MAX];
    struct child child; /* of agent_cli_run */
    int log;            /* its standard error: DIR/log */
};

/* What a configuration differs in from the usual one: method claim with the rig's claim, template
 * FLEET_TEMPLATE, Serial 7, and the claim is kept. NULL and 0: as usual. */
struct agent_cli_conf {
    const char *method, *host, *ca_file, *template_name, *serial;
    uint16_t port;
    bool no_claim, no_serial;
    const char *lines;        /* at its end: sections begin with their own line */
    const char *device_lines; /* NULL: a device_id; not every machine that runs tests has one */
};

/* The rig is up, and the usual configuration is written. */
void agent_cli_up(struct agent_cli *a);
void agent_cli_down(struct agent_cli *a);
/* For cmocka: *state is a new one. */
int agent_cli_set_up(void **state);
int agent_cli_tear_down(void **state);

void agent_cli_write(struct agent_cli *a, const struct agent_cli_conf *conf);
/* Another claim in place of the rig's: DIR/claim.crt, DIR/claim.key. */
void agent_cli_put_claim(struct agent_cli *a, const struct pki_cert *claim);
/* DIR/NAME */
const char *agent_cli_path(const struct agent_cli *a, const char *name,
                           char out[static TMP_PATH_MAX]);

/* `device-agent --config …` with these words, to its end; released by the caller. */
#define agent_cli_do(a, input, r, ...)                                                             \
    agent_cli_do_argv((a), (input), (r), (const char *const[]){ __VA_ARGS__, NULL })
void agent_cli_do_argv(struct agent_cli *a, const char *input, struct run_result *r,
                       const char *const *words);
/* The same where nothing but the exit code is of interest, which must be this one. */
#define agent_cli_expect(a, code, ...)                                                             \
    agent_cli_expect_at((a), (code), (const char *const[]){ __VA_ARGS__, NULL }, __FILE__, __LINE__)
void agent_cli_expect_at(struct agent_cli *a, int code, const char *const *words, const char *file,
                         int line);

/* `status --json`, to be deleted. */
cJSON *agent_cli_status(struct agent_cli *a);
/* Waits until a text or number of the status is this; to be deleted. */
cJSON *agent_cli_wait_text(struct agent_cli *a, const char *name, const char *want);
cJSON *agent_cli_wait_number(struct agent_cli *a, const char *name, int want);
/* A member of a status; fail where there is none of the kind. */
const char *agent_cli_text(const cJSON *from, const char *name);
int agent_cli_number(const cJSON *from, const char *name);
const cJSON *agent_cli_object(const cJSON *from, const char *name);

/* The id of the certificate in force. */
struct prov_id agent_cli_id(struct agent_cli *a);

/* Starts `device-agent run`; its socket answers when this returns. env as in child.h. */
void agent_cli_run(struct agent_cli *a, const struct child_env *env);
/* SIGTERM: it must end with 0. */
void agent_cli_stop(struct agent_cli *a);

#endif
