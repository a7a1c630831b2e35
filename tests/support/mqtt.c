#include "support/mqtt.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/mqtt_impl.h"
#include "support/mqtt_packet.h"

void mqtt_message_free(struct mqtt_message *m)
{
    if (m == NULL)
        return;
    free(m->topic);
    free(m->payload);
    free((void *)(uintptr_t)m->props.p);
    free(m);
}

/* ---- a connection ---------------------------------------------------------------------------- */

struct mqtt *mqtt_start(const struct mqtt_options *options)
{
    struct mqtt_options o = *options;
    struct mqtt *c = calloc(1, sizeof *c);

    if (c == NULL)
        return NULL;
    if (o.version == 0)
        o.version = MQTT_V311;
    c->version = o.version;
    c->hold_acks = o.hold_acks;
    c->on_message = o.on_message;
    c->ctx = o.ctx;
    c->wait_ms = o.wait_ms;
    c->messages_end = &c->messages;
    c->answers_end = &c->answers;
    c->report.alert = c->report.connack = c->report.disconnect_reason = c->report.ws_close = -1;
    prov_buf_init(&c->connect, 1024 * 1024);
    mqtt_put_connect(&c->connect, &o);
    if (!mqtt_link_start(&c->link, &o, &c->report) || c->connect.rc != PROV_OK) {
        mqtt_free(c);
        return NULL;
    }
    if (!o.hold_connect)
        mqtt_submit_connect(c);
    return c;
}

void mqtt_free(struct mqtt *c)
{
    if (c == NULL)
        return;
    while (c->messages != NULL) {
        struct mqtt_message *next = c->messages->next;

        mqtt_message_free(c->messages);
        c->messages = next;
    }
    while (c->answers != NULL) {
        struct answer *next = c->answers->next;

        free(c->answers);
        c->answers = next;
    }
    prov_buf_release(&c->connect);
    mqtt_link_release(&c->link);
    free(c);
}

int mqtt_fd(const struct mqtt *c)
{
    return c->link.fd;
}

short mqtt_wants(const struct mqtt *c)
{
    return mqtt_link_wants_write(&c->link) ? POLLIN | POLLOUT : POLLIN;
}

const struct mqtt_report *mqtt_report(const struct mqtt *c)
{
    return &c->report;
}

unsigned mqtt_pongs(const struct mqtt *c)
{
    return c->pongs;
}

SSL_SESSION *mqtt_session(const struct mqtt *c)
{
    SSL_SESSION *session = c->link.ssl == NULL ? NULL : SSL_get0_session(c->link.ssl);

    /* a copy, because freeing an SSL that was not shut down marks its session as unusable */
    return session == NULL || !SSL_SESSION_is_resumable(session) ? NULL : SSL_SESSION_dup(session);
}

const char *mqtt_story(struct mqtt *c)
{
    static const char *const ends[] = {
        [MQTT_END_NONE] = "still connected or connecting",
        [MQTT_END_OURS] = "closed by this side",
        [MQTT_END_TCP] = "no TCP connection",
        [MQTT_END_ALERT] = "ended by a TLS alert",
        [MQTT_END_TLS] = "TLS ended by this side",
        [MQTT_END_EOF] = "closed by the broker",
        [MQTT_END_RESET] = "reset by the broker",
        [MQTT_END_MALFORMED] = "the broker sent something malformed",
    };
    const struct mqtt_report *r = &c->report;

    (void)snprintf(c->story, sizeof c->story,
                   "%s; errno %d (%s); TLS %s, alert %d (%s); CONNACK %d; DISCONNECT %d; %s %s",
                   ends[r->end], r->sys_errno, strerror(r->sys_errno), r->secured ? "up" : "not up",
                   r->alert, r->alert < 0 ? "none" : SSL_alert_desc_string_long(r->alert),
                   r->connack, r->disconnect_reason, r->reason_text, r->text);
    return c->story;
}

/* ---- what the broker sends ------------------------------------------------------------------- */

static void malformed(struct mqtt *c, const char *what)
{
    (void)snprintf(c->report.text, sizeof c->report.text, "%s", what);
    mqtt_link_close(&c->link, MQTT_END_MALFORMED);
    c->report.end = MQTT_END_MALFORMED; /* also when the broker had closed by then */
}

static void keep_text(struct prov_span props, uint8_t id, char *out, size_t cap)
{
    struct prov_span value;

    if (mqtt_prop(props, id, &value))
        (void)prov_span_copy(value, out, cap);
}

