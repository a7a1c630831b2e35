/* Claims: missing, of no use, over, injected; and what there is in their place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "device-agent/core/agent.h"
#include "support/agent_play.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void without_a_claim_it_waits_or_says_so(void **state)
{
    static const struct {
        enum agent_method method;
        bool once;
        enum agent_class class;
    } rows[] = {
        { AGENT_METHOD_JIT, false, AGENT_CONFIG },
        { AGENT_METHOD_CLAIM, false, AGENT_CONFIG },
        { AGENT_METHOD_KEY, false, AGENT_CONFIG },
        { AGENT_METHOD_TRUSTED_USER, false, AGENT_OK },
        { AGENT_METHOD_CLAIM, true, AGENT_CONFIG },
        { AGENT_METHOD_JIT, true, AGENT_CONFIG },
        { AGENT_METHOD_TRUSTED_USER, true, AGENT_OK },
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows) * 3; i++) {
        struct play *p = play_new();
        struct play_slot *claim = &p->disk.slots[0];

        if (i % 3 == 0)
            claim->key = false;
        else if (i % 3 == 1)
            claim->cert = false;
        else
            claim->not_after_s = PLAY_NOW - 1;
        p->conf.method = rows[i / 3].method;
        p->conf.once = rows[i / 3].once;
        play_start(p);
        assert_true(play_run(p));
        assert_int_equal(play_class(p), rows[i / 3].class);
        assert_int_equal(p->connects, 0);
        if (p->conf.once && rows[i / 3].class != AGENT_OK) {
            assert_int_equal(p->ended_with, AGENT_CONFIG);
        } else {
            assert_int_equal(play_at(p), AGENT_NO_CLAIM);
            play_claim(p);
            assert_true(play_run(p));
            play_assert_whole(p);
            assert_int_equal(play_class(p), AGENT_OK);
        }
        play_free(p);
    }
}

/* A file that others may read, a token that is locked. */
static void why_a_claim_is_of_no_use_is_said(void **state)
{
    static const enum agent_method methods[] = { AGENT_METHOD_JIT, AGENT_METHOD_CLAIM,
                                                 AGENT_METHOD_TRUSTED_USER };
    (void)state;

    for (size_t i = 0; i < COUNT(methods) * 2; i++) {
        struct play *p = play_new();

        p->conf.method = methods[i / 2];
        p->conf.once = i % 2 != 0;
        p->disk.slots[0].key = false;
        p->claim_class = AGENT_LOCAL;
        p->claim_text = "others may read claim.key";
        play_start(p);
        assert_true(play_run(p));
        assert_int_equal(play_class(p), AGENT_LOCAL);
        assert_string_equal(agent_record(p->agent)->last_message, p->claim_text);
        assert_int_equal(p->ended, p->conf.once);
        if (p->ended) {
            assert_int_equal(p->ended_with, AGENT_LOCAL);
        } else {
            play_claim(p);
            assert_true(play_run(p));
            play_assert_whole(p);
            assert_int_equal(play_class(p), AGENT_OK);
        }
        play_free(p);
    }
}

/* … but not while it is not needed. */
static void a_claim_that_is_not_needed_is_not_spoken_of(void **state)
{
    struct play *p = play_new();
    (void)state;

    play_provision(p);
    p->claim_class = AGENT_LOCAL;
    p->claim_text = "others may read claim.key";
    play_cut(p);
    assert_true(play_run(p));
    assert_int_equal(play_class(p), AGENT_OK);
    assert_true(p->up);
    play_free(p);
}

static void an_installers_claim_goes_when_it_is_used_or_over(void **state)
{
    struct play *p = play_new();
    (void)state;

    p->conf.method = AGENT_METHOD_TRUSTED_USER;
    p->disk.slots[0].not_after_s = PLAY_NOW - 1;
    play_start(p);
    assert_true(play_run(p));
    assert_int_equal(p->dropped_claims, 1);
    play_claim(p);
    assert_true(play_run(p));
    assert_int_equal(p->dropped_claims, 2);
    play_assert_whole(p);
    /* another one is a wish for another identity */
    play_claim(p);
    assert_true(play_run(p));
    assert_int_equal(p->dropped_claims, 3);
    assert_int_equal(p->disk.in_force, 2);
    play_assert_whole(p);
    play_free(p);
}

