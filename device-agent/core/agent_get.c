/*
 * To the next generation:
 *
 *     KEY         its key and its request are made in its slot, or it is the claim's: adopted
 *     REQUEST     the request is sent until it is answered; the certificate is stored first,
 *     ISSUED      then the token in the record; the certificate is registered with it
 *     REGISTERED  it connects, and so proves itself
 *     PROVEN      others are led to it (agent_next.c)
 */
#include "agent_priv.h"

#include <string.h>

#include "text.h"

static const char *const op_names[] = {
    [AGENT_CREATE_KEYS] = "CreateKeysAndCertificate",
    [AGENT_CREATE_FROM_CSR] = "CreateCertificateFromCsr",
    [AGENT_REGISTER_THING] = "RegisterThing",
};
_Static_assert(sizeof op_names / sizeof op_names[0] == AGENT_OPS, "an operation has no name");

static char *key_part(struct agent *a)
{
    return a->work + AGENT_MAX_CERT;
}

static struct agent_span span_of(const char *text)
{
    return (struct agent_span){ (const uint8_t *)text, strlen(text) };
}

static enum agent_op op_of(const struct agent *a)
{
    if (a->state.phase == AGENT_PHASE_ISSUED)
        return AGENT_REGISTER_THING;
    return a->conf->create_keys ? AGENT_CREATE_KEYS : AGENT_CREATE_FROM_CSR;
}

void agent_set_phase(struct agent *a, enum agent_phase phase)
{
    struct agent_state *const s = &a->state;

    s->phase = phase;
    if (phase != AGENT_PHASE_ISSUED) {
        agent_text_clear(&(struct agent_text){ s->token, 0, sizeof s->token });
        s->token_s = 0;
    }
    if (phase < AGENT_PHASE_REGISTERED)
        memset(s->next_thing, 0, sizeof s->next_thing);
    if (phase == AGENT_PHASE_NONE)
        s->next = 0;
    a->doubted = a->token_bad = false;
    a->dirty = true;
}

/* ---- key and request ------------------------------------------------------------------------- */

static void begin_generation(struct agent *a)
{
    if (a->newest == UINT32_MAX) /* all others have been dropped */
        a->newest = a->state.current == 1 ? 1 : 0;
    a->state.next = ++a->newest;
    a->next = (struct agent_slot){ 0 };
    a->want_new = false;
    agent_set_phase(a, a->conf->create_keys && !agent_adopts(a) ? AGENT_PHASE_REQUEST
                                                                : AGENT_PHASE_KEY);
    agent_resume(a);
}

static void act_on_next(struct agent *a, enum agent_step step, enum agent_action_kind kind)
{
    struct agent_action *const action = agent_begin(a, step, AGENT_NO_TIMER, kind);

    action->slot = a->state.next;
    action->own_key = a->conf->method == AGENT_METHOD_KEY;
}

static void make(struct agent *a)
{
    if (agent_adopts(a))
        act_on_next(a, AGENT_ADOPTING, AGENT_ACT_ADOPT);
    else if (!a->next.key)
        act_on_next(a, AGENT_MAKING_KEY, AGENT_ACT_MAKE_KEY);
    else
        act_on_next(a, AGENT_MAKING_CSR, AGENT_ACT_MAKE_CSR);
}

void agent_on_key(struct agent *a, const struct agent_event *event)
{
    (void)event;
    a->next.key = true;
    agent_resume(a);
}

void agent_on_adopted(struct agent *a, const struct agent_event *event)
{
    a->next = event->slot;
    agent_set_phase(a, AGENT_PHASE_REGISTERED);
    agent_resume(a);
}

/* ---- the exchange ---------------------------------------------------------------------------- */

