/* The device: struct port over the real storage on a disk in memory, and over the simulated link.
 */
#include "sim/sim.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <openssl/x509.h>

#include "core/ident.h"

#define ANNOUNCE_MS 200     /* until the others have heard */
#define KEEP_ALIVE_MS 45000 /* until a broker notices that nobody is there any more */
#define TRANSIT_MS 4000     /* what was half sent when the power went may still come, so late */

static const uint8_t device[AGENT_DEVICE_LEN] = SIM_DEVICE;

/* ---- storage --------------------------------------------------------------------------------- */

static void note(struct sim *sim, const char *what, uint32_t slot, const struct port_result *result)
{
    sim_leave_if_off(sim);
    if (result->class == AGENT_OK && sim->stored != NULL)
        sim->stored(sim, what, slot);
}

static void port_save(void *self, struct agent_span record, struct port_result *result)
{
    struct sim *sim = self;
    struct agent_state state;

    sim_leave_if_off(sim);
    if (agent_state_read(record, device, &state) != AGENT_STATE_GOOD)
        sim_fail(sim, "a record is saved that would not be read again");
    store_port.save(sim->store, record, result);
    sim_leave_if_off(sim);
    if (result->class == AGENT_OK && sim->saved != NULL)
        sim->saved(sim, &state);
}

static void port_make_key(void *self, uint32_t slot, bool own_key, struct port_result *result)
{
    struct sim *sim = self;

    sim_leave_if_off(sim);
    store_port.make_key(sim->store, slot, own_key, result);
    note(sim, "key", slot, result);
}

static void port_make_csr(void *self, uint32_t slot, const char **csr, struct port_result *result)
{
    struct sim *sim = self;

    sim_leave_if_off(sim);
    store_port.make_csr(sim->store, slot, csr, result);
    note(sim, "request", slot, result);
}

static void port_store_cert(void *self, uint32_t slot, struct agent_span cert,
                            struct agent_span key, struct agent_slot *out,
                            struct port_result *result)
{
    struct sim *sim = self;

    sim_leave_if_off(sim);
    store_port.store_cert(sim->store, slot, cert, key, out, result);
    note(sim, "certificate", slot, result);
}

static void port_store_config(void *self, uint32_t slot, struct agent_span json,
                              struct port_result *result)
{
    struct sim *sim = self;

    sim_leave_if_off(sim);
    store_port.store_config(sim->store, slot, json, result);
    note(sim, "configuration", slot, result);
}

static void port_adopt(void *self, uint32_t slot, struct agent_slot *out,
                       struct port_result *result)
{
    struct sim *sim = self;

    sim_leave_if_off(sim);
    store_port.adopt(sim->store, slot, out, result);
    note(sim, "adoption", slot, result);
}

static void port_promote(void *self, uint32_t slot, struct port_result *result)
{
    struct sim *sim = self;

    sim_leave_if_off(sim);
    store_port.promote(sim->store, slot, result);
    note(sim, "promotion", slot, result);
}

static void port_drop(void *self, uint32_t slot, struct port_result *result)
{
    struct sim *sim = self;

    sim_leave_if_off(sim);
    store_port.drop(sim->store, slot, result);
    note(sim, "drop", slot, result);
}

/* ---- the network ----------------------------------------------------------------------------- */

/* Sends, unless the power goes before; what is half out may still be complete in some buffer. */
static void send(struct sim *sim, struct sim_event *event)
{
    const enum sim_way way = sim_effect(sim, false);

    switch (way) {
    case SIM_GOES:
        sim_send(sim, event);
        return;
    case SIM_CUT_BEFORE:
        sim_event_free(event);
        sim_power_off(sim, SIM_CLOSE_MS);
        break;
    case SIM_CUT_HALFWAY:
        sim_post(sim, event, sim_between(&sim->rng, 0, TRANSIT_MS));
        sim_power_off(sim, KEEP_ALIVE_MS);
        break;
    case SIM_CUT_AFTER:
        sim_send(sim, event);
        sim_power_off(sim, KEEP_ALIVE_MS);
        break;
    }
    sim_leave_if_off(sim);
}

