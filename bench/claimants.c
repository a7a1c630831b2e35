#include "claimants.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/x509.h>

#define BATCH 64
/* Kept connections are not to be dropped for their silence. */
#define KEEPALIVE_S 3600

enum state {
    IDLE, /* connected or not, by the way it goes */
    CONNECTING,
    CREATING,
    REGISTERING,
    LEAVING, /* DISCONNECT is sent: until the broker has closed */
    JOINING, /* with its own certificate */
    PARTING  /* has joined, and leaves */
};

/* One connection at a time, and one device at a time. */
struct claimant {
    struct net_client net; /* first: events lead to it */
    struct claimants *all;
    enum state state;
    size_t device;
    uint64_t began_ns, asked_ns; /* when the device was due; when the request went out */
    bool answered;
    char id[32], token[REQUEST_TOKEN_MAX];
    size_t token_n;
    X509 *cert; /* of a device that is to join */
};

_Noreturn static void give_up(const struct claimant *who, const char *what)
{
    const struct mqtt_report *r = mqtt_report(who->net.c);
    const char *hint = "";

    if (r->connack == -1)
        hint = " (is the claim certificate registered, and ACTIVE?)";
    bench_fail("%s %s, after %" PRIu64 " others were provisioned: %s%s", who->id, what,
               who->all->done, mqtt_story(who->net.c), hint);
}

/* ---- answers --------------------------------------------------------------------------------- */

static bool ends_with(struct prov_span s, const char *end)
{
    const size_t n = strlen(end);

    return s.n >= n && memcmp(s.p + s.n - n, end, n) == 0;
}

static void take_created(struct claimant *who, struct prov_span answer)
{
    const enum request_format format = who->all->o->format;
    const struct prov_span token = request_text(format, answer, "certificateOwnershipToken");

    if (token.n == 0 || token.n > sizeof who->token)
        give_up(who, "was accepted without a token");
    memcpy(who->token, token.p, token.n);
    who->token_n = token.n;
    if (who->all->o->way == CLAIMANTS_JOIN)
        who->cert = request_cert(format, answer);
}

static void check_registered(const struct claimant *who, struct prov_span answer)
{
    const char *serial = who->all->requests.devices[who->device].serial;

    if (!ends_with(request_text(who->all->o->format, answer, "thingName"), serial))
        give_up(who, "was registered as somebody else");
}

/* Within mqtt_step: what follows is for on_event. */
static void on_message(void *ctx, const struct mqtt_view *message)
{
    struct claimant *who = ctx;
    struct prov_span why;

    if (!ends_with(message->topic, "/accepted")) {
        why = request_text(who->all->o->format, message->payload, "errorMessage");
        bench_fail("%s was rejected, after %" PRIu64 " others were provisioned: %.*s", who->id,
                   who->all->done, PROV_SPAN_ARG(why));
    }
    if (who->answered || (who->state != CREATING && who->state != REGISTERING))
        give_up(who, "was answered without asking");
    who->answered = true;
    who->all->heard_ns = bench_now_ns();
    if (who->state == CREATING)
        take_created(who, message->payload);
    else
        check_registered(who, message->payload);
}

/* ---- one device ------------------------------------------------------------------------------ */

static void on_event(struct claimant *who);

static void connect_as(struct claimant *who, X509 *cert, EVP_PKEY *key, const char *client_id)
{
    struct claimants *c = who->all;
    const struct mqtt_tls tls = { .cert = cert, .key = key, .shared = c->fleet.ctx };
    const struct mqtt_options with = { .port = (uint16_t)c->o->port,
                                       .tls = &tls,
                                       .client_id = client_id,
                                       .keepalive_s = KEEPALIVE_S,
                                       .on_message = on_message,
                                       .ctx = who,
                                       .wait_ms = (int64_t)c->o->timeout_s * 1000 };

    net_open(&c->net, &who->net, &with);
}

static void connect_by_claim(struct claimant *who)
{
    const struct fleet_device *claim = &who->all->fleet.devices[0];

    connect_as(who, claim->cert, claim->key, who->id);
}

