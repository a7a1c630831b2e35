/* The clock, the link, and the broker behind it. */
#include "sim/sim.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <openssl/x509.h>

#define LATENCY_MIN_MS 10
#define LATENCY_MAX_MS 60
#define BREAK_MAX_MS 20000 /* until a broken connection is noticed */

enum direction { TO_DEVICE, TO_BROKER };

void sim_fail(const struct sim *sim, const char *format, ...)
{
    char what[400], text[512];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(what, sizeof what, format, args);
    va_end(args);
    (void)snprintf(text, sizeof text, "after %llu s, boot %u, its effect %u, step %s: %s",
                   (unsigned long long)sim->now_ms / 1000, sim->boot, sim->of_boot,
                   agent_step_name(sim->agent->step), what);
    if (sim->failed != NULL) {
        memcpy(sim->failure, text, sizeof text);
        longjmp(*sim->failed, 1);
    }
    print_error("seed %llu, %s\n", (unsigned long long)sim->seed, text);
    _fail(__FILE__, __LINE__);
    abort();
}

/* ---- events ---------------------------------------------------------------------------------- */

struct sim_event *sim_event_new(const struct sim *sim, enum sim_event_kind kind)
{
    struct sim_event *event = calloc(1, sizeof *event);

    assert_non_null(event);
    event->kind = kind;
    event->link = sim->link;
    event->boot = sim->boot;
    prov_buf_init(&event->payload, 1 << 20);
    return event;
}

void sim_event_free(struct sim_event *event)
{
    if (event == NULL)
        return;
    X509_free(event->leaf);
    prov_buf_wipe(&event->payload);
    free(event);
}

static struct sim_event *copy(const struct sim *sim, const struct sim_event *event)
{
    struct sim_event *twin = sim_event_new(sim, event->kind);

    twin->link = event->link;
    twin->boot = event->boot;
    memcpy(twin->topics, event->topics, sizeof twin->topics);
    twin->n_topics = event->n_topics;
    prov_buf_add(&twin->payload, prov_buf_span(&event->payload));
    return twin;
}

void sim_post(struct sim *sim, struct sim_event *event, uint64_t after_ms)
{
    struct sim_event **at = &sim->events;

    event->at_ms = sim->now_ms + after_ms;
    while (*at != NULL && (*at)->at_ms <= event->at_ms)
        at = &(*at)->next;
    event->next = *at;
    *at = event;
}

static enum direction direction(enum sim_event_kind kind)
{
    return kind <= SIM_FIN ? TO_BROKER : TO_DEVICE;
}

/* In the order of their sending, unless the link says otherwise. */
static void deliver(struct sim *sim, struct sim_event *event)
{
    uint64_t *last_ms = &sim->last_ms[direction(event->kind)];
    uint64_t at_ms = sim->now_ms + sim_between(&sim->rng, LATENCY_MIN_MS, LATENCY_MAX_MS);

    if (sim_chance(&sim->rng, sim->faults.late))
        at_ms += sim_between(&sim->rng, 0, sim->faults.late_ms);
    if (!sim_chance(&sim->rng, sim->faults.reorder)) {
        if (at_ms < *last_ms)
            at_ms = *last_ms;
        *last_ms = at_ms;
    }
    sim_post(sim, event, at_ms - sim->now_ms);
}

/* Both sides notice, each in its time. */
static void break_link(struct sim *sim, unsigned link)
{
    struct sim_event *here = sim_event_new(sim, SIM_CLOSED);
    struct sim_event *there = sim_event_new(sim, SIM_FIN);

    here->link = there->link = link;
    here->class = AGENT_NETWORK;
    (void)snprintf(here->text, sizeof here->text, "connection reset");
    sim_post(sim, here, sim_between(&sim->rng, 0, BREAK_MAX_MS));
    sim_post(sim, there, sim_between(&sim->rng, 0, BREAK_MAX_MS));
}

void sim_send(struct sim *sim, struct sim_event *event)
{
    const bool again = (event->kind == SIM_PUBLISH || event->kind == SIM_MESSAGE) &&
                       sim_chance(&sim->rng, sim->faults.repeat);

    if (sim_chance(&sim->rng, sim->faults.close))
        break_link(sim, event->link);
    if (again)
        deliver(sim, copy(sim, event));
    if (sim_chance(&sim->rng, sim->faults.drop))
        sim_event_free(event);
    else
        deliver(sim, event);
}

void sim_unlink(struct sim *sim)
{
    sim->linked = false;
}

/* ---- the broker's side ----------------------------------------------------------------------- */

static uint64_t *session_of(struct sim *sim, unsigned link)
{
    const size_t before = sim->n_sessions;

    if (link >= before) {
        sim->n_sessions = (size_t)link + 64;
        sim->sessions = realloc(sim->sessions, sim->n_sessions * sizeof *sim->sessions);
        assert_non_null(sim->sessions);
        memset(sim->sessions + before, 0, (sim->n_sessions - before) * sizeof *sim->sessions);
    }
    return &sim->sessions[link];
}

