/* Revocation lists: which are taken, whom they revoke, and who is never let in. */
#include "support/reg_crl.h"

#include <openssl/x509v3.h>

#include "core/crl.h"
#include "core/reg.h"
#include "support/alloc.h"

#define STATE "CertificateStateException"
#define INVALID "InvalidRequestException"
#define BAD_CERT "CertificateValidationException"

#define HOLD REG_REASON_HOLD
#define REMOVE REG_REASON_REMOVE
#define KEY_COMPROMISE 1

static enum prov_cert_status status_of(struct reg *r, const struct prov_id *id)
{
    struct prov_cert cert;

    reg_ok(r, prov_cert_get(&r->tx, id, &cert));
    return cert.status;
}

static struct prov_id enrol(struct reg *r, const struct pki_cert *leaf,
                            enum prov_cert_status status)
{
    const struct prov_cert_registration reg = { .der = reg_der(r, leaf) };
    struct prov_id id;

    reg_ok(r, prov_cert_register(&r->tx, &reg, &id));
    reg_raw_status(r, &id, status);
    return id;
}

static bool lists(struct reg *r, const struct prov_id *ca, const struct pki_cert *leaf)
{
    bool listed;

    reg_ok(r, prov_crl_lists(&r->tx, ca, leaf->x509, &listed));
    return listed;
}

static struct prov_crl *open_list(struct reg *r, struct prov_span bytes)
{
    struct prov_crl *crl;

    reg_ok(r, prov_crl_new(&r->tx, bytes, &crl));
    return crl;
}

static struct prov_crl_result import(struct reg *r, struct prov_span bytes)
{
    struct prov_crl *crl = open_list(r, bytes);
    struct prov_crl_result result;

    reg_ok(r, prov_crl_apply(crl, &r->tx, &result));
    prov_crl_free(crl);
    assert_string_equal(reg_problems(r), "");
    return result;
}

static void assert_result(struct prov_crl_result got, size_t revoked, size_t deactivated,
                          size_t were, size_t unseen)
{
    assert_int_equal(got.revoked, revoked);
    assert_int_equal(got.deactivated, deactivated);
    assert_int_equal(got.were, were);
    assert_int_equal(got.unseen, unseen);
}

/* A CA "/CN=Root" and three leaves of it; the CA is registered. */
struct world {
    struct pki_cert ca, leaf[3];
    struct prov_id ca_id;
};

static struct world make_world(struct reg *r)
{
    struct world w = { .ca = reg_pki_ca(r, "/CN=Root") };

    w.ca_id = reg_ca(r, &w.ca, NULL);
    for (size_t i = 0; i < PROV_COUNT(w.leaf); i++)
        w.leaf[i] = reg_pki_leaf(r, &w.ca, "/CN=dev");
    return w;
}

static void free_world(struct world *w)
{
    for (size_t i = 0; i < PROV_COUNT(w->leaf); i++)
        pki_free(&w->leaf[i]);
    pki_free(&w->ca);
}

/* A list that names the first leaf. */
static struct prov_span one_of(struct reg *r, const struct world *w, int reason,
                               int64_t this_update_s)
{
    const struct reg_crl_entry on[] = { { .cert = w->leaf[0].x509, .reason = reason } };

    return reg_crl(r, &(struct reg_crl_spec){
                          .ca = &w->ca, .on = on, .n = 1, .this_update_s = this_update_s });
}

/* ---- whom a list revokes --------------------------------------------------------------------- */

static void listed_certificates_are_revoked_and_no_others(void **state)
{
    struct reg *r = *state;
    struct world w = make_world(r);
    const struct prov_id a = enrol(r, &w.leaf[0], PROV_CERT_ACTIVE),
                         b = enrol(r, &w.leaf[1], PROV_CERT_ACTIVE);
    const struct reg_crl_entry on[] = { { .cert = w.leaf[0].x509 }, { .cert = w.leaf[2].x509 } };
    const struct prov_span der =
        reg_crl(r, &(struct reg_crl_spec){
                       .ca = &w.ca, .on = on, .n = 2, .this_update_s = -60, .next_update_s = 60 });
    struct prov_ca ca;
    uint8_t stale_mark;

    reg_ok(r, prov_client_bind(&r->tx, S("x"), &a));
    (void)reg_feed(r);
    assert_result(import(r, reg_crl_pem(r, der)), 1, 0, 0, 1);
    assert_string_equal(reg_feed(r), "cert ca");
    assert_int_equal(status_of(r, &a), PROV_CERT_REVOKED);
    assert_int_equal(status_of(r, &b), PROV_CERT_ACTIVE);
    assert_true(lists(r, &w.ca_id, &w.leaf[0]));
    assert_false(lists(r, &w.ca_id, &w.leaf[1]));
    assert_true(lists(r, &w.ca_id, &w.leaf[2]));
    reg_ok(r, prov_client_stale(&r->tx, S("x"), &stale_mark));
    assert_int_not_equal(stale_mark, 0);
    reg_ok(r, prov_ca_get(&r->tx, &w.ca_id, &ca));
    assert_int_equal(ca.crl_this_update_s, REG_T0 - 60);
    assert_int_equal(ca.crl_next_update_s, REG_T0 + 60);
    assert_int_equal(ca.crl_entries, 2);
    assert_int_equal(ca.crl_imported_ms, r->tx.now_ms);
    free_world(&w);
}

