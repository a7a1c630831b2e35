/*
 * The end-to-end harness over TLS, against a stock broker without our plugin: what it reports must
 * be true before anything is concluded from it.
 *
 * ctest labels: valgrind
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/broker.h"
#include "support/expect.h"
#include "support/pki.h"
#include "support/tmp.h"

#define DAY_S 86400

struct fixture {
    char *dir;
    struct pki_cert ca, sub_ca, server, device;
    struct broker *broker; /* a cafile with ca */
};

static int set_up(void **state)
{
    static struct fixture f;

    f.dir = tmp_new();
    f.ca = pki_make(&(struct pki_spec){ .subject = "/CN=Test CA", .ca = true });
    f.sub_ca = pki_make(&(struct pki_spec){ .subject = "/CN=Sub CA", .issuer = &f.ca, .ca = true });
    f.server = pki_make(&(struct pki_spec){ .subject = "/CN=localhost", .issuer = &f.ca });
    f.device = pki_make(&(struct pki_spec){ .subject = "/CN=dev-1", .issuer = &f.ca });
    f.broker =
        broker_start(&(struct broker_options){ .dir = f.dir,
                                               .server = &f.server,
                                               .cafile = (const X509 *const[]){ f.ca.x509, NULL },
                                               .allow_anonymous = true });
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    broker_free(f->broker);
    pki_free(&f->device);
    pki_free(&f->server);
    pki_free(&f->sub_ca);
    pki_free(&f->ca);
    tmp_free(f->dir);
    return 0;
}

static struct mqtt_options over_tls(const struct fixture *f, const struct mqtt_tls *tls,
                                    enum mqtt_version version)
{
    return (
        struct mqtt_options){ .port = broker_tls_port(f->broker), .tls = tls, .version = version };
}

static const int tls_versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
static const enum mqtt_version mqtt_versions[] = { MQTT_V311, MQTT_V5 };

static void certificate_of_the_ca_is_accepted_in_every_version(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < 4; i++) {
        const struct mqtt_tls tls = { .trust = f->ca.x509,
                                      .cert = f->device.x509,
                                      .key = f->device.key,
                                      .sni = "localhost",
                                      .alpn = "mqtt",
                                      .version = tls_versions[i / 2] };
        const struct mqtt_options o = over_tls(f, &tls, mqtt_versions[i % 2]);
        struct mqtt *c = expect_connected(&o);

        assert_int_equal(mqtt_report(c)->tls_version, tls_versions[i / 2]);
        assert_false(mqtt_report(c)->resumed);
        assert_int_equal(mqtt_report(c)->alert, -1);
        assert_true(mqtt_ping(c));
        assert_true(mqtt_goodbye(c));
        assert_int_equal(mqtt_report(c)->end, MQTT_END_EOF);
        mqtt_free(c);
    }
}

/* The alert that stock Mosquitto, which is OpenSSL, sends for each unacceptable certificate. */
static void refused_certificate_ends_with_its_alert(void **state)
{
    struct fixture *f = *state;
    struct pki_cert other_ca = pki_make(&(struct pki_spec){ .subject = "/CN=Other", .ca = true });
    struct pki_cert impostor = pki_impostor(&f->ca);
    const struct {
        struct pki_spec spec;
        int alert;
    } rows[] = {
        { { .issuer = &other_ca }, SSL_AD_UNKNOWN_CA },
        { { .issuer = &impostor }, SSL_AD_DECRYPT_ERROR },
        { { .issuer = &f->sub_ca }, SSL_AD_UNKNOWN_CA },
        { { .subject = "/CN=self" }, SSL_AD_UNKNOWN_CA },
        { { .issuer = &f->ca, .not_before_s = -2 * DAY_S, .not_after_s = -DAY_S },
          SSL_AD_CERTIFICATE_EXPIRED },
        { { .issuer = &f->ca, .not_before_s = DAY_S, .not_after_s = 2 * DAY_S },
          SSL_AD_BAD_CERTIFICATE },
        { { .issuer = &f->ca, .eku = "serverAuth" }, SSL_AD_UNSUPPORTED_CERTIFICATE },
    };

    for (size_t i = 0; i < 2 * PROV_COUNT(rows); i++) {
        struct pki_cert cert = pki_make(&rows[i / 2].spec);
        const struct mqtt_tls tls = { .cert = cert.x509,
                                      .key = cert.key,
                                      .version = tls_versions[i % 2] };
        const struct mqtt_options o = over_tls(f, &tls, MQTT_V311);

        expect_alert(&o, rows[i / 2].alert);
        pki_free(&cert);
    }
    pki_free(&impostor);
    pki_free(&other_ca);
}