X509 *sim_identity(struct sim *sim, struct store *store, uint32_t slot)
{
    char cert[AGENT_MAX_CERT], key[AGENT_MAX_KEY];
    struct agent_text cert_text = { cert, 0, sizeof cert }, key_text = { key, 0, sizeof key };
    struct port_result result = { .class = AGENT_OK };
    struct agent_span cert_span, key_span;
    struct agent_slot fit;

    if (store_load(store, slot, &cert_text, &key_text, &result) != AGENT_OK)
        return NULL;
    cert_span = (struct agent_span){ (const uint8_t *)cert, cert_text.n };
    key_span = (struct agent_span){ (const uint8_t *)key, key_text.n };
    if (keys_fit(&sim->store_conf->keys, cert_span, key_span, &fit, &result) != AGENT_OK)
        return NULL;
    return sim_decode(cert_span);
}

bool sim_identity_is(struct sim *sim, struct store *store, uint32_t slot)
{
    X509 *leaf = sim_identity(sim, store, slot);

    X509_free(leaf);
    return leaf != NULL;
}

/* The client gives up by itself, unless it is connected by then. */
static void give_up_later(struct sim *sim)
{
    struct sim_event *event = sim_event_new(sim, SIM_CONNECTED);

    event->class = AGENT_NETWORK;
    (void)snprintf(event->text, sizeof event->text, "no answer");
    sim_post(sim, event, 35000);
}

static void port_connect(void *self, uint32_t slot, const char *client_id,
                         struct port_result *result)
{
    struct sim *sim = self;
    struct sim_event *event;
    X509 *leaf;

    sim_leave_if_off(sim);
    if (sim->linked)
        sim_fail(sim, "a connection while there is one");
    if (sim->now_ms < sim->boot_ms + sim->clock_ms) {
        (void)port_fail(result, AGENT_CLOCK, "the clock is not set");
        return;
    }
    leaf = sim_identity(sim, sim->store, slot);
    if (leaf == NULL) {
        (void)port_fail(result, AGENT_LOCAL, "no certificate with its key in slot %u",
                        (unsigned)slot);
        return;
    }
    sim->link++;
    sim->linked = sim->connecting = true;
    sim->slot = slot;
    event = sim_event_new(sim, SIM_CONNECT);
    event->leaf = leaf;
    event->n_topics = 1;
    (void)snprintf(event->topics[0], sizeof event->topics[0], "%s", client_id);
    if (sim_chance(&sim->rng, 500))
        give_up_later(sim);
    send(sim, event);
}

static void port_subscribe(void *self, const char *const *topics, size_t n,
                           struct port_result *result)
{
    struct sim *sim = self;
    struct sim_event *event;

    sim_leave_if_off(sim);
    (void)result;
    if (!sim->linked || sim->connecting)
        sim_fail(sim, "a SUBSCRIBE without a connection");
    event = sim_event_new(sim, SIM_SUBSCRIBE);
    event->n_topics = n;
    for (size_t i = 0; i < n; i++)
        (void)snprintf(event->topics[i], sizeof event->topics[i], "%s", topics[i]);
    send(sim, event);
}

static void port_publish(void *self, const char *topic, struct agent_span payload,
                         struct port_result *result)
{
    struct sim *sim = self;
    struct sim_event *event;

    sim_leave_if_off(sim);
    (void)result;
    if (!sim->linked || sim->connecting)
        sim_fail(sim, "a PUBLISH without a connection");
    if (sim->publishes != NULL)
        sim->publishes(sim, topic, payload);
    event = sim_event_new(sim, SIM_PUBLISH);
    event->n_topics = 1;
    (void)snprintf(event->topics[0], sizeof event->topics[0], "%s", topic);
    prov_buf_add(&event->payload, prov_span(payload.p, payload.n));
    send(sim, event);
}

static void port_disconnect(void *self)
{
    struct sim *sim = self;

    sim_leave_if_off(sim);
    if (sim->linked)
        send(sim, sim_event_new(sim, SIM_FIN));
    sim_unlink(sim);
    sim_post(sim, sim_event_new(sim, SIM_DISCONNECTED), SIM_CLOSE_MS);
}

static void port_announce(void *self, enum agent_announce what, const struct agent *agent,
                          struct port_result *result)
{
    struct sim *sim = self;

