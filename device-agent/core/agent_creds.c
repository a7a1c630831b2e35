/* What credentials there are and what they are good for. Derived from record and slots, never
 * stored. */
#include "agent_priv.h"

bool agent_usable(const struct agent_slot *slot)
{
    return slot->key && slot->cert;
}

bool agent_over(const struct agent *a, const struct agent_slot *slot)
{
    return slot->cert && a->now.wall_s != 0 && slot->not_after_s <= a->now.wall_s;
}

/* A claim that was injected on purpose goes before an identity that is there. */
static bool claim_is_new(const struct agent *a)
{
    return a->conf->method == AGENT_METHOD_TRUSTED_USER && agent_usable(&a->claim) &&
           !a->state.claim_done && !agent_over(a, &a->claim);
}

bool agent_uses_claim(const struct agent *a)
{
    if (a->state.current == 0 || !agent_usable(&a->current) || claim_is_new(a))
        return true;
    return agent_over(a, &a->current) && agent_usable(&a->claim) && !agent_over(a, &a->claim);
}

bool agent_adopts(const struct agent *a)
{
    return a->conf->method == AGENT_METHOD_JIT && agent_uses_claim(a);
}

bool agent_wants_next(const struct agent *a)
{
    const struct agent_state *s = &a->state;

    if (s->phase != AGENT_PHASE_NONE || a->want_new || agent_uses_claim(a))
        return true;
    return s->renew_s != 0 && a->now.wall_s >= s->renew_s;
}

bool agent_speechless(const struct agent *a)
{
    return agent_uses_claim(a) && (!agent_usable(&a->claim) || agent_over(a, &a->claim));
}

bool agent_lacks_claim(const struct agent *a)
{
    return a->state.phase < AGENT_PHASE_ISSUED && agent_wants_next(a) && agent_speechless(a);
}

/* Where the claim is the identity, or its key stays, nothing takes its place. */
bool agent_claim_may_go(const struct agent *a)
{
    const enum agent_method method = a->conf->method;
    const bool injected = method == AGENT_METHOD_TRUSTED_USER;

    if (!a->claim.key || method == AGENT_METHOD_JIT || method == AGENT_METHOD_KEY)
        return false;
    return (a->state.claim_done && !a->conf->keep_claim) || (injected && agent_over(a, &a->claim));
}

void agent_forget(struct agent *a, uint32_t generation)
{
    for (size_t i = 0; i < a->n_stale; i++) {
        if (a->stale[i] == generation)
            return;
    }
    if (generation != 0 && a->n_stale < sizeof a->stale / sizeof a->stale[0])
        a->stale[a->n_stale++] = generation;
}

void agent_unforget(struct agent *a, uint32_t generation)
{
    for (size_t i = 0; i < a->n_stale; i++) {
        if (a->stale[i] == generation)
            a->stale[i] = a->stale[--a->n_stale];
    }
}

/* ---- at the start ---------------------------------------------------------------------------- */

static struct agent_slot slot_of(const struct agent_found *found, uint32_t generation)
{
    for (size_t i = 0; i < found->n_generations; i++) {
        if (generation != 0 && found->generations[i].number == generation)
            return found->generations[i].slot;
    }
    return (struct agent_slot){ 0 };
}

/*
 * Without a record the credentials speak for themselves: what others are led to had connected; a
 * newer one with a certificate may be the one that the other side knows by now, and is tried.
 */
static void remake(struct agent *a, const struct agent_found *found)
{
    struct agent_state *const s = &a->state;
    const struct agent_slot in_force = slot_of(found, found->in_force);

    agent_state_init(s, s->device);
    if (agent_usable(&in_force))
        s->current = found->in_force;
    s->claim_done = s->current != 0;
    for (size_t i = 0; i < found->n_generations; i++) {
        const struct agent_generation *g = &found->generations[i];

        if (g->number > s->current && g->number > s->next && agent_usable(&g->slot)) {
            s->next = g->number;
            s->phase = AGENT_PHASE_REGISTERED;
        }
    }
    if (found->n_generations != 0)
        agent_note(a, AGENT_RECORD, "the state record was lost: made anew from the credentials");
}

/* What the record says to be there and is not has to be made again: it cannot have been lost by a
 * power cut, but somebody may have removed it. */
static void check_phase(struct agent *a)
{
    struct agent_state *const s = &a->state;
    const bool has_cert = agent_usable(&a->next);
    const bool makes_request = !a->conf->create_keys || agent_adopts(a);

    if (s->phase >= AGENT_PHASE_ISSUED && !has_cert) {
        s->claim_done = s->claim_done && s->current != 0;
        agent_set_phase(a, AGENT_PHASE_REQUEST);
    }
    if (s->phase == AGENT_PHASE_REQUEST && makes_request && !a->next.key)
        agent_set_phase(a, AGENT_PHASE_KEY);
}

void agent_recover(struct agent *a, const struct agent_found *found, bool lost)
{
    struct agent_state *const s = &a->state;

    if (lost)
        remake(a, found);
    a->claim = found->claim;
    a->claim_class = found->claim_class;
    a->current = slot_of(found, s->current);
    a->next = slot_of(found, s->next);
    check_phase(a);
    if (found->claim_class != AGENT_OK && agent_speechless(a))
        agent_note(a, found->claim_class, found->claim_text);

    a->newest = s->current > s->next ? s->current : s->next;
    for (size_t i = 0; i < found->n_generations; i++) {
        const uint32_t number = found->generations[i].number;
        const bool needed = number == s->current || number == s->next;

        if (number > a->newest)
            a->newest = number;
        if (!needed || s->reset != AGENT_RESET_NONE)
            agent_forget(a, number);
    }
    if (s->renew_s == 0 && agent_usable(&a->current)) {
        s->renew_s = agent_renewal(a, &a->current);
        a->dirty = a->dirty || s->renew_s != 0;
    }
}
