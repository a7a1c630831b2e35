#include "net_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/eventfd.h>

#include <openssl/crypto.h>

static void item_release(struct net_item *item)
{
    if (item->bytes != NULL) /* a message can carry a private key */
        OPENSSL_cleanse(item->bytes, item->topic_n + item->payload_n);
    free(item->bytes);
    memset(item, 0, sizeof *item);
}

static void lock(struct net_queue *queue)
{
    (void)pthread_mutex_lock(&queue->lock);
}

static void unlock(struct net_queue *queue)
{
    (void)pthread_mutex_unlock(&queue->lock);
}

bool net_queue_init(struct net_queue *queue)
{
    queue->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (queue->fd < 0)
        return false;
    (void)pthread_mutex_init(&queue->lock, NULL); /* cannot fail with default attributes */
    return true;
}

/* ---- with the lock held ---------------------------------------------------------------------- */

static void signal_items(const struct net_queue *queue)
{
    (void)eventfd_write(queue->fd, 1); /* fails only at 2^64 - 2 */
}

static void empty(struct net_queue *queue)
{
    eventfd_t count;

    for (; queue->n > 0; queue->n--) {
        item_release(&queue->items[queue->first]);
        queue->first = (queue->first + 1) % NET_MAX_EVENTS;
    }
    queue->messages = 0;
    (void)eventfd_read(queue->fd, &count);
}

/* There is room for all but messages: a connection has one action at a time, and one end. */
static struct net_item *add(struct net_queue *queue, enum agent_event_kind kind)
{
    struct net_item *item;

    if (queue->n == NET_MAX_EVENTS)
        return NULL;
    item = &queue->items[(queue->first + queue->n) % NET_MAX_EVENTS];
    queue->n++;
    item->kind = kind;
    signal_items(queue);
    return item;
}

static bool concerns(const struct net_queue *queue, uint32_t number)
{
    return number == queue->number && !queue->over;
}

static void add_end(struct net_queue *queue, enum agent_event_kind kind, enum agent_action_kind act,
                    const struct port_result *why)
{
    struct net_item *item = add(queue, kind);

    if (item == NULL)
        return;
    item->act = act;
    item->class = why->class;
    (void)snprintf(item->text, sizeof item->text, "%s", why->text);
}

static void add_closed(struct net_queue *queue, const struct port_result *why)
{
    add_end(queue, AGENT_EV_CLOSED, AGENT_ACT_CONNECT, why);
    queue->over = true;
}

/* ---- the calls ------------------------------------------------------------------------------- */

void net_queue_release(struct net_queue *queue)
{
    empty(queue);
    item_release(&queue->given);
    (void)close(queue->fd);
    (void)pthread_mutex_destroy(&queue->lock);
}

uint32_t net_queue_begin(struct net_queue *queue)
{
    uint32_t number;

    lock(queue);
    empty(queue);
    number = ++queue->number;
    queue->over = false;
    unlock(queue);
    return number;
}

void net_queue_give_up(struct net_queue *queue)
{
    struct net_item *item;

    lock(queue);
    empty(queue);
    queue->over = true;
    item = add(queue, AGENT_EV_DONE);
    if (item != NULL)
        item->act = AGENT_ACT_DISCONNECT;
    unlock(queue);
}

void net_queue_done(struct net_queue *queue, uint32_t number, enum agent_action_kind act)
{
    struct net_item *item;

    lock(queue);
    item = concerns(queue, number) ? add(queue, AGENT_EV_DONE) : NULL;
    if (item != NULL)
        item->act = act;
    unlock(queue);
}

void net_queue_failed(struct net_queue *queue, uint32_t number, enum agent_action_kind act,
                      const struct port_result *why)
{
    lock(queue);
    if (concerns(queue, number)) {
        add_end(queue, AGENT_EV_FAILED, act, why);
        queue->over = act == AGENT_ACT_CONNECT;
    }
    unlock(queue);
}

void net_queue_closed(struct net_queue *queue, uint32_t number, const struct port_result *why)
{
    lock(queue);
    if (concerns(queue, number))
        add_closed(queue, why);
    unlock(queue);
}

/* One byte more than a message may have shows that it had too many, and no more need be kept. */
static size_t cut(size_t n, size_t max)
{
    return n > max ? max + 1 : n;
}

static void add_message(struct net_queue *queue, uint8_t *bytes, size_t topic_n, size_t payload_n)
{
    struct net_item *item = add(queue, AGENT_EV_MESSAGE);

    item->bytes = bytes;
    item->topic_n = topic_n;
    item->payload_n = payload_n;
    queue->messages++;
}

void net_queue_message(struct net_queue *queue, uint32_t number, struct agent_span topic,
                       struct agent_span payload)
{
    const size_t topic_n = cut(topic.n, AGENT_MAX_TOPIC);
    const size_t payload_n = cut(payload.n, AGENT_MAX_PAYLOAD);
    uint8_t *bytes = malloc(topic_n + payload_n + 1);
    struct port_result why;

    if (bytes != NULL && topic_n != 0)
        memcpy(bytes, topic.p, topic_n);
    if (bytes != NULL && payload_n != 0)
        memcpy(bytes + topic_n, payload.p, payload_n);

    lock(queue);
    if (!concerns(queue, number)) {
        ; /* too late */
    } else if (bytes == NULL) {
        (void)port_fail(&why, AGENT_LOCAL, "no memory for a message of %zu bytes", payload.n);
        add_closed(queue, &why);
    } else if (queue->messages == NET_MAX_MESSAGES) {
        (void)port_fail(&why, AGENT_ANSWER, "the broker sends messages faster than they are read");
        add_closed(queue, &why);
    } else {
        add_message(queue, bytes, topic_n, payload_n);
        bytes = NULL;
    }
    unlock(queue);

    if (bytes != NULL)
        OPENSSL_cleanse(bytes, topic_n + payload_n);
    free(bytes);
}

static bool take_first(struct net_queue *queue)
{
    struct net_item *item = &queue->items[queue->first];
    eventfd_t count;

    if (queue->n == 0)
        return false;
    queue->given = *item;
    memset(item, 0, sizeof *item);
    queue->first = (queue->first + 1) % NET_MAX_EVENTS;
    queue->n--;
    if (queue->given.kind == AGENT_EV_MESSAGE)
        queue->messages--;
    if (queue->n == 0)
        (void)eventfd_read(queue->fd, &count);
    return true;
}

bool net_queue_take(struct net_queue *queue, struct agent_event *out)
{
    const struct net_item *given = &queue->given;
    bool any;

    item_release(&queue->given);
    lock(queue);
    any = take_first(queue);
    unlock(queue);
    if (!any)
        return false;
    memset(out, 0, sizeof *out);
    out->kind = given->kind;
    out->act = given->act;
    out->class = given->class;
    out->text = given->text[0] != '\0' ? given->text : NULL;
    if (given->kind == AGENT_EV_MESSAGE) {
        out->topic = (struct agent_span){ given->bytes, given->topic_n };
        out->payload = (struct agent_span){ given->bytes + given->topic_n, given->payload_n };
    }
    return true;
}
