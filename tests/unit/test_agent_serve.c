#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "device-agent/core/agent.h"
#include "support/agent_play.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static struct play *provisioned(const char *heartbeat_topic)
{
    struct play *p = play_new();

    p->conf.heartbeat_topic = NULL;
    play_provision(p);
    p->conf.heartbeat_topic = heartbeat_topic;
    play_cut(p);
    assert_true(play_run(p));
    p->story[0] = '\0';
    return p;
}

/* ---- at rest --------------------------------------------------------------------------------- */

static void an_identity_stays_connected_or_rests(void **state)
{
    static const struct {
        bool stay;
        enum agent_step step;
    } rows[] = { { true, AGENT_READY }, { false, AGENT_RESTING } };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct play *p = play_new();

        p->conf.stay = rows[i].stay;
        play_provision(p);
        for (int n = 0; n < 5; n++)
            play_wait(p);
        assert_int_equal(play_at(p), rows[i].step);
        assert_int_equal(p->up, rows[i].stay);
        assert_string_equal(p->story, "");
        /* and after a start */
        play_cut(p);
        assert_true(play_run(p));
        assert_int_equal(play_at(p), rows[i].step);
        assert_string_equal(p->story, rows[i].stay ? "connect-1" : "");
        play_free(p);
    }
}

static void what_rests_connects_for_a_renewal_alone(void **state)
{
    struct play *p = play_new();
    (void)state;

    p->conf.stay = false;
    play_provision(p);
    play_tell(p, AGENT_EV_RENEW);
    assert_true(play_run(p));
    assert_string_equal(p->story, "save save key csr save connect-1 subscribe csr publish store "
                                  "save subscribe publish save disconnect connect-2 save promote "
                                  "save drop-1 announce save disconnect");
    assert_int_equal(play_at(p), AGENT_RESTING);
    play_free(p);
}

/* No connection lasts there; one that did its work is as good. */
static void what_rests_forgets_failures_with_the_next_connection(void **state)
{
    struct play *p = play_new();
    (void)state;

    p->conf.stay = false;
    play_provision(p);
    play_tell(p, AGENT_EV_RENEW);
    for (int i = 0; i < 3; i++) {
        play_until(p, AGENT_ACT_CONNECT, 1);
        play_fail(p, AGENT_NETWORK);
    }
    assert_int_equal(agent_record(p->agent)->serving.attempts[AGENT_NETWORK], 3);
    assert_true(play_run(p));
    assert_int_equal(p->disk.in_force, 2);
    assert_int_equal(play_class(p), AGENT_OK);
    assert_int_equal(p->saved.serving.attempts[AGENT_NETWORK], 0);
    play_free(p);
}

static void a_single_run_ends_when_there_is_an_identity(void **state)
{
    struct play *p = play_new();
    (void)state;

    play_provision(p);
    p->conf.once = true;
    play_cut(p);
    assert_true(p->ended);
    assert_int_equal(p->ended_with, AGENT_OK);
    assert_string_equal(p->story, "end");
    play_free(p);
}

/* ---- connections that are lost --------------------------------------------------------------- */

