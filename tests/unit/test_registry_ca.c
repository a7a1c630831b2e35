/* CA certificates (reference 4). */
#include "support/reg_fixture.h"

#include <openssl/x509.h>

#include "core/reg.h"
#include "support/alloc.h"

#define BAD_CERT "CertificateValidationException"
#define INVALID "InvalidRequestException"

static struct prov_ca get(struct reg *r, const struct prov_id *id)
{
    struct prov_ca ca;

    reg_ok(r, prov_ca_get(&r->tx, id, &ca));
    return ca;
}

static struct prov_ca_registration sni_only(struct reg *r, const struct pki_cert *ca)
{
    return (struct prov_ca_registration){ .der = reg_der(r, ca), .mode = PROV_MODE_SNI_ONLY };
}

/* ---- registration ---------------------------------------------------------------------------- */

static void ca_is_described_as_it_was_registered(void **state)
{
    struct reg *r = *state;
    struct pki_cert cert = reg_pki_ca(r, "/C=NO/O=Example/CN=Root");
    const struct prov_id id = reg_ca(r, &cert, NULL);
    struct prov_id expected;
    struct prov_ca ca;

    reg_commit(r);
    ca = get(r, &id);
    assert_int_equal(prov_ident_id(cert.x509, &expected), PROV_OK);
    assert_id(&id, &expected);
    assert_id(&ca.id, &id);
    assert_true(ca.active);
    assert_true(ca.auto_registration);
    assert_int_equal(ca.mode, PROV_MODE_SNI_ONLY);
    assert_int_equal(ca.template_name.n, 0);
    assert_span(ca.subject, "CN=Root,O=Example,C=NO");
    assert_true(prov_span_eq(ca.der, reg_der(r, &cert)));
    assert_int_equal(ca.not_before_s, REG_T0 - 86400);
    assert_int_equal(ca.not_after_s, REG_T0 + INT64_C(3650) * 86400);
    assert_int_equal(ca.created_ms, REG_T0 * 1000);
    assert_int_equal(ca.modified_ms, REG_T0 * 1000);
    assert_string_equal(reg_feed(r), "ca");
    assert_string_equal(reg_problems(r), "");
    pki_free(&cert);
}

static void ca_is_registered_as_it_was_asked(void **state)
{
    struct reg *r = *state;
    struct pki_cert cert = reg_pki_ca(r, "/CN=Root");
    struct prov_ca_registration asked = sni_only(r, &cert);
    struct prov_id id;
    struct prov_ca ca;

    reg_ok(r, prov_ca_register(&r->tx, &asked, &id));
    ca = get(r, &id);
    assert_false(ca.active);
    assert_false(ca.auto_registration);
    pki_free(&cert);
}

static void ca_is_registered_once_and_the_refusal_tells_its_id(void **state)
{
    struct reg *r = *state;
    struct pki_cert cert = reg_pki_ca(r, "/CN=Root");
    const struct prov_ca_registration asked = sni_only(r, &cert);
    const struct prov_id id = reg_ca(r, &cert, NULL);
    struct prov_id again = { { 0 } };

    reg_refused(r, prov_ca_register(&r->tx, &asked, &again), PROV_ECONFLICT,
                "ResourceAlreadyExistsException");
    assert_id(&again, &id);
    pki_free(&cert);
}

static void unknown_ca_is_not_found(void **state)
{
    struct reg *r = *state;
    const struct prov_id id = { { 1 } };
    const struct prov_ca_change change = { 0 };
    struct prov_ca ca;

    reg_refused(r, prov_ca_get(&r->tx, &id, &ca), PROV_ENOTFOUND, "ResourceNotFoundException");
    reg_refused(r, prov_ca_update(&r->tx, &id, &change), PROV_ENOTFOUND,
                "ResourceNotFoundException");
    reg_refused(r, prov_ca_delete(&r->tx, &id), PROV_ENOTFOUND, "ResourceNotFoundException");
}

static void make_invalid(X509 *cert)
{
    assert_int_equal(X509_set1_notAfter(cert, X509_get0_notBefore(cert)), 1);
}

