/* What is next, in the order of what must not wait for what: the record, a reset, an end, order on
 * this device, the next generation, the service. */
#include "agent_priv.h"

#include "text.h"

enum { LONGEST_MS = 24 * 60 * 60 * 1000 }; /* then the clock is looked at again */

/* ---- order on this device -------------------------------------------------------------------- */

static void act_on(struct agent *a, enum agent_step step, enum agent_action_kind kind,
                   uint32_t slot)
{
    struct agent_action *const action = agent_begin(a, step, AGENT_NO_TIMER, kind);

    a->cleaning = action->slot = slot;
    action->announce = a->state.announce;
}

/* What changes while it is under way is stored by another. */
static void save(struct agent *a)
{
    a->dirty = false;
    act_on(a, AGENT_SAVING, AGENT_ACT_SAVE, 0);
}

void agent_carry_on(struct agent *a, const struct agent_event *event)
{
    (void)event;
    agent_resume(a);
}

void agent_on_dropped(struct agent *a, const struct agent_event *event)
{
    (void)event;
    if (a->cleaning == AGENT_SLOT_CLAIM)
        a->claim = (struct agent_slot){ 0 };
    else
        agent_unforget(a, a->cleaning);
    agent_resume(a);
}

void agent_on_promoted(struct agent *a, const struct agent_event *event)
{
    (void)event;
    agent_in_force(a);
    agent_resume(a);
}

void agent_on_announced(struct agent *a, const struct agent_event *event)
{
    (void)event;
    a->state.announce = AGENT_ANNOUNCE_NONE;
    a->dirty = true;
    agent_resume(a);
}

void agent_announce_failed(struct agent *a, const struct agent_event *event)
{
    a->announce_later = true;
    agent_note(a, event->class, event->text);
    agent_resume(a);
}

/* Nothing is stored for a while; an identity goes on serving. */
void agent_local_failed(struct agent *a, const struct agent_event *event)
{
    /* half of a claim may be gone: it is good for nothing but to be dropped again */
    if (a->step == AGENT_CLEANING && a->cleaning == AGENT_SLOT_CLAIM)
        a->claim.cert = false;
    agent_note(a, event->class, event->text);
    a->dirty = true;
    a->local_ms = agent_after(a, agent_retry_failed(&a->state.getting, AGENT_LOCAL,
                                                    agent_usable(&a->current), a->now.random));
    agent_failed(a, AGENT_LOCAL);
}

/* The record goes last: as long as it is there, it says that there is a reset to be done. */
static void reset(struct agent *a)
{
    /* one that was to go anyway goes as well: it may be half gone */
    const bool claim_too =
        (a->state.reset == AGENT_RESET_FULL && (a->claim.key || a->claim.cert)) ||
        agent_claim_may_go(a);

    if (a->up) {
        agent_close(a);
    } else if (a->n_stale != 0) {
        act_on(a, AGENT_CLEANING, AGENT_ACT_DROP, a->stale[a->n_stale - 1]);
    } else if (claim_too) {
        act_on(a, AGENT_CLEANING, AGENT_ACT_DROP, AGENT_SLOT_CLAIM);
    } else {
        agent_state_init(&a->state, a->state.device);
        a->current = a->next = (struct agent_slot){ 0 };
        a->want_new = a->doubted = a->token_bad = false;
        a->get_ms = a->serve_ms = 0;
        save(a);
    }
}

/* Begins what is to be put in order; false: nothing is. */
static bool tidy(struct agent *a)
{
    const bool announces = a->state.announce != AGENT_ANNOUNCE_NONE && !a->announce_later;

    if (a->state.phase == AGENT_PHASE_PROVEN)
        act_on(a, AGENT_PROMOTING, AGENT_ACT_PROMOTE, a->state.next);
    else if (a->n_stale != 0)
        act_on(a, AGENT_CLEANING, AGENT_ACT_DROP, a->stale[a->n_stale - 1]);
    else if (agent_claim_may_go(a))
        act_on(a, AGENT_CLEANING, AGENT_ACT_DROP, AGENT_SLOT_CLAIM);
    else if (announces)
        act_on(a, AGENT_ANNOUNCING, AGENT_ACT_ANNOUNCE, a->state.current);
    else
        return false;
    return true;
}