static void list_tells_what_it_is(void **state)
{
    struct reg *r = *state;
    struct world w = make_world(r);
    const struct reg_crl_entry on[] = { { .serial = "0a" },
                                        { .serial = "0a", .reason = HOLD },
                                        { .serial = "-80" },
                                        { .serial = "00", .reason = REMOVE } };
    struct prov_crl *crl;

    crl = open_list(r, reg_crl(r, &(struct reg_crl_spec){ .ca = &w.ca, .on = on, .n = 4 }));
    assert_int_equal(prov_crl_info(crl)->n_cas, 1);
    assert_id(&prov_crl_info(crl)->cas[0], &w.ca_id);
    assert_int_equal(prov_crl_info(crl)->this_update_s, REG_T0);
    assert_int_equal(prov_crl_info(crl)->next_update_s, 0);
    assert_int_equal(prov_crl_info(crl)->entries, 2);
    assert_false(prov_crl_info(crl)->stale);
    prov_crl_free(crl);
    crl = open_list(r, reg_crl(r, &(struct reg_crl_spec){
                                      .ca = &w.ca, .this_update_s = -9, .next_update_s = -1 }));
    assert_int_equal(prov_crl_info(crl)->entries, 0);
    assert_true(prov_crl_info(crl)->stale);
    prov_crl_free(crl);
    prov_crl_free(NULL);
    free_world(&w);
}

static void status_of_a_listed_certificate_follows_from_the_reason(void **state)
{
    static const struct {
        int reason;
        enum prov_cert_status to[PROV_CERT_STATUSES];
    } rows[] = {
        { 0,
          { PROV_CERT_REVOKED, PROV_CERT_REVOKED, PROV_CERT_REVOKED, PROV_CERT_REVOKED,
            PROV_CERT_REVOKED } },
        { KEY_COMPROMISE,
          { PROV_CERT_REVOKED, PROV_CERT_REVOKED, PROV_CERT_REVOKED, PROV_CERT_REVOKED,
            PROV_CERT_REVOKED } },
        { 77, /* unheard of: for good */
          { PROV_CERT_REVOKED, PROV_CERT_REVOKED, PROV_CERT_REVOKED, PROV_CERT_REVOKED,
            PROV_CERT_REVOKED } },
        { HOLD,
          { PROV_CERT_INACTIVE, PROV_CERT_INACTIVE, PROV_CERT_REVOKED, PROV_CERT_PENDING_TRANSFER,
            PROV_CERT_INACTIVE } },
        { REMOVE,
          { PROV_CERT_INACTIVE, PROV_CERT_ACTIVE, PROV_CERT_REVOKED, PROV_CERT_PENDING_TRANSFER,
            PROV_CERT_PENDING_ACTIVATION } },
    };
    struct reg *r = *state;
    struct world w = make_world(r);
    const struct prov_id id = enrol(r, &w.leaf[0], PROV_CERT_ACTIVE);

    reg_commit(r);
    for (size_t i = 0; i < PROV_COUNT(rows) * PROV_CERT_STATUSES; i++) {
        const unsigned from = (unsigned)(i % PROV_CERT_STATUSES);
        const int reason = rows[i / PROV_CERT_STATUSES].reason;
        const enum prov_cert_status to = rows[i / PROV_CERT_STATUSES].to[from];
        const bool named = reason != REMOVE, changes = named && to != from;

        print_message("reason %d, %s\n", reason, prov_cert_status_name(from));
        reg_raw_status(r, &id, from);
        assert_result(import(r, one_of(r, &w, reason, 0)), changes && reason != HOLD,
                      changes && reason == HOLD, named && !changes, 0);
        assert_int_equal(status_of(r, &id), to);
        assert_int_equal(lists(r, &w.ca_id, &w.leaf[0]), named);
        reg_abort(r);
    }
    free_world(&w);
}

/* What is for good is, in whatever order a list says both. */
static void hold_beside_another_reason_does_not_soften_it(void **state)
{
    struct reg *r = *state;
    struct world w = make_world(r);
    const struct prov_id id = enrol(r, &w.leaf[0], PROV_CERT_ACTIVE);

    reg_commit(r);
    for (int i = 0; i < 2; i++) {
        const struct reg_crl_entry on[] = {
            { .cert = w.leaf[0].x509, .reason = i == 0 ? HOLD : KEY_COMPROMISE },
            { .cert = w.leaf[0].x509, .reason = i == 0 ? KEY_COMPROMISE : HOLD },
        };

        assert_result(
            import(r, reg_crl(r, &(struct reg_crl_spec){ .ca = &w.ca, .on = on, .n = 2 })), 1, 0, 0,
            0);
        assert_int_equal(status_of(r, &id), PROV_CERT_REVOKED);
        reg_abort(r);
    }
    free_world(&w);
}

/* A CA should not, but may give a serial number twice: neither certificate is spared. */
static void all_certificates_of_a_serial_number_are_revoked(void **state)
{
    struct reg *r = *state;
    struct world w = make_world(r);
    const struct reg_crl_entry on[] = { { .serial = "0a" }, { .serial = "0b" } };
    struct prov_id ids[2];

    for (size_t i = 0; i < PROV_COUNT(ids); i++) {
        struct pki_cert leaf = reg_pki(r, &(struct pki_spec){ .issuer = &w.ca, .serial = "0a" });

        ids[i] = enrol(r, &leaf, PROV_CERT_ACTIVE);
        pki_free(&leaf);
    }
    assert_result(import(r, reg_crl(r, &(struct reg_crl_spec){ .ca = &w.ca, .on = on, .n = 2 })), 2,
                  0, 0, 1);
    assert_int_equal(status_of(r, &ids[0]), PROV_CERT_REVOKED);
    assert_int_equal(status_of(r, &ids[1]), PROV_CERT_REVOKED);
    free_world(&w);
}

