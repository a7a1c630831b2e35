#include "flood.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#define BATCH 256
#define KEEPALIVE_S 3600

struct flood_end {
    struct net_client net; /* first: events lead to it */
    struct flood *f;
    size_t index; /* among the senders or the receivers */
    char id[FLEET_CN_MAX], own_topic[FLEET_CN_MAX + 16];
    const char *topic;
    uint32_t number; /* of its next message */
};

_Noreturn static void give_up(const struct flood_end *e, const char *what)
{
    const struct flood *f = e->f;

    bench_fail("%s %s, when %" PRIu64 " of %" PRIu64 " messages had gone out: %s", e->id, what,
               f->sent, f->o->messages, mqtt_story(e->net.c));
}

/* ---- messages -------------------------------------------------------------------------------- */

/* The message's first bytes. Within one program, so in its own byte order. */
struct stamp {
    uint32_t sender, number;
    uint64_t since_ns; /* when it was sent, or was due */
};
_Static_assert(sizeof(struct stamp) == FLOOD_SIZE_MIN, "every message holds a stamp");

/* Publications are numbered; every receiver has all before this one, so that they complete in
 * order.
 */
static void count_arrival(struct flood *f, uint32_t number)
{
    uint32_t *arrived = &f->arrived[number % f->o->window];

    if (f->receivers_n > 1 && ++*arrived < f->receivers_n)
        return;
    *arrived = 0;
    f->complete++;
}

static void on_message(void *ctx, const struct mqtt_view *message)
{
    struct flood_end *e = ctx;
    struct flood *f = e->f;
    struct stamp stamp;
    uint32_t *expected;

    if (message->payload.n != f->o->size)
        give_up(e, "received a message of another size");
    memcpy(&stamp, message->payload.p, sizeof stamp);
    if (stamp.sender >= f->senders_n)
        give_up(e, "received a message of a stranger");
    expected = &f->expected[e->index * f->senders_n + stamp.sender];
    if (stamp.number != *expected)
        bench_fail("%s received message %" PRIu32 " of %s in place of %" PRIu32
                   ": messages are lost, doubled or out of order",
                   e->id, stamp.number, f->senders[stamp.sender].id, *expected);
    (*expected)++;
    f->heard_ns = bench_now_ns();
    f->delivered++;
    if (stamp.number % f->receivers_n == e->index)
        bench_times_add(&f->times, f->heard_ns - stamp.since_ns);
    count_arrival(f, stamp.number);
}

static void publish(struct flood *f, struct flood_end *sender, uint64_t since_ns)
{
    const struct stamp stamp = { (uint32_t)sender->index, sender->number++, since_ns };
    const struct mqtt_publish message = { .topic = sender->topic,
                                          .payload = prov_span(f->payload, f->o->size),
                                          .qos = (uint8_t)f->o->qos };

    memcpy(f->payload, &stamp, sizeof stamp);
    (void)mqtt_submit_publish(sender->net.c, &message);
    f->sent++;
}

/* ---- connecting ------------------------------------------------------------------------------ */

/* device: NULL for plain TCP. */
static void connect_end(struct flood *f, struct flood_end *e, const struct fleet_device *device,
                        SSL_CTX *ctx, uint64_t port)
{
    struct mqtt_tls tls = { .shared = ctx };
    struct mqtt_options with = { .port = (uint16_t)port,
                                 .client_id = e->id,
                                 .keepalive_s = KEEPALIVE_S,
                                 .on_message = on_message,
                                 .ctx = e,
                                 .wait_ms = (int64_t)f->o->timeout_s * 1000 };
    struct mqtt *c;

    if (device != NULL) {
        tls.cert = device->cert;
        tls.key = device->key;
        with.tls = &tls;
    }
    e->f = f;
    c = mqtt_start(&with);
    if (c == NULL)
        bench_fail("a client cannot be made: out of memory");
    if (mqtt_wait_connack(c) != 0)
        bench_fail("%s cannot connect to port %" PRIu64 ": %s%s", e->id, port, mqtt_story(c),
                   device == NULL ? " (without TLS)" : " (its certificate must be known by now)");
    net_adopt(&f->net, &e->net, c);
}

