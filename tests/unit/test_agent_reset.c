#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "device-agent/core/agent.h"
#include "support/agent_play.h"
#include "support/agent_play_scene.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* ---- at every move --------------------------------------------------------------------------- */

static const enum agent_reset levels[] = { AGENT_RESET_IDENTITY, AGENT_RESET_FULL };

/* The scene as it is once it was reset. */
static struct play_scene reset_scene(const struct play_scene *scene, enum agent_reset level)
{
    struct play_scene out = *scene;

    out.reset = level;
    return out;
}

/* Keys of before are nowhere, but for the claim's when it was not to go. */
static void assert_gone(const struct play *p, uint32_t keys, enum agent_reset level)
{
    for (size_t i = level == AGENT_RESET_FULL ? 0 : 1; i < PLAY_SLOTS; i++) {
        const struct play_slot *slot = &p->disk.slots[i];
        const bool claims = level != AGENT_RESET_FULL && slot->key_id == p->disk.slots[0].key_id;

        assert_true(!slot->key || slot->key_id > keys || claims);
    }
}

/* A single run may have been about to end: then it ends reset. */
static void finish(struct play *p, const struct play_scene *scene, const char *what, unsigned move)
{
    if (!scene->once) {
        play_finish(p, scene, what, move);
        return;
    }
    assert_true(play_run(p));
    if (p->ended && agent_class_lasting(p->ended_with)) {
        assert_int_equal(p->ended_with, AGENT_CONFIG); /* the claim is gone */
        assert_false(p->disk.slots[0].key);
        return;
    }
    if (p->saved.current != 0)
        play_finish(p, scene, what, move);
}

static void it_can_be_reset_at_any_move(void **state)
{
    (void)state;
    for (size_t i = 0; i < play_n_scenes * COUNT(levels); i++) {
        const enum agent_reset level = levels[i % COUNT(levels)];
        const struct play_scene scene = reset_scene(&play_scenes[i / COUNT(levels)], level);

        for (unsigned move = 0;; move++) {
            struct play *p = play_begin_at(&play_scenes[i / COUNT(levels)], move);
            uint32_t keys;

            if (p == NULL)
                break;
            keys = p->n_keys;
            if (!p->ended) {
                play_reset(p, level);
                finish(p, &scene, "reset", move);
                assert_gone(p, keys, level);
            }
            play_free(p);
        }
    }
}

/* Cut at each move after it, with what was under way done. */
static void a_reset_is_ended_after_power_cuts(void **state)
{
    (void)state;
    for (size_t i = 0; i < play_n_scenes * COUNT(levels); i++) {
        const enum agent_reset level = levels[i % COUNT(levels)];
        const struct play_scene scene = reset_scene(&play_scenes[i / COUNT(levels)], level);

        if (scene.once)
            continue;
        for (unsigned move = 0;; move++) {
            struct play *p = play_begin_at(&play_scenes[i / COUNT(levels)], move / 12);
            uint32_t keys;
            bool known = false;

            if (p == NULL)
                break;
            keys = p->n_keys;
            play_reset(p, level);
            for (unsigned n = 0; n < move % 12; n++) {
                (void)play_step(p);
                known = known || p->saved.reset == level;
            }
            if (p->busy)
                play_silently(p);
            known = known || p->saved.reset == level;
            play_cut(p);
            play_finish(p, &scene, "reset and cut", move);
            if (known)
                assert_gone(p, keys, level);
            play_free(p);
        }
    }
}

static void a_full_reset_that_comes_later_goes_on_from_the_lesser(void **state)
{
    (void)state;
    for (unsigned move = 0; move < 12; move++) {
        struct play *p = play_new();

        p->conf.method = AGENT_METHOD_JIT;
        play_provision(p);
        play_reset(p, AGENT_RESET_IDENTITY);
        for (unsigned n = 0; n < move; n++)
            (void)play_step(p);
        play_reset(p, AGENT_RESET_FULL);
        assert_true(play_run(p));
        assert_int_equal(play_at(p), AGENT_NO_CLAIM);
        assert_int_equal(p->disk.in_force, 0);
        for (size_t i = 0; i < PLAY_SLOTS; i++)
            assert_false(p->disk.slots[i].key);
        play_free(p);
    }
}

/* ---- what is left ---------------------------------------------------------------------------- */

static void a_full_reset_makes_a_blank_device(void **state)
{
    struct play *p = play_new();
    struct agent_state blank;
    (void)state;

    p->conf.method = AGENT_METHOD_TRUSTED_USER;
    play_provision(p);
    play_reset(p, AGENT_RESET_FULL);
    assert_true(play_run(p));
    assert_int_equal(play_at(p), AGENT_NO_CLAIM);
    assert_string_equal(p->story, "save disconnect drop-1 save");
    agent_state_init(&blank, p->saved.device);
    assert_memory_equal(&p->saved, &blank, sizeof blank);
    /* and it can begin again */
    play_claim(p);
    assert_true(play_run(p));
    play_assert_whole(p);
    assert_int_equal(p->announced[AGENT_ANNOUNCE_PROVISIONED], 2);
    assert_int_equal(p->announced[AGENT_ANNOUNCE_RENEWED], 0);
    play_free(p);
}

