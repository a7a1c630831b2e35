/* Device certificates (reference 5). */
#include "support/reg_fixture.h"

#include <openssl/x509.h>

#include "core/reg.h"
#include "support/alloc.h"

#define BAD_CERT "CertificateValidationException"
#define INVALID "InvalidRequestException"
#define STATE "CertificateStateException"
#define NOT_FOUND "ResourceNotFoundException"

static struct prov_cert get(struct reg *r, const struct prov_id *id)
{
    struct prov_cert cert;

    reg_ok(r, prov_cert_get(&r->tx, id, &cert));
    return cert;
}

static void assert_ca(struct reg *r, const struct prov_id *id, const struct prov_id *expected)
{
    const struct prov_cert cert = get(r, id);

    assert_id(&cert.ca_id, expected);
}

static struct prov_cert_registration asked(struct reg *r, const struct pki_cert *leaf)
{
    return (struct prov_cert_registration){ .der = reg_der(r, leaf), .status = PROV_CERT_ACTIVE };
}

static void deactivate_ca(struct reg *r, const struct prov_id *ca)
{
    reg_ok(r, prov_ca_update(&r->tx, ca, &(struct prov_ca_change){ .active = &(bool){ false } }));
}

/* ---- registration ---------------------------------------------------------------------------- */

static void certificate_is_registered_under_the_ca_that_signed_it(void **state)
{
    struct reg *r = *state;
    struct pki_cert ca = reg_pki_ca(r, "/CN=Root"), leaf = reg_pki_leaf(r, &ca, "/O=x/CN=dev-1");
    const struct prov_cert_registration reg = asked(r, &leaf);
    const struct prov_id ca_id = reg_ca(r, &ca, NULL);
    struct prov_id id, expected;
    struct prov_cert cert;
    struct prov_span der;
    char hex[PROV_ID_HEX + 1];

    (void)reg_feed(r);
    reg_ok(r, prov_cert_register(&r->tx, &reg, &id));
    reg_commit(r);
    assert_int_equal(prov_ident_id(leaf.x509, &expected), PROV_OK);
    assert_id(&id, &expected);
    cert = get(r, &id);
    assert_id(&cert.id, &id);
    assert_id(&cert.ca_id, &ca_id);
    assert_int_equal(cert.status, PROV_CERT_ACTIVE);
    assert_int_equal(cert.mode, PROV_MODE_SNI_ONLY);
    assert_int_equal(cert.not_before_s, REG_T0 - 86400);
    assert_int_equal(cert.not_after_s, REG_T0 + INT64_C(3650) * 86400);
    assert_int_equal(cert.created_ms, REG_T0 * 1000);
    assert_int_equal(cert.modified_ms, REG_T0 * 1000);
    assert_span(cert.common_name, "dev-1");
    assert_int_equal(cert.n_policies, 0);
    assert_int_equal(cert.n_things, 0);
    assert_false(cert.exclusive);
    reg_ok(r, prov_cert_der(&r->tx, &id, &der));
    assert_true(prov_span_eq(der, reg.der));
    prov_id_hex(&id, hex);
    assert_string_equal(reg_list(r, PROV_LIST_CERTS_OF_CA, prov_id_span(&ca_id), NONE), hex);
    assert_string_equal(reg_feed(r), "cert");
    assert_string_equal(reg_problems(r), "");
    reg_refused(r, prov_cert_register(&r->tx, &reg, &id), PROV_ECONFLICT,
                "ResourceAlreadyExistsException");
    pki_free(&leaf);
    pki_free(&ca);
}

static void certificate_takes_the_mode_of_its_ca(void **state)
{
    char code[PROV_ID_HEX + 1];
    struct reg *r = *state;
    struct pki_cert ca = reg_pki_ca(r, "/CN=Root"), leaf = reg_pki_leaf(r, &ca, "/CN=dev-1");
    const struct prov_cert_registration reg = asked(r, &leaf);
    struct pki_cert proof;
    struct prov_id id;

    reg_ok(r, prov_registration_code(&r->tx, code));
    proof = pki_verification(&ca, code);
    reg_ok(r,
           prov_ca_register(&r->tx,
                            &(struct prov_ca_registration){ .der = reg_der(r, &ca),
                                                            .verification_der = reg_der(r, &proof),
                                                            .active = true },
                            &id));
    reg_ok(r, prov_cert_register(&r->tx, &reg, &id));
    assert_int_equal(get(r, &id).mode, PROV_MODE_DEFAULT);
    pki_free(&proof);
    pki_free(&leaf);
    pki_free(&ca);
}