static void subscribe(struct agent *a, enum agent_op op)
{
    const char *const name = a->conf->template_name;
    struct agent_action *action;

    if (!agent_msg_topic(op, AGENT_ACCEPTED, name, a->topics[0]) ||
        !agent_msg_topic(op, AGENT_REJECTED_TOPIC, name, a->topics[1])) {
        agent_get_failed(a, AGENT_CONFIG, "the template's name is none");
        return;
    }
    action = agent_begin(a, AGENT_SUBSCRIBING, a->conf->answer_ms, AGENT_ACT_SUBSCRIBE);
    action->topics[0] = a->topics[0];
    action->topics[1] = a->topics[1];
    action->n_topics = 2;
}

void agent_on_subscribed(struct agent *a, const struct agent_event *event)
{
    (void)event;
    a->subscribed |= (uint8_t)(1U << op_of(a));
    agent_resume(a);
}

/* written: into a->work, or it did not fit. */
static void publish(struct agent *a, enum agent_step step, bool written)
{
    if (!written ||
        !agent_msg_topic(op_of(a), AGENT_REQUEST, a->conf->template_name, a->topics[0])) {
        agent_wipe_work(a);
        agent_get_failed(a, AGENT_CONFIG, "the request is too long, or a parameter is no UTF-8");
        return;
    }
    agent_publish(a, step, strlen(a->work));
}

/* Connected with what speaks for the next generation, and subscribed to the answers? */
static bool prepared(struct agent *a)
{
    const uint32_t slot = agent_uses_claim(a) ? AGENT_SLOT_CLAIM : a->state.current;

    if (!agent_linked(a, slot))
        return false;
    if ((a->subscribed & 1U << op_of(a)) != 0)
        return true;
    subscribe(a, op_of(a));
    return false;
}

static void request(struct agent *a)
{
    struct agent_text out = { a->work, 0, sizeof a->work };

    if (!prepared(a))
        return;
    if (a->conf->create_keys)
        publish(a, AGENT_CREATING, agent_msg_create_keys(&out));
    else
        act_on_next(a, AGENT_MAKING_CSR, AGENT_ACT_MAKE_CSR);
}

/* It was made, or it is what was made before: the same bytes each time. */
void agent_on_csr(struct agent *a, const struct agent_event *event)
{
    struct agent_text out = { a->work, 0, sizeof a->work };

    if (a->state.phase == AGENT_PHASE_KEY) {
        agent_set_phase(a, AGENT_PHASE_REQUEST);
        agent_resume(a);
    } else if (!a->up) {
        agent_get_failed(a, AGENT_NETWORK, "the connection was lost");
    } else {
        publish(a, AGENT_CREATING,
                event->text != NULL && agent_msg_create_from_csr(event->text, &out));
    }
}

static void register_thing(struct agent *a)
{
    struct agent_text out = { a->work, 0, sizeof a->work };

    if (prepared(a))
        publish(a, AGENT_REGISTERING,
                agent_msg_register(a->state.token, a->conf->params, a->conf->n_params, &out));
}

/* ---- answers --------------------------------------------------------------------------------- */

static void on_rejected(struct agent *a, enum agent_op op, struct agent_span payload)
{
    struct agent_rejection rejection;
    char line[AGENT_MAX_MESSAGE];
    struct agent_text out = { line, 0, sizeof line };
    enum agent_class class;
    size_t room;

    agent_msg_rejection(payload, &rejection);
    class = agent_msg_rejection_class(&rejection);
    (void)agent_text_add_str(&out, op_names[op]);
    (void)agent_text_add_str(&out, ": ");
    (void)agent_text_add_str(&out, rejection.code);
    (void)agent_text_add_str(&out, ": ");
    room = out.cap - out.n - 1;
    (void)agent_text_add(&out, rejection.message,
                         strlen(rejection.message) < room ? strlen(rejection.message) : room);

    /* The answer to an earlier try may have been lost: then the certificate works. */
    if (class == AGENT_TOKEN && op == AGENT_REGISTER_THING)
        a->doubted = a->token_bad = true;
    agent_get_failed(a, class, line);
}

