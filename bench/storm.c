#include "storm.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define BATCH 64
/* Kept connections are not to be dropped for their silence. */
#define KEEPALIVE_S 3600
#define FIRST_RETRY_MS 10u
#define LAST_RETRY_MS 640u

enum state {
    CONNECTING,
    SUBSCRIBING,
    HELD,
    LEAVING, /* DISCONNECT is sent: until the broker has closed */
    RETRYING /* no connection: in the wheel */
};

/* One device's connect, from its start until it has left or the storm is over. */
struct storm_visit {
    struct net_client net;       /* first: events lead to it */
    TAILQ_ENTRY(storm_visit) at; /* in under_way by opened_ns, in held, or in the wheel */
    enum state state;
    size_t device;
    uint64_t began_ns,
        opened_ns; /* the latency counts from the first; the time-out from the second */
    unsigned attempts;
    uint64_t acks;
};

static const char *hint_for(const struct storm *s, const struct mqtt_report *r)
{
    const bool closed = r->end == MQTT_END_EOF || r->end == MQTT_END_RESET;

    if (r->end == MQTT_END_TCP && r->sys_errno == EADDRNOTAVAIL)
        return " (one source address has 28,000 ports: --sources)";
    if (r->end == MQTT_END_TLS)
        return " (is the broker's certificate server.pem of --pki?)";
    if (r->end == MQTT_END_ALERT)
        return " (does the broker know ca.pem of --pki, and this certificate?)";
    if ((closed || r->end == MQTT_END_TCP) && s->entered != 0)
        return " (is the broker still there?)";
    if (r->end == MQTT_END_TCP)
        return " (is a broker listening on that port?)";
    if (closed && !r->secured)
        return " (is that port for TLS?)";
    if (closed && r->connack == -1 && !s->o->jit)
        return " (a device on first contact needs --jit)";
    return "";
}

_Noreturn static void give_up(const struct storm *s, struct storm_visit *v, const char *what)
{
    bench_fail("%s %s, after %" PRIu64 " others were in: %s%s", s->fleet.devices[v->device].cn,
               what, s->entered, mqtt_story(v->net.c), hint_for(s, mqtt_report(v->net.c)));
}

static void forget(struct storm *s, struct storm_visit *v)
{
    net_close(&s->net, &v->net);
    s->busy[v->device] = false;
    free(v);
}

/* ---- one connect ----------------------------------------------------------------------------- */

static void on_event(struct storm *s, struct storm_visit *v);

static void attempt(struct storm *s, struct storm_visit *v)
{
    const struct fleet_device *device = &s->fleet.devices[v->device];
    const struct mqtt_tls tls = { .cert = device->cert,
                                  .key = device->key,
                                  .shared = s->fleet.ctx };
    struct mqtt_options with = { .port = (uint16_t)s->o->port,
                                 .tls = &tls,
                                 .client_id = device->cn,
                                 .keepalive_s = KEEPALIVE_S };
    char source[16];

    if (s->o->sources > 1) {
        net_source(s->next_source++ % s->o->sources, source);
        with.source = source;
    }
    v->state = CONNECTING;
    v->attempts++;
    v->opened_ns = bench_now_ns();
    TAILQ_INSERT_TAIL(&s->under_way, v, at);
    net_open(&s->net, &v->net, &with);
    on_event(s, v);
}

static void begin(struct storm *s, uint64_t due_ns)
{
    struct storm_visit *v = bench_alloc(1, sizeof *v);

    while (s->busy[s->next_device] && !s->o->clone)
        s->next_device = (s->next_device + 1) % s->o->devices;
    v->device = s->next_device;
    s->busy[v->device] = true;
    s->next_device = (s->next_device + 1) % s->o->devices;
    v->began_ns = due_ns;
    s->started++;
    s->active++;
    attempt(s, v);
}

static void leave(struct storm *s, struct storm_visit *v)
{
    v->state = LEAVING;
    s->leaving++;
    mqtt_submit_disconnect(v->net.c, 0);
    if (!net_step(&s->net, &v->net)) {
        s->leaving--;
        forget(s, v);
    }
}

/* "cmd/%c/%k": the client id and a number. */
static void write_filter(struct prov_buf *out, const char *pattern, const char *client_id,
                         uint64_t number)
{
    prov_buf_clear(out);
    for (const char *p = pattern; *p != '\0'; p++) {
        if (p[0] == '%' && p[1] == 'c')
            prov_buf_add_str(out, client_id);
        else if (p[0] == '%' && p[1] == 'k')
            prov_buf_addf(out, "%" PRIu64, number);
        else
            prov_buf_add_u8(out, (uint8_t)*p);
        if (p[0] == '%' && (p[1] == 'c' || p[1] == 'k'))
            p++;
    }
}