/* Reference 4.4 and 5.6. */
static void ca_that_is_not_good_enough_is_refused(void **state)
{
    static const struct {
        const char *what;
        struct pki_spec spec;
        enum prov_rc rc; /* PROV_OK: good enough */
    } rows[] = {
        { "P-256", { .ca = true }, PROV_OK },
        { "P-521", { .ca = true, .key = PKI_P521 }, PROV_OK },
        { "RSA-2048", { .ca = true, .key = PKI_RSA_2048 }, PROV_OK },
        { "without key usage", { .ca = true, .key_usage = "" }, PROV_OK },
        { "a leaf", { .ca = false }, PROV_EINVAL },
        { "version 1", { .v1 = true }, PROV_EINVAL },
        { "may not sign", { .ca = true, .key_usage = "digitalSignature" }, PROV_EINVAL },
        { "RSA-1024", { .ca = true, .key = PKI_RSA_1024 }, PROV_EINVAL },
        { "secp256k1", { .ca = true, .key = PKI_P256K1 }, PROV_EINVAL },
        { "Ed25519", { .ca = true, .key = PKI_ED25519 }, PROV_EINVAL },
        { "SHA-1", { .ca = true, .digest = "SHA1" }, PROV_EINVAL },
        { "critical extension", { .ca = true, .unknown_critical = true }, PROV_EINVAL },
        { "expired", { .ca = true, .not_before_s = -100, .not_after_s = -1 }, PROV_EEXPIRED },
        { "expires now", { .ca = true, .not_before_s = -100, .not_after_s = 0 }, PROV_OK },
        { "not yet valid", { .ca = true, .not_before_s = 1, .not_after_s = 100 }, PROV_EINVAL },
        { "ends before it began",
          { .ca = true, .not_before_s = -200, .not_after_s = 1, .edit = make_invalid },
          PROV_EEXPIRED },
    };
    struct reg *r = *state;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct pki_spec spec = rows[i].spec;
        struct prov_ca_registration asked;
        struct pki_cert cert;
        struct prov_id id;

        if (spec.key == PKI_RSA_2048)
            spec.use_key = pki_key_shared(PKI_RSA_2048);
        cert = reg_pki(r, &spec);
        asked = sni_only(r, &cert);
        print_message("%s\n", rows[i].what);
        if (rows[i].rc == PROV_OK)
            reg_ok(r, prov_ca_register(&r->tx, &asked, &id));
        else
            reg_refused(r, prov_ca_register(&r->tx, &asked, &id), rows[i].rc, BAD_CERT);
        pki_free(&cert);
    }
}

static void what_is_no_certificate_is_refused(void **state)
{
    struct reg *r = *state;
    struct pki_cert cert = reg_pki_ca(r, "/CN=Root");
    struct prov_ca_registration asked = sni_only(r, &cert);
    struct prov_id id;

    asked.der.n--;
    reg_refused(r, prov_ca_register(&r->tx, &asked, &id), PROV_EINVAL, BAD_CERT);
    asked.der = NONE;
    reg_refused(r, prov_ca_register(&r->tx, &asked, &id), PROV_EINVAL, BAD_CERT);
    pki_free(&cert);
}

/* The record must come back although RFC 5280's UTCTime reaches back to 1950. */
static void ca_valid_since_before_1970_can_be_read_again(void **state)
{
    struct reg *r = *state;
    struct pki_cert cert =
        reg_pki(r, &(struct pki_spec){ .subject = "/CN=old",
                                       .ca = true,
                                       .not_before_s = -REG_T0 - INT64_C(10) * 365 * 86400,
                                       .not_after_s = 86400 });
    const struct prov_id id = reg_ca(r, &cert, NULL);

    assert_int_equal(get(r, &id).not_before_s, -INT64_C(10) * 365 * 86400);
    assert_string_equal(reg_problems(r), "");
    pki_free(&cert);
}

/* ---- proof of possession (reference 4.2) ----------------------------------------------------- */

