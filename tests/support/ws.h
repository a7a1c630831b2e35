/*
 * ws.h - the client's side of a WebSocket (RFC 6455) for mqtt_link.c: bytes in, bytes out, no
 * input or output of its own.
 *
 * Everything a client sends is masked; what the server sends must not be, and must be binary frames
 * or control frames. Pings are answered. A frame or message is no unit to MQTT: payload goes into
 * one stream.
 */
#ifndef SUPPORT_WS_H
#define SUPPORT_WS_H

#include <stdbool.h>

#include "core/base.h"

enum ws_opcode {
    WS_CONTINUATION = 0,
    WS_TEXT = 1,
    WS_BINARY = 2,
    WS_CLOSE = 8,
    WS_PING = 9,
    WS_PONG = 10,
};

struct ws_options {
    const char *path;        /* NULL: /mqtt */
    const char *subprotocol; /* NULL: mqtt; "": none is asked for */
    size_t fragment;         /* payload bytes of a frame, further ones are continuations; 0: all */
};

struct ws {
    size_t fragment;
    bool open;      /* the server has agreed */
    bool bad;       /* it sent what it may not: why says what */
    bool closed;    /* it sent a close frame */
    int status;     /* of its HTTP answer; 0: none yet */
    int close_code; /* of its close frame; -1: none, or one without a code */
    unsigned pongs;
    const char *why;
    char accept[32], subprotocol[32]; /* what its answer must say */
    bool fragmented;                  /* a message of its goes on */
    struct prov_buf raw;              /* received, not taken apart yet */
};

/* Appends the request to out. False without memory or randomness; release either way. */
bool ws_start(struct ws *w, const struct ws_options *o, struct prov_buf *out);
void ws_release(struct ws *w);

/* Takes raw apart as far as it goes: payload to in; what is to be answered, to out. */
void ws_take(struct ws *w, struct prov_buf *in, struct prov_buf *out);
/* Appends the payload to out, as one message. */
void ws_put(const struct ws *w, struct prov_span payload, struct prov_buf *out);
/* Appends one frame of any kind. */
void ws_put_frame(bool last, enum ws_opcode opcode, struct prov_span payload, struct prov_buf *out);

#endif
