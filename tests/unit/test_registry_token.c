/* Certificates that are made here, and the ownership tokens that come with them (reference 1.7). */
#include "support/reg_fixture.h"

#include <openssl/evp.h>

#include "core/reg.h"
#include "support/alloc.h"

#define BAD_TOKEN "InvalidCertificateOwnershipToken"
#define INVALID "InvalidRequestException"
#define EXISTS "ResourceAlreadyExistsException"
#define STATE "CertificateStateException"
#define BAD_CERT "CertificateValidationException"
#define INTERNAL "InternalFailureException"

#define HOUR_MS (INT64_C(3600) * 1000)

static const struct prov_id claim = { { 'c', 'l', 'a', 'i', 'm' } };
static const struct prov_id other = { { 'o', 't', 'h', 'e', 'r' } };

/* A certificate with the token that is good for an hour. */
struct issued {
    struct prov_id id;
    int64_t expires_ms;
    char token[PROV_TOKEN_LEN + 1];
};

static struct issued issue(struct reg *r)
{
    const struct prov_made_cert made = reg_made(r, NULL);
    struct issued out = { .expires_ms = r->tx.now_ms + HOUR_MS };

    reg_ok(r, prov_cert_record_issued(&r->tx, &made, &claim, out.expires_ms, &out.id, out.token));
    return out;
}

static struct prov_cert get(struct reg *r, const struct prov_id *id)
{
    struct prov_cert cert;

    reg_ok(r, prov_cert_get(&r->tx, id, &cert));
    return cert;
}

static enum prov_rc ask(struct reg *r, const char *token, struct prov_ownership *out)
{
    return prov_token_check(&r->tx, S(token), &claim, out);
}

static struct prov_ownership owner(struct reg *r, const struct issued *issued)
{
    struct prov_ownership out;

    reg_ok(r, ask(r, issued->token, &out));
    return out;
}

