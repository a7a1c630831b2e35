/* What goes wrong around the broker: disks, power cuts, mistakes in the configuration, other
 * clients. */
#include <stdarg.h>
#include <setjmp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/ident.h"
#include "support/rig.h"
#include "store/store_lmdb.h"
#include "support/deadline.h"
#include "support/tmp.h"

static void expect_no_start(struct rig *rig, const char *why)
{
    char *log = broker_refuses(&rig->options);

    if (strstr(log, why) == NULL)
        fail_msg("the broker does not say \"%s\":\n%s", why, log);
    free(log);
}

static void set_option(struct rig *rig, const char *key, const char *value)
{
    size_t n = 0;

    while (rig->opts[n].key != NULL && strcmp(rig->opts[n].key, key) != 0)
        n++;
    rig->opts[n] = (struct broker_opt){ key, value };
}

static void wrong_settings_refuse_to_start_and_name_the_key(void **state)
{
    static const struct {
        const char *key, *value, *why;
    } rows[] = {
        { "first_conect", "drop", "first_connect" }, /* the nearest key is named */
        { "first_connect", "maybe", "first_connect" },
        { "worker_threads", "0", "worker_threads" },
        { "account_id", "123", "account_id" },
        { "account_id", "123456789012", "account_id" }, /* not the store's */
        { "region", "eu-central-1", "region" },
        { "db_path", "relative", "db_path" },
    };
    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct rig rig;

        rig_prepare(&rig, &(struct rig_spec){ 0 });
        set_option(&rig, rows[i].key, rows[i].value);
        expect_no_start(&rig, rows[i].why);
        rig_down(&rig);
    }
}

static void two_brokers_do_not_share_a_store(void **state)
{
    struct rig rig;
    char pid[32];

    (void)state;
    rig_up(&rig, &(struct rig_spec){ 0 });
    rig.options.name = "second";
    (void)snprintf(pid, sizeof pid, "%d", (int)broker_pid(rig.broker));
    expect_no_start(&rig, pid);
    broker_stop(rig.broker); /* and when the first is gone, the second may have it */
    broker_free(rig.broker);
    rig_start(&rig);
    rig_down(&rig);
}

static void store_of_a_newer_version_does_not_open(void **state)
{
    const struct prov_schema newer = { prov_registry_schema.version + 1,
                                       prov_registry_schema.tables, prov_registry_schema.n_tables };
    struct prov_err err = { 0 };
    struct rig rig;
    char db[TMP_PATH_MAX];
    struct prov_store *store;

    (void)state;
    rig_prepare(&rig, &(struct rig_spec){ 0 });
    (void)tmp_path(rig.dir, "future", db);
    assert_int_equal(
        prov_store_lmdb_open(&(struct prov_store_lmdb_opts){ .dir = db, .create = true }, &newer,
                             &store, &err),
        PROV_OK);
    prov_store_free(store);
    set_option(&rig, "db_path", db);
    expect_no_start(&rig, "newer");
    rig_down(&rig);
}

static void store_that_cannot_be_written_refuses_to_start(void **state)
{
    struct rig rig;

    (void)state;
    rig_prepare(&rig, &(struct rig_spec){ 0 });
    if (geteuid() != 0 || !tmp_is_public(rig.dir)) { /* needs another user, who can get here */
        rig_down(&rig);
        skip();
    }
    rig.options.user = "nobody"; /* the plugin is loaded after the broker became it */
    assert_int_equal(chmod(rig.dir, 0777), 0);
    expect_no_start(&rig, rig.db);
    rig_down(&rig);
}