static void no_certificate_where_one_is_required_ends_with_an_alert(void **state)
{
    struct fixture *f = *state;
    const struct mqtt_tls old = { .version = TLS1_2_VERSION }, new = { .version = TLS1_3_VERSION };
    const struct mqtt_options in_12 = over_tls(f, &old, MQTT_V311);
    const struct mqtt_options in_13 = over_tls(f, &new, MQTT_V311);

    expect_alert(&in_12, SSL_AD_HANDSHAKE_FAILURE);
    expect_alert(&in_13, SSL_AD_CERTIFICATE_REQUIRED);
}

static void chain_is_sent_only_when_given(void **state)
{
    struct fixture *f = *state;
    struct pki_cert cert = pki_make(&(struct pki_spec){ .issuer = &f->sub_ca });
    X509 *chain[] = { f->sub_ca.x509 };

    for (size_t i = 0; i < 2; i++) {
        struct mqtt_tls tls = {
            .trust = f->ca.x509, .cert = cert.x509, .key = cert.key, .version = tls_versions[i]
        };
        const struct mqtt_options o = over_tls(f, &tls, MQTT_V311);

        expect_alert(&o, SSL_AD_UNKNOWN_CA);
        tls.chain = chain;
        tls.chain_n = 1;
        mqtt_free(expect_connected(&o));
    }
    pki_free(&cert);
}

static void server_that_does_not_bear_the_trusted_signature_is_refused_by_the_client(void **state)
{
    struct fixture *f = *state;
    struct pki_cert other = pki_make(&(struct pki_spec){ .subject = "/CN=Other", .ca = true });
    const struct mqtt_tls tls = { .trust = other.x509,
                                  .cert = f->device.x509,
                                  .key = f->device.key };
    const struct mqtt_options o = over_tls(f, &tls, MQTT_V311);
    struct mqtt *c = mqtt_start(&o);

    assert_true(mqtt_wait_end(c));
    assert_int_equal(mqtt_report(c)->end, MQTT_END_TLS);
    assert_string_equal(mqtt_report(c)->text, "certificate verify failed");
    assert_false(mqtt_report(c)->secured);
    mqtt_free(c);
    pki_free(&other);
}

static void key_that_is_not_the_certificates_makes_no_client(void **state)
{
    struct fixture *f = *state;
    const struct mqtt_tls tls = { .cert = f->device.x509, .key = f->server.key };
    const struct mqtt_options o = over_tls(f, &tls, MQTT_V311);

    assert_null(mqtt_start(&o));
}

static void one_tls_context_serves_many_clients(void **state)
{
    struct fixture *f = *state;
    const struct mqtt_tls made = { .cert = f->device.x509, .key = f->device.key };
    const struct mqtt_tls tls = { .shared = mqtt_tls_context(&made) };
    const struct mqtt_options o = over_tls(f, &tls, MQTT_V5);
    struct mqtt *clients[16];

    assert_non_null(tls.shared);
    for (size_t i = 0; i < PROV_COUNT(clients); i++)
        clients[i] = mqtt_start(&o);
    for (size_t i = 0; i < PROV_COUNT(clients); i++)
        assert_int_equal(mqtt_wait_connack(clients[i]), 0);
    for (size_t i = 0; i < PROV_COUNT(clients); i++)
        mqtt_free(clients[i]);
    SSL_CTX_free(tls.shared);
}