static void default_mode_wants_proof_that_the_ca_signs(void **state)
{
    char code[PROV_ID_HEX + 1];
    struct reg *r = *state;
    struct pki_cert cert = reg_pki_ca(r, "/CN=Root"), proof;
    struct prov_ca_registration asked = { .der = reg_der(r, &cert), .mode = PROV_MODE_DEFAULT };
    struct prov_id id;

    reg_ok(r, prov_registration_code(&r->tx, code));
    reg_refused(r, prov_ca_register(&r->tx, &asked, &id), PROV_EINVAL, INVALID);
    proof = pki_verification(&cert, code);
    asked.verification_der = reg_der(r, &proof);
    reg_ok(r, prov_ca_register(&r->tx, &asked, &id));
    assert_int_equal(get(r, &id).mode, PROV_MODE_DEFAULT);
    pki_free(&proof);
    pki_free(&cert);
}

static void sni_only_mode_takes_no_proof(void **state)
{
    char code[PROV_ID_HEX + 1];
    struct reg *r = *state;
    struct pki_cert cert = reg_pki_ca(r, "/CN=Root"), proof;
    struct prov_ca_registration asked = sni_only(r, &cert);
    struct prov_id id;

    reg_ok(r, prov_registration_code(&r->tx, code));
    proof = pki_verification(&cert, code);
    asked.verification_der = reg_der(r, &proof);
    reg_refused(r, prov_ca_register(&r->tx, &asked, &id), PROV_EINVAL, INVALID);
    asked.verification_der = NONE;
    reg_ok(r, prov_ca_register(&r->tx, &asked, &id));
    pki_free(&proof);
    pki_free(&cert);
}

#define WRONG_CODE "RegistrationCodeValidationException"

static void proof_is_for_this_code_by_this_key_and_in_time(void **state)
{
    char code[PROV_ID_HEX + 1], subject[PROV_ID_HEX + 8], shorter[PROV_ID_HEX + 8];
    struct reg *r = *state;
    struct pki_cert ca = reg_pki_ca(r, "/CN=Root"), other = reg_pki_ca(r, "/CN=Other");
    struct pki_cert impostor = pki_impostor(&ca);
    const struct {
        const char *what;
        struct pki_spec spec;
        enum prov_rc rc;
        const char *exception;
    } rows[] = {
        { "no code", { .subject = "/O=x", .issuer = &ca }, PROV_EDENIED, WRONG_CODE },
        { "other code", { .subject = "/CN=abc", .issuer = &ca }, PROV_EDENIED, WRONG_CODE },
        { "a digit less", { .subject = shorter, .issuer = &ca }, PROV_EDENIED, WRONG_CODE },
        { "other CA", { .subject = subject, .issuer = &other }, PROV_EDENIED, BAD_CERT },
        { "impostor", { .subject = subject, .issuer = &impostor }, PROV_EDENIED, BAD_CERT },
        { "self-signed", { .subject = subject }, PROV_EDENIED, BAD_CERT },
        { "expired",
          { .subject = subject, .issuer = &ca, .not_before_s = -9, .not_after_s = -1 },
          PROV_EEXPIRED,
          BAD_CERT },
    };
    struct prov_ca_registration asked = { .der = reg_der(r, &ca), .mode = PROV_MODE_DEFAULT };
    struct prov_id id;

    reg_ok(r, prov_registration_code(&r->tx, code));
    (void)snprintf(subject, sizeof subject, "/CN=%s", code);
    (void)snprintf(shorter, sizeof shorter, "/CN=%.63s", code);
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct pki_cert proof = reg_pki(r, &rows[i].spec);

        print_message("%s\n", rows[i].what);
        asked.verification_der = reg_der(r, &proof);
        reg_refused(r, prov_ca_register(&r->tx, &asked, &id), rows[i].rc, rows[i].exception);
        pki_free(&proof);
    }
    asked.verification_der = S("no certificate");
    reg_refused(r, prov_ca_register(&r->tx, &asked, &id), PROV_EINVAL, BAD_CERT);
    pki_free(&impostor);
    pki_free(&other);
    pki_free(&ca);
}

/* An empty code would let an empty name pass. */
static void no_proof_is_good_before_a_code_was_made(void **state)
{
    struct reg *r = *state;
    struct pki_cert ca = reg_pki_ca(r, "/CN=Root");
    struct pki_cert proof = reg_pki(r, &(struct pki_spec){ .subject = "", .issuer = &ca });
    const struct prov_ca_registration asked = { .der = reg_der(r, &ca),
                                                .verification_der = reg_der(r, &proof) };
    struct prov_id id;

    reg_refused(r, prov_ca_register(&r->tx, &asked, &id), PROV_EDENIED, WRONG_CODE);
    pki_free(&proof);
    pki_free(&ca);
}