    sim_leave_if_off(sim);
    (void)what;
    (void)agent;
    (void)result;
    sim->announced++;
    sim_post(sim, sim_event_new(sim, SIM_ANNOUNCED), ANNOUNCE_MS);
}

static void port_tell(void *self, const struct agent *agent)
{
    (void)agent;
    sim_leave_if_off(self);
}

/* ---- waiting --------------------------------------------------------------------------------- */

static void leave(struct sim *sim, enum sim_end end)
{
    sim->end = end;
    longjmp(sim->out, 1);
}

static void received(struct sim *sim)
{
    switch (sim_effect(sim, false)) {
    case SIM_GOES:
        return;
    case SIM_CUT_BEFORE:
        sim_power_off(sim, SIM_CLOSE_MS);
        break;
    case SIM_CUT_HALFWAY:
        sim_power_off(sim, KEEP_ALIVE_MS);
        break;
    case SIM_CUT_AFTER: /* the agent still sees it */
        sim_power_off(sim, KEEP_ALIVE_MS);
        return;
    }
    sim_leave_if_off(sim);
}

static void outcome(struct agent_event *out, enum agent_action_kind act,
                    const struct sim_event *event)
{
    out->kind = event->class == AGENT_OK ? AGENT_EV_DONE : AGENT_EV_FAILED;
    out->act = act;
    out->class = event->class;
    out->text = event->text;
}

static bool connected(struct sim *sim, const struct sim_event *event, struct agent_event *out)
{
    struct prov_id id;
    X509 *leaf;

    if (!sim->connecting)
        return false;
    received(sim);
    sim->connecting = false;
    outcome(out, AGENT_ACT_CONNECT, event);
    if (event->class != AGENT_OK) {
        sim_post(sim, sim_event_new(sim, SIM_FIN), SIM_CLOSE_MS);
        sim_unlink(sim);
    } else if (sim->came_in != NULL && !sim->off) {
        leaf = sim_identity(sim, sim->store, sim->slot);
        assert_non_null(leaf);
        assert_int_equal(prov_ident_id(leaf, &id), PROV_OK);
        X509_free(leaf);
        sim->came_in(sim, sim->slot, &id);
    }
    return true;
}

static bool closed(struct sim *sim, const struct sim_event *event, struct agent_event *out)
{
    received(sim);
    if (sim->connecting)
        outcome(out, AGENT_ACT_CONNECT, event);
    else
        *out = (struct agent_event){ .kind = AGENT_EV_CLOSED,
                                     .class = event->class,
                                     .text = event->text };
    sim->connecting = false;
    sim_unlink(sim);
    return true;
}

static bool message(struct sim *sim, const struct sim_event *event, struct agent_event *out)
{
    received(sim);
    out->kind = AGENT_EV_MESSAGE;
    out->topic = (struct agent_span){ (const uint8_t *)event->topics[0], strlen(event->topics[0]) };
    out->payload = (struct agent_span){ event->payload.p, event->payload.n };
    return true;
}

/* What the agent is told of it; false: nothing. */
static bool translate(struct sim *sim, const struct sim_event *event, struct agent_event *out)
{
    switch (event->kind) {
    case SIM_CONNECTED:
        return connected(sim, event, out);
    case SIM_CLOSED:
        return closed(sim, event, out);
    case SIM_MESSAGE:
        return message(sim, event, out);
    case SIM_SUBACK:
    case SIM_PUBACK:
        received(sim);
        outcome(out, event->kind == SIM_SUBACK ? AGENT_ACT_SUBSCRIBE : AGENT_ACT_PUBLISH, event);
        return true;
    case SIM_DISCONNECTED:
        out->kind = AGENT_EV_DONE;
        out->act = AGENT_ACT_DISCONNECT;
        return true;
    case SIM_ANNOUNCED:
        out->kind = AGENT_EV_DONE;
        out->act = AGENT_ACT_ANNOUNCE;
        return true;
    case SIM_CLOCK:
        out->kind = AGENT_EV_CLOCK;
        return true;
    case SIM_PERSON:
        return sim->person != NULL && sim->person(sim, out);
    default:
        return false;
    }
}

