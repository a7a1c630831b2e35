/* What the other side says, and what the configuration cannot make it say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "device-agent/core/agent.h"
#include "support/agent_play.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

#define CREATED                                                                                    \
    "\"certificateId\":\"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\","      \
    "\"certificateOwnershipToken\":\"token-9\""
#define PEM(text)                                                                                  \
    "\"certificatePem\":\"-----BEGIN CERTIFICATE-----\\n" text "\\n-----END CERTIFICATE-----\\n\""

/* Until an answer is waited for: 0 of the certificate, 1 of the registration. */
static struct play *asked(int which)
{
    struct play *p = play_new();

    play_start(p);
    play_until_step(p, which == 0 ? AGENT_CREATING : AGENT_REGISTERING);
    play_done(p);
    return p;
}

static const char *message_of(const struct play *p)
{
    struct agent_view view;

    agent_look(p->agent, &view);
    return view.text;
}

/* ---- rejections ------------------------------------------------------------------------------ */

static void a_rejection_has_its_class_and_says_why(void **state)
{
    static const struct {
        int which;
        const char *payload;
        enum agent_class class;
        const char *message;
    } rows[] = {
        { 0, "{\"statusCode\":400,\"errorCode\":\"InvalidRequest\",\"errorMessage\":\"bad CSR\"}",
          AGENT_REJECTED, "CreateCertificateFromCsr: InvalidRequest: bad CSR" },
        { 1, "{\"statusCode\":403,\"errorCode\":\"AccessDenied\",\"errorMessage\":\"no\"}",
          AGENT_REJECTED, "RegisterThing: AccessDenied: no" },
        { 0, "{\"statusCode\":429,\"errorCode\":\"Throttled\",\"errorMessage\":\"later\"}",
          AGENT_THROTTLED, "CreateCertificateFromCsr: Throttled: later" },
        { 1, "{\"statusCode\":503,\"errorCode\":\"x\",\"errorMessage\":\"y\"}", AGENT_BUSY,
          "RegisterThing: x: y" },
        { 1, "{\"statusCode\":400,\"errorCode\":\"InvalidCertificateOwnershipToken\"}", AGENT_TOKEN,
          "RegisterThing: InvalidCertificateOwnershipToken: rejected, without a reason" },
        { 0, "{\"statusCode\":400,\"errorCode\":\"InvalidCertificateOwnershipToken\"}", AGENT_TOKEN,
          "CreateCertificateFromCsr: InvalidCertificateOwnershipToken: rejected, without a "
          "reason" },
        { 0, "<html>", AGENT_ANSWER,
          "CreateCertificateFromCsr: : rejected, with an answer that cannot be read" },
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows) * 2; i++) {
        struct play *p = asked(rows[i / 2].which);
        const enum agent_class class = rows[i / 2].class;

        p->conf.once = i % 2 != 0;
        play_reply(p, false, rows[i / 2].payload);
        assert_int_equal(play_class(p), class);
        assert_string_equal(message_of(p), rows[i / 2].message);
        assert_int_equal(agent_record(p->agent)->getting.attempts[class], 1);
        assert_true(play_run(p));
        if (p->conf.once && agent_class_lasting(class))
            assert_int_equal(p->ended_with, class);
        else
            play_assert_whole(p);
        play_free(p);
    }
}

static void a_long_rejection_is_cut(void **state)
{
    char payload[1024] = "{\"errorCode\":\"code\",\"errorMessage\":\"";
    struct play *p = asked(1);
    const size_t n = strlen(payload);
    (void)state;

    memset(payload + n, 'm', 600);
    memcpy(payload + n + 600, "\"}", 3);
    play_reply(p, false, payload);
    assert_int_equal(strlen(message_of(p)), AGENT_MAX_MESSAGE - 1);
    assert_memory_equal(message_of(p), "RegisterThing: code: mmmm", 25);
    assert_true(play_run(p));
    play_assert_whole(p);
    assert_string_equal(message_of(p), "");
    play_free(p);
}

static void a_failure_is_told_with_what_is_known_of_it(void **state)
{
    static const size_t lengths[] = { AGENT_MAX_MESSAGE - 1, AGENT_MAX_MESSAGE,
                                      2 * AGENT_MAX_MESSAGE };
    struct play *p = play_new();
    (void)state;

    play_start(p);
    for (size_t i = 0; i < COUNT(lengths); i++) {
        char text[2 * AGENT_MAX_MESSAGE + 1] = "";

        memset(text, 't', lengths[i]);
        play_until(p, AGENT_ACT_CONNECT, PLAY_ANY_SLOT);
        play_fail_saying(p, AGENT_TRUST, text);
        assert_int_equal(strlen(message_of(p)), AGENT_MAX_MESSAGE - 1);
    }
    play_until(p, AGENT_ACT_CONNECT, PLAY_ANY_SLOT);
    assert_int_equal(p->saved.last_error, AGENT_TRUST);
    play_fail_saying(p, AGENT_BUSY, NULL);
    assert_string_equal(message_of(p), "");
    assert_int_equal(play_class(p), AGENT_BUSY);
    play_free(p);
}

