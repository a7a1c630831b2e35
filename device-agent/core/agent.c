#include "agent_priv.h"

#include <string.h>

#include "text.h"

/* ---- steps ----------------------------------------------------------------------------------- */

static void nothing(struct agent *a, const struct agent_event *event)
{
    (void)a;
    (void)event;
}

/* What goes on in a step: whom wishes from outside may disturb. */
enum activity {
    IDLE,  /* nothing that is waited for */
    LOCAL, /* something on this device: its end is waited for */
    REMOTE /* something over the network: it may be given up at any time */
};

/* An answer is not the end of a step's own action: agent_answered. */
static const struct {
    const char *name;
    enum activity activity;
    agent_handler *done, *failed;
} rows[] = {
    [AGENT_BOOT] = { "boot", IDLE, nothing, nothing },
    [AGENT_WAITING] = { "waiting", IDLE, nothing, nothing },
    [AGENT_NO_CLAIM] = { "no-claim", IDLE, nothing, nothing },
    [AGENT_SAVING] = { "saving", LOCAL, agent_carry_on, agent_local_failed },
    [AGENT_MAKING_KEY] = { "making-key", LOCAL, agent_on_key, agent_step_failed },
    [AGENT_MAKING_CSR] = { "making-request", LOCAL, agent_on_csr, agent_step_failed },
    [AGENT_ADOPTING] = { "adopting", LOCAL, agent_on_adopted, agent_step_failed },
    [AGENT_CONNECTING] = { "connecting", REMOTE, agent_on_connected, agent_connect_failed },
    [AGENT_SUBSCRIBING] = { "subscribing", REMOTE, agent_on_subscribed, agent_step_failed },
    [AGENT_CREATING] = { "creating", REMOTE, nothing, agent_step_failed },
    [AGENT_STORING] = { "storing", LOCAL, agent_on_stored, agent_store_failed },
    [AGENT_REGISTERING] = { "registering", REMOTE, nothing, agent_step_failed },
    [AGENT_CONFIGURING] = { "configuring", LOCAL, agent_on_config, agent_store_failed },
    [AGENT_PROVING] = { "proving", REMOTE, agent_on_proven, agent_connect_failed },
    [AGENT_PROMOTING] = { "promoting", LOCAL, agent_on_promoted, agent_local_failed },
    [AGENT_CLEANING] = { "cleaning", LOCAL, agent_on_dropped, agent_local_failed },
    [AGENT_ANNOUNCING] = { "announcing", LOCAL, agent_on_announced, agent_announce_failed },
    [AGENT_CLOSING] = { "closing", LOCAL, agent_carry_on, agent_carry_on },
    [AGENT_READY] = { "ready", IDLE, agent_carry_on, agent_beat_failed },
    [AGENT_RESTING] = { "resting", IDLE, nothing, nothing },
    [AGENT_ENDED] = { "ended", IDLE, nothing, nothing },
};
_Static_assert(sizeof rows / sizeof rows[0] == AGENT_STEPS, "a step was added without a row");

const char *agent_step_name(enum agent_step step)
{
    return (unsigned)step < AGENT_STEPS ? rows[step].name : "unknown";
}

/* ---- actions --------------------------------------------------------------------------------- */

bool agent_next(struct agent *agent, struct agent_action *out)
{
    memset(out, 0, sizeof *out);
    if (agent->to_time) {
        agent->to_time = false;
        out->kind = AGENT_ACT_TIMER;
        out->ms = agent->timer_ms;
    } else if (agent->to_tell) {
        agent->to_tell = false;
        out->kind = AGENT_ACT_TELL;
    } else if (agent->to_act) {
        agent->to_act = false;
        *out = agent->action;
    } else {
        return false;
    }
    return true;
}

uint64_t agent_after(const struct agent *a, uint32_t ms)
{
    return a->now.mono_ms + ms;
}

static void set_timer(struct agent *a, uint32_t ms)
{
    a->to_time = true;
    a->timer_ms = ms;
}

/* What was not taken of the step before is of no use any more. */
void agent_enter(struct agent *a, enum agent_step step, uint32_t ms)
{
    a->to_act = false;
    a->to_tell = true;
    a->step = step;
    a->limit_ms = ms == AGENT_NO_TIMER ? 0 : agent_after(a, ms);
    set_timer(a, ms);
}

static struct agent_action *put(struct agent *a, enum agent_action_kind kind)
{
    memset(&a->action, 0, sizeof a->action);
    a->action.kind = kind;
    a->to_act = true;
    return &a->action;
}

struct agent_action *agent_begin(struct agent *a, enum agent_step step, uint32_t ms,
                                 enum agent_action_kind kind)
{
    agent_enter(a, step, ms);
    a->busy = true;
    a->next_ms = 0;
    a->under_way = kind;
    return put(a, kind);
}

