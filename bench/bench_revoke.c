/* How soon a revoked device's connection is closed, and what another client notices. */
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/wait.h>

#include "bystander.h"
#include "control.h"
#include "core/ident.h"
#include "fleet.h"

#define BYSTANDER_IDLE_MS 200

static const char *pki, *db, *provctl;
static uint64_t port, plain_port, devices = 20, first;
static bool idle;

static const struct bench_option options[] = {
    { .name = "port",
      .value = "P",
      .help = "the broker's TLS listener on 127.0.0.1",
      .number = &port,
      .lo = 1,
      .hi = 65535,
      .required = true },
    { .name = "plain-port",
      .value = "P",
      .help = "its plain listener, for the other client and the control API",
      .number = &plain_port,
      .lo = 1,
      .hi = 65535,
      .required = true },
    { .name = "pki",
      .value = "DIR",
      .help = "what bench_pki made",
      .text = &pki,
      .required = true },
    { .name = "first",
      .value = "I",
      .help = "the first device, counted from 0 in devices.bin",
      .number = &first,
      .hi = 100000000 },
    { .name = "devices",
      .value = "N",
      .help = "how many are revoked, one after the other",
      .number = &devices,
      .lo = 1,
      .hi = 100000 },
    { .name = "provctl",
      .value = "FILE",
      .help = "revoke with this program instead of the control API; needs --db",
      .text = &provctl },
    { .name = "idle",
      .help = "no other client, so that the broker has nothing to do but to notice",
      .flag = &idle },
    { .name = "db", .value = "DIR", .help = "the broker's registry", .text = &db },
    { .name = NULL },
};

static const struct bench_program program = {
    .name = "bench_revoke",
    .about =
        "Registered devices connect; then one certificate after the other is revoked, by the\n"
        "control API or by provctl in a process of its own, and that device's connection must\n"
        "be closed. Meanwhile another client pings, unless --idle.\n",
    .figures =
        "  revoked\n"
        "  p50_us p99_us max_us         from the command, or the start of provctl, until the\n"
        "                               device's connection is closed\n"
        "  bystander_pings bystander_p50_us bystander_p99_us bystander_max_us\n"
        "                               its round trips meanwhile; bystander_idle_...: before\n",
    .example = "bench_revoke --port 8883 --plain-port 1883 --pki /tmp/pki --devices 20",
    .options = options,
};

/* ---- revoking -------------------------------------------------------------------------------- */

static pid_t start_provctl(const char *id)
{
    const char *const args[] = { provctl, "--db",     db,        "cert", "update",
                                 id,      "--status", "REVOKED", NULL };
    posix_spawn_file_actions_t actions;
    pid_t child;
    int err;

    if (posix_spawn_file_actions_init(&actions) != 0 ||
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0) != 0)
        bench_fail("out of memory");
    err = posix_spawn(&child, provctl, &actions, NULL, (char *const *)args, environ);
    if (err != 0)
        bench_fail("%s: %s", provctl, strerror(err));
    (void)posix_spawn_file_actions_destroy(&actions);
    return child;
}

static void end_provctl(pid_t child)
{
    int status;

    if (waitpid(child, &status, 0) != child || status != 0)
        bench_fail("provctl did not revoke");
}

static uint64_t revoke_one(struct mqtt *op, const struct fleet_device *device, struct mqtt *c)
{
    const uint64_t from = bench_now_ns();
    char hex[PROV_ID_HEX + 1];
    struct prov_id id;
    pid_t child = 0;
    uint64_t took;

    if (prov_ident_id(device->cert, &id) != PROV_OK)
        bench_fail("%s has no id", device->cn);
    prov_id_hex(&id, hex);
    if (provctl != NULL)
        child = start_provctl(hex);
    else
        control_ask(op,
                    "{\"command\":\"updateCertificate\",\"certificateId\":\"%s\","
                    "\"newStatus\":\"REVOKED\"}",
                    hex);
    if (!mqtt_wait_end(c))
        bench_fail("%s is revoked and still connected", device->cn);
    took = bench_now_ns() - from;
    if (provctl != NULL)
        end_provctl(child);
    else
        cJSON_Delete(control_answer(op));
    return took;
}

/* ---- the run --------------------------------------------------------------------------------- */

static struct mqtt *connect_device(const struct fleet *fleet, size_t i)
{
    const struct fleet_device *device = &fleet->devices[i];
    const struct mqtt_tls tls = { .cert = device->cert, .key = device->key, .shared = fleet->ctx };
    struct mqtt *c = mqtt_start(&(struct mqtt_options){
        .port = (uint16_t)port, .tls = &tls, .client_id = device->cn, .keepalive_s = 3600 });

    if (c == NULL || mqtt_wait_connack(c) != 0)
        bench_fail("%s is not let in (is it registered?): %s", device->cn,
                   c == NULL ? "out of memory" : mqtt_story(c));
    return c;
}

static void revoke_all(const struct fleet *fleet, struct bench_times *times)
{
    struct mqtt *op = provctl == NULL ? control_connect((uint16_t)plain_port) : NULL;
    struct mqtt **c = bench_alloc(fleet->n, sizeof(struct mqtt *));
    struct bystander *bystander = NULL;

    for (size_t i = 0; i < fleet->n; i++)
        c[i] = connect_device(fleet, i);
    if (!idle)
        bystander = bystander_start((uint16_t)plain_port, BYSTANDER_IDLE_MS);
    bystander_begin(bystander);
    for (size_t i = 0; i < fleet->n; i++) {
        if (!mqtt_ping(c[i]))
            bench_fail("%s was disconnected before it was revoked", fleet->devices[i].cn);
        bench_times_add(times, revoke_one(op, &fleet->devices[i], c[i]));
        mqtt_free(c[i]);
    }
    bystander_end(bystander);
    if (op != NULL)
        control_leave(op);
    free(c);
    bench_put_count("revoked", fleet->n);
    bench_times_put(times, "");
    bystander_put(bystander);
}

int main(int argc, char **argv)
{
    struct bench_times times = { .n = 0 };
    struct fleet fleet;

    bench_options(&program, argc, argv);
    if ((provctl == NULL) != (db == NULL))
        bench_usage("provctl", "and --db go together");
    fleet_load(&fleet, pki, first, devices, TLS1_3_VERSION);
    revoke_all(&fleet, &times);
    bench_put_line();
    fleet_release(&fleet);
    bench_times_release(&times);
    return 0;
}
