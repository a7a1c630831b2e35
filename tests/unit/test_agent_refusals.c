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

/* ---- each action, each class ----------------------------------------------------------------- */

/* As a single run does. */
static bool ends_with_a_failure(struct play *p)
{
    (void)play_run(p);
    return p->ended && agent_class_lasting(p->ended_with);
}

static void fail_at(const struct play_scene *scene, unsigned move, enum agent_class class,
                    unsigned times, bool in_truth_done)
{
    struct play *p = play_begin_at(scene, move);
    char where[64];

    p->failing = p->slow.kind;
    p->failing_with = class;
    p->failures = p->busy && p->slow.kind != AGENT_ACT_DISCONNECT ? times : 0;
    p->in_truth_done = in_truth_done;
    (void)snprintf(where, sizeof where, "%u times %s", times, agent_class_name(class));
    if (!ends_with_a_failure(p))
        play_finish(p, scene, where, move);
    else if (!scene->once)
        fail_msg("%s, %s at move %u: it ended", scene->name, where, move);
    play_free(p);
}

static unsigned moves_of(const struct play_scene *scene)
{
    struct play *p = play_begin(scene);
    unsigned moves = 0;

    for (; !play_settled(p); moves++)
        (void)play_step(p);
    play_free(p);
    return moves;
}

static void for_each_failure(unsigned times, bool carried_out)
{
    for (size_t i = 0; i < play_n_scenes; i++) {
        const unsigned moves = moves_of(&play_scenes[i]);

        for (unsigned move = 0; move < moves; move++) {
            for (unsigned class = 0; class < AGENT_CLASSES; class ++)
                fail_at(&play_scenes[i], move, (enum agent_class) class, times, carried_out);
        }
    }
}

static void any_action_may_fail_once(void **state)
{
    (void)state;
    for_each_failure(1, false);
}

static void any_action_may_fail_again_and_again(void **state)
{
    (void)state;
    for_each_failure(4, false);
}

/* What was stored, or sent, is there, and nobody was told. */
static void any_action_may_seem_to_fail(void **state)
{
    (void)state;
    for_each_failure(1, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_action_may_fail_once),
        cmocka_unit_test(any_action_may_fail_again_and_again),
        cmocka_unit_test(any_action_may_seem_to_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