static void a_lost_connection_is_made_again_later(void **state)
{
    static const enum agent_class classes[] = { AGENT_OK,    AGENT_NETWORK, AGENT_REFUSED,
                                                AGENT_TRUST, AGENT_BUSY,    AGENT_THROTTLED };
    (void)state;

    for (size_t i = 0; i < COUNT(classes); i++) {
        struct play *p = provisioned(NULL);
        const enum agent_class expected = classes[i] == AGENT_OK ? AGENT_NETWORK : classes[i];
        struct agent_view view;

        play_closed(p, classes[i]);
        assert_int_equal(play_class(p), expected);
        assert_string_equal(p->story, "save");
        play_done(p);
        assert_int_equal(play_at(p), AGENT_WAITING);
        assert_int_equal(p->saved.serving.attempts[expected], 1);
        agent_look(p->agent, &view);
        assert_false(view.connected);
        assert_true(view.next_ms >
                    p->now.mono_ms + agent_retry_schedule(expected, true)->floor_s * 1000U - 100);
        assert_true(view.next_ms <=
                    p->now.mono_ms + agent_retry_schedule(expected, true)->base_s * 1000U);
        assert_int_equal(p->timer_ms, view.next_ms);
        play_wait(p);
        assert_true(p->busy && p->slow.kind == AGENT_ACT_CONNECT);
        assert_int_equal(play_at(p), AGENT_CONNECTING);
        agent_look(p->agent, &view);
        assert_int_equal(view.next_ms, 0);
        assert_int_equal(view.slot, 1);
        assert_true(play_run(p));
        assert_true(p->up);
        /* it is forgotten when the connection has lasted */
        assert_int_equal(play_class(p), expected);
        play_until_step(p, AGENT_SAVING);
        assert_int_equal(play_class(p), AGENT_OK);
        play_done(p);
        assert_int_equal(p->saved.serving.attempts[expected], 0);
        play_free(p);
    }
}

/* Also when the connection goes in the middle of something else. */
static void a_lost_connection_never_leads_to_one_at_once(void **state)
{
    (void)state;
    for (unsigned move = 0; move < 40; move++) {
        struct play *p = provisioned(NULL);
        uint64_t lost_ms;
        unsigned connects;

        play_tell(p, AGENT_EV_RENEW);
        for (unsigned i = 0; i < move; i++)
            (void)play_step(p);
        if (!p->up) {
            play_free(p);
            continue;
        }
        lost_ms = p->now.mono_ms;
        connects = p->connects;
        play_closed(p, AGENT_NETWORK);
        while (p->connects == connects)
            assert_true(play_step(p));
        /* the new identity's first use does not wait for the old one's connection */
        if (p->slow.slot == p->saved.current && p->saved.current == 1)
            assert_true(p->now.mono_ms >= lost_ms + 1000);
        assert_true(play_run(p));
        play_assert_whole(p);
        play_free(p);
    }
}

static void waits_grow_while_all_tries_fail_and_are_kept(void **state)
{
    struct play *p = provisioned(NULL);
    uint64_t longest_ms = 0;
    (void)state;

    p->offline = true;
    play_closed(p, AGENT_NETWORK);
    for (int i = 0; i < 200; i++) {
        const uint64_t before_ms = p->now.mono_ms;

        (void)play_step(p);
        if (p->now.mono_ms - before_ms > longest_ms)
            longest_ms = p->now.mono_ms - before_ms;
    }
    assert_in_range(longest_ms, 30000, 2 * 60 * 1000 + 100);
    assert_true(p->saved.serving.attempts[AGENT_NETWORK] > 20);
    assert_int_equal(p->saved.getting.attempts[AGENT_NETWORK], 0);
    play_cut(p);
    assert_true(agent_record(p->agent)->serving.attempts[AGENT_NETWORK] > 20);
    p->offline = false;
    assert_true(play_run(p));
    assert_true(p->up);
    play_free(p);
}

/* Two devices with one name take the connection from each other. */
static void waits_grow_while_connections_do_not_last(void **state)
{
    struct play *p = provisioned(NULL);
    const uint64_t start_ms = p->now.mono_ms;
    (void)state;

    for (int i = 0; i < 20; i++) {
        play_until_step(p, AGENT_READY);
        play_closed(p, AGENT_NETWORK);
    }
    assert_int_equal(agent_record(p->agent)->serving.attempts[AGENT_NETWORK], 20);
    assert_true(p->now.mono_ms - start_ms > 5 * 60 * 1000);
    play_free(p);
}

/* ---- heartbeat ------------------------------------------------------------------------------- */