/* Whatever of it there is. */
static void a_full_reset_removes_half_a_claim(void **state)
{
    (void)state;
    for (int half = 0; half <= 1; half++) {
        struct play *p = play_new();

        p->conf.method = AGENT_METHOD_JIT;
        p->disk.slots[0].key = half == 0;
        p->disk.slots[0].cert = half != 0;
        play_start(p);
        assert_true(play_run(p));
        play_reset(p, AGENT_RESET_FULL);
        assert_true(play_run(p));
        assert_false(p->disk.slots[0].key || p->disk.slots[0].cert);
        assert_int_equal(p->dropped_claims, 1);
        play_free(p);
    }
}

static void a_reset_of_the_identity_keeps_the_claim(void **state)
{
    struct play *p = play_new();
    (void)state;

    p->conf.keep_claim = true;
    play_provision(p);
    play_reset(p, AGENT_RESET_IDENTITY);
    play_until(p, AGENT_ACT_CONNECT, AGENT_SLOT_CLAIM);
    assert_int_equal(p->disk.in_force, 0);
    assert_true(play_run(p));
    play_assert_whole(p);
    assert_int_equal(p->disk.in_force, 2);
    assert_int_equal(p->announced[AGENT_ANNOUNCE_PROVISIONED], 2);
    play_free(p);
}

/* It may be half gone, and would be taken for one that is there. */
static void a_reset_of_the_identity_ends_a_removal_of_the_claim_that_failed(void **state)
{
    struct play *p = play_new();
    (void)state;

    p->conf.method = AGENT_METHOD_TRUSTED_USER;
    play_start(p);
    play_until(p, AGENT_ACT_DROP, AGENT_SLOT_CLAIM);
    play_fail(p, AGENT_LOCAL);
    play_reset(p, AGENT_RESET_IDENTITY);
    assert_true(play_run(p));
    assert_false(p->disk.slots[0].key || p->disk.slots[0].cert);
    assert_int_equal(play_at(p), AGENT_NO_CLAIM);
    play_free(p);
}

/* It goes on when the storage does. */
static void a_reset_waits_for_storage_that_fails(void **state)
{
    static const enum agent_action_kind kinds[] = { AGENT_ACT_SAVE, AGENT_ACT_DROP };
    (void)state;

    for (size_t i = 0; i < COUNT(kinds); i++) {
        struct play *p = play_new();

        p->conf.method = AGENT_METHOD_TRUSTED_USER;
        play_provision(p);
        play_reset(p, AGENT_RESET_FULL);
        play_until(p, kinds[i], PLAY_ANY_SLOT);
        play_fail(p, AGENT_LOCAL);
        assert_int_equal(play_class(p), AGENT_LOCAL);
        while (p->busy)
            (void)play_step(p);
        assert_true(p->disk.slots[1].key);
        assert_true(p->timer_set);
        assert_true(play_run(p));
        assert_int_equal(play_at(p), AGENT_NO_CLAIM);
        assert_false(p->disk.slots[1].key);
        play_free(p);
    }
}

/* Whoever asks for it does not wait for what failed before. */
static void a_reset_does_not_wait_for_an_earlier_failure(void **state)
{
    struct play *p = play_new();
    (void)state;

    play_provision(p);
    play_tell(p, AGENT_EV_RENEW);
    for (int i = 0; i < 6; i++) {
        play_until(p, AGENT_ACT_SAVE, PLAY_ANY_SLOT);
        play_fail(p, AGENT_LOCAL);
    }
    assert_false(p->busy);
    play_reset(p, AGENT_RESET_IDENTITY);
    assert_true(p->busy && p->slow.kind == AGENT_ACT_SAVE);
    assert_true(play_run(p));
    assert_int_equal(p->disk.in_force, 0);
    play_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_can_be_reset_at_any_move),
        cmocka_unit_test(a_reset_of_the_identity_ends_a_removal_of_the_claim_that_failed),
        cmocka_unit_test(a_reset_is_ended_after_power_cuts),
        cmocka_unit_test(a_full_reset_that_comes_later_goes_on_from_the_lesser),
        cmocka_unit_test(a_full_reset_makes_a_blank_device),
        cmocka_unit_test(a_full_reset_removes_half_a_claim),
        cmocka_unit_test(a_reset_of_the_identity_keeps_the_claim),
        cmocka_unit_test(a_reset_waits_for_storage_that_fails),
        cmocka_unit_test(a_reset_does_not_wait_for_an_earlier_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