static void on_created(struct agent *a, enum agent_op op, struct agent_span payload)
{
    char id[65];
    struct agent_created out = {
        .certificate_id = { id, 0, sizeof id },
        .certificate_pem = { a->work, 0, AGENT_MAX_CERT },
        .token = { a->state.token, 0, sizeof a->state.token },
    };
    struct agent_action *action;

    if (op == AGENT_CREATE_KEYS)
        out.private_key = (struct agent_text){ key_part(a), 0, AGENT_MAX_KEY };
    if (agent_msg_created(op, payload, &out) != AGENT_OK) {
        agent_get_failed(a, AGENT_ANSWER, "the certificate's answer cannot be used");
        return;
    }
    action = agent_begin(a, AGENT_STORING, AGENT_NO_TIMER, AGENT_ACT_STORE_CERT);
    action->slot = a->state.next;
    action->payload = (struct agent_span){ (const uint8_t *)a->work, out.certificate_pem.n };
    action->key = (struct agent_span){ (const uint8_t *)key_part(a), out.private_key.n };
}

/* The certificate is stored before the token is: a token without one would be of no use. */
void agent_on_stored(struct agent *a, const struct agent_event *event)
{
    uint16_t *const attempts = a->state.getting.attempts;

    a->next = event->slot;
    agent_wipe_work(a);
    attempts[AGENT_PENDING] = attempts[AGENT_REFUSED] = 0; /* were another certificate's */
    agent_set_phase(a, AGENT_PHASE_ISSUED);
    a->state.token_s = a->now.wall_s;
    agent_resume(a);
}

static void registered(struct agent *a)
{
    agent_wipe_work(a);
    agent_set_phase(a, AGENT_PHASE_REGISTERED);
    agent_resume(a);
}

static void on_registered(struct agent *a, struct agent_span payload)
{
    struct agent_registered out = {
        .thing_name = { a->state.next_thing, 0, sizeof a->state.next_thing },
        .config = { a->work, 0, AGENT_MAX_CONFIG },
    };
    struct agent_action *action;

    if (agent_msg_registered(payload, &out) != AGENT_OK) {
        agent_get_failed(a, AGENT_ANSWER, "RegisterThing's answer cannot be used");
    } else if (strcmp(a->work, "{}") == 0) {
        registered(a);
    } else {
        action = agent_begin(a, AGENT_CONFIGURING, AGENT_NO_TIMER, AGENT_ACT_STORE_CONFIG);
        action->slot = a->state.next;
        action->payload = span_of(a->work);
    }
}

void agent_on_config(struct agent *a, const struct agent_event *event)
{
    (void)event;
    registered(a);
}

void agent_answered(struct agent *a, struct agent_span topic, struct agent_span payload)
{
    const enum agent_op op = op_of(a);
    enum agent_topic which;

    if (!agent_msg_topic_is(op, a->conf->template_name, topic, &which) || which == AGENT_REQUEST)
        return;
    a->busy = false; /* an answer acknowledges as well */
    agent_wipe_work(a);
    if (which == AGENT_REJECTED_TOPIC)
        on_rejected(a, op, payload);
    else if (op == AGENT_REGISTER_THING)
        on_registered(a, payload);
    else
        on_created(a, op, payload);
}

/* ---- first use ------------------------------------------------------------------------------- */

static void prove(struct agent *a)
{
    (void)agent_linked(a, a->state.next);
}

void agent_on_proven(struct agent *a, const struct agent_event *event)
{
    (void)event;
    a->up = true;
    agent_set_phase(a, AGENT_PHASE_PROVEN);
    agent_resume(a);
}