/* A claim whose policy has no answers' topics is one for somebody to correct. */
static void a_subscription_that_is_refused_is_a_rejection(void **state)
{
    static const struct {
        enum agent_action_kind kind;
        enum agent_class class, expected;
    } rows[] = {
        { AGENT_ACT_SUBSCRIBE, AGENT_REFUSED, AGENT_REJECTED },
        { AGENT_ACT_SUBSCRIBE, AGENT_NETWORK, AGENT_NETWORK },
        { AGENT_ACT_PUBLISH, AGENT_REFUSED, AGENT_REFUSED },
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct play *p = play_new();

        play_start(p);
        play_until(p, rows[i].kind, PLAY_ANY_SLOT);
        play_fail(p, rows[i].class);
        assert_int_equal(play_class(p), rows[i].expected);
        assert_true(play_run(p));
        play_assert_whole(p);
        play_free(p);
    }
}

/* ---- accepted, and of no use ----------------------------------------------------------------- */

static void an_answer_of_no_use_is_asked_for_again(void **state)
{
    static const struct {
        int which;
        const char *payload;
    } rows[] = {
        { 0, "" },
        { 0, "{" CREATED "}" },
        { 0, "{" CREATED ",\"certificatePem\":\"\"}" },
        { 0, "{" CREATED "," PEM("serial 9") "," PEM("serial 9") "}" },
        /* of another's key: the port finds it out */
        { 0, "{" CREATED "," PEM("serial 1") "}" },
        { 1, "" },
        { 1, "[]" },
        { 1, "{\"thingName\":\"a b\"}" },
        { 1, "{\"deviceConfiguration\":\"x\"}" },
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct play *p = asked(rows[i].which);
        const uint32_t key_id = p->disk.slots[1].key_id;

        play_reply(p, true, rows[i].payload);
        while (p->busy && p->slow.kind != AGENT_ACT_DISCONNECT)
            play_done(p);
        assert_int_equal(play_class(p), AGENT_ANSWER);
        assert_true(play_run(p));
        play_assert_whole(p);
        assert_int_equal(p->disk.slots[1].key_id, key_id);
        assert_int_equal(p->n_certs, 2);
        play_free(p);
    }
}

/* One byte too many of each; and one less is taken. */
static void an_answer_too_long_is_none(void **state)
{
    static char payload[AGENT_MAX_CERT + AGENT_MAX_CONFIG + AGENT_MAX_TOKEN];
    (void)state;

    for (int over = 0; over <= 1; over++) {
        struct play *p = asked(1);
        const size_t n = AGENT_MAX_CONFIG - 1 - strlen("{\"a\":\"\"}") + (size_t)over;

        (void)snprintf(payload, sizeof payload, "{\"deviceConfiguration\":{\"a\":\"");
        memset(payload + strlen(payload), 'c', n);
        memcpy(payload + strlen("{\"deviceConfiguration\":{\"a\":\"") + n, "\"}}", 4);
        play_reply(p, true, payload);
        assert_int_equal(play_class(p), over ? AGENT_ANSWER : AGENT_OK);
        assert_int_equal(p->slow.kind, over ? AGENT_ACT_DISCONNECT : AGENT_ACT_STORE_CONFIG);
        play_free(p);
    }
    for (int over = 0; over <= 1; over++) {
        struct play *p = asked(0);
        const char *begin = "{" CREATED ",\"certificatePem\":\"-----BEGIN CERTIFICATE-----";
        const size_t n = AGENT_MAX_CERT - 1 - strlen("-----BEGIN CERTIFICATE-----") -
                         strlen("-----END CERTIFICATE-----") + (size_t)over;

        (void)snprintf(payload, sizeof payload, "%s", begin);
        memset(payload + strlen(begin), 'c', n);
        memcpy(payload + strlen(begin) + n, "-----END CERTIFICATE-----\"}", 28);
        play_reply(p, true, payload);
        assert_int_equal(play_class(p), over ? AGENT_ANSWER : AGENT_OK);
        assert_int_equal(p->slow.kind, over ? AGENT_ACT_DISCONNECT : AGENT_ACT_STORE_CERT);
        play_free(p);
    }
}