static void connect_clients(struct flood *f)
{
    for (size_t i = 0; i < f->o->clients; i++) {
        const struct fleet_device *device = f->o->pki == NULL ? NULL : &f->fleet.devices[i];
        struct flood_end *e = &f->ends[i];

        if (device == NULL)
            (void)snprintf(e->id, sizeof e->id, "bench-%07zu", i);
        else
            (void)prov_span_copy(prov_span_str(device->cn), e->id, sizeof e->id);
        connect_end(f, e, device, f->fleet.ctx, f->o->port);
        bench_progress("connected", i, f->o->clients);
    }
    bench_progress_clear();
}

static void connect_peer(struct flood *f)
{
    struct flood_end *e = &f->ends[f->o->clients];

    if (!f->o->peer_has_cert) {
        (void)prov_span_copy(prov_span_str(FLOOD_PEER_ID), e->id, sizeof e->id);
        connect_end(f, e, NULL, NULL, f->o->peer_port);
        return;
    }
    fleet_load(&f->peer_fleet, f->o->pki, f->o->peer_cert, 1, f->o->tls_version);
    (void)prov_span_copy(prov_span_str(f->peer_fleet.devices[0].cn), e->id, sizeof e->id);
    connect_end(f, e, &f->peer_fleet.devices[0], f->peer_fleet.ctx, f->o->port);
}

static void subscribe_receivers(struct flood *f)
{
    const char *filter = f->o->mode == FLOOD_FAN_IN ? "dt/#" : f->o->topic;

    for (size_t i = 0; i < f->receivers_n; i++) {
        struct flood_end *e = &f->receivers[i];
        const int code = mqtt_subscribe(e->net.c, filter, (uint8_t)f->o->qos);

        e->index = i;
        if (code < 0 || code >= 0x80)
            bench_fail("%s may not subscribe to %s: %s", e->id, filter, mqtt_story(e->net.c));
    }
}

static void name_topics(struct flood *f)
{
    for (size_t i = 0; i < f->senders_n; i++) {
        struct flood_end *e = &f->senders[i];

        e->index = i;
        (void)snprintf(e->own_topic, sizeof e->own_topic, "dt/%s/data", e->id);
        e->topic = f->o->mode == FLOOD_FAN_OUT ? f->o->topic : e->own_topic;
    }
}

void flood_init(struct flood *f, const struct flood_options *o)
{
    const bool in = o->mode == FLOOD_FAN_IN, out = o->mode == FLOOD_FAN_OUT;

    *f = (struct flood){ .o = o };
    net_allow_files(o->clients + 1);
    net_init(&f->net);
    f->ends = bench_alloc(o->clients + 1, sizeof *f->ends);
    f->payload = bench_alloc(o->size, 1);
    if (o->pki != NULL)
        fleet_load(&f->fleet, o->pki, o->first, o->clients, o->tls_version);
    f->senders = out ? f->ends + o->clients : f->ends;
    f->senders_n = out ? 1 : o->clients;
    f->receivers = in ? f->ends + o->clients : f->ends;
    f->receivers_n = in ? 1 : out ? o->clients : 0;
    f->expected = bench_alloc(f->senders_n * f->receivers_n, sizeof *f->expected);
    f->arrived = bench_alloc(o->window, sizeof *f->arrived);
    connect_clients(f);
    if (in || out)
        connect_peer(f);
    subscribe_receivers(f);
    name_topics(f);
}

void flood_release(struct flood *f)
{
    for (size_t i = 0; i <= f->o->clients; i++) {
        if (f->ends[i].net.c != NULL)
            (void)mqtt_goodbye(f->ends[i].net.c);
        net_close(&f->net, &f->ends[i].net);
    }
    net_release(&f->net);
    fleet_release(&f->fleet);
    fleet_release(&f->peer_fleet);
    bench_times_release(&f->times);
    free(f->payload);
    free(f->expected);
    free(f->arrived);
    free(f->ends);
}

/* ---- the flood ------------------------------------------------------------------------------- */