static void a_claim_may_come_at_any_move(void **state)
{
    static const enum agent_method methods[] = { AGENT_METHOD_CLAIM, AGENT_METHOD_TRUSTED_USER,
                                                 AGENT_METHOD_JIT, AGENT_METHOD_KEY };
    (void)state;

    for (size_t i = 0; i < COUNT(methods); i++) {
        for (unsigned move = 0; move < 40; move++) {
            struct play *p = play_new();

            p->conf.method = methods[i];
            play_start(p);
            for (unsigned n = 0; n < move; n++)
                (void)play_step(p);
            play_claim(p);
            assert_true(play_run(p));
            play_assert_whole(p);
            play_free(p);
        }
    }
}

/* Nothing better is there: it is tried, and what is wrong is said. */
static void an_expired_identity_without_a_claim_is_used_all_the_same(void **state)
{
    static const bool claims[] = { false, true };
    (void)state;

    for (size_t i = 0; i < COUNT(claims); i++) {
        struct play *p = play_new();

        p->conf.keep_claim = claims[i];
        p->conf.renew_percent = 0;
        play_provision(p);
        p->disk.slots[1].not_after_s = PLAY_NOW - 1;
        p->disk.slots[0].not_after_s = PLAY_NOW - 1;
        p->connects = 0;
        play_cut(p);
        play_until(p, AGENT_ACT_CONNECT, 1);
        play_fail(p, AGENT_REFUSED);
        assert_int_equal(play_class(p), AGENT_REFUSED);
        play_tell(p, AGENT_EV_RENEW);
        play_until(p, AGENT_ACT_CONNECT, 1);
        play_done(p);
        assert_true(play_run(p));
        assert_int_equal(p->disk.in_force, 2);
        play_free(p);
    }
}

/* An installer may leave a claim that is over beside an identity: it goes, and means nothing. */
static void a_claim_that_is_over_is_no_wish(void **state)
{
    struct play *p = play_new();
    const struct play_slot claim = p->disk.slots[0];
    (void)state;

    p->conf.method = AGENT_METHOD_TRUSTED_USER;
    play_provision(p);
    p->disk.slots[0] = claim;
    play_tell_claim(p, PLAY_NOW - 1);
    assert_true(play_run(p));
    assert_int_equal(p->disk.in_force, 1);
    assert_int_equal(p->dropped_claims, 2);
    play_assert_whole(p);
    play_free(p);
}

/* It is needed for the exchange, and not for what comes after. */
static void a_claim_is_missed_as_long_as_it_is_needed(void **state)
{
    static const struct {
        enum agent_phase phase;
        bool whole;
    } rows[] = {
        { AGENT_PHASE_KEY, false },    { AGENT_PHASE_REQUEST, false },
        { AGENT_PHASE_ISSUED, false }, { AGENT_PHASE_REGISTERED, true },
        { AGENT_PHASE_PROVEN, true },
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct play *p = play_new();

        play_start(p);
        while (p->saved.phase != rows[i].phase)
            (void)play_step(p);
        p->disk.slots[0] = (struct play_slot){ 0 };
        play_cut(p);
        if (rows[i].whole) {
            assert_true(play_run(p));
            play_assert_whole(p);
        } else {
            play_until_step(p, AGENT_NO_CLAIM);
            assert_int_equal(play_class(p), AGENT_CONFIG);
            play_claim(p);
            assert_true(play_run(p));
            play_assert_whole(p);
        }
        play_free(p);
    }
}

/* A power cut after RegisterThing, and the claim is used up by it: the new certificate works. */
static void a_claim_that_retired_with_the_registration_is_not_needed(void **state)
{
    struct play *p = play_new();
    (void)state;

    play_start(p);
    play_until_step(p, AGENT_REGISTERING);
    play_done(p);
    p->certs[2].token_used = p->certs[2].active = true;
    p->certs[1].active = false;
    play_cut(p);
    play_until(p, AGENT_ACT_CONNECT, AGENT_SLOT_CLAIM);
    play_done(p);
    assert_int_equal(play_class(p), AGENT_PENDING);
    play_until(p, AGENT_ACT_CONNECT, 1);
    assert_true(play_run(p));
    play_assert_whole(p);
    assert_int_equal(p->n_certs, 2);
    play_free(p);
}

