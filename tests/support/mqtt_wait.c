#include "support/mqtt.h"

#include <poll.h>

#include "support/deadline.h"
#include "support/mqtt_impl.h"

/* One look at the socket; false once the deadline has passed. */
static bool pump(struct mqtt *c, int64_t deadline)
{
    struct pollfd p = { .fd = c->link.fd, .events = mqtt_wants(c) };

    if (deadline_left(deadline) == 0)
        return false;
    (void)poll(&p, 1, deadline_left(deadline));
    mqtt_step(c);
    return true;
}

/* Steps until done says so; 0, or why not. What came with the end counts. */
static int wait_for(struct mqtt *c, bool (*done)(struct mqtt *c, void *ctx), void *ctx)
{
    const int64_t deadline = deadline_in(c->wait_ms);

    mqtt_step(c);
    while (!done(c, ctx)) {
        if (c->link.fd == -1)
            return MQTT_WENT;
        if (!pump(c, deadline))
            return MQTT_LATE;
    }
    return 0;
}

static bool is_secured(struct mqtt *c, void *ctx)
{
    (void)ctx;
    return c->link.open;
}

static bool has_connack(struct mqtt *c, void *ctx)
{
    (void)ctx;
    return c->report.connack != -1;
}

static bool has_ended(struct mqtt *c, void *ctx)
{
    (void)ctx;
    return c->link.fd == -1;
}

static bool has_sent(struct mqtt *c, void *ctx)
{
    (void)ctx;
    return c->link.open && !mqtt_link_wants_write(&c->link);
}

static bool has_pongs(struct mqtt *c, void *ctx)
{
    (void)ctx;
    return c->pongs >= c->pings;
}

struct wanted_answer {
    uint16_t id;
    struct mqtt_answer found;
};

static bool has_answer(struct mqtt *c, void *ctx)
{
    struct wanted_answer *w = ctx;

    return mqtt_take_answer(c, w->id, &w->found);
}

struct wanted_message {
    const char *topic;
    struct mqtt_message *found;
};

static bool has_message(struct mqtt *c, void *ctx)
{
    struct wanted_message *w = ctx;

    w->found = mqtt_take_message(c, w->topic);
    return w->found != NULL;
}

bool mqtt_wait_secured(struct mqtt *c)
{
    return wait_for(c, is_secured, NULL) == 0;
}

int mqtt_wait_connack(struct mqtt *c)
{
    const int rc = wait_for(c, has_connack, NULL);

    return rc == 0 ? c->report.connack : rc;
}

bool mqtt_wait_end(struct mqtt *c)
{
    return wait_for(c, has_ended, NULL) == 0;
}

static int wait_answer(struct mqtt *c, uint16_t id)
{
    struct wanted_answer w = { .id = id };
    const int rc = wait_for(c, has_answer, &w);

    return rc == 0 ? w.found.code : rc;
}

int mqtt_publish(struct mqtt *c, const struct mqtt_publish *p)
{
    const uint16_t id = mqtt_submit_publish(c, p);

    return id == 0 ? wait_for(c, has_sent, NULL) : wait_answer(c, id);
}

int mqtt_subscribe(struct mqtt *c, const char *filter, uint8_t qos)
{
    return wait_answer(c, mqtt_submit_subscribe(c, filter, qos));
}

int mqtt_unsubscribe(struct mqtt *c, const char *filter)
{
    return wait_answer(c, mqtt_submit_unsubscribe(c, filter));
}

bool mqtt_ping(struct mqtt *c)
{
    mqtt_submit_ping(c);
    return wait_for(c, has_pongs, NULL) == 0;
}

bool mqtt_goodbye(struct mqtt *c)
{
    mqtt_submit_disconnect(c, 0);
    if (mqtt_wait_end(c))
        return true;
    mqtt_link_close(&c->link, MQTT_END_OURS);
    return false;
}

struct mqtt_message *mqtt_wait_message(struct mqtt *c, const char *topic)
{
    struct wanted_message w = { .topic = topic };

    return wait_for(c, has_message, &w) == 0 ? w.found : NULL;
}
