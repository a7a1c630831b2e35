#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "device-agent/core/agent.h"
#include "support/agent_play.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static struct play *provisioned(enum agent_method method)
{
    struct play *p = play_new();

    p->conf.method = method;
    play_provision(p);
    return p;
}

/* Whole with the generation. */
static void assert_serves(struct play *p, uint32_t generation)
{
    assert_true(play_run(p));
    play_assert_whole(p);
    assert_int_equal(p->disk.in_force, generation);
    assert_true(p->up);
    assert_int_equal(p->link, generation);
    assert_int_equal(play_at(p), AGENT_READY);
}

/* ---- when ------------------------------------------------------------------------------------ */

static void a_certificate_is_renewed_at_its_share_of_the_lifetime(void **state)
{
    static const struct {
        uint16_t percent;
        int64_t lifetime_s;
    } rows[] = {
        { 70, 365 * PLAY_DAY }, { 1, 365 * PLAY_DAY }, { 99, 365 * PLAY_DAY },
        { 50, 2 * PLAY_DAY },   { 70, 86399 },
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct play *p = play_new();
        int64_t from_s, due_s, at_s;

        p->conf.renew_percent = rows[i].percent;
        p->lifetime_s = rows[i].lifetime_s;
        play_provision(p);
        from_s = p->disk.slots[1].not_before_s;
        due_s = from_s + rows[i].lifetime_s * rows[i].percent / 100;
        assert_in_range(p->saved.renew_s, due_s - rows[i].lifetime_s / 20 - 1,
                        due_s < p->now.wall_s + 60 ? p->now.wall_s + 60 : due_s);
        at_s = p->saved.renew_s;
        for (int n = 0; n < 400 && p->now.wall_s < at_s; n++) {
            assert_int_equal(p->disk.in_force, 1);
            play_wait(p);
        }
        assert_in_range(p->now.wall_s, at_s, at_s + 60);
        assert_serves(p, 2);
        assert_int_equal(p->announced[AGENT_ANNOUNCE_RENEWED], 1);
        assert_true(p->saved.renew_s > at_s);
        play_free(p);
    }
}

/* Certificates that live for a moment only, or not at all. */
static void renewals_keep_a_distance(void **state)
{
    static const int64_t lifetimes[] = { 1, 100, 3601, -PLAY_DAY };
    (void)state;

    for (size_t i = 0; i < COUNT(lifetimes); i++) {
        struct play *p = play_new();
        int64_t before_s;

        p->lifetime_s = lifetimes[i];
        play_provision(p);
        if (lifetimes[i] < 0) {
            assert_int_equal(p->saved.renew_s, 0);
            play_free(p);
            continue;
        }
        before_s = p->now.wall_s;
        assert_in_range(p->saved.renew_s, before_s, before_s + 61);
        play_wait(p);
        assert_true(play_run(p));
        play_assert_whole(p);
        assert_in_range(p->now.wall_s, before_s + 50, before_s + 200);
        play_free(p);
    }
}

static void devices_of_one_hour_are_spread(void **state)
{
    int64_t most_s = 0, least_s = INT64_MAX;
    (void)state;

    for (uint32_t i = 0; i < 20; i++) {
        struct play *p = play_new();
        const int64_t due_s = PLAY_NOW + 70 * PLAY_DAY;

        p->lifetime_s = 100 * PLAY_DAY;
        p->now.random = i * (UINT32_MAX / 20);
        play_provision(p);
        assert_in_range(p->saved.renew_s, due_s - 5 * PLAY_DAY - 3600, due_s);
        most_s = p->saved.renew_s > most_s ? p->saved.renew_s : most_s;
        least_s = p->saved.renew_s < least_s ? p->saved.renew_s : least_s;
        play_free(p);
    }
    assert_true(most_s - least_s > 2 * PLAY_DAY);
}

static void nothing_is_renewed_unless_it_is_asked_for(void **state)
{
    struct play *p = play_new();
    (void)state;

    p->conf.renew_percent = 0;
    play_provision(p);
    assert_int_equal(p->saved.renew_s, 0);
    for (int i = 0; i < 300; i++)
        play_wait(p);
    assert_int_equal(p->disk.in_force, 1);
    play_tell(p, AGENT_EV_RENEW);
    assert_serves(p, 2);
    play_free(p);
}

