/* Who is let in: admission in the handshake and at CONNECT (design D1, reference 5.7). */
#include "support/reg_fixture.h"

#include <openssl/x509v3.h>

#include "core/flow.h"
#include "core/ident.h"
#include "core/reg.h"
#include "support/alloc.h"

static struct prov_decision admit_with(struct reg *r, struct prov_issuers *issuers, X509 *leaf)
{
    struct prov_decision d;
    struct prov_id id;

    assert_int_equal(prov_ident_id(leaf, &id), PROV_OK);
    reg_ok(r, prov_flow_admit(issuers, &r->tx, leaf, &id, &d));
    assert_id(&d.cert, &id);
    assert_int_equal(d.reason == PROV_REASON_NONE,
                     d.outcome == PROV_KNOWN || d.outcome == PROV_NEW);
    return d;
}

static struct prov_decision admit(struct reg *r, const struct pki_cert *leaf)
{
    struct prov_issuers *issuers;
    struct prov_decision d;

    assert_int_equal(prov_issuers_new(&issuers), PROV_OK);
    d = admit_with(r, issuers, leaf->x509);
    prov_issuers_free(issuers);
    return d;
}

static void assert_decision(struct prov_decision d, enum prov_outcome outcome,
                            enum prov_reason reason)
{
    assert_int_equal(d.outcome, outcome);
    assert_string_equal(prov_reason_info(d.reason)->name, prov_reason_info(reason)->name);
}

static void spoil_subject_names(X509 *cert)
{
    reg_spoil_extension(cert, NID_subject_alt_name);
}

static void spoil_validity(X509 *cert)
{
    assert_int_equal(ASN1_STRING_set(X509_getm_notAfter(cert), "tomorrow", -1), 1);
}

/* A leaf that nobody registered, under a CA that admits. */
static void unknown_leaf_is_new_when_it_is_good_enough(void **state)
{
    static const struct {
        const char *what;
        struct pki_spec spec;
        enum prov_reason reason; /* PROV_REASON_NONE: new */
    } rows[] = {
        { "P-256", { .key = PKI_P256 }, PROV_REASON_NONE },
        { "P-384", { .key = PKI_P384 }, PROV_REASON_NONE },
        { "RSA-2048", { .key = PKI_RSA_2048 }, PROV_REASON_NONE },
        { "version 1", { .v1 = true }, PROV_REASON_NONE },
        { "clientAuth", { .eku = "clientAuth" }, PROV_REASON_NONE },
        { "clientAuth and serverAuth", { .eku = "serverAuth,clientAuth" }, PROV_REASON_NONE },
        { "valid from now", { .not_before_s = 0, .not_after_s = 9 }, PROV_REASON_NONE },
        { "valid until now", { .not_before_s = -9, .not_after_s = 0 }, PROV_REASON_NONE },
        { "RSA-1024", { .key = PKI_RSA_1024 }, PROV_REASON_KEY_WEAK },
        { "secp256k1", { .key = PKI_P256K1 }, PROV_REASON_KEY_WEAK },
        { "Ed25519", { .key = PKI_ED25519 }, PROV_REASON_KEY_KIND },
        { "SHA-1", { .digest = "SHA1" }, PROV_REASON_SIGNATURE_ALGORITHM },
        { "CA:TRUE", { .ca = true }, PROV_REASON_LEAF_IS_CA },
        { "serverAuth alone", { .eku = "serverAuth" }, PROV_REASON_USAGE },
        { "for encryption", { .key_usage = "keyEncipherment" }, PROV_REASON_USAGE },
        { "critical extension", { .unknown_critical = true }, PROV_REASON_CRITICAL_EXTENSION },
        { "validity that is none", { .edit = spoil_validity }, PROV_REASON_MALFORMED },
        { "not yet valid", { .not_before_s = 1, .not_after_s = 9 }, PROV_REASON_NOT_YET_VALID },
        { "expired", { .not_before_s = -9, .not_after_s = -1 }, PROV_REASON_EXPIRED },
    };
    struct reg *r = *state;
    struct pki_cert ca = reg_pki_ca(r, "/CN=Root");
    const struct prov_id ca_id = reg_ca(r, &ca, NULL);

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct pki_spec spec = rows[i].spec;
        struct prov_decision d;
        struct pki_cert leaf;

        spec.subject = "/CN=dev-1";
        spec.issuer = &ca;
        leaf = reg_pki(r, &spec);
        d = admit(r, &leaf);
        print_message("%s: %s\n", rows[i].what, prov_reason_info(d.reason)->name);
        assert_decision(d, rows[i].reason == PROV_REASON_NONE ? PROV_NEW : PROV_REFUSED,
                        rows[i].reason);
        assert_id(&d.ca, &ca_id);
        pki_free(&leaf);
    }
    pki_free(&ca);
}