static void a_heartbeat_comes_at_once_and_then_in_its_time(void **state)
{
    static const struct {
        const char *pattern, *topic;
    } rows[] = {
        { "beat", "beat" },
        { "devices/{thing_name}/beat", "devices/thing-1/beat" },
        { "{client_id}{thing_name}", "thing-1thing-1" },
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct play *p = provisioned(rows[i].pattern);
        static const char expected[] = "{\"clientId\":\"thing-1\",\"generation\":1,\"notAfter\":";

        play_until(p, AGENT_ACT_PUBLISH, PLAY_ANY_SLOT);
        assert_string_equal(p->slow.topics[0], rows[i].topic);
        assert_int_equal(play_at(p), AGENT_READY);
        assert_true(p->slow.payload.n > sizeof expected);
        assert_memory_equal(p->slow.payload.p, expected, sizeof expected - 1);
        for (int n = 0; n < 3; n++) {
            const uint64_t before_ms = p->now.mono_ms;

            play_done(p);
            play_until(p, AGENT_ACT_PUBLISH, PLAY_ANY_SLOT);
            assert_in_range(p->now.mono_ms - before_ms, 59900, 60100);
        }
        assert_string_equal(p->story, "publish publish publish publish");
        play_free(p);
    }
}

static void a_heartbeat_that_fails_closes_the_connection(void **state)
{
    (void)state;
    for (int silent = 0; silent <= 1; silent++) {
        struct play *p = provisioned("beat");
        uint64_t again_ms;

        play_until(p, AGENT_ACT_PUBLISH, PLAY_ANY_SLOT);
        if (silent) {
            play_wait(p);
        } else {
            p->up = false;
            play_closed(p, AGENT_NETWORK);
        }
        assert_int_equal(play_class(p), AGENT_NETWORK);
        play_until(p, AGENT_ACT_CONNECT, 1);
        assert_string_equal(p->story, silent ? "publish disconnect save connect-1"
                                             : "publish save connect-1");
        play_done(p);
        again_ms = p->now.mono_ms;
        play_until(p, AGENT_ACT_PUBLISH, PLAY_ANY_SLOT); /* at once */
        assert_in_range(p->now.mono_ms - again_ms, 0, 100);
        play_free(p);
    }
}

static void a_heartbeat_that_cannot_be_sent_is_said_once(void **state)
{
    static const char *const patterns[] = {
        "{other}",
        "a{thing_name",
        "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567"
        "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567"
        "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567",
    };
    (void)state;

    for (size_t i = 0; i < COUNT(patterns); i++) {
        struct play *p = provisioned(patterns[i]);
        unsigned actions;

        for (int n = 0; n < 10; n++)
            (void)play_step(p);
        assert_int_equal(play_class(p), AGENT_CONFIG);
        assert_true(p->up);
        actions = p->actions;
        for (int n = 0; n < 20; n++)
            (void)play_step(p);
        assert_int_equal(p->actions, actions);
        play_free(p);
    }
}

static void wishes_wait_for_a_heartbeat_and_a_stop_does_not(void **state)
{
    struct play *p = provisioned("beat");
    (void)state;

    play_until(p, AGENT_ACT_PUBLISH, PLAY_ANY_SLOT);
    play_tell(p, AGENT_EV_RENEW);
    assert_string_equal(p->story, "publish");
    play_done(p);
    play_until(p, AGENT_ACT_MAKE_KEY, 2);
    play_free(p);

    p = provisioned("beat");
    play_until(p, AGENT_ACT_PUBLISH, PLAY_ANY_SLOT);
    play_tell(p, AGENT_EV_STOP);
    assert_string_equal(p->story, "publish disconnect");
    play_done(p);
    assert_true(p->ended);
    play_free(p);
}

/* ---- names ----------------------------------------------------------------------------------- */