/* Its place is taken, and what it was to take the place of goes. */
void agent_in_force(struct agent *a)
{
    struct agent_state *const s = &a->state;
    const bool first = s->current == 0 || s->announce == AGENT_ANNOUNCE_PROVISIONED;

    agent_forget(a, s->current);
    s->current = s->next;
    a->current = a->next;
    if (s->next_thing[0] != '\0')
        memcpy(s->thing_name, s->next_thing, sizeof s->thing_name);
    memset(s->next_thing, 0, sizeof s->next_thing);
    a->next = (struct agent_slot){ 0 };
    agent_set_phase(a, AGENT_PHASE_NONE);

    s->announce = first ? AGENT_ANNOUNCE_PROVISIONED : AGENT_ANNOUNCE_RENEWED;
    s->claim_done = true;
    s->renew_s = agent_renewal(a, &a->current);
    (void)agent_retry_succeeded(&s->getting);
    a->announce_later = false;
    agent_note(a, AGENT_OK, NULL);
    agent_served(a);
}

/* ---- failures -------------------------------------------------------------------------------- */

void agent_get_failed(struct agent *a, enum agent_class class, const char *text)
{
    agent_note(a, class, text);
    a->get_ms = agent_after(
        a, agent_retry_failed(&a->state.getting, class, agent_usable(&a->current), a->now.random));
    agent_failed(a, class);
}

void agent_step_failed(struct agent *a, const struct agent_event *event)
{
    const bool denied = a->step == AGENT_SUBSCRIBING && event->class == AGENT_REFUSED;

    agent_wipe_work(a);
    agent_get_failed(a, denied ? AGENT_REJECTED : event->class, event->text);
}

/* What an answer held is not stored: it is asked for again, with the same request or token. */
void agent_store_failed(struct agent *a, const struct agent_event *event)
{
    const bool token = a->state.phase == AGENT_PHASE_ISSUED;

    agent_wipe_work(a);
    memset(a->state.next_thing, 0, sizeof a->state.next_thing);
    if (!token)
        agent_set_phase(a, AGENT_PHASE_REQUEST);
    agent_get_failed(a, event->class, event->text);
}

static void give_up(struct agent *a)
{
    agent_forget(a, a->state.next);
    a->next = (struct agent_slot){ 0 };
    agent_set_phase(a, AGENT_PHASE_NONE);
    agent_get_failed(a, AGENT_REJECTED,
                     "the new certificate was refused again and again: it is given up");
}

/* So the answer had not been lost. The token is of use if there is somebody to send it. */
static void not_registered(struct agent *a, const char *text)
{
    const bool again = !a->token_bad && !agent_speechless(a);

    if (again)
        a->doubted = false;
    else
        agent_set_phase(a, AGENT_PHASE_REQUEST);
    agent_get_failed(a, again ? AGENT_REFUSED : AGENT_TOKEN, text);
}

/*
 * A certificate may need a moment to be known everywhere, a factory's until somebody registers it.
 * After that a refusal is one; one that is never taken back must not keep a device from another
 * try.
 */
void agent_prove_failed(struct agent *a, enum agent_class class, const char *text)
{
    const uint16_t *const attempts = a->state.getting.attempts;
    const unsigned tries = agent_usable(&a->current) ? AGENT_RENEW_TRIES : AGENT_PROVE_TRIES;

    if (class != AGENT_REFUSED) {
        agent_get_failed(a, class, text);
    } else if (a->state.phase == AGENT_PHASE_ISSUED) {
        not_registered(a, text);
    } else if (agent_adopts(a) || attempts[AGENT_PENDING] < AGENT_PENDING_TRIES) {
        agent_get_failed(a, AGENT_PENDING, text);
    } else if (attempts[AGENT_REFUSED] + 1U < tries) {
        agent_get_failed(a, AGENT_REFUSED, text);
    } else {
        give_up(a);
    }
}

void agent_get(struct agent *a)
{
    static void (*const rows[])(struct agent *) = {
        [AGENT_PHASE_NONE] = begin_generation, [AGENT_PHASE_KEY] = make,
        [AGENT_PHASE_REQUEST] = request,       [AGENT_PHASE_ISSUED] = register_thing,
        [AGENT_PHASE_REGISTERED] = prove,
    };

    if (a->doubted)
        prove(a);
    else
        rows[a->state.phase](a);
}