/* ---- before and after the acknowledgement ---------------------------------------------------- */

static void an_answer_may_come_before_its_acknowledgement(void **state)
{
    struct play *p = play_new(), *late = play_new();
    (void)state;

    play_provision(p);
    late->answer_first = true;
    play_provision(late);
    assert_int_equal(p->n_certs, late->n_certs);
    assert_memory_equal(&p->saved.thing_name, &late->saved.thing_name, sizeof p->saved.thing_name);
    assert_int_equal(p->disk.n_record, late->disk.n_record);
    play_free(p);
    play_free(late);
}

/* The connection is not silent while it is only the answer that is missing: it is waited for. */
static void an_answer_is_waited_for_after_the_acknowledgement(void **state)
{
    (void)state;
    for (int which = 0; which <= 1; which++) {
        struct play *p = asked(which);
        const uint64_t from_ms = p->now.mono_ms;

        assert_false(p->busy);
        assert_true(p->timer_set);
        p->published[0] = '\0'; /* it is lost */
        play_wait(p);
        assert_in_range(p->now.mono_ms - from_ms, p->conf.answer_ms - 100, p->conf.answer_ms + 100);
        assert_int_equal(p->slow.kind, AGENT_ACT_DISCONNECT);
        assert_int_equal(play_class(p), AGENT_NETWORK);
        assert_true(play_run(p));
        play_assert_whole(p);
        play_free(p);
    }
}

/* ---- first contacts -------------------------------------------------------------------------- */

static void a_factory_certificate_is_refused_until_it_is_registered(void **state)
{
    (void)state;
    for (int once = 0; once <= 1; once++) {
        struct play *p = play_new();

        p->conf.method = AGENT_METHOD_JIT;
        p->conf.template_name = NULL;
        p->conf.once = once;
        p->refusals = 100;
        play_start(p);
        for (unsigned i = 0; i < 100; i++) {
            play_until(p, AGENT_ACT_CONNECT, 1);
            play_done(p);
            assert_int_equal(play_class(p), AGENT_PENDING);
            assert_int_equal(agent_record(p->agent)->getting.attempts[AGENT_PENDING], i + 1);
        }
        assert_true(play_run(p));
        play_assert_whole(p);
        assert_int_equal(p->disk.in_force, 1);
        assert_int_equal(play_class(p), AGENT_OK);
        assert_int_equal(p->saved.getting.attempts[AGENT_PENDING], 0);
        play_free(p);
    }
}

static void a_claim_that_is_refused_is_tried_again(void **state)
{
    (void)state;
    for (int once = 0; once <= 1; once++) {
        struct play *p = play_new();

        p->conf.once = once;
        p->certs[1].active = false;
        play_start(p);
        play_until(p, AGENT_ACT_CONNECT, AGENT_SLOT_CLAIM);
        play_done(p);
        assert_int_equal(play_class(p), AGENT_REFUSED);
        p->certs[1].active = true;
        assert_true(play_run(p));
        assert_int_equal(p->ended, once);
        if (once)
            assert_int_equal(p->ended_with, AGENT_REFUSED);
        else
            play_assert_whole(p);
        play_free(p);
    }
}

/* A certificate's refusals are its own: the next one has all its tries. */
static void a_claims_refusals_are_not_counted_once_it_connects(void **state)
{
    static const enum agent_class forgotten[] = { AGENT_REFUSED, AGENT_TRUST, AGENT_CLOCK };
    struct play *p = play_new();
    const struct agent_retry *getting;
    (void)state;

    play_start(p);
    for (size_t i = 0; i < COUNT(forgotten); i++) {
        play_until(p, AGENT_ACT_CONNECT, AGENT_SLOT_CLAIM);
        play_fail(p, forgotten[i]);
    }
    play_until(p, AGENT_ACT_CONNECT, AGENT_SLOT_CLAIM);
    play_fail(p, AGENT_NETWORK);
    play_until(p, AGENT_ACT_CONNECT, AGENT_SLOT_CLAIM);
    play_done(p);
    getting = &agent_record(p->agent)->getting;
    for (size_t i = 0; i < COUNT(forgotten); i++)
        assert_int_equal(getting->attempts[forgotten[i]], 0);
    assert_int_equal(getting->attempts[AGENT_NETWORK], 1); /* nothing is had yet */
    play_free(p);
}

