#include "port.h"

#include <stdlib.h>
#include <string.h>

struct drive {
    const struct port *port;
    struct agent *agent;
    uint64_t timer_ms; /* when it is over; UINT64_MAX: none */
    bool ended;
    enum agent_class class;
};

static struct agent_now now_of(const struct port *port)
{
    return (struct agent_now){ port->mono_ms(port->self), port->wall_s(port->self),
                               port->random(port->self) };
}

static void tell(struct drive *d, struct agent_event *event)
{
    event->now = now_of(d->port);
    agent_event(d->agent, event);
}

/* ---- actions --------------------------------------------------------------------------------- */

/* Carries out an action on this device; what its DONE is to have is in *event. */
typedef void doer(struct drive *d, const struct agent_action *act, struct agent_event *event,
                  struct port_result *result);

static void do_save(struct drive *d, const struct agent_action *act, struct agent_event *event,
                    struct port_result *result)
{
    uint8_t record[AGENT_STATE_MAX];
    const size_t n = agent_state_write(agent_record(d->agent), record);

    (void)act;
    (void)event;
    if (n == 0)
        port_fail(result, AGENT_LOCAL, "the state contradicts itself: please report this");
    else
        d->port->save(d->port->self, (struct agent_span){ record, n }, result);
    memset(record, 0, sizeof record);
}

static void do_make_key(struct drive *d, const struct agent_action *act, struct agent_event *event,
                        struct port_result *result)
{
    (void)event;
    d->port->make_key(d->port->self, act->slot, act->own_key, result);
}

static void do_make_csr(struct drive *d, const struct agent_action *act, struct agent_event *event,
                        struct port_result *result)
{
    d->port->make_csr(d->port->self, act->slot, &event->text, result);
}

static void do_store_cert(struct drive *d, const struct agent_action *act,
                          struct agent_event *event, struct port_result *result)
{
    d->port->store_cert(d->port->self, act->slot, act->payload, act->key, &event->slot, result);
}

static void do_store_config(struct drive *d, const struct agent_action *act,
                            struct agent_event *event, struct port_result *result)
{
    (void)event;
    d->port->store_config(d->port->self, act->slot, act->payload, result);
}

static void do_adopt(struct drive *d, const struct agent_action *act, struct agent_event *event,
                     struct port_result *result)
{
    d->port->adopt(d->port->self, act->slot, &event->slot, result);
}

static void do_promote(struct drive *d, const struct agent_action *act, struct agent_event *event,
                       struct port_result *result)
{
    (void)event;
    d->port->promote(d->port->self, act->slot, result);
}

static void do_drop(struct drive *d, const struct agent_action *act, struct agent_event *event,
                    struct port_result *result)
{
    (void)event;
    d->port->drop(d->port->self, act->slot, result);
}

static void do_connect(struct drive *d, const struct agent_action *act, struct agent_event *event,
                       struct port_result *result)
{
    (void)event;
    d->port->connect(d->port->self, act->slot, act->client_id, result);
}

static void do_subscribe(struct drive *d, const struct agent_action *act, struct agent_event *event,
                         struct port_result *result)
{
    (void)event;
    d->port->subscribe(d->port->self, act->topics, act->n_topics, result);
}

static void do_publish(struct drive *d, const struct agent_action *act, struct agent_event *event,
                       struct port_result *result)
{
    (void)event;
    d->port->publish(d->port->self, act->topics[0], act->payload, result);
}

static void do_disconnect(struct drive *d, const struct agent_action *act,
                          struct agent_event *event, struct port_result *result)
{
    (void)act;
    (void)event;
    (void)result;
    d->port->disconnect(d->port->self);
}

static void do_announce(struct drive *d, const struct agent_action *act, struct agent_event *event,
                        struct port_result *result)
{
    (void)event;
    d->port->announce(d->port->self, act->announce, d->agent, result);
}