static void on_connack(struct mqtt *c, struct mqtt_reader *r)
{
    const uint8_t flags = mqtt_read_u8(r);
    const uint8_t code = mqtt_read_u8(r);

    /* a 3.1.1 answer to an MQTT 5 CONNECT says that the version is not spoken, without properties
     */
    if (c->version == MQTT_V5 && r->left.n != 0) {
        const struct prov_span props = mqtt_read_props(r);

        keep_text(props, 0x12, c->report.assigned_id, sizeof c->report.assigned_id);
        keep_text(props, 0x1f, c->report.reason_text, sizeof c->report.reason_text);
    }
    if (c->report.connack != -1)
        r->bad = true;
    c->report.connack = code;
    c->report.session_present = (flags & 1) != 0;
}

/* A copy with a NUL behind it; NULL when out of memory. */
static uint8_t *copy_bytes(struct prov_span s)
{
    uint8_t *copy = malloc(s.n + 1);

    if (copy == NULL)
        return NULL;
    if (s.n != 0)
        memcpy(copy, s.p, s.n);
    copy[s.n] = 0;
    return copy;
}

static struct mqtt_message *new_message(struct prov_span topic, struct prov_span payload,
                                        struct prov_span props)
{
    struct mqtt_message *m = calloc(1, sizeof *m);

    if (m == NULL)
        return NULL;
    m->topic = (char *)copy_bytes(topic);
    m->payload = copy_bytes(payload);
    m->n = payload.n;
    m->props = prov_span(copy_bytes(props), props.n);
    if (m->topic == NULL || m->payload == NULL || m->props.p == NULL) {
        mqtt_message_free(m);
        return NULL;
    }
    return m;
}

static void keep_message(struct mqtt *c, const struct mqtt_view *v, struct prov_span props,
                         uint8_t flags, uint16_t id)
{
    struct mqtt_message *m = new_message(v->topic, v->payload, props);

    if (m == NULL) {
        c->lost = true;
        return;
    }
    m->qos = v->qos;
    m->id = id;
    m->retain = (flags & 1) != 0;
    m->dup = (flags & 8) != 0;
    *c->messages_end = m;
    c->messages_end = &m->next;
}

static void on_publish(struct mqtt *c, uint8_t flags, struct mqtt_reader *r)
{
    struct mqtt_view v = { .qos = (flags >> 1) & 3 };
    struct prov_span props = { NULL, 0 };
    uint16_t id;

    v.topic = mqtt_read_string(r);
    id = v.qos == 0 ? 0 : mqtt_read_u16(r);
    if (c->version == MQTT_V5)
        props = mqtt_read_props(r);
    if (v.qos > 1)
        r->bad = true;
    if (r->bad)
        return;
    v.payload = r->left;
    if (c->on_message != NULL)
        c->on_message(c->ctx, &v);
    else
        keep_message(c, &v, props, flags, id);
    if (v.qos == 1 && !c->hold_acks && !c->lost)
        mqtt_submit_puback(c, id);
}

static void on_answer(struct mqtt *c, uint8_t type, struct mqtt_reader *r)
{
    const uint16_t id = mqtt_read_u16(r);
    struct answer *a;
    int code = 0;

    if (type == MQTT_PUBACK && r->left.n != 0)
        code = mqtt_read_u8(r); /* what may follow it are properties, of no interest here */
    else if (type != MQTT_PUBACK && c->version == MQTT_V5)
        (void)mqtt_read_props(r);
    if (type == MQTT_SUBACK || (type == MQTT_UNSUBACK && c->version == MQTT_V5))
        code = mqtt_read_u8(r);
    if (r->bad)
        return;
    a = calloc(1, sizeof *a);
    if (a == NULL) {
        c->lost = true;
        return;
    }
    a->a = (struct mqtt_answer){ .id = id, .code = code };
    *c->answers_end = a;
    c->answers_end = &a->next;
}

static void on_disconnect(struct mqtt *c, struct mqtt_reader *r)
{
    if (c->version != MQTT_V5) {
        r->bad = true; /* only MQTT 5 has it in this direction */
        return;
    }
    c->report.disconnect_reason = r->left.n == 0 ? 0 : mqtt_read_u8(r);
    if (r->left.n != 0)
        keep_text(mqtt_read_props(r), 0x1f, c->report.reason_text, sizeof c->report.reason_text);
}

