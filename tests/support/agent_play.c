#include "support/agent_play_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const kinds[] = {
    [AGENT_ACT_SAVE] = "save",
    [AGENT_ACT_MAKE_KEY] = "key",
    [AGENT_ACT_MAKE_CSR] = "csr",
    [AGENT_ACT_STORE_CERT] = "store",
    [AGENT_ACT_STORE_CONFIG] = "config",
    [AGENT_ACT_ADOPT] = "adopt",
    [AGENT_ACT_PROMOTE] = "promote",
    [AGENT_ACT_DROP] = "drop",
    [AGENT_ACT_CONNECT] = "connect",
    [AGENT_ACT_SUBSCRIBE] = "subscribe",
    [AGENT_ACT_PUBLISH] = "publish",
    [AGENT_ACT_DISCONNECT] = "disconnect",
    [AGENT_ACT_ANNOUNCE] = "announce",
    [AGENT_ACT_TIMER] = NULL,
    [AGENT_ACT_TELL] = NULL,
    [AGENT_ACT_END] = "end",
};
_Static_assert(sizeof kinds / sizeof kinds[0] == AGENT_ACTIONS, "an action has no name");

/* ---- actions as they are taken --------------------------------------------------------------- */

static void tell_story(struct play *p, const struct agent_action *action)
{
    const size_t n = strlen(p->story);

    if (n < sizeof p->story - 64)
        (void)snprintf(p->story + n, sizeof p->story - n, "%s%s", n == 0 ? "" : " ",
                       kinds[action->kind]);
    if (action->kind == AGENT_ACT_CONNECT || action->kind == AGENT_ACT_DROP)
        (void)snprintf(p->story + strlen(p->story), 16, "-%u", action->slot);
}

static bool is_subscribed(const struct play *p, const char *request, const char *end)
{
    char topic[AGENT_MAX_TOPIC + 16];

    (void)snprintf(topic, sizeof topic, "%s%s", request, end);
    for (size_t i = 0; i < p->n_topics; i++) {
        if (strcmp(p->topics[i], topic) == 0)
            return true;
    }
    return false;
}

static void check_publish(const struct play *p, const struct agent_action *action)
{
    const char *topic = action->topics[0];

    assert_true(p->up);
    assert_int_equal(action->n_topics, 1);
    assert_in_range(action->payload.n, 1, AGENT_MAX_REQUEST);
    if (strncmp(topic, "$aws/", 5) != 0)
        return;
    assert_true(is_subscribed(p, topic, "/accepted"));
    assert_true(is_subscribed(p, topic, "/rejected"));
    assert_int_equal(p->saved.phase, strstr(topic, "/provision/") != NULL ? AGENT_PHASE_ISSUED
                                                                          : AGENT_PHASE_REQUEST);
}

/* An identity in force goes only in a reset that is stored. */
static void check_drop(const struct play *p, uint32_t slot)
{
    const struct agent_slot claim = play_slot_of(&p->disk.slots[0]);
    const bool over = claim.cert && claim.not_after_s <= p->now.wall_s;

    if (slot == AGENT_SLOT_CLAIM)
        assert_true(p->saved.reset == AGENT_RESET_FULL || over ||
                    (p->saved.claim_done && !p->conf.keep_claim));
    else if (p->saved.reset == AGENT_RESET_NONE)
        assert_true(slot != p->saved.current && slot != p->saved.next);
}