static void ask(struct claimant *who, enum state state, const char *topic, struct prov_span payload)
{
    const struct mqtt_publish message = { .topic = topic,
                                          .payload = payload,
                                          .qos = (uint8_t)who->all->o->qos };

    who->state = state;
    who->answered = false;
    who->asked_ns = bench_now_ns();
    (void)mqtt_submit_publish(who->net.c, &message);
    net_send(&who->all->net, &who->net);
}

static void create(struct claimant *who)
{
    struct claimants *c = who->all;

    ask(who, CREATING, c->create_topic, prov_buf_span(&c->requests.devices[who->device].create));
}

static void begin(struct claimants *c, uint64_t due_ns)
{
    struct claimant *who = c->idle[--c->idle_n];

    who->device = c->started++;
    who->began_ns = due_ns;
    if (c->o->way == CLAIMANTS_STAY) {
        create(who);
        return;
    }
    who->state = CONNECTING;
    connect_by_claim(who);
    on_event(who);
}

static void rest(struct claimant *who)
{
    who->state = IDLE;
    who->all->idle[who->all->idle_n++] = who;
}

static void leave(struct claimant *who, enum state state)
{
    who->state = state;
    mqtt_submit_disconnect(who->net.c, 0);
    if (!net_step(&who->all->net, &who->net))
        on_event(who);
}

/* All that this device came for has been done. */
static void completed(struct claimant *who)
{
    struct claimants *c = who->all;

    c->done++;
    c->end_ns = bench_now_ns();
    bench_times_add(&c->exchanges, c->end_ns - who->began_ns);
    bench_progress("provisioned", c->done, c->o->devices);
}

static void provisioned(struct claimant *who)
{
    if (who->all->o->way != CLAIMANTS_JOIN)
        completed(who);
    if (who->all->o->way == CLAIMANTS_STAY)
        rest(who);
    else
        leave(who, LEAVING);
}

static void on_created(struct claimant *who)
{
    struct claimants *c = who->all;

    bench_times_add(&c->creates, c->heard_ns - who->asked_ns);
    if (c->o->create_only) {
        provisioned(who);
        return;
    }
    request_registration(&c->requests, &c->requests.devices[who->device],
                         prov_span(who->token, who->token_n), &c->payload);
    ask(who, REGISTERING, c->register_topic, prov_buf_span(&c->payload));
}

static void join(struct claimant *who)
{
    const struct request_device *device = &who->all->requests.devices[who->device];
    char name[32];

    (void)snprintf(name, sizeof name, "dev-%s", device->serial);
    who->state = JOINING;
    connect_as(who, who->cert, device->key, name);
    X509_free(who->cert);
    who->cert = NULL;
    on_event(who);
}

/* The broker has closed. */
static void on_left(struct claimant *who)
{
    net_close(&who->all->net, &who->net);
    if (who->state == LEAVING && who->all->o->way == CLAIMANTS_JOIN)
        join(who);
    else
        rest(who);
}

static void on_answer(struct claimant *who)
{
    struct mqtt_answer ack;

    while (mqtt_take_answer(who->net.c, 0, &ack))
        ;
    if (!who->answered)
        return;
    if (who->state == CREATING) {
        on_created(who);
        return;
    }
    bench_times_add(&who->all->registers, who->all->heard_ns - who->asked_ns);
    provisioned(who);
}

static void on_event(struct claimant *who)
{
    const struct mqtt_report *r = mqtt_report(who->net.c);

    if (r->end != MQTT_END_NONE) {
        if (who->state != LEAVING && who->state != PARTING)
            give_up(who, "was thrown out");
        on_left(who);
        return;
    }
    switch (who->state) {
    case CONNECTING:
        if (r->connack == 0)
            create(who);
        break;
    case JOINING:
        if (r->connack == 0) {
            completed(who);
            leave(who, PARTING);
        }
        break;
    case CREATING:
    case REGISTERING:
        on_answer(who);
        break;
    case IDLE:
    case LEAVING:
    case PARTING:
        break;
    }
}

/* ---- all of them ----------------------------------------------------------------------------- */

