/* provctl explain: which attempts, which story, which cure, and how it would go now. */
#include "ctl/ctl.h"
#include "unit/test_ctl.h"

#include "core/attempt.h"
#include "ctl/cure.h"

#define T0 INT64_C(1700000000000)

/* Attempts in the order given, a second apart. */
static void attempt(struct rig *r, const struct prov_attempt *given)
{
    static prov_attempt_id last;
    static int64_t at_ms = T0;
    struct prov_attempt a = *given;

    at_ms += 1000;
    last = prov_attempt_next_id(last, at_ms);
    a.id = last;
    rig_open(r);
    rig_do(r, prov_attempt_put(&r->tx, &a));
    rig_close(r);
}

static void refused(struct rig *r, enum prov_reason reason, const char *client_id,
                    const char *detail)
{
    attempt(r, &(struct prov_attempt){ .reason = reason,
                                       .cert = r->leaf_id,
                                       .ca = r->ca_id,
                                       .client_id = S(client_id),
                                       .address = S("192.0.2.7"),
                                       .common_name = S("dev-1"),
                                       .detail = S(detail) });
}

/* ---- finding --------------------------------------------------------------------------------- */

static void attempt_is_found_by_all_its_names(void **state)
{
    struct rig *r = *state;
    char attempt_id[PROV_ATTEMPT_HEX + 1], prefix[9];
    const char *names[] = { "client-1", "dev-1", "192.0.2.7", r->leaf_hex, prefix, attempt_id };

    rig_register(r);
    refused(r, PROV_REASON_CERT_REVOKED, "client-1", NULL);
    ctl_json(r, "explain", "client-1");
    (void)snprintf(attempt_id, sizeof attempt_id, "%s", text_at(r, "attempts[0].attemptId"));
    (void)prov_span_copy(prov_span(r->leaf_hex, 8), prefix, sizeof prefix);
    for (size_t i = 0; i < PROV_COUNT(names); i++) {
        ctl_json(r, "explain", names[i]);
        assert_int_equal(count_at(r, "attempts"), 1);
        assert_string_equal(text_at(r, "attempts[0].attemptId"), attempt_id);
    }
}

static void what_nobody_heard_of_is_not_found_with_the_cure(void **state)
{
    struct rig *r = *state;

    rig_register(r);
    refused(r, PROV_REASON_CERT_REVOKED, "client-1", NULL);
    ctl_fails(r, 2, "explain", "client-2");
    says(r->err, "nothing is known of \"client-2\"");
    says(r->err, "never reached this broker");
    ctl_fails(r, 2, "explain", "client");
    ctl_fails(r, 2, "explain", "00000000");
}

static void newest_attempt_is_told_first_and_the_others_below(void **state)
{
    struct rig *r = *state;

    rig_register(r);
    refused(r, PROV_REASON_NO_AUTO_REGISTRATION, NULL, NULL);
    refused(r, PROV_REASON_CERT_REVOKED, "dev-1", NULL);
    refused(r, PROV_REASON_CONNECT_DENIED, "dev-1", NULL);
    ctl_ok(r, "explain", "dev-1");
    says(r->out, "reason            connect-denied, AUTHORIZATION_FAILURE");
    says(r->out, "Earlier:");
    assert_true(strstr(r->out, "certificate-revoked") < strstr(r->out, "no-auto-registration"));
    ctl_json(r, "explain", "dev-1", "--limit", "2");
    assert_int_equal(count_at(r, "attempts"), 2);
    assert_string_equal(text_at(r, "attempts[0].reason"), "connect-denied");
    assert_string_equal(text_at(r, "attempts[1].reason"), "certificate-revoked");
    ctl_ok(r, "explain", "dev-1", "--limit", "2");
    says(r->out, "and more: --limit N");
    says_not(r->out, "no-auto-registration");
    ctl_ok(r, "explain", "dev-1", "--limit", "3");
    says_not(r->out, "and more");
    ctl_fails(r, 1, "explain", "dev-1", "--limit", "0");
    ctl_fails(r, 1, "explain", "dev-1", "--limit", "100000");
}

static void devices_behind_one_address_are_not_mixed_up(void **state)
{
    struct rig *r = *state;

    rig_register(r);
    refused(r, PROV_REASON_CERT_REVOKED, "mine", NULL);
    attempt(r, &(struct prov_attempt){ .reason = PROV_REASON_UNKNOWN_ISSUER,
                                       .address = S("192.0.2.7"),
                                       .client_id = S("somebody-else") });
    ctl_json(r, "explain", "192.0.2.7");
    assert_int_equal(count_at(r, "attempts"), 2);
    assert_string_equal(text_at(r, "certificate.certificateDescription.certificateId"),
                        r->leaf_hex);
    says(text_at(r, "verdict.cure"), "--client-id mine");
}