/* ---- several CAs of one name ----------------------------------------------------------------- */

static void ten_cas_of_one_subject_are_registered_and_no_more(void **state)
{
    struct prov_id ids[PROV_MAX_CAS_PER_SUBJECT], found[PROV_MAX_CAS_PER_SUBJECT], id;
    struct reg *r = *state;
    struct pki_cert leaf, ca = { NULL, NULL };
    size_t n;

    for (size_t i = 0; i < PROV_MAX_CAS_PER_SUBJECT; i++) {
        pki_free(&ca);
        ca = reg_pki_ca(r, "/CN=Same");
        ids[i] = reg_ca(r, &ca, NULL);
    }
    leaf = reg_pki_leaf(r, &ca, "/CN=leaf");
    reg_ok(r, prov_ca_by_issuer(&r->tx, leaf.x509, found, &n));
    assert_int_equal(n, PROV_MAX_CAS_PER_SUBJECT);
    for (size_t i = 0; i < n; i++) {
        bool there = false;

        for (size_t j = 0; j < n; j++)
            there = there || prov_id_eq(&ids[i], &found[j]);
        assert_true(there);
    }
    pki_free(&leaf);
    pki_free(&ca);
    ca = reg_pki_ca(r, "/CN=Same");
    reg_refused(r,
                prov_ca_register(&r->tx,
                                 &(struct prov_ca_registration){ .der = reg_der(r, &ca),
                                                                 .mode = PROV_MODE_SNI_ONLY },
                                 &id),
                PROV_ETOOBIG, "LimitExceededException");
    reg_ok(r,
           prov_ca_update(&r->tx, &ids[0], &(struct prov_ca_change){ .active = &(bool){ false } }));
    reg_ok(r, prov_ca_delete(&r->tx, &ids[0]));
    id = reg_ca(r, &ca, NULL);
    pki_free(&ca);
    ca = reg_pki_ca(r, "/CN=Another");
    id = reg_ca(r, &ca, NULL);
    assert_string_equal(reg_problems(r), "");
    pki_free(&ca);
}

static void issuer_of_no_registered_name_has_no_cas(void **state)
{
    struct reg *r = *state;
    struct pki_cert ca = reg_pki_ca(r, "/CN=Root"), other = reg_pki_ca(r, "/CN=Other");
    struct pki_cert leaf = reg_pki_leaf(r, &other, "/CN=leaf");
    struct prov_id found[PROV_MAX_CAS_PER_SUBJECT];
    size_t n = 7;

    (void)reg_ca(r, &ca, NULL);
    reg_ok(r, prov_ca_by_issuer(&r->tx, leaf.x509, found, &n));
    assert_int_equal(n, 0);
    pki_free(&leaf);
    pki_free(&other);
    pki_free(&ca);
}

/* RFC 5280 section 7.1: names compare without case and surplus white space. */
static void issuer_is_found_under_its_name_in_another_spelling(void **state)
{
    struct reg *r = *state;
    struct pki_cert ca = reg_pki_ca(r, "/O=Example/CN=Root"),
                    alike = reg_pki_ca(r, "/O=EXAMPLE/CN=root");
    struct pki_cert leaf = reg_pki_leaf(r, &alike, "/CN=leaf");
    const struct prov_id id = reg_ca(r, &ca, NULL);
    struct prov_id found[PROV_MAX_CAS_PER_SUBJECT];
    size_t n;

    reg_ok(r, prov_ca_by_issuer(&r->tx, leaf.x509, found, &n));
    assert_int_equal(n, 1);
    assert_id(&found[0], &id);
    pki_free(&leaf);
    pki_free(&alike);
    pki_free(&ca);
}

/* ---- update and delete ----------------------------------------------------------------------- */