static void certificate_of_no_registered_ca_is_refused_unless_without_one(void **state)
{
    struct reg *r = *state;
    struct pki_cert ca = reg_pki_ca(r, "/CN=Root"), leaf = reg_pki_leaf(r, &ca, "/CN=dev-1");
    struct pki_cert impostor = pki_impostor(&ca), fake = reg_pki_leaf(r, &impostor, "/CN=dev-2");
    struct prov_cert_registration reg = asked(r, &leaf);
    struct prov_id id;

    reg_refused(r, prov_cert_register(&r->tx, &reg, &id), PROV_EDENIED, BAD_CERT);
    (void)reg_ca(r, &ca, NULL);
    reg_ok(r, prov_cert_register(&r->tx, &reg, &id));
    reg = asked(r, &fake);
    reg_refused(r, prov_cert_register(&r->tx, &reg, &id), PROV_EDENIED, BAD_CERT);
    reg.without_ca = true;
    reg_ok(r, prov_cert_register(&r->tx, &reg, &id));
    assert_ca(r, &id, &(struct prov_id){ { 0 } });
    assert_int_equal(get(r, &id).mode, PROV_MODE_SNI_ONLY);
    assert_string_equal(reg_problems(r), "");
    pki_free(&fake);
    pki_free(&impostor);
    pki_free(&leaf);
    pki_free(&ca);
}

static void inactive_ca_brings_in_no_certificate(void **state)
{
    struct reg *r = *state;
    struct pki_cert ca = reg_pki_ca(r, "/CN=Root"), leaf = reg_pki_leaf(r, &ca, "/CN=dev-1");
    struct prov_cert_registration reg = asked(r, &leaf);
    const struct prov_id ca_id = reg_ca(r, &ca, NULL);
    struct prov_id id;

    deactivate_ca(r, &ca_id);
    reg_refused(r, prov_cert_register(&r->tx, &reg, &id), PROV_EDENIED, STATE);
    reg.ca_der = reg_der(r, &ca);
    reg_refused(r, prov_cert_register(&r->tx, &reg, &id), PROV_EDENIED, STATE);
    pki_free(&leaf);
    pki_free(&ca);
}

/* Auto-registration is about first contacts alone, and a CA's end too (section 13, 9). */
static void operator_registers_what_auto_registration_would_not(void **state)
{
    struct reg *r = *state;
    struct pki_cert ca =
        reg_pki(r, &(struct pki_spec){
                       .subject = "/CN=Root", .ca = true, .not_before_s = -9, .not_after_s = 9 });
    struct pki_cert leaf = reg_pki_leaf(r, &ca, "/CN=dev-1");
    const struct prov_cert_registration reg = asked(r, &leaf);
    const struct prov_id ca_id = reg_ca(r, &ca, NULL);
    struct prov_id id;

    reg_ok(r, prov_ca_update(&r->tx, &ca_id,
                             &(struct prov_ca_change){ .auto_registration = &(bool){ false } }));
    reg_at(r, 10);
    reg_ok(r, prov_cert_register(&r->tx, &reg, &id));
    pki_free(&leaf);
    pki_free(&ca);
}

static void ca_given_with_a_certificate_must_be_registered_and_its_issuer(void **state)
{
    struct reg *r = *state;
    struct pki_cert ca = reg_pki_ca(r, "/CN=Root"), other = reg_pki_ca(r, "/CN=Root");
    struct pki_cert unknown = reg_pki_ca(r, "/CN=Root"), leaf = reg_pki_leaf(r, &ca, "/CN=dev-1");
    struct prov_cert_registration reg = asked(r, &leaf);
    const struct prov_id ca_id = reg_ca(r, &ca, NULL);
    struct prov_id id;

    (void)reg_ca(r, &other, NULL);
    reg.ca_der = reg_der(r, &other);
    reg_refused(r, prov_cert_register(&r->tx, &reg, &id), PROV_EDENIED, BAD_CERT);
    reg.ca_der = reg_der(r, &unknown);
    reg_refused(r, prov_cert_register(&r->tx, &reg, &id), PROV_ENOTFOUND, NOT_FOUND);
    reg.ca_der = S("no certificate");
    reg_refused(r, prov_cert_register(&r->tx, &reg, &id), PROV_EINVAL, BAD_CERT);
    reg.ca_der = reg_der(r, &ca);
    reg_ok(r, prov_cert_register(&r->tx, &reg, &id));
    assert_ca(r, &id, &ca_id);
    pki_free(&leaf);
    pki_free(&unknown);
    pki_free(&other);
    pki_free(&ca);
}

static void right_one_of_several_cas_of_one_subject_is_found_by_its_key(void **state)
{
    struct reg *r = *state;
    struct pki_cert cas[4], leaf;
    struct prov_cert_registration reg;
    struct prov_id ids[4], id;

    for (size_t i = 0; i < PROV_COUNT(cas); i++) {
        /* without key identifiers too, so that only the signature tells */
        cas[i] = reg_pki(
            r, &(struct pki_spec){ .subject = "/CN=Same", .ca = true, .no_key_ids = i % 2 == 0 });
        ids[i] = reg_ca(r, &cas[i], NULL);
    }
    for (size_t i = 0; i < PROV_COUNT(cas); i++) {
        leaf = reg_pki_leaf(r, &cas[i], "/CN=leaf");
        reg = asked(r, &leaf);
        reg_ok(r, prov_cert_register(&r->tx, &reg, &id));
        assert_ca(r, &id, &ids[i]);
        pki_free(&leaf);
    }
    for (size_t i = 0; i < PROV_COUNT(cas); i++)
        pki_free(&cas[i]);
}