static void thing_and_session_lead_to_the_certificate(void **state)
{
    struct rig *r = *state;

    rig_register(r);
    ctl_ok(r, "thing", "create", "lamp");
    ctl_ok(r, "thing", "attach", "lamp", "--cert", r->leaf_hex);
    ctl_ok(r, "explain", "lamp");
    says(r->out, "No attempt of it is in the log.");
    says(r->out, "--client-id lamp");
    rig_open(r);
    rig_do(r, prov_client_bind(&r->tx, S("session-1"), &r->leaf_id));
    rig_close(r);
    ctl_json(r, "explain", "session-1");
    assert_string_equal(text_at(r, "certificate.certificateDescription.certificateId"),
                        r->leaf_hex);
}

/* ---- the story ------------------------------------------------------------------------------- */

static void steps_are_passed_refused_and_not_reached(void **state)
{
    struct rig *r = *state;

    rig_register(r);
    refused(r, PROV_REASON_CERT_REVOKED, "dev-1", "seen in the handshake");
    ctl_ok(r, "explain", "dev-1");
    says(r->out, "handshake    passed");
    says(r->out, "issuer       passed");
    says(r->out, "certificate  refused");
    says(r->out, "connect      not reached");
    says(r->out, "policy       not reached");
    says(r->out, "what happened     The certificate is REVOKED.");
    says(r->out, "in detail         seen in the handshake");
    says(r->out, "address           192.0.2.7");
    refused(r, PROV_REASON_FIRST_CONTACT, "dev-1", NULL);
    ctl_ok(r, "explain", "dev-1");
    says(r->out, "register     not yet");
    refused(r, PROV_REASON_PROVISIONED, "dev-1", NULL);
    ctl_ok(r, "explain", "dev-1");
    says(r->out, "template     passed");
}

static void words_of_devices_cannot_write_to_the_terminal(void **state)
{
    struct rig *r = *state;

    rig_register(r);
    refused(r, PROV_REASON_CONNECT_DENIED, "\x1b[2J\xe2\x80\xae", "a\nb");
    ctl_ok(r, "explain", "dev-1");
    says_not(r->out, "\x1b");
    says_not(r->out, "\xe2\x80\xae");
    says(r->out, "\\x1b[2J\\xe2\\x80\\xae");
    says(r->out, "a\\x0ab");
    says(r->out, "--client-id ID"); /* nobody can type that name */
    ctl_json(r, "explain", "dev-1");
    says_not(r->out, "\x1b");
}

static void repeats_are_told(void **state)
{
    struct rig *r = *state;

    attempt(r, &(struct prov_attempt){ .reason = PROV_REASON_UNKNOWN_ISSUER,
                                       .address = S("192.0.2.9"),
                                       .repeats = 41 });
    ctl_ok(r, "explain", "192.0.2.9");
    says(r->out, "41 more like it");
    says_not(r->out, "verdict");
}

/* ---- the cure -------------------------------------------------------------------------------- */

static void cure_names_what_it_is_about(void **state)
{
    struct rig *r = *state;
    static const struct {
        enum prov_reason reason;
        const char *detail;
        const char *expected; /* CERT and CA12 stand for the first 12 digits */
    } cases[] = {
        { PROV_REASON_CERT_INACTIVE, NULL, "`provctl cert update CERT12 --status ACTIVE`" },
        { PROV_REASON_CA_INACTIVE, NULL, "`provctl ca update CACA12 --status ACTIVE`" },
        { PROV_REASON_NO_AUTO_REGISTRATION, NULL, "`provctl ca update CACA12 --auto-register on`" },
        { PROV_REASON_TEMPLATE_DISABLED, NULL, "`provctl template update jitp --enabled on`" },
        { PROV_REASON_CONNECT_DENIED, NULL,
          "`provctl policy test --cert CERT12 --client-id 'my dev' --action iot:Connect`" },
        { PROV_REASON_PUBLISH_DENIED, "a/it's", "--action iot:Publish --resource 'a/it'\\''s'`" },
        { PROV_REASON_SIGNATURE_ALGORITHM, NULL, "Let the CA sign with SHA-256 or better." },
    };

    rig_register(r);
    r->input = TEMPLATE_TEXT;
    ctl_ok(r, "template", "create", "jitp", "-", "--type", "JITP");
    ctl_ok(r, "ca", "update", r->ca_hex, "--template", "jitp");
    for (size_t i = 0; i < PROV_COUNT(cases); i++) {
        char expected[256];
        char *at;

        (void)snprintf(expected, sizeof expected, "%s", cases[i].expected);
        if ((at = strstr(expected, "CERT12")) != NULL)
            (void)snprintf(at, sizeof expected - (size_t)(at - expected), "%.12s%s", r->leaf_hex,
                           strstr(cases[i].expected, "CERT12") + 6);
        if ((at = strstr(expected, "CACA12")) != NULL)
            (void)snprintf(at, sizeof expected - (size_t)(at - expected), "%.12s%s", r->ca_hex,
                           strstr(cases[i].expected, "CACA12") + 6);
        refused(r, cases[i].reason, "my dev", cases[i].detail);
        ctl_ok(r, "explain", "my dev");
        says(r->out, expected);
    }
}