static void each_connection_has_its_client_id(void **state)
{
    static const struct {
        const char *own, *thing, *expected;
    } rows[] = {
        { NULL, "thing-1", "thing-1" },
        { NULL, NULL, "device-1" },
        { "own", "thing-1", "own" },
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct play *p = play_new();

        p->conf.own_client_id = rows[i].own;
        p->thing = rows[i].thing;
        play_start(p);
        play_until(p, AGENT_ACT_CONNECT, AGENT_SLOT_CLAIM);
        assert_string_equal(p->slow.client_id, "device-1");
        play_until(p, AGENT_ACT_CONNECT, 1);
        assert_string_equal(p->slow.client_id, rows[i].expected);
        assert_true(play_run(p));
        play_cut(p);
        play_until(p, AGENT_ACT_CONNECT, 1);
        assert_string_equal(p->slow.client_id, rows[i].expected);
        play_free(p);
    }
}

static void a_renewal_may_change_the_things_name(void **state)
{
    struct play *p = provisioned(NULL);
    (void)state;

    p->thing = "thing-2";
    play_tell(p, AGENT_EV_RENEW);
    play_until(p, AGENT_ACT_CONNECT, 2);
    assert_string_equal(p->slow.client_id, "thing-2");
    assert_string_equal(p->saved.thing_name, "thing-1");
    play_fail(p, AGENT_NETWORK);
    play_until(p, AGENT_ACT_CONNECT, 1);
    assert_string_equal(p->slow.client_id, "thing-1");
    play_until(p, AGENT_ACT_CONNECT, 2);
    assert_true(play_run(p));
    assert_string_equal(p->saved.thing_name, "thing-2");
    play_free(p);
}

static void names_are_put_into_patterns(void **state)
{
    static const struct {
        const char *pattern, *thing, *id, *expected; /* NULL: refused */
    } rows[] = {
        { "", "t", "c", "" },
        { "a/b", "t", "c", "a/b" },
        { "{thing_name}", "t", "c", "t" },
        { "{thing_name}", "", "c", "c" },
        { "x{client_id}y{thing_name}z", "t", "c", "xcytz" },
        { "{thing_name}{thing_name}", "12345678", "c", "1234567812345678" },
        { "{thing_name}{thing_name}", "12345678", "", "1234567812345678" },
        { "{thing_name}{thing_name}x", "12345678", "c", NULL },
        { "12345678901234567", "", "", NULL },
        { "{", "t", "c", NULL },
        { "{}", "t", "c", NULL },
        { "{thing_name", "t", "c", NULL },
        { "{Thing_name}", "t", "c", NULL },
        { "}", "t", "c", "}" },
    };
    char buffer[17];
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct agent_text out = { buffer, 0, sizeof buffer };

        assert_int_equal(agent_expand(rows[i].pattern, rows[i].thing, rows[i].id, &out),
                         rows[i].expected != NULL);
        if (rows[i].expected == NULL)
            continue;
        assert_int_equal(out.n, strlen(rows[i].expected));
        assert_memory_equal(buffer, rows[i].expected, out.n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_identity_stays_connected_or_rests),
        cmocka_unit_test(what_rests_connects_for_a_renewal_alone),
        cmocka_unit_test(what_rests_forgets_failures_with_the_next_connection),
        cmocka_unit_test(a_single_run_ends_when_there_is_an_identity),
        cmocka_unit_test(a_lost_connection_is_made_again_later),
        cmocka_unit_test(a_lost_connection_never_leads_to_one_at_once),
        cmocka_unit_test(waits_grow_while_all_tries_fail_and_are_kept),
        cmocka_unit_test(waits_grow_while_connections_do_not_last),
        cmocka_unit_test(a_heartbeat_comes_at_once_and_then_in_its_time),
        cmocka_unit_test(a_heartbeat_that_fails_closes_the_connection),
        cmocka_unit_test(a_heartbeat_that_cannot_be_sent_is_said_once),
        cmocka_unit_test(wishes_wait_for_a_heartbeat_and_a_stop_does_not),
        cmocka_unit_test(each_connection_has_its_client_id),
        cmocka_unit_test(a_renewal_may_change_the_things_name),
        cmocka_unit_test(names_are_put_into_patterns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
