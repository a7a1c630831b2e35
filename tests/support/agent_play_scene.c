#include "support/agent_play_scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/agent_play_priv.h"

const struct play_scene play_scenes[] = {
    { .name = "jit", .method = AGENT_METHOD_JIT, .no_template = true },
    { .name = "jit once", .method = AGENT_METHOD_JIT, .once = true },
    { .name = "claim", .method = AGENT_METHOD_CLAIM },
    { .name = "claim, configuration",
      .method = AGENT_METHOD_CLAIM,
      .configuration = "{\"a\":1}",
      .answer_first = true },
    { .name = "claim, keys", .method = AGENT_METHOD_CLAIM, .create_keys = true },
    { .name = "claim once", .method = AGENT_METHOD_CLAIM, .once = true },
    { .name = "trusted user", .method = AGENT_METHOD_TRUSTED_USER, .answer_first = true },
    { .name = "key", .method = AGENT_METHOD_KEY },
    { .name = "claim renews",
      .method = AGENT_METHOD_CLAIM,
      .provisioned = true,
      .renews = true,
      .configuration = "{\"a\":1}" },
    { .name = "claim, keys, renews",
      .method = AGENT_METHOD_CLAIM,
      .create_keys = true,
      .provisioned = true,
      .renews = true },
    { .name = "jit renews", .method = AGENT_METHOD_JIT, .provisioned = true, .renews = true },
    { .name = "jit reset",
      .method = AGENT_METHOD_JIT,
      .provisioned = true,
      .reset = AGENT_RESET_IDENTITY },
    { .name = "jit reset in full",
      .method = AGENT_METHOD_JIT,
      .provisioned = true,
      .reset = AGENT_RESET_FULL },
    { .name = "claim reset",
      .method = AGENT_METHOD_CLAIM,
      .provisioned = true,
      .reset = AGENT_RESET_IDENTITY },
    { .name = "key reset in full",
      .method = AGENT_METHOD_KEY,
      .provisioned = true,
      .reset = AGENT_RESET_FULL },
    { .name = "claim renews and is reset",
      .method = AGENT_METHOD_CLAIM,
      .provisioned = true,
      .renews = true,
      .reset = AGENT_RESET_IDENTITY },
};
const size_t play_n_scenes = sizeof play_scenes / sizeof play_scenes[0];

struct play *play_begin(const struct play_scene *scene)
{
    struct play *p = play_new();

    p->conf.method = scene->method;
    p->conf.create_keys = scene->create_keys;
    if (scene->no_template)
        p->conf.template_name = NULL;
    p->configuration = scene->configuration;
    p->answer_first = scene->answer_first;
    if (scene->provisioned)
        play_provision(p);
    p->conf.once = scene->once;
    if (!scene->provisioned)
        play_start(p);
    if (scene->renews)
        play_tell(p, AGENT_EV_RENEW);
    if (scene->renews && scene->reset != AGENT_RESET_NONE)
        play_until(p, AGENT_ACT_CONNECT, 2);
    if (scene->reset != AGENT_RESET_NONE)
        play_reset(p, scene->reset);
    return p;
}

struct play *play_begin_at(const struct play_scene *scene, unsigned moves)
{
    struct play *p = play_begin(scene);

    for (unsigned i = 0; i < moves; i++) {
        if (play_settled(p)) {
            play_free(p);
            return NULL;
        }
        (void)play_step(p);
    }
    return p;
}

static bool is_blank(const struct play *p)
{
    for (size_t i = 1; i < PLAY_SLOTS; i++) {
        if (!play_is_empty(&p->disk.slots[i]))
            return false;
    }
    return p->disk.in_force == 0 && p->saved.current == 0 && p->saved.next == 0;
}

void play_finish(struct play *p, const struct play_scene *scene, const char *where, unsigned move)
{
    const bool settled = play_run(p);

    if (!settled)
        fail_msg("%s, %s at move %u: it came to rest at %s after: %s", scene->name, where, move,
                 agent_step_name(play_at(p)), p->story);
    if (scene->once && p->ended_with != AGENT_OK)
        fail_msg("%s, %s at move %u: it ended with %s after: %s", scene->name, where, move,
                 agent_class_name(p->ended_with), p->story);
    if (scene->reset != AGENT_RESET_NONE && !p->disk.slots[0].key && is_blank(p))
        return;
    play_assert_whole(p);
    if (scene->reset != AGENT_RESET_FULL && scene->method == AGENT_METHOD_CLAIM &&
        p->disk.slots[0].key)
        fail_msg("%s, %s at move %u: the claim is still there after: %s", scene->name, where, move,
                 p->story);
}
