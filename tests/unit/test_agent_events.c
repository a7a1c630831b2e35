/* Events that are wrong, late, early, doubled or not expected, at every move of every scene. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "device-agent/core/agent.h"
#include "support/agent_play.h"
#include "support/agent_play_scene.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* ---- what is not to be noticed --------------------------------------------------------------- */

static void timer_early(struct play *p)
{
    const uint64_t at_ms = p->timer_ms;

    if (!p->timer_set || p->now.mono_ms + 100 > at_ms)
        return;
    play_timer(p);
    assert_int_equal(p->timer_ms, at_ms);
}

static void others_end(struct play *p)
{
    for (unsigned act = 0; act <= AGENT_ACTIONS; act++) {
        if (p->busy && act == p->slow.kind)
            continue;
        play_ends(p, AGENT_EV_DONE, (enum agent_action_kind)act);
        play_ends(p, AGENT_EV_FAILED, (enum agent_action_kind)act);
    }
}

static void strange_messages(struct play *p)
{
    static const char *const topics[] = {
        "",
        "other",
        "$aws/certificates/create/json",
        "$aws/certificates/create-from-csr/json",
        "$aws/certificates/create-from-csr/json/accepted/",
        "$aws/certificates/create-from-csr/cbor/accepted",
        "$aws/provisioning-templates/other/provision/json/accepted",
        "$aws/provisioning-templates/template/provision/json",
    };

    for (size_t i = 0; i < COUNT(topics); i++) {
        play_message(p, topics[i], "{}");
        play_message(p, topics[i], "");
    }
}

static void answers_when_none_is_asked_for(struct play *p)
{
    static const char *const topics[] = {
        "$aws/certificates/create/json/accepted",
        "$aws/certificates/create/json/rejected",
        "$aws/certificates/create-from-csr/json/accepted",
        "$aws/certificates/create-from-csr/json/rejected",
        "$aws/provisioning-templates/template/provision/json/accepted",
        "$aws/provisioning-templates/template/provision/json/rejected",
    };

    if (play_at(p) == AGENT_CREATING || play_at(p) == AGENT_REGISTERING)
        return;
    for (size_t i = 0; i < COUNT(topics); i++)
        play_message(p, topics[i], "{}");
}

static void no_event(struct play *p)
{
    play_tell(p, AGENT_EVENTS);
    play_tell(p, (enum agent_event_kind) - 1);
}

static void closed_when_it_is_not_open(struct play *p)
{
    if (!p->up && !(p->busy && p->slow.kind == AGENT_ACT_CONNECT))
        play_closed(p, AGENT_NETWORK);
}

static void no_reset(struct play *p)
{
    play_reset(p, AGENT_RESET_NONE);
    play_reset(p, AGENT_RESETS);
}

static void clock_again(struct play *p)
{
    play_tell(p, AGENT_EV_CLOCK);
}

static void what_means_nothing_changes_nothing(void **state)
{
    static void (*const disturb[])(struct play *) = {
        timer_early, others_end,  strange_messages,           answers_when_none_is_asked_for,
        no_event,    clock_again, closed_when_it_is_not_open, no_reset,
    };
    (void)state;

    for (size_t i = 0; i < play_n_scenes; i++) {
        struct play *whole = play_begin(&play_scenes[i]);

        play_finish(whole, &play_scenes[i], "undisturbed", 0);
        for (size_t d = 0; d < COUNT(disturb); d++) {
            struct play *p = play_begin(&play_scenes[i]);

            while (!play_settled(p)) {
                disturb[d](p);
                (void)play_step(p);
            }
            play_finish(p, &play_scenes[i], "disturbed", (unsigned)d);
            disturb[d](p);
            assert_string_equal(p->story, whole->story);
            play_free(p);
        }
        play_free(whole);
    }
}

/* An action's end is told twice. */
static void what_has_ended_does_not_end_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < play_n_scenes; i++) {
        struct play *whole = play_begin(&play_scenes[i]);
        struct play *p = play_begin(&play_scenes[i]);

        play_finish(whole, &play_scenes[i], "undisturbed", 0);
        while (!play_settled(p)) {
            const bool busy = p->busy;
            const enum agent_action_kind kind = p->slow.kind;

            (void)play_step(p);
            if (busy && !(p->busy && p->slow.kind == kind)) {
                play_ends(p, AGENT_EV_DONE, kind);
                play_ends(p, AGENT_EV_FAILED, kind);
            }
        }
        play_finish(p, &play_scenes[i], "doubled", 0);
        assert_string_equal(p->story, whole->story);
        play_free(whole);
        play_free(p);
    }
}

/* ---- what disturbs and passes ---------------------------------------------------------------- */

static void closed(struct play *p)
{
    play_closed(p, AGENT_NETWORK);
}

static void closed_without_a_reason(struct play *p)
{
    play_closed(p, AGENT_OK);
}

static void closed_for_good(struct play *p)
{
    play_closed(p, AGENT_REFUSED);
}

