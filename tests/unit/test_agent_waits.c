/* How long it waits, what shortens that, and what it does not keep meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "device-agent/core/agent.h"
#include "support/agent_play.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* ---- what fails on the device ---------------------------------------------------------------- */

static void what_could_not_be_stored_is_tried_again_soon(void **state)
{
    static const enum agent_action_kind kinds[] = { AGENT_ACT_SAVE, AGENT_ACT_PROMOTE,
                                                    AGENT_ACT_DROP };
    (void)state;

    for (size_t i = 0; i < COUNT(kinds); i++) {
        struct play *p = play_new();
        uint64_t failed_ms;

        play_start(p);
        play_until_step(p, AGENT_PROVING);
        play_until(p, kinds[i], PLAY_ANY_SLOT);
        play_fail(p, AGENT_LOCAL);
        failed_ms = p->now.mono_ms;
        while (p->busy)
            (void)play_step(p);
        play_until(p, kinds[i], PLAY_ANY_SLOT);
        assert_in_range(p->now.mono_ms - failed_ms, 4900, 11000);
        assert_true(play_run(p));
        play_assert_whole(p);
        play_free(p);
    }
}

/* Nothing is stored, so nothing is begun; and a service goes on. */
static void storage_that_fails_stops_all_but_the_service(void **state)
{
    struct play *p = play_new();
    (void)state;

    play_provision(p);
    p->failing = AGENT_ACT_SAVE;
    p->failing_with = AGENT_LOCAL;
    p->failures = 50;
    play_tell(p, AGENT_EV_RENEW);
    while (p->failures != 0) {
        (void)play_step(p);
        assert_true(p->up);
        assert_false(p->disk.slots[2].key);
    }
    assert_true(p->now.mono_ms > 60 * 60 * 1000);
    assert_true(play_run(p));
    play_assert_whole(p);
    assert_int_equal(p->disk.in_force, 2);
    play_free(p);
}

/* ---- wishes ---------------------------------------------------------------------------------- */

static void a_wish_ends_a_wait(void **state)
{
    static const enum agent_event_kind kinds[] = { AGENT_EV_RENEW, AGENT_EV_CLAIM };
    (void)state;

    for (size_t i = 0; i < COUNT(kinds); i++) {
        struct play *p = play_new();

        play_start(p);
        for (int n = 0; n < 5; n++) {
            play_until(p, AGENT_ACT_CONNECT, AGENT_SLOT_CLAIM);
            play_fail(p, AGENT_REFUSED);
        }
        play_until_step(p, AGENT_WAITING);
        assert_true(p->timer_ms > p->now.mono_ms + 10000);
        assert_int_equal(p->saved.getting.attempts[AGENT_REFUSED], 5);
        if (kinds[i] == AGENT_EV_CLAIM)
            play_claim(p);
        else
            play_tell(p, kinds[i]);
        play_done(p); /* SAVE */
        assert_true(p->busy && p->slow.kind == AGENT_ACT_CONNECT);
        assert_int_equal(p->saved.getting.attempts[AGENT_REFUSED], 0);
        assert_true(play_run(p));
        play_assert_whole(p);
        assert_int_equal(p->disk.in_force, 1);
        play_free(p);
    }
}

/* ---- silence --------------------------------------------------------------------------------- */

/* One silence is the connection's end; a refusal after it is not. */
static void a_silence_is_forgotten_with_its_connection(void **state)
{
    struct play *p = play_new();
    (void)state;

    play_provision(p);
    p->conf.heartbeat_topic = "beat";
    play_cut(p);
    play_until(p, AGENT_ACT_PUBLISH, PLAY_ANY_SLOT);
    play_wait(p);
    assert_true(p->busy && p->slow.kind == AGENT_ACT_DISCONNECT);
    play_until_step(p, AGENT_READY);
    p->conf.heartbeat_topic = NULL;
    play_tell(p, AGENT_EV_RENEW);
    play_until_step(p, AGENT_CREATING);
    play_done(p);
    play_reply(p, false, "{\"statusCode\":403}");
    assert_true(p->up);
    assert_true(p->busy && p->slow.kind == AGENT_ACT_SAVE);
    play_free(p);
}