static void update_changes_what_is_given_and_leaves_the_rest(void **state)
{
    struct reg *r = *state;
    struct pki_cert cert = reg_pki_ca(r, "/CN=Root");
    const struct prov_id id = reg_ca(r, &cert, NULL);
    struct prov_ca ca;

    reg_at(r, 5);
    reg_ok(r, prov_ca_update(&r->tx, &id, &(struct prov_ca_change){ .active = &(bool){ false } }));
    ca = get(r, &id);
    assert_false(ca.active);
    assert_true(ca.auto_registration);
    assert_int_equal(ca.created_ms, REG_T0 * 1000);
    assert_int_equal(ca.modified_ms, (REG_T0 + 5) * 1000);
    reg_ok(r, prov_ca_update(&r->tx, &id,
                             &(struct prov_ca_change){ .auto_registration = &(bool){ false } }));
    ca = get(r, &id);
    assert_false(ca.active);
    assert_false(ca.auto_registration);
    assert_true(prov_span_eq(ca.der, reg_der(r, &cert)));
    assert_string_equal(reg_feed(r), "ca ca ca");
    pki_free(&cert);
}

#define TEMPLATE                                                                                   \
    "{'Resources':{'c':{'Type':'AWS::IoT::Certificate','Properties':"                              \
    "{'CertificateId':{'Ref':'AWS::IoT::Certificate::Id'}}}}}"

static void template_of_a_ca_exists_and_is_of_type_jitp(void **state)
{
    struct reg *r = *state;
    struct pki_cert cert = reg_pki_ca(r, "/CN=Root");
    struct prov_ca_registration asked = sni_only(r, &cert);
    const struct prov_span fleet = S("fleet"), missing = S("missing");
    struct prov_id id;

    reg_template(r, "jitp", TEMPLATE);
    reg_ok(r, prov_template_create(&r->tx,
                                   &(struct prov_template_creation){ .name = fleet,
                                                                     .body = reg_json(r, TEMPLATE),
                                                                     .type = PROV_TEMPLATE_FLEET,
                                                                     .enabled = true }));
    asked.template_name = missing;
    reg_refused(r, prov_ca_register(&r->tx, &asked, &id), PROV_ENOTFOUND,
                "ResourceNotFoundException");
    asked.template_name = fleet;
    reg_refused(r, prov_ca_register(&r->tx, &asked, &id), PROV_EINVAL, INVALID);
    asked.template_name = S("jitp");
    reg_ok(r, prov_ca_register(&r->tx, &asked, &id));
    assert_span(get(r, &id).template_name, "jitp");
    reg_refused(r,
                prov_ca_update(&r->tx, &id, &(struct prov_ca_change){ .template_name = &missing }),
                PROV_ENOTFOUND, "ResourceNotFoundException");
    reg_refused(r, prov_ca_update(&r->tx, &id, &(struct prov_ca_change){ .template_name = &fleet }),
                PROV_EINVAL, INVALID);
    assert_span(get(r, &id).template_name, "jitp");
    pki_free(&cert);
}

static const char *cas_of(struct reg *r, const char *template_name)
{
    return reg_list(r, PROV_LIST_CAS_OF_TEMPLATE, S(template_name), NONE);
}

