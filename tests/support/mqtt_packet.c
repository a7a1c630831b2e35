#include "support/mqtt_packet.h"

/* The largest packet MQTT can express, and a little. */
#define BODY_MAX (256u * 1024 * 1024)

static void put_u16(struct prov_buf *b, size_t v)
{
    if (v > 0xffff) {
        b->rc = PROV_ETOOBIG;
        return;
    }
    prov_buf_add_u8(b, (uint8_t)(v >> 8));
    prov_buf_add_u8(b, (uint8_t)v);
}

static void put_u32(struct prov_buf *b, uint32_t v)
{
    put_u16(b, v >> 16);
    put_u16(b, v & 0xffff);
}

/* Variable byte integer, MQTT 5 section 1.5.5. */
static void put_varint(struct prov_buf *b, size_t v)
{
    do {
        const uint8_t low = (uint8_t)(v & 0x7f);

        v >>= 7;
        prov_buf_add_u8(b, v == 0 ? low : low | 0x80);
    } while (v != 0);
}

static void put_bytes(struct prov_buf *b, struct prov_span s)
{
    put_u16(b, s.n);
    prov_buf_add(b, s);
}

static void put_string(struct prov_buf *b, const char *s)
{
    put_bytes(b, prov_span_str(s));
}

/* Only MQTT 5 has property blocks. */
static void put_props(struct prov_buf *b, enum mqtt_version v, struct prov_span props)
{
    if (v != MQTT_V5)
        return;
    put_varint(b, props.n);
    prov_buf_add(b, props);
}

/* Puts header and body into out and releases the body. */
static void put_packet(struct prov_buf *out, enum mqtt_type type, uint8_t flags,
                       struct prov_buf *body)
{
    if (body->rc != PROV_OK && out->rc == PROV_OK)
        out->rc = body->rc;
    prov_buf_add_u8(out, (uint8_t)(type << 4 | flags));
    put_varint(out, body->n);
    prov_buf_add(out, prov_buf_span(body));
    prov_buf_release(body);
}

static uint8_t connect_flags(const struct mqtt_options *o)
{
    uint8_t flags = 0;

    if (!o->keep_session)
        flags |= 0x02;
    if (o->will != NULL) {
        flags |= 0x04;
        flags |= (uint8_t)((o->will->qos & 3) << 3);
        flags |= o->will->retain ? 0x20 : 0;
    }
    if (o->password != NULL)
        flags |= 0x40;
    if (o->username != NULL)
        flags |= 0x80;
    return flags;
}

/* One property of four bytes, or none when the value is 0. */
static void put_props_u32(struct prov_buf *b, enum mqtt_version v, uint8_t id, uint32_t value)
{
    struct prov_buf props;

    prov_buf_init(&props, 16);
    if (value != 0) {
        prov_buf_add_u8(&props, id);
        put_u32(&props, value);
    }
    put_props(b, v, prov_buf_span(&props));
    prov_buf_release(&props);
}

void mqtt_put_connect(struct prov_buf *out, const struct mqtt_options *o)
{
    struct prov_buf body;

    prov_buf_init(&body, BODY_MAX);
    put_string(&body, "MQTT");
    prov_buf_add_u8(&body, (uint8_t)o->version);
    prov_buf_add_u8(&body, connect_flags(o));
    put_u16(&body, o->keepalive_s);
    put_props_u32(&body, o->version, 0x11, o->session_expiry_s);
    put_string(&body, o->client_id);
    if (o->will != NULL) {
        put_props_u32(&body, o->version, 0x18, o->will->delay_s);
        put_string(&body, o->will->topic);
        put_bytes(&body, o->will->payload);
    }
    if (o->username != NULL)
        put_string(&body, o->username);
    if (o->password != NULL)
        put_string(&body, o->password);
    put_packet(out, MQTT_CONNECT, 0, &body);
}

void mqtt_put_publish(struct prov_buf *out, enum mqtt_version v, const struct mqtt_publish *p,
                      uint16_t id)
{
    struct prov_buf body;

    prov_buf_init(&body, BODY_MAX);
    put_string(&body, p->topic);
    if (p->qos != 0)
        put_u16(&body, id);
    put_props(&body, v, p->props);
    prov_buf_add(&body, p->payload);
    put_packet(out, MQTT_PUBLISH, (uint8_t)((p->qos & 3) << 1 | (p->retain ? 1 : 0)), &body);
}

void mqtt_put_puback(struct prov_buf *out, uint16_t id)
{
    struct prov_buf body;

    prov_buf_init(&body, 2);
    put_u16(&body, id);
    put_packet(out, MQTT_PUBACK, 0, &body);
}

void mqtt_put_subscribe(struct prov_buf *out, enum mqtt_version v, const char *filter, uint8_t qos,
                        uint16_t id)
{
    struct prov_buf body;

    prov_buf_init(&body, BODY_MAX);
    put_u16(&body, id);
    put_props(&body, v, prov_span(NULL, 0));
    put_string(&body, filter);
    prov_buf_add_u8(&body, qos);
    put_packet(out, MQTT_SUBSCRIBE, 2, &body);
}

void mqtt_put_unsubscribe(struct prov_buf *out, enum mqtt_version v, const char *filter,
                          uint16_t id)
{
    struct prov_buf body;

    prov_buf_init(&body, BODY_MAX);
    put_u16(&body, id);
    put_props(&body, v, prov_span(NULL, 0));
    put_string(&body, filter);
    put_packet(out, MQTT_UNSUBSCRIBE, 2, &body);
}