/* A CA certificate renewed over the same key: whichever of the two is ACTIVE counts. */
static void renewed_ca_with_the_same_key_takes_over(void **state)
{
    struct reg *r = *state;
    struct pki_spec spec = { .subject = "/CN=Root", .ca = true };
    struct pki_cert cas[2], leaf;
    struct prov_cert_registration reg;
    struct prov_id ids[2], id;

    spec.use_key = pki_key_shared(PKI_P384);
    for (size_t i = 0; i < 2; i++) {
        cas[i] = reg_pki(r, &spec);
        ids[i] = reg_ca(r, &cas[i], NULL);
    }
    for (size_t off = 0; off < 2; off++) {
        reg_nest(r);
        deactivate_ca(r, &ids[off]);
        leaf = reg_pki_leaf(r, &cas[off], "/CN=leaf");
        reg = asked(r, &leaf);
        reg_ok(r, prov_cert_register(&r->tx, &reg, &id));
        assert_ca(r, &id, &ids[1 - off]);
        deactivate_ca(r, &ids[1 - off]);
        pki_free(&leaf);
        leaf = reg_pki_leaf(r, &cas[off], "/CN=leaf");
        reg = asked(r, &leaf);
        reg_expect_refused(r, prov_cert_register(&r->tx, &reg, &id), PROV_EDENIED, STATE,
                           "both are off", __FILE__, __LINE__);
        pki_free(&leaf);
    }
    pki_free(&cas[0]);
    pki_free(&cas[1]);
}

/* Reference 5.1. */
static void status_of_a_new_certificate_is_one_of_three(void **state)
{
    static const struct {
        enum prov_cert_status status;
        bool good;
    } rows[] = {
        { PROV_CERT_INACTIVE, true },
        { PROV_CERT_ACTIVE, true },
        { PROV_CERT_REVOKED, true },
        { PROV_CERT_PENDING_TRANSFER, false },
        { PROV_CERT_PENDING_ACTIVATION, false },
    };
    struct reg *r = *state;
    struct prov_id id;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct pki_cert leaf = reg_pki_leaf(r, NULL, "/CN=dev-1");
        const struct prov_cert_registration reg = { .der = reg_der(r, &leaf),
                                                    .without_ca = true,
                                                    .status = rows[i].status };

        if (rows[i].good) {
            reg_ok(r, prov_cert_register(&r->tx, &reg, &id));
            assert_int_equal(get(r, &id).status, rows[i].status);
        } else {
            reg_refused(r, prov_cert_register(&r->tx, &reg, &id), PROV_EDENIED, STATE);
        }
        pki_free(&leaf);
    }
}

/* Reference 5.6 and section 13. */
static void leaf_that_is_not_good_enough_is_refused(void **state)
{
    static const struct {
        const char *what;
        struct pki_spec spec;
        enum prov_rc with_ca, without_ca;
    } rows[] = {
        { "P-256", { .key = PKI_P256 }, PROV_OK, PROV_OK },
        { "version 1", { .v1 = true }, PROV_OK, PROV_OK },
        { "clientAuth", { .eku = "clientAuth" }, PROV_OK, PROV_OK },
        { "not valid yet", { .not_before_s = 9, .not_after_s = 99 }, PROV_OK, PROV_OK },
        { "expires now", { .not_before_s = -9, .not_after_s = 0 }, PROV_OK, PROV_OK },
        { "expired", { .not_before_s = -9, .not_after_s = -1 }, PROV_EEXPIRED, PROV_EEXPIRED },
        { "serverAuth alone", { .eku = "serverAuth" }, PROV_EINVAL, PROV_EINVAL },
        { "for encryption", { .key_usage = "keyEncipherment" }, PROV_EINVAL, PROV_EINVAL },
        { "secp256k1", { .key = PKI_P256K1 }, PROV_EINVAL, PROV_EINVAL },
        { "RSA-1024", { .key = PKI_RSA_1024 }, PROV_EINVAL, PROV_EINVAL },
        { "Ed25519", { .key = PKI_ED25519 }, PROV_EINVAL, PROV_EINVAL },
        { "SHA-1", { .digest = "SHA1" }, PROV_EINVAL, PROV_EINVAL },
        { "critical extension", { .unknown_critical = true }, PROV_EINVAL, PROV_EINVAL },
        { "CA:TRUE", { .ca = true }, PROV_EINVAL, PROV_OK },
        { "CA:TRUE and expired",
          { .ca = true, .not_before_s = -9, .not_after_s = -1 },
          PROV_EINVAL,
          PROV_EEXPIRED },
    };
    struct reg *r = *state;
    struct pki_cert ca = reg_pki(r, &(struct pki_spec){ .ca = true, .pathlen = 0 });

    (void)reg_ca(r, &ca, NULL);
    for (size_t i = 0; i < 2 * PROV_COUNT(rows); i++) {
        struct pki_spec spec = rows[i / 2].spec;
        const bool alone = i % 2 == 1;
        const enum prov_rc rc = alone ? rows[i / 2].without_ca : rows[i / 2].with_ca;
        struct prov_cert_registration reg;
        struct pki_cert leaf;
        struct prov_id id;

        spec.issuer = alone ? NULL : &ca;
        leaf = reg_pki(r, &spec);
        reg = asked(r, &leaf);
        reg.without_ca = alone;
        print_message("%s\n", rows[i / 2].what);
        if (rc == PROV_OK)
            reg_ok(r, prov_cert_register(&r->tx, &reg, &id));
        else
            reg_refused(r, prov_cert_register(&r->tx, &reg, &id), rc, BAD_CERT);
        pki_free(&leaf);
    }
    pki_free(&ca);
}

