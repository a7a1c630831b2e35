/* Claims of trusted users: five minutes, one template, in no list (reference 1.10). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <openssl/pem.h>

#include <cmocka.h>

#include "core/json.h"
#include "support/child.h"
#include "support/fleet_rig.h"
#include "support/operator.h"

#define PROVISION(template_name) "$aws/provisioning-templates/" template_name "/provision"

enum { NOT_AUTHORIZED = 0x87 };

static void check_trusted(struct fleet_rig *f, const struct pki_cert *claim, const char *serial)
{
    const struct prov_id id = fleet_id(claim->x509);
    struct mqtt *c = fleet_connect5(f, claim, "installer's phone");
    struct fleet_device d = fleet_create(c, PROV_JSON, "pump"), other;
    char hex[PROV_ID_HEX + 1], *dump;

    assert_int_equal(mqtt_subscribe(c, PROVISION(FLEET_TEMPLATE) "/json/accepted", 1), 1);
    assert_int_equal(mqtt_subscribe(c, "$aws/certificates/create/json/rejected", 1), 1);
    assert_true(mqtt_subscribe(c, PROVISION("other") "/json/accepted", 1) >= 0x80);
    other = fleet_create(c, PROV_CBOR, "pump");
    fleet_register(c, PROV_JSON, &d, serial);
    /* of another template it is not even answered: that is no right of its */
    assert_int_equal(mqtt_publish(c, &(struct mqtt_publish){ .topic = PROVISION("other") "/json",
                                                             .payload = PROV_LIT("{}"),
                                                             .qos = 1 }),
                     NOT_AUTHORIZED);
    assert_int_equal(mqtt_publish(c, &(struct mqtt_publish){ .topic = "dt/pump/flow", .qos = 1 }),
                     NOT_AUTHORIZED);
    assert_true(mqtt_subscribe(c, "#", 1) >= 0x80);
    expect_silence(c, NULL);
    prov_id_hex(&id, hex);
    dump = fleet_dump(f);
    assert_null(strstr(dump, hex));
    free(dump);
    mqtt_free(c);
    c = fleet_join(f, &d, serial);
    mqtt_free(c);
    fleet_device_free(&d);
    fleet_device_free(&other);
}

static void trusted_user_s_claim_is_for_its_template_alone_and_in_no_list(void **state)
{
    struct fleet_rig f = { 0 };
    struct pki_cert claim;
    const cJSON *data;
    struct run_result r;
    cJSON *one, *doc = NULL;
    struct mqtt *op;

    (void)state;
    operator_prepare(&f.rig, &(struct rig_spec){ 0 });
    fleet_fill(&f);
    fleet_create_template(&f, "other", fleet_template, NULL);
    rig_start(&f.rig);
    op = operator_connect(&f.rig, "operator");
    one = operator_call(op, "{\"command\":\"createProvisioningClaim\",\"templateName\":\"fleet\","
                            "\"keyType\":\"ec-p256\"}");
    data = cJSON_GetObjectItemCaseSensitive(one, "data");
    claim = operator_claim(data);
    check_trusted(&f, &claim, "1");
    cJSON_Delete(one);
    pki_free(&claim);

    one = operator_call(op, "{\"command\":\"createProvisioningClaim\",\"templateName\":\"by-cn\"}");
    assert_non_null(cJSON_GetObjectItemCaseSensitive(one, "error"));
    cJSON_Delete(one);
    one = operator_call(op, "{\"command\":\"createProvisioningClaim\",\"templateName\":\"none\"}");
    assert_string_equal(operator_text(one, "errorCode"), "ResourceNotFoundException");
    cJSON_Delete(one);
    mqtt_free(op);

    run_provctl(&r, "--db", f.rig.db, "--json", "claim", "create", FLEET_TEMPLATE);
    if (r.status != 0)
        fail_msg("provctl claim create: %s", r.err);
    assert_int_equal(prov_json_parse(prov_span_str(r.out), 1u << 20, &doc, NULL), PROV_OK);
    claim = operator_claim(doc);
    check_trusted(&f, &claim, "2");
    cJSON_Delete(doc);
    run_release(&r);
    pki_free(&claim);
    fleet_check(&f);
    fleet_down(&f);
}

/* One that ends in a moment, as the broker's own would after five minutes. */
static struct pki_cert make_short_claim(struct fleet_rig *f, int64_t seconds)
{
    const int64_t now_s = time(NULL);
    const struct pki_cert claim = pki_make(&(struct pki_spec){ .subject = "/CN=short",
                                                               .issuer = &f->issuer,
                                                               .now_s = now_s,
                                                               .not_before_s = -60,
                                                               .not_after_s = seconds });
    size_t n;
    uint8_t *der = pki_der(claim.x509, &n);
    const struct prov_made_cert made = { .der = prov_span(der, n),
                                         .common_name = PROV_LIT("short"),
                                         .not_before_s = now_s - 60,
                                         .not_after_s = now_s + seconds,
                                         .ca_id = fleet_id(f->issuer.x509) };
    struct prov_tx tx = rig_begin(&f->rig, PROV_TXN_WRITE);
    struct prov_id id;

    rig_ok(&tx, prov_cert_record_claim(&tx, &made, PROV_LIT(FLEET_TEMPLATE), &id));
    rig_end(&tx);
    free(der);
    return claim;
}

static void trusted_user_s_session_is_closed_at_its_end_and_no_other_begins(void **state)
{
    struct fleet_rig f = { 0 };
    struct pki_cert claim;
    struct fleet_device d, unfinished;
    struct rig_link link;
    struct mqtt *c, *old;
    struct prov_id id;

    (void)state;
    fleet_up(&f, NULL);
    old = fleet_claim(&f, "golden image");
    claim = make_short_claim(&f, 4);
    id = fleet_id(claim.x509);
    c = fleet_connect(&f, &claim, "installer's phone");
    d = fleet_create(c, PROV_JSON, "pump");
    fleet_register(c, PROV_JSON, &d, "1");
    unfinished = fleet_create(c, PROV_JSON, "pump");
    expect_closed(c);
    mqtt_free(c);
    link = rig_link(&f.rig, &claim, "installer's phone");
    link.options.tls = &link.tls;
    c = mqtt_start(&link.options);
    assert_true(mqtt_wait_connack(c) != 0);
    mqtt_free(c);
    fleet_wait_deleted(&f, &id);
    c = mqtt_start(&link.options);
    assert_true(mqtt_wait_connack(c) != 0);
    mqtt_free(c);
    assert_true(mqtt_ping(old));
    mqtt_free(old);
    c = fleet_join(&f, &d, "1"); /* what it provisioned stays */
    mqtt_free(c);
    fleet_check(&f);
    fleet_device_free(&d);
    fleet_device_free(&unfinished);
    pki_free(&claim);
    fleet_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trusted_user_s_claim_is_for_its_template_alone_and_in_no_list),
        cmocka_unit_test(trusted_user_s_session_is_closed_at_its_end_and_no_other_begins),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