static void shared_tls_context_takes_each_clients_own_certificate(void **state)
{
    struct fixture *f = *state;
    struct pki_cert stranger = pki_make(&(struct pki_spec){ .subject = "/CN=stranger" });
    SSL_CTX *ctx = mqtt_tls_context(&(struct mqtt_tls){ .trust = f->ca.x509 });
    const struct mqtt_tls good = { .cert = f->device.x509, .key = f->device.key, .shared = ctx };
    const struct mqtt_tls bad = { .cert = stranger.x509, .key = stranger.key, .shared = ctx };
    const struct mqtt_tls mixed = { .cert = f->device.x509, .key = stranger.key, .shared = ctx };
    const struct mqtt_options as_device = over_tls(f, &good, MQTT_V311);
    const struct mqtt_options as_stranger = over_tls(f, &bad, MQTT_V311);
    const struct mqtt_options as_nobody = over_tls(f, &mixed, MQTT_V311);

    assert_non_null(ctx);
    mqtt_free(expect_connected(&as_device));
    expect_alert(&as_stranger, SSL_AD_UNKNOWN_CA);
    assert_null(mqtt_start(&as_nobody));
    mqtt_free(expect_connected(&as_device));
    SSL_CTX_free(ctx);
    pki_free(&stranger);
}

/* That stock Mosquitto allows it, without looking at the certificate again, is to be known. */
static void kept_session_is_resumed_and_without_it_nothing_is(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < 2; i++) {
        struct mqtt_tls tls = { .cert = f->device.x509,
                                .key = f->device.key,
                                .version = tls_versions[i] };
        const struct mqtt_options o = over_tls(f, &tls, MQTT_V311);
        struct mqtt *c = expect_connected(&o);

        assert_true(mqtt_ping(c)); /* with TLS 1.3 the ticket comes after the handshake */
        tls.resume = mqtt_session(c);
        assert_non_null(tls.resume);
        mqtt_free(c);

        c = expect_connected(&o);
        assert_true(mqtt_report(c)->resumed);
        mqtt_free(c);
        SSL_SESSION_free(tls.resume);
    }
}

static void broken_bytes_are_dropped_without_a_word(void **state)
{
    struct fixture *f = *state;
    const struct mqtt_tls tls = { .cert = f->device.x509, .key = f->device.key };
    struct mqtt_options o = over_tls(f, &tls, MQTT_V311);
    struct mqtt *c;

    o.hold_connect = true;
    c = mqtt_start(&o);
    mqtt_submit_raw(c, PROV_LIT("GET / HTTP/1.1\r\n\r\n"));
    expect_closed(c);
    assert_int_equal(mqtt_report(c)->connack, -1);
    mqtt_free(c);
}

static void large_message_arrives_over_tls(void **state)
{
    struct fixture *f = *state;
    const struct mqtt_tls tls = { .cert = f->device.x509, .key = f->device.key };
    const struct mqtt_options o = over_tls(f, &tls, MQTT_V5);
    const size_t n = 3u * 512 * 1024;
    struct mqtt *c = expect_connected(&o);
    uint8_t *payload = malloc(n);

    assert_non_null(payload);
    for (size_t i = 0; i < n; i++)
        payload[i] = (uint8_t)(i * 31 + i / 251);
    assert_int_equal(mqtt_subscribe(c, "big", 1), 1);
    assert_int_equal(mqtt_publish(c, &(struct mqtt_publish){ .topic = "big",
                                                             .payload = prov_span(payload, n),
                                                             .qos = 1 }),
                     0);
    expect_message_at(c, "big", prov_span(payload, n), __FILE__, __LINE__);
    free(payload);
    mqtt_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(certificate_of_the_ca_is_accepted_in_every_version),
        cmocka_unit_test(refused_certificate_ends_with_its_alert),
        cmocka_unit_test(no_certificate_where_one_is_required_ends_with_an_alert),
        cmocka_unit_test(chain_is_sent_only_when_given),
        cmocka_unit_test(server_that_does_not_bear_the_trusted_signature_is_refused_by_the_client),
        cmocka_unit_test(key_that_is_not_the_certificates_makes_no_client),
        cmocka_unit_test(one_tls_context_serves_many_clients),
        cmocka_unit_test(shared_tls_context_takes_each_clients_own_certificate),
        cmocka_unit_test(kept_session_is_resumed_and_without_it_nothing_is),
        cmocka_unit_test(broken_bytes_are_dropped_without_a_word),
        cmocka_unit_test(large_message_arrives_over_tls),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