static void what_is_no_certificate_is_refused(void **state)
{
    struct reg *r = *state;
    struct pki_cert leaf = reg_pki_leaf(r, NULL, "/CN=dev-1");
    struct prov_cert_registration reg = asked(r, &leaf);
    struct prov_id id;

    reg.without_ca = true;
    reg.der.n--;
    reg_refused(r, prov_cert_register(&r->tx, &reg, &id), PROV_EINVAL, BAD_CERT);
    reg.der = NONE;
    reg_refused(r, prov_cert_register(&r->tx, &reg, &id), PROV_EINVAL, BAD_CERT);
    pki_free(&leaf);
}

/* A thousand bytes, two a character from the second byte on, so that every even limit is within
 * one. RFC 5280 allows 64 characters; OpenSSL reads more. */
static void name_at_length(X509 *cert)
{
    X509_NAME *name = X509_NAME_new();
    char cn[1002] = "x";

    for (size_t i = 1; i + 2 < sizeof cn; i += 2)
        memcpy(cn + i, "\xc3\xa4", 3);
    assert_non_null(name);
    assert_int_equal(X509_NAME_add_entry_by_NID(name, NID_commonName, V_ASN1_UTF8STRING,
                                                (const unsigned char *)cn, (int)strlen(cn), -1, 0),
                     1);
    assert_int_equal(X509_set_subject_name(cert, name), 1);
    X509_NAME_free(name);
}

static void very_long_common_name_is_kept_up_to_a_limit(void **state)
{
    struct reg *r = *state;
    struct pki_cert leaf = reg_pki(r, &(struct pki_spec){ .edit = name_at_length });
    struct prov_cert_registration reg = asked(r, &leaf);
    struct prov_id id;
    struct prov_span cn;

    reg.without_ca = true;
    reg_ok(r, prov_cert_register(&r->tx, &reg, &id));
    cn = get(r, &id).common_name;
    assert_int_equal(cn.n, REG_TEXT_MAX - 1);
    assert_true(prov_utf8_valid(cn));
    pki_free(&leaf);
}

/* ---- first contact --------------------------------------------------------------------------- */

static void first_contact_is_recorded_as_pending_under_its_ca(void **state)
{
    struct reg *r = *state;
    struct pki_cert ca = reg_pki_ca(r, "/CN=Root"), leaf = reg_pki_leaf(r, &ca, "/CN=dev-1");
    const struct prov_id ca_id = reg_ca(r, &ca, NULL);
    struct prov_id id;
    struct prov_cert cert;
    struct prov_span der;
    struct prov_ca found;

    (void)reg_feed(r);
    reg_ok(r, prov_ca_get(&r->tx, &ca_id, &found));
    reg_ok(r, prov_cert_record_first_contact(&r->tx, leaf.x509, &found, &id));
    assert_string_equal(reg_feed(r), "cert");
    cert = get(r, &id);
    assert_int_equal(cert.status, PROV_CERT_PENDING_ACTIVATION);
    assert_id(&cert.ca_id, &ca_id);
    assert_int_equal(cert.mode, PROV_MODE_SNI_ONLY);
    assert_span(cert.common_name, "dev-1");
    reg_ok(r, prov_cert_der(&r->tx, &id, &der));
    assert_true(prov_span_eq(der, reg_der(r, &leaf)));
    reg_ok(r, prov_ca_get(&r->tx, &ca_id, &found));
    reg_refused(r, prov_cert_record_first_contact(&r->tx, leaf.x509, &found, &id), PROV_ECONFLICT,
                "ResourceAlreadyExistsException");
    assert_string_equal(reg_problems(r), "");
    pki_free(&leaf);
    pki_free(&ca);
}

/* ---- twins ----------------------------------------------------------------------------------- */