static uint64_t due_ns(const struct claimants *c)
{
    return c->o->rate == 0 ? c->begin_ns : c->begin_ns + c->started * 1000000000u / c->o->rate;
}

static void start_what_is_due(struct claimants *c)
{
    while (c->started < c->o->devices && c->idle_n != 0) {
        const uint64_t now = bench_now_ns();

        if (c->o->rate != 0 && due_ns(c) > now)
            return;
        begin(c, c->o->rate != 0 ? due_ns(c) : now);
    }
}

/* How long there is nothing to do but to wait for the broker. */
static uint64_t idle_ns(const struct claimants *c)
{
    const uint64_t limit = 100000000u, now = bench_now_ns();

    if (c->started == c->o->devices || c->idle_n == 0)
        return limit;
    if (due_ns(c) <= now)
        return 0;
    return due_ns(c) - now < limit ? due_ns(c) - now : limit;
}

static void serve(struct claimants *c, uint64_t limit_ns)
{
    struct net_client *ready[BATCH];
    const size_t n = net_wait(&c->net, limit_ns, ready, BATCH);

    for (size_t i = 0; i < n; i++) {
        (void)net_step(&c->net, ready[i]);
        on_event((struct claimant *)ready[i]);
    }
    if (c->idle_n < c->o->sessions && bench_now_ns() - c->heard_ns > c->o->timeout_s * 1000000000u)
        bench_fail("no answer for %" PRIu64 " s, after %" PRIu64 " devices were provisioned",
                   c->o->timeout_s, c->done);
}

void claimants_run(struct claimants *c)
{
    c->begin_ns = c->end_ns = c->heard_ns = bench_now_ns();
    while (c->done < c->o->devices || c->idle_n < c->o->sessions) {
        start_what_is_due(c);
        serve(c, idle_ns(c));
    }
}

static void write_topics(struct claimants *c)
{
    const char *format = c->o->format == REQUEST_JSON ? "json" : "cbor";

    (void)snprintf(c->create_topic, sizeof c->create_topic, "$aws/certificates/create%s/%s",
                   c->o->keys ? "" : "-from-csr", format);
    (void)snprintf(c->register_topic, sizeof c->register_topic,
                   "$aws/provisioning-templates/%.36s/provision/%s", c->o->template_name, format);
}

static void stay(struct claimant *who)
{
    connect_by_claim(who);
    if (mqtt_wait_connack(who->net.c) != 0)
        give_up(who, "did not get in");
    bench_progress("connected", (uint64_t)(who - who->all->all), who->all->o->sessions);
}

void claimants_init(struct claimants *c, const struct claimants_options *o)
{
    *c = (struct claimants){ .o = o };
    prov_buf_init(&c->payload, 4096);
    write_topics(c);
    net_allow_files(2 * o->sessions);
    net_init(&c->net);
    fleet_load(&c->fleet, o->pki, o->claim, 1, o->tls_version);
    requests_init(&c->requests, o->format, o->first, o->devices, !o->keys);
    c->all = bench_alloc(o->sessions, sizeof *c->all);
    c->idle = bench_alloc(o->sessions, sizeof(struct claimant *));
    for (size_t i = o->sessions; i > 0; i--) {
        struct claimant *who = &c->all[i - 1];

        who->all = c;
        (void)snprintf(who->id, sizeof who->id, "claimant-%05zu", i - 1);
        if (o->way == CLAIMANTS_STAY)
            stay(who);
        rest(who);
    }
    bench_progress_clear();
}

void claimants_release(struct claimants *c)
{
    for (size_t i = 0; i < c->o->sessions; i++) {
        if (c->all[i].net.c != NULL)
            (void)mqtt_goodbye(c->all[i].net.c);
        net_close(&c->net, &c->all[i].net);
    }
    free(c->all);
    free(c->idle);
    net_release(&c->net);
    fleet_release(&c->fleet);
    requests_release(&c->requests);
    prov_buf_release(&c->payload);
    bench_times_release(&c->creates);
    bench_times_release(&c->registers);
    bench_times_release(&c->exchanges);
}