/* A record of a time when none was planned. */
static void the_time_is_worked_out_at_a_start(void **state)
{
    struct play *p = play_new();
    (void)state;

    p->conf.renew_percent = 0;
    play_provision(p);
    p->conf.renew_percent = 50;
    play_cut(p);
    assert_true(play_run(p));
    assert_true(p->saved.renew_s > p->now.wall_s);
    play_free(p);
}

static void without_a_template_nothing_can_be_renewed(void **state)
{
    static const bool once[] = { false, true };
    (void)state;

    for (size_t i = 0; i < COUNT(once); i++) {
        struct play *p = play_new();

        p->conf.method = AGENT_METHOD_JIT;
        p->conf.template_name = NULL;
        play_provision(p);
        assert_int_equal(p->saved.renew_s, 0);
        p->conf.once = once[i];
        play_tell(p, AGENT_EV_RENEW);
        assert_true(play_run(p));
        assert_int_equal(play_class(p), AGENT_CONFIG);
        assert_int_equal(p->ended, once[i]);
        if (p->ended)
            assert_int_equal(p->ended_with, AGENT_CONFIG);
        play_assert_whole(p);
        assert_int_equal(p->disk.in_force, 1);
        play_free(p);
    }
}

/* ---- how ------------------------------------------------------------------------------------- */

static void the_identity_in_force_serves_until_the_next_has_connected(void **state)
{
    static const enum agent_method methods[] = { AGENT_METHOD_JIT, AGENT_METHOD_CLAIM,
                                                 AGENT_METHOD_TRUSTED_USER, AGENT_METHOD_KEY };
    (void)state;

    for (size_t i = 0; i < COUNT(methods); i++) {
        struct play *p = provisioned(methods[i]);
        const uint32_t key_id = p->disk.slots[1].key_id;

        play_tell(p, AGENT_EV_RENEW);
        play_until(p, AGENT_ACT_PUBLISH, PLAY_ANY_SLOT);
        assert_int_equal(p->link, 1);
        play_until(p, AGENT_ACT_CONNECT, 2);
        assert_int_equal(p->disk.in_force, 1);
        assert_true(p->disk.slots[1].key && p->disk.slots[1].cert);
        play_until(p, AGENT_ACT_DROP, 1);
        assert_int_equal(p->disk.in_force, 2);
        assert_serves(p, 2);
        /* a key on an allow list stays the key */
        if (methods[i] == AGENT_METHOD_KEY)
            assert_int_equal(p->disk.slots[2].key_id, p->disk.slots[0].key_id);
        else
            assert_int_not_equal(p->disk.slots[2].key_id, key_id);
        play_free(p);
    }
}

static void a_wish_to_renew_is_heard_once(void **state)
{
    struct play *p = provisioned(AGENT_METHOD_CLAIM);
    (void)state;

    play_tell(p, AGENT_EV_RENEW);
    play_tell(p, AGENT_EV_RENEW);
    play_until(p, AGENT_ACT_CONNECT, 2);
    play_tell(p, AGENT_EV_RENEW);
    assert_serves(p, 2);
    play_tell(p, AGENT_EV_RENEW);
    assert_serves(p, 3);
    assert_int_equal(p->announced[AGENT_ANNOUNCE_RENEWED], 2);
    play_free(p);
}

/* It waits for the connection's own time. */
static void a_renewal_waits_while_the_identity_cannot_connect(void **state)
{
    struct play *p = provisioned(AGENT_METHOD_CLAIM);
    const unsigned connects = p->connects;
    (void)state;

    p->offline = true;
    play_closed(p, AGENT_NETWORK);
    play_tell(p, AGENT_EV_RENEW);
    for (int i = 0; i < 200 && p->connects < connects + 6; i++)
        (void)play_step(p);
    assert_int_equal(p->n_certs, 2);
    p->offline = false;
    assert_serves(p, 2);
    play_free(p);
}