/* ---- secrets --------------------------------------------------------------------------------- */

static bool holds(const struct play *p, const char *text)
{
    const uint8_t *bytes = (const uint8_t *)p->agent;
    const size_t n = strlen(text);

    for (size_t i = 0; i + n <= sizeof *p->agent; i++) {
        if (memcmp(bytes + i, text, n) == 0)
            return true;
    }
    return false;
}

static void keys_and_tokens_are_wiped_when_they_are_stored(void **state)
{
    struct play *p = play_new();
    (void)state;

    p->conf.create_keys = true;
    play_start(p);
    play_until(p, AGENT_ACT_STORE_CERT, 1);
    assert_true(holds(p, "BEGIN PRIVATE KEY"));
    assert_true(holds(p, "token-2"));
    play_done(p);
    assert_false(holds(p, "BEGIN PRIVATE KEY"));
    assert_true(holds(p, "token-2"));
    assert_true(play_run(p));
    assert_false(holds(p, "token-2"));
    play_free(p);
}

static void keys_and_tokens_are_wiped_when_they_cannot_be_stored(void **state)
{
    (void)state;
    for (int stop = 0; stop <= 1; stop++) {
        struct play *p = play_new();

        p->conf.create_keys = true;
        play_start(p);
        play_until(p, AGENT_ACT_STORE_CERT, 1);
        if (stop)
            play_tell(p, AGENT_EV_STOP);
        play_fail(p, AGENT_LOCAL);
        assert_false(holds(p, "BEGIN PRIVATE KEY"));
        assert_false(holds(p, "token-2"));
        play_free(p);
    }
}

static void a_token_is_wiped_with_its_request(void **state)
{
    static const struct {
        bool accepted;
        const char *payload;
    } rows[] = {
        { false, "{\"statusCode\":403}" },
        { true, "{\"thingName\":\"a b\"}" },
        { true, "{}" },
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct play *p = play_new();

        play_start(p);
        play_until_step(p, AGENT_REGISTERING);
        assert_true(holds(p, "\"certificateOwnershipToken\":\"token-2\""));
        play_done(p);
        play_reply(p, rows[i].accepted, rows[i].payload);
        assert_false(holds(p, "\"certificateOwnershipToken\":\"token-2\""));
        play_free(p);
    }
}

static void a_token_is_wiped_with_what_it_is_for(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct play *p = play_new();

        play_start(p);
        play_until_step(p, AGENT_REGISTERING);
        if (i == 0)
            play_reset(p, AGENT_RESET_IDENTITY);
        else if (i == 1)
            play_tell(p, AGENT_EV_STOP);
        else if (i == 2)
            play_closed(p, AGENT_NETWORK);
        else
            play_wait(p);
        while (!p->ended && p->up)
            (void)play_step(p);
        assert_false(holds(p, "\"certificateOwnershipToken\":\"token-2\""));
        if (i == 0) {
            play_until(p, AGENT_ACT_CONNECT, AGENT_SLOT_CLAIM);
            assert_false(holds(p, "token-2"));
        }
        play_free(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_could_not_be_stored_is_tried_again_soon),
        cmocka_unit_test(storage_that_fails_stops_all_but_the_service),
        cmocka_unit_test(a_wish_ends_a_wait),
        cmocka_unit_test(a_silence_is_forgotten_with_its_connection),
        cmocka_unit_test(keys_and_tokens_are_wiped_when_they_are_stored),
        cmocka_unit_test(keys_and_tokens_are_wiped_when_they_cannot_be_stored),
        cmocka_unit_test(a_token_is_wiped_with_its_request),
        cmocka_unit_test(a_token_is_wiped_with_what_it_is_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
