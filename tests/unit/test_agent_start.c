/* What the agent makes of what it finds, and of a clock that is not set. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device-agent/core/agent.h"
#include "support/agent_play.h"
#include "support/crc64.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* ---- the record ------------------------------------------------------------------------------ */

enum { AT_VERSION = 5, AT_DEVICE = 10 }; /* in a record, as state.c has them */

static void a_record_that_is_not_ours_is_not_touched(void **state)
{
    static const struct {
        size_t at;
        const char *text;
    } rows[] = {
        { AT_VERSION, "the state record is of a later version of the agent" },
        { AT_DEVICE, "the state record is another device's" },
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct play *p = play_new();
        struct play_disk before;

        play_provision(p);
        p->disk.record[rows[i].at]++;
        test_seal_state(p->disk.record, p->disk.n_record);
        before = p->disk;
        play_cut(p);
        assert_true(p->ended);
        assert_int_equal(p->ended_with, AGENT_RECORD);
        assert_string_equal(p->story, "end");
        assert_int_equal(play_class(p), AGENT_RECORD);
        assert_string_equal(agent_record(p->agent)->last_message, rows[i].text);
        assert_int_equal(play_at(p), AGENT_ENDED);
        assert_memory_equal(&p->disk, &before, sizeof before);
        play_free(p);
    }
}

/* The slot 0 is the claim's, and that of the identity in force is taken. */
static void generations_are_counted_round(void **state)
{
    static const uint32_t in_force[] = { UINT32_MAX, 1 };
    static const uint8_t device[AGENT_DEVICE_LEN] = "some device";
    const struct agent_conf conf = {
        .method = AGENT_METHOD_CLAIM, .client_id = "d", .template_name = "t", .start_now = true
    };
    const struct agent_now now = { .mono_ms = 1000, .wall_s = 1000000 };
    const struct agent_slot usable = { true, true, 1, INT64_MAX };
    struct agent *agent = calloc(1, sizeof *agent);
    (void)state;

    assert_non_null(agent);
    for (size_t i = 0; i < COUNT(in_force); i++) {
        struct agent_found found = { .in_force = in_force[i],
                                     .generations = { { in_force[i], usable },
                                                      { UINT32_MAX, usable } },
                                     .n_generations = 2 };
        struct agent_event event = { .kind = AGENT_EV_RENEW, .now = now };
        struct agent_action action;
        struct agent_state record;

        agent_state_init(&record, device);
        record.current = in_force[i];
        agent_start(agent, &conf, &found, AGENT_STATE_GOOD, &record, &now);
        agent_event(agent, &event);
        event.kind = AGENT_EV_DONE;
        for (int moves = 0; moves < 20 && agent_record(agent)->next == 0; moves++) {
            while (agent_next(agent, &action))
                event.act = action.kind;
            agent_event(agent, &event);
        }
        assert_int_equal(agent_record(agent)->next, in_force[i] == 1 ? 2 : 1);
    }
    free(agent);
}

static void lose_record(struct play *p)
{
    p->disk.record[p->disk.n_record - 1]++;
}

static void an_identity_outlives_its_record(void **state)
{
    static const bool keep[] = { true, false };
    (void)state;

    for (size_t i = 0; i < COUNT(keep); i++) {
        struct play *p = play_new();

        p->conf.method = AGENT_METHOD_TRUSTED_USER;
        p->conf.keep_claim = keep[i];
        play_provision(p);
        lose_record(p);
        play_cut(p);
        assert_true(play_run(p));
        play_assert_whole(p);
        assert_int_equal(p->disk.in_force, 1);
        assert_int_equal(p->n_certs, 2);
        assert_true(p->saved.renew_s > 0);
        assert_int_equal(p->disk.slots[0].key, keep[i]);
        play_free(p);
    }
}

/* In the middle of a renewal: what is found decides. */
static void a_renewal_whose_record_is_lost_ends_with_one_identity(void **state)
{
    (void)state;
    for (unsigned move = 0; move < 40; move++) {
        struct play *p = play_new();

        play_provision(p);
        play_tell(p, AGENT_EV_RENEW);
        for (unsigned i = 0; i < move; i++)
            (void)play_step(p);
        lose_record(p);
        play_cut(p);
        assert_int_equal(play_class(p), AGENT_RECORD);
        assert_true(play_run(p));
        play_assert_whole(p);
        play_free(p);
    }
}