static void do_timer(struct drive *d, const struct agent_action *act, struct agent_event *event,
                     struct port_result *result)
{
    (void)event;
    (void)result;
    d->timer_ms = UINT64_MAX;
    if (act->ms != AGENT_NO_TIMER)
        d->timer_ms = d->port->mono_ms(d->port->self) + act->ms;
}

static void do_tell(struct drive *d, const struct agent_action *act, struct agent_event *event,
                    struct port_result *result)
{
    (void)act;
    (void)event;
    (void)result;
    d->port->tell(d->port->self, d->agent);
}

static void do_end(struct drive *d, const struct agent_action *act, struct agent_event *event,
                   struct port_result *result)
{
    (void)event;
    (void)result;
    d->ended = true;
    d->class = act->class;
}

static const struct {
    doer *run;
    enum {
        NO_END,    /* nobody waits for it */
        ENDS_NOW,  /* when run returns */
        ENDS_LATER /* with an event, unless it could not begin */
    } end;
} rows[] = {
    [AGENT_ACT_SAVE] = { do_save, ENDS_NOW },
    [AGENT_ACT_MAKE_KEY] = { do_make_key, ENDS_NOW },
    [AGENT_ACT_MAKE_CSR] = { do_make_csr, ENDS_NOW },
    [AGENT_ACT_STORE_CERT] = { do_store_cert, ENDS_NOW },
    [AGENT_ACT_STORE_CONFIG] = { do_store_config, ENDS_NOW },
    [AGENT_ACT_ADOPT] = { do_adopt, ENDS_NOW },
    [AGENT_ACT_PROMOTE] = { do_promote, ENDS_NOW },
    [AGENT_ACT_DROP] = { do_drop, ENDS_NOW },
    [AGENT_ACT_CONNECT] = { do_connect, ENDS_LATER },
    [AGENT_ACT_SUBSCRIBE] = { do_subscribe, ENDS_LATER },
    [AGENT_ACT_PUBLISH] = { do_publish, ENDS_LATER },
    [AGENT_ACT_DISCONNECT] = { do_disconnect, ENDS_LATER },
    [AGENT_ACT_ANNOUNCE] = { do_announce, ENDS_LATER },
    [AGENT_ACT_TIMER] = { do_timer, NO_END },
    [AGENT_ACT_TELL] = { do_tell, NO_END },
    [AGENT_ACT_END] = { do_end, NO_END },
};
_Static_assert(sizeof rows / sizeof rows[0] == AGENT_ACTIONS, "an action is not carried out");

static void carry_out(struct drive *d, const struct agent_action *act)
{
    struct port_result result = { .class = AGENT_OK };
    struct agent_event event = { .kind = AGENT_EV_DONE, .act = act->kind };

    rows[act->kind].run(d, act, &event, &result);
    if (result.class != AGENT_OK) {
        event.kind = AGENT_EV_FAILED;
        event.class = result.class;
        event.text = result.text;
    }
    if (rows[act->kind].end == ENDS_NOW ||
        (rows[act->kind].end == ENDS_LATER && result.class != AGENT_OK))
        tell(d, &event);
}

/* ---- the loop -------------------------------------------------------------------------------- */

static uint32_t ms_left(const struct drive *d)
{
    const uint64_t now_ms = d->port->mono_ms(d->port->self);

    if (d->timer_ms == UINT64_MAX)
        return AGENT_NO_TIMER;
    return d->timer_ms > now_ms ? (uint32_t)(d->timer_ms - now_ms) : 0;
}

enum agent_class port_drive(const struct port *port, struct agent *agent)
{
    struct drive d = { .port = port, .agent = agent, .timer_ms = UINT64_MAX };
    struct agent_action act;
    struct agent_event event;

    for (;;) {
        while (!d.ended && agent_next(agent, &act))
            carry_out(&d, &act);
        if (d.ended)
            return d.class;
        memset(&event, 0, sizeof event);
        if (!port->wait(port->self, ms_left(&d), &event)) {
            d.timer_ms = UINT64_MAX;
            event = (struct agent_event){ .kind = AGENT_EV_TIMER };
        }
        tell(&d, &event);
    }
}