void agent_publish(struct agent *a, enum agent_step step, size_t n)
{
    struct agent_action *const action = agent_begin(a, step, a->conf->answer_ms, AGENT_ACT_PUBLISH);

    action->topics[0] = a->topics[0];
    action->n_topics = 1;
    action->payload = (struct agent_span){ (const uint8_t *)a->work, n };
}

void agent_close(struct agent *a)
{
    a->up = false;
    a->subscribed = 0;
    agent_wipe_work(a);
    (void)agent_begin(a, AGENT_CLOSING, AGENT_NO_TIMER, AGENT_ACT_DISCONNECT);
}

void agent_end(struct agent *a, enum agent_class class)
{
    agent_wipe_work(a);
    agent_enter(a, AGENT_ENDED, AGENT_NO_TIMER);
    put(a, AGENT_ACT_END)->class = class;
}

void agent_note(struct agent *a, enum agent_class class, const char *text)
{
    struct agent_state *s = &a->state;
    struct agent_text out = { s->last_message, 0, sizeof s->last_message };
    const size_t n = text == NULL || class == AGENT_OK ? 0 : strlen(text);

    if (class == AGENT_OK && s->last_error == AGENT_OK)
        return;
    /* a clock that is not set is looked at every minute: flash would wear */
    if (class != AGENT_CLOCK || s->last_error != AGENT_CLOCK)
        a->dirty = true;
    agent_text_clear(&out);
    (void)agent_text_add(&out, text, n < out.cap ? n : out.cap - 1);
    s->last_error = class;
}

void agent_resume(struct agent *a)
{
    a->again = true;
}

/* A loop and no recursion: a stack has to be known. It ends: what is decided again was changed, or
 * is to be waited for. */
static void decide(struct agent *a)
{
    while (a->again && !a->busy) {
        a->again = false;
        agent_decide(a);
    }
}

/* ---- events ---------------------------------------------------------------------------------- */

static bool ends_action(const struct agent *a, const struct agent_event *event)
{
    return a->busy && event->act == a->under_way;
}

static void on_done(struct agent *a, const struct agent_event *event)
{
    if (!ends_action(a, event))
        return;
    a->busy = false;
    rows[a->step].done(a, event);
}

static void on_failed(struct agent *a, const struct agent_event *event)
{
    struct agent_event failure = *event;

    if (!ends_action(a, event))
        return;
    a->busy = false;
    if (failure.class == AGENT_OK)
        failure.class = AGENT_LOCAL;
    rows[a->step].failed(a, &failure);
}

/* A service that loses its connection waits before the next, also if it was about to renew, or to
 * put something in order. */
static void on_lost(struct agent *a, const struct agent_event *event)
{
    const bool connecting = a->busy && a->under_way == AGENT_ACT_CONNECT;
    const struct agent_event failure = { .class = AGENT_NETWORK, .text = event->text };
    const bool local = rows[a->step].activity == LOCAL;

    if (!a->up && !connecting)
        return;
    a->up = false;
    a->subscribed = 0;
    if (a->step != AGENT_READY && a->link != AGENT_SLOT_CLAIM && !connecting)
        a->serve_ms = agent_after(
            a, agent_retry_failed(&a->state.serving, AGENT_NETWORK, true, a->now.random));
    if (local)
        return;
    a->busy = false;
    rows[a->step].failed(a, event->class == AGENT_OK ? &failure : event);
}

static void on_message(struct agent *a, const struct agent_event *event)
{
    if (a->step == AGENT_CREATING || a->step == AGENT_REGISTERING)
        agent_answered(a, event->topic, event->payload);
}

/* What is under way stays so, for failures' sake: it is closed then. */
static void on_timer(struct agent *a, const struct agent_event *event)
{
    static const struct agent_event silence = { .class = AGENT_NETWORK,
                                                .text = "no answer in time" };

    (void)event;
    if (a->limit_ms == 0)
        return;
    if (a->now.mono_ms < a->limit_ms) { /* a port's clock may be coarse */
        set_timer(a, (uint32_t)(a->limit_ms - a->now.mono_ms));
        return;
    }
    if (rows[a->step].activity == REMOTE || (a->step == AGENT_READY && a->busy)) {
        a->silent = true;
        rows[a->step].failed(a, &silence);
        a->silent = false;
    } else if (a->step == AGENT_READY && a->conf->heartbeat_topic != NULL &&
               a->now.mono_ms >= a->beat_ms) {
        agent_beat(a);
    } else if (!a->busy) {
        agent_resume(a);
    }
}

