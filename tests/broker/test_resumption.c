/* TLS sessions that a device keeps: not to be had unless session_resumption is on, and worth
 * nothing to a device that the registry no longer lets in. */
#include <stdarg.h>
#include <setjmp.h>

#include <cmocka.h>

#include "support/rig.h"

static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

static const struct broker_opt resumption_on[] = { { "session_resumption", "on" }, { NULL, NULL } };

/* The TLS session of a connection that gets in; NULL when it has none that could be resumed. */
static SSL_SESSION *session_of(struct rig_link *link)
{
    SSL_SESSION *session;
    struct mqtt *c;

    link->options.tls = &link->tls;
    c = expect_connected(&link->options);
    assert_true(mqtt_ping(c)); /* with TLS 1.3 the ticket comes after the handshake */
    session = mqtt_session(c);
    mqtt_free(c);
    return session;
}

/* Comes again with the session: whether it was resumed. It must get in. */
static bool resumes(struct rig_link *link, SSL_SESSION *session)
{
    struct mqtt *c;
    bool resumed;

    link->tls.resume = session;
    link->options.tls = &link->tls;
    c = expect_connected(&link->options);
    resumed = mqtt_report(c)->resumed;
    mqtt_free(c);
    link->tls.resume = NULL;
    return resumed;
}

static void there_is_nothing_to_resume_unless_asked_for(void **state)
{
    struct rig rig;

    (void)state;
    rig_up(&rig, &(struct rig_spec){ 0 });
    for (size_t i = 0; i < PROV_COUNT(versions); i++) {
        struct pki_cert device = rig_device(&rig, i == 0 ? "d2" : "d3");
        struct rig_link link = rig_link(&rig, &device, i == 0 ? "d2" : "d3");

        rig_first_contact(&rig, &device, link.options.client_id);
        link.tls.version = versions[i];
        assert_null(session_of(&link)); /* no ticket was sent, no session id given */
        pki_free(&device);
    }
    rig_down(&rig);
}

static void a_device_resumes_with_its_own_rights(void **state)
{
    struct rig rig;

    (void)state;
    rig_up(&rig, &(struct rig_spec){ .opts = resumption_on });
    for (size_t i = 0; i < PROV_COUNT(versions); i++) {
        const char *const name = i == 0 ? "d2" : "d3";
        struct pki_cert device = rig_device(&rig, name);
        struct rig_link link = rig_link(&rig, &device, name);
        SSL_SESSION *session;
        struct mqtt *c;

        rig_first_contact(&rig, &device, name);
        link.tls.version = versions[i];
        session = session_of(&link);
        assert_non_null(session);
        assert_true(resumes(&link, session));

        link.tls.resume = session;
        link.options.tls = &link.tls;
        c = expect_connected(&link.options);
        assert_int_equal(mqtt_subscribe(c, i == 0 ? "cmd/d2/x" : "cmd/d3/x", 1), 1);
        assert_int_equal(mqtt_subscribe(c, "cmd/another/x", 1), 0x80);
        mqtt_free(c);
        SSL_SESSION_free(session);
        pki_free(&device);
    }
    rig_down(&rig);
}

static void a_revoked_device_gets_nowhere_with_its_session(void **state)
{
    struct rig rig;

    (void)state;
    rig_up(&rig, &(struct rig_spec){ .opts = resumption_on });
    for (size_t i = 0; i < PROV_COUNT(versions); i++) {
        const char *const name = i == 0 ? "d2" : "d3";
        struct pki_cert device = rig_device(&rig, name);
        struct rig_link link = rig_link(&rig, &device, name);
        SSL_SESSION *session;
        struct mqtt *c;

        rig_first_contact(&rig, &device, name);
        link.tls.version = versions[i];
        session = session_of(&link);
        assert_non_null(session);
        rig_set_status(&rig, &device, PROV_CERT_REVOKED);

        link.tls.resume = session;
        link.options.tls = &link.tls;
        c = mqtt_start(&link.options);
        assert_int_not_equal(mqtt_wait_connack(c), 0);
        assert_true(mqtt_report(c)->resumed);
        mqtt_free(c);
        rig_expect_attempt(&rig, &device, PROV_REASON_CERT_REVOKED);
        SSL_SESSION_free(session);
        pki_free(&device);
    }
    rig_down(&rig);
}

