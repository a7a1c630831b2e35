/* A device's life: made, switched on, cut off. */
#include "support/agent_play_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct agent_param params[] = { { "SerialNumber", "4711" } };

struct play *play_new(void)
{
    struct play *p = calloc(1, sizeof *p);

    assert_non_null(p);
    p->agent = malloc(sizeof *p->agent);
    assert_non_null(p->agent);
    p->conf = (struct agent_conf){
        .method = AGENT_METHOD_CLAIM,
        .client_id = "device-1",
        .template_name = "template",
        .params = params,
        .n_params = 1,
        .stay = true,
        .start_now = true,
        .connect_ms = 60000,
        .answer_ms = 30000,
        .renew_percent = 70,
        .heartbeat_s = 60,
    };
    p->clock_set = true;
    p->now = (struct agent_now){ .mono_ms = 1000, .wall_s = PLAY_NOW + 1, .random = 1 };
    p->thing = "thing-1";
    p->lifetime_s = 365 * PLAY_DAY;
    agent_state_init(&p->saved, play_device);
    play_make_claim(p);
    return p;
}

void play_free(struct play *p)
{
    agent_release(p->agent);
    free(p->agent);
    free(p);
}

void play_start(struct play *p)
{
    struct agent_found found = play_found(&p->disk);
    const enum agent_state_read read = agent_state_read(
        (struct agent_span){ p->disk.record, p->disk.n_record }, play_device, &p->saved);

    found.claim_class = p->claim_class;
    found.claim_text = p->claim_text;
    p->now.wall_s = p->clock_set ? PLAY_NOW + (int64_t)(p->now.mono_ms / 1000) : 0;
    memset(p->agent, 0xa5, sizeof *p->agent);
    agent_start(p->agent, &p->conf, &found, read, &p->saved, &p->now);
    play_take(p);
}

void play_cut(struct play *p)
{
    p->busy = p->up = p->timer_set = p->ended = false;
    p->published[0] = '\0';
    p->spins = 0;
    play_start(p);
}

void play_cut_to(struct play *p, const struct play_disk *disk)
{
    p->disk = *disk;
    play_cut(p);
}

void play_provision(struct play *p)
{
    play_start(p);
    assert_true(play_run(p));
    play_assert_whole(p);
    p->story[0] = '\0';
    p->n_saves = 0;
    p->actions = 0;
}