static void an_expired_identity_is_replaced_with_the_claim_if_there_is_one(void **state)
{
    struct play *p = play_new();
    (void)state;

    p->conf.keep_claim = true;
    p->conf.renew_percent = 0;
    p->lifetime_s = 30 * PLAY_DAY;
    play_provision(p);
    play_pass(p, 31 * (uint64_t)PLAY_DAY * 1000);
    play_wait(p);
    play_until(p, AGENT_ACT_CONNECT, AGENT_SLOT_CLAIM);
    assert_serves(p, 2);
    play_free(p);
}

/* ---- rollback -------------------------------------------------------------------------------- */

static void a_new_identity_that_is_refused_is_given_up(void **state)
{
    struct play *p = provisioned(AGENT_METHOD_CLAIM);
    unsigned tries = p->connects;
    (void)state;

    p->refusals = AGENT_PENDING_TRIES + AGENT_RENEW_TRIES;
    p->thing = NULL;
    play_tell(p, AGENT_EV_RENEW);
    play_until(p, AGENT_ACT_CONNECT, 2);
    play_done(p);
    /* in between it serves with the one before */
    for (int i = 0; i < 400 && p->saved.phase != AGENT_PHASE_NONE; i++) {
        p->failing = AGENT_ACT_CONNECT;
        p->failing_with = AGENT_REFUSED;
        p->failures = p->busy && p->slow.kind == AGENT_ACT_CONNECT && p->slow.slot == 2;
        p->refusals = 0;
        tries += p->failures;
        (void)play_step(p);
        assert_int_equal(p->disk.in_force, 1);
    }
    p->failures = 0;
    assert_int_equal(p->saved.phase, AGENT_PHASE_NONE);
    play_until(p, AGENT_ACT_DROP, 2);
    assert_serves(p, 1);
    assert_true(tries >= AGENT_PENDING_TRIES + AGENT_RENEW_TRIES - 1);
    assert_int_equal(agent_record(p->agent)->last_error, AGENT_REJECTED);
    play_free(p);
}

/* The network's fault is not the certificate's. */
static void a_new_identity_that_cannot_connect_is_kept(void **state)
{
    static const enum agent_class classes[] = { AGENT_NETWORK, AGENT_TRUST, AGENT_BUSY,
                                                AGENT_LOCAL };
    (void)state;

    for (size_t i = 0; i < COUNT(classes); i++) {
        struct play *p = provisioned(AGENT_METHOD_CLAIM);

        play_tell(p, AGENT_EV_RENEW);
        for (int n = 0; n < 30; n++) {
            play_until(p, AGENT_ACT_CONNECT, 2);
            play_fail(p, classes[i]);
            assert_int_equal(p->disk.in_force, 1);
        }
        assert_serves(p, 2);
        assert_int_equal(p->n_certs, 3);
        play_free(p);
    }
}

/* Without an identity to fall back to it takes longer. */
static void a_first_identity_that_is_refused_is_asked_for_again(void **state)
{
    struct play *p = play_new();
    unsigned refused = 0;
    (void)state;

    play_start(p);
    while (refused < 40 && p->disk.slots[2].key == false) {
        play_until(p, AGENT_ACT_CONNECT, PLAY_ANY_SLOT);
        if (p->slow.slot == 1) {
            play_fail(p, AGENT_REFUSED);
            refused++;
        } else {
            play_done(p);
        }
    }
    assert_int_equal(refused, AGENT_PENDING_TRIES + AGENT_PROVE_TRIES);
    assert_serves(p, 2);
    play_free(p);
}

/* Others on the device have never heard of an identity: then the one that they hear of is their
 * first. */
static void what_could_not_be_announced_is_with_the_next(void **state)
{
    struct play *p = play_new();
    (void)state;

    play_start(p);
    play_until(p, AGENT_ACT_ANNOUNCE, 1);
    play_fail(p, AGENT_LOCAL);
    assert_true(play_run(p));
    assert_int_equal(p->saved.announce, AGENT_ANNOUNCE_PROVISIONED);
    assert_int_equal(play_class(p), AGENT_LOCAL);
    play_tell(p, AGENT_EV_RENEW);
    assert_serves(p, 2);
    assert_int_equal(p->announced[AGENT_ANNOUNCE_PROVISIONED], 1);
    assert_int_equal(p->announced[AGENT_ANNOUNCE_RENEWED], 0);
    play_free(p);
}