static void certificate_with_another_signature_is_the_same_one(void **state)
{
    struct reg *r = *state;
    struct pki_cert ca = reg_pki_ca(r, "/CN=Root"), leaf = reg_pki_leaf(r, &ca, "/CN=dev-1");
    struct pki_cert twin = pki_twin(&leaf), other = reg_pki_leaf(r, &ca, "/CN=dev-1");
    struct prov_cert_registration reg = asked(r, &leaf);
    const struct prov_id ca_id = reg_ca(r, &ca, NULL);
    struct prov_id id, found;
    struct prov_ca record;

    assert_int_equal(prov_cert_twin(&r->tx, twin.x509, &found), PROV_ENOTFOUND);
    reg_ok(r, prov_cert_register(&r->tx, &reg, &id));
    reg_ok(r, prov_cert_twin(&r->tx, twin.x509, &found));
    assert_id(&found, &id);
    reg_ok(r, prov_cert_twin(&r->tx, leaf.x509, &found));
    assert_id(&found, &id);
    assert_int_equal(prov_cert_twin(&r->tx, other.x509, &found), PROV_ENOTFOUND);
    reg = asked(r, &twin);
    reg_refused(r, prov_cert_register(&r->tx, &reg, &found), PROV_ECONFLICT,
                "ResourceAlreadyExistsException");
    reg_ok(r, prov_ca_get(&r->tx, &ca_id, &record));
    reg_refused(r, prov_cert_record_first_contact(&r->tx, twin.x509, &record, &found),
                PROV_ECONFLICT, "ResourceAlreadyExistsException");
    reg = asked(r, &other);
    reg_ok(r, prov_cert_register(&r->tx, &reg, &found));
    reg_ok(r, prov_cert_set_status(&r->tx, &id, PROV_CERT_REVOKED));
    reg_ok(r, prov_cert_delete(&r->tx, &id, false));
    assert_int_equal(prov_cert_twin(&r->tx, twin.x509, &found), PROV_ENOTFOUND);
    assert_string_equal(reg_problems(r), "");
    pki_free(&other);
    pki_free(&twin);
    pki_free(&leaf);
    pki_free(&ca);
}

/* ---- status (reference 5.4) ------------------------------------------------------------------ */

static void update_certificate_follows_the_transition_table(void **state)
{
    enum { INAC, ACTI, REVO, TRAN, PEND };
    enum { OK, SAME, NO, NEVER };
    static const int table[PROV_CERT_STATUSES][PROV_CERT_STATUSES] = {
        /*           INACTIVE ACTIVE REVOKED PENDING_TRANSFER PENDING_ACTIVATION */
        [INAC] = { SAME, OK, OK, NEVER, NEVER }, [ACTI] = { OK, SAME, OK, NEVER, NEVER },
        [REVO] = { NO, NO, SAME, NEVER, NEVER }, [TRAN] = { NO, NO, NO, NEVER, NEVER },
        [PEND] = { OK, OK, OK, NEVER, NEVER },
    };
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);

    for (unsigned from = 0; from < PROV_CERT_STATUSES; from++) {
        for (unsigned to = 0; to < PROV_CERT_STATUSES; to++) {
            const enum prov_cert_status status = (enum prov_cert_status)to;

            reg_at(r, 0);
            reg_raw_status(r, &id, from);
            (void)reg_feed(r);
            reg_at(r, 60);
            print_message("%s to %s\n", prov_cert_status_name((enum prov_cert_status)from),
                          prov_cert_status_name(status));
            if (table[from][to] == NEVER) {
                reg_refused(r, prov_cert_set_status(&r->tx, &id, status), PROV_EINVAL, INVALID);
            } else if (table[from][to] == NO) {
                reg_refused(r, prov_cert_set_status(&r->tx, &id, status), PROV_EDENIED, STATE);
            } else {
                reg_ok(r, prov_cert_set_status(&r->tx, &id, status));
                assert_int_equal(get(r, &id).status, to);
                assert_string_equal(reg_feed(r), table[from][to] == OK ? "cert" : "");
                assert_int_equal(get(r, &id).modified_ms,
                                 (REG_T0 + (table[from][to] == OK ? 60 : 0)) * 1000);
            }
        }
    }
    reg_raw_status(r, &id, 77);
    reg_refused(r, prov_cert_set_status(&r->tx, &id, PROV_CERT_ACTIVE), PROV_EDENIED, STATE);
    reg_refused(r, prov_cert_set_status(&r->tx, &(struct prov_id){ { 1 } }, PROV_CERT_ACTIVE),
                PROV_ENOTFOUND, NOT_FOUND);
}

