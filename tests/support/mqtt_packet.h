/*
 * mqtt_packet.h - MQTT packets to and from bytes, for mqtt.c. No state, no I/O.
 *
 * Sources: MQTT 3.1.1 and MQTT 5.0 (OASIS), chapters 2 and 3.
 */
#ifndef SUPPORT_MQTT_PACKET_H
#define SUPPORT_MQTT_PACKET_H

#include "support/mqtt.h"

enum mqtt_type {
    MQTT_CONNECT = 1,
    MQTT_CONNACK = 2,
    MQTT_PUBLISH = 3,
    MQTT_PUBACK = 4,
    MQTT_SUBSCRIBE = 8,
    MQTT_SUBACK = 9,
    MQTT_UNSUBSCRIBE = 10,
    MQTT_UNSUBACK = 11,
    MQTT_PINGREQ = 12,
    MQTT_PINGRESP = 13,
    MQTT_DISCONNECT = 14,
};

/* Failures stick in the buffer's rc. */
void mqtt_put_connect(struct prov_buf *out, const struct mqtt_options *o);
void mqtt_put_publish(struct prov_buf *out, enum mqtt_version v, const struct mqtt_publish *p,
                      uint16_t id);
void mqtt_put_puback(struct prov_buf *out, uint16_t id);
void mqtt_put_subscribe(struct prov_buf *out, enum mqtt_version v, const char *filter, uint8_t qos,
                        uint16_t id);
void mqtt_put_unsubscribe(struct prov_buf *out, enum mqtt_version v, const char *filter,
                          uint16_t id);
void mqtt_put_ping(struct prov_buf *out);
void mqtt_put_disconnect(struct prov_buf *out, enum mqtt_version v, uint8_t reason);

struct mqtt_packet {
    uint8_t type, flags;
    struct prov_span body; /* points into what was cut */
};

/* Bytes that the first packet takes, 0 when it is not complete yet, -1 when it cannot become one.
 */
long mqtt_cut(struct prov_span bytes, struct mqtt_packet *out);

/* Reads a body from front to back; reading past the end sticks in bad. */
struct mqtt_reader {
    struct prov_span left;
    bool bad;
};

struct prov_span mqtt_read(struct mqtt_reader *r, size_t n);
uint8_t mqtt_read_u8(struct mqtt_reader *r);
uint16_t mqtt_read_u16(struct mqtt_reader *r);
struct prov_span mqtt_read_string(struct mqtt_reader *r);
/* The bytes of an MQTT 5 property block without its length. */
struct prov_span mqtt_read_props(struct mqtt_reader *r);

#endif