static void hook_of_a_ca_is_one_that_could_run(void **state)
{
    static const struct {
        const char *hook;
        enum prov_rc rc;
    } rows[] = {
        { "", PROV_OK },
        { "exec:/usr/lib/prov/allow", PROV_OK },
        { "https://hooks.example.com/activate", PROV_OK },
        { "exec:allow", PROV_EINVAL },
        { "http://hooks.example.com/", PROV_EINVAL },
        { "/usr/lib/prov/allow", PROV_EINVAL },
    };
    struct reg *r = *state;
    struct pki_cert cert = reg_pki_ca(r, "/CN=Root");
    struct prov_ca_registration reg = { .der = reg_der(r, &cert), .mode = PROV_MODE_SNI_ONLY };
    struct prov_ca ca;
    struct prov_id id;

    reg_template(r, "t", TEMPLATE);
    reg.template_name = S("t"); /* beside a hook, which decides before it runs */
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        reg.hook = S(rows[i].hook);
        reg_nest(r);
        if (rows[i].rc != PROV_OK) {
            reg_expect_refused(r, prov_ca_register(&r->tx, &reg, &id), rows[i].rc, INVALID,
                               rows[i].hook, __FILE__, __LINE__);
            continue;
        }
        reg_ok(r, prov_ca_register(&r->tx, &reg, &id));
        reg_ok(r, prov_ca_get(&r->tx, &id, &ca));
        assert_span(ca.hook, rows[i].hook);
        prov_txn_abort(r->tx.txn);
        r->tx.txn = r->outer;
        r->outer = NULL;
    }
    reg.hook = NONE;
    reg_ok(r, prov_ca_register(&r->tx, &reg, &id));
    for (size_t i = PROV_COUNT(rows); i-- > 0;) {
        const struct prov_span hook = S(rows[i].hook);
        const struct prov_ca_change change = { .hook = &hook };

        if (rows[i].rc != PROV_OK) {
            reg_refused(r, prov_ca_update(&r->tx, &id, &change), rows[i].rc, INVALID);
            continue;
        }
        reg_ok(r, prov_ca_update(&r->tx, &id, &change));
        reg_ok(r,
               prov_ca_update(&r->tx, &id, &(struct prov_ca_change){ .active = &(bool){ true } }));
        reg_ok(r, prov_ca_get(&r->tx, &id, &ca));
        assert_span(ca.hook, rows[i].hook);
        assert_span(ca.template_name, "t");
    }
    pki_free(&cert);
}

static void cas_are_listed_under_the_template_they_have_now(void **state)
{
    struct reg *r = *state;
    struct pki_cert cert = reg_pki_ca(r, "/CN=Root");
    const struct prov_span a = S("a"), b = S("b"), none = NONE;
    char hex[PROV_ID_HEX + 1];
    struct prov_id id;

    reg_template(r, "a", TEMPLATE);
    reg_template(r, "b", TEMPLATE);
    id = reg_ca(r, &cert, "a");
    prov_id_hex(&id, hex);
    assert_string_equal(cas_of(r, "a"), hex);
    reg_ok(r, prov_ca_update(&r->tx, &id, &(struct prov_ca_change){ .template_name = &b }));
    assert_string_equal(cas_of(r, "a"), "");
    assert_string_equal(cas_of(r, "b"), hex);
    reg_ok(r, prov_ca_update(&r->tx, &id, &(struct prov_ca_change){ .template_name = &b }));
    assert_string_equal(cas_of(r, "b"), hex);
    reg_ok(r, prov_ca_update(&r->tx, &id, &(struct prov_ca_change){ .template_name = &none }));
    assert_string_equal(cas_of(r, "b"), "");
    assert_int_equal(get(r, &id).template_name.n, 0);
    reg_ok(r, prov_ca_update(&r->tx, &id, &(struct prov_ca_change){ .template_name = &a }));
    assert_string_equal(cas_of(r, "a"), hex);
    assert_string_equal(reg_problems(r), "");
    reg_ok(r, prov_ca_update(&r->tx, &id, &(struct prov_ca_change){ .active = &(bool){ false } }));
    reg_ok(r, prov_ca_delete(&r->tx, &id));
    assert_string_equal(cas_of(r, "a"), "");
    assert_string_equal(reg_problems(r), "");
    pki_free(&cert);
}

static void only_an_inactive_ca_is_deleted_and_its_certificates_stay(void **state)
{
    struct reg *r = *state;
    struct pki_cert cert = reg_pki_ca(r, "/CN=Root"), leaf = reg_pki_leaf(r, &cert, "/CN=leaf");
    const struct prov_id id = reg_ca(r, &cert, NULL);
    const struct prov_cert_registration asked = { .der = reg_der(r, &leaf),
                                                  .status = PROV_CERT_ACTIVE };
    struct prov_id leaf_id, found[PROV_MAX_CAS_PER_SUBJECT];
    struct prov_cert kept;
    struct prov_ca gone;
    size_t n;

    reg_ok(r, prov_cert_register(&r->tx, &asked, &leaf_id));
    reg_refused(r, prov_ca_delete(&r->tx, &id), PROV_EDENIED, "CertificateStateException");
    reg_ok(r, prov_ca_update(&r->tx, &id, &(struct prov_ca_change){ .active = &(bool){ false } }));
    (void)reg_feed(r);
    reg_ok(r, prov_ca_delete(&r->tx, &id));
    assert_string_equal(reg_feed(r), "ca");
    reg_refused(r, prov_ca_get(&r->tx, &id, &gone), PROV_ENOTFOUND, "ResourceNotFoundException");
    reg_ok(r, prov_ca_by_issuer(&r->tx, leaf.x509, found, &n));
    assert_int_equal(n, 0);
    reg_ok(r, prov_cert_get(&r->tx, &leaf_id, &kept));
    assert_int_equal(kept.status, PROV_CERT_ACTIVE);
    assert_id(&kept.ca_id, &id);
    assert_string_equal(reg_problems(r), "");
    pki_free(&leaf);
    pki_free(&cert);
}