/* A new certificate that is not known everywhere yet. */
static void a_new_certificate_may_be_refused_for_a_moment(void **state)
{
    struct play *p = play_new();
    (void)state;

    p->refusals = AGENT_PENDING_TRIES;
    p->conf.once = true;
    play_start(p);
    assert_true(play_run(p));
    assert_int_equal(p->ended_with, AGENT_OK);
    play_assert_whole(p);
    assert_int_equal(p->n_certs, 2);
    play_free(p);
}

/* ---- what the configuration cannot work with ------------------------------------------------- */

static void bad_template(struct play *p)
{
    p->conf.template_name = "a/b";
}

static void no_template(struct play *p)
{
    p->conf.template_name = NULL;
}

static void bad_param(struct play *p)
{
    static const struct agent_param param = { "SerialNumber", "\xff" };

    p->conf.params = &param;
}

static void long_param(struct play *p)
{
    static char value[sizeof p->agent->work];
    static const struct agent_param param = { "SerialNumber", value };

    memset(value, 'v', sizeof value - 1);
    p->conf.params = &param;
}

static void what_cannot_be_asked_is_the_configurations_fault(void **state)
{
    static void (*const rows[])(struct play *) = { bad_template, no_template, bad_param,
                                                   long_param };
    (void)state;

    for (size_t i = 0; i < COUNT(rows) * 4; i++) {
        struct play *p = play_new();

        p->conf.create_keys = i % 2 != 0;
        p->conf.once = i / 2 % 2 != 0;
        rows[i / 4](p);
        play_start(p);
        for (int n = 0; n < 400 && !p->ended && play_class(p) != AGENT_CONFIG; n++)
            (void)play_step(p);
        assert_int_equal(play_class(p), AGENT_CONFIG);
        for (int n = 0; n < 20 && !p->ended; n++)
            (void)play_step(p);
        assert_int_equal(p->ended, p->conf.once);
        if (p->ended)
            assert_int_equal(p->ended_with, AGENT_CONFIG);
        assert_int_equal(p->disk.in_force, 0);
        play_free(p);
    }
}

static void a_request_that_cannot_be_sent_is_not_lost(void **state)
{
    static char csr[sizeof((struct agent *)0)->work];
    static const char *const texts[] = { NULL, "\xff", csr };
    (void)state;

    memset(csr, 'c', sizeof csr - 1);
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct play *p = play_new();

        play_start(p);
        play_until(p, AGENT_ACT_SUBSCRIBE, PLAY_ANY_SLOT);
        play_until(p, AGENT_ACT_MAKE_CSR, 1);
        play_done_saying(p, texts[i]);
        assert_int_not_equal(play_class(p), AGENT_OK);
        assert_true(play_run(p));
        play_assert_whole(p);
        play_free(p);
    }
}

/* ---- classes --------------------------------------------------------------------------------- */

static void classes_are_lasting_or_pass(void **state)
{
    static const bool lasting[AGENT_CLASSES] = {
        [AGENT_REFUSED] = true, [AGENT_REJECTED] = true, [AGENT_TRUST] = true,
        [AGENT_ANSWER] = true,  [AGENT_LOCAL] = true,    [AGENT_CONFIG] = true,
        [AGENT_RECORD] = true,
    };
    (void)state;

    for (unsigned i = 0; i < AGENT_CLASSES; i++)
        assert_int_equal(agent_class_lasting((enum agent_class)i), lasting[i]);
    assert_false(agent_class_lasting(AGENT_CLASSES));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rejection_has_its_class_and_says_why),
        cmocka_unit_test(a_long_rejection_is_cut),
        cmocka_unit_test(a_failure_is_told_with_what_is_known_of_it),
        cmocka_unit_test(a_subscription_that_is_refused_is_a_rejection),
        cmocka_unit_test(an_answer_of_no_use_is_asked_for_again),
        cmocka_unit_test(an_answer_too_long_is_none),
        cmocka_unit_test(an_answer_may_come_before_its_acknowledgement),
        cmocka_unit_test(an_answer_is_waited_for_after_the_acknowledgement),
        cmocka_unit_test(a_factory_certificate_is_refused_until_it_is_registered),
        cmocka_unit_test(a_claim_that_is_refused_is_tried_again),
        cmocka_unit_test(a_claims_refusals_are_not_counted_once_it_connects),
        cmocka_unit_test(a_new_certificate_may_be_refused_for_a_moment),
        cmocka_unit_test(what_cannot_be_asked_is_the_configurations_fault),
        cmocka_unit_test(a_request_that_cannot_be_sent_is_not_lost),
        cmocka_unit_test(classes_are_lasting_or_pass),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