static uint64_t due_ns(const struct flood *f)
{
    return f->begin_ns + f->sent * 1000000000u / f->o->rate;
}

static bool may_send(const struct flood *f, uint64_t now)
{
    return f->sent < f->o->messages && f->sent - f->complete < f->o->window &&
           (f->o->rate == 0 || due_ns(f) <= now);
}

/* Where nobody listens, nothing tells what has arrived but the acknowledgements; without them the
 * socket's own pace must do.
 */
static void complete_unheard(struct flood *f)
{
    const struct flood_end *only = &f->senders[0];

    if (f->o->mode != FLOOD_CHECK)
        return;
    if (f->o->qos != 0)
        f->complete = f->acked;
    else if ((mqtt_wants(only->net.c) & POLLOUT) == 0)
        f->complete = f->sent;
}

/* The senders take turns; each then sends all its messages at once. */
static void send_what_may_go(struct flood *f)
{
    const uint64_t now = bench_now_ns();
    const size_t first = f->next_sender;
    size_t n = 0;

    for (; may_send(f, now); n++) {
        publish(f, &f->senders[f->next_sender], f->o->rate == 0 ? now : due_ns(f));
        f->next_sender = (f->next_sender + 1) % f->senders_n;
    }
    for (size_t i = 0; i < n && i < f->senders_n; i++)
        net_send(&f->net, &f->senders[(first + i) % f->senders_n].net);
    complete_unheard(f);
}

static void take_acks(struct flood *f, struct flood_end *e)
{
    struct mqtt_answer answer;

    while (mqtt_take_answer(e->net.c, 0, &answer)) {
        if (answer.code != 0)
            give_up(e, "was refused a publish");
        f->acked++;
        f->heard_ns = bench_now_ns();
    }
}

static void serve(struct flood *f, uint64_t limit_ns)
{
    struct net_client *ready[BATCH];
    const size_t n = net_wait(&f->net, limit_ns, ready, BATCH);

    for (size_t i = 0; i < n; i++) {
        struct flood_end *e = (struct flood_end *)ready[i];

        if (!net_step(&f->net, ready[i]))
            give_up(e, "was thrown out");
        take_acks(f, e);
    }
    complete_unheard(f);
    if (bench_now_ns() - f->heard_ns > f->o->timeout_s * 1000000000u)
        bench_fail("%" PRIu64 " of %" PRIu64 " messages went out, %" PRIu64
                   " deliveries came in, and now nothing moves (may these clients publish there, "
                   "and the others receive it? Does the broker queue %" PRIu64 " messages?)",
                   f->sent, f->o->messages, f->delivered, f->o->window);
}

static bool done(const struct flood *f)
{
    return f->complete == f->o->messages && (f->o->qos == 0 || f->acked == f->o->messages);
}

static uint64_t idle_ns(const struct flood *f)
{
    static const uint64_t limit_ns = 100000000u;
    const uint64_t now = bench_now_ns();

    if (may_send(f, now) || done(f))
        return 0;
    if (f->o->rate == 0 || f->sent == f->o->messages || due_ns(f) <= now)
        return limit_ns;
    return due_ns(f) - now < limit_ns ? due_ns(f) - now : limit_ns;
}

/* The answer to a ping comes after everything that was sent before it has been dealt with. */
static void ping_through(struct flood *f)
{
    struct flood_end *only = &f->senders[0];

    f->heard_ns = bench_now_ns();
    mqtt_submit_ping(only->net.c);
    net_send(&f->net, &only->net);
    while (mqtt_pongs(only->net.c) == 0)
        serve(f, 100000000u);
}

void flood_run(struct flood *f)
{
    f->begin_ns = f->heard_ns = bench_now_ns();
    while (!done(f)) {
        send_what_may_go(f);
        if (f->o->mode == FLOOD_CHECK && f->o->qos == 0)
            f->heard_ns = bench_now_ns(); /* nothing is to be heard */
        serve(f, idle_ns(f));
        bench_progress("messages", f->complete, f->o->messages);
    }
    if (f->o->mode == FLOOD_CHECK)
        ping_through(f);
    f->end_ns = bench_now_ns();
}