/* ---- failures -------------------------------------------------------------------------------- */

struct registration {
    struct prov_ca_registration asked;
    struct prov_id id;
};

static enum prov_rc register_ca(struct reg *r, void *ctx)
{
    struct registration *reg = ctx;

    return prov_ca_register(&r->tx, &reg->asked, &reg->id);
}

static enum prov_rc deactivate_and_delete(struct reg *r, void *ctx)
{
    struct registration *reg = ctx;
    const struct prov_span none = NONE;
    const struct prov_ca_change change = { .active = &(bool){ false }, .template_name = &none };
    const enum prov_rc rc = prov_ca_update(&r->tx, &reg->id, &change);

    return rc != PROV_OK ? rc : prov_ca_delete(&r->tx, &reg->id);
}

static void failed_registration_leaves_nothing_behind(void **state)
{
    char code[PROV_ID_HEX + 1];
    struct reg *r = *state;
    struct pki_cert cert = reg_pki_ca(r, "/CN=Root"), proof;
    struct registration reg = { .asked = { .der = reg_der(r, &cert) } };

    reg_template(r, "t", TEMPLATE);
    reg_ok(r, prov_registration_code(&r->tx, code));
    proof = pki_verification(&cert, code);
    reg.asked.verification_der = reg_der(r, &proof);
    reg.asked.template_name = S("t");
    assert_true(reg_each_allocation(r, register_ca, &reg) > 4);
    if (!r->lmdb) {
        assert_true(reg_each_openssl_allocation(r, register_ca, &reg) > 100);
        assert_int_equal(reg_each_write(r, register_ca, &reg), 5);
    }
    reg_ok(r, register_ca(r, &reg));
    assert_true(reg_each_allocation(r, deactivate_and_delete, &reg) > 4);
    if (!r->lmdb)
        assert_true(reg_each_write(r, deactivate_and_delete, &reg) >= 6);
    pki_free(&proof);
    pki_free(&cert);
}

static const struct CMUnitTest registry_ca[] = {
    REG_TEST(ca_is_described_as_it_was_registered),
    REG_TEST(ca_is_registered_as_it_was_asked),
    REG_TEST(ca_is_registered_once_and_the_refusal_tells_its_id),
    REG_TEST(unknown_ca_is_not_found),
    REG_TEST(ca_that_is_not_good_enough_is_refused),
    REG_TEST(what_is_no_certificate_is_refused),
    REG_TEST(ca_valid_since_before_1970_can_be_read_again),
    REG_TEST(default_mode_wants_proof_that_the_ca_signs),
    REG_TEST(sni_only_mode_takes_no_proof),
    REG_TEST(proof_is_for_this_code_by_this_key_and_in_time),
    REG_TEST(no_proof_is_good_before_a_code_was_made),
    REG_TEST(ten_cas_of_one_subject_are_registered_and_no_more),
    REG_TEST(issuer_of_no_registered_name_has_no_cas),
    REG_TEST(issuer_is_found_under_its_name_in_another_spelling),
    REG_TEST(update_changes_what_is_given_and_leaves_the_rest),
    REG_TEST(template_of_a_ca_exists_and_is_of_type_jitp),
    REG_TEST(hook_of_a_ca_is_one_that_could_run),
    REG_TEST(cas_are_listed_under_the_template_they_have_now),
    REG_TEST(only_an_inactive_ca_is_deleted_and_its_certificates_stay),
    REG_TEST(failed_registration_leaves_nothing_behind),
};
REG_MAIN(registry_ca)