static void importing_again_changes_nothing(void **state)
{
    struct reg *r = *state;
    struct world w = make_world(r);
    const struct reg_crl_entry on[] = { { .cert = w.leaf[0].x509 },
                                        { .cert = w.leaf[1].x509, .reason = HOLD },
                                        { .cert = w.leaf[2].x509 } };
    const struct prov_span der =
        reg_crl(r, &(struct reg_crl_spec){ .ca = &w.ca, .on = on, .n = 3 });
    char *before, *after;

    (void)enrol(r, &w.leaf[0], PROV_CERT_ACTIVE);
    (void)enrol(r, &w.leaf[1], PROV_CERT_ACTIVE);
    assert_result(import(r, der), 1, 1, 0, 1);
    before = reg_dump(r);
    reg_at(r, 100);
    assert_result(import(r, der), 0, 0, 2, 1);
    after = reg_dump(r);
    assert_string_equal(before, after);
    free(before);
    free(after);
    free_world(&w);
}

/* ---- certificates not yet seen --------------------------------------------------------------- */

static void listed_certificate_is_never_let_in(void **state)
{
    static const int reasons[] = { 0, HOLD };
    struct reg *r = *state;
    struct world w = make_world(r);
    struct prov_cert_registration reg = { .der = reg_der(r, &w.leaf[0]) };
    const struct prov_cert_registration other = { .der = reg_der(r, &w.leaf[1]) };
    struct prov_ca ca;
    struct prov_id id;

    reg_commit(r);
    for (size_t i = 0; i < PROV_COUNT(reasons); i++) {
        (void)import(r, one_of(r, &w, reasons[i], 0));
        reg.status = PROV_CERT_ACTIVE;
        reg_refused(r, prov_cert_register(&r->tx, &reg, &id), PROV_EDENIED, STATE);
        reg.status = PROV_CERT_INACTIVE;
        reg_refused(r, prov_cert_register(&r->tx, &reg, &id), PROV_EDENIED, STATE);
        reg_ok(r, prov_ca_get(&r->tx, &w.ca_id, &ca));
        reg_refused(r, prov_cert_record_first_contact(&r->tx, w.leaf[0].x509, &ca, &id),
                    PROV_EDENIED, STATE);
        reg.status = PROV_CERT_REVOKED;
        reg_ok(r, prov_cert_register(&r->tx, &reg, &id));
        reg_ok(r, prov_cert_register(&r->tx, &other, &id));
        reg_ok(r, prov_ca_get(&r->tx, &w.ca_id, &ca));
        reg_ok(r, prov_cert_record_first_contact(&r->tx, w.leaf[2].x509, &ca, &id));
        reg_abort(r);
    }
    free_world(&w);
}

/* The same signed part with another signature has the same serial number. */
static void twin_of_a_listed_certificate_is_listed(void **state)
{
    struct reg *r = *state;
    struct world w = make_world(r);
    struct pki_cert twin = pki_twin(&w.leaf[0]);

    (void)import(r, one_of(r, &w, 0, 0));
    assert_true(lists(r, &w.ca_id, &twin));
    pki_free(&twin);
    free_world(&w);
}

static void later_list_ends_holds_and_nothing_else(void **state)
{
    struct reg *r = *state;
    struct world w = make_world(r);
    const struct reg_crl_entry first[] = { { .cert = w.leaf[0].x509, .reason = HOLD },
                                           { .cert = w.leaf[1].x509, .reason = HOLD },
                                           { .cert = w.leaf[2].x509 } };
    const struct reg_crl_entry final[] = { { .cert = w.leaf[1].x509, .reason = KEY_COMPROMISE } };
    const struct reg_crl_entry softer[] = { { .cert = w.leaf[1].x509, .reason = HOLD },
                                            { .cert = w.leaf[2].x509, .reason = REMOVE } };

    (void)import(r, reg_crl(r, &(struct reg_crl_spec){
                                   .ca = &w.ca, .on = first, .n = 3, .this_update_s = -9 }));
    assert_true(lists(r, &w.ca_id, &w.leaf[0]));
    (void)import(r, reg_crl(r, &(struct reg_crl_spec){
                                   .ca = &w.ca, .on = final, .n = 1, .this_update_s = -8 }));
    assert_false(lists(r, &w.ca_id, &w.leaf[0])); /* on hold no more */
    assert_true(lists(r, &w.ca_id, &w.leaf[1]));
    assert_true(lists(r, &w.ca_id, &w.leaf[2])); /* though the list left it out */
    (void)import(r, reg_crl(r, &(struct reg_crl_spec){
                                   .ca = &w.ca, .on = softer, .n = 2, .this_update_s = -7 }));
    (void)import(r, reg_crl(r, &(struct reg_crl_spec){ .ca = &w.ca, .this_update_s = -6 }));
    assert_true(lists(r, &w.ca_id, &w.leaf[1]));
    assert_true(lists(r, &w.ca_id, &w.leaf[2]));
    free_world(&w);
}

