/*
 * mqtt_link.h - one non-blocking connection, TCP or TLS over it, with or without a WebSocket on
 * top, pumped by hand, for mqtt.c.
 *
 * TLS reads and writes memory, and the socket is served apart from it. When the broker refuses a
 * client certificate under TLS 1.3, this side has finished its handshake and may already have sent:
 * the write fails, but the alert is still there to be read, and only reading on finds it.
 */
#ifndef SUPPORT_MQTT_LINK_H
#define SUPPORT_MQTT_LINK_H

#include "support/mqtt.h"

struct mqtt_link {
    int fd; /* -1 once closed */
    SSL *ssl;
    BIO *from_peer, *to_peer; /* the ssl's */
    bool connected;           /* TCP */
    bool open;                /* application bytes may flow */
    bool eof, broken;
    int write_errno;
    struct prov_buf out;  /* application bytes to send; append at any time */
    struct prov_buf in;   /* application bytes received; mqtt_link_consume when used */
    struct prov_buf wire; /* what the socket has not taken yet */
    bool on_ws;           /* out and in are a WebSocket's payload… */
    struct ws ws;
    struct prov_buf ws_out; /* …and this is what it makes of out */
    struct mqtt_report *report;
};

/* False when the options are unusable or memory is short; release either way. */
bool mqtt_link_start(struct mqtt_link *l, const struct mqtt_options *o, struct mqtt_report *report);
void mqtt_link_release(struct mqtt_link *l);
/* When the connection ends, the report says how and fd becomes -1; bytes received stay in `in`. */
void mqtt_link_step(struct mqtt_link *l);
/* Moves `out` towards the peer and reads nothing; an error is found by the next step. */
void mqtt_link_send(struct mqtt_link *l);
/* Appends a WebSocket frame behind all of `out`. */
void mqtt_link_frame(struct mqtt_link *l, enum ws_opcode opcode, struct prov_span payload);
/* Ends the connection from this side. */
void mqtt_link_close(struct mqtt_link *l, enum mqtt_end why);
bool mqtt_link_wants_write(const struct mqtt_link *l);
void mqtt_link_consume(struct prov_buf *b, size_t n);

#endif