static void ca_admits_new_devices_or_says_why_not(void **state)
{
    static const struct {
        bool active, auto_registration;
        int at_s; /* the CA ends at 100 */
        enum prov_reason reason;
    } rows[] = {
        { true, true, 0, PROV_REASON_NONE },
        { true, true, 100, PROV_REASON_NONE },
        { true, true, 101, PROV_REASON_CA_EXPIRED },
        { false, true, 0, PROV_REASON_CA_INACTIVE },
        { true, false, 0, PROV_REASON_NO_AUTO_REGISTRATION },
        { false, false, 101, PROV_REASON_CA_INACTIVE },
    };
    struct reg *r = *state;
    struct pki_cert ca = reg_pki(
        r, &(struct pki_spec){
               .subject = "/CN=Root", .ca = true, .not_before_s = -100, .not_after_s = 100 });
    struct pki_cert leaf = reg_pki_leaf(r, &ca, "/CN=dev-1");
    const struct prov_id ca_id = reg_ca(r, &ca, NULL);
    struct prov_decision d;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        reg_ca_state(r, &ca_id, rows[i].active, rows[i].auto_registration);
        reg_at(r, rows[i].at_s);
        d = admit(r, &leaf);
        assert_decision(d, rows[i].reason == PROV_REASON_NONE ? PROV_NEW : PROV_REFUSED,
                        rows[i].reason);
        assert_id(&d.ca, &ca_id);
    }
    pki_free(&leaf);
    pki_free(&ca);
}

static void leaf_of_nobody_registered_is_foreign(void **state)
{
    struct reg *r = *state;
    struct pki_cert ca = reg_pki_ca(r, "/CN=Root"), other = reg_pki_ca(r, "/CN=Other");
    struct pki_cert impostor = pki_impostor(&ca);
    struct pki_cert genuine = reg_pki_leaf(r, &ca, "/CN=dev-1");
    struct pki_cert unknown = reg_pki_leaf(r, &other, "/CN=dev-1");
    struct pki_cert fake = reg_pki_leaf(r, &impostor, "/CN=dev-1");
    struct pki_cert alone = reg_pki_leaf(r, NULL, "/CN=dev-1");
    const struct prov_id ca_id = reg_ca(r, &ca, NULL);
    struct prov_decision d;

    assert_decision(admit(r, &genuine), PROV_NEW, PROV_REASON_NONE);
    d = admit(r, &unknown);
    assert_decision(d, PROV_FOREIGN, PROV_REASON_UNKNOWN_ISSUER);
    assert_true(prov_id_is_zero(&d.ca));
    d = admit(r, &fake);
    assert_decision(d, PROV_FOREIGN, PROV_REASON_ISSUER_KEY);
    assert_true(prov_id_is_zero(&d.ca));
    assert_decision(admit(r, &alone), PROV_FOREIGN, PROV_REASON_UNKNOWN_ISSUER);
    reg_ca_state(r, &ca_id, false, true);
    assert_decision(admit(r, &fake), PROV_FOREIGN, PROV_REASON_ISSUER_KEY);
    reg_ok(r, prov_ca_delete(&r->tx, &ca_id));
    assert_decision(admit(r, &genuine), PROV_FOREIGN, PROV_REASON_UNKNOWN_ISSUER);
    pki_free(&alone);
    pki_free(&fake);
    pki_free(&unknown);
    pki_free(&genuine);
    pki_free(&impostor);
    pki_free(&other);
    pki_free(&ca);
}

/* OpenSSL checks no signature of what it cannot read, so nobody can be said to have signed it. */
static void leaf_that_cannot_be_read_is_foreign_as_malformed(void **state)
{
    struct reg *r = *state;
    struct pki_cert ca = reg_pki_ca(r, "/CN=Root");
    struct pki_cert leaf = reg_pki(
        r,
        &(struct pki_spec){ .subject = "/CN=dev-1", .issuer = &ca, .edit = spoil_subject_names });

    assert_decision(admit(r, &leaf), PROV_FOREIGN, PROV_REASON_UNKNOWN_ISSUER);
    (void)reg_ca(r, &ca, NULL);
    assert_decision(admit(r, &leaf), PROV_FOREIGN, PROV_REASON_MALFORMED);
    pki_free(&leaf);
    pki_free(&ca);
}