static void removal_from_the_list_ends_a_hold(void **state)
{
    struct reg *r = *state;
    struct world w = make_world(r);

    (void)import(r, one_of(r, &w, HOLD, -9));
    assert_true(lists(r, &w.ca_id, &w.leaf[0]));
    (void)import(r, one_of(r, &w, REMOVE, -8));
    assert_false(lists(r, &w.ca_id, &w.leaf[0]));
    free_world(&w);
}

static void registered_certificate_stays_inactive_when_its_hold_ends(void **state)
{
    struct reg *r = *state;
    struct world w = make_world(r);
    const struct prov_id id = enrol(r, &w.leaf[0], PROV_CERT_ACTIVE);

    (void)import(r, one_of(r, &w, HOLD, -9));
    (void)import(r, reg_crl(r, &(struct reg_crl_spec){ .ca = &w.ca, .this_update_s = -8 }));
    assert_int_equal(status_of(r, &id), PROV_CERT_INACTIVE);
    reg_ok(r, prov_cert_set_status(&r->tx, &id, PROV_CERT_ACTIVE)); /* a person's decision */
    free_world(&w);
}

/* ---- which lists are taken ------------------------------------------------------------------- */

static void older_list_than_the_last_is_refused(void **state)
{
    struct reg *r = *state;
    struct world w = make_world(r);
    const struct prov_span older = one_of(r, &w, 0, -9), later = one_of(r, &w, 0, -8);
    struct prov_crl *early = open_list(r, older), *crl;
    struct prov_crl_result result;

    (void)import(r, later);
    reg_refused(r, prov_crl_new(&r->tx, older, &crl), PROV_ECONFLICT, "VersionConflictException");
    assert_null(crl);
    reg_refused(r, prov_crl_apply(early, &r->tx, &result), PROV_ECONFLICT,
                "VersionConflictException");
    (void)import(r, later);
    prov_crl_free(early);
    free_world(&w);
}

static void make_delta(X509_CRL *crl)
{
    reg_crl_extension(crl, NID_delta_crl, true);
}

static void make_part(X509_CRL *crl)
{
    reg_crl_extension(crl, NID_issuing_distribution_point, false);
}

static void make_strange(X509_CRL *crl)
{
    reg_crl_extension(crl, NID_netscape_comment, true);
}

static void make_numbered(X509_CRL *crl)
{
    reg_crl_extension(crl, NID_crl_number, false);
}

static X509_REVOKED *first_entry(X509_CRL *crl)
{
    return sk_X509_REVOKED_value(X509_CRL_get_REVOKED(crl), 0);
}

static void add_entry_extension(X509_CRL *crl, int nid, bool critical)
{
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    X509_EXTENSION *ext;

    assert_int_equal(ASN1_OCTET_STRING_set(value, (const unsigned char *)"\x05\x00", 2), 1);
    ext = X509_EXTENSION_create_by_NID(NULL, nid, critical, value);
    assert_int_equal(X509_REVOKED_add_ext(first_entry(crl), ext, -1), 1);
    X509_EXTENSION_free(ext);
    ASN1_OCTET_STRING_free(value);
}

static void make_indirect_entry(X509_CRL *crl)
{
    add_entry_extension(crl, NID_certificate_issuer, true);
}

static void make_unreadable_reason(X509_CRL *crl)
{
    add_entry_extension(crl, NID_crl_reason, false);
}

static void make_long_serial(X509_CRL *crl)
{
    ASN1_INTEGER *serial = ASN1_INTEGER_new();
    uint8_t bytes[REG_SERIAL_MAX + 1];

    memset(bytes, 1, sizeof bytes);
    assert_int_equal(ASN1_STRING_set(serial, bytes, sizeof bytes), 1);
    assert_int_equal(X509_REVOKED_set_serialNumber(first_entry(crl), serial), 1);
    ASN1_INTEGER_free(serial);
}

static void make_longest_serial(X509_CRL *crl)
{
    ASN1_INTEGER *serial = ASN1_INTEGER_new();
    uint8_t bytes[REG_SERIAL_MAX];

    memset(bytes, 1, sizeof bytes);
    assert_int_equal(ASN1_STRING_set(serial, bytes, sizeof bytes), 1);
    assert_int_equal(X509_REVOKED_set_serialNumber(first_entry(crl), serial), 1);
    ASN1_INTEGER_free(serial);
}

static void list_that_is_not_the_whole_truth_is_refused(void **state)
{
    static const struct {
        const char *what;
        int64_t this_update_s;
        const char *digest;
        void (*edit)(X509_CRL *crl);
        bool good;
    } rows[] = {
        { "plain", 0, NULL, NULL, true },
        { "SHA-384", 0, "SHA384", NULL, true },
        { "SHA-1", 0, "SHA1", NULL, false },
        { "with a number", 0, NULL, make_numbered, true },
        { "delta", 0, NULL, make_delta, false },
        { "part", 0, NULL, make_part, false },
        { "critical extension", 0, NULL, make_strange, false },
        { "entry of another CA", 0, NULL, make_indirect_entry, false },
        { "unreadable reason", 0, NULL, make_unreadable_reason, false },
        { "longest serial number", 0, NULL, make_longest_serial, true },
        { "too long a serial number", 0, NULL, make_long_serial, false },
        { "of a second from now", 1, NULL, NULL, false },
    };
    struct reg *r = *state;
    struct world w = make_world(r);
    const struct reg_crl_entry on[] = { { .serial = "0a" } };

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        const struct reg_crl_spec spec = { .ca = &w.ca,
                                           .on = on,
                                           .n = 1,
                                           .this_update_s = rows[i].this_update_s,
                                           .digest = rows[i].digest,
                                           .edit = rows[i].edit };
        const struct prov_span der = reg_crl(r, &spec);
        struct prov_crl *crl;

        print_message("%s\n", rows[i].what);
        if (rows[i].good) {
            reg_ok(r, prov_crl_new(&r->tx, der, &crl));
            prov_crl_free(crl);
        } else {
            reg_refused(r, prov_crl_new(&r->tx, der, &crl), PROV_EINVAL, INVALID);
            assert_null(crl);
        }
    }
    free_world(&w);
}