static void statuses_have_names_that_parse(void **state)
{
    enum prov_cert_status parsed;

    (void)state;
    for (int i = 0; i < PROV_CERT_STATUSES; i++) {
        const char *name = prov_cert_status_name((enum prov_cert_status)i);

        assert_true(prov_cert_status_parse(S(name), &parsed));
        assert_int_equal(parsed, i);
    }
    assert_true(prov_cert_status_parse(S("revoked"), &parsed));
    assert_int_equal(parsed, PROV_CERT_REVOKED);
    assert_false(prov_cert_status_parse(S("REVOKE"), &parsed));
    assert_false(prov_cert_status_parse(NONE, &parsed));
    assert_string_equal(prov_cert_status_name(PROV_CERT_STATUSES), "UNKNOWN");
}

/* ---- deletion (reference 5.5) ---------------------------------------------------------------- */

static void deletion_follows_the_table_of_preconditions(void **state)
{
    static const struct {
        enum prov_cert_status status;
        bool thing, policy, force;
        const char *code; /* NULL: deleted */
    } rows[] = {
        { PROV_CERT_ACTIVE, false, false, false, STATE },
        { PROV_CERT_ACTIVE, false, false, true, STATE },
        { PROV_CERT_ACTIVE, true, true, true, STATE },
        { PROV_CERT_INACTIVE, false, false, false, NULL },
        { PROV_CERT_REVOKED, false, false, false, NULL },
        { PROV_CERT_PENDING_ACTIVATION, false, false, false, NULL },
        { PROV_CERT_INACTIVE, true, false, false, "DeleteConflictException" },
        { PROV_CERT_INACTIVE, true, false, true, "DeleteConflictException" },
        { PROV_CERT_INACTIVE, false, true, false, "DeleteConflictException" },
        { PROV_CERT_INACTIVE, false, true, true, NULL },
        { PROV_CERT_INACTIVE, true, true, true, "DeleteConflictException" },
    };
    struct reg *r = *state;

    reg_thing(r, "t");
    reg_policy(r, "p");
    reg_policy(r, "q");
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        const struct prov_id id = reg_cert(r);
        struct prov_span der;
        struct prov_cert gone;

        if (rows[i].thing)
            reg_ok(r, prov_thing_attach(&r->tx, S("t"), &id, false));
        if (rows[i].policy) {
            reg_ok(r, prov_policy_attach_cert(&r->tx, S("p"), &id));
            reg_ok(r, prov_policy_attach_cert(&r->tx, S("q"), &id));
        }
        reg_raw_status(r, &id, rows[i].status);
        (void)reg_feed(r);
        if (rows[i].code != NULL) {
            reg_refused(r, prov_cert_delete(&r->tx, &id, rows[i].force), PROV_EDENIED,
                        rows[i].code);
            assert_int_equal(get(r, &id).n_policies, rows[i].policy ? 2 : 0);
        } else {
            reg_ok(r, prov_cert_delete(&r->tx, &id, rows[i].force));
            assert_string_equal(reg_feed(r), rows[i].policy ? "cert cert cert" : "cert");
            reg_refused(r, prov_cert_get(&r->tx, &id, &gone), PROV_ENOTFOUND, NOT_FOUND);
            reg_refused(r, prov_cert_der(&r->tx, &id, &der), PROV_ENOTFOUND, NOT_FOUND);
            reg_refused(r, prov_cert_delete(&r->tx, &id, true), PROV_ENOTFOUND, NOT_FOUND);
        }
        assert_string_equal(reg_problems(r), "");
    }
}

static void deleted_certificate_leaves_its_ca_and_its_clients(void **state)
{
    struct reg *r = *state;
    struct pki_cert ca = reg_pki_ca(r, "/CN=Root"), leaf = reg_pki_leaf(r, &ca, "/CN=dev-1");
    const struct prov_id ca_id = reg_ca(r, &ca, NULL);
    const struct prov_cert_registration reg = { .der = reg_der(r, &leaf) };
    struct prov_id id, bound;

    reg_ok(r, prov_cert_register(&r->tx, &reg, &id));
    reg_ok(r, prov_client_bind(&r->tx, S("a"), &id));
    reg_ok(r, prov_client_bind(&r->tx, S("b"), &id));
    reg_ok(r, prov_cert_delete(&r->tx, &id, false));
    assert_string_equal(reg_list(r, PROV_LIST_CERTS_OF_CA, prov_id_span(&ca_id), NONE), "");
    assert_int_equal(prov_client_get(&r->tx, S("a"), &bound), PROV_ENOTFOUND);
    assert_int_equal(prov_client_get(&r->tx, S("b"), &bound), PROV_ENOTFOUND);
    assert_string_equal(reg_problems(r), "");
    reg_ok(r, prov_cert_register(&r->tx, &reg, &id)); /* as new */
    pki_free(&leaf);
    pki_free(&ca);
}

/* ---- lists ----------------------------------------------------------------------------------- */

