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

static const struct play_scene *scene_of(const char *name)
{
    for (size_t i = 0; i < play_n_scenes; i++) {
        if (strcmp(play_scenes[i].name, name) == 0)
            return &play_scenes[i];
    }
    fail_msg("no scene %s", name);
    return NULL;
}

/* ---- the way --------------------------------------------------------------------------------- */

static void each_method_has_its_way(void **state)
{
    static const struct {
        const char *scene, *story;
    } rows[] = {
        { "jit", "save adopt save connect-1 save promote save announce save" },
        { "jit once", "save adopt save connect-1 save promote save announce save disconnect end" },
        { "claim", "save key csr save connect-0 subscribe csr publish store save subscribe publish "
                   "save disconnect connect-1 save promote save drop-0 announce save" },
        { "claim, configuration",
          "save key csr save connect-0 subscribe csr publish store save subscribe publish config "
          "save disconnect connect-1 save promote save drop-0 announce save" },
        { "claim, keys", "save connect-0 subscribe publish store save subscribe publish save "
                         "disconnect connect-1 save promote save drop-0 announce save" },
        { "key", "save key csr save connect-0 subscribe csr publish store save subscribe publish "
                 "save disconnect connect-1 save promote save announce save" },
        { "jit renews", "save save key csr save subscribe csr publish store save subscribe publish "
                        "save disconnect connect-2 save promote save drop-1 announce save" },
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct play_scene *scene = scene_of(rows[i].scene);
        struct play *p = play_begin(scene);

        play_finish(p, scene, "undisturbed", 0);
        assert_string_equal(p->story, rows[i].story);
        assert_in_range(p->told, p->actions, 2 * p->actions); /* each step */
        play_free(p);
    }
}

static void every_scene_comes_to_its_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < play_n_scenes; i++) {
        struct play *p = play_begin(&play_scenes[i]);

        play_finish(p, &play_scenes[i], "undisturbed", 0);
        play_free(p);
    }
}

/* ---- power cuts ------------------------------------------------------------------------------ */

/* Was a certificate made that the record does not know of? */
static bool is_between(const struct play *p)
{
    return p->busy && (p->slow.kind == AGENT_ACT_STORE_CERT ||
                       (p->slow.kind == AGENT_ACT_SAVE &&
                        agent_record(p->agent)->phase == AGENT_PHASE_ISSUED));
}

/* A certificate may have been made that nobody got; but no more than that. */
static void cut(const struct play_scene *scene, unsigned move, bool done, uint32_t certs)
{
    struct play *p = play_begin_at(scene, move);
    const bool lost = is_between(p) && !(done && p->slow.kind == AGENT_ACT_SAVE);

    if (done && p->busy)
        play_silently(p);
    play_cut(p);
    play_finish(p, scene, done ? "cut after" : "cut before", move);
    if (p->n_certs > certs + lost)
        fail_msg("%s, cut at move %u: %u certificates, %u are needed", scene->name, move,
                 p->n_certs, certs);
    play_free(p);
}

static void a_power_cut_at_any_move_is_made_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < play_n_scenes; i++) {
        struct play *whole = play_begin(&play_scenes[i]);
        unsigned moves = 0;
        uint32_t certs;

        for (; !play_settled(whole); moves++)
            (void)play_step(whole);
        certs = whole->n_certs;
        play_free(whole);
        for (unsigned move = 0; move <= moves; move++) {
            cut(&play_scenes[i], move, false, certs);
            cut(&play_scenes[i], move, true, certs);
        }
    }
}

static void two_power_cuts_are_made_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < play_n_scenes; i++) {
        for (unsigned first = 0; first < 40; first++) {
            for (unsigned second = 0; second < 12; second++) {
                struct play *p = play_begin_at(&play_scenes[i], first);

                if (p == NULL)
                    break;
                if (p->busy)
                    play_silently(p);
                play_cut(p);
                for (unsigned move = 0; move < second && !play_settled(p); move++)
                    (void)play_step(p);
                if (p->busy)
                    play_silently(p);
                play_cut(p);
                play_finish(p, &play_scenes[i], "cut twice", first * 100 + second);
                play_free(p);
            }
        }
    }
}

/* Storage as it was after each time that the record was stored, with what the other side knows by
 * now. */
static void every_stored_record_is_a_beginning(void **state)
{
    (void)state;
    for (size_t i = 0; i < play_n_scenes; i++) {
        const struct play_scene *scene = &play_scenes[i];

        for (size_t n = 0;; n++) {
            struct play *p = play_begin(scene);

            play_finish(p, scene, "undisturbed", 0);
            if (n == p->n_saves) {
                play_free(p);
                break;
            }
            play_cut_to(p, &p->saves[n]);
            play_finish(p, scene, "begun at save", (unsigned)n);
            play_free(p);
        }
    }
}

/* ---- the rest of the calls ------------------------------------------------------------------- */

static void every_step_has_a_name(void **state)
{
    (void)state;
    for (unsigned i = 0; i < AGENT_STEPS; i++) {
        const char *name = agent_step_name((enum agent_step)i);

        assert_string_not_equal(name, "unknown");
        for (unsigned before = 0; before < i; before++)
            assert_string_not_equal(name, agent_step_name((enum agent_step)before));
    }
    assert_string_equal(agent_step_name(AGENT_STEPS), "unknown");
}

static void what_is_released_is_wiped(void **state)
{
    struct agent agent;
    const uint8_t *bytes = (const uint8_t *)&agent;
    (void)state;

    memset(&agent, 0xa5, sizeof agent);
    agent_release(&agent);
    for (size_t i = 0; i < sizeof agent; i++)
        assert_int_equal(bytes[i], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_method_has_its_way),
        cmocka_unit_test(every_scene_comes_to_its_end),
        cmocka_unit_test(a_power_cut_at_any_move_is_made_good),
        cmocka_unit_test(two_power_cuts_are_made_good),
        cmocka_unit_test(every_stored_record_is_a_beginning),
        cmocka_unit_test(every_step_has_a_name),
        cmocka_unit_test(what_is_released_is_wiped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