static void what_is_no_list_is_refused(void **state)
{
    struct reg *r = *state;
    struct world w = make_world(r);
    const struct prov_span der = one_of(r, &w, 0, 0);
    uint8_t *longer = reg_keep(r, der.p, der.n);
    uint8_t *huge = malloc(PROV_MAX_CRL + 1);
    const struct prov_span bad[] = {
        NONE,
        S("no list"),
        S("-----BEGIN X509 CRL-----\n-----END X509 CRL-----\n"),
        { der.p, der.n - 1 },
        { longer, der.n + 1 }, /* a NUL behind it */
        reg_der(r, &w.leaf[0]),
    };
    struct prov_crl *crl;

    for (size_t i = 0; i < PROV_COUNT(bad); i++)
        reg_refused(r, prov_crl_new(&r->tx, bad[i], &crl), PROV_EINVAL, INVALID);
    assert_non_null(huge);
    memset(huge, ' ', PROV_MAX_CRL + 1);
    reg_refused(r, prov_crl_new(&r->tx, prov_span(huge, PROV_MAX_CRL + 1), &crl), PROV_ETOOBIG,
                INVALID);
    reg_refused(r, prov_crl_new(&r->tx, prov_span(huge, PROV_MAX_CRL), &crl), PROV_EINVAL, INVALID);
    free(huge);
    crl = open_list(r, der);
    prov_crl_free(crl);
    free_world(&w);
}

/* The outer algorithm is not under the signature, so anybody could change it. */
static void list_that_names_two_algorithms_is_refused(void **state)
{
    static const uint8_t sha256[] = { 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02 };
    struct reg *r = *state;
    struct world w = make_world(r);
    const struct prov_span der = one_of(r, &w, 0, 0);
    uint8_t *copy = reg_keep(r, der.p, der.n);
    struct prov_crl *crl;
    int found = 0;

    for (size_t i = 0; i + sizeof sha256 <= der.n; i++) {
        if (memcmp(copy + i, sha256, sizeof sha256) == 0 && found++ == 1)
            copy[i + sizeof sha256 - 1] = 0x03; /* ecdsa-with-SHA384 */
    }
    assert_int_equal(found, 2);
    reg_refused(r, prov_crl_new(&r->tx, prov_span(copy, der.n), &crl), PROV_EINVAL, INVALID);
    free_world(&w);
}

static void only_a_registered_ca_may_list(void **state)
{
    struct reg *r = *state;
    struct world w = make_world(r);
    struct pki_cert impostor = pki_impostor(&w.ca), stranger = reg_pki_ca(r, "/CN=Stranger");
    struct pki_cert mute = reg_pki(
        r, &(struct pki_spec){ .subject = "/CN=Mute", .ca = true, .key_usage = "keyCertSign" });
    const struct pki_cert *const bad[] = { &impostor, &stranger, &mute };
    struct prov_crl *crl;

    (void)reg_ca(r, &mute, NULL);
    for (size_t i = 0; i < PROV_COUNT(bad); i++) {
        const struct prov_span der = reg_crl(r, &(struct reg_crl_spec){ .ca = bad[i] });

        reg_refused(r, prov_crl_new(&r->tx, der, &crl), PROV_EDENIED, BAD_CERT);
    }
    (void)reg_ca(r, &stranger, NULL);
    crl = open_list(r, reg_crl(r, &(struct reg_crl_spec){ .ca = &stranger }));
    prov_crl_free(crl);
    pki_free(&mute);
    pki_free(&stranger);
    pki_free(&impostor);
    free_world(&w);
}

static void list_may_be_signed_with_rsa_of_either_padding(void **state)
{
    struct reg *r = *state;
    struct pki_cert ca =
        reg_pki(r, &(struct pki_spec){
                       .subject = "/CN=RSA", .ca = true, .use_key = pki_key_shared(PKI_RSA_2048) });
    static const struct {
        bool pss;
        const char *digest;
        bool good;
    } rows[] = { { false, "SHA256", true },
                 { true, "SHA512", true },
                 { true, "SHA1", false },
                 { false, "SHA1", false } };
    struct prov_crl *crl;

    (void)reg_ca(r, &ca, NULL);
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        const struct prov_span der = reg_crl(
            r, &(struct reg_crl_spec){ .ca = &ca, .pss = rows[i].pss, .digest = rows[i].digest });

        if (!rows[i].good) {
            reg_refused(r, prov_crl_new(&r->tx, der, &crl), PROV_EINVAL, INVALID);
            continue;
        }
        crl = open_list(r, der);
        prov_crl_free(crl);
    }
    pki_free(&ca);
}

/* ---- whose list it is ------------------------------------------------------------------------ */