static void certificates_are_listed_page_by_page(void **state)
{
    struct reg *r = *state;
    struct prov_id ids[5];
    char hex[PROV_COUNT(ids)][PROV_ID_HEX + 1], expected[5 * (PROV_ID_HEX + 1)] = "";
    uint64_t n;

    for (size_t i = 0; i < PROV_COUNT(ids); i++) { /* sorted as they come */
        size_t at = i;

        ids[i] = reg_cert(r);
        for (; at > 0 && memcmp(ids[at].b, ids[at - 1].b, PROV_ID_LEN) < 0; at--) {
            const struct prov_id swap = ids[at];

            ids[at] = ids[at - 1];
            ids[at - 1] = swap;
        }
    }
    for (size_t i = 0; i < PROV_COUNT(ids); i++)
        prov_id_hex(&ids[i], hex[i]);
    (void)snprintf(expected, sizeof expected, "%s %s %s %s %s", hex[0], hex[1], hex[2], hex[3],
                   hex[4]);
    assert_string_equal(reg_list(r, PROV_LIST_CERTS, NONE, NONE), expected);
    (void)snprintf(expected, sizeof expected, "%s %s", hex[3], hex[4]);
    assert_string_equal(reg_list(r, PROV_LIST_CERTS, NONE, prov_id_span(&ids[2])), expected);
    assert_string_equal(reg_list(r, PROV_LIST_CERTS, NONE, prov_id_span(&ids[4])), "");
    reg_ok(r, prov_list_count(&r->tx, PROV_LIST_CERTS, &n));
    assert_int_equal(n, 5);
}

static bool first_only(void *ctx, struct prov_span key)
{
    unsigned *calls = ctx;

    assert_int_equal(key.n, PROV_ID_LEN);
    ++*calls;
    return false;
}

static void list_ends_when_its_reader_has_enough(void **state)
{
    struct reg *r = *state;
    unsigned calls = 0;

    (void)reg_cert(r);
    (void)reg_cert(r);
    reg_ok(r, prov_list(&r->tx, PROV_LIST_CERTS, NONE, NONE, first_only, &calls));
    assert_int_equal(calls, 1);
}

static void list_of_an_impossible_owner_is_refused(void **state)
{
    struct reg *r = *state;
    char longest[PROV_MAX_NAME + 1];
    uint8_t after[PROV_STORE_KEY_MAX + 1];

    memset(longest, 'x', sizeof longest);
    memset(after, 0xff, sizeof after);
    reg_refused(r, prov_list(&r->tx, PROV_LIST_CERTS_OF_CA, NONE, NONE, first_only, NULL),
                PROV_EINVAL, INVALID);
    reg_refused(r, prov_list(&r->tx, PROV_LIST_CERTS_OF_CA, S("abc"), NONE, first_only, NULL),
                PROV_EINVAL, INVALID);
    reg_refused(r,
                prov_list(&r->tx, PROV_LIST_THINGS_OF_GROUP, prov_span(longest, sizeof longest),
                          NONE, first_only, NULL),
                PROV_EINVAL, INVALID);
    reg_refused(
        r,
        prov_list(&r->tx, PROV_LIST_CERTS, NONE, prov_span(after, sizeof after), first_only, NULL),
        PROV_EINVAL, INVALID);
    assert_string_equal(reg_list(r, PROV_LIST_CERTS, NONE, prov_span(after, sizeof after - 1)), "");
    assert_string_equal(reg_list(r, PROV_LIST_THINGS_OF_GROUP, NONE, NONE), "");
    assert_string_equal(reg_list(r, PROV_LIST_VERSIONS_OF_POLICY, NONE, NONE), "");
    assert_int_equal(prov_list_count(&r->tx, PROV_LIST_CERTS_OF_CA, &(uint64_t){ 0 }), PROV_EBUG);
}

/* ---- failures -------------------------------------------------------------------------------- */

static void plant(struct reg *r, enum reg_table table, struct prov_span key, struct prov_span value)
{
    reg_ok(r, reg_put_bytes(&r->tx, table, key, value));
}

static void certificate_whose_der_is_gone_is_deleted_and_registered_again(void **state)
{
    static const struct prov_span wrong[] = { { NULL, 0 }, PROV_LIT("no certificate") };
    struct reg *r = *state;
    struct pki_cert leaf = reg_pki_leaf(r, NULL, "/CN=dev-1");
    struct prov_cert_registration reg = { .der = reg_der(r, &leaf), .without_ca = true };
    struct prov_id id, found;
    uint8_t key[8];

    for (size_t i = 0; i < PROV_COUNT(wrong); i++) {
        reg_ok(r, prov_cert_register(&r->tx, &reg, &id));
        reg_be64((uint64_t)get(r, &id).der_number, key);
        reg_ok(r, reg_del(&r->tx, REG_CERT_DER, prov_span(key, sizeof key)));
        if (wrong[i].n != 0)
            plant(r, REG_CERT_DER, prov_span(key, sizeof key), wrong[i]);
        reg_ok(r, prov_cert_delete(&r->tx, &id, false));
        assert_int_equal(prov_cert_twin(&r->tx, leaf.x509, &found), PROV_ENOTFOUND);
    }
    reg_ok(r, prov_cert_register(&r->tx, &reg, &id));
    reg_ok(r, prov_cert_twin(&r->tx, leaf.x509, &found));
    assert_string_equal(reg_problems(r), "");
    pki_free(&leaf);
}