static void full_store_refuses_new_devices_and_keeps_serving_the_others(void **state)
{
    static const struct broker_opt opts[] = { { "db_max_mb", "1" }, { NULL, NULL } };
    EVP_PKEY *key = pki_key_shared(PKI_P256);
    struct rig rig;
    struct pki_cert first;
    struct rig_link link;
    struct mqtt *c;
    size_t mark;

    (void)state;
    rig_prepare(&rig, &(struct rig_spec){ .opts = opts });
    prov_store_free(rig.store); /* the map's size is the process's own: this one must not grow it */
    assert_int_equal(
        prov_store_lmdb_open(&(struct prov_store_lmdb_opts){ .dir = rig.db, .max_bytes = 1 << 20 },
                             &prov_registry_schema, &rig.store, NULL),
        PROV_OK);
    rig_start(&rig);
    first = rig_device(&rig, "first");
    c = rig_join(&rig, &first, "first");
    mark = broker_log_mark(rig.broker);
    for (size_t i = 0; !broker_log_has(rig.broker, mark, "reason=store"); i++) {
        char name[32], subject[64];
        struct pki_cert device;

        assert_true(i < 2000);
        (void)snprintf(name, sizeof name, "fill-%zu", i);
        (void)snprintf(subject, sizeof subject, "/CN=%s", name);
        device =
            pki_make(&(struct pki_spec){ .subject = subject, .issuer = &rig.ca, .use_key = key });
        link = rig_link(&rig, &device, name);
        link.options.tls = &link.tls;
        expect_dropped(&link.options);
        pki_free(&device);
    }
    broker_expect_log(rig.broker, mark, "db_max_mb");
    assert_true(mqtt_ping(c)); /* who is in stays in */
    mqtt_free(c);
    link = rig_link(&rig, &first, "first");
    link.options.tls = &link.tls;
    c = expect_connected(&link.options); /* and comes back */
    mqtt_free(c);
    pki_free(&first);
    rig_down(&rig);
}

static void kill_at_any_moment_leaves_nothing_half_made(void **state)
{
    EVP_PKEY *key = pki_key_shared(PKI_P256);
    struct rig rig;

    (void)state;
    rig_up(&rig, &(struct rig_spec){ 0 });
    for (size_t round = 0; round < 12; round++) {
        char name[32], subject[64];
        enum prov_cert_status status;
        struct pki_cert device;
        struct rig_link link;
        struct mqtt *c;

        (void)snprintf(name, sizeof name, "dev-%zu", round);
        (void)snprintf(subject, sizeof subject, "/CN=%s", name);
        device =
            pki_make(&(struct pki_spec){ .subject = subject, .issuer = &rig.ca, .use_key = key });
        link = rig_link(&rig, &device, name);
        link.options.tls = &link.tls;
        c = mqtt_start(&link.options);
        if (round % 3 == 0)
            (void)mqtt_wait_secured(c); /* CONNECT is on its way */
        else
            (void)mqtt_wait_end(c); /* the writer is at it */
        broker_kill(rig.broker);
        mqtt_free(c);
        /* all of it or nothing of it */
        if (rig_status(&rig, &device, &status)) {
            assert_int_equal(status, PROV_CERT_ACTIVE);
            assert_true(rig_has_thing(&rig, name));
        } else {
            assert_false(rig_has_thing(&rig, name));
        }
        broker_restart(rig.broker, NULL);
        if (rig_status(&rig, &device, &status)) {
            link = rig_link(&rig, &device, name);
            link.options.tls = &link.tls;
            c = expect_connected(&link.options);
        } else {
            c = rig_join(&rig, &device, name);
        }
        mqtt_free(c);
        pki_free(&device);
    }
    rig_down(&rig);
}

static void acknowledged_registration_survives_kill(void **state)
{
    struct rig rig;
    struct pki_cert device;
    struct rig_link link;

    (void)state;
    rig_up(&rig, &(struct rig_spec){ 0 });
    device = rig_device(&rig, "dev-1");
    mqtt_free(rig_join(&rig, &device, "dev-1"));
    broker_kill(rig.broker);
    broker_restart(rig.broker, NULL);
    link = rig_link(&rig, &device, "dev-1");
    link.options.tls = &link.tls;
    mqtt_free(expect_connected(&link.options));
    pki_free(&device);
    rig_down(&rig);
}

static const char *const users[] = { "alice", "secret", NULL };

static struct mqtt_options as_alice(const struct rig *rig, const char *password)
{
    return (struct mqtt_options){ .port = broker_plain_port(rig->broker),
                                  .client_id = "alice-1",
                                  .username = "alice",
                                  .password = password };
}

static void password_users_are_left_to_the_broker(void **state)
{
    static const struct broker_opt allow[] = { { "other_clients", "allow" }, { NULL, NULL } };
    struct rig rig;
    struct mqtt_options alice;
    struct mqtt *c;

    (void)state;
    rig_up(&rig, &(struct rig_spec){ .plain = true, .users = users, .opts = allow });
    alice = as_alice(&rig, "wrong");
    expect_connack(&alice, 5);
    alice = as_alice(&rig, "secret");
    c = expect_connected(&alice);
    assert_int_equal(mqtt_subscribe(c, "x/#", 1), 1);
    assert_int_equal(
        mqtt_publish(c,
                     &(struct mqtt_publish){ .topic = "x/y", .payload = PROV_LIT("x"), .qos = 1 }),
        0);
    expect_message(c, "x/y", "x");
    mqtt_free(c);
    rig_down(&rig);
}