static void refused(struct reg *r, const char *token, const char *says)
{
    struct prov_ownership out;

    reg_nest(r);
    assert_int_equal(ask(r, token, &out), PROV_EDENIED);
    if (strstr(r->err.text, says) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", r->err.text, says);
    assert_true(token[0] == '\0' || strstr(r->err.text, token) == NULL);
    reg_expect_refused(r, r->err.rc, PROV_EDENIED, BAD_TOKEN, token, __FILE__, __LINE__);
}

/* ---- recording ------------------------------------------------------------------------------- */

static void issued_certificate_is_pending_and_known_as_its_maker_told(void **state)
{
    struct reg *r = *state;
    const struct prov_made_cert made = reg_made(r, NULL);
    const int64_t expires_ms = r->tx.now_ms + HOUR_MS;
    char token[PROV_TOKEN_LEN + 1];
    uint64_t counts[PROV_CERT_STATUSES];
    struct prov_id id, of_der;
    struct prov_cert cert;
    struct prov_span der;

    (void)reg_feed(r);
    reg_ok(r, prov_cert_record_issued(&r->tx, &made, &claim, expires_ms, &id, token));
    assert_string_equal(reg_feed(r), "cert");
    assert_int_equal(prov_ident_id_of_der(made.der, &of_der), PROV_OK);
    assert_id(&id, &of_der);
    cert = get(r, &id);
    assert_int_equal(cert.status, PROV_CERT_PENDING_ACTIVATION);
    assert_int_equal(cert.mode, PROV_MODE_DEFAULT);
    assert_int_equal(cert.not_before_s, made.not_before_s);
    assert_int_equal(cert.not_after_s, made.not_after_s);
    assert_int_equal(cert.created_ms, r->tx.now_ms);
    assert_int_equal(cert.token_ms, expires_ms);
    assert_span(cert.common_name, "made");
    assert_true(prov_id_is_zero(&cert.ca_id));
    reg_ok(r, prov_cert_der(&r->tx, &id, &der));
    assert_true(prov_span_eq(der, made.der));
    reg_ok(r, prov_cert_counts(&r->tx, counts));
    assert_int_equal(counts[PROV_CERT_PENDING_ACTIVATION], 1);
    assert_int_equal(strlen(token), PROV_TOKEN_LEN);
    assert_string_equal(reg_problems(r), "");
}

static void made_certificate_is_active_or_inactive_and_nothing_else(void **state)
{
    struct reg *r = *state;
    struct prov_made_cert made;
    struct prov_id id;
    int64_t at_ms;

    for (unsigned status = 0; status < PROV_CERT_STATUSES; status++) {
        made = reg_made(r, NULL);
        if (status == PROV_CERT_ACTIVE || status == PROV_CERT_INACTIVE) {
            reg_ok(r, prov_cert_record_made(&r->tx, &made, status, &id));
            assert_int_equal(get(r, &id).status, status);
            assert_int_equal(get(r, &id).token_ms, 0);
        } else {
            reg_refused(r, prov_cert_record_made(&r->tx, &made, status, &id), PROV_EINVAL, INVALID);
        }
    }
    reg_ok(r, prov_due_next(&r->tx, &at_ms));
    assert_true(at_ms == INT64_MAX);
    assert_string_equal(reg_problems(r), "");
}

static void issuer_is_recorded_when_it_is_registered(void **state)
{
    struct reg *r = *state;
    struct pki_cert ca = reg_pki_ca(r, "/CN=Root");
    const struct prov_made_cert before = reg_made(r, &ca), after = reg_made(r, &ca);
    struct prov_id ca_id, unknown, known;
    char hex[PROV_ID_HEX + 1];
    struct prov_cert cert;

    reg_ok(r, prov_cert_record_made(&r->tx, &before, PROV_CERT_ACTIVE, &unknown));
    ca_id = reg_ca(r, &ca, NULL);
    reg_ok(r, prov_cert_record_made(&r->tx, &after, PROV_CERT_ACTIVE, &known));
    cert = get(r, &unknown);
    assert_true(prov_id_is_zero(&cert.ca_id));
    cert = get(r, &known);
    assert_id(&cert.ca_id, &ca_id);
    assert_int_equal(cert.mode, PROV_MODE_DEFAULT); /* the CA's is another */
    prov_id_hex(&known, hex);
    assert_string_equal(reg_list(r, PROV_LIST_CERTS_OF_CA, prov_id_span(&ca_id), NONE), hex);
    assert_string_equal(reg_problems(r), "");
    pki_free(&ca);
}

static void certificate_that_its_ca_revoked_is_not_recorded(void **state)
{
    struct reg *r = *state;
    struct pki_cert ca = reg_pki_ca(r, "/CN=Root");
    const struct prov_made_cert made = reg_made(r, &ca);
    const struct prov_id ca_id = reg_ca(r, &ca, NULL);
    uint8_t key[PROV_STORE_KEY_MAX];
    struct prov_ca found;
    struct prov_id id;

    reg_ok(r, prov_ca_get(&r->tx, &ca_id, &found));
    reg_ok(r, reg_put_bytes(&r->tx, REG_REVOKED,
                            reg_revoked_key(&found.authority, reg_serial_of_der(made.der), key),
                            PROV_LIT("\0\0\0\0\0\0\0\0\0")));
    reg_refused(r, prov_cert_record_made(&r->tx, &made, PROV_CERT_ACTIVE, &id), PROV_EDENIED,
                STATE);
    pki_free(&ca);
}

static void certificate_or_its_twin_is_recorded_once(void **state)
{
    struct reg *r = *state;
    struct pki_cert leaf = reg_pki_leaf(r, NULL, "/CN=made"), guise = pki_twin(&leaf);
    const struct prov_made_cert made = { .der = reg_der(r, &leaf), .not_after_s = REG_T0 },
                                twin = { .der = reg_der(r, &guise), .not_after_s = REG_T0 };
    struct prov_id id, again, found;
    char token[PROV_TOKEN_LEN + 1];

    reg_ok(r, prov_cert_record_issued(&r->tx, &made, &claim, HOUR_MS, &id, token));
    reg_ok(r, prov_cert_twin(&r->tx, guise.x509, &found));
    assert_id(&found, &id);
    reg_refused(r, prov_cert_record_issued(&r->tx, &made, &claim, HOUR_MS, &again, token),
                PROV_ECONFLICT, EXISTS);
    assert_id(&again, &id);
    assert_string_equal(token, "");
    reg_refused(r, prov_cert_record_made(&r->tx, &twin, PROV_CERT_ACTIVE, &again), PROV_ECONFLICT,
                EXISTS);
    reg_refused(r,
                prov_cert_register(
                    &r->tx, &(struct prov_cert_registration){ .der = twin.der, .without_ca = true },
                    &again),
                PROV_ECONFLICT, EXISTS);
    reg_ok(r, prov_cert_delete(&r->tx, &id, false));
    reg_ok(r, prov_cert_record_made(&r->tx, &twin, PROV_CERT_ACTIVE, &again));
    assert_string_equal(reg_problems(r), "");
    pki_free(&guise);
    pki_free(&leaf);
}

static void bytes_that_are_no_certificate_are_refused(void **state)
{
    /* as long as it says, and a byte too long */
    static const uint8_t header[] = { 0x30, 0x82, 0x3f, 0xfd, 0x30, 0x00 };
    struct reg *r = *state;
    const struct prov_span der = reg_made(r, NULL).der;
    uint8_t *copy = reg_keep(r, der.p, der.n), *huge = calloc(1, PROV_MAX_CERT_DER + 1);
    const struct prov_span bad[] = { NONE,
                                     S("no certificate"),
                                     PROV_LIT("\x30\x00"),
                                     PROV_LIT("\x30\x80\x30\x00\x00\x00"),
                                     PROV_LIT("\x30\x02\x04\x00"),
                                     PROV_LIT("\x31\x02\x30\x00"),
                                     prov_span(copy, der.n - 1),
                                     prov_span(copy, der.n + 1),
                                     prov_span(huge, PROV_MAX_CERT_DER + 1) };
    struct prov_made_cert made = { .not_after_s = REG_T0 };
    char token[PROV_TOKEN_LEN + 1];
    struct prov_id id;

    memcpy(huge, header, sizeof header);
    for (size_t i = 0; i < PROV_COUNT(bad); i++) {
        made.der = bad[i];
        reg_refused(r, prov_cert_record_issued(&r->tx, &made, &claim, HOUR_MS, &id, token),
                    PROV_EINVAL, BAD_CERT);
    }
    made.der = prov_span(copy, der.n);
    reg_refused(r, prov_cert_record_issued(&r->tx, &made, &claim, 0, &id, token), PROV_EBUG,
                INTERNAL);
    reg_ok(r, prov_cert_record_issued(&r->tx, &made, &claim, HOUR_MS, &id, token));
    free(huge);
}

/* ---- tokens ---------------------------------------------------------------------------------- */

static void token_is_good_for_its_claim_and_tells_whose_it_is(void **state)
{
    struct reg *r = *state;
    const struct issued a = issue(r), b = issue(r);
    struct prov_ownership out = owner(r, &a);

    assert_id(&out.cert, &a.id);
    assert_id(&out.claim, &claim);
    assert_int_equal(out.expires_ms, a.expires_ms);
    assert_true(prov_id_is_zero(&out.registration));
    assert_int_equal(out.answer.n, 0);
    out = owner(r, &b);
    assert_id(&out.cert, &b.id);
    reg_refused(r, prov_token_check(&r->tx, S(a.token), &other, &out), PROV_EDENIED, BAD_TOKEN);
    assert_id(&out.cert, &a.id); /* for who looks into it */
    assert_true(prov_id_is_zero(&out.claim) && out.expires_ms == 0);
}

static void token_of_the_same_certificate_and_time_differs_each_time(void **state)
{
    struct reg *r = *state;
    const struct prov_made_cert made = reg_made(r, NULL);
    char tokens[2][PROV_TOKEN_LEN + 1];
    struct prov_id id;

    for (int i = 0; i < 2; i++) {
        reg_ok(r, prov_cert_record_issued(&r->tx, &made, &claim, HOUR_MS, &id, tokens[i]));
        if (i == 0)
            reg_ok(r, prov_cert_delete(&r->tx, &id, false));
    }
    assert_memory_equal(tokens[0], tokens[1], (8 + PROV_ID_LEN) / 3 * 4); /* time and id */
    assert_memory_not_equal(tokens[0] + 56, tokens[1] + 56, 40);
}

static void token_with_any_character_altered_is_refused(void **state)
{
    struct reg *r = *state;
    const struct issued a = issue(r);
    struct prov_ownership out;
    char token[PROV_TOKEN_LEN + 1];

    (void)owner(r, &a);
    reg_commit(r);
    for (size_t i = 0; i < PROV_TOKEN_LEN; i++) {
        for (unsigned c = 0; c < 256; c++) {
            enum prov_rc rc;

            memcpy(token, a.token, sizeof token);
            if ((uint8_t)token[i] == c)
                continue;
            token[i] = (char)c;
            rc = prov_token_check(&r->tx, prov_span(token, PROV_TOKEN_LEN), &claim, &out);
            if (rc != PROV_EDENIED || strcmp(r->err.code, BAD_TOKEN) != 0)
                fail_msg("character %zu made %u: %s", i, c, prov_rc_name(rc));
        }
    }
    (void)owner(r, &a);
}

static void text_that_is_no_token_is_refused(void **state)
{
    static const char all[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
                              "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    struct reg *r = *state;
    const struct issued a = issue(r), b = issue(r);
    char mixed[PROV_TOKEN_LEN + 1], longer[PROV_TOKEN_LEN + 5], negative[PROV_TOKEN_LEN + 1];
    struct prov_ownership out;

    refused(r, "", "cannot be empty");
    refused(r, "x", "is not one");
    refused(r, all, "has expired"); /* 1970 */
    memcpy(negative, all, sizeof negative);
    negative[0] = '_';
    refused(r, negative, "is not one");
    memcpy(mixed, a.token, sizeof mixed);
    memcpy(mixed + 56, b.token + 56, 40); /* the other's secret */
    refused(r, mixed, "was never given");
    assert_int_equal(ask(r, mixed, &out), PROV_EDENIED);
    assert_true(prov_id_is_zero(&out.cert));
    memcpy(mixed, a.token, sizeof mixed);
    mixed[PROV_TOKEN_LEN - 1] = '\0';
    refused(r, mixed, "is not one");
    for (const char *const *tail = (const char *const[]){ "A", "=", "====", "\n", NULL };
         *tail != NULL; tail++) {
        (void)snprintf(longer, sizeof longer, "%s%s", a.token, *tail);
        refused(r, longer, "is not one");
    }
    reg_refused(r, prov_token_check(&r->tx, prov_span(a.token, sizeof a.token), &claim, &out),
                PROV_EDENIED, BAD_TOKEN); /* with its NUL */
    (void)owner(r, &a);
}

static void token_ends_at_its_millisecond_swept_or_not(void **state)
{
    struct reg *r = *state;
    const struct issued a = issue(r);
    struct prov_due_result done;

    r->tx.now_ms = a.expires_ms - 1;
    (void)owner(r, &a);
    r->tx.now_ms = a.expires_ms;
    refused(r, a.token, "has expired");
    reg_ok(r, prov_due_run(&r->tx, 10, &done));
    assert_int_equal(done.tokens, 1);
    refused(r, a.token, "has expired");
    r->tx.now_ms = a.expires_ms - 1;
    refused(r, a.token, "was never given"); /* it is gone for good */
}

static void token_survives_a_restart(void **state)
{
    struct reg *r = *state;
    const struct issued a = issue(r), b = issue(r);
    struct prov_ownership of_a, of_b;

    of_a = owner(r, &a);
    reg_ok(r, prov_token_use(&r->tx, &of_a, &other, S("answer")));
    reg_restart(r);
    of_a = owner(r, &a);
    assert_id(&of_a.registration, &other);
    assert_span(of_a.answer, "answer");
    of_b = owner(r, &b);
    assert_id(&of_b.cert, &b.id);
    r->tx.now_ms = a.expires_ms;
    refused(r, a.token, "has expired");
}

static void token_depends_on_its_certificates_status(void **state)
{
    static const struct {
        unsigned status;
        bool unused_good, used_good;
    } rows[] = {
        { PROV_CERT_PENDING_ACTIVATION, true, true }, { PROV_CERT_ACTIVE, true, true },
        { PROV_CERT_INACTIVE, false, true },          { PROV_CERT_PENDING_TRANSFER, false, true },
        { PROV_CERT_REVOKED, false, false },          { 77, false, true }
    };
    struct reg *r = *state;
    const struct issued unused = issue(r), used = issue(r);
    struct prov_ownership out = owner(r, &used);

    reg_ok(r, prov_token_use(&r->tx, &out, &other, S("answer")));
    for (size_t i = 0; i < PROV_COUNT(rows); i++) {
        reg_raw_status(r, &unused.id, rows[i].status);
        reg_raw_status(r, &used.id, rows[i].status);
        if (rows[i].unused_good)
            (void)owner(r, &unused);
        else
            refused(r, unused.token, "is for a certificate that");
        if (rows[i].used_good)
            (void)owner(r, &used);
        else
            refused(r, used.token, "REVOKED");
    }
    reg_raw_status(r, &unused.id, PROV_CERT_INACTIVE);
    reg_raw_status(r, &used.id, PROV_CERT_INACTIVE);
    reg_ok(r, prov_cert_delete(&r->tx, &used.id, false));
    refused(r, used.token, "was never given");
    assert_string_equal(reg_problems(r), "");
}

static void store_holds_no_token(void **state)
{
    struct reg *r = *state;
    const struct issued a = issue(r);
    struct prov_span key, value, secret;
    struct prov_cursor *cur;
    uint8_t raw[PROV_TOKEN_LEN];
    char *dump, hex[2 * 30 + 1];
    int n;

    assert_int_equal(prov_txn_scan(r->tx.txn, REG_DUE, &cur), PROV_OK);
    assert_int_equal(prov_cursor_next(cur, &key, &value), PROV_OK);
    assert_int_equal(key.n, 41);
    prov_cursor_free(cur);
    for (char *c = (char *)reg_keep(r, a.token, sizeof a.token), *at = c; *at != '\0'; at++) {
        *at = *at == '-' ? '+' : *at == '_' ? '/' : *at;
        if (at[1] == '\0') {
            n = EVP_DecodeBlock(raw, (const unsigned char *)c, PROV_TOKEN_LEN);
            assert_int_equal(n, 72);
        }
    }
    secret = prov_span(raw + 40, 32);
    prov_hex(secret.p, 30, hex);
    dump = reg_dump(r);
    assert_null(strstr(dump, hex));
    prov_hex(a.id.b, 30, hex); /* which a dump would show */
    assert_non_null(strstr(dump, hex));
    free(dump);
}

/* ---- using one ------------------------------------------------------------------------------- */

static void use_is_remembered_and_repeated_without_writing(void **state)
{
    struct reg *r = *state;
    const struct issued a = issue(r);
    const struct prov_id first = { { 1 } }, second = { { 2 } }, zero = { { 0 } };
    struct prov_ownership out = owner(r, &a);
    char *before, *after, *long_answer = calloc(1, PROV_MAX_FLEET_ANSWER + 1);
    uint64_t version;

    reg_refused(r, prov_token_use(&r->tx, &out, &zero, S("x")), PROV_EBUG, INTERNAL);
    reg_refused(
        r, prov_token_use(&r->tx, &out, &first, prov_span(long_answer, PROV_MAX_FLEET_ANSWER + 1)),
        PROV_ETOOBIG, INTERNAL);
    reg_ok(r, prov_token_use(&r->tx, &out, &first, prov_span(long_answer, PROV_MAX_FLEET_ANSWER)));
    assert_int_equal(owner(r, &a).answer.n, PROV_MAX_FLEET_ANSWER);
    reg_commit(r);
    version = prov_store_version(r->store);
    before = reg_dump(r);
    reg_ok(r, prov_token_use(&r->tx, &out, &first, S("another answer")));
    after = reg_dump(r);
    assert_string_equal(before, after);
    reg_commit(r);
    assert_int_equal(prov_store_version(r->store), version);
    reg_refused(r, prov_token_use(&r->tx, &out, &second, S("x")), PROV_ECONFLICT, BAD_TOKEN);
    out = owner(r, &a);
    assert_id(&out.registration, &first);
    r->tx.now_ms = a.expires_ms;
    reg_ok(r, prov_due_run(&r->tx, 1, &(struct prov_due_result){ 0 }));
    reg_refused(r, prov_token_use(&r->tx, &out, &first, S("x")), PROV_EDENIED, BAD_TOKEN);
    free(before);
    free(after);
    free(long_answer);
}

static void damaged_token_is_an_error_and_no_permission(void **state)
{
    struct reg *r = *state;
    const struct issued a = issue(r);
    uint8_t key[REG_DUE_KEY];
    struct prov_ownership out;

    reg_ok(r, reg_put_bytes(&r->tx, REG_DUE, reg_due_key(a.expires_ms, REG_DUE_TOKEN, &a.id, key),
                            S("\x01\x7f")));
    reg_refused(r, ask(r, a.token, &out), PROV_ESTORE, INTERNAL);
    reg_ok(r, reg_put_bytes(&r->tx, REG_DUE, reg_due_key(a.expires_ms, REG_DUE_TOKEN, &a.id, key),
                            NONE));
    refused(r, a.token, "was never given");
}

/* ---- failures -------------------------------------------------------------------------------- */

struct exchange {
    struct prov_made_cert made;
    struct prov_id id;
    char token[PROV_TOKEN_LEN + 1];
};

static enum prov_rc make_and_use(struct reg *r, void *ctx)
{
    struct exchange *x = ctx;
    struct prov_ownership out;
    enum prov_rc rc;

    rc = prov_cert_record_issued(&r->tx, &x->made, &claim, r->tx.now_ms + 1, &x->id, x->token);
    if (rc == PROV_OK)
        rc = ask(r, x->token, &out);
    return rc != PROV_OK ? rc : prov_token_use(&r->tx, &out, &other, S("answer"));
}

static void failure_at_any_step_leaves_nothing_behind(void **state)
{
    struct reg *r = *state;
    struct pki_cert ca = reg_pki_ca(r, "/CN=Root");
    struct exchange x = { .made = reg_made(r, &ca) };

    (void)reg_ca(r, &ca, NULL);
    assert_true(reg_each_allocation(r, make_and_use, &x) > 0);
    if (!r->lmdb) {
        assert_true(reg_each_openssl_allocation(r, make_and_use, &x) > 0);
        /* DER, record, count, feed, two links, token; token again */
        assert_int_equal(reg_each_write(r, make_and_use, &x), 8);
    }
    pki_free(&ca);
}

static const struct CMUnitTest registry_token[] = {
    REG_TEST(issued_certificate_is_pending_and_known_as_its_maker_told),
    REG_TEST(made_certificate_is_active_or_inactive_and_nothing_else),
    REG_TEST(issuer_is_recorded_when_it_is_registered),
    REG_TEST(certificate_that_its_ca_revoked_is_not_recorded),
    REG_TEST(certificate_or_its_twin_is_recorded_once),
    REG_TEST(bytes_that_are_no_certificate_are_refused),
    REG_TEST(token_is_good_for_its_claim_and_tells_whose_it_is),
    REG_TEST(token_of_the_same_certificate_and_time_differs_each_time),
    REG_TEST(token_with_any_character_altered_is_refused),
    REG_TEST(text_that_is_no_token_is_refused),
    REG_TEST(token_ends_at_its_millisecond_swept_or_not),
    REG_TEST(token_survives_a_restart),
    REG_TEST(token_depends_on_its_certificates_status),
    REG_TEST(store_holds_no_token),
    REG_TEST(use_is_remembered_and_repeated_without_writing),
    REG_TEST(damaged_token_is_an_error_and_no_permission),
    REG_TEST(failure_at_any_step_leaves_nothing_behind),
};
REG_MAIN(registry_token)
