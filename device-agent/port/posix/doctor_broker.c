#include <poll.h>
#include <string.h>

#include "doctor.h"
#include "posix.h"

enum { MARGIN_MS = 5000 };

static const char *client_id(const struct doctor *d)
{
    const struct agent_conf *conf = &d->conf->agent;

    if (d->slot == AGENT_SLOT_CLAIM)
        return conf->client_id;
    if (conf->own_client_id != NULL)
        return conf->own_client_id;
    return d->has_record && d->record.thing_name[0] != '\0' ? d->record.thing_name
                                                            : conf->client_id;
}

/* How the connection came to be, or did not. */
static void wait_for_end(struct net *net, uint64_t until_ms, struct port_result *result)
{
    struct pollfd polled = { .fd = net_fd(net), .events = POLLIN };
    struct agent_event event;

    for (;;) {
        const uint64_t now_ms = posix_mono_ms();

        while (net_event(net, &event)) {
            if (event.kind == AGENT_EV_DONE)
                return;
            if (event.kind == AGENT_EV_FAILED || event.kind == AGENT_EV_CLOSED) {
                (void)port_fail(result, event.class, "%s", event.text != NULL ? event.text : "");
                return;
            }
        }
        if (now_ms >= until_ms) {
            (void)port_fail(result, AGENT_NETWORK, "the broker does not answer to CONNECT");
            return;
        }
        (void)poll(&polled, 1, (int)(until_ms - now_ms));
    }
}

static void try_connect(const struct doctor *d, struct port_result *result)
{
    const struct net_conf *conf = &d->conf->net;
    struct net *net = net_new(conf, &d->conf->keys);

    if (net == NULL) {
        (void)port_fail(result, AGENT_LOCAL, "no memory or descriptors for a connection");
        return;
    }
    net_connect(net, client_id(d), (struct agent_span){ (const uint8_t *)d->cert, strlen(d->cert) },
                (struct agent_span){ (const uint8_t *)d->key, strlen(d->key) }, NULL, result);
    if (result->class == AGENT_OK)
        wait_for_end(net, posix_mono_ms() + conf->connect_ms + MARGIN_MS, result);
    net_free(net);
}

static void tell_broker(struct doctor *d, const struct port_result *result)
{
    const char *what = d->slot == AGENT_SLOT_CLAIM ? "claim" : "identity";
    const bool first = d->conf->agent.method == AGENT_METHOD_JIT && d->slot == AGENT_SLOT_CLAIM;

    if (result->class == AGENT_OK)
        doctor_ok(d, "broker", "takes the %s as %s", what, client_id(d));
    else if (result->class == AGENT_REFUSED && first)
        doctor_bad(d, "broker", AGENT_OK, "try again in a moment: first contacts are refused", "%s",
                   result->text);
    else
        doctor_bad(d, "broker", result->class,
                   result->class == AGENT_REFUSED ? "provctl explain, at the broker, tells why"
                                                  : "",
                   "%s", result->text);
}

void doctor_broker(struct doctor *d)
{
    struct port_result result = { 0 };

    if (d->connected) {
        doctor_ok(d, "broker", "the running agent is connected");
    } else if (d->running) {
        doctor_bad(d, "broker", AGENT_OK, "device-agent status tells more",
                   "the running agent is not connected%s%s", d->last_error != NULL ? ": " : "",
                   d->last_error != NULL ? d->last_error : "");
    } else if (!d->reached) {
        doctor_bad(d, "broker", AGENT_OK, "see above", "not tried: it cannot be reached");
    } else if (!d->has_creds) {
        doctor_bad(d, "broker", AGENT_OK, "see claim and identity above",
                   "not tried: there is nothing to connect with");
    } else {
        try_connect(d, &result);
        tell_broker(d, &result);
    }
}