static void what_could_not_be_announced_is_at_the_next_start(void **state)
{
    struct play *p = provisioned(AGENT_METHOD_CLAIM);
    (void)state;

    play_tell(p, AGENT_EV_RENEW);
    play_until(p, AGENT_ACT_ANNOUNCE, 2);
    play_fail(p, AGENT_LOCAL);
    assert_true(play_run(p));
    assert_int_equal(p->announced[AGENT_ANNOUNCE_RENEWED], 0);
    play_cut(p);
    assert_serves(p, 2);
    assert_int_equal(p->announced[AGENT_ANNOUNCE_RENEWED], 1);
    play_cut(p);
    assert_serves(p, 2);
    assert_int_equal(p->announced[AGENT_ANNOUNCE_RENEWED], 1);
    play_free(p);
}

/* ---- the token ------------------------------------------------------------------------------- */

static void a_token_that_was_used_may_have_worked(void **state)
{
    struct play *p = play_new();
    (void)state;

    play_start(p);
    play_until_step(p, AGENT_REGISTERING);
    play_done(p);
    p->certs[2].token_used = p->certs[2].active = true; /* the answer was lost */
    play_until(p, AGENT_ACT_CONNECT, 1);
    assert_serves(p, 1);
    assert_int_equal(p->n_certs, 2);
    /* what the thing is called nobody said */
    assert_string_equal(p->saved.thing_name, "");
    play_free(p);
}

static void a_token_that_is_over_costs_another_certificate(void **state)
{
    struct play *p = play_new();
    (void)state;

    play_start(p);
    play_until_step(p, AGENT_REGISTERING);
    play_done(p);
    p->certs[2].token_used = true;       /* over */
    play_until(p, AGENT_ACT_CONNECT, 1); /* perhaps it had been used */
    play_done(p);
    assert_int_equal(play_class(p), AGENT_TOKEN);
    assert_int_equal(agent_record(p->agent)->phase, AGENT_PHASE_REQUEST);
    assert_serves(p, 1);
    assert_int_equal(p->n_certs, 3);
    assert_int_equal(p->disk.slots[1].serial, 3);
    /* of the same key */
    assert_int_equal(p->certs[3].key_id, p->certs[2].key_id);
    play_free(p);
}

static void a_stored_token_is_used_after_a_power_cut(void **state)
{
    struct play *p = play_new();
    (void)state;

    play_start(p);
    while (p->saved.phase != AGENT_PHASE_ISSUED)
        (void)play_step(p);
    assert_string_equal(p->saved.token, "token-2");
    assert_in_range(p->saved.token_s, PLAY_NOW, p->now.wall_s);
    play_cut(p);
    assert_serves(p, 1);
    assert_int_equal(p->n_certs, 2);
    assert_string_equal(p->saved.token, "");
    assert_int_equal(p->saved.token_s, 0);
    play_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_certificate_is_renewed_at_its_share_of_the_lifetime),
        cmocka_unit_test(renewals_keep_a_distance),
        cmocka_unit_test(devices_of_one_hour_are_spread),
        cmocka_unit_test(nothing_is_renewed_unless_it_is_asked_for),
        cmocka_unit_test(the_time_is_worked_out_at_a_start),
        cmocka_unit_test(without_a_template_nothing_can_be_renewed),
        cmocka_unit_test(the_identity_in_force_serves_until_the_next_has_connected),
        cmocka_unit_test(a_wish_to_renew_is_heard_once),
        cmocka_unit_test(a_renewal_waits_while_the_identity_cannot_connect),
        cmocka_unit_test(an_expired_identity_is_replaced_with_the_claim_if_there_is_one),
        cmocka_unit_test(a_new_identity_that_is_refused_is_given_up),
        cmocka_unit_test(a_new_identity_that_cannot_connect_is_kept),
        cmocka_unit_test(a_first_identity_that_is_refused_is_asked_for_again),
        cmocka_unit_test(what_could_not_be_announced_is_with_the_next),
        cmocka_unit_test(what_could_not_be_announced_is_at_the_next_start),
        cmocka_unit_test(a_token_that_was_used_may_have_worked),
        cmocka_unit_test(a_token_that_is_over_costs_another_certificate),
        cmocka_unit_test(a_stored_token_is_used_after_a_power_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
