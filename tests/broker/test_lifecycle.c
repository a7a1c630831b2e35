/* The life of a certificate as its connected device sees it: expiry, transfers, revocation lists,
 * a thing's change of owner; and who comes too often. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <time.h>

#include <cmocka.h>

#include <openssl/pem.h>

#include "core/ident.h"
#include "support/operator.h"

static struct prov_id id_of(const struct pki_cert *device)
{
    struct prov_id id;

    assert_int_equal(prov_ident_id(device->x509, &id), PROV_OK);
    return id;
}

static const char *hex_of(const struct pki_cert *device)
{
    static char hex[PROV_ID_HEX + 1];
    const struct prov_id id = id_of(device);

    prov_id_hex(&id, hex);
    return hex;
}

static void expect_refused(const struct rig *rig, const struct pki_cert *device, int alert)
{
    struct rig_link link = rig_link(rig, device, "dev-1");

    link.options.tls = &link.tls;
    expect_alert(&link.options, alert);
}

/* A registered device connects. */
static struct mqtt *come_in(const struct rig *rig, const struct pki_cert *device,
                            const char *client_id)
{
    struct rig_link link = rig_link(rig, device, client_id);

    link.options.tls = &link.tls;
    return expect_connected(&link.options);
}

static void certificate_that_runs_out_ends_its_live_session(void **state)
{
    struct rig rig;
    struct pki_cert brief, lasting;
    struct mqtt *ends, *stays;

    (void)state;
    rig_up(&rig, &(struct rig_spec){ 0 });
    lasting = rig_device(&rig, "dev-2");
    stays = rig_join(&rig, &lasting, "dev-2");
    brief = pki_make(&(struct pki_spec){
        .subject = "/CN=dev-1", .issuer = &rig.ca, .not_before_s = -86400, .not_after_s = 3 });
    ends = rig_join(&rig, &brief, "dev-1");
    expect_closed(ends);
    expect_refused(&rig, &brief, SSL_AD_CERTIFICATE_EXPIRED);
    assert_true(mqtt_ping(stays));
    mqtt_free(ends);
    mqtt_free(stays);
    pki_free(&brief);
    pki_free(&lasting);
    rig_down(&rig);
}

static void every_way_out_of_active_ends_live_sessions(void **state)
{
    static const struct {
        const char *status;
        int alert;
        const char *line;
    } rows[] = {
        { "INACTIVE", SSL_AD_BAD_CERTIFICATE,
          "disconnected reason=certificate-inactive client=dev-1 address=127.0.0.1" },
        { "REVOKED", SSL_AD_CERTIFICATE_REVOKED,
          "disconnected reason=certificate-revoked client=dev-1 address=127.0.0.1" },
    };
    size_t mark;

    (void)state;
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct rig rig;
        struct pki_cert device;
        struct mqtt *c, *op;

        operator_up(&rig, &(struct rig_spec){ 0 });
        op = operator_connect(&rig, "operator");
        device = rig_device(&rig, "dev-1");
        c = rig_join(&rig, &device, "dev-1");
        mark = broker_log_mark(rig.broker);
        operator_do(op,
                    "{\"command\":\"updateCertificate\",\"certificateId\":\"%s\","
                    "\"newStatus\":\"%s\"}",
                    hex_of(&device), rows[i].status);
        expect_closed(c);
        broker_expect_log(rig.broker, mark, rows[i].line);
        expect_refused(&rig, &device, rows[i].alert);
        mqtt_free(c);
        mqtt_free(op);
        pki_free(&device);
        rig_down(&rig);
    }
}

static void reset_thing_s_device_is_out_and_its_next_owner_s_is_in(void **state)
{
    struct rig rig;
    struct pki_cert old, new;
    struct mqtt *c, *op;
    cJSON *one;

    (void)state;
    operator_up(&rig, &(struct rig_spec){ 0 });
    op = operator_connect(&rig, "operator");
    old = rig_device(&rig, "dev-1");
    c = rig_join(&rig, &old, "dev-1");
    one = operator_call(op, "{\"command\":\"resetThing\",\"thingName\":\"dev-1\"}");
    assert_null(cJSON_GetObjectItemCaseSensitive(one, "error"));
    cJSON_Delete(one);
    expect_closed(c);
    mqtt_free(c);
    expect_refused(&rig, &old, SSL_AD_CERTIFICATE_REVOKED);
    new = rig_device(&rig, "dev-1");
    c = rig_join(&rig, &new, "dev-1");
    mqtt_free(c);
    mqtt_free(op);
    pki_free(&old);
    pki_free(&new);
    rig_down(&rig);
}