/* Whoever is deleted, and his CA with him, is no client of the broker's own rules either. */
static void a_device_that_is_deleted_with_its_ca_is_nobody(void **state)
{
    static const struct broker_opt opts[] = { { "session_resumption", "on" },
                                              { "other_clients", "allow" },
                                              { NULL, NULL } };
    struct rig rig;

    (void)state;
    rig_up(&rig, &(struct rig_spec){ .opts = opts, .lines = "allow_anonymous true" });
    for (size_t i = 0; i < PROV_COUNT(versions); i++) {
        const char *const name = i == 0 ? "d2" : "d3";
        struct pki_cert ca =
            pki_make(&(struct pki_spec){ .subject = "/CN=Passing CA", .ca = true });
        struct pki_cert device =
            pki_make(&(struct pki_spec){ .subject = i == 0 ? "/CN=d2" : "/CN=d3", .issuer = &ca });
        const struct prov_id ca_id = rig_register_ca(&rig, &ca, true, "by-cn");
        const bool off = false;
        struct rig_link link = rig_link(&rig, &device, name);
        SSL_SESSION *session;
        struct prov_tx tx;
        struct prov_id id;
        struct mqtt *c;

        rig_first_contact(&rig, &device, name);
        link.tls.version = versions[i];
        session = session_of(&link);
        assert_non_null(session);

        rig_set_status(&rig, &device, PROV_CERT_INACTIVE);
        rig_update_ca(&rig, &ca_id, &off, &off, NULL);
        tx = rig_begin(&rig, PROV_TXN_WRITE);
        assert_int_equal(prov_ident_id(device.x509, &id), PROV_OK);
        rig_ok(&tx, prov_thing_detach(&tx, prov_span_str(name), &id));
        rig_ok(&tx, prov_cert_delete(&tx, &id, true));
        rig_ok(&tx, prov_ca_delete(&tx, &ca_id));
        rig_end(&tx);

        link.tls.resume = session;
        link.options.tls = &link.tls;
        c = mqtt_start(&link.options);
        assert_int_not_equal(mqtt_wait_connack(c), 0);
        assert_true(mqtt_report(c)->resumed);
        mqtt_free(c);
        rig_expect_attempt(&rig, &device, PROV_REASON_UNKNOWN_ISSUER);
        SSL_SESSION_free(session);
        pki_free(&device);
        pki_free(&ca);
    }
    rig_down(&rig);
}

/* Only registered devices have tickets: the others' certificates are looked at each time. */
static void clients_that_are_not_devices_resume_nothing(void **state)
{
    struct pki_cert others = pki_make(&(struct pki_spec){ .subject = "/CN=Others", .ca = true });
    struct pki_cert client =
        pki_make(&(struct pki_spec){ .subject = "/CN=client", .issuer = &others });
    const X509 *const cafile[] = { others.x509, NULL };
    struct rig rig;

    (void)state;
    rig_up(&rig, &(struct rig_spec){
                     .opts = resumption_on, .cafile = cafile, .lines = "allow_anonymous true" });
    for (size_t i = 0; i < PROV_COUNT(versions); i++) {
        struct rig_link link = rig_link(&rig, &client, "client");
        SSL_SESSION *session;

        link.tls.version = versions[i];
        session = session_of(&link);
        if (session != NULL)
            assert_false(resumes(&link, session));
        SSL_SESSION_free(session);
    }
    rig_down(&rig);
    pki_free(&client);
    pki_free(&others);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_is_nothing_to_resume_unless_asked_for),
        cmocka_unit_test(a_device_resumes_with_its_own_rights),
        cmocka_unit_test(a_revoked_device_gets_nowhere_with_its_session),
        cmocka_unit_test(a_device_that_is_deleted_with_its_ca_is_nobody),
        cmocka_unit_test(clients_that_are_not_devices_resume_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