static void placeholders_stay_where_nothing_is_known(void **state)
{
    static const struct ctl_case nothing;
    struct prov_buf out;

    (void)state;
    prov_buf_init(&out, 1024);
    for (int i = 0; i < PROV_REASONS; i++) {
        const char *cure = prov_reason_info((enum prov_reason)i)->cure;

        prov_buf_clear(&out);
        ctl_put_cure(&out, cure, &nothing);
        assert_string_equal(prov_buf_cstr(&out), cure);
    }
    prov_buf_release(&out);
}

/* "provctl claim limit CERTIFICATE --uses N" as a command line, with a number for N. */
static void check_command(const char *text, size_t n)
{
    struct ctl_args args;
    struct prov_err err = { .rc = PROV_OK };
    char line[256], *argv[32], *rest = line;
    int argc = 0;

    assert_true(prov_span_copy(prov_span(text, n), line, sizeof line));
    while (argc < 31 && (argv[argc] = strsep(&rest, " ")) != NULL) {
        if (strcmp(argv[argc], "N") == 0)
            argv[argc] = (char *)"1";
        argc++;
    }
    argv[argc] = NULL;
    if (ctl_args_parse(argc, argv, &args, &err) != PROV_OK)
        fail_msg("%.*s: %s", (int)n, text, err.text);
}

static void commands_in_cures_are_commands(void **state)
{
    unsigned n = 0;

    (void)state;
    for (int i = 0; i < PROV_REASONS; i++) {
        const char *at = prov_reason_info((enum prov_reason)i)->cure;

        for (; (at = strstr(at, "`provctl ")) != NULL; n++) {
            at++;
            check_command(at, strcspn(at, "`"));
        }
    }
    assert_true(n > 20);
}

/* ---- and now --------------------------------------------------------------------------------- */

static void verdict_is_what_the_broker_would_say(void **state)
{
    struct rig *r = *state;

    rig_register(r);
    r->input = POLICY_TEXT;
    ctl_ok(r, "policy", "create", "device", "-");
    ctl_ok(r, "thing", "create", "dev-1");
    ctl_ok(r, "thing", "attach", "dev-1", "--cert", r->leaf_hex);
    ctl_json(r, "explain", "dev-1");
    assert_string_equal(text_at(r, "verdict.outcome"), "REFUSED");
    assert_string_equal(text_at(r, "verdict.reason"), "connect-denied");
    ctl_ok(r, "policy", "attach", "device", "--cert", r->leaf_hex);
    ctl_json(r, "explain", "dev-1");
    assert_string_equal(text_at(r, "verdict.outcome"), "ACCEPTED");
    ctl_ok(r, "explain", "dev-1");
    says(r->out, "would be accepted now\n");
    ctl_ok(r, "explain", r->leaf_hex);
    says(r->out, "would be accepted now, if its policies allow the client id it has");
    ctl_ok(r, "cert", "update", r->leaf_hex, "--status", "INACTIVE");
    ctl_ok(r, "explain", "dev-1");
    says(r->out, "would be refused now: The certificate is registered and INACTIVE.");
    says(r->out, "--status ACTIVE`");
}

static void expired_certificate_would_be_refused(void **state)
{
    struct rig *r = *state;
    struct pki_cert old = pki_make(&(struct pki_spec){
        .subject = "/CN=old", .now_s = T0 / 1000, .not_before_s = -20, .not_after_s = 1000 });
    size_t n;
    uint8_t *der = pki_der(old.x509, &n);
    const struct prov_cert_registration reg = { .der = prov_span(der, n),
                                                .without_ca = true,
                                                .status = PROV_CERT_ACTIVE };
    char hex[PROV_ID_HEX + 1];
    struct prov_id id;

    rig_open(r); /* whose clock stands at T0 */
    rig_do(r, prov_cert_register(&r->tx, &reg, &id));
    rig_close(r);
    prov_id_hex(&id, hex);
    ctl_json(r, "explain", hex);
    assert_string_equal(text_at(r, "verdict.outcome"), "REFUSED");
    assert_string_equal(text_at(r, "verdict.reason"), "expired");
    free(der);
    pki_free(&old);
}