/* ---- waiting --------------------------------------------------------------------------------- */

static void sooner(uint64_t *at, uint64_t when)
{
    if (*at == 0 || when < *at)
        *at = when;
}

static uint64_t later_of(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Is there something to be done on this device that failed before? */
static bool untidy(const struct agent *a)
{
    return a->dirty || a->n_stale != 0 || a->state.reset != AGENT_RESET_NONE ||
           a->state.phase == AGENT_PHASE_PROVEN || agent_claim_may_go(a);
}

static bool needs_current(const struct agent *a)
{
    const enum agent_phase phase = a->state.phase;

    return !agent_uses_claim(a) &&
           (phase == AGENT_PHASE_REQUEST || (phase == AGENT_PHASE_ISSUED && !a->doubted));
}

/* When the next generation may be gone on with. */
static uint64_t get_from(const struct agent *a)
{
    const uint64_t at = later_of(a->get_ms, a->local_ms);

    return needs_current(a) && !a->up ? later_of(at, a->serve_ms) : at;
}

/* What is to be tried again next, on the monotonic clock; 0: nothing. */
static uint64_t next_try(const struct agent *a)
{
    uint64_t at = 0;

    if (untidy(a))
        sooner(&at, a->local_ms);
    if (a->state.reset != AGENT_RESET_NONE)
        return at;
    if (agent_wants_next(a) && !agent_lacks_claim(a))
        sooner(&at, get_from(a));
    if (agent_usable(&a->current) && a->conf->stay && !a->conf->once && !a->up)
        sooner(&at, a->serve_ms);
    return at;
}

/* How long until anything is due. */
static uint32_t wait_ms(const struct agent *a)
{
    const int64_t renew_s = a->state.renew_s, wall_s = a->now.wall_s;
    uint64_t at = a->next_ms;

    if (a->up && a->conf->heartbeat_topic != NULL)
        sooner(&at, a->beat_ms);
    if (a->up && a->settle_ms != 0)
        sooner(&at, a->settle_ms);
    if (renew_s > wall_s && wall_s != 0 && renew_s - wall_s < LONGEST_MS / 1000)
        sooner(&at, agent_after(a, (uint32_t)(renew_s - wall_s) * 1000));
    if (at == 0 || at > agent_after(a, LONGEST_MS))
        return LONGEST_MS;
    return at > a->now.mono_ms ? (uint32_t)(at - a->now.mono_ms) : 0;
}

void agent_idle(struct agent *a)
{
    const bool serves = agent_usable(&a->current);
    enum agent_step step = AGENT_WAITING;

    a->next_ms = next_try(a);
    if (a->up)
        step = AGENT_READY;
    else if (agent_lacks_claim(a) && !serves)
        step = AGENT_NO_CLAIM;
    else if (serves && !a->conf->stay && a->next_ms == 0)
        step = AGENT_RESTING;
    agent_enter(a, step, wait_ms(a));
}

/* A claim that an installer is to bring is waited for; any other should have been there. */
static void miss_claim(struct agent *a)
{
    static const char text[] = "the claim's certificate or key is missing, unusable or expired";
    const bool known = a->claim_class != AGENT_OK;
    const enum agent_class class = known ? a->claim_class : AGENT_CONFIG;

    if ((a->conf->method == AGENT_METHOD_TRUSTED_USER && !known) || a->want_stop)
        return;
    if (a->state.last_error != class && a->now.mono_ms >= a->local_ms)
        agent_note(a, class, text);
    if (a->conf->once) {
        a->want_stop = true;
        a->ends = class;
    }
}

/* ---- next ------------------------------------------------------------------------------------ */

/* What must not wait, if there is anything of it. */
static bool goes_first(struct agent *a, bool local)
{
    if (a->dirty && local)
        save(a);
    else if (a->state.reset != AGENT_RESET_NONE && local)
        reset(a);
    else if (a->want_stop && a->up)
        agent_close(a);
    else if (a->want_stop)
        agent_end(a, a->ends);
    else
        return false;
    return true;
}

void agent_decide(struct agent *a)
{
    const bool local = a->now.mono_ms >= a->local_ms;
    const bool resets = a->state.reset != AGENT_RESET_NONE;
    bool wants;

    if (a->state.phase == AGENT_PHASE_ISSUED && agent_speechless(a))
        a->doubted = true;
    if (!resets && agent_lacks_claim(a))
        miss_claim(a);
    agent_settle(a);
    wants = agent_wants_next(a) && !resets;
    if (goes_first(a, local) || (local && tidy(a)))
        return;
    if (wants && !agent_lacks_claim(a) && a->now.mono_ms >= get_from(a)) {
        agent_get(a);
    } else if (resets || (a->conf->once && (wants || untidy(a)))) {
        agent_idle(a);
    } else if (a->conf->once) {
        a->want_stop = true;
        agent_resume(a);
    } else {
        agent_serve(a);
    }
}

void agent_failed(struct agent *a, enum agent_class class)
{
    const bool serves = a->link != AGENT_SLOT_CLAIM && a->link == a->state.current;

    if (a->conf->once && agent_class_lasting(class) && !a->want_stop) {
        a->want_stop = true;
        a->ends = class;
    }
    if (a->busy || a->silent || (a->up && !serves))
        agent_close(a);
    else
        agent_resume(a);
}

bool agent_class_lasting(enum agent_class class)
{
    switch (class) {
    case AGENT_REFUSED:
    case AGENT_REJECTED:
    case AGENT_TRUST:
    case AGENT_ANSWER:
    case AGENT_LOCAL:
    case AGENT_CONFIG:
    case AGENT_RECORD:
        return true;
    default:
        return false;
    }
}

/* ---- connections ----------------------------------------------------------------------------- */

void agent_connect_failed(struct agent *a, const struct agent_event *event)
{
    const struct agent_state *s = &a->state;
    const bool proves = a->link != AGENT_SLOT_CLAIM && a->link == s->next;
    enum agent_class class = event->class;

    /* The next certificate may be registered, and what spoke for it retired since. */
    if (class == AGENT_REFUSED && s->phase == AGENT_PHASE_ISSUED && !proves) {
        a->doubted = true;
        class = AGENT_PENDING;
    }
    if (proves)
        agent_prove_failed(a, class, event->text);
    else if (a->link == AGENT_SLOT_CLAIM)
        agent_get_failed(a, class, event->text);
    else
        agent_serve_failed(a, class, event->text);
}

void agent_on_connected(struct agent *a, const struct agent_event *event)
{
    uint16_t *const attempts = a->state.getting.attempts;

    (void)event;
    a->up = true;
    /* what comes next may fail for another reason: the other counts stay, for nothing is had yet */
    if (a->link == AGENT_SLOT_CLAIM)
        attempts[AGENT_REFUSED] = attempts[AGENT_TRUST] = attempts[AGENT_CLOCK] = 0;
    else
        agent_served(a);
    agent_resume(a);
}

bool agent_linked(struct agent *a, uint32_t slot)
{
    const bool proves = slot != AGENT_SLOT_CLAIM && slot == a->state.next;
    const struct agent_slot *creds = proves                     ? &a->next
                                     : slot == AGENT_SLOT_CLAIM ? &a->claim
                                                                : &a->current;
    struct agent_event early = { .class = AGENT_CLOCK };
    struct agent_action *action;

    if (a->up && a->link == slot)
        return true;
    if (a->up) {
        agent_close(a);
        return false;
    }
    a->link = slot;
    if (a->now.wall_s == 0)
        early.text = "the clock is not set, so no certificate can be checked";
    else if (creds->not_before_s > a->now.wall_s)
        early.text = "the certificate is not valid yet by this device's clock";
    if (early.text != NULL) {
        agent_connect_failed(a, &early);
        return false;
    }
    action = agent_begin(a, proves ? AGENT_PROVING : AGENT_CONNECTING, a->conf->connect_ms,
                         AGENT_ACT_CONNECT);
    action->slot = slot;
    action->client_id = agent_client_id(a, slot);
    return false;
}

void agent_wipe_work(struct agent *a)
{
    agent_text_clear(&(struct agent_text){ a->work, 0, sizeof a->work });
}