/* What the record says must lead to the action. */
static void check_slow(const struct play *p, const struct agent_action *action)
{
    const struct agent_state *s = &p->saved;
    const bool of_next = action->slot == s->next && s->next != 0;

    assert_true(action->slot < PLAY_SLOTS);
    switch (action->kind) {
    case AGENT_ACT_MAKE_KEY:
    case AGENT_ACT_ADOPT:
        assert_true(of_next && s->phase == AGENT_PHASE_KEY);
        break;
    case AGENT_ACT_MAKE_CSR:
        assert_true(of_next && s->phase <= AGENT_PHASE_REQUEST);
        assert_true(p->disk.slots[action->slot].key);
        break;
    case AGENT_ACT_STORE_CERT:
        assert_true(of_next && s->phase == AGENT_PHASE_REQUEST);
        break;
    case AGENT_ACT_STORE_CONFIG:
        assert_true(of_next && s->phase == AGENT_PHASE_ISSUED);
        break;
    case AGENT_ACT_PROMOTE:
        assert_true(of_next && s->phase == AGENT_PHASE_PROVEN);
        break;
    case AGENT_ACT_DROP:
        check_drop(p, action->slot);
        break;
    case AGENT_ACT_CONNECT:
        assert_false(p->up);
        assert_non_null(action->client_id);
        assert_true(action->client_id[0] != '\0');
        assert_true(p->disk.slots[action->slot].key && p->disk.slots[action->slot].cert);
        break;
    case AGENT_ACT_SUBSCRIBE:
        assert_true(p->up);
        assert_int_equal(action->n_topics, 2);
        break;
    case AGENT_ACT_PUBLISH:
        check_publish(p, action);
        break;
    case AGENT_ACT_ANNOUNCE:
        assert_int_equal(action->announce, s->announce);
        assert_true(s->announce != AGENT_ANNOUNCE_NONE && s->current == p->disk.in_force);
        break;
    default:
        break;
    }
}

static void take_slow(struct play *p, const struct agent_action *action)
{
    /* to disconnect ends what is under way on the connection */
    if (action->kind == AGENT_ACT_DISCONNECT) {
        p->published[0] = '\0';
        p->busy = p->busy && p->slow.kind != AGENT_ACT_CONNECT &&
                  p->slow.kind != AGENT_ACT_SUBSCRIBE && p->slow.kind != AGENT_ACT_PUBLISH;
    }
    assert_false(p->busy);
    tell_story(p, action);
    check_slow(p, action);
    p->busy = true;
    p->slow = *action;
    p->actions++;
    p->spins = 0;
    if (action->kind == AGENT_ACT_CONNECT)
        p->connects++;
    if (action->kind == AGENT_ACT_SAVE) {
        p->n_record = agent_state_write(agent_record(p->agent), p->record);
        assert_int_not_equal(p->n_record, 0);
    }
}

void play_take(struct play *p)
{
    struct agent_action action;
    struct agent_view view;

    agent_look(p->agent, &view);
    assert_true(p->up || !view.connected);
    while (agent_next(p->agent, &action)) {
        assert_false(p->ended);
        assert_true((unsigned)action.kind < AGENT_ACTIONS);
        if (action.kind == AGENT_ACT_TIMER) {
            p->timer_set = action.ms != AGENT_NO_TIMER;
            p->timer_ms = p->now.mono_ms + action.ms;
        } else if (action.kind == AGENT_ACT_TELL) {
            p->told++;
        } else if (action.kind == AGENT_ACT_END) {
            tell_story(p, &action);
            assert_false(p->busy || p->up);
            p->ended = true;
            p->ended_with = action.class;
        } else {
            take_slow(p, &action);
        }
    }
}

static void give(struct play *p, const struct agent_event *event)
{
    struct agent_event with_time = *event;
    const enum agent_step step = play_at(p);

    p->now.mono_ms += 10;
    p->now.random = p->now.random * 1664525U + 1013904223U;
    p->now.wall_s = p->clock_set ? PLAY_NOW + (int64_t)(p->now.mono_ms / 1000) : 0;
    with_time.now = p->now;
    agent_event(p->agent, &with_time);
    /* an answer is the end of what asked for it, also before its acknowledgement */
    if (event->kind == AGENT_EV_MESSAGE && p->slow.kind == AGENT_ACT_PUBLISH)
        p->busy = p->busy && play_at(p) == step;
    play_take(p);
    /* something will always happen by itself */
    assert_true(p->busy || p->timer_set || p->ended);
}

/* ---- what happens ---------------------------------------------------------------------------- */

static void done(struct play *p, const char *text)
{
    const struct play_slot *slot = &p->disk.slots[p->slow.slot];
    struct agent_event event = { .kind = AGENT_EV_DONE, .act = p->slow.kind, .text = text };

    event.class = play_carry_out(p);
    if (event.class != AGENT_OK) {
        play_fail(p, event.class);
        return;
    }
    if (p->slow.kind == AGENT_ACT_PUBLISH && p->answer_first && p->published[0] != '\0')
        play_answer(p);
    event.slot = play_slot_of(slot);
    p->busy = p->busy && p->slow.kind != event.act;
    give(p, &event);
}