static void handed_over_certificate_loses_its_old_thing_s_rights_at_once(void **state)
{
    struct rig rig;
    struct pki_cert device;
    struct mqtt *c, *op;

    (void)state;
    operator_up(&rig, &(struct rig_spec){ 0 });
    op = operator_connect(&rig, "operator");
    device = rig_device(&rig, "dev-1");
    c = rig_join(&rig, &device, "dev-1");
    operator_do(op, "{\"command\":\"createThing\",\"thingName\":\"dev-2\"}");
    operator_do(op,
                "{\"command\":\"transferThingPrincipal\",\"thingName\":\"dev-1\","
                "\"toThingName\":\"dev-2\",\"principal\":\"%s\"}",
                hex_of(&device));
    operator_do(op, "{\"command\":\"deleteThing\",\"thingName\":\"dev-1\"}");
    assert_true(mqtt_ping(c)); /* the certificate is still ACTIVE */
    mqtt_free(c);
    mqtt_free(op);
    pki_free(&device);
    rig_down(&rig);
}

static void add_entry(X509_CRL *crl, const X509 *cert)
{
    X509_REVOKED *entry = X509_REVOKED_new();
    ASN1_TIME *now = ASN1_TIME_set(NULL, time(NULL) - 60);

    assert_true(entry != NULL && now != NULL);
    assert_int_equal(
        X509_REVOKED_set_serialNumber(entry, (ASN1_INTEGER *)X509_get0_serialNumber(cert)), 1);
    assert_int_equal(X509_REVOKED_set_revocationDate(entry, now), 1);
    assert_int_equal(X509_CRL_add0_revoked(crl, entry), 1);
    ASN1_TIME_free(now);
}

/* PEM within a JSON string; to be freed. */
static char *list_of(const struct pki_cert *ca, const X509 *a, const X509 *b)
{
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *from = ASN1_TIME_set(NULL, time(NULL) - 60);
    ASN1_TIME *until = ASN1_TIME_set(NULL, time(NULL) + 3600);
    BIO *out = BIO_new(BIO_s_mem());
    char *pem, *text;
    long n;

    assert_true(crl != NULL && from != NULL && until != NULL && out != NULL);
    assert_int_equal(X509_CRL_set_version(crl, X509_CRL_VERSION_2), 1);
    assert_int_equal(X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca->x509)), 1);
    assert_int_equal(X509_CRL_set1_lastUpdate(crl, from), 1);
    assert_int_equal(X509_CRL_set1_nextUpdate(crl, until), 1);
    add_entry(crl, a);
    add_entry(crl, b);
    assert_true(X509_CRL_sign(crl, ca->key, EVP_sha256()) > 0);
    assert_int_equal(PEM_write_bio_X509_CRL(out, crl), 1);
    n = BIO_get_mem_data(out, &pem);
    text = calloc(2, (size_t)n + 1);
    assert_non_null(text);
    for (long i = 0, at = 0; i < n; i++) {
        if (pem[i] == '\n')
            text[at++] = '\\';
        text[at++] = pem[i] == '\n' ? 'n' : pem[i];
    }
    BIO_free(out);
    ASN1_TIME_free(from);
    ASN1_TIME_free(until);
    X509_CRL_free(crl);
    return text;
}

static void revocation_list_ends_sessions_and_keeps_unseen_devices_out(void **state)
{
    struct rig rig;
    struct pki_cert seen, unseen, innocent;
    struct mqtt *c, *other, *op;
    enum prov_cert_status status;
    char *pem;
    cJSON *one;

    (void)state;
    operator_up(&rig, &(struct rig_spec){ 0 });
    op = operator_connect(&rig, "operator");
    seen = rig_device(&rig, "dev-1");
    unseen = rig_device(&rig, "dev-9");
    innocent = rig_device(&rig, "dev-2");
    c = rig_join(&rig, &seen, "dev-1");
    other = rig_join(&rig, &innocent, "dev-2");
    pem = list_of(&rig.ca, seen.x509, unseen.x509);
    one =
        operator_call(op, "{\"command\":\"importCertificateRevocationList\",\"crl\":\"%s\"}", pem);
    assert_null(cJSON_GetObjectItemCaseSensitive(one, "error"));
    cJSON_Delete(one);
    expect_closed(c);
    expect_refused(&rig, &seen, SSL_AD_CERTIFICATE_REVOKED);
    expect_refused(&rig, &unseen, SSL_AD_CERTIFICATE_REVOKED);
    assert_false(rig_status(&rig, &unseen, &status));
    rig_expect_attempt(&rig, &unseen, PROV_REASON_CERT_LISTED);
    assert_true(mqtt_ping(other));
    free(pem);
    mqtt_free(c);
    mqtt_free(other);
    mqtt_free(op);
    pki_free(&seen);
    pki_free(&unseen);
    pki_free(&innocent);
    rig_down(&rig);
}

