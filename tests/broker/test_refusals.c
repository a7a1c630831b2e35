/* Who is refused, how the device learns it, what is recorded, and that the cure works. */
#include <stdarg.h>
#include <setjmp.h>

#include <cmocka.h>

#include "core/ident.h"
#include "support/rig.h"

#define DAY 86400

/* A refusal in the handshake: what the certificate is, the alert, the reason, and a word of the
 * cure. */
struct bad_leaf {
    const char *name;
    struct pki_spec spec; /* issuer: the rig's CA, unless set otherwise by `by` */
    enum { BY_CA, BY_IMPOSTOR, BY_STRANGER } by;
    int alert;
    enum prov_reason reason;
    const char *explained;
};

static void bad_certificates_are_refused_in_the_handshake(void **state)
{
    static const struct bad_leaf rows[] = {
        { "unknown issuer",
          { 0 },
          BY_STRANGER,
          SSL_AD_UNKNOWN_CA,
          PROV_REASON_UNKNOWN_ISSUER,
          "provctl ca register" },
        { "right name, wrong key",
          { 0 },
          BY_IMPOSTOR,
          SSL_AD_UNKNOWN_CA,
          PROV_REASON_ISSUER_KEY,
          "imitating" },
        { "expired",
          { .not_before_s = -2 * DAY, .not_after_s = -DAY },
          BY_CA,
          SSL_AD_CERTIFICATE_EXPIRED,
          PROV_REASON_EXPIRED,
          "clock" },
        { "not yet valid",
          { .not_before_s = DAY, .not_after_s = 2 * DAY },
          BY_CA,
          SSL_AD_BAD_CERTIFICATE,
          PROV_REASON_NOT_YET_VALID,
          "clock" },
        { "CA as leaf",
          { .ca = true },
          BY_CA,
          SSL_AD_UNSUPPORTED_CERTIFICATE,
          PROV_REASON_LEAF_IS_CA,
          "CA:FALSE" },
        { "weak key",
          { .key = PKI_RSA_1024 },
          BY_CA,
          SSL_AD_BAD_CERTIFICATE,
          PROV_REASON_KEY_WEAK,
          "stronger key" },
        { "SHA-1",
          { .digest = "SHA1" },
          BY_CA,
          SSL_AD_BAD_CERTIFICATE,
          PROV_REASON_SIGNATURE_ALGORITHM,
          "SHA-256" },
        { "server's usage",
          { .eku = "serverAuth" },
          BY_CA,
          SSL_AD_UNSUPPORTED_CERTIFICATE,
          PROV_REASON_USAGE,
          "clientAuth" },
        { "critical extension",
          { .unknown_critical = true },
          BY_CA,
          SSL_AD_BAD_CERTIFICATE,
          PROV_REASON_CRITICAL_EXTENSION,
          "extension" },
    };
    struct rig rig;
    struct pki_cert impostor, stranger;

    (void)state;
    rig_up(&rig, &(struct rig_spec){ 0 });
    impostor = pki_impostor(&rig.ca);
    stranger = pki_make(&(struct pki_spec){ .subject = "/CN=Stranger", .ca = true });
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        const struct pki_cert *issuers[] = { &rig.ca, &impostor, &stranger };
        struct pki_spec spec = rows[i].spec;
        struct pki_cert device;
        struct rig_link link;
        enum prov_cert_status status;

        print_message("           %s\n", rows[i].name);
        spec.subject = "/CN=dev-1";
        spec.issuer = issuers[rows[i].by];
        device = pki_make(&spec);
        link = rig_link(&rig, &device, "dev-1");
        link.options.tls = &link.tls;
        expect_alert(&link.options, rows[i].alert);
        rig_expect_attempt(&rig, &device, rows[i].reason);
        rig_expect_explained(&rig, &device, rows[i].explained);
        assert_false(rig_status(&rig, &device, &status));
        pki_free(&device);
    }
    pki_free(&impostor);
    pki_free(&stranger);
    rig_down(&rig);
}