void play_done(struct play *p)
{
    char csr[64];

    assert_true(p->busy);
    (void)snprintf(csr, sizeof csr, "csr of key %u\n", p->disk.slots[p->slow.slot].key_id);
    done(p, p->slow.kind == AGENT_ACT_MAKE_CSR ? csr : NULL);
}

void play_done_saying(struct play *p, const char *text)
{
    assert_true(p->busy);
    done(p, text);
}

void play_fail_saying(struct play *p, enum agent_class class, const char *text)
{
    const struct agent_event event = {
        .kind = AGENT_EV_FAILED, .act = p->slow.kind, .class = class, .text = text
    };

    assert_true(p->busy);
    p->busy = false;
    p->up = p->up && p->slow.kind != AGENT_ACT_CONNECT;
    give(p, &event);
}

void play_fail(struct play *p, enum agent_class class)
{
    play_fail_saying(p, class, "it was made to fail");
}

void play_silently(struct play *p)
{
    assert_true(p->busy);
    (void)play_carry_out(p);
}

/* ---- events ---------------------------------------------------------------------------------- */

/* Alone in its memory, so that ASan sees a byte read behind it. */
static struct agent_span alone(const char *text)
{
    const size_t n = strlen(text);
    char *copy = malloc(n + 1); /* and some malloc(0) give NULL */

    assert_non_null(copy);
    for (size_t i = 0; i < n; i++)
        copy[i + 1] = text[i];
    return (struct agent_span){ (const uint8_t *)copy + 1, n };
}

static void forget(struct agent_span bytes)
{
    free((void *)(uintptr_t)(bytes.p - 1));
}

void play_message(struct play *p, const char *topic, const char *payload)
{
    const struct agent_event event = { .kind = AGENT_EV_MESSAGE,
                                       .topic = alone(topic),
                                       .payload = alone(payload) };

    give(p, &event);
    forget(event.topic);
    forget(event.payload);
}

void play_reply(struct play *p, bool accepted, const char *payload)
{
    char topic[AGENT_MAX_TOPIC + 16];

    assert_true(p->published[0] != '\0');
    (void)snprintf(topic, sizeof topic, "%s%s", p->published, accepted ? "/accepted" : "/rejected");
    p->published[0] = '\0';
    play_message(p, topic, payload);
}

void play_closed(struct play *p, enum agent_class class)
{
    const enum agent_action_kind kind = p->slow.kind;

    p->up = false;
    p->published[0] = '\0';
    p->busy = p->busy && kind != AGENT_ACT_CONNECT && kind != AGENT_ACT_SUBSCRIBE &&
              kind != AGENT_ACT_PUBLISH;
    give(p,
         &(struct agent_event){ .kind = AGENT_EV_CLOSED, .class = class, .text = "it was closed" });
}

void play_timer(struct play *p)
{
    p->timer_set = false;
    give(p, &(struct agent_event){ .kind = AGENT_EV_TIMER });
}

void play_wait(struct play *p)
{
    assert_true(p->timer_set);
    if (p->now.mono_ms < p->timer_ms) {
        p->now.mono_ms = p->timer_ms;
        p->spins = 0;
    } else {
        assert_true(++p->spins < 20);
    }
    play_timer(p);
}

void play_pass(struct play *p, uint64_t ms)
{
    p->now.mono_ms += ms;
}

void play_ends(struct play *p, enum agent_event_kind kind, enum agent_action_kind act)
{
    give(p, &(struct agent_event){ .kind = kind,
                                   .act = act,
                                   .class = kind == AGENT_EV_FAILED ? AGENT_LOCAL : AGENT_OK,
                                   .text = "nobody asked for that" });
}

void play_tell(struct play *p, enum agent_event_kind kind)
{
    give(p, &(struct agent_event){ .kind = kind });
}