/* ---- who comes too often --------------------------------------------------------------------- */

static void clone_of_a_certificate_runs_dry_and_others_do_not(void **state)
{
    static const struct broker_opt opts[] = { { "certificate_per_s", "1" },
                                              { "certificate_burst", "5" },
                                              { NULL, NULL } };
    struct rig rig;
    struct pki_cert clone, other;
    struct mqtt *c;
    unsigned in = 0;

    (void)state;
    rig_up(&rig, &(struct rig_spec){ .opts = opts });
    clone = rig_device(&rig, "dev-1");
    other = rig_device(&rig, "dev-2");
    rig_first_contact(&rig, &clone, "dev-1");
    rig_first_contact(&rig, &other, "dev-2");
    for (unsigned i = 0; i < 30; i++) {
        struct rig_link link = rig_link(&rig, &clone, "dev-1");
        char source[16];

        (void)snprintf(source, sizeof source, "127.0.0.%u", 2 + i);
        link.options.tls = &link.tls;
        link.options.source = source;
        c = mqtt_start(&link.options);
        in += mqtt_wait_connack(c) == 0;
        mqtt_free(c);
    }
    assert_true(in >= 5 && in < 15);
    rig_expect_attempt(&rig, &clone, PROV_REASON_THROTTLED);
    rig_expect_explained(&rig, &clone, "certificate_per_s");
    in = 0;
    for (unsigned i = 0; i < 30 && in == 0; i++) { /* one token a second may come back */
        struct rig_link link = rig_link(&rig, &clone, "dev-1");

        link.options.tls = &link.tls;
        c = mqtt_start(&link.options);
        assert_true(mqtt_wait_connack(c) == 0 || mqtt_wait_end(c));
        in = mqtt_report(c)->alert == SSL_AD_INTERNAL_ERROR;
        mqtt_free(c);
    }
    assert_int_equal(in, 1); /* in the handshake already */
    c = come_in(&rig, &other, "dev-2");
    mqtt_free(c);
    pki_free(&clone);
    pki_free(&other);
    rig_down(&rig);
}

static void leaking_ca_runs_dry_and_another_ca_s_devices_come_in(void **state)
{
    static const struct broker_opt opts[] = { { "ca_per_s", "1" },
                                              { "ca_burst", "3" },
                                              { NULL, NULL } };
    struct rig rig;
    struct pki_cert device, good_ca, good;
    struct mqtt *c;

    (void)state;
    rig_up(&rig, &(struct rig_spec){ .opts = opts });
    good_ca = pki_make(&(struct pki_spec){ .subject = "/CN=Other CA", .ca = true });
    (void)rig_register_ca(&rig, &good_ca, true, "by-cn");
    for (unsigned i = 0; i < 12; i++) {
        struct rig_link link;
        char name[16];

        (void)snprintf(name, sizeof name, "leak-%u", i);
        device = rig_device(&rig, name);
        link = rig_link(&rig, &device, name);
        link.options.tls = &link.tls;
        expect_dropped(&link.options);
        pki_free(&device);
    }
    rig_expect_attempt(&rig, NULL, PROV_REASON_THROTTLED);
    good = pki_make(&(struct pki_spec){ .subject = "/CN=good", .issuer = &good_ca });
    c = rig_join(&rig, &good, "good");
    mqtt_free(c);
    pki_free(&good);
    pki_free(&good_ca);
    rig_down(&rig);
}