static bool port_wait(void *self, uint32_t ms, struct agent_event *out)
{
    struct sim *sim = self;
    const uint64_t until_ms = ms == AGENT_NO_TIMER ? UINT64_MAX : sim->now_ms + ms;

    sim_leave_if_off(sim);
    for (;;) {
        sim_event_free(sim->given);
        sim->given = sim_run(sim, until_ms);
        if (sim->now_ms > sim->limit_ms)
            leave(sim, SIM_TOO_LATE);
        if (sim->given == NULL && until_ms == UINT64_MAX)
            leave(sim, SIM_NEVER);
        if (sim->given == NULL)
            return false;
        *out = (struct agent_event){ .class = AGENT_OK };
        if (translate(sim, sim->given, out))
            return true;
    }
}

/* ---- clock and chance ------------------------------------------------------------------------ */

static uint64_t port_mono_ms(void *self)
{
    const struct sim *sim = self;

    return sim->now_ms - sim->boot_ms + 1000;
}

static int64_t port_wall_s(void *self)
{
    const struct sim *sim = self;

    return sim->now_ms < sim->boot_ms + sim->clock_ms ? 0 : SIM_T0 + (int64_t)(sim->now_ms / 1000);
}

static uint32_t port_random(void *self)
{
    struct sim *sim = self;

    return (uint32_t)sim_random(&sim->device_rng);
}

void sim_port(struct sim *sim, struct port *out)
{
    *out = (struct port){ .self = sim,
                          .mono_ms = port_mono_ms,
                          .wall_s = port_wall_s,
                          .random = port_random,
                          .save = port_save,
                          .make_key = port_make_key,
                          .make_csr = port_make_csr,
                          .store_cert = port_store_cert,
                          .store_config = port_store_config,
                          .adopt = port_adopt,
                          .promote = port_promote,
                          .drop = port_drop,
                          .connect = port_connect,
                          .subscribe = port_subscribe,
                          .publish = port_publish,
                          .disconnect = port_disconnect,
                          .announce = port_announce,
                          .tell = port_tell,
                          .wait = port_wait };
}

/* ---- a boot ---------------------------------------------------------------------------------- */

static void start(struct sim *sim, const struct agent_conf *conf)
{
    uint8_t record[AGENT_STATE_MAX];
    struct agent_found found = { 0 };
    struct port_result trouble = { .class = AGENT_OK }, result = { .class = AGENT_OK };
    struct agent_state state;
    struct agent_now now;
    enum agent_state_read read;
    size_t n = 0;

    if (store_find(sim->store, &found, record, &n, &trouble, &result) != AGENT_OK) {
        sim_leave_if_off(sim);
        sim_fail(sim, "nothing can be found: %s", result.text);
    }
    sim_leave_if_off(sim);
    read = agent_state_read((struct agent_span){ record, n }, device, &state);
    now = (struct agent_now){ port_mono_ms(sim), port_wall_s(sim), port_random(sim) };
    agent_start(sim->agent, conf, &found, read, &state, &now);
}

enum sim_end sim_boot(struct sim *sim, const struct agent_conf *conf, enum agent_class *class)
{
    struct port port;

    sim->boot++;
    sim->boot_ms = sim->now_ms;
    sim->of_boot = 0;
    sim->device_rng.state = sim->seed * 31 + sim->boot;
    store_free(sim->store);
    sim->store = store_new(sim->store_conf, &sim->dir.counted, &sim->root.counted);
    assert_non_null(sim->store);
    sim_port(sim, &port);
    sim->end = SIM_ENDED;
    if (setjmp(sim->out) == 0) {
        if (sim->clock_ms != 0)
            sim_post(sim, sim_event_new(sim, SIM_CLOCK), sim->clock_ms);
        if (sim->person != NULL)
            sim_post(sim, sim_event_new(sim, SIM_PERSON), 1000);
        start(sim, conf);
        *class = port_drive(&port, sim->agent);
    }
    sim_event_free(sim->given);
    sim->given = NULL;
    if (sim->end == SIM_ENDED && sim->linked)
        sim_fail(sim, "the agent has ended, and its connection has not");
    return sim->end;
}

void sim_power_on(struct sim *sim, const struct sim_cut *cut)
{
    sim_unlink(sim);
    sim->connecting = false;
    sim_pass(sim, cut->off_ms);
    agent_disk_restart(sim->disk, cut->variant);
    sim->off = false;
}