static void silent(struct play *p)
{
    const bool network =
        p->busy && (p->slow.kind == AGENT_ACT_CONNECT || p->slow.kind == AGENT_ACT_SUBSCRIBE ||
                    p->slow.kind == AGENT_ACT_PUBLISH);

    if (!network && p->published[0] == '\0')
        return;
    assert_true(p->timer_set);
    play_wait(p);
    assert_true(p->busy && p->slow.kind == AGENT_ACT_DISCONNECT);
}

static void unusable_answer(struct play *p)
{
    if (p->published[0] != '\0')
        play_reply(p, true, "{\"thingName\":1,");
}

static void unusable_rejection(struct play *p)
{
    if (p->published[0] != '\0')
        play_reply(p, false, "");
}

static void rejected(struct play *p)
{
    if (p->published[0] != '\0')
        play_reply(p, false, "{\"statusCode\":400,\"errorCode\":\"InvalidRequest\"}");
}

static void throttled(struct play *p)
{
    if (p->published[0] != '\0')
        play_reply(p, false, "{\"statusCode\":429,\"errorCode\":\"Throttling\"}");
}

static void bad_token(struct play *p)
{
    if (p->published[0] != '\0')
        play_reply(p, false,
                   "{\"statusCode\":400,\"errorCode\":\"InvalidCertificateOwnershipToken\"}");
}

static void two_answers(struct play *p)
{
    char topic[AGENT_MAX_TOPIC];

    if (p->published[0] == '\0')
        return;
    memcpy(topic, p->published, sizeof topic);
    play_answer(p);
    memcpy(p->published, topic, sizeof topic);
    play_answer(p);
}

static void renew(struct play *p)
{
    play_tell(p, AGENT_EV_RENEW);
}

static void at_any_move(const char *what, void (*disturb)(struct play *))
{
    for (size_t i = 0; i < play_n_scenes; i++) {
        struct play_scene scene = play_scenes[i];

        for (unsigned move = 0;; move++) {
            struct play *p = play_begin_at(&scene, move);

            if (p == NULL)
                break;
            disturb(p);
            (void)play_run(p);
            if (!p->ended || !scene.once || !agent_class_lasting(p->ended_with))
                play_finish(p, &scene, what, move);
            play_free(p);
        }
    }
}

static void what_disturbs_passes(void **state)
{
    static const struct {
        const char *what;
        void (*disturb)(struct play *);
    } rows[] = {
        { "closed", closed },
        { "closed without a reason", closed_without_a_reason },
        { "closed for good", closed_for_good },
        { "silent", silent },
        { "unusable answer", unusable_answer },
        { "unusable rejection", unusable_rejection },
        { "rejected", rejected },
        { "throttled", throttled },
        { "bad token", bad_token },
        { "two answers", two_answers },
        { "renew", renew },
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++)
        at_any_move(rows[i].what, rows[i].disturb);
}

/* ---- stop ------------------------------------------------------------------------------------ */

/* It ends soon, and what was begun is ended after the next start. */
static void it_can_be_stopped_at_any_move(void **state)
{
    (void)state;
    for (size_t i = 0; i < play_n_scenes; i++) {
        for (unsigned move = 0;; move++) {
            struct play *p = play_begin_at(&play_scenes[i], move);
            const unsigned actions = p != NULL ? p->actions : 0;

            if (p == NULL)
                break;
            play_tell(p, AGENT_EV_STOP);
            while (!p->ended && p->actions < actions + 8)
                assert_true(play_step(p));
            if (!p->ended || p->ended_with != AGENT_OK)
                fail_msg("%s, stopped at move %u: %s", play_scenes[i].name, move, p->story);
            others_end(p);
            play_cut(p);
            play_finish(p, &play_scenes[i], "stopped", move);
            play_free(p);
        }
    }
}

/* Also when what it waits for fails. */
static void it_can_be_stopped_while_all_fails(void **state)
{
    (void)state;
    for (size_t i = 0; i < play_n_scenes; i++) {
        for (unsigned move = 0;; move++) {
            struct play *p = play_begin_at(&play_scenes[i], move);
            unsigned moves = 0;

            if (p == NULL)
                break;
            play_tell(p, AGENT_EV_STOP);
            for (; !p->ended && moves < 20; moves++) {
                if (p->busy && p->slow.kind != AGENT_ACT_DISCONNECT)
                    play_fail(p, AGENT_LOCAL);
                else
                    assert_true(play_step(p));
            }
            if (!p->ended)
                fail_msg("%s, stopped at move %u: %s", play_scenes[i].name, move, p->story);
            play_cut(p);
            play_finish(p, &play_scenes[i], "stopped", move);
            play_free(p);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_means_nothing_changes_nothing),
        cmocka_unit_test(what_has_ended_does_not_end_again),
        cmocka_unit_test(what_disturbs_passes),
        cmocka_unit_test(it_can_be_stopped_at_any_move),
        cmocka_unit_test(it_can_be_stopped_while_all_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