/* A wish may be seen to, unless something is under way: that is waited for. */
static void look_again(struct agent *a)
{
    if (!a->busy && rows[a->step].activity == IDLE)
        agent_resume(a);
}

/* As look_again, but what is under way on the network is given up. */
static void interrupt(struct agent *a)
{
    if (rows[a->step].activity == REMOTE || (a->step == AGENT_READY && a->busy))
        agent_close(a);
    else
        look_again(a);
}

static void on_clock(struct agent *a, const struct agent_event *event)
{
    (void)event;
    if (a->state.last_error == AGENT_CLOCK)
        a->get_ms = a->serve_ms = 0;
    look_again(a);
}

static void at_once(struct agent *a)
{
    a->get_ms = 0;
    (void)agent_retry_succeeded(&a->state.getting);
    a->dirty = true;
    look_again(a);
}

static void on_claim(struct agent *a, const struct agent_event *event)
{
    a->claim = event->slot;
    a->claim_class = AGENT_OK;
    a->state.claim_done = false;
    at_once(a);
}

static void on_renew(struct agent *a, const struct agent_event *event)
{
    (void)event;
    if (a->conf->template_name == NULL) {
        agent_note(a, AGENT_CONFIG, "no template is configured, so nothing can be renewed");
        a->want_stop = a->want_stop || a->conf->once;
        a->ends = AGENT_CONFIG;
        look_again(a);
        return;
    }
    a->want_new = a->state.phase == AGENT_PHASE_NONE;
    at_once(a);
}

static void on_reset(struct agent *a, const struct agent_event *event)
{
    if (event->reset <= a->state.reset || event->reset >= AGENT_RESETS)
        return;
    a->state.reset = event->reset;
    a->dirty = true;
    agent_forget(a, a->state.current);
    agent_forget(a, a->state.next);
    a->local_ms = 0;
    interrupt(a);
}

static void on_stop(struct agent *a, const struct agent_event *event)
{
    (void)event;
    a->want_stop = true;
    interrupt(a);
}

void agent_event(struct agent *agent, const struct agent_event *event)
{
    static agent_handler *const handlers[] = {
        [AGENT_EV_DONE] = on_done,       [AGENT_EV_FAILED] = on_failed, [AGENT_EV_CLOSED] = on_lost,
        [AGENT_EV_MESSAGE] = on_message, [AGENT_EV_TIMER] = on_timer,   [AGENT_EV_CLOCK] = on_clock,
        [AGENT_EV_CLAIM] = on_claim,     [AGENT_EV_RENEW] = on_renew,   [AGENT_EV_RESET] = on_reset,
        [AGENT_EV_STOP] = on_stop,
    };
    _Static_assert(sizeof handlers / sizeof handlers[0] == AGENT_EVENTS, "an event has no handler");

    if (agent->step == AGENT_ENDED || (unsigned)event->kind >= AGENT_EVENTS)
        return;
    agent->now = event->now;
    handlers[event->kind](agent, event);
    decide(agent);
}

/* ---- the rest of the calls ------------------------------------------------------------------- */

void agent_start(struct agent *agent, const struct agent_conf *conf,
                 const struct agent_found *found, enum agent_state_read read,
                 const struct agent_state *state, const struct agent_now *now)
{
    struct agent *const a = agent;
    const bool foreign = read == AGENT_STATE_NEWER || read == AGENT_STATE_FOREIGN;

    memset(a, 0, sizeof *a);
    a->conf = conf;
    a->now = *now;
    a->state = *state;
    if (foreign) {
        agent_note(a, AGENT_RECORD,
                   read == AGENT_STATE_NEWER ? "the state record is of a later version of the agent"
                                             : "the state record is another device's");
        agent_end(a, AGENT_RECORD);
        return;
    }
    agent_recover(a, found, read != AGENT_STATE_GOOD);
    if (!conf->start_now) {
        const bool serves = agent_usable(&a->current);

        a->get_ms = agent_after(a, agent_retry_start(&a->state.getting, serves, now->random));
        a->serve_ms = agent_after(a, agent_retry_start(&a->state.serving, serves, now->random));
    }
    agent_resume(a);
    decide(a);
}

const struct agent_state *agent_record(const struct agent *agent)
{
    return &agent->state;
}

void agent_look(const struct agent *agent, struct agent_view *out)
{
    *out = (struct agent_view){ .step = agent->step,
                                .connected = agent->up,
                                .slot = agent->link,
                                .class = agent->state.last_error,
                                .text = agent->state.last_message,
                                .next_ms = agent->next_ms,
                                .identity = agent->current };
}

void agent_release(struct agent *agent)
{
    struct agent_text all = { (char *)agent, 0, sizeof *agent };

    agent_text_clear(&all);
}
