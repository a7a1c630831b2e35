/*
 * One device's whole life, short enough to be run under valgrind as well: first contact, session,
 * rights, revocation, stop.
 *
 * ctest labels: valgrind
 */
#include <stdarg.h>
#include <setjmp.h>

#include <cmocka.h>

#include "support/rig.h"

static void a_device_lives_from_first_contact_to_revocation(void **state)
{
    struct rig rig;
    struct pki_cert device;
    struct rig_link link;
    struct mqtt *c;

    (void)state;
    rig_up(&rig, &(struct rig_spec){ 0 });
    device = rig_device(&rig, "dev-1");
    c = rig_join(&rig, &device, "dev-1");
    assert_int_equal(mqtt_subscribe(c, "cmd/dev-1/#", 1), 1);
    assert_int_equal(mqtt_subscribe(c, "cmd/dev-2/#", 1), 0x80);
    assert_int_equal(
        mqtt_publish(
            c, &(struct mqtt_publish){ .topic = "dt/dev-1/t", .payload = PROV_LIT("1"), .qos = 1 }),
        0);
    rig_set_status(&rig, &device, PROV_CERT_REVOKED);
    expect_closed(c);
    mqtt_free(c);
    link = rig_link(&rig, &device, "dev-1");
    link.options.tls = &link.tls;
    expect_alert(&link.options, SSL_AD_CERTIFICATE_REVOKED);
    rig_expect_attempt(&rig, &device, PROV_REASON_CERT_REVOKED);
    broker_stop(rig.broker);
    pki_free(&device);
    rig_down(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_device_lives_from_first_contact_to_revocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