static void list_is_of_the_ca_whose_key_signed_it(void **state)
{
    struct reg *r = *state;
    struct world w = make_world(r);
    struct pki_cert same = reg_pki_ca(r, "/CN=Root"), leaf;
    const struct prov_id same_id = reg_ca(r, &same, NULL);
    struct prov_id id;

    leaf = reg_pki(r, &(struct pki_spec){ .subject = "/CN=dev", .issuer = &same, .serial = "0a" });
    id = enrol(r, &leaf, PROV_CERT_ACTIVE);
    assert_result(
        import(r,
               reg_crl(r, &(struct reg_crl_spec){ .ca = &w.ca,
                                                  .on = &(struct reg_crl_entry){ .serial = "0a" },
                                                  .n = 1 })),
        0, 0, 0, 1);
    assert_int_equal(status_of(r, &id), PROV_CERT_ACTIVE);
    assert_false(lists(r, &same_id, &leaf));
    assert_true(lists(r, &w.ca_id, &leaf));
    pki_free(&leaf);
    pki_free(&same);
    free_world(&w);
}

/* Two CAs over one key give serial numbers each for itself. */
static void list_is_not_of_another_name_with_the_same_key(void **state)
{
    struct reg *r = *state;
    struct world w = make_world(r);
    struct pki_cert other =
        reg_pki(r, &(struct pki_spec){ .subject = "/CN=Other", .ca = true, .use_key = w.ca.key });
    const struct prov_id other_id = reg_ca(r, &other, NULL);

    (void)import(r, one_of(r, &w, 0, 0));
    assert_true(lists(r, &w.ca_id, &w.leaf[0]));
    assert_false(lists(r, &other_id, &w.leaf[0]));
    pki_free(&other);
    free_world(&w);
}

/* Renewed over the same key: lists of one certificate of the CA hold for its others. */
static void renewed_ca_keeps_its_lists(void **state)
{
    struct reg *r = *state;
    struct world w = make_world(r);
    struct pki_spec spec = { .subject = "/CN=Root", .ca = true, .use_key = w.ca.key };
    struct pki_cert renewed, again;
    struct prov_id renewed_id, id;
    struct prov_crl *crl;
    struct prov_ca ca;

    (void)import(r, one_of(r, &w, 0, -9));
    renewed = reg_pki(r, &spec);
    renewed_id = reg_ca(r, &renewed, NULL);
    assert_true(lists(r, &renewed_id, &w.leaf[0]));
    reg_ok(r, prov_ca_get(&r->tx, &renewed_id, &ca));
    assert_int_equal(ca.crl_entries, 1);
    reg_refused(r, prov_crl_new(&r->tx, one_of(r, &w, 0, -10), &crl), PROV_ECONFLICT,
                "VersionConflictException");
    reg_ca_state(r, &w.ca_id, false, false);
    id = enrol(r, &w.leaf[1], PROV_CERT_ACTIVE); /* under the renewed one */
    crl = open_list(r, reg_crl(r, &(struct reg_crl_spec){
                                      .ca = &w.ca,
                                      .on = &(struct reg_crl_entry){ .cert = w.leaf[1].x509 },
                                      .n = 1 }));
    assert_int_equal(prov_crl_info(crl)->n_cas, 2);
    reg_ok(r, prov_crl_apply(crl, &r->tx, &(struct prov_crl_result){ 0 }));
    prov_crl_free(crl);
    assert_int_equal(status_of(r, &id), PROV_CERT_REVOKED);
    reg_ok(r, prov_ca_delete(&r->tx, &w.ca_id));
    assert_true(lists(r, &renewed_id, &w.leaf[0])); /* one is left */
    reg_ca_state(r, &renewed_id, false, false);
    reg_ok(r, prov_ca_delete(&r->tx, &renewed_id));
    assert_string_equal(reg_problems(r), "");
    again = reg_pki(r, &spec);
    id = reg_ca(r, &again, NULL);
    assert_false(lists(r, &id, &w.leaf[0])); /* the last one took the lists along */
    pki_free(&again);
    pki_free(&renewed);
    free_world(&w);
}

static void lists_of_a_ca_that_is_not_registered_are_asked_in_vain(void **state)
{
    struct reg *r = *state;
    struct world w = make_world(r);
    const struct prov_id unknown = { { 1 } };
    bool listed = true;

    reg_refused(r, prov_crl_lists(&r->tx, &unknown, w.leaf[0].x509, &listed), PROV_ENOTFOUND,
                "ResourceNotFoundException");
    assert_false(listed);
    free_world(&w);
}

/* ---- in two halves --------------------------------------------------------------------------- */

static size_t find_all(struct reg *r, struct prov_crl *crl, size_t max)
{
    size_t calls = 0;
    bool more = true;

    for (; more; calls++)
        reg_ok(r, prov_crl_find(crl, &r->tx, max, &more));
    return calls;
}