void mqtt_put_ping(struct prov_buf *out)
{
    prov_buf_add(out, PROV_LIT("\xc0\x00"));
}

void mqtt_put_disconnect(struct prov_buf *out, enum mqtt_version v, uint8_t reason)
{
    struct prov_buf body;

    prov_buf_init(&body, 1);
    if (v == MQTT_V5)
        prov_buf_add_u8(&body, reason);
    put_packet(out, MQTT_DISCONNECT, 0, &body);
}

/* Bytes that the integer takes, 0 when more are needed, -1 when it is longer than four. */
static int cut_varint(struct prov_span s, size_t *value)
{
    *value = 0;
    for (unsigned i = 0; i < 4; i++) {
        if (i == s.n)
            return 0;
        *value |= (size_t)(s.p[i] & 0x7f) << (7 * i);
        if ((s.p[i] & 0x80) == 0)
            return (int)i + 1;
    }
    return -1;
}

long mqtt_cut(struct prov_span bytes, struct mqtt_packet *out)
{
    size_t n;
    int header;

    if (bytes.n < 2)
        return 0;
    header = cut_varint(prov_span(bytes.p + 1, bytes.n - 1), &n);
    if (header <= 0)
        return header;
    header++;
    if (bytes.n - (size_t)header < n)
        return 0;
    out->type = bytes.p[0] >> 4;
    out->flags = bytes.p[0] & 0x0f;
    out->body = prov_span(bytes.p + header, n);
    return header + (long)n;
}

struct prov_span mqtt_read(struct mqtt_reader *r, size_t n)
{
    struct prov_span taken;

    if (r->left.n < n) {
        r->bad = true;
        return prov_span(NULL, 0);
    }
    taken = prov_span(r->left.p, n);
    r->left = prov_span(r->left.p + n, r->left.n - n);
    return taken;
}

uint8_t mqtt_read_u8(struct mqtt_reader *r)
{
    const struct prov_span s = mqtt_read(r, 1);

    return s.n == 0 ? 0 : s.p[0];
}

uint16_t mqtt_read_u16(struct mqtt_reader *r)
{
    const unsigned high = mqtt_read_u8(r);
    const unsigned low = mqtt_read_u8(r);

    return (uint16_t)(high << 8 | low);
}

struct prov_span mqtt_read_string(struct mqtt_reader *r)
{
    return mqtt_read(r, mqtt_read_u16(r));
}

static size_t read_varint(struct mqtt_reader *r)
{
    size_t value;
    const int taken = cut_varint(r->left, &value);

    if (taken <= 0) {
        r->bad = true;
        return 0;
    }
    (void)mqtt_read(r, (size_t)taken);
    return value;
}

struct prov_span mqtt_read_props(struct mqtt_reader *r)
{
    return mqtt_read(r, read_varint(r));
}

/* How the value of each property is encoded, MQTT 5 section 2.2.2.2. */
enum prop_kind { PROP_NONE, PROP_U8, PROP_U16, PROP_U32, PROP_VARINT, PROP_STRING, PROP_PAIR };

static const uint8_t prop_kinds[0x2b] = {
    [0x01] = PROP_U8,     [0x02] = PROP_U32,    [0x03] = PROP_STRING, [0x08] = PROP_STRING,
    [0x09] = PROP_STRING, [0x0b] = PROP_VARINT, [0x11] = PROP_U32,    [0x12] = PROP_STRING,
    [0x13] = PROP_U16,    [0x15] = PROP_STRING, [0x16] = PROP_STRING, [0x17] = PROP_U8,
    [0x18] = PROP_U32,    [0x19] = PROP_U8,     [0x1a] = PROP_STRING, [0x1c] = PROP_STRING,
    [0x1f] = PROP_STRING, [0x21] = PROP_U16,    [0x22] = PROP_U16,    [0x23] = PROP_U16,
    [0x24] = PROP_U8,     [0x25] = PROP_U8,     [0x26] = PROP_PAIR,   [0x27] = PROP_U32,
    [0x28] = PROP_U8,     [0x29] = PROP_U8,     [0x2a] = PROP_U8,
};

static struct prov_span read_prop_value(struct mqtt_reader *r, enum prop_kind kind)
{
    const uint8_t *start = r->left.p;

    switch (kind) {
    case PROP_U8:
        return mqtt_read(r, 1);
    case PROP_U16:
        return mqtt_read(r, 2);
    case PROP_U32:
        return mqtt_read(r, 4);
    case PROP_VARINT:
        (void)read_varint(r);
        return r->bad ? prov_span(NULL, 0) : prov_span(start, (size_t)(r->left.p - start));
    case PROP_STRING:
        return mqtt_read_string(r);
    case PROP_PAIR:
        (void)mqtt_read_string(r);
        (void)mqtt_read_string(r);
        return r->bad ? prov_span(NULL, 0) : prov_span(start, (size_t)(r->left.p - start));
    case PROP_NONE:
        break;
    }
    r->bad = true;
    return prov_span(NULL, 0);
}

bool mqtt_prop(struct prov_span props, uint8_t id, struct prov_span *value)
{
    struct mqtt_reader r = { .left = props };

    while (r.left.n != 0) {
        const uint8_t found = mqtt_read_u8(&r);

        *value = read_prop_value(&r, found < sizeof prop_kinds ? prop_kinds[found] : PROP_NONE);
        if (r.bad)
            return false;
        if (found == id)
            return true;
    }
    return false;
}
