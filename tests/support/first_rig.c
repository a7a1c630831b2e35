#include "support/first_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/ident.h"
#include "support/child.h"
#include "support/deadline.h"

#define ALL                                                                                        \
    "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"iot:*\","       \
    "\"Resource\":\"*\"}]}"

bool first_delays(void)
{
    return broker_version() >= BROKER_VERSION(2, 1, 0);
}

void first_up(struct first *s, const struct rig_spec *spec)
{
    operator_prepare(&s->rig, spec);
    rig_add_opt(&s->rig, "first_connect", "accept");
    rig_add_opt(&s->rig, "hook_dir", tmp_path(s->rig.dir, "hooks", s->hooks));
    assert_int_equal(mkdir(s->hooks, 0755), 0);
    rig_start(&s->rig);
    rig_create_policy(&s->rig, "all", ALL);
    s->op = operator_connect(&s->rig, "operator");
}

void first_down(struct first *s)
{
    mqtt_free(s->op);
    rig_down(&s->rig);
}

void first_others_served(struct first *s)
{
    assert_int_equal(mqtt_subscribe(s->op, "plain/there", 0), 0);
    assert_int_equal(mqtt_publish(s->op, &(struct mqtt_publish){ .topic = "plain/there",
                                                                 .payload = PROV_LIT("back") }),
                     0);
    expect_message(s->op, "plain/there", "back");
}

struct mqtt *first_start(struct rig_link *link)
{
    struct mqtt *c;

    link->options.tls = &link->tls;
    c = mqtt_start(&link->options);
    assert_non_null(c);
    return c;
}

struct mqtt *first_start_device(struct first *s, const struct pki_cert *device,
                                const char *client_id)
{
    struct rig_link link = rig_link(&s->rig, device, client_id);

    return first_start(&link);
}

void first_in(struct mqtt *c)
{
    if (mqtt_wait_connack(c) != 0)
        fail_msg("not let in: %s", mqtt_story(c));
}

void first_refused(struct mqtt *c, int code)
{
    const struct mqtt_report *r = mqtt_report(c);

    if (!mqtt_wait_end(c) || r->connack != code)
        fail_msg("not refused with %d: %s", code, mqtt_story(c));
    mqtt_free(c);
}

/* ---- hooks that wait for the test ------------------------------------------------------------ */

static void set_hook(struct first *s, const struct prov_id *ca, const char *name)
{
    struct prov_tx tx = rig_begin(&s->rig, PROV_TXN_WRITE);
    char text[TMP_PATH_MAX + 8];
    struct prov_span spec;

    (void)snprintf(text, sizeof text, "exec:%s/%s", s->hooks, name);
    spec = prov_span_str(text);
    rig_ok(&tx, prov_ca_update(&tx, ca, &(struct prov_ca_change){ .hook = &spec }));
    rig_end(&tx);
}

void first_hook(struct first *s, const struct prov_id *ca, const char *name, const char *says,
                bool gate)
{
    char path[TMP_PATH_MAX];
    FILE *file = fopen(tmp_path(s->hooks, name, path), "w");

    assert_non_null(file);
    assert_true(fprintf(file, "#!/bin/sh\ncat >/dev/null\n") > 0);
    if (gate)
        assert_true(fprintf(file, ": >%s.asked; until [ -e %s.go ]; do sleep 0.01; done\n", path,
                            path) > 0);
    assert_true(fprintf(file, "%s\n", says) > 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0755), 0);
    set_hook(s, ca, name);
}

static void gate_path(const struct first *s, const char *name, const char *ending,
                      char out[static TMP_PATH_MAX])
{
    assert_true((size_t)snprintf(out, TMP_PATH_MAX, "%s/%s.%s", s->hooks, name, ending) <
                TMP_PATH_MAX);
}

void first_gate_wait(const struct first *s, const char *name, struct mqtt *c)
{
    const int64_t deadline = deadline_in(0);
    char path[TMP_PATH_MAX];

    gate_path(s, name, "asked", path);
    while (access(path, F_OK) != 0) {
        if (deadline_left(deadline) == 0)
            fail_msg("the hook was not asked: %s", mqtt_story(c));
        mqtt_step(c);
        (void)sched_yield();
    }
}

void first_gate_open(const struct first *s, const char *name)
{
    char path[TMP_PATH_MAX];
    FILE *file;

    gate_path(s, name, "go", path);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
}

struct mqtt *first_start_and_wait(struct first *s, const struct pki_cert *device,
                                  const char *client_id, const char *gate)
{
    struct mqtt *c = first_start_device(s, device, client_id);

    first_gate_wait(s, gate, c);
    return c;
}

void first_hex(const struct pki_cert *device, char out[static PROV_ID_HEX + 1])
{
    struct prov_id id;

    assert_int_equal(prov_ident_id(device->x509, &id), PROV_OK);
    prov_id_hex(&id, out);
}

void first_pending(struct first *s, const struct pki_cert *device, struct mqtt *c)
{
    const int64_t deadline = deadline_in(0);
    char hex[PROV_ID_HEX + 1];

    first_hex(device, hex);
    while (!broker_log_has(s->rig.broker, 0, "pending attempt=")) {
        if (deadline_left(deadline) == 0)
            fail_msg("not pending: %s", mqtt_story(c));
        mqtt_step(c);
        (void)sched_yield();
    }
    assert_true(broker_log_has(s->rig.broker, 0, hex));
    rig_expect_status(&s->rig, device, PROV_CERT_PENDING_ACTIVATION);
}

void first_provctl(struct first *s, const char *const *words)
{
    const char *args[12] = { "--db", s->rig.db };
    struct run_result r;
    size_t n = 2;

    while (*words != NULL)
        args[n++] = *words++;
    run_provctl_argv(&r, args);
    if (r.status != 0)
        fail_msg("provctl: %s%s", r.out, r.err);
    run_release(&r);
}

void first_activate(struct first *s, const char *hex)
{
    first_provctl(s, (const char *const[]){ "policy", "attach", "all", "--cert", hex, NULL });
    first_provctl(s, (const char *const[]){ "cert", "update", hex, "--status", "ACTIVE", NULL });
}