static void subscribe(const struct storm *s, struct storm_visit *v)
{
    struct prov_buf filter;

    prov_buf_init(&filter, UINT16_MAX);
    for (uint64_t k = 0; k < s->o->subscribe; k++) {
        write_filter(&filter, s->o->filter, s->fleet.devices[v->device].cn, k);
        (void)mqtt_submit_subscribe(v->net.c, prov_buf_cstr(&filter), 0);
    }
    prov_buf_release(&filter);
}

/* All that this connect was for has been done. */
static void completed(struct storm *s, struct storm_visit *v)
{
    TAILQ_REMOVE(&s->under_way, v, at);
    s->active--;
    s->entered++;
    s->entered_ns = bench_now_ns();
    bench_progress("connected", s->entered, s->o->connects);
    if (!s->o->keep) {
        leave(s, v);
        return;
    }
    v->state = HELD;
    TAILQ_INSERT_TAIL(&s->held, v, at);
}

static void on_connack(struct storm *s, struct storm_visit *v)
{
    s->heard_ns = bench_now_ns();
    bench_times_add(&s->times, s->heard_ns - v->began_ns);
    if (v->attempts == 1)
        s->at_once++;
    if (v->attempts > s->attempts_max)
        s->attempts_max = v->attempts;
    if (s->o->subscribe == 0) {
        completed(s, v);
        return;
    }
    v->state = SUBSCRIBING;
    subscribe(s, v);
    (void)net_step(&s->net, &v->net);
}

static void on_subacks(struct storm *s, struct storm_visit *v)
{
    struct mqtt_answer answer;

    while (mqtt_take_answer(v->net.c, 0, &answer)) {
        if (answer.code >= 0x80)
            give_up(s, v, "may not subscribe (see --filter)");
        v->acks++;
    }
    if (v->acks == s->o->subscribe)
        completed(s, v);
    else if (mqtt_fd(v->net.c) == -1)
        give_up(s, v, "was thrown out");
}

/* A jittered wait that doubles with each attempt. */
static void retry_later(struct storm *s, struct storm_visit *v)
{
    const unsigned shift = v->attempts - 1 < 6 ? v->attempts - 1 : 6;
    const unsigned ms = FIRST_RETRY_MS << shift;
    const unsigned wait_ms = ms / 2 + (unsigned)rand_r(&s->seed) % ms;

    _Static_assert(FIRST_RETRY_MS << 6 == LAST_RETRY_MS, "the last wait");
    _Static_assert(LAST_RETRY_MS * 3 / 2 < STORM_WHEEL_MS, "every wait fits into the wheel");
    TAILQ_REMOVE(&s->under_way, v, at);
    net_close(&s->net, &v->net);
    v->state = RETRYING;
    s->waiting++;
    TAILQ_INSERT_TAIL(&s->wheel[(s->wheel_ms + 1 + wait_ms) % STORM_WHEEL_MS], v, at);
}

/* That a clone is not let in is what was to be seen. */
static void count_clone(struct storm *s, struct storm_visit *v)
{
    TAILQ_REMOVE(&s->under_way, v, at);
    s->active--;
    s->turned_away++;
    s->entered++;
    s->entered_ns = bench_now_ns();
    bench_progress("connected", s->entered, s->o->connects);
    forget(s, v);
}

/* The connection has ended, or was answered with a refusal. */
static void on_turned_away(struct storm *s, struct storm_visit *v)
{
    const struct mqtt_report *r = mqtt_report(v->net.c);
    const bool closed = r->end == MQTT_END_EOF || r->end == MQTT_END_RESET;
    const bool dropped = r->secured && r->connack == -1 && closed;

    if (s->o->clone && (closed || r->end == MQTT_END_ALERT || r->connack > 0)) {
        count_clone(s, v);
        return;
    }
    if (!s->o->jit || !dropped)
        give_up(s, v, "did not get in");
    s->dropped++;
    s->heard_ns = bench_now_ns();
    if (v->attempts == 1) {
        s->contacts++;
        s->contact_ns = s->heard_ns;
    }
    retry_later(s, v);
}

static void on_event(struct storm *s, struct storm_visit *v)
{
    const struct mqtt_report *r = mqtt_report(v->net.c);

    switch (v->state) {
    case CONNECTING:
        if (r->connack == 0)
            on_connack(s, v);
        else if (r->connack > 0 || r->end != MQTT_END_NONE)
            on_turned_away(s, v);
        break;
    case SUBSCRIBING:
        on_subacks(s, v);
        break;
    case HELD:
        if (r->end != MQTT_END_NONE)
            give_up(s, v, "was thrown out");
        break;
    case LEAVING:
        if (r->end != MQTT_END_NONE) {
            s->leaving--;
            forget(s, v);
        }
        break;
    case RETRYING:
        break;
    }
}