static void deferred_clients_obey_the_acl_file(void **state)
{
    struct rig rig;
    struct mqtt_options alice;
    struct mqtt *c;
    char path[TMP_PATH_MAX], lines[TMP_PATH_MAX + 16];
    FILE *f;

    (void)state;
    rig_prepare(&rig, &(struct rig_spec){ .plain = true, .users = users });
    f = fopen(tmp_path(rig.dir, "acl", path), "w");
    assert_non_null(f);
    assert_true(fputs("user alice\ntopic read ok/#\n", f) >= 0);
    assert_int_equal(fclose(f), 0);
    (void)snprintf(lines, sizeof lines, "acl_file %s\n", path);
    rig.options.lines = lines;
    rig_start(&rig);
    alice = as_alice(&rig, "secret");
    c = expect_connected(&alice);
    assert_int_equal(mqtt_subscribe(c, "ok/x", 0), 0);
    mqtt_free(c);
    rig_down(&rig);
}

static void deferring_without_an_acl_file_is_explained_once(void **state)
{
    struct rig rig;
    struct mqtt_options alice;
    struct mqtt *c;

    (void)state;
    rig_up(&rig, &(struct rig_spec){ .plain = true, .users = users });
    alice = as_alice(&rig, "secret");
    c = expect_connected(&alice);
    (void)mqtt_subscribe(c, "x", 0);
    if (broker_log_has(rig.broker, 0, "mosquitto version 2.0"))
        broker_expect_log(rig.broker, 0, "plugin_opt_other_clients allow");
    mqtt_free(c);
    rig_down(&rig);
}

static void certificates_that_the_cafile_trusts_are_others(void **state)
{
    static const struct broker_opt allow[] = { { "other_clients", "allow" }, { NULL, NULL } };
    struct pki_cert house = pki_make(&(struct pki_spec){ .subject = "/CN=House", .ca = true });
    struct pki_cert laptop = pki_make(&(struct pki_spec){ .subject = "/CN=me", .issuer = &house });
    const X509 *const cafile[] = { house.x509, NULL };
    struct rig rig;
    struct rig_link link;
    enum prov_cert_status status;
    struct mqtt *c;

    (void)state;
    rig_up(&rig, &(struct rig_spec){
                     .cafile = cafile, .opts = allow, .lines = "allow_anonymous true\n" });
    link = rig_link(&rig, &laptop, "me");
    link.options.tls = &link.tls;
    c = expect_connected(&link.options);
    assert_int_equal(mqtt_subscribe(c, "x/#", 1), 1);
    assert_false(rig_status(&rig, &laptop, &status));
    mqtt_free(c);
    pki_free(&laptop);
    pki_free(&house);
    rig_down(&rig);
}

static void reload_keeps_devices_connected(void **state)
{
    struct rig rig;
    struct pki_cert device;
    struct mqtt *c;

    (void)state;
    rig_up(&rig, &(struct rig_spec){ 0 });
    device = rig_device(&rig, "dev-1");
    c = rig_join(&rig, &device, "dev-1");
    broker_reload(rig.broker, NULL);
    assert_true(mqtt_ping(c));
    mqtt_free(c);
    pki_free(&device);
    device = rig_device(&rig, "dev-2"); /* the listener's TLS, made anew, is ours as before */
    mqtt_free(rig_join(&rig, &device, "dev-2"));
    pki_free(&device);
    rig_down(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_settings_refuse_to_start_and_name_the_key),
        cmocka_unit_test(two_brokers_do_not_share_a_store),
        cmocka_unit_test(store_of_a_newer_version_does_not_open),
        cmocka_unit_test(store_that_cannot_be_written_refuses_to_start),
        cmocka_unit_test(full_store_refuses_new_devices_and_keeps_serving_the_others),
        cmocka_unit_test(kill_at_any_moment_leaves_nothing_half_made),
        cmocka_unit_test(acknowledged_registration_survives_kill),
        cmocka_unit_test(password_users_are_left_to_the_broker),
        cmocka_unit_test(deferred_clients_obey_the_acl_file),
        cmocka_unit_test(deferring_without_an_acl_file_is_explained_once),
        cmocka_unit_test(certificates_that_the_cafile_trusts_are_others),
        cmocka_unit_test(reload_keeps_devices_connected),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