static void registered_certificate_is_decided_by_its_record(void **state)
{
    static const struct {
        unsigned status;
        int at_s; /* it is valid from -100 to 100 */
        enum prov_outcome outcome;
        enum prov_reason reason;
    } rows[] = {
        { PROV_CERT_ACTIVE, 0, PROV_KNOWN, PROV_REASON_NONE },
        { PROV_CERT_ACTIVE, 100, PROV_KNOWN, PROV_REASON_NONE },
        { PROV_CERT_ACTIVE, 101, PROV_REFUSED, PROV_REASON_EXPIRED },
        { PROV_CERT_ACTIVE, -101, PROV_REFUSED, PROV_REASON_NOT_YET_VALID },
        { PROV_CERT_PENDING_ACTIVATION, 0, PROV_NEW, PROV_REASON_NONE },
        { PROV_CERT_PENDING_ACTIVATION, 101, PROV_REFUSED, PROV_REASON_EXPIRED },
        { PROV_CERT_INACTIVE, 0, PROV_REFUSED, PROV_REASON_CERT_INACTIVE },
        { PROV_CERT_INACTIVE, 101, PROV_REFUSED, PROV_REASON_CERT_INACTIVE },
        { PROV_CERT_REVOKED, 0, PROV_REFUSED, PROV_REASON_CERT_REVOKED },
        { PROV_CERT_REVOKED, 101, PROV_REFUSED, PROV_REASON_CERT_REVOKED },
        { PROV_CERT_PENDING_TRANSFER, 0, PROV_REFUSED, PROV_REASON_CERT_PENDING_TRANSFER },
        { 77, 0, PROV_REFUSED, PROV_REASON_CERT_INACTIVE },
    };
    struct reg *r = *state;
    struct pki_cert ca = reg_pki_ca(r, "/CN=Root");
    struct pki_cert leaf = reg_pki(
        r, &(struct pki_spec){
               .subject = "/CN=dev-1", .issuer = &ca, .not_before_s = -100, .not_after_s = 100 });
    const struct prov_cert_registration reg = { .der = reg_der(r, &leaf) };
    const struct prov_id ca_id = reg_ca(r, &ca, NULL);
    struct prov_id id;

    reg_ok(r, prov_cert_register(&r->tx, &reg, &id));
    reg_ca_state(r, &ca_id, false, false); /* keeps out new ones alone (reference 4.3) */
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct prov_decision d;

        reg_raw_status(r, &id, rows[i].status);
        reg_at(r, rows[i].at_s);
        d = admit(r, &leaf);
        assert_decision(d, rows[i].outcome, rows[i].reason);
        assert_id(&d.ca, &ca_id);
    }
    pki_free(&leaf);
    pki_free(&ca);
}

static void certificate_registered_without_a_ca_is_known(void **state)
{
    struct reg *r = *state;
    struct pki_cert leaf = reg_pki_leaf(r, NULL, "/CN=dev-1");
    const struct prov_cert_registration reg = { .der = reg_der(r, &leaf),
                                                .without_ca = true,
                                                .status = PROV_CERT_ACTIVE };
    struct prov_decision d;
    struct prov_id id;

    reg_ok(r, prov_cert_register(&r->tx, &reg, &id));
    d = admit(r, &leaf);
    assert_decision(d, PROV_KNOWN, PROV_REASON_NONE);
    assert_true(prov_id_is_zero(&d.ca));
    pki_free(&leaf);
}

/* Whoever holds a revoked certificate can write its signature in another way: another id. */
static void twin_of_a_registered_certificate_is_no_new_device(void **state)
{
    struct reg *r = *state;
    struct pki_cert ca = reg_pki_ca(r, "/CN=Root"), leaf = reg_pki_leaf(r, &ca, "/CN=dev-1");
    struct pki_cert twin = pki_twin(&leaf);
    const struct prov_cert_registration reg = { .der = reg_der(r, &leaf),
                                                .status = PROV_CERT_REVOKED };
    struct prov_id id;

    (void)reg_ca(r, &ca, NULL);
    assert_decision(admit(r, &twin), PROV_NEW, PROV_REASON_NONE);
    reg_ok(r, prov_cert_register(&r->tx, &reg, &id));
    assert_decision(admit(r, &twin), PROV_REFUSED, PROV_REASON_ALTERED);
    assert_decision(admit(r, &leaf), PROV_REFUSED, PROV_REASON_CERT_REVOKED);
    pki_free(&twin);
    pki_free(&leaf);
    pki_free(&ca);
}