/* By its CA's template or hook; otherwise it waits for somebody. */
static void pending_certificate_would_be_provisioned_if_its_ca_says_how(void **state)
{
    struct rig *r = *state;
    struct prov_ca ca;
    struct prov_id id;

    ctl_ok(r, "ca", "register", r->ca_file, "--sni-only", "--active", "--auto-register");
    rig_open(r);
    rig_do(r, prov_ca_get(&r->tx, &r->ca_id, &ca));
    rig_do(r, prov_cert_record_first_contact(&r->tx, r->leaf.x509, &ca, &id));
    rig_close(r);
    refused(r, PROV_REASON_CERT_PENDING, "dev-1", NULL);
    ctl_json(r, "explain", "dev-1");
    assert_string_equal(text_at(r, "verdict.outcome"), "REFUSED");
    assert_string_equal(text_at(r, "verdict.reason"), "certificate-pending");
    r->input = TEMPLATE_TEXT;
    ctl_ok(r, "template", "create", "t", "-", "--type", "JITP");
    ctl_ok(r, "ca", "update", r->ca_hex, "--template", "t");
    ctl_json(r, "explain", "dev-1");
    assert_string_equal(text_at(r, "verdict.outcome"), "PROVISIONED_ON_NEXT_TRY");
    ctl_ok(r, "explain", "dev-1");
    says(r->out, "would be provisioned now, on its next try");
    ctl_ok(r, "ca", "update", r->ca_hex, "--no-template", "--hook", "exec:/usr/bin/true");
    ctl_ok(r, "explain", "dev-1");
    says(r->out, "no template, hook exec:/usr/bin/true\n");
    says(r->out, "its CA's hook would decide now, on its next try");
}

static void unregistered_certificate_is_said_to_be_so(void **state)
{
    struct rig *r = *state;

    ctl_ok(r, "init");
    refused(r, PROV_REASON_NO_AUTO_REGISTRATION, NULL, NULL);
    ctl_ok(r, "explain", "dev-1");
    says(r->out, "is not registered");
    says(r->out, "is no longer registered"); /* its CA */
    says_not(r->out, "verdict");
    ctl_json(r, "explain", "dev-1");
    assert_null(cJSON_GetObjectItemCaseSensitive(r->json, "certificate"));
    assert_null(cJSON_GetObjectItemCaseSensitive(r->json, "verdict"));
}

static void status_counts_attempts_by_reason(void **state)
{
    struct rig *r = *state;

    ctl_ok(r, "status", "--db", r->db, "--help");
    ctl_ok(r, "init");
    ctl_ok(r, "status");
    says(r->out, "No attempt is in the log.");
    refused(r, PROV_REASON_CERT_REVOKED, "one", NULL);
    refused(r, PROV_REASON_CERT_REVOKED, "two", NULL);
    refused(r, PROV_REASON_UNKNOWN_ISSUER, NULL, NULL);
    ctl_ok(r, "status");
    says(r->out, "The last 3 attempts");
    says(r->out, "certificate-revoked      2  ");
    says(r->out, "two");
    says_not(r->out, "one  ");
    ctl_json(r, "status");
    assert_int_equal(count_at(r, "recentAttempts"), 2);
    assert_int_equal(at(r, "recentAttempts[1].count")->valueint, 2);
    assert_string_equal(text_at(r, "recentAttempts[1].lastClientId"), "two");
}

static const struct CMUnitTest ctl_explain[] = {
    RIG_TEST(attempt_is_found_by_all_its_names),
    RIG_TEST(what_nobody_heard_of_is_not_found_with_the_cure),
    RIG_TEST(newest_attempt_is_told_first_and_the_others_below),
    RIG_TEST(devices_behind_one_address_are_not_mixed_up),
    RIG_TEST(thing_and_session_lead_to_the_certificate),
    RIG_TEST(steps_are_passed_refused_and_not_reached),
    RIG_TEST(words_of_devices_cannot_write_to_the_terminal),
    RIG_TEST(repeats_are_told),
    RIG_TEST(cure_names_what_it_is_about),
    cmocka_unit_test(commands_in_cures_are_commands),
    RIG_TEST(placeholders_stay_where_nothing_is_known),
    RIG_TEST(verdict_is_what_the_broker_would_say),
    RIG_TEST(expired_certificate_would_be_refused),
    RIG_TEST(pending_certificate_would_be_provisioned_if_its_ca_says_how),
    RIG_TEST(unregistered_certificate_is_said_to_be_so),
    RIG_TEST(status_counts_attempts_by_reason),
};

int main(void)
{
    return cmocka_run_group_tests(ctl_explain, NULL, NULL);
}