/* A state of the registry that refuses, and the change that cures it. */
static void ca_inactive(struct rig *rig)
{
    rig_update_ca(rig, &rig->ca_id, &(bool){ false }, NULL, NULL);
}

static void ca_active(struct rig *rig)
{
    rig_update_ca(rig, &rig->ca_id, &(bool){ true }, NULL, NULL);
}

static void no_auto(struct rig *rig)
{
    rig_update_ca(rig, &rig->ca_id, NULL, &(bool){ false }, NULL);
}

static void auto_on(struct rig *rig)
{
    rig_update_ca(rig, &rig->ca_id, NULL, &(bool){ true }, NULL);
}

static void states_of_the_ca_refuse_until_they_are_cured(void **state)
{
    static const struct {
        void (*ail)(struct rig *rig);
        void (*cure)(struct rig *rig);
        enum prov_reason reason;
        const char *explained;
    } rows[] = {
        { ca_inactive, ca_active, PROV_REASON_CA_INACTIVE, "--status ACTIVE" },
        { no_auto, auto_on, PROV_REASON_NO_AUTO_REGISTRATION, "--auto-register on" },
    };
    struct rig rig;

    (void)state;
    rig_up(&rig, &(struct rig_spec){ 0 });
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        char name[16];
        struct pki_cert device;
        struct rig_link link;

        (void)snprintf(name, sizeof name, "dev-%zu", i);
        device = rig_device(&rig, name);
        rows[i].ail(&rig);
        link = rig_link(&rig, &device, name);
        link.options.tls = &link.tls;
        expect_alert(&link.options, SSL_AD_UNKNOWN_CA);
        rig_expect_attempt(&rig, &device, rows[i].reason);
        rig_expect_explained(&rig, &device, rows[i].explained);
        rows[i].cure(&rig);
        mqtt_free(rig_join(&rig, &device, name));
        pki_free(&device);
    }
    rig_down(&rig);
}

static void registered_certificates_that_are_not_active_are_refused(void **state)
{
    static const struct {
        enum prov_cert_status status;
        int alert;
        enum prov_reason reason;
    } rows[] = {
        { PROV_CERT_INACTIVE, SSL_AD_BAD_CERTIFICATE, PROV_REASON_CERT_INACTIVE },
        { PROV_CERT_REVOKED, SSL_AD_CERTIFICATE_REVOKED, PROV_REASON_CERT_REVOKED },
    };
    struct rig rig;

    (void)state;
    rig_up(&rig, &(struct rig_spec){ 0 });
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        char name[16];
        struct pki_cert device;
        struct rig_link link;

        (void)snprintf(name, sizeof name, "dev-%zu", i);
        device = rig_device(&rig, name);
        mqtt_free(rig_join(&rig, &device, name));
        rig_set_status(&rig, &device, rows[i].status);
        link = rig_link(&rig, &device, name);
        link.options.tls = &link.tls;
        expect_alert(&link.options, rows[i].alert);
        rig_expect_attempt(&rig, &device, rows[i].reason);
        pki_free(&device);
    }
    rig_down(&rig);
}

/* A template that refuses, in a registry where everything else is right. */
#define TEMPLATE(params, thing)                                                                    \
    "{\"Parameters\":{" params "\"AWS::IoT::Certificate::CommonName\":{\"Type\":\"String\"},"      \
    "\"AWS::IoT::Certificate::Id\":{\"Type\":\"String\"}},\"Resources\":{\"thing\":{\"Type\":"     \
    "\"AWS::IoT::Thing\",\"Properties\":{\"ThingName\":{\"Ref\":"                                  \
    "\"AWS::IoT::Certificate::CommonName\"}" thing "},\"certificate\":{\"Type\":"                  \
    "\"AWS::IoT::Certificate\",\"Properties\":{\"CertificateId\":{\"Ref\":"                        \
    "\"AWS::IoT::Certificate::Id\"}}},\"policy\":{\"Type\":\"AWS::IoT::Policy\","                  \
    "\"Properties\":{\"PolicyName\":\"telemetry-device\"}}}}"