static void a_first_run_whose_record_is_lost_ends_with_an_identity(void **state)
{
    (void)state;
    for (unsigned move = 1; move < 30; move++) {
        struct play *p = play_new();

        p->conf.keep_claim = true;
        play_start(p);
        for (unsigned i = 0; i < move; i++)
            (void)play_step(p);
        p->disk.n_record = 0;
        play_cut(p);
        assert_true(play_run(p));
        play_assert_whole(p);
        play_free(p);
    }
}

/* The newest with a certificate is tried; what others are led to stays until it has connected. */
static void what_is_found_without_a_record_is_put_in_order(void **state)
{
    static const struct {
        uint32_t in_force;
        struct {
            uint32_t number;
            bool cert;
        } found[3];
        uint32_t current, next;
        enum agent_phase phase;
    } rows[] = {
        { 0, { { 1, true }, { 2, true }, { 3, false } }, 0, 2, AGENT_PHASE_REGISTERED },
        { 0, { { 2, true }, { 1, true }, { 3, false } }, 0, 2, AGENT_PHASE_REGISTERED },
        { 2, { { 1, true }, { 2, true }, { 3, false } }, 2, 0, AGENT_PHASE_NONE },
        { 2, { { 1, true }, { 2, true }, { 3, true } }, 2, 3, AGENT_PHASE_REGISTERED },
        { 2, { { 1, true }, { 2, false }, { 3, false } }, 0, 1, AGENT_PHASE_REGISTERED },
        { 4, { { 1, false }, { 2, false }, { 3, false } }, 0, 0, AGENT_PHASE_NONE },
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct play *p = play_new();
        struct agent_found found = { .in_force = rows[i].in_force, .n_generations = 3 };

        for (size_t n = 0; n < 3; n++) {
            found.generations[n].number = rows[i].found[n].number;
            found.generations[n].slot = (struct agent_slot){ .key = true,
                                                             .cert = rows[i].found[n].cert,
                                                             .not_after_s = PLAY_NOW + PLAY_DAY };
        }
        p->conf.method = AGENT_METHOD_TRUSTED_USER;
        agent_start(p->agent, &p->conf, &found, AGENT_STATE_TORN, &p->saved, &p->now);
        assert_int_equal(agent_record(p->agent)->current, rows[i].current);
        assert_int_equal(agent_record(p->agent)->next, rows[i].next);
        assert_int_equal(agent_record(p->agent)->phase, rows[i].phase);
        assert_int_equal(play_class(p), AGENT_RECORD);
        play_free(p);
    }
}

/* ---- slots ----------------------------------------------------------------------------------- */

/* Somebody removed files, or they cannot be read. */
static void what_the_record_says_and_is_not_there_is_made_again(void **state)
{
    static const enum agent_method methods[] = { AGENT_METHOD_JIT, AGENT_METHOD_CLAIM,
                                                 AGENT_METHOD_KEY };
    (void)state;

    for (unsigned i = 0; i < COUNT(methods) * 4 * 30; i++) {
        const unsigned move = i / 4 % 30;
        struct play *p = play_new();
        struct play_slot *slot = &p->disk.slots[1];

        p->conf.method = methods[i / 120];
        p->conf.create_keys = methods[i / 120] == AGENT_METHOD_JIT && i % 8 < 4;
        p->conf.keep_claim = true;
        play_start(p);
        for (unsigned n = 0; n < move; n++)
            (void)play_step(p);
        if (i % 4 == 0)
            *slot = (struct play_slot){ 0 };
        else if (i % 4 == 1)
            slot->key = slot->csr = false;
        else if (i % 4 == 2)
            slot->cert = false;
        else
            slot->config = slot->csr = false;
        play_cut(p);
        assert_true(play_run(p));
        play_assert_whole(p);
        play_free(p);
    }
}

static void generations_that_nobody_needs_go(void **state)
{
    struct play *p = play_new();
    (void)state;

    play_provision(p);
    for (uint32_t i = 2; i < 9; i++)
        p->disk.slots[i] = (struct play_slot){ .key = true, .key_id = 100 + i };
    play_cut(p);
    assert_true(play_run(p));
    play_cut(p);
    assert_true(play_run(p));
    play_assert_whole(p);
    /* and the next has a number of its own */
    play_tell(p, AGENT_EV_RENEW);
    assert_true(play_run(p));
    play_assert_whole(p);
    play_free(p);
}