static void right_one_of_several_cas_of_one_subject_is_found(void **state)
{
    struct reg *r = *state;
    struct pki_cert cas[4];
    struct prov_id ids[4];

    for (size_t i = 0; i < PROV_COUNT(cas); i++) {
        cas[i] = reg_pki(
            r, &(struct pki_spec){ .subject = "/CN=Same", .ca = true, .no_key_ids = i % 2 == 0 });
        ids[i] = reg_ca(r, &cas[i], NULL);
        reg_ca_state(r, &ids[i], true, i != 2);
    }
    for (size_t i = 0; i < PROV_COUNT(cas); i++) {
        struct pki_cert leaf = reg_pki_leaf(r, &cas[i], "/CN=leaf");
        const struct prov_decision d = admit(r, &leaf);

        assert_int_equal(d.outcome, i == 2 ? PROV_REFUSED : PROV_NEW);
        assert_id(&d.ca, &ids[i]);
        pki_free(&leaf);
    }
    for (size_t i = 0; i < PROV_COUNT(cas); i++)
        pki_free(&cas[i]);
}

/* A CA certificate renewed over the same key, whichever way round their ids sort. */
static void renewed_ca_with_the_same_key_takes_over(void **state)
{
    struct reg *r = *state;
    struct pki_cert cas[2], leaf;
    struct prov_id ids[2];
    struct prov_decision d;

    for (size_t i = 0; i < 2; i++) {
        cas[i] = reg_pki(r, &(struct pki_spec){ .subject = "/CN=Root",
                                                .ca = true,
                                                .use_key = pki_key_shared(PKI_P384),
                                                .not_before_s = -100,
                                                .not_after_s = i == 0 ? 100 : 1000 });
        ids[i] = reg_ca(r, &cas[i], NULL);
    }
    leaf = reg_pki_leaf(r, &cas[0], "/CN=leaf");
    for (size_t off = 0; off < 2; off++) {
        reg_ca_state(r, &ids[off], false, true);
        d = admit(r, &leaf);
        assert_decision(d, PROV_NEW, PROV_REASON_NONE);
        assert_id(&d.ca, &ids[1 - off]);
        reg_ca_state(r, &ids[off], true, true);
    }
    reg_at(r, 500); /* the old one has expired */
    d = admit(r, &leaf);
    assert_decision(d, PROV_NEW, PROV_REASON_NONE);
    assert_id(&d.ca, &ids[1]);
    reg_ca_state(r, &ids[1], false, true);
    assert_int_equal(admit(r, &leaf).outcome, PROV_REFUSED);
    pki_free(&leaf);
    pki_free(&cas[0]);
    pki_free(&cas[1]);
}

#define MANY_CAS 70 /* more than the issuers' cache holds */

static void more_cas_than_are_kept_decoded_are_all_found(void **state)
{
    struct reg *r = *state;
    struct pki_cert leaves[MANY_CAS];
    struct prov_id ids[MANY_CAS];
    struct prov_issuers *issuers;
    char subject[32];

    assert_int_equal(prov_issuers_new(&issuers), PROV_OK);
    for (size_t i = 0; i < MANY_CAS; i++) {
        struct pki_cert ca;

        (void)snprintf(subject, sizeof subject, "/CN=Root %u", (unsigned)i);
        ca = reg_pki_ca(r, subject);
        ids[i] = reg_ca(r, &ca, NULL);
        leaves[i] = reg_pki_leaf(r, &ca, "/CN=leaf");
        pki_free(&ca);
    }
    for (size_t i = 0; i < 3 * MANY_CAS; i++) {
        const size_t at = i * 7 % MANY_CAS;
        const struct prov_decision d = admit_with(r, issuers, leaves[at].x509);

        assert_decision(d, PROV_NEW, PROV_REASON_NONE);
        assert_id(&d.ca, &ids[at]);
    }
    for (size_t i = 0; i < MANY_CAS; i++)
        pki_free(&leaves[i]);
    prov_issuers_free(issuers);
    prov_issuers_free(NULL);
}