/* What is registered, changed or deleted between the halves, in all orders of looking. */
static void apply_sees_what_find_did_not(void **state)
{
    static const size_t pages[] = { 0, 1, 100 }; /* pages of find: none, a first one, all */
    struct reg *r = *state;
    struct world w = make_world(r);
    const struct reg_crl_entry on[] = { { .cert = w.leaf[0].x509 },
                                        { .cert = w.leaf[1].x509 },
                                        { .cert = w.leaf[2].x509 } };
    const struct prov_span der =
        reg_crl(r, &(struct reg_crl_spec){ .ca = &w.ca, .on = on, .n = 3 });
    const struct prov_id a = enrol(r, &w.leaf[0], PROV_CERT_ACTIVE),
                         b = enrol(r, &w.leaf[1], PROV_CERT_ACTIVE);

    reg_commit(r);
    for (size_t i = 0; i < PROV_COUNT(pages); i++) {
        struct prov_crl *crl = open_list(r, der);
        struct prov_crl_result result;
        struct prov_id c;
        bool more;

        if (pages[i] != 0)
            reg_ok(r, prov_crl_find(crl, &r->tx, pages[i], &more));
        reg_ok(r, prov_cert_set_status(&r->tx, &b, PROV_CERT_INACTIVE));
        reg_ok(r, prov_cert_delete(&r->tx, &b, false));
        c = enrol(r, &w.leaf[2], PROV_CERT_ACTIVE); /* takes b's DER number */
        reg_nest(r);
        reg_ok(r, prov_crl_apply(crl, &r->tx, &result));
        assert_result(result, 2, 0, 0, 1);
        prov_txn_abort(r->tx.txn);
        r->tx.txn = r->outer;
        r->outer = NULL;
        reg_ok(r, prov_crl_apply(crl, &r->tx, &result)); /* from the start */
        assert_result(result, 2, 0, 0, 1);
        assert_int_equal(status_of(r, &a), PROV_CERT_REVOKED);
        assert_int_equal(status_of(r, &c), PROV_CERT_REVOKED);
        assert_string_equal(reg_problems(r), "");
        prov_crl_free(crl);
        reg_abort(r);
    }
    free_world(&w);
}

static void forget_feed(struct reg *r)
{
    uint64_t last;
    uint8_t be[8];

    reg_ok(r, prov_feed_last(&r->tx, &last));
    for (; last > 0; last--) {
        reg_be64(last - 1, be);
        reg_ok(r, reg_del(&r->tx, REG_FEED, prov_span(be, 8)));
    }
}

static void apply_looks_at_all_when_too_much_changed_meanwhile(void **state)
{
    struct reg *r = *state;
    struct world w = make_world(r);
    struct prov_crl *crl = open_list(r, one_of(r, &w, 0, 0));
    struct prov_crl_result result;
    struct prov_id a;

    assert_int_equal(find_all(r, crl, 1), 1);
    a = enrol(r, &w.leaf[0], PROV_CERT_ACTIVE);
    (void)reg_cert(r);
    forget_feed(r);
    reg_ok(r, prov_crl_apply(crl, &r->tx, &result));
    assert_result(result, 1, 0, 0, 0);
    assert_int_equal(status_of(r, &a), PROV_CERT_REVOKED);
    prov_crl_free(crl);
    free_world(&w);
}

static void find_looks_at_no_more_than_it_was_told(void **state)
{
    struct reg *r = *state;
    struct world w = make_world(r);
    struct prov_crl *crl;

    for (size_t i = 0; i < PROV_COUNT(w.leaf); i++)
        (void)enrol(r, &w.leaf[i], PROV_CERT_ACTIVE);
    reg_ok(r, reg_link_add(&r->tx, REG_CERT_OF_CA, prov_id_span(&w.ca_id),
                           prov_id_span(&(struct prov_id){ { 0xff } }))); /* leads nowhere */
    reg_read(r);
    crl = open_list(r, one_of(r, &w, 0, 0));
    assert_int_equal(find_all(r, crl, 2), 3);
    prov_crl_free(crl);
    crl = open_list(r, one_of(r, &w, 0, 0));
    assert_int_equal(find_all(r, crl, 100), 1);
    reg_write(r);
    prov_crl_free(crl);
    free_world(&w);
}

static void ca_that_is_gone_by_then_has_nothing_imported(void **state)
{
    struct reg *r = *state;
    struct world w = make_world(r);
    struct prov_crl *crl = open_list(r, one_of(r, &w, 0, 0));
    struct prov_crl_result result;

    reg_ca_state(r, &w.ca_id, false, false);
    reg_ok(r, prov_ca_delete(&r->tx, &w.ca_id));
    reg_refused(r, prov_crl_apply(crl, &r->tx, &result), PROV_ENOTFOUND,
                "ResourceNotFoundException");
    prov_crl_free(crl);
    free_world(&w);
}

static void lost_certificate_is_told_of(void **state)
{
    struct reg *r = *state;
    struct world w = make_world(r);
    struct prov_crl *crl;
    uint8_t key[8];
    bool more;

    (void)enrol(r, &w.leaf[0], PROV_CERT_ACTIVE);
    reg_be64(1, key);
    reg_ok(r, reg_del(&r->tx, REG_CERT_DER, prov_span(key, 8)));
    crl = open_list(r, one_of(r, &w, 0, 0));
    reg_refused(r, prov_crl_find(crl, &r->tx, 10, &more), PROV_ESTORE, "InternalFailureException");
    prov_crl_free(crl);
    free_world(&w);
}

/* ---- serial numbers -------------------------------------------------------------------------- */

