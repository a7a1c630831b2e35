/* Just-in-time provisioning, end to end: a device that the broker has never seen gets in. */
#include <stdarg.h>
#include <setjmp.h>

#include <cmocka.h>

#include "core/ident.h"
#include "support/rig.h"
#include "support/deadline.h"

static void unknown_device_is_dropped_once_provisioned_and_let_in(void **state)
{
    struct rig rig;
    struct pki_cert device;
    struct mqtt *c;

    (void)state;
    rig_up(&rig, &(struct rig_spec){ 0 });
    device = rig_device(&rig, "dev-1");

    c = rig_join(&rig, &device, "dev-1");
    rig_expect_status(&rig, &device, PROV_CERT_ACTIVE);
    assert_true(rig_has_thing(&rig, "dev-1"));
    rig_expect_attempt(&rig, &device, PROV_REASON_PROVISIONED);

    mqtt_free(c);
    pki_free(&device);
    rig_down(&rig);
}

static void every_protocol_and_tls_version_gets_in(void **state)
{
    static const struct {
        enum mqtt_version mqtt;
        int tls;
        bool chain;
    } rows[] = {
        { MQTT_V311, TLS1_2_VERSION, false },
        { MQTT_V311, TLS1_3_VERSION, true },
        { MQTT_V5, TLS1_2_VERSION, true },
        { MQTT_V5, TLS1_3_VERSION, false },
    };
    struct rig rig;

    (void)state;
    rig_up(&rig, &(struct rig_spec){ 0 });
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        char name[16];
        struct pki_cert device;
        struct rig_link link;
        struct mqtt *c;

        (void)snprintf(name, sizeof name, "dev-%zu", i);
        device = rig_device(&rig, name);
        rig_first_contact(&rig, &device, name);
        link = rig_link(&rig, &device, name);
        link.options.tls = &link.tls;
        link.options.version = rows[i].mqtt;
        link.tls.version = rows[i].tls;
        link.tls.chain = &rig.ca.x509;
        link.tls.chain_n = rows[i].chain ? 1 : 0;
        c = expect_connected(&link.options);
        assert_int_equal(mqtt_report(c)->tls_version, rows[i].tls);
        mqtt_free(c);
        pki_free(&device);
    }
    rig_down(&rig);
}

static void handshake_alone_records_nothing(void **state)
{
    struct rig rig;
    struct pki_cert device;
    struct rig_link link;
    enum prov_cert_status status;
    struct mqtt *c;

    (void)state;
    rig_up(&rig, &(struct rig_spec){ 0 });
    device = rig_device(&rig, "shy");
    link = rig_link(&rig, &device, "shy");
    link.options.tls = &link.tls;
    link.options.hold_connect = true;
    link.tls.version = TLS1_2_VERSION; /* done only when the broker has judged the certificate */
    c = mqtt_start(&link.options);
    assert_true(mqtt_wait_secured(c));
    assert_false(rig_status(&rig, &device, &status));
    mqtt_free(c);
    pki_free(&device);
    rig_down(&rig);
}

static void ca_registered_while_the_broker_runs_is_trusted_at_once(void **state)
{
    struct rig rig;
    struct pki_cert device;
    struct rig_link link;
    struct mqtt *c;

    (void)state;
    rig_up(&rig, &(struct rig_spec){ .no_ca = true });
    device = rig_device(&rig, "early");
    link = rig_link(&rig, &device, "early");
    link.options.tls = &link.tls;
    expect_alert(&link.options, SSL_AD_UNKNOWN_CA);
    rig_expect_attempt(&rig, &device, PROV_REASON_UNKNOWN_ISSUER);

    (void)rig_register_ca(&rig, &rig.ca, true, "by-cn");
    c = rig_join(&rig, &device, "early");
    mqtt_free(c);
    pki_free(&device);
    rig_down(&rig);
}

static void intermediate_ca_needs_no_root(void **state)
{
    struct rig rig;
    struct pki_cert root, line, device;
    struct mqtt *c;

    (void)state;
    rig_up(&rig, &(struct rig_spec){ .no_ca = true });
    root = pki_make(&(struct pki_spec){ .subject = "/CN=Root", .ca = true });
    line = pki_make(&(struct pki_spec){ .subject = "/CN=Line 7", .ca = true, .issuer = &root });
    device = pki_make(&(struct pki_spec){ .subject = "/CN=dev-7", .issuer = &line });
    (void)rig_register_ca(&rig, &line, true, "by-cn");

    c = rig_join(&rig, &device, "dev-7");
    mqtt_free(c);
    pki_free(&device);
    pki_free(&line);
    pki_free(&root);
    rig_down(&rig);
}