static void what_cannot_be_read_is_an_error_and_a_refusal(void **state)
{
    struct reg *r = *state;
    struct pki_cert ca = reg_pki_ca(r, "/CN=Root"), leaf = reg_pki_leaf(r, &ca, "/CN=dev-1");
    const struct prov_id ca_id = reg_ca(r, &ca, NULL);
    struct prov_issuers *issuers;
    struct prov_decision d;
    struct prov_id id;
    struct prov_ca record;

    assert_int_equal(prov_issuers_new(&issuers), PROV_OK);
    assert_int_equal(prov_ident_id(leaf.x509, &id), PROV_OK);
    reg_commit(r);
    reg_ok(r, reg_put_bytes(&r->tx, REG_CERT, prov_id_span(&id), S("\x01")));
    reg_refused(r, prov_flow_admit(issuers, &r->tx, leaf.x509, &id, &d), PROV_ESTORE,
                "InternalFailureException");
    assert_decision(d, PROV_REFUSED, PROV_REASON_STORE);
    reg_abort(r);
    reg_ok(r, reg_put_bytes(&r->tx, REG_CA, prov_id_span(&ca_id), S("\x01")));
    reg_refused(r, prov_flow_admit(issuers, &r->tx, leaf.x509, &id, &d), PROV_ESTORE,
                "InternalFailureException");
    assert_decision(d, PROV_REFUSED, PROV_REASON_STORE);
    reg_abort(r);
    reg_ok(r, prov_ca_get(&r->tx, &ca_id, &record));
    record.der.n--;
    reg_ok(r, reg_put(&r->tx, REG_CA, &reg_ca_record, prov_id_span(&ca_id), &record));
    assert_int_equal(prov_flow_admit(issuers, &r->tx, leaf.x509, &id, &d), PROV_ESTORE);
    assert_decision(d, PROV_REFUSED, PROV_REASON_STORE);
    reg_abort(r);
    assert_decision(admit_with(r, issuers, leaf.x509), PROV_NEW, PROV_REASON_NONE);
    prov_issuers_free(issuers);
    pki_free(&leaf);
    pki_free(&ca);
}

static void client_ids_are_short_utf8_and_not_the_servers(void **state)
{
    char longest[PROV_MAX_CLIENT_ID + 1];

    (void)state;
    memset(longest, 'x', sizeof longest);
    assert_true(prov_flow_client_id_ok(S("dev-1")));
    assert_true(prov_flow_client_id_ok(S("\xc3\xa4 $")));
    assert_true(prov_flow_client_id_ok(prov_span(longest, PROV_MAX_CLIENT_ID)));
    assert_false(prov_flow_client_id_ok(prov_span(longest, PROV_MAX_CLIENT_ID + 1)));
    assert_false(prov_flow_client_id_ok(NONE));
    assert_false(prov_flow_client_id_ok(S("$GEN/1")));
    assert_false(prov_flow_client_id_ok(S("\xff")));
}

static enum prov_rc try_admission(struct reg *r, void *ctx)
{
    const struct pki_cert *leaf = ctx;
    struct prov_issuers *issuers = NULL;
    struct prov_decision d;
    struct prov_id id;
    enum prov_rc rc;

    rc = prov_ident_id(leaf->x509, &id);
    if (rc == PROV_OK)
        rc = prov_issuers_new(&issuers);
    if (rc != PROV_OK)
        return rc;
    rc = prov_flow_admit(issuers, &r->tx, leaf->x509, &id, &d);
    assert_true(rc == PROV_OK ? d.outcome != PROV_KNOWN : d.outcome == PROV_REFUSED);
    prov_issuers_free(issuers);
    return rc == PROV_OK && d.outcome != PROV_NEW ? PROV_EBUG : rc; /* OpenSSL's failures */
}

static void admission_without_memory_is_a_refusal(void **state)
{
    struct reg *r = *state;
    struct pki_cert ca = reg_pki_ca(r, "/CN=Root"), leaf = reg_pki_leaf(r, &ca, "/CN=dev-1");

    (void)reg_ca(r, &ca, NULL);
    assert_true(reg_each_allocation(r, try_admission, &leaf) > 0);
    assert_true(reg_each_openssl_allocation(r, try_admission, &leaf) > 10);
    pki_free(&leaf);
    pki_free(&ca);
}

static const struct CMUnitTest flow[] = {
    REG_TEST(unknown_leaf_is_new_when_it_is_good_enough),
    REG_TEST(ca_admits_new_devices_or_says_why_not),
    REG_TEST(leaf_of_nobody_registered_is_foreign),
    REG_TEST(leaf_that_cannot_be_read_is_foreign_as_malformed),
    REG_TEST(registered_certificate_is_decided_by_its_record),
    REG_TEST(certificate_registered_without_a_ca_is_known),
    REG_TEST(twin_of_a_registered_certificate_is_no_new_device),
    REG_TEST(right_one_of_several_cas_of_one_subject_is_found),
    REG_TEST(renewed_ca_with_the_same_key_takes_over),
    REG_TEST(more_cas_than_are_kept_decoded_are_all_found),
    REG_TEST(what_cannot_be_read_is_an_error_and_a_refusal),
    REG_TEST(client_ids_are_short_utf8_and_not_the_servers),
    REG_TEST(admission_without_memory_is_a_refusal),
};
REG_MAIN(flow)