/* ---- the storm ------------------------------------------------------------------------------- */

static uint64_t due_ns(const struct storm *s)
{
    return s->begin_ns + s->started * 1000000000u / s->o->rate;
}

static void start_what_is_due(struct storm *s)
{
    while (s->started < s->o->connects && s->active < s->o->concurrency &&
           s->leaving < s->o->concurrency) {
        const uint64_t now = bench_now_ns();

        if (s->o->rate != 0 && due_ns(s) > now)
            return;
        begin(s, s->o->rate == 0 ? now : due_ns(s));
        if (s->o->rate == 0 && s->active >= BATCH && s->started % BATCH == 0)
            return; /* so many at a time, so that those under way go on */
    }
}

static void retry_what_is_due(struct storm *s)
{
    const uint64_t now_ms = (bench_now_ns() - s->begin_ns) / 1000000u;

    for (; s->wheel_ms < now_ms; s->wheel_ms++) {
        struct storm_visits *slot = &s->wheel[(s->wheel_ms + 1) % STORM_WHEEL_MS];
        struct storm_visit *v;

        while ((v = TAILQ_FIRST(slot)) != NULL) {
            TAILQ_REMOVE(slot, v, at);
            s->waiting--;
            attempt(s, v);
        }
    }
}

static void give_up_on_the_overdue(struct storm *s)
{
    const uint64_t timeout_ns = s->o->timeout_s * 1000000000u;
    struct storm_visit *v = TAILQ_FIRST(&s->under_way);
    const uint64_t now = bench_now_ns();

    if (v == NULL || now - v->opened_ns < timeout_ns)
        return;
    if (!s->o->jit || now - s->heard_ns > 2 * timeout_ns)
        give_up(s, v, "was not answered");
    s->no_answer++;
    retry_later(s, v);
}

/* How long there is nothing to do but to wait for the broker. */
static uint64_t idle_ns(const struct storm *s)
{
    const uint64_t now = bench_now_ns();
    uint64_t limit = s->waiting != 0 ? 1000000u : 100000000u;

    if (s->started == s->o->connects || s->active >= s->o->concurrency ||
        s->leaving >= s->o->concurrency)
        return limit;
    if (s->o->rate == 0 || due_ns(s) <= now)
        return 0;
    return due_ns(s) - now < limit ? due_ns(s) - now : limit;
}

static void serve(struct storm *s, uint64_t limit_ns)
{
    struct net_client *ready[BATCH];
    const size_t n = net_wait(&s->net, limit_ns, ready, BATCH);

    for (size_t i = 0; i < n; i++) {
        (void)net_step(&s->net, ready[i]);
        on_event(s, (struct storm_visit *)ready[i]);
    }
}

/* Until the broker has closed what was left to it, so that its work on that counts. */
static void settle(struct storm *s)
{
    const uint64_t until = bench_now_ns() + s->o->timeout_s * 1000000000u;

    while (s->leaving != 0) {
        if (bench_now_ns() > until)
            bench_fail("%" PRIu64 " connections are not closed by the broker after DISCONNECT",
                       s->leaving);
        serve(s, 100000000u);
    }
}

void storm_rage(struct storm *s)
{
    s->begin_ns = s->entered_ns = s->contact_ns = s->heard_ns = bench_now_ns();
    while (s->entered < s->o->connects) {
        retry_what_is_due(s);
        start_what_is_due(s);
        serve(s, idle_ns(s));
        give_up_on_the_overdue(s);
    }
    settle(s);
}

void storm_calm(struct storm *s)
{
    struct storm_visit *v;

    while ((v = TAILQ_FIRST(&s->held)) != NULL) {
        TAILQ_REMOVE(&s->held, v, at);
        leave(s, v);
    }
    settle(s);
}

void storm_init(struct storm *s, const struct storm_options *o)
{
    *s = (struct storm){ .o = o, .seed = 1 };
    TAILQ_INIT(&s->under_way);
    TAILQ_INIT(&s->held);
    for (size_t i = 0; i < STORM_WHEEL_MS; i++)
        TAILQ_INIT(&s->wheel[i]);
    s->busy = bench_alloc(o->devices, sizeof *s->busy);
    net_allow_files(2 * o->concurrency + (o->keep ? o->connects : 0));
    net_init(&s->net);
    fleet_load(&s->fleet, o->pki, o->first, o->devices, o->tls_version);
}

void storm_release(struct storm *s)
{
    net_release(&s->net);
    fleet_release(&s->fleet);
    bench_times_release(&s->times);
    free(s->busy);
}