static void template_that_fails_leaves_the_certificate_pending_and_nothing_else(void **state)
{
    static const struct {
        const char *name, *body, *explained;
    } rows[] = {
        { "declared built-in absent",
          TEMPLATE("\"AWS::IoT::Certificate::Country\":{\"Type\":\"String\"},", "}"), "Country" },
        { "override says FAIL",
          TEMPLATE("", ",\"AttributePayload\":{\"a\":\"1\"}},"
                       "\"OverrideSettings\":{\"AttributePayload\":\"FAIL\"}"),
          "FAIL" },
        { "type missing", TEMPLATE("", ",\"ThingTypeName\":\"nowhere\"}"), "nowhere" },
    };
    struct rig rig;
    struct prov_tx tx;

    (void)state;
    rig_up(&rig, &(struct rig_spec){ 0 });
    tx = rig_begin(&rig, PROV_TXN_WRITE); /* for the override */
    rig_ok(&tx, prov_thing_create(&tx, PROV_LIT("dev-1"), prov_span(NULL, 0), NULL, 0));
    rig_end(&tx);
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        char name[16];
        struct pki_cert device;

        print_message("           %s\n", rows[i].name);
        (void)snprintf(name, sizeof name, "dev-%zu", i);
        device = rig_device(&rig, name);
        rig_create_template(&rig, name, rows[i].body);
        rig_update_ca(&rig, &rig.ca_id, NULL, NULL, name);
        rig_first_contact(&rig, &device, name);
        rig_expect_status(&rig, &device, PROV_CERT_PENDING_ACTIVATION);
        rig_expect_attempt(&rig, &device, PROV_REASON_TEMPLATE_FAILED);
        rig_expect_explained(&rig, &device, rows[i].explained);
        assert_int_equal(rig_has_thing(&rig, name), i == 1);

        rig_update_ca(&rig, &rig.ca_id, NULL, NULL, "by-cn");
        mqtt_free(rig_join(&rig, &device, name));
        pki_free(&device);
    }
    rig_down(&rig);
}

static void template_that_is_disabled_or_gone_refuses_until_cured(void **state)
{
    struct rig rig;
    struct pki_cert device;
    struct prov_tx tx;

    (void)state;
    rig_up(&rig, &(struct rig_spec){ 0 });
    device = rig_device(&rig, "dev-1");
    tx = rig_begin(&rig, PROV_TXN_WRITE);
    rig_ok(&tx,
           prov_template_update(&tx, PROV_LIT("by-cn"),
                                &(struct prov_template_change){ .enabled = &(bool){ false } }));
    rig_end(&tx);
    rig_first_contact(&rig, &device, "dev-1");
    rig_expect_attempt(&rig, &device, PROV_REASON_TEMPLATE_DISABLED);
    rig_expect_explained(&rig, &device, "provctl template update");
    rig_expect_status(&rig, &device, PROV_CERT_PENDING_ACTIVATION);

    tx = rig_begin(&rig, PROV_TXN_WRITE);
    rig_ok(&tx, prov_template_update(&tx, PROV_LIT("by-cn"),
                                     &(struct prov_template_change){ .enabled = &(bool){ true } }));
    rig_end(&tx);
    mqtt_free(rig_join(&rig, &device, "dev-1"));
    pki_free(&device);
    rig_down(&rig);
}