static void serial_number_is_found_in_der_without_decoding(void **state)
{
    static const struct {
        const char *serial;
        bool v1;
        struct prov_span content;
    } rows[] = {
        { "00", false, PROV_LIT("\0") },       { "01", true, PROV_LIT("\1") },
        { "7f", false, PROV_LIT("\x7f") },     { "80", false, PROV_LIT("\0\x80") },
        { "-80", true, PROV_LIT("\x80") },     { "-01", false, PROV_LIT("\xff") },
        { "0100", false, PROV_LIT("\x01\0") },
    };
    struct reg *r = *state;

    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        struct pki_cert cert =
            reg_pki(r, &(struct pki_spec){ .serial = rows[i].serial,
                                           .v1 = rows[i].v1,
                                           .use_key = pki_key_shared(PKI_P256) });
        const struct prov_span der = reg_der(r, &cert);
        uint8_t space[REG_SERIAL_MAX];

        print_message("%s\n", rows[i].serial);
        assert_true(prov_span_eq(reg_serial_of_der(der), rows[i].content));
        assert_true(
            prov_span_eq(reg_serial(X509_get0_serialNumber(cert.x509), space), rows[i].content));
        for (size_t n = 0; n < 20; n++) /* cut short: found in full or not at all */
            assert_int_equal(reg_serial_of_der(prov_span(der.p, n)).n, 0);
        pki_free(&cert);
    }
    assert_int_equal(reg_serial_of_der(S("no certificate")).n, 0);
}

/* ---- failures -------------------------------------------------------------------------------- */

static enum prov_rc import_all(struct reg *r, void *ctx)
{
    const struct prov_span *der = ctx;
    struct prov_crl_result result;
    struct prov_crl *crl;
    enum prov_rc rc;
    bool more;

    rc = prov_crl_new(&r->tx, *der, &crl);
    if (rc != PROV_OK)
        return rc;
    rc = prov_crl_find(crl, &r->tx, 1, &more);
    if (rc == PROV_OK)
        rc = prov_crl_apply(crl, &r->tx, &result);
    prov_crl_free(crl);
    return rc;
}

static enum prov_rc delete_ca(struct reg *r, void *ctx)
{
    return prov_ca_delete(&r->tx, ctx);
}

static void failed_import_leaves_nothing_behind(void **state)
{
    struct reg *r = *state;
    struct world w = make_world(r);
    const struct reg_crl_entry on[] = { { .cert = w.leaf[0].x509 },
                                        { .cert = w.leaf[1].x509, .reason = HOLD } };
    struct prov_span der, pem;

    (void)import(r, reg_crl(r, &(struct reg_crl_spec){
                                   .ca = &w.ca,
                                   .on = &(struct reg_crl_entry){ .serial = "0a", .reason = HOLD },
                                   .n = 1,
                                   .this_update_s = -9 }));
    der = reg_crl(r, &(struct reg_crl_spec){ .ca = &w.ca, .on = on, .n = 2 });
    pem = reg_crl_pem(r, der);
    (void)enrol(r, &w.leaf[0], PROV_CERT_ACTIVE);
    (void)enrol(r, &w.leaf[1], PROV_CERT_ACTIVE);
    assert_true(reg_each_allocation(r, import_all, &pem) > 4);
    if (!r->lmdb) {
        assert_true(reg_each_openssl_allocation(r, import_all, &pem) > 50);
        /* two certificates: record, counts, feed; a hold ends, two entries; CA and feed */
        assert_int_equal(reg_each_write(r, import_all, &der), 6 + 3 + 2);
    }
    reg_ok(r, import_all(r, &der));
    reg_ca_state(r, &w.ca_id, false, false);
    assert_true(reg_each_allocation(r, delete_ca, &w.ca_id) > 0);
    if (!r->lmdb)
        assert_int_equal(reg_each_write(r, delete_ca, &w.ca_id), 1 + 2 + 2 + 1);
    free_world(&w);
}

static const struct CMUnitTest crl[] = {
    REG_TEST(listed_certificates_are_revoked_and_no_others),
    REG_TEST(list_tells_what_it_is),
    REG_TEST(status_of_a_listed_certificate_follows_from_the_reason),
    REG_TEST(hold_beside_another_reason_does_not_soften_it),
    REG_TEST(all_certificates_of_a_serial_number_are_revoked),
    REG_TEST(importing_again_changes_nothing),
    REG_TEST(listed_certificate_is_never_let_in),
    REG_TEST(twin_of_a_listed_certificate_is_listed),
    REG_TEST(later_list_ends_holds_and_nothing_else),
    REG_TEST(removal_from_the_list_ends_a_hold),
    REG_TEST(registered_certificate_stays_inactive_when_its_hold_ends),
    REG_TEST(older_list_than_the_last_is_refused),
    REG_TEST(list_that_is_not_the_whole_truth_is_refused),
    REG_TEST(what_is_no_list_is_refused),
    REG_TEST(list_that_names_two_algorithms_is_refused),
    REG_TEST(only_a_registered_ca_may_list),
    REG_TEST(list_may_be_signed_with_rsa_of_either_padding),
    REG_TEST(list_is_of_the_ca_whose_key_signed_it),
    REG_TEST(list_is_not_of_another_name_with_the_same_key),
    REG_TEST(renewed_ca_keeps_its_lists),
    REG_TEST(lists_of_a_ca_that_is_not_registered_are_asked_in_vain),
    REG_TEST(apply_sees_what_find_did_not),
    REG_TEST(apply_looks_at_all_when_too_much_changed_meanwhile),
    REG_TEST(find_looks_at_no_more_than_it_was_told),
    REG_TEST(ca_that_is_gone_by_then_has_nothing_imported),
    REG_TEST(lost_certificate_is_told_of),
    REG_TEST(serial_number_is_found_in_der_without_decoding),
    REG_TEST(failed_import_leaves_nothing_behind),
};
REG_MAIN(crl)