/* It is refused for a while, and nothing was registered: the token is kept for when it is not. */
static void a_claim_that_is_refused_before_the_registration_is_waited_for(void **state)
{
    struct play *p = play_new();
    (void)state;

    play_start(p);
    while (p->saved.phase != AGENT_PHASE_ISSUED)
        (void)play_step(p);
    p->certs[1].active = false;
    play_cut(p);
    for (int i = 0; i < 3; i++) {
        play_until(p, AGENT_ACT_CONNECT, AGENT_SLOT_CLAIM);
        play_done(p);
        assert_int_equal(play_class(p), AGENT_PENDING);
        play_until(p, AGENT_ACT_CONNECT, 1);
        play_done(p);
        assert_int_equal(play_class(p), AGENT_REFUSED);
    }
    p->certs[1].active = true;
    assert_true(play_run(p));
    play_assert_whole(p);
    assert_int_equal(p->n_certs, 2);
    play_free(p);
}

/* Only a refusal says anything of a certificate. */
static void a_claim_that_cannot_connect_says_nothing_of_the_registration(void **state)
{
    struct play *p = play_new();
    (void)state;

    play_start(p);
    while (p->saved.phase != AGENT_PHASE_ISSUED)
        (void)play_step(p);
    play_cut(p);
    for (int i = 0; i < 3; i++) {
        play_until(p, AGENT_ACT_CONNECT, PLAY_ANY_SLOT);
        assert_int_equal(p->slow.slot, AGENT_SLOT_CLAIM);
        play_fail(p, AGENT_NETWORK);
        assert_int_equal(play_class(p), AGENT_NETWORK);
    }
    assert_true(play_run(p));
    play_assert_whole(p);
    play_free(p);
}

/* Its removal failed, but may have been done in part. */
static void a_claim_whose_removal_failed_is_not_used_again(void **state)
{
    struct play *p = play_new();
    (void)state;

    play_start(p);
    play_until(p, AGENT_ACT_DROP, AGENT_SLOT_CLAIM);
    play_silently(p);
    play_fail(p, AGENT_LOCAL);
    p->connects = 0;
    play_reset(p, AGENT_RESET_IDENTITY);
    assert_true(play_run(p));
    assert_int_equal(play_at(p), AGENT_NO_CLAIM);
    assert_int_equal(p->connects, 0);
    play_free(p);
}

/* A new claim beside an identity; what it had got is lost before it was used. */
static void a_new_claim_is_kept_until_it_has_done_its_work(void **state)
{
    struct play *p = play_new();
    (void)state;

    p->conf.method = AGENT_METHOD_TRUSTED_USER;
    play_provision(p);
    play_claim(p);
    while (p->saved.phase != AGENT_PHASE_REGISTERED)
        (void)play_step(p);
    p->disk.slots[2].cert = false;
    p->dropped_claims = 0;
    play_cut(p);
    play_until(p, AGENT_ACT_CONNECT, AGENT_SLOT_CLAIM);
    assert_int_equal(p->dropped_claims, 0);
    assert_true(play_run(p));
    play_assert_whole(p);
    assert_int_equal(p->disk.in_force, 2);
    assert_int_equal(p->dropped_claims, 1);
    play_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_claim_it_waits_or_says_so),
        cmocka_unit_test(why_a_claim_is_of_no_use_is_said),
        cmocka_unit_test(a_claim_that_is_not_needed_is_not_spoken_of),
        cmocka_unit_test(an_installers_claim_goes_when_it_is_used_or_over),
        cmocka_unit_test(a_claim_may_come_at_any_move),
        cmocka_unit_test(an_expired_identity_without_a_claim_is_used_all_the_same),
        cmocka_unit_test(a_claim_that_is_over_is_no_wish),
        cmocka_unit_test(a_claim_is_missed_as_long_as_it_is_needed),
        cmocka_unit_test(a_claim_that_retired_with_the_registration_is_not_needed),
        cmocka_unit_test(a_claim_that_is_refused_before_the_registration_is_waited_for),
        cmocka_unit_test(a_claim_whose_removal_failed_is_not_used_again),
        cmocka_unit_test(a_new_claim_is_kept_until_it_has_done_its_work),
        cmocka_unit_test(a_claim_that_cannot_connect_says_nothing_of_the_registration),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