static void client_ids_that_policy_or_length_forbid_are_refused(void **state)
{
    char longest[PROV_MAX_CLIENT_ID + 1], too_long[PROV_MAX_CLIENT_ID + 2];
    struct rig rig;
    struct pki_cert device;
    struct rig_link link;

    (void)state;
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    memset(too_long, 'x', sizeof too_long);
    too_long[sizeof too_long - 1] = '\0';
    rig_up(&rig, &(struct rig_spec){ 0 });
    device = rig_device(&rig, "dev-1");
    mqtt_free(rig_join(&rig, &device, "dev-1"));

    link = rig_link(&rig, &device, "somebody-else");
    link.options.tls = &link.tls;
    expect_connack(&link.options, 5);
    rig_expect_attempt(&rig, &device, PROV_REASON_CONNECT_DENIED);
    link.options.version = MQTT_V5;
    expect_connack(&link.options, 0x87);
    link.options.version = MQTT_V311;
    link.options.client_id = longest; /* a policy matter only */
    expect_connack(&link.options, 5);
    link.options.client_id = too_long;
    expect_connack(&link.options, 5);
    rig_expect_attempt(&rig, &device, PROV_REASON_CLIENT_ID);
    rig_expect_explained(&rig, &device, "128 bytes");
    link.options.client_id = "$reserved";
    expect_connack(&link.options, 5);
    pki_free(&device);
    rig_down(&rig);
}

static void bad_client_id_is_refused_before_anything_is_recorded(void **state)
{
    struct rig rig;
    struct pki_cert device;
    struct rig_link link;
    enum prov_cert_status status;

    (void)state;
    rig_up(&rig, &(struct rig_spec){ 0 });
    device = rig_device(&rig, "dev-1");
    link = rig_link(&rig, &device, "$dev");
    link.options.tls = &link.tls;
    expect_connack(&link.options, 5);
    rig_expect_attempt(&rig, &device, PROV_REASON_CLIENT_ID);
    assert_false(rig_status(&rig, &device, &status));
    pki_free(&device);
    rig_down(&rig);
}

static void revoked_device_does_not_come_back_in_another_guise(void **state)
{
    struct rig rig;
    struct pki_cert device, twin;
    struct rig_link link;
    enum prov_cert_status status;

    (void)state;
    rig_up(&rig, &(struct rig_spec){ 0 });
    device = rig_device(&rig, "dev-1");
    mqtt_free(rig_join(&rig, &device, "dev-1"));
    rig_set_status(&rig, &device, PROV_CERT_REVOKED);
    twin = pki_twin(&device);
    link = rig_link(&rig, &twin, "dev-1");
    link.options.tls = &link.tls;
    expect_alert(&link.options, SSL_AD_BAD_CERTIFICATE);
    rig_expect_attempt(&rig, &twin, PROV_REASON_ALTERED);
    assert_false(rig_status(&rig, &twin, &status));
    pki_free(&twin);
    pki_free(&device);
    rig_down(&rig);
}

static void listener_that_takes_usernames_from_certificates_gives_no_rights(void **state)
{
    struct rig rig;
    struct pki_cert device;
    struct rig_link link;
    struct mqtt *c;

    (void)state;
    rig_up(&rig, &(struct rig_spec){ .tls_lines = "use_identity_as_username true\n" });
    device = rig_device(&rig, "dev-1");
    link = rig_link(&rig, &device, "dev-1");
    link.options.tls = &link.tls;
    c = expect_connected(&link.options); /* Mosquitto asks no plugin */
    assert_int_equal(mqtt_subscribe(c, "#", 0), 0x80);
    broker_expect_log(rig.broker, 0, "plugin-skipped");
    rig_expect_attempt(&rig, NULL, PROV_REASON_SKIPPED);
    mqtt_free(c);
    pki_free(&device);
    rig_down(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_certificates_are_refused_in_the_handshake),
        cmocka_unit_test(states_of_the_ca_refuse_until_they_are_cured),
        cmocka_unit_test(registered_certificates_that_are_not_active_are_refused),
        cmocka_unit_test(template_that_fails_leaves_the_certificate_pending_and_nothing_else),
        cmocka_unit_test(template_that_is_disabled_or_gone_refuses_until_cured),
        cmocka_unit_test(client_ids_that_policy_or_length_forbid_are_refused),
        cmocka_unit_test(bad_client_id_is_refused_before_anything_is_recorded),
        cmocka_unit_test(revoked_device_does_not_come_back_in_another_guise),
        cmocka_unit_test(listener_that_takes_usernames_from_certificates_gives_no_rights),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