static void address_of_strangers_is_refused_before_any_look_at_their_keys(void **state)
{
    static const struct broker_opt opts[] = { { "address_per_s", "1" },
                                              { "address_burst", "3" },
                                              { NULL, NULL } };
    struct rig rig;
    struct pki_cert stranger, device;
    struct rig_link link;
    struct mqtt *c;

    (void)state;
    rig_up(&rig, &(struct rig_spec){ .opts = opts });
    device = rig_device(&rig, "dev-1");
    c = rig_join(&rig, &device, "dev-1");
    mqtt_free(c);
    stranger = pki_make(&(struct pki_spec){ .subject = "/CN=nobody" });
    for (unsigned i = 0; i < 8; i++) {
        link = rig_link(&rig, &stranger, "nobody");
        link.options.tls = &link.tls;
        c = mqtt_start(&link.options);
        assert_true(mqtt_wait_end(c));
        mqtt_free(c);
    }
    expect_alert(&link.options, SSL_AD_INTERNAL_ERROR);
    rig_expect_attempt(&rig, &stranger, PROV_REASON_THROTTLED);
    c = come_in(&rig, &device, "dev-1"); /* registered: not the address's business */
    mqtt_free(c);
    pki_free(&stranger);
    pki_free(&device);
    rig_down(&rig);
}

/* ---- metrics --------------------------------------------------------------------------------- */

/* The value comes in time; older ones may come before it. */
static void expect_count(struct mqtt *c, const char *name, const char *value)
{
    char topic[128];
    bool same = false;

    (void)snprintf(topic, sizeof topic, "$SYS/broker/provisioning/%s", name);
    while (!same) {
        struct mqtt_message *m = mqtt_wait_message(c, topic);

        if (m == NULL)
            print_error("%s is never %s", topic, value);
        assert_non_null(m);
        same = strcmp((const char *)m->payload, value) == 0;
        mqtt_message_free(m);
    }
}

static void counts_are_told_below_sys(void **state)
{
    static const struct broker_opt opts[] = { { "sys_interval", "1" }, { NULL, NULL } };
    struct rig rig;
    struct pki_cert device;
    struct mqtt *watcher, *op, *c;

    (void)state;
    operator_up(&rig, &(struct rig_spec){ .opts = opts });
    op = operator_connect(&rig, "operator");
    device = rig_device(&rig, "dev-1");
    c = rig_join(&rig, &device, "dev-1");
    watcher = operator_connect(&rig, "watcher");
    assert_int_equal(mqtt_subscribe(watcher, "$SYS/broker/provisioning/#", 1), 1);
    expect_count(watcher, "certificates/active", "1");
    expect_count(watcher, "registrations/provisioned", "1");
    expect_count(watcher, "sessions", "1");
    rig_set_status(&rig, &device, PROV_CERT_REVOKED);
    expect_closed(c);
    expect_count(watcher, "certificates/revoked", "1");
    expect_count(watcher, "sessions/disconnected", "1");
    expect_count(watcher, "sessions", "0");
    for (unsigned i = 1; i <= 2; i++) { /* two more rounds, in which this alone changes */
        char n[16];

        (void)snprintf(n, sizeof n, "%u", i);
        cJSON_Delete(operator_call(op, "{\"command\":\"listThings\"}"));
        expect_count(watcher, "control/commands", n);
    }
    assert_null(mqtt_take_message(watcher, "$SYS/broker/provisioning/certificates/revoked"));
    mqtt_free(watcher);
    watcher = operator_connect(&rig, "watcher"); /* who comes late is told what stands */
    assert_int_equal(mqtt_subscribe(watcher, "$SYS/broker/provisioning/certificates/#", 1), 1);
    expect_count(watcher, "certificates/revoked", "1");
    mqtt_free(op);
    mqtt_free(c);
    mqtt_free(watcher);
    pki_free(&device);
    rig_down(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(certificate_that_runs_out_ends_its_live_session),
        cmocka_unit_test(every_way_out_of_active_ends_live_sessions),
        cmocka_unit_test(reset_thing_s_device_is_out_and_its_next_owner_s_is_in),
        cmocka_unit_test(handed_over_certificate_loses_its_old_thing_s_rights_at_once),
        cmocka_unit_test(revocation_list_ends_sessions_and_keeps_unseen_devices_out),
        cmocka_unit_test(clone_of_a_certificate_runs_dry_and_others_do_not),
        cmocka_unit_test(leaking_ca_runs_dry_and_another_ca_s_devices_come_in),
        cmocka_unit_test(address_of_strangers_is_refused_before_any_look_at_their_keys),
        cmocka_unit_test(counts_are_told_below_sys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