static void two_cas_of_one_name_are_told_apart_by_their_keys(void **state)
{
    struct rig rig;
    struct pki_cert other, device[2];
    struct prov_id other_id;
    struct prov_cert cert;
    struct prov_tx tx;

    (void)state;
    rig_up(&rig, &(struct rig_spec){ 0 });
    other = pki_make(&(struct pki_spec){ .subject = "/O=Factory/CN=Factory CA", .ca = true });
    other_id = rig_register_ca(&rig, &other, true, "by-cn");
    device[0] = rig_device(&rig, "dev-a");
    device[1] = pki_make(&(struct pki_spec){ .subject = "/CN=dev-b", .issuer = &other });
    for (size_t i = 0; i < 2; i++) {
        struct prov_id id;
        struct mqtt *c = rig_join(&rig, &device[i], i == 0 ? "dev-a" : "dev-b");

        mqtt_free(c);
        tx = rig_begin(&rig, PROV_TXN_READ);
        rig_ok(&tx, prov_ident_id(device[i].x509, &id));
        rig_ok(&tx, prov_cert_get(&tx, &id, &cert));
        assert_true(prov_id_eq(&cert.ca_id, i == 0 ? &rig.ca_id : &other_id));
        prov_txn_abort(tx.txn);
        pki_free(&device[i]);
    }
    pki_free(&other);
    rig_down(&rig);
}

static void template_files_devices_by_their_unit(void **state)
{
    struct rig rig;
    struct pki_cert device;
    struct prov_thing thing;
    struct prov_tx tx;
    char *body = rig_template_file("jitp-groups-by-ou.json");
    struct mqtt *c;

    (void)state;
    rig_up(&rig, &(struct rig_spec){ 0 });
    rig_create_template(&rig, "by-ou", body);
    rig_update_ca(&rig, &rig.ca_id, NULL, NULL, "by-ou");
    device = pki_make(&(struct pki_spec){ .subject = "/OU=line-7/CN=dev-1", .issuer = &rig.ca });
    rig_first_contact(&rig, &device, "dev-1"); /* the group does not exist yet */
    rig_expect_attempt(&rig, &device, PROV_REASON_TEMPLATE_FAILED);
    rig_expect_explained(&rig, &device, "line-7");
    assert_false(rig_has_thing(&rig, "dev-1"));

    tx = rig_begin(&rig, PROV_TXN_WRITE);
    rig_ok(&tx, prov_group_create(&tx, PROV_LIT("line-7"), prov_span(NULL, 0), prov_span(NULL, 0)));
    rig_end(&tx);
    c = rig_join(&rig, &device, "dev-1");
    tx = rig_begin(&rig, PROV_TXN_READ);
    rig_ok(&tx, prov_thing_get(&tx, PROV_LIT("dev-1"), &thing));
    assert_int_equal(thing.n_groups, 1);
    assert_true(prov_span_eq_str(thing.groups[0], "line-7"));
    prov_txn_abort(tx.txn);

    mqtt_free(c);
    pki_free(&device);
    free(body);
    rig_down(&rig);
}

static void first_connect_accept_lets_the_very_first_connection_in(void **state)
{
    static const struct broker_opt opts[] = { { "first_connect", "accept" },
                                              { "first_connect_wait_ms", "10000" },
                                              { NULL, NULL } };
    struct rig rig;
    struct pki_cert device;
    struct rig_link link;
    struct mqtt *c;

    (void)state;
    rig_up(&rig, &(struct rig_spec){ .opts = opts });
    device = rig_device(&rig, "eager");
    link = rig_link(&rig, &device, "eager");
    link.options.tls = &link.tls;
    c = expect_connected(&link.options);
    rig_expect_status(&rig, &device, PROV_CERT_ACTIVE);
    assert_int_equal(mqtt_subscribe(c, "others/#", 1), 0x80); /* and its policy holds */
    mqtt_free(c);
    pki_free(&device);
    rig_down(&rig);
}

static void accept_without_a_template_still_refuses(void **state)
{
    static const struct broker_opt opts[] = { { "first_connect", "accept" },
                                              { "first_connect_activation_s", "0" },
                                              { NULL, NULL } };
    struct rig rig;
    struct pki_cert device;
    struct rig_link link;
    struct mqtt *c;

    (void)state;
    rig_up(&rig, &(struct rig_spec){ .opts = opts, .no_template = true });
    device = rig_device(&rig, "waits");
    link = rig_link(&rig, &device, "waits");
    link.options.tls = &link.tls;
    c = mqtt_start(
        &link.options); /* 2.0 drops; 2.1 answers a CONNECT that waited with "not authorised" */
    assert_true(mqtt_wait_end(c));
    assert_int_not_equal(mqtt_report(c)->connack, 0);
    mqtt_free(c);
    rig_expect_attempt(&rig, &device, PROV_REASON_CERT_PENDING);
    rig_expect_status(&rig, &device, PROV_CERT_PENDING_ACTIVATION);
    pki_free(&device);
    rig_down(&rig);
}