/* ---- the clock ------------------------------------------------------------------------------- */

static void without_a_clock_nothing_is_connected(void **state)
{
    struct play *p = play_new();
    unsigned saves;
    (void)state;

    p->clock_set = false;
    play_start(p);
    for (int i = 0; i < 20; i++)
        (void)play_step(p);
    assert_int_equal(p->connects, 0);
    assert_int_equal(play_class(p), AGENT_CLOCK);
    assert_int_equal(p->saved.last_error, AGENT_CLOCK);
    assert_int_equal(play_at(p), AGENT_WAITING);
    saves = p->actions;
    for (int i = 0; i < 50; i++)
        (void)play_step(p);
    assert_int_equal(p->actions, saves); /* flash wears */
    p->clock_set = true;
    play_tell(p, AGENT_EV_CLOCK);
    assert_true(p->busy);
    assert_true(play_run(p));
    play_assert_whole(p);
    assert_int_equal(play_class(p), AGENT_OK);
    play_free(p);
}

static void a_certificate_of_tomorrow_waits_for_the_clock(void **state)
{
    static const uint32_t slots[] = { AGENT_SLOT_CLAIM, 1 };
    (void)state;

    for (size_t i = 0; i < COUNT(slots); i++) {
        struct play *p = play_new();

        if (slots[i] != AGENT_SLOT_CLAIM)
            play_provision(p);
        p->disk.slots[slots[i]].not_before_s = PLAY_NOW + PLAY_DAY;
        p->connects = 0;
        play_cut(p);
        for (int n = 0; n < 20; n++)
            (void)play_step(p);
        assert_int_equal(p->connects, 0);
        assert_int_equal(play_class(p), AGENT_CLOCK);
        play_pass(p, 2 * (uint64_t)PLAY_DAY * 1000);
        play_tell(p, AGENT_EV_CLOCK);
        assert_true(play_run(p));
        assert_true(p->connects > 0);
        play_assert_whole(p);
        play_free(p);
    }
}

static void a_clock_that_is_set_while_nothing_waits_for_it_changes_nothing(void **state)
{
    struct play *p = play_new();
    (void)state;

    p->offline = true;
    play_start(p);
    play_until_step(p, AGENT_WAITING);
    assert_int_equal(play_class(p), AGENT_NETWORK);
    p->story[0] = '\0';
    play_tell(p, AGENT_EV_CLOCK);
    assert_string_equal(p->story, "");
    assert_int_equal(play_at(p), AGENT_WAITING);
    play_free(p);
}

/* ---- the first try --------------------------------------------------------------------------- */

static void a_start_is_spread_unless_somebody_waits_for_it(void **state)
{
    static const bool now[] = { true, false };
    (void)state;

    for (size_t i = 0; i < COUNT(now) * 2; i++) {
        struct play *p = play_new();
        const bool serves = i / 2 != 0;
        uint64_t start_ms;

        if (serves)
            play_provision(p);
        p->conf.start_now = now[i % 2];
        p->now.random = UINT32_MAX / 2;
        start_ms = p->now.mono_ms;
        p->connects = 0;
        play_cut(p);
        play_until(p, AGENT_ACT_CONNECT, PLAY_ANY_SLOT);
        if (now[i % 2])
            assert_in_range(p->now.mono_ms - start_ms, 0, 200);
        else
            assert_in_range(p->now.mono_ms - start_ms, 900, serves ? 10000 : 2200);
        play_free(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(generations_are_counted_round),
        cmocka_unit_test(a_record_that_is_not_ours_is_not_touched),
        cmocka_unit_test(an_identity_outlives_its_record),
        cmocka_unit_test(a_renewal_whose_record_is_lost_ends_with_one_identity),
        cmocka_unit_test(a_first_run_whose_record_is_lost_ends_with_an_identity),
        cmocka_unit_test(what_is_found_without_a_record_is_put_in_order),
        cmocka_unit_test(what_the_record_says_and_is_not_there_is_made_again),
        cmocka_unit_test(generations_that_nobody_needs_go),
        cmocka_unit_test(without_a_clock_nothing_is_connected),
        cmocka_unit_test(a_certificate_of_tomorrow_waits_for_the_clock),
        cmocka_unit_test(a_clock_that_is_set_while_nothing_waits_for_it_changes_nothing),
        cmocka_unit_test(a_start_is_spread_unless_somebody_waits_for_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
