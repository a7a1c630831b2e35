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

/* A device that was provisioned with this version of TLS, and has kept its session. */
struct device {
    struct pki_cert cert;
    struct rig_link link;
    SSL_SESSION *session;
};

static const char *const names[] = { "d2", "d3" };

static void device_join(struct device *d, struct rig *rig, size_t i)
{
    d->cert = rig_device(rig, names[i]);
    rig_first_contact(rig, &d->cert, names[i]);
    d->link = rig_link(rig, &d->cert, names[i]);
    d->link.tls.version = versions[i];
    d->session = session_of(&d->link);
}

static void device_release(struct device *d)
{
    SSL_SESSION_free(d->session);
    pki_free(&d->cert);
}

/* Comes again with its session, and must not get in. */
static void expect_no_way_in(struct device *d)
{
    struct mqtt *c;

    d->link.tls.resume = d->session;
    d->link.options.tls = &d->link.tls;
    c = mqtt_start(&d->link.options);
    assert_int_not_equal(mqtt_wait_connack(c), 0);
    assert_true(mqtt_report(c)->resumed);
    mqtt_free(c);
}

static void there_is_nothing_to_resume_unless_asked_for(void **state)
{
    struct device d;
    struct rig rig;

    (void)state;
    rig_up(&rig, &(struct rig_spec){ 0 });
    for (size_t i = 0; i < PROV_COUNT(versions); i++) {
        device_join(&d, &rig, i);
        assert_null(d.session); /* no ticket was sent, no session id given */
        device_release(&d);
    }
    rig_down(&rig);
}

static void a_device_resumes_with_its_own_rights(void **state)
{
    static const char *const own[] = { "cmd/d2/x", "cmd/d3/x" };
    struct device d;
    struct rig rig;
    struct mqtt *c;

    (void)state;
    rig_up(&rig, &(struct rig_spec){ .opts = resumption_on });
    for (size_t i = 0; i < PROV_COUNT(versions); i++) {
        device_join(&d, &rig, i);
        assert_non_null(d.session);
        assert_true(resumes(&d.link, d.session));

        d.link.tls.resume = d.session;
        c = expect_connected(&d.link.options);
        assert_int_equal(mqtt_subscribe(c, own[i], 1), 1);
        assert_int_equal(mqtt_subscribe(c, own[1 - i], 1), 0x80);
        mqtt_free(c);
        device_release(&d);
    }
    rig_down(&rig);
}

static void a_revoked_device_gets_nowhere_with_its_session(void **state)
{
    struct device d;
    struct rig rig;

    (void)state;
    rig_up(&rig, &(struct rig_spec){ .opts = resumption_on });
    for (size_t i = 0; i < PROV_COUNT(versions); i++) {
        device_join(&d, &rig, i);
        rig_set_status(&rig, &d.cert, PROV_CERT_REVOKED);
        expect_no_way_in(&d);
        rig_expect_attempt(&rig, &d.cert, PROV_REASON_CERT_REVOKED);
        device_release(&d);
    }
    rig_down(&rig);
}

static void forget(struct rig *rig, const struct pki_cert *cert, const char *thing)
{
    struct prov_tx tx;
    struct prov_id id;

    rig_set_status(rig, cert, PROV_CERT_INACTIVE);
    tx = rig_begin(rig, PROV_TXN_WRITE);
    assert_int_equal(prov_ident_id(cert->x509, &id), PROV_OK);
    rig_ok(&tx, prov_thing_detach(&tx, prov_span_str(thing), &id));
    rig_ok(&tx, prov_cert_delete(&tx, &id, true));
    rig_end(&tx);
}

static void forget_ca(struct rig *rig)
{
    const bool off = false;
    struct prov_tx tx;

    rig_update_ca(rig, &rig->ca_id, &off, &off, NULL);
    tx = rig_begin(rig, PROV_TXN_WRITE);
    rig_ok(&tx, prov_ca_delete(&tx, &rig->ca_id));
    rig_end(&tx);
}

/* Whoever is deleted, and its CA with it, is no client of the broker's own rules either. */
static void a_device_that_is_deleted_with_its_ca_is_nobody(void **state)
{
    static const struct broker_opt opts[] = { { "session_resumption", "on" },
                                              { "other_clients", "allow" },
                                              { NULL, NULL } };
    struct device d[PROV_COUNT(versions)];
    struct rig rig;

    (void)state;
    rig_up(&rig, &(struct rig_spec){ .opts = opts, .lines = "allow_anonymous true" });
    for (size_t i = 0; i < PROV_COUNT(versions); i++) {
        device_join(&d[i], &rig, i);
        assert_non_null(d[i].session);
        forget(&rig, &d[i].cert, names[i]);
    }
    forget_ca(&rig);
    for (size_t i = 0; i < PROV_COUNT(versions); i++) {
        expect_no_way_in(&d[i]);
        rig_expect_attempt(&rig, &d[i].cert, PROV_REASON_UNKNOWN_ISSUER);
        device_release(&d[i]);
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