static void username_from_the_device_changes_nothing(void **state)
{
    struct rig rig;
    struct pki_cert device;
    struct rig_link link;
    struct mqtt *c;

    (void)state;
    rig_up(&rig, &(struct rig_spec){ 0 });
    device = rig_device(&rig, "sdk");
    rig_first_contact(&rig, &device, "sdk");
    link = rig_link(&rig, &device, "sdk");
    link.options.tls = &link.tls;
    link.options.username = "?SDK=PythonV2&Version=1.0";
    link.options.password = "x";
    c = expect_connected(&link.options);
    mqtt_free(c);
    pki_free(&device);
    rig_down(&rig);
}

static void device_already_registered_is_let_in_at_once(void **state)
{
    struct rig rig;
    struct pki_cert device;
    struct rig_link link;
    struct prov_id id;
    struct prov_tx tx;
    struct mqtt *c;
    uint8_t *der;
    size_t n;

    (void)state;
    rig_up(&rig, &(struct rig_spec){ .no_ca = true });
    device = pki_make(&(struct pki_spec){ .subject = "/CN=lone" });
    der = pki_der(device.x509, &n);
    tx = rig_begin(&rig, PROV_TXN_WRITE);
    rig_ok(&tx, prov_cert_register(&tx,
                                   &(struct prov_cert_registration){ .der = prov_span(der, n),
                                                                     .without_ca = true,
                                                                     .status = PROV_CERT_ACTIVE },
                                   &id));
    rig_ok(&tx, prov_policy_create(&tx, PROV_LIT("connect"),
                                   PROV_LIT("{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":"
                                            "\"Allow\",\"Action\":\"iot:Connect\",\"Resource\":"
                                            "\"*\"}}")));
    rig_ok(&tx, prov_policy_attach_cert(&tx, PROV_LIT("connect"), &id));
    rig_end(&tx);
    link = rig_link(&rig, &device, "anything");
    link.options.tls = &link.tls;
    c = expect_connected(&link.options);
    mqtt_free(c);
    free(der);
    pki_free(&device);
    rig_down(&rig);
}

/* How many at once; more with PROV_STORM=10000, which takes minutes under sanitizers. */
#define STORM 500

static void storm_of_new_devices_is_taken_in(void **state)
{
    const char *wanted = getenv("PROV_STORM");
    const size_t n = wanted != NULL ? (size_t)strtoul(wanted, NULL, 10) : STORM;
    EVP_PKEY *key = pki_key_shared(PKI_P256);
    struct pki_cert *devices = calloc(n, sizeof *devices);
    struct rig rig;
    uint64_t active = 0;
    int64_t deadline;

    (void)state;
    assert_non_null(devices);
    rig_up(&rig, &(struct rig_spec){ 0 });
    for (size_t i = 0; i < n; i++) {
        char subject[64];

        (void)snprintf(subject, sizeof subject, "/CN=storm-%zu", i);
        devices[i] =
            pki_make(&(struct pki_spec){ .subject = subject, .issuer = &rig.ca, .use_key = key });
    }
    for (size_t begin = 0; begin < n; begin += 50) { /* as many at a time as descriptors allow */
        struct mqtt *c[50] = { NULL };
        const size_t k = n - begin < 50 ? n - begin : 50;

        for (size_t i = 0; i < k; i++) {
            char id[32];
            struct rig_link link;

            (void)snprintf(id, sizeof id, "storm-%zu", begin + i);
            link = rig_link(&rig, &devices[begin + i], id);
            link.options.tls = &link.tls;
            c[i] = mqtt_start(&link.options);
            assert_non_null(c[i]);
        }
        for (size_t i = 0; i < k; i++) {
            assert_true(mqtt_wait_end(c[i]));
            assert_int_equal(mqtt_report(c[i])->connack, -1);
            mqtt_free(c[i]);
        }
    }
    deadline = deadline_in(0);
    while (active < n && deadline_left(deadline) > 0) {
        struct prov_tx tx = rig_begin(&rig, PROV_TXN_READ);

        rig_ok(&tx, prov_list_count(&tx, PROV_LIST_THINGS, &active));
        prov_txn_abort(tx.txn);
    }
    assert_int_equal(active, n);
    for (size_t i = 0; i < n; i++)
        pki_free(&devices[i]);
    free(devices);
    rig_down(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_device_is_dropped_once_provisioned_and_let_in),
        cmocka_unit_test(every_protocol_and_tls_version_gets_in),
        cmocka_unit_test(handshake_alone_records_nothing),
        cmocka_unit_test(ca_registered_while_the_broker_runs_is_trusted_at_once),
        cmocka_unit_test(intermediate_ca_needs_no_root),
        cmocka_unit_test(two_cas_of_one_name_are_told_apart_by_their_keys),
        cmocka_unit_test(template_files_devices_by_their_unit),
        cmocka_unit_test(first_connect_accept_lets_the_very_first_connection_in),
        cmocka_unit_test(accept_without_a_template_still_refuses),
        cmocka_unit_test(username_from_the_device_changes_nothing),
        cmocka_unit_test(device_already_registered_is_let_in_at_once),
        cmocka_unit_test(storm_of_new_devices_is_taken_in),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