void play_reset(struct play *p, enum agent_reset reset)
{
    give(p, &(struct agent_event){ .kind = AGENT_EV_RESET, .reset = reset });
}

void play_tell_claim(struct play *p, int64_t not_after_s)
{
    p->disk.slots[0].not_after_s = not_after_s;
    give(p,
         &(struct agent_event){ .kind = AGENT_EV_CLAIM, .slot = play_slot_of(&p->disk.slots[0]) });
}

void play_claim(struct play *p)
{
    play_make_claim(p);
    play_tell_claim(p, p->disk.slots[0].not_after_s);
}

/* ---- the course of the world ----------------------------------------------------------------- */

/* But for failures: those of a clock that is not set are not worth the flash. */
static bool is_stored(const struct play *p)
{
    const struct agent_state *is = agent_record(p->agent), *said = &p->saved;

    return is->current == said->current && is->next == said->next && is->phase == said->phase &&
           is->reset == said->reset && is->claim_done == said->claim_done &&
           is->renew_s == said->renew_s && is->announce == said->announce &&
           strcmp(is->thing_name, said->thing_name) == 0;
}

bool play_settled(const struct play *p)
{
    const struct agent_state *s = agent_record(p->agent);
    struct agent_view view;

    if (p->ended)
        return true;
    agent_look(p->agent, &view);
    if (p->busy || view.next_ms != 0)
        return false;
    return (view.step == AGENT_READY || view.step == AGENT_RESTING ||
            view.step == AGENT_NO_CLAIM) &&
           s->phase == AGENT_PHASE_NONE && s->reset == AGENT_RESET_NONE && is_stored(p);
}

static void fail_on_purpose(struct play *p)
{
    p->failures--;
    if (p->in_truth_done)
        play_silently(p);
    play_fail(p, p->failing_with);
}

bool play_step(struct play *p)
{
    if (p->ended)
        return false;
    if (p->busy && p->failures != 0 && p->slow.kind == p->failing)
        fail_on_purpose(p);
    else if (p->busy)
        play_done(p);
    else if (p->published[0] != '\0')
        play_answer(p);
    else if (p->timer_set)
        play_wait(p);
    else
        return false;
    return true;
}

bool play_run(struct play *p)
{
    for (int i = 0; i < 2000; i++) {
        if (play_settled(p))
            return true;
        if (!play_step(p))
            return false;
    }
    return false;
}

void play_until(struct play *p, enum agent_action_kind kind, uint32_t slot)
{
    for (int i = 0; i < 2000; i++) {
        if (p->busy && p->slow.kind == kind && (slot == PLAY_ANY_SLOT || p->slow.slot == slot))
            return;
        if (!play_step(p))
            break;
    }
    fail_msg("no %s; at %s after: %s", kinds[kind], agent_step_name(play_at(p)), p->story);
}

void play_until_step(struct play *p, enum agent_step step)
{
    for (int i = 0; i < 2000; i++) {
        if (play_at(p) == step)
            return;
        if (!play_step(p))
            break;
    }
    fail_msg("no %s; at %s after: %s", agent_step_name(step), agent_step_name(play_at(p)),
             p->story);
}

enum agent_step play_at(const struct play *p)
{
    struct agent_view view;

    agent_look(p->agent, &view);
    return view.step;
}

enum agent_class play_class(const struct play *p)
{
    struct agent_view view;

    agent_look(p->agent, &view);
    assert_non_null(view.text);
    return view.class;
}

void play_assert_whole(const struct play *p)
{
    const struct play_slot *slot = &p->disk.slots[p->disk.in_force];
    unsigned others = 0;

    assert_int_not_equal(p->disk.in_force, 0);
    assert_int_equal(p->saved.current, p->disk.in_force);
    assert_int_equal(p->saved.phase, AGENT_PHASE_NONE);
    assert_true(slot->key && slot->cert);
    assert_true(p->certs[slot->serial].active);
    assert_int_equal(p->certs[slot->serial].key_id, slot->key_id);
    for (uint32_t i = 1; i < PLAY_SLOTS; i++)
        others += i != p->disk.in_force && !play_is_empty(&p->disk.slots[i]);
    assert_int_equal(others, 0);
}