static unsigned link_of(const struct sim *sim, uint64_t session)
{
    for (size_t i = 0; i < sim->n_sessions; i++) {
        if (sim->sessions[i] == session)
            return (unsigned)i;
    }
    return 0;
}

static void answer(struct sim *sim, const struct sim_event *to, enum sim_event_kind kind,
                   enum agent_class class, const char *text)
{
    struct sim_event *event = sim_event_new(sim, kind);

    event->link = to->link;
    event->boot = to->boot;
    event->class = class;
    (void)snprintf(event->text, sizeof event->text, "%s", text);
    sim_send(sim, event);
}

/* What net.h has for it. */
static const enum agent_class classes[] = { [SIM_ACCEPTED] = AGENT_OK,
                                            [SIM_ALERT] = AGENT_REFUSED,
                                            [SIM_NOT_AUTHORISED] = AGENT_REFUSED,
                                            [SIM_DROPPED] = AGENT_NETWORK };

static void connect_arrives(struct sim *sim, const struct sim_event *event)
{
    char why[128];
    uint64_t session = 0;
    enum sim_welcome how;

    how = sim_broker_connect(sim->broker, event->leaf, event->topics[0], (int64_t)sim->now_ms,
                             &session, why);
    *session_of(sim, event->link) = session;
    answer(sim, event, SIM_CONNECTED, classes[how], why);
}

static void subscribe_arrives(struct sim *sim, const struct sim_event *event)
{
    const char *topics[SIM_MAX_TOPICS] = { event->topics[0], event->topics[1] };
    const bool good = sim_broker_subscribe(sim->broker, *session_of(sim, event->link), topics,
                                           event->n_topics, (int64_t)sim->now_ms);

    answer(sim, event, SIM_SUBACK, good ? AGENT_OK : AGENT_REFUSED, good ? "" : "refused");
}

static void publish_arrives(struct sim *sim, const struct sim_event *event)
{
    if (sim_broker_publish(sim->broker, *session_of(sim, event->link), event->topics[0],
                           prov_buf_span(&event->payload), (int64_t)sim->now_ms))
        answer(sim, event, SIM_PUBACK, AGENT_OK, "");
}

static void arrives(struct sim *sim, const struct sim_event *event)
{
    switch (event->kind) {
    case SIM_CONNECT:
        connect_arrives(sim, event);
        break;
    case SIM_SUBSCRIBE:
        subscribe_arrives(sim, event);
        break;
    case SIM_PUBLISH:
        publish_arrives(sim, event);
        break;
    default:
        sim_broker_close(sim->broker, *session_of(sim, event->link));
        *session_of(sim, event->link) = 0;
        break;
    }
}

/* Takes over what the broker has to say. */
static void collect(struct sim *sim)
{
    struct sim_message message;
    struct sim_event *event;

    while (sim_broker_take(sim->broker, &message)) {
        event = sim_event_new(sim, message.closed ? SIM_CLOSED : SIM_MESSAGE);
        event->link = link_of(sim, message.session);
        event->class = AGENT_NETWORK;
        (void)snprintf(event->text, sizeof event->text, "closed by the broker");
        (void)snprintf(event->topics[0], sizeof event->topics[0], "%s", message.topic);
        event->payload = message.payload;
        sim_send(sim, event);
    }
}

/* ---- time ------------------------------------------------------------------------------------ */

/* What is not for this connection, or for this life of the device, is not received. */
static bool stale(const struct sim *sim, const struct sim_event *event)
{
    if (event->boot != sim->boot)
        return true;
    return event->kind <= SIM_CLOSED && (!sim->linked || event->link != sim->link);
}

struct sim_event *sim_run(struct sim *sim, uint64_t until_ms)
{
    for (;;) {
        const int64_t due_ms = sim_broker_due(sim->broker, (int64_t)sim->now_ms);
        struct sim_event *event = sim->events;
        uint64_t at_ms = event != NULL ? event->at_ms : UINT64_MAX;

        if ((uint64_t)due_ms < at_ms && due_ms != INT64_MAX) {
            event = NULL;
            at_ms = (uint64_t)due_ms > sim->now_ms ? (uint64_t)due_ms : sim->now_ms;
        }
        if (at_ms > until_ms || at_ms == UINT64_MAX) {
            sim->now_ms = until_ms != UINT64_MAX ? until_ms : sim->now_ms;
            return NULL;
        }
        sim->now_ms = at_ms;
        if (event == NULL) {
            sim_broker_run(sim->broker, (int64_t)sim->now_ms);
            collect(sim);
            continue;
        }
        sim->events = event->next;
        if (direction(event->kind) == TO_BROKER) {
            arrives(sim, event);
            collect(sim);
        } else if (!stale(sim, event)) {
            return event;
        }
        sim_event_free(event);
    }
}

void sim_pass(struct sim *sim, uint64_t ms)
{
    const uint64_t until_ms = sim->now_ms + ms;
    struct sim_event *event;

    sim->boot++; /* nobody is there to receive */
    while ((event = sim_run(sim, until_ms)) != NULL)
        sim_event_free(event);
}