static void damaged_record_is_an_error_that_says_so(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = reg_cert(r);
    struct prov_cert cert;

    plant(r, REG_CERT, prov_id_span(&id), PROV_LIT("\x01"));
    reg_refused(r, prov_cert_get(&r->tx, &id, &cert), PROV_ESTORE, "InternalFailureException");
}

struct work {
    struct prov_cert_registration reg;
    X509 *leaf;
    struct prov_id ca_id, id;
};

static enum prov_rc register_cert(struct reg *r, void *ctx)
{
    struct work *w = ctx;

    return prov_cert_register(&r->tx, &w->reg, &w->id);
}

static enum prov_rc record_contact(struct reg *r, void *ctx)
{
    struct work *w = ctx;
    struct prov_ca ca;
    enum prov_rc rc;

    rc = prov_ca_get(&r->tx, &w->ca_id, &ca);
    return rc != PROV_OK ? rc : prov_cert_record_first_contact(&r->tx, w->leaf, &ca, &w->id);
}

static enum prov_rc revoke_and_delete(struct reg *r, void *ctx)
{
    struct work *w = ctx;
    const enum prov_rc rc = prov_cert_set_status(&r->tx, &w->id, PROV_CERT_REVOKED);

    return rc != PROV_OK ? rc : prov_cert_delete(&r->tx, &w->id, true);
}

static void failure_of_any_step_leaves_nothing_behind(void **state)
{
    struct reg *r = *state;
    struct pki_cert ca = reg_pki_ca(r, "/CN=Root"), leaf = reg_pki_leaf(r, &ca, "/CN=dev-1");
    struct work w = { .reg = asked(r, &leaf), .leaf = leaf.x509 };

    w.ca_id = reg_ca(r, &ca, NULL);
    reg_policy(r, "p");
    reg_policy(r, "q");
    assert_true(reg_each_allocation(r, register_cert, &w) > 4);
    assert_true(reg_each_allocation(r, record_contact, &w) > 4);
    if (!r->lmdb) {
        assert_true(reg_each_openssl_allocation(r, register_cert, &w) > 100);
        assert_true(reg_each_openssl_allocation(r, record_contact, &w) > 10);
        assert_int_equal(reg_each_write(r, register_cert, &w), 6);
        assert_int_equal(reg_each_write(r, record_contact, &w), 6);
    }
    reg_ok(r, register_cert(r, &w));
    reg_ok(r, prov_policy_attach_cert(&r->tx, S("p"), &w.id));
    reg_ok(r, prov_policy_attach_cert(&r->tx, S("q"), &w.id));
    reg_ok(r, prov_client_bind(&r->tx, S("c"), &w.id));
    assert_true(reg_each_allocation(r, revoke_and_delete, &w) > 10);
    if (!r->lmdb)
        assert_true(reg_each_write(r, revoke_and_delete, &w) > 10);
    pki_free(&leaf);
    pki_free(&ca);
}

static const struct CMUnitTest registry_cert[] = {
    REG_TEST(certificate_is_registered_under_the_ca_that_signed_it),
    REG_TEST(certificate_takes_the_mode_of_its_ca),
    REG_TEST(certificate_of_no_registered_ca_is_refused_unless_without_one),
    REG_TEST(inactive_ca_brings_in_no_certificate),
    REG_TEST(operator_registers_what_auto_registration_would_not),
    REG_TEST(ca_given_with_a_certificate_must_be_registered_and_its_issuer),
    REG_TEST(right_one_of_several_cas_of_one_subject_is_found_by_its_key),
    REG_TEST(renewed_ca_with_the_same_key_takes_over),
    REG_TEST(status_of_a_new_certificate_is_one_of_three),
    REG_TEST(leaf_that_is_not_good_enough_is_refused),
    REG_TEST(what_is_no_certificate_is_refused),
    REG_TEST(very_long_common_name_is_kept_up_to_a_limit),
    REG_TEST(first_contact_is_recorded_as_pending_under_its_ca),
    REG_TEST(certificate_with_another_signature_is_the_same_one),
    REG_TEST(update_certificate_follows_the_transition_table),
    REG_TEST(statuses_have_names_that_parse),
    REG_TEST(deletion_follows_the_table_of_preconditions),
    REG_TEST(deleted_certificate_leaves_its_ca_and_its_clients),
    REG_TEST(certificates_are_listed_page_by_page),
    REG_TEST(list_ends_when_its_reader_has_enough),
    REG_TEST(list_of_an_impossible_owner_is_refused),
    REG_TEST(certificate_whose_der_is_gone_is_deleted_and_registered_again),
    REG_TEST(damaged_record_is_an_error_that_says_so),
    REG_TEST(failure_of_any_step_leaves_nothing_behind),
};
REG_MAIN(registry_cert)