static void on_packet(struct mqtt *c, const struct mqtt_packet *packet)
{
    struct mqtt_reader r = { .left = packet->body };

    switch (packet->type) {
    case MQTT_CONNACK:
        on_connack(c, &r);
        break;
    case MQTT_PUBLISH:
        on_publish(c, packet->flags, &r);
        break;
    case MQTT_PUBACK:
    case MQTT_SUBACK:
    case MQTT_UNSUBACK:
        on_answer(c, packet->type, &r);
        break;
    case MQTT_PINGRESP:
        c->pongs++;
        break;
    case MQTT_DISCONNECT:
        on_disconnect(c, &r);
        break;
    default:
        r.bad = true;
    }
    if (r.bad)
        malformed(c, "a packet of an unexpected type or shape");
}

/* Every packet that is complete, also those that came in just before the end. */
static void take_packets(struct mqtt *c)
{
    struct prov_span left = prov_buf_span(&c->link.in);
    struct mqtt_packet packet;
    long n = 0;

    while (c->report.end != MQTT_END_MALFORMED && (n = mqtt_cut(left, &packet)) > 0) {
        on_packet(c, &packet);
        left = prov_span(left.p + n, left.n - (size_t)n);
    }
    mqtt_link_consume(&c->link.in, c->link.in.n - left.n);
    if (n < 0)
        malformed(c, "a packet length of more than four bytes");
}

void mqtt_step(struct mqtt *c)
{
    if (c->link.fd == -1)
        return;
    mqtt_link_step(&c->link);
    take_packets(c);
    if (c->lost)
        mqtt_link_close(&c->link, MQTT_END_OURS);
}

/* ---- sending --------------------------------------------------------------------------------- */

void mqtt_send(struct mqtt *c)
{
    mqtt_link_send(&c->link);
}

static uint16_t next_id(struct mqtt *c)
{
    c->last_id = c->last_id == UINT16_MAX ? 1 : (uint16_t)(c->last_id + 1);
    return c->last_id;
}

void mqtt_submit_connect(struct mqtt *c)
{
    prov_buf_add(&c->link.out, prov_buf_span(&c->connect));
    prov_buf_release(&c->connect);
}

uint16_t mqtt_submit_publish(struct mqtt *c, const struct mqtt_publish *p)
{
    const uint16_t id = p->qos == 0 ? 0 : next_id(c);

    mqtt_put_publish(&c->link.out, c->version, p, id);
    return id;
}

uint16_t mqtt_submit_subscribe(struct mqtt *c, const char *filter, uint8_t qos)
{
    const uint16_t id = next_id(c);

    mqtt_put_subscribe(&c->link.out, c->version, filter, qos, id);
    return id;
}

uint16_t mqtt_submit_unsubscribe(struct mqtt *c, const char *filter)
{
    const uint16_t id = next_id(c);

    mqtt_put_unsubscribe(&c->link.out, c->version, filter, id);
    return id;
}

void mqtt_submit_ping(struct mqtt *c)
{
    c->pings++;
    mqtt_put_ping(&c->link.out);
}

void mqtt_submit_puback(struct mqtt *c, uint16_t id)
{
    mqtt_put_puback(&c->link.out, id);
}

void mqtt_submit_disconnect(struct mqtt *c, uint8_t reason)
{
    mqtt_put_disconnect(&c->link.out, c->version, reason);
}

void mqtt_submit_raw(struct mqtt *c, struct prov_span bytes)
{
    prov_buf_add(&c->link.out, bytes);
}

void mqtt_submit_frame(struct mqtt *c, enum ws_opcode opcode, struct prov_span payload)
{
    mqtt_link_frame(&c->link, opcode, payload);
}

/* ---- taking what came ------------------------------------------------------------------------ */

bool mqtt_take_answer(struct mqtt *c, uint16_t id, struct mqtt_answer *out)
{
    for (struct answer **at = &c->answers; *at != NULL; at = &(*at)->next) {
        struct answer *found = *at;

        if (id != 0 && found->a.id != id)
            continue;
        *out = found->a;
        *at = found->next;
        if (c->answers_end == &found->next)
            c->answers_end = at;
        free(found);
        return true;
    }
    return false;
}

struct mqtt_message *mqtt_take_message(struct mqtt *c, const char *topic)
{
    for (struct mqtt_message **at = &c->messages; *at != NULL; at = &(*at)->next) {
        struct mqtt_message *found = *at;

        if (topic != NULL && strcmp(found->topic, topic) != 0)
            continue;
        *at = found->next;
        if (c->messages_end == &found->next)
            c->messages_end = at;
        found->next = NULL;
        return found;
    }
    return NULL;
}
